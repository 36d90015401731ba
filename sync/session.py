"""One welcomed socket, and its place in each room it has open."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from msgspec import UNSET

from sync.identity import Author, Identity
from sync.ports import LoggedOp, Outbox
from sync.protocol import Error, Open, ParticipantView, Role, ServerMessage, Snapshot


class Session:
    """What the hub knows of one socket. `opened` is by tree number; None stands for an `open` not answered yet."""

    __slots__ = ("author", "client_id", "identity", "opened", "opening", "outbox", "replaced", "seen", "since")

    def __init__(
        self,
        identity: Identity,
        client_id: str,
        outbox: Outbox,
        *,
        since: float,
        visit: str,
        address: str,
        user_agent: str,
    ) -> None:
        self.identity = identity
        self.client_id = client_id
        self.outbox = outbox
        self.author = Author(user=identity.user, client=client_id, visit=visit, address=address, user_agent=user_agent)
        self.since = since  # when it was welcomed, in seconds since the epoch of Unix
        self.seen = float("-inf")  # when its visit was last looked at, in monotonic seconds
        self.replaced = False  # a newer socket of the same client_id writes now (SEMANTICS 4)
        self.opened: dict[int, Participant | None] = {}
        self.opening: dict[int, Open] = {}  # the messages that the None stand for

    def send(self, message: ServerMessage) -> None:
        wire = self.outbox.wire
        self.outbox.write(wire.frame(wire.codec.encode(message)))

    def refuse(self, message: Any, code: str, why: str, tree: int) -> None:
        """Answer a message about a tree with an error."""
        self.send(Error(ref=getattr(message, "ref", UNSET), code=code, why=why, tree=tree))


class Participant:
    """A session in one room. It is `live` when it has been given every confirmed op and gets the next one as it comes.

    While it is not, `parts` is what it is to be given first, a snapshot's parts and ops from the log, and `reached` the
    seq it will then have come to. They are encoded as its socket drains, so that a slow one holds no copies.
    """

    __slots__ = ("id", "live", "missed", "parts", "reached", "role", "session", "state")

    def __init__(self, participant_id: str, session: Session, role: Role) -> None:
        self.id = participant_id
        self.session = session
        self.role = role
        self.live = False
        self.reached = 0
        self.parts: deque[Snapshot | Sequence[LoggedOp]] = deque()
        self.missed: set[str] = set()  # of whom he has not been told what changed, because he reads slowly
        self.state: dict[str, Any] = {}

    @property
    def listens(self) -> bool:
        """Whether what may be dropped can be told now (SEMANTICS 9)."""
        return self.live and not self.session.outbox.full

    def view(self) -> ParticipantView:
        identity = self.session.identity
        return ParticipantView(
            id=self.id,
            user=identity.user,
            name=identity.name or identity.user,
            kind=identity.kind,
            state=self.state,
        )
