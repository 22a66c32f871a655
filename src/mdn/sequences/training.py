"""Training of sequence models, added to Keras' own fit: a falling rate, an exact held-out NLL, best weights, checkpoints."""

from __future__ import annotations

import contextlib
import math
import threading

import keras
import numpy as np

from mdn import backend, numerics
from mdn.sequences.together import agreed, place, share_newest
from mdn.training.checkpoints import Checkpoints, arrays_of, restore
from mdn.training.interrupt import CtrlC, StopsAtBatchEnd

FEW = 10.0  # held-out events; on so few a gain must be twice as sure as on many
_RECENT = 8.0  # the larger it is, the fewer of the last epochs a mean of weights counts


def schedule(learning_rate: float, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """A cosine from `learning_rate` to a hundredth of it, after a short rise, since the first gradients of an LSTM are large."""
    rise = max(1, min(200, steps // 20))
    return keras.optimizers.schedules.CosineDecay(
        learning_rate / 10.0, max(1, steps - rise), alpha=0.01, warmup_target=learning_rate, warmup_steps=rise
    )


def adam(rate) -> keras.optimizers.Optimizer:
    """Adam with gradients clipped to a norm of 1, which suits most networks.

    Example:
        >>> import mdn
        >>> round(float(mdn.sequences.adam(0.003).learning_rate), 4)
        0.003
    """
    return keras.optimizers.Adam(rate, global_clipnorm=1.0)


def muon(rate) -> keras.optimizers.Optimizer:
    """Muon for the matrices of the layers, Adam at half the rate for biases, the head and the mover of a window.

    Use it after a few epochs of Adam: then it needs far fewer steps than `adam`, each a tenth slower. At first Adam is faster.

    Example:
        >>> import mdn
        >>> mdn.sequences.muon(0.003).name
        'muon'

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
    """Scores held-out sequences after each epoch and keeps the best weights; Ctrl-C ends the epoch after the running step.

    Keras' own validation averages batch means; this is the mean over all steps.

    Args:
        held_out: (sequences, other arguments of `nll` by name), or None: then the last weights are kept.
        given: How many events at the start of each held-out sequence are not scored.
        patience: Epochs without a better score before training stops.
        pressed: See `StopsAtBatchEnd`.
        sure: By how many standard errors an epoch must be better than the best one so far, if there are many held-out events.
            With few of them it must be better by more, with twenty by half as much again: of thousands of epochs, one is better
            on a few events by chance alone.
        averages: Whether to score and keep, after each epoch, a mean of the weights, roughly over the last ninth of the epochs so
            far: the weights after a single epoch carry the noise of its steps. Training goes on from these, not from the mean.

    Reference:
        Shamir and Zhang (2013), Stochastic gradient descent for non-smooth optimization, section 4: polynomial-decay averaging.
    """

    def __init__(
        self, held_out, given: int, patience: int | None, pressed: CtrlC, sure: float = 0.0, averages: bool = False
    ):
        super().__init__(pressed)
        self._held_out, self._given, self._patience, self._sure = held_out, given, patience, sure
        self._averages = averages and held_out is not None
        self._mean: list[np.ndarray] = []
        self._best, self._start, self._stale, self._epochs = math.inf, math.inf, 0, 0
        self._scores: np.ndarray | None = None  # of the best epoch, one a held-out event
        self._weights: list[np.ndarray] = []
        self._kept: list[tuple[keras.Variable, np.ndarray]] = []

    def on_train_begin(self, logs=None):
        """Copies the weights before the first step, and scores them: a model may start from something good."""
        self._keep()
        if self._held_out is not None and not self._weights:
            self._keep_best(self._score())
            self._start = self._best

    def on_epoch_end(self, epoch, logs=None):
        """Adds "val_nll" to the logs, unless Ctrl-C was pressed twice."""
        self._epochs += 1
        self._keep()
        if self._held_out is None or self._pressed.times > 1:
            return
        now = self._take_mean() if self._averages else []
        scores = self._score()
        if logs is not None:
            logs["val_nll"] = float(np.mean(scores))
        better = self._is_better(scores)
        if better:
            self._keep_best(scores)
        self._assign(now)
        self._stale = 0 if better else self._stale + 1
        if self.is_over:
            self.model.stop_training = True

    def _take_mean(self) -> list[np.ndarray]:
        """Puts the mean of the weights so far into the model. Returns those that it had."""
        now, share = self._current(), (_RECENT + 1.0) / (_RECENT + self._epochs)
        pairs = zip(self._mean or now, now, strict=True)
        self._mean = [mean + np.asarray(share * (new - mean), mean.dtype) for mean, new in pairs]
        self._assign(self._mean)
        return now

    def _assign(self, weights: list[np.ndarray]) -> None:
        if weights:
            for variable, value in zip(self.model.trainable_variables, weights, strict=True):
                variable.assign(value)

    def _score(self) -> np.ndarray:
        sequences, beside = self._held_out
        scores = [one[self._given :] for one in self.model.log_prob(sequences, **beside)]
        return agreed(-np.concatenate(scores))

    def _is_better(self, scores: np.ndarray) -> bool:
        if self._scores is None or not self._sure:
            return float(np.mean(scores)) < self._best
        gain = self._scores - scores
        return numerics.surely_positive(gain, self._sure * (1.0 + FEW / len(gain)))

    def _keep_best(self, scores: np.ndarray) -> None:
        self._best, self._scores, self._weights = float(np.mean(scores)), scores, self._current()

    def _current(self) -> list[np.ndarray]:
        return [np.array(keras.ops.convert_to_numpy(variable)) for variable in self.model.trainable_variables]

    @property
    def weights(self) -> list[np.ndarray]:
        """The best trainable weights so far; empty before the first score."""
        return self._weights

    @property
    def state(self) -> dict[str, float]:
        """The state that belongs to `weights` in a checkpoint, as JSON allows it."""
        scores = {"best": self._best, "start": self._start}
        finite = {name: score for name, score in scores.items() if math.isfinite(score)}
        return {**finite, "stale": self._stale, "epochs": self._epochs}

    @property
    def scores(self) -> np.ndarray:
        """The NLL of each held-out event with `weights`; empty before the first score."""
        return np.zeros(0) if self._scores is None else self._scores

    @property
    def mean(self) -> list[np.ndarray]:
        """The mean of the weights after the last epoch; empty if there is none."""
        return self._mean

    def go_on_from(
        self, weights: list[np.ndarray], mean: list[np.ndarray], scores: np.ndarray, state: dict[str, float]
    ) -> None:
        """Continues with `weights`, `mean`, `scores` and `state` of a killed training. If `mean` is empty, no mean is taken."""
        self._weights, self._mean, self._averages = weights, mean, bool(mean)
        self._best, self._start = (state.get(name, math.inf) for name in ("best", "start"))
        self._scores = scores if len(scores) else None
        self._stale, self._epochs = int(state["stale"]), int(state["epochs"])

    @property
    def cut_short(self) -> bool:
        """Whether Ctrl-C was pressed."""
        return bool(self._pressed)

    @property
    def is_over(self) -> bool:
        """Whether `patience` epochs have brought no better score."""
        return self._patience is not None and self._stale >= self._patience

    def say(self, verbose, start: str) -> None:
        """Prints what training was worth on the held-out events, if there are any.

        Args:
            verbose: Of `fit`; nothing is printed if it is 0.
            start: What the model was before the first step.
        """
        if verbose and math.isfinite(self._best) and math.isfinite(self._start):
            print(f"held-out events: {self._best:.3f} nats an event; before training, {self._start:.3f}: {start}.")
            if self._best >= self._start:
                print("Warning: training has not made the model better, so it is what it was before.")

    def restore(self, model) -> None:
        """Puts the best weights into the model."""
        if self._weights:
            for variable, value in zip(model.trainable_variables, self._weights, strict=True):
                variable.assign(value)

    def repair(self, model) -> bool:
        """After a KeyboardInterrupt: restores variables that a step took away. Returns whether the model has learnt anything."""
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
        """On JAX, copies all variables: a step takes them over, and Keras has lost them if the step is cut short."""
        if backend.NAME == "jax":
            variables = [*self.model.variables, *self.model.optimizer.variables]
            self._kept = [(one, np.array(keras.ops.convert_to_numpy(one))) for one in variables]


class Kept(keras.callbacks.Callback):
    """Writes all that training changes after each epoch, so that a kill delays a training but does not change its result.

    Args:
        checkpoints: Where to write; its settings are all that the result depends on.
        batches: The batches of the training.
        best: Its best weights and its state are written, too.
        everywhere: Whether each process writes, and not only the first one.
    """

    def __init__(self, checkpoints: Checkpoints, batches, best: BestWeights, everywhere: bool = False):
        super().__init__()
        self._writes = everywhere or not place()[0]
        self._checkpoints, self._batches, self._best = checkpoints, batches, best
        self.figures: list[dict[str, float]] = []
        self._order: dict | None = None

    def resume(self, model) -> int:
        """Restores the model and its optimizer from the checkpoint, if there is one. Returns how many epochs are done.

        Raises:
            ValueError: if the checkpoint is damaged, from a newer version or from other settings.
        """
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        last = self._checkpoints.last()
        if share_newest(self._checkpoints.path, 0 if last is None else last.done):
            last = self._checkpoints.last()
        if last is None:
            return 0
        arrays, self.figures = last.arrays, last.figures
        best, mean = _taken(arrays, "best"), _taken(arrays, "mean")
        scores = arrays.pop("scores", np.zeros(0))  # files of older versions have none
        restore(model, model.optimizer, arrays, self._checkpoints.path)
        self._order = last.beside["order"]
        self._best.go_on_from(best, mean, scores, last.beside["best"])
        return last.done

    def on_train_begin(self, logs=None):
        """Deals the batches of the next epoch as the killed training would have; Keras looked at other ones before."""
        if self._order is not None:
            self._batches.go_on_from(self._order)

    def on_epoch_end(self, epoch, logs=None):
        """Writes the state. The batches of the next epoch have been dealt by then."""
        self.figures = [*self.figures, {name: float(value) for name, value in (logs or {}).items()}]
        if self._best.cut_short or not self._writes:
            return  # a later run repeats an epoch that Ctrl-C ended
        arrays = arrays_of(self.model, self.model.optimizer)
        arrays |= {f"best.{i}": value for i, value in enumerate(self._best.weights)}
        arrays |= {f"mean.{i}": value for i, value in enumerate(self._best.mean)}
        arrays["scores"] = self._best.scores
        beside = {"order": self._batches.state, "best": self._best.state}
        self._checkpoints.save(epoch + 1, arrays, self.figures, beside)

    def whole(self, history: keras.callbacks.History) -> keras.callbacks.History:
        """`history` with the epochs of all runs."""
        names = self.figures[0] if self.figures else ()
        history.epoch = list(range(len(self.figures)))
        history.history = {name: [one[name] for one in self.figures if name in one] for name in names}
        return history


def _taken(arrays: dict[str, np.ndarray], kind: str) -> list[np.ndarray]:
    """Takes the arrays "kind.0", "kind.1", ... out of `arrays`."""
    names = [name for name in arrays if name.startswith(f"{kind}.")]
    return [arrays.pop(f"{kind}.{i}") for i in range(len(names))]


class Turns(keras.callbacks.Callback):
    """Lets other threads use a model that is in training: each waits for the end of a step, and the next step waits for it.

    A model's weights are whole only between two steps: on JAX, Keras takes them out of the model during training, and each
    step donates their arrays to XLA.
    """

    def __init__(self):
        super().__init__()
        self._changed = threading.Condition()
        self._trainer: int | None = None  # the thread that trains
        self._holder: int | None = None  # the thread that has its turn
        self._asked = self._admitted = self._served = 0

    @contextlib.contextmanager
    def training(self):
        """The block in which a thread trains; it begins once no other thread uses the model. It may stand within another."""
        backend.use()
        if self._trainer == threading.get_ident():
            yield
            return
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
        """The block in which a thread needs the weights, one thread at a time, since Keras' prediction donates arrays, too.

        The thread that trains does not wait for itself, nor does a thread that has its turn already.
        """
        backend.use()
        me = threading.get_ident()
        if me in (self._trainer, self._holder):
            yield
            return
        with self._changed:
            self._asked += 1
            ticket = self._asked
            self._changed.wait_for(
                lambda: self._served + 1 == ticket and (self._trainer is None or ticket <= self._admitted)
            )
            self._holder = me
        try:
            yield
        finally:
            with self._changed:
                self._holder = None
                self._served += 1
                self._changed.notify_all()

    def on_train_batch_end(self, batch, logs=None):
        """Gives a turn to all threads that have asked by now."""
        with self._changed:
            if self._asked == self._served:
                return
            if hasattr(self.model, "jax_state_sync"):
                self.model.jax_state_sync()
            self._admitted = self._asked
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._served >= self._admitted)
