"""How far a tree is, put together from what the server tells of it. Sans-I/O."""

from __future__ import annotations

from collections.abc import Mapping

from sync.progress_message import Domain, NodeProgress, Progress, Summary, UserCompletion

_BEGINNING = NodeProgress()


class Progressed:
    """As of `seq`, which may be a moment behind the tree. Nothing is known before the first message has come."""

    def __init__(self) -> None:
        self.seq = 0
        self.summary: Summary | None = None
        self.mine: UserCompletion | None = None  # of all the trees one owns, where one owns this one
        self.domains: dict[str, Domain] = {}
        self._nodes: dict[str, NodeProgress] = {}

    @property
    def nodes(self) -> Mapping[str, NodeProgress]:
        """Those of which anything was told; all others are at their beginning."""
        return self._nodes

    def node(self, node_id: str) -> NodeProgress:
        return self._nodes.get(node_id, _BEGINNING)

    def hear(self, message: Progress) -> None:
        if message.whole:
            self.domains, self._nodes = {}, {}
        self.seq, self.summary = message.seq, message.summary
        self.domains |= {domain.node: domain for domain in message.domains}
        self._nodes |= message.nodes
        if isinstance(message.mine, UserCompletion):
            self.mine = message.mine
