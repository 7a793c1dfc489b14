"""Declared differences from the peer: what is expected, why, and the proof that ours is nearer to the truth.

Parity is checked after the prediction of every deviation has been applied to the peer's arrays. A prediction is a function
of `tests.parity.predictions`, named in ``deviations.toml``:

``formula``
    ``f(peer, ours, scene) -> dict`` of the arrays as they should be.
``excluded-mask``
    ``f(peer, ours, scene) -> dict`` of boolean arrays, True where pixels are not compared. At most ``limit`` of the pixels.
``extra-array``
    No function: ours has arrays that the peer does not have.
``keyword``
    Keywords that are not compared, in every product or, with a prediction ``f(scene) -> bool``, where that says so.
``not-compared``
    Arrays of a product all of whose inputs differ as predicted, or columns of catalogues (globs); with a prediction
    ``f(scene) -> bool``, where that says so.
``rare``
    No function: a branch, a parameter or a keyword that the compared cases do not reach.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.parity import predictions

HERE = Path(__file__).parent
KINDS = ("formula", "excluded-mask", "extra-array", "keyword", "not-compared", "rare")


@dataclass(frozen=True)
class Deviation:
    """One entry of ``deviations.toml``; `follows` marks the consequences, in later products, of the one that it names."""

    stages: tuple[str, ...]
    arrays: tuple[str, ...]
    kind: str
    name: str = ""
    follows: str = ""
    reason: str = ""
    size: str = ""
    truth_test: str = ""
    modes: tuple[str, ...] = ("step", "chain")
    prediction: str = ""
    limit: float = 0.01


def load(path: Path = HERE / "deviations.toml") -> list[Deviation]:
    """Read and check the declared deviations."""
    entries = tomllib.loads(path.read_text()).get("deviation", [])
    deviations = [
        Deviation(**{key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()})
        for entry in entries
    ]
    for deviation in deviations:
        _check(deviation, {one.name for one in deviations})
    return deviations


def _check(deviation: Deviation, names: set[str]) -> None:
    """Refuse an entry that is not complete."""
    label = deviation.name or f"consequence of {deviation.follows}"
    if deviation.kind not in KINDS:
        raise ValueError(f"{label}: kind {deviation.kind!r} is not one of {', '.join(KINDS)}")
    if deviation.kind in ("formula", "excluded-mask") and not deviation.prediction:
        raise ValueError(f"{label}: formulas and masks name a prediction")
    if deviation.kind in ("extra-array", "rare") and deviation.prediction:
        raise ValueError(f"{label}: has no use for a prediction")
    if deviation.prediction and not hasattr(predictions, deviation.prediction):
        raise ValueError(f"{label}: there is no prediction {deviation.prediction!r}")
    if deviation.follows and deviation.follows not in names:
        raise ValueError(f"{label}: there is no such deviation")
    if not deviation.follows and not (deviation.name and deviation.reason.strip() and deviation.size):
        raise ValueError(f"{label}: says neither why nor how much")


def apply(
    deviations: list[Deviation],
    step: str,
    mode: str,
    *,
    ours: dict[str, np.ndarray],
    peer: dict[str, np.ndarray],
    scene: predictions.Scene,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, np.ndarray], list[str]]:
    """Apply what is declared for a step.

    Parameters
    ----------
    deviations : list of Deviation
        All declared ones.
    step, mode : str
        Step, and ``step`` or ``chain``.
    ours, peer : dict of ndarray
        Arrays of the two products.
    scene : Scene
        References and inputs that predictions need.

    Returns
    -------
    ours, peer, excluded : dict of ndarray
        What is to be compared, and the pixels that are not.
    used : list of str
        Names of the deviations that took part.
    """
    ours, peer = dict(ours), dict(peer)
    excluded: dict[str, np.ndarray] = {}
    used: list[str] = []
    for deviation in deviations:
        if step not in deviation.stages or mode not in deviation.modes or deviation.kind in ("rare", "keyword"):
            continue
        label = deviation.name or deviation.follows
        if deviation.kind == "extra-array":
            present = [name for name in deviation.arrays if name in ours and name not in peer]
            for name in present:
                del ours[name]
            used += [label] * bool(present)
            continue
        if deviation.kind == "not-compared":
            if not _holds(deviation, scene):
                continue
            for name in deviation.arrays:
                ours.pop(name, None)
                peer.pop(name, None)
            used.append(label)
            continue
        predicted = getattr(predictions, deviation.prediction)(peer, ours, scene)
        predicted = {name: array for name, array in predicted.items() if name in deviation.arrays}
        used += [label] * bool(predicted)
        if deviation.kind == "formula":
            peer.update(predicted)
            continue
        for name, mask in predicted.items():
            if np.mean(mask) > deviation.limit:
                raise ValueError(f"{label} excludes {np.mean(mask):.2%} of {name}, more than {deviation.limit:.2%}")
            excluded[name] = excluded[name] | mask if name in excluded else mask
    return ours, peer, excluded, used


def _holds(deviation: Deviation, scene: predictions.Scene) -> bool:
    """Whether a deviation that changes no values is there in a scene."""
    return not deviation.prediction or getattr(predictions, deviation.prediction)(scene)


def uncompared_keywords(
    deviations: list[Deviation], step: str, mode: str, *, scene: predictions.Scene
) -> tuple[list[str], list[str]]:
    """Return the keywords of a product that are not compared, and the names of the deviations that say so."""
    chosen = [
        d for d in deviations if d.kind == "keyword" and step in d.stages and mode in d.modes and _holds(d, scene)
    ]
    return [name for d in chosen for name in d.arrays], [d.name or d.follows for d in chosen]


def uncompared_columns(deviations: list[Deviation], step: str, mode: str) -> tuple[list[str], list[str]]:
    """Return patterns of the catalogue columns that are not compared, and the names of the deviations that say so."""
    chosen = [d for d in deviations if d.kind == "not-compared" and step in d.stages and mode in d.modes]
    return [name for d in chosen for name in d.arrays], [d.name or d.follows for d in chosen]


def document(deviations: list[Deviation]) -> str:
    """Return ``docs/deviations.md``."""
    lines = [
        "# Deviations from the official pipeline",
        "",
        "Where the results of jwcal differ from those of `jwst` 3.0.0, why, by how much, and which test shows that the",
        "difference brings them nearer to the truth. This page is generated from `tests/parity/deviations.toml`; parity is",
        "checked after each of these predictions is applied.",
        "",
    ]
    for deviation in deviations:
        if deviation.follows:
            continue
        lines += [f"## {deviation.name}", "", deviation.reason.strip(), ""]
        lines += [f"- **Stages**: {', '.join(deviation.stages)}; arrays {', '.join(deviation.arrays)}"]
        lines += [f"- **Size**: {deviation.size}"]
        lines += [f"- **Test against the truth**: `{deviation.truth_test}`"] if deviation.truth_test else []
        lines += [""]
    return "\n".join(lines)
