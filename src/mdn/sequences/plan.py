"""What `MDNRNN.fit` does of itself: which events it holds out, how it cuts long recordings, and how long it trains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdn.sequences.inputs import as_sequences, check_given
from mdn.sequences.ragged import lengths_of
from mdn.sequences.shards import as_shards, is_source
from mdn.wording import counted

HeldOut = tuple[list[np.ndarray], dict[str, Any]]
"""Held-out sequences, and what comes with them by name."""

_ROWS, _FEWEST_ROWS = 32, 8  # sequences a step
_WINDOW, _LONG = 100, 400  # sequences longer than `_LONG` steps are cut into windows
_BATCHES, _STEPS, _EPOCHS = 10, 2000, 50  # batches an epoch, and steps of a training, that are aimed at
_SHARE, _SEQUENCES = 0.1, 10  # held out: that share of the sequences, or, of fewer than ten, of the steps of each
_JUDGES, _MOST_HELD = 100, 0.25  # of fewer than ten, so many steps together, up to that share: fewer judge by chance
SURE = 2.0  # standard errors by which an epoch must be better on events that `fit` held out by itself
_PARTS = 40  # steps an epoch, if the bounds below allow it; this line and the next two are those of `batching`
_FEWEST, _MOST = 1000, 4800  # events a step, at least and at most; 32 performances of RoboJam have the most
_WHOLE = 200  # events: if pieces are longer on average, windows are used
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
    pieces = len(lengths) if steps is None else int(np.sum(-(-np.asarray(lengths) // steps)))
    size = batch_size or min(_ROWS, pieces, max(_FEWEST_ROWS, pieces // _BATCHES))
    return Plan(max(_EPOCHS, math.ceil(_STEPS / max(1, pieces // size))), size, steps)


def batching(lengths: Sequence[int]) -> tuple[int, int | None]:
    """The `batch_size` and `window` of `MDNRNN.fit`: steps that depend on the number of events, not on how recordings were cut.

    With a fixed number of recordings a step, a few long ones would make a handful of steps an epoch, and the network would
    learn nothing. So the number of events a step is fixed: whole recordings, more of them if they are short; or windows of
    long ones, with the state carried from one window to the next.

    Args:
        lengths: Events of each piece of a recording.
    """
    total = sum(lengths)
    events = min(max(total / _PARTS, _FEWEST), _MOST)  # a step
    mean = total / len(lengths)
    if mean <= _WHOLE:
        rows = events / mean
        return max(1, round(rows) if rows < 12 else 8 * round(rows / 8)), None
    # each row of a batch reads so many pieces one after the other: a row that ends early begins a new piece
    after = max(1, round(len(lengths) * _WINDOW / events))
    return -(-len(lengths) // after), _WINDOW


def named(data, names: Sequence[str], size: int, given: int) -> HeldOut | None:
    """`validation_data` as (sequences, what comes with them by name); None if there is none.

    Args:
        data: The argument of `fit`.
        names: Of what comes with each sequence.
        size: The width of an event.
        given: As in `fit`.

    Raises:
        ValueError: if it has another number of parts, a source does not fit into memory, or nothing is left to score.
    """
    if data is None:
        return None
    sequences, *beside = data if names and not is_source(data) else (data,)
    if len(beside) != len(names):
        raise ValueError(
            f"`validation_data` must be (sequences, {', '.join(names)}), but {counted(1 + len(beside), 'part')} came."
        )
    if is_source(sequences):
        sequences = as_shards(sequences).whole(size, "validation_data")
    rows = as_sequences(sequences, size, "validation_data")
    check_given(lengths_of(rows), given, "validation_data")
    return rows, dict(zip(names, beside, strict=True))


def dealt(sequences: list[np.ndarray], conditions: tuple, names: Sequence[str], given: int, seed: int):
    """Holds out a tenth of the sequences, or, of fewer than ten, the end of each (see `divided`).

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
    order = np.random.default_rng([seed, 2]).permutation(len(sequences))
    split = divided(lengths_of(sequences), given, order)
    if split is None:
        return sequences, conditions, None, given
    learnt = [sequences[row][:end] for row, end in zip(split.learnt, split.ends, strict=True)]
    judges = [sequences[row][begin:] for row, begin in zip(split.judges, split.begins, strict=True)]
    beside = dict(zip(names, (part[split.judges] for part in conditions), strict=True))
    return learnt, tuple(part[split.learnt] for part in conditions), (judges, beside), split.warm


@dataclass(frozen=True)
class Split:
    """Which events of which sequences are learnt, and which are held out.

    Attributes:
        learnt, ends: The sequences to learn from, and up to which step.
        judges, begins: The sequences that are held out, and from which step.
        warm: How many steps of these are read and not scored.
    """

    learnt: np.ndarray
    ends: np.ndarray
    judges: np.ndarray
    begins: np.ndarray
    warm: int


def everything(lengths: np.ndarray) -> Split:
    """The split that holds out nothing."""
    return Split(np.arange(len(lengths)), lengths, np.zeros(0, int), np.zeros(0, int), 0)


def divided(lengths: np.ndarray, given: int, order: np.ndarray, most: int | None = None) -> Split | None:
    """The split that holds out a tenth of the sequences, or, of fewer than ten, the end of each.

    The end is a tenth; of fewer than 1,000 events together it has 100 of them, or a quarter where that is less.

    Args:
        lengths: Of the sequences.
        given: As in `dealt`.
        order: The sequences in the order in which they are held out.
        most: How many events are held out at most, or those of one sequence; None: as many as it takes.

    Returns:
        The split; None where the sequences are too short.
    """
    if len(lengths) >= _SEQUENCES:
        first = order[: round(_SHARE * len(lengths))]
        if most is not None:
            first = first[: max(1, int(np.searchsorted(np.cumsum(lengths[first]), most, side="right")))]
        judges, warm = np.sort(first), given
        learnt = np.setdiff1d(np.arange(len(lengths)), judges)
        split = Split(learnt, lengths[learnt], judges, np.zeros(len(judges), int), warm)
    else:
        share = np.clip(_JUDGES / max(1, np.sum(lengths)), _SHARE, _MOST_HELD)
        tails = np.array([int(share * length) for length in lengths])
        ends = lengths - (tails if most is None else np.minimum(tails, max(1, most // len(lengths))))
        warm = max(given, int(min(_WARM, *ends)))
        judges = np.flatnonzero((lengths > ends) & (ends >= warm))
        split = Split(np.arange(len(lengths)), ends, judges, ends[judges] - warm, warm)
    scored = max(lengths[split.judges] - split.begins, default=0)
    return None if scored <= split.warm or max(split.ends, default=0) <= given else split
