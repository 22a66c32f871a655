"""The normal distribution function, its logs and its quantile."""

import math

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
_FAR = 1000.0  # standard deviations


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
    x = _near_lower_ndtri(ops.stop_gradient(log_tail))
    for last in (False, False, False, True):
        value = log_ndtr(x)
        # farther out, the two logs are so large that their difference is a rounding, and the ratio has a series
        far = x < -_FAR
        slope = ops.where(far, -(x + 1.0 / ops.where(far, x, -1.0)), ops.exp(log_normal_density(x) - value))
        target = log_tail if last else ops.stop_gradient(log_tail)
        x = x - (value - target) / ops.stop_gradient(slope)
        if not last:
            x = ops.stop_gradient(x)
    x = ops.where(edge, -math.inf, x)
    return ops.where(flip, -x, x)


def _near_lower_ndtri(log_tail):
    r = ops.sqrt(-2.0 * log_tail)
    return -(r - (2.30753 + 0.27061 * r) / (1.0 + 0.99229 * r + 0.04481 * r * r))


def near_ndtri(log_lower, log_upper):
    """`ndtri` to within 0.003, where a search may start."""
    x = _near_lower_ndtri(numerics.cap(log_lower, log_upper))
    return ops.where(log_upper < log_lower, -x, x)
