"""Baselines: figures of simple models of sequences, to print beside those of a network."""

from __future__ import annotations

import warnings

import keras
import numpy as np
from keras import ops

from mdn import initializers, training
from mdn.distributions import MixtureSpec, NormalSpec, Spec
from mdn.layers import MDN, FeatureScaling
from mdn.losses import NegativeLogLikelihood
from mdn.random import seeded
from mdn.sequences.autoregression import LAGS, autoregression, lagged, worthwhile
from mdn.sequences.inputs import as_sequences

_MOST_COMPONENTS = 5
_MOST_FITTED = 50_000  # rows from which the mixture of residuals is learnt


class Beaten(UserWarning):
    """A baseline is better than the network.

    Example:
        >>> import warnings
        >>> from mdn.sequences.baselines import Beaten
        >>> warnings.simplefilter('error', Beaten)  # a training that was not worth it then raises
        >>> warnings.resetwarnings()
    """


def memoryless(
    spec: Spec,
    sequences,
    test,
    column: int,
    first: float = 0.0,
    *,
    epochs: int = 12,
    batch_size: int = 256,
    learning_rate: float = 2e-2,
    seed: int = 0,
) -> list[np.ndarray]:
    """Log density of each event of `test` under distributions that know one column of the event before, and nothing else.

    For each value of that column, such as whether the pen was lifted, one distribution is learnt from the events of
    `sequences` that follow the value.

    Args:
        spec: The spec of an event.
        sequences: The sequences to learn from, as `MDNRNN.fit` takes them.
        test: The sequences to score, in the same form.
        column: The index of a column that takes few values.
        first: The value that the column is said to have before the first event.
        epochs, batch_size, learning_rate: How each distribution is trained.
        seed: Seeds the initial weights and the order of the rows.

    Returns:
        A list of arrays `(T_i,)`, in nats and data units, as `MDNRNN.log_prob` returns it.

    Raises:
        ValueError: if the column takes a value in `test` that it never takes in `sequences`.
    """
    known, events, _ = _with_value_before(as_sequences(sequences, spec.target_size), column, first)
    asked, judged, ends = _with_value_before(as_sequences(test, spec.target_size, "test"), column, first)
    if new := set(np.unique(asked)) - set(np.unique(known)):
        raise ValueError(
            f"`test` has events after the value {min(new):g} in column {column}, but `sequences` has none."
        )
    found = np.empty(len(judged))
    for value in np.unique(asked):
        y, chosen = events[known == value], asked == value
        with seeded(seed):
            model = keras.Sequential([keras.Input((1,)), MDN(spec).adapt(y)])
        nothing, loss = np.zeros((len(y), 1), "float32"), NegativeLogLikelihood(spec)
        training.fit(
            model, nothing, y, loss, epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, seed=seed
        ).check_whole()
        params = model.predict(np.zeros((1, 1), "float32"), verbose=0)[0]
        found[chosen] = ops.convert_to_numpy(spec(params).log_prob_observed(judged[chosen]))
    return np.split(found, ends[:-1])


def _with_value_before(rows: list[np.ndarray], column: int, first: float):
    """(the column's value in the event before each event, the events, where each sequence ends)."""
    before = [np.concatenate([[first], one[:-1, column]]) for one in rows]
    return np.concatenate(before), np.concatenate(rows), np.cumsum([len(one) for one in rows])


def mixture(sequences, test, seed: int = 0) -> list[np.ndarray]:
    """Log density of each event of `test` under one mixture of correlated normals, which remembers nothing.

    Args:
        sequences: The sequences to learn from, as `MDNRNN.fit` takes them: numbers, none missing.
        test: The sequences to score, in the same form.
        seed: Seeds the mixture.

    Returns:
        A list of arrays `(T_i,)`, in nats and data units, as `MDNRNN.log_prob` returns it.

    Example:
        >>> import numpy as np
        >>> from mdn.sequences.baselines import mixture
        >>> walks = [np.random.default_rng(k).normal(size=(60, 1)) for k in range(4)]
        >>> [one.shape for one in mixture(walks, walks[:1])]
        [(60,)]
    """
    return linear(sequences, test, lags=0, seed=seed)


def linear(sequences, test, lags: int = LAGS, seed: int = 0) -> list[np.ndarray]:
    """Log density of each event of `test` under a linear autoregression with a mixture of correlated normals of its residuals.

    It is the autoregression that `MDNRNN` starts from; BIC chooses how many normals.

    Args:
        sequences, test, seed: As in `mixture`.
        lags: How many events back the autoregression looks at most.

    Returns:
        A list of arrays `(T_i,)`, in nats and data units.

    Raises:
        ValueError: if a number is missing.

    Example:
        >>> import numpy as np
        >>> from mdn.sequences.baselines import linear
        >>> walks = [np.cumsum(np.random.default_rng(k).normal(size=(60, 1)), axis=0) for k in range(4)]
        >>> [one.shape for one in linear(walks, walks[:1], lags=2)]
        [(60,)]
    """
    from sklearn.mixture import GaussianMixture  # here, since it takes a fifth of a second

    (learn, judged), size = _whole(sequences, test)
    shift, spread = initializers.robust_scaling(np.concatenate(learn))

    shift = shift + spread * np.mean(np.concatenate([(one - shift) / spread for one in learn]), axis=0)
    known, asked = ([(one - shift) / spread for one in rows] for rows in (learn, judged))
    found = worthwhile(autoregression(known, lags), known) if lags else None

    def left(rows):
        return rows if found is None else [z - found.foretold(z) for z in rows]

    residuals = np.concatenate(left(known))
    some = residuals[:: -(-len(residuals) // _MOST_FITTED)]
    counts = [count for count in range(1, _MOST_COMPONENTS + 1) if count * (size + 1) <= len(some)]
    fitted = [GaussianMixture(count, random_state=seed, n_init=2).fit(some) for count in counts or [1]]
    best = min(fitted, key=lambda one: one.bic(some))
    return [best.score_samples(one) - np.sum(np.log(spread)) for one in left(asked)]


def of_order(
    sequences, test, order: int = 2, *, num_components: int = 10, units: int = 64, epochs: int = 12, seed: int = 0
) -> list[np.ndarray]:
    """Log density of each event of `test` under a mixture density network that reads the last `order` events.

    Args:
        sequences, test, seed: As in `mixture`.
        order: How many events it reads; before the first one they are the medians.
        num_components: K.
        units: How many units its hidden layer has.
        epochs: How long it trains.

    Returns:
        A list of arrays `(T_i,)`, in nats and data units.

    Raises:
        ValueError: if a number is missing.
    """
    (learn, judged), size = _whole(sequences, test)
    center = np.median(np.concatenate(learn), axis=0)

    def before(rows):
        return np.concatenate([lagged(one - center, order) for one in rows]).astype("float32")

    x, y = before(learn), np.concatenate(learn).astype("float32")
    spec = MixtureSpec(NormalSpec(size), num_components)
    with seeded(seed):
        layers = [FeatureScaling().adapt(x), keras.layers.Dense(units, activation="silu"), MDN(spec).adapt(y)]
        model = keras.Sequential([keras.Input((order * size,)), *layers])
    loss = NegativeLogLikelihood(spec)
    training.fit(model, x, y, loss, epochs=epochs, batch_size=256, learning_rate=1e-2, seed=seed).check_whole()
    params = model.predict(before(judged), verbose=0, batch_size=4096)
    scores = ops.convert_to_numpy(spec(params).log_prob(np.concatenate(judged).astype("float32")))
    return np.split(scores, np.cumsum([len(one) for one in judged])[:-1])


def beside(model, sequences, test, seed: int = 0) -> dict[str, float]:
    """Mean nats an event of `test`: of a model without condition and context, and of the three baselines of numbers.

    Warns with `Beaten` where a baseline is better than the model.

    Args:
        model: A trained `MDNRNN`.
        sequences, test, seed: As in `mixture`.
    """
    scores = {
        "MDNRNN": model.log_prob(test),
        "mixture": mixture(sequences, test, seed),
        "order 2": of_order(sequences, test, seed=seed),
        "linear": linear(sequences, test, seed=seed),
    }
    found = {name: -float(np.mean(np.concatenate(each))) for name, each in scores.items()}
    best = min(found, key=lambda name: found[name])
    if best != "MDNRNN":
        warnings.warn(
            f"the baseline {best!r} is better than the network, {found[best]:.3f} against {found['MDNRNN']:.3f} nats an event: "
            "train longer, on more data, or use the baseline.",
            Beaten,
            stacklevel=2,
        )
    return found


def _whole(sequences, test) -> tuple[list[list[np.ndarray]], int]:
    """(the sequences of both arguments in float64, the width of an event)."""
    first = sequences[0]
    size = np.shape(first)[-1]
    both = [as_sequences(rows, size, name) for rows, name in ((sequences, "sequences"), (test, "test"))]
    if any(np.isnan(one).any() for rows in both for one in rows):
        raise ValueError("a baseline needs events without missing numbers, but NaN came: fill the gaps first.")
    return [[one.astype("float64") for one in rows] for rows in both], size
