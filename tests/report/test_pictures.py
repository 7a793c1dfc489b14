"""Whether drawings show what the arrays hold, where it is, and with the right values beside them."""

import base64
import io
import re

import numpy as np
import pytest
from matplotlib.patches import Circle
from PIL import Image

from jwcore.algorithms import dq
from jwcore.report import figures, pictures, plots
from jwcore.report.figures import svg
from jwcore.report.page import Page
from jwcore.report.pictures import Sky
from jwcore.report.stretch import linear_stretch, stretch_of
from jwcore.report.words import share
from tests.report._products import UNIT


def drawn_images(drawing):
    """Decode the images of an SVG as they are seen: the first row of each is its lowest."""
    found = re.findall(r'<image xlink:href="[^,]*,\s*([^"]*)"([^>]*)', drawing)
    images = []
    for content, attributes in found:
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB"))
        upwards = re.search(r"matrix\([^ ]* 0 0 -", attributes)
        images.append(pixels if upwards else pixels[::-1])
    return images


def ticks_of(drawing):
    """Return the figures below the bar of an image, and where they are along it (0...1)."""
    texts = re.findall(r'<text[^>]* x="([^"]*)"[^>]*>([-−.\d]+)</text>', drawing)
    left, width = map(
        float, re.findall(r'<image [^>]*transform="scale[^>]* x="([^"]*)"[^>]* width="([^"]*)"', drawing)[0]
    )
    return [(float(text.replace("−", "-")), (float(x) - left) / width) for x, text in texts]


def as_seen(array, **options):
    """Draw an image; return its pixels, its bar and the ticks of that."""
    drawing = svg(pictures.image(array, **options))
    image, bar = drawn_images(drawing)
    return image.sum(axis=2, dtype=int), bar.sum(axis=2, dtype=int)[0], ticks_of(drawing)


# ---- images
@pytest.mark.parametrize("linear", [False, True])
def test_the_bar_tells_the_values_of_the_pixels(linear):
    y, x = np.indices((40, 60))
    array = 3.0 + y**2 + 0.01 * x
    array[35, 4] = 1600
    seen, bar, ticks = as_seen(array, linear=linear, label=UNIT)
    assert np.unravel_index(seen.argmax(), seen.shape) == (35, 4)
    assert np.unravel_index(seen[:, 5:].argmin(), (40, 55))[0] == 0, "the first row is the lowest"
    assert len(ticks) >= 4
    for value, place in ticks:
        nearest = np.unravel_index(np.abs(array - value).argmin(), array.shape)
        assert abs(seen[nearest] - bar[round(place * (bar.size - 1))]) < 0.06 * bar.max()


def test_a_linear_bar_begins_at_zero_and_tells_whole_numbers_where_they_are():
    array = np.full((20, 20), 4.0)
    array[:5] = 1
    _, _, ticks = as_seen(array, linear=True, whole=True)
    assert [value for value, _ in ticks] == [0, 1, 2, 3, 4]
    np.testing.assert_allclose([place for _, place in ticks], np.linspace(0, 1, 5), atol=0.02)


@pytest.mark.parametrize(("value", "linear"), [(0, False), (7, False), (0, True)])
def test_an_array_of_one_value_has_that_value_alone_at_its_bar(value, linear):
    _, _, ticks = as_seen(np.full((9, 9), float(value)), linear=linear)
    assert ticks == [(value, pytest.approx(0.5, abs=0.02))]


def test_sources_among_zeros_are_seen_however_faint_they_are():
    array = np.zeros((50, 50))
    array[10, 10:15] = [1, 3, 10, 30, 100]
    shades = stretch_of(array).fraction(array)
    assert shades[0, 0] == 0
    assert np.diff(shades[10, 9:14]).min() > 0.01
    np.testing.assert_allclose(stretch_of(1e-6 * array).fraction(1e-6 * array), shades)


@pytest.mark.parametrize("array", [np.array([[1.0, 2.0], [5.0, np.nan]]), np.arange(400.0).reshape(20, 20) ** 2])
def test_a_stretch_never_goes_beyond_the_values_and_can_be_undone(array):
    for stretch in (stretch_of(array), linear_stretch(array)):
        assert min(0, np.nanmin(array)) <= stretch.low < stretch.top <= np.nanmax(array)
        for value in np.linspace(stretch.low, stretch.top, 7):
            assert stretch.value(stretch.fraction(value)) == pytest.approx(value)


def test_bars_end_in_arrows_where_there_are_values_beyond():
    array = np.random.default_rng(1).normal(0, 1, (50, 50))
    array[3, 3] = 1e5
    assert pictures.image(array).axes[0].images[0].colorbar.extend == "both"
    assert pictures.image(array, linear=True).axes[0].images[0].colorbar.extend == "neither"
    assert pictures.image(np.maximum(array, -1)).axes[0].images[0].colorbar.extend == "max"


def test_north_east_scale_and_circles_are_where_they_belong():
    sky = Sky(north=(0.8, 0.6), east=(-0.6, 0.8), pixel=0.1)
    figure = pictures.image(np.ones((80, 101)), points=50, sky=sky, marks=(np.array([21.0]), np.array([41.0])))
    axis = figure.axes[0]
    circles, scale = (line.get_xydata() for line in axis.lines)
    np.testing.assert_allclose(circles, [(10.25, 20.25)], err_msg="two pixels are one point")
    arrows = [text for text in axis.texts if getattr(text, "arrow_patch", None)]
    letters = {text.get_text(): np.array(text.get_position()) for text in axis.texts if text not in arrows}
    for name, direction, arrow in zip("NE", (sky.north, sky.east), arrows, strict=True):
        tip, tail = np.array(arrow.xy), np.array(arrow.get_position())
        np.testing.assert_allclose((tip - tail) / np.hypot(*(tip - tail)), direction)
        np.testing.assert_allclose((letters[name] - tip) / np.hypot(*(letters[name] - tip)), direction)
    length = next(float(text.removesuffix("″")) for text in letters if text.endswith("″"))
    assert np.ptp(scale[:, 0]) * 0.2 == pytest.approx(length)


def test_every_pixel_of_a_large_image_is_drawn():
    array = np.zeros((203, 5000), np.float32)
    array[-1] = 1
    array[:, -1] = 1
    array[7, 7] = np.nan
    shown = pictures.binned(array)
    assert shown.shape == (34, 834), "blocks of six"
    assert shown[-1, 0] == pytest.approx(1 / 5)
    assert shown[0, -1] == pytest.approx(1 / 2)
    assert np.count_nonzero(shown[:-1, :-1]) == 0
    flags = np.zeros(array.shape, np.uint32)
    flags[100, 2500] = dq.OUTLIER
    seen = drawn_images(svg(pictures.flagged(array, flags, {dq.OUTLIER: "#ff5fc4"})))[0]
    assert seen.shape[:2] == (34, 834)
    coloured = np.argwhere(seen.max(axis=2) != seen.min(axis=2))
    assert coloured.tolist() == [[16, 416]], "a flagged pixel is seen among 36"


def test_flagged_pixels_have_the_colours_of_their_flags():
    flags = np.zeros((20, 30), np.uint32)
    flags[2:4, 5:7] = dq.SATURATED
    flags[10, 20] = dq.JUMP_DET | dq.SATURATED
    colours = {dq.JUMP_DET: "#56b4e9", dq.SATURATED: "#f0e442"}
    seen = drawn_images(svg(pictures.flagged(np.ones((20, 30)), flags, colours)))[0]
    yellow = np.argwhere((seen == (0xF0, 0xE4, 0x42)).all(axis=2))
    assert yellow.tolist() == [[2, 5], [2, 6], [3, 5], [3, 6], [10, 20]]


# ---- plots
def test_vectors_point_to_their_offsets_and_east_is_left():
    figure = plots.vectors(np.array([3.0, 0.0]), np.array([1.0, -2.0]), np.array([0.5, np.nan]), ["a", "b"], unit="mas")
    axis = figure.axes[0]
    ends = [line.get_xydata()[-1].tolist() for line in axis.lines if len(line.get_xydata()) == 2][:2]
    assert ends == [[3, 1], [0, -2]]
    circles = [(one.center, one.radius) for one in axis.patches if isinstance(one, Circle)]
    assert circles == [((3, 1), 0.5), ((0, -2), 0)]
    (centre, _), (east, _), (_, north) = (axis.transData.transform(place) for place in ((0, 0), (1, 0), (0, 1)))
    assert east < centre
    assert north > axis.transData.transform((0, 0))[1]


def test_levels_stand_beside_their_names():
    axis = plots.levels(["first", "second"], np.array([1.0, 2.0]), xlabel="sky", notes=["one", "two"]).axes[0]
    names = {place: label.get_text() for place, label in zip(axis.get_yticks(), axis.get_yticklabels(), strict=True)}
    points = axis.collections[1].get_offsets()
    assert {names[y]: x for x, y in points} == {"first": 1, "second": 2}
    assert {note.get_text(): note.xy[0] for note in axis.texts} == {"one": 1, "two": 2}


def test_errors_on_a_logarithmic_axis_have_plain_figures():
    panel = {"x": np.arange(3.0), "y": np.array([0.001, 0.01, 0.1]), "logy": True, "xlabel": "m", "ylabel": "error"}
    assert {"0.01", "0.1"} <= {*re.findall(r">([^<>]*)</text>", svg(plots.scatter([panel])))}


# ---- SVG
def test_texts_are_shown_as_they_are():
    drawing = svg(pictures.image(np.arange(12.0).reshape(3, 4), label=f"{UNIT} & <b>"))
    assert f">{UNIT} &amp; &lt;b&gt;</text>" in drawing


def test_an_image_with_a_palette_is_the_same_image(monkeypatch):
    figure = pictures.image(np.random.default_rng(1).normal(0, 1, (60, 50)))
    packed = svg(figure)
    monkeypatch.setattr(figures, "PALETTE", 1)
    plain = svg(figure)
    assert len(packed) < 0.7 * len(plain)
    np.testing.assert_array_equal(drawn_images(packed)[0], drawn_images(plain)[0])


def test_a_page_is_the_same_each_time(tmp_path):
    written = []
    figure = plots.curves(np.arange(3), {"a": np.arange(3), "b": np.ones(3)}, xlabel="x", ylabel="y")
    for name in "ab":
        page = Page("x")
        page.pictures((svg(figure), "y") for _ in range(2))
        written.append(page.write(tmp_path / name).read_bytes())
    assert written[0] == written[1]


# ---- words
@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(9, 10**6, "<0.1%"), (10**6 - 9, 10**6, ">99.9%"), (0, 5, "0.0%"), (5, 5, "100.0%"), (1, 3, "33.3%")],
)
def test_shares_stay_true_when_rounded(part, whole, text):
    assert share(part, whole) == text
