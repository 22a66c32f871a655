"""One page about a model of a table: its predictions, its worst errors, and whether its intervals hold what they promise."""

from __future__ import annotations

import math

import numpy as np
from keras import ops

from mdn import plots
from mdn.page import Page, figure
from mdn.tabular.scores import Scores

_ROWS = 200  # more intervals than these blur into one another
_SHOWN = 6
_WORST = 8
_NEGATIVE = (
    "NLL is minus the mean logarithm of the density that was given to what then happened, in nats. A density is a "
    "probability per unit of the target: where the target varies by less than one unit it exceeds 1, and the NLL is below 0. "
    "The figure alone says little; its distance to the two lines below it, which know no features, says how much the "
    "features tell."
)


def write_report(regressor, X, y, path) -> Scores:
    """Writes a self-contained HTML page on rows that training has not seen, and returns their scores.

    Args:
        regressor: A fitted `MDNRegressor`.
        X: Features.
        y: Targets.
        path: Where to write the page; an earlier file there stays until the new one is complete.
    """
    scores = regressor.evaluate(X, y)
    names = regressor.target_names_
    truth = np.asarray(y, "float64").reshape(len(scores.pit), -1)
    page = Page(f"How sure is the model of {', '.join(names)}?")
    page.add("In short", _summary(regressor, scores, names, len(truth)), table=_table(scores, names))
    for d, name in enumerate(names):
        _believed(page, regressor, X, truth[:, d], d, name)
        _honest(page, scores.pit[:, d], name, scores, d)
        _wrong(page, regressor, X, truth[:, d], scores.pit[:, d], d, name)
    _learned(page, regressor)
    page.write(path, _footer(regressor))
    return scores


def _summary(regressor, scores, names, rows) -> str:
    held = scores.coverage(0.9)
    verdict = (
        "which is what was promised"
        if abs(held - 0.9) <= 2.0 * math.sqrt(0.09 / rows) + 0.01
        else "so they are too narrow: trust them less than they say"
        if held < 0.9
        else "so they are wider than they need be"
    )
    text = (
        f"{rows} rows that training has not seen. The intervals that should hold 90 % of the targets hold {held:.1%}, "
        f"{verdict}."
    )
    if math.isfinite(scores.skill):
        text += (
            f" With the features a row's outcome is {scores.skill:.2f} nats more likely than without them "
            f"({math.exp(min(scores.skill, 50.0)):.3g} times, on the geometric mean)."
            if scores.skill > 0
            else " The features do not help: a mixture without them does as well."
        )
    grid = [f"{name} (steps of {step:g})" for name, step in zip(names, regressor.target_grid_, strict=True) if step]
    if grid:
        text += (
            f"\n\nTargets on a grid: {', '.join(grid)}. They were spread over their cells for training, so densities are "
            "those of the unrounded quantity."
        )
    return text + "\n\n" + _NEGATIVE


def _table(scores, names):
    rows = [("", "NLL [nats]")]
    rows += [("this model", f"{scores.nll:.4f}"), ("one mixture, no features", f"{scores.mixture_nll:.4f}")]
    rows += [("one Gaussian, no features", f"{scores.gaussian_nll:.4f}")]
    for d, name in enumerate(names):
        rows += [
            (f"CRPS of {name}, in its unit", f"{scores.crps[d]:.4g}"),
            (f"root mean square error of the mean of {name}", f"{scores.rmse[d]:.4g}"),
            ("mean width of its 90 % interval", f"{scores.sharpness[d]:.4g}"),
        ]
    return rows


def _of(values, regressor, d):
    """One target of (N, D, ...) or, where targets have no columns, (N, ...)."""
    return values[:, d] if regressor.n_targets_ else values


def _rows_of(X, rows):
    if hasattr(X, "iloc"):
        return X.iloc[rows]
    return X.take(rows) if hasattr(X, "cells") else X[rows]


def _believed(page, regressor, X, truth, d, name) -> None:
    known = np.flatnonzero(~np.isnan(truth))
    chosen = known[np.linspace(0, len(known) - 1, min(_ROWS, len(known))).astype(int)]
    levels = [0.05, 0.25, 0.5, 0.75, 0.95]
    quantiles = _of(regressor.predict_quantile(_rows_of(X, chosen), levels), regressor, d)
    picture = figure(8.0, 4.0)
    _draw_intervals(picture.subplots(), quantiles, truth[chosen], name)
    page.add(
        f"What it predicts of {name}",
        f"{len(chosen)} rows set aside, in the order of their medians: half of the points should lie in the dark band, "
        "nine of ten in the light one.",
        picture,
        f"Intervals of {name} beside what was observed",
    )
    by_width = np.argsort(quantiles[:, -1] - quantiles[:, 0])
    few = chosen[by_width[np.linspace(0, len(by_width) - 1, min(_SHOWN, len(by_width))).astype(int)]]
    picture = figure(8.0, 3.6)
    origin = regressor.target_origin_  # densities without the origin, on axes in the units of the data
    mixture = regressor._centred(_rows_of(X, few))
    ends = _of(regressor.predict_quantile(_rows_of(X, few), [0.001, 0.999]), regressor, d)
    _draw_densities(
        picture, mixture if mixture.event_size == 1 else mixture.marginal([d]), ends, truth[few], name, origin[d]
    )
    page.add(
        f"What it believes of {name} in a few rows",
        "From the surest to the least sure of the rows above; the line is what was observed. Several humps are several "
        "answers that the features leave open.",
        picture,
        f"Densities of {name} for {len(few)} rows",
    )


def _draw_densities(picture, mixture, ends, truth, name, origin) -> None:
    axes = np.atleast_1d(picture.subplots(2, -(-len(truth) // 2), squeeze=False)).flat
    left, right = np.minimum(ends[:, 0], truth), np.maximum(ends[:, 1], truth)
    margin = 0.05 * (right - left)
    grids = np.linspace(left - margin, right + margin, 400)  # (400, rows)
    densities = ops.convert_to_numpy(mixture.prob((grids - origin).astype("float32")[..., None]))
    for ax, seen, grid, density in zip(axes, truth, grids.T, densities.T, strict=False):
        ax.fill_between(grid, density, color=plots.BLUE, alpha=0.3, linewidth=0)
        ax.plot(grid, density, color=plots.BLUE, linewidth=1.2)
        ax.axvline(seen, color=plots.INK, linewidth=1)
        ax.spines[["top", "right", "left"]].set_visible(False)
        ax.set(yticks=[], ylim=(0, None))
        ax.tick_params(labelsize=8)
    for ax in list(picture.axes)[len(truth) :]:
        ax.set_visible(False)
    picture.supxlabel(name, fontsize=9)


def _draw_intervals(ax, quantiles, seen, name) -> None:
    order = np.argsort(quantiles[:, 2])
    low, lower, median, upper, high = quantiles[order].T
    seen, place = seen[order], np.arange(len(order))
    ax.spines[["top", "right"]].set_visible(False)
    ax.fill_between(place, low, high, color=plots.BLUE, alpha=0.2, linewidth=0, label="90 % interval")
    ax.fill_between(place, lower, upper, color=plots.BLUE, alpha=0.4, linewidth=0, label="50 % interval")
    ax.plot(place, median, color=plots.BLUE, linewidth=1, label="median")
    ax.scatter(place, seen, s=6, color=plots.INK, label="observed", zorder=3, linewidths=0)
    ends = np.quantile(np.concatenate([low, high, seen]), [0.01, 0.99])  # a few extreme values would flatten the rest
    margin = 0.15 * (ends[1] - ends[0])
    ax.set(ylim=(ends[0] - margin, ends[1] + margin), xlabel="rows", ylabel=name)
    ax.legend(frameon=False, fontsize=8)


def _honest(page, pit, name, scores, d) -> None:
    pit = pit[~np.isnan(pit)]
    picture = figure(8.0, 3.4)
    histogram, honesty = picture.subplots(1, 2)
    plots.pit(pit, histogram).set(title="PIT: flat if honest")
    plots.reliability(pit, honesty).set(title="reliability: on the diagonal if honest")
    held = ", ".join(f"{nominal} %: {np.mean(np.abs(pit - 0.5) <= nominal / 200):.1%}" for nominal in (50, 80, 90, 95))
    page.add(
        f"Is it honest about {name}?",
        f"How many targets its central intervals hold: {held}. A histogram high at both ends means intervals too narrow, "
        "high in the middle too wide, tilted a bias.",
        picture,
        f"PIT histogram and reliability of {name}",
    )


def _wrong(page, regressor, X, truth, pit, d, name) -> None:
    surprise = np.where(np.isnan(pit), 0.0, np.abs(pit - 0.5))
    worst = np.argsort(-surprise, kind="stable")[:_WORST]
    quantiles = _of(regressor.predict_quantile(_rows_of(X, worst), [0.05, 0.5, 0.95]), regressor, d)
    table = [("row", "predicted: 5 %, median, 95 %", "observed")]
    table += [
        (str(row), ", ".join(f"{value:.4g}" for value in ends), f"{truth[row]:.4g}")
        for row, ends in zip(worst, quantiles, strict=True)
    ]
    page.add(
        f"Where it is most wrong about {name}",
        f"The rows (counted from 0) whose {name} surprised it most. Look whether they have something in common: a model is "
        "often wrong for a reason that a feature could tell.",
        table=table,
    )


def _learned(page, regressor) -> None:
    history = regressor.history_
    if not history.loss:
        return
    picture = figure(8.0, 2.8)
    ax = plots.loss(history, picture.subplots())
    ax.set(ylabel="loss")
    ax.axvline(max(history.best_epoch, 1), color=plots.INK, linewidth=0.8, linestyle=":")
    page.add(
        "How it learned",
        f"Loss of the first member on the rows that it learned from and on those held out; the dotted line is epoch "
        f"{history.best_epoch}, the best.",
        picture,
        "Loss curves",
    )


def _footer(regressor) -> str:
    members = len(regressor.members_)
    return (
        f"mdn.MDNRegressor, {members} network{'s' if members > 1 else ''} of {regressor.num_components_} components, "
        f"{regressor.n_features_in_} features. Scores follow Gneiting and Raftery (2007), Strictly proper scoring rules."
    )
