"""Distributions made of others: bijections, Transformed and Spiked, beyond what the matrix of families holds."""

import keras
import mpmath
import numpy as np
import pytest
from keras import ops
from scipy import integrate, stats

import mdn
from mdn.distributions.bijections import Each, Exp, Identity, Sigmoid, Softplus

INF = float("inf")
FAR = np.array([-300.0, -80.0, -20.0, -3.0, -0.1, 0.0, 0.7, 3.0, 20.0, 80.0, 300.0])


def array(tensor):
    return np.asarray(ops.convert_to_numpy(tensor), "float64")


def softplus(x):
    return mpmath.log1p(mpmath.exp(x))


BIJECTIONS = {
    Identity(): lambda z: z,
    Exp(2.0): lambda z: 2 + mpmath.exp(z),
    Softplus(-1.0, 3.0): lambda z: -1 + 3 * softplus(z / 3),
    Sigmoid(-2.0, 3.0): lambda z: -2 + 5 / (1 + mpmath.exp(-z)),
}


@pytest.mark.parametrize("bijection", BIJECTIONS, ids=repr)
def test_a_bijection_its_inverse_and_its_slope_agree_with_mpmath_at_both_ends(bijection):
    exact = BIJECTIONS[bijection]
    low, high = bijection.support
    z = FAR
    with mpmath.workdps(320):
        slopes = [float(mpmath.log(mpmath.diff(exact, mpmath.mpf(v), h=mpmath.mpf(10) ** -25))) for v in z]
        values = [float(exact(mpmath.mpf(v))) for v in z]
        near = [v for v in (-30.0, -5.0, -0.4, 0.0, 2.0, 12.0) if low < float(exact(mpmath.mpf(v))) < high]
        y = np.array([float(exact(mpmath.mpf(v))) for v in near])
        roots = [
            float(mpmath.findroot(lambda v, t=t: exact(v) - mpmath.mpf(t), v)) for t, v in zip(y, near, strict=True)
        ]
    finite = np.abs(values) < 3e38
    np.testing.assert_allclose(bijection.forward(z), values, rtol=1e-14)
    np.testing.assert_allclose(
        array(bijection.forward(ops.convert_to_tensor(z, "float32")))[finite],
        np.array(values)[finite],
        rtol=1e-5,
        atol=1e-6,
    )
    np.testing.assert_allclose(bijection.log_slope(z), slopes, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        array(bijection.log_slope(ops.convert_to_tensor(z, "float32"))), slopes, rtol=1e-6, atol=1e-6
    )
    np.testing.assert_allclose(bijection.inverse(y), roots, rtol=1e-9, atol=1e-12)
    back = array(bijection.inverse(bijection.forward(ops.convert_to_tensor(np.array(near), "float32"))))
    # a float32 next to an end that is not 0 is as good as its distance from the end
    blur = np.spacing(np.float32(5.0)) * np.exp(np.minimum(-np.array(bijection.log_slope(np.array(near))), 50.0))
    assert np.all(np.abs(back - near) <= 1e-5 * (1 + np.abs(near)) + 2 * blur)


def test_bijections_are_values_that_keras_saves_and_wrong_ones_say_so():
    for bijection in (*BIJECTIONS, Each((Exp(), Sigmoid(0.0, 2.0)))):
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(bijection))
        assert again == bijection and hash(again) == hash(bijection)
    assert Sigmoid(0, 1) == Sigmoid(0.0, 1.0)
    for wrong in (lambda: Sigmoid(1.0, 0.0), lambda: Sigmoid(0.0, INF), lambda: Exp(-INF), lambda: Softplus(0.0, 0.0)):
        with pytest.raises(ValueError, match="no bijection"):
            wrong()
    two = mdn.Normal([0.0, 0.0], [1.0, 1.0])
    with pytest.raises(ValueError, match="one for each of 2 coordinates"):
        mdn.Transformed(two, (Exp(), Exp(), Exp()))
    with pytest.raises(TypeError, match="bijection"):
        mdn.Transformed(two, "exp")
    with pytest.raises(ValueError, match="real numbers"):
        mdn.Transformed(mdn.VonMises([0.0], [1.0]), Exp())


def test_correlated_coordinates_with_bijections_of_their_own_obey_the_change_of_variables():
    loc, tril = np.array([[0.2, -0.5], [1.0, 0.3]]), np.array([[[0.5, 0.0], [0.4, 0.3]], [[1.0, 0.0], [-0.7, 0.5]]])
    share = np.array([0.4, 0.6])
    ours = mdn.Transformed(mdn.Mixture(np.log(share), mdn.MultivariateNormal(loc, tril)), (Exp(1.0), Sigmoid(0.0, 2.0)))
    covariances = [t @ t.T for t in tril]
    y = np.array([[2.5, 0.5], [1.3, 1.9], [7.0, 1.0]])
    z = np.stack([np.log(y[:, 0] - 1.0), np.log(y[:, 1] / (2.0 - y[:, 1]))], axis=-1)
    slopes = np.stack([z[:, 0], np.log(y[:, 1] * (2.0 - y[:, 1]) / 2.0)], axis=-1)

    def density(dims, z):
        return sum(
            p * stats.multivariate_normal(m[dims], c[np.ix_(dims, dims)]).pdf(z[:, dims])
            for p, m, c in zip(share, loc, covariances, strict=True)
        )

    whole = np.log(density([0, 1], z)) - slopes.sum(-1)
    second = np.log(density([1], z)) - slopes[:, 1]
    np.testing.assert_allclose(array(ours.log_prob(y)), whole, rtol=1e-5, atol=1e-5)
    holes = np.stack([np.full(3, np.nan), y[:, 1]], axis=-1)
    np.testing.assert_allclose(array(ours.log_prob_observed(holes)), second, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(array(ours.marginal(1).log_prob(y[:, 1:])), second, rtol=1e-5, atol=1e-5)
    given = ours.condition({1: y[0, 1]})
    assert given.bijection == Exp(1.0)
    np.testing.assert_allclose(array(given.log_prob(y[:1, :1])), whole[:1] - second[:1], rtol=1e-5, atol=1e-5)
    outside = array(ours.log_prob([[1.0, 1.0], [2.0, 2.5]]))
    assert np.all(np.isneginf(outside))
    for d, forward in enumerate((lambda z: 1 + np.exp(z), lambda z: 2 / (1 + np.exp(-z)))):
        lines = [stats.norm(m[d], np.sqrt(c[d, d])) for m, c in zip(loc, covariances, strict=True)]

        def moment(power, lines=lines, forward=forward):
            def term(z):
                return forward(z) ** power * sum(p * line.pdf(z) for p, line in zip(share, lines, strict=True))

            return integrate.quad(term, -12, 14, limit=200)[0]

        np.testing.assert_allclose(array(ours.mean())[d], moment(1), rtol=1e-5)
        np.testing.assert_allclose(array(ours.variance())[d], moment(2) - moment(1) ** 2, rtol=1e-4)
    np.testing.assert_allclose(array(ours.sample(50_000, seed=0)).mean(0), array(ours.mean()), rtol=0.05)
    for method in (ours.covariance, ours.mode, lambda: ours.log_prob(mdn.Interval([1.0, 1.0], [2.0, 1.5]))):
        with pytest.raises(ValueError, match=r"covariance|event_size=1|correlated"):
            method()


def test_means_exist_or_are_infinite_as_the_tails_say():
    laplace = mdn.Transformed(mdn.Laplace(np.zeros((3, 1)), [[0.4], [0.7], [1.5]]), Exp(3.0))
    np.testing.assert_allclose(array(laplace.mean())[:, 0], [3 + 1 / (1 - 0.16), 3 + 1 / (1 - 0.49), INF], rtol=2e-5)
    np.testing.assert_allclose(
        array(laplace.variance())[:, 0], [1 / (1 - 0.64) - 1 / (1 - 0.16) ** 2, INF, INF], rtol=1e-4
    )
    gamma = mdn.Transformed(mdn.Gamma([2.0], [4.0]), Exp())  # whose moments are (1 - n / rate)^-concentration
    np.testing.assert_allclose(array(gamma.mean()), [(4 / 3) ** 2], rtol=2e-5)
    bent = mdn.Transformed(mdn.StudentT([0.0], [1.0], [1.7]), Softplus())
    exact = integrate.quad(lambda z: np.logaddexp(0, z) * stats.t(1.7).pdf(z), -60, np.inf, limit=500)[0]
    np.testing.assert_allclose(array(bent.mean()), [exact], rtol=1e-4)
    assert array(bent.variance())[0] == INF
    np.testing.assert_allclose(array(mdn.Transformed(mdn.Normal([0.0], [20.0]), Exp()).mode()), [0.0], atol=1e-30)


def test_intervals_of_transformed_coordinates_are_exact_where_they_are_narrow_or_leave_the_support():
    ours = mdn.Transformed(
        mdn.Mixture([0.0, 1.0], mdn.Normal([[5.0, 0.0], [7.0, 1.0]], [[0.5, 1.0], [1.0, 2.0]])), (Exp(), Sigmoid())
    )
    share = np.exp([0.0, 1.0]) / np.exp([0.0, 1.0]).sum()
    first = [stats.lognorm(0.5, scale=np.exp(5.0)), stats.lognorm(1.0, scale=np.exp(7.0))]

    def second(k, a, b):
        z = [-INF if v <= 0 else INF if v >= 1 else np.log(v / (1 - v)) for v in (a, b)]
        return np.diff(stats.norm([0.0, 1.0][k], [1.0, 2.0][k]).cdf(z))[0]

    lower = np.float32([[1000.0, 0.2], [-3.0, -1.0], [-3.0, 0.3], [20.0, 0.99]])
    upper = np.float32([[1000.01, 0.7], [200.0, 2.0], [-2.0, 0.4], [INF, INF]])
    exact = [
        sum(share[k] * (first[k].cdf(b[0]) - first[k].cdf(a[0])) * second(k, a[1], b[1]) for k in range(2))
        for a, b in zip(lower.astype("float64"), upper.astype("float64"), strict=True)
    ]
    found = array(ours.prob(mdn.Interval(lower, upper)))
    np.testing.assert_allclose(found, exact, rtol=2e-5)
    point = np.float32([[900.0, 0.25]])
    np.testing.assert_allclose(array(ours.log_prob(mdn.Interval(point, point))), array(ours.log_prob(point)), rtol=1e-6)


def test_an_interval_of_a_spiked_distribution_counts_the_atoms_above_its_lower_end_and_up_to_its_upper():
    ours = mdn.Spiked([0.5, -0.5, 1.0], [0.0, 3.0], mdn.Normal([1.0], [2.0]))
    w, base = np.exp([0.5, -0.5, 1.0]) / np.exp([0.5, -0.5, 1.0]).sum(), stats.norm(1, 2)
    lower = np.array([-1.0, 0.0, 0.0, 0.0, 1.0, 3.0])
    upper = np.array([0.0, 0.0, 1.0, 3.0, 1.0, INF])
    inside = w[2] * (base.cdf(upper) - base.cdf(lower))
    exact = inside + np.array([w[0], w[0], 0.0, w[1], w[2] * base.pdf(1.0), 0.0])
    np.testing.assert_allclose(array(ours.prob(mdn.Interval(lower[:, None], upper[:, None]))), exact, rtol=1e-5)
    assert array(ours.log_prob_observed([[np.nan]]))[0] == 0.0


def test_an_atom_that_just_holds_the_coverage_is_the_shortest_interval():
    ours = mdn.Spiked([np.log(0.502), np.log(0.498)], [2.0], mdn.Normal([5.0], [0.1]))
    np.testing.assert_array_equal(array(ours.hdi(0.5)), [[2.0], [2.0]])
    assert array(ours.quantile([0.0, 1e-30, 1.0])).ravel().tolist() == [-INF, 2.0, INF]


def test_a_network_learns_shares_with_an_atom_and_its_file_brings_them_back(tmp_path):
    rng = np.random.default_rng(0)
    y = np.where(rng.random((1024, 1)) < 0.3, 0.0, 2.0 / (1.0 + np.exp(-rng.normal(0.5, 0.8, (1024, 1)))))
    spec = mdn.SpikedSpec(mdn.TransformedSpec(mdn.MixtureSpec(mdn.NormalSpec(1), 2), Sigmoid(0.0, 2.0)), [0.0])
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((1,)), mdn.MDN(spec).adapt(y)])
    model.compile(keras.optimizers.Adam(0.02), mdn.NegativeLogLikelihood(spec))
    x = np.zeros_like(y)
    model.fit(x, y, epochs=20, batch_size=512, verbose=0)
    model.save(tmp_path / "shares.keras")
    fitted = mdn.predict(mdn.load(tmp_path / "shares.keras"), x[:1])
    assert isinstance(fitted, mdn.Spiked) and fitted.base.bijection == Sigmoid(0.0, 2.0)
    assert abs(array(fitted.atom_probs)[0, 0] - np.mean(y == 0.0)) < 0.03
    np.testing.assert_allclose(array(fitted.mean())[0], y.mean(), atol=0.06)
    np.testing.assert_allclose(array(fitted.quantile([0.5, 0.9]))[:, 0, 0], np.quantile(y, [0.5, 0.9]), atol=0.08)


def test_a_target_outside_the_support_is_named_by_adapt_and_has_a_bounded_loss_without_a_gradient():
    from test_intervals import slopes

    spec = mdn.TransformedSpec(mdn.MixtureSpec(mdn.NormalSpec(2), 2), (Exp(), Sigmoid(0.0, 2.0)))
    with pytest.raises(ValueError, match=r"between 0 and 2.*but 2\.5 came in row 1, column 1"):
        mdn.MDN(spec).adapt([[1.0, 1.0], [3.0, 2.5]])
    params = np.abs(np.random.default_rng(0).normal(size=(4, spec.params_size))).astype("float32")
    y = np.array([[1.0, 1.0], [-1.0, 1.0], [1.0, 2.0], [np.nan, 0.5]], "float32")
    loss = array(mdn.NegativeLogLikelihood(spec, reduction=None)(y, params))
    distribution = spec(ops.convert_to_tensor(params))
    np.testing.assert_allclose(loss[[0, 3]], -array(distribution.log_prob_observed(y))[[0, 3]], rtol=1e-5)
    np.testing.assert_allclose(loss[[1, 2]], 1e30, rtol=1e-6)
    gradient = slopes(spec, params, y)
    assert (
        np.all(np.isfinite(gradient))
        and np.all(gradient[[1, 2]] == 0.0)
        and np.all(np.any(gradient[[0, 3]] != 0.0, axis=1))
    )
