"""Who changed a field last, kept per field path: what "changed since base" is decided from (SEMANTICS 13)."""

from __future__ import annotations

import msgspec


class Mark(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The newest change of a field, and the newest by any other client than that one.

    Two are enough: asked on behalf of a client, either the newest is someone else's, or the second one is the newest
    that is. A client is (user, client): another device of the same person counts as someone else.
    """

    seq: int
    user: str
    client: str
    other_seq: int = 0
    other_user: str = ""
    other_client: str = ""

    def by_others(self, user: str, client: str) -> tuple[int, str]:
        """(seq, user) of the newest change that this client did not make; (0, "") if there is none."""
        if self.client != client or self.user != user:
            return self.seq, self.user
        return self.other_seq, self.other_user

    def unseen(self, user: str, client: str, base: int) -> bool:
        """Whether the change that stands is another's, made after a seq. What this client has overwritten itself does
        not stand any more."""
        return self.seq > base and (self.client != client or self.user != user)

    def next(self, seq: int, user: str, client: str) -> Mark:
        """The mark after one more change."""
        if self.client == client and self.user == user:
            return Mark(seq, user, client, self.other_seq, self.other_user, self.other_client)
        return Mark(seq, user, client, self.seq, self.user, self.client)


Marks = dict[str, Mark]

CREATED = ""  # stands for every field that has not been changed since the thing was made
PARENT = "parent"  # reparents
ORDER = "order"  # reparents and reorders; neither respacing nor a drag counts (SEMANTICS 19, 21)


def mark_of(marks: Marks, path: str) -> Mark:
    """The mark of a path: its own, or that of the thing's creation."""
    return marks.get(path) or marks[CREATED]
