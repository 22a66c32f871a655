"""Scores of a model on rows that it has not seen, beside those of models without features."""

from __future__ import annotations

import dataclasses

import numpy as np

from mdn import metrics


@dataclasses.dataclass(frozen=True)
class Scores:
    """Scores in the units of the targets; NLL in nats.

    Attributes:
        nll: Mean negative log-likelihood; it may be below 0, since a density may exceed 1.
        gaussian_nll: The NLL of one normal that knows no features; NaN where targets were constant.
        mixture_nll: The NLL of one mixture that knows no features; NaN where targets were constant.
        crps: Mean continuous ranked probability score of each target, `(D,)`: an absolute error, for distributions. Where
            targets lie on a grid (`target_grid_`) it is that of the distribution of the unrounded target.
        rmse: Root mean square error of the predicted mean, `(D,)`.
        pit: Probability below each target, `(N, D)`; `mdn.plots.pit` and `reliability` draw it. A rounded target stands for
            a cell of its grid, so its value is drawn from the probabilities of that cell, with a fixed seed. After
            `MDNRegressor.calibrate` it is the rank among the calibration rows, from 0 to 1, drawn within each rank.
        sharpness: Mean width of the central 90 % interval, `(D,)`, calibrated if the model is.
        tail: Probability of values at least as extreme as the target, on its side, `(N, D)`: small where it surprises.
        skill_error: The standard error of `skill` over the rows; NaN for a single row.

    Reference:
        Czado et al. (2009), Predictive model assessment for count data: PIT values drawn within a cell.
    """

    nll: float
    gaussian_nll: float
    mixture_nll: float
    crps: np.ndarray
    rmse: np.ndarray
    pit: np.ndarray
    sharpness: np.ndarray
    tail: np.ndarray
    skill_error: float

    @property
    def skill(self) -> float:
        """How many nats a row `nll` is below the lower NLL of the two models without features."""
        return min(self.gaussian_nll, self.mixture_nll) - self.nll

    def coverage(self, nominal: float) -> float:
        """Share of targets inside the central interval that should hold `nominal` of them."""
        return metrics.coverage(self.pit[~np.isnan(self.pit)], nominal)
