"""SketchRNN: a network that draws, freely or from a latent vector that stands for a drawing."""

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
from mdn.sequences.ragged import padded, reading_lengths, shifted
from mdn.sequences.recurrent import Recurrent
from mdn.wording import counted

_AT_ONCE = (1, 32, 256)  # batch sizes of the programs that read drawings
_NO_LATENT = (
    "this model has no latent to encode into: train one with a latent (`mdn train sketch --latent 64`), or take quickdraw, which "
    "comes with mdn."
)
_MOST_NAMED = 40  # classes that a message lists
_CLASS_SIZE = 16  # size of the vector of a class


@serializable
class SketchRNN(MDNRNN):
    r"""Drawings point by point: correlated normals for the offset, and a pen that is down, lifts or ends.

    Without a latent it is the decoder-only network of the papers. With one it is their variational autoencoder: two LSTMs read
    the drawing, one from each end, and predict a normal over `z`; the drawing network reads `z` at each step and begins in a
    state computed from it. Training then minimises, in nats a step,

    .. math:: -\log p(x \mid z) + w \max(KL(q(z \mid x), N(0, 1)), \mathrm{floor}),

    the divergence of a drawing shared among its steps; w rises to `kl_weight`, and with 1 this bounds :math:`-\log p(x)`.

    Args:
        units: How many units each layer of the drawing network has.
        components: K.
        latent_size: The size of z; 0 for a network without a latent.
        encoder_units: How many units each of the two reading layers has.
        kl_weight: w, once it has risen.
        kl_floor: Nats a drawing; a divergence below it is not reduced further.
        kl_steps: Training steps until w has risen to 99 % of `kl_weight`.
        scale: Offsets are divided by it, one number for a data set.
        grid: The step of the grid on which offsets lie; 0 for none.
        classes: Names of the classes, if each drawing comes with its class.
        **settings: Of `MDNRNN`, except `positions`, which are always read.

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
            **{"name": "sketch", "lags": 0, **settings},
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
                reader.build((None, None, self.read_size))
            self.posterior = keras.layers.Dense(2 * latent_size, name="posterior")
            self.posterior.build((None, 2 * encoder_units))
            self.noise = keras.random.SeedGenerator(0)
            self.seen = self.add_weight(shape=(), initializer="zeros", trainable=False, name="seen")

    @property
    def label_size(self) -> int:
        """The width of the condition of a drawing: 1, the number of its class, if there are classes, else 0."""
        return 1 if self.classes else 0

    # ---- the latent --------------------------------------------------------------------------------------------------

    def conditioned(self, events, came, training=None):
        """The condition: z, a draw from its posterior in training and the posterior's mean else; and the vector of the class.

        Args:
            events: The event before each step, `(B, T, 3)`.
            came: The number of each drawing's class, `(B, 1)`, for a model with classes; else empty.
            training: Whether the network learns; then a model with a latent adds the divergence to its loss.
        """
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
            parts.append(self._class_vectors(came[0]))
        return (ops.concatenate(parts, axis=-1),) if parts else ()

    def _class_vectors(self, labels):
        return self.names(ops.cast(ops.convert_to_tensor(labels)[..., 0], "int32"))

    def _read(self, events):
        """Mean and log scale of q(z | drawing) from the events before each step, `(B, latent_size)` each."""
        drawn = ops.logical_not(ops.isnan(events[..., 0]))  # the event of the end is no point of the drawing
        count = ops.sum(ops.cast(drawn, "int32"), axis=1)
        encoded = self.layer_inputs(events)
        # position 0 holds no point, so point i is at i; read backwards, position i holds what was at count - i
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
            drawings: Stroke-3, in the unit that the network learnt from.

        Raises:
            ValueError: if the model has no latent, or a drawing is in another unit.
        """
        if not self.latent_size:
            raise ValueError(_NO_LATENT)
        drawings = [np.asarray(one) for one in drawings]
        for one in drawings:
            if len(one) and np.isnan(one[-1, 0]):
                raise ValueError("`drawings` must be stroke-3, but events came, which end in NaN: use encode_events.")
            data.check_scale(one, self.scale)
        return self.encode_events([data.events(one, self.scale) for one in drawings])

    def encode_events(self, events) -> tuple[np.ndarray, np.ndarray]:
        """`encode` for events of drawings, `(T + 1, 3)` each: see `data.events`.

        Raises:
            ValueError: if the model has no latent, or a drawing has no events or another shape.
        """
        if not self.latent_size:
            raise ValueError(_NO_LATENT)
        rows = as_sequences(events, 3, "drawings")
        lengths = reading_lengths([len(one) for one in rows])
        found = np.empty((2, len(rows), self.latent_size))
        read = self.program("read", self._read)
        for length in np.unique(lengths):
            group = np.flatnonzero(lengths == length)
            for filled, new in blocks(group, (fitting(len(group), _AT_ONCE),)):
                chosen = filled[:new]
                before = shifted(padded([rows[i] for i in filled], length))
                mean, log_scale = read(before)
                found[0, chosen] = ops.convert_to_numpy(mean)[: len(chosen)]
                found[1, chosen] = np.exp(ops.convert_to_numpy(log_scale)[: len(chosen)])
        return found[0], found[1]

    def condition_of(self, z=None, label: str | None = None, count: int = 1) -> np.ndarray | None:
        """The condition of the drawing network, `(count, condition_size)`: z and the vector of a class.

        Args:
            z: Latents `(count, latent_size)` for a model with a latent, else None.
            label: A name in `classes` for a model with classes, else None.
            count: How many drawings.

        Returns:
            None for a model with neither latent nor classes.

        Raises:
            ValueError: if z has another size, there is no such class, or one of them came for a model that has none.
        """
        if z is not None and not self.latent_size:
            raise ValueError(_NO_LATENT)
        if label is not None and not self.classes:
            raise ValueError(
                f"this model has learnt no classes, but the class {label!r} came: leave it out, or take a model of "
                "`mdn train sketch --classes`, such as quickdraw34, which comes with mdn."
            )
        parts = []
        if self.latent_size:
            z = np.asarray(np.nan if z is None else z, "float32")
            if z.shape != (count, self.latent_size):
                raise ValueError(
                    f"a latent of this model has {counted(self.latent_size, 'number')}, {count} of them a shape of "
                    f"({count}, {self.latent_size}), but {z.shape} came."
                )
            parts.append(z)
        if self.classes:
            if label not in self.classes:
                known = ", ".join(self.classes[:_MOST_NAMED]) + (", ..." if len(self.classes) > _MOST_NAMED else "")
                came = "none" if label is None else repr(label)
                raise ValueError(
                    f"the class must be one of the model's {len(self.classes)} ({known}), but {came} came: name it by --class, "
                    "in Python by `label`."
                )
            index = np.full((count, 1), self.classes.index(label))
            parts.append(ops.convert_to_numpy(self._class_vectors(index)))
        return np.concatenate(parts, axis=1).astype("float32") if parts else None

    # ---- judging -----------------------------------------------------------------------------------------------------

    def nll(self, sequences, condition=None, context=None, given: int = 0) -> float:
        """Mean nats a step; for a model with a latent, NLL given z plus `kl_weight` times the divergence.

        Args:
            sequences: Events `(T + 1, 3)` of each drawing: see `data.events`.
            condition: Numbers of classes `(N, 1)`, for a model with classes.
            context: None, since drawings have no context.
            given: How many events at the start of each drawing are read but not scored; 0 for a model with a latent.

        Raises:
            ValueError: if `given` is not 0 and the model has a latent, which is read from all events of a drawing; or as
                `MDNRNN.nll` does.
        """
        if not self.latent_size:
            return super().nll(sequences, condition, context, given)
        if given:
            raise ValueError(
                f"`given` must be 0 for a model with a latent, which is read from all events of a drawing, but {given} came: "
                "use `log_prob_given` with a latent of your own, and leave out the first events of its scores."
            )
        rows = as_sequences(sequences, 3, "drawings")
        self.conditions(condition, context, len(rows))  # refuses a context
        reconstruction, divergence = self.elbo(rows, condition=condition)
        return reconstruction + self.kl_weight * divergence

    def log_prob_given(self, events, z, condition=None) -> list[np.ndarray]:
        """Log density of each event given those before it and a latent: as `log_prob`, with `z` instead of the encoder's.

        Args:
            events: The events of N drawings.
            z: `(N, latent_size)`.
            condition: Numbers of classes `(N, 1)`, for a model with classes.

        Raises:
            ValueError: if `z` or `condition` has another shape.
        """
        rows = as_sequences(events, 3, "drawings")
        if np.shape(z) != (len(rows), self.latent_size):
            raise ValueError(f"`z` must have shape ({len(rows)}, {self.latent_size}), but {np.shape(z)} came.")
        labels = self.conditions(condition, None, len(rows))
        parts = [np.asarray(z, "float32"), *(ops.convert_to_numpy(self._class_vectors(part)) for part in labels)]
        run = self.program("given", self._given)
        return self._scored(rows, (np.concatenate(parts, axis=1),), lambda inputs: run(*inputs))

    def _given(self, before, condition):
        first = self.first_state(ops.shape(before)[0], (condition,))
        return self.unroll(before, first, (condition,))[0]

    def elbo(self, events, *, condition=None, seed: int = 0) -> tuple[float, float]:
        """(nats a step of drawings, given z drawn from their posteriors; nats a step of the divergence).

        Their sum is an upper bound on -log p(drawing) a step.

        Args:
            events: The events of N drawings, `(T + 1, 3)` each: see `data.events`.
            condition: Numbers of classes `(N, 1)`, for a model with classes.
            seed: The seed for the draws of z.

        Raises:
            ValueError: if the model has no latent.
        """
        rows = as_sequences(events, 3, "drawings")
        mean, scale = self.encode_events(rows)
        scores = self.log_prob_given(rows, drawn_latents(mean, scale, seed), condition)
        steps = sum(map(len, rows))
        divergence = float(np.sum(ops.convert_to_numpy(_divergence(mean, np.log(scale)))))
        return -float(np.sum(np.concatenate(scores))) / steps, divergence / steps

    def get_config(self):
        """What `from_config` needs."""
        own = ("components", "latent_size", "encoder_units", "kl_weight", "kl_floor", "kl_steps", "scale", "grid")
        base = super().get_config()
        kept = ("units", "cell", "dropout", "skip", "recurrent_dropout", "lags", "adapted", "name")
        return (
            {name: base[name] for name in kept}
            | {name: getattr(self, name) for name in own}
            | {"classes": self.classes}
        )


def drawn_latents(mean, scale, seed: int) -> np.ndarray:
    """One latent for each row of posteriors, as `encode` returns them."""
    return mean + scale * np.random.default_rng(seed).standard_normal(mean.shape)


def _divergence(mean, log_scale):
    """KL(N(mean, scale), N(0, 1)) of each row, nats."""
    return 0.5 * ops.sum(ops.square(mean) + ops.exp(2.0 * log_scale) - 1.0 - 2.0 * log_scale, axis=-1)
