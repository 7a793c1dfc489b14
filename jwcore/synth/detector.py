r"""The forward model of a detector array: from photo-electron rates to raw counts.

Charge collects at the photon and dark rate (Poisson), particles add to it, the pixel turns charge into voltage (gain,
non-linearity, full well), neighbours couple (IPC), reads add noise, groups average frames, and the converter rounds to
16 bits. This is the exact inverse order of the calibration: IPC acts on bias plus signal and before read noise.

An averaged group needs no frame by frame draw. Let B be the electrons that arrive between its first and last frame;
given B, their arrival intervals are uniform, so the mean level over the F frames is the first level plus an amount of
mean B/2 and variance :math:`B (F-2) / (12 F)`. Curvature of the response within the group enters to second order, and
pixels that reach the full well within the group are followed frame by frame.
"""

from dataclasses import dataclass, field

import numpy as np

from jwcore.algorithms._numba import kernel, parallel_kernel, prange
from jwcore.synth import irs2
from jwcore.synth._random import derive_key, generator, hash64, normal_field, normal_pair, poisson
from jwcore.synth.cosmic_rays import EVENT_DTYPE, make_particles
from jwcore.synth.instruments import Readout
from jwcore.synth.interference import interference
from jwcore.synth.maps import LINEARITY_COEFFICIENTS, DetectorMaps
from jwcore.synth.noise import readout_noise
from jwcore.synth.transients import Trapped, block_charge, migrate, offset, transients

__all__ = ["RawExposure", "expose", "measured_signal"]


@dataclass(frozen=True, kw_only=True, eq=False)
class RawExposure:
    """Raw counts of one exposure and the truth behind them.

    ``data`` uint16 [nints, ngroups, ny, nx]; ``zeroframe`` uint16 [nints, ny, nx] or None; ``rate`` float32 [ny, nx]
    photo-electrons per second collected by each pixel (response included, dark current not); ``hits`` table of
    particle charge; ``saturated_group`` int16 [nints, ny, nx] first group in which the pixel reaches its full well
    (ngroups: never); ``events`` table of snowballs and showers; ``released`` float32 [ny, nx] charge in traps at the
    start (e-) or None; ``caught`` the traps at the end; ``reference_output`` uint16 [nints, ngroups, ny, nx/4] or None.
    """

    data: np.ndarray
    zeroframe: np.ndarray | None
    rate: np.ndarray
    hits: np.ndarray
    saturated_group: np.ndarray
    events: np.ndarray = field(default_factory=lambda: np.zeros(0, EVENT_DTYPE))
    released: np.ndarray | None = None
    caught: Trapped | None = None
    reference_output: np.ndarray | None = None


@kernel
def measured_signal(linear, scale, c2, c3, c4):
    """Invert the linearity polynomial: measured DN of a linear signal, by Newton's method from a close start."""
    target = linear * scale
    if target == 0.0 or scale == 0.0:
        return linear
    m = target / (1.0 + c2 * target)
    for _ in range(2):
        value = m * (1.0 + m * (c2 + m * (c3 + m * c4)))
        slope = 1.0 + m * (2.0 * c2 + m * (3.0 * c3 + m * 4.0 * c4))
        m -= (value - target) / slope
    return m / scale


@kernel
def _average_saturating(first, span, hit_level, hit_mean, gain, scale, well, nframes, c2, c3, c4):
    """Mean measured signal of a group whose level reaches the full well: frame by frame."""
    frames_after = 0.0 if hit_level <= 0.0 else min(1.0, hit_mean / hit_level) * nframes
    total = 0.0
    for frame in range(nframes):
        level = first + span * frame / max(1, nframes - 1)
        if frame >= nframes - frames_after:
            level += hit_level
        # far above the well the polynomial has no meaning
        total += min(measured_signal(min(level / gain, 1.5 * well), scale, c2, c3, c4), well)
    return total / nframes


@parallel_kernel
def _collect(
    rate, dark, gain, scale, well, sigma, pedestal, hits, limits, coefficients, gap, span, nframes, group, keys,
    origin, with_poisson, level, volts, noise, saturated,
):  # fmt: skip
    """Advance the charge of every pixel over one block of frames; write its mean voltage and its read noise."""
    bottom, top, left, right = limits
    c2, c3, c4 = coefficients
    key, noise_key = keys
    bridge = (nframes - 2.0) / (12.0 * nframes)
    for y in prange(rate.shape[0]):
        for x in range(rate.shape[1]):
            place = (np.uint64(origin[0] + y) << np.uint64(34)) | (np.uint64(origin[1] + x) << np.uint64(2))
            signal_normal, read_normal = normal_pair(hash64(key, place))
            noise[y, x] = read_normal * sigma[y, x]
            if y < bottom or y >= top or x < left or x >= right:
                volts[y, x] = pedestal[y, x]
                continue
            flow = np.float64(rate[y, x]) + dark[y, x]
            arrived = flow * gap
            during = flow * span
            extra = 0.5 * during
            if with_poisson:
                arrived = poisson(arrived, signal_normal, hash64(noise_key, place))
                if nframes > 1:
                    z1, z2 = normal_pair(hash64(key, place | np.uint64(1)))
                    during = poisson(during, z1, hash64(noise_key, place | np.uint64(1)))
                    extra = 0.5 * during + np.sqrt(during * bridge) * z2
            first = np.float64(level[y, x]) + arrived + hits[0, y, x]
            last = first + during + hits[1, y, x]
            level[y, x] = last
            g, s, w = np.float64(gain[y, x]), np.float64(scale[y, x]), np.float64(well[y, x])
            top_level = measured_signal(min(last / g, 1.5 * w), s, c2, c3, c4)
            if top_level >= w:
                saturated[y, x] = min(saturated[y, x], group)
                value = _average_saturating(first, during, hits[1, y, x], hits[2, y, x], g, s, w, nframes, c2, c3, c4)
            elif nframes == 1:
                value = top_level
            else:
                value = measured_signal((first + extra + hits[2, y, x]) / g, s, c2, c3, c4)
                m = value * s
                slope = 1.0 + m * (2.0 * c2 + m * (3.0 * c3 + m * 4.0 * c4))
                bend = s * (2.0 * c2 + m * (6.0 * c3 + m * 12.0 * c4))
                step = during / (g * (nframes - 1.0))
                value -= bend / slope**3 * step * step * (nframes * nframes - 1.0) / 24.0
            volts[y, x] = pedestal[y, x] + value


@parallel_kernel
def _read(volts, noise, banding, ipc, limits, weight, out):
    """Couple neighbours within the light-sensitive area (zero outside), add noise, and add ``weight`` of it to out."""
    bottom, top, left, right = limits
    for y in prange(volts.shape[0]):
        for x in range(volts.shape[1]):
            if bottom <= y < top and left <= x < right:
                value = 0.0
                for j in range(-1, 2):
                    for i in range(-1, 2):
                        if bottom <= y + j < top and left <= x + i < right:
                            value += ipc[1 - j, 1 - i] * volts[y + j, x + i]
            else:
                value = np.float64(volts[y, x])
            out[y, x] += weight * (value + noise[y, x] + banding[y, x])


@parallel_kernel
def _digitise(analog, out):
    """Round to 16 bits with clipping."""
    for y in prange(analog.shape[0]):
        for x in range(analog.shape[1]):
            out[y, x] = np.uint16(min(65535.0, max(0.0, np.floor(analog[y, x] + 0.5))))


class _Analog:
    """A group before the converter: its pixels, and its reference samples where the pattern interleaves them."""

    def __init__(self, *, maps: DetectorMaps, references: bool) -> None:
        self.maps = maps
        self.pixels = np.empty(maps.aperture.subarray.shape, np.float32)
        self.references = np.empty((self.pixels.shape[1], irs2.ROWS), np.float32) if references else None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the stored frame."""
        return self.pixels.shape if self.references is None else (irs2.ROWS, self.pixels.shape[1])

    def clear(self) -> None:
        self.pixels[:] = 0.0
        if self.references is not None:
            self.references[:] = 0.0

    def digitise(self, out: np.ndarray) -> None:
        """Convert to 16 bits, in the order in which the frame is stored."""
        frame = self.pixels
        if self.references is not None:
            frame = irs2.interleave(self.pixels, self.references, self.maps.spec)
        _digitise(frame, out)


class _Integration:
    """The state of one integration: charge per pixel, and the frame buffers that every block of frames reuses."""

    def __init__(
        self, *, rate: np.ndarray, maps: DetectorMaps, readout: Readout, hits: np.ndarray, label: tuple[int, int],
        before: "_Integration | None" = None, trapped: Trapped | None = None,
    ) -> None:  # fmt: skip
        shape = rate.shape
        self.rate, self.maps, self.readout, self.label = rate, maps, readout, label
        self.hits = hits[hits["integration"] == label[1]]
        bias = maps.bias.copy()
        if maps.effects.ktc:
            bias += maps.effects.ktc_noise * normal_field(
                shape=shape, origin=maps.aperture.subarray.origin, key=derive_key(*label, "ktc")
            )
        self.pedestal, self.floor = maps.split_bias(bias)
        self.sources, start = transients(
            maps=maps,
            readout=readout,
            integration=label[1],
            trapped=trapped,
            before=None if before is None else before.collected,
        )
        self.level = np.asarray(self.floor + start, np.float32)
        self.spilled, self.spill = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self.volts, self.noise = np.empty(shape, np.float32), np.empty(shape, np.float32)
        self.hit_planes = np.zeros((3, *shape), np.float32)
        self.saturated = np.full(shape, readout.ngroups, np.int16)
        self.frame = -1

    @property
    def collected(self) -> np.ndarray:
        """Charge that was collected since the reset, e-."""
        return self.level - self.floor

    def read_block(self, *, frames: range, group: int, weight: float, out: _Analog) -> None:
        """Collect charge up to and through consecutive frames; add their mean, times ``weight``, to ``out``."""
        maps, effects, frame_time = self.maps, self.maps.effects, self.readout.frame_time
        first, nframes = frames[0], len(frames)
        label = (*self.label, first)
        shift = offset(
            maps=maps, readout=self.readout, integration=self.label[1], group=group, frames=frames, label=self.label
        )
        pedestal = self.pedestal if shift is None else self.pedestal + shift
        _collect(
            self.rate, maps.dark, maps.gain, maps.nonlinearity, maps.well,
            maps.read_noise / maps.gain / np.float32(np.sqrt(nframes)),
            pedestal, self._fill_charge(frames), maps.science_limits, LINEARITY_COEFFICIENTS[2:],
            (first - self.frame) * frame_time, (nframes - 1) * frame_time, nframes, group,
            (derive_key(*label, "signal"), derive_key(*label, "count")), maps.aperture.subarray.origin,
            effects.poisson, self.level, self.volts, self.noise, self.saturated,
        )  # fmt: skip
        self.frame = frames[-1]
        if effects.charge_migration:
            self.spill, self.spilled = migrate(self.level, self.spilled, floor=self.floor, maps=maps)
        _read(
            self.volts, self.noise, self._pickup(frames, weight, out), maps.ipc_kernel, maps.science_limits, weight,
            out.pixels,
        )  # fmt: skip

    def _pickup(self, frames: range, weight: float, out: _Analog) -> np.ndarray:
        """Correlated noise and interference of the pixels, DN; reference samples are added to ``out``."""
        maps, effects = self.maps, self.maps.effects
        spec, subarray, nframes = maps.spec, maps.aperture.subarray, len(frames)
        label = (*self.label, frames[0])
        rng = generator(*label, "readout")
        if out.references is None:
            pickup = readout_noise(rng=rng, spec=spec, subarray=subarray, nframes=nframes, effects=effects)
        else:
            pickup, shared = irs2.line_noise(rng=rng, spec=spec, nframes=nframes, effects=effects)
            white = irs2.white_noise(maps, nframes=nframes, key=derive_key(*label, "references"))
            out.references += np.float32(weight) * (irs2.reference_bias(maps) + shared + white)
        if effects.interference:
            pickup += interference(
                spec=spec, subarray=subarray, readout=self.readout, integration=self.label[1], frames=frames,
                amplitude=effects.interference_amplitude, label=self.label[:1],
            )  # fmt: skip
        return pickup

    def _fill_charge(self, frames: range) -> np.ndarray:
        """Planes of charge other than light: before the block, during it, and its share in the mean of the block."""
        first, end = frames[0], frames[-1] + 1
        self.hit_planes[:] = 0.0
        low, high = np.searchsorted(self.hits["frame"], [self.frame + 1, end])
        hits = self.hits[low:high]
        before = hits["frame"] <= first
        y, x, charge = hits["y"], hits["x"], hits["charge"]
        np.add.at(self.hit_planes[0], (y[before], x[before]), charge[before])
        share = (end - hits["frame"]) / len(frames)
        np.add.at(self.hit_planes[1], (y[~before], x[~before]), charge[~before])
        np.add.at(self.hit_planes[2], (y[~before], x[~before]), (share * charge)[~before])
        block_charge(
            self.hit_planes,
            sources=self.sources,
            frames=frames,
            previous=self.frame,
            frame_time=self.readout.frame_time,
        )
        if self.maps.effects.charge_migration:
            self.hit_planes[0] += self.spill
        return self.hit_planes


def expose(
    *,
    rate: np.ndarray,
    maps: DetectorMaps,
    readout: Readout,
    seed: int,
    zeroframe: bool = False,
    trapped: Trapped | None = None,
) -> RawExposure:
    """Simulate an exposure.

    Parameters
    ----------
    rate : ndarray, float32 [ny, nx]
        Photo-electron rate for unit response, e-/s.
    maps : DetectorMaps
        Properties of the pixels, and the switches of all effects.
    readout : Readout
        Read pattern, groups, integrations and frame time.
    seed : int
        Seed of the noise; the same seed gives the same counts, on any number of threads.
    zeroframe : bool
        Also return the first frame of every integration.
    trapped : Trapped, optional
        Charge that an earlier exposure left in traps, released if the effect `persistence` is on.

    Returns
    -------
    RawExposure
        Counts and truth. Where the pattern interleaves reference pixels, the counts have 3200 rows.
    """
    collected = rate * maps.response
    particles = make_particles(rng=generator(seed, "hits"), maps=maps, readout=readout)
    trapped = trapped if maps.effects.persistence else None
    analog = _Analog(maps=maps, references=readout.pattern.references)
    data = np.empty((readout.nints, readout.ngroups, *analog.shape), np.uint16)
    zero = np.empty((readout.nints, *analog.shape), np.uint16) if zeroframe else None
    saturated = np.empty((readout.nints, *rate.shape), np.int16)
    fullest = np.zeros(rate.shape, np.float32)
    state: _Integration | None = None
    for i in range(readout.nints):
        state = _Integration(
            rate=collected, maps=maps, readout=readout, hits=particles.hits, label=(seed, i), before=state,
            trapped=trapped,
        )  # fmt: skip
        for group in range(readout.ngroups):
            _read_group(state, group, analog, None if zero is None or group else zero[i])
            analog.digitise(data[i, group])
        saturated[i] = state.saturated
        np.maximum(fullest, state.collected, out=fullest)
    return RawExposure(
        data=data, zeroframe=zero, rate=collected, hits=particles.hits, saturated_group=saturated,
        events=particles.events, released=None if trapped is None else trapped.left, caught=Trapped.by(fullest, maps=maps),
        reference_output=_reference_output(maps, readout, seed) if maps.spec.reference_output else None,
    )  # fmt: skip


def _reference_output(maps: DetectorMaps, readout: Readout, seed: int) -> np.ndarray:
    """Counts of the output that is connected to no pixel, uint16 [nints, ngroups, ny, nx/4]: a level and its noise."""
    ny, nx = maps.aperture.subarray.shape
    sigma = maps.spec.read_noise / maps.spec.gain if maps.effects.read_noise else 0.0
    noise = generator(seed, "reference output").standard_normal((readout.nints, readout.ngroups, ny, nx // 4))
    return np.rint(maps.spec.bias + sigma * noise).astype(np.uint16)


def _read_group(state: _Integration, group: int, analog: _Analog, zero: np.ndarray | None) -> None:
    """Read the frames of a group; keep the first one in ``zero`` if wanted."""
    first, nframes = state.readout.first_frame(group), state.readout.nframes
    frames = range(first, first + nframes)
    analog.clear()
    if zero is not None:
        # the first frame alone, then the others: their weighted mean is the group
        state.read_block(frames=frames[:1], group=group, weight=1.0, out=analog)
        analog.digitise(zero)
        analog.pixels /= nframes
        frames = frames[1:]
    if frames:
        state.read_block(frames=frames, group=group, weight=len(frames) / nframes, out=analog)
