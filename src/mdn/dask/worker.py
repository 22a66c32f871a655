"""What the workers of a cluster do with a partition: survey it, or write its rows to their disk."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from distributed import get_worker

from mdn.dask.beside import folder_of
from mdn.data.arrow import pyarrow_there
from mdn.data.lanes import Lane, LaneWriter
from mdn.data.partition_feed import PartitionFeed
from mdn.data.sources import ROWS, Alike, arrow_tables
from mdn.data.tables import Table
from mdn.files import reading
from mdn.tabular import seen
from mdn.tabular.selection import Selected
from mdn.tabular.survey import Survey, Wanted


class Alikeness(NamedTuple):
    """What is known of the columns of the frame.

    Attributes:
        columns: Their names.
        kinds: What they hold ("numbers" or "text") where their type says it.
        codes: Columns of cells such as 01001, which are categories.
    """

    columns: tuple[str, ...]
    kinds: dict[str, str]
    codes: tuple[str, ...] = ()

    def tables(self, part, number: int) -> Iterator[Table]:
        """A partition, a pandas frame, as tables of few rows.

        Raises:
            TableError: if a column holds something else; it names the partition and the worker.
        """
        name = f"partition {number} on {get_worker().address}"
        alike = Alike()
        alike.columns = self.columns
        alike.kinds = {column: (kind, "the other partitions") for column, kind in self.kinds.items()}
        arrow, _ = pyarrow_there()
        with reading(name, "a table"):
            batches = arrow.Table.from_pandas(part, preserve_index=False).to_batches(max_chunksize=ROWS)
        text = frozenset(name for name, kind in self.kinds.items() if kind == "text").union(self.codes)
        for table in arrow_tables(
            batches, name, text=text, declared={"category": self.codes, "number": (), "date": ()}
        ):
            if len(table):
                yield alike.take(table, name)


class Surveyed(NamedTuple):
    """What a pass over some partitions has learnt."""

    survey: Survey
    empty: int
    """How many of the partitions have no row with a target."""


def survey_partition(part, number: int, alikeness: Alikeness, wanted: Wanted, memory: float) -> Surveyed:
    """The survey of a partition."""
    survey = Survey(wanted, memory)
    for table in alikeness.tables(part, number):
        survey.look(table)
    if survey.rows:
        survey.sample()  # leaves no more rows than a sample has, before they travel
    return Surveyed(survey, int(not survey.rows))


def merged(several: Sequence[Surveyed]) -> Surveyed:
    """One survey of all, in their order."""
    first, *others = (each.survey for each in several)
    for other in others:
        first.merge(other)
    return Surveyed(first, sum(each.empty for each in several))


class Dealt(NamedTuple):
    """A partition whose rows lie on the disk of a worker.

    Attributes:
        address: Of the worker.
        lane: The file; None if nothing of the partition is trained on.
        checksums: Of rows, as `seen.smallest` returns them.
    """

    address: str
    lane: Lane | None
    checksums: list[int]


def deal_partition(part, number: int, alikeness: Alikeness, regressor, selected: Selected, run: str) -> Dealt:
    """Writes the rows of a partition that are trained on to the disk of this worker."""
    folder = folder_of(run) / f"partition-{number}"
    folder.mkdir(parents=True, exist_ok=True)
    found = np.zeros(0, "int64")
    with LaneWriter(folder, selected.widths, [number]) as writer:
        for block, table in enumerate(alikeness.tables(part, number)):
            rows = selected.of(regressor, table, number * 10_000 + block)
            if rows is not None:
                found = np.array(seen.smallest(np.concatenate([found, rows.checksums])), "int64")
                writer.write(rows.x, rows.y, rows.weight)
    lane = writer.lanes[0]
    return Dealt(get_worker().address, lane if lane.rows else None, found.tolist())


@dataclasses.dataclass(frozen=True)
class PartitionShare:
    """The partitions of one process of several; see `PartitionFeed`."""

    held: dict[int, Lane]
    rows: list[int]
    holders: list[list[int]]
    batch_size: int
    width: int

    def __call__(self, seed: int) -> PartitionFeed:
        """The feed."""
        import jax

        settings = {"seed": seed, "width": self.width, "devices": jax.local_device_count()}
        return PartitionFeed(self.held, self.rows, self.holders, self.batch_size, **settings)


def in_groups(things: Sequence[Any], size: int) -> Iterator[list[Any]]:
    """The things in lists of at most `size`."""
    for first in range(0, len(things), size):
        yield list(things[first : first + size])
