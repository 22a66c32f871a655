"""Scores of a model of ECG: NLL a sample, beside two floors, a linear autoregression and a memoryless mixture."""

from __future__ import annotations

import time

import keras
import numpy as np

import mdn
from mdn import training
from mdn.applications.ecg import data
from mdn.applications.ecg.train import WINDOW
from mdn.random import seeded
from mdn.sequences import MDNRNN

ORDER = WINDOW * data.FRAME
"""How many samples the linear autoregression sees: 2.5 s, two beats or more, as far as a gradient of the network reaches."""
FLOORS = {"test NLL a sample": (f"of a linear autoregression of order {ORDER}", "of a mixture of the step")}
"""The floors that each figure of a network must beat, see `figures`."""
_EVERY = 8  # samples from one training row to the next: neighbouring rows say nearly the same


def nll(model: MDNRNN, records: dict[str, np.ndarray], seed: int = 0) -> float:
    """Nats a sample, in units of 1/200 mV, conditional on all before in the same piece; the first ORDER are not scored."""
    scores = model.log_prob([data.frames(one) for one in data.pieces(records, seed)])
    return -float(np.mean(np.concatenate([one[WINDOW:] for one in scores]))) / data.FRAME


def floors(parts, components: int = 8, order: int = ORDER, epochs: int = 15, seed: int = 0) -> dict[str, float]:
    """Test NLL of a linear autoregression whose head is a mixture, and of a mixture that knows the last sample only.

    Every parameter of the autoregression's mixture, its scales too, is linear in the `order` samples before. Both floors are
    scored on the samples on which `nll` scores a network.

    Args:
        parts: From `data.split`.
        components: K, of both mixtures.
        order: How many samples the autoregression sees.
        epochs: How many epochs at most; the best on "valid" is kept.
        seed: Spreads the samples as in `nll`; also for the weights and the order of the rows.
    """
    spec = mdn.MixtureSpec(mdn.NormalSpec(1), components)
    found = {}
    for name, seen in ((f"a linear autoregression of order {order}", order), ("a mixture of the step", 0)):
        x, y = (
            np.concatenate(rows) for rows in zip(*_rows(parts["train"], seen, order, seed + 1, _EVERY), strict=True)
        )
        held_out = tuple(
            np.concatenate(rows) for rows in zip(*_rows(parts["valid"], seen, order, seed + 2, _EVERY), strict=True)
        )
        with seeded(seed):
            layers = [mdn.layers.FeatureScaling().adapt(x)] if seen else []
            model = keras.Sequential([keras.Input(x.shape[1:]), *layers, mdn.MDN(spec).adapt(y)])
        training.fit(
            model, x, y, mdn.NegativeLogLikelihood(spec), validation=held_out, epochs=epochs, batch_size=256,
            learning_rate=3e-3, global_clipnorm=1.0, seed=seed,
        ).check_whole()  # fmt: skip
        scores = [
            mdn.predict(model, x, batch_size=len(x)).log_prob(y) for x, y in _rows(parts["test"], seen, order, seed, 1)
        ]
        found[name] = -float(np.mean([keras.ops.convert_to_numpy(one) for one in scores]))
    return found


def _rows(records, seen: int, order: int, seed: int, every: int):
    """Yields the rows (inputs, step to the next sample) of each piece, beginning after its first `order` samples.

    The inputs are the last sample and the steps that led to it, `seen` numbers in all; if `seen` is 0, a constant.
    """
    for one in data.pieces(records, seed):
        steps = np.diff(one)
        windows = np.lib.stride_tricks.sliding_window_view(steps, order)[::every]
        last = one[order - 1 : -1 : every, None]
        before = np.concatenate([last, windows[:, order - seen : -1]], axis=1) if seen else np.zeros_like(last)
        yield before.astype("float32"), windows[:, -1:].astype("float32")


def figures(model: MDNRNN, parts: dict[str, dict[str, np.ndarray]], seed: int = 0) -> dict[str, float]:
    """The NLL of a model and of its floors, by name, and the seconds that measuring took."""
    start = time.perf_counter()
    return {
        "test NLL a sample": nll(model, parts["test"], seed),
        **{f"of {name}": value for name, value in floors(parts, seed=seed).items()},
        "seconds of measuring": time.perf_counter() - start,
    }
