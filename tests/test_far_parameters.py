"""Parameters at the ends of what is allowed: tails so heavy, and scales so wide, that answers come close to the ends of float."""

import contextlib
import math

import keras
import mpmath
import numpy as np
import pytest

import mdn
from gradients import value_and_gradients
from mdn import numerics, special


def number(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor), "float64")


def slopes(function, *arrays):
    """Gradients of the sum of `function(*tensors)`."""
    return value_and_gradients(lambda tensors: keras.ops.sum(function(*tensors)), arrays)[1]


@contextlib.contextmanager
def float64():
    """Keras in float64, and JAX, which has to be told."""
    x64 = contextlib.nullcontext()
    if keras.backend.backend() == "jax":
        import jax

        x64 = jax.enable_x64(True) if hasattr(jax, "enable_x64") else jax.experimental.enable_x64()
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    try:
        with x64:
            yield
    finally:
        keras.config.set_floatx(before)


# ---- StudentT --------------------------------------------------------------------------------------------------------

TINY_DF = np.float32([1e-30, 1e-12, 1e-6, 1e-5, 1e-4, 1e-3, 0.2])
PLACES = np.float32([-1e20, -1e4, -3.0, -0.999, -1e-3, 0.0, 0.5, 1.001, 30.0, 1e30])


def t_log_prob(z, df):
    z, df = mpmath.mpf(float(z)), mpmath.mpf(float(df))
    constant = mpmath.loggamma((df + 1) / 2) - mpmath.loggamma(df / 2) - mpmath.log(mpmath.pi * df) / 2
    return constant - (df + 1) / 2 * mpmath.log1p(z * z / df)


def t_upper(z, df):
    """P(T > z)."""
    z, a = mpmath.mpf(float(z)), mpmath.mpf(float(df)) / 2
    if z < 0:
        return 1 - t_upper(-z, df)
    if z <= 1:
        return (1 - mpmath.betainc(0.5, a, 0, z * z / (2 * a + z * z), regularized=True)) / 2
    x = 2 * a / (2 * a + z * z)
    return x**a / a / mpmath.beta(a, 0.5) * mpmath.hyp2f1(a, 0.5, a + 1, x) / 2


def test_a_student_of_few_degrees_of_freedom_is_exact_at_any_distance():
    """Fault 10 of issue 18: log_prob and cdf drifted below df 1e-4, and were infinite below 1e-7."""
    df, z = (grid.reshape(-1, 1) for grid in np.meshgrid(TINY_DF, PLACES))
    student = mdn.StudentT(np.zeros_like(z), np.ones_like(z), df)
    with mpmath.workdps(50):
        pairs = list(zip(z[:, 0], df[:, 0], strict=True))
        expected = [float(t_log_prob(*pair)) for pair in pairs]
        upper = [float(mpmath.log(t_upper(*pair))) for pair in pairs]
        lower = [float(mpmath.log(t_upper(-one, nu))) for one, nu in pairs]
    np.testing.assert_allclose(number(student.log_prob(z)), expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(number(student.log_survival(z)), upper, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(number(student.log_cdf(z)), lower, rtol=1e-6, atol=1e-6)

    def everything(z, df):
        made = mdn.StudentT._new(keras.ops.zeros_like(z), keras.ops.ones_like(z), df)
        return made._log_prob(z) + made._log_tail(z, True) + made._log_tail(z, False)

    assert not any(np.isnan(slope).any() for slope in slopes(everything, z, df))


@pytest.mark.parametrize("a", [1e-30, 1e-8, 1e-3, 0.3, 0.5, 2.0, 1e3])
def test_half_steps_of_the_gamma_function_are_exact_down_to_0(a):
    with mpmath.workdps(50):
        exact = mpmath.mpf(float(np.float32(a)))
        down = mpmath.loggamma(exact + 0.5) - mpmath.loggamma(exact)
        up = mpmath.loggamma(exact + 0.5) - mpmath.loggamma(exact + 1)
    at = keras.ops.convert_to_tensor(np.float32(a))
    np.testing.assert_allclose(number(special.log_gamma_half_step(at)), float(down), rtol=1e-6, atol=2e-7)
    np.testing.assert_allclose(number(special.log_gamma_half_step_up(at)), float(up), rtol=1e-6, atol=2e-7)


@pytest.mark.parametrize("x", [0.0, 1e-18, 1e-3, 0.99, 1.01, 50.0, 1e30])
def test_log_cosh_is_exact_where_cosh_rounds_to_1_and_where_it_leaves_float(x):
    with mpmath.workdps(50):
        exact = mpmath.mpf(float(np.float32(x)))
        expected = float(mpmath.log(mpmath.cosh(exact)) if x < 100 else exact - mpmath.log(2))
    np.testing.assert_allclose(number(special.log_cosh(np.float32(-x))), expected, rtol=5e-7, atol=1e-37)


def test_quantiles_of_a_heavy_tail_are_exact_in_float64_and_infinite_only_where_they_leave_float():
    """Fault 10 of issue 18: in float64, the quantile of df 0.2 at 1e-12 was 1e-15 of what it is."""
    levels, df = np.array([1e-12, 1e-6, 0.01]), 0.2
    with float64():
        found = number(mdn.StudentT(np.zeros(1), np.ones(1), np.full(1, df)).quantile(levels))[:, 0]
    with mpmath.workdps(50):
        back = [float(t_upper(-place, df)) for place in found]
    np.testing.assert_allclose(back, levels, rtol=1e-6)
    single = number(mdn.StudentT(np.zeros(1), np.ones(1), np.full(1, df)).quantile(np.float32(levels)))[:, 0]
    assert single[0] == -np.inf  # -7.5e57
    np.testing.assert_allclose(single[1:], found[1:], rtol=1e-4)


def test_a_component_whose_quantile_leaves_float_does_not_take_the_mixtures_with_it():
    df, levels = np.float32([[[0.2], [3.0]]]), np.float32([1e-12, 1e-6, 0.5])
    mixture = mdn.Mixture(np.float32([[0.0, 30.0]]), mdn.StudentT(np.zeros_like(df), np.ones_like(df), df))
    found = number(mixture.quantile(levels))[:, 0, 0]
    np.testing.assert_allclose(number(mixture.cdf(np.float32(found)[:, None])), levels, rtol=1e-4)
    even = mdn.Mixture(np.zeros((1, 2), "float32"), mdn.StudentT(np.zeros_like(df), np.ones_like(df), df))
    assert number(even.quantile(levels)).ravel()[0] == -np.inf


def t_crps(y, *tails):
    """Of a mixture of standard t in equal shares, by quadrature: ∫ F² below y, ∫ (1 - F)² above."""

    def upper(z):
        return sum(t_upper(z, df) for df in tails) / len(tails)

    far = mpmath.quad(lambda v: upper(mpmath.exp(v)) ** 2 * mpmath.exp(v), [0, 3, 10, 30, 100, 300, 1500])
    near = mpmath.quad(lambda z: upper(z) ** 2, [y, 1])
    return float(2 * (far + near) + mpmath.quad(lambda z: upper(-z) ** 2, [-y, 0, y]))


def student_mixture(tails):
    df = np.float32(tails).reshape(1, -1, 1)
    return mdn.Mixture(np.zeros((1, len(tails)), "float32"), mdn.StudentT(np.zeros_like(df), np.ones_like(df), df))


@pytest.mark.parametrize("tails", [(0.52,), (0.6, 3.0), (0.5, 3.0)])
def test_the_crps_of_heavy_tails_holds_what_lies_beyond_float(tails):
    """Fault 10 of issue 18: what lay beyond the last quantile was left out, a tenth of the CRPS of df 0.52."""
    with mpmath.workdps(15):
        expected = t_crps(0.5, *(float(np.float32(df)) for df in tails)) if min(tails) > 0.5 else math.inf
    np.testing.assert_allclose(number(student_mixture(tails).crps(np.float32([[0.5]]))), [expected], rtol=1e-5)


def test_the_crps_of_a_tail_of_half_a_degree_of_freedom_is_infinite():
    """Fault 10 of issue 18: it was finite or NaN. (1 - F)² falls like y^(-2 df), which has no integral for df <= 1/2."""
    df, y = np.float32([1e-6, 0.2, 0.3, 0.5, 0.51])[:, None], np.full((5, 1), 0.5, "float32")
    found = number(mdn.StudentT(np.zeros_like(df), np.ones_like(df), df).crps(y))
    np.testing.assert_array_equal(np.isinf(found), [True, True, True, True, False])

    def crps(y, df):
        return mdn.StudentT._new(keras.ops.zeros_like(y), keras.ops.ones_like(y), df)._crps(y)

    assert not any(np.isnan(slope).any() for slope in slopes(crps, y, df))


# ---- LogNormal -------------------------------------------------------------------------------------------------------


def lognormal_crps(y, loc, scale):
    y, loc, scale = (mpmath.mpf(float(np.float32(one))) for one in (y, loc, scale))
    mean, root = mpmath.exp(loc + scale**2 / 2), mpmath.sqrt(2)
    half = mean * mpmath.erf(scale / 2)
    if y <= 0:
        return -y + mean - half
    z = (mpmath.log(y) - loc) / scale
    return y * mpmath.erf(z / root) - mean * mpmath.erf((z - scale) / root) - half


def test_the_crps_of_a_wide_log_normal_is_exact_and_infinite_only_where_it_leaves_float():
    """Fault 10 of issue 18: LogNormal(0, 30).crps was NaN, as was every one whose mean left float."""
    shapes = np.float32(
        [(0, 0.01), (0, 1.9), (0, 2.1), (1, 5), (0, 15), (0, 17), (88, 1), (85, 0.1), (0, 30), (0, 1e10)]
    )
    y, loc, scale = (
        np.concatenate(column).reshape(-1, 1)
        for column in zip(*([np.full(len(shapes), y), *shapes.T] for y in (-1.0, 1e-3, 20.0, 1e30)), strict=True)
    )
    y, loc, scale = (column.astype("float32") for column in (y, loc, scale))
    with mpmath.workdps(300):
        exact = [lognormal_crps(*row) if row[2] < 100 else mpmath.inf for row in np.hstack([y, loc, scale])]
        largest = mpmath.mpf(float(np.finfo("float32").max))
        expected = [float(one) if one < largest else math.inf for one in exact]
    found = number(mdn.LogNormal(loc, scale).crps(y))
    np.testing.assert_allclose(found, expected, rtol=2e-5)

    def crps(y, loc, scale):
        return mdn.LogNormal._new(loc, scale)._crps(y)

    assert not any(np.isnan(slope).any() for slope in slopes(crps, y, loc, scale))


def test_the_crps_of_a_mixture_with_a_wide_log_normal_is_that_of_its_quadrature():
    """Fault 10 of issue 18: what a component leaves out of both sums must cancel between components of all widths."""
    loc, scale = np.float32([[[0.5], [-1.0], [0.0]]]), np.float32([[[0.5], [3.0], [2.5]]])
    mixture = mdn.Mixture(np.zeros((1, 3), "float32"), mdn.LogNormal(loc, scale))

    def cdf(x):
        z = [(mpmath.log(x) - m) / s for m, s in zip(loc.ravel().tolist(), scale.ravel().tolist(), strict=True)]
        return sum(mpmath.ncdf(one) for one in z) / 3

    with mpmath.workdps(15):
        y = math.log(2.0)
        below = mpmath.quad(lambda v: cdf(mpmath.exp(v)) ** 2 * mpmath.exp(v), [-30, -3, y])
        above = mpmath.quad(lambda v: (1 - cdf(mpmath.exp(v))) ** 2 * mpmath.exp(v), [y, 3, 10, 60])
    np.testing.assert_allclose(number(mixture.crps(np.float32([[2.0]]))), [float(below + above)], rtol=2e-6)


# ---- VonMises --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("concentration", [1e-3, 1.0, 30.0])
def test_quantiles_and_draws_of_an_angle_stay_within_half_a_turn(concentration):
    """Fault 10 of issue 18: they left [-π, π] by some ulps. π is the float next to it, which is where the line is cut."""
    loc = np.linspace(-3.2, 3.2, 41).astype("float32")[:, None]
    levels = np.float32([0.0, 1e-30, 1e-8, 1e-7, 1e-6, 1e-5, 0.1, 0.5, 0.9, 1 - 1e-5, 1 - 2e-7, 1 - 6e-8, 1.0])
    one = mdn.VonMises(loc, np.full_like(loc, concentration))
    two = mdn.VonMises(np.stack([loc, -loc], axis=1), np.full((41, 2, 1), concentration, "float32"))
    for angles in (one, mdn.Mixture(np.zeros((41, 2), "float32"), two)):
        found = number(angles.quantile(levels))
        assert np.abs(found).max() <= np.float32(math.pi)
        assert np.diff(found, axis=0).min() >= -5e-7  # an ulp or two of π
    assert np.abs(number(one.sample(200, seed=0))).max() <= np.float32(math.pi)


# ---- Gamma -----------------------------------------------------------------------------------------------------------


def test_a_gamma_is_finite_at_0_where_draws_and_measurements_lie():
    gamma = mdn.Gamma([[0.5], [1.0], [2.0]], [[1.0], [2.0], [3.0]])
    at_0 = number(gamma.log_prob([0.0]))
    assert (
        np.isfinite(at_0).all()
        and at_0[0] > 40.0
        and at_0[1] == pytest.approx(np.log(2.0), rel=1e-5)
        and at_0[2] < -80.0
    )
    both = mdn.Gamma([0.5, 2.5], [1.0, 1.0])
    assert np.isfinite(number(both.log_prob([0.0, 0.0])))
    assert number(both.log_prob([0.0, -1.0])) == -np.inf
    tiny = mdn.Gamma([1e-3], [1.0])
    assert np.isfinite(number(tiny.log_prob(tiny.sample(20, seed=0)))).all()
    assert number(tiny.cdf([0.0])) == 0.0 and number(tiny.cdf([-1.0])) == 0.0
    assert np.all(number(gamma.cdf([np.inf])) == 1.0) and np.all(number(gamma.log_survival([np.inf])) < -1e30)
    assert np.all(number(gamma.log_prob([np.inf])) < -1e30)


def test_a_gamma_at_any_temperature_keeps_its_mean():
    gamma = mdn.Gamma([[2.0], [1e32], [0.3]], [[3.0], [1e2], [1e-3]])
    np.testing.assert_array_equal(number(gamma.with_temperature().concentration), number(gamma.concentration))
    for variance in (0.0, 1e-30, 1e-3, 1e3, 1e35):
        heated = gamma.with_temperature(variance=variance)
        np.testing.assert_allclose(number(heated.mean()), number(gamma.mean()), rtol=1e-5)
        assert not np.isnan(number(heated.cdf(gamma.mean()))).any()
    assert 0.4 < number(gamma[0].with_temperature(variance=0.0).cdf([2.0 / 3.0])) < 0.6


@pytest.mark.parametrize("method", ["log_prob", "log_cdf", "log_survival"])
def test_gradients_of_a_gamma_are_never_nan(method):
    a = np.float32([1e-30, 1e-3, 0.5, 3.0, 1e8, 1e25, 1e30])
    y = np.float32([0.0, 1e-30, 1e-3, 1.0, 1e8, 1e30, 1e37])
    a, y = (part.reshape(-1, 1) for part in np.broadcast_arrays(a[:, None], y))

    def total(tensors):
        values = getattr(mdn.Gamma._new(*tensors), method)(y)
        return keras.ops.sum(keras.ops.where(keras.ops.isfinite(values), values, 0.0))

    value, gradients = value_and_gradients(total, [np.array(a), np.ones_like(a)])
    assert not np.isnan(value)
    assert not any(np.isnan(gradient).any() for gradient in gradients)


def test_mixtures_of_gammas_and_other_families_have_a_crps():
    mixture = mdn.Mixture([0.0, 0.0], (mdn.Gamma([[3.0]], [[1.0]]), mdn.LogNormal([[0.5]], [[0.7]])))
    draws = number(mixture.sample(4000, seed=0))[:, 0].astype("float64")
    y = 2.5
    expected = np.abs(draws - y).mean() - 0.5 * np.abs(draws[:2000] - draws[2000:]).mean()
    assert number(mixture.crps([y])) == pytest.approx(expected, abs=0.05)
    assert number(mixture.mode()) > 0.0


def test_a_gamma_starts_from_its_targets_whatever_their_unit_and_spread():
    for concentration in (0.25, 2.0, 1e5):
        y = np.random.default_rng(0).gamma(concentration, 1e3, size=(4000, 1))
        spec = mdn.MixtureSpec(mdn.GammaSpec(1), 1)
        layer = mdn.MDN(spec).adapt(np.maximum(y, 1e-30))
        layer.build((None, 2))
        start = spec(layer(np.zeros((1, 2), "float32")))
        found = float(number(start.components.concentration)[0, 0, 0])
        assert 0.4 * concentration < found < 2.5 * concentration
        assert 0.4 < float(number(start.mean())[0, 0]) / y.mean() < 2.5


# ---- Weibull, Beta, TruncatedNormal ----------------------------------------------------------------------------------


def test_gradients_of_a_beta_and_a_weibull_are_never_nan():
    shapes, y = np.float32([1e-30, 1e-3, 0.5, 3.0, 1e8, 1e30]), np.float32([0.0, 1e-30, 1e-3, 0.5, 1 - 6e-8, 1.0])
    a, b, y = (part.reshape(-1, 1) for part in np.meshgrid(shapes, shapes, y))
    for family, most in ((mdn.Beta, 1e30), (mdn.Weibull, 1e8)):  # beyond it, derivatives of a Weibull leave float

        def total(tensors, family=family):
            ours = family._new(*tensors)
            values = keras.ops.stack([ours.log_prob(y), ours.log_cdf(y), ours.log_survival(y)])
            return keras.ops.sum(keras.ops.where(keras.ops.isfinite(values), values, 0.0))

        value, gradients = value_and_gradients(total, [np.minimum(a, np.float32(most)), b])
        assert not np.isnan(value) and not any(np.isnan(gradient).any() for gradient in gradients), family.__name__


def test_the_tail_of_a_weibull_is_a_power_an_exponential_or_neither():
    """exp(Y) of a Weibull of shape 1 is a Pareto, whose mean is rate / (rate - 1); of a lesser shape it has none."""
    of_exp = mdn.Transformed(mdn.Weibull([[1.0], [0.9], [3.0]], [[0.2], [0.2], [0.2]]), mdn.bijections.Exp())
    mean = number(of_exp.mean())[:, 0]
    draws = np.exp(0.2 * np.random.default_rng(0).weibull(3.0, 400_000))
    np.testing.assert_allclose(mean[[0, 2]], [5.0 / 4.0, draws.mean()], rtol=1e-3)
    assert mean[1] == np.inf


def test_the_log_of_a_survival_near_0_has_a_derivative_by_the_far_end():
    """log S = log(1 - F), so its derivative by an end is -F' / (1 - F), however close to 0 log S is."""
    low, high, y = -1.0, 2.0, -0.9999
    below = mpmath.ncdf(y) - mpmath.ncdf(low)
    mass = mpmath.ncdf(high) - mpmath.ncdf(low)
    expected = below / mass * mpmath.npdf(high) / (mass - below)

    def log_survival(end):
        return mdn.TruncatedNormal._new(*map(numerics.as_tensor, ([0.0], [1.0], [low])), end).log_survival([y])

    assert slopes(log_survival, [high])[0] == pytest.approx(float(expected), rel=1e-3)


def test_ends_that_cross_and_targets_outside_are_errors():
    with pytest.raises(ValueError, match="`low`"):
        mdn.TruncatedNormal([0.0], [1.0], 2.0, 2.0)
    with pytest.raises(ValueError, match="`low`"):
        mdn.TruncatedNormalSpec(1, 2.0, -np.inf)
    outside = (mdn.TruncatedNormalSpec(1, 0.0, 1.0), [-0.1]), (mdn.BetaSpec(1), [1.1]), (mdn.WeibullSpec(1), [0.0])
    for spec, target in outside:
        with pytest.raises(ValueError, match=type(spec).__name__.removesuffix("Spec")):
            mdn.MDN(mdn.MixtureSpec(spec, 1)).adapt(np.float32([[0.5], target]))


def test_guards_keep_the_dtype_of_a_tensor():
    """Keras on PyTorch makes float32 of the maximum of a float64 tensor and a Python number, so guards lost digits."""
    for dtype in ("float32", "float64"):
        with float64():
            x = keras.ops.convert_to_tensor(np.array([1.0 / 3.0], dtype))
            for guarded in (numerics.cap(x, 1.0), numerics.floor(x, 0.1), numerics.floor(x), numerics.log1mexp(-x)):
                assert keras.backend.standardize_dtype(guarded.dtype) == dtype
