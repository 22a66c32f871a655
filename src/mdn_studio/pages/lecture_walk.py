"""A hand that was led along paths, and the network that asks at each step: which way next?"""

from __future__ import annotations

import threading

import keras
import numpy as np

from mdn.applications import robot
from mdn.applications.robot import data
from mdn.applications.robot.model import HEADS, next_moves
from mdn.plots.canvas import as_numpy
from mdn_studio.pages.lecture_nets import rounded

EPOCHS = 30  # for as many paths as are made up, 24; fewer paths are learnt in more epochs
LEAST_PATHS = 2
_LIGHTEST = 0.02  # weight of the faintest ellipse
SIZE = 12.0  # of the picture: a person leads the hand from -SIZE to SIZE


def demonstrations(paths) -> dict[str, np.ndarray]:
    """Those that a person drew, each from its start, or made-up ones if there are none.

    Args:
        paths: Lists of points, or None.

    Raises:
        ValueError: in a sentence for the page, if there are too few.
    """
    if not paths:
        return data.forks()
    if len(paths) < LEAST_PATHS:
        raise ValueError("lead the hand along at least two paths, so that there is a way to choose.")
    return {"yours": np.stack([data.evenly(one) for one in paths])}


def epochs_for(shown: dict[str, np.ndarray]) -> int:
    """How many epochs the network learns: about the same number of steps for any number of paths."""
    return max(1, round(EPOCHS * 24 / sum(map(len, shown.values()))))


def learn(shown: dict[str, np.ndarray], stopped: threading.Event, say) -> object:
    """Trains the network of `mdn train robot` on demonstrations, and judges 200 of its paths."""
    epochs = epochs_for(shown)
    model = robot.train(shown, epochs=epochs, callbacks=[_Watch(stopped, say, epochs)])
    if not stopped.is_set():
        say(epoch=epochs, epochs=epochs, loss=[], stayed=robot.worth(model, shown)["stayed"])
    return model


class _Watch(keras.callbacks.Callback):
    def __init__(self, stopped: threading.Event, say, epochs: int):
        super().__init__()
        self._stopped, self._say, self._epochs = stopped, say, epochs

    def on_epoch_end(self, epoch, logs=None):
        """Passes the loss on, and ends a training that was stopped."""
        self._say(epoch=epoch + 1, epochs=self._epochs, loss=[round(float(logs["loss"]), 4)])
        if self._stopped.is_set():
            self.model.stop_training = True


def step(model, path, seed: int) -> dict:
    """What the network expects after a path, as ellipses around the places that come next, and one place drawn from it.

    Args:
        model: Of `learn`.
        path: Places so far, from (0, 0) on, `STEPS` at most.
        seed: Of the draw.
    """
    path = np.asarray(path, "float64").reshape(-1, 2)
    filled = np.concatenate([path, np.repeat(path[-1:], data.STEPS + 1 - len(path), axis=0)])  # one shape, one program
    expected = next_moves(model, filled)[len(path) - 1]
    weights, mixture = as_numpy(expected.weights), expected.components
    variances, axes = np.linalg.eigh(as_numpy(mixture.covariance()))
    centers = as_numpy(mixture.mean()) + path[-1]
    drawn = expected.with_temperature(variance=HEADS["mixture"].variance_temperature).sample(seed=seed)
    return {
        "ellipses": [
            {
                "weight": float(weights[k]),
                "at": rounded(centers[k]),
                "radii": rounded(np.sqrt(variances[k])),
                "turn": float(np.arctan2(axes[k, 1, 0], axes[k, 0, 0])),
            }
            for k in np.flatnonzero(weights >= _LIGHTEST)
        ],
        "next": rounded(as_numpy(drawn) + path[-1]),
        "average": rounded(as_numpy(expected.mean()) + path[-1]),
    }
