"""What the results of one edit show of the records that its ops wait in: each once, and large values not at all.

Five hundred ops may join one record about a text of 200 kB; whoever sent them has the values, or HTTP gives them.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from sync.codec import JSON
from sync.conflict_records import ConflictRecord
from sync.protocol import ConflictPath, ConflictView, LeftOut

VALUE_BYTES = 4 * 1024  # a larger value is left out of a result
SHOWN_BYTES = 1024 * 1024  # of the paths of all results of one edit; what follows comes without


class Shown:
    """See the module. One per edit."""

    def __init__(self) -> None:
        self._records: set[int] = set()
        self._left = SHOWN_BYTES

    def view(self, record: ConflictRecord) -> ConflictView:
        """A record as the result of an op shows it."""
        paths: dict[str, ConflictPath] = {}
        if record.id not in self._records and self._left > 0:
            self._records.add(record.id)
            paths = {path: self._path(path, shown) for path, shown in record.paths.items()}
        return ConflictView(
            id=record.id,
            node=record.node or UNSET,
            connection=record.connection or UNSET,
            code=record.code or UNSET,
            paths=paths,
        )

    def _path(self, path: str, shown: dict[str, Any]) -> ConflictPath:
        sizes: dict[LeftOut, int] = {side: _size(shown.get(side)) for side in ("base", "mine", "theirs")}
        large = [side for side, size in sizes.items() if size > VALUE_BYTES]
        self._left -= len(path) + sum(size for size in sizes.values() if size <= VALUE_BYTES)
        kept = {side: value for side, value in shown.items() if side not in large}
        return msgspec.convert({**kept, "left_out": large} if large else kept, ConflictPath)


def _size(value: Any) -> int:
    """Bytes at least, and at most four times as many."""
    return len(value) if type(value) is str else len(JSON.encode_value(value))
