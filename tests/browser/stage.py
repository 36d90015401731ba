"""A real server, with trees to meet in, that a test can stop and start again where it was."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Literal

from server.auth import mint
from tests.clocks import RealClock
from tests.commands import SECRET, Command, free_port, treesync

READY_SECONDS = 60.0  # its database is made in two, but a browser may be at work on the same two cores
Node = dict[str, Any]
NAMES = {"ada": "Ada Lovelace", "bo": "Bo Diddley", "cy": "Cy Twombly"}
# Every type, three levels, and a leaf that can be dragged about
NODES: list[Node] = [
    {"id": "goal", "type": "objective", "title": "Grow", "position": {"x": 400, "y": 0}},
    {"id": "reach", "type": "outcome", "parent": "goal", "title": "Reach more people", "position": {"x": 0, "y": 200}},
    {
        "id": "keep",
        "type": "outcome",
        "parent": "goal",
        "title": "Keep those we have",
        "position": {"x": 560, "y": 200},
    },
    {"id": "word", "type": "opportunity", "parent": "reach", "title": "Word of mouth", "position": {"x": 0, "y": 400}},
    {"id": "search", "type": "solution", "parent": "reach", "title": "Be found", "position": {"x": 280, "y": 400}},
    {
        "id": "calls",
        "type": "assumption",
        "parent": "keep",
        "title": "People want calls",
        "position": {"x": 560, "y": 400},
    },
    {"id": "churn", "type": "metric", "parent": "keep", "title": "Churn", "position": {"x": 840, "y": 400}},
]


class Stage:
    """A server, and trees in its tenant `acme`. `arguments`: its command line, without the port."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self._directory = directory
        self._arguments = arguments
        self._port = free_port()
        self._running: AsyncExitStack | None = None
        self._born: dict[int, int] = {}  # the seq of each tree as it was made
        self.command: Command

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        assert self._running is None, "it runs already"
        self._running = AsyncExitStack()
        server = treesync(*self._arguments, directory=self._directory, port=self._port)
        self.command = await self._running.enter_async_context(server)
        await self.command.until_ready(READY_SECONDS)

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        assert self._running is not None, "it does not run"
        async with self._running:
            self._running = None
            status = await self.command.stop(how)
        assert status == (0 if how == signal.SIGTERM else -how), self.command.said()

    async def make_sure_it_runs(self) -> None:
        if self._running is None:
            await self.start()

    def token(self, user: str, *, seconds: float = 3600.0) -> str:
        expires_at = RealClock().now() + seconds
        return mint(SECRET, tenant="acme", user=user, name=NAMES.get(user, user), expires_at=expires_at)

    def link(self, user: str, tree: int) -> str:
        """The page with that tree open: the token is in the fragment, which no server sees."""
        return f"{self.url}/#token={self.token(user)}&tree={tree}"

    async def ask(self, method: str, path: str, body: Any = None, *, user: str = "ada") -> Any:
        answer = await self.command.ask(method, path, body, bearer=self.token(user))
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def tree(
        self,
        nodes: list[Node] | None = None,
        *,
        visibility: Literal["private", "tenant_view", "tenant_edit"] = "tenant_edit",
        **fields: Any,
    ) -> int:
        """A new tree of Ada's; its number."""
        body = {"name": "Strategy", "visibility": visibility, "nodes": NODES if nodes is None else nodes} | fields
        tree = int((await self.ask("POST", "/api/v1/trees", body))["id"])
        self._born[tree] = await self._seq(tree)
        return tree

    async def _seq(self, tree: int) -> int:
        return int((await self.ask("GET", f"/api/v1/trees/{tree}"))["position"]["seq"])

    async def changes(self, tree: int) -> int:
        """How many ops were applied since it was made: what counts twice shows here."""
        return await self._seq(tree) - self._born[tree]

    async def nodes(self, tree: int) -> dict[str, Node]:
        state = (await self.ask("GET", f"/api/v1/trees/{tree}"))["state"]
        return {node["id"]: node for node in state["nodes"]}


@asynccontextmanager
async def staged(directory: Path, *arguments: str) -> AsyncIterator[Stage]:
    stage = Stage(directory, *arguments)
    await stage.start()
    try:
        yield stage
    finally:
        await stage.make_sure_it_runs()  # so that its database is stopped by it
        await stage.stop()
