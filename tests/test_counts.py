"""Counts at the ends of what is allowed, off the grid, and learnt from data."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy import integrate, special, stats

import mdn
from gradients import value_and_gradients

INF = float("inf")


def number(tensor):
    return np.asarray(ops.convert_to_numpy(tensor), "float64")


RATES = np.float32([1e-8, 1e-3, 7.0, 1e6])[:, None]
SIZES = np.float32([3.0, 2.5, 0.01, 30.0])[:, None]
FAMILIES = {
    "Poisson": (lambda: mdn.Poisson(RATES), stats.poisson(RATES.astype(float))),
    "NegativeBinomial": (
        lambda: mdn.NegativeBinomial(RATES, SIZES),
        stats.nbinom(SIZES.astype(float), SIZES.astype(float) / (SIZES.astype(float) + RATES)),
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_counts_of_tiny_and_of_huge_rates_agree_with_scipy(family):
    make, truth = FAMILIES[family]
    counts, k = make(), np.float32([0.0, 1.0, 9.0, 999_000.0, 1_000_500.0])[:, None, None]
    for method, theirs in (("log_prob", "logpmf"), ("cdf", "cdf")):
        found, expected = number(getattr(counts, method)(k)), getattr(truth, theirs)(k.astype(float))[..., 0]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    q = np.float32([0.001, 0.3, 0.5, 0.97])
    np.testing.assert_allclose(number(counts.quantile(q)), truth.ppf(q.astype(float)[:, None, None]), rtol=1e-6)
    at_0 = number(counts.crps([0.0]))[:3]  # of a target 0 the CRPS is the sum of the squares of P(Y > k)
    expected = (truth.sf(np.arange(20_000.0)[:, None, None])[..., 0] ** 2).sum(0)[:3]
    np.testing.assert_allclose(at_0, expected, rtol=1e-5)


def test_what_is_no_outcome_has_no_probability_and_tails_are_steps():
    for counts, y, beneath in (
        (mdn.Poisson([2.5]), [1.5, -1.0], [1.0, -1.0]),
        (mdn.Rounded(mdn.Normal([0.3], [0.4]), 0.1), [0.25, -0.01], [0.2, -0.1]),
    ):
        y, beneath = (np.float32(x)[:, None] for x in (y, beneath))
        np.testing.assert_array_equal(number(counts.log_prob(y)), [-INF, -INF])
        np.testing.assert_array_equal(number(counts.log_cdf(y)), number(counts.log_cdf(beneath)))
    between = 0.75 * _crps(1.0) + 0.25 * _crps(2.0)  # the CRPS is linear between neighbouring outcomes
    np.testing.assert_allclose(number(mdn.Poisson([2.5]).crps([1.25])), between, rtol=1e-6)


def _crps(y):
    k = np.arange(100.0)
    return ((stats.poisson(2.5).cdf(k) - (k >= y)) ** 2).sum()


def test_intervals_of_counts_are_sums_of_probabilities():
    lower, upper = (
        np.float32([[1.0], [2.0], [-INF], [3.5], [2.2], [40.0]]),
        np.float32([[4.0], [2.0], [2.0], [INF], [2.8], [42.0]]),
    )
    truth, bounds = stats.poisson(2.5), mdn.Interval(lower, upper)
    pmf = truth.pmf
    expected = [pmf([2, 3, 4]).sum(), pmf(2), truth.cdf(2), truth.sf(3), 0.0, pmf([41, 42]).sum()]
    np.testing.assert_allclose(number(mdn.Poisson([2.5]).prob(bounds)), expected, rtol=2e-5)
    normal = stats.norm(2.0, 1.5)
    cells = [normal.cdf(4.5) - normal.cdf(1.5), normal.cdf(2.5) - normal.cdf(1.5), normal.cdf(2.5), normal.sf(3.5), 0.0]
    rounded = mdn.Rounded(mdn.Normal([2.0], [1.5]), lowest=0)
    np.testing.assert_allclose(number(rounded.prob(bounds))[:5], cells, rtol=2e-5)


def test_a_rounded_mixture_learns_counts_by_their_exact_likelihood():
    y = np.random.default_rng(0).poisson(3.0, (400, 1)).astype("float32")
    spec = mdn.RoundedSpec(mdn.MixtureSpec(mdn.NormalSpec(1), 2), lowest=0)
    model = keras.Sequential([keras.Input((1,)), mdn.MDN(spec).adapt(y)])
    model.compile(keras.optimizers.Adam(0.03), mdn.NegativeLogLikelihood(spec))
    model.fit(np.zeros((400, 1)), y, epochs=20, batch_size=400, verbose=0)
    found = number(mdn.predict(model, np.zeros((1, 1))).prob(np.arange(8.0)[:, None, None]))[:, 0]
    np.testing.assert_allclose(found, [np.mean(y == k) for k in range(8)], atol=0.04)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mdn.MDN(mdn.PoissonSpec(1)).adapt(np.array([[1.0], [2.5]])), "2.5 came"),
        (lambda: mdn.MDN(mdn.RoundedSpec(mdn.NormalSpec(1), lowest=0)).adapt(np.array([[1.0], [-2.0]])), "below 0"),
        (lambda: mdn.Rounded(mdn.Normal([0.0], [1.0]), step=0.0), "`step`"),
        (lambda: mdn.Rounded(mdn.Normal([0.0], [1.0]), step=0.5, lowest=0.3), "multiple of the step"),
        (lambda: mdn.Mixture([0.0, 0.0], (mdn.Normal([[0.0]], [[1.0]]), mdn.Poisson([[1.0]]))), "only with counts"),
    ],
)
def test_wrong_arguments_of_counts_say_what_to_write(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_counts_on_a_curve_have_the_probabilities_of_their_cells():
    """Rounded of a Transformed: log-normal amounts rounded to counts, against SciPy."""
    base = mdn.Mixture([0.0, 0.5], mdn.Normal([[0.2], [2.0]], [[0.6], [0.3]]))
    counts = mdn.Rounded(mdn.Transformed(base, mdn.bijections.Exp(-0.5)), lowest=0)
    weights = special.softmax([0.0, 0.5])

    def below(y):
        z = np.log(np.maximum(y + 0.5, 1e-300))
        return sum(w * stats.norm.cdf(z, m, s) for w, m, s in zip(weights, (0.2, 2.0), (0.6, 0.3), strict=True))

    k = np.arange(200.0)
    expected = below(k + 0.5) - np.where(k > 0.0, below(k - 0.5), 0.0)
    np.testing.assert_allclose(ops.convert_to_numpy(counts.prob(k[:, None])), expected, rtol=2e-4, atol=1e-7)
    np.testing.assert_allclose(ops.convert_to_numpy(counts.mean()), [np.sum(k * expected)], rtol=1e-4)
    tail = np.cumsum(expected)
    crps = [np.sum((tail - (k >= y)) ** 2) for y in (0.0, 3.0, 40.0)]
    np.testing.assert_allclose(ops.convert_to_numpy(counts.crps(np.array([[0.0], [3.0], [40.0]]))), crps, rtol=1e-4)
    found = ops.convert_to_numpy(counts.quantile([0.01, 0.5, 0.99]))[:, 0]
    np.testing.assert_array_equal(found, [np.argmax(tail >= q) for q in (0.01, 0.5, 0.99)])
    assert float(counts.mode()[0]) == np.argmax(expected)


HEAVY = {
    "StudentT": (mdn.StudentT([1.3], [1.0], [2.5]), stats.t(2.5, 1.3), None),
    "StudentT from 0 on": (mdn.StudentT([130.0], [100.0], [2.5]), stats.t(2.5, 130.0, 100.0), 0),
    "LogNormal": (mdn.LogNormal([1.0], [2.0]), stats.lognorm(2.0, scale=np.e), None),
    "exp of a normal": (
        mdn.Transformed(mdn.Normal([1.0], [3.0]), mdn.bijections.Exp(-0.5)),
        stats.lognorm(3.0, -0.5, np.exp(1.0)),
        0,
    ),
}


def sums_of_tails(tail, power=1):
    """(the sum of tail(k + 1/2) ** power over k >= 0, that with the weights 2 k + 1): far out integrals by the log of k."""
    k = np.arange(20_000.0)
    near = tail(k + 0.5) ** power

    def far(weight):
        inside = integrate.quad(
            lambda log: tail(np.exp(log)) ** power * weight(np.exp(log)) * np.exp(log),
            np.log(len(k)),
            180.0,
            limit=400,
            epsabs=0.0,
        )
        return inside[0]

    return np.sum(near) + far(lambda k: 1.0), np.sum(near * (2.0 * k + 1.0)) + far(lambda k: 2.0 * k)


@pytest.mark.parametrize("name", HEAVY)
def test_moments_of_rounded_numbers_with_heavy_tails_have_no_end(name):
    """The outcomes whose tail is below 1e-14 hold 4 % of the variance of exp of a normal with the scale 3."""
    base, truth, lowest = HEAVY[name]
    rounded = mdn.Rounded(base, lowest=lowest)
    first, second = sums_of_tails(truth.sf)
    if lowest is None:
        below = sums_of_tails(lambda x: truth.cdf(-x))
        first, second = first - below[0], second + below[1]
    np.testing.assert_allclose(number(rounded.mean()), [first], rtol=2e-6)
    np.testing.assert_allclose(number(rounded.variance()), [second - first**2], rtol=1e-5)


def test_the_crps_of_rounded_numbers_without_a_mean_counts_outcomes_that_are_far_out():
    rounded = mdn.Rounded(mdn.StudentT([0.0], [1.0], [0.6]))
    expected = 2.0 * sums_of_tails(stats.t(0.6).sf, power=2)[0]
    np.testing.assert_allclose(float(rounded.crps([0.0])), expected, rtol=1e-4)


ENDLESS = {
    "LogNormal": lambda scale: mdn.LogNormal([1.0], [scale]),
    "Transformed": lambda scale: mdn.Transformed(mdn.Normal([1.0], [scale]), mdn.bijections.Exp()),
    "Transformed LogNormal": lambda scale: mdn.Transformed(mdn.LogNormal([1.0], [scale]), mdn.bijections.Identity()),
}


@pytest.mark.parametrize("lowest", [0, None])
@pytest.mark.parametrize("family", ENDLESS)
@pytest.mark.parametrize("scale", [3.0, 6.0, 8.0, 9.0])
def test_rounding_moves_the_moments_of_a_heavy_tail_by_half_a_step_at_most(scale, family, lowest):
    """The mean of such a log-normal lies in its far tail, where a sum over outcomes was wrong by up to 30 %."""
    rounded = mdn.Rounded(ENDLESS[family](scale), lowest=lowest)
    mean, deviation = np.exp(1.0 + 0.5 * scale**2), np.exp(1.0 + 0.5 * scale**2) * np.sqrt(np.expm1(scale**2))
    assert abs(number(rounded.mean()) - mean) <= 0.5 + 1e-6 * mean
    if deviation**2 < float(np.finfo(rounded.dtype).max):
        assert abs(np.sqrt(number(rounded.variance())) - deviation) <= 0.5 + 1e-5 * deviation
    else:
        assert number(rounded.variance()) == INF


def test_a_support_that_ends_above_the_least_outcome_bounds_moments_and_one_that_ends_below_does_not():
    low = np.float32([[-100.0], [-0.5]])
    base = mdn.TruncatedNormal(np.full_like(low, -50.0), np.full_like(low, 30.0), low, np.full_like(low, INF))
    rounded, (far, near), k = mdn.Rounded(base, lowest=0), number(base.mean()), np.arange(500.0)
    tail = stats.truncnorm(-50.0 / 30.0, INF, -50.0, 30.0).sf(k + 0.5)
    expected = np.sum(tail), np.sum((2.0 * k + 1.0) * tail) - np.sum(tail) ** 2
    np.testing.assert_allclose(number(rounded.mean())[0], expected[0], rtol=1e-5)
    np.testing.assert_allclose(number(rounded.variance())[0], expected[1], rtol=1e-5)
    assert far < -46.0 and abs(number(rounded.mean())[1] - near) <= 0.5
    for family in (mdn.Gamma([0.01], [1e-6]), mdn.Weibull([0.1], [1.0])):
        mean, variance = number(family.mean()), number(family.variance())
        rounded = mdn.Rounded(family, lowest=0)
        assert abs(number(rounded.mean()) - mean) <= 0.5 + 1e-6 * mean
        assert abs(np.sqrt(number(rounded.variance())) - np.sqrt(variance)) <= 0.5 + 1e-6 * np.sqrt(variance)


@pytest.mark.parametrize("lowest", [0, None])
def test_moments_of_rounded_numbers_have_gradients_where_the_variance_of_the_base_underflows(lowest):
    def moments(params):
        rounded = mdn.Rounded(mdn.LogNormal(*params), lowest=lowest)
        return rounded.mean()[0] + rounded.variance()[0]

    value, slopes = value_and_gradients(moments, [[-60.0], [1.0]])
    assert value == 0.0 and np.isfinite(slopes).all()
