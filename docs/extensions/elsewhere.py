"""Pages that stand elsewhere in the repository, such as the chapters' READMEs: their text, and links that lead on.

A page of docs/ that consists of one `{include}` block shows that file. Its links are those of the file's own folder, as GitHub
takes them, so each is rewritten: to the page that shows the file it names, to a file of docs/, or to a download.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_INCLUDE = re.compile(r"```\{include\} (\S+)\n```\n?")
_LINK = re.compile(r"(?<=\]\()([^)#\s]+)")


def shown(page: Path) -> Path:
    """The file whose text a page shows: another one if the page is an `{include}` block, else the page itself."""
    block = _INCLUDE.fullmatch(page.read_text(encoding="utf-8"))
    return (page.parent / block[1]).resolve() if block else page


def pages_of(docs: Path) -> dict[Path, Path]:
    """The page of the site that shows a file, for each file that one of them shows."""
    found = {shown(page): page for page in docs.rglob("*.md")}
    return found | {docs.parent / "README.md": docs / "index.md"}


def link(target: str, file: Path, page: Path, docs: Path, pages: dict[Path, Path]) -> str:
    """What a link of `file` to `target` must be on `page`; links to other places stay as they are.

    Args:
        target: As it stands in the file, without its anchor.
        file: The file in which it stands.
        page: The page of docs/ that shows the file.
        docs: The folder of pages.
        pages: See `pages_of`.
    """
    place = (file.parent / target).resolve()
    if not place.exists():
        return target
    place = pages.get(place / "README.md" if place.is_dir() else place, place)
    return (
        f"/{place.relative_to(docs).as_posix()}" if place.is_relative_to(docs) else os.path.relpath(place, page.parent)
    )


def _read(app, docname: str, source: list[str]) -> None:
    page, docs = Path(app.env.doc2path(docname)).resolve(), Path(app.srcdir).resolve()
    if page.suffix != ".md":
        return
    file, pages = shown(page), app.pages_elsewhere
    if file != page:
        source[0] = file.read_text(encoding="utf-8")
        app.env.note_dependency(str(file))
    source[0] = _LINK.sub(lambda found: link(found[1], file, page, docs, pages), source[0])


def _find(app) -> None:
    app.pages_elsewhere = pages_of(Path(app.srcdir).resolve())


def setup(app):
    """Connects to Sphinx."""
    app.connect("builder-inited", _find)
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
