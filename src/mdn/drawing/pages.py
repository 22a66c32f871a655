"""The files of a picture on several pages: NAME.svg, NAME-2.svg, ... Each later file says in a note whose page it is.

So a new picture of fewer pages leaves none of an older one behind, and no file that is something else is overwritten.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from mdn.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SEARCHED = (
    4096  # bytes at the start and at the end of a file: the note of a PNG is in the first ones, of an SVG in the last
)


def page_path(path, number: int) -> Path:
    """The file of a page: NAME.svg for the first, NAME-2.svg for the second."""
    path = Path(path)
    return path if number == 1 else path.with_stem(f"{path.stem}-{number}")


def check_pages(path, count: int) -> None:
    """Refuses a picture whose pages would replace files that are none of its pages: before the work for it, not after that.

    Args:
        path: The path of the first page.
        count: How many pages the picture has.

    Raises:
        ValueError: if a later page would replace a file that is no page of a picture at `path`.
    """
    for number in range(2, count + 1):
        other = page_path(path, number)
        if other.exists() and not _is_page(other, path, number):
            raise ValueError(
                f"{str(other)!r} is no page of {Path(path).name!r}, which has {count} pages and would replace it: move that "
                "file, or choose another name. Older versions of mdn wrote no note of whose a page is, so that a page of theirs "
                "is taken for any other file."
            )


@contextmanager
def replacing_pages(path, count: int = 1) -> Iterator[list[tuple[Path, str]]]:
    """Yields (a temporary path, a note) for each page of a picture, whose files replace an older picture in the end.

    Pages of the older picture beyond `count` are removed. After an error while drawing all files stay as they were.

    Args:
        path: The path of the first page.
        count: How many pages the picture has.

    Raises:
        ValueError: as `check_pages` does.
    """
    check_pages(path, count)
    paths = [page_path(path, number) for number in range(1, count + 1)]
    with ExitStack() as stack:
        yield [(stack.enter_context(replacing(one)), _note(path, number)) for number, one in enumerate(paths, start=1)]
    for number in itertools.count(count + 1):
        if not _is_page(other := page_path(path, number), path, number):
            break
        other.unlink()


def save_svg(path: Path, text: str, note: str = "") -> None:
    """Writes an SVG with the note of a page, "" for none."""
    path.write_text(f"{text}<!-- {note} -->\n" if note else text, encoding="utf-8")


def save_png(path: Path, figure: Figure, dots: int, note: str = "") -> None:
    """Writes a figure of matplotlib as a PNG of so many dots an inch, with the note of a page, "" for none."""
    figure.savefig(path, dpi=dots, format="png", metadata={"Description": note} if note else None)


def _note(path, number: int) -> str:
    name = quote(Path(path).name, safe="").replace("-", "%2D")  # a comment of XML may not hold "--"
    return "" if number == 1 else f"page {number} of {name}."


def _is_page(other: Path, path, number: int) -> bool:
    """Whether a file is the page of this number of a picture at `path`."""
    if not other.is_file():
        return False
    with open(other, "rb") as file:
        found = file.read(_SEARCHED)
        file.seek(max(0, other.stat().st_size - _SEARCHED))
        found += file.read()
    return _note(path, number).encode() in found
