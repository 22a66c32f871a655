"""Epochs on JAX: shuffling, steps, validation and comparison with the best so far, many epochs in one program.

For small networks this is several times faster than Keras' loop over steps. Programs are kept: with the model, so that
another fit of about the same number of rows compiles nothing, and on disk between runs.
"""

from __future__ import annotations

import contextlib
import math
import time
from typing import Any, NamedTuple

import numpy as np

from mdn.training import step
from mdn.training.process import keep_compiled_programs
from mdn.training.step import Learning, Schedule, Step, finished, kept_program, put

_MOST_EPOCHS_A_CALL = 256
_SECONDS_A_CALL = 0.2  # how long a progress bar stands still, and Ctrl-C waits
_FOREVER = 2**31 - 1
_FEWEST, _FEW = 256, 2048  # rows: from the first to the second sizes double, then they rise by an eighth to a quarter


class State(NamedTuple):
    """The state that one epoch passes to the next."""

    now: Learning
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
        self._model, self._program = model, kept_program(model, _Program, loss, plan, plan.batch_size)
        self._plan, self._count = plan, len(data[0])
        self._data = _padded(data)
        self._judged = held_out is not None
        self._held_out = self._program.with_held_out(data, held_out)
        self._noise = None if plan.target_noise is None else jnp.asarray(plan.target_noise, data[1].dtype)
        now = self._program.step.start
        # A Python number would be of another type, and make a second program
        worst = jnp.full((), jnp.inf, data[0].dtype)
        self._state = State(now, jax.random.key(plan.seed), now.weights, worst, jnp.asarray(0, "int32"))
        self._seconds_an_epoch: float | None = None

    def start(self) -> float | None:
        """The validation loss before training, None without validation data."""
        if not self._judged:
            return None
        value = self._program.score(*self._state.now.weights, self._held_out)
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
            self._judged,
            self._count,
            min(count, most),
            plan.patience if self._judged and plan.patience is not None else _FOREVER,
            Schedule(
                plan.learning_rate,
                math.ceil(self._count / plan.batch_size) * plan.decay_epochs,
                plan.averaging,
                self._noise,
            ),
        )
        done = int(done)
        seconds = (time.perf_counter() - start) / done
        # The first call may include compiling, so its time does not count
        self._seconds_an_epoch = _SECONDS_A_CALL if self._seconds_an_epoch is None else seconds
        losses, scores = np.asarray(losses)[:done].tolist(), np.asarray(scores)[:done].tolist()
        return list(zip(losses, scores if self._judged else [None] * done, strict=True))

    @contextlib.contextmanager
    def shown(self):
        """A block in which the model holds the weights that validation scores."""
        now = self._state.now
        put(self._model, now.averaged, now.weights[1])
        yield

    def finish(self) -> None:
        """Puts the best weights into the model and its last state into the optimizer, and compiles the model with it."""
        now = self._state.now
        best = self._state.best if self._judged else (now.averaged, now.weights[1])
        finished(self._model, self._program.step, best, now.moments)


class _Program:
    """Compiled once for each shape of the data; every number that changes from fit to fit is an argument."""

    def __init__(self, model, loss, global_clipnorm, weight_decay, batch_size):
        import jax

        self.step, self._batch_size = Step(model, loss, global_clipnorm, weight_decay), batch_size
        self.run = jax.jit(self._run, compiler_options=step.COMPILER_OPTIONS)
        self.score = jax.jit(self.step.score)
        self._judges = False  # whether a training of this model had held-out rows

    def with_held_out(self, data, held_out):
        """The held-out rows that `run` takes, padded, or None.

        A model that has been trained with such rows, and then learns without, gets a row that nobody scores: so it needs no
        second program, where the first had few of them.
        """
        self._judges = self._judges or held_out is not None
        return _padded([part[:1] for part in data] if held_out is None else held_out) if self._judges else None

    def _run(self, state, data, held_out, judged, count, most, patience, schedule):
        import jax
        from jax import numpy as jnp

        def go_on(carry):
            state, _, _, done = carry
            return (done < most) & (state.stale < patience)

        def epoch(carry):
            state, losses, scores, done = carry
            state, loss = self._epoch(state, data, count, schedule)
            if held_out is not None:
                candidate = state.now.averaged, state.now.weights[1]
                score = jax.lax.cond(judged, lambda: self.step.score(*candidate, held_out), lambda: jnp.inf)
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

    def _epoch(self, state, data, count, schedule):
        import jax
        from jax import numpy as jnp

        key, shuffle, blur = jax.random.split(state.key, 3)
        size = data[0].shape[0]
        # A random order of the first `count` rows; padding has larger keys and sorts behind them
        order = jnp.argsort(jnp.where(jnp.arange(size) < count, jax.random.uniform(shuffle, (size,)), 2.0))
        steps = -(-count // self._batch_size)

        def step(i, carry):
            now, total = carry
            # The last batch is filled up with rows from the front of the order
            index = order[(i * self._batch_size + jnp.arange(self._batch_size)) % count]
            now, value = self.step(now, [part[index] for part in data], jax.random.fold_in(blur, i), schedule)
            return now, total + value

        now, total = jax.lax.fori_loop(0, steps, step, (state.now, 0.0))
        return state._replace(now=now, key=key), total / steps


def _padded(rows):
    """x, y and weights, padded with rows of missing targets, so that tables of similar size share one program."""
    from jax import numpy as jnp

    count = len(rows[0])
    power = 2 ** math.ceil(math.log2(max(count, _FEWEST)))
    step = power if power <= _FEW else power // 8
    size = math.ceil(count / step) * step
    fills = (0.0, np.nan, 0.0)
    return tuple(
        jnp.asarray(np.concatenate([part, np.full((size - count, *part.shape[1:]), fill, part.dtype)]))
        for part, fill in zip(rows, fills, strict=True)
    )
