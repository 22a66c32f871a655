"""Which options the user wrote, so that none that has no effect is ignored in silence."""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar

import typer
from typer.core import TyperCommand

from mdn_commands.shared import stop

_running: ContextVar[typer.Context | None] = ContextVar("the command that runs", default=None)


class Command(TyperCommand):
    """A command that knows which of its options came and which are defaults."""

    def invoke(self, ctx):
        """Runs the command."""
        token = _running.set(ctx)
        try:
            return super().invoke(ctx)
        finally:
            _running.reset(token)


def remembered(*groups: typer.Typer) -> None:
    """Makes every command of the groups a `Command`."""
    for group in groups:
        for command in group.registered_commands:
            command.cls = Command


def came(option: str) -> bool:
    """Whether the user wrote an option, such as "--which", or an argument, such as "TEXT", of the command that runs."""
    context = _running.get()
    if context is None:
        return False
    names = [one.name for one in context.command.params if option.lower() in (*one.opts, *one.secondary_opts)]
    return any(_is_written(context, name) for name in names)


def _is_written(context, name) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def only_with(there: object, needed: str, *options: str) -> None:
    """Stops with a message if options came without what they need.

    Args:
        there: Whether it is there.
        needed: What the options need, such as "--call".
        *options: Their names, such as "--which".
    """
    useless = [] if there else _of_those_that_came(options)
    if useless:
        stop(f"{_have(useless)} an effect only with {needed}: add that, or leave {' and '.join(useless)} out.")


def not_with(there: object, other: str, *options: str) -> None:
    """Stops with a message if options came beside something that leaves them without effect.

    Args:
        there: Whether the other one is there.
        other: What it is, such as "a .mid, which holds one performance".
        *options: Their names, such as "--count".
    """
    useless = _of_those_that_came(options) if there else []
    if useless:
        stop(f"{_have(useless)} no effect with {other}: leave {' and '.join(useless)} out.")


def _of_those_that_came(options: Iterable[str]) -> list[str]:
    return [one for one in options if came(one)]


def _have(options: list[str]) -> str:
    from mdn.wording import agreed

    return f"{' and '.join(options)} {agreed(len(options), 'has', 'have')}"
