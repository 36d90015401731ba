"""Working a plan out ahead: on a copy of a room's confirmed tree, a few ops at a time, so that nobody is held up (B4).

Where the room still stands there when the edit is cut, the ops are carried out as they are; else they are planned
again, in one piece.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from sync.identity import Author
from sync.limits import Limits
from sync.planning import Plan, Planned, Planning
from sync.room import Room
from sync.tasks import give_way

_SLICE = 20  # ops that are planned before others get their turn; 2 ms


class Rehearsal(msgspec.Struct, frozen=True):
    """What a plan came to, for the tree at `seq` under that version of its rights."""

    seq: int
    rights: int
    planned: Planned


async def rehearsed(room: Room, plan: Plan, by: Author, limits: Limits) -> Rehearsal:
    """Raises what the plan raises."""
    with room.confirmed() as tree:
        making = Planning(tree.copy(), room.seq, by.user, by.client, limits)
    rights = room.rights.version
    await give_way()
    for place, _ in enumerate(plan(making), 1):
        if place % _SLICE == 0:
            await give_way()
    return Rehearsal(making.seq, rights, making.planned)


def as_rehearsed(room: Room, plan: Plan, done: Rehearsal) -> Plan:
    """The plan, for the room as it stands when it is carried out."""

    def repeat(making: Planning) -> Iterator[None]:
        steps = plan(making)  # whatever it checks before its first step is checked again
        if (making.seq, room.rights.version) != (done.seq, done.rights):
            return steps
        making.planned = done.planned
        return iter(())

    return repeat
