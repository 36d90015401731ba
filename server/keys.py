"""Public keys of a token issuer (JWKS, RFC 7517), fetched when a key is unknown, and never more often than allowed.

Two floods are kept out: tokens that name made-up keys make no more than one fetch a minute, and a failed fetch
forgets no key that was good before.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from urllib.request import Request, urlopen

from jwt import PyJWK
from jwt.exceptions import PyJWTError

from sync.errors import Unauthorised, Unavailable

ASYMMETRIC = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
_FETCH_EVERY = 60.0  # seconds between fetches at least
_STALE_AFTER = 600.0  # seconds after which withdrawn keys are noticed
_FETCH_WITHIN = 5.0  # seconds
_BYTES = 1024 * 1024  # issuers publish a few keys of about a kilobyte


class Keys:
    """The key set behind one URL. `fetch` answers its bytes; it may block, and runs in a thread."""

    def __init__(self, fetch: Callable[[], bytes], monotonic: Callable[[], float]) -> None:
        self._fetch = fetch
        self._monotonic = monotonic
        self._keys: dict[str, PyJWK] = {}
        self._tried: float | None = None
        self._lock = asyncio.Lock()

    async def key(self, kid: str) -> PyJWK:
        """Raises Unauthorised for an unknown key, Unavailable where none could be fetched yet."""
        if kid not in self._keys or self._is_due(_STALE_AFTER):
            async with self._lock:
                if self._is_due(_STALE_AFTER) or (kid not in self._keys and self._is_due(_FETCH_EVERY)):
                    await self._refresh()
        try:
            return self._keys[kid]
        except KeyError:
            if not self._keys:
                raise Unavailable("the keys of the token issuer cannot be read") from None
            raise Unauthorised("the token is signed by an unknown key") from None

    def _is_due(self, after: float) -> bool:
        return self._tried is None or self._monotonic() - self._tried >= after

    async def _refresh(self) -> None:
        self._tried = self._monotonic()
        try:
            self._keys = _usable(await asyncio.to_thread(self._fetch)) or self._keys
        except (OSError, ValueError, RecursionError):
            return  # the keys that were good stay good


def fetcher(url: str) -> Callable[[], bytes]:
    """Reads a JWKS by HTTP, blocking."""

    def fetch() -> bytes:
        request = Request(url, headers={"Accept": "application/json"})  # the scheme is checked in settings
        with urlopen(request, timeout=_FETCH_WITHIN) as answer:
            content: bytes = answer.read(_BYTES + 1)
        if len(content) > _BYTES:
            raise ValueError("a key set that large is none")
        return content

    return fetch


def _usable(content: bytes) -> dict[str, PyJWK]:
    """Asymmetric signing keys by kid. A symmetric key in a public document would be everybody's."""
    raw = json.loads(content)
    published = raw.get("keys") if isinstance(raw, dict) else None
    found: dict[str, PyJWK] = {}
    for item in published if isinstance(published, list) else []:
        if not isinstance(item, dict) or item.get("use", "sig") != "sig" or not isinstance(item.get("kid"), str):
            continue
        try:
            key = PyJWK(item)
        except PyJWTError:
            continue  # a kind of key this version does not know
        if key.algorithm_name in ASYMMETRIC:
            found[item["kid"]] = key
    return found
