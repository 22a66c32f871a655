"""Targets on a circle, such as directions and times of day: what a network learns of them, and how they are answered."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from keras import ops

from mdn import initializers, numerics
from mdn.data.schema import number, record
from mdn.distributions import Circular, Mixture, VonMises
from mdn.distributions.circular import shifted
from mdn.distributions.spec import ComponentSpec
from mdn.metrics import Baseline
from mdn.tabular.outcome import Outcome

_PLACES = (
    10  # digits that are kept: whole turns that are taken off leave roundings, which would hide a grid of the targets
)
_WIDEST = 1.0  # radians: the scale of targets that lie all round
_COMPONENTS = 10  # how many components the baseline has, as for other targets
IN_FILES = record(period=number(above=0.0), low=number(), turn=number())


@dataclasses.dataclass(frozen=True)
class Circle(Outcome):
    """The outcome of a target that is a number on a circle: y and y + period are the same.

    Networks learn the angle from `turn`, in radians, so that targets about the end of the range lie together.

    Attributes:
        period: The circumference.
        low: Where the range of answers begins: [low, low + period).
        turn: The mean direction of the training targets.
    """

    period: float = 1.0
    low: float = 0.0
    turn: float = 0.0

    @classmethod
    def of(cls, y: np.ndarray, period: float) -> Circle:
        """The circle of targets.

        Args:
            y: Targets `(N, 1)`, NaN where missing.
            period: The circumference.
        """
        known = y[~np.isnan(y)]
        about_zero = known.min() < 0.0 and known.min() >= -0.5 * period and known.max() <= 0.5 * period
        turn = period * mean_direction(2.0 * np.pi * known / period) / (2.0 * np.pi)
        return cls(period=float(period), low=-0.5 * period if about_zero else 0.0, turn=float(turn))

    @property
    def plain(self) -> bool:
        return False

    @property
    def fixed(self) -> bool:
        return True

    def learnable(self, bounds: np.ndarray) -> np.ndarray:
        angles = 2.0 * np.pi * self.apart(bounds[:, :1] - self.turn) / self.period
        return np.concatenate([angles, angles + 2.0 * np.pi * (bounds[:, 1:] - bounds[:, :1]) / self.period], axis=1)

    def apart(self, difference: np.ndarray) -> np.ndarray:
        return initializers.short_way(difference, self.period)

    def in_range(self, y: np.ndarray) -> np.ndarray:
        return self.low + wrapped(y - self.low, self.period)

    def arcs(self, ends: np.ndarray) -> np.ndarray:
        return shifted(ends, self.period, self.low)

    def mean_of(self, values: np.ndarray, axis: int = 0) -> np.ndarray:
        return self.in_range(self.period * mean_direction(2.0 * np.pi * values / self.period, axis) / (2.0 * np.pi))

    def mean_of_quantiles(self, quantiles: np.ndarray) -> np.ndarray:
        # the first one has a mean direction, the others a mean distance from it; no curve jumps by a turn
        first = np.unwrap(self.mean_of(quantiles[..., :1], axis=1), period=self.period, axis=0)
        return first + (quantiles - quantiles[..., :1]).mean(axis=1)

    def around(self, y: np.ndarray, center: np.ndarray) -> np.ndarray:
        return center + self.apart(y - center)

    def without_features(self, mixture: Mixture):
        angles = VonMises(mixture.components.loc, 1.0 / np.square(mixture.components.scale))
        return self._of_support(Mixture(mixture.logits, angles))

    def _of_support(self, mixture):
        angles = mixture.components
        turned = angles._new(angles.loc + 2.0 * math.pi * self.turn / self.period, angles.concentration)
        return Circular(Mixture._new(mixture.logits, turned), self.period, self.low)


def check(settings) -> None:
    """Raises a ValueError if the parameters of a regressor do not fit its `period`."""
    period = settings.period
    if period is None:
        return
    if isinstance(period, bool) or not isinstance(period, int | float | np.number) or not 0.0 < period < math.inf:
        raise ValueError(f"`period` must be a positive number, such as 360 for degrees, or None, but {period!r} came.")
    for name, value, plain in (
        ("family", settings.family, "normal"),
        ("bounds", settings.bounds, None),
        ("censoring", settings.censoring, None),
        ("loss", settings.loss, "nll"),
        ("target_noise", settings.target_noise, 0.0),
    ):
        if value != plain:
            raise ValueError(
                f"`{name}` must be {plain!r} with `period`, but {value!r} came: leave one of the two out, since a number on a "
                "circle has a family of its own."
            )


def circle_of(period: float | None, y: np.ndarray) -> Circle | None:
    """The circle on which targets `(N, D)` lie, None without a `period`.

    Raises:
        ValueError: if there are several targets.
    """
    if period is None:
        return None
    if y.shape[1] > 1:
        raise ValueError(f"`period` needs one target, but y has {y.shape[1]}: learn each of them by itself.")
    return Circle.of(y, period)


def wrapped(y: np.ndarray, period: float | None) -> np.ndarray:
    """Targets without their whole turns, in [0, period); as they are without a period."""
    if period is None:
        return y
    places = _PLACES - math.ceil(math.log10(period))
    return np.mod(np.round(np.mod(y, period), places), period)


def mean_direction(angles: np.ndarray, axis: int | None = None, weight=None) -> np.ndarray:
    """The direction of the mean of unit vectors, in [-π, π].

    Args:
        angles: In radians.
        axis: The axis of the mean; None for all.
        weight: The weight of each angle, of the same shape.
    """
    return np.angle(np.average(np.exp(1j * angles), axis=axis, weights=weight))


def score(predicted: np.ndarray, y: np.ndarray, period: float, weight=None) -> float:
    """1 - A / B: A is the mean of 1 - cos(error), B that of errors from the mean direction of `y`; errors are angles.

    Args:
        predicted: Shape `(N,)`.
        y: Shape `(N,)`.
        period: The circumference.
        weight: Shape `(N,)`.
    """
    predicted, y = (2.0 * np.pi * each / period for each in (predicted, y))
    ours, floor = (
        np.average(1.0 - np.cos(y - center), weights=weight) for center in (predicted, mean_direction(y, weight=weight))
    )
    return float(1.0 - ours / floor)


def baseline_of(angles: np.ndarray) -> Baseline:
    """A von Mises and a mixture of them that know no features, in place of a normal and a mixture of normals.

    Args:
        angles: As networks learn them, `(N, 1)`.
    """
    (center,), (scale,), _ = initializers.starting_directions(angles, 1)
    loc, scales, weights = initializers.starting_directions(angles, _COMPONENTS)
    return Baseline.of({"center": center, "scale_tril": scale[None], "weights": weights, "loc": loc, "scale": scales})


class DirectionSpec(ComponentSpec):
    """Packed parameters of a VonMises of one angle: `[direction, a vector of 2 | concentration]`.

    A direction that is a vector turns all the way round without a jump, which no number does. Scales are those of targets: a
    free output of 0 is a concentration of 1 / spread², and steps of it are relative where it is small.
    """

    _moves = False

    @property
    def block_sizes(self):
        return 2, 1

    def _distribution(self, *blocks):
        direction, concentration = blocks
        return VonMises._new(ops.arctan2(direction[..., 1:], direction[..., :1]), concentration)

    def _blocks(self, distribution):
        loc = distribution.loc
        return ops.concatenate([ops.cos(loc), ops.sin(loc)], axis=-1), distribution.concentration

    def constrain(self, raw, shift, spread):
        direction, scale = raw
        spread = 1.0 if spread is None else spread
        vector = ops.concatenate([direction[..., :1], spread * direction[..., 1:]], axis=-1)
        return [vector, numerics.concentration(spread * numerics.positive(scale))]

    def scaling(self, y):
        shift, spread = initializers.robust_scaling(y)
        return np.zeros_like(shift), np.minimum(spread, np.float32(_WIDEST))

    def starting_blocks(self, y, count, seed):
        if y is None:
            spread = 1.0
            loc, scale, weights = initializers.spread_mixture(1, count)
        else:
            spread = self.scaling(y)[1]
            loc, scale, weights = initializers.starting_directions(y, count, seed)
        direction = np.concatenate([np.cos(loc), np.sin(loc) / spread], axis=-1)
        return [direction, numerics.positive_inverse(scale / spread)], np.log(weights)
