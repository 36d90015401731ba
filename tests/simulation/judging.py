"""One op against a tree and what was logged since its base, judged and applied by the code that serves people."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from sync.backlog import Backlog
from sync.cut import Cut
from sync.identity import Author, Identity
from sync.limits import Limits
from sync.ops import Op
from sync.pending import PendingEdit
from sync.ports import LoggedOp
from sync.protocol import Mode, Result
from sync.records import Records
from sync.tree import Tree
from tests.simulation.replica import Record


def judged(
    tree: Tree, seq: int, asked: tuple[str, Record, Mode], base: int, since: Sequence[LoggedOp] = ()
) -> tuple[Cut, list[Result]]:
    """`since`: what was logged between the base and now."""
    who, op, mode = asked
    backlog = Backlog(base)
    backlog.confirm(seq, since)
    cut = Cut(
        tree,
        seq=seq,
        now=0.0,
        records=Records(),
        limits=Limits(),
        backlog=backlog,
        counters={},
        firsts={},
        respace_id="r",
    )
    edit = PendingEdit(
        identity=Identity(tenant="acme", user=who, expires_at=0),
        author=Author(user=who, client=f"{who}-1"),
        ops=[msgspec.convert({"n": 1, "base": base, **op}, Op)],
        mode=mode,
        policy="apply_clean",
        ref=msgspec.UNSET,
        size=0,
        participant=None,
        reply=lambda outcome: None,
        waiting_since=0,
    )
    cut.take(edit, None)
    return cut, cut.judged[-1].results
