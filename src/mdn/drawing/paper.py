"""Paper: its sizes in mm, and how a grid of drawings lies on it."""

from __future__ import annotations

import math
from dataclasses import dataclass

SIZES = {"a3": (297.0, 420.0), "a4": (210.0, 297.0), "a5": (148.0, 210.0), "letter": (215.9, 279.4)}  # mm, upright
INCH = 25.4  # mm
PIXEL = INCH / 96  # mm, as browsers have it
MARGIN = 12.0  # mm
_ROUNDING = 1e-9  # cells that fill a width to the last bit fit into it


def size_of(name: str) -> tuple[float, float]:
    """The width and the height in mm of a paper such as "a4", upright.

    Raises:
        ValueError: if there is no such paper.
    """
    if name not in SIZES:
        raise ValueError(f"there is no paper {name!r}; there are {', '.join(SIZES)}.")
    return SIZES[name]


@dataclass(frozen=True)
class Cells:
    """Cells in rows, in any unit of length: each has a side, space after it, and in a row more space for labels.

    Attributes:
        side: Of a cell.
        gap: Between cells, and around all of them.
        label: The height of what stands below each cell.
    """

    side: float
    gap: float
    label: float = 0.0

    def size(self, columns: int, rows: int) -> tuple[float, float]:
        """The width and the height of so many columns and rows."""
        return (
            self.gap + columns * (self.side + self.gap),
            self.gap + rows * (self.side + self.gap + self.label),
        )

    def fitting(self, width: float, height: float) -> tuple[int, int]:
        """How many columns and rows fit into a width and a height."""
        across, down = self.side + self.gap, self.side + self.gap + self.label
        return math.floor((width - self.gap) / across + _ROUNDING), math.floor((height - self.gap) / down + _ROUNDING)


@dataclass(frozen=True)
class Print:
    """How cells are printed: on which paper, how large, how many in a row and on a page.

    Attributes:
        columns: Cells a row.
        rows: Rows a page.
        unit: mm for each unit of the cells.
        paper: Width and height in mm.
    """

    columns: int
    rows: int
    unit: float
    paper: tuple[float, float]


def printed(cells: Cells, count: int, paper: str, columns: int | None = None, side: float | None = None) -> Print:
    """How `count` cells lie on paper, as large as `side` says.

    Without a side, `columns` fill the width, and as many pages follow as it takes; without both, all cells lie on one page, as
    large as it allows.

    Args:
        cells: The cells.
        count: How many.
        paper: A name in `SIZES`.
        columns: Cells a row.
        side: The side of a cell in mm.

    Raises:
        ValueError: if there is no such paper, or not even one row fits on it.

    Example:
        >>> from mdn.drawing.paper import Cells, printed
        >>> found = printed(Cells(96.0, 8.0), 12, "a4", columns=3)
        >>> found.columns, found.rows, round(96.0 * found.unit, 1)
        (3, 4, 55.8)
    """
    whole = size_of(paper)
    width, height = (length - 2 * MARGIN for length in whole)

    def unit_of(wide: int, high: int) -> float:
        across, down = cells.size(wide, high)
        return min(width / across, height / down)

    most = count if columns is None else min(columns, count)
    if side is not None:
        unit = side / cells.side
    elif columns is not None:
        unit = unit_of(most, 1)
    else:
        most = max(range(1, count + 1), key=lambda number: unit_of(number, -(-count // number)))
        unit = unit_of(most, -(-count // most))
    wide, high = cells.fitting(width / unit, height / unit)
    if wide < 1 or high < 1 or (columns is not None and wide < most):
        across, down = (unit * length for length in cells.size(most if columns else 1, 1))
        raise ValueError(
            f"a row of {most if columns else 1} at {unit * cells.side:g} mm each takes {across:.0f} mm by {down:.0f} mm, but "
            f"{paper} has {width:g} mm by {height:g} mm between its margins: make them smaller, or put fewer in a row."
        )
    return Print(min(wide, most), high, unit, whole)
