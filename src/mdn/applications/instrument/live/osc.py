"""OSC: `/interface v1 … vN` comes in; `/impsy`, `/prediction` and `/mdn` go out, so that patches for either program play."""

from __future__ import annotations

from contextlib import ExitStack

from mdn.applications.instrument.live import config
from mdn.applications.instrument.live.channel import Channel, Stage
from mdn.applications.instrument.live.session import COMMANDS
from mdn.applications.live import osc, packets
from mdn.wording import counted

ANSWERS = ("/impsy", "/prediction", "/mdn")  # IMPSY of today, IMPSY before 2024, and ours


class Osc(Channel):
    """Hears and answers OSC.

    Commands are `/impsy/NAME` and `/mdn/NAME`, for each NAME of `session.COMMANDS`.

    Args:
        stage: Where it brings what it hears.
        config: Where it hears, and where it answers.
        size: How many values there are.
    """

    name = "osc"

    def __init__(self, stage: Stage, config: config.Osc, size: int):
        super().__init__(stage)
        self._config, self._size = config, size
        self._opened = ExitStack()
        self._ear: osc.Ear | None = None

    def open(self) -> None:
        if self._ear is not None:
            return
        try:
            ear, mouth = osc.open_sockets(self._config.server, self._config.client, "server_port")
        except OSError as error:
            raise type(error)(f"[osc] {error}") from None
        self._socket, self._mouth = self._opened.enter_context(ear), self._opened.enter_context(mouth)
        routes = {f"/{who}/{name}": self._command for who in ("impsy", "mdn") for name in COMMANDS}
        self._ear = osc.Ear(ear, {"/interface": self._interface} | routes, self.remarks)

    @property
    def port(self) -> int:
        """Where it hears."""
        return self._socket.getsockname()[1]

    def files(self) -> list:
        return [] if self._ear is None else [self._socket]

    def poll(self) -> None:
        if self._ear is not None:
            self._ear.hear(0.0)

    def send(self, values) -> None:
        if self._ear is not None:
            numbers = values.tolist()
            for address in ANSWERS:
                self.remarks.send(self._mouth.send, packets.write(address, *numbers))

    def close(self) -> None:
        self._ear = None
        self._opened.close()

    def _interface(self, address: str, values: list) -> None:
        if len(values) != self._size or not all(isinstance(value, int | float) for value in values):
            raise ValueError(f"/interface takes {counted(self._size, 'number')}, but {osc.came(values)} came")
        self.stage.heard(dict(enumerate(map(float, values))))

    def _command(self, address: str, values: list) -> None:
        name = address.rsplit("/", 1)[-1]
        if name == "reset":  # IMPSY's has a number, which means nothing
            self.stage.command(name)
        else:
            self.stage.command(name, osc.one(address, values, str if name == "mode" else int | float))
