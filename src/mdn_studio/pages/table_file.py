"""What is in a table that came as an upload: the columns, the troubles and the target, as `mdn check` finds them."""

from __future__ import annotations

import functools
import io
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mdn.data.endings import PACKED, PARQUET
from mdn.wording import counted
from mdn_studio import limits
from mdn_studio.refused import Refused

ENDINGS = (".csv", ".tsv", ".tab", ".txt", ".dat", ".data", *PACKED, *PARQUET, ".xlsx")
ROLES = ("target", "ignore", "category", "number", "date", "id", "weight")
_ALONE = ("weight",)  # one column at most
_BINS, _SHOWN_ROWS, _SHOWN_COLUMNS, _CELL = 40, 5, 12, 60


def check_size(path: Path, instead: str) -> None:
    """Refuses a table of more rows or columns than the page takes; it is read only as far as that.

    Args:
        path: Of the table.
        instead: The command that takes more.

    Raises:
        ValueError: if it is too large, or no table.
    """
    from mdn.data import read_chunks

    names = next(read_chunks(path, rows=2)).columns
    if len(names) > limits.TABLE_COLUMNS:
        raise Refused(
            f"{path.name!r} has {len(names)} columns, and this page takes {limits.TABLE_COLUMNS} at most: use {instead}, which "
            "takes more."
        )
    rows, most = 0, min(limits.TABLE_ROWS, limits.TABLE_CELLS // len(names))
    for chunk in read_chunks(path, text=names):  # as text, so that no column can contradict its first rows
        rows += len(chunk)
        if rows > most:
            raise Refused(
                f"{path.name!r} has more than {most:,} rows of {counted(len(names), 'column')}, the most that this page takes: "
                f"use {instead}, which takes more."
            )


def roles_of(said: Mapping[str, str]):
    """The roles of columns, as the options of `mdn fit` say them.

    Args:
        said: One of `ROLES` for each column that has one.
    """
    from mdn_commands.columns import Roles

    named = {role: [name for name, one in said.items() if one == role] for role in ROLES}
    for role in _ALONE:
        if len(named[role]) > 1:
            raise Refused(
                f"one column can be the {role}, but {len(named[role])} were chosen: {', '.join(named[role])}."
            )
    weight = next(iter(named.pop("weight")), None)
    target, ignore, category, number, date, id_ = named.values()
    return Roles.of(target, ignore, category, number, date, id_, weight, None)


def asked_of(path: Path, roles) -> tuple[Any, list[str]]:
    """(the table as `mdn fit` asks for it, the sentences that `mdn fit` would print about it)."""
    asked, sentences = _asked(path, path.stat().st_mtime_ns, roles)
    return asked, list(sentences)


@functools.lru_cache(maxsize=2)  # a person changes a role and changes it back, and asks for the code
def _asked(path: Path, changed: int, roles):
    from rich.console import Console

    from mdn_commands import columns
    from mdn_commands.shared import listening

    with listening() as sentences:
        return columns.asked(path, roles, Console(quiet=True), None, None), sentences


def look(path: Path, said: Mapping[str, str]) -> dict[str, Any]:
    """What `mdn check` says of a table, for the page.

    Args:
        path: Of the table.
        said: As in `roles_of`.

    Raises:
        ValueError: if it is too large, no table, or its columns cannot have these roles.
    """
    from rich.console import Console

    from mdn.tabular import wording
    from mdn_commands import columns as table_columns
    from mdn_commands.check import say_targets, taken_options
    from mdn_commands.shared import listening

    with listening():
        roles = roles_of(said)
    asked, sentences = asked_of(path, roles)
    columns = asked.columns(asked.x)
    sentences += [*table_columns.troubles(columns), wording.missing(columns.missing(asked.x), len(asked.x))]
    about = {each.name: each for each in columns.about}
    printed = io.StringIO()
    if roles.target_names:
        with listening() as more:
            console = Console(file=printed, width=10_000, markup=False, highlight=False)
            say_targets(console, asked, taken_options(roles, None, None, None))
        sentences = [*printed.getvalue().splitlines(), *more, *sentences]
    return {
        "file": path.name,
        "rows": len(asked.table),
        "features": len(columns.table_names),
        "columns": [
            {
                "name": name,
                "kind": about[name].kind if name in about else "target",
                "detail": about[name].detail if name in about else "see the picture above",
                "role": said.get(name, ""),
            }
            for name in asked.table.columns
        ],
        "sentences": [one.replace(str(path), path.name) for one in sentences if one],
        "first": _first(asked.table),
        "histograms": [_histogram(name, y) for name, y in zip(roles.target_names, asked.y.T, strict=True)],
        "options": shlex.split(roles.options),
        "numeric": _numeric(asked.table),
    }


def _numeric(table) -> list[str]:
    """The columns that can be a target, the last first: a target stands at the end more often than not."""
    import numpy as np

    found = []
    for name, cells in zip(table.columns, table.cells, strict=True):
        numbers, text = (cells, []) if isinstance(cells, np.ndarray) else table.numbers_and_text(name)
        known = numbers[np.isfinite(numbers)]
        if not text and len(known) and known.min() < known.max():
            found.append(name)
    return found[::-1]


def _first(table) -> dict[str, Any]:
    """The first rows as text."""
    import numpy as np

    from mdn.tabular.frames import text_of

    some = table.take(np.arange(min(_SHOWN_ROWS, len(table))))
    rows = zip(*([text_of(cell)[:_CELL] for cell in column] for column in some.cells[:_SHOWN_COLUMNS]), strict=True)
    return {
        "columns": list(some.columns[:_SHOWN_COLUMNS]),
        "rows": list(rows),
        "more": len(some.columns) - _SHOWN_COLUMNS,
    }


def _histogram(name: str, y) -> dict[str, Any]:
    """How often a target has which value: a few extreme ones beyond the ends do not stretch it."""
    import numpy as np

    known = y[np.isfinite(y)]
    low, high = np.quantile(known, [0.005, 0.995])
    counts, edges = np.histogram(known, _BINS, (low, high) if low < high else None)
    return {"name": name, "counts": counts, "edges": edges, "beyond": int(len(known) - counts.sum())}
