"""Spiked: a distribution on the line in which some points have a probability of their own, such as 0 in rainfall."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from mdn import numerics
from mdn.distributions import scores, univariate
from mdn.distributions.arguments import broadcast_shapes, check_finite
from mdn.distributions.based import Based, BasedSpec
from mdn.distributions.component import Component
from mdn.distributions.discrete import draw_index
from mdn.distributions.mixture import Mixture
from mdn.distributions.spec import Spec, serializable
from mdn.distributions.transformed import Transformed, TransformedSpec, is_of_real_numbers
from mdn.distributions.value import static, value


@value
class Spiked(Based):
    r"""A probability for each of A atoms (fixed numbers), beside a density on the line.

    .. math:: P(Y = a_j) = w_j, \qquad P(Y \le y) = \sum_{a_j \le y} w_j + w_A F(y), \qquad w = \mathrm{softmax}(\mathrm{logits})

    At an atom `log_prob` is the log of a *probability*, elsewhere of a *density*, the weight of the base times its density: the
    two have no common unit, and so there is no mode.

    Args:
        logits: Log weights up to a constant, one for each atom, and then one for the base, shape `(*batch, A + 1)`.
        atoms: Distinct numbers in ascending order, shape `(A,)`, the same for the whole batch.
        base: A distribution of one coordinate: a family, a Mixture, or a Transformed.

    Raises:
        TypeError: if `base` is another distribution.
        ValueError: if outcomes of `base` are vectors, labels, bits or angles, `atoms` are no such numbers, or shapes do not fit.

    Example:
        >>> import mdn
        >>> rain = mdn.Spiked([0.0, 0.0], [0.0], mdn.Gamma([2.0], [1.0]))
        >>> [round(float(rain.cdf([y])), 3) for y in (-0.1, 0.0, 2.0)]
        [0.0, 0.5, 0.797]
    """

    logits: Any
    atoms: Any = static()
    base: Any

    def __post_init__(self):
        if not isinstance(self.base, Component | Mixture | Transformed):
            raise TypeError(f"`base` of Spiked must be a family, a Mixture or a Transformed, but {self.base!r} came.")
        if self.base.event_size != 1 or self.base._discrete or self.base._circular or self.base._grid:
            raise ValueError(f"`base` of Spiked must be of one real number, but {self.base._kind()} came.")
        atoms, logits = _checked(self.atoms), numerics.as_tensor(self.logits)
        if len(logits.shape) == 0 or logits.shape[-1] != len(atoms) + 1:
            raise ValueError(
                f"`logits` of Spiked must end in an axis of {len(atoms) + 1}, one for each atom and one for the base, but the "
                f"shape is {tuple(logits.shape)}."
            )
        check_finite("Spiked", logits=logits)
        batch = broadcast_shapes("the batches of `logits` and `base`", logits.shape[:-1], self.base.batch_shape)
        if self.base.batch_shape != batch:
            raise ValueError(
                f"`base` of Spiked must have the batch shape {batch} of `logits`, but {self.base.batch_shape} came."
            )
        self._set(logits=ops.broadcast_to(logits, (*batch, len(atoms) + 1)), atoms=atoms)

    # ---- parts ---------------------------------------------------------------------------------------------------------

    @property
    def atom_probs(self):
        """P(Y = atom) for each atom, shape `(*batch, A)`."""
        return self._weights()[..., :-1]

    def _log_weights(self):
        return numerics.log_softmax(self.logits)

    def _weights(self):
        return ops.exp(self._log_weights())

    def _tensors(self):
        return [self.logits, *super()._tensors()]

    def _kind(self):
        return "a Spiked, which has probabilities beside a density"

    def _with(self, logits, base):
        return self._new(logits, self.atoms, base)

    # ---- densities -----------------------------------------------------------------------------------------------------

    def _log_prob(self, y):
        hit = y == numerics.as_tensor(self.atoms)
        log_base = ops.where(ops.any(hit, axis=-1), -math.inf, self.base._log_prob(y))
        return _beside(self._log_weights(), hit, log_base)

    def _log_prob_observed(self, y, observed):
        return ops.where(observed[..., 0], self._log_prob(y), 0.0)

    def _log_prob_set_observed(self, lower, upper, observed):
        atoms = numerics.as_tensor(self.atoms)
        point = lower == upper
        hit = ops.logical_and(point, lower == atoms)
        held = ops.logical_or(hit, ops.logical_and(lower < atoms, atoms <= upper))
        between = self.base._log_prob_set_observed(lower, upper, ops.ones_like(observed))
        log_base = ops.where(ops.any(hit, axis=-1), -math.inf, between)
        found = _beside(self._log_weights(), held, log_base)
        return ops.where(observed[..., 0], found, 0.0)

    # ---- moments, draws ------------------------------------------------------------------------------------------------

    def _mean(self):
        return self._expected(numerics.as_tensor(self.atoms), self.base._mean())

    def _variance(self):
        mean, of_base = numerics.no_nan(self._mean(), 0.0), self.base._mean()
        second = numerics.no_nan(self.base._variance() + ops.square(of_base - mean), math.inf)  # there may be no mean
        return self._expected(ops.square(numerics.as_tensor(self.atoms) - mean), second)

    def _covariance(self):
        return ops.expand_dims(self._variance(), -1)

    def _expected(self, of_atoms, of_base):
        """The weighted sum of numbers of the atoms `(..., A)` and one of the base `(*batch, 1)`; shape `(*batch, 1)`."""
        weights = self._weights()
        of_atoms = ops.sum(weights[..., :-1] * of_atoms, axis=-1, keepdims=True)
        return of_atoms + ops.expand_dims(numerics.weighted_sum(weights[..., -1:], of_base), -1)

    def mode(self):
        """There is no mode: a probability and a density cannot be compared.

        Raises:
            ValueError: always; ask `atom_probs` and `base.mode()`.
        """
        raise ValueError(f"mode() has no meaning for {self._kind()}: compare atom_probs, and ask base.mode().")

    def _sample(self, sample_shape, stream):
        index = ops.expand_dims(draw_index(numerics.odds(self.logits), sample_shape, stream), -1)
        draws = self.base._sample(sample_shape, stream)
        for j, atom in enumerate(self.atoms):
            draws = ops.where(index == j, atom, draws)
        return draws

    # ---- one dimension -------------------------------------------------------------------------------------------------

    def _log_tail(self, y, below):
        atoms = numerics.as_tensor(self.atoms)
        held = ops.where(below, atoms <= y, atoms > y)
        log_base = self.base._log_tail(y, below)[..., 0]
        return ops.expand_dims(_beside(self._log_weights(), held, log_base), -1)

    def _tails_at_atoms(self, below):
        """(log P(Y < a), log P(Y <= a)), or else (log P(Y >= a), log P(Y > a)), for each atom a, `(*batch, A)`."""
        atoms, order = numerics.as_tensor(self.atoms), np.arange(len(self.atoms))
        points = ops.reshape(atoms, (-1, *(1,) * (len(self.batch_shape) + 1)))
        log_base = ops.moveaxis(self.base._log_tail(points, below)[..., 0], 0, -1)
        beyond = order < order[:, None] if below else order > order[:, None]
        weights = ops.expand_dims(self._log_weights(), -2)
        without, with_atom = (
            _beside(weights, held, log_base) for held in (beyond, beyond | np.eye(len(order), dtype=bool))
        )
        return (without, with_atom) if below else (with_atom, without)

    def _quantile(self, log_lower, log_upper):
        # An atom is `passed` if all of its probability lies below q, `reached` if some does. If q lies in no atom's jump, the
        # base holds the rest of the probability
        from_below, atoms, weights = log_lower <= log_upper, numerics.as_tensor(self.atoms), self._weights()
        (start, end), (start_above, end_above) = self._tails_at_atoms(True), self._tails_at_atoms(False)
        passed = ops.where(from_below, log_lower > end, log_upper < end_above)
        reached = ops.where(from_below, log_lower > start, log_upper < start_above)
        jumping = ops.logical_and(reached, ops.logical_not(passed))
        at = ops.min(ops.where(jumping, atoms, math.inf), axis=-1, keepdims=True)
        jump = at < math.inf

        def of_base(log_q, taken):
            taken = ops.sum(ops.where(taken, weights[..., :-1], 0.0), axis=-1, keepdims=True)
            rest = ops.where(taken > 0.0, numerics.safe_log(numerics.floor(ops.exp(log_q) - taken, 0.0)), log_q)
            log_share = numerics.cap(numerics.no_nan(rest - self._log_weights()[..., -1:], 0.0), 0.0)
            return ops.where(jump, -math.log(2.0), log_share)  # not used there, but its gradient is multiplied by 0

        inner = self.base._quantile(of_base(log_lower, passed), of_base(log_upper, ops.logical_not(passed)))
        last = ops.max(ops.where(passed, atoms, -math.inf), axis=-1, keepdims=True)
        following = ops.min(ops.where(reached, math.inf, atoms), axis=-1, keepdims=True)
        return ops.where(jump, at, numerics.within(inner, last, following))

    def _hdi(self, coverage):
        """The shortest of the interval with equal densities at its ends, and those that begin or end at an atom."""

        def log_density(y):
            return ops.where(ops.any(y == numerics.as_tensor(self.atoms), axis=-1), math.inf, self._log_prob(y))

        lower, upper = univariate.shortest_interval(self, coverage, log_density)
        rank, count = len(self.batch_shape), len(self.atoms)

        def first(x):
            """`(*batch, A)` as `(A, 1, ..., *batch, 1)`, with axes of length 1 for those of `coverage`."""
            return ops.reshape(ops.moveaxis(x, -1, 0), (count, *(1,) * len(coverage.shape), *ops.shape(x)[:-1], 1))

        held = ops.reshape(coverage, (*coverage.shape, *(1,) * (rank + 1)))
        # what may lie below an interval that ends at the atom, and above one that begins there
        under, over = (first(ops.exp(self._tails_at_atoms(below)[below])) - held for below in (True, False))
        start, end = univariate.two_quantiles(self, numerics.floor(under, 0.0), numerics.floor(over, 0.0))
        for j, atom in enumerate(self.atoms):
            for room, left, right in ((under[j], start[j], atom), (over[j], atom, end[j])):
                shorter = ops.logical_and(room >= 0.0, right - left < upper - lower)
                lower, upper = ops.where(shorter, left, lower), ops.where(shorter, right, upper)
        return lower, upper

    def _crps(self, y):
        return scores.crps_by_quadrature(self, y, self._held()._breaks())

    def _breaks(self):
        breaks = self.base._breaks()
        rank = len(breaks.shape)
        atoms = ops.reshape(numerics.as_tensor(self.atoms), (-1, *(1,) * (rank - 1)))
        return ops.concatenate([breaks, atoms + ops.zeros_like(breaks[:1])], axis=0)

    def _tail_laws(self, y, below):
        mass, power, rate = self.base._tail_laws(y, below)
        return self._weights()[..., -1:] * mass, power, rate

    # ---- other distributions from this one -----------------------------------------------------------------------------

    def _marginal(self, dims):
        return self

    def _map(self, function):
        return self._with(function(self.logits), self.base._map(function))

    def _with_temperature(self, component, variance):
        logits = numerics.tempered_logits(self.logits, component)
        return self._with(logits, self.base._with_temperature(component, variance))


def _beside(log_weights, held, log_base):
    """The log of the weights of the atoms that are `held` (booleans `(..., A)`), plus w_A exp(log_base)."""
    atoms = numerics.logsumexp(ops.where(held, log_weights[..., :-1], -math.inf))
    return numerics.logaddexp(atoms, log_weights[..., -1] + log_base)


def _checked(atoms) -> tuple[float, ...]:
    numbers = np.asarray(atoms, "float64")
    with np.errstate(over="ignore"):
        steps = np.diff(numbers.astype(numerics.float_dtype()))
    if numbers.ndim != 1 or not numbers.size or not np.all(np.isfinite(numbers)) or not np.all(steps > 0.0):
        raise ValueError(
            f"`atoms` must be finite numbers in ascending order, distinct in {numerics.float_dtype()}, but {atoms} came."
        )
    return tuple(numbers.tolist())


@serializable
class SpikedSpec(BasedSpec):
    """Parameters of a `Spiked`: those of its base, and then the logits of A atoms and of the base.

    `adapt` starts with the frequencies of the atoms among the targets, and fits the base to the others.

    Args:
        spec: The spec of the base: of one real number, such as a MixtureSpec or a TransformedSpec.
        atoms: Distinct numbers in ascending order, shape `(A,)`.

    Raises:
        ValueError: if a target of `spec` is not one real number, or `atoms` are no such numbers.

    Example:
        >>> import mdn
        >>> positive = mdn.TransformedSpec(mdn.MixtureSpec(mdn.NormalSpec(1), 5), mdn.bijections.Exp())
        >>> mdn.SpikedSpec(positive, atoms=[0.0]).params_size
        17
    """

    def __init__(self, spec: Spec, atoms):
        if not (isinstance(spec, TransformedSpec) or is_of_real_numbers(spec)) or spec.event_size != 1:
            raise ValueError(
                f"`spec` of SpikedSpec must be of one real number, such as MixtureSpec(NormalSpec(1), 5), but {spec!r} came."
            )
        self.spec, self.atoms = spec, _checked(atoms)

    @property
    def heads(self):
        return (*super().heads, ("mdn_atoms", len(self.atoms) + 1))

    def _from_blocks(self, blocks):
        return Spiked._new(blocks[-1], self.atoms, self.spec._from_blocks(blocks[:-1]))

    def _to_blocks(self, distribution):
        return [*super()._to_blocks(distribution), distribution.logits]

    def nll(self, params, y, observed):
        self._check_size(params)
        if y.shape[-1] != self.target_size:
            return super().nll(params, y, observed)
        hit = ops.logical_and(observed, y == numerics.as_tensor(self.atoms))
        at_atom = ops.any(hit, axis=-1, keepdims=True)
        size = self.spec.params_size
        weights = numerics.log_softmax(numerics.bound_gradient(params[..., size:]))
        chosen = ops.where(at_atom[..., 0], ops.sum(ops.where(hit, weights[..., :-1], 0.0), axis=-1), weights[..., -1])
        of_base = self.spec.nll(params[..., :size], y, ops.logical_and(observed, ops.logical_not(at_atom)))
        return numerics.finite_loss(of_base - ops.where(observed[..., 0], chosen, 0.0))

    def constrain(self, raw, shift, spread):
        return [*super().constrain(raw[:-1], shift, spread), raw[-1]]

    def _shares(self, y):
        """(how many targets lie at each atom `(A,)`, the others `(N, 1)`)."""
        y = np.asarray(y, "float64")
        hit = y.astype(numerics.float_dtype()) == np.array(self.atoms, numerics.float_dtype())  # as `nll` compares them
        return hit.sum(axis=0), y[~hit.any(axis=-1)]

    def scaling(self, y):
        return self.spec.scaling(self._shares(y)[1])

    def starting_biases(self, y=None, seed=0):
        counts, others = (np.zeros(len(self.atoms)), None) if y is None else self._shares(y)
        total = np.array([*counts, 0.0 if others is None else np.count_nonzero(~np.isnan(others))])
        logits = np.log(total + 0.5)  # half a target more, since an atom without any may still come
        biases = self.spec.starting_biases(others if others is not None and len(others) else None, seed)
        return [*biases, logits - logits.mean()]

    def get_config(self):
        return {"spec": keras.saving.serialize_keras_object(self.spec), "atoms": list(self.atoms)}

    def __repr__(self):
        return f"SpikedSpec({self.spec!r}, {list(self.atoms)})"
