"""Scores of a model on rows that it has not seen, beside those of models without features."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from keras import ops

from mdn import metrics, numerics
from mdn.tabular import baselines

_SHARP = 0.9


@dataclasses.dataclass(frozen=True)
class Scores:
    """Scores in the units of the targets; NLL in nats.

    Attributes:
        nll: Mean negative log-likelihood; it may be below 0, since a density may exceed 1.
        gaussian_nll: The NLL of one normal that knows no features; where a target is positive, bounded, counted or has atoms,
            that of a normal of what the network learns, carried onto the same support. NaN where targets were constant.
        mixture_nll: The NLL of one mixture that knows no features; NaN where targets were constant.
        crps: Mean continuous ranked probability score of each target, `(D,)`: an absolute error, for distributions. Where targets
            lie on a grid (`target_grid_`) it is that of the distribution of the unrounded target. NaN where rows are censored.
        rmse: Root mean square error of the predicted mean, `(D,)`; NaN where rows are censored. On a circle errors are measured
            the short way round, as distances are in the CRPS, and the baselines are von Mises in place of normals.
        pit: Probability below each target, `(N, D)`; `mdn.plots.pit` and `reliability` draw it. A rounded target stands for
            a cell of its grid, so its value is drawn from the probabilities of that cell, with a fixed seed. After
            `MDNRegressor.calibrate` it is the rank among the calibration rows, from 0 to 1, drawn within each rank.
        sharpness: Mean width of the central 90 % interval, `(D,)`, calibrated if the model is.
        tail: Probability of values at least as extreme as the target, on its side, `(N, D)`: small where it surprises.
        which_nll: The part of `nll` that is about whether a target is an atom, and which; NaN where it has none.
        without_features: The family of the models without features: "Gaussian", or "von Mises" on a circle.
        skill_error: The standard error of `skill` over the rows; NaN for a single row.
        line_nll: The NLL of least squares with normal errors on the inputs of the network; where `gaussian_nll` is of what the
            network learns, carried onto the support of the target, so is this. NaN on a circle, with a trunk, and without more
            rows than inputs.
        line_error: The standard error of `line_nll - nll` over the rows; NaN for a single row.

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
    which_nll: float = math.nan
    without_features: str = "Gaussian"
    line_nll: float = math.nan
    line_error: float = math.nan

    @property
    def density_nll(self) -> float:
        """The other part of `nll` where the target has atoms: that of the density of all other values."""
        return self.nll - self.which_nll

    @property
    def skill(self) -> float:
        """How many nats a row `nll` is below the lower NLL of the two models without features."""
        return min(self.gaussian_nll, self.mixture_nll) - self.nll

    def coverage(self, nominal: float) -> float:
        """Share of targets inside the central interval that should hold `nominal` of them.

        A rounded target counts with the place drawn in its cell (`pit`), so that a model that is right comes to `nominal`. The
        intervals of `predict_interval` end on the grid, and hold more.
        """
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
    truth, ends = regressor._points(y), regressor._edges(y)
    size = truth.shape[1]

    def judge(mixture, y):
        answers = []
        for d, marginal in enumerate(regressor._marginals(mixture)):
            to, *edges = (y[:, [place]] for place in range(d, y.shape[1], size))
            below = marginal.cdf(edges[0])
            above = marginal.cdf(edges[1]) if len(edges) > 1 else below
            parts = marginal.crps(to), below, above, marginal.mean()[:, 0]
            answers.append(np.stack([*map(ops.convert_to_numpy, parts)], axis=-1))
        return np.stack(answers, axis=1)

    missing = np.isnan(ends[:, :size])
    calibration = regressor.calibration_
    sharp = regressor._quantiles(X, 0.5 + 0.5 * _SHARP * np.array([-1.0, 1.0]))
    asked = np.concatenate([np.nan_to_num(truth), ends], axis=1)
    crps, below, above, mean = np.moveaxis(regressor._ask(X, judge, asked), -1, 0)
    below, above = (np.where(missing, np.nan, each) for each in (below, above))
    # Rows that are known exactly are no fair sample of censored ones: events that come early are seen more often
    partly = bool(regressor.censoring) and bool(np.any(np.isnan(truth) & ~missing))
    crps = np.where(np.isnan(truth) | partly, np.nan, crps)
    error = regressor.outcome_.apart(mean + regressor.target_origin_ - truth)
    drawn = np.random.default_rng(0).uniform(size=below.shape)
    torn = below > above + 0.5  # a cell of the circle that holds the point from which it is counted: one side of it
    below, above = np.where(torn & (drawn < 0.5), 0.0, below), np.where(torn & (drawn >= 0.5), 1.0, above)
    known = ~missing.all(axis=1)
    nll, *others = (each[known] for each in (-log_prob, *baselines.nlls_of(regressor, X, y)))
    means = [float(np.mean(each)) for each in (nll, *others)]
    best = others[int(np.argmin(means[1:3]))]
    return Scores(
        nll=means[0],
        gaussian_nll=means[1],
        mixture_nll=means[2],
        crps=_mean(crps),
        rmse=np.sqrt(_mean(np.where(partly, np.nan, error**2))),
        pit=below + drawn * (above - below)
        if calibration is None
        else calibration.pit(regressor._log_odds(X, y, seed=0), X=X),
        sharpness=np.mean(sharp[..., 1] - sharp[..., 0], axis=0),
        tail=np.minimum(above, 1.0 - below),
        skill_error=_standard_error(best - nll),
        which_nll=_which_nll(regressor, X, truth),
        without_features="Gaussian" if regressor.period is None else "von Mises",
        line_nll=means[3],
        line_error=_standard_error(others[2] - nll),
    )


def _standard_error(values: np.ndarray) -> float:
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else math.nan


def _mean(values: np.ndarray) -> np.ndarray:
    """The mean over rows of the values that are known, NaN where none is, `(D,)`."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.sum(np.where(known, values, 0.0), axis=0) / np.sum(known, axis=0)


def _which_nll(regressor, X, truth: np.ndarray) -> float:
    """Minus the mean log probability of whether a target is an atom, and which; NaN without atoms."""
    if not regressor.outcome_.atoms:
        return math.nan
    logs = regressor._ask(X, lambda mixture, _: numerics.log_softmax(mixture.logits))
    known = ~np.isnan(truth[:, 0])
    return -float(np.mean(logs[known, regressor.outcome_.kinds(truth[known, 0])]))
