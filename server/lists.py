"""Lists of trees over HTTP."""

from __future__ import annotations

from datetime import datetime

from server.bodies import TreePage
from server.http import Answer, Call, Operation, Parameter
from server.search import STATUSES, node_type, status
from sync.errors import Invalid
from sync.listing import TreeFilter
from sync.nodes import NODE_TYPES
from sync.ports import Directory
from sync.search import Search, query

_PAGE, _PAGE_MOST = 50, 500
_MOST_NODES = 1_000_000  # a bound for the number that is asked for
_FOUND_TREES = 1_000  # with the words of `q`, the best; a list of more is no answer to a search


class Lists:
    """The operation that lists trees."""

    def __init__(self, directory: Directory, search: Search | None) -> None:
        self._directory = directory
        self._search = search

    def operations(self) -> list[Operation]:
        return [
            Operation(
                method="GET",
                path="/api/v1/trees",
                name="list_trees",
                summary="The trees you may see, last updated first",
                handle=self.page,
                gives=TreePage,
                query=(
                    Parameter("limit", "integer", f"lines of a page, at most {_PAGE_MOST}", 1, _PAGE_MOST),
                    Parameter("before", "string", "`next` of the page before"),
                    Parameter("q", "string", "words that stand in the tree or its nodes, as in search"),
                    Parameter("name", "string", "stands somewhere in the tree's name, in any case"),
                    Parameter("template", "string", "`true`: templates alone; `false`: none"),
                    Parameter("phase", "string", "`discovery_phase` of the tree"),
                    Parameter("type", "string", f"has a node of this type: {', '.join(NODE_TYPES)}"),
                    Parameter("status", "string", f"of all its nodes: {', '.join(STATUSES)}"),
                    Parameter("min_nodes", "integer", "so many nodes or more", 0, _MOST_NODES),
                    Parameter("updated_since", "string", "an RFC 3339 time"),
                    Parameter("updated_before", "string", "an RFC 3339 time"),
                ),
            ),
        ]

    async def page(self, call: Call) -> Answer:
        limit = call.number("limit", default=_PAGE, least=1, most=_PAGE_MOST) or _PAGE
        before = call.request.query_params.get("before")
        only = _filter(call, await self._found(call))
        trees = await self._directory.trees(call.identity, limit=limit, before=before, only=only)
        following = f"{trees[-1].updated_at}|{trees[-1].id}" if len(trees) == limit else None
        return Answer(TreePage(trees=trees, next=following))

    async def _found(self, call: Call) -> list[int] | None:
        """The trees with the words of `q`; None: it is not asked."""
        text = call.request.query_params.get("q", "")
        asked = query(text)
        if not text.strip() or self._search is None:
            return None
        return await self._search.trees_with(call.identity, asked, limit=_FOUND_TREES) if asked else []


def _filter(call: Call, numbers: list[int] | None) -> TreeFilter:
    """Raises Invalid."""
    asked = call.request.query_params
    template = asked.get("template")
    if template not in (None, "true", "false"):
        raise Invalid("`template` is true or false")
    if any("\x00" in text for text in asked.values()):
        raise Invalid("U+0000 stands in no tree")
    return TreeFilter(
        name=asked.get("name"),
        is_template=None if template is None else template == "true",
        phase=asked.get("phase"),
        least_nodes=call.number("min_nodes", default=None, least=0, most=_MOST_NODES),
        updated_since=_moment(call, "updated_since"),
        updated_before=_moment(call, "updated_before"),
        type=node_type(call),
        status=status(call),
        numbers=numbers,
    )


def _moment(call: Call, name: str) -> datetime | None:
    said = call.request.query_params.get(name)
    if said is None:
        return None
    try:
        moment = datetime.fromisoformat(said)
    except ValueError:
        moment = datetime.min
    if moment.tzinfo is None or not 1970 <= moment.year < 9999:  # nothing was updated before, and no zone overflows
        raise Invalid(f"`{name}` is an RFC 3339 time with its zone")
    return moment
