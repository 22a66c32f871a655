"""Mixture: a weighted sum of components, and every method that follows from theirs."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from mdn import backend, numerics
from mdn.distributions import grid, modes, scores, univariate
from mdn.distributions.arguments import broadcast_shapes, check_finite, prod
from mdn.distributions.component import Component
from mdn.distributions.discrete import draw_index
from mdn.distributions.distribution import Distribution
from mdn.distributions.value import value
from mdn.random import Draws


@value
class Mixture(Distribution):
    r"""A weighted sum of densities.

    .. math:: p(y) = \sum_k \pi_k\, p_k(y), \quad \pi = \mathrm{softmax}(\mathrm{logits})

    Args:
        logits: Log weights up to a constant, shape `(*batch, K)`; they are not normalized.
        components: A distribution with batch `(*batch, K)`; for mixed families a tuple of distributions with batches
            `(*batch, K_i)`, in the order of the logits.

    Example:
        >>> import mdn
        >>> mix = mdn.Mixture([0.0, 0.0], mdn.Normal([[-5.0], [5.0]], [[2.0], [3.0]]))
        >>> round(float(mix.cdf([0.0])), 4)
        0.5208
    """

    logits: Any
    components: Any

    def __post_init__(self):
        groups = self.components if isinstance(self.components, tuple | list) else (self.components,)
        if not groups or not all(isinstance(group, Component | Mixture) for group in groups):
            kinds = [type(group).__name__ for group in groups]
            raise TypeError(
                "`components` of Mixture must be a distribution or a tuple of distributions, of families such as Normal, but "
                f"{kinds} came."
            )
        logits = numerics.as_tensor(self.logits)
        if any(not group.batch_shape for group in groups) or len(logits.shape) == 0:
            raise ValueError(
                "the last batch axis of `components` (and the last axis of `logits`) counts the components, but there is none. "
                "Two univariate normals are Normal([[-1.0], [1.0]], [[1.0], [1.0]]), of batch (2,)."
            )
        check_finite("Mixture", logits=logits)
        counts = [group.batch_shape[-1] for group in groups]
        if logits.shape[-1] != sum(counts):
            raise ValueError(
                f"`logits` of Mixture must end in an axis of {sum(counts)}, one for each component, "
                f"but the shape is {tuple(logits.shape)}."
            )
        _check_kinds(groups)
        batch = broadcast_shapes(
            "the batches of `logits` and `components`", logits.shape[:-1], *(group.batch_shape[:-1] for group in groups)
        )
        groups = tuple(group._expanded((*batch, count)) for group, count in zip(groups, counts, strict=True))
        self._set(
            logits=ops.broadcast_to(logits, (*batch, sum(counts))), components=groups if len(groups) > 1 else groups[0]
        )

    # ---- parts ----------------------------------------------------------------------------------------------------

    @property
    def _groups(self) -> tuple:
        return self.components if isinstance(self.components, tuple) else (self.components,)

    # what the first family is, all are
    _discrete = property(lambda self: self._groups[0]._discrete)
    _labels = property(lambda self: self._groups[0]._labels)
    _circular = property(lambda self: self._groups[0]._circular)
    _grid = property(lambda self: self._groups[0]._grid)

    def _kind(self):
        return f"a Mixture of {self._groups[0]._kind()}"

    @property
    def event_size(self):
        return self._groups[0].event_size

    @property
    def batch_shape(self):
        return tuple(self.logits.shape[:-1])

    @property
    def num_components(self) -> int:
        """K."""
        return self.logits.shape[-1]

    @property
    def log_weights(self):
        """log π, shape `(*batch, K)`."""
        return numerics.log_softmax(self.logits)

    @property
    def weights(self):
        """π, shape `(*batch, K)`."""
        return ops.exp(self.log_weights)

    def _tensors(self):
        return [self.logits, *(tensor for group in self._groups for tensor in group._tensors())]

    def _each(self, function, axis=-1):
        """Joins function(group) of each family along the axis of the components."""
        return ops.concatenate([function(group) for group in self._groups], axis=axis)

    def _regroup(self, logits, groups):
        return Mixture._new(logits, tuple(groups) if len(groups) > 1 else groups[0])

    # ---- densities ------------------------------------------------------------------------------------------------

    def _log_joint(self, y):
        """log π_k + log p_k(y), shape (*batch, K)."""
        y = ops.expand_dims(y, -2)
        return self.log_weights + self._each(lambda group: group._log_prob(y))

    def _log_prob(self, y):
        return numerics.logsumexp(self._log_joint(y))

    def _log_prob_observed(self, y, observed):
        y, observed = ops.expand_dims(y, -2), ops.expand_dims(observed, -2)
        parts = self._each(lambda group: group._log_prob_observed(y, observed))
        return numerics.logsumexp(self.log_weights + parts)

    def _log_prob_set_observed(self, lower, upper, observed):
        lower, upper, observed = (ops.expand_dims(each, -2) for each in (lower, upper, observed))
        parts = self._each(lambda group: group._log_prob_set_observed(lower, upper, observed))
        return numerics.logsumexp(self.log_weights + parts)

    def responsibilities(self, y):
        """P(component k | y), shape `(*batch, K)`; equal where all densities underflow to 0."""
        return self._run(self._responsibilities, self._as_event(y), event_axes=1)

    def _responsibilities(self, y):
        return numerics.posterior(self._log_joint(y))

    # ---- moments --------------------------------------------------------------------------------------------------

    def _mean(self):
        weights = ops.expand_dims(self.weights, -1)
        if not self._circular:
            return numerics.weighted_sum(weights, self._each(lambda group: group._mean(), axis=-2), axis=-2)
        pull, mean = weights * self.components._resultant(), self.components._mean()
        return ops.arctan2(ops.sum(pull * ops.sin(mean), axis=-2), ops.sum(pull * ops.cos(mean), axis=-2))

    def _variance(self):
        return numerics.weighted_sum(ops.expand_dims(self.weights, -1), self._about_mean()[1], axis=-2)

    def _about_mean(self):
        """Both moments of each component about the mixture's mean, so that no large numbers cancel."""
        center = ops.expand_dims(numerics.no_nan(self._mean(), 0.0), -2)
        first, second = zip(*(group._moments_about(center) for group in self._groups), strict=True)
        return ops.concatenate(first, axis=-2), ops.concatenate(second, axis=-2)

    def _covariance(self):
        first, second = self._about_mean()
        outer = ops.expand_dims(first, -1) * ops.expand_dims(first, -2)
        within = self._each(lambda group: group._covariance(), axis=-3)
        eye = ops.eye(self.event_size, dtype=self.dtype)
        # off the diagonal: covariance + product of first moments; on it: the second moment, right for inf and for angles too
        inside = ops.where(eye > 0.0, ops.expand_dims(second, -1), within + outer)
        return numerics.weighted_sum(self.weights[..., None, None], inside, axis=-3)

    def mode(self):
        """The highest point of the density, shape `(*batch, D)`.

        In one dimension, a grid of the quantiles of all components finds it, and a search refines it to float precision.
        In more, it is the best of the modes that fixed-point iterations reach from each component's mode (Carreira-Perpiñán
        2000, Mode-finding for mixtures of Gaussian distributions); no theorem guarantees that the highest is among them.
        """
        return super().mode()

    def _mode(self):
        if self._discrete:
            return modes.of_support(self, self._groups[0]._outcomes())
        return modes.on_line(self, components_first) if self.event_size == 1 else modes.in_space(self)

    # ---- draws ----------------------------------------------------------------------------------------------------

    def _sample(self, sample_shape, stream):
        index = draw_index(numerics.odds(self.logits), sample_shape, stream)
        result, first = None, 0
        for group in self._groups:
            count = group.batch_shape[-1]
            draw = _pick(group, numerics.within(index - first, 0, count - 1))._sample((), stream)
            mine = ops.expand_dims(ops.logical_and(index >= first, index < first + count), -1)
            result = draw if result is None else ops.where(mine, draw, result)
            first += count
        return result

    # ---- one dimension --------------------------------------------------------------------------------------------

    def _log_tail(self, y, below):
        y = ops.expand_dims(y, -2)
        below = below if isinstance(below, bool) else ops.expand_dims(below, -2)
        parts = self._each(lambda group: group._log_tail(y, below), axis=-2)
        parts = ops.moveaxis(ops.expand_dims(self.log_weights, -1) + parts, -2, -1)
        return numerics.within(numerics.logsumexp(parts), -np.inf, 0.0)

    def _quantile(self, log_lower, log_upper):
        # the mixture's quantile lies between the least and the greatest of its components'
        logs = ops.expand_dims(log_lower, -2), ops.expand_dims(log_upper, -2)
        live = ops.expand_dims(self.weights > 0.0, -1)
        bounds = zip(*(group._quantile_bounds(*logs) for group in self._groups), strict=True)
        low, high = (ops.concatenate(side, axis=-2) for side in bounds)
        low = ops.min(ops.where(live, low, np.inf), axis=-2)
        high = ops.max(ops.where(live, high, -np.inf), axis=-2)
        if self._grid:
            return grid.least(self._log_tail, log_lower, log_upper, low - 1.0, high)
        # a component's quantile may overflow where the mixture's does not: the search then ends at `finite_place`
        inside = ops.logical_and(ops.isfinite(log_lower), ops.isfinite(log_upper))
        sought = ops.logical_or(inside, ops.isfinite(low - high))
        first, last = (ops.where(sought, numerics.finite_place(end), 0.0) for end in (low, high))
        inner = univariate.invert(_curves, (self,), log_lower, log_upper, first, last)
        inner = ops.where(ops.logical_and(low < first, inner < 0.99 * first), low, inner)
        inner = ops.where(ops.logical_and(high > last, inner > 0.99 * last), high, inner)
        return ops.where(sought, inner, ops.where(log_lower <= log_upper, low, high))

    def _tail_laws(self, y, below):
        parts = [group._tail_laws(ops.expand_dims(y, -2), below) for group in self._groups]
        mass, *laws = (ops.concatenate(part, axis=-2)[..., 0] for part in zip(*parts, strict=True))
        return self.weights * mass, *(ops.where(self.weights > 0.0, law, np.inf) for law in laws)

    def _breaks(self):
        return ops.concatenate([components_first(group._breaks()) for group in self._groups], axis=0)

    def _crps(self, y):
        if len(self._groups) > 1 or not self.components._closed_crps:
            return scores.crps_by_quadrature(self, y, self._held()._breaks())
        group, weights = self.components, self.weights
        to_target = numerics.weighted_sum(weights, group._absolute_deviation(ops.expand_dims(y, -2))[..., 0])
        pairs = group._with_axis()._absolute_difference(group._with_axis(1))[..., 0]
        both = ops.expand_dims(weights, -1) * ops.expand_dims(weights, -2)
        return to_target - 0.5 * numerics.weighted_sum(both, pairs, axis=(-2, -1))

    def energy_score(self, y, num_samples: int = 64, seed=None):
        """Energy score, as in `Distribution.energy_score`, with `num_samples` draws from *each* component.

        The formula uses the weights exactly, instead of drawing components, which lowers the noise and gives the weights a
        gradient: Σ π_k E‖Y_k - y‖ - Σ π_k π_l E‖Y_k - Y_l‖ / 2, with a U-statistic for pairs within a component.

        Args:
            y: Shape `(..., D)`.
            num_samples: How many draws from each component, at least 2.
            seed: As in `sample`.
        """
        return super().energy_score(y, num_samples, seed)

    def _energy_score(self, y, key, num_samples, observed=None):
        stream = Draws(key)
        draws = self._each(lambda group: group._sample((num_samples,), stream), axis=-2)  # (n, *batch, K, D)
        if observed is not None:
            draws = draws * ops.cast(ops.expand_dims(observed, -2), self.dtype)
        weights, y = self.weights, self._over_batch(y)
        lifted = scores.over_leading_axes(draws, ops.expand_dims(y, -2))
        to_target = ops.sum(weights * ops.mean(scores.euclidean(lifted - ops.expand_dims(y, -2)), axis=0), axis=-1)
        # the draws of all components share one axis, because TensorFlow cannot broadcast over more
        count = self.num_components
        points = ops.moveaxis(draws, -2, 1)
        points = ops.reshape(points, (num_samples * count, *ops.shape(points)[2:]))  # (n·K, *batch, D)
        shares = ops.tile(ops.moveaxis(weights, -1, 0), (num_samples, *(1,) * len(self.batch_shape)))
        same = np.tile(np.eye(count, dtype=self.dtype), (num_samples, num_samples))
        pairs = same / (num_samples * (num_samples - 1)) + (1.0 - same) / num_samples**2  # a U-statistic
        pairs = ops.reshape(numerics.as_tensor(pairs), (*pairs.shape, *(1,) * len(self.batch_shape)))
        distances = scores.euclidean(ops.expand_dims(points, 0) - ops.expand_dims(points, 1))
        both = ops.expand_dims(shares, 0) * ops.expand_dims(shares, 1)
        return to_target - 0.5 * ops.sum(pairs * both * distances, axis=(0, 1))

    # ---- rearrangements -------------------------------------------------------------------------------------------

    def _marginal(self, dims):
        return self._regroup(self.logits, [group._marginal(dims) for group in self._groups])

    def _condition(self, values, free, known):
        """Conditions each component, and multiplies its weight by the density that it gives the known values."""
        values = ops.expand_dims(values, -2)
        rest, evidence = zip(*(group._given(values, free, known) for group in self._groups), strict=True)
        logits = self.log_weights + ops.concatenate(evidence, axis=-1)
        lost = ops.logical_not(ops.any(ops.isfinite(logits), axis=-1, keepdims=True))
        return self._regroup(ops.where(lost, self.log_weights, logits), rest)

    def _map(self, function):
        return self._regroup(function(self.logits), [group._map(function) for group in self._groups])

    def _with_temperature(self, component, variance):
        logits = numerics.tempered_logits(self.logits, component)
        return self._regroup(
            logits, [group._with_temperature(component if self._discrete else 1.0, variance) for group in self._groups]
        )


def _curves(mixture):
    return mixture._log_tail, lambda y: ops.expand_dims(mixture._log_prob(y), -1)


def blend(mixtures, weights=None) -> Mixture:
    """The exact mixture of mixtures: the prediction of an ensemble.

    Args:
        mixtures: Distributions or mixtures of the same event size and batch shape.
        weights: One number >= 0 for each member, with a positive sum, shape `(M,)`; equal by default.
    Returns:
        One Mixture with the components of all members whose weight is not 0.
    Raises:
        ValueError: if there are no members; if one is of a kind that cannot be mixed, such as a Joint, or differs in event
            size or batch shape; if families differ and one is discrete or of angles; or if `weights` are not such numbers.

    Example:
        >>> import mdn
        >>> normals = [mdn.Mixture([0.0], mdn.Normal([[place]], [[1.0]])) for place in (-1.0, 3.0)]
        >>> round(float(mdn.blend(normals).mean()[0]), 3)
        1.0
    """
    mixtures = list(mixtures)
    for mix in mixtures:
        if not isinstance(mix, Mixture | Component):
            raise ValueError(f"blend() has no meaning for a {type(mix).__name__}. Blend its parts, one by one.")
    if not mixtures:
        raise ValueError("blend() needs at least one mixture, but none came.")
    members = [mix if isinstance(mix, Mixture) else as_mixture(mix) for mix in mixtures]
    first = members[0]
    for mix in members[1:]:
        if mix.event_size != first.event_size or mix.batch_shape != first.batch_shape:
            raise ValueError(
                "blend() needs members of one event size and batch shape, but "
                f"{first.event_size}, {first.batch_shape} and {mix.event_size}, {mix.batch_shape} came."
            )
    shares = np.full(len(members), 1.0) if weights is None else np.asarray(weights, "float64")
    if (
        shares.shape != (len(members),)
        or not np.all(np.isfinite(shares))
        or np.any(shares < 0.0)
        or shares.sum() == 0.0
    ):
        raise ValueError(
            f"`weights` of blend() must be a number >= 0 for each mixture ({len(members)}), with a positive sum: {weights} came."
        )
    keep = [i for i in range(len(members)) if shares[i] > 0.0]
    log_shares = np.log(shares[keep] / shares.sum())
    logits = ops.concatenate(
        [members[i].log_weights + float(log_share) for i, log_share in zip(keep, log_shares, strict=True)], axis=-1
    )
    groups = [group for i in keep for group in members[i]._groups]
    _check_kinds(groups)
    if len({group._signature() for group in groups}) == 1:
        fields = zip(*(group._tensors() for group in groups), strict=True)
        ranks = groups[0]._ranks()
        joined = [ops.concatenate(field, axis=-1 - rank) for field, rank in zip(fields, ranks, strict=True)]
        return Mixture._new(logits, groups[0]._new(*joined))
    return Mixture._new(logits, tuple(groups))


def as_mixture(distribution) -> Mixture:
    return Mixture._new(ops.zeros((*distribution.batch_shape, 1), dtype=distribution.dtype), distribution._with_axis())


def components_first(points):
    """(M, *batch, K, 1) -> (M·K, *batch, 1): the points of all components, along the first axis."""
    points = ops.moveaxis(points, -2, 1)
    return ops.reshape(points, (points.shape[0] * points.shape[1], *ops.shape(points)[2:]))


def _check_kinds(groups) -> None:
    sizes = {group.event_size for group in groups}
    if len(sizes) > 1:
        raise ValueError(f"components of a Mixture must have one event size, but {sorted(sizes)} came.")
    if any(isinstance(group, Mixture) for group in groups):
        raise TypeError("a Mixture of mixtures is one Mixture: use mdn.blend.")
    for name, trait in (("angles (VonMises)", "_circular"), ("discrete families", "_discrete")):
        has_trait = [getattr(group, trait) for group in groups]
        kinds = {type(group) for group, has in zip(groups, has_trait, strict=True) if has}
        if kinds and (len(kinds) > 1 or not all(has_trait)):
            raise ValueError(
                f"{name} mix only with their own family, but a Mixture of {[type(g).__name__ for g in groups]} came."
            )
    if len({group._grid for group in groups}) > 1:
        raise ValueError(f"counts mix only with counts, but {[type(g).__name__ for g in groups]} came.")


def _pick(group, index):
    """The component `index` (*sample_shape, *batch) of each mixture, by one gather from a flat table for each parameter."""
    batch = ops.shape(group._tensors()[0])[: len(group.batch_shape)]
    points, count = prod(batch[:-1]) if backend.NAME != "tensorflow" else ops.prod(batch[:-1]), batch[-1]
    offset = ops.reshape(ops.arange(points, dtype="int32") * count, batch[:-1])
    rows = index + offset

    def gather(tensor, rank):
        event = ops.shape(tensor)[len(tensor.shape) - rank :]
        return ops.take(ops.reshape(tensor, (points * count, *event)), rows, axis=0)

    return group._map_ranked(gather)
