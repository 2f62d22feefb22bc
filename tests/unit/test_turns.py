"""The edges of a turn: time that runs out, storage that hiccups, settings that change under a request, facts that arrive late."""

from datetime import timedelta

import pytest

from sandbox.people import ALEX
from shared import journal
from shared.model import WaitingFor
from shared.ports import Unavailable
from tests.unit.world import World


async def test_a_request_whose_ticket_system_is_unset_meanwhile_ends_though_an_event_has_joined_it(world: World) -> None:
    """The refusal rests on no facts of the ticket, so none can be too old for it."""
    world.calls.down(WaitingFor.GRAPH, "directory.person")
    await world.webhook("msg-1")
    await world.work()
    await world.webhook("msg-2")
    assert world.record.facts_read_at is not None
    assert world.record.latest_event_at > world.record.facts_read_at
    world.configure(SERVICENOW_URL=None, SERVICENOW_AUDIENCE=None, SERVICENOW_CATALOG_ITEMS=None)
    await world.settle()
    assert world.outcome == ("refused", "ticket-system-not-configured")


@pytest.mark.parametrize("seconds", range(64, 80))
async def test_an_outcome_that_is_being_written_when_time_runs_out_stands_or_is_written_later(world: World, seconds: int) -> None:
    await world.webhook()
    world.calls.slow("directory.revoke_sessions", seconds=seconds)
    world.calls.slow("journal.commit", seconds=3)
    await world.work()
    for record in world.records:
        journal.check(record)
    world.calls.slow("directory.revoke_sessions", seconds=0.1)
    world.calls.slow("journal.commit", seconds=0.1)
    await world.settle()
    assert world.outcome == ("done", "removed")
    assert {result["data"]["outcome"] for result in world.queue.results} == {"done"}
    assert len(world.notes("outcome")) == 1


async def test_an_invocation_stays_within_two_minutes_even_if_the_desk_hangs(world: World) -> None:
    await world.webhook()
    world.calls.slow("desk.write", seconds=200)
    world.calls.slow("directory.remove", seconds=9)
    world.calls.slow("directory.methods", seconds=19)
    before = world.clock.now()
    await world.work()
    assert world.clock.now() - before <= timedelta(minutes=2)


async def test_storage_that_hiccups_costs_no_try_and_is_said_to_be_waited_for(world: World) -> None:
    await world.webhook()
    for _ in range(2 * journal.TRIES):
        world.calls.fail("journal.commit", Unavailable(WaitingFor.STORAGE, "503"), skip=1)
        await world.pass_by(minutes=11)
        if world.record.outcome:
            break
        assert (world.record.status, world.record.waiting_for) in {("waiting", "storage"), ("running", None)}
        world.calls.heal()
    await world.settle()
    assert world.outcome == ("done", "removed")


async def test_the_person_is_bound_as_soon_as_they_are_known(world: World) -> None:
    world.calls.down(WaitingFor.GRAPH, "directory.standing", "directory.inventory")
    await world.webhook()
    await world.work()
    assert world.record.pins.subject_id is not None
    world.ticket_for(ALEX)
    world.calls.heal()
    await world.settle()
    assert world.outcome == ("refused", "ticket-changed")
    assert world.writes() == []


async def test_what_is_refused_anyway_is_refused_though_graph_makes_no_sense(world: World) -> None:
    world.ticket.approvals.clear()
    world.calls.fail("directory.person", RuntimeError("no such shape"), times=None)
    assert await world.ended() == ("refused", "ticket-not-approved")


async def test_a_mistyped_number_is_corrected_by_the_next_event(world: World) -> None:
    await world.webhook("msg-1", number="RITM9999999")
    await world.webhook("msg-2")
    await world.settle()
    assert world.outcome == ("done", "removed")
    assert world.record.attempt == 1
