"""Seconds of every step inside one process of ours: ``python -m benchmarks.steps INPUT`` prints them as JSON."""

import json
import sys
import tempfile

import jwcore


def main() -> None:
    """Reduce raw exposures to calibrated ones and print label -> seconds."""
    with tempfile.TemporaryDirectory() as folder:
        result = jwcore.plan(sys.argv[1:], recipe="auto", to="cal", references="crds", output_dir=folder).run()
        records = [record for outcome in result.outcomes.values() for record in outcome.steps]
    print(json.dumps({record["label"]: record["seconds"] for record in records if "seconds" in record}))


if __name__ == "__main__":
    main()
