"""Linear autoregressions of sequences, in NumPy: shrunk, averaged, and fit for the first events of a sequence."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mdn import initializers, numerics

LAGS = 60  # how many events back the autoregression looks, unless a model says otherwise: a year of weeks, or two days of hours
_ORDERS = (1, 2, 3, 5, 7, 10, 13, 25)  # that it may have, and all of its lags
_AGES = (1, 2, 5, 10, 25)  # events of a sequence that are known when the next regression, of a higher order, takes over
_MOST_INPUTS = 300  # numbers that one prediction reads: of many channels, fewer events are read
_MOST_MOMENTS = (
    10_000_000  # numbers of which the autoregression is learnt: of a long recording, events at equal distances
)
_MOST_JUDGES = 2000  # rows of a fold that judge
_PEAKS = 5  # normals of the mixtures that say whether a prediction is worth it
_BLOCKS, _FOLDS = 20, 5  # the events are cut into blocks; each fold, of every fifth block, is held out once
_PENALTIES = (1e-6, 1e-4, 1e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
_DECAYS = (0.0, 2.0)  # powers of the age of an event by which it is penalised more
_NEGLIGIBLE = 1e-4  # a share of the mean that is left out
_TRUST = 0.5  # neighbouring errors are alike: held-out events count as half as many independent ones


def lags_for(size: int) -> int:
    """How many events of `size` numbers an autoregression reads unless a model says otherwise."""
    return max(1, min(LAGS, _MOST_INPUTS // max(1, size)))


def ages(lags: int) -> tuple[int, ...]:
    """At how many known events another matrix takes over, ascending; the last is `lags` itself."""
    return (*(age for age in _AGES if age < lags), lags)


@dataclass(frozen=True)
class Autoregression:
    """What is expected of each event of a scaled sequence, given the events before it.

    A sequence has no history at its start. A regression that reads 60 events would take what is missing for zeros, so until 60
    are known, regressions of lower orders predict.

    Attributes:
        matrices: For each of `ages(lags)` a matrix `(lags · D, D)`, which reads no more events than that, oldest first.
    """

    matrices: tuple[np.ndarray, ...]

    @property
    def lags(self) -> int:
        """How many events back it looks."""
        return len(self.matrices[-1]) // self.matrices[-1].shape[1]

    def foretold(self, z: np.ndarray) -> np.ndarray:
        """The expectation of each event of `z` `(T, D)`, without a copy of the events for each lag; 0 of the first event."""
        found, size, steps = np.zeros(z.shape), z.shape[1], ages(self.lags)
        for age, end, matrix in zip(steps, (*steps[1:], len(z)), self.matrices, strict=True):
            for lag, part in enumerate(matrix.reshape(-1, size, size)[::-1][:age], 1):
                if age < len(z) and part.any():
                    found[age:end] += z[age - lag : min(end, len(z)) - lag] @ part
        return found


def filled(z: np.ndarray) -> np.ndarray:
    """`z` `(T, D)` with each missing number replaced by the last known one, or by 0; clipped."""
    known = ~np.isnan(z)
    last = np.maximum.accumulate(np.where(known, np.arange(len(z))[:, None], -1), axis=0)
    found = np.take_along_axis(z, np.maximum(last, 0), axis=0)
    return np.clip(np.where(last < 0, 0.0, found), -numerics.SIGHT, numerics.SIGHT)


def lagged(z: np.ndarray, lags: int) -> np.ndarray:
    """The `lags` events before each of `z` `(T, D)`, oldest first and zeros before the first, `(T, lags · D)`."""
    whole = np.concatenate([np.zeros((lags, z.shape[1])), z])
    return np.concatenate([whole[lag : lag + len(z)] for lag in range(lags)], axis=1)


def autoregression(rows: Sequence[np.ndarray], lags: int) -> Autoregression:
    """Predicts each event of scaled sequences `(T_i, D)` from the `lags` events before it.

    Many regressions differ in order, in penalty, in whether older events are penalised more, and in whether the prediction is
    drawn towards 0 or towards the last event. For each number of an event their mean is taken, weighted by the likelihood of
    held-out events if errors are Laplacian, in a cross-validation by blocks. Of a short recording many are about as good, and
    their mean is better than each; of a long one the best remains. Where numbers hang together, one mean for all of them may
    leave errors that are likelier (see `_volume`); then it is taken.

    Reference:
        Doan et al. (1984), Forecasting and conditional projection using realistic prior distributions: the last event as prior,
        and older events penalised more.
    """
    size = rows[0].shape[1]
    center = np.mean(np.concatenate(rows), axis=0)  # the mixture of what is left has a location of its own
    furthest = max(1, min(lags, _MOST_INPUTS // size, max(map(len, rows)) - 1))
    keep = max(1, -(-sum(map(len, rows)) * furthest * size // _MOST_MOMENTS))
    pairs = [(_before(one - center, furthest, keep), (one - center)[::keep]) for one in rows]
    x, y = (np.concatenate(side) for side in zip(*pairs, strict=True))
    fold = np.arange(len(y)) * _BLOCKS // len(y) % _FOLDS
    moments = [_moments(x[fold == each], y[fold == each]) for each in range(_FOLDS)]
    whole = tuple(sum(parts) for parts in zip(*moments, strict=True))
    orders = sorted({min(order, furthest) for order in (*_ORDERS, furthest)})
    ways = list(itertools.product(orders, _PENALTIES, _DECAYS))
    errors, trials = np.zeros((len(ways), 2, size)), []
    for each, mine in enumerate(moments):
        judges = np.flatnonzero(fold == each)
        judges = judges[:: max(1, len(judges) // _MOST_JUDGES)]
        learn = tuple(a - b for a, b in zip(whole, mine, strict=True))
        if not len(judges) or not learn[-1]:
            continue
        trials.append((learn, x[judges], y[judges]))
        for place, way in enumerate(ways):
            for prior, found in enumerate(_ridge(learn, size, *way)):
                left = y[judges] - x[judges, -len(found) :] @ found
                errors[place, prior] += np.sum(np.abs(left), axis=0)
    judged = sum(len(judges) for *_, judges in trials)
    alike = size > 1 and judged > 0 and _volume(trials, ways, errors, True) < _volume(trials, ways, errors, False)
    matrices = []
    for age in ages(lags):
        some = [place for place, (order, _, _) in enumerate(ways) if order <= age] if judged else []
        weights = _shares(errors[some], judged, alike) if some else np.zeros(0)
        found = _mean(whole, [ways[place] for place in some], weights, size)
        matrices.append(np.concatenate([np.zeros(((lags - furthest) * size, size)), found]))
    return Autoregression(tuple(matrices))


def _shares(errors: np.ndarray, judged: int, alike: bool) -> np.ndarray:
    """The likelihood of each way among all ways, from the sums of its errors `(ways, 2, D)`.

    Args:
        errors: See above.
        judged: Of how many events.
        alike: Whether all numbers of an event are predicted in the same ways, or each in its own.
    """
    with np.errstate(all="ignore"):
        worse = np.nan_to_num(np.log(errors / np.min(errors, axis=(0, 1))))
        if alike:
            worse = np.broadcast_to(np.sum(worse, axis=-1, keepdims=True), worse.shape)
            worse = worse - np.min(worse)
        weights = np.exp(-_TRUST * judged * worse)
    return weights / np.sum(weights, axis=(0, 1))


def _mean(moments, ways, weights, size: int) -> np.ndarray:
    """The mean of the matrices of all ways, weighted by `weights` `(ways, 2, D)`: as many rows as the moments have inputs."""
    mean = np.zeros((len(moments[0]), size))
    for way, pair in zip(ways, weights, strict=True):
        if np.max(pair) > _NEGLIGIBLE:
            for share, found in zip(pair, _ridge(moments, size, *way), strict=True):
                mean[-len(found) :] += share * found
    return mean


def _volume(trials, ways, errors, alike: bool) -> float:
    """The logarithm of the volume that held-out errors fill: the smaller, the likelier they are under a correlated normal.

    Many channels that hang together leave directions in which hardly anything happens. If each channel is predicted in its own
    way, what moves all of them leaks into these directions.

    Args:
        trials: For each fold, the moments of the other folds, and its own inputs and events.
        ways, errors, alike: As in `_shares`.
    """
    weights = _shares(errors, sum(len(y) for *_, y in trials), alike)
    left = np.concatenate([y - x @ _mean(learn, ways, weights, y.shape[1]) for learn, x, y in trials])
    return float(np.linalg.slogdet(left.T @ left)[1])


def _before(z: np.ndarray, lags: int, keep: int) -> np.ndarray:
    """The `lags` events before every `keep`-th event, oldest first; the first event stands for those before it."""
    whole = np.concatenate([np.repeat(z[:1], lags, axis=0), z])
    return np.concatenate([whole[lag : lag + len(z) : keep] for lag in range(lags)], axis=1)


def _moments(x, y):
    return x.T @ x, x.T @ y, float(len(y))


def _ridge(moments, size: int, order: int, penalty: float, decay: float) -> tuple[np.ndarray, np.ndarray]:
    """Two matrices `(order · size, size)`: drawn towards 0, and towards the last event."""
    xx, xy, count = moments
    inner = slice(len(xx) - order * size, None)
    weight = penalty * count * np.repeat(np.arange(order, 0.0, -1.0), size) ** decay
    last = np.zeros((order * size, size))
    last[-size:] = weight[-1] * np.eye(size)
    both = np.linalg.solve(xx[inner, inner] + np.diag(weight), np.concatenate([xy[inner], xy[inner] + last], axis=1))
    return both[:, :size], both[:, size:]


def worthwhile(found: Autoregression, rows: Sequence[np.ndarray]) -> Autoregression:
    """Predicts 0 for each number whose errors are no easier to predict than the number itself.

    A switch that is on or off has two peaks. A linear prediction moves them to and fro, and errors then have many.

    Args:
        found: As `autoregression` returns it.
        rows: The scaled sequences it was learnt from.
    """
    values = np.concatenate(rows)
    errors = np.concatenate([one - found.foretold(one) for one in rows])
    pays = [_entropy(error) < _entropy(value) for error, value in zip(errors.T, values.T, strict=True)]
    return Autoregression(tuple(np.where(pays, matrix, 0.0) for matrix in found.matrices))


def _entropy(values: np.ndarray) -> float:
    """Mean NLL of numbers `(N,)` under a mixture of normals that was fitted to them."""
    y = values[:: -(-len(values) // _MOST_JUDGES)][:, None]
    shift, spread = initializers.robust_scaling(y)
    loc, scale, weights = initializers.starting_mixture((y - shift) / spread, _PEAKS)
    z = ((y - shift) / spread - loc[:, 0]) / scale[:, 0]
    log_joint = np.log(weights / (scale[:, 0] * spread)) - 0.5 * z**2
    return -float(np.mean(np.logaddexp.reduce(log_joint, axis=1)))


def stable(found: Autoregression) -> Autoregression:
    """The last matrix with its roots drawn to the unit circle where they lie outside, so that no sequence grows exponentially."""
    *early, matrix = found.matrices
    size, lags = matrix.shape[1], found.lags
    used = np.flatnonzero(matrix.any(axis=1))
    order = lags - used[0] // size if len(used) else 1
    companion = np.eye(order * size, k=size)
    companion[-size:] = matrix[-order * size :].T
    radius = float(np.max(np.abs(np.linalg.eigvals(companion))))
    if radius <= 1.0:
        return found
    powers = np.repeat(np.arange(lags, 0, -1), size)[:, None]
    return Autoregression((*early, matrix * radius**-powers))
