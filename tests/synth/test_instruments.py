"""Geometry, timing, readout and files of the instruments other than NIRCam."""

import numpy as np
import pytest
from astropy.io import fits

from jwcore.synth import INSTRUMENTS, Effects, irs2, simulate, tiny_exposure
from jwcore.synth.instruments import Subarray
from jwcore.synth.maps import DetectorMaps
from jwcore.synth.noise import readout_noise
from jwcore.synth.siaf import load_aperture
from tests.synth.plain import science, slope


def maps_of(instrument, detector, subarray, effects=None):
    chosen = INSTRUMENTS[instrument]
    aperture = load_aperture(instrument=chosen, detector=detector, subarray=subarray)
    return DetectorMaps(spec=chosen.detectors[detector], aperture=aperture, effects=effects or Effects())


# frame times in seconds as the observatory states them
@pytest.mark.parametrize(
    ("instrument", "detector", "subarray", "pattern", "seconds"),
    [
        ("MIRI", "MIRIMAGE", "FULL", "FASTR1", 2.77504),
        ("MIRI", "MIRIFUSHORT", "FULL", "SLOWR1", 23.88992),
        ("MIRI", "MIRIMAGE", "SLITLESSPRISM", "FASTR1", 0.15904),
        ("MIRI", "MIRIMAGE", "SUB64", "FASTR1", 0.08512),
        ("MIRI", "MIRIMAGE", "BRIGHTSKY", "FASTR1", 0.86528),
        ("NIRSPEC", "NRS1", "FULL", "NRSRAPID", 10.73677),
        ("NIRSPEC", "NRS2", "FULL", "NRSIRS2RAPID", 14.58889),
        ("NIRSPEC", "NRS1", "ALLSLITS", "NRSRAPID", 5.49132),
        ("NIRSPEC", "NRS1", "SUB2048", "NRSRAPID", 0.90156),
        ("NIRSPEC", "NRS1", "SUB512", "NRSRAPID", 0.22572),
        ("NIRISS", "NIS", "FULL", "NISRAPID", 10.73677),
        ("NIRISS", "NIS", "SUBSTRIP256", "NISRAPID", 5.494),
        ("NIRISS", "NIS", "SUBSTRIP96", "NISRAPID", 2.214),
        ("NIRISS", "NIS", "SUB80", "NISRAPID", 0.07544),
        ("FGS", "GUIDER1", "FULL", "FGSRAPID", 10.73677),
    ],
)
def test_frame_times(instrument, detector, subarray, pattern, seconds):
    chosen = INSTRUMENTS[instrument]
    aperture = load_aperture(instrument=chosen, detector=detector, subarray=subarray)
    readout = chosen.readout(
        spec=chosen.detectors[detector], subarray=aperture.subarray, pattern=pattern, ngroups=3, nints=1
    )
    assert readout.frame_time == pytest.approx(seconds, abs=1e-5)


# first and last row, first and last column of the light-sensitive pixels (0-based, past the end)
@pytest.mark.parametrize(
    ("instrument", "detector", "subarray", "limits"),
    [
        ("MIRI", "MIRIMAGE", "FULL", (0, 1024, 4, 1028)),
        ("MIRI", "MIRIMAGE", "SLITLESSPRISM", (0, 416, 4, 72)),
        ("NIRSPEC", "NRS1", "ALLSLITS", (0, 256, 4, 2044)),
        ("NIRSPEC", "NRS1", "SUB512", (0, 32, 0, 512)),
        ("NIRSPEC", "NRS2", "FULL", (4, 2044, 4, 2044)),
        ("NIRISS", "NIS", "SUBSTRIP256", (0, 252, 4, 2044)),
        ("NIRISS", "NIS", "SUBSTRIP96", (0, 96, 4, 2044)),
        ("FGS", "GUIDER2", "FULL", (4, 2044, 4, 2044)),
    ],
)
def test_reference_pixels_lie_at_the_border_of_the_detector(instrument, detector, subarray, limits):
    assert maps_of(instrument, detector, subarray).science_limits == limits


def test_the_kernel_phase_subarray_is_read_at_the_bottom_of_the_detector():
    subarray = load_aperture(instrument=INSTRUMENTS["NIRISS"], detector="NIS", subarray="SUB80").subarray
    assert (subarray.xstart, subarray.ystart, subarray.shape) == (1045, 1, (80, 80))
    assert maps_of("NIRISS", "NIS", "SUB80").science_limits == (4, 80, 0, 80)


@pytest.mark.parametrize(
    ("instrument", "detector", "subarray"),
    [("NIRSPEC", "NRS2", "SUBS200A1"), ("NIRISS", "NIS", "SUBSTRIP96"), ("MIRI", "MIRIMAGE", "SUB64")],
)
@pytest.mark.parametrize("name", ["bias", "gain", "dark", "pixel_flags", "well"])
def test_subarrays_are_slices_of_the_detector(instrument, detector, subarray, name):
    part = maps_of(instrument, detector, subarray)
    inner = part.aperture.subarray
    around = Subarray(
        name="AROUND", xstart=inner.xstart, ystart=inner.ystart - 3, xsize=inner.xsize, ysize=inner.ysize + 3
    )
    np.testing.assert_array_equal(getattr(part, name), getattr(maps_of(instrument, detector, around), name)[3:])


@pytest.mark.parametrize(("subarray", "columns"), [("SUB512", 4), ("SUB32", 4), ("SUB2048", 0)])
def test_sides_without_reference_pixels_are_dark(subarray, columns):
    """NIRSpec has sub-arrays that hold no reference pixels; dark columns at their sides stand in for them."""
    rate = tiny_exposure(instrument="NIRSPEC", subarray=subarray, ngroups=2).rate
    lit = (rate > 1e-3).any(axis=0)
    sides = columns or 4  # else the reference pixels themselves
    np.testing.assert_array_equal(np.flatnonzero(lit), np.arange(sides, lit.size - sides))


def test_slits_are_dark_between_their_spectra():
    spectra = tiny_exposure(instrument="NIRSPEC", subarray="SUBS200A1", ngroups=2)
    open_field = tiny_exposure(instrument="NIRSPEC", mode="image", subarray="SUBS200A1", ngroups=2)
    dark, light = (science(exposure, exposure.rate) for exposure in (spectra, open_field))
    assert np.percentile(dark, 10) < 1e-3 * dark.max()
    assert np.percentile(light, 10) > 5e-3 * light.max()


def test_stripes_of_nirspec_and_niriss_lie_across_the_rows():
    """The fast direction is along y: an output reads 512 rows, and offsets alternate from row to row."""
    for instrument, detector in (("NIRSPEC", "NRS1"), ("NIRISS", "NIS"), ("FGS", "GUIDER2")):
        chosen = INSTRUMENTS[instrument]
        subarray = load_aperture(instrument=chosen, detector=detector).subarray
        noise = readout_noise(
            rng=np.random.default_rng(1), spec=chosen.detectors[detector], subarray=subarray, nframes=1,
            effects=Effects.only("drifts"),
        )  # fmt: skip
        assert np.all(noise == noise[:, :1])
        for output in range(4):
            rows = noise[512 * output : 512 * (output + 1), 0]
            assert len(set(rows[::2])) == len(set(rows[1::2])) == 1
        assert len(set(noise[:, 0])) == 8


def test_outputs_of_miri_take_turns_along_a_row():
    chosen = INSTRUMENTS["MIRI"]
    subarray = load_aperture(instrument=chosen, detector="MIRIMAGE", subarray="SUB64").subarray
    noise = readout_noise(
        rng=np.random.default_rng(1), spec=chosen.detectors["MIRIMAGE"], subarray=subarray, nframes=1,
        effects=Effects.only("drifts"),
    )  # fmt: skip
    np.testing.assert_array_equal(noise, np.tile(noise[:2, :4], (32, 18)))
    assert len(np.unique(noise[:2, :4])) == 8


@pytest.mark.parametrize(
    "settings",
    [
        {"instrument": "MIRI", "subarray": "SUB64"},
        {"instrument": "NIRSPEC", "subarray": "SUB512"},
        {"instrument": "NIRSPEC", "subarray": "SUBS200A1", "detector": "NRS2", "readpatt": "NRS", "ngroups": 5},
        {"instrument": "NIRISS", "mode": "ami", "subarray": "SUB80"},
        {"instrument": "NIRISS", "mode": "soss", "subarray": "SUBSTRIP96", "ngroups": 5},
        {"instrument": "FGS", "size": 64},
        {"instrument": "FGS", "size": 64, "detector": "GUIDER2"},
    ],
)
def test_rates_are_unbiased_in_every_mode(settings):
    """All usual effects but particles and correlated noise; saturated pixels and those with defects are left out."""
    instrument = INSTRUMENTS[settings["instrument"]]
    effects = {**vars(instrument.effects), "cosmic_rays": False, "one_over_f": False, "drifts": False, "ktc": False}
    effects |= {"first_frame": False, "last_frame": False}
    exposure = tiny_exposure(effects=Effects(**effects), **{"ngroups": 10, "nints": 2, **settings})
    maps = exposure.observation.maps
    skip = 5 if maps.effects.switch_decay else 0
    usable = (exposure.raw.saturated_group.min(axis=0) == exposure.programme.readout.ngroups) & ~maps.hot & ~maps.dead
    good = science(exposure, usable & (exposure.rate > 0))
    error = science(exposure, slope(exposure, skip=skip) - exposure.rate).mean(axis=0)[good]
    truth = science(exposure, exposure.rate)[good]
    assert good.mean() > 0.5
    assert abs(error.mean()) < 5 * error.std() / np.sqrt(error.size) + 2e-3 * truth.mean()


# ---- interleaved reference pixels ------------------------------------------------------------------------------------


def test_lines_of_interleaved_readout():
    """Sixteen normal pixels, one clock, four references, one clock: the first and last block have eight normal pixels."""
    clocks, reference = irs2._clock(), irs2._is_reference()
    assert np.all(np.diff(clocks) > 0)
    assert clocks[0] == 0
    assert clocks[-1] < irs2.LINE - 1
    blocks = np.flatnonzero(reference).reshape(32, 4)
    np.testing.assert_array_equal(blocks, 8 + 20 * np.arange(32)[:, None] + np.arange(4))
    np.testing.assert_array_equal(clocks[blocks], 9 + 22 * np.arange(32)[:, None] + np.arange(4))
    np.testing.assert_array_equal(clocks[[7, 12]], [7, 14])


@pytest.mark.parametrize("detector", ["NRS1", "NRS2"])
def test_interleaved_frames_are_stored_in_science_orientation(detector):
    spec = INSTRUMENTS["NIRSPEC"].detectors[detector]
    normal = np.arange(2048 * 2048, dtype=np.float32).reshape(2048, 2048) % 7919
    stored = irs2.interleave(normal, np.full((2048, irs2.ROWS), -1, np.float32), spec)
    assert stored.shape == (3200, 2048)
    # rows of the file, counted along the fast direction: the reference output first, then 8 + (4 + 16) * 31 + 4 + 8
    rows = np.arange(3200) if detector == "NRS1" else np.arange(3200)[::-1]
    place = np.arange(3200) % 640
    is_normal = (np.arange(3200) >= 640) & ((place - 8) % 20 >= 4)
    assert is_normal.sum() == 2048
    assert np.all(stored[rows[~is_normal]] == -1)
    fast = np.arange(2048) if detector == "NRS1" else np.arange(2048)[::-1]
    np.testing.assert_array_equal(stored[rows[is_normal]], normal[fast])


def test_noise_at_a_time_is_the_same_in_normal_and_reference_samples():
    spec = INSTRUMENTS["NIRSPEC"].detectors["NRS1"]
    effects = Effects.none(one_over_f=True, amplifier_rms=0.0)
    normal, frame = irs2.line_noise(rng=np.random.default_rng(2), spec=spec, nframes=1, effects=effects)
    # common noise alone: all sections show the same line, every second one in the opposite direction
    sections = frame.reshape(2048, 5, 640)
    np.testing.assert_array_equal(sections[:, 1], sections[:, 3])
    np.testing.assert_array_equal(sections[:, 1], sections[:, 2, ::-1])
    np.testing.assert_array_equal(normal.T[:, :8], sections[:, 1, :8])
    assert normal.std() == pytest.approx(effects.one_over_f_rms, rel=0.4)


@pytest.mark.slow
def test_an_interleaved_exposure():
    exposure = tiny_exposure(
        instrument="NIRSPEC", mode="ifu", subarray="FULL", ngroups=2, effects=Effects.only("bias", "reference_pixels")
    )
    assert exposure.raw.data.shape == (1, 2, 3200, 2048)
    bias = exposure.references["superbias"].arrays["SCI"]
    assert bias.shape == (3200, 2048)
    keywords = exposure.observation.primary_keywords()
    assert (keywords["NRS_NORM"], keywords["NRS_REF"], keywords["READPATT"]) == (16, 4, "NRSIRS2RAPID")
    lit = np.zeros((3200, 2048), bool)
    spec = exposure.observation.maps.spec
    lit = irs2.interleave(~exposure.observation.maps.reference_pixel, np.zeros((2048, 3200), bool), spec)
    signal = exposure.raw.data[0, 1] - bias
    assert np.all(np.abs(signal[~lit]) <= 0.5)
    assert np.median(signal[lit]) > 1
    table = exposure.references["refpix"].tables["IRS2"]
    assert table.shape == (2 * 712 * 2048,)


# ---- files -----------------------------------------------------------------------------------------------------------


def test_guiding_products_have_no_tables_of_times(tmp_path):
    run = simulate(tmp_path, instrument="FGS", mode="acq1", ngroups=2, nints=6, n_dithers=1)
    with fits.open(run.uncals[0]) as file:
        assert [hdu.name for hdu in file] == ["PRIMARY", "SCI", "ASDF"]
        assert file["SCI"].data.shape == (6, 2, 128, 128)
        header = file[0].header
        assert (header["EXP_TYPE"], header["INSTRUME"], header["DETECTOR"]) == ("FGS_ACQ1", "FGS", "GUIDER1")
        assert header["TGROUP"] == pytest.approx(0.364)


def test_miri_files_keep_the_reference_output(tmp_path):
    run = simulate(tmp_path, instrument="MIRI", mode="lrs-slitless", ngroups=5, nints=5, segments=2, n_dithers=1)
    with fits.open(run.uncals[0]) as first, fits.open(run.uncals[1]) as second:
        assert first["SCI"].data.shape == (3, 5, 416, 72)
        assert second["SCI"].data.shape == (2, 5, 416, 72)
        assert first["REFOUT"].data.shape == (3, 5, 416, 18)
        keywords = [(h[0].header["INTSTART"], h[0].header["INTEND"], h[0].header["EXSEGNUM"]) for h in (first, second)]
        assert keywords == [(1, 3, 1), (4, 5, 2)]
        assert first[0].header["NINTS"] == 5
        assert list(second["INT_TIMES"].data["integration_number"]) == [4, 5]
    assert {path.name.split("_")[2] for path in (run.cache / "references/jwst/miri").iterdir()} >= {
        "reset", "rscd", "emicorr", "dark", "linearity",
    }  # fmt: skip
