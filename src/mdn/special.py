"""Special functions that keras.ops lacks, each by one formula for all backends, differentiable by every argument.

The backends differ in the functions that they offer (PyTorch has no incomplete beta, and no backend has its gradient by
the parameters) and in their accuracy in tails. Elementary operations agree everywhere; the tests compare with mpmath.
"""

import math

import numpy as np
from keras import ops

from mdn import numerics

_SQRT_HALF = math.sqrt(0.5)
_HALF_LOG_2PI = 0.5 * numerics.LOG_2PI

# Chebyshev coefficients of (1 + 2u)·erfcx(u) in t = (u - 3.75) / (u + 3.75), after Shepherd and Laframboise (1981),
# Chebyshev approximation of (1 + 2x) exp(x²) erfc x; computed with 50 digits, good to 1e-17.
_ERFCX_SHIFT = 3.75
_ERFCX = (
    1.17757893456740175, -4.59005458064647733e-3, -8.42491333665179156e-2, 5.92099401981918905e-2,
    -2.66586684353057523e-2, 9.07499767070526509e-3, -2.41316354041760819e-3, 4.90775836525808632e-4,
    -6.91697330250120637e-5, 4.13902798607301017e-6, 7.74038306619849067e-7, -2.18864010492343957e-7,
    1.07649994656709104e-8, 4.5219598112182869e-9, -7.75440020883135111e-10, -6.31808834088668449e-11,
    2.8687950109306699e-11, 1.94558685457773472e-13, -9.65469674843343891e-13, 3.25254814814873984e-14,
    3.34781194828680539e-14, -1.8645628804193131e-15, -1.25079505306886471e-15, 7.41823525662404346e-17,
)  # fmt: skip
_ERFCX_FLOAT32_TERMS = 15


def gauss_legendre(count: int):
    """Nodes and weights of Gauss-Legendre quadrature on [0, 1], as NumPy float64."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return 0.5 * (nodes + 1.0), 0.5 * weights


def erfcx(u):
    r"""$e^{u^2}\,\mathrm{erfc}(u)$ for $u \ge 0$, relative error about one float."""
    coefficients = _ERFCX if numerics.float_dtype() == "float64" else _ERFCX[:_ERFCX_FLOAT32_TERMS]
    u = numerics.cap(u, 1e15)
    t = (u - _ERFCX_SHIFT) / (u + _ERFCX_SHIFT)
    later, last = ops.zeros_like(t), ops.zeros_like(t)
    for coefficient in reversed(coefficients[1:]):  # Clenshaw's recurrence
        later, last = 2.0 * t * later - last + coefficient, later
    return (t * later - last + coefficients[0]) / (1.0 + 2.0 * u)


def log_ndtr(x):
    r"""$\log \Phi(x)$, the log of the standard normal's distribution function, to float precision in both tails."""
    below = x < 0.0
    half_square = numerics.half_square(x)
    # not abs(x), whose derivative at 0 is 0 on two backends
    half_erfcx = 0.5 * erfcx(ops.where(below, -x, x) * _SQRT_HALF)
    lower = ops.log(half_erfcx) - half_square
    upper = ops.log1p(-ops.exp(-half_square) * half_erfcx)
    return ops.where(below, lower, upper)


def ndtr(x):
    r"""$\Phi(x)$, with a relative error of a few floats in the lower tail too."""
    tail = ops.exp(-numerics.half_square(x)) * 0.5 * erfcx(ops.where(x < 0.0, -x, x) * _SQRT_HALF)
    return ops.where(x < 0.0, tail, 1.0 - tail)


def log_normal_density(z):
    r"""$\log \varphi(z)$ of the standard normal."""
    return -numerics.half_square(z) - _HALF_LOG_2PI


def ndtri(log_lower, log_upper):
    r"""The standard normal quantile $x$ with $\log \Phi(x)$ = `log_lower`, $\log \Phi(-x)$ = `log_upper`.

    Two logs, since one alone would round away the other tail. The start is from Abramowitz and Stegun (1964), 26.2.22. Three
    steps of Newton's method on $\log \Phi$, which is concave, reach float precision; a fourth carries the derivative.
    """
    flip = log_upper < log_lower
    log_tail = ops.where(flip, log_upper, log_lower)
    edge = log_tail < -1e30
    log_tail = ops.where(edge, -1.0, log_tail)
    r = ops.sqrt(-2.0 * ops.stop_gradient(log_tail))
    x = -(r - (2.30753 + 0.27061 * r) / (1.0 + 0.99229 * r + 0.04481 * r * r))
    for last in (False, False, False, True):
        value = log_ndtr(x)
        slope = ops.exp(log_normal_density(x) - value)
        target = log_tail if last else ops.stop_gradient(log_tail)
        x = x - (value - target) / ops.stop_gradient(slope)
        if not last:
            x = ops.stop_gradient(x)
    x = ops.where(edge, -math.inf, x)
    return ops.where(flip, -x, x)


def log_cosh(x):
    r"""$\log \cosh x$, with relative precision for small $x$ too, and also where cosh overflows."""
    x = ops.abs(x)
    far = x > 1.0
    near = ops.log1p(2.0 * ops.square(ops.sinh(0.5 * ops.where(far, 0.0, x))))
    return ops.where(far, x + ops.log1p(ops.exp(-2.0 * ops.where(far, x, 1.0))) - math.log(2.0), near)


def log_gamma_half_step(a):
    r"""$\log \Gamma(a + \tfrac12) - \log \Gamma(a)$ for $a > 0$, without the cancellation of two large logs.

    Eight steps of the recurrence, then the asymptotic series of Tricomi and Erdélyi (1951) at a + 8.
    """
    small = a < 0.5
    # log(a / (a + 1/2)); log1p would lose all digits of a small a
    first = ops.where(
        small,
        ops.log(ops.where(small, a, 1.0)) - ops.log(a + 0.5),
        ops.log1p(-0.5 / (ops.where(small, 0.5, a) + 0.5)),
    )
    return first + _later_steps(a)


def log_gamma_half_step_up(a):
    r"""$\log \Gamma(a + \tfrac12) - \log \Gamma(a + 1)$ for $a > 0$."""
    return _later_steps(a) - ops.log(a + 0.5)


def _later_steps(a):
    """log Γ(a + ½) - log Γ(a) without the first step of the recurrence, log(a / (a + ½))."""
    shift = 8
    steps = sum(ops.log1p(-0.5 / (a + n + 0.5)) for n in range(1, shift))
    b = a + float(shift)
    inverse = 1.0 / b
    series = inverse * (-1 / 8 + inverse**2 * (1 / 192 + inverse**2 * (-1 / 640 + inverse**2 * (17 / 14336))))
    return 0.5 * ops.log(b) + series + steps


# ---- the incomplete gamma function -----------------------------------------------------------------------------------

_EULER = 0.57721566490153286
# (ζ(k) - 1) / k for k = 2, 3, ...
_ZETA_MINUS_1 = (
    3.2246703342411322e-1, 6.7352301053198101e-2, 2.0580808427784546e-2, 7.3855510286739857e-3, 2.8905103307415234e-3,
    1.1927539117032610e-3, 5.0966952474304236e-4, 2.2315475845357938e-4, 9.9457512781808526e-5, 4.4926236738133142e-5,
    2.0507212775670691e-5, 9.4394882752683967e-6, 4.3748667899074873e-6, 2.0392157538013666e-6, 9.5514121304074194e-7,
    4.4924691987645662e-7, 2.1207184805554665e-7, 1.0043224823968100e-7, 4.7698101693639804e-8, 2.2711094608943166e-8,
)  # fmt: skip
_SMALL_SHAPE = 0.5
_TAIL_NODES = 16, 32  # of an integral, in float32 and float64
_TAIL_CUT = 20.0, 40.0  # an integrand is cut off where its log has fallen by this much
_NEAR = 0.3


def _log_gamma_series(a):
    r"""$\log \Gamma(1 + a)$ for $0 < a \le \tfrac12$, to relative precision, by the Taylor series of $\log \Gamma(2 + a)$."""
    tail = ops.zeros_like(a)
    for k in range(len(_ZETA_MINUS_1) - 1, -1, -1):
        tail = a * ((-1.0) ** k * _ZETA_MINUS_1[k] + tail)
    return a * ((1.0 - _EULER) + tail) - ops.log1p(a)


def _log_gamma_rest(a):
    r"""$a \log a - a - \log \Gamma(a)$ for $a \ge \tfrac12$: eight steps of its recurrence, then Stirling's series."""
    steps = sum(1.0 - (a + n + 1.0) * ops.log1p(1.0 / (a + n)) for n in range(8))
    b = a + 8.0
    inverse = 1.0 / b
    square = ops.square(inverse)
    series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680)))
    return steps + 0.5 * ops.log(b) - _HALF_LOG_2PI - series


def _log1p_rest(d):
    """d - log(1 + d) for |d| < 0.3, without cancellation."""
    w = d / (2.0 + d)  # log(1 + d) = 2 artanh w
    square = ops.square(w)
    tail = ops.zeros_like(w)
    for k in range(21, 1, -2):
        tail = square * (1.0 / k + tail)
    return d * w - 2.0 * w * tail


def _excess(a, x, log_x):
    """x - a - a log(x / a), which is never negative, without cancellation where x is close to a."""
    d = (x - a) / a
    near = ops.abs(d) < _NEAR
    return ops.where(near, a * _log1p_rest(ops.where(near, d, 0.0)), x - a - a * (log_x - ops.log(a)))


def log_gamma_of_one_more(a):
    r"""$\log \Gamma(1 + a)$ for $a > 0$."""
    a = numerics.floor(a)
    small = a < _SMALL_SHAPE
    usual = ops.where(small, _SMALL_SHAPE, a)
    of_usual = (usual + 1.0) * ops.log(usual) - usual - _log_gamma_rest(usual)
    return ops.where(small, _log_gamma_series(ops.where(small, a, _SMALL_SHAPE)), of_usual)


def log_gamma_doubling(a):
    r"""$\log \Gamma(1 + 2a) - 2 \log \Gamma(1 + a)$ for $a > 0$, to relative precision near 0, where it is $\pi^2 a^2 / 6$."""
    small = a < 0.4
    near, tail = ops.where(small, a, 0.4), 0.0
    for k in range(len(_ZETA_MINUS_1) - 1, -1, -1):
        tail = near * ((-1.0) ** k * (2.0 ** (k + 2) - 2.0) * _ZETA_MINUS_1[k] + tail)
    series = near * tail - ops.log1p(-ops.square(near / (1.0 + near)))
    return ops.where(small, series, log_gamma_of_one_more(2.0 * a) - 2.0 * log_gamma_of_one_more(a))


def _exp_rest(t):
    """e^t - 1 - t, without cancellation where t is small."""
    small = ops.abs(t) < 0.5
    near, tail = ops.where(small, t, 0.0), 0.0
    for k in range(14 if numerics.float_dtype() == "float64" else 8, 1, -1):
        tail = near * (tail / (k + 1.0)) + 1.0
    return ops.where(small, 0.5 * ops.square(near) * tail, ops.expm1(t) - t)


def _log_power_ratio(a, x, log_x):
    r"""($\log(x^a e^{-x} / \Gamma(a))$, $\log(x^a e^{-x} / \Gamma(a + 1))$), each without the cancellation of large terms."""
    small = a < _SMALL_SHAPE
    tiny, usual = ops.where(small, a, _SMALL_SHAPE), ops.where(small, _SMALL_SHAPE, a)
    of_tiny = tiny * log_x - x - _log_gamma_series(tiny)
    of_usual = _log_gamma_rest(usual) - _excess(usual, x, log_x)
    common = ops.where(small, of_tiny, of_usual)
    return common + ops.where(small, ops.log(tiny), 0.0), common - ops.where(small, 0.0, ops.log(usual))


def log_gamma_kernel(a, x, log_x):
    r"""$\log\big(x^a e^{-x} / \Gamma(a)\big)$ for $a > 0$, $x \ge 0$, without the cancellation of large terms.

    Args:
        a, x: Tensors that broadcast.
        log_x: log x, finite also where x under- or overflows.
    """
    return _log_power_ratio(numerics.floor(a), x, log_x)[0]


def log_poisson(k, rate, log_rate):
    r"""$\log\big(\lambda^k e^{-\lambda} / k!\big)$ for $k \ge 0$, without the cancellation of large terms.

    Args:
        k, rate: Tensors that broadcast.
        log_rate: log λ.
    """
    return _log_power_ratio(numerics.floor(k), rate, log_rate)[1]


def log_negative_binomial(k, mean, size):
    r"""$\log \frac{\Gamma(k + r)}{k!\, \Gamma(r)} p^r (1 - p)^k$ with $p = r / (r + m)$, without the cancellation of large terms.

    Args:
        k, mean, size: k >= 0, m > 0 and r > 0, tensors that broadcast.

    Reference:
        Loader (2000), Fast and accurate computation of binomial probabilities, whose two deviances are computed from k - m.
    """
    k, mean, size = (tensor + ops.zeros_like(k + mean + size) for tensor in (k, mean, size))
    some, least = k > 0.0, size < mean
    total, log_total, log_mean, log_size = size + mean, ops.log(size + mean), ops.log(mean), ops.log(size)
    none = -size * ops.where(least, log_total - log_size, ops.log1p(ops.where(least, 1.0, mean / size)))
    k = ops.where(some, k, 1.0)
    log_k, log_whole = ops.log(k), ops.log(size + k)

    def deviance(d, log_of_one_more):
        near = ops.abs(d) < _NEAR
        return ops.where(near, _log1p_rest(ops.where(near, d, 0.0)), d - log_of_one_more)

    misses = size * deviance((k - mean) / total, log_whole - log_total)
    misses = misses + k * deviance((size / total) * ((mean - k) / k), log_mean + log_whole - log_k - log_total)
    small = size < _SMALL_SHAPE
    tiny, usual = ops.where(small, size, _SMALL_SHAPE), ops.where(small, _SMALL_SHAPE, size)
    rests = _log_gamma_rest(ops.stack([usual, k, numerics.floor(size + k, _SMALL_SHAPE)]))
    of_size = ops.where(small, tiny * log_size - tiny + log_size - _log_gamma_series(tiny), rests[0])
    return ops.where(some, of_size + rests[1] - rests[2] - log_k - misses, none)


def log_gamma_tails(a, x, log_x):
    r"""($\log P(a, x)$, $\log Q(a, x)$), the regularised incomplete gamma functions, both to float precision.

    One of them is an integral that starts at its highest point: with $t = x e^{-s}$ below a and $t = x e^{s}$ above,

    .. math:: P = \frac{x^a e^{-x}}{\Gamma(a)} \int_0^\infty e^{-a s + x (1 - e^{-s})} ds, \quad
              Q = \frac{x^a e^{-x}}{\Gamma(a)} \int_0^\infty e^{a s - x (e^s - 1)} ds,

    whose integrands fall from 1 and are smooth. The other one is 1 minus that.

    Args:
        a, x, log_x: As in `log_gamma_kernel`.
    """
    a = numerics.floor(a)
    a, x, log_x = (tensor + ops.zeros_like(a + x + log_x) for tensor in (a, x, log_x))
    below = x <= a
    kernel, head = _log_power_ratio(a, x, log_x)
    # for P, two steps of I(a) = (1 + x I(a + 1)) / a, so that the integrand falls fast for any small a
    integral = _integral(ops.where(below, a + 2.0 - x, x - a), a, x, below)
    series = ops.log1p(x / (a + 1.0) * (1.0 + x * ops.where(below, integral, 0.0)))  # the log of a I(a)
    one = ops.where(below, head + series, kernel + ops.log(ops.where(below, 1.0, integral)))
    one = numerics.within(one, -math.inf, 0.0)
    other = numerics.log1mexp(one)
    return ops.where(below, one, other), ops.where(below, other, one)


def _integral(drift, a, x, below):
    r"""$\int_0^\infty e^{-d s - x (e^{\pm s} - 1 \mp s)} ds$ for a drift $d \ge 0$; the sign is that of -1 where `below`."""
    double = numerics.float_dtype() == "float64"
    nodes, weights = map(numerics.as_tensor, gauss_legendre(_TAIL_NODES[double]))
    cut = _TAIL_CUT[double]
    rate, bend = a + 2.0, 2.0 * drift - cut
    wide = numerics.hypotenuse(ops.abs(bend), math.sqrt(8.0 * cut) * ops.sqrt(rate))
    of_lower = ops.where(bend > 0.0, 4.0 * cut / (ops.where(bend > 0.0, bend, 0.0) + wide), 0.5 * (wide - bend) / rate)
    above = ops.where(below, a, x)
    slow = 2.0 * cut / (drift + numerics.hypotenuse(drift, math.sqrt(2.0 * cut) * ops.sqrt(above)))
    of_upper = ops.minimum(slow, ops.log1p(2.0 * cut / above + 4.0))
    end = ops.expand_dims(ops.stop_gradient(ops.where(below, of_lower, of_upper)), -1)
    s = end * nodes
    rest = _exp_rest(ops.where(ops.expand_dims(below, -1), -s, s))
    return end[..., 0] * ops.sum(
        weights * ops.exp(-ops.expand_dims(drift, -1) * s - ops.expand_dims(x, -1) * rest), axis=-1
    )


# ---- the incomplete beta function ------------------------------------------------------------------------------------

_STEPS_UP = 6  # steps of the recurrence in `log_beta_tails`: the integrand then falls like e^(-6 s) or faster
_BETA_NODES = 20, 40  # in float32 and float64


def _log_gamma_step(p, q):
    r"""$\log \Gamma(q + p) - \log \Gamma(q) - p \log(q + p)$ for $0 < p \le \tfrac12$, $q > 0$, to relative precision in p.

    Eight steps of the recurrence, then the difference of Stirling's series at q + 8 and q + p + 8, written with the factor p.
    """
    c, low = q + p, q + 8.0
    high = low + p
    i, j = 1.0 / low, 1.0 / high
    square, product = ops.square(i) + ops.square(j), i * j
    series = (
        p * product * (-1 / 12 + (square + product) / 360 - (ops.square(square) + product * (square - product)) / 1260)
    )
    return (
        series
        - sum(ops.log1p(p / (q + n)) for n in range(8))
        + p * ops.log1p(8.0 / c)
        + (low - 0.5) * ops.log1p(p / low)
        - p
    )


def _log_beta_power(p, q, x, rest, log_x, log_rest):
    r"""($\log K$, $\log(K / p)$) of $K = x^p (1 - x)^q / B(p, q)$, each without the cancellation of large terms."""
    swap = p > q
    least, most = ops.where(swap, q, p), ops.where(swap, p, q)
    small, total = least < _SMALL_SHAPE, p + q
    tiny, usual = ops.where(small, least, _SMALL_SHAPE), ops.where(small, _SMALL_SHAPE, least)
    logs = ops.where(swap, log_rest, log_x), ops.where(swap, log_x, log_rest)
    of_tiny = tiny * (logs[0] + ops.log(total)) + most * logs[1] + _log_gamma_step(tiny, most) - _log_gamma_series(tiny)
    shapes = ops.stack([usual, numerics.floor(most, _SMALL_SHAPE)])
    parts = _log_gamma_rest(ops.concatenate([shapes, ops.expand_dims(shapes[0] + shapes[1], 0)], axis=0))
    places = ops.stack([ops.where(swap, rest, x), ops.where(swap, x, rest)]) * total
    misses = _excess(shapes, places, ops.stack(logs) + ops.log(total))
    common = ops.where(small, of_tiny, parts[0] + parts[1] - parts[2] - misses[0] - misses[1])
    log_p, over_least = ops.log(p), ops.logical_and(small, ops.logical_not(swap))
    kernel = common + ops.where(small, ops.log(least), 0.0)
    return kernel, ops.where(over_least, common, kernel - log_p)


def log_beta_kernel(a, b, x, rest, log_x, log_rest):
    r"""$\log\big(x^a (1 - x)^b / B(a, b)\big)$ for $a, b > 0$, without the cancellation of large terms.

    Args:
        a, b, x, rest: Tensors of one shape; `rest` is 1 - x.
        log_x, log_rest: Their logs, finite also where x or 1 - x underflows.
    """
    return _log_beta_power(numerics.floor(a), numerics.floor(b), x, rest, log_x, log_rest)[0]


def log_beta_tails(a, b, x, rest, log_x, log_rest):
    r"""($\log I_x(a, b)$, $\log I_{1-x}(b, a)$), the regularised incomplete beta functions, both to float precision.

    The one on the side of x is an integral over the log odds, which starts at its highest point:

    .. math:: I_x(a, b) = \frac{x^a (1 - x)^b}{B(a, b)} \int_0^\infty e^{-a s} (1 - x (1 - e^{-s}))^{-(a + b)} ds,

    with an integrand that falls from 1 and is smooth. The other one is 1 minus that.

    Args:
        a, b, x, rest, log_x, log_rest: As in `log_beta_kernel`.
    """
    a, b = numerics.floor(a), numerics.floor(b)
    below = ops.where(x < 0.5, x * (a + b) <= a, rest * (a + b) >= b)
    pairs = (a, b), (x, rest), (log_x, log_rest)
    (p, q), (x, rest), logs = ((ops.where(below, *pair), ops.where(below, *pair[::-1])) for pair in pairs)
    total = p + q
    _, head = _log_beta_power(p, q, x, rest, *logs)
    # steps of J(p, c) = (1 + c x J(p + 1, c + 1)) / p with c = p + q, so that the integrand falls fast for any small p
    series = _beta_integral(p + float(_STEPS_UP), q, x, rest)
    for n in range(_STEPS_UP - 1, 0, -1):
        series = (1.0 + (total + float(n)) * x * series) / (p + float(n))
    one = numerics.within(head + ops.log1p(total * x * series), -math.inf, 0.0)
    other = numerics.log1mexp(one)
    return ops.where(below, one, other), ops.where(below, other, one)


def _beta_integral(p, q, x, rest):
    r"""$\int_0^\infty e^{-p s} (1 - x (1 - e^{-s}))^{-c} ds$ with $c = p + q$, for x below p / c.

    The log of the integrand is $-d s - c\,b(s)$: d is its slope at 0 and b what bends it. From x or from 1 - x, whichever is
    less, call it z, b is $\log(1 + z (e^{\mp s} - 1)) \pm z s$.
    """
    double = numerics.float_dtype() == "float64"
    nodes, weights = map(numerics.as_tensor, gauss_legendre(_BETA_NODES[double]))
    cut, total, low = _TAIL_CUT[double], p + q, x < 0.5
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
    s = end * nodes
    z, sign = ops.expand_dims(z, -1), ops.where(ops.expand_dims(low, -1), -1.0, 1.0)
    close = s < 0.4
    near, far = ops.where(close, sign * s, 0.0), ops.where(close, 0.0, sign * s)
    bent = ops.where(
        close, z * _exp_rest(near) - _log1p_rest(z * ops.expm1(near)), ops.log1p(z * ops.expm1(far)) - z * far
    )
    fall = ops.expand_dims(drift, -1) * s + ops.expand_dims(total, -1) * bent
    return end[..., 0] * ops.sum(weights * ops.exp(-fall), axis=-1)
