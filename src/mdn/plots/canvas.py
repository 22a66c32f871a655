"""What all pictures share: colours, and axes without a frame."""

from __future__ import annotations

import numpy as np
from keras import ops

INK = "#22303c"  # text, lines of axes, observed values
BLUE = "#2a6f97"
ORANGE = "#e07a1f"  # predictions, if observed values are drawn too
HEAT = "Blues"
CYCLE = ("#2a6f97", "#e07a1f", "#5f8f3e", "#b23a6b", "#7a5fb0", "#c2a21b", "#4aa3a2", "#8c5a3c", "#6c757d", "#d1495b")


def axes_of(ax):
    """`ax`, or the current axes of pyplot if it is None, without the frame at the top and at the right."""
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.gca()
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def as_numpy(tensor) -> np.ndarray:
    """A tensor of any backend as an array."""
    return np.asarray(ops.convert_to_numpy(tensor))
