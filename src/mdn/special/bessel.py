"""The modified Bessel function of order 0."""

from keras import ops

from mdn import numerics

_BEND = 3.75
# Abramowitz and Stegun (1964), 9.8.1 and 9.8.2: powers of (x / 3.75)² and of 3.75 / x
_NEAR = (1.0, 3.5156229, 3.0899424, 1.2067492, 0.2659732, 0.0360768, 0.0045813)
_FAR = (
    0.39894228, 0.01328592, 0.00225319, -0.00157565, 0.00916281, -0.02057706, 0.02635537, -0.01647633, 0.00392377,
)  # fmt: skip


def log_i0e(x):
    r"""$\log I_0(x) - x$ for x >= 0, with an error below 3e-7.

    Reference:
        Abramowitz and Stegun (1964), Handbook of mathematical functions, 9.8.1 and 9.8.2.
    """
    near = x < _BEND
    small, large = ops.where(near, x, 0.0), ops.where(near, _BEND, x)
    log_near = ops.log(_polynomial(ops.square(small / _BEND), _NEAR)) - small
    return ops.where(near, log_near, ops.log(_polynomial(_BEND / large, _FAR)) - 0.5 * ops.log(numerics.floor(large)))


def _polynomial(t, coefficients):
    total = 0.0
    for coefficient in reversed(coefficients):
        total = coefficient + t * total
    return total
