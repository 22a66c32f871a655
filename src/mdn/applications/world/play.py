"""Real episodes: V sees, M remembers, C acts, many controllers side by side."""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Sequence
from typing import Any

import joblib
import numpy as np
from joblib.externals.loky.process_executor import TerminatedWorkerError

from mdn.applications.world import cartpole, environments
from mdn.applications.world.controller import Controller
from mdn.applications.world.memory import require_jax
from mdn.applications.world.senses import Nothing, Senses
from mdn.few_shapes import fitting, powers_of_two
from mdn.sequences.program import program_of
from mdn.wording import counted

_STRIDE = 32  # steps in a compiled call; between calls, episodes that have ended are dropped
_FEWEST = 8  # episodes in a compiled call, at least
_AT_ONCE = 32  # episodes that are stepped side by side, if the environment cannot be compiled


class Play:
    """Real episodes of an environment, in which controllers see z of V and what `senses` adds.

    Args:
        environment: Its name.
        vision: V.
        senses: What controllers see beside z; nothing by default.
        steps: How many steps an episode has at most.
        workers: Processes that share the episodes, if the environment cannot be compiled.
        judges: Whether episodes are played in the form of the environment whose scores are reported; see `environments.JUDGED`.
        patience: An episode is truncated after so many steps in a row without a reward above 0; None: never.
    """

    def __init__(
        self,
        environment: str,
        vision,
        senses: Senses | None = None,
        steps: int = cartpole.MOST_STEPS,
        workers: int = 1,
        judges: bool = False,
        patience: int | None = None,
    ):
        self.environment, self.vision, self.steps = environment, vision, steps
        self.senses: Senses = Nothing() if senses is None else senses
        self.workers, self.judges, self.patience = workers, judges, patience
        self._programs: dict = {}
        self._is_a_share = False  # whether other processes run other shares
        self._name = uuid.uuid4().hex  # the name by which other processes keep it

    def returns(self, controller: Controller, parameters, episodes: int, seed: Sequence[int] | int) -> np.ndarray:
        """The returns of controllers, `(N, episodes)`; all of them meet the same beginnings.

        Args:
            controller: Says how parameters are read.
            parameters: `(N, controller.size)`.
            episodes: How many episodes each controller acts in.
            seed: The seed for the beginnings.
        """
        if (controller.sees, controller.hidden_size) != (self.senses.sees, self.senses.size):
            raise ValueError(
                f"the controller sees {controller.sees!r}, {counted(controller.hidden_size, 'number')} beside z, but "
                f"{self.senses.sees!r}, {counted(self.senses.size, 'number')}, is there: give `senses`."
            )
        parameters = np.repeat(np.asarray(parameters, "float32"), episodes, axis=0)
        run = self._of_arrays if self.environment == environments.PIXEL_CARTPOLE else self._step_by_step
        return run(controller, parameters, episodes, seed).reshape(-1, episodes)

    # ---- PixelCartPole: physics, camera, V, M and C in one program ---------------------------------------------------

    def _of_arrays(self, controller, parameters, episodes, seed):
        rows = len(parameters)
        starts = cartpole.initial_states(np.random.default_rng(seed), episodes).astype("float32")
        states = np.tile(starts, (rows // episodes, 1))
        memory = self._first_state(rows)
        total, going, run = np.zeros(rows), np.arange(rows), self._program(controller)
        for _ in range(0, self.steps, _STRIDE):
            taken = np.resize(going, max(_FEWEST, fitting(len(going), powers_of_two(rows))))
            given = parameters[taken], states[taken], [part[taken] for part in memory]
            found, kept, lasted, alive = run(*given)
            lasted, alive = np.asarray(lasted)[: len(going)], np.asarray(alive)[: len(going)]
            total[going] += lasted
            states[going] = np.asarray(found)[: len(going)]
            for part, new in zip(memory, kept, strict=True):
                part[going] = np.asarray(new)[: len(going)]
            going = going[alive]
            if not len(going):
                break
        return np.minimum(total, self.steps)

    def _program(self, controller):
        key = controller.key()
        if key not in self._programs:
            require_jax("many episodes in one program")
            import jax
            from jax import numpy as jnp

            def some_steps(parameters, states, memory):
                def one(carry, _):
                    states, memory, lasted, alive = carry
                    frames = jnp.round(cartpole.paint(states, jnp))
                    action, memory = self._acted(controller, parameters, frames, memory)
                    states, ended = cartpole.step(states, jnp.argmax(action, axis=1), jnp)
                    return (states, memory, lasted + alive, alive & ~ended), None

                count = len(states)
                carry = (states, memory, jnp.zeros(count), jnp.ones(count, bool))
                return jax.lax.scan(one, carry, length=_STRIDE)[0]

            self._programs[key] = self._compiled(some_steps)
        return self._programs[key]

    # ---- any environment ----------------------------------------------------------------------------------------------

    def _step_by_step(self, controller, parameters, episodes, seed):
        rows = len(parameters)
        starts = np.tile(np.random.default_rng(seed).integers(2**31, size=episodes), rows // episodes)
        workers = min(self.workers, rows // 2)
        if workers < 2:
            return self.group_by_group(controller, parameters, starts)
        shares = [np.arange(rows)[i::workers] for i in range(workers)]
        alone = Play(self.environment, self.vision, self.senses)
        alone._is_a_share = True
        sent = pickle.dumps(alone)
        try:
            found = joblib.Parallel(n_jobs=workers)(
                joblib.delayed(_share)(
                    self._name,
                    sent,
                    (self.steps, self.judges, self.patience),
                    controller,
                    parameters[share],
                    starts[share],
                )
                for share in shares
            )
        except TerminatedWorkerError as error:
            raise ValueError(
                f"a process in which {self.environment!r} ran was killed. Generations that were complete are kept: run it again, "
                "with fewer --workers if there is too little memory."
            ) from error
        total = np.zeros(rows)
        for share, values in zip(shares, found, strict=True):
            total[share] = values
        return total

    def group_by_group(self, controller, parameters, starts) -> np.ndarray:
        """The returns of controllers, `(R,)`, each in an episode of its own, played in groups side by side.

        Args:
            controller: Says how parameters are read.
            parameters: `(R, controller.size)`.
            starts: Seeds of the environment, `(R,)`.
        """
        rows = len(parameters)
        count = -(-rows // -(-rows // _AT_ONCE))  # groups of one size, so that fewest episodes are played twice
        many = environments.make_many(self.environment, count, once=True, patience=self.patience, judges=self.judges)
        total = np.zeros(rows)
        try:
            for first in range(0, rows, count):
                taken = np.resize(np.arange(first, min(first + count, rows)), count)
                total[taken] = self._side_by_side(many, controller, parameters[taken], starts[taken])
        finally:
            many.close()
        return total

    def _side_by_side(self, many, controller, parameters, starts):
        """The returns of the controllers, `(rows,)`, in one episode each."""
        key = controller.key()
        if key not in self._programs:
            self._programs[key] = self._compiled(
                lambda parameters, seen, memory: self._acted(controller, parameters, seen, memory)
            )
        actions, run = environments.actions_of(many), self._programs[key]
        count = len(starts)
        total, alive, memory = np.zeros(count), np.ones(count, bool), self._first_state(count)
        vectors = np.zeros((count, actions.size), "float32")
        seen, _ = many.reset(seed=[int(start) for start in starts])
        for step in range(self.steps):
            going = np.flatnonzero(alive)
            taken = np.resize(going, fitting(len(going), powers_of_two(count)))
            chosen, kept = run(parameters[taken], seen[taken], [part[taken] for part in memory])
            vectors[taken] = np.asarray(chosen)
            for part, new in zip(memory, kept, strict=True):
                part[taken] = np.asarray(new)
            try:
                seen, reward, terminated, truncated, _ = many.step(actions.action(vectors))
            except Exception as error:  # whatever an environment may raise
                raise ValueError(
                    f"the environment {self.environment!r} raised at step {step} ({type(error).__name__}: {error}). Generations "
                    "that were complete are kept."
                ) from error
            total += np.where(alive, reward, 0.0)
            alive &= ~(terminated | truncated)
            if not alive.any():
                break
        return total

    # ---- both ---------------------------------------------------------------------------------------------------------

    def _acted(self, controller, parameters, seen, memory):
        """(actions as vectors, the state of the senses after them)."""
        z = self.vision.encode_mean(seen)
        action = controller.act(parameters, z, self.senses.seen(z, memory))
        return action, self.senses.after(z, action, memory)

    def _first_state(self, rows: int) -> list[Any]:
        return [np.array(part) for part in self.senses.first_state(rows)]

    def _compiled(self, function):
        models = _Both(self.vision, self.senses.memory)
        return program_of(models, function, one_thread=self._is_a_share)


_plays: dict[str, Play] = {}  # in a worker process: the last `Play` that it was sent


def _share(name: str, sent: bytes, settings: tuple, controller, parameters, starts) -> np.ndarray:
    """Plays for another process; V and M are read, and their programs compiled, once for all generations."""
    if name not in _plays:
        _plays.clear()
        _plays[name] = pickle.loads(sent)
    play = _plays[name]
    play.steps, play.judges, play.patience = settings  # they differ from call to call
    return play.group_by_group(controller, parameters, starts)


class _Both:
    """V and M as one object with variables, as `program_of` needs it."""

    def __init__(self, *models):
        self.variables = [variable for model in models if model is not None for variable in model.variables]
