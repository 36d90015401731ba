"""Whom a path names: personal numbers and feeds are for himself and the admins of his tenant."""

from __future__ import annotations

from collections.abc import Callable

from server.http import Call
from sync.analytics import Analytics
from sync.errors import NotFound


class Persons:
    """`log` hears when an admin looks at somebody."""

    def __init__(self, analytics: Analytics, log: Callable[..., None]) -> None:
        self._analytics = analytics
        self._log = log

    async def asked(self, call: Call) -> tuple[str, str]:
        """Whom the path names, and the stamp of all that is told of him. To everyone else there is nobody of that name
        (P10). Raises NotFound."""
        identity, user = call.identity, str(call.request.path_params["user"])
        if (user != identity.user and identity.role != "admin") or "\x00" in user:
            raise NotFound("no such user")
        stamp = await self._analytics.stamp(identity.tenant, user)
        if stamp is None:
            raise NotFound("no such user")
        if user != identity.user:
            self._log("personal data read", tenant=identity.tenant, user=user, by=identity.user)
        return user, stamp
