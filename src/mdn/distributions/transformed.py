"""Transformed: a distribution of real numbers carried onto a support, such as positive numbers, by bijections."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from mdn import numerics
from mdn.distributions import bijections, intervals, modes, scores
from mdn.distributions.based import Based, BasedSpec
from mdn.distributions.component import Component
from mdn.distributions.correlated_normal import CorrelatedNormal
from mdn.distributions.counts import CountSpec
from mdn.distributions.independent import Independent
from mdn.distributions.log_normal import LogNormal
from mdn.distributions.mixture import Mixture, as_mixture, components_first
from mdn.distributions.mixture_spec import MixtureSpec
from mdn.distributions.normal import Normal
from mdn.distributions.spec import ComponentSpec, Spec, serializable
from mdn.distributions.value import static, value
from mdn.distributions.von_mises import VonMisesSpec

_DEEPEST = 12  # the mode of exp(Z) lies σ standard deviations of Z below its mean: this reaches σ = 90


@value
class Transformed(Based):
    r"""The distribution of Y = g(Z), coordinate by coordinate, for increasing maps g, and Z from a distribution of real numbers.

    .. math:: p_Y(y) = p_Z\big(g^{-1}(y)\big) \prod_d \frac{1}{g_d'(z_d)}, \qquad F_Y = F_Z \circ g^{-1}

    Its support is that of the bijections: no quantile, interval or draw leaves it, and the density beyond is 0. Mean, variance
    and CRPS are integrated numerically, but for the moments of exp of normals, which have a closed form.

    Args:
        base: The distribution of Z: a family or a Mixture, of real numbers.
        bijection: One bijection of `mdn.bijections` for all coordinates, or a tuple with one for each.

    Raises:
        TypeError: if `base` is no family and no Mixture, or `bijection` no bijection.
        ValueError: if outcomes of `base` are labels, bits or angles, or the bijections do not fit its coordinates.

    Example:
        >>> import mdn
        >>> share = mdn.Transformed(mdn.Normal([0.0], [1.0]), mdn.bijections.Sigmoid(0.0, 1.0))
        >>> [round(float(end[0]), 3) for end in share.interval(0.9)]
        [0.162, 0.838]
    """

    base: Any
    bijection: Any = static()

    def __post_init__(self):
        if not isinstance(self.base, Component | Mixture):
            raise TypeError(f"`base` of Transformed must be a family or a Mixture, but {self.base!r} came.")
        if self.base._discrete or self.base._circular or self.base._grid:
            raise ValueError(f"`base` of Transformed must be of real numbers, but {self.base._kind()} came.")
        self._set(bijection=bijections.checked(self.bijection, self.base.event_size))

    # ---- parts ---------------------------------------------------------------------------------------------------------

    def _kind(self):
        return f"a Transformed of {self.base._kind()}"

    def _with_base(self, base):
        return self._new(base, self.bijection)

    def _mixture(self) -> Mixture:
        return self.base if isinstance(self.base, Mixture) else as_mixture(self.base)

    def _inverse(self, y):
        """(z, whether y lies below the support, or above it); outside the support, z is any number."""
        low, high = map(numerics.as_tensor, self.bijection.support)
        below, above = y <= low, y >= high
        inside = numerics.as_tensor(self.bijection.forward(np.zeros(self.event_size)))
        return self.bijection.inverse(ops.where(ops.logical_or(below, above), inside, y)), below, above

    def _extended_inverse(self, y):
        """The z of y: -inf and inf at the ends of the support and beyond, where every density is 0."""
        z, below, above = self._inverse(y)
        return ops.where(below, -math.inf, ops.where(above, math.inf, z))

    # ---- densities -----------------------------------------------------------------------------------------------------

    def _log_prob(self, y):
        z, below, above = self._inverse(y)
        log_prob = self.base._log_prob(z) - ops.sum(self.bijection.log_slope(z), axis=-1)
        return ops.where(ops.any(ops.logical_or(below, above), axis=-1), -math.inf, log_prob)

    def _log_prob_observed(self, y, observed):
        z, below, above = self._inverse(y)
        slopes = ops.where(observed, self.bijection.log_slope(z), 0.0)
        log_prob = self.base._log_prob_observed(z, observed) - ops.sum(slopes, axis=-1)
        outside = ops.logical_and(observed, ops.logical_or(below, above))
        return ops.where(ops.any(outside, axis=-1), -math.inf, log_prob)

    def _log_prob_each(self, y):
        z, below, above = self._inverse(y)
        log_prob = self.base._log_prob_each(z) - self.bijection.log_slope(z)
        return ops.where(ops.logical_or(below, above), -math.inf, log_prob)

    def _log_prob_set_observed(self, lower, upper, observed):
        # in y, component by component: the logs of bounds that are close in y would be rounded to one z
        if isinstance(self.base, Mixture):
            sets = [ops.expand_dims(each, -2) for each in (lower, upper, observed)]
            parts = self.base._each(lambda group: self._with_base(group)._log_prob_set_observed(*sets))
            return numerics.logsumexp(self.base.log_weights + parts)
        each = intervals.log_prob_each(self, lower, upper, self._log_prob_each)
        return ops.sum(ops.where(observed, each, 0.0), axis=-1)

    def responsibilities(self, y):
        """P(component k | y) of a base that is a Mixture, shape `(*batch, K)`; equal where all densities underflow to 0.

        Raises:
            ValueError: if the base is no Mixture.
        """
        if not isinstance(self.base, Mixture):
            return self.base.responsibilities(y)
        return self._run(self._responsibilities, self._as_event(y), event_axes=1)

    def _responsibilities(self, y):
        return self.base._responsibilities(self._extended_inverse(y))

    # ---- moments -------------------------------------------------------------------------------------------------------

    def _each_moments(self):
        """(weights `(*batch, K, 1)`, means `(*batch, K, D)`, variances `(*batch, K, D)`) of the components."""
        mixture = self._mixture()
        moments = zip(*(self._with_base(group)._moments() for group in mixture._groups), strict=True)
        return ops.expand_dims(mixture.weights, -1), *(ops.concatenate(side, axis=-2) for side in moments)

    def _covariance(self):
        if self.event_size > 1 and not all(isinstance(group, Independent) for group in self._mixture()._groups):
            raise ValueError(
                "covariance() of Transformed needs coordinates that are independent within a component: estimate it from draws."
            )
        weights, means, _ = self._each_moments()
        apart = means - ops.expand_dims(numerics.weighted_sum(weights, means, axis=-2), -2)
        pairs = ops.expand_dims(apart, -1) * ops.expand_dims(apart, -2)
        between = numerics.weighted_sum(ops.expand_dims(weights, -1), pairs, axis=-3)
        eye = ops.eye(self.event_size, dtype=self.dtype)
        return ops.where(eye > 0.0, ops.expand_dims(self._variance(), -1), between)

    def _moments(self):
        """(mean, variance) of each coordinate, `(*batch, D)`, if the base is a family."""
        if self.event_size > 1:
            each = [self._marginal((d,))._moments() for d in range(self.event_size)]
            return tuple(ops.concatenate(side, axis=-1) for side in zip(*each, strict=True))
        if isinstance(self.bijection, bijections.Identity):
            return self.base._mean(), self.base._variance()
        if isinstance(self.bijection, bijections.Exp) and isinstance(self.base, Normal | CorrelatedNormal):
            normal = self.base if isinstance(self.base, Normal) else self.base._line()
            exp = LogNormal._new(normal.loc, normal.scale)
            return self.bijection.low + exp._mean(), exp._variance()
        held = self._held()
        center = held._quantile_at(numerics.as_tensor(0.5))
        first, second = scores.moments_by_quadrature(self, center, held._breaks())
        finite = second < math.inf
        variance = ops.where(finite, second - ops.square(ops.where(finite, first, 0.0)), math.inf)
        return center + first, variance

    def mode(self):
        """The highest point of the density of y, shape `(*batch, 1)`, by a search over the components; only for D = 1.

        Where the density rises without bound towards an end of the support, it is that end.

        Raises:
            ValueError: if the event size is not 1.
        """
        return super().mode()

    def _mode(self):
        if self.event_size > 1:
            raise ValueError("mode() of a Transformed needs event_size=1. Take a marginal first: marginal(0).")

        def log_density(z):
            return self.base._log_prob(z) - self.bijection.log_slope(z)[..., 0]

        points = numerics.finite_place(modes.line_points(self._mixture(), components_first, _DEEPEST))
        return self.bijection.forward(modes.climb(log_density, points))

    # ---- draws, one dimension ------------------------------------------------------------------------------------------

    def _sample(self, sample_shape, stream):
        return self.bijection.forward(self.base._sample(sample_shape, stream))

    def _log_tail(self, y, below):
        z, under, over = self._inverse(y)
        none, whole = numerics.as_tensor(-math.inf), numerics.as_tensor(0.0)
        tail = ops.where(under, ops.where(below, none, whole), self.base._log_tail(z, below))
        return ops.where(over, ops.where(below, whole, none), tail)

    def _quantile(self, log_lower, log_upper):
        return self.bijection.forward(self.base._quantile(log_lower, log_upper))

    def _breaks(self):
        return ops.stop_gradient(numerics.finite_place(self.bijection.forward(self.base._breaks())))

    def _tail_laws(self, y, below):
        mass, power, rate = self.base._tail_laws(self._inverse(y)[0], below)
        if math.isfinite(self.bijection.support[0 if below else 1]):
            return (
                mass,
                math.inf + 0.0 * mass,
                math.inf + 0.0 * mass,
            )  # the support ends: no tail is left beyond the last break point
        return mass, *self.bijection._tail_laws(power, rate)

    def _crps(self, y):
        return scores.crps_by_quadrature(self, y, self._held()._breaks())

    # ---- other distributions from this one -----------------------------------------------------------------------------

    def _marginal(self, dims):
        return self._new(self.base._marginal(dims), self.bijection.take(dims))

    def _condition(self, values, free, known):
        values = self._marginal(known)._extended_inverse(values)
        return self._new(self.base._condition(values, free, known), self.bijection.take(free))

    def _map(self, function):
        return self._with_base(self.base._map(function))

    def _with_temperature(self, component, variance):
        return self._with_base(self.base._with_temperature(component, variance))


def is_of_real_numbers(spec) -> bool:
    """Whether `spec` is that of a family or a mixture of numbers that are no angles and no counts."""
    families = spec.specs if isinstance(spec, MixtureSpec) else [spec]
    return all(
        isinstance(family, ComponentSpec)
        and family.kind == "number"
        and not isinstance(family, VonMisesSpec | CountSpec)
        for family in families
    )


@serializable
class TransformedSpec(BasedSpec):
    """Parameters of a `Transformed`: those of its base, so that a network predicts z, and targets are y.

    Args:
        spec: The spec of the base: a MixtureSpec, or the spec of a family of real numbers.
        bijection: One bijection of `mdn.bijections` for all coordinates, or a tuple with one for each.

    Raises:
        TypeError: if `spec` is another one, or `bijection` is no bijection.
        ValueError: if the bijections do not fit the coordinates.

    Example:
        >>> import mdn
        >>> spec = mdn.TransformedSpec(mdn.MixtureSpec(mdn.NormalSpec(1), 5), mdn.bijections.Sigmoid(0.0, 1.0))
        >>> spec.params_size
        15
    """

    def __init__(self, spec: Spec, bijection):
        if not is_of_real_numbers(spec):
            raise TypeError(
                "`spec` of TransformedSpec must be a MixtureSpec, or the spec of a family, of real numbers, but "
                f"{spec!r} came."
            )
        self.spec = spec
        self.bijection = bijections.checked(bijection, spec.event_size)

    def _from_blocks(self, blocks):
        return Transformed._new(self.spec._from_blocks(blocks), self.bijection)

    def nll(self, params, y, observed):
        if y.shape[-1] != self.target_size:
            return super().nll(params, y, observed)
        low, high = map(numerics.as_tensor, self.bijection.support)
        outside = ops.logical_and(observed, ops.logical_or(y <= low, y >= high))
        inside = numerics.as_tensor(self.bijection.forward(np.zeros(self.event_size)))
        z = self.bijection.inverse(ops.where(ops.logical_and(observed, ops.logical_not(outside)), y, inside))
        slopes = ops.sum(ops.where(observed, self.bijection.log_slope(z), 0.0), axis=-1)
        loss = numerics.finite_loss(self.spec.nll(params, z, observed) + slopes)
        return ops.where(ops.any(outside, axis=-1), numerics.LOSS_CEILING, loss)

    def scaling(self, y):
        return self.spec.scaling(bijections.inverse_of_targets(self.bijection, y))

    def starting_biases(self, y=None, seed=0):
        return self.spec.starting_biases(None if y is None else bijections.inverse_of_targets(self.bijection, y), seed)

    def get_config(self):
        parts = {"spec": self.spec, "bijection": self.bijection}
        return {name: keras.saving.serialize_keras_object(part) for name, part in parts.items()}

    @classmethod
    def from_config(cls, config):
        return cls(*(keras.saving.deserialize_keras_object(config[name]) for name in ("spec", "bijection")))

    def __repr__(self):
        return f"TransformedSpec({self.spec!r}, {self.bijection!r})"
