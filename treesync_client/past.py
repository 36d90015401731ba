"""A tree's past, by HTTP (PROTOCOL.md HI): its versions, what changed, and going back. Answers are JSON as it comes."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import quote, urlencode

Moment = dict[str, Any]  # {"version": 3}, {"seq": 120} or {"at": "2026-01-05T10:00:00Z"}
_REQUEST_BYTES = 8  # 64 random bits tell two requests apart


class Past:
    """`LiveTree.past`. All raise the errors of `sync.errors`; nothing here waits in the queue."""

    def __init__(self, number: int, request: Callable[..., Awaitable[Any]]) -> None:
        self._path = f"/trees/{number}"
        self._request = request

    async def versions(self) -> AsyncIterator[dict[str, Any]]:
        """Versions, newest first, read a page at a time."""
        before: int | None = None
        while True:
            page = await self._request("GET", f"{self._path}/versions{_query(before=before)}")
            for line in page["versions"]:
                yield line
            before = page["next"]
            if before is None:
                return

    async def keep(self, name: str, description: str = "", of: Moment | None = None) -> dict[str, Any]:
        """Keep the tree as it is, or was, under a name."""
        body = {"name": name, "description": description} | ({} if of is None else {"of": of})
        return await self._asked("POST", "/versions", body)

    async def rename(self, number: int, name: str, description: str | None = None) -> dict[str, Any]:
        """Give a version a name, or another one; without a description its own stays."""
        body = {"name": name} | ({} if description is None else {"description": description})
        return await self._asked("PATCH", f"/versions/{number}", body)

    async def unname(self, number: int) -> dict[str, Any]:
        """Take a version's name away: it stays as if it was kept by itself, and may be thinned."""
        return await self._asked("DELETE", f"/versions/{number}")

    async def at(self, moment: Moment) -> dict[str, Any]:
        """The tree as it was: its `state`, and more."""
        if "version" in moment:
            return await self.version(moment["version"])
        return await self._asked("GET", _query(**moment))

    async def version(self, number: int) -> dict[str, Any]:
        """A version, with the tree's state."""
        return await self._asked("GET", f"/versions/{number}")

    async def diff(self, start: Moment, end: Moment | None = None) -> dict[str, Any]:
        """What changed between two moments, up to now where no end is named."""
        named = {"from": _named(start), "to": None if end is None else _named(end)}
        return await self._asked("GET", f"/diff{_query(**named)}")

    async def of_node(self, node: str, before: int | None = None) -> dict[str, Any]:
        """A page of what happened to a node, newest first."""
        return await self._asked("GET", f"/nodes/{quote(node, safe='')}/history{_query(before=before)}")

    async def restore(self, to: Moment, *, request: str = "", **more: Any) -> dict[str, Any]:
        """Bring the tree, or with `node` its subtree, back to a moment; with `dry_run` only say what that would do."""
        return await self._asked("POST", "/restore", {"request": request or _fresh(), "to": to, **more})

    async def revert(self, *, request: str = "", **which: Any) -> dict[str, Any]:
        """Take back the ops of a `user`, `since` and `until` moments, an `op`, or what an answer's `undo` names."""
        return await self._asked("POST", "/revert", {"request": request or _fresh(), **which})

    async def _asked(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer: dict[str, Any] = await self._request(method, f"{self._path}{path}", body)
        return answer


def _fresh() -> str:
    return secrets.token_hex(_REQUEST_BYTES)


def _named(moment: Moment) -> str:
    ((kind, value),) = moment.items()
    return f"{kind}:{value}"


def _query(**fields: Any) -> str:
    given = {name: value for name, value in fields.items() if value is not None}
    return f"?{urlencode(given)}" if given else ""
