"""What `MDNRNN.fit` does of itself: which events it holds out, how it cuts long recordings, and how long it trains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdn.sequences.ragged import as_sequences, check_given

HeldOut = tuple[list[np.ndarray], dict[str, Any]]
"""Held-out sequences, and what comes with them by name."""

_ROWS, _FEWEST_ROWS = 32, 8  # sequences a step
_WINDOW, _LONG = 100, 400  # sequences longer than `_LONG` steps are cut into windows
_BATCHES, _STEPS, _EPOCHS = 10, 2000, 50  # batches an epoch, and steps of a training, that are aimed at
_SHARE, _SEQUENCES = 0.1, 10  # held out: that share of the sequences, or, of fewer than ten, of the steps of each
SURE = 2.0  # standard errors by which an epoch must be better on events that `fit` held out by itself
_WARM = 100  # events before held-out steps that are read and not scored


@dataclass(frozen=True)
class Plan:
    """How `fit` trains, where its arguments do not say.

    Attributes:
        epochs: How many.
        batch_size: Sequences a step.
        window: Steps a window, None for whole sequences.
    """

    epochs: int
    batch_size: int
    window: int | None


def plan_of(lengths, epochs: int | None, batch_size: int | None, window: int | str | None) -> Plan:
    """The plan for sequences of these lengths: at least ten batches an epoch and 2,000 steps, if they are long enough for that.

    Args:
        lengths: Of the sequences to learn from.
        epochs, batch_size: As in `fit`; None leaves them to the plan.
        window: As in `fit`; "auto" cuts sequences that are longer than 400 steps.
    """
    if isinstance(window, str):
        steps = _WINDOW if max(lengths) > _LONG else None
    else:
        steps = window
    if epochs is not None:
        return Plan(epochs, batch_size or _ROWS, steps)
    pieces = len(lengths) if steps is None else sum(math.ceil(length / steps) for length in lengths)
    size = batch_size or min(_ROWS, pieces, max(_FEWEST_ROWS, pieces // _BATCHES))
    return Plan(max(_EPOCHS, math.ceil(_STEPS / max(1, pieces // size))), size, steps)


def named(data, names: Sequence[str], size: int, given: int) -> HeldOut | None:
    """`validation_data` as (sequences, what comes with them by name); None if there is none.

    Args:
        data: The argument of `fit`.
        names: Of what comes with each sequence.
        size: The width of an event.
        given: As in `fit`.

    Raises:
        ValueError: if it has another number of parts, or nothing is left to score.
    """
    if data is None:
        return None
    sequences, *beside = data if names else (data,)
    if len(beside) != len(names):
        raise ValueError(
            f"`validation_data` must be (sequences, {', '.join(names)}), but {1 + len(beside)} parts came."
        )
    rows = as_sequences(sequences, size, "validation_data")
    check_given(rows, given, "validation_data")
    return rows, dict(zip(names, beside, strict=True))


def dealt(sequences: list[np.ndarray], conditions: tuple, names: Sequence[str], given: int, seed: int):
    """Holds out a tenth of the sequences, or, of fewer than ten, the last tenth of each.

    Args:
        sequences: Arrays `(T_i, D)`.
        conditions: What comes with them: arrays of as many rows.
        names: The names of `conditions`.
        given: How many events at the start of each are no targets.
        seed: Chooses the sequences.

    Returns:
        (the sequences that are left, their conditions, what is held out, how many events at the start of each held-out sequence
        are read and not scored). Where the sequences are too short, nothing is held out: (..., None, given).
    """
    every = np.arange(len(sequences))
    if len(sequences) >= _SEQUENCES:
        rows = np.sort(np.random.default_rng([seed, 2]).permutation(every)[: round(_SHARE * len(sequences))])
        kept, warm = np.setdiff1d(every, rows), given
        learnt, judges = ([sequences[row] for row in chosen] for chosen in (kept, rows))
    else:
        cuts = [len(one) - int(_SHARE * len(one)) for one in sequences]
        warm, kept = max(given, min(_WARM, *cuts)), every
        rows = np.array([row for row in every if len(sequences[row]) > cuts[row] >= warm], int)
        learnt = [one[:cut] for one, cut in zip(sequences, cuts, strict=True)]
        judges = [sequences[row][cuts[row] - warm :] for row in rows]
    if any(max(map(len, some), default=0) <= least for some, least in ((learnt, given), (judges, warm))):
        return sequences, conditions, None, given
    beside = dict(zip(names, (part[rows] for part in conditions), strict=True))
    return learnt, tuple(part[kept] for part in conditions), (judges, beside), warm
