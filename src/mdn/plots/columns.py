"""What the columns of a table do to the answers: importances, and partial dependence."""

from __future__ import annotations

import numpy as np

from mdn.plots.canvas import BLUE, INK, axes_of

_AXES = {
    "nll": "NLL: nats a row lost",
    "median": "median: error gained, unit of {target}",
    "spread": "spread: change of log width",
}
_NAME = 24  # characters of a name beside the axes
_MOST_LEVELS = 12  # of a column of categories so many levels are drawn
_CROWDED = 5  # names of levels that are written without a slant


def importances(found, ax=None, *, measure: str = "nll", target: int = 0, most: int = 10, color=BLUE):
    """Draws how much the answers need each column, as bars with their numbers and a line of one standard error to both sides.

    Args:
        found: What `MDNRegressor.importances` returned.
        ax: Axes.
        measure: "nll", "median" or "spread".
        target: The number of the target, for the median and the spread.
        most: How many columns at most, the most important by the NLL from the top.
        color: The colour of the bars.

    Returns:
        The axes.

    Raises:
        ValueError: if there is no such measure.
    """
    values, errors = found.of_target(measure, target)
    ax = axes_of(ax)
    order = found.order[:most]
    ax.axvline(0.0, color=INK, linewidth=0.8)
    ax.barh(
        np.arange(len(order)),
        np.where(np.isfinite(values), values, 0.0)[order],
        xerr=np.where(np.isfinite(errors), errors, 0.0)[order],
        color=color,
        alpha=0.6,
        error_kw={"ecolor": INK, "elinewidth": 1.0, "capsize": 2},
    )
    for row, at in enumerate(order):
        if np.isfinite(values[at]):
            end = max(values[at], 0.0) + (errors[at] if np.isfinite(errors[at]) else 0.0)
            ax.annotate(_figure(values[at]), (end, row), (4, 0), textcoords="offset points", va="center", fontsize=7)
    ax.margins(x=0.25)  # room for the numbers
    ax.set(ylim=(len(order) - 0.4, -0.6), xlabel=_AXES[measure].format(target=found.target_names[target]))
    ax.set_yticks(np.arange(len(order)), [_short(found.names[at]) for at in order])
    return ax


def partial_dependence(found, ax=None, *, target: int = 0, color=BLUE):
    """Draws how the predicted quantiles move with one column: lines and bands over numbers and dates, bars over levels.

    Bands lie between the first and the last quantile, the second and the last but one, and so on. The ticks at the bottom are
    the grid of numbers, which is denser where there are more rows.

    Args:
        found: What `MDNRegressor.partial_dependence` returned.
        ax: Axes.
        target: The number of the target.
        color: The colour of lines and bands.

    Returns:
        The axes.
    """
    ax = axes_of(ax)
    order = np.argsort(found.levels)
    levels, quantiles = found.levels[order], found.of_target(target)[:, order]
    pairs = [(low, len(levels) - 1 - low) for low in range(len(levels) // 2)]
    names = [f"{100 * levels[low]:g} % to {100 * levels[high]:g} %" for low, high in pairs]
    middle = len(levels) // 2 if len(levels) % 2 else None
    center = "" if middle is None else "median" if levels[middle] == 0.5 else f"{100 * levels[middle]:g} %"
    if found.kind == "category":
        quantiles = quantiles[:_MOST_LEVELS]
        at = np.arange(len(quantiles))
        for (low, high), name in zip(pairs, names, strict=True):
            ax.vlines(at, quantiles[:, low], quantiles[:, high], color=color, alpha=0.35, linewidth=9, label=name)
        if middle is not None:
            ax.plot(at, quantiles[:, middle], "o", color=color, markersize=5, label=center)
        slanted = {"rotation": 30, "ha": "right"} if len(at) > _CROWDED else {}
        ax.set_xticks(at, [_short(str(each)) for each in found.grid[: len(at)]], **slanted)
        ax.set_xlim(-0.6, len(at) - 0.4)
    else:
        for (low, high), name in zip(pairs, names, strict=True):
            ax.fill_between(
                found.grid, quantiles[:, low], quantiles[:, high], color=color, alpha=0.2, linewidth=0, label=name
            )
        if middle is not None:
            ax.plot(found.grid, quantiles[:, middle], color=color, linewidth=1.8, label=center)
        if found.kind == "date":
            from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

            locator = AutoDateLocator(minticks=3, maxticks=6)
            ax.xaxis.set_major_locator(locator)
            ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        else:
            bottom = np.zeros(len(found.grid))
            ax.plot(found.grid, bottom, "|", color=INK, markersize=6, transform=ax.get_xaxis_transform())
    ax.set(xlabel=found.column, ylabel=found.target_names[target])
    return ax


def _figure(value: float) -> str:
    """Three digits, without an exponent."""
    return np.format_float_positional(value, precision=3, fractional=False, trim="-")


def _short(name: str) -> str:
    return name if len(name) <= _NAME else name[:_NAME] + "..."
