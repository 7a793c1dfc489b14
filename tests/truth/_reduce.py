"""What the truth tests share: exposures of any shape, their reduction, and the comparison with what was put in."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from jwcore import planner
from jwcore.algorithms import dq
from jwcore.synth import TinyExposure, tiny_exposure
from jwcore.synth.detector import RawExposure
from jwcore.synth.instruments import Subarray
from jwcore.synth.nircam import NIRCAM
from jwcore.synth.programme import make_maps
from jwcore.synth.reference_files import write_reference
from jwcore.synth.references import ReferenceMaker

STRIPE = Subarray(name="STRIPE", xstart=1, ystart=1, xsize=2048, ysize=64, noutputs=4)
"""The bottom of the detector, read through all four amplifiers: reference pixels on three sides."""


class Residuals(NamedTuple):
    """Rate against truth: relative bias of the sum with its statistical error, and the spread of residual / error."""

    bias: float
    bias_error: float
    sigma: float


def with_subarray(subarray, *, rate, **settings):
    """A `tiny_exposure` of any sub-array."""
    tiny = tiny_exposure(size=8, **settings)
    maps = tiny.observation.maps
    maps = make_maps(instrument=NIRCAM, detectors=[maps.spec.name], subarray=subarray, effects=maps.effects)
    programme = replace(tiny.programme, maps=maps)
    observation = next(programme.observations([(0.0, 0.0)]))
    filled = np.broadcast_to(np.float32(rate), maps[0].aperture.subarray.shape)
    raw = programme.expose_rate(observation, rate=np.ascontiguousarray(filled))
    return TinyExposure(observation=observation, raw=raw, programme=programme)


def cut(exposure, rows, columns):
    """The part of an exposure that a sub-array would have read out, counts and all."""
    whole = exposure.observation.maps
    (row, column), (ny, nx) = whole.aperture.subarray.origin, (rows.stop - rows.start, columns.stop - columns.start)
    part = Subarray(
        name="PART", xstart=column + columns.start + 1, ystart=row + rows.start + 1, xsize=nx, ysize=ny
    )  # fmt: skip
    (maps,) = make_maps(instrument=NIRCAM, detectors=[whole.spec.name], subarray=part, effects=whole.effects)
    raw = exposure.raw
    return TinyExposure(
        observation=replace(exposure.observation, maps=maps),
        raw=RawExposure(
            data=np.ascontiguousarray(raw.data[..., rows, columns]),
            zeroframe=None,
            rate=raw.rate[rows, columns],
            hits=raw.hits[:0],
            saturated_group=raw.saturated_group[..., rows, columns],
        ),
        programme=replace(exposure.programme, maps=[maps]),
    )


def write_references(exposure, folder):
    """Write the detector references of an exposure; give them as overrides, type -> path."""
    maker = ReferenceMaker(instrument=exposure.programme.instrument, maps=exposure.observation.maps)
    return {
        kind: str(write_reference(content, maker=maker, directory=folder))
        for kind, content in exposure.references.items()
    }


def reduce(exposure, folder, *, overrides=None, **options):
    """Write an exposure and run detector1 on it; the corrected ramp is kept too, as ``ramp``."""
    folder.mkdir(exist_ok=True)
    found = overrides or write_references(exposure, folder)
    path = exposure.write(folder)
    params = {"detector1": {"save_calibrated_ramp": True}} | options.pop("params", {})
    return planner.plan(str(path), "detector1", references="none", overrides=found, params=params, **options).run()


def live(exposure):
    """Pixels that see light and respond to it."""
    maps = exposure.observation.maps
    bottom, top, left, right = maps.science_limits
    area = np.zeros(maps.aperture.subarray.shape, bool)
    area[bottom:top, left:right] = True
    return area & ~maps.dead


def relative_error(exposure, rate):
    """Rate / truth - 1 of the live pixels that have a rate."""
    use = live(exposure) & (rate.dq & dq.DO_NOT_USE == 0)
    return rate.data[use].astype(float) / exposure.rate[use] - 1


def residuals(exposure, rate, *, where=True, err=None):
    """Compare the rates of live pixels with the truth; ``err`` stands in for the errors of the rate."""
    use = live(exposure) & (rate.dq & dq.DO_NOT_USE == 0) & where
    difference = (rate.data - exposure.rate)[use].astype(float)
    error = (rate.err if err is None else err)[use].astype(float)
    total = max(exposure.rate[use].sum(dtype=float), 1e-9)
    return Residuals(difference.sum() / total, np.sqrt((error**2).sum()) / total, float((difference / error).std()))


def particle_steps(exposure):
    """Charge of particles in every difference of neighbouring groups, DN [nints, ngroups - 1, ny, nx]."""
    readout, raw = exposure.programme.readout, exposure.raw
    level = np.zeros(raw.data.shape, np.float32)
    for group in range(readout.ngroups):
        for frame in readout.first_frame(group) + np.arange(readout.nframes):
            hits = raw.hits[raw.hits["frame"] <= frame]
            share = hits["charge"] / readout.nframes
            np.add.at(level, (hits["integration"], group, hits["y"], hits["x"]), share)
    return np.diff(level, axis=1) / exposure.observation.maps.gain
