"""Someone at the wheel: a real episode and a dream side by side, an action from keys or from C, and what a tab shows of them."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np

FRAMES_A_SECOND = 50  # of both environments, at their own speed: a frame lasts 0.02 s
_EASE = 0.34  # how far the wheel turns towards a held key in one decision
_PAUSE = 40  # frames for which the end of an episode stays in sight


@dataclass(frozen=True)
class About:
    """One of the worlds that come with mdn.

    Attributes:
        title: For people.
        repeat: Frames for which an action is kept.
        keys: What the arrow keys do.
        actions: What the numbers of an action are called; those of choices in their order.
        model: The argument of `WorldModel.load`.
    """

    title: str
    repeat: int
    keys: str
    actions: tuple[str, ...]
    model: str


WORLDS = {
    "racing": About(
        "A car on a track",
        4,
        "left and right steer, up is the gas, down the brake",
        ("steering", "pedal"),
        "racing",
    ),
    "cartpole": About(
        "A pole on a cart",
        1,
        "left and right push the cart; without a key the pushes take turns",
        ("left", "right"),
        "cartpole",
    ),
}


class Loaded:
    """A world model with what all tabs share: a survey of the plane in which its dreams are shown."""

    def __init__(self, name: str):
        from mdn.applications.world import WorldModel
        from mdn.applications.world.dream import Dream
        from mdn.applications.world.walk import two_axes

        self.name, self.about = name, WORLDS[name]
        self.world = WorldModel.load(self.about.model)
        self.middle, self.axes, self.reach = two_axes(self.world, self.new_dream(Dream), np.random.default_rng(0))

    def new_dream(self, kind, variance_temperature: float = 1.0):
        """A `Dream` of this world with a temperature of its own."""
        return kind(self.world.memory, self.world.starts, variance_temperature=variance_temperature)

    def flat(self, z) -> list[list[float]]:
        """Places in the plane, from -1 to 1 where dreams mostly are."""
        return np.round((np.asarray(z) - self.middle) @ self.axes / self.reach, 3).tolist()


class Wheel:
    """What a tab steers: both walks through one world.

    Args:
        loaded: The world.
        variance_temperature: Of the dream.
        seed: For both.

    Attributes:
        who: "you" or "c".
        held: The keys that are held, of "left", "right", "up", "down".
        missing: Why there is no real episode, as a sentence; empty if there is one.
    """

    def __init__(self, loaded: Loaded, variance_temperature: float, seed: int):
        from mdn.applications.world.dream import Dream
        from mdn.applications.world.walk import Dreamt, Real

        self.loaded, self.who, self.missing = loaded, "you", ""
        self.held: frozenset[str] = frozenset()
        self.rng = np.random.default_rng(seed)
        self.dream = loaded.new_dream(Dream, variance_temperature)
        self.dreamt = Dreamt(loaded.world, self.dream, loaded.about.repeat)
        self.real = None
        try:
            self.real = Real(loaded.world, self.dream, loaded.about.repeat)
        except ImportError as error:
            self.missing = f"{str(error).rstrip('.')}. The dream needs none of it."
        self._waits: dict[str, int] = {}
        for walk in self.walks.values():
            walk.begin(self.rng)

    @property
    def walks(self) -> dict:
        """The walks by their names."""
        return {name: one for name, one in (("real", self.real), ("dream", self.dreamt)) if one is not None}

    def begin(self, name: str) -> None:
        """Begins an episode of one walk anew."""
        if name in self.walks:
            self.walks[name].begin(self.rng)
            self._waits.pop(name, None)

    def dream_from_here(self) -> None:
        """Begins the dream where the real episode is now."""
        if self.real is None:
            raise ValueError(self.missing)
        self.dreamt.begin_at(self.real, self.rng)
        self._waits.pop("dream", None)

    def heat(self, variance_temperature: float) -> None:
        """Sets the variance temperature of the dream, and of what M expects."""
        self.dream.temperatures[1] = variance_temperature

    def tick(self) -> dict:
        """One frame of both; returns what the tab shows."""
        shown = {}
        for name, walk in self.walks.items():
            going = not walk.ended
            if not going:
                self._waits[name] = self._waits.get(name, _PAUSE) - 1
                if self._waits[name] <= 0:
                    self.begin(name)
            else:
                walk.step(self._choose)
            shown[name] = self._shown(walk, going and walk.clouded)
        return shown

    def _choose(self, walk) -> np.ndarray:
        if self.who == "c":
            return walk.of_c()
        pushes = {key: float(key in self.held) for key in ("left", "right", "up", "down")}
        across, along = pushes["right"] - pushes["left"], pushes["up"] - pushes["down"]
        if self.loaded.world.controller.kind == "box":
            wanted = np.array([[across, along]], "float32")
            return walk.action + np.clip(wanted - walk.action, -_EASE, _EASE)
        right = across > 0.0 if across else not walk.action[0, 1]
        return np.array([[not right, right]], "float32")

    def _shown(self, walk, clouded: bool) -> dict:
        found = {
            "frame": pixels(walk.frame), "score": round(walk.score, 1), "ended": walk.ended, "frames": walk.frames,
            "action": np.round(walk.action[0], 2).tolist(),
        }  # fmt: skip
        if clouded:
            found |= {"cloud": self.loaded.flat(walk.cloud), "fog": pixels(walk.painted_cloud())}
        return found | {"now": self.loaded.flat(walk.z)[0]}

    def close(self) -> None:
        """Closes the environment."""
        if self.real is not None:
            self.real.close()


def pixels(frame: np.ndarray) -> str:
    """A frame as base64: three bytes a pixel, row by row; grey levels one byte."""
    return base64.b64encode(np.ascontiguousarray(frame).tobytes()).decode("ascii")
