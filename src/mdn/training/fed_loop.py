"""Epochs on JAX over rows that a feed brings in blocks, on one device or on those of many processes.

One compiled program runs the steps of a block, while a thread fetches the next block. On many processes each has all weights
and its own rows; XLA sums the gradients over the processes in each step, so that all weights stay the same everywhere.
"""

from __future__ import annotations

import contextlib
import math
from typing import Any

import numpy as np

from mdn.training import step
from mdn.training.checkpoints import Checkpoints
from mdn.training.feed import Feed, fetched_ahead
from mdn.training.interrupt import ctrl_c_waits
from mdn.training.places import Places, SummedStep
from mdn.training.process import keep_compiled_programs
from mdn.training.step import Learning, Schedule, Step, finished, kept_program, put


class FedLoop:
    """Epochs over the blocks of a feed; the best weights stay on the device until the end.

    On many processes all of them train from the weights of the first.

    Args:
        model: A built Keras model.
        loss: As in `fit`; on many processes it must not count rows whose target is NaN, as the losses of `mdn` do not.
        feed: The rows of this process.
        held_out: (x, y, weight) of the rows that say when to stop, or None. All processes get the same rows; each scores a part.
        plan: The `Plan`.
        mesh: The devices of all processes (see `places.mesh_of_all_devices`), or None for one device.
        checkpoints: Where the state after each epoch is kept. Processes may have a folder of their own, one for all, or none: the
            newest state of any process counts, and a process without `Checkpoints` writes none.
    """

    stopped = False
    """Whether a callback has asked to stop."""

    def __init__(self, model, loss, feed: Feed, held_out, plan, mesh=None, checkpoints: Checkpoints | None = None):
        import jax

        keep_compiled_programs()
        self._model, self._program = model, kept_program(model, _Program, loss, plan, mesh)
        self._feed, self._plan, self._checkpoints = feed, plan, checkpoints
        self._steps = math.ceil(feed.rows / feed.batch_size)
        self._places = Places(mesh)
        self._held_out = None if held_out is None else self._places.chunks(held_out)
        noise = None if plan.target_noise is None else np.asarray(plan.target_noise, "float32")
        self._schedule = Schedule(plan.learning_rate, self._steps * plan.decay_epochs, plan.averaging, noise)
        self._key = self._places.everywhere(jax.random.key_data(jax.random.key(plan.seed)))
        self._now = _read(self._program.step.start)
        self._best, self._best_loss = self._now.weights, math.inf
        self._scores: list[dict[str, float]] = []
        self._first: float | None = None
        self._told = 0
        """How many epochs `run` has returned; those of a checkpoint are returned by the first call."""

    def start(self) -> float | None:
        """The validation loss before training, None without validation data; goes on from the newest checkpoint."""
        self._restore()
        if not self._scores and self._held_out is not None:
            self._first = self._best_loss = self._score()
        return self._first

    def run(self, most: int) -> list[tuple[float, float | None]]:
        """Runs one epoch, if the checkpoint has none that was not returned yet; returns (loss, validation loss) of each."""
        if self._told == len(self._scores):
            self._scores.append(self._epoch(len(self._scores)))
            self._save()
        told = self._scores[self._told : self._told + most]
        self._told += len(told)
        return [(each["loss"], each.get("val_loss")) for each in told]

    @contextlib.contextmanager
    def shown(self):
        """A block in which the model holds the weights that validation scores."""
        put(self._model, *_read(self._candidate))
        yield

    def finish(self) -> None:
        """Puts the best weights into the model and its last state into the optimizer, and compiles the model with it."""
        best = self._candidate if self._held_out is None else self._best
        finished(self._model, self._program.step, _read(best), _read(self._now.moments))

    @property
    def _candidate(self):
        return self._now.averaged, self._now.weights[1]

    def _epoch(self, number: int) -> dict[str, float]:
        import jax

        now, total, first = self._now, np.float32(0.0), 0
        blocks = (self._places.rows(block) for block in self._feed.epoch(number))
        with ctrl_c_waits() as pressed:
            for rows in fetched_ahead(blocks):
                # No argument is donated: else a Ctrl-C before the assignment would lose the weights
                now, total = self._program.run(now, total, rows, self._key, number, first, self._schedule)
                # The next program waits for this one, so that no more than two blocks are in memory
                jax.block_until_ready(total)
                first += rows[0].shape[0]
                if self._places.alone and pressed.times > 1:
                    break
        if not first:
            raise ValueError(
                f"epoch {number} of the feed {self._feed!r} has no rows, but {self._feed.rows} were announced."
            )
        self._now = now
        scores = {"loss": float(total) / first}
        if self._held_out is not None:
            scores["val_loss"] = self._score()
            if scores["val_loss"] < self._best_loss:
                self._best, self._best_loss = self._candidate, scores["val_loss"]
        return scores

    def _score(self) -> float:
        value, count = self._program.score(*self._candidate, self._held_out)
        return float(value) / float(count)

    # ---- checkpoints -----------------------------------------------------------------------------------------------

    def _save(self) -> None:
        if self._checkpoints is not None:
            beside = {"first": self._first, "best_loss": None if self._held_out is None else self._best_loss}
            arrays = _named(_read(self._now), _read(self._best))
            self._checkpoints.save(len(self._scores), arrays, self._scores, beside)

    def _restore(self) -> None:
        last = None if self._checkpoints is None else self._checkpoints.last()
        fresh = _named(self._now, self._best)
        beside: dict[str, Any] = {"scores": [], "first": None, "best_loss": None}
        if last is not None:
            beside = {"scores": [*last.figures], **last.beside}
            if _shapes(last.arrays) != _shapes(fresh):
                raise ValueError(
                    f"the checkpoint {str(self._checkpoints and self._checkpoints.path)!r} is of another network: delete its "
                    "folder to begin anew."
                )
        arrays, beside = self._places.newest(fresh if last is None else last.arrays, beside, len(beside["scores"]))
        restored = _unnamed(arrays, self._now, self._best)
        self._now, self._best = (self._places.everywhere(each) for each in restored)
        self._scores, self._first = beside["scores"], beside["first"]
        self._best_loss = math.inf if beside["best_loss"] is None else beside["best_loss"]


class _Program:
    """Compiled once for each shape of a block; every number that changes from fit to fit is an argument."""

    def __init__(self, model, loss, global_clipnorm, weight_decay, mesh):
        import jax

        of = model, loss, global_clipnorm, weight_decay
        self.step = Step(*of) if mesh is None else SummedStep(*of, mesh)
        same = {} if mesh is None else {"out_shardings": Places(mesh).same}
        self.run = jax.jit(self._run, compiler_options=step.COMPILER_OPTIONS, **same)
        self.score = jax.jit(self._score, **same)

    def _run(self, now: Learning, total, rows, key, epoch, first, schedule):
        import jax
        from jax import numpy as jnp

        noise = jax.random.fold_in(jax.random.wrap_key_data(key), epoch)

        def one(carry, of_step):
            (now, total), (number, rows) = carry, of_step
            now, value = self.step(now, rows, jax.random.fold_in(noise, number), schedule)
            return (now, total + value), None

        numbers = first + jnp.arange(rows[0].shape[0])
        return jax.lax.scan(one, (now, total), (numbers, rows))[0]

    def _score(self, trainable, fixed, chunks):
        """(sum of the losses, number of rows that count) of the chunks of validation."""
        import jax
        from jax import numpy as jnp

        def one(carry, rows):
            value, count = carry
            counted = jnp.sum(~jnp.all(jnp.isnan(rows[1]), axis=-1))
            return (value + counted * self.step.score(trainable, fixed, rows), count + counted), None

        return jax.lax.scan(one, (jnp.float32(0.0), jnp.int32(0)), chunks)[0]


def _read(tree):
    import jax

    return jax.tree.map(np.asarray, tree)


def _named(now: Learning, best) -> dict[str, np.ndarray]:
    """All that an epoch changes, as arrays by name."""
    groups = {
        "trainable": now.weights[0],
        "fixed": now.weights[1],
        "averaged": now.averaged,
        "optimizer": now.moments,
        "best": best[0],
        "best_fixed": best[1],
    }
    return {f"{group}.{i}": np.asarray(each) for group, found in groups.items() for i, each in enumerate(found)}


def _shapes(arrays: dict[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    return {name: each.shape for name, each in arrays.items()}


def _unnamed(arrays: dict[str, np.ndarray], now: Learning, best) -> tuple[Learning, Any]:
    """The inverse of `_named`; `now` and `best` say how many arrays there are."""

    def group(name, like):
        return [arrays[f"{name}.{i}"] for i in range(len(like))]

    weights = group("trainable", now.weights[0]), group("fixed", now.weights[1])
    learnt = Learning(weights, group("averaged", now.averaged), group("optimizer", now.moments))
    return learnt, (group("best", best[0]), group("best_fixed", best[1]))
