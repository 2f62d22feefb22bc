"""Two versions of the app side by side, or the older one back: what the newer one wrote is left to it, and loses nothing."""

import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest

from shared import retention, verification
from shared.model import RETENTION, OrderKind, SwitchName, WaitingFor
from shared.record import RECORD_JSON, SCHEMA
from tests.unit import build
from tests.unit.test_deadletters import put_aside, reported, ticket_text
from tests.unit.test_orders import ordered
from tests.unit.world import World

FORM = "97f223cbcfb50a72"  # of SCHEMA 1


@pytest.fixture
async def newer(world: World) -> str:
    """The id of a request that was accepted, and that a newer version has written to since."""
    await world.webhook()
    world.journal.written_by_newer(request_id := world.record.id)
    return request_id


def is_untouched(world: World) -> bool:
    """Nobody was told anything, and nothing was made a dead letter."""
    return not (world.letters.letters() or world.queue.results or world.ticket.work_notes or world.writes())


async def test_a_worker_puts_the_message_back_until_the_newer_version_runs(world: World, newer: str) -> None:
    await world.work()
    (back,) = world.queue.messages
    assert back.visible_at > world.clock.now()
    assert is_untouched(world)
    world.journal.written_by_newer(newer, newer=False)
    await world.settle()
    assert world.outcome == ("done", "removed")


async def test_a_webhook_is_asked_to_come_again(world: World, newer: str) -> None:
    assert (await world.webhook("msg-2")).status == 503
    assert world.queue.aside == []
    assert is_untouched(world)


async def test_the_sweep_leaves_it_where_it_is_and_minds_the_others(world: World, newer: str) -> None:
    other = build.record(id="f" * 32, attempts_opened=(world.clock.now() + timedelta(seconds=1),))
    await world.journal.commit(other, None)
    world.queue.messages.clear()
    await world.clock.pass_by(minutes=10)
    assert await world.sweep() == 1
    assert [message.text for message in world.queue.messages] == [other.message]
    assert is_untouched(world)
    assert newer in world.journal.due_times()


async def test_who_is_held_stays_held_and_the_others_go_on(world: World) -> None:
    for number in (1, 2):
        await world.journal.commit(build.held(id=f"{number:032x}", message=str(number)), None)
    world.journal.written_by_newer(f"{1:032x}")
    world.control.put(SwitchName.PAUSE, build.switch(on=False))
    assert await world.sweep() == 1
    assert [message.text for message in world.queue.messages] == ["2"]
    assert await world.journal.held(WaitingFor.PAUSED, 10) == (f"{1:032x}",)
    assert is_untouched(world)


async def test_what_is_to_be_forgotten_waits_and_the_others_are_forgotten(world: World) -> None:
    for number in (1, 2):
        await world.journal.commit(build.ended(id=f"{number:032x}"), None)
    world.journal.written_by_newer(f"{1:032x}")
    await world.clock.pass_by(days=RETENTION.days + 1)
    assert await retention.forget(world.app()) == 1
    assert is_untouched(world)
    assert [record.id for record in world.journal.records() if record.forgotten_at] == [f"{2:032x}"]


async def test_an_order_for_it_waits_and_the_others_are_carried_out(world: World, newer: str) -> None:
    waits, done = await ordered(world, newer), await ordered(world, "0" * 32, OrderKind.DISCARD)
    await world.sweep()
    assert await world.orders.reply(waits) is None
    assert await world.orders.reply(done) is not None


async def test_a_message_about_it_that_was_put_aside_lies_there_and_the_others_are_buried(world: World, newer: str) -> None:
    put_aside(world, about := ticket_text(world, "msg-2"))
    put_aside(world, "nothing can be made of this")
    assert await world.bury() == 1
    assert world.queue.aside == [about]


async def test_who_checks_receipts_is_told_and_checks_the_others(world: World) -> None:
    await world.ended()
    world.journal.written_by_newer(world.record.id)
    checked, unknown = await verification.check_all(world.app(), (world.record.id, "0" * 32))
    assert [(silent.witness, silent.cause) for silent in checked.unheard] == [("journal", "written by a newer version")]
    assert [said.witness for said in checked.testimonies] == ["ticket"]
    assert unknown.findings


async def test_it_does_not_keep_the_depth_from_being_told(world: World, newer: str) -> None:
    assert newer
    assert (await reported(world))[-1]["requests"] == 1


def test_what_a_record_may_say_is_of_one_schema() -> None:
    """An older version cannot know what was added since: whoever changes the form raises `SCHEMA`, and writes both down here."""
    form = json.dumps(_bare(RECORD_JSON.json_schema()), sort_keys=True)
    assert (SCHEMA, hashlib.sha256(form.encode()).hexdigest()[:16]) == (1, FORM)


def _bare(schema: Any) -> Any:
    """Without words for people."""
    match schema:
        case dict():
            return {name: _bare(value) for name, value in schema.items() if name not in ("title", "description")}
        case list():
            return [_bare(value) for value in schema]
        case _:
            return schema
