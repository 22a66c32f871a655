"""Reads files from outside with predictable errors, and never leaves a file of ours half-written."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_TRIED = 2**20  # bytes that `try_to_write` writes: about the size of a small model
_DAY = 86_400.0
_LONGEST_STEM = 120  # bytes; a file name may have 255
_DEAD, _UNKNOWN = -1, 0
_counted = itertools.count()
_UNFINISHED = re.compile(r"\.(?P<stem>.+)\.(?P<host>[0-9a-f]{8})-(?P<pid>\d+)-(?P<start>\d+)-\d+(\.[^.]*)?", re.DOTALL)
_EARLIER = re.compile(r"\.(?P<stem>.+)\.(?P<pid>\d+)(\.[^.]+)", re.DOTALL)  # as earlier versions of mdn named them


@contextmanager
def reading(path, what: str) -> Iterator[None]:
    """Turns any error in the block into one sentence that names the file.

    A file from outside can make its reader fail in any way: a parser's own exceptions, a number beyond the range of C, a
    recursion too deep, no memory. With `reading`, a caller needs to catch only OSError and ValueError.

    Args:
        path: The path of the file that the block reads.
        what: What the file should be, with its article, such as "a table" or "an SVG drawing".

    Raises:
        OSError: if the file cannot be opened or read; of the same class as the original, such as FileNotFoundError.
        ValueError: if its content is at fault. A ValueError whose message names the file already passes as it is.
        ImportError: unchanged, since a missing package is not the fault of the file.

    Example:
        >>> from mdn.data import reading
        >>> try:
        ...     with reading('broken.json', 'a description'):
        ...         raise KeyError('width')
        ... except ValueError as error:
        ...     print('broken.json' in str(error))
        True
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
    """The message of an error, as one sentence."""
    if isinstance(error, RecursionError):
        return "its parts are nested too deeply."
    if isinstance(error, MemoryError):
        return "it asks for more memory than there is."
    lines = str(error).strip().splitlines()
    said = lines[0] if lines else ""
    if isinstance(error, KeyError):
        said = f"{said} is missing"
    return (said or type(error).__name__).rstrip(".") + "."


# ---- never half-written ----------------------------------------------------------------------------------------------


@contextmanager
def replacing(path) -> Iterator[Path]:
    """Yields a temporary path beside `path`, with the same suffix; it replaces `path` if the block ends without an error.

    Until then, and after an error or Ctrl-C, the old file at `path` stays and no other file is left. Unfinished files of
    killed processes for the same path are removed; files that living processes are writing are not touched.

    Example:
        >>> from pathlib import Path
        >>> from mdn.data import replacing
        >>> with replacing('note.txt') as temporary:
        ...     _ = temporary.write_text('whole')
        >>> Path('note.txt').read_text()
        'whole'
    """
    path = Path(path)
    with _beside(path) as temporary:
        yield temporary
        os.replace(temporary, path)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Yields a path that no other thread, process or call uses, and removes the file in the end."""
    stem, pid = _stem(path), os.getpid()
    forget_unfinished(path.parent, stem)
    temporary = path.with_name(f".{stem}.{_host()}-{pid}-{max(0, _started(pid))}-{next(_counted)}{path.suffix}")
    try:
        yield temporary
    finally:
        with suppress(FileNotFoundError, NotADirectoryError):
            temporary.unlink()


def forget_unfinished(folder, stem: str | None = None) -> None:
    """Removes the unfinished files that killed processes of this machine left in a folder when they used `replacing`.

    Args:
        folder: Where the files lie.
        stem: The stem of the path that was being written; None removes unfinished files of every path.
    """
    with suppress(OSError):  # the folder is missing or may not be read
        for name in os.listdir(folder):
            if name.startswith(".") and _is_left(path := Path(folder, name), stem):
                path.unlink(missing_ok=True)


def _is_left(path: Path, stem: str | None) -> bool:
    """Whether this is an unfinished file whose writer has died."""
    found = _UNFINISHED.fullmatch(path.name)
    if found is not None:
        if found["host"] != _host() or stem not in (None, found["stem"]):
            return False
        return _started(int(found["pid"])) not in (int(found["start"]), _UNKNOWN)
    found = _EARLIER.fullmatch(path.name)
    if found is None or stem is None:
        return found is not None  # without a stem the folder is ours, and no earlier version runs there
    # a name of an earlier version tells neither the machine nor the start of its process, so the file must also be a day old
    dead = found["stem"] == stem and _started(int(found["pid"])) == _DEAD
    return dead and time.time() - path.stat().st_mtime > _DAY


def _started(pid: int) -> int:
    """When a process of this machine began, in clock ticks, which tells it from a later process with the same pid.

    `_DEAD` if it has ended, `_UNKNOWN` if it lives but the system does not say since when.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return _DEAD if fields[0] in "ZX" else int(fields[19])
    except (OSError, ValueError, IndexError):
        pass
    if os.name != "posix":
        return _UNKNOWN  # on Windows a signal of 0 ends the process
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return _DEAD
    except OSError:
        pass
    return _UNKNOWN


def _host() -> str:
    """Eight hex digits for this machine and its PID namespace, since a pid is valid only there."""
    try:
        seen = os.readlink("/proc/self/ns/pid")
    except OSError:
        seen = ""
    return hashlib.sha256(f"{socket.gethostname()} {seen}".encode()).hexdigest()[:8]


def _stem(path: Path) -> str:
    raw = os.fsencode(path.stem)
    return path.stem if len(raw) <= _LONGEST_STEM else hashlib.sha256(raw).hexdigest()


# ---- results that took long to compute --------------------------------------------------------------------------------


def try_to_write(path) -> None:
    """Writes a test file beside `path` and removes it: call this before a long computation whose result goes to `path`.

    Raises:
        OSError: if nothing can be written there, for instance on a full disk.
    """
    path = Path(path)
    try:
        with _beside(path) as temporary, open(temporary, "wb", buffering=0) as file:
            left = memoryview(bytes(_TRIED))
            while left:
                left = left[file.write(left) or 0 :]
            os.fsync(file.fileno())
    except OSError as error:
        raise type(error)(f"{str(path)!r} cannot be written: {_why(error)}. Name another place.") from None


def keeping(path, save: Callable[[Path], Any]) -> None:
    """`save(path)`; if that cannot be written, saves into a temporary folder, so that a trained model is not lost.

    Args:
        path: Where the result goes.
        save: Writes the result to its argument.

    Raises:
        OSError: if `path` could not be written; the message says where the result was kept.
    """
    path = Path(path)
    try:
        save(path)
    except OSError as error:
        kept = Path(tempfile.mkdtemp(prefix="mdn-")) / path.name
        try:
            save(kept)
        except OSError as second:
            raise type(error)(
                f"{str(path)!r} cannot be written: {_why(error)}; nor can a temporary folder: {_why(second)}. "
                "The result is lost."
            ) from error
        raise type(error)(f"{str(path)!r} cannot be written: {_why(error)}. The result was kept: {kept}") from error


def _why(error: OSError) -> str:
    return (error.strerror or str(error) or type(error).__name__).rstrip(".")
