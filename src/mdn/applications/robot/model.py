"""Three networks of one size that predict the next move of the hand: a mixture, one normal, and least squares."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

import mdn
from mdn.applications.robot import data
from mdn.losses import DistributionLoss
from mdn.models import load_as
from mdn.sequences import MDNRNN
from mdn.sequences.model import reads_only
from mdn.sequences.ragged import shifted


class SquaredError(DistributionLoss):
    """The squared distance between a move and the mean of the prediction; the scales are not used."""

    def _values(self, y, observed, params):
        return ops.sum(ops.square(y - self.spec(params).mean()), axis=-1)


@dataclass(frozen=True)
class Head:
    """The last layer of a network, and how the network learns.

    Attributes:
        components: How many components the mixture has.
        units: How many units the LSTM below has. A network with one component has more units, so that all networks have one size.
        loss: The loss; its constructor takes a spec.
        variance_temperature: Of its rollouts; below 1, since the jitter of training makes its predictions too wide.
    """

    components: int
    units: int
    loss: type[DistributionLoss] = mdn.NegativeLogLikelihood
    variance_temperature: float = 0.5


HEADS = {
    "mixture": Head(16, 96),
    "one normal": Head(1, 107),
    "least squares": Head(1, 107, SquaredError, variance_temperature=0.0),  # its rollout is the mean at each step
}


def network(head: Head) -> MDNRNN:
    """An LSTM that reads the moves and the place that they reached, and predicts the next move."""
    spec = mdn.MixtureSpec(mdn.NormalSpec(2, "full"), head.components)
    return MDNRNN(spec, units=(head.units,), positions=(0, 1), lags=0, name="robot")


def rollouts(model: MDNRNN, count: int = 200, seed: int | None = 0, **temperatures) -> np.ndarray:
    """Paths `(count, STEPS + 1, 2)` from the start.

    Args:
        model: From `network`, trained.
        count: How many paths.
        seed: Same seed, same paths.
        **temperatures: As in `MDNRNN.generate`.
    """
    return data.paths(model.generate(data.STEPS, batch_size=count, seed=seed, **temperatures))


def next_moves(model: MDNRNN, path) -> mdn.Mixture:
    """A mixture for each move of a path `(steps + 1, 2)`: the prediction of the model from the moves before."""
    moves = data.moves(path)[None]
    return mdn.predict(model, shifted(moves))[0]


def load(path) -> MDNRNN:
    """Opens a file of `mdn train robot`."""
    return load_as(path, _fits, "model of a hand's moves", "mdn train robot")


def _fits(model) -> bool:
    return reads_only(model, 2, [0, 1])


def parameters(model: keras.Model) -> int:
    """How many numbers training adjusts."""
    return int(sum(np.prod(v.shape) for v in model.trainable_variables))
