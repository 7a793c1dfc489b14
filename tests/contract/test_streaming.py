"""Products, keywords and figures of a ramp that is worked on piece by piece."""

import tempfile
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import QTable

from jwcore import api, models, streaming
from jwcore.context import Context
from jwcore.declare import STEP_MARK
from jwcore.errors import PluginError
from jwcore.models.mapped import Scratch
from jwcore.plan_model import RUN, SKIP, PlannedStep
from jwcore.recipes import SCIENCE

SHAPE = (2, 3, 10, 6)


def ramp():
    exposure = models.Ramp(data=np.arange(np.prod(SHAPE), dtype="f4").reshape(SHAPE))
    exposure.meta.subarray.ystart, exposure.meta.subarray.ysize = 5, 10
    exposure.meta.exposure.integration_start, exposure.meta.exposure.integration_end = 1, 2
    return exposure


def planned(*, chunk="rows", halo=0, **params):
    return SimpleNamespace(chunk=chunk, halo=halo, scratch=0.0, runs=True, params=params)


def no_questions(step):
    """Ask nothing about whole exposures."""
    return {}


def run(work, *, height, chunk="rows", halo=0):
    """Run one step ``work(exposure, context)`` on pieces of the given height; return the pass and its counts."""
    exposure = ramp()
    whole = streaming.Pass([planned(chunk=chunk, halo=halo)], exposure, 0, Scratch(tempfile.gettempdir()))
    whole.pieces = lambda: ((lo, min(lo + height, whole.length)) for lo in range(0, whole.length, height))
    counts: dict[str, float] = {}

    def step(_, piece):
        context = Context(rows=whole.own_rows, saver=whole.keep)
        result = work(piece, context)
        for name, value in context.counts.items():
            counts[name] = counts.get(name, 0) + value
        return result

    return whole, whole.run(step), counts


HEIGHTS = pytest.mark.parametrize("height", [10, 4, 3, 1])


@HEIGHTS
def test_what_lies_in_two_pieces_is_counted_once(height):
    def work(exposure, context):
        bright = exposure.data[0, 0] > 25
        context.count(pixels=bright, rows=bright.any(axis=1), calls=1)
        return exposure

    _, _, counts = run(work, height=height, halo=2)
    assert counts == {"pixels": 34, "rows": 6, "calls": -(-10 // height)}


def test_one_piece_is_in_memory_at_a_time(monkeypatch):
    cut, seen = streaming.Pass._cut, []

    def watched(self, *span):
        assert not [piece for piece in seen if piece() is not None]
        piece = cut(self, *span)
        seen.append(weakref.ref(piece))
        return piece

    monkeypatch.setattr(streaming.Pass, "_cut", watched)
    run(lambda exposure, context: exposure, height=4)
    assert len(seen) == 3


@pytest.mark.parametrize("height", [2, 1])
def test_facts_of_the_detector_are_counted_with_the_first_integration(height):
    def work(exposure, context):
        context.count(bad=np.ones(exposure.shape[-2:], bool), jumps=int((exposure.data > 100).sum()))
        return exposure

    _, _, counts = run(work, height=height, chunk="integrations")
    assert counts == {"bad": 60, "jumps": 259}


@HEIGHTS
def test_side_products_are_whole_whatever_the_pieces(height):
    def work(exposure, context):
        ny = exposure.shape[-2]
        context.save("dark", models.Ramp(data=exposure.data[:1] + 1, meta=exposure.meta.copy()))
        segments = 1 + int(exposure.data[0, 0, -1, -1] > 40)  # pieces may differ in the number of planes
        fits = models.RampFitOutput(slope=np.ones((2, segments, ny, 6), "f4"), meta=exposure.meta.copy())
        context.save("fitopt", fits)
        context.save("list", models.Catalog(QTable({"row": exposure.data[0, 0, context.rows, 0]})))
        return exposure

    whole, _, _ = run(work, height=height, halo=1)
    exposure = ramp()
    np.testing.assert_array_equal(whole.sides["dark"].data, exposure.data[:1] + 1)
    assert whole.sides["dark"].meta.subarray.ystart == 5
    assert whole.sides["dark"].meta.subarray.ysize == 10
    assert whole.sides["fitopt"].slope.shape == (2, 2, 10, 6)
    assert (whole.sides["fitopt"].slope[:, 0] == 1).all()
    np.testing.assert_array_equal(whole.sides["list"].table["row"], exposure.data[0, 0, :, 0])


@pytest.mark.parametrize("height", [2, 1])
def test_side_products_of_integrations(height):
    def work(exposure, context):
        context.save("copy", exposure.copy())
        return exposure

    whole, _, _ = run(work, height=height, chunk="integrations")
    np.testing.assert_array_equal(whole.sides["copy"].data, ramp().data)
    assert whole.sides["copy"].meta.exposure.integration_end == 2


@HEIGHTS
def test_products_get_the_keywords_of_all_pieces(height):
    def work(exposure, context):
        y = np.arange(exposure.shape[-2]) + exposure.meta.subarray.ystart
        exposure.meta.exposure.primary_cosmic_rays = float(y[context.rows].mean())
        exposure.meta.exposure.gain_factor = 0.1
        exposure.meta.bunit_data = "DN/s"
        return {"rate": models.Image(data=exposure.data[0, 0], meta=exposure.meta.copy())}

    _, products, _ = run(work, height=height, halo=1)
    meta = products["rate"].meta
    assert meta.exposure.primary_cosmic_rays == pytest.approx(9.5, abs=1e-12)
    assert meta.exposure.gain_factor == 0.1
    assert meta.bunit_data == "DN/s"
    assert meta.subarray.ystart == 5
    np.testing.assert_array_equal(products["rate"].data, ramp().data[0, 0])


def test_a_step_whose_result_is_saved_ends_its_pass():
    from jwcore.plan_model import RUN, PlannedStep

    names, saved = ("a", "b", "c"), {"save_results": True}
    steps = [
        PlannedStep(n, n, action=RUN, on=("science",), chunk="rows", params=saved if n == "b" else {}) for n in names
    ]
    assert [[step.label for step in group] for group in streaming.passes(steps, no_questions)] == [["a", "b"], ["c"]]


def test_what_must_be_seen_at_once_may_hang_on_the_parameters():
    def work(exposure):
        return exposure

    marked = api.step(stage="jump", chunk=lambda params: "exposure" if params.skip else "rows")(work)
    info = getattr(marked, STEP_MARK)
    assert [info.chunk_for(api.Params(skip=skip)) for skip in (True, False)] == ["exposure", "rows"]
    info = getattr(api.step(stage="jump", halo=lambda params: 2 + params.skip, scratch=0.5)(work), STEP_MARK)
    assert (info.halo_for(api.Params(skip=True)), info.scratch_for(api.Params())) == (3, 0.5)
    counted = getattr(api.step(stage="jump", scratch=lambda params, exposures: 2.0 * exposures)(work), STEP_MARK)
    assert counted.scratch_for(api.Params(), exposures=3) == 6.0
    columns = getattr(api.step(stage="jump", chunk=lambda params: "columns")(work), STEP_MARK)
    with pytest.raises(PluginError, match="chunk='columns'"):
        columns.chunk_for(api.Params())


def test_what_must_be_known_of_the_whole_is_asked_before_a_pass():
    """A step that asks what the one before it has asked joins its pass; what comes between may change the answer."""

    def entry(label, **params):
        return PlannedStep(label, label, action=RUN, on=(SCIENCE,), chunk="rows", params=params)

    questions = {"jump": {"usable": len, "flooded": sum}, "fit": {"usable": len}, "other": {"usable": max}}

    def groups(*entries):
        found = streaming.passes(entries, lambda step: questions.get(step.label, {}))
        return [[step.label for step in group] for group in found]

    assert groups(*map(entry, ("scale", "jump", "fit", "scale"))) == [["scale"], ["jump", "fit", "scale"]]
    assert groups(*map(entry, ("jump", "scale", "fit"))) == [["jump", "scale"], ["fit"]]
    assert groups(*map(entry, ("fit", "jump"))) == [["fit"], ["jump"]]
    assert groups(*map(entry, ("fit", "other"))) == [["fit"], ["other"]]
    skipped = PlannedStep("scale", "scale", action=SKIP, on=(SCIENCE,), chunk="rows")
    assert groups(entry("jump"), skipped, entry("fit")) == [["jump", "scale", "fit"]]
    assert groups(entry("jump", save_results=True), entry("fit")) == [["jump"], ["fit"]]


def test_a_skipped_step_on_products_does_not_join_the_pass_that_makes_them():
    fit = PlannedStep("fit", "fit", action=RUN, on=(SCIENCE,), chunk="rows")
    scale = PlannedStep("scale", "scale", action=SKIP, on=("rate",), chunk="rows")
    assert list(streaming.passes([fit, scale], no_questions)) == [[fit], [scale]]


def test_steps_that_work_on_single_pixels_join_the_pass_of_their_neighbours():
    def entry(chunk):
        return PlannedStep(chunk, chunk, action=RUN, on=(SCIENCE,), chunk=chunk)

    kinds = [
        "integrations",
        "pixels",
        "integrations",
        "pixels",
        "rows",
        "pixels",
        "exposure",
        "pixels",
        "pixels",
        "rows",
    ]
    found = [
        [step.chunk for step in group] for group in streaming.passes([entry(kind) for kind in kinds], no_questions)
    ]
    assert found == [
        ["integrations", "pixels", "integrations", "pixels"],
        ["rows", "pixels"],
        ["exposure"],
        ["pixels", "pixels", "rows"],
    ]
