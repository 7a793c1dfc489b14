"""Electromagnetic interference: a periodic signal that runs along with the clock of the read-out.

A detector that is read pixel after pixel samples an interfering wave at the times of its clock. All pixels of one clock
tick, one of each of the four interleaved outputs, see the same phase, so the phase is known for groups of four columns,
called *steps* here. Phases are counted in cycles; times in ticks of the clock, 10 microseconds long.

A wave is given by ``m`` samples at the phases ``(j + 1/2) / m`` and, between them, by the periodic cubic spline.
"""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline

from jwcore.algorithms._numba import kernel, parallel_kernel, prange

__all__ = ["OUTPUTS", "TICK", "Clock", "Phases", "evaluate", "subtract_wave", "wave_at", "wave_spline"]

TICK = 1e-5
"""Seconds of one tick."""
OUTPUTS = 4
"""Interleaved outputs: neighbouring columns that are read at the same time."""
_FRAME_ROWS, _IDLE_TICKS = 1024, 7
_DISTURBED = range(4, 12)


@dataclass(frozen=True)
class Phases:
    """Phase of a wave at every sample of an exposure, in cycles: ``pixel + g * group + i * integration``.

    Attributes
    ----------
    pixel : ndarray of float64, shape (ny, nx / 4)
        Phase within a frame, from 0 to 1.
    group, integration : float
        Advance from one group, and from one integration, to the next.
    """

    pixel: np.ndarray
    group: float
    integration: float

    def of_integrations(self, nints: int) -> np.ndarray:
        """Give the phases, float64 (nints,), at which integrations begin when the first one begins at zero."""
        return np.arange(nints) * self.integration % 1.0

    def starts(self, first: np.ndarray, ngroups: int) -> np.ndarray:
        """Give the phases, float64 (nints, ngroups), at which groups begin, from those at which integrations begin."""
        return (np.asarray(first)[:, None] + np.arange(ngroups) * self.group) % 1.0


@dataclass(frozen=True)
class Clock:
    """Clocking of a read-out with four interleaved outputs.

    Attributes
    ----------
    rowclocks : int
        Ticks from one row to the next.
    frameclocks : int
        Ticks of one frame, which pass between integrations when the detector is reset in a frame of its own.
    samples : int
        Times that each pixel is sampled, in ticks.
    reset_frame : bool
        Whether that frame comes between integrations.
    shape : tuple of int
        Rows and columns (ny, nx) that are read; nx is a multiple of four.
    first_column : int
        Zero-based detector column of the first one.
    """

    rowclocks: int
    frameclocks: int
    samples: int
    reset_frame: bool
    shape: tuple[int, int]
    first_column: int = 0

    @property
    def nsteps(self) -> int:
        """Groups of four columns that are read at the same time."""
        return self.shape[1] // OUTPUTS

    @property
    def frame(self) -> int:
        """Ticks from one frame to the next; rows that are not read are skipped in seven ticks each."""
        ny = self.shape[0]
        return ny * self.rowclocks + (_FRAME_ROWS - ny) * _IDLE_TICKS

    def phases(self, frequency: float, *, ngroups: int) -> Phases:
        """Give the phase of a wave of `frequency`, Hz, at every sample; groups are single frames without gaps."""
        cycles = frequency * TICK
        rows, steps = np.arange(self.shape[0]), np.arange(self.nsteps)
        pixel = (rows[:, None] * self.rowclocks + steps * self.samples) * cycles % 1.0
        between = self.frameclocks if self.reset_frame else 0
        return Phases(pixel, self.frame * cycles % 1.0, (ngroups * self.frame + between) * cycles % 1.0)

    def usable_steps(self) -> np.ndarray:
        """Tell, bool (nsteps,), which steps may be measured: detector columns 4 to 11 are disturbed at the start of a row."""
        columns = self.first_column + OUTPUTS * np.arange(self.nsteps)
        return ~np.isin(columns, _DISTURBED)


def wave_spline(wave: np.ndarray) -> np.ndarray:
    """Give the coefficients of the periodic cubic spline through a wave.

    Parameters
    ----------
    wave : ndarray, shape (m,), m >= 3
        Values at the phases ``(j + 1/2) / m``.

    Returns
    -------
    spline : ndarray of float64, shape (m, 4)
        Coefficients, the cubic one first, for the distance from the sample before, in units of ``1 / m`` cycles.
    """
    values = np.asarray(wave, np.float64)
    spline = CubicSpline(np.arange(values.size + 1), np.append(values, values[0]), bc_type="periodic")
    return np.ascontiguousarray(spline.c.T)


@kernel
def wave_at(phase, spline):
    """Evaluate a wave at a phase from 0 up to, but not including, 2 cycles."""
    turn = phase - 1.0 if phase >= 1.0 else phase
    place = turn * spline.shape[0] - 0.5
    place = place + spline.shape[0] if place < 0 else place
    j = min(int(place), spline.shape[0] - 1)  # just below zero, place is rounded up to the end
    x = place - j
    return ((spline[j, 0] * x + spline[j, 1]) * x + spline[j, 2]) * x + spline[j, 3]


@kernel
def evaluate(starts, number, spline):
    """Evaluate a wave at ``number`` equidistant phases ``start + (j + 1/2) / number`` for each of several starts.

    Parameters
    ----------
    starts : ndarray of float64, shape (nstarts,)
        Phases in cycles.
    number : int
        Phases for each start.
    spline : ndarray of float64, shape (m, 4)
        The wave, from `wave_spline`.

    Returns
    -------
    ndarray of float64, shape (nstarts, number)
    """
    values = np.empty((starts.size, number))
    for n in range(starts.size):
        start = starts[n] - np.floor(starts[n])
        for j in range(number):
            values[n, j] = wave_at(start + (j + 0.5) / number, spline)
    return values


@parallel_kernel
def subtract_wave(data, pixel, phases, amplitudes, spline):
    """Subtract a wave from a ramp in place.

    Parameters
    ----------
    data : ndarray of float32, shape (nints, ngroups, ny, nx)
        Ramp in DN.
    pixel : ndarray of float64, shape (ny, nx / 4)
        Phase within a frame, from 0 to 1 cycle.
    phases : ndarray of float64, shape (nints, ngroups)
        Phase at the start of each group, from 0 to 1 cycle.
    amplitudes : ndarray of float64, shape (nints,)
        Factor on the wave.
    spline : ndarray of float64, shape (m, 4)
        The wave, from `wave_spline`.
    """
    nints, ngroups, ny, _ = data.shape
    for plane in prange(nints * ngroups):
        i, g = plane // ngroups, plane % ngroups
        values = np.empty(pixel.shape[1], np.float32)
        scaled = spline * amplitudes[i]
        for y in range(ny):
            _wave_along_row(values, pixel[y], phases[i, g], scaled)
            _subtract_from_row(data[i, g, y], values)


@kernel
def _wave_along_row(values, pixel, phase, spline):
    for step in range(values.size):
        values[step] = wave_at(pixel[step] + phase, spline)


@kernel
def _subtract_from_row(row, values):
    for step in range(values.size):
        value = values[step]
        row[4 * step] -= value
        row[4 * step + 1] -= value
        row[4 * step + 2] -= value
        row[4 * step + 3] -= value
