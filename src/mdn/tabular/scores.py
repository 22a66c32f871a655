"""What a model is worth on rows that it has not seen, beside what is known without features."""

from __future__ import annotations

import dataclasses

import numpy as np

from mdn import metrics


@dataclasses.dataclass(frozen=True)
class Scores:
    """Scores in the units of the targets; NLL in nats.

    Attributes:
        nll: Mean negative log-likelihood; it may be below 0, since a density may exceed 1.
        gaussian_nll: That of one normal that knows no features; NaN where targets were constant.
        mixture_nll: That of one mixture that knows no features.
        crps: Mean continuous ranked probability score, one a target, `(D,)`: an absolute error, for distributions.
        rmse: Of the predicted mean, `(D,)`.
        pit: Probability below each target, `(N, D)`: what `mdn.plots.pit` and `reliability` draw.
        sharpness: Mean width of the central 90 % interval, `(D,)`.
    """

    nll: float
    gaussian_nll: float
    mixture_nll: float
    crps: np.ndarray
    rmse: np.ndarray
    pit: np.ndarray
    sharpness: np.ndarray

    @property
    def skill(self) -> float:
        """Nats a row better than the better of the two that know no features."""
        return min(self.gaussian_nll, self.mixture_nll) - self.nll

    def coverage(self, nominal: float) -> float:
        """Share of targets inside the central interval that should hold `nominal` of them."""
        return metrics.coverage(self.pit[~np.isnan(self.pit)], nominal)
