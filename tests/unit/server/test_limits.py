"""Token buckets and connection counts, with a clock that is a number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.limits import (
    ADDRESS,
    CONNECTION,
    TENANT,
    USER,
    Admission,
    Allowance,
    Bounds,
    Meter,
    Rate,
    Verdict,
    charge,
    spend,
)
from sync.limits import Limits

SMALL = Allowance(messages=Rate(10, 20), ops=Rate(5, 10), bytes=Rate(1000, 5000))


def test_a_burst_is_taken_then_refused_then_a_flood() -> None:
    meter = Meter(SMALL)
    verdicts = [spend([meter], 100.0, 1, 0) for _ in range(41)]
    assert verdicts == [Verdict.FINE] * 20 + [Verdict.OVER] * 20 + [Verdict.FLOOD]


def test_what_was_spent_comes_back_with_time() -> None:
    meter = Meter(SMALL)
    for _ in range(20):
        spend([meter], 100.0, 1, 0)
    assert spend([meter], 100.0, 1, 0) is Verdict.OVER
    assert spend([meter], 100.2, 1, 0) is Verdict.FINE  # 2 of the 21 are back
    assert spend([meter], 100.2, 1, 0) is Verdict.OVER


def test_the_long_run_rate_is_the_rate() -> None:
    meter = Meter(SMALL)
    fine = sum(spend([meter], 100.0 + tick * 0.1, 1, 0) is Verdict.FINE for tick in range(1000))
    assert fine == 1000  # ten a second, for 100 s
    assert spend([meter], 200.0, 1, 0) is Verdict.FINE


def test_bytes_count_whether_served_or_not() -> None:
    meter = Meter(SMALL)
    assert [spend([meter], 0.0, 2500, 0) for _ in range(5)] == [
        Verdict.FINE,
        Verdict.FINE,
        Verdict.OVER,
        Verdict.OVER,
        Verdict.FLOOD,
    ]


def test_refused_ops_are_not_charged() -> None:
    meters = [Meter(SMALL)]
    assert spend(meters, 0.0, 1, 10) is Verdict.FINE
    assert [spend(meters, 0.0, 1, 5) for _ in range(3)] == [Verdict.OVER] * 3
    assert spend(meters, 1.0, 1, 5) is Verdict.FINE  # one second brings five back, as if nothing had been asked


def test_ops_are_charged_in_every_scope_or_in_none() -> None:
    mine, ours = Meter(SMALL), Meter(SMALL._replace(ops=Rate(5, 3)))
    assert spend([mine, ours], 0.0, 1, 4) is Verdict.OVER
    assert spend([mine], 0.0, 1, 10) is Verdict.FINE


def test_the_worst_scope_decides() -> None:
    flooded = Meter(SMALL)
    for _ in range(41):
        spend([flooded], 0.0, 1, 0)
    assert spend([Meter(SMALL), flooded], 0.0, 1, 0) is Verdict.FLOOD


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 200)), max_size=60))
def test_no_schedule_gets_more_than_burst_and_rate(steps: list[tuple[float, int]]) -> None:
    meter, now, taken = Meter(SMALL._replace(messages=Rate(1000, 1000))), 0.0, 0
    for pause, ops in steps:
        now += pause
        if spend([meter], now, 0, ops) is Verdict.FINE:
            taken += ops
        assert taken <= 10 + now * 5 + 1e-6


@pytest.mark.parametrize("allowance", [CONNECTION, USER, TENANT, ADDRESS])
def test_the_defaults_hinder_no_one_who_means_well(allowance: Allowance) -> None:
    """A replay of 10,000 ops in full edits at once, then a closed loop of 5,000 one-op edits a second for 10 s."""
    meter, limits = Meter(allowance), Limits()
    for _ in range(10_000 // limits.edit_ops):
        assert spend([meter], 0.0, limits.message_bytes, limits.edit_ops) is Verdict.FINE
    for tick in range(50_000):
        assert spend([meter], tick / 5000, 300, 1) is Verdict.FINE


def test_an_address_may_have_only_so_many_sockets() -> None:
    admission = Admission(Bounds(sockets_per_address=2))
    first = admission.arrive("192.0.2.1")
    assert first is not None
    assert admission.arrive("192.0.2.1") is first
    assert admission.arrive("192.0.2.1") is None
    assert admission.arrive("192.0.2.2") is not None
    admission.leave([first])
    assert admission.arrive("192.0.2.1") is first


def test_an_instance_may_have_only_so_many_sockets() -> None:
    admission = Admission(Bounds(sockets=1))
    meter = admission.arrive("192.0.2.1")
    assert meter is not None
    assert admission.arrive("192.0.2.2") is None
    admission.leave([meter])
    assert admission.arrive("192.0.2.2") is not None


def test_a_user_and_a_tenant_may_have_only_so_many_sockets() -> None:
    admission = Admission(Bounds(sockets_per_user=1, sockets_per_tenant=2))
    assert admission.admit("acme", "ada") is not None
    assert admission.admit("acme", "ada") is None
    assert admission.admit("acme", "bo") is not None
    assert admission.admit("acme", "cy") is None
    assert admission.admit("other", "ada") is not None  # one person in two tenants is two users


def test_a_refusal_counts_nowhere() -> None:
    admission = Admission(Bounds(sockets_per_tenant=1))
    meters = admission.admit("acme", "ada")
    assert meters is not None
    assert admission.admit("acme", "bo") is None
    for meter in meters:
        meter.sockets -= 1
    assert admission.admit("acme", "bo") is not None


def test_names_with_separators_are_not_confused() -> None:
    admission = Admission(Bounds())
    assert admission.admit("a\nb", "c")[0] is not admission.admit("a", "b\nc")[0]  # type: ignore[index]


def test_forgetting_forgives_nothing() -> None:
    admission = Admission(Bounds(address=SMALL))
    meter = admission.arrive("192.0.2.1")
    assert meter is not None
    for _ in range(20):
        spend([meter], 50.0, 1, 0)
    admission.leave([meter])
    admission.forget(51.0)  # its bucket is full again at 52
    assert admission.arrive("192.0.2.1") is meter
    admission.leave([meter])
    admission.forget(52.1)
    assert admission.arrive("192.0.2.1") is not meter


def test_ops_that_were_made_count_whatever_they_come_to() -> None:
    meter = Meter(SMALL)
    charge([meter], 0.0, 500)
    assert spend([meter], 0.0, 1, 1) is Verdict.OVER
    rate = SMALL.ops.per_second
    assert spend([meter], (501 - SMALL.ops.burst) / rate + 1, 1, 1) is Verdict.FINE
