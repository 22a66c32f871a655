"""What the style of an SVG says of an element: attributes, the rules of `<style>` for tags and classes, and `style="..."`."""

from __future__ import annotations

import re
from collections.abc import Mapping

_SIMPLE = re.compile(r"([\w-]*)(?:\.([\w-]+))?")  # a tag, a class, or a tag of a class
_PROPERTIES = ("stroke", "display", "visibility")
Rank = tuple[bool, int, int]  # of two values the higher one holds: !important, how special its rule is, where it stands
Style = dict[str, tuple[Rank, str]]  # from a property to the rank of its value, and the value


class Rules:
    """The simple rules of the style sheets of an SVG: `.class`, `tag` and `tag.class`; of others nothing is read."""

    def __init__(self) -> None:
        self._rules: dict[tuple[str, str], Style] = {}
        self._count = 0

    def read(self, sheet: str) -> None:
        """Adds the rules of a style sheet."""
        first, *others = sheet.split("/*")  # all is split: a regular expression may take the square of a sheet's length
        plain = first + "".join(one.partition("*/")[2] for one in others)
        for selectors, _, body in (rule.partition("{") for rule in plain.split("}")):
            style = declarations(body)
            self._count += 1
            for selector in selectors.split(","):
                if found := _SIMPLE.fullmatch(selector.strip()):
                    key = (found[1], found[2] or "")
                    special = 2 * bool(key[1]) + bool(key[0])
                    self._rules[key] = _over(self._rules.get(key, {}), _of_rule(style, special, self._count))

    def of(self, tag: str, attributes: Mapping[str, str]) -> dict[str, str]:
        """The properties of an element that decide what is drawn: stroke, display and visibility."""
        lowest = (False, 0, 0)
        found: Style = {name: (lowest, attributes[name].strip()) for name in _PROPERTIES if name in attributes}
        classes = attributes.get("class", "").split()
        for key in ((tag, ""), *(("", name) for name in classes), *((tag, name) for name in classes)):
            found = _over(found, self._rules.get(key, {}))
        found = _over(found, _of_rule(declarations(attributes.get("style", "")), 4, 0))
        return {name: value for name, (_, value) in found.items()}


def declarations(text: str) -> Style:
    """The properties of `name: value; ...` that decide what is drawn."""
    found: Style = {}
    for pair in text.split(";"):
        name, _, value = pair.partition(":")
        value, _, mark = value.partition("!")
        if name.strip().lower() in _PROPERTIES and value.strip():
            rank = (mark.strip() == "important", 0, 0)
            found = _over(found, {name.strip().lower(): (rank, value.strip().lower())})
    return found


def _of_rule(style: Style, special: int, place: int) -> Style:
    """Declarations with the rank of their rule: 1 for a tag, 2 for a class, 3 for a tag of a class, 4 for an element's own."""
    return {name: ((rank[0], special, place), value) for name, (rank, value) in style.items()}


def _over(style: Style, other: Style) -> Style:
    """`style` with the values of another one that are of no lower rank."""
    return style | {name: each for name, each in other.items() if name not in style or each[0] >= style[name][0]}
