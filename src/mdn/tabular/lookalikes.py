"""Columns of text that look like numbers, dates or times, so that a person may have meant these: one sentence for each."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Mapping

from mdn.data.dates import share_of_dates
from mdn.data.notation import is_number, is_stand_in
from mdn.data.tables import shown
from mdn.tabular.frames import Column
from mdn.tabular.wording import share

_MOSTLY, _NEARLY, _A_THIRD = 0.5, 0.9, 1 / 3
_NAMED = 2  # cells that a sentence names
_UNIT = re.compile(r"(?P<number>.*\d)\s*(?P<unit>[^\W\d_][^\d]{0,11}|[°'\"µ][^\d]{0,11})")
LOSES_ZERO = re.compile(r".*\.\d+0")  # text such as 3.10, which is 3.1 as a number
_TIME = re.compile(r"\d{1,3}:\d{2}(:\d{2}([.,]\d+)?)?")


class LookAlike(UserWarning):
    """A column of text looks like numbers, dates or times."""


def sentence(one: Column, words: Mapping[str, int], taken_for: str, other: float = 0.0) -> str:
    """What a person should know of a column of text; "" if it looks like words.

    Args:
        one: The column, of which nothing is declared.
        words: How many rows have each word that is not missing.
        taken_for: What it is taken for, such as "a category".
        other: The share of the rows whose level is not kept.
    """
    total, option = sum(words.values()), shlex.quote(one.name)

    def said(what: str) -> str:
        return f"{one.name!r} {what}, so it is taken for {taken_for}"

    def python(kind: str) -> str:
        return f"in Python mdn.data.source_of(..., {kind}=[{one.name!r}])"

    numbers = {word for word in words if is_number(word)}
    if _MOSTLY < _part(words, numbers) < 1.0:
        rest = _most_frequent(words, numbers | set(filter(is_stand_in, words)))
        remedy = (
            f" (--number {option}, {python('number')}, then names any that is left)" if one.lines is not None else ""
        )
        return f"{said(f'holds numbers and {rest}')}: clear these cells if it is a quantity{remedy}."
    if total > 1 and share_of_dates(one.words, declared=True) > _MOSTLY:
        first = next(word for word in words if share_of_dates([word], declared=True))
        remedy = (
            f"--date {option} takes it for dates ({python('date')})"
            if one.lines is not None
            else "make it dates first (pandas.to_datetime)"
        )
        return f"{said(f'holds dates such as {shown(first)}')}: {remedy}."
    times = {word for word in words if _TIME.fullmatch(word)}
    if _part(words, times) > _MOSTLY:
        first = shown(next(word for word in words if word in times))
        return f"{said(f'holds times such as {first}')}: write them as numbers, such as hours, if they are quantities."
    lost = next(filter(LOSES_ZERO.fullmatch, words), None)
    if one.lines is None and len(numbers) == len(words) and lost is not None:
        return f"{said(f'holds text such as {shown(lost)}')}: make it numbers first (pandas.to_numeric) if it is a quantity."
    units = Counter[str]()
    for word, count in words.items():
        found = _UNIT.fullmatch(word)
        if found and is_number(found["number"]):
            units[found["unit"].strip()] += count
    if units and units.most_common(1)[0][1] >= _NEARLY * total:
        unit = shown(units.most_common(1)[0][0])
        what = f"holds numbers with {unit} behind"
        return f"{said(what)}: write the unit into the name of the column if it is a quantity."
    if other > _A_THIRD:
        return (
            f"{share(other)} of the rows of {one.name!r} hold one of its rare levels, which all count as one: (other)."
        )
    return ""


def numbers_in_text(one: Column) -> str:
    """What a person should know of a column of a frame that is taken for numbers, if some of them are text; else ""."""
    if one.lines is not None or one.values.dtype != object:
        return ""
    text = next((value for value in one.plain_values if isinstance(value, str)), None)
    if text is None:
        return ""
    return f"{one.name!r} holds text such as {shown(text)}, which is taken for a number: make it of type category if it is none."


def _part(words: Mapping[str, int], some: set[str]) -> float:
    return sum(words[word] for word in some) / max(sum(words.values()), 1)


def _most_frequent(words: Mapping[str, int], but: set[str]) -> str:
    """The most frequent words but some, in quotes."""
    rest = sorted((word for word in words if word not in but), key=lambda word: -words[word])
    more = f" and {len(rest) - _NAMED} more words" if len(rest) > _NAMED else ""
    return ", ".join(map(shown, rest[:_NAMED])) + more if rest else "stand-ins for missing ones"
