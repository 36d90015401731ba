"""/admin: for the operator's credential alone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sync.identity import TreeKey
from tests.applications import OPERATOR, Running, running
from tests.clocks import settle
from tests.hubs import Socket, identity
from tests.unit.server.test_trees import problem


@pytest.fixture
async def app() -> AsyncIterator[Running]:
    async with running() as one:
        yield one


async def opened(app: Running, user: str = "ada") -> tuple[int, Socket]:
    """A tree, and a socket that has it open."""
    tree = await app.tree(user=user)
    socket = Socket(app.app.hub, identity(user), f"{user}-1")
    socket.send({"type": "open", "ref": 1, "tree": tree})
    await settle()
    assert socket.outbox.take("snapshot")
    return tree, socket


async def test_rooms_are_listed_with_head_lag_and_queue(app: Running) -> None:
    tree, _ = await opened(app)
    listed = (await app.operator("GET", "/admin/rooms")).json()
    assert listed["instance"] == "i-test"
    [room] = listed["rooms"]
    assert (room["tenant"], room["tree"], len(room["participants"])) == ("acme", tree, 1)
    assert room["seq"] >= 1
    for name in ("lag_seconds", "queued_bytes", "waiting_ops", "waiting_bytes", "behind"):
        assert room[name] == 0
    assert (await app.operator("GET", f"/admin/rooms/acme/{tree}")).json() == room
    assert problem(await app.operator("GET", "/admin/rooms/other/1")) == (404, "not_found")


@pytest.mark.parametrize("tenant", ["x" * 65, "%00", "a%0Ab"])
async def test_a_name_that_no_tenant_can_have_is_not_there(app: Running, tenant: str) -> None:
    for action, body in (("drain", None), ("freeze", {}), ("kick", {"participant": "p"}), ("resync", None)):
        answer = await app.operator("POST", f"/admin/rooms/{tenant}/1/{action}", body)
        assert problem(answer) == (404, "not_found"), action


async def test_no_token_of_a_tenant_opens_it(app: Running) -> None:
    tree, _ = await opened(app)
    for method, path in (
        ("GET", "/admin/rooms"),
        ("GET", f"/admin/rooms/acme/{tree}"),
        ("POST", f"/admin/rooms/acme/{tree}/freeze"),
    ):
        for bearer in (None, "made up", OPERATOR + "x", OPERATOR[:-1]):
            assert problem(await app.ask(method, path, role="admin", bearer=bearer)) == (401, "unauthorised")


async def test_without_an_operator_token_nobody_is_operator() -> None:
    async with running(operator_token=None) as app:
        assert problem(await app.ask("GET", "/admin/rooms", bearer="None")) == (401, "unauthorised")


async def test_a_frozen_tree_takes_no_edits_until_it_is_thawed(app: Running) -> None:
    tree, socket = await opened(app)
    path = f"/admin/rooms/acme/{tree}/freeze"
    assert (await app.operator("POST", path, {"frozen": True})).json()["frozen"] is True
    await settle()
    change = {"n": 1, "op": "update", "node": "root", "set": {"title": "x"}, "base": 1}
    [result] = await socket.ask(key_of(tree), change)
    assert (result["status"], result["code"]) == ("rejected", "unavailable")
    assert (await app.operator("GET", f"/admin/rooms/acme/{tree}")).json()["frozen"] is True
    assert (await app.operator("POST", path, {"frozen": False})).json()["frozen"] is False
    await settle()
    [result] = await socket.ask(key_of(tree), change)
    assert result["status"] == "applied"
    assert problem(await app.operator("POST", "/admin/rooms/acme/999/freeze", {})) == (404, "not_found")


async def test_everyone_gets_a_fresh_snapshot(app: Running) -> None:
    tree, socket = await opened(app)
    assert (await app.operator("POST", f"/admin/rooms/acme/{tree}/resync")).status_code == 200
    await settle()
    [snapshot] = socket.outbox.take("snapshot")
    assert snapshot["reason"] == "resync"


async def test_one_participant_is_put_out(app: Running) -> None:
    tree, socket = await opened(app)
    [participant] = (await app.operator("GET", f"/admin/rooms/acme/{tree}")).json()["participants"]
    path = f"/admin/rooms/acme/{tree}/kick"
    assert (await app.operator("POST", path, {"participant": participant})).status_code == 200
    await settle()
    assert (await app.operator("GET", f"/admin/rooms/acme/{tree}")).json()["participants"] == []
    assert socket.outbox.take("error")
    assert problem(await app.operator("POST", path, {})) == (422, "invalid")


async def test_a_room_is_emptied(app: Running) -> None:
    tree, socket = await opened(app)
    assert (await app.operator("POST", f"/admin/rooms/acme/{tree}/drain")).status_code == 200
    await settle()
    [notice] = socket.outbox.take("notice")
    assert (notice["code"], notice["tree"]) == ("draining", tree)
    assert notice["retry_ms"] > 0
    assert (await app.operator("GET", f"/admin/rooms/acme/{tree}")).json()["participants"] == []


def key_of(tree: int) -> TreeKey:
    return TreeKey("acme", tree)
