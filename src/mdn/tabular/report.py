"""The picture beside a model of a table: how it learned, what it predicts, and whether it is honest."""

from __future__ import annotations

import numpy as np

from mdn import plots
from mdn.data import replacing

_ROWS = 200  # more intervals than these blur into one another


def draw_report(model, x, y, scores, history, path) -> None:
    """Four panels in one file: loss curves, intervals beside the truth, PIT histogram, reliability.

    Args:
        model: A `TableModel`.
        x: Features of rows that training has not seen.
        y: Their targets.
        scores: `model.evaluate` on them.
        history: Of the training.
        path: Of the picture; what stood there before stays until the new one is complete.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 8), layout="constrained")
    learning, intervals, histogram, honesty = figure.subplots(2, 2).flat
    plots.loss(history, learning).set(title="learning", ylabel="NLL [nats]")
    learning.axvline(max(history.best_epoch, 1), color=plots.INK, linewidth=0.8, linestyle=":")
    _draw_intervals(model, np.asarray(x), np.reshape(y, -1), intervals)
    plots.pit(scores.pit, histogram).set(title="PIT: flat if honest")
    plots.reliability(scores.pit, honesty).set(title="reliability: on the diagonal if honest")
    figure.suptitle(
        f"{model.target}: NLL {scores.nll:.3f} (mixture without features {scores.mixture_nll:.3f}, "
        f"Gaussian {scores.gaussian_nll:.3f})"
    )
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _draw_intervals(model, x, y, ax) -> None:
    chosen = np.linspace(0, len(y) - 1, min(_ROWS, len(y))).astype(int)
    low, lower, median, upper, high = model.predict_quantiles(x[chosen], [0.05, 0.25, 0.5, 0.75, 0.95]).T
    order = np.argsort(median)
    place = np.arange(len(order))
    ax.spines[["top", "right"]].set_visible(False)
    ax.fill_between(place, low[order], high[order], color=plots.BLUE, alpha=0.2, linewidth=0, label="90 % interval")
    ax.fill_between(place, lower[order], upper[order], color=plots.BLUE, alpha=0.4, linewidth=0, label="50 % interval")
    ax.plot(place, median[order], color=plots.BLUE, linewidth=1, label="median")
    seen = y[chosen][order]
    ax.scatter(place, seen, s=6, color=plots.INK, label="observed", zorder=3, linewidths=0)
    # A few wild targets would flatten everything else.
    ends = np.quantile(np.concatenate([low, high, seen]), [0.01, 0.99])
    margin = 0.15 * (ends[1] - ends[0])
    ax.set(ylim=(ends[0] - margin, ends[1] + margin), title=f"predicted {model.target}, by median")
    ax.set(xlabel=f"{len(chosen)} rows set aside", ylabel=model.target)
    ax.legend(frameon=False, fontsize=8)
