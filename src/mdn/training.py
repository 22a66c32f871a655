"""One compiled loop: an epoch is one program, the best weights are kept, and Ctrl-C loses nothing.

On JAX an epoch (shuffle, steps, validation, comparison with the best so far) is one `lax.scan`, several times faster
than Keras' step by step for small networks, and compiled programs are kept on disk between runs. On the other backends
the same schedule runs through `Model.fit`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from mdn import backend, numerics


@dataclasses.dataclass
class History:
    """What happened: mean losses by epoch, epoch 0 being the state before training.

    Attributes:
        loss: Training loss of each epoch from the first; with dropout or noise, if the model has any.
        val_loss: Validation loss from epoch 0; empty without validation data.
        best_epoch: Whose weights the model has now.
        interrupted: Whether Ctrl-C ended it.
    """

    loss: list[float] = dataclasses.field(default_factory=list)
    val_loss: list[float] = dataclasses.field(default_factory=list)
    best_epoch: int = 0
    interrupted: bool = False

    @property
    def history(self) -> dict[str, list[float]]:
        """As in the History of Keras: lists by name, from the first epoch."""
        curves = {"loss": self.loss}
        return {**curves, "val_loss": self.val_loss[1:]} if self.val_loss else curves


def fit(
    model: keras.Model,
    x,
    y,
    loss: keras.losses.Loss,
    *,
    sample_weight=None,
    validation: tuple | None = None,
    epochs: int = 200,
    batch_size: int = 128,
    learning_rate: float = 0.01,
    patience: int | None = None,
    global_clipnorm: float | None = None,
    seed: int = 0,
    on_epoch: Callable[[int, History], None] | None = None,
) -> History:
    """Trains `model` with Adam and a cosine decay of the learning rate, and leaves it with the best weights seen.

    "Best" is by the loss on the validation data, the state before training included; without such data, the last.

    Args:
        model: Any Keras model of one output; compiled here.
        x: Inputs, shape `(N, ...)`.
        y: Targets, shape `(N, ...)`; NaN is missing.
        loss: One value a step, such as `NegativeLogLikelihood(spec)`.
        sample_weight: Shape `(N,)`.
        validation: `(x, y)` or `(x, y, sample_weight)`.
        epochs: At most.
        batch_size: Rows a step; the last batch is filled up with rows of the first, so that its shape is the same.
        learning_rate: At the start.
        patience: Stop after so many epochs without a better validation loss.
        global_clipnorm: Largest norm of the gradient of all weights together.
        seed: Of the shuffling.
        on_epoch: Called with the number of the epoch and the history so far.

    Returns:
        The history. Ctrl-C ends training after the epoch that runs, a second one at once, with the best weights so far.
    """
    data = _rows(x, y, sample_weight)
    held_out = None if validation is None else _rows(*validation)
    if not model.built:
        model.build((None, *data[0].shape[1:]))
    steps = math.ceil(len(data[0]) / batch_size)
    optimizer = keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(learning_rate, steps * epochs), global_clipnorm=global_clipnorm
    )
    model.compile(optimizer=optimizer, loss=loss)
    loop = _CompiledLoop if backend.NAME == "jax" else _KerasLoop
    return _run(loop(model, optimizer, loss, data, held_out, batch_size, seed), epochs, patience, on_epoch)


def _rows(x, y, sample_weight=None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    dtype = numerics.float_dtype()
    x, y = np.asarray(x, dtype), np.asarray(y, dtype)
    weight = np.ones(len(x), dtype) if sample_weight is None else np.asarray(sample_weight, dtype)
    if not len(x) == len(y) == len(weight) or not len(x):
        raise ValueError(
            f"`x`, `y` and `sample_weight` must have the same number of rows, at least one, but {len(x)}, {len(y)} and "
            f"{len(weight)} came."
        )
    return x, y, weight


def _run(loop, epochs, patience, on_epoch) -> History:
    with _ctrl_c_waits() as interrupted:
        return _run_until(interrupted, loop, epochs, patience, on_epoch)


@contextlib.contextmanager
def _ctrl_c_waits():
    """Yields a function that tells whether Ctrl-C was pressed: the first one waits to be asked for, a second one raises.

    An exception thrown from inside the backend's callbacks would be swallowed, and the user would press in vain.
    """
    pressed: list[int] = []

    def handler(number, _):
        if pressed:
            raise KeyboardInterrupt
        pressed.append(number)

    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield lambda: False  # somebody else's program decides what Ctrl-C does
        return
    signal.signal(signal.SIGINT, handler)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _run_until(interrupted, loop, epochs, patience, on_epoch) -> History:
    history = History()
    best = math.inf
    try:
        if loop.validates:
            best = loop.validate()
            history.val_loss.append(best)
        for epoch in range(1, epochs + 1):
            loss, val_loss = loop.epoch()
            history.loss.append(loss)
            if val_loss is None:
                history.best_epoch = epoch
            else:
                history.val_loss.append(val_loss)
                if val_loss < best:
                    best, history.best_epoch = val_loss, epoch
            if on_epoch is not None:
                on_epoch(epoch, history)
            history.interrupted = interrupted()
            patient = patience is None or not loop.validates or epoch - history.best_epoch < patience
            if history.interrupted or not patient:
                break
    except KeyboardInterrupt:
        history.interrupted = True
    loop.finish()
    return history


class _KerasLoop:
    """Epochs of `Model.fit`; the best weights are copied on the host."""

    def __init__(self, model, optimizer, loss, data, held_out, batch_size, seed):
        self._rng = np.random.default_rng(seed)
        self._model, self._data, self._held_out, self._batch_size = model, data, held_out, batch_size
        self.validates = held_out is not None
        self._best, self._best_weights = math.inf, None

    def validate(self) -> float:
        x, y, weight = self._held_out
        params = self._model.predict(x, batch_size=max(self._batch_size, 1024), verbose=0)
        value = float(keras.ops.convert_to_numpy(self._model.loss(y, params, weight)))
        if value < self._best:
            self._best, self._best_weights = value, self._model.get_weights()
        return value

    def epoch(self):
        rows = len(self._data[0])
        steps = math.ceil(rows / self._batch_size)
        order = self._rng.permutation(rows)[np.arange(steps * self._batch_size) % rows]
        x, y, weight = (part[order] for part in self._data)
        ran = self._model.fit(
            x, y, sample_weight=weight, batch_size=self._batch_size, epochs=1, shuffle=False, verbose=0
        )
        return float(ran.history["loss"][0]), self.validate() if self.validates else None

    def finish(self) -> None:
        if self._best_weights is not None:
            self._model.set_weights(self._best_weights)


class _CompiledLoop:
    """Epochs as one JAX program each; the best weights stay on the device until the end."""

    def __init__(self, model, optimizer, loss, data, held_out, batch_size, seed):
        import jax

        keep_compiled_programs()
        optimizer.build(model.trainable_variables)
        self._model, self._optimizer, self._loss = model, optimizer, loss
        self.validates = held_out is not None
        self._data = tuple(map(jax.numpy.asarray, data))
        self._held_out = None if held_out is None else tuple(map(jax.numpy.asarray, held_out))
        self._key = jax.random.key(seed)
        weights = [v.value for v in model.trainable_variables], [v.value for v in model.non_trainable_variables]
        self._state, self._best = (*weights, [v.value for v in optimizer.variables]), (math.inf, weights)
        # no argument is donated: a Ctrl-C between the program's end and the assignment would lose the weights
        self._compiled = jax.jit(self._epoch, static_argnames="batch_size")
        self._batch_size = batch_size

    def validate(self) -> float:
        import jax

        value = float(jax.jit(self._score)(self._state[0], self._state[1], self._held_out))
        self._best = (value, self._best[1])
        return value

    def epoch(self):
        import jax

        self._key, key = jax.random.split(self._key)
        self._state, self._best, loss, val_loss = self._compiled(
            self._state, self._best, key, self._data, self._held_out, batch_size=self._batch_size
        )
        return float(loss), float(val_loss) if self.validates else None

    def finish(self) -> None:
        trained = self._best[1] if self.validates else self._state[:2]
        variables = self._model.trainable_variables, self._model.non_trainable_variables
        for group, values in zip(variables, trained, strict=True):
            for variable, value in zip(group, values, strict=True):
                variable.assign(value)
        for variable, value in zip(self._optimizer.variables, self._state[2], strict=True):
            variable.assign(value)

    def _score(self, trainable, fixed, rows):
        x, y, weight = rows
        params, _ = self._model.stateless_call(trainable, fixed, x, training=False)
        return self._loss(y, params, weight)

    def _epoch(self, state, best, key, data, held_out, batch_size):
        import jax
        from jax import numpy as jnp

        rows = data[0].shape[0]
        steps = math.ceil(rows / batch_size)
        order = jax.random.permutation(key, rows)
        order = order[jnp.arange(steps * batch_size) % rows].reshape(steps, batch_size)

        def cost(trainable, fixed, x, y, weight):
            params, fixed, losses = self._model.stateless_call(trainable, fixed, x, training=True, return_losses=True)
            return self._loss(y, params, weight) + sum(losses), fixed

        def step(state, index):
            trainable, fixed, moments = state
            x, y, weight = (part[index] for part in data)
            (value, fixed), slopes = jax.value_and_grad(cost, has_aux=True)(trainable, fixed, x, y, weight)
            trainable, moments = self._optimizer.stateless_apply(moments, slopes, trainable)
            return (trainable, fixed, moments), value

        state, values = jax.lax.scan(step, state, order)
        if held_out is None:
            return state, best, jnp.mean(values), None
        val_loss = self._score(state[0], state[1], held_out)
        better = val_loss < best[0]
        kept = jax.tree.map(lambda new, old: jnp.where(better, new, old), state[:2], best[1])
        return state, (jnp.minimum(val_loss, best[0]), kept), jnp.mean(values), val_loss


def keep_compiled_programs() -> None:
    """Lets JAX keep compiled programs in the user's cache, unless the user has said otherwise; nothing on other backends.

    `fit` does so itself; call it before a model is built to have its initialization kept too.
    The folder is `mdn/jax` below XDG_CACHE_HOME (or ~/.cache); set JAX_ENABLE_COMPILATION_CACHE=0 to do without.
    """
    if backend.NAME != "jax":
        return
    import jax

    if jax.config.jax_compilation_cache_dir is not None or os.environ.get("JAX_ENABLE_COMPILATION_CACHE") in (
        "0",
        "false",
    ):
        return
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mdn" / "jax"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return  # no home to write to: every run compiles anew
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
