"""Checks of a model: calibration, surprise, and how its loss fell."""

from __future__ import annotations

import numpy as np

from mdn import metrics
from mdn.plots.canvas import BLUE, INK, ORANGE, axes_of
from mdn.wording import counted


def pit(values, ax=None, *, bins: int = 20):
    """Draws a histogram of probability integral transforms: it is flat if the distributions are calibrated.

    A U means that they are too narrow, a hill too wide, a slope shifted. The band holds 95 % of the bars of a calibrated model.

    Args:
        values: `mdn.metrics.pit(distribution, y)`, shape `(N,)`.
        ax: Axes.
        bins: How many bars.

    Returns:
        The axes.

    Example:
        >>> import matplotlib.pyplot as plt, mdn, numpy as np
        >>> ax = mdn.plots.pit(np.linspace(0, 1, 500), bins=10, ax=plt.figure().add_subplot())
        >>> len(ax.patches)
        11
    """
    ax = axes_of(ax)
    values = np.reshape(values, -1)
    noise = 1.96 * np.sqrt((bins - 1) / max(len(values), 1))
    ax.hist(
        values, bins=bins, range=(0.0, 1.0), weights=np.full(len(values), bins / len(values)), color=BLUE, alpha=0.6
    )
    ax.axhspan(1.0 - noise, 1.0 + noise, color=INK, alpha=0.15, linewidth=0)
    ax.axhline(1.0, color=INK, linewidth=1)
    ax.set(xlim=(0, 1), xlabel="probability below the observed value", ylabel="frequency / expected")
    return ax


def reliability(values, ax=None, *, label: str | None = None, color=BLUE):
    """Draws the share of targets inside central intervals against the nominal share: below the diagonal, they are too narrow.

    Args:
        values: `mdn.metrics.pit(distribution, y)`, shape `(N,)`.
        ax: Axes.
        label: Its label in the legend.
        color: The colour of the line.

    Returns:
        The axes.

    Example:
        >>> import matplotlib.pyplot as plt, mdn, numpy as np
        >>> ax = mdn.plots.reliability(np.linspace(0, 1, 500), ax=plt.figure().add_subplot())
        >>> len(ax.lines)
        2
    """
    ax = axes_of(ax)
    nominal = np.linspace(0.0, 1.0, 101)
    held = [metrics.coverage(values, each) for each in nominal]
    noise = 1.96 * np.sqrt(nominal * (1.0 - nominal) / max(np.size(values), 1))
    ax.fill_between(nominal, nominal - noise, nominal + noise, color=INK, alpha=0.12, linewidth=0)
    ax.plot([0, 1], [0, 1], color=INK, linewidth=1)
    ax.plot(nominal, held, color=color, linewidth=2, label=label)
    ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="the interval should hold", ylabel="it holds", aspect="equal")
    return ax


def surprise(log_prob, ax=None, *, at=None, most: int = 5, label: str | None = None, color=BLUE):
    """Draws the surprise of a model at each event of a sequence, -log p(event | earlier events) in nats, and marks the highest.

    A density may exceed 1, so surprise may be negative: compare the events with one another, not with 0.

    Args:
        log_prob: The log density of one sequence, as `MDNRNN.log_prob` returns it, `(T,)`.
        ax: Axes.
        at: Where each event is on the horizontal axis, `(T,)`, such as its time; by default its number.
        most: How many of the most surprising events are marked.
        label: Its label in the legend.
        color: The colour of the line.

    Raises:
        ValueError: if `log_prob` is not that of one sequence, or `at` has another length.

    Example:
        >>> import matplotlib.pyplot as plt, mdn, numpy as np
        >>> ax = mdn.plots.surprise(np.array([-1.0, -1.2, -6.0, -1.1]), ax=plt.figure().add_subplot())
        >>> len(ax.lines) > 0
        True
    """
    ax, values = axes_of(ax), -np.asarray(log_prob, "float64")
    if values.ndim != 1 or not len(values):
        raise ValueError(
            f"`log_prob` must be that of one sequence, (T,), but its shape is {values.shape}: index the list."
        )
    at = np.arange(len(values)) if at is None else np.asarray(at)
    if at.shape != values.shape:
        raise ValueError(
            f"`at` must have {counted(len(values), 'place')}, one for each event, but its shape is {at.shape}."
        )
    ax.plot(at, values, color=color, linewidth=1.2, label=label)
    highest = np.argsort(-values, kind="stable")[:most]
    ax.plot(at[highest], values[highest], "o", color=ORANGE, markersize=5)
    ax.axhline(values.mean(), color=INK, linewidth=0.8, linestyle=":")
    ax.set(xlabel="event", ylabel="surprise, nats")
    return ax


def surprising_path(places, log_prob, ax=None, *, cmap="viridis_r", width: float = 2.5):
    """Draws a path in the plane, each step in the colour of the model's surprise; a step from or to NaN is a gap.

    Args:
        places: `(T, 2)`.
        log_prob: The log density of the events that led to each place, `(T,)`.
        ax: Axes.
        cmap: Colour map, from low to high surprise.
        width: The width of the line, in points.

    Raises:
        ValueError: if `places` has another shape.

    Example:
        >>> import matplotlib.pyplot as plt, mdn, numpy as np
        >>> places = np.cumsum(np.ones((4, 2)), axis=0)
        >>> ax = mdn.plots.surprising_path(places, np.array([-1.0, -1.2, -6.0, -1.1]), ax=plt.figure().add_subplot())
        >>> len(ax.collections) > 0
        True
    """
    from matplotlib.collections import LineCollection

    ax, places, values = axes_of(ax), np.asarray(places, "float64"), -np.asarray(log_prob, "float64")
    if places.shape != (len(values), 2):
        raise ValueError(f"`places` must have shape ({len(values)}, 2), one for each event, but {places.shape} came.")
    steps = np.stack([places[:-1], places[1:]], axis=1)
    known = np.isfinite(steps).all(axis=(1, 2))
    lines = LineCollection(steps[known], cmap=cmap, linewidth=width, capstyle="round")
    lines.set_array(values[1:][known])
    ax.add_collection(lines)
    ax.autoscale()
    ax.set_aspect("equal")
    ax.figure.colorbar(lines, ax=ax, label="surprise, nats", shrink=0.8)
    return ax


def loss(history, ax=None, *, best: float | None = None):
    """Draws training and validation loss by epoch.

    Args:
        history: What `model.fit` or `mdn.training.fit` returned, or a dict of lists.
        ax: Axes.
        best: A loss to compare with, drawn as a line: the best possible one, or that of a baseline.

    Returns:
        The axes.

    Example:
        >>> import matplotlib.pyplot as plt, mdn
        >>> ax = mdn.plots.loss(mdn.training.History(loss=[3.0, 2.0, 1.5]), ax=plt.figure().add_subplot())
        >>> ax.get_xlabel()
        'epoch'
    """
    ax = axes_of(ax)
    curves = getattr(history, "history", history)
    names = {"loss": ("training", BLUE), "val_loss": ("validation", ORANGE)}
    for name, values in curves.items():
        label, color = names.get(name, (name, None))
        ax.plot(np.arange(1, len(values) + 1), values, label=label, color=color)
    if best is not None:
        ax.axhline(best, color=INK, linewidth=1, linestyle="--")
    shown = [*curves.values(), [] if best is None else [best]]
    _tame_losses(ax, [np.asarray(values, "float64") for values in shown])
    ax.set(xlabel="epoch", ylabel="loss")
    if len(curves) > 1:
        ax.legend(frameon=False)
    return ax


def _tame_losses(ax, curves) -> None:
    """Cuts off high losses, such as those of the first epochs, if they would flatten all others."""
    values = np.concatenate([curve[np.isfinite(curve)] for curve in curves]) if curves else np.empty(0)
    if len(values) > 20:
        low, high = values.min(), np.quantile(values, 0.97)
        if values.max() - low > 3.0 * (high - low) > 0.0:
            ax.set_ylim(low - 0.05 * (high - low), high + 0.2 * (high - low))
