"""Reference files that match a simulated detector, in the official formats.

Every file is made from the same `DetectorMaps` as the exposures, so that a correction that is done right recovers the
truth. Image references are full-frame (sub-arrays are cut out of them) unless the rules select by sub-array.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jwcore.algorithms import dq
from jwcore.synth.instruments import Bandpass, Instrument, Readout, Subarray
from jwcore.synth.maps import LINEARITY_COEFFICIENTS, DetectorMaps
from jwcore.synth.psf import make_psf
from jwcore.synth.wcs import distortion_model

__all__ = ["ReferenceWriter", "filter_offset"]

USEAFTER = "2022-01-01T00:00:00"
APERTURE_ENERGIES = (0.3, 0.5, 0.7)
"""Encircled energies of the photometric apertures."""
SKY_ANNULUS = (3.0, 4.5)
"""Background annulus, in units of the radius of 80 % encircled energy."""

_ALL_SUBARRAYS = "GENERIC"


def filter_offset(bandpass: Bandpass) -> tuple[float, float]:
    """Column and row offset (pixel) of a filter: a small wedge, a smooth made-up function of wavelength."""
    return round(0.12 * np.sin(5 * bandpass.pivot), 3), round(0.09 * np.cos(4 * bandpass.pivot), 3)


@dataclass(frozen=True, kw_only=True, eq=False)
class ReferenceWriter:
    """Writes reference files of one detector into a directory.

    ``maps`` covers the area of the files: the full frame, or one sub-array. Each method writes one file and returns
    its path. ``serial`` is the number in the file names.
    """

    instrument: Instrument
    maps: DetectorMaps
    directory: Path
    serial: int

    def _path(self, reference_type: str, extension: str = "fits") -> Path:
        return self.directory / f"jwst_{self.instrument.name.lower()}_{reference_type}_{self.serial:04d}.{extension}"

    def _common(self, reference_type: str, model: str) -> dict:
        return {
            "TELESCOP": "JWST",
            "INSTRUME": self.instrument.name,
            "DETECTOR": self.maps.spec.name,
            "MODULE": self.maps.spec.module,
            "CHANNEL": self.maps.spec.channel,
            "REFTYPE": reference_type.upper(),
            "DATAMODL": model,
            "AUTHOR": "jwcal simulator",
            "DESCRIP": f"Synthetic {reference_type} that matches the simulated detector",
            "PEDIGREE": "SIMULATION",
            "USEAFTER": USEAFTER,
        }

    def _geometry(self, subarray_name: str | None) -> dict:
        subarray, spec = self.maps.aperture.subarray, self.maps.spec
        return {
            "SUBARRAY": subarray_name or subarray.name,
            "SUBSTRT1": subarray.xstart,
            "SUBSTRT2": subarray.ystart,
            "SUBSIZE1": subarray.xsize,
            "SUBSIZE2": subarray.ysize,
            "FASTAXIS": spec.fastaxis,
            "SLOWAXIS": spec.slowaxis,
        }

    def _write_image(
        self,
        reference_type: str,
        model: str,
        arrays: dict[str, np.ndarray],
        *,
        flags: np.ndarray | None = None,
        subarray_name: str | None = _ALL_SUBARRAYS,
        keywords: dict | None = None,
    ) -> Path:
        """Write arrays by extension name; ``flags`` holds standard DQ bits and is stored through its own DQ_DEF."""
        from astropy.io import fits

        primary = fits.PrimaryHDU()
        primary.header.update(
            {**self._common(reference_type, model), **self._geometry(subarray_name), **(keywords or {})}
        )
        hdus = [primary, *(fits.ImageHDU(array, name=name) for name, array in arrays.items())]
        if flags is not None:
            stored, definitions = _encode_flags(flags)
            hdus += [fits.ImageHDU(stored, name="DQ"), fits.BinTableHDU(definitions, name="DQ_DEF")]
        path = self._path(reference_type)
        fits.HDUList(hdus).writeto(path, overwrite=True)
        return path

    def _write_table(
        self, reference_type: str, model: str, table: np.ndarray, keywords: dict | None = None
    ) -> Path:
        from astropy.io import fits

        primary = fits.PrimaryHDU()
        primary.header.update({**self._common(reference_type, model), **(keywords or {})})
        path = self._path(reference_type)
        fits.HDUList([primary, fits.BinTableHDU(table, name=reference_type.upper())]).writeto(path, overwrite=True)
        return path

    def _write_asdf(self, reference_type: str, model: str, tree: dict, **extra_meta: Any) -> Path:
        import asdf

        header = self._common(reference_type, model)
        meta = {
            "telescope": "JWST",
            "instrument": {
                "name": self.instrument.name,
                **{key: header[key.upper()] for key in ("detector", "module", "channel")},
            },
            "exposure": {"type": self.instrument.exp_type},
            "reftype": reference_type,
            "model_type": model,
            "author": header["AUTHOR"],
            "description": header["DESCRIP"],
            "pedigree": header["PEDIGREE"],
            "useafter": USEAFTER,
            **extra_meta,
        }
        path = self._path(reference_type, "asdf")
        asdf.AsdfFile({"meta": meta, **tree}).write_to(path)
        return path

    # ---- detector references -------------------------------------------------------------------------------------

    def mask(self) -> Path:
        """Bad-pixel mask."""
        return self._write_image("mask", "MaskModel", {}, flags=self.maps.pixel_flags)

    def saturation(self) -> Path:
        """Saturation level in raw DN, slightly below the full well; infinite for reference pixels."""
        maps = self.maps
        level = maps.bias + 0.985 * maps.well if maps.effects.saturation else np.full_like(maps.bias, 65535.0)
        flags = np.where(maps.reference_pixel, dq.NO_SAT_CHECK, 0).astype(np.uint32)
        level = np.where(maps.reference_pixel, 100000.0, np.minimum(level, 65535.0)).astype(np.float32)
        return self._write_image("saturation", "SaturationModel", {"SCI": level}, flags=flags)

    def superbias(self) -> Path:
        """Bias of every pixel; selected by sub-array."""
        bias = self.maps.bias
        arrays = {"SCI": bias, "ERR": np.full_like(bias, 0.5)}
        keywords = {"READPATT": "ANY"}
        flags = np.zeros(bias.shape, np.uint32)
        return self._write_image(
            "superbias", "SuperBiasModel", arrays, flags=flags, subarray_name=None, keywords=keywords
        )

    def ipc(self) -> Path:
        """Deconvolution kernel: the 3 by 3 array whose convolution with the coupling is closest to a unit impulse."""
        return self._write_image("ipc", "IPCModel", {"SCI": inverse_kernel(self.maps.ipc_kernel).astype(np.float32)})

    def linearity(self, *, inverse: bool = False) -> Path:
        """Polynomial from measured to linear DN; ``inverse`` adds the coefficients of the opposite direction."""
        maps = self.maps
        arrays = {"COEFFS": maps.linearity_coefficients}
        if inverse:
            series = reverse_series(LINEARITY_COEFFICIENTS)
            arrays["INV_COEFFS"] = maps.scale_coefficients(series)
        flags = np.where(maps.reference_pixel, dq.NO_LIN_CORR, 0).astype(np.uint32)
        return self._write_image("linearity", "LinearityModel", arrays, flags=flags)

    def dark(self, *, frames: int) -> Path:
        """Dark ramp in linear DN, one frame per group; selected by sub-array. AVDRKCUR holds the rate in e-/s."""
        maps = self.maps
        frame_time = maps.aperture.subarray.frame_time
        per_frame = maps.dark / maps.gain * frame_time
        ramp = np.arange(1, frames + 1, dtype=np.float32)[:, None, None] * per_frame
        flags = np.where(maps.hot, dq.HOT, 0).astype(np.uint32)
        keywords = {
            "EXP_TYPE": self.instrument.exp_type,
            "NFRAMES": 1,
            "GROUPGAP": 0,
            "NGROUPS": frames,
            "READPATT": "RAPID",
            "TFRAME": frame_time,
            "TGROUP": frame_time,
        }
        return self._write_image(
            "dark",
            "DarkModel",
            {"SCI": ramp, "AVDRKCUR": maps.dark},
            flags=flags,
            subarray_name=None,
            keywords=keywords,
        )

    def gain(self) -> Path:
        """Gain, e-/DN."""
        return self._write_image("gain", "GainModel", {"SCI": self.maps.gain})

    def readnoise(self) -> Path:
        """Noise of the difference of two reads, DN, as seen after the IPC deconvolution; selected by sub-array."""
        noise = np.sqrt(2.0) * self.maps.read_noise / self.maps.gain
        noise = noise * np.sqrt((inverse_kernel(self.maps.ipc_kernel) ** 2).sum())
        noise = np.where(noise > 0, noise, 0.5).astype(np.float32)  # rounding noise, and safe weights
        return self._write_image(
            "readnoise", "ReadnoiseModel", {"SCI": noise}, subarray_name=None, keywords={"READPATT": "ANY"}
        )

    # ---- flat, photometry, area ----------------------------------------------------------------------------------

    def flat(self, *, bandpass: Bandpass, filter_name: str, pupil: str) -> Path:
        """Flat field of a filter."""
        maps = self.maps
        dead = maps.dead | maps.reference_pixel
        flat = np.where(dead, np.nan, maps.flat).astype(np.float32)
        flags = np.where(dead, dq.NO_FLAT_FIELD | dq.DO_NOT_USE, 0).astype(np.uint32)
        error = np.full_like(flat, 0.001)
        return self._write_image(
            "flat",
            "FlatModel",
            {"SCI": flat, "ERR": error},
            flags=flags,
            keywords={"FILTER": filter_name, "PUPIL": pupil, "EXP_TYPE": self.instrument.exp_type},
        )

    @property
    def _pixel_sr(self) -> float:
        full = self.maps.aperture.detector_frame
        return full.x_scale * full.y_scale * (np.pi / 648000) ** 2

    def _pixel_keywords(self) -> dict:
        return {"PIXAR_SR": self._pixel_sr, "PIXAR_A2": self._pixel_sr / (np.pi / 648000) ** 2}

    def conversion(self, bandpass: Bandpass) -> float:
        """Surface brightness of one DN/s per nominal pixel, MJy/sr."""
        return self.maps.spec.gain / (bandpass.electrons_per_ujy * 1e12 * self._pixel_sr)

    def photom(self) -> Path:
        """Flux calibration of all filters of the channel."""
        rows = [
            (filter_name, pupil, self.conversion(band), 0.01 * self.conversion(band))
            for band in self.instrument.filters(self.maps.spec.channel)
            for filter_name, pupil in _wheel_positions(band)
        ]
        dtype = [("filter", "S12"), ("pupil", "S12"), ("photmjsr", "f4"), ("uncertainty", "f4")]
        keywords = {**self._pixel_keywords(), "EXP_TYPE": self.instrument.exp_type}
        return self._write_table("photom", "NrcImgPhotomModel", np.array(rows, dtype), keywords)

    def area(self) -> Path:
        """Relative pixel area."""
        return self._write_image(
            "area",
            "PixelAreaModel",
            {"SCI": self.maps.area},
            keywords={**self._pixel_keywords(), "EXP_TYPE": self.instrument.exp_type},
        )

    # ---- world coordinates ---------------------------------------------------------------------------------------

    def distortion(self) -> Path:
        """Pixels to V2V3."""
        from astropy import units

        model = distortion_model(self.maps.aperture)
        return self._write_asdf(
            "distortion", "DistortionModel", {"model": model}, input_units=units.pix, output_units=units.arcsec
        )

    def filteroffset(self) -> Path:
        """Wedge offsets of all filters of the channel."""
        rows = []
        for band in self.instrument.filters(self.maps.spec.channel):
            column, row = filter_offset(band)
            rows += [
                {"filter": name, "pupil": pupil, "column_offset": float(column), "row_offset": float(row)}
                for name, pupil in _wheel_positions(band)
            ]
        return self._write_asdf("filteroffset", "FilteroffsetModel", {"filters": rows})

    # ---- photometry of sources -----------------------------------------------------------------------------------

    def abvegaoffset(self) -> Path:
        """Offsets between AB and Vega magnitudes of all filters."""
        from astropy.table import Table

        rows = [
            (name, pupil, band.vega_offset)
            for band in self.instrument.bandpasses.values()
            for name, pupil in _wheel_positions(band)
        ]
        table = Table(rows=rows, names=("filter", "pupil", "abvega_offset"), dtype=("U12", "U12", "f4"))
        return self._write_asdf("abvegaoffset", "ABVegaOffsetModel", {"abvega_offset": table})

    def apcorr(self, *, bandpasses: Iterable[tuple[Bandpass, float, int]]) -> Path:
        """Aperture corrections, exact for the simulated PSF on drizzled images of the native pixel size.

        ``bandpasses`` lists bandpass, pixel scale (arcsec) and stamp half width (pixel). The correction includes the
        light of the source that the background annulus takes away.
        """
        rows = []
        for band, pixel_scale, radius in bandpasses:
            psf = make_psf(bandpass=band, pixel_scale=pixel_scale, radius=radius)
            inner, outer = (min(factor * psf.radius_of(0.8), radius - 3.0) for factor in SKY_ANNULUS)
            level = psf.annulus_level(inner, outer)
            for fraction in APERTURE_ENERGIES:
                aperture = psf.radius_of(fraction, resampled=True)
                collected = float(psf.encircled_energy(aperture, resampled=True)) - level * np.pi * aperture**2
                rows += [
                    (name, pupil, fraction, aperture, 1.0 / collected, inner, outer)
                    for name, pupil in _wheel_positions(band)
                ]
        names = ("eefraction", "radius", "apcorr", "skyin", "skyout")
        dtype = [("filter", "S12"), ("pupil", "S15"), *((name, "f4") for name in names)]
        return self._write_table("apcorr", "NrcImgApcorrModel", np.array(rows, dtype))


def _wheel_positions(band: Bandpass) -> list[tuple[str, str]]:
    """Filter and pupil keyword values of a bandpass: narrow filters sit in the pupil wheel, behind a wide one."""
    behind = {
        "F162M": "F150W2",
        "F164N": "F150W2",
        "F323N": "F322W2",
        "F405N": "F444W",
        "F466N": "F444W",
        "F470N": "F444W",
    }
    return [(behind[band.name], band.name)] if band.name in behind else [(band.name, "CLEAR")]


def _encode_flags(flags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """DQ array with the bits in use packed from zero, and the DQ_DEF table that explains them."""
    used = [(name, value) for name, value in dq.PIXEL_FLAGS.items() if (flags & np.uint32(value)).any()]
    stored = np.zeros(flags.shape, np.uint32)
    definitions = np.zeros(len(used), [("BIT", "i4"), ("VALUE", "u4"), ("NAME", "S40"), ("DESCRIPTION", "S80")])
    for bit, (name, value) in enumerate(used):
        stored |= np.where(flags & np.uint32(value), np.uint32(1 << bit), np.uint32(0))
        definitions[bit] = (bit, 1 << bit, name.encode(), name.replace("_", " ").capitalize().encode())
    return stored, definitions


def inverse_kernel(kernel: np.ndarray) -> np.ndarray:
    """Least-squares inverse of a 3 by 3 kernel within 3 by 3 pixels, with unit sum.

    What it cannot undo is of the order of the coupling squared (a few 1e-5 in pixels two steps away).
    """
    from scipy.signal import convolve2d

    columns = [convolve2d(kernel, np.eye(9)[k].reshape(3, 3)).ravel() for k in range(9)]
    target = np.zeros((5, 5))
    target[2, 2] = 1.0
    solution = np.linalg.lstsq(np.stack(columns, axis=1), target.ravel(), rcond=None)[0].reshape(3, 3)
    return solution / solution.sum()


def reverse_series(coefficients: Sequence[float], order: int = 7) -> list[float]:
    """Coefficients of the inverse of a power series that starts with (0, 1), up to an order."""
    inverse = np.zeros(order + 1)
    inverse[1] = 1.0
    for n in range(2, order + 1):
        # P(Q(x)) = x: the coefficient of x^n of P(Q), with Q known below that order, must vanish
        power, residual = inverse.copy(), 0.0
        for k, c in enumerate(coefficients):
            if k >= 2:
                power = np.convolve(power, inverse)[: order + 1]
                residual += c * power[n]
        inverse[n] = -residual
    return inverse.tolist()


def dark_frames(readout: Readout, *, subarray: Subarray, limit: int = 24) -> int:
    """Frames of the dark: all that the exposure needs, limited for large arrays (it is extended linearly)."""
    return readout.frames if subarray.xsize * subarray.ysize < 1_000_000 else min(readout.frames, limit)
