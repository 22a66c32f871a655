"""What the processes of tests/test_processes.py do."""

import os
import signal
from pathlib import Path

from mdn.data.lanes import Lane
from mdn.data.partition_feed import PartitionFeed


def feed_of(lanes: list[Lane], holders: list[list[int]], process: int, seed: int = 0, **settings) -> PartitionFeed:
    """The rows of one process of several."""
    held = {number: lanes[number] for number in holders[process]}
    return PartitionFeed(held, [lane.rows for lane in lanes], holders, 64, seed=seed, **settings)


def die_then_refuse(died: Path, *, mesh, tell):
    """The first time that it is asked, the process kills itself; then it refuses its work."""
    tell({"alone": mesh is None})
    if not died.exists():
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    raise ValueError("`numbers` must be numbers.")
