"""`mdn/CarRacing-v0`: CarRacing-v3 as a world model drives it; needs Gymnasium and Box2D."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from gymnasium.envs.box2d import car_racing
from gymnasium.utils import EzPickle

from mdn.applications.world.environments import SEEN_ROWS, SIDE, smaller
from mdn.applications.world.racing_painter import Painter, paint_what_shows

PAINTERS = ("fast", "gymnasium")
STATES = ("place", "heading", "bend", "far bend", "speed", "turning")
"""Numbers of the true state: metres right of the road's middle; radians right of the road's direction; radians by which the road
turns right over the next 14 and the next 28 metres; metres a second forwards; radians a second to the right."""
_NEAR, _FAR = 4, 8  # tiles of 3.5 metres


class Racing(car_racing.CarRacing):
    """CarRacing-v3's tracks, physics, rewards and ends; an action is two numbers, kept for some steps; frames are 64 by 64.

    The first number of an action steers, from -1 (left) to 1 (right); the second is the gas if it is above 0, and the brake if
    it is below. `info["steps"]` counts the steps of CarRacing-v3, whatever `repeat` is; `info["state"]` holds the numbers
    of `STATES`, which frames do not show directly.

    Args:
        painter: "fast" paints what is in sight on a small canvas; "gymnasium" is CarRacing-v3's own, a hundred times slower than
            the physics, for scores that are reported.
        repeat: Steps of CarRacing-v3 for which an action is kept. Their rewards add up, and only the last one is painted.
        steps: An episode is truncated after so many steps of CarRacing-v3.
        render_mode: None or "rgb_array".

    Raises:
        ValueError: if the painter is unknown, or a number below 1.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array", "state_pixels"], "render_fps": car_racing.FPS}

    def __init__(self, painter: str = "fast", repeat: int = 4, steps: int = 1000, render_mode: str | None = None):
        if painter not in PAINTERS:
            raise ValueError(f"`painter` must be one of {', '.join(map(repr, PAINTERS))}, but {painter!r} came.")
        if repeat < 1 or steps < 1:
            raise ValueError(f"`repeat` and `steps` must be at least 1, but {repeat} and {steps} came.")
        super().__init__(render_mode=render_mode)
        EzPickle.__init__(self, painter, repeat, steps, render_mode)  # replaces the arguments of CarRacing
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.observation_space = spaces.Box(0, 255, (SIDE, SIDE, 3), np.uint8)
        self.repeat, self._most, self._steps, self._paints = repeat, steps, 0, True
        self._painter = Painter(self) if painter == "fast" else None
        if self._painter is None:
            paint_what_shows(self)

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        """Makes a new track; `options`, which Gymnasium asks for, is not used."""
        self._steps, self._paints = 0, True
        frame, info = super().reset(seed=seed)
        self._middle = np.array([(x, y) for _, _, x, y in self.track])
        self._along = np.roll(self._middle, -1, axis=0) - self._middle
        return frame, {**info, "steps": 0, "state": self._true_state()}

    def step(self, action):
        """Keeps an action for `repeat` steps of CarRacing-v3, or until the episode ends. `None` is one step without a reward.

        Raises:
            ValueError: if the action is not two finite numbers.
        """
        if action is None:  # called by `reset`
            return super().step(None)
        given = np.asarray(action, "float32")
        if given.shape != (2,) or not np.isfinite(given).all():
            raise ValueError(
                f"`action` must be two finite numbers, the steering and the pedal, but {given.tolist()} came."
            )
        steer, pedal = np.clip(given, -1.0, 1.0)
        kept = np.array([steer, max(pedal, 0.0), max(-pedal, 0.0)], "float32")
        total, terminated, info = 0.0, False, {}
        self._paints = False
        for _ in range(min(self.repeat, self._most - self._steps)):
            _, reward, terminated, _, info = super().step(kept)
            self._steps += 1
            total += reward
            if terminated:
                break
        self._paints = True
        self.state = self._render("state_pixels")
        truncated = self._steps >= self._most and not terminated
        return (
            self.state,
            total,
            terminated,
            truncated,
            {
                **info,
                "steps": self._steps,
                "state": self._true_state(),
            },
        )

    def _render(self, mode: str):
        if mode != "state_pixels":
            return super()._render(mode)
        if not self._paints:
            return None
        return smaller(super()._render(mode)[:SEEN_ROWS]) if self._painter is None else self._painter.frame()

    def _true_state(self) -> np.ndarray:
        """The numbers of `STATES`."""
        hull = self.car.hull
        place, speed = np.array(hull.position), np.array(hull.linearVelocity)
        forwards = np.array([-math.sin(hull.angle), math.cos(hull.angle)])
        nearest = int(np.argmin(np.square(self._middle - place).sum(axis=1)))
        along = self._along[(nearest + np.array([0, _NEAR, _FAR])) % len(self._along)]
        directions = np.arctan2(along[:, 1], along[:, 0])  # counted to the left, as all angles of Box2D
        x, y = place - self._middle[nearest]
        right = (x * along[0, 1] - y * along[0, 0]) / math.hypot(*along[0])
        turns = np.array([math.atan2(forwards[1], forwards[0]), *directions[1:]]) - directions[0]
        turns = (math.pi - turns) % (2.0 * math.pi) - math.pi
        return np.array([right, *turns, speed @ forwards, -hull.angularVelocity])
