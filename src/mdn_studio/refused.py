"""The one error of the studio's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Refused(ValueError):
    """What came from outside is not obeyed; the text is the sentence that the page shows."""


@contextmanager
def by_name(path: Path) -> Iterator[None]:
    """Within it a sentence of an error names the file, and not its path on this machine."""
    try:
        yield
    except ValueError as error:
        raise Refused(str(error).replace(str(path), path.name)) from error
