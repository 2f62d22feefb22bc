"""What a request is called, and whether an event opens it, its next attempt, or neither."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

import shared.admission
from shared import identity, journal
from shared.admission import Admission, Taken, is_mismatch
from shared.journal import IllegalRecord
from shared.model import Cause, Event, LeftAlone, Mode, Outcome, Profile, Reason, Status, Why
from shared.record import Lease, OwedKind, Record, SeenEvent, StepName, StepTaken
from tests.unit import build
from tests.unit.build import NOW, TICK, after, before

ENFORCE, DRY_RUN = Mode.ENFORCE, Mode.DRY_RUN


def admit(
    event: Event,
    record: Record | None = None,
    seen: SeenEvent | None = None,
    *,
    arrived_at: datetime = NOW,
    now: datetime | None = None,
    mode: Mode = ENFORCE,
) -> Admission:
    return shared.admission.admit(event, f"message {event.cause.id}", arrived_at, seen, record, mode=mode, now=now or arrived_at)


# ---- identity


def test_a_ticket_has_one_id_whoever_asks_for_it_and_whatever_number_they_give_it() -> None:
    webhook, other = build.ticket_event("msg-1"), build.ticket_event("msg-2", cause=Cause("urn:contoso:soar", "1"))
    renumbered = build.ticket_event(ticket=replace(build.REF, number="RITM0099999"))
    assert identity.request_id(webhook) == identity.request_id(other) == identity.request_id(renumbered)


@pytest.mark.parametrize("part", ["system", "table", "sys_id"])
def test_system_table_and_sys_id_together_name_a_ticket(part: str) -> None:
    other = build.ticket_event(ticket=replace(build.REF, **{part: "another"}))
    assert identity.request_id(other) != identity.request_id(build.ticket_event())


def test_an_event_without_a_ticket_is_named_by_source_and_id_and_nothing_else() -> None:
    event = build.event()
    assert identity.request_id(event) == identity.event_request_id(event.cause)
    assert identity.request_id(replace(event, subject="bob@contoso.com", fingerprint="0" * 64)) == identity.request_id(event)
    assert identity.request_id(replace(event, cause=Cause("urn:contoso:other", event.cause.id))) != identity.request_id(event)
    assert identity.request_id(replace(event, cause=Cause(event.cause.source, "4711-2"))) != identity.request_id(event)


def test_no_way_to_cut_source_and_id_makes_two_events_one() -> None:
    assert identity.event_request_id(Cause("a", "bc")) != identity.event_request_id(Cause("ab", "c"))
    assert identity.event_request_id(Cause('a","b', "c")) != identity.event_request_id(Cause("a", 'b","c'))
    assert identity.event_key(Cause("a", "bc")) != identity.event_key(Cause("ab", "c"))


def test_an_event_cannot_pass_for_a_ticket() -> None:
    ref = build.REF
    forged = build.event(cause=Cause(ref.system, ref.table))
    assert identity.request_id(forged) != identity.request_id(build.ticket_event())


def test_ids_are_32_hex_digits_and_stay_the_same_from_version_to_version() -> None:
    assert identity.request_id(build.ticket_event()) == "c4ac736b617cf4ccf2efb07f47f1b304"
    assert identity.request_id(build.event()) == "6d1489556a10c69542a338ed0cf714a2"
    assert identity.event_key(build.CAUSE) == "3eec507b068544998acaf209e00f9c7f"


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("0123456789abcdef0123456789abcdef", True),
        ("0123456789ABCDEF0123456789ABCDEF", False),
        ("0123456789abcdef0123456789abcde", False),
        ("0123456789abcdef0123456789abcdef0", False),
        ("0123456789abcdef0123456789abcdef\n", False),
        ("٣" * 32, False),
        ("../../../../../../../../../../../", False),
        ("", False),
    ],
)
def test_only_32_lower_case_hex_digits_are_a_request_id(text: str, is_one: bool) -> None:
    assert identity.is_request_id(text) is is_one


# ---- taking in an event: nothing is there


def test_the_first_event_opens_a_request_with_all_that_it_said() -> None:
    event = build.event(profile=Profile.FULL_RESET, requested_by="soar-playbook-17")
    admission = admit(event, arrived_at=NOW, now=after(seconds=3), mode=DRY_RUN)
    record = admission.record
    assert admission.taken is Taken.OPENED
    assert (record.status, record.attempt, record.mode, record.profile) == (Status.ACCEPTED, 1, DRY_RUN, Profile.FULL_RESET)
    assert (record.cause, record.ticket, record.subject, record.requested_by) == (
        event.cause,
        None,
        event.subject,
        "soar-playbook-17",
    )
    assert (record.event_time, record.message) == (event.time, "message 4711-1")


def test_acceptance_is_when_the_event_arrived_not_when_it_was_read() -> None:
    record = admit(build.event(), arrived_at=NOW, now=after(hours=5)).record
    assert record.accepted_at == record.latest_event_at == NOW
    assert record.attempts_opened == (NOW,)
    assert record.steps == (StepTaken(StepName.ACCEPTED, NOW),)
    assert record.updated_at == after(hours=5)


def test_a_ticket_without_a_profile_of_its_own_asks_for_the_default() -> None:
    record = admit(build.ticket_event()).record
    assert record.profile is Profile.REQUIRE_REREGISTER
    assert record.ticket == build.REF
    assert record.subject is None


def test_what_is_remembered_of_an_event_leads_to_its_request() -> None:
    event = build.ticket_event()
    admission = admit(event)
    assert admission.seen == SeenEvent(identity.event_key(event.cause), admission.record.id, event.fingerprint, 1, NOW)


@pytest.mark.parametrize("event", [build.event(), build.ticket_event()], ids=["person", "ticket"])
def test_what_is_opened_can_be_claimed_at_once(event: Event) -> None:
    record = journal.check(admit(event).record)
    assert journal.may_claim(record, NOW)


# ---- taking in an event: the same one again

ANY_STATE = pytest.mark.parametrize("state", build.STATES)


@ANY_STATE
def test_a_copy_changes_nothing_in_any_state(state: str) -> None:
    record, event = build.STATES[state], build.ticket_event()
    seen = build.seen(event, record)
    admission = admit(event, record, seen, arrived_at=after(hours=30))
    assert admission.taken is Taken.COPY
    assert admission.record is record
    assert admission.seen is seen


def test_the_same_identity_with_other_content_is_a_mismatch() -> None:
    event = build.ticket_event()
    seen = build.seen(event, build.record())
    elsewhere = replace(event, ticket=replace(build.REF, sys_id="f" * 32), fingerprint="0" * 64)
    assert is_mismatch(replace(event, fingerprint="0" * 64), seen)
    assert is_mismatch(elsewhere, seen)
    assert not is_mismatch(event, seen)
    assert not is_mismatch(event, None)


@ANY_STATE
def test_a_mismatch_is_never_admitted(state: str) -> None:
    record, event = build.STATES[state], build.ticket_event()
    with pytest.raises(IllegalRecord):
        admit(replace(event, fingerprint="0" * 64), record, build.seen(event, record), arrived_at=after(hours=30))


def test_an_event_about_a_person_is_answered_for_ever_by_its_first_taking_in() -> None:
    event = build.event()
    first = admit(event)
    done = replace(first.record, status=Status.REFUSED, outcome=Outcome.REFUSED, reasons=(Reason.COOLDOWN,), ended_at=NOW)
    assert admit(event, done, first.seen, arrived_at=after(days=400)).taken is Taken.COPY


def test_an_event_whose_request_is_missing_or_another_is_an_illegal_journal() -> None:
    event, record = build.ticket_event(), build.record()
    seen = build.seen(event, record)
    with pytest.raises(IllegalRecord, match="an event is known whose request is not"):
        admit(event, None, seen)
    with pytest.raises(IllegalRecord, match="an event is known whose request is not"):
        admit(event, record, replace(seen, request_id="0" * 32))


def test_a_request_about_a_person_whose_event_is_missing_is_an_illegal_journal() -> None:
    event = build.event()
    with pytest.raises(IllegalRecord, match="a request is known whose event is not"):
        admit(event, admit(event).record, None)


# ---- taking in an event: another one for the ticket


@pytest.mark.parametrize("state", ["accepted", "running", "begun", "waiting"])
def test_an_event_for_an_open_attempt_joins_it_and_is_remembered(state: str) -> None:
    record, event = build.STATES[state], build.ticket_event("msg-2")
    admission = admit(event, record, arrived_at=after(seconds=20))
    assert admission.taken is Taken.JOINED
    assert admission.record == replace(record, latest_event_at=after(seconds=20), updated_at=after(seconds=20))
    assert admission.seen == build.seen(event, record, arrived_at=after(seconds=20))


def test_joining_an_open_attempt_keeps_its_acceptance_its_message_and_its_attempts() -> None:
    record = build.running()
    joined = admit(build.ticket_event("msg-2", time=after(hours=1)), record, arrived_at=after(hours=1)).record
    assert (joined.accepted_at, joined.event_time, joined.message) == (record.accepted_at, record.event_time, record.message)
    assert (joined.attempt, joined.attempts_opened, joined.lease) == (1, record.attempts_opened, record.lease)


@pytest.mark.parametrize("arrived", [after(seconds=10), after(seconds=58), after(minutes=1) - TICK])
def test_an_event_put_on_the_queue_while_an_attempt_was_open_joins_it_though_read_after_its_end(arrived: datetime) -> None:
    failed = build.ended(Outcome.FAILED, Reason.DEFAULT_METHOD_STUCK)
    admission = admit(build.ticket_event("msg-2"), failed, arrived_at=arrived, now=after(hours=1))
    assert admission.taken is Taken.JOINED
    assert admission.record is failed
    assert admission.seen.attempt == 1


def test_an_event_put_on_the_queue_after_the_end_opens_the_next_attempt() -> None:
    failed = build.ended(Outcome.FAILED, Reason.DEFAULT_METHOD_STUCK)
    assert admit(build.ticket_event("msg-2"), failed, arrived_at=after(minutes=1) + TICK).taken is Taken.REOPENED


@pytest.mark.parametrize(
    ("insertion", "made", "taken"),
    [
        pytest.param(after(seconds=59), before(minutes=1), Taken.JOINED, id="a second that was over before the end"),
        pytest.param(after(seconds=60), before(minutes=1), Taken.REOPENED, id="the second of the end, in doubt"),
        pytest.param(after(seconds=60), after(seconds=60, milliseconds=300), Taken.JOINED, id="the event says it was before"),
        pytest.param(after(seconds=60), after(seconds=60, milliseconds=700), Taken.REOPENED, id="the event says it was after"),
        pytest.param(
            after(seconds=60), after(seconds=10, milliseconds=300), Taken.REOPENED, id="the event is older than its message"
        ),
    ],
)
def test_the_queue_tells_only_the_second_and_in_doubt_an_event_is_not_lost(
    insertion: datetime, made: datetime, taken: Taken
) -> None:
    failed = build.ended(Outcome.FAILED, Reason.INTERNAL_ERROR, ended_at=after(seconds=60, milliseconds=500))
    event = build.ticket_event("msg-2", time=made)
    assert admit(event, failed, arrived_at=insertion, now=after(hours=1)).taken is taken


def test_an_event_of_the_very_moment_of_the_end_or_of_the_reading_was_in_time() -> None:
    moment = after(seconds=30) + TICK
    failed = build.ended(Outcome.FAILED, Reason.INTERNAL_ERROR, ended_at=moment)
    refused = build.ended(Outcome.REFUSED, Reason.TICKET_CLOSED, facts_read_at=moment)
    for record in (failed, refused):
        assert admit(build.ticket_event("msg-2"), record, arrived_at=moment, now=after(hours=1)).taken is Taken.JOINED


@pytest.mark.parametrize("reason", [*build.TICKET_REASONS, Reason.USER_PRIVILEGED])
def test_an_event_that_arrived_after_the_facts_of_a_refusal_were_read_is_not_answered_by_it(reason: Reason) -> None:
    refused = build.ended(Outcome.REFUSED, reason, facts_read_at=after(seconds=30))
    late = admit(build.ticket_event("msg-2"), refused, arrived_at=after(seconds=30) + TICK, now=after(hours=1))
    assert late.taken is Taken.REOPENED
    early = admit(build.ticket_event("msg-3"), refused, arrived_at=after(seconds=30) - TICK, now=after(hours=1))
    assert early.taken is Taken.JOINED


def test_a_ticket_refused_unread_answers_every_event_that_arrived_before_the_refusal() -> None:
    refused = build.ended(Outcome.REFUSED, Reason.TICKET_NOT_FOR_RESET, facts_read_at=None)
    assert admit(build.ticket_event("msg-2"), refused, arrived_at=after(seconds=31), now=after(hours=1)).taken is Taken.JOINED


# ---- taking in an event: the next attempt


@pytest.mark.parametrize("state", ["refused", "failed", "dry run"])
def test_a_new_event_opens_the_next_attempt_of_the_same_request_checked_from_the_start(state: str) -> None:
    old = replace(build.STATES[state], revoked_at=after(seconds=30), left_alone=(LeftAlone("fido2", "1", Why.PROFILE),), waits=3)
    event = build.ticket_event("msg-2", time=after(hours=1), requested_by="someone else")
    admission = admit(event, old, arrived_at=after(hours=1), now=after(hours=2), mode=old.mode)
    fresh = admission.record
    assert admission.taken is Taken.REOPENED
    assert admission.seen == build.seen(event, old, attempt=2, arrived_at=after(hours=1))
    assert fresh == Record(
        id=old.id,
        cause=event.cause,
        ticket=build.REF,
        subject=None,
        requested_by="someone else",
        message="message msg-2",
        attempt=2,
        attempts_opened=(NOW, after(hours=1)),
        dry_runs=(after(hours=1),) if old.mode is DRY_RUN else (),
        mode=old.mode,
        profile=Profile.REQUIRE_REREGISTER,
        event_time=after(hours=1),
        accepted_at=after(hours=1),
        latest_event_at=after(hours=1),
        updated_at=after(hours=2),
        pins=old.pins,
        steps=(StepTaken(StepName.ACCEPTED, after(hours=1)),),
    )
    assert journal.may_claim(journal.check(fresh), after(hours=2))


def test_an_enforced_done_is_final_for_ever() -> None:
    done = build.ended(Outcome.DONE, Reason.REMOVED)
    for arrived_at in (after(seconds=10), after(hours=1), after(days=400)):
        for mode in Mode:
            event = build.ticket_event("msg-2")
            admission = admit(event, done, arrived_at=arrived_at, mode=mode)
            assert admission.taken is Taken.FINAL
            assert admission.record is done
            assert admission.seen == build.seen(event, done, arrived_at=arrived_at)


def test_after_a_dry_run_a_new_event_may_enforce() -> None:
    rehearsed = build.STATES["dry run"]
    assert admit(build.ticket_event("msg-2"), rehearsed, arrived_at=after(hours=1), mode=ENFORCE).record.mode is ENFORCE


def test_after_a_refusal_in_enforce_a_new_event_may_be_a_dry_run() -> None:
    assert admit(build.ticket_event("msg-2"), build.ended(), arrived_at=after(hours=1), mode=DRY_RUN).record.mode is DRY_RUN


def test_what_an_earlier_attempt_removed_stays_with_its_time_and_its_inventory() -> None:
    phone, app = build.method(), build.method("microsoftAuthenticator", "1")
    stuck = build.ended(
        Outcome.FAILED,
        Reason.DEFAULT_METHOD_STUCK,
        inventory=(phone, app),
        removals=(build.entry(phone, gone_at=after(seconds=20)),),
    )
    fresh = admit(build.ticket_event("msg-2"), stuck, arrived_at=after(hours=1)).record
    assert (fresh.accepted_at, fresh.inventory, fresh.removals) == (NOW, stuck.inventory, stuck.removals)
    assert fresh.attempts_opened[-1] == fresh.latest_event_at == after(hours=1)
    assert not fresh.removal_begun
    journal.check(fresh)


def test_a_removal_that_was_only_meant_counts_as_made_for_the_next_attempt_too() -> None:
    crashed = build.ended(
        Outcome.FAILED, Reason.GRAPH_FORBIDDEN, inventory=(build.method(),), removals=(build.entry(build.method()),)
    )
    fresh = admit(build.ticket_event("msg-2"), crashed, arrived_at=after(hours=1)).record
    assert (fresh.accepted_at, fresh.removals) == (NOW, crashed.removals)


def test_without_a_removal_the_next_attempt_takes_its_own_inventory_at_its_own_time() -> None:
    looked = build.ended(Outcome.FAILED, Reason.GRAPH_FORBIDDEN, inventory=(build.method(),))
    fresh = admit(build.ticket_event("msg-2"), looked, arrived_at=after(hours=1)).record
    assert (fresh.accepted_at, fresh.inventory, fresh.removals) == (after(hours=1), None, ())


def test_what_the_earlier_attempt_still_owes_is_owed_on() -> None:
    refused = build.ended(owed=(build.owed(OwedKind.OUTCOME_NOTE),), message="m")
    assert admit(build.ticket_event("msg-2"), refused, arrived_at=after(hours=1)).record.owed == refused.owed


def test_whoever_still_delivers_for_the_earlier_attempt_goes_on_and_the_next_one_waits_for_that() -> None:
    refused = build.ended(owed=(build.owed(),), message="m", lease=Lease("worker-1", after(hours=2)))
    fresh = admit(build.ticket_event("msg-2"), refused, arrived_at=after(hours=1)).record
    assert fresh.lease == refused.lease
    assert not journal.may_claim(fresh, after(hours=1))
    assert journal.may_claim(journal.settle(fresh, None, after(hours=1, seconds=1), 0.5), after(hours=1, seconds=1))


def test_a_ticket_is_attempted_five_times_in_24_hours_and_then_answered_with_what_it_has() -> None:
    record = build.ended()
    for number in range(2, 6):
        admission = admit(build.ticket_event(f"msg-{number}"), record, arrived_at=after(hours=number))
        assert admission.taken is Taken.REOPENED
        ended_at = after(hours=number, minutes=1)
        record = replace(
            admission.record, status=Status.REFUSED, outcome=Outcome.REFUSED, reasons=(Reason.TICKET_CLOSED,), ended_at=ended_at
        )
    sixth = build.ticket_event("msg-6")
    admission = admit(sixth, record, arrived_at=after(hours=6))
    assert admission.taken is Taken.EXHAUSTED
    assert admission.record is record
    assert admission.seen == build.seen(sixth, record, attempt=5, arrived_at=after(hours=6))


def test_attempts_older_than_24_hours_do_not_count_and_are_forgotten() -> None:
    opened = tuple(after(hours=hour) for hour in range(5))
    record = build.ended(attempt=5, attempts_opened=opened, ended_at=after(hours=5))
    just_before = admit(build.ticket_event("msg-6"), record, arrived_at=after(hours=24) - TICK)
    assert just_before.taken is Taken.EXHAUSTED
    admission = admit(build.ticket_event("msg-6"), record, arrived_at=after(hours=24))
    assert admission.taken is Taken.REOPENED
    assert admission.record.attempt == 6
    assert admission.record.attempts_opened == (*opened[1:], after(hours=24))


def exhausted(mode: Mode) -> Record:
    opened = tuple(after(minutes=minute) for minute in range(5))
    dry_runs = opened if mode is DRY_RUN else ()
    return build.ended(attempt=5, attempts_opened=opened, dry_runs=dry_runs, ended_at=after(minutes=5), mode=mode)


@pytest.mark.parametrize("mode", Mode)
def test_dry_runs_too_may_be_caused_by_our_own_notes_and_are_counted_among_themselves(mode: Mode) -> None:
    assert admit(build.ticket_event("msg-6"), exhausted(mode), arrived_at=after(hours=1), mode=mode).taken is Taken.EXHAUSTED


def test_a_dry_run_counts_for_nothing_when_it_is_enforced_later() -> None:
    admission = admit(build.ticket_event("msg-6"), exhausted(DRY_RUN), arrived_at=after(hours=1), mode=ENFORCE)
    assert admission.taken is Taken.REOPENED


def test_a_dry_run_in_between_does_not_make_enforced_attempts_forgotten() -> None:
    rehearsal = admit(build.ticket_event("msg-6"), exhausted(ENFORCE), arrived_at=after(hours=1), mode=DRY_RUN).record
    ended_at = after(hours=1, minutes=1)
    rehearsed = replace(
        rehearsal, status=Status.DONE, outcome=Outcome.DONE, reasons=(Reason.DRY_RUN,), ended_at=ended_at, mode=DRY_RUN
    )
    assert admit(build.ticket_event("msg-7"), rehearsed, arrived_at=after(hours=2), mode=ENFORCE).taken is Taken.EXHAUSTED


def test_an_attempt_that_was_downgraded_was_a_dry_run() -> None:
    record = admit(build.ticket_event()).record
    for number in range(2, 7):
        claimed = journal.claim(record, "w", after(hours=number - 1), build.LEASE, DRY_RUN)
        ended = journal.end(claimed, Outcome.DONE, (Reason.DRY_RUN,), after(hours=number - 1, minutes=1))
        let_go_of = journal.settle(ended, None, after(hours=number - 1, minutes=1), 0.5)
        admission = admit(build.ticket_event(f"msg-{number}"), let_go_of, arrived_at=after(hours=number - 1, minutes=2))
        assert admission.taken is Taken.REOPENED
        record = admission.record


# ---- operators


def reopened(record: Record, *, mode: Mode = ENFORCE, **demand: Any) -> Admission:
    cause = Cause("urn:reregister:operator", "0" * 32)
    event = replace(build.event(), cause=cause, time=after(hours=30), **demand)
    return shared.admission.reopen(event, "reopening", record, mode=mode, now=after(hours=30))


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.FAILED])
def test_an_operator_opens_the_next_attempt_of_whoever_asked_first(outcome: Outcome) -> None:
    ended = build.ended(outcome, Reason.USER_DISABLED)
    taken, record, seen = (admission := reopened(ended)).taken, admission.record, admission.seen
    assert (taken, record.attempt, record.status) == (Taken.REOPENED, 2, Status.ACCEPTED)
    assert (record.id, record.cause, record.reopened_by) == (ended.id, ended.cause, "0" * 32)
    assert record.event_time == record.accepted_at == after(hours=30)
    assert (record.message, record.outcome, record.mode) == ("reopening", None, ENFORCE)
    assert seen == SeenEvent(
        identity.event_key(Cause("urn:reregister:operator", "0" * 32)), record.id, "f" * 64, 2, after(hours=30)
    )


def test_a_dry_run_may_be_reopened_and_an_enforced_success_never() -> None:
    assert reopened(build.ended(Outcome.DONE, Reason.DRY_RUN, mode=DRY_RUN), mode=DRY_RUN).record.attempt == 2
    with pytest.raises(AssertionError):
        reopened(build.ended(Outcome.DONE, Reason.REMOVED))
    with pytest.raises(AssertionError):
        reopened(build.record())


def test_an_operator_is_not_held_up_by_the_attempts_of_today() -> None:
    times = tuple(after(hours=hours) for hours in (-20, 10, 11, 12, 13))
    exhausted = replace(build.ended(Outcome.REFUSED, Reason.USER_DISABLED), attempt=5, attempts_opened=times)
    record = reopened(exhausted).record
    assert (record.attempt, record.attempts_opened) == (6, (*times[1:], after(hours=30)))


def test_the_next_attempt_that_somebody_else_opens_is_no_operators() -> None:
    again = replace(reopened(build.ended(Outcome.REFUSED, Reason.TICKET_CLOSED, ticket=build.REF, subject=None), ticket=build.REF,
                             subject=None, profile=None).record)  # fmt: skip
    ended = replace(
        again, status=Status.REFUSED, outcome=Outcome.REFUSED, reasons=(Reason.TICKET_CLOSED,), ended_at=after(hours=31)
    )
    assert admit(build.ticket_event("msg-9"), ended, arrived_at=after(hours=32)).record.reopened_by is None


# ---- dead letters


def test_a_dead_letter_is_named_after_what_it_holds_and_never_as_a_request() -> None:
    name = identity.dead_letter_id("text")
    assert name == identity.dead_letter_id("text")
    assert len({name, identity.dead_letter_id("text "), identity.dead_letter_id("te", "xt"), identity.dead_letter_id()}) == 4
    assert identity.is_dead_letter_id(name)
    assert not identity.is_request_id(name)
    for other in ("", "dl-", name[3:], name.upper(), f"{name}0", f"x{name}"):
        assert not identity.is_dead_letter_id(other)
