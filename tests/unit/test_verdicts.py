"""What each audience learns of a decision: the desk every rule's verdict, the customer one sentence that never hints at why."""

import re
from dataclasses import replace
from typing import Any

import pytest

from sandbox.people import ADELE, GUEST, HENRIETTA, JONI, LEE, MIRIAM
from shared import guardrails, wording
from shared.guardrails import ABOUT_PERSON, ABOUT_TICKET, EVENT_RULES, RULES
from shared.model import PRECEDENCE, Mode, Note, Outcome, Reason, Verdict
from shared.record import Record
from tests.unit import build
from tests.unit.test_confirm import CHANGES, Change
from tests.unit.world import World

NEUTRAL = "This request needs a person to look at it. The service desk will be in touch."
REFUSALS = [reason for reason in Reason if PRECEDENCE[reason] < PRECEDENCE[Reason.REMOVED]]
FAILURES = [reason for reason in Reason if PRECEDENCE[reason] > PRECEDENCE[Reason.DRY_RUN]]
NAMES = [rule.name for rule in RULES]
LINES = {"refuse": "Rules that refuse", "passed": "Rules passed", "open": "Rules not asked"}


def note(record: Record, *, withdrawn: bool = False) -> Note:
    return wording.outcome_note(record, done_state=None, withdrawn=withdrawn)


def rules(work_note: str) -> dict[str, list[str]]:
    """The rules in each of the three lines; a line that is not there names none."""
    found = {}
    for what, begins in LINES.items():
        match = re.search(rf"^{begins}: (.*)\.$", work_note, re.MULTILINE)
        found[what] = match[1].split(", ") if match else []
    return found


def judged(*refusing: str, asked: list[str] | None = None) -> tuple[Verdict, ...]:
    """A verdict of each rule that was asked."""
    return tuple(
        Verdict(rule.name, rule.reason, rule.name in refusing, "a fact")
        for rule in RULES
        if rule.name in (NAMES if asked is None else asked)
    )


class TestTheWorkNote:
    def test_names_of_rules_tell_them_apart(self) -> None:
        assert len(set(NAMES)) == len(NAMES) == len(EVENT_RULES) + len(ABOUT_TICKET) + len(ABOUT_PERSON)

    @pytest.mark.parametrize("refusing", NAMES)
    def test_holds_the_verdict_of_every_rule(self, refusing: str) -> None:
        verdicts = judged(refusing)
        record = build.ended(Outcome.REFUSED, *guardrails.refusals(verdicts), verdicts=verdicts)
        said = rules(note(record).work_notes)
        assert said == {"refuse": [refusing], "passed": [name for name in NAMES if name != refusing], "open": []}

    def test_says_which_rules_were_not_asked(self) -> None:
        asked = [*(rule.name for rule in EVENT_RULES), *(rule.name for rule in ABOUT_TICKET)]
        record = build.ended(
            Outcome.REFUSED, Reason.TICKET_SUBJECT_MISSING, verdicts=judged("ticket-subject-missing", asked=asked)
        )
        said = rules(note(record).work_notes)
        assert said["open"] == [rule.name for rule in ABOUT_PERSON]
        assert sorted((*said["refuse"], *said["passed"], *said["open"])) == sorted(NAMES)

    @pytest.mark.parametrize("end", [(Outcome.DONE, Reason.REMOVED), (Outcome.FAILED, Reason.NOT_REMOVED)])
    def test_only_a_refusal_lacks_any(self, end: tuple[Outcome, Reason]) -> None:
        asked = [rule.name for rule in EVENT_RULES]
        assert rules(note(build.ended(*end, verdicts=judged(asked=asked))).work_notes) == {
            "refuse": [],
            "passed": asked,
            "open": [],
        }

    def test_of_an_attempt_in_which_nothing_was_asked_says_nothing_of_rules(self) -> None:
        assert "Rules" not in note(build.ended(Outcome.REFUSED, Reason.PAYLOAD_MISMATCH, verdicts=())).work_notes

    @pytest.mark.parametrize("reason", [*REFUSALS, *FAILURES])
    def test_says_the_reason_and_its_sentence(self, reason: Reason) -> None:
        outcome = Outcome.REFUSED if reason in REFUSALS else Outcome.FAILED
        text = note(build.ended(outcome, reason)).work_notes
        assert f"Outcome: {outcome}, reason: {reason}." in text
        assert wording.SENTENCES[reason] in text

    def test_says_every_reason_where_there_are_several(self) -> None:
        text = note(build.ended(Outcome.REFUSED, *REFUSALS)).work_notes
        assert all(wording.SENTENCES[reason] in text for reason in REFUSALS)
        assert f"All reasons: {', '.join(REFUSALS)}." in text

    def test_holds_no_fact_that_a_verdict_rests_on(self) -> None:
        """Identifiers of approvers and groups stay in the record."""
        assert "a fact" not in note(build.ended(verdicts=judged("ticket-not-approved"))).work_notes


class TestTheCustomer:
    @pytest.mark.parametrize("reason", [*REFUSALS, *FAILURES])
    def test_is_told_one_sentence_whatever_the_reason(self, reason: Reason) -> None:
        outcome = Outcome.REFUSED if reason in REFUSALS else Outcome.FAILED
        record = build.ended(outcome, reason, verdicts=judged("user-privileged", "protected-user"))
        told = note(record)
        assert told.comments == f"{NEUTRAL} {told.marker}"
        assert told.comments == note(replace(record, reasons=tuple(REFUSALS), verdicts=()), withdrawn=True).comments

    def test_learns_nothing_from_a_dry_run(self) -> None:
        assert note(build.ended(Outcome.REFUSED, Reason.USER_PRIVILEGED, mode=Mode.DRY_RUN)).comments is None

    def test_is_not_told_by_the_ticket_s_state_either(self) -> None:
        record = build.ended(Outcome.REFUSED, Reason.USER_PRIVILEGED)
        assert wording.outcome_note(record, done_state="3", withdrawn=False).state is None


# ---- in whole stories


def person(upn: str) -> Change:
    return lambda world: world.ticket_for(upn)


def several(world: World) -> None:
    world.ticket.active = False
    world.ticket.approvals.clear()
    world.ticket_for(JONI)


STORIES: dict[str, tuple[Change, Change, str]] = {
    **{name: case for name, case in CHANGES.items() if case[2] not in ("ticket-changed", "ticket-not-found")},
    "an administrator": (person(JONI), person(JONI), "user-privileged"),
    "somebody eligible": (person(LEE), person(LEE), "user-privileged"),
    "a guest of another tenant": (person(GUEST), person(GUEST), "user-guest"),
    "a dormant account": (person(HENRIETTA), person(HENRIETTA), "user-disabled"),
    "a restricted unit": (person(MIRIAM), person(MIRIAM), "user-management-restricted"),
    "nobody": (person("nobody@contoso.com"), person("nobody@contoso.com"), "user-not-found"),
    "several at once": (several, several, "ticket-closed"),
}
stories = pytest.mark.parametrize(
    ("prepare", "change", "reason"), [pytest.param(*case, id=name) for name, case in STORIES.items()]
)


class TestStories:
    @stories
    async def test_the_desk_reads_every_verdict(self, world: World, prepare: Change, change: Change, reason: str) -> None:
        prepare(world)
        change(world)
        assert await world.ended() == ("refused", reason)
        (text,) = world.notes("outcome")
        said = rules(text)
        assert sorted((*said["refuse"], *said["passed"], *said["open"])) == sorted(NAMES)
        by_name = {rule.name: rule.reason for rule in RULES}
        assert {by_name[name] for name in said["refuse"]} == set(world.record.reasons)
        assert bool(said["open"]) == (reason in ("user-not-found", "ticket-subject-missing"))

    @stories
    async def test_the_customer_reads_the_one_sentence(self, world: World, prepare: Change, change: Change, reason: str) -> None:
        prepare(world)
        change(world)
        await world.ended()
        assert world.ticket.comments == [f"{NEUTRAL} [{world.record.id}#1 outcome]"]
        assert world.ticket.state == "1"

    @stories
    async def test_neither_reads_a_name(self, world: World, prepare: Change, change: Change, reason: str) -> None:
        prepare(world)
        change(world)
        await world.ended()
        said = "\n".join((*world.ticket.work_notes, *world.ticket.comments)).casefold()
        names = {part for account in world.tenant.accounts.values() for part in personal(account.person)}
        assert [name for name in names if name in said] == []

    async def test_what_is_done_had_every_rule_pass(self, world: World) -> None:
        await world.ended()
        (text,) = world.notes("outcome")
        assert rules(text) == {"refuse": [], "passed": NAMES, "open": []}

    async def test_the_record_holds_the_fact_that_each_verdict_rests_on(self, world: World) -> None:
        world.ticket_for(JONI)
        await world.ended()
        verdicts = {verdict.rule: verdict for verdict in world.record.verdicts}
        assert list(verdicts) == NAMES
        assert verdicts["user-privileged"].refuses
        assert "62e90394-69f5-4237-9190-012177145e10" in verdicts["user-privileged"].fact  # Global Administrator
        assert build.APPROVER in verdicts["ticket-not-approved"].fact
        assert ADELE not in "".join(verdict.fact for verdict in verdicts.values())

    async def test_a_rule_that_is_asked_again_has_one_verdict(self, world: World) -> None:
        await world.ended()
        assert [verdict.rule for verdict in world.record.verdicts] == NAMES

    async def test_the_next_attempt_begins_without_verdicts_of_the_last(self, world: World) -> None:
        world.ticket_for(JONI)
        await world.ended()
        world.ticket.requested_for = ""
        await world.pass_by(hours=1)
        await world.webhook("msg-2")
        await world.settle()
        text = world.notes("outcome")[-1]
        assert rules(text)["open"] == [rule.name for rule in ABOUT_PERSON]


def personal(of: Any) -> list[str]:
    return [value.casefold() for value in (of.user_principal_name, of.display_name, of.given_name, of.surname) if len(value) > 3]
