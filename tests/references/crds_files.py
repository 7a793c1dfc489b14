"""Writes small CRDS caches: rules with valid checksums, a server configuration, and reference files."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

PARKEYS = {
    "detector": "META.INSTRUMENT.DETECTOR",
    "exp_type": "META.EXPOSURE.TYPE",
    "filter": "META.INSTRUMENT.FILTER",
    "subarray": "META.SUBARRAY.NAME",
}
DATE_KEYS = ("META.OBSERVATION.DATE", "META.OBSERVATION.TIME")


def write_mapping(path: Path, header: Mapping, selector: str) -> None:
    lines = [f"    {key!r} : {value!r},\n" for key, value in {**header, "name": path.name}.items()]
    text = "header = {\n" + "".join(lines) + "    'sha1sum' : '@',\n}\n\nselector = " + selector + "\n"
    kept = "".join(line for line in text.splitlines(True) if "sha1sum" not in line)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace("'@'", repr(hashlib.sha1(kept.encode()).hexdigest())))


def write_rmap(
    folder: Path, kind: str, keys: tuple[str, ...], rules: Mapping[tuple, Mapping[str, str] | str], **extra
) -> str:
    """Write the rules of one type: {values of keys: {useafter: file} or "N/A"}."""
    name = f"jwst_nircam_{kind}_0001.rmap"
    body = "".join(
        f"    {values!r} : {chosen!r},\n"
        if isinstance(chosen, str)
        else f"    {values!r} : UseAfter({dict(chosen)!r}),\n"
        for values, chosen in rules.items()
    )
    header = {
        "classes": ("Match", "UseAfter"),
        "derived_from": "generated",
        "filekind": kind.upper(),
        "instrument": "NIRCAM",
        "mapping": "REFERENCE",
        "observatory": "JWST",
        "parkey": (tuple(PARKEYS[key] for key in keys), DATE_KEYS),
        **extra,
    }
    write_mapping(folder / name, header, "Match({\n" + body + "})")
    return name


def write_cache(root: Path, types: Mapping[str, str], *, bad: tuple[str, ...] = ()) -> Path:
    """Write the context jwst_0001.pmap over rules that are already in place."""
    mappings = root / "mappings/jwst"
    common = {"derived_from": "generated", "observatory": "JWST"}
    imap = {**common, "instrument": "NIRCAM", "mapping": "INSTRUMENT", "parkey": ("REFTYPE",)}
    write_mapping(mappings / "jwst_nircam_0001.imap", imap, repr({kind.upper(): rmap for kind, rmap in types.items()}))
    pmap = {**common, "mapping": "PIPELINE", "parkey": ("META.INSTRUMENT.NAME",)}
    write_mapping(mappings / "jwst_0001.pmap", pmap, repr({"NIRCAM": "jwst_nircam_0001.imap"}))
    config = root / "config/jwst"
    config.mkdir(parents=True)
    (config / "server_config").write_text(repr({"operational_context": "jwst_0001.pmap", "bad_files_list": list(bad)}))
    (config / "ref_cache_subdir_mode").write_text("instrument")
    return root


def write_reference(root: Path, name: str, content: bytes = b"x") -> Path:
    path = root / "references/jwst/nircam" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
