"""Lines of handwriting: drawings of which it is known what was written, by whom; from files of arrays, XML and JSON.

As in all drawings here y grows downwards; the reader of a file whose y grows upwards turns it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from mdn.data.drawing_files import Found, flat_drawings, gather, label_of, write_flat
from mdn.data.files import reading, replacing
from mdn.data.iam_ondb import read_iam_ondb
from mdn.data.limits import read_lines, read_whole
from mdn.data.objects import read_object_arrays
from mdn.data.strokes import Drawings, as_drawing, from_lines, no_names

_NAMES = {"text": "words", "part": "parts", "writer": "writers", "source": "sources"}  # in files, and here


@dataclass(frozen=True, eq=False, repr=False)
class Handwriting(Drawings):
    """Lines of handwriting, each a drawing (stroke-3) whose word is the text that it shows.

    It is a sequence of arrays, and an index, a slice or a mask takes some, as with all `Drawings`:
    `lines[lines.sources == "lex"]`.

    Attributes:
        writers: Who wrote each line, strings of shape `(N,)`; "" where the source does not say.
        sources: Where each comes from.
    """

    writers: np.ndarray = field(default_factory=no_names)
    sources: np.ndarray = field(default_factory=no_names)

    labels: ClassVar[tuple[str, ...]] = ("words", "parts", "writers", "sources")

    @property
    def texts(self) -> np.ndarray:
        """What was written, strings of shape `(N,)`: the words."""
        return self.words

    def __repr__(self) -> str:
        counts = {name: len(set(getattr(self, name).tolist()) - {""}) for name in ("writers", "sources")}
        parts = {name: int(np.sum(self.parts == name)) for name in dict.fromkeys(self.parts.tolist()) if name}
        return (
            f"Handwriting({len(self)} lines, {counts['writers']} writers, {counts['sources']} sources, parts {parts}, "
            f"{len(self.skipped)} skipped)"
        )

    def divided(self, seed: int = 0, **shares: float) -> Self:
        """The lines of the part "train", or of none, dealt to parts anew, so that no text is in two of them.

        Args:
            seed: Of the choice.
            shares: Of the lines that go to a part, such as valid=0.05, test=0.1; the others are "train".

        Raises:
            ValueError: if the shares are not between 0 and 1 together.
        """
        if not shares or min(shares.values()) < 0 or sum(shares.values()) >= 1:
            raise ValueError(f"shares must be at least 0 and less than 1 together, as valid=0.05, but {shares} came.")
        parts = np.where(self.parts == "", "train", self.parts).astype("<U16")
        free = parts == "train"
        texts, which = np.unique(self.words, return_inverse=True)
        order = np.random.default_rng(seed).permutation(len(texts))
        # of each text, in a random order, how many lines come up to it: a text goes where the share of lines says
        counts = np.bincount(which[free], minlength=len(texts))[order]
        reached = np.empty(len(texts))
        reached[order] = np.cumsum(counts) / max(1, counts.sum())
        edges = np.cumsum([0.0, *shares.values()])
        for name, low, high in zip(shares, edges[:-1], edges[1:], strict=True):
            parts[free & (reached[which] > low) & (reached[which] <= high)] = name
        return replace(self, parts=parts)


def read_handwriting(path, go_on: bool | None = None) -> Handwriting:
    """Lines of handwriting from a file, or from all files of a folder.

    - .npz: "points" `(N, 3)` of dx, dy (downwards) and lift, "offsets" `(lines + 1,)` into them, "text", and "writer",
      "source" and "part" if it likes, as `write_handwriting` makes it. Or "stroke3" instead of "points", with y upwards and
      the start of each line as its first row, as the lines of UNIPEN were put together.
    - .xml: IAM-OnDB, see `read_iam_ondb`; best the folder that holds its lineStrokes, ascii and original.
    - .json, .jsonl, .ndjson: what a web page on a tablet would write. Objects such as
      `{"text": "Hello", "writer": "me", "strokes": [[[10, 20], [11, 22]], [[30, 20], [31, 25]]]}`, one, a list of them, or
      one on each line. A stroke is a list of points x, y (downwards), and the time, which is not used. "writer", "source"
      and "part" may be missing; without a source it is the name of the file.

    Points are kept as they were recorded, those that stand still among them. What is read at once of a file (XML, .json, a line
    of the others) has 128 MiB at most, an .npz unpacks as `read_object_arrays` says, offsets are 1e9 at most, and texts and
    names have 1,000 characters.

    Args:
        path: Of the file or folder.
        go_on: Leave bad lines out and tell of them in `skipped`. Without it, yes for a folder and no for a file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: for a file that cannot be read, or has no good line; for a bad line, unless it goes on: one without a
            text, with fewer than two points, or with a number that is not finite.
    """
    path = Path(path)
    folder = path.is_dir()
    found = _of_folder(path) if folder else _reader(path)(path)
    with reading(path, "handwriting"):
        return gather(path, found, folder if go_on is None else go_on, Handwriting)


def _readers() -> dict[str, Callable[[Path], Found]]:
    return {".npz": _npz, ".xml": read_iam_ondb, ".json": _json, ".jsonl": _json_lines, ".ndjson": _json_lines}


def _reader(path: Path) -> Callable[[Path], Found]:
    readers = _readers()
    if path.suffix.lower() not in readers:
        raise ValueError(f"handwriting is read from {', '.join(readers)} or a folder of them, but {path.name!r} came.")
    return readers[path.suffix.lower()]


def _of_folder(folder: Path) -> Found:
    """Of IAM-OnDB, if there is any XML, and of each other file; one that cannot be read is a bad line."""
    files = sorted(one for one in folder.rglob("*") if one.suffix.lower() in _readers() and one.is_file())
    files = [one for one in files if not one.name.startswith(".")]
    if any(one.suffix.lower() == ".xml" for one in files):
        yield from read_iam_ondb(folder)
    for path in files:
        if path.suffix.lower() == ".xml":
            continue
        try:
            with reading(path, "handwriting"):
                yield from _reader(path)(path)
        except (ValueError, OSError) as error:
            yield "", ValueError(str(error)), "", "", "", ""


# ---- .npz ------------------------------------------------------------------------------------------------------------


def _npz(path: Path) -> Found:
    arrays = read_object_arrays(path)
    name = "points" if "points" in arrays else "stroke3"
    if not {name, "offsets", "text"} <= arrays.keys():
        raise ValueError(
            f"{str(path)!r} must hold points (or stroke3), offsets and text, but it holds {', '.join(arrays) or 'nothing'}."
        )
    drawings = flat_drawings(path, arrays, name)
    labels = [arrays.get(label, np.full(len(drawings), "")) for label in _NAMES]
    for label, column in zip(_NAMES, labels, strict=True):
        if column.shape != (len(drawings),):
            raise ValueError(
                f"{str(path)!r}: `{label}` must be one for each of {len(drawings)} lines, but its shape is {column.shape}."
            )
    turn = (1.0, 1.0 if name == "points" else -1.0, 1.0)
    for i, (one, *known) in enumerate(zip(drawings, *labels, strict=True)):
        yield f"{str(path)!r}: line {i}", *_with_text(one * turn, *map(str, known))


def _with_text(drawing, text: str, *others: str) -> tuple:
    """(the drawing or what is wrong with it, its labels)."""
    return (drawing if text.strip() else ValueError("it has no text."), text, *others)


def write_handwriting(path, lines: Handwriting) -> None:
    """Writes lines to an .npz that `read_handwriting` reads back as they were: XML need be parsed only once.

    Raises:
        ValueError: if the name ends otherwise.
    """
    if Path(path).suffix.lower() != ".npz":
        raise ValueError(f"handwriting is written to .npz, but {Path(path).name!r} came.")
    with replacing(path) as temporary:
        named = {name: getattr(lines, label) for name, label in _NAMES.items()}
        write_flat(temporary, map(as_drawing, lines), **named)


# ---- JSON ------------------------------------------------------------------------------------------------------------


def _json(path: Path) -> Found:
    try:
        content = read_whole(path).decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{str(path)!r} is no text in UTF-8, and so no JSON.") from None
    try:
        found = _loaded(content)
    except ValueError as error:
        if content.strip().count("\n"):  # perhaps an object on each line
            yield from _json_lines(path)
            return
        raise ValueError(f"{str(path)!r} {error}") from None
    for i, one in enumerate(found if isinstance(found, list) else [found]):
        yield f"{str(path)!r}: line {i}", *_of_object(one, path.stem)


def _json_lines(path: Path) -> Found:
    try:
        for number, row in enumerate(read_lines(path), start=1):
            if row.strip():
                yield f"{str(path)!r}: line {number}", *_of_row(row, path.stem)
    except UnicodeDecodeError:
        raise ValueError(f"{str(path)!r} is no text in UTF-8, and so no JSON.") from None


def _of_row(row: str, source: str) -> tuple:
    try:
        return _of_object(_loaded(row), source)
    except ValueError as error:
        return ValueError(f"it {error}"), "", "", "", ""


def _loaded(content: str):
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError(f"is no JSON: {content.strip()[:40]!r}.") from None


def _of_object(found, source: str) -> tuple:
    """(the drawing or what is wrong with it, its labels)."""
    if not isinstance(found, dict) or not isinstance(found.get("strokes"), list):
        return ValueError("it has no `strokes`, a list of lists of points."), "", "", "", ""
    try:
        labels = [label_of(found.get(name) or "", name) for name in _NAMES]
    except ValueError as error:
        return error, "", "", "", ""
    labels[-1] = labels[-1] or source
    try:
        return _with_text(from_lines([_places(i, one) for i, one in enumerate(found["strokes"])]), *labels)
    except ValueError as error:
        return error, *labels


def _places(which: int, stroke) -> np.ndarray:
    try:
        points = np.array(stroke, "float64")
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"stroke {which} must be a list of points, x, y, and t if it likes.") from None
    if points.size and (points.ndim != 2 or points.shape[-1] not in (2, 3)):
        raise ValueError(f"stroke {which} must be a list of points, x, y, and t if it likes, but is {points.shape}.")
    finite = np.isfinite(points).all(axis=-1)
    if not finite.all():
        raise ValueError(f"point {int(np.argmin(finite))} of stroke {which} holds a number that is not finite.")
    return points[:, :2] if points.size else np.empty((0, 2))
