"""So that nothing made here is lost: reports, what was refused, conflicts, the trash, and taking all of it along."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import quote

import msgspec

from sync import ops
from sync.protocol import Choice, Closing, ConflictDetail
from treesync_client.answering import seen, settle
from treesync_client.errors import StoreFailed
from treesync_client.opened import OpenTree
from treesync_client.report import Report, Reported
from treesync_client.results import Trashed

Hook = Callable[[ConflictDetail], None]


class Rescue:
    """The part of a `LiveTree` for that."""

    number: int
    core: OpenTree
    _request: Callable[[str, str], Awaitable[Any]]
    _flush_soon: Callable[[], None]

    def __init__(self) -> None:
        self._hooks: list[Hook] = []

    @property
    def unanswered(self) -> list[ops.Op]:
        """Ops without a final answer, oldest first."""
        return [entry.op for entry in self.core.queue.unanswered()]

    def discard(self) -> list[ops.Op]:
        """Give up everything that has no answer, what was rejected, and what a copied file left open; answers it. Only
        for a person to ask: nothing else ever deletes what was made here."""
        core = self.core
        given_up = core.sending.discard()
        if core.keeping is not None:
            given_up += core.keeping.discard_uncertain()
        for entry in self.rejected:
            given_up.append(entry.op)
            core.reporting.dismiss(entry.op)
        core.replica.hide()
        core.report()
        core.save()
        return given_up

    # ---- all of it or nothing

    def hold(self) -> None:
        """Send nothing by itself until `release`, or `land_whole` is through: what is made waits."""
        self.core.whole.holds = True

    def release(self) -> None:
        """Send what waits, as ever: what is clean lands, the rest is set aside."""
        self.core.whole.holds = False
        self.core.flush()

    async def land_whole(self) -> Report:
        """Send all that waits as one edit, of which all lands or nothing (up to 10,000 ops). Where it did not land, the
        report names what stood in the way, and everything waits on, held. Raises Rejected where it is too large,
        Unavailable where the server cannot be reached, Clash where it was restored meanwhile."""
        future: asyncio.Future[Report] = asyncio.get_running_loop().create_future()
        edit = self.core.whole.ask(partial(settle, future))
        if edit is not None:
            if self.core.save(sending=True):
                self.core.post(edit)
            else:
                self.core.whole.end(StoreFailed("its numbers could not be stored"))
        return await future

    # ---- what became of it

    @property
    def last_report(self) -> Report | None:
        """Of the last replay that came to its end, here or before this process began."""
        reporting = self.core.reporting
        return reporting.report if reporting.complete and reporting.answers else None

    @property
    def rejected(self) -> list[Reported]:
        """Replayed ops that were rejected for good, and any that the server could not read, with the reason, until they
        are dismissed."""
        return self.core.reporting.report.rejected

    def dismiss(self, op: ops.Op) -> None:
        """A rejected op was seen by its person, and need not be kept."""
        self.core.reporting.dismiss(op)
        self._flush_soon()

    @property
    def uncertain(self) -> list[ops.Op]:
        """Ops that the file which this client's was copied from had sent: that one brings them to their end."""
        return [] if self.core.keeping is None else list(self.core.keeping.uncertain)

    def export(self) -> dict[str, Any]:
        """All that has not reached the server, as values for JSON: what a person takes along when it cannot be sent."""
        return {
            "tree": self.number,
            "unanswered": msgspec.to_builtins(self.unanswered),
            "rejected": [
                {"op": msgspec.to_builtins(one.op), "code": one.code, "why": one.why} for one in self.rejected
            ],
            "uncertain": msgspec.to_builtins(self.uncertain),
        }

    # ---- conflicts and the trash

    @property
    def open_conflicts(self) -> int:
        """How many records wait for a decision of this user, as far as is known here."""
        return self.core.deciding.open

    def on_conflict(self, hook: Hook) -> Callable[[], None]:
        """Call it with every conflict that opens, grows or closes from now on; answers what ends that."""
        self._hooks.append(hook)
        return lambda: self._hooks.remove(hook)

    async def conflicts(self) -> list[ConflictDetail]:
        """The open records that we may see, with both values."""
        return msgspec.convert(await self._pages("conflicts"), list[ConflictDetail])

    def resolve(self, conflict: int, choice: Choice, *, value: Any = None) -> asyncio.Future[Closing]:
        """Decide a conflict: `mine`, `theirs`, or a `value` (for several paths a map from path to value). Answers what
        was done, by whomever; raises NotFound, Forbidden, or what the edit was refused with."""
        future: asyncio.Future[Closing] = asyncio.get_running_loop().create_future()
        future.add_done_callback(seen)
        self.core.resolve(conflict, choice, value, partial(settle, future))
        return future

    async def trash(self) -> list[Trashed]:
        """What each deletion took, newest first."""
        return msgspec.convert(await self._pages("trash"), list[Trashed])

    async def _pages(self, name: str) -> list[Any]:
        """All of a list that the server gives page by page."""
        found: list[Any] = []
        behind = ""
        while True:
            page = await self._request("GET", f"/trees/{self.number}/{name}{behind}")
            found += page[name]
            if not page.get("next"):
                return found
            behind = f"?before={quote(str(page['next']))}"

    async def purge(self, node: str) -> None:
        """Remove a node of the trash for good, with all below it: for owners and admins."""
        await self._request("DELETE", f"/trees/{self.number}/trash/{quote(node, safe='')}")

    def tell_hooks(self, record: ConflictDetail) -> None:
        for hook in list(self._hooks):
            hook(record)
