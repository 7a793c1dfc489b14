"""How declared deviations change the peer's arrays. Each function is named by an entry of ``deviations.toml``."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from scipy import ndimage

from jwcore import models
from jwcore.algorithms import dq, saturation
from jwcore.algorithms.irs2 import Irs2Layout
from jwcore.api import Context, Detector
from jwcore.builtin.detector1._exposure import detector_flags, detector_image
from jwcore.builtin.detector1.jump import JumpParams, jump
from jwcore.builtin.detector1.picture_frame import PictureFrameParams, picture_frame
from jwcore.builtin.detector1.ramp_fit import RampFitParams, ramp_fit
from jwcore.builtin.detector1.refpix import RefPixParams, refpix
from jwcore.references import Reference, References, chain_from_options, parameters_of
from tests.parity.compare import read_arrays

LAST_DIGIT = 2.0**-8
"""Spacing of single-precision numbers in the upper half of the range of a 16-bit converter, DN."""


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


def averages_of_interleaved(peer: Arrays, ours: Arrays, scene: Scene) -> Arrays:
    """Groups of interleaved read-outs that either pipeline flags because of what an average of frames, or a hit, may hide."""
    found = _hidden_in_interleaved(scene)
    return {} if found is None else {"GROUPDQ": found}


def pixels_of_averages_of_interleaved(peer: Arrays, ours: Arrays, scene: Scene) -> Arrays:
    """Pixels that `averages_of_interleaved` concerns."""
    found = _hidden_in_interleaved(scene)
    if found is None:
        return {}
    lines = _layout(scene).normal_lines
    pixels = found[:, :, lines].any(axis=(0, 1))
    stored = found.any(axis=(0, 1))
    return {
        name: np.broadcast_to(mask, array.shape)
        for name, array in peer.items()
        for mask in (pixels, stored)
        if array.shape[-2:] == mask.shape
    }


@cache
def _hidden_in_interleaved(scene: Scene) -> np.ndarray | None:
    """Return where the frame averaging decides about group flags, with the neighbours; None for other read-outs."""
    given = read_arrays(scene.peer / "dq_init.fits")
    if given["SCI"].shape[-2] <= 2048:
        return None
    lines = _layout(scene).normal_lines
    exposure, reference = models.read(scene.uncal), scene.reference("saturation")
    bias = detector_image(scene.reference("superbias"), "SCI", exposure, lines)
    level, _ = saturation.thresholds(
        detector_image(reference, "SCI", exposure, lines), detector_flags(reference, exposure, lines)
    )
    frames = exposure.meta.exposure
    results = []
    for use_readpatt in (True, False):
        flags = given["GROUPDQ"].copy()
        saturation.flag_saturated_groups(
            given["SCI"], flags, level=level, bias=bias, nframes=frames.nframes, groupgap=frames.groupgap,
            use_readpatt=use_readpatt, lines=lines,
        )  # fmt: skip
        results.append(flags[:, :, lines])
    hidden = np.zeros(given["GROUPDQ"].shape, bool)
    hidden[:, :, lines] = ndimage.binary_dilation(results[0] != results[1], np.ones((1, 1, 3, 3)))
    return hidden


def _layout(scene: Scene) -> Irs2Layout:
    subarray = models.read_meta(scene.uncal).subarray
    return Irs2Layout(subarray.fastaxis, subarray.slowaxis)


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
    """Pixels with ramps of fewer than four good groups that are fitted by likelihood."""
    good = (scene.fitted_flags & ~np.uint8(dq.JUMP_DET | dq.PERSISTENCE) == 0).sum(axis=1)
    return _fitted_by_likelihood(peer, scene, good < 4)


def _fitted_by_likelihood(peer: Arrays, scene: Scene, ramps: np.ndarray) -> Arrays:
    """Return the pixels of ramps (nints, ny, nx) for every array if the fit is that by likelihood."""
    if scene.steps.get("ramp_fit", {}).get("algorithm") != "LIKELY":
        return {}
    pixels = ramps.any(axis=0)
    return {
        name: np.broadcast_to(pixels, array.shape) for name, array in peer.items() if array.shape[-2:] == pixels.shape
    }


def moved_medians(peer: Arrays, ours: Arrays, scene: Scene) -> Arrays:
    """Pixels that differ by less than a hundredth of the noise of one read, after the noise of lines was removed."""
    if "clean_flicker_noise" not in scene.steps or not _shared("SCI", peer, ours):
        return {}
    difference = np.abs(ours["SCI"] - peer["SCI"])
    close = difference < 0.01 * scene.noise
    return {"SCI": close & (difference > 1e-3 * scene.noise)}


def last_digit_of_differences(peer: Arrays, ours: Arrays, scene: Scene) -> Arrays:
    """Pixels whose photon variance differs by no more than the last digit of one sample makes of a median difference."""
    if not _shared("VAR_POISSON", peer, ours):
        return {}
    time = scene.intervals(each=peer["VAR_POISSON"].ndim == 3)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = LAST_DIGIT / models.read_meta(scene.uncal).exposure.group_time
        digit = rate / (scene.reference("gain").array() * time)
        changes = {
            "VAR_POISSON": np.abs(ours["VAR_POISSON"] - peer["VAR_POISSON"]),
            "ERR": np.abs(np.square(ours["ERR"], dtype="f8") - np.square(peer["ERR"], dtype="f8")),
        }
        return {name: (change <= digit) & (change > 1e-3 * np.square(peer["ERR"])) for name, change in changes.items()}


def _shared(name: str, peer: Arrays, ours: Arrays) -> bool:
    """Whether both have an array, of one shape, that is compared."""
    return name in peer and name in ours and peer[name].shape == ours[name].shape


def usable_medians(peer: Arrays, ours: Arrays, scene: Scene) -> Arrays:
    """Groups of the peer with the medians of its picture frame taken over usable, undisturbed background pixels alone."""
    given, pattern, background = models.read(scene.peer / "jump.fits"), *_pattern_and_background(scene)
    y, x = np.indices(pattern.shape)
    centre = (y >= 76) & (y < 1984) & (x >= 76) & (x < 1984)
    edge = [((i >= 4) & (i < 75)) | ((i >= 1985) & (i < 2043)) for i in (y, x)]
    inside = (y >= 4) & (y < 2043) & (x >= 4) & (x < 2043)
    regions = [background & region for region in (centre, (edge[0] | edge[1]) & inside)]
    expected = peer["SCI"].copy()
    for integration, flags in enumerate(given.groupdq):
        for group in range(1, len(flags)):
            image = given.data[integration, group] - given.data[integration, 0]
            lost = (flags[0] | flags[group]) & (dq.DO_NOT_USE | dq.SATURATED) != 0
            usable = ~lost & ~(flags[: group + 1] & dq.JUMP_DET != 0).any(axis=0)
            expected[integration, group] += _frame(image, pattern, regions)
            expected[integration, group] -= _frame(image, pattern, [region & usable for region in regions])
    return {"SCI": expected}


def picture_frame_removed(scene: Scene) -> bool:
    """Whether the picture frame is removed: its level is in the rates of all pixels."""
    return "picture_frame" in scene.steps


def _frame(image: np.ndarray, pattern: np.ndarray, regions: list[np.ndarray]) -> np.ndarray:
    """Scale a pattern to the medians of an image in the centre and at the edges."""
    (c, e), (c0, e0) = ([np.nanmedian(values[region]) for region in regions] for values in (image, pattern))
    return (c - e) / (c0 - e0) * (np.nan_to_num(pattern, nan=e0) - e0) + e


def _pattern_and_background(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Return the picture frame, and the background pixels that it is measured on."""
    exposure, reference = models.read(scene.peer / "jump.fits"), scene.reference("pictureframe")
    noise = {kind: scene.reference(kind) for kind in ("gain", "readnoise")}

    def fit(stage: str, ramp: models.Ramp, *, consume: bool, params: Mapping[str, Any]) -> Any:
        return ramp_fit(ramp, noise, RampFitParams(**params), context)

    context = Context(detector=Detector("ANY", "ANY", shape=exposure.shape[-2:]), nested=fit)
    options = {**scene.steps["picture_frame"], "save_mask": True}
    picture_frame(exposure, {"pictureframe": reference}, PictureFrameParams(**options), context)
    return reference.array("SCI"), context.saved["pctfrm_mask"].data != 0


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
    usable = _usable_integrations(scene)
    factor = np.where(usable > 0, len(scene.fitted_flags) / np.maximum(usable, 1), 1.0)
    if np.all(factor == 1):
        return {}
    poisson = (peer["VAR_POISSON"] * factor).astype("f4")
    error = np.sqrt(np.square(peer["ERR"], dtype="f8") + poisson - peer["VAR_POISSON"])
    return {"VAR_POISSON": poisson, "ERR": error.astype("f4")}


def wholly_diluted(peer: Arrays, ours: Arrays, scene: Scene) -> Arrays:
    """Pixels with a rate that the peer gives no photon noise, because an integration has no usable group."""
    usable = _usable_integrations(scene)
    lost = (usable > 0) & (usable < len(scene.fitted_flags)) & (peer["VAR_POISSON"] == 0) & (peer["ERR"] > 0)
    return dict.fromkeys(("VAR_POISSON", "ERR"), lost) if lost.any() else {}


def _usable_integrations(scene: Scene) -> np.ndarray:
    """Count the integrations with a usable ramp, int (ny, nx)."""
    flags = scene.fitted_flags
    suppressed = (flags & ~np.uint8(dq.PERSISTENCE) == 0).sum(axis=1) == 1
    if flags.shape[1] == 1 or not scene.steps.get("ramp_fit", {}).get("suppress_one_group", True):
        suppressed[:] = False
    return ((flags & (dq.DO_NOT_USE | dq.SATURATED) == 0).any(axis=1) & ~suppressed).sum(axis=0)


def dark_noise(peer: Arrays, ours: Arrays, scene: Scene) -> Arrays:
    """Variances of the peer with the photon noise of the average dark current added.

    A dark current in electron/s adds dark / (m t gain^2) to a ramp of m used intervals of the time t. The error of an
    integration is that of the weighted mean of its segments. Later products are scaled as their read noise is.
    """
    dark = scene.reference("dark").array("AVDRKCUR") if "dark_current" in scene.steps else None
    if dark is None:
        return {}
    each = peer["SCI"].ndim == 3
    rate = read_arrays(scene.peer / ("ramp_fitints.fits" if each else "ramp_fit.fits"))
    with np.errstate(divide="ignore", invalid="ignore"):
        added = dark / (scene.reference("gain").array() ** 2 * scene.intervals(each=each))
        scale = np.where(np.isfinite(added) & (peer["ERR"] > 0), peer["VAR_RNOISE"] / rate["VAR_RNOISE"], 0.0)
        added = np.nan_to_num(added, posinf=0.0)
        variances = rate["VAR_POISSON"].astype("f8"), rate["VAR_RNOISE"].astype("f8")
        grown = added
        if each:
            before, after = (_of_segments(variances[0] + more, variances[1], scene) for more in (0.0, added))
            grown = np.where(np.isfinite(before) & np.isfinite(after), after - before, added)
    scale = np.nan_to_num(scale)
    poisson = peer["VAR_POISSON"] + added * scale
    error = np.sqrt(np.square(peer["ERR"], dtype="f8") + grown * scale)
    return {"VAR_POISSON": poisson.astype("f4"), "ERR": error.astype("f4")}


def dark_weights(peer: Arrays, ours: Arrays, scene: Scene) -> Arrays:
    """Slopes of the peer's likelihood fit, changed as the photon noise of the average dark current changes the weights."""
    dark = scene.reference("dark").array("AVDRKCUR") if "dark_current" in scene.steps else None
    options = scene.steps.get("ramp_fit", {})
    if dark is None or options.get("algorithm") != "LIKELY":
        return {}
    references = {kind: scene.reference(kind) for kind in ("gain", "readnoise")}
    product = "rateints" if peer["SCI"].ndim == 3 else "rate"

    def slopes(current: np.ndarray | None) -> np.ndarray:
        ramp = models.read(scene.peer / "jump.fits")
        ramp.average_dark_current = current
        context = Context(detector=Detector("ANY", "ANY", shape=ramp.shape[-2:]))
        return ramp_fit(ramp, references, RampFitParams(**options), context)[product].data

    return {"SCI": peer["SCI"] + np.nan_to_num(slopes(dark) - slopes(None))}


def _of_segments(poisson: np.ndarray, read: np.ndarray, scene: Scene) -> np.ndarray:
    """Variance of the mean of the segments of every ramp, weighted by the inverse of the sum of both their variances.

    A segment of n groups has a share of n - 1 in the inverse of the photon variance, and of n^3 - n in that of read noise.
    """
    flags = scene.fitted_flags
    shares = [sum(np.where(ends, share(n), 0.0) for ends, n in _segments(flags)) for share in (_photons, _reads)]
    weight = np.zeros(poisson.shape)
    for ends, n in _segments(flags):
        variance = poisson * shares[0] / _photons(n) + read * shares[1] / _reads(n)
        weight += np.where(ends, 1.0 / variance, 0.0)
    return 1.0 / weight


def _photons(n: np.ndarray) -> np.ndarray:
    return n - 1.0


def _reads(n: np.ndarray) -> np.ndarray:
    return n**3.0 - n


def _segments(flags: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Iterate over the groups at which segments of two groups and more have ended: where, and of how many groups."""
    length = np.zeros((len(flags), *flags.shape[2:]))
    for group in np.moveaxis(flags, 1, 0):
        good = group & (dq.DO_NOT_USE | dq.SATURATED) == 0
        begins = good & (group & dq.JUMP_DET != 0)
        yield (~good | begins) & (length > 1), length
        length = np.where(good, np.where(begins, 1.0, length + 1), 0.0)
    yield length > 1, length


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
