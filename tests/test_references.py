"""The references against SciPy, mpmath and adaptive quadrature: who tests the tests."""

import itertools

import mpmath
import numpy as np
import pytest
from scipy import integrate, stats

import references as ref

pytestmark = pytest.mark.project

RNG = np.random.default_rng(20240)

UNIVARIATE = {
    "Normal": (dict(loc=[1.5], scale=[0.3]), stats.norm(1.5, 0.3)),
    "Laplace": (dict(loc=[-2.0], scale=[4.0]), stats.laplace(-2.0, 4.0)),
    "Logistic": (dict(loc=[0.2], scale=[0.7]), stats.logistic(0.2, 0.7)),
    "StudentT-heavy": (dict(loc=[0.5], scale=[2.0], df=[0.7]), stats.t(0.7, 0.5, 2.0)),
    "StudentT": (dict(loc=[0.5], scale=[2.0], df=[3.3]), stats.t(3.3, 0.5, 2.0)),
    "StudentT-light": (dict(loc=[0.5], scale=[2.0], df=[200.0]), stats.t(200.0, 0.5, 2.0)),
    "LogNormal": (dict(loc=[0.3], scale=[1.2]), stats.lognorm(1.2, scale=np.exp(0.3))),
    "Gamma": (dict(concentration=[2.5], rate=[0.4]), stats.gamma(2.5, scale=2.5)),
    "Gamma-small": (dict(concentration=[0.3], rate=[7.0]), stats.gamma(0.3, scale=1 / 7)),
    "Weibull": (dict(concentration=[1.7], scale=[3.0]), stats.weibull_min(1.7, scale=3.0)),
    "Weibull-small": (dict(concentration=[0.4], scale=[0.2]), stats.weibull_min(0.4, scale=0.2)),
    "Beta": (dict(concentration1=[2.5], concentration0=[4.0]), stats.beta(2.5, 4.0)),
    "Beta-U": (dict(concentration1=[0.3], concentration0=[0.6]), stats.beta(0.3, 0.6)),
    "TruncatedNormal": (
        dict(loc=[0.5], scale=[2.0], low=[-1.0], high=[3.0]),
        stats.truncnorm(-0.75, 1.25, loc=0.5, scale=2.0),
    ),
    "TruncatedNormal-far": (
        dict(loc=[-0.5], scale=[0.5], low=[1.0], high=[3.0]),
        stats.truncnorm(3.0, 7.0, loc=-0.5, scale=0.5),
    ),
    "VonMises": (dict(loc=[0.8], concentration=[2.5]), stats.vonmises(2.5, 0.8)),
}

COUNTS = {
    "Poisson": (dict(rate=[7.5]), stats.poisson(7.5)),
    "NegativeBinomial": (dict(rate=[7.5], concentration=[0.8]), stats.nbinom(0.8, 0.8 / 8.3)),
}


@pytest.mark.parametrize("name", COUNTS)
def test_truths_of_counts_agree_with_scipy(name):
    truth, other = ref.Independent(name, **COUNTS[name][0]), COUNTS[name][1]
    k = np.array([-1.0, 0.0, 1.0, 2.5, 7.0, 40.0])
    np.testing.assert_allclose(truth.log_density(k), other.logpmf(k), rtol=1e-10)
    np.testing.assert_allclose(truth.log_cdf(k), other.logcdf(k), rtol=1e-8)
    np.testing.assert_allclose(truth.log_sf(k), other.logsf(k), rtol=1e-8)
    q = np.array([1e-6, 0.05, 0.5, 0.999])
    np.testing.assert_array_equal(ref.quantile(truth, q), other.ppf(q))
    outcomes = np.arange(2000.0)
    for y in (0.0, 5.0):
        expected = ((other.cdf(outcomes) - (outcomes >= y)) ** 2).sum()
        np.testing.assert_allclose(ref.crps(truth, np.array(y)), expected, rtol=1e-10)


def truth_of(name):
    return ref.Independent(name.split("-")[0], **UNIVARIATE[name][0])


def points_of(name):
    if name == "VonMises":
        return np.linspace(-3.1, 3.1, 9)
    return UNIVARIATE[name][1].ppf([1e-6, 1e-3, 0.05, 0.3, 0.5, 0.8, 0.95, 0.999, 1 - 1e-6])


@pytest.mark.parametrize("name", UNIVARIATE)
def test_univariate_truths_agree_with_scipy(name):
    truth, other, x = truth_of(name), UNIVARIATE[name][1], points_of(name)
    np.testing.assert_allclose(truth.log_density(x), other.logpdf(x), rtol=1e-10, atol=1e-12)
    if name == "VonMises":  # SciPy counts from elsewhere, and less exactly.
        expected = [integrate.quad(other.pdf, -np.pi, v, epsabs=1e-12)[0] for v in x]
        np.testing.assert_allclose(truth.cdf(x), expected, rtol=1e-9)
        np.testing.assert_allclose(np.exp(truth.log_cdf(x)), expected, rtol=1e-9)
        np.testing.assert_allclose(np.exp(truth.log_sf(x)), 1 - np.array(expected), rtol=1e-9)
        return
    np.testing.assert_allclose(truth.log_cdf(x), other.logcdf(x), rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(truth.log_sf(x), other.logsf(x), rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(
        ref.quantile(truth, [1e-6, 0.05, 0.5, 0.999]), other.ppf([1e-6, 0.05, 0.5, 0.999]), rtol=1e-9
    )
    if other.var() < np.inf:
        np.testing.assert_allclose(truth.mean()[0], other.mean(), rtol=1e-12)
        np.testing.assert_allclose(truth.variance()[0], other.var(), rtol=1e-12)


def test_tails_agree_with_mpmath():
    mpmath.mp.dps = 40

    def student_tail(z, df):
        z, df = mpmath.mpf(z), mpmath.mpf(df)
        return float(mpmath.log(mpmath.betainc(df / 2, mpmath.mpf(1) / 2, 0, df / (df + z * z), regularized=True) / 2))

    for df in (0.7, 2.0, 30.0, 200.0):
        for z in (1e-3, 0.5, 3.0, 9.0, 14.0, 80.0, 1e6):
            got = ref.StudentTCoordinate.log_sf(np.array(z), 0.0, 1.0, np.array(df))
            assert got == pytest.approx(student_tail(z, df), rel=1e-10)
    for a in (0.4, 3.0, 900.0):
        for x in (1e-300, 0.1, 1.0, 5.0, 20.0):
            lower, upper = (
                float(mpmath.log(mpmath.gammainc(a, *ends, regularized=True))) for ends in ((0, a * x), (a * x,))
            )
            assert ref.GammaCoordinate.log_cdf(np.array(a * x), np.array(a), 1.0) == pytest.approx(
                lower, rel=1e-9, abs=1e-15
            )
            assert ref.GammaCoordinate.log_sf(np.array(a * x), np.array(a), 1.0) == pytest.approx(
                upper, rel=1e-9, abs=1e-15
            )
    for z in (1.0, 10.0, 31.0):
        got = ref.NormalCoordinate.log_sf(z, 0.0, 1.0)
        assert got == pytest.approx(float(mpmath.log(mpmath.ncdf(-z))), rel=1e-12)
    for concentration, x in [(500.0, -2.5), (500.0, 0.3), (0.01, -3.0), (20.0, 3.0), (500.0, 1.1)]:

        def density(t, k=concentration):
            return mpmath.exp(k * mpmath.cos(t - 0.7)) / (2 * mpmath.pi * mpmath.besseli(0, k))

        cuts = [-mpmath.pi, *[v for v in np.linspace(-3.1, 3.1, 60) if v < x], x]
        expected = float(mpmath.log(mpmath.quad(density, cuts)))
        got = ref.VonMisesCoordinate.log_cdf(np.array(x), np.array(0.7), np.array(concentration))
        assert got == pytest.approx(expected, rel=1e-8)


def mixtures():
    def three(kind, **fields):
        return ref.Mixture([0.3, -1.0, 1.1], [ref.Independent(kind, **fields)])

    loc, scale = np.array([[-2.0], [0.1], [3.0]]), np.array([[0.02], [1.5], [0.4]])
    return {
        "normal": three("Normal", loc=loc, scale=scale),
        "laplace": three("Laplace", loc=loc, scale=scale),
        "logistic": three("Logistic", loc=loc, scale=scale),
        "student": three("StudentT", loc=loc, scale=scale, df=[[1.6], [2.5], [40.0]]),
        "log_normal": three("LogNormal", loc=loc / 2, scale=[[0.1], [1.1], [0.4]]),
        "gamma": three("Gamma", concentration=[[0.4], [3.0], [80.0]], rate=[[1.0], [0.5], [9.0]]),
        "von_mises": three("VonMises", loc=loc, concentration=[[200.0], [0.1], [8.0]]),
        "mixed": ref.Mixture(
            [0.2, -0.4, 0.9],
            [
                ref.Independent("Normal", loc=[[0.0]], scale=[[0.5]]),
                ref.Independent("StudentT", loc=[[1.0]], scale=[[2.0]], df=[[2.2]]),
                ref.Independent("Laplace", loc=[[-4.0]], scale=[[0.1]]),
            ],
        ),
    }


@pytest.mark.parametrize("name", mixtures())
def test_mixtures_agree_with_adaptive_quadrature(name):
    truth = mixtures()[name]
    edges = np.unique(truth.edges())
    x, weight = ref.gauss_legendre(edges, 20)
    density = np.exp(truth.log_density(x))
    assert (weight * density).sum() == pytest.approx(1.0, abs=1e-9)
    if name != "von_mises":
        mean = (weight * density * x).sum()
        assert truth.mean()[0] == pytest.approx(mean, rel=1e-6)
    if name not in ("von_mises", "student"):
        variance = (weight * density * (x - mean) ** 2).sum()
        assert truth.variance()[0] == pytest.approx(variance, rel=1e-6)

    q = np.array([1e-6, 1e-3, 0.05, 0.5, 0.95, 0.999, 1 - 1e-6])
    roots = ref.quantile(truth, q)
    np.testing.assert_allclose(truth.cdf(roots), q, rtol=1e-9)
    np.testing.assert_allclose(truth.sf(roots), 1 - q, rtol=1e-9)

    y = np.array([0.5, 2.9])
    np.testing.assert_allclose(ref.crps(truth, y), [crps_by_adaptive_quadrature(truth, v) for v in y], rtol=1e-6)


def crps_by_adaptive_quadrature(truth, target):
    breaks = np.unique(truth.edges())
    coarse = [*breaks[:: max(1, len(breaks) // 30)], breaks[-1]]
    low = [*(v for v in coarse if v < target), target]
    high = [target, *(v for v in coarse if v > target)]
    if truth.circular:  # smooth on a short line, and slow one point at a time
        sides = [(np.linspace(-np.pi, target, 8001), truth.cdf), (np.linspace(target, np.pi, 8001), truth.sf)]
        return sum(integrate.simpson(function(x) ** 2, x=x) for x, function in sides)

    def below(v):
        return float(truth.cdf(np.array(v)) ** 2)

    def above(v):
        return float(truth.sf(np.array(v)) ** 2)

    parts = [integrate.quad(below, a, b, limit=60)[0] for a, b in pairs_of(low)]
    return sum(parts) + sum(integrate.quad(above, a, b, limit=60)[0] for a, b in pairs_of(high))


def pairs_of(values):
    return itertools.pairwise(values)


def test_crps_agrees_with_known_numbers():
    normal = ref.Independent("Normal", loc=[0.0], scale=[1.0])
    assert ref.crps(normal, np.array(0.0)) == pytest.approx(2 * stats.norm.pdf(0) - 1 / np.sqrt(np.pi), abs=1e-12)
    two = ref.Mixture([0.0, 0.0], [ref.Independent("Normal", loc=[[-2.0], [2.0]], scale=[[0.3], [0.3]])])
    assert ref.crps(two, np.array(2.0)) == pytest.approx(1.035, abs=5e-4)


def test_shortest_interval_agrees_with_known_cases():
    normal = ref.Independent("Normal", loc=[3.0], scale=[2.0])
    width, low, high = ref.hdi_width(normal, 0.9)
    assert width == pytest.approx(2 * 2 * stats.norm.ppf(0.95), rel=1e-8)
    assert low + high == pytest.approx(6.0, abs=1e-3)
    exponential_like = ref.Independent("LogNormal", loc=[0.0], scale=[1.0])
    width, low, high = ref.hdi_width(exponential_like, 0.5)
    # At the shortest interval both ends have the same density.
    assert exponential_like.log_density(low) == pytest.approx(float(exponential_like.log_density(high)), abs=1e-3)


def test_joint_normals_agree_with_scipy():
    tril = np.array([[1.0, 0, 0], [0.5, 0.2, 0], [-3.0, 1.0, 2.0]])
    loc = np.array([1.0, -1.0, 0.5])
    truth = ref.Gaussian.from_tril(loc, tril)
    y = RNG.normal(size=(5, 3))
    np.testing.assert_allclose(truth.log_prob(y), stats.multivariate_normal(loc, tril @ tril.T).logpdf(y), rtol=1e-9)
    sub = (tril @ tril.T)[np.ix_([0, 2], [0, 2])]
    expected = stats.multivariate_normal(loc[[0, 2]], sub).logpdf(y[:, [0, 2]])
    np.testing.assert_allclose(truth.marginal([0, 2]).log_prob(y[:, [0, 2]]), expected, rtol=1e-9)
    draws = truth.sample(np.random.default_rng(0), 200_000)
    np.testing.assert_allclose(np.cov(draws.T), tril @ tril.T, rtol=0.03, atol=0.02)


def test_circular_moments_agree_with_quadrature():
    truth = mixtures()["von_mises"]
    x = np.linspace(-np.pi, np.pi, 200_001)[:-1]
    density = np.exp(truth.log_density(x))
    density /= density.sum()
    mean = np.angle((density * np.exp(1j * x)).sum())
    assert truth.mean()[0] == pytest.approx(mean, abs=1e-9)
    assert truth.variance()[0] == pytest.approx((density * ref.wrap(x - mean) ** 2).sum(), rel=1e-6)


def test_the_energy_score_in_one_dimension_is_the_crps():
    truth = mixtures()["normal"]
    y = np.array([-2.0, 0.7, 30.0])
    score, error = ref.energy_score(truth, y[:, None])
    assert np.all(np.abs(score - ref.crps(truth, y)) < 5 * error)


def test_truths_are_kept_until_their_arguments_or_their_code_change(tmp_path, monkeypatch):
    monkeypatch.setattr(ref, "_KEPT", tmp_path)
    made = []

    def compute():
        made.append(1)
        return np.arange(3.0), np.array(len(made))

    for key, count in (("a", 1), ("a", 1), ("b", 2)):
        values, number = ref.kept(key, compute)
        np.testing.assert_array_equal(values, np.arange(3.0))
        assert number == count == len(made)
    monkeypatch.setattr(ref, "_code", lambda: b"another")
    assert ref.kept("a", compute)[1] == 3
    damaged = next(tmp_path.rglob("*.npz"))
    damaged.write_bytes(b"half")
    assert ref.kept("a", lambda: np.ones(2)) is not None
