"""Bugs that lose what somebody typed, put in on purpose: text, conflict records and the trash (reliability B7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from sync import cut, effects, judge, judge_text, judge_values, keeping, ops
from sync.backlog import Backlog
from sync.conflict_records import ConflictRecord
from sync.keeping import Keeping
from sync.ladders import Ladders
from sync.marks import Mark
from sync.records import Records
from sync.text import Delta, applied, transformed
from tests.simulation.plan import Plan
from tests.simulation.test_planted_bugs import MOST_SEEDS, Patch, Plant, crowd
from tests.simulation.world import simulate


def typing(seed: int) -> Plan:
    """Several people in few texts, often on old bases."""
    return crowd(seed, store_delay=0.05, events={"cut": 0.2})


def deciding(seed: int) -> Plan:
    return crowd(seed, store_delay=0.02, resend=0.1, events={"cut": 0.15, "decide": 0.5})


def purging(seed: int) -> Plan:
    return crowd(seed, store_delay=0.02, events={"purge": 0.3})


# ---- text


def deltas_are_applied_where_they_were_typed(patch: Patch) -> None:
    def walk(delta: Delta, rungs: list[Delta], left: object) -> tuple[Delta, list[Delta]]:
        return delta, rungs

    patch.setattr(judge_text, "ladder", walk)


def the_later_insert_stands_left(patch: Patch) -> None:
    def walk(delta: Delta, rungs: list[Delta], left: object) -> tuple[Delta, list[Delta]]:
        walked = []
        for rung in rungs:
            delta, over = transformed(delta, rung)
            walked.append(over)
        return delta, walked

    patch.setattr(judge_text, "ladder", walk)


def a_rung_is_forgotten(patch: Patch) -> None:
    rungs = Ladders.rungs
    patch.setattr(Ladders, "rungs", lambda self, *asked: rungs(self, *asked)[:-1])


def what_is_undone_stays_in_the_backlog(patch: Patch) -> None:
    patch.setattr(Backlog, "truncate", lambda self, seq: None)


def a_merge_takes_the_later_text(patch: Patch) -> None:
    patch.setattr(judge_values, "merged", lambda base, mine, theirs, left=None: mine)


def a_delta_is_cut_short(patch: Patch) -> None:
    patch.setattr(judge_text, "applied", lambda text, delta: applied(text, delta)[:20])
    patch.setattr("sync.cut.judge", _shortened(judge.judge))


def _shortened(judge: Callable[..., Any]) -> Callable[..., Any]:
    def judged(*arguments: Any) -> Any:
        verdict = judge(*arguments)
        delta = getattr(verdict.effect, "delta", None)
        if delta is not None:
            verdict.effect.delta = [part[:1] if isinstance(part, str) else part for part in delta]
        return verdict

    return judged


# ---- records


def what_is_overwritten_is_gone(patch: Patch) -> None:
    def losses_of(*_: Any) -> Iterator[Any]:
        return iter(())

    patch.setattr(keeping, "losses_of", losses_of)


def ones_own_other_device_counts_as_oneself(patch: Patch) -> None:
    def by_others(self: Mark, user: str, client: str) -> tuple[int, str]:
        return (self.seq, self.user) if self.user != user else (self.other_seq, self.other_user)

    def unseen(self: Mark, user: str, client: str, base: int) -> bool:
        return self.seq > base and self.user != user

    patch.setattr(Mark, "by_others", by_others)
    patch.setattr(Mark, "unseen", unseen)


def a_record_keeps_the_winner(patch: Patch) -> None:
    overwritten = Records.overwritten

    def keep(self: Records, loss: Any, now: float) -> ConflictRecord:
        paths = {path: msgspec.structs.replace(one, mine=one.theirs) for path, one in loss.paths.items()}
        return overwritten(self, msgspec.structs.replace(loss, paths=paths), now)

    patch.setattr(Records, "overwritten", keep)


def set_aside_without_its_content(patch: Patch) -> None:
    set_aside = Keeping.set_aside

    def forget(self: Keeping, source: Any, op: Any, content: Any, aside: Any) -> ConflictRecord:
        return set_aside(self, source, op, {**content, "set": {}} if "set" in content else content, aside)

    patch.setattr(Keeping, "set_aside", forget)


def an_op_that_joins_is_dropped(patch: Patch) -> None:
    patch.setattr(Keeping, "join", lambda self, source, record, op, content: record)


def a_decision_leaves_its_record_open(patch: Patch) -> None:
    patch.setattr(Keeping, "close", lambda self, source, record, closing: None)


def records_are_not_taken_back_with_the_batch(patch: Patch) -> None:
    patch.setattr(Records, "undo", lambda self, mark=0: self._journal.clear() if mark == 0 else None)


def other_instances_hear_of_no_records(patch: Patch) -> None:
    def take(self: Records, number: int, records: Any) -> None:
        self.number = number

    patch.setattr(Records, "take", take)


# ---- the trash


def purged_rows_stay(patch: Patch) -> None:
    patch.setattr(cut, "purged_rows", lambda tree, befores: ([], []))


def restore_leaves_the_subtree_behind(patch: Patch) -> None:
    restore = judge._JUDGES[ops.Restore]

    def top_only(*arguments: Any) -> Any:
        verdict = restore(*arguments)
        if isinstance(verdict.effect, effects.Restore):
            verdict.effect.nodes = verdict.effect.nodes[:1]
        return verdict

    patch.setitem(judge._JUDGES, ops.Restore, top_only)


BUGS: list[tuple[Plant, Callable[[int], Plan]]] = [
    (deltas_are_applied_where_they_were_typed, typing),
    (the_later_insert_stands_left, typing),
    (a_rung_is_forgotten, typing),
    (what_is_undone_stays_in_the_backlog, typing),
    (a_merge_takes_the_later_text, typing),
    (a_delta_is_cut_short, typing),
    (what_is_overwritten_is_gone, typing),
    (ones_own_other_device_counts_as_oneself, typing),
    (a_record_keeps_the_winner, typing),
    (set_aside_without_its_content, typing),
    (an_op_that_joins_is_dropped, typing),
    (a_decision_leaves_its_record_open, deciding),
    (records_are_not_taken_back_with_the_batch, deciding),
    (other_instances_hear_of_no_records, deciding),
    (purged_rows_stay, purging),
    (restore_leaves_the_subtree_behind, purging),
]


@pytest.mark.parametrize(("plant", "plan"), BUGS, ids=[plant.__name__ for plant, _ in BUGS])
def test_a_planted_bug_is_found(plant: Plant, plan: Callable[[int], Plan], monkeypatch: Patch) -> None:
    plant(monkeypatch)
    for seed in range(MOST_SEEDS):
        try:
            simulate(plan(seed))
        except AssertionError as error:
            print(f"found by seed {seed}: {str(error)[:200]}")
            return
    raise AssertionError(f"{MOST_SEEDS} seeds did not find it")


@pytest.mark.parametrize("plan", [typing, deciding, purging])
def test_without_the_bug_its_plan_holds(plan: Callable[[int], Plan]) -> None:
    for seed in range(5):
        simulate(plan(seed))
