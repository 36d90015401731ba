"""A tree as a Markdown outline: what people read and write. Name, hierarchy, types, titles, descriptions and ids come
back exactly; positions, template data and connections are not in it.

    # Strategy
    > what it is about
    - objective: Grow by a third {#n1}
      > why
      - outcome: More people find us {#n2}

Type and id may be left out: then the depth gives the type, and the line the id.
"""

from __future__ import annotations

import re
from typing import Any

from sync.errors import Invalid
from sync.formats.portable import Gathering, Portable, text_of, type_at
from sync.limits import Limits
from sync.nodes import NODE_TYPES, Details

_NAME = "Imported"
_TAB = 4  # columns
_ITEM = re.compile(r"^([ \t]*)[-*+][ \t](.*)$", re.DOTALL)
_TYPE = re.compile(rf"^({'|'.join(NODE_TYPES)}): (.*)$", re.DOTALL)
_ID = re.compile(r"^(.*) \{#((?:[^}\\]|\\.)*)\}[ \t]*$", re.DOTALL)
_QUOTE = re.compile(r"^[ \t]*> ?(.*)$", re.DOTALL)
_ESCAPED = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "{": "\\{", "}": "\\}"}
_PLAIN = {written: char for char, written in _ESCAPED.items()}
_ESCAPES = re.compile(r"\\[\\nr{}]")


def write(tree: Portable) -> bytes:
    details = tree.details
    lines = [f"# {_line(details.name)}"] + [f"> {_line(one)}".rstrip(" ") for one in _lines(details.description)] + [""]
    depths: dict[str | None, int] = {None: -1}
    for node in tree.nodes:
        depth = depths[node.id] = depths[node.parent] + 1
        margin = "  " * depth
        lines.append(f"{margin}- {node.type}: {_line(node.title)} {{#{_line(node.id, '{}')}}}")
        lines += [f"{margin}  >{' ' if one else ''}{_line(one)}" for one in _lines(node.description or "")]
    return ("\n".join(lines) + "\n").encode()


def _lines(text: str) -> list[str]:
    return text.split("\n") if text else []


def _line(text: str, also: str = "") -> str:
    return re.sub(rf"[\\\n\r{also}]", lambda found: _ESCAPED[found[0]], text)


def _bare(text: str) -> str:
    return _ESCAPES.sub(lambda found: _PLAIN[found[0]], text)


class _Draft:
    """A node whose description goes on."""

    def __init__(self, where: str, fields: dict[str, Any]) -> None:
        self.where = where
        self.fields = fields
        self.description: list[str] = []


class _Reader:
    def __init__(self, limits: Limits) -> None:
        self._gathering = Gathering(limits)
        self._name = _NAME
        self._about: list[str] = []
        self._draft: _Draft | None = None
        self._above: list[tuple[int, str]] = []  # (column, id) of the items around this place

    def line(self, number: int, text: str) -> None:
        where = f"line {number}"
        if item := _ITEM.match(text):
            self._item(where, number, len(item[1].expandtabs(_TAB)), item[2])
        elif quote := _QUOTE.match(text):
            self._say(quote[1])
        elif text.startswith("# ") and self._draft is None and not self._about and self._name == _NAME:
            self._name = _bare(text[2:])
        elif text.lstrip().startswith("#"):
            raise Invalid(f"{where}: one heading of the form `# name` begins the file; what is below it is a list")
        elif text.strip():
            self._say(text.strip())

    def _say(self, text: str) -> None:
        (self._about if self._draft is None else self._draft.description).append(_bare(text))

    def _item(self, where: str, number: int, column: int, text: str) -> None:
        self._end()
        while self._above and self._above[-1][0] >= column:
            self._above.pop()
        fields: dict[str, Any] = {"type": type_at(len(self._above))}
        if named := _ID.match(text):
            text, fields["id"] = named[1], _bare(named[2])
        else:
            text, fields["id"] = text.strip(), self._gathering.fresh(f"line-{number}")
        if typed := _TYPE.match(text):
            fields["type"], text = typed[1], typed[2]
        fields["title"] = _bare(text)
        if self._above:
            fields["parent"] = self._above[-1][1]
        self._above.append((column, fields["id"]))
        self._draft = _Draft(where, fields)

    def _end(self) -> None:
        if self._draft is not None:
            draft = self._draft
            self._draft = None
            self._gathering.node(draft.where, draft.fields | _described(draft.description))

    def finish(self) -> Portable:
        self._end()
        return self._gathering.finish(Details(name=self._name, description="\n".join(self._about)))


def _described(lines: list[str]) -> dict[str, str]:
    return {"description": "\n".join(lines)} if lines else {}


def read(content: bytes, limits: Limits) -> Portable:
    reader = _Reader(limits)
    for number, text in enumerate(text_of(content).replace("\r\n", "\n").split("\n"), 1):
        reader.line(number, text)
    return reader.finish()
