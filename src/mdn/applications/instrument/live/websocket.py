"""WebSocket: browsers send and get `/channel/1/noteon/60/100`, `/channel/1/cc/42/64` and their like, as texts.

The protocol is that of `websockets`, without its threads: the sockets are read in the one loop of all channels, so a client
that floods waits in the network, and one that does not read is let go.
"""

from __future__ import annotations

import logging
import reprlib
import socket
from collections import deque
from contextlib import suppress
from functools import partial
from typing import Any

from mdn.applications.instrument.live import config
from mdn.applications.instrument.live.channel import Channel, Stage, drained
from mdn.applications.instrument.live.mapping import BEND, CONTROL, NOTE_OFF, NOTE_ON, Message, Playing, updates
from mdn.applications.live.osc import cannot_listen

try:
    from websockets.frames import DATA_OPCODES, Opcode
    from websockets.http11 import Request
    from websockets.protocol import State
    from websockets.server import ServerProtocol
except ImportError:
    raise ImportError("WebSocket needs websockets: pip install 'mdn[play]'.") from None

_WORDS = {NOTE_ON: "noteon", NOTE_OFF: "noteoff", CONTROL: "cc", BEND: "pitchbend"}
_KINDS = {word: kind for kind, word in _WORDS.items()}
_CLIENTS = 64
_LONGEST = 1024  # bytes of a message
_AT_ONCE = 4096  # bytes
_UNREAD = 1 << 18  # bytes that a client may leave unread
_NO_LOG = logging.Logger("websockets of mdn", level=logging.CRITICAL + 1)  # what strangers send is said by remarks


def text(message: Message) -> str:
    """A message as a text."""
    start = f"/channel/{message.channel}/{_WORDS[message.kind]}"
    if message.kind == BEND:
        return f"{start}/{message.first + 128 * message.second}"
    return f"{start}/{message.first}/{message.second}"


def message(text: str) -> Message:
    """The message of a text.

    Raises:
        ValueError: if it is none.
    """
    parts = text.split("/")
    kind = _KINDS.get(parts[3]) if len(parts) > 3 and parts[:2] == ["", "channel"] else None
    numbers = [int(part) for part in (parts[2:3] + parts[4:]) if part.isascii() and part.isdigit() and len(part) < 6]
    if kind is not None and len(numbers) == len(parts) - 3 and 1 <= numbers[0] <= 16:
        if kind == BEND and len(numbers) == 2 and numbers[1] < 1 << 14:
            return Message(kind, numbers[0], numbers[1] % 128, numbers[1] // 128)
        if kind != BEND and len(numbers) == 3 and max(numbers[1:]) < 128:
            return Message(kind, *numbers)
    raise ValueError(f"[websocket] takes texts such as /channel/1/cc/42/64, but {reprlib.repr(text)} came")


class _Client:
    """One connection: its socket, its protocol, what came and was not heard yet, what went and was not read yet."""

    def __init__(self, connection: socket.socket):
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a note must not wait for the next one
        self.socket, self.protocol = connection, ServerProtocol(max_size=_LONGEST, logger=_NO_LOG)
        self.waiting: deque = deque()
        self._unread = bytearray()
        self._ended = False

    @property
    def is_open(self) -> bool:
        """Whether messages may be sent."""
        return self.protocol.state is State.OPEN

    def read(self) -> None:
        """Reads what has come, unless some of it still waits to be heard.

        Raises:
            OSError: at the end of the connection.
        """
        if self.waiting:
            return
        if self._ended:
            raise ConnectionResetError
        try:
            data = self.socket.recv(_AT_ONCE)
        except (BlockingIOError, InterruptedError):
            return
        if data:
            self.protocol.receive_data(data)
        else:
            self.protocol.receive_eof()
            self._ended = True
        self.waiting.extend(self.protocol.events_received())

    def write(self) -> None:
        """Sends what the protocol has to say, as far as the network takes it.

        Raises:
            OSError: at the end of the connection, or if the client leaves too much unread.
        """
        for part in self.protocol.data_to_send():
            self._unread += part
            self._ended |= not part  # an empty part is the protocol's sign for the end
        if self._unread:
            with suppress(BlockingIOError, InterruptedError):
                del self._unread[: self.socket.send(self._unread)]
        if len(self._unread) > _UNREAD:
            raise ConnectionAbortedError


class WebSocket(Channel):
    """Serves clients, such as browsers: all of them play together, and all hear the model.

    Args:
        stage: Where it brings what it hears.
        config: Where it serves, and what messages mean.
    """

    name = "websocket"

    def __init__(self, stage: Stage, config: config.WebSocket):
        super().__init__(stage)
        self._config, self._playing = config, Playing(config.output)
        self._server: socket.socket | None = None
        self._clients: list[_Client] = []
        self._hearing = False  # what is sent meanwhile goes out at its end, in one piece

    def open(self) -> None:
        if self._server is not None:
            return
        host, port = self._config.server
        try:
            self._server = socket.create_server((host, port), family=_family(host, port))
        except OSError as error:
            raise type(error)(f"[websocket] {cannot_listen((host, port), error, 'server_port')}") from None
        self._server.setblocking(False)

    @property
    def port(self) -> int:
        """Where it serves."""
        return self._server.getsockname()[1] if self._server else self._config.server[1]

    def files(self) -> list:
        return [] if self._server is None else [self._server, *(client.socket for client in self._clients)]

    def poll(self) -> None:
        if self._server is None:
            return
        self._accept()
        self._hearing = True
        for client in [*self._clients]:
            try:
                client.read()
                self.each(drained(client.waiting), partial(self._hear, client))
            except OSError:
                self._let_go(client)
        self._hearing = False
        for client in [*self._clients]:
            self._write(client)

    def send(self, values) -> None:
        if self._clients:  # while nobody listens nothing is sent, and the first to come gets all values
            self._tell(self._playing.messages(values))

    def silence(self) -> None:
        self._tell(self._playing.silence())

    def close(self) -> None:
        self._tell(self._playing.end())
        for client in [*self._clients]:
            if client.is_open:
                client.protocol.send_close(1001)  # "going away"
                self._write(client)
            self._let_go(client)
        if self._server is not None:
            self._server.close()
        self._server = None

    def _accept(self) -> None:
        while self._server is not None:
            try:
                connection, _ = self._server.accept()
            except OSError:  # nobody else waits, or the one who did has gone
                return
            if len(self._clients) == _CLIENTS:
                self.remarks.leave_out(f"[websocket] a client beyond {_CLIENTS}")
                connection.close()
            else:
                self._clients.append(_Client(connection))

    def _hear(self, client: _Client, event: Any) -> None:
        if isinstance(event, Request):
            client.protocol.send_response(client.protocol.accept(event))
            self._playing.forget()
        elif event.opcode in DATA_OPCODES:
            if event.opcode is not Opcode.TEXT or not event.fin:
                raise ValueError("[websocket] takes texts in one piece, but bytes or pieces came")
            heard = message(event.data.decode(errors="replace"))
            found = updates(self._config.input, heard)
            if found:
                self.stage.heard(found)
            elif not heard.ends_a_note:
                self.remarks.leave_out("[websocket] input has no value for a message", f": {heard}")

    def _tell(self, messages: list[Message]) -> None:
        texts = [text(one).encode() for one in messages]
        for client in [*self._clients]:
            if client.is_open:
                for each in texts:
                    client.protocol.send_text(each)
                if not self._hearing:
                    self._write(client)

    def _write(self, client: _Client) -> None:
        try:
            client.write()
        except OSError:
            self._let_go(client)

    def _let_go(self, client: _Client) -> None:
        if client in self._clients:
            self._clients.remove(client)
        client.socket.close()


def _family(host: str, port: int) -> int:
    return socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
