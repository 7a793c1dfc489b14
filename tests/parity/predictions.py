"""How declared deviations change the peer's arrays. Each function is named by an entry of ``deviations.toml``."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from scipy import ndimage

from jwcore import models
from jwcore.algorithms import dq, saturation
from jwcore.api import Context
from jwcore.builtin.detector1.refpix import RefPixParams, refpix
from jwcore.references import Reference, References, chain_from_options, parameters_of
from tests.parity.compare import read_arrays


@dataclass(frozen=True)
class Scene:
    """What predictions may look at.

    Attributes
    ----------
    uncal : pathlib.Path
        The raw exposure.
    peer : pathlib.Path
        Folder with the peer's product of every step.
    """

    uncal: Path
    peer: Path

    def reference(self, kind: str) -> Reference:
        """Return a reference, cut to the exposure."""
        meta = models.read_meta(self.uncal)
        outcomes = chain_from_options("crds").find([kind], parameters_of(meta))
        return References(outcomes, meta)[kind]

    @property
    def noise(self) -> float:
        """Typical noise of one read, DN."""
        array = self.reference("readnoise").array()
        assert array is not None
        return float(np.nanmedian(array)) / np.sqrt(2)

    def intervals(self, *, each: bool) -> np.ndarray:
        """Return the time (s) between the groups that a fit uses, of each integration or of all together."""
        flags = read_arrays(self.peer / "jump.fits")["GROUPDQ"]
        good = flags & (dq.DO_NOT_USE | dq.SATURATED) == 0
        used = good[:, 1:] & good[:, :-1] & (flags[:, 1:] & dq.JUMP_DET == 0)
        time = used.sum(axis=1) * models.read_meta(self.uncal).exposure.group_time
        return time if each else time.sum(axis=0)


Arrays = dict[str, np.ndarray]


def counted_frames(peer: Arrays, ours: Arrays, scene: Scene) -> Arrays:
    """Group flags of the peer, but with the frames that GROUPGAP drops counted in the test of partly saturated averages."""
    with_gap, without = _saturation_flags(scene)
    changed = with_gap ^ without
    return {"GROUPDQ": (peer["GROUPDQ"] & ~changed) | (with_gap & changed)}


def pixels_of_counted_frames(peer: Arrays, ours: Arrays, scene: Scene) -> Arrays:
    """Pixels in which a group is used by one pipeline alone because of `counted_frames`, with their neighbours."""
    with_gap, without = _saturation_flags(scene)
    pixels = ndimage.binary_dilation((with_gap != without).any(axis=(0, 1)), np.ones((3, 3)))
    if peer["SCI"].shape[-2:] != pixels.shape:
        pixels = _resampled(pixels, scene, peer["SCI"].shape)
    return {
        name: np.broadcast_to(pixels, array.shape) for name, array in peer.items() if array.shape[-2:] == pixels.shape
    }


def _resampled(pixels: np.ndarray, scene: Scene, shape: tuple[int, ...]) -> np.ndarray:
    """Return where marked pixels of an exposure land on its resampled image, two pixels around included."""
    before, after = (models.read(scene.peer / name).wcs for name in ("photom.fits", "resample2.fits"))
    y, x = np.nonzero(pixels)
    columns, rows = after.invert(*before(x, y, with_bounding_box=False), with_bounding_box=False)
    marked = np.zeros(shape, dtype=bool)
    marked[
        np.clip(np.rint(rows).astype(int), 0, shape[0] - 1), np.clip(np.rint(columns).astype(int), 0, shape[1] - 1)
    ] = True
    return ndimage.binary_dilation(marked, np.ones((5, 5)))


@cache
def _saturation_flags(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Return the group flags after saturation with and without the dropped frames counted."""
    given = read_arrays(scene.peer / "dq_init.fits")
    meta = models.read_meta(scene.uncal)
    reference, bias = scene.reference("saturation"), scene.reference("superbias").array()
    level, _ = saturation.thresholds(reference.array(), reference.dq())
    results = []
    for groupgap in (meta.exposure.groupgap, 0):
        flags = given["GROUPDQ"].copy()
        saturation.flag_saturated_groups(
            given["SCI"], flags, level=level, bias=bias, nframes=meta.exposure.nframes, groupgap=groupgap
        )
        results.append(flags)
    return results[0], results[1]


def dark_noise(peer: Arrays, ours: Arrays, scene: Scene) -> Arrays:
    """Variances of the peer with the photon noise of the average dark current added.

    A dark current in electron/s adds dark / (m t gain^2) to a ramp of m used intervals of the time t. Later products are
    scaled as their read noise is.
    """
    dark = scene.reference("dark").array("AVDRKCUR")
    if dark is None:
        return {}
    each = peer["SCI"].ndim == 3
    rate = read_arrays(scene.peer / ("ramp_fitints.fits" if each else "ramp_fit.fits"))
    with np.errstate(divide="ignore", invalid="ignore"):
        added = dark / (scene.reference("gain").array() ** 2 * scene.intervals(each=each))
        added = np.where(
            np.isfinite(added) & (peer["VAR_RNOISE"] > 0), added * peer["VAR_RNOISE"] / rate["VAR_RNOISE"], 0.0
        )
    poisson = peer["VAR_POISSON"] + added
    error = np.sqrt(np.square(peer["ERR"]) + added)
    return {"VAR_POISSON": poisson.astype("f4"), "ERR": error.astype("f4")}


def invalid_left_out(peer: Arrays, ours: Arrays, scene: Scene) -> Arrays:
    """Zero frames of the peer with the reference pixels that hold no value left out of the averages."""
    return {"ZEROFRAME": peer["ZEROFRAME"] + _left_out(scene)} if "ZEROFRAME" in peer else {}


def pixels_of_invalid_left_out(peer: Arrays, ours: Arrays, scene: Scene) -> Arrays:
    """Pixels whose zero frame `invalid_left_out` changes by more than a thousandth of the noise."""
    return {"ZEROFRAME": np.abs(_left_out(scene)) > 1e-3 * scene.noise} if "ZEROFRAME" in peer else {}


@cache
def _left_out(scene: Scene) -> np.ndarray:
    """Return what the correction by reference pixels adds to zero frames when zeros count as missing, not as measured."""
    results = []
    for zero in (0.0, np.finfo(np.float32).tiny):
        exposure = models.read(scene.peer / "superbias.fits")
        exposure.data = exposure.data[:, :1]
        missing = exposure.zeroframe == 0
        exposure.zeroframe[missing] = zero
        refpix(exposure, RefPixParams(), Context())
        results.append(np.where(missing, np.float32(0), exposure.zeroframe))
    return results[0] - results[1]
