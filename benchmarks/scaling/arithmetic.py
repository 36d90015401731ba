"""How many cores, gigabytes and shards a number of open sockets needs: multiplication, with nothing that waits.

What waits (batches, locks, queues) is the simulation's, which checks these numbers (`benchmarks.scaling.simulation`).
"""

from __future__ import annotations

import math

import msgspec

from benchmarks.scaling.costs import Costs

PING_SECONDS = 20.0  # web/sync/link.js: PING_MS
KB_PER_GB = 1024 * 1024


class World(msgspec.Struct, kw_only=True, frozen=True):
    """What people do. The defaults are an assumption: four people at a tree, and one of twenty at the keyboard."""

    sockets: int = 1_000_000
    per_room: int = 4
    edits_per_socket: float = 0.025  # a second: one of twenty types, and typing is one edit in two seconds
    instances: int = 100
    together: float = 0.0  # the share of rooms whose sockets all meet on one instance

    @property
    def rooms(self) -> float:
        return self.sockets / self.per_room

    @property
    def edits(self) -> float:
        """A second, on all instances."""
        return self.sockets * self.edits_per_socket

    @property
    def apart(self) -> float:
        """On how many instances a room is open, where a balancer throws a die for each socket: the expected number of
        different faces in `per_room` throws."""
        thrown = self.instances * (1 - (1 - 1 / self.instances) ** self.per_room)
        return self.together + (1 - self.together) * thrown


class Need(msgspec.Struct, kw_only=True, frozen=True):
    """Of all instances together, and of the database."""

    instance_cores: float
    instance_gb: float
    database_cores: float
    relay_cores: float
    bus_messages: float  # a second
    by: dict[str, float]  # instance_cores, split


def need(world: World, costs: Costs, edits_per_statement: float) -> Need:
    """`edits_per_statement`: how many edits share a commit statement; the simulation tells."""
    statements = world.edits / edits_per_statement
    messages = world.edits * (world.apart - 1)
    by = {
        "edits": world.edits * costs.edit / 1e6,
        "statements": statements * costs.statement / 1e6,
        "deliveries": world.edits * world.per_room * costs.delivery / 1e6,
        "following": messages * costs.follow / 1e6,
        "pings": world.sockets / PING_SECONDS * costs.ping / 1e6,
    }
    memory = world.sockets * costs.socket_kb + world.rooms * world.apart * costs.room_kb
    return Need(
        instance_cores=sum(by.values()),
        instance_gb=memory / KB_PER_GB,
        database_cores=(world.edits * costs.database_edit + statements * costs.database_statement) / 1e6,
        relay_cores=messages * costs.relay / 1e6,
        bus_messages=messages,
        by=by,
    )


def instances_for(need: Need, busy: float) -> int:
    """Of one core each, so that none is busier than `busy` (0 to 1)."""
    return math.ceil(need.instance_cores / busy)
