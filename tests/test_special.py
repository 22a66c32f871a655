"""The incomplete gamma functions against mpmath, in both tails, for concentrations from 1e-6 to 1e6."""

import keras
import mpmath
import numpy as np
import pytest

from gradients import value_and_gradients
from mdn import special

CONCENTRATIONS = np.float32([1e-6, 1e-2, 0.3, 0.49, 0.51, 1.0, 2.5, 15.0, 150.0, 1e4, 1e6])
FRACTIONS = np.float32([1e-12, 1e-3, 0.2, 0.8, 0.999, 1.0, 1.001, 1.3, 4.0])


def exact(a, x):
    """(log P, log Q, log of x^a e^-x / Γ(a)) with 40 digits, the smaller of both tails by its own series or fraction."""
    with mpmath.workdps(40):
        a, x = mpmath.mpf(float(a)), mpmath.mpf(float(x))
        kernel = a * mpmath.log(x) - x - mpmath.loggamma(a)
        if x <= a:
            lower, term, n = mpmath.mpf(0), 1 / a, a
            while term > 1e-30 * lower:
                lower, n = lower + term, n + 1
                term *= x / n
            p = mpmath.exp(kernel) * lower
            return mpmath.log(lower) + kernel, mpmath.log1p(-p), kernel
        tail, step = mpmath.mpf(0), 1 / mpmath.mpf(64)  # t = x e^s, and the trapezoidal rule on s = e^u
        for k in range(-64 * 8, 64 * 8):
            s = mpmath.exp(k * step - mpmath.exp(-k * step))
            tail += step * s * (1 + mpmath.exp(-k * step)) * mpmath.exp(a * s - x * mpmath.expm1(s))
        return mpmath.log1p(-mpmath.exp(kernel) * tail), mpmath.log(tail) + kernel, kernel


def numbers(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor), "float64")


def test_both_tails_of_the_incomplete_gamma_function_agree_with_mpmath():
    a, x = (part.ravel() for part in np.broadcast_arrays(CONCENTRATIONS[:, None], CONCENTRATIONS[:, None] * FRACTIONS))
    expected = np.array([[float(part) for part in exact(*pair)] for pair in zip(a, x, strict=True)])
    tensors = [keras.ops.convert_to_tensor(np.float32(part)) for part in (a, x, np.log(x))]
    found = [*special.log_gamma_tails(*tensors), special.log_gamma_kernel(*tensors)]
    for name, ours, theirs in zip("PQK", found, expected.T, strict=True):
        error = np.abs(numbers(ours) - theirs) / (1.0 + np.abs(theirs))
        assert error.max() < 1e-5, (name, a[error.argmax()], x[error.argmax()], error.max())


@pytest.mark.parametrize("which", [0, 1])
def test_gradients_by_the_concentration_agree_with_differences_of_mpmath(which):
    a, x = np.float32([0.02, 0.4, 3.0, 3.0, 80.0, 80.0]), np.float32([0.01, 1.0, 1.0, 9.0, 60.0, 100.0])

    def total(tensors):
        return keras.ops.sum(special.log_gamma_tails(tensors[0], keras.ops.exp(tensors[1]), tensors[1])[which])

    _, gradients = value_and_gradients(total, [a, np.log(x)])
    for place, (shape, point) in enumerate(zip(a, x, strict=True)):
        step = 1e-8 * float(shape)
        ends = [exact(np.float64(shape) + sign * step, point)[which] for sign in (1, -1)]
        assert gradients[0][place] == pytest.approx(float((ends[0] - ends[1]) / (2 * step)), rel=2e-4)


def test_the_log_gamma_function_of_one_more_is_exact_near_0():
    a = np.float32([1e-30, 1e-6, 0.1, 0.4999, 0.5001, 2.0, 1e3])
    with mpmath.workdps(60):
        expected = [float(mpmath.loggamma(1 + mpmath.mpf(float(value)))) for value in a]
    found = numbers(special.log_gamma_of_one_more(keras.ops.convert_to_tensor(a)))
    np.testing.assert_allclose(found, expected, rtol=5e-6)
