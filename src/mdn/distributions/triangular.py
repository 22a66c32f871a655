"""Triangular algebra column by column, for whole batches at once, on every backend.

This file avoids LAPACK: in a program that JAX compiled for a CPU, a batched call of LAPACK waits for the threads in which XLA
runs it, and a program with one such call for each thread never ends. The axis of columns comes first and the batch last, so
that each step is a few plain operations on whole batches; a matrix of a mixture has some ten columns.
"""

from __future__ import annotations

import numpy as np
from keras import ops

from mdn import backend, numerics


def lower_factor(rows, observed=None):
    """The lower triangular L with positive diagonal and L Lᵀ = R Rᵀ, from R of shape (..., m, n), n >= m.

    R Rᵀ is never formed, because squaring loses digits. The modified Gram-Schmidt method makes the rows orthogonal; its L is as
    accurate as that of Householder reflections. If float cannot tell R Rᵀ from a singular matrix, a diagonal entry of L is
    `SMALLEST_SCALE`.

    Args:
        rows: R.
        observed: Booleans (..., m), or None for all. The rows and columns of R Rᵀ that are not observed become those of the
            identity.

    Reference:
        Björck (1967), Solving linear least squares problems by Gram-Schmidt orthogonalization.
    """
    if observed is None:
        return _lower_and_directions(rows)[0]
    lower, _ = _lower_and_directions(ops.where(ops.expand_dims(observed, -1), rows, 0.0))
    hidden = ops.logical_and(ops.eye(rows.shape[-2], dtype="bool"), ops.logical_not(ops.expand_dims(observed, -1)))
    return ops.where(hidden, 1.0, lower)


def _orthogonalized(rows):
    """(L, Q) with R = L Q and orthonormal rows of Q; a row of Q is 0 if that of R is a combination of earlier rows."""
    count = rows.shape[-2]

    def split_off(i, rows):
        """Subtracts from all rows their projection on row i; the coefficients are column i of L."""
        row = rows[i]
        along = row / numerics.floor(ops.stop_gradient(ops.max(ops.abs(row), axis=0)))
        square = ops.sum(ops.square(along), axis=0)
        along = along / ops.sqrt(ops.where(square > 0.0, square, 1.0))
        column = ops.sum(rows * along, axis=1)
        return rows - ops.expand_dims(column, 1) * along, ops.concatenate([column, along], axis=0)

    _, found = backend.repeated(count, split_off, _outward(rows))
    found = _inward(found, ops.shape(rows)[:-2])
    lower = ops.tril(ops.swapaxes(found[..., :count], -1, -2))
    lower = ops.where(ops.eye(count, dtype="bool"), numerics.floor(lower, numerics.SMALLEST_SCALE), lower)
    return lower, found[..., count:]


def _turned(arguments, changes, values):
    """The derivative, as of a Cholesky factor: L⁻¹ dL = Φ(M + Mᵀ) with M = L⁻¹ dR Qᵀ; Φ is the lower half."""
    (change,), (lower, directions) = changes, values
    moved = solve_lower(lower, change)
    turn = ops.matmul(moved, ops.swapaxes(directions, -1, -2))
    turn = ops.tril(turn + ops.swapaxes(turn, -1, -2)) * (1.0 - 0.5 * ops.eye(lower.shape[-1], dtype=lower.dtype))
    return ops.matmul(lower, turn), moved - ops.matmul(turn, directions)


_lower_and_directions = backend.with_tangent(_orthogonalized, _turned)


def solve_lower(factor, right):
    """L⁻¹ B for a lower triangular L (..., D, D) and B (..., D, M); their batches broadcast.

    Rows are divided by their diagonal first, so that no intermediate number overflows unless the result does.
    """
    diagonal = ops.expand_dims(ops.diagonal(factor, axis1=-2, axis2=-1), -1)
    strict, right = ops.tril(factor / diagonal, k=-1), right / diagonal
    strict = strict + ops.zeros_like(right[..., :1])
    right = right + ops.zeros_like(strict[..., :1])

    def eliminated(upper):
        def solve(right):
            columns = _outward(strict if upper else ops.swapaxes(strict, -1, -2))
            last = strict.shape[-1] - 1

            def eliminate(i, right):
                i = last - i if upper else i
                return right - ops.expand_dims(columns[i], 1) * right[i], None

            return _inward(backend.repeated(last + 1, eliminate, _outward(right))[0], ops.shape(right)[:-2])

        return solve

    return backend.linear_solve(lambda x: x + ops.matmul(strict, x), right, eliminated(False), eliminated(True))


def solve_upper(factor, right):
    """L⁻ᵀ B, with the arguments of `solve_lower`."""
    turned = ops.flip(ops.swapaxes(factor, -1, -2), axis=(-2, -1))
    return ops.flip(solve_lower(turned, ops.flip(right, axis=-2)), axis=-2)


def solve_positive(matrix, right):
    """A⁻¹ b for a positive definite A (..., D, D) and b (..., D), by elimination, which needs no exchange of rows here."""
    size = matrix.shape[-1]
    places = np.arange(size)[:, None, None]

    def eliminate(i, both):
        row = both[i] / both[i][i]
        return ops.where(places == i, row, both - both[:, i][:, None] * row), None

    both = _outward(ops.concatenate([matrix, ops.expand_dims(right, -1)], axis=-1))
    solved, _ = backend.repeated(size, eliminate, both)
    return ops.squeeze(_inward(solved[:, -1:], ops.shape(right)[:-1]), -1)


def row_norms(matrix):
    """Euclidean norms of the rows, without overflow of the squares."""
    largest = numerics.floor(ops.max(ops.abs(matrix), axis=-1, keepdims=True))
    return ops.sqrt(ops.sum(ops.square(matrix / largest), axis=-1)) * largest[..., 0]


def unpack_tril(entries, size: int):
    """Turns the entries of a lower triangle, row by row, into a matrix: shape (..., n(n+1)/2) -> (..., n, n)."""
    rows, columns = np.tril_indices(size)
    place = np.full((size, size), len(rows))
    place[rows, columns] = np.arange(len(rows))
    padded = ops.concatenate([entries, ops.zeros_like(entries[..., :1])], axis=-1)
    flat = ops.take(padded, ops.convert_to_tensor(place.ravel(), "int32"), axis=-1)
    return ops.reshape(flat, (*ops.shape(entries)[:-1], size, size))


def pack_tril(matrix, size: int):
    """The inverse of `unpack_tril`."""
    rows, columns = np.tril_indices(size)
    flat = ops.reshape(matrix, (*ops.shape(matrix)[:-2], size * size))
    return ops.take(flat, ops.convert_to_tensor(rows * size + columns, "int32"), axis=-1)


def _outward(matrices):
    """Matrices (*batch, m, n) as (m, n, B): the batch is one axis, the longest, and last, so that each step runs along it."""
    return ops.moveaxis(ops.reshape(matrices, (-1, *matrices.shape[-2:])), 0, -1)


def _inward(matrices, batch):
    return ops.reshape(ops.moveaxis(matrices, -1, 0), (*batch, *matrices.shape[:2]))


def log_diagonal(factor):
    """Σ log of the diagonal of `(..., D, D)`, shape `(...,)`."""
    return ops.sum(ops.log(ops.diagonal(factor, axis1=-2, axis2=-1)), axis=-1)
