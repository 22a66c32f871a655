"""How the members of a regressor are learnt: held-out rows choose bins, components and outcome, then the members train."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from joblib import effective_n_jobs

from mdn import numerics, training
from mdn.tabular import targets
from mdn.tabular.member import FEW_ROWS, Member, Recipe, Rows
from mdn.tabular.network import Architecture, width_for
from mdn.tabular.outcome import Outcome, candidates
from mdn.tabular.trainings import one_by_one, side_by_side
from mdn.training import team
from mdn.training.interrupt import NOTHING_YET
from mdn.wording import agreed, counted

CANDIDATES = (3, 6, 12)
"""The numbers of components that `num_components="auto"` tries."""
_ROWS_A_COMPONENT = 4
BINS = 8
"""The bins of each feature that `feature_bins="auto"` tries."""
_MOST_BINNED = 128  # of more features most are codes, which have two values and so no use for bins
_MOST_ENCODED = 65_536  # numbers of a row: a block of rows takes 1 GB
_FEWEST_BINNED = 100  # with fewer rows to learn from, bins hold too few
_NARROW = 0.05  # of the standard deviation of the targets


Task = tuple[Architecture, Rows, Recipe, int]
"""The arguments of `member.fit_member`; behind them stands a candidate that has done the first of two trainings, if one has."""
Elsewhere = Callable[[Sequence[Task], Outcome], list[Member]]
"""Trains members on rows that are not at hand, from tasks that have a part of the rows, and what targets are taken for. It
returns those that are done; after Ctrl-C there are fewer than tasks, or the last one is marked as interrupted."""


class Choice(NamedTuple):
    """What held-out rows choose.

    Attributes:
        components: K.
        bins: Bins of each feature, or 0.
        outcome: The place of what targets are taken for.
    """

    components: int
    bins: int
    outcome: int


class Learnt(NamedTuple):
    """What `learn` returns.

    Attributes:
        members: The members that are done.
        outcome: What the targets were taken for.
    """

    members: list[Member]
    outcome: Outcome


def learn(
    settings,
    x: np.ndarray,
    y: Sequence[np.ndarray],
    weight: np.ndarray,
    outcomes: Sequence[Outcome],
    *,
    event_size: int,
    split: Callable[[int], tuple[np.ndarray, np.ndarray]],
    refit: bool,
    seeds: np.ndarray,
    heard_by: dict[str, Any],
    checkpoint=None,
    elsewhere: Elsewhere | None = None,
) -> Learnt:
    """Trains an ensemble; held-out rows choose first whether features have bins, then the number of components, then the outcome.

    Args:
        settings: The regressor, of which only the parameters are read.
        x: Features, `(N, F)`.
        y: What networks learn of each outcome, as `Outcome.learnable` returns it.
        weight: Shape `(N,)`.
        outcomes: What the targets may be taken for.
        event_size: D, how many targets.
        split: From a seed to (rows to learn from, rows that say when to stop).
        refit: Whether members train anew on all rows.
        seeds: One for each member; the first also trains the candidates.
        heard_by: As `listeners` returns it.
        checkpoint: A folder for members that are done, or None.
        elsewhere: Trains the members on other rows; these then choose only what is trained.

    Raises:
        ValueError: if there is a `checkpoint`, but the trunk is a function.
        KeyboardInterrupt: if Ctrl-C was pressed before any network had learnt anything.
    """
    if checkpoint is not None and settings.trunk_ is not None and settings.trunk_.is_function:
        raise ValueError(
            "`checkpoint` needs a Keras model as `trunk`, but a function came, of which nobody can tell whether it is still the "
            "same: pass the model that it makes, or leave `checkpoint` out."
        )
    members: list[Member] = []
    starts = [outcome.points(each, event_size, int(seeds[0])) for outcome, each in zip(outcomes, y, strict=True)]

    def train(jobs, elsewhere=None) -> tuple[dict[int, Member], bool]:
        """(the members that are done, by their places among the jobs, whether Ctrl-C ended the training)."""
        tasks: list[tuple[Any, ...]] = []
        for (components, bins, place), again, seed, *tried in jobs:
            own = architecture(settings, x.shape[1], event_size, components, len(outcomes[place].atoms), bins)
            program = dataclasses.replace(own, num_components=max(counts), bins=max(several)) if together else own
            rows = Rows(x, y[place], starts[place], weight, *split(seed))
            tasks.append((own, rows, recipe(settings, again, program), int(seed), *tried))
        if elsewhere is not None:
            trained = dict(enumerate(elsewhere(tasks, outcomes[jobs[0][0].outcome])))
        elif effective_n_jobs(settings.n_jobs) > 1:
            trained = side_by_side(tasks, settings.n_jobs, checkpoint)
        else:
            trained = dict(enumerate(one_by_one(tasks, checkpoint, **heard_by)))
        if not trained and not members:
            raise KeyboardInterrupt(NOTHING_YET)
        return trained, len(trained) < len(tasks) or any(one.history.interrupted for one in trained.values())

    train_rows, judges = split(seeds[0])

    def judged(member: Member, place: int) -> float:
        """The held-out loss in the unit of the target."""
        slope = outcomes[place].log_slope(y[place][judges])
        return member.val_loss + float(np.sum(weight[judges] * slope) / np.sum(weight[judges]))

    def better(tried: Sequence[tuple[Choice, Member]]) -> tuple[Choice, Member]:
        """The one that held-out rows find more likely; of networks with bins and without, those with bins if they surely do."""
        best = min(tried, key=lambda pair: judged(pair[1], pair[0].outcome))
        for pair in tried:
            with_or_without = settings.loss == "nll" and best[0].bins and not pair[0].bins
            if with_or_without and not _surely_better(best[1], pair[1], weight[judges]):
                return pair
        return best

    counts = _counts(settings, len(train_rows) + (len(judges) if refit else 0))
    several = _bins(settings, x.shape[1], len(train_rows))
    together = settings.loss == "nll" and len(train_rows) <= FEW_ROWS
    options = {"bins": several, "components": counts, "outcome": range(len(outcomes))}
    chosen, stopped = Choice(counts[0], several[0], 0), False
    with training.ctrl_c_waits() as pressed:
        for name, values in options.items():
            if len(values) == 1 or stopped:
                continue
            tried = [(chosen, members[0])] if members else []
            new = [chosen._replace(**{name: value}) for value in values if not tried or value != getattr(chosen, name)]
            trained, stopped = train([(choice, False, seeds[0]) for choice in new])
            chosen, best = better(tried + [(new[place], one) for place, one in trained.items()])
            members = [best]
        if not stopped:
            kept, final = ([] if refit else members), chosen
            if elsewhere is not None:
                kept, final = [], Choice(*team.agreed(list(chosen)).tolist())
            jobs: list[tuple] = [(final, refit, seed) for seed in seeds[len(kept) :]]
            if refit and members and members[0].start is not None:
                jobs[0] = (*jobs[0], members[0])  # the best candidate needs its second training only
            more, stopped = train(jobs, elsewhere)
            members, chosen = ([*kept, *more.values()], final) if kept or more else (members, chosen)
        members[0].history.interrupted = stopped or bool(pressed)
    return Learnt(members, outcomes[chosen.outcome])


def _surely_better(one: Member, other: Member, weight: np.ndarray) -> bool:
    """Whether held-out rows find `one` more likely than `other` by more than the standard error of the difference."""
    if one.judged is None or other.judged is None:
        raise ValueError("these members were not trained just now, so their held-out losses are not known.")
    gains = other.judged - one.judged
    return numerics.surely_positive(gains, weight=weight[: len(gains)])


def grid_of(settings, y: np.ndarray) -> np.ndarray:
    """The steps of the grids on which targets lie, `(D,)`; atoms, which are ties of another kind, do not count where they may be.

    Args:
        settings: The regressor, of which only the parameters are read.
        y: Targets `(N, D)`, or bounds of censored ones `(N, 2)`, which have no grid.
    """
    if settings.censoring:
        return np.zeros(1)
    if y.shape[1] > 1 or settings.family == "normal":
        return targets.grid(y)
    atoms = [value for value, _ in targets.atoms(y[~np.isnan(y)])]
    rest = y[~np.isin(y, atoms)][:, None]
    steps = targets.grid(rest)
    # beside atoms there are no cells, and none are needed where they are narrow
    return np.where(bool(atoms) & (steps < _NARROW * np.nanstd(rest)), 0.0, steps)


def possible_outcomes(settings, y: np.ndarray, size: int, grid: np.ndarray) -> list[Outcome]:
    """What targets may be taken for; held-out rows choose among them.

    Args:
        settings: The regressor, of which only the parameters are read.
        y: Targets `(N, D)`, or bounds of censored ones `(N, 2)`.
        size: D.
        grid: The steps of the grids of targets, `(D,)`.

    Raises:
        ValueError: if the settings do not fit each other or the targets.
    """
    asked = settings.family != "normal" or settings.bounds not in (None, "auto")
    if settings.loss != "nll" and (asked or settings.censoring):
        raise ValueError(f'`loss` must be "nll" with `family`, `bounds` or `censoring`, but {settings.loss!r} came.')
    if settings.target_noise and (asked or settings.censoring):
        raise ValueError(
            "`target_noise` must be 0 with `family`, `bounds` or `censoring`: noise would leave the set of a target."
        )
    if not asked:
        exact = settings.loss == "nll" and not settings.target_noise
        return [Outcome(cells=exact and (size == 1 or settings.covariance in ("diagonal", "isotropic")))]
    if size > 1:
        raise ValueError(
            f"`family` and `bounds` need one target, but y has {size}: leave them out, or learn one at a time."
        )
    known = y[np.isfinite(y)]
    if settings.family == "auto" and not settings.censoring and grid[0]:
        for value, share in targets.atoms(known):
            warnings.warn(
                f"the target is exactly {value:g} in {share:.0%} of the rows, beside rounded values, and has no probability of "
                "its own there: if it means a missing value, make it NaN.",
                UserWarning,
                stacklevel=4,
            )
    return candidates(known, settings.family, settings.bounds, float(grid[0]), bool(settings.censoring))


def learnt_of(settings, outcome: Outcome, y: np.ndarray, seed: int) -> np.ndarray:
    """What a network learns of targets; see `learnable`.

    Args:
        settings: The regressor, whose `target_origin_` and `target_grid_` are known.
        outcome: What targets are taken for.
        y: Targets `(N, D)`, or bounds of censored ones `(N, 2)`.
        seed: As in `learnable`.
    """
    origin, inner = settings.target_origin_, outcome.moved(settings.target_origin_)
    bounds, _ = inner.sets_of(y - np.tile(origin, y.shape[1] // len(origin)), settings.target_grid_)
    return learnable(inner, bounds, len(origin), seed)


def learnable(outcome: Outcome, bounds: np.ndarray, size: int, seed: int) -> np.ndarray:
    """What a network learns from the sets that targets stand for.

    Args:
        outcome: What targets are taken for.
        bounds: Lower and then upper bounds, `(N, 2 D)`.
        size: D.
        seed: For draws in the cells of rounded targets where sets cannot be learnt.
    """
    if not outcome.cells:
        bounds = targets.drawn(bounds, size, seed)
    elif np.array_equal(bounds[:, :size], bounds[:, size:], equal_nan=True):
        bounds = bounds[:, :size]
    return outcome.learnable(bounds)


def _counts(settings, rows: int) -> list[int]:
    """The numbers of components to try."""
    most = max(1, rows // _ROWS_A_COMPONENT)
    if isinstance(settings.num_components, str):
        return sorted({min(count, most) for count in CANDIDATES})
    if settings.num_components > most:
        warnings.warn(
            f"{counted(rows, 'row')} {agreed(rows, 'is', 'are')} too few for {settings.num_components} components: {most} "
            f"{agreed(most, 'is', 'are')} used. "
            'Set num_components lower, or to "auto".',
            UserWarning,
            stacklevel=4,
        )
    return [min(int(settings.num_components), most)]


def _bins(settings, features: int, rows: int) -> list[int]:
    """The numbers of bins to try, of so many features and rows to learn from."""
    if settings.trunk_ is not None:
        return [0]
    if settings.feature_bins != "auto":
        if features * settings.feature_bins > _MOST_ENCODED:
            raise ValueError(
                f"`feature_bins` times the inputs must be {_MOST_ENCODED:,} at most, but "
                f"{counted(settings.feature_bins, 'bin')} of "
                f'{counted(features, "input", form=",")} came (each level of a category is one): ask for fewer bins, or "auto".'
            )
        return [int(settings.feature_bins)]
    return [BINS, 0] if features <= _MOST_BINNED and rows >= _FEWEST_BINNED else [0]


def architecture(
    settings, features: int, event_size: int, components: int, atoms: int = 0, bins: int = 0
) -> Architecture:
    """The network of a member.

    Args:
        settings: The regressor, of which the parameters and `trunk_` are read.
        features: F.
        event_size: D.
        components: K.
        atoms: How many values have a probability of their own.
        bins: Bins of each feature, or 0.
    """
    trunk = settings.trunk_
    return Architecture(
        width=width_for(features) if trunk is None else trunk.size,
        hidden_sizes=tuple(settings.hidden_sizes) if trunk is None else (),
        activation=settings.activation,
        event_size=event_size,
        num_components=components,
        covariance=settings.covariance if event_size > 1 else "diagonal",
        feature_noise=settings.feature_noise,
        loss=settings.loss,
        atoms=atoms,
        circular=settings.period is not None,
        trunk=trunk,
        bins=bins,
    )


def recipe(settings, refit: bool, program: Architecture) -> Recipe:
    """How members are trained; see `Recipe` for `refit` and `program`."""
    return Recipe(
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        target_noise=settings.target_noise,
        averaging=settings.averaging,
        patience=settings.patience,
        restarts=int(settings.restarts),
        refit=refit,
        program=program,
    )
