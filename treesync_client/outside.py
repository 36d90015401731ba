"""What an open tree needs done for it, and what it tells."""

from __future__ import annotations

from typing import Protocol

from sync.errors import TreesyncError
from sync.progress_message import Progress
from sync.protocol import ClientMessage, ConflictNews, Edit, Error, Notice, PresenceView, RoleChanged, VersionKept
from treesync_client.report import Report
from treesync_client.results import Change, Replaced, Unstored

News = (
    Change
    | Replaced
    | Report
    | Unstored
    | RoleChanged
    | Notice
    | ConflictNews
    | PresenceView
    | Progress
    | VersionKept
    | Error
)


class Outside(Protocol):
    """What an open tree needs done for it."""

    def say(self, message: ClientMessage) -> None: ...

    def post(self, edit: Edit) -> None:
        """An edit too large for a message; its outcome, or an error with its `ref`, comes back through `hear`."""
        ...

    def pause(self, failures: int) -> None:
        """Call `resume` after a while that grows with the failures."""
        ...

    def tell(self, news: News) -> None: ...

    def gone(self, error: TreesyncError) -> None:
        """It will not be opened again by itself. What is unanswered stays in the queue."""
        ...
