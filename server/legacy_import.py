"""Taking the rows of an old table, one after the other: each whole or not at all, and each once."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar

import msgspec

from server.auth import ID_CHARACTERS
from storage.legacy import LegacyRow, PostgresLegacy, Took
from sync.creation import first_batch
from sync.errors import Invalid, Unavailable, Unstorable
from sync.formats.portable import text_of
from sync.identity import Author, Identity, TreeKey
from sync.legacy.notes import Note, Rule
from sync.legacy.row import OldTree, Refusal, read_row
from sync.limits import Limits
from sync.ports import Batch, Clock, Visibility

Result = TypeVar("Result")
Fate = Literal["made", "known", "changed", "gone", "refused"]
NAME = "import-legacy"  # in the log and in activity, as what acted for the owner
_COLUMNS = ["user_id", "tenant", "user"]
_TOKEN = 16  # hex characters, as for trees that are made by hand
_TRIES = 6
_PAUSE_SECONDS = 0.25  # before the second try, doubled each time: 8 s in all, about what a failover takes


class Owners:
    """Whose trees the rows become. Nothing is guessed: a row of somebody who is not named is refused."""

    def __init__(
        self, named: dict[str, tuple[str, str]] | None = None, *, tenant: str | None = None, owner: str | None = None
    ) -> None:
        """`named`: (tenant, user) by old user id. `tenant` takes everybody else, each under his old id, and `owner`
        there has the rows that name nobody. Raises Invalid."""
        self._named = named or {}
        self._tenant = tenant
        self._owner = owner
        for what, said in (("tenant", tenant), ("owner", owner)):
            if said is not None:
                check_id(said, what)
        if not self._named and tenant is None:
            raise Invalid("say whose the trees become: a tenant for all of them, or a file of owners")

    def of(self, old: str) -> Identity:
        """Raises Invalid."""
        if old in self._named:
            tenant, user = self._named[old]
        else:
            tenant, user = self._tenant or "", old or self._owner or ""
        if not user:
            raise Invalid("user_id: the row names no owner; say who has such rows (--owner)")
        if not tenant:
            raise Invalid(f"user_id: {old[:ID_CHARACTERS]!r} is not in the file of owners (and there is no --tenant)")

        check_id(user, "user_id")
        return Identity(tenant=tenant, user=user, expires_at=float("inf"))


def read_owners(content: bytes) -> dict[str, tuple[str, str]]:
    """(tenant, user) by old user id, from CSV with these columns. Raises Invalid, naming the line."""
    lines = csv.reader(io.StringIO(text_of(content), newline=""), strict=True)
    named: dict[str, tuple[str, str]] = {}
    try:
        if [cell.strip() for cell in next(lines, [])] != _COLUMNS:
            raise Invalid(f"line 1: the columns are {', '.join(_COLUMNS)}")
        for cells in lines:
            where = f"line {lines.line_num}"
            if not cells:
                continue
            if len(cells) != len(_COLUMNS):
                raise Invalid(f"{where}: {len(cells)} cells under {len(_COLUMNS)} columns")
            old, tenant, user = (cell.strip() for cell in cells)
            if old in named:
                raise Invalid(f"{where}: {old!r} is named twice")
            check_id(tenant, f"{where}: tenant")
            check_id(user, f"{where}: user")
            named[old] = (tenant, user)
    except csv.Error as error:
        raise Invalid(f"line {lines.line_num}: {error}") from None
    return named


def check_id(said: str, what: str) -> None:
    """What a token may name, or nobody could ever open the tree. Raises Invalid."""
    if not 1 <= len(said) <= ID_CHARACTERS or not said.isprintable():
        raise Invalid(f"{what}: an id has 1 to {ID_CHARACTERS} printable characters")


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one row. `tree` is its number, None in a dry run; `why` of a refusal names the node."""

    row: str
    fate: Fate
    tree: int | None = None
    why: str = ""
    nodes: int = 0
    connections: int = 0
    notes: list[Note] = []


class Tally(msgspec.Struct):
    """The closing report: rows by what became of them, mended things by rule, and what was made."""

    rows: Counter[Fate] = msgspec.field(default_factory=Counter)
    rules: Counter[Rule] = msgspec.field(default_factory=Counter)
    nodes: int = 0
    connections: int = 0

    def add(self, taken: Taken) -> None:
        self.rows[taken.fate] += 1
        if taken.fate == "made":
            self.nodes += taken.nodes
            self.connections += taken.connections
            self.rules.update(note.rule for note in taken.notes)


class LegacyImport:
    """Takes rows of one old table. Made anew after a kill, and beside another one, it makes no tree twice."""

    def __init__(
        self,
        rows: PostgresLegacy,
        owners: Owners,
        clock: Clock,
        *,
        source: str,
        limits: Limits,
        visibility: Visibility = "private",
        dry_run: bool = False,
    ) -> None:
        self._rows = rows
        self._owners = owners
        self._clock = clock
        self._source = source
        self._limits = limits
        self._visibility = visibility
        self._dry_run = dry_run
        self._met: dict[str, str] = {}  # the content of each row of this run

    async def take(self, content: bytes | str) -> Taken:
        """One row as JSON. Raises Unavailable where the database does not come back."""
        read = read_row(content, self._limits)
        if isinstance(read, Refusal):
            return Taken(row=read.row, fate="refused", why=read.why, notes=read.notes)
        try:
            took = await self._taken_once(read)
        except (Invalid, Unstorable) as error:
            return Taken(row=read.row, fate="refused", why=error.why, notes=read.notes)
        return Taken(
            row=read.row,
            fate=took.fate,
            tree=took.tree,
            nodes=len(read.tree.nodes),
            connections=len(read.tree.connections),
            notes=read.notes,
        )

    async def _taken_once(self, old: OldTree) -> Took:
        """Raises Invalid for another row of an id that this run has met."""
        identity = self._owners.of(old.owner)
        met = self._met.get(old.row)
        if met is not None and met != old.content:
            raise Invalid("another row with this id came before it")
        self._met[old.row] = old.content
        if met is not None and self._dry_run:
            return Took("known", None)
        return await self._taken(identity, old)

    async def _taken(self, identity: Identity, old: OldTree) -> Took:
        row = LegacyRow(
            source=self._source,
            row=old.row,
            content=old.content,
            created_at=old.created_at,
            updated_at=old.updated_at,
        )
        known = await self._patiently(lambda: self._rows.known(identity.tenant, row))
        if known is not None:
            return known
        author = Author(user=identity.user, client=f"{NAME}:{self._clock.token(_TOKEN)}", via=NAME)
        first = self._first(identity, author, old)
        if self._dry_run:
            return Took("made", None)
        return await self._patiently(lambda: self._rows.take(identity, row, first, self._visibility, author))

    def _first(self, identity: Identity, author: Author, old: OldTree) -> Batch:
        """The tree's first commit, judged as every other. Raises Invalid."""
        nobody = TreeKey(identity.tenant, 0)  # the database gives the number
        epoch, mark = self._clock.token(_TOKEN), self._clock.token(_TOKEN)
        tree = old.tree
        return first_batch(nobody, epoch, mark, author, tree.details, tree.nodes, tree.connections, self._limits)

    async def _patiently(self, ask: Callable[[], Awaitable[Result]]) -> Result:
        """A row that was taken though nobody heard of it is found as known."""
        for number in range(_TRIES - 1):
            try:
                return await ask()
            except Unavailable:
                await self._clock.sleep(_PAUSE_SECONDS * 2**number)
        return await ask()
