"""Scores of a network that writes: nats a point, beside floors and wrong texts, and whether its window reads all letters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import spearmanr

import mdn
from mdn.applications.handwriting.generate import Written, windows, write
from mdn.applications.handwriting.model import Handwriter, spec_of
from mdn.applications.handwriting.train import nats_a_point, prepared
from mdn.data import Handwriting
from mdn.sequences.baselines import memoryless

FLOORS = {"nats a point": ("nats a point, letters shuffled", "nats a point, memoryless")}
"""The floors that each figure of a model must beat, see `figures`."""
_FARTHEST = 2  # letters that a window may move forward at once; back it must move by fewer


def floor(
    lines: Handwriting,
    test: Handwriting,
    points: float | None = None,
    grid: float = 1.0,
    components: int = 20,
    seed: int = 0,
) -> float:
    """Nats a point of `test`, by mixtures learnt from `lines` that know only whether the pen was lifted; see `prepared`.

    The unit is that of the test lines: the log-Jacobian of each frame is included.

    Args:
        lines: The lines to learn from.
        test: Lines to judge by.
        points: How many points for each character of the text, if lines are to be resampled; then there is no grid.
        grid: The step of the grid on which offsets lie, 1 for integers, 0 for none; they are spread over its cells.
        components: K, of each mixture.
        seed: The seed for the spreading, the starts of the mixtures and the order in which they learn.

    Raises:
        ValueError: if the pen does something in `test` that it never does in `lines`.
    """
    learn, _ = prepared(lines, points, grid, seed + 1)
    judge, frames = prepared(test, points, grid, seed)
    return nats_a_point(memoryless(spec_of(components), learn, judge, column=2, seed=seed), frames)


def nll(
    model: mdn.MDNRNN, lines: Handwriting, points: float | None = None, texts: Sequence[str | None] | None = None
) -> float:
    """Nats a point of resampled lines, in their own unit.

    Args:
        model: A `Handwriter`, or a model that only predicts.
        lines: With their texts and writers.
        points: How many points for each character; only for a model that only predicts.
        texts: Shown to the model instead of the texts of the lines; None in place of a text shows none.
    """
    writes = isinstance(model, Handwriter)
    events, frames = prepared(lines, model.points if writes else points)
    conditions = model.conditions_of(texts or lines.texts.tolist(), lines.writers.tolist()) if writes else {}
    return nats_a_point(model.log_prob(events, **conditions), frames)


def shuffled(text: str, rng: np.random.Generator) -> str:
    """The text with its letters in random order; spaces stay where they are."""
    places = [i for i, one in enumerate(text) if one != " "]
    found = list(text)
    for i, j in zip(places, rng.permutation(places), strict=True):
        found[i] = text[j]
    return "".join(found)


# ---- the window ------------------------------------------------------------------------------------------------------


def reading(weights: np.ndarray, text: str) -> dict[str, float]:
    """How a window `(T, U)` went over a text.

    Returns:
        "reached": 1 if the last letter ever weighed most, else 0. "in order": Spearman's correlation of time and place. "all
        read": 1 if the window, from point to point, never skipped two neighbouring letters and never went back by more than
        one, else 0.
    """
    text = text.rstrip()
    place = np.argmax(weights[:, : len(text)], axis=1)
    moves = np.diff(place, prepend=0)
    order = float(spearmanr(np.arange(len(place)), place).statistic) if len(np.unique(place)) > 1 else 0.0
    return {
        "reached": float(place.max() == len(text) - 1),
        "in order": order,
        "all read": float(moves.max() <= _FARTHEST and moves.min() > -_FARTHEST),
    }


def readings(model: Handwriter, written: Written, style=None) -> dict[str, float]:
    """Shares of lines whose window reached the last letter, went in order (Spearman 0.95 or more), and read all of the text."""
    paths = windows(model, written.events, written.texts, style)
    found = [reading(one, text) for one, text in zip(paths, written.texts, strict=True)]
    return {
        "last letter reached": float(np.mean([one["reached"] for one in found])),
        "in order": float(np.mean([one["in order"] >= 0.95 for one in found])),
        "nothing dropped or repeated": float(np.mean([one["all read"] for one in found])),
        "ended by itself": float(np.mean(written.ended)),
    }


def figures(
    model: Handwriter,
    test: Handwriting,
    count: int = 200,
    bias: float = 0.7,
    seed: int = 0,
    learnt: Handwriting | None = None,
) -> dict[str, float]:
    """All figures of a model that writes, on lines and texts that it has not seen.

    Args:
        model: Trained.
        test: Lines that it has not seen.
        count: How many lines it writes at most, for `readings`.
        bias: With which it writes them.
        seed: The seed for the shuffled letters, the choice of texts, and what is written.
        learnt: The lines that the model learnt from; the memoryless floor learns from them. None leaves it out.
    """
    rng = np.random.default_rng(seed)
    wrong = [shuffled(text, rng) for text in test.texts.tolist()]
    none = Handwriting(tuple(test), test.words)
    known = sorted(set(test.texts.tolist()))
    texts = [known[i] for i in rng.permutation(len(known))[:count]]
    return {
        "nats a point": nll(model, test),
        "nats a point, letters shuffled": nll(model, test, texts=wrong),
        "nats a point, hand not told": nll(model, none),
        **({} if learnt is None else {"nats a point, memoryless": floor(learnt, test, model.points, seed=seed)}),
        **readings(model, write(model, texts, bias=bias, seed=seed)),
    }
