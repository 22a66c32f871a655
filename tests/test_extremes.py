"""Inputs from the ends of float: densities are never NaN, the loss' gradient is finite, and one step leaves finite weights."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mdn
from gradients import value_and_gradients

BIG = 1e30
SHAPES = [(1, 1), (1, 5), (2, 3), (3, 200), (100, 2)]  # (D, K): each is compiled once, so a few stand for all


def magnitudes(low, high):
    """Numbers of either sign, spread evenly over the orders of magnitude, and 0."""
    exponents = st.floats(np.log10(low), np.log10(high))
    signed = st.builds(lambda sign, exponent: sign * 10.0**exponent, st.sampled_from([-1.0, 1.0]), exponents)
    return st.one_of(st.just(0.0), signed)


class Extremes:
    """Arrays of extreme numbers: a handful is drawn, and laid out at random."""

    def __init__(self, draw):
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        self.signed = np.float32(draw(st.lists(magnitudes(1e-30, BIG), min_size=1, max_size=6)))
        self.positive = np.float32(10.0 ** np.array(draw(st.lists(st.floats(-30, 30), min_size=1, max_size=6))))

    def any(self, *shape):
        return self.rng.choice(self.signed, shape)

    def scale(self, *shape):
        return self.rng.choice(self.positive, shape)


extremes = st.composite(lambda draw: Extremes(draw))()
# operation by operation, as PyTorch and TensorFlow run it, an example takes seconds: they get the first of JAX's examples
FEWER = 1 if keras.backend.backend() == "jax" else 3
few = settings(max_examples=25 // FEWER, deadline=None, derandomize=True)


def number(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def components(family, draw, count, size):
    loc, scale = draw.any(8, count, size), draw.scale(8, count, size)
    match family:
        case "StudentT":
            return mdn.StudentT(loc, scale, np.clip(draw.scale(8, count, size), 0.2, 1e6))
        case "Gamma":
            return mdn.Gamma(draw.scale(8, count, size), scale)
        case "Poisson":
            return mdn.Poisson(scale)
        case "NegativeBinomial":
            return mdn.NegativeBinomial(draw.scale(8, count, size), scale)
        case "Weibull":
            return mdn.Weibull(draw.scale(8, count, size), scale)
        case "Beta":
            return mdn.Beta(draw.scale(8, count, size), scale)
        case "TruncatedNormal":
            return mdn.TruncatedNormal(loc, scale, -1e-3, np.inf)
        case "VonMises":
            return mdn.VonMises(loc % 3.0, np.clip(scale, 1e-30, 1e10))
        case "MultivariateNormal":
            below = np.tril(draw.any(8, count, size, size), -1)
            return mdn.MultivariateNormal(loc, below + scale[..., None] * np.eye(size, dtype="float32"))
        case _:
            return getattr(mdn, family)(loc, scale)


@pytest.mark.parametrize(
    "family",
    [
        *("Normal", "Laplace", "Logistic", "StudentT", "LogNormal", "Gamma", "VonMises", "MultivariateNormal"),
        *("Poisson", "NegativeBinomial"),
        *("Weibull", "Beta", "TruncatedNormal"),
    ],
)
@few
@given(draw=extremes, shape=st.sampled_from([(1, 5), (2, 3)]))
def test_log_prob_is_never_nan(family, draw, shape):
    size, count = shape
    mixture = mdn.Mixture(draw.any(8, count), components(family, draw, count, size))
    y = draw.any(8, size) if family != "LogNormal" else draw.scale(8, size)
    assert not np.isnan(number(mixture.log_prob(y))).any()
    assert not np.isnan(number(mixture.sample(seed=0))).any()
    if size == 1:
        for values in (
            mixture.cdf(y),
            mixture.log_cdf(y),
            mixture.log_survival(y),
            mixture.quantile([1e-6, 0.5, 0.999]),
        ):
            assert not np.isnan(number(values)).any()


def raw_parameters(spec, draw, rows):
    """Packed parameters with extreme numbers where anything may stand, extreme positive ones where scales do."""
    zeros = [np.zeros((rows, size), "float32") for _, size in spec.heads]
    raw = [np.clip(draw.any(*zero.shape), -BIG, BIG) for zero in zeros]
    return number(
        keras.ops.concatenate(spec.constrain([keras.ops.convert_to_tensor(r) for r in raw], None, None), axis=-1)
    )


def specs(size, count):
    normal = mdn.NormalSpec(size)
    yield mdn.MixtureSpec(normal, count), mdn.NegativeLogLikelihood
    yield mdn.MixtureSpec(normal, count), mdn.NaturalGradientEM
    yield mdn.MixtureSpec(mdn.NormalSpec(size, covariance="isotropic"), count), mdn.NegativeLogLikelihood
    if size <= 3 and count <= 5:
        for family in (
            mdn.LaplaceSpec,
            mdn.LogisticSpec,
            mdn.StudentTSpec,
            mdn.LogNormalSpec,
            mdn.GammaSpec,
            mdn.VonMisesSpec,
            mdn.PoissonSpec,
            mdn.NegativeBinomialSpec,
            mdn.WeibullSpec,
            mdn.BetaSpec,
            lambda size: mdn.TruncatedNormalSpec(size, -1e-3, np.inf),
        ):
            yield mdn.MixtureSpec(family(size), count), mdn.NegativeLogLikelihood
        yield mdn.MixtureSpec(mdn.NormalSpec(size, covariance="full"), count), mdn.NegativeLogLikelihood
        yield mdn.MixtureSpec(mdn.NormalSpec(size, covariance=1), count), mdn.NegativeLogLikelihood
    if size == 1 and count == 5:
        yield mdn.RoundedSpec(mdn.MixtureSpec(normal, count), lowest=0), mdn.NegativeLogLikelihood
        yield mdn.MixtureSpec(normal, count), mdn.CRPS
        yield mdn.MixtureSpec(normal, count), mdn.EnergyScore


CASES = {f"{loss.__name__} {spec!r}": (spec, loss) for size, count in SHAPES for spec, loss in specs(size, count)}


@pytest.mark.parametrize("name", CASES)
def test_the_loss_and_its_gradient_are_finite_from_any_parameters(name):
    spec, loss = CASES[name]
    made = loss(spec)
    size = spec.target_size

    @settings(max_examples=15 // FEWER, deadline=None, derandomize=True)
    @given(draw=extremes)
    def check(draw):
        params, y = raw_parameters(spec, draw, 8), draw.any(8, size)
        if "LogNormal" in name:
            y = np.maximum(np.abs(y), np.float32(1e-30))
        y[0] = np.nan
        value, gradients = slopes(made, params, y)
        assert np.isfinite(value)
        assert np.isfinite(gradients[0]).all()
        assert np.abs(gradients[0]).max() <= 1e12

    compiled = {}

    def slopes(made, params, y):
        if keras.backend.backend() != "jax":
            tensor = keras.ops.convert_to_tensor(y)
            return value_and_gradients(lambda p: made(tensor, p[0]), [params])
        import jax

        if not compiled:
            compiled[0] = jax.jit(jax.value_and_grad(lambda p, t: made(t, p)))
        value, gradient = compiled[0](params, y)
        return float(value), [np.asarray(gradient)]

    check()


@pytest.mark.parametrize("clipnorm", [None, 1.0])
@pytest.mark.parametrize(
    "spec",
    [
        mdn.MixtureSpec(mdn.NormalSpec(1), 5),
        mdn.MixtureSpec(mdn.NormalSpec(100), 2),
        mdn.MixtureSpec(mdn.NormalSpec(3), 200),
        mdn.MixtureSpec(mdn.NormalSpec(3, covariance="full"), 4),
        mdn.MixtureSpec(mdn.StudentTSpec(2), 3),
    ],
    ids=["D=1", "D=100", "K=200", "full", "student"],
)
def test_one_adam_step_from_anywhere_leaves_finite_weights(spec, clipnorm):
    layer = mdn.MDN(spec)
    model = keras.Sequential([keras.Input((2,)), layer])
    model.compile(optimizer=keras.optimizers.Adam(0.01, clipnorm=clipnorm), loss=mdn.NegativeLogLikelihood(spec))

    @settings(max_examples=20, deadline=None, derandomize=True)
    @given(draw=extremes)
    def check(draw):
        for head in layer.heads:
            head.kernel.assign(np.zeros(head.kernel.shape))
            head.bias.assign(draw.any(*head.bias.shape))
        for variable in model.optimizer.variables:
            if "learning_rate" not in variable.path:
                variable.assign(np.zeros(variable.shape))
        value = model.train_on_batch(np.ones((4, 2), "float32"), draw.any(4, spec.target_size))
        assert np.isfinite(value)
        assert all(np.isfinite(number(weight)).all() for weight in model.weights)

    check()
