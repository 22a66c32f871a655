"""Counts in sentences: "1 drawing", "2 drawings". Every room may use it."""

from __future__ import annotations


def counted(count: int, noun: str, plural: str = "", form: str = "") -> str:
    """`count` and the noun in the number that goes with it.

    Args:
        count: How many.
        noun: In the singular.
        plural: Its plural, if that is not `noun` with an s.
        form: How the count is written, such as "," for commas between thousands.

    Example:
        >>> from mdn.wording import counted
        >>> counted(1, "drawing"), counted(2, "drawing"), counted(12000, "touch", "touches", ",")
        ('1 drawing', '2 drawings', '12,000 touches')
    """
    return f"{count:{form}} {agreed(count, noun, plural or f'{noun}s')}"


def agreed(count: int, one: str, several: str) -> str:
    """`one` if the count is 1, else `several`: a noun, a verb or a pronoun that agrees with a count."""
    return one if count == 1 else several
