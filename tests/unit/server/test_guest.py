"""Guests of the demo: on the machine that serves it, and nowhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest

from server.demo import OWNER
from server.guest import TENANT, USERS
from tests.applications import Running, running
from tests.unit.server.test_trees import problem


@pytest.fixture
async def app() -> AsyncIterator[Running]:
    async with running() as one:
        yield one


async def test_without_a_demo_there_is_no_token(app: Running) -> None:
    assert problem(await app.ask("GET", "/demo/token", user=None)) == (404, "not_found")


async def test_a_guest_may_edit_the_demo_tree_and_nothing_else(app: Running) -> None:
    other = await app.tree(visibility="tenant_edit")
    app.app.demo.tree = await app.tree(user="ada", tenant=TENANT, visibility="tenant_edit")
    given = (await app.ask("GET", "/demo/token", user=None)).json()
    assert given["tree"] == app.app.demo.tree
    read = await app.ask("GET", f"/api/v1/trees/{given['tree']}", bearer=given["token"])
    assert read.json()["role"] == "editor"
    assert problem(await app.ask("GET", f"/api/v1/trees/{other}", bearer=given["token"])) == (404, "not_found")
    assert problem(await app.ask("GET", "/admin/rooms", bearer=given["token"])) == (401, "unauthorised")
    assert (await app.ask("GET", "/health", bearer=given["token"])).json() == {"status": "ok"}


async def test_two_tabs_are_one_guest_so_that_a_fresh_token_can_follow_an_old_one(app: Running) -> None:
    app.app.demo.tree = 1
    tokens = [(await app.ask("GET", "/demo/token", user=None)).json()["token"] for _ in range(2)]
    first, second = [await app.app.gate.enter(token) for token in tokens]
    assert (first.tenant, first.user) == (second.tenant, second.user)
    assert first.role == "member"


@pytest.mark.parametrize(("user", "name"), [("ada", "Ada"), ("bo", "Bo"), ("guest", "Guest")])
async def test_a_visitor_may_be_one_of_a_few_people(app: Running, user: str, name: str) -> None:
    app.app.demo.tree = await app.tree(user="ada", tenant=TENANT, visibility="tenant_edit")
    token = (await app.ask("GET", f"/demo/token?as={user}", user=None)).json()["token"]
    who = await app.app.gate.enter(token)
    assert (who.tenant, who.user, who.name, who.role) == (TENANT, user, name, "member")
    read = await app.ask("GET", f"/api/v1/trees/{app.app.demo.tree}", bearer=token)
    assert read.json()["role"] == ("owner" if user == "ada" else "editor")
    assert OWNER in USERS


@pytest.mark.parametrize("user", ["", "Ada", "cy", "admin", "ada%00", "ada,bo", "demo"])
async def test_nobody_else(app: Running, user: str) -> None:
    app.app.demo.tree = 1
    assert problem(await app.ask("GET", f"/demo/token?as={user}", user=None)) == (404, "not_found")


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "192.168.1.5", "", "localhost.evil.example"]
)
async def test_a_page_whose_name_was_bound_to_this_machine_gets_none(app: Running, host: str) -> None:
    app.app.demo.tree = 1
    answer = await app.client.get("/demo/token", headers={"Host": host})
    assert problem(answer) == (404, "not_found")


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:8000"])
async def test_this_machine_gets_one_by_any_of_its_names(app: Running, host: str) -> None:
    app.app.demo.tree = 1
    assert (await app.client.get("/demo/token", headers={"Host": host})).status_code == 200


async def test_another_machine_gets_none(app: Running) -> None:
    app.app.demo.tree = 1
    transport = httpx2.ASGITransport(app=app.app.site, client=("192.168.1.5", 1234))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as stranger:
        assert problem(await stranger.get("/demo/token")) == (404, "not_found")


async def test_where_an_issuer_signs_there_is_no_guest() -> None:
    async with running(jwt_secret=None, jwks_url="https://issuer.example/keys") as app:
        app.app.demo.tree = 1
        assert problem(await app.ask("GET", "/demo/token", user=None)) == (404, "not_found")
