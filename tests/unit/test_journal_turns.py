"""Whose turn it is: leases, tries, waiting, outages, and who wakes a request that is left alone."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import journal
from shared.model import Mode, Status, WaitingFor
from shared.record import Lease, Outage, OwedKind, Record
from tests.unit import build
from tests.unit.build import LEASE, NOW, TICK, after

ENFORCE, DRY_RUN = Mode.ENFORCE, Mode.DRY_RUN
GRAPH, TICKET_SYSTEM, STORAGE = WaitingFor.GRAPH, WaitingFor.TICKET_SYSTEM, WaitingFor.STORAGE
WITHOUT_LIMIT = (WaitingFor.RATE_LIMIT, WaitingFor.BREAKER, WaitingFor.PAUSED)
GIVE_UP = timedelta(hours=6)
SKEW = timedelta(seconds=5)  # by so much may the clocks of two workers differ

# ---- leases


def test_a_claim_makes_the_request_its_owners_until_the_lease_ends() -> None:
    claimed = journal.claim(build.record(), "worker-2", after(seconds=1), LEASE, ENFORCE)
    assert claimed.lease == Lease("worker-2", after(seconds=1) + LEASE)
    assert (claimed.status, claimed.tries) == (Status.RUNNING, 1)
    assert claimed.updated_at == after(seconds=1)
    assert not journal.may_claim(claimed, after(seconds=2))


def test_a_lease_is_taken_over_only_when_every_clock_has_seen_its_end() -> None:
    held = build.running()
    assert not journal.may_claim(held, NOW + LEASE)
    assert not journal.may_claim(held, NOW + LEASE + SKEW - TICK)
    assert journal.may_claim(held, NOW + LEASE + SKEW)


def test_a_claim_that_may_not_be_made_is_not_made() -> None:
    with pytest.raises(AssertionError):
        journal.claim(build.running(), "worker-2", after(seconds=1), LEASE, ENFORCE)


def test_a_wait_is_never_cut_short() -> None:
    waiting = journal.wait(build.running(), GRAPH, timedelta(minutes=10), NOW, 0.5)
    assert not journal.may_claim(waiting, after(minutes=10) - TICK)
    assert journal.may_claim(waiting, after(minutes=10))


def test_a_claim_ends_the_wait() -> None:
    waiting = replace(journal.wait(build.running(), GRAPH, timedelta(minutes=10), NOW, 0.5), put_back_at=after(minutes=9))
    claimed = journal.claim(waiting, "worker-2", after(minutes=10), LEASE, ENFORCE)
    assert (claimed.status, claimed.waiting_for, claimed.next_try_at, claimed.put_back_at) == (Status.RUNNING, None, None, None)
    assert claimed.outages == waiting.outages


def test_an_ended_request_that_owes_something_is_claimed_without_being_opened() -> None:
    ended = build.ended(message="m", owed=(build.owed(),))
    assert journal.may_claim(ended, after(minutes=2))
    claimed = journal.claim(ended, "worker-2", after(minutes=2), LEASE, DRY_RUN)
    assert (claimed.status, claimed.outcome, claimed.mode, claimed.tries) == (ended.status, ended.outcome, ENFORCE, ended.tries)
    assert claimed.lease == Lease("worker-2", after(minutes=2) + LEASE)


def test_an_ended_request_that_owes_nothing_is_nobodys_work() -> None:
    assert not journal.may_claim(build.ended(), after(days=1))


def test_a_lease_is_renewed_for_its_owner_from_now_on() -> None:
    assert journal.renew(build.running(), after(minutes=1), LEASE).lease == Lease("worker-1", after(minutes=1) + LEASE)


def test_what_nobody_holds_cannot_be_renewed() -> None:
    with pytest.raises(AssertionError):
        journal.renew(build.record(), NOW, LEASE)


@pytest.mark.parametrize(
    ("accepted_in", "in_force", "works_in"),
    [(ENFORCE, ENFORCE, ENFORCE), (ENFORCE, DRY_RUN, DRY_RUN), (DRY_RUN, DRY_RUN, DRY_RUN), (DRY_RUN, ENFORCE, DRY_RUN)],
)
def test_before_the_first_removal_the_stricter_of_both_modes_holds(accepted_in: Mode, in_force: Mode, works_in: Mode) -> None:
    assert journal.claim(build.record(mode=accepted_in), "w", NOW, LEASE, in_force).mode is works_in


def test_what_was_begun_is_carried_to_its_end_though_dry_runs_are_in_force() -> None:
    claimed = journal.claim(build.begun(lease=None), "w", after(minutes=5), LEASE, DRY_RUN)
    assert claimed.mode is ENFORCE
    journal.check(claimed)


def test_who_was_signed_out_in_earnest_is_dealt_with_in_earnest() -> None:
    claimed = journal.claim(build.running(lease=None, revoked_at=after(minutes=1)), "w", after(minutes=5), LEASE, DRY_RUN)
    assert claimed.mode is ENFORCE
    journal.check(claimed)


def test_an_attempt_that_removed_nothing_itself_is_downgraded_whatever_an_earlier_one_removed() -> None:
    fresh = build.begun(attempt=2, lease=None, status=Status.ACCEPTED)
    assert journal.claim(fresh, "w", after(minutes=5), LEASE, DRY_RUN).mode is DRY_RUN


# ---- tries


def test_every_claim_is_a_try_a_crash_too() -> None:
    record, now = build.record(), NOW
    for tries in range(1, 6):
        record = journal.claim(record, "w", now, LEASE, ENFORCE)
        assert record.tries == tries
        assert not journal.out_of_tries(record)
        now += LEASE + SKEW
    assert journal.out_of_tries(journal.claim(record, "w", now, LEASE, ENFORCE))


def test_after_an_error_without_a_name_the_try_still_counts() -> None:
    assert journal.wait(build.running(tries=3), None, None, NOW, 0.5).tries == 3


@pytest.mark.parametrize("waiting_for", WaitingFor)
def test_waiting_for_something_that_has_a_name_is_no_try(waiting_for: WaitingFor) -> None:
    assert journal.wait(build.running(tries=1), waiting_for, None, NOW, 0.5).tries == 0


def test_from_the_first_removal_on_claims_are_no_tries() -> None:
    record = build.begun(tries=5)
    for number in range(1, 20):
        record = journal.claim(replace(record, lease=None), "w", after(minutes=10 * number), LEASE, ENFORCE)
    assert record.tries == 5
    assert not journal.out_of_tries(replace(record, tries=6))


def test_what_was_begun_is_tried_for_seven_days_from_the_first_intent() -> None:
    phone, app = build.method(), build.method("microsoftAuthenticator", "1")
    record = build.begun(
        phone, app, removals=(build.entry(phone, intended_at=after(hours=1)), build.entry(app, intended_at=after(days=3)))
    )
    assert not journal.carried_on_for_long(record, after(days=7, hours=1) - TICK)
    assert journal.carried_on_for_long(record, after(days=7, hours=1))


def test_what_was_not_begun_is_not_carried_on() -> None:
    assert not journal.carried_on_for_long(build.running(), after(days=400))


def test_the_seven_days_of_an_attempt_do_not_start_with_an_earlier_attempt() -> None:
    phone, app = build.method(), build.method("microsoftAuthenticator", "1")
    removals = (build.entry(phone, gone_at=after(minutes=1)), build.entry(app, attempt=2, intended_at=after(days=6)))
    record = build.begun(phone, app, attempt=2, removals=removals)
    assert not journal.carried_on_for_long(record, after(days=12))
    assert journal.carried_on_for_long(record, after(days=13))


# ---- waiting


@pytest.mark.parametrize(
    ("times", "seconds"), [(0, 5), (1, 10), (2, 20), (3, 40), (4, 80), (5, 160), (6, 320), (7, 600), (8, 600), (10**6, 600)]
)
def test_waits_double_from_five_seconds_to_ten_minutes(times: int, seconds: int) -> None:
    assert journal.backoff(times, 0.5) == timedelta(seconds=seconds)


@given(st.integers(0, 1000), st.floats(0, 1, exclude_max=True))
def test_jitter_spreads_a_wait_by_a_fifth_at_most(times: int, jitter: float) -> None:
    middle = journal.backoff(times, 0.5)
    assert 0.8 * middle <= journal.backoff(times, jitter) <= 1.2 * middle


def test_an_attempt_that_waits_lets_go_of_the_request_and_loses_nothing() -> None:
    held = build.running(owed=(build.owed(OwedKind.START_NOTE),), inventory=(build.method(),))
    waiting = journal.wait(held, TICKET_SYSTEM, None, after(seconds=10), 0.5)
    assert waiting == replace(
        held,
        status=Status.WAITING,
        waiting_for=TICKET_SYSTEM,
        next_try_at=after(seconds=15),
        waits=1,
        tries=0,
        outages=(Outage(TICKET_SYSTEM, after(seconds=10)),),
        lease=None,
        updated_at=after(seconds=10),
    )
    journal.check(waiting)


def test_waits_in_a_row_grow_and_an_answer_starts_them_over() -> None:
    record = build.running(waits=3)
    assert journal.wait(record, GRAPH, None, NOW, 0.5).next_try_at == after(seconds=40)
    assert journal.wait(journal.answered(record, GRAPH), GRAPH, None, NOW, 0.5).next_try_at == after(seconds=5)


@pytest.mark.parametrize(
    ("asked", "waits"),
    [
        (timedelta(seconds=1), timedelta(seconds=1)),
        (timedelta(seconds=2.128), timedelta(seconds=2.128)),
        (timedelta(hours=1), timedelta(hours=1)),
        (timedelta(days=6), timedelta(days=6)),
        (timedelta(days=6, seconds=1), timedelta(days=6)),  # a queue keeps a message for seven days
        (timedelta(days=365), timedelta(days=6)),
    ],
)
def test_retry_after_is_honoured_as_far_as_the_queue_can_wait(asked: timedelta, waits: timedelta) -> None:
    assert journal.wait(build.running(waits=7), GRAPH, asked, NOW, 0.5).next_try_at == NOW + waits
    ended = build.ended(owed=(build.owed(tried=7),), message="m", lease=Lease("w", NOW))
    assert journal.settle(ended, asked, NOW, 0.5).next_try_at == NOW + waits


@pytest.mark.parametrize("asked", [timedelta(0), timedelta(milliseconds=999)])
def test_a_retry_after_of_nothing_is_no_reason_for_a_storm(asked: timedelta) -> None:
    assert journal.wait(build.running(waits=2), GRAPH, asked, NOW, 0.5).next_try_at == after(seconds=20)


# ---- outages


def test_an_outage_lasts_from_the_first_failure_to_the_first_answer() -> None:
    first = journal.wait(build.running(), GRAPH, None, NOW, 0.5)
    second = journal.wait(first, GRAPH, None, after(hours=1), 0.5)
    assert second.outages == (Outage(GRAPH, NOW),)
    over = journal.answered(second, GRAPH)
    assert over.outages == ()
    assert journal.wait(over, GRAPH, None, after(hours=2), 0.5).outages == (Outage(GRAPH, after(hours=2)),)


def test_each_service_has_its_own_outage() -> None:
    graph = journal.wait(build.running(), GRAPH, None, NOW, 0.5)
    both = journal.wait(graph, TICKET_SYSTEM, None, after(hours=1), 0.5)
    assert both.outages == (Outage(GRAPH, NOW), Outage(TICKET_SYSTEM, after(hours=1)))
    assert journal.answered(both, TICKET_SYSTEM).outages == (Outage(GRAPH, NOW),)


def test_an_error_without_a_name_is_nobodys_outage() -> None:
    assert journal.wait(build.running(), None, None, NOW, 0.5).outages == ()


def test_an_outage_is_given_up_when_it_has_lasted_too_long() -> None:
    record = build.running(outages=(Outage(GRAPH, NOW),))
    assert not journal.given_up(record, GRAPH, GIVE_UP, after(hours=6) - TICK)
    assert journal.given_up(record, GRAPH, GIVE_UP, after(hours=6))
    assert not journal.given_up(record, TICKET_SYSTEM, GIVE_UP, after(hours=6))


def test_without_an_outage_nothing_is_given_up() -> None:
    assert not journal.given_up(build.running(), GRAPH, timedelta(0), after(days=30))


def test_no_patience_at_all_gives_up_at_the_second_failure() -> None:
    record = build.running(outages=(Outage(GRAPH, NOW),))
    assert journal.given_up(record, GRAPH, timedelta(0), NOW)


def test_once_removal_has_begun_an_outage_is_waited_out_for_seven_days() -> None:
    record = build.begun(outages=(Outage(GRAPH, NOW),))
    assert not journal.given_up(record, GRAPH, GIVE_UP, after(days=7) - TICK)
    assert journal.given_up(record, GRAPH, GIVE_UP, after(days=7))


@pytest.mark.parametrize("waiting_for", WITHOUT_LIMIT)
def test_what_people_hold_back_waits_without_limit(waiting_for: WaitingFor) -> None:
    record = journal.wait(build.running(), waiting_for, None, NOW, 0.5)
    assert not journal.given_up(record, waiting_for, GIVE_UP, after(days=30))


@pytest.mark.parametrize("waiting_for", WITHOUT_LIMIT)
def test_what_people_hold_back_is_let_go_of_and_outages_are_not(waiting_for: WaitingFor) -> None:
    graph = Outage(GRAPH, NOW)
    held = build.running(outages=(Outage(waiting_for, NOW), graph))
    assert journal.let_go(held).outages == (graph,)
    assert journal.let_go(build.running(outages=(graph,))).outages == (graph,)


@pytest.mark.parametrize("waiting_for", WITHOUT_LIMIT)
def test_an_outage_keeps_its_age_while_people_hold_the_attempt_back(waiting_for: WaitingFor) -> None:
    graph, desk = Outage(GRAPH, NOW, after(hours=1)), Outage(TICKET_SYSTEM, after(minutes=1))
    held = journal.wait(build.running(outages=(graph, desk)), waiting_for, None, after(hours=5), 0.5)
    assert held.outages == (graph, desk, Outage(waiting_for, after(hours=5)))
    assert journal.given_up(journal.let_go(held), GRAPH, GIVE_UP, after(hours=6))


def test_what_holds_an_attempt_back_takes_the_place_of_what_did_so_before() -> None:
    paused = journal.wait(build.running(), WaitingFor.PAUSED, None, NOW, 0.5)
    assert journal.wait(replace(paused, status=Status.RUNNING), WaitingFor.BREAKER, None, after(hours=1), 0.5).outages == (
        Outage(WaitingFor.BREAKER, after(hours=1)),
    )


@pytest.mark.parametrize("waiting_for", [GRAPH, TICKET_SYSTEM, *WITHOUT_LIMIT])
def test_storage_has_answered_whoever_waits_for_anything_else(waiting_for: WaitingFor) -> None:
    failed = build.running(outages=(Outage(STORAGE, NOW),))
    assert journal.wait(failed, waiting_for, None, after(hours=1), 0.5).outages == (Outage(waiting_for, after(hours=1)),)
    assert journal.wait(failed, STORAGE, None, after(hours=1), 0.5).outages == (Outage(STORAGE, NOW),)


def test_who_is_held_back_after_every_answer_has_no_outage_left() -> None:
    record = build.running(outages=(Outage(GRAPH, NOW), Outage(TICKET_SYSTEM, NOW), Outage(STORAGE, NOW)), waits=4)
    assert journal.all_answered(record) == replace(record, outages=())


def test_before_the_first_removal_a_long_retry_after_does_not_put_off_giving_up() -> None:
    waiting = journal.wait(build.running(), GRAPH, timedelta(days=2), NOW, 0.5, GIVE_UP)
    assert waiting.next_try_at == NOW + GIVE_UP
    assert waiting.outages == (Outage(GRAPH, NOW, after(days=2)),)
    assert journal.may_not_ask(waiting, GIVE_UP, NOW + GIVE_UP - TICK) is None
    assert journal.may_not_ask(waiting, GIVE_UP, NOW + GIVE_UP) is GRAPH


def test_whoever_may_ask_again_asks_before_giving_up() -> None:
    waiting = journal.wait(build.running(), GRAPH, timedelta(hours=6), NOW, 0.5, GIVE_UP)
    assert journal.may_not_ask(waiting, GIVE_UP, NOW + GIVE_UP) is None
    unasked = journal.wait(build.running(), GRAPH, None, NOW, 0.5, GIVE_UP)
    assert journal.may_not_ask(unasked, GIVE_UP, NOW + GIVE_UP) is None


def test_a_later_answer_without_retry_after_lifts_the_earlier_one() -> None:
    asked = journal.wait(build.running(), GRAPH, timedelta(hours=2), NOW, 0.5, GIVE_UP)
    again = journal.wait(asked, GRAPH, None, after(hours=2), 0.5, GIVE_UP)
    assert again.outages == (Outage(GRAPH, NOW),)


def test_a_try_shortly_before_giving_up_leaves_the_service_a_breath() -> None:
    record = build.running(outages=(Outage(GRAPH, NOW),), waits=9)
    assert journal.wait(record, GRAPH, None, NOW + GIVE_UP - TICK, 0.5, GIVE_UP).next_try_at == NOW + GIVE_UP - TICK + timedelta(
        seconds=5
    )


def test_once_removal_has_begun_a_long_retry_after_is_waited_out() -> None:
    waiting = journal.wait(build.begun(), GRAPH, timedelta(days=2), NOW, 0.5, GIVE_UP)
    assert waiting.next_try_at == after(days=2)
    assert journal.may_not_ask(waiting, GIVE_UP, after(days=1)) is None


def test_waits_start_over_only_when_every_service_has_answered() -> None:
    record = build.running(outages=(Outage(GRAPH, NOW), Outage(TICKET_SYSTEM, NOW)), waits=4)
    assert journal.answered(record, TICKET_SYSTEM).waits == 4
    assert journal.answered(journal.answered(record, TICKET_SYSTEM), GRAPH).waits == 0


# ---- held: waiting for a human


@pytest.mark.parametrize("waiting_for", sorted(journal.FOR_A_HUMAN))
def test_who_waits_for_a_human_is_held_and_woken_by_no_time(waiting_for: WaitingFor) -> None:
    record = journal.check(build.held(waiting_for))
    assert (journal.held_for(record), record.status, record.next_try_at) == (waiting_for, Status.WAITING, None)
    assert journal.due_at(record) is None
    assert not journal.may_claim(record, after(days=400))


@pytest.mark.parametrize("waiting_for", [*sorted(set(WaitingFor) - journal.FOR_A_HUMAN), None])
def test_who_waits_for_anything_else_has_a_time_and_is_not_held(waiting_for: WaitingFor | None) -> None:
    record = journal.wait(build.running(), waiting_for, None, NOW, 0.5)
    assert journal.held_for(record) is None
    assert record.next_try_at is not None


@pytest.mark.parametrize(
    "record", [build.record(), build.running(), build.begun(), build.ended(message="m", owed=(build.owed(),))]
)
def test_who_does_not_wait_is_not_held(record: Record) -> None:
    assert journal.held_for(record) is None


def test_the_longest_asked_for_is_let_go_first() -> None:
    assert journal.held_since(build.held(attempts_opened=(NOW, after(hours=2)))) == after(hours=2)


def test_once_the_switch_is_off_whoever_was_held_may_go_on_and_is_due_though_the_message_got_lost() -> None:
    graph = Outage(GRAPH, NOW)
    record = journal.check(journal.resume(build.held(outages=(graph,)), after(hours=1)))
    assert (record.status, record.waiting_for, record.outages) == (Status.ACCEPTED, None, (graph,))
    assert journal.may_claim(record, after(hours=1))
    assert journal.due_at(record) == after(hours=1, seconds=30)


def test_who_moves_on_to_the_other_switch_is_held_as_long_as_before() -> None:
    graph = Outage(GRAPH, NOW)
    record = journal.check(journal.moved_on(build.held(outages=(graph,)), WaitingFor.BREAKER, after(hours=1)))
    assert journal.held_for(record) is WaitingFor.BREAKER
    assert record.outages == (graph, Outage(WaitingFor.BREAKER, NOW))
    assert record.updated_at == after(hours=1)


def test_who_is_held_may_be_woken_to_tell_something_and_is_held_all_the_same() -> None:
    record = journal.woken(build.held(), after(minutes=3))
    assert (journal.held_for(record), journal.due_at(record)) == (WaitingFor.PAUSED, after(minutes=3))
    assert not journal.may_claim(record, after(minutes=3) - TICK)
    assert journal.may_claim(record, after(minutes=3))
    assert journal.woken(build.running(), after(minutes=3)) == build.running()


def test_what_who_is_held_could_not_tell_is_told_later() -> None:
    owing = build.held(owed=(build.owed(OwedKind.WAITING_NOTE, tried=2),))
    assert journal.due_at(owing) is None
    assert journal.still_telling(owing, None, after(minutes=1), 0.5).next_try_at == after(minutes=1, seconds=20)
    assert journal.still_telling(owing, timedelta(hours=2), NOW, 0.5).next_try_at == after(hours=2)
    assert journal.still_telling(build.held(), timedelta(hours=2), NOW, 0.5) == build.held()
    waiting = journal.wait(build.running(owed=owing.owed), GRAPH, None, NOW, 0.5)
    assert journal.still_telling(waiting, timedelta(hours=2), NOW, 0.5) == waiting  # it comes back for Graph's sake


@pytest.mark.parametrize("waiting_for", WITHOUT_LIMIT)
def test_where_many_may_wait_for_long_no_message_wakes_them_and_the_sweep_is_not_late(waiting_for: WaitingFor) -> None:
    record = journal.woken(journal.wait(build.running(), waiting_for, timedelta(hours=1), NOW, 0.5), after(hours=1))
    assert not journal.has_wake_up(record)
    assert journal.due_at(record) == after(hours=1)


# ---- what was begun is finished, or somebody looks at it


def test_what_was_begun_and_will_not_have_been_finished_in_a_quarter_of_an_hour_is_unfinished() -> None:
    record = build.begun(removals=(build.entry(build.method(), intended_at=after(minutes=1)),))
    assert not journal.unfinished(record, after(minutes=16) - TICK)
    assert journal.unfinished(record, after(minutes=16))
    assert journal.unfinished(replace(record, next_try_at=after(minutes=16)), after(minutes=2))
    assert not journal.unfinished(replace(record, next_try_at=after(minutes=16) - TICK), after(minutes=2))


def test_what_was_not_begun_in_this_attempt_is_never_unfinished() -> None:
    assert not journal.unfinished(build.running(), after(days=9))
    assert not journal.unfinished(build.begun(attempt=2), after(days=9))


# ---- who wakes it


@pytest.mark.parametrize(
    ("record", "due"),
    [
        pytest.param(build.record(updated_at=after(seconds=40)), after(seconds=60), id="accepted: nobody came in a minute"),
        pytest.param(build.running(), NOW + LEASE + SKEW, id="running: when the lease may be taken over"),
        pytest.param(
            journal.wait(build.running(), GRAPH, timedelta(hours=1), NOW, 0.5),
            after(hours=1, seconds=30),
            id="waiting: when its own message has had half a minute",
        ),
        pytest.param(
            build.ended(message="m", owed=(build.owed(),), lease=Lease("w", after(minutes=9))),
            after(minutes=9) + SKEW,
            id="ended and being told",
        ),
        pytest.param(
            build.ended(message="m", owed=(build.owed(),), updated_at=after(minutes=1)),
            after(minutes=1),
            id="ended and not told",
        ),
        pytest.param(
            build.ended(message="m", owed=(build.owed(),), next_try_at=after(hours=2)),
            after(hours=2, seconds=30),
            id="ended, told again later",
        ),
        pytest.param(build.ended(), None, id="ended and told"),
    ],
)
def test_every_record_that_could_be_left_undone_is_due_at_some_time(record: Record, due: datetime | None) -> None:
    assert journal.due_at(record) == due


@pytest.mark.parametrize(
    "record",
    [
        build.record(),
        build.running(),
        journal.wait(build.running(), GRAPH, None, NOW, 0.5),
        build.ended(message="m", owed=(build.owed(),)),
    ],
    ids=["accepted", "running", "waiting", "ended"],
)
def test_when_the_sweep_wakes_a_request_it_may_be_claimed(record: Record) -> None:
    due = journal.due_at(record)
    assert due is not None
    assert journal.may_claim(record, due)


def test_a_message_that_was_put_back_has_five_minutes_before_it_is_put_back_again() -> None:
    record = journal.put_back(build.record(), after(seconds=70))
    assert journal.due_at(record) == after(seconds=70, minutes=5)


def test_a_message_put_back_long_ago_does_not_hurry_what_is_due_later() -> None:
    waiting = journal.put_back(journal.wait(build.running(), GRAPH, timedelta(hours=1), NOW, 0.5), NOW)
    assert journal.due_at(waiting) == after(hours=1, seconds=30)
