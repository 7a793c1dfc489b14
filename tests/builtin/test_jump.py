import numpy as np
import pytest

from jwcore.algorithms.dq import DO_NOT_USE, JUMP_DET, NO_GAIN_VALUE
from jwcore.api import BadInput, UsageError
from jwcore.builtin.detector1.jump import JumpParams, jump, too_few_groups

from ._ramps import context, ramp, reference


def references(gain=2.0, readnoise=10.0):
    return reference("gain", gain) | reference("readnoise", readnoise)


def exposure_with_jump(height=1000.0, **keywords):
    exposure = ramp((2, 6, 32, 32), TGROUP=10.0, **keywords)
    exposure.data += 20 * np.arange(6)[:, None, None]
    exposure.data[1, 3:, 10, 10] += height
    return exposure


def test_flags_keywords_and_counts():
    exposure = exposure_with_jump()
    services = context()
    result = jump(exposure, references(), JumpParams(), services)
    assert result is exposure
    assert {tuple(i) for i in np.argwhere(exposure.groupdq)} == {
        (1, 3, y, x) for y, x in ((10, 10), (9, 10), (11, 10), (10, 9), (10, 11))
    }
    assert services.counts == {"jumps": 1, "pixels_without_gain": 0}
    assert exposure.meta.exposure.primary_cosmic_rays == pytest.approx(1000 / (10 * (2 * 6 - 2) * 32 * 32))


def test_parameters_reach_the_algorithm():
    exposure = exposure_with_jump(height=2000)
    params = JumpParams(flag_4_neighbors=False, after_jump_flag_dn1=500, after_jump_flag_time1=29)
    jump(exposure, references(), params, context())
    assert np.argwhere(exposure.groupdq).tolist() == [[1, 3, 10, 10], [1, 4, 10, 10], [1, 5, 10, 10]]
    untouched = exposure_with_jump(height=2000)
    jump(untouched, references(), JumpParams(rejection_threshold=1e6), context())
    assert not untouched.groupdq.any()


def test_pixels_without_gain():
    exposure = exposure_with_jump()
    gain = np.full((32, 32), 2, np.float32)
    gain[0, :3] = [0, -1, np.nan]
    jump(exposure, reference("gain", SCI=gain) | reference("readnoise", 10), JumpParams(), context())
    assert exposure.pixeldq[0, :4].tolist() == [DO_NOT_USE | NO_GAIN_VALUE] * 3 + [0]


def test_frames_and_read_noise_set_the_threshold():
    for nframes, found in ((1, 0), (16, 1)):
        exposure = exposure_with_jump(height=60, NFRAMES=nframes)
        jump(exposure, references(gain=1.0, readnoise=20.0), JumpParams(flag_4_neighbors=False), context())
        assert np.count_nonzero(exposure.groupdq & JUMP_DET) == found


def test_no_rate_of_jumps_without_a_search():
    exposure = exposure_with_jump()
    exposure.groupdq[0, :4] = DO_NOT_USE
    jump(exposure, references(), JumpParams(), context())
    assert exposure.meta.exposure.primary_cosmic_rays is None
    assert not np.any(exposure.groupdq & JUMP_DET)


@pytest.mark.parametrize("name", ["expand_large_events", "find_showers"])
def test_later_work_is_refused(name):
    params = JumpParams(**{name: True})
    with pytest.raises(UsageError, match=f"not available yet.*jump.{name}=false"):
        jump(exposure_with_jump(), references(), params, context())
    with pytest.raises(UsageError, match="not available yet"):
        too_few_groups(exposure_with_jump().meta, params, None)


def test_two_groups_are_skipped_when_planning():
    assert "2 groups" in too_few_groups(ramp((1, 2, 32, 32), NGROUPS=2).meta, JumpParams(), None)
    assert too_few_groups(ramp((1, 3, 32, 32), NGROUPS=3).meta, JumpParams(), None) is None


def test_bad_headers_and_references():
    with pytest.raises(BadInput, match="group_time"):
        jump(ramp((1, 5, 32, 32)), references(), JumpParams(), context())
    wrong = reference("gain", 2, shape=(16, 32)) | reference("readnoise", 10)
    with pytest.raises(BadInput, match="gain reference covers"):
        jump(exposure_with_jump(), wrong, JumpParams(), context())
