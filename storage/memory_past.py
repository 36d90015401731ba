"""Versions and the way through the log of the in-memory database: see `sync.versions`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import accumulate

import msgspec

from storage.memory_rows import TreeRows, encoded, rfc3339
from sync import effects
from sync.apply import RESPACE
from sync.identity import TreeKey
from sync.ports import LOOKED_AT, PAGE_BYTES, PAGE_ROWS, Clock, LoggedOp
from sync.versions import MOST_COUNTED, MOST_NAMED, Edited, TreeVersion, too_many


class MemoryPast:
    """`VersionStore` and `PastReader` over the rows of trees; a part of MemoryStore."""

    def __init__(self, rows: Callable[[TreeKey], TreeRows], clock: Clock) -> None:
        """`rows` raises NotFound where there is no such tree."""
        self._rows = rows
        self._clock = clock

    async def keep_version(self, key: TreeKey, version: TreeVersion) -> TreeVersion | None:
        rows = self._rows(key)
        versions = rows.versions
        if version.kind == "named":
            _check_room(versions)
        if version.mark and rows.mark_at(version.seq) != version.mark:
            return None
        for kept in versions:
            later = kept.kind == version.kind == "automatic" and kept.seq > version.seq
            if kept.epoch == version.epoch and (kept.seq == version.seq or later):
                return None
        at = rfc3339(self._clock.now())
        numbered = msgspec.structs.replace(version, number=len(versions) + 1, at=at, mark="")
        encoded([numbered.user, numbered.description, numbered.name, numbered.authors])
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

    async def rename_version(self, key: TreeKey, version: TreeVersion, *, first: bool = False) -> TreeVersion | None:
        versions = self._rows(key).versions
        if not 1 <= version.number <= len(versions):
            return None
        kept = versions[version.number - 1]
        if (first and kept.kind == "named") or not (kept.state or version.state):
            return None
        if kept.kind != "named":
            _check_room(versions)
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

    async def unname_version(self, key: TreeKey, number: int) -> TreeVersion | None:
        versions = self._rows(key).versions
        if not 1 <= number <= len(versions):
            return None
        kept = versions[number - 1]
        if kept.kind == "named":
            kept = msgspec.structs.replace(kept, name="", description="", user="", kind="automatic")
            versions[number - 1] = kept
        return _line(kept)

    async def edited(self, key: TreeKey, epoch: str, seq: int) -> list[Edited]:
        rows = self._rows(key)
        before = [one.seq for one in rows.versions if one.epoch == epoch and one.seq < seq and not one.thinned]
        made = Counter(
            (op.author.user, str(op.effect.__struct_config__.tag))
            for op in rows.ops(max(max(before, default=0), seq - MOST_COUNTED), seq)
            if not op.author.client.startswith(RESPACE)
        )
        counted = sorted(made.items(), key=lambda item: (-item[1], item[0]))
        return [Edited(user, kind, count) for (user, kind), count in counted]

    async def log_page(self, key: TreeKey, after: int, through: int) -> list[LoggedOp]:
        rows = self._rows(key)
        page = rows.ops(after, min(through, after + PAGE_ROWS))
        return page[: _fitting(len(row) for row in rows.log[max(after, 0) : max(through, 0)])]

    async def seq_at(self, key: TreeKey, moment: datetime) -> int:
        rows = self._rows(key)
        return sum(1 for op in rows.ops(0, len(rows.log)) if datetime.fromisoformat(op.at) <= moment)

    async def node_ops(self, key: TreeKey, node: str, *, before: int, limit: int) -> tuple[list[LoggedOp], int]:
        rows = self._rows(key)
        before = min(before, len(rows.log) + 1)
        least = max(before - LOOKED_AT, 1)
        concerning = [op for op in rows.ops(least - 1, before - 1) if _concerns(op, node)][::-1][:limit]
        found = concerning[: _fitting(len(rows.log[op.seq - 1]) for op in concerning)]
        is_cut = found and (len(found) == limit or len(found) < len(concerning))
        following = found[-1].seq if is_cut else least
        return found, following if following > 1 else 0

    async def ops_span(self, key: TreeKey, user: str, client: str) -> tuple[int, int, int]:
        rows = self._rows(key)
        ops = rows.ops(0, len(rows.log))
        seqs = [op.seq for op in ops if user in ("", op.author.user) and client in ("", op.author.client)]
        return (seqs[0], seqs[-1], len(seqs)) if seqs else (0, 0, 0)


def _concerns(op: LoggedOp, node: str) -> bool:
    made = {one.id for one in op.effect.nodes} if isinstance(op.effect, effects.Import) else set()
    return getattr(op.effect, "node", None) == node or node in op.inverse.get("nodes", ()) or node in made


def _fitting(sizes: Iterable[int]) -> int:
    """How many rows of these sizes go on a page."""
    return max(sum(1 for bytes_ in accumulate(sizes) if bytes_ <= PAGE_BYTES), 1)


def _check_room(versions: list[TreeVersion]) -> None:
    if sum(1 for one in versions if one.kind == "named") >= MOST_NAMED:
        raise too_many()


def _line(version: TreeVersion) -> TreeVersion:
    return msgspec.structs.replace(version, state=b"")
