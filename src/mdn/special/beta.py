"""The logs of the incomplete beta function."""

import math

from keras import ops

from mdn import numerics
from mdn.special.elementary import gauss_legendre, log1p_rest, near_exp_rest
from mdn.special.gamma import SMALL_SHAPE, excess, log_gamma_rest, log_gamma_series

_STEPS_UP = 3  # steps of the recurrence in `log_beta_tails`: the integrand then falls like e^(-3 s) or faster
_NODES = 14, 40  # nodes of the quadrature in float32 and in float64
_CUT = 17.0, 40.0  # an integrand is cut off where its log has fallen by this much


def log_beta_norm(a, b):
    r"""What `log_beta_kernel` and `log_beta_tails` need of a and b alone: a search for x computes it once.

    It is $\log(c^c / (a^a b^b B(a, b)))$ with c = a + b, but $\log(c^{-p} / (p B(a, b)))$ if p, the lesser of both, is below ½.
    """
    least, most = _ordered(numerics.floor(a), numerics.floor(b))
    small = least < SMALL_SHAPE
    tiny = ops.where(small, least, SMALL_SHAPE)
    of_tiny = _log_gamma_step(tiny, most) - log_gamma_series(tiny)
    usual, most = _at_least_half(least), _at_least_half(most)
    parts = log_gamma_rest(ops.stack([usual, most, usual + most]))
    return ops.where(small, of_tiny, parts[0] + parts[1] - parts[2])


def _log_gamma_step(p, q):
    r"""$\log \Gamma(q + p) - \log \Gamma(q) - p \log(q + p)$ for $0 < p \le \tfrac12$, $q > 0$, to relative precision in p.

    Eight steps of the recurrence, then the difference of Stirling's series at q + 8 and q + p + 8, written with the factor p.
    """
    low = q + 8.0
    i, j = 1.0 / low, 1.0 / (low + p)
    square, product = ops.square(i) + ops.square(j), i * j
    bent = (square + product) / 360 - (ops.square(square) + product * (square - product)) / 1260 - 1 / 12
    n = numerics.as_tensor(range(1, 8))
    steps = ops.sum(ops.log1p(ops.expand_dims(p, -1) / (ops.expand_dims(q, -1) + n)), axis=-1)
    steps = steps + ops.log1p(
        ops.exp(ops.log(p) - ops.log(q))
    )  # the square of q in the derivative of p / q may underflow
    return p * (product * bent + ops.log(low + p) - ops.log(q + p) - 1.0) + (low - 0.5) * ops.log1p(p / low) - steps


def _at_least_half(shape):
    return numerics.within(shape, SMALL_SHAPE, math.inf)


def _ordered(a, b, *pairs):
    """The lesser of a and b, the other, and each pair in the same order."""
    swap = a > b
    return [part for one, two in ((a, b), *pairs) for part in (ops.where(swap, two, one), ops.where(swap, one, two))]


def _log_power(a, b, x, rest, log_x, log_rest, norm):
    r"""(f, g) such that $x^a (1 - x)^b / B(a, b) = g\,e^f$, where g is the lesser of a and b if that is below ½, or 1."""
    least, most, *places = _ordered(a, b, (x, rest), (log_x, log_rest))
    small, total = least < SMALL_SHAPE, a + b
    log_total = ops.log(total)
    of_tiny = least * (places[2] + log_total) + most * places[3]
    shapes = map(_at_least_half, (least, most))
    misses = sum(
        excess(shape, place * total, log_place + log_total)
        for shape, place, log_place in zip(shapes, places[:2], places[2:], strict=True)
    )
    norm = log_beta_norm(a, b) if norm is None else norm
    return norm + ops.where(small, of_tiny, -misses), ops.where(small, least, 1.0)


def log_beta_kernel(a, b, x, rest, log_x, log_rest, norm=None):
    r"""$\log\big(x^a (1 - x)^b / B(a, b)\big)$ for $a, b > 0$, without the cancellation of large terms.

    Args:
        a, b, x, rest: Tensors that broadcast; `rest` is 1 - x.
        log_x, log_rest: Their logs, finite also where x or 1 - x underflows.
        norm: `log_beta_norm(a, b)`, if it is at hand.
    """
    power, factor = _log_power(numerics.floor(a), numerics.floor(b), x, rest, log_x, log_rest, norm)
    return power + ops.log(factor)


def log_beta_tails(a, b, x, rest, log_x, log_rest, norm=None):
    r"""($\log I_x(a, b)$, $\log I_{1-x}(b, a)$), the regularised incomplete beta functions, both to float precision.

    The one on the side of x is an integral over the log odds, which starts at its highest point:

    .. math:: I_x(a, b) = \frac{x^a (1 - x)^b}{B(a, b)} \int_0^\infty e^{-a s} (1 - x (1 - e^{-s}))^{-(a + b)} ds,

    with an integrand that falls from 1 and is smooth. The other one is 1 minus that.

    Args:
        a, b, x, rest, log_x, log_rest, norm: As in `log_beta_kernel`.
    """
    a, b = numerics.floor(a), numerics.floor(b)
    power, factor = _log_power(a, b, x, rest, log_x, log_rest, norm)
    below = ops.where(
        x < 0.5, x * (a + b) <= a, rest * (a + b) >= b
    )  # the side whose product does not round 1 - x away
    p, q, x, rest = (ops.where(below, *pair) for pair in ((a, b), (b, a), (x, rest), (rest, x)))
    total = p + q
    # steps of J(p, c) = (1 + c x J(p + 1, c + 1)) / p with c = p + q, so that the integrand falls fast for any small p
    series = _beta_integral(p + float(_STEPS_UP), q, x, rest)
    for n in range(_STEPS_UP - 1, 0, -1):
        series = (1.0 + (total + float(n)) * x * series) / (p + float(n))
    same = ops.logical_and(
        p < SMALL_SHAPE, p <= q
    )  # then factor is p, and both logs, whose derivatives are huge, cancel
    factor, p = (ops.where(same, 1.0, shape) for shape in (factor, p))
    one = power + ops.log(factor) - ops.log(p) + ops.log1p(total * x * series)
    one = numerics.within(one, -math.inf, 0.0)
    other = numerics.log1mexp(one)
    return ops.where(below, one, other), ops.where(below, other, one)


def _beta_integral(p, q, x, rest):
    r"""$\int_0^\infty e^{-p s} (1 - x (1 - e^{-s}))^{-c} ds$ with $c = p + q$, for x below p / c.

    The log of the integrand is $-d s - c\,b(s)$: d is its slope at 0 and b what bends it. From x or from 1 - x, whichever is
    less, call it z, b is $\log(1 + z (e^{\mp s} - 1)) \pm z s$.
    """
    double = numerics.float_dtype() == "float64"
    nodes, weights = map(numerics.as_tensor, gauss_legendre(_NODES[double]))
    cut, total, low = _CUT[double], p + q, x < 0.5
    drift = numerics.floor(ops.where(low, p - total * x, total * rest - q), 0.0)  # next to x = 1, only 1 - x is exact
    z = ops.where(low, x, rest)
    # an end where the log has fallen by `cut`: b(s) is above x (1 - x) s² / (2 + (1 - x) s), or grows like z (e^s - 1 - s)
    bend = 2.0 * drift - cut * rest
    wide = numerics.hypotenuse(ops.abs(bend), math.sqrt(8.0 * cut) * ops.sqrt(rest) * ops.sqrt(p))
    slow = 4.0 * cut / (numerics.floor(bend, 0.0) + wide)
    slow = ops.where(bend > 0.0, slow, 0.5 * (wide - bend) / numerics.floor(rest * p))
    parabola = (
        2.0 * cut / (drift + numerics.hypotenuse(drift, math.sqrt(2.0 * cut) * ops.sqrt(total * x) * ops.sqrt(rest)))
    )
    fast = ops.minimum(parabola, ops.log1p(ops.expm1(1.3 * cut / total) / numerics.floor(z) + 4.0))
    end = ops.expand_dims(ops.stop_gradient(ops.where(low, slow, fast)), -1)
    drift, total, z, sign = (ops.expand_dims(tensor, -1) for tensor in (drift, total, z, ops.where(low, -1.0, 1.0)))
    s = end * nodes
    close = s < 0.4
    near, far = ops.where(close, sign * s, 0.0), ops.where(close, 0.0, sign * s)
    bent = near_exp_rest(near)
    bent = ops.where(close, z * bent - log1p_rest(z * (near + bent)), ops.log1p(z * ops.expm1(far)) - z * far)
    return end[..., 0] * ops.sum(weights * ops.exp(-drift * s - total * bent), axis=-1)
