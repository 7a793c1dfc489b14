"""Our side: single steps on the peer's products, and whole recipes."""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jwcore
from jwcore import models


@contextmanager
def crds(environment: Mapping[str, str]) -> Iterator[None]:
    """Point reference selection at a simulated cache."""
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)


class StepMissing(Exception):
    """Nobody implements a stage for this exposure."""


def run_step(
    stage: str, inputs: Path | Sequence[Path], output: Path, *, options: Mapping[str, Any] | None = None
) -> dict[str, Path]:
    """Run one stage and write what it returns.

    Parameters
    ----------
    stage : str
        Stage.
    inputs : path or sequence of paths
        Exposure, members, or an association.
    output : pathlib.Path
        Folder to write to.
    options : mapping, optional
        Its parameters.

    Returns
    -------
    dict
        Name of the product (``ramp_fit`` gives ``rate`` and ``rateints``, other stages ``science``; sets ``science0``,
        ``science1`` ...) -> file.

    Raises
    ------
    StepMissing
        If the stage has no implementation yet.
    """
    plan = jwcore.plan(inputs, recipe=stage, references="crds", params={stage: dict(options or {})})
    if any(problem.text.startswith("no implementation") for problem in plan.problems):
        raise StepMissing(f"{stage} is not implemented for this exposure")
    result = plan.run()
    written: dict[str, Path] = {}
    for outcome in result.outcomes.values():
        for stream, product in outcome.products.items():
            many = isinstance(product, models.ExposureSet | list)
            for number, item in enumerate(product if many else [product]):
                name = f"{stream}{number}" if many else stream
                suffix = "ecsv" if isinstance(item, models.Catalog) else "fits"
                written[name] = Path(models.write(item, output / f"{stage}_{name}.{suffix}"))
    return written


def run_recipe(
    recipe: str,
    inputs: Path | Sequence[Path],
    output: Path,
    *,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    skip: Collection[str] = (),
    save: Sequence[str] = (),
    start: str | None = None,
) -> dict[str, Path]:
    """Run a recipe, from a step on if wanted, with parameters by step, and with the results of the named steps saved.

    Returns
    -------
    dict
        Stream, or label of a saved step -> file.
    """
    result = jwcore.plan(
        inputs, recipe=recipe, references="crds", params=options, skip=skip, save=save, start=start, output_dir=output
    ).run()
    written = {}
    for outcome in result.outcomes.values():
        for name, product in outcome.products.items():
            label, _, part = name.partition(":")
            key = label if part in ("", "science", label) else f"{label}:{part}"
            written[key] = Path(product.path) if hasattr(product, "path") else product
    return written
