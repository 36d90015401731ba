"""Conflict records over HTTP: those of a tree, one's own over all trees, and deciding one."""

from __future__ import annotations

import msgspec

from server.addresses import Keep, kept
from server.bodies import ConflictPage, Decision, OwnConflictPage, TreeConflict
from server.http import Answer, Call, Operation, Parameter
from sync.access import allows
from sync.conflict_records import OwnConflict
from sync.errors import Clash, Forbidden, Invalid, NotFound, TooMany, TreesyncError, Unavailable
from sync.hub import Hub
from sync.identity import TreeKey
from sync.keeping import detail_of
from sync.ports import Directory
from sync.protocol import Error, Resolve, Resolved

_OF_TREE = "/api/v1/trees/{tree}/conflicts"
_PAGE, _PAGE_MOST = 200, 500
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
        records = await self._directory.conflicts(
            TreeKey(identity.tenant, tree),
            user=None if allows(role, "share") else identity.user,
            limit=limit,
            before=before,
        )
        following = records[-1].id if len(records) == limit else None
        return Answer(ConflictPage(conflicts=[detail_of(record) for record in records], next=following))

    async def own(self, call: Call) -> Answer:
        limit = _limit(call)
        before = call.request.query_params.get("before")
        found = await self._directory.own_conflicts(call.identity, limit=limit, before=before)
        following = None
        if len(found) == limit:
            last = found[-1]
            following = f"{last.record.at}|{last.tree}|{last.record.id}"
        return Answer(OwnConflictPage(conflicts=[_with_tree(one) for one in found], next=following))

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


def _with_tree(one: OwnConflict) -> TreeConflict:
    return TreeConflict(tree=one.tree, **msgspec.structs.asdict(detail_of(one.record)))
