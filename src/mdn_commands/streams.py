"""`mdn fit` of several files, a folder, a pattern, or a table larger than memory; `mdn predict` reads these, too."""

from __future__ import annotations

import dataclasses
import functools
import shlex
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from mdn_commands import columns as table_columns
from mdn_commands import rows as table_rows
from mdn_commands.columns import Asked, Roles
from mdn_commands.shared import tell

if TYPE_CHECKING:
    from mdn import MDNRegressor
    from mdn.data import Source, Table
    from mdn.tabular.columns import Columns
    from mdn.tabular.selection import Parts
    from mdn.tabular.sides import Split
    from mdn.tabular.streamed import How
    from mdn.tabular.survey import Rows, Survey

Memory = Annotated[
    float | None,
    typer.Option(
        min=0.001,
        help="About how many GB learning may take: rows of a table that needs more are read again and again from a folder of "
        "temporary files (TMPDIR); 1 by default.",
    ),
]
Processes = Annotated[
    int,
    typer.Option(
        min=1,
        help="How many processes of this machine train each network together, each on its part of the rows: 2, 4 or 8. If one "
        "dies, all go on from the last epoch.",
    ),
]
_JUDGED = 50_000  # rows that the figures are made from
_DONE = {"reading": "reading", "dealing": "writing rows for training"}
_MEMORY = 1.0


def in_parts(paths: Sequence[Path]) -> bool:
    """Whether these are several files, a folder or a pattern, and not one file that is read as such."""
    return (
        len(paths) != 1 or paths[0].is_dir() or (not paths[0].exists() and any(mark in str(paths[0]) for mark in "*?["))
    )


class Looked(NamedTuple):
    """A table in parts after the first pass over it.

    Attributes:
        source: The table.
        survey: What the pass has learnt.
        how: How it is learnt from.
        roles: What the options say of columns.
    """

    source: Source
    survey: Survey
    how: How
    roles: Roles

    @property
    def whole(self) -> bool:
        """Whether the table is learnt from in memory."""
        return self.survey.whole and self.how.processes == 1

    def asked(self) -> Asked:
        """The table in memory, as if it had come in one file."""
        table = dataclasses.replace(self.survey.all().table, source=self.source.name)
        return table_columns.asked_of(table, self.roles, self.survey.index)


def look(
    console,
    regressor: MDNRegressor,
    data: Sequence[Path],
    roles: Roles,
    memory: float | None,
    notation,
    processes: int = 1,
) -> Looked:
    """Reads a table in parts once; stops with a message if its columns do not have these roles.

    Args:
        console: Shows a bar.
        regressor: Says what targets may be.
        data: The paths.
        roles: What the options say of columns.
        memory: In GB.
        notation: How files are read, as `columns.reading` returns it.
        processes: How many train.
    """
    from mdn.data import source_of
    from mdn.tabular import streamed, wording
    from mdn.wording import agreed, counted

    declared: dict[str, Any] = {"category": roles.category, "number": roles.number, "date": roles.date}
    several = [str(path) for path in data]
    seen: Split | None = None  # what the sample says of the column, where the first block says otherwise
    with _stages(console) as moved:
        while True:
            source = source_of(several, text=roles.text, **declared, **notation)
            first = next(source.blocks())
            roles.check(first)
            split = seen or _split(first, roles)
            left = (
                [split.name] if split and not split.dates and split.name not in (*roles.category, *roles.number) else []
            )
            how = streamed.How(
                roles.bounds if roles.censoring else roles.target,
                roles.weight[0] if roles.weight else None,
                memory=memory or _MEMORY,
                tell=moved,
                ignore=tuple(dict.fromkeys([*roles.ignore, *roles.id, *left])),
                processes=processes,
                split=split,
            )
            survey = streamed.look(regressor, source, how)
            sample = survey.all() if survey.whole else survey.sample()
            if split is not None and seen is None and (seen := _split(sample.table, roles)) != split:
                continue
            if not survey.codes:
                break
            tell(wording.codes(survey.codes, table_columns.KEEP_NUMBERS))
            # again, since a number has lost how it was written
            declared["category"] = (*declared["category"], *survey.codes)
    table_columns.say_notes(survey.notes)
    if survey.left_out:
        also = f", or without a {roles.split_by[0]!r}," if roles.split_by else ""
        lost = survey.left_out
        console.print(
            f"{counted(lost, 'row')} without a target or a weight{also} {agreed(lost, 'is', 'are')} left out."
        )
    return Looked(source, survey, how, roles)


def learn(
    console, regressor: MDNRegressor, looked: Looked, test_share: float, calibrate_by: str | None, bar, kept
) -> Rows:
    """Trains on a table that does not fit into memory, and returns the rows that are set aside to judge by.

    Args:
        console: Shows what is done.
        regressor: The regressor.
        looked: The table.
        test_share: The share of the rows that is set aside; 50,000 of them are judged by at most.
        calibrate_by: The feature whose groups are calibrated by themselves, or None.
        bar: The callback that shows the training.
        kept: The folder of the checkpoint.
    """
    from mdn.tabular import streamed
    from mdn.tabular.codes import MissingCodes
    from mdn.tabular.lookalikes import LookAlike
    from mdn.tabular.member import listeners
    from mdn.wording import counted

    def learnt(columns: Columns, x: Table) -> None:
        index = looked.survey.index
        if index:
            table_columns.say_index(index)
        table_columns.complete(columns, looked.roles, looked.survey.columns, index)
        table_columns.show(console, columns, x)
        console.print(
            f"{counted(looked.survey.rows, 'row')}, {_why_in_blocks(looked)}; features: {len(columns.table_names)}."
        )
        if calibrate_by is not None:
            table_rows.check_calibrated(calibrate_by, columns.table_names)

    how = looked.how._replace(
        judge=(_JUDGED, test_share),
        heard_by=listeners([bar], 0),
        checkpoint=kept,
        on_columns=learnt,
        calibrate_by=calibrate_by,
    )
    with warnings.catch_warnings():
        for printed in (MissingCodes, LookAlike):
            warnings.simplefilter("ignore", printed)
        survey, parts = (looked.survey, None) if how.split is None else _divided(console, regressor, looked, how)
        train = functools.partial(streamed.train_here, regressor, looked.source, survey, how)
        return streamed.learn(regressor, survey, how, train, parts)


def _divided(console, regressor: MDNRegressor, looked: Looked, how: How) -> tuple[Survey, Parts]:
    """The survey and the parts of a table of which --split-by sets rows aside."""
    from mdn.tabular import splits, streamed

    name, dates = how.split or ("", False)
    try:
        survey, parts, said = streamed.divided(regressor, looked.source, looked.survey, how)
    except splits.TooFew:
        words = {*looked.survey.sample().table[name]}
        table_rows.refuse(name, dates, len(words), regressor.calibration is not None)
    if name in how.ignore and name not in (*looked.roles.ignore, *looked.roles.id):
        table_columns.say_groups(name)
    console.print(said)
    return survey, parts


def _split(rows: Table, roles: Roles) -> Split | None:
    """The column of --split-by, by some rows of a table."""
    from mdn.tabular.dates import holds_dates
    from mdn.tabular.frames import column
    from mdn.tabular.sides import Split

    return Split(roles.split_by[0], holds_dates(column(rows, roles.split_by[0]))) if roles.split_by else None


def _why_in_blocks(looked: Looked) -> str:
    if looked.how.processes > 1:
        return f"which {looked.how.processes} processes train on"
    return f"which take more than {looked.how.memory:g} GB"


@contextmanager
def _stages(console) -> Iterator[Callable[[str, float], Any]]:
    """Shows a bar; yields the function that moves it: what is done, and the share of it."""
    from mdn_commands.bars import Bar

    with Bar(console=console, transient=True, before=True) as progress:
        task = progress.add_task("reading", total=1.0)
        yield lambda what, share: progress.update(task, description=_DONE[what], completed=share)


def written(data: Sequence[Path]) -> str:
    """The paths as they are written in a shell."""
    return " ".join(shlex.quote(str(path)) for path in data)
