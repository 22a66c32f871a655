"""The predictions of a fitted regressor, in the units of the data."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
from keras import ops
from sklearn.utils.validation import check_is_fitted

from mdn.distributions import Distribution
from mdn.random import Draws
from mdn.tabular import circular, conformal, inputs
from mdn.tabular import groups as row_groups
from mdn.tabular.asking import Asking
from mdn.tabular.by_blocks import by_blocks
from mdn.tabular.dependence import Dependence, dependence_of
from mdn.tabular.importances import Importances, importances_of
from mdn.tabular.regions import ranked, regions_of
from mdn.tabular.report import write_report
from mdn.tabular.scores import Scores, scores_of
from mdn.tabular.seen import checksums, share_seen

_MOSTLY = 0.5  # a smaller share of rows equal to those of training comes about by chance


class Answers(Asking):
    """The half of `MDNRegressor` that predicts and scores.

    X may be a source, too, as in `fit`: a pattern of files, say. It is then read and answered block by block, and only the
    answers are held whole. Where these are too many, loop: `for block in mdn.data.source_of("new/*.parquet").blocks(): ...`.
    """

    def predict_distribution(self, X) -> Distribution:
        """The exact mixture of all members for each row, batch `(N,)`; its tensors are those of the backend.

        With `family` it is `Transformed`, `Rounded` or `Spiked` where the target is positive or bounded, a count, or has atoms;
        with `period` it is `Circular`.

        They are float32, in which values around 1.7e9 (seconds since 1970, say) have steps of 128. All other methods return
        float64 without this loss.
        """
        check_is_fitted(self)
        return self._distribution(self._features(X), origin=self.target_origin_)

    @by_blocks
    def predict(self, X) -> np.ndarray:
        """The mean for each row, shape `(N,)` or `(N, D)`, like the targets of training; with `period` the mean direction."""
        return self._as_targets(self._ask(X, lambda mixture, _: mixture.mean()) + self.target_origin_)

    @by_blocks
    def predict_quantile(self, X, q, groups=None) -> np.ndarray:
        """Quantiles of each target for each row.

        After `calibrate` the quantile of level q > 1/2 lies above a new target with probability q at least, and that of
        q < 1/2 lies below it with probability 1 - q at least, under the conditions that stand there. The median is between the
        two middle ranks, without a guarantee. Quantiles never fall as q rises.

        Where training targets lay on a grid (`recorded_`) it is the quantile of the target as it is recorded: the least value of
        the grid with the probability q at least of a target up to it.

        With `period` quantiles are counted from the point opposite the mean direction, and lie within half a turn of `predict`:
        they may leave the range, -5 instead of 355, say.

        Args:
            X: Features.
            q: A probability, or several.
            groups: One label a row, if the model was calibrated by such groups; see `calibrate`.

        Returns:
            `(N,)` or `(N, D)` for one probability, with an axis of the probabilities at the end for several.

        Raises:
            ValueError: if the calibration has too few rows for a `q`, or knows no groups.
        """
        q = np.asarray(q, "float64")
        values = self._as_targets(self._quantiles(X, q.reshape(-1), groups))
        return values.reshape(*values.shape[:-1], *q.shape)

    @by_blocks
    def predict_interval(self, X, coverage=0.9, groups=None) -> np.ndarray:
        """The central interval that should hold a new target with probability `coverage`.

        After `calibrate` it holds each target with probability `coverage` at least, and leaves out (1 - coverage) / 2 at most
        on each side, under the conditions that stand there.

        Where training targets lay on a grid (`recorded_`) its ends are values of the grid, and belong to it: it holds the target
        as it is recorded with probability `coverage` at least, and more where the grid is coarse. (2, 2) is the value 2 alone.

        With `period` it is an arc about the mean direction: its lower end lies in the range, and its upper end above that, so
        that (350, 370) is the arc from 350 to 10.

        Args:
            X: Features.
            coverage: A number in (0, 1): 0.9 for a 90 % interval; or several.
            groups: One label a row, if the model was calibrated by such groups; see `calibrate`.

        Returns:
            `(N, 2)` or `(N, D, 2)`, the two ends last; for several, `(N, len(coverage), 2)` or `(N, D, len(coverage), 2)`.

        Raises:
            ValueError: if `coverage` does not lie between 0 and 1, or if the calibration has too few rows for it or no groups.
        """
        several = np.asarray(coverage)
        if several.dtype.kind not in "iuf" or several.ndim > 1 or not np.all((several > 0.0) & (several < 1.0)):
            raise ValueError(f"`coverage` must lie between 0 and 1, such as 0.9 or [0.5, 0.9], but {coverage!r} came.")
        return self.outcome_.arcs(self.predict_quantile(X, _ends(several.astype("float64")), groups))

    @by_blocks
    def predict_hdi(self, X, coverage=0.9, groups=None) -> list:
        """The smallest set that should hold a new target with probability `coverage`: one interval or several.

        Where the predicted density has several peaks, the values between them are left out (`highest_density_region`). After
        `calibrate` the set holds each target with probability `coverage` at least, under the conditions that stand there. Where
        training targets lay on a grid (`recorded_`) the ends are values of the grid, as in `predict_interval`.

        Args:
            X: Features.
            coverage: A number in (0, 1): 0.9 for 90 %.
            groups: One label a row, if the model was calibrated by such groups; see `calibrate`.

        Returns:
            For each row an array `(M, 2)`: the two ends of M disjoint intervals in ascending order, with `period` of arcs as in
            `predict_interval`. With several targets, for each row a list of such arrays, one for each target.

        Raises:
            ValueError: if `coverage` does not lie between 0 and 1, the calibration has too few rows for it or knows no groups, or
                targets are counts, which have no density, or the calibration is one of censored targets.

        Reference:
            Hyndman (1996), Computing and graphing highest density regions; Izbicki et al. (2022), CD-split and HPD-split.
        """
        return regions_of(self, X, coverage, groups)

    @by_blocks
    def predict_probability(self, X, *, above=None, below=None) -> np.ndarray:
        """The probability that each target lies above a threshold, or below it, for each row.

        It is computed in the tail of the predicted mixture, so that small probabilities keep their digits; `calibrate` does
        not change it. Where training targets lay on a grid (`target_grid_`) it is that of the unrounded target: of whole
        numbers, ask for more than 2.5 instead of more than 2. With `family="counts"` it is that of the count itself. With
        `period` it is that of the arc from a threshold to the end of the range, or from its beginning to the threshold.

        Args:
            X: Features.
            above: A threshold in the unit of the targets, or several: P(target > threshold).
            below: The same for P(target < threshold). Name one of the two.

        Returns:
            `(N,)` or `(N, D)` for one threshold, with an axis of the thresholds at the end for several.

        Raises:
            ValueError: if not exactly one of `above` and `below` is named, or a threshold is not finite.
        """
        thresholds, upper = inputs.thresholds(above, below)
        values = self._as_targets(self._probabilities(X, thresholds.reshape(-1), upper))
        return values.reshape(*values.shape[:-1], *thresholds.shape)

    @by_blocks
    def predict_variance(self, X) -> dict[str, np.ndarray]:
        """The variance of each target in two parts: the scatter of the data, and the disagreement of the members.

        Returns:
            "aleatoric" (the mean of the members' variances), "epistemic" (the variance of their means) and "total" (their
            sum, the variance of the mixture), each `(N,)` or `(N, D)`. With `period` they are mean squares of distances the short
            way round.
        """
        check_is_fitted(self)
        x = self._features(X)
        parts = [self._distribution(x, [member]) for member in self.members_]
        means, variances = (
            np.stack([np.asarray(ops.convert_to_numpy(getattr(part, what)()), "float64") for part in parts])
            for what in ("mean", "variance")
        )
        away = self.outcome_.apart(means - self.outcome_.mean_of(means))
        aleatoric, epistemic = variances.mean(axis=0), (away**2).mean(axis=0)
        split = {"aleatoric": aleatoric, "epistemic": epistemic, "total": aleatoric + epistemic}
        return {name: self._as_targets(value) for name, value in split.items()}

    @by_blocks(axis=1)
    def sample(self, X, n: int = 1, seed=None) -> np.ndarray:
        """`n` draws for each row: `(n, N)` or `(n, N, D)`.

        Args:
            X: Features.
            n: How many draws for each row.
            seed: An int for the same draws each time, or any other seed that `Distribution.sample` takes.
        """
        stream = Draws(seed)
        draws = self._ask(X, lambda mixture, _: ops.moveaxis(mixture.sample(int(n), seed=stream.key()), 0, 1))
        draws = self.target_origin_ + draws
        return np.moveaxis(draws if self.n_targets_ else draws[..., 0], 1, 0)

    @by_blocks(targets=True)
    def log_prob(self, X, y) -> np.ndarray:
        """Log density of each row's targets in nats, in the targets' unit, `(N,)`; missing targets are integrated out.

        Where training targets lay on a grid (`target_grid_`) it is the log of the mean density over the cell of the grid about
        y: exp of it, times the step, is the probability of the rounded value. Of counts and atoms it is the log probability of
        the value, and of a censored target that of the interval.

        Args:
            X: Features.
            y: Targets, `(N,)` or `(N, D)`, NaN where missing; censored ones as in `fit`. Left out with a source.
        """
        bounds, width = self._bounds(y)
        missing = np.isnan(bounds[:, : self._event_size])
        return self._ask(X, self._score, bounds) - np.sum(np.where(missing, 0.0, np.log(width)), axis=1)

    def calibrate(self, X, y, groups=None):
        """Calibrates quantiles and intervals on rows that training has not seen, in place of an earlier calibration.

        From now on `predict_interval` and `predict_quantile`, and so a report, take the model's quantiles at other levels,
        chosen by the ranks of these targets, and `predict_hdi` its regions of another coverage. For a new row that is
        exchangeable with these rows (drawn from the same source, in no order), the central interval of coverage c holds its
        target with probability c at least, and less than c + 2 / (n + 1) unless ranks are tied, whatever the model and the
        data. n is the number of rows that have the target; c needs n >= 2 / (1 - c) - 1: 19 rows for 90 %, 39 for 95 %.

        The guarantee is an average over calibrations, rows and their features, not one for each kind of row, unless `groups`
        name the kinds; it holds for each target by itself, not for several at once. A rounded target (`target_grid_`) is drawn
        within its cell, and the guarantee is about that value. An interval whose ends are rounded to the grid, as those of
        `predict_interval` are, then holds the rounded target, too.
        `predict`, `predict_distribution`, `sample`, `log_prob` and `predict_variance` are not changed.

        Args:
            X: Features.
            y: Targets; missing ones are left out. With several targets each is calibrated on the rows that have it. All rows
                count alike, whatever the weights of training.
            groups: Each of these groups is calibrated by itself, so that the guarantee holds in each: the name of a column of the
                frame X, which must be in the frames of new rows, too; or one label a row (text or numbers), and new rows have
                theirs in `groups` of the methods that predict. A group with fewer than 19 values of a target, a new group, and
                a row without a label use the calibration of all rows, as do all rows where no `groups` come.

        Returns:
            The regressor itself.

        Raises:
            ValueError: if a target has fewer than 19 values, or `groups` do not fit X.

        Reference:
            Chernozhukov, Wüthrich and Zhu (2021), Distributional conformal prediction; Vovk et al. (2019), Nonparametric
            predictive distributions based on conformal prediction; Vovk et al. (2003), Mondrian confidence machine.
        """
        if self.censoring:
            raise ValueError(
                "calibrate() needs targets that are known, but this model has censored ones: nothing can be promised of them."
            )
        self._calibrate(X, y, groups)
        seen = share_seen(self.seen_, checksums(self._features(X), self._checked_targets(y)))
        if seen is not None and seen >= _MOSTLY:
            warnings.warn(
                f"{seen:.0%} of the rows of calibration are equal to rows of training, so that nothing is guaranteed. Calibrate "
                "on rows that training has not seen.",
                UserWarning,
                stacklevel=2,
            )
        return self

    def _calibrate(self, X, y, groups=None) -> None:
        odds = self._log_odds(X, y, seed=1)  # not the seed of `evaluate`: places in a cell must not repeat
        calibration = conformal.Calibration.learn(odds, self.target_names_)
        labels = None if groups is None else np.array(row_groups.labels_of(X, groups), dtype=object)
        if labels is not None:
            calibration = calibration.with_groups(odds, labels, groups)
        x = self._features(X)
        dense = isinstance(x, np.ndarray)
        self.calibration_ = dataclasses.replace(
            calibration, unranked=(x.copy() if dense else x, self._edges(y), labels)
        )
        if not dense:  # nobody but the caller should keep a sparse table
            ranked(self)

    def score(self, X, y, sample_weight=None) -> float:
        """R² of the mean, as scikit-learn expects; of censored targets the mean of `log_prob`. Greater is better.

        With `period` it is 1 - A / B, with A the mean of 1 - cos(error) and B that of a model that predicts the mean direction of
        `y` for all rows; errors are angles.

        Args:
            X: Features.
            y: Targets as in `fit`.
            sample_weight: Shape `(N,)`.

        Raises:
            ValueError: if a target is missing, or a weight is missing or below 0.
        """
        check_is_fitted(self)
        truth = self._checked_targets(y)
        inputs.check_no_missing(truth)
        weight = None if sample_weight is None else inputs.weights(sample_weight, truth)
        if self.period is not None:
            found = np.ravel(self.predict(X))
            inputs.check_rows_of_targets(truth, len(found))
            return circular.score(found, np.ravel(truth), self.period, weight)
        if not self.censoring:
            return super().score(X, truth, weight)  # type: ignore[misc]
        return float(np.average(self.log_prob(X, y), weights=weight))

    # ---- scores ----------------------------------------------------------------------------------------------------

    def evaluate(self, X, y) -> Scores:
        """Scores on rows that training has not seen, beside baselines without features.

        Args:
            X: Features.
            y: Targets; rows without any are left out.
        """
        return scores_of(self, X, y)

    # ---- what matters ----------------------------------------------------------------------------------------------

    def importances(self, X, y, repeats: int = 5, seed: int = 0, *, rows: int = 2000) -> Importances:
        """How much the answers need each column of the table: each is shuffled among the rows in turn, without a new training.

        A column of text or of dates is shuffled as one column, although it becomes several inputs. See `Importances` for the
        three measures and their standard errors. They say what this model uses, not what causes the target: columns that
        say the same share their importance.

        Args:
            X: Features that training has not seen; for rows of training the importances are too large.
            y: Targets.
            repeats: How many times each column is shuffled.
            seed: The seed for the rows and for the shuffling.
            rows: If there are more rows with a target, so many of them are drawn.

        Raises:
            ValueError: if `repeats` is less than 1, or fewer than 2 rows have a target.

        Reference:
            Breiman (2001), Random forests; Fisher et al. (2019), All models are wrong, but many are useful.
        """
        return importances_of(self, X, y, repeats=repeats, seed=seed, rows=rows)

    def partial_dependence(
        self, X, column, levels=(0.05, 0.5, 0.95), grid: int = 20, *, rows: int = 500, seed: int = 0
    ) -> Dependence:
        """How the answers move with one column: the mean over rows of each quantile, where all rows have one value there.

        Where other columns move together with this one, some of these rows do not occur in reality.

        Args:
            X: Features; the other columns stay as they are.
            column: Its name, or its place from 0 among the columns that the model uses.
            levels: The probabilities of the quantiles.
            grid: At most so many values of the column. Of numbers they are quantiles of X from 1 % to 99 %, or all values if
                those are few; of text the most frequent levels; dates have equal distances. A cycle of dates (time of year,
                day of week, time of day) that is too short for these distances stays as it is in each row.
            rows: If there are more rows, so many of them are drawn.
            seed: The seed for the rows.

        Raises:
            ValueError: if there is no such column, no value is known in it, a level does not lie between 0 and 1, or `grid` or
                `rows` is less than 1.

        Reference:
            Friedman (2001), Greedy function approximation: a gradient boosting machine.
        """
        return dependence_of(self, X, column, levels=levels, grid=grid, rows=rows, seed=seed)

    def report(self, X, y, path="report.html") -> Scores:
        """Writes one self-contained HTML page on rows that training has not seen, and returns their scores.

        The page says so if it knows that these rows, or some of them, stood in training.

        Args:
            X: Features. A frame's index, or the lines of a file, name the rows on the page.
            y: Targets.
            path: Where to write the page.
        """
        return write_report(self, X, y, path)


def _ends(coverage) -> np.ndarray:
    """The levels of the two ends of a central interval, which leaves the same probability on both sides, in a last axis."""
    half = 0.5 * np.asarray(coverage)
    return np.stack([0.5 - half, 0.5 + half], axis=-1)
