"""Tables with declared types: what a user says of a column counts more than what its cells look like."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping

from mdn.data.tables import Table, TableError

CATEGORY, NUMBER, DATE = "category", "number", "date"


@dataclasses.dataclass(frozen=True)
class DeclaredTable(Table):
    """A table with the types of some columns.

    Attributes:
        kinds: "category", "number" or "date", by the name of the column.
    """

    kinds: Mapping[str, str] = dataclasses.field(default_factory=dict)


def declare(
    table: Table, *, category: Collection[str] = (), number: Collection[str] = (), date: Collection[str] = ()
) -> DeclaredTable:
    """The table with declared types of some columns.

    Read the file with `read_table(path, text=[*category, *date])`, so that their cells stay as written.

    Args:
        table: From `read_table` or `read_chunks`.
        category: Columns whose cells are categories, even if they look like numbers or dates.
        number: Columns whose cells are numbers.
        date: Columns whose cells are dates; 20240305 is a date only if it is declared.

    Raises:
        TableError: if there is no such column, or if one is declared twice.
    """
    kinds: dict[str, str] = {}
    for kind, names in ((CATEGORY, category), (NUMBER, number), (DATE, date)):
        for name in names:
            table.select([name])
            if kinds.setdefault(name, kind) != kind:
                raise TableError(f"column {name!r} is declared a {kinds[name]} and a {kind}: declare it once.")
    parts = {field.name: getattr(table, field.name) for field in dataclasses.fields(Table)}
    parts["text"] = (table.text | set(category)) - {*number, *date}
    return DeclaredTable(**parts, kinds=kinds)
