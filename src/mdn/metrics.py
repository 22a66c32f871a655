"""Scores of a model over a whole data set, in data units."""

from __future__ import annotations

import math

import keras
import numpy as np
from keras import ops

from mdn import backend, initializers, numerics
from mdn.distributions import Mixture, Normal, Spec
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


def gaussian_baseline(y_train, y) -> float:
    """Mean NLL of `y` under one normal fitted to `y_train` and blind to features: what any model must beat; D = 1."""
    y_train, y = np.asarray(y_train, "float64"), np.asarray(y, "float64")
    scale = max(float(np.std(y_train)), numerics.SMALLEST_SCALE)
    z = (y - np.mean(y_train)) / scale
    return float(np.mean(0.5 * z**2) + math.log(scale) + 0.5 * numerics.LOG_2PI)


def mixture_baseline(y_train, y, num_components: int = 10) -> float:
    """Mean NLL of `y` under a mixture fitted to `y_train` by EM, blind to features; D = 1."""
    y_train = np.reshape(np.asarray(y_train, "float64"), (-1, 1))
    shift, spread = initializers.robust_scaling(y_train)
    loc, scale, weights = initializers.starting_mixture((y_train - shift) / spread, num_components)
    mixture = Mixture(np.log(weights), Normal(shift + spread * loc, spread * scale))
    return -float(ops.mean(mixture.log_prob(np.reshape(y, (-1, 1)))))


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
