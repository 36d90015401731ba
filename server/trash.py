"""The trash of a tree over HTTP: what lies in it, and out of it for good."""

from __future__ import annotations

import msgspec

from server.http import Answer, Call, Operation, Parameter
from sync.access import allows
from sync.errors import Forbidden, Invalid, NotFound, TooMany, Unavailable
from sync.hub import Hub
from sync.identity import TreeKey
from sync.ports import Clock, Directory
from sync.protocol import Result
from sync.trash import Trashed

_ALL = "/api/v1/trees/{tree}/trash"
_ONE = "/api/v1/trees/{tree}/trash/{node}"
_PAGE, _PAGE_MOST = 50, 500
_REQUEST = 16  # hex characters: 64 random bits tell two requests apart
_ID_CHARACTERS = 64


class TrashPage(msgspec.Struct, kw_only=True):
    """Deletions, newest first. `next` is the `before` of the following page; null: this is the last."""

    trash: list[Trashed]
    next: str | None


class Trash:
    """The operations below /api/v1/trees/{tree}/trash."""

    def __init__(self, hub: Hub, directory: Directory, clock: Clock) -> None:
        self._hub = hub
        self._directory = directory
        self._clock = clock

    def operations(self) -> list[Operation]:
        return [
            Operation(
                method="GET",
                path=_ALL,
                name="list_trash",
                summary="What each deletion took, newest first",
                handle=self.page,
                gives=TrashPage,
                query=(
                    Parameter("limit", "integer", f"lines of a page, at most {_PAGE_MOST}", 1, _PAGE_MOST),
                    Parameter("before", "string", "`next` of the page before"),
                ),
            ),
            Operation(
                method="DELETE",
                path=_ONE,
                name="purge_trash",
                summary="Remove a node of the trash for good, with all below it",
                handle=self.purge,
                status=204,
            ),
        ]

    async def page(self, call: Call) -> Answer:
        tree = call.tree
        await self._hub.role(call.identity, tree)
        limit = call.number("limit", default=_PAGE, least=1, most=_PAGE_MOST) or _PAGE
        before = _cursor(call.request.query_params.get("before"))
        lines = await self._directory.trash(TreeKey(call.identity.tenant, tree), limit=limit, before=before)
        following = f"{lines[-1].seq}|{lines[-1].node}" if len(lines) == limit else None
        return Answer(TrashPage(trash=lines, next=following))

    async def purge(self, call: Call) -> Answer:
        tree = call.tree
        if not allows(await self._hub.role(call.identity, tree), "share"):
            raise Forbidden("only an owner or an admin may empty the trash of this tree")
        node = str(call.request.path_params["node"])
        if not 1 <= len(node) <= _ID_CHARACTERS:
            raise Invalid(f"a node's id has 1 to {_ID_CHARACTERS} characters")
        call.spend_ops(1)
        outcome = await self._hub.purge(call.identity, tree, [node], self._clock.token(_REQUEST))
        _check(outcome.results[0])
        return Answer(None, 204)


def _check(result: Result) -> None:
    """What did not happen as an error of HTTP; a right that was lost meanwhile too."""
    if result.status != "rejected":
        return
    why = result.why or "the node was not purged"
    match result.code:
        case "node_missing":
            raise NotFound(why)
        case "forbidden":
            raise Forbidden(why)
        case "unavailable":
            raise Unavailable(why)
        case "rate":
            raise TooMany(why)
        case _:
            raise Invalid(why)


def _cursor(before: str | None) -> tuple[int, str] | None:
    """Raises Invalid."""
    if before is None:
        return None
    seq, _, node = before.partition("|")
    if not (seq.isascii() and seq.isdecimal() and len(seq) <= 16 and node):
        raise Invalid("`before` is `next` of the page before")
    return int(seq), node
