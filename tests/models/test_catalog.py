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


def test_fits(tmp_path):
    table = QTable(
        {"id": [1, 2], "flux": [1.5, 2.5] * units.Jy}, meta={"zeropt": 3.0, "nested": {"a": 1}, "too long a key": 1}
    )
    catalog = models.Catalog(table, extension="fits")
    catalog.provenance = [{"kind": "run", "steps": [f"step {n}" for n in range(500)]}]
    again = models.Catalog(path=models.write(catalog, tmp_path / "x_cat.fits"))
    assert again.table["flux"].unit == units.Jy
    assert again.table["id"].tolist() == [1, 2]
    assert again.table.meta["ZEROPT"] == 3.0
    assert again.provenance == catalog.provenance
    assert "nested" in catalog.table.meta
    with pytest.raises(UsageError, match=r"\.fits"):
        models.write(again.copy(), tmp_path / "x_cat.ecsv")


def test_the_story_of_a_catalogue_is_one_line_of_its_header(tmp_path):
    catalog = models.Catalog(QTable({"label": [1, 2]}))
    assert catalog.provenance == []
    records = [{"kind": "configuration", "entries": [{"label": f"step{n}", "é": None} for n in range(200)]}]
    catalog.provenance = records
    path = models.write(catalog, tmp_path / "x_cat.ecsv")
    assert models.read(path).provenance == models.read(path).copy().provenance == records
    assert path.stat().st_size < 3000
    for damaged in ("eJw", "?", "AAAA", 3):
        catalog.table.meta["JWCAL"] = damaged
        with pytest.raises(BadInput, match="record is damaged"):
            _ = catalog.provenance


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
