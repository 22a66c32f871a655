"""A member that is trained on rows that a feed brings, and started, stopped and calibrated by rows at hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mdn import backend, training
from mdn.tabular.member import (
    CALIBRATION_ROWS,
    LOOKED_AT,
    MOST_STEPS,
    Member,
    Recipe,
    Rows,
    alive_of,
    best_start,
    widening_of,
)
from mdn.tabular.network import Architecture, shared, widened
from mdn.training.checkpoints import Checkpoints, digest
from mdn.training.feed import Feed


class PassFeed(Feed, Protocol):
    """A feed of which some epochs are a pass over all rows.

    Attributes:
        epochs_a_pass: How many.
    """

    epochs_a_pass: int


def fit_fed_member(
    architecture: Architecture,
    rows: Rows,
    recipe: Recipe,
    seed: int,
    feed: Callable[[int], PassFeed],
    *,
    on_epoch: Callable[[int, training.History], None] | None = None,
    callbacks: Sequence[Any] = (),
    folder=None,
    mesh=None,
) -> Member:
    """Trains on the rows of a feed and stops by the rows `valid`; there is no second training on all rows.

    Args:
        architecture: The network's shape.
        rows: The rows at hand: from `train` it takes scales and a starting mixture.
        recipe: How to train; of `restarts` each goes over all rows.
        seed: Seeds the initial weights, shuffling and noise.
        feed: From a seed to the feed, whose features have the network's width.
        on_epoch: As in `mdn.training.fit`.
        callbacks: As there.
        folder: Where the state after each epoch is kept, or None; needs JAX. A state that was kept for other rows is refused.
        mesh: As in `mdn.training.fit_feed`.

    Raises:
        ValueError: if the state in `folder` is damaged, or from other rows or settings.
        KeyboardInterrupt: if Ctrl-C was pressed before the first epoch.
    """
    network = shared(architecture)
    x, valid = widened(rows.x, architecture.width), rows.valid
    y, weight, starts = (np.asarray(each, "float32") for each in (rows.y, rows.weight, rows.starts))

    def run(start: int) -> training.History:
        network.start(x[rows.train], starts[rows.train], start)
        spread = np.asarray(network.model.layers[-1].target_scale)
        fed = feed(start)
        steps_a_pass = fed.epochs_a_pass * math.ceil(fed.rows / fed.batch_size)
        most = fed.epochs_a_pass * max(1, min(recipe.epochs, MOST_STEPS // steps_a_pass))
        return training.fit_feed(
            network.model,
            fed,
            network.loss,
            validation=(x[valid], y[valid], weight[valid]),
            epochs=most,
            learning_rate=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            patience=recipe.patience * fed.epochs_a_pass,
            averaging=recipe.averaging,
            target_noise=recipe.target_noise * spread if recipe.target_noise else None,
            global_clipnorm=10.0,
            seed=start,
            on_epoch=on_epoch,
            callbacks=callbacks,
            checkpoints=_checkpoints(folder, architecture, rows, recipe, start, fed),
            mesh=mesh,
        )

    with network.lock, training.ctrl_c_waits():
        history, _, weights = best_start(network, run, seed, recipe.restarts)
        widening = 1.0
        if architecture.loss == "nll":
            few = valid[:CALIBRATION_ROWS]
            widening = widening_of(network, network.predict(weights, x[few]), y[few], weight[few])
        alive = alive_of(network.blocks(network.predict(weights, x[:LOOKED_AT]))[2])
        return Member(architecture, weights, min(history.val_loss), history, widening, alive)


def _checkpoints(
    folder, architecture: Architecture, rows: Rows, recipe: Recipe, seed: int, feed: PassFeed
) -> Checkpoints | None:
    if folder is None or backend.NAME != "jax":
        return None
    settings = {
        "architecture": repr(architecture),
        "recipe": repr(recipe),
        "rows": feed.rows,
        "epochs": feed.epochs_a_pass,
        "table": digest(*rows),
    }
    return Checkpoints(Path(folder) / f"member-{seed}", settings)
