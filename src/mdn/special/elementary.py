"""Elementary functions without their cancellations, and the nodes of quadratures."""

import math

import numpy as np
from keras import ops

from mdn import numerics


def gauss_legendre(count: int):
    """Nodes and weights of Gauss-Legendre quadrature on [0, 1], as NumPy float64."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return 0.5 * (nodes + 1.0), 0.5 * weights


def log_cosh(x):
    r"""$\log \cosh x$, with relative precision for small $x$ too, and also where cosh overflows."""
    x = ops.abs(x)
    far = x > 1.0
    near = ops.log1p(2.0 * ops.square(ops.sinh(0.5 * ops.where(far, 0.0, x))))
    return ops.where(far, x + ops.log1p(ops.exp(-2.0 * ops.where(far, x, 1.0))) - math.log(2.0), near)


def log_ratio(x, y):
    """log(x / y) of positive numbers, with relative precision where they are close; x / y itself may leave float."""
    near = ops.logical_and(x < 2.0 * y, y < 2.0 * x)
    # a power of 2 as unit, since the derivative of a quotient has the square of y
    unit = ops.where(y < 1e-12, 2.0**60, ops.where(y > 1e12, 2.0**-60, 1.0))
    one, other = (ops.where(near, unit * each, 1.0) for each in (x, y))
    return ops.where(near, ops.log1p((one - other) / other), ops.log(x) - ops.log(y))


def log1p_rest(d):
    """d - log(1 + d) for |d| < 0.3, without cancellation."""
    w = d / (2.0 + d)  # log(1 + d) = 2 artanh w
    square = ops.square(w)
    tail = 0.0
    for k in range(21 if numerics.float_dtype() == "float64" else 9, 1, -2):
        tail = square * (1.0 / k + tail)
    return d * w - 2.0 * w * tail


def near_exp_rest(t):
    """e^t - 1 - t for |t| < 0.5, without cancellation."""
    tail = 1.0
    for k in range(14 if numerics.float_dtype() == "float64" else 7, 2, -1):
        tail = 1.0 + t * (tail / k)
    return 0.5 * ops.square(t) * tail


def exp_rest(t):
    """e^t - 1 - t, without cancellation where t is small."""
    small = ops.abs(t) < 0.5
    return ops.where(small, near_exp_rest(ops.where(small, t, 0.0)), ops.expm1(t) - t)


def minus_abs(x, library=ops):
    """-|x|, with derivative 1 at 0, so that formulas that switch sides there have the derivative of the lower one.

    Args:
        x: A tensor; or an array of NumPy, whose `library` is then `numpy`.
        library: Where `where` comes from.
    """
    return library.where(x > 0.0, -x, x)


def softplus(x, library=ops):
    """log(1 + exp(x)) for any x, where keras.ops.softplus is cut off beyond ±20 on some backends. Its derivative at 0 is 1/2.

    Args:
        x: A tensor; or an array of NumPy, whose `library` is then `numpy`.
        library: Where `where`, `exp` and `log1p` come from.
    """
    return library.where(x > 0.0, x, 0.0) + library.log1p(library.exp(minus_abs(x, library)))
