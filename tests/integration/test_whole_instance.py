"""One instance on a real port: pages, HTTP and sockets together, over the in-memory database."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websocket
from websockets.exceptions import ConnectionClosed

from server.app import Application, Foundation
from server.auth import mint
from server.runner import Server, configure
from server.settings import Settings
from storage.bus_local import LocalBus
from storage.memory import MemoryDatabase, MemoryStore
from storage.memory_directory import MemoryDirectory
from tests.applications import SECRET
from tests.clocks import RealClock
from tests.waiting import until

WITHIN = 10.0


class Instance:
    def __init__(self, app: Application, server: Server, port: int, task: asyncio.Task[None]) -> None:
        self.app = app
        self.server = server
        self.port = port
        self.task = task
        self.http = httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}")

    def token(self, user: str) -> str:
        return mint(SECRET, tenant="acme", user=user, expires_at=self.app.clock.now() + 60)

    async def ask(self, method: str, path: str, body: Any = None, user: str = "ada") -> httpx2.Response:
        return await self.http.request(method, path, json=body, headers={"Authorization": f"Bearer {self.token(user)}"})

    @asynccontextmanager
    async def socket(self, user: str, tree: int) -> AsyncIterator[ClientConnection]:
        """A socket that has the tree open, its snapshot already read."""
        url = f"ws://127.0.0.1:{self.port}/ws"
        async with websocket(url, proxy=None, compression=None) as connection:
            await say(connection, type="hello", protocol=1, token=self.token(user), client_id=f"{user}-1")
            assert (await hear(connection))["type"] == "welcome"
            await say(connection, type="open", ref=1, tree=tree)
            assert (await hear(connection))["type"] == "snapshot"
            yield connection


async def say(connection: ClientConnection, **message: Any) -> None:
    await connection.send(json.dumps(message))


async def hear(connection: ClientConnection, *kinds: str) -> dict[str, Any]:
    """The next message, or the next of these kinds."""
    async with asyncio.timeout(WITHIN):
        while True:
            message: dict[str, Any] = json.loads(await connection.recv())
            if not kinds or message["type"] in kinds:
                return message


@pytest.fixture
async def instance() -> AsyncIterator[Instance]:
    clock = RealClock()
    database = MemoryDatabase(clock)

    async def check() -> None:
        return

    settings = Settings(jwt_secret=SECRET, data_directory=Path("/nonexistent"))  # type: ignore[arg-type]
    foundation = Foundation(MemoryStore(database), MemoryDirectory(database), LocalBus(), check)
    app = Application(settings, foundation, clock=clock, secret=SECRET, instance="i-1", log=lambda *_, **__: None)
    config = configure(app.site, app.websocket)
    server = Server(config, stop_taking=app.stop_taking, drain=app.drain, log=lambda *_, **__: None)
    await app.open(server.fail)
    listening = socket.create_server(("127.0.0.1", 0))
    task = asyncio.create_task(server.serve([listening]), name="server under test")
    await until(lambda: server.started or task.done(), "the server has started")
    one = Instance(app, server, listening.getsockname()[1], task)
    try:
        yield one
    finally:
        await one.http.aclose()
        server.should_exit = True
        await asyncio.wait_for(task, WITHIN)
        await app.close()
    assert server.failure is None


async def made(instance: Instance) -> int:
    body = {
        "name": "Strategy",
        "visibility": "tenant_edit",
        "nodes": [{"id": "root", "type": "objective", "title": "Grow"}],
    }
    answer = await instance.ask("POST", "/api/v1/trees", body)
    assert answer.status_code == 201
    return int(answer.json()["id"])


async def test_an_edit_by_http_is_seen_on_a_socket_and_the_other_way_round(instance: Instance) -> None:
    tree = await made(instance)
    async with instance.socket("bo", tree) as bo:
        op = {"n": 1, "base": 2, "op": "update", "node": "root", "set": {"title": "Grow 20%"}}
        answer = await instance.ask("POST", f"/api/v1/trees/{tree}/edits", {"client_id": "script", "ops": [op]})
        assert answer.json()["results"][0]["status"] == "applied"
        frame = await hear(bo, "ops")
        assert frame["ops"][0]["set"] == {"title": "Grow 20%"}
        assert frame["authors"] == [{"user": "ada", "client": "script"}]
        op = {"n": 1, "base": frame["seq"], "op": "update", "node": "root", "set": {"title": "Grow 30%"}}
        await say(bo, type="edit", tree=tree, ops=[op])
        assert (await hear(bo, "outcome"))["results"][0]["status"] == "applied"
    state = (await instance.ask("GET", f"/api/v1/trees/{tree}")).json()["state"]
    assert state["nodes"][0]["title"] == "Grow 30%"


async def test_a_change_of_rights_reaches_an_open_socket(instance: Instance) -> None:
    tree = await made(instance)
    async with instance.socket("bo", tree) as bo:
        await instance.ask("PATCH", f"/api/v1/trees/{tree}", {"visibility": "tenant_view"})
        assert (await hear(bo, "role"))["role"] == "viewer"
        await instance.ask("DELETE", f"/api/v1/trees/{tree}")
        assert (await hear(bo, "notice"))["code"] == "tree_deleted"


async def test_the_trash_is_seen_and_emptied_by_http(instance: Instance) -> None:
    """[TR27, TR29, TR30]"""
    tree = await made(instance)
    async with instance.socket("bo", tree) as bo:
        ops = [
            {"n": 1, "base": 2, "op": "insert", "node": "a", "parent": "root", "type": "metric", "title": "A"},
            {"n": 2, "base": 2, "op": "delete", "node": "a"},
        ]
        await say(bo, type="edit", tree=tree, ops=ops)
        assert (await hear(bo, "ops"))["seq"] == 4
        [line] = (await instance.ask("GET", f"/api/v1/trees/{tree}/trash")).json()["trash"]
        assert (line["node"], line["title"], line["nodes"], line["by"], line["seq"]) == ("a", "A", 1, "bo", 4)
        assert (await instance.ask("DELETE", f"/api/v1/trees/{tree}/trash/a", user="bo")).status_code == 403
        assert (await instance.ask("DELETE", f"/api/v1/trees/{tree}/trash/a")).status_code == 204
        frame = await hear(bo, "ops")
        assert frame["ops"] == [{"by": 0, "n": 1, "op": "purge", "node": "a"}]
        await say(bo, type="edit", tree=tree, ops=[{"n": 3, "base": 5, "op": "restore", "node": "a"}])
        assert (await hear(bo, "outcome"))["results"][0]["code"] == "node_missing"
        await say(bo, type="open", ref=2, tree=tree, reason="digest")
        assert (await hear(bo, "snapshot"))["position"]["seq"] == 5
    assert (await instance.ask("GET", f"/api/v1/trees/{tree}/trash")).json() == {"trash": [], "next": None}
    assert "treesync_digest_mismatches_total 1.0" in (await instance.http.get("/metrics")).text


async def test_the_page_and_the_client_are_served_beside_the_socket(instance: Instance) -> None:
    for path, kind in (("/", "text/html"), ("/client.js", "javascript"), ("/docs", "text/html")):
        answer = await instance.http.get(path)
        assert answer.status_code == 200
        assert kind in answer.headers["content-type"]
    assert "server" not in answer.headers


async def test_a_stop_tells_everyone_and_closes_with_a_code_to_come_back(instance: Instance) -> None:
    tree = await made(instance)
    async with instance.socket("bo", tree) as bo:
        instance.server.should_exit = True
        notice = await hear(bo, "notice")
        assert (notice["code"], notice["retry_ms"] > 0) == ("draining", True)
        with pytest.raises(ConnectionClosed):
            await hear(bo, "nothing")
        assert bo.close_code == 1012


async def test_a_dead_task_stops_the_server_loudly(instance: Instance) -> None:
    death = RuntimeError("a lane is gone")
    instance.app.hub.on_task_death("commit:0", death)
    await asyncio.wait_for(asyncio.shield(instance.task), WITHIN)
    assert instance.server.failure is death
    instance.server.failure = None  # as expected
