from pathlib import Path

import numpy as np
import pytest

from jwcore.models.mapped import Scratch, assign, copied, release


def test_arrays_in_scratch_files_keep_their_values_and_leave_no_file(tmp_path):
    scratch = Scratch(tmp_path)
    array, other = scratch.zeros((3, 4, 5), "f4"), scratch.zeros((2,), "u1")
    assert (array.shape, array.dtype, array.any(), array.flags.c_contiguous) == ((3, 4, 5), np.float32, False, True)
    array[1:] = np.arange(40).reshape(2, 4, 5)
    other[:] = 7
    release(array[2, 1:])
    assert array[1:].ravel().tolist() == list(range(40))
    assert other.tolist() == [7, 7]
    assert list(tmp_path.iterdir()) == []


PARTS = [
    np.s_[:], np.s_[1:3], np.s_[..., 2:4, :], np.s_[:, 1], np.s_[..., 1:2], np.s_[2, 1, 3, 4:5], np.s_[::2, :, ::-1],
    np.s_[:, :, 4:4],
]  # fmt: skip


@pytest.mark.parametrize("part", PARTS, ids=str)
@pytest.mark.parametrize("dtype", ["f4", "u1"])
def test_parts_are_read_and_written_as_in_memory(tmp_path, part, dtype):
    values = np.arange(3 * 2 * 5 * 7).reshape(3, 2, 5, 7).astype(dtype)
    array, expected = Scratch(tmp_path).zeros(values.shape, dtype), values.copy()
    assign(array, values)
    np.testing.assert_array_equal(array, values)
    np.testing.assert_array_equal(copied(array[part]), values[part])
    assign(array[part], values[part] + 1)
    expected[part] += 1
    np.testing.assert_array_equal(array, expected)
    assign(array[part], np.array(3))
    expected[part] = 3
    np.testing.assert_array_equal(array, expected)


def test_ordinary_arrays_are_copied_and_set():
    array = np.arange(5)
    copied(array)[0] = 9
    assign(array[1:3], np.array([7, 8]))
    assert array.tolist() == [0, 7, 8, 3, 4]


def test_memory_is_given_back(tmp_path):
    array = Scratch(tmp_path).zeros((16 << 20,), "u1")
    before = resident()
    array[:] = 1
    assert resident() - before > 15e6
    release(array)
    assert resident() - before < 4e6
    assert array.sum() == 16 << 20


def test_ordinary_arrays_are_left_alone():
    array = np.arange(5)
    release(array[1:])
    assert array.tolist() == [0, 1, 2, 3, 4]


def resident():
    with Path("/proc/self/status").open() as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS"))
