"""Handwriting made from fonts whose letters are single strokes: any amount, on any machine, by hands that differ.

The fonts were drawn by A. V. Hershey (1967, Calligraphy for computers) and come with the package Hershey-Fonts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np

from mdn.data.handwriting import Handwriting
from mdn.data.shapes import evenly
from mdn.data.strokes import from_lines

FONTS = ("futural", "rowmans", "cursive", "scripts")  # the fonts that draw no line twice
SOURCE = "hershey"
_JOINS = 1.5  # units between two strokes up to which the pen is not lifted; capitals are 21 units high
_SMOOTH = 7  # points over which the tremor of a hand is smooth
_LONGEST_WORD = 9


@dataclass(frozen=True)
class Hand:
    """How somebody writes with a font. Lengths are in units of the font, in which a capital letter is 21 high.

    Args:
        font: One of `FONTS`, or another font of the package.
        slant: How far letters lean to the right, as the tangent of the angle.
        width: The factor of the width of letters.
        size: The factor of the size of letters.
        spacing: The distance that is added between letters.
        unevenness: How far letters stray in place; an eighth of it is how far log size and slant stray.
        tremor: How far points stray.
        drift: How far the line rises and falls.
    """

    font: str = FONTS[0]
    slant: float = 0.0
    width: float = 1.0
    size: float = 1.0
    spacing: float = 0.0
    unevenness: float = 0.0
    tremor: float = 0.0
    drift: float = 0.0

    @classmethod
    def any(cls, rng: np.random.Generator, fonts: Sequence[str] = FONTS) -> Hand:
        """A random hand within realistic limits."""
        return cls(
            font=str(rng.choice(fonts)),
            slant=rng.uniform(-0.15, 0.45),
            width=rng.uniform(0.75, 1.2),
            size=np.exp(rng.uniform(-0.2, 0.2)),
            spacing=rng.uniform(-1.5, 2.5),
            unevenness=rng.uniform(0.1, 0.9),
            tremor=rng.uniform(0.05, 0.5),
            drift=rng.uniform(0.0, 1.5),
        )


def hershey(text: str, hand: Hand | str = FONTS[0], rng: np.random.Generator | None = None) -> np.ndarray:
    """A line of text as stroke-3 `(T, 3)`, with about one point a unit; a capital letter is 21 units high.

    Args:
        text: The text; the font has the characters of ASCII.
        hand: The hand that writes, or the name of a font.
        rng: The generator of unevenness and tremor. Without it, the hand has no unevenness, tremor or drift.

    Raises:
        ValueError: if the text has nothing to draw, or a character that the font lacks, or there is no such font.
        ImportError: if the package is missing (`pip install 'mdn[handwriting]'`).
    """
    hand = Hand(hand) if isinstance(hand, str) else hand
    glyphs = _glyphs(hand.font)
    missing = sorted(set(text) - glyphs.keys())
    if missing:
        raise ValueError(f"the font {hand.font!r} has no {', '.join(map(repr, missing[:10]))}; it has those of ASCII.")
    if rng is None:
        hand, rng = replace(hand, unevenness=0.0, tremor=0.0, drift=0.0), np.random.default_rng(0)
    lines, x = [], 0.0
    for character in text:
        strokes, left, advance = glyphs[character]
        strays = hand.unevenness * rng.standard_normal(5)
        size = hand.size * np.exp(strays[0] / 8.0)
        across = size * hand.width * np.array([1.0, -hand.slant - strays[1] / 8.0])
        for stroke in strokes:
            places = np.column_stack([(stroke - (left, 0.0)) @ across, stroke[:, 1] * size])
            lines.append(places + np.array([x + strays[2], 0.7 * strays[3]]))
        x += size * hand.width * advance + hand.spacing + 0.5 * strays[4]
    if not lines:
        raise ValueError(f"there is nothing to draw in {text[:40]!r}.")
    return from_lines([_by_hand(line, hand, rng, x) for line in _joined(lines)])


def _joined(lines: list[np.ndarray]) -> list[np.ndarray]:
    """Joins strokes where one ends near the beginning of the next, as in joined writing."""
    begins = [0, *(i for i, (a, b) in enumerate(pairwise(lines), 1) if np.hypot(*(b[0] - a[-1])) > _JOINS), len(lines)]
    return [np.concatenate(lines[begin:end]) for begin, end in pairwise(begins)]


def _by_hand(line: np.ndarray, hand: Hand, rng: np.random.Generator, width: float) -> np.ndarray:
    """A stroke with about one point a unit, moved by the tremor and drift of a hand."""
    length = float(np.sum(np.hypot(*np.diff(line, axis=0).T)))
    places = evenly(line, 1 + int(np.ceil(length)))
    if hand.tremor:
        window = np.hanning(_SMOOTH + 2)[1:-1]
        noise = rng.standard_normal((len(places) + _SMOOTH - 1, 2))
        smooth = [np.convolve(column, window / np.linalg.norm(window), "valid") for column in noise.T]
        places = places + hand.tremor * np.column_stack(smooth)
    if hand.drift:
        places[:, 1] += hand.drift * np.sin(2.0 * np.pi * places[:, 0] / max(width, 200.0) + hand.slant)
    return places


def hershey_lines(texts: Iterable[str], seed: int = 0, fonts: Sequence[str] = FONTS, hands: int = 0) -> Handwriting:
    """Lines of handwriting of texts, each by a random hand; the same for the same seed.

    Args:
        texts: Texts in ASCII.
        seed: Seeds the hands, and how they write.
        fonts: The fonts of the hands.
        hands: How many hands there are; the writer of a line is then its font and the number of its hand. 0 for a new hand
            for each line; its writer is its font.
    """
    rng, texts = np.random.default_rng(seed), list(texts)
    people = [Hand.any(rng, fonts) for _ in range(hands)]
    lines, writers = [], []
    for text in texts:
        which = int(rng.integers(hands)) if hands else -1
        hand = people[which] if hands else Hand.any(rng, fonts)
        lines.append(hershey(text, hand, rng))
        writers.append(f"{hand.font}-{which}" if hands else hand.font)
    return Handwriting(
        tuple(lines),
        words=np.array(texts, "U"),
        writers=np.array(writers, "U"),
        sources=np.full(len(texts), SOURCE),
    )


def random_texts(count: int, characters: str, rng: np.random.Generator, longest: int = 30) -> list[str]:
    """Texts without meaning, of random words, up to `longest` characters each: a network must look at each letter.

    All characters are equally frequent, except that lower-case letters come ten times as often as others.
    """
    letters = [one for one in characters if not one.isspace()]
    if not letters:
        raise ValueError("texts need at least one character that is no space.")
    weights = np.array([10.0 if one.islower() else 1.0 for one in letters])
    texts = []
    for _ in range(count):
        length, words = int(rng.integers(max(1, longest // 2), longest + 1)), ""
        while len(words) < length:
            size = int(rng.integers(1, _LONGEST_WORD + 1))
            words += "".join(rng.choice(letters, size, p=weights / weights.sum())) + " "
        texts.append(words[:length].strip())
    return texts


@lru_cache(maxsize=len(FONTS))
def _glyphs(font: str) -> dict[str, tuple[list[np.ndarray], float, float]]:
    """A font: (strokes, y downwards from the base line; left edge; width) of each character."""
    try:
        from HersheyFonts import HersheyFonts
    except ImportError:
        raise ImportError("single-stroke fonts come with a package: pip install 'mdn[handwriting]'.") from None
    fonts = HersheyFonts()
    if font not in fonts.default_font_names:
        raise ValueError(f"there is no font {font!r}; there are {', '.join(fonts.default_font_names)}.")
    fonts.load_default_font(font)
    return {
        character: (
            [np.array(stroke, "float64") - (0.0, glyph.base_line) for stroke in glyph.strokes],
            float(glyph.left_offset),
            float(glyph.char_width),
        )
        for character, glyph in fonts.all_glyphs.items()
        if character.isprintable()
    }
