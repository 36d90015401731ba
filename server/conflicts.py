"""Conflict records over HTTP: those of a tree, one's own over all trees, and deciding one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from server.addresses import Keep, kept
from server.bodies import ConflictPage, Decision, OwnConflictPage, TreeConflict
from server.http import Answer, Call, Operation, Parameter
from sync.access import allows
from sync.codec import JSON
from sync.conflict_records import OwnConflict
from sync.errors import Clash, Forbidden, Invalid, NotFound, TooMany, TreesyncError, Unavailable
from sync.hub import Hub
from sync.identity import TreeKey
from sync.keeping import detail_of
from sync.ports import Directory
from sync.protocol import ConflictDetail, Error, Resolve, Resolved

_OF_TREE = "/api/v1/trees/{tree}/conflicts"
_PAGE, _PAGE_MOST = 200, 500
_PAGE_BYTES = 1024 * 1024  # a page ends with the record that reaches it
_READ = 20  # records read at once: three values of 256 kB each, at most, if nothing was typed over for long
T = TypeVar("T")
_NUMBERS = range(1, 2**53)


class Conflicts:
    """The operations about conflict records."""

    def __init__(self, hub: Hub, directory: Directory, keep: Keep) -> None:
        """`keep`: what of an address activity rows hold."""
        self._hub = hub
        self._directory = directory
        self._keep = keep

    def operations(self) -> list[Operation]:
        limit = Parameter("limit", "integer", f"records of a page, at most {_PAGE_MOST}", 1, _PAGE_MOST)
        return [
            Operation(
                method="GET",
                path=_OF_TREE,
                name="list_conflicts",
                summary="Open conflict records you may see, newest first",
                handle=self.page,
                gives=ConflictPage,
                query=(limit, Parameter("before", "integer", "`next` of the page before", 1, 2**53 - 1)),
            ),
            Operation(
                method="POST",
                path=f"{_OF_TREE}/{{conflict}}/resolve",
                name="resolve_conflict",
                summary="Decide a conflict, and wait until that is durable",
                handle=self.resolve,
                takes=Decision,
                gives=Resolved,
            ),
            Operation(
                method="GET",
                path="/api/v1/conflicts",
                name="list_own_conflicts",
                summary="Open conflict records that concern you, over all trees you may see, newest first",
                handle=self.own,
                gives=OwnConflictPage,
                query=(limit, Parameter("before", "string", "`next` of the page before")),
            ),
        ]

    async def page(self, call: Call) -> Answer:
        tree, identity = call.tree, call.identity
        role = await self._hub.role(identity, tree)
        before = call.number("before", default=None, least=1, most=2**53 - 1)
        limit = _limit(call)
        user = None if allows(role, "share") else identity.user

        async def read(count: int, last: ConflictDetail | None) -> list[ConflictDetail]:
            records = await self._directory.conflicts(
                TreeKey(identity.tenant, tree), user=user, limit=count, before=before if last is None else last.id
            )
            return [detail_of(record) for record in records]

        found, more = await _filled(limit, read)
        return Answer(ConflictPage(conflicts=found, next=found[-1].id if more else None))

    async def own(self, call: Call) -> Answer:
        limit = _limit(call)
        before = call.request.query_params.get("before")

        async def read(count: int, last: TreeConflict | None) -> list[TreeConflict]:
            after = before if last is None else _cursor(last)
            found = await self._directory.own_conflicts(call.identity, limit=count, before=after)
            return [_with_tree(one) for one in found]

        found, more = await _filled(limit, read)
        return Answer(OwnConflictPage(conflicts=found, next=_cursor(found[-1]) if more else None))

    async def resolve(self, call: Call) -> Answer:
        tree, number = call.tree, _number(call)
        await self._hub.role(call.identity, tree)  # whether the body is good is nobody's business who may not see it
        decision = await call.read(Decision)
        call.spend_ops(1)
        answer = await self._hub.resolve(
            call.identity,
            tree,
            Resolve(conflict=number, base=decision.base, choice=decision.choice, value=decision.value),
            address=kept(call.address, self._keep),
            user_agent=call.user_agent,
        )
        if isinstance(answer, Error):
            raise _FAULTS.get(answer.code, Invalid)(answer.why, code=answer.code)
        return Answer(answer)


_FAULTS: dict[str, type[TreesyncError]] = {
    "not_found": NotFound,
    "forbidden": Forbidden,
    "unavailable": Unavailable,
    "rate": TooMany,
    **dict.fromkeys(("stale", "cycle", "exists"), Clash),
    **dict.fromkeys(("parent_missing", "node_missing", "connection_missing"), Clash),
}


def _limit(call: Call) -> int:
    return call.number("limit", default=_PAGE, least=1, most=_PAGE_MOST) or _PAGE


def _number(call: Call) -> int:
    """The record of the path; a name that none can have is answered like one that is not there (P10)."""
    text = str(call.request.path_params["conflict"])
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 16 else 0
    if number not in _NUMBERS or text != str(number):
        raise NotFound("no such conflict")
    return number


async def _filled(limit: int, read: Callable[[int, T | None], Awaitable[list[T]]]) -> tuple[list[T], bool]:
    """A page of at most so many records, read a few at a time until it is large enough; whether there may be more.
    `read` gives so many records after the last one."""
    found: list[T] = []
    size = 0
    while len(found) < limit and size < _PAGE_BYTES:
        wanted = min(_READ, limit - len(found))
        some = await read(wanted, found[-1] if found else None)
        for record in some:
            found.append(record)
            size += len(JSON.encode_value(record))
            if size >= _PAGE_BYTES:
                return found, True
        if len(some) < wanted:
            return found, False
    return found, bool(found)


def _cursor(last: TreeConflict) -> str:
    return f"{last.at}|{last.tree}|{last.id}"


def _with_tree(one: OwnConflict) -> TreeConflict:
    return TreeConflict(tree=one.tree, **msgspec.structs.asdict(detail_of(one.record)))
