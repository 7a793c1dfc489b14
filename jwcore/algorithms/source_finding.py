"""Detection of sources in an image: stars by matched filter (DAOFIND, IRAF starfind) or any source by segmentation.

All measurements are those of photutils. Two searches over the whole frame are done here because they dominate its run
time: local maxima are looked for only among the pixels above threshold, and only those segments are handed over for
deblending that can be blends at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jwcore.algorithms._numba import parallel_kernel, prange
from jwcore.algorithms.background2d import Background, background_map
from jwcore.algorithms.segments import possible_blends, smooth

__all__ = ["FinderSettings", "Found", "find_sources", "local_maxima"]


@dataclass(frozen=True, kw_only=True)
class FinderSettings:
    """Settings of the three finders.

    Attributes
    ----------
    starfinder : {"dao", "iraf", "segmentation"}
        The finder.
    snr_threshold : float
        Detection threshold above the background, in units of the background noise.
    bkg_boxsize : int
        Side of the boxes in which the background is measured, in pixels.
    kernel_fwhm : float
        FWHM of the Gaussian kernel, in pixels.
    minsep_fwhm : float
        Smallest separation of two stars, in units of ``kernel_fwhm``; never below 2 pixels.
    sigma_radius : float
        Radius at which the kernel of dao and iraf is cut off, in units of its sigma.
    sharplo, sharphi, roundlo, roundhi : float
        Limits of sharpness and roundness of a star. The roundness of dao has a sign, that of iraf has not.
    brightest : int or None
        Keep only so many stars.
    peakmax : float or None
        Drop stars with a brighter pixel.
    npixels : int
        Smallest number of connected pixels of a segment.
    connectivity : {4, 8}
        Which pixels count as connected.
    nlevels, contrast, multithresh_mode
        Deblending: number of levels, smallest fraction of the flux of a blend that makes a source, spacing of levels.
    localbkg_width : int
        Width of the annulus of the local background of segments, in pixels; 0 for none.
    apermask_method : {"correct", "mask", "none"}
        What to do with neighbours when the flux of a segment is measured in an aperture.
    kron_params : tuple of float
        Scale, smallest Kron radius and smallest circular radius.
    deblend : bool
        Whether segments are deblended.
    """

    starfinder: str = "iraf"
    snr_threshold: float = 10.0
    bkg_boxsize: int = 400
    kernel_fwhm: float = 2.5
    minsep_fwhm: float = 0.0
    sigma_radius: float = 1.5
    sharplo: float = 0.5
    sharphi: float = 2.0
    roundlo: float = 0.0
    roundhi: float = 0.2
    brightest: int | None = 200
    peakmax: float | None = None
    npixels: int = 10
    connectivity: int = 8
    nlevels: int = 32
    contrast: float = 0.001
    multithresh_mode: str = "exponential"
    localbkg_width: int = 0
    apermask_method: str = "correct"
    kron_params: tuple[float, ...] = (2.5, 1.4, 0.0)
    deblend: bool = True


@dataclass(frozen=True)
class Found:
    """Sources found in an image.

    Attributes
    ----------
    label : ndarray of int32, shape (n,)
        Number of each source; its label in ``segments`` for segmentation.
    x, y : ndarray of float64, shape (n,)
        Centroids in 0-based pixels.
    flux : ndarray of float64, shape (n,)
        Instrumental flux in the unit of the image.
    background : Background
        The background that was subtracted.
    segments : photutils.segmentation.SegmentationImage or None
        The segments.
    shapes : photutils.segmentation.SourceCatalog or None
        Measurements of the segments on the background-subtracted image.
    """

    label: NDArray[np.int32]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    flux: NDArray[np.float64]
    background: Background
    segments: Any = None
    shapes: Any = None

    def __len__(self) -> int:
        return len(self.label)


def find_sources(
    image: NDArray[np.float32],
    mask: NDArray[np.bool_],
    *,
    settings: FinderSettings,
    error: NDArray[np.float32] | None = None,
) -> Found:
    """Subtract the background and find the sources of an image.

    Parameters
    ----------
    image : ndarray of float32, shape (ny, nx)
        The image.
    mask : ndarray of bool, shape (ny, nx)
        Pixels that cannot belong to a source.
    settings : FinderSettings
        Finder, threshold and limits.
    error : ndarray of float32, shape (ny, nx), optional
        Error (1 sigma) of each pixel, for the errors of the segments' fluxes.

    Returns
    -------
    Found
        The sources, possibly none: stars by decreasing flux, segments by label.

    Raises
    ------
    ValueError
        When no pixel is usable.
    """
    background = background_map(image, mask, box_size=settings.bkg_boxsize)
    signal = image - background.level
    if settings.starfinder == "segmentation":
        return _find_segments(signal, mask, background, settings, error)
    return _find_stars(signal, mask, background, settings)


def _find_stars(
    signal: NDArray[np.float32], mask: NDArray[np.bool_], background: Background, settings: FinderSettings
) -> Found:
    """Find stars with DAOFIND or IRAF starfind.

    photutils is given the positions of the local maxima of the filtered frame, and is left with the centroids, the
    sharpness and roundness tests and the choice of the brightest.
    """
    import warnings

    from photutils.detection import DAOStarFinder, IRAFStarFinder
    from photutils.utils.exceptions import NoDetectionsWarning
    from scipy.ndimage import convolve

    finder = {"dao": DAOStarFinder, "iraf": IRAFStarFinder}[settings.starfinder](
        threshold=settings.snr_threshold * background.noise,
        fwhm=settings.kernel_fwhm,
        sigma_radius=settings.sigma_radius,
        min_separation=max(2, int(settings.minsep_fwhm * settings.kernel_fwhm + 0.5)),
        sharpness_range=(settings.sharplo, settings.sharphi),
        roundness_range=(settings.roundlo, settings.roundhi),
        n_brightest=settings.brightest,
        peak_max=settings.peakmax,
    )
    filtered = convolve(signal, finder.kernel.data, mode="constant", cval=0.0)
    threshold = getattr(finder, "threshold_eff", finder.threshold)  # DAOFIND scales it by the noise of its kernel
    finder.xycoords = local_maxima(filtered, mask, threshold=threshold, radius=finder.min_separation)
    if not len(finder.xycoords):
        return _nothing(background)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoDetectionsWarning)
        stars = finder(signal)
    if stars is None:
        return _nothing(background)
    return Found(
        label=np.asarray(stars["id"], dtype=np.int32),
        x=np.asarray(stars["x_centroid"], dtype=np.float64),
        y=np.asarray(stars["y_centroid"], dtype=np.float64),
        flux=np.asarray(stars["flux"], dtype=np.float64),
        background=background,
    )


def _find_segments(
    signal: NDArray[np.float32],
    mask: NDArray[np.bool_],
    background: Background,
    settings: FinderSettings,
    error: NDArray[np.float32] | None,
) -> Found:
    """Find sources as connected pixels above threshold of the smoothed frame."""
    import warnings

    from photutils.segmentation import SourceCatalog, deblend_sources, detect_sources
    from photutils.utils.exceptions import NoDetectionsWarning

    smoothed = smooth(signal, mask, fwhm=settings.kernel_fwhm)
    threshold = settings.snr_threshold * background.noise_map()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoDetectionsWarning)
        segments = detect_sources(smoothed, threshold, settings.npixels, mask=mask, connectivity=settings.connectivity)
    if segments is None:
        return _nothing(background)
    blends = possible_blends(smoothed, segments.data, min_pixels=settings.npixels, connectivity=settings.connectivity)
    if settings.deblend and len(blends):
        segments = deblend_sources(
            smoothed,
            segments,
            settings.npixels,
            labels=blends,
            connectivity=settings.connectivity,
            n_levels=settings.nlevels,
            contrast=settings.contrast,
            mode=settings.multithresh_mode,
            progress_bar=False,
        )
    shapes = SourceCatalog(
        signal,
        segments,
        convolved_data=smoothed,
        error=error,
        mask=mask,
        local_bkg_width=settings.localbkg_width,
        aperture_mask_method=settings.apermask_method,
        kron_params=settings.kron_params,
        progress_bar=False,
    )
    return Found(
        label=np.asarray(shapes.labels, dtype=np.int32),
        x=np.asarray(shapes.x_centroid, dtype=np.float64),
        y=np.asarray(shapes.y_centroid, dtype=np.float64),
        flux=np.asarray(shapes.segment_flux, dtype=np.float64),
        background=background,
        segments=segments,
        shapes=shapes,
    )


def _nothing(background: Background) -> Found:
    """No source at all."""
    empty = np.empty(0)
    return Found(np.empty(0, dtype=np.int32), empty, empty, empty, background)


def local_maxima(
    image: NDArray[np.float32], mask: NDArray[np.bool_], *, threshold: float, radius: float
) -> NDArray[np.int64]:
    """Find the pixels above threshold that no pixel within a circle exceeds.

    Equal to `photutils.detection.find_peaks` with ``min_separation=radius``.

    Parameters
    ----------
    image : ndarray of float32, shape (ny, nx)
        Filtered image; NaN pixels are no maxima and exceed nothing. Pixels beyond the edge count as 0.
    mask : ndarray of bool, shape (ny, nx)
        Pixels that are no maxima, though they may exceed others.
    threshold : float
        A maximum is brighter than this; must not be negative.
    radius : float
        Radius of the circle in pixels.

    Returns
    -------
    ndarray of int64, shape (n, 2)
        Pixel numbers (x, y), row by row.
    """
    reach = int(radius)
    offset = np.arange(-reach, reach + 1)
    dy, dx = np.meshgrid(offset, offset, indexing="ij")
    inside = (dy**2 + dx**2 <= radius**2) & ((dy != 0) | (dx != 0))
    found = np.zeros(image.shape, dtype=np.bool_)
    _mark_maxima(image, mask, np.float32(threshold), dy[inside], dx[inside], found)
    return np.argwhere(found)[:, ::-1]


@parallel_kernel
def _mark_maxima(image, mask, threshold, dy, dx, found):  # pragma: no cover - compiled
    ny, nx = image.shape
    for y in prange(ny):
        for x in range(nx):
            value = image[y, x]
            if not value > threshold or mask[y, x]:
                continue
            highest = True
            for k in range(dy.size):
                j = y + dy[k]
                i = x + dx[k]
                if 0 <= j < ny and 0 <= i < nx and image[j, i] > value:
                    highest = False
                    break
            found[y, x] = highest
