"""The vectors as sync/ makes them: what web/text.js and web/digest.js must answer too. The same at each run."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import msgspec

from sync.marks import CREATED, Mark
from sync.nodes import Connection, Details, Node
from sync.text import Delta, applied, checked, composed, difference, inverted, ladder, transformed
from sync.tree import Held, HeldConnection, HeldDetails, Tree
from tests.deltas import LETTERS, every_delta

Json = dict[str, Any]
_REFUSED: list[list[Any]] = [
    [0],
    [""],
    [True],
    [None],
    [["a"]],
    [1.5],
    [2**53],
    [-(2**53)],
    ["a\x00b"],
    ["\ud83d"],
    ["\ude00x"],
    [3, "\ud83d", -1],
]
_MARKS = {CREATED: Mark(0, "", "")}


def encoded(vectors: Json) -> str:
    """One vector a line, in ASCII, so that a difference can be read."""
    lists = (
        f'"{name}":[\n' + ",\n".join(json.dumps(one, separators=(",", ":")) for one in of) + "\n]"
        for name, of in vectors.items()
    )
    return "{" + ",\n".join(lists) + "}\n"


# ---- text


def text_vectors() -> Json:
    random = Random(1989)
    small = [delta for length in range(3) for delta in every_delta(length, "-7")]
    return {
        "checked": [[delta, checked(delta)] for delta in (_raw(random) for _ in range(60))],
        "refused": _REFUSED,
        "applied": [[text, delta, applied(text, delta)] for text, delta in _fitting(random, 60)],
        "beyond": [["", [1, "x"]], ["", [-1]], ["😀", [2, "x"]], ["👍🏽", [-3]], ["abc", [1, -2, 1, "y"]]],
        "composed": [_composed(random) for _ in range(80)],
        "transformed": [[one, two, *transformed(one, two)] for one, two in _pairs(random, small)],
        "inverted": [[text, delta, inverted(text, delta)] for text, delta in _fitting(random, 40)],
        "difference": [[old, new, difference(old, new)] for old, new in _texts_alike(random)],
        "ladder": [_ladder(random) for _ in range(40)],
        "offsets": [[text, len(text[:point].encode("utf-16-le")) // 2, point] for text, point in _offsets()],
    }


def _text(random: Random, most: int = 14) -> str:
    return "".join(random.choices(LETTERS, k=random.randint(0, most)))


def _raw(random: Random) -> Delta:
    parts: list[int | str] = [1, 2, 3, -1, -2, "a", "שx", "😀", "\u0301", "7", "-3", " 4", "0"]  # "7" > 0 in JavaScript
    return random.choices(parts, k=random.randint(0, 8))


def _delta(random: Random, text: str) -> Delta:
    delta: Delta = []
    left = len(text)
    while left and random.random() < 0.8:
        if random.random() < 0.4:
            delta.append(_text(random, 3) or "-5")
        count = random.randint(1, left)
        delta.append(random.choice((count, -count)))
        left -= count
    if random.random() < 0.4:
        delta.append(_text(random, 3) or "-5")
    return checked(delta)


def _fitting(random: Random, count: int) -> list[tuple[str, Delta]]:
    texts = [_text(random) for _ in range(count)]
    return [(text, _delta(random, text)) for text in texts]


def _pairs(random: Random, small: list[Delta]) -> list[tuple[Delta, Delta]]:
    pairs = [(one, two) for one in small[:10] for two in small[:10]]
    texts = [_text(random) for _ in range(100)]
    return pairs + [(_delta(random, text), _delta(random, text)) for text in texts]


def _composed(random: Random) -> list[Any]:
    text = _text(random)
    first = _delta(random, text)
    second = _delta(random, applied(text, first))
    return [first, second, composed(first, second)]


def _texts_alike(random: Random) -> list[tuple[str, str]]:
    """Pairs with much in common, also halves of surrogate pairs."""
    pairs = [("😀", "😁"), ("a😀b", "a😁b"), ("😀😀", "😀"), ("😀", "🐀"), ("", ""), ("", "a"), ("aa", "a")]
    return pairs + [(text, applied(text, delta)) for text, delta in _fitting(random, 60)]


def _ladder(random: Random) -> list[Any]:
    text = _text(random)
    delta = _delta(random, text)
    concurrent: list[Delta] = []
    for _ in range(random.randint(0, 4)):
        concurrent.append(_delta(random, text))
        text = applied(text, concurrent[-1])
    return [delta, concurrent, *ladder(delta, concurrent)]


def _offsets() -> list[tuple[str, int]]:
    return [(text, point) for text in ("", "abc", "a😀b👍🏽c", "שלום😀") for point in range(len(text) + 1)]


# ---- digest


def digest_vectors() -> Json:
    random = Random(30)
    return {"trees": [_tree(random, nodes) for nodes in (0, 1, 1, 2, 5, 20, 60)]}


def _tree(random: Random, count: int) -> Json:
    tree = Tree(HeldDetails(Details(name="no part of the digest"), _MARKS))
    for place in range(count):
        tree.put_node(f"n{place}", Held(_node(random, place), _MARKS))
    for place in range(count // 3):
        ends = random.sample(range(count), 2)
        joined = Connection(id=f"c{place}", source=f"n{ends[0]}", target=f"n{ends[1]}", label=_text(random))
        tree.put_connection(joined.id, HeldConnection(joined, _MARKS))
    state = tree.state()
    return {
        "nodes": [{name: getattr(node, name) for name in _NODE_FIELDS} for node in state.nodes],
        "connections": msgspec.to_builtins(state.connections),
        "digest": tree.digest,
    }


_NODE_FIELDS = ("id", "parent", "order", "title", "description", "seq")


def _node(random: Random, place: int) -> Node:
    return Node(
        id=f"n{place}",
        parent=f"n{random.randrange(place)}" if place and random.random() < 0.9 else None,
        order=f"a{place % 10}V{place}",
        type="outcome",
        title=_text(random) or "title",
        description=_text(random, 60),
        seq=random.choice((0, place, 2**31, 2**53 - 1)),
    )
