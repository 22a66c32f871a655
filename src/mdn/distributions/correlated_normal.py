"""CorrelatedNormal: the base class of normals with correlated coordinates, each of which alone is a plain normal."""

from __future__ import annotations

from typing import Any

from keras import ops

from mdn.distributions.component import Component
from mdn.distributions.normal import Normal


class CorrelatedNormal(Component):
    """Delegates one-dimensional methods to `Normal`; a family writes `loc`, `_standard_deviation` and `_precision`."""

    loc: Any
    _closed_crps = True
    _pulls_by_matrix = True

    def _standard_deviation(self):
        """The standard deviation of each coordinate, `(*batch, D)`."""
        raise self._lacks("variance")

    def _precision(self):
        """The inverse of the covariance, `(*batch, D, D)`."""
        raise self._lacks("mode")

    def _line(self) -> Normal:
        return Normal._new(self.loc, self._standard_deviation())

    def _log_tail(self, y, below):
        return self._line()._log_tail(y, below)

    def _quantile(self, log_lower, log_upper):
        return self._line()._quantile(log_lower, log_upper)

    def _absolute_deviation(self, y):
        return self._line()._absolute_deviation(y)

    def _absolute_difference(self, other):
        return self._line()._absolute_difference(other._line())

    def _mean(self):
        return self.loc

    def _variance(self):
        return ops.square(self._standard_deviation())

    def _mode(self):
        return self.loc

    def _pull(self, y):
        return self._precision(), self.loc
