"""A feed: the rows of a table that a training loop fetches in blocks, since the table may be larger than memory."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

import numpy as np

from mdn.training.process import give_memory_back

Block = tuple[np.ndarray, np.ndarray, np.ndarray]
"""x, y and weight, each of shape `(steps, rows of this process a step, ...)`, float32."""
_Item = TypeVar("_Item")


class Feed(Protocol):
    """Rows for training, in the order of the steps.

    Which rows a step takes depends on the seed, the epoch and the source alone. The number of processes decides only which of
    them each process gets, so that a training may go on with another number of processes.

    Attributes:
        rows: Rows of one epoch, of all processes together.
        batch_size: Rows of one step, of all processes together.
    """

    rows: int
    batch_size: int

    def epoch(self, number: int) -> Iterator[Block]:
        """The blocks of this process for epoch `number`, counted from 0.

        An epoch has ceil(rows / batch_size) steps. Every process yields the same number of blocks, with the same number of steps
        in each: one fixed number in all blocks, except that the last may have fewer. The last step is filled up with rows from
        the front of the epoch, or with rows whose target is NaN and whose weight is 0, which a loss of `mdn` does not count.
        """
        ...


def fetched_ahead(blocks: Iterator[_Item]) -> Iterator[_Item]:
    """The same blocks, where a thread fetches the next one while the caller works with the last.

    After each block, memory that earlier blocks have freed goes back to the system: a long table takes no more than a short one.
    """
    end = object()
    with ThreadPoolExecutor(1, "mdn-feed") as thread:
        coming = thread.submit(next, blocks, end)
        while (block := coming.result()) is not end:
            coming = thread.submit(next, blocks, end)
            yield block  # type: ignore[misc]
            del block
            give_memory_back()
