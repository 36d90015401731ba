"""Where old rows come from: a dump with a row in each line, or the table itself."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, NamedTuple

from storage.legacy import old_table
from sync.errors import Invalid

_LINE_BYTES = 256 * 1024 * 1024  # of one row: 50,000 nodes of 5 kB, the most nodes a tree may have
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_BOM = b"\xef\xbb\xbf"


class SourceRow(NamedTuple):
    """A row: where it stands in a file (empty: in a table), its JSON (None: too long to be read), and how far it
    brings the whole."""

    place: str
    content: bytes | str | None
    step: int


class Source(NamedTuple):
    """`total`: bytes of a file, rows of a table."""

    total: int
    rows: AsyncIterator[SourceRow]


@asynccontextmanager
async def dump(path: Path) -> AsyncIterator[Source]:
    """Rows as lines of JSON. Raises Invalid for a file that is none of these."""
    with _opened(path) as file:
        start = file.read(len(_BOM) + 1)
        if start.startswith(_UTF_16):
            raise Invalid("line 1: the file is UTF-16; save it as UTF-8")
        if start.removeprefix(_BOM).lstrip().startswith(b"["):
            raise Invalid("line 1: a list; write a row in each line (jq -c '.[]' does)")
        file.seek(len(_BOM) if start.startswith(_BOM) else 0)
        yield Source(os.fstat(file.fileno()).st_size, _told(_lines(file)))


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise Invalid(f"{path}: {error.strerror}") from None


async def _told(lines: Iterator[SourceRow]) -> AsyncIterator[SourceRow]:
    for line in lines:
        yield line


def _lines(file: IO[bytes]) -> Iterator[SourceRow]:
    number = 0
    while line := file.readline(_LINE_BYTES):
        number += 1
        step = len(line)
        too_long = False
        while not line.endswith(b"\n") and (more := file.readline(_LINE_BYTES)):
            too_long = True
            step += len(more)
            line = more
        if too_long:
            yield SourceRow(f"line {number}", None, step)
        elif line.strip():
            yield SourceRow(f"line {number}", line, step)


@asynccontextmanager
async def table_of(dsn: str, schema: str, table: str) -> AsyncIterator[Source]:
    """Rows of a table, as it was at one moment. Raises as `storage.legacy.old_table` does."""

    async def rows() -> AsyncIterator[SourceRow]:
        async for content in old.rows():
            yield SourceRow("", content, 1)

    async with old_table(dsn, schema, table) as old:
        yield Source(old.count, rows())
