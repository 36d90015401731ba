"""The whole of an instance over the in-memory database, spoken to by HTTP without a network."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from server.app import Application, Foundation, Knowledge
from server.auth import mint
from server.settings import Settings
from storage.bus_local import LocalBus
from storage.memory import MemoryDatabase, MemoryStore
from storage.memory_analytics import MemoryAnalytics
from storage.memory_directory import MemoryDirectory
from storage.memory_feeds import MemoryFeeds
from storage.memory_hierarchy import MemoryHierarchies
from storage.memory_personal_metrics import MemoryMetrics
from storage.memory_search import MemorySearch
from storage.memory_structures import MemoryStructures
from storage.memory_templates import MemoryTemplates
from sync.errors import Unavailable
from sync.identity import TenantRole
from tests.clocks import ManualClock

SECRET = "a secret of the tests, of more than 32 bytes"
OPERATOR = "an operator's credential"


class Running:
    """An open application, its database, and a way to ask it things as somebody."""

    def __init__(self, client: httpx2.AsyncClient, app: Application, database: MemoryDatabase) -> None:
        self.client = client
        self.app = app
        self.database = database
        self.logged: list[tuple[str, dict[str, Any]]] = []
        self.away = False
        self.deaths: list[tuple[str, BaseException]] = []

    def token(self, user: str = "ada", *, tenant: str = "acme", role: TenantRole = "member", name: str = "") -> str:
        until = self.app.clock.now() + 3600
        return mint(SECRET, tenant=tenant, user=user, role=role, name=name, expires_at=until)

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        user: str | None = "ada",
        tenant: str = "acme",
        role: TenantRole = "member",
        bearer: str | None = None,
        content: bytes | None = None,
    ) -> httpx2.Response:
        """One request. `bearer` in place of a token of the user's; user None: no Authorization header."""
        token = bearer or (self.token(user, tenant=tenant, role=role) if user else None)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if content is not None:
            return await self.client.request(method, path, content=content, headers=headers)
        return await self.client.request(method, path, json=body, headers=headers)

    async def operator(self, method: str, path: str, body: Any = None) -> httpx2.Response:
        return await self.ask(method, path, body, bearer=OPERATOR)

    async def tree(self, *, user: str = "ada", tenant: str = "acme", **fields: Any) -> int:
        """A new tree's number."""
        body = {"name": "Strategy", "nodes": [{"id": "root", "type": "objective", "title": "Grow"}]} | fields
        answer = await self.ask("POST", "/api/v1/trees", body, user=user, tenant=tenant)
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])

    async def check(self) -> None:
        if self.away:
            raise Unavailable("the database is away")


@asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[Running]:
    """An application with these settings in place of the defaults, closed at the end."""
    wanted: dict[str, Any] = {"operator_token": OPERATOR, "jwt_secret": SECRET, "data_directory": Path("/nonexistent")}
    wanted |= settings
    clock = ManualClock()
    database = MemoryDatabase(clock)
    held: list[Running] = []

    async def check() -> None:
        await held[0].check()

    def log(event: str, **fields: Any) -> None:
        held[0].logged.append((event, fields))

    templates = MemoryTemplates()
    structures = MemoryStructures(database, templates)
    analytics = MemoryAnalytics(database, structures)
    knowledge = Knowledge(
        templates,
        structures,
        analytics,
        MemoryFeeds(database),
        MemoryMetrics(database),
        MemorySearch(database, templates),
        MemoryHierarchies(database),
    )
    foundation = Foundation(MemoryStore(database), MemoryDirectory(database), LocalBus(), check, knowledge=knowledge)
    app = Application(
        Settings(**wanted), foundation, clock=clock, secret=wanted["jwt_secret"], instance="i-test", log=log
    )
    transport = httpx2.ASGITransport(app=app.site)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        one = Running(client, app, database)
        held.append(one)
        await app.open(lambda name, error: one.deaths.append((name, error)))
        try:
            yield one
        finally:
            await app.close()
    assert not one.deaths, one.deaths
