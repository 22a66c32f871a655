"""What reaches the studio: requests of its own page with its token, and nothing else.

Another page in the same browser can send requests to this machine, too. It can neither know the token nor set the Host or the
Origin of its requests, and all three are checked for every request and every WebSocket.
"""

from __future__ import annotations

import hmac
import ipaddress
import os
import secrets
import socket
import time
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode

from starlette.responses import PlainTextResponse, RedirectResponse

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
        "connect-src 'self'; font-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
_ONCE = 120.0  # seconds in which an address with a ticket must be opened
_NO_TOKEN = "the token is missing or wrong; open the address that `mdn studio` printed, with its token."


def token_of(path: Path) -> str:
    """The token that is kept in the file `path`, which only its owner may read; made there if there is none.

    It outlives the server, so that a page finds its server again after a restart.
    """
    try:
        kept = path.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        kept = ""
    if len(kept) < 32 or not kept.isalnum():
        kept = secrets.token_hex(16)
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(kept + "\n")
    return kept


class Guard:
    """An ASGI application around another one, which it lets only allowed requests reach.

    A page that is opened by an address with the token gets a cookie and is sent to the same address without it, so that the token
    stays neither in the address bar nor in the history.

    Args:
        app: The application.
        token: Which a request must bring in its address (`?token=`) or in the cookie that the first answer sets.
        port: Of the server.
        everywhere: Whether other machines may reach it: then Host may be any address or name of this machine.
    """

    def __init__(self, app, token: str, port: int, everywhere: bool = False):
        self.app, self.token, self.port = app, token, port
        self.cookie = f"mdn-studio-{port}"
        self.names = {"localhost", *(_own_names() if everywhere else ())}
        self.everywhere = everywhere
        self._tickets: dict[str, float] = {}

    def ticket(self) -> str:
        """Opens the studio once, as `?once=`: other users of this machine can read the command line of a browser."""
        made = secrets.token_hex(16)
        self._tickets[made] = time.monotonic() + _ONCE
        return made

    async def __call__(self, scope, receive, send):
        """Answers 403 with a sentence, or passes the request on."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
        said = _query(scope)
        refusal, opened = self.refusal(scope, headers), False
        if not refusal:  # another request must not spend a ticket
            opened = self._is_token(said.get("token", "")) or self._spent(said.get("once", ""))
            refusal = "" if opened or self._from_cookie(headers) else _NO_TOKEN
        if refusal and scope["type"] == "websocket":
            await receive()
            return await send({"type": "websocket.close", "code": 4403, "reason": refusal})
        if refusal:
            return await PlainTextResponse(refusal + "\n", 403, HEADERS)(scope, receive, send)
        if opened and scope["type"] == "http" and scope["method"] == "GET":
            return await self._without_token(scope, said)(scope, receive, send)

        async def with_headers(event):
            if event["type"] == "http.response.start":
                own = {name.lower() for name, _ in event["headers"]}
                added = [(k.lower().encode(), v.encode()) for k, v in HEADERS.items()]
                event["headers"] = [*event["headers"], *(one for one in added if one[0] not in own)]
            await send(event)

        return await self.app(scope, receive, with_headers if scope["type"] == "http" else send)

    def _without_token(self, scope, said: dict[str, str]) -> RedirectResponse:
        """Sets the cookie, and sends the browser to the address without the token."""
        rest = urlencode({name: value for name, value in said.items() if name not in ("token", "once")})
        path = "/" + quote(scope["path"].lstrip("/"))  # two slashes would name another host
        # Lax: where the address was a link on another page, as in a mail, a browser sends no Strict cookie after it
        cookie = f"{self.cookie}={self.token}; Path=/; HttpOnly; SameSite=Lax; Max-Age=31536000"
        return RedirectResponse(f"{path}?{rest}" if rest else path, 303, {**HEADERS, "Set-Cookie": cookie})

    def refusal(self, scope, headers) -> str:
        """Why a request is refused whatever token it brings, as one sentence; "" for one that is not."""
        host = headers.get("host", "")
        if not self._known(host):
            return f"the studio does not answer to the name {host[:80]!r}; open the address that it printed."
        origin = headers.get("origin")
        changes = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
        if (origin is None and changes) or (origin is not None and origin != f"http://{host}"):
            return "the studio answers its own page only, and this request came from another one."
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none") and changes:
            return "the studio answers its own page only, and this request came from another one."
        return ""

    def _is_token(self, asked: str) -> bool:
        return hmac.compare_digest(asked.encode(), self.token.encode())

    def _spent(self, ticket: str) -> bool:
        """Whether a ticket is good; it is good once."""
        return self._tickets.pop(ticket, 0.0) > time.monotonic()

    def _from_cookie(self, headers) -> bool:
        try:
            cookies = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            return False
        kept = cookies[self.cookie].value if self.cookie in cookies else ""
        return self._is_token(kept)

    def _known(self, host: str) -> bool:
        name, _, port = host.rpartition(":")
        if port != str(self.port):
            return False
        try:
            address = ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return name.lower() in self.names
        return self.everywhere or address.is_loopback


def _query(scope) -> dict[str, str]:
    """The fields of an address; none if there are too many."""
    try:
        return dict(parse_qsl(scope["query_string"].decode("latin-1"), max_num_fields=20))
    except ValueError:
        return {}


def _own_names() -> set[str]:
    name = socket.gethostname().lower()
    return {name, f"{name.partition('.')[0]}.local"}
