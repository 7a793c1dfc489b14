"""Synthetic references on disk: single files, and the complete set of an imaging programme in a CRDS cache."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from jwcore.algorithms import dq
from jwcore.synth.crds_cache import CrdsCache
from jwcore.synth.instruments import Bandpass, Instrument, Readout
from jwcore.synth.maps import DetectorMaps
from jwcore.synth.references import ReferenceContent, ReferenceMaker
from jwcore.synth.siaf import is_standard, load_aperture

__all__ = ["ReferenceSet", "write_reference"]

USEAFTER = "2022-01-01T00:00:00"
DARK_PIXELS = 100_000_000
"""Size limit of a dark ramp, pixels (400 MB); longer exposures rely on its linear extension."""


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
    return {
        "TELESCOP": "JWST",
        "INSTRUME": maker.instrument.name,
        "DETECTOR": spec.name,
        "MODULE": spec.module,
        "CHANNEL": spec.channel,
        "REFTYPE": content.type.upper(),
        "DATAMODL": content.model,
        "AUTHOR": "jwcal simulator",
        "DESCRIP": f"Synthetic {content.type} that matches the simulated detector",
        "PEDIGREE": "SIMULATION",
        "USEAFTER": USEAFTER,
    }


def _geometry_keywords(content: ReferenceContent, maker: ReferenceMaker) -> dict:
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
    if content.table is None:
        primary.header.update(_geometry_keywords(content, maker))
    primary.header.update(content.keywords)
    primary.header["HISTORY"] = "Made by the forward model of the simulator"
    hdus: list[Any] = [primary, *(fits.ImageHDU(array, name=name) for name, array in content.arrays.items())]
    if content.flags is not None:
        stored, definitions = _encode_flags(content.flags)
        hdus += [fits.ImageHDU(stored, name="DQ"), fits.BinTableHDU(definitions, name="DQ_DEF")]
    if content.table is not None:
        hdus.append(fits.BinTableHDU(content.table, name=content.type.upper()))
    fits.HDUList(hdus).writeto(path, overwrite=True)


def _write_asdf(content: ReferenceContent, maker: ReferenceMaker, path: Path) -> None:
    import asdf

    header = _common_keywords(content, maker)
    meta = {
        "telescope": "JWST",
        "instrument": {
            "name": maker.instrument.name,
            **{key: header[key.upper()] for key in ("detector", "module", "channel")},
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
    """Writes all references of an imaging programme, and the rules that select them.

    ``root`` is the cache folder. References that serve all sub-arrays are full-frame when the sub-array is one of the
    aperture file, and of the size of the sub-array when it is an invented one.
    """

    root: Path
    instrument: Instrument
    inverse_linearity: bool = False
    psf_radius: int = 100
    _serials: dict[str, int] = field(default_factory=dict)

    def write(self, *, maps: Iterable[DetectorMaps], readout: Readout, bandpass: Bandpass) -> CrdsCache:
        """Write the files of every detector and the cache around them."""
        cache = CrdsCache(root=self.root, instrument=self.instrument.name)
        cache.references.mkdir(parents=True, exist_ok=True)
        makers = [ReferenceMaker(instrument=self.instrument, maps=detector) for detector in maps]
        for maker in makers:
            self._write_detector(cache, maker, readout, bandpass)
        for maker in {m.maps.spec.module: m for m in makers}.values():
            spec = maker.maps.spec
            self._add(cache, maker, maker.filteroffset(), channel=spec.channel, module=spec.module)
        first, exp_type = makers[0], self.instrument.exp_type
        psf = (bandpass, first.maps.aperture.pixel_scale, self.psf_radius)
        self._add(cache, first, first.apcorr(bandpasses=[psf]), exp_type=exp_type)
        self._add(cache, first, first.abvegaoffset(), exp_type=exp_type)
        cache.write()
        return cache

    def _write_detector(self, cache: CrdsCache, maker: ReferenceMaker, readout: Readout, bandpass: Bandpass) -> None:
        maps = maker.maps
        name, subarray, exp_type = maps.spec.name, maps.aperture.subarray, self.instrument.exp_type
        frames = min(readout.frames, DARK_PIXELS // (subarray.xsize * subarray.ysize))
        dark = maker.dark(frames=frames, frame_time=readout.frame_time)
        self._add(cache, maker, dark, exp_type=exp_type, detector=name, subarray=subarray.name)
        for content in (maker.superbias(), maker.readnoise()):
            self._add(cache, maker, content, detector=name, subarray=subarray.name)
        whole = self._whole_detector(maker)
        generic = {"detector": name, "subarray": "GENERIC"}
        self._add(cache, whole, whole.mask(), **generic)
        self._add(cache, whole, whole.saturation(), detector=name)
        self._add(cache, whole, whole.ipc(), detector=name)
        self._add(cache, whole, whole.linearity(inverse=self.inverse_linearity), **generic)
        self._add(cache, whole, whole.gain(), **generic)
        flat = whole.flat(bandpass=bandpass)
        self._add(cache, whole, flat, detector=name, filter=flat.keywords["FILTER"], pupil=flat.keywords["PUPIL"])
        self._add(cache, whole, whole.photom(), detector=name, exp_type=exp_type)
        self._add(cache, whole, whole.area(), detector=name, exp_type=exp_type)
        self._add(cache, whole, whole.distortion(), exp_type=exp_type, detector=name)

    def _whole_detector(self, maker: ReferenceMaker) -> ReferenceMaker:
        maps = maker.maps
        subarray = maps.aperture.subarray
        if subarray.is_full or not is_standard(subarray, instrument=self.instrument, detector=maps.spec.name):
            return maker
        full = load_aperture(instrument=self.instrument, detector=maps.spec.name)
        whole = DetectorMaps(spec=maps.spec, aperture=full, effects=maps.effects, serial=maps.serial)
        return ReferenceMaker(instrument=self.instrument, maps=whole)

    def _add(self, cache: CrdsCache, maker: ReferenceMaker, content: ReferenceContent, **selection: str) -> None:
        serial = self._serials[content.type] = self._serials.get(content.type, 0) + 1
        path = write_reference(content, maker=maker, directory=cache.references, serial=serial)
        cache.add(content.type, path, useafter=USEAFTER, **selection)
