"""Search over the words of all trees somebody may see. Declared here, implemented by `storage/`, with what all
implementations share: which words a node has, what they count for, what is shown of a text.

Documents are the nodes, and each tree's own name and description. One is found when it has every word that is asked
for; a word of the tree's name or description stands for it in each of its nodes, if that has another one itself. What
a word counts for is where it stands: a name or title most. Nothing is drawn by chance, among equals newer trees come
first.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from sync.errors import Invalid
from sync.identity import Identity
from sync.nodes import Details, Node, NodeType
from sync.search_words import Word, places, terms, words
from sync.templates import STATUS_KEY, Status

SEARCH_VERSION = 2  # of the rules by which words are taken: what was indexed by others is indexed anew
QUERY_CHARACTERS = 200
QUERY_WORDS = 10
TEXT_CHARACTERS = 50_000  # of a document; 3 ms
MOST_TERMS = 2_000  # of a document
MOST_HITS = 50  # of a page
SNIPPET_CHARACTERS = 160
_LEAD = 40  # characters of a snippet before the first word found
PATH_NODES = 100  # of a longer path the nearest

# what a word counts for by where it stands
OF_NAME, OF_TITLE, OF_DESCRIPTION, OF_FIELD, OF_TREE = 9, 7, 4, 2, 1


class SearchFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What a hit must be; None: it may be anything. With a type or status only nodes are found."""

    tree: int | None = None
    type: NodeType | None = None
    status: Status | None = None

    @property
    def is_of_nodes(self) -> bool:
        return self.type is not None or self.status is not None


class Piece(msgspec.Struct, frozen=True):
    """A part of a text. `hit`: it is a word that was asked for."""

    text: str
    hit: bool


class Crumb(msgspec.Struct, frozen=True):
    """A node on the way down to a hit."""

    node: str
    title: str


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A node, or with null for `node` a tree by its own name and description. `title` is that of the node, or the name
    of the tree. `path`: the nodes above it, the root first. `snippet` is of `field`."""

    tree: int
    tree_name: str
    node: str | None
    type: NodeType | None
    status: Status | None
    title: str
    path: list[Crumb]
    field: str
    snippet: list[Piece]
    score: int


class Hits(msgspec.Struct, frozen=True, kw_only=True):
    """A page, the best first; it may end early. `next`: the `after` of the following one; null: the last. `complete`:
    nothing was left out; false: of many trees that have the words only the best were looked at. `behind`: in so many
    trees the newest edits have not been looked at yet."""

    hits: list[Hit]
    next: str | None
    complete: bool
    behind: int


class Rank(NamedTuple):
    """Where a document stands among those found: the least comes first."""

    points: int  # negative: the best comes first
    tree: int  # negative: the newest comes first
    node: str


class Search(Protocol):
    """Nothing crosses a tenant. Raises Unavailable."""

    async def search(
        self, identity: Identity, asked: Sequence[Word], *, only: SearchFilter, limit: int, after: Rank | None
    ) -> Hits:
        """What this user may see and has the words. What was edited before is found, `behind` apart."""
        ...

    async def trees_with(self, identity: Identity, asked: Sequence[Word], *, limit: int) -> list[int]:
        """The best trees this user may see that have all the words, in themselves or some of their nodes."""
        ...

    async def refresh(self, tenant: str, *, everything: bool) -> int:
        """Bring the words of trees level that were edited since this was done last, or of all that are not. Answers
        how many were behind."""
        ...


# ---- what is asked for


def query(text: str) -> list[Word]:
    """The words somebody asks for. Blank, or without a letter: none. Raises Invalid."""
    if len(text) > QUERY_CHARACTERS or "\x00" in text:
        raise Invalid(f"`q` has at most {QUERY_CHARACTERS} characters, and no U+0000")
    found = words(text)
    if len(found) > QUERY_WORDS:
        raise Invalid(f"`q` has at most {QUERY_WORDS} different words")
    return found


def cursor(rank: Rank) -> str:
    return f"{-rank.points}|{-rank.tree}|{rank.node}"


def rank_of(text: str) -> Rank:
    """Raises Invalid for what is no cursor."""
    points, _, rest = text.partition("|")
    tree, bar, node = rest.partition("|")
    numbers = (points, tree)
    if not bar or "\x00" in node or not all(n.isascii() and n.isdecimal() and len(n) <= 16 for n in numbers):
        raise Invalid("`after` is the `next` of the page before")
    return Rank(-int(points), -int(tree), node)


# ---- the words of a document


def tree_terms(details: Details) -> dict[str, int]:
    """The words of a tree's own name and description, and what each counts for."""
    return _weighed([(OF_NAME, details.name), (OF_DESCRIPTION, details.description)])


def node_terms(node: Node) -> dict[str, int]:
    """The words of a node likewise."""
    return _weighed((weight, text) for weight, _, text in _fields(node))


def _fields(node: Node) -> Iterator[tuple[int, str, str]]:
    """(weight, path, text) of everything in a node that holds text."""
    yield OF_TITLE, "title", node.title
    yield OF_DESCRIPTION, "description", node.description
    for name, values in (("template_data", node.template_data), ("metadata", node.metadata)):
        for key, value in sorted(values.items()):  # a database keeps them in an order of its own
            if key != STATUS_KEY:
                yield from ((OF_FIELD, f"{name}.{key}", text) for text in _texts(value))


def _texts(value: Any) -> Iterator[str]:
    """A text, or those of a list: what people type. Values within maps are a program's."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        yield from (one for one in value if isinstance(one, str))


def _weighed(texts: Iterable[tuple[int, str]]) -> dict[str, int]:
    found: dict[str, int] = {}
    left = TEXT_CHARACTERS
    for weight, text in texts:
        if left <= 0:
            break
        for term in sorted(terms(text[:left])):
            if len(found) < MOST_TERMS or term in found:
                found[term] = max(weight, found.get(term, 0))
        left -= len(text)
    return found


# ---- which documents are found


def points_of(word: Word, term: str, weight: int) -> int:
    """What a term counts for where a word is asked for that means it; a whole word more than a beginning."""
    return 2 * weight + (term == word.text)


Postings = Sequence[Mapping[str, int]]
"""Of one tree, for each word asked for: its documents that have it, and what it counts for there at best. The tree's
own is named by the empty text: no node has that id."""


def documents(postings: Postings) -> Iterator[tuple[str, int]]:
    """The documents of a tree that are found, and their points."""
    of_tree = [OF_TREE if "" in one else None for one in postings]
    for node in dict.fromkeys(node for one in postings for node in one):
        own = [one.get(node) for one in postings]
        helped = own if node == "" else [mine or theirs for mine, theirs in zip(own, of_tree, strict=True)]
        found = [points for points in helped if points is not None]
        if len(found) == len(postings):
            yield node, sum(found)


def postings_of(asked: Sequence[Word], terms_of: Mapping[str, Mapping[str, int]]) -> Postings:
    """Of documents whose words are at hand."""
    return [
        {node: points for node, document in terms_of.items() if (points := _best(word, document)) > 0} for word in asked
    ]


def _best(word: Word, document: Mapping[str, int]) -> int:
    return max((points_of(word, term, weight) for term, weight in document.items() if word.means(term)), default=0)


# ---- what is shown of them


def shown_of_node(asked: Sequence[Word], node: Node) -> tuple[str, list[Piece]]:
    """The field of a node that has most of the words, and what is shown of it."""
    return _shown(asked, [(path, text) for _, path, text in _fields(node)])


def shown_of_tree(asked: Sequence[Word], details: Details) -> tuple[str, list[Piece]]:
    return _shown(asked, [("name", details.name), ("description", details.description)])


def _shown(asked: Sequence[Word], fields: Sequence[tuple[str, str]]) -> tuple[str, list[Piece]]:
    best, best_words, spans = fields[0], 0, list[tuple[int, int]]()
    left = TEXT_CHARACTERS
    for path, text in fields:
        plain = unicodedata.normalize("NFC", text[: max(left, 0)])
        found = [(place, word) for place in places(plain) for word in asked if word.means(place.term)]
        count = len({word for _, word in found})
        if count > best_words:
            best, best_words = (path, plain), count
            spans = [(place.start, place.end) for place, _ in found]
        left -= len(text)
    return best[0], _pieces(best[1], spans)


def _pieces(text: str, spans: Sequence[tuple[int, int]]) -> list[Piece]:
    """The text around the first word found, cut at words; spans that touch are one."""
    start, end = _window(text, spans[0][0] if spans else 0)
    pieces: list[Piece] = [Piece("…", hit=False)] if start else []
    place = start
    for begin, over in _joined(spans):
        if begin >= end:
            break
        if over > place:
            pieces += [Piece(text[place:begin], hit=False)] if begin > place else []
            pieces.append(Piece(text[max(begin, place) : min(over, end)], hit=True))
            place = min(over, end)
    pieces += [Piece(text[place:end], hit=False)] if end > place else []
    return pieces + ([Piece("…", hit=False)] if end < len(text) else [])


def _window(text: str, first: int) -> tuple[int, int]:
    """From where to where a text is shown."""
    start = max(0, first - _LEAD)
    if start:
        space = text.find(" ", start, first)
        start = space + 1 if space >= 0 else start
    end = min(len(text), start + SNIPPET_CHARACTERS)
    if end < len(text):
        space = text.rfind(" ", first + 1, end)
        end = space if space > start else end
    return start, end


def _joined(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined
