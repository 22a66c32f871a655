"""Demonstrations: a hand that was led along letters, as paths in the plane.

A path is an array `(steps + 1, 2)` of places, from its start at (0, 0); in the unit of the file. The network
sees moves `(steps, 2)`: how far the hand went from one place to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mdn.data import find, limits, read_object_arrays
from mdn.wording import agreed

BRANCHING = ("D", "H", "B", "K")
"""Letters that begin alike, with a stem upwards, and then part: to the right (D, B), or back down the stem (H, K); no path
lies between. Later D parts from B, and H from K."""
STEPS = 8
"""Steps of a path: so few that paths part within a single step."""
_JUMP = 2.0  # times as long as any step of the path before it: the step to the zeros that fill a path up
_BETWEEN = 6  # points on each step by which paths are compared


def read(source=None, letters: Sequence[str] = BRANCHING) -> dict[str, np.ndarray]:
    """The demonstrations of the file `source`, see `read_letters`; by default those of the data set "letters"."""
    return read_letters(find("letters", "letters.npz") if source is None else source, letters)


def read_letters(path, letters: Sequence[str] = BRANCHING) -> dict[str, np.ndarray]:
    """Demonstrations of some letters, each from its start on: `{letter: (count, STEPS + 1, 2)}`.

    Args:
        path: The path of letters.npz or a file like it: `position` (count, points, 2), and `letter` (count,): the name of each
            path, a letter or longer.
        letters: Which letters to read: a list of names, or one text, see `names_of`.

    Raises:
        ValueError: if the file holds no such arrays, or a letter is not in it, or only once; if a path never moves, or is padded
            with zeros.
    """
    if Path(path).suffix == ".mat":
        raise ValueError(
            f"{str(path)!r} is a file of MATLAB's. Read it with scipy.io.loadmat, and write it as .npz: `position`, of shape "
            "(count, points, 2), and `letter`, the name of each path: numpy.savez(path, position=..., letter=...)."
        )
    found = read_object_arrays(path)
    if not {"position", "letter"} <= set(found):
        raise ValueError(f"{str(path)!r} must hold `position` and `letter`, but holds {', '.join(found)}.")
    position, letter = found["position"], found["letter"]
    _check(path, position, letter)
    letter = letter.astype("U")
    known = np.unique(letter).tolist()
    letters = names_of(letters, known)
    unknown = [each for each in letters if each not in known]
    if unknown or not len(letters):
        wanted = f"no letter {unknown[0]!r}" if unknown else "letters, but none was asked for"
        raise ValueError(f"{str(path)!r} has {wanted}; it has {_listed(known)}.")
    alone = [each for each in letters if np.sum(letter == each) < 2]
    if alone:
        raise ValueError(f"{str(path)!r} has {alone[0]!r} only once, but a letter needs two demonstrations or more.")
    position = position if position.dtype.kind == "f" else position.astype("float64")
    centred = position - position[:, :1]
    taken = np.rint(np.linspace(0, centred.shape[1] - 1, STEPS + 1)).astype(int)
    return {each: centred[letter == each][:, taken].astype("float64") for each in letters}


def forks(count: int = 12, seed: int = 0) -> dict[str, np.ndarray]:
    """Made-up demonstrations, for where no file is at hand: a stem upwards, at whose top the hand turns left or right.

    Args:
        count: How many of each way.
        seed: The seed of the unsteadiness of the hand.

    Returns:
        As `read_letters` does: `{"left": (count, STEPS + 1, 2), "right": ...}`.
    """
    rng = np.random.default_rng(seed)
    half = STEPS // 2
    stem = np.stack([np.zeros(half + 1), np.linspace(0.0, 6.0, half + 1)], axis=-1)
    turn = 0.5 * np.pi * np.arange(1, half + 1) / half
    bend = np.stack([4.0 * (1.0 - np.cos(turn)), 6.0 + 4.0 * np.sin(turn)], axis=-1)
    right = np.concatenate([stem, bend])
    found = {}
    for name, path in (("left", right * [-1.0, 1.0]), ("right", right)):
        found[name] = path + paths(rng.normal(0.0, 0.12, (count, STEPS, 2)))
    return found


def evenly(path) -> np.ndarray:
    """A line of any number of points `(points, 2)` as a path `(STEPS + 1, 2)` from (0, 0), its steps equally long along the line.

    Raises:
        ValueError: if all points are the same.
    """
    path = np.asarray(path, "float64")
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    if not along[-1] > 0.0:
        raise ValueError("a path must lead from one point to another, but all points of this one are the same.")
    steps = np.linspace(0.0, along[-1], STEPS + 1)
    return np.stack([np.interp(steps, along, part) for part in path.T], axis=-1) - path[0]


def names_of(letters: Sequence[str], known: Sequence[str]) -> list[str]:
    """The letters that are asked for, each once.

    Args:
        letters: A list of names; or a text, in which commas part names. Without a comma the text is one name if `known` has it,
            and else each of its characters is a letter.
        known: All names in the file.
    """
    if isinstance(letters, str):
        whole = "," in letters or letters in known
        letters = [name for name in map(str.strip, letters.split(",")) if name] if whole else list(letters)
    return list(dict.fromkeys(letters))


def _listed(names: Sequence[str]) -> str:
    """Names as a text that `names_of` reads."""
    return ("" if all(len(name) == 1 for name in names) else ", ").join(names)


def _check(path, position: np.ndarray, letter: np.ndarray) -> None:
    """Raises a ValueError unless `position` holds paths in the plane and `letter` names each of them."""
    if position.ndim == 3 and position.shape[1] == 2 < position.shape[2]:
        raise ValueError(
            f"{str(path)!r}: `position` must have shape (count, points, 2), but {position.shape} came: swap the last two axes, "
            "position.transpose(0, 2, 1)."
        )
    if position.ndim == 3 and position.shape[2] > 2:
        raise ValueError(
            f"{str(path)!r}: `position` has {position.shape[2]} coordinates, but this network draws in the plane: keep two of "
            "them, such as position[..., :2]."
        )
    if position.ndim != 3 or position.shape[2] != 2 or position.dtype.kind not in "iuf":
        raise ValueError(
            f"{str(path)!r}: `position` must be numbers of shape (count, points, 2), but {position.dtype} of shape "
            f"{position.shape} came."
        )
    if position.shape[1] <= STEPS:
        raise ValueError(f"{str(path)!r}: a path needs more than {STEPS} points, but these have {position.shape[1]}.")
    sound = (np.abs(position.astype("float64")) <= limits.LARGEST).all(axis=(1, 2))
    if not sound.all():
        raise ValueError(
            f"{str(path)!r}: path {int(np.argmin(sound))} holds a number that is not finite or lies beyond "
            f"±{limits.LARGEST:g}, the largest coordinate that is read."
        )
    for place, one in enumerate(position.astype("float64")):
        _check_moves(f"{str(path)!r}: path {place}", one)
    paths = len(position)
    if letter.shape != (paths,):
        raise ValueError(
            f"{str(path)!r}: `letter` must name {agreed(paths, 'the only path', f'each of the {paths} paths')}, but its shape is "
            f"{letter.shape}."
        )


def _check_moves(whose: str, path: np.ndarray) -> None:
    """Raises a ValueError if a path never moves, or jumps to (0, 0) and stays there, as one that is padded with zeros."""
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    if not steps.any():
        raise ValueError(f"{whose} never moves: all its points are {path[0].tolist()}. Leave it out.")
    moved = int(np.flatnonzero(path.any(axis=1))[-1]) + 1  # points up to the last that is not (0, 0)
    padded = len(path) - moved
    if padded > 1 and steps[moved - 1] > _JUMP * steps[: moved - 1].max(initial=0.0):
        raise ValueError(
            f"{whose} jumps to (0, 0) and ends with {padded} points there, as if it were padded with zeros: cut it off, and give "
            "all paths one number of points by numpy.interp."
        )


def split(demonstrations: dict[str, np.ndarray], held_out: int = 3, seed: int = 0):
    """(demonstrations to learn from, demonstrations set aside): `held_out` of each letter are set aside."""
    rng = np.random.default_rng(seed)
    orders = {letter: rng.permutation(len(paths)) for letter, paths in demonstrations.items()}
    learnt = {letter: paths[np.sort(orders[letter][held_out:])] for letter, paths in demonstrations.items()}
    aside = {letter: paths[np.sort(orders[letter][:held_out])] for letter, paths in demonstrations.items()}
    return learnt, aside


def moves(paths) -> np.ndarray:
    """Moves `(..., steps, 2)` of paths `(..., steps + 1, 2)`."""
    return np.diff(np.asarray(paths), axis=-2).astype("float32")


def paths(moves) -> np.ndarray:
    """The inverse of `moves`: paths `(..., steps + 1, 2)` from (0, 0)."""
    moves = np.asarray(moves, "float64")
    return np.concatenate([np.zeros_like(moves[..., :1, :]), np.cumsum(moves, axis=-2)], axis=-2)


def distances(paths, others) -> np.ndarray:
    """How far each of `paths` is from each of `others`, `(P, O)`: mean distance of a point to the nearest one, both ways.

    The distance compares where paths lead, not how fast; a path that stops half-way is far from one that goes on.
    """
    paths, others = _filled(paths), _filled(others)
    found = np.empty((len(paths), len(others)))
    for i, one in enumerate(paths):
        gaps = np.linalg.norm(one[None, :, None] - others[:, None, :], axis=-1)
        found[i] = 0.5 * (gaps.min(axis=2).mean(axis=1) + gaps.min(axis=1).mean(axis=1))
    return found


def _filled(paths) -> np.ndarray:
    """Paths with `_BETWEEN` points on each step."""
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
