import numpy as np
import pytest

from jwcore.algorithms.flicker_auto import LIMITS, Choice, Figures, choose, choose_parameters, mean_image, measure
from jwcore.algorithms.readout import ReadoutLayout

SHAPE = (256, 512)


def field(*, offsets=(0, 0, 0, 0), slope=0.0, sources=0, seed=1):
    """Background 5 with noise 0.5, four channels along x, and bright squares."""
    rng = np.random.default_rng(seed)
    image = 5 + rng.normal(0, 0.5, SHAPE) + np.repeat(offsets, SHAPE[1] // 4) + slope * np.arange(SHAPE[0])[:, None]
    image += rng.normal(0, 0.3, (SHAPE[0], 1))
    for _ in range(sources):
        y, x = rng.integers(0, SHAPE[0] - 8), rng.integers(0, SHAPE[1] - 8)
        image[y : y + 8, x : x + 8] += 100
    return image.astype("f4")


def layout(fastaxis=1, slowaxis=2, shape=SHAPE):
    return ReadoutLayout(fastaxis, slowaxis, shape, detector_shape=shape)


def test_truth_figures():
    image = field(offsets=(0, 0.3, 0.15, 0.06), sources=60)
    found = measure(image, layout=layout(), channels=4, scatter_of="fast")
    assert found.offset == pytest.approx(0.3, abs=0.05)
    assert found.masked == pytest.approx(60 * 64 / image.size, abs=0.06)
    sloping = measure(field() + np.linspace(0, 2, 512, dtype="f4"), layout=layout(), channels=4, scatter_of="fast")
    assert sloping.slope == pytest.approx(2 / 511, rel=0.05)
    assert sloping.slope_ratio > 5
    assert found.scatter > 1.5 * sloping.scatter


def test_figures_follow_the_read_out():
    image = field(offsets=(0, 0.3, 0.15, 0.06), sources=20)
    for scatter_of in ("fast", "slow"):
        plain = measure(image, layout=layout(), channels=4, scatter_of=scatter_of)
        turned = measure(
            np.ascontiguousarray(image[::-1, ::-1].T),
            layout=layout(-2, -1, SHAPE[::-1]),
            channels=4,
            scatter_of=scatter_of,
        )
        for name in ("masked", "offset", "slope", "scatter"):
            assert getattr(turned, name) == pytest.approx(getattr(plain, name), rel=1e-2)


def figures(**changed):
    return Figures(**{"masked": 0.0, "offset": 0.0, "slope": 0.0, "slope_ratio": 1.0, "scatter": 0.0} | changed)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, Choice("median", by_channel=False)),
        ({"offset": 0.1}, Choice("median", by_channel=True)),
        ({"offset": 0.1, "slope": 1.0}, Choice("median", by_channel=True)),
        ({"slope": 2e-5}, Choice("model", by_channel=False)),
        ({"slope": 2e-5, "slope_ratio": 9.0}, Choice("median", by_channel=False)),
        ({"slope": 2e-4, "slope_ratio": 9.0}, Choice("model", by_channel=False)),
        ({"offset": 0.01, "scatter": 0.03}, Choice("median", by_channel=True)),
        ({"masked": 0.2, "offset": 0.1}, Choice("median", by_channel=False)),
        ({"masked": 0.2, "slope": 2e-5}, Choice("model", by_channel=False)),
        ({"masked": 0.2, "offset": 0.1, "slope": 2e-5}, Choice("median", by_channel=False)),
    ],
)
def test_decisions(changed, expected):
    assert choose(figures(**changed), LIMITS["NIRISS"]) == expected


def test_whole_way():
    chosen = choose_parameters(field(offsets=(0, 1, 0, 1)), layout=layout(), limits=LIMITS["NIRCAM"], channels=4)
    assert chosen == Choice("median", by_channel=True)
    sloping = field(slope=0.01) + np.linspace(0, 2, 512, dtype="f4")
    assert choose_parameters(sloping, layout=layout(), limits=LIMITS["NIRISS"], channels=4).background in (
        "model",
        "median",
    )


def test_nan_does_not_spoil_the_figures():
    image = field()
    image[:4], image[:, :4] = np.nan, np.nan
    found = measure(image, layout=layout(), channels=4, scatter_of="fast")
    assert np.isfinite(list(vars(found).values())).all()


def test_a_line_read_by_one_amplifier_has_no_offsets():
    found = measure(field(offsets=(0, 0.3, 0.15, 0.06)), layout=layout(), channels=1, scatter_of="slow")
    assert found.offset == 0
    assert not choose(found, LIMITS["NIRISS"]).by_channel


def test_a_pixel_lost_in_one_integration_keeps_its_other_values():
    images = np.stack([np.full((2, 2), value, np.float32) for value in (1, 3)])
    images[0, 0, 0] = images[:, 1, 1] = np.nan
    mean = mean_image(images)
    assert mean.dtype == np.float32
    np.testing.assert_array_equal(mean, [[3, 2], [2, np.nan]])
