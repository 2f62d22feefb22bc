"""A worker's hold on one request: conditional writes under a lease that is renewed, and lost when somebody has it."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared import journal
from shared.claim import Claim, LeaseLost
from shared.model import WaitingFor
from shared.ports import Unavailable
from shared.record import Lease, Record, StepName
from tests.unit import build
from tests.unit.world import World

LEASE = timedelta(seconds=120)
DOWN = Unavailable(WaitingFor.STORAGE, "down")


async def a_claim(world: World) -> Claim:
    stored = await world.journal.commit(build.running(lease=Lease("worker-1", world.clock.now() + LEASE)), None)
    return Claim(world.app(), stored)


async def somebody_writes(world: World, **changes: Any) -> None:
    stored, _ = await world.journal.find(build.record().id)
    assert stored is not None
    await world.journal.commit(replace(stored.record, **changes), stored.version)


def taken_over(world: World) -> Lease:
    return Lease("worker-2", world.clock.now() + LEASE)


def counting(record: Record) -> Record:
    return journal.step(record, StepName.DECIDED, build.NOW)


class TestCommitting:
    async def test_what_was_staged_is_known_at_once_and_stored_with_the_next_commit(self, world: World) -> None:
        claim = await a_claim(world)
        claim.stage(lambda record: replace(record, facts_read_at=build.after(minutes=1)))
        assert claim.record.facts_read_at == build.after(minutes=1)
        assert world.record.facts_read_at == build.after(seconds=1)
        await claim.commit(lambda record: replace(record, revoked_at=build.after(minutes=2)))
        assert (world.record.facts_read_at, world.record.revoked_at) == (build.after(minutes=1), build.after(minutes=2))
        assert claim.record == world.record

    async def test_it_renews_the_lease(self, world: World) -> None:
        claim = await a_claim(world)
        await world.clock.pass_by(seconds=60)
        await claim.commit()
        assert world.record.lease is not None
        assert world.record.lease.until - world.clock.now() > timedelta(seconds=119)

    async def test_a_lease_that_was_given_up_stays_so(self, world: World) -> None:
        claim = await a_claim(world)
        await claim.commit(lambda record: journal.wait(record, WaitingFor.GRAPH, None, world.clock.now(), 0.5))
        assert world.record.lease is None

    async def test_what_others_wrote_meanwhile_is_kept(self, world: World) -> None:
        claim = await a_claim(world)
        await somebody_writes(world, latest_event_at=build.after(minutes=3))
        await claim.commit(counting)
        assert world.record.latest_event_at == build.after(minutes=3)
        assert StepName.DECIDED in [step.name for step in world.record.steps]
        assert claim.record == world.record

    async def test_a_write_whose_answer_was_lost_is_made_once(self, world: World) -> None:
        claim = await a_claim(world)
        world.calls.fail("journal.commit", DOWN, after=True)
        with pytest.raises(Unavailable):
            await claim.commit(counting)
        await claim.commit()
        assert [step.name for step in world.record.steps].count(StepName.DECIDED) == 1

    async def test_what_could_not_be_stored_goes_along_with_the_next_commit(self, world: World) -> None:
        claim = await a_claim(world)
        world.calls.fail("journal.commit", DOWN)
        with pytest.raises(Unavailable):
            await claim.commit(counting)
        await claim.commit()
        assert StepName.DECIDED in [step.name for step in world.record.steps]

    async def test_commits_at_the_same_time_are_all_stored(self, world: World) -> None:
        claim = await a_claim(world)
        names = (StepName.DECIDED, StepName.READ_BACK, StepName.SESSIONS_REVOKED)
        await asyncio.gather(
            *(claim.commit(lambda record, name=name: journal.step(record, name, build.NOW)) for name in names)  # type: ignore[misc]
        )
        assert set(names) <= {step.name for step in world.record.steps}

    async def test_a_change_staged_during_a_commit_is_stored_by_the_next(self, world: World) -> None:
        claim = await a_claim(world)
        gate = world.calls.hold("journal.commit")
        writing = asyncio.create_task(claim.commit(counting))
        await gate.reached.wait()
        claim.stage(lambda record: journal.step(record, StepName.READ_BACK, build.NOW))
        gate.opened.set()
        await writing
        assert StepName.READ_BACK in [step.name for step in claim.record.steps]
        assert StepName.READ_BACK not in [step.name for step in world.record.steps]
        await claim.commit()
        assert StepName.READ_BACK in [step.name for step in world.record.steps]

    async def test_a_change_that_the_record_will_not_take_any_more_is_dropped_alone(self, world: World) -> None:
        class TooLate(Exception):
            pass

        def unless_another_event(record: Record) -> Record:
            if record.latest_event_at != build.NOW:
                raise TooLate
            return replace(record, revoked_at=build.NOW)

        claim = await a_claim(world)
        claim.stage(counting)
        await somebody_writes(world, latest_event_at=build.after(minutes=3))
        with pytest.raises(TooLate):
            await claim.commit(unless_another_event)
        assert claim.record.revoked_at is None
        await claim.commit()
        assert StepName.DECIDED in [step.name for step in world.record.steps]
        assert world.record.latest_event_at == build.after(minutes=3)


class TestLosing:
    async def test_who_has_lost_the_lease_writes_nothing(self, world: World) -> None:
        claim = await a_claim(world)
        await somebody_writes(world, lease=taken_over(world))
        before = world.record
        with pytest.raises(LeaseLost):
            await claim.commit(counting)
        assert world.record == before

    async def test_a_lease_that_somebody_ended_is_lost(self, world: World) -> None:
        claim = await a_claim(world)
        await somebody_writes(world, lease=None, status="accepted")
        with pytest.raises(LeaseLost):
            await claim.commit(counting)

    async def test_the_same_worker_in_a_later_turn_is_somebody_else(self, world: World) -> None:
        await world.webhook()
        (message,) = world.queue.messages
        gate = world.calls.hold("desk.read")
        worker = asyncio.create_task(world.handle(message))
        await gate.reached.wait()
        first = world.record.lease
        assert first is not None
        worker.cancel()
        await asyncio.wait([worker])
        world.calls.gates.clear()
        await world.clock.pass_by(minutes=3)
        world.calls.hold("desk.read")
        await world.sweep()
        second_worker = asyncio.create_task(world.work())
        await world.clock.pass_by(seconds=1)
        second = world.record.lease
        assert second is not None
        assert second.owner != first.owner
        second_worker.cancel()
        await asyncio.wait([second_worker])


class TestHolding:
    async def test_a_lease_is_renewed_while_the_work_takes_long(self, world: World) -> None:
        claim = await a_claim(world)
        async with claim.held():
            for _ in range(10):
                await world.clock.pass_by(seconds=60)
                assert world.record.lease is not None
                assert world.record.lease.until > world.clock.now()

    async def test_renewing_does_not_store_what_waits_for_its_own_commit(self, world: World) -> None:
        claim = await a_claim(world)
        async with claim.held():
            claim.stage(counting)
            await world.clock.pass_by(minutes=5)
            assert StepName.DECIDED not in [step.name for step in world.record.steps]
        await claim.commit()
        assert StepName.DECIDED in [step.name for step in world.record.steps]

    async def test_nothing_is_renewed_afterwards(self, world: World) -> None:
        claim = await a_claim(world)
        async with claim.held():
            pass
        calls = world.calls.count("journal.commit")
        await world.clock.pass_by(minutes=10)
        assert world.calls.count("journal.commit") == calls

    async def test_work_is_ended_where_it_stands_when_the_lease_is_lost(self, world: World) -> None:
        claim = await a_claim(world)
        reached = []

        async def work() -> None:
            async with claim.held():
                await somebody_writes(world, lease=taken_over(world))
                await world.clock.pass_by(hours=1)
                reached.append("the end")

        with pytest.raises(LeaseLost):
            await work()
        assert reached == []

    async def test_a_hiccup_of_storage_is_survived(self, world: World) -> None:
        claim = await a_claim(world)
        async with claim.held():
            world.calls.fail("journal.commit", DOWN, times=3)
            await world.clock.pass_by(minutes=10)
        assert world.record.lease is not None

    async def test_work_is_ended_before_the_lease_is_anybodys_when_storage_stays_down(self, world: World) -> None:
        claim = await a_claim(world)

        async def work() -> None:
            async with claim.held():
                world.calls.down(WaitingFor.STORAGE, "journal.commit")
                await world.clock.pass_by(hours=1)

        with pytest.raises(Unavailable):
            await work()
        assert world.record.lease is not None
        assert world.clock.now() <= world.record.lease.until + journal.CLOCK_SKEW

    async def test_a_cancellation_from_outside_is_passed_on(self, world: World) -> None:
        claim = await a_claim(world)

        async def work() -> None:
            async with claim.held():
                await world.clock.pass_by(hours=1)

        worker = asyncio.create_task(work())
        await world.clock.pass_by(seconds=1)
        worker.cancel()
        with pytest.raises(asyncio.CancelledError):
            await worker

    async def test_an_error_of_the_work_is_passed_on(self, world: World) -> None:
        claim = await a_claim(world)
        with pytest.raises(ZeroDivisionError):
            async with claim.held():
                raise ZeroDivisionError

    async def test_a_timeout_within_is_a_timeout(self, world: World) -> None:
        claim = await a_claim(world)
        async with claim.held():
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(100):
                    await world.clock.pass_by(hours=1)
        assert world.record.lease is not None
