"""The folder of the studio: names that come from outside are names of files in it, and never paths."""

from __future__ import annotations

import os
import re
from pathlib import Path

from mdn_studio import limits
from mdn_studio.refused import Refused

_NAME = re.compile(r"[\w(][\w .,()+-]{0,99}")
_LONGEST = 200  # bytes; a file name may have 255
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


class Folder:
    """A folder of files that the studio reads and writes.

    Args:
        path: Of the folder; made if there is none.

    Raises:
        OSError: if it cannot be made.
    """

    def __init__(self, path):
        self.path = Path(path).resolve()
        self.kept = self.path / ".studio"  # what is not for users: jobs, sheets, the token
        self.kept.mkdir(parents=True, exist_ok=True)

    def place(self, name: str, *, within: str = "") -> Path:
        """The path of a name, which a file need not have yet.

        Args:
            name: From outside: letters, digits, spaces and `.,()+-_`; it begins with a letter or a digit.
            within: A folder of the studio's own, such as "uploads"; made if there is none.

        Raises:
            Refused: if the name could be anything but a file in this folder.
        """
        fits = _NAME.fullmatch(name) and len(name.encode()) <= _LONGEST
        if not fits or ".." in name or name.endswith((".", " ")) or _RESERVED.fullmatch(name):
            raise Refused(
                f"{name[:60]!r} is no name for a file here: letters, digits, spaces and .,()+-_ make one, "
                "and it begins with a letter or a digit."
            )
        folder = self.path / within
        folder.mkdir(exist_ok=True)
        path = folder / name
        if path.is_symlink() or folder.is_symlink():
            raise Refused(f"{name!r} is a link, and the studio follows none.")
        return path

    def find(self, name: str, *, within: str = "") -> Path:
        """The path of a file that is there.

        Raises:
            Refused: as `place` does, or if there is no such file.
        """
        path = self.place(name, within=within)
        if not path.is_file():
            raise Refused(f"there is no file {name!r} in the folder of the studio.")
        return path

    def fresh(self, name: str, *, within: str = "") -> Path:
        """The path for a new file: `name`, or with a number before its suffix if a file has that name already."""
        path = self.place(name, within=within)
        number = 2
        while path.exists():
            path = self.place(f"{Path(name).stem[:80]} {number}{Path(name).suffix}", within=within)
            number += 1
        return path

    def names(self, *suffixes: str, within: str = "") -> list[str]:
        """The names of the files with one of the suffixes, in small or capital letters, the newest first."""
        try:
            found = [entry for entry in os.scandir(self.path / within) if entry.is_file(follow_symlinks=False)]
        except FileNotFoundError:
            return []
        found = [entry for entry in found if entry.name.lower().endswith(suffixes) and _NAME.fullmatch(entry.name)]
        return [entry.name for entry in sorted(found, key=lambda entry: -entry.stat().st_mtime)]

    def check_room(self) -> None:
        """Raises Refused if the folder holds as much as it may."""
        if self.size() > limits.FOLDER_BYTES:
            most = limits.megabytes(limits.FOLDER_BYTES)
            raise Refused(f"the folder of the studio holds {most}; remove some files first.")

    def size(self) -> int:
        """Bytes of all files in the folder, those of the studio's own included."""
        total = 0
        for folder, _, files in os.walk(self.path):
            for name in files:
                try:
                    total += os.lstat(os.path.join(folder, name)).st_size
                except FileNotFoundError:
                    continue
        return total
