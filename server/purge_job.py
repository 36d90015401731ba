"""The daily job that empties the trash: what was deleted more than 30 days ago goes for good, through the hub."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

from storage.jobs import Counts, Job
from sync.errors import NotFound
from sync.hub import Hub
from sync.identity import Identity, TreeKey
from sync.ports import Clock, Directory
from sync.trash import Overdue

KEPT = timedelta(days=30)  # DESIGN §6; PROTOCOL TR28
ROUND = 200  # nodes asked for at a time, and so the most trees that are opened together
ROUNDS = 100  # of one run; what is left then waits for the next day
PAUSE_SECONDS = 60.0  # between rounds: the rooms that one opened are closed before the next opens more
_REQUEST = 16  # hex characters: 64 random bits tell two requests apart
_NOBODY = "treesync"  # whose name the log shows, as for what the server respaces

Hubs = Callable[[], AbstractAsyncContextManager[Hub]]


def purge_job(hubs: Hubs, directory: Directory, clock: Clock) -> Job:
    """`hubs` lends the hub that every writer goes through."""
    return Job(
        name="purge-trash",
        cron="0 4 * * *",
        summary="Removes for good what was deleted more than 30 days ago.",
        work=_PurgeTrash(hubs, directory, clock).work,
    )


class _PurgeTrash:
    """Repeatable: what a broken run purged is no longer found by the next."""

    def __init__(self, hubs: Hubs, directory: Directory, clock: Clock) -> None:
        self._hubs = hubs
        self._directory = directory
        self._clock = clock

    async def work(self, period: datetime, dry_run: bool) -> Counts:
        """Counts trees and nodes; of a node goes all that is below it. `refused`: trees that could not be written."""
        moment = period - KEPT
        if dry_run:
            found = await self._directory.overdue_trash(moment, limit=ROUND * ROUNDS)
            return {"trees": len(found), "nodes": sum(len(one.nodes) for one in found), "refused": 0}
        async with self._hubs() as hub:
            return await self._purge(hub, moment)

    async def _purge(self, hub: Hub, moment: datetime) -> Counts:
        trees: set[TreeKey] = set()
        refused: set[TreeKey] = set()
        nodes = 0
        for _ in range(ROUNDS):
            found = await self._directory.overdue_trash(moment, limit=ROUND, but=refused)
            for one in found:
                purged = await self._purge_tree(hub, one)
                nodes += purged
                (trees if purged else refused).add(one.key)
            if sum(len(one.nodes) for one in found) < ROUND:
                break
            await self._clock.sleep(PAUSE_SECONDS)
        return {"trees": len(trees), "nodes": nodes, "refused": len(refused)}

    async def _purge_tree(self, hub: Hub, one: Overdue) -> int:
        """How many nodes went. What was restored meanwhile stays, and a tree may be frozen or deleted by now."""
        identity = Identity(tenant=one.key.tenant, user=_NOBODY, role="admin", expires_at=float("inf"))
        try:
            outcome = await hub.purge(identity, one.key.tree, one.nodes, self._clock.token(_REQUEST))
        except NotFound:
            return 0
        return sum(1 for result in outcome.results if result.status == "applied")
