"""Special functions that keras.ops lacks, as one formula for all backends, differentiable in every argument.

The backends disagree on what they have (no incomplete beta in PyTorch, none with a gradient by its parameters anywhere)
and on accuracy in tails; formulas of elementary operations agree everywhere and are held to mpmath by the tests.
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
    half_erfcx = 0.5 * erfcx(ops.abs(x) * _SQRT_HALF)
    lower = ops.log(half_erfcx) - half_square
    upper = ops.log1p(-ops.exp(-half_square) * half_erfcx)
    return ops.where(below, lower, upper)


def ndtr(x):
    r"""$\Phi(x)$, with a relative error of a few floats in the lower tail too."""
    tail = ops.exp(-numerics.half_square(x)) * 0.5 * erfcx(ops.abs(x) * _SQRT_HALF)
    return ops.where(x < 0.0, tail, 1.0 - tail)


def log_normal_density(z):
    r"""$\log \varphi(z)$ of the standard normal."""
    return -numerics.half_square(z) - _HALF_LOG_2PI


def ndtri(log_lower, log_upper):
    r"""The standard normal quantile $x$ with $\log \Phi(x)$ = `log_lower`, $\log \Phi(-x)$ = `log_upper`.

    Both logs are given so that neither tail is rounded away. A start from Abramowitz and Stegun (1964), 26.2.22, then
    Newton's method on $\log \Phi$, which is concave: three steps reach float precision, and the last one carries the
    derivative.
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
    r"""$\log \cosh x$, with the relative precision of small ones, and where cosh leaves float."""
    x = ops.abs(x)
    far = x > 1.0
    near = ops.log1p(2.0 * ops.square(ops.sinh(0.5 * ops.where(far, 0.0, x))))
    return ops.where(far, x + ops.log1p(ops.exp(-2.0 * ops.where(far, x, 1.0))) - math.log(2.0), near)


def log_gamma_half_step(a):
    r"""$\log \Gamma(a + \tfrac12) - \log \Gamma(a)$ for $a > 0$, without the cancellation of two large logs.

    Eight steps of the recurrence, then the asymptotic series of Tricomi and Erdélyi (1951) at a + 8.
    """
    small = a < 0.5
    # log(a / (a + 1/2)); by log1p, no digit of a small a would be left
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
