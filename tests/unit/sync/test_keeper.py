"""Versions that are kept by themselves, and those that people name."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import msgspec
import pytest

from storage.memory import MemoryStore
from sync import keeper
from sync.codec import decode_state
from sync.errors import Clash
from sync.history import tree_of_version
from sync.housekeeping import COMPARE_SECONDS
from sync.identity import TreeKey
from sync.keeper import LARGE_DELETE, LOOK_SECONDS, VERSION_OPS, VERSION_SECONDS
from sync.moments import Moment
from sync.versions import TreeVersion
from tests.clocks import settle
from tests.hubs import Deployment, Socket, identity, root
from tests.trouble import Trouble


def title(text: str) -> dict[str, Any]:
    return {"op": "update", "node": "root", "set": {"title": text}}


async def opened(one: Deployment, key: TreeKey, user: str, hub: int = 0) -> Socket:
    socket = one.socket(user, hub=hub)
    await socket.open(key)
    return socket


async def edited(socket: Socket, key: TreeKey, count: int) -> None:
    for start in range(0, count, 100):
        await socket.ask(key, *(title(f"T{socket.n}-{number}") for number in range(start, min(start + 100, count))))


async def test_a_version_is_kept_every_200_ops_and_announced(two: Deployment) -> None:
    """[AC5] Once, whoever keeps it, and to everyone."""
    key = await two.tree(root())
    ada, bo = await opened(two, key, "ada"), await opened(two, key, "bo", hub=1)
    await edited(ada, key, VERSION_OPS - 3)
    await two.clock.advance(2 * LOOK_SECONDS)
    versions = two.database.trees[key].versions
    assert versions == []
    await edited(ada, key, 1)
    await two.clock.advance(2 * LOOK_SECONDS)
    (version,) = versions
    assert (version.number, version.seq, version.epoch) == (1, VERSION_OPS, "e1")
    assert tree_of_version(version).digest == two.hubs[0].places()[0].room.tree.digest
    (announced,) = ada.outbox.take("version")
    assert bo.outbox.take("version") == [announced]
    assert (announced["number"], announced["seq"], announced["kind"]) == (1, VERSION_OPS, "automatic")
    assert (announced["nodes"], announced["at"]) == (1, version.at)
    assert announced["authors"] == version.authors == ["ada"]
    assert announced["description"] == "200 edits: 198 changes of content, 1 change of the tree's own fields, 1 import"
    await edited(ada, key, VERSION_OPS)
    await two.clock.advance(2 * LOOK_SECONDS)
    assert [one.number for one in versions] == [1, 2]


async def test_a_version_is_kept_after_ten_minutes_of_editing(one: Deployment) -> None:
    """[AC5]"""
    key = await one.tree(root())
    ada = await opened(one, key, "ada")
    await one.clock.advance(VERSION_SECONDS + 2)
    assert one.database.trees[key].versions == []
    await edited(ada, key, 1)
    await one.clock.advance(2 * LOOK_SECONDS)
    assert [version.seq for version in one.database.trees[key].versions] == [3]
    await one.clock.advance(VERSION_SECONDS + 2)
    assert len(one.database.trees[key].versions) == 1


async def test_a_version_that_cannot_be_kept_is_logged_and_no_more(trouble: Trouble) -> None:
    """[AC5]"""
    logged: list[str] = []
    one = Deployment(around=trouble.around)
    one.hubs[0].keeper._log = lambda event, **fields: logged.append(event)
    await one.start()
    key = await one.tree(root())
    ada = await opened(one, key, "ada")
    trouble.once = {"heads": ["before"]}
    trouble.always = {"keep_version": "before"}
    await edited(ada, key, VERSION_OPS)
    await one.clock.advance(3 * LOOK_SECONDS)
    assert "version.not_kept" in logged
    assert ada.outbox.take("version") == []
    await one.close()


async def test_editing_that_stops_and_goes_on_counts_from_the_last_version(one: Deployment) -> None:
    """[AC5] Also where the room was closed between."""
    key = await one.tree(root())
    ada = await opened(one, key, "ada")
    await edited(ada, key, VERSION_OPS)
    await one.clock.advance(2 * LOOK_SECONDS)
    one.hubs[0].leave(ada.session)
    await one.clock.advance(VERSION_SECONDS)
    assert one.hubs[0].places() == []
    ada = await opened(one, key, "ada")
    ada.n = VERSION_OPS
    await edited(ada, key, 1)
    await one.clock.advance(2 * LOOK_SECONDS)
    assert [version.seq for version in one.database.trees[key].versions] == [VERSION_OPS + 2, VERSION_OPS + 3]


@pytest.mark.parametrize(("nodes", "kept"), [(LARGE_DELETE - 1, 0), (LARGE_DELETE, 1)])
async def test_a_version_is_kept_of_before_a_large_delete(one: Deployment, nodes: int, kept: int) -> None:
    """[HI1]"""
    key = await one.tree(root())
    ada = await opened(one, key, "ada")
    made = [{"id": "top", "type": "metric", "title": "Top"}]
    made += [{"id": f"n{number}", "parent": "top", "type": "metric", "title": "N"} for number in range(nodes - 1)]
    await ada.ask(key, {"op": "import", "parent": "root", "nodes": made, "connections": []})
    await ada.ask(key, {"op": "delete", "node": "top"}, title("after"))
    await one.clock.advance(2 * LOOK_SECONDS)
    versions = one.database.trees[key].versions
    assert [(version.kind, version.seq, version.nodes, version.description) for version in versions] == [
        (
            "before_delete",
            3,
            nodes + 1,
            "before 20 nodes were deleted; 3 edits: 2 imports, 1 change of the tree's own fields",
        )
    ] * kept


async def large_delete(ada: Socket, key: TreeKey, name: str) -> None:
    made = [{"id": name, "type": "metric", "title": "Top"}]
    made += [{"id": f"{name}{n}", "parent": name, "type": "metric", "title": "N"} for n in range(LARGE_DELETE)]
    await ada.ask(key, {"op": "import", "parent": "root", "nodes": made, "connections": []})
    await ada.ask(key, {"op": "delete", "node": name})


async def test_large_deletes_that_follow_each_other_have_one_version(one: Deployment) -> None:
    """[HI1] In a look, and in 200 ops."""
    key = await one.tree(root())
    ada = await opened(one, key, "ada")
    for name in ("a", "b", "c"):
        await large_delete(ada, key, name)
    await one.clock.advance(2 * LOOK_SECONDS)
    versions = one.database.trees[key].versions
    assert [(version.kind, version.seq) for version in versions] == [("before_delete", 3)]
    await large_delete(ada, key, "d")
    await one.clock.advance(2 * LOOK_SECONDS)
    assert len(versions) == 1
    await edited(ada, key, VERSION_OPS)
    await large_delete(ada, key, "e")
    await one.clock.advance(2 * LOOK_SECONDS)
    assert [version.kind for version in versions].count("before_delete") == 2


async def test_a_version_that_failed_is_kept_at_the_next_look(trouble: Trouble) -> None:
    """[HI1]"""
    one = Deployment(around=trouble.around)
    await one.start()
    key = await one.tree(root())
    ada = await opened(one, key, "ada")
    trouble.once = {"keep_version": ["before", "before"]}
    await large_delete(ada, key, "a")
    await edited(ada, key, VERSION_OPS)
    await one.clock.advance(4 * LOOK_SECONDS)
    kinds = sorted(version.kind for version in one.database.trees[key].versions)
    assert kinds == ["automatic", "before_delete"]
    await one.close()


async def test_few_trees_wait_for_a_version(one: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """[HI1] More are logged."""
    monkeypatch.setattr(keeper, "MOST_DELETES", 1)
    logged: list[int] = []
    one.hubs[0].keeper._log = lambda event, **fields: logged.append(fields["tree"])
    keys = [await one.tree(root()) for _ in range(2)]
    for number, key in enumerate(keys):
        ada = await opened(one, key, f"ada{number}")
        await large_delete(ada, key, "a")
    assert logged == [keys[1].tree]


async def test_a_room_goes_on_while_a_large_version_is_encoded(one: Deployment) -> None:
    """[HI1] And what is kept is what stood there when it was due."""
    key = await one.tree(root())
    ada = await opened(one, key, "ada")
    for part in range(3):
        made = [{"id": f"n{part}-{number}", "type": "metric", "title": "N"} for number in range(900)]
        await ada.ask(key, {"op": "import", "parent": "root", "nodes": made, "connections": []})
    await edited(ada, key, VERSION_OPS)
    await one.clock.advance(LOOK_SECONDS)
    digest, seq = one.hubs[0].places()[0].room.tree.digest, one.hubs[0].places()[0].room.seq
    assert one.database.trees[key].versions == []
    await ada.ask(key, title("meanwhile"))
    await one.clock.advance(1)
    (version,) = one.database.trees[key].versions
    assert (version.seq, version.nodes) == (seq, 2_701)
    assert tree_of_version(version).digest == digest
    state, _, _ = await one.hubs[0].state(identity("ada"), key.tree, seq)
    assert decode_state(version.state) == state


async def name(one: Deployment, key: TreeKey, title: str) -> TreeVersion:
    room = one.hubs[0].places()[0].room
    version = TreeVersion(number=0, seq=room.seq, epoch=room.epoch, name=title, user="ada")
    return await one.hubs[0].keeper.name(key, version, room.state())


async def test_a_named_version_is_told_to_everyone_and_a_moment_has_one(two: Deployment) -> None:
    """[HI2]"""
    key = await two.tree(root())
    ada, bo = await opened(two, key, "ada"), await opened(two, key, "bo", hub=1)
    kept = await name(two, key, "Start")
    assert (kept.number, kept.kind, kept.name, kept.state) == (1, "named", "Start", b"")
    await settle()
    assert [told["name"] for told in (*ada.outbox.take("version"), *bo.outbox.take("version"))] == ["Start"] * 2
    with pytest.raises(Clash, match="version 1 is of that moment already"):
        await name(two, key, "Again")


async def test_naming_the_moment_of_an_automatic_one_names_that(one: Deployment) -> None:
    """[HI2]"""
    key = await one.tree(root())
    ada = await opened(one, key, "ada")
    await edited(ada, key, VERSION_OPS)
    await one.clock.advance(2 * LOOK_SECONDS)
    kept = await name(one, key, "Milestone")
    assert (kept.number, kept.kind, kept.name) == (1, "named", "Milestone")
    assert [line.name for line in await MemoryStore(one.database).versions(key, limit=9)] == ["Milestone"]


async def test_a_thinned_version_that_gets_a_name_gets_its_state_back(one: Deployment) -> None:
    """[HI3]"""
    key = await one.tree(root())
    ada = await opened(one, key, "ada")
    await edited(ada, key, VERSION_OPS)
    await one.clock.advance(2 * LOOK_SECONDS)
    versions = one.database.trees[key].versions
    whole = versions[0]
    versions[0] = msgspec.structs.replace(whole, state=b"", thinned=True)
    store = MemoryStore(one.database)
    line = await store.version(key, 1)
    assert line is not None
    assert (line.thinned, await store.versions(key, limit=9)) == (True, [])
    await one.hubs[0].keeper.rename(key, msgspec.structs.replace(line, name="Kept", user="ada"))
    assert (versions[0].state, versions[0].kind, versions[0].thinned) == (whole.state, "named", False)


async def test_two_who_name_the_same_moment_at_once(two: Deployment) -> None:
    """[HI2] The name of one stays, and the other is told."""
    key = await two.tree(root())
    ada = await opened(two, key, "ada")
    await opened(two, key, "bo", hub=1)
    await edited(ada, key, VERSION_OPS)
    await two.clock.advance(2 * LOOK_SECONDS)
    (kept,) = two.database.trees[key].versions
    wanted = TreeVersion(number=0, seq=kept.seq, epoch="e1", name="Ada's", user="ada")
    both = (wanted, msgspec.structs.replace(wanted, name="Bo's", user="bo"))
    state = two.hubs[0].places()[0].room.state()
    naming = (hub.keeper.name(key, one, state) for hub, one in zip(two.hubs, both, strict=True))
    told = await asyncio.gather(*naming, return_exceptions=True)
    assert sorted(type(one).__name__ for one in told) == ["Clash", "TreeVersion"]
    (named,) = [one for one in told if isinstance(one, TreeVersion)]
    assert two.database.trees[key].versions[0].name == named.name


async def test_nothing_is_kept_of_a_lost_history(one: Deployment) -> None:
    """[HI1] Its database was restored, and the room does not know yet."""
    key = await one.tree(root())
    ada = await opened(one, key, "ada")
    await edited(ada, key, 1)
    saved = copy.deepcopy(one.database.trees[key])
    await edited(ada, key, VERSION_OPS)
    room = one.hubs[0].places()[0].room
    lost = TreeVersion(number=0, seq=room.seq, epoch="e1", mark=room.mark, name="Lost", user="ada")
    one.database.trees[key] = saved
    with pytest.raises(Clash) as refused:
        await one.hubs[0].keeper.name(key, lost, room.state())
    assert refused.value.code == "stale"
    await one.clock.advance(3 * LOOK_SECONDS)
    assert one.hubs[0].places()[0].room.epoch != "e1"
    assert saved.versions == []


async def test_a_version_stays_within_reach_when_its_tree_gets_another_epoch(one: Deployment) -> None:
    """[HI15]"""
    key = await one.tree(root())
    ada = await opened(one, key, "ada")
    await edited(ada, key, VERSION_OPS)
    await one.clock.advance(2 * LOOK_SECONDS)
    saved = copy.deepcopy(one.database.trees[key])
    await edited(ada, key, 1)
    one.database.trees[key] = saved
    await one.clock.advance(3 * COMPARE_SECONDS)
    room = one.hubs[0].places()[0].room
    assert room.epoch != "e1"
    assert await one.hubs[0].moments.seq_of(room, Moment(version=1)) == saved.versions[0].seq
