"""What people did that changed no tree, as clients report it in batches: clicks, views, navigation, time per node.

A batch is stored whole or refused whole, and each event once per user by its id, however often it is sent (SPECS: every
interaction is logged exactly once). It is answered after its commit.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from sync.activities import RESERVED
from sync.codec import JSON
from sync.errors import Invalid, TooMany, TreesyncError
from sync.identity import Author, TreeKey
from sync.limits import VALUE_DEPTH
from sync.ports import Clock
from sync.protocol import Activity, ActivityEvent, Logged
from sync.session import Session
from sync.untyped import unstorable
from sync.visits import Visits

MOST_AT_ONCE = 4  # batches of one user that are being stored here: each holds a connection of the pool meanwhile
DATA_BYTES = 2_048  # of one event: what it was about, not content
_FIRST_YEAR = 2000  # no client is older
_KIND = re.compile("[a-z][a-z0-9_]*")


class EventLog(Protocol):
    """A part of `sync.ports.Store`."""

    async def log_activity(self, key: TreeKey, author: Author, events: Sequence[ActivityEvent]) -> None: ...


class Interactions:
    """Takes what clients report of a tree that they may see."""

    def __init__(self, log: EventLog, clock: Clock, visits: Visits) -> None:
        self._log = log
        self._clock = clock
        self._visits = visits
        self._storing: Counter[tuple[str, str]] = Counter()

    async def hear(self, session: Session, message: Activity) -> None:
        """An `activity` on a socket: answered there."""
        if session.opened.get(message.tree) is None:
            session.refuse(message, "not_open", "open the tree first, and await the answer", message.tree)
            return
        author = self._visits.renew(session, self._clock.monotonic())
        try:
            await self.take(TreeKey(session.identity.tenant, message.tree), author, message.events)
        except TreesyncError as error:
            session.refuse(message, error.code, error.why, message.tree)
        else:
            session.send(Logged(ref=message.ref, tree=message.tree))

    async def take(self, key: TreeKey, author: Author, events: Sequence[ActivityEvent]) -> None:
        """Returns once all are durable. Raises Invalid with the place of what is wrong, TooMany, NotFound,
        Unavailable, Unstorable."""
        check(events)
        who = (key.tenant, author.user)
        if self._storing[who] >= MOST_AT_ONCE:
            raise TooMany("wait until what was reported before is stored", retry_after=1.0)
        self._storing[who] += 1
        try:
            await self._log.log_activity(key, author, events)
        finally:
            self._storing[who] -= 1
            if not self._storing[who]:
                del self._storing[who]


def check(events: Sequence[ActivityEvent]) -> None:
    """Raises Invalid, naming the first event that cannot be taken."""
    for place, event in enumerate(events):
        try:
            _check(event)
        except Invalid as error:
            raise Invalid(f"event {place} ({event.id}): {error.why}") from None


def _check(event: ActivityEvent) -> None:
    if not _KIND.fullmatch(event.kind):
        raise Invalid("a kind is of small letters, digits and `_`, a letter first")
    if event.kind in RESERVED:
        raise Invalid(f"{event.kind} is what the server itself records")
    if isinstance(event.at, str):
        moment_of(event.at)
    if isinstance(event.data, dict):
        why = unstorable(event.data, VALUE_DEPTH)
        if why is not None:
            raise Invalid(why)
        if len(JSON.encode_value(event.data)) > DATA_BYTES:
            raise Invalid(f"the data of an event has at most {DATA_BYTES} bytes")


def moment_of(text: str) -> datetime:
    """When an event was, in UTC; without a zone it is taken for UTC. Raises Invalid for a time that cannot be."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = datetime.min
    if not _FIRST_YEAR <= moment.year < 9999:  # and no zone takes what is left out of the calendar
        raise Invalid("`at` is a time as RFC 3339 writes it")
    return moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
