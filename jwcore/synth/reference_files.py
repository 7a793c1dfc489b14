"""Synthetic references on disk: single files, and the complete set of a programme in a CRDS cache."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from jwcore.algorithms import dq
from jwcore.synth.crds_cache import CrdsCache
from jwcore.synth.detector_references import ReferenceContent
from jwcore.synth.instruments import Bandpass, Instrument, Readout
from jwcore.synth.maps import DetectorMaps
from jwcore.synth.references import ReferenceMaker
from jwcore.synth.siaf import is_standard, load_aperture

__all__ = ["ReferenceSet", "geometry_keywords", "write_reference"]

USEAFTER = "2022-01-01T00:00:00"
_OF_THE_SUBARRAY = ("superbias", "readnoise", "dark", "reset", "rscd", "emicorr")
"""Types of which there is a file for every sub-array."""
_OF_THE_FILTER = ("flat",)
"""Types that are selected by the optics."""


def _encode_flags(flags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """DQ array with the bits in use packed from zero, and the DQ_DEF table that explains them."""
    used = [(name, value) for name, value in dq.PIXEL_FLAGS.items() if (flags & np.uint32(value)).any()]
    stored = np.zeros(flags.shape, np.uint32)
    definitions = np.zeros(len(used), [("BIT", "i4"), ("VALUE", "u4"), ("NAME", "S40"), ("DESCRIPTION", "S80")])
    for bit, (name, value) in enumerate(used):
        stored |= np.where(flags & np.uint32(value), np.uint32(1 << bit), np.uint32(0))
        definitions[bit] = (bit, 1 << bit, name.encode(), name.replace("_", " ").capitalize().encode())
    return stored, definitions


def _common_keywords(content: ReferenceContent, maker: ReferenceMaker) -> dict:
    spec = maker.maps.spec
    place = {"DETECTOR": spec.name, "MODULE": spec.module, "CHANNEL": spec.channel}
    return {
        "TELESCOP": "JWST",
        "INSTRUME": maker.instrument.name,
        **{name: value for name, value in place.items() if value},
        "REFTYPE": content.type.upper(),
        "DATAMODL": content.model,
        "AUTHOR": "jwcal simulator",
        "DESCRIP": f"Synthetic {content.type} that matches the simulated detector",
        "PEDIGREE": "SIMULATION",
        "USEAFTER": USEAFTER,
    }


def geometry_keywords(content: ReferenceContent, maker: ReferenceMaker) -> dict:
    """Give the keywords that say which pixels an image covers."""
    subarray, spec = maker.maps.aperture.subarray, maker.maps.spec
    return {
        "SUBARRAY": subarray.name if content.by_subarray else "GENERIC",
        "SUBSTRT1": subarray.xstart,
        "SUBSTRT2": subarray.ystart,
        "SUBSIZE1": subarray.xsize,
        "SUBSIZE2": subarray.ysize,
        "FASTAXIS": spec.fastaxis,
        "SLOWAXIS": spec.slowaxis,
    }


def _write_fits(content: ReferenceContent, maker: ReferenceMaker, path: Path) -> None:
    from astropy.io import fits

    primary = fits.PrimaryHDU()
    primary.header.update(_common_keywords(content, maker))
    if not content.tables:
        primary.header.update(geometry_keywords(content, maker))
    primary.header.update(content.keywords)
    primary.header["HISTORY"] = "Made by the forward model of the simulator"
    hdus: list[Any] = [primary, *(fits.ImageHDU(array, name=name) for name, array in content.arrays.items())]
    if content.flags is not None:
        stored, definitions = _encode_flags(content.flags)
        hdus += [fits.ImageHDU(stored, name="DQ"), fits.BinTableHDU(definitions, name="DQ_DEF")]
    hdus += [fits.BinTableHDU(table, name=name) for name, table in content.tables.items()]
    fits.HDUList(hdus).writeto(path, overwrite=True)


def _write_asdf(content: ReferenceContent, maker: ReferenceMaker, path: Path) -> None:
    import asdf

    header = _common_keywords(content, maker)
    meta = {
        "telescope": "JWST",
        "instrument": {
            "name": maker.instrument.name,
            **{key: header[key.upper()] for key in ("detector", "module", "channel") if key.upper() in header},
        },
        "exposure": {"type": maker.instrument.exp_type},
        "reftype": content.type,
        "model_type": content.model,
        "author": header["AUTHOR"],
        "description": header["DESCRIP"],
        "pedigree": header["PEDIGREE"],
        "useafter": USEAFTER,
    }
    if "model" in (content.tree or {}):
        from astropy import units

        meta |= {"input_units": units.pix, "output_units": units.arcsec}
    asdf.AsdfFile({"meta": meta, **(content.tree or {})}).write_to(path)


def write_reference(content: ReferenceContent, *, maker: ReferenceMaker, directory: Path, serial: int = 1) -> Path:
    """Write one reference in its official format.

    Parameters
    ----------
    content : ReferenceContent
        What to write: FITS, or ASDF if it has a tree.
    maker : ReferenceMaker
        Tells instrument, detector and geometry.
    directory : Path
        Folder to write to.
    serial : int
        Number in the file name ``jwst_<instrument>_<type>_<serial>.<ext>``.

    Returns
    -------
    Path
        The file.
    """
    extension = "fits" if content.tree is None else "asdf"
    path = directory / f"jwst_{maker.instrument.name.lower()}_{content.type}_{serial:04d}.{extension}"
    (_write_fits if content.tree is None else _write_asdf)(content, maker, path)
    return path


@dataclass(kw_only=True)
class ReferenceSet:
    """Writes all references of a programme, and the rules that select them.

    ``root`` is the cache folder. References that serve all sub-arrays are full-frame when the sub-array is one of the
    mission and ``full_frame`` is set; otherwise they cover the sub-array alone.
    """

    root: Path
    instrument: Instrument
    inverse_linearity: bool = False
    full_frame: bool = True
    psf_radius: int = 100
    _serials: dict[str, int] = field(default_factory=dict)

    def write(self, *, maps: Iterable[DetectorMaps], readout: Readout, bandpass: Bandpass) -> CrdsCache:
        """Write the files of every detector and the cache around them."""
        cache = CrdsCache(root=self.root, instrument=self.instrument.name)
        cache.references.mkdir(parents=True, exist_ok=True)
        for detector in maps:
            maker = ReferenceMaker(
                instrument=self.instrument, maps=detector, readout=readout, bandpass=bandpass,
                psf_radius=self.psf_radius, inverse_linearity=self.inverse_linearity,
            )  # fmt: skip
            self._write_detector(cache, maker)
        cache.write()
        return cache

    def _write_detector(self, cache: CrdsCache, maker: ReferenceMaker) -> None:
        whole = self._whole_detector(maker)
        for kind in maker.types:
            chosen = maker if kind in _OF_THE_SUBARRAY else whole
            content = chosen.make(kind)
            selection = self._selection(content, maker)
            if cache.has(kind, **selection):
                continue  # detectors share it
            serial = self._serials[kind] = self._serials.get(kind, 0) + 1
            path = write_reference(content, maker=chosen, directory=cache.references, serial=serial)
            cache.add(kind, path, useafter=USEAFTER, **selection)

    def _selection(self, content: ReferenceContent, maker: ReferenceMaker) -> dict[str, object]:
        """Values of all parameters by which a type may be selected."""
        spec, subarray = maker.maps.spec, maker.maps.aperture.subarray
        optics = (
            {}
            if maker.bandpass is None or content.type not in _OF_THE_FILTER
            else self.instrument.optics(maker.bandpass)
        )
        values: dict[str, object] = {
            "instrument": self.instrument.name,
            "detector": spec.name,
            "exp_type": self.instrument.exp_type,
            "subarray": "GENERIC",
            **{name: optics.get(name.upper()) for name in ("filter", "pupil", "grating", "band")},
        }
        if content.type == "filteroffset":
            values |= {"channel": spec.channel, "module": spec.module}
        if content.by_readpatt and maker.readout is not None:
            values["readpatt"] = maker.readout.pattern.name
        if content.by_subarray:
            values |= {name: getattr(subarray, name) for name in ("xstart", "ystart", "xsize", "ysize")}
            values["subarray"] = subarray.name
        return values

    def _whole_detector(self, maker: ReferenceMaker) -> ReferenceMaker:
        maps = maker.maps
        subarray = maps.aperture.subarray
        standard = is_standard(subarray, instrument=self.instrument, detector=maps.spec.name)
        if subarray.is_full or not standard or not self.full_frame:
            return maker
        full = load_aperture(instrument=self.instrument, detector=maps.spec.name)
        return replace(
            maker, maps=DetectorMaps(spec=maps.spec, aperture=full, effects=maps.effects, serial=maps.serial)
        )
