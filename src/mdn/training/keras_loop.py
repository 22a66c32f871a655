"""Epochs of `Model.fit`, on PyTorch and TensorFlow."""

from __future__ import annotations

import contextlib
import math
import weakref

import keras
import numpy as np
from keras import ops

from mdn import backend
from mdn.training.feed import Feed, fetched_ahead
from mdn.training.interrupt import StopsAtBatchEnd, ctrl_c_waits
from mdn.training.optimizer import make_optimizer

_ROWS_AT_ONCE = 1024


@keras.saving.register_keras_serializable(package="mdn", name="CosineRate")
class _Cosine(keras.optimizers.schedules.LearningRateSchedule):
    """Half a cosine from `rate` down to 0, whose numbers are variables: another training needs no new program."""

    def __init__(self, rate: float = 1.0, steps: float = 1.0):
        self._rate, self._steps = (keras.Variable(x, trainable=False, dtype="float32") for x in (rate, steps))

    def set(self, rate: float, steps: int) -> None:
        self._rate.assign(rate)
        self._steps.assign(steps)

    def get_config(self):
        return {
            "rate": float(ops.convert_to_numpy(self._rate)),
            "steps": float(ops.convert_to_numpy(self._steps)),
        }

    def __call__(self, step):
        done = ops.minimum(ops.cast(step, "float32") / self._steps.value, 1.0)
        return 0.5 * self._rate.value * (1.0 + ops.cos(math.pi * done))


_COMPILED: weakref.WeakKeyDictionary[keras.Model, tuple] = weakref.WeakKeyDictionary()
"""For each model what it was compiled for, its optimizer and its schedule. TensorFlow takes seconds to compile one again."""


def _compile(model: keras.Model, loss, plan, steps: int) -> None:
    """Compiles `model`, or takes its optimizer back to the start if it was compiled for such a training before."""
    trained = tuple(id(variable) for variable in model.trainable_variables)  # layers may be frozen between trainings
    key = loss, plan.global_clipnorm, plan.weight_decay, trained
    known, optimizer, schedule = _COMPILED.get(model, (None, None, None))
    if known != key or model.optimizer is not optimizer:
        schedule = _Cosine()
        optimizer = make_optimizer(schedule, plan.global_clipnorm, plan.weight_decay)
        model.compile(optimizer=optimizer, loss=loss)
        _COMPILED[model] = key, optimizer, schedule
    else:
        for variable in optimizer.variables:
            variable.assign(ops.zeros_like(variable.value))
    schedule.set(plan.learning_rate, steps * plan.decay_epochs)


class _Average(keras.callbacks.Callback):
    """The moving average of the trainable weights, updated each step as in the compiled loop."""

    def __init__(self, model, averaging: float):
        super().__init__()
        self._variables, self._averaging, self._steps = model.trainable_variables, averaging, 0
        self._averages = [keras.ops.copy(v.value) for v in self._variables]
        self._moved = backend.graph(self._move)  # one call in each step of the training, rather than dozens

    def _move(self, keep, rest, *averages):
        def share(number, new):
            return ops.cast(number, new.dtype) * ops.stop_gradient(new)

        pairs = zip(averages, self._variables, strict=True)
        return [share(keep, old) + share(rest, new.value) for old, new in pairs]

    def on_train_batch_end(self, batch, logs=None):
        keep = np.float64(min(self._averaging, self._steps / (self._steps + 10.0)))
        self._steps += 1
        self._averages = self._moved(keep, 1.0 - keep, *self._averages)

    @contextlib.contextmanager
    def in_model(self):
        """A block in which the model has the averages as its weights."""
        weights = [keras.ops.copy(v.value) for v in self._variables]
        self.put(self._averages)
        try:
            yield
        finally:
            self.put(weights)

    def put(self, values=None) -> None:
        """Puts `values` into the model as its trainable weights; by default the averages."""
        for variable, value in zip(self._variables, values or self._averages, strict=True):
            variable.assign(value)


class KerasLoop:
    """The schedule of the compiled loop, run by Keras; the best weights are copied to the host."""

    stopped = False
    """Whether a callback has asked to stop."""

    def __init__(self, model, loss, data, held_out, plan):
        self._data = data
        self._begin(model, loss, len(data[0]), held_out, plan)

    def _begin(self, model, loss, rows: int, held_out, plan) -> None:
        self._rng = np.random.default_rng(plan.seed)
        self._model, self._held_out, self._plan = model, held_out, plan
        self._steps = math.ceil(rows / plan.batch_size)
        _compile(model, loss, plan, self._steps)
        self._average = _Average(model, plan.averaging)
        self._best = math.inf
        self._best_weights: list[np.ndarray] | None = None

    def start(self) -> float | None:
        """The validation loss now, None without validation data; keeps the weights if it is the best so far."""
        if self._held_out is None:
            return None
        x, y, weight = self._held_out
        with self._average.in_model():
            params = self._model.predict(x, batch_size=max(self._plan.batch_size, _ROWS_AT_ONCE), verbose=0)
            value = float(keras.ops.convert_to_numpy(self._model.loss(y, params, weight)))
            if value < self._best:
                self._best, self._best_weights = value, self._model.get_weights()
        return value

    def run(self, most: int) -> list[tuple[float, float | None]]:
        """Runs one epoch and returns its (loss, validation loss)."""
        rows = len(self._data[0])
        order = self._rng.permutation(rows)[np.arange(self._steps * self._plan.batch_size) % rows]
        x, y, weight = (part[order] for part in self._data)
        return self._fit(x, self._blurred(y), sample_weight=weight, batch_size=self._plan.batch_size)

    def _blurred(self, y):
        if self._plan.target_noise is None:
            return y
        return y + (self._plan.target_noise * self._rng.normal(size=y.shape)).astype(y.dtype)

    def _fit(self, *rows, **settings) -> list[tuple[float, float | None]]:
        with ctrl_c_waits() as pressed:
            ran = self._model.fit(
                *rows,
                **settings,
                epochs=1,
                shuffle=False,
                verbose=0,
                callbacks=[self._average, StopsAtBatchEnd(pressed, times=2)],
            )
        return [(float(ran.history["loss"][0]), self.start())]

    def shown(self):
        """A block in which the model holds the weights that validation scores."""
        return self._average.in_model()

    def finish(self) -> None:
        """Puts the best weights into the model."""
        if self._best_weights is None:
            self._average.put()
        else:
            self._model.set_weights(self._best_weights)


class FedKerasLoop(KerasLoop):
    """The same over the blocks of a feed, in one process."""

    def __init__(self, model, loss, feed: Feed, held_out, plan):
        self._feed, self._epoch = feed, 0
        self._begin(model, loss, feed.rows, held_out, plan)

    def run(self, most: int) -> list[tuple[float, float | None]]:
        """Runs one epoch and returns its (loss, validation loss)."""
        blocks, self._epoch = fetched_ahead(self._feed.epoch(self._epoch)), self._epoch + 1
        steps = ((x, self._blurred(y), weight) for block in blocks for x, y, weight in zip(*block, strict=True))
        return self._fit(steps, steps_per_epoch=self._steps)
