"""The official pipeline in its own environment, run once per input and kept by what went in."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import platformdirs

from tests.parity.cases import NEAR_INFRARED

VERSION = "3.0.0"
REPOSITORY = Path(__file__).parents[2]
CACHE_LIMIT = 12e9
"""Bytes that simulations and products of the peer may take up in the user's cache folder."""
STEPS = (*NEAR_INFRARED, "jump", "ramp_fit")
RUNNER = Path(__file__).with_name("peer_runner.py")


class PeerFailed(RuntimeError):
    """The peer did not finish."""


def peer_environment() -> Path:
    """Return the peer's virtual environment; make it at the first use.

    The environment variable JWCAL_PEER names an existing one.
    """
    named = os.environ.get("JWCAL_PEER")
    if named:
        return Path(named)
    folder = REPOSITORY / ".peer"
    marker = folder / f"jwst-{VERSION}"
    if not marker.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(folder / "bin/pip"), "install", "--quiet", f"jwst=={VERSION}"], check=True)
        marker.touch()
    return folder


def cache_folder() -> Path:
    """Return the folder that keeps the peer's products."""
    return platformdirs.user_cache_path("jwcal") / "parity"


def prune(limit: float = CACHE_LIMIT) -> None:
    """Remove what was not used for longest until the cache is small enough (bytes)."""
    marks = [*cache_folder().glob("*/peer.json"), *cache_folder().glob("simulations/*/done")]
    sizes = {mark: sum(path.stat().st_size for path in mark.parent.rglob("*") if path.is_file()) for mark in marks}
    for mark in sorted(marks, key=lambda mark: mark.stat().st_mtime):
        if sum(sizes.values()) <= limit:
            return
        shutil.rmtree(mark.parent)
        del sizes[mark]


def digest(paths: Sequence[Path]) -> str:
    """Return one SHA-256 over the contents of files."""
    total = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


def run_peer(
    recipe: str,
    inputs: Sequence[Path],
    *,
    environment: Mapping[str, str],
    steps: Mapping[str, Mapping[str, Any]] | None = None,
    again: bool = False,
) -> Path:
    """Run the peer's steps on an input and return the folder with the product of every step.

    Parameters
    ----------
    recipe : str
        ``detector1``, ``exposure`` (detector1 and image2), ``products`` (the same, keeping rate and cal alone), ``guider``,
        ``image2`` or ``image3``.
    inputs : sequence of pathlib.Path
        One exposure, or the members of a mosaic.
    environment : mapping
        The CRDS variables.
    steps : mapping, optional
        Steps of a raw exposure -> parameters; those of a near-infrared detector by default.
    again : bool
        Run even when the products are there, to measure times.

    Raises
    ------
    PeerFailed
        With the end of its log.
    """
    references = sorted(path for path in Path(environment["CRDS_PATH"]).rglob("*") if path.is_file())
    chosen = json.dumps({step: {} for step in STEPS} if steps is None else dict(steps))
    settings = f"{recipe} {chosen} {VERSION} {digest([RUNNER])} {digest(inputs)} {digest(references)}"
    folder = cache_folder() / hashlib.sha256(settings.encode()).hexdigest()[:24]
    if again or not (folder / "peer.json").is_file():
        _run(recipe, inputs, folder, environment, steps=chosen)
    (folder / "peer.json").touch()  # the last use, for `prune`
    return folder


def validate(paths: Sequence[Path], *, environment: Mapping[str, str]) -> dict[str, str]:
    """Open products with the peer's data models, strictly; return the complaint by file name."""
    folder = cache_folder() / f"validation-{os.getpid()}"
    _run("validate", paths, folder, environment)
    faults = json.loads((folder / "validation.json").read_text())
    shutil.rmtree(folder)
    return faults


def _run(
    recipe: str, inputs: Sequence[Path], folder: Path, environment: Mapping[str, str], *, steps: str = "{}"
) -> None:
    """Run the peer in a scratch folder that gets its name only when all went well."""
    scratch = folder.with_name(f"{folder.name}.{os.getpid()}")
    scratch.mkdir(parents=True)
    command = [str(peer_environment() / "bin/python"), str(RUNNER), recipe, str(scratch), steps, *map(str, inputs)]
    try:
        with (scratch / "peer.log").open("w") as log:
            code = subprocess.run(
                command,
                env={**os.environ, **environment},
                cwd=scratch,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
            ).returncode
        if code:
            tail = (scratch / "peer.log").read_text().splitlines()[-20:]
            raise PeerFailed(f"peer's {recipe} ended with {code}:\n" + "\n".join(tail))
        shutil.rmtree(folder, ignore_errors=True)
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def timings(folder: Path) -> dict[str, float]:
    """Return the seconds that each of the peer's steps took."""
    steps = json.loads((folder / "peer.json").read_text())["steps"]
    return {name: step["seconds"] for name, step in steps.items() if "seconds" in step}
