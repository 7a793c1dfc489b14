import numpy as np
import pytest

from jwcore.algorithms import dq
from jwcore.api import BadInput, Context, Detector, ExposureType, Meta, Ramp, Reference, StripeReadout, SuperstripeRamp
from jwcore.api import of_one_stripe as one_stripe
from jwcore.builtin.detector1 import charge_migration, jump
from jwcore.builtin.detector1.dq_init import DQInitParams, dq_init
from jwcore.builtin.detector1.ipc import ipc
from jwcore.builtin.detector1.ramp_fit import RampFitParams, ramp_fit
from jwcore.builtin.detector1.refpix import RefPixParams, refpix
from jwcore.builtin.detector1.saturation import SaturationParams, saturation
from jwcore.builtin.detector1.superbias import superbias

NSTRIPES, NSCI, NGROUPS, ACROSS = 3, 2, 2, 16
AXES = [(-1, 2), (1, -2), (2, 1), (-2, -1)]


def context(**traits):
    return Context(detector=Detector("TEST", "ANY"), exposure_type=ExposureType("", "", **traits))


def superstripe(axes=(-1, 2), *, repeats=1, value=0.0, reads1=4, **keywords):
    """Two cycles of three stripes of 17 lines each, after four lines that are read every time."""
    fast, slow = axes
    lines = repeats * (reads1 + 17)
    shape = (lines, ACROSS) if abs(slow) == 2 else (ACROSS, lines)
    meta = Meta()
    for name, entry in {
        "FASTAXIS": fast, "SLOWAXIS": slow, "NOUTPUTS": 1, "NFRAMES": 1, "GROUPGAP": 0, "SUBSTRT1": 1, "SUBSTRT2": 1,
        "SUBSIZE1": shape[1], "SUBSIZE2": shape[0], "NINTS": NSCI * NSTRIPES, "NGROUPS": NGROUPS, "INTSTART": 1,
        "INTEND": NSCI * NSTRIPES, "MSTR_RD1": reads1, "MSTR_SK1": 0, "MSTR_RD2": 17, "MSTR_SK2": 0,
        "MSTR_RPT": int(repeats > 1), "SSTR_STP": 17, "SSTR_NST": NSTRIPES, **keywords,
    }.items():  # fmt: skip
        meta.set_keyword(name, entry)
    return SuperstripeRamp(data=np.full((NSCI * NSTRIPES, NGROUPS, *shape), value, np.float32), meta=meta)


def positions(exposure):
    """Detector position (y, x) of every pixel of each stripe."""
    for number in range(NSTRIPES):
        readout = StripeReadout.of(one_stripe(exposure.meta, number))
        across = np.arange(ACROSS)
        yield (across[:, None], readout.lines[None]) if readout.along_x else (readout.lines[:, None], across[None])


def reference(kind, image, **arrays):
    return {kind: Reference.from_arrays(kind, {"SCI": image.astype(np.float32)}, **arrays)}


@pytest.fixture(scope="module")
def image():
    return np.arange(2048 * 2048, dtype=np.float32).reshape(2048, 2048)


@pytest.mark.parametrize("axes", AXES)
def test_references_of_every_stripe_are_those_of_its_pixels(axes, image):
    exposure = superstripe(axes)
    exposure.zeroframe = np.ones((exposure.shape[0], *exposure.shape[2:]), np.float32)
    flags = np.where(image % 7 == 0, np.uint32(dq.HOT), np.uint32(0)) | (image % 11 == 0).astype(np.uint32)
    dq_init(exposure, {"mask": Reference.from_arrays("mask", dq=flags)}, DQInitParams(), context())
    superbias(exposure, reference("superbias", image))
    for number, (y, x) in enumerate(positions(exposure)):
        np.testing.assert_array_equal(exposure.pixeldq[number], flags[y, x])
        for i in range(number, NSCI * NSTRIPES, NSTRIPES):
            np.testing.assert_array_equal(exposure.groupdq[i], np.stack([flags[y, x] & 1] * NGROUPS))
            np.testing.assert_array_equal(exposure.data[i], -np.stack([image[y, x]] * NGROUPS))
            np.testing.assert_array_equal(exposure.zeroframe[i], 1 - image[y, x])


def test_saturation_knows_the_level_of_every_stripe(image):
    exposure = superstripe(value=50.0)
    level = np.where(np.arange(2048) < 21, 40.0, 60.0)[:, None] * np.ones(2048)
    saturation(exposure, reference("saturation", level, dq=np.zeros((2048, 2048), np.uint32)),
               SaturationParams(n_pix_grow_sat=0), context())  # fmt: skip
    assert (exposure.groupdq[::NSTRIPES] == dq.SATURATED).all()
    assert (exposure.groupdq[1, :, :4] == dq.SATURATED).all()
    assert not exposure.groupdq[1:3, :, 4:].any()


@pytest.mark.parametrize("axes", AXES)
def test_cross_talk_does_not_pass_from_stripe_to_stripe(axes):
    kernel = np.array([[0, 0, 0], [-0.1, 1.3, -0.1], [0, -0.1, 0]])
    exposure = superstripe(axes, value=0.0)
    along_x = abs(axes[1]) == 1
    view = exposure.data.swapaxes(-1, -2) if along_x else exposure.data
    view = view[..., ::-1, :] if axes[1] < 0 else view
    view[1, :, 4] = 100  # the first line of the second stripe lies beside the block that is read again
    ipc(exposure, {"ipc": Reference.from_arrays("ipc", {"SCI": kernel.astype(np.float32)})}, context())
    assert not view[1, :, :4].any()
    assert view[1, :, 5].any() or view[1, :, 4].any()


@pytest.mark.parametrize("repeats", [1, 2])
@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("whole_lines", [False, True])
def test_truth_stripes_are_corrected_and_joined(axes, repeats, whole_lines):
    rng = np.random.default_rng(2)
    sky = rng.uniform(1, 100, (2048, 2048)).astype(np.float32)
    exposure = superstripe(axes, repeats=repeats)
    exposure.pixeldq = np.zeros((NSTRIPES, *exposure.shape[2:]), np.uint32)
    drift = rng.normal(0, 10, exposure.shape[:2]).astype(np.float32)
    for number, (y, x) in enumerate(positions(exposure)):
        line = x if abs(axes[1]) == 1 else y
        reference_lines = line < 4 if axes[1] > 0 else line > 2043
        exposure.pixeldq[number] |= np.where(reference_lines, np.uint32(dq.REFERENCE_PIXEL), np.uint32(0))
        own = np.where(reference_lines, 0, sky[y, x]) + drift[number::NSTRIPES, :, None, None]
        exposure.data[number::NSTRIPES] = own
    exposure.pixeldq[1, 10, 10] |= dq.HOT
    joined = refpix(exposure, {}, RefPixParams(), context(whole_lines=whole_lines))
    assert type(joined) is Ramp
    first, count = (0, 2048) if whole_lines else (4, 51)
    lines = np.arange(first, first + count)
    stored = lines if axes[1] > 0 else 2047 - lines[::-1]
    area = np.ix_(np.arange(ACROSS), stored) if abs(axes[1]) == 1 else np.ix_(stored, np.arange(ACROSS))
    read = np.isin(stored, np.arange(4, 55) if axes[1] > 0 else 2047 - np.arange(4, 55))
    read = np.broadcast_to(read if abs(axes[1]) == 1 else read[:, None], joined.shape[2:])
    assert joined.shape[:2] == (NSCI, NGROUPS * repeats)
    np.testing.assert_allclose(joined.data, np.broadcast_to(np.where(read, sky[area], np.nan), joined.shape), atol=1e-4)
    np.testing.assert_array_equal(joined.pixeldq & dq.REFERENCE_PIXEL == 0, read)
    assert np.count_nonzero(joined.pixeldq & dq.HOT) == 1
    assert not joined.groupdq.any()
    subarray = joined.meta.subarray
    place = (subarray.xstart, subarray.xsize) if abs(axes[1]) == 1 else (subarray.ystart, subarray.ysize)
    assert place == (stored[0] + 1, count)
    assert joined.meta.subarray.num_superstripe is None
    assert joined.meta.subarray.multistripe_reads1 is None


def test_groups_that_are_reads_of_the_same_lines_are_in_the_order_of_time():
    exposure = superstripe(repeats=2)
    exposure.data[:, :, :21] += 1
    exposure.data[:, 1] += 10
    joined = refpix(exposure, {}, RefPixParams(), context())
    assert joined.data[0, :, 0, 0].tolist() == [1, 0, 11, 10]
    assert joined.meta.exposure.ngroups == 4
    row, frame = 16 + 12, (16 + 12) * (42 + 2)
    expected = np.array([row * 23, row * 44, row * 23 + frame, row * 44 + frame]) * 1e-5
    np.testing.assert_allclose(np.ravel(joined.meta.get("exposure.read_times")), expected)


@pytest.mark.parametrize("too_few_groups", [jump.too_few_groups, charge_migration.too_few_groups])
def test_plans_count_the_groups_of_the_joined_ramp(too_few_groups):
    exposure = superstripe(repeats=2)
    assert too_few_groups(exposure.meta) is None
    assert too_few_groups(refpix(exposure, {}, RefPixParams(), context()).meta) is None
    assert "2 groups" in too_few_groups(superstripe(repeats=1).meta)
    assert "2 groups" in too_few_groups(superstripe(repeats=2, NGROUPS=1).meta)


def test_integrations_and_their_times_are_counted_in_cycles():
    exposure = superstripe(INTSTART=7, INTEND=12, NINTS=12)
    columns = [
        ("integration_number", "i4"),
        *((f"int_{when}_{scale}", "f8") for scale in ("MJD_UTC", "BJD_TDB") for when in ("start", "mid", "end")),
    ]
    table = np.zeros(12, columns)
    table["integration_number"] = np.arange(1, 13)
    for name, shift in (("start", 0.0), ("mid", 0.4), ("end", 0.9)):
        table[f"int_{name}_MJD_UTC"] = np.arange(12) + shift
        table[f"int_{name}_BJD_TDB"] = np.arange(12) + shift + 100
    exposure.int_times = table
    joined = refpix(exposure, {}, RefPixParams(), context())
    info = joined.meta.exposure
    assert (info.nints, info.integration_start, info.integration_end) == (4, 3, 4)
    assert joined.int_times["integration_number"].tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(joined.int_times["int_start_MJD_UTC"], [0, 3, 6, 9])
    np.testing.assert_allclose(joined.int_times["int_mid_BJD_TDB"], [101.45, 104.45, 107.45, 110.45])
    np.testing.assert_allclose(joined.int_times["int_end_MJD_UTC"], [2.9, 5.9, 8.9, 11.9])
    assert joined.int_times_stripe["stripe_number"].tolist() == [1, 2, 3] * 4
    assert joined.int_times_stripe["integration_number"].tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]
    np.testing.assert_allclose(joined.int_times_stripe["int_mid_MJD_UTC"], np.arange(12) + 0.4)


def test_zero_frames_keep_the_first_read():
    exposure = superstripe(repeats=2)
    exposure.zeroframe = np.full((6, 42, ACROSS), 5, np.float32)
    exposure.zeroframe[:, 21:] = 7
    joined = refpix(exposure, {}, RefPixParams(), context(whole_lines=True))
    assert (joined.zeroframe[:, 4:55] == 5).all()
    assert np.isnan(joined.zeroframe[:, 55:]).all()


def test_stripes_without_reference_pixels_are_joined_all_the_same():
    joined = refpix(superstripe(reads1=0, value=3.0), {}, RefPixParams(), context())
    assert joined.shape == (NSCI, NGROUPS, 51, ACROSS)
    assert (joined.data == 3).all()


def test_broken_cycles_are_refused():
    exposure = superstripe()
    exposure.data = exposure.data[:5]
    with pytest.raises(BadInput, match="no whole number of cycles of 3 stripes"):
        refpix(exposure, {}, RefPixParams(), context())


def test_amplifiers_of_stripes_are_corrected_apart():
    exposure = Ramp(data=np.zeros((1, 2, 14, 2048), np.float32), meta=superstripe().meta.copy())
    for name, entry in {
        "SSTR_NST": None, "SSTR_STP": None, "MSTR_RD2": 10, "MSTR_SK1": 20, "SUBSIZE1": 2048, "SUBSIZE2": 14, "NOUTPUTS": 4,
        "SUBARRAY": "SUB41STRIPE1_DHS",
    }.items():  # fmt: skip
        exposure.meta.set_keyword(name, entry)
    column = np.arange(2048)
    exposure.data += (100.0 * (column // 512) + 7 * (column % 2)).astype(np.float32)
    exposure.pixeldq[:4] = dq.REFERENCE_PIXEL
    exposure.pixeldq[:4, 512:1024:2] |= dq.DO_NOT_USE
    exposure.data[0, 0, 0, 3] = 1e6
    exposure.pixeldq[0, 3] |= dq.DO_NOT_USE
    refpix(exposure, {}, RefPixParams(), context())
    assert not exposure.data[..., 1024:].any()
    assert not exposure.data[..., 4:, :512].any()
    assert (exposure.data[..., 512:1024] == 100 + 7 * (column[512:1024] % 2)).all(), "one parity has no reference pixel"


def test_flags_of_reference_pixels_are_those_of_the_stripe():
    exposure = superstripe()
    exposure.data[1::NSTRIPES, :, :2] = 50
    exposure.pixeldq = np.zeros((NSTRIPES, *exposure.shape[2:]), np.uint32)
    exposure.pixeldq[:, :4] = dq.REFERENCE_PIXEL
    exposure.pixeldq[1, :2] |= dq.DO_NOT_USE
    assert not refpix(exposure, {}, RefPixParams(), context()).data.any()


@pytest.mark.parametrize("ngroups", [1, 4])
def test_truth_repeated_reads_are_fitted_at_the_times_at_which_they_were_made(ngroups):
    """Also if they are but two groups, between which a group time has not passed."""
    exposure = superstripe(repeats=2, TGROUP=44 * 28e-5, TFRAME=44 * 28e-5, NGROUPS=ngroups)
    reads = np.array([[28 * (23 + 21 * repeat + 44 * group) * 1e-5 for repeat in (0, 1)] for group in range(ngroups)])
    exposure.data = np.zeros((6, ngroups, 42, ACROSS), np.float32)
    for repeat in (0, 1):
        exposure.data[:, :, 21 * repeat + 4 : 21 * (repeat + 1)] = 1e4 * reads[None, :, repeat, None, None]
    ramp = refpix(exposure, {}, RefPixParams(), context())
    np.testing.assert_allclose(np.ravel(ramp.meta.get("exposure.read_times")), np.ravel(reads))
    image = np.ones(ramp.shape[2:])
    references = reference("gain", 2 * image) | reference("readnoise", 5 * image)
    products = ramp_fit(ramp, references, RampFitParams(), context())
    np.testing.assert_allclose(products["rate"].data, 1e4, rtol=1e-4)
    assert products["rateints"].shape[0] == NSCI
    ramp.meta.set("exposure.read_times", None)
    evenly = ramp_fit(ramp, references, RampFitParams(), context())["rate"]
    assert np.all(evenly.data < 6e3), "lines at even times miss the rate by half"


def test_a_kernel_of_every_pixel_is_cut_like_the_image(image):
    exposure, same = (superstripe(value=1.0) for _ in range(2))
    exposure.data += np.random.default_rng(4).normal(0, 1, exposure.shape).astype(np.float32)
    same.data[:] = exposure.data
    kernel = np.array([[0, -0.1, 0], [-0.1, 1.4, -0.1], [0, -0.1, 0]], np.float32)
    of_pixels = np.broadcast_to(kernel[..., None, None], (3, 3, 64, ACROSS))
    header = {"SUBSTRT1": 1, "SUBSTRT2": 1, "SUBSIZE1": ACROSS, "SUBSIZE2": 64}
    ipc(exposure, {"ipc": Reference.from_arrays("ipc", {"SCI": of_pixels}, header=header)}, context())
    ipc(same, {"ipc": Reference.from_arrays("ipc", {"SCI": kernel})}, context())
    np.testing.assert_allclose(exposure.data, same.data, rtol=1e-6)
