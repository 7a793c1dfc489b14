import numpy as np
import pytest

from jwcore import models, planner
from jwcore.algorithms.dq import DO_NOT_USE, PERSISTENCE, SATURATED
from jwcore.api import BadInput, Context, StepFailed, Tree, UsageError
from jwcore.builtin.detector1.persistence import PersistenceParams, persistence
from jwcore.synth import Effects, tiny_exposure
from tests.truth._reduce import write_references

from ._ramps import DETECTOR, context, ramp

START = 60000.0
DAY = 86400.0


def exposure(*, delay=0.0, shape=(1, 4, 32, 32), saturated=(), **keywords):
    """A dark ramp that begins some seconds after the first one, with pixels that saturate in the third group."""
    defaults = {"TGROUP": 10.0, "EXPSTART": START + delay / DAY, "EFFINTTM": 40.0, "DETECTOR": "NRCA1"}
    result = ramp(shape, value=0, **(defaults | keywords))
    for y, x in saturated:
        result.groupdq[:, 2:, y, x] = SATURATED
    return result


def run(source, state=None, services=None, **params):
    state = {"windows": None} if state is None else state
    assert (
        persistence(source, PersistenceParams(**{"persistence_time": 100} | params), state, services or context())
        is source
    )
    return state


def flagged(source):
    return {tuple(position) for position in np.argwhere((source.groupdq & PERSISTENCE).any(axis=(0, 1))).tolist()}


def test_flags_counts_and_the_next_exposure():
    services = context()
    first = exposure(saturated=[(4, 5)])
    state = run(first, services=services)
    assert first.groupdq[0, :, 4, 5].tolist() == [0, 0, SATURATED | PERSISTENCE, SATURATED | PERSISTENCE]
    assert services.counts == {"persistent_pixels": 1}
    soon, late = exposure(delay=100), exposure(delay=200)
    state = run(soon, state)
    # saturated at 30 s, so until 130 s; groups end at 110, 120 ... (rounded to microseconds by the header)
    assert soon.groupdq[0, :, 4, 5].tolist()[::3] == [PERSISTENCE, 0]
    run(late, state)
    assert not late.groupdq.any()


def test_windows_follow_pixels_through_sub_arrays():
    state = run(exposure(saturated=[(4, 5), (20, 21)]))
    part = exposure(delay=60, shape=(1, 4, 16, 16), SUBSTRT1=17, SUBSTRT2=17)
    part.groupdq[0, 1:, 0, 0] = SATURATED
    state = run(part, state)
    assert flagged(part) == {(0, 0), (4, 5)}
    whole = exposure(delay=90)
    run(whole, state)
    assert flagged(whole) == {(4, 5), (20, 21), (16, 16)}


def test_pieces_of_rows_with_overlap_give_the_same():
    saturated = [(y, y) for y in range(0, 32, 3)]
    expected_state = run(exposure(saturated=saturated))
    expected = exposure(delay=60, saturated=[(y, 5) for y in range(0, 32, 5)])
    run(expected, expected_state)
    state = run(exposure(saturated=saturated))
    whole = exposure(delay=60, saturated=[(y, 5) for y in range(0, 32, 5)])
    count = 0
    for low, high in ((0, 10), (10, 20), (20, 32)):
        first, last = max(low - 2, 0), min(high + 2, 32)
        piece = exposure(delay=60, shape=(1, 4, last - first, 32), SUBSTRT2=1 + first)
        piece.groupdq[:] = whole.groupdq[:, :, first:last]
        own = slice(low - first, high - first)
        services = Context(detector=DETECTOR, rows=own)
        run(piece, state, services)
        count += services.counts["persistent_pixels"]
        assert np.array_equal(piece.groupdq[:, :, own], expected.groupdq[:, :, low:high])
    assert count == len(flagged(expected))
    assert sorted(zip(*state["windows"], strict=True)) == sorted(zip(*expected_state["windows"], strict=True))


def test_times_come_from_the_table_of_integrations():
    columns = [f"int_{when}_{scale}" for scale in ("MJD_UTC", "BJD_TDB") for when in ("start", "mid", "end")]
    flags = []
    for spacing in (40, 95, None):
        source = exposure(shape=(2, 4, 32, 32), INTSTART=3, EFFINTTM=95.0)
        if spacing:
            source.int_times = np.zeros(2, [("integration_number", "i4"), *((name, "f8") for name in columns)])
            source.int_times["integration_number"] = [3, 4]
            source.int_times["int_start_MJD_UTC"] = START + np.array([0, spacing]) / DAY
        source.groupdq[0, 2:, 1, 1] = SATURATED
        run(source)
        flags.append(np.count_nonzero(source.groupdq[1, :, 1, 1]))
    assert flags == [4, 3, 3]


def test_signal_and_do_not_use():
    source = exposure()
    source.data[0, :, 3, 3] = [0, 10, 20, 30]
    run(source, dn_threshold=15.0, persistence_dnu=True)
    assert source.groupdq[0, :, 3, 3].tolist() == [0, 0, PERSISTENCE | DO_NOT_USE, PERSISTENCE | DO_NOT_USE]


def test_saved_times_are_taken_up(tmp_path, caplog):
    services = context()
    run(exposure(saturated=[(4, 5)], SUBSTRT1=9, shape=(1, 4, 32, 24)), services=services, save_persistence="yes")
    tree = services.saved["persistence_times"]
    assert tree.content["NRCA1"]["cols"] == [13]
    tree.write(tmp_path / "times.asdf")
    path = str(tmp_path / "times.asdf")

    def taken_up(**keywords):
        later = exposure(delay=60, **keywords)
        run(later, persistence_array_file=path)
        return flagged(later)

    assert taken_up() == {(4, 13)}
    assert taken_up(DETECTOR="NRCA2") == set()
    assert "no persistence of NRCA2" in caplog.text
    later = exposure(delay=60)
    run(later, persistence_array_file=path, persistence_time=90)
    assert flagged(later) == set()
    assert "is not that of 90 s" in caplog.text
    # what an exposure before in the same run has left counts more than the file
    later = exposure(delay=60)
    run(later, run(exposure()), persistence_array_file=path)
    assert flagged(later) == set()


def test_files_of_others_count_positions_in_the_exposure(tmp_path):
    end = (START - 40587) * DAY + 150
    entry = {"filename": "x", "rows": [4], "cols": [5], "vals": [end], "pers_time": 100}
    Tree({"NRCA1": entry}).write(tmp_path / "times.asdf")
    later = exposure(delay=60, shape=(1, 4, 16, 16), SUBSTRT1=17, SUBSTRT2=17)
    run(later, persistence_array_file=str(tmp_path / "times.asdf"))
    assert flagged(later) == {(4, 5)}


def test_bad_files_and_headers(tmp_path):
    Tree({"NRCA1": {"rows": [1]}}).write(tmp_path / "bad.asdf")
    with pytest.raises(BadInput, match="not a file of persistence"):
        run(exposure(), persistence_array_file=str(tmp_path / "bad.asdf"))
    with pytest.raises(ValueError, match=r"there is no file .*missing\.asdf"):
        run(exposure(), persistence_array_file=str(tmp_path / "missing.asdf"))
    with pytest.raises(BadInput, match="no start time"):
        run(exposure(EXPSTART=None))


@pytest.mark.parametrize("duration", [None, 0, -1])
def test_without_a_time_the_step_has_failed(duration):
    source = exposure(saturated=[(1, 1)])
    with pytest.raises(StepFailed, match="persistence_time is not set"):
        run(source, persistence_time=duration)
    assert not np.any(source.groupdq & PERSISTENCE)


@pytest.mark.parametrize("limit", [None, 350_100_000])
def test_charge_released_after_a_bright_exposure_is_flagged(tmp_path, limit):
    """Two exposures of one detector through the whole chain, the second with what the first has left in its traps."""
    size = 48
    rate = np.full((size, size), 5.0)
    rate[20:24, 20:24] = 60000
    effects = Effects(persistence=True, cosmic_rays=False)
    bright = tiny_exposure(size=size, rate=rate, ngroups=6, effects=effects)
    overrides = write_references(bright, tmp_path)
    paths = []
    for name, delay, lit in (("a", 0.0, True), ("b", 100.0, False)):
        source = (bright if lit else tiny_exposure(size=size, rate=5.0, ngroups=6, effects=effects)).ramp()
        source.meta.exposure.start_time += delay / DAY
        source.int_times = None
        paths.append(models.write(source, tmp_path / f"{name}_uncal.fits"))
    params = {"persistence": {"skip": False, "persistence_time": 300, "persistence_dnu": True}}
    done = planner.plan(
        paths[::-1], "detector1", references="none", overrides=overrides, params=params, max_memory=limit,
        output_dir=tmp_path / "out",
    )  # fmt: skip
    done.run()
    dq = models.read(tmp_path / "out" / "b_rate.fits").dq
    assert np.all(dq[20:24, 20:24] & PERSISTENCE)
    assert np.all(dq[20:24, 20:24] & DO_NOT_USE)
    assert not np.any(dq[:16] & PERSISTENCE)


def test_the_saved_times_have_no_name_of_their_own():
    own = {"persistence": {"skip": False, "save_persistence": "mine.asdf"}}
    with pytest.raises(UsageError, match=r"save_persistence = 'mine\.asdf' is not allowed"):
        planner.plan(exposure(), "persistence", references="none", params=own)
