"""From checked rows to a fitted regressor: what targets are taken for, the members, and the models without features."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.utils.validation import check_random_state

from mdn import initializers
from mdn.tabular import baselines, circular, learning, seen, targets
from mdn.tabular.codes import MissingCodes, codes_of, sentences
from mdn.tabular.member import Member
from mdn.tabular.outcome import Outcome
from mdn.tabular.recorded import recorded_as
from mdn.training.team import agreed

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Features `(N, F)`, targets `(N, D)` or their bounds, and weights of mean 1."""


@contextmanager
def unchanged_by_failure(regressor) -> Iterator[None]:
    """A block that trains a regressor: if it raises, all attributes are as before, since half of a new model would answer."""
    before = vars(regressor).copy()
    try:
        yield
    except BaseException:
        vars(regressor).clear()
        vars(regressor).update(before)
        raise


def fit_rows(
    regressor,
    rows: Arrays,
    held_out: Callable[[], Arrays] | None,
    *,
    heard_by: dict[str, Any],
    checkpoint=None,
    elsewhere: learning.Elsewhere | None = None,
) -> None:
    """Sets all attributes of a regressor that knows its columns.

    Args:
        regressor: An `MDNRegressor`.
        rows: The rows to learn from, all with a target and a weight above 0.
        held_out: Returns the rows that say when to stop; None for a part of the rows.
        heard_by: As `member.listeners` returns it.
        checkpoint: A folder for members that are done, or None.
        elsewhere: Trains the members on other rows than these, which choose only what is trained.

    Raises:
        ValueError: as `MDNRegressor.fit` does.
    """
    x, y, weight = rows
    if not regressor.censoring:
        _warn_of_codes(regressor.target_names_, y)
    circle, y = circular.circle_of(regressor.period, y), circular.wrapped(y, regressor.period)
    regressor.seen_, regressor.n_samples_seen_ = seen.smallest(seen.checksums(x, y)), len(y)
    seeds = check_random_state(regressor.random_state).randint(0, 2**31 - 1, size=1 + int(regressor.ensemble_size))
    if elsewhere is not None:
        seeds = agreed(seeds)
    size = regressor._event_size
    grid = regressor.target_grid_ = learning.grid_of(regressor, y)
    regressor.recorded_ = [None] if regressor.censoring else recorded_as(y, grid, regressor.period)
    cells = y if regressor.censoring else targets.cells(y, grid)
    points = targets.drawn(cells, size, int(seeds[0]))
    outcomes = [circle] if circle else learning.possible_outcomes(regressor, y, size, grid)
    fixed = any(outcome.fixed for outcome in outcomes)
    regressor.target_origin_ = np.zeros(size) if fixed else initializers.far_origin(points)
    aside = None if held_out is None else held_out()
    if not regressor.censoring and np.all(targets.constant(y)):
        _fit_constant(regressor, x, y, circle or Outcome())
        return
    count = len(y)
    if aside is not None:
        outcomes[0].check_support(aside[1])
        x, y, weight = (np.concatenate(pair) for pair in zip((x, y, weight), aside, strict=True))

    def split(seed):
        if aside is not None:
            return np.arange(count), np.arange(count, len(y))
        return targets.split_rows(count, regressor.validation_fraction, seed)

    learnt = [learning.learnt_of(regressor, outcome, y, int(seeds[0])) for outcome in outcomes]
    regressor.members_, regressor.outcome_ = learning.learn(
        regressor, x, learnt, weight, outcomes, event_size=size, split=split, refit=regressor.refit and aside is None,
        seeds=seeds[1:], heard_by=heard_by, checkpoint=checkpoint, elsewhere=elsewhere,
    )  # fmt: skip
    if regressor.outcome_.counted:  # quantiles are whole numbers already, and even counts may have odd ones between
        regressor.recorded_ = [None]
    first = regressor.members_[0]
    regressor.num_components_, regressor.history_ = len(first.alive), first.history
    learnt_of_chosen = learnt[outcomes.index(regressor.outcome_)][:count]
    regressor.baseline_ = baselines.baseline_of(regressor, x[:count], points, learnt_of_chosen)


def _warn_of_codes(names, y) -> None:
    found = {name: codes_of(column[~np.isnan(column)]) for name, column in zip(names, y.T, strict=True)}
    for sentence in sentences(found):
        warnings.warn(f"the target {sentence}", MissingCodes, stacklevel=4)


def _fit_constant(regressor, x, y, outcome) -> None:
    warnings.warn(
        f"every target is the same ({', '.join(f'{value:g}' for value in y[0])}): it is predicted with a scale of a "
        "thousandth of its size, and no baseline means anything.",
        UserWarning,
        stacklevel=4,
    )
    architecture = learning.architecture(regressor, x.shape[1], regressor._event_size, 1)
    architecture = dataclasses.replace(architecture, covariance="diagonal")
    regressor.outcome_ = outcome
    regressor.members_ = [Member.constant(architecture, outcome.learnable(y[:1])[0])]
    regressor.num_components_ = 1
    regressor.history_ = regressor.members_[0].history
    regressor.baseline_ = None
