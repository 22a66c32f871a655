"""Trains a jam model and scores it: NLL beside its floors, and how its answers compare with real ones."""

from __future__ import annotations

import time
from collections.abc import Sequence

import keras
import numpy as np
from scipy.stats import ks_2samp

import mdn
from mdn import training
from mdn.applications.jam import data
from mdn.applications.jam.model import Jam, network
from mdn.random import seeded
from mdn.sequences.plan import batching
from mdn.sequences.processes import fit

_WORTH_HALVING = 20  # touches of a performance that is compared by halves
_EDGE = 0.005  # of the screen
FLOORS = {"test NLL": ("test NLL, memoryless", "test NLL, order 2")}
"""The floors that each figure of a model must beat, see `figures`."""
_PIECE = 400  # touches: longer performances are cut, so that no batch waits for one of thousands


def train(
    performances: Sequence[np.ndarray],
    held_out: Sequence[np.ndarray],
    epochs: int = 45,
    seed: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    checkpoint=None,
    processes: int = 1,
    **architecture,
) -> Jam:
    """A model of performances (touches `(T, 3)`); the epoch that is best on `held_out` is kept.

    Args:
        performances: The performances to learn from.
        held_out: Those that choose the epoch; the model never learns from them.
        epochs: How many epochs at most.
        seed: The seed for the weights, the order and the noise that spreads rounded values over their cells, new in each epoch.
        callbacks: Callbacks of Keras, called in each epoch.
        checkpoint: See `MDNRNN.fit`.
        processes: How many processes of this machine train together; see `mdn.sequences.processes.fit`.
        **architecture: Of `network`.
    """
    pieces = [piece for one in performances for piece in np.array_split(one, -(-len(one) // _PIECE))]
    with seeded(seed):
        model = network(**architecture).adapt(spread(pieces, seed))
    batch_size, window = batching([len(piece) for piece in pieces])
    fit(
        model,
        pieces,
        spread(held_out, seed + 1),
        epochs=epochs,
        batch_size=batch_size,
        window=window,
        encode=data.events,
        buckets=6,
        callbacks=callbacks,
        checkpoint=checkpoint,
        processes=processes,
        seed=seed,
        verbose=0,
    )
    return Jam(model)


def spread(performances, seed: int) -> list[np.ndarray]:
    """Events of performances, rounded values spread over their cells."""
    rng = np.random.default_rng(seed)
    return [data.events(one, rng) for one in performances]


# ---- what it is worth --------------------------------------------------------------------------------------------------


def nll(jam: Jam, performances, seed: int = 0) -> float:
    """Nats an event of (dx, dy, log dt), the first of each performance left out; `seed` spreads rounded values."""
    scores = jam.model.log_prob(spread(performances, seed))
    return -float(np.mean(np.concatenate([one[1:] for one in scores])))


def floors(performances, test, components: int = 20, order: int = 2, seed: int = 0) -> dict[str, float]:
    """Test NLL, measured as by `nll`, of a memoryless mixture and of one that sees the last `order` events."""
    learn, judge = _with_past(spread(performances, seed + 2), order), _with_past(spread(test, seed), order)
    spec = mdn.MixtureSpec(mdn.NormalSpec(3, "full"), components)
    found = {}
    for name, hidden in (("memoryless", ()), (f"order {order}", (64, 64))):
        x, x_test = (past if hidden else np.zeros((len(past), 1), "float32") for past, _ in (learn, judge))
        with seeded(seed):
            scaling = mdn.layers.FeatureScaling().adapt(x) if hidden else keras.layers.Identity()
            layers = [keras.layers.Dense(units, activation="silu") for units in hidden]
            model = keras.Sequential([keras.Input(x.shape[1:]), scaling, *layers, mdn.MDN(spec).adapt(learn[1])])
        loss = mdn.NegativeLogLikelihood(spec)
        learnt = training.fit(model, x, learn[1], loss, epochs=12, batch_size=256, learning_rate=5e-3, seed=seed)
        learnt.check_whole()
        scores = mdn.predict(model, x_test, batch_size=4096).log_prob(judge[1])
        found[name] = -float(np.mean(keras.ops.convert_to_numpy(scores)))
    return found


def _with_past(sequences, order: int):
    """(the `order` events before, the event) for each event from the second on; zeros stand before the first."""
    past, events = [], []
    for one in sequences:
        padded = np.concatenate([np.zeros((order, 3), "float32"), one])
        lags = [padded[order - lag : len(padded) - lag] for lag in range(1, order + 1)]
        past.append(np.concatenate(lags, axis=1)[1:])
        events.append(one[1:])
    return np.concatenate(past), np.concatenate(events)


def _halves(performances) -> list[tuple[np.ndarray, np.ndarray]]:
    """The first and the second half of each performance that is long enough."""
    return [(one[: len(one) // 2], one[len(one) // 2 :]) for one in performances if len(one) >= _WORTH_HALVING]


def own_half_share(jam: Jam, performances) -> float:
    """How often the second half of a performance is likelier after its own first half than after another's.

    The other first half is the nearest in length and tempo. The move from one half to the other is left out of the comparison.
    """
    halves = _halves(performances)
    if len(halves) < 2:
        raise ValueError(
            f"at least two performances of {_WORTH_HALVING} touches are needed, but there are {len(halves)}."
        )
    marks = np.array([(np.log(len(first)), np.mean(np.log(first[:, 2]))) for first, _ in halves])
    pairs = []
    for i, (first, second) in enumerate(halves):
        distance = np.abs(marks - marks[i]).sum(axis=1)
        distance[i] = np.inf
        other = halves[int(np.argmin(distance))][0]
        pairs += [(first, second), (other, second)]
    scores = jam.model.log_prob([data.events(np.concatenate(pair)) for pair in pairs])
    tails = [score[len(first) + 1 :].sum() for score, (first, _) in zip(scores, pairs, strict=True)]
    return float(np.mean(np.array(tails[::2]) > np.array(tails[1::2])))


def answers(jam: Jam, performances, seed: int = 0, **temperatures):
    """(calls, real answers, the model's): first halves, second halves, and the model's answers, as long as the real ones."""
    halves = _halves(performances)
    calls, real = [first for first, _ in halves], [second for _, second in halves]
    made = [
        jam.respond(call, seconds=float(second[:, 2].sum()), seed=seed + i, **temperatures)
        for i, (call, second) in enumerate(halves)
    ]
    return calls, real, made


def distances(real, made) -> dict[str, float]:
    """Kolmogorov-Smirnov distances between real and made answers: of all dt, x and y, and of each answer's share of taps."""

    def tap_ratio(one):
        return float(np.mean(one[:, 2] > data.TAP))

    touches = np.concatenate(real), np.concatenate(made)
    columns = {"dt": 2, "x": 0, "y": 1}
    return {
        **{name: _distance(*(part[:, column] for part in touches)) for name, column in columns.items()},
        "tap ratio": _distance([tap_ratio(one) for one in real], [tap_ratio(one) for one in made]),
    }


def from_edge(performances) -> float:
    """The share of swipes that begin at an edge of the screen."""
    begins = np.stack([swipe[0, :2] for one in performances for swipe in data.swipes(one)])
    return float(np.mean(np.any((begins < _EDGE) | (begins > 1.0 - _EDGE), axis=1)))


def _distance(one, other) -> float:
    return float(ks_2samp(one, other).statistic)


def figures(jam: Jam, performances, test, seed: int = 0) -> dict[str, float]:
    """All figures of a model, by name; those that compare halves only if two performances of `test` are long enough."""
    start = time.perf_counter()
    found = {
        "test NLL": nll(jam, test, seed),
        **{f"test NLL, {name}": value for name, value in floors(performances, test, seed=seed).items()},
    }
    if len(_halves(test)) > 1:
        _, real, made = answers(jam, test, seed)
        found["own half likelier"] = own_half_share(jam, test)
        found |= {f"KS distance of {name}": value for name, value in distances(real, made).items()}
        found |= {"swipes from an edge": from_edge(made), "swipes from an edge, real": from_edge(real)}
    return {**found, "seconds of measuring": time.perf_counter() - start}
