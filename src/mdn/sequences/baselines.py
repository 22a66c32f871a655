"""Baselines: figures of distributions that remember almost nothing, to print beside those of a model."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from mdn import training
from mdn.distributions import Spec
from mdn.layers import MDN
from mdn.losses import NegativeLogLikelihood
from mdn.sequences.ragged import as_sequences


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
        keras.utils.set_random_seed(seed)
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
