"""Names that several columns of a file have: what is said of them, and where they must not be mixed up."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence

from mdn.data.tables import Again, Table, TableError, shown

LEAVE_OUT = "leave the other one out with --ignore {}"
_FEW_NAMED = 5  # columns that a sentence names


def said_again(columns: Sequence[str]) -> str:
    """The sentence about names that several columns have, "" if there are none."""
    again: dict[str, list[str]] = {}
    for name in columns:
        if isinstance(name, Again):
            again.setdefault(name.own, []).append(name)
    said = [
        f"{'two' if len(names) == 1 else len(names) + 1} columns are called {shown(own)}; the "
        f"{'second is' if len(names) == 1 else 'others are'} {', '.join(map(shown, names[:_FEW_NAMED]))}"
        f"{_more(names)}"
        for own, names in again.items()
    ]
    return "; ".join(said[:_FEW_NAMED]) + ";" * (len(said) > _FEW_NAMED) + _more(said) + "." * bool(said)


def _more(whole: Sequence[str]) -> str:
    return f" and {len(whole) - _FEW_NAMED} more" if len(whole) > _FEW_NAMED else ""


def check_one_of_a_name(table: Table, names: Collection[str], others: Collection[str], remedy: str) -> None:
    """Refuses a table in which one of some columns has its name together with one of others, so that they may be mixed up.

    Args:
        table: The table.
        names: The columns that must not be mixed up.
        others: The other columns that are used.
        remedy: What to do about the other column, whose name stands for "{}".

    Raises:
        TableError: if two columns have one name.
    """
    if not any(isinstance(name, Again) for name in table.columns):
        return
    owns = {name: name.own if isinstance(name, Again) else name for name in table.columns}
    wanted = {owns[name] for name in names if name in owns}
    for other in others:
        if other not in names and owns.get(other) in wanted:
            raise TableError(
                f"{table.source}: two columns are called {shown(owns[other])}, so that nobody knows which of them is meant. "
                f"Rename one of them in the file, or {remedy.format(shlex.quote(other))}."
            )
