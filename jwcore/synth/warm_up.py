"""Compiling the kernels ahead of the first run."""

import logging
import tempfile
import time
from pathlib import Path

__all__ = ["compile_kernels"]


def compile_kernels() -> float:
    """Run a tiny simulated programme through the whole chain, which compiles every kernel that the chain needs.

    A bar on the terminal counts the steps. Returns the seconds that it took.
    """
    from rich.console import Console
    from rich.progress import Progress

    from jwcore.planner import plan
    from jwcore.synth.simulate import simulate

    started = time.perf_counter()
    with (
        Progress(console=Console(stderr=True), transient=True) as bar,
        tempfile.TemporaryDirectory("", "jwcal-") as folder,
    ):
        task = bar.add_task("compiling", total=None)
        made = simulate(Path(folder), n_dithers=2, subarray="SUB160", ngroups=10)
        planned = plan(made.uncals, "auto", output_dir=folder)
        bar.update(task, total=sum(len(list(node.steps())) + len(node.saves) for node in planned.nodes))
        logger = logging.getLogger("jwcal")
        logger.handlers[:], logger.propagate = [_Advance(lambda: bar.advance(task))], False
        logger.setLevel(logging.INFO)
        planned.run()
    return time.perf_counter() - started


class _Advance(logging.Handler):
    """Moves a bar at every line that a run logs, and keeps the line to itself."""

    def __init__(self, advance):
        super().__init__()
        self.advance = advance

    def emit(self, record: logging.LogRecord) -> None:
        self.advance()
