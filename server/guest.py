"""Tokens for visitors of the demo: on this machine only, and for a tenant of its own."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec

from server.auth import mint
from server.http import Answer, Call, Operation, Parameter
from server.settings import is_loopback
from sync.errors import NotFound

TENANT = "demo"
_LASTS = 3600.0  # seconds; the page asks for a fresh one before that
_GUEST = "guest"
# Who a visitor may be, and the name that others see. Ada owns the demo tree (`server.demo`), Bo may edit it.
USERS = {_GUEST: "Guest", "ada": "Ada", "bo": "Bo"}


class DemoToken(msgspec.Struct, kw_only=True):
    token: str
    tree: int


class DemoDoor:
    """Hands out guest tokens while a demo tree is open to them. `tree` is set once that tree exists."""

    def __init__(self, secret: str | None, now: Callable[[], float]) -> None:
        self.tree: int | None = None
        self._secret = secret
        self._now = now

    def operations(self) -> list[Operation]:
        return [
            Operation(
                method="GET",
                path="/demo/token",
                name="demo_token",
                summary="A guest's token for the demo tree; only on the machine that serves it, with `serve --demo`",
                handle=self.give,
                access="public",
                gives=DemoToken,
                query=(Parameter("as", "string", f"one of {', '.join(USERS)}; the first where it is left out"),),
            )
        ]

    async def give(self, call: Call) -> Answer:
        if self.tree is None or self._secret is None or not _is_local(call):
            raise NotFound("no demo is served here")
        user = call.request.query_params.get("as", _GUEST)
        if user not in USERS:
            raise NotFound("the demo has no such user")
        token = mint(self._secret, tenant=TENANT, user=user, name=USERS[user], expires_at=self._now() + _LASTS)
        return Answer(DemoToken(token=token, tree=self.tree))


def _is_local(call: Call) -> bool:
    """Both the peer and the name it used: a foreign page whose name was rebound to this machine must not get one."""
    host = urlsplit(f"//{call.request.headers.get('host', '')}").hostname or ""
    return is_loopback(call.address) and is_loopback(host)
