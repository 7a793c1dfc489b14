"""Contents of the reference files that match a simulated detector and its optics: flat, photometry, world coordinates."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jwcore.algorithms import dq
from jwcore.synth.detector_references import DetectorReferences, ReferenceContent, flag
from jwcore.synth.instruments import Bandpass
from jwcore.synth.psf import make_psf
from jwcore.synth.wcs import distortion_model

__all__ = ["ReferenceMaker", "filter_offset"]

APERTURE_ENERGIES = (0.3, 0.5, 0.7)
"""Encircled energies of the photometric apertures."""
SKY_ANNULUS = (3.0, 4.5)
"""Background annulus, in units of the radius of 80 % encircled energy."""


def filter_offset(bandpass: Bandpass) -> tuple[float, float]:
    """Column and row offset (pixel) of a filter: a small wedge, a smooth made-up function of wavelength."""
    return round(0.12 * np.sin(5 * bandpass.pivot), 3), round(0.09 * np.cos(4 * bandpass.pivot), 3)


@dataclass(frozen=True, kw_only=True, eq=False)
class ReferenceMaker(DetectorReferences):
    """Makes all references of one detector; those of a filter need the ``bandpass``.

    ``psf_radius`` is the half width of the PSF (pixel) for aperture corrections.
    """

    bandpass: Bandpass | None = None
    psf_radius: int = 100

    @property
    def types(self) -> list[str]:
        """Reference types that an exposure of this detector and mode can use."""
        wanted = [*self.instrument.types, *self.instrument.mode.types]
        missing = {"sirskernel"} if self._interleaved else {"refpix"}
        if not self.maps.aperture.subarray.is_full:
            missing |= {"pictureframe", "sirskernel"}
        return [kind for kind in wanted if kind not in missing]

    def make(self, kind: str) -> ReferenceContent:
        """Make the reference of a type."""
        return getattr(self, kind)()

    @property
    def _band(self) -> Bandpass:
        if self.bandpass is None:
            raise ValueError("this reference depends on the filter: pass a bandpass")
        return self.bandpass

    # ---- flat, photometry, area ----------------------------------------------------------------------------------

    def flat(self) -> ReferenceContent:
        """Flat field of a filter; no value where nothing responds."""
        maps = self.maps
        dead = maps.dead | maps.reference_pixel
        optics = self.instrument.optics(self._band)
        return ReferenceContent(
            type="flat",
            model="FlatModel",
            arrays={
                "SCI": np.where(dead, np.nan, maps.flat).astype(np.float32),
                "ERR": np.full(maps.flat.shape, 0.001, np.float32),
            },
            flags=flag(dead, dq.NO_FLAT_FIELD | dq.DO_NOT_USE),
            keywords={
                **{name: optics[name] for name in ("FILTER", "PUPIL", "GRATING", "BAND") if optics.get(name)},
                "EXP_TYPE": self.instrument.exp_type,
            },
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
            tables={"PHOTOM": np.array(rows, dtype)},
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

    def apcorr(self) -> ReferenceContent:
        """Aperture corrections, exact for the simulated PSF on drizzled images of the native pixel size.

        The correction includes the light of the source that the background annulus takes away.
        """
        rows: list[Any] = []
        band, radius = self._band, self.psf_radius
        psf = make_psf(bandpass=band, pixel_scale=self.maps.aperture.pixel_scale, radius=radius)
        inner, outer = (min(factor * psf.radius_of(0.8), radius - 3.0) for factor in SKY_ANNULUS)
        level = psf.annulus_level(inner, outer)
        for fraction in APERTURE_ENERGIES:
            aperture = psf.radius_of(fraction, resampled=True)
            collected = float(psf.encircled_energy(aperture, resampled=True)) - level * np.pi * aperture**2
            rows.append((*band.wheels, fraction, aperture, 1.0 / collected, inner, outer))
        names = ("eefraction", "radius", "apcorr", "skyin", "skyout")
        dtype = [("filter", "S12"), ("pupil", "S15"), *((name, "f4") for name in names)]
        return ReferenceContent(
            type="apcorr", model=f"{self.instrument.model_prefix}ApcorrModel", tables={"APCORR": np.array(rows, dtype)}
        )
