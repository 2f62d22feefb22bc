"""What a receipt says of facts, decisions and outcomes: what matters, by identifiers alone."""

from dataclasses import replace

from shared import journal, statements
from shared.model import Action, LeftAlone, Mode, Outcome, Reason, Removal, Standing, Verdict, Why
from shared.record import OwedKind, Pins, StepName
from tests.unit import build

REQUESTED = {"subject": "adele.vance@contoso.com", "requested_by": "soar-playbook-17"}


def test_a_request_is_told_by_what_caused_it_and_its_ticket() -> None:
    assert statements.accepted(build.record()) == {
        "cause": {"source": "urn:reregister:webhook:servicenow", "id": "msg-1"},
        "ticket": {
            "system": "servicenow",
            "table": "sc_req_item",
            "sysId": "0123456789abcdef0123456789abcdef",
            "number": "RITM0010001",
        },
        "mode": "enforce",
        "profile": "require-reregister",
        "acceptedAt": "2026-11-24T02:35:16.000Z",
    }


def test_who_is_meant_and_who_asked_stand_in_the_senders_own_records() -> None:
    said = statements.accepted(build.record(ticket=None, cause=build.CAUSE, **REQUESTED))
    assert said["ticket"] is None
    assert said["cause"] == {"source": "urn:contoso:soar", "id": "4711-1"}
    assert not any(word in repr(said) for word in REQUESTED.values())


def test_a_ticket_is_told_in_values_without_the_words_on_it() -> None:
    ticket = build.ticket(
        activity="Adele called",
        proof="passport 4711",
        profile="?",
        approvals=(build.approval(), replace(build.approval(), updated_at=None)),
    )
    said = statements.ticket_facts(ticket, Pins(build.ADELE, build.SUBJECT, build.OPENER))
    assert said == {
        "of": "ticket",
        "active": True,
        "state": "1",
        "approval": "approved",
        "catalogItem": build.CATALOG_ITEM,
        "requestedFor": build.SUBJECT,
        "openedBy": build.OPENER,
        "approvals": [
            {"approver": build.APPROVER, "state": "approved", "updatedAt": "2026-11-24T01:35:16.000Z"},
            {"approver": build.APPROVER, "state": "approved", "updatedAt": None},
        ],
        "pins": {"subjectId": build.ADELE, "requestedFor": build.SUBJECT, "openedBy": build.OPENER},
    }


def test_a_person_is_told_by_object_id_and_standing() -> None:
    standing = Standing(("role",), ("eligible",), ("group",), frozenset({"another group"}))
    assert statements.person_facts(build.ADELE, standing, build.NOW) == {
        "of": "person",
        "subjectId": build.ADELE,
        "activeRoles": ["role"],
        "eligibleRoles": ["eligible"],
        "roleGroups": ["group"],
        "lastReset": "2026-11-24T02:35:16.000Z",
    }
    assert statements.person_facts(build.ADELE, Standing(), None)["lastReset"] is None


def test_a_decision_is_told_rule_by_rule() -> None:
    verdicts = (
        Verdict("ticket-closed", Reason.TICKET_CLOSED, refuses=True, fact="active is false"),
        Verdict("cooldown", Reason.COOLDOWN, refuses=False, fact="never reset"),
    )
    assert statements.decision(verdicts) == {
        "verdicts": [
            {"rule": "ticket-closed", "reason": "ticket-closed", "refuses": True, "fact": "active is false"},
            {"rule": "cooldown", "reason": "cooldown", "refuses": False, "fact": "never reset"},
        ]
    }


def test_a_listing_is_told_by_type_id_and_creation() -> None:
    listing = build.inventory(build.method(created_at=build.NOW), build.method("fido2", "key"), default="push")
    assert statements.inventory(listing) == {
        "methods": [
            {"type": "phone", "id": build.MOBILE, "createdAt": "2026-11-24T02:35:16.000Z"},
            {"type": "fido2", "id": "key", "createdAt": None},
        ],
        "requestId": "graph-request-1",
    }


def test_a_removal_and_what_came_of_it() -> None:
    assert statements.removal(Removal(build.method("hardwareOath", "token"), Action.DEACTIVATE)) == {
        "action": "deactivate",
        "type": "hardwareOath",
        "id": "token",
    }
    assert statements.answered(204, "graph-1") == {"status": 204, "requestId": "graph-1"}
    assert statements.failed("delete phone 403") == {"failed": "delete phone 403"}


def test_what_was_told_is_a_kind_of_note_or_event() -> None:
    assert statements.told(build.owed(OwedKind.OUTCOME_NOTE)) == {"what": "outcome"}


def test_changes_that_are_no_removal_have_names_of_their_own() -> None:
    assert statements.change_of_default("sms") == {"action": "change-default", "to": "sms"}
    assert statements.REVOCATION == {"action": "revoke-sessions"}


def test_an_outcome_tells_all_that_the_journal_knows() -> None:
    mobile, office = build.method(), build.method(method_id=build.OFFICE)
    removals = (build.entry(mobile, gone_at=build.after(seconds=11)), build.entry(office))
    begun = build.begun(mobile, office, removals=removals, attempts_opened=(build.NOW,), revoked_at=build.after(seconds=12))
    begun = journal.step(begun, StepName.TICKET_NOTED, build.before(hours=1), "start")  # of an earlier attempt
    begun = journal.step(begun, StepName.METHOD_REMOVED, build.after(seconds=11), "phone", "graph-1")
    left = (LeftAlone("fido2", "key", Why.PROFILE),)
    said = statements.outcome(journal.end(begun, Outcome.FAILED, (Reason.NOT_REMOVED,), build.after(minutes=1), left_alone=left))
    phone = {"type": "phone", "action": "delete", "attempt": 1, "intendedAt": "2026-11-24T02:35:26.000Z"}
    steps = said.pop("steps")
    assert said == {
        "outcome": "failed",
        "reasons": ["not-removed"],
        "mode": "enforce",
        "profile": "require-reregister",
        "subjectId": build.ADELE,
        "removed": [{**phone, "id": build.MOBILE, "goneAt": "2026-11-24T02:35:27.000Z"}],
        "notRemoved": [{**phone, "id": build.OFFICE, "goneAt": None}],
        "wouldRemove": [],
        "leftAlone": [{"type": "fido2", "id": "key", "why": "profile"}],
        "sessionsRevokedAt": "2026-11-24T02:35:28.000Z",
    }
    assert {"name": "method-removed", "at": "2026-11-24T02:35:27.000Z", "detail": "phone", "requestId": "graph-1"} in steps
    assert "ticket-noted" not in [step["name"] for step in steps]


def test_a_dry_run_tells_what_would_have_gone() -> None:
    dry = build.running(mode=Mode.DRY_RUN)
    would = (build.entry(build.method()),)
    said = statements.outcome(journal.end(dry, Outcome.DONE, (Reason.DRY_RUN,), build.after(minutes=1), would_remove=would))
    assert (said["removed"], said["wouldRemove"]) == ([], [{"type": "phone", "id": build.MOBILE}])
    assert said["sessionsRevokedAt"] is None
