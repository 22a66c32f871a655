"""Trains a model of recordings."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from mdn.applications.series.data import Recordings
from mdn.applications.series.model import Series, network
from mdn.random import seeded
from mdn.sequences.processes import fit

LEARNT, CHOOSES, JUDGES = 0, 1, 2  # seeds that spread the rounded values of the three parts


def train(
    recordings: Recordings,
    held_out: Recordings,
    epochs: int | None = None,
    seed: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    checkpoint=None,
    processes: int = 1,
    **architecture,
) -> Series:
    """A model of recordings; the epoch that is best on `held_out` is kept.

    Args:
        recordings: The recordings to learn from.
        held_out: Those that choose the epoch; the model never learns from them.
        epochs: How many epochs at most; None leaves it to `MDNRNN.fit`, which plans at least 50 epochs and 2,000 steps.
        seed: The seed for the weights and the order. Rounded values are always spread by the same seeds.
        callbacks: Callbacks of Keras, called in each epoch.
        checkpoint: See `MDNRNN.fit`.
        processes: How many processes of this machine train together; see `mdn.sequences.processes.fit`.
        **architecture: Of `network`.
    """
    with seeded(seed):
        model = network(recordings, **architecture)
    fit(
        model,
        model.events(recordings.spread(LEARNT)),
        model.events(held_out.spread(CHOOSES)),
        epochs=epochs,
        callbacks=callbacks,
        checkpoint=checkpoint,
        processes=processes,
        seed=seed,
        verbose=0,
    )
    return model
