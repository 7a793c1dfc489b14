"""What must not change the result: the part of the detector, the order of exposures, processes, and little memory."""

import numpy as np
import pytest

from jwcore import planner
from jwcore.synth import Effects, simulate, tiny_exposure, tiny_subarray

from ._reduce import STRIPE, cut, reduce, with_subarray, write_references

REACH = 3
"""Pixels from its edge in which a sub-array lacks neighbours: capacitive coupling, then jumps and saturation beside it."""


def values(exposure, name):
    """An array of a product; of the table of headers, all but the time at which the files were written."""
    array = getattr(exposure, name)
    return array[[column for column in array.dtype.names if column != "DATE"]] if name == "hdrtab" else array


def assert_same_arrays(found, expected):
    assert found.arrays() == expected.arrays()
    for name in expected.arrays():
        np.testing.assert_array_equal(values(found, name), values(expected, name), err_msg=name)


def assert_same_products(found, expected):
    assert found.names() == expected.names()
    for name in ("rate", "rateints", "ramp"):
        assert_same_arrays(found[name], expected[name])


def assert_slice(exposure, rows, columns, folder):
    """Reduce a part with the references of the whole, and compare with that part of the whole."""
    overrides = write_references(exposure, folder)
    part, whole = (
        reduce(e, folder, overrides=overrides, skip=["refpix"])["rate"]
        for e in (cut(exposure, rows, columns), exposure)
    )
    inside = np.s_[REACH:-REACH, REACH:-REACH]
    for name in ("data", "err", "dq", "var_poisson", "var_rnoise"):
        expected = getattr(whole, name)[rows, columns]
        np.testing.assert_array_equal(getattr(part, name)[inside], expected[inside], err_msg=name)


@pytest.mark.parametrize("nints", [1, 2])
def test_a_subarray_is_a_slice_of_a_larger_one(tmp_path, nints):
    exposure = tiny_exposure(size=128, rate=np.geomspace(5, 4000, 128)[:, None], nints=nints, xstart=701, ystart=301)
    assert_slice(exposure, slice(37, 101), slice(20, 110), tmp_path)


def test_integrations_are_fitted_one_by_one(tmp_path):
    """A single integration is both rate and rateints; of two, the rate lies between them."""
    single = reduce(tiny_exposure(size=64, effects=Effects.only("read_noise", "poisson")), tmp_path / "1")
    np.testing.assert_array_equal(single["rate"].data, single["rateints"].data[0])
    double = reduce(tiny_exposure(size=64, effects=Effects.only("read_noise", "poisson"), nints=2), tmp_path / "2")
    low, high = double["rateints"].data.min(axis=0), double["rateints"].data.max(axis=0)
    rate, margin = double["rate"].data, 1e-5 * np.abs(high)
    lit = np.isfinite(rate)
    assert np.all((rate >= low - margin)[lit] & (rate <= high + margin)[lit])


@pytest.mark.parametrize("geometry", ["corner", "stripe"])
def test_pieces_of_a_ramp_give_the_same_as_the_whole(tmp_path, geometry):
    if geometry == "corner":
        exposure = tiny_exposure(size=72, rate=np.geomspace(5, 4000, 72)[:, None], nints=2, zeroframe=True)
    else:
        exposure = with_subarray(STRIPE, rate=30.0, ngroups=5, nints=2)
    whole, pieces = (reduce(exposure, tmp_path / str(cap), max_memory=cap) for cap in (None, 1))
    assert_same_products(pieces, whole)


def test_processes_give_the_same_as_one(tmp_path):
    made = simulate(
        tmp_path / "raw", n_dithers=2, subarray=tiny_subarray(96, xstart=201, ystart=201), ngroups=6, background=30.0
    )
    settings = {"skip": ["tweakreg", "source_catalog"]}
    one = planner.plan(made.uncals, "auto", output_dir=tmp_path / "one", **settings).run()
    many = planner.plan(
        made.uncals, "auto", output_dir=tmp_path / "many", executor="processes", jobs=2, **settings
    ).run()
    for name in ("rate", "rateints", "cal", "crf", "i2d"):
        for found, expected in zip(many[name], one[name], strict=True):
            assert_same_arrays(found, expected)


@pytest.mark.parametrize(("order", "skip"), [((0, 3, 1, 2), []), ((2, 3, 1, 0), ["tweakreg"])])
def test_the_order_of_exposures_does_not_change_the_mosaic(field, order, skip):
    """Without alignment any order will do; with it the first exposure stays, since its pointing is kept."""
    cals = field.paths("_cal")
    references = str(field.made.cache / "references")
    mosaics = [
        planner.plan([cals[k] for k in ks], "image3", references=references, skip=[*skip, "source_catalog"]).run()[
            "i2d"
        ]
        for ks in (range(4), order)
    ]
    first, other = mosaics
    np.testing.assert_array_equal(np.isnan(other.data), np.isnan(first.data))
    assert np.nanmax(np.abs(other.data - first.data) / first.err) < 1e-3
    np.testing.assert_allclose(other.err, first.err, rtol=1e-4)
    # at the border, where slivers of pixels count, overlaps are known to a millionth of a pixel
    np.testing.assert_allclose(other.wht, first.wht, rtol=1e-5, atol=1e-6 * first.wht.max())
    seen = sum((first.con[0] >> k & 1) << order.index(k) for k in range(4))
    np.testing.assert_array_equal(other.con[0], seen)


@pytest.mark.slow
def test_a_subarray_is_a_slice_of_the_full_frame(tmp_path):
    exposure = with_subarray("FULL", rate=30.0, ngroups=5, seed=2)
    assert_slice(exposure, slice(300, 940), slice(1100, 1740), tmp_path)


@pytest.mark.slow
def test_a_full_frame_in_pieces(tmp_path):
    exposure = with_subarray("FULL", rate=30.0, ngroups=5, seed=2)
    whole, pieces = (reduce(exposure, tmp_path / str(cap), max_memory=cap) for cap in (None, 450_000_000))
    assert_same_products(pieces, whole)
