"""Edits coming in by socket and without one."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from sync.codec import Decoded, decode_edit
from sync.errors import BadMessage, Clash, NotFound, TooMany
from sync.identity import TreeKey
from sync.limits import Limits
from sync.protocol import Outcome, Ping
from tests.clocks import settle
from tests.hubs import Deployment, Socket, identity, root
from tests.trouble import Trouble


def title(text: str, **fields: Any) -> dict[str, Any]:
    return {"op": "update", "node": "root", "set": {"title": text}, **fields}


def body(*ops: dict[str, Any], **fields: Any) -> Decoded:
    numbered = [{"n": n, "base": 0, **op} for n, op in enumerate(ops, start=1)]
    return decode_edit(msgspec.json.encode({"ops": numbered, **fields}))


async def submit(one: Deployment, key: TreeKey, decoded: Decoded, user: str = "bo", **how: Any) -> Outcome:
    return await one.hubs[0].submit(identity(user), key.tree, "script", decoded, **how)


async def opened(one: Deployment, key: TreeKey, user: str, client: str = "") -> Socket:
    socket = one.socket(user, client)
    await socket.open(key)
    socket.outbox.take()
    return socket


# ---- on a socket


async def test_an_edit_needs_an_open_tree(one: Deployment, trouble: Trouble) -> None:
    """[OP9, WS7, ER2]"""
    key = await one.tree(root())
    ada = one.socket("ada")
    trouble.gates["load"] = asyncio.Event()
    ada.edit(key, title("x"), ref="early")
    ada.send({"type": "open", "tree": key.tree})
    ada.edit(key, title("x"), ref="too early")
    ada.send({"type": "edit", "ops": [], "ref": "no tree"})
    answers = ada.outbox.take()
    assert [(one["code"], one["ref"]) for one in answers] == [
        ("not_open", "early"),
        ("not_open", "too early"),
        ("not_open", "no tree"),
    ]
    assert answers[0]["tree"] == key.tree
    trouble.gates.pop("load").set()


async def test_an_edit_has_so_many_ops() -> None:
    """[ED10] Malformed ones count."""
    one = Deployment(limits=Limits(edit_ops=2))
    await one.start()
    key = await one.tree(root())
    ada = await opened(one, key, "ada")
    ada.edit(key, title("a"), {"op": "dance"}, title("b"))
    (error,) = ada.outbox.take()
    assert (error["code"], error["tree"]) == ("too_large", key.tree)
    assert (await ada.ask(key, title("a", n=1), title("b", n=2)))[1]["status"] == "applied"
    await one.close()


async def test_results_stand_in_the_order_of_the_ops(one: Deployment) -> None:
    """[ED7, ED12]"""
    key = await one.tree(root())
    ada = await opened(one, key, "ada")
    results = await ada.ask(key, title("a"), {"op": "dance"}, title("b"), {"op": "delete"}, {"op": "delete", "node": 5})
    assert [(one["n"], one.get("code", one["status"])) for one in results] == [
        (1, "applied"),
        (2, "invalid"),
        (3, "applied"),
        (4, "invalid"),
        (5, "invalid"),
    ]


async def test_too_much_unanswered(trouble: Trouble) -> None:
    """[ED11, ED6]"""
    one = Deployment(limits=Limits(unanswered_ops=2), around=trouble.around)
    await one.start()
    key = await one.tree(root())
    ada = await opened(one, key, "ada")
    trouble.gates["commit"] = asyncio.Event()
    ada.edit(key, title("a"), title("b"))
    ada.edit(key, title("c"))
    (refused,) = ada.outbox.take("outcome")
    assert [result["code"] for result in refused["results"]] == ["rate"]
    trouble.gates.pop("commit").set()
    await settle()
    assert (await ada.ask(key, title("c", n=3)))[0]["status"] == "applied"
    await one.close()


async def test_a_stopping_server_takes_no_edits(one: Deployment) -> None:
    """[CL1]"""
    key = await one.tree(root())
    ada = await opened(one, key, "ada")
    one.hubs[0].draining = True
    assert (await ada.ask(key, title("a")))[0]["code"] == "unavailable"
    assert (await submit(one, key, body(title("a")))).results[0].code == "unavailable"


# ---- without a socket


async def test_an_edit_by_http_is_answered_when_it_is_durable(one: Deployment, trouble: Trouble) -> None:
    """[HT1, ED8]"""
    key = await one.tree(root())
    ada = await opened(one, key, "ada")
    trouble.gates["commit"] = asyncio.Event()
    asked = asyncio.ensure_future(submit(one, key, body(title("New"), {"op": "dance"}, ref="r")))
    await settle()
    assert not asked.done()
    trouble.gates.pop("commit").set()
    outcome = await asked
    assert [result.code or result.status for result in outcome.results] == ["applied", "invalid"]
    assert (outcome.seq, outcome.ref) == (3, "r")
    assert [frame["authors"][0]["client"] for frame in ada.outbox.take("ops")] == ["script"]


async def test_the_numbers_are_those_of_the_client_wherever_it_sends(one: Deployment) -> None:
    """[HT2, ED3]"""
    key = await one.tree(root())
    bo = await opened(one, key, "bo", "script")
    await bo.ask(key, title("New"))
    again = await submit(one, key, body(title("New"), title("Newer")))
    assert [result.status for result in again.results] == ["duplicate", "applied"]
    assert (await bo.ask(key, title("Newer", n=2)))[0]["status"] == "duplicate"


async def test_an_agent_is_named(one: Deployment) -> None:
    """[BR4]"""
    key = await one.tree(root())
    ada = await opened(one, key, "ada")
    await submit(one, key, body(title("New")), via="agent", address="192.0.2.1", user_agent="x/1")
    await settle()
    (frame,) = ada.outbox.take("ops")
    assert frame["authors"] == [{"user": "bo", "client": "script", "via": "agent"}]
    author = one.database.activities[-1].author
    assert (author.address, author.user_agent, author.user) == ("192.0.2.1", "x/1", "bo")
    assert author.visit


async def test_what_is_refused_before_it_waits() -> None:
    """[HT3, HT4, OP7]"""
    one = Deployment(limits=Limits(resume_ops=2))
    await one.start()
    key = await one.tree(root())
    with pytest.raises(Clash) as clash:
        await submit(one, key, body(title("a"), epoch="e9"))
    assert clash.value.code == "epoch"
    with pytest.raises(TooMany) as many:
        await submit(one, key, body(title("a"), title("b"), {"op": "dance"}))
    assert many.value.code == "too_large"
    with pytest.raises(NotFound):
        await submit(one, TreeKey("acme", 999), body(title("a")))
    with pytest.raises(BadMessage):
        await submit(one, key, Decoded(Ping()))
    await one.directory.set_visibility(key, "private")
    one.hubs[0].rights_changed(key)
    await settle()
    with pytest.raises(NotFound):
        await submit(one, key, body(title("a")))
    assert (await submit(one, key, body(title("a"), epoch="e1"), user="ada")).results[0].status == "applied"
    await one.close()


async def test_a_viewer_is_answered_forbidden(one: Deployment) -> None:
    """[ED15]"""
    key = await one.tree(root())
    await one.directory.set_visibility(key, "tenant_view")
    assert (await submit(one, key, body(title("a")))).results[0].code == "forbidden"


async def test_who_no_longer_waits_does_no_harm(one: Deployment, trouble: Trouble) -> None:
    """[CL4]"""
    key = await one.tree(root())
    trouble.gates["commit"] = asyncio.Event()
    asked = asyncio.ensure_future(submit(one, key, body(title("New"))))
    await settle()
    asked.cancel()
    trouble.gates.pop("commit").set()
    await settle()
    assert one.hubs[0].places()[0].room.seq == 3


async def test_a_base_another_instance_has_come_to_is_not_invalid(deaf: Deployment) -> None:
    """[ED18] The room reads the head before it calls a base invalid."""
    key = await deaf.tree(root())
    ada = await opened(deaf, key, "ada")
    bo = deaf.socket("bo", hub=1)
    await bo.open(key)
    await ada.ask(key, title("New"))
    results = await bo.ask(key, title("Mine", base=3), title("x", base=4))
    assert [result.get("code", result["status"]) for result in results] == ["applied", "applied"]
    far = await bo.ask(key, title("y", base=99))
    assert far[0]["code"] == "invalid"


async def test_an_edit_by_http_counts_what_its_body_weighs(one: Deployment) -> None:
    """For the inbox, and for what a room keeps in memory."""
    key = await one.tree(root())
    await submit(one, key, body({"op": "update", "node": "root", "set": {"description": "x" * 20_000}}))
    assert one.hubs[0].places()[0].room.backlog.size > 20_000
