"""What is owed to the outside is told at least once, recognised, and never holds up the outcome."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from sandbox.people import ADELE, JONI
from shared import acceptance
from shared.model import WaitingFor
from shared.ports import Forbidden, Unavailable
from tests.unit.world import World

DESK_DOWN = Unavailable(WaitingFor.TICKET_SYSTEM, "down")
QUEUE_DOWN = Unavailable(WaitingFor.STORAGE, "down")


def is_outcome(arguments: tuple[Any, ...]) -> bool:
    """Whether a note to the desk is the one with the outcome."""
    return " outcome]" in arguments[1].marker


class TestTheOutcomeDoesNotWait:
    @pytest.mark.parametrize("error", [DESK_DOWN, Forbidden(WaitingFor.TICKET_SYSTEM, "403"), RuntimeError("a bug")], ids=repr)
    async def test_for_a_desk_that_cannot_be_told(self, world: World, error: Exception) -> None:
        world.calls.fail("desk.write", error, times=None)
        await world.webhook()
        await world.work()
        assert world.outcome == ("done", "removed")
        body = (await acceptance.status(world.app(), world.record.id)).body
        assert (body["status"], body["outcome"]) == ("done", "done")

    @pytest.mark.parametrize("error", [QUEUE_DOWN, RuntimeError("a bug")], ids=repr)
    async def test_for_a_result_that_cannot_be_published(self, world: World, error: Exception) -> None:
        world.calls.fail("queue.publish", error, times=None)
        await world.webhook()
        await world.work()
        assert world.types() == []
        assert world.record.outcome == "done"
        assert len(world.notes("outcome")) == 1

    async def test_for_a_desk_that_never_answers(self, world: World) -> None:
        world.calls.hold("desk.write")
        await world.webhook()
        await world.work()
        assert world.clock.now() - world.start < timedelta(minutes=2, seconds=30)
        assert world.outcome == ("done", "removed")
        world.calls.gates.clear()
        await world.settle()
        assert (len(world.notes("start")), len(world.ticket.comments)) == (1, 1)


class TestLater:
    async def test_a_note_is_delivered_once_the_desk_is_back(self, world: World) -> None:
        world.configure(SERVICENOW_DONE_STATE="3")
        world.calls.fail("desk.write", DESK_DOWN, times=None)
        await world.webhook()
        await world.pass_by(hours=5)
        assert world.ticket.work_notes == []
        world.calls.heal()
        await world.settle()
        assert (len(world.notes("start")), len(world.notes("outcome")), len(world.ticket.comments)) == (1, 1, 1)
        assert world.ticket.state == "3"
        assert len(world.queue.results) == 1

    async def test_the_sweep_delivers_what_no_message_is_there_for(self, world: World) -> None:
        world.calls.fail("desk.write", DESK_DOWN, times=None, when=is_outcome)
        await world.webhook()
        await world.work()
        world.queue.messages.clear()
        world.calls.heal()
        await world.settle()
        assert len(world.ticket.comments) == 1

    async def test_a_result_is_published_once_the_queue_is_back(self, world: World) -> None:
        world.calls.fail("queue.publish", QUEUE_DOWN, times=5)
        await world.webhook()
        await world.settle()
        assert world.outcome == ("done", "removed")
        assert (len(world.notes("outcome")), len(world.ticket.comments)) == (1, 1)

    async def test_a_desk_that_asks_to_be_left_alone_is(self, world: World) -> None:
        busy = Unavailable(WaitingFor.TICKET_SYSTEM, "429", timedelta(minutes=30))
        world.calls.fail("desk.write", busy, times=None, when=is_outcome)
        await world.webhook()
        await world.work()
        calls = world.calls.count("desk.write")
        await world.pass_by(minutes=29)
        assert world.calls.count("desk.write") == calls
        world.calls.heal()
        await world.settle()
        assert len(world.ticket.comments) == 1

    async def test_tries_become_rare(self, world: World) -> None:
        world.calls.fail("desk.write", DESK_DOWN, times=None, when=is_outcome)
        await world.webhook()
        await world.pass_by(hours=24)
        assert 50 < world.calls.count("desk.write") < 250

    async def test_after_seven_days_it_is_let_go(self, world: World) -> None:
        world.calls.fail("desk.write", DESK_DOWN, times=None)
        await world.webhook()
        await world.pass_by(days=6, hours=23)
        assert world.record.owed
        await world.settle()
        assert (world.record.owed, world.record.message, world.record.status) == ((), None, "done")
        assert world.clock.now() - world.start < timedelta(days=7, hours=1)
        assert world.queue.messages == []

    async def test_a_ticket_that_is_gone_is_nobody_to_tell(self, world: World) -> None:
        gate = world.calls.hold("directory.methods")
        await world.webhook()
        worker = asyncio.create_task(world.settle())
        await gate.reached.wait()
        world.desk.tickets.clear()
        gate.opened.set()
        await worker
        assert world.outcome == ("done", "removed")
        assert world.record.owed == ()

    async def test_a_note_whose_answer_was_lost_stands_once(self, world: World) -> None:
        world.calls.fail("desk.write", Unavailable(WaitingFor.TICKET_SYSTEM, "reset"), times=2, after=True)
        await world.webhook()
        await world.settle()
        assert (len(world.notes("start")), len(world.notes("outcome")), len(world.ticket.comments)) == (1, 1, 1)

    async def test_a_result_whose_answer_was_lost_comes_again_under_the_same_id(self, world: World) -> None:
        world.calls.fail("queue.publish", Unavailable(WaitingFor.STORAGE, "reset"), after=True)
        await world.webhook()
        await world.settle()
        first, second = world.queue.results
        assert first == second

    async def test_a_desk_that_is_not_configured_any_more_does_not_stop_the_result(self, world: World) -> None:
        world.calls.fail("desk.write", DESK_DOWN, times=None)
        await world.webhook()
        await world.work()
        world.configure(SERVICENOW_URL=None, SERVICENOW_AUDIENCE=None)
        await world.pass_by(hours=1)
        assert world.outcome == ("done", "removed")

    async def test_notes_of_two_attempts_are_both_delivered(self, world: World) -> None:
        world.ticket.approval = "requested"
        world.calls.fail("desk.write", DESK_DOWN, times=None)
        await world.webhook("msg-1")
        await world.pass_by(minutes=1)
        world.ticket.approval = "approved"
        await world.webhook("msg-2")
        await world.pass_by(minutes=1)
        world.calls.heal()
        await world.settle()
        assert sorted(note.partition("] ")[0][-9:] for note in world.notes("outcome")) == ["1 outcome", "2 outcome"]
        assert len(world.ticket.comments) == 2
        assert len(world.queue.results) == 2


class TestTheState:
    async def test_moves_only_after_done(self, world: World) -> None:
        world.configure(SERVICENOW_DONE_STATE="3")
        world.ticket_for(JONI)
        await world.webhook()
        await world.settle()
        assert world.outcome == ("refused", "user-privileged")
        assert world.ticket.state == "1"

    async def test_stays_where_none_is_configured(self, world: World) -> None:
        await world.webhook()
        await world.settle()
        assert world.ticket.state == "1"

    async def test_that_the_ticket_does_not_take_is_not_tried_for_ever(self, world: World) -> None:
        world.configure(SERVICENOW_DONE_STATE="3")
        world.desk.state_is_frozen = True
        await world.webhook()
        await world.settle(timedelta(hours=1))
        assert (len(world.notes("outcome")), len(world.ticket.comments)) == (1, 1)


class TestWhatIsSaid:
    async def test_nothing_that_is_said_holds_a_name_or_a_number(self, world: World) -> None:
        await world.webhook()
        await world.settle()
        said = "\n".join((*world.ticket.work_notes, *world.ticket.comments, repr(world.queue.results)))
        for secret in ("2065550", "iPhone", ADELE, "Adele's"):
            assert secret not in said

    async def test_the_customer_never_reads_a_reason(self, world: World) -> None:
        world.ticket_for(JONI)
        await world.webhook()
        await world.settle()
        (comment,) = world.ticket.comments
        assert "privileged" not in comment
        assert "role" not in comment
