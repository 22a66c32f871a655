"""Generates records, from nothing or as the continuation of a real one, and draws them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from mdn import plots
from mdn.applications.ecg import data
from mdn.page import figure, write_figure
from mdn.sequences import MDNRNN

_PAPER, _FINE = "#e8a49c", "#f6dcd8"


def generate(model: MDNRNN, seconds: float = 10.0, count: int = 1, begun=None, seed: int | None = 0, **temperatures):
    """Samples `(count, seconds · RATE)` in units of 1/200 mV.

    Args:
        model: From `mdn.applications.ecg.train`.
        seconds: How long each record is.
        count: How many records.
        begun: Samples `(T,)` of a real record that each of them continues, or None.
        seed: Same seed, same samples.
        **temperatures: As in `MDNRNN.generate`.

    Raises:
        ValueError: if `seconds` is not positive.
    """
    if not seconds > 0.0:
        raise ValueError(f"`seconds` must be positive, but {seconds!r} came.")
    wanted = max(1, round(seconds * data.RATE))
    prime, before, start = None, 0.0, 0.0
    if begun is not None:
        level = data.filtered(begun)[len(begun) % data.FRAME :]  # whole frames, up to the last sample
        prime, before, start = data.frames(level), float(level[-1]), float(begun[-1])
    made = model.generate(math.ceil(wanted / data.FRAME), count, prime, seed=seed, **temperatures)
    levels = [data.samples(one, before)[:wanted] for one in made]
    return np.stack([data.unfiltered(one, before, start) for one in levels])


def write_strips(path, strips: Mapping[str, np.ndarray], seconds: float = 10.0) -> None:
    """Draws strips one below the other on the grid paper of hospitals, as SVG or PNG by the ending of `path`.

    Args:
        path: The path of the file, .svg or .png.
        strips: Samples `(T,)` by label.
        seconds: How much of each strip is shown.

    Raises:
        ValueError: if the name ends otherwise.
    """
    picture = figure(9.0, 1.15 * len(strips))
    axes = picture.subplots(len(strips), 1, squeeze=False, sharex=True)[:, 0]
    for ax, (label, samples) in zip(axes, strips.items(), strict=True):
        shown = np.asarray(samples)[: round(seconds * data.RATE)] / data.PER_MILLIVOLT
        middle = float(np.median(shown))
        low, high = min(shown.min() - middle, -0.7), max(shown.max() - middle, 1.2)
        ax.set(xlim=(0.0, seconds), ylim=(low - 0.1, high + 0.1), yticks=[])
        ax.set_xticks(np.arange(0.0, seconds + 0.01, 0.2), minor=False)
        ax.set_yticks(np.arange(math.floor(2.0 * low), math.ceil(2.0 * high) + 1) * 0.5)
        ax.grid(color=_FINE, linewidth=0.5)
        ax.tick_params(length=0, labelleft=False, labelbottom=False)
        ax.spines[:].set_color(_PAPER)
        ax.plot(np.arange(len(shown)) / data.RATE, shown - middle, color=plots.INK, linewidth=0.8)
        ax.set_ylabel(label, fontsize=7, color=plots.INK, rotation=0, ha="right", va="center")
    write_figure(path, picture, dpi=100)
