"""What becomes of an op: the table of DESIGN §6 and SEMANTICS 11-23.

A judge reads the tree and answers with a verdict; it changes nothing. There is one per kind of op.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sync import ops
from sync.judge_connections import connect, disconnect
from sync.judge_import import import_
from sync.judge_placement import insert, move
from sync.judge_text import text
from sync.judge_trash import delete, purge, restore
from sync.judge_values import configure, update
from sync.tree import Tree
from sync.verdict import Asking, Verdict


def judge(tree: Tree, op: ops.Op, asking: Asking) -> Verdict:
    """Raises Refused or SetAside where the op has no effect and its author must know why."""
    return _JUDGES[type(op)](tree, op, asking)


_JUDGES: dict[type[ops.Op], Callable[[Tree, Any, Asking], Verdict]] = {
    ops.Insert: insert,
    ops.Update: update,
    ops.Text: text,
    ops.Move: move,
    ops.Delete: delete,
    ops.Restore: restore,
    ops.Purge: purge,
    ops.Connect: connect,
    ops.Disconnect: disconnect,
    ops.Configure: configure,
    ops.Import: import_,
}
