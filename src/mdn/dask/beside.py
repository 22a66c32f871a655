"""What runs on each worker of a training: it starts a process beside itself, watches it, and keeps its files."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from distributed import get_worker

from mdn.training.processes import Child, Died
from mdn.training.team import Team

_POLL = 0.05  # seconds
_RUNNING: dict[str, Child] = {}
"""The process of each training that this worker takes part in."""


class Ended(NamedTuple):
    """How the process of a worker ended.

    Attributes:
        result: What the function returned, if this was process 0 and all went well.
        refused: The sentence of a process that refused its work, or "".
        died: Why it died, or "".
    """

    result: Any = None
    refused: str = ""
    died: str = ""


def take_part(function: Callable[..., Any], shared: Any, own: tuple, team: Team, run: str, topic: str) -> Ended:
    """Runs `function(shared, *own, folder)` in a process of its own, together with those of the other workers."""
    worker = get_worker()
    child = _RUNNING[run] = Child(
        function,
        (shared, *own, folder_of(run) / "checkpoints"),
        team,
        on_told=lambda told: worker.log_event(topic, told),
        threads=worker.state.nthreads,
    )
    try:
        while not child.done():
            time.sleep(_POLL)
        return Ended(child.result)
    except ValueError as error:
        return Ended(refused=str(error))
    except Died as error:
        return Ended(died=str(error))
    finally:
        child.close()
        _RUNNING.pop(run, None)


def stop(run: str) -> None:
    """Ends the process that trains on this worker."""
    child = _RUNNING.get(run)
    if child is not None:
        child.end()


def forget(run: str, dask_worker: Any) -> None:
    """Removes the files of a training."""
    stop(run)
    shutil.rmtree(Path(dask_worker.local_directory) / f"mdn-{run}", ignore_errors=True)


def folder_of(run: str) -> Path:
    """Where this worker keeps the files of a training."""
    return Path(get_worker().local_directory) / f"mdn-{run}"
