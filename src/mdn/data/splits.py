"""Splits of items into "train" to learn from, "valid" to choose the epoch and "test" to score: by chance, or as a file says."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from mdn.data.limits import read_whole
from mdn.files import reading


def dealt(
    count: int, seed: int, what: str, *, fewest: int, share: int = 10, order: tuple[str, str] = ("valid", "test")
) -> dict[str, np.ndarray]:
    """Deals the indices from 0 to `count` - 1 at random to the parts "train", "valid" and "test".

    Args:
        count: How many items there are.
        seed: The same seed gives the same parts.
        what: What the items are, for the message.
        fewest: How many items are needed at least.
        share: One item in `share`, and at least one, goes to "valid", as many to "test"; the others are "train".
        order: The order in which these two parts are dealt.

    Raises:
        ValueError: if there are fewer than `fewest`.
    """
    if count < fewest:
        raise ValueError(
            f"at least {fewest} {what} are needed, to learn from some and judge by others, but there are {count}."
        )
    places, few = np.random.default_rng(seed).permutation(count), max(1, count // share)
    return {order[0]: places[:few], order[1]: places[few : 2 * few], "train": places[2 * few :]}


class Placed(list[np.ndarray]):
    """Arrays from files that know their places there, since a split names them by their places.

    Args:
        placed: Arrays in the order of their files, with None in place of each that is left out.
        parts: The indices in `placed` of the parts "train", "valid" and "test", if a file says so.
        skipped: A sentence for each file of which something was left out.

    Attributes:
        placed, parts, skipped: The arguments.
    """

    def __init__(
        self,
        placed: Iterable[np.ndarray | None],
        parts: dict[str, np.ndarray] | None = None,
        skipped: tuple[str, ...] = (),
    ):
        self.placed, self.parts, self.skipped = list(placed), parts, skipped
        super().__init__(one for one in self.placed if one is not None)

    @property
    def by_part(self) -> dict[str, list[np.ndarray]]:
        """The arrays of each part that a file names."""
        found = {part: [self.placed[place] for place in rows] for part, rows in (self.parts or {}).items()}
        return {part: [one for one in some if one is not None] for part, some in found.items()}


def read_split(path, count: int) -> dict[str, np.ndarray]:
    """Reads from a .json which of `count` items are "train", "valid" and "test", by their places.

    Args:
        path: The path of the .json file.
        count: How many items there are.

    Raises:
        ValueError: if the file says anything else.
    """
    path = Path(path)
    with reading(path, "a split"):
        content = read_whole(path)
    try:
        found = json.loads(content)
        parts = {name: np.asarray(found[name], "int64") for name in ("train", "valid", "test")}
        good = all(len(rows) and rows.ndim == 1 and rows.min() >= 0 and rows.max() < count for rows in parts.values())
    except Exception:
        good = False
    if not good:
        raise ValueError(
            f"{str(path)!r} must be JSON with the lists train, valid and test of places from 0 to {count - 1}, none empty."
        )
    return parts
