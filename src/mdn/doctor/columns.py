"""Rules about features: constant ones, ones that give the target away, ones unlike those of training, and which matter."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy import stats

from mdn.doctor.diagnosis import Finding
from mdn.doctor.evidence import Column, Evidence, Reference
from mdn.doctor.significance import ENOUGH_ROWS, explained, holm
from mdn.tabular.columns import named
from mdn.tabular.importances import mean_and_error
from mdn.tabular.wording import plain

_GIVEN_AWAY = 0.99  # share of the variance of the target
_MOST_OF_ALL, _ASIDE = 0.7, 0.5  # of the rows lie on one side of the median of training, by half a spread
_FAR, _MOST_FAR = 100.0, 3  # ranges of all other values; so many rows at most
_REPEATS, _SHOWN = 3, 5


def constant_features(evidence: Evidence) -> Iterator[Finding]:
    """Columns with one value in all rows, unless training is known to have had others."""
    if len(evidence.targets) < ENOUGH_ROWS:
        return
    found = [column for column in evidence.columns if _constant(column) and not _varied(column)]
    if found:
        names = named([column.name for column in found])
        names = names[0].upper() + names[1:]
        yield Finding(
            "constant features",
            f"{names} {'has' if len(found) == 1 else 'have'} the same value in all {len(evidence.targets)} rows "
            f"({', '.join(column.described(0) for column in found[:_SHOWN])}), and so cannot tell anything.",
            {"columns": len(found)},
            f"Leave {'it' if len(found) == 1 else 'them'} out, or find out why {'it does' if len(found) == 1 else 'they do'} not "
            "vary: a filter, a join that failed, a unit that was lost.",
        )


def _constant(column: Column) -> bool:
    values = column.values
    return bool(np.isnan(values).all() or (not np.isnan(values).any() and values.min() == values.max()))


def _varied(column: Column) -> bool:
    """Whether the scaling of training is that of a column that varies: a constant one has spread 1 about its value."""
    if column.reference is None:
        return False
    value, reference = column.values[0], column.reference
    return reference.spread != 1.0 or not math.isclose(reference.center, value, rel_tol=1e-5, abs_tol=1e-5)


def leaking_features(evidence: Evidence) -> Iterator[Finding]:
    """Columns of a table that reproduce a target by themselves: 99 % of its variance by von Neumann's ratio; Holm over all.

    A table of one feature has nothing to compare it with, and is left alone.
    """
    columns = [column for column in evidence.columns if not column.past and not _constant(column)]
    if len(columns) < 2 or len(evidence.targets) < ENOUGH_ROWS:
        return
    pairs = [(column, d) for column in columns for d in range(evidence.targets.shape[1])]
    found = [explained(evidence.targets[:, d], column.values) for column, d in pairs]
    sure = holm([p for _, p in found])
    for (column, d), (part, _), one in zip(pairs, found, sure, strict=True):
        if one and part >= _GIVEN_AWAY:
            left = math.sqrt(1.0 - part)
            yield Finding(
                "leaking features",
                f"{column.name!r} alone gives {evidence.names[d]} away: rows next to each other by {column.name!r} have the "
                f"same {evidence.names[d]} to within {left:.1%} of its spread.",
                {"explained": part, "left of the spread": left},
                "Ask whether it is known before the target is: it may be made of the target, or measured after it. If so, "
                "leave it out, and train again.",
                weight=-0.5 * math.log1p(-part),
            )


def shifted_features(evidence: Evidence) -> Iterator[Finding]:
    """Numbers that lie on one side of the median of training: a test of a share of 1/2, with the error of both medians; Holm.

    At least 70 % of the rows must lie on one side, and their median half a spread away. Where only the mean and the standard
    deviation of training are known, the rows must lie more than a deviation to one side of the mean: half of the values at most
    do, whatever their distribution (Cantelli).
    """
    columns = [
        column for column in evidence.columns if column.reference is not None and not column.past and not column.levels
    ]
    if not columns or len(evidence.targets) < ENOUGH_ROWS:
        return
    then = evidence.training.rows if evidence.training is not None else len(evidence.targets)
    tests = []
    for column in columns:
        center, spread, is_mean = column.reference or Reference(0.0, 1.0)
        values = column.values[~np.isnan(column.values)]
        if not len(values):
            tests.append((math.nan, 0.5, 0.0, center))
            continue
        aside = spread * is_mean + 1e-5 * max(abs(center), spread)  # the scaling is float32
        above, below = np.mean(values > center + aside), np.mean(values < center - aside)
        part = max(above, below)
        error = 0.5 * math.sqrt(1.0 / len(values) + 1.0 / max(then, 1))
        here = float(np.median(values))
        tests.append((2.0 * stats.norm.sf((part - 0.5) / error), part, (here - center) / spread, here))
    sure = holm([p for p, *_ in tests])
    found = [
        (column, *test)
        for column, test, one in zip(columns, tests, sure, strict=True)
        if one and test[1] >= _MOST_OF_ALL and abs(test[2]) >= _ASIDE
    ]
    if found:
        found.sort(key=lambda each: -abs(each[3]))
        column, _, part, away, here = found[0]
        reference = column.reference or Reference(0.0, 1.0)
        kind = "mean" if reference.is_mean else "median"
        beyond = "a deviation or more " * reference.is_mean
        others = f" The same holds for {named([each[0].name for each in found[1:]])}." if len(found) > 1 else ""
        yield Finding(
            "shifted features",
            f"{column.name!r} is not as it was in training: its median is {plain(here)} here and its {kind} "
            f"{plain(reference.center)} there, {plain(abs(away))} spreads apart, and {part:.0%} of these rows lie {beyond}"
            f"{'above' if away > 0.0 else 'below'} the {kind} of training.{others}",
            {"columns": len(found), "spreads apart": away, "share on one side": part},
            "The model is asked about rows unlike those that it learnt from. Compare sources, dates and units; train on rows "
            "like these.",
            weight=min(0.5 * away**2, 1.0),
        )


def far_values(evidence: Evidence, said: bool) -> Iterator[Finding]:
    """Up to three values of a feature or a target that lie a hundred times as far from all others as these from each other.

    Args:
        evidence: The evidence.
        said: Whether outliers among the targets have been found already.
    """
    numbers = [column for column in evidence.columns if not column.levels and not column.past]
    for column in numbers:
        for value, away in _far(column.values):
            yield Finding(
                "outliers of a feature",
                f"{plain(value)} in {column.name!r} lies {plain(away)} times as far from all other values as these lie apart.",
                {"value": value, "ranges away": away},
                "Look whether it is an error of units or a code for a missing value; make it NaN if so.",
            )
    targets = evidence.targets if evidence.all_targets is None else evidence.all_targets
    for name, values in zip(evidence.names, targets.T, strict=True):
        for value, away in [] if said else _far(values):
            yield Finding(
                "outliers",
                f"{plain(value)} among the values of {name} lies {plain(away)} times as far from all others as these lie apart.",
                {"value": value, "ranges away": away},
                'Look whether it is an error of measurement or of units, and mend or remove it. If it is real, use loss="crps".',
            )


def _far(values: np.ndarray) -> list[tuple[float, float]]:
    """(the value, its distance in ranges of the others) of values so far out, `_MOST_FAR` on a side at most."""
    levels, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    found = []
    for side, held in ((levels, counts), (-levels[::-1], counts[::-1])):
        for few in range(1, _MOST_FAR + 1 if len(levels) >= ENOUGH_ROWS else 0):
            gap, reach = float(side[-few] - side[-few - 1]), float(side[-few - 1] - side[0])
            if gap > _FAR * reach and np.sum(held[-few:]) <= _MOST_FAR:
                sign = 1.0 if side is levels else -1.0
                found += [(sign * float(value), gap / reach) for value in side[-few:]]
                break
    return found


def columns_left_alone(evidence: Evidence) -> Iterator[Finding]:
    """A note: that no column was looked at, and why, so that silence about columns is not taken for health."""
    if evidence.not_looked_at:
        yield Finding(
            "columns were not looked at",
            f"No column of the features was looked at by itself, since {evidence.not_looked_at}: leaks, shifts, constant "
            "columns, and regions of the features would not be seen.",
            {"columns": evidence.width},
            "",
        )


def features_that_matter(evidence: Evidence) -> Iterator[Finding]:
    """A note: by how much the NLL grows if one column is shuffled among the rows, for columns where that is above its error."""
    if not evidence.by_column or len(evidence.few) < ENOUGH_ROWS:
        return
    rng = np.random.default_rng(0)
    whole = evidence.nll[evidence.few]
    figures = {}
    for place, column in enumerate(evidence.columns):
        donors = np.stack([rng.permutation(len(whole)) for _ in range(_REPEATS)])
        changes = np.stack([evidence.exchanged(each, place) - whole for each in donors])[..., None]
        mean, error = mean_and_error(np.where(np.isfinite(changes), changes, np.nan), donors)
        if mean[0] > 2.0 * error[0]:
            figures[column.name] = (float(mean[0]), float(error[0]))
    best = sorted(figures, key=lambda name: -figures[name][0])[:_SHOWN]
    said = ", ".join(f"{name} {figures[name][0]:.2f} ± {figures[name][1]:.2f}" for name in best)
    if best:
        yield Finding(
            "features that matter",
            f"If a column is shuffled among the rows, the NLL grows by so many nats a row: {said}.",
            {name: figures[name][0] for name in best},
            "",
        )
