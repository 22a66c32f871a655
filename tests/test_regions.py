"""Regions of highest density against brute force, and their calibration."""

import numpy as np
import pytest
from keras import ops
from scipy import stats

import mdn
from mdn.distributions import regions

WEIGHTS, LOC, SCALE = np.array([0.5, 0.3, 0.2]), np.array([-4.0, 0.0, 5.0]), np.array([1.0, 0.3, 0.7])


def three_peaks(batch=()):
    parts = [np.broadcast_to(each, (*batch, 3)).astype("float32") for each in (np.log(WEIGHTS), LOC, SCALE)]
    return mdn.Mixture(parts[0], mdn.Normal(parts[1][..., None], parts[2][..., None]))


def density(y):
    return stats.norm(LOC, SCALE).pdf(np.asarray(y)[..., None]) @ WEIGHTS


def probability(region):
    return float(
        np.sum(np.diff(stats.norm(LOC, SCALE).cdf(np.asarray(region)[..., None]), axis=-2)[..., 0, :] @ WEIGHTS)
    )


def by_brute_force(coverage, density=density):
    """The region by sorting a fine grid by its density."""
    y = np.linspace(-11.0, 11.0, 2_200_001)
    height = density(y)
    order = np.argsort(-height)
    held = np.cumsum(height[order]) * (y[1] - y[0])
    inside = np.zeros(len(y), bool)
    inside[order[: np.searchsorted(held, coverage) + 1]] = True
    edges = np.diff(np.r_[0, inside.astype(int), 0])
    return np.stack([y[np.flatnonzero(edges == 1)], y[np.flatnonzero(edges == -1) - 1]], axis=-1)


@pytest.mark.parametrize(("coverage", "count"), [(0.1, 1), (0.5, 2), (0.9, 3), (0.9999, 2)])
def test_a_region_of_three_peaks_is_that_of_brute_force(coverage, count):
    found = mdn.highest_density_region(three_peaks(), coverage)
    assert len(found) == count
    np.testing.assert_allclose(found, by_brute_force(coverage), atol=1e-4, rtol=1e-4)
    assert abs(probability(found) - coverage) < 2e-6
    np.testing.assert_allclose(density(found) / density(found).mean(), 1.0, rtol=1e-3)


ONE_PEAK = {
    "normal": mdn.Normal([1.0], [2.0]),
    "laplace": mdn.Laplace([1.0], [2.0]),
    "student_t": mdn.StudentT([1.0], [2.0], [3.0]),
    "gamma, whose density is infinite at 0": mdn.Gamma([0.5], [1.0]),
    "log normal": mdn.LogNormal([0.0], [1.0]),
    "bounded": mdn.Transformed(mdn.Normal([0.5], [0.6]), mdn.bijections.Sigmoid(0.0, 1.0)),
    "equal components": mdn.Mixture([0.0, 1.0, 0.0], mdn.Normal([[1.0]] * 3, [[2.0]] * 3)),
}


@pytest.mark.parametrize("name", ONE_PEAK)
def test_the_region_of_one_peak_is_the_shortest_interval(name):
    one = ONE_PEAK[name]
    for coverage in (0.02, 0.9):
        found = mdn.highest_density_region(one, coverage)
        assert found.shape == (1, 2)
        shortest = np.concatenate([ops.convert_to_numpy(end) for end in one.hdi(coverage)])
        np.testing.assert_allclose(found[0], shortest, atol=2e-4)


def test_a_batch_of_densities_with_different_numbers_of_peaks_ends_in_nan():
    loc = np.float32([[[0.0], [0.0]], [[-6.0], [6.0]], [[-1.05], [1.05]]])  # the last has a shallow valley
    mix = mdn.Mixture(np.zeros((3, 2), "float32"), mdn.Normal(loc, np.ones((3, 2, 1), "float32")))
    found = mdn.highest_density_region(mix, 0.5)
    assert found.shape == (3, 2, 2) and np.isnan(found[0, 1]).all()
    np.testing.assert_allclose(found[0, 0], stats.norm.interval(0.5), atol=1e-5)
    np.testing.assert_allclose(found[1], [[-6 - 0.67449, -6 + 0.67449], [6 - 0.67449, 6 + 0.67449]], atol=1e-4)
    narrow = mdn.highest_density_region(mix[2], 0.1)
    shallow = by_brute_force(0.1, lambda y: 0.5 * (stats.norm.pdf(y, -1.05) + stats.norm.pdf(y, 1.05)))
    assert np.isnan(found[2, 1]).all() and len(narrow) == 2
    np.testing.assert_allclose(narrow, shallow, atol=2e-4)


def test_the_density_rank_is_the_coverage_of_the_region_that_ends_there():
    y = np.array([-4.3, -1.0, 0.2, 5.9, np.nan])
    found = regions.density_rank(three_peaks((5,)), y)
    for value, rank in zip(y[:-1], found[:-1], strict=True):
        region = mdn.highest_density_region(three_peaks(), float(rank))
        np.testing.assert_allclose(abs(region - value).min(), 0.0, atol=2e-5)
        assert abs(probability(region) - rank) < 2e-6
    assert np.isnan(found[4])


def test_atoms_come_first_and_the_most_probable_one_before_the_others():
    spiked = mdn.Spiked(np.log(np.float32([0.3, 0.1, 0.6])), [0.0, 3.0], mdn.Normal([0.0], [1.0]))
    assert mdn.highest_density_region(spiked, 0.25).tolist() == [[0.0, 0.0]]
    assert mdn.highest_density_region(spiked, 0.35).tolist() == [[0.0, 0.0], [3.0, 3.0]]
    half = stats.norm.interval(0.5 / 0.6)
    np.testing.assert_allclose(mdn.highest_density_region(spiked, 0.9), [half, (3.0, 3.0)], atol=1e-4)
    batch = mdn.Spiked(
        np.log(np.tile(np.float32([0.3, 0.1, 0.6]), (3, 1))), [0.0, 3.0], mdn.Normal([[0.0]] * 3, [[1.0]] * 3)
    )
    np.testing.assert_allclose(regions.density_rank(batch, [0.0, 3.0, half[1]]), [0.3, 0.4, 0.9], atol=1e-5)


def test_what_has_no_density_on_the_line_is_refused():
    for other in (mdn.Bernoulli([0.0]), mdn.Poisson([2.0]), mdn.Rounded(mdn.Normal([0.0], [1.0]))):
        with pytest.raises(ValueError, match=r"needs a family, .* with a density on the line, but a? ?\w+.* came"):
            mdn.highest_density_region(other, 0.9)
    with pytest.raises(ValueError, match=r"highest_density_region\(\) needs event_size=1"):
        mdn.highest_density_region(mdn.Normal([0.0, 0.0], [1.0, 1.0]), 0.9)
    with pytest.raises(ValueError, match=r"`coverage` must be a number between 0 and 1, such as 0\.9, but 90 came"):
        mdn.highest_density_region(three_peaks(), 90)
