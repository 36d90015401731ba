"""Replicas under any interleaving of edits, deliveries and cuts end as the server's tree."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import UNSET, structs

from sync import ops
from sync.nodes import Point
from sync.protocol import Snapshot
from sync.verdict import Asking
from tests.mini_server import MiniClient, MiniServer
from treesync_client import following
from treesync_client.replica import Replica

PEOPLE = (("ada", "a1"), ("bo", "b1"), ("ada", "a2"))
IDS = tuple(f"n{number}" for number in range(6))
FIRST = [ops.ImportedNode(id=one, type="outcome", title=one, parent="n0" if one > "n2" else None) for one in IDS[:5]]
ids = st.sampled_from(IDS)
places = st.sampled_from([None, UNSET, *IDS])


def numbered(**fields: Any) -> dict[str, Any]:
    return {"n": 1, "base": 0, **fields}


inserts = st.builds(
    lambda node, parent, after, title: ops.Insert(
        **numbered(node=node, parent=parent, after=after, type="metric", title=title)
    ),
    ids,
    st.sampled_from([None, *IDS]),
    places,
    st.sampled_from("ABC"),
)
updates = st.builds(
    lambda node, path, value: ops.Update(**numbered(node=node, set={path: value})),
    ids,
    st.sampled_from(["title", "description", "template_data.why"]),
    st.sampled_from(["x", "y", "z"]),
)
moves = st.builds(
    lambda node, parent, after, x: ops.Move(**numbered(node=node, parent=parent, after=after, position=Point(x, 0))),
    ids,
    places,
    places,
    st.integers(0, 3),
)
removals = st.builds(lambda node: ops.Delete(**numbered(node=node)), ids)
returns = st.builds(lambda node, parent: ops.Restore(**numbered(node=node, parent=parent)), ids, places)
links = st.builds(
    lambda name, source, target: ops.Connect(**numbered(connection=name, source=source, target=target)),
    st.sampled_from(["c1", "c2"]),
    ids,
    ids,
)
cuts = st.builds(lambda name: ops.Disconnect(**numbered(connection=name)), st.sampled_from(["c1", "c2"]))
names = st.builds(lambda name: ops.Configure(**numbered(set={"name": name})), st.sampled_from(["N", "M"]))
bundles = st.builds(
    lambda first, second, parent: ops.Import(
        **numbered(
            parent=parent,
            nodes=[
                ops.ImportedNode(id=first, type="outcome", title="I"),
                ops.ImportedNode(id=second, parent=first, type="metric", title="J"),
            ],
        )
    ),
    ids,
    ids,
    st.sampled_from([None, *IDS]),
)
any_op = st.one_of(inserts, inserts, updates, moves, removals, returns, links, cuts, names, bundles)
steps = st.one_of(
    st.tuples(st.just("edit"), st.integers(0, 2), any_op),
    st.tuples(st.just("edit"), st.integers(0, 2), any_op),
    st.tuples(st.just("send"), st.integers(0, 2), st.none()),
    st.tuples(st.just("hear"), st.integers(0, 2), st.none()),
    st.tuples(st.just("look"), st.integers(0, 2), st.none()),
    st.tuples(st.just("cut"), st.integers(0, 2), st.booleans()),
)


def take(step: tuple[str, int, Any], client: MiniClient) -> None:
    kind, _, what = step
    match kind:
        case "edit":
            client.edit(structs.replace(what, base=client.tree.replica.seq))
        case "send":
            client.send_one()
        case "hear":
            client.hear_one()
        case "look":
            client.tree.view().check()
        case "cut":
            if what and client.outbound:
                client.send_one()  # it arrives, and its answer does not
            client.cut()
            client.connect()


@given(st.lists(steps, max_size=60))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_replicas_end_as_the_servers_tree(taken: list[tuple[str, int, Any]]) -> None:
    """[RP1] [RP2] [RP3] Whatever is edited, delivered, lost and resumed, in whichever order."""
    server = MiniServer()
    clients = [MiniClient(server, user, client) for user, client in PEOPLE]
    for client in clients:
        client.connect()
        client.settle()
    clients[0].edit(ops.Import(**numbered(nodes=FIRST)))
    for client in clients:
        client.settle()
    for step in taken:
        take(step, clients[step[1]])
    for _ in range(3):  # what one has sent is news to the others
        for client in clients:
            client.settle()
    for client in clients:
        assert client.tree.replica.seq == server.room.seq
        assert client.tree.resyncs == 0
        assert client.tree.replica.digest == server.room.tree.digest
        assert not list(client.tree.queue.unanswered())
        assert len(client.tree.queue) == 0
        assert client.tree.view().state() == client.tree.view().state()
        client.tree.view().check()
    sent = [change.n for change in clients[0].changes if change.own]
    assert sent == sorted(set(sent)), "an op was applied twice"


def a_tree(*titles: str) -> tuple[MiniServer, MiniClient]:
    server = MiniServer()
    client = MiniClient(server, "ada", "a1")
    client.connect()
    client.settle()
    for place, title in enumerate(titles):
        client.edit(ops.Insert(**numbered(node=f"n{place}", type="metric", title=title)))
        client.settle()
    return server, client


def test_the_view_is_the_queue_over_confirmed_state() -> None:
    """[RP3]"""
    _, client = a_tree("A")
    client.edit(ops.Update(n=1, base=1, node="n0", set={"title": "B"}))
    node = client.tree.view().node("n0")
    assert node is not None
    assert node.title == "B"
    assert client.tree.replica.seq == 1
    client.tree.replica.hide()
    confirmed = client.tree.replica.show((), "ada", "a1", client.server.limits).node("n0")
    assert confirmed is not None
    assert confirmed.title == "A"


def test_what_does_not_apply_now_is_passed_over_and_kept() -> None:
    """[RP3] An update of a node that another deletes stays queued, and shows nothing."""
    server, client = a_tree("A", "B")
    other = MiniClient(server, "bo", "b1")
    other.connect()
    other.settle()
    client.cut()
    client.edit(ops.Move(n=1, base=2, node="n0", parent="n1", position=Point(1, 1)))
    assert client.tree.view().children("n1") == ["n0"]
    other.edit(ops.Delete(n=1, base=2, node="n1"))
    other.settle()
    client.connect()
    client.send_one()
    client.hear_one()
    client.hear_one()
    assert client.tree.view().node("n1") is None
    assert len(list(client.tree.queue.unanswered())) == 1
    client.tree.view().check()


def test_provisional_order_keys_are_made_anew() -> None:
    """[TR11] Two insert at the end at once: the one that waits moves behind the one that is confirmed."""
    server, client = a_tree("A")
    other = MiniClient(server, "bo", "b1")
    other.connect()
    other.settle()
    client.edit(ops.Insert(**numbered(node="mine", type="metric", title="M")))
    before = client.tree.view().nodes["mine"].node.order
    other.edit(ops.Insert(**numbered(node="theirs", type="metric", title="T")))
    other.settle()
    while not client.changes or client.changes[-1].client != "b1":
        client.hear_one()
    view = client.tree.view()
    assert view.children(None) == ["n0", "theirs", "mine"]
    assert view.nodes["mine"].node.order > before
    client.settle()
    assert client.tree.replica.digest == server.room.tree.digest


def test_a_snapshot_replaces_confirmed_state() -> None:
    """[OP11]"""
    server, client = a_tree("A")
    replica = Replica()
    snapshot = server.snapshot(client)
    assert isinstance(snapshot, Snapshot)
    replica.load(snapshot.position, [server.room.state()])
    assert replica.digest == server.room.tree.digest
    refused = replica.verdict(ops.Delete(n=1, base=0, node="none"), Asking("ada", "a1", "live", server.limits))
    assert isinstance(refused, Exception)


def test_the_trash_is_not_held_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """[RP1] [RP2] What is forgotten comes back in full, by others' restore and by our own."""
    monkeypatch.setattr(following, "MOST_TRASHED", 2)
    server, client = a_tree("A", "B")
    other = MiniClient(server, "bo", "b1")
    other.connect()
    other.settle()
    for node in ("m1", "m2", "m3"):
        client.edit(ops.Insert(**numbered(node=node, parent="n0", type="metric", title=node)))
    client.edit(ops.Connect(**numbered(connection="c1", source="m1", target="n1")))
    client.settle()
    assert client.tree.replica.trashed == 0
    client.edit(ops.Delete(n=1, base=6, node="n0"))
    client.settle()
    assert client.tree.replica.trashed == 0
    assert set(client.tree.view().nodes) == {"n1"}
    assert client.tree.view().connections == {}
    client.edit(ops.Restore(n=1, base=7, node="n0"))
    client.settle()
    other.settle()
    assert client.tree.replica.digest == other.tree.replica.digest == server.room.tree.digest
    assert len(client.tree.view().nodes) == 5
    client.tree.view().check()
