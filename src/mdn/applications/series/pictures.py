"""Recordings as lanes over time, what may come after one as a fan, and what in one was unusual."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mdn import plots
from mdn.page import figure, write_figure

_LANES, _SIDE_BY_SIDE = 16, 4
_LINES = (
    5000  # steps that an SVG draws as a line; more become a picture, or the file would be as large as the recording
)
_SEEN = 200  # steps before a forecast that are shown


def write_lanes(path, recordings: Sequence[np.ndarray], channels: Sequence[str] = ()) -> None:
    """Draws up to four recordings side by side, each channel a lane over time, the first 16 channels.

    Args:
        path: The path of the file, .svg or .png.
        recordings: Values `(T, D)`.
        channels: Names of the channels.

    Raises:
        ValueError: if the name ends otherwise.
    """
    shown = [np.asarray(one) for one in recordings[:_SIDE_BY_SIDE]]
    picture, axes = _lanes(shown[0].shape[1], len(shown), channels)
    for column, one in zip(axes.T, shown, strict=True):
        for ax, values in zip(column, one.T, strict=False):
            _line(ax, np.arange(len(one)), values)
        column[-1].set_xlabel("step", fontsize=8)
    write_figure(path, picture, dpi=120)


def write_forecast(path, recording, quantiles, channels: Sequence[str] = ()) -> None:
    """Draws the end of a recording and, behind it, the quantiles of what may come: bands, and a line where one is the median.

    Args:
        path: The path of the file, .svg or .png.
        recording: Values `(T, D)`.
        quantiles: `(steps, D, levels)` in rising order, as `forecast` returns them.
        channels: Names of the channels.

    Raises:
        ValueError: if the name ends otherwise.
    """
    recording, quantiles = np.asarray(recording), np.asarray(quantiles)
    seen = recording[-max(_SEEN, len(quantiles)) :]
    picture, axes = _lanes(seen.shape[1], 1, channels)
    later = np.arange(1, len(quantiles) + 1)
    for i, ax in enumerate(axes[:, 0]):
        _line(ax, np.arange(1 - len(seen), 1), seen[:, i])
        levels = quantiles[:, i].T
        for low in range(len(levels) // 2):
            ax.fill_between(later, levels[low], levels[-1 - low], color=plots.BLUE, alpha=0.25, linewidth=0)
        if len(levels) % 2:
            ax.plot(later, levels[len(levels) // 2], color=plots.BLUE, linewidth=1.2)
        ax.axvline(0.5, color=plots.INK, linewidth=0.6, linestyle=":")
    axes[-1, 0].set_xlabel("step after the recording", fontsize=8)
    write_figure(path, picture, dpi=120)


def write_surprise(path, recording, nats, channels: Sequence[str] = ()) -> None:
    """Draws a recording, and below it the surprise of each step, the highest marked.

    Args:
        path: The path of the file, .svg or .png.
        recording: Values `(T, D)`.
        nats: From `surprise`.
        channels: Names of the channels.

    Raises:
        ValueError: if the name ends otherwise.
    """
    recording, nats = np.asarray(recording), np.asarray(nats)
    picture, axes = _lanes(recording.shape[1], 1, channels, more=1)
    for ax, values in zip(axes[:-1, 0], recording.T, strict=False):
        _line(ax, np.arange(len(recording)), values)
    known = np.flatnonzero(~np.isnan(nats))
    plots.surprise(-nats[known], axes[-1, 0], at=known)
    axes[-1, 0].set_xlabel("step", fontsize=8)
    axes[-1, 0].set_ylabel("surprise, nats", fontsize=8, color=plots.INK)
    axes[-1, 0].lines[0].set_rasterized(len(nats) > _LINES)
    write_figure(path, picture, dpi=120)


def _lanes(lanes: int, columns: int, channels: Sequence[str], more: int = 0):
    """(a figure, its axes `(lanes + more, columns)`), each lane with the name of its channel."""
    lanes = min(lanes, _LANES)
    rows = lanes + more
    picture = figure(9.0, 0.9 + 1.1 * rows)
    axes = picture.subplots(rows, columns, squeeze=False, sharex=True, sharey="row" if not more else False)
    for ax in axes.ravel():
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=7)
    for ax, name in zip(axes[:, 0], channels, strict=False):
        ax.set_ylabel(name, fontsize=8, color=plots.INK)
    return picture, axes


def _line(ax, at, values) -> None:
    ax.plot(at, values, color=plots.INK, linewidth=0.8, rasterized=len(values) > _LINES)
