"""Scores of a model on rows that it has not seen, beside those of models without features."""

from __future__ import annotations

import dataclasses

import numpy as np
from keras import ops

from mdn import metrics

_SHARP = 0.9


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

    def coverages(self, nominal: float) -> np.ndarray:
        """`coverage` of each target by itself, `(D,)`."""
        return np.array([metrics.coverage(pit[~np.isnan(pit)], nominal) for pit in self.pit.T])


def scores_of(regressor, X, y) -> Scores:
    """The scores of a fitted `MDNRegressor` on rows that training has not seen.

    Args:
        regressor: A fitted `MDNRegressor`.
        X: Features.
        y: Targets; rows without any are left out.
    """
    log_prob = regressor.log_prob(X, y)
    truth = regressor._targets(y, len(log_prob))
    half = 0.5 * regressor.target_grid_.astype("float32")  # of the cell that a rounded target stands for

    def judge(mixture, y):
        answers = []
        for d, marginal in enumerate(regressor._marginals(mixture)):
            to = y[:, d : d + 1]
            below = marginal.cdf(to - half[d])
            above = marginal.cdf(to + half[d]) if half[d] else below
            answers.append(ops.stack([marginal.crps(to), below, above, marginal.mean()[:, 0]], axis=-1))
        return ops.stack(answers, axis=1)

    missing = np.isnan(truth)
    calibration = regressor.calibration_
    ends = regressor._quantiles(X, 0.5 + 0.5 * _SHARP * np.array([-1.0, 1.0]))
    crps, below, above, mean = np.moveaxis(regressor._ask(X, judge, y), -1, 0)
    crps, below, above = (np.where(missing, np.nan, each) for each in (crps, below, above))
    drawn = np.random.default_rng(0).uniform(size=below.shape)
    nll, baselines = -log_prob, _baselines(regressor.baseline_, truth)
    known = ~missing.all(axis=1)
    means = [float(np.mean(each[known])) for each in (nll, *baselines)]
    ahead = baselines[int(np.argmin(means[1:]))][known] - nll[known]
    return Scores(
        nll=means[0],
        gaussian_nll=means[1],
        mixture_nll=means[2],
        crps=np.nanmean(crps, axis=0),
        rmse=np.sqrt(np.nanmean((mean + regressor.target_origin_ - truth) ** 2, axis=0)),
        pit=below + drawn * (above - below)
        if calibration is None
        else calibration.pit(regressor._log_odds(X, y, seed=0)),
        sharpness=np.mean(ends[..., 1] - ends[..., 0], axis=0),
        tail=np.minimum(above, 1.0 - below),
        skill_error=float(np.std(ahead, ddof=1) / np.sqrt(len(ahead))) if len(ahead) > 1 else float("nan"),
    )


def _baselines(baseline: metrics.Baseline | None, truth: np.ndarray) -> list[np.ndarray]:
    """The NLL of each row under the normal and the mixture that know no features; NaN without a baseline."""
    if baseline is None:
        return [np.full(len(truth), np.nan)] * 2
    return [baseline.gaussian_nlls(truth), baseline.mixture_nlls(truth)]
