"""MDNRegressor: scikit-learn's estimator contract around an ensemble of mixture density networks."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from mdn.data.sources import is_source
from mdn.numerics import is_whole
from mdn.tabular import circular, conformal, files, inputs, partial, streamed
from mdn.tabular.answers import Answers
from mdn.tabular.features import MISSING, learn_features
from mdn.tabular.fitting import fit_rows, unchanged_by_failure
from mdn.tabular.frames import in_memory, rows_of
from mdn.tabular.member import listeners
from mdn.tabular.outcome import FAMILIES
from mdn.wording import agreed


class MDNRegressor(Answers, RegressorMixin, BaseEstimator):
    """Predicts a whole distribution of one or several targets for each row of a table.

    Features and targets are scaled inside; all results are in the units of the data. Part of the rows is held out to stop
    in time, and then the network is trained anew on all rows. The members of an ensemble predict together, as one exact
    mixture.

    Args:
        num_components: Components of each mixture; "auto" chooses by the loss on held-out rows.
        hidden_sizes: Units of the hidden layers.
        covariance: That of several targets within a component: "diagonal", "isotropic", "full", or an int, the rank.
        ensemble_size: How many networks, each with its own split, start and shuffling.
        loss: "nll", or "crps" (with several targets the energy score), which is less sensitive to outliers.
        activation: The activation of the hidden layers, by its name in Keras.
        epochs: How many epochs at most.
        batch_size: Rows a step.
        learning_rate: The rate of Adam at the start; it falls to 0 along a cosine.
        weight_decay: Decoupled weight decay of kernels.
        feature_noise: Standard deviation of noise on scaled features, drawn anew each step.
        feature_bins: Bins of a piecewise-linear encoding beside each feature (`mdn.layers.FeatureBins`), with which a network
            learns bends and steps of single features as trees do; 0 for none. "auto" takes 8 if they make held-out rows more
            likely by more than a standard error, else none; with fewer than 100 rows to learn from, or more than 128 inputs
            (each level of a category and each indicator counts), none.
        target_noise: The same on scaled targets.
        averaging: Share of the old value that the moving average of the weights keeps at each step.
        validation_fraction: Share of the rows that says when to stop.
        patience: Stop after this many epochs without a better held-out loss.
        restarts: Trainings from different starts for each network; the best by held-out rows is kept.
        refit: Whether to train anew on all rows, for `history_.best_epoch` epochs.
        missing: What to do about features that are NaN. "indicator": the median of the training rows stands for them, and for
            each column that lacks values in training a further input says so. "median": no input says so. "error": refuse them.
        calibration: "conformal" sets a fifth of the rows aside (at least 50, but no more than a quarter), which nothing is learnt
            from, and calls `calibrate` with them in the end: intervals then hold what they promise. It takes 76 rows. A target
            that never varies is not calibrated.
        family: What one target can be. "normal": any number. "positive": numbers from 0. "bounded": numbers between `bounds`.
            "counts": whole numbers from 0, each with a probability. "auto" finds it out: whole numbers from 0 are counts, numbers
            from 0 positive, those between 0 and 1 or 0 and 100 that come near both ends bounded, and a value that many rows
            have (`outcome_.atoms`) gets a probability of its own. Where several shapes remain, held-out rows choose. No draw,
            quantile or interval leaves the support.
        bounds: (low, high) between which the target must lie, high may be inf; None or "auto": found by `family`.
        censoring: "interval": y has two columns, a lower and an upper bound of the target, equal where it is known, -inf or
            inf where it has none on that side. "right": y has two columns, a time and whether the event was observed then (1)
            or lies later (0).
        period: The circumference, if the target is a number on a circle, such as 360 for degrees and 24 for hours: y and
            y + period are the same. Mixtures of von Mises answer. Any targets are taken; answers lie in [0, period), or in
            [-period/2, period/2) if the targets of training lie there and some are negative.
        trunk: A Keras layer or model, or a function from a Keras tensor to features (batch, units), in place of `hidden_sizes`:
            X is then an array of any rank from 2, such as images (N, H, W, C) or texts as whole numbers, or a list or a dict of
            such arrays, and so is what `trunk` gets. It gets float32 as it came: scaling is the trunk's own task. Each network
            draws trainable weights anew; weights that are not trainable (frozen layers, an adapted Normalization) stay.
        n_jobs: How many networks train in parallel, by joblib; None is 1 unless `joblib.parallel_config` says otherwise.
        random_state: An int for the same result each time.
        verbose: 1 prints a line at once, and one every 20 epochs; 0 prints nothing.

    Attributes:
        members_: The trained networks, weights as NumPy arrays.
        num_components_: Components of the first member's mixture, those without weight left out.
        history_: The history of the first member: `history_.loss`, `history_.val_loss`, `history_.best_epoch`.
        feature_bins_: The bins of each feature of the first member's network, 0 for none.
        target_names_: The names in the series or frame of targets, else "y" or "y0", "y1", ...
        target_grid_: Step of the grid on which each target lies, 0 where it lies on none, shape `(D,)`. A rounded target
            stands for its cell: its likelihood is the probability of the cell, and `log_prob` the log of the mean density there.
        recorded_: The grid of each target, on which quantiles and intervals end; None where it lies on none.
        outcome_: What the target was taken for: its support, whether it is counted, its atoms.
        target_origin_, feature_origin_: Subtracted from targets and features inside, shape `(D,)` and `(F,)`: 0, or their
            median where it lies so far from 0 that float32 would lose their digits.
        baseline_: A normal and a mixture without features, fitted to the same targets.
        calibration_: The sorted ranks of the calibration rows, or None; see `calibrate`.
        indicators_: The places, among the inputs, of the columns that lack values in training; each has an indicator.
        trunk_: What `trunk` was in training, with the shapes of X; None without one.
        seen_: Checksums of training rows, so that a report knows rows of training; empty if they are not known.
        n_samples_seen_: How many rows it learnt from; 0 if that is not known, as in files of older versions.
        n_features_in_, feature_names_in_: As in scikit-learn.

    Example:
        >>> import numpy as np, mdn
        >>> rng = np.random.default_rng(0)
        >>> X = rng.uniform(-1, 1, (400, 1)); y = X[:, 0] + rng.choice([-1, 1], 400) + 0.1 * rng.normal(size=400)
        >>> reg = mdn.MDNRegressor(random_state=0).fit(X, y)
        >>> reg.predict_interval(X[:5], 0.9).shape
        (5, 2)

    Reference:
        Bishop (1994), Mixture Density Networks; Lakshminarayanan et al. (2017), deep ensembles; Rothfuss et al. (2019),
        noise regularization.
    """

    def __init__(
        self,
        num_components: int | str = "auto",
        hidden_sizes: Sequence[int] = (64, 64),
        covariance: str | int = "diagonal",
        ensemble_size: int = 1,
        *,
        loss: str = "nll",
        activation: str = "silu",
        epochs: int = 400,
        batch_size: int = 32,
        learning_rate: float = 1e-2,
        weight_decay: float = 0.0,
        feature_noise: float = 0.0,
        feature_bins: int | str = "auto",
        target_noise: float = 0.0,
        averaging: float = 0.99,
        validation_fraction: float = 0.15,
        patience: int = 100,
        restarts: int = 1,
        refit: bool = True,
        missing: str = "indicator",
        calibration: str | None = None,
        family: str = "normal",
        bounds: str | tuple[float, float] | None = None,
        censoring: str | None = None,
        period: float | None = None,
        trunk: Callable[..., Any] | None = None,
        n_jobs: int | None = None,
        random_state=None,
        verbose: int = 0,
    ):
        self.num_components = num_components
        self.hidden_sizes = hidden_sizes
        self.covariance = covariance
        self.ensemble_size = ensemble_size
        self.loss = loss
        self.activation = activation
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.feature_noise = feature_noise
        self.feature_bins = feature_bins
        self.target_noise = target_noise
        self.averaging = averaging
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.restarts = restarts
        self.refit = refit
        self.missing = missing
        self.calibration = calibration
        self.family = family
        self.bounds = bounds
        self.censoring = censoring
        self.period = period
        self.trunk = trunk
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = True
        tags.input_tags.allow_nan = self.missing != "error"
        tags.input_tags.sparse = self.trunk is None
        tags.non_deterministic = False
        return tags

    # ---- learning --------------------------------------------------------------------------------------------------

    def fit(
        self,
        X,
        y=None,
        sample_weight=None,
        *,
        target: str | Sequence[str] | None = None,
        validation_data: tuple | None = None,
        callbacks: Sequence[Any] = (),
        checkpoint=None,
        memory: float = 1.0,
    ) -> MDNRegressor:
        """Learns from a table, in memory or from files that may be larger than memory.

        From a source, one pass surveys the table. A first column without a name that only numbers the rows is left out with a
        warning, unless the source declares it. If it fits into `memory`, all is as if a frame of its rows had come. Else the
        rows are read in blocks: 200,000 rows with the least hashes are the sample from which scales (a median is known to
        0.0011 of its rank, one standard error), bins, the kind of the target and the number of components are learnt; ranges,
        missing values and levels are those of all rows. 50,000 of these rows at most say when to stop. All others are written
        once as float32 into a folder of temporary files (TMPDIR; within `checkpoint` if there is one), and are read from there
        in a new random order in each pass. An epoch is then at most about a million rows, and there is no second training
        (`refit`).

        Args:
            X: Features, shape `(N, F)`: an array, a sparse matrix (dense at most 1 GB), or a pandas or polars frame,
                whose columns of text become categories, and those of dates days and cycles. Empty columns, and text that
                differs in nearly every row, are left out with a warning. With `trunk`: arrays as it takes them. Or a source: the
                path of a file or a folder, a pattern such as "data/*.parquet", several of these, a `pyarrow.dataset.Dataset`, a
                Dask DataFrame, or what `mdn.data.source_of` makes of them.
            y: Targets, shape `(N,)` or `(N, D)`; NaN is missing. With `censoring` two columns, or an `Interval`. None with a
                source.
            sample_weight: Shape `(N,)`; rows of weight 0 are left out. With a source the name of a column.
            target: With a source, the name of the column to predict, or several names; with `censoring` both columns.
            validation_data: `(X, y)` or `(X, y, sample_weight)` that say when to stop, instead of a part of the rows; never
                trained on.
            callbacks: Keras callbacks. They see each training that held-out rows stop (of a candidate, a member, a restart) from
                its beginning to its end, but not the ones after it (`refit`: one on all rows, and up to 4,000 rows two
                without a part of them, which say how wide the scales must be). Their logs
                hold "loss" and "val_loss", their `model` is the network with the weights of the epoch, on scaled features, and
                `model.stop_training = True` ends its training. Hooks of batches are refused, and no callback is called where
                networks train in parallel. Of an object of another class, `on_epoch_end` is called after every epoch
                of all trainings.
            checkpoint: A folder, for a training that must survive a kill: each network that is done is written there, and is
                not trained again on the same rows with the same settings; callbacks are not called for it then. From a source
                that does not fit into memory, each epoch is written there, too (on JAX).
            memory: With a source, about how many GB learning may take above what the process has: beyond that, rows stay on disk.
                Less than 0.2 is not kept, since a block of rows takes as much.

        Raises:
            ValueError: if features are infinite, or missing with `missing="error"` or a `trunk`, targets are infinite, there
                are too few rows, or a callback acts at batches.
            KeyboardInterrupt: if Ctrl-C was pressed before any network had learnt anything; later it ends the training, and the
                model consists of the networks that are done.

        An error before the networks are done leaves the regressor as it was before.
        """
        self._check_parameters()
        heard_by = listeners(callbacks, self.verbose)
        if self.verbose:
            print("learning: before the first epochs end, programs are compiled", flush=True)
        if target is not None or is_source(X):
            how = streamed.How(target, sample_weight, validation_data, heard_by, checkpoint, memory)
            return streamed.fit(self, X, y, how)
        self._fit_table(X, y, sample_weight, validation_data, heard_by, checkpoint)
        return self

    def partial_fit(self, X, y, sample_weight=None) -> MDNRegressor:
        """Learns from one more batch of rows, in one pass, from where the last call ended; needs JAX.

        The first call learns from its batch what columns are, how features and targets are scaled, and what targets are taken
        for; later batches must fit that, and new levels of a category count as "(other)". So the first batch should be a fair
        sample, of hundreds of rows or more. Nothing is held out, and the rate of learning stays what it is: the average of the
        weights (`averaging`) answers. With `num_components="auto"` there are 6, with `feature_bins="auto"` no bins. After
        `fit`, or from a file, it goes on from the weights that are there; set a lower `learning_rate` first, since that of
        `fit` had fallen to 0. A calibration is forgotten: call `calibrate` in the end.

        Args:
            X: Features, as in `fit`.
            y: Targets, as in `fit`.
            sample_weight: Shape `(N,)`; rows of weight 0 are left out. A weight counts against the mean one of the first batch.

        Raises:
            ValueError: as `fit` does; or if X has other columns than the first batch, or a target lies outside of the support of
                its targets.

        Example:
            >>> import numpy as np, mdn
            >>> rng = np.random.default_rng(0)
            >>> reg = mdn.MDNRegressor(num_components=2, random_state=0)
            >>> for _ in range(3):
            ...     X = rng.uniform(-1, 1, (500, 1))
            ...     _ = reg.partial_fit(X, X[:, 0] + 0.1 * rng.normal(size=500))
            >>> len(reg.history_.loss)
            3
        """
        self._check_parameters()
        with unchanged_by_failure(self):
            partial.partial_fit(self, X, y, sample_weight)
        return self

    def _fit_table(self, X, y, sample_weight, validation_data, heard_by, checkpoint, names=()) -> None:
        """`fit` of a table in memory; `heard_by` as `listeners` returns it, `names` as in `_learn_table`."""
        aside = None
        X = X if self.trunk is not None else in_memory(X)
        if self.calibration is not None and y is not None:
            (X, y, sample_weight), aside = conformal.set_aside(X, y, sample_weight, self.random_state)
        with unchanged_by_failure(self):
            self.calibration_ = None
            self.__dict__.pop("kept_", None)  # of `partial_fit`
            x, y, weight = self._learn_rows(X, y, sample_weight, names)
            rows = x, y, weight / np.mean(weight)
            held_out = None if validation_data is None else functools.partial(inputs.held_out, self, validation_data)
            fit_rows(self, rows, held_out, heard_by=heard_by, checkpoint=checkpoint)
        if aside is not None:
            self._calibrate(*aside)

    def _check_parameters(self) -> None:
        if self.loss not in ("nll", "crps"):
            raise ValueError(f'`loss` must be "nll" or "crps", but {self.loss!r} came.')
        if self.missing not in MISSING:
            raise ValueError(f"`missing` must be one of {', '.join(map(repr, MISSING))}, but {self.missing!r} came.")
        inputs.check_features(self)
        if self.calibration not in (None, "conformal"):
            raise ValueError(f'`calibration` must be None or "conformal", but {self.calibration!r} came.')
        if self.family not in FAMILIES:
            raise ValueError(f"`family` must be one of {', '.join(map(repr, FAMILIES))}, but {self.family!r} came.")
        inputs.check_bounds(self.bounds)
        circular.check(self)
        if self.censoring and self.calibration:
            raise ValueError(
                "`calibration` must be None with `censoring`: where a target is not known, nothing can be promised of it."
            )
        if self.censoring not in (None, "interval", "right"):
            raise ValueError(f'`censoring` must be None, "interval" or "right", but {self.censoring!r} came.')
        auto = self.num_components == "auto"
        for name, value in [
            ("ensemble_size", self.ensemble_size),
            ("epochs", self.epochs),
            ("batch_size", self.batch_size),
            ("restarts", self.restarts),
            *([] if auto else [("num_components", self.num_components)]),
        ]:
            if not is_whole(value) or value < 1:
                also = ' or "auto"' if name == "num_components" else ""
                raise ValueError(f"`{name}` must be an int of at least 1{also}, but {value!r} came.")
        if not 0.0 < self.validation_fraction < 1.0:
            raise ValueError(f"`validation_fraction` must lie between 0 and 1, but {self.validation_fraction!r} came.")

    # ---- checks of the input ---------------------------------------------------------------------------------------

    def _learn_table(self, X, y, counted=None, names=()):
        """Features `(N, F)` and targets `(N, D)`, checked, float64; sets the attributes of columns, names and feature origin.

        Args:
            X: As in `fit`.
            y: As in `fit`.
            counted: As in `learn_features`.
            names: Those of the targets, if `y` has none.
        """
        y = inputs.learn_targets(self, y, names)
        x = learn_features(self, X, counted)
        check_consistent_length(x, y)
        return x, y

    def _learn_rows(self, X, y, sample_weight=None, names=()):
        """As `_learn_table`, with weights `(N,)`, of rows with a target and a weight above 0: no other row shapes the inputs."""
        y = inputs.learn_targets(self, y, names)
        weight = inputs.weights(sample_weight, y)
        known = ~np.isnan(y).all(axis=1) & (weight > 0.0)
        if (count := int(known.sum())) < 2:
            raise ValueError(
                f"at least 2 rows with a target and a weight are needed, but there {agreed(count, 'is', 'are')} {count} "
                f"(n_samples = {len(y)})."
            )
        if self.trunk is None and count < len(y):
            check_consistent_length(X, y)
            x = learn_features(self, rows_of(in_memory(X), np.flatnonzero(known)))
        else:
            x = learn_features(self, X)
            check_consistent_length(x, y)
            x = x[known]
        return x, y[known], weight[known]

    @property
    def feature_bins_(self) -> int:
        """The bins of each feature of the first member's network, 0 for none."""
        return self.members_[0].architecture.bins

    # ---- files -----------------------------------------------------------------------------------------------------

    def save(self, path) -> None:
        """Writes one file that `mdn.load` opens; an earlier file there stays until the new one is complete."""
        check_is_fitted(self)
        files.save(self, path)

    @classmethod
    def load(cls, path, *, trunk: Callable[..., Any] | None = None) -> MDNRegressor:
        """The regressor that `save` wrote.

        Args:
            path: Path of the file.
            trunk: The function that was the `trunk` in training, if it was one: no file can hold it.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if the file is truncated, not written by `save`, or from a newer version, or if it needs `trunk`.
        """
        return files.load(cls, path, trunk)
