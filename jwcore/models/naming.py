"""Names of products: how a suffix is recognised, removed and put on."""

from pathlib import Path
from typing import NamedTuple

from jwcore.models.keywords import KEYWORDS

_PRODUCTS = """
uncal dark ramp trapsfilled fitopt rate rateints bsub bsubints cal calints interpolatedflat flat combinedbackground
mbsub masterbg1d masterbg2d bkgx1d crf crfints median blot outlier outlier_i2d outlier_s2d i2d s2d s3d x1d x1dints c1d
cat segm phot whtlt psfstack psfalign psfsub ami ami-oi amimulti-oi amilg psf-ami-oi aminorm aminorm-oi wfscmb esec
simul simul_slits contam residual_fringe fringe snr
"""

_PIPELINES = "detector1 dark guider image2 spec2 image3 spec3 coron3 ami3 tso3 wfs-image3"

_ALIASES = "dark_current stack_refs align_refs resample_spec master_background_mos"


def _known() -> frozenset[str]:
    """Return the product suffixes, the step names, and both as lower-case class names."""
    steps = [keyword.path.removeprefix("cal_step.") for keyword in KEYWORDS if keyword.path.startswith("cal_step.")]
    steps += _ALIASES.split()
    classes = [f"{step.replace('_', '')}step" for step in steps]
    pipelines = [f"{name.replace('-', '')}pipeline" for name in _PIPELINES.split()]
    calwebb = [f"calwebb_{name}" for name in _PIPELINES.split()]
    return frozenset([*_PRODUCTS.split(), *steps, *classes, *pipelines, *calwebb])


KNOWN_SUFFIXES: frozenset[str] = _known()
"""Suffixes that are removed before a new one is put on."""

_LONGEST_FIRST = sorted(KNOWN_SUFFIXES, key=len, reverse=True)


def of_integrations(suffix: str) -> str:
    """Return the suffix that a product has when it holds single integrations, as far as there is one of its own."""
    return f"{suffix}ints" if f"{suffix}ints" in KNOWN_SUFFIXES else suffix


class Stem(NamedTuple):
    """A file name without directory and extension, cut before its suffix."""

    base: str
    separator: str
    suffix: str | None


def split(name: str | Path) -> Stem:
    """Cut the name of a product into base, separator and known suffix (None when it has none)."""
    stem = Path(name).name
    for extension in (".fits", ".ecsv", ".asdf", ".json"):
        stem = stem.removesuffix(extension)
    for suffix in _LONGEST_FIRST:
        for separator in "_-":
            if stem.lower().endswith(f"{separator}{suffix}"):
                return Stem(stem[: -len(suffix) - 1], separator, suffix)
    return Stem(stem, "_", None)


def strip_suffix(name: str | Path) -> str:
    """Return the name of a product without directory, extension and suffix."""
    return split(name).base


def suffix_of(name: str | Path) -> str | None:
    """Return the known suffix of a product name, None when it has none."""
    return split(name).suffix


def product_name(
    source: str | Path,
    suffix: str,
    *,
    asn_id: str | None = None,
    component: str | None = None,
    index: int | None = None,
    extension: str = ".fits",
) -> str:
    """Return the file name of a product that is made from `source`.

    Parameters
    ----------
    source : path-like
        Name of the input or of the association product.
    suffix : str
        Kind of product, such as ``cal``; a suffix that `source` has is replaced.
    asn_id : str, optional
        Association candidate, for exposure-level products of stage 3: ``..._o001_crf``.
    component : str, optional
        Slit or source name.
    index : int, optional
        Number in a list of several results.
    extension : str
        With the dot.
    """
    stem = split(source)
    parts = [None if index is None else str(index), component and component.lower(), asn_id]
    middle = "".join(f"_{part}" for part in parts if part)
    separator = "_" if middle else stem.separator
    return f"{stem.base}{middle}{separator}{suffix}{extension}"
