"""OSC over UDP: an ear that any packet leaves in good health, and the sockets for it."""

from __future__ import annotations

import errno
import reprlib
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping

from mdn.applications.live import packets
from mdn.applications.live.loop import Remarks

_BUFFER = 1 << 22  # bytes
_LARGEST = 1 << 16  # bytes of a datagram
_AT_ONCE = 0.01  # seconds of hearing at most; then the events that are due are played


class Ear:
    """Hears OSC at a socket, and calls the route of each message.

    The messages of a bundle are heard at once, whatever its time tag. Packets from before the constructor are dropped.
    Malformed messages are left out, and the first of each kind is reported.

    Args:
        socket: The socket of `open_sockets`; it stays open.
        routes: From an address to a function of (address, values).
        remarks: Counts and says what is left out.
    """

    def __init__(self, socket: socket.socket, routes: Mapping[str, Callable[[str, list], object]], remarks: Remarks):
        self._socket, self._routes, self._remarks = socket, routes, remarks
        self._waiting: deque[tuple[str, list]] = deque()  # messages of the packet that is being heard
        self._patience: float | None = None  # of the socket: setting it costs a call of the system
        end = time.perf_counter() + 0.1
        while time.perf_counter() < end and self._received(0.0) is not None:
            pass

    def hear(self, patience: float) -> None:
        """Hears packets as soon as they arrive; a flood of them for `_AT_ONCE` only.

        Args:
            patience: How many seconds it waits for the first.
        """
        end = time.perf_counter() + _AT_ONCE
        while time.perf_counter() < end:
            try:
                if self._waiting:
                    self._route(*self._waiting.popleft())
                else:
                    packet = self._received(patience)
                    if packet is None:
                        return
                    self._open_up(packet)
            except Exception as error:  # whatever this packet did, the next one is heard
                self._remarks.refused(error)
            patience = 0.0

    def _received(self, patience: float) -> bytes | None:
        """The next packet; None if none comes within `patience` seconds."""
        try:
            if patience != self._patience:
                self._patience = patience
                self._socket.settimeout(patience)
            return self._socket.recv(_LARGEST)
        except (TimeoutError, BlockingIOError):
            return None
        except OSError as error:
            self._remarks.say_once("OSC cannot be heard", f": {error.strerror or error}")
            time.sleep(patience)
            return None

    def _open_up(self, packet: bytes) -> None:
        messages, latest = packets.read(packet)
        self._waiting.extend(messages)
        if latest > time.time() + 1.0:
            self._remarks.say_once("a bundle asks to be heard later, and is heard at once")

    def _route(self, address: str, values: list) -> None:
        if address in self._routes:
            self._routes[address](address, values)
            return
        meant = []
        if len(address) <= packets.LONGEST_ADDRESS:
            meant = [one for one in self._routes if packets.fits(address, one)]
        if not meant:
            self._remarks.leave_out("an address that means nothing here", f": {reprlib.repr(address)}")
        self._waiting.extendleft((one, values) for one in reversed(meant))


def open_sockets(listen, answer, option: str = "--port") -> tuple[socket.socket, socket.socket]:
    """(an ear, a mouth): UDP sockets that hear at `listen` and send to `answer`; close both when the music is over.

    Args:
        listen: `(host, port)`; port 0 takes any free one.
        answer: `(host, port)`.
        option: What the player should change if the port is in use.

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
        raise OSError(cannot_listen(listen, error, option)) from None
    mouth.setblocking(False)
    return ear, mouth


def cannot_listen(place, error: OSError, option: str) -> str:
    """The sentence for an address at which nothing can be heard.

    Args:
        place: `(host, port)`.
        error: What the system said.
        option: What the player should change if the port is in use.
    """
    host, port, *_ = place
    why = (error.strerror or str(error)).partition(" (while")[0]
    advice = f"Is it in use? Take another {option}."
    if error.errno == errno.EADDRNOTAVAIL:
        advice = "It is no address of this machine: 0.0.0.0 hears at all that are."
    return f"cannot listen at {host}:{port}: {why}. {advice}"


def one(address: str, values: list, kind):
    """The single value of a message.

    Args:
        address: The address of the message, for the error.
        values: What came.
        kind: What the value should be: `str`, or `int | float`.

    Raises:
        ValueError: if something else came.
    """
    if len(values) != 1 or not isinstance(values[0], kind):
        name = "word" if kind is str else "number"
        raise ValueError(f"{address} takes one {name}, but {came(values)} came")
    return values[0]


def came(values: list) -> str:
    """Values from outside as text of bounded length: a packet may hold 65,000."""
    return reprlib.repr(tuple(values))


def _socket(address, tie) -> socket.socket:
    family, kind, protocol, _, place = socket.getaddrinfo(address[0], address[1], type=socket.SOCK_DGRAM)[0]
    made = socket.socket(family, kind, protocol)
    try:
        tie(made, place)
    except OSError:
        made.close()
        raise
    return made
