"""Episodes of an environment, collected in chunks by parallel processes.

A chunk depends only on the experiment and its own number: it is the same whichever process made it, in whatever order, and
however often the collecting was stopped.
"""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable
from typing import Any

import joblib
import numpy as np
from joblib.externals.loky.process_executor import BrokenProcessPool, TerminatedWorkerError

from mdn.applications.world import cartpole, environments
from mdn.applications.world.environments import Actions
from mdn.applications.world.storage import Episode, Experiment
from mdn.files import forget_unfinished

Act = Callable[[np.ndarray], Any]
"""The policy of one episode: from an observation to an action of the environment."""
Policy = Callable[[Actions, np.random.Generator], Act]
"""Begins an episode: from the kind of actions and a generator to an `Act`."""

_HELD = 8.0  # steps for which an action is kept, on average
_REFLEX = 0.8
_TRIES = 2


def random(actions: Actions, rng: np.random.Generator) -> Act:
    """A uniformly random action each step."""
    return lambda observation: actions.sample(rng)


def held(actions: Actions, rng: np.random.Generator) -> Act:
    """A uniformly random action, kept for 8 steps on average: actions that change at each step cancel out."""
    return _kept(lambda: actions.sample(rng), rng)


def drive(actions: Actions, rng: np.random.Generator) -> Act:
    """A policy for CarRacing: any steering and gas, kept for 8 steps on average, and rarely the brake, which stops the car."""

    def new():
        brake = rng.uniform(0.0, 0.5) if rng.random() < 0.1 else 0.0
        steer, gas = rng.uniform(-1.0, 1.0), rng.uniform(0.0, 1.0)
        pedal = -brake if brake else gas
        return np.array([steer, gas, brake] if actions.size == 3 else [steer, pedal], "float32")

    return _kept(new, rng)


def reflex(actions: Actions, rng: np.random.Generator) -> Act:
    """A policy for PixelCartPole: four times out of five a push to where the pole leans in the frame, else a random one.

    Its episodes are twice as long as those of a random policy, and its poles swing both ways. If poles only fell, the steep ones
    would be the fast ones, and an angle would reveal its velocity.
    """

    def act(observation):
        if rng.random() < _REFLEX:
            return int(cartpole.lean(observation[None])[0] > 0.0)
        return actions.sample(rng)

    return act


POLICIES: dict[str, Policy] = {policy.__name__: policy for policy in (random, held, drive, reflex)}


def _kept(new: Callable[[], Any], rng: np.random.Generator) -> Act:
    kept: Any = None

    def act(observation):
        nonlocal kept
        if kept is None or rng.random() < 1.0 / _HELD:
            kept = new()
        return kept

    return act


def collect(
    experiment: Experiment,
    episodes: int,
    policy: Policy | str = "random",
    *,
    chunk: int = 10,
    steps: int = 1000,
    workers: int = 1,
    on_step: Callable[[int, int], None] | None = None,
) -> dict[str, float]:
    """Collects episodes until there are `episodes`; chunks on disk stay.

    Args:
        experiment: Its folder gets the episodes.
        episodes: How many episodes in all.
        policy: A name in `POLICIES`, or any `Policy`, such as the current controller.
        chunk: Episodes a new file; the last one holds the rest.
        steps: How many steps an episode has at most.
        workers: Parallel processes; 1: this process alone.
        on_step: Called with the number of chunks that are done and the number of all, at the start and after each.

    Returns:
        Episodes, steps, mean return and mean length of all episodes on disk.

    Raises:
        ValueError: if the environment raises twice in the same chunk, or processes die again and again.
    """
    name = policy if isinstance(policy, str) else getattr(policy, "__name__", "callable")
    if isinstance(policy, str):
        if policy not in POLICIES:
            raise ValueError(f"the policy must be one of {', '.join(POLICIES)}, but {policy!r} came.")
        policy = POLICIES[policy]
    folder = experiment.chunk_path(0).parent
    folder.mkdir(parents=True, exist_ok=True)
    forget_unfinished(folder)
    for attempt in range(_TRIES):
        missing = _missing(experiment, episodes, chunk)
        there = len(experiment.chunks())
        count = there + len(missing)
        if on_step is not None:
            on_step(there, count)
        try:
            jobs = [(experiment, i, policy, name, size, steps) for i, size in missing]
            for done, _ in enumerate(_run(jobs, workers), start=there + 1):
                if on_step is not None:
                    on_step(done, count)
            break
        except TerminatedWorkerError as error:
            if attempt + 1 == _TRIES:
                raise ValueError(
                    f"a process that collected episodes was killed, and again when its chunk was begun anew: "
                    f"{len(experiment.chunks())} of {count} chunks are complete and stay. Is there too little memory? Try fewer "
                    "--workers."
                ) from error
        except (BrokenProcessPool, pickle.PicklingError) as error:
            raise ValueError(
                f"the policy {name!r} cannot be sent to other processes: collect with workers=1."
            ) from error
    rewards = [one for i in experiment.chunks() for one in experiment.rewards(i)]
    lengths = [len(one) for one in rewards]
    return {
        "episodes": len(rewards),
        "steps": sum(lengths),
        "mean return": float(np.mean([one.sum(dtype="float64") for one in rewards])),
        "mean length": float(np.mean(lengths)),
    }


def _missing(experiment: Experiment, episodes: int, chunk: int) -> list[tuple[int, int]]:
    """(number, episodes) of each chunk that is still to be made; gaps between numbers are filled first."""
    there = experiment.chunks()
    left = episodes - sum(len(experiment.rewards(i)) for i in there)
    free = (i for i in itertools.count() if i not in there)
    return [(next(free), min(chunk, left - first)) for first in range(0, left, chunk)]


def _run(jobs: list[tuple], workers: int):
    if workers == 1 or len(jobs) < 2:
        yield from (_collect_chunk(*job) for job in jobs)
        return
    # the processes write the chunks themselves and return only their numbers
    yield from joblib.Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)(
        joblib.delayed(_collect_chunk)(*job) for job in jobs
    )


def _collect_chunk(experiment: Experiment, chunk: int, policy: Policy, name: str, count: int, steps: int) -> int:
    """Makes a chunk, with random numbers from its number alone; tries once more if the environment raises."""
    for attempt in range(_TRIES):
        env = environments.make(experiment.environment)
        try:
            episodes = [_episode(env, policy, (experiment.seed, chunk, i), steps) for i in range(count)]
            experiment.write(chunk, episodes, name)
            break
        except _Raised as error:
            if attempt + 1 == _TRIES:
                raise ValueError(
                    f"the environment {experiment.environment!r} or the policy raised in {error}, twice: nothing of this chunk "
                    f"was written, the {len(experiment.chunks())} complete ones stay."
                ) from error
        finally:
            env.close()
    return chunk


class _Raised(Exception):
    """What an environment raised, as text: not every exception can be sent between processes."""


def _episode(env, policy: Policy, place: tuple[int, int, int], steps: int) -> Episode:
    """Plays the episode of `place`, (seed, chunk, number), which seeds all its random numbers."""
    rng = np.random.default_rng(place)
    actions = environments.actions_of(env)
    seen, states, taken, rewards = [], [], [], []
    terminated = truncated = False
    try:
        observation, info = env.reset(seed=int(rng.integers(2**31)))
        act = policy(actions, rng)
        seen.append(observation)
        states.append(info.get("state"))
        while not (terminated or truncated):
            action = act(observation)
            observation, reward, terminated, truncated, info = env.step(action)
            seen.append(observation)
            states.append(info.get("state"))
            taken.append(actions.vector(action))
            rewards.append(reward)
            truncated = bool(truncated) or (len(taken) >= steps and not terminated)
    except Exception as error:  # whatever an environment may raise
        at = f"step {len(taken)} of episode {place[2]} of chunk {place[1]}"
        raise _Raised(f"{at} ({type(error).__name__}: {error})") from error
    return Episode(
        np.stack(seen),
        np.stack(taken),
        np.array(rewards, "float32"),
        bool(terminated),
        bool(truncated),
        np.stack(states) if all(state is not None for state in states) else None,
    )
