"""The limits a client is told in `welcome`, and those it meets as a refusal. Sizes in bytes, times in seconds."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Sent as `welcome.limits`; defaults are those of WIRE."""

    message_bytes: int = 65_536  # OWASP's WebSocket sheet: 64 KiB; anything larger goes by HTTP
    edit_ops: int = 500
    edit_bytes: int = 8 * 1024 * 1024  # a replay by HTTP: 10,000 ops of up to 800 bytes (SEMANTICS 27)
    unanswered_ops: int = 2_000  # as many as results are kept for one client (SEMANTICS 2)
    value_bytes: int = 262_144
    resume_ops: int = 10_000  # beyond this a snapshot is smaller than the ops it replaces
    trees_per_socket: int = 32
    nodes_per_tree: int = 50_000
    depth: int = 1_000


TITLE_CHARACTERS = 500  # SPECS: titles have 1-500 characters
KEY_CHARACTERS = 64  # one segment of a path such as template_data.K
VALUE_DEPTH = 32  # nesting of one value; far above what templates use, far below any recursion limit
BATCH_BYTES = 256 * 1024  # a batch above this goes to the database alone (SEMANTICS 6)
BATCH_ROWS = 1_000
FRAME_BYTES = 256 * 1024  # an `ops` frame above this becomes a snapshot for everyone, reason `large` (SEMANTICS 9)
ORDER_KEY_CHARACTERS = 128  # siblings are respaced before a key passes it (SEMANTICS 21)
