"""Performances as pictures: the trace of each swipe in a colour of its own, a tap as a dot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from mdn.applications.jam.data import swipes
from mdn.data import replacing
from mdn.drawing.ink import ending_of

COLORS = ("#2a6f97", "#e07a1f", "#5f8f3e", "#b23a6e", "#7b5ea7", "#c9a227", "#3d8b8b", "#a44a3f")
_SIDE, _GAP, _LABEL = 180.0, 14.0, 18.0


def write_sheet(path, performances: Sequence[np.ndarray], labels: Sequence[str] = (), columns: int = 4) -> None:
    """Writes a grid of performances, as SVG or PNG by the ending of `path`.

    Args:
        path: The path of the file, .svg or .png.
        performances: Touches `(T, 3)` each.
        labels: One for each, or none.
        columns: Pictures in a row.

    Raises:
        ValueError: if the name ends otherwise.
    """
    path = Path(path)
    ending = ending_of(path)
    columns = max(1, min(columns, len(performances)))
    labels = list(labels) or [""] * len(performances)
    with replacing(path) as temporary:
        if ending == ".svg":
            temporary.write_text(_svg(performances, labels, columns), encoding="utf-8")
        else:
            _png(temporary, performances, labels, columns)


def _cells(performances, columns):
    """(left, top, performance) of each picture."""
    for i, one in enumerate(performances):
        row, column = divmod(i, columns)
        yield _GAP + column * (_SIDE + _GAP), _GAP + row * (_SIDE + _GAP + _LABEL), np.asarray(one)


def _size(count, columns):
    rows = -(-count // columns)
    return _GAP + columns * (_SIDE + _GAP), _GAP + rows * (_SIDE + _GAP + _LABEL)


def _svg(performances, labels, columns) -> str:
    width, height = _size(len(performances), columns)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}">',
        f'<rect width="{width:g}" height="{height:g}" fill="#fdfcf8"/>',
    ]
    for (left, top, one), label in zip(_cells(performances, columns), labels, strict=True):
        parts.append(
            f'<rect x="{left:g}" y="{top:g}" width="{_SIDE:g}" height="{_SIDE:g}" rx="6" fill="white" stroke="#d8d4c8"/>'
        )
        for i, swipe in enumerate(swipes(one)):
            places = swipe[:, :2] * _SIDE + (left, top)
            color = COLORS[i % len(COLORS)]
            x, y = places[0]
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>')
            if len(places) > 1:
                points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
                parts.append(
                    f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2" stroke-linecap="round" '
                    'stroke-linejoin="round" opacity="0.8"/>'
                )
        if label:
            parts.append(
                f'<text x="{left:g}" y="{top + _SIDE + 14:g}" font-family="sans-serif" font-size="11" fill="#444">'
                f"{escape(label)}</text>"
            )
    return "\n".join([*parts, "</svg>\n"])


def _png(path, performances, labels, columns) -> None:
    from mdn.page import figure

    width, height = _size(len(performances), columns)
    picture = figure(width / 90.0, height / 90.0)
    picture.set_layout_engine("none")
    for (left, top, one), label in zip(_cells(performances, columns), labels, strict=True):
        box = (left / width, 1.0 - (top + _SIDE) / height, _SIDE / width, _SIDE / height)
        ax = picture.add_axes(box, xlim=(0, 1), ylim=(1, 0), xticks=[], yticks=[])
        for spine in ax.spines.values():
            spine.set_color("#d8d4c8")
        for i, swipe in enumerate(swipes(one)):
            color = COLORS[i % len(COLORS)]
            ax.plot(swipe[:, 0], swipe[:, 1], color=color, linewidth=1.8, alpha=0.8, clip_on=False)
            ax.plot(swipe[:1, 0], swipe[:1, 1], "o", color=color, markersize=4, clip_on=False)
        ax.set_xlabel(label, fontsize=8, color="#444")
    picture.savefig(path, dpi=120, format="png")
