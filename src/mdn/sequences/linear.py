"""The linear start of a sequence model: where the next event is expected by a linear autoregression of the last ones."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from mdn import initializers, numerics
from mdn.distributions import Spec

LAGS = 10  # how many events back the autoregression looks, unless a model says otherwise
_MOST_ROWS = 200_000  # of which the autoregression is learnt
_MOST_JUDGES = 2000  # rows of a fold that judge
_PEAKS = 5  # normals of the mixtures that say whether a prediction is worth it
_BLOCKS, _FOLDS = 20, 5  # the events are cut into blocks; each fold, of every fifth block, is held out once
_PENALTIES = (1e-8, 1e-6, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)


def movable(spec: Spec) -> np.ndarray:
    """The columns of an event that a linear prediction can move: numbers whose distribution has a location that is added."""
    columns: list[int] = []
    first = 0
    for part in spec.named_parts.values():
        if part.kind == "number" and _shift(part) is not None:
            columns += range(first, first + part.target_size)
        first += part.target_size
    return np.array(columns, int)


def _shift(part: Spec) -> np.ndarray | None:
    try:
        return part.shift_matrix()
    except ValueError:  # it has no location
        return None


class LinearStart(keras.layers.Layer):
    r"""Where the next event is expected, :math:`\hat x_t = \sum_{l=1}^{L} A_l x_{t-l}` in scaled units, and the errors so far.

    `adapt` finds the matrices by ridge regression; training then changes them with the rest of the network. The next event's
    distribution is moved by the expected event, so that the network learns only what a linear model cannot know.

    A number that is missing counts as the last one that was known.

    Args:
        spec: The spec of an event. Only the columns of `movable(spec)` are predicted and read.
        lags: L, how many events back it looks.
    """

    def __init__(self, spec: Spec, lags: int, **kwargs):
        super().__init__(**kwargs)
        self.spec, self.lags = spec, lags
        self.columns = movable(spec)
        self._moves = np.zeros((len(self.columns), spec.params_size), "float32")
        row = 0
        for name, part in spec.named_parts.items():
            if part.kind == "number" and (matrix := _shift(part)) is not None:
                self._moves[row : row + len(matrix), spec.part_slice(name)] = matrix
                row += len(matrix)

    @property
    def size(self) -> int:
        """D, how many columns it predicts."""
        return len(self.columns)

    @property
    def state_width(self) -> int:
        """The last L events and the expected next one, scaled: `(L + 1) · D`."""
        return (self.lags + 1) * self.size

    def build(self, input_shape=None):
        """Creates the scaling of events, the matrices and the scale of their errors: nothing is expected until `adapt`."""
        numbers, matrices = (self.size,), (self.lags * self.size, self.size)
        self.shift = self.add_weight(shape=numbers, initializer="zeros", trainable=False, name="shift")
        self.spread = self.add_weight(shape=numbers, initializer="ones", trainable=False, name="spread")
        self.error = self.add_weight(shape=numbers, initializer="ones", trainable=False, name="error")
        self.start = self.add_weight(shape=matrices, initializer="zeros", trainable=False, name="start")
        # in units of the error, so that a step of Adam changes the prediction by a small part of it
        self.change = self.add_weight(shape=matrices, initializer="zeros", name="change")
        self.built = True

    def adapt(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Fits the autoregression to sequences of events `(T_i, target_size)`.

        Returns:
            What it leaves of each sequence: the events, minus the expected ones in its columns.
        """
        events = [np.asarray(one, "float64")[:, self.columns] for one in rows]
        shift, spread = initializers.robust_scaling(np.concatenate(events))
        scaled = [_known((one - shift) / spread) for one in events]
        matrix = worthwhile(stable(autoregression(scaled, self.lags), self.lags), scaled, self.lags)
        left, errors = [], []
        for row, one, z in zip(rows, events, scaled, strict=True):
            expected = lagged(z, self.lags) @ matrix
            rest = np.array(row, "float64")
            rest[:, self.columns] = one - (shift + spread * expected)
            left.append(rest)
            errors.append(rest[:, self.columns] / spread)
        error = initializers.robust_scaling(np.concatenate(errors))[1]
        for variable, value in zip(
            (self.shift, self.spread, self.start, self.error), (shift, spread, matrix, error), strict=True
        ):
            variable.assign(value)
        return left

    def read(self, events, state):
        """What is known after each event.

        Args:
            events: `(B, T, target_size)`, or `(B, target_size)` of one step; NaN is missing.
            state: `(B, state_width)`, zeros before the first event.

        Returns:
            (by how much params move, `(..., params_size)`; the last errors, scaled, `(..., D)`; the state after the last event).
        """
        # not ops.take: TensorFlow would forget the shape
        columns = [events[..., column : column + 1] for column in self.columns.tolist()]
        z = ((ops.concatenate(columns, axis=-1) if len(columns) > 1 else columns[0]) - self.shift) / self.spread
        unknown = ops.isnan(z)
        z = numerics.in_sight(numerics.no_nan(z, 0.0))
        past, expected = state[:, : -self.size], state[:, -self.size :]
        if len(z.shape) == 2:
            z = ops.where(unknown, past[:, -self.size :], z)
            before, past = expected, ops.concatenate([past[:, self.size :], z], axis=-1)
            expected = self._expected(past)
            after = ops.concatenate([past, expected], axis=-1)
        else:
            z = _filled(ops.where(unknown, 0.0, z), unknown, past[:, None, -self.size :])
            whole = ops.concatenate([ops.reshape(past, (-1, self.lags, self.size)), z], axis=1)
            lags = [whole[:, lag : lag - self.lags or None] for lag in range(1, self.lags + 1)]
            lasting = ops.concatenate(lags, axis=-1)
            later = self._expected(lasting)
            before, expected = ops.concatenate([expected[:, None], later[:, :-1]], axis=1), later
            after = ops.concatenate([lasting[:, -1], expected[:, -1]], axis=-1)
        error = ops.where(unknown, 0.0, numerics.squash((z - before) / self.error))
        return ops.matmul(self.shift + self.spread * expected, self._moves), error, after

    def _expected(self, past):
        return numerics.in_sight(ops.matmul(past, self.start + self.change * self.error))


def _filled(z, unknown, first):
    """`z` `(B, T, D)` with each unknown number replaced by the last known one, or by `first` `(B, 1, D)`."""
    steps = ops.expand_dims(ops.arange(1, ops.shape(z)[1] + 1, dtype="float32"), -1)
    last = ops.associative_scan(ops.maximum, ops.where(unknown, 0.0, steps), axis=1)
    last = ops.cast(ops.reshape(last, ops.shape(z)), "int32")  # the scan forgets the shape on TensorFlow
    return ops.take_along_axis(ops.concatenate([first, z], axis=1), last, axis=1)


def _known(z: np.ndarray) -> np.ndarray:
    """`z` `(T, D)` with each missing number replaced by the last known one, or by 0; clipped."""
    known = ~np.isnan(z)
    last = np.maximum.accumulate(np.where(known, np.arange(len(z))[:, None], -1), axis=0)
    found = np.take_along_axis(z, np.maximum(last, 0), axis=0)
    return np.clip(np.where(last < 0, 0.0, found), -numerics.SIGHT, numerics.SIGHT)


def lagged(z: np.ndarray, lags: int) -> np.ndarray:
    """The `lags` events before each of `z` `(T, D)`, oldest first and zeros before the first, `(T, lags · D)`."""
    whole = np.concatenate([np.zeros((lags, z.shape[1])), z])
    return np.concatenate([whole[lag : lag + len(z)] for lag in range(lags)], axis=1)


def autoregression(rows: Sequence[np.ndarray], lags: int) -> np.ndarray:
    """The matrix `(lags · D, D)` that predicts each event of scaled sequences `(T_i, D)` from the `lags` events before it.

    For each number of an event, the order, the penalty, and whether the prediction is drawn towards 0 or towards the last event
    are those with the least mean absolute error on held-out events, in a cross-validation by blocks.

    Reference:
        Doan et al. (1984), Forecasting and conditional projection using realistic prior distributions: the last event as prior.
    """
    size = rows[0].shape[1]
    keep = max(1, -(-sum(map(len, rows)) // _MOST_ROWS))
    center = np.mean(np.concatenate(rows), axis=0)  # the mixture of what is left has a location of its own
    pairs = [(lagged(one - center, lags)[::keep], (one - center)[::keep]) for one in rows]
    x, y = (np.concatenate(side) for side in zip(*pairs, strict=True))
    fold = np.arange(len(y)) * _BLOCKS // len(y) % _FOLDS
    nothing, last = np.zeros((lags * size, size)), np.zeros((lags * size, size))
    last[-size:] = np.eye(size)
    orders = sorted({min(order, lags) for order in (1, 2, 3, 5, 7, lags)})
    choices = [(order, penalty, prior) for order in orders for penalty in _PENALTIES for prior in (nothing, last)]
    choices.insert(0, (lags, np.inf, nothing))
    moments = [_moments(x[fold == each], y[fold == each]) for each in range(_FOLDS)]
    whole = tuple(sum(parts) for parts in zip(*moments, strict=True))
    errors = np.zeros((len(choices), size))
    for each, mine in enumerate(moments):
        judges = np.flatnonzero(fold == each)
        judges = judges[:: max(1, len(judges) // _MOST_JUDGES)]
        learn = tuple(a - b for a, b in zip(whole, mine, strict=True))
        for place, choice in enumerate(choices if len(judges) and learn[-1] else ()):
            errors[place] += np.sum(np.abs(y[judges] - x[judges] @ _ridge(learn, *choice)), axis=0)
    best = np.argmin(errors, axis=0)
    found = {place: _ridge(whole, *choices[place]) for place in set(best.tolist())}
    return np.stack([found[place][:, d] for d, place in enumerate(best.tolist())], axis=1)


def _moments(x, y):
    return x.T @ x, x.T @ y, float(len(y))


def _ridge(moments, order: int, penalty: float, prior: np.ndarray) -> np.ndarray:
    if math.isinf(penalty):
        return prior
    xx, xy, count = moments
    size = xy.shape[1]
    inner = slice(len(xx) - order * size, None)
    xx, xy, weight = xx[inner, inner], xy[inner], penalty * count
    found = np.zeros_like(prior)
    found[inner] = np.linalg.solve(xx + weight * np.eye(len(xx)), xy + weight * prior[inner])
    return found


def worthwhile(matrix: np.ndarray, rows: Sequence[np.ndarray], lags: int) -> np.ndarray:
    """The matrix with a column of zeros for each number whose errors are no easier to predict than the number itself.

    A switch that is on or off has two peaks. A linear prediction moves them to and fro, and errors then have many.

    Args:
        matrix: As `autoregression` returns it.
        rows: The scaled sequences it was learnt from.
        lags: How many events back it looks.
    """
    values = np.concatenate(rows)
    errors = np.concatenate([one - lagged(one, lags) @ matrix for one in rows])
    pays = [_entropy(error) < _entropy(value) for error, value in zip(errors.T, values.T, strict=True)]
    return np.where(pays, matrix, 0.0)


def _entropy(values: np.ndarray) -> float:
    """Mean NLL of numbers `(N,)` under a mixture of normals that was fitted to them."""
    y = values[:: -(-len(values) // _MOST_JUDGES)][:, None]
    shift, spread = initializers.robust_scaling(y)
    loc, scale, weights = initializers.starting_mixture((y - shift) / spread, _PEAKS)
    z = ((y - shift) / spread - loc[:, 0]) / scale[:, 0]
    log_joint = np.log(weights / (scale[:, 0] * spread)) - 0.5 * z**2
    return -float(np.mean(np.logaddexp.reduce(log_joint, axis=1)))


def stable(matrix: np.ndarray, lags: int) -> np.ndarray:
    """The matrix with its roots drawn to the unit circle where they lie outside, so that no sequence grows exponentially."""
    size = matrix.shape[1]
    companion = np.eye(lags * size, k=size)
    companion[-size:] = matrix.T
    radius = float(np.max(np.abs(np.linalg.eigvals(companion))))
    if radius <= 1.0:
        return matrix
    powers = np.repeat(np.arange(lags, 0, -1), size)[:, None]
    return matrix * radius**-powers
