"""Trees as files: what comes back, and what is refused, by line or by node."""

from __future__ import annotations

import contextlib
import io
import zipfile
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from sync.codec import JSON
from sync.creation import first_batch
from sync.errors import Invalid
from sync.formats import FORMATS, FormatName
from sync.formats.portable import Portable, portable_of
from sync.identity import Author, TreeKey
from sync.limits import Limits
from sync.nodes import NODE_TYPES, Details, Node, Point, State
from sync.ops import ImportedConnection, ImportedNode

LIMITS = Limits()
# every character that a tree can hold: no U+0000, no half of a pair
TEXT = some.text(some.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
ODD = some.sampled_from(
    [
        "=1+1",
        "'=x",
        "'",
        "- a",
        "> b",
        "# c",
        " {#n1}",
        "a}",
        "\\n",
        "\n",
        "\r\n",
        "\r",
        "\t",
        '"',
        "<&>",
        "\x01",
        "\ufffe",
        "👋",
    ]
)
TITLES = some.lists(TEXT | ODD, min_size=1, max_size=3).map("".join).filter(bool)
VALUES = some.recursive(
    some.none()
    | some.booleans()
    | some.integers(-(2**53) + 1, 2**53 - 1)
    | some.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
KEYS = some.text("abcxyz_é ", min_size=1, max_size=8)
MAPS = some.dictionaries(KEYS, VALUES, max_size=2)


@some.composite
def trees(draw: Any) -> Portable:
    ids = draw(
        some.lists(
            some.text(some.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=6)
            | ODD,
            unique=True,
            max_size=8,
        )
    )
    nodes: list[ImportedNode] = []
    for number, one in enumerate(ids):
        node = ImportedNode(
            id=one,
            parent=draw(some.sampled_from([None, *ids[:number]])),
            type=draw(some.sampled_from(NODE_TYPES)),
            title=draw(TITLES),
            description=draw(TITLES | some.just("")),
            position=Point(draw(some.floats(-1e6, 1e6)), draw(some.floats(-1e6, 1e6))),
            is_collapsed=draw(some.booleans()),
            template_data=draw(MAPS),
            metadata=draw(MAPS),
        )
        nodes.append(node)
    pairs = [(a, b) for a in ids[:3] for b in ids[:3] if a != b]
    connections = [
        ImportedConnection(id=f"c{number}", source=a, target=b, label=draw(TEXT))
        for number, (a, b) in enumerate(pairs[:2])
    ]
    details = Details(name=draw(TITLES), description=draw(TITLES | some.just("")), is_template=draw(some.booleans()))
    return portable_of(stored(Portable(details=details, nodes=nodes, connections=connections)))


def stored(tree: Portable) -> State:
    """As a server holds it once it was made."""
    author = Author(user="ada", client="c")
    batch = first_batch(TreeKey("acme", 1), "e", "m", author, tree.details, tree.nodes, tree.connections, LIMITS)
    fields = msgspec.structs.asdict(batch.details or tree.details)
    nodes = [row.node for row in batch.nodes]
    return State(**fields, nodes=nodes, connections=[row.connection for row in batch.connections])


def again(name: FormatName, tree: Portable) -> Portable:
    return FORMATS[name].read(FORMATS[name].write(tree), LIMITS)


def content(tree: Portable) -> tuple[Any, ...]:
    """What a server makes of it."""
    state = stored(tree)
    return portable_of(state).nodes, sorted(state.connections, key=lambda one: one.id)


@pytest.mark.parametrize("name", ["json", "opml"])
@given(tree=trees())
@settings(max_examples=60, deadline=None)
def test_a_tree_comes_back_exactly(name: FormatName, tree: Portable) -> None:
    found = again(name, tree)
    assert found.details == tree.details
    assert content(found) == content(tree)


@given(tree=trees())
@settings(max_examples=60, deadline=None)
def test_csv_brings_the_nodes_back_exactly(tree: Portable) -> None:
    assert content(again("csv", tree))[0] == content(tree)[0]


@given(tree=trees())
@settings(max_examples=60, deadline=None)
def test_an_outline_brings_back_what_it_shows(tree: Portable) -> None:
    found = again("markdown", tree)
    assert (found.details.name, found.details.description) == (tree.details.name, tree.details.description)
    shown = ("id", "parent", "type", "title", "description")
    assert [[getattr(one, field) or None for field in shown] for one in found.nodes] == [
        [getattr(one, field) or None for field in shown] for one in tree.nodes
    ]


def test_siblings_stand_in_their_order_whatever_the_state_lists_first() -> None:
    nodes = [
        Node(id="b", parent="a", order="a1", type="metric", title="B"),
        Node(id="c", parent="a", order="a0", type="metric", title="C"),
        Node(id="a", parent=None, order="a0", type="objective", title="A"),
    ]
    tree = portable_of(State(**msgspec.structs.asdict(Details(name="T")), nodes=nodes, connections=[]))
    assert [node.id for node in tree.nodes] == ["a", "c", "b"]


# ---- files that people make


def ids(name: FormatName, text: str) -> list[tuple[str, str | None, str, str]]:
    tree = FORMATS[name].read(text.encode(), LIMITS)
    return [(node.id, node.parent, node.type, node.title) for node in tree.nodes]


def test_an_outline_needs_neither_types_nor_ids() -> None:
    text = (
        "\ufeff# Plan\r\nWhat for\r\n\r\n* One\r\n\t* Two  \r\n\t  because\r\n\t\t* metric: Three\r\n* Four {#four}\r\n"
    )
    tree = FORMATS["markdown"].read(text.encode(), LIMITS)
    assert (tree.details.name, tree.details.description) == ("Plan", "What for")
    assert tree.nodes[1].description == "because"
    assert ids("markdown", text) == [
        ("line-4", None, "objective", "One"),
        ("line-5", "line-4", "outcome", "Two"),
        ("line-7", "line-5", "metric", "Three"),
        ("four", None, "objective", "Four"),
    ]


def test_an_outline_of_another_program_is_read() -> None:
    body = '<outline text="a" _note="why"><outline title="b"/></outline>'
    text = f'<opml version="1.0"><head><title>T</title></head><body>\n{body}</body></opml>'
    assert ids("opml", text) == [("line-2", None, "objective", "a"), ("line-2-1", "line-2", "outcome", "b")]


def test_what_an_outliner_changed_is_what_counts() -> None:
    tree = Portable(
        details=Details(name="T"), nodes=[ImportedNode(id="a", type="metric", title="Old", description="was")]
    )
    text = FORMATS["opml"].write(tree).decode().replace('"Old"', '"New"').replace('"was"', '"is"').replace(">T<", ">U<")
    found = FORMATS["opml"].read(text.encode(), LIMITS)
    assert (found.details.name, found.nodes[0].title, found.nodes[0].description) == ("U", "New", "is")
    assert (found.nodes[0].id, found.nodes[0].type) == ("a", "metric")


def test_a_table_may_have_fewer_columns_in_any_order() -> None:
    assert ids("csv", "title,id,type\r\n\r\nT,a,metric\r\n") == [("a", None, "metric", "T")]


def test_no_cell_is_a_formula() -> None:
    node = ImportedNode(id="=a", type="metric", title="=cmd|' /C calc'!A0", description="@x")
    tree = Portable(details=Details(name="T"), nodes=[node])
    cells = FORMATS["csv"].write(tree).decode().splitlines()[1].split(",")
    assert [cell[:2] for cell in cells if cell] == ["'=", "me", "'=", "'@", "0.", "0."] or "'=a" in cells


# ---- bad files

BOMB = (
    '<?xml version="1.0"?>\n<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>\n'
    '<opml><body><outline text="&b;"/></body></opml>'
)
OUTSIDE = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>\n<opml><body><outline text="&x;"/></body></opml>'
NODE = '{"id":"%s","parent":%s,"type":"metric","title":"T"}'


def of_nodes(*nodes: str) -> str:
    return '{"name":"T","nodes":[' + ",\n".join(nodes) + "]}"


BAD: list[tuple[FormatName, str | bytes, str]] = [
    ("opml", BOMB, "line 2: a document type"),
    ("opml", OUTSIDE, "line 1: a document type"),
    ("opml", '<opml><body>\n<outline text="&nope;"/></body></opml>', "line 2"),
    ("opml", '<opml><body>\n\n<outline text="a"></body></opml>', "line 3: mismatched tag"),
    ("opml", "<html/>", "line 1: an OPML file begins with <opml>"),
    ("opml", "", "line 1: no element found"),
    ("opml", '<opml><outline text="a"/></opml>', "line 1: an <outline> outside of <body>"),
    ("opml", '<opml><body>\n<outline text=""/></body></opml>', "line 2 (line-2)"),
    (
        "opml",
        '<?xml version="1.0" encoding="latin1"?><opml><body><outline text="é"/></body></opml>',
        "says that it is latin1",
    ),
    (
        "opml",
        '<opml xmlns:ts="urn:treesync:1"><body>\n<outline text="a" ts:node="[1]"/></body></opml>',
        "line 2: ts:node",
    ),
    ("json", "[1]", "line 1: a tree is an object"),
    ("json", '{"name":"T",\n"nodes":[{]}', "line 2: not JSON"),
    ("json", '{"name":"T","nodes":7}', "line 1: a tree is an object with a list"),
    ("json", '{"treesync":9,"nodes":[]}', "treesync: this is version 9"),
    ("json", of_nodes(NODE % ("a", "null"), NODE % ("a", "null")), "nodes[1]: the id a stands at nodes[0] already"),
    ("json", of_nodes(NODE % ("a", '"b"'), NODE % ("b", '"a"')), "nodes[0] (a): it stands below itself"),
    ("json", of_nodes(NODE % ("a", '"a"')), "nodes[0] (a): it stands below itself"),
    ("json", of_nodes(NODE % ("a", '"gone"')), "nodes[0] (a): there is no node gone"),
    ("json", of_nodes('{"id":"a","type":"wish","title":"T"}'), "nodes[0] (a): Invalid enum value 'wish'"),
    (
        "json",
        of_nodes('{"id":"a","type":"metric","title":"T","color":1}'),
        "nodes[0] (a): Object contains unknown field",
    ),
    (
        "json",
        of_nodes('{"id":"a","type":"metric","title":"T","template_data":{"a.b":1}}'),
        "nodes[0] (a): no such path",
    ),
    (
        "json",
        '{"name":"T","nodes":[],"connections":[{"id":"c","from":"a","to":"b"}]}',
        "connection c: there is no node a",
    ),
    ("csv", "", "line 1: the columns are"),
    ("csv", "id,type,title,colour\n", "line 1: the columns are"),
    ("csv", "id,type,title\na,metric\n", "line 2: 2 cells under 3 columns"),
    ("csv", 'id,type,title\na,metric,"T\nU"\nb,metric\n', "line 4: 2 cells"),
    ("csv", 'id,type,title\na,metric,"T\n', "line 2: unexpected end of data"),
    ("csv", "id,type,title,x\na,metric,T,left\n", "line 2: x is a number"),
    ("csv", "id,type,title,x\na,metric,T,nan\n", "line 2 (a): a position must be finite"),
    ("csv", "id,type,title,is_collapsed\na,metric,T,maybe\n", "line 2: is_collapsed is true or false"),
    ("csv", "id,type,title,metadata\na,metric,T,{\n", "line 2: metadata is JSON"),
    ("csv", "id,type,title\nä,metric,T\n".encode("latin-1"), "line 2: byte 0xe4 is no UTF-8"),
    ("markdown", "# A".encode("utf-16"), "line 1: the file is UTF-16"),
    ("markdown", "# A\n\n## B\n", "line 3: one heading"),
    ("markdown", "# A\n- a {#x}\n- b {#x}\n", "line 3: the id x stands at line 2 already"),
    ("markdown", "# A\n- " + "x" * 501, "line 2 (line-2)"),
]


@pytest.mark.parametrize(("name", "text", "why"), BAD)
def test_what_is_wrong_is_named_with_its_place(name: FormatName, text: str | bytes, why: str) -> None:
    with pytest.raises(Invalid) as refused:
        FORMATS[name].read(text if isinstance(text, bytes) else text.encode(), LIMITS)
    assert why in refused.value.why


def many(name: FormatName, count: int) -> str:
    match name:
        case "json":
            return of_nodes(*(NODE % (f"n{one}", "null") for one in range(count)))
        case "opml":
            return "<opml><body>\n" + '<outline text="T"/>\n' * count + "</body></opml>"
        case "csv":
            return "id,type,title\n" + "".join(f"n{one},metric,T\n" for one in range(count))
        case "markdown":
            return "# T\n" + "- T\n" * count


@pytest.mark.parametrize("name", list(FORMATS))
def test_a_tree_of_200_000_nodes_is_refused_where_it_becomes_too_large(name: FormatName) -> None:
    with pytest.raises(Invalid, match="at most 50000") as refused:
        FORMATS[name].read(many(name, 200_000).encode(), LIMITS)
    assert {"json": "nodes: 200000 nodes", "markdown": "line 50002", "csv": "line 50002", "opml": "line 50002"}[
        name
    ] in refused.value.why


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("opml", "<opml><body>" + '<outline text="T">' * 100_000),
        ("markdown", "\n".join(" " * depth + "- T" for depth in range(1_001))),
        ("json", of_nodes(*(NODE % (f"n{one}", "null" if not one else f'"n{one - 1}"') for one in range(1_001)))),
    ],
)
def test_a_tree_that_is_too_deep_is_refused(name: FormatName, text: str) -> None:
    with pytest.raises(Invalid, match="at most 1000 levels deep"):
        FORMATS[name].read(text.encode(), LIMITS)


@pytest.mark.parametrize("name", list(FORMATS))
@given(noise=some.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_noise_is_refused_and_never_breaks_anything(name: FormatName, noise: bytes) -> None:
    with contextlib.suppress(Invalid):
        FORMATS[name].read(noise, LIMITS)


def test_an_archive_is_no_tree() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a", b"b" * 1000)
    for form in FORMATS.values():
        with pytest.raises(Invalid):
            form.read(packed.getvalue(), LIMITS)


def test_json_is_what_the_route_that_makes_trees_takes() -> None:
    tree = Portable(details=Details(name="T"), nodes=[ImportedNode(id="a", type="metric", title="T")])
    raw = msgspec.json.decode(FORMATS["json"].write(tree))
    assert raw.pop("treesync") == 1
    assert set(raw) <= {"name", "description", "discovery_phase", "is_template", "canvas_state", "nodes", "connections"}
    assert JSON.encode_value(raw)
