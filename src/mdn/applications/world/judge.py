"""What z and h know: linear probes, and the share of true states that they can read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mdn.applications.world.memory import Memory
from mdn.applications.world.senses import Remembered, along


def probe(known, states, asked, true) -> np.ndarray:
    """R² of a linear probe for each column of the states, learnt on some episodes and judged on others.

    Args:
        known, states: Features `(N, F)` and states `(N, S)` to learn from.
        asked, true: The same, to judge by.

    Returns:
        1 - (squared error / variance), `(S,)`: 1 where the features say it all, 0 where they say nothing.
    """
    from sklearn.linear_model import LinearRegression

    error = LinearRegression().fit(known, states).predict(asked) - true
    return 1.0 - np.mean(error**2, axis=0) / np.var(true, axis=0)


def probes(memory: Memory, learnt: Sequence[Any], held_out: Sequence[Any], after: int = 0) -> dict[str, np.ndarray]:
    """R² by "z" (the mean that V gives) and by "h", for each column of the true states, before each step.

    Args:
        memory: M.
        learnt: Episodes with true states, that the probes learn from.
        held_out: Those that they are judged by.
        after: Steps at the start of each episode that are left out: M has seen too little there to know how fast things are.
    """

    def rows(parts):
        return np.concatenate([part[after:] for part in parts])

    def states(latents):
        return rows([one.states[:-1] for one in latents])

    def seen(latents) -> dict[str, np.ndarray]:
        return {"z": rows([one.mean[:-1] for one in latents]), "h": rows(along(Remembered(memory), latents))}

    known, asked = seen(learnt), seen(held_out)
    return {name: probe(known[name], states(learnt), asked[name], states(held_out)) for name in ("z", "h")}
