"""A room: cutting, settling, rolling back, and following what others committed."""

from __future__ import annotations

import msgspec
import pytest

from sync import room as rooms
from sync.codec import JSON, MSGPACK
from sync.growing import tree_of
from sync.identity import Author
from sync.pending import Refusal
from sync.ports import ClientCounter, Head, LoggedOp, Missing
from sync.protocol import Ops, Outcome
from sync.recent import ops_message
from tests.rooms import AT, Bench, delete, insert, loaded, title, told
from tests.trees import image
from tests.unit.sync.test_cut import reader


def missing(bench: Bench, ops: list[LoggedOp], commit: int = 2) -> Missing:
    head = Head(epoch="e1", commit=commit, seq=bench.room.seq + len(ops), mark="mx", conflicts=5)
    return Missing(head=head, ops=ops, counters=[ClientCounter(user="cy", client="cy-1", last_n=4)])


def foreign(count: int = 1) -> tuple[Bench, list[LoggedOp]]:
    """Another room's log after its first commit."""
    other = Bench()
    other.do(*(insert(n, f"f{n}") for n in range(1, count + 1)), user="cy")
    return other, other.batches[0].ops


def test_settling_confirms_and_tells() -> None:
    """[ED9, BR1, BR5]"""
    bench = Bench()
    assert bench.offer(insert(1, "a"), ref="r1") is None
    assert bench.offer(insert(1, "b"), delete(2, "nobody"), user="cy") is None
    settled = bench.settle()
    assert [outcome.seq for _, outcome in settled.outcomes] == [3, 3]
    assert settled.outcomes[0][1].ref == "r1"
    assert settled.commit is not None
    ops = settled.commit.ops
    assert (ops.after, ops.seq, ops.mark, ops.at, ops.digest) == (1, 3, "m2", AT, bench.room.tree.digest)
    assert [author.user for author in ops.authors] == ["bo", "cy"]
    assert bench.room.position.seq == 3
    assert (bench.room.head.commit, bench.room.head.mark) == (2, "m2")


def test_a_commit_without_ops_confirms_its_numbers_alone() -> None:
    bench = Bench()
    settled_at = bench.room.mark
    bench.do(delete(1, "nobody"))
    assert (bench.room.commit, bench.room.seq, bench.room.mark) == (2, 1, settled_at)
    assert bench.room.last_n(("bo", "bo-1")) == 1


def test_a_batch_is_bounded_in_rows_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    monkeypatch.setattr(rooms, "BATCH_ROWS", 3)
    for n in range(1, 5):
        assert bench.offer(insert(2 * n - 1, f"a{n}"), insert(2 * n, f"b{n}")) is None
    assert len(bench.settle().outcomes) == 2
    monkeypatch.setattr(rooms, "BATCH_BYTES", 100)
    assert len(bench.settle().outcomes) == 1
    assert len(bench.settle().outcomes) == 1
    assert bench.room.seq == 9


def test_rolling_back_lets_the_edits_wait_again_in_their_order() -> None:
    """SEMANTICS 5."""
    bench = Bench()
    before = image(bench.room.tree)
    for n, user in ((1, "bo"), (1, "cy"), (2, "bo")):
        assert bench.offer(insert(n, f"{user}{n}"), user=user) is None
    bench.cut()
    assert bench.offer(insert(3, "late")) is None
    bench.room.roll_back()
    assert image(bench.room.tree) == before
    assert (bench.room.inbox.ops, bench.room.inbox.size) == (4, 400)
    assert len(bench.room.inbox.unrecalled()) >= 3
    settled = bench.settle()
    assert [edit.client[0] for edit, _ in settled.outcomes] == ["bo", "cy", "bo", "bo"]
    assert bench.room.seq == 5


def test_joins_are_served_the_confirmed_state_while_a_batch_is_in_flight() -> None:
    """[OP1, BR3] And the flight goes on as if nothing had been."""
    bench = Bench()
    bench.offer(insert(1, "a"), title(2, "New"))
    bench.cut()
    ahead = image(bench.room.tree)
    state = bench.room.state()
    assert [(node.id, node.title) for node in state.nodes] == [("root", "Root")]
    assert bench.room.encoded_state(JSON).position.seq == 1
    assert image(bench.room.tree) == ahead
    bench.settle()
    assert {node.id for node in bench.room.state().nodes} == {"root", "a"}


def test_an_encoded_state_is_kept_as_long_as_the_ops_after_it_are_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "SNAPSHOT_LAG", 2)
    bench = Bench()
    first = bench.room.encoded_state(JSON)
    bench.do(insert(1, "a"))
    assert bench.room.encoded_state(JSON) is first
    assert bench.room.encoded_state(MSGPACK).position.seq == 2
    bench.do(insert(2, "b"), insert(3, "c"))
    second = bench.room.encoded_state(JSON)
    assert second.position.seq == 4
    bench.room.recent.seq = 9
    assert bench.room.encoded_state(JSON) is not second
    bench.room.forget_states()
    assert bench.room.encoded_state(JSON) is not second


# ---- rights


def test_rights_are_judged_when_the_batch_is_cut() -> None:
    """[ED15, ED16, ED6]"""
    bench = Bench()
    bench.do(insert(1, "a"))
    assert bench.offer(insert(2, "b"), insert(1, "a")) is None
    bench.room.rights = msgspec.structs.replace(bench.room.rights, visibility="tenant_view")
    assert told(bench.settle().outcomes[0][1].results) == ["forbidden", "duplicate"]
    bench.room.rights = msgspec.structs.replace(bench.room.rights, visibility="tenant_edit", frozen=True)
    assert told(bench.do(insert(2, "b"))) == ["unavailable"]
    bench.room.rights = msgspec.structs.replace(bench.room.rights, frozen=False)
    assert told(bench.do(insert(2, "b"))) == ["applied"]


def test_the_role_of_a_participant_counts_while_he_is_here() -> None:
    """[ED15, ED16] Afterwards the rights themselves do."""
    bench = Bench()
    one = reader(live=True)
    one.role = "commenter"
    bench.room.participants[one.id] = one
    assert told(bench.do(insert(1, "a"), participant=one)) == ["forbidden"]
    del bench.room.participants[one.id]
    assert told(bench.do(insert(1, "a"), participant=one)) == ["applied"]


def test_a_refused_edit_consumes_nothing() -> None:
    """[ED6, ED10]"""
    bench = Bench()
    edit = bench.edit(insert(1, "a"), insert(2, "b"))
    outcome = bench.room.refused(edit, Refusal("rate", "slow down"))
    assert isinstance(outcome, Outcome)
    assert told(outcome.results) == ["rate", "rate"]
    assert [result.why for result in outcome.results] == ["slow down"] * 2
    bench.offer(insert(1, "a"))
    bench.offer(insert(1, "a"), user="cy")
    refused = bench.room.refuse_waiting(Refusal("unavailable", "away"))
    assert [told(one.results) for _, one in refused if isinstance(one, Outcome)] == [["unavailable"], ["unavailable"]]
    assert len(bench.room.inbox) == 0
    assert told(bench.do(insert(1, "a"))) == ["applied"]


# ---- commits of others


def test_ops_that_are_in_the_log_are_taken_in() -> None:
    """[BR1, BR2] What is known already is passed over."""
    other, ops = foreign(3)
    bench = Bench()
    commit = bench.room.ingest(missing(bench, ops))
    assert commit is not None
    assert (commit.ops.after, commit.ops.seq) == (1, 4)
    assert bench.room.tree.digest == other.room.tree.digest
    assert (bench.room.commit, bench.room.conflicts, bench.room.mark) == (2, 5, "m2")
    assert bench.room.last_n(("cy", "cy-1")) == 4
    assert bench.room.ingest(missing(bench, ops, 3)) is None
    assert bench.room.ingest(missing(bench, [], 4)) is None
    assert bench.room.commit == 4


def test_a_gap_in_the_log_is_noticed() -> None:
    _, ops = foreign(3)
    bench = Bench()
    with pytest.raises(AssertionError, match="a gap in the log"):
        bench.room.ingest(missing(bench, ops[1:]))


def test_the_next_commit_is_taken_as_it_was_broadcast() -> None:
    """[BR2] Its bytes go on as they came."""
    other, ops = foreign(2)
    frame = JSON.encode(ops_message(7, ops, other.room.tree.digest))
    message = JSON.decode_server(frame)
    assert isinstance(message, Ops)
    bench = Bench()
    commit = bench.room.follow(message, {"json": frame}, {("cy", "cy-1"): 2}, 0)
    assert commit is not None
    assert commit.encoded(JSON) is frame
    assert bench.room.tree.digest == other.room.tree.digest
    assert image(bench.room.tree) == image(other.room.tree)
    assert bench.room.last_n(("cy", "cy-1")) == 2
    assert bench.room.follow(None, {}, {("cy", "cy-1"): 3}, 1) is None
    assert (bench.room.commit, bench.room.seq, bench.room.conflicts) == (3, 3, 1)


def test_nothing_is_taken_in_while_a_batch_is_in_flight() -> None:
    """SEMANTICS 7."""
    bench = Bench()
    bench.offer(insert(1, "a"))
    bench.cut()
    with pytest.raises(AssertionError):
        bench.room.ingest(missing(bench, []))
    with pytest.raises(AssertionError):
        bench.room.follow(None, {}, {}, 0)
    with pytest.raises(AssertionError):
        bench.room.cut("m", "r", bench.now)


def test_another_history_takes_over_people_and_what_waits() -> None:
    """[OP11, ED18] A base of the lost history is stale, not invalid."""
    former = Bench()
    one = reader(live=True)
    former.room.participants[one.id] = one
    former.do(insert(1, "a"))
    former.offer(title(2, "x", base=2), participant=one)
    former.offer(title(3, "y", base=1), participant=one)
    bench = Bench()
    bench.room.adopt(former.room)
    assert bench.room.participants == {one.id: one}
    assert len(bench.room.inbox.unrecalled()) == 2
    outcomes = bench.settle().outcomes
    assert [told(outcome.results) for _, outcome in outcomes] == [["stale"], ["gap"]]


def test_loading_keeps_the_trash() -> None:
    bench = Bench()
    bench.do(insert(1, "a"), insert(2, "b", "a"), delete(3, "a"))
    rows = {row.node.id: row for batch in bench.batches for row in batch.nodes}
    reloaded = loaded()
    reloaded.nodes += rows.values()
    tree = tree_of(reloaded)
    assert tree.nodes["b"].deleted == 4
    assert tree.digest == bench.room.tree.digest


def test_catch_up_over_several_commits_tells_their_times() -> None:
    """[BR4]"""
    bench = Bench()
    bench.do(insert(1, "a"))
    bench.do(insert(2, "b"), insert(1, "nobody", "none"))
    rows = [op for batch in bench.batches for op in batch.ops]
    rows[0].at = "2026-01-05T09:00:00.000000Z"
    agent = Author(user="bo", client="bo-1", via="agent")
    rows.append(msgspec.structs.replace(rows[1], seq=4, author=agent))
    message = msgspec.to_builtins(ops_message(7, rows))
    assert message["at"] == AT
    assert [op.get("at") for op in message["ops"]] == [rows[0].at, None, None]
    assert message["authors"] == [{"user": "bo", "client": "bo-1"}, {"user": "bo", "client": "bo-1", "via": "agent"}]
    assert [op["by"] for op in message["ops"]] == [0, 0, 1]
    assert "digest" not in message


def test_loading_keeps_connections() -> None:
    bench = Bench()
    bench.do(insert(1, "a"), {"n": 2, "op": "connect", "connection": "c", "from": "root", "to": "a"})
    (batch,) = bench.batches
    again = loaded()
    again.nodes += batch.nodes
    again.connections += batch.connections
    assert tree_of(again).digest == bench.room.tree.digest


def test_what_was_read_of_the_log_stays_for_the_next_edit_of_a_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue comes back in many messages that look back as far: the log is read for the first of them."""
    monkeypatch.setattr("sync.backlog.KEPT_OPS", 1)
    bench = Bench()
    for n in range(1, 9):
        bench.do(title(n, f"T{n}", base=n))
    log = [op for batch in bench.batches for op in batch.ops]
    assert bench.room.backlog.floor > 1

    def replay(n: int) -> int:
        """How many rows had to be read."""
        assert bench.offer(title(n, f"mine {n}", base=3), user="ada", mode="replay") is None
        after, floor = bench.room.reach(), bench.room.backlog.floor
        if after < floor:
            bench.room.backlog.load(after, log[after - 1 : floor - 1])
        bench.settle()
        return floor - after

    assert replay(1) > 0
    assert [replay(n) for n in range(2, 6)] == [0, 0, 0, 0]
    bench.do(title(9, "T9", base=9))  # looks back no further than to what is kept for everyone
    assert bench.room.backlog.floor > 3
    assert replay(6) > 0
