"""The networks of the story: least squares, the mixture density network, and the same network without the layer `MDN`."""

from __future__ import annotations

import math

import keras
from keras import layers, ops

import mdn

COMPONENTS = 5
UNITS = 15  # of each of the two hidden layers


def least_squares(outputs: int = 1, units: int = UNITS) -> keras.Model:
    """1-15-15-1 with tanh: 286 parameters, one answer."""
    return keras.Sequential(
        [
            keras.Input((outputs,)),
            layers.Dense(units, activation="tanh"),
            layers.Dense(units, activation="tanh"),
            layers.Dense(outputs),
        ],
        name="least_squares",
    )


def mixture_density(x, y, spec: mdn.Spec, units: int = UNITS) -> keras.Model:
    """15-15-MDN with relu, scaled and started from the training data; 510 parameters for one number and 5 components."""
    scaling = layers.Normalization()
    scaling.adapt(x)
    return keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            scaling,
            layers.Dense(units, activation="relu"),
            layers.Dense(units, activation="relu"),
            mdn.MDN(spec).adapt(y),
        ],
        name="mixture_density",
    )


def unconditional(y, spec: mdn.Spec) -> keras.Model:
    """A mixture that depends on nothing: its one feature is constant."""
    return keras.Sequential([keras.Input((1,)), mdn.MDN(spec).adapt(y)], name="unconditional")


def by_hand() -> keras.Model:
    """The 510-parameter network from Keras' own layers: three heads, side by side, in the order [means | scales | logits]."""
    x = keras.Input((1,))
    hidden = layers.Dense(15, activation="relu")(x)
    hidden = layers.Dense(15, activation="relu")(hidden)
    means = layers.Dense(COMPONENTS, name="means")(hidden)
    scales = layers.Dense(COMPONENTS, activation=_positive, name="scales")(hidden)
    logits = layers.Dense(COMPONENTS, name="logits")(hidden)
    return keras.Model(x, layers.Concatenate()([means, scales, logits]), name="by_hand")


def _positive(x):
    """ELU(x) + 1 + epsilon: positive everywhere. This net has its guard here, where the scale is made."""
    return ops.elu(x) + 1.0 + keras.backend.epsilon()


@keras.saving.register_keras_serializable("mdn_slides")
class LossByHand(keras.losses.Loss):
    """The negative log-likelihood in three steps."""

    def call(self, y_true, y_pred):
        """One value a row."""
        # 1. split the output
        means, scales, logits = ops.split(y_pred, 3, axis=-1)
        # 2. the log density of y under each component, and the log of its weight
        log_densities = -0.5 * ops.square((y_true - means) / scales) - ops.log(scales) - 0.5 * math.log(2.0 * math.pi)
        log_weights = ops.log_softmax(logits)
        # 3. the log of the weighted sum, without ever leaving the logs
        return -ops.logsumexp(log_weights + log_densities, axis=-1)
