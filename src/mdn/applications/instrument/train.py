"""Trains an instrument."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import keras
import numpy as np

from mdn.applications.instrument.events import as_events, cut, grid
from mdn.applications.instrument.model import Instrument
from mdn.random import seeded
from mdn.sequences.plan import batching
from mdn.sequences.processes import fit
from mdn.wording import counted

_FURTHER = 1e-3  # the learning rate of a model that has learnt before


def train(
    performances: Sequence[np.ndarray],
    held_out: Sequence[np.ndarray],
    epochs: int = 30,
    seed: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    checkpoint=None,
    processes: int = 1,
    start: Instrument | None = None,
    **architecture,
) -> Instrument:
    """A model of performances `(T, 1 + N)`; the epoch that is best on `held_out` is kept.

    Args:
        performances: The performances to learn from.
        held_out: Those that choose the epoch; the model never learns from them.
        epochs: How many epochs at most.
        seed: The seed for the weights, the order and the noise that spreads values over their steps, new in each epoch.
        callbacks: Callbacks of Keras, called in each epoch.
        checkpoint: See `MDNRNN.fit`.
        processes: How many processes of this machine train together; see `mdn.sequences.processes.fit`.
        start: A model to go on from; it is changed.
        **architecture: Of `Instrument`, without a `start`.

    Raises:
        ValueError: if `start` is an instrument of another number of values.
    """
    size = performances[0].shape[1] - 1
    if start is not None and start.size != size:
        raise ValueError(
            f"the model to go on from plays {counted(start.size, 'value')}, but these recordings have {size}: train a new one."
        )
    pieces = cut(performances)
    with seeded(seed):
        model = start or Instrument(grid(pieces), **architecture)
        if start is None:
            model.adapt(model.events(pieces, seed))
    batch_size, window = batching([len(piece) for piece in pieces])
    fit(
        model,
        pieces,
        model.events(held_out, seed + 1),
        epochs=epochs,
        batch_size=batch_size,
        window=window,
        encode=functools.partial(_spread, steps=tuple(model.steps)),
        learning_rate=3e-3 if start is None else _FURTHER,
        buckets=6,
        callbacks=callbacks,
        checkpoint=checkpoint,
        processes=processes,
        seed=seed,
        verbose=0,
    )
    return model


def _spread(piece, rng: np.random.Generator, steps) -> np.ndarray:
    return as_events(piece, steps, rng)
