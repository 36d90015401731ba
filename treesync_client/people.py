"""Who else has a tree open, and what they show of themselves. Sans-I/O."""

from __future__ import annotations

from typing import Any

from sync.protocol import ParticipantView, PresenceView, Resumed, Snapshot


class People:
    """`own_state` is what we show; it is said again whenever the tree is opened."""

    def __init__(self) -> None:
        self.others: dict[str, ParticipantView] = {}
        self.own_state: dict[str, Any] | None = None
        self._own_id = ""

    def entered(self, message: Snapshot | Resumed) -> None:
        self.others = {one.id: one for one in message.participants}
        self._own_id = message.you or ""

    def hear(self, message: PresenceView) -> None:
        for one in message.participants:
            if one.id != self._own_id:
                self.others[one.id] = one
        for gone in message.left:
            self.others.pop(gone, None)

    def lost(self, tree: int) -> PresenceView | None:
        """The socket is gone, and with it the sight of everyone."""
        left, self.others = list(self.others), {}
        return PresenceView(tree=tree, left=left) if left else None
