"""Presence, activity, rights, and what operators do to those who are there."""

from __future__ import annotations

import asyncio
from typing import Any

from sync.identity import TreeKey
from tests.clocks import settle
from tests.conformance.conftest import NODES, Person, Table
from tests.hubs import Deployment, identity

RENAME = {"op": "update", "node": "idea", "set": {"title": "New"}}


async def pass_time(table: Table, seconds: float) -> None:
    await table.deployment.clock.advance(seconds)
    await settle()


# ---- presence


async def test_coming_moving_and_leaving_are_told(table: Table, ada: Person) -> None:
    """[PR1, PR2]"""
    bo = await table.join("bo")
    await pass_time(table, 1)
    seen: dict[str, Any] = {}
    for message in ada.heard("presence"):
        seen |= {one["id"]: one for one in message["participants"]}
    mine = bo.answer["you"]
    assert (seen[mine]["user"], seen[mine]["name"], seen[mine]["kind"], seen[mine]["state"]) == (
        "bo",
        "Bo",
        "human",
        {},
    )
    state = {"cursor": {"x": 3, "y": 4}, "editing": {"node": "idea", "path": "title"}}
    await bo.say({"type": "presence", "tree": table.key.tree, "state": state})
    await pass_time(table, 1)
    (message,) = ada.heard("presence")
    assert [(one["id"], one["state"]) for one in message["participants"]] == [(mine, state)]
    table.deployment.hubs[0].leave(bo.socket.session)
    await pass_time(table, 1)
    (message,) = ada.heard("presence")
    assert (message["participants"], message["left"]) == ([], [mine])


async def test_presence_reaches_the_other_instance() -> None:
    """[PR1]"""
    deployment = Deployment(hubs=2)
    await deployment.start()
    table = Table(deployment, await deployment.tree(*NODES))
    ada = await table.join("ada")
    bo = await table.join("bo", hub=1)
    await pass_time(table, 1)
    assert "bo" in {one["user"] for message in ada.heard("presence") for one in message["participants"]}
    eve = await table.join("eve")
    assert {one["user"] for one in eve.answer["participants"]} == {"ada", "bo"}
    deployment.hubs[1].leave(bo.socket.session)
    await pass_time(table, 1)
    assert bo.answer["you"] in [one for message in ada.heard("presence") for one in message["left"]]
    await deployment.close()


async def test_presence_changes_no_tree_and_ends_with_its_socket(table: Table, ada: Person) -> None:
    """[PR3]"""
    before = await ada.state()
    await ada.say({"type": "presence", "tree": table.key.tree, "state": {"selection": ["idea"]}})
    await pass_time(table, 1)
    assert await ada.state() == before
    assert ada.heard("ops") == []
    table.deployment.hubs[0].leave(ada.socket.session)
    again = await table.join("bo")
    assert again.answer["participants"] == []


async def test_viewers_are_seen_and_a_state_has_a_size(table: Table, ada: Person) -> None:
    """[PR4]"""
    await table.deployment.directory.set_visibility(table.key, "tenant_view")
    table.deployment.hubs[0].rights_changed(table.key)
    await settle()
    bo = await table.join("bo")
    assert bo.answer["role"] == "viewer"
    await pass_time(table, 1)
    ada.socket.outbox.take()
    await bo.say({"type": "presence", "tree": table.key.tree, "state": {"selection": ["idea"]}})
    await pass_time(table, 1)
    assert ada.heard("presence")[0]["participants"][0]["state"] == {"selection": ["idea"]}
    await bo.say({"type": "presence", "tree": table.key.tree, "state": {"x": "x" * 4096}})
    assert [error["code"] for error in bo.heard("error")] == ["too_large"]


async def test_of_many_states_the_newest_is_told(table: Table, ada: Person, bo: Person) -> None:
    """[PR5]"""
    await pass_time(table, 1)
    ada.socket.outbox.take()
    for x in range(50):
        await bo.say({"type": "presence", "tree": table.key.tree, "state": {"cursor": {"x": x, "y": 0}}})
    await pass_time(table, 1)
    messages = ada.heard("presence")
    assert len(messages) < 5
    assert messages[-1]["participants"][0]["state"] == {"cursor": {"x": 49, "y": 0}}


# ---- activity


async def test_activity_is_stored_once_and_answered(table: Table, ada: Person) -> None:
    """[AC1, AC2]"""
    events = [{"id": f"e{number}", "kind": "node_viewed", "node": "idea", "duration_ms": 5300} for number in range(2)]
    for ref in (6, 7):
        await ada.say({"type": "activity", "ref": ref, "tree": table.key.tree, "events": events})
    assert [(one["ref"], one["tree"]) for one in ada.heard("logged")] == [(6, table.key.tree), (7, table.key.tree)]
    rows = [row for row in table.deployment.database.activities if row.kind == "node_viewed"]
    assert [(row.event, row.node, row.duration_ms, row.author.user) for row in rows] == [
        ("e0", "idea", 5300, "ada"),
        ("e1", "idea", 5300, "ada"),
    ]


async def test_every_accepted_op_is_an_activity_of_its_author(table: Table, ada: Person) -> None:
    """[AC3]"""
    result = (await ada.do(RENAME, {"op": "delete", "node": "nowhere"}))[0]
    rows = [row for row in table.deployment.database.activities if row.author.user == "ada" and row.seq > table.seq]
    assert [(row.kind, row.node, row.seq) for row in rows] == [("node_edited", "idea", result["seq"])]


# ---- rights


async def test_viewers_and_commenters_do_not_edit(table: Table, bo: Person) -> None:
    """[ED15, AC4, ED6]"""
    directory, hub = table.deployment.directory, table.deployment.hubs[0]
    await directory.set_visibility(table.key, "private")
    for role in ("viewer", "commenter"):
        await directory.set_member(table.key, "bo", role)
        hub.rights_changed(table.key)
        await settle()
        assert [message["role"] for message in bo.heard("role")] == [role]
        result = await bo.one({"n": 1, **RENAME})
        assert (result["status"], result["code"]) == ("rejected", "forbidden")
    await directory.set_member(table.key, "bo", "editor")
    hub.rights_changed(table.key)
    await settle()
    assert (await bo.one({"n": 1, **RENAME}))["status"] == "applied"


async def test_a_change_of_rights_is_noticed_without_a_word(table: Table, bo: Person) -> None:
    """[AC4]"""
    directory = table.deployment.directory
    await directory.set_visibility(table.key, "tenant_view")
    await pass_time(table, 5)
    assert [message["role"] for message in bo.heard("role")] == ["viewer"]
    await directory.set_visibility(table.key, "private")
    await pass_time(table, 5)
    assert [(error["code"], error["tree"]) for error in bo.heard("error")] == [("not_found", table.key.tree)]
    await bo.say({"type": "edit", "tree": table.key.tree, "ops": [{"n": 1, "base": 3, **RENAME}]})
    assert [error["code"] for error in bo.heard("error")] == ["not_open"]


async def test_a_frozen_tree_is_unavailable(table: Table, ada: Person) -> None:
    """[ED16]"""
    for frozen, expected in ((True, "unavailable"), (False, None)):
        await table.deployment.directory.set_frozen(table.key, frozen)
        table.deployment.hubs[0].rights_changed(table.key)
        await settle()
        assert (await ada.one({"n": 1, **RENAME})).get("code") == expected


async def test_a_deleted_tree_is_closed_for_everyone(table: Table, ada: Person, bo: Person) -> None:
    """[CL3]"""
    await table.deployment.directory.trash_tree(table.key)
    table.deployment.hubs[0].rights_changed(table.key)
    await settle()
    for person in (ada, bo):
        assert [(one["code"], one["tree"]) for one in person.heard("notice")] == [("tree_deleted", table.key.tree)]
    assert (await ada.socket.open(table.key))["code"] == "not_found"


async def test_a_kept_version_is_announced(table: Table, ada: Person, bo: Person) -> None:
    """[AC5]"""
    for half in range(2):
        await ada.do(*({"op": "update", "node": "idea", "set": {"title": f"{half}.{n}"}} for n in range(100)))
    await pass_time(table, 2)
    for person in (ada, bo):
        (version,) = person.heard("version")
        assert (version["tree"], version["number"], version["seq"]) == (table.key.tree, 1, table.seq + 200)


# ---- sockets of one client, operators, the end


async def test_the_newest_socket_of_a_client_writes(table: Table, ada: Person) -> None:
    """[HS10]"""
    newer = await table.join("ada", ada.socket.session.client_id)
    assert [one["code"] for one in ada.heard("notice")] == ["replaced"]
    await ada.say({"type": "edit", "tree": table.key.tree, "ops": [{"n": 1, "base": 3, **RENAME}]})
    assert [error["code"] for error in ada.heard("error")] == ["replaced"]
    assert (await newer.one({"n": 1, **RENAME}))["status"] == "applied"


async def test_the_newest_socket_writes_on_whichever_instance() -> None:
    """[HS10]"""
    deployment = Deployment(hubs=2)
    await deployment.start()
    table = Table(deployment, await deployment.tree(*NODES))
    ada = await table.join("ada", "laptop")
    await table.join("ada", "laptop", hub=1)
    assert [one["code"] for one in ada.heard("notice")] == ["replaced"]
    await deployment.close()


async def test_whom_an_operator_puts_out_is_told(table: Table, ada: Person) -> None:
    """[CL5]"""
    table.deployment.hubs[0].kick(table.key, ada.answer["you"])
    await settle()
    assert [(error["code"], error["tree"]) for error in ada.heard("error")] == [("forbidden", table.key.tree)]
    await ada.say({"type": "edit", "tree": table.key.tree, "ops": [{"n": 1, "base": 3, **RENAME}]})
    assert [error["code"] for error in ada.heard("error")] == ["not_open"]


async def test_a_stopping_server_commits_what_it_took_and_asks_everyone_back(table: Table, ada: Person) -> None:
    """[CL1]"""
    hub = table.deployment.hubs[0]
    ada.socket.edit(table.key, {"base": 3, **RENAME})
    stopping = asyncio.create_task(hub.drain(), name="stopping")
    while not stopping.done():
        await table.deployment.clock.advance(0.01)
    kinds = [message["type"] for message in ada.socket.outbox.messages if message["type"] in ("outcome", "notice")]
    assert kinds == ["outcome", "notice"]
    outcome, notice = (one for one in ada.socket.outbox.messages if one["type"] in ("outcome", "notice"))
    assert outcome["results"][0]["status"] == "applied"
    assert notice["code"] == "draining"
    assert notice["retry_ms"] > 0
    late = await ada.one(RENAME)
    assert late["code"] == "unavailable"


async def test_a_tree_of_another_tenant_is_no_tree(table: Table) -> None:
    """[OP7, HT2]"""
    stranger = identity("ada", "other")
    hub = table.deployment.hubs[0]
    codes = []
    for tree in (table.key.tree, 10**6):
        socket = table.deployment.socket("ada", f"from-{tree}", tenant="other")
        answer = await socket.open(TreeKey("other", tree))
        codes.append((answer["code"], answer["why"]))
    assert len(set(codes)) == 1
    assert stranger.tenant not in {place.key.tenant for place in hub.places()}
