"""Alignment of images on the sky by their sources: which images are fitted to what, and what of it stays.

Matching, the clipped linear fit and the correction of the gWCS are those of tweakwcs. The WCSes that come in are never
changed; the outcome is in `AlignImage.wcs`.

Images that share a pointing (all detectors of one exposure) form a group and get one common correction: a point X in
the tangent plane (arcsec) becomes A X + shift, where A is the identity, a rotation, a rotation with a scale, or any
matrix.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jwcore.algorithms.fit_quality import CLOSE, Residuals, doubts, largest_rms, rival_offset
from jwcore.algorithms.tangent_fit import AlignSettings, Fit, fit_positions, match_sources

__all__ = [
    "AlignImage",
    "AlignSettings",
    "AlignmentError",
    "Fit",
    "Positions",
    "align_relative",
    "align_to_catalog",
    "corner_shift",
    "reasons",
]

Group = Sequence["AlignImage"]
UNDONE = {
    "reference": "undone: it was the reference of an alignment that failed",
    "aligned": "undone: it was aligned, but the alignment as a whole failed",
}
"""What becomes of the status of images when an alignment fails."""
NAMED = 3
"""Groups that a message names; it counts the others."""


class AlignmentError(ValueError):
    """The images cannot be aligned; none was changed."""


@dataclass(frozen=True)
class Positions:
    """Sources on the sky: RA, Dec in degrees and optional weights, each of shape (n,)."""

    ra: NDArray[np.float64]
    dec: NDArray[np.float64]
    weight: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.ra)

    def take(self, index: NDArray[Any]) -> Positions:
        """Select sources by number or by mask."""
        return Positions(self.ra[index], self.dec[index], None if self.weight is None else self.weight[index])

    @staticmethod
    def joined(parts: Sequence[Positions]) -> Positions:
        """Join catalogues; sources without a weight count 1 where others have one."""
        weight = None
        if any(part.weight is not None for part in parts):
            weight = np.concatenate([np.ones(len(p)) if p.weight is None else p.weight for p in parts])
        return Positions(np.concatenate([p.ra for p in parts]), np.concatenate([p.dec for p in parts]), weight)


@dataclass(eq=False)
class AlignImage:
    """One image with its sources.

    Parameters
    ----------
    wcs : gwcs.WCS
        With the frames ``v2v3`` (or ``v2v3vacorr``) and the sky; stays as it is.
    v2_ref, v3_ref, roll_ref : float
        Reference point (arcsec) and roll (degrees): they define the tangent plane.
    x, y : ndarray of float64, shape (n,)
        Sources in 0-based pixels.
    weight : ndarray of float64, shape (n,), optional
        Weights of the sources in the fit.
    name, group : str
        Of the image, and of the group that moves with it, for messages.

    Attributes
    ----------
    status : {"unaligned", "reference", "aligned"} or str
        What happened; other texts are reasons why it was not aligned. Those of images that moved with others all the same
        begin with "carried: ", those of images whose alignment was taken back with "undone: ".
    objections : list of str
        What speaks against fits that were applied because the settings accept such ones.
    fit : Fit or None
        The last fit of its group, refused ones included.
    matched : int
        Sources of this image that found a counterpart in the last attempt, whether they were enough or not.
    residuals : Residuals or None
        What that fit left of this image.
    corrected : bool
        Whether ``wcs`` is a new one.
    """

    wcs: Any
    v2_ref: float
    v3_ref: float
    roll_ref: float
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    weight: NDArray[np.float64] | None = None
    name: str = ""
    group: str = ""
    status: str = "unaligned"
    objections: list[str] = field(default_factory=list)
    fit: Fit | None = None
    matched: int = 0
    residuals: Residuals | None = None
    corrected: bool = False
    _corrector: Any = field(default=None, repr=False)

    @property
    def corrector(self) -> Any:
        """The `tweakwcs.JWSTWCSCorrector` of the present WCS."""
        if self._corrector is None:
            self._corrector = self.corrector_of(self.wcs)
        return self._corrector

    def corrector_of(self, wcs: Any) -> Any:
        """Return the `tweakwcs.JWSTWCSCorrector` of a WCS with the pointing of this image."""
        from tweakwcs import JWSTWCSCorrector

        return JWSTWCSCorrector(wcs, {name: float(getattr(self, name)) for name in ("v2_ref", "v3_ref", "roll_ref")})

    def positions(self) -> Positions:
        """Return the sources on the sky, by the present WCS."""
        ra, dec = self.wcs(self.x, self.y, with_bounding_box=False)
        return Positions(np.asarray(ra, dtype=np.float64), np.asarray(dec, dtype=np.float64), self.weight)

    def keep(self, chosen: NDArray[np.bool_]) -> None:
        """Drop all other sources."""
        self.x, self.y = self.x[chosen], self.y[chosen]
        self.weight = None if self.weight is None else self.weight[chosen]

    def corners(self) -> NDArray[np.float64]:
        """Return the corners of the bounding box on the sky, RA and Dec in degrees, shape (4, 2)."""
        from jwcore.algorithms.footprint import footprint

        return footprint(self.wcs)

    def correct(self, fit: Fit, plane: Any) -> None:
        """Put a correction, given in the tangent plane of some corrector, into the WCS."""
        own = plane is self.corrector
        self.corrector.set_correction(fit.matrix, fit.shift, ref_tpwcs=None if own else plane)
        self.wcs, self.corrected = self.corrector.wcs, True


def align_relative(
    groups: Sequence[Group], settings: AlignSettings, *, expand: bool = False, keep_order: bool = False
) -> None:
    """Align groups of images to the first one; those whose fit is not to be believed stay where they are.

    The sources of the first group are the reference. With ``expand`` the sources of every aligned group that have no
    counterpart are added to it, and, unless ``keep_order``, the groups are taken by their overlap: first the pair that
    overlaps most, then whichever overlaps most with what is there.

    Parameters
    ----------
    groups : sequence of sequences of AlignImage
        At least two with sources. Each image's ``status``, ``fit`` and, when it was aligned, ``wcs`` are set.
    settings : AlignSettings
        Matching and fit.
    expand : bool
        Let the reference grow.
    keep_order : bool
        Take the groups in the given order.

    Raises
    ------
    AlignmentError
        When there are fewer than two groups with sources, no group could be fitted, or so many fits are refused that
        the reference itself may be at fault. The WCSes are those of before.
    """
    for group in groups:
        if not _count(group):
            _mark(group, "no sources")
    usable = [group for group in groups if _count(group)]
    if len(usable) < 2:
        raise AlignmentError(f"{len(usable)} of {len(groups)} groups of exposures have sources; two are needed")
    order = _Order(usable, by_overlap=expand and not keep_order and len(usable) > 2)
    with _undone_on_error(usable):
        reference = _group_positions(order.first())
        _mark(order.done[0], "reference")
        for group in order.rest():
            unmatched = _fit_group(group, reference, settings)
            if expand and unmatched is not None:
                reference = Positions.joined([reference, unmatched])
        _require_fits(order.done[1:], reference=order.done[0])


def align_to_catalog(
    groups: Sequence[Group], catalog: Positions, settings: AlignSettings, *, whole: Group = ()
) -> None:
    """Align groups of images to a catalogue, each group as one.

    What cannot be fitted, or has no sources, moves with the others: the largest part of a pointing error is common to the
    exposures of a visit, and stars would be doubled if some of them stayed behind.

    Parameters
    ----------
    groups : sequence of sequences of AlignImage
        Those without a fit of their own take the correction of `whole`, else that of the nearest group with a fit.
    catalog : Positions
        The reference; sources far from the images are left out.
    settings : AlignSettings
        Matching and fit.
    whole : sequence of AlignImage
        Images that are aligned to one another already: one more group, without whose fit there is no alignment.

    Raises
    ------
    AlignmentError
        When the catalogue has too few sources near the images, or no group could be fitted, or not those that are aligned
        to one another. The WCSes are those of before.
    """
    everything = [*([whole] if whole else []), *groups]
    with _undone_on_error(everything):
        nearby = _nearby(catalog, [image for group in everything if _count(group) for image in group], settings)
        wcses = {id(group): group[0].wcs for group in everything}
        for group in everything:
            _fit_group(group, nearby, settings, outside=True)
        if whole and whole[0].status != "aligned":  # the others would be on the sky, these where they were
            raise AlignmentError(f"the {len(whole)} exposures that fit one another: {whole[0].status}")
        _require_fits(everything)
        leaders = [whole] if whole else [group for group in groups if group[0].status == "aligned"]
        for group in [group for group in groups if group[0].status != "aligned"]:
            leader = _nearest(group, leaders)
            _carry(group, leader[0].fit, leader[0].corrector_of(wcses[id(leader)]))


def reasons(groups: Sequence[Group]) -> str:
    """Tell what happened to some groups, by name."""
    more = f"; and {len(groups) - NAMED} more" if len(groups) > NAMED else ""
    return "; ".join(f"{_label(group)}: {group[0].status}" for group in groups[:NAMED]) + more


def corner_shift(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Largest distance on the sky (arcsec) between two sets of RA, Dec in degrees, shape (n, 2)."""
    d_dec = after[:, 1] - before[:, 1]
    d_ra = (after[:, 0] - before[:, 0] + 180.0) % 360.0 - 180.0
    return float(3600.0 * np.hypot(d_ra * np.cos(np.deg2rad(before[:, 1])), d_dec).max())


def _count(group: Group) -> int:
    return sum(len(image.x) for image in group)


def _label(group: Group) -> str:
    """Name a group for messages."""
    first = group[0]
    return f"{first.group or first.name} ({len(group)} images)" if len(group) > 1 else first.name


def _mark(group: Group, status: str, fit: Fit | None = None) -> None:
    for image in group:
        image.status, image.fit, image.residuals = status, fit, None


def _group_positions(group: Group) -> Positions:
    return Positions.joined([image.positions() for image in group])


def _fit_group(
    group: Group, reference: Positions, settings: AlignSettings, *, outside: bool = False
) -> Positions | None:
    """Fit one group to the reference and correct its images, unless the fit is not to be believed.

    Parameters
    ----------
    group : sequence of AlignImage
    reference : Positions
    settings : AlignSettings
    outside : bool
        Whether the reference is a catalogue from elsewhere.

    Returns
    -------
    Positions or None
        Its sources that have no counterpart, at their corrected places; None when nothing was corrected.
    """
    for image in group:
        image.matched = 0
    if not _count(group):
        _mark(group, "no sources")
        return None
    reference = reference.take(_near(reference, group, margin=settings.largest_shift))
    if not len(reference):
        _mark(group, "it overlaps with nothing that is aligned")
        return None
    plane = group[0].corrector
    sources = _group_positions(group)
    in_plane = np.transpose(plane.world_to_tanp(sources.ra, sources.dec))
    reference_in_plane = np.transpose(plane.world_to_tanp(reference.ra, reference.dec))
    pixel = _pixel(plane)
    paired, matched = match_sources(reference_in_plane, in_plane, pixel=pixel, settings=settings)
    for image, number in zip(group, np.bincount(_owners(group, matched), minlength=len(group)), strict=True):
        image.matched = int(number)
    if len(matched) < settings.fewest:
        together = f" of its {len(group)} images together" if len(group) > 1 else ""
        _mark(group, f"{len(matched)} matches, {settings.fewest} needed{together}")
        return None
    fit = fit_positions(
        reference_in_plane[paired],
        in_plane[matched],
        reference_weight=None if reference.weight is None else reference.weight[paired],
        weight=None if sources.weight is None else sources.weight[matched],
        pixel=pixel,
        settings=settings,
    )
    before = [_Before(image) for image in group]
    for image in reversed(group):  # the first one carries the tangent plane: it changes last
        image.correct(fit, plane)
    _mark(group, "aligned", fit)
    corrected = _group_positions(group)
    _measure(group, corrected.take(matched[fit.kept]), reference.take(paired[fit.kept]), of=matched[fit.kept])
    problems = doubts(fit, rms_limit=largest_rms(pixel=pixel, settings=settings, outside=outside))
    problems += _doubled(fit, reference_in_plane, in_plane, pixel=pixel, settings=settings)
    problems += _too_far(before, settings)
    if problems and not settings.accept_doubtful:
        _refuse(before, "; ".join(problems))
        return None
    for image in group:
        image.objections += problems
    return corrected.take(np.setdiff1d(np.arange(len(sources)), matched))


def _measure(group: Group, places: Positions, reference: Positions, *, of: NDArray[np.int64]) -> None:
    """Give every image the residuals of its own matches; ``of`` numbers them within the sources of the group."""
    owner = _owners(group, of)
    ours, theirs = (np.stack([part.ra, part.dec], axis=1) for part in (places, reference))
    for number, image in enumerate(group):
        image.residuals = Residuals.between(ours[owner == number], theirs[owner == number])


def _owners(group: Group, sources: NDArray[np.int64]) -> NDArray[np.int64]:
    """Tell to which image of a group sources belong, that are numbered within the group."""
    return np.searchsorted(np.cumsum([len(image.x) for image in group]), sources, side="right")


def _doubled(
    fit: Fit,
    reference: NDArray[np.float64],
    sources: NDArray[np.float64],
    *,
    pixel: float,
    settings: AlignSettings,
) -> list[str]:
    """Say whether more sources agree on another offset than on that of the fit: then stars would be doubled."""
    agreeing, rivals, offset = rival_offset(
        reference,
        sources @ fit.matrix.T + fit.shift,
        radius=max(CLOSE * fit.rmse, 0.5 * pixel),
        reach=settings.searchrad + settings.tolerance,
    )
    if rivals <= agreeing:
        return []
    return [f"{agreeing} sources meet a counterpart, but {rivals} others would after {offset:.2f} arcsec more"]


def _pixel(plane: Any) -> float:
    """Size of a pixel in arcsec, 1 where the distortion has no inverse."""
    try:
        return plane.tanp_center_pixel_scale
    except NotImplementedError:
        return 1.0


class _Before:
    """An image before its alignment."""

    def __init__(self, image: AlignImage):
        self.image = image
        self.wcs, self.corrected = image.wcs, image.corrected

    def restore(self) -> None:
        """Give the image its WCS back; what was fitted stays on record."""
        image = self.image
        image.wcs, image.corrected, image._corrector = self.wcs, self.corrected, None
        image.status = UNDONE.get(image.status, image.status)

    def moved(self) -> float:
        """Largest distance (arcsec) that a corner has moved since."""
        from jwcore.algorithms.footprint import footprint

        return corner_shift(footprint(self.wcs), self.image.corners())


def _too_far(before: Sequence[_Before], settings: AlignSettings) -> list[str]:
    """Say by how much the corners have moved, where that is further than the search reaches."""
    moved = np.max([one.moved() for one in before])
    if moved < settings.largest_shift:
        return []
    return [f"it moves the image by {moved:.2f} arcsec, the search explains {settings.largest_shift:.2f} at most"]


def _refuse(before: Sequence[_Before], problem: str) -> None:
    """Undo the correction of a group and say why."""
    for one in before:
        one.restore()
        one.image.status = f"refused: {problem}"


def _carry(group: Group, fit: Fit | None, plane: Any) -> None:
    """Move a group with others; their fit is given in the tangent plane of a corrector."""
    if fit is None:
        return
    for image in group:
        image.correct(fit, plane)
        image.status = f"carried: {image.status}"


@contextmanager
def _undone_on_error(groups: Sequence[Group]) -> Iterator[None]:
    """Give all images their WCSes back when an alignment fails."""
    before = [_Before(image) for group in groups for image in group]
    try:
        yield
    except AlignmentError:
        for image in before:
            image.restore()
        raise


def _require_fits(groups: Sequence[Group], *, reference: Group = ()) -> None:
    """Refuse an alignment without any fit, or whose fits are mostly refused: then the reference may be at fault."""
    aligned = sum(group[0].status == "aligned" for group in groups)
    refused = [group for group in groups if group[0].status.startswith("refused")]
    at_fault = bool(reference) and len(refused) > aligned
    if aligned and not at_fault:
        return
    text = f"{len(refused)} of {len(groups)} fits are not to be believed: {reasons(refused)}"
    if not aligned:
        text = f"no group of exposures could be aligned: {reasons(groups)}"
    if at_fault:
        text += f"; perhaps the reference, {_label(reference)}, is at fault: then leave it out"
    raise AlignmentError(text)


def _nearest(group: Group, others: Sequence[Group]) -> Group:
    """Choose, of several groups, the one whose centre is nearest to that of a group."""
    centre = _around(group).mean(axis=0)
    return max(others, key=lambda other: float(_around(other).mean(axis=0) @ centre))


def _nearby(catalog: Positions, images: Group, settings: AlignSettings) -> Positions:
    """Choose the sources of a catalogue that lie near images; refuse a catalogue that has too few there."""
    if not images:
        raise AlignmentError("no exposure has sources")
    nearby = catalog.take(_near(catalog, images, margin=settings.largest_shift))
    if len(nearby) >= settings.minobj:
        return nearby
    text = f"the catalogue has {len(nearby)} sources near the images; {settings.minobj} are needed"
    x, y, z = centre = _centre(images)
    text += f"; in all it has {len(catalog)}"
    text += f"; the images lie around RA {np.rad2deg(np.arctan2(y, x)) % 360:.5f}, Dec {np.rad2deg(np.arcsin(z)):.5f}"
    if len(catalog) and not len(nearby):
        cosines = _vectors(catalog.ra, catalog.dec) @ centre
        nearest = int(np.argmax(cosines))
        text += (
            f", the nearest source of the catalogue is at RA {catalog.ra[nearest]:.5f}, Dec {catalog.dec[nearest]:.5f},"
            f" {np.rad2deg(np.arccos(np.clip(cosines[nearest], -1.0, 1.0))):.4g} deg away"
        )
    raise AlignmentError(text)


def _centre(group: Group) -> NDArray[np.float64]:
    """Return the direction of the middle of all images of a group as a unit vector."""
    centre = _around(group).mean(axis=0)
    return centre / np.linalg.norm(centre)


def _around(group: Group) -> NDArray[np.float64]:
    """Return the corners of all images of a group as unit vectors, shape (n, 3)."""
    return _vectors(*np.concatenate([image.corners() for image in group]).T)


def _near(catalog: Positions, group: Group, *, margin: float) -> NDArray[np.bool_]:
    """Tell which sources lie within the circle around the corners of all images, with a margin in arcsec."""
    centre = _centre(group)
    radius = np.arccos(np.clip(_around(group) @ centre, -1.0, 1.0).min()) + np.deg2rad(margin / 3600.0)
    return _vectors(catalog.ra, catalog.dec) @ centre >= np.cos(radius)


def _vectors(ra: NDArray[np.float64], dec: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn sky positions in degrees into unit vectors, shape (n, 3)."""
    lon, lat = np.deg2rad(ra), np.deg2rad(dec)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)


class _Order:
    """The order in which groups are aligned: as given, or by overlap with those that are done."""

    def __init__(self, groups: Sequence[Group], *, by_overlap: bool):
        self.waiting = list(groups)
        self.done: list[Group] = []
        self.by_overlap = by_overlap
        self._outlines = {id(group): [image.corners() for image in group] for group in groups} if by_overlap else {}

    def first(self) -> Group:
        """Take the reference: of the pair that overlaps most, the one that overlaps more with all others."""
        chosen = 0
        if self.by_overlap:
            n = len(self.waiting)
            area = np.array([[self._overlap(i, j) if i != j else 0.0 for j in range(n)] for i in range(n)])
            pair = np.unravel_index(area.argmax(), area.shape)
            chosen = int(max(pair, key=lambda i: area[i].sum()))
        self.done.append(self.waiting.pop(chosen))
        return self.done[0]

    def rest(self) -> Iterator[Group]:
        """Take the other groups one by one; one that could not be aligned does not attract others."""
        while self.waiting:
            chosen = 0
            if self.by_overlap:
                anchors = [group for group in self.done if group[0].status in ("reference", "aligned")]
                areas = [sum(self._area(group, anchor) for anchor in anchors) for group in self.waiting]
                chosen = int(np.argmax(areas))
            self.done.append(self.waiting.pop(chosen))
            yield self.done[-1]

    def _overlap(self, i: int, j: int) -> float:
        return self._area(self.waiting[i], self.waiting[j])

    def _area(self, a: Group, b: Group) -> float:
        """Return the common area of two groups in steradians."""
        from jwcore.algorithms.footprint import sky_area, sky_intersection

        return sum(
            sky_area(sky_intersection(one, two)) for one in self._outlines[id(a)] for two in self._outlines[id(b)]
        )
