"""Scores of a model of recordings: NLL a value, beside models that know far less, and how often its intervals hold the value."""

from __future__ import annotations

import time
import warnings

import numpy as np
from keras import ops

from mdn import backend, metrics
from mdn.applications.series.data import Recordings
from mdn.applications.series.model import Series
from mdn.applications.series.train import JUDGES, LEARNT
from mdn.few_shapes import in_blocks
from mdn.sequences import baselines
from mdn.sequences.ragged import bucket_lengths, padded, shifted

_NLL = "test NLL a value"
_OF = {
    "mixture": "of a mixture without memory",
    "order 2": "of a mixture that sees two steps",
    "linear": "of a linear autoregression",
}
FLOORS = {_NLL: tuple(_OF.values())}
"""The floors that a model must beat, see `figures`."""
_JUDGED = 20_000  # steps of which intervals are computed
_AT_ONCE = (2048,)


def figures(model: Series, parts: dict[str, Recordings], seed: int = 0) -> dict[str, float]:
    """The NLL of a model and of its floors, by name, and the share of values in their 90 % intervals one step ahead.

    The NLL is in nats a value, in the units of the recording. Floors need whole steps: where values are missing, there are none.

    Args:
        model: Trained.
        parts: From `data.split`.
        seed: The seed of the floors.
    """
    start = time.perf_counter()
    learnt, judged = model.events(parts["train"].spread(LEARNT)), model.events(parts["test"].spread(JUDGES))
    if parts["train"].has_gaps or parts["test"].has_gaps:
        known = sum(int(np.sum(~np.isnan(one))) for one in judged)
        found = {_NLL: -float(np.sum(np.concatenate(model.log_prob(judged)))) / known}
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", baselines.Beaten)  # whoever asks for figures compares them with the floors
            nats = baselines.beside(model, learnt, judged, seed)
        found = {_NLL: nats["MDNRNN"], **{name: nats[short] for short, name in _OF.items()}}
        found = {name: value / len(model.channels) for name, value in found.items()}
    shares = below(model, judged)
    held = metrics.coverage(shares[~np.isnan(shares)], 0.9)
    return {**found, "values in 90 % intervals": held, "seconds of measuring": time.perf_counter() - start}


def below(model: Series, events: list[np.ndarray]) -> np.ndarray:
    """The probability below each value, one step ahead, `(N, D)`; NaN where it is missing. At most 20,000 steps are taken.

    Args:
        model: Trained.
        events: From `Series.events`.
    """
    found, left = [], _JUDGED
    for one in events:
        if left > 0:
            seen = one[:left]
            batch = padded([seen], bucket_lengths([len(seen)], 8)[0])
            params = np.asarray(ops.convert_to_numpy(model.predict_on_batch(shifted(batch))))[0, : len(seen)]
            found.append(in_blocks(lambda params, y: _below(params, y, spec=model.spec), params, seen, sizes=_AT_ONCE))
            left -= len(seen)
    return np.concatenate(found)


@backend.compiled(static=("spec",))
def _below(params, y, spec):
    mixture = spec(params)
    return ops.stack([mixture.marginal(i).cdf(y[:, i : i + 1]) for i in range(y.shape[-1])], axis=-1)
