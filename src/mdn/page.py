"""Figures of matplotlib: each in a file of its own, or all in one self-contained HTML page."""

from __future__ import annotations

import base64
import html
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mdn.data import replacing
from mdn.drawing.ink import ending_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLE = """
body { font: 17px/1.6 Georgia, serif; color: #22303c; background: #fdfcf9;
       max-width: 46rem; margin: 3rem auto; padding: 0 1rem; }
h1 { font-size: 2rem; line-height: 1.2; } h2 { margin-top: 3rem; font-size: 1.35rem; }
img { width: 100%; height: auto; margin: .5rem 0; } code { font-size: .85em; background: #f0ede4; padding: 0 .2em; }
pre { overflow-x: auto; } pre code { display: block; padding: .6rem; }
table { border-collapse: collapse; margin: 1rem 0; }
td, th { padding: .3rem 1rem .3rem 0; border-bottom: 1px solid #ddd8ca; text-align: left; }
td:last-child, th:last-child { text-align: right; font-variant-numeric: tabular-nums; }
footer { margin-top: 4rem; font-size: .85rem; color: #6c757d; }
@media screen and (prefers-color-scheme: dark) {
  body { color: #e6e9ed; background: #14171c; } code { background: #222c38; } td, th { border-color: #333b45; }
  img { padding: .5rem; border-radius: .5rem; background: #fdfcf9; } footer { color: #9aa5b1; }
}
"""


def figure(width: float = 8.0, height: float = 3.6) -> Figure:
    """An empty figure; width and height in inches, by default the width of the page."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def write_figure(path, picture: Figure, dpi: int) -> None:
    """Writes a figure as SVG or PNG, by the ending of `path`; the same figure gives the same bytes on any day.

    Raises:
        ValueError: if the name has another ending; then no file is written.
    """
    dated = {"Date": None} if ending_of(path) == ".svg" else None
    with replacing(path) as temporary:
        picture.savefig(temporary, dpi=dpi, metadata=dated)


@dataclass
class Page:
    """A title and sections, in order."""

    title: str
    sections: list[str] = field(default_factory=list)

    def add(
        self, title: str, text: str, picture: Figure | None = None, alt: str = "", table=(), code: str = ""
    ) -> None:
        """Adds a section: plain text (an empty line separates paragraphs), then a picture, rows of a table, and code."""
        parts = [f"<h2>{html.escape(title)}</h2>"]
        parts += [f"<p>{html.escape(paragraph)}</p>" for paragraph in text.split("\n\n")]
        if picture is not None:
            memory = io.BytesIO()
            picture.savefig(memory, format="png", dpi=130, facecolor="#fdfcf9")
            encoded = base64.b64encode(memory.getvalue()).decode()
            parts.append(f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{encoded}">')
        if table:
            rows = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in table)
            parts.append(f"<table>{rows}</table>")
        if code:
            parts.append(f"<pre><code>{html.escape(code)}</code></pre>")
        self.sections.append("\n".join(parts))

    def write(self, path, footer: str) -> None:
        """Writes the page; the old file at `path` stays until the new one is complete."""
        body = "\n".join(self.sections)
        with replacing(path) as temporary:
            temporary.write_text(
                f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(self.title)}</title>'
                f'<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
                f"<style>{_STYLE}</style></head>\n"
                f"<body><h1>{html.escape(self.title)}</h1>\n{body}\n<footer>{html.escape(footer)}</footer></body></html>\n",
                encoding="utf-8",
            )
