"""Based and BasedSpec: the base classes of distributions that are made of another one, which is called their base."""

from __future__ import annotations

from typing import Any

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
