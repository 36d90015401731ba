"""Redis' protocol (RESP2) as far as a proxy must understand it to lose, double, delay or hold what is published."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal
from weakref import WeakKeyDictionary, WeakSet

from sync import bus_messages
from sync.bus_messages import CommitShared
from sync.errors import BadMessage
from tests.torture.proxy import Ear, Pair

# late: after the next message, which overtakes it
Fate = Literal["pass", "lose", "double", "late"]
_MESSAGE = b"*3\r\n$7\r\nmessage\r\n"
_BULKS = {ord("$"): 1, ord("*"): 0}


class Replies:
    """Cuts a stream into whole replies, as their bytes."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        self._held += data
        replies = []
        while (end := self._end(0)) is not None:
            replies.append(bytes(self._held[:end]))
            del self._held[:end]
        return replies

    def _end(self, start: int) -> int | None:
        """Where the reply that begins there ends; None: not all of it is here."""
        line = self._held.find(b"\r\n", start)
        if line < 0:
            return None
        kind, after = self._held[start], line + 2
        if kind not in _BULKS:
            return after
        size = int(self._held[start + 1 : line])
        if kind == ord("$"):
            end = after + max(size, -2) + 2
            return end if len(self._held) >= end else None
        place: int | None = after
        for _ in range(size):
            place = None if place is None else self._end(place)
        return place


class BusEar(Ear):
    """Decides the fate of each commit that is published, by its channel. Others pass: `deafen` stops them too."""

    def __init__(self, fate: Callable[[str], Fate] = lambda _channel: "pass") -> None:
        self.fate = fate
        self.told: dict[Fate, int] = {"pass": 0, "lose": 0, "double": 0, "late": 0}
        self._replies: WeakKeyDictionary[Pair, Replies] = WeakKeyDictionary()
        self._late: WeakKeyDictionary[Pair, bytes] = WeakKeyDictionary()
        self._pairs: WeakSet[Pair] = WeakSet()
        self._deaf: WeakSet[Pair] = WeakSet()

    def deafen(self) -> None:
        """The connections that stand now go on answering commands and deliver nothing (centrifugo#1189)."""
        self._deaf |= self._pairs

    async def asked(self, pair: Pair, data: bytes) -> bytes | None:
        self._pairs.add(pair)
        return data

    async def answered(self, pair: Pair, data: bytes) -> bytes | None:
        self._pairs.add(pair)
        replies = self._replies.setdefault(pair, Replies())
        return b"".join(self._passed(pair, reply) for reply in replies.feed(data))

    def _passed(self, pair: Pair, reply: bytes) -> bytes:
        if not reply.startswith(_MESSAGE):
            return reply
        if pair in self._deaf:
            return b""
        channel, payload = _read(reply)
        if not _is_commit(payload):
            return reply
        fate = self.fate(channel)
        self.told[fate] += 1
        if fate == "lose":
            return b""
        late = self._late.pop(pair, b"")
        if fate == "late":
            self._late[pair] = reply
            return late
        return reply * (2 if fate == "double" else 1) + late


def _read(reply: bytes) -> tuple[str, bytes]:
    """The channel and the payload of a message."""
    _, _, rest = reply[len(_MESSAGE) :].partition(b"\r\n")
    channel, _, rest = rest.partition(b"\r\n")
    _, _, payload = rest.partition(b"\r\n")
    return channel.decode(), payload[:-2]


def _is_commit(payload: bytes) -> bool:
    try:
        return isinstance(bus_messages.decode(payload[1 + payload[0] :]), CommitShared)
    except (BadMessage, IndexError):
        return False
