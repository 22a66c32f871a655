"""The senses of a controller, that is its features beside z: none, the change of z, or h of M.

The state of each is a list of arrays `(R, ...)`, one row an episode, so that many episodes run side by side. If left and right
of the environment are alike, the features come in two halves: in a mirrored world the earlier half stays as it is, and the later
half changes its sign.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from keras import ops

from mdn.applications.world.memory import require_jax
from mdn.applications.world.vision import signs_of_mirror

_STEPS_AT_ONCE = 16_384

SEES = ("zh", "zz", "z")  # z and h of M; z and its change since the step before; z alone


class Senses(Protocol):
    """The features of a controller beside z.

    Attributes:
        sees: Its name in `SEES`.
        size: How many numbers.
        memory: M, or None.
    """

    sees: str
    size: int
    memory: Any

    def first_state(self, rows: int) -> list:
        """The state before the first step of `rows` episodes."""

    def seen(self, z, state):
        """The features `(R, size)` beside z `(R, Z)`, before an action is chosen."""

    def after(self, z, action, state) -> list:
        """The state after z and the action that was chosen, a vector of each row `(R, A)`."""


class Nothing:
    """No features: z alone."""

    sees, size, memory = "z", 0, None

    def first_state(self, rows: int) -> list:
        """No arrays."""
        return []

    def seen(self, z, state):
        """No features."""
        return z[:, :0]

    def after(self, z, action, state) -> list:
        """No arrays."""
        return []


class Change:
    """How z has changed since the step before; 0 at the first step. It needs no network, and so shows what M adds.

    Args:
        latent_size: Z.
    """

    sees, memory = "zz", None

    def __init__(self, latent_size: int):
        self.size = latent_size

    def first_state(self, rows: int) -> list:
        """NaN, since there is no z before the first step."""
        return [np.full((rows, self.size), np.nan, "float32")]

    def seen(self, z, state):
        """z minus z of the step before; 0 at the first step."""
        return ops.where(ops.isnan(state[0]), 0.0, z - state[0])

    def after(self, z, action, state) -> list:
        """z, for the next step."""
        return [z]


class Remembered:
    """The hidden state h of M.

    Args:
        memory: M.
    """

    sees = "zh"

    def __init__(self, memory):
        self.memory, self.size = memory, memory.units

    def first_state(self, rows: int) -> list:
        """The first state of M."""
        return self.memory.first_state(rows)

    def seen(self, z, state):
        """h, before M has read z."""
        return state[0]

    def after(self, z, action, state) -> list:
        """The state of M after it has read z and the action."""
        return self.memory.remember(z, action, state)


class RememberedTwice:
    """h of M that reads the episode, and h of M that reads its mirror image: half their sum, then half their difference.

    Args:
        memory: M.
        mirror: Signs of an action's numbers in a mirrored world.
    """

    sees = "zh"

    def __init__(self, memory, mirror: Sequence[float]):
        self.memory, self.size = memory, 2 * memory.units
        self._of_z, self._of_action = signs_of_mirror(memory.latent_size), np.asarray(mirror, "float32")

    def first_state(self, rows: int) -> list:
        """The first state of M, twice."""
        return [*self.memory.first_state(rows), *self.memory.first_state(rows)]

    def seen(self, z, state):
        """Half the sum and half the difference of both h."""
        one, other = state[0], state[len(state) // 2]
        return ops.concatenate([0.5 * (one + other), 0.5 * (one - other)], axis=-1)

    def after(self, z, action, state) -> list:
        """The states of M after it has read z and the action, and their mirror images."""
        half = len(state) // 2
        read = self.memory.remember(z, action, state[:half])
        mirrored = self.memory.remember(z * self._of_z, action * self._of_action, state[half:])
        return [*read, *mirrored]


def senses_of(sees: str, latent_size: int, memory: Any = None, mirror: Sequence[float] = ()) -> Senses:
    """The senses called `sees`.

    Args:
        sees: A name in `SEES`.
        latent_size: Z.
        memory: M; only "zh" needs one.
        mirror: Signs of an action's numbers in a mirrored world; empty if left and right are not alike.

    Raises:
        ValueError: if there is no such name, or M is missing.
    """
    if sees not in SEES:
        raise ValueError(f"`sees` must be one of {', '.join(map(repr, SEES))}, but {sees!r} came.")
    if sees == "z":
        return Nothing()
    if sees == "zz":
        return Change(latent_size)
    if memory is None:
        raise ValueError("a controller that sees h needs M: give `memory`.")
    return RememberedTwice(memory, mirror) if mirror else Remembered(memory)


def along(senses: Senses, latents: Sequence[Any]) -> list[np.ndarray]:
    """The features beside z before each step of each episode, `(T, size)`.

    M reads the means of z, as it does when a controller acts.
    """
    require_jax("what is seen along an episode")
    import jax

    def episodes(z, actions):
        def step(state, given):
            now, action = given
            return senses.after(now, action, state), senses.seen(now, state)

        start = [ops.convert_to_tensor(part) for part in senses.first_state(len(z))]
        return jax.lax.scan(step, start, (z.swapaxes(0, 1), actions.swapaxes(0, 1)))[1].swapaxes(0, 1)

    run = jax.jit(episodes)
    lengths = [len(one.actions) for one in latents]
    most, rows = max(lengths), max(1, min(len(latents), _STEPS_AT_ONCE // max(lengths)))
    found = []
    for first in range(0, len(latents), rows):
        part = latents[first : first + rows]
        # all groups have one size, which is compiled once; results behind the end of an episode are dropped
        z = np.zeros((rows, most, part[0].mean.shape[1]), "float32")
        actions = np.zeros((rows, most, part[0].actions.shape[1]), "float32")
        for row, one in enumerate(part):
            z[row, : len(one.actions)], actions[row, : len(one.actions)] = one.mean[:-1], one.actions
        seen = np.asarray(run(z, actions))
        found += [seen[row, : len(one.actions)] for row, one in enumerate(part)]
    return found
