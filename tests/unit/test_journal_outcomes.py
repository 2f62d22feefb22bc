"""What an attempt does and how it ends: steps, pins, removals, the outcome, and what the outside has still to be told."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared import journal
from shared.journal import StaleFacts
from shared.model import Action, LeftAlone, Outcome, Reason, Removal, Status, Verdict, WaitingFor, Why
from shared.record import Lease, Owed, OwedKind, Pins, StepName, StepTaken
from tests.unit import build
from tests.unit.build import NOW, TICK, after

GRAPH = WaitingFor.GRAPH

# ---- the attempt: steps, verdicts, pins, removals


def test_a_step_is_told_once_however_often_the_change_is_applied() -> None:
    once = journal.step(build.running(), StepName.METHOD_REMOVED, after(seconds=9), "phone", "graph-1")
    assert once.steps[-1] == StepTaken(StepName.METHOD_REMOVED, after(seconds=9), "phone", "graph-1")
    assert journal.step(once, StepName.METHOD_REMOVED, after(seconds=9), "phone", "graph-1") == once


def test_a_rule_that_is_asked_again_replaces_what_it_said() -> None:
    first = Verdict("ticket-closed", Reason.TICKET_CLOSED, refuses=False, fact="active")
    other = Verdict("user-guest", Reason.USER_GUEST, refuses=False, fact="a member")
    again = Verdict("ticket-closed", Reason.TICKET_CLOSED, refuses=True, fact="not active")
    record = journal.judged(build.running(), (first, other))
    assert record.verdicts == (first, other)
    assert journal.judged(record, (again,)).verdicts == (other, again)


def test_two_removals_of_one_type_are_two_steps() -> None:
    record = journal.step(build.running(), StepName.METHOD_REMOVED, after(seconds=9), "phone", "graph-1")
    assert len(journal.step(record, StepName.METHOD_REMOVED, after(seconds=9), "phone", "graph-2").steps) == 3


def test_of_a_step_told_again_in_a_later_turn_the_latest_is_kept() -> None:
    record = journal.step(build.running(), StepName.TICKET_READ, after(seconds=1), "RITM0010001")
    record = journal.step(record, StepName.PERSON_RESOLVED, after(seconds=2))
    record = journal.step(record, StepName.TICKET_READ, after(minutes=5), "RITM0010001")
    assert [(step.name, step.at) for step in record.steps] == [
        (StepName.ACCEPTED, NOW),
        (StepName.PERSON_RESOLVED, after(seconds=2)),
        (StepName.TICKET_READ, after(minutes=5)),
    ]


def test_of_a_long_story_the_beginning_and_the_end_are_kept() -> None:
    record = build.running()
    for number in range(500):
        record = journal.step(record, StepName.METHOD_REMOVED, after(seconds=number), "phone", f"graph-{number}")
    assert len(record.steps) == journal.STEPS_KEPT == 200
    assert record.steps[0].name is StepName.ACCEPTED
    assert record.steps[1].graph_request_id == f"graph-{500 - journal.STEPS_KEPT + 1}"
    assert record.steps[-1].graph_request_id == "graph-499"


def test_what_the_first_reading_bound_stays_and_what_it_could_not_say_is_bound_later() -> None:
    record = journal.pinned(build.record(), Pins(ticket_subject="one", ticket_opened_by="two"))
    record = journal.pinned(record, Pins(subject_id="three", ticket_subject="other", ticket_opened_by="other"))
    assert record.pins == Pins("three", "one", "two")


def test_a_removal_counts_as_begun_once_it_is_meant() -> None:
    record = build.running(inventory=(build.method(),))
    assert not record.removal_begun
    meant = journal.intend(record, Removal(build.method()), after(seconds=10))
    assert meant.removal_begun
    assert meant.removals == (build.entry(build.method()),)
    assert meant.updated_at == after(seconds=10)
    journal.check(meant)


def test_a_removal_that_is_meant_again_keeps_its_first_time() -> None:
    record = build.begun()
    assert journal.intend(record, Removal(build.method()), after(hours=1)) is record


def test_a_removal_that_an_earlier_attempt_meant_and_did_not_finish_is_this_attempts_now() -> None:
    record = build.begun(attempt=2)
    meant = journal.intend(record, Removal(build.method()), after(hours=1))
    assert meant.removals == (build.entry(build.method(), attempt=2, intended_at=after(hours=1)),)
    assert meant.removal_begun


def test_what_is_gone_is_never_meant_again_by_this_attempt_or_the_next() -> None:
    record = journal.gone(build.begun(), "phone", build.MOBILE, after(seconds=12))
    for attempt in (1, 2):
        with pytest.raises(ValueError, match="is gone already"):
            journal.intend(replace(record, attempt=attempt), Removal(build.method()), after(hours=1))


def test_an_answer_is_written_to_the_removal_that_it_answers() -> None:
    phone, app = build.method(), build.method("microsoftAuthenticator", "1")
    record = build.begun(phone, app, removals=(build.entry(phone), build.entry(app)))
    record = journal.gone(record, "phone", phone.id, after(seconds=12))
    assert record.removals == (build.entry(phone, gone_at=after(seconds=12)), build.entry(app))


def test_the_same_id_of_two_types_is_two_methods() -> None:
    phone, oath = build.method("phone", "1"), build.method("softwareOath", "1")
    record = build.begun(phone, oath)
    record = journal.gone(journal.intend(record, Removal(oath), after(seconds=11)), "softwareOath", "1", after(seconds=12))
    assert [entry.gone_at for entry in record.removals] == [None, after(seconds=12)]


def test_sessions_are_revoked_and_the_list_is_read_again_after_the_last_removal() -> None:
    record = build.begun(revoked_at=after(seconds=11), read_back_since=after(seconds=12))
    record = journal.gone(record, "phone", build.MOBILE, after(seconds=20))
    assert (record.revoked_at, record.read_back_since) == (None, None)


def test_what_was_only_deactivated_may_still_be_deleted() -> None:
    token = build.method("hardwareOath", "1", active=True)
    deactivated = build.entry(token, action=Action.DEACTIVATE, gone_at=after(seconds=12))
    record = journal.intend(build.begun(token, removals=(deactivated,)), Removal(token), after(hours=1))
    assert record.removals == (build.entry(token, intended_at=after(hours=1)),)
    with pytest.raises(ValueError, match="is gone already"):
        journal.intend(build.begun(token, removals=(deactivated,)), Removal(token, Action.DEACTIVATE), after(hours=1))


def test_a_deactivation_is_remembered_as_one() -> None:
    token = build.method("hardwareOath", "1", active=True)
    record = journal.intend(build.running(inventory=(token,)), Removal(token, Action.DEACTIVATE), after(seconds=10))
    assert record.removals[0].action is Action.DEACTIVATE


# ---- the end


@pytest.mark.parametrize("outcome", Outcome)
def test_an_attempt_ends_with_its_outcome_as_status_and_everything_that_was_found(outcome: Outcome) -> None:
    would, left = (build.entry(build.method()),), (LeftAlone("fido2", "1", Why.PROFILE),)
    waited = replace(journal.wait(build.running(), GRAPH, None, NOW, 0.5), lease=Lease("w", after(hours=1)))
    record = journal.end(waited, outcome, (Reason.REMOVED,), after(minutes=1), would_remove=would, left_alone=left)
    assert (record.status, record.outcome, record.reason) == (Status(outcome.value), outcome, Reason.REMOVED)
    assert (record.would_remove, record.left_alone) == (would, left)
    assert (record.waiting_for, record.next_try_at, record.waits) == (None, None, 0)
    assert record.ended_at == record.updated_at == after(minutes=1)
    assert record.steps[-1] == StepTaken(StepName.ENDED, after(minutes=1), "removed")
    assert not record.is_open
    journal.check(record)


def test_the_first_reason_in_the_order_of_precedence_is_the_reason_and_all_are_kept_once() -> None:
    found = (Reason.USER_DISABLED, Reason.TICKET_CLOSED, Reason.USER_DISABLED, Reason.TICKET_CHANGED)
    record = journal.end(build.running(), Outcome.REFUSED, found, after(minutes=1))
    assert record.reason is Reason.TICKET_CHANGED
    assert record.reasons == (Reason.TICKET_CHANGED, Reason.TICKET_CLOSED, Reason.USER_DISABLED)
    assert record.steps[-1].detail == "ticket-changed"


def test_a_request_without_an_outcome_has_no_reason() -> None:
    assert build.running().reason is None


@pytest.mark.parametrize("reason", [*build.TICKET_REASONS, Reason.USER_PRIVILEGED])
def test_nobody_is_refused_on_facts_older_than_the_latest_event(reason: Reason) -> None:
    record = build.running(facts_read_at=after(seconds=1), latest_event_at=after(seconds=2))
    with pytest.raises(StaleFacts):
        journal.end(record, Outcome.REFUSED, (reason,), after(minutes=1))
    read_anew = replace(record, facts_read_at=after(seconds=2))
    assert journal.end(read_anew, Outcome.REFUSED, (reason,), after(minutes=1)).outcome is Outcome.REFUSED


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.DONE])
def test_an_end_that_is_no_refusal_needs_no_second_look(outcome: Outcome) -> None:
    record = build.running(facts_read_at=after(seconds=1), latest_event_at=after(seconds=2))
    assert journal.end(record, outcome, (Reason.REMOVED,), after(minutes=1)).outcome is outcome


def test_a_ticket_that_is_refused_unread_needs_no_second_look() -> None:
    record = build.running(facts_read_at=None, latest_event_at=after(seconds=2))
    assert journal.end(record, Outcome.REFUSED, (Reason.TICKET_NOT_FOR_RESET,), after(minutes=1)).outcome is Outcome.REFUSED


# ---- what the outside has still to be told


def test_there_is_one_of_each_kind_in_an_attempt() -> None:
    record = journal.owe(build.running(), OwedKind.START_NOTE, "first", after(seconds=1))
    assert record.owed == (Owed(OwedKind.START_NOTE, 1, "first", after(seconds=1)),)
    assert journal.owe(record, OwedKind.START_NOTE, "second", after(seconds=2)) is record
    both = journal.owe(record, OwedKind.RESULT, "result", after(seconds=3))
    assert [one.kind for one in both.owed] == [OwedKind.START_NOTE, OwedKind.RESULT]


def test_the_next_attempt_owes_its_own() -> None:
    record = build.running(attempt=2, owed=(build.owed(OwedKind.OUTCOME_NOTE, 1),))
    record = journal.owe(record, OwedKind.OUTCOME_NOTE, "{}", NOW)
    assert [(one.kind, one.attempt) for one in record.owed] == [(OwedKind.OUTCOME_NOTE, 1), (OwedKind.OUTCOME_NOTE, 2)]


TOLD = {
    OwedKind.START_NOTE: StepName.TICKET_NOTED,
    OwedKind.WAITING_NOTE: StepName.TICKET_NOTED,
    OwedKind.OUTCOME_NOTE: StepName.TICKET_NOTED,
    OwedKind.RESULT: StepName.RESULT_PUBLISHED,
    OwedKind.PRIVILEGED_ALERT: StepName.ALERTED,
    OwedKind.PROTECTED_ALERT: StepName.ALERTED,
    OwedKind.METHOD_ALERT: StepName.ALERTED,
    OwedKind.UNFINISHED_ALERT: StepName.ALERTED,
    OwedKind.NOT_DELIVERED_ALERT: StepName.ALERTED,
    OwedKind.INTERNAL_ERROR_ALERT: StepName.ALERTED,
}


@pytest.mark.parametrize("kind", OwedKind)
def test_what_was_delivered_is_owed_no_more_and_told_as_a_step(kind: OwedKind) -> None:
    one, other_attempt = build.owed(kind, 2), build.owed(kind, 1)
    others = tuple(build.owed(other, 2) for other in OwedKind if other is not kind)
    record = journal.delivered(build.running(attempt=2, owed=(other_attempt, *others, one)), one, after(seconds=9))
    assert record.owed == (other_attempt, *others)
    assert record.steps[-1] == StepTaken(TOLD[kind], after(seconds=9), kind)


def test_what_an_earlier_attempt_owed_is_no_step_of_the_present_one() -> None:
    one = build.owed(OwedKind.OUTCOME_NOTE, 1)
    record = build.running(attempt=2, owed=(one,))
    assert journal.delivered(record, one, after(seconds=9)) == replace(record, owed=())


def test_what_could_not_be_delivered_stays_owed_and_is_counted() -> None:
    one, other = build.owed(OwedKind.RESULT), build.owed(OwedKind.OUTCOME_NOTE)
    record = journal.undelivered(build.ended(message="m", owed=(other, one)), one)
    assert record.owed == (other, replace(one, tried=1))


def test_what_was_told_and_is_not_on_record_stays_owed_as_told() -> None:
    one, other = build.owed(OwedKind.RESULT), build.owed(OwedKind.OUTCOME_NOTE)
    ended = build.ended(message="m", owed=(other, one))
    record = journal.unrecorded(journal.delivered(ended, one, after(minutes=2)), one)
    assert record.owed == (other, replace(one, tried=1, told=True))
    assert journal.delivered(record, record.owed[1], after(minutes=3)).owed == (other,)


def test_an_ended_attempt_with_nothing_to_tell_is_let_go_of_for_good() -> None:
    held = build.ended(message="m", lease=Lease("w", after(hours=1)), next_try_at=NOW)
    record = journal.settle(held, None, after(minutes=2), 0.5)
    assert (record.message, record.lease, record.next_try_at, record.owed) == (None, None, None, ())
    assert record.updated_at == after(minutes=2)
    assert journal.due_at(record) is None
    journal.check(record)


def test_an_ended_attempt_with_something_to_tell_is_tried_again_as_late_as_its_worst_failure_says() -> None:
    held = build.ended(
        message="m", lease=Lease("w", after(hours=1)), owed=(build.owed(tried=1), build.owed(OwedKind.OUTCOME_NOTE, tried=3))
    )
    record = journal.settle(held, None, after(minutes=2), 0.5)
    assert record.next_try_at == after(minutes=2, seconds=40)
    assert (record.message, record.lease, record.owed) == ("m", None, held.owed)
    assert record.updated_at == after(minutes=2)
    journal.check(record)


def test_a_service_that_asks_for_a_pause_before_the_next_delivery_gets_it() -> None:
    held = build.ended(message="m", lease=Lease("w", after(hours=1)), owed=(build.owed(),))
    assert journal.settle(held, timedelta(hours=3), NOW, 0.5).next_try_at == after(hours=3)


def test_an_attempt_that_was_opened_meanwhile_may_begin_when_delivery_is_over() -> None:
    held = build.record(attempt=2, owed=(build.owed(OwedKind.OUTCOME_NOTE, 1, tried=3),), lease=Lease("w", after(hours=1)))
    record = journal.settle(held, timedelta(hours=3), after(minutes=2), 0.5)
    assert (record.lease, record.next_try_at, record.owed, record.message) == (None, after(minutes=2), held.owed, held.message)
    assert record.updated_at == after(minutes=2)
    assert journal.may_claim(journal.check(record), after(minutes=2))


def test_what_was_given_up_is_owed_no_more_and_a_step() -> None:
    one, other = build.owed(OwedKind.RESULT, 2), build.owed(OwedKind.OUTCOME_NOTE, 1)
    record = journal.not_delivered(build.running(attempt=2, owed=(other, one)), one, after(days=7))
    assert (record.owed, record.steps[-1]) == ((other,), StepTaken(StepName.NOT_DELIVERED, after(days=7), OwedKind.RESULT))


def test_delivery_is_tried_for_seven_days() -> None:
    old, young = build.owed(since=NOW, tried=900), build.owed(OwedKind.OUTCOME_NOTE, since=after(days=1), tried=800)
    held = build.ended(message="m", owed=(old, young), lease=Lease("w", after(days=8)))
    assert journal.overdue(held, after(days=7) - TICK) == ()
    assert journal.overdue(held, after(days=7)) == (old,)
    assert journal.overdue(held, after(days=8)) == (old, young)


@pytest.mark.parametrize("kind", [OwedKind.WAITING_NOTE, OwedKind.UNFINISHED_ALERT])
def test_what_was_told_once_in_an_attempt_is_known_to_be_whether_it_is_still_owed_or_not(kind: OwedKind) -> None:
    owing = build.running(attempt=2, owed=(build.owed(kind, 2),))
    assert journal.has_told(owing, kind)
    assert journal.has_told(journal.delivered(owing, build.owed(kind, 2), NOW), kind)
    assert journal.has_told(journal.not_delivered(owing, build.owed(kind, 2), NOW), kind)
    assert not journal.has_told(build.running(attempt=2, owed=(build.owed(kind, 1), build.owed(OwedKind.START_NOTE, 2))), kind)
    assert not journal.has_told(journal.step(build.running(), StepName.DECIDED, NOW, kind), kind)
