"""Draw: a person begins, eight ghosts go on; sheets for several people; drawings that are kept, and learnt from."""

from __future__ import annotations

import functools
import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mdn.data import schema
from mdn_studio import limits
from mdn_studio.messages import message
from mdn_studio.page import Page
from mdn_studio.pages.draw_sheets import Sheets
from mdn_studio.refused import Refused, by_name

if TYPE_CHECKING:
    import numpy as np

    from mdn_studio.studio import Studio

_SHOWN = 60  # kept drawings on the page, the newest
_WAY = 9  # drawings on the way from one to another
_WARM = (16, 8, 4, 32, 0, 2, 64, 128)  # moves of a drawing; each needs programs of its own
_COORDINATE = schema.number(-1e4, 1e4)
_POINT = schema.listed(_COORDINATE, count=3)
_SEED = schema.whole()
_ELSEWHERE = "this tab is at another sheet now."


def _points(value, name: str):
    if isinstance(value, list) and len(value) > limits.INK:
        raise Refused(f"a message may bring {limits.INK:,} points of a stroke, but {len(value):,} came.")
    return schema.listed(_POINT)(value, name)


def _name(value, name: str) -> str:
    if not 0 < len(schema.text(value, name)) <= 60:
        raise Refused(f"`{name}` must have 1 to 60 characters, but it has {len(value)}.")
    return value


def _word(value, name: str) -> str:
    if len(schema.text(value, name)) > 60 or not value.isprintable():
        raise Refused("a word has at most 60 characters, all of which can be printed.")
    return value


class Draw(Page):
    """The sheets, the networks that draw on them, and what people keep."""

    name = "draw"

    def __init__(self, studio: Studio):
        super().__init__(studio)
        from mdn_studio.pages.draw_networks import Kept, networks

        self.sheets = Sheets(studio.folder)
        self.networks, self.kept_ones = networks(studio.folder), Kept(studio.folder)

    def warm(self) -> None:
        """Loads both networks, and compiles what drawings of up to 128 moves need."""
        from mdn_studio.pages.draw_networks import TITLES

        self.in_pieces(self._warm, ((name, moves) for name in TITLES for moves in _WARM))

    def _warm(self, name: str, moves: int) -> None:
        import numpy as np

        from mdn_studio.pages.draw_networks import ghosts

        zigzag = np.column_stack([np.linspace(100, 280, moves + 1), 150 + 12 * (np.arange(moves + 1) % 2)])
        network = self.networks.of(name)
        label = network.model.classes[0] if network.model.classes else None
        ghosts(
            network, [zigzag] if moves else [], label=label, seed=0, freedom=1.0 if network.model.latent_size else 0.0
        )

    # ---- sheets ----------------------------------------------------------------------------------------------------------

    @message("join", sheet=_name, by=_name)
    async def join(self, session, sheet: str, by: str) -> dict:
        """Opens a sheet in this tab; answers with its strokes, or with the first of many (`more` brings the others)."""
        found, before = await self.sheets.join(session, sheet, by)
        session.state["draw ghosts"] = {}
        for name in {before, sheet}:
            await self._count(name)
        return {"sheet": sheet, "people": len(self.sheets.people(sheet)), **found.piece(0, 0)}

    @message("more", sheet=_name, stroke=schema.whole(), start=schema.whole())
    async def more(self, session, sheet: str, stroke: int, start: int) -> dict:
        """The next piece of a large sheet, from a point of a stroke on; its `next` says where the one after it begins."""
        name, _, found = self.sheets.of(session)
        if name != sheet:
            raise Refused(_ELSEWHERE)
        return found.piece(stroke, start)

    async def left(self, session) -> None:
        """Takes the tab from its sheet."""
        await self._count(self.sheets.leave(session))

    async def _count(self, name: str) -> None:
        people = self.sheets.people(name)
        for one in people:
            await one.tell("draw.people", sheet=name, people=len(people))

    @message("ink", optional=("sheet",), turn="ink", sheet=_name, stroke=_name, start=schema.whole(), points=_points)
    async def ink(self, session, stroke: str, start: int, points: list, sheet: str = "") -> dict:
        """Points of a stroke that this tab draws, on the sheet of that name; the other tabs there see them at once."""
        name, by, found = self.sheets.of(session)
        if sheet not in ("", name):
            raise Refused(_ELSEWHERE)
        have = found.ink(by, stroke, start, points)
        await self._tell_others(session, name, "draw.inked", stroke=stroke, start=start, points=points)
        return {"have": have}

    @message("clear", turn="ink")
    async def clear(self, session) -> dict:
        """Takes all strokes away; an undo brings them back."""
        name, by, sheet = self.sheets.of(session)
        return await self._changed(name, sheet, sheet.clear(by))

    @message("undo", turn="ink")
    async def undo(self, session) -> dict:
        """Takes back what this tab did last."""
        name, by, sheet = self.sheets.of(session)
        return await self._changed(name, sheet, sheet.undo(by))

    @message("take", turn="ink", ghost=_name)
    async def take(self, session, ghost: str) -> dict:
        """Makes a ghost part of the drawing."""
        name, by, sheet = self.sheets.of(session)
        known = session.state.get("draw ghosts", {})
        if ghost not in known:
            raise Refused("this ghost is gone, since new ones have come; take one of them.")
        op, strokes = secrets.token_hex(4), []
        for i, line in enumerate(known[ghost]):
            points = [[float(x), float(y), 0.5] for x, y in line]
            sheet.ink(by, f"{op}-{i}", 0, points, op)
            strokes.append({"stroke": f"{op}-{i}", "points": points})
        session.state["draw ghosts"] = {}
        for one in strokes:
            await self._tell_others(None, name, "draw.inked", start=0, **one)
        return {"strokes": len(strokes)}

    async def _changed(self, name: str, sheet, changed: list[str]) -> dict:
        shown = {one: sheet.strokes[one].shown for one in changed}
        await self._tell_others(None, name, "draw.changed", shown=shown)
        return {"changed": len(changed)}

    async def _tell_others(self, session, name: str, kind: str, **fields) -> None:
        """Tells all tabs at a sheet but `session`; each message names the sheet, since a tab may have left it meanwhile."""
        for one in self.sheets.people(name):
            if one is not session:
                await one.tell(kind, sheet=name, **fields)

    def _lines(self, session) -> list[np.ndarray]:
        import numpy as np

        sheet = self.sheets.of(session)[2]
        shown = sheet.shown
        if sum(len(one.points) for one in shown) > limits.POINTS:
            raise Refused(f"the networks read at most {limits.POINTS:,} points of a drawing; clear some of it.")
        return [np.array(one.points, "float64")[:, :2] for one in shown]

    # ---- networks --------------------------------------------------------------------------------------------------------

    @message("networks", turn="kept")
    async def list_networks(self, session) -> dict:
        """The networks to choose from, and what is kept."""
        jobs = [one for one in self.studio.jobs.shown() if one["page"] == self.name]
        return {"networks": await self.quickly(self.networks.listed), "jobs": jobs, **await self._shown()}

    @message("about", network=schema.text)
    async def about(self, session, network: str) -> dict:
        """The words of a network, whether it has a latent, and how many of its units a unit of the sheet is."""
        found = await self.compute(self.networks.of, network)
        return {"words": found.model.classes, "latent": found.model.latent_size > 0, "unit": found.unit}

    @message(
        "ghosts", optional=("word", "freedom"), network=schema.text, word=_word, freedom=schema.number(0.0, 1.0),
        component_temperature=schema.number(0.01, 5.0), variance_temperature=schema.number(0.0, 5.0), seed=_SEED,
    )  # fmt: skip
    async def ghosts(
        self, session, network: str, seed: int, word: str = "", freedom: float = 0.0, **temperatures
    ) -> dict:
        """Eight ways to go on with what is on the sheet."""
        from mdn_studio.pages.draw_networks import ghosts

        lines = self._lines(session)

        def made():
            found = self.networks.of(network)
            label = word if found.model.classes else None
            return ghosts(found, lines, label=label, freedom=freedom, seed=seed, **temperatures)

        asked = secrets.token_hex(4)
        shown = [{**one, "name": f"{asked}-{i}"} for i, one in enumerate(await self.compute(made))]
        session.state["draw ghosts"] = {one["name"]: one["lines"] for one in shown}
        return {"ghosts": shown}

    @message(
        "way", network=schema.text, first=schema.text, last=schema.text,
        component_temperature=schema.number(0.01, 5.0), variance_temperature=schema.number(0.0, 5.0), seed=_SEED,
    )  # fmt: skip
    async def way(self, session, network: str, first: str, last: str, seed: int, **temperatures) -> dict:
        """Drawings on the way from one kept drawing to another, which are named as in `keep`."""
        from mdn_studio.pages.draw_networks import way

        def made():
            kept, (begin, end) = self.kept_ones.at(first, last)
            found = self.networks.of(network)
            word = str(kept.words[end])
            label = (word if word in found.model.classes else found.model.classes[0]) if found.model.classes else None
            return way(found, kept[begin], kept[end], _WAY, label=label, seed=seed, **temperatures)

        drawings = await self.compute(made)
        session.state["draw way"] = drawings
        return {"drawings": drawings}

    @message("svg", turn="kept", what=schema.one_of("sheet", "ghosts", "way"))
    async def svg(self, session, what: str) -> dict:
        """A picture: the drawing, the drawing with each of the ghosts, or the drawings between two."""
        lines = self._lines(session) if what != "way" else []
        ghosts, steps = session.state.get("draw ghosts", {}), session.state.get("draw way", [])
        several = [*(ghosts.values() if what == "ghosts" else steps)]
        return {"text": await self.quickly(_svg, what, lines, several)}

    # ---- what is kept ----------------------------------------------------------------------------------------------------

    @message("keep", turn="kept", word=_word)
    async def keep(self, session, word: str) -> dict:
        """Keeps what is on the sheet as a drawing to learn from."""
        lines = self._lines(session)
        await self.quickly(self.kept_ones.add, lines, word)
        return await self._shown()

    @message("bring", turn="kept", file=schema.text)
    async def bring(self, session, file: str) -> dict:
        """Keeps the drawings of a file that was sent, which is removed; `sentences` says why the first of those left out was."""
        from mdn.data.drawing_files import ENDINGS

        if not file.lower().endswith(ENDINGS):  # the folder holds other people's tables, too
            raise Refused(f"drawings are read from {', '.join(ENDINGS)}, but {file!r} came.")

        def brought():
            path = self.studio.folder.find(file, within="uploads")
            try:
                with by_name(path):
                    return self.kept_ones.bring(path)
            finally:
                path.unlink(missing_ok=True)

        count, sentences = await self.quickly(brought)
        return {"brought": count, "left_out": len(sentences), "sentences": sentences[:1], **await self._shown()}

    @message("forget", turn="kept", name=schema.text)
    async def forget(self, session, name: str) -> dict:
        """Takes a kept drawing out."""
        await self.quickly(self.kept_ones.remove, name)
        return await self._shown()

    async def _shown(self) -> dict:
        from mdn.applications.sketch.data import FEWEST
        from mdn.data import to_lines
        from mdn.data.drawing_files import ENDINGS

        kept, names = await self.quickly(self.kept_ones.named)
        places = range(max(0, len(kept) - _SHOWN), len(kept))
        shown = [{"name": names[i], "word": str(kept.words[i]), "lines": to_lines(kept[i])} for i in reversed(places)]
        words = len(set(kept.words.tolist()) - {""}) if "" not in kept.words.tolist() else 0
        return {"kept": shown, "count": len(kept), "words": words, "fewest": FEWEST, "endings": ENDINGS}

    @message("train", turn="kept", title=_name, latent=schema.flag, classes=schema.flag)
    async def train(self, session, title: str, latent: bool, classes: bool) -> dict:
        """A training on the kept drawings: a job, whose network appears in the list in the end."""
        from mdn.applications.sketch.data import FEWEST

        out = self.studio.folder.place(f"{title}.keras")
        if out.exists():
            raise Refused(f"there is a network {title!r} already; choose another name.")
        copy = self.studio.folder.fresh(f"{title}.ndjson")
        kept = await self.quickly(self.kept_ones.all)
        if len(kept) < FEWEST:
            raise Refused(
                f"{FEWEST} drawings are the fewest to learn from, but {len(kept)} are kept so far; draw some more."
            )
        command = ["train", "sketch", "--data", copy.name, "--out", out.name]
        command += ["--latent", "64" if latent else "0", *(["--classes"] if classes else [])]
        snapshot = functools.partial(self.quickly, self.kept_ones.snapshot, copy)
        return {"job": (await self.studio.jobs.add(self.name, title, command, out.name, snapshot)).id}

    def close(self) -> None:
        """Closes the files of sheets."""
        super().close()
        self.sheets.close()


def _svg(what: str, lines: list, several: list) -> str:
    """The text of an SVG, by the functions that the commands use."""
    import numpy as np

    from mdn.data import from_lines
    from mdn.drawing.sheets import write_drawing, write_sheet

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.svg"
        if what == "sheet":
            write_drawing(path, from_lines(lines))
        elif not several:
            raise Refused("there is nothing to save yet.")
        elif what == "way":
            write_sheet(path, [from_lines(one) if one else np.empty((0, 3)) for one in several], columns=len(several))
        else:
            begun = from_lines(lines) if lines else np.empty((0, 3))
            whole = [from_lines([*lines, *one]) if lines or one else begun for one in several]
            write_sheet(path, whole, columns=4, given=[len(begun)] * len(whole))
        return path.read_text(encoding="utf-8")


page = Draw
