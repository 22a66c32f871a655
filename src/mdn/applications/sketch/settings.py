"""The settings of a training, chosen by how many drawings there are: a few hundred of one's own, or many thousands."""

from __future__ import annotations

from typing import Any

FEW = 1000
"""Fewer drawings to learn from than this get a small network without a latent, and are changed more each time they are seen."""

NETWORK = ("units", "latent_size")
"""The settings of the network itself: the others were chosen for these."""


def settings_for(count: int) -> dict[str, Any]:
    """Arguments of `train` for so many drawings to learn from.

    The settings for few drawings were chosen by cats and faces of QuickDraw; see `benchmarks/few_drawings.py`, whose pigs chose
    nothing.

    Args:
        count: Drawings to learn from, at least 1.

    Example:
        >>> from mdn.applications.sketch.settings import settings_for
        >>> settings_for(120)["units"], settings_for(20_000)["units"]
        ((64,), (256,))
    """
    if count >= FEW:
        return {"units": (256,), "latent_size": 64, "kl_weight": 0.25, "epochs": 40}
    return {
        "units": (64,),
        "latent_size": 0,
        "kl_weight": 0.25,
        "epochs": max(40, min(100, 32_000 // count)),  # at most 2,000 steps, unless these are fewer than 40 epochs
        "batch_size": 16,
        "learning_rate": 0.01,
        "stretch": 0.2,
        "drop": 0.1,
        "turn": 0.1,
        "dropout": 0.3,
    }
