"""Snowballs: large round particle events of near-infrared detectors, with a saturated core and a halo of jumps.

The core saturates within one group although little light falls there. A star saturates with charge that its own count
rate announces, group by group. The charge that arrives in a newly saturated region, compared with what the sources
below and beside it deliver in a group, tells one from the other.

References
----------
M. Regan, "Detection and flagging of showers and snowballs in JWST", JWST-STScI-008545 (2024).
"""

from typing import NamedTuple

import numpy as np

from jwcore.algorithms.dq import DO_NOT_USE, JUMP_DET, SATURATED
from jwcore.algorithms.jump_regions import Ellipses, Regions, connected_regions

__all__ = ["SnowballSettings", "flag_snowballs"]

_SATURATED = np.uint8(SATURATED)
_JUMP = np.uint8(JUMP_DET)
_UNUSABLE = np.uint8(DO_NOT_USE | SATURATED)
_BORDER = 5
"""Width of the reference pixels, and one: a region that ends farther from the edge is not cut by it."""
_STEEPEST = 30.0
"""Largest ratio of rates of a saturated pixel of a star and of the first pixel beyond all saturated ones."""
_HALO = 0.1
"""Least charge of the pixels of a halo, in units of that of the brightest; the neighbours of a single hit hold less."""
_BLOCK = 4_000_000
"""Samples of ramps that are gathered at a time."""


class SnowballSettings(NamedTuple):
    """How snowballs are told from other events, and how far they are flagged; lengths in pixels."""

    min_sat_area: float = 1.0
    """Smallest core."""
    min_jump_area: float = 5.0
    """Smallest region of jumps."""
    expand_factor: float = 2.0
    """Factor on the minor axis of a snowball; the major axis grows by the same length."""
    sat_required: bool = True
    """A snowball has a core, unless it lies at the edge; cores are enlarged and remembered."""
    min_sat_radius_extend: float = 2.5
    """Cores are enlarged whose minor axis is longer."""
    sat_expand: float = 2.0
    """What is added to the radius of a core."""
    edge_size: float = 25.0
    """Largest distance from the edge of the centre of a region whose core may lie beyond it, if the region is cut by it."""
    max_extended_radius: float = 200.0
    """Longest half axis of an enlarged ellipse."""
    masked_groups: int = 0
    """Groups at the start of the next integration in which enlarged cores are jumps; the first one is left alone."""
    core_charge_ratio: float = 3.0
    """Least charge of a core in units of the charge that the sources there deliver in a group; 0 takes any for a core."""
    first_group: float = 1.0
    """Mean time of the reads of the first group since the reset, in units of the time between groups."""


def flag_snowballs(*, data: np.ndarray, groupdq: np.ndarray, settings: SnowballSettings | None = None) -> int:
    """
    Flag snowballs in ramps whose jumps are flagged, in place.

    In every group: regions of newly saturated pixels that hold `SnowballSettings.core_charge_ratio` times the charge
    expected there are cores. A region of jumps whose ellipse contains the centroid of a core of this group or the next,
    or that the edge of the detector cuts, is a snowball, and the pixels of its expanded ellipse become JUMP_DET.
    The enlarged ellipses of large cores become SATURATED in this and all later groups.

    Parameters
    ----------
    data : ndarray of float32, shape (nints, ngroups, ny, nx)
        Linear ramps without bias, DN; saturated groups hold what was measured.
    groupdq : ndarray of uint8, same shape
        Group flags.
    settings : SnowballSettings, optional
        Parameters of the search.

    Returns
    -------
    int
        Number of snowballs.
    """
    settings = settings or SnowballSettings()
    rates = _rates(data, groupdq, settings.first_group) if settings.core_charge_ratio > 0 else None
    number = 0
    remembered: list[tuple[int, Ellipses]] = []
    for integration in range(data.shape[0]):
        ramp = _Integration(data[integration], groupdq[integration], rates, settings)
        for group in range(1, data.shape[1]):
            number += ramp.flag_group(group)
        remembered += [(integration + 1, cores) for cores in ramp.enlarged]
    for integration, cores in remembered:
        if integration < data.shape[0]:
            later = groupdq[integration, 1 : settings.masked_groups]
            later[:, cores.drawn(data.shape[2:])] |= _JUMP
    return number


class _Saturation(NamedTuple):
    """Newly saturated regions of a group."""

    cores: Ellipses
    """Those of snowballs."""
    sources: Ellipses
    """Those of stars."""


class _Integration:
    """The search in one integration; see `flag_snowballs`."""

    def __init__(
        self, data: np.ndarray, groupdq: np.ndarray, rates: np.ndarray | None, settings: SnowballSettings
    ) -> None:
        self.data, self.groupdq, self.rates, self.settings = data, groupdq, rates, settings
        self.shape: tuple[int, int] = data.shape[1:]
        self.enlarged: list[Ellipses] = []
        """Cores that were enlarged, in their own size."""

    def flag_group(self, group: int) -> int:
        """Flag the snowballs that hit in a group, and return their number."""
        settings, flags = self.settings, self.groupdq[group]
        regions = connected_regions(flags & _JUMP, minimum_area=settings.min_jump_area)
        here, after = self._saturation(group), self._saturation(group + 1)
        found = regions.ellipses().chosen(self._are_snowballs(group, regions, here, after))
        longest = 2 * settings.max_extended_radius
        if settings.sat_required:
            large = here.cores.chosen(here.cores.minor > settings.min_sat_radius_extend)
            self._saturate(group, large.grown(by=2 * settings.sat_expand, longest=longest).drawn(self.shape))
            self.enlarged.append(large)
        halo = found.expanded(factor=settings.expand_factor, longest=longest).drawn(self.shape)
        flags[halo & (flags & _SATURATED == 0)] |= _JUMP
        return len(found)

    def _saturate(self, group: int, pixels: np.ndarray) -> None:
        """Flag pixels as saturated from a group on; jumps of saturated groups are not kept."""
        flags = self.groupdq[group:]
        flags[:, pixels] = flags[:, pixels] & ~_JUMP | _SATURATED

    def _are_snowballs(self, group: int, regions: Regions, here: _Saturation, after: _Saturation) -> np.ndarray:
        """Tell which regions of jumps are snowballs."""
        jumps = regions.ellipses()
        cores, sources = here.cores.joined(after.cores), here.sources.joined(after.sources)
        with_core = jumps.contain_any(cores.y, cores.x)
        if not self.settings.sat_required:
            return with_core | ~self._of_sources(group, jumps, sources)
        ny, nx = self.shape
        distance = np.minimum.reduce([jumps.y, ny - 1 - jumps.y, jumps.x, nx - 1 - jumps.x])
        cut = distance < np.minimum(self.settings.edge_size, jumps.major / 2 + _BORDER)
        cut &= ~with_core & ~self._of_sources(group, jumps, sources)
        cut[cut] = self._are_halos(group, regions.chosen(cut))
        return with_core | cut

    def _are_halos(self, group: int, regions: Regions) -> np.ndarray:
        """Tell in which regions the charge is spread over many pixels; the others are single hits and their neighbours."""
        y, x, label = regions.pixels()
        light = np.maximum(_light(self.data[None, :, y, x], self.groupdq[None, :, y, x]), 0)
        charge = self._arrived(group, y, x) - np.nan_to_num(light)
        largest = np.zeros(regions.number)
        np.maximum.at(largest, label, charge)
        spread = label[charge >= _HALO * largest[label]]
        return np.bincount(spread, minlength=regions.number) >= self.settings.min_jump_area

    def _of_sources(self, group: int, jumps: Ellipses, sources: Ellipses) -> np.ndarray:
        """Tell which regions of jumps surround a star that is saturated or becomes so."""
        if self.rates is None:
            return np.zeros(len(jumps), bool)
        centres = np.rint(jumps.y).astype(int), np.rint(jumps.x).astype(int)
        return jumps.contain_any(sources.y, sources.x) | (self.groupdq[group - 1][centres] & _SATURATED != 0)

    def _saturation(self, group: int) -> _Saturation:
        """Find what is newly saturated in a group, of snowballs and of stars; nothing after the last group."""
        if group == len(self.groupdq):
            nothing = np.empty(0)
            return _Saturation(*2 * (Ellipses(*5 * (nothing,)),))
        new = self.groupdq[group] & ~self.groupdq[group - 1] & _SATURATED
        regions = connected_regions(new, minimum_area=self.settings.min_sat_area)
        sudden = self._sudden(group, regions)
        ellipses = regions.ellipses()
        return _Saturation(ellipses.chosen(sudden), ellipses.chosen(~sudden))

    def _sudden(self, group: int, regions: Regions) -> np.ndarray:
        """Tell which newly saturated regions hold more charge than the sources there deliver.

        Sources are all saturated pixels that hang together with the region, since a star's charge spills over.
        """
        if self.rates is None or not regions.number:
            return np.ones(regions.number, bool)
        flags = self.groupdq[group]
        y, x, label = regions.pixels()
        arrived = np.bincount(label, weights=self._arrived(group, y, x))
        saturated = connected_regions(flags & _SATURATED)
        source_y, source_x, source = saturated.pixels()
        rates = np.where(flags[source_y, source_x] & DO_NOT_USE, 0, self.rates[source_y, source_x])
        delivered = np.bincount(source, weights=rates)
        first = np.unique(label, return_index=True)[1]
        below = saturated.at(y[first], x[first], width=self.shape[1])
        return arrived > self.settings.core_charge_ratio * delivered[below]

    def _arrived(self, group: int, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Charge per group, DN, that pixels have gained since their last usable group, or else since the reset."""
        samples = self.data[: group + 1, y, x]
        usable = (self.groupdq[:group, y, x] & _UNUSABLE == 0) & np.isfinite(samples[:-1])
        latest = group - 1 - usable[::-1].argmax(axis=0)
        known = usable.any(axis=0)
        before = np.where(known, samples[latest, np.arange(y.size)], 0)
        elapsed = np.where(known, group - latest, group + self.settings.first_group)
        return np.nan_to_num(np.maximum((samples[-1] - before) / elapsed, 0))


def _rates(data: np.ndarray, groupdq: np.ndarray, first_group: float) -> np.ndarray:
    """Charge per group, DN, that the light delivers in every pixel that is ever saturated; zero elsewhere.

    It is the median difference of usable groups, all integrations together. Where there is none it follows from the
    first group, as far as the pixels around it can belong to so bright a star: the first group may have been hit, too.
    """
    saturated = np.bitwise_or.reduce(groupdq, axis=(0, 1)) & _SATURATED != 0
    median, first = np.zeros(saturated.shape, np.float32), np.zeros(saturated.shape, np.float32)
    y, x = np.nonzero(_grown(saturated))
    step = max(_BLOCK // (data.shape[0] * data.shape[1]), 1)
    for start in range(0, y.size, step):
        block = y[start : start + step], x[start : start + step]
        samples = data[:, :, *block]
        median[block] = _light(samples, groupdq[:, :, *block])
        first[block] = np.fmin.reduce(samples[:, 0], axis=0) / first_group
    unknown = np.isnan(median)
    rates = np.where(unknown, _believable(first, unknown, around=median), median)
    return np.where(saturated, np.nan_to_num(np.maximum(rates, 0)), np.float32(0))


def _light(samples: np.ndarray, flags: np.ndarray) -> np.ndarray:
    """Median difference of usable groups of ramps (nints, ngroups, n); NaN where there is none."""
    lost = flags & _UNUSABLE != 0
    lost = lost[:, :-1] | lost[:, 1:] | (flags[:, 1:] & _JUMP != 0)
    differences = np.where(lost, np.nan, np.diff(samples, axis=1))
    return _median(np.concatenate(differences))


def _believable(rates: np.ndarray, unknown: np.ndarray, *, around: np.ndarray) -> np.ndarray:
    """Limit the rates of regions whose pixels have no known rate by the known rates ``around`` them."""
    limited = rates.copy()
    regions = connected_regions(unknown)
    y, x, label = regions.pixels()
    padded = np.pad(np.where(unknown, -np.inf, around), 1, constant_values=-np.inf)
    brightest = np.full(regions.number, -np.inf)
    for dy, dx in np.ndindex(3, 3):
        np.maximum.at(brightest, label, padded[y + dy, x + dx])
    limit = np.where(np.isfinite(brightest), _STEEPEST * np.maximum(brightest, 0), np.inf)
    limited[y, x] = np.minimum(limited[y, x], limit[label])
    return limited


def _grown(mask: np.ndarray) -> np.ndarray:
    """Add the eight neighbours of every pixel of a mask."""
    rows = mask.copy()
    rows[1:] |= mask[:-1]
    rows[:-1] |= mask[1:]
    grown = rows.copy()
    grown[:, 1:] |= rows[:, :-1]
    grown[:, :-1] |= rows[:, 1:]
    return grown


def _median(samples: np.ndarray) -> np.ndarray:
    """Median of the finite samples along the first axis; NaN where there is none."""
    ordered = np.sort(samples, axis=0)  # NaN last
    number = np.count_nonzero(np.isfinite(samples), axis=0)
    middle = np.stack([np.maximum(number - 1, 0) // 2, number // 2])
    pair = np.take_along_axis(ordered, np.minimum(middle, len(ordered) - 1), axis=0)
    return np.where(number > 0, pair.mean(axis=0), np.nan)
