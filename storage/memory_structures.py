"""`sync.structures.Structures` in memory, over a MemoryDatabase: see `storage.structures`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from storage.json_values import encoded
from storage.memory import ActivityRow, MemoryDatabase, spent_ms
from storage.memory_rows import TreeRows, rfc3339
from storage.projecting import Metrics, Projected, made_with, projected
from sync.access import role_in
from sync.effects import Import, Insert
from sync.errors import NotFound
from sync.identity import Identity, TreeKey
from sync.structure import Moment
from sync.structures import LEASE_SECONDS, Claimed, Page, Processed, TermUse, first_together
from sync.structuring import Subject
from sync.templates import Templates


class _Kept(msgspec.Struct):
    """What is kept of one tree beside its rows. Times in seconds since the epoch of Unix."""

    made: Projected | None = None
    stamp: tuple[str, int, str] = ("", 0, "")
    insights: Any = msgspec.UNSET
    processed: float | None = None
    version: int = 1
    claim: str = ""
    until: float = 0.0


class MemoryStructures:
    """Several instances may share one, as they share the database."""

    def __init__(self, database: MemoryDatabase, templates: Templates) -> None:
        self._database = database
        self.templates = templates
        self.kept: dict[TreeKey, _Kept] = {}
        self.asked = self.hits = 0

    async def structure(self, key: TreeKey) -> bytes:
        self._database.living(key)
        self.asked += 1
        self.hits += not await self._project(key)
        return await self._document(key)

    async def refresh(self, tenant: str, *, since: datetime | None) -> int:
        done = 0
        for key, rows in self._trees(tenant):
            if since is None or rows.updated >= since.timestamp():
                done += await self._project(key)
        return done

    async def level(self, tenant: str, owner: str) -> None:
        for key, rows in self._trees(tenant):
            if rows.rights.owner == owner:
                await self._project(key)

    async def claim(self, tenant: str, claim: str, *, limit: int, before: datetime | None) -> Claimed:
        now = self._database.clock.now()
        waiting = []
        for key, rows in self._trees(tenant):
            kept = self._kept(key)
            new = kept.processed is None
            old = before is not None and not new and (kept.processed or 0.0) < before.timestamp()
            if (new or old) and kept.until < now:
                waiting.append((not new, rows.updated, key))
        sizes = [(key.tree, self._nodes(key)) for _, _, key in sorted(waiting)[:limit]]
        claimed = [TreeKey(tenant, tree) for tree in first_together(sizes)]
        for key in claimed:
            self._kept(key).claim, self._kept(key).until = claim, now + LEASE_SECONDS
        structures = [msgspec.Raw(await self._document(key)) for key in claimed]
        return Claimed(claim=claim, until=rfc3339(now + LEASE_SECONDS) if claimed else "", structures=structures)

    async def complete(self, tenant: str, claim: str, results: Sequence[Processed]) -> list[int]:
        done = []
        for one in results:
            kept = self.kept.get(TreeKey(tenant, one.tree))
            if kept is not None and kept.claim == claim and claim:
                kept.insights, kept.processed = one.insights, self._database.clock.now()
                kept.version += 1
                kept.claim, kept.until = "", 0.0
                done.append(one.tree)
        return sorted(done)

    async def page(self, tenant: str, *, after: int, limit: int) -> Page:
        keys = sorted(key for key, _ in self._trees(tenant) if key.tree > after)[:limit]
        trees = first_together([(key.tree, self._nodes(key)) for key in keys])
        documents = [await self._document(TreeKey(tenant, tree)) for tree in trees]
        return Page(documents, trees[-1] if len(trees) == limit or len(trees) < len(keys) else None)

    async def with_term(self, identity: Identity, term: str, *, after: int, limit: int) -> list[TermUse]:
        found = []
        for key, rows in sorted(self._trees(identity.tenant), key=lambda one: one[0]):
            made = self._kept(key).made
            if made is None or key.tree <= after or role_in(rows.rights, identity) is None:
                continue
            found += [
                TermUse(tree=key.tree, name=made.structure.metadata.name, node_count=count, nodes=nodes)
                for name, count, nodes in made.terms
                if name == term
            ]
        return found[:limit]

    def _trees(self, tenant: str) -> list[tuple[TreeKey, TreeRows]]:
        trees = self._database.trees.items()
        return [(key, rows) for key, rows in trees if key.tenant == tenant and rows.deleted_at is None]

    def _nodes(self, key: TreeKey) -> int:
        return self._database.trees[key].node_count

    def _kept(self, key: TreeKey) -> _Kept:
        return self.kept.setdefault(key, _Kept())

    async def _document(self, key: TreeKey) -> bytes:
        await self._project(key)
        kept = self._kept(key)
        if kept.made is None:
            raise NotFound("no such tree")
        structure = kept.made.structure
        metadata = msgspec.structs.replace(structure.ai_metadata, latest_insights=kept.insights)
        return encoded(msgspec.structs.replace(structure, ai_metadata=metadata)).encode()

    async def _project(self, key: TreeKey) -> int:
        """Whether it was behind."""
        rows, kept = self._database.living(key), self._kept(key)
        templates = await self.templates.node_templates(key.tenant)
        stamp = (rows.head.epoch, rows.head.seq, made_with(templates))
        if kept.stamp == stamp:
            return 0
        evolution: Sequence[Moment] = kept.made.structure.ai_metadata.evolution if kept.made is not None else []
        kept.made = projected(_subject(key, rows), templates, evolution, self._metrics(key, rows))
        kept.stamp = stamp
        return 1

    def _metrics(self, key: TreeKey, rows: TreeRows) -> dict[str, Metrics]:
        found: dict[str, Metrics] = {}
        for op in rows.ops(0, rows.head.seq):
            metrics = found.setdefault(op.author.user, Metrics())
            metrics.edits += 1
            metrics.nodes_created += _made(op.effect)
        measured: dict[str, list[ActivityRow]] = {}
        for row in self._database.activities:
            if row.key == key and row.duration_ms > 0:
                measured.setdefault(row.author.user, []).append(row)
        for user, reported in measured.items():
            found.setdefault(user, Metrics()).time_spent_ms = spent_ms(reported)
        return found


def _made(effect: object) -> int:
    return len(effect.nodes) if isinstance(effect, Import) else int(isinstance(effect, Insert))


def _subject(key: TreeKey, rows: TreeRows) -> Subject:
    loaded = rows.loaded()
    return Subject(
        tree=key.tree,
        owner=loaded.rights.owner,
        epoch=loaded.head.epoch,
        seq=loaded.head.seq,
        details=loaded.details,
        created_at=rfc3339(rows.created),
        updated_at=rfc3339(rows.updated),
        nodes=[row.node for row in loaded.nodes if row.deleted is None],
        connections=[row.connection for row in loaded.connections if row.deleted is None],
    )
