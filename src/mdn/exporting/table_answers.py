"""What the file of a regressor answers: the mixture of all members, its mean and its quantiles, as nodes of ONNX."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.polynomial import chebyshev
from scipy.special import erfcx, ndtri_exp

from mdn import numerics
from mdn.distributions.bijections import Exp, Identity, Sigmoid, Softplus
from mdn.distributions.normal_spec import NormalSpec
from mdn.exporting.graph import Graph, Node
from mdn.exporting.table_inputs import feature_count
from mdn.tabular.member import Member
from mdn.tabular.network import Architecture
from mdn.tabular.outcome import Outcome
from mdn.tabular.recorded import Recorded

if TYPE_CHECKING:
    from mdn import MDNRegressor

_HALVINGS = 50  # a bracket is then 1e-15 of its width
_FARTHEST = 40.0  # standard deviations: no float64 is the probability of a tail that begins there
_LEAST, _BEYOND, _LARGEST = 1e-300, 1e150, 1e300
_DEGREE = 12  # the degree of the polynomial of `_half_erfc`, whose relative error is then 1e-8
# Nodes of the trapezoidal rule for means: for integrands as smooth as these its error is that of rounding
_NODES = np.arange(-7.5, 7.5, 0.05)
_COUNTS = 128  # a mean of counts sums so many outcomes
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
    Identity: lambda z, one: z,
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
        shares: The probability of each atom, and in the end that of the mixture, `(N, A + 1)`; None without atoms.
    """

    log_weights: Node
    loc: Node
    spread: Node
    scales: dict[str, Node]
    shares: Node | None = None


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
    log_weights, loc, scale = (
        graph.concatenated(blocks, axis=1) for blocks in zip(*(one[:3] for one in each), strict=True)
    )
    shares = None
    if regressor.outcome_.atoms:  # what a member says counts by how probable it finds that there is no atom
        log_weights = log_weights.op("LogSoftmax", axis=-1)
        shares = sum((one[3].op("Exp") for one in each[1:]), each[0][3].op("Exp")) / float(len(each)) + spoilt
    else:
        log_weights = log_weights - math.log(len(each))
    log_weights, spoilt = log_weights + spoilt, spoilt.reshape(0, 1, 1)
    return Mixture(log_weights, loc + spoilt, *_scales(scale + spoilt, regressor.members_[0].architecture), shares)


def _member(x: Node, member: Member) -> tuple[Node, ...]:
    """Log weights `(N, K)`, loc `(N, K, D)` and scale block `(N, K, any)` of one network; K counts components that are alive.

    With atoms there are their log weights `(N, A + 1)`, too, and those of the components are less by that of the mixture.
    """
    architecture, layers, count = member.architecture, member.layers, len(member.alive)
    if architecture.activation not in _ACTIVATIONS:
        raise ValueError(
            f"a network with activation={architecture.activation!r} cannot be exported: fit one with an activation among "
            f"{', '.join(_ACTIVATIONS)}."
        )
    shift, spread = layers.features
    scaled = (x - shift) / spread
    x = _squashed(scaled.op("IsNaN", dtype="bool").where(0.0, scaled))
    if layers.bins is not None:
        x = _with_bins(x, *layers.bins)
    for kernel, bias in layers.hidden:
        x = _ACTIVATIONS[architecture.activation](x @ kernel + bias)

    def head(*arrays):
        each = [a.reshape(*a.shape[:-1], architecture.num_components, -1)[..., member.alive, :] for a in arrays]
        kernel, bias = (a.reshape(*a.shape[:-2], -1) for a in each)
        return (x @ kernel + bias).cast("float64").reshape(0, count, -1)

    loc, scale, logits = (head(*arrays) for arrays in layers.heads[:3])
    log_weights, kinds = logits.reshape(0, count).op("LogSoftmax", axis=-1), []
    if architecture.atoms:
        kernel, bias = layers.heads[3]
        kinds = [(x @ kernel + bias).cast("float64").op("LogSoftmax", axis=-1)]
        log_weights = log_weights + kinds[0].part(architecture.atoms, architecture.atoms + 1)
    shift, spread = (np.asarray(each, "float64") for each in layers.targets)
    positive, unit = NormalSpec(architecture.event_size, architecture.covariance).layout()
    above = _positive(scale)
    scale = above if positive.all() else scale.graph.constant(positive, "bool").where(above, scale)
    return log_weights, shift + spread * loc, scale * (member.widening * spread[unit]), *kinds


def _with_bins(x: Node, edges: np.ndarray, means: np.ndarray) -> Node:
    """The features `(N, F)` and then the bins of each, as `FeatureBins` does."""
    width = np.diff(edges)
    count, bins = width.shape
    share = (x.reshape(0, count, 1) - edges[:, :-1]) / np.where(width > 0.0, width, 1.0)
    share = share.op("Clip", 0.0, 1.0) * (width > 0.0) - means
    return x.graph.concatenated([x, share.reshape(0, count * bins)], axis=1)


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


def mean_of(mixture: Mixture, outcome: Outcome) -> Node:
    """The mean of each target, `(N, D)`; `outcome` as in `quantiles_of`."""
    bijection = outcome.bijection
    if outcome.counted:
        each = _mean_count(mixture, outcome)
    elif isinstance(bijection, Identity):
        each = mixture.loc
    elif isinstance(bijection, Exp):
        each = bijection.low + (mixture.loc + 0.5 * mixture.spread * mixture.spread).op("Exp")
    else:
        loc, spread = (one.op("Unsqueeze", np.array([3])) for one in (mixture.loc, mixture.spread))
        each = _FORWARD[type(bijection)](loc + spread * _NODES, bijection) @ _DENSITY
    mean = (mixture.log_weights.op("Exp").reshape(0, 0, 1) * each).sum(axis=1)
    if mixture.shares is None:
        return mean
    count = len(outcome.atoms)
    return (
        mixture.shares.part(0, count) @ np.array(outcome.atoms)[:, None] + mixture.shares.part(count, count + 1) * mean
    )


def _mean_count(mixture: Mixture, outcome: Outcome) -> Node:
    """The mean of each component, rounded, `(N, K, 1)`: the sum over k of P(count >= k).

    The first `_COUNTS` terms from where the component begins are summed. Beyond them lies little, or so much that their sum
    is the integral of the tail less a 24th of the density where it begins, by Euler's and Maclaurin's formula.
    """
    bijection, (least, high) = outcome.bijection, outcome.whole
    low = max(0.0, least)
    forward = functools.partial(_FORWARD[type(bijection)], one=bijection)
    first = forward(mixture.loc - 9.0 * mixture.spread).op("Floor").op("Max", low)  # (N, K, 1)
    counts = first + np.arange(1.0, 1.0 + _COUNTS)
    if isinstance(bijection, Sigmoid):
        edges = (counts - 0.5 - bijection.low) / (bijection.high - bijection.low)
        edges = edges.op("Min", 1.0 - 1e-12)
        z = (edges / (1.0 - edges)).op("Log")
    elif isinstance(bijection, Exp):
        z = (counts - 0.5 - bijection.low).op("Log")
    else:
        z = counts - 0.5
    tails = _half_erfc((z - mixture.loc) * (math.sqrt(0.5) / mixture.spread))
    tails = (counts > high).where(0.0, tails) if math.isfinite(high) else tails
    found = first + tails.sum(axis=2, keepdims=True)
    if isinstance(bijection, Sigmoid):
        return found  # marks are at most `_COUNTS`
    last, spread = first + float(_COUNTS), mixture.spread
    if isinstance(bijection, Exp):
        edge = last - bijection.low
        at = (edge.op("Log") - mixture.loc) / spread
        whole = (mixture.loc + 0.5 * spread * spread).op("Exp") * _half_erfc(math.sqrt(0.5) * (at - spread))
        return found + whole - edge * _half_erfc(math.sqrt(0.5) * at) - _density(at) / (24.0 * spread * edge)
    at = (last - mixture.loc) / spread
    beyond = spread * (_density(at) - at * _half_erfc(math.sqrt(0.5) * at))
    return found + beyond - _density(at) / (24.0 * spread)


def quantiles_of(mixture: Mixture, outcome: Outcome, log_lower: np.ndarray, log_upper: np.ndarray) -> Node:
    """Quantiles of each target, `(N, D, Q)`, by bisection between the quantiles of the components.

    Args:
        mixture: The mixture of the numbers that the bijection carries to targets.
        outcome: What targets are, minus `target_origin_`.
        log_lower, log_upper: Logs of the probability below and above each quantile, `(D, Q)`. The smaller tail is compared with
            its own level, so that levels near 1 lose no digits.
    """
    below, log_level = log_lower <= log_upper, np.minimum(log_lower, log_upper)
    side, level = np.where(below, -1.0, 1.0), np.exp(log_level)
    score: Any = -side * ndtri_exp(log_level)
    weights = mixture.log_weights.op("Exp").reshape(0, 0, 1, 1)
    loc, spread = (one.op("Unsqueeze", np.array([3])) for one in (mixture.loc, mixture.spread))
    rate = math.sqrt(0.5) * side / spread
    forward = functools.partial(_FORWARD[type(outcome.bijection)], one=outcome.bijection)

    def tail_of(z):
        """The probability on the side of each level, `(N, 1, any, Q)`."""
        return (weights * _half_erfc((z - loc) * rate)).sum(axis=1, keepdims=True)

    asked: Any = level
    ends = [loc + spread * score] * 2
    if mixture.shares is not None:
        jump = _Jump.of(mixture.shares, outcome, tail_of, side, level)
        asked, ends = jump.rest, [loc - _FARTHEST * spread, loc + _FARTHEST * spread + np.zeros(level.shape)]

    def halve(low, high):
        middle = 0.5 * (low + high)
        right = side * (tail_of(middle) - asked) > 0.0
        return right.where(middle, low), right.where(high, middle)

    pairs = zip(ends, ("ReduceMin", "ReduceMax"), strict=True)
    bracket = ((end + np.zeros(level.shape)).op(kind, axes=[1], keepdims=1) for end, kind in pairs)
    low, high = mixture.loc.graph.repeated(_HALVINGS, halve, *bracket)
    found = forward((0.5 * (low + high)).op("Squeeze", np.array([1])))
    if mixture.shares is not None:
        return jump.where(found)
    return (found - 0.5).op("Ceil").op("Max", outcome.whole[0]) if outcome.counted else found


@dataclasses.dataclass
class _Jump:
    """Where quantiles of a target with atoms lie, as `Spiked` finds them.

    Attributes:
        at: The atom that the quantile is, `(N, 1, Q)`; infinite where it is none.
        last, following: The atoms between which the quantile lies then.
        rest: The probability of the mixture alone on the side of the quantile, `(N, 1, 1, Q)`.
        spoilt: NaN for each row that `mdn` would refuse, else 0, `(N, 1, 1)`.
    """

    at: Node
    last: Node
    following: Node
    rest: Node
    spoilt: Node

    @classmethod
    def of(
        cls, shares: Node, outcome: Outcome, tail_of: Callable[[Any], Node], side: np.ndarray, level: np.ndarray
    ) -> _Jump:
        """`tail_of`, `side` and `level` as in `quantiles_of`."""
        graph, count = shares.graph, len(outcome.atoms)
        atoms, order = np.array(outcome.atoms)[:, None], np.arange(count)
        with np.errstate(divide="ignore"):
            z = np.clip(outcome.bijection.inverse(atoms), -_BEYOND, _BEYOND)
        some, base = shares.part(0, count), shares.part(count, count + 1).reshape(0, 1, 1)
        upper = graph.constant(side > 0.0, "bool")
        before, after = (
            (some @ (1.0 * further)).reshape(0, -1, 1) for further in (order[:, None] < order, order[:, None] > order)
        )
        without = upper.where(after, before) + base * tail_of(z).reshape(0, count, level.shape[-1])
        each = some.reshape(0, -1, 1)
        within = without + each
        reached = upper.where(within - level, level - without) > 0.0
        passed = upper.where(without - level, level - within) > 0.0
        jumping = reached.op("And", passed.op("Not"))

        def end(kind: str, these: Node, otherwise: float) -> Node:
            return these.where(atoms, graph.constant(otherwise, "float64")).op(kind, axes=[1], keepdims=1)

        gone = passed.where(1.0, graph.constant(0.0, "float64"))
        taken = (each * upper.where(1.0 - gone, gone)).sum(axis=1, keepdims=True)
        return cls(
            at=end("ReduceMin", jumping, math.inf),
            last=end("ReduceMax", passed, -math.inf),
            following=end("ReduceMin", reached.op("Not"), math.inf),
            rest=((level - taken) / base).op("Max", _LEAST).op("Min", 1.0).op("Unsqueeze", np.array([1])),
            spoilt=0.0 * base,
        )

    def where(self, found: Node) -> Node:
        """The quantiles, where `found` are those of the mixture."""
        inside = found.op("Max", self.last).op("Min", self.following)
        return (self.at > _LARGEST).where(inside, self.at) + self.spoilt


def recorded_of(quantiles: Node, recorded: Sequence[Recorded | None], levels: np.ndarray) -> Node:
    """Quantiles `(N, D, Q)` as `Recorded.nearest` rounds those of each target that has a grid."""
    for d, grid in enumerate(recorded):
        if grid is None:
            continue
        found = grid.start + grid.step * ((quantiles - grid.start) / grid.step).op("Round")
        if grid.decimals is None:
            found = found + grid.outward(levels)
        else:
            power = 10.0**grid.decimals
            found = (found * power).op("Round") / power
        if grid.single:
            found = found.cast("float32").cast("float64")
        mine = quantiles.graph.constant(np.arange(len(recorded))[:, None] == d, "bool")
        quantiles = mine.where(found, quantiles)
    return quantiles


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


def _density(z: Node) -> Node:
    """The standard normal density."""
    return (-0.5 * z * z).op("Exp") / math.sqrt(2.0 * math.pi)


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
