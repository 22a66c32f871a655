"""Rules about whether outcomes come as often as predicted: on the whole, and in the tails."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy import special, stats

from mdn.doctor.diagnosis import Finding
from mdn.doctor.evidence import Evidence
from mdn.doctor.significance import BODY, ENOUGH_ROWS, LEVEL, share_p, significant, tails_p
from mdn.numerics import LOSS_CEILING, inside_unit
from mdn.tabular.wording import plain, share
from mdn.wording import agreed, counted

WIDER = 1.25
"""A factor of all scales that matters."""
_ASIDE = 0.25  # standard deviations of the prediction
_TAIL, _OFTEN = 3.0, 3.0  # beyond so many standard deviations come so many times as many targets as should
_OUTLIERS = 0.01  # of the rows; more are no outliers, but tails
_CARRIED = 0.1  # nats a row
_PIT_CELLS, _MOVED = 10, 0.1  # share of the targets that would have to move to another cell


class Shape(NamedTuple):
    """What the ranks of one target say of its predictions.

    Attributes:
        shift: The median of the normal scores of the PIT, 0 if right.
        factor: By how much scales should be wider so that the middle half is right.
        z: The scores without this shift, and divided by the factor if that is above 1: what remains is about tails.
    """

    shift: float
    factor: float
    z: np.ndarray


def shapes(evidence: Evidence) -> list[Shape | None]:
    """The shape of each target; None where there are too few rows or no order."""
    found: list[Shape | None] = []
    for z in evidence.z.T:
        known = z[~np.isnan(z)]
        if len(known) < ENOUGH_ROWS:
            found.append(None)
            continue
        shift = float(np.median(known))
        factor = float(np.median(np.abs(known - shift))) / BODY
        if evidence.targets.shape[1] == 1:  # of a density with several peaks the PIT alone does not say it
            factor = max(factor, factor_of(evidence.surprise[~np.isnan(evidence.surprise)], 1))
        found.append(Shape(shift, factor, (z - shift) / max(factor, 1.0)))
    return found


def outliers(evidence: Evidence, found: list[Shape | None]) -> tuple[list[Finding], np.ndarray]:
    """Rows that the model, made as wide as most rows need, holds for impossible at `LEVEL` over all rows (Bonferroni).

    At most one row in a hundred is an outlier, and together they must add 0.1 nats to the mean NLL.

    Returns:
        The finding, if there is one, and which rows it is about, booleans `(N,)`.
    """
    none = np.zeros(len(evidence.nll), bool)
    impossible = none.copy()
    for shape in found:
        if shape is not None:
            known = int(np.sum(~np.isnan(shape.z)))
            limit = -special.ndtri(0.5 * LEVEL / (known * evidence.targets.shape[1]))
            impossible |= np.nan_to_num(np.abs(shape.z)) > limit
    impossible |= np.isposinf(evidence.nll)
    count, rows = int(np.sum(impossible)), evidence.rows
    if not count or count > max(1, _OUTLIERS * rows):
        return [], none
    possible = evidence.nll[~impossible & ~np.isnan(evidence.nll)]
    if not len(possible):
        return [], none
    without = float(np.mean(possible))
    carried = float(np.nanmean(np.minimum(evidence.nll, LOSS_CEILING))) - without
    if carried < _CARRIED:
        return [], none
    where = np.flatnonzero(impossible)
    worst = where[np.argsort(-evidence.nll[where])][:3]
    what, names = evidence.row_names
    shown = ", ".join(f"{names[row]} ({evidence.described(row)})" for row in worst)
    verb, them = agreed(count, "carries", "carry"), agreed(count, "it", "them")
    finding = Finding(
        "outliers",
        f"{count} of {rows} rows {verb} the loss: without {them} the mean NLL is {plain(without)}, with {them} "
        f"{plain(without + carried)}. The model holds {them} for impossible ({what}): {shown}.",
        {"rows": count, "NLL": without + carried, "NLL without": without},
        'Look whether they are errors of measurement or of units, and mend or remove them. If they are real, use loss="crps", or '
        "components with heavy tails such as StudentTSpec.",
        weight=carried,
    )
    return [finding], impossible


def shifted_targets(evidence: Evidence, found: list[Shape | None]) -> Iterator[Finding]:
    """Targets that lie on one side of the predicted median: a sign test, and a shift by a quarter of a predicted deviation."""
    for name, z, shape in zip(evidence.names, evidence.z.T, found, strict=True):
        known = z[~np.isnan(z)]
        above = int(np.sum(known > 0.0))
        if (
            shape
            and significant(float(share_p(above, len(known), 0.5)) * len(evidence.names))
            and abs(shape.shift) >= _ASIDE
        ):
            side, count = ("above", above) if shape.shift > 0.0 else ("below", len(known) - above)
            yield Finding(
                "shifted targets",
                f"{count / len(known):.0%} of the values of {name} lie {side} their predicted median, where half of them "
                f"should; the typical shift is {plain(abs(shape.shift))} standard deviations of the prediction.",
                {"share " + side: count / len(known), "shift": shape.shift},
                "These rows are not like those of training, or training did not end: compare units, dates and sources, and "
                "train on rows like these.",
                weight=0.5 * shape.shift**2,
            )


def wrong_scales(evidence: Evidence, found: list[Shape | None], *, heavy: bool, shifted: bool) -> Iterator[Finding]:
    """Scales that are too narrow or too wide: a sign test of the share in the likeliest half, and a factor of 1.25.

    The likeliest half is the region of highest density, of all targets together, so that several peaks do not matter.

    Args:
        evidence: The evidence.
        found: From `shapes`.
        heavy: Whether tails are too heavy for the model: then a middle that is too wide is a part of that, and no finding.
        shifted: Whether targets lie on one side: then places about their own median are judged, each target by itself.
    """
    known, size = evidence.surprise[~np.isnan(evidence.surprise)], evidence.targets.shape[1]
    if shifted:
        places = [np.abs(z - shape.shift) for z, shape in zip(evidence.z.T, found, strict=True) if shape is not None]
        known, size = np.concatenate([2.0 * special.ndtr(each[~np.isnan(each)]) - 1.0 for each in places]), 1
    if len(known) < ENOUGH_ROWS:
        return
    inside = int(np.sum(known <= 0.5))
    factor = factor_of(known, size)
    large = factor > WIDER or (factor <= 1.0 / WIDER and not heavy)
    if not significant(float(share_p(inside, len(known), 0.5))) or not large:
        return
    held = float(np.mean(known <= 0.9))
    narrow = factor > 1.0
    yield Finding(
        "scales too narrow" if narrow else "scales too wide",
        f"The likeliest regions of 50 % hold {inside / len(known):.0%} of the outcomes, and those of 90 % hold {held:.0%}: "
        f"scales should be about {plain(factor) if narrow else plain(1.0 / factor)} times as {'wide' if narrow else 'narrow'}.",
        {"held by 50 %": inside / len(known), "held by 90 %": held, "factor": factor},
        (
            "The model is surer than it may be, as after training for too long. Stop by held-out rows, add noise or dropout, "
            "average several networks (ensemble_size=5), or calibrate: MDNRegressor.calibrate(X, y), or "
            "with_temperature(variance=...)."
            if narrow
            else "Train for longer, with more units, or with features that tell more; or calibrate: MDNRegressor.calibrate(X, "
            "y), or with_temperature(variance=...)."
        ),
        weight=size * (0.5 * (factor**2 - 1.0) - math.log(factor)),
    )


def factor_of(surprise: np.ndarray, size: int) -> float:
    """The factor of all scales of a normal of `size` coordinates at which half of the outcomes fall into the likeliest half."""
    middle = float(inside_unit(np.median(surprise)))
    return math.sqrt(stats.chi2.ppf(middle, size) / stats.chi2.ppf(0.5, size))


def heavy_tails(evidence: Evidence, found: list[Shape | None], left_out: np.ndarray) -> Iterator[Finding]:
    """More outcomes beyond three standard deviations than a normal has, once the middle half is right, and three times as many.

    The test is binomial, over all scales that so many rows leave open (`tails_p`).

    Args:
        evidence: The evidence.
        found: From `shapes`.
        left_out: Rows that are outliers, booleans `(N,)`.
    """
    share_beyond = 2.0 * special.ndtr(-_TAIL)
    for name, z, shape in zip(evidence.names, evidence.z.T, found, strict=True):
        if shape is None:
            continue
        scores = ((z - shape.shift) / shape.factor)[~left_out & ~np.isnan(z)]
        beyond, expected = int(np.sum(np.abs(scores) > _TAIL)), share_beyond * len(scores)
        if beyond < _OFTEN * expected or not len(scores):
            continue
        if significant(tails_p(beyond, len(scores), _TAIL) * len(evidence.names)):
            excess = np.sum(np.maximum(0.5 * shape.z[~left_out & ~np.isnan(z)] ** 2 - 0.5 * _TAIL**2, 0.0)) / len(
                scores
            )
            yield Finding(
                "heavy tails",
                f"{beyond} of {counted(len(scores), 'value')} of {name} {agreed(beyond, 'lies', 'lie')} farther out than three "
                f"standard deviations of the middle, where {expected:.1f} should: the tails of the model are too light.",
                {"beyond": beyond, "expected": expected},
                "Use more components, so that a wide one takes the tails, "
                + ('covariance="full" if targets belong together, ' if len(evidence.names) > 1 else "")
                + "or a family with heavy tails: MixtureSpec(StudentTSpec(1), K) in place of NormalSpec.",
                weight=float(excess),
            )


def _cells(pit: np.ndarray) -> np.ndarray:
    """How many values lie in each of ten equal parts of [0, 1]."""
    return np.histogram(pit, np.linspace(0.0, 1.0, _PIT_CELLS + 1))[0]


def _moved(counts: np.ndarray) -> float:
    """The share of the values that would have to move to another cell, so that all cells hold as many."""
    return 0.5 * float(np.sum(np.abs(counts / np.sum(counts) - 1.0 / _PIT_CELLS)))


def wrong_shape(evidence: Evidence, found: list[Shape | None], said: bool) -> Iterator[Finding]:
    """A PIT that is not uniform: chi-square over ten cells, and a tenth of the targets in a wrong one.

    So many must be in a wrong one, too, when the shift and the factor of the scales are taken out: else these are the fault, and
    not the shape, though each is too small to be named.

    Args:
        evidence: The evidence.
        found: From `shapes`.
        said: Whether another finding says why already.
    """
    for name, z, shape in zip(evidence.names, evidence.z.T, found, strict=True):
        if shape is None or said:
            continue
        pit = special.ndtr(z[~np.isnan(z)])
        counts = _cells(pit)
        moved = _moved(counts)
        if min(moved, _moved(_cells(special.ndtr((z[~np.isnan(z)] - shape.shift) / shape.factor)))) < _MOVED:
            continue
        if significant(float(stats.chisquare(counts).pvalue) * len(evidence.names)):
            worst = int(np.argmax(np.abs(counts - len(pit) / _PIT_CELLS)))
            yield Finding(
                "wrong shape",
                f"The distributions of {name} have a wrong shape: {share(counts[worst] / len(pit))} of the values lie between "
                f"the predicted quantiles of {worst * 10} % and {worst * 10 + 10} %, where 10 % should.",
                {
                    "moved": moved,
                    **{f"PIT {10 * at}-{10 * at + 10} %": count / len(pit) for at, count in enumerate(counts)},
                },
                "Use more components, or train for longer; mdn.plots.pit draws the histogram.",
                weight=float(np.sum(special.xlogy(counts / len(pit), counts / len(pit) * _PIT_CELLS))),
            )
