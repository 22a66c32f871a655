"""Lines of handwriting: drawings with the text that they show and their writer; from files of arrays, XML and JSON.

As in all drawings here y grows downwards; the reader of a file whose y grows upwards flips it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from mdn.data.drawing_files import Found, flat_drawings, gather, label_of, write_flat
from mdn.data.iam_ondb import read_iam_ondb
from mdn.data.limits import read_lines, read_whole
from mdn.data.objects import read_object_arrays
from mdn.data.strokes import Drawings, as_drawing, from_lines, no_names
from mdn.files import reading, replacing
from mdn.wording import agreed, counted

_NAMES = {"text": "words", "part": "parts", "writer": "writers", "source": "sources"}  # label in a file: attribute here


@dataclass(frozen=True, eq=False, repr=False)
class Handwriting(Drawings):
    """Lines of handwriting, each a drawing (stroke-3) whose word is the text that it shows.

    It is a sequence of arrays; an index, a slice or a mask selects some, as with all `Drawings`:
    `lines[lines.sources == "lex"]`.

    Attributes:
        writers: Who wrote each line, strings of shape `(N,)`; "" where the source does not say.
        sources: Where each line comes from, strings of shape `(N,)`.
    """

    writers: np.ndarray = field(default_factory=no_names)
    sources: np.ndarray = field(default_factory=no_names)

    labels: ClassVar[tuple[str, ...]] = ("words", "parts", "writers", "sources")

    @property
    def texts(self) -> np.ndarray:
        """The text of each line, strings of shape `(N,)`; the same as `words`."""
        return self.words

    def __repr__(self) -> str:
        counts = {name: len(set(getattr(self, name).tolist()) - {""}) for name in ("writers", "sources")}
        parts = {name: int(np.sum(self.parts == name)) for name in dict.fromkeys(self.parts.tolist()) if name}
        return (
            f"Handwriting({counted(len(self), 'line')}, {counted(counts['writers'], 'writer')}, "
            f"{counted(counts['sources'], 'source')}, parts {parts}, "
            f"{len(self.skipped)} skipped)"
        )

    def divided(self, seed: int = 0, **shares: float) -> Self:
        """Deals the lines of the part "train", or of no part, to parts anew, so that no text of theirs is in two parts.

        Args:
            seed: Seeds the choice.
            shares: The share of the lines for each part, such as valid=0.05, test=0.1; the others are "train".

        Raises:
            ValueError: if a share is negative or their sum is 1 or more.
        """
        if not shares or min(shares.values()) < 0 or sum(shares.values()) >= 1:
            raise ValueError(f"shares must be at least 0 and less than 1 together, as valid=0.05, but {shares} came.")
        parts = np.where(self.parts == "", "train", self.parts).astype("<U16")
        free = parts == "train"
        texts, which = np.unique(self.words, return_inverse=True)
        order = np.random.default_rng(seed).permutation(len(texts))
        # For each text, in a random order, the share of lines up to it: that decides to which part it goes
        counts = np.bincount(which[free], minlength=len(texts))[order]
        reached = np.empty(len(texts))
        reached[order] = np.cumsum(counts) / max(1, counts.sum())
        edges = np.cumsum([0.0, *shares.values()])
        for name, low, high in zip(shares, edges[:-1], edges[1:], strict=True):
            parts[free & (reached[which] > low) & (reached[which] <= high)] = name
        return replace(self, parts=parts)


def read_handwriting(path, go_on: bool | None = None) -> Handwriting:
    """Lines of handwriting from a file, or from all files of a folder.

    - .npz: "points" `(N, 3)` of dx, dy (downwards) and lift, "offsets" `(lines + 1,)` into them, "text", and optionally
      "writer", "source" and "part", as `write_handwriting` writes it. Or "stroke3" instead of "points", with y upwards and
      the start of each line as its first row: that is the form of the file unipen_lines.npz.
    - .xml: IAM-OnDB, see `read_iam_ondb`; best name the folder that holds its lineStrokes, ascii and original.
    - .json, .jsonl, .ndjson: as a web page on a tablet writes them. Objects such as
      `{"text": "Hello", "writer": "me", "strokes": [[[10, 20], [11, 22]], [[30, 20], [31, 25]]]}`: one object, a list of
      them, or one on each line. A stroke is a list of points: x, y (downwards) and optionally the time, which is ignored.
      "writer", "source" and "part" may be missing; the source is then the name of the file. If files of a folder name the
      same "session", as those of `mdn record` do, only the one that was "saved" last is read.

    Points are kept as they were recorded, repeated ones too. An XML, a .json or a line of the others, which are read at once,
    may have 128 MiB at most; an .npz unpacks as `read_object_arrays` says, offsets are 1e9 at most, and texts and names have
    1,000 characters at most.

    Args:
        path: The path of the file or folder.
        go_on: Whether to leave bad lines out and list them in `skipped`. By default true for a folder, false for a file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: for a file that cannot be read, or has no good line; for a bad line, unless `go_on`: one without a
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
    """The lines of IAM-OnDB, if there is any XML, and of all other files; a file that cannot be read is a bad line."""
    files = sorted(one for one in folder.rglob("*") if one.suffix.lower() in _readers() and one.is_file())
    files = [one for one in files if not one.name.startswith(".")]
    if any(one.suffix.lower() == ".xml" for one in files):
        yield from read_iam_ondb(folder)
    for path in _latest(files):
        if path.suffix.lower() == ".xml":
            continue
        try:
            with reading(path, "handwriting"):
                yield from _reader(path)(path)
        except (ValueError, OSError) as error:
            yield "", ValueError(str(error)), "", "", "", ""


def _latest(files: list[Path]) -> list[Path]:
    """Drops earlier saves of a session of `mdn record`: each save holds all lines so far, which would count twice."""
    latest: dict[str, tuple[float, Path]] = {}
    known = {path: _session(path) for path in files if path.suffix.lower() == ".json"}
    for path, (session, saved) in known.items():
        if session and (session not in latest or saved > latest[session][0]):
            latest[session] = saved, path
    kept = {path for _, path in latest.values()}
    return [path for path in files if path in kept or not known.get(path, ("", 0.0))[0]]


def _session(path: Path) -> tuple[str, float]:
    """(the session of `mdn record` in a file, the time of its save); ("", 0.0) for any other file."""
    try:
        found = _loaded(read_whole(path).decode("utf-8"))
    except (ValueError, OSError):  # reported when its lines are read
        return "", 0.0
    first = found[0] if isinstance(found, list) and found else None
    if not isinstance(first, dict) or not isinstance(first.get("session"), str):
        return "", 0.0
    saved = first.get("saved")
    return first["session"], float(saved) if isinstance(saved, int | float) and abs(saved) < 1e300 else 0.0


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
                f"{str(path)!r}: `{label}` must be one for "
                f"{agreed(len(drawings), 'the only line', f'each of {len(drawings)} lines')}, but its shape is {column.shape}."
            )
    turn = (1.0, 1.0 if name == "points" else -1.0, 1.0)
    for i, (one, *known) in enumerate(zip(drawings, *labels, strict=True)):
        yield f"{str(path)!r}: line {i}", *_with_text(one * turn, *map(str, known))


def _with_text(drawing, text: str, *others: str) -> tuple:
    """(the drawing or an error, its labels)."""
    return (drawing if text.strip() else ValueError("it has no text."), text, *others)


def write_handwriting(path, lines: Handwriting) -> None:
    """Writes lines to an .npz that `read_handwriting` reads back unchanged, so that XML need be parsed only once.

    Args:
        path: The path of the file, .npz.
        lines: The lines; their texts, parts, writers and sources are written too.

    Raises:
        ValueError: if the name has another ending, or a line is bad.
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
    """(the drawing or an error, its labels)."""
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
