"""Every guard of the package (floors, clips, shifts, safe forms) and the formulas that need them.

A guard anywhere else is a defect: two guards for one thing never agree. Densities are not floored here or anywhere:
they stay in logs, and a log density may be -inf. What is bounded is the *gradient* that training follows.
"""

import math
from typing import Any, TypeGuard

import numpy as np
from keras import config, ops
from keras.backend import standardize_dtype

from mdn import backend
from mdn.masks import unmasked

LOG_2PI = math.log(2.0 * math.pi)
GRADIENT_BOUND = 1e12  # its squares, summed over any layer, still fit float32 (Adam and global norms sum squares)
LOSS_CEILING = 1e30  # a weight of 0 times an infinite loss would be NaN; 1e30 keeps sums over any batch finite
SMALLEST_SCALE = 1e-30  # below it, 1 / scale leaves float32
LARGEST_SCALE = 1e30
_LOG_SMALLEST_SCALE = math.log(SMALLEST_SCALE)
MISSING = 1e38  # marks a missing target: copies by matrix product keep it, but would spread NaN over the row; targets are smaller
_Z_BOUND = 1e18  # z**2 is still finite in float32
_LAYER_RIDGE = 1e-6  # for layer normalisation: units that are all equal stay finite
_SHARPEST_ANGLE = 1e-6  # radians: float32 tells angles apart by a quarter of it
_TINY = 1e-37  # above the smallest normal float32, 1.2e-38: XLA and TensorFlow flush smaller numbers to 0
SQUASH_BEND = 4.0  # scaled features beyond it grow with their logarithm only
SIGHT = 1e4  # scaled events are read within ±SIGHT, see `in_sight`
NO_WEIGHT = -1e9  # a logit whose softmax is exactly 0, whatever a network adds to it
_ROUNDED_EIGENVALUE = 1e-10  # as a share of the greatest one
_SURE = 1e4  # log odds are clipped here: beyond it, all mean certainty


def float_dtype() -> str:
    """The dtype of every distribution: float64 if Keras' floatx is float64, else float32, also under half precision."""
    return "float64" if config.floatx() == "float64" else "float32"


def as_features(x):
    """Clips NumPy numbers to ±`LARGEST_SCALE`, so that float32 holds them and a network may still multiply them."""
    return np.clip(x, -LARGEST_SCALE, LARGEST_SCALE)


def ridge(covariance):
    """A NumPy covariance with a little added to its diagonal, so that it has a Cholesky factor."""
    return covariance + np.diag(np.maximum(1e-6 * np.diagonal(covariance), SMALLEST_SCALE**2))


def informative(eigenvalues):
    """Which eigenvalues of a matrix of products of columns, in NumPy, are more than rounding, as booleans.

    The others belong to columns that other columns determine, such as the last level of a category.
    """
    return eigenvalues > _ROUNDED_EIGENVALUE * eigenvalues.max(initial=0.0)


def as_tensor(x):
    """`x` as a tensor of `float_dtype()`; what a mask of NumPy hides is NaN."""
    x = unmasked(x)
    if isinstance(x, np.ndarray | np.generic | float | int) and np.asarray(x).dtype.kind in "biuf":
        x = np.asarray(x, float_dtype())  # here, since JAX would compile the conversion for each shape
    return ops.convert_to_tensor(x, dtype=float_dtype())


def epsilon() -> float:
    """The spacing of floats at 1."""
    return float(np.finfo(float_dtype()).eps)


def log_range() -> tuple[float, float]:
    """(-log of the smallest positive float, log of the largest one), rounded up."""
    return (745.0, 710.0) if float_dtype() == "float64" else (104.0, 89.0)


# ---- constraints: from any number to an allowed parameter, and back --------------------------------------------------


def positive(x):
    r"""$\mathrm{ELU}(x) + 1$: $e^x$ below 0, $1 + x$ above; values lie between `SMALLEST_SCALE` and `LARGEST_SCALE`.

    It is the activation of keras-mdn-layer without its epsilon: smooth, linear above 0, and with relative steps below 0.
    """
    below = ops.exp(ops.clip(x, _LOG_SMALLEST_SCALE, 0.0))
    return below + ops.clip(x, 0.0, LARGEST_SCALE)


def positive_inverse(y):
    """The `x` with `positive(x) == y`, in NumPy, for biases."""
    y = np.clip(np.asarray(y, "float64"), SMALLEST_SCALE, LARGEST_SCALE)
    return np.where(y < 1.0, np.log(np.minimum(y, 1.0)), y - 1.0)


def safe_scale(scale):
    """`scale` clipped to [SMALLEST_SCALE, LARGEST_SCALE]: for results of arithmetic, never for scales that a user passes."""
    return ops.clip(scale, SMALLEST_SCALE, LARGEST_SCALE)


def concentration(scale):
    """The concentration 1 / scale² of angles, between 1e-12 and 1e12, beyond which float32 sees no difference."""
    return 1.0 / ops.square(ops.clip(scale, _SHARPEST_ANGLE, 1.0 / _SHARPEST_ANGLE))


# ---- weights ---------------------------------------------------------------------------------------------------------


def log_softmax(logits):
    """Log weights of a mixture: the maximum is subtracted first, so that logits up to the largest float work.

    `x - max` of ±1e38 may overflow to -inf, which is then a weight of exactly 0.
    """
    shifted = logits - ops.stop_gradient(ops.max(logits, axis=-1, keepdims=True))
    return shifted - ops.log(ops.sum(ops.exp(shifted), axis=-1, keepdims=True))


def odds(logits):
    """Weights divided by the largest of them, which becomes 1."""
    return ops.exp(logits - ops.max(logits, axis=-1, keepdims=True))


def logsumexp(x, axis=-1):
    """log Σ exp(x), -inf (not NaN) where every term is -inf, with a gradient that is 0 there."""
    highest = ops.stop_gradient(ops.max(x, axis=axis, keepdims=True))
    shift = ops.where(ops.isfinite(highest), highest, ops.zeros_like(highest))
    total = ops.sum(ops.exp(x - shift), axis=axis)
    return safe_log(total) + ops.squeeze(shift, axis)


def normalize(logits):
    """(softmax, log Σ exp with its last axis dropped) of finite logits, by one exp for each logit."""
    highest = ops.max(logits, axis=-1, keepdims=True)
    shares = ops.exp(logits - highest)
    total = ops.sum(shares, axis=-1, keepdims=True)
    return shares / total, ops.squeeze(highest + ops.log(total), -1)


def safe_log(x):
    """log(x) for x >= 0: -inf at 0, with a gradient of 0 rather than NaN there."""
    zero = x <= 0.0
    return ops.where(zero, -math.inf, ops.log(ops.where(zero, 1.0, x)))


def safe_exp(x):
    """exp(x): inf where it overflows, with a gradient of 0 rather than NaN there."""
    beyond = x > math.log(float(np.finfo(float_dtype()).max))
    return ops.where(beyond, math.inf, ops.exp(ops.where(beyond, 0.0, x)))


def safe_log1p(x):
    """log(1 + x) for x >= -1: -inf at -1, with a gradient of 0 rather than NaN there."""
    edge = x <= -1.0
    return ops.where(edge, -math.inf, ops.log1p(ops.where(edge, 0.0, x)))


def log1mexp(x):
    """log(1 - exp(x)) for x <= 0, without cancellation (Mächler 2012, `log1mexp`)."""
    x = cap(x, 0.0)
    near = x > -math.log(2.0)
    from_expm1 = safe_log(-ops.expm1(ops.where(near, x, -1.0)))
    return ops.where(near, from_expm1, ops.log1p(-ops.exp(ops.where(near, -1.0, x))))


def log_odds(log_p, log_q):
    """log p - log q, clipped to ±1e4, where one of the two is certain; 0 if both logs are -inf."""
    return ops.clip(no_nan(log_p - log_q, 0.0), -_SURE, _SURE)


def logaddexp(a, b):
    """log(exp(a) + exp(b)), -inf where both are -inf."""
    return logsumexp(ops.stack([a, b], axis=-1), axis=-1)


def weighted_sum(weights, x, axis=-1):
    """Σ w·x, where a weight of 0 drops its term even if that is infinite."""
    return ops.sum(ops.where(weights > 0.0, weights * ops.where(weights > 0.0, x, 0.0), 0.0), axis=axis)


def mixed_variance(weights, means, variances):
    """The variance of a mixture, from weights `(..., K, 1)`, means and variances `(..., K, D)` of its components."""
    apart = means - ops.expand_dims(weighted_sum(weights, means, axis=-2), -2)
    squares = ops.square(ops.where(variances < math.inf, apart, 0.0))
    return weighted_sum(weights, variances + squares, axis=-2)


def posterior(log_joint):
    """The softmax of log joints; equal weights if every log joint is -inf."""
    highest = ops.max(log_joint, axis=-1, keepdims=True)
    lost = ops.logical_not(ops.isfinite(highest))
    safe = ops.where(lost, ops.zeros_like(log_joint), log_joint)
    return ops.exp(log_softmax(safe))


# ---- standard scores -------------------------------------------------------------------------------------------------


def standardize(y, loc, scale):
    """(y - loc) / scale, never NaN for finite input: an overflow gives ±inf, whose square is +inf as it should be."""
    return (y - loc) / scale


def layer_normalized(x):
    """`x` with mean 0 and variance 1 over its last axis; zeros if all entries are equal."""
    centred = x - ops.mean(x, axis=-1, keepdims=True)
    return centred * ops.rsqrt(ops.mean(ops.square(centred), axis=-1, keepdims=True) + _LAYER_RIDGE)


def product(x, kernel):
    """`x @ kernel`, `(T, B, F)` by `(F, H)`, as a product of matrices: XLA copies and transposes for gradients of any other."""
    return ops.reshape(ops.matmul(ops.reshape(x, (-1, x.shape[-1])), kernel), (*ops.shape(x)[:-1], kernel.shape[-1]))


def half_square(z):
    """z**2 / 2, +inf where it overflows."""
    return 0.5 * ops.square(z)


def finite_z(z):
    """z clipped so that its square stays finite: a gradient needs a direction, not an infinity."""
    return ops.clip(z, -_Z_BOUND, _Z_BOUND)


def finite_target(y):
    """y clipped to well below `MISSING`."""
    return ops.clip(y, -0.1 * MISSING, 0.1 * MISSING)


def hypotenuse(a, b):
    """sqrt(a² + b²) of positive numbers without overflow of the squares."""
    largest = floor(a, b)
    return largest * ops.sqrt(1.0 + ops.square(cap(a, b) / largest))


def cap(x, largest):
    """min(x, largest), for arguments of approximations that are flat above it."""
    return ops.where(x < largest, x, largest) if _is_double(x) else ops.minimum(x, largest)


def floor(x, smallest=_TINY):
    """max(x, smallest), for denominators and logs whose argument is positive by mathematics but may underflow."""
    return ops.where(x > smallest, x, smallest) if _is_double(x) else ops.maximum(x, smallest)


def _is_double(x) -> bool:
    """Whether `x` is a tensor of float64, of which `ops.maximum` and `ops.minimum` make float32 on PyTorch (Keras 3.15)."""
    return standardize_dtype(getattr(x, "dtype", "float32")) == "float64"


def within(x, lower, upper):
    """x clipped to [lower, upper], with gradient 1 at the ends too, where minimum and maximum would halve it."""
    return ops.where(x < lower, lower, ops.where(x > upper, upper, x))


def inside_unit(p):
    """NumPy probabilities within [1e-12, 1 - 1e-12], so that their quantiles are finite."""
    return np.clip(p, 1e-12, 1.0 - 1e-12)


def surely_positive(gains: np.ndarray, errors: float = 1.0, weight: np.ndarray | None = None) -> bool:
    """Whether the mean of `gains` is greater than so many of its standard errors (Breiman's rule with one); NaN is not sure."""
    share = np.full(len(gains), 1.0 / len(gains)) if weight is None else weight / np.sum(weight)
    mean = np.sum(share * gains)
    return bool(mean > errors * np.sqrt(np.sum(np.square(share * (gains - mean)))))


def on_grid(y, step: float):
    """(the greatest whole k with k · step <= y, whether y is k · step); both but for rounding, if the step is no power of two."""
    x = finite_place(y) / step
    near = ops.round(x)
    slack = 0.0 if math.frexp(step)[0] == 0.5 else 4.0 * epsilon()
    whole = ops.abs(x - near) <= slack * ops.abs(x)
    return ops.where(whole, near, ops.floor(x)), whole


def squash(z, bend=SQUASH_BEND):
    """z within ±bend, and bend · (1 + log(|z| / bend)) with its sign beyond: smooth, and finite for any float."""
    beyond = ops.abs(z) > bend
    far = bend * (1.0 + ops.log(ops.where(beyond, ops.abs(z), bend) / bend))
    return ops.where(beyond, ops.sign(z) * ops.minimum(far, 100.0 * bend), z)


def scores(x, shift, spread):
    """Scaled features `(x - shift) / spread`, squashed; a missing value becomes 0."""
    return squash(no_nan((x - shift) / spread, 0.0))


def in_sight(z):
    """Scaled events within ±`SIGHT`, so that a sequence that runs away stays finite."""
    return ops.clip(z, -SIGHT, SIGHT)


def finite_place(x):
    """A number clipped so that the distance between two such numbers is finite."""
    largest = float(np.finfo(float_dtype()).max) / 16.0
    return ops.clip(x, -largest, largest)


def no_nan(x, value):
    """`x` with NaN replaced."""
    return ops.where(ops.isnan(x), value, x)


def tempered_logits(logits, temperature):
    """logits / temperature; a temperature of 0 gives the limit, all weight on the largest logit."""
    centred = logits - ops.max(logits, axis=-1, keepdims=True)
    return logits if isinstance(temperature, float) and temperature == 1.0 else centred / floor(as_tensor(temperature))


def tempered_scale(scale, variance):
    """scale * sqrt(variance); a variance of 0 gives the smallest scale, `SMALLEST_SCALE`."""
    return safe_scale(scale * ops.sqrt(as_tensor(variance)))


def tempered_together(first, second, variance):
    """Both parameters divided by `variance`, or by the nearest factor that keeps both within the range of scales."""
    wider, narrower = SMALLEST_SCALE / ops.minimum(first, second), LARGEST_SCALE / ops.maximum(first, second)
    times = 1.0 / floor(as_tensor(variance))
    times = ops.maximum(ops.minimum(times, floor(narrower, 1.0)), cap(wider, 1.0))
    return first * times, second * times


# ---- missing targets -------------------------------------------------------------------------------------------------


def split_missing(y):
    """(y with NaN replaced by 0, whether each entry was observed). Call it before any arithmetic: NaN · 0 is NaN."""
    missing = ops.isnan(y)
    return ops.where(missing, ops.zeros_like(y), y), ops.logical_not(missing)


# ---- gradients that training follows ---------------------------------------------------------------------------------


def bounded(gradient):
    """The gradient with NaN as 0, clipped to ±GRADIENT_BOUND, so that weights stay finite after any Adam step."""
    clipped = ops.clip(gradient, -GRADIENT_BOUND, GRADIENT_BOUND)
    return ops.where(ops.isnan(gradient), ops.zeros_like(gradient), clipped)


@ops.custom_gradient
def bound_gradient(x):
    """`x` itself; the gradient that flows back through it is `bounded`."""

    def gradient(*args, upstream=None):
        return bounded(upstream if upstream is not None else args[0])

    return x * 1.0, gradient


def finite_loss(loss):
    """The loss, at most LOSS_CEILING, so that weights of 0 give 0 and not NaN; the caller bounds its gradient."""
    return cap(loss, LOSS_CEILING)


def with_gradient(function, gradient):
    """A function of params and other arrays, with a gradient by params that is clipped to ±GRADIENT_BOUND, on every backend.

    It has no gradient by the other arrays. They are arguments, since JAX lets no such function close over what it traces.

    Args:
        function: (*batch, P), *others -> (values (*batch,), a tuple of the arrays (*batch, any) that `gradient` needs).
        gradient: (params, those arrays, the gradient by the values (*batch, 1)) -> the parts, along the last axis, of an
            array (*batch, P), computed row by row. A part may be infinite, but never NaN.
    """

    def slopes(*args):
        return ops.concatenate([ops.clip(part, -GRADIENT_BOUND, GRADIENT_BOUND) for part in gradient(*args)], axis=-1)

    def backward(params, saved, upstream):
        return backend.by_blocks(slopes, params, *saved, ops.expand_dims(upstream, -1))

    return backend.with_vjp(function, backward)


def is_whole(value: Any) -> TypeGuard[int]:
    """Whether it is a whole number, and no flag."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def check(holds, message: str, *tensors) -> None:
    """Raises ValueError(message) if `holds` is false of an entry, when the tensors are concrete.

    `holds` maps them as NumPy arrays to booleans: JAX would compile each comparison for each shape.
    """
    if backend.is_concrete(*tensors) and not np.all(holds(*map(ops.convert_to_numpy, tensors))):
        raise ValueError(message)


# ---- degrees of freedom ----------------------------------------------------------------------------------------------

_SMALLEST_DF = 0.2  # below it, draws of Student's t leave float32


def degrees_of_freedom(x):
    """Degrees of freedom, at least 0.2, from any number."""
    return _SMALLEST_DF + positive(x)


def degrees_of_freedom_inverse(df):
    """The `x` with `degrees_of_freedom(x) == df`, in NumPy."""
    return positive_inverse(np.maximum(np.asarray(df, "float64") - _SMALLEST_DF, SMALLEST_SCALE))
