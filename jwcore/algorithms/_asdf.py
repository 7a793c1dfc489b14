"""The asdf library, with its extensions loaded quickly: import `asdf` from here, inside functions.

At the first use asdf parses 49 lists of tags with the YAML parser that is written in Python, which takes a quarter of a
second; the parser in C gives the same result in a tenth of that. And it imports the whole package of data models for the
name of the folder that holds their schemas; the same folder is found without.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import asdf
import yaml
from asdf.resource import DirectoryResourceMapping

__all__ = ["asdf"]

DATA_MODELS = "stdatamodels.jwst.datamodels"
SCHEMAS = "http://stsci.edu/schemas/jwst_datamodel/"


def _load_extensions() -> None:
    original = yaml.safe_load
    yaml.safe_load = partial(yaml.load, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    try:
        with _data_models_unopened():
            _ = asdf.get_config().extensions
    finally:
        yaml.safe_load = original


@contextmanager
def _data_models_unopened() -> Iterator[None]:
    """Answer for the data models, as long as nobody has imported them, where their schemas are."""
    spec = find_spec(DATA_MODELS) if DATA_MODELS not in sys.modules else None
    folders = [Path(place) / "schemas" for place in (spec and spec.submodule_search_locations) or ()]
    entry_point = f"{DATA_MODELS}.integration"
    if len(folders) != 1 or not folders[0].is_dir() or entry_point in sys.modules:
        yield
        return
    answer = [DirectoryResourceMapping(folders[0], SCHEMAS)]
    sys.modules[entry_point] = SimpleNamespace(get_resource_mappings=lambda: answer)  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[entry_point]


_load_extensions()
