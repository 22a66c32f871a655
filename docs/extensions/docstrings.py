"""Docstrings are written for a terminal: signs that reStructuredText would take for markup are meant as they stand.

Only formulas between dollars become formulas.
"""

from __future__ import annotations

import re

_CODE = re.compile(r"(`+.+?`+|:math:`[^`]*`|(?<!\w)\$[^$]+\$(?!\w))")
_MARKUP = re.compile(r"([*|\\]|(?<=\w)_(?!\w))")
_LITERAL = re.compile(r"\s*(>>>|\.\.\.|\.\. )")


def plain(lines: list[str]) -> list[str]:
    """The lines with `*`, `|`, backslashes and underscores at the end of words escaped, but not in code, formulas and examples.

    Args:
        lines: Those of a docstring.
    """
    escaped, literal = [], False
    for line in lines:
        literal = bool(_LITERAL.match(line)) or (literal and bool(line.strip()))
        escaped.append(line if literal else "".join(map(_part, _CODE.split(line))))
    return escaped


def _part(part: str) -> str:
    if _CODE.fullmatch(part):
        return f":math:`{part[1:-1]}`" if part.startswith("$") else part
    return _MARKUP.sub(r"\\\1", part)


def _process(app, what, name, obj, options, lines) -> None:
    lines[:] = plain(lines)


def setup(app):
    """Connects to Sphinx, before napoleon reads the sections."""
    app.connect("autodoc-process-docstring", _process, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
