"""Events as a network reads them: continuous numbers scaled, categories one-hot, and a flag for "no event"."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from mdn.distributions import Spec
from mdn.distributions.spec import serializable
from mdn.layers import FeatureScaling


@serializable
class EventEncoding(keras.layers.Layer):
    """Turns events `(*batch, spec.target_size)` into numbers of size about 1, and a last one: 1 where the whole event is NaN.

    Each part of a Joint is encoded by its kind: a Categorical as a one-hot vector, a Bernoulli as it is, all others scaled.
    A missing number counts as the middle of its scale.

    Args:
        spec: The spec of an event.
    """

    def __init__(self, spec: Spec, **kwargs):
        super().__init__(**kwargs)
        self.spec = spec
        self.parts = spec.named_parts
        self.scalings = [
            FeatureScaling(name=f"scaling_{name}") for name, part in self.parts.items() if part.kind == "number"
        ]

    @property
    def size(self) -> int:
        """How many numbers encode one event."""
        return 1 + sum(part.encoded_size for part in self.parts.values())

    def build(self, input_shape=None):
        """Creates the scalings."""
        sizes = [part.target_size for part in self.parts.values() if part.kind == "number"]
        for scaling, size in zip(self.scalings, sizes, strict=True):
            scaling.build((None, size))
        self.built = True

    def adapt(self, y) -> EventEncoding:
        """Learns the scalings from events `(N, target_size)`; returns the layer itself."""
        columns = self._columns(np.asarray(y))
        for scaling, column in zip(self.scalings, [c for part, c in columns if part.kind == "number"], strict=True):
            scaling.adapt(column)
        return self

    def _columns(self, y):
        """(spec, its columns of y) for each part."""
        first = 0
        for part in self.parts.values():
            yield part, y[..., first : first + part.target_size]
            first += part.target_size

    def call(self, events):
        """Shape `(*batch, target_size)` to `(*batch, size)`."""
        numbers = [name for name, part in self.parts.items() if part.kind == "number"]
        encoded = self.spec.encode(events, dict(zip(numbers, self.scalings, strict=True)))
        nothing = ops.all(ops.isnan(events), axis=-1, keepdims=True)
        return ops.concatenate([encoded, ops.cast(nothing, self.compute_dtype)], axis=-1)

    def compute_output_shape(self, input_shape):
        """(*batch, target_size) -> (*batch, size)."""
        return (*input_shape[:-1], self.size)

    def get_config(self):
        """What `from_config` needs."""
        return {**super().get_config(), "spec": keras.saving.serialize_keras_object(self.spec)}

    @classmethod
    def from_config(cls, config):
        """The layer whose `get_config` returned `config`."""
        return cls(**{**config, "spec": keras.saving.deserialize_keras_object(config["spec"])})
