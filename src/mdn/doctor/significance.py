"""The statistical tests of the doctor, and the level at which each rule may err.

A rule makes all of its tests at once, corrected by Holm, so that it errs in about one of ten thousand healthy models. What is
significant must also be large enough to matter: each rule states its least effect beside it.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special, stats

LEVEL = 1e-4
"""The probability that one rule finds something in a model that is right."""
ENOUGH_ROWS = 36
"""With fewer rows the share of a 90 % interval is known to no better than 5 points (its standard error)."""
BODY = float(special.ndtri(0.75))
"""Half of a standard normal lies within this distance."""


def holm(p) -> np.ndarray:
    """Which p-values, of any shape, are significant at `LEVEL` together; NaN is none.

    Reference:
        Holm (1979), A simple sequentially rejective multiple test procedure.
    """
    p = np.asarray(p, "float64")
    flat = np.where(np.isnan(p), 1.0, p).reshape(-1)
    order = np.argsort(flat, kind="stable")
    passed = flat[order] <= LEVEL / np.maximum(np.sum(~np.isnan(p)) - np.arange(len(flat)), 1)
    found = np.zeros(len(flat), bool)
    if not len(flat):
        return found.reshape(p.shape)
    found[order[: len(flat) if passed.all() else int(np.argmin(passed))]] = True
    return found.reshape(p.shape)


def significant(p: float) -> bool:
    """Whether a single p-value is."""
    return bool(p <= LEVEL)


def share_p(hits, count, share: float) -> np.ndarray:
    """The two-sided p-value that `hits` of `count` have probability `share`, exact: twice the smaller tail of a binomial."""
    tails = stats.binom.cdf(hits, count, share), stats.binom.sf(np.asarray(hits) - 1, count, share)
    return np.minimum(2.0 * np.minimum(*tails), 1.0)


def tails_p(beyond: int, count: int, reach: float) -> float:
    """The p-value of so many of `count` normal scores beyond `reach` deviations, where the median distance tells the deviation.

    The median of the distances is beta distributed, and those above it are independent given it, so that the p-value is the mean
    of a binomial one over the median. As if the deviation were known, the error would be 70 times as frequent with 36 rows.

    Args:
        beyond: How many scores lie farther from their median than `reach` times their median distance from it, over `BODY`.
        count: How many there are.
        reach: In standard deviations.
    """
    middle = (count + 1) // 2
    law = stats.beta(middle, count - middle + 1)
    inside = np.linspace(law.ppf(1e-12), law.isf(1e-12), 801)  # the probability of a distance below the median
    weight = law.pdf(inside)
    farther = 2.0 * special.ndtr(reach / BODY * special.ndtri(0.5 * (1.0 - inside))) / (1.0 - inside)
    p = stats.binom.sf(beyond - 1, count - middle, farther)
    return float(min(1.0, np.sum(weight * p) / np.sum(weight)))


def mean_p(values: np.ndarray) -> float:
    """The one-sided p-value that the mean of `values` is not above 0, by its standard error."""
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return 1.0
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    mean = float(np.mean(values))
    return float(stats.norm.sf(mean / error)) if error > 0.0 else float(mean <= 0.0)


def difference_p(first: np.ndarray, second: np.ndarray) -> float:
    """The one-sided p-value that the mean of `first` is not above that of `second` (Welch)."""
    if min(len(first), len(second)) < 2:
        return 1.0
    return float(stats.ttest_ind(first, second, equal_var=False, alternative="greater").pvalue)


def normal_scores(values: np.ndarray) -> np.ndarray:
    """Ranks as quantiles of a standard normal, so that no outlier counts; NaN stays."""
    known = ~np.isnan(values)
    found = np.full(values.shape, np.nan)
    found[known] = special.ndtri((stats.rankdata(values[known]) - 0.5) / max(np.sum(known), 1))
    return found


def explained(values: np.ndarray, by: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """(the share of the variance of `values` that a smooth function of `by`, or its levels, explains; the p-value of none).

    Rows are put into the order of `by`, ties in random order. Half of the mean square of the differences of neighbours estimates
    the variance that `by` leaves; values that do not depend on `by` have von Neumann's ratio.

    Args:
        values: Shape `(N,)`; rows with NaN in either are left out.
        by: Shape `(N,)`.
        seed: For the order of ties.

    Reference:
        von Neumann (1941), Distribution of the ratio of the mean square successive difference to the variance;
        Rice (1984), Bandwidth choice for nonparametric regression.
    """
    known = ~np.isnan(values) & ~np.isnan(by)
    values, by = normal_scores(values[known]), by[known]
    count = len(values)
    variance = float(np.var(values)) if count > 2 else 0.0
    if variance <= 0.0:
        return 0.0, 1.0
    values = values[np.lexsort((np.random.default_rng(seed).uniform(size=count), by))]
    left = float(np.mean(np.diff(values) ** 2)) / (2.0 * variance)
    error = math.sqrt((count - 2.0) / (count**2 - 1.0))
    return 1.0 - left, float(stats.norm.cdf((left - 1.0) / error))


def apart_p(ranks: np.ndarray, inside: np.ndarray) -> float:
    """The two-sided p-value that rows `inside` have no other ranks than the others (Mann and Whitney 1947).

    Args:
        ranks: From 1, `(N,)`.
        inside: Booleans.
    """
    few, count = int(np.sum(inside)), len(ranks)
    if few in (0, count):
        return math.nan
    mean, variance = 0.5 * (count + 1.0), (count - few) * (count + 1.0) / (12.0 * few)
    return float(2.0 * stats.norm.sf(abs(float(np.mean(ranks[inside])) - mean) / math.sqrt(variance)))


def shares_p(inside: np.ndarray, hit: np.ndarray) -> float:
    """The two-sided p-value that `hit` is as frequent inside as outside, by Fisher's hypergeometric test."""
    count, few, hits = len(hit), int(np.sum(inside)), int(np.sum(hit))
    both = int(np.sum(hit & inside))
    law = stats.hypergeom(count, hits, few)
    return float(min(1.0, 2.0 * min(law.cdf(both), law.sf(both - 1))))
