"""One case: a file changed by a seed, read, and judged."""

from __future__ import annotations

import resource
import time
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path
from random import Random

import mdn
from fuzz.mutations import mutated
from fuzz.readers import Reader

SECONDS = 5.0  # of CPU, for one file
_SOURCE = Path(mdn.__file__).parent
MEGABYTES = 1024  # of memory more than before


class TooLong(BaseException):
    """A reader took more than its seconds; no `except Exception` of a reader holds it up."""


@dataclass(frozen=True)
class Outcome:
    """What became of a case.

    Attributes:
        kind: "read", "refused" (as it should be) or what is wrong: "exception", "nameless", "slow", "memory", "abort".
        what: The class of the exception.
        where: Its last line in this package.
        message: What it said.
    """

    kind: str
    what: str = ""
    where: str = ""
    message: str = ""

    @property
    def good(self) -> bool:
        """Whether it is one of the two that are allowed."""
        return self.kind in ("read", "refused")


def changed(reader: Reader, seed: int) -> tuple[dict[str, bytes], str]:
    """(the files of a case, the name of the one that was changed): always the same for the same seed."""
    rng = Random(f"{reader.name} {seed}")
    names = sorted(reader.seeds)
    name = rng.choice(names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of zipfile: a name comes twice
        data = mutated(rng, reader.seeds[name], [reader.seeds[other] for other in names if other != name])
    return ({**reader.seeds, name: data} if reader.folder else {name: data}), name


def write(files: dict[str, bytes], folder: Path) -> None:
    """Writes the files of a case."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def judged(reader: Reader, seed: int, folder: Path) -> Outcome:
    """What becomes of a case, whose files are written into `folder`, an empty one, and stay there."""
    made = reader.made  # before the clock runs
    files, name = changed(reader, seed)
    folder.mkdir(parents=True, exist_ok=True)
    write(files, folder)
    path = folder if reader.folder else folder / name
    memory, start = _peak(), time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader.read(path, *made)
        outcome = Outcome("read")
    except TooLong as error:
        outcome = Outcome("slow", where=_where(error))
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        outcome = _of(error, [str(folder), *(Path(one).name for one in files)])
    seconds, megabytes = time.process_time() - start, (_peak() - memory) / 1024
    if seconds > SECONDS:
        return Outcome("slow", outcome.what, outcome.where, f"{seconds:.1f} s; {outcome.message}")
    if megabytes > MEGABYTES:
        return Outcome("memory", outcome.what, outcome.where, f"{megabytes:.0f} MB; {outcome.message}")
    return outcome


def _of(error: BaseException, names: list[str]) -> Outcome:
    message = str(error)
    if not isinstance(error, ValueError | OSError):
        return Outcome("exception", type(error).__name__, _where(error), message)
    if not any(name in message for name in names):
        return Outcome("nameless", type(error).__name__, _where(error), message)
    return Outcome("refused", type(error).__name__, "", message)


def _where(error: BaseException) -> str:
    """The last line of this package that ran."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if Path(frame.filename).is_relative_to(_SOURCE):
            return f"{Path(frame.filename).relative_to(_SOURCE).as_posix()}:{frame.lineno} {frame.name}"
    return ""


def _peak() -> int:
    """Kilobytes that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
