"""Charge that particles leave in the detector, as a sparse table.

A particle crosses the thin absorber under some angle and deposits charge along its track, which diffuses a little
before it is collected: most hits are one to four pixels, some are streaks (Giardino et al. 2019, PASP 131, 094503).
*Snowballs* are rare round events with a saturated core of several pixels and a halo (Regan 2024,
JWST-STScI-008545). *Showers* are wide and faint, up to hundreds of pixels across (ibid.).
"""

from dataclasses import dataclass

import numpy as np

from jwcore.synth.instruments import Readout
from jwcore.synth.maps import DetectorMaps

__all__ = ["EVENT_DTYPE", "HIT_DTYPE", "Particles", "make_particles"]

HIT_DTYPE = np.dtype([("integration", "i2"), ("frame", "i4"), ("y", "i2"), ("x", "i2"), ("charge", "f4")])
"""One row per pixel and event: integration, first frame (0-based) that shows the charge, pixel, charge in e-."""

EVENT_DTYPE = np.dtype(
    [
        ("kind", "S8"),
        ("integration", "i2"),
        ("frame", "i4"),
        ("y", "i2"),
        ("x", "i2"),
        ("radius", "f4"),
        ("charge", "f4"),
    ]
)
"""One row per snowball or shower: place and first frame, radius of core or half width (pixel), charge on the detector, e-."""

PIXEL_PITCH_CM = 18e-4
ABSORBER_PIXELS = 5.0 / 18.0
"""Depth of the absorber in units of the pixel pitch."""
MEDIAN_CHARGE = 1500.0
"""Median charge of an event, e-."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Particles:
    """Charge left by particles: ``hits`` pixel by pixel (`HIT_DTYPE`), ``events`` the large ones (`EVENT_DTYPE`)."""

    hits: np.ndarray
    events: np.ndarray


def _tracks(rng: np.random.Generator, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Event index, offset in y and x (pixel) and share of charge of the points along ``number`` tracks."""
    cosine = np.sqrt(rng.random(number)).clip(0.01, 1.0)  # isotropic flux through a plane
    length = (ABSORBER_PIXELS * np.sqrt(1 - cosine**2) / cosine).clip(max=25.0)
    azimuth = rng.uniform(0, 2 * np.pi, number)
    points = np.ceil(length / 0.25).astype(int) * 4 + 8
    event = np.repeat(np.arange(number), points)
    along = (rng.random(event.size) - 0.5) * length[event]
    blur = rng.normal(0.0, 0.28, (2, event.size))
    dy, dx = along * np.sin(azimuth[event]) + blur[0], along * np.cos(azimuth[event]) + blur[1]
    return event, dy, dx, 1.0 / points[event]


def _snowball(rng: np.random.Generator) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Radius, offsets and charge (e-) of one snowball: saturated core, halo falling with the square of the distance."""
    core = 2.0 + rng.exponential(4.0)
    reach = int(3 * core) + 1
    dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    r = np.hypot(dy, dx)
    charge = np.where(r <= core, 4e5, 3000.0 * (core / np.maximum(r, core)) ** 2)
    inside = r <= reach
    return core, dy[inside], dx[inside], charge[inside]


def _shower(rng: np.random.Generator) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Half width, offsets and charge (e-) of one shower: a patchy ellipse with a soft edge."""
    width = rng.uniform(12.0, 40.0)
    ratio, angle = rng.uniform(0.4, 1.0), rng.uniform(0.0, np.pi)
    reach = int(2 * width)
    dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    along, across = dx * np.cos(angle) + dy * np.sin(angle), (dy * np.cos(angle) - dx * np.sin(angle)) / ratio
    profile = np.exp(-((np.hypot(along, across) / width) ** 4))
    charge = 120.0 * profile * rng.uniform(0.7, 1.3, profile.shape)
    inside = profile > 0.01
    return width, dy[inside], dx[inside], charge[inside]


def _large_events(
    rng: np.random.Generator, *, kind: str, number: int, shape: tuple[int, int], readout: Readout
) -> tuple[list[np.ndarray], np.ndarray]:
    """Draw snowballs or showers: their pixels, and a row for each."""
    pixels, events = [], np.zeros(number, EVENT_DTYPE)
    for event in events:
        radius, dy, dx, charge = (_snowball if kind == "snowball" else _shower)(rng)
        ball = np.zeros(charge.size, HIT_DTYPE)
        ball["integration"], ball["frame"] = rng.integers(0, readout.nints), rng.integers(0, readout.frames)
        y, x = rng.integers(0, shape[0]), rng.integers(0, shape[1])
        ball["y"], ball["x"], ball["charge"] = y + dy, x + dx, charge
        pixels.append(ball)
        event["kind"], event["y"], event["x"], event["radius"] = kind.encode(), y, x, radius
        event["integration"], event["frame"], event["charge"] = ball["integration"][0], ball["frame"][0], charge.sum()
    return pixels, events


def _merge(hits: np.ndarray, maps: DetectorMaps) -> np.ndarray:
    """Sum the charge of an event within a pixel, drop what falls outside the light-sensitive area, order by time."""
    bottom, top, left, right = maps.science_limits
    keep = (hits["y"] >= bottom) & (hits["y"] < top) & (hits["x"] >= left) & (hits["x"] < right)
    hits = hits[keep]
    keys = hits[["integration", "frame", "y", "x"]]
    unique, inverse = np.unique(keys, return_inverse=True)
    merged = np.zeros(unique.size, HIT_DTYPE)
    for name in unique.dtype.names or ():
        merged[name] = unique[name]
    merged["charge"] = np.bincount(inverse.ravel(), weights=hits["charge"], minlength=unique.size)
    return merged[merged["charge"] >= 1.0]


def make_particles(*, rng: np.random.Generator, maps: DetectorMaps, readout: Readout) -> Particles:
    """Draw the particle events of an exposure.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of random numbers.
    maps : DetectorMaps
        Gives the light-sensitive area and the switches `cosmic_rays`, `snowballs` and `showers` with their rates.
    readout : Readout
        Number of integrations and their length.

    Returns
    -------
    Particles
        Pixels ordered by integration and frame, and the large events.
    """
    effects, (ny, nx) = maps.effects, maps.aperture.subarray.shape
    exposure = ny * nx * PIXEL_PITCH_CM**2 * readout.integration_time * readout.nints  # cm^2 s
    number = rng.poisson(effects.cosmic_ray_rate * exposure) if effects.cosmic_rays else 0
    event, dy, dx, share = _tracks(rng, number)
    hits = np.zeros(event.size, HIT_DTYPE)
    energy = MEDIAN_CHARGE * rng.lognormal(0.0, 1.2, number)
    hits["charge"] = energy[event] * share
    hits["integration"] = rng.integers(0, readout.nints, number)[event]
    hits["frame"] = rng.integers(0, readout.frames, number)[event]
    hits["y"] = np.rint(rng.uniform(-0.5, ny - 0.5, number)[event] + dy)
    hits["x"] = np.rint(rng.uniform(-0.5, nx - 0.5, number)[event] + dx)
    parts, events = [hits], [np.zeros(0, EVENT_DTYPE)]
    for kind, wanted, rate in (
        ("snowball", effects.snowballs, effects.snowball_rate),
        ("shower", effects.showers, effects.shower_rate),
    ):
        number = rng.poisson(rate * exposure) if wanted else 0
        pixels, rows = _large_events(rng, kind=kind, number=number, shape=(ny, nx), readout=readout)
        parts += pixels
        events.append(rows)
    return Particles(hits=_merge(np.concatenate(parts), maps), events=np.concatenate(events))
