"""Which column of a recording tells the time, how much of it passes from row to row, and where another recording begins."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mdn.wording import counted

ROW = "row"
_SECONDS = {
    name: seconds
    for names, seconds in (
        ("ns nanosecond nanoseconds", 1e-9),
        ("us µs μs microsecond microseconds", 1e-6),
        ("ms msec msecs millis millisecond milliseconds", 1e-3),
        ("s sec secs second seconds", 1.0),
        ("min mins minute minutes", 60.0),
        ("h hr hrs hour hours", 3600.0),
        ("d day days", 86_400.0),
    )
    for name in names.split()
}
_TIMES = {"time", "times", "t", "date", "datetime", "timestamp", "timestamps", "elapsed", "epoch", "clock"}
_UNITS = {"ms", "msec", "millis", "milliseconds", "sec", "secs", "seconds"}  # units that may stand alone as a name
_MAYBE = {*_SECONDS, "month", "year"} - {"d"}  # an hour of the day has such a name, too: these must rise in each row
_COUNTERS = {"frame", "frames", "index", "sample", "samples", "row", "rows"}
_ADDED = {"number", "no", "nr", "id", "stamp", "unix", "since", "start", "utc", "local", "in"}  # to such a name
_HEADS = {"min", "index"}  # the time only if they stand first, as names of a letter: T is a temperature, too
_LIKE = 0.01  # two steps of time that differ by this share count as the same
_UNEVEN, _MOSTLY = 0.5, 0.9  # even steps: this share of them lies within this share of their median
_STRAIGHT = 1e-3  # two columns of time agree up to this share of their range: one may be rounded
_LARGEST = 1e30  # of larger values steps cannot be trusted
_BACK = 0.1  # a column tells no time if a larger share of its changes goes back


@dataclass(frozen=True)
class Clock:
    """What a recording says of its time.

    Attributes:
        name: The column that tells the time, None if there is none.
        step: How much time passes from row to row, in `unit`.
        unit: "s", the name of the column, or "row" if nothing is known.
        begins: The rows after the first at which another recording begins.
        left: All columns that are no channels: that of the time, and others that tell it or number the rows.
        rises: Whether each row has a time, and it rises.
        notes: What else the user should know, a sentence each.
    """

    name: str | None = None
    step: float = 1.0
    unit: str = ROW
    begins: tuple[int, ...] = ()
    left: tuple[str, ...] = ()
    rises: bool = False
    notes: tuple[str, ...] = ()

    def sentences(self, path, asked: Collection[str] | None) -> list[str]:
        """What the user should know; that a rising column is the time, only if no channels were asked for."""
        taken = f"column {self.name!r} rises from row to row, so it is taken for the time and left out."
        return [f"{path}: {note}" for note in (*([taken] if self.rises and asked is None else []), *self.notes)]


@dataclass(frozen=True)
class _Column:
    """A column that may tell the time: its name, its known cells, and the steps between them, by row."""

    name: str
    kind: str  # "time", "first", "maybe", "counter", or "beside", which may tell it only beside another one
    unit: str
    values: np.ndarray
    rows: np.ndarray
    steps: np.ndarray

    @property
    def rises(self) -> bool:
        return bool(np.all(self.steps > 0.0))

    @property
    def falls(self) -> bool:
        return bool(np.any(self.steps < 0.0) and np.all(self.steps <= 0.0))

    @property
    def even(self) -> bool:
        typical = np.median(self.steps)
        return bool(np.mean(np.abs(self.steps - typical) <= _UNEVEN * typical) >= _MOSTLY)

    @property
    def tells(self) -> bool:
        """Whether the column can be the time."""
        if self.kind == "beside":
            return False
        if self.kind in ("maybe", "first"):
            return self.rises and (self.kind == "maybe" or self.even)
        return bool(np.any(self.steps > 0.0) and np.sum(self.steps < 0.0) <= _BACK * np.sum(self.steps != 0.0))

    def repeats(self, time: _Column) -> bool:
        """Whether the column numbers the rows, or has a name of time and is the time in another unit or from another start."""
        if self.kind == "first" or np.all(self.steps == 1.0):
            return bool(np.all(self.steps == 1.0))
        rows = np.intersect1d(self.rows, time.rows)
        mine, others = self.values[rows], time.values[rows]
        if len(rows) < 2 or not np.ptp(mine) or not np.ptp(others):
            return False
        mine, others = mine - mine.mean(), others - others.mean()
        slope = (mine @ others) / (others @ others)
        return bool(slope > 0.0 and np.abs(mine - slope * others).max() <= _STRAIGHT * np.ptp(mine))

    @property
    def step(self) -> float:
        """How much time passes from row to row; of a clock that often repeats, between its ticks: NaN if it has only one."""
        onward = self.steps[self.steps >= 0.0]
        if np.mean(onward > 0.0) >= _MOSTLY:
            return float(np.median(onward))
        passed = rows = 0.0  # from the first tick of a recording to its last
        for part in np.split(np.arange(len(self.steps)), np.flatnonzero(self.steps < 0.0)):
            ticks = part[self.steps[part] > 0.0]
            if len(ticks) > 1:
                between = slice(ticks[0] + 1, ticks[-1] + 1)
                taken = np.diff(self.rows)[between]
                passed, rows = passed + float(np.sum(self.steps[between] * taken)), rows + float(np.sum(taken))
        return passed / rows if rows else math.nan


def clock(
    columns: Mapping[str, np.ndarray], dates: Collection[str] = (), index: str = "", heads: Sequence[str] = ()
) -> Clock:
    """The clock of one recording.

    The time is a column of dates or one with a name such as "time", "Time (s)" or "time_ms", even if it repeats or goes back
    here and there; else a column that numbers the rows; else a first column that rises in even steps.

    Args:
        columns: The columns that may tell the time, in the order of the file, NaN where a cell is empty; dates in seconds.
        dates: Which of them hold dates.
        index: The column without a name, if there is one: it numbers the rows.
        heads: The first two columns; the second stands first, too, if the first has no name.

    Raises:
        ValueError: if the time falls from row to row.
    """
    known, falling, notes = [], "", []
    nameless = bool(heads) and (heads[0] == index or heads[0].lower().startswith("unnamed"))
    first = heads[: 1 + nameless]
    for name, values in columns.items():
        kind, unit = ("time", "s") if name in dates else ("counter", name) if name == index else _named(name)
        if not kind and name in heads[:1]:
            kind, unit = "first", name
        if kind and (len(name) == 1 or name.lower() in _HEADS) and name not in (*dates, index, *first):
            kind = "beside"
        rows = np.flatnonzero(np.abs(values) <= _LARGEST)
        if not kind or len(rows) < 2 or (kind in ("maybe", "first") and len(rows) < len(values)):
            continue
        column = _Column(name, kind, unit, values, rows, np.diff(values[rows]) / np.diff(rows))
        known.append(column)
        if column.tells:
            continue
        if kind == "time" and column.falls and (name in dates or len(name) > 1):
            falling = falling or name
        elif kind == "first" and column.rises:
            notes.append(f"column {name!r} rises, but in uneven steps, so it is taken for a channel, not for the time.")
        elif kind == "time" and np.any(column.steps != 0.0) and name not in dates:
            notes.append(f"column {name!r} goes back in many rows, so it is taken for a channel, not for the time.")
    found = [one for one in known if one.tells]
    if falling and not any(one.kind in ("time", "maybe") for one in found):
        raise ValueError(f"its column {falling!r} falls from row to row, the newest row first: sort it by {falling!r}.")
    if not found:
        return Clock(notes=tuple(notes))
    order = {"time": 0, "first": 1, "maybe": 2, "counter": 3}
    time = min(found, key=lambda one: (order[one.kind], not one.rises))
    beside = [one for one in known if one is not time and one.name not in dates]
    others = [one.name for one in beside if one.name == index or one.repeats(time)]
    if others:
        notes.append(f"{', '.join(map(repr, others))} left out, since the time is in {time.name!r}.")
    begins = time.rows[1:][time.steps < 0.0]
    unusual = _unusual(time, len(columns[time.name]))
    step, unit = (1.0, ROW) if math.isnan(time.step) else seconds(time.step, time.unit)
    if np.all(time.steps != 0.0) and time.steps.max() > (1.0 + _UNEVEN) * time.step:
        notes.append(f"the steps of {time.name!r} are uneven, but a model counts rows, not time.")
    return Clock(time.name, step, unit, tuple(begins.tolist()), (time.name, *others), not unusual, (*unusual, *notes))


def may_tell(name: str) -> bool:
    """Whether a column of numbers with this name may tell the time."""
    return bool(_named(name)[0])


def _named(name: str) -> tuple[str, str]:
    """(what a column of this name may be, "" if nothing; its unit of time)."""
    words = re.findall(r"[^\W_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())
    unit = words[-1] if len(words) > 1 and words[-1] in _SECONDS else ""
    plain = set(words[:-1] if unit else words)
    if plain & _TIMES and plain <= _TIMES | _ADDED:
        return "time", unit or name
    if plain & _COUNTERS and plain <= _COUNTERS | _ADDED and not unit:
        return "counter", name
    if len(words) == 1 and words[0] in _MAYBE:
        return ("time" if words[0] in _UNITS else "maybe"), words[0]
    return "", ""


def _unusual(time: _Column, count: int) -> list[str]:
    """A sentence on a column of time that does not rise in every row."""
    said = []
    if again := int(np.sum(time.steps == 0.0)):
        said.append(f"repeats in {counted(again, 'row')}")
    if back := int(np.sum(time.steps < 0.0)):
        said.append(f"goes back in {counted(back, 'row')}, where another recording begins")
    if empty := count - len(time.rows):
        said.append(f"is empty in {counted(empty, 'row')}")
    return (
        [f"column {time.name!r} is taken for the time and left out, though it {', and '.join(said)}."] if said else []
    )


def seconds(step: float, unit: str) -> tuple[float, str]:
    """A step of time in seconds, if its unit is known, such as "ms"; else as it came."""
    return (step * _SECONDS[unit], "s") if unit in _SECONDS else (step, unit)


def same_time(step: float, unit: str, other_step: float, other_unit: str) -> bool:
    """Whether two steps of time are the same; a step without a known unit is the same as one in any other unit.

    Args:
        step, unit: Of one recording.
        other_step, other_unit: Of the other one.
    """
    (step, unit), (other_step, other_unit) = seconds(step, unit), seconds(other_step, other_unit)
    return ROW in (unit, other_unit) or unit != other_unit or math.isclose(step, other_step, rel_tol=_LIKE)
