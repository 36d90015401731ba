"""Whole trees by HTTP: encoded once for a position, and never another one's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from server import states
from tests.applications import Running, running
from tests.unit.server.test_trees import problem


@pytest.fixture
async def app() -> AsyncIterator[Running]:
    async with running() as one:
        yield one


async def counted(app: Running) -> tuple[int, int]:
    told = (await app.operator("GET", "/health")).json()["caches"]["states"]
    return told["asked"], told["hits"]


async def rename(app: Running, tree: int, title: str) -> None:
    ops = [{"op": "update", "n": 1, "base": 0, "node": "root", "set": {"title": title}}]
    body = {"client_id": f"c-{title}", "ops": ops}
    assert (await app.ask("POST", f"/api/v1/trees/{tree}/edits", body)).status_code == 200


async def read(app: Running, tree: int, query: str = "", **who: Any) -> dict[str, Any]:
    answer = await app.ask("GET", f"/api/v1/trees/{tree}{query}", **who)
    assert answer.status_code == 200, answer.text
    view: dict[str, Any] = answer.json()
    return view


async def test_a_state_is_encoded_once_for_all_who_read_it(app: Running) -> None:
    tree = await app.tree(visibility="tenant_view")
    first = [await read(app, tree), await read(app, tree), await read(app, tree, user="bo")]
    assert [one["role"] for one in first] == ["owner", "owner", "viewer"]
    assert first[0]["state"] == first[2]["state"]
    assert await counted(app) == (3, 2)
    await rename(app, tree, "Other")
    now = await read(app, tree)
    assert (now["state"]["nodes"][0]["title"], now["position"]["seq"]) == ("Other", first[0]["position"]["seq"] + 1)
    assert await counted(app) == (4, 2)


async def test_a_past_state_is_read_back_once(app: Running) -> None:
    """[HI1] With who made it that."""
    tree = await app.tree(visibility="tenant_view")
    seq = (await read(app, tree))["position"]["seq"]
    await rename(app, tree, "Other")
    past = [await read(app, tree, f"?seq={seq}", user=user) for user in ("ada", "bo", "ada")]
    assert past[0] == past[2]
    assert (past[1]["state"], past[1]["change"]["user"]) == (past[0]["state"], "ada")
    assert past[0]["state"]["nodes"][0]["title"] == "Grow"
    assert await counted(app) == (4, 2)
    assert problem(await app.ask("GET", f"/api/v1/trees/{tree}?seq={seq + 9}")) == (404, "not_found")
    assert problem(await app.ask("GET", f"/api/v1/trees/{tree}?seq={seq}", user="eve", tenant="other")) == (
        404,
        "not_found",
    )


async def test_open_trees_and_their_encoded_states_are_counted_too(app: Running) -> None:
    """What is not known of them is not said."""
    tree = await app.tree()
    for _ in range(3):
        await app.ask("GET", f"/api/v1/trees/{tree}/trash")
    app.app.hub.stats.snapshots["open"], app.app.hub.stats.states_encoded = 4, 1
    caches = (await app.operator("GET", "/health")).json()["caches"]
    assert caches["snapshots"] == {"asked": 4, "hits": 3, "hit_rate": 0.75}
    told = caches["open_trees"]
    assert (told["asked"] - told["hits"], told["asked"] >= 3) == (1, True)
    assert caches["states"]["bytes"] == 0


async def test_what_is_kept_is_for_those_who_may_see_it(app: Running) -> None:
    tree = await app.tree()
    await read(app, tree)
    assert problem(await app.ask("GET", f"/api/v1/trees/{tree}", user="bo")) == (404, "not_found")
    assert await counted(app) == (1, 0)


async def test_a_large_state_is_encoded_in_shares(app: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [{"id": "root", "type": "objective", "title": "G", "metadata": {"a": [1, {"b": "\u2028"}]}}]
    nodes += [{"id": f"n{n}", "parent": "root", "type": "metric", "title": "N"} for n in range(4)]
    connections = [{"id": f"c{n}", "from": "n0", "to": f"n{n}"} for n in range(1, 4)]
    tree = await app.tree(nodes=nodes, connections=connections)
    whole = await read(app, tree)
    await rename(app, tree, "Other")
    await rename(app, tree, "G")
    ways: list[object] = []

    async def given_way() -> None:
        ways.append(None)

    monkeypatch.setattr(states, "_SHARE", 2)
    monkeypatch.setattr(states, "give_way", given_way)
    again = await read(app, tree)
    assert len(ways) == 3

    def plain(one: dict[str, Any]) -> Any:
        return {node["id"]: {k: v for k, v in node.items() if k != "at"} for node in one["state"]["nodes"]}

    assert plain(again).keys() == plain(whole).keys()
    assert again["state"]["connections"] == whole["state"]["connections"]
    assert plain(again)["root"]["metadata"] == {"a": [1, {"b": "\u2028"}]}
