"""The nodes of a tree as CSV (RFC 4180), a line for each, parents first; its connections and own fields are not in it.

A cell that a spreadsheet would take for a formula is written behind an apostrophe, and read without it (OWASP, "CSV
Injection"): what a title says must not run on the machine of whoever opens the file.
"""

from __future__ import annotations

import csv
import io
from typing import Any

from sync.codec import JSON, read_json
from sync.errors import BadMessage, Invalid
from sync.formats.portable import Gathering, Portable, text_of
from sync.limits import Limits
from sync.nodes import Details, Point

COLUMNS = ("id", "parent", "type", "title", "description", "x", "y", "is_collapsed", "template_data", "metadata")
_NEEDED = {"id", "type", "title"}
_MAPS = ("template_data", "metadata")
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "'")
_NAME = "Imported"  # a file of nodes alone names no tree
csv.field_size_limit(2**24)  # for the process: a value may have 256 KiB, the module's own limit is 128


def write(tree: Portable) -> bytes:
    out = io.StringIO(newline="")
    lines = csv.writer(out)
    lines.writerow(COLUMNS)
    for node in tree.nodes:
        point = node.position if isinstance(node.position, Point) else Point(0, 0)
        maps = [JSON.encode_value(getattr(node, name)).decode() if getattr(node, name) else "" for name in _MAPS]
        texts = [_guarded(one) for one in (node.id, node.parent or "", node.type, node.title, node.description or "")]
        lines.writerow([*texts, repr(point.x), repr(point.y), "true" if node.is_collapsed else "", *maps])
    return out.getvalue().encode()


def read(content: bytes, limits: Limits) -> Portable:
    lines = csv.reader(io.StringIO(text_of(content), newline=""), strict=True)
    gathering = Gathering(limits)
    names: list[str] = []
    line = 0
    try:
        for cells in lines:
            where, line = f"line {line + 1}", lines.line_num
            if not cells:
                continue
            if not names:
                names = _header(cells)
                continue
            if len(cells) != len(names):
                raise Invalid(f"{where}: {len(cells)} cells under {len(names)} columns")
            gathering.node(where, _fields(where, dict(zip(names, cells, strict=True))))
    except csv.Error as error:
        raise Invalid(f"line {line + 1}: {error}") from None
    if not names:
        _header([])
    return gathering.finish(Details(name=_NAME))


def _header(cells: list[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    unknown = [name for name in names if name not in COLUMNS]
    if unknown or len(set(names)) != len(names) or not set(names) >= _NEEDED:
        raise Invalid(f"line 1: the columns are {', '.join(COLUMNS)}; {', '.join(sorted(_NEEDED))} are needed")
    return names


def _fields(where: str, cells: dict[str, str]) -> dict[str, Any]:
    fields: dict[str, Any] = {name: _bare(cells[name]) for name in ("id", "type", "title")}
    for name in ("parent", "description"):
        if cells.get(name):
            fields[name] = _bare(cells[name])
    if cells.get("x") or cells.get("y"):
        fields["position"] = {axis: _number(where, axis, cells.get(axis) or "0") for axis in ("x", "y")}
    if cells.get("is_collapsed"):
        fields["is_collapsed"] = _flag(where, cells["is_collapsed"])
    for name in _MAPS:
        if cells.get(name):
            fields[name] = _map(where, name, cells[name])
    return fields


def _number(where: str, axis: str, said: str) -> float:
    try:
        return float(said)
    except ValueError:
        raise Invalid(f"{where}: {axis} is a number, not {said[:40]!r}") from None


def _flag(where: str, said: str) -> bool:
    if said.lower() not in ("true", "false"):
        raise Invalid(f"{where}: is_collapsed is true or false, not {said[:40]!r}")
    return said.lower() == "true"


def _map(where: str, name: str, said: str) -> Any:
    try:
        return read_json(said.encode())
    except BadMessage as error:
        raise Invalid(f"{where}: {name} is JSON: {error.why}") from None


def _guarded(text: str) -> str:
    return f"'{text}" if text.startswith(_DANGEROUS) else text


def _bare(text: str) -> str:
    return text[1:] if text[:1] == "'" and text[1:].startswith(_DANGEROUS) else text
