"""Whether an op may join the queue at all; what no change of anyone else could mend is refused here. Sans-I/O."""

from __future__ import annotations

from sync.errors import TreesyncError
from sync.ops import Op, Text
from sync.protocol import Role
from sync.values import Refused
from sync.verdict import SetAside, Verdict
from treesync_client.errors import Rejected

EDITING: tuple[Role, ...] = ("editor", "owner")
_REFUSED_HERE = ("invalid", "too_large")


def refusal_of(
    op: Op, verdict: Verdict | Refused | SetAside, role: Role | None, ended: TreesyncError | None
) -> TreesyncError | None:
    """Why not; None: it may. `ended` is why the tree is closed, `role` None where it is not known yet."""
    if isinstance(verdict, Refused) and (verdict.code in _REFUSED_HERE or isinstance(op, Text)):
        return Rejected(verdict.why, code=verdict.code, op=op)
    if isinstance(verdict, SetAside) and isinstance(op, Text):
        why = "its node is in the trash" if verdict.code else f"{op.path} is no text"
        return Rejected(why, code=verdict.code or "invalid", op=op)
    if ended is not None:
        return ended
    if role not in (*EDITING, None):
        return Rejected(f"a {role} may not edit", code="forbidden", op=op)
    return None
