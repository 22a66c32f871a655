"""Drawings as strokes: one form for everything that a pen draws, and its conversions to lines and stroke-5.

A drawing is **stroke-3**, a float64 array `(T, 3)` of dx, dy and lift, a row for each move of the pen. The pen starts at the
origin and is down: the first row already draws, as in the files of sketch-rnn, whose first point is that start. lift is 1
where the pen is lifted after the move and 0 elsewhere; the row after a lift moves without drawing, to the next stroke. The
last row always lifts. y grows downwards, as on a screen.

**Lines** are the same drawing in places: a list of arrays `(n_i, 2)`, one for each stroke; a stroke of one point is a dot.
**Stroke-5** `(T + 1, 5)` is stroke-3 for a network: dx, dy, and a one-hot pen (down, lift, end); the end is a row of its own
(Ha and Eck 2017, arXiv 1704.03477).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Self, overload

import numpy as np

from mdn.data.limits import LARGEST, read_whole
from mdn.files import reading, sentence
from mdn.wording import agreed, counted

DOWN, LIFT, END = 0, 1, 2  # the pen of stroke-5, after dx and dy
PARTS = ("train", "valid", "test")


def no_names() -> np.ndarray:
    """The value of a label that was not set."""
    return np.empty(0, "<U1")


@dataclass(frozen=True, eq=False)
class Drawings(Sequence[np.ndarray]):
    """Drawings of one source, in its order: a sequence of stroke-3 arrays with their words and parts.

    An int selects one drawing; a slice, a list of indices or a mask selects some, as Drawings again.

    Attributes:
        strokes: The drawings, stroke-3 each.
        words: What each drawing shows, strings of shape `(N,)`; "" where the source does not say.
        parts: "train", "valid" or "test" for each, strings of shape `(N,)`; "" where the source does not say.
        skipped: A sentence for each drawing of the source that was bad and left out.

    Example:
        >>> from mdn.data import Drawings
        >>> len(Drawings(strokes=([[3, 0, 0], [0, 4, 1]],), words=['corner']))
        1
    """

    strokes: tuple[np.ndarray, ...]
    words: np.ndarray = field(default_factory=no_names)
    parts: np.ndarray = field(default_factory=no_names)
    skipped: tuple[str, ...] = ()

    labels: ClassVar[tuple[str, ...]] = ("words", "parts")  # the attributes with one value a drawing

    def __post_init__(self):
        object.__setattr__(self, "strokes", tuple(self.strokes))
        for name in self.labels:
            given = np.asarray(getattr(self, name), dtype="U")
            if given.shape == (0,):
                given = np.full(len(self.strokes), "")
            if given.shape != (len(self.strokes),):
                count = len(self.strokes)
                wanted = agreed(count, "the only drawing", f"each of {count} drawings")
                raise ValueError(f"`{name}` must be one string for {wanted}, but its shape is {given.shape}.")
            object.__setattr__(self, name, given)

    def __len__(self) -> int:
        return len(self.strokes)

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter(self.strokes)

    @overload
    def __getitem__(self, places: int | np.integer) -> np.ndarray: ...

    @overload
    def __getitem__(self, places: slice | Sequence | np.ndarray) -> Self: ...

    def __getitem__(self, places):
        if isinstance(places, int | np.integer):
            return self.strokes[places]
        chosen = np.arange(len(self))[places if len(np.atleast_1d(places)) else slice(0)]
        named = {name: getattr(self, name)[chosen] for name in self.labels}
        return replace(self, strokes=tuple(self.strokes[i] for i in chosen), **named)

    def __repr__(self) -> str:
        parts = {name: int(np.sum(self.parts == name)) for name in dict.fromkeys(self.parts.tolist()) if name}
        words = len(set(self.words.tolist()) - {""})
        return f"Drawings({counted(len(self), 'drawing')}, {counted(words, 'word')}, parts {parts}, {len(self.skipped)} skipped)"

    def part(self, name: str) -> Self:
        """The drawings of one part: "train", "valid" or "test"."""
        return self[self.parts == name]

    def of(self, *words: str) -> Self:
        """The drawings whose word is one of `words`.

        Raises:
            ValueError: if one of them has no drawing.
        """
        known = sorted(set(self.words.tolist()))
        for word in words:
            if word not in known:
                listed = ", ".join(map(repr, known[:20])) + (", ..." if len(known) > 20 else "")
                raise ValueError(f"there is no drawing of {word!r}; there are {listed}.")
        return self[np.isin(self.words, words)]

    def __add__(self, other: Self) -> Self:
        named = {name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in self.labels}
        return replace(self, strokes=self.strokes + other.strokes, skipped=self.skipped + other.skipped, **named)

    def with_split(self, path) -> Self:
        """The same drawings, with their parts from a .json file.

        Args:
            path: A file with lists of indices: "valid" and "test" ("train", if missing, is all others). A list
                "test_deduplicated" holds indices within the part "test"; drawings of that part that are not in the list
                then have no part. Other lists are ignored.

        Raises:
            ValueError: if it is no such file, or an index is out of range.
        """
        path = Path(path)
        with reading(path, "lists of places"):
            content = read_whole(path)
            try:
                lists = {
                    name: np.asarray(places, "int64")
                    for name, places in json.loads(content).items()
                    if name.removesuffix("_deduplicated") in PARTS and isinstance(places, list)
                }
                if not all(places.ndim == 1 for places in lists.values()):
                    raise ValueError("a list holds more than places")
            except Exception as error:
                raise ValueError(f"{str(path)!r} is no .json of lists of places: {sentence(error)}") from None
        whole = {name: places for name, places in lists.items() if not name.endswith("_deduplicated")}
        parts = np.full(len(self), "" if "train" in whole else "train", "<U16") if whole else self.parts.copy()
        for name, places in whole.items():
            parts[_within(path, name, places, len(self))] = name
        for name in lists.keys() - whole.keys():
            part = name.removesuffix("_deduplicated")
            of_part = np.flatnonzero(parts == part)
            kept = of_part[_within(path, name, lists[name], len(of_part))]
            parts[of_part] = ""
            parts[kept] = part
        return replace(self, parts=parts)


def _within(path, name, places, count) -> np.ndarray:
    if np.any((places < 0) | (places >= count)):
        raise ValueError(
            f"{str(path)!r}: {name!r} names a place outside of 0 to {count - 1}; it is of another data set."
        )
    return places


def as_drawing(strokes) -> np.ndarray:
    """Stroke-3 `(T, 3)` as float64; any lift above one half is 1, and the last row lifts the pen.

    Raises:
        ValueError: if it has another shape, a number is not finite, an offset is longer than 1e9, or all points lie in one
            place.
    """
    try:
        drawing = np.array(strokes, "float64")
    except (TypeError, ValueError, OverflowError):
        raise ValueError("a drawing must be numbers (T, 3): dx, dy and lift.") from None
    if drawing.ndim != 2 or drawing.shape[-1] != 3:
        raise ValueError(f"a drawing must have shape (T, 3): dx, dy and lift, but {drawing.shape} came.")
    finite = np.isfinite(drawing).all(axis=1)
    if not finite.all():
        raise ValueError(f"row {int(np.argmin(finite))} of {len(drawing)} holds a number that is not finite.")
    far = np.abs(drawing[:, :2]).max(axis=1) > LARGEST
    if far.any():
        raise ValueError(
            f"row {int(np.argmax(far))} of {len(drawing)} is an offset of more than {LARGEST:g}: no pen went there."
        )
    if not drawing[:, :2].any():
        raise ValueError("a drawing needs at least two points, in different places.")
    drawing[:, 2] = drawing[:, 2] > 0.5
    drawing[-1, 2] = 1.0
    return drawing


def places_of(drawing) -> np.ndarray:
    """The places of the pen, shape `(T + 1, 2)`: the origin, and the end of each move."""
    return np.concatenate([np.zeros((1, 2)), np.cumsum(np.asarray(drawing, "float64")[:, :2], axis=0)])


def to_lines(drawing) -> list[np.ndarray]:
    """The strokes of a drawing `(T, 3)` as places: an array `(n_i, 2)` for each; the first starts at the origin.

    Example:
        >>> from mdn.data import to_lines
        >>> [line.tolist() for line in to_lines([[3, 0, 0], [0, 4, 1]])]
        [[[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]]]
    """
    drawing = np.asarray(drawing, "float64")
    if not len(drawing):
        return []
    return np.split(places_of(drawing), np.flatnonzero(drawing[:-1, 2] > 0.5) + 2)


def from_lines(lines: Iterable) -> np.ndarray:
    """The drawing `(T, 3)` of lines `(n_i, 2)`, moved so that it starts at the origin. Empty lines are left out.

    `from_lines(to_lines(drawing))` is the drawing, exactly if its offsets are integers.

    Raises:
        ValueError: as `as_drawing` does.

    Example:
        >>> from mdn.data import from_lines
        >>> from_lines([[[0, 0], [3, 0]], [[3, 4]]]).tolist()
        [[3.0, 0.0, 1.0], [0.0, 4.0, 1.0]]
    """
    arrays = [np.asarray(line, "float64") for line in lines]
    arrays = [line for line in arrays if line.size]
    for line in arrays:
        if line.ndim != 2 or line.shape[-1] != 2:
            raise ValueError(f"a line must have shape (n, 2): x and y, but {line.shape} came.")
    if not arrays:
        raise ValueError("a drawing needs at least two points, but there is none.")
    if len(arrays[0]) == 1:  # the first stroke is a dot: the pen is lifted after a move of length 0
        arrays[0] = np.repeat(arrays[0], 2, axis=0)
    lift = np.concatenate([np.arange(len(line)) == len(line) - 1 for line in arrays])
    with np.errstate(over="ignore", invalid="ignore"):  # `as_drawing` refuses what is not finite
        offsets = np.diff(np.concatenate(arrays), axis=0)
    return as_drawing(np.column_stack([offsets, lift[1:]]))


def to_stroke5(drawing, length: int | None = None) -> np.ndarray:
    """Stroke-5 `(T + 1, 5)` of a drawing `(T, 3)`: dx, dy, and a one-hot pen: down, lift, end. The last row is the end.

    Args:
        drawing: Stroke-3.
        length: The number of rows of the result, which is filled up with ends; by default T + 1.

    Raises:
        ValueError: if `length` is too short.

    Example:
        >>> from mdn.data import to_stroke5
        >>> to_stroke5([[3, 0, 0], [0, 4, 1]]).tolist()
        [[3.0, 0.0, 1.0, 0.0, 0.0], [0.0, 4.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0, 1.0]]
    """
    drawing = as_drawing(drawing)
    rows = len(drawing) + 1 if length is None else length
    if rows < len(drawing) + 1:
        raise ValueError(f"`length` must be at least {len(drawing) + 1}, the moves and the end, but {length} came.")
    encoded = np.zeros((rows, 5))
    encoded[: len(drawing), :2] = drawing[:, :2]
    encoded[: len(drawing), 2 + DOWN] = 1.0 - drawing[:, 2]
    encoded[: len(drawing), 2 + LIFT] = drawing[:, 2]
    encoded[len(drawing) :, 2 + END] = 1.0
    return encoded


def from_stroke5(encoded) -> np.ndarray:
    """The drawing `(T, 3)` of stroke-5 `(T', 5)`: the rows before the first end; there may be none.

    Pens may be probabilities: the largest counts. The last row lifts.

    Raises:
        ValueError: if it has another shape.

    Example:
        >>> from mdn.data import from_stroke5
        >>> from_stroke5([[3, 0, 1, 0, 0], [0, 4, 0, 1, 0], [0, 0, 0, 0, 1]]).tolist()
        [[3.0, 0.0, 0.0], [0.0, 4.0, 1.0]]
    """
    encoded = np.asarray(encoded, "float64")
    if encoded.ndim != 2 or encoded.shape[-1] != 5:
        raise ValueError(f"stroke-5 must have shape (T, 5): dx, dy, down, lift and end, but {encoded.shape} came.")
    pen = np.argmax(encoded[:, 2:], axis=1)
    ends = np.flatnonzero(pen == END)
    points = slice(ends[0] if len(ends) else None)
    drawing = np.column_stack([encoded[points, :2], pen[points] == LIFT])
    drawing[-1:, 2] = 1.0
    return drawing


def offset_scale(drawings: Iterable) -> float:
    """The scale of a data set, one number: the standard deviation of all dx and dy together.

    Raises:
        ValueError: if there is no drawing, or no point moves.

    Example:
        >>> from mdn.data import offset_scale
        >>> offset_scale([[[3, 0, 0], [0, 3, 1]]])
        1.5
    """
    drawings = list(drawings)
    scale = float(np.std(np.concatenate([np.asarray(one)[:, :2] for one in drawings]))) if drawings else 0.0
    if not scale > 0:
        raise ValueError("a scale needs drawings whose points move, but there is none.")
    return scale
