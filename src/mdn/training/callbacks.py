"""Keras callbacks in our own loop: it calls them at the beginning and the end of training and of each epoch, as Keras does."""

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
    """Refuses Keras callbacks that cannot work here, since an epoch is one compiled program.

    Raises:
        ValueError: if one acts at each batch, sets the learning rate, or depends on Keras' own loop in another way.

    Example:
        >>> import keras
        >>> from mdn.training import check_callbacks
        >>> check_callbacks([keras.callbacks.EarlyStopping(patience=5)])
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


def check_no_callbacks(callbacks: Sequence[Any]) -> None:
    """Refuses Keras callbacks, since a network is trained in processes of its own.

    Raises:
        ValueError: if there are any.
    """
    if callbacks:
        raise ValueError(
            f"`callbacks` must hold no Keras callback in a training of many processes, but {type(callbacks[0]).__name__} came: "
            "leave it out, or pass an object with `on_epoch_end` alone."
        )


def _overrides(callback, hook: str) -> bool:
    method = getattr(callback, hook)
    method = getattr(method, "__func__", method)
    return not any(method is getattr(kind, hook) for kind in (keras.callbacks.Callback, *_FINE))


class Heard:
    """A loop that calls Keras callbacks, and runs one epoch at a time, so that they see its weights and may end it.

    Args:
        loop: The loop that trains.
        model: The model that it trains, and the `model` of the callbacks. When they are called, it holds the weights that are
            scored; what they write into it is lost, except at the end of training.
        callbacks: `check_callbacks` must accept them.
        params: The `params` of the callbacks.
    """

    def __init__(self, loop, model: keras.Model, callbacks: Sequence[keras.callbacks.Callback], params: dict):
        check_callbacks(callbacks)
        self._loop, self._model, self._callbacks, self._params = loop, model, callbacks, params
        self._epoch = 0
        self._logs: dict[str, float] = {}
        self.stopped = False

    def start(self) -> float | None:
        """As the loop's `start`; then tells the callbacks that training begins."""
        value = self._loop.start()
        self._model.stop_training = False
        for callback in self._callbacks:
            callback.set_params(self._params)
            callback.set_model(self._model)
        self._tell("on_train_begin", {})
        return value

    def run(self, most: int) -> list[tuple[float, float | None]]:
        """Runs one epoch and returns its (loss, validation loss)."""
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
        """As the loop's `finish`; then tells the callbacks. The model has the best weights; a callback may change them."""
        self._loop.finish()
        self._tell("on_train_end", self._logs)

    def shown(self) -> contextlib.AbstractContextManager:
        """As the loop's `shown`."""
        return self._loop.shown()

    def _tell(self, what: str, *arguments) -> None:
        for callback in self._callbacks:
            getattr(callback, what)(*arguments)
        self.stopped = self.stopped or bool(self._model.stop_training)
