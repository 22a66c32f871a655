"""Files from outside, read with one kind of error, and files of ours, never half-written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def reading(path, what: str) -> Iterator[None]:
    """Whatever goes wrong in the block becomes one sentence that names the file.

    A file from outside can make its reader fail in any way: a parser's own exceptions, a number beyond the range of C, a
    recursion too deep, no memory. A caller has to know two kinds only.

    Args:
        path: Of the file that the block reads.
        what: What the file should be, with its article, such as "a table" or "an SVG drawing".

    Raises:
        OSError: if the file cannot be opened or read; of the same class as the original, such as FileNotFoundError.
        ValueError: if its content is at fault. A ValueError whose message names the file already passes as it is.
        ImportError: as it is: a package that is missing is no fault of the file.
    """
    try:
        yield
    except ImportError:
        raise
    except OSError as error:
        if isinstance(error, FileNotFoundError) and error.errno:
            raise FileNotFoundError(f"there is no file {str(path)!r}.") from None
        if str(path) in str(error):
            raise
        raise type(error)(f"{path} cannot be read: {error.strerror or error}.") from None
    except ValueError as error:
        if str(path) in str(error) and not isinstance(error, UnicodeError):
            raise
        raise ValueError(f"{path} cannot be read as {what}: {sentence(error)}") from None
    except Exception as error:
        raise ValueError(f"{path} cannot be read as {what}: {sentence(error)} The file may be damaged.") from None


def sentence(error: Exception) -> str:
    """What an error says, as one sentence."""
    if isinstance(error, RecursionError):
        return "its parts are nested too deeply."
    if isinstance(error, MemoryError):
        return "it asks for more memory than there is."
    lines = str(error).strip().splitlines()
    said = lines[0] if lines else ""
    if isinstance(error, KeyError):
        said = f"{said} is missing"
    return (said or type(error).__name__).rstrip(".") + "."


@contextmanager
def replacing(path) -> Iterator[Path]:
    """A name beside `path`, of the same suffix, to write to: it becomes `path` once the block has ended well.

    Until then, and after an error or Ctrl-C, what stood at `path` stays, and nothing else is left behind.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
