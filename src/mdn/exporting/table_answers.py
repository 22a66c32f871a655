"""What the file of a regressor answers: the mixture of all members, its mean and its quantiles, as nodes of ONNX."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.polynomial import chebyshev
from scipy.special import erfcx, ndtri_exp

from mdn import numerics
from mdn.distributions.bijections import Bijection, Exp, Identity, Sigmoid, Softplus
from mdn.distributions.normal_spec import NormalSpec
from mdn.exporting.graph import Graph, Node
from mdn.exporting.table_inputs import feature_count
from mdn.tabular.member import Member
from mdn.tabular.network import Architecture

if TYPE_CHECKING:
    from mdn import MDNRegressor

_HALVINGS = 50  # a bracket is then 1e-15 of its width
_DEGREE = 12  # of the polynomial of `_half_erfc`, whose relative error is then 1e-8
# Of the trapezoidal rule for means, whose error for integrands as smooth as these is that of rounding
_NODES = np.arange(-7.5, 7.5, 0.05)
_DENSITY = np.exp(-0.5 * _NODES**2) / np.exp(-0.5 * _NODES**2).sum()

# The functions of Keras by their names in `MDNRegressor(activation=...)`
_ACTIVATIONS = {
    "elu": lambda x: x.op("Elu"),
    "gelu": lambda x: 0.5 * x * (1.0 + (x / math.sqrt(2.0)).op("Erf")),
    "leaky_relu": lambda x: x.op("LeakyRelu", alpha=0.2),
    "linear": lambda x: x,
    "relu": lambda x: x.op("Relu"),
    "selu": lambda x: x.op("Selu"),
    "sigmoid": lambda x: x.op("Sigmoid"),
    "silu": lambda x: x * x.op("Sigmoid"),
    "softplus": lambda x: x.op("Softplus"),
    "softsign": lambda x: x.op("Softsign"),
    "swish": lambda x: x * x.op("Sigmoid"),
    "tanh": lambda x: x.op("Tanh"),
}
_FORWARD = {
    Identity: lambda z, _: z,
    Exp: lambda z, one: one.low + z.op("Exp"),
    Softplus: lambda z, one: one.low + one.scale * _softplus(z / one.scale),
    Sigmoid: lambda z, one: one.low + (one.high - one.low) * z.op("Sigmoid"),
}


@dataclasses.dataclass
class Mixture:
    """A mixture of normals in a graph, float64.

    Attributes:
        log_weights: Shape `(N, K)`.
        loc: Shape `(N, K, D)`.
        spread: The standard deviation of each coordinate, `(N, K, D)`.
        scales: What `mdn` calls the scales of such normals, by name: `scale`, `scale_tril`, or `scale` and `factor`.
    """

    log_weights: Node
    loc: Node
    spread: Node
    scales: dict[str, Node]


def mixture_of(graph: Graph, features: Node, regressor: MDNRegressor) -> Mixture:
    """The mixture of all members, of targets minus `target_origin_`.

    Args:
        graph: Where it is built.
        features: Shape `(N, F + indicators)`, float64, minus `feature_origin_`.
        regressor: The regressor.

    Raises:
        ValueError: if an activation is none of those that can be exported.
    """
    if regressor.missing == "error":
        spoilt = features
    else:
        spoilt = features.op("IsNaN", dtype="bool").where(0.0, features)
    # 0 for each row, but NaN where `mdn` would refuse the row: some operators of ONNX turn NaN into a number
    spoilt = (0.0 * spoilt).sum(axis=1, keepdims=True)
    # Columns of zeros fill the network up, as `widened` does
    more = regressor.members_[0].architecture.width - feature_count(regressor) - len(regressor.indicators_)
    x = features.cast("float32").op("Pad", np.array([0, 0, 0, more]))
    each = [_member(x, member) for member in regressor.members_]
    log_weights, loc, scale = (graph.concatenated(blocks, axis=1) for blocks in zip(*each, strict=True))
    log_weights, spoilt = log_weights - math.log(len(each)) + spoilt, spoilt.reshape(0, 1, 1)
    return Mixture(log_weights, loc + spoilt, *_scales(scale + spoilt, regressor.members_[0].architecture))


def _member(x: Node, member: Member) -> tuple[Node, Node, Node]:
    """Log weights `(N, K)`, loc `(N, K, D)` and scale block `(N, K, any)` of one network; K counts components that are alive."""
    architecture, layers, count = member.architecture, member.layers, len(member.alive)
    if architecture.activation not in _ACTIVATIONS:
        raise ValueError(
            f"a network with activation={architecture.activation!r} cannot be exported: fit one with an activation among "
            f"{', '.join(_ACTIVATIONS)}."
        )
    shift, spread = layers.features
    scaled = (x - shift) / spread
    x = _squashed(scaled.op("IsNaN", dtype="bool").where(0.0, scaled))
    for kernel, bias in layers.hidden:
        x = _ACTIVATIONS[architecture.activation](x @ kernel + bias)

    def head(*arrays):
        each = [a.reshape(*a.shape[:-1], architecture.num_components, -1)[..., member.alive, :] for a in arrays]
        kernel, bias = (a.reshape(*a.shape[:-2], -1) for a in each)
        return (x @ kernel + bias).cast("float64").reshape(0, count, -1)

    loc, scale, logits = (head(*arrays) for arrays in layers.heads)
    shift, spread = (np.asarray(each, "float64") for each in layers.targets)
    positive, unit = NormalSpec(architecture.event_size, architecture.covariance).layout()
    above = _positive(scale)
    scale = above if positive.all() else scale.graph.constant(positive, "bool").where(above, scale)
    return (
        logits.reshape(0, count).op("LogSoftmax", axis=-1),
        shift + spread * loc,
        scale * (member.widening * spread[unit]),
    )


def _scales(scale: Node, architecture: Architecture) -> tuple[Node, dict[str, Node]]:
    """The standard deviation of each coordinate, `(N, K, D)`, and the scales by their names in `mdn`, from a scale block."""
    size, covariance = architecture.event_size, architecture.covariance
    if covariance == "full":
        rows, columns = np.tril_indices(size)
        places = np.zeros((len(rows), size * size))
        places[np.arange(len(rows)), rows * size + columns] = 1.0
        lower = (scale @ places).reshape(0, 0, size, size)
        return (lower * lower).sum(axis=3).op("Sqrt"), {"scale_tril": lower}
    if isinstance(covariance, int):
        own, factor = scale.part(0, size), scale.part(size, size * (1 + covariance)).reshape(0, 0, size, covariance)
        return (own * own + (factor * factor).sum(axis=3)).op("Sqrt"), {"scale": own, "factor": factor}
    scale = scale * np.ones(size)  # an isotropic block has one number for all coordinates
    return scale, {"scale": scale}


def mean_of(mixture: Mixture, bijection: Bijection) -> Node:
    """The mean of each target, `(N, D)`."""
    if isinstance(bijection, Identity):
        each = mixture.loc
    elif isinstance(bijection, Exp):
        each = bijection.low + (mixture.loc + 0.5 * mixture.spread * mixture.spread).op("Exp")
    else:
        loc, spread = (one.op("Unsqueeze", np.array([3])) for one in (mixture.loc, mixture.spread))
        each = _FORWARD[type(bijection)](loc + spread * _NODES, bijection) @ _DENSITY
    return (mixture.log_weights.op("Exp").reshape(0, 0, 1) * each).sum(axis=1)


def quantiles_of(mixture: Mixture, bijection: Bijection, log_lower: np.ndarray, log_upper: np.ndarray) -> Node:
    """Quantiles of each target, `(N, D, Q)`, by bisection between the quantiles of the components.

    Args:
        mixture: Of the numbers that the bijection carries to targets.
        bijection: That of the outcome.
        log_lower, log_upper: Logs of the probability below and above each quantile, `(D, Q)`. The smaller tail is compared with
            its own level, so that levels near 1 lose no digits.
    """
    below = log_lower <= log_upper
    side, level = np.where(below, -1.0, 1.0), np.exp(np.minimum(log_lower, log_upper))
    score = -side * ndtri_exp(np.minimum(log_lower, log_upper))
    weights = mixture.log_weights.op("Exp").reshape(0, 0, 1, 1)
    loc, spread = (one.op("Unsqueeze", np.array([3])) for one in (mixture.loc, mixture.spread))
    ends, rate = loc + spread * score, math.sqrt(0.5) * side / spread

    def halve(low, high):
        middle = 0.5 * (low + high)
        tail = (weights * _half_erfc((middle - loc) * rate)).sum(axis=1, keepdims=True)
        right = side * (tail - level) > 0.0
        return right.where(middle, low), right.where(high, middle)

    bracket = (ends.op(kind, axes=[1], keepdims=1) for kind in ("ReduceMin", "ReduceMax"))
    low, high = mixture.loc.graph.repeated(_HALVINGS, halve, *bracket)
    return _FORWARD[type(bijection)]((0.5 * (low + high)).op("Squeeze", np.array([1])), bijection)


# ---- formulas --------------------------------------------------------------------------------------------------------


def _squashed(z: Node) -> Node:
    """`numerics.squash` without a branch."""
    bend, size = numerics.SQUASH_BEND, abs(z)
    return z.op("Sign") * (size.op("Min", bend) + bend * (size.op("Max", bend) / bend).op("Log"))


def _positive(x: Node) -> Node:
    """`numerics.positive`; float64 needs none of its bounds."""
    return x.op("Min", 0.0).op("Exp") + x.op("Max", 0.0)


def _softplus(x: Node) -> Node:
    return x.op("Max", 0.0) + (1.0 + (-abs(x)).op("Exp")).op("Log")


def _half_erfc(x: Node) -> Node:
    """erfc(x) / 2, with a small relative error for any x: runtimes have erf in float32 only, and erf has lost the tails."""
    size = abs(x)
    t = 1.0 / (1.0 + 0.5 * size)
    u, power = 2.0 * t - 1.0, _LOG_ERFCX[-1]
    for coefficient in _LOG_ERFCX[-2::-1]:
        power = power * u + coefficient
    upper = 0.5 * t * (power - size * size).op("Exp")
    return (x > 0.0).where(upper, 1.0 - upper)


def _log_erfcx(u):
    """log(erfcx(x) / t) for t = (1 + u) / 2 = 1 / (1 + x / 2), smooth on [-1, 1], the whole half-line of x."""
    t = 0.5 * (1.0 + u)
    return np.log(erfcx(2.0 * (1.0 - t) / t) / t)


_LOG_ERFCX = chebyshev.cheb2poly(chebyshev.chebinterpolate(_log_erfcx, _DEGREE))
