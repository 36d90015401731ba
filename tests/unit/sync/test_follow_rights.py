"""Rights that change while a tree is open."""

from __future__ import annotations

import msgspec
import pytest

from sync.housekeeping import COMPARE_SECONDS
from sync.identity import TreeKey
from sync.protocol import Role
from tests.clocks import settle
from tests.hubs import Deployment, root
from tests.trouble import Trouble
from tests.unit.sync.test_follow import opened, room_of, title


async def rights_of(one: Deployment, key: TreeKey, user: str, role: Role | None) -> None:
    await one.directory.set_member(key, user, role)
    await one.directory.set_visibility(key, "private")


async def test_a_downgrade_is_told_and_does_not_close(two: Deployment) -> None:
    """[AC4, ED15] On every instance."""
    key = await two.tree(root())
    bo = await opened(two, key, "bo", hub=1)
    await opened(two, key, "ada")
    await rights_of(two, key, "bo", "viewer")
    two.hubs[0].rights_changed(key)
    await settle()
    assert bo.outbox.take("role") == [{"type": "role", "tree": key.tree, "role": "viewer"}]
    assert (await bo.ask(key, title("Mine")))[0]["code"] == "forbidden"
    await rights_of(two, key, "bo", "owner")
    two.hubs[1].rights_changed(key)
    await settle()
    assert [message["role"] for message in bo.outbox.take("role")] == ["owner"]


async def test_a_change_that_nobody_told_is_found_by_comparing(deaf: Deployment) -> None:
    """[AC4] Within five seconds."""
    key = await deaf.tree(root())
    bo = await opened(deaf, key, "bo", hub=1)
    await rights_of(deaf, key, "bo", "commenter")
    await deaf.clock.advance(COMPARE_SECONDS + 0.1)
    assert [message["role"] for message in bo.outbox.take("role")] == ["commenter"]


async def test_who_may_no_longer_see_the_tree_is_put_out(one: Deployment) -> None:
    """[AC4, OP7, PR1]"""
    key = await one.tree(root())
    ada, bo = await opened(one, key, "ada"), await opened(one, key, "bo")
    await rights_of(one, key, "bo", None)
    one.hubs[0].rights_changed(key)
    await settle()
    (error,) = bo.outbox.take("error")
    assert (error["code"], error["why"], error["tree"]) == ("not_found", "no such tree", key.tree)
    bo.edit(key, title("x"))
    assert bo.outbox.take()[-1]["code"] == "not_open"
    await one.clock.advance(1.2)
    assert ada.outbox.take("presence")[-1]["left"]


async def test_rights_ride_on_commits(two: Deployment) -> None:
    """[AC4] Whoever commits or follows next notices."""
    key = await two.tree(root())
    ada, bo = await opened(two, key, "ada"), await opened(two, key, "bo", hub=1)
    await rights_of(two, key, "bo", "viewer")
    await ada.ask(key, title("New"))
    await settle()
    assert [message["role"] for message in bo.outbox.take("role")] == ["viewer"]
    assert room_of(two.hubs[0]).rights.version == room_of(two.hubs[1]).rights.version == 3


async def test_a_frozen_tree_is_unavailable_until_it_thaws(one: Deployment) -> None:
    """[ED16]"""
    key = await one.tree(root())
    ada = await opened(one, key, "ada")
    await one.directory.set_frozen(key, True)
    one.hubs[0].rights_changed(key)
    await settle()
    assert (await ada.ask(key, {**title("New"), "n": 1}))[0]["code"] == "unavailable"
    await one.directory.set_frozen(key, False)
    one.hubs[0].rights_changed(key)
    await settle()
    assert (await ada.ask(key, {**title("New"), "n": 1}))[0]["status"] == "applied"


async def test_a_deleted_tree_is_closed_for_everyone(two: Deployment) -> None:
    """[CL3]"""
    key = await two.tree(root())
    sockets = [await opened(two, key, "ada"), await opened(two, key, "bo", hub=1)]
    await two.directory.trash_tree(key)
    two.hubs[0].rights_changed(key)
    await settle()
    for socket in sockets:
        assert [message["code"] for message in socket.outbox.take("notice")] == ["tree_deleted"]
        assert socket.session.opened == {}
    assert [hub.places() for hub in two.hubs] == [[], []]


@pytest.mark.parametrize("call", ["missing", "rights"])
async def test_a_tree_that_is_gone_altogether(one: Deployment, trouble: Trouble, call: str) -> None:
    """[CL3] Purged: found by comparing heads, or when its rights are read."""
    key = await one.tree(root())
    ada = await opened(one, key, "ada")
    del one.database.trees[key]
    if call == "rights":
        one.hubs[0].rights_changed(key)
        await settle()
    else:
        await one.clock.advance(COMPARE_SECONDS + 0.1)
    assert [message["code"] for message in ada.outbox.take("notice")] == ["tree_deleted"]
    assert call in trouble.calls
    assert one.hubs[0].places() == []


async def test_rights_that_cannot_be_read_are_read_at_the_next_comparison(one: Deployment, trouble: Trouble) -> None:
    """[AC4]"""
    key = await one.tree(root())
    bo = await opened(one, key, "bo")
    await rights_of(one, key, "bo", "viewer")
    trouble.once = {"rights": ["before"]}
    one.hubs[0].rights_changed(key)
    await settle()
    assert bo.outbox.take("role") == []
    await one.clock.advance(COMPARE_SECONDS + 0.1)
    assert [message["role"] for message in bo.outbox.take("role")] == ["viewer"]


async def test_rights_that_were_read_late_do_not_undo_newer_ones(one: Deployment, trouble: Trouble) -> None:
    """[AC4]"""
    key = await one.tree(root())
    await opened(one, key, "bo")
    newer = msgspec.structs.replace(room_of(one.hubs[0]).rights, version=9)
    room_of(one.hubs[0]).rights = newer
    one.hubs[0].rights_changed(key)
    await settle()
    assert room_of(one.hubs[0]).rights == newer
