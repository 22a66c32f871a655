"""Distribution: the methods of every distribution, an immutable value over tensors with no state but its parameters."""

from __future__ import annotations

import numpy as np
from keras import ops

from mdn import numerics
from mdn.distributions import intervals, scores, univariate
from mdn.distributions.arguments import as_coverage, as_event, as_probability, as_shape, checked_dims
from mdn.distributions.intervals import Interval
from mdn.distributions.value import Value
from mdn.random import Draws, key_for


class Distribution(Value):
    """A probability distribution over vectors of `event_size` numbers, one for each point of a batch.

    Shapes: `*batch` are any leading axes, `D` is the event size and always the last axis, even if it is 1. All
    logarithms are natural. The public constructor checks values, if they are concrete; nothing checks them again.
    A distribution is a frozen dataclass (`value`) of its parameters. A public method checks its arguments and runs one with an
    underscore, such as `_log_prob`, compiled on JAX; a subclass writes these. One without a meaning raises a ValueError.

    Example:
        >>> import mdn
        >>> normal = mdn.Normal([0.0], [2.0])
        >>> isinstance(normal, mdn.Distribution), normal.event_size, normal.batch_shape
        (True, 1, ())
        >>> round(float(normal.cdf([0.0])), 2)
        0.5
    """

    _circular = False
    """Whether coordinates are angles."""
    _discrete = False
    """Whether outcomes are labels or bits: then there are no quantiles and no CRPS."""
    _labels = False
    """Whether outcomes have neither order nor unit: then there is no mean either."""
    _grid: tuple[float, float] | None = None
    """(step, least outcome or -inf) of outcomes on a grid, such as counts; their `log_prob` is a log probability."""

    # ---- methods that a family must write ------------------------------------------------------------------------

    def _log_prob(self, y):
        """Log density of `y` `(..., D)`, shape `(...,)`."""
        raise self._lacks("log_prob")

    def _sample(self, sample_shape: tuple, stream: Draws):
        """Draws `(*sample_shape, *batch, D)`."""
        raise self._lacks("sample")

    # ---- densities -----------------------------------------------------------------------------------------------

    def log_prob(self, y):
        """Log density (log probability if outcomes are labels, bits or counts) of `y`, in nats.

        Args:
            y: Shape `(..., D)`, broadcast against the batch; extra leading axes are allowed. Of an `Interval` it is the log of
                the probability between the bounds.
        Returns:
            Shape `(*batch,)` after broadcasting; -inf outside the support or where float underflows, never NaN for finite `y`.
        Raises:
            ValueError: if the last axis of `y` is not `D`, or an Interval comes where coordinates are correlated or unordered.
        """
        if isinstance(y, Interval):
            return self._run(self._log_prob_of_interval, *self._as_bounds(y))
        return self._run(self._log_prob, self._as_event(y))

    def prob(self, y):
        """Density of `y`: exp of `log_prob`; it may exceed 1."""
        return ops.exp(self.log_prob(y))

    def log_prob_observed(self, y):
        """Log density of the coordinates of `y` that are not NaN, by their exact marginal; 0 if all are missing.

        Args:
            y: Shape `(..., D)`; NaN marks a missing coordinate.
        """
        return self._run(self._log_prob_of_missing, self._as_event(y))

    def _log_prob_of_interval(self, lower, upper):
        return self._log_prob_set_observed(*intervals.split_missing(lower, upper))

    def _log_prob_set_observed(self, lower, upper, observed):
        """log P(lower < Y <= upper) of the observed coordinates (booleans), a density where both are equal; shape `(...,)`."""
        raise self._lacks("log_prob")

    def _log_prob_of_missing(self, y):
        return self._log_prob_observed(*numerics.split_missing(y))

    def _log_prob_observed(self, y, observed):
        """Log density of the observed coordinates, shape `(...,)`; `y` has no NaN, `observed` holds booleans of its shape."""
        raise self._lacks("log_prob_observed")

    # ---- moments -------------------------------------------------------------------------------------------------

    def mean(self):
        """Expected value, shape `(*batch, D)`; for angles the mean direction; NaN where it does not exist."""
        self._require_scale("mean")
        return self._run(self._mean, event_axes=1)

    def variance(self):
        """Variance of each coordinate, shape `(*batch, D)`; inf where it is infinite."""
        self._require_scale("variance")
        return self._run(self._variance, event_axes=1)

    def covariance(self):
        """Covariance matrix, shape `(*batch, D, D)`."""
        self._require_scale("covariance")
        return self._run(self._covariance, event_axes=2)

    def mode(self):
        """The point of highest density, shape `(*batch, D)`."""
        return self._run(self._mode, event_axes=1)

    def _mean(self):
        raise self._lacks("mean")

    def _variance(self):
        raise self._lacks("variance")

    def _covariance(self):
        raise self._lacks("covariance")

    def _mode(self):
        raise self._lacks("mode")

    # ---- draws ---------------------------------------------------------------------------------------------------

    def sample(self, sample_shape=(), seed=None):
        """Independent draws, shape `(*sample_shape, *batch, D)`, differentiable by the parameters if the family allows it.

        Args:
            sample_shape: An int or a tuple of ints.
            seed: None, an int, a `keras.random.SeedGenerator` or a stateless key. Inside jit or scan only a key
                works; split it at each step.
        Raises:
            ValueError: if `seed` is an int or None while JAX is tracing, since each call would give the same draws.
        """
        key = key_for(seed, *self._tensors())
        return self._run(self._sample_with, key, static=(as_shape(sample_shape, "sample_shape"),), event_axes=1)

    def _sample_with(self, key, sample_shape):
        return self._sample(sample_shape, Draws(key))

    # ---- one dimension -------------------------------------------------------------------------------------------

    def cdf(self, y):
        """P(Y <= y), shape `(*batch,)`; only for D = 1."""
        return ops.exp(self.log_cdf(y))

    def log_cdf(self, y):
        """log P(Y <= y), exact in the lower tail; only for D = 1."""
        self._require_line("log_cdf")
        return self._run(self._log_tail_of_one, self._as_event(y), static=(True,))

    def log_survival(self, y):
        """log P(Y > y), exact in the upper tail; only for D = 1."""
        self._require_line("log_survival")
        return self._run(self._log_tail_of_one, self._as_event(y), static=(False,))

    def _log_tail(self, y, below):
        """log P(Y <= y) where `below` is true, else log P(Y > y), for each coordinate; a search needs only one of them at a time.

        Args:
            y: Shape `(..., D)`.
            below: A bool, or booleans of the shape of `y`.
        Returns:
            Shape `(..., D)`.
        """
        raise self._lacks("log_cdf")

    def _log_tail_of_one(self, y, below):
        return self._log_tail(y, below)[..., 0]

    def quantile(self, q):
        """The y with P(Y <= y) = q, to float precision in the tails too, of counts the least with P(Y <= y) >= q; only for D = 1.

        Args:
            q: Probabilities in [0, 1], any shape; it broadcasts like a sample shape.
        Returns:
            Shape `(*q.shape, *batch, 1)`, differentiable by `q` and by the parameters.
        Raises:
            ValueError: if a `q` lies outside [0, 1], or D > 1.
        """
        self._require_line("quantile")
        return self._run(self._quantile_at, as_probability(q), event_axes=1)

    def _quantile(self, log_lower, log_upper):
        """The quantile of each coordinate, from the logs of the probability below and above it, so that no tail is rounded."""
        raise self._lacks("quantile")

    def _quantile_at(self, q):
        q = ops.reshape(q, (*q.shape, *(1,) * (len(self.batch_shape) + 1)))
        return self._quantile(numerics.safe_log(q), numerics.safe_log1p(-q))

    def interval(self, coverage):
        """The interval that holds `coverage` of the probability, with equal shares below and above it; only for D = 1.

        Args:
            coverage: A number in (0, 1), any shape; it broadcasts like a sample shape.
        Returns:
            `(lower, upper)`, each `(*coverage.shape, *batch, 1)`.
        """
        return self._run(self._interval, self._as_coverage(coverage, "interval"), event_axes=1)

    def _interval(self, coverage):
        tail = 0.5 * (1.0 - ops.reshape(coverage, (*coverage.shape, *(1,) * (len(self.batch_shape) + 1))))
        return univariate.two_quantiles(self, tail, tail)  # 1 - tail would round away a short upper tail

    def hdi(self, coverage):
        """The shortest interval that holds `coverage` of the probability; only for D = 1.

        Args:
            coverage: A number in (0, 1), any shape; it broadcasts like a sample shape.
        Returns:
            `(lower, upper)`, each `(*coverage.shape, *batch, 1)`.
        """
        return self._run(self._hdi, self._as_coverage(coverage, "hdi"), event_axes=1)

    def _hdi(self, coverage):
        return univariate.shortest_interval(self, coverage, self._log_prob)

    # ---- scores --------------------------------------------------------------------------------------------------

    def crps(self, y):
        """Continuous ranked probability score of `y`, in the unit of the data; lower is better.

        CRPS(F, y) = ∫ (F(x) - 1{x >= y})² dx = E|Y - y| - E|Y - Y'| / 2.

        Args:
            y: Shape `(..., 1)`.
        Returns:
            Shape `(*batch,)`.
        Raises:
            ValueError: if the event size is not 1; use `energy_score`.
        Reference:
            Gneiting and Raftery (2007), Strictly proper scoring rules, prediction, and estimation.
        """
        self._require_line("crps", instead="energy_score is its extension to vectors.")
        return self._run(self._crps, self._as_event(y), event_axes=0)

    def _crps(self, y):
        raise self._lacks("crps")

    def _tail_laws(self, y, below):
        """(mass below or above y `(..., 1)`, its `_tail_power`, its `_tail_rate`), each `(..., components)`."""
        raise self._lacks("crps")

    def energy_score(self, y, num_samples: int = 256, seed=None):
        """Energy score E‖Y - y‖ - E‖Y - Y'‖ / 2 by simulation, in the unit of the data; lower is better.

        It is an unbiased U-statistic of `num_samples` draws, which all leading axes of `y` share; memory grows with the
        square of `num_samples`.

        Args:
            y: Shape `(..., D)`.
            num_samples: How many draws, at least 2.
            seed: As in `sample`.
        Returns:
            Shape `(*batch,)`.
        Raises:
            ValueError: if `num_samples` is below 2, the last axis of `y` is not `D`, or outcomes are classes, which have no unit.
        Reference:
            Gneiting and Raftery (2007), section 4.3.
        """
        if num_samples < 2:
            raise ValueError(
                f"`num_samples` must be at least 2, since pairs of draws are compared; {num_samples} came."
            )
        self._require_scale("energy_score")
        y = self._as_event(y)
        key = key_for(seed, y, *self._tensors())
        return self._run(self._energy_score, y, key, static=(int(num_samples),), event_axes=0)

    def _energy_score(self, y, key, num_samples, observed=None):
        """The score of the marginal of the coordinates that are `observed` (booleans like `y`); `y` is 0 in the others."""
        draws = self._sample((num_samples,), Draws(key))
        if observed is not None:
            draws = draws * ops.cast(observed, self.dtype)
        return scores.energy_score(draws, self._over_batch(y))

    def responsibilities(self, y):
        """P(component k | y), shape `(*batch, K)`; only a Mixture has components.

        Raises:
            ValueError: if the distribution is not a Mixture.
        """
        raise ValueError(
            f"responsibilities() needs a Mixture, but a {type(self).__name__} has no components. Use log_prob."
        )

    def _over_batch(self, y):
        """Broadcasts y (..., D) to the batch first, since TensorFlow cannot broadcast over many groups of axes at once."""
        shape = (*self.batch_shape, self.event_size)
        return y if None in (*shape, *y.shape) else ops.broadcast_to(y, np.broadcast_shapes(tuple(y.shape), shape))

    # ---- other distributions from this one -----------------------------------------------------------------------

    def marginal(self, dims):
        """The distribution of some coordinates.

        Args:
            dims: An int or a sequence of distinct ints; the result has them in this order.
        """
        return self._run(self._marginal, static=(checked_dims(dims, self.event_size),))

    def _marginal(self, dims):
        raise self._lacks("marginal")

    def condition(self, given: dict):
        """The exact distribution of the other coordinates if any set of coordinates is known.

        Args:
            given: `{coordinate: value}`; values broadcast to the batch.
        Returns:
            A distribution of the remaining coordinates in ascending order; this distribution if `given` is empty.
        Raises:
            ValueError: if a coordinate does not exist, or if none remains.
        """
        given = {checked_dims(dim, self.event_size)[0]: value for dim, value in dict(given).items()}
        if not given:
            return self
        if len(given) == self.event_size:
            raise ValueError(
                f"condition() needs at least one coordinate left free, but all {self.event_size} are given. "
                "Use log_prob for the density of a whole point."
            )
        known = tuple(sorted(given))
        free = tuple(dim for dim in range(self.event_size) if dim not in given)
        values = ops.stack(
            [ops.broadcast_to(numerics.as_tensor(given[dim]), self.batch_shape) for dim in known], axis=-1
        )
        return self._run(self._condition, values, static=(free, known))

    def _condition(self, values, free, known):
        """`values` has shape (*batch, len(known)). By default coordinates are independent, and `values` change nothing."""
        return self._marginal(free)

    def with_temperature(self, component=1.0, variance=1.0):
        """The distribution sharpened (below 1) or flattened (above 1).

        Args:
            component: Divides the logits of mixture weights and of discrete families.
            variance: Multiplies every variance: a scale by its square root, a concentration by its inverse.
        Raises:
            ValueError: if one is negative or NaN.
        """
        for name, value in (("component", component), ("variance", variance)):
            tensor = numerics.as_tensor(value)
            numerics.check(lambda tensor: tensor >= 0.0, f"`{name}` must not be negative, but {value} came.", tensor)
        return self._with_temperature(component, variance)

    def _with_temperature(self, component, variance):
        raise self._lacks("with_temperature")

    # ---- helpers -------------------------------------------------------------------------------------------------

    def _as_event(self, y):
        return as_event(y, self.event_size)

    def _as_bounds(self, y: Interval):
        if self._discrete:
            raise ValueError(f"an Interval has no meaning for {self._kind()}.")
        return self._as_event(y.lower), self._as_event(y.upper)

    def _as_coverage(self, coverage, method):
        self._require_line(method)
        return as_coverage(coverage)

    def _require_scale(self, method: str) -> None:
        if self._labels:
            raise self._meaningless(method)

    def _require_line(self, method: str, instead: str = "Take a marginal first: marginal(0).") -> None:
        if self._discrete:
            raise self._meaningless(method)
        if self.event_size != 1:
            raise ValueError(
                f"{method}() needs event_size=1, but this {type(self).__name__} has {self.event_size}. {instead}"
            )

    def _meaningless(self, method: str) -> ValueError:
        return ValueError(f"{method}() has no meaning for {self._kind()}.")

    def _lacks(self, method: str) -> ValueError:
        """The error of a method that a distribution does not write."""
        return ValueError(f"{method}() is not known for {self._kind()}.")

    def _kind(self) -> str:
        return type(self).__name__ + ", whose outcomes are labels or bits without a scale" * self._discrete
