import pickle

import numpy as np
import pytest
from astropy import units
from astropy.table import QTable

from jwcore import models
from jwcore.errors import BadInput, UsageError


def test_ecsv(tmp_path):
    table = QTable({"label": [1, 2], "flux": np.array([1.5, np.nan]) * units.Jy}, meta={"zeropoint": 3.0})
    path = models.write(models.Catalog(table), tmp_path / "x_cat.ecsv")
    again = models.read(path)
    assert isinstance(again, models.Catalog)
    assert again.table["flux"].unit == units.Jy
    assert again.table.meta["zeropoint"] == 3.0
    assert len(again) == len(again.copy()) == len(pickle.loads(pickle.dumps(again))) == 2
    assert list(tmp_path.iterdir()) == [path]


def test_refusals(tmp_path):
    with pytest.raises(UsageError, match=r"\.ecsv"):
        models.write(models.Catalog(QTable({"a": [1]})), tmp_path / "x.fits")
    (tmp_path / "x.ecsv").write_text("no table")
    with pytest.raises(BadInput, match="not an ECSV table"):
        models.read(tmp_path / "x.ecsv")
    with pytest.raises(BadInput):
        models.read(tmp_path / "none.ecsv")
    with pytest.raises(AttributeError, match=r"\.table"):
        _ = models.Catalog(path="x").flux
