"""What slows down and what stops: cooldown, limits, breaker and pause, over many requests and as many workers as it takes."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from sandbox.people import ADELE, BIANCA, CHRISTIE, DIEGO, ISAIAH, PATTI, PRADEEP
from shared.app import App
from shared.model import Reason, Reset, Switch, SwitchName, TicketRef, WaitingFor
from shared.ports import Unavailable
from shared.record import Record
from shared.simulation import ByTicket, Simulation, Would, simulate
from tests.fakes import FakeTicket
from tests.unit import build
from tests.unit.world import World
from tests.virtual_time import Differing

PEOPLE = (PATTI, CHRISTIE, DIEGO, ISAIAH, PRADEEP, BIANCA, ADELE)
HOUR = timedelta(hours=1)


def ticket(world: World, number: int, upn: str, opener: str = "", approver: str = "") -> FakeTicket:
    """An approved ticket for somebody; opened and approved by nobody who has to do with another, unless named."""
    sys_id, subject = f"{number:032x}", f"5ab{number:029x}"
    ref = TicketRef(build.REF.system, build.REF.table, sys_id, f"RITM{number:07d}")
    approval = build.approval(approver or f"a{number:031x}", updated_at=world.clock.now())
    made = FakeTicket(ref, build.CATALOG_ITEM, subject, opener or f"0be{number:029x}", approvals=[approval])
    world.desk.tickets[sys_id] = made
    world.desk.people[subject] = upn
    return made


async def ask(world: World, of: FakeTicket) -> None:
    """A new event for a ticket is taken in."""
    answer = await world.webhook(
        f"msg-{of.ref.number}-{len(world.calls.log)}", sys_id=of.ref.sys_id, number=of.ref.number, table=of.ref.table
    )
    assert answer.status == 202


async def ask_for(world: World, *people: str, **who: str) -> list[FakeTicket]:
    """One ticket for each, all taken in; no worker has begun."""
    made = [ticket(world, number, upn, **who) for number, upn in enumerate(people, start=len(world.desk.tickets) + 1)]
    for one in made:
        await ask(world, one)
    return made


async def all_at_once(world: World) -> None:
    """As many workers as messages."""
    await asyncio.gather(*(world.work() for _ in world.queue.visible()))


def record_of(world: World, of: FakeTicket) -> Record:
    (found,) = (record for record in world.records if record.ticket == of.ref)
    return found


def state(world: World, of: FakeTicket) -> tuple[str, str | None]:
    """Status, and what it waits for or why it ended."""
    record = record_of(world, of)
    return record.status, record.waiting_for or record.reason


def counted(world: World) -> list[Reset]:
    """Every reset that came to a change, in order, however much of it the ledger still holds."""
    changed = {record.id for record in world.records if record.removals or record.revoked_at}
    commits = [arguments[1] for name, arguments in world.calls.log if name == "ledger.commit"]
    return list({reset.request_id: reset for reset in commits if reset.request_id in changed}.values())


def most_in_an_hour(resets: list[Reset]) -> int:
    return max(sum(timedelta() <= other.at - one.at < HOUR for other in resets) for one in resets)


async def turn(world: World, name: SwitchName, *, on: bool, ahead: timedelta = timedelta()) -> None:
    """An operator turns a switch, on a machine whose clock is `ahead` of ours."""
    assert await world.control.turn(name, Switch(on, "chris", "looked at", world.clock.now() + ahead))


def ahead_of_others(world: World, seconds: float) -> App:
    """A worker process, just started, on a machine whose clock differs from the others'."""
    return replace(app := world.app(), clock=Differing(app.clock, timedelta(seconds=seconds)))


async def simulated(world: World, of: FakeTicket) -> Simulation:
    return await simulate(world.app(), ByTicket(of.ref.table, of.ref.number))


async def up_to(call: str, *, after: bool) -> tuple[int, bool]:
    """The death of a worker at its first call of this name, in the story of the one ticket."""
    rehearsal = World()
    await rehearsal.webhook()
    begun = len(rehearsal.calls.log)
    await rehearsal.work()
    return rehearsal.calls.names()[begun:].index(call) + 1, after


class TestCooldown:
    async def test_a_second_ticket_for_one_person_is_refused(self, world: World) -> None:
        first, second = ticket(world, 1, ADELE), ticket(world, 2, ADELE)
        await ask(world, first)
        await world.settle()
        changed = world.writes()
        await world.pass_by(hours=23)
        await ask(world, second)
        await world.settle()
        assert (state(world, first), state(world, second)) == (("done", "removed"), ("refused", "cooldown"))
        assert world.writes() == changed

    async def test_another_person_may_be_reset(self, world: World) -> None:
        one, other = await ask_for(world, ADELE, PATTI)
        await world.settle()
        assert state(world, one) == state(world, other) == ("done", "removed")

    async def test_it_ends_by_itself(self, world: World) -> None:
        (first,) = await ask_for(world, ADELE)
        await world.settle()
        await world.pass_by(hours=24)
        (second,) = await ask_for(world, ADELE)
        await world.settle()
        assert state(world, first) == ("done", "removed")
        assert state(world, second) == ("done", "nothing-to-remove")

    async def test_without_one_the_next_ticket_goes_through(self, world: World) -> None:
        world.configure(COOLDOWN="PT0S")
        tickets = await ask_for(world, ADELE, ADELE)
        await world.settle()
        assert [state(world, one)[0] for one in tickets] == ["done", "done"]

    @pytest.mark.parametrize("ahead", [-2, 2])
    async def test_without_one_it_goes_through_by_any_workers_clock(self, world: World, ahead: float) -> None:
        world.configure(COOLDOWN="PT0S")
        asked = await ask_for(world, ADELE, ADELE)
        await world.handle(world.queue.visible()[0])
        await world.work(ahead_of_others(world, ahead))
        assert [state(world, one) for one in asked] == [("done", "removed"), ("done", "nothing-to-remove")]

    async def test_a_request_is_not_refused_for_its_own_earlier_attempt(self, world: World) -> None:
        world.tenant.settings.lag_seconds = 10_000
        (one,) = await ask_for(world, ADELE)
        await world.settle()
        assert state(world, one) == ("failed", "not-removed")
        await world.pass_by(hours=3)
        await ask(world, one)
        await world.settle()
        assert state(world, one)[0] == "done"
        assert record_of(world, one).attempt == 2

    async def test_one_that_failed_after_a_change_counts(self, world: World) -> None:
        world.tenant.settings.lag_seconds = 10_000
        await ask_for(world, ADELE)
        await world.settle()
        (second,) = await ask_for(world, ADELE)
        await world.settle()
        assert state(world, second) == ("refused", "cooldown")

    async def test_a_dry_run_counts_for_nothing(self, world: World) -> None:
        world.configure(MODE="dry-run")
        (dry,) = await ask_for(world, ADELE)
        await world.settle()
        world.configure(MODE="enforce")
        (second,) = await ask_for(world, ADELE)
        await world.settle()
        assert (state(world, dry), state(world, second)) == (("done", "dry-run"), ("done", "removed"))
        assert [reset.request_id for reset in counted(world)] == [record_of(world, second).id]

    async def test_a_refused_request_counts_for_nothing(self, world: World) -> None:
        (closed,) = await ask_for(world, ADELE)
        closed.active = False
        await world.settle()
        (second,) = await ask_for(world, ADELE)
        await world.settle()
        assert (state(world, closed), state(world, second)) == (("refused", "ticket-closed"), ("done", "removed"))

    @pytest.mark.parametrize("after", [True, False])
    async def test_a_worker_killed_before_the_first_change_is_not_held_against_the_person(
        self, world: World, after: bool
    ) -> None:
        await world.webhook()
        world.calls.kill_at(await up_to("ledger.commit", after=after))
        await world.work()
        assert (len(world.ledger.resets()), world.writes()) == (int(after), [])
        world.ticket.active = False
        await world.settle()
        assert (world.record.outcome, world.record.reason) == ("refused", "ticket-closed")
        (second,) = await ask_for(world, ADELE)
        await world.settle()
        assert state(world, second) == ("done", "removed")

    async def test_as_long_as_a_killed_worker_may_be_replaced_it_is(self, world: World) -> None:
        await world.webhook()
        world.calls.kill_at(await up_to("ledger.commit", after=True))
        await world.work()
        (second,) = await ask_for(world, ADELE)
        await world.work()
        assert state(world, second) == ("waiting", "rate-limit")
        await world.settle()
        assert (state(world, world.ticket), state(world, second)) == (("done", "removed"), ("refused", "cooldown"))

    async def test_who_waits_for_another_that_then_changes_nothing_goes_through(self, world: World) -> None:
        await world.webhook()
        world.calls.kill_at(await up_to("ledger.commit", after=True))
        await world.work()
        world.ticket.active = False
        (second,) = await ask_for(world, ADELE)
        await world.settle()
        assert (state(world, world.ticket), state(world, second)) == (("refused", "ticket-closed"), ("done", "removed"))
        assert len(counted(world)) == 1


class TestAnotherRequestUnderWay:
    """Its worker has counted it and died before the first change: it may yet come to one, or not."""

    @pytest.fixture
    async def second(self, world: World) -> FakeTicket:
        await world.webhook()
        world.calls.kill_at(await up_to("ledger.commit", after=True))
        await world.work()
        (second,) = await ask_for(world, ADELE)
        return second

    async def test_it_is_waited_for(self, world: World, second: FakeTicket) -> None:
        await world.work()
        assert state(world, second) == ("waiting", "rate-limit")
        assert world.writes() == []

    async def test_a_dry_run_does_not_wait_for_it(self, world: World, second: FakeTicket) -> None:
        world.configure(MODE="dry-run")
        await world.work()
        assert state(world, second) == ("done", "dry-run")

    async def test_a_simulation_says_that_it_would_be_waited_for(self, world: World, second: FakeTicket) -> None:
        made = await simulated(world, second)
        assert (made.outcome, made.reasons, made.unread, made.not_asked) == (Would.WAITING, (), (), ())
        (hold,) = made.holds
        assert (hold.waiting_for, hold.until) == (WaitingFor.RATE_LIMIT, None)
        assert hold.why == "another request for this person is under way"

    async def test_it_hides_no_other_limit_in_a_simulation(self, world: World, second: FakeTicket) -> None:
        world.configure(ACTOR_HOURLY_LIMIT="0")
        asked_at = world.clock.now()
        under_way, limit = (await simulated(world, second)).holds
        assert (under_way.waiting_for, limit.waiting_for) == (WaitingFor.RATE_LIMIT, WaitingFor.RATE_LIMIT)
        assert (under_way.until, limit.until) == (None, asked_at + HOUR)

    async def test_a_simulated_dry_run_does_not_wait_for_it(self, world: World, second: FakeTicket) -> None:
        world.configure(MODE="dry-run")
        made = await simulated(world, second)
        assert (made.outcome, made.reasons, made.holds) == (Would.DONE, (Reason.DRY_RUN,), ())

    async def test_once_it_has_changed_something_a_dry_run_is_refused_as_in_earnest(
        self, world: World, second: FakeTicket
    ) -> None:
        await world.pass_by(minutes=30)
        world.configure(MODE="dry-run")
        (third,) = await ask_for(world, ADELE)
        await world.settle()
        assert [state(world, one) for one in (second, third)] == [("refused", "cooldown")] * 2
        assert (await simulated(world, third)).reasons == (Reason.COOLDOWN,)


class TestTheRace:
    @pytest.mark.parametrize("tickets", [2, 5])
    async def test_of_many_tickets_for_one_person_at_once_one_is_worked_on(self, world: World, tickets: int) -> None:
        asked = await ask_for(world, *[ADELE] * tickets)
        await all_at_once(world)
        await world.settle()
        ends = sorted(state(world, one) for one in asked)
        assert ends == [("done", "removed"), *[("refused", "cooldown")] * (tickets - 1)]
        assert len(counted(world)) == 1
        removed = [arguments[1].method.id for name, arguments in world.calls.log if name == "directory.remove"]
        assert len(removed) == len(set(removed))

    async def test_who_was_slower_decides_anew_and_refuses(self, world: World) -> None:
        gate = world.calls.hold("ledger.commit")
        one, other = await ask_for(world, ADELE, ADELE)
        workers = asyncio.gather(world.work(), world.work())
        await gate.reached.wait()
        await world.clock.pass_by(seconds=1)
        assert world.calls.count("ledger.commit") == 2  # both were let through by their facts
        world.calls.gates.clear()
        gate.opened.set()
        await workers
        await world.settle()
        assert sorted((state(world, one), state(world, other))) == [("done", "removed"), ("refused", "cooldown")]


class TestTheLimitOfAnActor:
    @pytest.mark.parametrize("who", ["opener", "approver"])
    async def test_one_too_many_waits_an_hour_and_is_not_lost(self, world: World, who: str) -> None:
        world.configure(ACTOR_HOURLY_LIMIT="2")
        asked = await ask_for(world, PATTI, CHRISTIE, DIEGO, **{who: "c" * 32})
        await world.work()
        assert [state(world, one) for one in asked[:2]] == [("done", "removed")] * 2
        assert state(world, asked[2]) == ("waiting", "rate-limit")
        first = counted(world)[0].at
        await world.settle()
        assert state(world, asked[2]) == ("done", "removed")
        assert timedelta() <= counted(world)[2].at - first - HOUR < timedelta(seconds=16)  # the sweep wakes it

    async def test_the_desk_is_told_once_why_it_waits_and_until_when(self, world: World) -> None:
        world.configure(ACTOR_HOURLY_LIMIT="1")
        _, second = await ask_for(world, PATTI, CHRISTIE, opener="c" * 32)
        await world.settle()
        (note,) = [note for note in second.work_notes if " waiting]" in note]
        assert "Waiting, because an hourly limit is reached. Next try after 2026-11-24 03:35:" in note

    async def test_others_are_not_kept_waiting(self, world: World) -> None:
        world.configure(ACTOR_HOURLY_LIMIT="1")
        _, second = await ask_for(world, PATTI, CHRISTIE, opener="c" * 32)
        (third,) = await ask_for(world, DIEGO)
        await world.work()
        assert (state(world, second), state(world, third)) == (("waiting", "rate-limit"), ("done", "removed"))

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ({"subject": PATTI, "requestedBy": "x"}, {"subject": DIEGO, "requestedBy": "y"}),
            ({"subject": PATTI}, {"subject": DIEGO}),
        ],
    )
    async def test_without_a_ticket_the_source_has_its_limit(
        self, world: World, one: dict[str, Any], other: dict[str, Any]
    ) -> None:
        world.configure(ACTOR_HOURLY_LIMIT="1")
        world.message("e-1", **one)
        world.message("e-2", **other)
        await world.work()
        assert sorted((record.status, record.waiting_for) for record in world.records) == [
            ("done", None),
            ("waiting", "rate-limit"),
        ]
        await world.settle()
        assert {record.outcome for record in world.records} == {"done"}

    async def test_a_source_that_sends_tickets_has_its_limit_over_all_of_them(self, world: World) -> None:
        world.configure(ACTOR_HOURLY_LIMIT="1")
        tickets = [ticket(world, number, upn) for number, upn in enumerate((PATTI, CHRISTIE, DIEGO), start=1)]
        for one, source in zip(tickets, ("urn:soar", "urn:soar", "urn:other"), strict=True):
            ref = one.ref
            about = {"system": ref.system, "table": ref.table, "sysId": ref.sys_id, "number": ref.number}
            world.message(f"e-{ref.number}", source, ticket=about)
        await world.work()
        assert [state(world, one) for one in tickets] == [("done", "removed"), ("waiting", "rate-limit"), ("done", "removed")]

    async def test_our_webhook_is_no_source_with_a_limit(self, world: World) -> None:
        world.configure(ACTOR_HOURLY_LIMIT="1")
        asked = await ask_for(world, PATTI, CHRISTIE, DIEGO)
        await world.work()
        assert {state(world, one) for one in asked} == {("done", "removed")}

    async def test_workers_whose_clocks_differ_do_not_pass_it(self, world: World) -> None:
        """One ahead lets a reset of the last hour go, by its clock; by another's that hour is not over."""
        world.configure(ACTOR_HOURLY_LIMIT="3")
        await ask_for(world, PATTI, CHRISTIE, opener="c" * 32)
        await world.work()
        hour_over = counted(world)[-1].at + HOUR
        await world.clock.pass_by(seconds=(hour_over - world.clock.now()).total_seconds() - 3)
        await ask_for(world, DIEGO, opener="c" * 32)
        await world.work(ahead_of_others(world, seconds=4))
        assert (len(counted(world)), counted(world)[-1].at > hour_over) == (3, True)
        await ask_for(world, ISAIAH, PRADEEP, opener="c" * 32)
        await world.work()
        assert world.clock.now() < hour_over
        await world.settle()
        assert len(counted(world)) == 5
        assert most_in_an_hour(counted(world)) == 3

    async def test_a_reset_counts_from_then_however_long_its_facts_took_to_read(self, world: World) -> None:
        """Else it would meet a list from which somebody later has taken what is in its hour."""
        world.calls.slow("directory.standing", seconds=15)
        await ask_for(world, PATTI)
        times: list[datetime] = []
        world.calls.listeners.append(lambda name, _: times.append(world.clock.now()) if name == "ledger.commit" else None)
        await world.work()
        (reset,) = world.ledger.resets()
        assert times == [reset.at]

    async def test_whom_another_source_names_has_one_too(self, world: World) -> None:
        world.configure(ACTOR_HOURLY_LIMIT="1", TRUSTED_SOURCES="urn:one urn:other")
        world.message("e-1", "urn:one", subject=PATTI, requestedBy="clerk")
        world.message("e-2", "urn:other", subject=DIEGO, requestedBy="clerk")
        await world.work()
        assert sorted(str(record.waiting_for) for record in world.records) == ["None", "rate-limit"]

    async def test_a_limit_of_nothing_lets_nobody_through(self, world: World) -> None:
        world.configure(ACTOR_HOURLY_LIMIT="0", APPROVAL_MAX_AGE="P30D")
        (one,) = await ask_for(world, PATTI)
        await world.pass_by(days=8)
        assert state(world, one) == ("waiting", "rate-limit")
        assert (world.writes(), counted(world)) == ([], [])
        world.configure(ACTOR_HOURLY_LIMIT="1")
        await world.settle()
        assert state(world, one) == ("done", "removed")

    @pytest.mark.parametrize("limit", [1, 2, 3])
    async def test_many_workers_at_once_never_pass_it_and_nothing_is_lost(self, world: World, limit: int) -> None:
        world.configure(ACTOR_HOURLY_LIMIT=str(limit))
        asked = await ask_for(world, *PEOPLE, opener="c" * 32)
        await all_at_once(world)
        assert sum(state(world, one)[0] == "done" for one in asked) == limit
        await world.settle()
        assert {state(world, one)[0] for one in asked} == {"done"}
        assert len(counted(world)) == len(PEOPLE)
        assert most_in_an_hour(counted(world)) == limit

    async def test_who_waits_is_judged_on_facts_of_then(self, world: World) -> None:
        world.configure(ACTOR_HOURLY_LIMIT="1")
        _, second = await ask_for(world, PATTI, CHRISTIE, opener="c" * 32)
        await world.work()
        world.tenant.grant(CHRISTIE, "Helpdesk Administrator")
        await world.settle()
        assert state(world, second) == ("refused", "user-privileged")


class TestTheBreaker:
    async def test_at_its_limit_it_opens_says_so_once_and_everything_waits(self, world: World) -> None:
        world.configure(BREAKER_LIMIT="2", GIVE_UP_AFTER="PT10M")
        asked = await ask_for(world, *PEOPLE[:5])
        await all_at_once(world)
        await world.pass_by(hours=1)
        assert sorted(state(world, one) for one in asked) == [("done", "removed")] * 2 + [("waiting", "breaker")] * 3
        (alert,) = world.alerts
        breaker = world.control.switches().breaker
        assert breaker is not None
        assert (breaker.on, breaker.by, breaker.announced) == (True, "reregister", True)
        assert alert["data"]["kind"] == "breaker-opened"
        assert "2 resets in an hour" in alert["data"]["why"]

    async def test_it_opens_with_the_reset_that_reaches_the_limit(self, world: World) -> None:
        world.configure(BREAKER_LIMIT="1")
        (one,) = await ask_for(world, PATTI)
        await world.settle()
        assert state(world, one) == ("done", "removed")
        assert len(world.alerts) == 1

    async def test_once_a_human_closes_it_they_go_on_and_it_may_open_again(self, world: World) -> None:
        world.configure(BREAKER_LIMIT="3")
        asked = await ask_for(world, *PEOPLE)
        for done in (3, 6):
            await all_at_once(world)
            await world.pass_by(minutes=30)
            assert sum(state(world, one)[0] == "done" for one in asked) == done
            await turn(world, SwitchName.BREAKER, on=False)
            await world.pass_by(minutes=2)
        await world.settle()
        assert {state(world, one)[0] for one in asked} == {"done"}
        assert len({alert["id"] for alert in world.alerts}) == len(world.alerts) == 2

    @pytest.mark.parametrize("ahead", [timedelta(seconds=2), timedelta(minutes=10), timedelta(days=400)])
    async def test_a_closers_clock_that_is_ahead_does_not_blind_it(self, world: World, ahead: timedelta) -> None:
        world.configure(BREAKER_LIMIT="2")
        asked = await ask_for(world, *PEOPLE)
        await all_at_once(world)
        await turn(world, SwitchName.BREAKER, on=False, ahead=ahead)
        await world.pass_by(minutes=5)
        assert sum(state(world, one) == ("done", "removed") for one in asked) == 4
        breaker = world.control.switches().breaker
        assert breaker is not None
        assert breaker.on

    async def test_an_hour_alone_does_not_close_it(self, world: World) -> None:
        world.configure(BREAKER_LIMIT="1")
        await ask_for(world, PATTI)
        await world.settle()
        (second,) = await ask_for(world, CHRISTIE)
        await world.pass_by(hours=3)
        assert state(world, second) == ("waiting", "breaker")

    async def test_a_limit_of_nothing_opens_it_at_the_first_request(self, world: World) -> None:
        world.configure(BREAKER_LIMIT="0")
        (one,) = await ask_for(world, PATTI)
        await world.pass_by(hours=2)
        assert state(world, one) == ("waiting", "breaker")
        assert (world.writes(), len(world.alerts)) == ([], 1)

    async def test_many_workers_at_once_never_pass_it(self, world: World) -> None:
        world.configure(BREAKER_LIMIT="3")
        await ask_for(world, *PEOPLE)
        await all_at_once(world)
        assert len({record.id for record in world.records if record.removals or record.revoked_at}) == 3
        assert len(world.ledger.resets()) == 3

    async def test_a_dry_run_is_not_held_by_it_and_does_not_fill_it(self, world: World) -> None:
        world.configure(BREAKER_LIMIT="1", MODE="dry-run")
        await turn(world, SwitchName.BREAKER, on=True)
        asked = await ask_for(world, *PEOPLE[:3])
        await world.settle()
        assert {state(world, one) for one in asked} == {("done", "dry-run")}
        assert (world.ledger.resets(), world.writes()) == ((), [])

    async def test_a_worker_killed_before_it_could_open_it_leaves_that_to_the_next(self, world: World) -> None:
        world.configure(BREAKER_LIMIT="1")
        rehearsal = World()
        rehearsal.configure(BREAKER_LIMIT="1")
        await rehearsal.webhook()
        begun = len(rehearsal.calls.log)
        await rehearsal.work()
        await world.webhook()
        world.calls.kill_at((rehearsal.calls.names()[begun:].index("control.turn") + 1, False))
        await world.work()
        assert world.control.switches().breaker is None
        (second,) = await ask_for(world, PATTI)
        await world.work()
        assert state(world, second) == ("waiting", "breaker")
        await world.sweep()
        assert len(world.alerts) == 1
        await turn(world, SwitchName.BREAKER, on=False)
        await world.pass_by(hours=1)
        await turn_if_on(world)
        await world.settle()
        assert {record.outcome for record in world.records} == {"done"}

    async def test_what_was_begun_is_carried_to_its_end_though_it_opens(self, world: World) -> None:
        await world.webhook()
        world.calls.kill_at(await up_to("directory.remove", after=True))
        await world.work()
        await turn(world, SwitchName.BREAKER, on=True)
        await world.settle()
        assert world.outcome == ("done", "removed")

    async def test_one_that_waits_is_judged_on_facts_of_when_it_closes(self, world: World) -> None:
        await turn(world, SwitchName.BREAKER, on=True)
        (one,) = await ask_for(world, PATTI)
        await world.pass_by(minutes=5)
        assert state(world, one) == ("waiting", "breaker")
        one.approval = "rejected"
        await turn(world, SwitchName.BREAKER, on=False)
        await world.settle()
        assert state(world, one) == ("refused", "ticket-not-approved")
        assert world.writes() == []

    async def test_the_desk_is_told_once_and_no_time_that_nobody_knows(self, world: World) -> None:
        await turn(world, SwitchName.BREAKER, on=True)
        (one,) = await ask_for(world, PATTI)
        await world.pass_by(hours=5)
        (note,) = [note for note in one.work_notes if " waiting]" in note]
        assert note.endswith("Waiting, because the safety switch has opened. Nothing is lost.")


async def turn_if_on(world: World) -> None:
    breaker = world.control.switches().breaker
    if breaker is not None and breaker.on:
        await turn(world, SwitchName.BREAKER, on=False)


class TestTheAlertOfTheBreaker:
    async def opened(self, world: World) -> None:
        world.configure(BREAKER_LIMIT="1")
        await ask_for(world, PATTI)
        await world.work()

    async def test_the_sweep_publishes_it_when_nobody_could(self, world: World) -> None:
        world.calls.fail(
            "queue.publish",
            Unavailable(WaitingFor.STORAGE, "down"),
            when=lambda arguments: bool(arguments[0]["type"].endswith("alert")),
        )
        await self.opened(world)
        await world.sweep()
        assert world.alerts == []
        await world.sweep()
        (alert,) = world.alerts
        await world.sweep()
        assert world.alerts == [alert]

    async def test_it_is_published_at_least_once_and_under_one_id_though_workers_die(self, world: World) -> None:
        world.configure(BREAKER_LIMIT="0")
        await turn(world, SwitchName.BREAKER, on=True)
        for death in [(2, True), (2, False), (3, False), (3, True)]:
            world.calls.kill_at(death)
            await world.sweep()
        await world.sweep()
        assert len({alert["id"] for alert in world.alerts}) == 1
        assert all(alert["data"]["kind"] == "breaker-opened" for alert in world.alerts)
        settled = len(world.alerts)
        await world.sweep()
        assert len(world.alerts) == settled

    async def test_one_that_is_closed_has_nothing_to_say_any_more(self, world: World) -> None:
        await turn(world, SwitchName.BREAKER, on=True)
        await turn(world, SwitchName.BREAKER, on=False)
        await world.sweep()
        assert world.alerts == []

    async def test_a_pause_is_somebodys_will_and_no_alert(self, world: World) -> None:
        await turn(world, SwitchName.PAUSE, on=True)
        await world.sweep()
        assert world.alerts == []

    async def test_a_reset_is_not_held_up_by_an_alert_that_cannot_be_published(self, world: World) -> None:
        world.calls.fail(
            "queue.publish",
            Unavailable(WaitingFor.STORAGE, "down"),
            times=None,
            when=lambda arguments: bool(arguments[0]["type"].endswith("alert")),
        )
        await self.opened(world)
        assert {record.outcome for record in world.records} == {"done"}


class TestPause:
    async def test_nothing_is_asked_of_anybody_while_it_lasts(self, world: World) -> None:
        await turn(world, SwitchName.PAUSE, on=True)
        (one,) = await ask_for(world, PATTI)
        await world.pass_by(hours=2)
        assert state(world, one) == ("waiting", "paused")
        assert not any(name.startswith(("directory.", "desk.read")) for name in world.calls.names())

    async def test_once_it_ends_everything_goes_on_within_minutes(self, world: World) -> None:
        await turn(world, SwitchName.PAUSE, on=True)
        asked = await ask_for(world, *PEOPLE)
        await world.pass_by(hours=1)
        await turn(world, SwitchName.PAUSE, on=False)
        resumed = world.clock.now()
        await world.settle()
        assert {state(world, one)[0] for one in asked} == {"done"}
        assert all(at - resumed < timedelta(minutes=2) for record in world.records if (at := record.ended_at))

    async def test_it_lasts_as_long_as_somebody_wants(self, world: World) -> None:
        world.configure(GIVE_UP_AFTER="PT5M")
        await turn(world, SwitchName.PAUSE, on=True)
        (one,) = await ask_for(world, PATTI)
        await world.pass_by(hours=5)
        assert state(world, one) == ("waiting", "paused")
        await turn(world, SwitchName.PAUSE, on=False)
        await world.settle()
        assert state(world, one) == ("done", "removed")

    @pytest.mark.parametrize(
        ("spoil", "reason"),
        [
            (lambda one: setattr(one, "approval", "requested"), "ticket-not-approved"),
            (lambda one: setattr(one, "active", False), "ticket-closed"),
            (lambda one: one.approvals.clear(), "ticket-not-approved"),
        ],
    )
    async def test_whoever_withdrew_meanwhile_is_heard(self, world: World, spoil: Any, reason: str) -> None:
        await turn(world, SwitchName.PAUSE, on=True)
        (one,) = await ask_for(world, PATTI)
        await world.pass_by(hours=2)
        spoil(one)
        await turn(world, SwitchName.PAUSE, on=False)
        await world.settle()
        assert state(world, one) == ("refused", reason)
        assert world.writes() == []

    async def test_an_approval_grows_old_meanwhile(self, world: World) -> None:
        world.configure(APPROVAL_MAX_AGE="PT1H")
        await turn(world, SwitchName.PAUSE, on=True)
        (one,) = await ask_for(world, PATTI)
        await world.pass_by(minutes=61)
        await turn(world, SwitchName.PAUSE, on=False)
        await world.settle()
        assert state(world, one) == ("refused", "approval-expired")

    @pytest.mark.parametrize(("minutes", "end"), [(55, ("done", "removed")), (61, ("refused", "request-expired"))])
    async def test_an_event_without_a_ticket_has_its_age_judged_anew(
        self, world: World, minutes: int, end: tuple[str, str]
    ) -> None:
        world.configure(REQUEST_MAX_AGE="PT1H")
        await turn(world, SwitchName.PAUSE, on=True)
        world.message()
        await world.pass_by(minutes=minutes)
        await turn(world, SwitchName.PAUSE, on=False)
        await world.settle()
        assert world.outcome == end

    async def test_it_holds_a_dry_run_too(self, world: World) -> None:
        world.configure(MODE="dry-run")
        await turn(world, SwitchName.PAUSE, on=True)
        (one,) = await ask_for(world, PATTI)
        await world.pass_by(hours=1)
        assert state(world, one) == ("waiting", "paused")

    async def test_what_was_begun_is_carried_to_its_end(self, world: World) -> None:
        await world.webhook()
        world.calls.kill_at(await up_to("directory.remove", after=True))
        await world.work()
        await turn(world, SwitchName.PAUSE, on=True)
        await world.settle()
        assert world.outcome == ("done", "removed")

    @pytest.mark.parametrize("name", SwitchName)
    async def test_one_that_comes_just_before_the_first_change_still_holds(self, world: World, name: SwitchName) -> None:
        gate = world.calls.hold("directory.lacking")
        await world.webhook()
        worker = asyncio.create_task(world.work())
        await gate.reached.wait()
        await turn(world, name, on=True)
        gate.opened.set()
        await worker
        assert world.record.waiting_for == {"pause": "paused", "breaker": "breaker"}[name]
        assert (world.writes(), world.ledger.resets()) == ([], ())
        await turn(world, name, on=False)
        await world.settle()
        assert world.outcome == ("done", "removed")

    async def test_both_switches_have_to_be_back(self, world: World) -> None:
        await turn(world, SwitchName.PAUSE, on=True)
        await turn(world, SwitchName.BREAKER, on=True)
        (one,) = await ask_for(world, PATTI)
        await world.pass_by(minutes=5)
        await turn(world, SwitchName.PAUSE, on=False)
        await world.pass_by(minutes=5)
        assert state(world, one) == ("waiting", "breaker")
        await turn(world, SwitchName.BREAKER, on=False)
        await world.settle()
        assert state(world, one) == ("done", "removed")


class TestWhatCannotBeKnownIsNotPassed:
    @pytest.mark.parametrize("call", ["control.read", "ledger.read", "ledger.commit"])
    async def test_it_waits_for_storage_and_then_goes_on(self, world: World, call: str) -> None:
        world.calls.down(WaitingFor.STORAGE, call)
        await world.webhook()
        await world.pass_by(minutes=10)
        assert (world.record.status, world.record.waiting_for) == ("waiting", "storage")
        assert world.writes() == []
        world.calls.heal()
        await world.settle()
        assert world.outcome == ("done", "removed")

    @pytest.mark.parametrize("call", ["control.read", "ledger.read", "ledger.commit"])
    async def test_it_gives_up_in_the_end(self, world: World, call: str) -> None:
        world.calls.down(WaitingFor.STORAGE, call)
        assert await world.ended() == ("failed", "internal-error")
        assert world.writes() == []

    @pytest.mark.parametrize("name", SwitchName)
    async def test_a_switch_that_somebody_spoilt_is_on(self, world: World, name: SwitchName) -> None:
        world.control.spoil(name)
        await world.webhook()
        await world.pass_by(hours=1)
        assert world.record.status == "waiting"
        assert world.writes() == []

    @pytest.mark.parametrize("row", [None, "person"])
    async def test_counts_that_somebody_spoilt_let_nothing_through(self, world: World, row: str | None) -> None:
        world.ledger.spoil(world.tenant.account(ADELE).person.id if row else None)
        assert await world.ended() == ("failed", "internal-error")
        assert world.writes() == []

    async def test_a_count_whose_answer_was_lost_counts_once(self, world: World) -> None:
        world.calls.fail("ledger.commit", Unavailable(WaitingFor.STORAGE, "lost"), after=True)
        assert await world.ended() == ("done", "removed")
        assert len(world.ledger.resets()) == 1

    async def test_breaker_that_cannot_be_opened_lets_no_more_through_all_the_same(self, world: World) -> None:
        world.configure(BREAKER_LIMIT="1")
        world.calls.down(WaitingFor.STORAGE, "control.turn")
        asked = await ask_for(world, PATTI, CHRISTIE, DIEGO)
        await world.pass_by(minutes=30)
        assert len({record.id for record in world.records if record.removals}) <= 1
        assert sum(state(world, one)[0] == "done" for one in asked) <= 1


class TestWhatIsCounted:
    async def test_one_reset_with_its_person_and_everybody_who_answers_for_it(self, world: World) -> None:
        assert await world.ended() == ("done", "removed")
        (reset,) = world.ledger.resets()
        assert reset.request_id == world.record.id
        assert reset.subject_id == world.record.pins.subject_id
        assert reset.actors == (f"requester:{build.OPENER}", f"approver:{build.APPROVER}")

    async def test_before_the_first_change_and_never_in_a_later_turn(self, world: World) -> None:
        await world.ended()
        names = world.calls.names()
        first_write = min(names.index(name) for name in world.writes())
        commits = [place for place, name in enumerate(names) if name == "ledger.commit"]
        assert len(commits) == 1
        assert commits[0] < first_write

    async def test_what_is_too_old_is_not_kept(self, world: World) -> None:
        for number, upn in enumerate((PATTI, CHRISTIE, DIEGO)):
            await ask(world, ticket(world, number, upn))
            await world.settle()
            await world.pass_by(minutes=59)
        assert len(world.ledger.resets()) == 2

    async def test_only_an_approver_whose_approval_counts_answers(self, world: World) -> None:
        world.ticket.approvals = [
            build.approval("1" * 32),
            build.approval("2" * 32, "requested"),
            build.approval("3" * 32, updated_at=build.before(days=9)),
            build.approval(build.SUBJECT),
        ]
        assert await world.ended() == ("done", "removed")
        (reset,) = world.ledger.resets()
        assert reset.actors == (f"requester:{build.OPENER}", f"approver:{'1' * 32}")
