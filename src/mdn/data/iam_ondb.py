"""IAM-OnDB: lines of handwriting from a whiteboard, as XML, with their text and their writers in other files.

Liwicki and Bunke (2005), IAM-OnDB: an on-line English sentence database acquired from handwritten text on a whiteboard.
Its makers at the university of Berne give it out on request; none of it comes with this package.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mdn.data.limits import read_whole
from mdn.data.markup import parse_xml
from mdn.data.strokes import from_lines
from mdn.files import reading

SOURCE = "iam"
_LINE = re.compile(r"(.+)-(\d{2,})")  # a01-000u-03: the third line of the form a01-000u
_TRANSCRIPT = "CSR:"  # after which the lines of a form stand in its .txt, one a line


def read_iam_ondb(path) -> Iterator[tuple]:
    """Yields (its file, the line as stroke-3 or an error, its text, "", its writer, "iam") for each line.

    A line is a file FORM-NN.xml, whose `WhiteboardCaptureSession` holds a `StrokeSet` of `Stroke`s of `Point`s with x and y (y
    downwards) and a time, which is ignored. Its text is row NN below "CSR:" in FORM.txt, or the `TextLine` with the id FORM-NN
    in the XML of the form, which also names the writer. The file forms.txt names writers, too: a form and its writer in each
    row.

    Args:
        path: A folder, all files of which are searched; or one line. The files that belong to one line are searched beside
            it, and in the folder "ascii" beside its folder "lineStrokes".

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if `path` is a file that is no line, no XML, or larger than 128 MiB.
    """
    path = Path(path)
    if path.is_dir():
        files = sorted(one for one in path.rglob("*") if one.is_file() and not one.name.startswith("."))
        lines = [one for one in files if one.suffix.lower() == ".xml" and _LINE.fullmatch(one.stem)]
        notes = _Notes(one for one in files if one not in set(lines))
    elif (match := _LINE.fullmatch(path.stem)) is None:
        raise ValueError(
            f"{str(path)!r}: a line of IAM-OnDB is called FORM-NN.xml, as a01-000u-03.xml; or name the folder."
        )
    else:
        lines, notes = [path], _Notes(_beside(path, match[1]))
    for skipped in notes.skipped:
        yield "", ValueError(skipped), "", "", "", ""
    for line in lines:
        try:
            strokes = _Session(line).strokes
        except (ValueError, OSError) as error:
            if not path.is_dir():
                raise
            yield "", ValueError(str(error)), "", "", "", ""
            continue
        text, writer = notes.of(line.stem)
        yield repr(str(line)), _drawing(strokes, text), text, "", writer, SOURCE


def _beside(path: Path, form: str) -> Iterator[Path]:
    """Files that may hold the text or the writer of a line."""
    folders = [path.parent]
    if "lineStrokes" in path.parts:
        place = len(path.parts) - 1 - path.parts[::-1].index("lineStrokes")
        folders.append(Path(*path.parts[:place], "ascii", *path.parts[place + 1 : -1]))
    for folder in folders:
        for name in (f"{form}.txt", f"{form}.xml", "forms.txt"):
            if (folder / name).is_file():
                yield folder / name


def _drawing(strokes: list[list[tuple[float, float]]], text: str) -> np.ndarray | ValueError:
    try:
        if not text:
            raise ValueError(
                "its text is not known: neither FORM.txt nor the XML of its form is there, or has this line."
            )
        return from_lines(strokes)
    except ValueError as error:
        return error


class _Notes:
    """The texts and writers of lines, from the files beside them."""

    def __init__(self, files):
        self.texts: dict[str, str] = {}
        self.writers: dict[str, str] = {}
        self.skipped: list[str] = []
        for path in files:
            try:
                if path.suffix.lower() == ".xml":
                    self._add_form(path)
                elif path.suffix.lower() == ".txt":
                    self._add_text(path)
            except (ValueError, OSError) as error:
                self.skipped.append(str(error))

    def of(self, line: str) -> tuple[str, str]:
        """The text and the writer of a line, "" where they are not known."""
        match = _LINE.fullmatch(line)
        return self.texts.get(line, ""), self.writers.get(match[1] if match else line, "")

    def _add_form(self, path: Path) -> None:
        session = _Session(path)
        self.texts |= {line: text for line, text in session.texts.items() if line not in self.texts}
        if session.form and session.writer:
            self.writers[session.form] = session.writer

    def _add_text(self, path: Path) -> None:
        with reading(path, "a transcript"):
            rows = read_whole(path).decode("utf-8", errors="replace").split("\n")
        rows = [row.strip() for row in rows]
        if _TRANSCRIPT in rows:
            below = [row for row in rows[rows.index(_TRANSCRIPT) + 1 :] if row]
            self.texts |= {f"{path.stem}-{number:02d}": row for number, row in enumerate(below, start=1)}
        elif path.name == "forms.txt":
            words = [row.split() for row in rows if not row.startswith("#")]
            self.writers |= {form: writer for form, writer, *_ in (row for row in words if len(row) > 1)}


class _Session:
    """The content of a WhiteboardCaptureSession: strokes; in that of a form, the texts of its lines and its writer."""

    def __init__(self, path: Path):
        self.strokes: list[list[tuple[float, float]]] = []
        self.texts: dict[str, str] = {}
        self.form = self.writer = ""
        self._depth = 0
        parse_xml(path, self._start, self._end)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self._depth and tag != "WhiteboardCaptureSession":
            raise ValueError(f"IAM-OnDB is a <WhiteboardCaptureSession>, but <{tag}> came.")
        self._depth += 1
        if tag == "Stroke":
            self.strokes.append([])
        elif tag == "Point":
            if not self.strokes:
                raise ValueError("a <Point> is outside of any <Stroke>.")
            try:
                self.strokes[-1].append((float(attributes["x"]), float(attributes["y"])))
            except (KeyError, ValueError):
                raise ValueError(f"a <Point> needs the numbers x and y, but has {attributes}.") from None
        elif tag == "Form":
            self.form, self.writer = attributes.get("id", ""), attributes.get("writerID", "")
        elif tag == "TextLine" and "id" in attributes:
            self.texts[attributes["id"]] = attributes.get("text", "").strip()

    def _end(self, tag: str) -> None:
        self._depth -= 1
