"""Once: an environment that plays one episode and then stands still; needs Gymnasium."""

from __future__ import annotations

import gymnasium


class Once(gymnasium.Wrapper):
    """An environment that costs nothing once its episode has ended, for episodes side by side that end at different times.

    A `VectorEnv` begins another episode when one has ended, which wastes time. Here a reset without a seed, as a `VectorEnv`
    calls it, then changes nothing, and steps return the last observation and reward 0.

    Args:
        env: The environment.
        patience: An episode is truncated after so many steps in a row without a reward above 0; None: never.
    """

    def __init__(self, env, patience: int | None = None):
        super().__init__(env)
        self._ended, self._last = False, None
        self._patience, self._idle = patience, 0

    def reset(self, *, seed=None, options=None):
        """Resets the environment; without a seed, an episode that has ended stays ended."""
        if self._ended and seed is None:
            return self._last, {}
        self._ended, self._idle = False, 0
        self._last, info = self.env.reset(seed=seed, options=options)
        return self._last, info

    def step(self, action):
        """Steps the environment until its episode has ended; then changes nothing."""
        if self._ended:
            return self._last, 0.0, False, False, {}
        self._last, reward, terminated, truncated, info = self.env.step(action)
        self._idle = 0 if reward > 0.0 else self._idle + 1
        if self._patience is not None and self._idle >= self._patience and not terminated:
            truncated = True
        self._ended = bool(terminated or truncated)
        return self._last, reward, terminated, truncated, info
