import numpy as np
import pytest

from jwcore.algorithms.alignment import (
    AlignImage,
    AlignmentError,
    AlignSettings,
    Positions,
    align_relative,
    align_to_catalog,
    corner_shift,
)
from jwcore.algorithms.tangent_fit import fit_positions

from ._sky import DEC, RA, ROLL, V2, V3, pointed, separation


def sky_stars(n=80, *, seed=2):
    """Stars on the sky in a field somewhat larger than an image."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-30, 430, (2, n))
    return pointed()(x, y, with_bounding_box=False)


def seen(stars, *, offset=(0.0, 0.0), roll=0.0, error=((0.0, 0.0), 0.0), noise=0.0, name="", seed=0, shape=(400, 400)):
    """An image at a true pointing whose WCS errs by ``error`` (arcsec east and north, roll in degrees)."""
    truth = pointed(shape, offset=offset, roll=roll)
    x, y = truth.invert(*stars, with_bounding_box=False)
    x, y = np.array([x, y]) + np.random.default_rng(seed).normal(0, noise, (2, len(x)))
    inside = (x > 0) & (x < shape[1] - 1) & (y > 0) & (y < shape[0] - 1)
    shift, turn = error
    wcs = pointed(shape, offset=np.add(offset, shift), roll=roll + turn)
    image = AlignImage(wcs, V2, V3, ROLL + roll + turn, x[inside], y[inside], name=name)
    return image, truth


def largest_error(image, truth):
    """Largest error of the WCS over the image in mas."""
    (x0, x1), (y0, y1) = truth.bounding_box.bounding_box(order="F")
    x, y = np.meshgrid(np.linspace(x0, x1, 9), np.linspace(y0, y1, 9))
    return separation(*image.wcs(x, y), *truth(x, y)).max()


DITHERS = ((0, 0), (3.1, 2.7), (-2.3, 4.6), (5.9, -3.3))
ERRORS = (((0, 0), 0.0), ((0.015, -0.02), 0.001), ((-0.4, 0.3), -0.01), ((0.03, 0.9), 0.02))


def dithered(**options):
    stars = sky_stars()
    pairs = [
        seen(stars, offset=offset, error=error, name=f"image{k}", seed=k, **options)
        for k, (offset, error) in enumerate(zip(DITHERS, ERRORS, strict=True))
    ]
    return [image for image, _ in pairs], [truth for _, truth in pairs]


@pytest.mark.parametrize("expand", [False, True])
def test_truth_injected_shifts_and_rolls_are_removed(expand):
    images, truths = dithered()
    align_relative([[image] for image in images], AlignSettings(), expand=expand, keep_order=expand)
    assert [image.status for image in images] == ["reference", "aligned", "aligned", "aligned"]
    assert max(largest_error(*pair) for pair in zip(images, truths, strict=True)) < 1e-3
    assert images[0].fit is None
    for image in images[1:]:
        assert image.fit.matches >= 15
        assert image.fit.scale == 1
        assert image.wcs.bounding_box == pointed().bounding_box
        assert "v2v3corr" in image.wcs.available_frames


def test_truth_with_noise():
    """Centroids of 0.02 pixel leave the alignment good to 1 mas."""
    images, truths = dithered(noise=0.02)
    align_relative([[image] for image in images], AlignSettings())
    assert max(largest_error(*pair) for pair in zip(images, truths, strict=True)) < 1.0
    assert all(0.5e-3 < image.fit.rmse < 4e-3 for image in images[1:])


@pytest.mark.parametrize(
    ("geometry", "limit"), [("shift", 20.0), ("rshift", 1e-3), ("rscale", 1e-3), ("general", 1e-3)]
)
def test_geometries(geometry, limit):
    stars = sky_stars()
    first, _ = seen(stars)
    second, truth = seen(stars, offset=(1, 1), error=((0.1, 0.1), 0.03))
    align_relative([[first], [second]], AlignSettings(fitgeom=geometry))
    assert largest_error(second, truth) < limit
    assert abs(second.fit.rotation) == pytest.approx(0 if geometry == "shift" else 0.03, abs=1e-3)


def test_all_images_of_a_group_move_together():
    stars = sky_stars(160)
    error = ((0.3, -0.2), 0.01)
    first, _ = seen(stars)
    poor, truth_poor = seen(stars, offset=(2, 0), error=error, shape=(400, 60))
    rich, truth_rich = seen(stars, offset=(1, 3), error=error)
    poor.roll_ref = rich.roll_ref
    align_relative([[first], [poor, rich]], AlignSettings())
    assert poor.fit is rich.fit
    assert len(poor.x) < 40
    assert largest_error(rich, truth_rich) < 1.0
    assert largest_error(poor, truth_poor) < 10.0  # their pointings are not exactly one body


def test_outliers_are_clipped():
    stars = sky_stars(300)
    first, _ = seen(stars)
    second, truth = seen(stars, offset=(1, 2), error=((0.02, 0.03), 0.01))
    second.x[:12] += np.random.default_rng(0).uniform(-6, 6, 12)
    align_relative([[first], [second]], AlignSettings(separation=0.75, tolerance=0.5))
    assert second.fit.used <= second.fit.matches - 5
    assert largest_error(second, truth) < 2.0


def test_too_few_matches_are_refused_and_nothing_changes():
    images, _ = dithered()
    wcses = [image.wcs for image in images]
    for image in images[1:]:
        image.x, image.y = image.x[:9], image.y[:9]
    with pytest.raises(AlignmentError, match="15 needed"):
        align_relative([[image] for image in images], AlignSettings())
    assert [image.wcs for image in images] == wcses
    assert not any(image.corrected for image in images)


def test_one_image_that_does_not_fit_keeps_its_wcs():
    images, truths = dithered()
    images[2].keep(np.arange(len(images[2].x)) < 8)
    wcs = images[2].wcs
    align_relative([[image] for image in images], AlignSettings())
    assert images[2].wcs is wcs
    assert 0 < images[2].matched <= 8
    assert (images[2].status, images[2].residuals) == (f"{images[2].matched} matches, 15 needed", None)
    assert largest_error(images[3], truths[3]) < 1e-3


def test_images_without_sources():
    images, _ = dithered()
    images[0].x = images[0].y = np.empty(0)
    align_relative([[image] for image in images], AlignSettings())
    assert [image.status for image in images] == ["no sources", "reference", "aligned", "aligned"]
    for image in images[1:]:
        image.x = image.y = np.empty(0)
    with pytest.raises(AlignmentError, match="0 of 4 groups"):
        align_relative([[image] for image in images], AlignSettings())


def test_a_fit_beyond_the_search_is_refused():
    stars = sky_stars()
    first, _ = seen(stars)
    second, _ = seen(stars, error=((0.5, 0.5), 0.0))
    wcs = second.wcs
    settings = AlignSettings(use2dhist=False, tolerance=0.2, separation=0.3, xoffset=0.0)
    second.x, second.y = first.x + 6, first.y  # a shift of 0.36 arcsec from where the header points
    with pytest.raises(AlignmentError):
        align_relative([[first], [second]], settings)
    assert second.wcs is wcs


def test_expansion_reaches_images_that_miss_the_first():
    stars = sky_stars(400, seed=8)
    x, y = np.random.default_rng(3).uniform(-50, 900, (2, 600))
    stars = pointed()(x, y, with_bounding_box=False)
    pointing = [(0, 0), (9.0, 6.0), (20.0, 14.0)]
    chain = [seen(stars, offset=offset, error=((0.1 * k, 0), 0.0), name=str(k)) for k, offset in enumerate(pointing)]
    images = [image for image, _ in chain]
    align_relative([[image] for image in images], AlignSettings(), expand=True)
    assert sorted(image.status for image in images) == ["aligned", "aligned", "reference"]
    reference = next(k for k, image in enumerate(images) if image.status == "reference")
    assert reference == 1  # it overlaps with both
    offsets = [3.6e6 * (np.array(image.wcs(200, 200)) - truth(200, 200)) for image, truth in chain]
    np.testing.assert_allclose(offsets, [offsets[reference]] * 3, atol=0.01)


def test_absolute_alignment_puts_all_on_the_catalogue():
    images, truths = dithered()
    align_relative([[image] for image in images], AlignSettings(), expand=True)
    catalog = Positions(*map(np.asarray, sky_stars()))
    far = Positions(np.array([RA + 180.0, 10.0]), np.array([-DEC, 80.0]))
    align_to_catalog([images], Positions.joined([catalog, far]), AlignSettings(searchrad=6.0))
    assert max(largest_error(*pair) for pair in zip(images, truths, strict=True)) < 0.01
    assert len({id(image.fit) for image in images}) == 1


def test_absolute_alignment_needs_sources_nearby():
    (image,), _ = [[item] for item in seen(sky_stars())]
    few = Positions(*map(np.asarray, sky_stars())).take(np.arange(5))
    place = rf"images lie around RA {RA:.2f}\d+, Dec {DEC:.2f}\d+"
    with pytest.raises(
        AlignmentError, match=rf"5 sources near the images; 15 are needed; in all it has 5; the {place}$"
    ):
        align_to_catalog([[image]], few, AlignSettings())
    far = Positions(few.ra + 180.0, -few.dec)
    nearest = rf"nearest source of the catalogue is at RA {RA + 180.0:.2f}\d+, Dec {-DEC:.2f}\d+, 180 deg away"
    with pytest.raises(AlignmentError, match=rf"0 sources near .*{place}, the {nearest}"):
        align_to_catalog([[image]], far, AlignSettings())


def test_an_alignment_that_was_taken_back_says_so():
    """Also where the catalogue is refused before anything is fitted to it."""
    images, _ = dithered()
    align_relative([[image] for image in images], AlignSettings())
    with pytest.raises(AlignmentError, match="0 sources near"):
        align_to_catalog([], Positions(np.empty(0), np.empty(0)), AlignSettings(), whole=images)
    assert [image.status.split(" ")[0] for image in images] == ["undone:"] * 4


def test_groups_without_a_fit_move_with_the_whole():
    """They share the pointing error of (0.5, -0.4) arcsec, and have no stars to see it by."""
    stars = sky_stars(160)
    error = ((0.5, -0.4), 0.0)
    pairs = [seen(stars, offset=offset, error=error, name=str(k)) for k, offset in enumerate(DITHERS)]
    whole, few, empty = [image for image, _ in pairs[:2]], pairs[2][0], pairs[3][0]
    few.keep(np.arange(len(few.x)) < 6)
    empty.keep(np.zeros(len(empty.x), dtype=bool))
    side, truth = seen(stars, offset=(0.0, 60.0), error=error, name="side")  # another detector of the last group
    side.keep(np.zeros(len(side.x), dtype=bool))
    catalog = Positions(*map(np.asarray, stars))
    align_to_catalog([[few], [empty, side]], catalog, AlignSettings(), whole=whole)
    assert [image.status for image, _ in pairs] == [
        "aligned", "aligned", "carried: 6 matches, 15 needed", "carried: no sources",
    ]  # fmt: skip
    assert max(largest_error(*pair) for pair in [*pairs, (side, truth)]) < 0.1


def test_without_a_whole_groups_move_with_the_nearest():
    stars = sky_stars(300)
    errors = [((0.5, -0.4), 0.0), ((0.5, -0.4), 0.0), ((-0.3, 0.2), 0.0)]
    pairs = [
        seen(stars, offset=offset, error=error, shape=(200, 200), name=str(k))
        for k, (offset, error) in enumerate(zip([(-2.0, 0.0), (-2.5, 0.0), (5.0, 0.0)], errors, strict=True))
    ]
    poor = pairs[1][0]
    poor.keep(np.arange(len(poor.x)) < 6)
    align_to_catalog([[image] for image, _ in pairs], Positions(*map(np.asarray, stars)), AlignSettings())
    assert [image.status.split(":")[0] for image, _ in pairs] == ["aligned", "carried", "aligned"]
    assert max(largest_error(*pair) for pair in pairs) < 0.1


def test_the_catalogue_must_fit_the_whole():
    stars = sky_stars()
    one, two = (seen(stars, error=((0.3, 0.0), 0.0), name=name)[0] for name in ("one", "two"))
    one.keep(np.arange(len(one.x)) < 6)
    wcses = one.wcs, two.wcs
    with pytest.raises(AlignmentError, match=r"the 1 exposures that fit one another: 6 matches, 15 needed"):
        align_to_catalog([[two]], Positions(*map(np.asarray, stars)), AlignSettings(), whole=[one])
    assert (one.wcs, two.wcs) == wcses
    assert two.status == "undone: it was aligned, but the alignment as a whole failed"


def test_weights_decide():
    stars = sky_stars()
    catalog = Positions(np.array(stars[0]), np.array(stars[1]), np.ones(len(stars[0])))
    image, truth = seen(stars, error=((0.1, 0.0), 0.0))
    image.weight = np.ones(len(image.x))
    image.x[:10] += 3.0
    image.weight[:10] = 1e-9
    align_to_catalog([[image]], catalog, AlignSettings(nclip=0))
    assert largest_error(image, truth) < 0.1


def test_corner_shift_across_zero():
    before = np.array([[359.9999, 60.0], [0.0, 0.0]])
    after = np.array([[0.0001, 60.0], [0.0, 0.0]])
    assert corner_shift(before, after) == pytest.approx(0.36)


def test_false_matches_that_dominate_the_rms_are_clipped_too():
    rng = np.random.default_rng(5)
    sources = rng.uniform(-12, 12, (35, 2))
    angle = np.deg2rad(0.01)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    reference = sources @ turn.T + np.array([0.02, -0.03]) + rng.normal(0, 0.003, sources.shape)
    reference[:9] += rng.uniform(-0.5, 0.5, (9, 2))
    robust, plain = (
        fit_positions(reference, sources, settings=AlignSettings(robust=robust)) for robust in (True, False)
    )
    assert plain.rmse > 0.02
    assert robust.rmse < 0.008
    assert robust.used >= 26
    np.testing.assert_allclose(robust.shift, [0.02, -0.03], atol=0.002)
    np.testing.assert_allclose(robust.matrix, turn, atol=3e-4)


def test_pixel_phases_are_not_taken_for_false_matches():
    """Centroids err like a saw-tooth with the place on the pixel: a dither moves 90 % one way, 10 % the other."""
    rng = np.random.default_rng(7)
    pixel, width, dither = 0.03, 0.16, 0.1
    sources = rng.uniform(-30, 30, (300, 2))
    jump = rng.permuted(np.tile(np.arange(300) < 300 * dither, (2, 1)), axis=1).T
    phases = pixel * width * (jump - dither)
    reference = sources + phases + rng.normal(0, 0.01 * pixel, sources.shape)
    reference[:10] += rng.uniform(-0.5, 0.5, (10, 2))
    fit = fit_positions(reference, sources, pixel=pixel, settings=AlignSettings(fitgeom="shift"))
    np.testing.assert_allclose(fit.shift, 0.0, atol=2.5e-4)  # those 90 % alone would give -5e-4
    assert fit.used in (290, 291)  # one false match may lie among the true ones


def test_clean_matches_are_fitted_as_tweakwcs_does():
    from tweakwcs.linearfit import iter_linear_fit

    rng = np.random.default_rng(6)
    sources = rng.uniform(-60, 60, (120, 2))
    reference = sources + np.array([0.1, 0.2]) + rng.normal(0, 0.004, sources.shape)
    theirs = iter_linear_fit(reference, sources, fitgeom="rshift", nclip=3, sigma=(3.0, "rmse"))
    ours = fit_positions(reference, sources, settings=AlignSettings())
    assert ours.rmse == theirs["rmse"]
    np.testing.assert_array_equal(ours.matrix, theirs["matrix"])


# ---- refusals: nothing is changed, and the text says what was found
def refused(groups, settings=None, *, message, catalog=None):
    images = [image for group in groups for image in group]
    wcses = [image.wcs for image in images]
    arguments = (groups, settings or AlignSettings()) if catalog is None else (groups, catalog, settings)
    with pytest.raises(AlignmentError, match=message):
        (align_relative if catalog is None else align_to_catalog)(*arguments)
    assert [image.wcs for image in images] == wcses
    assert not any(image.corrected for image in images)


def rolled(*rolls):
    """Images of one field, whose WCSes are turned."""
    return [[seen(sky_stars(), error=((0.02, 0.0), roll), name=f"roll{roll}")[0]] for roll in rolls]


def test_a_group_with_an_implausible_rotation_stays_where_it_is():
    groups = rolled(0.0, 0.01, 0.3)
    (first,), (good,), (bad,) = groups
    wcs = bad.wcs
    align_relative(groups, AlignSettings(), expand=True)
    assert {first.status, good.status} == {"reference", "aligned"}
    assert bad.status.startswith("refused: it is turned by -0.2")
    assert (bad.wcs, bad.corrected) == (wcs, False)
    assert bad.residuals.matches > 15  # what was found stays on record


def test_refused_groups_do_not_extend_the_reference():
    """Else the last would be aligned with the one that is turned."""
    rows = np.random.default_rng(3).uniform(-50, 900, (2, 600))
    stars = pointed()(*rows, with_bounding_box=False)
    places, rolls = [(0.0, 0.0), (1.0, 1.0), (9.0, 6.0), (20.0, 14.0)], (0.0, 0.0, 0.25, 0.25)
    statuses = {}
    for accept in (False, True):
        images = [
            seen(stars, offset=place, error=((0.0, 0.0), roll), name=str(k))[0]
            for k, (place, roll) in enumerate(zip(places, rolls, strict=True))
        ]
        align_relative([[image] for image in images], AlignSettings(accept_doubtful=accept), expand=True)
        statuses[accept] = [image.status for image in images]
    assert statuses[False][2].startswith("refused")
    assert statuses[False][3].endswith("matches, 15 needed")
    assert sorted(statuses[True]) == ["aligned", "aligned", "aligned", "reference"]


@pytest.mark.parametrize("rolls", [(0.3, 0.0), (0.3, 0.0, 0.01), (0.0, 0.01, 0.3, 0.4)])
def test_where_most_fits_are_refused_nothing_changes(rolls):
    message = "could be aligned" if len(rolls) < 4 else "2 of 3 fits are not to be believed"
    groups = rolled(*rolls)
    hint = rf"perhaps the reference, roll{rolls[0]}, is at fault: then leave it out"
    refused(groups, message=rf"{message}: roll0\.\d+: refused: it is turned by -?0\.\d+ deg.*; {hint}")
    assert groups[0][0].status == "undone: it was the reference of an alignment that failed"


def test_doubtful_fits_are_applied_on_demand():
    groups = rolled(0.0, 0.3)
    align_relative(groups, AlignSettings(accept_doubtful=True))
    ((image,),) = groups[1:]
    assert image.status == "aligned"
    assert image.objections == ["it is turned by -0.300 deg, the telescope by 0.1 at most"]
    offset = (0.02, 0.0)
    assert largest_error(image, pointed(offset=offset)) < 1e-3  # that of the reference


def test_an_implausible_scale_is_refused():
    stars = sky_stars()
    first, second = (seen(stars, name=name)[0] for name in ("one", "two"))
    second.x, second.y = 200 + 1.004 * (second.x - 200), 200 + 1.004 * (second.y - 200)
    refused([[first], [second]], AlignSettings(fitgeom="rscale"), message=r"scale is off by 0\.00[34]")
    refused([[first], [second]], AlignSettings(fitgeom="general"), message=r"scale is off by 0\.00[34]")


def test_chance_matches_are_refused():
    first, second = (seen(sky_stars(350, seed=seed), name=str(seed))[0] for seed in (1, 2))
    settings = AlignSettings(separation=0.6, tolerance=0.4)
    refused([[first], [second]], settings, message=r"aligned: 2: refused: .*residuals are \d+ mas")
    catalog = second.positions()
    refused([[first]], settings, message=r"aligned: 1: refused: .*residuals", catalog=catalog)


def test_doubled_stars_are_refused():
    """Bad pixels that the finder takes for stars match perfectly, in the wrong place."""
    stars = sky_stars(60)
    (first, _), (second, truth) = (seen(stars, offset=(at, 0.0), error=((-at, 0.0), 0.0)) for at in (0.0, 1.2))
    for image in (first, second):
        bad = np.random.default_rng(7).uniform(5, 395, (2, 25))
        image.x, image.y = np.concatenate([[image.x, image.y], bad], axis=1)
    settings = AlignSettings(use2dhist=False, separation=0.3, tolerance=0.2)
    refused([[first], [second]], settings, message=r"meet a counterpart, but \d+ others would after 1\.20 arcsec more")
    align_relative([[first], [second]], AlignSettings())  # the search over all offsets finds the stars
    assert largest_error(second, truth) < 1e-3


def test_the_refusal_names_a_group_of_several_images():
    stars = sky_stars(160)
    first, _ = seen(stars, name="alone")
    pair = [seen(stars, error=((0.0, 0.0), 0.3), name=name)[0] for name in ("left", "right")]
    for image in pair:
        image.group = "jw01_00002"
    refused([[first], pair], message=r"aligned: jw01_00002 \(2 images\): refused")


def test_images_that_overlap_with_nothing_are_told():
    stars = sky_stars()
    images = [seen(stars, name="a")[0], seen(stars, name="b")[0]]
    far, _ = seen(sky_stars(), name="far")
    far.wcs = pointed(offset=(5000.0, 0.0))
    align_relative([[image] for image in (*images, far)], AlignSettings())
    assert far.status == "it overlaps with nothing that is aligned"
    across, _ = seen(stars, name="across")
    across.wcs = pointed(offset=(170 * 3600.0, 0.0))  # the tangent plane of the others does not reach it
    refused([[images[0]], [across]], message="could be aligned: across: it overlaps with nothing")


def test_residuals_of_each_image():
    stars = sky_stars(160)
    first, _ = seen(stars)
    pair = [seen(stars, offset=(0.0, side), name=str(side), shape=(150, 150))[0] for side in (6.5, -6.5)]
    pair[1].x = pair[1].x + 0.4  # this detector is not where the distortion reference says
    align_relative([[first], pair], AlignSettings())
    offsets = [(image.residuals.east, image.residuals.north) for image in pair]
    assert np.hypot(*np.subtract(*offsets)) == pytest.approx(0.4 * 0.06, rel=0.1)
    assert sum(image.residuals.matches for image in pair) == pair[0].fit.used
    square = sum(image.residuals.matches * image.residuals.rms**2 for image in pair)
    assert np.sqrt(square / pair[0].fit.used) == pytest.approx(pair[0].fit.rmse, rel=1e-3)
    assert first.residuals is None
