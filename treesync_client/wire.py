"""An op as the wire will carry it: whether it can be read there, and how long it is."""

from __future__ import annotations

import msgspec

from sync.codec import JSON
from sync.ops import Op
from treesync_client.errors import Rejected


def measured(op: Op) -> int:
    """Bytes in either codec at most."""
    return len(JSON.encode_value(op))


def checked(op: Op) -> Op:
    """The op as the server's decoder would read it. Raises Rejected where it could not."""
    try:
        numbered = msgspec.to_builtins(op) | {"n": 1}
        read: Op = msgspec.convert(numbered, Op, strict=True)
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError) as error:
        raise Rejected(str(error), code="invalid", op=op) from error
    return read
