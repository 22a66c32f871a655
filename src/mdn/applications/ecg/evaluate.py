"""What a model of ECG is worth: NLL a sample, beside a linear autoregression with a mixture head and the memoryless floor."""

from __future__ import annotations

import time

import keras
import numpy as np

import mdn
from mdn import training
from mdn.applications.ecg import data
from mdn.applications.ecg.train import WINDOW
from mdn.sequences import MDNRNN

ORDER = WINDOW * data.FRAME
"""Samples that the linear autoregression sees, as many as a gradient of the network reaches back; 2.5 s, two beats or more."""
_EVERY = 8  # of the samples to learn from, so many make one row: neighbours say the same


def nll(model: MDNRNN, records: dict[str, np.ndarray], seed: int = 0) -> float:
    """Nats a sample, in units of 1/200 mV, given all before in the same piece; from the sample after the first ORDER on."""
    scores = model.log_prob([data.frames(one) for one in data.pieces(records, seed)])
    return -float(np.mean(np.concatenate([one[WINDOW:] for one in scores]))) / data.FRAME


def floors(parts, components: int = 8, order: int = ORDER, epochs: int = 15, seed: int = 0) -> dict[str, float]:
    """Test NLL of a linear autoregression whose head is a mixture, and of a mixture that knows the last sample only.

    Every parameter of the mixture is linear in the `order` samples before, so its scales may follow them, too. Judged by the
    same samples as `nll` judges a network by.

    Args:
        parts: Of `data.split`.
        components: Of the mixture.
        order: Samples seen.
        epochs: At most; the best on "valid" is kept.
        seed: As of `nll`, and of weights and order.
    """
    spec = mdn.MixtureSpec(mdn.NormalSpec(1), components)
    found = {}
    for name, seen in ((f"a linear autoregression of order {order}", order), ("a mixture of the step", 0)):
        keras.utils.set_random_seed(seed)
        x, y = (
            np.concatenate(rows) for rows in zip(*_rows(parts["train"], seen, order, seed + 1, _EVERY), strict=True)
        )
        held_out = tuple(
            np.concatenate(rows) for rows in zip(*_rows(parts["valid"], seen, order, seed + 2, _EVERY), strict=True)
        )
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
    """For each piece the rows (what came before, the step to the next sample), from the sample after the first `order` on.

    What came before is the last sample and the steps that led to it, `seen` numbers; where none is seen, a constant.
    """
    for one in data.pieces(records, seed):
        steps = np.diff(one)
        windows = np.lib.stride_tricks.sliding_window_view(steps, order)[::every]
        last = one[order - 1 : -1 : every, None]
        before = np.concatenate([last, windows[:, order - seen : -1]], axis=1) if seen else np.zeros_like(last)
        yield before.astype("float32"), windows[:, -1:].astype("float32")


def figures(model: MDNRNN, parts: dict[str, dict[str, np.ndarray]], seed: int = 0) -> dict[str, float]:
    """Everything above, by name, and the seconds that it took."""
    start = time.perf_counter()
    return {
        "test NLL a sample": nll(model, parts["test"], seed),
        **{f"of {name}": value for name, value in floors(parts, seed=seed).items()},
        "seconds of measuring": time.perf_counter() - start,
    }
