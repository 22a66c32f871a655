"""The log of a session: a line an event, from which the next model is trained."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path


class Log:
    """Lines `timestamp,source,v1,…,vN`, as IMPSY writes them; each is in the file at once.

    A full disk does not end the music: the player hears of it once, and later events may be missing in the file. `close`
    removes a new file that is still empty.

    Args:
        path: Of the file; new lines are appended.
        say: Called with each sentence for the player.
        what: What an event is called in a sentence, in the plural.
    """

    def __init__(self, path, say: Callable[[str], None] = print, what: str = "touches"):
        self.path, self._say, self._what, self._failed = Path(path), say, what, False
        self._new = not self.path.exists()
        self._file = open(self.path, "a", encoding="utf-8", buffering=1)  # noqa: SIM115 - closed by close()

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
