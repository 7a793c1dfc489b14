"""Connected regions of flagged pixels, and the ellipses that stand for them.

A region is kept as runs: stretches of neighbouring pixels in a row. Area, centroid and second moments follow from the
ends of the runs, so that no image of labels is needed.

References
----------
L. He et al., "The connected-component labeling problem: a review of state-of-the-art algorithms", Pattern Recognition
70, 25 (2017), for labelling by runs and union-find.
M. R. Teague, "Image analysis via the general theory of moments", JOSA 70, 920 (1980), for the ellipse of equal moments.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from jwcore.algorithms._numba import inner_kernel, kernel

__all__ = ["Ellipses", "Regions", "connected_regions"]

_INSIDE = 1 - 1e-9
"""Bound of the drawn pixels, so that those at a distance of exactly one half axis do not depend on rounding."""
_SMALLEST_RING = 8
"""Pixels of the smallest region that encloses a hole."""


@dataclass(frozen=True)
class Ellipses:
    """Ellipses on the pixel grid, one per element of each array (float64).

    Attributes
    ----------
    y, x : ndarray
        Centres, zero-based pixel.
    major, minor : ndarray
        Lengths of the axes, from centre to centre of the outermost pixels, pixel.
    angle : ndarray
        Direction of the major axis, radian from the x axis towards the y axis.
    """

    y: np.ndarray
    x: np.ndarray
    major: np.ndarray
    minor: np.ndarray
    angle: np.ndarray

    def __len__(self) -> int:
        """Return the number of ellipses."""
        return len(self.y)

    def chosen(self, keep: np.ndarray) -> Ellipses:
        """Return those that a boolean array selects."""
        return Ellipses(*(getattr(self, field.name)[keep] for field in fields(self)))

    def joined(self, other: Ellipses) -> Ellipses:
        """Return these and others."""
        return Ellipses(*(np.concatenate([getattr(part, f.name) for part in (self, other)]) for f in fields(self)))

    def grown(self, *, by: float, longest: float) -> Ellipses:
        """Return ellipses whose axes are longer by a number of pixels, up to a greatest length."""
        return self._with_axes(self.major + by, self.minor + by, longest)

    def expanded(self, *, factor: float, longest: float) -> Ellipses:
        """Return ellipses with the minor axis multiplied and the same length added to both axes, up to a greatest length."""
        added = (factor - 1) * self.minor
        return self._with_axes(self.major + added, self.minor + added, longest)

    def _with_axes(self, major: np.ndarray, minor: np.ndarray, longest: float) -> Ellipses:
        return Ellipses(self.y, self.x, np.minimum(major, longest), np.minimum(minor, longest), self.angle)

    def contain_any(self, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Tell which ellipses have at least one of the given points inside; bool, one per ellipse."""
        inside = np.zeros(len(self), bool)
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        for one_y, one_x in zip(y, x, strict=True):
            dy, dx = one_y - self.y, one_x - self.x
            along, across = dx * cosine + dy * sine, dy * cosine - dx * sine
            # a line of pixels has a minor axis of zero, but is one pixel wide
            inside |= (along / np.maximum(self.major, 1)) ** 2 + (across / np.maximum(self.minor, 1)) ** 2 <= 0.25
        return inside

    def drawn(self, shape: tuple[int, int]) -> np.ndarray:
        """Return an image, True inside any of the ellipses; centres and half axes are rounded to whole pixels."""
        canvas = np.zeros(shape, np.bool_)
        table = np.stack(
            [np.rint(self.y), np.rint(self.x), np.rint(self.major / 2), np.rint(self.minor / 2), self.angle]
        )
        _draw(canvas, np.ascontiguousarray(table.T, np.float64))
        return canvas


@dataclass(frozen=True)
class Regions:
    """Connected regions of an image, as runs of pixels.

    Attributes
    ----------
    runs : ndarray of int64, shape (n, 3)
        Row, first and last column of each run, in order of rows and columns.
    labels : ndarray of int64, shape (n,)
        Region of each run, 0..number-1.
    number : int
        Number of regions.
    """

    runs: np.ndarray
    labels: np.ndarray
    number: int

    @property
    def area(self) -> np.ndarray:
        """Number of pixels of each region, int64."""
        return self._sum(self.runs[:, 2] - self.runs[:, 1] + 1).astype(np.int64)

    def chosen(self, keep: np.ndarray) -> Regions:
        """Return the regions that a boolean array selects."""
        stay = keep[self.labels]
        renumbered = np.cumsum(keep) - 1
        return Regions(self.runs[stay], renumbered[self.labels[stay]], int(np.count_nonzero(keep)))

    def pixels(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return row, column and region of every pixel."""
        lengths = self.runs[:, 2] - self.runs[:, 1] + 1
        starts = np.cumsum(lengths) - lengths
        columns = np.arange(lengths.sum()) - np.repeat(starts - self.runs[:, 1], lengths)
        return np.repeat(self.runs[:, 0], lengths), columns, np.repeat(self.labels, lengths)

    def at(self, y: np.ndarray, x: np.ndarray, *, width: int) -> np.ndarray:
        """Return the regions of pixels that belong to one; ``width`` is that of the image."""
        starts = self.runs[:, 0] * width + self.runs[:, 1]
        return self.labels[np.searchsorted(starts, y * width + x, side="right") - 1]

    def ellipses(self) -> Ellipses:
        """Return the ellipses with the centroids and second moments of the regions.

        An axis is four times the square root of an eigenvalue of the covariance of the pixels' positions, less one
        pixel, and at least zero.
        """
        rows, first, last = self.runs.T.astype(float)
        number = last - first + 1
        area = self._sum(number)
        column_sum = number * (first + last) / 2
        y, x = self._sum(number * rows) / area, self._sum(column_sum) / area
        squares = (last * (last + 1) * (2 * last + 1) - (first - 1) * first * (2 * first - 1)) / 6
        yy = self._sum(number * rows**2) / area - y**2
        xx = self._sum(squares) / area - x**2
        xy = self._sum(rows * column_sum) / area - y * x
        mean, difference = (yy + xx) / 2, np.hypot((yy - xx) / 2, xy)
        major, minor = (4 * np.sqrt(np.maximum(mean + sign * difference, 0)) - 1 for sign in (1, -1))
        return Ellipses(y, x, np.maximum(major, 0), np.maximum(minor, 0), 0.5 * np.arctan2(2 * xy, xx - yy))

    def _sum(self, values: np.ndarray) -> np.ndarray:
        """Sum a quantity of the runs over each region."""
        return np.bincount(self.labels, weights=values, minlength=self.number)


def connected_regions(mask: np.ndarray, *, minimum_area: float = 1) -> Regions:
    """
    Find the regions of pixels that touch by a side or a corner.

    Parameters
    ----------
    mask : ndarray of uint8 or bool, shape (ny, nx), C-contiguous
        Not zero inside regions.
    minimum_area : float, optional
        Smallest area, enclosed holes included, pixel.

    Returns
    -------
    Regions
        In order of their first pixel.
    """
    runs, labels, number = _labelled_runs(mask.view(np.uint8))
    regions = Regions(runs, labels, number)
    if minimum_area <= 1:
        return regions
    large = regions.area >= minimum_area
    for label in np.flatnonzero(~large & (regions.area >= min(_SMALLEST_RING, minimum_area))):
        own = runs[labels == label]
        (bottom, left), (top, right) = own[:, :2].min(axis=0), (own[:, 0].max(), own[:, 2].max())
        if (top - bottom + 1) * (right - left + 1) >= minimum_area:
            large[label] = _filled_area(own - (bottom, left, left)) >= minimum_area
    return regions.chosen(large)


def _filled_area(runs: np.ndarray) -> int:
    """Area of one region with its holes, which are what cannot be reached from outside by sides and corners."""
    from scipy.ndimage import binary_fill_holes

    image = np.zeros((runs[:, 0].max() + 1, runs[:, 2].max() + 1), bool)
    for row, first, last in runs:
        image[row, first : last + 1] = True
    return int(np.count_nonzero(binary_fill_holes(image, np.ones((3, 3)))))


@inner_kernel
def _root(parents, run):
    """Find the first run of a tree, and shorten the way to it."""
    while parents[run] != run:
        parents[run] = parents[parents[run]]
        run = parents[run]
    return run


@inner_kernel
def _count_runs(mask):
    """Count the runs of an image."""
    count = 0
    for row in range(mask.shape[0]):
        count += mask[row, 0] != 0
        for column in range(1, mask.shape[1]):
            count += (mask[row, column] != 0) & (mask[row, column - 1] == 0)
    return count


@inner_kernel
def _list_runs(mask, runs):
    """List the runs of an image."""
    count = 0
    for row in range(mask.shape[0]):
        inside = False
        for column in range(mask.shape[1]):
            if mask[row, column]:
                if not inside:
                    runs[count, 0], runs[count, 1] = row, column
                    count += 1
                runs[count - 1, 2] = column
            inside = mask[row, column] != 0


@kernel
def _labelled_runs(mask):
    """List the runs of an image and label them by connected region."""
    runs = np.empty((_count_runs(mask), 3), np.int64)
    _list_runs(mask, runs)
    parents = np.arange(runs.shape[0])
    above = 0  # first run that can still touch the present one
    for run in range(runs.shape[0]):
        row, first, last = runs[run]
        while runs[above, 0] < row - 1 or (runs[above, 0] == row - 1 and runs[above, 2] < first - 1):
            above += 1
        other = above
        while runs[other, 0] == row - 1 and runs[other, 1] <= last + 1:
            one, two = _root(parents, run), _root(parents, other)
            parents[max(one, two)] = min(one, two)
            other += 1
    labels = np.empty_like(parents)
    number = 0
    for run in range(parents.size):
        if parents[run] == run:
            labels[run] = number
            number += 1
        else:
            labels[run] = labels[_root(parents, run)]
    return runs, labels, number


@kernel
def _draw(canvas, table):
    """Fill ellipses given by rows of centre (y, x), half axes and angle."""
    ny, nx = canvas.shape
    for index in range(table.shape[0]):
        y0, x0, a, b = int(table[index, 0]), int(table[index, 1]), int(table[index, 2]), int(table[index, 3])
        if a < 1 or b < 1:
            continue
        cosine, sine = np.cos(table[index, 4]), np.sin(table[index, 4])
        for y in range(max(y0 - a, 0), min(y0 + a + 1, ny)):
            for x in range(max(x0 - a, 0), min(x0 + a + 1, nx)):
                along = (x - x0) * cosine + (y - y0) * sine
                across = (y - y0) * cosine - (x - x0) * sine
                if (along / a) ** 2 + (across / b) ** 2 < _INSIDE:
                    canvas[y, x] = True
