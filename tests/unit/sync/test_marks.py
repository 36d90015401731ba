"""Who changed a field last, as others see it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sync.marks import CREATED, Mark, mark_of

CLIENTS = st.sampled_from([("ada", "a1"), ("ada", "a2"), ("bo", "b1"), ("bo", "a1")])


@given(st.lists(CLIENTS, min_size=1, max_size=30), CLIENTS)
def test_two_changes_are_enough_to_know_the_newest_by_others(
    changes: list[tuple[str, str]], asking: tuple[str, str]
) -> None:
    """[CF1] Against the whole history: another client of the same user counts as someone else."""
    user, client = changes[0]
    mark = Mark(1, user, client)
    for seq, (user, client) in enumerate(changes[1:], start=2):
        mark = mark.next(seq, user, client)
    others = [(seq, one[0]) for seq, one in enumerate(changes, start=1) if one != asking]
    assert mark.by_others(*asking) == (others[-1] if others else (0, ""))


def test_a_field_that_never_changed_has_the_mark_of_its_creation() -> None:
    made, titled = Mark(1, "ada", "a1"), Mark(3, "bo", "b1")
    marks = {CREATED: made, "title": titled}
    assert mark_of(marks, "title") == titled
    assert mark_of(marks, "description") == made
