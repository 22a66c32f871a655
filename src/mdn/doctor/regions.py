"""Rules by region: whether outcomes come as often as predicted in parts of the features, and of the predictions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy import stats

from mdn.doctor.calibration import WIDER, factor_of
from mdn.doctor.diagnosis import Finding
from mdn.doctor.evidence import Column, Evidence
from mdn.doctor.significance import apart_p, holm, shares_p
from mdn.tabular.wording import plain, share

_WIDER_THERE = 1.5  # a factor of all scales in a region, beside that of all other rows
_ASIDE = 0.5  # standard deviations of the prediction
_GROUPS = 4
_MOST_LEVELS, _FEWEST = 8, 20


class Region(NamedTuple):
    """Rows that have something in common.

    Attributes:
        what: What that is.
        inside: Booleans over the rows `few`.
    """

    what: str
    inside: np.ndarray


def by_region(evidence: Evidence) -> Iterator[Finding]:
    """Regions of a feature, or of the prediction, in which outcomes differ from those of all other rows.

    Regions are quarters of the rows by each feature, its levels where it has few, and quarters by the predicted mean and
    deviation. Medians are compared by ranks (Mann and Whitney), the share in the likeliest half by Fisher's test; Holm over
    all. The median in the region, and its distance from that of all others, must be half of a predicted deviation, or the factor
    of the scales 1.5.
    """
    cuts = regions(evidence)
    size = evidence.targets.shape[1]
    asides: list[tuple[float, float, float, int, Region]] = []  # p, median inside, median outside, target
    widths: list[tuple[float, float, float, Region]] = []
    for d in range(size):
        z = evidence.z[evidence.few, d]
        known = ~np.isnan(z)
        ranks = np.zeros(len(z))
        ranks[known] = stats.rankdata(z[known])
        for region in cuts:
            inside, outside = region.inside & known, ~region.inside & known
            if min(np.sum(inside), np.sum(outside)) >= _FEWEST:
                medians = float(np.median(z[inside])), float(np.median(z[outside]))
                asides.append((apart_p(ranks[known], inside[known]), *medians, d, region))
    known = ~np.isnan(evidence.surprise)
    for region in cuts:
        inside, outside = region.inside & known, ~region.inside & known
        if min(np.sum(inside), np.sum(outside)) >= _FEWEST:
            factors = [factor_of(evidence.surprise[rows], size) for rows in (inside, outside)]
            p = shares_p(inside[known], evidence.surprise[known] <= 0.5)
            widths.append((p, factors[0] / factors[1], factors[0], region))
    sure = holm([each[0] for each in (*asides, *widths)])
    moved = [
        each
        for each, one in zip(asides, sure, strict=False)
        if one and min(abs(each[1]), abs(each[1] - each[2])) >= _ASIDE
    ]
    wider = [
        each
        for each, one in zip(widths, sure[len(asides) :], strict=True)
        if one and abs(math.log(each[1])) >= math.log(_WIDER_THERE) and abs(math.log(each[2])) >= math.log(WIDER)
    ]
    if moved:
        _, shift, elsewhere, d, region = max(moved, key=lambda each: abs(each[1]) * np.sum(each[4].inside))
        part = float(np.mean(region.inside))
        yield Finding(
            "shifted in a region",
            f"Where {region.what} ({share(part)} of the rows), {evidence.names[d]} lies typically {plain(abs(shift))} standard "
            f"deviations {'above' if shift > 0.0 else 'below'} its predicted median, and elsewhere {plain(abs(elsewhere))} "
            f"{'above' if elsewhere > 0.0 else 'below'} it.",
            {"shift": shift, "shift elsewhere": elsewhere, "share of rows": part, "regions": len(moved)},
            "The model misses how the target moves there: train for longer, with more units, or with more rows like these.",
            weight=0.5 * shift**2 * part,
        )
    if wider:
        _, _, factor, region = max(wider, key=lambda each: abs(math.log(each[1])) * np.sum(each[3].inside))
        part, narrow = float(np.mean(region.inside)), factor > 1.0
        rows = region.inside & known
        held = float(np.mean(evidence.surprise[rows] <= 0.5))
        yield Finding(
            "too narrow in a region" if narrow else "too wide in a region",
            f"Where {region.what} ({share(part)} of the rows), the likeliest regions of 50 % hold {held:.0%} of the outcomes: "
            f"there scales should be about {plain(factor if narrow else 1.0 / factor)} times as "
            f"{'wide' if narrow else 'narrow'}.",
            {"factor": factor, "held by 50 %": held, "share of rows": part, "regions": len(wider)},
            "The model misses how the uncertainty depends on this: train for longer, with more units, or calibrate such groups "
            "by themselves: MDNRegressor.calibrate(X, y, groups).",
            weight=part * size * (0.5 * (factor**2 - 1.0) - math.log(factor)),
        )


def regions(evidence: Evidence) -> list[Region]:
    """Quarters of the rows `few` by each column, by the predicted means and deviations; of few values each one by itself."""
    found: list[Region] = []
    for column in evidence.columns:
        found += _cut(column.name, column.values[evidence.few], column, evidence.few)
    for d, name in enumerate(evidence.names):
        found += _cut(f"the predicted mean of {name}", evidence.center[:, d], None, evidence.few)
        found += _cut(f"the predicted deviation of {name}", evidence.spread[:, d], None, evidence.few)
    return found


def _cut(name: str, values: np.ndarray, column: Column | None, few: np.ndarray) -> list[Region]:
    known = np.isfinite(values)
    found = [Region(f"{name} is missing", ~known)] if column is not None and not known.all() else []
    each, counts = np.unique(values[known], return_counts=True)
    if len(each) < 2:
        return found
    if len(each) <= _MOST_LEVELS or (column is not None and column.levels):
        for value in each[np.argsort(-counts)][:_MOST_LEVELS]:
            rows = np.flatnonzero(values == value)
            said = plain(value) if column is None else column.described(int(few[rows[0]]))
            found.append(Region(f"{name} is {said}", values == value))
        return found
    edges = np.quantile(values[known], np.linspace(0.0, 1.0, _GROUPS + 1))
    for low, high in itertools.pairwise(edges):
        inside = known & (values >= low) & ((values < high) | (high == edges[-1]))
        found.append(Region(f"{name} lies {_between(low, high, column, values, inside, few)}", inside))
    return found


def _between(low, high, column, values, inside, few) -> str:
    if column is None or column.reference is not None or not inside.any():
        return f"between {plain(low)} and {plain(high)}"
    rows = np.flatnonzero(inside)
    ends = rows[np.argmin(values[rows])], rows[np.argmax(values[rows])]
    return "between {} and {}".format(*(column.described(int(few[row])) for row in ends))
