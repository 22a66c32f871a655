"""The log of a session: a line an event, from which the next model is trained; it is written and read here."""

from __future__ import annotations

import csv
import datetime
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from mdn.data.limits import read_whole
from mdn.wording import agreed, counted

_LONGEST = 2**16  # bytes of a line
_PLAYERS, _MACHINES = ("interface", "user"), ("rnn", "prediction")  # sources, as IMPSY has called them


def lines_of(path, kinds: str) -> list[str]:
    """The lines of a recording that is text.

    Args:
        path: The path of the file.
        kinds: What recordings can be, for the message: the end of a sentence.

    Raises:
        ValueError: if it is no text, or empty, or too large.
    """
    try:
        lines = read_whole(Path(path)).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{str(path)!r} is no text. {kinds}") from None
    if not any(line.strip() for line in lines):
        raise ValueError(f"{str(path)!r} is empty.")
    return lines


def read_log(path, lines: Iterable[str], size: int | None = None) -> np.ndarray:
    """The player's events in a log of IMPSY or of `Log`, `(T, 1 + N)`: seconds since 1970 and N values; the model's are left out.

    Args:
        path: The path of the file, for messages.
        lines: The lines of the file.
        size: N; None takes that of the first line.

    Raises:
        ValueError: if a line is anything else, which the message names, or no player played.
    """
    rows, by_model = read_both(path, lines, size)
    if by_model.all():
        raise ValueError(f"{str(path)!r} holds no event of a player.")
    return rows[~by_model]


def read_both(path, lines: Iterable[str], size: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """As `read_log`, with the events of the model as well, and for each event whether the model played it, `(T,)`.

    A file without events has `(0, 0)` of them.
    """
    rows: list[list[float]] = []
    by_model: list[bool] = []
    for number, cells in enumerate(csv.reader(lines), start=1):
        if not cells:
            continue
        place = f"{str(path)!r}: line {number}"
        try:
            when = datetime.datetime.fromisoformat(cells[0].strip())
            source, values = cells[1].strip(), [float(cell) for cell in cells[2:]]
        except (ValueError, IndexError):
            values = []
        if not values:
            raise ValueError(
                f"{place} is no timestamp, source and values, such as 2026-01-31T12:00:00.5,interface,0.25,0.75, but "
                f"{','.join(cells)!r}. Delete it if the recording broke off there."
            )
        if source not in _PLAYERS + _MACHINES:
            raise ValueError(f"{place} names the source {source!r}; known are interface and rnn.")
        size = size or len(values)
        if len(values) != size:
            raise ValueError(
                f"{place} has {counted(len(values), 'value')}, but {size} {agreed(size, 'is', 'are')} expected, as in all lines."
            )
        try:
            rows.append([when.timestamp(), *values])
        except (ValueError, OverflowError, OSError):
            raise ValueError(f"{place} is of the year {when.year}, which no clock shows.") from None
        by_model.append(source in _MACHINES)
    return np.array(rows, ndmin=2), np.array(by_model, bool)


def _is_cut(path: Path) -> bool:
    """Whether the last line of a log has no end; raises a ValueError if its first line is no event."""
    with open(path, "rb") as file:
        first = next((line for line in iter(lambda: file.readline(_LONGEST), b"") if line.strip()), b"")
        if first:
            try:
                read_both(path, [first.decode("utf-8-sig")])
            except (ValueError, csv.Error):
                raise ValueError(
                    f"{str(path)!r} is no log to go on with: its first line is no timestamp, source and values. Name another "
                    "file."
                ) from None
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        return file.read(1) not in (b"", b"\n")


class Log:
    """Lines `timestamp,source,v1,…,vN`, as IMPSY writes them; each is in the file at once.

    A full disk does not end the music: the player hears of it once, and later events may be missing in the file. `close`
    removes a new file that is still empty.

    Args:
        path: The path of the file; new lines are appended, after the end of a line that a crash cut off.
        say: Called with each sentence for the player.
        what: What an event is called in a sentence, in the plural.

    Raises:
        OSError: if the file cannot be opened.
        ValueError: if it holds anything else: its first line is no event.
    """

    def __init__(self, path, say: Callable[[str], None] = print, what: str = "touches"):
        self.path, self._say, self._what, self._failed = Path(path), say, what, False
        self._new = not self.path.exists()
        cut = self.path.is_file() and _is_cut(self.path)
        self._file = open(self.path, "a", encoding="utf-8", buffering=1)  # noqa: SIM115 - closed by close()
        if cut:
            self._trying(lambda: self._file.write("\n"))

    @classmethod
    def new(cls, folder, size: int, say: Callable[[str], None] = print) -> Log:
        """A log of one session of its own, named as IMPSY names its logs; it never writes to a file that exists.

        Args:
            folder: Made if it is not there.
            size: How many values an event has.
            say: As in `Log`.

        Raises:
            OSError: if the file cannot be made.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        begun = datetime.datetime.now().isoformat(timespec="seconds").replace(":", "-")
        number = 1
        while True:  # two sessions may begin within one second
            again = "" if number == 1 else f".{number}"
            path = folder / f"{begun}{again}-{1 + size}d-mdrnn.log"
            try:
                path.touch(exist_ok=False)
                break
            except FileExistsError:
                number += 1
        log = cls(path, say, "events")
        log._new = True
        return log

    def __call__(self, when: float, source: str, *values: float) -> None:
        """Writes one event.

        Args:
            when: Seconds since 1970.
            source: "interface" for the player, "rnn" for the model.
            values: Its numbers.
        """
        stamp = datetime.datetime.fromtimestamp(when).astimezone().isoformat()  # UTC offset: hours may repeat
        line = ",".join([stamp, source, *(f"{value:.6g}" for value in values)])
        self._trying(lambda: self._file.write(line + "\n"))

    def close(self) -> None:
        """Closes the file."""
        self._trying(self._file.close)
        if self._new and self.path.is_file() and not self.path.stat().st_size:
            self._trying(self.path.unlink)

    def _trying(self, write) -> None:
        try:
            write()
        except OSError as error:
            if not self._failed:
                self._failed = True
                self._say(f"{self._what} are missing in {self.path}: {error.strerror or error} (said once)")
