"""What a trained model of recordings can say: new recordings, how one goes on, and what in it was unusual."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mdn.applications.series.data import pieces
from mdn.applications.series.model import Series
from mdn.masks import unmasked

_READ = 1000  # steps that a forecast reads: windows of training are 100 steps long, so that it knows what came before


def generate(model: Series, steps: int = 500, count: int = 1, seed: int | None = 0, **temperatures) -> np.ndarray:
    """New recordings `(count, steps, D)` from nothing, in the units of those that the model learnt from.

    Args:
        model: From `mdn.applications.series.train`.
        steps: How long each is.
        count: How many.
        seed: Same seed, same recordings.
        **temperatures: As in `MDNRNN.generate`.
    """
    return model.values(model.generate(steps, count, seed=seed, **temperatures))


def forecast(
    model: Series,
    recording,
    steps: int = 100,
    draws: int = 200,
    levels: Sequence[float] = (0.05, 0.5, 0.95),
    seed: int | None = 0,
) -> np.ndarray:
    """Quantiles `(steps, D, len(levels))` of what comes after a recording, each channel and each step by itself.

    They are those of `draws` ways in which the model lets the recording go on, all in one compiled loop. The quantile at 0.05
    of 200 draws is that of a probability from 0.02 to 0.08: take more draws for a finer one.

    Args:
        model: From `mdn.applications.series.train`.
        recording: Values `(T, D)`; its last 1,000 steps are read, but none before a step without any value.
        steps: How many steps are foretold.
        draws: How many ways to go on are drawn.
        levels: Probabilities between 0 and 1.
        seed: Same seed, same forecast.

    Raises:
        ValueError: if a level is not between 0 and 1, there are no draws, or the recording has no value.
    """
    if not all(0.0 < level < 1.0 for level in levels):
        raise ValueError(f"`levels` must lie between 0 and 1, such as 0.05, but {list(levels)} came.")
    if draws < 1:
        raise ValueError(f"`draws` must be at least 1, but {draws} came.")
    rows = _checked(model, recording)
    gap = len(rows) - pieces(rows)[-1].stop  # steps without any value at the end are drawn, too, and left out
    made = model.generate(gap + steps, draws, model.events([rows])[-1][-_READ:], seed=seed)[:, gap:]
    return np.moveaxis(np.quantile(model.values(made), levels, axis=0), 0, -1)


def surprise(model: Series, recording) -> np.ndarray:
    """-log density of each step of a recording given the steps before it, nats in its units: `(T,)`, NaN without any value.

    Args:
        model: From `mdn.applications.series.train`.
        recording: Values `(T, D)`.

    Raises:
        ValueError: if the recording has other channels, or no value.
    """
    rows = _checked(model, recording)
    found = np.full(len(rows), np.nan)
    for part, scores in zip(pieces(rows), model.log_prob(model.events([rows])), strict=True):
        found[part] = -scores
    return found


def most_unusual(nats, count: int | None = None) -> np.ndarray:
    """The steps of highest surprise, the most unusual first; steps without any value are left out.

    Args:
        nats: From `surprise`.
        count: How many; None: all.
    """
    nats = np.asarray(nats)
    return np.argsort(-nats, kind="stable")[: np.sum(~np.isnan(nats))][:count]


def _checked(model: Series, recording) -> np.ndarray:
    rows = np.asarray(unmasked(recording), "float64")
    if rows.ndim != 2 or rows.shape[1] != len(model.channels) or np.isnan(rows).all():
        raise ValueError(
            f"`recording` must have shape (steps, {len(model.channels)}) and some values, one column for each of "
            f"{', '.join(model.channels)}, but one of shape {rows.shape} came."
        )
    return rows
