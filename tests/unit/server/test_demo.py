"""The demo tree, that it is made once, and the bots that live in it."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random

from msgspec import UNSET

from server.bots import Bot
from server.demo import NAME, OWNER, demo_tree, ensure_demo_tree
from server.guest import TENANT
from sync.identity import TreeKey
from sync.nodes import NODE_TYPES, ORIGIN
from tests.applications import running
from tests.hubs import Deployment
from tests.lines import Network


def test_it_is_a_whole_strategy() -> None:
    details, nodes, connections = demo_tree()
    assert details.name == NAME
    assert len(nodes) >= 60
    assert {node.type for node in nodes} == set(NODE_TYPES)
    assert len(connections) >= 8
    assert all(node.template_data for node in nodes)
    assert max(len(node.title) for node in nodes) < 80


def test_parents_come_first_and_the_page_is_left_to_lay_them_out() -> None:
    _, nodes, _ = demo_tree()
    seen: set[str | None] = {None}
    for node in nodes:
        assert node.parent in seen
        seen.add(node.id)
        assert node.position in (UNSET, ORIGIN)


async def test_it_is_made_once_and_open_to_its_tenant() -> None:
    async with running() as one:
        first = await ensure_demo_tree(one.app)
        assert await ensure_demo_tree(one.app) == first
        trees = (await one.ask("GET", "/api/v1/trees", user="guest", tenant=TENANT)).json()["trees"]
        assert [(tree["id"], tree["owner"], tree["role"]) for tree in trees] == [(first, OWNER, "editor")]
        assert trees[0]["node_count"] >= 60
        assert (await one.ask("GET", f"/api/v1/trees/{first}", tenant="acme")).status_code == 404


async def test_instances_that_start_at_once_agree_on_one() -> None:
    async with running() as one:
        numbers = await asyncio.gather(*(ensure_demo_tree(one.app) for _ in range(3)))
        assert len(set(numbers)) == 1
        trees = (await one.ask("GET", "/api/v1/trees", user="guest", tenant=TENANT)).json()["trees"]
        assert [tree["id"] for tree in trees] == [numbers[0]]


async def test_a_bot_keeps_a_tree_a_tree_and_within_bounds() -> None:
    """[TR26]"""
    deployment = Deployment()
    await deployment.start()
    _, nodes, _ = demo_tree()
    key = await deployment.tree(*nodes)
    async with Network(deployment).client("bo") as client:
        tree = await client.open(key.tree)
        bot = Bot(tree, "bo", Random(7))
        results = [await asyncio.gather(bot.act(), return_exceptions=True) for _ in range(400)]
        bot.look()
        statuses = Counter(getattr(result[0], "status", getattr(result[0], "code", "?")) for result in results)
        assert statuses["applied"] > 350, statuses
        assert 60 <= len(tree.nodes) <= len(nodes) + 20
        assert tree.digest == room_digest(deployment, key)
    await deployment.close()


def room_digest(deployment: Deployment, key: TreeKey) -> str:
    (place,) = [place for place in deployment.hubs[0].places() if place.key == key]
    place.room.tree.check()
    return place.room.tree.digest
