"""Performances as pictures: each value a lane over time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from mdn.page import figure, write_figure

COLORS = ("#2a6f97", "#e07a1f", "#5f8f3e", "#b23a6e", "#7b5ea7", "#c9a227", "#3d8b8b", "#a44a3f")
_INK, _LINE, _PAPER = "#44423d", "#d8d4c8", "#fdfcf8"
_FEW = 4  # up to so many lanes are drawn high


def write_lanes(path, performances: Sequence[np.ndarray], labels: Sequence[str] = (), seconds: float = 10.0) -> None:
    """Draws performances one below the other, each value a lane in a colour of its own, as SVG or PNG by the ending of `path`.

    A line holds its height until the value moves, and ends where the performance ends; a dot marks each move.

    Args:
        path: The path of the file, .svg or .png.
        performances: Arrays `(T, 1 + N)`: dt and values.
        labels: One for each, or none.
        seconds: How much of each is shown.

    Raises:
        ValueError: if the name ends otherwise.
    """
    picture = lanes(performances, labels, seconds)
    write_figure(path, picture, dpi=110)


def lanes(performances: Sequence[np.ndarray], labels: Sequence[str] = (), seconds: float = 10.0) -> Figure:
    """The picture that `write_lanes` writes.

    Args:
        performances, labels, seconds: As there.
    """
    size = performances[0].shape[1] - 1
    high = 0.5 if size <= _FEW else 0.25
    picture = figure(9.0, (high * size + 0.35) * len(performances))
    picture.set_facecolor(_PAPER)
    labels = list(labels) or [""] * len(performances)
    axes = picture.subplots(len(performances), 1, squeeze=False, sharex=True)[:, 0]
    for ax, one, label in zip(axes, performances, labels, strict=True):
        _draw(ax, np.asarray(one), seconds)
        ax.set_title(label, fontsize=8, color=_INK, loc="left")
    axes[-1].set_xlabel("seconds", fontsize=8, color=_INK)
    return picture


def _draw(ax, performance: np.ndarray, seconds: float) -> None:
    time = np.cumsum(performance[:, 0]) - performance[0, 0]
    shown = time <= seconds
    time, values = time[shown], performance[shown, 1:]
    size = values.shape[1]
    ax.set(xlim=(0.0, seconds), ylim=(size, 0.0), yticks=[], facecolor="white")
    for lane in range(size):
        color, heights = COLORS[lane % len(COLORS)], lane + 0.92 - 0.84 * values[:, lane]
        moved = np.flatnonzero(np.diff(values[:, lane], prepend=np.nan))
        if lane:
            ax.axhline(lane, color=_LINE, linewidth=0.8)
        end = time[-1] if shown.all() else seconds  # what has ended holds no value
        ax.step(
            np.append(time, end), np.append(heights, heights[-1]), where="post", color=color, linewidth=0.9, alpha=0.6
        )
        ax.plot(time[moved], heights[moved], ".", color=color, markersize=2.2)
    ax.tick_params(labelsize=7, colors=_INK, length=2)
    ax.spines[:].set_color(_LINE)
