"""What the style of an SVG says of an element: attributes, the rules of `<style>` for tags and classes, and `style="..."`."""

from __future__ import annotations

import re
from collections.abc import Mapping

_SIMPLE = re.compile(r"([\w-]*)(?:\.([\w-]+))?")  # a tag, a class, or a tag of a class
_PROPERTIES = ("stroke", "display", "visibility")
Style = dict[str, tuple[str, bool]]  # from a property to its value, and whether it is !important


class Rules:
    """The simple rules of the style sheets of an SVG: `.class`, `tag` and `tag.class`; of others nothing is read."""

    def __init__(self) -> None:
        self._rules: dict[tuple[str, str], Style] = {}

    def read(self, sheet: str) -> None:
        """Adds the rules of a style sheet."""
        first, *others = sheet.split("/*")  # all is split: a regular expression may take the square of a sheet's length
        plain = first + "".join(one.partition("*/")[2] for one in others)
        for selectors, _, body in (rule.partition("{") for rule in plain.split("}")):
            style = declarations(body)
            for selector in selectors.split(","):
                if found := _SIMPLE.fullmatch(selector.strip()):
                    key = (found[1], found[2] or "")
                    self._rules[key] = _over(self._rules.get(key, {}), style)

    def of(self, tag: str, attributes: Mapping[str, str]) -> dict[str, str]:
        """The properties of an element that decide what is drawn: stroke, display and visibility."""
        found: Style = {name: (attributes[name].strip(), False) for name in _PROPERTIES if name in attributes}
        classes = attributes.get("class", "").split()
        for key in ((tag, ""), *(("", name) for name in classes), *((tag, name) for name in classes)):
            found = _over(found, self._rules.get(key, {}))
        found = _over(found, declarations(attributes.get("style", "")))
        return {name: value for name, (value, _) in found.items()}


def declarations(text: str) -> Style:
    """The properties of `name: value; ...` that decide what is drawn."""
    found: Style = {}
    for pair in text.split(";"):
        name, _, value = pair.partition(":")
        value, _, mark = value.partition("!")
        if name.strip().lower() in _PROPERTIES and value.strip():
            found = _over(found, {name.strip().lower(): (value.strip().lower(), mark.strip() == "important")})
    return found


def _over(style: Style, later: Style) -> Style:
    """`style` with what a later or more special one says; what is !important gives way only to what is, too."""
    return style | {name: each for name, each in later.items() if each[1] or not style.get(name, ("", False))[1]}
