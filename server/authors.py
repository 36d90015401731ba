"""Who does something by HTTP, as the record of activity keeps it."""

from __future__ import annotations

from server.addresses import Keep, kept
from server.http import Call
from sync.hub import Hub
from sync.identity import Author


def author_of(call: Call, hub: Hub, keep: Keep, client: str = "") -> Author:
    """`client` is that of the ops, where there are any; `keep`: what of the address is kept."""
    return Author(
        user=call.identity.user,
        client=client,
        visit=hub.visit_of(call.identity),
        address=kept(call.address, keep),
        user_agent=call.user_agent,
    )
