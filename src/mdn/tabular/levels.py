"""The levels of a column of categories: one text for each, however a file or a frame writes it."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from mdn.data.tables import is_missing
from mdn.tabular.frames import Column

_WHOLE = re.compile(r"(-?(?:0|[1-9]\d*))\.0+")  # "1.0", as a missing cell beside whole numbers makes them
_TRUTH = {"true": "True", "false": "False"}
_CODE = re.compile(r"\d{2,}")


def level_of(text: str) -> str:
    """One text for a level: "1.0" is "1", and "true" is "True". 01001 stays as it is, since its zeros may be part of a code."""
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else _TRUTH.get(text.lower(), text)


def places_of(column: Column, levels: Sequence[str]) -> np.ndarray:
    """The place of each cell among the levels of training, `(N,)`: -1 where missing, `len(levels)` where it is none of them.

    A cell of a word such as "NA" is missing, unless training declared that it is a level. Numbers are filled with zeros if
    all levels are codes of one width, such as 01001.
    """
    exact = {level: place for place, level in enumerate(levels)}
    known: dict[str, int] = {}
    for place, level in enumerate(
        levels
    ):  # a model of an older version may have "1" and "1.0": the first is more frequent
        known.setdefault(level_of(level), place)

    def place_of(text: str, width: int = 0) -> int:
        level = level_of(text)
        if level.isdecimal():
            level = level.zfill(width)
        missing = text == "" or (text not in exact and is_missing(text))
        return -1 if missing else exact.get(text, known.get(level, len(levels)))

    found = {text: place_of(text) for text in set(column.texts)}
    places = np.fromiter(map(found.__getitem__, column.texts), "int64", len(column.texts))
    width = code_width(levels)
    if width:  # only then it counts whether a cell is a number
        for row in np.flatnonzero((places == len(levels)) & np.array(column.numeric, bool)):
            places[row] = place_of(column.texts[row], width)
    return places


def code_width(levels: Sequence[str]) -> int:
    """How many digits each level has, if all are codes of one width and some begin with 0; else 0."""
    one_width = len({len(level) for level in levels}) == 1 and all(map(_CODE.fullmatch, levels))
    return len(levels[0]) if one_width and any(level[0] == "0" for level in levels) else 0
