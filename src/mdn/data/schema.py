"""Checks of the description in a file: names, types, ranges, shapes and finite numbers.

A rule is a function `(value, name) -> value` that raises a ValueError whose sentence begins with the name. Rules are made of
rules: `record(units=listed(whole(1)), kind=one_of("lstm", "gru"))`. `mdn.data.reading` puts the name of the file before such
a sentence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from mdn.wording import counted

Rule = Callable[[Any, str], Any]
MOST = 2**31 - 1  # the limit of whole numbers that have no other
_SHOWN = 60  # characters of a wrong value that a message shows


def _expect(good: bool, name: str, what: str, value) -> None:
    if not good:
        shown = repr(value)
        shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
        raise ValueError(f"`{name}` must be {what}, but {shown} stands there.")


def whole(least: int = 0, most: int = MOST) -> Rule:
    """A whole number within limits."""

    def rule(value, name):
        good = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        _expect(good, name, f"a whole number from {least} to {most}", value)
        return value

    return rule


def number(least: float = -math.inf, most: float = math.inf, *, above: float = -math.inf) -> Rule:
    """A finite number from `least` to `most` that is greater than `above`."""
    limits = [f"of at least {least:g}"] * (least > -math.inf) + [f"of at most {most:g}"] * (most < math.inf)
    limits += [f"above {above:g}"] * (above > -math.inf)
    what = " ".join(["a finite number", " and ".join(limits)]).rstrip()

    def rule(value, name):
        good = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2.0**1023
        _expect(good and least <= value <= most and above < value, name, what, value)
        return value

    return rule


def figure(value, name: str):
    """Any number, NaN and infinity included, such as a loss of a training."""
    _expect(isinstance(value, int | float) and not isinstance(value, bool), name, "a number", value)
    return value


def flag(value, name: str):
    """True or false; also 0 and 1."""
    _expect(isinstance(value, bool) or value in (0, 1), name, "true or false", value)
    return value


def text(value, name: str) -> str:
    """Any text."""
    _expect(isinstance(value, str), name, "text", value)
    return value


def anything(value, name: str):
    """Any value."""
    return value


def one_of(*values) -> Rule:
    """One of a few values, with the same type."""

    def rule(value, name):
        good = any(type(value) is type(one) and value == one for one in values)
        _expect(good, name, f"one of {', '.join(map(repr, values))}", value)
        return value

    return rule


def either(*rules: Rule) -> Rule:
    """A value that passes at least one of several rules; the error message is that of the last rule."""

    def rule(value, name):
        for one in rules[:-1]:
            try:
                return one(value, name)
            except ValueError:
                continue
        return rules[-1](value, name)

    return rule


def maybe(rule: Rule) -> Rule:
    """None (`null` in JSON), or a value that passes the rule."""
    return lambda value, name: None if value is None else rule(value, name)


def listed(rule: Rule, count: int | None = None, least: int = 0) -> Rule:
    """A list of `count` values, or of at least `least`, each of which passes the rule."""

    def checked(value, name):
        _expect(isinstance(value, list), name, "a list", value)
        if count is not None or len(value) < least:
            wanted = (
                f"a list of {counted(least, 'value')} or more"
                if count is None
                else f"a list of {counted(count, 'value')}"
            )
            _expect(len(value) == count, name, wanted, value)
        return [rule(one, f"{name}[{i}]") for i, one in enumerate(value)]

    return checked


def mapping(rule: Rule) -> Rule:
    """Values by name, with any names, each of which passes the rule."""

    def checked(value, name):
        _expect(isinstance(value, dict), name, "values by name", value)
        return {key: rule(one, f"{name}.{key}" if name else key) for key, one in value.items()}

    return checked


def record(*, optional: Iterable[str] = (), others: bool = False, **rules: Rule) -> Rule:
    """Values by name, with a rule for each name.

    Args:
        optional: Names that may be missing.
        others: Whether other names are allowed; their values are not checked.
        **rules: The rule for each name.
    """
    return named(rules, optional, others)


def named(rules: Mapping[str, Rule], optional: Iterable[str] = (), others: bool = False) -> Rule:
    """As `record`, with the rules in a mapping, so that any name can have one."""

    def checked(value, name):
        _expect(isinstance(value, dict), name or "the description", "values by name", value)
        within = f"{name}." if name else ""
        missing = [key for key in rules if key not in value and key not in optional]
        if missing:
            raise ValueError(f"`{within}{missing[0]}` is missing.")
        unknown = [key for key in value if key not in rules]
        if unknown and not others:
            raise ValueError(f"`{within}{unknown[0]}` is not known here.")
        return {key: rules.get(key, anything)(one, f"{within}{key}") for key, one in value.items()}

    return checked


def array(*shape: int | None, kinds: str = "f", infinite: bool = False) -> Rule:
    """A NumPy array of a shape, whose floats are finite.

    Args:
        *shape: A size for each axis; None allows any.
        kinds: The allowed kinds of its dtype, in NumPy's letters.
        infinite: Whether infinities are allowed; NaN never is.
    """

    def rule(value, name):
        _expect(isinstance(value, np.ndarray), name, "an array", value)
        fits = value.ndim == len(shape) and all(
            want in (None, size) for want, size in zip(shape, value.shape, strict=True)
        )
        wanted = "(" + ", ".join("any" if size is None else str(size) for size in shape) + ")"
        if not fits or value.dtype.kind not in kinds:
            raise ValueError(
                f"`{name}` must be an array of shape {wanted} of kind {kinds!r}, but it is {value.dtype} of shape {value.shape}."
            )
        bad = value.dtype.kind in "fc" and not (~np.isnan(value) if infinite else np.isfinite(value)).all()
        if bad:
            raise ValueError(f"`{name}` holds NaN{'' if infinite else ' or infinity'}.")
        return value

    return rule
