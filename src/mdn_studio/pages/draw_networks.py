"""The networks that draw: which there are, and what they draw on a sheet; the drawings that people keep, in one file.

A sheet is `WIDTH` by `HEIGHT` units. Networks draw in units of their own; `Network.unit` says how many of them make a unit of
the sheet.
"""

from __future__ import annotations

import hashlib
import shlex
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mdn.data import Drawings, from_lines, read_drawings, simplify, to_lines, write_drawings
from mdn.drawing.ink import lines_of
from mdn_studio import limits
from mdn_studio.folder import Folder
from mdn_studio.models import Models
from mdn_studio.refused import Refused

if TYPE_CHECKING:
    from mdn.applications.sketch import SketchRNN

WIDTH, HEIGHT = 400.0, 300.0
COUNT = 8  # ghosts
KEPT = "drawings.ndjson"
TITLES = {
    "quickdraw34": "34 things (Quick, Draw!)",
    "kanji": "Kanji that never were",
    "quickdraw": "Anything (Quick, Draw!)",
}
_SIDE = 190.0  # of a drawing of usual size on the sheet
_LEAST, _MOST = 30.0, 800.0  # sides of drawings that a network learnt from sheets like these
_CLOSE = 2.0  # how far a simplified line may be from the drawn one
_READ = 128  # moves of a drawing that a network reads at most: the last ones
_STEPS = 256  # moves that it reads and draws together
Lines = list[np.ndarray]


@dataclass(frozen=True)
class Network:
    """A network that draws, and how many of its units a unit of the sheet is."""

    model: SketchRNN
    unit: float


def drawn(lines: Sequence, whole: bool = False) -> np.ndarray:
    """Stroke-3 of lines on a sheet, with fewer points.

    Args:
        lines: Places `(n, 2)` of each stroke.
        whole: Round places to whole units, as files of drawings have them.

    Raises:
        Refused: if there are too many points, or fewer than two in different places.
    """
    count = sum(map(len, lines))
    if count > limits.POINTS:
        raise Refused(f"the drawing has {count:,} points, but {limits.POINTS:,} are the most that is read; clear it.")
    if count < 2:
        raise Refused("a drawing needs at least two points; draw a line first.")
    try:
        found = simplify(from_lines([np.asarray(line, "float64")[:, :2] for line in lines]), _CLOSE)
        return from_lines([np.round(line) for line in to_lines(found)]) if whole else found
    except ValueError as error:  # all points are in one place, once they are rounded
        raise Refused(str(error)) from None


def networks(folder: Folder) -> Models:
    """The networks that draw, as `Network` each."""

    def load(source) -> Network:
        from mdn.applications import sketch

        model = sketch.load(source)
        return Network(model, _unit_of(model, source in TITLES))

    return Models(folder, "mdn>SketchRNN", TITLES, load)


def _unit_of(model, shipped: bool) -> float:
    """So that a drawing of usual size of the network is of usual size on the sheet; 1 for one that learnt from sheets."""
    from mdn.applications import sketch

    made, _ = sketch.draw(model, 32, label=model.classes[0] if model.classes else None, seed=0)
    return _unit_among(made, learnt_here=not shipped)


def _unit_among(drawings: Iterable[np.ndarray], learnt_here: bool) -> float:
    """How many units of some drawings make a unit of the sheet; 1 if they may be of sheets and their sizes allow it."""
    sides = [np.ptp(np.concatenate(to_lines(one)), axis=0).max() for one in drawings if len(one)]
    side = float(np.median(sides)) if sides else 0.0
    if not side or (learnt_here and _LEAST < side < _MOST):
        return 1.0
    return side / _SIDE


def ghosts(network: Network, lines: Sequence, **settings) -> list[dict]:
    """How a network goes on with a drawing, in `COUNT` ways; on an empty sheet, drawings of its own.

    Args:
        network: Any.
        lines: Places `(n, 2)` of each stroke on the sheet.
        **settings: Of `mdn.applications.sketch.complete`.

    Returns:
        For each: its `lines` on the sheet, and whether it `ended` by itself.

    Raises:
        ValueError: if the drawing is none, or too small or too large for the network.
    """
    from mdn.applications import sketch

    if not lines:
        settings = {key: value for key, value in settings.items() if key != "freedom"}
        made, ended = sketch.draw(network.model, COUNT, **settings)
        shown = [_centred(to_lines(one), network.unit) for one in made]
    else:
        one, first = drawn(lines), np.asarray(lines[0], "float64")[0, :2]
        start = first + one[:-_READ, :2].sum(axis=0)
        begun = one[-_READ:] * (network.unit, network.unit, 1.0)
        try:
            made, ended = sketch.complete(network.model, begun, COUNT, most=_STEPS - len(begun), **settings)
        except ValueError as error:
            if "another unit" not in str(error):
                raise
            raise Refused("the network has never seen strokes so short or so long; draw larger, or smaller.") from None
        shown = [
            [line.places / network.unit + start for line in lines_of(whole, len(begun)) if line.made] for whole in made
        ]
    return [
        {"lines": [np.round(line, 1) for line in each], "ended": bool(end)}
        for each, end in zip(shown, ended, strict=True)
    ]


def _centred(lines: Lines, unit: float) -> Lines:
    if not lines:
        return []
    places = np.concatenate(lines)
    middle = (places.min(axis=0) + places.max(axis=0)) / 2
    return [(line - middle) / unit + (WIDTH / 2, HEIGHT / 2) for line in lines]


def way(network: Network, first, last, count: int, **settings) -> list[Lines]:
    """Drawings on the way from one to another, as lines around the middle of a sheet; see `sketch.interpolate`.

    Raises:
        Refused: if the network has no latent.
    """
    from mdn.applications import sketch

    if not network.model.latent_size:
        raise Refused("this network keeps no summary of a drawing, so there is nothing between two; choose another.")
    start, end = (one * (network.unit, network.unit, 1.0) for one in (first, last))
    made = sketch.interpolate(network.model, start, end, count, **settings)
    return [[np.round(line, 1) for line in _centred(to_lines(one), network.unit)] for one in made]


class Kept:
    """The drawings that people keep to learn from: `drawings.ndjson` in the studio's folder, for `mdn train sketch`, too.

    Args:
        folder: Of the studio.
    """

    def __init__(self, folder: Folder):
        self._folder = folder
        self._seen: tuple[int, Drawings, list[str]] | None = None
        self._turn = threading.RLock()  # several threads read and write the file

    @property
    def _path(self) -> Path:
        return self._folder.place(KEPT)  # never a link

    def all(self) -> Drawings:
        """All of them, in the order in which they were kept."""
        return self._read()[0]

    def named(self) -> tuple[Drawings, list[str]]:
        """All of them, and the name of each, which stays the same whichever others are taken out: tabs mean the same."""
        return self._read()

    def at(self, *names: str) -> tuple[Drawings, list[int]]:
        """All of them, and where in these the drawings of some names are.

        Raises:
            Refused: if one was taken out.
        """
        known, every = self._read()
        if not {*names} <= {*every}:
            raise Refused("there is no such drawing any more; choose another.")
        return known, [every.index(name) for name in names]

    def _read(self) -> tuple[Drawings, list[str]]:
        with self._turn:
            if not self._path.exists():
                return Drawings(()), []
            time = self._path.stat().st_mtime_ns
            if self._seen is None or self._seen[0] != time:
                drawings = read_drawings(self._path)
                self._seen = time, drawings, _names_of(drawings)
            return self._seen[1:]

    def add(self, lines: Sequence, word: str) -> None:
        """Keeps a drawing of a word, which may be "".

        Raises:
            Refused: if it is none, or there are too many.
        """
        self._add(Drawings((drawn(lines, whole=True),), np.array([word.strip()])))

    def bring(self, path: Path) -> tuple[int, tuple[str, ...]]:
        """Keeps the drawings of a file that `read_drawings` reads, in the size of drawings on a sheet.

        Returns:
            How many were kept, and a sentence for each one that was not.

        Raises:
            Refused: if the file is too large, or there would be too many.
            ValueError, OSError, ImportError: as `read_drawings`.
        """
        if path.stat().st_size > limits.DRAWINGS_BYTES:
            raise Refused(
                f"{path.name} has more than {limits.megabytes(limits.DRAWINGS_BYTES)}, the most that this page reads; "
                f"`mdn train sketch --data {shlex.quote(path.name)}` reads any number of drawings."
            )
        self._folder.check_room()
        found = read_drawings(path, go_on=True)
        self._check_count(len(found))
        unit = _unit_among(found, learnt_here=True)
        good, words, skipped = [], [], [one.replace(str(path), path.name) for one in found.skipped]
        for one, word in zip(found, found.words.tolist(), strict=True):
            word = word.strip()[:60]
            try:
                drawing = drawn([line / unit for line in to_lines(one)], whole=True)
                points = sum(map(len, to_lines(drawing)))
                if points > limits.BROUGHT_POINTS:
                    raise Refused(
                        f"it has {points:,} points, and {limits.BROUGHT_POINTS:,} are the most that a drawing may bring."
                    )
            except Refused as error:
                skipped.append(f"a drawing of {word!r}: {error}")
                continue
            good.append(drawing)
            words.append(word)
        if good:
            self._add(Drawings(tuple(good), np.array(words)))
        return len(good), tuple(skipped)

    def _add(self, drawings: Drawings) -> None:
        with self._turn:
            self._check_count(len(drawings))
            self._write(self.all() + drawings)

    def _check_count(self, more: int) -> None:
        known = len(self.all())
        if known + more > limits.DRAWINGS:
            raise Refused(
                f"{limits.DRAWINGS:,} drawings are the most that are kept; {known:,} are there, and {more:,} more came."
            )

    def remove(self, name: str) -> None:
        """Takes the drawing of a name out.

        Raises:
            Refused: if it was taken out before.
        """
        with self._turn:
            known, (place,) = self.at(name)
            rest = [i for i in range(len(known)) if i != place]
            if rest:
                self._write(known[rest])
            else:
                self._path.unlink()

    def _write(self, drawings: Drawings) -> None:
        write_drawings(self._path, drawings)

    def snapshot(self, path: Path) -> None:
        """Writes all of them to a file of their own, which a training may read however long it takes."""
        write_drawings(path, self.all())


def _names_of(drawings: Drawings) -> list[str]:
    """For each drawing a digest of what it is, with a number from the second of equal ones on."""
    seen: Counter[str] = Counter()
    names = []
    for drawing, word in zip(drawings, drawings.words.tolist(), strict=True):
        digest = hashlib.sha256(np.ascontiguousarray(drawing, "float64").tobytes() + word.encode()).hexdigest()[:16]
        seen[digest] += 1
        names.append(digest if seen[digest] == 1 else f"{digest}-{seen[digest]}")
    return names
