import numpy as np
import pytest

from jwcore.algorithms.readout import ReadoutLayout, frame_numbers


def test_frames_are_counted_from_the_reset_and_over_the_gaps():
    frames = frame_numbers(ngroups=3, nframes=2, groupgap=3)
    np.testing.assert_array_equal(frames, [[1, 2], [6, 7], [11, 12]])


@pytest.mark.parametrize("fastaxis", [1, -1, 2, -2])
@pytest.mark.parametrize("slowsign", [1, -1])
def test_view_shows_pixels_in_the_order_in_which_they_are_clocked(fastaxis, slowsign):
    slowaxis = slowsign * (3 - abs(fastaxis))
    image = np.arange(6).reshape(2, 3)
    layout = ReadoutLayout(fastaxis, slowaxis, image.shape, detector_shape=image.shape)
    view = layout.view(image)
    along = {1: (0, 1), 2: (1, 0)}
    step = {axis: image[along[axis]] - image[0, 0] for axis in (1, 2)}
    assert view[0, 1] - view[0, 0] == np.sign(fastaxis) * step[abs(fastaxis)]
    assert view[1, 0] - view[0, 0] == np.sign(slowaxis) * step[abs(slowaxis)]
    assert view.shape == layout.size


@pytest.mark.parametrize("axes", [(1, 2), (-1, 2), (1, -2), (2, 1), (-2, -1), (2, -1)])
def test_profiles_come_back_to_the_stored_axes(axes):
    layout = ReadoutLayout(*axes, (3, 5), detector_shape=(3, 5))
    rng = np.random.default_rng(1)
    image = np.zeros((2, 3, 5))
    nslow, nfast = layout.size
    slow, fast = rng.normal(size=(2, 1, nslow)), rng.normal(size=(2, nslow, nfast))
    layout.view(image)[:] = slow[:, 0, :, None] + fast
    along_y, along_x = layout.stored(slow, fast)
    rebuilt = along_y[:, 0, :, None] + along_x if layout.fast_is_x else along_y.swapaxes(1, 2) + along_x
    np.testing.assert_array_equal(image, rebuilt)
    assert along_y.flags.c_contiguous
    assert along_x.flags.c_contiguous


def test_place_of_a_subarray_follows_the_reversal():
    layout = ReadoutLayout(-1, 2, (64, 100), start=(10, 20), reference_pixels=(4, 5, 6, 7))
    assert (layout.rows, layout.columns) == (slice(10, 74), slice(1928, 2028))
    assert (layout.row_border, layout.column_border) == ((6, 7), (5, 4))
    turned = ReadoutLayout(-2, -1, (64, 100), start=(10, 20), reference_pixels=(4, 5, 6, 7))
    assert (turned.rows, turned.columns) == (slice(1928, 2028), slice(1974, 2038))
    assert (turned.row_border, turned.column_border) == ((5, 4), (7, 6))


def test_axes_must_differ():
    with pytest.raises(ValueError, match="FASTAXIS=1 and SLOWAXIS=-1"):
        ReadoutLayout(1, -1, (4, 4))
