"""Demonstrations and rollouts as pictures, and the mixture's ellipses along a path."""

from __future__ import annotations

import math

import numpy as np

from mdn import plots
from mdn.applications.robot.model import next_moves
from mdn.page import figure, write_figure
from mdn.sequences import MDNRNN

_COLORS = (plots.BLUE, plots.ORANGE, "#5f8f3e", "#b23a6b", "#7a5fb0", "#c2a21b") * 5
_MARGIN, _INCHES, _IN_A_ROW = 0.083, 2.6, 6  # share of the extent; side of a picture; most pictures in a row


def draw_paths(paths, ax, color=plots.BLUE, **line):
    """Draws paths `(P, steps + 1, 2)` as thin lines; returns the axes."""
    for path in paths:
        ax.plot(*np.asarray(path).T, color=color, **{"linewidth": 0.7, "alpha": 0.5, **line})
    return ax


def draw_ellipses(model: MDNRNN, path, ax):
    """Draws a path `(steps + 1, 2)`, and the ellipses of the prediction before each of its steps; returns the axes."""
    path = np.asarray(path)
    plots.ellipses(next_moves(model, path), ax, at=path[:-1])
    ax.plot(*path.T, "o-", color=plots.INK, linewidth=0.8, markersize=2.5)
    return ax


def write_picture(path, demonstrations=None, rollouts=None, model: MDNRNN | None = None, thought_along=None) -> None:
    """Writes rows of pictures, as SVG or PNG by the ending of `path`.

    Args:
        path: The path of the file, .svg or .png.
        demonstrations: `{letter: (count, steps + 1, 2)}`, or None for none.
        rollouts: `{title: (count, steps + 1, 2)}`.
        model: The model whose ellipses are drawn.
        thought_along: `{title: (steps + 1, 2)}`, the paths along which they are drawn.

    Raises:
        ValueError: if the name ends otherwise, or `thought_along` comes without `model`.
    """
    if thought_along and model is None:
        raise ValueError("`thought_along` needs the model whose ellipses are drawn: give `model`.")
    demonstrations, rollouts, thought_along = demonstrations or {}, rollouts or {}, thought_along or {}
    titles = ["demonstrations"] * bool(demonstrations) + [*rollouts, *thought_along]
    rows = math.ceil(len(titles) / _IN_A_ROW)
    columns = math.ceil(len(titles) / rows)
    picture = figure(_INCHES * columns, _INCHES * 1.15 * rows)
    axes = picture.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).reshape(-1)
    cells = iter(axes)
    if demonstrations:
        ax = next(cells)
        for color, paths in zip(_COLORS, demonstrations.values(), strict=False):
            draw_paths(paths, ax, color, alpha=0.8)
    for paths in rollouts.values():
        draw_paths(paths, next(cells))
    if model is not None:
        for one in thought_along.values():
            draw_ellipses(model, one, next(cells))
    shown = [*demonstrations.values(), *rollouts.values(), *(one[None] for one in thought_along.values())]
    places = np.concatenate([np.reshape(paths, (-1, 2)) for paths in shown])
    # quantiles: one path that strays far must not make all others small
    low, high = np.quantile(places, (0.002, 0.998), axis=0)
    margin = _MARGIN * float(np.max(high - low)) or 1.0
    low, high = low - margin, high + margin
    for ax in axes[len(titles) :]:
        ax.set_visible(False)
    for ax, title in zip(axes, titles, strict=False):
        ax.plot(0.0, 0.0, "o", color=plots.INK, markersize=5)
        ax.set_title(title, fontsize=9, color=plots.INK)
        ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xticks=[], yticks=[], aspect="equal")
        ax.spines[:].set_visible(False)
    write_figure(path, picture, dpi=100)
