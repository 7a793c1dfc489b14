"""The asdf library, with its extensions loaded quickly: import `asdf` from here, inside functions.

At the first use asdf parses 49 lists of tags with the YAML parser that is written in Python, which takes a quarter of a
second. The parser in C gives the same result in a tenth of that.
"""

from functools import partial

import asdf
import yaml

__all__ = ["asdf"]


def _load_extensions() -> None:
    original = yaml.safe_load
    yaml.safe_load = partial(yaml.load, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    try:
        _ = asdf.get_config().extensions
    finally:
        yaml.safe_load = original


_load_extensions()
