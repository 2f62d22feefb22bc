"""Whom and what is refused. The cases are in cases/guardrails.yml: every rule at its edges, each with all reasons that hold."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared import guardrails
from shared.guardrails import EVENT_RULES, PERSON_RULES, TICKET_RULES, EventFacts, Limits, PersonFacts, TicketFacts, refusals
from shared.model import PRECEDENCE, Privileges, Profile, Reason
from shared.record import Pins
from tests.unit import build

CASES = yaml.safe_load((Path(__file__).parent / "cases" / "guardrails.yml").read_text("utf-8"))
PEOPLE = {"S": build.SUBJECT, "O": build.OPENER, "A": build.APPROVER, "B": "b" * 32, "C": "c" * 32, "": ""}
STAGES = {"event": EVENT_RULES, "ticket": TICKET_RULES, "person": PERSON_RULES}

# The contract's order: where several hold, the first is the reason
REFUSALS = [
    "payload-invalid",
    "payload-mismatch",
    "request-expired",
    "source-not-trusted",
    "profile-not-allowed",
    "ticket-system-not-configured",
    "ticket-not-found",
    "ticket-changed",
    "ticket-not-for-reset",
    "ticket-closed",
    "ticket-not-approved",
    "approver-not-independent",
    "approval-expired",
    "proof-missing",
    "ticket-subject-missing",
    "user-not-found",
    "user-guest",
    "user-disabled",
    "user-protected",
    "user-privileged",
    "user-management-restricted",
    "user-out-of-scope",
    "cooldown",
]


def cases(stage: str) -> list[Any]:
    return [pytest.param(case, id=case["case"]) for case in CASES[stage]]


def limits(case: dict[str, Any]) -> Limits:
    changes = dict(case.get("limits", {}))
    for name, value in changes.items():
        if isinstance(value, list):
            changes[name] = frozenset(map(Profile, value) if name == "allowed_profiles" else value)
    if "request_max_age" in changes:
        changes["request_max_age"] = timedelta(hours=changes["request_max_age"])
    return build.limits(**changes)


@pytest.mark.parametrize("case", cases("event"))
def test_an_event(case: dict[str, Any]) -> None:
    on_ticket = case.get("event", "ticket") == "ticket"
    facts = EventFacts(
        age=timedelta(hours=case.get("age", 1)),
        source=case.get("source", build.CAUSE.source),
        ticket_table=case.get("table", build.REF.table) if on_ticket else None,
        profile=None if on_ticket else Profile(case.get("profile", "require-reregister")),
    )
    assert list(refusals(EVENT_RULES, facts, limits(case))) == case.get("refused", [])


@pytest.mark.parametrize("case", cases("ticket"))
def test_a_ticket(case: dict[str, Any]) -> None:
    changes = dict(case.get("ticket", {}))
    if changes.get("opened_by"):
        changes["opened_by"] = PEOPLE[changes["opened_by"]]
    if "approvals" in case:
        changes["approvals"] = tuple(build.approval(PEOPLE[who], state) for who, state in case["approvals"])
    subject, opener = (PEOPLE.get(who) for who in case.get("pins", (None, None)))
    asked = case.get("profile", "require-reregister")
    facts = TicketFacts(
        build.ticket(**changes), Profile(asked) if asked else None, Pins(ticket_subject=subject, ticket_opened_by=opener)
    )
    assert list(refusals(TICKET_RULES, facts, limits(case))) == case.get("refused", [])


@pytest.mark.parametrize("case", cases("person"))
def test_a_person(case: dict[str, Any]) -> None:
    pinned = build.ADELE if case.get("pinned") == "ADELE" else case.get("pinned")
    privileges = Privileges(tuple(case.get("active", ())), tuple(case.get("eligible", ())))
    facts = PersonFacts(build.person(**case.get("person", {})), privileges, pinned)
    assert list(refusals(PERSON_RULES, facts, limits(case))) == case.get("refused", [])


@pytest.mark.parametrize("stage", STAGES)
def test_every_rule_has_a_case_in_which_it_alone_refuses_and_one_in_which_it_does_not(stage: str) -> None:
    alone = {case["refused"][0] for case in CASES[stage] if len(case.get("refused", [])) == 1}
    assert alone == {reason for reason, _ in STAGES[stage]}


@pytest.mark.parametrize("stage", STAGES)
def test_rules_are_asked_in_the_order_of_precedence(stage: str) -> None:
    places = [PRECEDENCE[reason] for reason, _ in STAGES[stage]]
    assert places == sorted(places)


def test_reasons_stand_in_the_order_in_which_they_take_precedence() -> None:
    assert [reason.value for reason in Reason][: len(REFUSALS)] == REFUSALS
    assert sorted(PRECEDENCE, key=PRECEDENCE.__getitem__) == list(Reason)


def test_every_other_reason_says_how_an_attempt_was_done_or_failed() -> None:
    done = ["removed", "nothing-to-remove", "dry-run"]
    failed = [
        "default-method-stuck",
        "unknown-method",
        "not-removed",
        "graph-forbidden",
        "graph-unavailable",
        "ticket-system-forbidden",
        "ticket-system-unavailable",
        "internal-error",
    ]
    assert {reason.value for reason in Reason} == {*REFUSALS, *done, *failed}


def test_reasons_come_in_order_and_once_whatever_the_order_of_the_rules() -> None:
    facts = PersonFacts(build.person(guest=True, enabled=False), Privileges(("role",)), None)
    twice = (*reversed(PERSON_RULES), *PERSON_RULES)
    assert refusals(twice, facts, build.limits()) == (Reason.USER_GUEST, Reason.USER_DISABLED, Reason.USER_PRIVILEGED)


@pytest.mark.parametrize("stage", STAGES)
def test_every_rule_says_in_a_sentence_what_it_refuses(stage: str) -> None:
    for _, rule in STAGES[stage]:
        assert rule.__doc__
        assert rule.__doc__.endswith(".")


def test_limits_that_are_all_empty_allow_nothing() -> None:
    nothing = Limits(
        request_max_age=timedelta(0),
        trusted_sources=frozenset(),
        allowed_profiles=frozenset(),
        ticket_system=False,
        ticket_tables=frozenset(),
        catalog_items=frozenset(),
        approvals_required=1,
    )
    about_person = EventFacts(timedelta(seconds=1), build.CAUSE.source, None, Profile.REQUIRE_REREGISTER)
    about_ticket = EventFacts(timedelta(seconds=1), build.CAUSE.source, build.REF.table, None)
    ticket = TicketFacts(build.ticket(), Profile.REQUIRE_REREGISTER, Pins())
    assert refusals(EVENT_RULES, about_person, nothing) == (
        Reason.REQUEST_EXPIRED,
        Reason.SOURCE_NOT_TRUSTED,
        Reason.PROFILE_NOT_ALLOWED,
    )
    assert refusals(EVENT_RULES, about_ticket, nothing) == (
        Reason.REQUEST_EXPIRED,
        Reason.TICKET_SYSTEM_NOT_CONFIGURED,
        Reason.TICKET_NOT_FOR_RESET,
    )
    assert refusals(TICKET_RULES, ticket, nothing) == (Reason.PROFILE_NOT_ALLOWED, Reason.TICKET_NOT_FOR_RESET)


def test_every_public_question_is_a_rule_of_some_stage() -> None:
    asked = {rule for rules in STAGES.values() for _, rule in rules}
    written = {
        value
        for name, value in vars(guardrails).items()
        if callable(value) and getattr(value, "__module__", "") == guardrails.__name__ and not isinstance(value, type)
        if not name.startswith("_") and value is not refusals
    }
    assert asked == written
