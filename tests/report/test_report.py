"""What the report of a product says, and whether it is what the product holds."""

import re
from html import unescape

import numpy as np
import pytest

from jwcore import models
from jwcore.algorithms import dq
from jwcore.errors import BadInput, UsageError
from jwcore.report.catalogs import show_catalog
from jwcore.report.findings import show_findings
from jwcore.report.making import show_steps
from jwcore.report.page import Page
from jwcore.report.planes import Planes
from jwcore.report.previews import show_pixels, sky_of
from jwcore.report.product import report_page
from jwcore.report.story import story
from jwcore.testing import tiny_ramp
from jwcore.testing.exposures import tiny_cube
from tests.builtin._images import image
from tests.report._products import NAME, ODD, UNIT, mosaic, record, step, write_catalog


def read(page):
    """Return a page, and its text as it is read, without drawings; cells are separated by |."""
    html = page.read_text(encoding="utf-8")
    body = re.sub(r"<svg.*?</svg>", "", html[html.index("<body>") :], flags=re.DOTALL)
    return html, unescape(re.sub(r"\|+", "|", re.sub(r"<[^>]+>", "|", body)))


def written(page, folder):
    return read(page.write(folder / "page.html"))


def text_of(path, folder):
    return written(report_page(path), folder)


def headings(html):
    return re.findall(r"<h2>(.*?)</h2>", html)


# ---- pages
@pytest.fixture
def cal_page(pages):
    return read(pages["image"])


@pytest.fixture
def mosaic_page(pages):
    return read(pages["mosaic"])


def test_a_page_needs_no_other_file(mosaic_page):
    html, _ = mosaic_page
    assert re.findall(r"<(?:script|link|iframe|object)\b", html) == []
    targets = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert {re.match(r"data:image/png;base64,|#", target) is not None for target in targets} == {True}
    assert not re.search(r"url\((?!#)|@import", html)


def test_drawings_refer_to_parts_of_their_own(mosaic_page):
    html, _ = mosaic_page
    names = re.findall(r'\bid="([^"]*)"', html)
    assert len(names) == len({*names})
    used = {name for pair in re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', html) for name in pair if name}
    assert used <= {*names}
    assert len(used) > 20


def test_what_a_file_says_is_never_markup(cal_page):
    html, text = cal_page
    assert "<b>" not in html
    assert unescape(re.search("<title>(.*?)</title>", html)[1]) == NAME
    assert f"|{NAME}|" in text


@pytest.mark.parametrize(
    ("page", "sections", "words"),
    [
        ("image", ["Image", "Flags", "How it was made"],
         [f"|Calibrated image · NIRCAM F200W · {ODD}|", "|NIRCAM / NRCA1|", f"|Target|{ODD}|", "|120.0 s|",
          "|48 × 40, 0.036″ a pixel|", f"|Unit|{UNIT}|", "|SATURATED|3|0.156%|", "|OUTLIER|5|0.260%|", "|DO_NOT_USE|6|",
          "|JUMP_DET|0|0.000%|", "|REFERENCE_PIXEL|1|", "|99.5% of the pixels have no flag"]),
        ("mosaic", ["Image", "Alignment", "Sky", "Outliers", "Detectors", "Sources", "How it was made"],
         ["|Mosaic of 2 exposures ·", "Exposures in each pixel: up to 2.", "|00001|00001|nrca1|0|0.50|3.10|reference|",
          "|00002|00002|nrca1|87|-1.25|0.50|4.20|aligned|", "|Levels|0.1 to 0.2 MJy/sr|",
          "|Pixels flagged, sum of the exposures|180|", "|Share of their pixels|10.000%|",
          "|Flagged inside sources|45 (25.0% of all)|", "|refpix|12.3|1.5|", "|Sources|30|Extended|10|AB magnitudes|18.00 to",
          "|exposure|jumps|jw00001001001_02101_00001_nrca1|4,321|", "|✗ jump (1 of 2 failed)|"]),
    ],
)  # fmt: skip
def test_a_page_says_what_the_product_holds(page, sections, words, pages):
    html, text = read(pages[page])
    assert headings(html) == sections
    assert [one for one in words if one not in text] == []


def test_figures_are_those_of_the_usable_pixels(cal_page, products):
    _, text = cal_page
    product = models.read(products["image"])
    usable = np.isfinite(product.data) & (product.dq & (dq.DO_NOT_USE | dq.REFERENCE_PIXEL) == 0)
    values = product.data[usable].astype(float)
    scatter = 1.4826 * np.median(np.abs(values - np.median(values)))
    assert values.max() == 500
    assert f"|Median|{np.median(values):.4g} {UNIT}|Scatter (1.48 MAD)|{scatter:.3g} {UNIT}|" in text
    assert f"|Median error|{np.median(product.err[usable]):.3g} {UNIT}|Brightest pixel|500 {UNIT}|" in text
    assert f"|Usable pixels|{usable.mean():.1%}|" in text


def test_steps_are_seen_at_a_glance_and_in_detail(cal_page):
    html, text = cal_page
    assert '<li class="good" title="complete">✓ dark_sub</li>' in html, "known by its keyword alone"
    assert html.count("✓ photom</li>") == 1
    assert 'title="failed: no &lt;b&gt;&amp;&quot;$x flux">✗ flux&lt;cal&gt;</li>' in html
    assert '<li class="" title="skipped: not wanted">– idle</li>' in html
    assert "|✓ photom|builtin:photom 9.8|0.50|sigma = 7.5 (command line)|photom: photom_0001.fits|" in text
    assert "n = 1" not in text.partition("The whole record")[0], "a default is not listed"
    assert f"|✗ flux<cal>|no {ODD} flux|" in text
    assert "|Time in steps|1.5 s|" in text
    assert f"jwcal rerun '{NAME}' -o again" in text
    assert "image2 of jw00001001001_02101_00001_nrca1 with jwcal 9.8" in text


def test_the_worst_status_of_all_exposures_is_shown(tmp_path):
    page = Page("x")
    runs = [("one", "COMPLETE"), ("two", "FAILED"), ("three", "COMPLETE"), ("four", "SKIPPED")]
    made = [record("detector1", steps=[step("jump", status=status)], digest=name) for name, status in runs]
    show_steps(page, models.Meta(), [one for pair in made for one in pair])
    _, text = written(page, tmp_path)
    assert "|✗ jump (1 of 4 failed)|" in text


def test_what_a_step_called_is_told_like_a_step():
    steps = [step("clean", calls=[step("clean.fit")])]
    lines = "\n".join(story(record("detector1", steps=steps), shown=set()))
    assert re.search(r"\+ clean\.fit +else:x 1  0\.50 s\n +gain: gain_0002\.fits", lines)


def test_an_alignment_that_failed_is_told(products, tmp_path, figures):
    product = models.read(products["mosaic"])
    history = product.provenance
    history[-1]["steps"] = [history[-1]["steps"][0] | {"status": "FAILED", "reason": "too few matches"}]
    page = Page("x")
    show_findings(page, product, history)
    _, text = written(page, tmp_path)
    assert "The exposures were not aligned: too few matches." in text
    assert "|00002|00002|nrca1|87|" in text, "what was measured before it failed"


def test_residuals_and_sky_levels_are_those_of_the_record(products, figures):
    product = models.read(products["mosaic"])
    show_findings(Page("x"), product, product.provenance)
    vectors, residuals, sky = (figure.axes[0] for figure in figures)
    assert vectors.lines[0].get_xydata()[-1].tolist() == [-1.25, 0.5]
    for levels, expected in ((residuals, {"00001": 3.1, "00002": 4.2}), (sky, {"00001": 0.1, "00002": 0.2})):
        names = [label.get_text() for label in levels.get_yticklabels()]
        points = levels.collections[1].get_offsets().tolist()
        assert {names[len(names) - 1 - round(y)]: x for x, y in points} == expected


@pytest.mark.parametrize(
    ("name", "model", "words"),
    [
        ("x_cal", "MultiSlitModel", "Calibrated images of slits"),
        ("x_x1d", "MultiSpecModel", "Extracted spectra"),
        ("x", "MultiSpecModel", "Product of the type MultiSpecModel"),
    ],
)
def test_spectra_are_not_called_images(name, model, words, tmp_path):
    from astropy.io import fits

    primary = fits.PrimaryHDU()
    primary.header["DATAMODL"] = model
    fits.HDUList([primary]).writeto(tmp_path / f"{name}.fits")
    assert f"|{words}|" in text_of(tmp_path / f"{name}.fits", tmp_path)[1]


# ---- sources
def test_the_brightest_sources_are_listed_first(mosaic_page):
    html, _ = mosaic_page
    table = html[html.index("The 20 brightest") : html.index("How it was made</h2>")]
    rows = [re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", table)[1:]]
    magnitudes = [float(row[5]) for row in rows]
    assert len(rows) == 20
    assert magnitudes[0] == 18.0
    assert magnitudes == sorted(magnitudes)


def test_a_catalogue_has_a_page_of_its_own_with_all_its_magnitudes(tmp_path, figures):
    path = write_catalog(tmp_path / "field_cat.ecsv")
    html, text = text_of(path, tmp_path)
    assert headings(html) == ["Sources", "How it was made"]
    assert "no record of jwcal" in text
    table = models.read(path).table
    histogram, errors = (figure.axes[0] for figure in figures)
    for bars, kind, extended in zip(histogram.containers, ("like points", "extended"), (False, True), strict=True):
        known = np.asarray(table["aper_total_abmag"])[np.asarray(table["is_extended"]) == extended]
        edges = [*(bar.get_x() for bar in bars), bars[-1].get_x() + bars[-1].get_width()]
        expected = np.histogram(known[np.isfinite(known)], edges)[0]
        assert bars.get_label() == kind
        assert [bar.get_height() for bar in bars] == expected.tolist()
        assert expected.sum() == np.isfinite(known).sum()
    np.testing.assert_array_equal(errors.lines[0].get_xdata(), table["aper_total_abmag"][:-1])
    assert {*errors.lines[0].get_ydata()} == {0.1}


@pytest.mark.parametrize("named", [True, False])
def test_the_sources_are_circled_in_their_mosaic(named, tmp_path, figures):
    path = mosaic(tmp_path)
    if not named:
        product = models.read(path)
        product.meta.source_catalog = None
        models.write(product, path)
    report_page(path)
    table = models.read(tmp_path / "field_cat.ecsv").table
    circles = [
        line.get_xydata() for one in figures for line in one.axes[0].lines if len(line.get_xydata()) == len(table)
    ]
    np.testing.assert_allclose(circles, [np.transpose([table["xcentroid"], table["ycentroid"]])])


@pytest.mark.parametrize(
    ("magnitudes", "words"),
    [
        (np.ma.array([20.0, 21, 22], mask=[False, True, False]), "|AB magnitudes|20.00 to 22.00|"),
        (np.array([1e30, -1e30, np.inf]), "|AB magnitudes|-1"),
        (np.array(["a", "b", "c"]), "The first 3:"),
    ],
)
def test_odd_catalogues_are_told_as_they_are(magnitudes, words, tmp_path, figures):
    from astropy.table import Table

    table = Table(
        {"label": [1, 2, 3], "xcentroid": ["p", "q", "r"], "aper_total_abmag": magnitudes, "nn_dist": [1.0] * 3}
    )
    table["is_extended"] = np.ma.array([True, True, False], mask=[False, True, False])
    page = Page("x")
    show_catalog(page, models.Catalog(table))
    html, text = written(page, tmp_path)
    assert words in text
    assert "|Extended|1|" in text
    if np.ma.is_masked(magnitudes):
        assert "<td>2</td><td>q</td><td></td><td></td><td>1.0</td></tr></tbody>" in html, "it is the last, and empty"


# ---- arrays
def pixels_of(exposure, path):
    """Show the pixels of an exposure; return the text of the page."""
    page = Page("x")
    show_pixels(page, Planes(models.read(models.write(exposure, path))))
    return written(page, path.parent)[1]


def test_integrations_have_their_medians(tmp_path, figures):
    cube = tiny_cube()
    text = pixels_of(cube, tmp_path / "x_rateints.fits")
    assert "Science: first of 2 integrations, asinh stretch." in text
    assert "Median of each integration." in text
    assert "Flags of the first of 2 integrations," in text
    bad = cube.dq[0] & (dq.DO_NOT_USE | dq.REFERENCE_PIXEL) > 0
    line = figures[1].axes[0].lines[0]
    np.testing.assert_allclose(line.get_ydata(), [np.median(plane[~bad & np.isfinite(plane)]) for plane in cube.data])
    assert line.get_xdata().tolist() == [1, 2]


def test_ramps_show_what_they_gather_and_the_medians_of_their_groups(tmp_path, figures):
    ramp = tiny_ramp()
    ramp.data[:] = np.arange(32)[:, None] ** 2 + np.arange(12.0).reshape(2, 6, 1, 1)
    ramp.data[..., 3, 4] *= np.arange(6)
    text = pixels_of(ramp, tmp_path / "x_ramp.fits")
    assert "Last less first group of the first integration" in text
    assert "Median of each group." in text
    assert "of any group of the first integration," in text
    bad = ramp.pixeldq & (dq.DO_NOT_USE | dq.REFERENCE_PIXEL) > 0
    for line, groups in zip(figures[1].axes[0].lines, ramp.data, strict=True):
        np.testing.assert_allclose(line.get_ydata(), [np.median(group[~bad]) for group in groups])
    shown = figures[0].axes[0].images[0].get_array()
    assert np.unravel_index(shown.argmax(), shown.shape) == (3, 4), "light is gathered there, not lost"


def test_planes_are_those_of_the_arrays(tmp_path):
    ramp = tiny_ramp()
    ramp.groupdq[0, 2, 5, 6] = dq.JUMP_DET
    planes = Planes(models.read(models.write(ramp, tmp_path / "x_ramp.fits")))
    assert planes.count("data") == 12
    np.testing.assert_array_equal(planes.plane("data", 7), ramp.data[1, 1])
    assert planes.union("groupdq", 0, 6)[5, 6] == dq.JUMP_DET
    assert np.isnan(planes.medians("data", np.array([0]), np.ones((32, 32), bool))).all()


def test_medians_of_large_planes_say_of_how_many_rows_they_are(tmp_path, figures):
    cube = image((2, 200, 8))
    cube.data[:] = np.arange(200.0)[:, None]
    assert "Median of each integration, of 64 of 200 rows." in pixels_of(cube, tmp_path / "x_rateints.fits")
    np.testing.assert_allclose(figures[1].axes[0].lines[0].get_ydata(), 99.5, atol=2)


def test_north_and_east_are_those_of_the_header(products):
    sky = sky_of(models.read(products["image"]).meta)
    np.testing.assert_allclose(sky.north, (0.8, 0.6), atol=1e-12)
    np.testing.assert_allclose(sky.east, (-0.6, 0.8), atol=1e-12)
    assert sky.pixel == pytest.approx(0.036)
    assert sky_of(models.Meta()) is None


# ---- mistakes
@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("x_cal.fits", b"hello", "is not a FITS file .* give a FITS file"),
        ("x.json", b"{}", "not a product .* open associations"),
        ("x_cat.ecsv", b"nothing", "not an ECSV table"),
        ("none_cal.fits", None, "No such file .* check the path"),
    ],
)
def test_what_is_no_product_is_refused(name, content, expected, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=expected):
        report_page(tmp_path / name)


def test_a_reference_file_is_refused(tmp_path):
    from astropy.io import fits

    primary = fits.PrimaryHDU()
    primary.header.update({"REFTYPE": "FLAT", "DATAMODL": "FlatModel"})
    fits.HDUList([primary, fits.ImageHDU(np.ones((4, 4)), name="SCI")]).writeto(tmp_path / "flat.fits")
    with pytest.raises(BadInput, match="this is a reference file"):
        report_page(tmp_path / "flat.fits")


def test_without_matplotlib_the_cure_is_told(products, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(UsageError, match=r"pictures need matplotlib .* pip install 'jwcal\[report\]'"):
        report_page(products["image"])
