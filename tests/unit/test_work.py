"""Every way in which a turn can end: waiting, giving up, put back, put aside, taken over by somebody else."""

import asyncio
import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sandbox.people import ADELE, ALEX, EMILY
from shared import settings, work
from shared.app import Unready
from shared.model import SwitchName, WaitingFor
from shared.ports import Forbidden, TokenRefused, Unavailable, Unreadable
from tests.calls import Killed
from tests.unit import build
from tests.unit.world import ALL_METHODS, World

READS = {
    "directory.person": WaitingFor.GRAPH,
    "directory.standing": WaitingFor.GRAPH,
    "directory.inventory": WaitingFor.GRAPH,
    "directory.lacking": WaitingFor.GRAPH,
    "desk.read": WaitingFor.TICKET_SYSTEM,
}
REASONS = {WaitingFor.GRAPH: "graph-unavailable", WaitingFor.TICKET_SYSTEM: "ticket-system-unavailable"}


class TestWaiting:
    @pytest.mark.parametrize(("call", "service"), READS.items())
    async def test_what_cannot_go_on_waits_and_then_goes_on(self, world: World, call: str, service: WaitingFor) -> None:
        world.calls.down(service, call)
        await world.webhook()
        await world.work()
        record = world.record
        assert (record.status, record.waiting_for, record.lease) == ("waiting", service, None)
        world.calls.heal()
        await world.settle()
        assert world.outcome == ("done", "removed")

    @pytest.mark.parametrize("seconds", [1, 20, 120, 3600, 5 * 3600])
    async def test_a_message_comes_back_when_the_service_said_and_no_worker_sleeps(self, world: World, seconds: int) -> None:
        world.calls.down(WaitingFor.GRAPH, "directory.person", retry_after=timedelta(seconds=seconds))
        await world.webhook()
        await world.work()
        assert world.clock.now() - world.start < timedelta(seconds=1)
        (message,) = world.queue.messages
        assert abs(message.visible_at - world.clock.now() - timedelta(seconds=seconds)) <= timedelta(seconds=1)
        assert message.visible_at >= (world.record.next_try_at or world.start)
        world.calls.heal()
        await world.settle()
        assert world.outcome == ("done", "removed")
        assert world.record.ended_at is not None
        assert world.record.ended_at - world.start < timedelta(seconds=seconds + 60)

    async def test_nobody_asks_again_before_the_service_allows(self, world: World) -> None:
        world.calls.down(WaitingFor.GRAPH, "directory.person", retry_after=timedelta(minutes=20))
        await world.webhook()
        await world.work()
        await world.webhook("msg-2")
        await world.pass_by(minutes=19)
        assert world.calls.count("directory.person") == 1

    async def test_waits_grow_and_stay_within_ten_minutes(self, world: World) -> None:
        world.calls.down(WaitingFor.GRAPH, "directory.person")
        await world.webhook()
        times = []
        while world.queue.messages:
            await world.until(min(message.visible_at for message in world.queue.messages))
            times.append(world.clock.now())
        pauses = [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(times)]
        assert pauses[0] < 20
        assert 400 < max(pauses) < 800
        assert len(times) < 60

    async def test_retry_after_zero_is_no_storm(self, world: World) -> None:
        world.calls.down(WaitingFor.GRAPH, "directory.person", retry_after=timedelta(0))
        await world.webhook()
        await world.pass_by(minutes=10)
        assert world.calls.count("directory.person") < 20

    async def test_a_wait_of_weeks_fits_the_queue(self, world: World) -> None:
        world.configure(GIVE_UP_AFTER="P60D", APPROVAL_MAX_AGE="P60D")
        world.calls.down(WaitingFor.GRAPH, "directory.person", retry_after=timedelta(days=20))
        await world.webhook()
        await world.work()
        assert len(world.queue.messages) == 1
        world.calls.heal()
        await world.settle(timedelta(days=30))
        assert world.outcome == ("done", "removed")

    async def test_authority_is_read_anew_after_a_wait(self, world: World) -> None:
        world.calls.down(WaitingFor.GRAPH, "directory.inventory", retry_after=timedelta(minutes=1))
        await world.webhook()
        await world.work()
        world.ticket.approval = "rejected"
        world.calls.heal()
        await world.settle()
        assert world.outcome == ("refused", "ticket-not-approved")
        assert world.writes() == []

    @pytest.mark.parametrize("call", ["directory.person", "directory.standing", "directory.inventory", "desk.read"])
    async def test_a_call_that_never_returns_does_not_keep_the_worker(self, world: World, call: str) -> None:
        gate = world.calls.hold(call)
        await world.webhook()
        await world.work()
        assert gate.reached.is_set()
        assert world.clock.now() - world.start < timedelta(minutes=2)
        assert world.record.status == "waiting"
        world.calls.gates.clear()
        await world.settle()
        assert world.outcome == ("done", "removed")

    async def test_a_removal_that_never_returns_does_not_keep_the_worker(self, world: World) -> None:
        world.calls.hold("directory.remove")
        await world.webhook()
        await world.work()
        assert world.clock.now() - world.start < timedelta(minutes=2)
        world.calls.gates.clear()
        await world.settle()
        assert world.outcome == ("done", "removed")

    async def test_removals_that_are_slow_are_made_in_several_turns(self, world: World) -> None:
        world.calls.slow("directory.remove", seconds=45)
        await world.webhook()
        await world.settle()
        assert world.outcome == ("done", "removed")
        assert world.types() == []


class TestGivingUp:
    @pytest.mark.parametrize(("call", "service"), READS.items())
    async def test_what_stays_down_is_given_up_with_the_cause_as_reason(
        self, world: World, call: str, service: WaitingFor
    ) -> None:
        world.calls.down(service, call)
        await world.webhook()
        await world.settle()
        assert world.outcome == ("failed", REASONS[service])
        assert world.record.ended_at is not None
        assert timedelta(hours=6) <= world.record.ended_at - world.start <= timedelta(hours=6, minutes=15)
        assert world.writes() == []

    async def test_the_last_cause_is_the_reason(self, world: World) -> None:
        world.calls.down(WaitingFor.TICKET_SYSTEM, "desk.read")
        await world.webhook()
        await world.pass_by(hours=5)
        world.calls.heal()
        world.calls.down(WaitingFor.GRAPH, "directory.person")
        await world.pass_by(hours=5)
        assert world.record.is_open
        await world.settle()
        assert world.outcome == ("failed", "graph-unavailable")

    async def test_what_comes_back_in_between_starts_the_time_anew(self, world: World) -> None:
        world.configure(GIVE_UP_AFTER="PT1H")
        world.calls.fail("directory.lacking", Unavailable(WaitingFor.GRAPH, "down"), times=1000)
        await world.webhook()
        await world.pass_by(minutes=30)
        world.calls.heal()
        world.calls.fail("desk.read", Unavailable(WaitingFor.TICKET_SYSTEM, "down"), times=3)
        await world.settle()
        assert world.outcome == ("done", "removed")

    async def test_a_wait_that_is_longer_than_we_are_willing_is_given_up_in_time(self, world: World) -> None:
        world.calls.down(WaitingFor.GRAPH, "directory.person", retry_after=timedelta(days=2))
        await world.webhook()
        await world.settle()
        assert world.outcome == ("failed", "graph-unavailable")
        assert world.calls.count("directory.person") == 1
        assert world.record.ended_at is not None
        assert world.record.ended_at - world.start <= timedelta(hours=6, minutes=15)

    @pytest.mark.parametrize("switch", SwitchName)
    async def test_a_switch_in_between_is_no_answer_of_the_service(self, world: World, switch: SwitchName) -> None:
        world.configure(GIVE_UP_AFTER="PT1H")
        world.calls.down(WaitingFor.GRAPH, "directory.person")
        await world.webhook()
        await world.pass_by(minutes=50)
        world.control.put(switch, build.switch(at=world.clock.now()))
        await world.pass_by(minutes=20)
        assert world.record.waiting_for == {"pause": "paused"}.get(switch, switch)
        world.control.put(switch, build.switch(on=False, at=world.clock.now()))
        await world.settle()
        assert world.outcome == ("failed", "graph-unavailable")
        assert world.record.ended_at is not None
        assert world.record.ended_at - world.start <= timedelta(minutes=72)

    async def test_a_limit_is_met_after_every_service_has_answered(self, world: World) -> None:
        world.configure(GIVE_UP_AFTER="PT1H", ACTOR_HOURLY_LIMIT="1")
        world.calls.down(WaitingFor.GRAPH, "directory.person")
        await world.webhook()
        await world.pass_by(minutes=50)
        world.ledger.count(build.counted(subject_id="somebody else", at=world.clock.now()))
        world.calls.heal()
        await world.pass_by(minutes=30)
        assert (world.record.status, world.record.waiting_for) == ("waiting", WaitingFor.RATE_LIMIT)
        world.calls.down(WaitingFor.GRAPH, "directory.person")
        await world.pass_by(minutes=50)
        assert (world.record.status, world.record.waiting_for) == ("waiting", WaitingFor.GRAPH)
        world.calls.heal()
        await world.settle()
        assert world.outcome == ("done", "removed")

    async def test_how_long_can_be_set(self, world: World) -> None:
        world.configure(GIVE_UP_AFTER="PT10M")
        world.calls.down(WaitingFor.GRAPH, "directory.person")
        await world.webhook()
        await world.settle()
        assert world.record.ended_at is not None
        assert timedelta(minutes=10) <= world.record.ended_at - world.start <= timedelta(minutes=16)

    async def test_the_ticket_is_told_and_may_be_asked_for_again(self, world: World) -> None:
        world.calls.down(WaitingFor.GRAPH, "directory.person")
        await world.webhook()
        await world.settle()
        assert len(world.ticket.comments) == 1
        world.calls.heal()
        await world.webhook("msg-2")
        await world.settle()
        assert (world.result["attempt"], world.result["outcome"]) == (2, "done")


class TestATokenThatIsNotAccepted:
    async def test_is_asked_with_again(self, world: World) -> None:
        world.calls.fail("desk.read", TokenRefused(WaitingFor.TICKET_SYSTEM, "401"))
        assert await world.ended() == ("done", "removed")

    async def test_is_given_up_within_a_minute(self, world: World) -> None:
        world.calls.fail("desk.read", TokenRefused(WaitingFor.TICKET_SYSTEM, "401"), times=None)
        assert await world.ended() == ("failed", "ticket-system-forbidden")
        assert world.record.ended_at is not None
        assert timedelta(seconds=30) <= world.record.ended_at - world.start < timedelta(minutes=1)


class TestWithoutAName:
    """Errors that nobody has a name for."""

    @pytest.mark.parametrize("call", [*READS, "directory.remove", "directory.revoke_sessions", "directory.methods"])
    async def test_one_that_passes_is_outlived(self, world: World, call: str) -> None:
        world.calls.fail(call, RuntimeError("a bug"), times=2)
        await world.webhook()
        await world.settle()
        assert world.outcome == ("done", "removed")

    @pytest.mark.parametrize("call", READS)
    async def test_after_five_tries_it_is_an_internal_error(self, world: World, call: str) -> None:
        world.calls.fail(call, RuntimeError("a bug"), times=None)
        await world.webhook()
        await world.settle()
        assert world.outcome == ("failed", "internal-error")
        assert world.calls.count(call) == 5
        assert world.writes() == []
        assert world.queue.aside == []

    @pytest.mark.parametrize("call", ["ledger.read", "ledger.commit"])
    async def test_what_cannot_be_counted_is_an_internal_error_too(self, world: World, call: str) -> None:
        world.calls.fail(call, RuntimeError("a bug"), times=None)
        await world.webhook()
        await world.settle()
        assert world.outcome == ("failed", "internal-error")
        assert world.calls.count(call) == 5
        assert world.writes() == []

    async def test_where_nothing_was_removed_it_ends_though_sessions_are_revoked(self, world: World) -> None:
        world.ticket_for(EMILY)
        world.calls.fail("directory.methods", RuntimeError("a bug"), times=None)
        world.calls.fail("directory.inventory", RuntimeError("a bug"), skip=1, times=None)
        await world.webhook()
        await world.settle()
        assert world.outcome == ("failed", "internal-error")
        assert world.calls.count("directory.methods") + world.calls.count("directory.inventory") - 1 == 5
        assert world.writes() == ["directory.revoke_sessions"]

    @pytest.mark.parametrize("call", ["ledger.read", "control.read"])
    async def test_what_somebody_spoilt_has_one_it_is_waited_for_as_storage_is(self, world: World, call: str) -> None:
        world.calls.fail(call, Unreadable("?"), times=None)
        await world.webhook()
        await world.pass_by(hours=5)
        assert world.calls.count(call) > 5
        assert (world.record.status, world.record.waiting_for) == ("waiting", WaitingFor.STORAGE)
        world.calls.heal()
        await world.settle()
        assert world.outcome == ("done", "removed")

    @pytest.mark.parametrize("call", ["receipts.append", "journal.commit"])
    async def test_one_while_the_end_is_written_waits_and_is_a_try(self, world: World, call: str) -> None:
        world.calls.fail("directory.person", Forbidden(WaitingFor.GRAPH, "403"), times=None)
        gate = world.calls.hold("directory.person")
        await world.webhook()
        worker = asyncio.create_task(world.work())
        await gate.reached.wait()
        world.calls.fail(call, RuntimeError("a bug"))
        gate.opened.set()
        await worker
        assert (world.record.status, world.record.waiting_for, world.record.tries) == ("waiting", None, 1)
        assert world.queue.aside == []
        await world.settle()
        assert world.outcome == ("failed", "graph-forbidden")

    async def test_one_that_stays_while_the_end_is_written_is_waited_for_and_never_circles(self, world: World) -> None:
        world.calls.fail("desk.read", RuntimeError("a bug"), times=None)
        world.calls.fail("receipts.append", RuntimeError("a bug"), times=None)
        await world.webhook()
        await world.pass_by(hours=5)
        assert world.record.status == "waiting"
        assert 5 < world.record.tries < 60
        assert world.queue.aside == []
        world.calls.heal()
        await world.settle()
        assert world.outcome == ("failed", "internal-error")

    async def test_a_worker_that_dies_every_time_is_five_tries_too(self, world: World) -> None:
        world.calls.fail("desk.read", Killed(), times=None)
        await world.webhook()
        await world.settle(timedelta(days=1))
        assert world.outcome == ("failed", "internal-error")
        assert world.calls.count("desk.read") == 5

    async def test_a_wait_for_a_service_is_no_try(self, world: World) -> None:
        world.configure(GIVE_UP_AFTER="P7D")
        world.calls.fail("directory.person", Unavailable(WaitingFor.GRAPH, "down"), times=30)
        await world.webhook()
        await world.settle()
        assert world.outcome == ("done", "removed")

    async def test_what_is_not_json_in_our_journal_is_put_aside_for_a_human(self, world: World) -> None:
        await world.webhook()
        world.journal.spoil(build.record(id=world.record.id, message=None))
        await world.work()
        assert len(world.queue.aside) == 1
        assert world.writes() == []


# ---- storage


class TestStorage:
    @pytest.mark.parametrize("call", ["journal.find", "journal.commit"])
    async def test_a_message_that_cannot_be_remembered_is_put_back_with_its_time(self, world: World, call: str) -> None:
        message = world.message()
        world.calls.down(WaitingFor.STORAGE, call)
        await world.clock.pass_by(minutes=10)
        await world.work()
        (back,) = world.queue.messages
        assert back is not message
        assert timedelta(seconds=10) < back.visible_at - world.clock.now() < timedelta(minutes=2)
        await world.pass_by(minutes=30)
        world.calls.heal()
        await world.settle()
        assert world.outcome == ("done", "removed")
        assert world.record.accepted_at == message.inserted_at
        assert world.result["cause"] == {"source": build.CAUSE.source, "id": build.CAUSE.id}

    async def test_a_message_is_not_lost_when_it_cannot_even_be_put_back(self, world: World) -> None:
        world.message()
        world.calls.down(WaitingFor.STORAGE, "journal.find", "queue.put")
        await world.work()
        await world.pass_by(seconds=40)
        world.calls.heal()
        await world.settle()
        assert world.outcome == ("done", "removed")

    @pytest.mark.parametrize("number", range(1, 7))
    async def test_a_journal_that_fails_in_the_middle_costs_time_only(self, world: World, number: int) -> None:
        world.calls.fail("journal.commit", Unavailable(WaitingFor.STORAGE, "down"), skip=number, times=3)
        await world.webhook()
        await world.settle()
        assert world.outcome == ("done", "removed")
        assert world.types() == []
        assert (len(world.notes("start")), len(world.notes("outcome")), len(world.ticket.comments)) == (1, 1, 1)
        assert len(world.tenant.account(ADELE).removals) == 3

    @pytest.mark.parametrize("number", range(1, 7))
    async def test_a_write_whose_answer_is_lost_is_not_made_twice(self, world: World, number: int) -> None:
        world.calls.fail("journal.commit", Unavailable(WaitingFor.STORAGE, "reset"), skip=number, after=True)
        await world.webhook()
        await world.settle()
        assert world.outcome == ("done", "removed")
        assert (len(world.notes("start")), len(world.ticket.comments)) == (1, 1)

    async def test_nothing_is_removed_while_its_intent_cannot_be_journaled(self, world: World) -> None:
        gate = world.calls.hold("directory.lacking")
        await world.webhook()
        worker = asyncio.create_task(world.work())
        await gate.reached.wait()
        world.calls.down(WaitingFor.STORAGE, "journal.commit", "journal.find")
        gate.opened.set()
        await worker
        assert world.writes() == []

    async def test_a_wake_up_that_cannot_be_put_is_left_to_the_sweep(self, world: World) -> None:
        world.calls.fail("directory.person", Unavailable(WaitingFor.GRAPH, "down", timedelta(minutes=1)))
        world.calls.fail("queue.put", Unavailable(WaitingFor.STORAGE, "down"), skip=1)
        await world.webhook()
        await world.work()
        assert world.queue.messages == []
        await world.settle()
        assert world.outcome == ("done", "removed")
        assert world.record.ended_at is not None
        assert world.record.ended_at - world.start < timedelta(minutes=3)


class TestWrongSettings:
    async def test_a_message_is_returned_later_with_the_time_at_which_it_first_came(self, world: World) -> None:
        message = world.message()
        unready = Unready({"MODE": "is none of dry-run, enforce"}, world.queue)
        for _ in range(3):
            await world.clock.pass_by(minutes=10)
            await world.work(unready)
            (back,) = world.queue.messages
            assert back.visible_at - world.clock.now() >= timedelta(seconds=10)
        await world.settle()
        assert world.outcome == ("done", "removed")
        assert world.record.accepted_at == message.inserted_at

    async def test_nothing_else_is_done_meanwhile(self, world: World) -> None:
        await world.webhook()
        calls = len(world.calls.log)
        await world.work(Unready({"MODE": "is none of dry-run, enforce"}, world.queue))
        assert world.calls.names()[calls:] == ["queue.put"]

    async def test_a_message_that_is_no_request_is_returned_as_it_is(self, world: World) -> None:
        world.queue.insert("not JSON")
        await world.work(Unready({"MODE": "?"}, world.queue))
        assert [message.text for message in world.queue.messages] == ["not JSON"]

    async def test_without_a_queue_the_host_keeps_the_message(self, world: World) -> None:
        with pytest.raises(RuntimeError, match="AzureWebJobsStorage") as error:
            await work.handle(Unready({"AzureWebJobsStorage": "is missing"}, None), "{}", None)
        assert "{}" not in str(error.value)

    async def test_the_settings_of_this_world_are_good(self, world: World) -> None:
        assert settings.load(json.loads(json.dumps(world.environment))).mode == "enforce"


# ---- somebody else


class TestSomebodyElse:
    @classmethod
    async def taken_over_at(cls, world: World, call: str, then: Callable[[], Any] = lambda: None) -> None:
        """The worker is held at this call so long that another takes the request over and ends it."""
        gate = world.calls.hold(call)
        await world.webhook()
        (message,) = world.queue.messages
        frozen = asyncio.create_task(world.handle(message))
        await gate.reached.wait()
        world.calls.gates.clear()
        then()
        await cls.stands_still(world)
        gate.opened.set()
        await frozen

    @staticmethod
    async def stands_still(world: World) -> None:
        """A process that stands still does not renew its lease either: somebody else takes the request over and ends it."""
        stolen = world.journal.stored(world.record.id)
        assert stolen is not None
        lease = stolen.record.lease
        assert lease is not None
        await world.journal.commit(replace(stolen.record, lease=replace(lease, until=build.before(minutes=1))), stolen.version)
        await world.sweep()
        await world.work()

    @pytest.mark.parametrize("call", ["directory.person", "directory.lacking", "directory.inventory"])
    async def test_who_lost_the_lease_before_the_first_write_writes_nothing(self, world: World, call: str) -> None:
        await self.taken_over_at(world, call)
        await world.settle()
        assert world.outcome == ("done", "removed")
        assert world.calls.count("directory.remove") == 3
        assert world.calls.count("directory.revoke_sessions") == 1
        assert (len(world.notes("start")), len(world.ticket.comments)) == (1, 1)

    @pytest.mark.parametrize("call", ["directory.revoke_sessions", "directory.methods"])
    async def test_who_lost_the_lease_before_the_end_tells_nobody(self, world: World, call: str) -> None:
        await self.taken_over_at(world, call)
        assert world.calls.count("queue.publish") == 1
        assert [arguments[1].marker[-9:] for name, arguments in world.calls.log if name == "desk.write"] == [
            "#1 start]",
            " outcome]",
        ]

    async def test_who_lost_the_lease_during_a_removal_makes_no_other(self, world: World) -> None:
        await self.taken_over_at(world, "directory.remove")
        await world.settle()
        assert world.outcome == ("done", "removed")
        assert world.calls.count("directory.remove") <= 4
        assert len(world.tenant.account(ADELE).removals) == 3
        assert len(world.ticket.comments) == 1

    async def test_who_lost_the_lease_between_two_passes_does_nothing_more(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The default is not known, so that it is found out by a pass in which nothing went, and then changed."""
        world.permit(ALL_METHODS)
        world.ticket_for(ALEX)
        monkeypatch.setattr(world.directory, "inventory", world.directory.methods)
        removing = world.calls.hold("directory.remove")
        await world.webhook()
        (message,) = world.queue.messages
        frozen = asyncio.create_task(world.handle(message))
        await removing.reached.wait()
        world.calls.gates.clear()
        looking_again = world.calls.hold("directory.methods")
        removing.opened.set()
        await looking_again.reached.wait()
        world.calls.gates.clear()
        await self.stands_still(world)
        looking_again.opened.set()
        await frozen
        assert world.outcome == ("done", "removed")
        assert (world.calls.count("directory.prefer"), world.calls.count("directory.revoke_sessions")) == (1, 1)
        assert len(world.ticket.comments) == 1

    async def test_two_messages_of_one_request_are_one_turn(self, world: World) -> None:
        await world.webhook()
        (message,) = world.queue.messages
        other = world.queue.insert(message.text)
        await asyncio.gather(world.handle(message), world.handle(other))
        await world.settle()
        assert world.calls.count("desk.read") == 3  # to decide, to confirm, and to say whether it was withdrawn
        assert len(world.ticket.comments) == 1

    async def test_a_long_turn_keeps_its_lease(self, world: World) -> None:
        world.configure(CLAIM_LEASE="PT20S")
        world.calls.slow("directory.standing", seconds=30)
        await world.webhook()
        (message,) = world.queue.messages
        worker = asyncio.create_task(world.handle(message))
        for _ in range(5):
            await world.clock.pass_by(seconds=10)
            world.queue.insert(message.text)
            await world.work()
            await world.sweep()
        await worker
        await world.settle()
        assert world.calls.count("directory.person") == 3  # to decide, to confirm, and to say whether it was withdrawn
        assert world.outcome == ("done", "removed")

    async def test_a_worker_that_dies_is_replaced_within_minutes(self, world: World) -> None:
        world.calls.kill_at((12, True))
        await world.webhook()
        await world.settle()
        assert world.outcome == ("done", "removed")
        assert world.record.ended_at is not None
        assert world.record.ended_at - world.start < timedelta(minutes=4)

    async def test_a_worker_that_dies_says_nothing_more(self, world: World) -> None:
        world.calls.kill_at((8, False))
        await world.webhook()
        (message,) = world.queue.messages
        with pytest.raises(Killed):
            await work.handle(world.app(), message.text, message.inserted_at)
        assert len(world.calls.log) == 8


# ---- what the desk reads meanwhile


class TestNotesMeanwhile:
    async def test_the_start_is_told_once_however_many_turns_it_takes(self, world: World) -> None:
        world.calls.fail("directory.inventory", Unavailable(WaitingFor.GRAPH, "down"), times=6)
        await world.webhook()
        await world.settle()
        assert world.outcome == ("done", "removed")
        assert len(world.notes("start")) == 1

    async def test_a_short_wait_is_not_told(self, world: World) -> None:
        world.calls.fail("directory.person", Unavailable(WaitingFor.GRAPH, "down", timedelta(seconds=30)))
        await world.webhook()
        await world.settle()
        assert world.notes("waiting") == []

    async def test_a_long_wait_is_told_at_once_and_once(self, world: World) -> None:
        world.calls.down(WaitingFor.GRAPH, "directory.person", retry_after=timedelta(minutes=10))
        await world.webhook()
        await world.work()
        (note,) = world.notes("waiting")
        assert "because Microsoft Graph is not available" in note
        await world.pass_by(hours=3)
        assert len(world.notes("waiting")) == 1
        assert world.calls.count("desk.write") == 2
        assert world.ticket.comments == []

    async def test_a_wait_is_not_told_to_a_ticket_that_is_not_ours(self, world: World) -> None:
        await world.webhook()
        world.configure(SERVICENOW_TABLES="incident")
        world.control.put(SwitchName.PAUSE, build.switch())
        await world.pass_by(hours=1)
        assert world.record.waiting_for == WaitingFor.PAUSED
        assert (world.ticket.work_notes, world.calls.count("desk.write")) == ([], 0)

    async def test_waits_that_add_up_are_told_once(self, world: World) -> None:
        world.calls.down(WaitingFor.GRAPH, "directory.person", retry_after=timedelta(seconds=50))
        await world.webhook()
        await world.pass_by(minutes=2)
        assert world.notes("waiting") == []
        await world.pass_by(minutes=10)
        assert len(world.notes("waiting")) == 1

    async def test_a_ticket_system_that_is_down_is_told_so_once_it_is_back(self, world: World) -> None:
        world.calls.down(WaitingFor.TICKET_SYSTEM, "desk.read", "desk.write")
        await world.webhook()
        await world.pass_by(minutes=30)
        world.calls.heal()
        await world.settle()
        assert world.outcome == ("done", "removed")
        assert len(world.notes("outcome")) == 1
        assert len(world.notes("waiting")) <= 1

    async def test_the_start_note_is_not_waited_for(self, world: World) -> None:
        world.calls.fail("desk.write", Unavailable(WaitingFor.TICKET_SYSTEM, "down"), times=None)
        await world.webhook()
        await world.work()
        assert world.types() == []

    async def test_a_desk_that_may_not_be_written_to_does_not_stop_the_work(self, world: World) -> None:
        world.calls.fail("desk.write", Forbidden(WaitingFor.TICKET_SYSTEM, "403"), times=None)
        await world.webhook()
        await world.work()
        assert world.types() == []
        assert world.outcome == ("done", "removed")
