"""A worker may die at any call to the outside, before its effect or after it: somebody else takes up the work, nothing shows."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sandbox.people import ADELE, ALEX, CHRISTIE, DIEGO, EMILY, JONI, Method
from shared import receipt
from shared.model import AlertKind, Reset, Switch, SwitchName, WaitingFor
from shared.ports import Forbidden, Unavailable
from shared.receipt import Anchor, EntryKind
from shared.record import Record
from shared.velocity import within_hour
from shared.wording import Answer
from tests.calls import Killed
from tests.unit import build
from tests.unit.world import ALL_METHODS, World, about
from tests.virtual_time import VirtualTimeLoop

type Story = Callable[[World], Awaitable[None]]

# ---- stories: how it is before, and how the demand comes in


async def deliver(world: World, event_id: str = "msg-1", **ticket: str) -> None:
    """The ticket system sends again what was not answered."""
    while (await answered(world, event_id, ticket)).status not in (200, 202):
        await world.clock.pass_by(seconds=5)


async def answered(world: World, event_id: str, ticket: Mapping[str, str]) -> Answer:
    try:
        return await world.webhook(event_id, **ticket)
    except Killed:
        world.calls.revive()
        return Answer(502, {}, {})


async def a_ticket(world: World) -> None:
    world.configure(SERVICENOW_DONE_STATE="3")
    await deliver(world)


async def a_message(world: World) -> None:
    world.message()


async def a_dry_run(world: World) -> None:
    world.configure(MODE="dry-run")
    await deliver(world)


async def a_deadlocked_default(world: World) -> None:
    world.ticket_for(ALEX)
    world.tenant.register(ALEX, world.tenant.account(ADELE).methods[2])
    world.permit(ALL_METHODS)
    await deliver(world)


async def a_hardware_token(world: World) -> None:
    world.ticket_for(CHRISTIE)
    await deliver(world)


async def everything(world: World) -> None:
    world.ticket.profile = "full-reset"
    world.configure(ALLOWED_PROFILES="full-reset", SERVICENOW_PROFILE_FIELD="u_profile")
    world.ticket_for(DIEGO)
    world.permit(ALL_METHODS)
    await deliver(world)


async def nothing_to_remove(world: World) -> None:
    world.ticket_for(EMILY)
    await deliver(world)


async def lists_that_lag(world: World) -> None:
    world.tenant.settings.lag_seconds = 20
    world.tenant.settings.rules_lag = True
    await deliver(world)


async def an_administrator(world: World) -> None:
    world.ticket_for(JONI)
    await deliver(world)


async def no_approval(world: World) -> None:
    world.ticket.approval = "requested"
    await deliver(world)


async def two_deliveries(world: World) -> None:
    await deliver(world, "msg-1")
    await deliver(world, "msg-2")


async def a_slow_desk(world: World) -> None:
    world.configure(CLAIM_LEASE="PT30S")
    world.calls.slow("desk.write", seconds=20)
    await deliver(world)


async def a_slow_graph(world: World) -> None:
    world.configure(CLAIM_LEASE="PT30S")
    world.calls.slow("desk.write", seconds=5)
    world.calls.slow("directory.remove", seconds=15)
    await deliver(world)


async def a_second_attempt(world: World) -> None:
    world.ticket.approval = "requested"
    await deliver(world, "msg-1")
    await world.settle()
    world.ticket.approval = "approved"
    await deliver(world, "msg-2")


async def a_graph_that_throttles(world: World) -> None:
    busy = Unavailable(WaitingFor.GRAPH, "429", timedelta(minutes=5))
    for call in ("directory.person", "directory.remove", "directory.methods"):
        world.calls.fail(call, busy)
    await deliver(world)


async def a_forbidden_removal(world: World) -> None:
    world.tenant.update(ADELE, default_method=None)
    world.calls.fail("directory.remove", Forbidden(WaitingFor.GRAPH, "403"), times=None, when=about("microsoftAuthenticator"))
    await deliver(world)


async def a_protected_person(world: World) -> None:
    world.configure(PROTECTED_USERS=world.adele)
    await deliver(world)


async def a_method_registered_since(world: World) -> None:
    world.tenant.update(ADELE, default_method=None)
    await deliver(world)
    world.tenant.register(ADELE, Method(type="softwareOath", id="new", created=world.start + timedelta(minutes=1)))


async def a_second_ticket(world: World) -> None:
    """For the same person, too soon."""
    second = replace(build.REF, sys_id="f" * 32, number="RITM0010002")
    world.desk.tickets[second.sys_id] = replace(world.ticket, ref=second, work_notes=[], comments=[])
    await deliver(world, "msg-1")
    await world.settle()
    await deliver(world, "msg-2", sys_id=second.sys_id, number=second.number)


async def the_last_before_the_breaker(world: World) -> None:
    """Whose worker dies before it changed anything has to wait for a human, too."""
    world.configure(BREAKER_LIMIT="2")
    world.ledger.count(build.counted(subject_id="somebody", at=world.start))
    await deliver(world)
    await world.pass_by(minutes=5)
    world.control.put(SwitchName.BREAKER, build.switch(on=False, at=world.clock.now()))


async def one_too_many_for_the_breaker(world: World) -> None:
    world.configure(BREAKER_LIMIT="2")
    for somebody in ("one", "another"):
        world.ledger.count(build.counted(request_id=somebody, subject_id=somebody, at=world.start))
    await deliver(world)
    await world.pass_by(minutes=15)
    world.control.put(SwitchName.BREAKER, build.switch(on=False, at=world.clock.now()))


async def one_too_many_for_an_actor(world: World) -> None:
    world.configure(ACTOR_HOURLY_LIMIT="1")
    world.ledger.count(build.counted(subject_id="somebody", at=world.start))
    await deliver(world)


async def a_pause(world: World) -> None:
    world.control.put(SwitchName.PAUSE, build.switch(at=world.start))
    await deliver(world)
    await world.pass_by(minutes=15)
    world.control.put(SwitchName.PAUSE, build.switch(on=False, at=world.clock.now()))


async def a_dead_letter(world: World) -> None:
    message = world.ticket_message()
    world.queue.messages.clear()
    world.queue.set_aside(message.text)


async def a_dead_letter_reopened(world: World) -> None:
    await a_dead_letter(world)
    await world.pass_by(minutes=10)
    (letter,) = world.letters.letters()
    world.orders.put(build.order(target=letter.id, at=world.clock.now()))


async def a_broken_record(world: World) -> None:
    await deliver(world)
    world.queue.messages.clear()
    world.journal.scribble(world.record.id, "?")


async def a_reopening(world: World) -> None:
    world.ticket.active = False
    await deliver(world)
    await world.pass_by(minutes=10)
    world.ticket.active = True
    world.orders.put(build.order(target=world.record.id, at=world.clock.now()))


STORIES: tuple[Story, ...] = (
    a_ticket,
    a_message,
    a_dry_run,
    a_dead_letter,
    a_dead_letter_reopened,
    a_broken_record,
    a_reopening,
    a_deadlocked_default,
    a_hardware_token,
    everything,
    nothing_to_remove,
    lists_that_lag,
    an_administrator,
    no_approval,
    two_deliveries,
    a_slow_desk,
    a_slow_graph,
    a_second_attempt,
    a_graph_that_throttles,
    a_forbidden_removal,
    a_protected_person,
    a_method_registered_since,
    a_second_ticket,
    the_last_before_the_breaker,
    one_too_many_for_the_breaker,
    one_too_many_for_an_actor,
    a_pause,
)


# ---- how it is afterwards


def end_of(world: World) -> dict[str, Any]:
    """What outsiders can see when all is over; a result that was published again with the same content counts once."""
    return {
        "registered": {account.person.id: sorted(account.types()) for account in world.tenant.accounts.values()},
        "removed": Counter((r["type"], r["id"], r["how"]) for a in world.tenant.accounts.values() for r in a.removals),
        "revoked": {who for who, account in world.tenant.accounts.items() if account.revocations},
        "tickets": [(one.state, sorted(map(timeless, one.work_notes)), one.comments) for one in world.desk.tickets.values()],
        "published": {(timeless(event["id"]), timeless(repr(event["data"]))) for event in world.queue.results},
        "counted": {(reset.request_id, reset.subject_id, reset.actors) for reset in counted_of(world)},
        "switches": [switch and (switch.on, switch.by, switch.why, switch.announced) for switch in switches_of(world)],
        "requests": [(r.status, r.reasons, r.attempt, r.owed, r.message, r.lease) for r in world.records],
        "outcomes on record": [outcome_on_record(world, record) for record in world.records],
        "left on queues": (world.queue.messages, world.queue.aside),
        "dead letters": [
            (one.id, one.reason, one.announced, one.resolution and one.resolution.how) for one in world.letters.letters()
        ],
        "orders": world.orders.orders(),
    }


def counted_of(world: World) -> tuple[Reset, ...]:
    """What the limits saw when a reset was last counted; the ledger keeps a little more."""
    resets = world.ledger.resets()
    return within_hour(resets, resets[-1].at) if resets else ()


def outcome_on_record(world: World, record: Record) -> tuple[object, ...]:
    """What the receipt says at the journal's anchor; that it is whole, `World.settle` has seen."""
    lines = receipt.lines(world.receipts.blob(record.id))
    (line,) = [line for line in lines if record.receipt == Anchor(line.hash, line.sequence)]
    assert line is [line for line in lines if line.kind == EntryKind.OUTCOME][-1]
    said = line.data
    return line.attempt, said["outcome"], said["reasons"], sorted((one["type"], one["id"]) for one in said["removed"])


def switches_of(world: World) -> tuple[Switch | None, Switch | None]:
    switches = world.control.switches()
    return switches.pause, switches.breaker


def timeless(text: str) -> str:
    """Without times, and without where the receipt stands, which depends on them and on who has written to it."""
    return re.sub(r"2026-\S+ \S+ UTC|2026-\d\d-\d\dT[\d:.]+Z|[0-9a-f]{64}|'sequence': \d+", "", text)


def told(story: Story, *deaths: tuple[int, bool]) -> tuple[dict[str, Any], list[str]]:
    """The end of a story in which workers die at these calls, counted from the last death, and the calls that it took."""

    async def tell() -> tuple[dict[str, Any], list[str]]:
        world = World()
        world.calls.kill_at(*deaths)
        await story(world)
        await world.settle()
        return end_of(world), world.calls.names()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(tell())


CALLED = {
    *("journal.find", "journal.commit", "journal.due", "journal.held", "ledger.read", "ledger.commit"),
    *("control.read", "control.turn", "control.announced", "queue.put", "queue.publish", "desk.read", "desk.write"),
    *("directory.person", "directory.standing", "directory.inventory", "directory.lacking", "directory.prefer"),
    *("directory.remove", "directory.revoke_sessions", "directory.methods"),
    *("queue.poisoned", "queue.buried", "letters.keep", "letters.announced", "letters.find", "letters.resolved"),
    *("journal.remains", "journal.give_up", "orders.waiting", "orders.settled", "receipts.read", "receipts.append"),
    *("journal.expired", "letters.forget"),
}


def test_the_stories_make_every_call_that_an_attempt_can_make() -> None:
    assert {name for story in STORIES for name in told(story)[1]} - {"clock.sleep"} == CALLED


@pytest.mark.parametrize(
    ("story", "reason", "kinds"),
    [
        (an_administrator, "user-privileged", {"privileged-subject"}),
        (a_protected_person, "user-protected", {"protected-subject"}),
        (a_method_registered_since, "removed", {"method-registered"}),
        (a_second_ticket, "cooldown", set()),
        (the_last_before_the_breaker, "removed", {"breaker-opened"}),
        (one_too_many_for_the_breaker, "removed", {"breaker-opened"}),
        (one_too_many_for_an_actor, "removed", set()),
        (a_pause, "removed", set()),
    ],
)
def test_a_story_without_a_death_ends_as_it_should(story: Story, reason: str, kinds: set[str]) -> None:
    end, _ = told(story)
    assert end["requests"][-1][1] == (reason,)
    assert {kind for kind in AlertKind if any(f"'kind': '{kind}'" in data for _, data in end["published"])} == kinds


def differences(end: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    return {name: (end[name], expected[name]) for name in expected if end[name] != expected[name]}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_a_death_at_any_call_changes_nothing(story: Story, after: bool) -> None:
    expected, calls = told(story)
    for number in range(1, len(calls) + 1):
        end, _ = told(story, (number, after))
        assert not (shows := differences(end, expected)), f"a death at call {number} shows: {shows}"


def test_two_deaths_at_any_two_calls_change_nothing() -> None:
    expected, calls = told(a_ticket)
    for first in range(1, len(calls) + 1):
        for second in range(1, len(calls) - first + 8):
            end, _ = told(a_ticket, (first, True), (second, True))
            shows = differences(end, expected)
            assert not shows, f"deaths at calls {first} and {second} after it show: {shows}"


CALLS = {
    WaitingFor.STORAGE: (
        *("journal.find", "journal.commit", "journal.due", "journal.held", "queue.put", "queue.publish"),
        *("control.read", "ledger.read", "ledger.commit", "receipts.read", "receipts.append"),
    ),
    WaitingFor.TICKET_SYSTEM: ("desk.read", "desk.write"),
    WaitingFor.GRAPH: (
        *("directory.person", "directory.standing", "directory.inventory", "directory.lacking"),
        *("directory.remove", "directory.revoke_sessions", "directory.methods"),
    ),
}


@pytest.mark.parametrize("seed", range(60))
async def test_on_a_bad_day_all_the_same(world: World, seed: int) -> None:
    """Every third call to Graph and to the desk fails, half of those after their effect, storage at times, and workers die."""
    dice = random.Random(seed)
    for service, calls in CALLS.items():
        often = 1 / 100 if service is WaitingFor.STORAGE else 1 / 6
        for call in calls:
            for after in (False, True):
                error = Unavailable(service, "a bad day", dice.choice((None, None, timedelta(seconds=dice.randint(1, 300)))))
                world.calls.fail(call, error, times=None, after=after, when=lambda _, often=often: dice.random() < often)
    world.configure(GIVE_UP_AFTER="P1D")
    world.calls.kill_at(*((dice.randint(10, 100), dice.random() < 0.5) for _ in range(2)))
    await deliver(world)
    await world.settle()
    assert world.outcome == ("done", "removed")
    assert world.types() == []
    assert len(world.tenant.account(ADELE).removals) == 3
    assert (len(world.notes("start")), len(world.notes("outcome")), len(world.ticket.comments)) == (1, 1, 1)
    assert (world.queue.messages, world.queue.aside) == ([], [])
