"""Rounded: a distribution whose draws are rounded to a grid, such as counts, ages in years, or prices in cents."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from mdn import numerics
from mdn.distributions import grid, modes, scores
from mdn.distributions.based import Based, BasedSpec
from mdn.distributions.component import Component
from mdn.distributions.mixture import Mixture, as_mixture, components_first
from mdn.distributions.spec import Spec, serializable
from mdn.distributions.transformed import Transformed
from mdn.distributions.value import static, value

_DEEPEST_LOG = -200.0  # the log of a tail where sums end: beyond it, a log-normal's moments have no digits in float32
_SPREAD = 97  # points at distances from the median that rise by one factor up to the end of each tail


@value
class Rounded(Based):
    r"""Draws of `base`, rounded to whole multiples k of a step; `log_prob` is a log probability.

    .. math:: P(Y = k s) = F((k + \tfrac12) s) - F((k - \tfrac12) s)

    Both tails keep all digits. So a mixture of normals learns counts, ages in years or prices in cents by their exact
    likelihood, where its density would rise without bound on values that occur often.

    Args:
        base: A distribution of one continuous number, such as Normal, a Mixture of them, or a Transformed.
        step: s > 0, the distance between neighbouring outcomes, a plain number.
        lowest: The least outcome, a multiple of the step; what `base` has below belongs to it. None if there is none.

    Raises:
        TypeError: if `base` is no family of continuous numbers nor a Mixture of them.
        ValueError: if `base` has several coordinates, `step` is not positive, or `lowest` not a multiple of it.

    Example:
        >>> import mdn
        >>> goals = mdn.Rounded(mdn.Normal([1.2], [1.5]), lowest=0)
        >>> [round(float(goals.prob([k])), 3) for k in (0.0, 1.0, 1.5)], float(goals.quantile(0.9)[0])
        ([0.32, 0.259, 0.0], 3.0)

    Reference:
        Heitjan (1989), Inference from grouped continuous data: a review.
    """

    base: Any
    step: Any = static()
    lowest: Any = static()

    def __init__(self, base, step: float = 1.0, lowest: float | None = None):
        if not isinstance(base, Component | Mixture | Transformed) or base._discrete or base._circular or base._grid:
            raise TypeError(
                "`base` of Rounded must be a family of continuous numbers such as Normal, a Mixture of them, or a Transformed, "
                f"but {base!r} came."
            )
        if base.event_size != 1:
            raise ValueError(
                f"`base` of Rounded must have event_size=1, but {base.event_size} came: take a marginal first."
            )
        self._set(base=base, **_checked(step, lowest))

    @property
    def _grid(self):  # type: ignore[override]
        return self.step, -math.inf if self.lowest is None else self.lowest

    def _map(self, function):
        return self._new(self.base._map(function), self.step, self.lowest)

    def _kind(self):
        return f"a Rounded {type(self.base).__name__}"

    def _mixture(self) -> Mixture:
        """The base as a Mixture; of a Transformed, that before its bijection."""
        if isinstance(self.base, Transformed):
            return self.base._mixture()
        return self.base if isinstance(self.base, Mixture) else as_mixture(self.base)

    def _forward(self, z):
        """Points of `_mixture` as points of the base."""
        return self.base.bijection.forward(z) if isinstance(self.base, Transformed) else z

    # ---- cells -----------------------------------------------------------------------------------------------------------

    def _edge(self, k):
        """The upper edge of the cell of k."""
        return (k + 0.5) * self.step

    def _cell(self, x):
        """The least k whose cell does not end below x."""
        return numerics.floor(ops.ceil(x / self.step - 0.5), self._grid[1] / self.step)

    def _log_prob(self, y):
        return self._log_prob_set_observed(y, y, ops.ones_like(y, dtype="bool"))

    def _log_prob_observed(self, y, observed):
        return self._log_prob_set_observed(y, y, observed)

    def _log_prob_set_observed(self, lower, upper, observed):
        least = self._grid[1] / self.step
        (before, _), (last, whole) = numerics.on_grid(lower, self.step), numerics.on_grid(upper, self.step)
        before, last = ops.where(lower == -math.inf, -math.inf, before), ops.where(upper == math.inf, math.inf, last)
        point = lower == upper
        before = ops.where(point, last - 1.0, before)
        some = ops.logical_and(
            ops.logical_or(whole, ops.logical_not(point)), ops.logical_and(before < last, last >= least)
        )
        start, end = ops.where(before < least, -math.inf, self._edge(before)), self._edge(last)
        start, end = ops.where(some, start, -1.0), ops.where(some, end, 1.0)
        found = self.base._log_prob_set_observed(start, end, observed)
        return ops.where(ops.logical_or(some, ops.logical_not(observed))[..., 0], found, -math.inf)

    def _log_tail(self, y, below):
        k, _ = numerics.on_grid(y, self.step)
        inside = k >= self._grid[1] / self.step
        edge = ops.where(inside, self._edge(k), 0.0)
        return ops.where(inside, self.base._log_tail(edge, below), ops.where(below, -math.inf, 0.0))

    def _quantile(self, log_lower, log_upper):
        near = self._cell(self.base._quantile(log_lower, log_upper))  # but for rounding, next to the edge of a cell
        k = grid.least(
            lambda k, below: self._log_tail(self.step * k, below), log_lower, log_upper, near - 2.0, near + 1.0
        )
        return self.step * numerics.floor(k, self._grid[1] / self.step)

    def _sample(self, sample_shape, stream):
        return self.step * self._cell(self.base._sample(sample_shape, stream))

    # ---- sums over outcomes ----------------------------------------------------------------------------------------------

    def _breaks(self):
        found = []
        for group in self._mixture()._groups:
            logs = ops.reshape(numerics.as_tensor(_log_tails()), (-1, *(1,) * (len(group.batch_shape) + 1)))
            other = numerics.safe_log1p(-ops.exp(logs))
            log_lower, log_upper = ops.concatenate([logs, other]), ops.concatenate([other, logs])
            found.append(components_first(group._quantile(log_lower, log_upper)))
        found = numerics.finite_place(self._forward(ops.concatenate(found, axis=0)))
        # a heavy tail spans orders of magnitude between the quantiles of one component
        half = numerics.as_tensor([math.log(0.5)])
        centre = self.base._quantile(half, half)
        shares = ops.reshape(numerics.as_tensor(np.linspace(0.0, 1.0, _SPREAD)), (-1, *(1,) * len(centre.shape)))
        below, above = centre - ops.min(found, axis=0), ops.max(found, axis=0) - centre
        near, far = [
            side * self.step * (numerics.floor(distance / self.step, 1.0) ** shares)
            for side, distance in ((-1.0, below), (1.0, above))
        ]
        return ops.stop_gradient(ops.concatenate([found, centre + near, centre + far], axis=0))

    def _ends(self, breaks):
        """(the point where sums over outcomes end, whether it is the lower one) of each end but the least outcome."""
        ends = [(ops.max(breaks, axis=0), False)]
        return ends if self.lowest is not None else [(ops.min(breaks, axis=0), True), *ends]

    def _crps(self, y):
        breaks = self._held()._breaks()
        at = ops.stop_gradient(y)
        beyond = [scores.crps_beyond(self.base, end + 0.0 * at, at, below) for end, below in self._ends(breaks)]
        return grid.crps(self, y, breaks) + sum(beyond)

    def _moments(self):
        """(mean, variance), `(*batch, 1)` each; for a mixture, `_each_moments` needs a K-th of the tails."""
        half = numerics.as_tensor([math.log(0.5)])
        held = self._held()
        centre = held._cell(held.base._quantile(half, half))
        breaks = held._breaks()

        def second(k, tail, above):
            return tail * ops.where(above, 2.0 * (k - centre) + 1.0, 2.0 * (centre - k) - 1.0)

        # the moments of Y / step about the centre
        first = grid.total(self, centre, breaks, lambda k, tail, above: ops.where(above, tail, -tail))
        square = grid.total(self, centre, breaks, second)
        for end, below in self._ends(breaks):
            one, two = scores.moments_beyond(self.base, end, self.step * centre, below)
            first, square = first + one / self.step, square + two / self.step**2
        return self._near_the_base(self.step * (centre + first), self.step**2 * (square - ops.square(first)))

    def _near_the_base(self, mean, variance):
        """Moments that deviate from those of the base by no more than rounding may move them.

        Rounding moves a draw by half a step at most, and so its mean and its standard deviation. In tails as heavy as those of a
        log-normal whose scale is 8, most of a mean lies where sums over outcomes are rough, and the base has a closed form.
        """
        mean_of_base, variance_of_base = self.base._mean(), self.base._variance()
        has_mean, has_variance = ops.isfinite(mean_of_base), ops.isfinite(variance_of_base)
        place, square = ops.where(has_mean, mean_of_base, 0.0), ops.where(has_variance, variance_of_base, 1.0)
        half = 0.5 * self.step
        deviation = ops.sqrt(numerics.floor(square))  # a variance that underflows has a gradient, too
        least, most = numerics.floor(deviation - half, 0.0), deviation + half
        # what lies below the cell of the least outcome moves further than rounding moves it
        moved_up = self._base_begins() < self._grid[1] - half
        mean = ops.where(moved_up, mean, numerics.within(mean, place - half, place + half))
        variance = ops.where(moved_up, variance, numerics.within(variance, ops.square(least), ops.square(most)))
        return ops.where(has_mean, mean, mean_of_base), ops.where(has_variance, variance, variance_of_base)

    def _base_begins(self):
        """The lower end of the support of the base, which is a family or a Transformed of one, as a tensor."""
        if isinstance(self.base, Transformed):
            return numerics.as_tensor(self.base.bijection.forward(self.base.base._begins))
        return numerics.as_tensor(self.base._begins)

    def _each_moments(self):
        """(weights `(*batch, K, 1)`, means `(*batch, K, 1)`, variances `(*batch, K, 1)`) of the rounded components."""
        mixture, curved = self._mixture(), isinstance(self.base, Transformed)
        bases = [self.base._with_base(group) if curved else group for group in mixture._groups]
        each = [self._new(base, self.step, self.lowest)._moments() for base in bases]
        return ops.expand_dims(mixture.weights, -1), *(
            ops.concatenate(side, axis=-2) for side in zip(*each, strict=True)
        )

    def _covariance(self):
        return ops.expand_dims(self._variance(), -1)

    def _mode(self):
        points = numerics.finite_place(self._forward(modes.line_points(self._mixture(), components_first)))
        return modes.on_grid(self, self.step * self._cell(points))

    def _marginal(self, dims):
        return self

    def _with_temperature(self, component, variance):
        return self._new(self.base._with_temperature(component, variance), self.step, self.lowest)


def _log_tails() -> np.ndarray:
    """Logs of tail probabilities, whose quantiles are break points of sums, which need finer cells than quadrature does."""
    levels = scores.crps_levels()
    logs = np.log(np.concatenate([levels, np.sqrt(levels[1:] * levels[:-1])]))
    return np.append(logs, _DEEPEST_LOG)


def _checked(step, lowest) -> dict:
    """`step` and `lowest` as floats, or an error."""
    if not (isinstance(step, int | float) and 0.0 < step < math.inf):
        raise ValueError(f"`step` of Rounded must be a positive number such as 1.0, but {step!r} came.")
    if lowest is None:
        return {"step": float(step), "lowest": None}
    if not (isinstance(lowest, int | float) and math.isclose(lowest / step, round(lowest / step), abs_tol=1e-9)):
        raise ValueError(f"`lowest` of Rounded must be None or a multiple of the step {step:g}, but {lowest!r} came.")
    return {"step": float(step), "lowest": float(lowest)}


@serializable
class RoundedSpec(BasedSpec):
    """Parameters of a `Rounded`: those of its base.

    Args:
        spec: The spec of the base, such as `MixtureSpec(NormalSpec(1), 5)`.
        step: The distance between neighbouring outcomes.
        lowest: The least outcome, or None.

    Raises:
        TypeError: if `spec` is no spec of continuous numbers.
        ValueError: if it has several coordinates, `step` is not positive, or `lowest` not a multiple of it.

    Example:
        >>> import mdn
        >>> mdn.RoundedSpec(mdn.MixtureSpec(mdn.NormalSpec(1), 5), lowest=0).params_size
        15
    """

    def __init__(self, spec: Spec, step: float = 1.0, lowest: float | None = None):
        if not isinstance(spec, Spec):
            raise TypeError(f"`spec` of RoundedSpec must be a spec such as NormalSpec(1), but {spec!r} came.")
        self.spec = spec
        self.step, self.lowest = _checked(step, lowest).values()
        Rounded(spec(np.ones((1, spec.params_size), "float32")), step, lowest)

    def _from_blocks(self, blocks):
        return Rounded._new(self.spec._from_blocks(blocks), self.step, self.lowest)

    def _inside(self, y) -> np.ndarray:
        """Targets as numbers in the middle of their cells; that of the lowest outcome may begin at it."""
        y = np.asarray(y, "float64")
        k = np.round(y / self.step)
        wrong = y[np.abs(y - k * self.step) > 1e-6 * np.abs(y)]
        if len(wrong):
            raise ValueError(
                f"targets of {self!r} must be multiples of {self.step:g}, but {wrong[0]:g} came: round them."
            )
        if self.lowest is None:
            return y
        if np.any(y < self.lowest):
            raise ValueError(f"targets of {self!r} must not be below {self.lowest:g}, but {np.nanmin(y):g} came.")
        return np.maximum(y, self.lowest + 0.25 * self.step)

    def scaling(self, y):
        return self.spec.scaling(self._inside(y))

    def starting_biases(self, y=None, seed=0):
        return self.spec.starting_biases(None if y is None else self._inside(y), seed)

    def get_config(self):
        return {"spec": keras.saving.serialize_keras_object(self.spec), "step": self.step, "lowest": self.lowest}

    def __repr__(self):
        return f"RoundedSpec({self.spec!r}, step={self.step:g}, lowest={self.lowest})"
