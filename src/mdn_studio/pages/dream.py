"""Dream: steer a car, or balance a pole, in the real environment and in the dream of a network, side by side."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from mdn.data import schema
from mdn_studio import limits
from mdn_studio.messages import message
from mdn_studio.page import Page
from mdn_studio.pages.dream_parts import FRAMES_A_SECOND, WORLDS, Loaded, Wheel
from mdn_studio.refused import Refused

SLOWEST, FASTEST = 0.1, 1.0  # speeds, of the environment's own
HOTTEST = 20.0
_SPEED = schema.number(SLOWEST, FASTEST)
_HEAT = schema.number(0.0, HOTTEST)
_KEYS = ("left", "right", "up", "down")


class _Seat:
    """A tab at the wheel: its frames come at a steady rate until it pauses or closes."""

    def __init__(self, wheel: Wheel, speed: float):
        self.wheel, self.speed, self.runs = wheel, speed, True
        self.task: asyncio.Task | None = None


class Dream(Page):
    """Both worlds of one tab go on in a task of their own; keys, temperature and speed change them meanwhile."""

    name = "dream"

    def __init__(self, studio):
        super().__init__(studio)
        self._loaded: dict[str, Loaded] = {}
        self._seats: dict[Any, _Seat] = {}

    def warm(self) -> None:
        """Loads the car's world, and goes a few frames in it."""
        wheel = Wheel(self._world("racing"), 1.0, 0)
        for wheel.who in ("c", "you"):
            for _ in range(5):
                wheel.tick()
        wheel.close()

    def _world(self, name: str) -> Loaded:
        if name not in self._loaded:
            self._loaded[name] = Loaded(name)
        return self._loaded[name]

    @message(
        "begin",
        world=schema.one_of(*WORLDS),
        who=schema.one_of("you", "c"),
        variance_temperature=_HEAT,
        speed=_SPEED,
        runs=schema.flag,
        seed=schema.whole(),
    )
    async def begin(self, session, world: str, who: str, variance_temperature: float, speed: float, runs, seed) -> dict:
        """Begins both walks of a world; frames follow as news `dream.frame`."""
        if session not in self._seats and len(self._seats) >= limits.DREAMERS:
            raise Refused(f"{limits.DREAMERS} people dream here already; wait until one of them has left.")
        await self.left(session)
        wheel = await self.compute(lambda: Wheel(self._world(world), variance_temperature, seed))
        wheel.who = who
        seat = self._seats[session] = _Seat(wheel, speed)
        seat.runs = bool(runs)
        seat.task = session.start(self._drive(session, seat))
        about, shape = WORLDS[world], wheel.loaded.world.vision.shape
        box = wheel.loaded.world.controller.kind == "box"
        return {
            "title": about.title, "keys": about.keys, "actions": about.actions, "box": box, "missing": wheel.missing,
            "height": shape[0], "width": shape[1], "channels": shape[2],
        }  # fmt: skip

    async def _drive(self, session, seat: _Seat) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            if seat.runs:
                await session.drained()
                await session.tell("dream.frame", **await self.compute(seat.wheel.tick))
            due = max(due + 1.0 / (FRAMES_A_SECOND * seat.speed), loop.time() - 0.1)  # what came late is not caught up
            await asyncio.sleep(max(0.0, due - loop.time()))

    @message("keys", held=schema.listed(schema.one_of(*_KEYS)))
    async def keys(self, session, held: list[str]) -> dict:
        """Which arrow keys are held."""
        self._seat(session).wheel.held = frozenset(held)
        return {}

    @message("who", who=schema.one_of("you", "c"))
    async def who(self, session, who: str) -> dict:
        """Who drives."""
        self._seat(session).wheel.who = who
        return {}

    @message("heat", variance_temperature=_HEAT)
    async def heat(self, session, variance_temperature: float) -> dict:
        """How far dreams stray: variances are multiplied by it."""
        self._seat(session).wheel.heat(variance_temperature)
        return {}

    @message("speed", speed=_SPEED)
    async def speed(self, session, speed: float) -> dict:
        """How fast time goes, as a share of the environment's own speed."""
        self._seat(session).speed = speed
        return {}

    @message("run", runs=schema.flag)
    async def run(self, session, runs) -> dict:
        """Goes on, or pauses."""
        self._seat(session).runs = bool(runs)
        return {}

    @message("anew", which=schema.one_of("real", "dream", "here"))
    async def anew(self, session, which: str) -> dict:
        """Begins one side anew; "here": the dream, where the real episode is."""
        wheel = self._seat(session).wheel
        if which == "here":
            await self.compute(wheel.dream_from_here)
        else:
            await self.compute(wheel.begin, which)
        return {}

    def _seat(self, session) -> _Seat:
        if session not in self._seats:
            raise Refused("there is no dream under way; choose a world first.")
        return self._seats[session]

    async def left(self, session) -> None:
        """Ends the walks of a tab."""
        seat = self._seats.pop(session, None)
        if seat is not None:
            if seat.task is not None:
                seat.task.cancel()
            with suppress(RuntimeError):  # the studio ends, and its threads take no more work
                await self.compute(seat.wheel.close)


page = Dream
