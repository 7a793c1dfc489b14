"""The containers of products: which arrays each one holds."""

from typing import ClassVar

from jwcore.models.declare import Array, Table
from jwcore.models.exposure import Exposure

_INT_TIMES = [
    ("integration_number", "i4"),
    *((f"int_{when}_{scale}", "f8") for scale in ("MJD_UTC", "BJD_TDB") for when in ("start", "mid", "end")),
]

_INT_TIMES_STRIPE = [_INT_TIMES[0], ("stripe_number", "i4"), *_INT_TIMES[1:]]

_GROUP = [
    ("integration_number", "i4"),
    ("group_number", "i2"),
    ("end_day", "i2"),
    ("end_milliseconds", "i4"),
    ("end_submilliseconds", "i2"),
    ("group_end_time", "U26"),
    ("number_of_columns", "i2"),
    ("number_of_rows", "i2"),
    ("number_of_gaps", "i2"),
    ("completion_code_number", "i2"),
    ("completion_code_text", "U36"),
    ("bary_end_time", "f8"),
    ("helio_end_time", "f8"),
]


def _int_times() -> Table:
    return Table("INT_TIMES", _INT_TIMES, "Start, middle and end of every integration of the exposure (MJD).")


def _int_times_stripe() -> Table:
    return Table("INT_TIMES_STRIPE", _INT_TIMES_STRIPE, "The same of every stripe of an integration (superstripes).")


def _group() -> Table:
    return Table("GROUP", _GROUP, "End time and completeness of every group.")


class Uncal(Exposure):
    """Raw ramps as they come from the telescope; `read` gives a `Ramp` unless this class is asked for."""

    model_types = ("Level1bModel",)
    data = Array("SCI", "u2", 4, "Raw ramps [nints, ngroups, ny, nx], DN.", required=True)
    zeroframe = Array("ZEROFRAME", "u2", 3, "First frame of each integration [nints, ny, nx], DN.")
    refout = Array("REFOUT", "u2", 4, "Reference output [nints, ngroups, ny, nx/4], DN.", framed=False)
    group = _group()
    int_times = _int_times()


class Ramp(Exposure):
    """Ramps in work, from the raw counts to the last step before the ramp fit."""

    model_types = ("RampModel",)
    reads: ClassVar[tuple[str, ...]] = ("Level1bModel",)
    data = Array("SCI", "f4", 4, "Ramps [nints, ngroups, ny, nx], DN.", required=True)
    pixeldq = Array("PIXELDQ", "u4", 2, "Flags common to all groups [ny, nx].", fill=0)
    groupdq = Array("GROUPDQ", "u1", 4, "Flags of each group [nints, ngroups, ny, nx].", fill=0)
    zeroframe = Array("ZEROFRAME", "f4", 3, "First frame of each integration [nints, ny, nx], DN.")
    refout = Array("REFOUT", "f4", 4, "Reference output [nints, ngroups, ny, nx/4], DN.", framed=False)
    average_dark_current = Array("AVDRKCUR", "f4", 2, "Average dark current [ny, nx], e-/s.")
    group = _group()
    int_times = _int_times()
    int_times_stripe = _int_times_stripe()


class SuperstripeRamp(Ramp):
    """Ramps whose integrations read one stripe of the detector after the other (keyword SSTR_NST), before these are joined."""

    model_types = ("SuperstripeRampModel",)
    reads: ClassVar[tuple[str, ...]] = ()
    pixeldq = Array("PIXELDQ", "u4", 3, "Flags common to all groups [nstripes, ny, nx].")


class Image(Exposure):
    """A 2-D exposure: rate, calibrated image or mosaic."""

    model_types = ("ImageModel",)
    data = Array("SCI", "f4", 2, "Science [ny, nx], unit in BUNIT.", required=True)
    err = Array("ERR", "f4", 2, "One-sigma error, unit of the science.")
    dq = Array("DQ", "u4", 2, "Pixel flags.")
    con = Array("CON", "i4", 3, "Context [nplanes, ny, nx]: bit b of plane k = input 32 k + b.")
    wht = Array("WHT", "f4", 2, "Drizzle weight.")
    var_poisson = Array("VAR_POISSON", "f4", 2, "Variance of the photon noise, unit of the science squared.")
    var_rnoise = Array("VAR_RNOISE", "f4", 2, "Variance of the read noise, unit of the science squared.")
    var_flat = Array("VAR_FLAT", "f4", 2, "Variance of the flat field, unit of the science squared.")
    area = Array("AREA", "f4", 2, "Pixel area relative to the nominal one.")
    wavelength = Array("WAVELENGTH", "f4", 2, "Wavelength of each pixel, um.")
    pathloss_point = Array("PATHLOSS_PS", "f4", 2, "Path loss correction of a point source.")
    pathloss_uniform = Array("PATHLOSS_UN", "f4", 2, "Path loss correction of a uniform source.")
    mask = Array("MASK", "u4", 2, "Background mask.")
    zeroframe = Array("ZEROFRAME", "f4", 2, "First frame.")
    hdrtab = Table("HDRTAB", None, "Keywords of the exposures that were combined, one row each.")


class IFUImage(Exposure):
    """A 2-D exposure of an integral field unit."""

    model_types = ("IFUImageModel",)
    data = Array("SCI", "f4", 2, "Science [ny, nx], unit in BUNIT.", required=True)
    err = Array("ERR", "f4", 2, "One-sigma error, unit of the science.", fill=0)
    dq = Array("DQ", "u4", 2, "Pixel flags.", fill=0)
    var_poisson = Array("VAR_POISSON", "f4", 2, "Variance of the photon noise, unit of the science squared.")
    var_rnoise = Array("VAR_RNOISE", "f4", 2, "Variance of the read noise, unit of the science squared.")
    var_flat = Array("VAR_FLAT", "f4", 2, "Variance of the flat field, unit of the science squared.")
    area = Array("AREA", "f4", 2, "Pixel area relative to the nominal one.")
    wavelength = Array("WAVELENGTH", "f4", 2, "Wavelength of each pixel, um.")
    pathloss_point = Array("PATHLOSS_PS", "f4", 2, "Path loss correction of a point source.")
    pathloss_uniform = Array("PATHLOSS_UN", "f4", 2, "Path loss correction of a uniform source.")
    regions = Array("REGIONS", "i4", 2, "Slice number of each pixel.")
    trace_model = Array("TRACEMODEL", "f4", 2, "Model of the traces.")


class Cube(Exposure):
    """A 2-D exposure for each integration."""

    model_types = ("CubeModel",)
    data = Array("SCI", "f4", 3, "Science [nints, ny, nx], unit in BUNIT.", required=True)
    err = Array("ERR", "f4", 3, "One-sigma error, unit of the science.", fill=0)
    dq = Array("DQ", "u4", 3, "Pixel flags.", fill=0)
    var_poisson = Array("VAR_POISSON", "f4", 3, "Variance of the photon noise, unit of the science squared.")
    var_rnoise = Array("VAR_RNOISE", "f4", 3, "Variance of the read noise, unit of the science squared.")
    var_flat = Array("VAR_FLAT", "f4", 3, "Variance of the flat field, unit of the science squared.")
    area = Array("AREA", "f4", 2, "Pixel area relative to the nominal one [ny, nx].")
    wavelength = Array("WAVELENGTH", "f4", 2, "Wavelength of each pixel [ny, nx], um.")
    zeroframe = Array("ZEROFRAME", "f4", 3, "First frame of each integration.")
    int_times = _int_times()
    int_times_stripe = _int_times_stripe()


class GuiderRaw(Exposure):
    """Raw data of a fine guidance sensor in guiding mode."""

    model_types = ("GuiderRawModel",)
    data = Array("SCI", "f4", 4, "Raw reads [nints, nreads, ny, nx], DN.", required=True)
    err = Array("ERR", "f4", 4, "One-sigma error.", fill=0)
    dq = Array("DQ", "u4", 2, "Pixel flags [ny, nx].", fill=0)
    planned_star_table = Table("Planned Reference Stars", None, "Reference stars as planned.")
    flight_star_table = Table("Flight Reference Stars", None, "Reference stars as found.")
    pointing_table = Table("Pointing", None, "Attitude while guiding.")
    centroid_table = Table("FGS Centroid Packet", None, "Centroids of the guide star.")
    track_sub_table = Table("Track subarray table", None, "Position of the track subarray.")


class GuiderCal(GuiderRaw):
    """Calibrated data of a fine guidance sensor in guiding mode."""

    model_types = ("GuiderCalModel",)
    data = Array("SCI", "f4", 3, "Rates [nints, ny, nx], DN/s.", required=True)
    err = Array("ERR", "f4", 3, "One-sigma error, DN/s.", fill=0)


class Segmentation(Exposure):
    """Label image of a source catalogue."""

    model_types = ("SegmentationMapModel",)
    data = Array("SCI", "u4", 2, "Source label of each pixel, 0 = none [ny, nx].", required=True)


class RampFitOutput(Exposure):
    """Optional product of the ramp fit: one fit for each segment of a ramp."""

    model_types = ("RampFitOutputModel",)
    slope = Array("SLOPE", "f4", 4, "Slopes [nints, nsegments, ny, nx], DN/s.", required=True)
    sigslope = Array("SIGSLOPE", "f4", 4, "Errors of the slopes, DN/s.")
    var_poisson = Array("VAR_POISSON", "f4", 4, "Variances of the photon noise, (DN/s)^2.")
    var_rnoise = Array("VAR_RNOISE", "f4", 4, "Variances of the read noise, (DN/s)^2.")
    yint = Array("YINT", "f4", 4, "Intercepts, DN.")
    sigyint = Array("SIGYINT", "f4", 4, "Errors of the intercepts, DN.")
    pedestal = Array("PEDESTAL", "f4", 3, "Signal at time zero [nints, ny, nx], DN.")
    weights = Array("WEIGHTS", "f4", 4, "Weights of the segments.")
    crmag = Array("CRMAG", "f4", 4, "Heights of the jumps [nints, njumps, ny, nx], DN.")


CONTAINERS: dict[str, type[Exposure]] = {
    name: kind
    for kind in (Ramp, SuperstripeRamp, Image, IFUImage, Cube, GuiderRaw, GuiderCal, Segmentation, RampFitOutput)
    for name in (*kind.model_types, *kind.reads)
}
"""Container of each DATAMODL; other models are carried by a plain `Exposure`."""
