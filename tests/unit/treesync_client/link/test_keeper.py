"""Keeping a socket: coming back, close codes, tokens."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sync.identity import TreeKey
from sync.protocol import Edit, Hello, RoleChanged
from tests.hubs import Deployment, root
from tests.lines import Network, agree, landed
from tests.waiting import until
from treesync_client import (
    Change,
    Disconnected,
    Lost,
    NotFound,
    Rejected,
    Replaced,
    Unauthorised,
)
from treesync_client.link.line import LineLost

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


async def test_who_shares_a_server_with_many_comes_back_spread(network: Network, key: TreeKey) -> None:
    """[HS12] [RP8]"""
    network.spread_ms = 4_000
    async with network.client(longest_wait=30.0, chance=lambda: 0.001) as ada:
        await ada.open(key.tree)
        events = ada.events()
        network.cut()
        lost = await anext(events)
        assert isinstance(lost, Lost)
        assert lost.wait == pytest.approx(0.004)


async def test_a_refused_handshake_says_for_how_long(network: Network, key: TreeKey) -> None:
    """[RP13]"""
    async with network.client(chance=lambda: 0.5) as ada:
        tree = await ada.open(key.tree)
        events = ada.events()
        network.down, network.refusal = True, LineLost("the server answered 503", retry_after=0.2)
        network.cut()
        waits = [lost.wait for lost in [await anext(events), await anext(events)] if isinstance(lost, Lost)]
        assert waits == [pytest.approx(0.005), pytest.approx(0.205)]
        network.down = False
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
