"""A table on a cluster: its partitions are read where they lie, and dealt anew when a worker dies."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import dask
import distributed
from distributed.scheduler import KilledWorker

from mdn import training
from mdn.dask import worker
from mdn.dask.training import Training, addresses
from mdn.dask.worker import Alikeness, Dealt, PartitionShare, Surveyed
from mdn.tabular import wording
from mdn.tabular.member import Member
from mdn.tabular.selection import Selected
from mdn.tabular.survey import Survey, Wanted
from mdn.tabular.together import Heard, fit_share
from mdn.training.callbacks import check_no_callbacks

_MERGED = 8  # surveys that one task merges


class Cluster:
    """The partitions of a frame on the workers of a cluster, from the first look at them to the trained member.

    Args:
        client: As `client_of` returns it.
        frame: A Dask DataFrame.
    """

    def __init__(self, client: distributed.Client, frame):
        self._client, self._parts, self._training = client, frame.to_delayed(), Training(client)
        self._alikeness = Alikeness(tuple(map(str, frame.columns)), _kinds(frame))
        self._dealt: dict[int, Dealt] = {}

    def survey(self, wanted: Wanted, memory: float) -> Survey:
        """The survey of all rows. It warns of codes, such as 01001, and takes them for categories.

        Raises:
            ValueError: if a partition cannot be used; the message names it and its worker.
        """
        # Cells of a target must be numbers: where one is not, its own partition is named, whatever the frame calls the column
        kinds = {name: kind for name, kind in self._alikeness.kinds.items() if name not in wanted.target}
        self._alikeness = self._alikeness._replace(kinds=kinds)
        survey = self._survey(wanted, memory)
        if not survey.codes:
            return survey
        numbers = f"make them numbers: frame.astype({dict.fromkeys(survey.codes, 'float')})."
        warnings.warn(wording.codes(survey.codes, f"to keep numbers, {numbers}"), UserWarning, stacklevel=3)
        self._alikeness = self._alikeness._replace(codes=tuple(survey.codes))
        return self._survey(wanted, memory)  # again, since a number has lost how it was written

    def _survey(self, wanted: Wanted, memory: float) -> Survey:
        ask = dask.delayed(worker.survey_partition)
        found = [
            ask(part, number, self._alikeness, wanted, memory / _MERGED) for number, part in enumerate(self._parts)
        ]
        while len(found) > 1:
            found = [dask.delayed(worker.merged)(group) for group in worker.in_groups(found, _MERGED)]
        whole: Surveyed = self._computed(found)[0]
        return whole.survey

    def deal(self, regressor, selected: Selected) -> None:
        """Has each worker write the rows of its partitions to its disk, those of workers that have died anew on others.

        Args:
            regressor: The regressor, which has learnt all but its members.
            selected: Which rows are trained on.
        """
        there = set(addresses(self._client))
        lost = [number for number in range(len(self._parts)) if not self._is_there(number, there)]
        write = dask.delayed(worker.deal_partition)
        asked = [
            write(self._parts[each], each, self._alikeness, regressor, selected, self._training.run) for each in lost
        ]
        self._dealt.update(zip(lost, self._computed(asked), strict=True))

    def _is_there(self, number: int, there: set[str]) -> bool:
        return number in self._dealt and self._dealt[number].address in there

    def _computed(self, asked: Sequence[Any]) -> list[Any]:
        if not asked:
            return []
        futures = self._client.compute(list(asked))
        try:
            return [future.result() for future in futures]
        except KilledWorker as error:
            raise ValueError(
                f"workers die again and again while they read a partition ({error.task}): make partitions smaller, or give the "
                "workers more memory."
            ) from None
        finally:
            for future in futures:
                future.release()

    @property
    def checksums(self) -> list[int]:
        """Of the rows that are trained on."""
        return [each for number in sorted(self._dealt) for each in self._dealt[number].checksums]

    @property
    def rows(self) -> int:
        """How many rows are trained on."""
        return sum(dealt.lane.rows for dealt in self._dealt.values() if dealt.lane is not None)

    def fit_member(
        self,
        *task,
        regressor,
        selected: Selected,
        on_epoch: Callable[[int, training.History], None] | None = None,
        callbacks: Sequence[Any] = (),
    ) -> Member:
        """`fit_fed_member` on all workers that have rows.

        If a worker dies, its partitions are read on others, and the training goes on from its last checkpoint.

        Args:
            task: The architecture, the rows at hand, the recipe and the seed.
            regressor: As in `deal`.
            selected: As in `deal`.
            on_epoch: As in `mdn.training.fit`.
            callbacks: Must be empty.

        Raises:
            ValueError: if a process refuses its work.
            Died: if workers die again and again.
            KeyboardInterrupt: if Ctrl-C was pressed.
        """
        check_no_callbacks(callbacks)

        def shares() -> list[tuple[str, tuple[PartitionShare]]]:
            self.deal(regressor, selected)
            return list(self._shares(regressor.batch_size, task[0].width))

        return self._training.run_together(fit_share, task, shares, Heard(on_epoch))

    def _shares(self, batch_size: int, width: int) -> Iterator[tuple[str, tuple[PartitionShare]]]:
        """The worker and the rows of each process."""
        lanes = {number: dealt.lane for number, dealt in self._dealt.items() if dealt.lane is not None}
        places = {number: place for place, number in enumerate(sorted(lanes))}
        holders: dict[str, list[int]] = {}
        for number in sorted(lanes):
            holders.setdefault(self._dealt[number].address, []).append(number)
        rows = [lanes[number].rows for number in sorted(lanes)]
        teams = [[places[number] for number in numbers] for numbers in holders.values()]
        for address, numbers in holders.items():
            held = {places[number]: lanes[number] for number in numbers}
            yield address, (PartitionShare(held, rows, teams, batch_size, width),)

    def forget(self) -> None:
        """Removes what the workers keep of the training."""
        self._training.forget()


def _kinds(frame) -> dict[str, str]:
    """What the columns hold, of those whose type says it."""
    found = {}
    for name, kind in frame.dtypes.items():
        if str(kind).startswith("string") or str(kind) == "category":
            found[str(name)] = "text"
        elif getattr(kind, "kind", "") in "iuf":
            found[str(name)] = "numbers"
    return found
