import numpy as np
import pytest

from jwcore.algorithms.dq import DO_NOT_USE, JUMP_DET, NO_GAIN_VALUE, SATURATED
from jwcore.api import BadInput, SkipStep
from jwcore.builtin.detector1.jump import JumpParams, jump, too_few_groups

from ._ramps import context, ramp, reference


def references(gain=2.0, readnoise=10.0, **kind):
    return reference("gain", gain, **kind) | reference("readnoise", readnoise, **kind)


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


RADIUS = np.hypot(*np.ogrid[-50:50, -40:60])
"""Distance from the event that is looked for."""


def exposure_with_snowball(nints=1):
    exposure = ramp((nints, 6, 100, 100), TGROUP=10.0)
    exposure.data += 20 * np.arange(6)[:, None, None]
    exposure.data[0, 2:, RADIUS < 12] += 500
    exposure.data[0, 2:, RADIUS < 5] = 60000
    exposure.groupdq[0, 2:, RADIUS < 5] = SATURATED
    return exposure


def test_snowballs_and_showers_are_flagged_and_counted():
    exposure = exposure_with_snowball()
    services = context()
    jump(exposure, references(shape=(100, 100)), JumpParams(expand_large_events=True), services)
    assert services.counts["snowballs"] == 1
    assert "showers" not in services.counts
    assert exposure.meta.exposure.extended_emission_events == pytest.approx(1e6 / (10 * 5 * 100 * 100))
    assert exposure.groupdq[0, 2, 50, 60] == JUMP_DET  # twice as wide as what was found
    assert exposure.groupdq[0, 2, 50, 45] == SATURATED

    exposure = ramp((2, 12, 100, 100), TGROUP=10.0)
    exposure.data += np.random.default_rng(1).normal(0, 7, exposure.shape).astype(np.float32)
    exposure.data[1, 5:, RADIUS < 20] += 30
    services = context()
    params = JumpParams(find_showers=True, max_shower_amplitude=2.0)
    jump(exposure, references(shape=(100, 100)), params, services)
    assert services.counts["showers"] == 1
    assert np.mean(exposure.groupdq[1, 5:7, 45:55, 35:45] & JUMP_DET != 0) > 0.9
    assert np.mean(exposure.groupdq[0] & JUMP_DET != 0) < 0.01


@pytest.mark.parametrize(
    ("params", "groups"),
    [({}, 5), ({"snowball_time_masked_next_int": 39}, 2), ({"mask_snowball_core_next_int": False}, 0)],
)
def test_cores_are_flagged_in_the_next_integration(params, groups):
    exposure = exposure_with_snowball(nints=2)
    jump(exposure, references(shape=(100, 100)), JumpParams(expand_large_events=True, **params), context())
    assert np.flatnonzero(exposure.groupdq[1, :, 50, 40] & JUMP_DET).tolist() == list(range(1, 1 + groups))


def test_two_groups_are_skipped():
    assert "2 groups" in too_few_groups(ramp((1, 2, 32, 32), NGROUPS=2).meta)
    assert too_few_groups(ramp((1, 3, 32, 32), NGROUPS=3).meta) is None
    with pytest.raises(SkipStep, match="2 groups"):
        jump(ramp((1, 2, 32, 32), TGROUP=10.0), references(), JumpParams(), context())


def test_bad_headers_and_references():
    with pytest.raises(BadInput, match="group_time"):
        jump(ramp((1, 5, 32, 32)), references(), JumpParams(), context())
    wrong = reference("gain", 2, shape=(16, 32)) | reference("readnoise", 10)
    with pytest.raises(BadInput, match="gain reference covers"):
        jump(exposure_with_jump(), wrong, JumpParams(), context())
