"""What time brings up: lost messages, dead workers, waits that are over. Nothing that is well under way is disturbed."""

import asyncio
import contextlib
from datetime import timedelta

import pytest

from shared import sweep
from shared.model import Switch, SwitchName, WaitingFor
from shared.ports import Conflict, Unavailable
from tests.unit import build
from tests.unit.world import World

# A request may be due, an order be waiting, a breaker be open and not announced, somebody be held for a switch that is off
IDLE = ["journal.due", "orders.waiting", "control.read", "journal.held", "journal.held"]
HOURLY = ["journal.expired", "letters.forget"]  # what was kept long enough


async def test_six_reads_when_there_is_nothing_to_do(world: World) -> None:
    app = world.app()
    assert await sweep.sweep(app) == 0
    assert world.calls.names() == IDLE + HOURLY
    assert await sweep.sweep(app) == 0
    assert world.calls.names() == IDLE + HOURLY + IDLE


async def test_nothing_comes_back_once_all_is_done(world: World) -> None:
    await world.webhook()
    await world.settle()
    await world.clock.pass_by(days=30)
    calls = len(world.calls.log)
    assert await sweep.sweep(world.app()) == 0
    assert world.calls.names()[calls:] == IDLE + HOURLY


async def test_a_message_that_got_lost_on_its_way_to_the_queue_is_put_there(world: World) -> None:
    world.calls.fail("queue.put", Unavailable(WaitingFor.STORAGE, "down"))
    assert (await world.webhook()).status == 503
    await world.settle()
    assert world.outcome == ("done", "removed")
    assert world.clock.now() - world.start < timedelta(minutes=3)


async def test_what_the_queue_does_not_take_is_tried_at_the_next_tick(world: World) -> None:
    await world.webhook()
    world.queue.messages.clear()
    await world.clock.pass_by(minutes=2)
    world.calls.fail("queue.put", Unavailable(WaitingFor.STORAGE, "down"))
    assert await sweep.sweep(world.app()) == 0
    await world.clock.pass_by(seconds=30)
    assert await sweep.sweep(world.app()) == 1


async def test_a_message_that_nobody_takes_is_not_put_there_all_the_time(world: World) -> None:
    await world.webhook()
    for _ in range(60):
        await world.clock.pass_by(seconds=30)
        await world.sweep()
    assert 1 < len(world.queue.messages) <= 8


async def test_what_waits_for_its_time_is_left_alone(world: World) -> None:
    world.calls.down(WaitingFor.GRAPH, "directory.person", retry_after=timedelta(minutes=30))
    await world.webhook()
    await world.work()
    await world.clock.pass_by(minutes=29)
    assert await world.sweep() == 0


async def test_a_wake_up_that_got_lost_is_made_up_for_soon(world: World) -> None:
    world.calls.down(WaitingFor.GRAPH, "directory.person", retry_after=timedelta(minutes=30))
    await world.webhook()
    await world.work()
    world.queue.messages.clear()
    world.calls.heal()
    await world.settle()
    assert world.outcome == ("done", "removed")
    assert world.clock.now() - world.start < timedelta(minutes=33)


async def test_a_worker_at_work_is_not_disturbed(world: World) -> None:
    world.calls.slow("directory.standing", seconds=30)
    await world.webhook()
    worker = asyncio.create_task(world.work())
    for _ in range(2):
        await world.clock.pass_by(seconds=30)
        assert await world.sweep() == 0
    await worker
    assert world.calls.count("directory.standing") == 2  # once to decide, once to confirm


async def test_what_the_journal_lists_too_early_is_left_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def too_early(*_: object) -> tuple[str, ...]:
        return (world.record.id,)

    await world.webhook()
    monkeypatch.setattr(world.journal, "due", too_early)
    assert await sweep.sweep(world.app()) == 0
    await world.clock.pass_by(minutes=2)
    assert await sweep.sweep(world.app()) == 1


async def test_a_dead_worker_is_replaced_once_its_lease_is_over(world: World) -> None:
    world.configure(CLAIM_LEASE="PT1M")
    world.calls.kill_at((9, False))
    await world.webhook()
    await world.work()
    world.queue.messages.clear()
    await world.clock.pass_by(seconds=55)
    assert await world.sweep() == 0
    await world.clock.pass_by(seconds=15)
    assert await world.sweep() == 1
    await world.settle()
    assert world.outcome == ("done", "removed")


async def test_who_gets_there_first_puts_it_back_alone(world: World) -> None:
    world.calls.fail("queue.put", Unavailable(WaitingFor.STORAGE, "down"))
    await world.webhook()
    await world.clock.pass_by(minutes=2)
    counts = await asyncio.gather(*(sweep.sweep(world.app()) for _ in range(4)))
    assert sum(counts) == 1
    assert len(world.queue.messages) == 1


async def test_a_request_that_moves_on_meanwhile_is_left_alone(world: World) -> None:
    world.calls.fail("queue.put", Unavailable(WaitingFor.STORAGE, "down"))
    await world.webhook()
    await world.clock.pass_by(minutes=2)
    world.calls.fail("journal.commit", Conflict())
    assert await sweep.sweep(world.app()) == 0
    assert world.queue.messages == []


async def test_a_queue_that_is_down_is_tried_again(world: World) -> None:
    world.calls.fail("queue.put", Unavailable(WaitingFor.STORAGE, "down"), times=4)
    await world.webhook()
    await world.settle(timedelta(hours=2))
    assert world.outcome == ("done", "removed")


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("control.read", Unavailable(WaitingFor.STORAGE, "down")),
        ("control.read", RuntimeError()),
        ("queue.publish", RuntimeError()),
        ("control.announced", Unavailable(WaitingFor.STORAGE, "down")),
    ],
)
async def test_requests_are_put_back_whatever_becomes_of_an_announcement(world: World, call: str, error: Exception) -> None:
    await world.webhook()
    world.queue.messages.clear()
    await world.clock.pass_by(minutes=2)
    assert await world.control.turn(SwitchName.BREAKER, Switch(on=True, by="chris", why="?", at=world.clock.now()))
    world.calls.fail(call, error)
    with contextlib.suppress(RuntimeError):
        await sweep.sweep(world.app())
    assert len(world.queue.messages) == 1


@pytest.mark.parametrize("error", [Unavailable(WaitingFor.STORAGE, "down"), RuntimeError()])
async def test_an_open_breaker_is_announced_whatever_becomes_of_the_requests(world: World, error: Exception) -> None:
    assert await world.control.turn(SwitchName.BREAKER, Switch(on=True, by="chris", why="?", at=world.clock.now()))
    world.calls.fail("journal.due", error)
    with contextlib.suppress(RuntimeError):
        await sweep.sweep(world.app())
    assert len(world.alerts) == 1


@pytest.mark.parametrize("position", [0, 1, 2])
async def test_a_record_that_cannot_be_true_does_not_keep_the_others_back(world: World, position: int) -> None:
    for number in range(3):
        await world.journal.commit(build.record(id=f"{number:032x}"), None)
    world.journal.spoil(build.record(id=f"{position:032x}", subject="both", updated_at=build.NOW))
    await world.clock.pass_by(minutes=2)
    assert await sweep.sweep(world.app()) == 2


@pytest.mark.parametrize("listed", ["due", "held"])
async def test_a_request_that_somebody_has_deleted_is_out_of_the_list(
    world: World, listed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def left_over(*_: object) -> tuple[str, ...]:
        return ("0" * 32,)

    monkeypatch.setattr(world.journal, listed, left_over)
    assert await sweep.sweep(world.app()) == 0
    assert ("journal.give_up", ("0" * 32,)) in world.calls.log


async def test_a_journal_that_is_down_puts_nothing_anywhere(world: World) -> None:
    await world.webhook()
    await world.clock.pass_by(minutes=2)
    world.calls.down(WaitingFor.STORAGE, "journal.due")
    assert await sweep.sweep(world.app()) == 0
    assert len(world.queue.messages) == 1


async def test_a_great_many_are_put_back_in_several_rounds(world: World) -> None:
    for number in range(sweep.AT_ONCE + 10):
        await world.journal.commit(build.record(id=f"{number:032x}"), None)
    await world.clock.pass_by(minutes=2)
    assert await sweep.sweep(world.app()) == sweep.AT_ONCE
    assert await sweep.sweep(world.app()) == 10
