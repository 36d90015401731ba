"""When everyone in a room is told what is durable. In a small room at once; in a wide one behind the next statement.

A write to a socket is a system call of 5 to 10 µs, whatever it holds: a commit takes a thousand people's frames 7 ms to
write. So the next batch goes to the database first, which works on it meanwhile, and while statements follow each
other the frames of a few commits leave in one write. Authors have their outcomes before that. On two cores, 64 edits
in flight: 200 clients 1.2 ×, 1,000 clients 1.8 × the edits per second, at 0.7 and 0.45 × the CPU of each.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from sync.delivery import Delivery
from sync.open_room import OpenRoom
from sync.ports import Clock
from sync.room import Settled

WIDE = 50  # people: their frames take as long to write as a small batch to judge and send
HELD_COMMITS = 4  # in one write: with four the writes are a third of what is left to do, and more gain little
HELD_SECONDS = 0.02  # the longest that a frame waits for others, of a database that is slow; nobody sees 20 ms


class Telling:
    """See the module. `wide` is the number of people from which on a room is."""

    def __init__(
        self,
        clock: Clock,
        delivery: Delivery,
        *,
        wide: int,
        spawn: Callable[[str, Coroutine[Any, Any, None]], object],
    ) -> None:
        self._clock = clock
        self._delivery = delivery
        self._wide = wide
        self._spawn = spawn
        self._soon: list[OpenRoom] = []
        self._held: set[OpenRoom] = set()

    def settled(self, place: OpenRoom, settled: Settled) -> None:
        """A batch of this room is durable, or wrote nothing."""
        if len(place.room.participants) < self._wide:
            self._delivery.settled(place, settled)
            return
        self._delivery.authors(place, settled)
        self._soon.append(place)
        if len(self._soon) == 1:
            self._spawn("tell", self._tell())

    async def _tell(self) -> None:
        """In the loop's next turn: the lane that settled these rooms has cut and sent what waited in them by now."""
        settled, self._soon = self._soon, []
        for place in settled:
            if place.room.flight is None or len(place.untold) >= HELD_COMMITS:
                self._delivery.tell(place)
            elif place not in self._held:
                self._held.add(place)
                self._spawn(f"tell:{place.key.tree}", self._tell_later(place))

    async def _tell_later(self, place: OpenRoom) -> None:
        await self._clock.sleep(HELD_SECONDS)
        self._held.discard(place)
        self._delivery.tell(place)
