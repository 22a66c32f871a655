"""Scores of a model over a whole data set, in data units, and baselines to compare them with."""

from __future__ import annotations

import math

import keras
import numpy as np
from keras import ops

from mdn import backend, initializers, numerics
from mdn.distributions import Mixture, MultivariateNormal, Normal, Spec
from mdn.distributions.spec import serializable
from mdn.losses import NegativeLogLikelihood, step_weights, target_array
from mdn.masks import unmasked
from mdn.wording import counted


@serializable
class NLL(keras.metrics.Metric):
    """The weighted mean NLL, Σ weight · nll / Σ weight, over all batches, in nats and in the unit of the targets.

    Masked steps and wholly missing targets have weight 0. The value is the same at every batch size, unlike the average
    of batch means that Keras reports for a loss.

    Args:
        spec: The spec of the model's output.
        name: As in Keras.

    Example:
        >>> import mdn, numpy as np
        >>> spec = mdn.MixtureSpec(mdn.NormalSpec(1), 1)
        >>> nll = mdn.metrics.NLL(spec)
        >>> nll.update_state(np.zeros((4, 1)), np.tile([[0.0, 1.0, 0.0]], (4, 1)))
        >>> round(float(nll.result()), 4)
        0.9189
    """

    _direction = "down"  # Keras' callbacks ask which way is better

    def __init__(self, spec: Spec, name: str = "nll", **kwargs):
        super().__init__(name=name, **kwargs)
        self.spec = spec
        self._loss = NegativeLogLikelihood(spec, reduction="none")
        dtype = numerics.float_dtype()  # sums of many rows need its digits, whatever the dtype of Keras
        self.total = self.add_weight(shape=(), initializer="zeros", dtype=dtype, name="total")
        self.weight = self.add_weight(shape=(), initializer="zeros", dtype=dtype, name="weight")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch of targets, packed parameters (their Keras mask is respected) and weights."""
        mask = backend.mask_of(y_pred)
        if mask is None:
            mask = backend.mask_of(y_true)  # the loss left it there
        params = numerics.as_tensor(y_pred)
        y_true = target_array(self.spec, y_true, params.shape)
        values = self._loss.call(y_true, params)
        weights = step_weights(y_true, values, mask, sample_weight)
        self.total.assign_add(ops.cast(ops.sum(weights * values), self.total.dtype))
        self.weight.assign_add(ops.cast(ops.sum(weights), self.weight.dtype))

    def result(self):
        """The weighted mean so far."""
        return ops.divide_no_nan(self.total, self.weight)

    def get_config(self):
        """What `from_config` needs."""
        return {**super().get_config(), "spec": keras.saving.serialize_keras_object(self.spec)}

    @classmethod
    def from_config(cls, config):
        """The metric whose `get_config` returned `config`."""
        return cls(**{**config, "spec": keras.saving.deserialize_keras_object(config["spec"])})


_MOST_LINE_ROWS, _MOST_LINE_CELLS = 100_000, 20_000_000  # least squares on more rows takes long and changes little
_MOST_LINE_COLUMNS = 2_000  # the eigenvalues of more take seconds
_LINE_ROWS_AT_ONCE = 10_000


class Baseline:
    """Two models of the targets that use no features: a normal with full covariance, and a mixture fitted by EM.

    Compare every NLL with theirs. An NLL alone says nothing, because a density may exceed 1. With features there is a third
    one, least squares with normal errors. A network that does not beat it has learnt no more than a straight line.

    Args:
        y: Targets, shape `(N, D)`; rows with NaN are left out.
        num_components: K of the mixture.
        x: Features, shape `(N, F)`, for least squares; the median of a column stands for NaN. There is no such model (`has_line`)
            without features, with more than 2,000 of them, or without more rows than columns.

    Raises:
        ValueError: if `x` has another shape, other rows than `y`, or infinite values.

    Example:
        >>> import mdn, numpy as np
        >>> y = np.random.default_rng(0).normal(size=(500, 1))
        >>> round(mdn.metrics.Baseline(y).gaussian_nll(y), 2)
        1.43
    """

    def __init__(self, y, num_components: int = 10, x=None):
        y = np.asarray(unmasked(y), "float64")
        if x is not None:
            self._fit_line(_checked(x, len(y)), y)
        y = y[np.all(np.isfinite(y), axis=-1)]
        self.center, covariance = np.mean(y, axis=0), np.cov(y.T, bias=True).reshape(y.shape[1], y.shape[1])
        self.scale_tril = np.linalg.cholesky(numerics.ridge(covariance))
        y = y - self.center  # subtract in float64: float32 could lose the digits of targets far from 0
        shift, spread = initializers.robust_scaling(y)
        loc, scale, self.weights = initializers.starting_mixture((y - shift) / spread, num_components)
        self.loc, self.scale = self.center + shift + spread * loc, spread * scale

    def _fit_line(self, x, y) -> None:
        """Sets `medians` (F,), `slopes` (F, D), `intercepts` (D,) and `residual_tril` (D, D), if there are enough rows."""
        known = np.flatnonzero(np.all(np.isfinite(y), axis=1))
        most = min(_MOST_LINE_ROWS, _MOST_LINE_CELLS // max(x.shape[1], 1))
        if len(known) > most:
            known = np.sort(np.random.default_rng(0).choice(known, most, replace=False))
        if len(known) <= x.shape[1] + 1 or x.shape[1] > _MOST_LINE_COLUMNS:
            return
        x, y = x[known].astype("float64"), y[known]
        gone = np.isnan(x)
        pairs = zip(x.T, gone.T, strict=True)
        medians = np.array([0.0 if lost.all() else np.median(column[~lost]) for column, lost in pairs])
        x = np.where(gone, medians, x) - medians
        center, spread = x.mean(axis=0), x.std(axis=0)
        spread = np.where(spread > 0.0, spread, 1.0)
        z, means = (x - center) / spread, y.mean(axis=0)
        values, vectors = np.linalg.eigh(z.T @ z)
        kept = numerics.informative(values)
        slopes = (vectors[:, kept] / values[kept]) @ (vectors[:, kept].T @ (z.T @ (y - means)))
        residuals = y - means - z @ slopes
        self.medians, self.slopes = medians, slopes / spread[:, None]
        self.intercepts = means - center @ self.slopes
        free = len(y) - kept.sum() - 1  # so that the errors of new rows are not taken for smaller than they are
        self.residual_tril = np.linalg.cholesky(numerics.ridge(residuals.T @ residuals / free))

    @property
    def has_line(self) -> bool:
        """Whether there is a model of least squares."""
        return hasattr(self, "slopes")

    def line(self, x) -> np.ndarray:
        """The targets `(N, D)` that least squares predicts for features `(N, F)`.

        Raises:
            ValueError: if it has none; see `has_line`.
        """
        if not self.has_line:
            raise ValueError(
                "there is no least squares: it needs features, `Baseline(y, x=x)`, and more rows than columns."
            )
        x = unmasked(x)
        blocks = (x[first : first + _LINE_ROWS_AT_ONCE] for first in range(0, max(len(x), 1), _LINE_ROWS_AT_ONCE))
        filled = (np.where(np.isnan(block), 0.0, block - self.medians) for block in blocks)
        return np.concatenate([block @ self.slopes + self.intercepts for block in filled])

    @classmethod
    def of(cls, fields: dict) -> Baseline:
        """The baseline whose `vars` were `fields`, with arrays as lists."""
        baseline = object.__new__(cls)
        vars(baseline).update({name: np.array(value) for name, value in fields.items()})
        return baseline

    def mixtures(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """(logits (K,), loc (K, 1), scale (K, 1)) of the normal, and of the mixture, for one target."""
        normal = np.zeros(1), self.center[None], np.abs(np.asarray(self.scale_tril))
        return [normal, (np.log(self.weights), self.loc, self.scale)]

    def gaussian_nll(self, y) -> float:
        """Mean NLL of `y` (N, D) under the normal; NaN is missing, and observed coordinates are scored."""
        return float(np.nanmean(self.gaussian_nlls(y)))

    def mixture_nll(self, y) -> float:
        """Mean NLL of `y` (N, D) under the mixture."""
        return float(np.nanmean(self.mixture_nlls(y)))

    def gaussian_nlls(self, y) -> np.ndarray:
        """The NLL of each row of `y` (N, D) under the normal, (N,) in float64; NaN for rows without any target."""
        return _normal_nlls(np.asarray(unmasked(y), "float64") - self.center, self.scale_tril)

    def line_nlls(self, x, y) -> np.ndarray:
        """The NLL of each row under least squares with normal errors, `(N,)` in float64; NaN for rows without any target.

        Args:
            x: Features, `(N, F)`.
            y: Targets, `(N, D)`; NaN is missing.
        """
        return _normal_nlls(np.asarray(unmasked(y), "float64") - self.line(x), self.residual_tril)

    def mixture_nlls(self, y) -> np.ndarray:
        """The NLL of each row of `y` (N, D) under the mixture, (N,) in float64; NaN for rows without any target."""
        mixture = Mixture(np.log(self.weights), Normal(self.loc - self.center, self.scale))
        centred = np.asarray(unmasked(y), "float64") - self.center
        return _nlls(mixture.log_prob_observed(centred.astype("float32")), centred)


def _checked(x, rows: int) -> np.ndarray:
    """Features as an array; raises a ValueError if they do not fit targets of so many rows."""
    x = np.asarray(unmasked(x))
    if x.ndim != 2 or len(x) != rows:
        raise ValueError(
            f"`x` must have {counted(rows, 'row', form=',')} of features, one for each target, but its shape is {x.shape}."
        )
    if np.isinf(x).any():
        raise ValueError("`x` has infinite values: replace them, or set them to NaN if they are unknown.")
    return x


def _normal_nlls(centred: np.ndarray, scale_tril: np.ndarray) -> np.ndarray:
    z = centred / np.diagonal(scale_tril)  # in float64, since the square of an outlier may leave float32
    if z.shape[1] == 1:
        return 0.5 * z[:, 0] ** 2 + math.log(float(scale_tril[0, 0])) + 0.5 * numerics.LOG_2PI
    normal = MultivariateNormal(np.zeros(z.shape[1]), scale_tril)
    return _nlls(normal.log_prob_observed(centred.astype("float32")), centred)


def _nlls(log_prob, y) -> np.ndarray:
    nlls = -np.asarray(ops.convert_to_numpy(log_prob), "float64")
    return np.where(np.all(np.isnan(y), axis=-1), np.nan, nlls)


def pit(distribution, y) -> np.ndarray:
    """Probability integral transform F(y), float64 of shape `(N,)`: uniform on [0, 1] if the distributions are calibrated.

    Args:
        distribution: Batch `(N,)`, event_size 1.
        y: Targets, shape `(N, 1)`.

    Example:
        >>> import mdn, numpy as np
        >>> mdn.metrics.pit(mdn.Normal(np.zeros((2, 1)), np.ones((2, 1))), np.array([[0.0], [9.0]])).tolist()
        [0.5, 1.0]

    Reference:
        Dawid (1984), Present position and potential developments: the prequential approach.
    """
    return np.asarray(ops.convert_to_numpy(distribution.cdf(y)), "float64")


def coverage(values, nominal: float) -> float:
    """The share of targets that lie inside the central interval which should hold a share `nominal` of them.

    Args:
        values: The result of `pit`, any shape; NaN, of a padded step or a missing target, is left out.
        nominal: The share in (0, 1) that the interval should hold: 0.9 for a 90 % interval.

    Example:
        >>> import mdn, numpy as np
        >>> round(mdn.metrics.coverage(np.linspace(0, 1, 1001), 0.9), 2)
        0.9
    """
    values = np.asarray(unmasked(values), "float64")
    values = values[~np.isnan(values)]
    return float(np.mean(np.abs(values - 0.5) <= 0.5 * nominal)) if len(values) else math.nan


def nll_scorer(estimator, X, y) -> float:
    """Mean of `estimator.log_prob(X, y)`: a scorer for scikit-learn, where greater is better.

    `estimator` may be a Pipeline. A Pipeline has no `log_prob`, so the scorer calls the one of its last step.

    Args:
        estimator: A fitted `MDNRegressor`, or a Pipeline that ends in one.
        X: Features, `(N, F)`.
        y: Targets, `(N,)` or `(N, D)`.

    Example:
        >>> import mdn, numpy as np
        >>> x = np.linspace(-1, 1, 60)[:, None]
        >>> reg = mdn.MDNRegressor(num_components=1, epochs=2, random_state=0).fit(x, x[:, 0])
        >>> bool(mdn.metrics.nll_scorer(reg, x, x[:, 0]) == np.mean(reg.log_prob(x, x[:, 0])))
        True
    """
    if hasattr(estimator, "steps"):
        estimator, X = estimator[-1], estimator[:-1].transform(X)
    return float(np.mean(estimator.log_prob(X, y)))
