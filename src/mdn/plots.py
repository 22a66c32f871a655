"""Draws distributions, and checks of their calibration, on Matplotlib axes.

Every function draws on `ax` (by default the current axes of pyplot) and returns it, so that plots combine like any of
Matplotlib's. The distributions are those that `mdn.predict` returns.
"""

from __future__ import annotations

import numpy as np
from keras import ops

from mdn import metrics
from mdn.distributions import Mixture

INK = "#22303c"  # text, lines of axes, observed values
BLUE = "#2a6f97"
ORANGE = "#e07a1f"  # predictions, if observed values are drawn too
HEAT = "Blues"
_CYCLE = ("#2a6f97", "#e07a1f", "#5f8f3e", "#b23a6b", "#7a5fb0", "#c2a21b", "#4aa3a2", "#8c5a3c", "#6c757d", "#d1495b")
_MOST_POINTS = 400


def _axes(ax):
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.gca()
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _numpy(tensor) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(tensor))


def _require(distribution, rank: int, what: str) -> None:
    if distribution.event_size != 1 or len(distribution.batch_shape) != rank:
        raise ValueError(
            f"{what} needs a distribution with event_size=1 and {rank} batch axes, but event_size="
            f"{distribution.event_size} and batch_shape={distribution.batch_shape} came. Take marginal() or index it."
        )


def _reach(distribution, share: float = 0.001) -> tuple[float, float]:
    """The ends, with a margin, of the region that leaves a `share` of the probability below it and as much above."""
    ends = _numpy(distribution.quantile([share, 1.0 - share]))
    low, high = np.nanmin(ends), np.nanmax(ends)
    margin = 0.05 * (high - low) or 1.0
    return float(low - margin), float(high + margin)


def density(distribution, ax=None, *, limits=None, components: bool = True, label: str | None = None, color=BLUE):
    """Draws the density of one number, and below it the weighted components of a mixture.

    Args:
        distribution: With event_size 1 and no batch, such as `mixture[0]`.
        ax: Axes.
        limits: `(low, high)` of the values; by default they leave out 0.2 % of the probability.
        components: Whether to draw the components of a mixture.
        label: For the legend.
        color: Of the line.

    Returns:
        The axes.

    Raises:
        ValueError: if the distribution has a batch, or more than one coordinate.
    """
    _require(distribution, 0, "density()")
    ax = _axes(ax)
    low, high = limits or _reach(distribution)
    grid = np.linspace(low, high, _MOST_POINTS + 1)
    heights = _numpy(distribution.prob(grid[:, None]))
    if components and isinstance(distribution, Mixture):
        parts = heights[:, None] * _numpy(distribution.responsibilities(grid[:, None]))
        for k in np.argsort(-parts.max(axis=0)):
            ax.fill_between(grid, parts[:, k], color=_CYCLE[k % len(_CYCLE)], alpha=0.25, linewidth=0.5)
    ax.plot(grid, heights, color=color, linewidth=2, label=label)
    top = max([float(np.max(line.get_ydata())) for line in ax.lines])  # of all densities on these axes
    ax.set(xlim=(grid[0], grid[-1]), ylim=(0.0, 1.05 * top), ylabel="density")
    return ax


def conditional(x, distribution, ax=None, *, limits=None, rows: int = 300, cmap=HEAT):
    """Draws the density of y for each x, as a heat map.

    Args:
        x: One feature in ascending order, shape `(N,)`.
        distribution: The distribution of y at each `x`, batch `(N,)`, event_size 1.
        ax: Axes.
        limits: `(low, high)` of y.
        rows: Number of rows of the heat map.
        cmap: Colour map, from low to high density.

    Returns:
        The axes.

    Raises:
        ValueError: if the shapes do not fit.
    """
    _require(distribution, 1, "conditional()")
    x = np.reshape(x, -1)
    if len(x) != distribution.batch_shape[0]:
        raise ValueError(f"`x` must have one value a distribution, {distribution.batch_shape[0]}, but has {len(x)}.")
    from matplotlib.colors import PowerNorm

    ax = _axes(ax)
    low, high = limits or _reach(distribution)
    grid = np.linspace(low, high, rows)
    heat = _numpy(distribution.prob(grid[:, None, None]))
    # High peaks would make the rest of a density pale, so the highest 0.5 % of the cells share one colour.
    norm = PowerNorm(0.5, vmin=0.0, vmax=max(float(np.quantile(heat, 0.995)), 1e-30))
    ax.pcolormesh(x, grid, heat, cmap=cmap, norm=norm, shading="gouraud", rasterized=True)
    ax.set(xlim=(x.min(), x.max()), ylim=(grid[0], grid[-1]))
    return ax


def component_means(x, mixture, ax=None, *, widest: float = 40.0):
    """Draws the mean of each component against x; the area of a mark is proportional to the weight.

    Args:
        x: One feature, shape `(N,)`.
        mixture: Batch `(N,)`, event_size 1.
        ax: Axes.
        widest: Area of the mark of a component with weight 1, in points².

    Returns:
        The axes.

    Raises:
        ValueError: if the shapes do not fit.
    """
    _require(mixture, 1, "component_means()")
    ax = _axes(ax)
    x = np.reshape(x, -1)
    families = mixture.components if isinstance(mixture.components, tuple) else (mixture.components,)
    means = np.concatenate([_numpy(family.mean())[..., 0] for family in families], axis=-1)
    weights = _numpy(mixture.weights)
    for k in range(means.shape[-1]):
        ax.scatter(x, means[:, k], s=widest * weights[:, k], color=_CYCLE[k % len(_CYCLE)], linewidths=0)
    return ax


def samples(x, distribution, ax=None, *, seed=0, color=ORANGE, **marks):
    """Plots one draw for each x.

    Args:
        x: One feature, shape `(N,)`.
        distribution: Batch `(N,)`, event_size 1.
        ax: Axes.
        seed: As in `sample`.
        color: Of the marks.
        **marks: Further arguments of `Axes.scatter`.

    Returns:
        The axes.

    Raises:
        ValueError: if the shapes do not fit.
    """
    _require(distribution, 1, "samples()")
    ax = _axes(ax)
    draws = _numpy(distribution.sample(seed=seed))[:, 0]
    ax.scatter(np.reshape(x, -1), draws, **{"s": 4, "color": color, "alpha": 0.6, "linewidths": 0, **marks})
    return ax


def density_2d(distribution, ax=None, *, limits, cells: int = 160, cmap=HEAT):
    """Draws the density of two numbers as a heat map with contours.

    Args:
        distribution: With event_size 2 and no batch.
        ax: Axes.
        limits: `((left, right), (low, high))`.
        cells: Number of cells on each side.
        cmap: Colour map, from low to high density.

    Returns:
        The axes.

    Raises:
        ValueError: if the distribution has a batch, or its event_size is not 2.
    """
    if distribution.event_size != 2 or distribution.batch_shape:
        raise ValueError(
            f"density_2d() needs event_size=2 and no batch, but event_size={distribution.event_size} and "
            f"batch_shape={distribution.batch_shape} came. Take marginal() or index it."
        )
    ax = _axes(ax)
    across, up = (np.linspace(low, high, cells) for low, high in limits)
    points = np.stack(np.meshgrid(across, up), axis=-1)
    heat = _numpy(distribution.prob(points))
    ax.pcolormesh(across, up, np.sqrt(heat), cmap=cmap, vmin=0.0, shading="gouraud", rasterized=True)
    ax.contour(across, up, heat, levels=heat.max() * np.array([0.05, 0.3, 0.7]), colors=INK, linewidths=0.5, alpha=0.6)
    ax.set(xlim=limits[0], ylim=limits[1])
    return ax


def ellipses(distribution, ax=None, *, at=(0.0, 0.0), sigmas=(1.0, 2.0), colors=_CYCLE, lightest: float = 0.02):
    """Draws each component of a mixture of two numbers as ellipses of 1σ and 2σ, as opaque as its weight.

    Args:
        distribution: A mixture with event_size 2, batch `(N,)` or none; each point of the batch has its own colour.
        ax: Axes.
        at: Added to the means, shape `(2,)` or `(N, 2)`, such as the points at which predicted offsets start.
        sigmas: Mahalanobis radii.
        colors: Taken in turn.
        lightest: Components with a smaller weight are left out.

    Returns:
        The axes.

    Raises:
        ValueError: if it is not a mixture, its event_size is not 2, or the batch has more than one axis.
    """
    if not isinstance(distribution, Mixture) or distribution.event_size != 2 or len(distribution.batch_shape) > 1:
        raise ValueError(
            f"ellipses() needs a mixture with event_size=2 and at most one batch axis, but {type(distribution).__name__} with "
            f"event_size={distribution.event_size} and batch_shape={distribution.batch_shape} came."
        )
    ax = _axes(ax)
    weights = _numpy(distribution.weights)
    centers = _numpy(distribution.components.mean()) + np.asarray(at)[..., None, :]
    axes, variances, _ = np.linalg.svd(_numpy(distribution.components.covariance()))  # symmetric: its eigenvectors
    turn = np.linspace(0.0, 2.0 * np.pi, 61)
    circle = np.stack([np.cos(turn), np.sin(turn)])
    rings = np.swapaxes((axes * np.sqrt(variances)[..., None, :]) @ circle, -1, -2)
    for index in zip(*np.nonzero(weights >= lightest), strict=True):
        color = colors[index[0] % len(colors)] if len(index) == 2 else colors[0]
        for sigma in sigmas:
            ax.fill(
                *(centers[index] + sigma * rings[index]).T, color=color, alpha=0.3 * float(weights[index]), linewidth=0
            )
            ax.plot(
                *(centers[index] + sigma * rings[index]).T,
                color=color,
                alpha=float(weights[index]) ** 0.5,
                linewidth=0.7,
            )
    return ax


def pit(values, ax=None, *, bins: int = 20):
    """Draws a histogram of probability integral transforms: it is flat if the distributions are calibrated.

    A U means that they are too narrow, a hill too wide, a slope shifted. The band holds 95 % of the bars of a calibrated model.

    Args:
        values: `mdn.metrics.pit(distribution, y)`, shape `(N,)`.
        ax: Axes.
        bins: How many bars.

    Returns:
        The axes.
    """
    ax = _axes(ax)
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
        label: For the legend.
        color: Of the line.

    Returns:
        The axes.
    """
    ax = _axes(ax)
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
        log_prob: Of one sequence, as `MDNRNN.log_prob` returns it, `(T,)`.
        ax: Axes.
        at: Where each event is on the horizontal axis, `(T,)`, such as its time; by default its number.
        most: How many of the most surprising events are marked.
        label: For a legend.
        color: Of the line.

    Raises:
        ValueError: if `log_prob` is not that of one sequence, or `at` has another length.
    """
    ax, values = _axes(ax), -np.asarray(log_prob, "float64")
    if values.ndim != 1 or not len(values):
        raise ValueError(
            f"`log_prob` must be that of one sequence, (T,), but its shape is {values.shape}: index the list."
        )
    at = np.arange(len(values)) if at is None else np.asarray(at)
    if at.shape != values.shape:
        raise ValueError(f"`at` must have a place for each of {len(values)} events, but its shape is {at.shape}.")
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
        log_prob: Of the events that led to each place, `(T,)`.
        ax: Axes.
        cmap: Colour map, from low to high surprise.
        width: Of the line, in points.

    Raises:
        ValueError: if `places` has another shape.
    """
    from matplotlib.collections import LineCollection

    ax, places, values = _axes(ax), np.asarray(places, "float64"), -np.asarray(log_prob, "float64")
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
    """
    ax = _axes(ax)
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
