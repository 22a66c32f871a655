"""MDNRegressor: scikit-learn's estimator contract around an ensemble of mixture density networks."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from keras import ops
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    check_consistent_length,
    check_is_fitted,
    check_random_state,
    validate_data,
)

from mdn.distributions import Mixture, blend
from mdn.metrics import Baseline
from mdn.random import Stream
from mdn.tabular import files, targets
from mdn.tabular.columns import Columns, check_finite
from mdn.tabular.member import Member, Recipe, fit_member
from mdn.tabular.network import Architecture, chunks, width_for
from mdn.tabular.report import write_report
from mdn.tabular.scores import Scores
from mdn.training import History

CANDIDATES = (3, 6, 12)
"""What `num_components="auto"` chooses from."""
_ROWS_A_COMPONENT = 4
_SHARP = 0.9
_LARGEST = 1e30  # of a feature, as float32 holds it with room to spare
_TELL_EVERY = 20


class MDNRegressor(RegressorMixin, BaseEstimator):
    """Predicts a whole distribution of one or several targets for each row of a table.

    Features and targets are scaled inside; whatever comes back is in the units of the data. Part of the rows is held out
    to stop in time, and then the network is trained anew on all of them. Members of an ensemble are answered as one exact
    mixture.

    Args:
        num_components: Of each mixture; "auto" chooses by the likelihood of held-out rows.
        hidden_sizes: Units of the hidden layers.
        covariance: Of several targets within a component: "diagonal", "isotropic", "full", or an int, the rank.
        ensemble_size: How many networks, each with its own split, start and shuffling.
        loss: "nll", or "crps" (with several targets the energy score), which forgives outliers more.
        activation: Of the hidden layers, by its name in Keras.
        epochs: At most.
        batch_size: Rows a step.
        learning_rate: Of Adam at the start; it falls to 0 along a cosine.
        weight_decay: Decoupled, of kernels.
        feature_noise: Standard deviation of noise on scaled features, drawn anew each step.
        target_noise: The same on scaled targets.
        averaging: Share of the old in the moving average of weights, a step.
        validation_fraction: Share of the rows that says when to stop.
        patience: Epochs without a better held-out loss before it stops.
        refit: Whether to train anew on all rows, for as many epochs as were best.
        missing: Of a feature that is NaN: "error", or "median" to take the training rows' median for it.
        n_jobs: Members and candidates at once, by joblib; None is 1 unless `joblib.parallel_config` says otherwise.
        random_state: An int for the same result each time.
        verbose: 1 prints a line now and then.

    Attributes:
        members_: The trained networks, weights as NumPy arrays.
        num_components_: Components of one member's mixture.
        history_: Of the first member: `history_.loss`, `history_.val_loss`, `history_.best_epoch`.
        target_names_: Of the series or frame of targets, else "y" or "y0", "y1", ...
        target_grid_: Step of the grid on which each target lies, 0 where it lies on none, shape `(D,)`. Rounded targets
            are spread over their cells before training, so that `log_prob` is the density of the unrounded target.
        baseline_: A normal and a mixture without features, fitted to the same targets.
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
        target_noise: float = 0.0,
        averaging: float = 0.99,
        validation_fraction: float = 0.15,
        patience: int = 100,
        refit: bool = True,
        missing: str = "error",
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
        self.target_noise = target_noise
        self.averaging = averaging
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.refit = refit
        self.missing = missing
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = True
        tags.non_deterministic = False
        return tags

    # ---- learning --------------------------------------------------------------------------------------------------

    def fit(
        self,
        X,
        y,
        sample_weight=None,
        *,
        validation_data: tuple | None = None,
        callbacks: Sequence[Any] = (),
    ) -> MDNRegressor:
        """Learns from a table.

        Args:
            X: Features, shape `(N, F)`: an array, or a pandas or polars frame, whose columns of text become categories.
            y: Targets, shape `(N,)` or `(N, D)`; NaN is missing.
            sample_weight: Shape `(N,)`; rows of weight 0 are left out.
            validation_data: `(X, y)` that say when to stop, instead of a part of the rows; never trained on.
            callbacks: Keras callbacks, told of the end of each epoch; only where nothing runs in parallel.

        Raises:
            ValueError: if features are missing or infinite, targets are infinite, or there are too few rows.
        """
        self._check_parameters()
        x, y = self._learn_table(X, y)
        weight = _check_sample_weight(sample_weight, x, dtype="float64", ensure_non_negative=True)
        known = ~np.all(np.isnan(y), axis=1) & (weight > 0.0)
        if np.sum(known) < 2:
            raise ValueError(
                f"at least 2 rows with a target and a weight are needed, but there are {np.sum(known)} "
                f"(n_samples = {len(x)})."
            )
        x, y, weight = x[known], y[known], weight[known]
        weight = weight / np.mean(weight)
        seeds = check_random_state(self.random_state).randint(0, 2**31 - 1, size=1 + int(self.ensemble_size))
        self.target_grid_ = targets.grid(y)
        y = targets.spread_over_cells(y, self.target_grid_, int(seeds[0]))
        self.baseline_: Baseline | None = Baseline(y)
        held_out = None if validation_data is None else self._held_out(*validation_data)
        if np.all(targets.constant(y)):
            return self._fit_constant(x, y)
        self._fit_members(x, y, weight, held_out, seeds, _teller(callbacks, self.verbose))
        return self

    def _fit_members(self, x, y, weight, held_out, seeds, on_epoch) -> None:
        count = len(y)
        if held_out is not None:
            x, y = np.concatenate([x, held_out[0]]), np.concatenate([y, held_out[1]])
            weight = np.concatenate([weight, np.ones(len(held_out[1]))])

        def split(seed):
            if held_out is not None:
                return np.arange(count), np.arange(count, len(y))
            return targets.split_rows(count, self.validation_fraction, seed)

        def train(jobs):
            tasks: list[tuple[Any, ...]] = [
                (self._architecture(x.shape[1], y.shape[1], components), x, y, weight, *split(seed), recipe, int(seed))
                for components, recipe, seed in jobs
            ]
            if effective_n_jobs(self.n_jobs) > 1:
                return Parallel(n_jobs=self.n_jobs)(delayed(fit_member)(*task) for task in tasks)
            trained: list[Member] = []
            for task in tasks:
                if not trained or not trained[-1].history.interrupted:
                    trained.append(fit_member(*task, on_epoch=on_epoch))
            return trained

        refit = self.refit and held_out is None
        candidates = self._candidates(count)
        chosen, members = candidates[0], []
        if len(candidates) > 1:
            tried = train([(components, self._recipe(False), seeds[1]) for components in candidates])
            best = min(tried, key=lambda member: member.val_loss)
            chosen = best.architecture.num_components
            if not refit or tried[-1].history.interrupted:
                members = [best]
        if not members or not members[0].history.interrupted:
            members += train([(chosen, self._recipe(refit), seed) for seed in seeds[1 + len(members) :]])
        self.members_ = members
        self.num_components_ = chosen
        self.history_ = members[0].history

    def _held_out(self, X, y):
        x = self._features(X)
        y = self._targets(y, len(x))
        return x, targets.spread_over_cells(y, self.target_grid_, 1)

    def _fit_constant(self, x, y) -> MDNRegressor:
        warnings.warn(
            f"every target is the same ({', '.join(f'{value:g}' for value in y[0])}): it is predicted with a scale of a "
            "thousandth of its size, and no baseline means anything.",
            UserWarning,
            stacklevel=3,
        )
        architecture = dataclasses.replace(self._architecture(x.shape[1], y.shape[1], 1), covariance="diagonal")
        self.members_ = [Member.constant(architecture, y[0])]
        self.num_components_ = 1
        self.history_ = self.members_[0].history
        self.baseline_ = None
        return self

    def _candidates(self, rows: int) -> list[int]:
        most = max(1, rows // _ROWS_A_COMPONENT)
        if isinstance(self.num_components, str):
            return sorted({min(count, most) for count in CANDIDATES})
        if self.num_components > most:
            warnings.warn(
                f"{rows} rows are too few for {self.num_components} components: {most} are used. "
                'Set num_components lower, or to "auto".',
                UserWarning,
                stacklevel=4,
            )
        return [min(int(self.num_components), most)]

    def _architecture(self, features: int, event_size: int, components: int) -> Architecture:
        return Architecture(
            width=width_for(features),
            hidden_sizes=tuple(self.hidden_sizes),
            activation=self.activation,
            event_size=event_size,
            num_components=components,
            covariance=self.covariance if event_size > 1 else "diagonal",
            feature_noise=self.feature_noise,
            loss=self.loss,
        )

    def _recipe(self, refit: bool) -> Recipe:
        return Recipe(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            target_noise=self.target_noise,
            averaging=self.averaging,
            patience=self.patience,
            refit=refit,
        )

    def _check_parameters(self) -> None:
        if self.loss not in ("nll", "crps"):
            raise ValueError(f'`loss` must be "nll" or "crps", but {self.loss!r} came.')
        if self.missing not in ("error", "median"):
            raise ValueError(f'`missing` must be "error" or "median", but {self.missing!r} came.')
        auto = self.num_components == "auto"
        for name, value in [
            ("ensemble_size", self.ensemble_size),
            ("epochs", self.epochs),
            ("batch_size", self.batch_size),
            *([] if auto else [("num_components", self.num_components)]),
        ]:
            if isinstance(value, bool | str) or not isinstance(value, int | np.integer) or value < 1:
                also = ' or "auto"' if name == "num_components" else ""
                raise ValueError(f"`{name}` must be an int of at least 1{also}, but {value!r} came.")
        if not 0.0 < self.validation_fraction < 1.0:
            raise ValueError(f"`validation_fraction` must lie between 0 and 1, but {self.validation_fraction!r} came.")

    # ---- what comes in ---------------------------------------------------------------------------------------------

    def _learn_table(self, X, y):
        """Features `(N, F)` and targets `(N, D)`, float64 and checked; remembers names, and whether targets had columns."""
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None: fit(X, y) learns y from X."
            )
        self.columns_ = Columns.learn(X)
        x = self._features(X, reset=True)
        names = _names(y)
        y = check_array(
            y, dtype="float64", ensure_2d=False, ensure_all_finite="allow-nan", input_name="y", estimator=self
        )
        check_consistent_length(x, y)
        if y.ndim > 2:
            raise ValueError(f"`y` must have shape (N,) or (N, D), but {y.shape} came.")
        self.n_targets_ = None if y.ndim == 1 else y.shape[1]
        self.target_names_ = names or (["y"] if y.ndim == 1 else [f"y{d}" for d in range(y.shape[1])])
        return x, y.reshape(len(y), -1)

    def _features(self, X, reset: bool = False) -> np.ndarray:
        """`X` as numbers `(N, F)`, float64."""
        if self.columns_.has_text:
            validate_data(self, X, reset=reset, skip_check_array=True)
            x = self.columns_.numbers(X)
        else:
            x = validate_data(self, X, reset=reset, dtype="float64", ensure_all_finite=False)
        names = self.columns_.names if self.columns_.names else getattr(self, "feature_names_in_", None)
        check_finite(x, names, missing_too=self.missing == "error")
        return np.clip(x, -_LARGEST, _LARGEST)

    def _targets(self, y, rows: int) -> np.ndarray:
        """Targets to be judged, `(N, D)` float32, NaN where missing."""
        y = check_array(y, dtype="float64", ensure_2d=False, ensure_all_finite="allow-nan", input_name="y")
        y = y.reshape(len(y), -1)
        if y.shape != (rows, self._event_size):
            raise ValueError(
                f"`y` must have {rows} rows of {self._event_size} targets, as X and the training targets have, but its "
                f"shape is {y.shape}."
            )
        return y.astype("float32")

    @property
    def _event_size(self) -> int:
        return self.n_targets_ or 1

    # ---- what is believed ------------------------------------------------------------------------------------------

    def predict_distribution(self, X) -> Mixture:
        """The exact mixture for each row, batch `(N,)`, of all members together; tensors of the backend."""
        check_is_fitted(self)
        x = self._features(X)
        return self._mixture([member.params(x) for member in self.members_])

    def predict(self, X) -> np.ndarray:
        """The mean for each row, shape `(N,)` or `(N, D)`, as the targets were."""
        return self._as_targets(self._ask(X, lambda mixture, _: mixture.mean()))

    def predict_quantile(self, X, q) -> np.ndarray:
        """Quantiles of each target for each row.

        Args:
            X: Features.
            q: A probability, or several.

        Returns:
            `(N,)` or `(N, D)` for one probability, with an axis of the probabilities at the end for several.
        """
        q = np.asarray(q, "float32")
        levels = q.reshape(-1)

        def quantiles(mixture, _):
            each = [ops.moveaxis(m.quantile(levels)[..., 0], 0, -1) for m in self._marginals(mixture)]
            return ops.stack(each, axis=1)

        values = self._as_targets(self._ask(X, quantiles))
        return values.reshape(*values.shape[:-1], *q.shape)

    def predict_interval(self, X, coverage: float = 0.9) -> np.ndarray:
        """The central interval that should hold a new target with probability `coverage`: `(N, 2)` or `(N, D, 2)`."""
        if not 0.0 < coverage < 1.0:
            raise ValueError(f"`coverage` must lie between 0 and 1, such as 0.9, but {coverage!r} came.")
        return self.predict_quantile(X, [0.5 - 0.5 * coverage, 0.5 + 0.5 * coverage])

    def predict_variance(self, X) -> dict[str, np.ndarray]:
        """The variance of each target, split: what the data scatter, and what the members do not agree on.

        Returns:
            "aleatoric" (the mean of the members' variances), "epistemic" (the variance of their means) and "total" (their
            sum, the variance of the mixture), each `(N,)` or `(N, D)`.
        """
        check_is_fitted(self)
        x = self._features(X)
        parts = [self._mixture([member.params(x)]) for member in self.members_]
        means, variances = (
            np.stack([np.asarray(ops.convert_to_numpy(getattr(part, what)()), "float64") for part in parts])
            for what in ("mean", "variance")
        )
        aleatoric, epistemic = variances.mean(axis=0), means.var(axis=0)
        split = {"aleatoric": aleatoric, "epistemic": epistemic, "total": aleatoric + epistemic}
        return {name: self._as_targets(value) for name, value in split.items()}

    def sample(self, X, n: int = 1, seed=None) -> np.ndarray:
        """`n` draws for each row: `(n, N)` or `(n, N, D)`."""
        stream = Stream(seed)
        draws = self._ask(X, lambda mixture, _: ops.moveaxis(mixture.sample(int(n), seed=stream.key()), 0, 1))
        return np.moveaxis(draws if self.n_targets_ else draws[..., 0], 1, 0)

    def log_prob(self, X, y) -> np.ndarray:
        """Log density of each target in nats, in the targets' unit, `(N,)`; of what is observed, where NaN is missing.

        Where training targets lay on a grid (`target_grid_`) it is the density of the unrounded target.
        """
        return self._ask(X, lambda mixture, y: mixture.log_prob_observed(y), y)

    def _ask(self, X, question: Callable, y=None) -> np.ndarray:
        """What `question(mixture, y)` says of each row, a NumPy array; few rows at a time, in few different shapes."""
        check_is_fitted(self)
        x = self._features(X)
        y = np.zeros((len(x), self._event_size), "float32") if y is None else self._targets(y, len(x))
        answers = []
        for begin, end, room in chunks(len(x)):
            spare = ((0, room - (end - begin)), (0, 0))
            mixture = self._mixture([member.params(np.pad(x[begin:end], spare)) for member in self.members_])
            answer = ops.convert_to_numpy(question(mixture, np.pad(y[begin:end], spare)))
            answers.append(np.asarray(answer, "float64")[: end - begin])
        return np.concatenate(answers)

    def _mixture(self, params) -> Mixture:
        mixtures = [
            member.architecture.spec(part) for member, part in zip(self.members_[: len(params)], params, strict=True)
        ]
        return mixtures[0] if len(mixtures) == 1 else blend(mixtures)

    def _marginals(self, mixture):
        return [mixture] if self._event_size == 1 else [mixture.marginal([d]) for d in range(self._event_size)]

    def _as_targets(self, values: np.ndarray) -> np.ndarray:
        """(N, D, ...) without the axis of targets, where they had none."""
        return values if self.n_targets_ else values[:, 0]

    # ---- what it is worth ------------------------------------------------------------------------------------------

    def evaluate(self, X, y) -> Scores:
        """Scores on rows that training has not seen, beside baselines without features.

        Args:
            X: Features.
            y: Targets; rows without any are left out.
        """
        log_prob = self.log_prob(X, y)
        truth = self._targets(y, len(log_prob)).astype("float64")

        def judge(mixture, y):
            answers = []
            for d, marginal in enumerate(self._marginals(mixture)):
                to = y[:, d : d + 1]
                low, high = marginal.interval(_SHARP)
                answers.append(
                    ops.stack(
                        [marginal.crps(to), marginal.cdf(to), marginal.mean()[:, 0], high[:, 0] - low[:, 0]], axis=-1
                    )
                )
            return ops.stack(answers, axis=1)

        crps, below, mean, width = np.moveaxis(self._ask(X, judge, y), -1, 0)
        missing = np.isnan(truth)
        crps, below = np.where(missing, np.nan, crps), np.where(missing, np.nan, below)
        baseline = self.baseline_
        return Scores(
            nll=-float(np.mean(log_prob[~missing.all(axis=1)])),
            gaussian_nll=float("nan") if baseline is None else baseline.gaussian_nll(truth),
            mixture_nll=float("nan") if baseline is None else baseline.mixture_nll(truth),
            crps=np.nanmean(crps, axis=0),
            rmse=np.sqrt(np.nanmean((mean - truth) ** 2, axis=0)),
            pit=below,
            sharpness=np.mean(width, axis=0),
        )

    def report(self, X, y, path="report.html") -> Scores:
        """Writes one self-contained HTML page on rows that training has not seen, and returns their scores.

        Args:
            X: Features.
            y: Targets.
            path: Of the page.
        """
        return write_report(self, X, y, path)

    # ---- files -----------------------------------------------------------------------------------------------------

    def save(self, path) -> None:
        """Writes one file that `mdn.load` opens; what stood there before stays until the new one is complete."""
        check_is_fitted(self)
        baseline = self.baseline_
        description = {
            "parameters": {**self.get_params(), "random_state": None},
            "features": int(self.n_features_in_),
            "feature_names": [str(name) for name in getattr(self, "feature_names_in_", [])],
            "columns": self.columns_.levels,
            "targets": self.n_targets_,
            "target_names": self.target_names_,
            "grid": self.target_grid_,
            "baseline": None if baseline is None else vars(baseline),
            "members": [
                {
                    "architecture": member.architecture,
                    "val_loss": member.val_loss,
                    "history": member.history,
                    "widening": member.widening,
                }
                for member in self.members_
            ],
        }
        files.write(path, description, [member.weights for member in self.members_])

    @classmethod
    def load(cls, path) -> MDNRegressor:
        """The regressor that `save` wrote.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if the file is truncated, from elsewhere, or of a newer version.
        """
        description, weights = files.read(path)
        parameters = description["parameters"]
        reg = cls(**{**parameters, "hidden_sizes": tuple(parameters["hidden_sizes"])})
        reg.n_features_in_ = description["features"]
        if description["feature_names"]:
            reg.feature_names_in_ = np.array(description["feature_names"], dtype=object)
        reg.columns_ = Columns(description["columns"])
        reg.n_targets_ = description["targets"]
        reg.target_names_ = description["target_names"]
        reg.target_grid_ = np.array(description["grid"])
        reg.baseline_ = None if description["baseline"] is None else Baseline.of(description["baseline"])
        reg.members_ = [
            Member(
                Architecture.of(one["architecture"]),
                arrays,
                one["val_loss"],
                History(**one["history"]),
                one["widening"],
            )
            for one, arrays in zip(description["members"], weights, strict=True)
        ]
        reg.num_components_ = reg.members_[0].architecture.num_components
        reg.history_ = reg.members_[0].history
        return reg


def _names(y) -> list[str]:
    """Names of the targets, where a series or a frame has some."""
    if hasattr(y, "columns"):
        return [str(name) for name in y.columns]
    name = getattr(y, "name", None)
    return [str(name)] if name not in (None, "") else []


def _teller(callbacks, verbose):
    """What to call after each epoch, if anything."""
    if not callbacks and not verbose:
        return None

    def tell(epoch, history):
        logs = {name: curve[-1] for name, curve in history.history.items()}
        for callback in callbacks:
            callback.on_epoch_end(epoch - 1, logs)
        if verbose and epoch % _TELL_EVERY == 0:
            print(f"epoch {epoch}: " + ", ".join(f"{name} {value:.4f}" for name, value in logs.items()))

    return tell
