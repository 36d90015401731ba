"""Trees in and out as files, and trees made from trees: import, export, copies, templates."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from functools import partial
from typing import Any, get_args
from urllib.parse import quote

import msgspec
from msgspec import UNSET, UnsetType

from server.addresses import Keep
from server.authors import author_of
from server.http import Answer, Call, Operation, Parameter
from sync.creation import first_batch
from sync.errors import Invalid
from sync.formats import FORMATS, Format, FormatName
from sync.formats.portable import Portable, levels, portable_of
from sync.hub import Hub
from sync.identity import Author, TreeKey
from sync.nodes import NodeType
from sync.ops import Title
from sync.ports import Batch, Clock, Directory, TreeSummary, Visibility

_ONE = "/api/v1/trees/{tree}"
_NAMES: tuple[FormatName, ...] = get_args(FormatName)
_FORMAT = Parameter("format", "string", f"one of {', '.join(_NAMES)}; json where it is left out")
_NAME = Parameter("name", "string", "of the tree; the file's where it is left out")
_INLINE_NODES, _INLINE_BYTES = (
    200,
    64 * 1024,
)  # 50 µs a node; a larger file is read, and a larger tree written, in a thread
_TOKEN = 16  # hex characters, as for trees that are made by hand


class NewCopy(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A tree to be made from another. What is left out is as there; a copy of a template is none."""

    name: Title | UnsetType = UNSET
    visibility: Visibility = "private"
    is_template: bool = False


class ImportPreview(msgspec.Struct, kw_only=True):
    """What a file would become. `levels`: of the deepest branch; `types`: how many nodes of each there are."""

    name: str
    description: str
    nodes: int
    connections: int
    levels: int
    types: dict[NodeType, int]


class Files:
    """The operations on whole trees as content."""

    def __init__(self, hub: Hub, directory: Directory, clock: Clock, keep: Keep) -> None:
        """`keep`: what of an address activity rows hold."""
        self._hub = hub
        self._directory = directory
        self._clock = clock
        self._keep = keep

    def operations(self) -> list[Operation]:
        return [*self._in(), *self._out()]

    def _in(self) -> list[Operation]:
        return [
            Operation(
                method="POST",
                path="/api/v1/trees/import",
                name="import_tree",
                summary="Make a tree from a file; all of it, or nothing and why not",
                handle=self.take,
                accepts=tuple(one.media_type for one in FORMATS.values()),
                gives=TreeSummary,
                status=201,
                query=(_FORMAT, _NAME),
            ),
            Operation(
                method="POST",
                path="/api/v1/trees/import/preview",
                name="preview_import",
                summary="What a file would become; nothing is made",
                handle=self.preview,
                accepts=tuple(one.media_type for one in FORMATS.values()),
                gives=ImportPreview,
                query=(_FORMAT, _NAME),
            ),
        ]

    def _out(self) -> list[Operation]:
        return [
            Operation(
                method="GET",
                path=f"{_ONE}/export",
                name="export_tree",
                summary="A tree as a file, now or at a past seq",
                handle=self.give,
                query=(_FORMAT, Parameter("seq", "integer", "the tree as it was at that seq", 0, 2**53 - 1)),
                media_type="*/*",
            ),
            Operation(
                method="POST",
                path=f"{_ONE}/copies",
                name="copy_tree",
                summary="Make a tree like this one: a duplicate, or one from a template",
                handle=self.copy,
                takes=NewCopy,
                gives=TreeSummary,
                status=201,
            ),
        ]

    async def take(self, call: Call) -> Answer:
        return await self._made(call, await self._content(call), "private", "import")

    async def preview(self, call: Call) -> Answer:
        tree = await self._content(call)
        await self._judged(call, tree, self._author(call, "import"))
        return Answer(
            ImportPreview(
                name=tree.details.name,
                description=tree.details.description,
                nodes=len(tree.nodes),
                connections=len(tree.connections),
                levels=levels(tree),
                types=dict(Counter(node.type for node in tree.nodes)),
            )
        )

    async def _content(self, call: Call) -> Portable:
        """The tree in the body."""
        form = FORMATS[_format(call)]
        content = await call.content()
        read = partial(form.read, content, self._hub.limits)
        tree = read() if len(content) <= _INLINE_BYTES else await asyncio.to_thread(read)
        name = call.request.query_params.get("name")
        if name is None:
            return tree
        return msgspec.structs.replace(tree, details=msgspec.structs.replace(tree.details, name=name))

    async def give(self, call: Call) -> Answer:
        form = FORMATS[_format(call)]
        seq = call.number("seq", default=None, least=0, most=2**53 - 1)
        state, position, _ = await self._hub.state(call.identity, call.tree, seq)

        def written() -> bytes:
            return form.write(portable_of(state))

        content = written() if len(state.nodes) <= _INLINE_NODES else await asyncio.to_thread(written)
        headers = {"Content-Disposition": _disposition(state.name, form), "Treesync-Seq": str(position.seq)}
        return Answer(content, headers=headers, media_type=form.media_type)

    async def copy(self, call: Call) -> Answer:
        number = call.tree
        state, _, _ = await self._hub.state(call.identity, number)
        wanted = await call.read(NewCopy)
        tree = portable_of(state)
        changed: dict[str, Any] = {"is_template": wanted.is_template}
        if not isinstance(wanted.name, UnsetType):
            changed["name"] = wanted.name
        tree = msgspec.structs.replace(tree, details=msgspec.structs.replace(tree.details, **changed))
        return await self._made(call, tree, wanted.visibility, "copy")

    async def _made(self, call: Call, tree: Portable, visibility: Visibility, how: str) -> Answer:
        """Judged whole before the first row is written, and written in one transaction."""
        author = self._author(call, how)
        first = await self._judged(call, tree, author)
        key = await self._directory.create(call.identity, first, visibility, author)
        summary = await self._directory.summary(call.identity, key.tree)
        return Answer(summary, 201, {"Location": f"/api/v1/trees/{key.tree}"})

    def _author(self, call: Call, how: str) -> Author:
        return author_of(call, self._hub, self._keep, f"{how}:{self._clock.token(_TOKEN)}")

    async def _judged(self, call: Call, tree: Portable, author: Author) -> Batch:
        """The first commit of such a tree. Raises Invalid with the reason."""
        call.spend_ops(1)
        nobody = TreeKey(call.identity.tenant, 0)  # the database gives the number
        epoch, mark = self._clock.token(_TOKEN), self._clock.token(_TOKEN)
        parts = (nobody, epoch, mark, author, tree.details, tree.nodes, tree.connections, self._hub.limits)
        judge = partial(first_batch, *parts)
        return await asyncio.to_thread(judge) if len(tree.nodes) > _INLINE_NODES else judge()


def _format(call: Call) -> FormatName:
    said = call.request.query_params.get("format", "json")
    for name in _NAMES:
        if name == said:
            return name
    raise Invalid(f"`format` is one of {', '.join(_NAMES)}")


def _disposition(name: str, form: Format) -> str:
    """A file name that every system takes, and the tree's own for those that read RFC 6266."""
    plain = re.sub(r"[^A-Za-z0-9 _-]+", "_", name).strip() or "tree"
    own = quote(f"{name}.{form.suffix}", safe="", errors="replace")
    return f"attachment; filename=\"{plain[:80]}.{form.suffix}\"; filename*=UTF-8''{own}"
