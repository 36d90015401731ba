"""Search, by HTTP (PROTOCOL.md SE). Hits are JSON as it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode


async def hits(
    request: Callable[..., Awaitable[Any]], words: str, only: Mapping[str, Any]
) -> AsyncIterator[dict[str, Any]]:
    """All hits there are to be had, the best first, read a page at a time. Raises the errors of `sync.errors`."""
    asked = {"q": words, **only}
    while True:
        page = await request("GET", f"/search?{urlencode(asked)}")
        for hit in page["hits"]:
            yield hit
        if page["next"] is None:
            return
        asked["after"] = page["next"]
