"""Opening products: which container a file belongs to."""

import hashlib
from pathlib import Path
from typing import Any

from jwcore.errors import BadInput
from jwcore.models.containers import CONTAINERS, Cube, Image, Ramp, SuperstripeRamp
from jwcore.models.exposure import Exposure
from jwcore.models.fits_file import FitsFile
from jwcore.models.meta import Meta


def read_exposure(path: Path, *, kind: type[Exposure] | None = None) -> Exposure:
    """Return the product in a FITS file, in the container of its DATAMODL unless `kind` is given."""
    file = FitsFile(path)
    return (kind or choose(file)).from_file(file)


def read_meta(path: str | Path) -> Meta:
    """Return the metadata of a FITS product from its headers alone, after the checks that `read_exposure` makes.

    Raises
    ------
    BadInput
        When the file is damaged, is no product, or lacks what its container declares.
    """
    return read_exposure(Path(path)).meta


def fingerprint(path: str | Path) -> str:
    """Return the SHA-256 of a file, the identity of a product in provenance records."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def choose(file: FitsFile) -> type[Exposure]:
    """Return the container of a file: by DATAMODL, without it by the dimensions of its SCI extension."""
    header = file.blocks[0].header
    model: Any = header.get("DATAMODL")
    if model:
        kind = CONTAINERS.get(model, Exposure)
        return SuperstripeRamp if kind is Ramp and header.get("SSTR_NST") else kind
    if "REFTYPE" in header:
        raise BadInput("this is a reference file", where=str(file.path), cure="give an exposure")
    science = [block for block in file.blocks if block.name == "SCI"]
    if not science:
        cure = "give an exposure: a FITS file with a SCI extension or the keyword DATAMODL"
        raise BadInput("there is no SCI extension", where=str(file.path), cure=cure)
    names = {block.name for block in file.blocks}
    by_dimensions = {2: Image, 3: Cube, **({} if "DQ" in names else {4: Ramp})}
    return Exposure if len(science) > 1 else by_dimensions.get(len(science[0].shape), Exposure)
