"""What the report of a product says, and whether it is what the product holds."""

import base64
import io
import re

import numpy as np
import pytest
from click.testing import CliRunner

from jwcore import models
from jwcore.algorithms import dq
from jwcore.cli import root
from jwcore.errors import BadInput, UsageError
from jwcore.report import pictures
from jwcore.report.findings import show_findings
from jwcore.report.page import Page
from jwcore.report.planes import Planes
from jwcore.report.previews import sky_of
from jwcore.report.product import report_page, report_path
from jwcore.testing import tiny_ramp
from jwcore.testing.exposures import tiny_cube
from tests.report._products import calibrated, mosaic, write_catalog


def read(page):
    """Return a page, and its text without tags and drawings; cells are separated by |."""
    html = page.read_text(encoding="utf-8")
    body = re.sub(r"<svg.*?</svg>", "", html[html.index("<body>") :], flags=re.DOTALL)
    return html, re.sub(r"\|+", "|", re.sub(r"<[^>]+>", "|", body))


def text_of(path, folder):
    return read(report_page(path).write(folder / "page.html"))


def headings(html):
    return re.findall(r"<h2>(.*?)</h2>", html)


def drawn_image(svg):
    """Decode the first image in a drawing."""
    return as_pixels(base64.b64decode(re.findall(r'base64,\s*([^"]*)"', svg)[0]))


def as_pixels(png):
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


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


def test_a_calibrated_image_shows_what_it_is_its_pixels_and_its_flags(cal_page):
    html, text = cal_page
    assert headings(html) == ["Image", "Flags", "How it was made"]
    for words in ("|Calibrated image · NIRCAM F200W|", "|NIRCAM / NRCA1|", "|120.0 s|", "|48 × 40, 0.036″ a pixel|"):
        assert words in text
    assert "|SATURATED|3|0.156%|" in text
    assert "|OUTLIER|5|0.260%|" in text
    assert "|DO_NOT_USE|5|" in text
    assert "|JUMP_DET|0|" in text
    assert "|REFERENCE_PIXEL|1|" in text
    assert "|99.5% of the pixels have no flag" in text


def test_steps_are_seen_at_a_glance_and_in_detail(cal_page):
    html, text = cal_page
    assert '<li class="good" title="complete">✓ dark_sub</li>' in html, "known by its keyword alone"
    assert html.count("✓ photom</li>") == 1
    assert '<li class="bad" title="failed: no &amp; flux">✗ flux&lt;cal&gt;</li>' in html
    assert "|✓ photom|builtin:photom 9.8|0.50|sigma = 7.5 (command line)|photom: photom_0001.fits|" in text
    assert "n = 1" not in text.partition("The whole record")[0], "a default is not listed"
    assert "|✗ flux&lt;cal&gt;|no &amp; flux|" in text
    assert "jwcal rerun jw00001001001_02101_00001_nrca1_cal.fits -o again" in text
    assert "image2 of jw00001001001_02101_00001_nrca1 with jwcal 9.8" in text


def test_a_mosaic_shows_what_stage_three_found(mosaic_page):
    html, text = mosaic_page
    assert headings(html) == ["Image", "Alignment", "Sky", "Outliers", "Detectors", "Sources", "How it was made"]
    assert "|Mosaic of 2 exposures ·" in text
    assert "Exposures in each pixel: up to 2." in text
    assert "|00001|00001|nrca1|0|0.50|4.20|reference|" in text
    assert "|00002|00002|nrca1|87|-1.25|0.50|4.20|aligned|" in text
    assert "|Levels|0.1 to 0.2 MJy/sr|" in text
    assert "|Pixels flagged in all exposures|180|" in text
    assert "|Share of all pixels|10.000%|" in text
    assert "|Flagged inside sources|45 (25.0% of all)|" in text
    assert "|refpix|12.3|1.5|" in text
    assert "|exposure|jumps|jw00001001001_02101_00001_nrca1|4,321|" in text


def test_the_brightest_sources_are_listed_first(mosaic_page):
    html, text = mosaic_page
    assert "|Sources|30|Extended|10|AB magnitudes|18.00 to 26.00|" in text
    table = html[html.index("The 20 brightest") : html.index("How it was made</h2>")]
    rows = [re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", table)[1:]]
    magnitudes = [float(row[5]) for row in rows]
    assert len(rows) == 20
    assert magnitudes[0] == 18.0
    assert magnitudes == sorted(magnitudes)


def test_a_catalogue_has_a_page_of_its_own(tmp_path):
    html, text = text_of(write_catalog(tmp_path / "field_cat.ecsv"), tmp_path)
    assert headings(html) == ["Sources", "How it was made"]
    assert "no record of jwcal" in text


@pytest.mark.parametrize(
    ("make", "name", "first", "caption", "which"),
    [
        (tiny_cube, "x_rateints", "Image", "Median of each integration.", "Flags of the first of 2 integrations,"),
        (tiny_ramp, "x_ramp", "Ramps", "Median of each group.", "of any group of the first integration,"),
    ],
)
def test_integrations_and_groups_have_their_medians(make, name, first, caption, which, tmp_path):
    html, text = text_of(models.write(make(), tmp_path / f"{name}.fits"), tmp_path)
    assert headings(html) == [first, "Flags", "How it was made"]
    assert caption in text
    assert which in text


def test_an_alignment_that_failed_is_told(tmp_path):
    product = models.read(mosaic(tmp_path))
    history = product.provenance
    history[-1]["steps"] = [history[-1]["steps"][0] | {"status": "FAILED", "reason": "too few matches"}]
    page = Page("x")
    show_findings(page, product, history)
    _, text = read(page.write(tmp_path / "page.html"))
    assert "The exposures were not aligned: too few matches." in text
    assert "|00002|00002|nrca1|87|" in text, "what was measured before it failed"


# ---- arrays
def test_planes_and_medians_are_those_of_the_arrays(tmp_path):
    ramp = tiny_ramp()
    ramp.groupdq[0, 2, 5, 6] = dq.JUMP_DET
    planes = Planes(models.read(models.write(ramp, tmp_path / "x_ramp.fits")))
    assert planes.count("data") == 12
    np.testing.assert_array_equal(planes.plane("data", 7), ramp.data[1, 1])
    assert planes.union("groupdq", 0, 6)[5, 6] == dq.JUMP_DET
    bad = np.zeros((32, 32), bool)
    bad[:, :30] = True
    ramp.data[..., 30:] = np.arange(12).reshape(2, 6, 1, 1)
    planes = Planes(models.read(models.write(ramp, tmp_path / "y_ramp.fits")))
    np.testing.assert_array_equal(planes.medians("data", np.array([3, 11]), bad), [3, 11])
    assert np.isnan(planes.medians("data", np.array([0]), ~bad | bad)).all()


def test_north_and_east_are_those_of_the_header(tmp_path):
    sky = sky_of(models.read(calibrated(tmp_path)).meta)
    np.testing.assert_allclose(sky.north, (0.8, 0.6), atol=1e-12)
    np.testing.assert_allclose(sky.east, (-0.6, 0.8), atol=1e-12)
    assert sky.pixel == pytest.approx(0.036)
    assert sky_of(models.Meta()) is None


def test_flagged_pixels_have_the_colours_of_their_flags():
    flags = np.zeros((20, 30), np.uint32)
    flags[2:4, 5:7] = dq.SATURATED
    flags[10, 20] = dq.JUMP_DET | dq.SATURATED
    colours = {dq.JUMP_DET: "#56b4e9", dq.SATURATED: "#f0e442"}
    figure = pictures.flagged(np.ones((20, 30)), flags, colours)
    shown = drawn_image(pictures.svg(figure))
    yellow = np.argwhere((shown == (0xF0, 0xE4, 0x42)).all(axis=2))
    assert {tuple(map(int, place)) for place in yellow} == {(2, 5), (2, 6), (3, 5), (3, 6), (10, 20)}
    screen = as_pixels(pictures.png(figure))
    rows, columns = np.nonzero((screen == (0xF0, 0xE4, 0x42)).all(axis=2))
    assert rows.mean() > 0.6 * screen.shape[0], "the first row is the lowest"
    assert columns.mean() < 0.5 * screen.shape[1]


def test_an_image_with_a_palette_is_the_same_image(monkeypatch):
    figure = pictures.image(np.random.default_rng(1).normal(0, 1, (60, 50)))
    packed = pictures.svg(figure)
    monkeypatch.setattr(pictures, "PALETTE", 1)
    plain = pictures.svg(figure)
    assert len(packed) < 0.7 * len(plain)
    np.testing.assert_array_equal(drawn_image(packed), drawn_image(plain))


def test_the_bar_of_an_image_gives_values_back():
    stretch = pictures.stretch_of(np.random.default_rng(1).normal(5, 2, (50, 50)))
    for value in np.linspace(stretch.low, stretch.top, 7):
        assert stretch.value(stretch.fraction(value)) == pytest.approx(value)


def test_large_images_are_drawn_of_some_hundred_points():
    array = np.random.default_rng(2).normal(1, 0.1, (200, 5000))
    flags = np.zeros(array.shape, np.uint32)
    flags[100, 2500] = dq.OUTLIER
    for figure in (pictures.image(array), pictures.flagged(array, flags, {dq.OUTLIER: "#ff5fc4"})):
        shown = drawn_image(pictures.svg(figure))
        assert shown.shape[:2] == (33, 833)
    assert (shown.max(axis=2) != shown.min(axis=2)).sum() == 1, "a flagged pixel is seen among 36"


# ---- mistakes and places
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


def test_without_matplotlib_the_cure_is_told(tmp_path, monkeypatch):
    path = calibrated(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(UsageError, match=r"pictures need matplotlib .* pip install 'jwcal\[report\]'"):
        report_page(path)


def test_pages_go_beside_their_products_or_where_they_are_wanted(tmp_path):
    product = tmp_path / "x_cal.fits"
    assert report_path(product, None, alone=True) == tmp_path / "x_cal_report.html"
    assert report_path(product, tmp_path / "d", alone=False) == tmp_path / "d" / "x_cal_report.html"
    assert report_path(product, tmp_path / "y.html", alone=True) == tmp_path / "y.html"
    with pytest.raises(UsageError, match="-o DIR"):
        report_path(product, tmp_path / "y.html", alone=False)


@pytest.mark.parametrize("show", [False, True])
def test_the_browser_is_opened_only_when_asked_for(show, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    path = write_catalog(tmp_path / "x_cat.ecsv")
    done = CliRunner().invoke(root, ["report", str(path), "-o", str(tmp_path / "new"), *(["--open"] if show else [])])
    page = tmp_path / "new" / "x_cat_report.html"
    assert (done.exit_code, done.output) == (0, f"{page}\n")
    assert opened == ([page.resolve().as_uri()] if show else [])
