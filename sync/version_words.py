"""What a version that was kept by itself is described by: how many edits of which kind it brought."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sync.versions import Edited

MOST_AUTHORS = 50  # are named of a version, those who did most
_KINDS = {  # of an effect -> one, many
    "insert": ("node made", "nodes made"),
    "import": ("import", "imports"),
    "update": ("change of content", "changes of content"),
    "text": ("change of content", "changes of content"),
    "move": ("move", "moves"),
    "delete": ("deletion", "deletions"),
    "restore": ("taken out of the trash", "taken out of the trash"),
    "purge": ("purged", "purged"),
    "connect": ("connection made", "connections made"),
    "disconnect": ("connection removed", "connections removed"),
    "configure": ("change of the tree's own fields", "changes of the tree's own fields"),
}


def authors(edits: Sequence[Edited]) -> list[str]:
    """Who made them, who made most first."""
    made: Counter[str] = Counter()
    for one in edits:
        made[one.user] += one.count
    return [user for user, _ in sorted(made.items(), key=lambda item: (-item[1], item[0]))][:MOST_AUTHORS]


def described(edits: Sequence[Edited]) -> str:
    """`120 edits: 110 changes of content, 7 nodes made, 3 moves`; nothing where there was none."""
    made: Counter[tuple[str, str]] = Counter()
    for one in edits:
        made[_KINDS[one.kind]] += one.count
    if not made:
        return ""
    total = made.total()
    counted = sorted(made.items(), key=lambda item: (-item[1], item[0]))
    told = ", ".join(f"{count:,} {words[count != 1]}" for words, count in counted)
    return f"{total:,} edit{'s' if total != 1 else ''}: {told}"
