"""A jam session over OSC (UDP): `/interface x y` comes in, `/prediction x y` goes out."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable

from mdn.applications.jam.live import Live
from mdn.applications.jam.session import Session

_BUFFER = 1 << 22  # bytes


class OscServer(Live):
    """Hears OSC and plays OSC, until `stop`.

    Addresses: `/interface` (two floats in [0, 1]), `/mdn/mode` (a name of `session.MODES`), `/mdn/component_temperature`,
    `/mdn/variance_temperature`, `/mdn/reset`. What is malformed is left out, and the first of each kind is said.

    Args:
        session: Who plays.
        listen: `(host, port)` to hear at; port 0 takes any that is free.
        answer: `(host, port)` to send `/prediction` to.
        say: Told sentences for the player.

    Raises:
        OSError: if the port is in use, or if there is no such host; the message names it.
    """

    def __init__(self, session: Session, listen, answer, say: Callable[[str], None] = print):
        super().__init__(session, say)
        try:
            from pythonosc import dispatcher, osc_server, udp_client
        except ImportError:
            raise ImportError("OSC needs python-osc: pip install 'mdn[jam]'.") from None
        routes = dispatcher.Dispatcher()
        routes.map("/interface", self._interface)
        routes.map("/mdn/mode", self._mode)
        routes.map("/mdn/reset", lambda *_: session.reset())
        for name in ("component_temperature", "variance_temperature"):
            routes.map(f"/mdn/{name}", self._temperature)
        routes.set_default_handler(
            lambda address, *_: self.leave_out("an address that means nothing here", f": {address!r}")
        )

        class Server(osc_server.BlockingOSCUDPServer):
            def handle_error(server, request, client_address):
                self.refused(sys.exc_info()[1] or ValueError("a packet that is no OSC"))

            def verify_request(server, request, client_address):
                from pythonosc.osc_packet import OscPacket, ParseError

                try:
                    OscPacket(request[0])
                except (ParseError, ValueError, IndexError, UnicodeDecodeError):
                    self.leave_out("a packet that is no OSC")
                    return False
                return True

        try:
            self._client = udp_client.SimpleUDPClient(*answer)
        except OSError as error:
            raise OSError(f"cannot answer at {answer[0]}:{answer[1]}: {error.strerror or error}.") from None
        try:
            self._server = Server(tuple(listen), routes)
        except OSError as error:
            self._client.close()
            raise OSError(
                f"cannot listen at {listen[0]}:{listen[1]}: {error.strerror or error}. Is it in use? Take another --port."
            ) from None
        # a burst waits here; what does not fit is lost, as UDP is
        self._server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self.port = self._server.server_address[1]
        self._hearing = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True, name="hearing OSC"
        )

    def _interface(self, _, *values) -> None:
        if len(values) != 2 or not all(isinstance(value, int | float) for value in values):
            raise ValueError(f"/interface takes two numbers, but {values!r} came")
        self.heard(float(values[0]), float(values[1]), now=time.time())

    def _mode(self, address: str, *values) -> None:
        self.session.mode = _one(address, values, str)

    def _temperature(self, address: str, *values) -> None:
        self.session.set_temperature(address.rsplit("/", 1)[-1], float(_one(address, values, int | float)))

    def _play(self, x: float, y: float, now: float) -> None:
        self.send(self._client.send_message, "/prediction", [x, y])

    def _open(self) -> None:
        self._hearing.start()

    def _close(self) -> None:
        self._server.shutdown()
        self._hearing.join()
        self._server.server_close()
        self._client.close()


def _one(address: str, values, kind):
    if len(values) != 1 or not isinstance(values[0], kind):
        name = "word" if kind is str else "number"
        raise ValueError(f"{address} takes one {name}, but {values!r} came")
    return values[0]
