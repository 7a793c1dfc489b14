"""A small distorted camera for tests of WCS code."""

from astropy.modeling.models import Identity, Mapping, Polynomial2D, Shift

from jwcore.algorithms import wcs

POINTING = wcs.Pointing(v2_ref=100.0, v3_ref=-400.0, ra_ref=123.0, dec_ref=-45.0, roll_ref=37.0)


def camera(*, centre=(128.0, 120.0), scale=0.1, curvature=2e-5):
    """Distortion model pixel -> v2, v3 (arcsec) about the reference point, quadratic in the pixel offsets."""
    x = Polynomial2D(2, c1_0=scale, c0_1=0.002, c2_0=scale * curvature, c1_1=-scale * curvature, c0_2=0.0)
    y = Polynomial2D(2, c1_0=-0.002, c0_1=scale, c2_0=0.0, c1_1=scale * curvature, c0_2=-scale * curvature)
    to_centre = Shift(-centre[0]) & Shift(-centre[1])
    to_v2v3 = Shift(POINTING.v2_ref) & Shift(POINTING.v3_ref)
    return to_centre | Mapping((0, 1, 0, 1)) | x & y | to_v2v3


def flat_camera(*, centre=(128.0, 120.0), scale=0.1):
    """Undistorted camera with an exact inverse."""
    from astropy.modeling.models import Scale

    shift = Shift(-centre[0]) & Shift(-centre[1])
    return shift | Scale(scale) & Scale(scale) | Shift(POINTING.v2_ref) & Shift(POINTING.v3_ref) | Identity(2)


def image_wcs(model, *, shape=(240, 256), va_scale=1.00001, **chain):
    """Build the WCS of an image seen through `model`."""
    return wcs.imaging_wcs(
        to_v2v3=wcs.detector_to_v2v3(model, **chain),
        pointing=POINTING,
        va_scale=va_scale,
        box=wcs.bounding_box(shape=shape),
    )
