"""The history inside a product: records of what was decided and of what happened, as they are kept, joined and looked up."""

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jwcore.errors import BadInput

CONFIGURATION, RUN = "configuration", "run"
"""The two kinds of records."""
PROVENANCE = "JWCAL"
"""Name of their extension in FITS, and of their entry in catalogues."""
Record = dict[str, Any]
_NEEDED = {CONFIGURATION: {"digest": str, "entries": list, "plugins": dict, "selection": dict},
           RUN: {"configuration": str, "inputs": dict, "steps": list}}  # fmt: skip
"""What must be in a record, and of which type."""


def pack(records: list[Record]) -> bytes:
    """Return records as compressed JSON."""
    return zlib.compress(json.dumps(records, separators=(",", ":")).encode(), level=6)


def unpack(content: bytes, *, where: str) -> list[Record]:
    """Return the records that `pack` compressed.

    Raises
    ------
    BadInput
        When they are damaged, or no such records.
    """
    try:
        records = json.loads(zlib.decompress(content))
    except (zlib.error, ValueError):
        records = None
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise BadInput("the provenance record is damaged", where=where, cure=f"remove {PROVENANCE} from it")
    return records


def summed(pieces: list[Record]) -> Record:
    """Join the records of one step on all pieces."""
    record = dict(next((piece for piece in pieces if "seconds" in piece), pieces[0]))
    if "seconds" in record:
        record["seconds"] = round(sum(piece.get("seconds", 0.0) for piece in pieces), 3)
    tables = {name for piece in pieces for name, value in piece.items() if isinstance(value, list)} - {"calls"}
    record |= {name: [row for piece in pieces for row in piece.get(name, [])] for name in sorted(tables)}
    names = {name for piece in pieces for name in piece.get("counts", {})}
    if names:
        record["counts"] = {
            name: sum(piece.get("counts", {}).get(name, 0) for piece in pieces) for name in sorted(names)
        }
    return record


def merged(histories: Iterable[list[Record]], *, own: Iterable[Record]) -> list[Record]:
    """Join the histories of all inputs with new records; equal records are kept once."""
    seen: dict[str, Record] = {}
    for history in (*histories, list(own)):
        for record in history:
            seen.setdefault(record.get("digest") or digest(record), record)
    return list(seen.values())


def digest(record: Mapping[str, Any]) -> str:
    """Short digest of a record's content."""
    plain = {key: value for key, value in record.items() if key != "digest"}
    return hashlib.sha256(json.dumps(plain, sort_keys=True, default=str).encode()).hexdigest()[:16]


def runs(history: Iterable[Record]) -> list[tuple[Record, Record]]:
    """Pair every run with its configuration, oldest first.

    Raises
    ------
    BadInput
        When a record lacks what its readers rely on, or a run its configuration.
    """
    records = list(history)
    needed = [(record, _NEEDED.get(str(record.get("kind")), {})) for record in records]
    sound = all(isinstance(record.get(name), kind) for record, kinds in needed for name, kind in kinds.items())
    settings = {record.get("digest"): record for record in records if record.get("kind") == CONFIGURATION}
    found = [record for record in records if record.get("kind") == RUN]
    if not sound or any(record["configuration"] not in settings for record in found):
        raise BadInput("the record of jwcal in this file is not complete", cure=f"remove {PROVENANCE} from it")
    return [(record, settings[record["configuration"]]) for record in found]


def flat_entries(entries: list[Record]) -> Iterator[Record]:
    """Iterate over the steps of a recorded configuration, those in branches, fan-outs and calls included."""
    for entry in entries:
        if "split" in entry:
            steps = [step for branch in entry["branches"].values() for step in branch]
            yield from flat_entries([entry["split"], *steps, entry["merge"]])
        elif "for each" in entry:
            yield from flat_entries([entry["for each"], *entry["steps"]])
        elif "label" in entry:
            yield entry
            yield from flat_entries(entry.get("calls", []))
