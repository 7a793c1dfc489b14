import numpy as np
import pytest

from jwcore.algorithms.soss_trace import TRACE_ORIGIN, near_traces, trace_row


def test_a_trace_turns_about_its_pivot():
    points = np.stack([np.arange(0.0, 201), np.full(201, 30.0)], axis=1)
    columns = np.arange(-5, 210)
    found = trace_row(points, pivot=(100.0, 30.0), angle=1.0, columns=columns)
    inside = (columns >= 5) & (columns <= 195)
    np.testing.assert_allclose(found[inside], 30 + np.tan(np.deg2rad(1)) * (columns[inside] - 100), atol=1e-9)
    assert np.isnan(found[[0, -1]]).all()


@pytest.mark.parametrize("start", [TRACE_ORIGIN, TRACE_ORIGIN + 10, 0])
def test_rows_near_traces(start):
    shape = (2048, 50) if start == 0 else (96, 50)
    traces = [
        {"trace": np.stack([np.arange(50.0), np.full(50, 40.0)], axis=1), "pivot_x": 0.0, "pivot_y": 0.0},
        {"trace": np.stack([np.arange(20.0), np.full(20, 80.0)], axis=1), "pivot_x": 0.0, "pivot_y": 0.0},
    ]
    found = near_traces(shape, traces, angle=0.0, start=(start, 0), half_width=3)
    row = 40 + TRACE_ORIGIN - start
    assert np.flatnonzero(found[:, 30]).tolist() == list(range(row - 3, row + 4))
    assert np.count_nonzero(found[:, 10]) == 14
