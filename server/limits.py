"""How fast, and how many: token buckets and connection counts. Pure; time is a parameter (monotonic seconds).

A bucket is a number that grows with what is sent and runs out at its rate (a leaky bucket as a meter, ITU-T I.371);
above its burst it is too much. So a socket's three buckets are three numbers and the time they were looked at.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import IntEnum
from functools import lru_cache
from typing import Final, NamedTuple


class Verdict(IntEnum):
    FINE = 0
    OVER = 1  # answered `rate`; the client waits and tries again
    FLOOD = 2  # twice the burst and more, refusals notwithstanding: the socket is closed with 4429


FINE: Final = Verdict.FINE  # looking a member up on its enum costs 0.1 µs


class Rate(NamedTuple):
    """So much per second in the long run, and `burst` at once."""

    per_second: float
    burst: float


class Allowance(NamedTuple):
    """What one scope may send. Messages and bytes count whether they are served or not, ops only where taken."""

    messages: Rate
    ops: Rate
    bytes: Rate


# The defaults stop a runaway or hostile client, not a busy one. A person makes up to 60 messages a second (a drag), a
# replay of 10,000 ops arrives in 20 messages, and a script in a closed loop with 64 edits in flight reaches a few
# thousand edits a second. One core serves about 30,000 edits a second, so one connection may take a third of it; a
# tenant is held below the whole only where an operator sets a smaller number.
MEBIBYTE = 1024 * 1024
CONNECTION = Allowance(Rate(10_000, 20_000), Rate(20_000, 40_000), Rate(8 * MEBIBYTE, 16 * MEBIBYTE))
USER = Allowance(Rate(20_000, 40_000), Rate(40_000, 80_000), Rate(16 * MEBIBYTE, 32 * MEBIBYTE))
TENANT = Allowance(Rate(100_000, 200_000), Rate(100_000, 200_000), Rate(64 * MEBIBYTE, 128 * MEBIBYTE))
ADDRESS = Allowance(Rate(100_000, 200_000), Rate(100_000, 200_000), Rate(64 * MEBIBYTE, 128 * MEBIBYTE))


class Bounds(NamedTuple):
    """How many sockets at once, and how fast each scope may send. An office behind one address is many people."""

    sockets: int = 50_000
    sockets_per_user: int = 2_000  # scripts and load tests run many as one user; a person has a few tabs
    sockets_per_tenant: int = 20_000
    sockets_per_address: int = 20_000
    connection: Allowance = CONNECTION
    user: Allowance = USER
    tenant: Allowance = TENANT
    address: Allowance = ADDRESS


@lru_cache(maxsize=64)
def _flat(allowance: Allowance) -> tuple[float, float, float, float, float, float]:
    return (*allowance.messages, *allowance.bytes, *allowance.ops)


class Meter:
    """The three buckets of one connection, user, tenant or address: how full each was when it was last looked at."""

    __slots__ = ("at", "bytes", "messages", "ops", "rates", "sockets")

    def __init__(self, allowance: Allowance) -> None:
        self.rates = _flat(allowance)
        self.sockets = 0
        self.at = 0.0
        self.messages = 0.0
        self.bytes = 0.0
        self.ops = 0.0

    def is_rested(self, now: float) -> bool:
        """Nobody counts on it and every bucket has run out: forgetting it forgives nothing."""
        messages_rate, _, bytes_rate, _, ops_rate, _ = self.rates
        elapsed = now - self.at
        return (
            self.sockets == 0
            and self.messages <= elapsed * messages_rate
            and self.bytes <= elapsed * bytes_rate
            and self.ops <= elapsed * ops_rate
        )


def spend(meters: Collection[Meter], now: float, size: int, ops: int) -> Verdict:
    """Count a message of `size` bytes in every scope; its ops count only where all of them have room.

    Written out, as it runs for every message: four scopes cost 1.6 µs so, and 8.5 µs with a call for each bucket.
    """
    over = crowded = flood = False
    for meter in meters:
        messages_rate, messages_burst, bytes_rate, bytes_burst, ops_rate, ops_burst = meter.rates
        elapsed = now - meter.at
        meter.at = now
        messages = meter.messages - elapsed * messages_rate
        messages = meter.messages = messages + 1.0 if messages > 0.0 else 1.0
        content = meter.bytes - elapsed * bytes_rate
        content = meter.bytes = content + size if content > 0.0 else size
        taken = meter.ops - elapsed * ops_rate
        taken = meter.ops = taken if taken > 0.0 else 0.0
        if messages > messages_burst or content > bytes_burst:
            over = True
            flood = flood or messages > 2 * messages_burst or content > 2 * bytes_burst
        if taken + ops > ops_burst:
            crowded = True
    if flood:
        return Verdict.FLOOD
    if over or (crowded and ops):
        return Verdict.OVER
    if ops:
        for meter in meters:
            meter.ops += ops
    return FINE


def charge(meters: Collection[Meter], now: float, ops: int) -> None:
    """Count ops that were made already, whatever it comes to: what follows waits until there is room again."""
    spend(meters, now, 0, 0)
    for meter in meters:
        meter.ops += ops


class Admission:
    """Who is connected, and the buckets that connections of one user, tenant or address share."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.sockets = 0
        self._meters: dict[tuple[str, ...], Meter] = {}  # by scope and name

    def arrive(self, address: str) -> Meter | None:
        """Before anything is known of a socket but where it comes from. None: it is one too many."""
        if self.sockets >= self.bounds.sockets:
            return None
        meter = self._enter(("address", address), self.bounds.address, self.bounds.sockets_per_address)
        if meter is not None:
            self.sockets += 1
        return meter

    def admit(self, tenant: str, user: str) -> tuple[Meter, Meter] | None:
        """Once the token has told who it is: the meters of user and tenant. None: it is one too many."""
        mine = self._enter(("user", tenant, user), self.bounds.user, self.bounds.sockets_per_user)
        if mine is None:
            return None
        ours = self._enter(("tenant", tenant), self.bounds.tenant, self.bounds.sockets_per_tenant)
        if ours is None:
            mine.sockets -= 1
            return None
        return mine, ours

    def visit(self, address: str, tenant: str = "", user: str = "") -> tuple[Meter, ...]:
        """The buckets of one HTTP request: the same that the sockets of that address, user and tenant spend from."""
        found = [self._meter(("address", address), self.bounds.address)]
        if user:
            found.append(self._meter(("user", tenant, user), self.bounds.user))
            found.append(self._meter(("tenant", tenant), self.bounds.tenant))
        return tuple(found)

    def leave(self, meters: Collection[Meter]) -> None:
        """A socket that arrived is gone; `meters` are those it was given."""
        self.sockets -= 1
        for meter in meters:
            meter.sockets -= 1

    def forget(self, now: float) -> None:
        """Drop the buckets nobody uses; called now and then, so that strangers leave no memory behind."""
        for key in [key for key, meter in self._meters.items() if meter.is_rested(now)]:
            del self._meters[key]

    def _enter(self, key: tuple[str, ...], allowance: Allowance, most: int) -> Meter | None:
        meter = self._meter(key, allowance)
        if meter.sockets >= most:
            return None
        meter.sockets += 1
        return meter

    def _meter(self, key: tuple[str, ...], allowance: Allowance) -> Meter:
        meter = self._meters.get(key)
        if meter is None:
            meter = self._meters[key] = Meter(allowance)
        return meter
