"""The IRS2 step of NIRSpec, and the shared steps before it, on read-outs with interleaved reference pixels."""

import numpy as np
import pytest
from jwcal_nirspec.refpix import RefPixParams, refpix

from jwcore.algorithms import dq, irs2
from jwcore.api import BadInput, Context, Detector, Meta, Ramp, Reference, SkipStep
from jwcore.builtin.detector1.ipc import ipc
from jwcore.builtin.detector1.refpix import RefPixParams as OtherParams
from jwcore.builtin.detector1.refpix import refpix as other_refpix
from jwcore.builtin.detector1.saturation import SaturationParams, saturation
from jwcore.references.subarray import Window, cut_out, science_window

NX = 32
LAYOUT = irs2.Irs2Layout(-2, -1)
NORMAL = LAYOUT.normal_lines


def ramp(nints=1, ngroups=3, value=None):
    meta = Meta()
    for name, entry in {
        "FASTAXIS": -2,
        "SLOWAXIS": -1,
        "NFRAMES": 1,
        "GROUPGAP": 0,
        "SUBSTRT1": 1,
        "SUBSTRT2": 1,
    }.items():
        meta.set_keyword(name, entry)
    shape = (nints, ngroups, 3200, NX)
    data = np.random.default_rng(5).normal(1000, 5, shape) if value is None else np.full(shape, value)
    return Ramp(data=data.astype(np.float32), meta=meta)


def context():
    return Context(detector=Detector("TEST", "NIRSPEC", shape=(2048, NX), reference_pixels=(4, 4, 4, 4)))


def transfer(level=0.0, mask=0, length=2 * 712 * NX):
    table = np.zeros(length, [(f"{name}_{k}", "f4") for name in ("alpha", "beta") for k in range(4)])
    for name in table.dtype.names:
        table[name][0::2] = level
    rows = np.array([(k, parity, mask) for k in range(1, 5) for parity in (1, 2)],
                    [("OUTPUT", "u2"), ("ODD_EVEN", "u2"), ("MASK", "u4")])  # fmt: skip
    return {"refpix": Reference.from_arrays("refpix", {"IRS2": table, "DQ": rows})}


@pytest.mark.parametrize("keep", [False, True])
def test_arrays_lose_the_interleaved_pixels(keep):
    exposure = ramp(nints=2)
    exposure.groupdq[:, :, NORMAL[7]] = dq.SATURATED
    exposure.pixeldq[NORMAL[9]] = dq.HOT
    exposure.data[1] += 100
    exposure.zeroframe = exposure.data[:, 0].copy()
    exposure = refpix(exposure, transfer(), RefPixParams(preserve_irs2_refpix=keep), context())
    lines = np.arange(3200) if keep else NORMAL
    assert exposure.shape == exposure.groupdq.shape == (2, 3, lines.size, NX)
    assert exposure.zeroframe.shape == (2, lines.size, NX)
    assert set(np.flatnonzero(exposure.groupdq.any(axis=(0, 1, 3)))) == set(np.flatnonzero(lines == NORMAL[7]))
    assert exposure.pixeldq[lines == NORMAL[9]].min() == dq.HOT
    assert exposure.data[1].mean() - exposure.data[0].mean() == pytest.approx(100, abs=1)


def test_without_transfer_only_trends_come_off():
    exposure = ramp()
    before = exposure.data[:, :, NORMAL].copy()
    exposure.data += np.arange(3)[:, None, None].astype(np.float32) * 10
    exposure = refpix(exposure, transfer(), RefPixParams(), context())
    assert np.abs(exposure.data - before - 10).max() < 4
    assert np.abs((exposure.data - before - 10).mean()) < 0.1


def test_bad_references_are_flagged_replaced_and_counted():
    exposure = ramp()
    bad = np.sort(LAYOUT.reference_lines.ravel())[100:102]
    exposure.data[:, :, bad] += 3000
    where = context()
    exposure = refpix(
        exposure, transfer(mask=1), RefPixParams(preserve_irs2_refpix=True, ovr_corr_mitigation_ftr=5.0), where
    )
    np.testing.assert_array_equal(np.flatnonzero(exposure.pixeldq.any(axis=1)), bad)
    assert (exposure.pixeldq[bad] == dq.BAD_REF_PIXEL | dq.DO_NOT_USE).all()
    assert np.abs(exposure.data[:, :, bad] - 1000).max() < 60
    assert where.counts["bad_reference_lines"] == 2 + 16
    assert where.counts["row_noise_after"] == pytest.approx(
        where.counts["row_noise_before"], rel=0.01
    )  # nothing to take off


def test_references_that_stand_out_are_replaced_before_the_listed_ones():
    """A listed one still stands in for one that stands out, but not the reverse."""
    block = [LAYOUT.lines(640 + 8 + 20 * k + np.arange(2)) for k in range(32)]
    exposure = ramp(ngroups=1)  # a single group is its own mean, so that nothing but the replacement changes it
    exposure.data[:, :, block[4]] += 3000
    exposure.pixeldq[block[9][0], 7] = dq.BAD_REF_PIXEL  # the mask may know others
    before = exposure.data.copy()
    where, params = context(), RefPixParams(preserve_irs2_refpix=True, ovr_corr_mitigation_ftr=8.0)
    exposure = refpix(exposure, transfer(mask=1 << 3), params, where)
    assert where.counts["bad_reference_lines"] == 2 + 16 + 1
    assert (exposure.pixeldq[block[9][0]] == dq.BAD_REF_PIXEL | dq.DO_NOT_USE).all()
    expected = (before[:, :, block[3]] + before[:, :, block[5]]) / 2
    np.testing.assert_allclose(exposure.data[:, :, block[4]], expected, rtol=1e-6)
    np.testing.assert_allclose(exposure.data[:, :, block[3]], before[:, :, block[2]], rtol=1e-6)


def test_the_means_of_the_edges_come_off_first():
    exposure = ramp()
    exposure = refpix(exposure, transfer(), RefPixParams(irs2_mean_subtraction=True), context())
    assert abs(exposure.data.mean()) < 1


@pytest.mark.parametrize(
    ("references", "shape", "reason"),
    [
        (transfer(length=100), 3200, "100 rows"),
        ({"refpix": Reference.from_arrays("refpix", {"SCI": np.zeros((2, 2), "f4")})}, 3200, "no table"),
        (transfer(), 2048, "2048 rows"),
    ],
)
def test_what_cannot_be_corrected_is_left_alone(references, shape, reason):
    exposure = ramp()
    exposure = Ramp(data=exposure.data[:, :, :shape].copy(), meta=exposure.meta)
    before = exposure.data.copy()
    with pytest.raises(SkipStep, match=reason):
        refpix(exposure, references, RefPixParams(), context())
    np.testing.assert_array_equal(exposure.data, before)


def test_the_shared_refpix_leaves_it_to_the_instrument():
    with pytest.raises(SkipStep, match="IRS2"):
        other_refpix(ramp(), {}, OtherParams(), context())


# ------------------------------------------------------------------------------------------- the steps before it
def image(value):
    return np.full((2048, NX), value, np.float32)


def test_saturation_looks_at_normal_pixels():
    """The same ramp with and without interleaved pixels gets the same flags."""
    rng = np.random.default_rng(6)
    plain = Ramp(data=np.cumsum(rng.uniform(0, 9000, (1, 5, 2048, NX)), axis=1).astype(np.float32), meta=ramp().meta)
    exposure = ramp(ngroups=5, value=65535)
    exposure.data[:, :, NORMAL] = plain.data
    exposure.zeroframe = exposure.data[:, 0].copy()
    plain.zeroframe = plain.data[:, 0].copy()
    level, bias, flags = image(30000), image(300), np.zeros((2048, NX), np.uint32)
    level[5, 5], flags[6, 6] = np.nan, dq.NO_SAT_CHECK
    wide = np.zeros((3200, NX), np.float32)
    wide[NORMAL] = bias
    references = {"saturation": Reference.from_arrays("saturation", {"SCI": level}, dq=flags)}
    for one, superbias in ((plain, bias), (exposure, wide)):
        references["superbias"] = Reference.from_arrays("superbias", {"SCI": superbias})
        saturation(one, references, SaturationParams(), context())
    np.testing.assert_array_equal(exposure.groupdq[:, :, NORMAL], plain.groupdq)
    np.testing.assert_array_equal(exposure.pixeldq[NORMAL], plain.pixeldq)
    np.testing.assert_array_equal(exposure.zeroframe[:, NORMAL], plain.zeroframe)
    assert not np.delete(exposure.groupdq, NORMAL, axis=2).any()
    assert plain.groupdq.any()


@pytest.mark.parametrize("per_pixel", [False, True])
def test_ipc_spreads_between_normal_pixels(per_pixel):
    kernel = np.array([[0, -0.01, 0], [-0.02, 1.06, -0.02], [0, -0.01, 0]], np.float32)
    if per_pixel:
        kernel = np.ascontiguousarray(np.broadcast_to(kernel[:, :, None, None], (3, 3, 2048, NX)))
    reference = {"ipc": Reference.from_arrays("ipc", {"SCI": kernel})}
    exposure = ramp()
    plain = Ramp(data=exposure.data[:, :, NORMAL].copy(), meta=exposure.meta)
    others = np.delete(exposure.data, NORMAL, axis=2)
    for one in (plain, exposure):
        ipc(one, reference, context())
    np.testing.assert_array_equal(exposure.data[:, :, NORMAL], plain.data)
    np.testing.assert_array_equal(np.delete(exposure.data, NORMAL, axis=2), others)


def test_references_of_the_detector_fit():
    meta = ramp().meta
    meta.subarray.xsize, meta.subarray.ysize = 2048, 2048
    window = science_window(meta, (1, 3, 3200, 2048))
    assert window == Window(1, 1, 2048, 3200)
    for shape in ((2048, 2048), (3200, 2048)):
        assert cut_out(shape, Window(1, 1, 2048, shape[0]), window, "x") is None
    with pytest.raises(BadInput, match="does not contain it"):
        cut_out((1024, 2048), Window(1, 1, 2048, 1024), window, "x")
