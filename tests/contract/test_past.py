"""Versions of a kind, their names, and the way through the log."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from sync.errors import NotFound
from sync.identity import TreeKey
from sync.versions import TreeVersion
from tests.batches import node
from tests.contract.conftest import NOWHERE, Bench, raised


def version(seq: int, kind: str = "automatic", *, epoch: str = "e1", name: str = "") -> TreeVersion:
    state = f'{{"name":"at {seq}"}}'.encode()
    return TreeVersion(number=0, seq=seq, epoch=epoch, state=state, kind=kind, nodes=seq, name=name, user="ada")  # type: ignore[arg-type]


async def test_a_moment_is_kept_once_and_what_people_keep_may_be_of_before(bench: Bench) -> None:
    """[HI1] [HI2]"""
    key = (await bench.create()).key
    assert await bench.store.keep_version(key, version(10))
    assert await bench.store.keep_version(key, version(9)) is None
    assert await bench.store.keep_version(key, version(10, "named")) is None
    for number, one in enumerate((version(4, "named", name="Start"), version(7, "before_delete"), version(20)), 2):
        kept = await bench.store.keep_version(key, one)
        assert kept is not None
        assert (kept.number, kept.kind, kept.nodes) == (number, one.kind, one.seq)
    assert await bench.store.keep_version(key, version(4, epoch="e2"))


async def test_versions_are_listed_in_pages_without_their_states(bench: Bench) -> None:
    """[HI4]"""
    key, other = (await bench.create()).key, (await bench.create()).key
    for seq in (1, 2, 3, 4):
        await bench.store.keep_version(key, version(seq))
    first = await bench.store.versions(key, limit=3)
    assert [(one.number, one.seq, one.state) for one in first] == [(4, 4, b""), (3, 3, b""), (2, 2, b"")]
    assert [one.number for one in await bench.store.versions(key, limit=3, before=2)] == [1]
    assert await bench.store.versions(other, limit=3) == []
    one = await bench.store.version(key, 3)
    assert one == first[1]
    assert await bench.store.version_at(key, "e1", 3) == one
    assert await bench.store.version_at(key, "e1", 5) is None
    for number in (0, 5, 2**31 - 1, 2**40):
        assert await bench.store.version(key, number) is None


async def test_a_name_can_be_given_later(bench: Bench) -> None:
    """[HI2]"""
    key = (await bench.create()).key
    await bench.store.keep_version(key, version(1))
    wanted = TreeVersion(number=1, seq=0, epoch="", name="Start", description="as we began", user="bo")
    named = await bench.store.rename_version(key, wanted)
    assert named is not None
    assert (named.name, named.description, named.user, named.kind, named.seq) == (
        "Start",
        "as we began",
        "bo",
        "named",
        1,
    )
    assert await bench.store.version(key, 1) == named
    before = await bench.store.version_before(key, "e1", 9)
    assert before is not None
    assert before.state == b'{"name":"at 1"}'
    assert await bench.store.rename_version(key, msgspec.structs.replace(wanted, number=2)) is None


async def test_a_time_is_found_in_the_log(bench: Bench) -> None:
    """[HI6] The newest op at or before it."""
    writer = await bench.create()
    start = len(await bench.store.log(writer.key, 0, 99))
    for number in range(5):
        await bench.pass_time(0.01)
        writer.insert(node(f"n{number}", "root"))
        await bench.land(writer)
    rows = await bench.store.log(writer.key, 0, 99)
    for row in rows[start:]:
        moment = datetime.fromisoformat(row.at)
        assert await bench.store.seq_at(writer.key, moment) == row.seq
        assert await bench.store.seq_at(writer.key, moment - timedelta(microseconds=1)) < row.seq
    first = datetime.fromisoformat(rows[0].at)
    assert await bench.store.seq_at(writer.key, first - timedelta(seconds=1)) == 0
    assert await bench.store.seq_at(writer.key, first + timedelta(days=1)) == rows[-1].seq


async def test_what_a_person_or_a_client_did_is_found(bench: Bench) -> None:
    """[HI17]"""
    writer = await bench.create()
    for number in range(3):
        writer.insert(node(f"n{number}", "root"))
        await bench.land(writer)
    rows = await bench.store.log(writer.key, 0, 99)
    made = [row.seq for row in rows if row.author.client == writer.by.client]
    assert len(made) == 3
    assert await bench.store.ops_span(writer.key, "", writer.by.client) == (made[0], made[-1], 3)
    assert await bench.store.ops_span(writer.key, rows[-1].author.user, writer.by.client) == (made[0], made[-1], 3)
    user = rows[-1].author.user
    seqs = [row.seq for row in rows if row.author.user == user]
    assert await bench.store.ops_span(writer.key, user, "") == (seqs[0], seqs[-1], len(seqs))
    assert await bench.store.ops_span(writer.key, "nobody", "") == (0, 0, 0)
    assert await bench.store.ops_span(writer.key, "", "nothing") == (0, 0, 0)


async def test_the_ops_of_a_node_are_found_newest_first(bench: Bench) -> None:
    """[HI10]"""
    writer = await bench.create()
    for number in range(3):
        writer.insert(node(f"n{number}", "root"))
        await bench.land(writer)
    (own,), following = await bench.store.node_ops(writer.key, "n1", before=2**53, limit=9)
    assert getattr(own.effect, "node", "n1") == "n1"
    assert following == 0
    assert await bench.store.node_ops(writer.key, "nowhere", before=2**53, limit=9) == ([], 0)
    assert await bench.store.node_ops(writer.key, "n1", before=own.seq, limit=9) == ([], 0)
    (again,), following = await bench.store.node_ops(writer.key, "n1", before=2**53, limit=1)
    assert (again.seq, following) == (own.seq, own.seq)


async def test_no_tree_has_no_past(bench: Bench) -> None:
    writer = await bench.create()
    for key in (TreeKey(bench.tenant, NOWHERE), TreeKey("somebody-else", writer.key.tree)):
        assert await raised(bench.store.versions(key, limit=1)) is NotFound
        assert await raised(bench.store.version(key, 1)) is NotFound
        assert await raised(bench.store.ops_span(key, "ada", "")) is NotFound
        assert await raised(bench.store.node_ops(key, "root", before=9, limit=1)) is NotFound
