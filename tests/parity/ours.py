"""Our side: single steps on the peer's products, and whole recipes."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

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


def run_step(stage: str, inputs: Path | Sequence[Path], output: Path) -> dict[str, Path]:
    """Run one stage and write what it returns.

    Returns
    -------
    dict
        Name of the product (``ramp_fit`` gives ``rate`` and ``rateints``, other stages ``science``; sets ``science0``,
        ``science1`` ...) -> file.
    """
    result = jwcore.plan(inputs, recipe=stage, references="crds").run()
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
    recipe: str, inputs: Path | Sequence[Path], output: Path, *, save: Sequence[str] = (), start: str | None = None
) -> dict[str, Path]:
    """Run a recipe, from a step on if wanted, with the results of the named steps saved.

    Returns
    -------
    dict
        Stream, or label of a saved step -> file.
    """
    result = jwcore.plan(inputs, recipe=recipe, references="crds", save=save, start=start, output_dir=output).run()
    written = {}
    for outcome in result.outcomes.values():
        for name, product in outcome.products.items():
            label, _, part = name.partition(":")
            key = label if part in ("", "science", label) else f"{label}:{part}"
            written[key] = Path(product.path) if hasattr(product, "path") else product
    return written
