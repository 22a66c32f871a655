"""What `MDNRNN.fit` learns from: lists of sequences, or sequences that pass through memory, with those that it holds out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mdn.sequences import plan
from mdn.sequences.inputs import as_items, as_sequences, check_given
from mdn.sequences.ragged import Batches, Windows, lengths_of
from mdn.sequences.shards import Shards, as_shards, is_source
from mdn.sequences.streamed import Passing, PassingBatches, PassingWindows
from mdn.training.checkpoints import digest

_SAMPLE = 2**22  # numbers of the events of which a model learns its scaling and its linear start
_PIECE = 4096  # events of a sequence that come into that sample together
_HELD_OUT = 8  # the share of the buffer that held-out events take beside it, at most: an eighth


@dataclass
class Material:
    """What a training learns from.

    Attributes:
        rows: The sequences, in a list, or `Passing`.
        conditions: What comes with them: arrays of as many rows.
        held_out: Sequences that judge, and what comes with them by name; None if there are none.
        judged_after: How many events at the start of each of those are not scored.
        sample: Sequences, or parts of them, of which a model learns its scaling and its linear start.
        by_itself: Whether `held_out` was held out by `fit`.
        encode: A function `(row, generator)` that returns the events of a row anew; None if they stay.
        contents: What `digest` is made of in place of `rows` that pass: their checksums, and all that their order depends on.
    """

    rows: list[np.ndarray] | Passing
    conditions: tuple = ()
    held_out: plan.HeldOut | None = None
    judged_after: int = 0
    sample: list[np.ndarray] = field(default_factory=list)
    by_itself: bool = False
    encode: Callable | None = None
    contents: list | None = None

    @property
    def digest(self) -> str:
        """A checksum of all of it."""
        judges = () if self.held_out is None else (self.held_out[0], *self.held_out[1].values())
        return digest(self.rows if self.contents is None else self.contents, self.conditions, *judges)

    def batches(self, how: plan.Plan, *, given: int, buckets: int, cut: bool, seed: int) -> Batches | Windows:
        """The batches of a training.

        Args:
            how: Its plan.
            given, buckets, seed: As in `MDNRNN.fit`.
            cut: Whether to cut long sequences, so that they fill all rows of a batch.
        """
        settings: dict[str, Any] = {"batch_size": how.batch_size, "given": given, "encode": self.encode, "seed": seed}
        passes = isinstance(self.rows, Passing)
        if how.window is None:
            return (PassingBatches if passes else Batches)(self.rows, self.conditions, buckets=buckets, **settings)
        settings |= {"window": how.window, "cut": cut}
        return (PassingWindows if passes else Windows)(self.rows, self.conditions, **settings)


def material(
    model,
    names,
    sequences,
    validation_data,
    condition,
    context,
    *,
    given,
    encode,
    open_end: bool,
    seed,
    same: bool = False,
) -> Material:
    """The material of `model.fit` with these arguments.

    Args:
        model: An MDNRNN.
        names: Of what comes with each sequence.
        sequences, validation_data, condition, context, given, encode, seed: As in `MDNRNN.fit`.
        open_end: Whether `fit` decides by itself how long it trains, and so needs held-out events.
        same: Whether a function must yield the same numbers at each call, as it must if a killed training is to go on.

    Raises:
        ValueError: if they do not fit each other or the model, or a source cannot be read.
    """
    size = model.spec.target_size
    if encode is None and (is_source(sequences) or isinstance(sequences, Iterator)):
        if names or condition is not None or context is not None:
            raise ValueError(
                f"a source brings events alone, but {names[0] if names else 'a condition or context'} must come with each "
                "sequence, or came: pass a list of sequences."
            )
        shards, held_out = as_shards(sequences), plan.named(validation_data, (), size, given)
        shards.check_again(same)
        return _of_source(shards, size, held_out, given, open_end and held_out is None, model.adapted)
    if is_source(sequences) and not isinstance(sequences, list | tuple):  # items may be paths, which `encode` reads
        raise ValueError(
            "`encode` takes the items of a list, but a source came: encode in the function that yields the sequences."
        )
    rows, again = sequences, None
    if encode is not None:
        items, rng = as_items(sequences, size), np.random.default_rng([seed, 1])
        rows = [encode(item, rng) for item in items]

        def again(row, rng):
            return encode(items[row], rng)

    rows = as_sequences(rows, size, "sequences" if encode is None else "encode(item, generator)")
    conditions = model.conditions(condition, context, len(rows))
    check_given(lengths_of(rows), given)
    held_out = plan.named(validation_data, names, size, given)
    found = Material(rows, conditions, held_out, given, rows, held_out is None and open_end and encode is None, again)
    if found.by_itself:
        found.rows, found.conditions, found.held_out, found.judged_after = plan.dealt(
            rows, conditions, names, given, seed
        )
    return found


def _of_source(shards: Shards, size: int, held_out, given: int, hold_out: bool, adapted: bool) -> Material:
    """Reads a source for lengths and checksums; once more, if it does not fit into memory, for a sample and what is held out."""
    places, lengths, contents, held = [], [], [], _Held(shards.memory)
    for shard in range(len(shards)):
        for place, one in shards.read(shard, size):
            places.append((shard, place))
            lengths.append(len(one))
            contents.append(hashlib.blake2b(one.tobytes(), digest_size=8).digest())
            held.add(one)
    if not places:
        raise ValueError(f"`{shards.names[0]}`{' and the others hold' if len(shards) > 1 else ' holds'} no sequence.")
    steps, checksums = np.array(lengths), np.frombuffer(b"".join(contents), ">u8")
    check_given(steps, given, shards.names[0])
    most = max(1, shards.memory // _HELD_OUT // 4 // size)
    split = plan.divided(steps, given, np.argsort(checksums, kind="stable"), most) if hold_out else None
    found = Material([], (), held_out, given, held.rows or [], split is not None)
    if split is None:
        split = plan.everything(steps)
    judges = []
    if held.rows is not None:
        found.rows = [held.rows[row][:end] for row, end in zip(split.learnt, split.ends, strict=True)]
        judges = [held.rows[row][begin:] for row, begin in zip(split.judges, split.begins, strict=True)]
    else:
        where, ends = np.array(places), split.ends
        found.rows = Passing(shards, size, where[split.learnt], ends, steps[split.learnt])
        found.contents = [checksums, where[:, 0], [len(shards), shards.memory]]
        pieces = np.zeros(0, int) if adapted else _sampled(steps, _SAMPLE // size)
        if len(pieces) or len(split.judges):
            everything = Passing(shards, size, where, steps, steps)
            found.sample, judges = _collected(everything, pieces, split)
    if found.by_itself:
        found.held_out, found.judged_after = (judges, {}), split.warm
    return found


class _Held:
    """The sequences of a source as long as they fit into `memory` bytes; then None."""

    def __init__(self, memory: int):
        self.rows: list[np.ndarray] | None = []
        self._left = memory

    def add(self, one: np.ndarray) -> None:
        self._left -= one.nbytes
        if self._left < 0:
            self.rows = None
        elif self.rows is not None:
            self.rows.append(one)


def _pieces_of(lengths: np.ndarray) -> np.ndarray:
    """The number of the first piece of each sequence, and of all pieces."""
    return np.concatenate([[0], np.cumsum(-(-lengths // _PIECE))])


def _sampled(lengths: np.ndarray, events: int) -> np.ndarray:
    """The numbers of pieces with about so many events together, ascending; of all pieces if there are no more."""
    firsts = _pieces_of(lengths)
    if lengths.sum() <= events:
        return np.arange(firsts[-1])
    order = np.random.default_rng(0).permutation(firsts[-1])
    rows = np.searchsorted(firsts, order, side="right") - 1
    sizes = np.minimum(_PIECE, lengths[rows] - (order - firsts[rows]) * _PIECE)
    return np.sort(order[: max(1, int(np.searchsorted(np.cumsum(sizes), events, side="right")))])


def _collected(rows: Passing, pieces: np.ndarray, split: plan.Split) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """(the pieces of sequences, joined where they are neighbours; what is held out), in one pass, and copied.

    A view would keep its whole sequence in memory.
    """
    firsts, sample, judges = _pieces_of(rows.lengths), [], []
    begins = dict(zip(split.judges.tolist(), split.begins.tolist(), strict=True))
    for row, one in rows.in_order():
        mine = pieces[slice(*np.searchsorted(pieces, firsts[row : row + 2]))] - firsts[row]
        for run in np.split(mine, np.flatnonzero(np.diff(mine) > 1) + 1):
            if len(run):
                sample.append(one[run[0] * _PIECE : (run[-1] + 1) * _PIECE].copy())
        if row in begins:
            judges.append(one[begins[row] :].copy())
    return sample, judges
