"""Limits for files from outside: every reader of this room takes time linear in its file, and is bounded by these numbers.

A small file must not fill the memory or take hours to read. The message that refuses a file states the limit.
"""

from __future__ import annotations

from collections.abc import Iterator

TEXT = 2**27
"""Bytes of text that are held at once: a whole file of XML or JSON, or one line of a file that is read by lines (128 MiB)."""
UNPACKED, UNPACKED_TIMES = 2**26, 100
"""Bytes that a packed file may unpack to: 64 MiB, or 100 times its own size, whichever is more."""
ARCHIVE, ARCHIVE_TIMES = 2**30, 4
"""Bytes that all members of a zip archive may unpack to together: 1 GiB, or 4 times their packed size, whichever is more."""
INSTRUCTIONS = 5 * 10**6
"""Instructions of one pickle; an array takes about 25, so this is 200,000 arrays."""
LARGEST = 1e9
"""The largest coordinate and offset, in the unit of the drawing."""
POINTS = 10**7
"""Points that the curves of one SVG may become."""
LABEL = 1000
"""Characters of a word, of the text of a line, or of a name. An array of labels is as wide as the longest of them."""


def read_whole(path) -> bytes:
    """The bytes of a file of text.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is larger than `TEXT`.
    """
    with open(path, "rb") as file:
        content = file.read(TEXT + 1)
    if len(content) > TEXT:
        raise ValueError(f"{str(path)!r} is larger than {TEXT >> 20} MiB, the most that is read at once: divide it.")
    return content


def read_lines(path) -> Iterator[str]:
    """The lines of a file in UTF-8, one after another; the file may be of any length.

    Raises:
        OSError: if it cannot be read.
        ValueError: if a line is longer than `TEXT`, or the file is no text.
    """
    with open(path, encoding="utf-8-sig") as file:
        while line := file.readline(TEXT + 1):
            if len(line) > TEXT:
                raise ValueError(
                    f"{str(path)!r} has a line of more than {TEXT >> 20} MiB, the most that is read at once."
                )
            yield line


def unpacked_limit(packed: int) -> int:
    """How many bytes a packed file of `packed` bytes may unpack to."""
    return max(UNPACKED, UNPACKED_TIMES * packed)
