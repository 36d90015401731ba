"""A tree as OPML 2.0: outlines that any outliner reads, and beside them, in a namespace of our own as OPML allows, what
they do not hold: so that a tree comes back exactly, and a change made in an outliner comes back too.

Files come from strangers: no document type, no entities, nothing external (defusedxml), and never the whole file as
objects.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import ParseError
from xml.sax.saxutils import escape, quoteattr

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import XMLParser

from sync.codec import JSON, read_json
from sync.errors import BadMessage, Invalid
from sync.formats.portable import Gathering, Portable, converted, text_of, type_at
from sync.limits import Limits
from sync.nodes import Details
from sync.ops import ImportedConnection, ImportedNode

SPACE = "urn:treesync:1"
_NODE, _TREE = f"{{{SPACE}}}node", f"{{{SPACE}}}tree"
_NAME = "Imported"
# what XML 1.0 §2.2 cannot hold, however it is written
_IMPOSSIBLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ENCODING = re.compile(r"^\s*<\?xml[^>]*\bencoding\s*=\s*[\"']([^\"']+)[\"']")
_CHUNK = 65_536  # characters: what is wrong is found before the rest is read


# ---- writing


def write(tree: Portable) -> bytes:
    out = ['<?xml version="1.0" encoding="UTF-8"?>', f'<opml version="2.0" xmlns:ts="{SPACE}">', "<head>"]
    out += [f"<title>{_written(tree.details.name)}</title>", f"<ts:tree>{_of_tree(tree)}</ts:tree>"]
    out += ["</head>", "<body>"]
    above: list[str] = []
    for node in tree.nodes:
        while above and above[-1] != node.parent:
            above.pop()
            out.append("</outline>")
        out.append(f"<outline {_attributes(node)}>")
        above.append(node.id)
    out += ["</outline>"] * len(above) + ["</body>", "</opml>", ""]
    return "\n".join(out).encode()


def _written(text: str) -> str:
    return escape(_IMPOSSIBLE.sub("", text), {"\r": "&#13;"})  # a bare one is read as a line feed (XML 1.0 §2.11)


def _of_tree(tree: Portable) -> str:
    fields = {name: getattr(tree.details, name) for name in Details.__struct_fields__}
    return escape(_json({**fields, "connections": tree.connections}))


def _attributes(node: ImportedNode) -> str:
    said = {"text": node.title, "_note": node.description or ""}
    more = {
        name: getattr(node, name) for name in ("id", "type", "position", "is_collapsed", "template_data", "metadata")
    }
    for attribute, name in (("text", "title"), ("_note", "description")):
        if _IMPOSSIBLE.search(said[attribute]):
            more[name] = said[attribute]
            said[attribute] = _IMPOSSIBLE.sub("", said[attribute])
    said["ts:node"] = _json({name: value for name, value in more.items() if value})
    return " ".join(f"{name}={quoteattr(value)}" for name, value in said.items() if value or name == "text")


def _json(value: Any) -> str:
    text = JSON.encode_value(value).decode()
    return _IMPOSSIBLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


# ---- reading


class _Target:
    """What the parser calls, element by element."""

    def __init__(self, limits: Limits) -> None:
        self.line: Callable[[], int] = lambda: 0
        self._limits = limits
        self._gathering = Gathering(limits)
        self._above: list[str] = []
        self._open: list[str] = []
        self._title: list[str] = []
        self._tree: list[str] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        where = f"line {self.line()}"
        if not self._open and tag != "opml":
            raise Invalid(f"{where}: an OPML file begins with <opml>, not <{tag[:40]}>")
        self._open.append(tag)
        if tag != "outline":
            return
        if "body" not in self._open:
            raise Invalid(f"{where}: an <outline> outside of <body>")
        fields = _fields(where, attributes, len(self._above))
        fields.setdefault("id", self._gathering.fresh(f"line-{self.line()}"))
        if self._above:
            fields["parent"] = self._above[-1]
        self._above.append(self._gathering.node(where, fields).id)
        if len(self._above) > self._limits.depth:
            raise Invalid(f"{where}: a tree is at most {self._limits.depth} levels deep")

    def end(self, tag: str) -> None:
        self._open.pop()
        if tag == "outline":
            self._above.pop()

    def data(self, text: str) -> None:
        if self._open[-2:] == ["head", "title"]:
            self._title.append(text)
        elif self._open[-2:] == ["head", _TREE]:
            self._tree.append(text)

    def close(self) -> Portable:
        more = _more("head", "".join(self._tree)) if self._tree else {}
        connections: list[ImportedConnection] = converted(
            "connections", more.pop("connections", []), list[ImportedConnection]
        )
        title = "".join(self._title)
        if title and title != _IMPOSSIBLE.sub("", str(more.get("name", ""))):
            more["name"] = title  # changed elsewhere
        more.setdefault("name", _NAME)
        return self._gathering.finish(converted("head", more, Details), connections)


def _fields(where: str, attributes: dict[str, str], depth: int) -> dict[str, Any]:
    fields = _more(where, attributes[_NODE]) if _NODE in attributes else {}
    for attribute, name in (("text", "title"), ("_note", "description")):
        said = attributes.get(attribute, "")
        if said != _IMPOSSIBLE.sub("", str(fields.get(name, ""))):
            fields[name] = said
    if not fields.get("title"):
        fields["title"] = attributes.get("title", "")  # of feeds, mostly
    fields.setdefault("type", type_at(depth))
    return fields


def _more(where: str, said: str) -> dict[str, Any]:
    try:
        raw = read_json(said.encode())
    except BadMessage as error:
        raise Invalid(f"{where}: ts:node or ts:tree: {error.why}") from None
    if not isinstance(raw, dict):
        raise Invalid(f"{where}: ts:node or ts:tree is an object")
    return dict(raw)


def read(content: bytes, limits: Limits) -> Portable:
    text = text_of(content)
    declared = _ENCODING.match(text[:200])
    if declared is not None and declared[1].lower() not in ("utf-8", "utf8", "us-ascii") and not text.isascii():
        raise Invalid(f"line 1: the file says that it is {declared[1][:40]}; save it as UTF-8")
    target = _Target(limits)
    parser = XMLParser(target=target, encoding="utf-8", forbid_dtd=True)
    target.line = lambda: int(parser.parser.CurrentLineNumber)
    try:
        for start in range(0, len(text), _CHUNK):
            parser.feed(text[start : start + _CHUNK])
        tree: Portable = parser.close()
    except ParseError as error:
        raise Invalid(f"line {error.position[0]}: {error.msg}") from None
    except DefusedXmlException as error:
        what = type(error).__name__.removesuffix("Forbidden")
        raise Invalid(f"line {target.line()}: a document type or entity ({what}) has no place in an outline") from None
    return tree
