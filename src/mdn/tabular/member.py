"""One member of an ensemble: a network trained on part of a table; the held-out part says when to stop."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from scipy.optimize import minimize_scalar

from mdn import training
from mdn.distributions import Spec
from mdn.tabular.network import Architecture, Layers, packed, shared, widened

DEAD = 1e-6
"""A component with no greater weight in any row of training is left out: it changes no likelihood noticeably."""
MOST_STEPS = 40_000  # so a large table is trained for fewer epochs
CALIBRATION_ROWS = LOOKED_AT = 20_000
FEW_ROWS = 4000
"""With so many rows at most, trainings share compiled programs, and rows that chose nothing help to widen the scales."""
_TELL_EVERY = 20
_WIDENED_BY = 2  # parts of the rows
_STREAM = 0x71DE  # of random numbers
_PRIOR = 0.3  # standard deviation of the logarithm of the factor
_LOG_FACTORS = (-0.7, 1.6)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How members are trained; see `MDNRegressor`."""

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    target_noise: float
    averaging: float
    patience: int
    restarts: int
    refit: bool
    program: Architecture
    """The network that trains. What it has beyond the member's own, components and bins, is dead: members that differ in these
    share one program."""


@dataclasses.dataclass
class Member:
    """A trained network.

    Attributes:
        architecture: The shape of the network.
        weights: NumPy arrays, as `Shared.weights` returns them.
        val_loss: The best held-out loss.
        history: The history of the training that found it.
        widening: The factor of all scales that makes held-out rows most likely: a network that fits its own rows well
            predicts scales that are too small for new ones.
        alive: The components that have weight in some row of training; the others are left out.
        start: The seed of the best of several starts; None where nobody needs it any more.
        judged: -log density of each held-out row, or of the first 20,000; None where nobody needs it any more.
    """

    architecture: Architecture
    weights: list[np.ndarray]
    val_loss: float
    history: training.History
    widening: float
    alive: list[int]
    start: int | None = None
    judged: np.ndarray | None = None

    @classmethod
    def constant(cls, architecture: Architecture, value) -> Member:
        """A member that predicts `value` (D,) for any features; scale: a thousandth of its size, or 0.001 where it is 0."""
        network = shared(architecture)
        value = np.asarray(value, "float32")
        with network.lock:
            network.start_constant(value, 1e-3 * np.where(value == 0.0, 1.0, np.abs(value)))
            return cls(architecture, network.weights(), float("nan"), training.History(), 1.0, [0])

    @property
    def spec(self) -> Spec:
        """The spec of the params that `params` returns."""
        return dataclasses.replace(self.architecture, num_components=len(self.alive)).spec

    @property
    def layers(self) -> Layers:
        """The weights by the layers to which they belong."""
        return shared(self.architecture).layers(self.weights)

    def params(self, x, origin=0.0) -> np.ndarray:
        """Packed params `(N, spec.params_size)` for features `(N, features)`, with `loc` moved by `origin` (D,)."""
        network = shared(self.architecture)
        loc, scale, logits, *atoms = network.blocks(network.predict(self.weights, x))
        scale = self.architecture.wider(scale[:, self.alive], self.widening)
        return packed(loc[:, self.alive] + origin, scale, logits[:, self.alive], *atoms)


class Rows(NamedTuple):
    """The rows that a member learns from.

    A tuple, since arrays inside a tuple travel with the task. Joblib moves arrays that are arguments themselves to one worker
    of a Dask cluster, and they are lost if that worker ends.

    Attributes:
        x: Features, shape `(N, F)`.
        y: Targets, as `Outcome.learnable` returns them: points `(N, D)`, bounds `(N, 2 D)`, or points and atoms `(N, 2)`.
        starts: A point for each target, from which a training begins, as `Outcome.points` returns it.
        weight: Shape `(N,)`.
        train: Indices of the rows to learn from.
        valid: Indices of the rows that say when to stop.
        elsewhere: A checksum of the rows that a feed brings beside these, or None if these are all.
    """

    x: np.ndarray
    y: np.ndarray
    starts: np.ndarray
    weight: np.ndarray
    train: np.ndarray
    valid: np.ndarray
    elsewhere: str | None = None


def fit_member(
    architecture: Architecture,
    table: Rows,
    recipe: Recipe,
    seed: int,
    tried: Member | None = None,
    *,
    on_epoch: Callable[[int, training.History], None] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Member:
    """Trains on the rows `train` and stops by the rows `valid`; with `recipe.refit`, it then trains anew on all of both.

    With `FEW_ROWS` rows at most, two more trainings come before that one, each without a part of the rows `train`: they help to
    tell how much the scales must be widened.

    Args:
        architecture: The network's shape.
        table: The rows.
        recipe: How to train.
        seed: Seeds the initial weights, shuffling and noise.
        tried: What the same arguments without `recipe.refit` gave: then only the second training is left.
        on_epoch: As in `mdn.training.fit`.
        callbacks: As there; called in each training that has held-out rows that say when to stop, not in those after it.

    Raises:
        KeyboardInterrupt: if Ctrl-C was pressed before the first epoch.
    """
    network = shared(recipe.program)
    train, valid = table.train, table.valid
    x = widened(table.x, architecture.width)
    y, weight = np.asarray(table.y, "float32"), np.asarray(table.weight, "float32")
    starts = np.asarray(table.starts, "float32")
    batch = recipe.batch_size
    most = max(1, min(recipe.epochs, MOST_STEPS // math.ceil(len(train) / batch)))

    def run(rows, epochs, validation, seed):
        network.start(x[rows], starts[rows], seed, architecture)
        spread = np.asarray(network.model.layers[-1].target_scale)
        return training.fit(
            network.model,
            x[rows],
            y[rows],
            network.loss,
            sample_weight=weight[rows],
            validation=validation,
            epochs=epochs,
            decay_epochs=most,
            batch_size=batch,
            learning_rate=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            patience=recipe.patience,
            averaging=recipe.averaging,
            target_noise=recipe.target_noise * spread if recipe.target_noise else None,
            global_clipnorm=10.0,
            seed=seed,
            on_epoch=on_epoch,
            callbacks=() if validation is None else callbacks,
        )

    def made(weights, history, widening, start, judged=None) -> Member:
        alive = alive_of(network.blocks(network.predict(weights, x[:LOOKED_AT]))[2])
        weights = network.narrowed(weights, architecture)
        return Member(architecture, weights, min(history.val_loss), history, widening, alive, start, judged)

    def tried_first() -> Member:
        history, start, weights = best_start(
            network, lambda start: run(train, most, (x[valid], y[valid], weight[valid]), start), seed, recipe.restarts
        )
        few = valid[:CALIBRATION_ROWS]
        params = network.predict(weights, x[few])
        widening = widening_of(network, params, y[few], weight[few]) if architecture.loss == "nll" else 1.0
        return made(weights, history, widening, start, network.nll(network.widen(params, widening), y[few]))

    def widening_by_parts(every, epochs, first) -> tuple[bool, float]:
        """(whether Ctrl-C came, the widening that three parts of the rows call for; two of them chose nothing).

        The rows `valid` chose the epoch, and perhaps components and bins, so they call for narrower scales than new rows would.
        Two parts of the other rows, as large as `valid`, chose nothing. Each is held out from a training of the same length,
        which learns from fewer rows than the last training does, so these parts call for wider scales than needed. The factor
        is the geometric mean of all three.
        """
        order = np.random.default_rng([_STREAM, first.start]).permutation(train)
        size = min(len(valid), max(1, len(train) // _WIDENED_BY))
        params, judges = [], []
        for part in range(min(_WIDENED_BY, len(order) // size)):
            judges.append(np.sort(order[part * size : (part + 1) * size]))
            if run(np.setdiff1d(every, judges[-1]), epochs, None, first.start).interrupted:
                return True, first.widening
            params.append(network.predict(network.weights(), x[judges[-1]]))
        at = np.concatenate(judges)
        unchosen, parts = widening_of(network, np.concatenate(params), y[at], weight[at]), len(judges)
        return False, float((first.widening * unchosen**parts) ** (1.0 / (1 + parts)))

    with network.lock, training.ctrl_c_waits():
        first = tried_first() if tried is None else tried
        if not recipe.refit or first.history.interrupted or not first.history.best_epoch:
            return first
        history, widening = dataclasses.replace(first.history), first.widening
        try:
            every = np.concatenate([train, valid])
            if architecture.loss == "nll" and len(every) <= FEW_ROWS:
                history.interrupted, widening = widening_by_parts(every, history.best_epoch, first)
            if not history.interrupted:
                history.interrupted = run(every, history.best_epoch, None, first.start).interrupted
        except KeyboardInterrupt:  # before its first epoch
            history.interrupted = True
        if history.interrupted:  # half of a second training is worse than the first
            return dataclasses.replace(first, history=history)
        return made(network.weights(), history, widening, first.start)


def listeners(callbacks, verbose) -> dict[str, Any]:
    """The arguments `on_epoch` and `callbacks` of `fit_member` for the user's callbacks and `verbose`."""
    callbacks = callbacks if isinstance(callbacks, list | tuple) else [] if callbacks is None else [callbacks]
    keras_ones = [callback for callback in callbacks if isinstance(callback, keras.callbacks.Callback)]
    training.check_callbacks(keras_ones)
    others = [callback for callback in callbacks if not isinstance(callback, keras.callbacks.Callback)]
    return {"on_epoch": _teller(others, verbose), "callbacks": keras_ones}


def _teller(callbacks, verbose):
    """The function to call after each epoch, None if there is nothing to call."""
    if not callbacks and not verbose:
        return None

    def tell(epoch, history):
        logs = {name: curve[-1] for name, curve in history.history.items()}
        for callback in callbacks:
            callback.on_epoch_end(epoch - 1, logs)
        if verbose and epoch % _TELL_EVERY == 0:
            print(f"epoch {epoch}: " + ", ".join(f"{name} {value:.4f}" for name, value in logs.items()), flush=True)

    return tell


def best_start(network, train, seed: int, restarts: int):
    """(history, seed, weights) of the best of several trainings, by the held-out loss."""
    best: tuple | None = None
    for start in (seed, *np.random.default_rng(seed).integers(0, 2**31 - 1, restarts - 1).tolist()):
        try:
            history = train(start)
        except KeyboardInterrupt:  # before its first epoch
            if best is None:
                raise
            best[0].interrupted = True
            break
        if best is None or min(history.val_loss) < min(best[0].val_loss):
            best = history, start, network.weights()
        if history.interrupted:
            best[0].interrupted = True
            break
    return best


def alive_of(logits) -> list[int]:
    """Components with a weight above `DEAD` in some row."""
    weights = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
    return np.flatnonzero(np.max(weights, axis=0) > DEAD).tolist()


def widening_of(network, params, y, weight) -> float:
    """The factor of all scales that makes held-out targets most likely; a prior keeps it near 1 where they are few.

    Reference:
        Guo et al. (2017), On calibration of modern neural networks; here for densities.
    """

    def cost(log_factor):
        nll = network.nll(network.widen(params, np.exp(log_factor)), y)
        return float(np.sum(weight * nll)) + 0.5 * (log_factor / _PRIOR) ** 2

    return float(np.exp(minimize_scalar(cost, bounds=_LOG_FACTORS, method="bounded", options={"xatol": 1e-3}).x))
