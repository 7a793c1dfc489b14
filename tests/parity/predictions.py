"""How declared deviations change the peer's arrays. Each function is named by an entry of ``deviations.toml``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from scipy import ndimage

from jwcore import models
from jwcore.algorithms import dq, saturation
from jwcore.api import Context
from jwcore.builtin.detector1.jump import JumpParams, jump
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
    steps : mapping
        Steps of the raw exposure -> parameters.
    """

    uncal: Path
    peer: Path
    steps: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, compare=False)

    def reference(self, kind: str) -> Reference:
        """Return a reference, cut to the exposure."""
        meta = models.read_meta(self.uncal)
        outcomes = chain_from_options("crds").find([kind], parameters_of(meta))
        return References(outcomes, meta)[kind]

    @property
    def drops_frames(self) -> bool:
        """Whether the read pattern drops frames between groups."""
        return models.read_meta(self.uncal).exposure.groupgap > 0

    @property
    def noise(self) -> float:
        """Typical noise of one read, DN."""
        array = self.reference("readnoise").array()
        assert array is not None
        return float(np.nanmedian(array)) / np.sqrt(2)

    @property
    def fitted_flags(self) -> np.ndarray:
        """Group flags of the ramps that are fitted."""
        *_, last = (step for step in self.steps if step != "ramp_fit")
        return read_arrays(self.peer / f"{last}.fits")["GROUPDQ"]

    def intervals(self, *, each: bool) -> np.ndarray:
        """Return the time (s) between the groups that a fit uses, of each integration or of all together."""
        flags = self.fitted_flags
        good = flags & (dq.DO_NOT_USE | dq.SATURATED) == 0
        used = good[:, 1:] & good[:, :-1] & (flags[:, 1:] & dq.JUMP_DET == 0)
        time = used.sum(axis=1) * models.read_meta(self.uncal).exposure.group_time
        return time if each else time.sum(axis=0)


Arrays = dict[str, np.ndarray]


def counted_frames(peer: Arrays, ours: Arrays, scene: Scene) -> Arrays:
    """Group flags of the peer, but with the frames that GROUPGAP drops counted in the test of partly saturated averages."""
    if not scene.drops_frames:
        return {}
    with_gap, without = _saturation_flags(scene)
    changed = with_gap ^ without
    return {"GROUPDQ": (peer["GROUPDQ"] & ~changed) | (with_gap & changed)}


def pixels_of_counted_frames(peer: Arrays, ours: Arrays, scene: Scene) -> Arrays:
    """Pixels in which a group is used by one pipeline alone because of `counted_frames`, with their neighbours."""
    if not scene.drops_frames:
        return {}
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


def no_jump_search(scene: Scene) -> bool:
    """Whether the peer found too few groups to search for jumps."""
    product = scene.peer / "jump.fits"
    return product.is_file() and fits.getheader(product).get("PRIMECRS", 0) < 0


def folded_waves(scene: Scene) -> bool:
    """Whether interference is removed by folding the data with its periods."""
    return scene.steps.get("emicorr", {}).get("algorithm") == "sequential"


def real_snowballs(peer: Arrays, ours: Arrays, scene: Scene) -> Arrays:
    """Group flags of the peer where a snowball was put in; elsewhere those of a search that looks for single hits alone."""
    if not seeks_snowballs(scene):
        return {}
    return {"GROUPDQ": _flags_of_real_snowballs(scene)}


def pixels_of_false_snowballs(peer: Arrays, ours: Arrays, scene: Scene) -> Arrays:
    """Pixels that the peer flags for snowballs where there are none, in any integration: the mean rate is that of all."""
    if not seeks_snowballs(scene):
        return {}
    wrong = (_flags_of_real_snowballs(scene) != read_arrays(scene.peer / "jump.fits")["GROUPDQ"]).any(axis=(0, 1))
    return {
        name: np.broadcast_to(wrong, array.shape) for name, array in peer.items() if array.shape[-2:] == wrong.shape
    }


def seeks_snowballs(scene: Scene) -> bool:
    """Whether snowballs are looked for."""
    return scene.steps.get("jump", {}).get("expand_large_events", False)


@cache
def _flags_of_real_snowballs(scene: Scene) -> np.ndarray:
    """Return the group flags of `real_snowballs`."""
    found = read_arrays(scene.peer / "jump.fits")["GROUPDQ"]
    exposure = models.read(scene.peer / "dark_current.fits")
    jump(exposure, {kind: scene.reference(kind) for kind in ("gain", "readnoise")}, JumpParams(), Context())
    plain = exposure.groupdq
    kept = plain & dq.DO_NOT_USE  # the peer overwrites it in cores
    return np.where(_reach_of_snowballs(scene, found.shape), found | kept, plain)


def _reach_of_snowballs(scene: Scene, shape: tuple[int, ...]) -> np.ndarray:
    """Return what snowballs may touch: their halo within a group of the hit, their core to the end of the next integration."""
    header = fits.getheader(scene.uncal)
    y, x = np.ogrid[: shape[-2], : shape[-1]]
    reach = np.zeros(shape, bool)
    for event in fits.getdata(scene.uncal.with_name(scene.uncal.name.replace("_uncal", "_truth")), "EVENTS"):
        distance = np.hypot(y - event["y"], x - event["x"])
        first, group = event["integration"], event["frame"] // (header["NFRAMES"] + header["GROUPGAP"])
        reach[first, max(group - 1, 0) : group + 2] |= distance < 7 * event["radius"] + 8
        reach[first : first + 2] |= distance < 2 * event["radius"] + 8
    return reach


def ramps_with_jumps(peer: Arrays, ours: Arrays, scene: Scene) -> Arrays:
    """Pixels with a jump that was flagged before a fit by likelihood."""
    return _fitted_by_likelihood(peer, scene, (scene.fitted_flags & dq.JUMP_DET != 0).any(axis=1))


def short_ramps(peer: Arrays, ours: Arrays, scene: Scene) -> Arrays:
    """Pixels with ramps of one, two or three good groups that are fitted by likelihood."""
    good = (scene.fitted_flags & ~np.uint8(dq.JUMP_DET | dq.PERSISTENCE) == 0).sum(axis=1)
    return _fitted_by_likelihood(peer, scene, (good > 0) & (good < 4))


def _fitted_by_likelihood(peer: Arrays, scene: Scene, ramps: np.ndarray) -> Arrays:
    """Return the pixels of ramps (nints, ny, nx) for every array if the fit is that by likelihood."""
    if scene.steps.get("ramp_fit", {}).get("algorithm") != "LIKELY":
        return {}
    pixels = ramps.any(axis=0)
    return {
        name: np.broadcast_to(pixels, array.shape) for name, array in peer.items() if array.shape[-2:] == pixels.shape
    }


def sought_phases(scene: Scene) -> bool:
    """Whether the phase of interference is sought in all pixels at once."""
    return scene.steps.get("emicorr", {}).get("algorithm", "joint") == "joint" and "emicorr" in scene.steps


def nothing_to_correct(scene: Scene) -> bool:
    """Whether the peer's correction by reference pixels changed nothing."""
    before, after = scene.peer / "superbias.fits", scene.peer / "refpix.fits"
    if not before.is_file():
        return False
    arrays = [read_arrays(path)["SCI"] for path in (before, after)]
    return arrays[0].shape == arrays[1].shape and np.array_equal(*arrays)


def jump_skipped(scene: Scene) -> bool:
    """Whether there are too few groups for any step that compares them."""
    return models.read_meta(scene.uncal).exposure.ngroups <= 2


def undiluted(peer: Arrays, ours: Arrays, scene: Scene) -> Arrays:
    """Photon variances of the peer with integrations that have no usable group, or a single one, left out of the mean."""
    flags = scene.fitted_flags
    suppressed = (flags & ~np.uint8(dq.PERSISTENCE) == 0).sum(axis=1) == 1
    if not scene.steps.get("ramp_fit", {}).get("suppress_one_group", True):
        suppressed[:] = False
    usable = ((flags & (dq.DO_NOT_USE | dq.SATURATED) == 0).any(axis=1) & ~suppressed).sum(axis=0)
    factor = np.where(usable > 0, len(scene.fitted_flags) / np.maximum(usable, 1), 1.0)
    if np.all(factor == 1):
        return {}
    poisson = (peer["VAR_POISSON"] * factor).astype("f4")
    error = np.sqrt(np.square(peer["ERR"], dtype="f8") + poisson - peer["VAR_POISSON"])
    return {"VAR_POISSON": poisson, "ERR": error.astype("f4")}


def dark_noise(peer: Arrays, ours: Arrays, scene: Scene) -> Arrays:
    """Variances of the peer with the photon noise of the average dark current added.

    A dark current in electron/s adds dark / (m t gain^2) to a ramp of m used intervals of the time t. Later products are
    scaled as their read noise is.
    """
    dark = scene.reference("dark").array("AVDRKCUR") if "dark_current" in scene.steps else None
    if dark is None:
        return {}
    each = peer["SCI"].ndim == 3
    rate = read_arrays(scene.peer / ("ramp_fitints.fits" if each else "ramp_fit.fits"))
    with np.errstate(divide="ignore", invalid="ignore"):
        added = dark / (scene.reference("gain").array() ** 2 * scene.intervals(each=each))
        added = np.where(
            np.isfinite(added) & (peer["VAR_RNOISE"] > 0) & (peer["ERR"] > 0),
            added * peer["VAR_RNOISE"] / rate["VAR_RNOISE"],
            0.0,
        )
    poisson = peer["VAR_POISSON"] + added
    error = np.sqrt(np.square(peer["ERR"]) + added)
    return {"VAR_POISSON": poisson.astype("f4"), "ERR": error.astype("f4")}


def guiding_noise(peer: Arrays, ours: Arrays, scene: Scene) -> Arrays:
    """Errors of guiding data with the photon variance D / (g t^2) in place of D / (g t)."""
    seconds = models.read_meta(scene.uncal).exposure.group_time
    photons = np.maximum(peer["SCI"], 0) / scene.reference("gain").array()
    return {"ERR": np.sqrt(np.square(peer["ERR"]) + photons * (1 / seconds - 1)).astype("f4")}


def guiding_flat(peer: Arrays, ours: Arrays, scene: Scene) -> Arrays:
    """Errors of guiding data divided by the flat, with the error of the flat itself."""
    if not _guides(scene):
        return {}
    return _divided(peer, read_arrays(scene.peer / "guider_cds.fits")["ERR"], scene)


def guiding_noise_and_flat(peer: Arrays, ours: Arrays, scene: Scene) -> Arrays:
    """Errors of `guiding_noise`, divided by the flat."""
    if not _guides(scene):
        return {}
    return _divided(peer, guiding_noise(read_arrays(scene.peer / "guider_cds.fits"), ours, scene)["ERR"], scene)


def _guides(scene: Scene) -> bool:
    """Tell guiding data, which share their flat_field with images."""
    return (scene.peer / "guider_cds.fits").exists()


def _divided(peer: Arrays, error: np.ndarray, scene: Scene) -> Arrays:
    reference = scene.reference("flat")
    flat, flags = reference.array("SCI"), reference.dq()
    usable = np.isfinite(flat) & (flat != 0) & (flags & (dq.NO_FLAT_FIELD | dq.DO_NOT_USE) == 0)
    factor, relative = np.where(usable, flat, 1), np.where(usable, reference.array("ERR") / flat, 0)
    return {"ERR": np.hypot(error / factor, peer["SCI"] * relative).astype("f4")}


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
        refpix(exposure, {}, RefPixParams(), Context())
        results.append(np.where(missing, np.float32(0), exposure.zeroframe))
    return results[0] - results[1]
