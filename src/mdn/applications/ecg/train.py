"""Training on ECG records, by truncated backpropagation."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from mdn.applications.ecg import data
from mdn.applications.ecg.model import network
from mdn.random import seeded
from mdn.sequences import MDNRNN
from mdn.sequences.processes import fit

WINDOW = 75  # how many frames a gradient reaches back
_LOUDER = 0.25  # largest |log| of a random gain


def train(
    records: dict[str, np.ndarray],
    held_out: dict[str, np.ndarray] | None = None,
    epochs: int = 24,
    seed: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    checkpoint=None,
    processes: int = 1,
    **architecture,
) -> MDNRNN:
    """Trains a model on records and keeps the epoch that is best on `held_out`, or the last one without it.

    Args:
        records: The records to learn from, as `data.read_records` returns them.
        held_out: Those that choose the epoch, or None; the model never learns from them.
        epochs: How many epochs at most.
        seed: The seed for the weights, the order, and the random changes of the records.
        callbacks: Callbacks of Keras, called in each epoch.
        checkpoint: See `MDNRNN.fit`.
        processes: How many processes of this machine train together; see `mdn.sequences.processes.fit`.
        **architecture: Of `network`.
    """
    frames = [data.frames(one) for one in data.pieces(records, seed=None)]
    with seeded(seed):
        model = network(**architecture).adapt(frames)
    fit(
        model,
        frames,
        held_out and [data.frames(one) for one in data.pieces(held_out, seed + 1)],
        epochs=epochs,
        batch_size=32,
        window=WINDOW,
        encode=_another_heart,
        learning_rate=4e-3,
        callbacks=callbacks,
        checkpoint=checkpoint,
        processes=processes,
        seed=seed,
        verbose=0,
    )
    return model


def _another_heart(frames, rng):
    """The record with a random gain, as new hearts are louder or softer; and spread over the cells of its integers anew."""
    samples = data.spread(data.samples(frames), rng)
    return data.frames(samples * np.exp(rng.uniform(-_LOUDER, _LOUDER)))
