import numpy as np
import pytest

from jwcore.api import BadInput, Context, ExposureType, SkipStep, StepFailed
from jwcore.builtin.image2.photom import PhotomParams, photom
from jwcore.references import Reference
from tests.builtin._images import image

SHAPE = (20, 24)
TABLE = np.array(
    [("F200W", "CLEAR", 0.5, 0.01), ("F210M", "CLEAR", 0.0, 0.01)],
    dtype=[("filter", "U12"), ("pupil", "U12"), ("photmjsr", "f4"), ("uncertainty", "f4")],
)
LINEAR = np.array(
    [("F200W", "CLEAR", 60000.0, 0.1)],
    dtype=[("filter", "U12"), ("pupil", "U12"), ("t0", "f8"), ("lossperyear", "f4")],
)


def _image(shape=SHAPE, **meta):
    return image(shape, instrument__filter="F200W", instrument__pupil="CLEAR", **meta)


def _references(*, area=True, **tables):
    found = {
        "photom": Reference.from_arrays(
            "photom", {"PHOTOM": TABLE, **tables}, header={"PIXAR_SR": 3e-14, "PIXAR_A2": 9e-4}
        )
    }
    if area:
        relative = np.full(SHAPE, 1.01, np.float32)
        found["area"] = Reference.from_arrays(
            "area", {"SCI": relative}, header={"PIXAR_SR": 2.1e-14, "PIXAR_A2": 8.9e-4}
        )
    return found


def _run(exposure, references, context=None, **params):
    return photom(exposure, references, PhotomParams(**params), context or Context())


@pytest.mark.parametrize("shape", [SHAPE, (3, *SHAPE)])
def test_conversion_and_keywords(shape):
    exposure = _image(shape)
    before = exposure.copy()
    _run(exposure, _references())
    np.testing.assert_allclose(exposure.data, before.data * 0.5)
    np.testing.assert_allclose(exposure.err, before.err * 0.5)
    np.testing.assert_allclose(exposure.var_poisson, before.var_poisson * 0.25)
    meta = exposure.meta
    assert (meta.bunit_data, meta.bunit_err) == ("MJy/sr", "MJy/sr")
    assert meta.photometry.conversion_megajanskys == 0.5
    assert meta.photometry.conversion_microjanskys == pytest.approx(0.5 * 23.5045, rel=1e-5)
    assert (meta.photometry.pixelarea_steradians, meta.photometry.pixelarea_arcsecsq) == (2.1e-14, 8.9e-4)
    assert exposure.area.shape == SHAPE


def test_area_from_the_flux_calibration():
    exposure = _run(_image(), _references(area=False))
    assert exposure.meta.photometry.pixelarea_steradians == 3e-14
    assert exposure.area is None


def test_inverse_uses_the_factor_of_the_header():
    exposure = _image()
    data = exposure.data.copy()
    _run(exposure, _references())
    exposure.meta.photometry.conversion_megajanskys = 0.25
    _run(exposure, _references(), inverse=True)
    np.testing.assert_allclose(exposure.data, data * 2)
    assert exposure.meta.bunit_data == "DN/s"


def test_what_was_not_converted_is_not_undone():
    exposure = _image(bunit_data="DN/s")
    data = exposure.data.copy()
    for factor in (None, 0.5):  # the factor alone does not tell, the unit does
        exposure.meta.photometry.conversion_megajanskys = factor
        with pytest.raises(SkipStep, match="nothing to undo: the data are in DN/s"):
            _run(exposure, _references(), inverse=True)
    np.testing.assert_array_equal(exposure.data, data)


def test_the_inverse_leaves_no_factor_behind():
    exposure = _run(_run(_image(), _references()), _references(), inverse=True)
    assert exposure.meta.photometry.conversion_megajanskys is None
    with pytest.raises(SkipStep, match="nothing to undo"):
        _run(exposure, _references(), inverse=True)


def test_time_dependence():
    exposure = _image(exposure__mid_time=60365.0)
    _run(exposure, _references(TIMECOEFF_LINEAR=LINEAR))
    assert exposure.meta.photometry.conversion_megajanskys == pytest.approx(0.5 / 0.9)
    exposure = _image()
    _run(exposure, _references(TIMECOEFF_LINEAR=LINEAR), apply_time_correction=False)
    assert exposure.meta.photometry.conversion_megajanskys == 0.5
    with pytest.raises(BadInput, match="EXPMID"):
        _run(_image(), _references(TIMECOEFF_LINEAR=LINEAR))


def test_nan_and_flags_are_matched():
    exposure = _image()
    exposure.data[1, 1] = np.nan
    exposure.dq[2, 2] = 1
    _run(exposure, _references())
    assert exposure.dq[1, 1] == 1
    assert np.isnan(exposure.err[2, 2])


@pytest.mark.parametrize("name", ["F090W", "F210M"])
def test_no_usable_factor_is_told_before_any_edit(name):
    exposure = _image()
    exposure.meta.instrument.filter = name
    data = exposure.data.copy()
    with pytest.raises(StepFailed, match="stay in DN/s"):
        _run(exposure, _references())
    np.testing.assert_array_equal(exposure.data, data)
    assert exposure.meta.bunit_data is None


def test_undefined_time_dependence_fails():
    law = np.array(
        [("F200W", "CLEAR", 60000.0, 0.9, 5.0, -0.02)],
        dtype=[*LINEAR.dtype.descr[:3], ("year1value", "f4"), ("tsoft", "f4"), ("alpha", "f4")],
    )
    with pytest.raises(StepFailed, match="factor nan"):
        _run(_image(exposure__mid_time=59000.0), _references(TIMECOEFF_POWERLAW=law))


def test_integrations_without_a_rule_skip():
    context = Context(exposure_type=ExposureType("TYPE", "INST", photom_cubes=False))
    with pytest.raises(SkipStep, match="no rule"):
        _run(_image((2, *SHAPE)), _references(), context)
    assert _run(_image(), _references(), context).meta.bunit_data == "MJy/sr"


def test_spectra_are_refused():
    table = np.zeros(1, dtype=[("filter", "U12"), ("photmj", "f4"), ("nelem", "i2")])
    with pytest.raises(SkipStep, match="spectra"):
        _run(_image(), {"photom": Reference.from_arrays("photom", {"PHOTOM": table})})
    with pytest.raises(SkipStep, match="spectra"):
        _run(_image(), {"photom": Reference.from_arrays("photom", {"SCI": np.ones(SHAPE, np.float32)})})
