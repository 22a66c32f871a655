"""One page about a model of a table: its predictions, its worst errors, and whether its intervals hold what they promise."""

from __future__ import annotations

import numpy as np

from mdn import plots
from mdn.page import Page, figure
from mdn.tabular.circular import Circle
from mdn.tabular.columns import named
from mdn.tabular.curves import curves_of
from mdn.tabular.features import places_of
from mdn.tabular.frames import features_shown, row_names, rows_of
from mdn.tabular.matters import add_what_matters
from mdn.tabular.promised import held_of, said_of_held
from mdn.tabular.scores import Scores
from mdn.tabular.seen import seen_of
from mdn.tabular.wording import INDICATED, beyond_line, calibrated, nlls, plain, rows_judged, skill, taken_for
from mdn.wording import counted

_ROWS = 200  # more intervals than these blur into one another
_SHOWN = 6
_WORST = 8
_NEGATIVE = (
    "NLL is minus the mean logarithm of the density that was given to what then happened, in nats. A density is a "
    "probability per unit of the target: where the target varies by less than one unit it exceeds 1, and the NLL is below 0. "
    "The figure alone says little; its distance to the models that know no features says how much the features tell."
)


def write_report(regressor, X, y, path, python: str | None = None) -> Scores:
    """Writes a self-contained HTML page on rows that training has not seen, and returns their scores.

    Args:
        regressor: A fitted `MDNRegressor`.
        X: Features.
        y: Targets.
        path: Where to write the page; an earlier file there stays until the new one is complete.
        python: The code that learns the same model, if a command learnt it.
    """
    scores = regressor.evaluate(X, y)
    names = regressor.target_names_
    truth = regressor._shown(y)
    seen = seen_of(regressor, X, y)
    page = Page(f"How sure is the model of {', '.join(names)}?")
    page.add("In short", _summary(regressor, scores, names, len(truth), seen), table=_table(scores, names))
    for d, name in enumerate(names):
        _believed(page, regressor, X, truth[:, d], d, name)
        held = held_of(scores, regressor.calibration_, (0.5, 0.8, 0.9, 0.95))[d]
        _honest(page, scores.pit[:, d], held, name, regressor.target_grid_[d])
        _wrong(page, regressor, X, truth[:, d], scores.tail[:, d], d, name)
    add_what_matters(page, regressor, X, truth)
    _columns(page, regressor)
    _learned(page, regressor)
    if python:
        page.add(
            "The same in Python",
            "This code learns the same model, if it runs where the command ran. It says which rows are set aside, and which "
            "columns are no features.",
            code=python,
        )
    page.write(path, _footer(regressor))
    return scores


def _summary(regressor, scores, names, rows, seen) -> str:
    text = (
        f"{rows_judged(rows, seen)} {' '.join(said_of_held(scores, regressor.calibration_, names))} {skill(scores)} "
        f"{beyond_line(scores)}"
    ).rstrip()
    if regressor.calibration_ is not None:
        text += "\n\n" + calibrated(regressor.calibration_)
    grid = [f"{name} (steps of {step:g})" for name, step in zip(names, regressor.target_grid_, strict=True) if step]
    if not regressor.outcome_.plain:
        text += "\n\n" + taken_for(names[0], regressor.outcome_)
    elif grid:
        text += (
            f"\n\nTargets on a grid: {', '.join(grid)}. Each stands for its cell, and the NLL is that of the mean density over "
            "the cell; the CRPS is that of the unrounded quantity. Whether intervals hold a target is counted by the share of "
            "its cell that they hold."
        )
    return text + "\n\n" + _NEGATIVE


def _table(scores, names):
    nats = "nats a row"
    rows = [
        ("score, lower is better", "unit", "value"),
        *((name if name.startswith("of") else f"NLL of {name}", nats, f"{nll:.4f}") for name, nll in nlls(scores)),
    ]
    if np.isfinite(scores.skill):
        better = f"{scores.skill:.4f} ± {scores.skill_error:.4f}"
        rows.append(
            ("how far the model is below the lower of the two without features, with its standard error", nats, better)
        )
    for d, name in enumerate(names):
        unit = f"that of {name}"
        rows += [
            *([] if np.isnan(scores.crps[d]) else [(f"CRPS of {name}", unit, plain(scores.crps[d]))]),
            *(
                []
                if np.isnan(scores.rmse[d])
                else [(f"root mean square error of the mean of {name}", unit, plain(scores.rmse[d]))]
            ),
            (f"mean width of the 90 % interval of {name}", unit, plain(scores.sharpness[d])),
        ]
    return rows


def _of(values, regressor, d):
    """One target of (N, D, ...) or, where targets have no columns, (N, ...)."""
    return values[:, d] if regressor.n_targets_ else values


def _believed(page, regressor, X, truth, d, name) -> None:
    known = np.flatnonzero(~np.isnan(truth))
    chosen = known[np.linspace(0, len(known) - 1, min(_ROWS, len(known))).astype(int)]
    levels = [0.05, 0.25, 0.5, 0.75, 0.95]
    quantiles = _of(regressor.predict_quantile(rows_of(X, chosen), levels), regressor, d)
    picture = figure(8.0, 4.0)
    outcome = regressor.outcome_
    ax = picture.subplots()
    _draw_intervals(ax, quantiles, outcome.around(truth[chosen], quantiles[:, 2]), name)
    _mark_in_range(outcome, ax.yaxis)
    page.add(
        f"What it predicts of {name}",
        f"{counted(len(chosen), 'row')}, in the order of their medians: half of the points should lie in the dark band, "
        "nine of ten in the light one.",
        picture,
        f"Intervals of {name} beside what was observed",
    )
    by_width = np.argsort(quantiles[:, -1] - quantiles[:, 0])
    few = chosen[by_width[np.linspace(0, len(by_width) - 1, min(_SHOWN, len(by_width))).astype(int)]]
    picture = figure(8.0, 3.6)
    if outcome.counted:
        _draw_counts(picture, curves_of(regressor, rows_of(X, few), d, seen=truth[few]), truth[few], name)
    else:
        center = _of(regressor.predict(rows_of(X, few)), regressor, d)
        span = center + 0.5 * np.array([[-1.0], [1.0]]) * outcome.period if isinstance(outcome, Circle) else None
        seen = outcome.around(truth[few], center)
        _draw_densities(picture, curves_of(regressor, rows_of(X, few), d, seen=seen, span=span), seen, name)
        for ax in picture.axes:
            _mark_in_range(outcome, ax.xaxis)
    page.add(
        f"What it believes of {name} in a few rows",
        "From the surest to the least sure of the rows above; the line is what was observed. Several humps are several "
        "answers that the features leave open. A peak that is far higher than the rest is cut, and its height is written there.",
        picture,
        f"Densities of {name} for {counted(len(few), 'row')}",
    )


def _draw_counts(picture, curves, truth, name) -> None:
    """Draws the probability of each count, as bars."""
    for ax, curve, seen in zip(_panels(picture, len(truth)), curves, truth, strict=True):
        ax.bar(curve.grid, curve.height, color=plots.BLUE, alpha=0.5, width=0.8)
        ax.axvline(seen, color=plots.INK, linewidth=1)
    picture.supxlabel(name, fontsize=9)


def _panels(picture, count: int) -> list:
    """Axes for `count` small pictures, two rows of them, without frames and marks of height."""
    axes = list(picture.subplots(2, -(-count // 2), squeeze=False).flat)
    for ax in axes:
        ax.spines[["top", "right", "left"]].set_visible(False)
        ax.set_yticks([])
        ax.tick_params(labelsize=8)
    for ax in axes[count:]:
        ax.set_visible(False)
    return axes[:count]


def _mark_in_range(outcome, axis) -> None:
    """Writes the marks of an axis of targets on a circle without their whole turns."""
    if isinstance(outcome, Circle):
        axis.set_major_formatter(lambda mark, _: plain(float(outcome.in_range(np.array(mark)))))


def _draw_densities(picture, curves, truth, name) -> None:
    """Draws the density of each row, and a pin for each atom with its probability."""
    for ax, curve, seen in zip(_panels(picture, len(truth)), curves, truth, strict=True):
        grid, density, top = curve.grid, curve.height, curve.top
        ax.fill_between(grid, density, color=plots.BLUE, alpha=0.3, linewidth=0)
        ax.plot(grid, density, color=plots.BLUE, linewidth=1.2)
        ax.axvline(seen, color=plots.INK, linewidth=1)
        ax.set(ylim=(0, 1.05 * top), xlim=(grid[0], grid[-1]))
        for atom, pin in curve.atoms:
            if grid[0] <= atom <= grid[-1]:
                ax.vlines(atom, 0, top * pin, color=plots.BLUE, linewidth=3)
                ax.annotate(f" {pin:.0%} at {plain(atom)}", (atom, top * pin), fontsize=7, va="bottom")
        if top < density.max():
            at, side = grid[np.argmax(density)], "left" if np.argmax(density) < len(grid) / 2 else "right"
            cut = f" ↑ {float(f'{density.max() / top:.2g}'):.0f} times as high "
            ax.annotate(cut, (at, 1.02 * top), fontsize=7, ha=side, va="top")
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


def _honest(page, pit, held, name, step) -> None:
    pit = pit[~np.isnan(pit)]
    picture = figure(8.0, 3.4)
    histogram, honesty = picture.subplots(1, 2)
    plots.pit(pit, histogram).set(title="PIT: flat if honest")
    plots.reliability(pit, honesty).set(title="reliability: on the diagonal if honest")
    shares = ", ".join(f"{100 * one.nominal:g} %: {one.share:.1%} (± {100 * one.margin:.0f})" for one in held)
    text = (
        f"How many of {counted(len(pit), 'target')} its central intervals hold, with what chance alone makes: {shares}. A "
        "histogram high at both ends means intervals too narrow, high in the middle too wide, tilted a bias. The grey bands are "
        "what chance makes of an honest model with so many targets: 95 of 100 times a bar, or the line at a level, stays inside."
    )
    if step:
        text += f" {name} is rounded to steps of {step:g}: each value is drawn from the probabilities of its cell."
    page.add(f"Is it honest about {name}?", text, picture, f"PIT histogram and reliability of {name}")


def _wrong(page, regressor, X, truth, tail, d, name) -> None:
    worst = np.argsort(np.where(np.isnan(tail), 1.0, tail), kind="stable")[:_WORST]
    worst = worst[~np.isnan(tail[worst])]
    quantiles = _of(regressor.predict_quantile(rows_of(X, worst), [0.05, 0.5, 0.95]), regressor, d)
    what, labels = row_names(X, worst)
    table = [(what, "some of its features", "predicted: 5 %, median, 95 %", "observed")]
    quantiles = regressor.outcome_.in_range(quantiles)
    table += [
        (label, features_shown(X, row, regressor.columns_.table_names), ", ".join(map(plain, ends)), plain(truth[row]))
        for label, row, ends in zip(labels, worst, quantiles, strict=True)
    ]
    page.add(
        f"Where it is most wrong about {name}",
        f"The rows whose {name} surprised it most. Look whether they have something in common: a model is often wrong for a "
        "reason that a feature could tell.",
        table=table,
    )


def _columns(page, regressor) -> None:
    about = regressor.columns_.about
    if not about:
        return
    rows = [("column", "taken for", "in the rows of training")]
    page.add(
        "What it learned from",
        "Each column of the table, what it was taken for, and what was found in it. Numbers, categories and dates are features. "
        "The others are not: an identifier, for instance, differs in nearly every row." + _said_of_missing(regressor),
        table=rows + [tuple(each) for each in about],
    )


def _said_of_missing(regressor) -> str:
    known = set(regressor.indicators_)
    names = [name for name, places in places_of(regressor).items() if places[0] in known]
    if not names:
        return ""
    return f" Some values of {named(names)} were missing in training. {INDICATED}"


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
        f"mdn.MDNRegressor, {counted(members, 'network')} of {counted(regressor.num_components_, 'component')}, "
        f"{counted(regressor.n_features_in_, 'feature')}. "
        "Scores follow Gneiting and Raftery (2007), Strictly proper scoring rules."
    )
