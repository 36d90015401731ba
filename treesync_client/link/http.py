"""The HTTP side of a server, for what has no message: making trees, and edits too large for a socket (SEMANTICS 28).

On the standard library, in a thread: these calls are rare, and a second HTTP stack would be a dependency for everyone.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import ProxyHandler, Request, build_opener

from sync.errors import TreesyncError, Unavailable
from treesync_client.errors import fault

REQUEST_SECONDS = 30.0
_OPENER = build_opener(ProxyHandler({}))  # as for the socket: the address is meant as it stands


class Api:
    """`base` is the server's address, http or https."""

    def __init__(self, base: str) -> None:
        self._base = base

    async def request(self, method: str, path: str, token: str, body: Any = None) -> Any:
        """Call a route below /api/v1; its JSON. Raises the error of `sync.errors` that the answer's code stands for."""
        content = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = await asyncio.to_thread(self._exchange, method, path, token, content)
        return json.loads(answer) if answer else None

    async def raw(self, method: str, path: str, token: str, content: bytes) -> bytes:
        """The same with bytes both ways."""
        return await asyncio.to_thread(self._exchange, method, path, token, content)

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
        except (URLError, OSError) as error:
            raise Unavailable(f"no answer from the server: {getattr(error, 'reason', error)}") from None


def _fault(error: HTTPError) -> TreesyncError:
    with error:
        try:
            problem = json.loads(error.read())
            return fault(str(problem["code"]), str(problem.get("detail", "")))
        except (ValueError, KeyError, TypeError, OSError):
            return fault("unavailable" if error.code >= 500 else "invalid", f"the server answered {error.code}")


def addresses(url: str) -> tuple[str, str]:
    """(of the socket, of HTTP) from either, or from the bare server: `http://host`, `ws://host/ws`."""
    parts = urlsplit(url)
    secure = {"ws": False, "http": False, "wss": True, "https": True}.get(parts.scheme)
    if secure is None or not parts.netloc:
        raise ValueError(f"not an address of a server: {url!r}")
    path = parts.path.rstrip("/").removesuffix("/ws")
    web = urlunsplit(("https" if secure else "http", parts.netloc, path, "", ""))
    return urlunsplit(("wss" if secure else "ws", parts.netloc, f"{path}/ws", "", "")), web
