"""One SQLite file: its lock, its version, whose it is, and one transaction at a time.

The calls are synchronous, on the loop: a commit is a few kB and three fsyncs, a few milliseconds. In a thread of its
own an edit could be sent, answered or undone between two halves of being stored; what is larger, a snapshot, comes and
is written in parts. `synchronous = FULL`: what is committed survives the machine's death too. And it is in the file
itself, which is why there is no write-ahead log: a crash leaves one, and renaming or copying the file loses it.

`locking_mode = EXCLUSIVE` holds SQLite's own lock on the file as long as it is open: the kernel gives it back when the
process dies, however it dies, and knows the file by its inode, under whichever path (sqlite.org/pragma.html).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from treesync_client.errors import StoreFailed, StoreInUse

VERSION = 1
_APPLICATION = 0x7473796E  # "tsyn": tells this file from any other SQLite database
_SCHEMA = """
-- whose queue this is: one writer under one client_id (SEMANTICS 4), `file` tells a copy from the original
CREATE TABLE owner (
  one INTEGER PRIMARY KEY CHECK (one = 1), server TEXT NOT NULL, tenant TEXT NOT NULL, "user" TEXT NOT NULL,
  client_id TEXT NOT NULL, file TEXT NOT NULL
) STRICT;
-- `sent_n` the last number given, `generation` the one of `states` that holds, `reported` whether `answers` is complete
CREATE TABLE trees (
  tree INTEGER PRIMARY KEY, sent_n INTEGER NOT NULL, generation INTEGER NOT NULL, role TEXT NOT NULL,
  reported INTEGER NOT NULL
) STRICT;
-- confirmed state: the parts of a snapshot, as messages
CREATE TABLE states (
  tree INTEGER NOT NULL, generation INTEGER NOT NULL, part INTEGER NOT NULL, message BLOB NOT NULL,
  PRIMARY KEY (tree, generation, part)
) STRICT;
-- and what came after it, as messages
CREATE TABLE frames (
  tree INTEGER NOT NULL, seq INTEGER NOT NULL, message BLOB NOT NULL, PRIMARY KEY (tree, seq)
) STRICT;
-- ops without a final answer, in order; `n` once it is sent; `uncertain`: sent by the file this one was copied from
CREATE TABLE queue (
  tree INTEGER NOT NULL, place INTEGER NOT NULL, n INTEGER, mode TEXT NOT NULL, hidden INTEGER NOT NULL,
  uncertain INTEGER NOT NULL, op TEXT NOT NULL, local TEXT, below TEXT, PRIMARY KEY (tree, place)
) STRICT;
-- what became of ops that were replayed: the report in the making, or the last one; refused ones until dismissed
CREATE TABLE answers (
  tree INTEGER NOT NULL, place INTEGER NOT NULL, op TEXT NOT NULL, answer TEXT NOT NULL, PRIMARY KEY (tree, place)
) STRICT;
"""


class KeptAside(msgspec.Struct, frozen=True):
    """A file that could not be used was renamed, and a new one begun in its place."""

    path: Path
    reason: Literal["corrupt", "newer"]
    why: str


class QueueFile:
    """`open_file` makes it. Every method raises StoreFailed where the file cannot be read or written."""

    def __init__(self, path: Path, connection: sqlite3.Connection, kept_aside: KeptAside | None) -> None:
        self.path = path
        self.connection = connection
        self.kept_aside = kept_aside

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it, or nothing."""
        with told(self.path):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

    def rows(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        with told(self.path):
            return self.connection.execute(statement, values).fetchall()

    def close(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self.connection.close()


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """SQLite's errors as the client's."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreFailed(f"{path}: {error}") from error


def open_file(path: Path) -> QueueFile:
    """The file at a path, made where there is none. A damaged or later one is renamed, never deleted.

    Raises StoreInUse where another process has it, StoreFailed where it cannot be used at all.
    """
    path = path.resolve()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)  # what is in it is its person's; SQLite gives its log the same mode
    except OSError as error:
        raise StoreFailed(f"{path}: {error}") from error
    kept_aside: KeptAside | None = None
    while True:
        reason: Literal["corrupt", "newer"]
        try:
            return QueueFile(path, _connect(path), kept_aside)
        except _Newer as newer:
            reason, why = "newer", str(newer)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise StoreInUse(f"{path} is in use by another process") from error
            raise StoreFailed(f"{path}: {error}") from error
        except sqlite3.DatabaseError as error:
            reason, why = "corrupt", str(error)
        if kept_aside is not None:
            raise StoreFailed(f"{path}: {why}")
        kept_aside = keep_aside(path, reason, why)
        path.touch(mode=0o600)


class _Newer(Exception):
    """Of a later version of the client."""


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")  # from here on nobody else has it
        _check(connection, path)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = TRUNCATE")
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """That it is one of ours, whole, and of a version that is known; an empty one is made so."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application not in (0, _APPLICATION) or (application == 0 and tables):
        raise StoreFailed(f"{path} is a database, but no queue of treesync")
    if version > VERSION:
        raise _Newer(f"version {version}, and {VERSION} is known here")
    if not tables:
        for statement in _SCHEMA.split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        return
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(verdict)


def keep_aside(path: Path, reason: Literal["corrupt", "newer"], why: str) -> KeptAside:
    """Rename a file and its log to the first free name. The log first: alone it must never meet a new file."""
    number = 1
    while any(path.with_name(f"{path.name}.{reason}-{number}{tail}").exists() for tail in ("", "-wal")):
        number += 1
    aside = path.with_name(f"{path.name}.{reason}-{number}")
    try:
        for tail in ("-wal", "-shm", "-journal", ""):
            beside = path.with_name(path.name + tail)
            if beside.exists():
                os.rename(beside, aside.with_name(aside.name + tail))
    except OSError as error:
        raise StoreFailed(f"{path}: {error}") from error
    return KeptAside(aside, reason, why)
