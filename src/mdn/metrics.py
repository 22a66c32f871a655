"""Scores of a model over a whole data set, in data units."""

from __future__ import annotations

import math

import keras
import numpy as np
from keras import ops

from mdn import backend, initializers, numerics
from mdn.distributions import Mixture, MultivariateNormal, Normal, Spec
from mdn.distributions.spec import serializable
from mdn.losses import NegativeLogLikelihood, step_weights, target_array


@serializable
class NLL(keras.metrics.Metric):
    """Σ weight · nll / Σ weight over everything seen, in nats and in the unit of the targets.

    Masked steps and wholly missing targets weigh nothing. The figure is the same at every batch size, where the average
    of batch means that Keras reports for a loss is not.

    Args:
        spec: Of the model's output.
        name: As in Keras.
    """

    def __init__(self, spec: Spec, name: str = "nll", **kwargs):
        super().__init__(name=name, **kwargs)
        self.spec = spec
        self._loss = NegativeLogLikelihood(spec, reduction="none")
        self.total = self.add_weight(shape=(), initializer="zeros", name="total")
        self.weight = self.add_weight(shape=(), initializer="zeros", name="weight")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch: targets, packed parameters (their Keras mask is respected) and weights."""
        mask = backend.mask_of(y_pred)
        params = numerics.as_tensor(y_pred)
        y_true = target_array(self.spec, y_true, len(params.shape))
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
        """The metric that gave `config`."""
        return cls(**{**config, "spec": keras.saving.deserialize_keras_object(config["spec"])})


class Baseline:
    """What is known of targets without any features: a normal with full covariance, and a mixture fitted by EM.

    Every NLL stands beside these two: a density may exceed 1, so that the figure alone says nothing.

    Args:
        y: Targets, shape `(N, D)`; rows with NaN are left out.
        num_components: Of the mixture.
    """

    def __init__(self, y, num_components: int = 10):
        y = np.asarray(y, "float64")
        y = y[np.all(np.isfinite(y), axis=-1)]
        self.center, covariance = np.mean(y, axis=0), np.cov(y.T, bias=True).reshape(y.shape[1], y.shape[1])
        self.scale_tril = np.linalg.cholesky(numerics.ridge(covariance))
        y = y - self.center  # in float64: what they are counted from is nothing that float32 must hold
        shift, spread = initializers.robust_scaling(y)
        loc, scale, self.weights = initializers.starting_mixture((y - shift) / spread, num_components)
        self.loc, self.scale = self.center + shift + spread * loc, spread * scale

    @classmethod
    def of(cls, fields: dict) -> Baseline:
        """From what `vars` gives, arrays as lists."""
        baseline = object.__new__(cls)
        vars(baseline).update({name: np.array(value) for name, value in fields.items()})
        return baseline

    def gaussian_nll(self, y) -> float:
        """Mean NLL of `y` (N, D) under the normal; of what is observed, where NaN is missing."""
        centred = np.asarray(y, "float64") - self.center
        z = centred / np.diagonal(self.scale_tril)  # float32 has no room for outliers
        if z.shape[1] == 1:
            scale = float(self.scale_tril[0, 0])
            return float(np.nanmean(0.5 * z**2) + math.log(scale) + 0.5 * numerics.LOG_2PI)
        normal = MultivariateNormal(np.zeros_like(self.center), self.scale_tril)
        return _mean_nll(normal.log_prob_observed(centred.astype("float32")), y)

    def mixture_nll(self, y) -> float:
        """Mean NLL of `y` (N, D) under the mixture."""
        mixture = Mixture(np.log(self.weights), Normal(self.loc - self.center, self.scale))
        centred = np.asarray(y, "float64") - self.center
        return _mean_nll(mixture.log_prob_observed(centred.astype("float32")), y)


def _mean_nll(log_prob, y) -> float:
    seen = ~np.all(np.isnan(y), axis=-1)
    return -float(np.mean(np.asarray(ops.convert_to_numpy(log_prob), "float64")[seen]))


def pit(distribution, y) -> np.ndarray:
    """Probability integral transform F(y), float64 of shape `(N,)`: uniform on [0, 1] if the distributions are honest.

    Args:
        distribution: Batch `(N,)`, event_size 1.
        y: Targets, shape `(N, 1)`.

    Reference:
        Dawid (1984), Present position and potential developments: the prequential approach.
    """
    return np.asarray(ops.convert_to_numpy(distribution.cdf(y)), "float64")


def coverage(values, nominal: float) -> float:
    """The share of targets inside the central interval that should hold `nominal` of them, by their `pit` values."""
    return float(np.mean(np.abs(np.asarray(values) - 0.5) <= 0.5 * nominal))


def nll_scorer(estimator, X, y) -> float:
    """Mean log-likelihood by `estimator.log_prob(X, y)`: a scorer for scikit-learn, where greater is better.

    The estimator may be the last step of a Pipeline, which passes on `predict` but not `log_prob`.
    """
    if hasattr(estimator, "steps"):
        estimator, X = estimator[-1], estimator[:-1].transform(X)
    return float(np.mean(estimator.log_prob(X, y)))
