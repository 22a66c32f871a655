"""Targets of tables that are sets: rounded, censored, positive, bounded, counted, and with atoms."""

import numpy as np
import pytest
from scipy import integrate, stats
from sklearn.base import clone

import mdn
from mdn.distributions.bijections import Exp, Identity, Sigmoid, Softplus
from mdn.tabular import learning, outcome, targets
from mdn.tabular.outcome import Outcome, candidates

pytestmark = pytest.mark.jax


def quick(**settings):
    return mdn.MDNRegressor(**{"num_components": 3, "epochs": 60, "random_state": 0, **settings})


def features(count, seed=0):
    rng = np.random.default_rng(seed)
    return rng, rng.uniform(-1, 1, (count, 1))


# ---- what a target is taken for ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "settings", "bijections", "counted", "atoms"),
    [
        (np.linspace(-1, 2, 50), {}, [Identity], False, ()),
        (np.linspace(0.1, 9, 50), {}, [Softplus, Exp], False, ()),
        (np.linspace(0.01, 0.99, 50), {}, [Sigmoid], False, ()),
        (np.linspace(0.01, 99.0, 50), {}, [Sigmoid], False, ()),
        (np.repeat([0, 1, 2, 3, 4], [20, 15, 9, 4, 2]), {"step": 1.0}, [Exp, Identity], True, ()),
        (np.r_[np.zeros(30), np.linspace(0.5, 9, 60)], {}, [Softplus, Exp], False, (0.0,)),
        (np.linspace(0.1, 9, 50), {"family": "normal"}, [Identity], False, ()),
        (np.linspace(2, 9, 50), {"family": "bounded", "bounds": (0, 10)}, [Sigmoid], False, ()),
        (np.linspace(-3, 9, 50), {"family": "auto", "bounds": (-5, np.inf)}, [Softplus, Exp], False, ()),
    ],
)
def test_the_outcomes_of_auto_are_those_that_the_support_allows(y, settings, bijections, counted, atoms):
    found = candidates(np.asarray(y, "float64"), **{"family": "auto", "bounds": None, "step": 0.0, **settings})
    assert [type(each.bijection) for each in found] == bijections
    assert all(each.counted == counted and each.atoms == atoms for each in found)


@pytest.mark.parametrize(
    ("y", "family", "bounds", "message"),
    [
        ([1.0, -2.0], "positive", None, "needs targets from 0, but -2 came"),
        ([1.0, 2.5], "counts", None, "whole targets from 0, but 2.5 came"),
        ([0.5, 1.5], "bounded", (0, 1), "within `bounds` = .0, 1., but 1.5 came"),
        ([0.4, 0.5], "bounded", None, "between which bounds"),
        ([0.4, 0.5], "auto", (-np.inf, 3.0), "predict -y"),
    ],
)
def test_a_target_outside_of_its_support_is_one_sentence(y, family, bounds, message):
    with pytest.raises(ValueError, match=message):
        candidates(np.array(y), family, bounds, 0.0)


@pytest.mark.parametrize(
    ("settings", "y", "message"),
    [
        ({"family": "gauss"}, np.zeros(20), "`family` must be one of"),
        ({"bounds": (1, 0)}, np.zeros(20), "`bounds` must be None"),
        ({"censoring": "left"}, np.zeros(20), "`censoring` must be None"),
        ({"censoring": "interval"}, np.zeros(20), r"shape \(N, 2\)"),
        ({"censoring": "interval"}, np.tile([2.0, 1.0], (20, 1)), "row 0 has 2 and 1"),
        ({"censoring": "right"}, np.tile([2.0, 3.0], (20, 1)), "must be 1 or 0, but 3 came"),
        ({"family": "positive"}, np.ones((20, 2)), "need one target, but y has 2"),
        ({"family": "positive", "loss": "crps"}, np.arange(20.0), '`loss` must be "nll"'),
        ({"family": "positive", "target_noise": 0.1}, np.arange(20.0), "`target_noise` must be 0"),
    ],
)
def test_settings_that_do_not_fit_are_refused_in_one_sentence(settings, y, message):
    with pytest.raises(ValueError, match=message):
        quick(**settings).fit(np.arange(20.0)[:, None], y)


def test_a_description_of_an_outcome_gives_the_same_outcome():
    for each in (
        Outcome(),
        Outcome(Softplus(0.0, 2.0), atoms=(0.0, 3.0), shares=(0.2, 0.1)),
        Outcome(Exp(-0.5), counted=True),
    ):
        assert outcome.of(outcome.description(each)) == each
    with pytest.raises(ValueError, match="outcome"):
        outcome.of({"bijection": {"kind": "Cube"}})


# ---- rounded targets ---------------------------------------------------------------------------------------------------


def test_a_rounded_target_is_learnt_as_its_cell_and_scored_by_its_probability():
    rng, x = features(600)
    y = np.round(3.0 * np.sin(3 * x[:, 0]) + rng.normal(size=600))
    reg = quick().fit(x, y)
    assert reg.target_grid_[0] == 1.0 and reg.outcome_ == Outcome()
    at = x[:5]
    values = np.arange(-12.0, 13.0)
    probabilities = np.stack([np.exp(reg.log_prob(at, np.full(5, value))) for value in values])
    np.testing.assert_allclose(probabilities.sum(axis=0), 1.0, atol=1e-5)
    mixture = reg.predict_distribution(at)
    cell = np.asarray(mixture.cdf(np.full((5, 1), 1.5))) - np.asarray(mixture.cdf(np.full((5, 1), 0.5)))
    np.testing.assert_allclose(probabilities[13], cell, rtol=1e-3, atol=1e-6)


def test_bounds_and_draws_of_sets_are_those_of_the_grid():
    y = np.array([[1.0, 0.3], [np.nan, 0.4]])
    bounds = targets.cells(y, np.array([1.0, 0.0]))
    np.testing.assert_array_equal(bounds, [[0.5, 0.3, 1.5, 0.3], [np.nan, 0.4, np.nan, 0.4]])
    drawn = targets.drawn(np.array([[0.0, 1.0], [2.0, 2.0], [-np.inf, 3.0], [4.0, np.inf], [-np.inf, np.inf]]), 1, 0)[
        :, 0
    ]
    assert 0.0 < drawn[0] < 1.0 and drawn[1:4].tolist() == [2.0, 3.0, 4.0] and np.isnan(drawn[4])


# ---- censored targets --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", name="survival")
def _survival():
    rng, x = features(2600)
    scale = np.exp(x[:, 0])
    times, ends = scale * rng.weibull(1.5, 2600), rng.exponential(2.0, 2600)
    y = np.column_stack([np.minimum(times, ends), times <= ends])
    reg = quick(family="positive", censoring="right", epochs=100).fit(x[:1600], y[:1600])
    return reg, x[1600:], y[1600:], times[1600:], scale[1600:]


def test_right_censored_times_are_learnt_as_if_they_were_known(survival):
    reg, x, _, times, scale = survival
    best = -np.mean(stats.weibull_min.logpdf(times, 1.5, scale=scale))
    assert -np.mean(reg.log_prob(x, times)) < best + 0.06
    assert np.min(reg.predict_quantile(x, [1e-6, 0.5])) >= 0.0


def test_a_censored_row_scores_the_probability_that_it_lies_beyond(survival):
    reg, x, y, *_ = survival
    late = y[:, 1] == 0.0
    beyond = np.log(np.asarray(reg.predict_distribution(x[late]).cdf(y[late, :1])) * -1.0 + 1.0)
    np.testing.assert_allclose(reg.log_prob(x, y)[late], beyond, atol=2e-3)
    scores = reg.evaluate(x, y)
    assert np.isfinite(scores.nll) and abs(scores.coverage(0.9) - 0.9) < 0.04


# ---- bounded targets ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", name="shares")
def _shares():
    rng, x = features(2500)
    a = 0.6 + 0.3 * x[:, 0]
    y = rng.beta(a, 0.6)
    y[:3] = [0.0, 1.0, 0.0]  # the ends themselves are targets, too
    reg = quick(family="auto", bounds=(0.0, 1.0)).fit(x[:1500], y[:1500])
    return reg, x[1500:], y[1500:], a[1500:]


def test_no_answer_leaves_the_bounds_and_the_density_is_that_of_the_data(shares):
    reg, x, y, a = shares
    best = -np.mean(stats.beta.logpdf(y, a, 0.6))
    assert -np.mean(reg.log_prob(x, y)) < best + 0.06
    for answer in (reg.sample(x, 3, seed=0), reg.predict_interval(x, 0.9999), reg.predict(x)):
        assert answer.min() >= 0.0 and answer.max() <= 1.0
    np.testing.assert_allclose(np.mean(reg.predict(x)), np.mean(y), atol=0.04)
    assert np.isfinite(reg.log_prob(x[:2], np.array([0.0, 1.0]))).all()


def test_a_file_keeps_what_the_target_was_taken_for(shares, tmp_path):
    reg, x, y, _ = shares
    reg.save(tmp_path / "m.mdn")
    again = mdn.load(tmp_path / "m.mdn")
    assert again.outcome_ == reg.outcome_ and again.get_params()["bounds"] == (0.0, 1.0)
    np.testing.assert_array_equal(again.log_prob(x, y), reg.log_prob(x, y))
    np.testing.assert_array_equal(again.predict_interval(x), reg.predict_interval(x))


def test_the_density_of_a_bounded_target_integrates_to_one(shares):
    reg, x, *_ = shares
    z = np.linspace(-30.0, 30.0, 4001)
    y = Sigmoid(0.0, 1.0).forward(z)
    density = np.exp(reg.log_prob(np.repeat(x[:1], len(y), axis=0), y))
    inside = (y > 1e-6) & (y < 1.0 - 1e-6)
    assert abs(integrate.trapezoid(density[inside], y[inside]) - 1.0) < 0.03


# ---- counts ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", name="visits")
def _visits():
    rng, x = features(2500)
    rate = np.exp(1.0 + x[:, 0])
    y = rng.negative_binomial(2.0, 2.0 / (2.0 + rate)).astype("float64")
    reg = quick(family="counts").fit(x[:1500], y[:1500])
    return reg, x[1500:], y[1500:], rate[1500:]


def test_counts_have_probabilities_that_sum_to_one_and_whole_quantiles(visits):
    reg, x, y, rate = visits
    best = -np.mean(stats.nbinom.logpmf(y, 2.0, 2.0 / (2.0 + rate)))
    assert -np.mean(reg.log_prob(x, y)) < best + 0.06
    probabilities = [np.exp(reg.log_prob(x[:4], np.full(4, float(k)))) for k in range(400)]
    np.testing.assert_allclose(np.sum(probabilities, axis=0), 1.0, atol=1e-4)
    for answer in (reg.predict_quantile(x, [0.05, 0.5, 0.95]), reg.sample(x, 2, seed=0)):
        assert answer.min() >= 0.0 and np.array_equal(answer, np.round(answer))
    np.testing.assert_allclose(np.mean(reg.predict(x)), np.mean(y), rtol=0.1)
    scores = reg.evaluate(x, y)
    assert stats.kstest(scores.pit[:, 0], "uniform").statistic < 0.07
    assert scores.nll < scores.mixture_nll < 5.0


# ---- atoms -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", name="amounts")
def _amounts():
    rng, x = features(2500)
    zero = 1.0 / (1.0 + np.exp(-2.0 * x[:, 0]))
    y = np.where(rng.uniform(size=2500) < zero, 0.0, np.exp(x[:, 0] + 0.5 * rng.normal(size=2500)))
    reg = quick(family="auto", ensemble_size=2).fit(x[:1500], y[:1500])
    return reg, x[1500:], y[1500:], zero[1500:]


def test_an_atom_has_a_probability_of_its_own_and_the_rest_a_density(amounts):
    reg, x, y, zero = amounts
    assert reg.outcome_.atoms == (0.0,) and len(reg.members_) == 2
    found = np.exp(reg.log_prob(x, np.zeros(len(x))))
    assert np.mean(np.abs(found - zero)) < 0.05
    density = stats.lognorm.logpdf(np.where(y == 0.0, 1.0, y), 0.5, scale=np.exp(x[:, 0]))
    best = -np.mean(np.where(y == 0.0, np.log(zero), np.log1p(-zero) + density))
    assert -np.mean(reg.log_prob(x, y)) < best + 0.06
    quantiles = reg.predict_quantile(x, [0.1, 0.99])
    assert np.array_equal(quantiles[:, 0] == 0.0, found >= 0.1) and quantiles.min() >= 0.0
    draws = reg.sample(x, 50, seed=1)
    np.testing.assert_allclose(np.mean(draws == 0.0), np.mean(found), atol=0.01)


def test_scores_of_atoms_are_honest_and_have_two_parts(amounts):
    reg, x, y, _ = amounts
    scores = reg.evaluate(x, y)
    assert stats.kstest(scores.pit[:, 0], "uniform").pvalue > 0.01
    assert scores.nll < scores.mixture_nll
    np.testing.assert_allclose(scores.which_nll + scores.density_nll, scores.nll, rtol=1e-5)


def test_a_cap_is_an_atom_although_all_other_values_are_rounded_finely():
    """Fault 9 of issue 21: housing prices in hundreds that are capped at 500,001."""
    rng = np.random.default_rng(0)
    prices = np.minimum(np.round(np.exp(rng.normal(12.2, 0.6, 4000)), -2), 500_001.0)[:, None]
    settings = quick(family="auto")
    grid = learning.grid_of(settings, prices)
    found = learning.possible_outcomes(settings, prices, 1, grid)
    assert grid[0] == 0.0 and found[0].atoms == (500_001.0,) and 0.03 < found[0].shares[0] < 0.1
    counts = rng.poisson(0.5, (400, 1)).astype("float64")
    assert learning.grid_of(settings, counts)[0] == 1.0


# ---- faults that a review found ----------------------------------------------------------------------------------------


def test_a_target_outside_of_the_support_is_impossible_and_one_near_an_end_is_a_point(shares):
    reg, x, *_ = shares
    assert np.isneginf(reg.log_prob(x[:2], np.array([-0.5, 1.5]))).all()
    y = np.array([1e-5, 1e-4, 1e-3])
    near = reg.log_prob(x[:3], y)
    density = np.asarray(reg.predict_distribution(x[:3]).log_prob(y[:, None].astype("float32")))
    np.testing.assert_allclose(near, density, rtol=1e-3)
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        quick(family="bounded", bounds=(0, 1)).fit(
            x, np.linspace(0, 1, len(x)), validation_data=(x[:3], [0.1, 1.2, 0.3])
        )


def test_marks_and_labels_keep_their_upper_end():
    for y, low, high in (([0, 1] * 30, -0.5, 1.5), ([1, 2, 3, 4, 5, 5] * 20, 0.5, 5.5)):
        found = candidates(np.array(y, "float64"), "auto", None, 1.0)
        assert len(found) == 1 and found[0].counted and found[0].bijection == Sigmoid(low, high)
    rng, x = features(300)
    y = np.where(rng.uniform(size=300) < 0.6, 1.0, np.where(rng.uniform(size=300) < 0.8, 5.0, rng.integers(2, 5, 300)))
    reg = quick(family="auto", epochs=20).fit(x, y)
    for answer in (reg.sample(x, 50, seed=0), reg.predict_quantile(x, [0.001, 0.5, 0.999])):
        assert set(np.unique(answer)) <= {1.0, 2.0, 3.0, 4.0, 5.0}
    marks = sum(np.exp(reg.log_prob(x[:5], np.full(5, k))) for k in (1.0, 2.0, 3.0, 4.0, 5.0))
    np.testing.assert_allclose(marks, 1.0, atol=1e-5)
    rare = np.random.default_rng(0).poisson(2.0, 400).astype("float64")
    assert isinstance(candidates(rare, "auto", None, 1.0)[0].bijection, Exp)


def test_a_model_of_counts_without_features_has_nearly_their_frequencies():
    rng = np.random.default_rng(0)
    y = np.where(rng.uniform(size=600) < 0.5, 0.0, rng.poisson(3.0, 600))
    reg = quick(family="counts", epochs=2).fit(rng.normal(size=(600, 1)), y)
    _, counts = np.unique(y, return_counts=True)
    entropy = -np.sum(counts / 600 * np.log(counts / 600))
    assert entropy - 0.01 < reg.evaluate(rng.normal(size=(600, 1)), y).mixture_nll < entropy + 0.1


def test_counts_without_a_curve_are_learnt_by_the_likelihood_that_answers():
    found = Outcome(counted=True)
    bounds, width = found.sets(np.array([[0.0], [3.0]]), np.ones(1))
    np.testing.assert_array_equal(found.learnable(bounds), [[-np.inf, 0.5], [2.5, 3.5]])
    assert (width == 1.0).all()


def test_calibrated_counts_stay_whole_and_bounded_targets_within_their_bounds(visits, shares):
    for (reg, x, y, _), whole in ((visits, True), (shares, False)):
        again = clone(reg)
        again.__dict__.update(vars(reg))
        found = again.calibrate(x[:400], y[:400]).predict_quantile(x, [0.001 * 5, 0.05, 0.5, 0.95])
        assert found.min() >= 0.0 and (np.array_equal(found, np.round(found)) if whole else found.max() <= 1.0)


def test_censored_targets_have_no_calibration_and_a_score_of_their_own(survival):
    reg, x, y, *_ = survival
    with pytest.raises(ValueError, match="censored"):
        reg.calibrate(x, y)
    with pytest.raises(ValueError, match="`calibration` must be None with `censoring`"):
        quick(censoring="right", calibration="conformal").fit(x, y)
    assert np.isclose(reg.score(x, y), np.mean(reg.log_prob(x, y)))
    assert np.isnan(reg.evaluate(x, y).crps).all()


def test_an_event_at_the_very_start_and_bounds_that_say_nothing_are_learnt():
    rng, x = features(200)
    y = np.column_stack([np.r_[np.zeros(20), rng.exponential(1.0, 180)], np.ones(200)])
    reg = quick(family="positive", censoring="right", epochs=20).fit(x, y)
    assert np.isfinite(reg.history_.loss[-1]) and reg.history_.loss[-1] < 10.0 and np.isfinite(reg.log_prob(x, y)).all()
    ends = np.column_stack([np.r_[np.full(20, -np.inf), np.zeros(180)], np.r_[np.full(20, np.inf), np.ones(180)]])
    assert np.isfinite(quick(censoring="interval", epochs=5).fit(x, ends).history_.loss[-1])
    with pytest.raises(ValueError, match="row 0 has inf and inf"):
        quick(censoring="interval").fit(x, np.full((200, 2), np.inf))


def test_an_interval_is_a_target_of_the_regressor():
    rng, x = features(200)
    y = rng.normal(size=(200, 1))
    bounds = mdn.Interval(y - 0.5, y + 0.5)
    reg = quick(censoring="interval", epochs=5).fit(x, bounds)
    assert reg.n_targets_ is None and reg.predict(x).shape == (200,)
    with pytest.raises(ValueError, match="needs censoring"):
        quick().fit(x, bounds)


def test_an_atom_and_bounds_far_from_zero_keep_their_digits():
    rng, x = features(500)
    y = 1.7e9 + np.minimum(1000.0 * rng.uniform(size=500), 900.0)
    near = quick(family="auto", bounds=(0.0, 900.0), epochs=20).fit(x, y - 1.7e9)
    far = quick(family="auto", bounds=(1.7e9, 1.7e9 + 900.0), epochs=20).fit(x, y)
    assert far.outcome_.atoms == (1.7e9 + 900.0,) and far.target_origin_[0] > 1e9
    np.testing.assert_allclose(far.log_prob(x, y), near.log_prob(x, y - 1.7e9), atol=0.02)
    quantiles = far.predict_quantile(x, [0.05, 0.5, 0.95])
    np.testing.assert_allclose(quantiles - 1.7e9, near.predict_quantile(x, [0.05, 0.5, 0.95]), atol=3.0)
    assert quantiles.max() == 1.7e9 + 900.0
