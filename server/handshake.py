"""The opening handshake: a request's head in, the answer and what is known of the peer out. Sans I/O.

`websockets` checks the request (method, version, key, upgrade, header limits) and is then let go of: its connection
object would cost 14 kB for as long as the socket lives.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from ipaddress import ip_address
from typing import NamedTuple

from uvicorn.middleware.proxy_headers import _TrustedHosts
from websockets.datastructures import Headers, MultipleValuesError
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from server.origin import OriginPolicy
from sync.close_codes import CLOSE_FORBIDDEN, CLOSE_PROTOCOL
from sync.protocol import SUBPROTOCOLS

RETRY_SECONDS = 1  # until a balancer has seen that this instance is not ready any more, and leads to another one
_USER_AGENT_CHARACTERS = 400  # what is kept of a header that anyone may fill
# Not part of the logging tree: at level DEBUG the library prints request headers, the Authorization header too
_SILENT = logging.Logger("treesync.handshake", level=logging.CRITICAL)


class Refused(NamedTuple):
    """An HTTP answer, after which the connection is closed."""

    answer: bytes


class Accepted(NamedTuple):
    """The upgrade is made. Where `close` is set the socket is closed at once with that code and reason: a browser
    shows its page no status of a refused handshake, only close codes of an accepted one."""

    answer: bytes
    subprotocol: str  # the one in use; JSON where the client named none
    address: str
    user_agent: str
    token: str | None  # of an Authorization header
    close: tuple[int, str] | None


class Handshake:
    """The rules of one `/ws`: where it is, which pages may use it, whose forwarding headers are believed."""

    __slots__ = ("_origins", "_paths", "_trusted")

    def __init__(self, origins: OriginPolicy, trusted_proxies: Iterable[str] = (), root_path: str = "") -> None:
        """`trusted_proxies`: addresses and networks, as a list or as one text with commas."""
        self._origins = origins
        self._trusted = _TrustedHosts(trusted_proxies if isinstance(trusted_proxies, str) else list(trusted_proxies))
        self._paths = {"/ws", root_path.rstrip("/") + "/ws"}

    def answer(self, head: bytes, peer: str, *, secure: bool, open_for_new: bool = True) -> Accepted | Refused:
        """`head` is the whole head of the request, as uvicorn hands it over."""
        library = ServerProtocol(
            subprotocols=[Subprotocol(name) for name in SUBPROTOCOLS],
            select_subprotocol=_select,
            logger=_SILENT,
        )
        library.receive_data(head)
        requests = library.events_received()
        if not requests:  # the library has written 414 or 431, or nothing to what was no HTTP
            return Refused(b"".join(library.data_to_send()) or _reject(library, HTTPStatus.BAD_REQUEST, "bad request"))
        request = requests[0]
        assert isinstance(request, Request)
        if request.path.partition("?")[0] not in self._paths:
            return Refused(_reject(library, HTTPStatus.NOT_FOUND, "WebSockets are served at /ws"))
        if not open_for_new:
            return Refused(_reject(library, HTTPStatus.SERVICE_UNAVAILABLE, "shutting down", retry_after=RETRY_SECONDS))
        response = library.accept(request)
        library.send_response(response)
        answer = b"".join(library.data_to_send())
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            return Refused(answer)
        return self._accepted(answer, request.headers, library.subprotocol, peer, secure=secure)

    def _accepted(
        self, answer: bytes, headers: Headers, subprotocol: str | None, peer: str, *, secure: bool
    ) -> Accepted:
        address = peer
        if peer in self._trusted:
            forwarded = ", ".join(headers.get_all("X-Forwarded-For"))
            address = _address(self._trusted.get_trusted_client_address(forwarded)[0]) or peer
            secure = secure or _one(headers, "X-Forwarded-Proto") in ("https", "wss")
        close = None
        if not self._origins.allows(headers.get_all("Origin"), _one(headers, "Host"), secure=secure):
            close = (CLOSE_FORBIDDEN, "this origin may not connect")
        elif subprotocol is None and headers.get_all("Sec-WebSocket-Protocol"):
            close = (CLOSE_PROTOCOL, "speaks " + " and ".join(SUBPROTOCOLS))
        return Accepted(
            answer,
            subprotocol or SUBPROTOCOLS[0],
            address,
            (_one(headers, "User-Agent") or "")[:_USER_AGENT_CHARACTERS],
            _bearer(headers),
            close,
        )


def _select(_library: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """The first of the client's that is spoken here: they come in its order of preference (RFC 6455 §4.1, item 10)."""
    return next((name for name in offered if name in SUBPROTOCOLS), None)


def _one(headers: Headers, name: str) -> str | None:
    try:
        return headers.get(name)
    except MultipleValuesError:
        return None


def _address(text: str) -> str | None:
    try:
        return str(ip_address(text))
    except ValueError:
        return None


def _bearer(headers: Headers) -> str | None:
    scheme, _, token = (_one(headers, "Authorization") or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def _reject(library: ServerProtocol, status: HTTPStatus, why: str, *, retry_after: int | None = None) -> bytes:
    answer = library.reject(status, f"{why}\n")
    if retry_after is not None:
        answer.headers["Retry-After"] = str(retry_after)
    return answer.serialize()
