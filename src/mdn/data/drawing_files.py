"""Drawings in files: sketch-rnn's .npz, QuickDraw's .ndjson, SVG, KanjiVG; all become stroke-3."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from mdn.data.limits import LABEL, read_lines
from mdn.data.objects import read_object_arrays
from mdn.data.shapes import simplify
from mdn.data.strokes import PARTS, Drawings, as_drawing, from_lines, to_lines
from mdn.data.svg import kanjivg_files, read_svg
from mdn.files import reading, replacing
from mdn.wording import counted

KANJIVG = "kanjivg"  # names the package kanjivg, instead of a file
FORMAT = 1  # the format of the .npz that `write_drawings` writes
TOLERANCE = 1 / 128  # as a share of a drawing's longer side: 2 of 256, as in QuickDraw
_RAW_SIDE = 255.0  # the longer side of a QuickDraw drawing
_FLAT = ("points", "offsets")
Found = Iterator[tuple]  # (its place in the file, the drawing or an error, its labels such as word and part)
_Kind = TypeVar("_Kind", bound=Drawings)


def read_drawings(path, tolerance: float = TOLERANCE, go_on: bool | None = None) -> Drawings:
    """Drawings from a file, or from all files of a folder.

    - .npz of sketch-rnn: object arrays of stroke-3, "train", "valid" and "test", or `(N, T, 3)` where all have one length; the
      name of the file is their word. Or flat, without pickles: "points" `(N, 3)`, "offsets" and, if known, "word" and "part".
    - .ndjson of QuickDraw, one drawing a line; raw drawings, with times, are simplified as Google does it: 255 wide or high,
      and with fewer points.
    - .svg: one drawing, its paths in their order. Its word is the character, for KanjiVG's files; in a folder within the
      folder that is read, the name of its folder; else its own name.
    - "kanjivg": the characters of the package kanjivg.

    A file may have any length, but an SVG or a line of .ndjson, which are read at once, may have 128 MiB at most. An .npz
    unpacks as `read_object_arrays` says, offsets are 1e9 at most, and words have 1,000 characters at most.

    Args:
        path: The path of the file or folder.
        tolerance: How far the remaining line may be from the true line, for SVGs and raw QuickDraw, as a share of the
            longer side of the picture. 0: all points stay.
        go_on: Whether to leave bad drawings out and list them in `skipped`. By default true for a folder, false for a file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: for a file that cannot be read, or has no good drawing; for a bad drawing, unless `go_on`. It names the
            file, and the line or the place of the drawing in it.
        ImportError: if svgpathtools, which reads SVGs, is missing (`pip install 'mdn[sketch]'`).

    Example:
        >>> from pathlib import Path
        >>> from mdn.data import read_drawings
        >>> _ = Path('one.svg').write_text('<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0 L10 0 L10 10"/></svg>')
        >>> len(read_drawings('one.svg'))
        1
    """
    if not 0 <= tolerance < 1:
        raise ValueError(f"`tolerance` is a share of the picture's longer side, 0 to 1, but {tolerance} came.")
    path, package = Path(path), str(path) == KANJIVG and not Path(path).exists()
    if package or path.is_dir():
        files = kanjivg_files() if package else _files_in(path)
        found, go_on = _of_files(path, files, tolerance), go_on is not False
    else:
        found = _reader(path)(path, tolerance)
    with reading(path, "drawings"):
        return gather(path, found, bool(go_on), Drawings)


def _reader(path: Path) -> Callable[[Path, float], Found]:
    if path.suffix.lower() not in ENDINGS:
        raise ValueError(
            f"drawings are read from {', '.join(ENDINGS)}, a folder of them or {KANJIVG!r}, but {path.name!r} came."
        )
    return _READERS[path.suffix.lower()]


def gather(path: Path, found: Found, go_on: bool, kind: type[_Kind]) -> _Kind:
    """Collects what a reader found into `kind`, whose `labels` name the labels that come with each drawing.

    Raises:
        ValueError: for a bad drawing, unless `go_on`, and if there is no good one.
    """
    strokes, labels, skipped = [], [], []
    for where, drawing, *known in found:
        try:
            if isinstance(drawing, ValueError):
                raise drawing
            _check_labels(kind, known)
            strokes.append(as_drawing(drawing))
        except ValueError as error:
            message = f"{where}: {error}" if where else str(error)
            if not go_on:
                raise ValueError(message) from None
            skipped.append(message)
            continue
        labels.append(known)
    if not strokes:
        raise ValueError(skipped[0] if skipped else f"{str(path)!r} holds no drawing.")
    named = {name: np.array(column, "U") for name, column in zip(kind.labels, zip(*labels, strict=True), strict=True)}
    return kind(tuple(strokes), skipped=tuple(skipped), **named)


def label_of(value, name: str) -> str:
    """The text of a label in JSON.

    Raises:
        ValueError: if it is neither text nor a number.
    """
    if not isinstance(value, str | int | float | None):
        raise ValueError(f"its `{name}` must be a text, but it is a {type(value).__name__}.")
    return str(value)


def _check_labels(kind: type[Drawings], known: Sequence[str]) -> None:
    for name, label in zip(kind.labels, known, strict=True):
        if len(label) > LABEL:
            raise ValueError(
                f"it has {len(label):,} characters among its {name}, but {LABEL:,} is the most that is read."
            )
        try:
            label.encode()
        except UnicodeEncodeError:
            raise ValueError(f"its {name} hold half a character: a surrogate of UTF-16 without the other.") from None


# ---- folders ---------------------------------------------------------------------------------------------------------


def _files_in(folder: Path) -> list[Path]:
    files = sorted(one for one in folder.rglob("*") if one.suffix.lower() in ENDINGS and one.is_file())
    return [one for one in files if not one.name.startswith(".")]


def _of_files(folder: Path, files: Iterable[Path], tolerance: float) -> Found:
    """The drawings of all files; a file that cannot be read counts as one bad drawing."""
    for path in files:
        try:
            with reading(path, "drawings"):
                for where, drawing, word, part in _reader(path)(path, tolerance):
                    named = path.suffix.lower() == ".svg" and word == path.stem and path.parent not in (folder, Path())
                    yield where, drawing, path.parent.name if named else word, part
        except (ValueError, OSError) as error:
            yield "", ValueError(str(error)), "", ""


# ---- .npz ------------------------------------------------------------------------------------------------------------


def _npz(path: Path, tolerance: float) -> Found:
    arrays = read_object_arrays(path)
    if all(name in arrays for name in _FLAT):
        yield from _flat(path, arrays)
        return
    names = [*(name for name in PARTS if name in arrays), *(name for name in arrays if name not in PARTS)]
    for name in names:
        if name in PARTS and not _holds_drawings(arrays[name]):
            raise ValueError(
                f"{str(path)!r}: {name!r} must hold drawings (T, 3) each, but it is {arrays[name].dtype} of shape "
                f"{arrays[name].shape}."
            )
    names = [name for name in names if _holds_drawings(arrays[name])]
    if not names:
        raise ValueError(
            f"{str(path)!r} must hold train, valid and test as sketch-rnn does, or points and offsets, "
            f"but it holds {', '.join(arrays) or 'nothing'}."
        )
    # A file of sketch-rnn holds one class and has its name: cat.npz, sketchrnn_cat.npz, cat.full.npz
    word = path.stem.removeprefix("sketchrnn_").removesuffix(".full")
    for name in names:
        drawings = arrays[name]
        for i, one in enumerate(drawings if drawings.ndim == 3 else drawings.flat):
            yield f"{str(path)!r}: drawing {i} of {name!r}", one, word, name if name in PARTS else ""


def _holds_drawings(array: np.ndarray) -> bool:
    """Whether it is an array of drawings: one of objects, or the block that NumPy makes of drawings of one length."""
    return array.dtype == object or (array.ndim == 3 and array.shape[-1] == 3 and array.dtype.kind in "biuf")


def _flat(path: Path, arrays: dict[str, np.ndarray]) -> Found:
    drawings = flat_drawings(path, arrays)
    count = len(drawings)
    words, parts = (
        arrays[name] if name in arrays and arrays[name].shape == (count,) else np.full(count, "")
        for name in ("word", "part")
    )
    for i, one in enumerate(drawings):
        yield f"{str(path)!r}: drawing {i}", one, str(words[i]), str(parts[i])


def flat_drawings(path: Path, arrays: dict[str, np.ndarray], name: str = "points") -> list[np.ndarray]:
    """The drawings of a flat file: an array `name` of points `(N, 3)`, and `offsets` into it.

    Raises:
        ValueError: if the arrays do not fit, or the file is from a newer version.
    """
    points, offsets = arrays[name], arrays["offsets"]
    if int(arrays.get("format", FORMAT)) > FORMAT:
        raise ValueError(f"{str(path)!r} is from a newer version of mdn: upgrade it to read this file.")
    if points.ndim != 2 or points.shape[-1] != 3 or points.dtype.kind not in "biuf":
        raise ValueError(
            f"{str(path)!r}: `{name}` must be (N, 3): dx, dy and lift, but it is {points.dtype} of shape {points.shape}."
        )
    good = offsets.ndim == 1 and offsets.dtype.kind in "iu" and len(offsets) > 0
    if not good or offsets[0] != 0 or offsets[-1] != len(points) or np.any(offsets[1:] < offsets[:-1]):
        raise ValueError(f"{str(path)!r}: `offsets` must rise from 0 to the {counted(len(points), 'point')}.")
    drawings = np.split(points, offsets[1:-1].astype("int64")) if len(offsets) > 1 else []
    if "format" in arrays:
        return drawings
    # Other programs write the start, (0, 0, 0), as the first row of every drawing; a network would learn it
    return [one[1:] if len(one) > 1 and not one[0].any() else one for one in drawings]


# ---- .ndjson ---------------------------------------------------------------------------------------------------------


def _ndjson(path: Path, tolerance: float) -> Found:
    try:
        for number, line in enumerate(read_lines(path), start=1):
            if line.strip():
                drawing, word, part = _parse(line, tolerance)
                yield f"{str(path)!r}: line {number}", drawing, word, part
    except UnicodeDecodeError:
        raise ValueError(f"{str(path)!r} is no text in UTF-8, and so no ndjson.") from None


def _parse(line: str, tolerance: float) -> tuple[np.ndarray | ValueError, str, str]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        shown = line.strip()
        cut = shown.startswith("{") and not shown.endswith("}")
        return ValueError("it is cut off." if cut else f"it is no JSON: {shown[:40]!r}."), "", ""
    if not isinstance(found, dict) or not isinstance(found.get("drawing"), list):
        return ValueError("it has no `drawing`, a list of strokes."), "", ""
    try:
        word, part = (label_of(found.get(name, ""), name) for name in ("word", "part"))
    except ValueError as error:
        return error, "", ""
    try:
        lines = [_line(i, stroke) for i, stroke in enumerate(found["drawing"])]
        drawing = from_lines([line[:, :2] for line in lines])
        if any(line.shape[1] == 3 for line in lines):
            drawing = _as_simplified(drawing, tolerance)
    except ValueError as error:
        return error, word, part
    return drawing, word, part


def _line(place: int, stroke) -> np.ndarray:
    try:
        line = np.array(stroke, "float64")
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"stroke {place} must be lists of numbers of one length: x, y, and t if it is raw.") from None
    if line.ndim != 2 or len(line) not in (2, 3):
        raise ValueError(f"stroke {place} must be two or three lists, x, y and t, but its shape is {line.shape}.")
    return line.T


def _as_simplified(drawing: np.ndarray, tolerance: float) -> np.ndarray:
    places = np.concatenate(to_lines(drawing))
    with np.errstate(all="ignore"):  # `as_drawing` refuses what is not finite
        scaled = as_drawing(drawing * (*np.full(2, _RAW_SIDE / np.ptp(places, axis=0).max()), 1.0))
    return simplify(scaled, tolerance * _RAW_SIDE) if tolerance else scaled


# ---- .svg ------------------------------------------------------------------------------------------------------------


def _svg(path: Path, tolerance: float) -> Found:
    lines, character, side = read_svg(path, tolerance / 2)
    try:
        drawing: np.ndarray | ValueError = from_lines(lines)
    except ValueError as error:
        drawing = error
    else:
        if tolerance:
            drawing = simplify(drawing, tolerance / 2 * side)
    yield repr(str(path)), drawing, character or path.stem, ""


_READERS: dict[str, Callable[[Path, float], Found]] = {".npz": _npz, ".ndjson": _ndjson, ".svg": _svg}
ENDINGS = tuple(_READERS)  # of the names of files that `read_drawings` reads


# ---- writing ---------------------------------------------------------------------------------------------------------


def write_drawings(path, drawings: Drawings | Iterable) -> None:
    """Writes drawings, with words and parts, so that `read_drawings` reads them back.

    Args:
        path: A .npz (flat, without pickles; exact) or an .ndjson (like QuickDraw's simplified ones; to 1e-6 of a unit).
        drawings: Stroke-3 `(T, 3)` each.

    Raises:
        ValueError: if the name has another ending, or a drawing is bad.

    Example:
        >>> from mdn.data import Drawings, read_drawings, write_drawings
        >>> write_drawings('corner.ndjson', Drawings(strokes=([[3, 0, 0], [0, 4, 1]],), words=['corner']))
        >>> read_drawings('corner.ndjson').words.tolist()
        ['corner']
    """
    path = Path(path)
    if path.suffix.lower() not in WRITTEN:
        raise ValueError(f"drawings are written to {' or '.join(WRITTEN)}, but {path.name!r} came.")
    if not isinstance(drawings, Drawings):
        drawings = Drawings(tuple(drawings))
    checked = Drawings(tuple(as_drawing(one) for one in drawings), drawings.words, drawings.parts)
    with replacing(path) as temporary:
        _WRITERS[path.suffix.lower()](temporary, checked)


def _write_npz(path: Path, drawings: Drawings) -> None:
    write_flat(path, drawings, word=drawings.words, part=drawings.parts)


def write_flat(path: Path, drawings: Iterable, **labels: np.ndarray) -> None:
    """Writes drawings and labels for `flat_drawings`; points that are small whole numbers become int16."""
    rows = list(drawings)
    points = np.concatenate([np.empty((0, 3)), *rows])
    small = points.astype("int16") if np.all(np.abs(points) <= np.iinfo("int16").max) else points
    kept = small if np.array_equal(small, points) else points
    arrays: dict = {"format": FORMAT, "points": kept, "offsets": np.cumsum([0, *map(len, rows)]), **labels}
    np.savez_compressed(path, **arrays)


def _write_ndjson(path: Path, drawings: Drawings) -> None:
    with open(path, "w", encoding="utf-8") as file:
        for drawing, word, part in zip(drawings, drawings.words.tolist(), drawings.parts.tolist(), strict=True):
            lines = to_lines(drawing)
            lines = [np.round(line - np.min(np.concatenate(lines), axis=0), 6) for line in lines]
            whole = all(np.array_equal(line, np.round(line)) for line in lines)
            named = {name: value for name, value in (("word", word), ("part", part)) if value}
            strokes = [(line.astype("int64") if whole else line).T.tolist() for line in lines]
            json.dump({**named, "drawing": strokes}, file, ensure_ascii=False, separators=(",", ":"))
            file.write("\n")


_WRITERS: dict[str, Callable[[Path, Drawings], None]] = {".npz": _write_npz, ".ndjson": _write_ndjson}
WRITTEN = tuple(_WRITERS)  # of the names of files that `write_drawings` writes
