"""Small ramps and references for the tests of the detector steps."""

import numpy as np

from jwcore.api import Context, Detector, Meta, Ramp, Reference

DETECTOR = Detector("TEST", "ANY", shape=(32, 32))


def context(**traits):
    return Context(detector=Detector("TEST", "ANY", **{"shape": (32, 32), **traits}))


def ramp(shape=(1, 3, 32, 32), *, value=100.0, zeroframe=None, **keywords):
    """A constant ramp of a detector of 32 x 32 pixels, with keywords by FITS name."""
    meta = Meta()
    defaults = {"NFRAMES": 1, "GROUPGAP": 0, "NOUTPUTS": 4, "FASTAXIS": 1, "SLOWAXIS": 2, "SUBSTRT1": 1, "SUBSTRT2": 1}
    for name, entry in {**defaults, **keywords}.items():
        meta.set_keyword(name, entry)
    exposure = Ramp(data=np.full(shape, value, np.float32), meta=meta)
    if zeroframe is not None:
        exposure.zeroframe = np.full((shape[0], *shape[2:]), zeroframe, np.float32)
    return exposure


def reference(kind, value=None, *, shape=(32, 32), dq=None, header=None, **arrays):
    """A reference with one constant SCI plane and whatever else is given."""
    if value is not None:
        arrays["SCI"] = np.full(shape, value, np.float32)
    flags = None if dq is None else np.full(shape[-2:], dq, np.uint32)
    return {kind: Reference.from_arrays(kind, arrays, dq=flags, header=header)}
