"""Every error of the project, split by who is at fault.

    TreesyncError
    ├── ClientFault                 the other side can mend it; answered with its code, the process goes on
    │   ├── BadMessage              bytes that are no message of the protocol
    │   │   └── Unreadable          not even JSON or msgpack: nothing that follows can be trusted
    │   ├── Unauthorised            no token, a bad one, or an expired one
    │   ├── Forbidden               a known user without the right
    │   ├── NotFound                not there, or not yours: the two look the same (P10)
    │   ├── Invalid                 well-formed, but breaks a rule of the data
    │   ├── Clash                   the thing to be made is there already, or changed meanwhile
    │   └── TooMany                 a rate or a limit was passed
    └── ServerFault                 ours; logged, and nothing was acknowledged
        ├── Unavailable             storage or bus out of reach; what was asked may or may not have happened
        ├── Unstorable              storage refused the data itself; asking again would fail again
        └── NoAnswer                a model gave no answer that can be used; somebody else is asked

`code` is what the wire and problem+json carry; PROTOCOL.md explains each.
"""

from __future__ import annotations


class TreesyncError(Exception):
    """Root of the tree. `why` is for people and never holds a secret."""

    code = "internal"

    def __init__(self, why: str, *, code: str | None = None) -> None:
        super().__init__(why)
        self.why = why
        if code is not None:
            self.code = code


class ClientFault(TreesyncError):
    """The request cannot be served as it is; the client may mend it."""

    code = "invalid"


class BadMessage(ClientFault):
    """Bytes that are no message of the protocol. `ref` is the message's, where that much could be read."""

    code = "bad_message"
    ref: int | str | None = None


class Unreadable(BadMessage):
    """Not even JSON or msgpack: the socket is closed (4400). What can be read but not understood is only answered."""


class Unauthorised(ClientFault):
    """No token, a token that does not verify, or one that has expired."""

    code = "unauthorised"


class Forbidden(ClientFault):
    """The user is known and may see the thing, but not do this to it."""

    code = "forbidden"


class NotFound(ClientFault):
    """It is not there, or not yours: on purpose the two cannot be told apart (P10)."""

    code = "not_found"


class Invalid(ClientFault):
    """Well-formed, but it breaks a rule of the data."""

    code = "invalid"


class Clash(ClientFault):
    """The thing to be made exists, or what the request stood on has changed."""

    code = "exists"


class TooMany(ClientFault):
    """A rate or a limit was passed; `retry_after` is in seconds where waiting helps."""

    code = "rate"

    def __init__(self, why: str, *, retry_after: float | None = None, code: str | None = None) -> None:
        super().__init__(why, code=code)
        self.retry_after = retry_after


class ServerFault(TreesyncError):
    """Ours, not the client's. Nothing was acknowledged."""


class Unavailable(ServerFault):
    """Storage or bus is out of reach. A write that raised this may have happened: only the log can tell."""

    code = "unavailable"


class Unstorable(ServerFault):
    """Storage refused the data itself (a value it cannot hold): the same request would fail again."""

    code = "invalid"


class NoAnswer(ServerFault):
    """A model gave no answer that can be used. `reason` is one word for logs and breakers; `temporary`: asking again
    may help, after `retry_after` seconds where that was said. Tokens are what it has cost all the same."""

    code = "unavailable"

    def __init__(
        self,
        reason: str,
        why: str,
        *,
        temporary: bool = False,
        retry_after: float | None = None,
        tokens: tuple[int, int] | None = None,
    ) -> None:
        """`tokens`: (in, out) as the model counted them; None: it did not say. `calls`: how often it was asked, known
        to whoever asks more than once."""
        super().__init__(why)
        self.calls = 0
        self.reason = reason
        self.temporary = temporary
        self.retry_after = retry_after
        self.tokens = tokens
