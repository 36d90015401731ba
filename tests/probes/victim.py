"""What is attacked: trees with things in every corner that only their owner may see, and names of what is not there."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import msgspec

from storage.embedded import EmbeddedPostgres
from tests.commands import Command, treesync
from tests.speakers import speaking

CANARY = "CANARY"  # in every text of the victim's; where a stranger reads it, something leaks
READY_SECONDS = 120.0  # of a busy machine
FIRST_TREE = 74_110  # numbers that stand nowhere else in an answer
OWNER, TENANT = "victor", "victim"
# everything there is about those trees, so that it can be seen that nothing was changed
TABLES = ("tree_nodes", "tree_connections", "tree_heads", "tree_ops", "tree_members", "conflicts", "conflict_parties")
ROWS = "SELECT to_jsonb(t)::text AS row FROM {} AS t WHERE tenant_id = $1 AND tree_id = ANY ($2) ORDER BY 1"


class Names(NamedTuple):
    """The ids of a request, by what they name. A victim's and a ghost's have the same lengths, one by one."""

    tree: int
    trashed_tree: int
    nodes: tuple[str, ...]
    connection: str
    user: str
    tenant: str
    epoch: str
    mark: str


class Victim(msgspec.Struct, frozen=True):
    real: Names
    ghost: Names


async def furnish(instance: Command, dsn: str) -> Victim:
    """Make it, as its owner."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"ALTER TABLE impact_trees ALTER COLUMN id RESTART WITH {FIRST_TREE}")
    await connection.close()
    bearer = instance.token(OWNER, TENANT)

    async def ask(method: str, path: str, body: Any = None) -> Any:
        answer = await instance.ask(method, path, body, bearer=bearer)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    nodes = [
        {"id": "vic-root", "type": "objective", "title": f"{CANARY} root", "description": CANARY},
        {"id": "vic-leaf", "parent": "vic-root", "type": "metric", "title": CANARY, "metadata": {"k": CANARY}},
        {"id": "vic-gone", "parent": "vic-root", "type": "metric", "title": CANARY},
    ]
    links = [{"id": "vic-link", "from": "vic-root", "to": "vic-leaf", "label": CANARY}]
    tree, trashed = [
        (await ask("POST", "/api/v1/trees", {"name": f"{CANARY} {name}", "nodes": nodes, "connections": links}))["id"]
        for name in ("plan", "old")
    ]
    ops = [
        {"n": 1, "base": 2, "op": "update", "node": "vic-leaf", "set": {"title": f"{CANARY} 2"}},
        {"n": 2, "base": 2, "op": "delete", "node": "vic-gone"},
    ]
    await ask("POST", f"/api/v1/trees/{tree}/edits", {"client_id": "victims", "ops": ops})
    aside = {"n": 1, "base": 2, "op": "insert", "node": "x", "parent": "no", "type": "metric", "title": CANARY}
    await ask("POST", f"/api/v1/trees/{tree}/edits", {"client_id": "victims-2", "mode": "replay", "ops": [aside]})
    await ask("PUT", f"/api/v1/trees/{tree}/members/vicky", {"role": "editor"})
    await ask("DELETE", f"/api/v1/trees/{trashed}")
    position = (await ask("GET", f"/api/v1/trees/{tree}"))["position"]
    real = Names(
        tree=tree,
        trashed_tree=trashed,
        nodes=("vic-root", "vic-leaf", "vic-gone"),
        connection="vic-link",
        user="vicky",
        tenant=TENANT,
        epoch=position["epoch"],
        mark=position["mark"],
    )
    ghost = Names(
        tree=real.tree + 9_000,
        trashed_tree=real.trashed_tree + 9_000,
        nodes=("not-root", "not-leaf", "not-gone"),
        connection="not-link",
        user="nicky",
        tenant="nobody",
        epoch="0" * len(real.epoch),
        mark="0" * len(real.mark),
    )
    assert [len(str(one)) for one in real] == [len(str(one)) for one in ghost]
    return Victim(real, ghost)


class Scene(NamedTuple):
    """A server, and who is attacked on it."""

    instance: Command
    dsn: str
    victim: Victim

    async def described(self) -> dict[str, Any]:
        """What the server says of itself."""
        answer: dict[str, Any] = (await self.instance.ask("GET", "/openapi.json")).json()
        return answer

    async def fingerprint(self) -> str:
        """Of all rows of the victim's trees."""
        names = self.victim.real
        connection = await asyncpg.connect(self.dsn)
        seen = hashlib.sha256()
        try:
            for table in TABLES:
                query = ROWS.format(table)
                for row in await connection.fetch(query, names.tenant, [names.tree, names.trashed_tree]):
                    seen.update(row["row"].encode())
        finally:
            await connection.close()
        return seen.hexdigest()


@asynccontextmanager
async def attacked() -> AsyncIterator[Scene]:
    """Everything started and furnished, with the owner in his tree and a canary in his presence; ended afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="treesync-probes-"))
    os.chmod(folder, 0o755)  # the database's own account must reach its folder
    async with AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        postgres = EmbeddedPostgres(folder / "postgres")
        await postgres.start()
        stack.push_async_callback(postgres.stop, immediately=True)
        serving = treesync("serve", directory=folder, DATABASE_URL=postgres.dsn())
        instance = await stack.enter_async_context(serving)
        await instance.until_ready(READY_SECONDS)
        victim = await furnish(instance, postgres.dsn())
        owner = speaking(instance, instance.token(OWNER, TENANT), client="victor-sits")
        speaker = await stack.enter_async_context(owner)
        assert (await speaker.open(victim.real.tree))["type"] == "snapshot"
        shown = {"selection": ["vic-root"], "note": CANARY}
        await speaker.say({"type": "presence", "tree": victim.real.tree, "state": shown})
        yield Scene(instance, postgres.dsn(), victim)
        assert "Traceback" not in instance.said(), instance.said()
