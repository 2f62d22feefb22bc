"""What becomes of requests when a store is lost: the stories of docs/recovery.md."""

import asyncio
import re
import subprocess
import sys
import textwrap
from datetime import timedelta
from pathlib import Path

import pytest

from shared.model import Mode, Order, OrderKind, OrderReply, Status, Switch, SwitchName, WaitingFor
from shared.ports import Unavailable
from shared.receipt import Entry, EntryKind, Tail, chain
from tests.calls import Killed
from tests.fakes import FakeJournal, FakeReceipts
from tests.unit.world import World

PAGE = Path(__file__).resolve().parents[2] / "docs" / "recovery.md"


def lose_journal(world: World) -> None:
    """The table, with all its partitions."""
    world.journal = FakeJournal(world.calls)
    lose_ledger(world)


def lose_ledger(world: World) -> None:
    world.ledger = type(world.ledger)(world.calls)


async def turned(world: World, name: SwitchName, *, on: bool) -> None:
    await world.control.turn(name, Switch(on, "patti", "INC1", world.clock.now()))


async def reopened(world: World) -> OrderReply:
    order = Order("0" * 32, OrderKind.REOPEN, world.record.id, "patti", "INC1", world.clock.now())
    await world.orders.give(order)
    await world.sweep()
    reply = await world.orders.reply(order)
    assert reply is not None
    return reply


# ---- the journal


async def test_without_a_journal_the_pause_still_holds_and_a_demand_is_taken_for_a_new_one(world: World) -> None:
    await world.ended()
    lose_journal(world)
    await turned(world, SwitchName.PAUSE, on=True)
    await world.webhook()
    await world.pass_by(minutes=5)
    assert (world.record.attempt, world.record.waiting_for) == (1, WaitingFor.PAUSED)


async def test_what_is_resumed_in_dry_run_changes_nothing_and_what_is_reopened_then_is_a_reset(world: World) -> None:
    await world.webhook()
    lose_journal(world)  # its message is on the queue
    await turned(world, SwitchName.PAUSE, on=True)
    await world.pass_by(minutes=1)
    assert world.record.mode is Mode.ENFORCE
    world.configure(MODE="dry-run")
    await turned(world, SwitchName.PAUSE, on=False)
    await world.settle()
    assert (world.outcome, world.writes()) == (("done", "dry-run"), [])
    world.configure(MODE="enforce")
    assert (await reopened(world)).done
    await world.settle()
    assert (world.result["outcome"], world.result["mode"]) == ("done", "enforce")
    assert world.result["attempt"] == 2


async def test_an_event_that_was_taken_in_under_the_dry_run_never_acts_again(world: World) -> None:
    world.configure(MODE="dry-run")
    await world.ended()
    world.configure(MODE="enforce")
    await world.webhook()
    await world.settle()
    assert (world.record.attempt, world.writes()) == (1, [])


async def test_what_an_operator_had_reopened_is_believed_no_more(world: World) -> None:
    world.ticket.active = False
    await world.ended()
    world.ticket.active = True
    assert (await reopened(world)).done
    lose_journal(world)
    await world.work()
    assert (world.records, world.result["reason"], world.writes()) == ([], "payload-invalid", [])


async def test_an_approval_that_is_too_old_by_then_does_not_count_again(world: World) -> None:
    await world.ended()
    lose_journal(world)
    await world.pass_by(days=4)
    await world.webhook("msg-2")
    await world.settle()
    assert world.record.reasons[0] == "approval-expired"


async def test_a_worker_whose_journal_is_gone_stops_before_its_next_removal(world: World) -> None:
    await world.webhook()
    gate = world.calls.hold("directory.remove")
    working = asyncio.create_task(world.handle(world.queue.visible()[0]))
    await gate.reached.wait()
    world.journal.forget(world.record.id)
    gate.opened.set()
    await working
    assert world.calls.count("directory.remove") == 1


async def test_the_receipt_of_a_request_goes_on_where_it_ended_and_its_attempts_count_from_one(world: World) -> None:
    await world.ended()
    before = len(world.entries())
    lose_journal(world)
    await world.webhook("msg-2")
    await world.settle()
    assert [entry.sequence for entry in world.entries()] == list(range(1, len(world.entries()) + 1))
    assert {entry.attempt for entry in world.entries()[before:]} == {1}
    assert len(world.notes("outcome")) == 2
    assert len({result["id"] for result in world.results}) == 1


# ---- control, ledger


async def test_without_a_row_a_switch_is_off_and_who_was_held_goes_on(world: World) -> None:
    await turned(world, SwitchName.PAUSE, on=True)
    await world.webhook()
    await world.pass_by(minutes=5)
    assert world.record.status is Status.WAITING
    world.control = type(world.control)(world.clock, world.calls)
    await world.settle()
    assert world.outcome == ("done", "removed")


async def test_without_a_ledger_nobody_is_in_a_cooldown(world: World) -> None:
    await world.ended()
    lose_ledger(world)
    world.message()
    await world.settle()
    assert [result["data"]["outcome"] for result in world.results] == ["done", "done"]


async def test_a_ledger_that_cannot_be_understood_lets_nobody_through_until_its_row_is_gone(world: World) -> None:
    world.ledger.spoil()
    await world.webhook()
    await world.pass_by(minutes=30)
    assert (world.record.waiting_for, world.writes()) == (WaitingFor.STORAGE, [])
    lose_ledger(world)
    await world.settle()
    assert world.outcome == ("done", "removed")


# ---- receipts


@pytest.mark.parametrize("begun", [False, True])
async def test_without_its_receipt_a_reset_goes_on_under_a_new_one(world: World, begun: bool) -> None:
    await world.webhook()
    if begun:
        world.calls.fail("directory.remove", Killed(), skip=1)
        await world.work()
        assert world.entries()
    world.receipts = FakeReceipts(world.calls)
    await world.settle()
    assert world.outcome == ("done", "removed")
    assert world.entries()[0].sequence == 1


# ---- queues


@pytest.mark.parametrize("worked", [False, True])
async def test_without_its_message_a_request_is_put_back_by_the_sweep(world: World, worked: bool) -> None:
    if worked:
        world.calls.fail("desk.read", Unavailable(WaitingFor.TICKET_SYSTEM, "down"))
    await world.webhook()
    if worked:
        await world.work()
        assert world.record.waiting_for is WaitingFor.TICKET_SYSTEM
    world.queue.messages.clear()
    await world.settle(within=timedelta(minutes=3))
    assert world.outcome == ("done", "removed")


async def test_a_message_that_nobody_had_taken_is_sent_again_under_its_id(world: World) -> None:
    world.message("lost")
    world.queue.messages.clear()
    world.message("lost")
    await world.settle()
    assert world.outcome == ("done", "removed")


# ---- who had begun


def noted(kind: EntryKind, **data: object) -> Entry:
    return Entry("2026-11-24T02:35:16Z", 1, kind, data)


def test_the_script_of_the_page_tells_who_had_begun_and_what_was_not_told(tmp_path: Path) -> None:
    """Of two attempts the last counts, and an outcome ends what was begun."""
    script = textwrap.dedent(re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)[0])
    accepted = noted(EntryKind.ACCEPTED, ticket={"number": "RITM1"})
    facts = noted(EntryKind.FACTS, of="person", subjectId="adele")
    intent = noted(EntryKind.INTENT, action="delete")
    outcome = noted(EntryKind.OUTCOME, outcome="done", mode="enforce", subjectId="adele")
    noted_on_ticket, told = noted(EntryKind.TOLD, what="outcome"), noted(EntryKind.TOLD, what="result")
    receipts = {
        "a": [accepted, facts, intent],
        "b": [accepted, facts, intent, outcome],
        "c": [accepted, facts, intent, outcome, told],
        "d": [accepted, facts, intent, outcome, told, noted_on_ticket],
        "e": [accepted, facts, intent, outcome, told, noted_on_ticket, accepted, intent],
        "f": [noted(EntryKind.ACCEPTED, ticket=None), outcome, told],
        "g": [noted(EntryKind.TOLD, what="start")],
    }
    for name, entries in receipts.items():
        lines, _ = chain(name, Tail(), entries)
        (tmp_path / f"{name}.jsonl").write_bytes(b"".join(lines))
    files = sorted(tmp_path.glob("*.jsonl"))
    ran = subprocess.run([sys.executable, "-c", script, *files], check=True, capture_output=True, text=True)
    assert [line.split("\t") for line in ran.stdout.splitlines()] == [
        ["a", "begun", "adele", "RITM1"],
        ["b", "enforce: done, not told", "adele", "RITM1"],
        ["c", "enforce: done, not told", "adele", "RITM1"],
        ["d", "enforce: done", "adele", "RITM1"],
        ["e", "begun", "adele", "RITM1"],
        ["f", "enforce: done", "adele", "-"],
        ["g", "-", "-", "-"],
    ]
