"""What an instance can say of itself: its rooms, its pace, what it depends on. Read by /health, /metrics and /admin."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Literal, Protocol, runtime_checkable

import msgspec

from server.cached import CacheReport
from sync.hub import Hub
from sync.open_room import OpenRoom
from sync.ports import Clock

State = Literal["ok", "degraded", "unavailable", "draining"]
_PACE_SECONDS = 10.0  # ops per second are told over this window
_ANSWER_WITHIN = 2.0  # seconds; a database that takes longer is told as away
_ASK_EVERY = 1.0  # seconds
_SLOW_COMMIT = 0.25  # seconds; a person notices more
_LAGGING = 5.0  # seconds an edit may wait before the instance says that something is wrong

Check = Callable[[], Awaitable[None]]


@runtime_checkable
class Measured(Protocol):
    """An outbox that knows how much waits in it."""

    @property
    def waiting_bytes(self) -> int: ...


class Dependency(msgspec.Struct, frozen=True, kw_only=True):
    """`latency_ms` is that of one question, just asked."""

    name: str
    state: Literal["ok", "away"]
    latency_ms: float | None = None
    why: str = ""


class RoomReport(msgspec.Struct, frozen=True, kw_only=True):
    """One open room. `lag_seconds`: how long the oldest edit has waited; `behind`: participants not given every op."""

    tenant: str
    tree: int
    epoch: str
    seq: int
    commit: int
    participants: list[str]
    behind: int
    waiting_ops: int
    waiting_bytes: int
    lag_seconds: float
    queued_bytes: int
    frozen: bool
    contested: bool


class HealthReport(msgspec.Struct, frozen=True, kw_only=True):
    """`reasons` says why an instance is degraded; empty where it is ok."""

    status: State
    instance: str
    version: str
    uptime_seconds: float
    reasons: list[str]
    dependencies: list[Dependency]
    rooms: int
    sockets: int
    participants: int
    waiting_ops: int
    queued_bytes: int
    ops_per_second: float
    commit_p50_ms: float
    commit_p99_ms: float
    lag_seconds: float
    commits_lost: int
    slow_readers: int
    digest_mismatches: int
    caches: dict[str, CacheReport] = {}


class Brief(msgspec.Struct, frozen=True, kw_only=True):
    """What anybody may know."""

    status: State


class Pace:
    """Ops per second over the last seconds, from a total that only grows; fed once a second."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._samples: deque[tuple[float, int]] = deque([(monotonic(), 0)])

    def feed(self, total: int) -> None:
        now = self._monotonic()
        self._samples.append((now, total))
        while len(self._samples) > 1 and self._samples[1][0] <= now - _PACE_SECONDS:
            self._samples.popleft()

    def at(self, total: int) -> float:
        began, counted = self._samples[0]
        return (total - counted) / max(self._monotonic() - began, 1.0)


class Reports:
    """One per instance."""

    def __init__(
        self,
        hub: Hub,
        clock: Clock,
        *,
        version: str,
        needed: Mapping[str, Check],
        useful: Mapping[str, Callable[[], bool]],
        caches: Callable[[], dict[str, CacheReport]] = dict,
    ) -> None:
        """`needed`: without one of these no edit is taken; `useful`: without these it is only slower (P4); `caches`: of
        those who keep answers, by name."""
        self._hub = hub
        self._clock = clock
        self._version = version
        self._needed = needed
        self._useful = useful
        self.caches = caches
        self._began = clock.monotonic()
        self._pace = Pace(clock.monotonic)
        self._asked_at = -_ASK_EVERY
        self._answers = [Dependency(name=name, state="away", why="not asked yet") for name in needed]

    async def ready(self) -> tuple[bool, list[Dependency]]:
        """Whether new sockets should come here. A silent bus is no reason: it would take every instance out at once."""
        asked = await self._ask()
        return not self._hub.draining and all(one.state == "ok" for one in asked), asked

    async def keep_pace(self) -> None:
        """A loop of the instance's."""
        while True:
            self._pace.feed(self._hub.stats.ops)
            await self._clock.sleep(1.0)

    async def health(self) -> HealthReport:
        """Everything an operator asks first."""
        dependencies = await self._ask() + self._look()
        rooms = self.rooms()
        stats = self._hub.stats
        lag = max((room.lag_seconds for room in rooms), default=0.0)
        reasons = self._reasons(dependencies, lag)
        return HealthReport(
            status=self._judge(dependencies, reasons),
            instance=self._hub.instance,
            version=self._version,
            uptime_seconds=round(self._clock.monotonic() - self._began, 1),
            reasons=reasons,
            dependencies=dependencies,
            rooms=len(rooms),
            sockets=self._hub.sessions(),
            participants=sum(len(room.participants) for room in rooms),
            waiting_ops=sum(room.waiting_ops for room in rooms),
            queued_bytes=sum(room.queued_bytes for room in rooms),
            ops_per_second=round(self._pace.at(stats.ops), 2),
            commit_p50_ms=round(stats.quantile(0.5) * 1000, 2),
            commit_p99_ms=round(stats.quantile(0.99) * 1000, 2),
            lag_seconds=lag,
            commits_lost=stats.lost,
            slow_readers=stats.slow_readers,
            digest_mismatches=stats.digest_mismatches,
            caches=self.caches(),
        )

    def rooms(self) -> list[RoomReport]:
        """Every open room, those that wait longest first."""
        now = self._clock.monotonic()
        reports = [_report(place, now) for place in self._hub.places()]
        return sorted(reports, key=lambda room: (-room.lag_seconds, room.tenant, room.tree))

    async def _ask(self) -> list[Dependency]:
        """Anybody may ask for /readyz: however often that is, the database is asked once a second."""
        if self._clock.monotonic() - self._asked_at >= _ASK_EVERY:
            self._asked_at = self._clock.monotonic()
            self._answers = [await asked(name, check, self._clock.monotonic) for name, check in self._needed.items()]
        return self._answers

    def _look(self) -> list[Dependency]:
        return [
            Dependency(name=name, state="ok" if healthy() else "away", why="" if healthy() else "not connected")
            for name, healthy in self._useful.items()
        ]

    def _reasons(self, dependencies: Sequence[Dependency], lag: float) -> list[str]:
        reasons = [f"{one.name} is away: {one.why}" for one in dependencies if one.state == "away"]
        if self._hub.draining:
            reasons.append("this instance is stopping")
        if lag > _LAGGING:
            reasons.append(f"an edit has waited for {lag:.1f} s")
        slow = self._hub.stats.quantile(0.99)
        if slow > _SLOW_COMMIT:
            reasons.append(f"a commit in a hundred takes {slow * 1000:.0f} ms")
        return reasons

    def _judge(self, dependencies: Sequence[Dependency], reasons: Sequence[str]) -> State:
        if self._hub.draining:
            return "draining"
        if any(one.state == "away" and one.name in self._needed for one in dependencies):
            return "unavailable"
        return "degraded" if reasons else "ok"


async def asked(name: str, check: Check, monotonic: Callable[[], float]) -> Dependency:
    """Ask one dependency, for as long as an answer is worth anything."""
    began = monotonic()
    try:
        async with asyncio.timeout(_ANSWER_WITHIN):
            await check()
    except Exception as error:
        why = f"no answer within {_ANSWER_WITHIN:g} s" if isinstance(error, TimeoutError) else type(error).__name__
        return Dependency(name=name, state="away", why=why)
    return Dependency(name=name, state="ok", latency_ms=round((monotonic() - began) * 1000, 2))


def _report(place: OpenRoom, now: float) -> RoomReport:
    room = place.room
    oldest = room.inbox.oldest
    outboxes = [participant.session.outbox for participant in room.participants.values()]
    return RoomReport(
        tenant=place.key.tenant,
        tree=place.key.tree,
        epoch=room.epoch,
        seq=room.seq,
        commit=room.commit,
        participants=sorted(room.participants),
        behind=sum(1 for participant in room.participants.values() if not participant.live),
        waiting_ops=room.inbox.ops,
        waiting_bytes=room.inbox.size,
        lag_seconds=round(max(now - oldest.waiting_since, 0.0), 3) if oldest is not None else 0.0,
        queued_bytes=sum(outbox.waiting_bytes for outbox in outboxes if isinstance(outbox, Measured)),
        frozen=room.rights.frozen,
        contested=place.contested,
    )
