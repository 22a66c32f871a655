"""Demonstrations: a hand that was led along letters, as paths in the plane.

A path is an array `(steps + 1, 2)` of places, from its start at (0, 0); the unit is that of the file, in which letters are about
15 high. The network sees moves `(steps, 2)`: how far the hand went from one place to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

BRANCHING = ("D", "H", "B", "K")
"""Letters that begin alike, with a stem upwards, and then part: to the right (D, B), or back down the stem (H, K); nobody goes
between. Later D and B part, and H and K."""
STEPS = 8
"""Of a path, so few that the way parts from one step to the next."""
_BETWEEN = 6  # points on each step, where paths are compared


def read_letters(path, letters: Sequence[str] = BRANCHING) -> dict[str, np.ndarray]:
    """Demonstrations of some letters, each from its start on: `{letter: (count, STEPS + 1, 2)}`.

    Args:
        path: Of letters.npz: `position` (count, 200, 2) and `letter` (count,).
        letters: Which.

    Raises:
        ValueError: if the file holds no such arrays, or a letter is not in it.
    """
    with np.load(Path(path), allow_pickle=False) as found:
        if not {"position", "letter"} <= set(found.files):
            raise ValueError(f"{str(path)!r} must hold `position` and `letter`, but holds {', '.join(found.files)}.")
        position, letter = found["position"], found["letter"]
    unknown = [each for each in letters if each not in letter]
    if unknown or not len(letters):
        wanted = f"no letter {unknown[0]!r}" if unknown else "letters, but none was asked for"
        raise ValueError(f"{str(path)!r} has {wanted}; it has {''.join(np.unique(letter))}.")
    centred = position - position[:, :1]
    taken = np.rint(np.linspace(0, centred.shape[1] - 1, STEPS + 1)).astype(int)
    return {each: centred[letter == each][:, taken].astype("float64") for each in letters}


def split(demonstrations: dict[str, np.ndarray], held_out: int = 3, seed: int = 0):
    """(demonstrations to learn from, those set aside): `held_out` of each letter."""
    rng = np.random.default_rng(seed)
    orders = {letter: rng.permutation(len(paths)) for letter, paths in demonstrations.items()}
    learnt = {letter: paths[np.sort(orders[letter][held_out:])] for letter, paths in demonstrations.items()}
    aside = {letter: paths[np.sort(orders[letter][:held_out])] for letter, paths in demonstrations.items()}
    return learnt, aside


def moves(paths) -> np.ndarray:
    """Moves `(..., steps, 2)` of paths `(..., steps + 1, 2)`."""
    return np.diff(np.asarray(paths), axis=-2).astype("float32")


def paths(moves) -> np.ndarray:
    """The paths from (0, 0) that moves lead along."""
    moves = np.asarray(moves, "float64")
    return np.concatenate([np.zeros_like(moves[..., :1, :]), np.cumsum(moves, axis=-2)], axis=-2)


def distances(paths, others) -> np.ndarray:
    """How far each path is from each other one, `(P, O)`: the mean distance of a point to the nearest of the other, both ways.

    It asks where a path leads, and not how fast; one that stops half-way is far from one that goes on.
    """
    paths, others = _filled(paths), _filled(others)
    found = np.empty((len(paths), len(others)))
    for i, one in enumerate(paths):
        gaps = np.linalg.norm(one[None, :, None] - others[:, None, :], axis=-1)
        found[i] = 0.5 * (gaps.min(axis=2).mean(axis=1) + gaps.min(axis=1).mean(axis=1))
    return found


def _filled(paths) -> np.ndarray:
    """Paths with points between their points."""
    paths = np.asarray(paths, "float64")
    shares = (np.arange(_BETWEEN) / _BETWEEN)[:, None]
    between = paths[:, :-1, None] * (1.0 - shares) + paths[:, 1:, None] * shares
    return np.concatenate([between.reshape(len(paths), -1, paths.shape[-1]), paths[:, -1:]], axis=1)


def tolerance(demonstrations: dict[str, np.ndarray]) -> float:
    """The 95th percentile of the distance between a demonstration and the nearest other of its letter."""
    nearest = []
    for paths in demonstrations.values():
        gaps = distances(paths, paths)
        np.fill_diagonal(gaps, np.inf)
        nearest.append(gaps.min(axis=1))
    return float(np.quantile(np.concatenate(nearest), 0.95))
