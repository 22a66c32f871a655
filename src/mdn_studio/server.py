"""The server: a Starlette application that uvicorn runs.

Both are small, typed and maintained, have been the common ground of asynchronous Python for years, and know WebSockets;
FastAPI or Django would bring what a single page does not use.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import threading
import webbrowser
from collections.abc import Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import h11
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from uvicorn.protocols.http.h11_impl import H11Protocol

from mdn_studio import limits, locks
from mdn_studio.folder import Folder
from mdn_studio.guard import Guard, token_of
from mdn_studio.refused import Refused

PAGES = ("lecture", "table", "draw", "write", "play", "dream")
STATIC = Path(__file__).parent / "static"
_SHOWN_WITHIN = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; frame-ancestors 'self'; sandbox"
)


def application(folder: Folder, token: str, port: int, everywhere: bool = False, pages=PAGES):
    """The ASGI application of a studio.

    The page is answered at once; Keras and the models are imported meanwhile, and sockets wait for them.
    """

    @asynccontextmanager
    async def living(app):
        opening = app.state.opening = asyncio.ensure_future(asyncio.to_thread(_studio, folder, pages))
        beginning = asyncio.ensure_future(_begin(opening))
        yield
        beginning.cancel()
        if opening.done() and not opening.exception():
            await opening.result().end()

    async def shell(request: Request):
        return FileResponse(STATIC / "index.html")

    async def visit(websocket):
        with suppress(asyncio.CancelledError):  # the server ends
            studio = await asyncio.shield(websocket.app.state.opening)
            await studio.visit(websocket)

    async def download(request: Request):
        try:
            path = folder.find(request.path_params["name"])
        except (Refused, OSError) as error:
            return PlainTextResponse(f"{error}\n", 404)
        return FileResponse(path, filename=path.name, content_disposition_type="attachment")

    async def view(request: Request):
        """A page that the studio wrote, such as a report, to be shown in a frame: no script runs in it."""
        try:
            path = folder.find(request.path_params["name"])
        except (Refused, OSError) as error:
            return PlainTextResponse(f"{error}\n", 404)
        return FileResponse(path, media_type="text/html", headers={"Content-Security-Policy": _SHOWN_WITHIN})

    async def upload(request: Request):
        try:
            name = await _receive(request, folder)
        except Refused as error:
            return JSONResponse({"sentence": str(error)}, 400)
        except OSError as error:
            return JSONResponse({"sentence": f"the file could not be kept: {error.strerror or error}."}, 400)
        return JSONResponse({"name": name})

    async def recorder(request: Request):
        from mdn_studio.recorder import module

        return Response(await asyncio.to_thread(module), media_type="text/javascript")

    routes = [
        Route("/", shell),
        *(Route(f"/{name}", shell) for name in pages),
        Route("/files/{name}", download),
        Route("/view/{name}", view),
        Route("/upload/{name}", upload, methods=["POST"]),
        WebSocketRoute("/socket", visit),
        Route("/static/recorder.js", recorder),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    return Guard(Starlette(routes=routes, lifespan=living), token, port, everywhere)


def _studio(folder: Folder, pages: Sequence[str]):
    from mdn_studio.studio import Studio

    return Studio(folder, pages)


async def _begin(opening):
    studio = await asyncio.shield(opening)
    await studio.begin()


async def _receive(request: Request, folder: Folder) -> str:
    """Writes the body of a request to a new file in the folder `uploads`; returns the name of that file."""
    name = request.path_params["name"]
    path = folder.place(name, within="uploads")
    most = limits.UPLOAD_BYTES
    too_large = (
        f"the file is larger than {limits.megabytes(most)}, which is the most that the studio takes; use `mdn fit`."
    )
    if int(request.headers.get("content-length") or 0) > most:
        raise Refused(too_large)
    await asyncio.to_thread(folder.check_room)
    stream, size = request.stream().__aiter__(), 0
    partial = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        async with asyncio.timeout(limits.UPLOAD_SECONDS):
            with open(partial, "xb") as file:
                while True:
                    async with asyncio.timeout(limits.UPLOAD_PAUSE):
                        piece = await anext(stream, None)
                    if piece is None:
                        break
                    size += len(piece)
                    if size > most:
                        raise Refused(too_large)
                    await asyncio.to_thread(file.write, piece)
        path = folder.fresh(name, within="uploads")
        partial.rename(path)
    except TimeoutError:
        raise Refused("the upload came to a stop, so nothing of it was kept; send the file again.") from None
    except ClientDisconnect:
        raise Refused("the page left before the file had come.") from None
    finally:
        partial.unlink(missing_ok=True)
    return path.name


class _Impatient(H11Protocol):
    """Closes a connection that does not send the head of its request in time, so that none can hold a place for nothing."""

    _waits: asyncio.TimerHandle | None = None

    def connection_made(self, transport):
        super().connection_made(transport)
        self._begin()

    def data_received(self, data):
        super().data_received(data)
        unfinished = self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])
        if not unfinished:
            self._calm()
        elif self._waits is None:
            self._begin()

    def connection_lost(self, exc):
        self._calm()
        super().connection_lost(exc)

    def _begin(self):
        self._waits = self.loop.call_later(limits.HEAD_SECONDS, self._too_slow)

    def _calm(self):
        if self._waits is not None:
            self._waits.cancel()
            self._waits = None

    def _too_slow(self):
        if not self.transport.is_closing():
            self.transport.close()


class _Server(uvicorn.Server):
    """Calls back once it listens."""

    def __init__(self, config, listening):
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets=None):
        await super().startup(sockets)
        if self.started:
            self._listening()


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes any that is free.

    Raises:
        OSError: in one sentence, if it cannot.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        made = socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        raise OSError(
            f"the studio cannot listen at {host}, port {port}: {error.strerror or error}. "
            "Perhaps another studio runs there; --port names another."
        ) from None
    # asyncio turns Nagle's algorithm off only where the protocol is named; with it, small messages wait for 40 ms
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=made.detach())


def serve(folder, port: int = 8000, host: str = "127.0.0.1", browser: bool = True, say=print, pages=PAGES) -> None:
    """Runs the studio until Ctrl-C.

    Args:
        folder: Of the files that the studio reads and writes; made if there is none.
        port: 0 for any that is free.
        host: The address to listen at; 127.0.0.1 is reached from this machine only.
        browser: Whether the page is opened in the browser.
        say: Gets the lines to print, the address on a line of its own.
        pages: The names of the pages.

    Raises:
        OSError: if it cannot listen there, or another studio has the folder.
    """
    place = Folder(folder)
    lock = locks.take(place.kept / "lock")
    if lock is None:
        raise OSError(f"another studio has the folder {str(place.path)!r} open; close it, or name another by --folder.")
    for left in place.path.glob("uploads/.*.part"):  # of a server that was killed
        left.unlink(missing_ok=True)
    token = token_of(place.kept / "token")
    listening = listen(host, port)
    port = listening.getsockname()[1]
    everywhere = host not in ("127.0.0.1", "::1", "localhost")
    shown = socket.gethostname() if everywhere else "127.0.0.1" if host != "::1" else "[::1]"
    address = f"http://{shown}:{port}/?token={token}"

    def ready():
        say(f"The studio is open; its files are in {place.path}. Ctrl-C closes it.")
        say(address)
        if browser:  # in a thread, since some browsers return only when they are closed
            once = f"http://{shown}:{port}/?once={app.ticket()}"
            threading.Thread(target=webbrowser.open, args=(once,), daemon=True, name="studio-browser").start()

    app = application(place, token, port, everywhere, pages)
    config = uvicorn.Config(
        app, http=_Impatient, ws="websockets-sansio", log_level="warning",
        ws_max_size=limits.MESSAGE_BYTES, ws_per_message_deflate=False, lifespan="on", timeout_graceful_shutdown=1,
        server_header=False, h11_max_incomplete_event_size=32_768, limit_concurrency=4 * limits.SOCKETS, access_log=False,
    )  # fmt: skip
    with lock:
        _Server(config, ready).run(sockets=[listening])
