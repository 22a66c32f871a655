"""Play: a pad and a model that answers; what was played is kept, heard again, exported as MIDI, and learnt from."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime
import functools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mdn.applications.live.turns import MODES
from mdn.data import schema
from mdn_studio import limits
from mdn_studio.messages import message
from mdn_studio.models import Models
from mdn_studio.page import Page
from mdn_studio.refused import Refused

if TYPE_CHECKING:
    from mdn_studio.pages.play_parts import Player

FOLDER = "performances"
SHIPPED = "the model that comes with mdn"
_MODE = schema.one_of(*MODES)
_TEMPERATURE = schema.number(most=100.0, above=0.0)
_SILENCE = schema.number(0.05, 60.0)
_SHARE = schema.number(0.0, 1.0)


class Play(Page):
    """Each tab has a player of its own, the loop of `mdn jam`; see `play_parts.Player`."""

    name = "play"

    def __init__(self, studio):
        super().__init__(studio)
        self._players: dict[Any, Player] = {}
        self.models = Models(studio.folder, "mdn>MDNRNN jam", {SHIPPED: "comes with mdn"}, _load)
        self._known: dict[tuple, dict] = {}  # what is said of a log, by its name, size and time

    def warm(self) -> None:
        """Loads the model that comes with mdn, and compiles its step."""
        from mdn.applications.jam.session import Session

        Session(self.models.of(SHIPPED)).heard(0.5, 0.5, 0.0)

    # ---- playing ----------------------------------------------------------------------------------------------------------

    @message(
        "begin",
        model=schema.text,
        mode=_MODE,
        silence=_SILENCE,
        component_temperature=_TEMPERATURE,
        variance_temperature=_TEMPERATURE,
    )
    async def begin(self, session, model: str, **settings) -> dict:
        """Begins to play with a tab; answers follow as news `play.answer`."""
        if session not in self._players and len(self._players) >= limits.PLAYERS:
            raise Refused(f"{limits.PLAYERS} people play here already; wait until one of them has left.")
        await self.left(session)
        loop = asyncio.get_running_loop()

        def tell(kind, **fields):
            with contextlib.suppress(RuntimeError):  # the server has ended, and its loop is closed
                loop.call_soon_threadsafe(functools.partial(session.say, kind, **fields))

        made = asyncio.ensure_future(self.compute(self._new_player, model, tell, settings))
        try:
            player = self._players[session] = await asyncio.shield(made)
        except asyncio.CancelledError:  # the tab was closed meanwhile
            made.add_done_callback(lambda one: one.cancelled() or one.exception() or one.result().end())
            raise
        return {"notes": _scale(), "tap": _tap(), "begun": player.begun}

    def _new_player(self, model: str, tell, settings: dict):
        from mdn_studio.pages.play_parts import Player

        folder = self.studio.folder.place("a.log", within=FOLDER).parent  # never a link
        return Player(self.models.of(model), tell, folder, **settings)

    @message("touch", turn="touch", x=_SHARE, y=_SHARE)
    async def touch(self, session, x: float, y: float) -> None:
        """The pad was touched at (x, y)."""
        self._player(session).touch(x, y)

    @message("midi", turn="touch", data=schema.listed(schema.whole(0, 255), least=1))
    async def midi(self, session, data: list[int]) -> None:
        """A MIDI message came from a device in the browser."""
        if len(data) > 3:
            raise Refused(f"a MIDI message of a player has 3 bytes at most, but {len(data)} came.")
        self._player(session).midi(data)

    @message(
        "set",
        optional=("mode", "silence", "component_temperature", "variance_temperature", "paused"),
        mode=_MODE,
        silence=_SILENCE,
        component_temperature=_TEMPERATURE,
        variance_temperature=_TEMPERATURE,
        paused=schema.flag,
    )
    async def set(self, session, **settings) -> dict:
        """Changes what is named."""
        self._player(session).change(**settings)
        return {}

    @message("anew")
    async def anew(self, session) -> dict:
        """Keeps this performance, and begins another."""
        self._player(session).anew()
        return {}

    def _player(self, session) -> Player:
        if session not in self._players:
            raise Refused("nobody plays here yet; open the page again.")
        return self._players[session]

    async def left(self, session) -> None:
        """Ends the music of a tab; its log is kept."""
        player = self._players.pop(session, None)
        if player is not None:
            await asyncio.to_thread(player.end)

    def close(self) -> None:
        """Ends all music."""
        for player in self._players.values():
            player.end()
        super().close()

    # ---- what is kept -------------------------------------------------------------------------------------------------------

    @message("kept", turn="kept")
    async def kept(self, session) -> dict:
        """The performances and the models that are kept, the newest first."""
        return await self.quickly(self._kept)

    def _kept(self) -> dict:
        found = [self._about(name) for name in self._names()]
        return {"performances": [one for one in found if one], "networks": self.models.listed()}

    def _names(self) -> list[str]:
        return self.studio.folder.names(".log", within=FOLDER)[: limits.PERFORMANCES]

    def _about(self, name: str) -> dict | None:
        path = self.studio.folder.path / FOLDER / name
        try:
            stat = path.stat()
            key = name, stat.st_size, stat.st_mtime_ns
            if key not in self._known:
                duet = self._read(name)
                answers = int(duet.by_model.sum())
                self._known[key] = {
                    "name": name, "when": datetime.datetime.fromtimestamp(stat.st_mtime).strftime("%d %B, %H:%M"),
                    "seconds": float(duet.times[-1]), "touches": len(duet.times) - answers, "answers": answers,
                }  # fmt: skip
        except (ValueError, OSError):
            return None  # it is empty yet, or no log of a jam
        return self._known[key]

    def _read(self, name: str):
        from mdn.applications.jam.duet import read_duet

        return read_duet(self.studio.folder.find(name, within=FOLDER))

    @message("replay", turn="kept", name=schema.text)
    async def replay(self, session, name: str) -> dict:
        """The touches of a performance, to be heard again: milliseconds, whether the model played, x and y."""
        duet = await self.quickly(self._read, name)
        if len(duet.times) > limits.TOUCHES:
            raise Refused(f"this performance has more than {limits.TOUCHES:,} touches; export it as MIDI.")
        rows = zip(duet.times, duet.by_model, duet.places, strict=True)
        return {"touches": [[round(1e3 * at), int(model), *place.round(4).tolist()] for at, model, place in rows]}

    @message("export", turn="kept", name=schema.text)
    async def export(self, session, name: str) -> dict:
        """A performance as a MIDI file with a track for the player and one for the model."""
        return {"name": f"{Path(name).stem}.mid", "base64": await self.quickly(self._midi_of, name)}

    def _midi_of(self, name: str) -> str:
        from mdn.applications.jam.midi import write_midi

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "jam.mid")
            write_midi(path, *self._read(name).parts())
            return base64.b64encode(path.read_bytes()).decode("ascii")

    @message("remove", turn="kept", name=schema.text)
    async def remove(self, session, name: str) -> dict:
        """Removes a performance for good."""
        self.studio.folder.find(name, within=FOLDER).unlink()
        return await self.kept(session)

    @message("train", turn="kept")
    async def train(self, session) -> dict:
        """A new model of the performances that are kept, as a job."""
        names = await self.quickly(self._learnable)
        await self.quickly(self.studio.folder.check_room)
        out = self.studio.folder.fresh("jam of mine.keras").name
        command = ["train", "jam", *(f"{FOLDER}/{name}" for name in names), "--out", out]
        job = await self.studio.jobs.add("play", f"A jam of {len(names)} of your performances", command, out)
        return {"job": job.id, "out": out}

    def _learnable(self) -> list[str]:
        """The names of the logs to learn from; a ValueError says what is missing."""
        from mdn.applications.jam import data

        abouts = [self._about(name) for name in self._names()]
        names = sorted(one["name"] for one in abouts if one and one["touches"] > 1)
        if not names:
            raise Refused("there is no performance to learn from yet; play for a while first.")
        data.split(data.read([self.studio.folder.path / FOLDER / name for name in names]))
        return names


def _load(source):
    from mdn.applications.jam import Jam

    return Jam.load() if source == SHIPPED else Jam.load(source)


def _scale() -> list[int]:
    """The MIDI notes from the left of the pad to its right, so that the page sounds what MIDI would."""
    import numpy as np

    from mdn.applications.jam import midi

    pitches = [midi.pitch(x) for x in np.linspace(0.0, 1.0, 1001)]
    return sorted(set(pitches))


def _tap() -> float:
    from mdn.applications.jam.data import TAP

    return TAP


page = Play
