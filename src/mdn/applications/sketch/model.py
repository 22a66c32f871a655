"""SketchRNN: a network that draws, by itself or after a latent vector that says what."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

import mdn
from mdn.applications.sketch import data
from mdn.distributions.spec import serializable
from mdn.few_shapes import blocks, fitting
from mdn.sequences import MDNRNN, as_sequences
from mdn.sequences.ragged import bucket_lengths, padded, shifted
from mdn.sequences.recurrent import Recurrent

_AT_ONCE = (1, 32, 256)  # drawings that are read by one program
_CLASS_SIZE = 16  # numbers that stand for a class


@serializable
class SketchRNN(MDNRNN):
    r"""Drawings point by point: correlated normals for the offset, and a pen that is down, lifts or ends.

    Without a latent it is the decoder-only network of the papers. With one it is their variational autoencoder: two LSTMs read
    the drawing, one from each end, and give a normal over `z`; `z` is read at each step of the drawing network and decides
    its first state. Training then minimises, in nats a step,

    .. math:: -\log p(x \mid z) + w \max(KL(q(z \mid x), N(0, 1)), \mathrm{floor}),

    the divergence of a drawing shared out among its steps, and w rising to `kl_weight`: 1 is the bound on :math:`-\log p(x)`.

    Args:
        units: Of the drawing network's layers.
        components: K.
        latent_size: Of z; 0 for a network without.
        encoder_units: Of each of the two reading layers.
        kl_weight: w, once it has risen.
        kl_floor: Nats a drawing below which the divergence costs nothing more.
        kl_steps: Training steps until w has risen to 99 % of `kl_weight`.
        scale: What offsets are divided by, one number for a data set.
        grid: The step of the grid on which offsets lie; 0 for none.
        classes: Names, if each drawing comes with the class it is of.
        **settings: Of `MDNRNN`; positions are read in any case.

    Reference:
        Ha and Eck (2017), A neural representation of sketch drawings, arXiv 1704.03477; Ha (2015), Recurrent net dreams up fake
        Chinese characters in vector format.
    """

    def __init__(
        self,
        units: Sequence[int] = (256, 256),
        components: int = 20,
        *,
        latent_size: int = 0,
        encoder_units: int = 128,
        kl_weight: float = 0.5,
        kl_floor: float = 2.0,
        kl_steps: int = 1000,
        scale: float = 1.0,
        grid: float = 0.0,
        classes: Sequence[str] = (),
        **settings,
    ):
        classes = [str(name) for name in classes]
        spec = mdn.JointSpec(
            offset=mdn.MixtureSpec(mdn.NormalSpec(2, "full"), components), pen=mdn.CategoricalSpec(data.END + 1)
        )
        condition_size = latent_size + (_CLASS_SIZE if classes else 0)
        super().__init__(
            spec,
            units,
            positions=(0, 1),
            condition_size=condition_size,
            condition_starts=condition_size > 0,
            **{"name": "sketch", **settings},
        )
        self.components, self.latent_size, self.encoder_units = components, latent_size, encoder_units
        self.kl_weight, self.kl_floor, self.kl_steps = kl_weight, kl_floor, kl_steps
        self.scale, self.grid, self.classes = float(scale), float(grid), classes
        if classes:
            self.names = keras.layers.Embedding(len(classes), _CLASS_SIZE, name="names")
            self.names.build()
        if latent_size:
            self.readers = [Recurrent(encoder_units, name=f"reader_{i}") for i in range(2)]
            for reader in self.readers:
                reader.build((None, None, self.encoding.size + 2))
            self.posterior = keras.layers.Dense(2 * latent_size, name="posterior")
            self.posterior.build((None, 2 * encoder_units))
            self.noise = keras.random.SeedGenerator(0)
            self.seen = self.add_weight(shape=(), initializer="zeros", trainable=False, name="seen")

    @property
    def given_size(self) -> int:
        """The width of what comes with a drawing: the number of its class, if there are classes."""
        return 1 if self.classes else 0

    # ---- the latent --------------------------------------------------------------------------------------------------

    def call(self, inputs, training=None):
        """As MDNRNN; z is read off the drawing, drawn in training and the mean of the posterior otherwise."""
        events, *conditions = inputs if isinstance(inputs, list | tuple) else (inputs,)
        if conditions and conditions[0].shape[-1] == self.condition_size:
            return super().call(inputs, training)  # all of it is known: z, too
        parts = []
        if self.latent_size:
            mean, log_scale = self._read(ops.convert_to_tensor(events))
            if training:
                noise = keras.random.normal(ops.shape(mean), seed=self.noise)
                parts.append(mean + ops.exp(log_scale) * noise)
                self._charge(mean, log_scale, events)
            else:
                parts.append(mean)
        if self.classes:
            parts.append(self._class_vectors(conditions[0]))
        return super().call((events, ops.concatenate(parts, axis=-1)) if parts else events, training)

    def _class_vectors(self, given):
        return self.names(ops.cast(ops.convert_to_tensor(given)[..., 0], "int32"))

    def _read(self, events):
        """Mean and log scale of q(z | drawing) from the events before each step, `(B, latent_size)` each."""
        drawn = ops.logical_not(ops.isnan(events[..., 0]))  # the end is no point of the drawing
        count = ops.sum(ops.cast(drawn, "int32"), axis=1)
        place, _ = self._places(events, [ops.zeros((ops.shape(events)[0], 2), self.compute_dtype)])
        encoded = self._encode(events, place, None)
        # point i stands at i, since there is none before the first; from the other end i stands at count - i
        backwards = ops.maximum(count[:, None] - ops.arange(ops.shape(events)[1], dtype="int32")[None], 0)
        states = []
        for reader, x, last in (
            (self.readers[0], encoded, count),
            (self.readers[1], ops.take_along_axis(encoded, backwards[..., None], axis=1), ops.maximum(count - 1, 0)),
        ):
            outputs, _ = reader(x, reader.zero_state(ops.shape(events)[0]))
            states.append(ops.take_along_axis(outputs, last[:, None, None], axis=1)[:, 0])
        return ops.split(self.posterior(ops.concatenate(states, axis=-1)), 2, axis=-1)

    def _charge(self, mean, log_scale, events):
        """Adds the divergence to the loss."""
        divergence = ops.mean(_divergence(mean, log_scale))
        steps = ops.mean(ops.sum(ops.cast(ops.logical_not(ops.isnan(events[..., 0])), mean.dtype), axis=1)) + 1.0
        risen = 1.0 - 0.99 * ops.power(0.01, ops.convert_to_tensor(self.seen) / self.kl_steps)
        self.seen.assign_add(1.0)
        self.add_loss(self.kl_weight * risen * ops.maximum(divergence, self.kl_floor) / steps)

    def encode(self, drawings) -> tuple[np.ndarray, np.ndarray]:
        """Mean and scale of q(z | drawing) of each drawing, `(N, latent_size)` each.

        Args:
            drawings: Stroke-3, or events.
        """
        if not self.latent_size:
            raise ValueError("this model has no latent to encode into: it was made with latent_size=0.")
        rows = self._rows(drawings)
        lengths = bucket_lengths([len(one) for one in rows], 4)
        found = np.empty((2, len(rows), self.latent_size))
        for length in np.unique(lengths):
            group = np.flatnonzero(lengths == length)
            for filled, new in blocks(group, (fitting(len(group), _AT_ONCE),)):
                chosen = filled[:new]
                before = shifted(padded([rows[i] for i in filled], length))
                mean, log_scale = self._reading()(before)
                found[0, chosen] = ops.convert_to_numpy(mean)[: len(chosen)]
                found[1, chosen] = np.exp(ops.convert_to_numpy(log_scale)[: len(chosen)])
        return found[0], found[1]

    def _reading(self):
        from mdn.sequences.program import compiled

        if "reading" not in self._rollouts:
            self._rollouts["reading"] = compiled(self, self._read)
        return self._rollouts["reading"]

    def _rows(self, drawings) -> list[np.ndarray]:
        """Events of drawings; events stay what they are."""
        found = []
        for one in drawings:
            one = np.asarray(one)
            is_events = one.ndim == 2 and len(one) and np.isnan(one[-1, 0])
            if is_events:
                found.append(one.astype("float32"))
                continue
            data.check_scale(one, self.scale)
            found.append(data.events(one, self.scale))
        return as_sequences(found, 3, "drawings")

    def condition_of(self, z=None, label: str | None = None, count: int = 1) -> np.ndarray | None:
        """What the drawing network is told, `(count, condition_size)`: z `(count, latent_size)` and the vector of a class.

        Raises:
            ValueError: if z has another size, or there is no such class.
        """
        parts = []
        if self.latent_size:
            z = np.asarray(np.nan if z is None else z, "float32")
            if z.shape != (count, self.latent_size):
                raise ValueError(
                    f"a latent of this model has {self.latent_size} numbers, {count} of them a shape of "
                    f"({count}, {self.latent_size}), but {z.shape} came."
                )
            parts.append(z)
        if self.classes:
            if label not in self.classes:
                known = ", ".join(self.classes[:8]) + (", ..." if len(self.classes) > 8 else "")
                raise ValueError(
                    f"the class must be one of the model's {len(self.classes)} ({known}), but {label!r} came."
                )
            index = np.full((count, 1), self.classes.index(label))
            parts.append(ops.convert_to_numpy(self._class_vectors(index)))
        return np.concatenate(parts, axis=1).astype("float32") if parts else None

    # ---- judging -----------------------------------------------------------------------------------------------------

    def nll(self, sequences, condition=None, context=None, given: int = 0) -> float:
        """Mean nats a step; with a latent what training minimises: given z, and `kl_weight` times the divergence."""
        if not self.latent_size:
            return super().nll(sequences, condition, context, given)
        reconstruction, divergence = self.elbo(sequences, condition=condition)
        return reconstruction + self.kl_weight * divergence

    def elbo(self, drawings, seed: int = 0, condition=None) -> tuple[float, float]:
        """(nats a step of drawings given z drawn from their posteriors, nats a step of the divergence).

        Their sum is a bound: -log p(drawing) a step is at most that.
        """
        rows = self._rows(drawings)
        mean, scale = self.encode(rows)
        z = drawn_latents(mean, scale, seed)
        if self.classes:
            z = np.concatenate([z, ops.convert_to_numpy(self._class_vectors(np.asarray(condition)))], axis=1)
        scores = self.log_prob(rows, z.astype("float32"))
        steps = sum(map(len, rows))
        divergence = float(np.sum(ops.convert_to_numpy(_divergence(mean, np.log(scale)))))
        return -float(np.sum(np.concatenate(scores))) / steps, divergence / steps

    def get_config(self):
        """What `from_config` needs."""
        own = ("components", "latent_size", "encoder_units", "kl_weight", "kl_floor", "kl_steps", "scale", "grid")
        base = super().get_config()
        kept = ("units", "cell", "dropout", "skip", "recurrent_dropout", "adapted", "name")
        return (
            {name: base[name] for name in kept}
            | {name: getattr(self, name) for name in own}
            | {"classes": self.classes}
        )


def drawn_latents(mean, scale, seed: int) -> np.ndarray:
    """One latent a row from posteriors as `encode` gives them."""
    return mean + scale * np.random.default_rng(seed).standard_normal(mean.shape)


def _divergence(mean, log_scale):
    """KL(N(mean, scale), N(0, 1)) of each row, nats."""
    return 0.5 * ops.sum(ops.square(mean) + ops.exp(2.0 * log_scale) - 1.0 - 2.0 * log_scale, axis=-1)
