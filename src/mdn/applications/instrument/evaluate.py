"""What an instrument is worth: NLL beside its floors, and how its performances compare with real ones."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

import keras
import numpy as np
from scipy.stats import ks_2samp

import mdn
from mdn import training
from mdn.applications.instrument.events import PIECE, as_moved, cut
from mdn.applications.instrument.model import Instrument
from mdn.random import seeded
from mdn.sequences.scores import log_prob_of_steps

FLOORS = {"test NLL": ("test NLL, memoryless", "test NLL, order 2")}
"""The floors that each figure of a model must beat, see `figures`."""
_PLAYED = 60  # so many performances of `PIECE` events are played, to be compared with real ones
_DEALS = 25  # real performances are dealt to two halves so often
_WORTH_GOING_ON = 100  # a piece of so many events is gone on with: its first half is a prime
_CONTINUED = 4  # each prime is continued so often


def nll(model: Instrument, performances: Sequence[np.ndarray], seed: int = 0) -> float:
    """Nats an event of (log dt, values) given the past, the first event of each performance left out.

    Args:
        model: An instrument.
        performances: The performances to score.
        seed: Spreads values over their steps.
    """
    rows = model.events(performances, seed)
    return -float(np.mean(_in_values(model, rows, model.log_prob(rows))))


def _in_values(model: Instrument, rows, scores) -> np.ndarray:
    """Log densities of (log dt, values) from the second event on: one that did not move is uniform over its step."""
    within = np.log(np.array(model.steps, "float64"))
    found = [score + ~as_moved(row, model.size) @ within for score, row in zip(scores, rows, strict=True)]
    return np.concatenate([one[1:] for one in found])


def floors(model: Instrument, performances, test, order: int = 2, seed: int = 0) -> dict[str, float]:
    """Test NLL, as `nll`, of a memoryless Joint and of one that sees the last `order` events and the values before.

    Args:
        model: Says on which grid values lie, and how many components there are.
        performances: The performances to learn from.
        test: The performances to score.
        order: How many events are seen.
        seed: The seed for the weights, and as in `nll`.
    """
    learn, rows = (model.events(part, seed + i) for part, i in ((performances, 2), (test, 0)))
    y, found = np.concatenate([one[1:] for one in learn]), {}
    for name, hidden in (("memoryless", ()), (f"order {order}", (64, 64))):
        x, x_test = (np.concatenate([_past(one, model, order) for one in part]) for part in (learn, rows))
        if not hidden:
            x, x_test = np.zeros((len(x), 1), "float32"), np.zeros((len(x_test), 1), "float32")
        with seeded(seed):
            scaling = mdn.layers.FeatureScaling().adapt(x) if hidden else keras.layers.Identity()
            layers = [keras.layers.Dense(units, activation="silu") for units in hidden]
            network = keras.Sequential([keras.Input(x.shape[1:]), scaling, *layers, mdn.MDN(model.spec).adapt(y)])
        loss = mdn.NegativeLogLikelihood(model.spec)
        learnt = training.fit(network, x, y, loss, epochs=12, batch_size=256, learning_rate=5e-3, seed=seed)
        learnt.check_whole()
        params = network.predict(x_test, batch_size=4096, verbose=0)
        scores = log_prob_of_steps(model.spec, params, np.concatenate([one[1:] for one in rows]))
        parts = np.split(scores, np.cumsum([len(one) - 1 for one in rows])[:-1])
        whole = [np.concatenate([[0.0], one]) for one in parts]
        found[f"test NLL, {name}"] = -float(np.mean(_in_values(model, rows, whole)))
    return found


def _past(rows: np.ndarray, model: Instrument, order: int) -> np.ndarray:
    """Features of each event from the second on: the `order` events before it (zeros before the first), and the values."""
    moves = np.nan_to_num(rows[:, -1 - model.size : -1])
    moves = np.round(moves * model.steps) / model.steps
    seen = np.concatenate([as_moved(rows, model.size), moves, rows[:, -1:]], axis=1)
    padded = np.concatenate([np.zeros((order, seen.shape[1])), seen])
    lags = [padded[order - lag : len(padded) - lag] for lag in range(1, order + 1)]
    places = np.cumsum(moves, axis=0) - moves
    return np.concatenate([*lags, places], axis=1)[1:].astype("float32")


def likeness(model: Instrument, real: Sequence[np.ndarray], made: Sequence[np.ndarray]) -> dict[str, float]:
    """How generated performances compare with real ones, their first events left out.

    Args:
        model: Says on which grid values lie.
        real: Performances.
        made: Performances.

    Returns:
        "pattern gap": of all sets of values, the largest difference of the shares of events in which just these move.
        "KS distance of dt" and "of moves": Kolmogorov-Smirnov distances; moves are of values that moved, with their sign.
    """
    return _apart(model.size, model.events(real), model.events(made))


def _apart(size: int, *sides: Sequence[np.ndarray]) -> dict[str, float]:
    """`likeness` of two sides, each the events of performances."""
    rows = [np.concatenate([one[1:] for one in side]) for side in sides]
    moved = [as_moved(each, size) for each in rows]
    counts = [Counter(map(bytes, each)) for each in moved]
    shares = [{key: n / count.total() for key, n in count.items()} for count in counts]
    gaps = [abs(shares[0].get(key, 0.0) - shares[1].get(key, 0.0)) for key in counts[0] | counts[1]]
    moves = [each[:, -1 - size : -1][those] for each, those in zip(rows, moved, strict=True)]
    return {
        "pattern gap": max(gaps),
        "KS distance of dt": float(ks_2samp(*(each[:, -1] for each in rows)).statistic),
        **({"KS distance of moves": float(ks_2samp(*moves).statistic)} if min(map(len, moves)) else {}),
    }


def likeness_of_halves(model: Instrument, performances: Sequence[np.ndarray], seed: int = 0) -> dict[str, float]:
    """`likeness` of one half of real performances to the other, the median of `_DEALS` deals: how much they differ themselves.

    Args:
        model: Says on which grid values lie.
        performances: Real ones.
        seed: The seed of the deals.

    Returns:
        The figures, or none if there are fewer than two performances.
    """
    if len(performances) < 2:
        return {}
    rng, rows, found = np.random.default_rng(seed), model.events(performances), []
    for _ in range(_DEALS):
        order, half = rng.permutation(len(rows)), len(rows) // 2
        found.append(_apart(model.size, *([rows[i] for i in those] for those in (order[:half], order[half:]))))
    return {name: float(np.median([one[name] for one in found if name in one])) for name in found[0]}


def likeness_of_play(model: Instrument, performances: Sequence[np.ndarray], seed: int = 0, **temperatures):
    """`likeness` of performances played from nothing to those that the model learnt from, in pieces of as many events.

    Args:
        model: An instrument.
        performances: That it learnt from.
        seed: Same seed, same performances.
        **temperatures: Of `Instrument.play`.
    """
    return likeness(model, cut(performances), model.play(PIECE, _PLAYED, seed=seed, **temperatures))


def likeness_of_going_on(model: Instrument, performances: Sequence[np.ndarray], seed: int = 0, **settings):
    """`likeness` of what is played after the first half of each piece to its second half, and of the first half itself to it.

    A performance has a manner of its own, so that others, and an average of them, are far from it. The first half is of the same
    manner as the second: what it scores, "after a prime, real", is what is left if the manner is kept.

    Args:
        model: An instrument.
        performances: That it has never seen; in pieces of `PIECE` events, or fewer if all are shorter.
        seed: Same seed, same performances.
        **settings: Of `Instrument.play`.

    Returns:
        The figures, or none if no performance has `_WORTH_GOING_ON` events.
    """
    length = min(PIECE, max(map(len, performances)))
    if length < _WORTH_GOING_ON:
        return {}
    pieces = [one[i : i + length] for one in performances for i in range(0, len(one) - length + 1, length)]
    primes, real = ([one[part] for one in pieces] for part in (slice(length // 2), slice(length // 2, None)))
    made = model.play(length - length // 2, len(primes) * _CONTINUED, prime=primes * _CONTINUED, seed=seed, **settings)
    return {
        **{f"{name}, after a prime": value for name, value in likeness(model, real, made).items()},
        **{f"{name}, after a prime, real": value for name, value in likeness(model, real, primes).items()},
    }


def figures(model: Instrument, parts, seed: int = 0) -> dict[str, float]:
    """All figures of a model, by name.

    Args:
        model: An instrument.
        parts: Performances by part.
        seed: See `nll`, `floors` and `likeness_of_play`.

    Returns:
        `nll` and `floors`; `likeness_of_play`, and beside it, "real halves", `likeness_of_halves` of the performances that the
        model learnt from; and `likeness_of_going_on` from the part "test".
    """
    start, test = time.perf_counter(), parts["test"]
    found = {"test NLL": nll(model, test, seed), **floors(model, parts["train"], test, seed=seed)}
    return {
        **found,
        **likeness_of_play(model, parts["train"], seed),
        **{f"{name}, real halves": value for name, value in likeness_of_halves(model, parts["train"], seed).items()},
        **likeness_of_going_on(model, test, seed),
        "seconds of measuring": time.perf_counter() - start,
    }
