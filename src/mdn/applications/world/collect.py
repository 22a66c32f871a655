"""Episodes of an environment, collected in chunks by parallel processes.

A chunk depends on nothing but the experiment and its own number, so that it does not matter which process made it, after what,
and how often the collecting was stopped.
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
from mdn.data.files import forget_unfinished

Act = Callable[[np.ndarray], Any]
"""An episode's policy: told an observation, it gives an action of the environment."""
Policy = Callable[[Actions, np.random.Generator], Act]
"""Begins an episode: told how actions look, and given all chance."""

_HELD = 8.0  # steps for which an action is kept, on average
_REFLEX = 0.8
_TRIES = 2


def random(actions: Actions, rng: np.random.Generator) -> Act:
    """A uniformly random action each step."""
    return lambda observation: actions.sample(rng)


def held(actions: Actions, rng: np.random.Generator) -> Act:
    """A uniformly random action, kept for 8 steps on average: one that changes each step leads nowhere."""
    return _kept(lambda: actions.sample(rng), rng)


def drive(actions: Actions, rng: np.random.Generator) -> Act:
    """For CarRacing: any steering and gas, kept for 8 steps on average, and seldom the brake, or the car would stand."""

    def new():
        brake = rng.uniform(0.0, 0.5) if rng.random() < 0.1 else 0.0
        steer, gas = rng.uniform(-1.0, 1.0), rng.uniform(0.0, 1.0)
        pedal = -brake if brake else gas
        return np.array([steer, gas, brake] if actions.size == 3 else [steer, pedal], "float32")

    return _kept(new, rng)


def reflex(actions: Actions, rng: np.random.Generator) -> Act:
    """For PixelCartPole: four times out of five a push to the side to which the pole leans in the frame, else a random one.

    It lasts for twice as long as a random policy, and its poles swing both ways: of those that only fall, the steep are the fast,
    and an angle would tell its velocity.
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
    told: Callable[[int, int], None] | None = None,
) -> dict[str, float]:
    """Collects until there are `episodes`; chunks that are there stay.

    Args:
        experiment: Where they go.
        episodes: In all.
        policy: A name in `POLICIES`, or any `Policy`, such as the current controller.
        chunk: Episodes a new file; the last one holds the rest.
        steps: At most, an episode.
        workers: Parallel processes; with 1 all happens in this one.
        told: Told how many chunks are done and of how many, at the start and after each.

    Returns:
        Episodes, steps and the mean return of all that are there.

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
        if told is not None:
            told(there, count)
        try:
            jobs = [(experiment, i, policy, name, size, steps) for i, size in missing]
            for done, _ in enumerate(_run(jobs, workers), start=there + 1):
                if told is not None:
                    told(done, count)
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
    """(number, episodes) of each chunk that is still to be made: where one is missing between others, there first."""
    there = experiment.chunks()
    left = episodes - sum(len(experiment.rewards(i)) for i in there)
    free = (i for i in itertools.count() if i not in there)
    return [(next(free), min(chunk, left - first)) for first in range(0, left, chunk)]


def _run(jobs: list[tuple], workers: int):
    if workers == 1 or len(jobs) < 2:
        yield from (_collect_chunk(*job) for job in jobs)
        return
    # chunks are written by the processes themselves: nothing but their numbers comes back
    yield from joblib.Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)(
        joblib.delayed(_collect_chunk)(*job) for job in jobs
    )


def _collect_chunk(experiment: Experiment, chunk: int, policy: Policy, name: str, count: int, steps: int) -> int:
    """Makes a chunk, whose chance is all from its number; an environment that raises has one more try."""
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
    """What an environment raised, in words, so that it can come from any process."""


def _episode(env, policy: Policy, place: tuple[int, int, int], steps: int) -> Episode:
    """The episode of (seed, chunk, number), which is all its chance."""
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
