"""The stack of a soak and who uses it."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random

from server.auth import mint
from server.demo import demo_tree
from storage.embedded import SUPERUSER, EmbeddedPostgres
from tests.clocks import RealClock
from tests.commands import SECRET, Command, free_port, treesync
from tests.redis_server import RedisServer
from tests.soak.person import Person
from treesync_client import connect

TENANT = "acme"
BUSY_TREES = 6  # where nine visits of ten go, always open
QUIET_TREES = 24  # opened now and then, and closed again by their server
BUSY_SHARE = 0.9
TOKEN_SECONDS = 120.0  # short, so that tokens are refreshed on open sockets too
READY_SECONDS = 120.0  # of a busy machine


class Stack:
    """Servers on one database and one bus."""

    def __init__(self, instances: list[Command], dsn: str) -> None:
        self.instances = instances
        self.dsn = dsn
        self.trees: list[int] = []

    async def furnish(self) -> None:
        """The trees that everybody works on."""
        details, nodes, connections = demo_tree()
        async with connect(self.instances[0].url, token_of("owner")) as client:
            for _ in range(BUSY_TREES + QUIET_TREES):
                made = await client.create_tree(
                    "Soak", visibility="tenant_edit", nodes=nodes, connections=connections, details=details
                )
                self.trees.append(made)

    def pick(self, chance: Random) -> int:
        busy = chance.random() < BUSY_SHARE
        return chance.choice(self.trees[:BUSY_TREES] if busy else self.trees[BUSY_TREES:])


def token_of(user: str) -> Callable[[], Awaitable[str]]:
    async def token() -> str:
        until = RealClock().now() + TOKEN_SECONDS
        return mint(SECRET, tenant=TENANT, user=user, role="admin", expires_at=until)

    return token


@asynccontextmanager
async def stacked(weights: Path, instances: int = 2) -> AsyncIterator[Stack]:
    """Everything started and furnished; ended afterwards. `weights` is the folder for what each server weighs."""
    folder = Path(tempfile.mkdtemp(prefix="treesync-soak-"))
    os.chmod(folder, 0o755)  # the database's own account must reach its folder
    async with AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        postgres, redis = EmbeddedPostgres(folder / "postgres"), RedisServer(folder)
        await postgres.start()
        stack.push_async_callback(postgres.stop, immediately=True)
        await asyncio.to_thread(redis.start)
        stack.callback(redis.stop)
        # each its own pool: the database's place is a Unix socket, which asyncpg takes as a host
        environment = {"DATABASE_URL": postgres.dsn(), "REDIS_URL": redis.url, "LOG_LEVEL": "warning"}
        serving = []
        for number in range(1, instances + 1):
            environment["WEIGHED"] = str(weights / f"server-{number}.jsonl")
            serve = treesync("serve", directory=folder, port=free_port(), module="tests.soak.weighed", **environment)
            serving.append(await stack.enter_async_context(serve))
        for command in serving:
            await command.until_ready(READY_SECONDS)
        made = Stack(serving, postgres.dsn())
        assert SUPERUSER in made.dsn
        await made.furnish()
        yield made
        for command in serving:
            assert await command.stop() == 0, command.said()
            assert "Traceback" not in command.said(), command.said()


@asynccontextmanager
async def peopled(stack: Stack, people: int, seed: int) -> AsyncIterator[Counter[str]]:
    """That many people at work, spread over the servers; answers what they have done, as it grows."""
    counted: Counter[str] = Counter()
    chance = Random(seed)
    working = []
    for number in range(people):
        url = stack.instances[number % len(stack.instances)].url
        user = f"user-{number}"
        person = Person(user, url, token_of(user), stack.pick, Random(chance.getrandbits(64)), counted)
        working.append(asyncio.create_task(person.live(), name=f"soak:{user}"))
    try:
        yield counted
        for one in working:
            if one.done():
                one.result()  # raises what ended it
    finally:
        for one in working:
            one.cancel()
        await asyncio.gather(*working, return_exceptions=True)
