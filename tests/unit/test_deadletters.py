"""What was put aside: kept with its reason, told once to each who should hear of it, and only then off its queue."""

import asyncio
import json
from collections.abc import MutableMapping
from datetime import timedelta
from typing import Any

import pytest
import structlog

from sandbox.people import ADELE, JONI
from shared import acceptance, deadletters, depths, identity, intake, wording
from shared.model import Cause, DeadLetter, How, Mode, Reason, Resolution, WaitingFor
from shared.ports import LARGEST_MESSAGE, Forbidden, Unavailable, Unreadable
from tests.calls import Killed
from tests.unit import build
from tests.unit.world import World, cloud_event

REQUEST_ID = identity.request_id(build.ticket_event())
NEUTRAL = f"This request needs a person to look at it. The service desk will be in touch. [{REQUEST_ID}#0 outcome]"
REF = {"system": "servicenow", "table": build.REF.table, "sysId": build.REF.sys_id, "number": build.REF.number}


@pytest.fixture
def world() -> World:
    return World()


def event_text(world: World, event_id: str = "4711-1", source: str = build.CAUSE.source, **data: Any) -> str:
    return cloud_event(world.clock.now(), event_id, source, data or {"subject": ADELE})


def ticket_text(world: World, event_id: str = "4711-1", source: str = build.CAUSE.source) -> str:
    return event_text(world, event_id, source, ticket=REF)


def put_aside(world: World, text: str, *, encoded: bool = True) -> str:
    """The host has put this aside; the id of the letter that it will be."""
    world.queue.set_aside(text, encoded=encoded)
    return identity.dead_letter_id(text)


def the_letter(world: World) -> DeadLetter:
    (letter,) = world.letters.letters()
    return letter


def the_alert(world: World) -> dict[str, Any]:
    (alert,) = world.alerts
    data: dict[str, Any] = alert["data"]
    return data


def spoiled(world: World) -> str:
    """Somebody else has written to the only record; its id."""
    record = world.record
    world.journal.scribble(record.id, '{"id": 1}')
    return record.id


HOPELESS = {
    "no JSON": ("{", "/: Not JSON that every reader understands alike"),
    "nothing": ("", "/: Not JSON that every reader understands alike"),
    "no object": ("[]", "/: Not a JSON object"),
    "deep": ("[" * 40_000, "/: Not JSON that every reader understands alike"),
    "long": ("x" * 49_152, "/: Not JSON that every reader understands alike"),
    "control characters": ("\x00\x1b[2J\r\n", "/: Not JSON that every reader understands alike"),
    "another type": (json.dumps({"specversion": "1.0"}), "/type: Field required"),
}


@pytest.mark.parametrize(("text", "detail"), HOPELESS.values(), ids=HOPELESS.keys())
async def test_what_nothing_can_be_made_of_is_kept_whole_and_raises_an_alert(world: World, text: str, detail: str) -> None:
    letter_id = put_aside(world, text)
    assert await world.bury() == 1
    letter = the_letter(world)
    assert (letter.id, letter.text, letter.reason, letter.resolution) == (letter_id, text, Reason.PAYLOAD_INVALID, None)
    assert (letter.request_id, letter.ticket, letter.announced) == (None, None, True)
    if text != HOPELESS["another type"][0]:
        assert letter.detail == detail
    assert the_alert(world) == {"kind": "dead-letter", "deadLetterId": letter_id, "reason": "payload-invalid"}
    assert "subject" not in world.alerts[0]
    assert (world.results, world.queue.aside, world.ticket.work_notes) == ([], [], [])


async def test_a_message_that_is_not_base64_is_kept_as_it_stands_and_its_sender_is_answered(world: World) -> None:
    text = event_text(world)
    put_aside(world, text, encoded=False)
    await world.bury()
    assert (the_letter(world).text, the_letter(world).detail) == (text, wording.NOT_ENCODED)
    assert world.outcome == ("refused", "payload-invalid")
    assert world.result["requestId"] == identity.event_request_id(build.CAUSE)
    put_aside(world, "\ufffdAAA", encoded=False)
    await world.bury()
    assert [letter.detail for letter in world.letters.letters()] == [wording.NOT_ENCODED] * 2


async def test_a_request_that_the_host_gave_up_before_it_was_remembered_is_answered_and_noted(world: World) -> None:
    letter_id = put_aside(world, ticket_text(world))
    await world.bury()
    letter = the_letter(world)
    assert (letter.reason, letter.detail) == (Reason.INTERNAL_ERROR, wording.NEVER_TAKEN_IN)
    assert (letter.request_id, letter.ticket) == (REQUEST_ID, build.REF)
    assert the_alert(world) == {
        "kind": "dead-letter",
        "deadLetterId": letter_id,
        "reason": "internal-error",
        "requestId": REQUEST_ID,
        "ticket": REF,
    }
    assert world.alerts[0]["subject"] == REQUEST_ID
    assert world.outcome == ("failed", "internal-error")
    assert world.result["cause"] == {"source": build.CAUSE.source, "id": build.CAUSE.id}
    assert (world.result["ticket"], world.result["attempt"], world.result["removed"]) == (REF, 0, [])
    (note,) = world.ticket.work_notes
    assert note.startswith(f"[{REQUEST_ID}#0 outcome] Outcome: failed, reason: internal-error.")
    assert letter_id in note
    assert world.ticket.comments == [NEUTRAL]
    assert world.writes() == []


async def test_in_a_dry_run_the_customer_reads_nothing(world: World) -> None:
    world.configure(MODE="dry-run")
    put_aside(world, ticket_text(world))
    await world.bury()
    assert (len(world.ticket.work_notes), world.ticket.comments) == (1, [])


async def test_our_own_webhooks_event_is_answered_by_its_ticket_alone(world: World) -> None:
    event = build.ticket_event("msg-1", time=world.start)
    put_aside(world, intake.message(event))
    await world.bury()
    assert world.outcome == ("failed", "internal-error")
    assert "cause" not in world.result
    assert world.result["ticket"] == REF


async def test_a_ticket_of_a_table_that_is_not_ours_is_not_written_to(world: World) -> None:
    world.configure(SERVICENOW_TABLES="incident")
    put_aside(world, ticket_text(world))
    assert await world.bury() == 1
    assert world.ticket.work_notes == []


async def test_without_a_ticket_system_the_letter_is_told_about_all_the_same(world: World) -> None:
    world.configure(SERVICENOW_URL=None, SERVICENOW_AUDIENCE=None)
    put_aside(world, ticket_text(world))
    assert await world.bury() == 1
    assert len(world.alerts) == 1


async def test_a_ticket_that_does_not_exist_keeps_no_letter_waiting(world: World) -> None:
    world.desk.tickets.clear()
    put_aside(world, ticket_text(world))
    assert await world.bury() == 1


# ---- one too many


async def test_a_copy_of_what_the_journal_has_in_hand_is_let_go(world: World) -> None:
    await world.webhook()
    (message,) = world.queue.messages
    for _ in range(2):
        put_aside(world, message.text)
        assert await world.bury() == 1
        await world.settle()  # the second time it has ended
    assert (world.letters.letters(), world.alerts) == ([], [])
    assert world.outcome == ("done", "removed")
    assert len(world.ticket.comments) == 1


async def test_another_event_for_a_ticket_that_is_done_gets_the_answer_there_is(world: World) -> None:
    await world.ended()
    before = len(world.results)
    put_aside(world, ticket_text(world))
    await world.bury()
    assert (world.letters.letters(), len(world.results)) == ([], before + 1)
    assert world.outcome == ("done", "removed")


async def test_another_event_for_a_refused_ticket_is_not_lost(world: World) -> None:
    world.ticket.active = False
    await world.ended()
    put_aside(world, ticket_text(world))
    await world.bury()
    assert the_letter(world).detail == wording.NEVER_TAKEN_IN
    assert len(world.ticket.comments) == 2


async def test_while_an_attempt_is_open_its_own_notes_are_enough(world: World) -> None:
    await world.webhook()
    put_aside(world, ticket_text(world))
    await world.bury()
    assert the_letter(world).request_id == REQUEST_ID
    assert world.ticket.work_notes == world.ticket.comments == []
    await world.settle()
    assert len(world.ticket.comments) == 1


async def test_another_content_under_a_known_event_is_a_mismatch_and_touches_nothing(world: World) -> None:
    world.message()
    await world.settle()
    put_aside(world, event_text(world, subject=JONI))
    await world.bury()
    assert (the_letter(world).reason, the_letter(world).request_id) == (Reason.PAYLOAD_MISMATCH, world.record.id)
    assert (world.result["reason"], world.result["requestId"]) == ("payload-mismatch", world.record.id)


async def test_a_forged_reopening_is_refused_and_reopens_nothing(world: World) -> None:
    await world.webhook()
    await world.settle()
    demand = build.ticket_event(cause=Cause(intake.OPERATOR_SOURCE, "ab" * 16), time=world.clock.now())
    put_aside(world, intake.reopening(demand, world.record.id))
    await world.bury()
    assert (the_letter(world).reason, the_letter(world).detail) == (Reason.PAYLOAD_INVALID, wording.NOT_ORDERED)
    assert (the_letter(world).request_id, the_letter(world).ticket) == (None, None)
    assert world.result["reason"] == "payload-invalid"
    assert world.record.attempt == 1


# ---- a record that contradicts itself


async def test_a_broken_record_ends_as_an_internal_error_with_alert_and_note_and_no_removal(world: World) -> None:
    await world.webhook()
    request_id = spoiled(world)
    await world.settle()
    assert world.writes() == []
    assert (the_letter(world).reason, the_letter(world).detail) == (Reason.INTERNAL_ERROR, wording.BROKEN_RECORD)
    assert the_letter(world).request_id == request_id
    assert (the_alert(world)["reason"], the_alert(world)["requestId"]) == ("internal-error", request_id)
    assert world.outcome == ("failed", "internal-error")
    assert (len(world.notes("outcome")), world.ticket.comments) == (1, [NEUTRAL])


async def test_the_sweep_finds_a_broken_record_once_and_no_more(world: World) -> None:
    await world.webhook()
    world.queue.messages.clear()
    spoiled(world)
    for _ in range(5):
        await world.clock.pass_by(minutes=2)
        await world.sweep()
    assert the_letter(world).text == '{"id": 1}'
    assert len(world.alerts) == 1
    assert world.calls.count("journal.remains") == 1


async def test_a_broken_record_whose_letter_is_broken_too_does_not_keep_the_sweep_from_the_others(world: World) -> None:
    world.message()
    await world.webhook()
    world.queue.messages.clear()
    world.journal.scribble(REQUEST_ID, "?")
    world.calls.fail("letters.keep", Unreadable("?"), times=None)
    await world.clock.pass_by(minutes=2)
    world.message("4711-2")
    await world.work()
    assert await world.sweep() == 0
    assert world.alerts == []


async def test_the_message_that_a_broken_record_kept_says_whose_it_was(world: World) -> None:
    await world.webhook()
    (message,) = world.queue.messages
    world.queue.messages.clear()
    world.journal.scribble(world.record.id, json.dumps({"message": message.text}))
    await world.clock.pass_by(minutes=2)
    await world.sweep()
    await world.bury()
    assert (the_letter(world).text, the_letter(world).ticket) == (message.text, build.REF)
    assert world.outcome == ("failed", "internal-error")
    assert world.ticket.comments == [NEUTRAL]
    put_aside(world, message.text)  # a worker had it at the same time
    await world.bury()
    assert the_letter(world).text == message.text


async def broken_with_its_message(world: World) -> str:
    """A request whose record is broken and due; the message that it kept."""
    await world.webhook()
    (message,) = world.queue.messages
    world.queue.messages.clear()
    world.journal.scribble(world.record.id, json.dumps({"message": message.text}))
    await world.clock.pass_by(minutes=2)
    return message.text


async def test_a_ticket_system_that_hangs_does_not_hold_up_the_sweep(world: World) -> None:
    world.calls.slow("desk.write", seconds=60)
    text = await broken_with_its_message(world)
    before = world.clock.now()
    for _ in range(2):
        await world.sweep()
    assert world.clock.now() - before < timedelta(seconds=1)
    assert world.queue.aside == [text]
    assert await world.bury() == 0  # the note is tried again
    assert (len(world.alerts), world.outcome) == (1, ("failed", "internal-error"))


async def test_a_message_that_is_too_large_to_be_put_aside_is_kept_with_what_stood_beside_it(world: World) -> None:
    text = await broken_with_its_message(world)
    remains = json.dumps({"message": text + " " * LARGEST_MESSAGE})
    world.journal.scribble(REQUEST_ID, remains)
    await world.sweep()
    assert (the_letter(world).text, world.queue.aside) == (remains, [])


@pytest.mark.parametrize("kept", [False, True], ids=["no message", "its message"])
async def test_a_record_that_breaks_again_after_its_letter_was_discarded_is_told_about_again(world: World, kept: bool) -> None:
    await world.webhook()
    whole = world.record
    (message,) = world.queue.messages
    world.queue.messages.clear()
    for times in (1, 2):
        world.journal.scribble(whole.id, json.dumps({"message": message.text}) if kept else "?")
        await world.clock.pass_by(minutes=2)
        await world.sweep()
        await world.bury()
        assert the_letter(world).resolution is None
        assert len({alert["id"] for alert in world.alerts}) == times
        done = Resolution(How.DISCARDED, "me", "done by hand", world.clock.now(), f"{times:032x}")
        assert await world.letters.resolved(the_letter(world).id, done)
        await world.clock.pass_by(minutes=2)
        world.journal.spoil(whole)
        stored, _ = await world.journal.find(whole.id)
        assert stored is not None
        await world.journal.commit(whole, stored.version)


async def test_a_letter_that_is_discarded_before_its_note_is_through_stays_discarded(world: World) -> None:
    world.calls.down(WaitingFor.TICKET_SYSTEM, "desk.write")
    await broken_with_its_message(world)
    await world.sweep()
    assert await world.bury() == 0
    done = Resolution(How.DISCARDED, "me", "done by hand", world.clock.now(), "0" * 32)
    assert await world.letters.resolved(the_letter(world).id, done)
    for _ in range(3):
        await world.clock.pass_by(minutes=2)
        await world.sweep()
        await world.bury()
    assert (the_letter(world).resolution, len(world.alerts), world.queue.aside) == (done, 1, [])


@pytest.mark.parametrize("remains", ["", "[]", "{}", '"message"', '{"message": 1}', '{"message": "{}"}', "[" * 40_000, "foreign"])
async def test_what_a_broken_record_says_about_others_is_not_believed(world: World, remains: str) -> None:
    await world.webhook()
    world.queue.messages.clear()
    if remains == "foreign":
        remains = json.dumps({"message": event_text(world, "other")})
    world.journal.scribble(world.record.id, remains)
    await world.clock.pass_by(minutes=2)
    await world.sweep()
    assert (the_letter(world).text, the_letter(world).ticket) == (remains, None)
    assert (world.results, world.ticket.comments) == ([], [])


async def test_a_webhook_for_a_broken_record_is_not_taken_in_and_the_ticket_hears_of_it(world: World) -> None:
    await world.webhook()
    world.queue.messages.clear()
    request_id = spoiled(world)
    for _ in range(3):
        assert (await world.webhook()).status == 503
    assert (await acceptance.status(world.app(), request_id)).status == 503
    await world.settle()
    assert world.ticket.comments == [NEUTRAL]


async def test_a_webhook_for_a_broken_record_is_503_too_when_it_cannot_be_set_aside(world: World) -> None:
    await world.webhook()
    spoiled(world)
    world.calls.down(WaitingFor.STORAGE, "queue.put_aside")
    assert (await world.webhook()).status == 503
    assert world.queue.aside == []


async def test_a_record_that_is_mended_while_its_letter_is_told_about_stays_due(world: World) -> None:
    await world.webhook()
    whole = world.record
    spoiled(world)
    await world.work()
    gate = world.calls.hold("desk.write")
    burying = asyncio.create_task(world.bury())
    await gate.reached.wait()
    world.journal.spoil(whole)
    gate.opened.set()
    assert await burying == 1
    await world.settle()
    assert world.record.outcome == "done"
    assert world.calls.count("journal.give_up") == 0


async def test_an_event_that_is_known_without_its_request_is_a_broken_record(world: World) -> None:
    await world.webhook()
    (message,) = world.queue.messages
    world.journal.forget(world.record.id)
    await world.work()
    assert world.queue.aside == [message.text]
    await world.bury()
    assert the_letter(world).detail == wording.BROKEN_RECORD


# ---- nothing lost, nothing told twice


@pytest.mark.parametrize("call", ["letters.keep", "queue.publish", "letters.announced", "desk.write", "queue.buried"])
@pytest.mark.parametrize("after", [False, True])
async def test_whoever_dies_in_between_leaves_the_rest_to_the_next(world: World, call: str, after: bool) -> None:
    put_aside(world, ticket_text(world))
    world.calls.fail(call, Killed(), after=after)
    with pytest.raises(Killed):
        await deadletters.bury(world.app())
    world.calls.revive()
    await world.clock.pass_by(minutes=1)
    await world.bury()
    assert the_letter(world).announced
    assert len({alert["id"] for alert in world.alerts}) == 1
    assert len({result["id"] for result in world.results}) == 1
    assert (len(world.ticket.work_notes), len(world.ticket.comments)) == (1, 1)
    assert world.queue.aside == []


@pytest.mark.parametrize("error", [Unavailable(WaitingFor.TICKET_SYSTEM, "down"), Forbidden(WaitingFor.TICKET_SYSTEM, "403")])
async def test_a_note_that_does_not_get_through_keeps_the_letter_waiting_and_is_all_that_is_tried_again(
    world: World, error: Exception
) -> None:
    world.calls.fail("desk.write", error, times=3)
    put_aside(world, ticket_text(world))
    put_aside(world, "another")
    assert await world.bury() == 1
    for _ in range(3):
        await world.clock.pass_by(minutes=1)
        await world.bury()
    assert (world.queue.aside, len(world.ticket.comments)) == ([], 1)
    assert (len(world.alerts), len(world.results)) == (2, 1)


async def test_a_note_is_given_up_after_a_week(world: World) -> None:
    world.calls.down(WaitingFor.TICKET_SYSTEM, "desk.write")
    put_aside(world, ticket_text(world))
    assert await world.bury() == 0
    await world.clock.pass_by(days=7, seconds=1)
    assert await world.bury() == 1
    assert world.ticket.comments == []


async def test_a_note_for_a_letter_that_was_resolved_meanwhile_is_not_written(world: World) -> None:
    world.calls.fail("desk.write", Unavailable(WaitingFor.TICKET_SYSTEM, "down"))
    letter_id = put_aside(world, ticket_text(world))
    await world.bury()
    await world.clock.pass_by(minutes=1)
    assert await world.letters.resolved(letter_id, Resolution(How.DISCARDED, "me", "done by hand", world.clock.now()))
    assert await world.bury() == 1
    assert world.ticket.comments == []


async def test_storage_that_is_down_leaves_everything_where_it_is(world: World) -> None:
    put_aside(world, "text")
    for call in ("queue.poisoned", "letters.keep", "queue.publish"):
        world.calls.down(WaitingFor.STORAGE, call)
        assert await world.bury() == 0
        world.calls.heal()
        await world.clock.pass_by(minutes=1)
    assert world.queue.aside == ["text"]
    assert await world.bury() == 1


async def test_one_that_breaks_us_does_not_keep_the_others_waiting(world: World) -> None:
    world.calls.fail("letters.keep", RuntimeError("?"))
    put_aside(world, "one")
    put_aside(world, "two")
    assert await world.bury() == 1
    assert [letter.text for letter in world.letters.letters()] == ["two"]
    assert world.queue.aside == ["one"]


async def test_what_does_not_fit_into_a_tick_is_left_to_the_next(world: World) -> None:
    texts = [str(number) for number in range(40)]
    for text in texts:
        put_aside(world, text)
    world.calls.slow("letters.keep", seconds=5)
    assert await world.bury() < 10
    world.calls.slow("letters.keep", seconds=0)
    await world.clock.pass_by(minutes=1)
    assert 30 < await world.bury() < 40
    assert world.queue.aside == []


async def test_one_that_is_sent_again_after_it_was_discarded_lies_open_again(world: World) -> None:
    letter_id = put_aside(world, "text")
    await world.bury()
    put_aside(world, "text")
    await world.bury()
    assert len(world.alerts) == 1
    await world.letters.resolved(letter_id, Resolution(How.DISCARDED, "me", "nothing", world.clock.now()))
    await world.clock.pass_by(minutes=5)
    put_aside(world, "text")
    await world.bury()
    assert the_letter(world).resolution is None
    assert len({alert["id"] for alert in world.alerts}) == 2


# ---- how full the queues are


async def reported(world: World) -> list[MutableMapping[str, Any]]:
    with structlog.testing.capture_logs() as logs:
        await depths.report(world.app())
    return logs


async def test_depth_and_age_of_each_queue_are_told_and_of_the_requests_that_wait(world: World) -> None:
    await world.webhook()
    put_aside(world, "text")
    await world.clock.pass_by(seconds=90)
    queues, waiting = (logs := await reported(world))[:-1], logs[-1]
    assert [(one["event"], one["queue"], one["messages"]) for one in queues] == [
        ("queue.depth", "mfa-requests", 1),
        ("queue.depth", "mfa-results", 0),
        ("queue.depth", "mfa-requests-poison", 1),
    ]
    ages = [one["oldest_seconds"] for one in logs]
    assert all(90 <= age < 92 for age in ages if age is not None)
    assert [age is None for age in ages] == [False, True, False, False]
    assert (waiting["event"], waiting["requests"]) == ("requests.waiting", 1)


async def test_when_nothing_waits_that_is_told_too(world: World) -> None:
    assert [(one.get("messages", 0), one.get("requests", 0), one["oldest_seconds"]) for one in await reported(world)] == [
        (0, 0, None)
    ] * 4


@pytest.mark.parametrize("call", ["queue.depths", "journal.due", "journal.find"])
async def test_nothing_is_told_while_storage_is_down(world: World, call: str) -> None:
    await world.webhook()
    world.calls.down(WaitingFor.STORAGE, call)
    assert [one["event"] for one in await reported(world)] == ["queue.depth-unavailable"]


async def test_a_broken_record_does_not_keep_the_depth_from_being_told(world: World) -> None:
    await world.webhook()
    spoiled(world)
    assert (await reported(world))[-1]["requests"] == 1


def test_the_alert_of_a_letter_has_the_same_id_whenever_it_is_sent() -> None:
    letter = DeadLetter("dl-1", Reason.INTERNAL_ERROR, "why", "text", build.NOW, REQUEST_ID, build.REF)
    assert wording.dead_letter_alert(letter) == wording.dead_letter_alert(letter)
    assert wording.dead_letter_note(letter, Mode.ENFORCE).marker == f"[{REQUEST_ID}#0 outcome]"
    assert timedelta() < deadletters.NOTED_FOR
