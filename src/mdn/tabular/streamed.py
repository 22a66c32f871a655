"""`MDNRegressor.fit` of a table that lies in files or partitions, and may be larger than memory.

One pass surveys the table. If it fits into memory, it is learnt from there. Else its sample says what columns are, how inputs are
scaled, what targets are taken for and how many components there are; a second pass writes all rows as float32 into lanes on
disk, and the members train from these.
"""

from __future__ import annotations

import functools
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from sklearn.utils.validation import check_random_state

from mdn.data.lanes import LANES, SEGMENT, TOGETHER, Lane, LaneWriter, Widths
from mdn.data.sources import ROWS, Source, source_of
from mdn.data.tables import Table
from mdn.tabular import inputs, learning, seen, wording
from mdn.tabular.columns import Columns
from mdn.tabular.fed_member import fit_fed_member
from mdn.tabular.fitting import Arrays, fit_rows, unchanged_by_failure
from mdn.tabular.member import Member
from mdn.tabular.outcome import Outcome
from mdn.tabular.selection import Parts, Selected, prepared
from mdn.tabular.sides import Split, sides_of
from mdn.tabular.survey import Rows, Survey, Wanted, survey_of
from mdn.tabular.together import LaneShare, fit_in_processes
from mdn.tabular.trainings import one_by_one
from mdn.training.checkpoints import digest
from mdn.training.feed import fetched_ahead
from mdn.training.interrupt import ctrl_c_waits
from mdn.training.processes import check_processes
from mdn.training.team import agreed, joined
from mdn.wording import counted

_SEGMENTS = 4  # of a lane at least, where a table is small
_PART_OF_MEMORY, _FEWEST_TOGETHER = 0.1, 4  # for rows that are shuffled together; segments of a lane
# A wide row makes segments shorter, so that as many of them fit into memory
_BYTES_OF_SEGMENT, _FEWEST_ROWS = 1 << 16, 16
_LANES = "mdn-lanes-"


class How(NamedTuple):
    """The arguments of `MDNRegressor.fit` for a source.

    Attributes:
        target: The names of the columns to predict; a single name for targets `(N,)`.
        weight: The name of the column of weights, or None.
        validation_data: As in `MDNRegressor.fit`.
        heard_by: As `member.listeners` returns it.
        checkpoint: As in `MDNRegressor.fit`.
        memory: In GB.
        judge: The most rows that are set aside for the caller, and their share of all rows.
        tell: Called with what is being done, "reading" or "dealing", and the share that is done.
        ignore: Columns that are no features.
        processes: How many processes of this machine train each network; the table is then always read in blocks.
        on_columns: Called with what columns are, and rows of features, before the training.
        split: The column by which rows are set aside, see `divided`; None sets rows aside by chance.
        calibrate_by: As `groups` in `MDNRegressor.calibrate`: the name of a feature, or None.
    """

    target: str | Sequence[str] | None
    weight: str | None = None
    validation_data: tuple | None = None
    heard_by: dict[str, Any] = {}  # noqa: RUF012 - read only
    checkpoint: Any = None
    memory: float = 1.0
    judge: tuple[int, float] = (0, 0.0)
    tell: Callable[[str, float], Any] | None = None
    ignore: tuple[str, ...] = ()
    processes: int = 1
    on_columns: Callable[[Columns, Table], Any] | None = None
    split: Split | None = None
    calibrate_by: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the targets."""
        return (self.target,) if isinstance(self.target, str) else tuple(self.target or ())

    def on_share(self, what: str) -> Callable[[float], Any] | None:
        """What `Source.blocks` calls."""
        return None if self.tell is None else functools.partial(self.tell, what)


def fit(regressor, X, y, how: How):
    """Learns from a source; see `MDNRegressor.fit`.

    Args:
        regressor: An `MDNRegressor` whose parameters are checked.
        X: What `source_of` takes.
        y: Must be None.
        how: The other arguments.
    """
    check(regressor, y, how)
    source = source_of(X)
    survey = look(regressor, source, how)
    if survey.codes and source.made is not None:  # read again, since a number has lost how it was written
        _warn(
            wording.codes(
                survey.codes, f"to keep numbers, declare them: mdn.data.source_of(..., number={survey.codes!r})."
            )
        )
        source = source.made(category=survey.codes)
        survey = look(regressor, source, how)
    for note in wording.notes(survey.notes):
        _warn(note)
    say_index(survey)
    if survey.whole and how.processes == 1 and joined().alone:
        learn_whole(regressor, survey, how)
    else:
        learn(regressor, survey, how, functools.partial(train_here, regressor, source, survey, how))
    return regressor


def look(regressor, source: Source, how: How) -> Survey:
    """The survey of a source.

    Raises:
        ValueError: if the source lacks a column, a target is no number, or fewer than 2 rows have a target and a weight.
    """
    survey = survey_of(source, wanted_of(regressor, how), 1e9 * how.memory, how.on_share("reading"))
    check_enough(survey, source.name)
    return survey


def _warn(sentence: str) -> None:
    warnings.warn(sentence, UserWarning, stacklevel=4)


def say_index(survey: Survey) -> None:
    """Warns of a first column that only numbers the rows, which is no feature."""
    if survey.index:
        warnings.warn(
            wording.numbering(f"to keep it, declare it: mdn.data.source_of(..., number=[{survey.index!r}])."),
            UserWarning,
            stacklevel=4,
        )


def wanted_of(regressor, how: How) -> Wanted:
    """What a survey looks for.

    Raises:
        ValueError: if `how.memory` is no number above 0.
    """
    if not isinstance(how.memory, int | float) or not how.memory > 0.0:
        raise ValueError(f"`memory` must be a number of GB above 0, but {how.memory!r} came.")
    seed = int(agreed(check_random_state(regressor.random_state).randint(0, 2**31 - 1)))
    split_by = None if how.split is None else how.split.name
    return Wanted(how.names, how.weight, regressor.censoring, seed, how.ignore, split_by)


def check_enough(survey: Survey, name: str) -> None:
    """Refuses a table, called `name` in the message, with too few rows to learn from."""
    if survey.rows < 2:
        wanted, many = survey.wanted, "only 1" if survey.rows else "none"
        parts = "a target and a weight" if wanted.split_by is None else f"a target, a weight and {wanted.split_by!r}"
        side = "" if wanted.sides is None else " on the side that is learnt from"
        raise ValueError(
            f"{name}: at least 2 rows with {parts}{side} are needed, but {many} of "
            f"{counted(survey.rows + survey.left_out, 'row')} is such a row."
        )


def check(regressor, y, how: How) -> None:
    """Refuses arguments of `fit` that do not go with a source."""
    if not how.names:
        raise ValueError('a source needs `target`, the name of the column to predict: fit(source, target="y").')
    if y is not None:
        raise ValueError(
            f"`y` must be None with `target`, which names the columns of a source, but {type(y).__name__} came."
        )
    if how.weight is not None and not isinstance(how.weight, str):
        raise ValueError(
            f"`sample_weight` must be the name of a column of the source, but {type(how.weight).__name__} came."
        )
    if regressor.trunk is not None:
        raise ValueError("`trunk` must be None with a source, which is a table of columns: pass arrays.")


def learn_whole(regressor, survey: Survey, how: How) -> None:
    """Learns from a table that fits into memory, as from any other one."""
    rows, how = survey.all(), how._replace(ignore=survey.wanted.ignore)
    x, y, weight = _columns(regressor, rows, how)
    settings = how.validation_data, how.heard_by, how.checkpoint, _names(regressor, how)
    regressor._fit_table(x, y, weight if how.weight else None, *settings)
    _remember(regressor, rows, how)
    regressor.columns_.leave_out_index(survey.index)


def _columns(regressor, rows: Rows, how: How) -> tuple[Table, np.ndarray, np.ndarray]:
    """(the features, the targets in the form of `fit`, the weights) of rows."""
    one = isinstance(how.target, str) and not regressor.censoring
    gone = (*how.names, *([how.weight] if how.weight else []), *how.ignore)
    return rows.table.drop(*gone), rows.y[:, 0] if one else rows.y, rows.weight


def _remember(regressor, rows: Rows, how: How) -> None:
    """Keeps how the numbers of targets are written, too: those of a source that is scored are read like them."""
    regressor.columns_.remember(rows.table, [*regressor.columns_.levels, *how.names])


def _names(regressor, how: How) -> list[str]:
    return list(
        how.names[:1] if regressor.censoring == "right" else ["-".join(how.names)] if regressor.censoring else how.names
    )


Train = Callable[[Sequence[learning.Task], Selected], list[Member]]
"""Trains members on the selected rows of a whole table."""


def divided(regressor, source: Source, survey: Survey, how: How) -> tuple[Survey, Parts, str]:
    """(a survey of the rows that are learnt from, the parts of the table, which rows are judged by) where `how.split` divides it.

    The sample of the table says which dates, or which groups, are set aside. The table is read once more, since what is learnt
    must not depend on the rows that are set aside: neither the range of a column, nor its levels, nor its missing values.

    Args:
        regressor: The regressor.
        source: The table.
        survey: Of the whole table.
        how: The other arguments.

    Raises:
        splits.TooFew: if there are too few dates or groups.
        ValueError: if a cell is no date, or fewer than 2 rows are left to learn from.
    """
    sample, wanted = survey.sample(), survey.wanted
    shares = how.judge[1], regressor.calibration is not None, regressor.validation_fraction
    sides, aside = sides_of(sample.table, cast(Split, how.split), shares, wanted.seed)
    learnt = survey_of(source, wanted._replace(sides=sides), 1e9 * how.memory, how.on_share("reading"))
    check_enough(learnt, source.name)
    return learnt, Parts.by_sides(sample, aside, learnt, how.judge[0]), aside.said


def learn(regressor, survey: Survey, how: How, train: Train, parts: Parts | None = None) -> Rows:
    """Learns from a table that does not fit into memory, and returns the rows that are set aside to judge by.

    Args:
        regressor: The regressor.
        survey: Of the rows that are learnt from, and of those that are set aside by chance.
        how: The other arguments.
        train: Trains the members.
        parts: As `divided` returns them; None: rows are set aside by chance.
    """
    if parts is None:
        stop = regressor.validation_fraction if how.validation_data is None else 0.0
        parts = Parts.of(survey, judge=how.judge, calibrate=regressor.calibration is not None, stop=stop)
    how = how._replace(ignore=survey.wanted.ignore)
    with unchanged_by_failure(regressor):
        regressor.calibration_ = None
        regressor.__dict__.pop("kept_", None)  # of `partial_fit`
        features, y, _ = _columns(regressor, parts.learn, how)
        x, y = regressor._learn_table(features, y, survey.counted, _names(regressor, how))
        _remember(regressor, parts.learn, how)
        if how.on_columns is not None:
            how.on_columns(regressor.columns_, features)
        else:
            regressor.columns_.leave_out_index(survey.index)
        mean_weight = survey.weight / survey.rows

        def held_out() -> Arrays:
            if how.validation_data is not None:
                return inputs.held_out(regressor, how.validation_data)
            return (*prepared(regressor, parts.stop, survey.wanted), parts.stop.weight / mean_weight)

        def elsewhere(tasks, outcome: Outcome) -> list[Member]:
            rows = tasks[0][1]
            widths = Widths(rows.x.shape[1], rows.y.shape[1])
            table = digest(repr((survey.checksum, survey.rows, int(parts.limit), survey.wanted)))
            tasks = [(shape, rows._replace(elsewhere=table), *rest) for shape, rows, *rest in tasks]
            return train(tasks, Selected(survey.wanted, mean_weight, parts.limit, outcome, widths))

        rows = x, y, parts.learn.weight / mean_weight
        fit_rows(regressor, rows, held_out, heard_by=how.heard_by, checkpoint=how.checkpoint, elsewhere=elsewhere)
    if len(parts.calibrate.hashes):
        x, y, _ = _columns(regressor, parts.calibrate, how)
        regressor._calibrate(x, y, how.calibrate_by)
    return parts.judge


def train_here(regressor, source: Source, survey: Survey, how: How, tasks, selected: Selected) -> list[Member]:
    """Writes the rows of a source into lanes, and trains members from these on this machine.

    Args:
        regressor: The regressor, which has learnt all but its members.
        source: The table.
        survey: Its survey.
        how: The other arguments.
        tasks: The arguments of `fit_member`.
        selected: Which rows are trained on.
    """
    team = joined()
    kept = how.checkpoint if team.process == 0 else None
    processes = how.processes * team.processes
    _check_processes(how.processes, processes, lanes_for(regressor.batch_size, survey.rows))
    with _room(kept) as folder:
        lanes = deal(regressor, source, survey, selected, folder, how)
        if lanes is None:
            return []
        width = tasks[0][0].width
        together = together_for(selected.widths, lanes[0].segment, len(lanes), how.memory)
        shares = [
            LaneShare(lanes, regressor.batch_size, place, processes, {"width": width, "together": together})
            for place in range(processes)
        ]
        if how.processes > 1:
            fit_it = functools.partial(fit_in_processes, shares=shares, folder=kept)
        else:
            fit_it = functools.partial(fit_fed_member, feed=shares[team.process], folder=kept, mesh=team.mesh)
        # Joined processes must do the same steps, so none of them may skip a member that it has kept
        return one_by_one(tasks, kept if team.alone else None, fit_it, **how.heard_by)


def _check_processes(here: int, processes: int, lanes: int) -> None:
    check_processes(here)
    if here > 1 and here != processes:
        raise ValueError(f"`processes` must be 1 where a launcher has started several processes, but {here} came.")
    if lanes % processes:
        raise ValueError(
            f"{processes} processes cannot divide the {lanes} lanes of a batch: take "
            f"{', '.join(str(each) for each in range(1, lanes + 1) if lanes % each == 0)} processes, or another batch_size."
        )


def deal(regressor, source: Source, survey: Survey, selected: Selected, folder, how: How) -> list[Lane] | None:
    """Writes the rows that are trained on into the lanes that this process reads; None if Ctrl-C was pressed.

    Args:
        regressor: The regressor, which has learnt all but its members.
        source: The table.
        survey: Its survey.
        selected: Which rows are trained on.
        folder: Where the lanes lie.
        how: The other arguments.
    """
    team = joined()
    _check_room(folder, survey.rows * 4 * selected.widths.row / team.processes)
    lanes = lanes_for(regressor.batch_size, survey.rows)
    segment = segment_for(selected.widths, survey.rows, lanes)
    blocks = fetched_ahead(source.blocks(ROWS, how.on_share("dealing")))
    found = np.zeros(0, "int64")
    written = range(team.process, lanes, team.processes)  # processes of a launcher do not share a disk
    with LaneWriter(folder, selected.widths, range(lanes), segment, written) as writer, ctrl_c_waits() as pressed:
        for number, block in enumerate(blocks):
            if pressed:
                return None
            rows = selected.of(regressor, block, number)
            if rows is not None:
                found = np.array(seen.smallest(np.concatenate([found, rows.checksums])), "int64")
                writer.write(rows.x, rows.y, rows.weight)
    regressor.seen_, regressor.n_samples_seen_ = found.tolist(), sum(lane.rows for lane in writer.lanes)
    return writer.lanes


def lanes_for(batch_size: int, rows: int) -> int:
    """Among how many lanes the rows of a batch are divided."""
    return max(lanes for lanes in range(1, max(1, min(LANES, rows)) + 1) if batch_size % lanes == 0)


def segment_for(widths: Widths, rows: int, lanes: int) -> int:
    """How many rows of a table are dealt to a lane, and read, together."""
    wide = max(_FEWEST_ROWS, _BYTES_OF_SEGMENT // (4 * widths.row))
    return max(1, min(SEGMENT, wide, rows // (lanes * _SEGMENTS)))


def together_for(widths: Widths, segment: int, lanes: int, memory: float) -> int:
    """How many segments of a lane are shuffled together, which the memory, in GB, allows."""
    together = int(_PART_OF_MEMORY * 1e9 * memory / (8 * widths.row * segment * lanes))
    return max(_FEWEST_TOGETHER, min(TOGETHER, together))


@contextmanager
def _room(checkpoint) -> Iterator[str]:
    """A folder for the lanes, removed in the end; within that of the checkpoint, so that a kill leaves nothing elsewhere."""
    if checkpoint is not None:
        Path(checkpoint).mkdir(parents=True, exist_ok=True)
        for left in Path(checkpoint).glob(f"{_LANES}*"):  # of a training that was killed
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=_LANES, dir=checkpoint) as folder:
        yield folder


def _check_room(folder, size: float) -> None:
    free = shutil.disk_usage(folder).free
    if size > free:
        raise OSError(
            f"the rows take {size / 1e9:.3g} GB in {folder}, where {free / 1e9:.3g} GB are free: make room, or name another "
            "folder by the environment variable TMPDIR."
        )
