"""Write: what is typed is written by hand, and what the network reads meanwhile; record a hand, and train on it."""

from __future__ import annotations

import functools
import json
import re
from typing import TYPE_CHECKING

from mdn.data import schema
from mdn.files import replacing
from mdn_studio import limits
from mdn_studio.messages import message
from mdn_studio.page import Page
from mdn_studio.refused import Refused

if TYPE_CHECKING:
    from pathlib import Path

    from mdn_studio.studio import Studio

_WARM = ("Hello there", "Hello there, my friend", "Hello there, my friend, how are you?")
_SESSION = re.compile(r"[\w-]{1,60}")
_COORDINATE = schema.number(-1e6, 1e13)  # the third number of a point is its time in milliseconds


def _text(value, name: str) -> str:
    if len(schema.text(value, name)) > limits.TEXT:
        raise Refused(
            f"the text has {len(value):,} characters, but {limits.TEXT} are the most that is written at once."
        )
    return value


def _session(value, name: str) -> str:
    if not _SESSION.fullmatch(schema.text(value, name)):
        raise Refused("the name of a recording has letters, digits and - only; reload the page.")
    return value


def _strokes(value, name: str) -> list:
    schema.listed(schema.listed(schema.anything), least=1)(value, name)
    count = sum(map(len, value))
    if count > limits.POINTS:
        raise Refused(
            f"the line has {count:,} points, but {limits.POINTS:,} are the most that is kept; write it again."
        )
    return schema.listed(schema.listed(schema.listed(_COORDINATE, count=3), least=1))(value, name)


def _title(value, name: str) -> str:
    if not 0 < len(schema.text(value, name)) <= 60:
        raise Refused("a name has 1 to 60 characters.")
    return value


_TYPED: dict = {
    "network": schema.text, "text": _text, "paper": schema.one_of("", "a4", "a5", "letter"), "style": schema.text,
    "bias": schema.number(0.0, 5.0), "seed": schema.whole(0, 2**30), "plain": schema.flag,
}  # fmt: skip


class Write(Page):
    """The hands, what they write, and recordings of new ones."""

    name = "write"

    def __init__(self, studio: Studio):
        super().__init__(studio)
        from mdn_studio.pages.write_ink import Pen, networks

        self.networks = networks(studio.folder)
        self.pen = Pen(self.networks)

    def warm(self) -> None:
        """Loads the network, and compiles what short, middle and long lines need."""
        from mdn.applications.handwriting.generate import BIAS

        self.in_pieces(self.pen.lines, (("handwriting", text, "", BIAS, "", 0, False) for text in _WARM))

    @message("networks", turn="record")
    async def list_networks(self, session) -> dict:
        """The networks to choose from, and the trainings of this page."""
        jobs = [one for one in self.studio.jobs.shown() if one["page"] == self.name]
        return {"networks": await self.quickly(self.networks.listed), "jobs": jobs}

    @message("about", network=schema.text)
    async def about(self, session, network: str) -> dict:
        """The hands of a network, the one that it takes by itself, and the letters that it knows."""
        from mdn.applications.handwriting.generate import BIAS

        model = await self.compute(self.networks.of, network)
        hand = model.default_hand or ""
        return {"hands": model.hands, "hand": hand, "letters": model.alphabet.characters, "bias": BIAS}

    @message("text", **_TYPED)
    async def write(self, session, **typed) -> dict:
        """A text in ink, laid out on paper."""
        from mdn_studio.pages.write_ink import on_paper

        return await self.compute(lambda: on_paper(self.pen.lines(**typed), typed["paper"]))

    @message("svg", seconds=schema.number(0.0, 600.0), **_TYPED)
    async def svg(self, session, seconds: float, **typed) -> dict:
        """The same as SVG; with `seconds` above 0 it writes itself."""
        from mdn_studio.pages.write_ink import pictures

        return {"files": await self.compute(lambda: pictures(self.pen.lines(**typed), typed["paper"], seconds or None))}

    # ---- recording -------------------------------------------------------------------------------------------------------

    def _recording(self, session: str) -> Path:
        return self.studio.folder.place(f"handwriting-{session}.json")

    def _recorded(self, path: Path) -> list[dict]:
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        except ValueError:
            found = None
        if not isinstance(found, list):
            raise Refused(f"{path.name} is no recording any more; move it away, and begin a new session.")
        return found

    @message("recorded", turn="record", session=_session)
    async def recorded(self, tab, session: str) -> dict:
        """How many lines of a recording are in the folder of the studio, and how many a training needs."""
        from mdn.applications.handwriting.lines import FEWEST

        path = self._recording(session)
        return {"lines": len(await self.quickly(self._recorded, path)), "file": path.name, "fewest": FEWEST}

    @message(
        "keep", turn="record", session=_session, place=schema.whole(0, limits.LINES - 1),
        line=schema.maybe(schema.record(text=_text, writer=_title, strokes=_strokes, others=True)),
    )  # fmt: skip
    async def keep(self, tab, session: str, place: int, line: dict | None) -> dict:
        """Puts a line at its place in the recording, and takes away what came after it; None only takes away."""
        path = self._recording(session)
        return {"lines": await self.quickly(self._keep, path, session, place, line)}

    def _keep(self, path: Path, session: str, place: int, line: dict | None) -> int:
        known = self._recorded(path)
        if place > len(known):
            return len(known)
        kept = known[:place]
        if line is not None:
            kept.append({key: line[key] for key in ("text", "writer", "strokes")} | {"session": session})
        self.studio.folder.check_room()
        _written(path, kept)
        return len(kept)

    @message("train", turn="record", session=_session, title=_title)
    async def train(self, tab, session: str, title: str) -> dict:
        """Teaches the hand of a recording to the network that comes with mdn: a job."""
        from mdn.applications.handwriting.lines import FEWEST

        out = self.studio.folder.place(f"{title}.keras")
        if out.exists():
            raise Refused(f"there is a network {title!r} already; choose another name.")
        copy = self.studio.folder.fresh(f"{title} lines.json")
        lines = await self.quickly(self._recorded, self._recording(session))
        if len(lines) < FEWEST:
            raise Refused(
                f"{FEWEST} lines are the fewest to learn a hand from, but {len(lines)} are recorded; write some more."
            )
        found = await self.quickly(_usable, self._recording(session))
        if len(found) < FEWEST:
            raise Refused(
                f"{FEWEST} lines are the fewest to learn a hand from, but only {len(found)} of the {len(lines)} recorded ones "
                f"can be learnt from; {found.skipped[0]}. Write more lines, each of them as its text says."
            )
        command = ["train", "handwriting", "--data", copy.name, "--from", "handwriting", "--out", out.name]
        snapshot = functools.partial(
            self.quickly, _written, copy, lines
        )  # what is recorded later doesn't change the training
        return {"job": (await self.studio.jobs.add(self.name, title, command, out.name, snapshot)).id}


def _usable(recording: Path):
    from mdn.applications.handwriting.faults import usable
    from mdn.data import read_handwriting

    return usable(read_handwriting(recording))


def _written(path: Path, lines: list[dict]) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(lines, separators=(",", ":"), ensure_ascii=False), encoding="utf-8")


page = Write
