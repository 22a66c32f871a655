"""A member that many processes train together, each on its share of the rows."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mdn import training
from mdn.data.lanes import Lane, LaneFeed
from mdn.tabular.fed_member import PassFeed, fit_fed_member
from mdn.tabular.learning import Task
from mdn.tabular.member import Member
from mdn.training.callbacks import check_no_callbacks
from mdn.training.processes import run_together

Share = Callable[[int], PassFeed]
"""From a seed to the feed of one process; it travels to that process."""


@dataclasses.dataclass(frozen=True)
class LaneShare:
    """The lanes of one process of several; see `LaneFeed`.

    Attributes:
        lanes: All lanes, of which this process reads its own.
        batch_size: Rows of a step of all processes.
        process: The number of the process.
        processes: How many there are.
        settings: Other arguments of `LaneFeed`.
    """

    lanes: Sequence[Lane]
    batch_size: int
    process: int
    processes: int
    settings: dict[str, Any]

    def __call__(self, seed: int) -> LaneFeed:
        """The feed."""
        held = self.lanes[self.process :: self.processes]
        rows = [lane.rows for lane in self.lanes]
        team = {"process": self.process, "processes": self.processes}
        return LaneFeed(held, rows, self.batch_size, seed=seed, **team, **self.settings)


def fit_share(task: Task, share: Share, folder, *, mesh=None, tell: Callable[[Any], Any] | None = None) -> Member:
    """`fit_fed_member` in one process of several.

    Args:
        task: The architecture, the rows at hand, the recipe and the seed.
        share: The rows of this process.
        folder: Where this process keeps the state after each epoch, or None.
        mesh: The devices of all processes.
        tell: Called with the figures of each epoch, or None.
    """
    on_epoch = None if tell is None else functools.partial(_tell, tell)
    return fit_fed_member(*task, share, on_epoch=on_epoch, folder=folder, mesh=mesh)


def _tell(tell: Callable[[Any], Any], epoch: int, history: training.History) -> None:
    scores = {"loss": history.loss[-1], "val_loss": history.val_loss[-1], "first": history.val_loss[0]}
    tell({"epoch": epoch, "best_epoch": history.best_epoch, **scores})


class Heard:
    """Rebuilds the history of a training elsewhere from what its process 0 tells, and calls `on_epoch` as in `mdn.training.fit`.

    Args:
        on_epoch: Called after each epoch, or None. A training that begins anew after a process died tells epochs again; they are
            passed on once.
    """

    def __init__(self, on_epoch: Callable[[int, training.History], None] | None):
        self._on_epoch, self._history = on_epoch, training.History()

    def __call__(self, told: dict[str, Any]) -> None:
        """Takes what `fit_share` tells of an epoch."""
        history, epoch = self._history, int(told["epoch"])
        if epoch <= len(history.loss):
            return
        history.loss.append(told["loss"])
        history.val_loss = [*(history.val_loss or [told["first"]]), told["val_loss"]]
        history.best_epoch = told["best_epoch"]
        if self._on_epoch is not None:
            self._on_epoch(epoch, history)


def fit_in_processes(
    *task,
    shares: Sequence[Share],
    on_epoch: Callable[[int, training.History], None] | None = None,
    callbacks: Sequence[Any] = (),
    folder: str | Path | None = None,
    on_start: Callable[[list[int]], Any] | None = None,
) -> Member:
    """`fit_fed_member` in as many processes of this machine as there are shares; one that dies costs an epoch.

    Args:
        task: The architecture, the rows at hand, the recipe and the seed.
        shares: The rows of each process.
        on_epoch: As in `mdn.training.fit`.
        callbacks: Must be empty.
        folder: Where process 0 keeps the state after each epoch; needed if a death is to cost no more than an epoch.
        on_start: As in `run_together`.

    Raises:
        ValueError: if there are callbacks, or a process refuses its work.
        mdn.training.processes.Died: if processes die again and again.
        KeyboardInterrupt: if Ctrl-C was pressed.
    """
    check_no_callbacks(callbacks)

    def arguments(process: int) -> tuple:
        return task, shares[process], None if process else folder

    return run_together(fit_share, arguments, len(shares), on_told=Heard(on_epoch), on_start=on_start)
