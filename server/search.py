"""Search over everything somebody may see, and trees as hierarchies, over HTTP."""

from __future__ import annotations

from typing import get_args

from server.http import Answer, Call, Operation, Parameter
from sync.access import role_in
from sync.errors import Invalid, NotFound
from sync.hierarchy import MOST_DEPTH, Hierarchies, Hierarchy
from sync.identity import TreeKey
from sync.nodes import NODE_TYPES, NodeType
from sync.ports import Store
from sync.search import MOST_HITS, QUERY_CHARACTERS, Hits, Search, SearchFilter, query, rank_of
from sync.templates import Status

_PAGE = 20
_ID_CHARACTERS = 64
STATUSES: tuple[Status, ...] = get_args(Status)


class Searches:
    """The operations that find nodes."""

    def __init__(self, store: Store, search: Search, hierarchies: Hierarchies) -> None:
        self._store = store
        self._search = search
        self._hierarchies = hierarchies

    def operations(self) -> list[Operation]:
        return [
            Operation(
                method="GET",
                path="/api/v1/search",
                name="search",
                summary="Nodes and trees you may see that have all of some words, the best first",
                handle=self.search,
                gives=Hits,
                query=(
                    Parameter("q", "string", f"words or beginnings of words, {QUERY_CHARACTERS} characters at most"),
                    Parameter("tree", "integer", "in this tree alone", 1, 2**53 - 1),
                    Parameter("type", "string", f"nodes of this type: {', '.join(NODE_TYPES)}"),
                    Parameter("status", "string", f"nodes of this status: {', '.join(STATUSES)}"),
                    Parameter("limit", "integer", f"hits of a page, at most {MOST_HITS}", 1, MOST_HITS),
                    Parameter("after", "string", "`next` of the page before"),
                ),
            ),
            Operation(
                method="GET",
                path="/api/v1/trees/{tree}/hierarchy",
                name="read_hierarchy",
                summary="A tree or a branch of it, level by level, with the way to it",
                handle=self.hierarchy,
                gives=Hierarchy,
                query=(
                    Parameter("node", "string", "the branch of this node; absent: the whole tree"),
                    Parameter("depth", "integer", f"so many levels below it; absent: {MOST_DEPTH}", 0, MOST_DEPTH),
                ),
            ),
        ]

    async def search(self, call: Call) -> Answer:
        asked = call.request.query_params
        if "q" not in asked:
            raise Invalid("`q` has the words that are asked for")
        only = SearchFilter(
            tree=call.number("tree", default=None, least=1, most=2**53 - 1),
            type=node_type(call),
            status=status(call),
        )
        limit = call.number("limit", default=_PAGE, least=1, most=MOST_HITS) or _PAGE
        after = rank_of(asked["after"]) if "after" in asked else None
        return Answer(await self._search.search(call.identity, query(asked["q"]), only=only, limit=limit, after=after))

    async def hierarchy(self, call: Call) -> Answer:
        key = TreeKey(call.identity.tenant, call.tree)
        depth = call.number("depth", default=MOST_DEPTH, least=0, most=MOST_DEPTH) or 0
        if role_in(await self._store.rights(key), call.identity) is None:
            raise NotFound("no such tree")
        node = call.request.query_params.get("node")
        if node is not None and (not 1 <= len(node) <= _ID_CHARACTERS or "\x00" in node):
            raise NotFound("no such node")
        return Answer(await self._hierarchies.hierarchy(key, node, depth))


def node_type(call: Call) -> NodeType | None:
    """`type` of the query string. Raises Invalid."""
    said = call.request.query_params.get("type")
    if said is None:
        return None
    for known in NODE_TYPES:
        if said == known:
            return known
    raise Invalid(f"`type` is one of {', '.join(NODE_TYPES)}")


def status(call: Call) -> Status | None:
    """`status` of the query string. Raises Invalid."""
    said = call.request.query_params.get("status")
    if said is None:
        return None
    for known in STATUSES:
        if said == known:
            return known
    raise Invalid(f"`status` is one of {', '.join(STATUSES)}")
