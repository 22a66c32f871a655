"""How much z and h know of the true state: linear probes and their R²."""

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
        asked, true: Features and states to judge by.

    Returns:
        1 - (squared error / variance), `(S,)`: 1 if the features determine the state, 0 if they say nothing.
    """
    from sklearn.linear_model import LinearRegression

    error = LinearRegression().fit(known, states).predict(asked) - true
    return 1.0 - np.mean(error**2, axis=0) / np.var(true, axis=0)


def probes(memory: Memory, learnt: Sequence[Any], held_out: Sequence[Any], after: int = 0) -> dict[str, np.ndarray]:
    """R² from "z" (the mean that V predicts) and from "h", for each column of the true states, before each step.

    Args:
        memory: M.
        learnt: Episodes with true states, from which the probes learn.
        held_out: Episodes with true states, by which the probes are judged.
        after: So many steps at the start of each episode are left out: M has seen too little to know velocities there.
    """

    def rows(parts):
        return np.concatenate([part[after:] for part in parts])

    def states(latents):
        return rows([one.states[:-1] for one in latents])

    def seen(latents) -> dict[str, np.ndarray]:
        return {"z": rows([one.mean[:-1] for one in latents]), "h": rows(along(Remembered(memory), latents))}

    known, asked = seen(learnt), seen(held_out)
    return {name: probe(known[name], states(learnt), asked[name], states(held_out)) for name in ("z", "h")}
