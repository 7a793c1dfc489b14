"""Compare jwcal with the official pipeline: ``python -m tests.parity [--quick] [--case NAME]``."""

import argparse
import logging
import os
import shutil
import sys
import time
from fnmatch import fnmatch
from pathlib import Path

from tests.parity import deviations, peer
from tests.parity.harness import Harness, fresh
from tests.parity.programmes import CASES
from tests.parity.report import Row, markdown, print_table

HERE = Path(__file__).parent
log = logging.getLogger("parity")


def main() -> int:
    """Run the chosen cases, print the table, write ``results.md`` after a full run."""
    parser = argparse.ArgumentParser(prog="python -m tests.parity", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the small cases and one full frame")
    parser.add_argument("--case", action="append", default=[], help="a case by name or pattern; may be repeated")
    parser.add_argument("--keep", action="store_true", help="leave our products of the last case in the cache folder")
    parser.add_argument("--record", action="store_true", help="renew the lines of these cases in the committed table")
    parser.add_argument("--docs", action="store_true", help="only write docs/deviations.md")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)
    declared = deviations.load()
    (peer.REPOSITORY / "docs/deviations.md").write_text(deviations.document(declared))
    if options.docs:
        return 0
    chosen = [
        case
        for case in CASES
        if any(fnmatch(case.name, wanted) for wanted in options.case)
        or (not options.case and (case.quick or not options.quick))
    ]
    rows: list[Row] = []
    for case in chosen:
        start = time.perf_counter()
        work = fresh(peer.cache_folder() / f"ours-{os.getpid()}")
        rows += Harness(case, work, declared).run()
        if options.keep:
            log.info("our products are in %s", work)
        else:
            shutil.rmtree(work)
        peer.prune()
        log.info("%s: %.0f s", case.name, time.perf_counter() - start)
    print_table(rows)
    if options.record or chosen == list(CASES):
        page = HERE / "results.md"
        before = page.read_text() if page.exists() else ""
        page.write_text(markdown(rows, peer=peer.VERSION, before=before, order=[case.name for case in CASES]))
    return 0 if all(row.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
