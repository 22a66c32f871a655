"""Finds lines of a source that should not be learnt from, and why: recordings that broke off, second lines, coarse grids."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mdn.applications.handwriting.text import tidied
from mdn.data import Handwriting
from mdn.data.strokes import places_of

FEWEST = 6.0  # points a character: fewer do not show what was written
COARSE = 0.6  # share of steps along one of eight directions; of fine recordings 0.1 to 0.5, of coarse ones 0.9
_BACK, _LETTERS_BACK = 0.5, 8  # share of the line, and letters, that the pen may go back, as to a dot or a bar
_JUMP, _MOST = 1.0, (0.02, 0.98)  # longest drawing step, as a share of the height; quantiles of y that make the height
_NARROW, _FAINT = 0.75, 0.6  # least width and ink, as a share of what the text should take in this hand
_WIDE = 1.6
_ROUNDS = 5
_PRIOR = 0.03  # weight of the prior that all letters take the same; each line weighs 1
_FAR = 0.5  # |log ratio| from which on a line is left out when letters are measured
_LEAST = 0.1  # what a letter takes at least, as a share of the mean letter


def faults(lines: Handwriting) -> np.ndarray:
    """Why each line should be left out, or "" if it can be used; strings of shape `(N,)`.

    - "only dots": there is no stroke with a length.
    - "few points": fewer than 6 a character.
    - "never lifted": several words, and one stroke.
    - "jumps": a step that draws is longer than the line is high.
    - "goes back": a move of over half of the line and 8 letters to the left: to a second line, or to what was forgotten.
    - "coarse": most steps lie along one of eight directions, as the grid of the recording was too wide.
    - "cut off": the ink, or the width, is much less than the text takes in this hand; a part of it is missing.
    - "too long": the ink and the width together are much more.

    What a text should take is learnt from the lines themselves: a length for each letter, times a factor for each writer of
    each source. Count the faults with `collections.Counter`, or leave such lines out: `lines[faults(lines) == ""]`.
    """
    measured = [_measured(line, text) for line, text in zip(lines, lines.texts.tolist(), strict=True)]
    found = np.array([fault for fault, _, _ in measured], "<U16")
    hands = np.char.add(np.char.add(lines.sources, "/"), lines.writers)
    ink, width = (_of_expected(np.array([one[i] for one in measured]), lines.texts.tolist(), hands) for i in (1, 2))
    found[(found == "") & ((width < _NARROW) | (ink < _FAINT))] = "cut off"
    found[(found == "") & (np.sqrt(ink * width) > _WIDE)] = "too long"
    return found


def usable(lines: Handwriting) -> Handwriting:
    """The lines that can be learnt from, their texts tidied; `skipped` says what is wrong with each of the others."""
    lines = replace(lines, words=np.array([tidied(text) for text in lines.texts.tolist()], "U"))
    found = faults(lines)
    bad = np.flatnonzero(found != "")
    sentences = tuple(f"line {i}, {str(lines.texts[i])!r}: {found[i]}" for i in bad)
    return replace(lines[found == ""], skipped=lines.skipped + sentences)


def _measured(line: np.ndarray, text: str) -> tuple[str, float, float]:
    """(the fault that the line shows without others, or "", the length of its ink, its width)."""
    places = places_of(line)
    width, height = np.ptp(places[:, 0]), np.ptp(np.quantile(places[:, 1], _MOST))
    drawn = np.concatenate([[True], line[:-1, 2] <= 0.5]) & line[:, :2].any(axis=1)
    across, down = np.abs(line[drawn, :2]).T
    length, back = np.hypot(across, down), -np.min(line[:, 0])
    straight = (across == 0) | (down == 0) | (across == down)
    shown = {
        "only dots": not len(length),
        "few points": len(line) < FEWEST * len(text),
        "never lifted": np.sum(line[:, 2] > 0.5) == 1 and len(text.split()) > 1,
        "jumps": length.max(initial=0.0) > _JUMP * height,
        "goes back": back > _BACK * width and back > _LETTERS_BACK * width / len(text),
        "coarse": np.mean(straight) > COARSE if len(straight) else False,
    }
    return next((name for name, true in shown.items() if true), ""), float(np.sum(length)), float(width)


def _of_expected(values: np.ndarray, texts: list[str], hands: np.ndarray) -> np.ndarray:
    """The values of lines divided by what their letters should take in that hand, `(N,)`; the median of a hand is 1.

    Alternating least squares of relative errors; lines that are far off take no part.
    """
    characters, which = np.unique(list("".join(texts)), return_inverse=True)
    rows = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    counts = np.zeros((len(texts), len(characters)))
    np.add.at(counts, (rows, which), 1.0)
    hand = np.unique(hands, return_inverse=True)[1]
    letters, near = np.ones(len(characters)), np.ones(len(texts), bool)
    for _ in range(_ROUNDS):
        ratio = values / (counts @ letters)
        factor = np.array([np.median(ratio[hand == i]) for i in range(hand.max() + 1)])[hand]
        ratio = np.divide(ratio, factor, out=np.ones(len(ratio)), where=factor > 0)  # the factor of a hand of dots is 0
        near = np.abs(np.log(ratio, out=np.full(len(ratio), np.inf), where=ratio > 0)) < _FAR
        shares = counts[near] / counts[near].sum(axis=1, keepdims=True)
        wanted = ratio[near] * (counts[near] @ letters) / counts[near].sum(axis=1)
        known = np.concatenate([shares, _PRIOR * np.eye(len(characters))])
        letters = np.linalg.lstsq(known, np.concatenate([wanted, np.full(len(characters), _PRIOR)]), rcond=None)[0]
        letters = np.maximum(letters, _LEAST)
    return ratio
