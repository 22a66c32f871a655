"""Sheets: strokes that several tabs draw together, each point on disk as soon as it has come.

A sheet is a file of JSON lines, and what is on it follows from them: ink (points of a stroke), a clear, an undo. A server
that is killed loses none of it, since each line is given to the system before it is shown to anybody.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from mdn.files import replacing
from mdn_studio import limits
from mdn_studio.folder import Folder
from mdn_studio.refused import Refused

_WITHIN = ".studio/sheets"
_TIDIED = 10_000  # points that nobody sees any more, above which a sheet is written anew when it is opened


@dataclass(eq=False)
class Stroke:
    """One stroke: `[x, y, pressure]` for each point, in the unit of the sheet, and whether it is shown."""

    id: str
    points: list[list[float]] = field(default_factory=list)
    shown: bool = True


class Sheet:
    """What is drawn on a sheet, and its file.

    Args:
        path: Of the file; it need not exist.

    Attributes:
        strokes: By their ids, in the order in which they were begun.
    """

    def __init__(self, path: Path):
        self._path = path
        self.strokes: dict[str, Stroke] = {}
        self._done: list[tuple[str, str, list[str]]] = []  # who did what ("drew" or "cleared") with which strokes
        self._count = 0
        self._read()
        self._file: BinaryIO = open(path, "ab", buffering=0)  # noqa: SIM115 (`close` closes it)

    def _read(self) -> None:
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):  # a line that was cut off
            os.truncate(self._path, len(whole))
        for line in whole.splitlines():
            try:
                self._apply(json.loads(line))
            except (ValueError, KeyError, TypeError):  # a line that somebody changed
                continue
        hidden = sum(len(one.points) for one in self.strokes.values() if not one.shown)
        if hidden > max(_TIDIED, self._count // 2):
            self._tidy()

    def _tidy(self) -> None:
        self.strokes = {one.id: one for one in self.strokes.values() if one.shown}
        self._done = [("", "drew", [one]) for one in self.strokes]
        self._count = sum(len(one.points) for one in self.strokes.values())
        with replacing(self._path) as path, open(path, "w") as file:
            for one in self.strokes.values():
                file.write(json.dumps({"do": "ink", "by": "", "id": one.id, "start": 0, "points": one.points}) + "\n")

    def _record(self, **line) -> list[str]:
        """Writes a line and does what it says; returns the strokes that appear or vanish by it."""
        self._file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        return self._apply(line)

    def _apply(self, line: dict) -> list[str]:
        by, what = line["by"], line["do"]
        if what == "ink":
            if line["id"] not in self.strokes:
                self.strokes[line["id"]] = Stroke(line["id"])
                again = bool(self._done) and line.get("op") is not None and self._done[-1][:2] == (by, line["op"])
                if again:  # one of several strokes that came together, as those of a ghost do
                    self._done[-1][2].append(line["id"])
                else:
                    self._done.append((by, line.get("op") or "drew", [line["id"]]))
            stroke = self.strokes[line["id"]]
            stroke.points += line["points"][max(0, len(stroke.points) - line["start"]) :]
            self._count += len(line["points"])
            return []
        if what == "clear":
            changed = [one.id for one in self.strokes.values() if one.shown]
            self._done.append((by, "cleared", changed))
        else:
            place = next((i for i in reversed(range(len(self._done))) if self._done[i][0] == by), None)
            if place is None:
                return []
            _, undone, changed = self._done.pop(place)
            if undone != "cleared":  # what is taken back must not come back when a later clear is undone
                for _, _, later in self._done[place:]:
                    later[:] = [name for name in later if name not in changed]
            for name in changed:
                self.strokes[name].shown = undone == "cleared"
            return changed
        for name in changed:
            self.strokes[name].shown = False
        return changed

    @property
    def shown(self) -> list[Stroke]:
        """The strokes that are to be seen, in their order."""
        return [one for one in self.strokes.values() if one.shown and one.points]

    def ink(self, by: str, stroke: str, start: int, points: list[list[float]], op: str | None = None) -> int:
        """Adds points to a stroke, which begins with its first points; returns how many the stroke then has.

        Args:
            by: Who draws.
            stroke: The id of the stroke.
            start: The place in the stroke of the first of `points`. Points that the stroke has already are left out, so
                that a tab may send again what it does not know to have come.
            points: `[x, y, pressure]` each.
            op: One name for strokes that an undo takes back together.

        Raises:
            Refused: if the sheet is full, or points between those that came and `start` are missing.
        """
        have = len(self.strokes[stroke].points) if stroke in self.strokes else 0
        if start > have:
            raise Refused(f"the stroke has {have} points so far, but these begin at {start}: send those between, too.")
        new = points[have - start :]
        if self._count + len(new) > limits.SHEET_POINTS:
            raise Refused(f"this sheet is full: it holds {limits.SHEET_POINTS:,} points. Take a sheet of another name.")
        if new:
            self._record(do="ink", by=by, id=stroke, start=have, points=new, **({"op": op} if op else {}))
        return have + len(new)

    def clear(self, by: str) -> list[str]:
        """Takes all strokes away, until an undo of the same person brings them back; returns their ids."""
        return self._record(do="clear", by=by) if self.shown else []

    def undo(self, by: str) -> list[str]:
        """Takes back what `by` did last: returns the strokes that vanish, or come back after a clear."""
        return self._record(do="undo", by=by) if any(one[0] == by for one in self._done) else []

    def piece(self, stroke: int, start: int) -> dict:
        """Points of the sheet from a point of a stroke on, few enough for one message.

        Args:
            stroke: The place of the stroke in the order in which strokes were begun.
            start: The place in the stroke of the first point.

        Returns:
            `strokes`: for each its `id`, `start`, `points` and whether it is `shown`; `next`: the place of the piece after this
            one as `[stroke, start]`, or None if this was the last. Strokes only grow, so pieces fit together although people draw
            meanwhile.
        """
        pieces: list[dict] = []
        left = limits.PIECE
        for i, one in enumerate(itertools.islice(self.strokes.values(), stroke, None), stroke):
            if left <= 0:
                return {"strokes": pieces, "next": [i, 0]}
            points = one.points[start : start + left]
            pieces.append({"id": one.id, "start": start, "points": points, "shown": one.shown})
            left -= len(points) + 1
            if start + len(points) < len(one.points):
                return {"strokes": pieces, "next": [i, start + len(points)]}
            start = 0
        return {"strokes": pieces, "next": None}

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


class Sheets:
    """The sheets that tabs have open, and who is at which.

    Args:
        folder: Of the studio.
    """

    def __init__(self, folder: Folder):
        self._folder = folder
        self._open: dict[str, Sheet] = {}
        self._at: dict[object, tuple[str, str]] = {}  # session -> (sheet, who)
        self._opening = asyncio.Lock()  # no two threads open one file: one may replace it while the other writes to it

    async def join(self, session, name: str, by: str) -> tuple[Sheet, str]:
        """Moves a tab to a sheet, which is made if there is none of that name: (the sheet, the name of that before or "").

        Raises:
            Refused: if the name is none for a file, or there is no room for another sheet.
        """
        path = self._folder.place(f"{name}.jsonl", within=_WITHIN)
        async with self._opening:
            if name not in self._open:
                opening = asyncio.ensure_future(asyncio.to_thread(self._opened, path))
                try:
                    self._open[name] = await asyncio.shield(opening)
                except (
                    asyncio.CancelledError
                ):  # the tab was closed meanwhile, but the thread may be writing the file anew
                    opening.add_done_callback(_closed)
                    await asyncio.wait({opening})
                    raise
            before = self.leave(session, but=name)
            self._at[session] = name, by
            return self._open[name], before

    def _opened(self, path: Path) -> Sheet:
        if not path.exists() and len(self._folder.names(".jsonl", within=_WITHIN)) >= limits.SHEETS:
            raise Refused(f"there are {limits.SHEETS} sheets already; take the name of one of them.")
        self._folder.check_room()
        return Sheet(path)

    def leave(self, session, but: str = "") -> str:
        """Takes a tab from its sheet, whose name is returned; a sheet that nobody looks at is closed, unless it is `but`."""
        name, _ = self._at.pop(session, ("", ""))
        if name and name != but and not self.people(name):
            self._open.pop(name).close()
        return name

    def of(self, session) -> tuple[str, str, Sheet]:
        """(the name of the sheet of a tab, who draws there, the sheet).

        Raises:
            Refused: if it is at none.
        """
        if session not in self._at:
            raise Refused("this tab is at no sheet; reload the page.")
        name, by = self._at[session]
        return name, by, self._open[name]

    def people(self, name: str) -> list:
        """The tabs at a sheet."""
        return [session for session, (at, _) in self._at.items() if at == name]

    def close(self) -> None:
        """Closes all files."""
        for sheet in self._open.values():
            sheet.close()
        self._open.clear()
        self._at.clear()


def _closed(opening: asyncio.Future[Sheet]) -> None:
    """Closes a sheet that nobody waits for any more."""
    if not opening.cancelled() and not opening.exception():
        opening.result().close()
