"""The evidence about an `MDNRegressor`: it knows its rows of training, the grid of its targets and the columns of its table."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
from scipy import special, stats
from scipy.sparse import issparse
from sklearn.utils.validation import check_is_fitted

from mdn import numerics
from mdn.doctor.evidence import (
    DRAWS,
    MOST_COLUMNS,
    Column,
    Components,
    Evidence,
    Reference,
    Training,
    are_atoms,
    check_known,
    drawn_from,
    drawn_rows,
    few_of,
    moments,
    of_no_answers,
    parts_of,
    ranked,
    scores_of_odds,
    too_many,
    unwrapped,
)
from mdn.doctor.significance import BODY, ENOUGH_ROWS, share_p, significant
from mdn.random import Draws
from mdn.tabular import inputs, seen
from mdn.tabular.features import places_of
from mdn.tabular.frames import features_shown, is_frame, row_count, row_names, rows_of
from mdn.tabular.wording import plain, rows_judged

_TURNS = 50  # of draws and the normal that they have
_MOSTLY = 0.5  # of the rows stood in training: then only those are judged that did not


def evidence(regressor, X, y, training: tuple | None) -> tuple[Evidence, Evidence]:
    """(the evidence of rows that training has not seen, the evidence of all rows).

    They are one and the same, unless most rows are equal to rows of training, and enough are known not to be.

    Args:
        regressor: A fitted `MDNRegressor`.
        X: Features.
        y: Targets as in `fit`.
        training: (X, y) of the rows of training, if they are at hand.

    Raises:
        ValueError: if X and y do not fit the model or each other.
    """
    check_is_fitted(regressor)
    y = np.asarray(regressor._checked_targets(y), "float64")
    y = np.tile(y, 2) if regressor.censoring and y.shape[1] == 1 else y
    check_known(y)
    inputs.check_rows_of_targets(y, row_count(X))
    taken, everywhere, drawn = drawn_rows(len(y)), None, ""
    if taken is None:
        rows = row_names(X, np.arange(len(y)))
    else:
        everywhere, drawn = regressor._points(_as_came(regressor, y)), drawn_from(len(y))
        rows, X, y = row_names(X, taken), rows_of(X, taken), y[taken]
        check_known(y)
    x = regressor._features(X)
    kept = getattr(regressor, "seen_", [])
    found = seen.checksums(x, y)
    known, equal = seen.rows_seen(kept, found)
    share = seen.share_seen(kept, found)
    count = regressor.n_samples_seen_ or (seen.count_of(kept) if seen.are_distinct(found) else 0)
    unseen, there = np.flatnonzero(known & ~equal), np.empty(0)
    apart = share is not None and share >= _MOSTLY and len(unseen) >= ENOUGH_ROWS
    if training is not None:
        there = -regressor.log_prob(*training)
        count = len(there)
    elif apart:
        then = few_of(known & equal)
        there = -regressor.log_prob(rows_of(X, then), _as_came(regressor, y[then]))
    past = Training(count, there[np.isfinite(there)], max(1, round(regressor.validation_fraction * count)))
    itself = drawn
    if regressor.calibration_ is not None:
        itself += " The networks themselves are judged, without their calibration."
    sentence = rows_judged(len(y), share) + itself
    whole = _of_rows(regressor, X, y, sentence, past if count else None, rows)
    whole = dataclasses.replace(whole, all_targets=everywhere)
    if not apart:
        return whole, whole
    sentence = (
        f"About {share:.0%} of the {len(y)} rows are equal to rows of training, so that the model is judged by the {len(unseen)} "
        f"rows that it is known not to have seen.{itself}"
    )
    names = rows[0], [rows[1][row] for row in unseen]
    return _of_rows(regressor, rows_of(X, unseen), y[unseen], sentence, past, names), whole


def _of_rows(regressor, X, y, sentence: str, training: Training | None, names: tuple[str, list[str]]) -> Evidence:
    """The evidence of all of these rows; `y` holds checked targets, `names` what `row_names` returned."""
    outcome, names_of_targets = regressor.outcome_, tuple(regressor.target_names_)
    unknown = np.isnan(y).all(axis=1)
    nll = np.where(unknown, np.nan, -regressor.log_prob(X, _as_came(regressor, y)))
    lost = np.isnan(nll) & ~unknown
    places, why = _looked_at(regressor, X)
    columns = [] if why else _columns(regressor, X, places)
    if np.isnan(nll).all():
        points = regressor._points(_as_came(regressor, y))
        return of_no_answers(sentence, points, names_of_targets, names, columns, len(places))
    y = np.where(lost[:, None], np.nan, y)
    came, few = _as_came(regressor, y), few_of(~np.isnan(nll))
    some = rows_of(X, few)
    x = regressor._features(some)
    z = scores_of_odds(regressor._log_odds(X, came, seed=0))
    if regressor.censoring:
        z = _drawn_again(z, *(scores_of_odds(regressor._log_odds(X, came, seed=0, place=end)) for end in (0.0, 1.0)))
    body = None
    if atoms := outcome.atoms:
        body = scores_of_odds(regressor._log_odds(X, came, seed=0, beside_atoms=True))
        body = np.where(are_atoms(y[:, : body.shape[1]], atoms), np.nan, body)
    center, spread = regressor._ask_inputs(x, lambda mixture, _: moments(mixture), np.zeros((len(few), z.shape[1])))
    return Evidence(
        sentence=sentence,
        targets=regressor._points(came),
        names=names_of_targets,
        row_names=names,
        knows_grid=(np.asarray(regressor.target_grid_) > 0.0) | outcome.counted,
        knows_atoms=[tuple(outcome.atoms)] * len(names_of_targets),
        unanswered=np.flatnonzero(lost),
        nll=nll,
        nll_at=lambda moved: -regressor.log_prob(some, _as_came(regressor, moved)),
        z=z,
        surprise=_surprise(regressor, x, y[few], z[few]),
        center=center + regressor.target_origin_,
        spread=spread,
        few=few,
        columns=columns,
        width=len(places),
        not_looked_at=why,
        exchanged=_exchange(regressor, x, y[few], list(places.values())),
        by_column=not why,
        components=_components(regressor, x, y[few]),
        unused=[
            (member.architecture.num_components - len(member.alive), member.architecture.num_components)
            for member in regressor.members_
        ],
        chosen=regressor.num_components == "auto",
        training=training,
        body=body,
        shown=(lambda row: _bounds_shown(*y[row])) if regressor.censoring else None,
    )


def _bounds_shown(low: float, high: float) -> str:
    """A censored target as text."""
    if low == high:
        return plain(low)
    if np.isinf(low) or np.isinf(high):
        return f"{plain(high)} or less" if np.isinf(low) else f"{plain(low)} or more"
    return f"{plain(low)} to {plain(high)}"


def _drawn_again(z: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Scores of censored targets `(N, 1)`; where the model is wrong, they are not drawn as if it were right.

    A censored target is drawn between its bounds. If the model is shifted, or too narrow or wide, a draw from it hides this, and
    a mixture of such draws and of targets that are known looks as if it had heavy tails. So if the scores are not those of a
    standard normal by a sign test, the censored ones are drawn from the normal that all of them together have: draws and the
    median and the width of all scores in turns, until they agree. The level of later tests stays, as a right model does not come
    here.

    Args:
        z: Drawn from the model.
        low, high: The scores of the bounds, equal where a target is known.
    """
    known = np.flatnonzero(~np.isnan(z[:, 0]))
    scores, low, high = z[known, 0], low[known, 0], high[known, 0]
    count = len(scores)
    sides = np.sum(scores > 0.0), np.sum(np.abs(scores) < BODY)
    if not any(significant(float(share_p(int(side), count, 0.5))) for side in sides):
        return z
    drawn = np.random.default_rng(0).uniform(size=count)
    free = low < high
    for _ in range(_TURNS):
        shift = float(np.median(scores))
        factor = max(float(np.median(np.abs(scores - shift))) / BODY, numerics.SMALLEST_SCALE)
        ends = (low[free] - shift) / factor, (high[free] - shift) / factor
        scores[free] = shift + factor * stats.truncnorm.ppf(drawn[free], *ends)
    found = z.copy()
    found[known, 0] = np.clip(scores, low, high)
    return found


def _looked_at(regressor, X) -> tuple[dict[str, np.ndarray], str]:
    """(the places of the columns among the inputs, why they are not looked at one by one, "" if they are)."""
    if regressor.trunk_ is not None:
        return {}, "layers of your own (`trunk`) read them"
    if issparse(X):
        return {}, "they are sparse"
    places = places_of(regressor)
    return places, too_many(len(places)) if len(places) > MOST_COLUMNS else ""


def _as_came(regressor, y: np.ndarray) -> np.ndarray:
    """Checked targets `(N, any)` in a form that methods of the regressor take."""
    if regressor.censoring == "right":
        return np.stack([y[:, 0], np.where(np.isnan(y[:, 0]), np.nan, 1.0 * (y[:, 0] == y[:, 1]))], axis=1)
    return y if regressor.n_targets_ or regressor.censoring else y[:, 0]


def _columns(regressor, X, places) -> list[Column]:
    x = regressor._features(X)
    shift, spread = regressor.members_[0].layers.features
    indicators = set(regressor.indicators_)
    found = []
    for name, at in places.items():
        own = at[:-1] if at[0] in indicators else at
        plain_number = len(own) == 1
        values = x[:, own[0]] if plain_number else np.unique(x[:, own], axis=0, return_inverse=True)[1].reshape(-1)
        origin = regressor.feature_origin_[own[0]] if len(regressor.feature_origin_) > 1 else 0.0
        reference = Reference(float(shift[own[0]] + origin), float(spread[own[0]])) if plain_number else None
        levels = not plain_number and name not in regressor.columns_.dates
        values = np.asarray(values, "float64") + origin * plain_number
        found.append(Column(name, values, _described(X, name, values), reference, levels))
    return found


def _described(X, name: str, values: np.ndarray):
    if is_frame(X):
        return lambda row: features_shown(X, row, [name]).partition("=")[2]
    return lambda row: plain(float(values[row]))


def _surprise(regressor, x, y, z) -> np.ndarray:
    if regressor.censoring:
        return np.abs(2.0 * special.ndtr(z[:, 0]) - 1.0)
    size, origin = regressor._event_size, regressor.target_origin_
    stream, rng = Draws(0), np.random.default_rng(0)

    def ranks(mixture, bounds):
        draws = np.asarray(keras.ops.convert_to_numpy(mixture.sample((DRAWS,), seed=stream.key())), "float64") + origin
        for d, recorded in enumerate(regressor.recorded_):
            if recorded is not None:  # as the targets were
                draws[..., d] = recorded.nearest(draws[..., d], np.zeros(1))
        there = _centred_bounds(regressor, draws.reshape(-1, size)).reshape(*draws.shape[:2], -1).astype("float32")
        here, there = (regressor._score(mixture, each) for each in (bounds, there))
        return ranked(here, there, rng.uniform(size=len(bounds)))

    known = regressor._ask_inputs(x, ranks, _centred_bounds(regressor, y))
    return np.where(np.isnan(y).any(axis=1), np.nan, known)


def _centred_bounds(regressor, y) -> np.ndarray:
    """The sets that checked targets stand for, as `_bounds` returns them, minus `target_origin_`."""
    bounds = regressor._bounds(_as_came(regressor, y))[0]
    return bounds - np.tile(regressor.target_origin_, bounds.shape[1] // regressor._event_size)


def _exchange(regressor, x, y, places: list[np.ndarray]):
    bounds = _centred_bounds(regressor, y)

    def exchanged(donors, column):
        if column is None:
            other = x[donors]
        else:
            other = x.copy()
            other[:, places[column]] = x[donors][:, places[column]]
        return -regressor._ask_inputs(other, regressor._score, bounds)

    return exchanged


def _components(regressor, x, y) -> list[Components]:
    if regressor.period is not None or regressor.censoring:
        return []
    size = regressor._event_size

    def question(distribution, y):
        return parts_of(*unwrapped(distribution, y))

    points = regressor._points(_as_came(regressor, y)) - regressor.target_origin_
    weights, loc, scale, inner = regressor._ask_inputs(x, question, points)
    unit = np.asarray(regressor.members_[0].layers.targets[1], "float64")[:size]  # networks learn in this unit
    steps = np.where(regressor.outcome_.plain, regressor.target_grid_, 1.0 * regressor.outcome_.counted)
    return [Components("", weights, loc / unit, scale / unit, inner / unit, 0.5 * steps / unit, normal=True)]
