"""Triangular algebra by columns, against NumPy in float64; and that no compiled program waits for itself."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import mdn
from gradients import finite_differences, value_and_gradients
from mdn.distributions import triangular

RNG = np.random.default_rng(0)


def factors(size: int, batch=(6,)):
    tril = np.tril(0.5 * RNG.normal(size=(*batch, size, size)))
    tril[..., range(size), range(size)] = np.exp(0.5 * RNG.normal(size=(*batch, size)))
    return tril.astype("float32")


def square(matrix):
    return matrix.astype("float64") @ matrix.astype("float64").swapaxes(-1, -2)


@pytest.mark.parametrize("size", [1, 5, 14])
def test_a_lower_factor_is_that_of_cholesky_in_float64(size):
    rows = RNG.normal(size=(6, size, size + 3)).astype("float32")
    found = keras.ops.convert_to_numpy(triangular.lower_factor(keras.ops.convert_to_tensor(rows)))
    np.testing.assert_allclose(found, np.linalg.cholesky(square(rows)), rtol=1e-5, atol=2e-6)


def test_rows_that_are_not_observed_become_those_of_the_identity():
    tril, observed = factors(8), RNG.random((6, 8)) < 0.6
    both = observed[..., None] & observed[..., None, :]
    found = keras.ops.convert_to_numpy(
        triangular.lower_factor(keras.ops.convert_to_tensor(tril), keras.ops.convert_to_tensor(observed))
    )
    np.testing.assert_allclose(found, np.linalg.cholesky(np.where(both, square(tril), np.eye(8))), rtol=1e-5, atol=2e-6)


def test_a_factor_keeps_digits_that_its_square_would_lose():
    tril = np.array([[1, 0, 0], [1, 1e-25, 0], [0.3, 0.2, 1]], "float32")
    observed = np.array([True, True, False])
    found = triangular.lower_factor(keras.ops.convert_to_tensor(tril), keras.ops.convert_to_tensor(observed))
    wanted = np.array([[1, 0, 0], [1, 1e-25, 0], [0, 0, 1]], "float32")
    np.testing.assert_allclose(keras.ops.convert_to_numpy(found), wanted, rtol=1e-6)


def test_systems_are_solved_as_by_numpy():
    tril, right = factors(8), RNG.normal(size=(6, 8, 2)).astype("float32")
    tensors = keras.ops.convert_to_tensor(tril), keras.ops.convert_to_tensor(right)
    wanted = np.linalg.solve(tril.astype("float64"), right)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(triangular.solve_lower(*tensors)), wanted, atol=2e-5)
    wanted = np.linalg.solve(tril.astype("float64").swapaxes(-1, -2), right)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(triangular.solve_upper(*tensors)), wanted, atol=2e-5)
    positive = square(tril) + np.eye(8)
    found = triangular.solve_positive(
        keras.ops.convert_to_tensor(positive.astype("float32")), keras.ops.convert_to_tensor(right[..., 0])
    )
    wanted = np.linalg.solve(positive, right[..., :1])[..., 0]
    np.testing.assert_allclose(keras.ops.convert_to_numpy(found), wanted, atol=2e-5)


def weighed_factor(rows, observed, weights):
    """A number made of all entries of the lower factor, in float64 by Cholesky."""
    both = observed[..., None] & observed[..., None, :]
    return (weights * np.linalg.cholesky(np.where(both, square(rows), np.eye(rows.shape[-2])))).sum((-2, -1))


@pytest.mark.parametrize("share", [1.0, 0.6])
def test_the_gradient_of_a_factor_is_that_of_float64(share):
    """JAX takes it from a formula (`_turned`), the other backends from the steps themselves."""
    rows, observed = RNG.normal(size=(6, 5, 7)).astype("float32"), RNG.random((6, 5)) < share
    weights = np.tril(RNG.normal(size=(6, 5, 5))).astype("float32")
    steps = 1e-5 * np.ones((6, 5, 7))
    (wanted,) = finite_differences(
        lambda moved: weighed_factor(moved[0], observed, weights), [rows], [steps], batch_rank=1
    )

    def ours(tensors):
        factor = triangular.lower_factor(tensors[0], keras.ops.convert_to_tensor(observed))
        return keras.ops.sum(factor * keras.ops.convert_to_tensor(weights))

    _, (found,) = value_and_gradients(ours, [rows])
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.jax
def test_second_derivatives_of_factors_and_of_systems_are_those_of_float64():
    import jax

    rows, right = RNG.normal(size=(4, 6)).astype("float32"), RNG.normal(size=(4, 2)).astype("float32")
    along = RNG.normal(size=(4, 6)).astype("float32")

    def ours(rows):
        return keras.ops.sum(triangular.solve_lower(triangular.lower_factor(rows), right) ** 2)

    def truth(rows):
        return (np.linalg.solve(np.linalg.cholesky(square(rows)), right.astype("float64")) ** 2).sum()

    rows, along, step = rows.astype("float64"), along.astype("float64"), 1e-4
    wanted = (truth(rows + step * along) - 2 * truth(rows) + truth(rows - step * along)) / step**2
    rows, along = rows.astype("float32"), along.astype("float32")
    forwards = jax.jvp(lambda r: jax.jvp(ours, (r,), (along,))[1], (rows,), (along,))[1]
    backwards = (jax.grad(lambda r: (jax.grad(ours)(r) * along).sum())(rows) * along).sum()
    np.testing.assert_allclose([forwards, backwards], wanted, rtol=1e-3)


def test_rows_that_depend_on_one_another_leave_finite_gradients():
    rows = np.array([[[1, 0, 0], [1, 0, 0], [0.3, 0.2, 1]], [[0, 0, 0], [1, 2, 3], [2, 4, 6]]], "float32")
    value, (found,) = value_and_gradients(lambda tensors: keras.ops.sum(triangular.lower_factor(tensors[0])), [rows])
    assert np.isfinite(value) and not np.isnan(found).any()


@pytest.mark.parametrize("size", [5, 8])
def test_the_density_of_what_is_observed_is_that_of_its_marginal(size):
    """Beyond the sizes of the catalogue, with other coordinates missing in each row."""
    tril, loc = factors(size, (2,)), RNG.normal(size=(2, size)).astype("float32")
    y = RNG.normal(size=(9, 1, size))
    y[RNG.random(y.shape) < 0.4] = np.nan
    found = keras.ops.convert_to_numpy(mdn.MultivariateNormal(loc, tril).log_prob_observed(y))
    wanted = np.zeros((9, 2))
    for i, k in np.ndindex(9, 2):
        seen = ~np.isnan(y[i, 0])
        part = square(tril[k])[np.ix_(seen, seen)]
        off = (y[i, 0] - loc[k])[seen]
        wanted[i, k] = -0.5 * (off @ np.linalg.solve(part, off) + np.linalg.slogdet(2 * np.pi * part)[1])
    np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-5)


CHILD = """
import os, sys
import numpy as np

cores = int(sys.argv[1])
os.environ["NPROC"] = str(cores)  # what XLA's pools are sized by; fewer real cores change nothing about who waits for whom
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
import mdn

rng = np.random.default_rng(0)
for size in (5, 8, 14):
    events = rng.normal(size=(100, size)).cumsum(0)
    events[rng.random(events.shape) < 0.1] = np.nan
    spec = mdn.MixtureSpec(mdn.NormalSpec(size, "full"), 4)
    model = mdn.MDNRNN(spec, units=(4,))
    model.fit([events], epochs=1, verbose=0)
    assert np.isfinite(model.log_prob([events])[0]).all()
    tril = np.tril(0.1 * rng.normal(size=(20, 4, size, size))) + np.eye(size)
    mixture = mdn.Mixture(np.zeros((20, 4)), mdn.MultivariateNormal(rng.normal(size=(20, 4, size)), tril))
    rest = mixture.condition({0: 0.5, 2: -0.5})
    assert np.isfinite(np.asarray(rest.log_prob(np.zeros(size - 2)))).all()
    assert np.isfinite(np.asarray(rest.sample(seed=0))).all()
"""


@pytest.mark.jax
@pytest.mark.parametrize("cores", [1, 2, 4])
def test_correlated_events_are_learnt_and_judged_on_few_cores(cores):
    """Fault 0 of issue 18: all threads of XLA sat in LAPACK, each waiting for the others, for ever."""
    minutes = 3  # one for each size
    command = [sys.executable, "-c", CHILD, str(cores)]
    ended = subprocess.run(command, timeout=60 * minutes, env=os.environ, capture_output=True)
    assert ended.returncode == 0, ended.stderr.decode()[-2000:]
