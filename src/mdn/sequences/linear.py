"""The linear start of a sequence model: a linear autoregression, which predicts the next event from the last ones."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from mdn import backend, initializers, numerics
from mdn.distributions import Spec
from mdn.sequences.autoregression import Autoregression, ages, autoregression, filled, stable, worthwhile

_TRAINED = 10  # so many last events have matrices that training changes; more matrices would learn noise


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
    r"""Expects the next event by a linear autoregression, :math:`\hat x_t = \sum_{l=1}^{L} A_l x_{t-l}` in scaled units.

    `adapt` finds the matrices by ridge regression; training changes those of the last ten events with the rest of the network.
    The next event's distribution is moved by the expected event, and the network reads how far the last expectation was wrong,
    so that it learns only what a linear model cannot know.

    A number that is missing counts as the last one that was known. Until L events are known, autoregressions of lower orders
    predict (see `Autoregression`).

    Args:
        spec: The spec of an event. Only the columns of `movable(spec)` are predicted and read.
        lags: L, how many events back it looks.

    Attributes:
        left_out: Whether `adapt` leaves the autoregression out.
    """

    def __init__(self, spec: Spec, lags: int, **kwargs):
        super().__init__(**kwargs)
        self.spec, self.lags = spec, lags
        self.columns, self.left_out = movable(spec), False
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
        """The last L events and the expected next one, scaled, and how many events are known, up to L: `(L + 1) · D + 1`."""
        return (self.lags + 1) * self.size + 1

    def build(self, input_shape=None):
        """Creates the scaling of events, the matrices and the scale of their errors: nothing is expected until `adapt`."""
        numbers, matrices = (self.size,), (self.lags * self.size, self.size)
        self.shift = self.add_weight(shape=numbers, initializer="zeros", trainable=False, autocast=False, name="shift")
        self.spread = self.add_weight(shape=numbers, initializer="ones", trainable=False, autocast=False, name="spread")
        self.error = self.add_weight(shape=numbers, initializer="ones", trainable=False, autocast=False, name="error")
        self.start = self.add_weight(shape=matrices, initializer="zeros", trainable=False, autocast=False, name="start")
        # in units of the error, so that a step of Adam changes the prediction by a small part of it
        last = (min(self.lags, _TRAINED) * self.size, self.size)
        self.change = self.add_weight(shape=last, initializer="zeros", autocast=False, name="change")
        # last, since a file knows weights by their places; files of older versions have none
        early = (self.lags * self.size, (len(ages(self.lags)) - 1) * self.size)
        self.early = self.add_weight(shape=early, initializer="zeros", trainable=False, autocast=False, name="early")
        self.built = True

    def load_own_variables(self, store):
        """As in Keras. A file of an older version has one matrix for all events, and trained all of it."""
        if len(store.keys()) == len(self.weights):
            super().load_own_variables(store)
            return
        change, *others = (np.asarray(store[str(place)]) for place in range(len(store.keys())))
        for variable, value in zip((self.shift, self.spread, self.error, self.start), others, strict=True):
            variable.assign(value)
        self.start.assign_add(change * others[2])
        self.early.assign(np.tile(ops.convert_to_numpy(self.start), (1, len(ages(self.lags)) - 1)))

    def adapt(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Fits the autoregression to sequences of events `(T_i, target_size)`.

        Args:
            rows: The sequences. While `left_out` is set, only the scaling is learnt, and the mean of all events is expected at
                each step.

        Returns:
            The residuals of each sequence: in the columns of the autoregression the events minus the expected ones, in others
            the events.
        """
        events = [np.asarray(one, "float64")[:, self.columns] for one in rows]
        shift, spread = initializers.robust_scaling(np.concatenate(events))
        scaled = [filled((one - shift) / spread) for one in events]
        center = np.mean(np.concatenate(scaled), axis=0)  # what is expected of the first event
        shift, scaled = shift + spread * center, [z - center for z in scaled]
        none = np.zeros((self.lags * self.size, self.size))
        found = Autoregression((none,) * len(ages(self.lags)))
        if not self.left_out:
            found = worthwhile(stable(autoregression(scaled, self.lags)), scaled)
        left, errors = [], []
        for row, one, z in zip(rows, events, scaled, strict=True):
            rest = np.array(row, "float64")
            rest[:, self.columns] = one - (shift + spread * found.foretold(z))
            left.append(rest)
            errors.append(rest[:, self.columns] / spread)
        error = initializers.robust_scaling(np.concatenate(errors))[1]
        *early, matrix = found.matrices
        for variable, value in zip(
            (self.shift, self.spread, self.start, self.error, self.early),
            (shift, spread, matrix, error, np.concatenate([np.zeros((len(matrix), 0)), *early], axis=1)),
            strict=True,
        ):
            variable.assign(value)
        return left

    @property
    def predicts(self) -> bool:
        """Whether `adapt` has found an autoregression that predicts something."""
        return bool(np.any(ops.convert_to_numpy(self.start)))

    def read(self, events, state):
        """What is known after each event.

        Args:
            events: `(B, T, target_size)`, or `(B, target_size)` of one step; NaN is missing.
            state: `(B, state_width)`, zeros before the first event.

        Returns:
            (by how much params move, `(..., params_size)`; the last errors, scaled, `(..., D)`; the state after the last event).
        """
        variables = self.shift, self.spread, self.error, self.start, self.change, self.early
        weights = [ops.convert_to_tensor(variable) for variable in variables]
        return _read(events, state, self._moves, *weights, columns=tuple(self.columns.tolist()), lags=self.lags)


@backend.compiled(static=("columns", "lags"), inline=True)
def _read(events, state, moves, shift, spread, error, start, change, early, columns, lags):
    """See `LinearStart.read`."""
    size = len(columns)

    def foretold(past, known):
        """The next event from the last ones `(..., L · D)`, by the matrix for as many as are `known` `(..., 1)`."""
        trained = past[..., -change.shape[0] :] if change.shape[0] < start.shape[0] else past
        found = ops.matmul(past, start) + ops.matmul(trained, change * error)
        if lags > 1:
            by_age = ops.matmul(past, early)
            found = ops.where(known < lags, 0.0, found)
            for place, (age, end) in enumerate(itertools.pairwise(ages(lags))):
                now = ops.logical_and(known >= age, known < end)
                found = found + ops.where(now, by_age[..., place * size : (place + 1) * size], 0.0)
        return numerics.in_sight(found)

    # not ops.take: TensorFlow would forget the shape
    parts = [events[..., column : column + 1] for column in columns]
    z = ((ops.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]) - shift) / spread
    unknown = ops.isnan(z)
    z = numerics.in_sight(numerics.no_nan(z, 0.0))
    past, expected, known = state[:, : -size - 1], state[:, -size - 1 : -1], state[:, -1:]
    there = ops.cast(ops.logical_not(ops.all(unknown, axis=-1, keepdims=True)), z.dtype)
    if len(z.shape) == 2:
        z = ops.where(unknown, past[:, -size:], z)
        known = _counted(there, known, lags)
        before, past = expected, ops.concatenate([past[:, size:], z], axis=-1)
        expected = foretold(past, known)
        after = ops.concatenate([past, expected, known], axis=-1)
    else:
        z = _filled(ops.where(unknown, 0.0, z), unknown, past[:, None, -size:])
        known = _counted(there, known[:, None], lags)
        whole = ops.concatenate([ops.reshape(past, (-1, lags, size)), z], axis=1)
        lasting = ops.concatenate([whole[:, lag : lag - lags or None] for lag in range(1, lags + 1)], axis=-1)
        later = foretold(lasting, known)
        before, expected = ops.concatenate([expected[:, None], later[:, :-1]], axis=1), later
        after = ops.concatenate([lasting[:, -1], expected[:, -1], known[:, -1]], axis=-1)
    errors = ops.where(unknown, 0.0, numerics.squash((z - before) / error))
    return ops.matmul(shift + spread * expected, moves), errors, after


def _counted(there, before, most: int):
    """How many events are known after each step, at most `most`; those that are missing after the first one count, too.

    Args:
        there: 1 where an event is known, else 0, `(B, T, 1)`, or `(B, 1)` of one step.
        before: How many were known before the first step, `(B, 1, 1)` or `(B, 1)`.
        most: See above.
    """
    if len(there.shape) == 2:
        began = ops.maximum(there, ops.cast(before > 0.0, there.dtype))
        return ops.minimum(before + began, float(most))
    first = ops.concatenate([before, there], axis=1)
    began = ops.cast(ops.cumsum(first, axis=1) > 0.0, there.dtype)[:, 1:]
    return ops.minimum(before + ops.cumsum(began, axis=1), float(most))


def _filled(z, unknown, first):
    """`z` `(B, T, D)` with each unknown number replaced by the last known one, or by `first` `(B, 1, D)`."""
    steps = ops.expand_dims(ops.arange(1, ops.shape(z)[1] + 1, dtype="float32"), -1)
    last = backend.running_max(ops.where(unknown, 0.0, steps), axis=1)
    return ops.take_along_axis(ops.concatenate([first, z], axis=1), ops.cast(last, "int32"), axis=1)
