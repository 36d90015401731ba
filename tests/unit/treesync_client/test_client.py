"""The client over real hubs, on lines without a network: trees, answers, life."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from sync.codec import JSON, MSGPACK, Codec
from sync.identity import TreeKey
from sync.protocol import Edit, Outcome
from tests.hubs import Deployment, root
from tests.lines import Network, agree, landed
from tests.waiting import until
from treesync_client import (
    Change,
    Conflict,
    Connected,
    Disconnected,
    Lost,
    NotFound,
    Rejected,
    Unavailable,
)
from treesync_client.link.http import Api


async def test_a_tree_is_open_with_all_that_was_edited_before(deployment: Deployment, key: TreeKey) -> None:
    """[OP13] The state that the server keeps for new visitors is older than the edits; those follow it."""
    network = Network(deployment)
    network.turns = 5
    async with network.client() as ada, network.client("bo") as bo:
        tree = await ada.open(key.tree)
        await landed(tree.update("root", title="Newer"))
        opened = await bo.open(key.tree)
        assert (opened.nodes["root"].title, opened.seq) == ("Newer", tree.seq)


@pytest.mark.parametrize("codec", [JSON, MSGPACK])
async def test_every_kind_of_edit_is_durable_and_seen_by_others(
    deployment: Deployment, key: TreeKey, codec: Codec
) -> None:
    network = Network(deployment, codec)
    async with network.client() as ada, network.client("bo") as bo:
        tree, other = await ada.open(key.tree), await bo.open(key.tree)
        await landed(tree.insert("n1", parent="root", type="outcome", title="One", template_data={"core_why": "a"}))
        await landed(tree.insert("n2", parent="root", after="n1", type="metric", title="Two", position=(10, 20)))
        await landed(tree.insert("n0", parent="root", after=None, type="metric", title="Zero"))
        assert [node.id for node in tree.children("root")] == ["n0", "n1", "n2"]
        await landed(tree.update("n1", title="Uno", template_data={"core_why": "b"}, unset=["metadata.none"]))
        await landed(tree.connect_nodes("c1", "n1", "n2", label="leads to"))
        await landed(tree.relabel("c1", "proves"))
        await landed(tree.move("n2", parent="n1"))
        await landed(tree.move("n1", position=(5, 6)))
        await landed(tree.configure({"canvas_state.zoom": 2}, name="Plan"))
        await landed(tree.delete("n1"))
        assert set(tree.nodes) == {"root", "n0"}
        assert not tree.connections
        await landed(tree.restore("n1"))
        await landed(tree.disconnect("c1"))
        await agree(tree, other)
        node = other.nodes["n1"]
        assert (node.title, node.template_data, node.position.x) == ("Uno", {"core_why": "b"}, 5)
        assert other.node("n2") is not None
        assert [child.id for child in other.children("n1")] == ["n2"]
        assert other.details.name == "Plan"
        assert other.details.canvas_state["zoom"] == 2
        assert len(other.nodes) == len(list(other.nodes)) == 4
        assert not list(other.connections)


async def test_a_subtree_comes_in_one_op(network: Network, key: TreeKey) -> None:
    async with network.client() as ada:
        tree = await ada.open(key.tree)
        result = await landed(tree.import_nodes([root("a"), root("b", parent="a")], parent="root"))
        assert result.effective is not None
        assert [child.id for child in tree.children("a")] == ["b"]


async def test_edits_show_at_once_and_travel_together(network: Network, key: TreeKey) -> None:
    """[ED7]"""
    async with network.client() as ada:
        tree = await ada.open(key.tree)
        answers = [tree.insert(f"n{number}", parent="root", type="metric", title="T") for number in range(5)]
        assert len(tree.nodes) == 6
        assert len(tree.unanswered) == 5
        await asyncio.gather(*answers)
        assert [len(message.ops) for message in network.messages if isinstance(message, Edit)] == [5]
        assert not tree.unanswered


async def test_changes_tell_own_and_others_ops_in_order(network: Network, key: TreeKey) -> None:
    """[BR2]"""
    async with network.client() as ada, network.client("bo") as bo:
        tree, other = await ada.open(key.tree), await bo.open(key.tree)
        changes = tree.changes()
        await landed(other.update("root", title="Theirs"))
        await landed(tree.update("root", title="Ours"))
        first, second = await anext(changes), await anext(changes)
        assert isinstance(first, Change)
        assert isinstance(second, Change)
        assert (first.user, first.own, second.user, second.own) == ("bo", False, "ada", True)
        assert second.seq == first.seq + 1
        assert second.n == 1


async def test_a_rejection_is_an_exception_and_a_conflict_a_result(network: Network, key: TreeKey) -> None:
    """[RS5] [RS6]"""
    async with network.client() as ada, network.client("bo") as bo:
        tree, other = await ada.open(key.tree), await bo.open(key.tree)
        await landed(tree.insert("n1", parent="root", type="metric", title="One"))
        with pytest.raises(Rejected) as raised:
            await tree.move("root", parent="n1")
        assert raised.value.code == "cycle"
        with pytest.raises(Rejected) as raised:
            await tree.update("n1", title="")
        assert raised.value.code == "invalid"
        network.down = True
        network.cut_user("ada")
        mine = tree.update("n1", title="Mine")
        await landed(other.update("n1", title="Theirs"))
        network.down = False
        result = await mine
        assert isinstance(result, Conflict)
        assert result.paths["title"].base == "One"
        await agree(tree, other)
        assert tree.nodes["n1"].title == "Theirs"


async def test_a_tree_that_is_not_ours_cannot_be_opened(network: Network, key: TreeKey) -> None:
    """[OP7]"""
    async with network.client(token="other/eve") as eve:
        with pytest.raises(NotFound) as hidden:
            await eve.open(key.tree)
        with pytest.raises(NotFound) as missing:
            await eve.open(999)
        assert hidden.value.why == missing.value.why


async def test_presence_reaches_the_others(deployment: Deployment, network: Network, key: TreeKey) -> None:
    """[PR1] [PR2]"""
    async with network.client() as ada:
        tree = await ada.open(key.tree)
        async with network.client("bo") as bo:
            other = await bo.open(key.tree)
            other.set_presence({"selection": ["root"]})
            await until_told(deployment, lambda: {"selection": ["root"]} in tree.presence.values())
            assert [one.user for one in tree.participants.values()] == ["bo"]
        await until_told(deployment, lambda: not tree.participants)


async def until_told(deployment: Deployment, happened: Any) -> None:
    for _ in range(50):
        if happened():
            return
        await deployment.clock.advance(0.1)
    raise AssertionError("nobody was told")


# ---- life


async def test_a_server_that_is_not_there_is_told_in_time(network: Network) -> None:
    network.down = True
    with pytest.raises(Unavailable):
        async with network.client(open_timeout=0.1):
            pass


async def test_a_closed_tree_takes_no_edits_and_goes_on_when_it_is_opened_again(network: Network, key: TreeKey) -> None:
    """[OP10]"""
    async with network.client() as ada:
        tree = await ada.open(key.tree)
        network.deaf = (Edit,)
        waiting = tree.update("root", title="Unheard")
        await asyncio.sleep(0)
        tree.close()
        network.deaf = ()
        with pytest.raises(Disconnected):
            await waiting
        with pytest.raises(Disconnected):
            await tree.update("root", title="Refused")
        assert await ada.open(key.tree) is tree
        network.cut()
        await landed(tree.update("root", title="Heard"))
        assert tree.nodes["root"].title == "Heard"


async def test_leaving_waits_for_answers(network: Network, key: TreeKey) -> None:
    async with network.client() as ada:
        tree = await ada.open(key.tree)
        answer = tree.update("root", title="Last words")
    assert (await answer).status == "applied"


async def test_what_has_no_answer_at_the_end_is_told_so(network: Network, key: TreeKey) -> None:
    ada = network.client()
    async with ada:
        tree = await ada.open(key.tree)
        network.deaf = (Edit,)
        answer = tree.update("root", title="Nobody hears")
        await ada.close(linger=0.05)
        with pytest.raises(Disconnected):
            await answer
    with pytest.raises(Disconnected):
        await tree.drained()


async def test_nothing_is_left_running(network: Network, key: TreeKey) -> None:
    before = asyncio.all_tasks()
    async with network.client() as ada:
        await (await ada.open(key.tree)).update("root", title="Here")
    assert asyncio.all_tasks() == before


async def test_events_tell_the_sockets_coming_and_going(network: Network) -> None:
    async with network.client() as ada:
        events = ada.events()
        network.cut(1011)
        lost, back = await anext(events), await anext(events)
        assert isinstance(lost, Lost)
        assert lost.close_code == 1011
        assert back == Connected("i0")


async def test_messages_of_a_later_version_are_passed_over(network: Network, key: TreeKey) -> None:
    async with network.client() as ada:
        tree = await ada.open(key.tree)
        network.lines[-1].outbox.write(MSGPACK.encode_value({"type": "hologram", "tree": key.tree}))
        await landed(tree.update("root", title="Still here"))


async def test_a_replaced_client_comes_back_when_the_id_is_its_own_and_stops_when_it_is_not(network: Network) -> None:
    """[HS10]"""
    async with network.client(client_id="shared") as first:
        async with network.client(client_id="shared"):
            await until(lambda: first.failure is not None, "the older one stops")
        assert isinstance(first.failure, Disconnected)


async def test_a_fault_of_the_client_is_told_to_who_waits(network: Network, key: TreeKey) -> None:
    """Its task's death is not silent."""
    ada = network.client()
    with contextlib.suppress(Disconnected):
        async with ada:
            tree = await ada.open(key.tree)
            tree.core.hear = None  # type: ignore[method-assign,assignment]
            with pytest.raises(Disconnected, match="a fault of the client"):
                await tree.update("root", title="Here")


async def test_whatever_befalls_an_edit_by_http_it_goes_again(
    deployment: Deployment, key: TreeKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[HT2] A fault below that nobody foresaw does not hold up the queue."""
    network = Network(deployment, MSGPACK)
    tried: list[Edit] = []

    async def broken(api: Api, edit: Edit, token: str) -> Outcome:
        tried.append(edit)
        raise ValueError("a header that cannot be sent")

    monkeypatch.setattr(Api, "edit", broken)
    async with network.client() as ada:
        tree = await ada.open(key.tree)
        tree.core.sending.message_bytes = 2048
        tree.insert("n1", parent="root", type="metric", title="One", description="x" * 4_000)
        await until(lambda: len(tried) > 1, "it is tried again")
        assert len(tree.unanswered) == 1
        tree.discard()
