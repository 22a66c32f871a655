"""The stage `see`: V learns from the frames of an experiment and encodes each of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

import keras
import numpy as np

from mdn import models
from mdn.applications.world.storage import BEFORE, Experiment
from mdn.applications.world.vision import Standardised, Vision, load_vision, vision_path
from mdn.random import seeded
from mdn.training import keep_compiled_programs
from mdn.training.checkpoints import Checkpoints, Training, epoch_rng, put, take

_ROOM = 2**28  # bytes of frames in memory at once
_RATE, _BATCH = 2e-3, 64


def see(
    experiment: Experiment,
    *,
    epochs: int = 10,
    latent_size: int = 32,
    filters: Sequence[int] = (32, 64, 128, 256),
    noise: float = 0.7071,
    mirrored: bool = False,
    batch_size: int = _BATCH,
    learning_rate: float = _RATE,
    on_step: Callable[[int, dict[str, float]], None] | None = None,
) -> tuple[Vision | Standardised, list[dict[str, float]]]:
    """Trains V, from the last checkpoint on if there is one, and writes it and the latents of every chunk.

    A new V starts from the weights of the round before, if the folder `before` has them. Once V is trained, a later call only
    writes the latents of new chunks; delete the folder `see` to train V anew, from all chunks.

    Args:
        experiment: With episodes.
        epochs: How many epochs in all; the learning rate falls to nothing over them, as a cosine.
        latent_size: The size of z.
        filters: How many filters the convolutions have.
        noise: See `Vision`.
        mirrored: See `Vision`; training then mirrors frames at random.
        batch_size: Frames a step.
        learning_rate: At the start.
        on_step: Called with the number of epochs that are done and the figures of the last.

    Returns:
        V, and the figures of each epoch: squared error and divergence a frame in training, squared error a held-out frame.

    Raises:
        ValueError: if there are too few episodes, or a checkpoint of other settings.
    """
    folder = vision_path(experiment).parent
    # a checkpoint goes on with the chunks with which it began, even if more have been collected
    begun = Checkpoints(folder, {})
    chunks = begun.begun_with("chunks") or experiment.chunks()
    learnt, held_out = experiment.split(chunks)
    first = experiment.read(held_out[0])[0].observations
    model: Vision | Standardised
    figures: list[dict[str, float]] = []
    if first.ndim == 2:
        model = _standardised(experiment, learnt)
    else:
        with seeded(experiment.seed):
            model = Vision(
                first.shape[1:],
                latent_size,
                filters,
                noise=noise,
                mirrored=mirrored,
                environment=experiment.environment,
            )
            model.begin(first)
        start = begun.begun_with("start")
        if not begun.path.exists():
            start = _begin_as_before(model, experiment)
        settings = {
            "environment": experiment.environment, "seed": experiment.seed, "epochs": epochs, "latent_size": latent_size,
            "filters": list(filters), "noise": noise, "batch_size": batch_size, "learning_rate": learning_rate,
            "chunks": chunks, **({"mirrored": True} if mirrored else {}), **({"start": start} if start else {}),
        }  # fmt: skip
        frames = sum(len(one.actions) + 1 for part in experiment.stream(learnt) for one in part)
        steps = max(1, frames // batch_size)
        rate = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * steps)
        training = Training(folder, model, keras.optimizers.Adam(rate), settings)
        epoch = _Epoch(experiment, learnt, held_out, training, batch_size)
        figures = training.run(epochs, epoch, on_step)
    models.save_plain(model, vision_path(experiment))
    write_latents(experiment, model)
    return model, figures


def write_latents(experiment: Experiment, model: Vision | Standardised) -> None:
    """Writes the latents of each episode, a file for each chunk; files by the same weights stay."""
    seen_by = digest(model)
    for chunk in experiment.chunks():
        if not experiment.has_latents(chunk, seen_by):
            episodes = experiment.read(chunk)
            mean, log_variance = model.encode(np.concatenate([one.observations for one in episodes]))
            ends = np.cumsum([len(one.observations) for one in episodes])[:-1]
            found = list(zip(np.split(mean, ends), np.split(log_variance, ends), strict=True))
            experiment.write_latents(chunk, found, seen_by)


def _begin_as_before(model: Vision, experiment: Experiment) -> str | None:
    """Gives V the weights of the round before; returns their checksum, or None if there are none of V's sizes."""
    first = experiment.folder / BEFORE
    if not vision_path(Experiment(first, experiment.environment, experiment.seed, {})).exists():
        return None
    before = load_vision(Experiment.open(first))
    if not isinstance(before, Vision) or [one.shape for one in before.weights] != [one.shape for one in model.weights]:
        return None
    model.set_weights(before.get_weights())
    return digest(before)


def digest(model: Vision | Standardised) -> str:
    """A checksum of V's weights and settings."""
    found = hashlib.sha256()
    config = {name: value for name, value in model.get_config().items() if (name, value) != ("mirrored", False)}
    for part in (*model.get_weights(), repr(sorted(config.items())).encode()):
        found.update(part.tobytes() if isinstance(part, np.ndarray) else part)
    return found.hexdigest()[:16]


def error_of_mean_frame(experiment: Experiment) -> float:
    """The floor of V: the squared error a held-out frame, if each is predicted by the mean of the other frames."""
    learnt, held_out = experiment.split()
    mean = _mean_of(experiment, learnt, lambda frames: frames / 255.0)
    return float(np.sum(_mean_of(experiment, held_out, lambda frames: np.square(frames / 255.0 - mean))))


class _Epoch:
    """One pass over the frames, a compiled program a step; all random numbers come from (seed, epoch)."""

    def __init__(self, experiment, learnt, held_out, training: Training, batch_size: int):
        import jax

        keep_compiled_programs()
        self._experiment, self._learnt, self._held_out = experiment, learnt, held_out
        self._training, self._batch_size = training, batch_size
        self._step, self._score = jax.jit(self._one_step), jax.jit(self._one_score)

    def __call__(self, epoch: int) -> dict[str, float]:
        import jax

        model, optimizer = self._training.model, self._training.optimizer
        rng = epoch_rng(self._experiment.seed, epoch)
        values = take(model, optimizer)
        found = []
        for batch in shuffled(self._experiment, self._learnt, self._batch_size, rng):
            key = jax.random.key(int(rng.integers(2**31)))
            values, costs = self._step(values, batch, key)
            found.append(costs)
        put(model, optimizer, values)
        error, divergence, _ = np.mean(np.asarray(found), axis=0)
        scored, count = 0.0, 0
        for episodes in self._experiment.stream(self._held_out):
            frames = np.concatenate([one.observations for one in episodes])
            for first in range(0, len(frames) - len(frames) % self._batch_size or 1, self._batch_size):
                batch = np.resize(frames[first : first + self._batch_size], (self._batch_size, *frames.shape[1:]))
                scored, count = scored + float(self._score(values, batch)), count + 1
        return {"squared error": error, "divergence": divergence, "held-out squared error": scored / count}

    def _one_step(self, values, batch, key):
        import jax

        trainable, fixed, moments = values
        noise = jax.random.normal(key, (batch.shape[0], self._training.model.latent_size))
        if getattr(self._training.model, "mirrored", False):
            turned = jax.random.bernoulli(jax.random.fold_in(key, 1), shape=(batch.shape[0], 1, 1, 1))
            batch = jax.numpy.where(turned, jax.numpy.flip(batch, axis=2), batch)

        def cost(trainable):
            with keras.StatelessScope(self._mapping(trainable, fixed)):
                costs = self._training.model.costs(batch, noise)
            return costs[2], costs

        (_, costs), slopes = jax.value_and_grad(cost, has_aux=True)(trainable)
        trainable, moments = self._training.optimizer.stateless_apply(moments, slopes, trainable)
        return (trainable, fixed, moments), jax.numpy.stack(costs)

    def _one_score(self, values, batch):
        model = self._training.model
        noise = np.zeros((batch.shape[0], model.latent_size), "float32")
        with keras.StatelessScope(self._mapping(values[0], values[1])):
            return model.costs(batch, noise)[0]

    def _mapping(self, trainable, fixed):
        model = self._training.model
        variables = (*model.trainable_variables, *model.non_trainable_variables)
        return list(zip(variables, (*trainable, *fixed), strict=True))


def shuffled(
    experiment: Experiment, chunks: Sequence[int], batch_size: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Yields batches of frames in random order, without the last incomplete batch; few files are in memory at a time."""
    held: list[np.ndarray] = []
    order = [chunks[i] for i in rng.permutation(len(chunks))]
    for place, chunk in enumerate(order):
        held.append(np.concatenate([one.observations for one in experiment.read(chunk)]))
        is_last = place + 1 == len(order)
        if not is_last and sum(part.nbytes for part in held) < _ROOM:
            continue
        frames = np.concatenate(held)
        frames = frames[rng.permutation(len(frames))]
        whole = len(frames) - len(frames) % batch_size
        if is_last and not whole and place == 0:  # one chunk of fewer frames than a batch
            yield np.resize(frames, (batch_size, *frames.shape[1:]))
        for first in range(0, whole, batch_size):
            yield frames[first : first + batch_size]
        held = [frames[whole:]]


def _standardised(experiment: Experiment, chunks: Sequence[int]) -> Standardised:
    """Mean and scale in two passes, as the mean square minus the squared mean would lose digits."""
    shift = _mean_of(experiment, chunks, lambda seen: seen)
    scale = np.sqrt(_mean_of(experiment, chunks, lambda seen: np.square(seen - shift)))
    return Standardised(shift.tolist(), np.where(scale > 0.0, scale, 1.0).tolist(), environment=experiment.environment)


def _mean_of(experiment: Experiment, chunks: Sequence[int], change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The mean of `change(observations)`, a chunk at a time."""
    count, total = 0, np.zeros(())
    for episodes in experiment.stream(chunks):
        seen = np.concatenate([one.observations for one in episodes]).astype("float64")
        count, total = count + len(seen), total + change(seen).sum(axis=0)
    return total / count
