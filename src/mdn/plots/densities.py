"""Densities: of one number, of one number for each x, of two numbers."""

from __future__ import annotations

import numpy as np

from mdn.distributions import Mixture
from mdn.numerics import SMALLEST_SCALE
from mdn.plots.canvas import BLUE, CYCLE, HEAT, INK, ORANGE, as_numpy, axes_of

_MOST_POINTS = 400


def _require(distribution, rank: int, what: str) -> None:
    if distribution.event_size != 1 or len(distribution.batch_shape) != rank:
        raise ValueError(
            f"{what} needs a distribution with event_size=1 and {rank} batch axes, but event_size="
            f"{distribution.event_size} and batch_shape={distribution.batch_shape} came. Take marginal() or index it."
        )


def _reach(distribution, share: float = 0.001) -> tuple[float, float]:
    """The ends, with a margin, of the region that leaves a `share` of the probability below it and as much above."""
    ends = as_numpy(distribution.quantile([share, 1.0 - share]))
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
        label: Its label in the legend.
        color: The colour of the line.

    Returns:
        The axes.

    Raises:
        ValueError: if the distribution has a batch, or more than one coordinate.

    Example:
        >>> import matplotlib.pyplot as plt, mdn
        >>> ax = mdn.plots.density(mdn.Normal([0.0], [1.0]), ax=plt.figure().add_subplot())
        >>> ax.get_ylabel()
        'density'
    """
    _require(distribution, 0, "density()")
    ax = axes_of(ax)
    low, high = limits or _reach(distribution)
    grid = np.linspace(low, high, _MOST_POINTS + 1)
    heights = as_numpy(distribution.prob(grid[:, None]))
    if components and isinstance(distribution, Mixture):
        parts = heights[:, None] * as_numpy(distribution.responsibilities(grid[:, None]))
        for k in np.argsort(-parts.max(axis=0)):
            ax.fill_between(grid, parts[:, k], color=CYCLE[k % len(CYCLE)], alpha=0.25, linewidth=0.5)
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

    Example:
        >>> import matplotlib.pyplot as plt, mdn, numpy as np
        >>> x = np.linspace(-1, 1, 20)[:, None]
        >>> ax = mdn.plots.conditional(x, mdn.Normal(x, 0.1 + 0.0 * x), ax=plt.figure().add_subplot())
        >>> len(ax.collections)
        1
    """
    _require(distribution, 1, "conditional()")
    x = np.reshape(x, -1)
    if len(x) != distribution.batch_shape[0]:
        raise ValueError(f"`x` must have one value a distribution, {distribution.batch_shape[0]}, but has {len(x)}.")
    from matplotlib.colors import PowerNorm

    ax = axes_of(ax)
    low, high = limits or _reach(distribution)
    grid = np.linspace(low, high, rows)
    heat = as_numpy(distribution.prob(grid[:, None, None]))
    # High peaks would make the rest of a density pale, so the highest 0.5 % of the cells share one colour.
    norm = PowerNorm(0.5, vmin=0.0, vmax=max(float(np.quantile(heat, 0.995)), SMALLEST_SCALE))
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

    Example:
        >>> import matplotlib.pyplot as plt, mdn, numpy as np
        >>> x = np.linspace(-1, 1, 20)[:, None]
        >>> mixture = mdn.Mixture(np.zeros((20, 2)), mdn.Normal(np.stack([x, -x], axis=1), np.ones((20, 2, 1))))
        >>> ax = mdn.plots.component_means(x, mixture, ax=plt.figure().add_subplot())
        >>> len(ax.collections)
        2
    """
    _require(mixture, 1, "component_means()")
    ax = axes_of(ax)
    x = np.reshape(x, -1)
    families = mixture.components if isinstance(mixture.components, tuple) else (mixture.components,)
    means = np.concatenate([as_numpy(family.mean())[..., 0] for family in families], axis=-1)
    weights = as_numpy(mixture.weights)
    for k in range(means.shape[-1]):
        ax.scatter(x, means[:, k], s=widest * weights[:, k], color=CYCLE[k % len(CYCLE)], linewidths=0)
    return ax


def samples(x, distribution, ax=None, *, seed=0, color=ORANGE, **marks):
    """Plots one draw for each x.

    Args:
        x: One feature, shape `(N,)`.
        distribution: Batch `(N,)`, event_size 1.
        ax: Axes.
        seed: As in `sample`.
        color: The colour of the marks.
        **marks: Further arguments of `Axes.scatter`.

    Returns:
        The axes.

    Raises:
        ValueError: if the shapes do not fit.

    Example:
        >>> import matplotlib.pyplot as plt, mdn, numpy as np
        >>> x = np.linspace(-1, 1, 20)[:, None]
        >>> ax = mdn.plots.samples(x, mdn.Normal(x, 0.1 + 0.0 * x), ax=plt.figure().add_subplot())
        >>> len(ax.collections[0].get_offsets())
        20
    """
    _require(distribution, 1, "samples()")
    ax = axes_of(ax)
    draws = as_numpy(distribution.sample(seed=seed))[:, 0]
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

    Example:
        >>> import matplotlib.pyplot as plt, mdn
        >>> normal = mdn.Normal([0.0, 0.0], [1.0, 2.0])
        >>> ax = mdn.plots.density_2d(normal, limits=((-3, 3), (-6, 6)), ax=plt.figure().add_subplot())
        >>> float(ax.get_xlim()[1])
        3.0
    """
    if distribution.event_size != 2 or distribution.batch_shape:
        raise ValueError(
            f"density_2d() needs event_size=2 and no batch, but event_size={distribution.event_size} and "
            f"batch_shape={distribution.batch_shape} came. Take marginal() or index it."
        )
    ax = axes_of(ax)
    across, up = (np.linspace(low, high, cells) for low, high in limits)
    points = np.stack(np.meshgrid(across, up), axis=-1)
    heat = as_numpy(distribution.prob(points))
    ax.pcolormesh(across, up, np.sqrt(heat), cmap=cmap, vmin=0.0, shading="gouraud", rasterized=True)
    ax.contour(across, up, heat, levels=heat.max() * np.array([0.05, 0.3, 0.7]), colors=INK, linewidths=0.5, alpha=0.6)
    ax.set(xlim=limits[0], ylim=limits[1])
    return ax


def ellipses(distribution, ax=None, *, at=(0.0, 0.0), sigmas=(1.0, 2.0), colors=CYCLE, lightest: float = 0.02):
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

    Example:
        >>> import matplotlib.pyplot as plt, mdn, numpy as np
        >>> mixture = mdn.Mixture(np.zeros(2), mdn.Normal(np.array([[0.0, 0.0], [3.0, 3.0]]), np.ones((2, 2))))
        >>> ax = mdn.plots.ellipses(mixture, ax=plt.figure().add_subplot())
        >>> len(ax.patches)
        4
    """
    if not isinstance(distribution, Mixture) or distribution.event_size != 2 or len(distribution.batch_shape) > 1:
        raise ValueError(
            f"ellipses() needs a mixture with event_size=2 and at most one batch axis, but {type(distribution).__name__} with "
            f"event_size={distribution.event_size} and batch_shape={distribution.batch_shape} came."
        )
    ax = axes_of(ax)
    weights = as_numpy(distribution.weights)
    centers = as_numpy(distribution.components.mean()) + np.asarray(at)[..., None, :]
    axes, variances, _ = np.linalg.svd(as_numpy(distribution.components.covariance()))  # symmetric: its eigenvectors
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
