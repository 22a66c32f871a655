"""Lines of ink for the page "write": written one by one, laid out on paper, with what the window read at each point."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from mdn_studio.folder import Folder
from mdn_studio.models import Models
from mdn_studio.refused import Refused

PAPERS = ("", "a4", "a5", "letter")
TITLES = {"handwriting": "Thirteen hands (UNIPEN)"}
_WIDTH, _MARGIN = 165.0, 10.0  # mm, of paper that is as high as its lines: letters are large on a screen
_KEPT = 300  # lines that are remembered, so that only what was typed anew is written


def networks(folder: Folder) -> Models:
    """The networks that write."""

    def load(source):
        from mdn.applications import handwriting

        return handwriting.load(None if source in TITLES else source)

    return Models(folder, "mdn>Handwriter", TITLES, load)


@dataclass(frozen=True, eq=False)
class Ink:
    """A line: its text, stroke-3 `(T, 3)`, and the weight of each letter at each point, `(T, U)`; 255 stands for 1 and more."""

    text: str
    line: np.ndarray
    window: np.ndarray


class Pen:
    """Writes texts, and remembers lines.

    Args:
        models: From `networks`.
    """

    def __init__(self, models: Models):
        self._models = models
        self._known: WeakKeyDictionary[Any, dict[tuple, Ink]] = WeakKeyDictionary()  # of each network that is in memory

    def lines(self, network: str, text: str, paper: str, bias: float, style: str, seed: int, plain: bool) -> list[Ink]:
        """The lines of a text; line i is written with the seed `seed + i`, whatever the other lines say.

        Args:
            network: A name of `Models.listed`.
            text: Any.
            paper: One of `PAPERS`, which says how long a line is.
            bias, style: As in `handwriting.write`; "" is the hand that the network takes by itself.
            seed: Of the first line.
            plain: Whether letters that the network lacks are written in letters that it has.

        Raises:
            ValueError: if the text is empty, or holds what the network can't write.
        """
        from mdn.applications import handwriting

        model = self._models.of(network)
        if plain:
            text = "\n".join(model.alphabet.transliterate(row) for row in text.splitlines())
        rows = handwriting.wrapped(text, page_of(paper).characters)
        return [self._line(model, row, bias, style, seed + i) for i, row in enumerate(rows)]

    def _line(self, model, text: str, bias: float, style: str, seed: int) -> Ink:
        from mdn.applications import handwriting

        if not text.strip():
            return Ink(text, np.empty((0, 3)), np.empty((0, 0), "uint8"))
        key, known = (text, bias, style, seed), self._known.setdefault(model, {})
        if key not in known:
            while len(known) >= _KEPT:
                known.pop(next(iter(known)))
            made = handwriting.write(model, [text], bias=bias, style=style or None, seed=seed)
            (window,) = handwriting.windows(model, made.events, [text], style or None)
            known[key] = Ink(text, made.lines[0], np.round(255 * window).clip(0, 255).astype("uint8"))
        return known[key]


def page_of(paper: str):
    """The `handwriting.Page` of a name in `PAPERS`."""
    from mdn.applications.handwriting import Page

    return Page.of(paper) if paper else Page(width=_WIDTH, height=None, margin=_MARGIN)


def on_paper(inks: Sequence[Ink], paper: str) -> dict:
    """Lines as a page shows them: `width`, `height` and number of `sheets`, in mm, and for each line its strokes and window."""
    from mdn.applications.handwriting.pictures import laid_out
    from mdn.data import to_lines

    page = page_of(paper)
    height = page.height or 2 * page.margin + len(inks) * page.line_height
    sheets = laid_out([one.line for one in inks], page)
    rows = len(inks) if page.height is None else page.rows
    strokes = iter([np.add(stroke, (0.0, i * height)) for i, sheet in enumerate(sheets) for stroke in sheet])
    lines = []
    for one in inks:
        own = [np.round(next(strokes), 2) for _ in range(len(to_lines(one.line)))]
        window = base64.b64encode(one.window.tobytes()).decode()
        lines.append({"text": one.text, "strokes": own, "window": window, "letters": one.window.shape[1]})
    return {"width": page.width, "height": height, "sheets": -(-len(inks) // rows), "lines": lines}


def pictures(inks: Sequence[Ink], paper: str, seconds: float | None) -> list[dict]:
    """SVGs of lines, as `mdn write` makes them: the `name` and the `text` of each sheet."""
    from mdn.applications.handwriting.pictures import write_line, write_page

    if not any(len(one.line) for one in inks):
        raise Refused("there is nothing to save yet.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "handwriting.svg"
        if paper or len(inks) > 1:
            paths = write_page(path, [one.line for one in inks], page_of(paper), seconds)
        else:
            write_line(path, inks[0].line, page_of(paper), seconds)
            paths = [path]
        return [{"name": one.name, "text": one.read_text(encoding="utf-8")} for one in paths]
