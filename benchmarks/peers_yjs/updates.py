"""Run by the peers' own Python: the updates that writers of a shared document make, each set in a map of its writer.

`updates.py WRITERS EDITS FILE` writes, for each writer in turn, EDITS updates, each with its length before it (4 bytes,
big endian). Every update carries its text, `wN:Grow by M per cent`, as it stands, so that receivers can count it.
"""

from __future__ import annotations

import struct
import sys

from pycrdt import Doc, Map  # type: ignore[import-not-found]  # of the peers alone


def updates(writer: int, edits: int) -> list[bytes]:
    doc: Doc = Doc()
    node: Map = doc.get(f"n{writer}", type=Map)
    made: list[bytes] = []
    subscription = doc.observe(lambda event: made.append(event.update))
    for number in range(1, edits + 1):
        node["title"] = f"w{writer}:Grow by {number} per cent"
    doc.unobserve(subscription)
    return made


if __name__ == "__main__":
    writers, edits, file = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    with open(file, "wb") as out:
        for writer in range(writers):
            for update in updates(writer, edits):
                out.write(struct.pack("!I", len(update)) + update)
