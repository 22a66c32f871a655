"""The logs of the gamma function and of the incomplete one."""

import math

from keras import ops

from mdn import numerics
from mdn.special.elementary import exp_rest, gauss_legendre, log1p_rest

_EULER = 0.57721566490153286
# (ζ(k) - 1) / k for k = 2, 3, ...
_ZETA_MINUS_1 = (
    3.2246703342411322e-1, 6.7352301053198101e-2, 2.0580808427784546e-2, 7.3855510286739857e-3, 2.8905103307415234e-3,
    1.1927539117032610e-3, 5.0966952474304236e-4, 2.2315475845357938e-4, 9.9457512781808526e-5, 4.4926236738133142e-5,
    2.0507212775670691e-5, 9.4394882752683967e-6, 4.3748667899074873e-6, 2.0392157538013666e-6, 9.5514121304074194e-7,
    4.4924691987645662e-7, 2.1207184805554665e-7, 1.0043224823968100e-7, 4.7698101693639804e-8, 2.2711094608943166e-8,
)  # fmt: skip
_ZETA_FLOAT32_TERMS = 11
SMALL_SHAPE = 0.5  # below it, the log of the gamma function is a series around 1
_TAIL_CUT = 20.0, 40.0  # an integrand is cut off where its log has fallen by this much, in float32 and float64
_TAIL_NODES = 16, 32
_NEAR = 0.3
_HALF_LOG_2PI = 0.5 * numerics.LOG_2PI


def _zeta_minus_1():
    return _ZETA_MINUS_1 if numerics.float_dtype() == "float64" else _ZETA_MINUS_1[:_ZETA_FLOAT32_TERMS]


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


def log_gamma_series(a):
    r"""$\log \Gamma(1 + a)$ for $0 < a \le \tfrac12$, to relative precision, by the Taylor series of $\log \Gamma(2 + a)$."""
    tail = 0.0
    terms = _zeta_minus_1()
    for k in range(len(terms) - 1, -1, -1):
        tail = a * ((-1.0) ** k * terms[k] + tail)
    return a * ((1.0 - _EULER) + tail) - ops.log1p(a)


def log_gamma_rest(a):
    r"""$a \log a - a - \log \Gamma(a)$ for $a \ge \tfrac12$: eight steps of its recurrence, then Stirling's series."""
    n = numerics.as_tensor(range(8))
    each = ops.expand_dims(a, -1) + n
    steps = ops.sum(1.0 - (each + 1.0) * ops.log1p(1.0 / each), axis=-1)
    b = a + 8.0
    inverse = 1.0 / b
    square = ops.square(inverse)
    series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680)))
    return steps + 0.5 * ops.log(b) - _HALF_LOG_2PI - series


def excess(a, x, log_x):
    """x - a - a log(x / a), which is never negative, without cancellation where x is close to a."""
    d = (x - a) / a
    near = ops.abs(d) < _NEAR
    return ops.where(near, a * log1p_rest(ops.where(near, d, 0.0)), x - a - a * (log_x - ops.log(a)))


def log_gamma_of_one_more(a):
    r"""$\log \Gamma(1 + a)$ for $a > 0$."""
    a = numerics.floor(a)
    small = a < SMALL_SHAPE
    usual = ops.where(small, SMALL_SHAPE, a)
    of_usual = (usual + 1.0) * ops.log(usual) - usual - log_gamma_rest(usual)
    return ops.where(small, log_gamma_series(ops.where(small, a, SMALL_SHAPE)), of_usual)


def log_gamma_doubling(a):
    r"""$\log \Gamma(1 + 2a) - 2 \log \Gamma(1 + a)$ for $a > 0$, to relative precision near 0, where it is $\pi^2 a^2 / 6$."""
    small = a < 0.4
    near, tail = ops.where(small, a, 0.4), 0.0
    terms = _zeta_minus_1()
    for k in range(len(terms) - 1, -1, -1):
        tail = near * ((-1.0) ** k * (2.0 ** (k + 2) - 2.0) * terms[k] + tail)
    series = near * tail - ops.log1p(-ops.square(near / (1.0 + near)))
    return ops.where(small, series, log_gamma_of_one_more(2.0 * a) - 2.0 * log_gamma_of_one_more(a))


def _log_power_ratio(a, x, log_x):
    r"""($\log(x^a e^{-x} / \Gamma(a))$, $\log(x^a e^{-x} / \Gamma(a + 1))$), each without the cancellation of large terms."""
    small = a < SMALL_SHAPE
    tiny, usual = ops.where(small, a, SMALL_SHAPE), ops.where(small, SMALL_SHAPE, a)
    of_tiny = tiny * log_x - x - log_gamma_series(tiny)
    of_usual = log_gamma_rest(usual) - excess(usual, x, log_x)
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
        return ops.where(near, log1p_rest(ops.where(near, d, 0.0)), d - log_of_one_more)

    misses = size * deviance((k - mean) / total, log_whole - log_total)
    misses = misses + k * deviance((size / total) * ((mean - k) / k), log_mean + log_whole - log_k - log_total)
    small = size < SMALL_SHAPE
    tiny, usual = ops.where(small, size, SMALL_SHAPE), ops.where(small, SMALL_SHAPE, size)
    rests = log_gamma_rest(ops.stack([usual, k, numerics.floor(size + k, SMALL_SHAPE)]))
    of_size = ops.where(small, tiny * log_size - tiny + log_size - log_gamma_series(tiny), rests[0])
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
    kernel, head = _log_power_ratio(a, x, log_x)
    a, x = a + ops.zeros_like(kernel), x + ops.zeros_like(kernel)
    below = x <= a
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
    rest = exp_rest(ops.where(ops.expand_dims(below, -1), -s, s))
    return end[..., 0] * ops.sum(
        weights * ops.exp(-ops.expand_dims(drift, -1) * s - ops.expand_dims(x, -1) * rest), axis=-1
    )
