"""Trees over HTTP: make, read, change, throw away, edit."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, NoReturn

from msgspec import UNSET, UnsetType

from server.addresses import Keep, kept
from server.authors import author_of
from server.bodies import EditRequest, NewTree, TreeChange, TreeView
from server.faults import TooLarge
from server.http import Answer, Call, Operation, Parameter, parsed
from server.states import States
from sync.access import allows
from sync.codec import Decoded, decode_edit
from sync.creation import first_batch
from sync.errors import Clash, Forbidden, Invalid, NotFound, TooMany, TreesyncError, Unavailable
from sync.hub import Hub
from sync.identity import Author, Identity, TreeKey
from sync.moments import Moment
from sync.nodes import Details, first_canvas_state
from sync.ops import Configure
from sync.ports import Clock, Directory, TreeSummary
from sync.protocol import Edit, Outcome, Result

_ALL = "/api/v1/trees"
_ONE = "/api/v1/trees/{tree}"
EDIT_OPS = 10_000  # by HTTP (SEMANTICS 27); one on a socket has `limits.edit_ops`
_JUDGE_INLINE = 200  # nodes; 50 µs each. A larger tree is judged in a thread
_TOKEN = 16  # hex characters: 64 random bits tell requests and epochs apart


class Trees:
    """The operations below /api/v1/trees that are about a tree as a whole."""

    def __init__(self, hub: Hub, directory: Directory, clock: Clock, keep: Keep, states: States) -> None:
        """`keep`: what of an address activity rows hold."""
        self._hub = hub
        self._directory = directory
        self._clock = clock
        self._keep = keep
        self._states = states

    def operations(self) -> list[Operation]:
        return [*self._trees(), *self._one_tree(), *self._contents()]

    def _trees(self) -> list[Operation]:
        return [
            Operation(
                method="POST",
                path=_ALL,
                name="create_tree",
                summary="Make a tree",
                handle=self.create,
                takes=NewTree,
                gives=TreeSummary,
                status=201,
            ),
        ]

    def _one_tree(self) -> list[Operation]:
        return [
            Operation(
                method="GET",
                path=_ONE,
                name="read_tree",
                summary="A whole tree, now, or at a past seq or time",
                handle=self.read,
                gives=TreeView,
                query=(
                    Parameter("seq", "integer", "the tree as it was at that seq", 0, 2**53 - 1),
                    Parameter("at", "string", "the tree as it was at that time, RFC 3339"),
                ),
            ),
            Operation(
                method="PATCH",
                path=_ONE,
                name="change_tree",
                summary="Change a tree's own fields or its visibility",
                handle=self.change,
                takes=TreeChange,
                gives=TreeSummary,
            ),
            Operation(
                method="DELETE",
                path=_ONE,
                name="delete_tree",
                summary="Put a tree into the trash, where it stays for 30 days",
                handle=self.delete,
                status=204,
            ),
        ]

    def _contents(self) -> list[Operation]:
        return [
            Operation(
                method="POST",
                path=f"{_ONE}/edits",
                name="edit_tree",
                summary="Send an edit and wait until it is durable",
                handle=self.edit,
                takes=EditRequest,
                gives=Outcome,
            ),
        ]

    async def create(self, call: Call) -> Answer:
        wanted = await call.read(NewTree)
        author = self._author(call, f"create:{self._clock.token(_TOKEN)}")
        details = Details(
            name=wanted.name,
            description=wanted.description,
            discovery_phase=wanted.discovery_phase,
            is_template=wanted.is_template,
            canvas_state=first_canvas_state() if isinstance(wanted.canvas_state, UnsetType) else wanted.canvas_state,
        )
        epoch, mark = self._clock.token(_TOKEN), self._clock.token(_TOKEN)
        nobody = TreeKey(call.identity.tenant, 0)  # the database gives the number
        parts = (nobody, epoch, mark, author, details, wanted.nodes, wanted.connections, self._hub.limits)
        judge = partial(first_batch, *parts)
        first = await asyncio.to_thread(judge) if len(wanted.nodes) > _JUDGE_INLINE else judge()
        key = await self._directory.create(call.identity, first, wanted.visibility, author)
        summary = await self._directory.summary(call.identity, key.tree)
        return Answer(summary, 201, {"Location": f"/api/v1/trees/{key.tree}"})

    async def read(self, call: Call) -> Answer:
        tree = call.tree
        seq = call.number("seq", default=None, least=0, most=2**53 - 1)
        at = call.request.query_params.get("at")
        if at is not None and seq is not None:
            raise Invalid("a tree is read at a `seq` or `at` a time")
        if at is None and seq is None:
            return Answer(await self._states.now(call.identity, tree))
        if at is not None:
            room = await self._hub.past.room(call.identity, tree)
            seq = await self._hub.moments.seq_of(room, Moment(at=at))
        return Answer(await self._states.at(call.identity, tree, seq or 0))

    async def change(self, call: Call) -> Answer:
        tree = call.tree
        role = await self._hub.role(call.identity, tree)
        wanted = await call.read(TreeChange)
        if not isinstance(wanted.visibility, UnsetType) and not allows(role, "share"):
            raise Forbidden("only an owner or an admin may share this tree")
        fields = _fields(wanted)
        if fields:
            await self._configure(call, tree, fields)
        if not isinstance(wanted.visibility, UnsetType):
            key = TreeKey(call.identity.tenant, tree)
            await self._directory.set_visibility(key, wanted.visibility, self._author(call, ""))
            self._hub.rights_changed(key)
        return Answer(await self._directory.summary(call.identity, tree))

    async def _configure(self, call: Call, tree: int, fields: dict[str, Any]) -> None:
        """The tree's own fields are in its log, so that every replica and its history see the change."""
        base = (await self._hub.past.room(call.identity, tree)).seq
        decoded = Decoded(Edit(mode="live", ops=[Configure(n=1, base=base, set=fields)]))
        outcome = await self._submit(call, call.identity, tree, f"configure:{self._clock.token(_TOKEN)}", decoded)
        result = outcome.results[0]
        if result.status == "rejected":
            _refuse(result)

    async def delete(self, call: Call) -> Answer:
        tree = call.tree
        if not allows(await self._hub.role(call.identity, tree), "share"):
            raise Forbidden("only an owner or an admin may delete this tree")
        key = TreeKey(call.identity.tenant, tree)
        await self._directory.trash_tree(key, self._author(call, ""))
        self._hub.rights_changed(key)
        return Answer(None, 204)

    async def edit(self, call: Call) -> Answer:
        tree = call.tree
        decoded = await parsed(decode_edit, await call.content())
        message = decoded.message
        assert isinstance(message, Edit)
        if isinstance(message.client_id, UnsetType) or ":" in message.client_id:
            raise Invalid("an edit by HTTP names its `client_id`, without a colon: it makes a resent op count once")
        if not isinstance(message.tree, UnsetType) and message.tree != tree:
            raise Invalid("the edit names another tree than the path")
        if len(message.ops) + len(decoded.malformed) > EDIT_OPS:
            raise TooLarge(f"an edit has at most {EDIT_OPS} ops")
        call.spend_ops(len(message.ops) + len(decoded.malformed))
        outcome = await self._submit(call, call.identity, tree, message.client_id, decoded)
        return Answer(outcome)

    async def _submit(self, call: Call, identity: Identity, tree: int, client: str, decoded: Decoded) -> Outcome:
        return await self._hub.submit(
            identity,
            tree,
            client,
            decoded,
            address=kept(call.address, self._keep),
            user_agent=call.user_agent,
        )

    def _author(self, call: Call, client: str) -> Author:
        return author_of(call, self._hub, self._keep, client)


def _fields(wanted: TreeChange) -> dict[str, Any]:
    """Paths of `configure` (SEMANTICS 17)."""
    named = {name: getattr(wanted, name) for name in ("name", "description", "discovery_phase", "is_template")}
    fields = {name: value for name, value in named.items() if value is not UNSET}
    if not isinstance(wanted.canvas_state, UnsetType):
        fields |= {f"canvas_state.{key}": value for key, value in wanted.canvas_state.items()}
    return fields


_REFUSALS: dict[str, type[TreesyncError]] = {
    "forbidden": Forbidden,
    "unavailable": Unavailable,
    "rate": TooMany,
    "stale": Clash,
    "gap": Clash,
    "not_found": NotFound,
}


def _refuse(result: Result) -> NoReturn:
    code = str(result.code) if not isinstance(result.code, UnsetType) else "invalid"
    why = result.why if isinstance(result.why, str) else "the change was refused"
    raise _REFUSALS.get(code, Invalid)(why, code=code)
