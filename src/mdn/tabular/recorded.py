"""The values that a rounded target is recorded as, on which quantiles and intervals end."""

from __future__ import annotations

import dataclasses

import numpy as np

from mdn.data.schema import flag, maybe, number, record, whole

_OFF = 1e-3  # values may lie off the grid by this share of its step, as `targets.grid` allows
_MOST_DECIMALS = 12
IN_FILES = record(step=number(above=0.0), start=number(), decimals=maybe(whole(0, _MOST_DECIMALS)), single=flag)


@dataclasses.dataclass(frozen=True)
class Recorded:
    """A grid of values: `start` and whole numbers of steps from there.

    The quantile of level q of a rounded target is the value in whose cell the quantile of the unrounded one lies: it is the least
    value v with P(target <= v) >= q. So P(low <= target <= high) >= c for the ends of a central interval of coverage c, where the
    ends of the unrounded one may lie within a cell and leave out the recorded value.

    Attributes:
        step: The distance of neighbours.
        start: One of the values.
        decimals: With so many decimals values are written, so that answers are equal to them, bit by bit. None if they are no
            such numbers, thirds, say: then answers are moved outward by a thousandth of the step.
        single: Whether values were float32.
    """

    step: float
    start: float
    decimals: int | None
    single: bool = False

    @classmethod
    def of(cls, values: np.ndarray, step: float) -> Recorded | None:
        """The grid of recorded values `(N,)`, NaN where missing; None if `step` is 0."""
        if not step:
            return None
        levels = np.unique(values[~np.isnan(values)])
        step = float(np.ptp(levels) / np.round(np.ptp(levels) / step))  # the least gap has the roundings of two values
        for decimals in range(_MOST_DECIMALS + 1):
            written = np.round(levels, decimals)
            if np.all(np.abs(written - levels) <= _OFF * step):
                exact = np.array_equal(written, levels)
                single = not exact and np.array_equal(written.astype("float32").astype("float64"), levels)
                if exact or single:
                    return cls(float(np.round(step, decimals)), float(written[0]), decimals, single)
        return cls(step, float(levels[0]), None)

    def nearest(self, values: np.ndarray, q: np.ndarray) -> np.ndarray:
        """Unrounded quantiles, the probabilities `q` in the last axis, as those of the recorded values."""
        found = self.start + self.step * np.round((values - self.start) / self.step)
        if self.decimals is None:
            return found + self.outward(q)
        found = np.round(found, self.decimals)
        return found.astype("float32").astype("float64") if self.single else found

    def outward(self, q: np.ndarray) -> np.ndarray:
        """What moves quantiles outward where `decimals` is None."""
        return _OFF * self.step * np.sign(np.asarray(q, "float64") - 0.5)

    def regions(self, ends: np.ndarray) -> np.ndarray:
        """Disjoint intervals `(M, 2)`, ascending, as sets of recorded values: those with no value between them become one."""
        found = self.nearest(ends, np.array([0.0, 1.0]))
        apart = found[1:, 0] - found[:-1, 1] > 1.5 * self.step
        return np.stack([found[np.r_[True, apart], 0], found[np.r_[apart, True], 1]], axis=1)


def recorded_as(y: np.ndarray, steps: np.ndarray, period: float | None) -> list[Recorded | None]:
    """The grid of each target, None without one; on a circle it must meet itself after one turn.

    Args:
        y: Targets `(N, D)`, NaN where missing.
        steps: The steps of their grids, `(D,)`, 0 without one.
        period: The circumference of the circle, or None.
    """
    found = [Recorded.of(column, float(step)) for column, step in zip(y.T, steps, strict=True)]
    if period is None:
        return found
    return [
        None if one is None or abs(np.remainder(period / one.step + 0.5, 1.0) - 0.5) > _OFF else one for one in found
    ]
