"""Locks of files, which the system releases when the process that holds them ends, however it ends."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

_PLACE = 2**30  # of the byte that is locked on Windows, where a locked byte cannot be read


def take(path: Path) -> BinaryIO | None:
    """An open file that holds the lock of `path`, with the number of this process in it; None if another process holds it."""
    file = open(path, "a+b")  # noqa: SIM115 - it is open as long as the lock is held
    try:
        _lock(file)
    except OSError:
        file.close()
        return None
    file.truncate(0)
    file.write(str(os.getpid()).encode())
    file.flush()
    return file


def holder(path: Path) -> int:
    """The number of the process that holds the lock of `path`; 0 if none does."""
    try:
        with open(path, "r+b") as file:
            try:
                _lock(file)
            except OSError:
                return int(file.read(20) or 0)
            return 0
    except (OSError, ValueError):
        return 0


def _lock(file: BinaryIO) -> None:
    if os.name == "posix":
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        import msvcrt

        file.seek(_PLACE)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        file.seek(0)
