"""Canaries for secrets, at the most talkative level, on good days and bad: none is ever written (reliability B 37).

What people write in their trees is no secret of ours, and none of the log's business either.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest
from websockets.asyncio.client import connect as websocket
from websockets.exceptions import WebSocketException

from storage.embedded import EmbeddedPostgres
from tests.commands import Command, treesync
from tests.redis_server import RedisServer
from tests.speakers import WITHIN, speaking

# each of another kind, so that no pattern catches them all
JWT_SECRET = "canary/jwt+secret=of-more-than-32-bytes!"
OPERATOR = "canary.operator~credential"
POSTGRES_PASSWORD = "canaryPostgresPassword7"
REDIS_PASSWORD = "canaryRedisPassword9"
IN_QUERY, IN_COOKIE, IN_HEADER, IN_HELLO = "canary1Query", "canary2Cookie", "canary3Header", "canary4Hello"
IN_BODY, IN_TREE = "canary5Body", "canary6Tree"
CLAIMED = "canary7Claim"
CANARIES = (
    JWT_SECRET, OPERATOR, POSTGRES_PASSWORD, REDIS_PASSWORD, IN_QUERY, IN_COOKIE, IN_HEADER, IN_HELLO, IN_BODY, IN_TREE,
    CLAIMED,
)  # fmt: skip


@asynccontextmanager
async def talkative(folder: Path) -> AsyncIterator[tuple[Command, EmbeddedPostgres, RedisServer]]:
    postgres, redis = EmbeddedPostgres(folder / "postgres"), RedisServer(folder)
    await postgres.start()
    await asyncio.to_thread(redis.start)
    environment: Any = {
        "DATABASE_URL": postgres.dsn().replace("postgres@", f"postgres:{POSTGRES_PASSWORD}@"),
        "REDIS_URL": redis.url.replace("redis://", f"redis://:{REDIS_PASSWORD}@"),
        "TREESYNC_JWT_SECRET": JWT_SECRET,
        "TREESYNC_OPERATOR_TOKEN": OPERATOR,
        "LOG_LEVEL": "debug",
        "TREESYNC_LOG_FORMAT": "json",
        "TREESYNC_CONNECT_SECONDS": "1",
        "TREESYNC_ACQUIRE_SECONDS": "2",
    }
    assert redis.command("CONFIG", "SET", "requirepass", REDIS_PASSWORD) == b"+OK\r\n"
    try:
        async with treesync("serve", directory=folder, **environment) as command:
            async with asyncio.timeout(60):
                while (await said(command, "GET", "/readyz")) != 200:  # noqa: ASYNC110 - another process starts
                    await asyncio.sleep(0.05)
            yield command, postgres, redis
    finally:
        redis.stop()
        await postgres.stop(immediately=True)


def good_token(command: Command) -> str:
    return jwt.encode({"sub": "ada", "tenant": "acme", "exp": 4_000_000_000}, JWT_SECRET, algorithm="HS256")


async def said(command: Command, method: str, path: str, *, bearer: str = "", body: Any = None) -> int:
    """The status, 0 where none came."""
    headers = {"Authorization": f"Bearer {bearer}", "Cookie": f"session={IN_COOKIE}"} if bearer else {}
    with contextlib.suppress(httpx2.HTTPError):
        async with httpx2.AsyncClient(base_url=command.url, timeout=30.0) as client:
            return (await client.request(method, path, json=body, headers=headers)).status_code
    return 0


def bad_tokens() -> list[str]:
    """Each holds a canary."""
    claims = {"sub": CLAIMED, "tenant": CLAIMED, "exp": 4_000_000_000}
    forged = jwt.encode(claims, "another secret of more than thirty-two bytes", algorithm="HS256")
    late = jwt.encode(claims | {"exp": 1}, JWT_SECRET, algorithm="HS256")
    return [IN_HEADER, f"{IN_HEADER}.x.y", forged, late, f"{forged} {IN_HEADER}", forged[:-5] + IN_HEADER]


async def use(command: Command) -> int:
    """Everything that carries a secret or a text, once; the number of the tree that was made."""
    bearer = good_token(command)
    title = {"id": "root", "type": "metric", "title": IN_TREE}
    await said(
        command, "POST", f"/api/v1/trees?token={IN_QUERY}", bearer=bearer, body={"name": IN_TREE, "nodes": [title]}
    )
    await said(command, "POST", "/api/v1/trees", bearer=bearer, body={"name": IN_TREE, "nodes": [{"title": IN_BODY}]})
    await said(command, "GET", f"/api/v1/trees/{IN_QUERY}?access_token={IN_QUERY}", bearer=bearer)
    await said(command, "GET", f"/{IN_QUERY}?password={IN_QUERY}")
    for path in ("/metrics", "/health", "/admin/rooms", "/admin/jobs"):
        await said(command, "GET", path, bearer=OPERATOR)
    for token in bad_tokens():
        assert await said(command, "GET", "/api/v1/trees", bearer=token) in (0, 401)
        await greeted(command, token=token)
    await greeted(command, token=IN_HELLO, query=f"?token={IN_QUERY}", header=IN_HEADER)
    async with httpx2.AsyncClient(base_url=command.url, headers={"Authorization": f"Bearer {bearer}"}) as client:
        tree = (await client.get("/api/v1/trees")).json()["trees"][0]["id"]
    async with speaking(command, bearer) as speaker:
        assert (await speaker.open(tree))["type"] == "snapshot"
        op = {"n": 1, "base": 2, "op": "update", "node": "root", "set": {"title": f"{IN_TREE} 2"}}
        assert [one["status"] for one in await speaker.results(tree, op)] == ["applied"]
        await speaker.say({"type": "auth", "token": IN_HELLO, "ref": 1})
        assert (await speaker.hear("error"))["code"] == "unauthorised"
        await speaker.raw(f'{{"type":"edit","token":"{IN_BODY}'.encode())
        await speaker.closed()
    return int(tree)


async def greeted(command: Command, *, token: str, query: str = "", header: str = "") -> None:
    """A socket that says hello, and is told whatever it is told."""
    headers = {"Authorization": f"Bearer {header}"} if header else {}
    with contextlib.suppress(WebSocketException, OSError, TimeoutError):
        url = f"ws://127.0.0.1:{command.port}/ws{query}"
        async with websocket(url, additional_headers=headers, proxy=None, compression=None) as connection:
            await connection.send(f'{{"type":"hello","protocol":1,"token":"{token}","client_id":"c"}}')
            async with asyncio.timeout(WITHIN):
                await connection.recv()


def is_clean(written: str) -> bool:
    """Whether nothing secret stands there."""
    tails = [token.rsplit(".", 1)[-1] for token in bad_tokens()]
    return not [one for one in (*CANARIES, *tails) if len(one) > 5 and one in written]


@pytest.mark.timeout(300)  # a minute on an idle machine at most
async def test_no_secret_is_written_on_a_good_day_or_a_bad_one(tmp_path: Path) -> None:
    """First all is well; then the database is gone, the bus too, which comes back as one that takes no password."""
    async with talkative(tmp_path) as (command, postgres, redis):
        bearer = good_token(command)
        assert await use(command) > 0
        redis.stop()
        await postgres.stop(immediately=True)
        body = {"name": IN_TREE, "nodes": [{"id": "root", "type": "metric", "title": IN_TREE}]}
        assert await said(command, "POST", f"/api/v1/trees?token={IN_QUERY}", bearer=bearer, body=body) == 503
        await greeted(command, token=bearer, query=f"?token={IN_QUERY}", header=IN_HEADER)
        await postgres.start()
        redis.start()  # without its password: what the server says to it is refused
        async with asyncio.timeout(60):
            while await said(command, "GET", "/readyz") != 200:  # noqa: ASYNC110 - another process comes back
                await asyncio.sleep(0.05)
        await command.stop()
        written = command.said()
        assert "cannot be reached" in written, "it has something to say"
        assert is_clean(written), written
        assert bearer.rsplit(".", 1)[-1] not in written
