"""Training on ECG records, by truncated backpropagation."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from mdn.applications.ecg import data
from mdn.applications.ecg.model import network
from mdn.sequences import MDNRNN

WINDOW = 75  # how many frames a gradient reaches back
_LOUDER = 0.25  # largest |log| of a random gain


def train(
    records: dict[str, np.ndarray],
    held_out: dict[str, np.ndarray] | None = None,
    epochs: int = 24,
    seed: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    checkpoint=None,
    **architecture,
) -> MDNRNN:
    """Trains a model on records and keeps the epoch that is best on `held_out`, or the last one without it.

    Args:
        records: To learn from, as `data.read_records` returns them.
        held_out: To choose the epoch by, or None; never learned from.
        epochs: At most.
        seed: For the weights, the order, and the random changes of the records.
        callbacks: Of Keras, called in each epoch.
        checkpoint: See `MDNRNN.fit`.
        **architecture: Of `network`.
    """
    keras.utils.set_random_seed(seed)
    frames = [data.frames(one) for one in data.pieces(records, seed=None)]
    model = network(**architecture).adapt(frames)
    model.fit(
        frames,
        held_out and [data.frames(one) for one in data.pieces(held_out, seed + 1)],
        epochs=epochs,
        batch_size=32,
        window=WINDOW,
        encode=_another_heart,
        learning_rate=4e-3,
        callbacks=callbacks,
        checkpoint=checkpoint,
        seed=seed,
        verbose=0,
    )
    return model


def _another_heart(frames, rng):
    """The record with a random gain, as new hearts are louder or softer; and spread over the cells of its integers anew."""
    samples = data.spread(data.samples(frames), rng)
    return data.frames(samples * np.exp(rng.uniform(-_LOUDER, _LOUDER)))
