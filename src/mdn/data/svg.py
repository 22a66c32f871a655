"""The strokes of an SVG: paths in the order of the file, curves as lines; nothing is run, and no entity is expanded."""

from __future__ import annotations

import itertools
import math
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mdn.data.limits import LARGEST, POINTS
from mdn.data.markup import parse_xml
from mdn.data.styles import Rules
from mdn.files import sentence

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_BRACKETS = re.compile(r"\(([^()]*)\)")
_SPACE = ", \t\n\r\f"
_FLAG, _PADDED = (re.compile(rf"[{_SPACE}]*({each})") for each in ("[01]", _NUMBER.pattern))
_STRANGE = re.compile(r"[^MmZzLlHhVvCcSsQqTtAa0-9eE.,+\-\s]")
_UNDRAWN = frozenset(
    {
        "defs",
        "symbol",
        "clipPath",
        "mask",
        "marker",
        "pattern",
        "title",
        "desc",
        "metadata",
        "text",
        "style",
        "foreignObject",
    }
)
_LENGTH = re.compile(rf"({_NUMBER.pattern})\s*([a-z]*)")
_PIXELS = {"": 1.0, "px": 1.0, "pt": 4 / 3, "pc": 16.0, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96.0}
_LENGTHS = {
    "rect": ("x", "y", "width", "height", "rx", "ry"),
    "circle": ("cx", "cy", "r"),
    "ellipse": ("cx", "cy", "rx", "ry"),
    "line": ("x1", "y1", "x2", "y2"),
}
_STROKED = frozenset(
    {"rect", "circle", "ellipse", "polygon"}
)  # drawn by a pen if they have a stroke; else a background
_ARC_PIECE = math.pi / 4  # an arc becomes cubic curves of an eighth of a turn, at most 4e-6 of its radius away
_ARC_STEPS = 40  # lines for each of them without a tolerance: at most a 400th of their length from the arc
_FINEST = 2000  # without a tolerance, curves are flattened to 1/2000 of the picture's longer side


def read_svg(path, tolerance: float) -> tuple[list[np.ndarray], str, float]:
    """(the lines `(n_i, 2)` of an SVG in the unit of its view, its character for a file of KanjiVG else "", its longer side).

    It reads path, line and polyline, and rect, circle, ellipse and polygon where they have a stroke. Each piece that starts
    with a move is a line of its own. Transformations are applied; texts, definitions and hidden elements are left out, and of a
    <switch> all but its first branch. Whether a shape is hidden or has a stroke is read from its attributes, its style, and the
    rules for classes and tags of a <style> that stands before it.

    Args:
        path: The path of the file.
        tolerance: How far lines may be from curves, as a share of the longer side of the view (of the drawing, where it is
            longer); 0 for lines so near that no difference can be seen.

    Raises:
        ValueError: if it is no SVG, has no path, has a script, declares entities or defaults or uses copies; it names the
            line. Also if it is larger than 128 MiB, goes beyond ±1e9, or its curves would become more than 10 million points.
        ImportError: if svgpathtools is missing.
    """
    drawn = _Drawn(Path(path))
    if not drawn.pieces:
        raise ValueError(f"{str(path)!r} has no path.")
    cubics, least = (np.concatenate(column) for column in zip(*drawn.pieces, strict=True))
    if not np.isfinite(cubics).all():
        raise ValueError(f"{str(path)!r} has a path with a number that is not finite.")
    if max(np.abs(cubics.real).max(), np.abs(cubics.imag).max()) > LARGEST:
        raise ValueError(f"{str(path)!r} has a path that goes beyond ±{LARGEST:g}.")
    side = max(np.ptp(cubics.real), np.ptp(cubics.imag), drawn.view)
    steps = _steps(cubics, side * (tolerance or 1.0 / _FINEST))
    steps = steps if tolerance else np.maximum(steps, least)
    if steps.sum() > POINTS:
        raise ValueError(
            f"{str(path)!r} has curves of {int(steps.sum()):,} points, but {POINTS:,} is the most that is read."
        )
    chords = _chords(cubics, steps)
    starts = np.cumsum([0, *(len(piece) for piece, _ in drawn.pieces)])
    ends = np.concatenate([[0], np.cumsum(steps)])[starts]
    lines = [
        np.concatenate([piece[:1, 0], chords[begin:end]])
        for (piece, _), begin, end in zip(drawn.pieces, ends[:-1], ends[1:], strict=True)
    ]
    return [np.column_stack([line.real, line.imag]) for line in lines], drawn.character, float(side)


def _steps(cubics: np.ndarray, tolerance: float) -> np.ndarray:
    """How many chords each cubic Bezier curve of `(m, 4)` needs.

    A chord over a step h of the curve's parameter is at most h² / 8 · max |B''| away from the curve, and |B''| is at most 6
    times the larger second difference of the control points.
    """
    bend = np.max(np.abs(np.diff(cubics, n=2, axis=1)), axis=1)
    if not tolerance > 0:
        return np.ones(len(cubics), "int64")
    return np.clip(np.ceil(np.sqrt(0.75 * bend / tolerance)), 1, POINTS + 1).astype("int64")


def _chords(cubics: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The end points of the chords of cubic Bezier curves `(m, 4)`, `steps` of each."""
    step = np.arange(steps.sum()) - np.repeat(np.cumsum(steps) - steps, steps) + 1
    t = (step / np.repeat(steps, steps))[:, None]
    weights = np.concatenate([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3], axis=1)
    return np.sum(weights * np.repeat(cubics, steps, axis=0), axis=1)


@dataclass
class _Element:
    """An open element: whether it has a stroke, whether all within it is hidden, whether it itself can be seen, whether a branch
    of a <switch> is chosen, and the text of a <style>.
    """

    tag: str
    matrix: np.ndarray
    stroked: bool = False
    hidden: bool = False
    seen: bool = True
    chosen: bool = False
    text: list[str] = field(default_factory=list)


class _Drawn:
    """The pieces that an SVG draws, found while the file is parsed: each is a chain of cubic Bezier curves `(m, 4)`, and for each
    curve the least number of its chords without a tolerance, `(m,)`.
    """

    def __init__(self, path: Path):
        self.pieces: list[tuple[np.ndarray, np.ndarray]] = []
        self.character = ""
        self.view = 0.0
        self._library = _svgpathtools()
        self._rules = Rules()
        self._open: list[_Element] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # svgpathtools warns of arcs without a radius, which are lines
            parse_xml(path, self._open_element, self._close_element, "SVG", self._text)

    def _open_element(self, tag: str, attributes: dict[str, str]):
        try:
            self._start(tag, attributes)
        except (ValueError, ImportError, MemoryError):
            raise
        except Exception as error:  # svgpathtools raises any kind
            raise ValueError(f"a shape cannot be read: {sentence(error)}") from None

    def _text(self, text: str):
        if self._open and self._open[-1].tag == "style":
            self._open[-1].text.append(text)

    def _close_element(self, tag: str):
        if (closed := self._open.pop()).tag == "style":
            self._rules.read("".join(closed.text))

    def _start(self, tag: str, attributes: dict[str, str]):
        tag = tag.rpartition(":")[2]
        listener = next((name for name in attributes if name.lower().startswith("on")), "")
        if tag == "script" or listener:
            raise ValueError(f"the SVG has a script{f' ({listener})' if listener else ''}: save it as plain SVG.")
        if (tag == "svg") != (not self._open):
            raise ValueError(f"an SVG is one <svg>, but <{tag}> {'comes within it' if self._open else 'is first'}.")
        outer = self._open[-1] if self._open else _Element("", np.eye(3))
        here = _Element(tag, outer.matrix, outer.stroked, outer.hidden, outer.seen)
        self._open.append(here)
        style = self._rules.of(tag, attributes)
        if (stroke := style.get("stroke", "inherit")) != "inherit":
            here.stroked = stroke != "none"
        if (visibility := style.get("visibility", "inherit")) != "inherit":
            here.seen = visibility == "visible"
        here.hidden |= tag in _UNDRAWN or style.get("display") == "none"
        if outer.tag == "switch":
            here.hidden |= outer.chosen or bool(attributes.get("requiredExtensions"))
            outer.chosen |= not here.hidden
        if attributes.get("transform") and not here.hidden:
            numbers = _BRACKETS.sub(_spaced, attributes["transform"])
            here.matrix = outer.matrix @ self._library.parse_transform(numbers, strict=True)
        if tag == "svg":
            self.view = _longer_side(attributes)
        elif tag == "g":
            self.character = self.character or attributes.get("kvg:element", "")
        elif here.seen and not here.hidden:
            self._draw(tag, attributes, here.matrix, here.stroked)

    def _draw(self, tag: str, attributes: dict[str, str], matrix: np.ndarray, stroked: bool):
        library = self._library
        if tag in _LENGTHS and (stroked or tag == "line"):
            read = [name for name in _LENGTHS[tag] if name in attributes]
            attributes = {name: repr(_length(name, attributes[name])) for name in read}
        if tag == "use":
            raise ValueError("the SVG draws a copy with <use>, which is not followed: convert objects to paths first.")
        if tag == "path":
            text = attributes.get("d", "")
            text = "" if text.strip() == "none" else text
        elif tag == "line":
            text = "M{} {} {} {}".format(*(attributes.get(name, "0") for name in ("x1", "y1", "x2", "y2")))
        elif tag == "polyline" or (tag == "polygon" and stroked):
            places = attributes.get("points", "").strip()
            text = f"M{places}{'Z' if tag == 'polygon' else ''}" if places else ""
        elif tag in ("circle", "ellipse") and stroked:
            curves = _ellipse(attributes)
            self._add(curves, np.full(len(curves), _ARC_STEPS if np.ptp(curves) else 1), matrix)
            return
        elif tag == "rect" and stroked:
            text = library.svg_to_paths.rect2pathd(attributes)
        else:
            return
        for piece, least in _pieces(text, library):
            self._add(piece, least, matrix)

    def _add(self, piece: np.ndarray, least: np.ndarray, matrix: np.ndarray):
        across, down, origin = (matrix[0, i] + 1j * matrix[1, i] for i in (0, 1, 2))
        self.pieces.append((piece.real * across + piece.imag * down + origin, least))


def _spaced(brackets: re.Match) -> str:
    """The numbers of a transformation with a space between them: "10-5" is 10 and -5."""
    if _NUMBER.sub("", brackets[1]).strip(_SPACE):
        return brackets[0]
    return f"({' '.join(_NUMBER.findall(brackets[1]))})"


def _length(name: str, text: str) -> float:
    """A length in pixels."""
    found = _LENGTH.fullmatch(text.strip())
    if found is None or found[2] not in _PIXELS:
        raise ValueError(f"{name} must be a number, or one with {', '.join(filter(None, _PIXELS))}, but {text!r} came.")
    return float(found[1]) * _PIXELS[found[2]]


def _longer_side(attributes: dict[str, str]) -> float:
    """The longer side of the view; 0 if the SVG does not say it in plain numbers."""
    numbers = attributes.get("viewBox", "").replace(",", " ").split()[2:]
    numbers = numbers or [attributes.get(name, "0").removesuffix("px") for name in ("width", "height")]
    return max((float(one) for one in numbers if _NUMBER.fullmatch(one)), default=0.0)


def _pieces(text: str, library) -> list[tuple[np.ndarray, np.ndarray]]:
    """(a chain of cubic curves `(m, 4)`, the least number of chords of each curve `(m,)`) for each move of a path's text."""
    if strange := _STRANGE.search(text):  # svgpathtools would ignore it
        raise ValueError(f"a path holds {strange[0]!r}, which is no part of one: {_shortened(text)}.")
    pieces, here = [], 0j
    for part in re.split(r"(?=[Mm])", text.strip()):
        if not part:
            continue
        if part[0] not in "Mm":
            raise ValueError(f"a path begins with a move (M), but this with {_shortened(part)}.")
        try:
            try:
                segments = library.parse_path(part, current_pos=here)
            except AssertionError:  # an arc ends where it starts
                segments = library.parse_path(_without_empty_arcs(part, here, library), current_pos=here)
        except ValueError:
            raise ValueError(f"a path cannot be read: {_shortened(part)}.") from None
        if len(segments):
            here = segments[-1].end
            cubics, least = zip(*_cubics(segments, library), strict=True)
            pieces.append((np.concatenate(cubics), np.repeat(least, [len(run) for run in cubics])))
        else:  # a move and nothing more
            here = _moved(part, here)
    return pieces


def _moved(part: str, here: complex) -> complex:
    """Where the move that begins a path leads."""
    numbers = [float(each[0]) for each in itertools.islice(_NUMBER.finditer(part), 2)]
    return complex(*numbers) + (here if part[0] == "m" else 0)


def _without_empty_arcs(part: str, origin: complex, library) -> str:
    """The text of a path of one move, from `origin`, without arcs that end where they start: the standard leaves them out."""
    kept: list[str] = []
    here = first = _moved(part, origin)
    for place, run in enumerate(re.split("([Aa][^MmZzLlHhVvCcSsQqTtAa]*)", part)):
        if place % 2:  # arcs
            for arc in _arcs(run[1:]):
                end = complex(float(arc[5]), float(arc[6])) + (here if run[0] == "a" else 0)
                kept += [run[0], " ".join(arc)] if end != here else []
                here = end
            continue
        kept.append(run)
        if not place:
            segments = library.parse_path(run, current_pos=origin)
        else:
            *closed, rest = re.split("[Zz]", run)
            here = first if closed else here
            segments = library.parse_path(f"M{here.real!r} {here.imag!r}{rest}")
        here = segments[-1].end if len(segments) else here
    return "".join(kept)


def _arcs(text: str) -> Iterator[list[str]]:
    """The seven numbers of each arc; two are flags, 0 or 1, behind which no space is needed."""
    found: list[str] = []
    at, end = 0, len(text.rstrip(_SPACE))
    while at < end:
        number = (_FLAG if len(found) in (3, 4) else _PADDED).match(text, at)
        if number is None:
            raise ValueError(f"an arc holds {_shortened(text[at:])}.")
        found.append(number[1])
        at = number.end()
        if len(found) == 7:
            yield found
            found = []


def _cubics(segments, library) -> Iterator[tuple[np.ndarray, int]]:
    """Segments as cubic curves `(m, 4)`, exact except for arcs, and the least number of chords of each."""
    for kind, run in itertools.groupby(segments, type):
        if kind is library.Line:  # all at once: there may be a million
            some = list(run)
            yield _straight(np.array([some[0].start, *(one.end for one in some)])), 1
        elif kind is library.Arc:
            yield np.concatenate([_arc(one) for one in run]), _ARC_STEPS
        elif kind is library.QuadraticBezier:
            start, control, end = np.array([one.bpoints() for one in run]).T
            yield np.stack([start, start + (control - start) * 2 / 3, end + (control - end) * 2 / 3, end], axis=1), 1
        else:
            yield np.array([one.bpoints() for one in run]), 1


def _arc(arc) -> np.ndarray:
    """The cubic curves `(m, 4)` of an arc."""
    found = _turn(math.radians(arc.theta), math.radians(arc.delta))
    found = arc.center + arc.rot_matrix * (arc.radius.real * found.real + 1j * arc.radius.imag * found.imag)
    found[0, 0], found[-1, 3] = arc.start, arc.end
    return found


def _ellipse(attributes: dict[str, str]) -> np.ndarray:
    """The cubic curves `(8, 4)` of a circle or an ellipse, starting at its left."""
    x, y = (float(attributes.get(name, "0")) for name in ("cx", "cy"))
    across, down = (float(attributes.get("r", attributes.get(name, "nan"))) for name in ("rx", "ry"))
    if not (math.isfinite(across) and math.isfinite(down)):
        raise ValueError("a circle needs a radius r, and an ellipse its two, rx and ry.")
    circle = _turn(math.pi, -2 * math.pi)
    return (x + abs(across) * circle.real) + 1j * (y + abs(down) * circle.imag)


def _turn(start: float, turn: float) -> np.ndarray:
    """The cubic curves `(m, 4)` of a part of the unit circle; at their ends they have the circle's tangents."""
    count = max(1, math.ceil(abs(turn) / _ARC_PIECE))
    circle = np.exp(1j * (start + turn / count * np.arange(count + 1)))
    reach = 4 / 3 * math.tan(turn / count / 4) * 1j * circle
    return np.stack([circle[:-1], circle[:-1] + reach[:-1], circle[1:] - reach[1:], circle[1:]], axis=1)


def _straight(places: np.ndarray) -> np.ndarray:
    start, end = places[:-1, None], places[1:, None]
    lines = start + (end - start) * np.linspace(0.0, 1.0, 4)
    lines[:, 3] = places[1:]  # to the bit
    return lines


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "...")


def _svgpathtools():
    try:
        import svgpathtools
    except ImportError:
        raise ImportError("an SVG is read with svgpathtools: pip install 'mdn[sketch]'.") from None
    return svgpathtools


def kanjivg_files() -> list[Path]:
    """The SVGs of the package kanjivg, one a character: Latin letters, kana and kanji, without its variants.

    Raises:
        ImportError: if the package is missing.
    """
    from importlib import metadata

    try:
        files = metadata.files("kanjivg") or []
    except metadata.PackageNotFoundError:
        raise ImportError("the characters of KanjiVG come with a package: pip install 'mdn[sketch]'.") from None
    return sorted(Path(str(file.locate())) for file in files if re.fullmatch(r"[0-9a-f]{5}\.svg", file.name))
