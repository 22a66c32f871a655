"""Losses for any Keras model that ends in packed parameters: one value a step, to which masks and weights apply."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from mdn import backend, kernels, numerics, random
from mdn.distributions import JointSpec, Spec
from mdn.distributions.intervals import as_array
from mdn.distributions.spec import serializable


class DistributionLoss(keras.losses.Loss):
    """The base class of all losses: it handles the spec, missing targets, masks and weights.

    A loss is one number a step, `(*batch,)`. A target that is NaN throughout has loss 0 and weight 0, as have
    masked steps. A sample weight of shape `(B,)` applies to all steps of its sequence.

    Args:
        spec: The spec of the model's output.
        reduction: As in Keras; "sum_over_batch_size" divides the sum of weighted losses by the number of steps that count.
        name: As in Keras.
    """

    _takes_bounds = False
    """Whether targets may be intervals."""

    def __init__(self, spec: Spec, reduction: str | None = "sum_over_batch_size", name: str | None = None):
        if not isinstance(spec, Spec):
            raise TypeError(f"`spec` must be a spec such as MixtureSpec(NormalSpec(2), 5), but {spec!r} came.")
        super().__init__(name=name, reduction=reduction)
        self.spec = spec

    def call(self, y_true, y_pred):
        """One value a step, `(*batch,)`, from targets `(*batch, target_size)` and parameters `(*batch, params_size)`."""
        y, observed = numerics.split_missing(y_true)
        values = self._values(y, observed, y_pred)
        if y.shape[-1] != self.spec.target_size:  # bounds: an interval with one end is not known
            low, high = ops.split(observed, 2, axis=-1)
            values = ops.where(ops.any(ops.logical_xor(low, high), axis=-1), np.nan, values)
        return ops.where(ops.any(observed, axis=-1), values, ops.zeros_like(values))

    def _values(self, y, observed, params):
        raise NotImplementedError

    def __call__(self, y_true, y_pred, sample_weight=None):
        mask = backend.mask_of(y_pred)
        backend.leave_mask(y_true, mask)
        with keras.name_scope(self.name):
            params = numerics.as_tensor(y_pred)
            y_true = target_array(self.spec, y_true, params.shape)
            if y_true.shape[-1] != self.spec.target_size and not self._takes_bounds:
                raise ValueError(
                    f"{type(self).__name__} takes points as targets, but bounds of shape {tuple(y_true.shape)} came. "
                    "Use NegativeLogLikelihood(spec)."
                )
            values = self.call(y_true, params)
            weights = step_weights(y_true, values, mask, sample_weight=None)
            return self._reduce(values, weights, sample_weight)

    def _reduce(self, values, counted, sample_weight):
        weights = counted if sample_weight is None else counted * align(sample_weight, values)
        total = weights * values
        if self.reduction in (None, "none"):
            return total
        if self.reduction == "sum":
            return ops.sum(total)
        steps = weights if self.reduction == "mean_with_sample_weight" else counted
        return ops.divide_no_nan(ops.sum(total), ops.sum(steps))

    def get_config(self):
        """What `from_config` needs."""
        return {**super().get_config(), "spec": keras.saving.serialize_keras_object(self.spec)}

    @classmethod
    def from_config(cls, config):
        """The loss whose `get_config` returned `config`."""
        return cls(**{**config, "spec": keras.saving.deserialize_keras_object(config["spec"])})


def target_array(spec: Spec, y, shape):
    """Targets in any accepted form, as one array `(*batch, target_size)`.

    Args:
        spec: The spec of the targets.
        y: Shape `(*batch, target_size)`, or `(*batch,)` where `target_size` is 1; for a JointSpec also a dict of its parts. For
            a spec of ordered numbers also an `Interval`, or its array `(*batch, 2 target_size)`.
        shape: The shape of `params`, which tells whether the last axis of `y` was left out.

    Raises:
        ValueError: if the last axis is not `target_size`, the other axes are not those of `params`, or a dict has other parts.
    """
    y = numerics.as_tensor(spec.join(as_array(y)))
    if spec.target_size == 1 and len(y.shape) == len(shape) - 1:
        y = ops.expand_dims(y, -1)  # Keras users leave out the axis of a univariate target
    ordered = not isinstance(spec, JointSpec) and spec.kind == "number"
    if len(y.shape) == 0 or y.shape[-1] not in (spec.target_size, 2 * spec.target_size * ordered):
        raise ValueError(
            f"targets must end in an axis of {spec.target_size} for {spec!r}, but their shape is {tuple(y.shape)}."
        )
    # each target would otherwise be scored under the distribution of every row
    if len(y.shape) != len(shape) or _differ(tuple(y.shape)[:-1], tuple(shape)[:-1]):
        raise ValueError(
            f"targets need one row for each distribution, but targets of shape {tuple(y.shape)} and parameters of shape "
            f"{tuple(shape)} came. If one target belongs to a whole sequence, the network must end in one distribution for it."
        )
    return y


def _differ(one, other) -> bool:
    """Whether sizes of the same axis differ, where both are known."""
    return any(None not in pair and pair[0] != pair[1] for pair in zip(one, other, strict=False))


def align(weights, values):
    """Broadcasts weights of shape (B,), (B, T) or (B, T, 1) to values (B, T): a weight applies to all later axes.

    Args:
        weights: In one of these shapes.
        values: The losses, `(B, T)`; only their shape is read.

    Raises:
        ValueError: if the weights are of other rows or steps than the values.
    """
    weights = numerics.as_tensor(weights)
    if len(weights.shape) == len(values.shape) + 1 and weights.shape[-1] == 1:
        weights = ops.squeeze(weights, -1)
    missing = len(values.shape) - len(weights.shape)
    # an axis of 1 behind the rows stands for all steps; one weight for all rows would be a mistake
    rows, wanted = tuple(weights.shape)[:1], tuple(values.shape)
    steps = [other if size == 1 else size for size, other in zip(tuple(weights.shape)[1:], wanted[1:], strict=False)]
    if missing < 0 or _differ((*rows, *steps), wanted):
        raise ValueError(
            f"weights need one number for each row or step, but weights of shape {tuple(weights.shape)} for losses of shape "
            f"{tuple(values.shape)} came."
        )
    return ops.reshape(weights, (*ops.shape(weights), *(1,) * missing)) * ops.ones_like(values)


def step_weights(y_true, values, mask, sample_weight):
    """The weight of each step: 0 where the step is masked or its target is wholly missing, else the sample weight or 1.

    Args:
        y_true: Targets `(*batch, target_size)`, NaN where missing.
        values: The losses that get the weights, `(*batch,)`.
        mask: Which steps count, in a shape that `align` takes; None for all.
        sample_weight: In a shape that `align` takes; None for 1.
    """
    counted = ops.cast(ops.logical_not(ops.all(ops.isnan(y_true), axis=-1)), values.dtype) * ops.ones_like(values)
    if mask is not None:
        counted = counted * align(mask, values)
    return counted if sample_weight is None else counted * align(sample_weight, values)


@serializable
class NegativeLogLikelihood(DistributionLoss):
    r"""$-\log p(y)$ in nats, in the unit of the targets.

    It may be negative, since a density may exceed 1: compare it with a baseline, never with 0. Missing coordinates (NaN)
    are integrated out exactly. Of an `Interval` it is -log of the probability between the bounds. Values above 1e30 become 1e30,
    and the gradient is bounded.

    Args:
        spec: The spec of the model's output.

    Example:
        >>> import mdn, numpy as np
        >>> spec = mdn.MixtureSpec(mdn.NormalSpec(1), 1)
        >>> round(float(mdn.NegativeLogLikelihood(spec)(np.zeros((4, 1)), np.tile([0.0, 1.0, 0.0], (4, 1)))), 4)
        0.9189
    """

    _takes_bounds = True

    def _values(self, y, observed, params):
        return _nll(params, y, observed, spec=self.spec, fast=kernels.on())


@backend.compiled(static=("spec", "fast"))
def _nll(params, y, observed, spec, fast):
    return spec.nll(params, y, observed)  # which asks for `fast` itself; a program is kept for each answer


@serializable
class NaturalGradientEM(DistributionLoss):
    r"""The negative log-likelihood with the gradient of nGEM: EM's gradient, in the natural geometry of each normal.

    .. math:: -\sum_k \frac{\rho_k}{\pi_k} \big(\log \pi_k + \log N_k(y)\big)

    is differentiated with its factors ρ/π (responsibilities over weights) held constant. The gradient is multiplied by σ²
    for each `loc` and by σ²/2 for each `scale` (the inverse Fisher information of a normal). The *value* is the exact
    NLL. Use a smaller learning rate than with the NLL (5e-3) and clip the global norm (1.0).

    Args:
        spec: A mixture of diagonal or isotropic normals.
        target_scale: `layer.target_scale` of an adapted MDN layer, so that steps are measured in its scaled units.

    Example:
        >>> import mdn, numpy as np
        >>> spec = mdn.MixtureSpec(mdn.NormalSpec(1), 2)
        >>> params = np.array([[0.0, 1.0, 1.0, 1.0, 0.0, 0.0]], 'float32')
        >>> mdn.NaturalGradientEM(spec)(np.zeros((1, 1)), params).shape
        ()

    Reference:
        Natural Gradient Expectation Maximization for mixture density networks, arXiv 2602.10602.
    """

    def __init__(self, spec, target_scale=None, reduction="sum_over_batch_size", name=None):
        super().__init__(spec, reduction, name)
        if spec.flat_mixture() is None:
            raise ValueError(
                f"NaturalGradientEM knows mixtures of diagonal or isotropic normals only, but {spec!r} came. "
                "Use NegativeLogLikelihood(spec)."
            )
        self.target_scale = None if target_scale is None else [float(s) for s in target_scale]

    def _values(self, y, observed, params):
        scale = numerics.as_tensor([1.0] if self.target_scale is None else self.target_scale)
        return _natural_gradient(params, y, observed, scale, spec=self.spec)

    def get_config(self):
        """What `from_config` needs."""
        return {**super().get_config(), "target_scale": self.target_scale}


@backend.compiled(static=("spec",))
def _natural_gradient(params, y, observed, target_scale, spec):
    return spec.flat_mixture().natural_gradient(params, y, observed, target_scale)


@serializable
class CRPS(DistributionLoss):
    """Continuous ranked probability score, in the unit of the targets; robust to outliers, unlike the NLL.

    It is computed in closed form if the family has one, else by quadrature.

    Args:
        spec: The spec of a distribution with event_size 1.

    Example:
        >>> import mdn, numpy as np
        >>> spec = mdn.MixtureSpec(mdn.NormalSpec(1), 1)
        >>> params = spec.pack(mdn.Mixture(np.zeros((1, 1)), mdn.Normal(np.zeros((1, 1, 1)), np.ones((1, 1, 1)))))
        >>> round(float(mdn.CRPS(spec)(np.zeros((1, 1)), params)), 4)
        0.2337

    Reference:
        Grimit et al. (2006), The continuous ranked probability score for circular variables and its application to
        mesoscale forecast ensemble verification.
    """

    def __init__(self, spec, reduction="sum_over_batch_size", name=None):
        super().__init__(spec, reduction, name)
        if isinstance(spec, JointSpec) or spec.event_size != 1:
            raise ValueError(
                f"CRPS is a score of one number, but {spec!r} has {spec.event_size}. EnergyScore(spec) is for vectors."
            )

    def _values(self, y, observed, params):
        return _crps(params, y, spec=self.spec)


@backend.compiled(static=("spec",))
def _crps(params, y, spec):
    distribution = spec(numerics.bound_gradient(params))
    distribution._require_line("crps")
    return numerics.finite_loss(distribution._crps(y))


@serializable
class EnergyScore(DistributionLoss):
    """Energy score, the CRPS of vectors, by simulation: an unbiased estimate with new draws at each step.

    If coordinates are missing, the score is that of the marginal of the observed ones.

    Args:
        spec: The spec of any distribution of numbers, but no JointSpec.
        num_samples: Draws (of each component, for mixtures); memory grows with the square of it.

    Example:
        >>> import mdn, numpy as np
        >>> spec = mdn.MixtureSpec(mdn.NormalSpec(2), 1)
        >>> params = np.array([[0.0, 0.0, 1.0, 1.0, 0.0]], 'float32')
        >>> near, far = (mdn.EnergyScore(spec, num_samples=64)(np.full((1, 2), place), params) for place in (0.0, 9.0))
        >>> bool(near < far)
        True

    Reference:
        Gneiting and Raftery (2007), Strictly proper scoring rules, prediction, and estimation, section 4.3.
    """

    def __init__(self, spec, num_samples: int = 8, reduction="sum_over_batch_size", name=None):
        super().__init__(spec, reduction, name)
        if isinstance(spec, JointSpec):
            raise ValueError("EnergyScore has no meaning for a JointSpec, whose parts have units of their own.")
        if num_samples < 2:
            raise ValueError(
                f"`num_samples` must be at least 2, since pairs of draws are compared; {num_samples} came."
            )
        self.num_samples = num_samples

    def _values(self, y, observed, params):
        return _energy_score(params, y, observed, random.key_from(params), spec=self.spec, count=self.num_samples)

    def get_config(self):
        """What `from_config` needs."""
        return {**super().get_config(), "num_samples": self.num_samples}


@backend.compiled(static=("spec", "count"))
def _energy_score(params, y, observed, key, spec, count):
    distribution = spec(numerics.bound_gradient(params))
    distribution._require_scale("energy_score")
    return numerics.finite_loss(distribution._energy_score(y, key, count, observed))
