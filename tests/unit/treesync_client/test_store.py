"""The file of a queue: what is in it after any end, who may have it, and what becomes of one that is no good."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET

from sync import ops
from sync.protocol import Error
from tests.mini_server import MiniClient, MiniServer
from tests.opened_trees import insert, sent, title
from treesync_client.errors import StoreFailed, StoreInUse, StoreOfAnother
from treesync_client.results import Landed, Unstored
from treesync_client.store.file import VERSION, KeptAside
from treesync_client.store.kept import Copied, Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue.db"


@pytest.fixture
def server() -> MiniServer:
    return MiniServer()


class Stored:
    """A MiniClient on a file, and the end of its process."""

    def __init__(self, server: MiniServer, path: Path) -> None:
        self.store = Store.open(path)
        self.store.claim("http://memory", "acme", "ada")
        self.client = MiniClient(server, "ada", self.store.client_id)
        self.tree = self.client.tree
        self.tree.keep(self.store)

    def die(self) -> None:
        """As by `kill -9`: nothing is saved that is not saved, and the kernel lets go of the file."""
        self.client.server.clients.remove(self.client)
        self.store.close()

    def connect(self) -> None:
        self.client.connect()
        self.client.settle()
        self.tree.save()

    def edit(self, op: Any) -> None:
        self.client.edit(op)
        assert self.tree.save()


@pytest.fixture
def opened(server: MiniServer, path: Path) -> Iterator[list[Stored]]:
    made: list[Stored] = []
    yield made
    for one in made:
        one.store.close()


def again(server: MiniServer, path: Path, opened: list[Stored]) -> Stored:
    if opened:
        opened[-1].die()
    opened.append(Stored(server, path))
    return opened[-1]


def typing(node: str, *delta: int | str) -> ops.Text:
    return ops.Text(n=1, base=0, node=node, path="description", delta=list(delta))


def description(stored: Stored, node: str = "n1") -> str:
    held = stored.tree.view().node(node)
    assert held is not None
    return held.description


def test_what_was_done_offline_is_there_after_the_process(server: MiniServer, path: Path, opened: list[Stored]) -> None:
    """[RP6] [RP9]"""
    first = again(server, path, opened)
    first.connect()
    first.edit(insert("n1", description="one two"))
    first.client.settle()
    first.tree.save()
    first.client.cut()
    first.edit(title("n1", "typed offline", 1))
    first.edit(typing("n1", 3, " and a half"))
    first.edit(typing("n1", 14, "!"))
    second = again(server, path, opened)
    assert second.tree.replica.seq == 1
    assert second.tree.view().node("n1") is not None
    assert description(second) == "one and a half! two"
    assert [entry.n for entry in second.tree.queue] == [None, None]
    second.connect()
    assert server.room.tree.node("n1").title == "typed offline"  # type: ignore[union-attr]
    assert server.room.tree.node("n1").description == "one and a half! two"  # type: ignore[union-attr]
    assert server.room.seq == 3
    assert len(again(server, path, opened).tree.queue) == 0
    assert opened[-1].tree.replica.digest == server.room.tree.digest


@pytest.mark.parametrize("arrived", [True, False])
def test_what_was_being_sent_is_there_once(server: MiniServer, path: Path, opened: list[Stored], arrived: bool) -> None:
    """[ED3] [RP6] Killed between sending and the answer, whether it arrived or not: the number is in the file."""
    first = again(server, path, opened)
    first.connect()
    first.edit(insert("n1", description="text"))
    first.client.settle()
    first.edit(typing("n1", 4, " typed"))
    first.edit(title("n1", "B", 1))
    if arrived:
        first.client.send_one()
    second = again(server, path, opened)
    assert [entry.n for entry in second.tree.queue] == [2, None]
    second.connect()
    second.client.settle()
    assert server.room.tree.node("n1").description == "text typed"  # type: ignore[union-attr]
    assert server.room.tree.node("n1").title == "B"  # type: ignore[union-attr]
    assert server.room.seq == 3
    assert second.tree.replica.digest == server.room.tree.digest


def test_an_op_is_in_the_file_with_its_number_before_it_is_sent(
    server: MiniServer, path: Path, opened: list[Stored]
) -> None:
    """[RP9]"""
    one = again(server, path, opened)
    one.connect()
    said: list[Any] = []

    def say(message: Any) -> None:
        said.extend(one.store.file.rows("SELECT n FROM queue"))

    one.client.say = say  # type: ignore[method-assign]
    one.client.edit(insert("n1"))
    assert said == [(1,)]


def test_one_file_has_one_process(server: MiniServer, path: Path, opened: list[Stored]) -> None:
    """[HS10]"""
    again(server, path, opened)
    with pytest.raises(StoreInUse, match="in use by another process"):
        Store.open(path)
    link = path.with_name("other-name.db")
    link.hardlink_to(path)  # the same file by another name is the same file
    with pytest.raises(StoreInUse):
        Store.open(link)


def test_nobody_else_reads_it(server: MiniServer, path: Path, opened: list[Stored]) -> None:
    again(server, path, opened).connect()
    modes = {one.name: one.stat().st_mode & 0o777 for one in path.parent.glob("queue.db*")}
    assert modes == {"queue.db": 0o600, "queue.db-journal": 0o600}


def test_a_file_belongs_to_one_person(server: MiniServer, path: Path, opened: list[Stored]) -> None:
    store = again(server, path, opened).store
    store.claim("http://memory", "acme", "ada")
    with pytest.raises(StoreOfAnother, match="holds the queue of ada"):
        store.claim("http://memory", "acme", "bo")


def test_a_copy_never_writes_under_the_originals_client_id(
    server: MiniServer, path: Path, opened: list[Stored]
) -> None:
    """[RP7] [RP9] What the original had sent is its own to finish; what was never sent goes from both."""
    original = again(server, path, opened)
    original.connect()
    original.edit(insert("n1", description="text"))
    original.client.settle()
    original.edit(typing("n1", 4, " sent"))
    original.edit(typing("n1", 9, " unsent"))
    original.edit(insert("n2"))
    original.die()
    copy = path.with_name("copy.db")
    for tail in ("", "-wal"):
        if path.with_name(path.name + tail).exists():
            shutil.copy(path.with_name(path.name + tail), copy.with_name(copy.name + tail))
    opened.clear()
    copied = again(server, copy, opened)
    (news,) = copied.store.news
    assert isinstance(news, Copied)
    assert news.uncertain == 1
    assert copied.client.client_id != original.client.client_id
    assert copied.tree.keeping is not None
    assert [op.n for op in copied.tree.keeping.uncertain] == [2]
    assert description(copied) == "text unsent"
    copied.connect()
    assert server.room.tree.node("n1").description == "text unsent"  # type: ignore[union-attr]
    assert server.room.tree.node("n2") is not None
    back = Stored(server, path)
    back.connect()
    back.die()
    assert [entry.op.n for entry in back.tree.queue] == []
    assert "sent" in server.room.tree.node("n1").description  # type: ignore[union-attr]


def test_a_file_that_was_renamed_goes_on(server: MiniServer, path: Path, opened: list[Stored]) -> None:
    first = again(server, path, opened)
    client_id = first.store.client_id
    first.die()
    opened.clear()
    renamed = path.rename(path.with_name("renamed.db"))
    second = again(server, renamed, opened)
    assert second.store.client_id == client_id
    assert second.store.news == []


@pytest.mark.parametrize("damage", ["noise", "truncated", "nonsense"])
def test_a_damaged_file_is_kept_aside_and_said_so(
    server: MiniServer, path: Path, opened: list[Stored], damage: str
) -> None:
    """[RP9]"""
    first = again(server, path, opened)
    first.connect()
    for number in range(50):
        first.edit(insert(f"n{number}", description="x" * 500))
    first.client.settle()
    first.client.cut()
    first.edit(title("n1", "typed", 1))
    first.die()
    opened.clear()
    damaging(path, damage)
    before = path.read_bytes()
    second = again(server, path, opened)
    (news,) = second.store.news
    assert isinstance(news, KeptAside)
    assert news.reason == "corrupt"
    assert news.path.read_bytes()[100:] == before[100:]  # behind the header, which says how it was opened last
    second.connect()
    second.edit(insert("m1"))
    second.client.settle()
    assert isinstance(second.client.answers[-1], Landed)


def damaging(path: Path, damage: str) -> None:
    match damage:
        case "noise":
            path.write_bytes(b"no database at all" * 500)
        case "truncated":
            path.write_bytes(path.read_bytes()[:9000])
        case _:
            connection = sqlite3.connect(path)
            connection.execute('UPDATE queue SET op = \'{"op":"nothing"\'')
            connection.commit()
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.close()


def test_a_file_of_a_later_version_is_kept_aside_and_said_so(
    server: MiniServer, path: Path, opened: list[Stored]
) -> None:
    for number in (1, 2):
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE later (thing TEXT)")
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
        connection.execute("PRAGMA application_id = 0x7473796E")
        connection.close()
        (news,) = again(server, path, opened).store.news
        assert isinstance(news, KeptAside)
        assert (news.reason, news.path.name) == ("newer", f"queue.db.newer-{number}")
        opened.pop().die()
        path.unlink()


def test_another_programs_database_is_left_alone(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (thing TEXT)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreFailed, match="no queue of treesync"):
        Store.open(path)
    assert path.read_bytes() == before


def test_a_full_disk_refuses_what_is_new_and_loses_nothing(
    server: MiniServer, path: Path, opened: list[Stored]
) -> None:
    """[RP9]"""
    one = again(server, path, opened)
    one.connect()
    one.edit(insert("n1"))
    one.client.settle()
    one.client.cut()
    one.edit(title("n1", "kept", 1))
    connection = one.store.file.connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    one.client.edit(insert("n2", description="y" * 100_000))
    assert not one.tree.save()
    assert isinstance(one.client.answers[-1], StoreFailed)
    assert any(isinstance(news, Unstored) and "full" in news.why for news in one.client.news)
    assert one.tree.view().node("n2") is None
    one.edit(title("n1", "small enough", 1))
    connection.execute("PRAGMA max_page_count = 100000")
    second = again(server, path, opened)
    second.connect()
    assert server.room.tree.node("n1").title == "small enough"  # type: ignore[union-attr]
    assert server.room.tree.node("n2") is None


def test_numbers_that_cannot_be_stored_are_not_sent(server: MiniServer, path: Path, opened: list[Stored]) -> None:
    """[RP9]"""
    one = again(server, path, opened)
    one.connect()
    connection = one.store.file.connection
    connection.execute("PRAGMA query_only = ON")
    one.client.edit(insert("n1"))
    assert not one.client.outbound
    assert isinstance(one.client.answers[-1], StoreFailed)
    assert len(one.tree.queue) == 0
    connection.execute("PRAGMA query_only = OFF")
    one.client.edit(insert("n2"))
    one.client.settle()
    assert [op.n for op in one.client.changes] == [1]


def test_a_report_outlives_its_process(server: MiniServer, path: Path, opened: list[Stored]) -> None:
    """[RP10]"""
    first = again(server, path, opened)
    first.connect()
    first.edit(insert("n1", description="a"))
    first.client.settle()
    other = MiniClient(server, "bo", "b1")
    other.connect()
    other.settle()
    first.client.cut()
    first.edit(typing("n1", "1"))
    first.edit(ops.Update(n=1, base=1, node="n1", set={"title": "mine"}, unset=UNSET))
    other.edit(title("n1", "theirs", 1))
    other.settle()
    second = again(server, path, opened)
    second.client.connect()
    second.client.send_one()
    while second.client.inbound:
        second.client.hear_one()
    second.client.settle()
    second.tree.save()
    third = again(server, path, opened)
    report = third.tree.reporting.report
    assert third.tree.reporting.complete
    assert report.counts == {"applied": 1, "conflict": 1}
    assert [type(entry.op) for entry in report.entries] == [ops.Text, ops.Update]


def failing(server: MiniServer, path: Path, opened: list[Stored], code: str) -> Stored:
    """A title typed offline goes after a restart, and its edit is answered by an error."""
    first = again(server, path, opened)
    first.connect()
    first.edit(insert("n1"))
    first.client.settle()
    first.tree.save()
    first.client.cut()
    first.edit(title("n1", "what a person wrote", 1))
    second = again(server, path, opened)
    second.client.connect()
    while not sent(second.client):
        (second.client.send_one if second.client.outbound else second.client.hear_one)()
    (edit,) = sent(second.client)
    second.client.outbound.clear()
    second.tree.hear(Error(ref=edit.ref, tree=7, code=code, why="of a proxy"))
    assert second.tree.save()
    return second


@pytest.mark.parametrize("code", ["unauthorised", "expired", "unavailable"])
def test_an_edit_waits_for_a_token_that_is_taken(
    server: MiniServer, path: Path, opened: list[Stored], code: str
) -> None:
    """[ED6] [RP9]"""
    failing(server, path, opened, code).client.settle()
    assert server.room.tree.nodes["n1"].node.title == "what a person wrote"


@pytest.mark.parametrize(("code", "told"), [("too_large", "too_large"), ("bad_message", "invalid"), ("odd", "invalid")])
def test_what_cannot_be_read_is_kept_as_rejected(
    server: MiniServer, path: Path, opened: list[Stored], code: str, told: str
) -> None:
    """[ED14] [RP10] Its content is in the file until its person has seen it."""
    one = failing(server, path, opened, code)
    one.client.settle()
    one.tree.save()
    one = again(server, path, opened)
    assert not list(one.tree.queue.unanswered())
    (kept,) = one.tree.reporting.report.rejected
    assert (kept.code, kept.op.set) == (told, {"title": "what a person wrote"})  # type: ignore[union-attr]
