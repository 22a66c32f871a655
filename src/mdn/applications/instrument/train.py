"""Trains an instrument."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from mdn.applications.instrument.events import as_events, cut, grid
from mdn.applications.instrument.model import Instrument
from mdn.applications.jam.train import batching

_FURTHER = 1e-3  # the learning rate of a model that has learnt before


def train(
    performances: Sequence[np.ndarray],
    held_out: Sequence[np.ndarray],
    epochs: int = 30,
    seed: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    checkpoint=None,
    start: Instrument | None = None,
    **architecture,
) -> Instrument:
    """A model of performances `(T, 1 + N)`; the epoch that is best on `held_out` is kept.

    Args:
        performances: To learn from.
        held_out: To choose the epoch by; never learned from.
        epochs: At most.
        seed: For the weights, the order and the noise that spreads values over their steps, new in each epoch.
        callbacks: Of Keras, called in each epoch.
        checkpoint: See `MDNRNN.fit`.
        start: A model to go on from; it is changed.
        **architecture: Of `Instrument`, without a `start`.

    Raises:
        ValueError: if `start` is an instrument of another number of values.
    """
    keras.utils.set_random_seed(seed)
    size = performances[0].shape[1] - 1
    if start is not None and start.size != size:
        raise ValueError(
            f"the model to go on from plays {start.size} values, but these recordings have {size}: train a new one."
        )
    pieces = cut(performances)
    model = start or Instrument(grid(pieces), **architecture)
    if start is None:
        model.adapt(model.events(pieces, seed))
    batch_size, window = batching([len(piece) for piece in pieces])

    def spread(piece, rng):
        return as_events(piece, model.steps, rng)

    model.fit(
        pieces,
        model.events(held_out, seed + 1),
        epochs=epochs,
        batch_size=batch_size,
        window=window,
        encode=spread,
        learning_rate=3e-3 if start is None else _FURTHER,
        buckets=6,
        callbacks=callbacks,
        checkpoint=checkpoint,
        seed=seed,
        verbose=0,
    )
    return model
