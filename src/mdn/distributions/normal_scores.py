"""What correlated normals know of one coordinate: there they are plain normals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras import ops

from mdn.distributions.distribution import Distribution


class NormalScores(Distribution):
    """One-dimensional methods of a correlated normal, by its `_line()`, and moments by its `_scale()`.

    A family gives `loc`, `_scale()` (standard deviation of each coordinate) and `_precision()`, a matrix.
    """

    if TYPE_CHECKING:
        loc: Any
    _pulls_by_matrix = True

    def _scale(self):
        raise NotImplementedError

    def _precision(self):
        raise NotImplementedError

    def _line(self):
        from mdn.distributions.normal import Normal

        return Normal._new(self.loc, self._scale())

    def _log_tail(self, y, below):
        return self._line()._log_tail(y, below)

    def _quantile(self, log_lower, log_upper):
        return self._line()._quantile(log_lower, log_upper)

    def _bounds(self, log_lower, log_upper):
        return self._line()._bounds(log_lower, log_upper)

    def _crps(self, y):
        return self._line()._crps(y)

    def _breaks(self):
        return self._line()._breaks()

    _closed_crps = True

    def _deviation(self, y):
        return self._line()._deviation(y)

    def _difference(self, other):
        return self._line()._difference(other._line())

    def _variance(self):
        return ops.square(self._scale())

    def _mode(self):
        return self.loc

    def _deviations(self, center):
        first = self.loc - center
        return first, self._variance() + ops.square(first)

    def _pull(self, y):
        return self._precision(), self.loc
