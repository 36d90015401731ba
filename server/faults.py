"""One table: what an error is to an HTTP client. What it is to a socket stands in `server.replies`."""

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


class Fault(NamedTuple):
    """How one class of errors looks from outside."""

    status: int
    title: str


class TooLarge(TooMany):
    """A request's body passes the limit."""

    code = "too_large"


class WrongMethod(NotFound):
    """There is such a path, but nothing answers that method on it."""

    code = "wrong_method"


FAULTS: dict[type[TreesyncError], Fault] = {
    BadMessage: Fault(400, "The request cannot be read"),
    Unauthorised: Fault(401, "A valid token is needed"),
    Forbidden: Fault(403, "That is not yours to do"),
    NotFound: Fault(404, "There is no such thing"),
    Clash: Fault(409, "It is there already, or has changed"),
    Invalid: Fault(422, "A rule of the data is broken"),
    Unstorable: Fault(422, "The data cannot be stored"),
    WrongMethod: Fault(405, "That method is not served here"),
    TooLarge: Fault(413, "The body is too large"),
    TooMany: Fault(429, "Too much, or too fast"),
    Unavailable: Fault(503, "Out of reach for the moment"),
    ServerFault: Fault(500, "The server failed"),
    TreesyncError: Fault(500, "The server failed"),
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
