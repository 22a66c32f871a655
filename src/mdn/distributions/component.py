"""Component: the base class of families, with the methods that a Mixture needs beyond those of any distribution."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

from keras import ops

from mdn import numerics
from mdn.distributions import intervals, scores, univariate
from mdn.distributions.distribution import Distribution


def parameter(event_rank: int = 1, *, positive: bool = False, shared: bool = False, endless: bool = False) -> Any:
    """Declares a parameter of a family, as a dataclass field.

    Args:
        event_rank: How many of its last axes belong to the event: 1 for a vector, 2 for a matrix.
        positive: Whether each entry must be above 0.
        shared: Whether its last axis may be 1, so that one number serves all coordinates.
        endless: Whether an entry may be infinite.
    """
    metadata = {"event_rank": event_rank, "positive": positive, "shared": shared, "endless": endless}
    return dataclasses.field(metadata=metadata)


class Component(Distribution):
    """A family of distributions, with all methods that `Mixture`, `modes` and the scores call.

    A family declares its parameters as fields (`parameter`) and writes those of the methods below that have a meaning for it;
    the others raise a ValueError. Shapes: `y` is `(..., D)` and broadcasts against the parameters.
    """

    _closed_crps = False
    """Whether `_absolute_deviation` and `_absolute_difference` have a closed form; else the CRPS is computed by quadrature."""
    _pulls_by_matrix = False
    """Whether `_pull` returns matrices, because coordinates are correlated."""
    _modes_of_log = False
    """Whether modes of mixtures are found along log y; see `_pull`."""
    _begins: ClassVar[Any] = -math.inf
    """The lower end of the support: a number, or one of each coordinate, `(*batch, D)`."""

    # ---- parameters ------------------------------------------------------------------------------------------------

    def _ranks(self) -> list[int]:
        """How many of the last axes of each parameter belong to the event."""
        return [field.metadata["event_rank"] for field in dataclasses.fields(self)]  # type: ignore[arg-type]

    @property
    def event_size(self) -> int:
        return self._tensors()[0].shape[-1]

    @property
    def batch_shape(self) -> tuple:
        tensor, rank = self._tensors()[0], self._ranks()[0]
        return tuple(tensor.shape[: len(tensor.shape) - rank])

    def _map_ranked(self, function):
        """The distribution whose parameters are `function(parameter, its event rank)`."""
        return self._new(*map(function, self._tensors(), self._ranks()))

    def _with_axis(self, before: int = 0):
        """The distribution with a new batch axis of length 1, with `before` batch axes after it."""
        return self._map_ranked(lambda tensor, rank: ops.expand_dims(tensor, -1 - rank - before))

    def _expanded(self, batch: tuple):
        """The distribution broadcast to the batch shape `batch`."""
        if self.batch_shape == batch:
            return self
        return self._map_ranked(
            lambda tensor, rank: ops.broadcast_to(tensor, (*batch, *tuple(tensor.shape)[len(tensor.shape) - rank :]))
        )

    def _signature(self) -> tuple:
        """The family and the shapes of the event's axes: components that share them fit into one array."""
        shapes = map(lambda t, rank: tuple(t.shape)[len(t.shape) - rank :], self._tensors(), self._ranks())
        return (type(self), *shapes)

    # ---- densities and moments ---------------------------------------------------------------------------------------

    def _moments_about(self, center):
        """First and second moments of `Y - center` for each coordinate, `(..., D)` each; `center` is not NaN."""
        first = self._mean() - center
        return first, self._variance() + ops.square(first)

    def _resultant(self):
        """The length, for angles, of the mean of the unit vectors, `(*batch, D)`, from 0 (uniform) to 1 (a point)."""
        raise self._lacks("mean")

    def _log_prob_each(self, y):
        """Log density of each coordinate, `(..., D)`, of a family whose coordinates are independent."""
        if self.event_size > 1:
            raise ValueError(
                f"an Interval needs coordinates that are independent within a component, but those of {type(self).__name__} are "
                'correlated: use covariance="diagonal", or one target.'
            )
        return ops.expand_dims(self._log_prob(y), -1)

    def _log_prob_of_sets(self, lower, upper):
        """log P(lower < Y <= upper) of each coordinate, the log density where both are equal, `(..., D)`; there is no NaN."""
        return intervals.log_prob_each(self, lower, upper, self._log_prob_each)

    def _log_prob_set_observed(self, lower, upper, observed):
        return ops.sum(ops.where(observed, self._log_prob_of_sets(lower, upper), 0.0), axis=-1)

    # ---- one dimension -------------------------------------------------------------------------------------------------

    def _quantile_bounds(self, log_lower, log_upper):
        """A lower and an upper bound of `_quantile`; a mixture searches between the bounds of its components."""
        quantile = self._quantile(log_lower, log_upper)
        return quantile, quantile

    def _tail_power(self):
        """The power of y by which both tails fall, broadcast against `(*batch, D)`; inf if they fall faster than any power.

        A family with a lower end overrides `_tail_laws`, too, and gives inf below.
        """
        return numerics.as_tensor(math.inf)

    def _tail_rate(self):
        """The rate r of the exponential exp(-r y) by which the upper tail falls, as `_tail_power`; inf if faster, 0 if slower."""
        return ops.where(self._tail_power() < math.inf, 0.0, math.inf)

    def _tail_laws(self, y, below):
        mass = ops.exp(self._log_tail(y, below))
        return mass, self._tail_power() + 0.0 * mass, self._tail_rate() + 0.0 * mass

    def _crps(self, y):
        if self._closed_crps:
            return (self._absolute_deviation(y) - 0.5 * self._absolute_difference(self))[..., 0]
        return scores.crps_by_quadrature(self, y, self._held()._breaks())

    def _absolute_deviation(self, y):
        """E|Y - y|, `(..., D)`."""
        raise self._lacks("crps")

    def _absolute_difference(self, other):
        """E|Y - Y'|, `(..., D)`, for an independent Y' from `other`, of the same family."""
        raise self._lacks("crps")

    def _breaks(self):
        """Points between which the distribution function is smooth, `(M, *batch, 1)`, for quadrature."""
        levels = numerics.as_tensor(scores.crps_levels())
        tail = ops.reshape(levels, (-1, *(1,) * (len(self.batch_shape) + 1)))
        points = ops.concatenate(univariate.two_quantiles(self, tail, tail), axis=0)
        return ops.stop_gradient(numerics.finite_place(points))

    # ---- modes of mixtures ---------------------------------------------------------------------------------------------

    def _pull(self, y):
        """How this component pulls the mode of a mixture from `y`: (P, m) such that the gradient of log p is P (m - y).

        P is `(..., D)`, or `(..., D, D)` if `_pulls_by_matrix`, and m `(..., D)`; P must not be negative. For angles P is the
        concentration, m the direction, and the gradient P sin(m - y). If `_modes_of_log`, the gradient by log y is
        P (m - log y); the argument is still `y`, not log y.
        """
        raise ValueError(
            f"mode() of a Mixture of {type(self).__name__} needs event_size=1. Take a marginal first: marginal(0)."
        )

    def _outcomes(self):
        """All outcomes of a discrete family, as a NumPy array `(S, D)`."""
        raise self._lacks("mode")

    # ---- other distributions from this one -------------------------------------------------------------------------

    def _given(self, values, free: tuple, known: tuple):
        """(the distribution of the coordinates `free`, the log density of `values` at the coordinates `known`)."""
        raise self._lacks("condition")

    def _condition(self, values, free, known):
        return self._given(values, free, known)[0]
