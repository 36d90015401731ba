"""Members over HTTP: for the owner and the tenant's admins."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest

from tests.applications import Running, running
from tests.unit.server.test_trees import problem


@pytest.fixture
async def app() -> AsyncIterator[Running]:
    async with running() as one:
        yield one


async def settled(app: Running) -> None:
    """The hub re-reads rights in a task of its own."""
    await app.app.clock.advance(0.0)  # type: ignore[attr-defined]


def members(tree: int, user: str = "") -> str:
    return f"/api/v1/trees/{tree}/members" + (f"/{quote(user, safe='')}" if user else "")


async def test_a_role_is_given_seen_and_taken(app: Running) -> None:
    tree = await app.tree()
    answer = await app.ask("PUT", members(tree, "bo"), {"role": "editor"})
    assert (answer.status_code, answer.json()) == (200, {"user": "bo", "role": "editor"})
    await settled(app)
    assert (await app.ask("GET", f"/api/v1/trees/{tree}", user="bo")).json()["role"] == "editor"
    listed = (await app.ask("GET", members(tree))).json()
    assert listed == {"owner": "ada", "visibility": "private", "members": [{"user": "bo", "role": "editor"}]}
    assert (await app.ask("GET", members(tree, "bo"))).json()["role"] == "editor"
    assert (await app.ask("DELETE", members(tree, "bo"))).status_code == 204
    await settled(app)
    assert (await app.ask("GET", f"/api/v1/trees/{tree}", user="bo")).status_code == 404
    assert problem(await app.ask("DELETE", members(tree, "bo"))) == (404, "not_found")
    assert problem(await app.ask("GET", members(tree, "bo"))) == (404, "not_found")


async def test_an_admin_may_share_and_a_second_owner_too(app: Running) -> None:
    tree = await app.tree()
    assert (await app.ask("PUT", members(tree, "bo"), {"role": "owner"}, user="chef", role="admin")).status_code == 200
    await settled(app)
    assert (await app.ask("PUT", members(tree, "cy"), {"role": "viewer"}, user="bo")).status_code == 200


async def test_an_admin_of_another_tenant_sees_nothing(app: Running) -> None:
    tree = await app.tree()
    answer = await app.ask("GET", members(tree), user="chef", tenant="other", role="admin")
    assert problem(answer) == (404, "not_found")


@pytest.mark.parametrize("role", ["viewer", "commenter", "editor"])
async def test_others_may_not_even_look(app: Running, role: str) -> None:
    tree = await app.tree()
    await app.ask("PUT", members(tree, "bo"), {"role": role})
    await settled(app)
    for method, body in (("GET", None), ("PUT", {"role": "owner"}), ("DELETE", None)):
        assert problem(await app.ask(method, members(tree, "bo"), body, user="bo")) == (403, "forbidden")


async def test_the_owner_keeps_his_tree(app: Running) -> None:
    tree = await app.tree()
    assert (await app.ask("GET", members(tree, "ada"))).json() == {"user": "ada", "role": "owner"}
    for method, body in (("PUT", {"role": "viewer"}), ("DELETE", None)):
        answer = await app.ask(method, members(tree, "ada"), body, user="chef", role="admin")
        assert problem(answer) == (422, "invalid")


@pytest.mark.parametrize("user", ["a/b", "a b", "ü@x.example", "%2F", "x" * 64])
async def test_a_users_id_may_hold_what_ids_may_hold(app: Running, user: str) -> None:
    tree = await app.tree()
    assert (await app.ask("PUT", members(tree, user), {"role": "viewer"})).json()["user"] == user
    await settled(app)
    assert (await app.ask("GET", f"/api/v1/trees/{tree}", user=user)).json()["role"] == "viewer"


@pytest.mark.parametrize("user", ["x" * 65, "a\u202eb", "a\x00b"])
async def test_what_is_no_id_is_no_member(app: Running, user: str) -> None:
    tree = await app.tree()
    assert problem(await app.ask("PUT", members(tree, user), {"role": "viewer"})) == (422, "invalid")


@pytest.mark.parametrize("body", [{}, {"role": "admin"}, {"role": None}, {"role": "viewer", "until": 1}])
async def test_a_role_is_one_of_four(app: Running, body: dict[str, object]) -> None:
    tree = await app.tree()
    assert problem(await app.ask("PUT", members(tree, "bo"), body)) == (422, "invalid")
