"""What is said to whom: notes on the ticket, result events, HTTP answers. Shapes are those that others rely on."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from shared import wording
from shared.identity import event_request_id
from shared.model import PRECEDENCE, Cause, LeftAlone, Method, Mode, Note, Outcome, Profile, Reason, WaitingFor, Why
from shared.receipt import Anchor
from shared.record import OwedKind, Record, StepName, StepTaken
from tests.unit import build
from tests.unit.build import ADELE, NOW, after

ID = build.record().id
MARKER = f"[{ID}#1 outcome]"
PHONE, SECOND_PHONE = build.method(), build.method("phone", build.OFFICE)
APP, KEY = build.method("microsoftAuthenticator", "app-1"), build.method("fido2", "key-1")

DONE_REASONS = (Reason.REMOVED, Reason.NOTHING_TO_REMOVE)
REFUSALS = [reason for reason in Reason if PRECEDENCE[reason] <= PRECEDENCE[Reason.COOLDOWN]]
FAILURES = [reason for reason in Reason if PRECEDENCE[reason] > PRECEDENCE[Reason.DRY_RUN]]
NOT_DONE = [(Outcome.REFUSED, reason) for reason in REFUSALS] + [(Outcome.FAILED, reason) for reason in FAILURES]
NEVER_SAID = re.compile(
    r"admin|privileg|\brole|guest|disabled|protected|restricted|\bgroup|approv|reject|refus|polic|permission|graph|entra|error",
    re.IGNORECASE,
)


def outcome_note(record: Record, *, done_state: str | None = "3", withdrawn: bool = False) -> Note:
    return wording.outcome_note(record, done_state=done_state, withdrawn=withdrawn)


def as_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


def removed_all(*methods: Method, **changes: Any) -> Record:
    entries = tuple(build.entry(one, gone_at=after(seconds=20)) for one in methods)
    return build.ended(Outcome.DONE, Reason.REMOVED, inventory=methods, removals=entries, **changes)


def rehearsed(*methods: Method) -> Record:
    return build.ended(Outcome.DONE, Reason.DRY_RUN, mode=Mode.DRY_RUN, would_remove=tuple(build.entry(one) for one in methods))


# ---- sentences


def test_every_reason_has_its_own_sentence() -> None:
    assert set(wording.SENTENCES) == set(Reason)
    assert len(set(wording.SENTENCES.values())) == len(Reason)
    assert all(sentence.endswith(".") for sentence in wording.SENTENCES.values())


# ---- what the customer reads


@pytest.mark.parametrize(("outcome", "reason"), NOT_DONE, ids=str)
def test_the_customer_learns_no_reason(outcome: Outcome, reason: Reason) -> None:
    comment = outcome_note(build.ended(outcome, reason)).comments
    assert comment is not None
    assert reason.value not in comment
    assert wording.SENTENCES[reason] not in comment
    assert NEVER_SAID.search(comment.replace(MARKER, "")) is None


def test_whatever_the_reason_the_customer_reads_the_same_sentence() -> None:
    comments = {outcome_note(build.ended(outcome, reason)).comments for outcome, reason in NOT_DONE}
    assert comments == {f"This request needs a person to look at it. The service desk will be in touch. {MARKER}"}


@pytest.mark.parametrize("reason", DONE_REASONS)
def test_after_done_the_customer_reads_what_to_do_next(reason: Reason) -> None:
    comment = outcome_note(build.ended(Outcome.DONE, reason)).comments
    assert comment is not None
    assert "be asked to set up multifactor authentication" in comment
    assert "Nobody will call you or send you a link" in comment
    assert comment.endswith(MARKER)
    assert NEVER_SAID.search(comment.replace(MARKER, "")) is None


def test_nobody_is_told_that_something_was_reset_when_nothing_was() -> None:
    comment = outcome_note(build.ended(Outcome.DONE, Reason.NOTHING_TO_REMOVE)).comments
    assert comment is not None
    assert "were reset" not in comment


@pytest.mark.parametrize("outcome", Outcome)
def test_a_dry_run_writes_work_notes_only(outcome: Outcome) -> None:
    note = outcome_note(build.ended(outcome, Reason.DRY_RUN, mode=Mode.DRY_RUN))
    assert (note.comments, note.state) == (None, None)
    assert note.work_notes


@pytest.mark.parametrize("note", [wording.start_note, wording.waiting_note], ids=["start", "waiting"])
def test_only_an_outcome_is_told_to_the_customer_or_changes_the_ticket(note: Any) -> None:
    written = note(build.running())
    assert (written.comments, written.state) == (None, None)


# ---- the ticket's state


@pytest.mark.parametrize("reason", DONE_REASONS)
def test_only_an_enforced_done_closes_the_ticket(reason: Reason) -> None:
    assert outcome_note(build.ended(Outcome.DONE, reason)).state == "3"
    assert outcome_note(build.ended(Outcome.DONE, reason), done_state=None).state is None
    assert outcome_note(build.ended(Outcome.DONE, reason, mode=Mode.DRY_RUN)).state is None


@pytest.mark.parametrize(("outcome", "reason"), NOT_DONE, ids=str)
def test_what_is_not_done_leaves_the_ticket_open(outcome: Outcome, reason: Reason) -> None:
    assert outcome_note(build.ended(outcome, reason)).state is None


# ---- where the receipt stands

RECEIPT = Anchor("a1" * 32, 17)


def test_the_outcomes_place_in_the_receipt_is_told_with_it() -> None:
    record = build.ended(receipt=RECEIPT)
    told = {"sequence": 17, "hash": RECEIPT.hash}
    assert wording.result_event(record)["data"]["receipt"] == wording.status_body(record)["receipt"] == told
    assert outcome_note(record).work_notes.splitlines()[-1] == f"Receipt: {RECEIPT.hash}"
    assert RECEIPT.hash not in (outcome_note(record).comments or "")


def test_an_attempt_without_a_receipt_tells_of_none() -> None:
    record = build.ended()
    assert "receipt" not in wording.result_event(record)["data"]
    assert "receipt" not in wording.status_body(record)
    assert "Receipt" not in outcome_note(record).work_notes


def test_an_earlier_attempts_receipt_is_not_this_ones() -> None:
    assert "receipt" not in wording.status_body(build.running(attempt=2, receipt=RECEIPT))


def test_the_hashes_that_were_told_are_found_on_the_ticket() -> None:
    first = outcome_note(build.ended(receipt=RECEIPT))
    second = outcome_note(build.ended(receipt=Anchor("b2" * 32, 40), attempt=2))
    activity = "\n".join(
        ("2026-11-24 - Reregister (Work notes)", second.work_notes, str(first.comments), first.work_notes, "thanks")
    )
    assert wording.told_anchors(activity, ID) == (Anchor("b2" * 32), Anchor(RECEIPT.hash))


@pytest.mark.parametrize(
    "activity",
    [
        "",
        f"Receipt: {RECEIPT.hash}",
        f"{MARKER} Outcome: done, reason: removed.\nReceipt: {RECEIPT.hash[:-1]}",
        f"{MARKER} Outcome: done, reason: removed.\n[{ID}#2 start] Work has started.\nReceipt: {RECEIPT.hash}",
        f"[{'0' * 32}#1 outcome] Outcome: done, reason: removed.\nReceipt: {RECEIPT.hash}",
        f"Thank you. {MARKER}\nReceipt: {RECEIPT.hash}",
    ],
)
def test_what_stands_in_no_outcome_note_of_the_request_is_no_anchor(activity: str) -> None:
    assert wording.told_anchors(activity, ID) == ()


# ---- markers


@pytest.mark.parametrize(
    ("kind", "word"), [(OwedKind.START_NOTE, "start"), (OwedKind.WAITING_NOTE, "waiting"), (OwedKind.OUTCOME_NOTE, "outcome")]
)
def test_a_marker_names_request_attempt_and_kind(kind: OwedKind, word: str) -> None:
    assert wording.marker(build.running(attempt=3), kind) == f"[{ID}#3 {word}]"


def test_every_text_of_a_note_bears_its_marker() -> None:
    for note in (
        wording.start_note(build.running()),
        wording.waiting_note(build.running()),
        outcome_note(build.ended()),
        outcome_note(build.ended(Outcome.DONE, Reason.REMOVED)),
    ):
        assert note.marker in note.work_notes
        assert note.comments is None or note.marker in note.comments


def test_a_marker_stands_once_in_a_text_and_markers_of_ten_attempts_do_not_contain_each_other() -> None:
    markers = [wording.marker(build.running(attempt=number), kind) for number in range(1, 12) for kind in OwedKind]
    assert not any(one in other for one in markers for other in markers if one is not other)
    assert outcome_note(build.ended()).work_notes.count(MARKER) == 1


# ---- what the desk reads


def test_the_desk_reads_that_work_has_started_and_with_which_profile() -> None:
    assert "started, with profile full-reset" in wording.start_note(build.running(profile=Profile.FULL_RESET)).work_notes
    assert "started, as a dry run, so nothing will be changed" in wording.start_note(build.running(mode=Mode.DRY_RUN)).work_notes


@pytest.mark.parametrize("waiting_for", [*WaitingFor, None])
def test_the_desk_reads_why_it_waits_and_until_when(waiting_for: WaitingFor | None) -> None:
    text = wording.waiting_note(build.running(waiting_for=waiting_for, next_try_at=after(minutes=10))).work_notes
    assert "waiting, because" in text.lower()
    until_a_human_turns_it = waiting_for in (WaitingFor.PAUSED, WaitingFor.BREAKER)
    assert ("Next try after 2026-11-24 02:45:16 UTC." in text) is not until_a_human_turns_it


def test_each_cause_of_waiting_has_its_own_words() -> None:
    texts = {wording.waiting_note(build.running(waiting_for=waiting_for)).work_notes for waiting_for in [*WaitingFor, None]}
    assert len(texts) == len(WaitingFor) + 1


@pytest.mark.parametrize(
    ("outcome", "reason"), [*NOT_DONE, *((Outcome.DONE, reason) for reason in (*DONE_REASONS, Reason.DRY_RUN))], ids=str
)
def test_the_desk_reads_outcome_reason_and_what_it_means(outcome: Outcome, reason: Reason) -> None:
    lines = outcome_note(build.ended(outcome, reason)).work_notes.splitlines()
    assert lines[0] == f"{MARKER} Outcome: {outcome}, reason: {reason}."
    assert lines[1] == wording.SENTENCES[reason]


def test_the_desk_reads_every_reason_that_holds() -> None:
    text = outcome_note(build.ended(Outcome.REFUSED, Reason.TICKET_CLOSED, Reason.USER_GUEST)).work_notes
    assert "reason: ticket-closed." in text
    assert wording.SENTENCES[Reason.USER_GUEST] in text
    assert "All reasons: ticket-closed, user-guest." in text


def test_one_reason_is_not_listed_again() -> None:
    assert "All reasons" not in outcome_note(build.ended()).work_notes


def test_the_desk_reads_what_was_removed_by_type_and_when_sessions_were_revoked() -> None:
    text = outcome_note(removed_all(PHONE, SECOND_PHONE, APP, revoked_at=after(seconds=30))).work_notes
    assert "Removed: phone × 2, microsoftAuthenticator." in text
    assert "Sign-in sessions were revoked at 2026-11-24 02:35:46 UTC." in text


def test_the_desk_reads_nothing_of_what_did_not_happen() -> None:
    text = outcome_note(build.ended()).work_notes
    assert not any(word in text for word in ("Removed", "Left alone", "revoked", "Would", "no longer"))


def test_what_was_only_meant_is_not_said_to_be_removed() -> None:
    stuck = build.ended(Outcome.FAILED, Reason.DEFAULT_METHOD_STUCK, inventory=(PHONE,), removals=(build.entry(PHONE),))
    assert "Removed" not in outcome_note(stuck).work_notes


def test_after_a_dry_run_the_desk_reads_what_would_have_gone() -> None:
    text = outcome_note(rehearsed(PHONE, APP)).work_notes
    assert "Would have been removed: phone, microsoftAuthenticator." in text
    assert wording.SENTENCES[Reason.DRY_RUN] in text


def test_the_desk_reads_what_was_left_alone_and_why() -> None:
    left = (
        LeftAlone("fido2", "1", Why.PROFILE),
        LeftAlone("phone", "2", Why.REGISTERED_SINCE),
        LeftAlone("fido2", "3", Why.PROFILE),
        LeftAlone("telepathy", "4", Why.UNKNOWN_TYPE),
    )
    text = outcome_note(removed_all(PHONE, left_alone=left)).work_notes
    assert "Left alone (profile): fido2 × 2." in text
    assert "Left alone (registered-since): phone." in text
    assert "Left alone (unknown-type): telepathy." in text


def test_the_desk_reads_that_the_ticket_was_withdrawn_meanwhile() -> None:
    assert "The ticket no longer allowed this" in outcome_note(removed_all(PHONE), withdrawn=True).work_notes


# ---- result events


def test_a_result_is_a_cloudevent_whose_id_stays_the_same() -> None:
    event = as_json(wording.result_event(removed_all(PHONE)))
    data = event.pop("data")
    assert event == {
        "specversion": "1.0",
        "id": f"{ID}#1",
        "source": "urn:reregister",
        "type": "mfa.reregistration.done",
        "subject": ID,
        "time": "2026-11-24T02:36:16.000Z",
        "datacontenttype": "application/json",
    }
    assert data["requestId"] == ID


@pytest.mark.parametrize("outcome", Outcome)
def test_the_type_of_a_result_says_how_the_attempt_ended(outcome: Outcome) -> None:
    event = wording.result_event(build.ended(outcome, Reason.INTERNAL_ERROR))
    assert event["type"] == f"mfa.reregistration.{outcome}"
    assert event["data"]["outcome"] == outcome


def test_a_result_for_a_ticket_says_everything_by_which_its_sender_knows_it() -> None:
    left = (LeftAlone("fido2", "key-1", Why.PROFILE),)
    assert as_json(wording.result_event(removed_all(PHONE, APP, left_alone=left)))["data"] == {
        "requestId": ID,
        "attempt": 1,
        "outcome": "done",
        "reason": "removed",
        "reasons": ["removed"],
        "profile": "require-reregister",
        "mode": "enforce",
        "ticket": {
            "system": "servicenow",
            "table": "sc_req_item",
            "sysId": "0123456789abcdef0123456789abcdef",
            "number": "RITM0010001",
        },
        "subjectId": ADELE,
        "removed": [{"type": "phone", "id": build.MOBILE}, {"type": "microsoftAuthenticator", "id": "app-1"}],
        "leftAlone": [{"type": "fido2", "id": "key-1", "why": "profile"}],
    }


def test_a_result_for_a_message_names_its_cause() -> None:
    record = build.ended(ticket=None, subject="adele.vance@contoso.com", cause=build.CAUSE)
    data = as_json(wording.result_event(record))["data"]
    assert data["cause"] == {"source": "urn:contoso:soar", "id": "4711-1"}
    assert "ticket" not in data


def test_a_result_names_nobody_who_was_never_found_and_never_the_name_that_was_asked_for() -> None:
    record = build.ended(pins=build.record().pins, ticket=None, subject="adele.vance@contoso.com")
    event = as_json(wording.result_event(record))
    assert "subjectId" not in event["data"]
    assert "adele" not in json.dumps(event).lower()


def test_a_result_says_what_is_gone_not_what_was_meant() -> None:
    entries = (build.entry(PHONE, gone_at=after(seconds=20)), build.entry(APP))
    record = build.ended(Outcome.FAILED, Reason.GRAPH_FORBIDDEN, inventory=(PHONE, APP), removals=entries)
    assert wording.result_event(record)["data"]["removed"] == [{"type": "phone", "id": build.MOBILE}]


def test_the_result_of_a_dry_run_says_what_would_have_gone() -> None:
    data = as_json(wording.result_event(rehearsed(APP)))["data"]
    assert (data["mode"], data["outcome"], data["reason"]) == ("dry-run", "done", "dry-run")
    assert data["removed"] == [{"type": "microsoftAuthenticator", "id": "app-1"}]


def test_the_next_attempts_result_is_another_event() -> None:
    assert wording.result_event(build.ended(attempt=2))["id"] == f"{ID}#2"


def test_an_attempt_that_has_not_ended_has_no_result() -> None:
    with pytest.raises(AssertionError):
        wording.result_event(build.running())


def test_a_mismatch_is_refused_under_the_first_requests_id() -> None:
    cause = Cause("urn:contoso:soar", "4711-1")
    event = as_json(wording.mismatch_event(build.record(attempt=2), cause, NOW))
    assert (event["type"], event["subject"]) == ("mfa.reregistration.refused", ID)
    assert event["id"] == f"{event_request_id(cause)}#payload-mismatch"
    assert event["data"] == {
        "requestId": ID,
        "attempt": 2,
        "outcome": "refused",
        "reason": "payload-mismatch",
        "reasons": ["payload-mismatch"],
        "profile": "require-reregister",
        "mode": "enforce",
        "cause": {"source": "urn:contoso:soar", "id": "4711-1"},
        "removed": [],
        "leftAlone": [],
    }


def test_an_unreadable_message_is_refused_under_the_id_of_its_source_and_id() -> None:
    cause = Cause("urn:contoso:soar", "4711-1")
    event = as_json(wording.invalid_event(cause, Mode.DRY_RUN, NOW))
    assert event["type"] == "mfa.reregistration.refused"
    assert event["subject"] == event["data"]["requestId"] == event_request_id(cause)
    assert (event["data"]["reason"], event["data"]["mode"]) == ("payload-invalid", "dry-run")
    assert event["data"]["cause"] == {"source": "urn:contoso:soar", "id": "4711-1"}
    assert {"attempt", "outcome", "profile", "removed", "leftAlone"} < set(event["data"])


# ---- the status


def test_a_status_before_the_end_has_no_outcome_and_nobody_who_is_not_known() -> None:
    assert as_json(wording.status_body(build.record())) == {
        "id": ID,
        "status": "accepted",
        "attempt": 1,
        "mode": "enforce",
        "profile": "require-reregister",
        "ticket": {
            "system": "servicenow",
            "table": "sc_req_item",
            "sysId": "0123456789abcdef0123456789abcdef",
            "number": "RITM0010001",
        },
        "receivedAt": "2026-11-24T02:35:16.000Z",
        "updatedAt": "2026-11-24T02:35:16.000Z",
        "steps": [{"name": "accepted", "at": "2026-11-24T02:35:16.000Z"}],
        "removed": [],
        "leftAlone": [],
    }


def test_a_status_says_what_it_waits_for() -> None:
    assert wording.status_body(build.STATES["waiting"])["waitingFor"] == "graph"


def test_a_status_after_the_end_says_everything() -> None:
    left = (LeftAlone("fido2", "key-1", Why.PROFILE),)
    steps = (StepTaken(StepName.METHOD_REMOVED, after(seconds=20, milliseconds=123), "phone", "graph-1"),)
    body = as_json(wording.status_body(removed_all(PHONE, left_alone=left, steps=steps)))
    assert (body["status"], body["outcome"], body["reason"], body["subjectId"]) == ("done", "done", "removed", ADELE)
    assert body["steps"] == [
        {"name": "method-removed", "at": "2026-11-24T02:35:36.123Z", "detail": "phone", "graphRequestId": "graph-1"}
    ]
    assert body["removed"] == [{"type": "phone", "id": build.MOBILE}]
    assert body["leftAlone"] == [{"type": "fido2", "id": "key-1", "why": "profile"}]
    assert body["updatedAt"] == "2026-11-24T02:36:16.000Z"


def test_a_status_of_a_request_without_a_ticket_has_none_and_does_not_name_who_was_asked_for() -> None:
    body = wording.status_body(replace(build.record(), ticket=None, subject="adele.vance@contoso.com"))
    assert "ticket" not in body
    assert "adele" not in json.dumps(body).lower()


@pytest.mark.parametrize("state", build.STATES)
def test_every_status_becomes_json(state: str) -> None:
    body = as_json(wording.status_body(build.STATES[state]))
    assert body["status"] in {"accepted", "running", "waiting", "done", "refused", "failed"}
    assert None not in body.values()


# ---- HTTP answers


@pytest.mark.parametrize(("ended", "status"), [(False, 202), (True, 200)])
def test_a_webhook_is_told_where_to_look(ended: bool, status: int) -> None:
    answer = wording.accepted(build.ended(), ended=ended)
    assert answer.status == status
    assert answer.headers == {"Location": f"/api/requests/{ID}"}
    assert as_json(answer.body) == {"id": ID, "status": "refused", "statusUrl": f"/api/requests/{ID}"}


# Phrases of RFC 9110, section 15; 429 of RFC 6585. With "about:blank" the title is the phrase (RFC 9457, section 4.2.1).
PHRASES = {
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    503: "Service Unavailable",
}


@pytest.mark.parametrize("status", PHRASES)
def test_every_error_is_a_problem_with_the_phrase_of_its_status(status: int) -> None:
    answer = wording.problem(status, "What happened.")
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body == {"type": "about:blank", "title": PHRASES[status], "status": status, "detail": "What happened."}


def test_a_problem_points_to_the_member_at_fault_the_whole_body_too() -> None:
    assert wording.problem(422, "Too old", pointer="/timestamp").body["errors"] == [
        {"pointer": "/timestamp", "detail": "Too old"}
    ]
    assert wording.problem(400, "Not JSON", pointer="").body["errors"] == [{"pointer": "", "detail": "Not JSON"}]
    assert "errors" not in wording.problem(400, "Not JSON").body


@pytest.mark.parametrize("status", [429, 503])
def test_whoever_should_come_again_is_told_when(status: int) -> None:
    assert wording.problem(status, "Later.", retry_after=30).headers["Retry-After"] == "30"
    assert wording.problem(status, "Now.", retry_after=0).headers["Retry-After"] == "0"


def test_nobody_else_is_told_to_come_again() -> None:
    assert "Retry-After" not in wording.problem(422, "No.").headers


def test_every_failed_authentication_is_answered_with_one_constant_body() -> None:
    answer = wording.NOT_AUTHENTIC
    assert answer.status == 401
    assert answer.headers == {"Content-Type": "application/problem+json", "WWW-Authenticate": "Webhook-Signature"}
    assert set(answer.body) == {"type", "title", "status", "detail"}


def test_only_a_failed_authentication_asks_for_credentials() -> None:
    assert "WWW-Authenticate" not in wording.problem(404, "No.").headers
