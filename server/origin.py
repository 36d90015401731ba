"""May a page of that origin open a socket here? (RFC 6455 §10.2, RFC 6454; OWASP: cross-site WebSocket hijacking)

Origins are compared whole: scheme, host and port. Nothing is matched by a part of a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

# RFC 6454 §6.2 as browsers serialise it: no path, no user, no empty port. Names beyond ASCII arrive as punycode.
_ORIGIN = re.compile(r"(https?)://([a-z0-9](?:[a-z0-9_.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?", re.A)
_HOST = re.compile(r"([a-z0-9](?:[a-z0-9_.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?", re.A)
_DEFAULT_PORTS = {"http": 80, "https": 443}


class _Origin(NamedTuple):
    scheme: str
    host: str
    port: int


class OriginPolicy:
    """The origins of an allow-list, and the server's own. `*` lets every page in; a sandboxed one (`null`) never."""

    __slots__ = ("_allowed", "_any")

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        """Raises ValueError for an entry that is no origin."""
        entries = [entry.strip() for entry in allowed if entry.strip()]
        self._any = "*" in entries
        self._allowed = frozenset(_required(entry) for entry in entries if entry != "*")

    def allows(self, origins: list[str], host: str | None, *, secure: bool) -> bool:
        """`origins`: every Origin header of the request; `host`: its Host header; `secure`: it came by TLS, as far as
        is known. Without an Origin it is no browser, and no page can be behind it."""
        if not origins:
            return True
        origin = _parse(origins[0]) if len(origins) == 1 else None
        if origin is None:
            return False
        return self._any or origin in self._allowed or _is_same(origin, host, secure=secure)


def _is_same(origin: _Origin, host: str | None, *, secure: bool) -> bool:
    if host is None or (secure and origin.scheme == "http"):
        return False
    found = _HOST.fullmatch(host.lower())
    if found is None:
        return False
    port = int(found[2]) if found[2] else _DEFAULT_PORTS[origin.scheme]
    return (found[1], port) == (origin.host, origin.port)


def _parse(text: str) -> _Origin | None:
    found = _ORIGIN.fullmatch(text.lower()) if text.isascii() else None
    if found is None:
        return None
    port = int(found[3]) if found[3] else _DEFAULT_PORTS[found[1]]
    return _Origin(found[1], found[2], port) if port < 65_536 else None


def _required(entry: str) -> _Origin:
    origin = _parse(entry.removesuffix("/"))
    if origin is None:
        raise ValueError(f"not an origin (scheme://host[:port]): {entry!r}")
    return origin
