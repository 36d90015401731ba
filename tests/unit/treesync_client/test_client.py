"""The client over real hubs, on lines without a network: trees, answers, coming back, tokens, close codes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sync.codec import JSON, MSGPACK, Codec
from sync.identity import TreeKey
from sync.protocol import Edit, Hello, RoleChanged
from tests.hubs import Deployment, root
from tests.lines import Network
from tests.waiting import until
from treesync_client import (
    Change,
    Client,
    Conflict,
    Connected,
    Disconnected,
    Landed,
    LiveTree,
    Lost,
    NotFound,
    Rejected,
    Replaced,
    Unauthorised,
    Unavailable,
)
from treesync_client.link.http import addresses
from treesync_client.link.line import LineLost
from treesync_client.results import Answer


@pytest.fixture
async def deployment() -> AsyncIterator[Deployment]:
    made = Deployment(hubs=2)
    await made.start()
    yield made
    await made.close()


@pytest.fixture
def network(deployment: Deployment) -> Network:
    return Network(deployment)


@pytest.fixture
async def key(deployment: Deployment) -> TreeKey:
    return await deployment.tree(root())


async def agree(*trees: LiveTree) -> None:
    """Every tree comes to the newest seq that any of them has, and they are equal there."""
    await until(lambda: len({tree.seq for tree in trees}) == 1, "all have the same seq")
    assert len({tree.digest for tree in trees}) == 1


async def landed(answer: asyncio.Future[Answer]) -> Landed:
    result = await asyncio.wait_for(answer, 5)
    assert isinstance(result, Landed), result
    return result


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


# ---- coming back


async def test_what_was_done_without_a_socket_lands_when_there_is_one(network: Network, key: TreeKey) -> None:
    """[RP6] [RP8]"""
    async with network.client() as ada:
        tree = await ada.open(key.tree)
        events = ada.events()
        network.down = True
        network.cut()
        answers = [tree.insert(f"n{number}", parent="root", type="metric", title="T") for number in range(3)]
        assert set(tree.nodes) == {"root", "n0", "n1", "n2"}
        assert isinstance(await anext(events), Lost)
        network.down = False
        assert [(await landed(answer)).status for answer in answers] == ["applied"] * 3
        assert ada.reconnects >= 1
        modes = [message.mode for message in network.messages if isinstance(message, Edit)]
        assert modes == ["replay"]


async def test_an_op_whose_answer_was_lost_lands_once(network: Network, key: TreeKey) -> None:
    """[ED3] [RP6]"""
    async with network.client() as ada:
        tree = await ada.open(key.tree)
        before = tree.seq
        for turn in range(10):
            answer = tree.update("root", title=f"Turn {turn}")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            network.cut()
            assert (await landed(answer)).status == "applied"
        await until(lambda: tree.seq == before + 10, "each op is in the log once")


async def test_a_return_to_another_instance_resumes(deployment: Deployment, network: Network, key: TreeKey) -> None:
    """[OP2] [BR11]"""
    async with network.client() as ada, network.client("bo") as bo:
        tree, other = await ada.open(key.tree), await bo.open(key.tree)
        changes = tree.changes()
        network.hub = 1
        network.cut_user("ada")
        for turn in range(5):
            await landed(other.update("root", title=f"Turn {turn}"))
        answer = tree.insert("n1", parent="root", type="metric", title="T")
        await landed(answer)
        assert ada.instance == "i1"
        await agree(tree, other)
        seen = [await anext(changes) for _ in range(6)]
        assert all(isinstance(change, Change) for change in seen)
        assert [change.seq for change in seen] == list(range(tree.seq - 5, tree.seq + 1))


async def test_one_clients_many_cuts_lose_and_double_nothing(network: Network, key: TreeKey) -> None:
    """[RP6]"""
    async with network.client() as ada, network.client("bo") as bo:
        tree, other = await ada.open(key.tree), await bo.open(key.tree)
        answers = []
        for number in range(100):
            answers.append(tree.insert(f"n{number}", parent="root", type="metric", title="T"))
            if number % 7 == 3:
                network.hub = number % 2
                network.cut_user("ada")
            await asyncio.sleep(0)
        assert [(await landed(answer)).status for answer in answers] == ["applied"] * 100
        await agree(tree, other)
        assert len(other.nodes) == 101
        assert tree.core.resyncs == other.core.resyncs == 0


async def test_several_trees_share_a_socket(deployment: Deployment, network: Network, key: TreeKey) -> None:
    second = await deployment.tree(root())
    async with network.client() as ada:
        one, two = await asyncio.gather(ada.open(key.tree), ada.open(second.tree))
        await asyncio.gather(one.update("root", title="One"), two.update("root", title="Two"))
        network.cut()
        await asyncio.gather(one.update("root", title="Eins"), two.update("root", title="Zwei"))
        assert len([line for line in network.lines if isinstance(line.sent[0], Hello)]) == 2
        one.close()
        await landed(two.update("root", title="Due"))
        again = await ada.open(key.tree)
        assert again is one
        assert (await landed(again.update("root", title="Uno"))).n == 3


@pytest.mark.parametrize("code", [4400, 4403, 4409])
async def test_some_closes_are_final(network: Network, key: TreeKey, code: int) -> None:
    """[CL2]"""
    async with network.client() as ada:
        tree = await ada.open(key.tree)
        network.down = True
        network.cut(code)
        with pytest.raises(Disconnected) as raised:
            await asyncio.wait_for(tree.update("root", title="Late"), 5)
        assert raised.value.close_code == code
        assert len(tree.unanswered) == 1
        with pytest.raises(Disconnected):
            await ada.open(key.tree)


@pytest.mark.parametrize("code", [1001, 1006, 1009, 1011, 1012, 1013, 4408, 4429])
async def test_after_all_others_it_comes_back(network: Network, key: TreeKey, code: int) -> None:
    """[CL2] [RP8]"""
    async with network.client() as ada:
        tree = await ada.open(key.tree)
        network.cut(code)
        assert (await landed(tree.update("root", title="Back"))).status == "applied"


async def test_a_draining_server_says_when_to_come_back(deployment: Deployment, network: Network, key: TreeKey) -> None:
    """[CL1]"""
    async with network.client() as ada:
        tree = await ada.open(key.tree)
        events = ada.events()
        draining = asyncio.create_task(deployment.hubs[0].drain(), name="drain")
        await draining
        network.hub = 1
        notice = await anext(events)
        network.cut(1012)
        lost = await anext(events)
        assert isinstance(lost, Lost)
        assert lost.wait == getattr(notice, "retry_ms", 0) / 1000
        assert (await landed(tree.update("root", title="Back"))).status == "applied"


async def test_a_role_that_is_taken_and_given_back(deployment: Deployment, network: Network, key: TreeKey) -> None:
    """[AC4] [ED15]"""
    async with network.client("bo") as bo:
        tree = await bo.open(key.tree)
        events = tree.events()
        await deployment.directory.set_visibility(key, "tenant_view")
        deployment.hubs[0].rights_changed(key)
        assert await role_told(events) == "viewer"
        with pytest.raises(Rejected) as raised:
            await tree.update("root", title="No")
        assert raised.value.code == "forbidden"
        await deployment.directory.set_member(key, "bo", "editor")
        deployment.hubs[0].rights_changed(key)
        assert await role_told(events) == "editor"
        await landed(tree.update("root", title="Yes"))


async def role_told(events: Any) -> str:
    async with asyncio.timeout(5):
        while True:
            event = await anext(events)
            if isinstance(event, RoleChanged):
                return event.role


async def test_a_resync_replaces_the_tree(deployment: Deployment, network: Network, key: TreeKey) -> None:
    """[OP11]"""
    async with network.client() as ada:
        tree = await ada.open(key.tree)
        changes = tree.changes()
        deployment.hubs[0].resync(key)
        assert await anext(changes) == Replaced(seq=tree.seq, reason="resync")
        await landed(tree.update("root", title="Fine"))


async def test_a_deleted_tree_tells_who_waits(deployment: Deployment, network: Network, key: TreeKey) -> None:
    """[CL3]"""
    async with network.client() as ada:
        tree = await ada.open(key.tree)
        await deployment.directory.trash_tree(key)
        deployment.hubs[0].rights_changed(key)
        await until(lambda: tree.core.status == "gone", "the tree is gone")
        with pytest.raises(NotFound):
            await ada.open(key.tree)


# ---- tokens


async def test_a_token_that_ends_is_replaced_by_the_callback(network: Network, key: TreeKey) -> None:
    """[HS4] [HS8] [CL2]"""
    given: list[str] = []

    async def token() -> str:
        given.append("acme/ada")
        return given[-1]

    async with network.client(token=token) as ada:
        tree = await ada.open(key.tree)
        network.bad_tokens.add("acme/ada")
        network.cut(4401)
        await until(lambda: len(given) >= 3, "it asks again")
        network.bad_tokens.clear()
        await landed(tree.update("root", title="Back"))


async def test_a_token_that_is_only_text_ends_with_4401(network: Network, key: TreeKey) -> None:
    """[HS4]"""
    network.bad_tokens.add("acme/ada")
    with pytest.raises(Unauthorised):
        async with network.client():
            pass


async def test_a_fresh_token_comes_in_band_before_the_old_one_ends(network: Network) -> None:
    """[HS7]"""
    network.token_seconds = 0.2
    given: list[int] = []

    async def token() -> str:
        given.append(len(given))
        return "acme/ada"

    async with network.client(token=token) as ada:
        await until(lambda: len(given) >= 3, "two fresh tokens")
        assert len(network.lines) == 1
        assert ada.is_connected


async def test_a_callback_that_fails_is_asked_again(network: Network) -> None:
    answers = [OSError("no network"), "acme/ada"]

    async def token() -> str:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return str(answer)

    async with network.client(token=token) as ada:
        assert ada.user == "ada"


# ---- life


async def test_a_server_that_is_not_there_is_told_in_time(network: Network) -> None:
    network.down = True
    with pytest.raises(Unavailable):
        async with network.client(open_timeout=0.1):
            pass


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


@pytest.mark.parametrize(
    ("given", "socket", "web"),
    [
        ("ws://h:1/ws", "ws://h:1/ws", "http://h:1"),
        ("http://h:1", "ws://h:1/ws", "http://h:1"),
        ("https://h/below/", "wss://h/below/ws", "https://h/below"),
        ("wss://h/below/ws", "wss://h/below/ws", "https://h/below"),
    ],
)
def test_addresses(given: str, socket: str, web: str) -> None:
    assert addresses(given) == (socket, web)


@pytest.mark.parametrize("given", ["", "h:1", "ftp://h", "ws://"])
def test_no_address(given: str) -> None:
    with pytest.raises(ValueError, match="not an address"):
        Client(given, "t")


async def test_a_fault_of_the_client_is_told_to_who_waits(network: Network, key: TreeKey) -> None:
    """Its task's death is not silent."""
    ada = network.client()
    with contextlib.suppress(Disconnected):
        async with ada:
            tree = await ada.open(key.tree)
            tree.core.hear = None  # type: ignore[method-assign,assignment]
            with pytest.raises(Disconnected, match="a fault of the client"):
                await tree.update("root", title="Here")


def test_a_lost_line_says_why() -> None:
    assert LineLost("cut", 1006).code == 1006
