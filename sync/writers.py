"""The welcomed sockets of an instance, and which of them writes: one client_id has one writer (SEMANTICS 4)."""

from __future__ import annotations

from sync.protocol import Notice
from sync.session import Session

Writer = tuple[str, str, str]  # (tenant, user, client_id)


class Writers:
    """See the module. The newest socket of a client writes; an older one is told once, and its edits are refused."""

    def __init__(self, instance: str) -> None:
        self.instance = instance
        self.sessions: dict[Session, None] = {}
        self._newest: dict[Writer, Session] = {}

    def add(self, session: Session) -> None:
        older = self._newest.get(_writer(session))
        if older is not None:
            _replace(older)
        self._newest[_writer(session)] = session
        self.sessions[session] = None

    def remove(self, session: Session) -> None:
        self.sessions.pop(session, None)
        if self._newest.get(_writer(session)) is session:
            del self._newest[_writer(session)]

    def claimed(self, writer: Writer, tree: int, since: float, instance: str) -> Session | None:
        """A socket of the client has opened a tree on another instance. An older one here stops writing; a newer one
        that has the tree open is answered, for then it is the other that must stop."""
        session = self._newest.get(writer)
        if session is None or tree not in session.opened:
            return None
        if (session.since, self.instance) > (since, instance):
            return session
        _replace(session)
        return None


def _writer(session: Session) -> Writer:
    return session.identity.tenant, session.identity.user, session.client_id


def _replace(session: Session) -> None:
    if not session.replaced:
        session.replaced = True
        session.send(Notice(code="replaced"))
