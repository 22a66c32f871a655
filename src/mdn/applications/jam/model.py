"""Jam: a network that plays a touchscreen, alone or in answer to someone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from keras import ops

import mdn
from mdn.applications.jam import data
from mdn.models import load_as, save_plain
from mdn.sequences import MDNRNN
from mdn.sequences.model import reads_only

SHIPPED = Path(__file__).parent / "jam.keras"
_LOG_SHORTEST, _LOG_LONGEST = float(np.log(data.SHORTEST)), float(np.log(data.LONGEST))
_MOST_TOUCHES = 20_000


def network(units=(192, 192), components: int = 20, dropout: float = 0.15) -> MDNRNN:
    """An LSTM that reads moves, log dt and the place, and predicts a mixture of correlated normals."""
    spec = mdn.MixtureSpec(mdn.NormalSpec(3, "full"), components)
    return MDNRNN(spec, units=units, dropout=dropout, positions=(0, 1), lags=0, name="jam")


def inside(event, place):
    """The event, held to the screen and to pauses of 1 ms to 5 s.

    A move over an edge is folded back, as a ball bounces. When such moves were clipped, a fifth of all swipes began at an
    edge, since a normal that covers the screen reaches beyond it. Recorded ones hardly ever do: see `train.figures`.
    """
    there = ops.mod(place + event[:, :2], 2.0)
    move = ops.minimum(there, 2.0 - there) - place
    return ops.concatenate([move, ops.clip(event[:, 2:], _LOG_SHORTEST, _LOG_LONGEST)], axis=-1)


def _fits(model) -> bool:
    return reads_only(model, 3, [0, 1])


class Jam:
    """Performances from a trained network; touches `(T, 3)` in and out, as in `mdn.applications.jam.data`.

    Args:
        model: From `network`, trained.
    """

    def __init__(self, model: MDNRNN):
        self.model = model

    @classmethod
    def load(cls, path=SHIPPED) -> Jam:
        """Opens a file of `mdn train jam`; by default the weights that come with this package."""
        return cls(load_as(path, _fits, "model of touches", "mdn train jam"))

    def respond(self, call, seconds: float = data.LONGEST, **settings) -> np.ndarray:
        """An answer to a performance `call`: touches that begin after its last one.

        Args:
            call: Touches `(T, 3)`.
            seconds: How long the answer lasts.
            **settings: `component_temperature`, `variance_temperature`, `seed`, as in `MDNRNN.generate`.
        """
        call = data.clipped(call)
        return data.touches(self._until(data.events(call), seconds, settings), start=call[-1, :2])

    def play(self, seconds: float = data.LONGEST, **settings) -> np.ndarray:
        """A performance from nothing: touches `(T, 3)`.

        Args:
            seconds: How long the performance lasts at most; it has one touch in any case.
            **settings: As in `respond`.

        Raises:
            ValueError: if `seconds` is not positive.
        """
        return data.touches(self._until(None, seconds, settings))

    def _until(self, prime, seconds: float, settings) -> np.ndarray:
        """Events until their times add up to `seconds`."""
        if not seconds > 0.0:
            raise ValueError(f"`seconds` must be positive, but {seconds!r} came.")
        settings = {"seed": int(np.random.default_rng().integers(2**31)), **settings}
        steps = 256
        while True:  # with the same seed, a longer rollout begins with the events of the shorter one
            events = self.model.generate(steps, prime=prime, constrain=inside, **settings)[0]
            time = np.cumsum(np.exp(events[:, 2].astype("float64")))
            if time[-1] > seconds or steps >= _MOST_TOUCHES:
                return events[: max(1, int(np.searchsorted(time, seconds, side="right")))]
            steps *= 4

    def save(self, path) -> None:
        """Writes the network without the state of training; an older file at `path` stays until the new one is complete."""
        save_plain(self.model, path)
