import numpy as np
import pytest
from astropy.io import fits

from jwcore import models
from jwcore.errors import BadInput, JwcalError


@pytest.fixture
def path(image, tmp_path):
    return models.write(image, tmp_path / "good.fits")


def refused(path, words, **options):
    """Check that a file is refused in one line that names the file and a cure."""
    with pytest.raises(BadInput, match=words) as caught:
        models.read(path, **options)
    if not options and path.suffix == ".fits":
        with pytest.raises(BadInput, match=words):
            models.read_meta(path)
    assert caught.value.exit_code == 4
    assert str(path) in str(caught.value)
    assert "—" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("keep", [1, 100, 2880, 5000, 9000, 12000])
def test_truncated(path, keep):
    path.write_bytes(path.read_bytes()[:keep])
    refused(path, "truncated|not a FITS file|no SCI|no .* extension")


def test_every_truncation_is_refused_or_harmless(path, image):
    """Cut at any block: either refused, or all declared arrays are still whole."""
    content = path.read_bytes()
    for keep in range(2880, len(content), 2880):
        path.write_bytes(content[:keep])
        try:
            exposure = models.read(path)
        except BadInput:
            continue
        for name in exposure.arrays():
            assert np.array_equal(getattr(exposure, name), getattr(image, name))


def test_cut_while_open(path):
    exposure = models.read(path)
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(BadInput, match="changed"):
        _ = exposure.var_flat


@pytest.mark.parametrize("content", [b"", b"hello, I am text\n" * 400, b"\x1f\x8b" + bytes(3000), bytes(5760)])
def test_no_fits_file(tmp_path, content):
    path = tmp_path / "x.fits"
    path.write_bytes(content)
    refused(path, "empty|not a FITS file|compressed")


def test_missing_file_and_folder(tmp_path):
    refused(tmp_path / "none.fits", "No such file")
    refused(tmp_path, "not a FITS file|directory")
    (tmp_path / "a.json").write_text("{}")
    refused(tmp_path / "a.json", "not a product")


def with_science(path, hdu, **primary):
    header = fits.Header(list(primary.items()))
    fits.HDUList([fits.PrimaryHDU(header=header), *([hdu] if hdu is not None else [])]).writeto(path, overwrite=True)
    return path


def test_missing_science(path):
    refused(with_science(path, None, DATAMODL="ImageModel"), "no SCI extension")
    refused(with_science(path, None), "no SCI extension")


def test_wrong_dimensions(path):
    refused(with_science(path, fits.ImageHDU(np.ones((2, 3, 4)), name="SCI"), DATAMODL="ImageModel"), "3 dimensions")
    refused(with_science(path, fits.ImageHDU(np.ones((2, 3)), name="SCI")), "2 dimensions", kind=models.Ramp)


def test_zero_groups(path):
    refused(with_science(path, fits.ImageHDU(np.ones((1, 0, 4, 4), "f4"), name="SCI"), DATAMODL="RampModel"), "empty")


def test_science_is_a_table(path):
    table = fits.BinTableHDU(np.zeros(2, dtype=[("a", "f4")]), name="SCI")
    refused(with_science(path, table, DATAMODL="ImageModel"), "SCI is a table")


def test_planes_that_do_not_fit(path, image, tmp_path):
    image.err = np.ones((3, 3))
    with pytest.raises(BadInput, match=r"ERR has shape \(3, 3\)"):
        models.write(image, tmp_path / "x.fits")


def test_reference_file(path):
    refused(with_science(path, fits.ImageHDU(np.ones((2, 3)), name="SCI"), REFTYPE="FLAT"), "reference file")


def test_damaged_provenance(image, tmp_path):
    image.provenance = [{"a": 1}]
    path = models.write(image, tmp_path / "x.fits")
    content = bytearray(path.read_bytes())
    place = content.index(b"JWCAL")
    start = content.index(b"END", place) // 2880 * 2880 + 2880
    content[start : start + 4] = b"oops"
    path.write_bytes(content)
    with pytest.raises(BadInput, match="provenance"):
        _ = models.read(path).provenance


class TestFailedWrites:
    def test_nothing_is_left(self, image, path, monkeypatch):
        before = path.read_bytes()

        def interrupted(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr("jwcore.models.writer._write_array", interrupted)
        with pytest.raises(KeyboardInterrupt):
            models.write(image, path)
        assert path.read_bytes() == before
        assert list(path.parent.iterdir()) == [path]

    def test_full_disk(self, image, path):
        import resource

        before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, limits[1]))
        try:
            with pytest.raises(JwcalError, match="cannot write") as caught:
                models.write(image, path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert "free some space" in str(caught.value)
        assert path.read_bytes() == before
        assert list(path.parent.iterdir()) == [path]

    def test_no_such_folder(self, image, tmp_path):
        with pytest.raises(JwcalError, match="No such file"):
            models.write(image, tmp_path / "none" / "x.fits")
        (tmp_path / "file").write_text("")
        with pytest.raises(JwcalError, match="Not a directory"):
            models.write(image, tmp_path / "file" / "x.fits")
