"""`fit`: the settings of a training, its history and its end; the epochs run in a loop for the backend."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import keras
import numpy as np

from mdn import backend, numerics
from mdn.masks import unmasked
from mdn.training.callbacks import Heard
from mdn.training.checkpoints import Checkpoints
from mdn.training.compiled_loop import CompiledLoop
from mdn.training.fed_loop import FedLoop
from mdn.training.feed import Feed
from mdn.training.interrupt import ctrl_c_waits
from mdn.training.keras_loop import FedKerasLoop, KerasLoop


@dataclasses.dataclass
class History:
    """The mean losses of a training by epoch; epoch 0 is the state before training.

    Attributes:
        loss: Training loss of each epoch from the first; with dropout or noise, if the model has any.
        val_loss: Validation loss from epoch 0; empty without validation data.
        best_epoch: The epoch whose weights the model has now.
        interrupted: Whether Ctrl-C ended the training.

    Example:
        >>> from mdn.training import History
        >>> History(loss=[3.0, 2.0, 1.5], val_loss=[3.1, 2.2, 2.4], best_epoch=2).best_epoch
        2
    """

    loss: list[float] = dataclasses.field(default_factory=list)
    val_loss: list[float] = dataclasses.field(default_factory=list)
    best_epoch: int = 0
    interrupted: bool = False

    def check_whole(self) -> None:
        """Refuses a training that was cut short, where half of one is of no use, such as for a baseline.

        Raises:
            KeyboardInterrupt: if Ctrl-C ended the training.
        """
        if self.interrupted:
            raise KeyboardInterrupt

    @property
    def history(self) -> dict[str, list[float]]:
        """Lists by name from the first epoch, as in the History of Keras."""
        curves = {"loss": self.loss}
        return {**curves, "val_loss": self.val_loss[1:]} if self.val_loss else curves


@dataclasses.dataclass(frozen=True)
class Plan:
    """How a loop trains; see `fit`."""

    batch_size: int
    learning_rate: float
    decay_epochs: int
    patience: int | None
    global_clipnorm: float | None
    weight_decay: float
    target_noise: np.ndarray | None
    averaging: float
    seed: int


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
    decay_epochs: int | None = None,
    patience: int | None = None,
    global_clipnorm: float | None = None,
    weight_decay: float = 0.0,
    target_noise=None,
    averaging: float = 0.0,
    seed: int = 0,
    on_epoch: Callable[[int, History], None] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> History:
    """Trains `model` with Adam and a cosine decay of the learning rate, and leaves it with the best weights.

    The best weights are those with the least validation loss, those before training included; without validation, the last.

    Args:
        model: Any Keras model of one output; compiled here.
        x: Inputs, shape `(N, ...)`.
        y: Targets, shape `(N, ...)`; NaN is missing.
        loss: A loss with one value a step, such as `NegativeLogLikelihood(spec)`.
        sample_weight: Shape `(N,)`.
        validation: `(x, y)` or `(x, y, sample_weight)`.
        epochs: How many epochs at most.
        batch_size: Rows a step; the last batch is filled up with rows of the first, so that its shape is the same.
        learning_rate: The rate at the start.
        decay_epochs: After how many epochs the rate reaches 0; by default after `epochs`.
        patience: Stop after this many epochs without a better validation loss.
        global_clipnorm: Largest norm of the gradient of all weights together.
        weight_decay: Decoupled weight decay of kernels (AdamW).
        target_noise: Standard deviation of normal noise on the targets, drawn anew each step, broadcast against `(D,)`.
        averaging: Share of the old value that a moving average of the weights keeps a step; the average is scored and kept.
        seed: Seeds the shuffling and the noise.
        on_epoch: Called with the number of the epoch and the history so far; on JAX many epochs may run between calls.
        callbacks: Keras callbacks; logs hold "loss" and, with validation data, "val_loss". On JAX epochs then run one by one,
            which is slower. Hooks of batches are not called.

    Returns:
        The history. Ctrl-C ends training after the running epochs, with the best weights so far; see `ctrl_c_waits`.

    Raises:
        KeyboardInterrupt: if Ctrl-C was pressed before the first epoch.
        ValueError: if there are no rows, their numbers differ, or a weight is no finite number of at least 0.

    Example:
        >>> import keras, mdn, numpy as np
        >>> spec = mdn.MixtureSpec(mdn.NormalSpec(1), 2)
        >>> x = np.linspace(-1, 1, 64)[:, None]
        >>> model = keras.Sequential([keras.Input((1,)), mdn.MDN(spec).adapt(x)])
        >>> history = mdn.training.fit(model, x, x, mdn.NegativeLogLikelihood(spec), epochs=3)
        >>> len(history.loss)
        3

    Reference:
        Rothfuss et al. (2019), Noise regularization for conditional density estimation (`target_noise`).
    """
    backend.use()
    data = _rows(x, y, sample_weight)
    held_out = None if validation is None else _rows(*validation)
    if not model.built:
        model.build((None, *data[0].shape[1:]))
    plan = Plan(
        batch_size,
        learning_rate,
        decay_epochs or epochs,
        patience,
        global_clipnorm,
        weight_decay,
        target_noise,
        averaging,
        seed,
    )
    make = CompiledLoop if backend.NAME == "jax" else KerasLoop
    loop: CompiledLoop | KerasLoop | Heard = make(model, loss, data, held_out, plan)
    if callbacks:
        steps = math.ceil(len(data[0]) / batch_size)
        loop = Heard(loop, model, callbacks, {"verbose": 0, "epochs": epochs, "steps": steps})
    return _run(loop, epochs, patience, on_epoch)


def fit_feed(
    model: keras.Model,
    feed: Feed,
    loss: keras.losses.Loss,
    *,
    validation: tuple | None = None,
    epochs: int = 200,
    learning_rate: float = 0.01,
    decay_epochs: int | None = None,
    patience: int | None = None,
    global_clipnorm: float | None = None,
    weight_decay: float = 0.0,
    target_noise=None,
    averaging: float = 0.0,
    seed: int = 0,
    on_epoch: Callable[[int, History], None] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    checkpoints: Checkpoints | None = None,
    mesh=None,
) -> History:
    """As `fit`, on rows that a feed brings in blocks: a table larger than memory, or the part of it that this process holds.

    Args:
        model: A built Keras model of one output; compiled here.
        feed: The rows; its `batch_size` is that of the training.
        loss: As in `fit`.
        validation: As in `fit`; the same rows in all processes.
        epochs: As in `fit`.
        learning_rate: As in `fit`.
        decay_epochs: As in `fit`.
        patience: As in `fit`.
        global_clipnorm: As in `fit`.
        weight_decay: As in `fit`.
        target_noise: As in `fit`.
        averaging: As in `fit`.
        seed: Seeds the noise; the feed has a seed of its own.
        on_epoch: As in `fit`; also called for the epochs of a checkpoint.
        callbacks: As in `fit`.
        checkpoints: Where the state after each epoch is kept, so that a training that was killed goes on.
        mesh: The devices of all processes that train together, or None for one device.

    Returns:
        The history, the epochs of a checkpoint included. After a second Ctrl-C the running epoch ends early.

    Raises:
        ValueError: if the feed has no rows, the checkpoint is of another training, or `checkpoints` or `mesh` come under another
            backend than JAX.

    Example:
        >>> import keras, mdn, numpy as np
        >>> class Waves:  # 4,096 new rows in each epoch, in 4 blocks of 8 steps of 128 rows
        ...     rows, batch_size = 4096, 128
        ...     def epoch(self, number):
        ...         rng = np.random.default_rng(number)
        ...         for _ in range(4):
        ...             x = rng.uniform(-3, 3, (8, 128, 1)).astype("float32")
        ...             yield x, np.sin(x), np.ones((8, 128), "float32")
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(8, "tanh"), mdn.MDN(1, 1)])
        >>> spec = mdn.MixtureSpec(mdn.NormalSpec(1), 1)
        >>> history = mdn.training.fit_feed(model, Waves(), mdn.NegativeLogLikelihood(spec), epochs=3)
        >>> history.loss[-1] < history.loss[0]
        True
    """
    backend.use()
    held_out = None if validation is None else _rows(*validation)
    plan = Plan(
        feed.batch_size,
        learning_rate,
        decay_epochs or epochs,
        patience,
        global_clipnorm,
        weight_decay,
        target_noise,
        averaging,
        seed,
    )
    loop: FedLoop | FedKerasLoop | Heard
    if backend.NAME == "jax":
        loop = FedLoop(model, loss, feed, held_out, plan, mesh, checkpoints)
    elif checkpoints is not None or mesh is not None:
        raise ValueError(
            f"`checkpoints` and `mesh` need the JAX backend, but it is {backend.NAME}: set KERAS_BACKEND=jax, or leave them out."
        )
    else:
        loop = FedKerasLoop(model, loss, feed, held_out, plan)
    if callbacks:
        steps = math.ceil(feed.rows / feed.batch_size)
        loop = Heard(loop, model, callbacks, {"verbose": 0, "epochs": epochs, "steps": steps})
    return _run(loop, epochs, patience, on_epoch)


def _rows(x, y, sample_weight=None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    dtype = numerics.float_dtype()
    x, y = np.asarray(unmasked(x), dtype), np.asarray(unmasked(y), dtype)
    weight = np.ones(len(x), dtype) if sample_weight is None else np.asarray(unmasked(sample_weight), dtype)
    if not len(x) == len(y) == len(weight) or not len(x):
        raise ValueError(
            f"`x`, `y` and `sample_weight` must have the same number of rows, at least one, but {len(x)}, {len(y)} and "
            f"{len(weight)} came."
        )
    if not (np.isfinite(weight) & (weight >= 0.0)).all():
        raise ValueError(
            "`sample_weight` must be finite numbers of at least 0, but NaN, infinity, a negative or a masked one came. Leave "
            "such rows out."
        )
    return x, y, weight


def _run(loop, epochs, patience, on_epoch) -> History:
    """Runs epochs until the end, or until Ctrl-C, which is checked between the calls of the loop."""
    history = History()
    with ctrl_c_waits() as pressed:
        pressed.begin()
        try:
            first = loop.start()
            best = math.inf if first is None else first
            if first is not None:
                history.val_loss.append(first)
            patient = True
            while patient and len(history.loss) < epochs and not history.interrupted:
                for loss, val_loss in loop.run(epochs - len(history.loss)):
                    history.loss.append(loss)
                    epoch = len(history.loss)
                    if val_loss is None or val_loss < best:
                        history.best_epoch = epoch
                    if val_loss is not None:
                        history.val_loss.append(val_loss)
                        best = min(best, val_loss)
                    if on_epoch is not None:
                        on_epoch(epoch, history)
                patient = first is None or patience is None or len(history.loss) - history.best_epoch < patience
                patient = patient and not loop.stopped
                history.interrupted = bool(pressed)
        except KeyboardInterrupt:  # raised by a caller's `on_epoch`, say
            if not history.loss:
                raise
            history.interrupted = True
        loop.finish()
    return history
