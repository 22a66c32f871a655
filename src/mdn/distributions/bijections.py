"""Bijections: increasing maps from the real line onto a support, each coordinate by itself, on tensors and NumPy arrays."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from mdn import numerics, special
from mdn.distributions.spec import serializable


@dataclass(frozen=True)
class Bijection:
    """An increasing map y = forward(z) from all real numbers onto the interval `support`.

    It is a value of plain numbers: two with equal numbers are equal, and Keras saves it. Its methods work entry by entry: on a
    tensor by the backend, on a NumPy array (or a number) by NumPy, so that targets of float64 keep their precision.

    Example:
        >>> from mdn.distributions import bijections
        >>> issubclass(bijections.Exp, bijections.Bijection)
        True
    """

    @property
    def support(self) -> tuple[Any, Any]:
        """The open interval (low, high) onto which the map leads."""
        raise NotImplementedError

    def forward(self, z):
        """y, between the ends of the support, which it reaches where z is so far out that y is rounded to them."""
        raise NotImplementedError

    def inverse(self, y):
        """The z with forward(z) = y, precise at both ends of the support; without meaning outside it."""
        raise NotImplementedError

    def log_slope(self, z):
        """log dy/dz at `z`, to float precision for any z."""
        raise NotImplementedError

    def _tail_laws(self, power, rate):
        """(power, rate) of the upper tail of y, if that of z falls by this power of z, or an exponential of this rate."""
        return power, rate

    def take(self, dims: tuple[int, ...]) -> Bijection:
        """The bijection of the coordinates `dims`."""
        return self

    def get_config(self) -> dict:
        """What `from_config` needs."""
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict):
        """The bijection whose `get_config` returned `config`."""
        return cls(**config)

    def _check(self, low: float, high: float = math.inf, scale: float = 1.0) -> None:
        for name, number in dataclasses.asdict(self).items():
            object.__setattr__(self, name, float(number))
        if not (math.isfinite(low) and low < high and 0.0 < scale < math.inf):
            raise ValueError(
                f"{self!r} is no bijection: its ends must be finite numbers, the low one first, and its scale positive."
            )


@serializable
@dataclass(frozen=True)
class Identity(Bijection):
    """y = z, on the whole line.

    Example:
        >>> from mdn.distributions.bijections import Identity
        >>> Identity().forward(2.5)
        2.5
    """

    @property
    def support(self):
        return -math.inf, math.inf

    def forward(self, z):
        return z

    def inverse(self, y):
        return y

    def log_slope(self, z):
        return 0.0 * z


@serializable
@dataclass(frozen=True)
class Exp(Bijection):
    """y = low + exp(z): numbers above `low` whose errors are shares of themselves, such as prices.

    Args:
        low: The lower end of the support.

    Raises:
        ValueError: if `low` is not finite.

    Example:
        >>> import mdn
        >>> round(float(mdn.bijections.Exp().inverse(100.0)), 4)
        4.6052
    """

    low: float = 0.0

    def __post_init__(self):
        self._check(self.low)

    @property
    def support(self):
        return self.low, math.inf

    def forward(self, z):
        return self.low + _library(z).exp(z)

    def inverse(self, y):
        return _log(y - self.low)

    def log_slope(self, z):
        return 1.0 * z

    def _tail_laws(self, power, rate):
        return rate, 0.0 * rate


@serializable
@dataclass(frozen=True)
class Softplus(Bijection):
    """y = low + scale · log(1 + exp(z / scale)): numbers above `low` whose errors do not grow with them, such as counts.

    y is about low + z where z is large, and low + scale · exp(z / scale) where it is far below 0.

    Args:
        low: The lower end of the support.
        scale: The distance from `low` below which the line bends, in the unit of y.

    Raises:
        ValueError: if `low` is not finite, or `scale` is not positive.

    Example:
        >>> from mdn.distributions.bijections import Softplus
        >>> round(float(Softplus().forward(0.0)), 4)
        0.6931
    """

    low: float = 0.0
    scale: float = 1.0

    def __post_init__(self):
        self._check(self.low, scale=self.scale)

    @property
    def support(self):
        return self.low, math.inf

    def forward(self, z):
        return self.low + self.scale * special.softplus(z / self.scale, _library(z))

    def inverse(self, y):
        lib, t = _library(y), (y - self.low) / self.scale
        # log(exp(t) - 1): below 1 its log as it stands, above 1 with exp(t) taken out, since that overflows
        near = t < 1.0
        small = _log(lib.expm1(lib.where(near, t, 1.0)))
        u = lib.where(near, 1.0, t)
        return self.scale * lib.where(near, small, u + lib.log1p(-lib.exp(-u)))

    def log_slope(self, z):
        return -special.softplus(-z / self.scale, _library(z))


@serializable
@dataclass(frozen=True)
class Sigmoid(Bijection):
    """y = low + (high - low) / (1 + exp(-z)): numbers between two ends, such as shares.

    Args:
        low, high: The ends of the support.

    Raises:
        ValueError: if they are not finite, or `low` is not below `high`.

    Example:
        >>> from mdn.distributions.bijections import Sigmoid
        >>> round(float(Sigmoid(0.0, 10.0).forward(0.0)), 4)
        5.0
    """

    low: float = 0.0
    high: float = 1.0

    def __post_init__(self):
        self._check(self.low, self.high)
        self._check(-self.high, -self.low)  # the high end is finite, too

    @property
    def support(self):
        return self.low, self.high

    def forward(self, z):
        lib, u = _library(z), special.minus_abs(z, _library(z))
        share = lib.exp(u) / (1.0 + lib.exp(u))  # of the width, from the nearer end, so that no end swallows it
        apart = (self.high - self.low) * share
        return lib.where(z > 0.0, self.high - apart, self.low + apart)

    def inverse(self, y):
        return _log(y - self.low) - _log(self.high - y)

    def log_slope(self, z):
        lib, u = _library(z), special.minus_abs(z, _library(z))
        return math.log(self.high - self.low) + u - 2.0 * lib.log1p(lib.exp(u))


@serializable
@dataclass(frozen=True)
class Each(Bijection):
    """Coordinate d by the bijection d; the last axis of its arguments counts coordinates.

    Args:
        bijections: One for each coordinate.

    Raises:
        TypeError: if one of them is no bijection of one coordinate.

    Example:
        >>> import numpy as np
        >>> from mdn.distributions.bijections import Each, Exp, Identity
        >>> Each((Identity(), Exp())).forward(np.array([2.0, 0.0])).tolist()
        [2.0, 1.0]
    """

    bijections: tuple[Bijection, ...]

    def __post_init__(self):
        object.__setattr__(self, "bijections", tuple(self.bijections))
        for each in self.bijections:
            if not isinstance(each, Bijection) or isinstance(each, Each):
                raise TypeError(f"`bijections` of Each must be bijections such as Exp(), but {each!r} came.")

    @property
    def support(self):
        ends = zip(*(each.support for each in self.bijections), strict=True)
        return tuple(np.array(side) for side in ends)

    def forward(self, z):
        return self._columns("forward", z)

    def inverse(self, y):
        return self._columns("inverse", y)

    def log_slope(self, z):
        return self._columns("log_slope", z)

    def _columns(self, method, x):
        columns = [getattr(each, method)(x[..., d]) for d, each in enumerate(self.bijections)]
        return _library(x).stack(columns, -1)

    def take(self, dims):
        return Each(tuple(self.bijections[d] for d in dims)) if len(dims) > 1 else self.bijections[dims[0]]

    def get_config(self):
        return {"bijections": [keras.saving.serialize_keras_object(each) for each in self.bijections]}

    @classmethod
    def from_config(cls, config):
        return cls(tuple(keras.saving.deserialize_keras_object(each) for each in config["bijections"]))


def checked(bijection, event_size: int) -> Bijection:
    """A bijection, or one for each coordinate, as one Bijection of an event.

    Args:
        bijection: A Bijection, or a tuple or list of them.
        event_size: D.

    Raises:
        TypeError: if something else came.
        ValueError: if there is not one for each coordinate.

    Example:
        >>> from mdn.distributions.bijections import Exp, checked
        >>> checked(Exp(), event_size=1) == Exp()
        True
    """
    each = bijection.bijections if isinstance(bijection, Each) else bijection
    if isinstance(each, Bijection):
        return each
    if not isinstance(each, tuple | list):
        raise TypeError(
            f"`bijection` must be a bijection such as mdn.bijections.Exp(), or a tuple of them, but {each!r} came."
        )
    if len(each) != event_size:
        raise ValueError(
            f"`bijection` must be one, or one for each of {event_size} coordinates, but {len(each)} of them came."
        )
    return Each(tuple(each)).take(tuple(range(event_size)))


def inverse_of_targets(bijection: Bijection, y: np.ndarray) -> np.ndarray:
    """`bijection.inverse(y)` of targets, in float64.

    Args:
        bijection: The bijection of the targets.
        y: Shape `(N, D)`; NaN, where a target is missing, stays NaN.

    Raises:
        ValueError: if a target lies outside the support.

    Example:
        >>> import numpy as np
        >>> from mdn.distributions.bijections import Exp, inverse_of_targets
        >>> inverse_of_targets(Exp(), np.array([[1.0]])).tolist()
        [[0.0]]
    """
    y = np.asarray(y, "float64")
    low, high = (np.broadcast_to(end, y.shape) for end in bijection.support)
    outside = (y <= low) | (y >= high)
    if np.any(outside):
        row, column = (int(i) for i in np.argwhere(outside)[0])
        raise ValueError(
            f"targets must lie between {low[row, column]:g} and {high[row, column]:g}, the ends excluded, for "
            f"{bijection.take((column,))!r}, but {y[row, column]:g} came in row {row}, column {column}: choose another "
            "bijection, or put an atom there (Spiked)."
        )
    return bijection.inverse(y)


def _library(x):
    return np if isinstance(x, np.ndarray | np.generic | float | int) else ops


def _log(x):
    """log x; a tensor below the smallest normal float counts as that, since backends flush it to 0."""
    if _library(x) is ops:
        return ops.log(numerics.floor(x))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(x)
