"""The executor of worker processes; a module of its own, because most runs do without what it imports."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor


class ProcessesExecutor(ProcessPoolExecutor):
    """Runs tasks in worker processes that are started afresh, never forked under a threaded kernel."""

    in_process = False

    def __init__(self, workers: int = 1):
        self.workers = workers
        super().__init__(workers, mp_context=multiprocessing.get_context("spawn"))
