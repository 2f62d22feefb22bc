"""Who waits for a human, or for the hour, waits in the journal: nothing circles through the queue, nothing is lost, nobody waits
longer than until the next sweep."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared import sweep
from shared.model import Switch, SwitchName, WaitingFor
from shared.ports import Conflict, Unavailable
from tests.unit import build
from tests.unit.world import SWEEP_EVERY, World

PAUSE, BREAKER = SwitchName.PAUSE, SwitchName.BREAKER
FOR = {PAUSE: WaitingFor.PAUSED, BREAKER: WaitingFor.BREAKER}


async def turn(world: World, name: SwitchName, *, on: bool) -> None:
    assert await world.control.turn(name, Switch(on, "chris", "looked at", world.clock.now()))


async def held(world: World, name: SwitchName = PAUSE) -> None:
    """The one ticket's request waits for this switch."""
    await turn(world, name, on=True)
    await world.webhook()
    await world.work()
    assert world.record.waiting_for is FOR[name]


async def waiting(world: World, count: int, waiting_for: WaitingFor = WaitingFor.PAUSED) -> None:
    """So many requests were held long ago."""
    for number in range(count):
        opened = world.clock.now() - timedelta(minutes=number)
        await world.journal.commit(build.held(waiting_for, id=f"{number:032x}", attempts_opened=(opened,)), None)


def calls_since(world: World, count: int) -> list[str]:
    return world.calls.names()[count:]


@pytest.mark.parametrize("name", SwitchName)
class TestWhileASwitchIsOn:
    async def test_no_message_waits_on_the_queue_and_the_sweep_does_nothing(self, world: World, name: SwitchName) -> None:
        await held(world, name)
        await world.pass_by(minutes=10)
        told = world.record
        assert (world.queue.messages, told.next_try_at) == ([], None)
        calls = len(world.calls.log)
        for _ in range(40):
            await world.clock.pass_by(seconds=15)
            assert await world.sweep() == 0
        assert world.record == told
        assert not {"journal.find", "journal.commit", "queue.put"} & set(calls_since(world, calls))

    async def test_it_costs_no_more_however_many_wait(self, world: World, name: SwitchName) -> None:
        await turn(world, name, on=True)
        await world.sweep()
        calls = len(world.calls.log)
        await world.sweep()
        quiet = calls_since(world, calls)
        await waiting(world, 50, FOR[name])
        calls = len(world.calls.log)
        await world.sweep()
        assert calls_since(world, calls) == quiet

    async def test_a_copy_of_its_message_ends_and_nothing_is_done(self, world: World, name: SwitchName) -> None:
        await held(world, name)
        before, calls = world.record, len(world.calls.log)
        assert before.message is not None
        world.queue.insert(before.message)
        await world.work()
        assert (world.record, world.queue.messages) == (before, [])
        assert calls_since(world, calls) == ["journal.find"]

    async def test_another_event_joins_and_is_heard_when_it_goes_on(self, world: World, name: SwitchName) -> None:
        await held(world, name)
        world.ticket_message("another")
        assert (await world.webhook("msg-2")).status == 202
        await world.pass_by(minutes=2)
        assert (world.record.waiting_for, world.queue.messages, world.writes()) == (FOR[name], [], [])
        await turn(world, name, on=False)
        await world.settle()
        assert world.outcome == ("done", "removed")
        assert len(world.notes("outcome")) == 1

    async def test_the_desk_is_told_once_and_only_when_it_lasts(self, world: World, name: SwitchName) -> None:
        await held(world, name)
        await world.pass_by(minutes=2, seconds=50)
        assert world.notes("waiting") == []
        await world.pass_by(hours=9)
        assert len(world.notes("waiting")) == 1
        assert world.calls.count("queue.put") == 2  # the demand, and once for the note

    async def test_what_could_not_be_told_is_tried_on_and_holds_nothing_up(self, world: World, name: SwitchName) -> None:
        await held(world, name)
        world.calls.down(WaitingFor.TICKET_SYSTEM, "desk.write", retry_after=timedelta(hours=6))
        await world.pass_by(minutes=10)
        assert [one.kind for one in world.record.owed] == ["waiting"]
        assert world.record.waiting_for is FOR[name]
        world.calls.heal()
        await turn(world, name, on=False)
        await world.pass_by(seconds=30)
        assert world.outcome == ("done", "removed")
        await world.settle()
        assert len(world.notes("waiting")) == 1

    async def test_it_is_told_for_a_week_and_held_for_ever(self, world: World, name: SwitchName) -> None:
        await held(world, name)
        world.calls.down(WaitingFor.TICKET_SYSTEM, "desk.write")
        await world.pass_by(days=9)
        assert (world.record.owed, world.record.next_try_at, world.queue.messages) == ((), None, [])
        assert world.record.waiting_for is FOR[name]
        (lost,) = [alert for alert in world.alerts if alert["data"]["kind"] == "not-delivered"]
        assert lost["data"]["notDelivered"] == [{"attempt": 1, "what": "waiting"}]


@pytest.mark.parametrize("name", SwitchName)
class TestOnceItIsOff:
    async def test_it_goes_on_with_the_next_sweep(self, world: World, name: SwitchName) -> None:
        await held(world, name)
        await world.pass_by(hours=3)
        await turn(world, name, on=False)
        off = world.clock.now()
        await world.pass_by(seconds=SWEEP_EVERY.total_seconds() + 1)
        assert world.outcome == ("done", "removed")
        ended_at = world.record.ended_at
        assert ended_at is not None
        assert ended_at - off < timedelta(seconds=20)

    async def test_one_turned_off_between_the_workers_look_and_its_writing_so_is_seen_by_the_next_sweep(
        self, world: World, name: SwitchName
    ) -> None:
        await turn(world, name, on=True)
        gate = world.calls.hold("control.read")
        await world.webhook()
        worker = asyncio.create_task(world.work())
        await gate.reached.wait()
        world.calls.gates.clear()
        commit = world.calls.hold("journal.commit")
        gate.opened.set()
        await commit.reached.wait()
        await turn(world, name, on=False)
        assert await world.sweep() == 0
        commit.opened.set()
        await worker
        assert world.record.waiting_for is FOR[name]
        assert await world.sweep() == 1
        await world.settle()
        assert world.outcome == ("done", "removed")

    async def test_the_oldest_go_first_a_hundred_at_a_time(self, world: World, name: SwitchName) -> None:
        await waiting(world, sweep.AT_ONCE + 10, FOR[name])
        assert await world.sweep() == sweep.AT_ONCE
        assert await world.journal.held(FOR[name], 100) == tuple(f"{number:032x}" for number in reversed(range(10)))
        assert await world.sweep() == 10
        assert await world.sweep() == 0

    async def test_a_queue_that_is_down_loses_nobody(self, world: World, name: SwitchName) -> None:
        await held(world, name)
        world.calls.fail("queue.put", Unavailable(WaitingFor.STORAGE, "down"), times=3)
        await turn(world, name, on=False)
        await world.settle()
        assert world.outcome == ("done", "removed")

    async def test_of_many_sweeps_one_puts_it_on_the_queue(self, world: World, name: SwitchName) -> None:
        await held(world, name)
        await turn(world, name, on=False)
        assert sorted(await asyncio.gather(*(sweep.sweep(world.app()) for _ in range(4)))) == [0, 0, 0, 1]
        assert len(world.queue.messages) == 1

    async def test_one_that_others_write_to_meanwhile_is_left_to_the_next_sweep(self, world: World, name: SwitchName) -> None:
        await held(world, name)
        await turn(world, name, on=False)
        world.calls.fail("journal.commit", Conflict())
        assert await world.sweep() == 0
        assert await world.sweep() == 1

    async def test_a_record_that_cannot_be_true_keeps_nobody_back(self, world: World, name: SwitchName) -> None:
        await waiting(world, 3, FOR[name])
        spoilt = world.journal.stored(f"{1:032x}")
        assert spoilt is not None
        world.journal.spoil(replace(spoilt.record, subject="both"))
        assert await world.sweep() == 2
        assert await world.journal.held(FOR[name], 10) == ()

    @pytest.mark.parametrize("call", ["control.read", "journal.held"])
    async def test_storage_that_is_down_is_asked_again(self, world: World, name: SwitchName, call: str) -> None:
        await held(world, name)
        await turn(world, name, on=False)
        world.calls.fail(call, Unavailable(WaitingFor.STORAGE, "down"))
        assert await world.sweep() == 0
        assert await world.sweep() == 1


class TestTwoSwitches:
    async def test_out_of_the_pause_and_into_the_breaker_without_a_message(self, world: World) -> None:
        await held(world, PAUSE)
        await turn(world, BREAKER, on=True)
        await turn(world, PAUSE, on=False)
        puts = world.calls.count("queue.put")
        assert await world.sweep() == 0
        assert (world.record.waiting_for, world.queue.messages) == (WaitingFor.BREAKER, [])
        await world.pass_by(hours=1)
        assert world.calls.count("queue.put") <= puts + 1  # for the note
        await turn(world, BREAKER, on=False)
        await world.settle()
        assert world.outcome == ("done", "removed")

    async def test_a_dry_run_goes_on_though_the_breaker_is_open(self, world: World) -> None:
        world.configure(MODE="dry-run")
        await held(world, PAUSE)
        await turn(world, BREAKER, on=True)
        await turn(world, PAUSE, on=False)
        await world.settle()
        assert world.outcome == ("done", "dry-run")

    async def test_out_of_the_breaker_and_into_the_pause(self, world: World) -> None:
        await held(world, BREAKER)
        await turn(world, PAUSE, on=True)
        await turn(world, BREAKER, on=False)
        assert await world.sweep() == 0
        assert world.record.waiting_for is WaitingFor.PAUSED
        await turn(world, PAUSE, on=False)
        await world.settle()
        assert world.outcome == ("done", "removed")

    async def test_who_waits_for_one_does_not_notice_the_other(self, world: World) -> None:
        await held(world, PAUSE)
        before = world.record
        await turn(world, BREAKER, on=True)
        assert await world.sweep() == 0
        assert world.record == before


class TestTheHour:
    async def until_the_hour(self, world: World) -> datetime:
        world.configure(ACTOR_HOURLY_LIMIT="1")
        world.ledger.count(build.counted(subject_id="somebody", at=world.clock.now()))
        await world.webhook()
        await world.work()
        assert world.record.waiting_for is WaitingFor.RATE_LIMIT
        assert world.record.next_try_at is not None
        return world.record.next_try_at

    async def test_no_message_waits_for_it_and_the_sweep_wakes_it_in_time(self, world: World) -> None:
        at = await self.until_the_hour(world)
        assert world.queue.messages == []
        await world.pass_by(minutes=59)
        assert (world.record.waiting_for, world.queue.messages) == (WaitingFor.RATE_LIMIT, [])
        await world.settle()
        assert world.outcome == ("done", "removed")
        assert world.record.ended_at is not None
        assert world.record.ended_at - at < timedelta(seconds=20)
        assert world.calls.count("queue.put") == 2

    async def test_a_copy_before_its_time_ends(self, world: World) -> None:
        await self.until_the_hour(world)
        before = world.record
        assert before.message is not None
        world.queue.insert(before.message)
        await world.work()
        assert (world.record, world.queue.messages) == (before, [])
