"""Trains M on what V saw, and scores it: nats a step, beside floors that remember nothing."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from mdn.applications.world.memory import Memory, require_jax, rewards_of
from mdn.applications.world.vision import signs_of_mirror
from mdn.losses import NegativeLogLikelihood
from mdn.random import seeded
from mdn.sequences.program import program_of
from mdn.sequences.training import schedule
from mdn.training.checkpoints import Training, epoch_rng, put, take

_STEPS_AT_ONCE = 16_384  # steps that are predicted in one call


@dataclass(frozen=True)
class Pieces:
    """Episodes, or pieces of them, side by side: N of them, L steps at most.

    Attributes:
        mean: The mean of z before each step and after the last, `(N, L + 1, Z)`, zeros behind the end.
        deviation: The standard deviation of z, of the same shape.
        actions: `(N, L, A)`.
        outcome: The reward (its index, if rewards are few) and whether the episode ended, `(N, L, 2)`, NaN behind the end.
        lengths: `(N,)`.
    """

    mean: np.ndarray
    deviation: np.ndarray
    actions: np.ndarray
    outcome: np.ndarray
    lengths: np.ndarray

    def __len__(self) -> int:
        return len(self.mean)

    def __getitem__(self, rows) -> Pieces:
        mean, deviation, actions, outcome = (array[rows] for array in self.arrays)
        return Pieces(mean, deviation, actions, outcome, self.lengths[rows])

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """All but the lengths."""
        return self.mean, self.deviation, self.actions, self.outcome


def cut(latents: Sequence[Any], rewards: Sequence[float] = (), window: int | None = None) -> Pieces:
    """Episodes as arrays of one length.

    Args:
        latents: From `Experiment.latents`.
        rewards: The rewards of the model.
        window: Longer episodes are cut into about equal pieces of at most so many steps; M begins each with an empty state.
    """
    spans = []
    for episode, one in enumerate(latents):
        steps = len(one.actions)
        parts = 1 if window is None else -(-steps // window)
        edges = np.linspace(0, steps, parts + 1).astype(int)
        spans += [(episode, first, last) for first, last in itertools.pairwise(edges)]
    lengths = np.array([last - first for _, first, last in spans])
    size, most = latents[0].mean.shape[1], int(lengths.max())
    mean = np.zeros((len(spans), most + 1, size), "float32")
    deviation = np.zeros_like(mean)
    actions = np.zeros((len(spans), most, latents[0].actions.shape[1]), "float32")
    outcome = np.full((len(spans), most, 2), np.nan, "float32")
    for row, (episode, first, last) in enumerate(spans):
        one, count = latents[episode], last - first
        mean[row, : count + 1] = one.mean[first : last + 1]
        deviation[row, : count + 1] = np.exp(0.5 * one.log_variance[first : last + 1])
        actions[row, :count] = one.actions[first:last]
        outcome[row, :count, 0] = _places(one.rewards[first:last], rewards)
        outcome[row, :count, 1] = 0.0
        if last == len(one.actions) and one.terminated:
            outcome[row, count - 1, 1] = 1.0
    return Pieces(mean, deviation, actions, outcome, lengths)


def _places(values, rewards):
    """Rewards as M predicts them: numbers, or the index of the nearest of `rewards` if these are few."""
    if not rewards:
        return values
    return np.argmin(np.abs(np.asarray(values)[:, None] - np.asarray(rewards)[None]), axis=1)


def train(
    latents: Sequence[Any],
    folder,
    *,
    epochs: int = 40,
    batch_size: int = 32,
    window: int = 64,
    learning_rate: float = 3e-3,
    seed: int = 0,
    mirror: Sequence[float] = (),
    on_step: Callable[[int, dict[str, float]], None] | None = None,
    **architecture,
) -> tuple[Memory, list[dict[str, float]]]:
    """Trains M; returns it and the nats a step of each epoch. A checkpoint in `folder` is continued, to the same bits.

    z is drawn anew from the normal of V in each epoch, so that M learns how uncertain V is.

    Args:
        latents: Episodes, from `Experiment.latents`.
        folder: The folder of the checkpoint.
        epochs: How many epochs in all.
        batch_size: Pieces a step.
        window: See `cut`.
        learning_rate: At the start; it falls along a cosine.
        seed: The seed for the weights, the order and the draws.
        mirror: Signs of an action's numbers in a mirrored world: M then reads each piece as it is or mirrored, at random, which
            needs z of a mirrored V. Empty: as it is.
        on_step: Called with the number of epochs that are done and the figures of the last.
        **architecture: `head`, `components`, `units` of `Memory`.
    """
    require_jax("training M")
    if epochs < 1:
        raise ValueError(f"`epochs` must be at least 1, but {epochs} came.")
    model = fresh(latents, seed, **architecture)
    pieces = cut(latents, model.rewards, window)
    batch_size = min(batch_size, len(pieces))
    steps = len(pieces) // batch_size
    optimizer = keras.optimizers.Adam(schedule(learning_rate, steps * epochs), global_clipnorm=1.0)
    settings = {
        **{name: value for name, value in model.get_config().items() if name != "name"},
        "epochs": epochs,
        "batch_size": batch_size,
        "window": window,
        "learning_rate": learning_rate,
        "seed": seed,
        "steps": int(pieces.lengths.sum()),
        **({"mirror": list(mirror)} if mirror else {}),
    }
    training = Training(folder, model, optimizer, settings)
    epoch_of = _compiled_epoch(model, optimizer, mirror)
    data = tuple(map(ops.convert_to_tensor, pieces.arrays))

    def one_epoch(epoch: int) -> dict[str, float]:
        rng = epoch_rng(seed, epoch)
        order = rng.permutation(len(pieces))[: steps * batch_size].reshape(steps, batch_size)
        values, cost = epoch_of(take(model, optimizer), data, order, np.uint32(rng.integers(2**32)))
        put(model, optimizer, values)
        return {"nll": float(cost)}

    figures = training.run(epochs, one_epoch, on_step)
    return model, figures


def fresh(latents: Sequence[Any], seed: int = 0, **architecture) -> Memory:
    """M before training: adapted to `latents`, with random weights."""
    rewards = rewards_of(np.concatenate([one.rewards for one in latents]))
    pieces = cut(latents, rewards)
    z, after, outcome = _steps(pieces, np.random.default_rng(seed))
    with seeded(seed):
        model = Memory(pieces.mean.shape[-1], pieces.actions.shape[-1], rewards, **architecture)
        return model.adapt(z, after - z, outcome[:, 0], outcome[:, 1])


def _steps(pieces: Pieces, rng: np.random.Generator):
    """(z before, z after, reward and end) of each step, z drawn at random: `(steps, Z)`, `(steps, Z)`, `(steps, 2)`."""
    z = pieces.mean + pieces.deviation * rng.standard_normal(pieces.mean.shape, "float32")
    there = ~np.isnan(pieces.outcome[..., 1])
    return z[:, :-1][there], z[:, 1:][there], pieces.outcome[there]


def _drawn(mean, deviation, outcome, key):
    """(z before each step, target of the step), z drawn at random; NaN behind the ends."""
    import jax

    z = mean + deviation * jax.random.normal(key, mean.shape)
    behind = ops.isnan(outcome[..., 1:])
    after = ops.concatenate([z[:, 1:], outcome], axis=-1)
    return z[:, :-1], ops.where(behind, float("nan"), after)


def _compiled_epoch(model: Memory, optimizer, mirror: Sequence[float] = ()):
    import jax

    of_z, of_action = signs_of_mirror(model.latent_size), np.asarray(mirror, "float32")
    loss = NegativeLogLikelihood(model.spec)

    def cost(trainable, fixed, data, key):
        mean, deviation, actions, outcome = data
        if mirror:
            turned = jax.random.bernoulli(jax.random.fold_in(key, 1), shape=(mean.shape[0], 1, 1))
            mean, actions = mean * ops.where(turned, of_z, 1.0), actions * ops.where(turned, of_action, 1.0)
        z, target = _drawn(mean, deviation, outcome, key)
        params, _ = model.stateless_call(trainable, fixed, [z, actions], training=True)
        return loss(target, params)

    @jax.jit
    def epoch(values, data, order, seed):
        trainable, fixed, moments = values

        def one(carry, batch):
            trainable, moments = carry
            rows, key = batch
            value, slopes = jax.value_and_grad(cost)(trainable, fixed, [part[rows] for part in data], key)
            trainable, moments = optimizer.stateless_apply(moments, slopes, trainable)
            return (trainable, moments), value

        keys = jax.random.split(jax.random.key(seed), len(order))
        (trainable, moments), costs = jax.lax.scan(one, (trainable, moments), (order, keys))
        return (trainable, fixed, moments), costs.mean()

    return epoch


# ---- what it is worth --------------------------------------------------------------------------------------------------


def nll(model: Memory, latents: Sequence[Any], draws: int = 4, seed: int = 0) -> dict[str, float]:
    """Nats a step of whole episodes, in the units of z: "all", and its parts "latent", "reward" and "done".

    Args:
        model: M.
        latents: Episodes that it did not learn from.
        draws: How often z is drawn from the normal of V; the result is the mean.
        seed: The seed for the draws; with one seed two models are compared on the same numbers.
    """
    require_jax("judging M")
    import jax

    pieces = cut(latents, model.rewards)
    rows = max(1, _STEPS_AT_ONCE // pieces.outcome.shape[1])

    def scores(mean, deviation, actions, outcome, seed):
        z, target = _drawn(mean, deviation, outcome, jax.random.key(seed))
        given, parts = model.parts(model([z, actions])), model.spec.split(target)
        # behind the end of an episode all parts are missing and count 0
        return ops.stack([ops.sum(part._log_prob_of_missing(parts[name])) for name, part in given.items()], axis=-1)

    run = program_of(model, scores)
    seeds = np.random.SeedSequence(seed).generate_state(draws * -(-len(pieces) // rows))
    total, each = np.zeros(len(model.spec.parts)), iter(seeds)
    for _ in range(draws):
        for first in range(0, len(pieces), rows):
            total += np.asarray(run(*pieces[first : first + rows].arrays, next(each)), "float64")
    mean = 0.0 - total / draws / pieces.lengths.sum()  # "0.0 -": a reward that is certain scores 0, not -0
    return {"all": float(mean.sum()), **dict(zip(model.spec.parts, map(float, mean), strict=True))}


def persistence(
    latents: Sequence[Any], held_out: Sequence[Any], components: int = 5, seed: int = 0
) -> dict[str, float]:
    """Nats a step of z, by floors that know only z before the step and how z changes in `latents`.

    Args:
        latents: Episodes from which the changes are learnt.
        held_out: Episodes to judge by.
        components: How many components the mixtures have.
        seed: The seed for drawing z, and for the start of the mixtures.

    Returns:
        "normal": changes as one correlated normal; "factorised": each number of z by a mixture of its own; "joint": a mixture of
        correlated normals.
    """
    from sklearn.mixture import GaussianMixture

    rng = np.random.default_rng(seed)
    before, after, _ = _steps(cut(latents), rng)
    asked, came, _ = _steps(cut(held_out), rng)
    known, judged = (after - before).astype("float64"), (came - asked).astype("float64")

    def score(count: int, columns) -> float:
        fitted = GaussianMixture(count, reg_covar=0.0 if count == 1 else 1e-6, random_state=seed, max_iter=200)
        return -float(fitted.fit(known[:, columns]).score(judged[:, columns]))

    every = np.arange(known.shape[1])
    return {
        "normal": score(1, every),
        "factorised": float(np.sum([score(components, [column]) for column in every])),
        "joint": score(components, every),
    }
