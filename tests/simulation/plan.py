"""What a run is made of: everything that is drawn from the seed before it starts."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec

from sync import commit, delivery, housekeeping, inbox, keeper, placing, recent, room, snapshots
from sync.limits import Limits
from sync.telling import WIDE

TENANT = "acme"
OPS = 200  # per seed, as Zed's randomised tests have it (reliability A1)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Chances are per message, call or step; times are virtual seconds."""

    seed: int
    ops: int = OPS
    clients: int = 4
    instances: int = 2
    trees: int = 1

    bus_loss: float = 0.0
    bus_double: float = 0.0
    bus_delay: float = 0.002  # the longest; messages overtake each other
    store_delay: float = 0.004
    store_fails: float = 0.0  # before anything happened
    store_forgets: float = 0.0  # it happened, and the answer is lost
    poison: float = 0.0  # of an op, to hold a value that the database refuses

    resend: float = 0.05  # of an edit, to be sent again, unasked
    elsewhere: float = 0.05  # of an edit, to be sent by HTTP to another instance besides
    overtake: float = 0.02  # of an edit, to be sent before the one in front of it
    pause: float = 0.05  # of a step, to be followed by seconds without edits
    events: dict[str, float] = {}  # what happens beside edits -> how often, relative to 1 for an op

    outbox_bytes: int = 1024 * 1024
    limits: Limits = Limits()
    small: bool = False  # the server's own bounds are made small, so that a small tree meets them
    wide: int = WIDE
    check_presence: bool = False
    follow_seconds: float = 0.0  # the longest a room may stay behind; 0: what the faults of the plan allow

    @property
    def bus_is_faultless(self) -> bool:
        quiet = not any(self.events.get(event) for event in ("bus_down", "kill", "drain"))
        return quiet and not self.bus_loss and self.bus_delay < 0.01

    @property
    def store_is_faultless(self) -> bool:
        return not (self.store_fails or self.store_forgets or self.events.get("database_down"))


# event -> how often beside 1 op, where a plan has it at all
_EVENTS = {
    "cut": 0.06,
    "leave": 0.015,
    "reopen": 0.02,
    "kill": 0.012,
    "drain": 0.008,
    "start": 0.02,
    "bus_down": 0.01,
    "database_down": 0.01,
    "slow_reader": 0.03,
    "rights": 0.02,
    "freeze": 0.005,
    "presence": 0.1,
    "garbage": 0.02,
    "resync": 0.005,
    "kick": 0.008,
    "doom": 0.004,
    "decide": 0.12,
    "purge": 0.03,
}

SMALL_LIMITS = Limits(edit_ops=20, unanswered_ops=40, resume_ops=40, nodes_per_tree=60, depth=7, value_bytes=400)

# The server's own bounds (see each for its real value), made so small that trees of a few dozen nodes meet them
SMALL: list[tuple[Any, str, int]] = [
    (room, "BATCH_ROWS", 4),
    (commit, "BATCH_ROWS", 3),
    (room, "SNAPSHOT_LAG", 6),
    (inbox, "INBOX_OPS", 120),
    (recent, "KEPT_OPS", 15),
    (delivery, "CHUNK_OPS", 7),
    (delivery, "FRAME_BYTES", 1_500),
    (placing, "ORDER_KEY_CHARACTERS", 6),
    (snapshots, "PART_NODES", 9),
    (housekeeping, "IDLE_SECONDS", 0),
    (keeper, "VERSION_OPS", 30),
]


def draw(seed: int, ops: int = OPS) -> Plan:
    """The plan of a seed: some calm, some with one kind of fault, most with all kinds."""
    random = Random(f"plan:{seed}")
    kind = random.choices(["calm", "bus", "database", "sockets", "everything"], [1, 2, 2, 2, 6])[0]
    everything = kind == "everything"
    events = {"presence", "reopen", "garbage", "decide", "purge"}
    chances: dict[str, float] = {}
    if kind == "bus" or everything:
        events |= {"bus_down"}
        chances |= {
            "bus_loss": random.choice([0, 0.1, 0.5]),
            "bus_double": 0.1,
            "bus_delay": random.choice([0.01, 0.1, 0.6]),
        }
    if kind == "database" or everything:
        events |= {"database_down"}
        chances |= {
            "store_fails": random.choice([0, 0.02, 0.1]),
            "store_forgets": random.choice([0, 0.02, 0.1]),
            "store_delay": random.choice([0.004, 0.03, 0.1]),
            "poison": random.choice([0, 0, 0.02]),
        }
    if kind == "sockets" or everything:
        events |= {"cut", "leave", "slow_reader", "rights", "freeze", "kick", "resync"}
        chances |= {"resend": 0.15, "elsewhere": 0.15, "overtake": 0.05}
    if everything:
        events |= {"kill", "drain", "start", "doom"}
    small = random.random() < 0.5
    return Plan(
        seed=seed,
        ops=ops,
        clients=random.randint(2, 8),
        instances=random.randint(1, 3),
        trees=random.choice([1, 1, 1, 2, 3]),
        events={event: _EVENTS[event] for event in sorted(events)},
        outbox_bytes=random.choice([2_000, 8_000, 1024 * 1024]),
        limits=SMALL_LIMITS if random.random() < 0.3 else Limits(),
        small=small,
        check_presence=random.random() < 0.25,
        wide=random.choice([1, 3, WIDE]),
        **chances,
    )
