"""The contract of every distribution: an immutable value over tensors that knows mathematics and nothing else."""

from __future__ import annotations

import dataclasses
import inspect
import math

import numpy as np
from keras import ops

from mdn import backend, numerics
from mdn.distributions.arguments import as_shape
from mdn.random import Stream, key_for


class Distribution:
    """A probability distribution over vectors of `event_size` numbers, one for each point of a batch.

    Shapes: `*batch` are any leading axes, `D` is the event size and always the last axis, even if it is 1. All
    logarithms are natural. Values are checked in the public constructor, when they are concrete, and never again.

    A family is a frozen dataclass whose fields are its parameters. It gives `event_size`, `batch_shape`, `_log_prob`,
    `_sample` and what else it knows in closed form; the base class checks and broadcasts. A method that has no meaning
    for a family raises ValueError.
    """

    _circular = False
    _discrete = False
    _labels = False  # outcomes without order, unit or mean
    _pulls_by_matrix = False  # whether coordinates are correlated: see modes.py

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        names = tuple(inspect.get_annotations(cls))
        if names:
            backend.register_pytree(cls, names)

    @classmethod
    def _new(cls, *fields):
        """An instance from fields that are known to be right: no conversion, no check."""
        value = object.__new__(cls)
        for field, content in zip(dataclasses.fields(cls), fields, strict=True):  # type: ignore[arg-type]
            object.__setattr__(value, field.name, content)
        return value

    def _set(self, **fields) -> None:
        for name, content in fields.items():
            object.__setattr__(self, name, content)

    # ---- what a family must say ----------------------------------------------------------------------------------

    @property
    def event_size(self) -> int:
        """`D`, the number of coordinates of one draw."""
        raise NotImplementedError

    @property
    def batch_shape(self) -> tuple:
        """The leading axes: one distribution for each of their points."""
        raise NotImplementedError

    @property
    def dtype(self) -> str:
        """The dtype of the parameters."""
        return numerics.float_dtype()

    def _log_prob(self, y):
        raise NotImplementedError

    def _sample(self, sample_shape: tuple, stream: Stream):
        raise NotImplementedError

    # ---- densities -----------------------------------------------------------------------------------------------

    def log_prob(self, y):
        """Log density (log probability where the family is discrete) of `y`, in nats.

        Args:
            y: Shape `(..., D)`, broadcast against the batch; extra leading axes are allowed.
        Returns:
            Shape `(*batch,)` after broadcasting. -inf outside the support or beyond float, never NaN for finite `y`.
        Raises:
            ValueError: if the last axis of `y` is not `D`.
        """
        return self._run("_log_prob", self._as_event(y))

    def prob(self, y):
        """Density of `y`: exp of `log_prob`; it may exceed 1."""
        return ops.exp(self.log_prob(y))

    def log_prob_observed(self, y):
        """Log density of those coordinates of `y` that are not NaN: the exact marginal; 0 where all are missing.

        Args:
            y: Shape `(..., D)`; NaN marks a missing coordinate.
        Returns:
            Shape `(*batch,)`.
        """
        return self._run("_log_prob_of_missing", self._as_event(y))

    def _log_prob_of_missing(self, y):
        return self._log_prob_observed(*numerics.split_missing(y))

    def _log_prob_observed(self, y, observed):
        """`y` is free of NaN; `observed` is boolean, of the same shape."""
        raise NotImplementedError

    # ---- moments -------------------------------------------------------------------------------------------------

    def mean(self):
        """Expected value, shape `(*batch, D)`; for angles the mean direction; NaN where it does not exist."""
        self._require_scale("mean")
        return self._run("_mean")

    def variance(self):
        """Variance of each coordinate, shape `(*batch, D)`; inf where it is infinite."""
        self._require_scale("variance")
        return self._run("_variance")

    def covariance(self):
        """Covariance matrix, shape `(*batch, D, D)`."""
        self._require_scale("covariance")
        return self._run("_covariance")

    def mode(self):
        """The point of highest density, shape `(*batch, D)`."""
        return self._run("_mode")

    def _mean(self):
        raise NotImplementedError

    def _variance(self):
        raise NotImplementedError

    def _covariance(self):
        raise NotImplementedError

    def _mode(self):
        raise NotImplementedError

    # ---- draws ---------------------------------------------------------------------------------------------------

    def sample(self, sample_shape=(), seed=None):
        """Independent draws, shape `(*sample_shape, *batch, D)`, differentiable by the parameters where that exists.

        Args:
            sample_shape: An int or a tuple of ints.
            seed: None, an int, a `keras.random.SeedGenerator` or a stateless key. Inside jit or scan only a key will
                do, split anew at each step.
        Raises:
            ValueError: if an int or None comes while JAX is tracing: the same draws would come at each call.
        """
        key = key_for(seed, *self._tensors())
        return self._run("_sample_with", key, static=(as_shape(sample_shape, "sample_shape"),))

    def _sample_with(self, key, sample_shape):
        return self._sample(sample_shape, Stream(key))

    # ---- one dimension -------------------------------------------------------------------------------------------

    def cdf(self, y):
        """P(Y <= y), shape `(*batch,)`; only for D = 1."""
        return ops.exp(self.log_cdf(y))

    def log_cdf(self, y):
        """log P(Y <= y), exact in the lower tail; only for D = 1."""
        self._require_line("log_cdf")
        return self._run("_log_tail", self._as_event(y), static=(True,))

    def log_survival(self, y):
        """log P(Y > y), exact in the upper tail; only for D = 1."""
        self._require_line("log_survival")
        return self._run("_log_tail", self._as_event(y), static=(False,))

    def _log_tail(self, y, below):
        """log P(Y <= y) where `below`, log P(Y > y) elsewhere: of the two a search needs one at a time.

        Args:
            y: Shape `(..., 1)`.
            below: A bool, or booleans of shape `(..., 1)`.
        Returns:
            Shape `(...,)`.
        """
        raise NotImplementedError

    def quantile(self, q):
        """The y with P(Y <= y) = q, to float precision in the tails too; only for D = 1.

        Args:
            q: Probabilities in [0, 1], any shape; it broadcasts like a sample shape.
        Returns:
            Shape `(*q.shape, *batch, 1)`, differentiable by `q` and by the parameters.
        Raises:
            ValueError: if a `q` lies outside [0, 1], or D > 1.
        """
        self._require_line("quantile")
        q = numerics.as_tensor(q)
        numerics.check(
            lambda: ops.logical_and(q >= 0.0, q <= 1.0),
            "`q` must lie in [0, 1]: it is a probability such as 0.05, not a percentage.",
            q,
        )
        q = ops.reshape(q, (*q.shape, *(1,) * (len(self.batch_shape) + 1)))
        return self._run("_quantile_at", q)

    def _quantile(self, log_lower, log_upper):
        """The quantile from the logs of the probability below and above it, so that neither tail is rounded."""
        raise NotImplementedError

    def _quantile_at(self, q):
        return self._quantile(numerics.safe_log(q), numerics.safe_log1p(-q))

    def interval(self, coverage):
        """The central interval that holds `coverage` of the probability, as much outside below as above; D = 1.

        Args:
            coverage: In (0, 1), any shape; it broadcasts like a sample shape.
        Returns:
            `(lower, upper)`, each `(*coverage.shape, *batch, 1)`.
        """
        return self._run("_central", self._as_coverage(coverage, "interval"))

    def _central(self, coverage):
        from mdn.distributions import univariate

        tail = 0.5 * (1.0 - ops.reshape(coverage, (*coverage.shape, *(1,) * (len(self.batch_shape) + 1))))
        return univariate.two_quantiles(self, tail, tail)  # 1 - tail would round away a short upper tail

    def hdi(self, coverage):
        """The shortest interval that holds `coverage` of the probability; only for D = 1.

        Args:
            coverage: In (0, 1), any shape; it broadcasts like a sample shape.
        Returns:
            `(lower, upper)`, each `(*coverage.shape, *batch, 1)`.
        """
        return self._run("_shortest", self._as_coverage(coverage, "hdi"))

    def _shortest(self, coverage):
        from mdn.distributions import univariate

        return univariate.shortest_interval(self, coverage)

    # ---- scores --------------------------------------------------------------------------------------------------

    def crps(self, y):
        """Continuous ranked probability score of `y`, in the unit of the data; lower is better.

        CRPS(F, y) = ∫ (F(x) - 1{x >= y})² dx = E|Y - y| - E|Y - Y'| / 2.

        Args:
            y: Shape `(..., 1)`.
        Returns:
            Shape `(*batch,)`.
        Raises:
            ValueError: if the event size is not 1: see `energy_score`.
        Reference:
            Gneiting and Raftery (2007), Strictly proper scoring rules, prediction, and estimation.
        """
        self._require_line("crps", instead="energy_score is its extension to vectors.")
        return self._run("_crps", self._as_event(y))

    def _power_tails(self, y, below):
        """(mass below or above y, the power by which it falls), each `(..., components)`; inf: faster than any power."""
        mass = ops.exp(self._log_tail(y, below))[..., None]
        return mass, self._tail_power() + 0.0 * mass

    def _tail_power(self):
        return numerics.as_tensor(math.inf)

    def _crps(self, y):
        raise NotImplementedError

    def energy_score(self, y, num_samples: int = 256, seed=None):
        """Energy score E‖Y - y‖ - E‖Y - Y'‖ / 2 by simulation, in the unit of the data; lower is better.

        An unbiased U-statistic of `num_samples` draws, the same draws for all leading axes of `y`; memory grows with
        the square of `num_samples`.

        Args:
            y: Shape `(..., D)`.
            num_samples: How many draws, at least 2.
            seed: As in `sample`.
        Returns:
            Shape `(*batch,)`.
        Reference:
            Gneiting and Raftery (2007), section 4.3.
        """
        if num_samples < 2:
            raise ValueError(
                f"`num_samples` must be at least 2, since pairs of draws are compared; {num_samples} came."
            )
        self._require_scale("energy_score")
        return self._run("_energy_score", self._as_event(y), Stream(seed).key(), static=(int(num_samples),))

    def _energy_score(self, y, key, num_samples, observed=None):
        """`observed` (booleans like `y`, which is 0 elsewhere) leaves out coordinates: the score of the marginal."""
        draws = self._sample((num_samples,), Stream(key))
        if observed is not None:
            draws = draws * ops.cast(observed, self.dtype)
        y = self._over_batch(y)
        extra = max(len(y.shape) - len(self.batch_shape) - 1, 0)
        lifted = ops.reshape(draws, (num_samples, *(1,) * extra, *ops.shape(draws)[1:]))
        to_target = ops.mean(euclidean(lifted - y), axis=0)
        pairs = ops.sum(euclidean(ops.expand_dims(draws, 0) - ops.expand_dims(draws, 1)), axis=(0, 1))
        return to_target - 0.5 * pairs / (num_samples * (num_samples - 1))

    def responsibilities(self, y):
        """P(component k | y), shape `(*batch, K)`; only a Mixture has components."""
        raise ValueError(
            f"responsibilities() needs a Mixture, but a {type(self).__name__} has no components. Use log_prob."
        )

    def _over_batch(self, y):
        """y (..., D) spread over the batch: TensorFlow broadcasts over a few groups of axes only, so not all at once."""
        shape = (*self.batch_shape, self.event_size)
        return y if None in (*shape, *y.shape) else ops.broadcast_to(y, np.broadcast_shapes(tuple(y.shape), shape))

    # ---- other distributions from this one -----------------------------------------------------------------------

    def marginal(self, dims):
        """The distribution of some coordinates.

        Args:
            dims: An int or a sequence of distinct ints; the result has them in this order.
        """
        return self._run("_marginal", static=(self._as_dims(dims),))

    def _marginal(self, dims):
        raise NotImplementedError

    def condition(self, given: dict):
        """The distribution of the other coordinates once some are known, exact for any set of them.

        Args:
            given: `{coordinate: value}`; values broadcast to the batch.
        Returns:
            A distribution of the remaining coordinates in ascending order; itself if `given` is empty.
        Raises:
            ValueError: if a coordinate does not exist, or if none remains.
        """
        given = {self._as_dims(dim)[0]: value for dim, value in dict(given).items()}
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
        return self._run("_condition", values, static=(free, known))

    def _condition(self, values, free, known):
        """`values` has shape (*batch, len(known)). Independent coordinates do not learn from one another."""
        return self._marginal(free)

    def with_temperature(self, component=1.0, variance=1.0):
        """The distribution sharpened (below 1) or flattened (above 1).

        Args:
            component: Divides the logits of whatever is discrete: mixture weights, classes, pens.
            variance: Multiplies every variance: scales by its square root, a concentration by its inverse.
        Raises:
            ValueError: if one is negative or NaN.
        """
        for name, value in (("component", component), ("variance", variance)):
            tensor = numerics.as_tensor(value)
            numerics.check(
                lambda tensor=tensor: tensor >= 0.0, f"`{name}` must not be negative, but {value} came.", tensor
            )
        return self._with_temperature(component, variance)

    def _with_temperature(self, component, variance):
        raise NotImplementedError

    def __getitem__(self, index):
        """The distributions at `index` of the batch, as NumPy would index an array of them."""
        index = index if isinstance(index, tuple) else (index,)
        rank = len(self.batch_shape)
        if Ellipsis in index:
            at = index.index(Ellipsis)
            taken = sum(part is not None for part in index) - 1
            index = index[:at] + (slice(None),) * (rank - taken) + index[at + 1 :]
        if sum(part is not None for part in index) > rank:
            raise IndexError(f"the batch has {rank} axes, {self.batch_shape}, but the index {index} names more.")
        return self._index(index)

    def _index(self, index):
        raise NotImplementedError

    def __iter__(self):
        if not self.batch_shape:
            raise TypeError(f"this {type(self).__name__} has no batch to iterate over; its batch_shape is ().")
        return (self[i] for i in range(self.batch_shape[0]))

    def __len__(self):
        if not self.batch_shape:
            raise TypeError(f"this {type(self).__name__} has no batch, hence no length.")
        return self.batch_shape[0]

    def __bool__(self):
        return True

    def __repr__(self):
        return f"{type(self).__name__}(batch_shape={self.batch_shape}, event_size={self.event_size})"

    # ---- helpers -------------------------------------------------------------------------------------------------

    def _run(self, method: str, *tensors, static: tuple = ()):
        """self.method(*tensors, *static), compiled on JAX."""
        backend.use()
        return _call(self, *tensors, method=method, static=static)

    def _tensors(self):
        return [getattr(self, field.name) for field in dataclasses.fields(self)]  # type: ignore[arg-type]

    def _as_event(self, y):
        y = numerics.as_tensor(y)
        size = self.event_size
        if len(y.shape) == 0 or y.shape[-1] != size:
            hint = " A univariate target keeps its last axis: y[..., None]." if size == 1 else ""
            raise ValueError(f"`y` must end in an axis of event_size={size}, but its shape is {tuple(y.shape)}.{hint}")
        return y

    def _as_dims(self, dims) -> tuple[int, ...]:
        dims = (dims,) if isinstance(dims, int | np.integer) else tuple(dims)
        for dim in dims:
            if (
                not isinstance(dim, int | np.integer)
                or isinstance(dim, bool)
                or not -self.event_size <= dim < self.event_size
            ):
                raise ValueError(
                    f"there is no coordinate {dim!r} in an event of size {self.event_size}: "
                    f"name ints from 0 to {self.event_size - 1}."
                )
        dims = tuple(int(dim) % self.event_size for dim in dims)
        if not dims or len(set(dims)) != len(dims):
            raise ValueError(f"coordinates must be distinct and at least one, but {dims} came.")
        return dims

    def _as_coverage(self, coverage, method):
        self._require_line(method)
        coverage = numerics.as_tensor(coverage)
        numerics.check(
            lambda: ops.logical_and(coverage > 0.0, coverage < 1.0),
            "`coverage` must lie in (0, 1): 0.9 for a 90 % interval.",
            coverage,
        )
        return coverage

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

    def _kind(self) -> str:
        return (
            f"{type(self).__name__}, whose outcomes are labels or bits without a scale"
            if self._discrete
            else type(self).__name__
        )


@backend.compiled(static=("method", "static"))
def _call(distribution, *tensors, method, static):
    return getattr(distribution, method)(*tensors, *static)


def euclidean(x):
    """Norm over the last axis, with gradient 0 at the origin; scaled first so that squares stay within float."""
    largest = ops.stop_gradient(ops.max(ops.abs(x), axis=-1, keepdims=True))
    unit = numerics.floor(largest)
    squares = ops.sum(ops.square(x / unit), axis=-1)
    zero = squares == 0.0
    return ops.where(zero, 0.0, ops.sqrt(ops.where(zero, 1.0, squares))) * unit[..., 0]
