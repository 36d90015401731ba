"""One table: what an error is to an HTTP client, and to a socket that cannot go on."""

from __future__ import annotations

from typing import Any, NamedTuple

from sync.errors import (
    BadMessage,
    Clash,
    Forbidden,
    Invalid,
    NotFound,
    ServerFault,
    TooMany,
    TreesyncError,
    Unauthorised,
    Unavailable,
    Unstorable,
)
from sync.protocol import (
    CLOSE_BAD_MESSAGE,
    CLOSE_FORBIDDEN,
    CLOSE_OVERLOADED,
    CLOSE_TOO_BIG,
    CLOSE_TOO_FAST_OR_SLOW,
    CLOSE_UNAUTHORISED,
)

INTERNAL_ERROR_CLOSE = 1011  # RFC 6455 §7.4.1: the server met something it did not expect


class Fault(NamedTuple):
    """How one class of errors looks from outside. `close` is for what ends a socket; most only answer `error`."""

    status: int
    close: int
    title: str


class TooLarge(TooMany):
    """A request's body passes the limit."""

    code = "too_large"


class WrongMethod(NotFound):
    """There is such a path, but nothing answers that method on it."""

    code = "wrong_method"


FAULTS: dict[type[TreesyncError], Fault] = {
    BadMessage: Fault(400, CLOSE_BAD_MESSAGE, "The request cannot be read"),
    Unauthorised: Fault(401, CLOSE_UNAUTHORISED, "A valid token is needed"),
    Forbidden: Fault(403, CLOSE_FORBIDDEN, "That is not yours to do"),
    NotFound: Fault(404, CLOSE_BAD_MESSAGE, "There is no such thing"),
    Clash: Fault(409, CLOSE_BAD_MESSAGE, "It is there already, or has changed"),
    Invalid: Fault(422, CLOSE_BAD_MESSAGE, "A rule of the data is broken"),
    Unstorable: Fault(422, CLOSE_BAD_MESSAGE, "The data cannot be stored"),
    WrongMethod: Fault(405, CLOSE_BAD_MESSAGE, "That method is not served here"),
    TooLarge: Fault(413, CLOSE_TOO_BIG, "The body is too large"),
    TooMany: Fault(429, CLOSE_TOO_FAST_OR_SLOW, "Too much, or too fast"),
    Unavailable: Fault(503, CLOSE_OVERLOADED, "Out of reach for the moment"),
    ServerFault: Fault(500, INTERNAL_ERROR_CLOSE, "The server failed"),
    TreesyncError: Fault(500, INTERNAL_ERROR_CLOSE, "The server failed"),
}


def fault_of(error: TreesyncError) -> Fault:
    """The entry of the nearest class in the table."""
    return next(FAULTS[kind] for kind in type(error).__mro__ if kind in FAULTS)


def problem(error: TreesyncError) -> dict[str, Any]:
    """RFC 9457. `type` leads to the code's explanation in the page at /docs."""
    fault = fault_of(error)
    return {
        "type": f"/docs#{error.code}",
        "title": fault.title,
        "status": fault.status,
        "detail": error.why,
        "code": error.code,
    }
