"""What training a sequence model adds to Keras' own fit: a falling rate, an exact held-out NLL, the best weights kept."""

from __future__ import annotations

import contextlib
import math
import threading

import keras
import numpy as np

from mdn import backend
from mdn.training.checkpoints import Checkpoints, arrays_of, restore
from mdn.training.interrupt import CtrlC, StopsAtBatchEnd


def schedule(learning_rate: float, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """A cosine from `learning_rate` to a hundredth of it, after a short rise: the first steps of an LSTM are wild."""
    rise = max(1, min(200, steps // 20))
    return keras.optimizers.schedules.CosineDecay(
        learning_rate / 10.0, max(1, steps - rise), alpha=0.01, warmup_target=learning_rate, warmup_steps=rise
    )


def adam(rate) -> keras.optimizers.Optimizer:
    """Adam, gradients clipped to a norm of 1: what is right for most networks."""
    return keras.optimizers.Adam(rate, global_clipnorm=1.0)


def muon(rate) -> keras.optimizers.Optimizer:
    """Muon for the matrices of the layers, Adam at half the rate for biases and what is read off.

    For a network that is on its way: it then takes far fewer steps than by `adam`, each a tenth dearer. At first it is slower.

    Reference:
        Liu et al. (2025), Muon is scalable for LLM training.
    """
    return keras.optimizers.Muon(
        rate,
        weight_decay=None,
        adam_weight_decay=None,
        adam_lr_ratio=0.5,
        exclude_layers=["head", "mover"],
        global_clipnorm=1.0,
    )


class BestWeights(StopsAtBatchEnd):
    """Scores held-out sequences after each epoch and remembers the best weights; Ctrl-C ends the epoch after the step that runs.

    Keras' own validation averages batch means; this is the mean over all steps.

    Args:
        held_out: (sequences, what else `nll` is to be told), or None: then the last weights are the best.
        given: How many events at the start of each are not scored.
        patience: Epochs without a better score before training stops.
        pressed: See `StopsAtBatchEnd`.
    """

    def __init__(self, held_out, given: int, patience: int | None, pressed: CtrlC):
        super().__init__(pressed)
        self._held_out, self._given, self._patience = held_out, given, patience
        self._best, self._stale, self._epochs = math.inf, 0, 0
        self._weights: list[np.ndarray] = []
        self._kept: list[tuple[keras.Variable, np.ndarray]] = []

    def on_train_begin(self, logs=None):
        """Keeps the start."""
        self._keep()

    def on_epoch_end(self, epoch, logs=None):
        """Adds "val_nll" to the logs; who pressed Ctrl-C twice does not wait for it."""
        self._epochs += 1
        self._keep()
        if self._held_out is None or self._pressed.times > 1:
            return
        sequences, beside = self._held_out
        value = self.model.nll(sequences, **beside, given=self._given)
        if logs is not None:
            logs["val_nll"] = value
        if value < self._best:
            self._best, self._stale = value, 0
            self._weights = [np.array(keras.ops.convert_to_numpy(v)) for v in self.model.trainable_variables]
            return
        self._stale += 1
        if self.is_over:
            self.model.stop_training = True

    @property
    def weights(self) -> list[np.ndarray]:
        """The best so far; none before the first score."""
        return self._weights

    @property
    def state(self) -> dict[str, float]:
        """What goes with `weights`, as JSON allows it."""
        score = {} if math.isinf(self._best) else {"best": self._best}
        return {**score, "stale": self._stale, "epochs": self._epochs}

    def go_on_from(self, weights: list[np.ndarray], state: dict[str, float]) -> None:
        """Takes up `weights` and `state` of a training that was killed."""
        self._weights, self._best = weights, state.get("best", math.inf)
        self._stale, self._epochs = int(state["stale"]), int(state["epochs"])

    @property
    def cut_short(self) -> bool:
        """Whether Ctrl-C was pressed."""
        return bool(self._pressed)

    @property
    def is_over(self) -> bool:
        """Whether patience has come to its end."""
        return self._patience is not None and self._stale >= self._patience

    def restore(self, model) -> None:
        """Puts the best weights into the model."""
        if self._weights:
            for variable, value in zip(model.trainable_variables, self._weights, strict=True):
                variable.assign(value)

    def repair(self, model) -> bool:
        """After a KeyboardInterrupt: puts back what a step gave away; whether the model has learnt anything."""
        try:
            whole = self.batches > 0
            for variable in model.variables:
                keras.ops.convert_to_numpy(variable)
        except RuntimeError:
            whole = False
        if not whole:
            for variable, value in self._kept:
                variable.assign(value)
        return whole or self._epochs > 0

    def _keep(self) -> None:
        """Copies all that JAX takes for its own in a step: if the step is cut short, Keras has lost it."""
        if backend.NAME == "jax":
            variables = [*self.model.variables, *self.model.optimizer.variables]
            self._kept = [(one, np.array(keras.ops.convert_to_numpy(one))) for one in variables]


class Kept(keras.callbacks.Callback):
    """Writes all that training changes after each epoch, so that a kill only delays a training and changes nothing of its end.

    Args:
        checkpoints: Where; its settings are all that the end depends on.
        batches: Of the training.
        best: Whose best weights belong to the state.
    """

    def __init__(self, checkpoints: Checkpoints, batches, best: BestWeights):
        super().__init__()
        self._checkpoints, self._batches, self._best = checkpoints, batches, best
        self.figures: list[dict[str, float]] = []
        self._order: dict | None = None

    def resume(self, model) -> int:
        """How many epochs are done; puts their end into the model and its optimizer.

        Raises:
            ValueError: if the checkpoint is damaged, of a newer version or of other settings.
        """
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        last = self._checkpoints.last()
        if last is None:
            return 0
        done, arrays, self.figures = last
        best = {name: arrays.pop(name) for name in list(arrays) if name.startswith("best.")}
        restore(model, model.optimizer, arrays, self._checkpoints.path)
        beside = self._checkpoints.beside()
        self._order = beside["order"]
        self._best.go_on_from([best[f"best.{i}"] for i in range(len(best))], beside["best"])
        return done

    def on_train_begin(self, logs=None):
        """Deals the batches as they were to be dealt; before it Keras has looked at some."""
        if self._order is not None:
            self._batches.go_on_from(self._order)

    def on_epoch_end(self, epoch, logs=None):
        """Writes the state; the batches of the next epoch have been dealt."""
        self.figures = [*self.figures, {name: float(value) for name, value in (logs or {}).items()}]
        if self._best.cut_short:
            return  # an epoch that Ctrl-C ended is begun anew
        arrays = arrays_of(self.model, self.model.optimizer)
        arrays |= {f"best.{i}": value for i, value in enumerate(self._best.weights)}
        beside = {"order": self._batches.state, "best": self._best.state}
        self._checkpoints.save(epoch + 1, arrays, self.figures, beside)

    def whole(self, history: keras.callbacks.History) -> keras.callbacks.History:
        """`history` with the epochs of all runs."""
        names = self.figures[0] if self.figures else ()
        history.epoch = list(range(len(self.figures)))
        history.history = {name: [one[name] for one in self.figures if name in one] for name in names}
        return history


class Turns(keras.callbacks.Callback):
    """Lets other threads use a model that is in training: each waits for the end of a step, and the next step waits for it.

    Between two steps alone are a model's weights whole: on JAX, Keras takes them out of the model during training, and each
    step gives the arrays that hold them away.
    """

    def __init__(self):
        super().__init__()
        self._changed = threading.Condition()
        self._trainer: int | None = None  # the thread that trains
        self._asked = self._admitted = self._served = 0

    @contextlib.contextmanager
    def training(self):
        """For the thread that trains: begins once nobody uses the model."""
        backend.use()
        with self._changed:
            self._changed.wait_for(lambda: self._trainer is None and self._served == self._asked)
            self._trainer = threading.get_ident()
        try:
            yield
        finally:
            with self._changed:
                self._trainer, self._admitted = None, self._asked
                self._changed.notify_all()

    @contextlib.contextmanager
    def turn(self):
        """For whoever needs the weights, one after the other, as they asked: Keras' prediction gives arrays away, too.

        The thread that trains need not wait for itself.
        """
        backend.use()
        if self._trainer == threading.get_ident():
            yield
            return
        with self._changed:
            self._asked += 1
            ticket = self._asked
            self._changed.wait_for(
                lambda: self._served + 1 == ticket and (self._trainer is None or ticket <= self._admitted)
            )
        try:
            yield
        finally:
            with self._changed:
                self._served += 1
                self._changed.notify_all()

    def on_train_batch_end(self, batch, logs=None):
        """Those who have asked by now have their turn."""
        with self._changed:
            if self._asked == self._served:
                return
            if hasattr(self.model, "jax_state_sync"):
                self.model.jax_state_sync()
            self._admitted = self._asked
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._served >= self._admitted)
