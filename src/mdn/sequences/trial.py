"""Short trainings that decide, before the training of a short recording, what it starts from and how long it takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from mdn import numerics
from mdn.sequences import together
from mdn.sequences.material import Material
from mdn.sequences.plan import SURE, Plan
from mdn.sequences.ragged import lengths_of
from mdn.sequences.training import FEW, BestWeights, adam
from mdn.training import exchange
from mdn.training.checkpoints import Checkpoints
from mdn.training.interrupt import ctrl_c_waits

_MOST = 6000  # events to learn from; with more, a network learns the same from either start, and trials take long
_SHARE = 4  # a trial has a quarter of the epochs of the training
_PATIENCE = 4  # and ends once a quarter of its epochs have brought nothing
_FEWEST = 10  # epochs without a better score before a trial ends, at least

Weights = list[tuple[keras.Variable, np.ndarray]]
"""Variables, each with its value."""


@dataclass(frozen=True)
class Trial:
    """What a short training was worth.

    Attributes:
        scores: The NLL of each held-out event at its best epoch.
        over: Whether that epoch was well before the end, so that a longer training would only learn chance.
        stopped: Whether Ctrl-C ended it.
        history: What `fit` returned.
    """

    scores: np.ndarray
    over: bool
    stopped: bool
    history: keras.callbacks.History


def adapt(model, data: Material, optimizer) -> Weights | None:
    """Adapts `model` to `data`. Returns the weights that it had before, if trials should decide what it starts from.

    Trials decide only for a short recording of which `fit` itself holds events out, with an optimizer that `fit` makes.
    """
    listed = data.by_itself and data.held_out is not None and isinstance(data.rows, list)
    free = model.linear is not None and optimizer is adam and (not model.compiled or model._compiled_by_fit)
    before = _weights(model) if listed and free and int(np.sum(lengths_of(data.rows))) <= _MOST else None
    together.adapt(model, data.sample)
    return before


def chosen(
    model, data: Material, how: Plan, before: Weights, checkpoint=None, **settings: Any
) -> tuple[Plan, keras.callbacks.History | None]:
    """Tries a short training with the linear start and one without it, and adapts `model` as the better one was.

    If the next event is a curved function of the last ones, a linear start is in the way: the network must first unlearn it.
    Each trial begins with the same weights, adapts to the events that it learns from, and sees the same batches. If the better
    one was best well before its end, the training takes as few epochs as a trial did, so that its rate falls in time.

    Args:
        model: It was adapted to `data`, with its linear start.
        data: What it learns from.
        how: The plan of the training.
        before: The weights before that, as `adapt` returns them.
        checkpoint: Of `fit`. If it holds a training that was killed, nothing is tried: that training goes on, with its weights
            and the number of epochs that was chosen for it.
        **settings: Of `fit`, for each trial.

    Returns:
        (the plan, and None); or, if Ctrl-C ended a trial, the plan and its history. The model then has the best weights so far.

    Raises:
        KeyboardInterrupt: if Ctrl-C was pressed before anything was learnt; the model is then as it came.
    """
    if begun := _begun(checkpoint, how):
        return replace(how, epochs=begun), None
    epochs, first = max(1, how.epochs // _SHARE), _weights(model)

    def tried(linear: bool) -> Trial:
        _put_back(before)
        together.adapt(model, data.rows, linear=linear)
        return _trial(model, data, epochs, pressed, settings)

    # no other thread may use weights that are half those of one trial and half those of the next
    with ctrl_c_waits() as pressed, model._turns.training():
        try:
            linear = tried(True)
        except BaseException:
            _put_back(before)
            model.adapted = False
            raise
        if pressed or linear.stopped:
            return how, linear.history
        learnt = _weights(model)
        try:
            nothing = tried(False)
        except KeyboardInterrupt:  # before its first epoch
            _put_back(learnt)
            return how, linear.history
        if pressed or nothing.stopped:
            if len(nothing.scores) and np.mean(nothing.scores) < np.mean(linear.scores):
                return how, nothing.history
            _put_back(learnt)
            return how, linear.history
        gain = linear.scores - nothing.scores
        better = numerics.surely_positive(gain, SURE * (1.0 + FEW / len(gain)))  # else the simpler start
        if better:
            _put_back(before)
            together.adapt(model, data.sample, linear=False)
        else:
            _put_back(first)
    return replace(how, epochs=epochs) if (nothing if better else linear).over else how, None


def _begun(checkpoint, how: Plan) -> int:
    """The epochs of a training that has a checkpoint, in any process; 0 if none has one."""
    if checkpoint is None:
        return 0
    kept = Checkpoints(checkpoint, {})
    epochs = (kept.begun_with("epochs") or how.epochs) if kept.path.exists() else 0
    return epochs if together.place()[1] == 1 else int(exchange.of_all(np.int32(epochs)).max())


def _trial(model, data: Material, epochs: int, pressed, settings) -> Trial:
    patience = max(_FEWEST, epochs // _PATIENCE)
    best = BestWeights(data.held_out, data.judged_after, patience, pressed, averages=True)
    beside = dict(zip(model._asked_for, data.conditions, strict=True))
    history = model.fit(data.rows, **beside, **settings, epochs=epochs, callbacks=[best], verbose=0)
    best.restore(model)
    stopped = len(history.epoch) < epochs and not best.is_over
    return Trial(best.scores, best.is_over, stopped, history)


def _weights(model) -> Weights:
    """Each variable with its value: also what dropout draws next, so that a trial changes nothing of the training after it."""
    return [(variable, np.array(keras.ops.convert_to_numpy(variable))) for variable in model.variables]


def _put_back(weights: Weights) -> None:
    for variable, value in weights:
        variable.assign(value)
