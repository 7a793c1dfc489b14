import pickle

import pytest

from jwcore.errors import BadInput, JwcalError, MissingReference, PluginError, RunFailed, UsageError


@pytest.mark.parametrize(
    ("kind", "code"),
    [(JwcalError, 1), (RunFailed, 1), (UsageError, 2), (MissingReference, 3), (BadInput, 4), (PluginError, 5)],
)
def test_one_line_with_cure_that_pickles(kind, code):
    error = pickle.loads(pickle.dumps(kind("it\nbroke", where="x.fits", cure="mend it")))
    assert type(error) is kind
    assert str(error) == "it broke [x.fits] — mend it"
    assert (error.where, error.cure, error.exit_code) == ("x.fits", "mend it", code)
    assert str(kind("alone")) == "alone"
