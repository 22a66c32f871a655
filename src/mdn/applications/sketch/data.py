"""Drawings as a network sees them: events of an offset and a pen; the last event is the end of the drawing.

A drawing is stroke-3, an array `(T, 3)` of dx, dy and lift (1 on the last point of a stroke); the pen starts at the origin. See
`mdn.data.read_drawings`. Its events are `(T + 1, 3)`: dx and dy in the unit of the data set, and the pen, 0 down,
1 lift, 2 end. The end has no offset (NaN: missing), so only its pen is scored.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from mdn.data import Drawings, find, read_drawings
from mdn.data.registry import find_with_split
from mdn.data.splits import dealt
from mdn.data.strokes import PARTS
from mdn.wording import agreed, counted

SETS = {
    "kanji": "short_kanji.npz",
    "quickdraw": "quickdraw_9570_stroke3.npz",
    "quickdraw34": "quickdraw34_stroke3.npz",
}
FEWEST = 20
_SHARE, _FEW_SHARE = (
    10,
    5,
)  # one in so many is set aside; of fewer than a hundred more, since five would judge by chance
DOWN, LIFT, END = 0, 1, 2
_FAR = 8.0  # a drawing of few long strokes is up to six times as large as the rest of its set


def read(source="quickdraw", split=None) -> Drawings:
    """Reads drawings, with their parts if a file says them; `skipped` says what was left out.

    Args:
        source: A file for `mdn.data.read_drawings`, the name of a data set in `SETS`, or the name of a class of QuickDraw.
        split: A .json that says which drawings are of which part, see `Drawings.with_split`.
    """
    source, path = str(source), source
    if source in SETS and not Path(source).exists():
        path, split = find_with_split(source, SETS[source], split)
    elif source != "kanjivg" and not Path(source).exists() and not Path(source).suffix:
        path = find("quickdraw", f"{source}.ndjson")
    drawings = read_drawings(path)
    if split is not None:
        return drawings.with_split(split)
    unplaced = int(np.sum(drawings.parts == ""))
    if 0 < unplaced < len(drawings):
        sentence = (
            f"{path}: {unplaced} of {counted(len(drawings), 'drawing')} {agreed(unplaced, 'has', 'have')} no part and "
            f"{agreed(unplaced, 'is', 'are')} not learnt from, since others have one."
        )
        drawings = replace(drawings, skipped=(*drawings.skipped, sentence))
    return drawings


def split(drawings: Drawings, seed: int = 0) -> dict[str, Drawings]:
    """Drawings by part: as they say; without parts, dealt by chance to "valid", "test" and the others, "train".

    "valid" and "test" get a tenth each, or ten drawings if these are more than a tenth, but at most a fifth. If the drawings
    have some parts, but not all three, only the missing ones are dealt, out of "train".

    Raises:
        ValueError: if they must be dealt, but are fewer than `FEWEST`; if a part has another name, or "train" is missing.
    """
    unknown = sorted(set(drawings.parts.tolist()) - {"", *PARTS})
    if unknown:
        raise ValueError(
            f"drawings have the part {unknown[0]!r}, but parts are called train, valid and test: rename it."
        )
    parts = drawings.parts.astype("<U5")
    present = set(parts.tolist()) - {""}
    if not present:
        parts = np.full(len(drawings), "train", "<U5")
    elif "train" not in present:
        raise ValueError(f"drawings have the part {' and '.join(sorted(present))}, but none has the part train.")
    missing = [name for name in PARTS if name not in parts]
    if missing:
        pool = np.flatnonzero(parts == "train")
        share = min(_SHARE, max(_FEW_SHARE, len(pool) // 10))
        rows_of = dealt(len(pool), seed, "drawings", fewest=FEWEST, share=share)
        for name in missing:
            parts[pool[rows_of[name]]] = name
    drawings = replace(drawings, parts=parts)
    return {name: drawings.part(name) for name in PARTS}


def events(drawing, scale: float, grid: float = 0.0, rng: np.random.Generator | None = None) -> np.ndarray:
    """Events `(T + 1, 3)` of a drawing `(T, 3)`.

    Args:
        drawing: Stroke-3.
        scale: Offsets are divided by it.
        grid: The step of the grid on which offsets lie, 1 for integers, 0 for none.
        rng: Spreads offsets over the cells of the grid; without it they stay as they are.
    """
    drawing = np.asarray(drawing, "float64")
    offsets = drawing[:, :2]
    if rng is not None and grid:
        offsets = offsets + rng.uniform(-0.5 * grid, 0.5 * grid, offsets.shape)
    pens = np.where(drawing[:, 2] > 0.5, LIFT, DOWN)
    rows = np.column_stack([offsets / scale, pens])
    return np.concatenate([rows, [[np.nan, np.nan, END]]]).astype("float32")


def drawing(events, scale: float) -> np.ndarray:
    """The drawing `(T, 3)` of events up to the end; its last point lifts the pen."""
    events = np.asarray(events, "float64")
    ends = np.flatnonzero(events[:, 2] == END)
    points = events[: ends[0]] if len(ends) else events
    lifts = (points[:, 2] == LIFT).astype("float64")
    lifts[-1:] = 1.0
    return np.column_stack([points[:, :2] * scale, lifts])


def check_scale(drawing, scale: float) -> None:
    """Raises a ValueError if offsets are so much larger or smaller than `scale` that the drawing must be in another unit."""
    size = float(np.sqrt(np.mean(np.square(np.asarray(drawing, "float64")[:, :2]))))
    if size and not scale / _FAR < size < scale * _FAR:
        raise ValueError(
            f"offsets of the drawing are {size:.3g} long, those the network learnt from {scale:.3g}: the drawing is in another "
            "unit, or of another data set. Scale it, or take the network of its data set."
        )


def grid_of(drawings) -> float:
    """1 if all offsets are integers, as in files of short integers; else 0."""
    return float(all(np.array_equal(one[:, :2], np.round(one[:, :2])) for one in drawings))
