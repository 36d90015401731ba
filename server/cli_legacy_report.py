"""What `treesync import-legacy` says: a line for each thing that was mended or refused, and a closing report."""

from __future__ import annotations

from typing import Any

import orjson

from server.legacy_import import Fate, Taken, Tally
from sync.legacy.notes import RULES

_FATES: dict[Fate, str] = {
    "made": "made into trees",
    "known": "taken before",
    "changed": "taken before, and changed since in the old table: left as they are",
    "gone": "taken before, and their trees are gone: not made again",
    "refused": "refused",
}


class Telling:
    """Prints to standard output, row by row."""

    def __init__(self, *, as_json: bool, dry_run: bool) -> None:
        self.tally = Tally()
        self._as_json = as_json
        self._dry_run = dry_run

    def shortly(self) -> str:
        """What stands beside the bar."""
        return ", ".join(f"{count} {fate}" for fate, count in self.tally.rows.items())

    def row(self, place: str, taken: Taken) -> None:
        """Everything about one row."""
        self.tally.add(taken)
        if self._as_json:
            print(_json({"place": place, **_line(taken)}))
            return
        where = ", ".join(part for part in (place, f"row {taken.row}" if taken.row else "") if part) or "a row"
        if taken.fate in ("made", "refused"):
            for note in taken.notes:
                _say(": ".join(part for part in (where, note.place, note.rule, note.what) if part))
        if taken.fate == "refused":
            _say(f"{where}: REFUSED: {taken.why}")
        elif taken.fate in ("changed", "gone"):
            _say(f"{where}: {_FATES[taken.fate]}")

    def end(self) -> None:
        """The closing report."""
        tally = self.tally
        if self._as_json:
            made = {"rows": tally.rows, "nodes": tally.nodes, "connections": tally.connections, "rules": tally.rules}
            print(_json({"dry_run": self._dry_run, **made}))
            return
        print(f"{sum(tally.rows.values())} rows{' (a dry run: nothing was changed)' if self._dry_run else ''}")
        for fate, told in _FATES.items():
            if tally.rows[fate]:
                print(f"{tally.rows[fate]:>8} {'would be ' if self._dry_run and fate == 'made' else ''}{told}")
        if tally.rows["made"]:
            print(f"{tally.nodes:>8} nodes and {tally.connections} connections in them; mended:")
        for rule, count in sorted(tally.rules.items(), key=lambda item: (-item[1], item[0])):
            print(f"{count:>8} {rule}: {RULES[rule]}")


def _say(line: str) -> None:
    """A line with words of the old table in it, which may be meant for the terminal."""
    print("".join(one if one.isprintable() else repr(one)[1:-1] for one in line))


def _line(taken: Taken) -> dict[str, Any]:
    line: dict[str, Any] = {"row": taken.row, "fate": taken.fate, "tree": taken.tree}
    if taken.why:
        line["why"] = taken.why
    if taken.fate in ("made", "refused"):
        line["notes"] = [{"rule": note.rule, "place": note.place, "what": note.what} for note in taken.notes]
    return line


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
