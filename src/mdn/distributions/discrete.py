"""Discrete and DiscreteSpec: the base classes of families of labels and bits."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from keras import ops

from mdn import backend, numerics
from mdn.distributions.arguments import check_count, check_finite
from mdn.distributions.component import Component
from mdn.distributions.spec import ComponentSpec

_FEW = 16  # outcomes whose weights XLA adds up faster one by one


class Discrete(Component):
    """Outcomes that are labels or bits, with `logits` of shape `(*batch, n)`."""

    logits: Any
    _discrete = True

    def __post_init__(self):
        logits = numerics.as_tensor(self.logits)
        name = type(self).__name__
        if len(logits.shape) == 0:
            raise ValueError(f"`logits` of {name} must have shape (*batch, n), but a scalar came.")
        check_finite(name, logits=logits)
        self._set(logits=logits)

    def _with_temperature(self, component, variance):
        return self._new(self._tempered(component))

    def _tempered(self, temperature):
        """`logits` divided by a temperature."""
        raise self._lacks("with_temperature")


def draw_index(weights, sample_shape, stream):
    """Draws indices with probabilities proportional to `weights` (*batch, K), by inverting their cumulated sum.

    The result has shape `(*sample_shape, *batch)`. The weights need not add up to 1.

    An index is never out of range, and never that of a weight 0, for any rounding of the sum.
    """
    u = stream.uniform((*sample_shape, *ops.shape(weights)[:-1]))
    if backend.NAME == "jax" and weights.shape[-1] <= _FEW:
        *cumulated, total = itertools.accumulate(ops.unstack(weights, axis=-1))
        passed = [ops.logical_and(u * total >= part, part < total) for part in cumulated]
        return sum((ops.cast(one, "int32") for one in passed), ops.zeros_like(u, "int32"))
    cumulated = ops.cumsum(weights, axis=-1)
    total = cumulated[..., -1:]
    passed = ops.logical_and(ops.expand_dims(u, -1) * total >= cumulated, cumulated < total)
    return ops.sum(ops.cast(passed, "int32"), axis=-1)


class DiscreteSpec(ComponentSpec):
    """A spec with one block, the logits, and no scale."""

    _scales_targets = False
    _moves = False
    _family: type[Discrete]

    def __init__(self, n: int):
        self.n = check_count("n", n)
        super().__init__(self._width())

    def _width(self) -> int:
        return self.n

    @property
    def block_sizes(self):
        return self.n, 0

    @property
    def heads(self):
        return (("mdn_logits", self.n),)

    @property
    def scaling_size(self):
        return 0

    def scaling(self, y):
        return np.zeros(0, "float32"), np.ones(0, "float32")

    def constrain(self, raw, shift, spread):
        return list(raw)

    def _frequencies(self, y) -> np.ndarray:
        """Logits that match how often each outcome occurs in `y`, `(n,)`."""
        raise NotImplementedError

    def starting_blocks(self, y, count, seed):
        logits = np.zeros(self.n) if y is None else self._frequencies(np.asarray(y, "float64"))
        # equal components would stay equal, so a little noise makes them differ
        noise = np.random.default_rng(seed).normal(scale=0.5, size=(count, self.n)) * (count > 1)
        return [logits + noise], np.full(count, -np.log(count))

    def get_config(self):
        return {"n": self.n}
