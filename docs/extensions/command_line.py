"""The directive `commands`: every command of `mdn` with its arguments and options, as `--help` says them.

The page is made from the commands themselves when the site is built, so it cannot fall behind them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from docstrings import plain
from sphinx.util.docutils import SphinxDirective

_OPTION = re.compile(r"(?<![\w`-])(--[a-z][\w-]*)")
_QUOTED = re.compile(r"(?<!\w)('[^'\s]*')(?!\w)")  # typed with its quotes, which must not become typographic
_CODE = re.compile(r"`([^`]+)`")
_REMARKS = re.compile(r"\s*\[((?:default: |required|[\w.]+<=?x|x[<>]).*)\]$")  # what typer adds: "[default: 0; x>=0]"


def commands() -> Iterator[tuple[object, object]]:
    """(context, command) of `mdn` and of all commands below it; a group comes before its members."""
    import typer.main

    from mdn_commands.app import app

    def below(command, name, parent) -> Iterator[tuple[object, object]]:
        context = type(command).context_class(command, info_name=name, parent=parent)
        yield context, command
        for name, member in getattr(command, "commands", {}).items():
            yield from below(member, name, context)

    return below(typer.main.get_command(app), "mdn", None)


def marked_up(text: str) -> str:
    """A help text as reStructuredText: code stays code, so do names of options, and other signs are no markup."""
    (text,) = plain([_QUOTED.sub(r"`\1`", " ".join(text.split()))])
    text = _CODE.sub(r"``\1``", text)
    parts = re.split(r"(``.+?``)", text)
    return "".join(part if part.startswith("``") else _OPTION.sub(r"``\1``", part) for part in parts)


def described(context, command) -> str:
    """One command as reStructuredText: a heading, what it does, how it is called, and each argument and option."""
    path = context.command_path
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    lines = [
        path,
        "-" * len(path),
        "",
        marked_up(command.help or ""),
        "",
        ".. code-block:: text",
        "",
        f"   {usage}",
        "",
    ]
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is None or parameter.name == "help":
            continue
        name, text = record
        remarks = _REMARKS.search(text)
        lines += [f"``{name}``", f"   {marked_up(text[: remarks.start()] if remarks else text)}"]
        if remarks:
            lines[-1] += f" ``{remarks[1]}``"
        lines.append("")
    return "\n".join(lines)


class Commands(SphinxDirective):
    """`.. commands::`, without arguments."""

    def run(self):
        """The sections of all commands that do something."""
        leaves = [
            described(context, command) for context, command in commands() if not getattr(command, "commands", None)
        ]
        return self.parse_text_to_nodes("\n".join(leaves), allow_section_headings=True)


def setup(app):
    """Registers the directive."""
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
