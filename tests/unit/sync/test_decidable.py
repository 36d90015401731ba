"""Which record a decision is about, where the room does not hold it."""

from __future__ import annotations

import pytest

from sync.conflict_records import ConflictRecord
from sync.identity import Author
from sync.pending import PendingResolve
from sync.protocol import Resolve
from sync.resolution import decidable
from sync.values import Refused
from tests.hubs import identity


def test_a_record_that_is_not_here_yet_is_hidden_like_any() -> None:
    """[CR9] `unavailable` would tell a stranger that there is one."""
    record = ConflictRecord(id=9, user="cy", parties=["bo", "cy"])
    for user, code in (("eve", "not_found"), ("cy", "unavailable")):
        decision = Resolve(ref=9, tree=7, conflict=9, base=1, choice="theirs")
        edit = PendingResolve(
            decision,
            7,
            identity=identity(user),
            author=Author(user=user, client="resolve:9", via="resolve"),
            size=100,
            participant=None,
            reply=lambda _: None,
            waiting_since=0.0,
        )
        edit.found = record
        with pytest.raises(Refused) as refusal:
            decidable(edit, None, None)
        assert refusal.value.code == code
