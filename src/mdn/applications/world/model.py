"""A whole world model: V, M and C together, awake and dreaming."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import mdn
from mdn.applications.world import act, environments
from mdn.applications.world.collect import Policy
from mdn.applications.world.controller import Controller
from mdn.applications.world.dream import Dream, starts_of
from mdn.applications.world.memory import Memory, load_memory
from mdn.applications.world.play import Play
from mdn.applications.world.senses import senses_of
from mdn.applications.world.storage import Experiment
from mdn.applications.world.vision import Standardised, Vision, load_vision
from mdn.data import reading
from mdn.data.schema import array
from mdn.models import save_plain
from mdn.sequences.program import program_of
from mdn.wording import agreed, counted

SHIPPED = {name: Path(__file__).parent / name for name in ("cartpole", "racing")}


def _check(environment: str, vision, memory, controller: Controller, beside: dict[str, np.ndarray]) -> None:
    """Raises a ValueError if V, M, C and the starts of dreams do not fit each other."""
    if not isinstance(vision, Vision | Standardised):
        raise ValueError("vision.keras holds no V of a world model.")
    if not isinstance(memory, Memory):
        raise ValueError("memory.keras holds no M of a world model.")
    for name, model in (("vision", vision), ("memory", memory)):
        if model.environment != environment:
            raise ValueError(f"{name}.keras is of {model.environment!r}, but controller.npz of {environment!r}.")
    sizes = {vision.latent_size, memory.latent_size, controller.latent_size}
    if len(sizes) > 1 or memory.action_size != controller.action_size:
        raise ValueError("V, M and C must have one size of z and of actions.")
    there = senses_of(controller.sees, controller.latent_size, memory, controller.mirror).size
    if controller.hidden_size != there:
        raise ValueError(
            f"C sees {counted(controller.hidden_size, 'number')} beside z, but there {agreed(there, 'is', 'are')} {there}."
        )
    if controller.mirror and not getattr(vision, "mirrored", False):
        raise ValueError("C is tied to left and right, but V is not.")
    mean, deviation = (array(None, controller.latent_size)(beside[name], name) for name in act.STARTS)
    if not len(mean) or mean.shape != deviation.shape or (deviation < 0.0).any():
        raise ValueError(f"`{act.STARTS[0]}` and `{act.STARTS[1]}` must have one shape, and deviations be 0 at least.")


@dataclass(frozen=True)
class Run:
    """One episode or dream of T steps.

    Attributes:
        frames: Real frames, or decoded ones of a dream, `(T + 1, H, W, C)` uint8; vectors for environments without frames.
        z: `(T + 1, Z)`.
        actions: As vectors, `(T, A)`.
        rewards: `(T,)`.
        ended: Whether it ended by itself.
    """

    frames: np.ndarray
    z: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    ended: bool


class Acting:
    """The controller in a folder as a policy for `collect`; each process reads the folder for itself.

    Args:
        folder: Written by `WorldModel.save`.
        explore, held: See `WorldModel.policy`.
    """

    __name__ = "current"

    def __init__(self, folder, explore: float = 0.1, held: float = 1.0):
        self._folder, self._explore, self._held = str(folder), explore, held
        self._written = (Path(folder) / "controller.npz").stat().st_mtime_ns

    def __call__(self, actions, rng):
        """Begins an episode."""
        return _read_once(self._folder, self._written).policy(self._explore, self._held)(actions, rng)


@functools.lru_cache(maxsize=1)
def _read_once(folder: str, written: int) -> WorldModel:
    return WorldModel.load(folder)


class WorldModel:
    """V, M and C of an environment.

    Args:
        environment: Its name.
        vision: V.
        memory: M.
        controller: C.
        parameters: The parameters of C.
        starts: Where dreams begin; see `dream.Dream`.

    Example:
        >>> from mdn.applications.world import WorldModel
        >>> world = WorldModel.load()  # the weights for PixelCartPole that come with mdn
        >>> world.dream(steps=20, seed=1).frames.shape[1:]
        (32, 32, 1)
    """

    def __init__(
        self,
        environment: str,
        vision: Vision | Standardised,
        memory: Memory,
        controller: Controller,
        parameters: np.ndarray,
        starts: tuple[np.ndarray, np.ndarray],
    ):
        self.environment, self.vision, self.memory = environment, vision, memory
        self.controller, self.parameters, self.starts = controller, parameters, starts
        self.senses = senses_of(controller.sees, controller.latent_size, memory, controller.mirror)
        self._act = program_of(memory, lambda own, z, state: controller.act(own, z, self.senses.seen(z, state)))
        self._remember = program_of(memory, self.senses.after)
        self._read_along = program_of(memory, memory.remember)

    @functools.cached_property
    def _facts(self) -> tuple[environments.Actions, int]:
        env = environments.make(self.environment)
        try:
            return environments.actions_of(env), environments.repeat_of(env)
        finally:
            env.close()

    @property
    def actions(self) -> environments.Actions:
        """How the environment's actions become vectors."""
        return self._facts[0]

    @property
    def repeat(self) -> int:
        """Steps of the environment for which an action is kept."""
        return self._facts[1]

    @classmethod
    def of(cls, experiment: Experiment, name: str = "real-zh") -> WorldModel:
        """The world model of an experiment; `name` chooses one of its controllers.

        Args:
            experiment: With V, M and C.
            name: The name of the controller's folder in `act`; see `act.act_folder`.

        Raises:
            ValueError: if a stage has not run yet, or its file is damaged or of another environment.
        """
        path = experiment.folder / "act" / name / "controller.npz"
        controller, parameters = act.load_controller(path, experiment.environment)
        known, _ = act.learnt(experiment)
        vision, memory = load_vision(experiment), load_memory(experiment)
        return cls(experiment.environment, vision, memory, controller, parameters, starts_of(known))

    @classmethod
    def load(cls, folder=None, name: str = "real-zh") -> WorldModel:
        """Opens a folder of `save` or of `mdn train world`.

        Args:
            folder: The folder of the model; if there is none of that name, a model that comes with mdn: "cartpole"
                (PixelCartPole; the default) or "racing" (CarRacing-v3).
            name: The name of the controller, in a folder of `mdn train world`.

        Raises:
            FileNotFoundError: if there is neither; a model that is damaged raises a ValueError.
        """
        folder = SHIPPED["cartpole"] if folder is None else Path(folder)
        if not folder.exists():
            folder = SHIPPED.get(str(folder), folder)
        if (folder / "experiment.json").exists():
            return cls.of(Experiment.open(folder), name)
        if not (folder / "controller.npz").exists():
            raise FileNotFoundError(
                f"there is no world model in {str(folder)!r}: mdn train world --out {folder} makes one."
            )
        try:
            controller, parameters, environment, beside = act.read_controller(folder / "controller.npz")
            vision, memory = mdn.load(folder / "vision.keras"), mdn.load(folder / "memory.keras")
            with reading(folder, "a world model"):
                _check(environment, vision, memory, controller, beside)
        except ValueError as error:
            raise ValueError(
                f"the world model in {str(folder)!r} is damaged: fetch or train it again. {error}"
            ) from error
        return cls(environment, vision, memory, controller, parameters, (beside[act.STARTS[0]], beside[act.STARTS[1]]))

    def save(self, folder) -> None:
        """Writes V, M and C without the state of training."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        save_plain(self.vision, folder / "vision.keras")
        save_plain(self.memory, folder / "memory.keras")
        act.save_controller(
            folder / "controller.npz", self.environment, self.controller, self.parameters,
            **dict(zip(act.STARTS, self.starts, strict=True)),
        )  # fmt: skip

    def act(self, z, state) -> np.ndarray:
        """The action of C, a vector `(1, A)`.

        Args:
            z: What V sees, `(1, Z)`.
            state: The state of `senses`.
        """
        return np.asarray(self._act(self.parameters[None], z, state))

    def remember(self, z, action, state) -> list[np.ndarray]:
        """The state of `senses` after an action.

        Args:
            z: What V sees, `(1, Z)`.
            action: A vector `(1, A)`.
            state: The state of `senses`.
        """
        return [np.asarray(part) for part in self._remember(z, action, state)]

    def read_along(self, z, action, state) -> list[np.ndarray]:
        """The state of M after an action.

        Args:
            z: What V sees, `(1, Z)`.
            action: A vector `(1, A)`.
            state: The state of `M`.
        """
        return [np.asarray(part) for part in self._read_along(z, action, state)]

    def policy(self, explore: float = 0.1, held: float = 1.0) -> Policy:
        """C as a policy for `collect`, so that V and M can learn anew from what a better controller meets.

        Args:
            explore: The share of steps whose action is random.
            held: Steps for which a random action is kept, on average.
        """
        # random actions begin so often that they fill the share `explore` of all steps
        begins = 1.0 if explore >= 1.0 else min(1.0, explore / (held * (1.0 - explore) + explore))

        def current(actions, rng):
            kept: Any = None
            state = [np.asarray(part) for part in self.senses.first_state(1)]

            def acted(observation):
                nonlocal state, kept
                z = self.vision.encode(observation[None])[0]
                action = actions.action(self.act(z, state)[0])
                if kept is not None and rng.random() < 1.0 / held:
                    kept = None
                if kept is None and rng.random() < begins:
                    kept = actions.sample(rng)
                if kept is not None:
                    action = kept
                state = self._remember(z, actions.vector(action)[None], state)
                return action

            return acted

        return current

    def returns(self, episodes: int = 100, seed: int = 0, steps: int | None = None) -> np.ndarray:
        """The returns of C in real episodes, `(episodes,)`.

        Args:
            episodes: How many.
            seed: The seed for the beginnings of episodes.
            steps: Decisions of an episode, at most; None: `steps` of the preset of the environment.
        """
        steps = environments.preset(self.environment).steps if steps is None else steps
        play = Play(self.environment, self.vision, self.senses, steps, judges=True)
        return play.returns(self.controller, self.parameters[None], episodes, seed)[0]

    def play(self, steps: int = 500, seed: int = 0) -> Run:
        """Plays a real episode.

        Args:
            steps: How many steps of the environment at most: an action that CarRacing keeps for four steps counts as four.
            seed: The seed of the environment.
        """
        env = environments.make(self.environment, judges=True)
        try:
            return self._run(env, self.actions, max(1, steps // self.repeat), seed)
        finally:
            env.close()

    def dream(
        self,
        steps: int = 500,
        seed: int = 0,
        *,
        first: np.ndarray | None = None,
        component_temperature: float = 1.0,
        variance_temperature: float = 1.0,
    ) -> Run:
        """Plays a dream, decoded by V.

        Args:
            steps: As in `play`.
            seed: The seed for all random numbers.
            first: The first z, such as `play().z[0]`; by default drawn from the start of an episode that was learnt from.
            component_temperature, variance_temperature: See `Dream`.
        """
        from mdn.applications.world.dream_env import DreamEnv

        most = max(1, steps // self.repeat)
        starts = self.starts if first is None else (np.asarray(first)[None], np.zeros_like(first)[None])
        dream = Dream(
            self.memory, starts, component_temperature=component_temperature, variance_temperature=variance_temperature
        )
        return self._run(DreamEnv(dream, self.actions, most), self.actions, most, seed, dreamt=True)

    def _run(self, env, actions, steps, seed, dreamt=False) -> Run:
        seen, _ = env.reset(seed=seed)
        state = [np.asarray(part) for part in self.senses.first_state(1)]
        found, zs = [], []
        taken: list[np.ndarray] = []
        rewards: list[float] = []
        ended = cut_off = False
        while True:
            z = seen[None] if dreamt else self.vision.encode(seen[None])[0]
            found.append(self.vision.decode(z)[0] if dreamt else seen)
            zs.append(z[0])
            if ended or cut_off or len(taken) >= steps:
                break
            vector = self.act(z, state)
            state = self._remember(z, vector, state)
            seen, reward, ended, cut_off, _ = env.step(actions.action(vector[0]))
            taken.append(vector[0])
            rewards.append(reward)
        return Run(np.stack(found), np.stack(zs), np.stack(taken), np.array(rewards, "float32"), bool(ended))
