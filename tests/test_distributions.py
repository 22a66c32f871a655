"""Families and mixtures against SciPy, in float32."""

import numpy as np
import pytest
from keras import ops
from scipy import stats

import mdn
from gradients import value_and_gradients


def array(tensor):
    return np.asarray(ops.convert_to_numpy(tensor), "float64")


FAMILIES = {
    "normal": (mdn.Normal([1.0], [2.0]), stats.norm(1, 2)),
    "laplace": (mdn.Laplace([1.0], [2.0]), stats.laplace(1, 2)),
    "logistic": (mdn.Logistic([1.0], [2.0]), stats.logistic(1, 2)),
    "student_t": (mdn.StudentT([1.0], [2.0], [3.0]), stats.t(3, 1, 2)),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_agrees_with_scipy(name):
    ours, truth = FAMILIES[name]
    y = np.array([-30.0, -3.0, -0.25, 0.5, 1.0, 2.875, 20.0])
    for method, expected in (
        ("log_prob", truth.logpdf(y)),
        ("log_cdf", truth.logcdf(y)),
        ("log_survival", truth.logsf(y)),
    ):
        np.testing.assert_allclose(array(getattr(ours, method)(y[:, None])), expected, rtol=1e-5, atol=1e-5)
    q = np.array([1e-6, 0.03, 0.5, 0.9], "float32")
    np.testing.assert_allclose(array(ours.quantile(q))[:, 0], truth.ppf(q.astype("float64")), rtol=1e-5, atol=1e-5)


def test_crps_and_quantile_of_a_mixture():
    mix = mdn.Mixture([0.0, 0.0], mdn.Normal([[-2.0], [2.0]], [[0.3], [0.3]]))
    assert abs(float(mix.crps([2.0])) - 1.035) < 1e-3  # FACTS: a peer gives 1.880
    wide = mdn.Mixture([0.0, 0.0], mdn.Normal([[-5.0], [5.0]], [[2.0], [3.0]]))
    x = array(wide.quantile([1e-6, 0.5]))[:, 0]
    cdf = 0.5 * stats.norm(-5, 2).cdf(x) + 0.5 * stats.norm(5, 3).cdf(x)
    np.testing.assert_allclose(cdf, [1e-6, 0.5], rtol=1e-4)


@pytest.mark.parametrize("known", [0, 1, 2])
def test_conditioning_a_correlated_normal_on_any_axis(known):
    sigma = np.array([[2.0, 0.5, 0.3], [0.5, 1.0, 0.2], [0.3, 0.2, 3.0]])
    loc = np.array([1.0, 2.0, 3.0])
    free = [i for i in range(3) if i != known]
    ours = mdn.MultivariateNormal(loc, np.linalg.cholesky(sigma)).condition({known: 0.75})
    gain = sigma[free, known] / sigma[known, known]
    np.testing.assert_allclose(array(ours.mean()), loc[free] + gain * (0.75 - loc[known]), atol=1e-5)
    expected = sigma[np.ix_(free, free)] - np.outer(gain, sigma[known, free])
    np.testing.assert_allclose(array(ours.covariance()), expected, atol=1e-5)


def test_missing_coordinates_give_the_exact_marginal():
    sigma = np.array([[2.0, 0.5, 0.3], [0.5, 1.0, 0.2], [0.3, 0.2, 3.0]])
    ours = mdn.MultivariateNormal([1.0, 2.0, 3.0], np.linalg.cholesky(sigma)).log_prob_observed([0.5, np.nan, 4.0])
    truth = stats.multivariate_normal([1, 3], sigma[np.ix_([0, 2], [0, 2])]).logpdf([0.5, 4.0])
    assert abs(float(ours) - truth) < 1e-5


def test_packed_parameters_come_back_to_the_bit():
    spec = mdn.MixtureSpec(mdn.NormalSpec(3, 2), 4)
    params = np.random.default_rng(0).normal(size=(7, spec.params_size)).astype("float32")
    np.testing.assert_array_equal(array(spec.pack(spec(params))), params)


def test_the_columns_of_a_joint_are_in_the_order_of_its_parts_whatever_their_names():
    """Under JAX a Joint is a pytree, and JAX sorts the keys of dicts."""
    spec = mdn.JointSpec(move=mdn.NormalSpec(2), bit=mdn.BernoulliSpec(1), a=mdn.CategoricalSpec(3))
    params = np.array([[0.5, -1.0, 2.0, 3.0, 0.7, 0.0, 1.0, -2.0]], "float32")
    y = np.array([[1.0, 0.5, 1.0, 2.0]], "float32")
    joint = spec(params)
    assert list(joint.parts) == list(joint[0].parts) == ["move", "bit", "a"]
    move = stats.norm([0.5, -1.0], [2.0, 3.0]).logpdf(y[0, :2]).sum()
    truth = move - np.log1p(np.exp(-0.7)) - 2.0 - np.log(np.exp([0.0, 1.0, -2.0]).sum())
    np.testing.assert_allclose(array(joint.log_prob(y)), [truth], rtol=1e-5)
    np.testing.assert_allclose(array(spec.pack(joint)), params)


AT_THE_CENTRE = {
    "Normal": lambda: mdn.Normal([[0.7]], [[0.8]]),
    "Laplace": lambda: mdn.Laplace([[0.7]], [[0.8]]),
    "Logistic": lambda: mdn.Logistic([[0.7]], [[0.8]]),
    "StudentT": lambda: mdn.StudentT([[0.7]], [[0.8]], [[3.0]]),
    "TruncatedNormal": lambda: mdn.TruncatedNormal([[0.7]], [[0.8]], [[-0.3]], [[1.7]]),
    "VonMises": lambda: mdn.VonMises([[0.0]], [[2.0]]),
    "Beta": lambda: mdn.Beta([[2.0]], [[2.0]]),
    "Mixture": lambda: mdn.Mixture([[0.0, 0.0]], mdn.Normal([[[-1.0], [1.0]]], [[[1.0], [1.0]]])),
}


@pytest.mark.parametrize("name", AT_THE_CENTRE)
def test_derivatives_where_both_tails_are_alike(name):
    """At the median formulas switch from one tail to the other: where two branches meet, half a derivative, or none, is wrong."""
    dist = AT_THE_CENTRE[name]()
    median = {"VonMises": 0.0, "Beta": 0.5, "Mixture": 0.0}.get(name, 0.7)
    density = float(dist.prob([median])[0])
    expected = {"cdf": density, "log_cdf": 2.0 * density, "log_survival": -2.0 * density, "quantile": 1.0 / density}
    for method, slope in expected.items():
        at = np.float32([[0.5 if method == "quantile" else median]])
        _, (got,) = value_and_gradients(lambda t, method=method: ops.sum(getattr(dist, method)(t[0])), [at])
        np.testing.assert_allclose(got, [[slope]], rtol=2e-5, err_msg=f"{method} of {name}")
