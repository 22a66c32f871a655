"""The incomplete gamma and beta functions against mpmath, in both tails, for small and for large concentrations."""

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


# ---- the incomplete beta function ------------------------------------------------------------------------------------


def exact_beta(a, b, x):
    """(log I_x(a, b), log I_{1-x}(b, a), log of x^a (1 - x)^b / B(a, b)), so exact that 1 minus one tail is the other."""
    with mpmath.workdps(250):
        a, b, x = (mpmath.mpf(float(part)) for part in (a, b, x))
        log_beta = mpmath.loggamma(a) + mpmath.loggamma(b) - mpmath.loggamma(a + b)
        kernel = a * mpmath.log(x) + b * mpmath.log1p(-x) - log_beta
        flip = x > 0.5
        p, q, z = (b, a, 1 - x) if flip else (a, b, x)
        series, term, n = mpmath.mpf(0), 1 / p, p
        while term > mpmath.mpf(10) ** -250 * series:
            series, n = series + term, n + 1
            term *= z * (n + q - 1) / n
        small = kernel + mpmath.log(series)
        pair = small, mpmath.log1p(-mpmath.exp(small))
        return *(pair[::-1] if flip else pair), kernel


def places(x):
    """Tensors of x, 1 - x and their logs."""
    exactly = np.float64(x)
    return [
        keras.ops.convert_to_tensor(np.float32(part)) for part in (x, 1 - exactly, np.log(exactly), np.log1p(-exactly))
    ]


def test_both_tails_of_the_incomplete_beta_function_agree_with_mpmath():
    shapes = np.float32([0.05, 0.3, 0.51, 3.0, 500.0])
    a, b, z = (part.ravel() for part in np.meshgrid(shapes, shapes, np.float32([-20.0, -1.0, 0.3, 4.0])))
    odds = a / b * np.exp(z * np.sqrt(np.minimum(1 / a + 1 / b, 9.0)))  # about z deviations from the mean
    x = np.float32(np.clip(odds / (1 + odds), 1e-30, 1 - 6e-8))
    expected = np.array([[float(part) for part in exact_beta(*point)] for point in zip(a, b, x, strict=True)])
    arguments = [*map(keras.ops.convert_to_tensor, (a, b)), *places(x)]
    found = [*special.log_beta_tails(*arguments), special.log_beta_kernel(*arguments)]
    for name, ours, theirs in zip("IJK", found, expected.T, strict=True):
        error = np.abs(numbers(ours) - theirs) / (1.0 + np.abs(theirs))
        worst = error.argmax()
        assert error[worst] < 1e-5, (name, a[worst], b[worst], x[worst], error[worst])


@pytest.mark.parametrize("which", [0, 1])
def test_gradients_by_both_concentrations_agree_with_differences_of_mpmath(which):
    points = np.float32([[0.02, 0.4, 0.01], [3.0, 0.3, 0.97], [0.3, 3.0, 1e-20], [3.0, 4.0, 0.7], [80.0, 200.0, 0.3]])

    def total(tensors):
        return keras.ops.sum(special.log_beta_tails(*tensors, *places(points[:, 2]))[which])

    _, gradients = value_and_gradients(total, list(points[:, :2].T))
    for row, point in enumerate(points):
        for axis in (0, 1):
            step = 1e-8 * np.eye(3)[axis] * float(point[axis])
            ends = [exact_beta(*(np.float64(point) + sign * step))[which] for sign in (1, -1)]
            assert gradients[axis][row] == pytest.approx(float((ends[0] - ends[1]) / (2 * step[axis])), rel=2e-4)


@pytest.mark.parametrize("log_tail", [-4e5, -6e5, -1e7, -4.3413e8, -1e12, -1e20])
def test_the_normal_quantile_of_a_tail_far_beyond_floats_is_finite(log_tail):
    """The slope of a Newton step was the exp of a rounding of 32: NaN and inf at 29,000 standard deviations."""
    r = np.sqrt(-2.0 * log_tail)
    truth = r - (np.log(r) + 0.5 * np.log(2.0 * np.pi)) / r  # to within log(r)² / r³
    for sign, logs in ((-1.0, (log_tail, 0.0)), (1.0, (0.0, log_tail))):
        found = keras.ops.convert_to_numpy(
            special.ndtri(*(keras.ops.convert_to_tensor(one, "float32") for one in logs))
        )
        np.testing.assert_allclose(found, sign * truth, rtol=2e-7)
