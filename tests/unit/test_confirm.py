"""What changes between decision and first change is seen: ticket and person are read again, and nothing has happened by then."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from sandbox.people import ADELE, EVERYONE_GROUP_ID, HELPDESK_GROUP_ID, ISAIAH, ROLE_GROUP_ID, SALES_GROUP_ID, fido2
from shared import guardrails
from shared.model import Approval, WaitingFor
from tests.unit import build
from tests.unit.world import ALL_METHODS, World

type Change = Callable[[World], Any]
GROUP = "9" * 32


def nothing(world: World) -> None:
    """As it is."""


@asynccontextmanager
async def just_before(world: World, call: str = "directory.lacking") -> AsyncIterator[None]:
    """The body happens while a worker, everything decided, is about to make this call; then all work is done."""
    gate = world.calls.hold(call)
    worker = asyncio.create_task(world.work())
    await gate.reached.wait()
    yield
    world.calls.gates.remove(gate)
    gate.opened.set()
    await worker


# ---- what may happen meanwhile


def approvals(*rows: Approval) -> Change:
    return lambda world: setattr(world.ticket, "approvals", list(rows))


def of_ticket(name: str, value: Any) -> Change:
    return lambda world: setattr(world.ticket, name, value)


def of_person(**changes: Any) -> Change:
    return lambda world: world.tenant.update(ADELE, **changes)


def granted(role: str, **how: Any) -> Change:
    return lambda world: world.tenant.grant(ADELE, role, **how)


def joined(group: str, **how: Any) -> Change:
    return lambda world: world.tenant.join(ADELE, group, **how)


def left(group: str) -> Change:
    return lambda world: world.tenant.groups[group].members.remove(world.tenant.account(ADELE).person.id)


def counted(world: World) -> None:
    person = world.tenant.account(ADELE).person.id
    world.ledger.count(build.counted(subject_id=person, at=world.clock.now()))


# ---- what it takes to begin with


def set_up(**settings: str) -> Change:
    return lambda world: world.configure(**settings)


def with_approver_group(world: World) -> None:
    world.configure(APPROVER_GROUP=GROUP)
    world.desk.approver_group = GROUP
    world.desk.groups[GROUP] = {build.APPROVER}


def with_proof(world: World) -> None:
    world.configure(PROOF_FIELD="u_proof", PROOF_ACCEPTED="in_person")
    world.desk.proof_field = "u_proof"
    world.ticket.proof = "in_person"


def with_profiles(world: World) -> None:
    world.configure(ALLOWED_PROFILES="full-reset require-reregister", SERVICENOW_PROFILE_FIELD="u_profile")
    world.ticket.profile = "require-reregister"
    world.permit(ALL_METHODS)


ON_THE_TICKET: dict[str, tuple[Change, Change, str]] = {
    "approval withdrawn": (nothing, of_ticket("approval", "requested"), "ticket-not-approved"),
    "approval rejected": (nothing, of_ticket("approval", "rejected"), "ticket-not-approved"),
    "somebody rejects": (nothing, approvals(build.approval(), build.approval("b" * 32, "rejected")), "ticket-not-approved"),
    "nobody on record": (nothing, approvals(), "ticket-not-approved"),
    "only the subject on record": (nothing, approvals(build.approval(build.SUBJECT)), "approver-not-independent"),
    "approver leaves the group": (
        with_approver_group,
        lambda world: world.desk.groups[GROUP].clear(),
        "approver-not-independent",
    ),
    "an older approval": (nothing, approvals(build.approval(updated_at=build.before(hours=73))), "approval-expired"),
    "proof withdrawn": (with_proof, of_ticket("proof", ""), "proof-missing"),
    "proof of another kind": (with_proof, of_ticket("proof", "phone"), "proof-missing"),
    "closed": (nothing, of_ticket("active", False), "ticket-closed"),
    "another item": (nothing, of_ticket("catalog_item", "f" * 32), "ticket-not-for-reset"),
    "an impossible profile": (with_profiles, of_ticket("profile", "everything"), "profile-not-allowed"),
    "for somebody else": (nothing, of_ticket("requested_for", "6" * 32), "ticket-changed"),
    "opened by somebody else": (nothing, of_ticket("opened_by", "7" * 32), "ticket-changed"),
    "another identifier": (nothing, lambda world: world.ticket_for(ISAIAH), "ticket-changed"),
    "no identifier": (nothing, lambda world: world.ticket_for(""), "ticket-subject-missing"),
    "ticket deleted": (nothing, lambda world: world.desk.tickets.clear(), "ticket-not-found"),
}
ON_THE_PERSON: dict[str, tuple[Change, Change, str]] = {
    "given a role": (nothing, granted("Helpdesk Administrator"), "user-privileged"),
    "eligible for a role": (nothing, granted("User Administrator", kind="eligible"), "user-privileged"),
    "in a role-assignable group": (nothing, joined(ROLE_GROUP_ID), "user-privileged"),
    "owner of one": (nothing, joined(HELPDESK_GROUP_ID, access="owner"), "user-privileged"),
    "in a protected group": (set_up(PROTECTED_GROUPS=SALES_GROUP_ID), joined(SALES_GROUP_ID), "user-protected"),
    "not in an allowed group": (set_up(ALLOWED_GROUPS=EVERYONE_GROUP_ID), left(EVERYONE_GROUP_ID), "user-out-of-scope"),
    "disabled": (nothing, of_person(enabled=False), "user-disabled"),
    "a guest": (nothing, of_person(user_type="Guest"), "user-guest"),
    "restricted": (nothing, of_person(restricted=True), "user-management-restricted"),
    "gone": (nothing, lambda world: world.tenant.remove(ADELE), "user-not-found"),
    "reset by another request": (nothing, counted, "cooldown"),
}
CHANGES = ON_THE_TICKET | ON_THE_PERSON
WITHDRAWALS = {name: case for name, case in ON_THE_TICKET.items() if name != "ticket deleted"}  # which cannot be noted


def cases(changes: dict[str, tuple[Change, Change, str]]) -> list[Any]:
    return [pytest.param(*case, id=name) for name, case in changes.items()]


class TestJustBeforeTheFirstChange:
    @pytest.mark.parametrize(("prepare", "change", "reason"), cases(CHANGES))
    async def test_what_changed_is_seen_and_nothing_is_done(
        self, world: World, prepare: Change, change: Change, reason: str
    ) -> None:
        prepare(world)
        await world.webhook()
        async with just_before(world):
            change(world)
        await world.settle()
        assert world.outcome == ("refused", reason)
        assert (world.writes(), world.result["removed"]) == ([], [])
        assert [reset for reset in world.ledger.resets() if reset.request_id == world.record.id] == []

    @pytest.mark.parametrize(("prepare", "change", "reason"), cases(CHANGES))
    async def test_what_refuses_is_a_rule_and_each_rule_has_one_verdict(
        self, world: World, prepare: Change, change: Change, reason: str
    ) -> None:
        prepare(world)
        await world.webhook()
        async with just_before(world):
            change(world)
        await world.settle()
        verdicts = world.record.verdicts
        assert {verdict.reason for verdict in verdicts if verdict.refuses} == set(world.record.reasons)
        assert len({verdict.rule for verdict in verdicts}) == len(verdicts)

    @pytest.mark.parametrize(
        ("change", "gone"),
        [
            (lambda world: world.desk.tickets.clear(), guardrails.TICKET_RULES),
            (lambda world: world.tenant.remove(ADELE), guardrails.PERSON_RULES),
        ],
        ids=["ticket", "person"],
    )
    async def test_what_is_gone_has_no_verdicts_of_an_earlier_reading(
        self, world: World, change: Change, gone: tuple[guardrails.Rule[Any], ...]
    ) -> None:
        await world.webhook()
        async with just_before(world):
            change(world)
        await world.settle()
        assert {verdict.rule for verdict in world.record.verdicts}.isdisjoint(rule.name for rule in gone)

    @pytest.mark.parametrize(("prepare", "change", "reason"), cases(ON_THE_PERSON))
    async def test_of_a_person_without_a_ticket_too(self, world: World, prepare: Change, change: Change, reason: str) -> None:
        prepare(world)
        world.message()
        async with just_before(world):
            change(world)
        await world.settle()
        assert world.outcome == ("refused", reason)
        assert world.writes() == []

    @pytest.mark.parametrize(("prepare", "change", "reason"), cases(CHANGES))
    async def test_what_was_so_from_the_first_is_refused_for_the_same_reason(
        self, world: World, prepare: Change, change: Change, reason: str
    ) -> None:
        prepare(world)
        await world.webhook()
        if reason == "ticket-changed":  # the first reading is what later ones are held against
            return
        change(world)
        await world.settle()
        assert world.outcome == ("refused", reason)

    async def test_an_approval_that_grows_too_old_meanwhile_is_too_old(self, world: World) -> None:
        world.ticket.approvals = [build.approval(updated_at=world.clock.now() - timedelta(hours=72) + timedelta(seconds=20))]
        await world.webhook()
        async with just_before(world):
            await world.clock.pass_by(seconds=30)
        await world.settle()
        assert world.outcome == ("refused", "approval-expired")

    async def test_all_reasons_of_ticket_and_person_are_reported(self, world: World) -> None:
        await world.webhook()
        async with just_before(world):
            world.ticket.active = False
            world.ticket.approval = "requested"
            world.tenant.grant(ADELE, "Helpdesk Administrator")
            world.tenant.update(ADELE, enabled=False)
        await world.settle()
        assert world.result["reasons"] == ["ticket-closed", "ticket-not-approved", "user-disabled", "user-privileged"]
        assert [alert["data"]["kind"] for alert in world.alerts] == ["privileged-subject"]

    async def test_a_person_renamed_under_the_ticket_is_not_guessed_at(self, world: World) -> None:
        await world.webhook()
        async with just_before(world):
            world.tenant.update(ADELE, user_principal_name="adele.jones@contoso.com")
        await world.settle()
        assert world.outcome == ("refused", "ticket-changed")

    async def test_a_person_renamed_in_both_places_is_the_same_person(self, world: World) -> None:
        await world.webhook()
        async with just_before(world):
            world.tenant.update(ADELE, user_principal_name="adele.jones@contoso.com")
            world.ticket_for("Adele.Jones@contoso.com")
        await world.settle()
        assert world.outcome == ("done", "removed")

    async def test_an_identifier_may_be_written_in_another_way(self, world: World) -> None:
        await world.webhook()
        async with just_before(world):
            world.ticket_for(world.tenant.account(ADELE).person.id.upper())
        await world.settle()
        assert world.outcome == ("done", "removed")


class TestTheProfile:
    @pytest.mark.parametrize(("first", "then"), [("require-reregister", "full-reset"), ("full-reset", "require-reregister")])
    async def test_one_that_changes_is_decided_on_anew(self, world: World, first: str, then: str) -> None:
        with_profiles(world)
        world.ticket.profile = first
        await world.webhook()
        async with just_before(world):
            world.ticket.profile = then
        await world.settle()
        assert world.outcome == ("done", "removed")
        assert (world.result["profile"], world.record.profile) == (then, then)

    async def test_what_is_known_to_fail_is_known_of_the_new_one_too(self, world: World) -> None:
        world.configure(ALLOWED_PROFILES="full-reset require-reregister", SERVICENOW_PROFILE_FIELD="u_profile")
        world.ticket.profile = "require-reregister"
        world.tenant.register(ADELE, fido2("Red key", id="key-1"))
        await world.webhook()
        async with just_before(world):
            world.ticket.profile = "full-reset"
        await world.settle()
        assert world.outcome == ("failed", "graph-forbidden")
        assert world.writes() == []

    async def test_one_that_is_not_allowed_is_refused(self, world: World) -> None:
        world.configure(SERVICENOW_PROFILE_FIELD="u_profile")
        world.ticket.profile = "require-reregister"
        await world.webhook()
        async with just_before(world):
            world.ticket.profile = "full-reset"
        await world.settle()
        assert world.outcome == ("refused", "profile-not-allowed")


class TestWhatCannotBeReadAgain:
    @pytest.mark.parametrize(
        ("call", "service"),
        [
            ("desk.read", WaitingFor.TICKET_SYSTEM),
            ("directory.person", WaitingFor.GRAPH),
            ("directory.standing", WaitingFor.GRAPH),
            ("ledger.read", WaitingFor.STORAGE),
        ],
    )
    async def test_is_waited_for_and_is_no_yes(self, world: World, call: str, service: WaitingFor) -> None:
        world.calls.down(service, call, skip=1)
        await world.webhook()
        await world.pass_by(minutes=20)
        assert (world.record.status, world.record.waiting_for) == ("waiting", service)
        assert world.writes() == []
        world.calls.heal()
        await world.settle()
        assert world.outcome == ("done", "removed")

    async def test_a_withdrawal_is_not_lost_though_the_directory_is_down(self, world: World) -> None:
        world.calls.down(WaitingFor.GRAPH, "directory.standing", skip=1)
        await world.webhook()
        async with just_before(world):
            world.ticket.approval = "requested"
        await world.settle()
        assert world.outcome == ("refused", "ticket-not-approved")
        assert world.writes() == []


class TestEventsThatArriveMeanwhile:
    async def test_a_refusal_on_facts_that_an_event_has_overtaken_is_decided_anew(self, world: World) -> None:
        await world.webhook()
        async with just_before(world):
            world.ticket.approval = "requested"
            world.calls.slow("directory.standing", seconds=10)
            gate = world.calls.gates[-1]
            world.calls.gates.remove(gate)
            gate.opened.set()
            await world.clock.pass_by(seconds=5)  # the ticket was read by now, the person was not
            world.ticket.approval = "approved"
            await world.webhook("msg-2")
            world.calls.gates.append(gate)
        await world.settle()
        assert world.outcome == ("done", "removed")
        assert world.record.attempt == 1
        names = world.calls.names()
        assert names[: names.index("directory.remove")].count("desk.read") == 4  # decided and confirmed, twice

    async def test_an_event_that_came_before_the_ticket_was_read_again_is_answered_by_the_refusal(self, world: World) -> None:
        await world.webhook()
        async with just_before(world):
            world.ticket.approval = "requested"
            await world.webhook("msg-2")
        await world.settle()
        assert world.outcome == ("refused", "ticket-not-approved")
        assert (world.record.attempt, world.writes()) == (1, [])


class TestFromTheFirstChangeOn:
    WITHDRAWN = "The ticket no longer allowed this when it was finished; removal had begun, so it was carried to its end."

    @pytest.mark.parametrize(("prepare", "change", "reason"), cases(WITHDRAWALS))
    async def test_it_is_finished_and_the_withdrawal_noted(
        self, world: World, prepare: Change, change: Change, reason: str
    ) -> None:
        prepare(world)
        await world.webhook()
        async with just_before(world, "directory.remove"):
            change(world)
        await world.settle()
        assert world.outcome == ("done", "removed")
        (note,) = world.notes("outcome")
        assert self.WITHDRAWN in note

    @pytest.mark.parametrize("change", [granted("Helpdesk Administrator"), of_person(enabled=False), counted])
    async def test_what_happens_to_the_person_does_not_leave_them_half_stripped(self, world: World, change: Change) -> None:
        await world.webhook()
        async with just_before(world, "directory.remove"):
            change(world)
        await world.settle()
        assert world.outcome == ("done", "removed")
        assert world.types() == []

    async def test_a_withdrawal_is_noted_though_the_person_cannot_be_read(self, world: World) -> None:
        world.calls.fail("directory.person", RuntimeError("a bug"), skip=2, times=None)
        await world.webhook()
        async with just_before(world, "directory.remove"):
            world.ticket.approval = "requested"
        await world.settle()
        assert world.outcome == ("done", "removed")
        (note,) = world.notes("outcome")
        assert self.WITHDRAWN in note

    @pytest.mark.parametrize("call", ["desk.read", "directory.person"])
    async def test_what_cannot_be_read_is_not_said_to_be_withdrawn(self, world: World, call: str) -> None:
        world.calls.fail(call, RuntimeError("a bug"), skip=2, times=None)
        await world.ended()
        assert world.outcome == ("done", "removed")
        (note,) = world.notes("outcome")
        assert self.WITHDRAWN not in note

    async def test_a_ticket_that_is_as_it_was_is_not_said_to_be_withdrawn(self, world: World) -> None:
        await world.ended()
        (note,) = world.notes("outcome")
        assert self.WITHDRAWN not in note


class TestWhatItCosts:
    async def test_ticket_and_person_are_read_twice_and_the_methods_once(self, world: World) -> None:
        await world.ended()
        names = world.calls.names()
        before = names[: min(names.index(name) for name in world.writes())]
        counts = {
            name: before.count(name)
            for name in ("desk.read", "directory.person", "directory.standing", "directory.inventory", "ledger.commit")
        }
        assert counts == {
            "desk.read": 2,
            "directory.person": 2,
            "directory.standing": 2,
            "directory.inventory": 1,
            "ledger.commit": 1,
        }

    async def test_nothing_but_our_own_storage_stands_between_reading_again_and_the_first_change(self, world: World) -> None:
        await world.ended()
        names = world.calls.names()
        first = min(names.index(name) for name in world.writes())
        last_read = max(
            place for place in range(first) if names[place] in ("desk.read", "directory.standing", "directory.person")
        )
        ours = {"ledger.read", "control.read", "ledger.commit", "receipts.append", "journal.commit"}
        assert set(names[last_read + 1 : first]) <= ours

    async def test_a_dry_run_needs_no_second_look(self, world: World) -> None:
        world.configure(MODE="dry-run")
        assert await world.ended() == ("done", "dry-run")
        assert world.calls.count("desk.read") == 1
