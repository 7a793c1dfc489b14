"""What is right and wrong with a set-up: installation, plugins, references, compiled kernels."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from typing import Any

OK, MEND, IDLE = "ok", "to mend", "not needed"
COLOURS = {OK: "green", MEND: "red", IDLE: "yellow"}


def findings() -> Iterator[tuple[str, str]]:
    """Iterate over what was looked at: its state, and a line that says how to mend what is wrong."""
    yield from _installation()
    yield from _plugins()
    yield from _references()
    yield from _kernel_cache()


def _installation() -> Iterator[tuple[str, str]]:
    from importlib import metadata

    yield OK, f"python {platform.python_version()} on {platform.machine()}, {os.cpu_count()} cores"
    libraries = ("numpy", "numba", "astropy", "gwcs", "asdf", "photutils", "tweakwcs", "crds", "stdatamodels")
    yield OK, ", ".join(f"{name} {metadata.version(name)}" for name in ("jwcal", *libraries))


def _plugins() -> Iterator[tuple[str, str]]:
    from jwcore.plugins import Plugins

    loaded = Plugins()
    loaded.load_rest()
    for plugin in loaded.plugins.values():
        if plugin.error:
            text = f"plugin {plugin.name} {plugin.version}: {plugin.error} — update or uninstall {plugin.distribution}"
            yield MEND, text
    working = [plugin.name for plugin in loaded.plugins.values() if not plugin.error]
    yield OK, f"plugins: {', '.join(working)}"
    for instrument in ("nircam", "miri", "nirspec", "niriss", "fgs"):
        if instrument not in loaded.plugins:
            yield IDLE, f"no plugin for {instrument} — pip install jwcal-{instrument}, if you have such data"


def _references() -> Iterator[tuple[str, str]]:
    from jwcore.references.crds_cache import CrdsCache

    cache = CrdsCache.from_environment()
    if cache is None:
        yield IDLE, "CRDS_PATH is not set: for real data set it to a CRDS cache, or give --references DIR"
        return
    if problem := cache.problem():
        yield MEND, str(problem)
        return
    references = sum(1 for _ in cache.references.glob("**/*.*"))
    yield OK, f"CRDS cache {cache.references.parent.parent}: context {cache.context}, {references} references"


def _kernel_cache() -> Iterator[tuple[str, str]]:
    from jwcore.algorithms import _kernel_cache

    folder = _kernel_cache.folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ready = _kernel_cache.compiled()
    except OSError as error:
        yield MEND, f"kernel cache {folder}: {error.strerror} — set NUMBA_CACHE_DIR to a folder that you can write"
        return
    empty = "empty: the first run takes one to two minutes more (or compile now: jwcal doctor --compile)"
    yield OK, f"kernel cache {folder}: {f'{ready} compiled kernels' if ready else empty}"


def installed_plugins(*, check: bool = False) -> list[dict[str, Any]]:
    """List the installed plugins from the metadata of their packages, or import them and tell which are broken."""
    from importlib import metadata

    from jwcore.distributions import FIRST_PARTY, GROUP

    found = {}
    for entry in metadata.entry_points(group=GROUP):
        name = entry.dist.name.lower() if entry.dist else ""
        found[entry.name] = {
            "name": entry.name, "distribution": name, "version": entry.dist.version if entry.dist else "",
            "module": entry.value, "first_party": name in FIRST_PARTY,
        }  # fmt: skip
    rows = sorted(found.values(), key=lambda row: (not row["first_party"], row["name"]))
    if check:
        _add_checks(rows)
    return rows


def _add_checks(rows: list[dict[str, Any]]) -> None:
    from jwcore.plugins import Plugins

    loaded = Plugins()
    loaded.load_rest()
    for row in rows:
        plugin = loaded.plugins.get(row["name"])
        row["state"] = "blocked" if plugin is None else f"broken: {plugin.error}" if plugin.error else "ok"
