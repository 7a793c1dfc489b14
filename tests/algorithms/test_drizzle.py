"""Drizzle: against the `drizzle` package, and against what must hold for any input."""

import warnings

import numpy as np
import pytest
from drizzle.resample import Drizzle
from hypothesis import given, settings
from hypothesis import strategies as st

from jwcore.algorithms.drizzle import Mosaic, input_weight
from jwcore.algorithms.pixel_map import build_pixel_map

SHAPE = (60, 70)
OUTPUT = (140, 150)


def affine(*, rotation=0.0, scale=1.0, centre=(74.6, 70.3), curve=0.0, shape=SHAPE):
    """A map that turns and shrinks an image about its centre; `curve` bends it."""
    c, s = np.cos(np.radians(rotation)) / scale, np.sin(np.radians(rotation)) / scale

    def transform(x, y):
        u, v = x - shape[1] / 2, y - shape[0] / 2
        return c * u - s * v + curve * u * u + centre[0], s * u + c * v - curve * u * v + centre[1]

    return transform


def mapped(shape=SHAPE, **options):
    return build_pixel_map(transform=affine(shape=shape, **options), shape=shape)


def noisy(seed=1, shape=SHAPE):
    rng = np.random.default_rng(seed)
    data = rng.normal(10, 1, shape).astype(np.float32)
    variances = rng.uniform(0.5, 1.5, (3, *shape)).astype(np.float32)
    dq = np.where(rng.uniform(size=shape) < 0.02, 1, 0).astype(np.uint32)
    return data, variances, dq


def peer(data, weight, pixel_map, **options):
    """One image through the `drizzle` package."""
    kernel, pixfrac, scale = (options.get(k, v) for k, v in (("kernel", "square"), ("pixfrac", 1.0), ("scale", 1.0)))
    driz = Drizzle(kernel=kernel, out_shape=OUTPUT, fillval="NAN")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # kernels that do not conserve flux warn
        driz.add_image(
            data, exptime=1.0, pixmap=np.dstack(pixel_map.full()), weight_map=weight, pixfrac=pixfrac,
            pixel_scale_ratio=scale, iscale=1.0, dq=options.get("dq"),
        )  # fmt: skip
    return driz


@pytest.mark.parametrize(
    ("kernel", "rotation", "scale", "pixfrac", "rtol"),
    [
        ("square", 0.3, 1.0, 1.0, 3e-5),
        ("square", 30.0, 1.0, 1.0, 3e-5),
        ("square", 45.0, 0.8, 1.0, 3e-5),
        ("square", 90.0, 1.3, 0.7, 3e-5),
        ("square", 180.0, 1.0, 0.5, 3e-5),
        ("turbo", 30.0, 0.7, 0.8, 3e-6),
        ("point", 30.0, 0.7, 0.8, 3e-6),
        ("gaussian", 12.0, 0.7, 0.8, 1e-5),
    ],
)
def test_agrees_with_the_drizzle_package(kernel, rotation, scale, pixfrac, rtol):
    data, variances, dq = noisy()
    weight = input_weight(shape=SHAPE, dq=dq, bad_bits=1, variance=variances[0])
    pixel_map = mapped(rotation=rotation, scale=scale, curve=1e-5)
    mosaic = Mosaic(shape=OUTPUT, kernel=kernel, pixfrac=pixfrac, scale_ratio=scale, variances=True, context=True)
    mosaic.add(data=data, weight=weight, pixel_map=pixel_map, variances=variances)
    planes = mosaic.finish()
    options = {"kernel": kernel, "pixfrac": pixfrac, "scale": scale}
    expected = peer(data, weight, pixel_map, **options)
    covered = expected.out_wht > 0
    assert np.array_equal(planes.weight > 0, covered)
    assert np.array_equal(planes.context != 0, expected.out_ctx != 0)
    assert np.array_equal(np.isnan(planes.data), ~covered)
    np.testing.assert_allclose(planes.data[covered], expected.out_img[covered], rtol=rtol)
    np.testing.assert_allclose(planes.weight, expected.out_wht, rtol=1e-4, atol=2e-5 * planes.weight.max())
    for variance, given_variance in zip(planes.variances, variances, strict=True):
        root = peer(np.sqrt(given_variance), weight, pixel_map, **options).out_img
        np.testing.assert_allclose(variance[covered], (root[covered] / scale) ** 2, rtol=3 * rtol)


@pytest.mark.parametrize("kernel", ["lanczos2", "lanczos3"])
def test_lanczos_agrees_with_the_drizzle_package(kernel):
    data, _, _ = noisy()
    weight, pixel_map = np.ones(SHAPE, np.float32), mapped(rotation=12.0)
    mosaic = Mosaic(shape=OUTPUT, kernel=kernel)
    mosaic.add(data=data, weight=weight, pixel_map=pixel_map)
    planes, expected = mosaic.finish(), peer(data, weight, pixel_map, kernel=kernel)
    inside = expected.out_wht > 0.9
    np.testing.assert_allclose(planes.data[inside], expected.out_img[inside], rtol=2e-2)  # the package uses a table


def test_variances_of_several_inputs_combine_by_their_resampled_weights():
    scale, exposures = 0.8, [noisy(seed) for seed in range(3)]
    mosaic = Mosaic(shape=OUTPUT, scale_ratio=scale, variances=True)
    sums, weights = np.zeros((3, *OUTPUT)), np.zeros(OUTPUT)
    for k, (data, variances, dq) in enumerate(exposures):
        pixel_map = mapped(scale=scale, rotation=3.0, centre=(74.6 + 0.3 * k, 70.3 - 0.4 * k))
        weight = input_weight(shape=SHAPE, dq=dq, bad_bits=1, variance=variances[0])
        mosaic.add(data=data, weight=weight, pixel_map=pixel_map, variances=variances)
        single = [peer(np.sqrt(v), weight, pixel_map, scale=scale).out_img.astype(float) ** 2 for v in variances]
        w = np.nan_to_num(1.0 / single[0])
        weights += w
        sums += np.nan_to_num(w * w * np.array(single))
    planes = mosaic.finish()
    with np.errstate(invalid="ignore"):
        expected = sums / weights**2 / scale**2
    np.testing.assert_allclose(planes.variances, expected, rtol=2e-5)
    np.testing.assert_allclose(planes.err, np.sqrt(expected.sum(axis=0)), rtol=2e-5)


@pytest.mark.parametrize("exposure_weight", [None, 300.0])
def test_a_lone_exposure_needs_no_weights_of_variances(exposure_weight):
    data, variances, dq = noisy()
    variances[0, 20:24], variances[1, 30:34, :9], variances[2, 40:44] = 0.0, np.nan, np.inf
    weight = input_weight(shape=SHAPE, dq=dq, bad_bits=1)
    lone, general = (Mosaic(shape=OUTPUT, scale_ratio=0.8, variances=True, lone=lone) for lone in (True, False))
    for mosaic in (lone, general):
        mosaic.add(
            data=data, weight=weight, pixel_map=mapped(scale=0.8), variances=variances, exposure_weight=exposure_weight
        )
    found, expected = lone.finish(), general.finish()
    np.testing.assert_array_equal(found.data, expected.data)
    np.testing.assert_allclose(found.variances, expected.variances, rtol=1e-6)
    np.testing.assert_allclose(found.err, expected.err, rtol=1e-6)
    assert 0 < np.isnan(found.variances[2]).mean() < 1
    with pytest.raises(ValueError, match="lone"):
        lone.add(data=data, weight=weight, pixel_map=mapped())


@given(
    rotation=st.floats(0, 360), scale=st.floats(0.6, 1.6), pixfrac=st.floats(0.1, 1.0),
    kernel=st.sampled_from(["square", "turbo", "point"]),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_weight_and_flux_are_conserved(rotation, scale, pixfrac, kernel):
    data, variances, _ = noisy()
    weight = input_weight(shape=SHAPE, variance=variances[0])
    mosaic = Mosaic(shape=(260, 260), kernel=kernel, pixfrac=pixfrac, scale_ratio=scale)
    mosaic.add(data=data, weight=weight, pixel_map=mapped(rotation=rotation, scale=scale, centre=(130.1, 130.2)))
    planes = mosaic.finish(fill=0.0)
    # the turbo kernel is a square of nominal size, whatever the map does to the pixel
    np.testing.assert_allclose(planes.weight.sum(), weight.sum(), rtol=1e-5)
    np.testing.assert_allclose((planes.data * planes.weight).sum(), (data * weight).sum(), rtol=1e-5)


def test_a_constant_image_stays_constant():
    _, variances, dq = noisy()
    weight = input_weight(shape=SHAPE, dq=dq, bad_bits=1, variance=variances[0])
    mosaic = Mosaic(shape=OUTPUT)
    for rotation in (10, 55):
        mosaic.add(data=np.full(SHAPE, 7.25, np.float32), weight=weight, pixel_map=mapped(rotation=rotation))
    data = mosaic.finish().data
    np.testing.assert_allclose(data[np.isfinite(data)], 7.25, rtol=1e-6)


@pytest.mark.parametrize(("scale", "pixfrac"), [(1.0, 1.0), (0.5, 1.0), (0.5, 0.6), (1.6, 0.8)])
def test_variance_of_white_noise_is_right_on_large_scales(scale, pixfrac):
    """The noise of neighbours is correlated, but sums over large areas scatter as the variances say."""
    shape, sigma = (360, 360), 2.0
    data = np.random.default_rng(3).normal(0, sigma, shape).astype(np.float32)
    side = int(340 / scale)
    mosaic = Mosaic(shape=(side, side), pixfrac=pixfrac, scale_ratio=scale, variances=True)
    variance = np.full(shape, sigma**2, np.float32)
    pixel_map = mapped(shape, scale=scale, centre=(side / 2 + 0.3, side / 2 - 0.4))
    weight = np.ones(shape, np.float32)
    mosaic.add(data=data, weight=weight, pixel_map=pixel_map, variances=(variance, variance, None))
    planes = mosaic.finish()
    np.testing.assert_allclose(planes.variances[0], sigma**2 / scale**2, rtol=1e-5)
    n = int(20 / scale)
    blocks = planes.data[: side // n * n, : side // n * n].reshape(side // n, n, side // n, n)
    scatter = np.nanmean(blocks, axis=(1, 3)).std()
    assert scatter == pytest.approx(np.sqrt(planes.variances[0].mean() / n**2), rel=0.12)


def test_point_kernel_keeps_the_noise_of_single_pixels():
    data, _, _ = noisy()
    mosaic = Mosaic(shape=OUTPUT, pixfrac=0.0)
    mosaic.add(data=data, weight=np.ones(SHAPE, np.float32), pixel_map=mapped())
    values = mosaic.finish().data
    assert np.array_equal(np.sort(values[np.isfinite(values)]), np.sort(data, axis=None))


def test_the_number_of_threads_changes_no_bit():
    numba = pytest.importorskip("numba")
    results = []
    for threads in {1, numba.config.NUMBA_NUM_THREADS}:
        before = numba.get_num_threads()
        numba.set_num_threads(threads)
        mosaic = Mosaic(shape=OUTPUT, variances=True, context=True)
        for seed, rotation in ((1, 2.0), (2, 37.0)):
            data, variances, dq = noisy(seed)
            weight = input_weight(shape=SHAPE, dq=dq, bad_bits=1, variance=variances[0])
            mosaic.add(data=data, weight=weight, pixel_map=mapped(rotation=rotation), variances=variances)
        results.append(mosaic.finish())
        numba.set_num_threads(before)
    first, last = results[0], results[-1]
    for name in ("data", "weight", "err", "context"):
        assert getattr(first, name).tobytes() == getattr(last, name).tobytes()


def test_the_order_of_the_inputs_does_not_matter():
    results = []
    for order in ((0, 1, 2), (2, 0, 1)):
        mosaic = Mosaic(shape=OUTPUT, variances=True, context=True)
        for k in order:
            data, variances, dq = noisy(k)
            weight = input_weight(shape=SHAPE, dq=dq, bad_bits=1, variance=variances[0])
            mosaic.add(data=data, weight=weight, pixel_map=mapped(rotation=20.0 * k), variances=variances)
        results.append((order, mosaic.finish()))
    (_, a), (order, b) = results
    np.testing.assert_allclose(a.data, b.data, rtol=1e-6)
    np.testing.assert_allclose(a.err, b.err, rtol=1e-6)
    for place, k in enumerate(order):
        assert np.array_equal(a.context[0] >> k & 1, b.context[0] >> place & 1)


def test_context_continues_in_further_planes():
    mosaic = Mosaic(shape=(20, 20), context=True)
    pixel_map = mapped((10, 10), centre=(10.0, 10.0))
    for _ in range(33):
        mosaic.add(data=np.ones((10, 10), np.float32), weight=np.ones((10, 10), np.float32), pixel_map=pixel_map)
    context = mosaic.finish().context
    assert context.dtype == np.int32
    assert context[:, 10, 10].tolist() == [-1, 1]
    assert context[:, 0, 0].tolist() == [0, 0]


def test_flags_of_contributing_pixels_are_collected():
    data, variances, dq = noisy()
    dq[30:33, 30] |= 4
    dq[31, 40] |= 1 << 31
    weight = input_weight(shape=SHAPE, dq=dq, bad_bits=1, variance=variances[0])
    pixel_map = mapped(rotation=25.0)
    mosaic = Mosaic(shape=OUTPUT, dq=True)
    mosaic.add(data=data, weight=weight, pixel_map=pixel_map, dq=dq)
    assert np.array_equal(mosaic.finish().dq, peer(data, weight, pixel_map, dq=dq).out_dq)


def test_sky_limits_and_nan_pixels():
    data = np.full(SHAPE, 5.0, np.float32)
    data[20, 20] = np.nan
    mosaic = Mosaic(shape=OUTPUT)
    mosaic.add(
        data=data, weight=np.ones(SHAPE, np.float32), pixel_map=mapped(), sky=1.5, limits=(0, SHAPE[0], 4, SHAPE[1] - 4)
    )
    planes = mosaic.finish()
    np.testing.assert_allclose(planes.data[planes.weight > 0], 3.5, rtol=1e-6)
    assert planes.weight.sum() == pytest.approx(SHAPE[0] * (SHAPE[1] - 8) - 1, rel=1e-6)


def test_pixels_across_the_border_of_the_mosaic_keep_their_weight():
    """The `drizzle` package drops part of the weight of pixels that reach beyond the border; here nothing is lost."""
    mosaic = Mosaic(shape=(20, 20))
    mosaic.add(data=np.ones(SHAPE, np.float32), weight=np.ones(SHAPE, np.float32), pixel_map=mapped(centre=(10.3, 9.6)))
    planes = mosaic.finish()
    np.testing.assert_allclose(planes.weight, 1.0, rtol=1e-5)


def test_an_image_beside_the_mosaic_counts_as_an_input():
    mosaic = Mosaic(shape=OUTPUT, context=True)
    for centre in ((1000.0, 0.0), (70.0, 70.0)):
        mosaic.add(data=np.ones(SHAPE, np.float32), weight=np.ones(SHAPE, np.float32), pixel_map=mapped(centre=centre))
    assert set(np.unique(mosaic.finish().context)) == {0, 2}


def test_tiny_variances_do_not_overflow():
    data = np.ones(SHAPE, np.float32)
    variance = np.full(SHAPE, 1e-24, np.float32)
    mosaic = Mosaic(shape=OUTPUT, variances=True)
    weight = input_weight(shape=SHAPE, variance=variance)
    for _ in range(2):
        mosaic.add(data=data, weight=weight, pixel_map=mapped(), variances=(variance, variance, variance))
    planes = mosaic.finish()
    np.testing.assert_allclose(planes.variances[0][60:80, 60:80], 0.5e-24, rtol=1e-5)


def test_input_weight():
    variance = np.array([[4.0, 0.0, np.nan, -1.0, np.inf, 1e-42, 2.0]], np.float32)
    dq = np.array([[0, 0, 0, 0, 0, 0, 513]], np.uint32)
    shape = variance.shape
    assert input_weight(shape=shape, dq=dq, bad_bits=1, variance=variance).tolist() == [[0.25, 0, 0, 0, 0, 0, 0]]
    assert input_weight(shape=shape, dq=dq, bad_bits=2, constant=3.0).tolist() == [[3.0] * 7]
    assert input_weight(shape=shape, variance=variance[:, :2]).tolist() == [[1.0] * 7]
