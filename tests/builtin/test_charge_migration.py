import numpy as np
import pytest

from jwcore.algorithms.dq import CHARGELOSS, DO_NOT_USE
from jwcore.api import SkipStep
from jwcore.builtin.detector1.charge_migration import ChargeMigrationParams, charge_migration, too_few_groups
from jwcore.builtin.detector1.ramp_fit import RampFitParams, ramp_fit

from ._ramps import context, ramp, reference

LOST = CHARGELOSS | DO_NOT_USE


def bright(ngroups=6, **keywords):
    exposure = ramp((1, ngroups, 32, 32), value=0, TGROUP=10.0, TFRAME=10.0, **keywords)
    exposure.data += 10 * np.arange(1, ngroups + 1, dtype=np.float32)[:, None, None]
    exposure.data[0, :, 10, 10] = 8000 * np.arange(1, ngroups + 1)
    return exposure


def test_flags_and_counts():
    exposure = bright()
    services = context()
    assert charge_migration(exposure, ChargeMigrationParams(), services) is exposure
    expected = np.zeros(exposure.shape, np.uint8)
    for y, x in ((10, 10), (9, 10), (11, 10), (10, 9), (10, 11)):
        expected[0, 3:, y, x] = LOST
    assert np.array_equal(exposure.groupdq, expected)
    assert services.counts == {"flagged_pixels": 5}
    untouched = bright()
    charge_migration(untouched, ChargeMigrationParams(signal_threshold=48000), context())
    assert not untouched.groupdq.any()


def test_the_fit_keeps_the_read_noise_of_the_whole_ramp():
    """Weights by read noise must not depend on brightness: the rate is that of the groups before, its noise that of all."""
    rates = []
    for threshold in (25000, 1e6):
        exposure = bright()
        charge_migration(exposure, ChargeMigrationParams(signal_threshold=threshold), context())
        references = reference("gain", 2.0) | reference("readnoise", 10.0)
        rates.append(ramp_fit(exposure, references, RampFitParams(), context())["rate"])
    assert rates[0].var_rnoise[10, 10] == rates[1].var_rnoise[10, 10] == rates[1].var_rnoise[0, 0]
    assert rates[0].var_poisson[10, 10] > 2 * rates[1].var_poisson[10, 10]
    assert rates[0].data[10, 10] == pytest.approx(800, rel=1e-5)


def test_short_integrations_are_skipped():
    assert "2 groups" in too_few_groups(bright(2, NGROUPS=2).meta)
    assert too_few_groups(bright(3, NGROUPS=3).meta) is None
    with pytest.raises(SkipStep, match="2 groups"):
        charge_migration(bright(2), ChargeMigrationParams(), context())


def test_off_by_default():
    assert ChargeMigrationParams().skip
