"""A real episode and a dream that someone watches and steers, a frame at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mdn.applications.world import environments
from mdn.applications.world.dream import Dream, Dreamer
from mdn.applications.world.model import WorldModel

CLOUD = 48  # draws of what M expects
_PAINTED = 8  # of them, laid over each other in one picture
_CLOUDED = 4  # frames between two clouds, at least
_SURVEYED = 150  # decisions of a dream from which the two axes of the cloud are taken

Choose = Callable[["Walk"], np.ndarray]


class Walk:
    """One world under way; `Real` and `Dreamt` say what a step is. C reads along, so that it can take over at any time.

    An action is kept for `repeat` frames. In a dream M knows nothing between two decisions, so the frames between are decoded
    from z on the straight line between them.

    Args:
        world: V, M and C.
        dream: Draws what M expects, with temperatures that may change; several walks may share it.
        repeat: Frames for which an action is kept.

    Attributes:
        z: The latent at the last decision, `(1, Z)`.
        frame: What is seen, `(H, W, C)` uint8.
        action: The last one, a vector `(1, A)`.
        score: The rewards so far.
        frames: How many were shown so far.
        ended: Whether the episode is over; then `step` changes nothing.
        cloud: What M expected of the next z lately, `(CLOUD, Z)`; empty before the first decision.
    """

    def __init__(self, world: WorldModel, dream: Dream, repeat: int):
        self.world, self.dreamer, self.repeat = world, Dreamer(dream), repeat
        self.action = np.zeros((1, world.controller.action_size), "float32")
        self.z = np.zeros((1, world.vision.latent_size), "float32")
        self.frame = np.zeros(world.vision.shape, "uint8")
        self.cloud = np.zeros((0, world.vision.latent_size), "float32")

    def begin(self, rng: np.random.Generator) -> None:
        """Begins an episode."""
        self.score, self.frames, self.ended, self.cloud = 0.0, 0, False, self.cloud[:0]
        self.action = np.zeros_like(self.action)
        self.state = [np.asarray(part) for part in self.world.senses.first_state(1)]
        self._begin(rng)

    def of_c(self) -> np.ndarray:
        """The action of C, `(1, A)`."""
        return self.world.act(self.z, self.state)

    def step(self, choose: Choose) -> None:
        """Goes on by one frame; `choose(self)` returns an action, a vector `(1, A)`, whenever one is due."""
        if self.ended:
            return
        if self.frames % self.repeat == 0:
            self.action = np.asarray(choose(self), "float32")
            if self.frames % max(self.repeat, _CLOUDED) == 0:
                self.cloud = self.dreamer.expected(self.z, self.action, self.memory_state, CLOUD)
            self._decided()
        self.frames += 1
        self._go(1 + (self.frames - 1) % self.repeat)

    @property
    def clouded(self) -> bool:
        """Whether the cloud is of the last frame."""
        return (self.frames - 1) % max(self.repeat, _CLOUDED) == 0

    def painted_cloud(self) -> np.ndarray:
        """What M expected, as one picture: a few of its draws, decoded and laid over each other, so that doubt is blurred."""
        drawn = self.world.vision.decode(self.cloud[:_PAINTED])
        return np.round(drawn.mean(axis=0)).astype("uint8")

    def _remember(self, z) -> None:
        self.state = self.world.remember(z, self.action, self.state)

    # ---- for a subclass --------------------------------------------------------------------------------------------------

    @property
    def memory_state(self) -> list:
        """The state of M before the step that is due."""
        raise NotImplementedError

    def _begin(self, rng) -> None:
        raise NotImplementedError

    def _decided(self) -> None:
        """Called when an action was chosen."""

    def _go(self, part: int) -> None:
        """One frame; `part` counts from 1 to `repeat` within a decision."""
        raise NotImplementedError


class Real(Walk):
    """A real episode, which V sees and M reads along; needs Gymnasium.

    Raises:
        ImportError: if Gymnasium, or a package that the environment needs, is not installed.
    """

    def __init__(self, world: WorldModel, dream: Dream, repeat: int):
        super().__init__(world, dream, repeat)
        settings: dict[str, Any] = {"repeat": 1} if repeat > 1 else {}
        self._env = environments.make(world.environment, **settings)
        self._actions = environments.actions_of(self._env)

    @property
    def memory_state(self) -> list:
        """M reads what V sees, step by step."""
        return self._memory

    def _begin(self, rng) -> None:
        self.frame, _ = self._env.reset(seed=int(rng.integers(2**31)))
        self.z = self.world.vision.encode(self.frame[None])[0]
        self._memory = [np.asarray(part) for part in self.world.memory.first_state(1)]
        self.dreamer.begin(rng, self.z)

    def _go(self, part: int) -> None:
        self.frame, reward, ended, cut_off, _ = self._env.step(self._actions.action(self.action[0]))
        self.score += float(reward)
        self.ended = bool(ended or cut_off)
        if part == self.repeat or self.ended:
            self._remember(self.z)
            self._memory = self.world.read_along(self.z, self.action, self._memory)
            self.z = self.world.vision.encode(self.frame[None])[0]

    def close(self) -> None:
        """Closes the environment."""
        self._env.close()


class Dreamt(Walk):
    """A dream.

    Args:
        steps: The dream ends after so many decisions, if M has not ended it.
    """

    def __init__(self, world: WorldModel, dream: Dream, repeat: int, steps: int = 250):
        super().__init__(world, dream, repeat)
        self._steps = steps

    def begin_at(self, other: Walk, rng: np.random.Generator) -> None:
        """Begins where another walk is now: with its z, and with what M and C remember there."""
        state = [np.asarray(part) for part in other.state]
        self.begin(rng)
        self.dreamer.begin(rng, other.z, other.memory_state)
        self.state, self.z = state, self.dreamer.z
        self.frame = self.world.vision.decode(self.z)[0]

    @property
    def memory_state(self) -> list:
        """The state of M, which remembers the dream."""
        return self.dreamer.state

    def _begin(self, rng) -> None:
        self.dreamer.begin(rng)
        self.z = self.dreamer.z
        self.frame = self.world.vision.decode(self.z)[0]

    def _decided(self) -> None:
        self._reward, self._ends = self.dreamer.step(self.action)

    def _go(self, part: int) -> None:
        share = np.float32(part / self.repeat)
        between = (1.0 - share) * self.z + share * self.dreamer.z
        self.frame = self.world.vision.decode(between)[0]
        if part == self.repeat:
            self._remember(self.z)
            self.z = self.dreamer.z
            self.score += self._reward
            self.ended = self._ends or self.frames >= self._steps * self.repeat


def two_axes(world: WorldModel, dream: Dream, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, float]:
    """The plane in which z moves most while C acts in dreams.

    Returns:
        Its middle `(Z,)`, two directions `(Z, 2)`, and how far from the middle a picture of it must reach.
    """
    walk = Dreamt(world, dream, 1, steps=_SURVEYED)
    found: list[np.ndarray] = []
    for _ in range(_SURVEYED):
        if not found or walk.ended:
            walk.begin(rng)
        walk.step(Walk.of_c)
        found.append(walk.z[0])
    z = np.array(found, "float64")
    middle = z.mean(axis=0)
    axes = np.linalg.svd(z - middle, full_matrices=False)[2][:2].T
    reach = 1.25 * float(np.quantile(np.abs((z - middle) @ axes), 0.99))
    return middle, axes, max(reach, 1e-3)
