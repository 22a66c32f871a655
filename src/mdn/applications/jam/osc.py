"""A jam session over OSC (UDP): `/interface x y` comes in, `/prediction x y` goes out."""

from __future__ import annotations

import reprlib
import socket
import time
from collections import deque
from collections.abc import Callable

from mdn.applications.jam import packets
from mdn.applications.jam.live import Live
from mdn.applications.jam.session import Session

_BUFFER = 1 << 22  # bytes
_LARGEST = 1 << 16  # bytes of a datagram
_AT_ONCE = 0.01  # seconds of hearing at most; then the touches that are due are played


class OscServer(Live):
    """Hears OSC and plays OSC, until `stop`.

    Addresses: `/interface` (two floats in [0, 1]), `/mdn/mode` (a name of `session.MODES`), `/mdn/component_temperature`,
    `/mdn/variance_temperature`, `/mdn/reset`. Malformed messages are left out, and the first of each kind is reported.
    The messages of a bundle are heard at once, whatever its time tag. Packets from before the constructor are dropped.

    Args:
        session: The player and the model.
        ear, mouth: From `open_sockets`; they stay open.
        say: Called with each sentence for the player.
    """

    def __init__(self, session: Session, ear: socket.socket, mouth: socket.socket, say: Callable[[str], None] = print):
        super().__init__(session, say)
        self._ear, self._mouth = ear, mouth
        self.port = ear.getsockname()[1]
        self._waiting: deque[tuple[str, list]] = deque()  # messages of the packet that is being heard
        self._routes: dict[str, Callable[[str, list], None]] = {
            "/interface": self._interface,
            "/mdn/mode": self._mode,
            "/mdn/reset": lambda *_: session.reset(),
            "/mdn/component_temperature": self._temperature,
            "/mdn/variance_temperature": self._temperature,
        }
        end = time.perf_counter() + 0.1
        while time.perf_counter() < end and self._received(0.0) is not None:
            pass

    def _wait(self, seconds: float) -> None:
        """Hears packets as soon as they arrive; a flood of them for `_AT_ONCE` only."""
        end, patience = time.perf_counter() + _AT_ONCE, seconds
        while time.perf_counter() < end:
            try:
                if self._waiting:
                    self._hear(*self._waiting.popleft())
                else:
                    packet = self._received(patience)
                    if packet is None:
                        return
                    self._open_up(packet)
            except Exception as error:  # whatever this packet did, the next one is heard
                self.refused(error)
            patience = 0.0

    def _received(self, patience: float) -> bytes | None:
        """The next packet; None if none comes within `patience` seconds."""
        try:
            self._ear.settimeout(patience)
            return self._ear.recv(_LARGEST)
        except (TimeoutError, BlockingIOError):
            return None
        except OSError as error:
            self.say_once("OSC cannot be heard", f": {error.strerror or error}")
            self._stopped.wait(patience)
            return None

    def _open_up(self, packet: bytes) -> None:
        messages, latest = packets.read(packet)
        self._waiting.extend(messages)
        if latest > time.time() + 1.0:
            self.say_once("a bundle asks to be heard later, and is heard at once")

    def _hear(self, address: str, values: list) -> None:
        if address in self._routes:
            self._routes[address](address, values)
            return
        meant = []
        if len(address) <= packets.LONGEST_ADDRESS:
            meant = [one for one in self._routes if packets.fits(address, one)]
        if not meant:
            self.leave_out("an address that means nothing here", f": {reprlib.repr(address)}")
        self._waiting.extendleft((one, values) for one in reversed(meant))

    def _interface(self, address: str, values: list) -> None:
        if len(values) != 2 or not all(isinstance(value, int | float) for value in values):
            raise ValueError(f"/interface takes two numbers, but {_came(values)} came")
        self.heard(float(values[0]), float(values[1]), now=time.time())

    def _mode(self, address: str, values: list) -> None:
        self.session.mode = _one(address, values, str)

    def _temperature(self, address: str, values: list) -> None:
        self.session.set_temperature(address.rsplit("/", 1)[-1], float(_one(address, values, int | float)))

    def _play(self, x: float, y: float, now: float) -> None:
        self.send(self._mouth.send, packets.write("/prediction", x, y))


def open_sockets(listen, answer) -> tuple[socket.socket, socket.socket]:
    """(an ear, a mouth): UDP sockets that hear at `listen` and send to `answer`; close both when the music is over.

    Args:
        listen: `(host, port)`; port 0 takes any free one.
        answer: `(host, port)`.

    Raises:
        OSError: if the port is in use, or if there is no such host; the message names it.
    """
    try:
        mouth = _socket(answer, socket.socket.connect)
    except OSError as error:
        raise OSError(f"cannot answer at {answer[0]}:{answer[1]}: {error.strerror or error}.") from None
    try:
        ear = _socket(listen, socket.socket.bind)
        # a burst waits here; packets beyond it are lost, as UDP allows
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    except OSError as error:
        mouth.close()
        raise OSError(
            f"cannot listen at {listen[0]}:{listen[1]}: {error.strerror or error}. Is it in use? Take another --port."
        ) from None
    mouth.setblocking(False)
    return ear, mouth


def _socket(address, tie) -> socket.socket:
    family, kind, protocol, _, place = socket.getaddrinfo(address[0], address[1], type=socket.SOCK_DGRAM)[0]
    made = socket.socket(family, kind, protocol)
    try:
        tie(made, place)
    except OSError:
        made.close()
        raise
    return made


def _one(address: str, values: list, kind):
    if len(values) != 1 or not isinstance(values[0], kind):
        name = "word" if kind is str else "number"
        raise ValueError(f"{address} takes one {name}, but {_came(values)} came")
    return values[0]


def _came(values: list) -> str:
    return reprlib.repr(tuple(values))  # a packet may hold 65,000 values
