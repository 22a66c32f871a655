"""Based and BasedSpec: the base classes of distributions that are made of another one, which is called their base."""

from __future__ import annotations

from typing import Any

import keras

from mdn import numerics
from mdn.distributions.distribution import Distribution
from mdn.distributions.spec import Spec


class Based(Distribution):
    """A distribution with a field `base`, whose event size, batch and parameters it has."""

    base: Any

    @property
    def event_size(self):
        return self.base.event_size

    @property
    def batch_shape(self):
        return self.base.batch_shape

    def _tensors(self):
        return self.base._tensors()

    def _each_moments(self):
        """(weights `(*batch, K, 1)`, means `(*batch, K, D)`, variances `(*batch, K, D)`) of its components."""
        raise self._lacks("mean")

    def _mean(self):
        weights, means, _ = self._each_moments()
        return numerics.weighted_sum(weights, means, axis=-2)

    def _variance(self):
        return numerics.mixed_variance(*self._each_moments())


class BasedSpec(Spec):
    """A spec with an attribute `spec`, that of the base, whose packed parameters it has."""

    spec: Spec

    @property
    def event_size(self):  # type: ignore[override]
        return self.spec.event_size

    @property
    def heads(self):
        return self.spec.heads

    def _to_blocks(self, distribution):
        return self.spec._to_blocks(distribution.base)

    @property
    def scaling_size(self):
        return self.spec.scaling_size

    def constrain(self, raw, shift, spread):
        return self.spec.constrain(raw, shift, spread)

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "spec": keras.saving.deserialize_keras_object(config["spec"])})
