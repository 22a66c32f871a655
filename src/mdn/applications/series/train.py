"""Trains a model of recordings."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from mdn.applications.series.data import Recordings
from mdn.applications.series.model import Series, network

LEARNT, CHOOSES, JUDGES = 0, 1, 2  # seeds that spread the rounded values of the three parts


def train(
    recordings: Recordings,
    held_out: Recordings,
    epochs: int | None = None,
    seed: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    checkpoint=None,
    **architecture,
) -> Series:
    """A model of recordings; the epoch that is best on `held_out` is kept.

    Args:
        recordings: To learn from.
        held_out: To choose the epoch by; never learned from.
        epochs: At most; None leaves it to `MDNRNN.fit`, which plans at least 50 epochs and 2,000 steps.
        seed: For the weights and the order. Rounded values are always spread by the same seeds.
        callbacks: Of Keras, called in each epoch.
        checkpoint: See `MDNRNN.fit`.
        **architecture: Of `network`.
    """
    keras.utils.set_random_seed(seed)
    model = network(recordings, **architecture)
    model.fit(
        model.events(recordings.spread(LEARNT)),
        model.events(held_out.spread(CHOOSES)),
        epochs=epochs,
        callbacks=callbacks,
        checkpoint=checkpoint,
        seed=seed,
        verbose=0,
    )
    return model
