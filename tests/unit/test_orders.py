"""What operators order: the next attempt of what has ended, checked from the start; letters reopened and discarded, on record."""

import asyncio
import json
import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import structlog

from sandbox.people import ADELE, ALEX
from shared import identity, intake
from shared.admission import ATTEMPTS_PER_DAY
from shared.model import Cause, DeadLetter, How, Order, OrderKind, OrderReply, Resolution, Status, SwitchName, WaitingFor
from shared.ports import LARGEST_MESSAGE, Conflict, Unavailable, Unreadable
from tests.calls import Killed
from tests.unit import build
from tests.unit.test_deadletters import REF, event_text, put_aside, spoiled, ticket_text
from tests.unit.world import World

SOAR = {"source": build.CAUSE.source, "id": build.CAUSE.id}


async def ordered(world: World, target: str, what: OrderKind = OrderKind.REOPEN) -> Order:
    order = Order(uuid.uuid4().hex, what, target, "patti@desk", "INC0010001", world.clock.now())
    await world.orders.give(order)
    return order


async def replied(world: World, target: str, what: OrderKind = OrderKind.REOPEN) -> OrderReply:
    """What the operator is told."""
    order = await ordered(world, target, what)
    await world.sweep()
    reply = await world.orders.reply(order)
    assert reply is not None
    return reply


async def a_letter(world: World, text: str, **how: Any) -> DeadLetter:
    """One that has been told about."""
    letter_id = put_aside(world, text, **how)
    await world.bury()
    letter = await world.letters.find(letter_id)
    assert letter is not None
    return letter


def is_resolved(letter: DeadLetter, how: How, order: Order) -> bool:
    """Whether this order did it, after it was given."""
    done = letter.resolution
    return done is not None and done.at > order.at and done == Resolution(how, order.by, order.why, done.at, order.id)


# ---- requests


async def test_a_refused_ticket_is_attempted_again_and_checked_from_the_start(world: World) -> None:
    world.ticket.active = False
    await world.ended()
    await world.pass_by(hours=1)
    world.ticket.active = True
    order = await ordered(world, world.record.id)
    await world.sweep()
    reply = await world.orders.reply(order)
    assert reply is not None
    assert (reply.done, reply.said, reply.request_id) == (True, "Attempt 2 was opened.", world.record.id)
    record = world.record
    assert (record.attempt, record.status, record.reopened_by) == (2, Status.ACCEPTED, order.id)
    assert record.accepted_at >= order.at
    await world.settle()
    assert (world.record.outcome, world.record.attempt) == ("done", 2)
    assert world.result["reopenedBy"] == order.id
    assert (len(world.ticket.comments), len(world.notes("start"))) == (2, 2)


async def test_an_old_approval_is_not_replayed(world: World) -> None:
    world.desk.people.clear()
    await world.ended()
    await world.pass_by(hours=80)
    world.desk.people[build.SUBJECT] = ADELE
    assert (await replied(world, world.record.id)).done
    await world.settle()
    assert world.result["reason"] == "approval-expired"
    assert world.writes() == []


async def test_who_asked_without_a_ticket_recognises_the_result_of_the_reopening(world: World) -> None:
    world.tenant.account(ADELE).person.enabled = False
    message = world.message()
    await world.settle()
    assert world.result["reason"] == "user-disabled"
    world.tenant.account(ADELE).person.enabled = True
    await world.pass_by(hours=100)
    order = await ordered(world, world.record.id)
    await world.settle()
    assert (world.result["outcome"], world.result["cause"], world.result["reopenedBy"]) == ("done", SOAR, order.id)
    assert world.result["requestId"] == world.record.id == identity.event_request_id(build.CAUSE)
    before = len(world.results)
    world.queue.insert(message.text)  # a copy of what first asked
    await world.settle()
    assert (len(world.results), world.record.attempt) == (before + 1, 2)


async def test_a_source_that_is_no_longer_trusted_is_refused(world: World) -> None:
    world.tenant.account(ADELE).person.enabled = False
    world.message()
    await world.settle()
    world.tenant.account(ADELE).person.enabled = True
    world.configure(TRUSTED_SOURCES=None)
    assert (await replied(world, world.record.id)).done
    await world.settle()
    assert world.result["reason"] == "source-not-trusted"
    assert world.writes() == []


async def test_a_dry_run_is_reopened_and_enforced(world: World) -> None:
    world.configure(MODE="dry-run")
    await world.ended()
    world.configure(MODE="enforce")
    assert (await replied(world, world.record.id)).done
    await world.settle()
    assert (world.result["outcome"], world.result["attempt"]) == ("done", 2)


async def test_a_ticket_that_was_asked_for_too_often_today_is_reopened(world: World) -> None:
    world.ticket.active = False
    for number in range(ATTEMPTS_PER_DAY + 2):
        await world.webhook(f"msg-{number}")
        await world.settle()
        await world.pass_by(minutes=1)
    assert world.record.attempt == ATTEMPTS_PER_DAY
    world.ticket.active = True
    assert (await replied(world, world.record.id)).done
    await world.settle()
    assert (world.result["outcome"], world.result["attempt"]) == ("done", ATTEMPTS_PER_DAY + 1)


async def test_what_is_done_stays_done(world: World) -> None:
    await world.ended()
    writes = len(world.writes())
    reply = await replied(world, world.record.id)
    assert (reply.done, reply.said, reply.request_id) == (False, "It is done, and stays so.", world.record.id)
    await world.settle()
    assert (world.record.attempt, len(world.writes())) == (1, writes)


async def test_what_is_open_is_woken_and_said_to_be_open(world: World) -> None:
    await world.webhook()
    world.queue.messages.clear()
    reply = await replied(world, world.record.id)
    assert (reply.done, reply.said) == (False, "It is open already.")
    assert len(world.queue.messages) == 1
    await world.settle()
    assert world.outcome == ("done", "removed")


@pytest.mark.parametrize("target", ["0" * 32, f"dl-{'0' * 32}", "everything", ""])
@pytest.mark.parametrize("what", OrderKind)
async def test_what_is_not_there_cannot_be_ordered(world: World, target: str, what: OrderKind) -> None:
    reply = await replied(world, target, what)
    assert not reply.done
    assert reply.said.startswith("There is no such")


async def test_a_broken_record_is_not_reopened(world: World) -> None:
    world.ticket.active = False
    await world.ended()
    reply = await replied(world, spoiled(world))
    assert (reply.done, "new ticket" in reply.said) == (False, True)


async def test_a_pause_holds_what_was_reopened_too(world: World) -> None:
    world.ticket.active = False
    await world.ended()
    world.ticket.active = True
    world.control.put(SwitchName.PAUSE, build.switch())
    assert (await replied(world, world.record.id)).done
    await world.pass_by(minutes=5)
    assert world.record.waiting_for is WaitingFor.PAUSED
    assert world.writes() == []


# ---- dead letters


async def test_a_letter_that_was_never_taken_in_is_opened_as_its_sender_meant_it_as_of_now(world: World) -> None:
    letter = await a_letter(world, event_text(world))
    await world.pass_by(hours=100)
    order = await ordered(world, letter.id)
    await world.settle()
    assert (world.result["outcome"], world.result["cause"], world.result["attempt"]) == ("done", SOAR, 1)
    assert world.result["reopenedBy"] == order.id
    reopened = await world.letters.find(letter.id)
    assert reopened is not None
    assert is_resolved(reopened, How.REOPENED, order)
    world.queue.insert(letter.text)  # the sender tries again
    await world.settle()
    assert world.record.attempt == 1


async def test_a_letter_that_was_no_base64_but_says_what_it_wants_is_opened(world: World) -> None:
    letter = await a_letter(world, ticket_text(world), encoded=False)
    assert (await replied(world, letter.id)).done
    await world.settle()
    assert world.result["outcome"] == "done"


async def test_a_letter_for_a_ticket_that_ended_otherwise_opens_its_next_attempt(world: World) -> None:
    world.ticket.active = False
    await world.ended()
    letter = await a_letter(world, ticket_text(world))
    world.ticket.active = True
    assert (await replied(world, letter.id)).request_id == world.record.id
    await world.settle()
    assert (world.result["outcome"], world.result["attempt"]) == ("done", 2)


@pytest.mark.parametrize("text", ["?", "", "[]", json.dumps({"source": "urn:x", "id": "1"})])
async def test_a_letter_that_says_nothing_cannot_be_reopened_and_stays(world: World, text: str) -> None:
    letter = await a_letter(world, text)
    reply = await replied(world, letter.id)
    assert (reply.done, reply.said) == (False, "It is no request that can be read: let it be asked for again.")
    assert await world.letters.find(letter.id) == letter


async def test_a_letter_that_is_too_large_for_the_queue_cannot_be_reopened(world: World) -> None:
    text = event_text(world, subject=ADELE, reason="x")
    large = text + " " * (LARGEST_MESSAGE - len(text) + 1)
    letter = await a_letter(world, large, encoded=False)
    assert not (await replied(world, letter.id)).done


async def test_a_forged_reopening_cannot_be_reopened(world: World) -> None:
    world.ticket.active = False
    await world.ended()
    demand = build.ticket_event(cause=Cause(intake.OPERATOR_SOURCE, "ab" * 16), time=world.clock.now())
    letter = await a_letter(world, intake.reopening(demand, world.record.id))
    assert not (await replied(world, letter.id)).done
    assert world.record.attempt == 1


async def test_a_letter_under_an_identity_that_was_used_for_another_reopens_neither(world: World) -> None:
    world.tenant.account(ADELE).person.enabled = False
    world.message()
    await world.settle()
    letter = await a_letter(world, event_text(world, build.CAUSE.id, subject=ALEX))
    reply = await replied(world, letter.id)
    assert (reply.done, reply.request_id) == (False, world.record.id)
    assert world.record.attempt == 1


@pytest.mark.parametrize("known", ["another ticket's", "lost"])
async def test_a_letter_whose_event_is_known_elsewhere_does_not_keep_other_orders_waiting(world: World, known: str) -> None:
    world.ticket.active = False
    world.ticket_message()
    await world.settle()
    request_id = world.record.id
    if known == "lost":
        world.journal.forget(request_id)
        letter = await a_letter(world, ticket_text(world, build.CAUSE.id))
    else:
        letter = await a_letter(world, event_text(world, build.CAUSE.id, ticket=REF | {"sysId": "f" * 32}))
    first = await ordered(world, letter.id)
    reply = await replied(world, request_id)
    assert reply.done is (known != "lost")
    refused = await world.orders.reply(first)
    assert refused is not None
    assert not refused.done


async def test_a_letter_of_a_broken_record_says_that_a_new_ticket_is_needed_until_the_record_is_mended(world: World) -> None:
    await world.webhook()
    whole = world.record
    spoiled(world)
    await world.settle()
    (letter,) = world.letters.letters()
    reply = await replied(world, letter.id)
    assert (reply.done, "new ticket" in reply.said) == (False, True)
    world.journal.spoil(whole)
    assert (await replied(world, letter.id)).said == "It is open already."
    await world.settle()
    assert world.record.outcome == "done"


async def test_a_letter_is_discarded_once_and_then_not_reopened(world: World) -> None:
    letter = await a_letter(world, event_text(world))
    order = await ordered(world, letter.id, OrderKind.DISCARD)
    await world.sweep()
    discarded = await world.letters.find(letter.id)
    assert discarded is not None
    assert is_resolved(discarded, How.DISCARDED, order)
    for what in OrderKind:
        reply = await replied(world, letter.id, what)
        assert (reply.done, reply.said) == (False, "It is discarded already.")
    await world.settle()
    assert world.records == []


@pytest.mark.parametrize("off", [timedelta(days=-91), timedelta(days=91)], ids=["behind", "ahead"])
@pytest.mark.parametrize("what", OrderKind)
async def test_when_a_letter_was_resolved_is_said_by_our_clock_and_not_by_the_orders(
    world: World, what: OrderKind, off: timedelta
) -> None:
    letter = await a_letter(world, event_text(world))
    await world.orders.give(Order("ab" * 16, what, letter.id, "patti@desk", "INC0010001", world.clock.now() + off))
    await world.sweep()
    resolved = await world.letters.find(letter.id)
    assert resolved is not None
    assert (resolved.text, resolved.resolution is not None) == (letter.text, True)
    await world.clock.pass_by(minutes=5)
    again = await world.letters.keep(replace(letter, first_seen=world.clock.now()))
    assert again.resolution is None


@pytest.mark.parametrize(
    ("what", "done", "said"),
    [
        (OrderKind.DISCARD, False, "Something else was done about it meanwhile."),
        (OrderKind.REOPEN, True, "Attempt 1 was opened. Something else was done about the dead letter meanwhile."),
    ],
)
async def test_who_loses_a_letter_to_another_order_is_told(world: World, what: OrderKind, done: bool, said: str) -> None:
    letter = await a_letter(world, event_text(world))
    order = await ordered(world, letter.id, what)
    gate = world.calls.hold("letters.resolved")
    sweeping = asyncio.create_task(world.sweep())
    await gate.reached.wait()
    world.calls.gates.clear()
    how = How.REOPENED if what is OrderKind.DISCARD else How.DISCARDED
    assert await world.letters.resolved(letter.id, Resolution(how, "me", "why", world.clock.now(), "ef" * 16))
    gate.opened.set()
    await sweeping
    reply = await world.orders.reply(order)
    assert reply is not None
    assert (reply.done, reply.said) == (done, said)


async def test_a_letter_that_nobody_can_read_is_discarded_and_not_reopened(world: World) -> None:
    letter = await a_letter(world, event_text(world))
    world.calls.fail("letters.find", Unreadable("?"), times=None)
    assert not (await replied(world, letter.id)).done
    reply = await replied(world, letter.id, OrderKind.DISCARD)
    assert (reply.done, reply.said, reply.request_id) == (True, "It is discarded.", None)


# ---- nothing lost, nothing opened twice


CALLS = ["orders.waiting", "journal.find", "journal.commit", "letters.find", "letters.resolved", "queue.put", "orders.settled"]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("error", [Killed(), Unavailable(WaitingFor.STORAGE, "down")], ids=["killed", "down"])
async def test_whoever_dies_in_between_leaves_the_rest_to_the_next(
    world: World, call: str, after: bool, known: bool, error: BaseException
) -> None:
    if known:
        world.ticket.active = False
        await world.ended()
        world.ticket.active = True
    letter = await a_letter(world, ticket_text(world))
    order = await ordered(world, letter.id)
    world.calls.fail(call, error, after=after)
    await world.sweep()
    await world.settle()
    reply = await world.orders.reply(order)
    assert reply is not None
    assert reply.done
    assert (world.record.outcome, world.record.attempt, world.record.reopened_by) == ("done", 1 + known, order.id)
    assert len(world.record.attempts_opened) == 1 + known
    resolved = await world.letters.find(letter.id)
    assert resolved is not None
    assert is_resolved(resolved, How.REOPENED, order)


async def test_an_order_that_loses_a_race_looks_again(world: World) -> None:
    world.ticket.active = False
    await world.ended()
    world.calls.fail("journal.commit", Conflict(), times=3)
    assert (await replied(world, world.record.id)).done
    assert world.record.attempt == 2


async def test_an_order_that_breaks_us_is_answered_and_does_not_keep_the_others_waiting(world: World) -> None:
    letter = await a_letter(world, "?")
    world.calls.fail("letters.find", RuntimeError("?"))
    orders = [await ordered(world, letter.id, OrderKind.DISCARD) for _ in range(2)]
    await world.sweep()
    replies = [await world.orders.reply(order) for order in orders]
    assert sorted(reply.done for reply in replies if reply) == [False, True]


async def test_two_orders_for_one_request_open_one_attempt(world: World) -> None:
    world.ticket.active = False
    await world.ended()
    orders = [await ordered(world, world.record.id) for _ in range(2)]
    await world.sweep()
    assert sorted([reply.done for order in orders if (reply := await world.orders.reply(order))]) == [False, True]
    assert world.record.attempt == 2


# ---- forgeries


async def test_an_order_under_the_name_of_anothers_opens_nothing_and_does_not_say_so(world: World) -> None:
    world.ticket.active = False
    await world.ended()
    ticketed = world.record.id
    order = await ordered(world, ticketed)
    await world.sweep()
    letter = await a_letter(world, event_text(world))
    await world.orders.settled(order, OrderReply(True, "", world.clock.now()))
    world.orders.repeat(replace(order, target=letter.id))
    with structlog.testing.capture_logs() as logs:
        await world.sweep()
    assert [one["done"] for one in logs if one["event"] == "order.settled"] == [False]
    assert [record.id for record in world.records] == [ticketed]


@pytest.mark.parametrize("order_id", ["ab" * 16, "the order of another request"])
async def test_a_message_that_says_it_reopens_is_believed_only_if_the_journal_knows_it(world: World, order_id: str) -> None:
    world.ticket.active = False
    await world.ended()
    world.ticket.active = True
    attempts, target = 1, world.record.id
    if order_id != "ab" * 16:
        order = await ordered(world, target)
        world.calls.down(WaitingFor.GRAPH, "directory.person")
        await world.sweep()
        order_id, attempts, target = order.id, 2, identity.event_request_id(build.CAUSE)
    demand = build.ticket_event(cause=Cause(intake.OPERATOR_SOURCE, order_id), time=world.clock.now())
    world.queue.insert(intake.reopening(demand, target))
    await world.work()
    assert world.writes() == []
    assert world.record.attempt == attempts


async def test_an_ordered_event_with_other_data_is_a_mismatch(world: World) -> None:
    world.ticket.active = False
    await world.ended()
    order = await ordered(world, world.record.id)
    await world.sweep()
    demand = build.event(cause=Cause(intake.OPERATOR_SOURCE, order.id), subject="somebody@contoso.com", time=world.clock.now())
    world.queue.insert(intake.reopening(demand, world.record.id))
    await world.settle()
    assert "payload-mismatch" in [result["data"]["reason"] for result in world.results]
    assert world.writes() == []


async def test_nobody_is_told_again_of_a_copy_of_an_operators_event(world: World) -> None:
    world.ticket.active = False
    await world.ended()
    assert (await replied(world, world.record.id)).done
    (message,) = world.queue.messages
    await world.settle()
    told = len(world.results)
    world.queue.insert(message.text)
    await world.settle()
    assert len(world.results) == told
