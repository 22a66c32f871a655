"""Text as a network reads it: an alphabet of known characters, one column each; and paragraphs cut into lines."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

LONGEST = 500  # characters of a line: nobody writes longer ones, and the window moves over them one by one
_MOST_NAMED = 10  # unknown characters in a message
_INSTEAD = {
    **dict.fromkeys("‘’‚‛′`´", "'"),
    **dict.fromkeys("“”„‟″«»", '"'),
    **dict.fromkeys("‐‑‒–—―−", "-"),
    **dict.fromkeys("[{⟨", "("),
    **dict.fromkeys("]}⟩", ")"),
    "ß": "ss",
    "ẞ": "SS",
    "æ": "ae",
    "Æ": "AE",
    "œ": "oe",
    "Œ": "OE",
    "ø": "o",
    "Ø": "O",
    "đ": "d",
    "Đ": "D",
    "ð": "d",
    "Ð": "D",
    "þ": "th",
    "Þ": "Th",
    "ł": "l",
    "Ł": "L",
    "ı": "i",
    "×": "x",
    "·": ".",
    "•": "-",
    "…": "...",
    "¡": "!",
    "¿": "?",
    "€": "EUR",
    "£": "GBP",
    "&": "and",
    "%": "percent",
    "@": "at",
}


@dataclass(frozen=True)
class Alphabet:
    """The characters that a network knows, in the order of their columns.

    Attributes:
        characters: Each once, such as `" abc"`.
    """

    characters: str

    def __post_init__(self):
        if not self.characters or len(set(self.characters)) != len(self.characters):
            raise ValueError(f"an alphabet needs characters, each of them once, but {self.characters[:40]!r} came.")

    @classmethod
    def of(cls, texts: Iterable[str], least: int = 1) -> Alphabet:
        """The alphabet of all characters that come at least `least` times in `texts`, in order of their codes.

        Args:
            texts: Any number of them.
            least: How often a character must come, counted over all texts together.

        Raises:
            ValueError: if no character comes so often.
        """
        found, counts = np.unique(list("".join(map(str, texts))), return_counts=True)
        return cls("".join(found[counts >= least].tolist()))

    @property
    def size(self) -> int:
        """S, the number of characters."""
        return len(self.characters)

    def unknown(self, text: str) -> list[str]:
        """The characters of a text that are not in the alphabet, each once, in their order."""
        return [one for one in dict.fromkeys(text) if one not in self.characters]

    def encode(self, text: str) -> np.ndarray:
        """The text as one-hot rows, `(U, S)` float32: a context for a network.

        Raises:
            ValueError: if it is empty, has more than 500 characters, or an unknown one, which the message names.
        """
        if not text.strip():
            raise ValueError("a line needs a text of at least one letter, but it is empty.")
        if len(text) > LONGEST:
            raise ValueError(
                f"a line has at most {LONGEST} characters, but {len(text)} came: cut it with wrapped(text, width)."
            )
        if unknown := self.unknown(text):
            raise ValueError(_complaint(self, unknown))
        rows = np.zeros((len(text), self.size), "float32")
        rows[np.arange(len(text)), [self.characters.index(one) for one in text]] = 1.0
        return rows

    def decode(self, rows) -> str:
        """The text of rows `(U, S)`: the largest entry of each row; rows of zeros, as behind the end of a text, are left out.

        Raises:
            ValueError: if the shape is not `(U, S)`.
        """
        rows = np.asarray(rows)
        if rows.ndim != 2 or rows.shape[1] != self.size:
            raise ValueError(f"rows of this alphabet have shape (U, {self.size}), but {rows.shape} came.")
        return "".join(self.characters[i] for i in np.argmax(rows[rows.any(axis=1)], axis=1))

    def transliterate(self, text: str) -> str:
        """The text in known characters only: é becomes e, “ becomes ", ß becomes ss; tabs and the like become spaces.

        A known character stays as it is. If a letter with a mark is unknown, the mark is dropped (Unicode's NFKD), and so are
        characters that only join others or choose their look.

        Raises:
            ValueError: if a character has no replacement, such as an emoji or a letter of another script; it is named.
        """
        found, unknown = [], []
        for one in text:
            instead = self._instead(one)
            found.append(instead or "")
            if instead is None:
                unknown.append(one)
        if unknown:
            raise ValueError(_complaint(self, list(dict.fromkeys(unknown)), transliterated=True))
        return "".join(found)

    def _instead(self, one: str) -> str | None:
        """The replacement of a character; None if it has none."""
        if one in self.characters:
            return one
        if one.isspace():
            return " " if " " in self.characters else None
        for candidate in (one, unicodedata.normalize("NFKD", one)):
            plain = "".join(_INSTEAD.get(c, c) for c in candidate if unicodedata.category(c) not in ("Mn", "Cf"))
            if all(c in self.characters for c in plain):
                return plain
        return None


def _complaint(alphabet: Alphabet, unknown: list[str], transliterated: bool = False) -> str:
    named = ", ".join(_named(one) for one in unknown[:_MOST_NAMED])
    more = f" and {len(unknown) - _MOST_NAMED} more" if len(unknown) > _MOST_NAMED else ""
    leftwards = any(unicodedata.bidirectional(one) in ("R", "AL") for one in unknown)
    return (
        f"the alphabet has no {named}{more}; it has {alphabet.characters!r}. "
        + ("It writes from left to right only. " if leftwards else "")
        + ("Nothing stands for them." if transliterated else "Transliterate the text, or write it in other words.")
    )


def _named(one: str) -> str:
    return f"{one!r} ({unicodedata.name(one, f'U+{ord(one):04X}')})"


def tidied(text: str) -> str:
    """The text with one space between words and none before . , ; : ? and !; some sources put one there."""
    return re.sub(r" +([.,;:?!])", r"\1", " ".join(text.split()))


def wrapped(text: str, width: int) -> list[str]:
    """The lines of a text, at most `width` characters each.

    A newline begins a new line; an empty line stays, as "". Lines end between words; only a word longer than a line is cut.

    Args:
        text: Any.
        width: At least 1.

    Raises:
        ValueError: if there is no letter in the text, or `width` is not positive.
    """
    if width < 1:
        raise ValueError(f"`width` is how many characters a line has, at least 1, but {width} came.")
    if not text.strip():
        raise ValueError("a text needs at least one letter, but it is empty.")
    rows = [textwrap.wrap(row, width, break_on_hyphens=False) or [""] for row in text.rstrip().splitlines()]
    return [line for lines in rows for line in lines]
