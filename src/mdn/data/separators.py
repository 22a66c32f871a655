"""Which mark separates the cells of a table in text, found out from its first lines."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence

from mdn.data.notation import is_missing, is_number

_MARKS = "\t;|,"  # the first that fits: numbers often contain commas, semicolons rarely stand in cells
_NAMES = {",": ",", ";": ";", "|": "|", "\t": "\t", "tab": "\t", " ": None, "space": None}
_QUOTED = re.compile('"[^"]*"')
_OPEN = re.compile(rf'(?m)(?:^|[{_MARKS}]) *"')  # a quote that begins a cell, where no pair of quotes is left
_SAID = re.compile(r'\ufeff?"?sep=(.)"?\s*', re.IGNORECASE)
_SPACE = r" \t\r\n\f\v"  # without the no-break space, which separates thousands
_CELL = re.compile(rf'"(?P<quoted>(?:[^"]|"")*)"(?=[{_SPACE}]|$)|"(?P<unclosed>.*)|(?P<plain>[^{_SPACE}]+)', re.DOTALL)


def check_separator(separator: str | None) -> None:
    """Raises a ValueError if a user asks for a separator that is not read."""
    if separator is not None and separator not in _NAMES:
        raise ValueError(
            f"`separator` must be ',', ';', '|', 'tab' or 'space', or None to find it out, but {separator!r} came."
        )


def asked_for(separator: str) -> str | None:
    """The mark that a user asks for; None is white space."""
    return _NAMES[separator]


def said(line: str) -> str | None:
    """The separator that Excel writes into the first line of a file, as in "sep=;"; None if it is another line."""
    found = _SAID.fullmatch(line)
    return found[1] if found else None


def between_spaces(line: str) -> list[str]:
    """The cells of a line between spaces and tabs; a cell in quotes may contain some."""
    if '"' not in line and line.isascii():
        return line.split()
    cells = []
    for cell in _CELL.finditer(line):
        quoted = cell["quoted"] if cell["unclosed"] is None else cell["unclosed"].rstrip()
        cells.append(cell["plain"] if quoted is None else quoted.replace('""', '"'))
    return cells


def whole_rows(lines: Sequence[str]) -> list[str]:
    """Lines as rows: those that a cell in quotes goes over are one. A quote that never ends leaves its line as it is."""
    rows: list[str] = []
    begin = 0
    while begin < len(lines):
        end, rest = begin + 1, _QUOTED.sub("", lines[begin])
        while _OPEN.search(rest) and end < len(lines):
            rest = _QUOTED.sub("", rest + lines[end])
            end += 1
        end = begin + 1 if _OPEN.search(rest) else end
        rows.append("".join(lines[begin:end]))
        begin = end
    return rows


def find(lines: Sequence[str]) -> str | None:
    """The mark that separates the cells of these rows, the first of which may be a header; None is white space.

    A mark that occurs equally often in every line wins, then one that occurs as often in the header as in most rows.
    """
    bare = [_QUOTED.sub('""', line) for line in lines]
    counts = {mark: [line.count(mark) for line in bare] for mark in _MARKS}
    usual = {mark: statistics.median_low(count) for mark, count in counts.items()}
    words = [len(between_spaces(line)) for line in lines]

    def possible(mark: str) -> bool:
        if counts[mark][0] or not usual[mark]:
            return bool(usual[mark])
        # The first line has no such mark: it names one column, or is a title, above rows with more cells or decimal commas
        return (words[0] == 1 or set(words[1:]) == {1}) and not (
            mark == "," and all(is_number(line.strip()) for line in lines[1:])
        )

    marks = [mark for mark in _MARKS if possible(mark)]
    if marks == [","] and len(set(words)) == 1 and words[0] > 1 and all(map(_only_numbers, lines)):
        return None
    steady = [mark for mark in marks if len(set(counts[mark])) == 1]
    if steady[:1] != ["\t"] and "\t" in marks and len(set(words)) == 1 and words[0] > 1:
        return None  # tabs and spaces, as many as it takes for columns to stand below each other
    if steady:
        return None if steady[0] == "\t" and _spaces_too(lines, words) else steady[0]
    as_header = [mark for mark in marks if counts[mark][0] == statistics.median_low(counts[mark][1:] or [-1])]
    return max(as_header or marks, key=lambda mark: usual[mark], default=None)


def _only_numbers(line: str) -> bool:
    """Whether a line holds numbers between spaces, so that its commas are decimal."""
    words = between_spaces(line)
    return all(is_missing(word) or (is_number(word) and not word.endswith(",")) for word in words)


def _spaces_too(lines: Sequence[str], words: Sequence[int]) -> bool:
    """Whether a line has several numbers between two tabs, and as many words as the header: spaces separate cells too."""
    if len(set(words)) != 1:
        return False
    inner = [cell.split() for line in lines[1:] for cell in line.split("\t") if len(cell.split()) > 1]
    cells = [" ".join(parts) for parts in inner]
    return bool(cells) and all(
        not is_number(cell) and all(is_number(part) for part in parts) for cell, parts in zip(cells, inner, strict=True)
    )
