"""A jam session over OSC (UDP): `/interface x y` comes in, `/prediction x y` goes out."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from mdn.applications.jam.session import Live, Session
from mdn.applications.live import osc, packets


class OscServer(Live):
    """Hears OSC and plays OSC, until `stop`.

    Addresses: `/interface` (two floats in [0, 1]), `/mdn/mode` (a name of `turns.MODES`), `/mdn/component_temperature`,
    `/mdn/variance_temperature`, `/mdn/reset`. The rest is as in `mdn.applications.live.osc.Ear`.

    Args:
        session: The player and the model.
        ear, mouth: From `open_sockets`; they stay open.
        say: Called with each sentence for the player.
    """

    def __init__(self, session: Session, ear: socket.socket, mouth: socket.socket, say: Callable[[str], None] = print):
        super().__init__(session, say)
        self._mouth = mouth
        self.port = ear.getsockname()[1]
        routes: dict[str, Callable[[str, list], None]] = {
            "/interface": self._interface,
            "/mdn/mode": self._mode,
            "/mdn/reset": lambda *_: session.reset(),
            "/mdn/component_temperature": self._temperature,
            "/mdn/variance_temperature": self._temperature,
        }
        self._ear = osc.Ear(ear, routes, self)

    def _wait(self, seconds: float) -> None:
        self._ear.hear(seconds)

    def _interface(self, address: str, values: list) -> None:
        if len(values) != 2 or not all(isinstance(value, int | float) for value in values):
            raise ValueError(f"/interface takes two numbers, but {osc.came(values)} came")
        self.heard(float(values[0]), float(values[1]), now=time.time())

    def _mode(self, address: str, values: list) -> None:
        self.session.mode = osc.one(address, values, str)

    def _temperature(self, address: str, values: list) -> None:
        self.session.set_temperature(address.rsplit("/", 1)[-1], float(osc.one(address, values, int | float)))

    def _play(self, x: float, y: float, now: float) -> None:
        self.send(self._mouth.send, packets.write("/prediction", x, y))
