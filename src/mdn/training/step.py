"""One step of training on JAX: the gradient, Adam along a cosine, and the average of the weights. Every compiled loop runs it."""

from __future__ import annotations

import weakref
from typing import Any, NamedTuple

import numpy as np

from mdn.training.optimizer import make_optimizer

COMPILER_OPTIONS: dict[str, int] | None = None  # XLA's options for the epochs; None: those of the environment
_PROGRAMS: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


class Learning(NamedTuple):
    """What a step changes; weights are (trainable, fixed)."""

    weights: Any
    averaged: Any
    """Trainable weights, averaged over the steps; the same as `weights` without averaging."""
    moments: Any
    """The variables of the optimizer."""


class Schedule(NamedTuple):
    """The numbers that may change from fit to fit without another compilation; see `fit`."""

    learning_rate: Any
    decay_steps: Any
    averaging: Any
    noise: Any
    """The standard deviation of noise on the targets, or None."""


class Step:
    """A step of one model under one loss.

    Args:
        model: A built Keras model.
        loss: The loss.
        global_clipnorm: As in `fit`.
        weight_decay: As in `fit`.
    """

    def __init__(self, model, loss, global_clipnorm, weight_decay):
        self._model, self.loss = model, loss
        self.optimizer = make_optimizer(1e-3, global_clipnorm, weight_decay)
        self.optimizer.build(model.trainable_variables)
        self._rate = next(i for i, v in enumerate(self.optimizer.variables) if v is self.optimizer._learning_rate)
        self._fresh = [np.asarray(v.value) for v in self.optimizer.variables]

    @property
    def start(self) -> Learning:
        """The weights that the model has now, and the optimizer's state before the first step."""
        weights = (
            [v.value for v in self._model.trainable_variables],
            [v.value for v in self._model.non_trainable_variables],
        )
        return Learning(weights, weights[0], list(self._fresh))

    def score(self, trainable, fixed, rows):
        """The loss of `rows`, which are (x, y, weight), as in validation."""
        x, y, weight = rows
        params, _ = self._model.stateless_call(trainable, fixed, x, training=False)
        return self.loss(y, params, weight)

    def cost(self, trainable, fixed, rows):
        """(the training loss of `rows`, the fixed weights after them)."""
        x, y, weight = rows
        params, fixed, losses = self._model.stateless_call(trainable, fixed, x, training=True, return_losses=True)
        return self.loss(y, params, weight) + sum(losses), fixed

    def gradient(self, trainable, fixed, rows):
        """(the training loss of `rows`, the fixed weights after them, the gradient of the trainable ones)."""
        import jax

        (value, fixed), slopes = jax.value_and_grad(self.cost, has_aux=True)(trainable, fixed, rows)
        return value, fixed, slopes

    def __call__(self, now: Learning, rows, key, schedule: Schedule) -> tuple[Learning, Any]:
        """(what is learnt after one step, the loss of its rows); `key` draws the noise on targets."""
        import jax
        from jax import numpy as jnp

        x, y, weight = rows
        (trainable, fixed), averaged, moments = now
        if schedule.noise is not None:
            y = y + schedule.noise * jax.random.normal(key, y.shape, y.dtype)

        value, fixed, slopes = self.gradient(trainable, fixed, (x, y, weight))
        at = moments[0].astype("float32") / schedule.decay_steps
        moments = list(moments)
        moments[self._rate] = schedule.learning_rate * 0.5 * (1.0 + jnp.cos(jnp.pi * jnp.minimum(at, 1.0)))
        trainable, moments = self.optimizer.stateless_apply(moments, slopes, trainable)
        # A young average forgets faster, since it starts from weights that were not learnt
        done = at * schedule.decay_steps
        keep = jnp.minimum(schedule.averaging, done / (done + 10.0))
        averaged = jax.tree.map(lambda old, new: keep * old + (1.0 - keep) * new, averaged, trainable)
        return Learning((trainable, fixed), averaged, moments), value


def kept_program(model, kind, loss, plan, *settings):
    """The program `kind(model, loss, plan.global_clipnorm, plan.weight_decay, *settings)`, made once for a model and settings.

    Args:
        model: The model, with which the program is kept.
        kind: The class of the program.
        loss: As in `fit`.
        plan: The `Plan` of the training.
        settings: All else that the program is compiled for.
    """
    programs = _PROGRAMS.setdefault(model, {})
    made_of = loss, plan.global_clipnorm, plan.weight_decay, *settings
    compiled_as = kind, made_of, frozenset((COMPILER_OPTIONS or {}).items())
    if compiled_as not in programs:
        # A weak reference: the value must not keep its own key, the model, alive
        programs[compiled_as] = kind(weakref.proxy(model), *made_of)
    return programs[compiled_as]


def put(model, trainable, fixed) -> None:
    """Puts weights into the model."""
    for group, values in ((model.trainable_variables, trainable), (model.non_trainable_variables, fixed)):
        for variable, value in zip(group, values, strict=True):
            variable.assign(value)


def finished(model, step: Step, weights, moments) -> None:
    """Puts weights into the model and the last state into its optimizer, and compiles the model with it."""
    put(model, *weights)
    for variable, value in zip(step.optimizer.variables, moments, strict=True):
        variable.assign(value)
    model.compile(optimizer=step.optimizer, loss=step.loss)
