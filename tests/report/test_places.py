"""Where pages go, what keeps them from going there, and what the command says of it."""

import os

import pytest
from click.testing import CliRunner

from jwcore.cli import root
from jwcore.errors import BadInput, UsageError
from jwcore.report.page import Page
from jwcore.report.places import places_of
from tests.report._products import write_catalog


@pytest.fixture
def folder(tmp_path):
    """A folder with a file of somebody else, a page of ours, and folders."""
    (tmp_path / "notes.html").write_text("<html>mine</html>")
    Page("x").write(tmp_path / "ours.html")
    (tmp_path / "plain").write_text("")
    for name in ("dir.html", "products", "empty"):
        (tmp_path / name).mkdir()
    for name in ("b_cat.ecsv", "a_cal.fits", "a_asn.json", "notes.fits"):
        (tmp_path / "products" / name).write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("products", "output", "expected"),
    [
        (["x_cal.fits"], None, ["x_cal_report.html"]),
        (["x_cal.fits", "y_cal.fits", "./x_cal.fits"], "d/e", ["d/e/x_cal_report.html", "d/e/y_cal_report.html"]),
        (["x_cal.fits"], "y.html", ["y.html"]),
        (["x_cal.fits"], "ours.html", ["ours.html"]),
        (["x_cal.fits"], "dir.html", ["dir.html/x_cal_report.html"]),
        (["products"], None, ["products/a_cal_report.html", "products/b_cat_report.html"]),
    ],
)
def test_pages_go_beside_their_products_or_where_they_are_wanted(products, output, expected, folder):
    places = places_of([folder / one for one in products], output and folder / output)
    assert [*places.values()] == [folder / place for place in expected]


@pytest.mark.parametrize(
    ("products", "output", "message"),
    [
        (["x_cal.fits", "y_cal.fits"], "y.html", "do not fit into one file .* -o DIR"),
        (["a/x_cal.fits", "b/x_cal.fits"], "d", "would have the same page .* one by one"),
        (["x_cat.fits", "x_cat.ecsv"], None, "would have the same page"),
        (["x_cal.fits"], "notes.html", "no page of jwcal, and is not replaced .* another name"),
        (["x_cal.fits"], "plain", "a file, not a folder .* -o DIR"),
        (["x_cal.fits"], "plain/y.html", "a file, not a folder"),
    ],
)
def test_what_cannot_be_written_is_told_before_anything_is_drawn(products, output, message, folder):
    with pytest.raises(UsageError, match=message):
        places_of([folder / one for one in products], output and folder / output)


def test_a_folder_without_products_is_refused(folder):
    with pytest.raises(BadInput, match="no product is in this folder"):
        places_of([folder / "empty"], None)


@pytest.mark.parametrize("show", [False, True])
def test_one_bad_file_does_not_keep_the_others_from_their_pages(show, tmp_path, monkeypatch, figures):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    odd = tmp_path / os.fsdecode(b"bad\xff_cal.fits")
    odd.write_bytes(b"")
    good = write_catalog(tmp_path / "x_cat.ecsv").rename(tmp_path / os.fsdecode(b"x\xff_cat.ecsv"))
    options = ["-o", str(tmp_path / "new"), *(["--open"] if show else [])]
    done = CliRunner().invoke(root, ["report", str(odd), str(good), *options])
    page = tmp_path / "new" / f"{good.stem}_report.html"
    assert done.exit_code == BadInput.exit_code
    assert done.stdout == f"{tmp_path}/new/x\ufffd_cat_report.html\n"
    assert done.stderr.startswith("error: the file is empty")
    assert "<h1>x?_cat.ecsv</h1>" in page.read_text()
    assert opened == ([page.resolve().as_uri()] if show else [])
