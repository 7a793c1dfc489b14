"""Interleaved reference pixels: layout, bad ones, and the correction, against formulas written out in numpy."""

import numpy as np
import pytest
from astropy.stats import sigma_clipped_stats
from scipy.stats import sigmaclip

from jwcore.algorithms import irs2, irs2_references, irs2_refpix

NROWS = 32
LAYOUTS = {"NRS1": irs2.Irs2Layout(2, 1), "NRS2": irs2.Irs2Layout(-2, -1)}


@pytest.fixture(params=LAYOUTS)
def layout(request):
    return LAYOUTS[request.param]


def on_detector(image, layout):
    """Turn a stored image (3200, nrows) to the frame of the detector (nrows, 3200)."""
    return image[:: np.sign(layout.fastaxis), :: np.sign(layout.slowaxis)].T


def is_reference():
    return (np.arange(640) % 20 >= 8) & (np.arange(640) % 20 < 12)


def clocks_one_by_one():
    """Count the clocks: one for each sample, one before and one after four references."""
    clock, result = 0, []
    for sample in range(640):
        clock += sample % 20 == 8
        result.append(clock)
        clock += 1 + (sample % 20 == 11)
    return np.array(result)


def noise_ramp(ngroups=3, nints=None, seed=1):
    shape = (ngroups, 3200, NROWS) if nints is None else (nints, ngroups, 3200, NROWS)
    data = np.random.default_rng(seed).normal(0, 5, shape)
    return (data + 50 * np.arange(ngroups)[:, None, None]).astype(np.float32)


# --------------------------------------------------------------------------------------------------------- layout
def test_clocks_of_a_row():
    np.testing.assert_array_equal(irs2.sample_clocks(), clocks_one_by_one())
    assert irs2.sample_clocks()[-1] < irs2.ROW_CLOCKS


def test_lines_are_those_of_the_detector(layout):
    stored = on_detector(np.broadcast_to(np.arange(3200)[:, None], (3200, NROWS)), layout)[0].reshape(5, 640)
    assert sorted(stored[1:, ~is_reference()].ravel()) == layout.normal_lines.tolist()
    np.testing.assert_array_equal(layout.reference_lines, stored[:, is_reference()])
    for output, lines in enumerate(layout.lines_in_time):
        np.testing.assert_array_equal(lines, stored[output] if output % 2 else stored[output, ::-1])


def test_other_orientations_are_refused():
    with pytest.raises(ValueError, match="FASTAXIS=1"):
        irs2.Irs2Layout(1, 2)


# ---------------------------------------------------------------------------------------------------- bad references
@pytest.mark.parametrize("limit", [0.8, 3.0])
def test_references_that_stand_out(layout, limit):
    data = noise_ramp(nints=2)
    rng = np.random.default_rng(3)
    for i, line in np.ndindex(2, 3200):
        data[i, :, line] = data[i, :, line] * (1 + 0.1 * rng.exponential()) + rng.exponential()
    expected = set()
    for groups in data.astype(float):
        for section in np.sort(layout.reference_lines.ravel()).reshape(5, 64, 2):
            one, other = groups[:, section[:, 0]], groups[:, section[:, 1]]
            both = np.concatenate([one, other])
            figures = np.abs(other - one).mean(axis=(0, 2)), both.mean(axis=(0, 2)), both.std(axis=(0, 2))
            for values in figures:
                mean, _, std = sigma_clipped_stats(values, sigma=limit)
                expected |= set(section[values > mean + limit * std].ravel().tolist())
    found = irs2_references.noisy_lines(data, layout=layout, limit=limit)
    assert set(found.tolist()) == expected
    assert 2 <= len(expected) < 640


def test_references_known_to_be_bad_measure_no_others(layout):
    """Half of the pairs of a section are wild, so that one that is off is not seen; a normal line is no reference."""
    data = noise_ramp(nints=1)
    pairs = np.sort(layout.reference_lines.ravel()).reshape(5, -1, 2)[1]
    data[:, :, pairs[::2]] += np.linspace(1e3, 3e4, 32, dtype=np.float32)[:, None, None]
    data[:, :, pairs[5]] += 300
    assert irs2_references.noisy_lines(data, layout=layout, limit=5.0).size == 0
    known = np.append(pairs[::2, 0], layout.normal_lines[0])
    found = irs2_references.noisy_lines(data, layout=layout, limit=5.0, known=known)
    assert set(found.tolist()) == {*pairs[::2, 0].tolist(), *pairs[5].tolist()}


def test_listed_references(layout):
    """The first pair of the first block is odd in outputs that are read forwards and even in the others."""
    found = irs2_references.listed_lines([(1, 1, 0b1), (2, 1, 0b10), (4, 2, 1 << 31), (3, 2, 0)], layout=layout)
    samples = [640 + 8, 640 + 9, 1280 + 30, 1280 + 31, 2560 + 628, 2560 + 629]
    assert found.tolist() == sorted(layout.lines(np.array(samples)).tolist())
    assert irs2_references.listed_lines([], layout=layout).size == 0


def test_bad_references_are_replaced_by_their_like():
    data = np.broadcast_to(np.arange(3200, dtype=np.float32)[:, None], (1, 2, 3200, 3)).copy()
    bad = np.array([668, 649, 628, 630, 608, 648, 650, 670, 690, 688])
    irs2_references.replace_lines(data, bad)
    values = data[0, 0, :, 0]
    changed = np.flatnonzero(values != np.arange(3200))
    assert set(changed) <= set(bad.tolist())
    assert values[649] == 669  # nothing below in the section
    assert values[608] == 588  # 628 is bad
    assert values[690] == 710
    assert values[688] == 708
    assert values[668] == 0  # its partner and the neighbours are bad
    assert values[648] == 0
    assert values[630] == 610  # the neighbour above belongs to another section
    assert values[628] == 0


def test_what_has_been_replaced_stays_and_stands_in_for_no_other():
    data = np.broadcast_to(np.arange(3200, dtype=np.float32)[:, None], (1, 1, 3200, 3)).copy()
    data[:, :, 1328] = 7
    irs2_references.replace_lines(data, np.array([1328, 1348]), replaced=np.array([1328]))
    assert data[0, 0, [1328, 1348], 0].tolist() == [7, 1368]


def test_a_partner_stands_in():
    data = np.broadcast_to(np.arange(3200, dtype=np.float32)[:, None], (1, 1, 3200, 3)).copy()
    irs2_references.replace_lines(data, np.array([1308, 1328, 1348, 1368]))
    assert data[0, 0, [1308, 1328, 1348, 1368], 0].tolist() == [1288, 1330, 1350, 1388]


@pytest.mark.parametrize("odd_even", [True, False])
def test_means_of_the_edges(layout, odd_even):
    groups = noise_ramp(2)
    bad = np.random.default_rng(2).random((3200, NROWS)) < 0.05
    bad[layout.lines(np.arange(640))] = True
    detector = np.stack([on_detector(group, layout) for group in groups]).astype(float)
    flags = on_detector(bad, layout)
    place = np.arange(640)
    parity = np.where(is_reference(), (place % 20 - 8) // 2, place % 2) if odd_even else np.zeros(640, int)
    for image in detector:
        for output in range(1, 5):
            for p in set(parity):
                columns = output * 640 + place[parity == p]
                means = []
                for rows in (slice(0, 4), slice(-4, None)):
                    samples = image[rows][:, columns][~flags[rows][:, columns]]
                    means.append(sigmaclip(samples, 3, 3)[0].mean())
                image[:, columns] -= np.mean(means)
    irs2_references.subtract_edge_means(groups, bad, layout=layout, odd_even=odd_even)
    result = np.stack([on_detector(group, layout) for group in groups])
    np.testing.assert_allclose(result, detector, atol=1e-4)


# ------------------------------------------------------------------------------------------------------ correction
def brute_force(image, mean, layout, alpha, beta):
    """Correct one image of the detector by full complex Fourier transforms in double precision; also give the lines."""
    clocks, length = clocks_one_by_one(), 712 * NROWS
    lines = []
    for output in range(5):
        samples = (image - mean)[:, 640 * output : 640 * output + 640]
        line = np.zeros((NROWS, 712))
        line[:, clocks] = samples if output % 2 else samples[:, ::-1]
        edge = np.r_[0:4, NROWS - 4 : NROWS]
        times = np.arange(length).reshape(NROWS, 712)
        known = line[edge] != 0
        trend = np.polyval(np.polyfit(times[edge][known], line[edge][known], 1), times)
        lines.append(np.where(line != 0, line - trend, 0))
    reference = fill(lines[0])
    corrected = []
    for k in range(4):
        interleaved = np.zeros((NROWS, 712))
        references = lines[k + 1][:, clocks[is_reference()]].reshape(NROWS, 32, 4)
        for place, source in enumerate([0, 2, 0, 2, 1, 3, 1, 3]):
            interleaved[:, 7 + place :: 22][:, :32] = references[..., source]
        spectrum = beta[k] * np.fft.fft(interleaved.ravel()) + alpha[k] * np.fft.fft(reference.ravel())
        samples = (lines[k + 1] - np.fft.ifft(spectrum).real.reshape(NROWS, 712))[:, clocks]
        corrected.append(samples if k % 2 == 0 else samples[:, ::-1])
    first = lines[0][:, clocks][:, ::-1]
    return np.concatenate([first, *corrected], axis=1) + mean


def fill(line):
    """Fill gaps of the reference output by interpolation, then by what passes the filter."""
    flat, clocks = line.ravel(), clocks_one_by_one()
    weights = np.sin(np.pi * np.arange(1, 32) / 32)

    def blurred(values):
        return sum(weight * np.roll(values, shift) for weight, shift in zip(weights, range(-15, 16), strict=True))

    known = np.where(flat != 0, flat, blurred(flat) / blurred(flat != 0)).reshape(NROWS, 712)
    half = flat.size // 2
    frequency = np.minimum(np.arange(half), half - np.arange(half))
    edge, width = NROWS * 32 // 2 - 5000 * NROWS // 4096, 5000 * NROWS // 2048
    passes = np.where(frequency < edge, 1, 0.5 + 0.5 * np.cos(np.pi * np.clip((frequency - edge) / width, 0, 1)))
    passes = np.tile(passes, 2)
    filled = known
    for _ in range(3):
        filled = np.fft.ifft(np.fft.fft(filled.ravel()) * passes).real.reshape(NROWS, 712)
        filled[:, clocks[~is_reference()]] = known[:, clocks[~is_reference()]]
    return filled


@pytest.fixture
def transfer():
    rng = np.random.default_rng(8)
    return [rng.normal(0, 0.3, (4, 712 * NROWS)) + 1j * rng.normal(0, 0.3, (4, 712 * NROWS)) for _ in "ab"]


def halves(transfer):
    return irs2_refpix.Transfer(*(irs2_refpix.real_part(one) for one in transfer))


def test_half_of_a_transfer_function_makes_the_real_part(transfer):
    line = np.random.default_rng(1).normal(size=712 * NROWS)
    whole = np.fft.ifft(transfer[0][0] * np.fft.fft(line)).real
    half = np.fft.irfft(irs2_refpix.real_part(transfer[0])[0] * np.fft.rfft(line))
    np.testing.assert_allclose(half, whole, atol=1e-5)


def test_correction_is_that_of_double_precision(layout, transfer):
    groups = noise_ramp(3)
    groups[1, layout.lines_in_time[0, 100]] = groups.mean(axis=0, dtype=float)[layout.lines_in_time[0, 100]]
    mean = groups.mean(axis=0, dtype=float)
    expected = [brute_force(on_detector(g, layout), on_detector(mean, layout), layout, *transfer) for g in groups]
    everything = groups.copy()
    irs2_refpix.correct_integration(everything, everything, layout=layout, transfer=halves(transfer))
    for result, wanted in zip(everything, expected, strict=True):
        np.testing.assert_allclose(on_detector(result, layout), wanted, atol=2e-4)
    memory = groups.reshape(-1)
    normal = memory[: 3 * 2048 * NROWS].reshape(3, 2048, NROWS)
    irs2_refpix.correct_integration(groups, normal, layout=layout, transfer=halves(transfer))
    np.testing.assert_array_equal(normal, everything[:, layout.normal_lines])


def test_truth_noise_that_all_samples_share_comes_off(layout):
    """A slow wave in time is in the references, too; a transfer function for low frequencies removes it.

    What is the same in all groups stays, noise or not.
    """
    scene = np.random.default_rng(4).uniform(0, 500, (3200, NROWS)).astype(np.float32)
    groups = np.stack([scene] * 4)
    times = clocks_one_by_one() + 712 * np.arange(NROWS)[:, None]
    frequency = np.abs(np.fft.fftfreq(712 * NROWS))
    for g, group in enumerate(groups):
        wave = 10 * np.sin(2 * np.pi * (0.0008 * times + 0.3 * g)) * (1 if g else -1)
        detector = on_detector(group, layout)
        for output in range(5):
            detector[:, 640 * output : 640 * output + 640] += wave if output % 2 else wave[:, ::-1]
    low = (frequency < 0.01) * 712 / 256
    transfer = irs2_refpix.Transfer(
        irs2_refpix.real_part(np.zeros((4, frequency.size), complex)),
        irs2_refpix.real_part(np.tile(low.astype(complex), (4, 1))),
    )
    before = (groups - groups.mean(axis=0))[:, layout.normal_lines].std()
    result = np.empty((4, 2048, NROWS), np.float32)
    irs2_refpix.correct_integration(groups, result, layout=layout, transfer=transfer)
    assert (result - result.mean(axis=0)).std() < 0.1 * before


def test_lines_without_samples_have_no_trend():
    line = np.zeros((NROWS, 712), np.float32)
    irs2_refpix.subtract_trend(line)
    assert not line.any()
    assert not irs2_refpix.fill_reference_output(line[None]).any()
