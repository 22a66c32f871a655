"""Line: distances, means and intervals of targets on the line; `Circle` overrides all of them."""

from __future__ import annotations

import numpy as np


class Line:
    """What an outcome says of distances and intervals of targets."""

    def apart(self, difference: np.ndarray) -> np.ndarray:
        """Differences of targets; on a circle the short way round."""
        return difference

    def in_range(self, y: np.ndarray) -> np.ndarray:
        """Targets; on a circle without their whole turns."""
        return y

    def around(self, y: np.ndarray, center: np.ndarray) -> np.ndarray:
        """Targets; on a circle moved by whole turns to within half a turn of `center`."""
        return y

    def arcs(self, ends: np.ndarray) -> np.ndarray:
        """Lower and upper ends of intervals, in a last axis; on a circle the lower ones lie in the range."""
        return ends

    def mean_of(self, values: np.ndarray, axis: int = 0) -> np.ndarray:
        """The mean along an axis; on a circle the mean direction."""
        return values.mean(axis=axis)

    def mean_of_quantiles(self, quantiles: np.ndarray) -> np.ndarray:
        """The means over rows of quantiles `(G, N, D, L)`, `(G, D, L)`."""
        return quantiles.mean(axis=1)
