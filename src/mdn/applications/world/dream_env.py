"""Dreams as environments of Gymnasium, one at a time or many together."""

from __future__ import annotations

from typing import ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from mdn.applications.world.dream import Dream, Dreamer


class DreamEnv(gymnasium.Env):
    """A dream as an environment of Gymnasium.

    Args:
        dream: The dream whose steps are taken.
        actions: The actions of the real environment, from `environments.actions_of`.
        steps: A dream is truncated after so many.
        hidden: Whether an observation is [z, h] instead of z alone.
        vision: V, if `render` shall return frames.
    """

    metadata: ClassVar = {"render_modes": ["rgb_array"], "render_fps": 50}

    def __init__(self, dream: Dream, actions, steps: int = 1000, hidden: bool = False, vision=None):
        self.dream, self.actions, self.steps, self.hidden, self.vision = dream, actions, steps, hidden, vision
        self.render_mode = None if vision is None else "rgb_array"
        self.observation_space = _observed(dream, hidden)
        self.action_space = actions.space
        self._dreamer = Dreamer(dream)
        self._taken = 0

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        """The first observation and its info."""
        super().reset(seed=seed)
        self._dreamer.begin(self.np_random)
        self._taken = 0
        return self._observation(), {}

    def step(self, action):
        """One step, drawn from the prediction of M."""
        reward, ended = self._dreamer.step(self.actions.vector(action)[None])
        self._taken += 1
        return self._observation(), reward, ended, self._taken >= self.steps and not ended, {}

    def _observation(self):
        return _seen(self._dreamer.z, self._dreamer.state, self.hidden)[0]

    def render(self):
        """The frame that V decodes from z; None without V."""
        if self.vision is None:
            return None
        frame = self.vision.decode(self._dreamer.z)[0]
        return np.repeat(frame, 3, axis=2) if frame.shape[2] == 1 else frame


class DreamEnvs(VectorEnv):
    """Many dreams at once, each step one compiled call; a dream that has ended begins anew at the next step.

    Arguments as for `DreamEnv`, and `num_envs`, the number of dreams.
    """

    metadata: ClassVar = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}

    def __init__(self, dream: Dream, actions, num_envs: int, steps: int = 1000, hidden: bool = False):
        self.dream, self.actions, self.num_envs, self.steps, self.hidden = dream, actions, num_envs, steps, hidden
        self.render_mode = None
        self.single_observation_space, self.single_action_space = _observed(dream, hidden), actions.space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._step = dream.program("step", dream.step)
        self._ended = np.zeros(num_envs, bool)
        self._taken = np.zeros(num_envs, int)

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        """Observations `(num_envs, size)` and info."""
        super().reset(seed=seed)
        self._z = self.dream.begin(self.num_envs, self.np_random)
        self._state = [np.asarray(part) for part in self.dream.memory.first_state(self.num_envs)]
        self._ended[:], self._taken[:] = False, 0
        return _seen(self._z, self._state, self.hidden), {}

    def step(self, actions):
        """One step each; a dream that ended before returns the first observation of the next one and reward 0."""
        vectors = self.actions.vector(actions)
        uniforms, normals = self.dream.noise(self.num_envs, self.np_random)
        found = self._step(self._z, vectors, self._state, uniforms, normals, self.dream.temperatures)
        z, reward, ended = (np.array(part) for part in found[:3])
        state = [np.array(part) for part in found[3]]
        anew = self._ended
        z[anew] = self.dream.begin(int(anew.sum()), self.np_random)
        for part in state:
            part[anew] = 0.0
        self._z, self._state = z, state
        self._taken = np.where(anew, 0, self._taken + 1)
        terminated = ended & ~anew
        truncated = (self._taken >= self.steps) & ~terminated
        self._ended = terminated | truncated
        return _seen(z, state, self.hidden), np.where(anew, 0.0, reward), terminated, truncated, {}


def _observed(dream: Dream, hidden: bool):
    size = dream.memory.latent_size + (dream.memory.units if hidden else 0)
    return spaces.Box(-np.inf, np.inf, (size,), np.float32)


def _seen(z, state, hidden: bool) -> np.ndarray:
    z = np.asarray(z, "float32")
    return np.concatenate([z, np.asarray(state[0], "float32")], axis=1) if hidden else z
