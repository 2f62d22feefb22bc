"""What was begun is carried to its end; what may be asked for again; what arrives meanwhile."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from sandbox.people import ADELE, EMILY
from sandbox.people import Method as Registered
from shared.model import SwitchName, WaitingFor
from shared.ports import Forbidden, Unavailable
from tests.unit import build
from tests.unit.world import World, about


class TestOnceBegun:
    """Nobody is left half stripped."""

    @staticmethod
    async def begin(world: World) -> None:
        """One method is gone, and Graph does not answer any more."""
        world.calls.down(WaitingFor.GRAPH, "directory.remove", "directory.inventory", skip=1)
        world.calls.down(WaitingFor.GRAPH, "directory.revoke_sessions", "directory.methods")
        await world.webhook()
        await world.work()
        assert world.record.removal_begun
        assert world.types() == ["phone", "microsoftAuthenticator"]

    async def test_an_approval_withdrawn_does_not_stop_it_but_is_noted(self, world: World) -> None:
        await self.begin(world)
        world.ticket.approval = "rejected"
        world.calls.heal()
        await world.settle()
        assert world.outcome == ("done", "removed")
        assert world.types() == []
        (note,) = world.notes("outcome")
        assert "no longer allowed" in note

    async def test_a_ticket_closed_or_gone_meanwhile_does_not_stop_it(self, world: World) -> None:
        await self.begin(world)
        world.desk.tickets.clear()
        world.calls.heal()
        await world.settle()
        assert world.outcome == ("done", "removed")
        assert world.types() == []

    async def test_a_ticket_system_that_is_down_does_not_stop_it(self, world: World) -> None:
        await self.begin(world)
        world.calls.heal()
        world.calls.down(WaitingFor.TICKET_SYSTEM, "desk.read", "desk.write")
        await world.pass_by(minutes=20)
        assert world.types() == []
        assert world.outcome == ("done", "removed")

    async def test_a_disabled_account_does_not_stop_it(self, world: World) -> None:
        await self.begin(world)
        world.tenant.update(ADELE, enabled=False)
        world.calls.heal()
        await world.settle()
        assert world.outcome == ("done", "removed")

    async def test_the_event_may_grow_old(self, world: World) -> None:
        await self.begin(world)
        await world.pass_by(hours=30)
        world.calls.heal()
        await world.settle()
        assert world.outcome == ("done", "removed")

    async def test_a_permission_that_is_gone_meanwhile_does_not_keep_from_the_rest(self, world: World) -> None:
        await self.begin(world)
        world.calls.heal()
        world.directory.permissions -= {"UserAuthMethod-Phone.ReadWrite.All"}
        await world.settle()
        assert world.outcome == ("failed", "graph-forbidden")
        assert world.types() == ["phone"]
        assert len(world.tenant.account(ADELE).revocations) == 1

    async def test_graph_that_asks_to_be_left_alone_is(self, world: World) -> None:
        world.calls.fail("directory.remove", Unavailable(WaitingFor.GRAPH, "429", timedelta(minutes=1)))
        await world.webhook()
        await world.work()
        assert world.record.removal_begun
        calls = [name for name in world.calls.names() if name.startswith("directory.")]
        assert calls[-1] == "directory.remove"
        await world.settle()
        assert world.outcome == ("done", "removed")

    async def test_graph_is_waited_for_seven_days(self, world: World) -> None:
        await self.begin(world)
        await world.pass_by(days=6, hours=23)
        assert world.record.status == "waiting"
        world.calls.heal()
        await world.settle()
        assert world.outcome == ("done", "removed")

    async def test_after_seven_days_it_fails_with_the_last_cause(self, world: World) -> None:
        await self.begin(world)
        await world.settle()
        assert world.outcome == ("failed", "graph-unavailable")
        assert [one["type"] for one in world.result["removed"]] == ["softwareOath"]

    async def test_errors_without_a_name_are_outlived_too(self, world: World) -> None:
        await self.begin(world)
        world.calls.heal()
        world.calls.fail("directory.inventory", RuntimeError("a bug"), times=12)
        await world.settle()
        assert world.outcome == ("done", "removed")


class TestOnceActedOn:
    """Nothing was to be removed, and sessions are revoked: what was decided stands, whatever happens before it is read back."""

    @pytest.mark.parametrize(
        "change",
        [
            lambda world: setattr(world.ticket, "approval", "rejected"),
            lambda world: world.control.put(SwitchName.PAUSE, build.switch()),
            lambda world: world.control.put(SwitchName.BREAKER, build.switch()),
            lambda world: world.configure(MODE="dry-run"),
        ],
        ids=["withdrawn", "paused", "breaker open", "dry runs in force"],
    )
    async def test_it_is_neither_decided_again_nor_held_back(self, world: World, change: Callable[[World], Any]) -> None:
        world.ticket_for(EMILY)
        world.calls.down(WaitingFor.GRAPH, "directory.methods")
        await world.webhook()
        await world.work()
        assert world.record.acted_on
        assert not world.record.removal_begun
        change(world)
        world.calls.heal()
        await world.pass_by(minutes=5)
        assert world.outcome == ("done", "nothing-to-remove")
        assert world.writes() == ["directory.revoke_sessions"]


# ---- the next attempt


class TestTheNextAttempt:
    async def test_keeps_what_is_gone_the_inventory_and_the_time_of_acceptance(self, world: World) -> None:
        world.tenant.update(ADELE, default_method=None)
        world.calls.fail("directory.remove", Forbidden(WaitingFor.GRAPH, "403"), times=None, when=about("phone"))
        assert await world.ended() == ("failed", "graph-forbidden")
        first = world.record
        world.calls.heal()
        await world.clock.pass_by(hours=1)
        world.tenant.register(ADELE, Registered(type="softwareOath", id="new", created=world.clock.now() - timedelta(minutes=30)))
        await world.webhook("msg-2")
        await world.settle()
        second = world.record
        assert (second.attempt, second.accepted_at, second.inventory) == (2, first.accepted_at, first.inventory)
        assert (world.result["outcome"], world.result["reason"], world.result["attempt"]) == ("done", "removed", 2)
        assert sorted(one["type"] for one in world.result["removed"]) == ["microsoftAuthenticator", "phone", "softwareOath"]
        assert world.types() == ["softwareOath"]
        assert {"type": "softwareOath", "id": "new", "why": "registered-since"} in world.result["leftAlone"]

    async def test_never_deletes_again_what_is_gone_and_listed_still(self, world: World) -> None:
        world.tenant.settings.lag_seconds = timedelta(days=1).total_seconds()
        assert await world.ended() == ("failed", "not-removed")
        await world.webhook("msg-2")
        await world.settle()
        assert world.result["attempt"] == 2
        assert world.result["reason"] == "not-removed"
        assert world.calls.count("directory.remove") == 3

    async def test_starts_anew_when_nothing_was_removed(self, world: World) -> None:
        world.ticket.approval = "requested"
        await world.ended()
        world.ticket.approval = "approved"
        await world.clock.pass_by(hours=1)
        world.tenant.register(ADELE, Registered(type="softwareOath", id="new", created=world.clock.now() - timedelta(minutes=30)))
        asked_at = world.clock.now()
        await world.webhook("msg-2")
        await world.settle()
        assert world.record.accepted_at == asked_at
        assert world.types() == []

    async def test_has_notes_and_a_comment_of_its_own(self, world: World) -> None:
        world.ticket.approval = "requested"
        await world.ended()
        world.ticket.approval = "approved"
        await world.webhook("msg-2")
        await world.settle()
        markers = [note.partition("]")[0] + "]" for note in world.ticket.work_notes]
        request = world.record.id
        assert markers == [f"[{request}#{n} {kind}]" for n in (1, 2) for kind in ("start", "outcome")]
        assert len(world.ticket.comments) == 2

    async def test_is_checked_from_the_start(self, world: World) -> None:
        world.tenant.update(ADELE, hidden_method=True)
        await world.ended()
        world.ticket.approval = "requested"
        await world.webhook("msg-2")
        await world.settle()
        assert (world.result["attempt"], world.result["reason"]) == (2, "ticket-not-approved")
        assert world.types() == ["phone"]


# ---- an event that arrives meanwhile


class TestAnEventMeanwhile:
    async def test_makes_a_refusal_on_older_facts_read_them_again(self, world: World) -> None:
        world.ticket.approval = "requested"
        gate = world.calls.hold("directory.person")
        await world.webhook("msg-1")
        worker = asyncio.create_task(world.settle())
        await gate.reached.wait()
        world.ticket.approval = "approved"
        answer = await world.webhook("msg-2")
        gate.opened.set()
        await worker
        assert answer.status == 202
        assert world.outcome == ("done", "removed")
        assert (world.record.attempt, world.calls.count("directory.person")) == (1, 4)  # again, to confirm, at the end

    @pytest.mark.parametrize(
        "spoil", [lambda world: world.desk.tickets.clear(), lambda world: world.ticket_for("nobody@contoso.com")]
    )
    async def test_makes_every_refusal_look_again(self, world: World, spoil: Callable[[World], Any]) -> None:
        spoil(world)
        gate = world.calls.hold("desk.read")
        await world.webhook("msg-1")
        worker = asyncio.create_task(world.settle())
        await gate.reached.wait()
        world.calls.gates.clear()
        await world.clock.pass_by(seconds=1)
        await world.webhook("msg-2")
        gate.opened.set()
        await worker
        assert world.record.outcome == "refused"
        assert world.calls.count("desk.read") == 2

    async def test_does_not_make_the_start_note_be_written_twice(self, world: World) -> None:
        world.ticket.approval = "requested"
        world.calls.slow("desk.write", seconds=10)
        gate = world.calls.hold("directory.person")
        await world.webhook("msg-1")
        worker = asyncio.create_task(world.settle())
        await gate.reached.wait()
        await world.webhook("msg-2")
        gate.opened.set()
        await worker
        assert world.outcome == ("refused", "ticket-not-approved")
        assert len(world.notes("start")) == 1

    async def test_does_not_disturb_what_is_well_under_way(self, world: World) -> None:
        gate = world.calls.hold("directory.remove")
        await world.webhook("msg-1")
        worker = asyncio.create_task(world.settle())
        await gate.reached.wait()
        await world.webhook("msg-2")
        gate.opened.set()
        await worker
        assert world.outcome == ("done", "removed")
        assert (world.record.attempt, len(world.ticket.comments)) == (1, 1)
