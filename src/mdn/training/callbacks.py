"""Keras callbacks for a loop of ours: told of the beginning and the end of training and of each epoch, as `Model.fit` tells."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import keras

_BATCHES = tuple(f"on_{what}batch_{end}" for what in ("", "train_", "test_") for end in ("begin", "end"))
_FINE = (keras.callbacks.ModelCheckpoint, keras.callbacks.ProgbarLogger, keras.callbacks.TensorBoard)
_OF_KERAS_ALONE = {
    keras.callbacks.LearningRateScheduler: "sets the learning rate, which falls to 0 along a cosine here",
    keras.callbacks.ReduceLROnPlateau: "sets the learning rate, which falls to 0 along a cosine here",
    keras.callbacks.SwapEMAWeights: "swaps weights of an optimizer of Keras; `averaging` does so here",
    keras.callbacks.BackupAndRestore: "goes on with a training of Keras",
}


def check_callbacks(callbacks: Sequence[Any]) -> None:
    """Refuses Keras callbacks that would not do what they promise, since an epoch is one compiled program.

    Raises:
        ValueError: if one wants to be told of each batch, or to set the learning rate.
    """
    for callback in callbacks:
        name = type(callback).__name__
        for kind, what in _OF_KERAS_ALONE.items():
            if isinstance(callback, kind):
                raise ValueError(f"`callbacks` holds a {name}, which {what}. Leave it out.")
        hooks = [hook for hook in _BATCHES if _overrides(callback, hook)]
        if getattr(callback, "save_freq", "epoch") != "epoch":
            hooks = ["save_freq"]
        if hooks:
            raise ValueError(
                f"`callbacks` holds a {name} with {hooks[0]}, but all batches of an epoch run in one compiled program and are "
                "not told apart. Use on_epoch_begin or on_epoch_end."
            )


def _overrides(callback, hook: str) -> bool:
    method = getattr(callback, hook)
    method = getattr(method, "__func__", method)
    return not any(method is getattr(kind, hook) for kind in (keras.callbacks.Callback, *_FINE))


class Heard:
    """A loop that tells Keras callbacks, and runs one epoch at a time, so that they see its weights and may end it.

    Args:
        loop: The loop.
        model: What it trains: the callbacks' `model`. Within them it holds the weights that are judged; what they put there
            before the end of training is not gone on with.
        callbacks: Checked by `check_callbacks`.
        params: The callbacks' `params`.
    """

    def __init__(self, loop, model: keras.Model, callbacks: Sequence[keras.callbacks.Callback], params: dict):
        check_callbacks(callbacks)
        self._loop, self._model, self._callbacks, self._params = loop, model, callbacks, params
        self._epoch = 0
        self._logs: dict[str, float] = {}
        self.stopped = False

    def start(self) -> float | None:
        """As the loop's; and training begins."""
        value = self._loop.start()
        self._model.stop_training = False
        for callback in self._callbacks:
            callback.set_params(self._params)
            callback.set_model(self._model)
        self._tell("on_train_begin", {})
        return value

    def run(self, most: int) -> list[tuple[float, float | None]]:
        """(loss, validation loss) of one epoch."""
        del most
        with self._loop.shown():
            self._tell("on_epoch_begin", self._epoch, {})
        [(loss, val_loss)] = self._loop.run(1)
        self._logs = {"loss": loss} | ({} if val_loss is None else {"val_loss": val_loss})
        with self._loop.shown():
            if val_loss is not None:
                self._tell("on_test_begin", {})
                self._tell("on_test_end", {"loss": val_loss})
            self._tell("on_epoch_end", self._epoch, self._logs)
        self._epoch += 1
        return [(loss, val_loss)]

    def finish(self) -> None:
        """As the loop's; and training ends. The model holds the best weights now, and keeps what a callback puts there."""
        self._loop.finish()
        self._tell("on_train_end", self._logs)

    def shown(self) -> contextlib.AbstractContextManager:
        """As the loop's."""
        return self._loop.shown()

    def _tell(self, what: str, *arguments) -> None:
        for callback in self._callbacks:
            getattr(callback, what)(*arguments)
        self.stopped = self.stopped or bool(self._model.stop_training)
