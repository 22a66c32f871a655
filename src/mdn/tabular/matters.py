"""The sections of the report that say which columns matter, and how the answers move with the most important ones."""

from __future__ import annotations

import numpy as np

from mdn import plots
from mdn.page import figure
from mdn.tabular.features import places_of

_MOST_COLUMNS = 100  # a table with more columns would take too long
_MOST_SHOWN, _DRAWN = 10, 3
_WORDS = {2: "two", 3: "three"}
_GRID, _ROWS, _REPEATS = 20, 2000, 5
_WORK, _OVERHEAD = 100_000, 8  # two cores answer so many rows times (components + 8) in about a second
_LEAST, _MOST = 100, 200  # an importance takes so many rows at least, a partial dependence so many at most


def add_what_matters(page, regressor, X, truth) -> None:
    """Adds the sections "What matters" and "How it answers" for each target, in about a second or two of computing.

    Large tables and mixtures are judged by fewer rows, and tables of very many columns not at all: then a section says so.

    Args:
        page: The page of the report.
        regressor: A fitted `MDNRegressor`.
        X: Features.
        truth: Targets `(N, D)`, NaN where missing.
    """
    count = len(places_of(regressor))
    known = int(np.sum(~np.isnan(truth).all(axis=1)))
    if count > _MOST_COLUMNS or known < 2:
        why = (
            f"the model uses {count} columns, more than the {_MOST_COLUMNS} that a report looks at"
            if count > _MOST_COLUMNS
            else "fewer than two rows have a target"
        )
        page.add("What matters", f"Not computed: {why}. In Python, MDNRegressor.importances(X, y) computes it.")
        return
    components = sum(len(member.alive) for member in regressor.members_) * truth.shape[1]
    work = _WORK // (components + _OVERHEAD)
    rows = min(known, _ROWS, max(_LEAST, work // count))
    repeats = int(np.clip(work // (rows * count), 1, _REPEATS))
    found = regressor.importances(X, truth, repeats=repeats, rows=rows)
    chosen = [found.names[at] for at in found.order[:_DRAWN]]
    fewer = int(np.clip(work // (2 * _DRAWN * _GRID), _LEAST // 2, _MOST))
    chosen = [] if regressor.trunk_ is not None else chosen  # arrays, which have no single value
    moved = [regressor.partial_dependence(X, name, grid=_GRID, rows=fewer) for name in chosen]
    for d, name in enumerate(regressor.target_names_):
        _what_matters(page, found, d, name)
        if moved:
            _how_it_answers(page, moved, d, name)


def _what_matters(page, found, d: int, name: str) -> None:
    shown = min(_MOST_SHOWN, len(found.names))
    picture = figure(8.0, 1.3 + 0.27 * shown)
    for ax, measure in zip(picture.subplots(1, 3, sharey=True), ("nll", "median", "spread"), strict=True):
        plots.importances(found, ax, measure=measure, target=d, most=_MOST_SHOWN)
        ax.tick_params(labelsize=8)
        ax.xaxis.label.set_size(8)
    of_how_many = f" The {shown} most important of {len(found.names)} columns are shown." * (shown < len(found.names))
    together = " The NLL is that of all targets together." * (len(found.target_names) > 1)
    times = "" if found.repeats == 1 else f", {found.repeats} times"
    page.add(
        f"What matters for {name}",
        f"What the answers lose if one column is shuffled among {found.rows} rows{times}, so that each row is answered with a "
        f"wrong value there: nats of NLL a row, and error of the median in the unit of {name}. On the right, how much the width "
        "of the 90 % interval changes: 0.1 is about 10 %. A line is one standard error to both sides."
        + together
        + of_how_many
        + "\n\n"
        "This is what the model uses, not what causes the target. Columns that say the same share their importance.",
        picture,
        f"Importances of columns for {name}",
    )


def _how_it_answers(page, moved, d: int, name: str) -> None:
    picture = figure(8.0, 3.0)
    axes = picture.subplots(1, len(moved), sharey=True, squeeze=False)[0]
    for ax, one in zip(axes, moved, strict=True):
        plots.partial_dependence(one, ax, target=d)
        ax.label_outer()
        ax.tick_params(labelsize=8)
        ax.xaxis.label.set_size(9)
        ax.yaxis.label.set_size(9)
    axes[0].legend(frameon=False, fontsize=8)
    columns = "only column" if len(moved) == 1 else f"{_WORDS[len(moved)]} most important columns"
    page.add(
        f"How it answers for {name}",
        f"How the predictions move with the {columns}: the mean over {moved[0].rows} rows of the median and of the ends of the "
        "90 % interval, where all rows have the same value in this column and keep their own in the others. Ticks at the bottom "
        "are denser where more rows have such numbers.",
        picture,
        f"Partial dependence of {name}",
    )
