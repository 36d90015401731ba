"""Visits: one user's continuous use, which ends after half an hour without activity (SPECS "Who and where")."""

from __future__ import annotations

from sync.identity import Identity
from sync.ports import Clock

VISIT_SECONDS = 30 * 60.0
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

    def _tidy(self, now: float) -> None:
        if len(self._current) >= self._tidy_at:
            self._current = {
                key: (visit, seen) for key, (visit, seen) in self._current.items() if now - seen < VISIT_SECONDS
            }
            self._tidy_at = max(_TIDY_AT, 2 * len(self._current))
