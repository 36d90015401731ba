"""`treesync` as it is, and beside it a thread that weighs the process: what of its memory is in use, and by what.

Run in place of `python -m server`. WEIGHED names a file; it gets a line of JSON every WEIGH_SECONDS: `blocks`, objects
that Python's allocator holds; `used` and `free`, bytes of malloc's heap; once in COUNT_EVERY lines `types`, how many
objects the collector knows of each type. What grows in `blocks` is a leak; what grows in `free` alone is holes.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

WEIGH_SECONDS = 10.0
COUNT_EVERY = 60  # counting half a million objects takes 0.1 s, in which nothing else runs
MOST_TYPES = 60


class _MallocInfo(ctypes.Structure):
    """mallinfo2(3), glibc 2.33."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        )
    )


def weigh() -> dict[str, Any]:
    found: dict[str, Any] = {"at": time.time(), "blocks": sys.getallocatedblocks()}
    library = ctypes.CDLL(None)
    if hasattr(library, "mallinfo2"):
        library.mallinfo2.restype = _MallocInfo
        told = library.mallinfo2()
        found |= {"used": told.uordblks + told.hblkhd, "free": told.fordblks}
    return found


def count() -> dict[str, int]:
    kinds = Counter(type(one) for one in gc.get_objects())
    return {f"{kind.__module__}.{kind.__qualname__}": number for kind, number in kinds.most_common(MOST_TYPES)}


def keep_weighing(kept: Path) -> None:
    with kept.open("a", encoding="utf-8") as written:
        line = 0
        while True:
            found = weigh()
            if line % COUNT_EVERY == 0:
                found["types"] = count()
            written.write(json.dumps(found) + "\n")
            written.flush()
            line += 1
            time.sleep(WEIGH_SECONDS)


if __name__ == "__main__":
    from server.__main__ import main

    kept = Path(os.environ.pop("WEIGHED"))
    threading.Thread(target=keep_weighing, args=(kept,), name="weighing", daemon=True).start()
    main()
