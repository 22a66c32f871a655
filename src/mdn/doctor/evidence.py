"""What the rules of the doctor look at: plain arrays, made from any model and its rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from keras import ops
from scipy import special

from mdn import numerics
from mdn.distributions import Mixture, Normal, Rounded, Spiked, Transformed
from mdn.distributions.based import Based
from mdn.initializers import robust_scaling
from mdn.random import Draws
from mdn.tabular.conformal import log_odds, log_tails
from mdn.tabular.wording import plain

FEW = 2000
"""Rows, drawn at random, of what takes longer than one prediction of all rows."""
MOST_ROWS = 50_000
"""Rows of a table, drawn at random from a longer one: the share of an interval is then known to 0.2 points."""
_ROUNDED = 1e-5  # of a log density
_HUGE = float(np.finfo("float32").max)
DRAWS = 39
"""Draws for each row: a surprise is a rank among them, which is exactly uniform for any number of draws."""


class Reference(NamedTuple):
    """Where a column lay in training.

    Attributes:
        center: Its median, or its mean.
        spread: The deviation of a normal with the same interquartile range, or the standard deviation; 1 of a constant column.
        is_mean: Whether they are the mean and the standard deviation: half of the values lie above a median, not above a mean.
    """

    center: float
    spread: float
    is_mean: bool = False


MOST_COLUMNS = 100
"""Columns of a table that is looked at column by column."""


def too_many(columns: int) -> str:
    """Why the columns of a wider table are not looked at, as a clause."""
    return f"there are {columns} of them, and more than {MOST_COLUMNS} are not"


@dataclasses.dataclass(frozen=True, eq=False)
class Column:
    """One column of the features.

    Attributes:
        name: Its name.
        values: Numbers that put the rows in order, `(N,)`; the place of a level of text or of a combination; NaN is missing.
        described: Returns a row's value as text.
        reference: Where the rows of training lay, if the model keeps it.
        levels: Whether values are places of levels, which have no order.
        past: Whether it is the event before, so that a close relation is no leak.
    """

    name: str
    values: np.ndarray
    described: Callable[[int], str]
    reference: Reference | None = None
    levels: bool = False
    past: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class Components:
    """The components of a mixture for some rows, in the unit in which they are normal, say.

    Attributes:
        of: The name of the part of the targets, "" if there is one.
        weights: Shape `(n, K)`.
        loc: The means `(n, K, D)`.
        scale: The standard deviations `(n, K, D)`.
        y: The targets in this unit, `(n, D)`, NaN where missing, or where they are atoms.
        slack: By how much a target may be rounded, in this unit, `(D,)`.
        normal: Whether all components are normals, so that gradients are known.
    """

    of: str
    weights: np.ndarray
    loc: np.ndarray
    scale: np.ndarray
    y: np.ndarray
    slack: np.ndarray
    normal: bool


@dataclasses.dataclass(frozen=True)
class Training:
    """What is known of the rows that a model learnt from.

    Attributes:
        rows: How many they were.
        nll: The NLL of those at hand, `(any,)`; empty if none is.
        held_out: How many of them stopped the training in time, 0 if that is not known.
    """

    rows: int
    nll: np.ndarray
    held_out: int = 0


@dataclasses.dataclass(frozen=True, eq=False)
class Evidence:
    """All that the rules know. N rows, of which `few` stand for all where a computation is long; D targets.

    Attributes:
        sentence: What is known of the rows.
        targets: Shape `(N, D)`, NaN where missing.
        names: The names of the targets.
        row_names: What the names of rows are, and the name of each row, as `frames.row_names` returns them.
        knows_grid: Whether the model takes each target for a number on a grid, `(D,)`.
        knows_atoms: For each target the values to which the model gives a probability of their own.
        unanswered: Indices of rows for which the model predicts no distribution, ascending. Nothing else is known of them: their
            targets, NLL and scores are NaN.
        nll: Of each row, in nats, `(N,)`, NaN without any target.
        nll_at: Maps other targets of the rows `few` to their NLL, `(n,)`.
        z: Normal scores of the PIT of each target, `(N, D)`: standard normal if the model is right; NaN where there is no order.
        surprise: For rows `few` the probability of outcomes that are more likely than the one that came, `(n,)`; uniform if the
            model is right, whatever the shape of the density and however many targets (Hyndman 1996).
        center: The predicted mean `(n, D)`, for regions.
        spread: The predicted standard deviation `(n, D)`, for regions.
        few: Indices of rows, ascending.
        columns: The features, empty if they are not looked at.
        width: How many features there are, 0 if they are no table.
        not_looked_at: Why `columns` is empty though there are features, as a clause; "" if it is not.
        exchanged: Maps donors `(n,)`, places in `few`, and the place of a column or None for all, to the NLL of the rows `few`
            when they are answered with the features of the donors.
        by_column: Whether `exchanged` takes single columns.
        components: One for each part of the targets that is a mixture.
        unused: For each network the numbers of its components that have no weight in any row of training, and of all of them;
            empty if it is not known.
        chosen: Whether held-out rows chose the number of components, so that some without weight are no news.
        training: What is known of the training.
        all_targets: The targets of all rows of the table, `(any, D)`, where the N rows are drawn from it; else None.
        shown: Returns a row's targets as text, where they are no numbers; else None.
        body: `z` of targets that are no atoms, given that they are none, `(N, D)`, NaN of atoms; None of a model without atoms.
    """

    sentence: str
    targets: np.ndarray
    names: tuple[str, ...]
    row_names: tuple[str, Sequence[str]]
    knows_grid: np.ndarray
    knows_atoms: Sequence[tuple[float, ...]]
    unanswered: np.ndarray
    nll: np.ndarray
    nll_at: Callable[[np.ndarray], np.ndarray]
    z: np.ndarray
    surprise: np.ndarray
    center: np.ndarray
    spread: np.ndarray
    few: np.ndarray
    columns: Sequence[Column]
    width: int
    not_looked_at: str
    exchanged: Callable[[np.ndarray, int | None], np.ndarray]
    by_column: bool
    components: Sequence[Components]
    unused: Sequence[tuple[int, int]] = ()
    chosen: bool = False
    training: Training | None = None
    all_targets: np.ndarray | None = None
    shown: Callable[[int], str] | None = None
    body: np.ndarray | None = None

    def described(self, row: int) -> str:
        """The targets of a row as text."""
        return ", ".join(map(plain, self.targets[row])) if self.shown is None else self.shown(row)

    def without_atoms(self) -> Evidence:
        """The same of targets that are no atoms: the place of an atom is drawn, and tells nothing of scales and tails."""
        if self.body is None:
            return self
        one = self.body.shape[1] == 1
        surprise = np.abs(2.0 * special.ndtr(self.body[self.few, 0]) - 1.0) if one else self.surprise
        return dataclasses.replace(self, z=self.body, surprise=surprise, body=None)

    @property
    def rows(self) -> int:
        """N, without rows that have no target, or no prediction."""
        return int(np.sum(~np.isnan(self.nll)))

    @property
    def scale_of_targets(self) -> np.ndarray:
        """The spread of each target, that of a normal with the same interquartile range, `(D,)`."""
        return robust_scaling(self.targets)[1].astype("float64")


def of_no_answers(
    sentence: str,
    targets: np.ndarray,
    names: tuple[str, ...],
    row_names: tuple[str, Sequence[str]],
    columns,
    width: int,
) -> Evidence:
    """The evidence where the model predicts no distribution for any row with a target; arguments as in `Evidence`."""
    rows, size = targets.shape
    nothing = np.full((rows, size), np.nan)
    return Evidence(
        sentence=sentence,
        targets=nothing,
        names=names,
        row_names=row_names,
        knows_grid=np.zeros(size, bool),
        knows_atoms=[()] * size,
        unanswered=np.flatnonzero(~np.isnan(targets).all(axis=1)),
        nll=nothing[:, 0],
        nll_at=lambda moved: np.empty(0),
        z=nothing,
        surprise=np.empty(0),
        center=np.empty((0, size)),
        spread=np.empty((0, size)),
        few=np.empty(0, int),
        columns=columns,
        width=width,
        not_looked_at="",
        exchanged=lambda donors, column: np.empty(0),
        by_column=False,
        components=(),
    )


def check_known(y: np.ndarray) -> None:
    """Raises a ValueError if all targets are missing."""
    if np.isnan(y).all():
        raise ValueError("`y` must hold at least one target, but all are missing (NaN), or there are no rows.")


def drawn_rows(rows: int, events: int | None = None) -> np.ndarray | None:
    """The indices of the rows of a long table that stand for all, ascending; None if all of its rows are looked at.

    Args:
        rows: How many there are.
        events: How many targets these rows have, if each has several, as a sequence has.
    """
    events = rows if events is None else events
    most = max(1, MOST_ROWS * rows // max(events, 1))
    return None if rows <= most else few_of(np.ones(rows, bool), most)


def drawn_from(rows: int, what: str = "rows") -> str:
    """The sentence that says of which table the rows are."""
    return f" They were drawn at random from {rows} {what}, so that what only a few {what} have may not be seen."


def few_of(known: np.ndarray, most: int = FEW) -> np.ndarray:
    """The indices of some rows that are `known` (booleans), at random with a fixed seed, ascending."""
    rows = np.flatnonzero(known)
    return rows if len(rows) <= most else np.sort(np.random.default_rng(0).choice(rows, most, replace=False))


def scores_of_odds(odds: np.ndarray) -> np.ndarray:
    """Normal scores of probabilities, from their log odds, exact in both tails."""
    with np.errstate(invalid="ignore"):  # NaN where a target is missing
        below, above = log_tails(odds)
    return np.where(odds < 0.0, special.ndtri_exp(below), -special.ndtri_exp(above))


def scores_beside_atoms(distribution, y) -> np.ndarray:
    """The log odds of the PIT of the coordinate of a `Spiked`, `(N, 1)`, given that it is no atom; NaN where it is or missing."""
    values = np.nan_to_num(y)
    logs = distribution.base.log_cdf(values), distribution.base.log_survival(values)
    below, above = (np.asarray(ops.convert_to_numpy(log), "float64") for log in logs)
    return np.where(
        np.isnan(y) | are_atoms(y, distribution.atoms), np.nan, np.clip(below - above, -_HUGE, _HUGE)[:, None]
    )


def pit_scores(distribution, y, drawn):
    """The log odds of the PIT of each coordinate, `(N, D)` in NumPy, NaN where a coordinate is missing or has no order.

    Args:
        distribution: Batch `(N,)`, event size D.
        y: Targets `(N, D)` in float32, NaN where missing.
        drawn: Uniform in [0, 1), `(N, D)`: the place within the jump of a distribution function that has jumps.
    """
    size = distribution.event_size
    if distribution._discrete or distribution._circular:
        return np.full(y.shape, np.nan)
    found = np.empty(y.shape)
    for d in range(size):
        marginal = distribution if size == 1 else distribution.marginal([d])
        to = np.nan_to_num(y[:, d : d + 1])
        # Just below: a float that XLA does not take for 0
        before = to - np.maximum(np.spacing(np.abs(to)), np.float32(numerics.SMALLEST_SCALE))
        jumps = marginal._grid is not None or isinstance(marginal, Spiked)
        ends = []
        for end in (before, to) if jumps else (to,):
            logs = marginal.log_cdf(end), marginal.log_survival(end)
            ends.append(np.stack([np.asarray(ops.convert_to_numpy(log), "float64") for log in logs], axis=-1))
        found[:, d] = log_odds(ends[0], ends[-1], drawn[:, d])
    return np.where(np.isnan(y), np.nan, found)


def surprises(distribution, y, drawn, stream: Draws) -> np.ndarray:
    """The rank of each row's density among those of draws, `(N,)` in NumPy, from 0 to 1; NaN where a target is missing.

    Args:
        distribution: Batch `(N,)`.
        y: Targets `(N, D)`.
        drawn: Uniform in [0, 1), `(N,)`, for ties.
        stream: Where draws come from.
    """
    missing = np.isnan(y).any(axis=-1)
    here = distribution.log_prob(np.nan_to_num(y))
    there = distribution.log_prob(distribution.sample((DRAWS,), seed=stream.key()))
    return np.where(missing, np.nan, ranked(here, there, drawn))


def ranked(here, there, drawn) -> np.ndarray:
    """The place of `here` `(N,)` among `there` `(draws, N)`, the greatest first, from 0 to 1; ties are drawn, `(N,)`."""
    here, there = (np.asarray(ops.convert_to_numpy(each)) for each in (here, there))
    with np.errstate(invalid="ignore"):  # float32 of two programs, of targets on a grid; an outcome may be impossible
        near = np.abs(there - here) <= _ROUNDED * (1.0 + np.abs(here))
    equal = np.where(np.isfinite(here), near, there == here)
    above, ties = np.sum((there > here) & ~equal, axis=0), np.sum(equal, axis=0)
    return (above + drawn * (1.0 + ties)) / (len(there) + 1.0)


def moments(distribution) -> tuple[np.ndarray, np.ndarray]:
    """The mean and the standard deviation of each coordinate, `(N, D)`; NaN where outcomes have no scale."""
    if distribution._labels:
        nothing = np.full((*distribution.batch_shape, distribution.event_size), np.nan)
        return nothing, nothing
    values = distribution.mean(), ops.sqrt(distribution.variance())
    return tuple(np.asarray(ops.convert_to_numpy(each), "float64") for each in values)  # type: ignore[return-value]


def are_atoms(y: np.ndarray, atoms) -> np.ndarray:
    """Which values are atoms, as float32 represents both."""
    return np.isin(y.astype("float32"), np.asarray(atoms, "float32"))


def unwrapped(distribution, y: np.ndarray) -> tuple[Mixture | None, np.ndarray]:
    """The mixture that a distribution is made of, and the targets where it lives; None without one, or for angles and labels."""
    while isinstance(distribution, Based):
        if isinstance(distribution, Transformed):
            y = np.where(
                np.isnan(y),
                np.nan,
                ops.convert_to_numpy(distribution._inverse(numerics.as_tensor(np.nan_to_num(y)))[0]),
            )
        elif isinstance(distribution, Spiked):
            y = np.where(are_atoms(y, distribution.atoms), np.nan, y)
        elif not isinstance(distribution, Rounded):
            return None, y
        distribution = distribution.base
    plain = isinstance(distribution, Mixture) and not (distribution._discrete or distribution._circular)
    return (distribution if plain else None), y


def parts_of(mixture: Mixture | None, y: np.ndarray) -> tuple[np.ndarray, ...]:
    """(weights `(N, K)`, means `(N, K, D)`, deviations `(N, K, D)`, y) of components, from what `unwrapped` returned."""
    if mixture is None:
        raise ValueError("`mixture` must be the mixture of a distribution that has one, but None came.")
    groups = mixture._groups
    values = (
        mixture.weights,
        ops.concatenate([group.mean() for group in groups], axis=-2),
        ops.sqrt(ops.concatenate([group.variance() for group in groups], axis=-2)),
    )
    return *(np.asarray(ops.convert_to_numpy(each), "float64") for each in values), np.asarray(y, "float64")


def are_normal(mixture: Mixture) -> bool:
    """Whether all components are diagonal normals."""
    return all(type(group) is Normal for group in mixture._groups)
