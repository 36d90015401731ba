"""Versions of a kind, their names, and the way through the log."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from secrets import token_hex

import msgspec
import pytest

from storage import memory_past, op_log, versions
from sync.errors import Clash, NotFound
from sync.identity import TreeKey
from sync.versions import Edited, TreeVersion
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


async def test_pages_of_the_log_are_bounded_in_rows_and_bytes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """[HI10] One op comes in any case, however large; the node's history goes on below it."""
    for module in (memory_past, op_log):
        monkeypatch.setattr(module, "PAGE_ROWS", 4)
        monkeypatch.setattr(module, "PAGE_BYTES", 30_000)
    writer = await bench.create()
    for number in range(3):
        writer.update("left", title=f"small {number}")
    for _ in range(4):  # what is stored compressed counts as that: these do not compress
        writer.update("left", title=token_hex(8_000))
    await bench.land(writer)
    reached, pages = 0, []
    while reached < 8:
        page = await bench.store.log_page(writer.key, reached, 8)
        assert [row.seq for row in page] == list(range(reached + 1, page[-1].seq + 1))
        reached = page[-1].seq
        pages.append(len(page))
    assert pages[0] == 4
    assert pages[1:] == [1, 1, 1, 1]
    assert await bench.store.log_page(writer.key, 8, 9) == []
    found, following = await bench.store.node_ops(writer.key, "left", before=2**53, limit=50)
    assert ([row.seq for row in found], following) == ([8], 8)


async def test_versions_of_what_the_log_holds_stay_those_of_the_tree(bench: Bench) -> None:
    """[HI15] A restored database gives its tree a new epoch; what was kept of it before is of the same history."""
    writer = await bench.create()
    writer.update("left", title="Second")
    await bench.land(writer)
    for seq in (1, 2, 3):
        assert await bench.store.keep_version(writer.key, version(seq))
    assert await bench.store.keep_version(writer.key, version(1, epoch="e0"))
    await bench.store.renew_epoch(writer.key, "e1", "e2")
    epochs = {one.number: one.epoch for one in await bench.store.versions(writer.key, limit=9)}
    assert epochs == {1: "e2", 2: "e2", 3: "e1", 4: "e0"}
    before = await bench.store.version_before(writer.key, "e2", 9)
    assert before is not None
    assert before.seq == 2
    await bench.store.renew_epoch(writer.key, "e1", "e3")
    assert {one.number: one.epoch for one in await bench.store.versions(writer.key, limit=9)} == epochs


async def test_only_what_the_log_holds_is_kept(bench: Bench) -> None:
    """[HI1] A room that does not know yet that its database was restored keeps nothing of the lost history."""
    writer = await bench.create()
    mark = await bench.store.mark_at(writer.key, 1)
    assert mark
    for seq, other in ((1, "another"), (2, mark)):
        lost = msgspec.structs.replace(version(seq), mark=other)
        assert await bench.store.keep_version(writer.key, lost) is None
    assert await bench.store.keep_version(writer.key, msgspec.structs.replace(version(1), mark=mark))


async def test_a_name_is_given_once_where_it_is_to_be_the_first(bench: Bench) -> None:
    """[HI2] Of two who name the same moment at once one is told of it."""
    key = (await bench.create()).key
    await bench.store.keep_version(key, version(1))
    wanted = TreeVersion(number=1, seq=1, epoch="e1", name="Ada's", user="ada")
    other = msgspec.structs.replace(wanted, name="Bo's", user="bo")
    both = await asyncio.gather(*(bench.store.rename_version(key, one, first=True) for one in (wanted, other)))
    (named,) = [one for one in both if one is not None]
    line = await bench.store.version(key, 1)
    assert line == named


async def test_a_tree_has_so_many_names_and_a_name_can_be_taken_away(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[HI23]"""
    monkeypatch.setattr(memory_past, "MOST_NAMED", 2)
    monkeypatch.setattr(versions, "MOST_NAMED", 2)
    key, other = (await bench.create()).key, (await bench.create()).key
    for seq in (1, 2):
        assert await bench.store.keep_version(key, version(seq, "named", name=f"at {seq}"))
    await bench.store.keep_version(key, version(3))
    third = TreeVersion(number=3, seq=3, epoch="e1", name="Third", user="ada")
    for attempt in (bench.store.keep_version(key, version(4, "named")), bench.store.rename_version(key, third)):
        assert await raised(attempt) is Clash
    assert await bench.store.rename_version(key, msgspec.structs.replace(third, number=2))
    assert await bench.store.keep_version(other, version(1, "named"))
    for _ in range(2):
        line = await bench.store.unname_version(key, 1)
        assert line is not None
        assert (line.kind, line.name, line.user, line.seq) == ("automatic", "", "", 1)
    assert await bench.store.rename_version(key, third)
    assert await bench.store.unname_version(key, 9) is None


async def test_who_did_what_since_the_version_before(bench: Bench) -> None:
    """[HI24]"""
    writer = await bench.create()
    other = await bench.writer(writer.key, "bo")
    assert [(one.user, one.kind, one.count) for one in await bench.store.edited(writer.key, "e1", 1)] == [
        ("ada", "import", 1)
    ]
    await bench.store.keep_version(writer.key, msgspec.structs.replace(version(1), authors=["ada"]))
    kept = await bench.store.version(writer.key, 1)
    assert kept is not None
    assert kept.authors == ["ada"]
    other.update("left", title="Bo's")
    other.update("right", title="Bo's")
    await bench.land(other)
    writer = await bench.writer(writer.key)
    writer.insert(node("new", "root"))
    await bench.land(writer)
    counted = [(one.user, one.kind, one.count) for one in await bench.store.edited(writer.key, "e1", 4)]
    assert counted == [("bo", "update", 2), ("ada", "insert", 1)]
    assert await bench.store.edited(writer.key, "e1", 2) == [Edited("bo", "update", 1)]


async def test_a_version_is_not_named_whose_state_is_gone(bench: Bench) -> None:
    """[HI3] It was thinned since its line was read: the state has to be brought."""
    key = (await bench.create()).key
    await bench.store.keep_version(key, version(1))
    await bench.thin(key, 1)
    wanted = TreeVersion(number=1, seq=1, epoch="e1", name="Start", user="ada")
    assert await bench.store.rename_version(key, wanted) is None
    assert await bench.store.version_before(key, "e1", 9) is None
    named = await bench.store.rename_version(key, msgspec.structs.replace(wanted, state=version(1).state))
    assert named is not None
    before = await bench.store.version_before(key, "e1", 9)
    assert before is not None
    assert before.state == version(1).state
