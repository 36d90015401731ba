"""Answers a socket gives by itself, without the hub."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from msgspec import UNSET, UnsetType

from server.endpoint import Endpoint
from sync.close_codes import CLOSE_FORBIDDEN, CLOSE_OVERLOADED, CLOSE_UNAUTHORISED
from sync.codec import Decoded
from sync.errors import ClientFault, Forbidden, ServerFault, TooMany, TreesyncError
from sync.identity import Identity
from sync.protocol import Edit, Error, Outcome, Ref, Result, ServerMessage, Welcome

CLOSE_INTERNAL: Final = 1011  # a fault of ours; the client comes back
# How a socket that could not be let in is closed: the first class that fits
_CLOSES: Final[tuple[tuple[type[TreesyncError], int], ...]] = (
    (Forbidden, CLOSE_FORBIDDEN),
    (TooMany, CLOSE_OVERLOADED),
    (ClientFault, CLOSE_UNAUTHORISED),
    (ServerFault, CLOSE_OVERLOADED),
)
_LAST_TIME: Final = 253_402_300_799.0  # 9999-12-31T23:59:59Z: the last moment RFC 3339 can write


def welcome(endpoint: Endpoint, identity: Identity, ref: Ref | UnsetType) -> Welcome:
    """The answer to `hello` and to `auth`."""
    return Welcome(
        ref=ref,
        tenant=identity.tenant,
        user=identity.user,
        instance=endpoint.instance,
        server_time=rfc3339(endpoint.clock.now()),
        expires_at=rfc3339(identity.expires_at),
        limits=endpoint.limits,
        spread_ms=endpoint.crowd.spread_ms(endpoint.admission.sockets, endpoint.clock.monotonic()),
    )


def too_fast(decoded: Decoded) -> ServerMessage:
    """The answer to what came over the rate: results for the ops of an edit, which keep their n (SEMANTICS 3)."""
    message = decoded.message
    if isinstance(message, Edit) and isinstance(message.tree, int):
        numbers = sorted([op.n for op in message.ops] + [op.n for op in decoded.malformed])
        refused = [Result(n=n, status="rejected", code="rate", why="too fast; try again") for n in numbers]
        # seq 0: nothing was judged, so there is no head that a replica would have to reach (SEMANTICS 29)
        return Outcome(tree=message.tree, ref=message.ref, seq=0, results=refused)
    return Error(ref=message_ref(message), code="rate", why="too fast; try again")


def close_code(error: TreesyncError) -> int:
    """How a socket is closed that such an error kept out."""
    return next((code for kind, code in _CLOSES if isinstance(error, kind)), CLOSE_INTERNAL)


def message_ref(message: Any) -> Ref | UnsetType:
    """The message's `ref`, where it has one."""
    ref: Ref | UnsetType = getattr(message, "ref", UNSET)
    return ref


def rfc3339(seconds: float) -> str:
    """A moment in seconds since the epoch of Unix, as the wire writes times."""
    moment = datetime.fromtimestamp(min(seconds, _LAST_TIME), UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
