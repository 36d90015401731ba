"""What a queue's file says: whose it is, and for each tree its queue, its confirmed state and its answers."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from sync.codec import JSON, MSGPACK
from sync.errors import BadMessage
from sync.ops import Op
from sync.protocol import Mode, Ops, Result, Role, ServerMessage, Snapshot
from sync.text import Delta
from treesync_client.errors import StoreFailed, StoreOfAnother
from treesync_client.store.file import KeptAside, QueueFile, keep_aside, open_file
from treesync_client.store.identity import FileIdentity, identity_of, written

_OWNER = 'SELECT server, tenant, "user", client_id, file FROM owner'
_MAKE_OWNER = "INSERT INTO owner VALUES (1, '', '', '', ?, ?)"
_CLAIM = 'UPDATE owner SET server = ?, tenant = ?, "user" = ?'
_MOVED = "UPDATE owner SET file = ?"
_RENEW = "UPDATE owner SET client_id = ?"
_UNNUMBER = "UPDATE queue SET n = NULL, uncertain = ? WHERE n IS NOT NULL"
_COUNT_AGAIN = "UPDATE trees SET sent_n = 0"
_QUEUE = "SELECT tree, place, n, mode, hidden, uncertain, op, local, below FROM queue ORDER BY tree, place"
_TREES = "SELECT tree, sent_n, generation, role, reported FROM trees"
_STATE = "SELECT message FROM states WHERE tree = ? AND generation = ? ORDER BY part"
_FRAMES = "SELECT message FROM frames WHERE tree = ? ORDER BY seq"
_ANSWERS = "SELECT place, op, answer FROM answers WHERE tree = ? ORDER BY place"
_PUT_TREE = "INSERT OR REPLACE INTO trees VALUES (?, ?, ?, ?, ?)"
_PUT_ENTRY = "INSERT OR REPLACE INTO queue VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?)"
_DROP_ENTRY = "DELETE FROM queue WHERE tree = ? AND place = ?"
_PUT_PART = "INSERT OR REPLACE INTO states VALUES (?, ?, ?, ?)"
_PUT_FRAME = "INSERT OR REPLACE INTO frames VALUES (?, ?, ?)"
_DROP_STATES = "DELETE FROM states WHERE tree = ? AND generation <> ?"
_DROP_FRAMES = "DELETE FROM frames WHERE tree = ? AND seq <= ?"
_PUT_ANSWER = "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)"
_DROP_ANSWER = "DELETE FROM answers WHERE tree = ? AND place = ?"
_FORGET = (
    "DELETE FROM trees WHERE tree = ?",
    "DELETE FROM states WHERE tree = ?",
    "DELETE FROM frames WHERE tree = ?",
    "DELETE FROM queue WHERE tree = ?",
    "DELETE FROM answers WHERE tree = ?",
)


class KeptEntry(msgspec.Struct, kw_only=True):
    """One op of the queue. `local`: a delta as it would be made now, on the text `below`; None: on confirmed text."""

    place: int
    n: int | None
    mode: Mode
    hidden: bool = False
    uncertain: bool = False
    op: Op
    local: Delta | None = None
    below: str | None = None


class KeptTree(msgspec.Struct):
    """`role`: the last one known."""

    number: int
    sent_n: int = 0
    generation: int = 0
    role: Role | None = None
    reported: bool = True
    entries: list[KeptEntry] = []


class Writing(msgspec.Struct):
    """What one transaction writes of one tree."""

    tree: KeptTree
    entries: list[KeptEntry] = []
    dropped: list[int] = []
    parts: list[tuple[int, int, Snapshot]] = []  # (generation, part, what it says)
    frames: list[Ops] = []
    level: int | None = None  # frames up to this seq are in the state of `tree.generation`, the only one that holds
    answers: list[tuple[int, Op, Result]] = []
    answers_dropped: list[int] = []


class Copied(msgspec.Struct, frozen=True):
    """The file was a copy: it goes on under a client_id of its own. Ops that were sent before it was copied are the
    original's to finish; they are kept (`LiveTree.uncertain`) and not sent again."""

    client_id: str
    uncertain: int


class Store:
    """`news` says what was done to the file when it was opened."""

    def __init__(self, file: QueueFile) -> None:
        self.file = file
        self.news: list[KeptAside | Copied] = [] if file.kept_aside is None else [file.kept_aside]
        self.server = self.tenant = self.user = self.client_id = ""
        self.trees: dict[int, KeptTree] = {}
        self._read()

    @classmethod
    def open(cls, path: Path) -> Store:
        """Raises StoreInUse, StoreFailed."""
        file = open_file(path)
        try:
            return cls(file)
        except (msgspec.MsgspecError, ValueError, TypeError) as error:  # SQLite says it is whole, and it makes no sense
            file.close()
            aside = keep_aside(file.path, "corrupt", str(error))
            made = cls(open_file(file.path))
            made.news.insert(0, aside)
            return made
        except BaseException:
            file.close()
            raise

    def _read(self) -> None:
        here = self._identity()
        rows = self.file.rows(_OWNER)
        if not rows:
            self.client_id = secrets.token_hex(8)
            with self.file.transaction() as connection:
                connection.execute(_MAKE_OWNER, (self.client_id, written(here)))
            return
        self.server, self.tenant, self.user, self.client_id, identity = (str(value) for value in rows[0])
        was = msgspec.convert(json.loads(identity), FileIdentity) if identity else here
        if was != here:
            self._moved(here, copied=not was.is_original(here))
        self._read_queue()

    def _identity(self) -> FileIdentity:
        try:
            return identity_of(self.file.path)
        except OSError as error:
            raise StoreFailed(f"{self.file.path}: {error}") from error

    def _moved(self, here: FileIdentity, *, copied: bool) -> None:
        """The file has another name or another body. A copy never writes under the original's client_id."""
        with self.file.transaction() as connection:
            connection.execute(_MOVED, (written(here),))
            if copied:
                self.client_id = secrets.token_hex(8)
                connection.execute(_RENEW, (self.client_id,))
                uncertain = connection.execute(_UNNUMBER, (1,)).rowcount
                connection.execute(_COUNT_AGAIN)
                self.news.append(Copied(self.client_id, uncertain))

    def _read_queue(self) -> None:
        for row in self.file.rows(_TREES):
            number, sent_n, generation, role, reported = msgspec.convert(
                row, tuple[int, int, int, Role | Literal[""], int]
            )
            self.trees[number] = KeptTree(number, sent_n, generation, role or None, bool(reported))
        for tree, place, n, mode, hidden, uncertain, op, local, below in self.file.rows(_QUEUE):
            raw = {"place": place, "n": n, "mode": mode, "hidden": bool(hidden), "uncertain": bool(uncertain)}
            raw |= {"op": _read_json(op), "local": None if local is None else _read_json(local), "below": below}
            entry = msgspec.convert(raw, KeptEntry)
            self.trees[msgspec.convert(tree, int)].entries.append(entry)

    # ---- whose it is

    def claim(self, server: str, tenant: str, user: str) -> None:
        """Say whose queue it is, once. Raises StoreOfAnother."""
        mine = (self.server, self.tenant, self.user)
        if mine == (server, tenant, user):
            return
        if any(mine):
            raise StoreOfAnother(f"{self.file.path} holds the queue of {self.user} at {self.server}")
        with self.file.transaction() as connection:
            connection.execute(_CLAIM, (server, tenant, user))
        self.server, self.tenant, self.user = server, tenant, user

    def renew(self) -> str:
        """Another client_id, stored before it is used; every tree counts from 1."""
        client_id = secrets.token_hex(8)
        with self.file.transaction() as connection:
            connection.execute(_RENEW, (client_id,))
            connection.execute(_UNNUMBER, (0,))
            connection.execute(_COUNT_AGAIN)
        self.client_id = client_id
        return client_id

    # ---- trees

    def tree(self, number: int) -> KeptTree:
        return self.trees.setdefault(number, KeptTree(number))

    def state(self, number: int) -> Iterator[Snapshot | Ops]:
        """Confirmed state as messages: a snapshot's parts, then frames of ops. What cannot be read ends it."""
        tree = self.tree(number)
        rows = [*self.file.rows(_STATE, number, tree.generation), *self.file.rows(_FRAMES, number)]
        with contextlib.suppress(BadMessage):
            for (message,) in rows:
                read: ServerMessage = MSGPACK.decode_server(message)  # type: ignore[arg-type]
                if isinstance(read, Snapshot | Ops):
                    yield read

    def answers(self, number: int) -> list[tuple[int, Op, Result]]:
        """(place, op, answer) of what was replayed."""
        return [
            (
                msgspec.convert(place, int),
                msgspec.convert(_read_json(op), Op),
                msgspec.convert(_read_json(answer), Result),
            )
            for place, op, answer in self.file.rows(_ANSWERS, number)
        ]

    def write(self, writing: Writing) -> None:
        """All of it, or nothing. Raises StoreFailed."""
        tree = writing.tree
        number = tree.number
        with self.file.transaction() as connection:
            connection.execute(_PUT_TREE, (number, tree.sent_n, tree.generation, tree.role or "", tree.reported))
            connection.executemany(_PUT_ENTRY, (_entry_row(number, entry) for entry in writing.entries))
            connection.executemany(_DROP_ENTRY, ((number, place) for place in writing.dropped))
            connection.executemany(_PUT_PART, _part_rows(number, writing.parts))
            connection.executemany(_PUT_FRAME, ((number, one.seq, MSGPACK.encode(one)) for one in writing.frames))
            if writing.level is not None:
                connection.execute(_DROP_STATES, (number, tree.generation))
                connection.execute(_DROP_FRAMES, (number, writing.level))
            connection.executemany(_PUT_ANSWER, _answer_rows(number, writing.answers))
            connection.executemany(_DROP_ANSWER, ((number, place) for place in writing.answers_dropped))

    def forget(self, number: int) -> None:
        """Everything about a tree: its person has let go of it."""
        with self.file.transaction() as connection:
            for statement in _FORGET:
                connection.execute(statement, (number,))
        self.trees.pop(number, None)

    def close(self) -> None:
        self.file.close()


def _read_json(text: object) -> Any:
    return json.loads(msgspec.convert(text, str))


def _text(value: Any) -> str:
    return JSON.encode_value(value).decode()


def _entry_row(number: int, entry: KeptEntry) -> tuple[Any, ...]:
    local = None if entry.local is None else _text(entry.local)
    return (number, entry.place, entry.n, entry.mode, entry.hidden, _text(entry.op), local, entry.below)


def _part_rows(number: int, parts: Iterable[tuple[int, int, Snapshot]]) -> Iterator[tuple[Any, ...]]:
    return ((number, generation, part, MSGPACK.encode(message)) for generation, part, message in parts)


def _answer_rows(number: int, answers: Iterable[tuple[int, Op, Result]]) -> Iterator[tuple[Any, ...]]:
    return ((number, place, _text(op), _text(answer)) for place, op, answer in answers)
