"""One synthetic exposure: what is observed, and the raw (Level 1b) and truth files of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from jwcore.synth.crds_cache import CONTEXT, FOLDER
from jwcore.synth.detector import RawExposure
from jwcore.synth.instruments import Bandpass, Instrument, Readout
from jwcore.synth.maps import DetectorMaps
from jwcore.synth.wcs import Attitude, ImageWcs

__all__ = ["Observation", "write_truth", "write_uncal"]

_INT_TIMES = np.dtype(
    [("integration_number", "i4")]
    + [(f"int_{when}_{scale}", "f8") for scale in ("MJD_UTC", "BJD_TDB") for when in ("start", "mid", "end")]
)
_GROUP = np.dtype(
    [
        ("integration_number", "i4"), ("group_number", "i2"), ("end_day", "i2"), ("end_milliseconds", "i4"),
        ("end_submilliseconds", "i2"), ("group_end_time", "S26"), ("number_of_columns", "i2"),
        ("number_of_rows", "i2"), ("number_of_gaps", "i2"), ("completion_code_number", "i2"),
        ("completion_code_text", "S36"), ("bary_end_time", "f8"), ("helio_end_time", "f8"),
    ]
)  # fmt: skip

_MJD_EPOCH = datetime(1858, 11, 17)
_TDB_MINUS_UTC = 69.184 / 86400
"""Difference of the time scales in days since 2017; the light-travel time to the barycentre is left out."""


def to_mjd(time: datetime) -> float:
    """Convert a UTC time to a modified Julian date."""
    return (time - _MJD_EPOCH) / timedelta(days=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Observation:
    """Everything that defines an exposure of one detector.

    ``wcs`` has the *true* attitude; ``nominal`` is the attitude that the headers tell. ``offset`` is the dither in the
    ideal frame of the prime aperture (arcsec).
    """

    instrument: Instrument
    maps: DetectorMaps
    readout: Readout
    filter_name: str
    pupil: str
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

    @property
    def name(self) -> str:
        """Base name of the files, without suffix."""
        detector = self.maps.spec.name.lower()
        return f"jw{self.program:05d}{self.observation:03d}001_02101_{self.exposure_number:05d}_{detector}"

    @property
    def bandpass(self) -> Bandpass:
        """Bandpass of filter and pupil."""
        return self.instrument.bandpass(filter_name=self.filter_name, pupil=self.pupil)

    @property
    def integration_period(self) -> float:
        """Time from the start of one integration to the next, s: one frame more, for the reset."""
        return self.readout.integration_time + self.readout.frame_time

    @property
    def end(self) -> datetime:
        """End of the exposure."""
        return self.start + timedelta(seconds=self.integration_period * self.readout.nints - self.readout.frame_time)

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
            "TSOVISIT": False,
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
        flip_x, flip_y = -1 in (spec.fastaxis, spec.slowaxis), -2 in (spec.fastaxis, spec.slowaxis)
        xdet = spec.size + 2 - subarray.xstart - subarray.xsize if flip_x else subarray.xstart
        ydet = spec.size + 2 - subarray.ystart - subarray.ysize if flip_y else subarray.ystart
        return {
            "INSTRUME": self.instrument.name,
            "DETECTOR": spec.name,
            "MODULE": spec.module,
            "CHANNEL": spec.channel,
            "FILTER": self.filter_name,
            "PUPIL": self.pupil,
            "CORONMSK": "NONE",
            "PILIN": False,
            "EXP_TYPE": self.instrument.exp_type,
            "SCA_NUM": spec.number,
            "SUBARRAY": subarray.name,
            "SUBSTRT1": subarray.xstart,
            "SUBSTRT2": subarray.ystart,
            "SUBSIZE1": subarray.xsize,
            "SUBSIZE2": subarray.ysize,
            "DETXCOR": xdet,
            "DETYCOR": ydet,
            "DETXSIZ": subarray.xsize,
            "DETYSIZ": subarray.ysize,
            "FASTAXIS": spec.fastaxis,
            "SLOWAXIS": spec.slowaxis,
        }

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
            "EXSEGNUM": 1,
            "EXSEGTOT": 1,
            "INTSTART": 1,
            "INTEND": readout.nints,
            "NFRAMES": readout.nframes,
            "FRMDIVSR": readout.nframes,
            "GROUPGAP": readout.pattern.groupgap,
            "DRPFRMS1": 0,
            "DRPFRMS3": 0,
            "NSAMPLES": 1,
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

    def integration_times(self) -> np.ndarray:
        """Make the INT_TIMES table."""
        table = np.zeros(self.readout.nints, _INT_TIMES)
        table["integration_number"] = np.arange(1, self.readout.nints + 1)
        start = to_mjd(self.start) + np.arange(self.readout.nints) * self.integration_period / 86400
        length = self.readout.integration_time / 86400
        for when, value in (("start", start), ("mid", start + length / 2), ("end", start + length)):
            table[f"int_{when}_MJD_UTC"] = value
            table[f"int_{when}_BJD_TDB"] = value + _TDB_MINUS_UTC
        return table

    def group_times(self) -> np.ndarray:
        """Make the GROUP table."""
        readout, subarray = self.readout, self.maps.aperture.subarray
        table = np.zeros(readout.nints * readout.ngroups, _GROUP)
        for row, (i, g) in zip(table, np.ndindex(readout.nints, readout.ngroups), strict=True):
            seconds = i * self.integration_period + (readout.first_frame(g) + readout.nframes) * readout.frame_time
            end = self.start + timedelta(seconds=seconds)
            midnight = end.replace(hour=0, minute=0, second=0, microsecond=0)
            row["integration_number"], row["group_number"] = i + 1, g + 1
            row["end_day"] = (end - datetime(2000, 1, 1)).days
            row["end_milliseconds"] = (end - midnight) // timedelta(milliseconds=1)
            row["group_end_time"] = end.isoformat(timespec="milliseconds").encode()
            row["completion_code_text"] = b"COMPLETE"
            row["number_of_columns"], row["number_of_rows"] = subarray.xsize, subarray.ysize
            row["bary_end_time"] = row["helio_end_time"] = to_mjd(end) + _TDB_MINUS_UTC
        return table


def write_uncal(observation: Observation, raw: RawExposure, directory: Path) -> Path:
    """Write the raw file ``<name>_uncal.fits`` of an exposure."""
    from astropy.io import fits

    primary = fits.PrimaryHDU()
    primary.header.update(observation.primary_keywords())
    science = fits.ImageHDU(raw.data, name="SCI")
    science.header.update(observation.science_keywords())
    hdus = [primary, science]
    if raw.zeroframe is not None:
        hdus.append(fits.ImageHDU(raw.zeroframe, name="ZEROFRAME"))
    hdus.append(fits.BinTableHDU(observation.group_times(), name="GROUP"))
    hdus.append(fits.BinTableHDU(observation.integration_times(), name="INT_TIMES"))
    hdus.append(_asdf_extension({"meta": {"model_type": "Level1bModel", "telescope": "JWST"}}))
    path = directory / f"{observation.name}_uncal.fits"
    fits.HDUList(hdus).writeto(path, overwrite=True)
    return path


def _asdf_extension(tree: dict) -> Any:
    """Pack the metadata tree as the ASDF extension that every product of the mission ends with.

    The keywords are left to the headers, which readers merge into the tree.
    """
    import asdf
    from astropy.io import fits

    stream = BytesIO()
    asdf.AsdfFile(tree).write_to(stream)
    content = np.frombuffer(stream.getvalue(), np.uint8)
    column = fits.Column(name="ASDF_METADATA", format=f"{content.size}B", array=content[None])
    return fits.BinTableHDU.from_columns([column], name="ASDF")


def write_truth(observation: Observation, raw: RawExposure, directory: Path) -> Path:
    """Write the truth of an exposure, ``<name>_truth.fits``.

    Extensions: RATE (DN/s after the detector corrections, before the flat), RATE_E (e-/s), SATGROUP (int16 [nints, ny,
    nx], first saturated group, 0-based; ngroups: never), HITS (table of particle charge with the group that first
    shows it). The primary header holds the true reference point (RA_TRUE, DEC_TRUE, ROLLTRUE).
    """
    from astropy.io import fits
    from numpy.lib.recfunctions import append_fields

    primary = fits.PrimaryHDU()
    ra, dec, roll = observation.wcs.reference_point
    primary.header.update(
        {
            "RA_TRUE": ra,
            "DEC_TRUE": dec,
            "ROLLTRUE": roll,
            "SEED": observation.seed,
            "FILENAME": f"{observation.name}_truth.fits",
        }
    )
    readout = observation.readout
    group = np.ceil((raw.hits["frame"] - readout.nframes + 1) / readout.group_frames).clip(min=0)
    hits = append_fields(raw.hits, "group", group.astype("i2"), usemask=False)
    fits.HDUList(
        [
            primary,
            fits.ImageHDU(raw.rate / observation.maps.gain, name="RATE"),
            fits.ImageHDU(raw.rate, name="RATE_E"),
            fits.ImageHDU(raw.saturated_group, name="SATGROUP"),
            fits.BinTableHDU(hits, name="HITS"),
        ]
    ).writeto(directory / f"{observation.name}_truth.fits", overwrite=True)
    return directory / f"{observation.name}_truth.fits"
