"""Trees as AI jobs read them, over HTTP: one at a time, in claimed batches, all of a tenant, and across trees."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from server.http import Answer, Call, Operation, Parameter
from sync.access import role_in
from sync.errors import Forbidden, Invalid, NotFound
from sync.identity import Identity, TreeKey
from sync.ports import Clock, Store
from sync.structure import Structure
from sync.structures import Page, Processed, Structures, TermUse
from sync.vocabulary import VOCABULARY, VOCABULARY_VERSION, Term, term_named

_BATCH, _BATCH_MOST = 100, 1_000  # spec 000 asks for batches of 100 and of 1,000
_PAGE, _PAGE_MOST = 100, 500
_EXPORT_PAGE = 50  # trees read at once
_CLAIM_CHARACTERS = 24  # hex: 96 random bits, which nobody guesses
JSON_LINES = "application/jsonl"


class ClaimRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`processed_before`: beside trees never processed, those last processed before that time (RFC 3339)."""

    limit: Annotated[int, Meta(ge=1, le=_BATCH_MOST)] = _BATCH
    processed_before: str | UnsetType = UNSET


class ClaimedBatch(msgspec.Struct, kw_only=True):
    """A batch that nobody else has until `until`."""

    claim: str
    until: str
    structures: list[Structure]


class Completion(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What became of trees of a claim."""

    claim: Annotated[str, Meta(min_length=1, max_length=64)]
    results: Annotated[list[Processed], Meta(max_length=_BATCH_MOST)]


class Completed(msgspec.Struct, kw_only=True):
    """The trees that are marked now, and those that this claim has no more: others' work on them counts."""

    completed: list[int]
    lost: list[int]


class VocabularyTerm(msgspec.Struct, kw_only=True):
    term: str
    category: str
    business_domain: str
    words: list[str]


class VocabularyTable(msgspec.Struct, kw_only=True):
    """The standard vocabulary: what trees of different people call the same thing by."""

    version: int
    terms: list[VocabularyTerm]


class TermPage(msgspec.Struct, kw_only=True):
    """Trees that speak of a term, by number. `next` is the `after` of the following page; null: the last."""

    term: VocabularyTerm
    trees: list[TermUse]
    next: int | None


class AiReady:
    """The operations for AI jobs."""

    def __init__(self, store: Store, structures: Structures, clock: Clock) -> None:
        self._store = store
        self._structures = structures
        self._clock = clock

    def operations(self) -> list[Operation]:
        return [*self._documents(), *self._batches(), *self._words()]

    def _documents(self) -> list[Operation]:
        return [
            Operation(
                method="GET",
                path="/api/v1/trees/{tree}/structure",
                name="read_structure",
                summary="A tree as AI jobs read it, as it is now",
                handle=self.structure,
                gives=Structure,
            ),
            Operation(
                method="GET",
                path="/api/v1/schemas/structure",
                name="read_structure_schema",
                summary="The JSON Schema of that document",
                handle=self.schema,
                access="public",
                gives=dict[str, Any],
                media_type="application/schema+json",
            ),
            Operation(
                method="GET",
                path="/api/v1/ai/export",
                name="export_structures",
                summary="Every tree of the tenant, a document a line; for admins",
                handle=self.export,
                gives=Structure,
                media_type=JSON_LINES,
                query=(Parameter("after", "integer", "begin behind that tree", 0, 2**53 - 1),),
            ),
        ]

    def _batches(self) -> list[Operation]:
        return [
            Operation(
                method="POST",
                path="/api/v1/ai/batches/claim",
                name="claim_batch",
                summary="Take trees to be processed, which nobody else is given meanwhile; for admins",
                handle=self.claim,
                takes=ClaimRequest,
                gives=ClaimedBatch,
            ),
            Operation(
                method="POST",
                path="/api/v1/ai/batches/complete",
                name="complete_batch",
                summary="Mark trees of a claim as processed, with what came of it; for admins",
                handle=self.complete,
                takes=Completion,
                gives=Completed,
            ),
        ]

    def _words(self) -> list[Operation]:
        return [
            Operation(
                method="GET",
                path="/api/v1/ai/vocabulary",
                name="read_vocabulary",
                summary="The standard vocabulary",
                handle=self.vocabulary,
                gives=VocabularyTable,
            ),
            Operation(
                method="GET",
                path="/api/v1/ai/terms/{term}",
                name="list_trees_with_term",
                summary="The trees you may see that speak of a term of the vocabulary",
                handle=self.with_term,
                gives=TermPage,
                query=(
                    Parameter("limit", "integer", f"trees of a page, at most {_PAGE_MOST}", 1, _PAGE_MOST),
                    Parameter("after", "integer", "`next` of the page before", 0, 2**53 - 1),
                ),
            ),
        ]

    async def structure(self, call: Call) -> Answer:
        key = TreeKey(call.identity.tenant, call.tree)
        if role_in(await self._store.rights(key), call.identity) is None:  # read alone: nobody needs the room for that
            raise NotFound("no such tree")
        return Answer(await self._structures.structure(key))

    async def schema(self, call: Call) -> Answer:
        return Answer(msgspec.json.schema(Structure), media_type="application/schema+json")

    async def export(self, call: Call) -> Answer:
        identity = _admin(call)
        after = call.number("after", default=0, least=0, most=2**53 - 1) or 0
        first = await self._structures.page(identity.tenant, after=after, limit=_EXPORT_PAGE)  # errors come before 200
        return Answer(self._lines(identity.tenant, first), media_type=JSON_LINES)

    async def _lines(self, tenant: str, page: Page) -> AsyncIterator[bytes]:
        yield _lines_of(page)
        while page.next is not None:
            page = await self._structures.page(tenant, after=page.next, limit=_EXPORT_PAGE)
            yield _lines_of(page)

    async def claim(self, call: Call) -> Answer:
        identity = _admin(call)
        wanted = await call.read(ClaimRequest)
        before = _moment(wanted.processed_before) if isinstance(wanted.processed_before, str) else None
        name = self._clock.token(_CLAIM_CHARACTERS)
        return Answer(await self._structures.claim(identity.tenant, name, limit=wanted.limit, before=before))

    async def complete(self, call: Call) -> Answer:
        identity = _admin(call)
        wanted = await call.read(Completion)
        trees = {one.tree: one for one in wanted.results}  # of two results for one tree the last
        done = await self._structures.complete(identity.tenant, wanted.claim, list(trees.values()))
        return Answer(Completed(completed=done, lost=sorted(trees.keys() - set(done))))

    async def vocabulary(self, call: Call) -> Answer:
        return Answer(VocabularyTable(version=VOCABULARY_VERSION, terms=[_shown(term) for term in VOCABULARY]))

    async def with_term(self, call: Call) -> Answer:
        term = term_named(str(call.request.path_params["term"]))
        if term is None:
            raise Invalid("no term of the vocabulary")
        limit = call.number("limit", default=_PAGE, least=1, most=_PAGE_MOST) or _PAGE
        after = call.number("after", default=0, least=0, most=2**53 - 1) or 0
        trees = await self._structures.with_term(call.identity, term.term, after=after, limit=limit)
        return Answer(TermPage(term=_shown(term), trees=trees, next=trees[-1].tree if len(trees) == limit else None))


def _lines_of(page: Page) -> bytes:
    return b"".join(document + b"\n" for document in page.documents)


def _admin(call: Call) -> Identity:
    if call.identity.role != "admin":
        raise Forbidden("only an admin of the tenant may read all of its trees")
    return call.identity


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid("`processed_before` is a time as RFC 3339 writes it") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _shown(term: Term) -> VocabularyTerm:
    return VocabularyTerm(
        term=term.term, category=term.category, business_domain=term.domain, words=list(dict.fromkeys(term.words))
    )
