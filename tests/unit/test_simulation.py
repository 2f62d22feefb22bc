"""A simulation says what an attempt would come to, by the same rules, and makes no write call to any port."""

from typing import Any

import pytest

from sandbox.people import ADELE, EMILY, JONI
from shared import guardrails
from shared.admission import Taken
from shared.model import Mode, Profile, Reason, SwitchName, WaitingFor
from shared.ports import Forbidden
from shared.simulation import ByTicket, ForPerson, Simulation, Would, simulate
from tests.unit import build
from tests.unit.world import World

TICKET = ByTicket(build.REF.table, build.REF.number)
READS = {
    "control.read",
    "desk.locate",
    "desk.read",
    "directory.inventory",
    "directory.lacking",
    "directory.person",
    "directory.standing",
    "journal.find",
    "ledger.read",
}


def person(upn: str = ADELE, source: str = build.CAUSE.source, **more: Any) -> ForPerson:
    return ForPerson(upn, source, **more)


async def said(world: World, asked: ForPerson | ByTicket = TICKET) -> Simulation:
    """What is simulated; whatever was called meanwhile only reads."""
    before = len(world.calls.log)
    made = await simulate(world.app(), asked)
    called = set(world.calls.names()[before:])
    assert called <= READS, called - READS
    names = [verdict.rule for verdict in made.verdicts] + [rule for one in made.not_asked for rule in one.rules]
    assert sorted(names) == sorted(rule.name for rule in guardrails.RULES)
    return made


def refusing(made: Simulation) -> set[str]:
    return {verdict.rule for verdict in made.verdicts if verdict.refuses}


# ---- what it comes to is what an attempt comes to


async def test_what_would_be_done_is_what_is_done(world: World) -> None:
    made = await said(world)
    assert (made.outcome, made.reasons, made.taken) == (Would.DONE, (Reason.REMOVED,), Taken.OPENED)
    assert not made.not_asked
    assert await world.ended() == ("done", "removed")
    assert made.request_id == world.record.id
    assert {(one.method.type, one.method.id) for one in made.removals} == {(one.type, one.id) for one in world.record.removals}
    assert made.left_alone == world.record.left_alone


async def test_a_ticket_that_is_refused_is_refused_for_the_same_reasons(world: World) -> None:
    world.ticket.active, world.ticket.approval = False, "requested"
    world.ticket_for(JONI)
    made = await said(world)
    assert made.outcome is Would.REFUSED
    assert made.reasons == (Reason.TICKET_CLOSED, Reason.TICKET_NOT_APPROVED, Reason.USER_PRIVILEGED)
    assert (made.removals, made.left_alone) == ((), ())
    await world.ended()
    assert tuple(world.result["reasons"]) == made.reasons


async def test_nothing_registered_is_nothing_to_remove(world: World) -> None:
    made = await said(world, person(EMILY))
    assert (made.outcome, made.reasons, made.removals) == (Would.DONE, (Reason.NOTHING_TO_REMOVE,), ())


async def test_a_dry_run_would_be_one(world: World) -> None:
    world.configure(MODE="dry-run", BREAKER_LIMIT="0")
    made = await said(world)
    assert (made.outcome, made.reasons, made.mode) == (Would.DONE, (Reason.DRY_RUN,), Mode.DRY_RUN)
    assert made.removals


async def test_a_sender_who_is_not_trusted_is_refused_and_the_person_is_looked_at_all_the_same(world: World) -> None:
    made = await said(world, person(JONI, "urn:contoso:other"))
    assert made.reasons == (Reason.SOURCE_NOT_TRUSTED, Reason.USER_PRIVILEGED)
    assert refusing(made) == {"source-not-trusted", "user-privileged"}


async def test_a_profile_that_is_not_allowed_is_refused(world: World) -> None:
    made = await said(world, person(profile=Profile.FULL_RESET))
    assert made.reasons == (Reason.PROFILE_NOT_ALLOWED,)


async def test_without_a_ticket_system_no_ticket_is_looked_for(world: World) -> None:
    world.configure(SERVICENOW_URL=None, SERVICENOW_AUDIENCE=None)
    made = await said(world)
    assert (made.outcome, made.reasons) == (Would.REFUSED, (Reason.TICKET_SYSTEM_NOT_CONFIGURED,))


async def test_a_table_that_tickets_may_not_be_in_is_not_even_read(world: World) -> None:
    made = await said(world, ByTicket("incident", "INC0010001"))
    assert made.reasons == (Reason.TICKET_NOT_FOR_RESET,)
    assert world.calls.count("desk.locate") == 0


async def test_a_number_that_no_ticket_has_is_refused(world: World) -> None:
    made = await said(world, ByTicket(build.REF.table, "RITM0099999"))
    assert (made.outcome, made.reasons) == (Would.REFUSED, (Reason.TICKET_NOT_FOUND,))
    assert refusing(made) == {"ticket-not-found"}


async def test_a_person_who_does_not_exist_is_refused(world: World) -> None:
    made = await said(world, person("nobody@contoso.com"))
    assert (made.outcome, made.reasons) == (Would.REFUSED, (Reason.USER_NOT_FOUND,))
    assert refusing(made) == {"user-not-found"}


async def test_a_ticket_that_leads_to_nobody_is_refused(world: World) -> None:
    world.ticket_for("")
    assert (await said(world)).reasons == (Reason.TICKET_SUBJECT_MISSING,)


async def test_who_was_bound_at_the_first_reading_stays_bound(world: World) -> None:
    world.ticket.active = False
    await world.ended()
    world.ticket.active = True
    world.ticket_for(EMILY)
    made = await said(world)
    assert (made.taken, made.reasons) == (Taken.REOPENED, (Reason.TICKET_CHANGED,))
    assert refusing(made) == {"subject-changed"}


async def test_somebody_who_was_reset_by_another_request_is_refused_for_the_cooldown(world: World) -> None:
    await world.ended()
    assert (await said(world, person())).reasons == (Reason.COOLDOWN,)


async def test_what_is_done_is_done_for_ever(world: World) -> None:
    await world.ended()
    made = await said(world)
    assert (made.outcome, made.taken, made.reasons) == (Would.NOTHING, Taken.FINAL, ())


async def test_what_was_acted_on_is_not_decided_again(world: World) -> None:
    """Nothing was to be removed, and the sessions are revoked: what is left is to read back and say so."""
    world.ticket_for(EMILY)
    world.calls.fail("directory.methods", RuntimeError("a bug"))
    await world.webhook()
    await world.work()
    world.ticket.active = False
    made = await said(world)
    assert (made.outcome, made.taken, made.reasons) == (Would.NOTHING, Taken.JOINED, ())


async def test_the_rules_come_in_the_order_in_which_an_attempt_asks_them(world: World) -> None:
    made = await said(world)
    await world.ended()
    assert [one.rule for one in made.verdicts] == [one.rule for one in world.record.verdicts]


# ---- what would fail


async def test_permissions_that_are_lacking_are_named(world: World) -> None:
    world.directory.permissions -= {"UserAuthMethod-Phone.ReadWrite.All"}
    made = await said(world)
    assert (made.outcome, made.reasons) == (Would.FAILED, (Reason.GRAPH_FORBIDDEN,))
    assert made.lacking == ("UserAuthMethod-Phone.ReadWrite.All",)


async def test_a_default_that_is_stuck_fails_unless_another_may_be_chosen(world: World) -> None:
    made = await said(world, person("alex.wilber@contoso.com"))
    assert (made.outcome, made.reasons) == (Would.FAILED, (Reason.DEFAULT_METHOD_STUCK,))
    world.permit("UserAuthenticationMethod.ReadWrite.All")
    assert (await said(world, person("alex.wilber@contoso.com"))).outcome is Would.DONE


# ---- what would wait


@pytest.mark.parametrize(
    ("switch", "waiting_for"), [(SwitchName.PAUSE, WaitingFor.PAUSED), (SwitchName.BREAKER, WaitingFor.BREAKER)]
)
async def test_a_switch_that_is_on_makes_it_wait(world: World, switch: SwitchName, waiting_for: WaitingFor) -> None:
    world.control.put(switch, build.switch())
    made = await said(world)
    assert (made.outcome, [hold.waiting_for for hold in made.holds]) == (Would.WAITING, [waiting_for])
    assert "CHG0030001" in made.holds[0].why
    assert made.removals


async def test_an_actor_at_the_limit_waits_until_an_hour_has_passed(world: World) -> None:
    world.configure(ACTOR_HOURLY_LIMIT="1")
    world.ledger.count(build.counted(subject_id="somebody else"))
    made = await said(world)
    (hold,) = made.holds
    assert (made.outcome, hold.waiting_for, hold.until) == (Would.WAITING, WaitingFor.RATE_LIMIT, build.after(hours=1))


async def test_the_breaker_that_would_open_is_a_wait_and_is_not_opened(world: World) -> None:
    world.configure(BREAKER_LIMIT="0")
    made = await said(world, person())
    assert (made.outcome, [hold.waiting_for for hold in made.holds]) == (Would.WAITING, [WaitingFor.BREAKER])
    assert world.control.switches().breaker is None


# ---- what could not be read is no yes


@pytest.mark.parametrize(
    "call",
    [
        "desk.locate",
        "desk.read",
        "journal.find",
        "directory.person",
        "directory.standing",
        "directory.inventory",
        "directory.lacking",
        "ledger.read",
        "control.read",
    ],
)
async def test_whatever_cannot_be_read_is_named_and_nothing_is_said_to_be_done(world: World, call: str) -> None:
    world.calls.fail(call, Forbidden(WaitingFor.GRAPH, "403"), times=None)
    made = await said(world)
    assert (made.outcome, made.reasons) == (Would.UNKNOWN, ())
    assert made.unread


async def test_a_ledger_that_contradicts_itself_is_no_yes(world: World) -> None:
    world.ledger.spoil()
    made = await said(world)
    assert (made.outcome, [one.what for one in made.unread]) == (Would.UNKNOWN, ["the ledger"])


async def test_a_ticket_that_refuses_does_so_also_when_the_person_cannot_be_read(world: World) -> None:
    world.ticket.active = False
    world.calls.down(WaitingFor.GRAPH, "directory.person")
    made = await said(world)
    assert (made.outcome, made.reasons) == (Would.REFUSED, (Reason.TICKET_CLOSED,))
    assert [one.what for one in made.unread] == ["the person"]
