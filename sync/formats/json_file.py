"""A tree as JSON: all of it, as `POST /api/v1/trees` takes it. What was written reads back as the same tree."""

from __future__ import annotations

import re
from typing import Any

from sync.codec import JSON, read_json
from sync.errors import BadMessage, Invalid
from sync.formats.portable import Gathering, Portable, converted, text_of
from sync.limits import Limits
from sync.nodes import Details
from sync.ops import ImportedConnection

VERSION = 1
_PARTS = {"treesync", "nodes", "connections"}
_BYTE = re.compile(r"byte (\d+)|char (\d+)")


def write(tree: Portable) -> bytes:
    fields = {name: getattr(tree.details, name) for name in Details.__struct_fields__}
    return JSON.encode_value({"treesync": VERSION, **fields, "nodes": tree.nodes, "connections": tree.connections})


def read(content: bytes, limits: Limits) -> Portable:
    text = text_of(content)
    try:
        raw = read_json(text.encode())
    except BadMessage as error:
        found = _BYTE.search(error.why)
        line = "" if found is None else f"line {text.count(chr(10), 0, int(found[1] or found[2])) + 1}: "
        raise Invalid(f"{line}{error.why}") from None
    if not isinstance(raw, dict) or not isinstance(raw.get("nodes", []), list):
        raise Invalid("line 1: a tree is an object with a list of `nodes`")
    if raw.get("treesync", VERSION) != VERSION:
        raise Invalid(f"treesync: this is version {raw['treesync']} of the format, and {VERSION} is known here")
    details = converted("the tree", {name: value for name, value in raw.items() if name not in _PARTS}, Details)
    return _gathered(raw, details, limits)


def _gathered(raw: dict[str, Any], details: Details, limits: Limits) -> Portable:
    nodes = raw.get("nodes", [])
    if len(nodes) > limits.nodes_per_tree:
        raise Invalid(f"nodes: {len(nodes)} nodes; a tree has at most {limits.nodes_per_tree}")
    gathering = Gathering(limits)
    for number, fields in enumerate(nodes):
        gathering.node(f"nodes[{number}]", fields)
    connections: list[ImportedConnection] = converted(
        "connections", raw.get("connections", []), list[ImportedConnection]
    )
    return gathering.finish(details, connections)
