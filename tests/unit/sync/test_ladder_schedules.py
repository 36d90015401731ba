"""In any schedule of writing, sending, losing and hearing, a client's deltas come back as it expects them."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from sync.text import Delta, applied, difference, transformed
from tests.rooms import Bench, Json
from tests.texts import put, read, started, text


def _done(value: str, *changes: Delta | str) -> str:
    for change in changes:
        value = change if isinstance(change, str) else applied(value, change)
    return value


class Replica:
    """A client as SEMANTICS 14 has it: one message in flight, whose ops are sent again unchanged."""

    def __init__(self, bench: Bench, user: str, chance: Random) -> None:
        self.bench, self.user, self.chance = bench, user, chance
        self.seq, self.confirmed = 2, "base text"
        self.sent: list[Json] = []  # as they were sent first
        self.waiting: list[tuple[int, Delta | str]] = []  # the same, over what came meanwhile
        self.n = 0

    @property
    def view(self) -> str:
        return _done(self.confirmed, *(change for _, change in self.waiting))

    def write(self, most: int) -> None:
        """Ops on the view as it is; they stand on the newest text and each other."""
        for _ in range(self.chance.randint(1, most)):
            self.n += 1
            if self.chance.random() < 0.1:
                self._add(put(self.n, self._word(), base=self.seq), self.n)
            else:
                self._add(text(self.n, self._delta(), base=self.seq), self.n)

    def _add(self, op: Json, n: int) -> None:
        self.sent.append(op)
        self.waiting.append((n, op["delta"] if "delta" in op else op["set"]["description"]))

    def _word(self) -> str:
        return "".join(self.chance.choices("abc🌳\u0301", k=self.chance.randint(0, 6)))

    def _delta(self) -> list[Any]:
        """The difference to the view with one place changed."""
        view = self.view
        at = self.chance.randint(0, len(view))
        end = min(len(view), at + self.chance.choice((0, 0, 1, 3)))
        return difference(view, view[:at] + self._word() + view[end:])

    def receive(self) -> None:
        for commit in self.bench.room.recent.after(self.seq):
            for place, effect in enumerate(commit.ops.ops):
                author = commit.ops.authors[effect.by]  # type: ignore[index]
                self._take(author.user == self.user, effect.n, effect)
                self.seq = commit.ops.after + place + 1

    def _take(self, own: bool, n: Any, effect: Any) -> None:
        after = effect.set["description"] if hasattr(effect, "set") else applied(self.confirmed, effect.delta)
        if own:
            nothing = self._drop(n)  # what came before it and is not in the log came to nothing
            expected = self.waiting.pop(0)[1]
            if any(isinstance(change, str) for change in nothing):  # somebody may have written behind the same text
                self._go_over(difference(_done(self.confirmed, *nothing, expected), after))
            else:
                assert (effect.delta if isinstance(expected, list) else after) == expected
        else:
            self._go_over(effect.delta if hasattr(effect, "delta") else difference(self.confirmed, after))
        self.confirmed = after

    def _go_over(self, foreign: Delta) -> None:
        for place, (number, change) in enumerate(self.waiting):
            if isinstance(change, str):
                break
            foreign, rebased = transformed(foreign, change)
            self.waiting[place] = (number, rebased)

    def _drop(self, n: int) -> list[Delta | str]:
        dropped = []
        while self.waiting and self.waiting[0][0] < n:
            dropped.append(self.waiting.pop(0)[1])
        return dropped

    def send(self, heard: bool) -> None:
        """Send all that is unanswered; whether the answer is heard is chance."""
        if not self.sent:
            return
        results = self.bench.do(*self.sent, user=self.user)
        statuses = [(one.first or {}).get("status", one.status) for one in results]
        assert set(statuses) <= {"applied", "merged", "unchanged"}, statuses
        if heard:
            self.receive()
            self._drop(self.n + 1)
            self.sent = []


@pytest.mark.parametrize("seed", range(300))
def test_in_any_schedule_every_op_comes_back_as_its_author_expects_it(seed: int) -> None:
    """[TX8, TX11] Several ops in a message, sets among them, sent again with more behind them."""
    chance = Random(seed)
    bench = started("base text")
    people = [Replica(bench, user, chance) for user in ("ada", "bo", "di")]
    for _ in range(25):
        one = chance.choice(people)
        if chance.random() < 0.4:
            one.receive()
        if not one.sent or (chance.random() < 0.3 and len(one.sent) < 6):
            one.write(most=3)
        one.send(heard=chance.random() < 0.6)
    for one in people:
        one.send(heard=True)
    for one in people:
        one.receive()
        assert one.view == one.confirmed == read(bench.room)
