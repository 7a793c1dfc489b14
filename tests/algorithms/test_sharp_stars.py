"""Stars and cosmic rays, told apart by the flux around them."""

import numpy as np

from jwcore.algorithms.sharp_stars import box_error, box_mean, keep_stars


def star(dy, dx, *, flux=1000.0, shape=(11, 11)):
    """A star narrower than a pixel, at the centre of the image but for an offset, integrated over the pixels."""
    from scipy.special import erf

    def share(n, centre):
        edges = (np.arange(n + 1) - 0.5 - centre) / (np.sqrt(2) * 0.4)
        return np.diff(0.5 * erf(edges))

    return (flux * np.outer(share(shape[0], 5 + dy), share(shape[1], 5 + dx))).astype(np.float32)


def judged(data, *, model, sums=None):
    """Outlier or not at the centre, where the usual search found one."""
    ones, zeros = np.ones_like(data), np.zeros_like(data)
    typical = box_mean(model, weight=ones, replacement=zeros)
    excess = box_mean(data, weight=ones, replacement=zeros) - typical if sums is None else sums
    outliers = np.zeros(data.shape, bool)
    outliers[5, 5] = True
    keep_stars(outliers, data=data, err=0.5 * ones, model=model, excess=excess, typical=typical)
    assert outliers.sum() == outliers[5, 5]
    return bool(outliers[5, 5])


def test_a_star_that_fell_differently_is_kept():
    sharp, smooth = star(0, 0), star(0.5, 0.5)
    assert sharp[5, 5] > 2 * smooth[5, 5]
    assert not judged(sharp, model=(smooth + smooth[::-1, ::-1]) / 2)
    assert not judged((smooth + sharp) / 2, model=sharp)


def test_a_cosmic_ray_on_a_star_is_not():
    hit, smooth = star(0, 0), (star(0.5, 0.5) + star(-0.5, -0.5)) / 2
    hit[5, 5] += 500
    assert judged(hit, model=smooth)


def test_nothing_is_kept_on_empty_sky():
    rng = np.random.default_rng(1)
    sky = rng.normal(0, 0.2, (11, 11)).astype(np.float32)
    hit = sky.copy()
    hit[5, 5] = 5.0
    assert judged(hit, model=sky, sums=np.zeros_like(sky))


def test_where_the_flux_is_unknown_the_slope_decides():
    sharp, smooth = star(0, 0), star(0.5, 0.5)
    unknown = np.full_like(sharp, np.nan)
    assert not judged(sharp, model=smooth, sums=unknown)
    assert judged(sharp, model=smooth / 20, sums=unknown)


def test_box_mean_fills_bad_pixels_and_leaves_out_the_border():
    image, replacement = np.ones((5, 6), np.float32), np.full((5, 6), 10, np.float32)
    weight = np.ones_like(image)
    image[1, 1], weight[3, 4], replacement[3, 4] = np.nan, 0, np.nan
    means = box_mean(image, weight=weight, replacement=replacement)
    assert np.isnan(means[[0, -1]]).all()
    assert np.isnan(means[:, [0, -1]]).all()
    np.testing.assert_allclose(means[1:4, 1:5], [[2, 2, 1, 1], [2, 2, np.nan, np.nan], [1, 1, np.nan, np.nan]])


def test_a_box_with_three_bad_pixels_has_no_mean():
    image = np.ones((5, 5), np.float32)
    image[1, 1:3] = np.nan
    assert box_mean(image, weight=np.ones_like(image), replacement=2 * np.ones_like(image))[2, 2] == np.float32(11 / 9)
    image[3, 3] = np.nan
    assert np.isnan(box_mean(image, weight=np.ones_like(image), replacement=2 * np.ones_like(image))[2, 2])


def test_box_error_is_that_of_a_mean_of_nine():
    err = np.full((3, 3), 3.0, np.float32)
    assert box_error(err)[1, 1] == 1.0
    err[0, 0] = np.nan
    np.testing.assert_allclose(box_error(err)[1, 1], np.sqrt(8 * 9) / 9, rtol=1e-6)
