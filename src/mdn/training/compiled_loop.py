"""Epochs on JAX: shuffling, steps, validation and comparison with the best so far, many epochs in one program.

For small networks this is several times faster than Keras' loop over steps. Programs are kept: with the model, so that
another fit of about the same number of rows compiles nothing, and on disk between runs.
"""

from __future__ import annotations

import contextlib
import math
import time
import weakref
from typing import Any, NamedTuple

import numpy as np

from mdn.training.optimizer import make_optimizer
from mdn.training.process import keep_compiled_programs

COMPILER_OPTIONS: dict[str, int] | None = None  # XLA's options for the epochs; None: those of the environment
_MOST_EPOCHS_A_CALL = 256
_SECONDS_A_CALL = 0.2  # how long a progress bar stands still, and Ctrl-C waits
_FOREVER = 2**31 - 1
_PROGRAMS: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


class State(NamedTuple):
    """The state that one epoch passes to the next; weights are (trainable, fixed)."""

    weights: Any
    averaged: Any
    """Trainable weights, averaged over the steps; the same as `weights` without averaging."""
    moments: Any
    key: Any
    best: Any
    best_loss: Any
    stale: Any
    """Epochs since the best."""


class CompiledLoop:
    """Epochs in compiled programs; the best weights stay on the device until the end."""

    stopped = False
    """Whether a callback has asked to stop."""

    def __init__(self, model, loss, data, held_out, plan):
        import jax
        from jax import numpy as jnp

        keep_compiled_programs()
        programs = _PROGRAMS.setdefault(model, {})
        settings = (loss, plan.batch_size, plan.global_clipnorm, plan.weight_decay)
        compiled_as = settings, frozenset((COMPILER_OPTIONS or {}).items())
        if compiled_as not in programs:
            # A weak reference: the value must not keep its own key, the model, alive
            programs[compiled_as] = _Program(weakref.proxy(model), *settings)
        self._model, self._program = model, programs[compiled_as]
        self._plan, self._count = plan, len(data[0])
        self._data = _padded(data)
        self._held_out = None if held_out is None else _padded(held_out)
        self._noise = None if plan.target_noise is None else jnp.asarray(plan.target_noise, data[1].dtype)
        weights = [v.value for v in model.trainable_variables], [v.value for v in model.non_trainable_variables]
        self._state = State(
            weights,
            weights[0],
            self._program.moments(),
            jax.random.key(plan.seed),
            weights,
            jnp.inf,
            jnp.asarray(0, "int32"),
        )
        self._seconds_an_epoch: float | None = None

    def start(self) -> float | None:
        """The validation loss before training, None without validation data."""
        if self._held_out is None:
            return None
        value = self._program.score(*self._state.weights, self._held_out)
        self._state = self._state._replace(best_loss=value)
        return float(value)

    def run(self, most: int) -> list[tuple[float, float | None]]:
        """Runs at least one and at most `most` epochs, and returns (loss, validation loss) of each; stops when patience ends."""
        if self._seconds_an_epoch is None:
            count = 1
        else:
            count = int(np.clip(_SECONDS_A_CALL / max(self._seconds_an_epoch, 1e-6), 1, _MOST_EPOCHS_A_CALL))
        plan = self._plan
        start = time.perf_counter()
        # No argument is donated: else a Ctrl-C between the program's end and the assignment would lose the weights
        self._state, losses, scores, done = self._program.run(
            self._state,
            self._data,
            self._held_out,
            self._noise,
            self._count,
            min(count, most),
            _FOREVER if plan.patience is None else plan.patience,
            plan.learning_rate,
            math.ceil(self._count / plan.batch_size) * plan.decay_epochs,
            plan.averaging,
        )
        done = int(done)
        seconds = (time.perf_counter() - start) / done
        # The first call may include compiling, so its time does not count
        self._seconds_an_epoch = _SECONDS_A_CALL if self._seconds_an_epoch is None else seconds
        losses, scores = np.asarray(losses)[:done].tolist(), np.asarray(scores)[:done].tolist()
        return list(zip(losses, [None] * done if self._held_out is None else scores, strict=True))

    @contextlib.contextmanager
    def shown(self):
        """A block in which the model holds the weights that validation scores."""
        self._put(self._state.averaged, self._state.weights[1])
        yield

    def _put(self, *weights) -> None:
        groups = self._model.trainable_variables, self._model.non_trainable_variables
        for group, values in zip(groups, weights, strict=True):
            for variable, value in zip(group, values, strict=True):
                variable.assign(value)

    def finish(self) -> None:
        """Puts the best weights into the model and its last state into the optimizer, and compiles the model with it."""
        state = self._state
        self._put(*((state.averaged, state.weights[1]) if self._held_out is None else state.best))
        for variable, value in zip(self._program.optimizer.variables, self._state.moments, strict=True):
            variable.assign(value)
        self._model.compile(optimizer=self._program.optimizer, loss=self._program.loss)


class _Program:
    """Compiled once for each shape of the data; every number that changes from fit to fit is an argument."""

    def __init__(self, model, loss, batch_size, global_clipnorm, weight_decay):
        import jax

        self._model, self.loss, self._batch_size = model, loss, batch_size
        self.optimizer = make_optimizer(1e-3, global_clipnorm, weight_decay)
        self.optimizer.build(model.trainable_variables)
        self._rate = next(i for i, v in enumerate(self.optimizer.variables) if v is self.optimizer._learning_rate)
        self._fresh = [np.asarray(v.value) for v in self.optimizer.variables]
        self.run = jax.jit(self._run, compiler_options=COMPILER_OPTIONS)
        self.score = jax.jit(self._score)

    def moments(self):
        """The optimizer's state before the first step."""
        return list(self._fresh)

    def _score(self, trainable, fixed, rows):
        x, y, weight = rows
        params, _ = self._model.stateless_call(trainable, fixed, x, training=False)
        return self.loss(y, params, weight)

    def _run(self, state, data, held_out, noise, count, most, patience, learning_rate, decay_steps, averaging):
        import jax
        from jax import numpy as jnp

        def go_on(carry):
            state, _, _, done = carry
            return (done < most) & (state.stale < patience)

        def epoch(carry):
            state, losses, scores, done = carry
            state, loss = self._epoch(state, data, noise, count, learning_rate, decay_steps, averaging)
            if held_out is not None:
                candidate = state.averaged, state.weights[1]
                score = self._score(*candidate, held_out)
                better = score < state.best_loss
                state = state._replace(
                    best=jax.tree.map(lambda new, old: jnp.where(better, new, old), candidate, state.best),
                    best_loss=jnp.where(better, score, state.best_loss),
                    stale=jnp.where(better, 0, state.stale + 1),
                )
                scores = scores.at[done].set(score)
            return state, losses.at[done].set(loss), scores, done + 1

        empty = jnp.zeros(_MOST_EPOCHS_A_CALL)
        return jax.lax.while_loop(go_on, epoch, (state, empty, empty, 0))

    def _epoch(self, state, data, noise, count, learning_rate, decay_steps, averaging):
        import jax
        from jax import numpy as jnp

        key, shuffle, blur = jax.random.split(state.key, 3)
        size = data[0].shape[0]
        # A random order of the first `count` rows; padding has larger keys and sorts behind them
        order = jnp.argsort(jnp.where(jnp.arange(size) < count, jax.random.uniform(shuffle, (size,)), 2.0))
        steps = -(-count // self._batch_size)

        def cost(trainable, fixed, x, y, weight):
            params, fixed, losses = self._model.stateless_call(trainable, fixed, x, training=True, return_losses=True)
            return self.loss(y, params, weight) + sum(losses), fixed

        def step(i, carry):
            (trainable, fixed), averaged, moments, total = carry
            # The last batch is filled up with rows from the front of the order
            index = order[(i * self._batch_size + jnp.arange(self._batch_size)) % count]
            x, y, weight = (part[index] for part in data)
            if noise is not None:
                y = y + noise * jax.random.normal(jax.random.fold_in(blur, i), y.shape, y.dtype)
            (value, fixed), slopes = jax.value_and_grad(cost, has_aux=True)(trainable, fixed, x, y, weight)
            at = moments[0].astype("float32") / decay_steps
            moments = list(moments)
            moments[self._rate] = learning_rate * 0.5 * (1.0 + jnp.cos(jnp.pi * jnp.minimum(at, 1.0)))
            trainable, moments = self.optimizer.stateless_apply(moments, slopes, trainable)
            # A young average forgets faster, since it starts from weights that were not learnt
            keep = jnp.minimum(averaging, at * decay_steps / (at * decay_steps + 10.0))
            averaged = jax.tree.map(lambda old, new: keep * old + (1.0 - keep) * new, averaged, trainable)
            return (trainable, fixed), averaged, moments, total + value

        start = (state.weights, state.averaged, state.moments, 0.0)
        weights, averaged, moments, total = jax.lax.fori_loop(0, steps, step, start)
        return state._replace(weights=weights, averaged=averaged, moments=moments, key=key), total / steps


def _padded(rows):
    """x, y and weights, padded with rows of missing targets, so that tables of similar size share one program."""
    from jax import numpy as jnp

    count = len(rows[0])
    power = 2 ** max(6, math.ceil(math.log2(count)) - 3)  # sizes rise in steps of an eighth to a quarter
    size = max(256, math.ceil(count / power) * power)
    fills = (0.0, np.nan, 0.0)
    return tuple(
        jnp.asarray(np.concatenate([part, np.full((size - count, *part.shape[1:]), fill, part.dtype)]))
        for part, fill in zip(rows, fills, strict=True)
    )
