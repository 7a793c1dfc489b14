"""Charge and offsets that depend on the time since a reset or an earlier exposure.

*Charge* goes through the non-linearity of the pixel: persistence, the settling dark current, charge left by the reset
switch, and charge that migrates to neighbours. *Offsets* are added by the electronics after it: the decay after a
reset, the first and the last frame, and the thermal picture frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jwcore.algorithms._numba import parallel_kernel, prange
from jwcore.synth._random import generator
from jwcore.synth.instruments import Readout
from jwcore.synth.maps import DetectorMaps

__all__ = ["Transient", "Trapped", "block_charge", "migrate", "offset", "picture_frame", "reset_decay", "transients"]

RESET_DECAY_FRAMES = 3.0
"""Time constant of the decay after a reset, frames."""
SWITCH_DECAY_FRAMES = 0.7
"""Time constant of the charge that the reset switch leaves, frames."""
SETTLING_FRAMES = 6.0
"""Time constant of the settling dark current, frames."""
RELEASE_TIME = 400.0
"""Time constant of the release from traps, s."""
TRAPPED_FRACTION = 0.006
"""Part of the charge of a saturated pixel that traps hold."""
FIRST_FRAME, LAST_FRAME = -70.0, -45.0
"""Offsets of the first and the last group, DN."""
PICTURE_FRAME_SECONDS = 300.0
"""Scatter of the strength of the thermal pattern from group to group, s of its rate."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Trapped:
    """Charge (e-, [ny, nx]) in traps and the time (s) since it was caught."""

    charge: np.ndarray
    elapsed: float

    @classmethod
    def by(cls, charge: np.ndarray, *, maps: DetectorMaps, elapsed: float = 0.0) -> "Trapped":
        """Charge that is caught by pixels that have collected ``charge`` (e-): only those near their full well catch some."""
        full = charge / maps.gain > 0.9 * maps.well
        return cls(charge=np.where(full, TRAPPED_FRACTION * charge, 0).astype(np.float32), elapsed=elapsed)

    def after(self, seconds: float) -> "Trapped":
        """Give the same traps some time later."""
        return Trapped(charge=self.charge, elapsed=self.elapsed + seconds)

    @property
    def left(self) -> np.ndarray:
        """Charge that is still to be released, e-."""
        return self.charge * np.float32(np.exp(-self.elapsed / RELEASE_TIME))


@dataclass(frozen=True, kw_only=True, eq=False)
class Transient:
    """Charge ``amplitude * (1 - exp(-t / time_constant))`` (e-, [ny, nx]; s) that comes in the time t after the reset."""

    amplitude: np.ndarray
    time_constant: float

    def charge(self, time: float) -> np.ndarray:
        """Charge that has come until a time after the reset, e-."""
        return self.amplitude * np.float32(-np.expm1(-time / self.time_constant))


def transients(
    *,
    maps: DetectorMaps,
    readout: Readout,
    integration: int,
    trapped: Trapped | None = None,
    before: np.ndarray | None = None,
) -> tuple[list[Transient], np.ndarray | float]:
    """List the transients of an integration, and the charge (e-) that the pixels hold already at its start.

    ``before`` is the charge at the end of the previous integration.
    """
    effects, frame_time = maps.effects, readout.frame_time
    found: list[Transient] = []
    start: np.ndarray | float = 0.0
    if effects.dark_settling and integration == 0:
        time_constant = SETTLING_FRAMES * frame_time
        found.append(Transient(amplitude=2.0 * maps.dark * np.float32(time_constant), time_constant=time_constant))
    if effects.switch_decay and before is not None:
        start = np.where(maps.reference_pixel, np.float32(0), 0.01 * before)
        found.append(Transient(amplitude=-start, time_constant=SWITCH_DECAY_FRAMES * frame_time))
    if trapped is not None:
        released = trapped.after(integration * readout.integration_period)
        found.append(Transient(amplitude=released.left, time_constant=RELEASE_TIME))
    return found, start


def block_charge(
    planes: np.ndarray, *, sources: Sequence[Transient], frames: Sequence[int], previous: int, frame_time: float
) -> None:
    """Add the charge of transients to the planes of a block of frames: before it, during it, its share in the mean."""
    times = [(frame + 1) * frame_time for frame in frames]
    for source in sources:
        first = source.charge(times[0])
        planes[0] += first - source.charge((previous + 1) * frame_time)
        planes[1] += source.charge(times[-1]) - first
        planes[2] += sum(source.charge(time) for time in times) / np.float32(len(times)) - first


@parallel_kernel
def _spill(level, floor, threshold, fraction, limits, spilled):
    """Charge that each pixel has spilled in all: a fraction of what it holds beyond the threshold (DN above ``floor``)."""
    bottom, top, left, right = limits
    for y in prange(level.shape[0]):
        for x in range(level.shape[1]):
            spilled[y, x] = 0.0
            if bottom <= y < top and left <= x < right:
                spilled[y, x] = fraction * max(0.0, level[y, x] - floor[y, x] - threshold[y, x])


def migrate(
    level: np.ndarray, spilled: np.ndarray, *, floor: np.ndarray, maps: DetectorMaps
) -> tuple[np.ndarray, np.ndarray]:
    """Move charge from bright pixels to their four neighbours (Coulton et al. 2018, AJ 155, 258).

    Parameters
    ----------
    level : ndarray, float32 [ny, nx]
        Charge, e-.
    spilled : ndarray, float32 [ny, nx]
        What the pixels had spilled before.
    floor : ndarray, float32 [ny, nx]
        Charge that stands for the bias.
    maps : DetectorMaps
        Limits, gain, and the strength of the effect.

    Returns
    -------
    change, spilled : ndarray
        Change of the charge of every pixel, and what all have spilled now. What leaves the light-sensitive area is lost.
    """
    total = np.empty_like(level)
    threshold = np.float32(maps.effects.migration_threshold) * maps.gain
    _spill(level, floor, threshold, maps.effects.migrating_fraction, maps.science_limits, total)
    total = np.maximum(total, spilled)
    moved = total - spilled
    change = -moved
    change[1:] += 0.25 * moved[:-1]
    change[:-1] += 0.25 * moved[1:]
    change[:, 1:] += 0.25 * moved[:, :-1]
    change[:, :-1] += 0.25 * moved[:, 1:]
    change[maps.reference_pixel] = 0.0
    return change, total


# ---- offsets ---------------------------------------------------------------------------------------------------------


def reset_decay(maps: DetectorMaps, *, integration: int, frames: Sequence[int]) -> np.ndarray:
    """Offset that the reset leaves, averaged over frames, DN float32 [ny, nx]: what the RESET reference holds."""
    fading = np.mean(np.exp(-(np.asarray(frames) + 1) / RESET_DECAY_FRAMES))
    strength = 1.5 if integration == 0 else 1.0
    y, x = maps.position
    pattern = (
        1.0 + 0.2 * np.sin(4.0 * x) * np.cos(3.0 * y) + 0.1 * (np.arange(maps.aperture.subarray.ysize) % 2)[:, None]
    )
    return (-60.0 * strength * fading * pattern).astype(np.float32)


def picture_frame(maps: DetectorMaps) -> np.ndarray:
    """Thermal pattern, DN/s float32 [ny, nx]: bright towards the edges of the detector."""
    y, x = maps.position
    edge = np.minimum(np.minimum(x, 1 - x), np.minimum(y, 1 - y))
    return (0.01 + 0.05 * np.exp(-edge / 0.03) + 0.01 * x * y).astype(np.float32)


def offset(
    *, maps: DetectorMaps, readout: Readout, integration: int, group: int, frames: Sequence[int], label: tuple
) -> np.ndarray | None:
    """Sum the offsets of the electronics in a block of frames, DN [ny, nx], None if there are none; ``label`` is a seed."""
    effects = maps.effects
    parts: list[np.ndarray | np.float32] = []
    if effects.reset_decay:
        parts.append(reset_decay(maps, integration=integration, frames=frames))
    if effects.first_frame and group == 0:
        parts.append(np.float32(FIRST_FRAME))
    if effects.last_frame and group == readout.ngroups - 1:
        parts.append(np.float32(LAST_FRAME))
    if effects.picture_frame:
        strength = generator(*label, "picture frame", group).normal(0.0, PICTURE_FRAME_SECONDS)
        parts.append(np.float32(strength) * picture_frame(maps))
    return np.broadcast_to(np.float32(sum(parts)), maps.aperture.subarray.shape) if parts else None
