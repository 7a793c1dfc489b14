"""Products in memory and in files: containers, metadata, exposure sets.

>>> exposure = models.read("jw01234001001_02101_00001_nrca1_rate.fits")  # doctest: +SKIP
>>> exposure.meta.exposure.type, exposure.data.shape  # doctest: +SKIP
('NRC_IMAGE', (2048, 2048))
>>> models.write(exposure, "copy_rate.fits")  # doctest: +SKIP
"""

from pathlib import Path

from jwcore.errors import BadInput, UsageError
from jwcore.models.blend import blend, header_table
from jwcore.models.catalog import Catalog
from jwcore.models.containers import (
    Cube,
    GuiderCal,
    GuiderRaw,
    IFUImage,
    Image,
    Ramp,
    RampFitOutput,
    Segmentation,
    SuperstripeRamp,
    Uncal,
)
from jwcore.models.declare import Array, Table
from jwcore.models.exposure import Exposure, Extra
from jwcore.models.facts import is_moving_target, is_tso, significant
from jwcore.models.mapped import copied
from jwcore.models.meta import InvalidMetadata, Meta
from jwcore.models.naming import of_integrations, product_name, strip_suffix, suffix_of
from jwcore.models.needs import check_exposure, read_exposure_meta, require, require_alike
from jwcore.models.reader import fingerprint, read_exposure, read_meta
from jwcore.models.sets import ExposureSet
from jwcore.models.stripes import StripeBlock, StripeReadout, has_detector_rows, is_striped, of_one_stripe
from jwcore.models.tree import Tree
from jwcore.models.writer import write_exposure

__all__ = [
    "Array",
    "Catalog",
    "Cube",
    "Exposure",
    "ExposureSet",
    "Extra",
    "GuiderCal",
    "GuiderRaw",
    "IFUImage",
    "Image",
    "InvalidMetadata",
    "Meta",
    "Ramp",
    "RampFitOutput",
    "Segmentation",
    "StripeBlock",
    "StripeReadout",
    "SuperstripeRamp",
    "Table",
    "Tree",
    "Uncal",
    "blend",
    "check_exposure",
    "copied",
    "fingerprint",
    "has_detector_rows",
    "header_table",
    "is_moving_target",
    "is_striped",
    "is_tso",
    "of_integrations",
    "of_one_stripe",
    "product_name",
    "read",
    "read_exposure_meta",
    "read_meta",
    "require",
    "require_alike",
    "significant",
    "strip_suffix",
    "suffix_of",
    "write",
]

Product = Exposure | Catalog | Tree


def read(path: str | Path, *, kind: type[Exposure] | None = None) -> Product:
    """Open a product; its arrays are loaded when they are used.

    Parameters
    ----------
    path : path-like
        A FITS product, an ECSV catalogue or an ASDF tree.
    kind : type, optional
        Container to read it into; by default that of its DATAMODL (raw ramps become a `Ramp`).

    Raises
    ------
    BadInput
        When the file is damaged, or lacks what the container declares.
    """
    path = Path(path)
    if path.suffix.lower() == ".ecsv":
        return Catalog.read(path)
    if path.suffix.lower() == ".asdf":
        return Tree.read(path)
    if path.suffix.lower() == ".json":
        raise BadInput("this is not a product", where=str(path), cure="open associations with jwcore.associations")
    return read_exposure(path, kind=kind)


def write(product: Product, path: str | Path, *, last_use: bool = False) -> Path:
    """Write a product, complete or not at all; return the path.

    Parameters
    ----------
    product : Product
        What to write.
    path : path-like
        The file.
    last_use : bool
        Nobody needs the arrays of the product afterwards: their memory is given back one by one.

    Raises
    ------
    UsageError
        When the extension of the name does not fit the product.
    JwcalError
        When the system refuses to write, or a header cannot hold a value.
    """
    path = Path(path)
    extension = f".{product.extension}" if isinstance(product, (Catalog, Tree)) else ".fits"
    if path.suffix.lower() != extension:
        raise UsageError(
            f"a {type(product).__name__} is written as {extension}", where=str(path), cure="change the name"
        )
    if isinstance(product, (Catalog, Tree)):
        product.write(path)
    else:
        write_exposure(product, path, last_use=last_use)
    return path
