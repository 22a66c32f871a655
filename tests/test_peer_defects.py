"""What other packages get wrong, as tests that this one passes. The cases are those where the peers' errors were seen."""

import functools

import keras
import numpy as np
import pytest
from scipy import integrate, stats

import mdn


def number(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def test_crps_of_a_normal_and_of_two_narrow_components():
    """skpro 2.9: 0.0 and 1.880."""
    np.testing.assert_allclose(number(mdn.Normal([0.0], [1.0]).crps([0.0])), 0.2336950, rtol=1e-5)
    mix = mdn.Mixture([0.0, 0.0], mdn.Normal([[-2.0], [2.0]], [[0.3], [0.3]]))
    x = np.linspace(-10, 10, 200_001)
    f = 0.5 * stats.norm.cdf(x, -2, 0.3) + 0.5 * stats.norm.cdf(x, 2, 0.3)
    truth = integrate.trapezoid((f - (x >= 2.0)) ** 2, x)
    assert abs(truth - 1.035) < 1e-3
    np.testing.assert_allclose(number(mix.crps([2.0])), truth, rtol=1e-4)


@pytest.mark.parametrize("known", [0, 1])
def test_conditioning_on_either_axis(known):
    """sbi takes sub-blocks of the factor: right only when the free axes come first; it gives a variance of 1 for 5."""
    covariance = np.array([[1.0, 2.0], [2.0, 9.0]])
    normal = mdn.MultivariateNormal(np.zeros((1, 2)), np.linalg.cholesky(covariance)[None])
    rest = mdn.Mixture([0.0], normal).condition({known: 1.5})
    free = 1 - known
    np.testing.assert_allclose(number(rest.mean()), [1.5 * covariance[0, 1] / covariance[known, known]], rtol=1e-5)
    truth = covariance[free, free] - covariance[0, 1] ** 2 / covariance[known, known]
    np.testing.assert_allclose(number(rest.variance()), [truth], rtol=1e-5)
    assert known == 1 or truth == 5.0


@pytest.mark.parametrize("scale", [1e-3, 1.0, 100.0])
def test_densities_integrate_to_one_at_every_scale(scale):
    """sbi adds an epsilon to the quadratic term only: 0.707 at scale 100. Others leave out 2π."""
    x = np.linspace(-12 * scale, 12 * scale, 20_001, dtype="float32")[:, None]
    mix = mdn.Mixture([0.0, 1.0], mdn.MultivariateNormal([[-scale], [scale]], np.full((2, 1, 1), scale)))
    np.testing.assert_allclose(integrate.trapezoid(number(mix.prob(x)), x[:, 0]), 1.0, rtol=1e-4)


def test_isotropic_scales_belong_to_their_components():
    """tonyduan/mdn scrambles them."""
    spec = mdn.MixtureSpec(mdn.NormalSpec(2, covariance="isotropic"), 3)
    params = np.float32([0, 1, 2, 3, 4, 5, 0.1, 0.2, 0.3, 0, 0, 0])
    mix = spec(params)
    expected = np.log(
        np.mean([stats.multivariate_normal.pdf([2, 3], [2 * k, 2 * k + 1], 0.01 * (k + 1) ** 2) for k in range(3)])
    )
    np.testing.assert_allclose(number(mix.log_prob([2.0, 3.0])), expected, rtol=1e-5)


def test_the_nll_of_a_row_is_not_random():
    """pytorch_tabular and XGBoostLSS put Gumbel noise inside the weights."""
    spec = mdn.MixtureSpec(mdn.NormalSpec(1), 5)
    params = np.random.default_rng(0).normal(size=(1, 15)).astype("float32") ** 2
    values = {float(number(mdn.NegativeLogLikelihood(spec)([[0.3]], params))) for _ in range(5)}
    assert len(values) == 1


def test_the_distribution_function_takes_scales_as_standard_deviations():
    """CDE passes a standard deviation where a covariance is expected."""
    mix = mdn.Mixture([0.0], mdn.Normal([[1.0]], [[3.0]]))
    np.testing.assert_allclose(number(mix.cdf([4.0])), stats.norm.cdf(4, 1, 3), rtol=1e-5)


def test_the_variance_does_not_cancel():
    """gluonts and skpro take E[x²] - mean²: nothing is left of it for components far from 0."""
    mix = mdn.Mixture([0.0, 0.0], mdn.Normal([[1e4], [1e4 + 1.0]], [[0.01], [0.01]]))
    np.testing.assert_allclose(number(mix.variance()), [0.2501], rtol=1e-4)


def test_a_fresh_layer_has_scales_of_about_one():
    """zuko takes log-variances as log-scales at its start."""
    spec = mdn.MixtureSpec(mdn.NormalSpec(3), 4)
    scale = number(spec(mdn.MDN(spec)(np.zeros((1, 8), "float32"))).components.scale)
    np.testing.assert_allclose(scale, 1.0, rtol=1e-5)


def test_the_layer_keeps_the_time_axis():
    """keras-mdn-layer's compute_output_shape drops it."""
    assert mdn.MDN(2, 3).compute_output_shape((None, 7, 16)) == (None, 7, 15)


def test_the_density_of_an_outlier_is_not_floored():
    """Magenta and most stroke models take -log(p + 1e-6): nothing costs more than 13.8 nats."""
    spec = mdn.MixtureSpec(mdn.NormalSpec(1), 1)
    params = np.float32([[0.0, 1.0, 0.0]])
    nll = number(mdn.NegativeLogLikelihood(spec)([[40.0]], params))
    np.testing.assert_allclose(nll, -stats.norm.logpdf(40.0), rtol=1e-5)


def test_a_seed_generator_moves_on_between_draws():
    """Two draws that share an int are the same draw; a generator that is traced draws the same numbers again."""
    normal, generator = mdn.Normal([0.0], [1.0]), keras.random.SeedGenerator(0)
    assert float(number(normal.sample(seed=generator))[0]) != float(number(normal.sample(seed=generator))[0])


@pytest.mark.jax
def test_draws_inside_jit_ask_for_a_key():
    jax = pytest.importorskip("jax")
    draw = jax.jit(lambda loc, key: mdn.Normal._new(loc, jax.numpy.ones(1)).sample(seed=key))
    keys = jax.random.split(jax.random.key(0))
    assert float(draw(jax.numpy.zeros(1), keys[0])[0]) != float(draw(jax.numpy.zeros(1), keys[1])[0])
    with pytest.raises(ValueError, match="must be a key inside jit"):
        jax.jit(lambda loc: mdn.Normal._new(loc, jax.numpy.ones(1)).sample(seed=0))(jax.numpy.zeros(1))
    for seed in (None, 0, np.int64(0)):  # a score compares draws, too
        score = jax.jit(functools.partial(mdn.Normal.energy_score, y=[0.0], seed=seed))
        with pytest.raises(ValueError, match="must be a key inside jit"):
            score(mdn.Normal([0.0], [1.0]))
