"""Whether central intervals hold what they promise, on rows set aside: for every page and command the same judgement."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from mdn import metrics
from mdn.tabular.conformal import Calibration
from mdn.tabular.scores import Scores
from mdn.wording import counted

LEVELS = (0.5, 0.8, 0.9)
_ERRORS = 2.0  # standard errors of a margin
# in a million rows chance makes nothing, and a difference of a point is still no reason to distrust a model
_SLACK = 0.01


class Held(NamedTuple):
    """How many targets the central intervals of one level hold.

    Attributes:
        nominal: The share of the targets that they should hold.
        share: The share that they hold.
        rows: Of how many targets.
        margin: What chance alone makes of `share - nominal`: two standard errors.
    """

    nominal: float
    share: float
    rows: int
    margin: float

    @property
    def side(self) -> int:
        """-1 if the intervals are too narrow, 1 if they are too wide, 0 if chance makes such a difference."""
        away = self.share - self.nominal
        return 0 if abs(away) <= max(self.margin, _SLACK) else -1 if away < 0.0 else 1

    def __str__(self) -> str:
        return f"the {100 * self.nominal:g} % interval holds {self.share:.1%} (± {100 * self.margin:.0f})"


def held_of(
    scores: Scores, calibration: Calibration | None = None, levels: Iterable[float] = LEVELS
) -> list[list[Held]]:
    """For each target, how many of its values the intervals of each level hold.

    The number held by intervals of coverage c is binomial: its share varies by c (1 - c) / n over samples of n rows. After a
    calibration the coverage itself is Beta distributed over calibrations: that adds c (1 - c) / (m + 2) for m rows. With groups
    the variances of their coverages add up to about the same.

    Args:
        scores: Of the rows.
        calibration: Of the model, if it has one.
        levels: The coverages.

    Reference:
        Vovk (2012), Conditional validity of inductive conformal predictors.
    """
    found = []
    for d, column in enumerate(scores.pit.T):
        pit = column[~np.isnan(column)]
        spread = 1.0 / max(len(pit), 1) + (0.0 if calibration is None else 1.0 / (calibration.rows[d] + 2))
        found.append(
            [
                Held(c, metrics.coverage(pit, c), len(pit), _ERRORS * math.sqrt(c * (1.0 - c) * spread))
                for c in levels
                if len(pit)
            ]
        )
    return found


def verdict(held: Iterable[Held]) -> str:
    """What is to be made of intervals, by how many targets they hold at all levels."""
    held = list(held)
    narrow, wide = ([one for one in held if one.side == side] for side in (-1, 1))
    if narrow and wide:
        return f"so they are too narrow at {_named(narrow)} and too wide at {_named(wide)}: trust neither as it stands"
    if narrow:
        return f"so they are too narrow at {_named(narrow)}: trust them less than they say"
    if wide:
        return f"so they are wider than they need be at {_named(wide)}"
    return "which is what was promised"


def said_of_held(scores: Scores, calibration: Calibration | None, names: list[str]) -> list[str]:
    """A sentence about the intervals of each target.

    Args:
        scores: Of the rows.
        calibration: Of the model, if it has one.
        names: The names of the targets.
    """
    found = []
    for name, held in zip(names, held_of(scores, calibration), strict=True):
        if not held:
            continue
        rows = held[0].rows
        these = counted(rows, "target") if len(names) == 1 else f"{counted(rows, 'value')} of {name}"
        *others, last = map(str, held)
        drawn = "" if calibration is None else " with so many rows here and in the calibration"
        found.append(
            f"Of these {these} {', '.join(others)}, and {last}, {verdict(held)}. In brackets: what chance alone makes{drawn}, "
            "in percentage points."
        )
    return found


def _named(held: list[Held]) -> str:
    levels = list(dict.fromkeys(f"{100 * one.nominal:g} %" for one in held))
    return levels[0] if len(levels) == 1 else f"{', '.join(levels[:-1])} and {levels[-1]}"
