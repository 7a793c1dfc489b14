"""One synthetic exposure: what is observed, and the keywords that tell it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from jwcore.synth.crds_cache import CONTEXT, FOLDER
from jwcore.synth.instruments import Bandpass, DetectorSpec, Instrument, Readout, Subarray
from jwcore.synth.maps import DetectorMaps
from jwcore.synth.wcs import Attitude, ImageWcs

__all__ = ["TDB_MINUS_UTC", "Observation", "to_mjd"]

_MJD_EPOCH = datetime(1858, 11, 17)
TDB_MINUS_UTC = 69.184 / 86400
"""Difference of the time scales in days since 2017; the light-travel time to the barycentre is left out."""


def to_mjd(time: datetime) -> float:
    """Convert a UTC time to a modified Julian date."""
    return (time - _MJD_EPOCH) / timedelta(days=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Observation:
    """Everything that defines an exposure of one detector.

    ``wcs`` has the *true* attitude; ``nominal`` is the attitude that the headers tell. ``offset`` is the dither in the
    ideal frame of the prime aperture (arcsec). A ``segment`` (number, total) holds the ``integrations`` (first, last) of a
    longer exposure.
    """

    instrument: Instrument
    maps: DetectorMaps
    readout: Readout
    bandpass: Bandpass
    wcs: ImageWcs
    nominal: Attitude
    start: datetime
    target: tuple[float, float]
    program: int = 98765
    observation: int = 1
    exposure_number: int = 1
    dither: tuple[int, int] = (1, 1)
    offset: tuple[float, float] = (0.0, 0.0)
    prime_aperture: str = ""
    seed: int = 1
    zeroframe: bool = False
    segment: tuple[int, int] = (1, 1)
    integrations: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        """Base name of the files, without suffix."""
        number, total = self.segment
        part = f"-seg{number:03d}" if total > 1 else ""
        detector = self.maps.spec.name.lower()
        return f"jw{self.program:05d}{self.observation:03d}001_02101_{self.exposure_number:05d}{part}_{detector}"

    @property
    def integration_range(self) -> tuple[int, int]:
        """First and last integration in the file, 1-based."""
        return self.integrations or (1, self.readout.nints)

    @property
    def end(self) -> datetime:
        """End of the exposure."""
        readout = self.readout
        last_reset = readout.integration_period - readout.integration_time
        return self.start + timedelta(seconds=readout.integration_period * readout.nints - last_reset)

    def primary_keywords(self) -> dict:
        """Collect the keywords of the primary header."""
        return {
            **self._identification(),
            **self._configuration(),
            **self._timing(),
            **self._pointing(),
        }

    def _identification(self) -> dict:
        return {
            "DATE": self.start.isoformat(timespec="milliseconds"),
            "ORIGIN": "STSCI",
            "TIMESYS": "UTC",
            "FILENAME": f"{self.name}_uncal.fits",
            "DATAMODL": "Level1bModel",
            "TELESCOP": "JWST",
            "SDP_VER": "synthetic",
            "SIMCACHE": FOLDER,
            "SIMCTX": CONTEXT,
            "TITLE": "Synthetic field",
            "PI_NAME": "Simulator",
            "CATEGORY": "CAL",
            "DATE-OBS": self.start.strftime("%Y-%m-%d"),
            "TIME-OBS": self.start.time().isoformat(timespec="milliseconds"),
            "DATE-BEG": self.start.isoformat(timespec="milliseconds"),
            "DATE-END": self.end.isoformat(timespec="milliseconds"),
            "OBS_ID": f"V{self.program:05d}{self.observation:03d}001P0000000002101",
            "VISIT_ID": f"{self.program:05d}{self.observation:03d}001",
            "PROGRAM": f"{self.program:05d}",
            "OBSERVTN": f"{self.observation:03d}",
            "VISIT": "001",
            "VISITGRP": "02",
            "SEQ_ID": "1",
            "ACT_ID": "01",
            "EXPOSURE": f"{self.exposure_number:05d}",
            "BKGDTARG": False,
            "TEMPLATE": self.instrument.template,
            "VISITYPE": "PRIME_TARGETED_FIXED",
            "VSTSTART": self.start.isoformat(sep=" ", timespec="milliseconds"),
            "NEXPOSUR": self.dither[1],
            "TSOVISIT": self.instrument.mode.tso,
            "CROWDFLD": False,
            "TARGPROP": "SYNTHETIC",
            "TARGNAME": "SYNTHETIC FIELD",
            "TARGTYPE": "FIXED",
            "TARG_RA": self.target[0],
            "TARG_DEC": self.target[1],
            "PROP_RA": self.target[0],
            "PROP_DEC": self.target[1],
            "SRCTYAPT": "UNKNOWN",
        }

    def _configuration(self) -> dict:
        spec, subarray = self.maps.spec, self.maps.aperture.subarray
        keywords = {
            "INSTRUME": self.instrument.name,
            "DETECTOR": spec.name,
            "MODULE": spec.module,
            "CHANNEL": spec.channel,
            **self.instrument.optics(self.bandpass),
            "EXP_TYPE": self.instrument.exp_type,
            "SCA_NUM": spec.number,
            "SUBARRAY": subarray.name,
            "SUBSTRT1": subarray.xstart,
            "SUBSTRT2": subarray.ystart,
            "SUBSIZE1": subarray.xsize,
            "SUBSIZE2": subarray.ysize,
            **_detector_rectangle(spec, subarray),
            "FASTAXIS": spec.fastaxis,
            "SLOWAXIS": spec.slowaxis,
        }
        return {name: value for name, value in keywords.items() if value != ""}

    def _timing(self) -> dict:
        readout = self.readout
        start, end = to_mjd(self.start), to_mjd(self.end)
        effective = readout.integration_time
        return {
            "EXPSTART": start,
            "EXPMID": (start + end) / 2,
            "EXPEND": end,
            "READPATT": readout.pattern.name,
            "NINTS": readout.nints,
            "NGROUPS": readout.ngroups,
            "EXSEGNUM": self.segment[0],
            "EXSEGTOT": self.segment[1],
            "INTSTART": self.integration_range[0],
            "INTEND": self.integration_range[1],
            "NFRAMES": readout.nframes,
            "FRMDIVSR": readout.nframes,
            "GROUPGAP": readout.pattern.groupgap,
            "DRPFRMS1": 0,
            "DRPFRMS3": 0,
            "NSAMPLES": readout.pattern.samples,
            "TSAMPLE": 10.0,
            "TFRAME": readout.frame_time,
            "TGROUP": readout.group_time,
            "EFFINTTM": effective,
            "EFFEXPTM": effective * readout.nints,
            "DURATION": (self.end - self.start).total_seconds(),
            "NRSTSTRT": 1,
            "NRESETS": 1,
            "NOUTPUTS": self.maps.aperture.subarray.noutputs,
            "ZEROFRAM": self.zeroframe,
            **({"NRS_NORM": 16, "NRS_REF": 4} if readout.pattern.references else {}),
            "DATAPROB": False,
            "EXPCOUNT": self.dither[1],
            "EXPRIPAR": "PRIME",
            "IS_PSF": False,
            "IS_IMPRT": False,
        }

    def _pointing(self) -> dict:
        ra, dec = self.nominal.to_sky(self.maps.aperture.v2_ref, self.maps.aperture.v3_ref)
        return {
            "PATTTYPE": "INTRAMODULEX" if self.dither[1] > 1 else "NONE",
            "PATT_NUM": self.dither[0],
            "NUMDTHPT": self.dither[1],
            "XOFFSET": self.offset[0],
            "YOFFSET": self.offset[1],
            "APERNAME": self.maps.aperture.name,
            "PPS_APER": self.prime_aperture or self.maps.aperture.name,
            "VA_RA": float(ra),
            "VA_DEC": float(dec),
            "GS_RA": float(ra),
            "GS_DEC": float(dec),
            "PCS_MODE": "FINEGUIDE",
        }

    def science_keywords(self) -> dict:
        """Collect the keywords of the SCI header: nominal pointing and the simple world coordinates of raw files."""
        aperture = self.maps.aperture
        nominal = self.wcs.with_attitude(self.nominal)
        ra, dec, roll = nominal.reference_point
        ra_v1, dec_v1 = self.nominal.to_sky(0.0, 0.0)
        pa_aper = roll + aperture.v3_idl_yangle
        angle = np.deg2rad(roll - aperture.v_idl_parity * aperture.v3_idl_yangle)
        parity = aperture.v_idl_parity
        ny, nx = aperture.subarray.shape
        corners = nominal.pixel_to_sky([-0.5, -0.5, nx - 0.5, nx - 0.5], [-0.5, ny - 0.5, ny - 0.5, -0.5])
        polygon = " ".join(f"{value:.9f}" for pair in zip(*corners, strict=True) for value in pair)
        start, end = to_mjd(self.start), to_mjd(self.end)
        return {
            "BUNIT": "DN",
            "MJD-BEG": start,
            "MJD-AVG": (start + end) / 2,
            "MJD-END": end,
            "XPOSURE": self.readout.integration_time * self.readout.nints,
            "TELAPSE": (self.end - self.start).total_seconds(),
            "RADESYS": "ICRS",
            "RA_V1": float(ra_v1),
            "DEC_V1": float(dec_v1),
            "PA_V3": self.nominal.roll(0.0, 0.0),
            "PA_APER": pa_aper % 360,
            "VA_SCALE": self.wcs.va_scale,
            "WCSAXES": 2,
            "CRPIX1": aperture.x_ref,
            "CRPIX2": aperture.y_ref,
            "CRVAL1": ra,
            "CRVAL2": dec,
            "CTYPE1": "RA---TAN",
            "CTYPE2": "DEC--TAN",
            "CUNIT1": "deg",
            "CUNIT2": "deg",
            "CDELT1": aperture.x_scale / 3600,
            "CDELT2": aperture.y_scale / 3600,
            "PC1_1": parity * np.cos(angle),
            "PC1_2": np.sin(angle),
            "PC2_1": -parity * np.sin(angle),
            "PC2_2": np.cos(angle),
            "S_REGION": f"POLYGON ICRS  {polygon}",
            "V2_REF": aperture.v2_ref,
            "V3_REF": aperture.v3_ref,
            "VPARITY": parity,
            "V3I_YANG": aperture.v3_idl_yangle,
            "RA_REF": ra,
            "DEC_REF": dec,
            "ROLL_REF": roll,
        }


def _detector_rectangle(spec: DetectorSpec, subarray: Subarray) -> dict:
    """Corner and size of a sub-array along the fast and the slow direction of the read-out."""
    keywords = {}
    for letter, axis in (("X", spec.fastaxis), ("Y", spec.slowaxis)):
        along_x = abs(axis) == 1
        start, size = (subarray.xstart, subarray.xsize) if along_x else (subarray.ystart, subarray.ysize)
        length = spec.shape[1 if along_x else 0]
        keywords[f"DET{letter}COR"] = start if axis > 0 else length + 2 - start - size
        keywords[f"DET{letter}SIZ"] = size
    return keywords
