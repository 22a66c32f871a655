"""Targets that are sets: the probability between two bounds, as a loss and as an answer."""

import keras
import mpmath
import numpy as np
import pytest
from keras import ops

import mdn

INF = float("inf")
# bounds in standard scores about the first component: wide, narrow, tiny, far in both tails, open
BOUNDS = [
    *[(-1.0, 2.0), (-0.3, 0.4), (0.3, 0.3001), (-9.0, -8.0), (8.0, 8.01), (30.0, 40.0), (-30.0, -29.0)],
    *[(-INF, 1.0), (0.5, INF), (-INF, INF)],
]
FAMILIES = {
    "Normal": (lambda: mdn.Normal([0.4], [1.5]), lambda y: mpmath.npdf(y, 0.4, 1.5), -INF),
    "Logistic": (
        lambda: mdn.Logistic([0.4], [1.5]),
        lambda y: mpmath.sech((y - mpmath.mpf("0.4")) / 3) ** 2 / 6,
        -INF,
    ),
    "Gamma": (
        lambda: mdn.Gamma([0.7], [0.5]),
        lambda y: (
            mpmath.mpf("0.5") ** mpmath.mpf("0.7")
            * y ** (mpmath.mpf("0.7") - 1)
            * mpmath.exp(-y / 2)
            / mpmath.gamma(mpmath.mpf("0.7"))
        ),
        0.0,
    ),
}


def between(density, lower, upper, least):
    """log of the integral of a density by mpmath."""
    lower = max(lower, least)
    with mpmath.workdps(30):
        knots = [lower, *[k for k in (-60, -10, -1, 0, 1, 10, 60) if lower < k < upper], upper]
        return float(mpmath.log(mpmath.quad(density, knots))) if lower < upper else -INF


@pytest.mark.parametrize("family", FAMILIES)
def test_the_probability_of_an_interval_agrees_with_quadrature_in_both_tails(family):
    make, density, least = FAMILIES[family]
    lower, upper = (np.array(side, "float32").astype("float64") for side in zip(*BOUNDS, strict=True))
    found = ops.convert_to_numpy(make().log_prob(mdn.Interval(lower[:, None], upper[:, None])))
    expected = [between(density, *ends, least) for ends in zip(lower, upper, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-4)


def test_a_point_is_a_density_and_a_missing_bound_counts_nothing():
    mixture = mdn.Mixture([0.0, 1.0], mdn.Normal([[-1.0], [2.0]], [[1.0], [0.5]]))
    ends = np.array([[0.5], [np.nan], [-1.0]])
    found = ops.convert_to_numpy(mixture.log_prob(mdn.Interval(ends, ends)))
    np.testing.assert_allclose(found[[0, 2]], ops.convert_to_numpy(mixture.log_prob(ends[[0, 2]])), rtol=1e-6)
    assert found[1] == 0.0


def test_a_mixture_and_independent_coordinates_add_up():
    mixture = mdn.Mixture([0.0, 1.0], mdn.Normal([[-1.0, 0.0], [2.0, 1.0]], [[1.0, 2.0], [0.5, 1.0]]))
    lower, upper = np.array([[-1.0, 0.5]]), np.array([[1.0, INF]])
    draws = ops.convert_to_numpy(mixture.sample(400_000, seed=1))
    share = np.mean(np.all((draws > lower[0]) & (draws < upper[0]), axis=1))
    np.testing.assert_allclose(ops.convert_to_numpy(mixture.prob(mdn.Interval(lower, upper)))[0], share, atol=4e-3)


def slopes(spec, params, bounds):
    """The gradient of the loss by the packed parameters, on the backend at hand."""
    loss = mdn.NegativeLogLikelihood(spec, reduction="sum")
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.grad(lambda p: loss(bounds, p))(np.asarray(params)))
    if keras.backend.backend() == "torch":
        import torch

        p = torch.tensor(params, requires_grad=True)
        loss(bounds, p).backward()
        return p.grad.numpy()
    import tensorflow as tf

    p = tf.Variable(params)
    with tf.GradientTape() as tape:
        value = loss(bounds, p)
    return tape.gradient(value, p).numpy()


def test_gradients_of_the_loss_are_those_of_the_normal_and_stay_bounded_in_the_tails():
    from scipy.stats import norm

    spec = mdn.MixtureSpec(mdn.NormalSpec(1), 1)
    params = np.tile(np.array([0.4, 1.5, 0.0], "float32"), (5, 1))
    lower = np.array([-1.0, 0.5, -INF, 3.0, 0.3])[:, None]
    upper = np.array([2.0, INF, 1.0, 3.002, 0.3])[:, None]
    found = slopes(spec, params, np.concatenate([lower, upper], axis=1).astype("float32"))
    a, b = ((side - 0.4) / 1.5 for side in (lower[:3], upper[:3]))
    mass = norm.cdf(b) - norm.cdf(a)
    by_loc = (norm.pdf(b) - norm.pdf(a)) / mass / 1.5
    za, zb = np.where(np.isinf(a), 0.0, a), np.where(np.isinf(b), 0.0, b)
    by_scale = (zb * norm.pdf(b) - za * norm.pdf(a)) / mass / 1.5
    np.testing.assert_allclose(found[:3, :2], np.concatenate([by_loc, by_scale], axis=1), rtol=2e-4)
    for row, y in ((3, 3.001), (4, 0.3)):  # a narrow interval has the gradient of the density
        z = (y - 0.4) / 1.5
        np.testing.assert_allclose(found[row, :2], [-z / 1.5, (1 - z * z) / 1.5], rtol=2e-3)
    extreme = np.array([[1e30, INF], [-INF, -1e30], [1e-30, 2e-30], [1e20, 1.1e20], [-INF, INF]], "float32")
    far = slopes(spec, params, extreme)
    assert np.all(np.isfinite(far)) and np.all(far[4] == 0.0)


def test_the_loss_takes_an_interval_its_array_and_a_batch_of_points_alike():
    spec = mdn.MixtureSpec(mdn.NormalSpec(2), 3)
    rng = np.random.default_rng(0)
    params = np.abs(rng.normal(size=(6, spec.params_size))).astype("float32")
    y = rng.normal(size=(6, 2)).astype("float32")
    y[0, 1] = np.nan
    loss = mdn.NegativeLogLikelihood(spec)
    np.testing.assert_allclose(float(loss(mdn.Interval(y, y), params)), float(loss(y, params)), rtol=1e-5)
    bounds = mdn.Interval(y - 0.5, y + 0.5)
    np.testing.assert_allclose(float(loss(np.asarray(bounds), params)), float(loss(bounds, params)), rtol=1e-6)


def test_an_interval_is_refused_where_it_has_no_meaning():
    spec = mdn.MixtureSpec(mdn.NormalSpec(1), 2)
    params, bounds = np.ones((1, spec.params_size), "float32"), np.array([[0.0, 1.0]])
    with pytest.raises(ValueError, match="EnergyScore takes points"):
        mdn.EnergyScore(spec)(bounds, params)
    with pytest.raises(ValueError, match="correlated"):
        mdn.MultivariateNormal([0.0, 0.0], np.eye(2)).log_prob(mdn.Interval([0.0, 0.0], [1.0, 1.0]))
    with pytest.raises(ValueError, match="no meaning"):
        mdn.Categorical([0.0, 0.0]).log_prob(mdn.Interval([0.0], [1.0]))
    with pytest.raises(ValueError, match="must not exceed"):
        mdn.Interval([1.0], [0.0])
    with pytest.raises(ValueError, match="NaN"):
        mdn.Interval([1.0], [np.nan])


def test_a_censored_target_is_learnt_through_keras_own_fit():
    rng = np.random.default_rng(0)
    y = rng.normal(2.0, 1.5, (512, 1))
    bounds = mdn.Interval(np.minimum(y, 2.0), np.where(y > 2.0, INF, y))  # everything above 2 is cut off
    spec = mdn.MixtureSpec(mdn.NormalSpec(1), 1)
    model = keras.Sequential([keras.Input((1,)), mdn.MDN(spec).adapt(bounds)])
    model.compile(keras.optimizers.Adam(0.05), mdn.NegativeLogLikelihood(spec))
    model.fit(np.zeros((512, 1)), bounds, epochs=30, batch_size=256, verbose=0)
    fitted = mdn.predict(model, np.zeros((1, 1)))
    assert abs(float(fitted.mean()[0, 0]) - y.mean()) < 0.15
    assert abs(float(fitted.variance()[0, 0]) ** 0.5 - 1.5) < 0.15
