"""Messages between a page in the browser and its class here: JSON objects with a kind, an id and declared fields.

A page sends `{"kind": "draw.ghosts", "id": 7, ...}` and gets `{"kind": "draw.ghosts", "id": 7, ...}` or
`{"kind": "error", "id": 7, "sentence": "..."}`. What the server sends by itself has no id.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from mdn.data import schema
from mdn.files import sentence
from mdn_studio.refused import Refused

ID = schema.maybe(schema.whole())


def message(kind: str, *, optional: tuple[str, ...] = (), turn: str = "", **fields: schema.Rule) -> Callable:
    """Declares that a method of a page answers messages of a kind.

    The method is called as `await method(session, **fields)`; fields in `optional` may be missing. It returns a mapping,
    which is the answer, or None for an empty one, and raises ValueError or OSError with a sentence for the page.

    Args:
        kind: Without the name of the page.
        optional: Names of fields that may be missing.
        turn: Messages of one turn are answered one after the other; "" is the turn of all others of the page.
        **fields: A rule of `mdn.data.schema` for each field.
    """
    rule = schema.named(fields, optional)

    def declared(method):
        method.message, method.rule, method.turn = kind, rule, turn
        return method

    return declared


def handlers(page) -> dict[str, Callable]:
    """The methods of a page that answer messages, by their kinds, the name of the page included."""
    methods = (getattr(type(page), name) for name in dir(type(page)))
    return {f"{page.name}.{one.message}": one.__get__(page) for one in methods if hasattr(one, "message")}


def read(text: str) -> tuple[str, int | None, dict[str, Any]]:
    """The kind, the id and the fields of a message.

    Raises:
        Refused: if it is no message; the sentence says why.
    """
    try:
        content = json.loads(text, parse_constant=_not_a_number)
    except (ValueError, RecursionError) as error:
        raise Refused(f"a message must be JSON: {sentence(error)}") from None
    if not isinstance(content, dict) or not isinstance(content.get("kind"), str):
        raise Refused("a message must be a JSON object with a `kind`, which is text.")
    kind = content.pop("kind")
    try:
        number = ID(content.pop("id", None), "id")
    except ValueError as error:
        raise Refused(str(error)) from None
    return kind, number, content


def _not_a_number(name: str):
    raise ValueError(f"{name} is no number of JSON.")


def text(kind: str, number: int | None = None, fields: Mapping[str, Any] | None = None) -> str:
    """A message as text; numbers that JSON does not know (NaN, infinities) become null."""
    content = {"kind": kind, **({} if number is None else {"id": number}), **(fields or {})}
    try:
        return json.dumps(content, allow_nan=False, separators=(",", ":"), default=_plain)
    except ValueError:
        return json.dumps(_finite(content), allow_nan=False, separators=(",", ":"), default=_plain)


def _plain(value):
    """NumPy's and the backends' numbers and arrays, as lists."""
    return _finite(value.tolist()) if hasattr(value, "tolist") else str(value)


def _finite(value):
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
