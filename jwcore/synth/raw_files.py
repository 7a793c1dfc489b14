"""The raw (Level 1b) and truth files of a synthetic exposure, whole or in segments."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from jwcore.synth.detector import RawExposure
from jwcore.synth.exposure import TDB_MINUS_UTC, Observation, to_mjd

__all__ = ["integration_times", "split", "write_truth", "write_uncal"]

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


def split(observation: Observation, raw: RawExposure, segments: int) -> Iterator[tuple[Observation, RawExposure]]:
    """Cut a long exposure between integrations into files of about equal length, as the archive does.

    Every part keeps the times and the number of integrations of the whole exposure; INTSTART and INTEND tell its own.
    """
    if segments == 1:
        yield observation, raw
        return
    for number, indices in enumerate(np.array_split(np.arange(observation.readout.nints), segments), 1):
        part = slice(int(indices[0]), int(indices[-1]) + 1)
        hits, events = (
            table[(table["integration"] >= part.start) & (table["integration"] < part.stop)]
            for table in (raw.hits, raw.events)
        )
        yield (
            replace(observation, segment=(number, segments), integrations=(part.start + 1, part.stop)),
            replace(
                raw,
                data=raw.data[part],
                zeroframe=None if raw.zeroframe is None else raw.zeroframe[part],
                reference_output=None if raw.reference_output is None else raw.reference_output[part],
                saturated_group=raw.saturated_group[part],
                hits=hits,
                events=events,
            ),
        )


def integration_times(observation: Observation) -> np.ndarray:
    """Make the INT_TIMES table of the integrations in a file."""
    readout = observation.readout
    first, last = observation.integration_range
    table = np.zeros(last - first + 1, _INT_TIMES)
    table["integration_number"] = np.arange(first, last + 1)
    start = to_mjd(observation.start) + np.arange(first - 1, last) * readout.integration_period / 86400
    length = readout.integration_time / 86400
    for when, value in (("start", start), ("mid", start + length / 2), ("end", start + length)):
        table[f"int_{when}_MJD_UTC"] = value
        table[f"int_{when}_BJD_TDB"] = value + TDB_MINUS_UTC
    return table


def _group_times(observation: Observation) -> np.ndarray:
    """Make the GROUP table of the integrations in a file."""
    readout, subarray = observation.readout, observation.maps.aperture.subarray
    first, last = observation.integration_range
    table = np.zeros((last - first + 1) * readout.ngroups, _GROUP)
    for row, (k, g) in zip(table, np.ndindex(last - first + 1, readout.ngroups), strict=True):
        i = first - 1 + k
        seconds = i * readout.integration_period + (readout.first_frame(g) + readout.nframes) * readout.frame_time
        end = observation.start + timedelta(seconds=seconds)
        midnight = end.replace(hour=0, minute=0, second=0, microsecond=0)
        row["integration_number"], row["group_number"] = i + 1, g + 1
        row["end_day"] = (end - datetime(2000, 1, 1)).days
        row["end_milliseconds"] = (end - midnight) // timedelta(milliseconds=1)
        row["group_end_time"] = end.isoformat(timespec="milliseconds").encode()
        row["completion_code_text"] = b"COMPLETE"
        row["number_of_columns"], row["number_of_rows"] = subarray.xsize, subarray.ysize
        row["bary_end_time"] = row["helio_end_time"] = to_mjd(end) + TDB_MINUS_UTC
    return table


def write_uncal(observation: Observation, raw: RawExposure, directory: Path) -> Path:
    """Write the raw file ``<name>_uncal.fits`` of an exposure or of a segment."""
    from astropy.io import fits

    primary = fits.PrimaryHDU()
    primary.header.update(observation.primary_keywords())
    science = fits.ImageHDU(raw.data, name="SCI")
    science.header.update(observation.science_keywords())
    hdus: list[Any] = [primary, science]
    if raw.zeroframe is not None:
        hdus.append(fits.ImageHDU(raw.zeroframe, name="ZEROFRAME"))
    if raw.reference_output is not None:
        hdus.append(fits.ImageHDU(raw.reference_output, name="REFOUT"))
    if not observation.instrument.mode.guider:
        hdus.append(fits.BinTableHDU(_group_times(observation), name="GROUP"))
        hdus.append(fits.BinTableHDU(integration_times(observation), name="INT_TIMES"))
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
    shows it), EVENTS (table of snowballs and showers), TRAPPED (charge in traps at the start, e-; if there is any). The
    primary header holds the true reference point (RA_TRUE, DEC_TRUE, ROLLTRUE).
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
    hdus = [
        primary,
        fits.ImageHDU(raw.rate / observation.maps.gain, name="RATE"),
        fits.ImageHDU(raw.rate, name="RATE_E"),
        fits.ImageHDU(raw.saturated_group, name="SATGROUP"),
        fits.BinTableHDU(hits, name="HITS"),
        fits.BinTableHDU(raw.events, name="EVENTS"),
    ]
    if raw.released is not None:
        hdus.append(fits.ImageHDU(raw.released, name="TRAPPED"))
    path = directory / f"{observation.name}_truth.fits"
    fits.HDUList(hdus).writeto(path, overwrite=True)
    return path
