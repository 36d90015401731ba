"""Visits: one user's continuous use, which ends after half an hour without activity (SPECS "Who and where")."""

from __future__ import annotations

import msgspec

from sync.identity import Author, Identity
from sync.ports import Clock
from sync.session import Session

VISIT_SECONDS = 30 * 60.0
LOOK_SECONDS = 60.0  # between two looks at the visit of a socket that is used: it may end so much too early
_ID_CHARACTERS = 16
_TIDY_AT = 5_000  # visits after which those that ended are forgotten, and again at twice as many as are left


class Visits:
    """The current visit of each user on this instance."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._current: dict[tuple[str, str], tuple[str, float]] = {}
        self._tidy_at = _TIDY_AT

    def __len__(self) -> int:
        return len(self._current)

    def of(self, identity: Identity) -> str:
        """The visit that is going on, or a new one."""
        now = self._clock.monotonic()
        key = (identity.tenant, identity.user)
        visit, seen = self._current.get(key, ("", -VISIT_SECONDS))
        if not visit or now - seen >= VISIT_SECONDS:
            visit = self._clock.token(_ID_CHARACTERS)
            self._tidy(now)
        self._current[key] = (visit, now)
        return visit

    def renew(self, session: Session, now: float) -> Author:
        """Who uses a socket goes on with his visit, or begins a new one: it stays open while nobody is there."""
        if now - session.seen >= LOOK_SECONDS:
            session.seen = now
            visit = self.of(session.identity)
            if visit != session.author.visit:
                session.author = msgspec.structs.replace(session.author, visit=visit)
        return session.author

    def _tidy(self, now: float) -> None:
        if len(self._current) >= self._tidy_at:
            self._current = {
                key: (visit, seen) for key, (visit, seen) in self._current.items() if now - seen < VISIT_SECONDS
            }
            self._tidy_at = max(_TIDY_AT, 2 * len(self._current))
