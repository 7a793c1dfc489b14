import numpy as np
import pytest

from jwcore.algorithms import dq
from jwcore.api import BadInput, SkipStep, UsageError
from jwcore.builtin.detector1.dark_current import DarkCurrentParams, dark_current
from jwcore.params import Layer, resolve

from ._ramps import context, ramp, reference


def dark(ngroups=6, rate=2.0, *, start=None, **keywords):
    """A dark of single frames that grows by ``rate`` a frame."""
    data = np.full((ngroups, 32, 32), rate, np.float32) * np.arange(1, ngroups + 1, dtype=np.float32)[:, None, None]
    header = {"NFRAMES": 1, "GROUPGAP": 0, **keywords.pop("header", {})}
    return reference("dark", SCI=data if start is None else data[start:], header=header, **keywords)


def test_truth_dark_ramp_is_removed_and_zero_frames_stay():
    exposure = ramp((2, 4, 32, 32), value=0, zeroframe=3)
    exposure.data += 2 * np.arange(1, 5, dtype=np.float32)[:, None, None]
    dark_current(exposure, dark(dq=dq.UNRELIABLE_DARK), DarkCurrentParams(), context())
    assert not exposure.data.any()
    assert (exposure.zeroframe == 3).all()
    assert (exposure.pixeldq == dq.UNRELIABLE_DARK).all()
    assert (exposure.average_dark_current == 0).all()


@pytest.mark.parametrize("length", [3, 30])
def test_frames_are_averaged_and_a_short_dark_is_continued(length):
    exposure = ramp((1, 3, 32, 32), value=0, NFRAMES=4, GROUPGAP=1)
    exposure.data += 2 * np.array([2.5, 7.5, 12.5], np.float32)[:, None, None]
    dark_current(exposure, dark(length), DarkCurrentParams(), context())
    np.testing.assert_allclose(exposure.data, 0, atol=1e-4)


def test_image_of_the_average_dark_current_is_kept():
    image = np.random.default_rng(1).uniform(0.1, 0.2, (32, 32)).astype(np.float32)
    image[3, 3] = np.nan
    exposure = ramp()
    dark_current(exposure, dark(AVDRKCUR=image, header={"AVDRKCUR": 9.0}), DarkCurrentParams(), context())
    np.testing.assert_array_equal(exposure.average_dark_current, np.nan_to_num(image))


@pytest.mark.parametrize("image", [None, np.zeros((32, 32), np.float32)])
def test_average_dark_current_falls_back_to_the_keyword(image):
    exposure = ramp()
    extra = {} if image is None else {"AVDRKCUR": image}
    dark_current(exposure, dark(header={"AVDRKCUR": 0.25}, **extra), DarkCurrentParams(), context())
    assert (exposure.average_dark_current == 0.25).all()


def test_parameter_overrides_the_average_dark_current():
    exposure = ramp()
    dark_current(exposure, dark(header={"AVDRKCUR": 0.25}), DarkCurrentParams(average_dark_current=1.5), context())
    assert (exposure.average_dark_current == 1.5).all()


@pytest.mark.parametrize(
    ("header", "reason"), [({"NFRAMES": 4}, "average 4 frames"), ({"GROUPGAP": 2}, "drops 2 frames")]
)
def test_darks_coarser_than_the_exposure_are_refused(header, reason):
    exposure = ramp()
    with pytest.raises(SkipStep, match=reason):
        dark_current(exposure, dark(header=header), DarkCurrentParams(), context())
    assert (exposure.data == 100).all()


@pytest.mark.parametrize(("start", "expected"), [(1, [1, 2, 3, 3]), (2, [2, 3, 3, 3]), (9, [3, 3, 3, 3])])
def test_the_first_integrations_have_ramps_of_their_own(start, expected):
    levels = np.array([1, 2, 3], np.float32)[:, None, None, None]
    flags = np.zeros((3, 1, 32, 32), np.uint32)
    flags[0, 0, 4, 5], flags[2, 0, 4, 5] = dq.HOT, dq.UNRELIABLE_DARK
    settling = reference("dark", SCI=np.broadcast_to(levels, (3, 5, 32, 32)).copy(), DQ=flags)
    exposure, services = ramp((4, 5, 32, 32), value=10, INTSTART=start), context()
    dark_current(exposure, settling, DarkCurrentParams(dark_output="yes"), services)
    found = 10 - exposure.data[:, :, 7, 7]
    np.testing.assert_array_equal(found, np.repeat(np.array(expected)[:, None], 5, axis=1))
    assert exposure.pixeldq[4, 5] == dq.HOT | dq.UNRELIABLE_DARK
    assert services.saved["dark"].data[:, 0, 0, 0].tolist() == sorted(set(expected))


def test_darks_that_cannot_be_used():
    with pytest.raises(BadInput, match="2 dimensions"):
        dark_current(ramp(), reference("dark", 1, shape=(32, 32)), DarkCurrentParams(), context())
    with pytest.raises(BadInput, match=r"covers \(5, 5\)"):
        dark_current(ramp(), reference("dark", 1, shape=(3, 5, 5)), DarkCurrentParams(), context())


def test_subtracted_dark_can_be_saved():
    exposure = ramp((2, 2, 32, 32), value=0, NFRAMES=2)
    services = context()
    dark_current(exposure, dark(), DarkCurrentParams(dark_output=True), services)
    saved = services.saved["dark"]
    assert saved.data.shape == (1, 2, 32, 32)
    np.testing.assert_array_equal(saved.data[0], -exposure.data[0])


def test_the_saved_dark_has_no_name_of_its_own():
    layer = Layer("command line", {"dark_current": {"dark_output": "mine.fits"}})
    with pytest.raises(UsageError, match=r"dark_output = 'mine\.fits' is not allowed: Input should be a valid boolean"):
        resolve(DarkCurrentParams, label="dark_current", layers=[layer])
