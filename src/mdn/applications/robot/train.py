"""Trains a network on demonstrations, and judges whether its rollouts stay near one."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import keras
import numpy as np

from mdn.applications.robot import data
from mdn.applications.robot.model import HEADS, network, rollouts
from mdn.random import seeded
from mdn.sequences import MDNRNN
from mdn.sequences.processes import fit
from mdn.sequences.training import schedule

FLOORS = {"stayed": ("stayed, memoryless",)}
"""The floors that each figure of a model must beat, see `worth`; here higher is better."""
_STRAY = 0.2 / 5.471  # share of the size of a demonstration: 0.2 for the letters of `mdn data path letters`
_PASSES = 10  # passes over the demonstrations, which are few, that count as one epoch
_BATCH = 32
_LEARNING_RATE = 1e-2


def train(
    demonstrations: dict[str, np.ndarray],
    head: str = "mixture",
    epochs: int = 150,
    seed: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    checkpoint=None,
    processes: int = 1,
) -> MDNRNN:
    """Trains a network that predicts the next move of the hand; the letter is not an input.

    Args:
        demonstrations: As `data.read_letters` returns them.
        head: One of `HEADS`.
        epochs: How many epochs, of ten passes each.
        seed: The seed for the weights, the order and the jitter.
        callbacks: Callbacks of Keras, called in each epoch.
        checkpoint: See `MDNRNN.fit`.
        processes: How many processes of this machine train together; see `mdn.sequences.processes.fit`.

    Raises:
        ValueError: if there is no such head.
    """
    if head not in HEADS:
        raise ValueError(f"`head` must be one of {', '.join(map(repr, HEADS))}, but {head!r} came.")
    moves = [one for paths in demonstrations.values() for one in data.moves(paths)] * _PASSES
    with seeded(seed):
        model = network(HEADS[head]).adapt(moves)
    steps = math.ceil(len(moves) / _BATCH) * epochs
    model.compile(
        optimizer=keras.optimizers.Adam(schedule(_LEARNING_RATE, steps), global_clipnorm=1.0),
        loss=HEADS[head].loss(model.spec),
    )
    fit(
        model,
        moves,
        epochs=epochs,
        batch_size=_BATCH,
        window=None,
        encode=functools.partial(_jittered, far=stray(demonstrations)),
        callbacks=callbacks,
        checkpoint=checkpoint,
        processes=processes,
        seed=seed,
        verbose=0,
    )
    return model


def stray(demonstrations: dict[str, np.ndarray]) -> float:
    """The standard deviation of the jitter in training, in the unit of the demonstrations.

    It is proportional to the size of the demonstrations: the root mean square of a coordinate's distance from the mean of its
    path. It is rounded to two digits, so that one demonstration more or less rarely changes the jitter.
    """
    paths = np.concatenate(list(demonstrations.values()))
    size = np.sqrt(np.mean(np.square(paths - paths.mean(axis=1, keepdims=True))))
    return float(f"{_STRAY * size:.1e}")


def _jittered(moves, rng: np.random.Generator, far: float):
    """Moves along jittered places, so that the network learns to come back when a rollout strays."""
    strayed = data.paths(moves)
    strayed[1:] += rng.normal(0.0, far, strayed[1:].shape)
    return data.moves(strayed)


# ---- what it is worth --------------------------------------------------------------------------------------------------


def judge(paths, demonstrations: dict[str, np.ndarray]) -> dict[str, float]:
    """The share of paths that stay within tolerance of a demonstration, and the share of each letter among these.

    Args:
        paths: Shape `(P, steps + 1, 2)`.
        demonstrations: All of them; see `data.tolerance`.
    """
    nearest = np.stack([data.distances(paths, part).min(axis=1) for part in demonstrations.values()], axis=1)
    stayed = nearest.min(axis=1) <= data.tolerance(demonstrations)
    letters = np.argmin(nearest, axis=1)[stayed]
    shares = {name: float(np.mean(letters == i)) if len(letters) else 0.0 for i, name in enumerate(demonstrations)}
    return {"stayed": float(np.mean(stayed)), **{f"share of {name}": share for name, share in shares.items()}}


def worth(model: MDNRNN, demonstrations: dict[str, np.ndarray], count: int = 200, seed: int = 0) -> dict[str, float]:
    """The figures of `judge` for `count` rollouts of a model that ends in a mixture, beside the memoryless floor.

    The floor takes each of its steps from a demonstration drawn anew, at that step of the demonstration.

    Args:
        model: With the head "mixture", trained.
        demonstrations: All of them, `(count, STEPS + 1, 2)` for each letter; see `data.tolerance`.
        count: How many rollouts are judged, and how many paths of the floor.
        seed: The same seed gives the same rollouts and paths.
    """
    made = rollouts(model, count, seed, variance_temperature=HEADS["mixture"].variance_temperature)
    moves = data.moves(np.concatenate(list(demonstrations.values())))
    chosen = np.random.default_rng(seed).integers(len(moves), size=(count, moves.shape[1]))
    forgetful = data.paths(moves[chosen, np.arange(moves.shape[1])])
    return {**judge(made, demonstrations), "stayed, memoryless": judge(forgetful, demonstrations)["stayed"]}


def figures(
    demonstrations: dict[str, np.ndarray], head: str = "mixture", epochs: int = 150, count: int = 200, seed: int = 0
) -> dict[str, float]:
    """Trains on all but three demonstrations a letter and judges `count` rollouts.

    Returns:
        The figures of `judge`, and "to held-out": the median distance from a demonstration set aside to the nearest rollout.
    """
    learnt, aside = data.split(demonstrations, seed=seed)
    model = train(learnt, head, epochs, seed)
    made = rollouts(model, count, seed, variance_temperature=HEADS[head].variance_temperature)
    held_out = data.distances(np.concatenate(list(aside.values())), made).min(axis=1)
    return {**judge(made, demonstrations), "to held-out": float(np.median(held_out))}
