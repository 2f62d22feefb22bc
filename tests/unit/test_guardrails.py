"""Whom and what is refused. The cases are in cases/guardrails.yml: every rule at its edges, each with all reasons that hold."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared import guardrails
from shared.guardrails import (
    EVENT_RULES,
    PERSON_RULES,
    RULES,
    SUBJECT_RULES,
    TICKET_FOUND_RULES,
    TICKET_RULES,
    EventFacts,
    Limits,
    PersonFacts,
    Rule,
    SubjectFacts,
    TicketFacts,
    approvers,
    ask,
    refusals,
)
from shared.model import PRECEDENCE, Approval, Profile, Reason, Standing, Ticket, Verdict
from shared.record import Pins
from tests.unit import build

CASES = yaml.safe_load((Path(__file__).parent / "cases" / "guardrails.yml").read_text("utf-8"))
PEOPLE = {"S": build.SUBJECT, "O": build.OPENER, "A": build.APPROVER, **{one: one.lower() * 32 for one in "BCDE"}, "": ""}
STAGES: dict[str, tuple[Rule[Any], ...]] = {
    "event": EVENT_RULES,
    "ticket found": TICKET_FOUND_RULES,
    "ticket": TICKET_RULES,
    "subject": SUBJECT_RULES,
    "person": PERSON_RULES,
}

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
        elif name in ("request_max_age", "approval_max_age", "cooldown"):
            changes[name] = timedelta(hours=value)
        elif name in ("approver_group", "integration_user"):
            changes[name] = PEOPLE.get(value, value)
    return build.limits(**changes)


def event_facts(case: dict[str, Any]) -> EventFacts:
    on_ticket = case.get("event", "ticket") == "ticket"
    return EventFacts(
        age=timedelta(hours=case.get("age", 1)),
        source=case.get("source", build.CAUSE.source),
        ticket_table=case.get("table", build.REF.table) if on_ticket else None,
        profile=None if on_ticket else Profile(case.get("profile", "require-reregister")),
    )


def approval(who: str, state: str, hours: float | None = 1) -> Approval:
    """Given so many hours ago; None: it has no time."""
    return Approval(PEOPLE[who], state, None if hours is None else build.before(hours=hours))


def ticket_facts(case: dict[str, Any]) -> TicketFacts:
    changes = dict(case.get("ticket", {}))
    if changes.get("opened_by"):
        changes["opened_by"] = PEOPLE[changes["opened_by"]]
    if "approvals" in case:
        changes["approvals"] = tuple(approval(*row) for row in case["approvals"])
    if "group" in case:
        changes["group_approvers"] = frozenset(PEOPLE[who] for who in case["group"])
    subject, opener = (PEOPLE.get(who) for who in case.get("pins", (None, None)))
    asked = case.get("profile", "require-reregister")
    return TicketFacts(
        build.ticket(**changes),
        Profile(asked) if asked else None,
        Pins(ticket_subject=subject, ticket_opened_by=opener),
        build.NOW,
    )


def found_ticket(case: dict[str, Any]) -> Ticket | None:
    return build.ticket() if case["found"] else None


def subject_facts(case: dict[str, Any]) -> SubjectFacts:
    person = build.person(**case.get("person", {})) if case.get("found", True) else None
    return SubjectFacts(person, case.get("identifier"), build.ADELE if case.get("pinned") == "ADELE" else case.get("pinned"))


def person_facts(case: dict[str, Any]) -> PersonFacts:
    standing = {name: tuple(case.get(name, ())) for name in ("active", "eligible", "role_groups")}
    reset = case.get("last_reset")
    return PersonFacts(
        build.person(**case.get("person", {})),
        Standing(**standing, groups=frozenset(case.get("groups", ()))),
        None if reset is None else build.before(hours=reset),
        build.NOW,
    )


FACTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "event": event_facts,
    "ticket found": found_ticket,
    "ticket": ticket_facts,
    "subject": subject_facts,
    "person": person_facts,
}
ALL_CASES = [pytest.param(stage, case, id=f"{stage}: {case['case']}") for stage, of_stage in CASES.items() for case in of_stage]


def asked(stage: str, case: dict[str, Any]) -> tuple[Verdict, ...]:
    return ask(STAGES[stage], FACTS[stage](case), limits(case))


@pytest.mark.parametrize(("stage", "case"), ALL_CASES)
def test_a_case(stage: str, case: dict[str, Any]) -> None:
    assert list(refusals(asked(stage, case))) == case.get("refused", [])


@pytest.mark.parametrize(("stage", "case"), ALL_CASES)
def test_whatever_the_case_every_rule_is_asked_and_says_what_its_answer_rests_on(stage: str, case: dict[str, Any]) -> None:
    verdicts = asked(stage, case)
    assert [(verdict.rule, verdict.reason) for verdict in verdicts] == [(rule.name, rule.reason) for rule in STAGES[stage]]
    for verdict in verdicts:
        assert verdict.fact.strip() == verdict.fact != ""
        assert "\n" not in verdict.fact


@pytest.mark.parametrize(("stage", "case"), ALL_CASES)
def test_no_fact_names_anybody_but_by_id(stage: str, case: dict[str, Any]) -> None:
    for verdict in asked(stage, case):
        assert "adele" not in verdict.fact.lower()
        assert "@" not in verdict.fact


@pytest.mark.parametrize("stage", STAGES)
def test_every_rule_has_a_case_in_which_it_alone_refuses_and_one_in_which_it_does_not(stage: str) -> None:
    refusing = [[verdict.rule for verdict in asked(stage, case) if verdict.refuses] for case in CASES[stage]]
    assert {rules[0] for rules in refusing if len(rules) == 1} == {rule.name for rule in STAGES[stage]}
    assert [] in refusing


@pytest.mark.parametrize("stage", STAGES)
def test_rules_are_asked_in_the_order_of_precedence(stage: str) -> None:
    places = [PRECEDENCE[rule.reason] for rule in STAGES[stage]]
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
    facts = PersonFacts(build.person(guest=True, enabled=False), Standing(active=("role",)), None, build.NOW)
    twice = (*reversed(PERSON_RULES), *PERSON_RULES)
    reasons = refusals(ask(twice, facts, build.limits()))
    assert reasons == (Reason.USER_GUEST, Reason.USER_DISABLED, Reason.USER_PRIVILEGED)


@pytest.mark.parametrize("stage", STAGES)
def test_every_rule_says_in_a_sentence_what_it_refuses(stage: str) -> None:
    for rule in STAGES[stage]:
        assert rule.refuses.__doc__
        assert rule.refuses.__doc__.endswith(".")


NOTHING = Limits(
    request_max_age=timedelta(0),
    trusted_sources=frozenset(),
    allowed_profiles=frozenset(),
    ticket_system=False,
    ticket_tables=frozenset(),
    catalog_items=frozenset(),
    approvals_required=1,
    approval_max_age=timedelta(0),
    approver_group="",
    integration_user="",
    proof_field="",
    proof_accepted=frozenset(),
    protected_users=frozenset(),
    protected_groups=frozenset(),
    allowed_groups=frozenset(),
    cooldown=timedelta(0),
    actor_hourly_limit=0,
    breaker_limit=0,
)


def test_limits_that_are_all_empty_allow_nothing() -> None:
    about_person = EventFacts(timedelta(seconds=1), build.CAUSE.source, None, Profile.REQUIRE_REREGISTER)
    about_ticket = EventFacts(timedelta(seconds=1), build.CAUSE.source, build.REF.table, None)
    ticket = TicketFacts(build.ticket(proof=""), Profile.REQUIRE_REREGISTER, Pins(), build.NOW)
    assert refusals(ask(EVENT_RULES, about_person, NOTHING)) == (
        Reason.REQUEST_EXPIRED,
        Reason.SOURCE_NOT_TRUSTED,
        Reason.PROFILE_NOT_ALLOWED,
    )
    assert refusals(ask(EVENT_RULES, about_ticket, NOTHING)) == (
        Reason.REQUEST_EXPIRED,
        Reason.TICKET_SYSTEM_NOT_CONFIGURED,
        Reason.TICKET_NOT_FOR_RESET,
    )
    assert refusals(ask(TICKET_RULES, ticket, NOTHING)) == (
        Reason.PROFILE_NOT_ALLOWED,
        Reason.TICKET_NOT_FOR_RESET,
        Reason.APPROVER_NOT_INDEPENDENT,
        Reason.PROOF_MISSING,
    )


def test_on_whose_word_a_ticket_rests_are_those_whose_approval_counts() -> None:
    """Neither subject, opener, our own account, nobody, nor one who approved too long ago."""
    rows = [["S"], ["O"], ["C"], [""], ["A"], ["B"]]
    facts = ticket_facts({"approvals": [*([who, "approved"] for (who,) in rows), ["D", "approved", 73], ["E", "requested"]]})
    assert approvers(facts, build.limits(integration_user=PEOPLE["C"])) == {PEOPLE["A"], PEOPLE["B"]}


@pytest.mark.parametrize(
    ("stage", "rule", "case", "fact"),
    [
        ("event", "request-expired", {"age": 25}, "asked 1 day, 1:00:00 ago, 1 day, 0:00:00 allowed"),
        ("event", "source-not-trusted", {"event": "person"}, "by urn:contoso:soar"),
        ("event", "source-not-trusted", {}, "by ticket"),
        ("event", "profile-not-allowed", {}, "as the ticket says of require-reregister"),
        ("event", "ticket-system-not-configured", {"limits": {"ticket_system": False}}, "not configured"),
        ("event", "table-not-for-reset", {"event": "person"}, "no table of sc_req_item"),
        ("ticket", "ticket-profile-not-allowed", {"profile": None}, "an unknown one of require-reregister"),
        ("ticket", "ticket-changed", {"ticket": {"requested_for": ""}}, f"for nobody, opened by {build.OPENER}"),
        ("ticket", "item-not-for-reset", {"limits": {"catalog_items": []}}, f"{build.CATALOG_ITEM} of none"),
        ("ticket", "ticket-closed", {"ticket": {"active": False, "state": "7"}}, "not active, state 7"),
        (
            "ticket",
            "ticket-not-approved",
            {"approvals": [["", "approved", None]]},
            "approved; nobody (approved, no time)",
        ),
        ("ticket", "approver-not-independent", {"approvals": [["O", "approved"]]}, "none; 1 required"),
        (
            "ticket",
            "approval-expired",
            {},
            f"{build.APPROVER} (approved, 2026-11-24 01:35:16 UTC); 3 days, 0:00:00 allowed at 2026-11-24 02:35:16 UTC",
        ),
        ("ticket", "proof-missing", {}, "not asked for"),
        (
            "ticket",
            "proof-missing",
            {"ticket": {"proof": "badge"}, "limits": {"proof_field": "u_proof", "proof_accepted": ["badge"]}},
            "badge",
        ),
        (
            "ticket",
            "proof-missing",
            {"ticket": {"proof": "Adele said so"}, "limits": {"proof_field": "u_proof", "proof_accepted": ["badge"]}},
            "none that is accepted",
        ),
        ("ticket", "ticket-subject-missing", {"ticket": {"subject": None}}, f"{build.SUBJECT}, without an identifier"),
        ("ticket found", "ticket-not-found", {"found": True}, f"{build.REF.table} {build.REF.sys_id}"),
        ("ticket found", "ticket-not-found", {"found": False}, "none is shown to us"),
        ("subject", "subject-changed", {"pinned": "other"}, f"{build.ADELE}, bound to other"),
        ("subject", "subject-changed", {}, f"{build.ADELE}, not bound yet"),
        ("subject", "subject-changed", {"found": False, "pinned": "ADELE"}, f"nobody, bound to {build.ADELE}"),
        (
            "subject",
            "subject-changed",
            {"identifier": "isaiah.langer@contoso.com", "pinned": "ADELE"},
            f"{build.ADELE}, bound to {build.ADELE}, the ticket's identifier leads elsewhere",
        ),
        ("subject", "user-not-found", {}, build.ADELE),
        ("subject", "user-not-found", {"found": False}, "nobody"),
        ("person", "user-guest", {"person": {"guest": True}}, "a guest"),
        ("person", "user-guest", {}, "a member, a cloud account"),
        (
            "person",
            "user-guest",
            {"person": {"synced": True}},
            "a member, synchronised from on-premises, which is fine: its methods are in the cloud",
        ),
        ("person", "user-disabled", {"person": {"enabled": False}}, "disabled"),
        ("person", "protected-user", {"limits": {"protected_users": ["x", "y"]}}, f"{build.ADELE}; 2 are protected"),
        (
            "person",
            "protected-group",
            {"groups": ["b", "a", "c"], "limits": {"protected_groups": ["a", "b", "d"]}},
            "in a, b of 3",
        ),
        (
            "person",
            "user-privileged",
            {"active": ["r"], "role_groups": ["g"]},
            "roles held: r; to be activated: none; role-assignable groups: g",
        ),
        ("person", "user-management-restricted", {"person": {"management_restricted": True}}, "restricted"),
        ("person", "user-out-of-scope", {}, "everybody is in scope"),
        ("person", "user-out-of-scope", {"groups": ["a", "b"], "limits": {"allowed_groups": ["b", "c"]}}, "in b"),
        ("person", "cooldown", {"last_reset": 2}, "last reset 2026-11-24 00:35:16 UTC, 1 day, 0:00:00 apart"),
        ("person", "cooldown", {}, "not reset of late"),
    ],
)
def test_the_fact_of_a_rule_reads(stage: str, rule: str, case: dict[str, Any], fact: str) -> None:
    (said,) = (verdict.fact for verdict in asked(stage, case) if verdict.rule == rule)
    assert said == fact


def test_every_public_question_is_a_rule_of_some_stage_and_no_two_have_one_name() -> None:
    written = {
        value
        for name, value in vars(guardrails).items()
        if callable(value) and getattr(value, "__module__", "") == guardrails.__name__ and not isinstance(value, type)
        if not name.startswith("_") and value not in (ask, refusals, approvers)
    }
    assert {rule.refuses for rule in RULES} == written
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert tuple(rule for rules in STAGES.values() for rule in rules) == RULES
