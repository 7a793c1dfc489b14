"""tweakreg in a run: status keywords, the record, and delivered parameters."""

from pathlib import Path

import numpy as np
import pytest

from jwcore import models, planner
from jwcore.api import UsageError
from jwcore.references import Found
from jwcore.report.story import story
from jwcore.testing import tiny_image
from tests.algorithms._sky import pointed

from ._fields import SHAPE, exposure, sky_stars
from .test_tweakreg import SEGMENTS, write_reference

DELIVERED = """#ASDF 1.0.0
--- !core/asdf-1.1.0
class: jwst.tweakreg.tweakreg_step.TweakRegStep
name: tweakreg
parameters: {abs_refcat: GAIADR3, snr_threshold: 7.0}
"""


class Delivery:
    """References that consist of one file with parameters."""

    name, context = "delivery", "test"

    def __init__(self, folder):
        self.path = folder / "jwst_test_pars-tweakregstep_0001.asdf"
        self.path.write_text(DELIVERED)

    def find(self, types, parameters):
        wanted = [type_ for type_ in types if type_ == "pars-tweakregstep"]
        return {type_: Found(type_, self.path, self.path.name, self.name, self.context) for type_ in wanted}


def test_a_delivered_catalogue_service_is_replaced_by_none(tmp_path):
    path = models.write(tiny_image(), tmp_path / "x_cal.fits")

    def planned(**params):
        made = planner.plan(path, "image3", references=Delivery(tmp_path), params={"tweakreg": params})
        return made, next(step for node in made.nodes for step in node.steps() if step.label == "tweakreg")

    made, step = planned()
    assert (step.params["abs_refcat"], step.params["snr_threshold"]) == (None, 7.0)
    assert step.origins["abs_refcat"] == "default in place of GAIADR3 of jwst_test_pars-tweakregstep_0001.asdf"
    (remark,) = [remark for remark in made.remarks if "GAIADR3" in remark]
    assert remark.startswith(
        "tweakreg.abs_refcat = None: GAIADR3 of jwst_test_pars-tweakregstep_0001.asdf is not avail"
    )
    assert "-s tweakreg.abs_refcat=... (Reference catalogue: a file" in remark
    (tmp_path / "gaia.ecsv").write_text(Path(write_reference(tmp_path / "stars.ecsv")).read_text())
    made, step = planned(abs_refcat=str(tmp_path / "gaia.ecsv"))
    assert step.params["abs_refcat"].endswith("gaia.ecsv")
    assert not [remark for remark in made.remarks if "GAIADR3" in remark]
    with pytest.raises(UsageError, match="no catalogue is fetched"):
        planned(abs_refcat="GAIADR3")


def run_image3(folder, wcses):
    """Align exposures whose headers claim these WCSes; return the products and the recorded step.

    The first two saw one field, the third another one.
    """
    paths = []
    for number, wcs in enumerate(wcses, start=1):
        made = tiny_image(EXPOSURE=f"{number:05d}")
        seen = exposure(sky_stars(seed=2 if number < 3 else 5), seed=number)
        made.data, made.dq, made.err, made.wcs = seen.data, seen.dq, seen.err, wcs
        made.var_rnoise = made.var_poisson = made.var_flat = np.full(SHAPE, 1e-4, np.float32)
        for name in ("v2_ref", "v3_ref", "roll_ref", "ra_ref", "dec_ref"):
            made.meta.set(f"wcsinfo.{name}", seen.meta.get(f"wcsinfo.{name}"))
        for step in ("assign_wcs", "flat_field", "photom"):
            made.meta.set(f"cal_step.{step}", "COMPLETE")
        paths.append(str(models.write(made, folder / f"jw00001001001_02101_{number:05d}_nrca1_cal.fits")))
    products = planner.plan(
        paths, "image3", references="none", params={"tweakreg": SEGMENTS},
        skip=["skymatch", "outlier_detection", "resample", "source_catalog"],
    ).run()  # fmt: skip
    (outcome,) = products.outcomes.values()
    return products["crf"], next(step for step in outcome.steps if step["label"] == "tweakreg")


def test_the_record_tells_the_residuals_also_of_a_refusal(tmp_path):
    here, turned, far = pointed(SHAPE), pointed(SHAPE, roll=0.3), pointed(SHAPE, offset=(0.0, 7200.0))
    made, step = run_image3(tmp_path, [here, pointed(SHAPE, offset=(0.02, 0.0)), far])
    assert [one.meta.cal_step.tweakreg for one in made] == ["COMPLETE", "COMPLETE", "SKIPPED"]
    assert [row["status"] for row in step["alignment"]][:2] == ["reference", "aligned"]
    told = "\n".join(story(made[0].provenance, shown=set()))
    assert "alignment:" in told
    assert "it overlaps with nothing that is aligned" in told
    made, step = run_image3(tmp_path, [here, turned])
    assert [one.meta.cal_step.tweakreg for one in made] == ["FAILED", "FAILED"]
    assert step["alignment"][1]["status"].startswith("refused: it is turned by")
    assert step["alignment"][1]["n_matches"] > 15
