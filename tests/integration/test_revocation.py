"""What was allowed and no longer is acts on sockets that are open already, on every instance (reliability B 36)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from server.auth import mint
from tests.clocks import RealClock
from tests.commands import SECRET, Command, treesync
from tests.postgres_servers import PostgresServers
from tests.redis_server import RedisServer
from tests.speakers import Speaker, speaking
from tests.writers import made

WITHIN = 5.0  # seconds that a right may outlive its end
EDIT = {"n": 1, "base": 0, "op": "update", "node": "root", "set": {"title": "Bo's"}}
Pair = tuple[Command, Command]


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
async def instances(
    postgres_servers: PostgresServers, redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Pair]:
    dsn = await (await postgres_servers.get("18")).fresh()
    folder: Path = tmp_path_factory.mktemp("serve")
    async with (
        treesync("serve", directory=folder, DATABASE_URL=dsn, REDIS_URL=redis.url) as here,
        treesync("serve", directory=folder, DATABASE_URL=dsn, REDIS_URL=redis.url) as there,
    ):
        for one in (here, there):
            await one.until_ready(100)
        yield here, there


async def private(here: Command, role: str = "editor") -> tuple[int, str]:
    """A private tree of ada's on which bo has that role; (its number, the path of his role)."""
    tree = await made(here)
    assert (await here.ask("PATCH", f"/api/v1/trees/{tree}", {"visibility": "private"})).status_code == 200
    member = f"/api/v1/trees/{tree}/members/bo"
    assert (await here.ask("PUT", member, {"role": role})).status_code == 200
    return tree, member


async def told_within(speaker: Speaker, since: float, *kinds: str) -> dict[str, object]:
    heard = await speaker.hear(*kinds)
    assert time.monotonic() - since <= WITHIN
    return heard


@pytest.mark.parametrize("bus", ["with the bus", "without it"])
async def test_a_role_that_is_taken_away_ends_on_the_other_instance(
    instances: Pair, redis: RedisServer, bus: str
) -> None:
    """[AC4] [BR11] By the bus at once; without one by the comparison of heads, every two seconds."""
    here, there = instances
    tree, member = await private(here)
    async with speaking(there, there.token("bo")) as bo:
        assert (await bo.open(tree))["role"] == "editor"
        if bus == "without it":
            redis.freeze()
        try:
            since = time.monotonic()
            assert (await here.ask("DELETE", member)).status_code == 204
            assert (await told_within(bo, since, "error"))["code"] == "not_found"
            await bo.say({"type": "edit", "tree": tree, "ops": [EDIT]})
            assert (await bo.hear("error"))["code"] == "not_open"
            assert (await bo.open(tree))["code"] == "not_found"
        finally:
            redis.thaw()


async def test_an_editor_who_becomes_a_viewer_edits_no_more(instances: Pair) -> None:
    """[AC4]"""
    here, there = instances
    tree, member = await private(here)
    async with speaking(there, there.token("bo")) as bo:
        assert (await bo.open(tree))["role"] == "editor"
        since = time.monotonic()
        assert (await here.ask("PUT", member, {"role": "viewer"})).status_code == 200
        assert (await told_within(bo, since, "role"))["role"] == "viewer"
        [result] = await bo.results(tree, EDIT)
        assert (result["status"], result["code"]) == ("rejected", "forbidden")


async def test_a_tree_that_is_closed_to_the_tenant_or_deleted_is_gone_for_who_has_it_open(instances: Pair) -> None:
    """[AC4] [OP7]"""
    here, there = instances
    for method, body, kind, code in (
        ("PATCH", {"visibility": "private"}, "error", "not_found"),
        ("DELETE", None, "notice", "tree_deleted"),
    ):
        tree = await made(here)
        async with speaking(there, there.token("bo")) as bo:
            assert (await bo.open(tree))["type"] == "snapshot"
            since = time.monotonic()
            assert (await here.ask(method, f"/api/v1/trees/{tree}", body)).status_code in (200, 204)
            assert (await told_within(bo, since, kind))["code"] == code
            assert (await bo.open(tree))["code"] == "not_found"


async def test_an_open_socket_ends_with_its_token(instances: Pair) -> None:
    """[HS8] 4401, at most five seconds after the token's end; one that was refreshed stays."""
    here, _ = instances
    ends = RealClock().now() + 2.0

    def token(until: float) -> str:
        return mint(SECRET, tenant="acme", user="cy", expires_at=until)

    async with speaking(here, token(ends), client="one") as one, speaking(here, token(ends), client="two") as two:
        await two.say({"type": "auth", "token": token(ends + 60)})
        assert (await two.hear())["type"] == "welcome"
        _, code = await one.closed()
        assert code == 4401
        assert RealClock().now() <= int(ends) + 1 + WITHIN
        assert await two.answers() == []
