"""Which rows of a table larger than memory are set aside, which are trained on, and as what a network learns them."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

from mdn.data.lanes import Widths
from mdn.data.tables import Table, TableError
from mdn.tabular import conformal, inputs, learning, seen
from mdn.tabular.circular import wrapped
from mdn.tabular.outcome import Outcome
from mdn.tabular.sides import Aside
from mdn.tabular.survey import Rows, Survey, Wanted, joined_rows, rows_of

HELD_OUT = 50_000
"""The most rows that say when to stop."""
_MOST_OF_SAMPLE = 0.3  # of the sample may be set aside for one purpose


class Parts(NamedTuple):
    """The rows of a sample by what they are for, and which of all rows are trained on.

    Attributes:
        judge: Rows that nothing is learnt from, for the caller.
        calibrate: Rows that nothing is learnt from, for `MDNRegressor.calibrate`.
        stop: Rows that say when to stop.
        learn: The other rows, and the witnesses.
        limit: Rows are trained on whose hash is above it.
    """

    judge: Rows
    calibrate: Rows
    stop: Rows
    learn: Rows
    limit: np.uint64

    @classmethod
    def of(cls, survey: Survey, *, judge: tuple[int, float], calibrate: bool, stop: float) -> Parts:
        """Deals the rows with the least hashes, which are the same on every machine; witnesses are not set aside.

        Args:
            survey: Of the whole table.
            judge: The most rows to judge by, and their share of all rows.
            calibrate: Whether rows are set aside to calibrate on.
            stop: The share of all rows that say when to stop.
        """
        sample, witnesses = _sample_and_witnesses(survey)
        count = len(sample.hashes)

        def some(most: int, share: float) -> int:
            return int(min(most, share * survey.rows, _MOST_OF_SAMPLE * count))

        counts = [
            some(*judge),
            some(HELD_OUT, conformal.rows_aside(survey.rows) / survey.rows) if calibrate else 0,
            max(1, some(HELD_OUT, stop)) if stop else 0,
        ]
        ends = np.cumsum([0, *counts]).tolist()
        limit = sample.hashes[ends[-1] - 1] if ends[-1] else np.uint64(0)
        judged, calibrating, stopping = (sample.take(np.arange(*pair)) for pair in itertools.pairwise(ends))
        rest = joined_rows([sample.take(np.arange(ends[-1], count)), witnesses])
        return cls(judged, calibrating, stopping, rest, limit)

    @classmethod
    def by_sides(cls, sample: Rows, aside: Aside, learnt: Survey, most: int) -> Parts:
        """Deals the rows of a sample as `sides_of` says.

        Args:
            sample: Of the whole table.
            aside: Which of its rows are set aside.
            learnt: A survey of the rows alone that are learnt from, so that nothing is known of the others.
            most: The most rows to judge by.
        """
        limits = most, HELD_OUT, HELD_OUT
        judged, calibrating, stopping = (
            sample.take(rows[:limit]) for rows, limit in zip(aside[:3], limits, strict=True)
        )
        return cls(judged, calibrating, stopping, joined_rows(_sample_and_witnesses(learnt)), np.uint64(0))


def _sample_and_witnesses(survey: Survey) -> tuple[Rows, Rows]:
    """(the rows of the sample that are no witnesses, the witnesses)."""
    sample, witnesses = survey.sample(), survey.witnesses()
    return sample.take(np.flatnonzero(~np.isin(sample.hashes, witnesses.hashes))), witnesses


class Selected(NamedTuple):
    """What of each block of a table is trained on, for whoever reads the blocks.

    Attributes:
        wanted: The columns.
        mean_weight: Of all rows.
        limit: Rows are trained on whose hash is above it.
        outcome: What targets are taken for.
        widths: What stands in a row.
    """

    wanted: Wanted
    mean_weight: float
    limit: np.uint64
    outcome: Outcome
    widths: Widths

    def of(self, regressor, block: Table, number: int) -> Learnable | None:
        """The rows of a block as a network learns them; None if there are none.

        Args:
            regressor: The regressor, which has learnt all but its members.
            block: The block.
            number: Its number, which seeds draws in the cells of rounded targets.

        Raises:
            TableError: as `rows_of` and `prepared` do.
        """
        rows = rows_of(block, self.wanted)
        rows = rows.take(np.flatnonzero(rows.hashes > self.limit))
        if not len(rows.hashes):
            return None
        x, y = prepared(regressor, rows, self.wanted)
        learnt = learning.learnt_of(regressor, self.outcome, y, number)
        times = self.widths.y // learnt.shape[1]  # all targets of a block may be points, where some of others are sets
        return Learnable(x, np.tile(learnt, times), rows.weight / self.mean_weight, seen.checksums(x, y))


class Learnable(NamedTuple):
    """Rows as a network learns them.

    Attributes:
        x: Features `(N, F)`.
        y: Targets, as `Outcome.learnable` returns them.
        weight: Shape `(N,)`.
        checksums: As `seen.checksums` returns them.
    """

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    checksums: np.ndarray


def prepared(regressor, rows: Rows, wanted: Wanted) -> tuple[np.ndarray, np.ndarray]:
    """(the features, the targets or their bounds) of some rows, by what a regressor has learnt of columns.

    Raises:
        ValueError: as `features.features` does, with the name of the file.
    """
    try:
        x = np.asarray(regressor._features(rows.table.drop(*wanted.no_features)))
    except ValueError as error:
        source = rows.table.source
        raise TableError(str(error) if source in str(error) else f"{source}: {error}") from None
    y = inputs.bounds(rows.y, regressor.censoring) if regressor.censoring else rows.y
    return x, wrapped(y, regressor.period)
