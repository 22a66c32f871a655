"""Where a mixture starts: near a fit, whatever the targets look like."""

import numpy as np
import pytest
from scipy import special, stats

from mdn import initializers


def nll(y, loc, scale, weights):
    parts = stats.norm.logpdf(y[:, None], loc, scale).sum(-1) + np.log(weights)
    return -special.logsumexp(parts, axis=-1).mean()


def test_robust_scaling_is_not_moved_by_outliers_or_missing_values():
    y = np.random.default_rng(0).normal(3.0, 2.0, (5000, 1))
    y[:50], y[50:100] = 1e9, np.nan
    shift, spread = initializers.robust_scaling(y)
    assert abs(shift[0] - 3.0) < 0.15 and abs(spread[0] - 2.0) < 0.15


@pytest.mark.parametrize("column", [np.full(20, 7.0), np.full(20, np.nan), np.r_[np.zeros(15), np.arange(5.0)]])
def test_robust_scaling_of_ties_is_positive(column):
    shift, spread = initializers.robust_scaling(column[:, None])
    assert np.isfinite(shift).all() and (spread > 0).all()


def test_the_start_fits_two_hills_nearly_as_well_as_the_truth():
    rng = np.random.default_rng(0)
    y = np.where(rng.random(3000) < 0.5, rng.normal(-1, 0.2, 3000), rng.normal(1, 0.4, 3000))[:, None]
    truth = nll(y, np.array([[-1.0], [1.0]]), np.array([[0.2], [0.4]]), [0.5, 0.5])
    assert nll(y, *initializers.starting_mixture(y, 5)) < truth + 0.02


@pytest.mark.parametrize("size", [2, 3])
def test_beyond_one_dimension_every_cluster_gets_a_component(size):
    rng = np.random.default_rng(1)
    centers = rng.uniform(-3, 3, (4, size))
    y = centers[rng.integers(4, size=2000)] + 0.1 * rng.normal(size=(2000, size))
    loc, scale, weights = initializers.starting_mixture(y, 6)
    distance = np.linalg.norm(centers[:, None] - loc, axis=-1).min(axis=1)
    assert distance.max() < 0.2
    assert weights.min() > 0.0 and np.isclose(weights.sum(), 1.0)
    assert (scale > 0).all()


def test_no_component_starts_dead():
    y = np.random.default_rng(2).standard_normal((2000, 1))
    loc, scale, weights = initializers.starting_mixture(y, 20)
    parts = stats.norm.logpdf(y[:, None], loc, scale).sum(-1) + np.log(weights)
    shares = special.softmax(parts, axis=-1).mean(axis=0)
    assert shares.min() > 1e-4


def test_heavy_tails_get_wide_components():
    y = np.random.default_rng(3).standard_cauchy((4000, 1))
    shift, spread = initializers.robust_scaling(y)
    scaled = (y - shift) / spread
    mixture = nll(scaled, *initializers.starting_mixture(scaled, 10))
    t = -stats.t.logpdf(scaled, *stats.t.fit(scaled[:, 0])).mean()
    assert mixture < t + 0.15


def test_more_components_than_rows_will_do():
    loc, scale, weights = initializers.starting_mixture(np.array([[0.0], [1.0], [2.0]]), 8)
    assert loc.shape == (8, 1) and np.isfinite(loc).all() and (scale > 0).all() and np.isfinite(np.log(weights)).all()


def correlated_nll(y, loc, scale_tril, weights):
    parts = [
        stats.multivariate_normal(m, a @ a.T).logpdf(y) + np.log(w)
        for m, a, w in zip(loc, scale_tril, weights, strict=True)
    ]
    return -special.logsumexp(np.stack(parts), axis=0).mean()


def test_a_few_rows_of_one_normal_are_not_cut_into_narrow_ones():
    rng, factor = np.random.default_rng(0), np.array([[1.0, 0.0], [0.8, 0.6]])
    judges = rng.normal(size=(4000, 2)) @ factor.T
    excess = []
    for _ in range(10):
        y = rng.normal(size=(80, 2)) @ factor.T
        excess.append(correlated_nll(judges, *initializers.correlated_mixture(y, 5)))
    truth = np.log(2 * np.pi * np.e) + np.log(np.linalg.det(factor))
    assert np.mean(excess) < truth + 0.15  # five normals apart: 0.3 and more


@pytest.mark.parametrize(("size", "most"), [(3, 0.02), (14, 0.25)])
def test_a_few_hundred_rows_of_many_numbers_get_normals_that_are_nearly_one(size, most):
    factor, excess = np.linalg.cholesky(0.5 * np.eye(size) + 0.5), []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        y, judges = rng.normal(size=(300, size)) @ factor.T, rng.normal(size=(4000, size)) @ factor.T
        excess.append(correlated_nll(judges, *initializers.correlated_mixture(y, 5)))
    truth = 0.5 * size * np.log(2 * np.pi * np.e) + np.log(np.linalg.det(factor))
    assert np.mean(excess) < truth + most  # 0.029 and 0.35 where normals were drawn together only a little


def test_normals_that_are_fitted_apart_must_be_surely_better_on_held_out_rows():
    rng = np.random.default_rng(0)
    judges, excess = rng.normal(size=(4000, 1)), []
    for _ in range(20):
        excess.append(correlated_nll(judges, *initializers.correlated_mixture(rng.normal(size=(200, 1)), 5)))
    assert np.mean(excess) < 0.5 * np.log(2 * np.pi * np.e) + 0.005  # 0.008 where the better one was taken, sure or not
    peaks = 0.1 * rng.normal(size=(60, 1)) + np.where(np.arange(60)[:, None] % 2, -1.0, 1.0)
    truth = correlated_nll(peaks, [[-1.0], [1.0]], np.full((2, 1, 1), 0.1), [0.5, 0.5])
    assert correlated_nll(peaks, *initializers.correlated_mixture(peaks, 4)) < truth + 0.2


def test_correlated_peaks_are_found_as_well():
    rng, factor = np.random.default_rng(1), np.array([[1.0, 0.0], [0.9, 0.3]])
    y = 0.2 * rng.normal(size=(2000, 2)) @ factor.T + np.where(rng.random((2000, 1)) < 0.3, -1.0, 1.0)
    truth = correlated_nll(y, [[-1.0, -1.0], [1.0, 1.0]], [0.2 * factor] * 2, [0.3, 0.7])
    assert correlated_nll(y, *initializers.correlated_mixture(y, 4)) < truth + 0.15
