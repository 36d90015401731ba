"""Typing over a bad line, and nothing else: clients, one server, texts (SEMANTICS 14), all by one seed.

Each client keeps one message a field unconfirmed and composes the rest; messages are lost with their socket, arrive
twice, arrive late from a socket that is long closed, and are sent again. Every code point typed is another one, so that
each can be followed: it is there in the end exactly if nobody deleted it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple, Protocol

from sync.text import Delta, applied, composed, difference, ladder, transformed

FIELDS = ("description", "template_data.core_why")
# where each typed character is taken from, in turn: ASCII has too few, so three planes, one of them beyond UTF-16's
# single units, and a combining mark now and then
PLANES = (0x4E00, 0x20000, 0xAC00)


class Op(NamedTuple):
    n: int
    path: str
    base: int
    delta: Delta


class Entry(NamedTuple):
    client: int
    n: int
    path: str
    delta: Delta


class Settled(NamedTuple):
    """An op that came to nothing: there is no entry of it in the log."""

    n: int


class Judging(Protocol):
    """What the clients type to. `receive` answers the ops that came to nothing, and whose they are."""

    log: list[Entry]

    @property
    def texts(self) -> dict[str, str]: ...

    def receive(self, client: int, message: list[Op]) -> list[tuple[int, Settled]]: ...


class Server:
    """Judges as SEMANTICS 14 says. `forgetful` is the mistake that rule warns of: transforming over others' ops alone,
    as if one's own earlier ones in the message were not there."""

    def __init__(self, *, forgetful: bool = False) -> None:
        self.log: list[Entry] = []
        self._texts = dict.fromkeys(FIELDS, "")
        self.last: dict[int, int] = {}
        self.met = 0  # concurrent deltas in all
        self._forgetful = forgetful

    @property
    def texts(self) -> dict[str, str]:
        return self._texts

    def receive(self, client: int, message: list[Op]) -> list[tuple[int, Settled]]:
        originals = {op.n: op.delta for op in message}
        for op in message:
            last = self.last.get(client, 0)
            if op.n > last + 1:
                break  # a gap: it came from a socket whose earlier messages were lost
            if op.n == last + 1:
                delta = self._transformed(client, op, originals)
                self._texts[op.path] = applied(self._texts[op.path], delta)
                self.log.append(Entry(client, op.n, op.path, delta))
                self.last[client] = op.n
        return []

    def _transformed(self, client: int, op: Op, originals: dict[int, Delta]) -> Delta:
        concurrent: list[Delta] = []
        for entry in self.log[op.base :]:
            if entry.path != op.path:
                continue
            if entry.client != client:
                concurrent.append(entry.delta)
            elif not self._forgetful:
                concurrent = ladder(originals[entry.n], concurrent)[1]
        self.met += len(concurrent)
        return ladder(op.delta, concurrent)[0]


@dataclass
class Client:
    """`images` are the unconfirmed deltas as they now stand over confirmed text; what was sent never changes."""

    number: int
    patient: bool = True  # False is the other mistake: not waiting until one's own op on the field came back
    position: int = 0
    n: int = 0
    texts: dict[str, str] = field(default_factory=lambda: dict.fromkeys(FIELDS, ""))
    messages: list[list[Op]] = field(default_factory=list)
    images: dict[int, tuple[str, Delta]] = field(default_factory=dict)
    waiting: dict[str, list[Delta]] = field(default_factory=lambda: {path: [] for path in FIELDS})

    def view(self, path: str) -> str:
        text = self.texts[path]
        for delta in [*(delta for of, delta in self.images.values() if of == path), *self.waiting[path]]:
            text = applied(text, delta)
        return text

    def change(self, path: str, after: str, random: Random) -> None:
        delta = difference(self.view(path), after)
        waiting = self.waiting[path]
        if waiting and random.random() < 0.8:
            waiting[-1] = composed(waiting[-1], delta)
        else:
            waiting.append(delta)

    def message(self, random: Random) -> list[Op]:
        """What may be sent now, in one message: of one field or of all, several deltas on one field one by one."""
        unconfirmed = {path for path, _ in self.images.values()}
        message = []
        for path in random.sample(FIELDS, random.randint(1, len(FIELDS))):
            if path in unconfirmed and self.patient:
                continue
            for delta in filter(None, self.waiting[path]):
                self.n += 1
                message.append(Op(self.n, path, self.position, delta))
                self.images[self.n] = path, delta
            self.waiting[path] = []
        if message:
            self.messages.append(message)
        return message

    def receive(self, seq: int, entry: Entry | Settled) -> None:
        if isinstance(entry, Settled):
            self._settle(entry.n)
            return
        if seq <= self.position:
            return
        assert seq == self.position + 1, "frames follow one another"
        self.position = seq
        if entry.client == self.number:
            path, image = self.images.pop(entry.n)
            assert (path, image) == (entry.path, entry.delta), "client and server transform alike"
            self._answered()
        else:
            self._rebase(entry)
        self.texts[entry.path] = applied(self.texts[entry.path], entry.delta)

    def _settle(self, n: int) -> None:
        if n in self.images:
            assert self.images.pop(n)[1] == [], "it came to nothing here too"
            self._answered()

    def _answered(self) -> None:
        self.messages = [one for one in self.messages if any(op.n in self.images for op in one)]

    def _rebase(self, entry: Entry) -> None:
        theirs = entry.delta
        for n, (path, image) in self.images.items():
            if path == entry.path:
                theirs, over = transformed(theirs, image)
                self.images[n] = path, over
        self.waiting[entry.path], _ = self._over(theirs, self.waiting[entry.path])

    @staticmethod
    def _over(theirs: Delta, deltas: list[Delta]) -> tuple[list[Delta], Delta]:
        out = []
        for delta in deltas:
            theirs, over = transformed(theirs, delta)
            out.append(over)
        return out, theirs


@dataclass
class Line:
    """A socket: two queues. `late` is what a closed one still has under way."""

    up: list[list[Op]] = field(default_factory=list)
    down: list[tuple[int, Entry | Settled]] = field(default_factory=list)
    late: list[list[Op]] = field(default_factory=list)
    is_open: bool = True


class Typing:
    """One run. `finish` brings everybody together and checks."""

    def __init__(self, seed: int, server: Judging, *, clients: int = 3, patient: bool = True) -> None:
        self.random = Random(seed)
        self.server = server
        self.clients = [Client(number, patient) for number in range(clients)]
        self.lines = [Line() for _ in self.clients]
        self.typed: list[str] = []  # each run of characters as it was typed
        self.deleted: set[str] = set()
        self.revivable: set[str] = set()  # what may be there or not
        self._count = 0

    def run(self, steps: int) -> None:
        for _ in range(steps):
            number = self.random.randrange(len(self.clients))
            self.random.choice(self.doing())(number)
        self.finish()

    # ---- what happens

    def doing(self) -> tuple[Callable[[int], None], ...]:
        """What may happen to a client, each as often as it stands here."""
        return self._type, self._type, self._send, self._arrive, self._arrive, self._hear, self._hear, self._befall

    def _type(self, number: int) -> None:
        client = self.clients[number]
        path = self.random.choice(FIELDS)
        text = client.view(path)
        at = self.random.choice((0, len(text), self.random.randint(0, len(text))))
        gone = text[at : at + self.random.choice((0, 0, 0, 1, 2, 5))]
        new = self.fresh(self.random.choice((0, 1, 1, 1, 2, 4)))
        self.deleted |= set(gone)
        self.typed += [new] if new else []
        client.change(path, text[:at] + new + text[at + len(gone) :], self.random)

    def fresh(self, size: int) -> str:
        """Characters that were never typed before."""
        return "".join(self._character() for _ in range(size))

    def _character(self) -> str:
        self._count += 1
        if self._count % 17 == 0 and self._count < 17 * 112:
            return chr(0x300 + self._count // 17)  # U+0300 to U+036F, combining
        return chr(PLANES[self._count % 3] + self._count)

    def _send(self, number: int) -> None:
        message = self.clients[number].message(self.random)
        if message and self.lines[number].is_open:
            self.lines[number].up.append(message)

    def _arrive(self, number: int) -> None:
        line = self.lines[number]
        if line.late and self.random.random() < 0.5:
            self._judge(number, line.late.pop(self.random.randrange(len(line.late))))
        elif line.up:
            self._judge(number, line.up.pop(0))

    def _judge(self, number: int, message: list[Op]) -> None:
        before = len(self.server.log)
        settled = self.server.receive(number, message)
        self.tell(before)
        for client, one in settled:
            if self.lines[client].is_open:
                self.lines[client].down.append((len(self.server.log), one))

    def tell(self, before: int) -> None:
        """Send what was logged since to everyone."""
        for seq, entry in enumerate(self.server.log[before:], start=before + 1):
            for line in self.lines:
                if line.is_open:
                    line.down.append((seq, entry))

    def _hear(self, number: int) -> None:
        line = self.lines[number]
        if line.down:
            self.clients[number].receive(*line.down.pop(0))

    def _befall(self, number: int) -> None:
        line = self.lines[number]
        if not line.is_open:
            self._reconnect(number)
        elif self.random.random() < 0.4:
            line.up += self.clients[number].messages  # sent twice
        else:
            line.is_open = False
            line.late += line.up[: self.random.randint(0, len(line.up))]  # the rest is lost
            line.up, line.down = [], []

    def _reconnect(self, number: int) -> None:
        client, line = self.clients[number], self.lines[number]
        line.is_open = True
        line.down = [*enumerate(self.server.log[client.position :], start=client.position + 1)]
        line.up = list(client.messages)

    # ---- the end

    def finish(self) -> None:
        for number, line in enumerate(self.lines):
            if not line.is_open:
                self._reconnect(number)
        while any(line.up or line.down or line.late for line in self.lines) or self._anything_waits():
            for number in range(len(self.clients)):
                self._send(number)
                self._arrive(number)
                self._hear(number)
        self.check()

    def _anything_waits(self) -> bool:
        return any(client.images or any(map(any, client.waiting.values())) for client in self.clients)

    def check(self) -> None:
        for client in self.clients:
            assert client.texts == self.server.texts, f"client {client.number} differs"
        text = "".join(self.server.texts.values())
        typed = {one for run in self.typed for one in run}
        assert len(set(text)) == len(text), "a character stands twice"
        assert set(text) >= typed - self.deleted, "a character is lost"
        assert set(text) <= typed - self.deleted | self.revivable, "a character came back"
        for run in self.typed:
            places = [text.index(one) for one in run if one not in self.deleted]
            assert places == sorted(places), "what was typed in one go is in another order"
