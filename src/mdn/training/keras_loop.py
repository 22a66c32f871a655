"""Epochs of `Model.fit`, on PyTorch and TensorFlow."""

from __future__ import annotations

import math

import keras
import numpy as np

from mdn.training.optimizer import make_optimizer

_ROWS_AT_ONCE = 1024


class KerasLoop:
    """The same schedule through Keras; the best weights are copied on the host."""

    def __init__(self, model, loss, data, held_out, plan):
        self._rng = np.random.default_rng(plan.seed)
        self._model, self._data, self._held_out, self._plan = model, data, held_out, plan
        self._steps = math.ceil(len(data[0]) / plan.batch_size)
        rate = keras.optimizers.schedules.CosineDecay(plan.learning_rate, self._steps * plan.decay_epochs)
        model.compile(optimizer=make_optimizer(rate, plan.global_clipnorm, plan.weight_decay), loss=loss)
        self._best, self._best_weights = math.inf, None

    def start(self) -> float | None:
        """The validation loss now, if there are data for it."""
        if self._held_out is None:
            return None
        x, y, weight = self._held_out
        params = self._model.predict(x, batch_size=max(self._plan.batch_size, _ROWS_AT_ONCE), verbose=0)
        value = float(keras.ops.convert_to_numpy(self._model.loss(y, params, weight)))
        if value < self._best:
            self._best, self._best_weights = value, self._model.get_weights()
        return value

    def run(self, most: int) -> list[tuple[float, float | None]]:
        """(loss, validation loss) of one epoch."""
        rows = len(self._data[0])
        order = self._rng.permutation(rows)[np.arange(self._steps * self._plan.batch_size) % rows]
        x, y, weight = (part[order] for part in self._data)
        if self._plan.target_noise is not None:
            y = y + (self._plan.target_noise * self._rng.normal(size=y.shape)).astype(y.dtype)
        ran = self._model.fit(
            x, y, sample_weight=weight, batch_size=self._plan.batch_size, epochs=1, shuffle=False, verbose=0
        )
        return [(float(ran.history["loss"][0]), self.start())]

    def finish(self) -> None:
        """Gives the best weights to the model."""
        if self._best_weights is not None:
            self._model.set_weights(self._best_weights)
