"""Contents of the reference files that match a simulated detector.

Every reference is made from the same `DetectorMaps` as the exposures, so that a correction that is done right recovers
the truth. `jwcore.synth.reference_files` writes them in the official formats; tests may use the arrays as they are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jwcore.algorithms import dq
from jwcore.synth.instruments import Bandpass, Instrument
from jwcore.synth.maps import LINEARITY_COEFFICIENTS, DetectorMaps
from jwcore.synth.psf import make_psf
from jwcore.synth.wcs import distortion_model

__all__ = ["ReferenceContent", "ReferenceMaker", "filter_offset", "inverse_kernel", "reverse_series"]

APERTURE_ENERGIES = (0.3, 0.5, 0.7)
"""Encircled energies of the photometric apertures."""
SKY_ANNULUS = (3.0, 4.5)
"""Background annulus, in units of the radius of 80 % encircled energy."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ReferenceContent:
    """What one reference file holds.

    ``arrays`` by extension name; ``flags`` uint32 standard DQ bits; ``table`` structured array; ``tree`` for ASDF
    references; ``keywords`` beyond the common ones. ``by_subarray`` tells that the rules select by sub-array name
    (otherwise the file serves all sub-arrays).
    """

    type: str
    model: str
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    flags: np.ndarray | None = None
    table: np.ndarray | None = None
    tree: dict | None = None
    keywords: dict = field(default_factory=dict)
    by_subarray: bool = False


def filter_offset(bandpass: Bandpass) -> tuple[float, float]:
    """Column and row offset (pixel) of a filter: a small wedge, a smooth made-up function of wavelength."""
    return round(0.12 * np.sin(5 * bandpass.pivot), 3), round(0.09 * np.cos(4 * bandpass.pivot), 3)


@dataclass(frozen=True, kw_only=True, eq=False)
class ReferenceMaker:
    """Makes the references of one detector; ``maps`` covers the full frame or one sub-array. One method per type."""

    instrument: Instrument
    maps: DetectorMaps

    # ---- detector ------------------------------------------------------------------------------------------------

    def mask(self) -> ReferenceContent:
        """Bad-pixel mask."""
        return ReferenceContent(type="mask", model="MaskModel", flags=self.maps.pixel_flags)

    def saturation(self) -> ReferenceContent:
        """Saturation level in raw DN, slightly below the full well; not checked in reference pixels."""
        maps = self.maps
        level = np.minimum(maps.bias + 0.985 * maps.well, 65535.0)
        return ReferenceContent(
            type="saturation",
            model="SaturationModel",
            arrays={"SCI": np.where(maps.reference_pixel, 100000.0, level).astype(np.float32)},
            flags=_flag(maps.reference_pixel, dq.NO_SAT_CHECK),
        )

    def superbias(self) -> ReferenceContent:
        """Bias of every pixel."""
        bias = self.maps.bias
        return ReferenceContent(
            type="superbias",
            model="SuperBiasModel",
            arrays={"SCI": bias, "ERR": np.full_like(bias, 0.5)},
            flags=np.zeros(bias.shape, np.uint32),
            keywords={"READPATT": "ANY"},
            by_subarray=True,
        )

    def ipc(self) -> ReferenceContent:
        """Deconvolution kernel of the inter-pixel capacitance."""
        kernel = inverse_kernel(self.maps.ipc_kernel).astype(np.float32)
        return ReferenceContent(type="ipc", model="IPCModel", arrays={"SCI": kernel})

    def linearity(self, *, inverse: bool = False) -> ReferenceContent:
        """Polynomial from measured to linear DN; ``inverse`` adds the coefficients of the opposite direction."""
        maps = self.maps
        arrays = {"COEFFS": maps.linearity_coefficients}
        if inverse:
            arrays["INV_COEFFS"] = maps.scale_coefficients(reverse_series(LINEARITY_COEFFICIENTS))
        return ReferenceContent(
            type="linearity",
            model="LinearityModel",
            arrays=arrays,
            flags=_flag(maps.reference_pixel, dq.NO_LIN_CORR),
        )

    def dark(self, *, frames: int, frame_time: float) -> ReferenceContent:
        """Dark ramp in linear DN, one frame (of ``frame_time`` s) per group; AVDRKCUR holds the rate in e-/s."""
        maps = self.maps
        per_frame = maps.dark / maps.gain * np.float32(frame_time)
        return ReferenceContent(
            type="dark",
            model="DarkModel",
            arrays={
                "SCI": np.arange(1, frames + 1, dtype=np.float32)[:, None, None] * per_frame,
                "AVDRKCUR": maps.dark,
            },
            flags=_flag(maps.hot, dq.HOT),
            keywords={
                "EXP_TYPE": self.instrument.exp_type,
                "NFRAMES": 1,
                "GROUPGAP": 0,
                "NGROUPS": frames,
                "READPATT": "RAPID",
                "TFRAME": frame_time,
                "TGROUP": frame_time,
                "NOUTPUTS": maps.aperture.subarray.noutputs,
            },
            by_subarray=True,
        )

    def gain(self) -> ReferenceContent:
        """Gain, e-/DN."""
        return ReferenceContent(type="gain", model="GainModel", arrays={"SCI": self.maps.gain})

    def readnoise(self) -> ReferenceContent:
        """Noise of the difference of two reads, DN, as seen after the IPC deconvolution."""
        maps = self.maps
        amplified = np.sqrt((inverse_kernel(maps.ipc_kernel) ** 2).sum())
        noise = np.sqrt(2.0) * amplified * maps.read_noise / maps.gain
        noise = np.maximum(noise, 0.5).astype(np.float32)  # rounding noise, and weights that stay finite
        return ReferenceContent(
            type="readnoise",
            model="ReadnoiseModel",
            arrays={"SCI": noise},
            keywords={"READPATT": "ANY"},
            by_subarray=True,
        )

    # ---- flat, photometry, area ----------------------------------------------------------------------------------

    def flat(self, *, bandpass: Bandpass) -> ReferenceContent:
        """Flat field of a filter; no value where nothing responds."""
        maps = self.maps
        dead = maps.dead | maps.reference_pixel
        filter_name, pupil = bandpass.wheels
        return ReferenceContent(
            type="flat",
            model="FlatModel",
            arrays={
                "SCI": np.where(dead, np.nan, maps.flat).astype(np.float32),
                "ERR": np.full(maps.flat.shape, 0.001, np.float32),
            },
            flags=_flag(dead, dq.NO_FLAT_FIELD | dq.DO_NOT_USE),
            keywords={"FILTER": filter_name, "PUPIL": pupil, "EXP_TYPE": self.instrument.exp_type},
        )

    @property
    def pixel_sr(self) -> float:
        """Solid angle of the nominal pixel, sr."""
        full = self.maps.aperture.detector_frame
        return full.x_scale * full.y_scale * (np.pi / 648000) ** 2

    def _pixel_keywords(self) -> dict:
        return {
            "PIXAR_SR": self.pixel_sr,
            "PIXAR_A2": self.pixel_sr / (np.pi / 648000) ** 2,
            "EXP_TYPE": self.instrument.exp_type,
        }

    def conversion(self, bandpass: Bandpass) -> float:
        """Surface brightness of one DN/s per nominal pixel, MJy/sr."""
        return self.maps.spec.gain / (bandpass.electrons_per_ujy * 1e12 * self.pixel_sr)

    def photom(self) -> ReferenceContent:
        """Flux calibration of all filters of the channel."""
        bands = self.instrument.filters(self.maps.spec.channel)
        rows = [(*b.wheels, self.conversion(b), 0.01 * self.conversion(b)) for b in bands]
        dtype = [("filter", "S12"), ("pupil", "S12"), ("photmjsr", "f4"), ("uncertainty", "f4")]
        return ReferenceContent(
            type="photom",
            model=f"{self.instrument.model_prefix}PhotomModel",
            table=np.array(rows, dtype),
            keywords=self._pixel_keywords(),
        )

    def area(self) -> ReferenceContent:
        """Relative pixel area."""
        return ReferenceContent(
            type="area", model="PixelAreaModel", arrays={"SCI": self.maps.area}, keywords=self._pixel_keywords()
        )

    # ---- world coordinates ---------------------------------------------------------------------------------------

    def distortion(self) -> ReferenceContent:
        """Pixels to V2V3."""
        return ReferenceContent(
            type="distortion", model="DistortionModel", tree={"model": distortion_model(self.maps.aperture)}
        )

    def filteroffset(self) -> ReferenceContent:
        """Wedge offsets of all filters of the channel."""
        rows = []
        for band in self.instrument.filters(self.maps.spec.channel):
            (name, pupil), (column, row) = band.wheels, filter_offset(band)
            rows.append({"filter": name, "pupil": pupil, "column_offset": float(column), "row_offset": float(row)})
        return ReferenceContent(type="filteroffset", model="FilteroffsetModel", tree={"filters": rows})

    # ---- photometry of sources -----------------------------------------------------------------------------------

    def abvegaoffset(self) -> ReferenceContent:
        """Offsets between AB and Vega magnitudes of all filters."""
        from astropy.table import Table

        rows = [(*band.wheels, band.vega_offset) for band in self.instrument.bandpasses.values()]
        table = Table(rows=rows, names=("filter", "pupil", "abvega_offset"), dtype=("U12", "U12", "f4"))
        return ReferenceContent(type="abvegaoffset", model="ABVegaOffsetModel", tree={"abvega_offset": table})

    def apcorr(self, *, bandpasses: Iterable[tuple[Bandpass, float, int]]) -> ReferenceContent:
        """Aperture corrections, exact for the simulated PSF on drizzled images of the native pixel size.

        ``bandpasses`` lists bandpass, pixel scale (arcsec) and stamp half width (pixel). The correction includes the
        light of the source that the background annulus takes away.
        """
        rows: list[Any] = []
        for band, pixel_scale, radius in bandpasses:
            psf = make_psf(bandpass=band, pixel_scale=pixel_scale, radius=radius)
            inner, outer = (min(factor * psf.radius_of(0.8), radius - 3.0) for factor in SKY_ANNULUS)
            level = psf.annulus_level(inner, outer)
            for fraction in APERTURE_ENERGIES:
                aperture = psf.radius_of(fraction, resampled=True)
                collected = float(psf.encircled_energy(aperture, resampled=True)) - level * np.pi * aperture**2
                rows.append((*band.wheels, fraction, aperture, 1.0 / collected, inner, outer))
        names = ("eefraction", "radius", "apcorr", "skyin", "skyout")
        dtype = [("filter", "S12"), ("pupil", "S15"), *((name, "f4") for name in names)]
        return ReferenceContent(
            type="apcorr", model=f"{self.instrument.model_prefix}ApcorrModel", table=np.array(rows, dtype)
        )


def _flag(where: np.ndarray, value: int) -> np.ndarray:
    return np.where(where, np.uint32(value), np.uint32(0))


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
