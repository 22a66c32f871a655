"""PixelCartPole: CartPole-v1 seen through a small camera, one at a time or many together."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from mdn.applications.world import cartpole

_FRAME = (cartpole.SIDE, cartpole.SIDE, 1)


def _seen(states: np.ndarray) -> np.ndarray:
    return np.round(cartpole.paint(states)).astype("uint8")


class PixelCartPole(gymnasium.Env):
    """CartPole-v1 seen as one grey frame a step, `(32, 32, 1)` uint8, without velocities; `info["state"]` is the true state.

    Physics, actions, rewards and ends are those of CartPole-v1; episodes start from a wider range (`cartpole.START`).
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 50}

    def __init__(self, render_mode: str | None = None):
        self.observation_space = spaces.Box(0, 255, _FRAME, np.uint8)
        self.action_space = spaces.Discrete(2)
        self.render_mode = render_mode
        self._states = np.zeros((1, 4))

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        """A frame and its info; `options={"state": (x, velocity, angle, angular velocity)}` starts there."""
        super().reset(seed=seed)
        state = (options or {}).get("state")
        self._states = (
            cartpole.initial_states(self.np_random, 1) if state is None else np.array(state, dtype="float64")[None]
        )
        return self._now()

    def step(self, action):
        """One step of 0.02 s, reward 1."""
        self._states, ended = cartpole.step(self._states, np.array([action]))
        frame, info = self._now()
        return frame, 1.0, bool(ended[0]), False, info

    def _now(self) -> tuple[np.ndarray, dict[str, Any]]:
        return _seen(self._states)[0], {"state": self._states[0].copy()}

    def render(self):
        """The frame, eight times as large and with three channels."""
        return np.kron(_seen(self._states)[0], np.ones((8, 8, 3), np.uint8))


class PixelCartPoles(VectorEnv):
    """Many PixelCartPoles at once, stepped as arrays; an episode that has ended starts anew at the next step."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}

    def __init__(self, num_envs: int = 1, max_episode_steps: int = cartpole.MOST_STEPS, render_mode: str | None = None):
        self.num_envs, self.render_mode = num_envs, render_mode
        self.max_episode_steps = max_episode_steps
        self.single_observation_space = spaces.Box(0, 255, _FRAME, np.uint8)
        self.single_action_space = spaces.Discrete(2)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._states = np.zeros((num_envs, 4))
        self._steps = np.zeros(num_envs, int)
        self._ended = np.zeros(num_envs, bool)

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        """Frames `(num_envs, 32, 32, 1)` and info."""
        super().reset(seed=seed)
        self._states = cartpole.initial_states(self.np_random, self.num_envs)
        self._steps[:], self._ended[:] = 0, False
        return _seen(self._states), {"state": self._states.copy()}

    def step(self, actions):
        """One step each; an episode that ended before returns the first frame of the next one and reward 0."""
        anew = self._ended
        states, terminated = cartpole.step(self._states, np.asarray(actions))
        states[anew] = cartpole.initial_states(self.np_random, int(anew.sum()))
        terminated &= ~anew
        self._states, self._steps = states, np.where(anew, 0, self._steps + 1)
        truncated = (self._steps >= self.max_episode_steps) & ~terminated
        self._ended = terminated | truncated
        reward = np.where(anew, 0.0, 1.0)
        return _seen(states), reward, terminated, truncated, {"state": states.copy()}
