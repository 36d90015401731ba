"""The HTTP side of a server, for what has no message: making trees, and edits too large for a socket (SEMANTICS 28).

On the standard library, in a thread: these calls are rare, and a second HTTP stack would be a dependency for everyone.
"""

from __future__ import annotations

import asyncio
import json
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import ProxyHandler, Request, build_opener

from sync.codec import JSON
from sync.errors import BadMessage, TreesyncError, Unavailable
from sync.protocol import Edit, Error, Outcome
from treesync_client.errors import fault

REQUEST_SECONDS = 30.0
_STATUSES = {
    401: "unauthorised",
    403: "unauthorised",
    407: "unauthorised",
    408: "unavailable",
    413: "too_large",
    425: "unavailable",
    429: "rate",
}
_OF_ANOTHER = "what was answered is not of this server"
_OPENER = build_opener(ProxyHandler({}))  # as for the socket: the address is meant as it stands


class Api:
    """`base` is the server's address, http or https."""

    def __init__(self, base: str) -> None:
        self._base = base

    async def request(self, method: str, path: str, token: str, body: Any = None) -> Any:
        """Call a route below /api/v1; its JSON. Raises the error of `sync.errors` that the answer's code stands for."""
        content = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = await asyncio.to_thread(self._exchange, method, path, token, content)
        try:
            return json.loads(answer) if answer else None
        except ValueError as error:
            raise Unavailable(_OF_ANOTHER) from error

    async def raw(self, method: str, path: str, token: str, content: bytes) -> bytes:
        """The same with bytes both ways."""
        return await asyncio.to_thread(self._exchange, method, path, token, content)

    async def edit(self, edit: Edit, token: str) -> Outcome | Error:
        """Send an edit; its answer. Raises TreesyncError, Unavailable wherever it may have arrived."""
        read = await self.raw("POST", f"/trees/{edit.tree}/edits", token, JSON.encode(edit))
        try:
            answer = JSON.decode_server(read)
        except BadMessage as error:
            raise Unavailable(_OF_ANOTHER) from error
        if not isinstance(answer, Outcome | Error):
            raise Unavailable(_OF_ANOTHER)
        return answer

    def _exchange(self, method: str, path: str, token: str, content: bytes | None) -> bytes:
        request = Request(f"{self._base}/api/v1{path}", data=content, method=method)
        request.add_header("Authorization", f"Bearer {token}")
        if content is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with _OPENER.open(request, timeout=REQUEST_SECONDS) as answer:
                read: bytes = answer.read()
                return read
        except HTTPError as error:
            raise _fault(error) from None
        except (URLError, OSError, HTTPException) as error:
            raise Unavailable(f"no answer from the server: {getattr(error, 'reason', error)}") from None


def _fault(error: HTTPError) -> TreesyncError:
    with error:
        try:
            problem = json.loads(error.read())
            return fault(str(problem["code"]), str(problem.get("detail", "")))
        except (ValueError, KeyError, TypeError, OSError, HTTPException):  # a proxy's own page, or half of an answer
            return fault(_code_of(error.code), f"the server answered {error.code}")


def _code_of(status: int) -> str:
    """What a status alone means (RFC 9110, 15): what may be over after a while is `unavailable`."""
    if status in _STATUSES:
        return _STATUSES[status]
    return "invalid" if 400 <= status < 500 else "unavailable"


def addresses(url: str) -> tuple[str, str]:
    """(of the socket, of HTTP) from either, or from the bare server: `http://host`, `ws://host/ws`."""
    parts = urlsplit(url)
    secure = {"ws": False, "http": False, "wss": True, "https": True}.get(parts.scheme)
    if secure is None or not parts.netloc:
        raise ValueError(f"not an address of a server: {url!r}")
    path = parts.path.rstrip("/").removesuffix("/ws")
    web = urlunsplit(("https" if secure else "http", parts.netloc, path, "", ""))
    return urlunsplit(("wss" if secure else "ws", parts.netloc, f"{path}/ws", "", "")), web
