"""Trees as files: JSON and OPML (all of it), CSV (the nodes), a Markdown outline (what people read). Sans-I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

from sync.formats import json_file, markdown, opml, table
from sync.formats.portable import Portable
from sync.limits import Limits

FormatName = Literal["json", "opml", "csv", "markdown"]


class Format(NamedTuple):
    """One kind of file. `read` raises Invalid or BadMessage, naming the line or the node."""

    media_type: str
    suffix: str
    write: Callable[[Portable], bytes]
    read: Callable[[bytes, Limits], Portable]


FORMATS: dict[FormatName, Format] = {
    "json": Format("application/json", "json", json_file.write, json_file.read),
    "opml": Format("text/x-opml", "opml", opml.write, opml.read),
    "csv": Format("text/csv", "csv", table.write, table.read),
    "markdown": Format("text/markdown", "md", markdown.write, markdown.read),
}
assert set(FORMATS) == set(get_args(FormatName))
