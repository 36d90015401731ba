"""Versions and the way through the log of the in-memory database: see `sync.versions`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec

from storage.memory_rows import TreeRows, encoded, rfc3339
from sync import effects
from sync.identity import TreeKey
from sync.ports import LOOKED_AT, Clock, LoggedOp
from sync.versions import TreeVersion


class MemoryPast:
    """`VersionStore` and `PastReader` over the rows of trees; a part of MemoryStore."""

    def __init__(self, rows: Callable[[TreeKey], TreeRows], clock: Clock) -> None:
        """`rows` raises NotFound where there is no such tree."""
        self._rows = rows
        self._clock = clock

    async def keep_version(self, key: TreeKey, version: TreeVersion) -> TreeVersion | None:
        versions = self._rows(key).versions
        for kept in versions:
            later = kept.kind == version.kind == "automatic" and kept.seq > version.seq
            if kept.epoch == version.epoch and (kept.seq == version.seq or later):
                return None
        at = rfc3339(self._clock.now())
        numbered = msgspec.structs.replace(version, number=len(versions) + 1, at=at)
        encoded([numbered.user, numbered.description, numbered.name])
        versions.append(numbered)
        return numbered

    async def version_before(self, key: TreeKey, epoch: str, seq: int) -> TreeVersion | None:
        versions = self._rows(key).versions
        fitting = [kept for kept in versions if kept.epoch == epoch and kept.seq <= seq and not kept.thinned]
        return max(fitting, key=lambda kept: kept.seq, default=None)

    async def version(self, key: TreeKey, number: int) -> TreeVersion | None:
        versions = self._rows(key).versions
        return _line(versions[number - 1]) if 1 <= number <= len(versions) else None

    async def version_at(self, key: TreeKey, epoch: str, seq: int) -> TreeVersion | None:
        versions = self._rows(key).versions
        return next((_line(kept) for kept in versions if (kept.epoch, kept.seq) == (epoch, seq)), None)

    async def versions(self, key: TreeKey, *, limit: int, before: int | None = None) -> list[TreeVersion]:
        kept = [one for one in self._rows(key).versions if not one.thinned and one.number < (before or 2**31)]
        return [_line(one) for one in kept[::-1][:limit]]

    async def rename_version(self, key: TreeKey, version: TreeVersion) -> TreeVersion | None:
        versions = self._rows(key).versions
        if not 1 <= version.number <= len(versions):
            return None
        kept = versions[version.number - 1]
        encoded([version.user, version.description, version.name])
        versions[version.number - 1] = named = msgspec.structs.replace(
            kept,
            name=version.name,
            description=version.description,
            user=version.user,
            kind="named",
            thinned=False,
            state=kept.state or version.state,
        )
        return _line(named)

    async def seq_at(self, key: TreeKey, moment: datetime) -> int:
        rows = self._rows(key)
        return sum(1 for op in rows.ops(0, len(rows.log)) if datetime.fromisoformat(op.at) <= moment)

    async def node_ops(self, key: TreeKey, node: str, *, before: int, limit: int) -> tuple[list[LoggedOp], int]:
        rows = self._rows(key)
        before = min(before, len(rows.log) + 1)
        least = max(before - LOOKED_AT, 1)
        found = [op for op in rows.ops(least - 1, before - 1) if _concerns(op, node)][::-1][:limit]
        following = found[-1].seq if len(found) == limit else least
        return found, following if following > 1 else 0

    async def ops_span(self, key: TreeKey, user: str, client: str) -> tuple[int, int, int]:
        rows = self._rows(key)
        ops = rows.ops(0, len(rows.log))
        seqs = [op.seq for op in ops if user in ("", op.author.user) and client in ("", op.author.client)]
        return (seqs[0], seqs[-1], len(seqs)) if seqs else (0, 0, 0)


def _concerns(op: LoggedOp, node: str) -> bool:
    made = {one.id for one in op.effect.nodes} if isinstance(op.effect, effects.Import) else set()
    return getattr(op.effect, "node", None) == node or node in op.inverse.get("nodes", ()) or node in made


def _line(version: TreeVersion) -> TreeVersion:
    return msgspec.structs.replace(version, state=b"")
