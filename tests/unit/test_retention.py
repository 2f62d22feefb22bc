"""What is kept for how long: after that nobody is named any more, and everything that must hold for ever holds."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from sandbox.people import ADELE, PATTI
from sandbox.people import Method as Registered
from shared import identity, journal, retention, sweep, wording
from shared.journal import IllegalRecord
from shared.model import (
    RETENTION,
    DeadLetter,
    How,
    LeftAlone,
    Mode,
    OrderKind,
    Outcome,
    Reason,
    Resolution,
    Verdict,
    WaitingFor,
    Why,
)
from shared.pace import Pace
from shared.ports import Conflict, Forbidden, Unavailable
from shared.receipt import Anchor
from shared.record import RECORD_JSON, Outage, Record
from tests.calls import Killed
from tests.unit import build
from tests.unit.build import NOW, after
from tests.unit.test_orders import replied
from tests.unit.world import World, about

APP = build.method("microsoftAuthenticator", "app-1", build.before(days=400))
KEY = build.method("fido2", "key-1", build.before(days=300))
LEFT = (LeftAlone("fido2", "key-1", Why.PROFILE),)
VERDICT = Verdict("subject-named", Reason.TICKET_SUBJECT_MISSING, False, "The fact that it rests on")
NAMED = ("adele.vance", "clerk", "The fact", "key-1", "approver")


def ended(outcome: Outcome = Outcome.DONE, reason: Reason = Reason.REMOVED, **changes: Any) -> Record:
    """Told to everybody, with all that a record may remember of how it came to that."""
    full: dict[str, Any] = {
        "inventory": (build.method(), APP, KEY),
        "removals": (build.entry(build.method(), gone_at=after(seconds=11)), build.entry(APP, gone_at=after(seconds=12))),
        "verdicts": (VERDICT,),
        "outages": (Outage(WaitingFor.TICKET_SYSTEM, NOW),),
        "revoked_at": after(seconds=13),
        "put_back_at": after(seconds=1),
        "receipt": Anchor("a" * 64, 9),
    }
    return build.ended(outcome, reason, **full | changes)


def message(outcome: Outcome = Outcome.DONE, reason: Reason = Reason.REMOVED, **changes: Any) -> Record:
    about = {"ticket": None, "subject": "adele.vance@contoso.com", "requested_by": "clerk", "cause": build.CAUSE}
    return ended(outcome, reason, **about | changes)


DRY = build.entry(APP)
ENDINGS = {
    "done": ended(),
    "done, by a message": message(left_alone=LEFT),
    "nothing to remove": ended(reason=Reason.NOTHING_TO_REMOVE, removals=()),
    "dry run": ended(reason=Reason.DRY_RUN, mode=Mode.DRY_RUN, removals=(), would_remove=(DRY,), left_alone=LEFT),
    "refused": ended(Outcome.REFUSED, Reason.USER_GUEST, removals=(), inventory=None, reopened_by="a" * 32),
    "refused, by a message": message(outcome=Outcome.REFUSED, reason=Reason.COOLDOWN, removals=()),
    "failed": ended(Outcome.FAILED, Reason.NOT_REMOVED),
}
EVERY = pytest.mark.parametrize("ending", ENDINGS)


def forgotten(record: Record) -> Record:
    at = journal.forget_at(record)
    assert at is not None
    return journal.forget(record, at)


# ---- of one record


@EVERY
def test_an_ended_request_is_forgotten_90_days_after_its_end_and_not_before(ending: str) -> None:
    record = ENDINGS[ending]
    assert record.ended_at is not None
    due = record.ended_at + timedelta(days=90)
    assert journal.forget_at(record) == due
    assert journal.forget(record, due - build.TICK) is record
    assert journal.forget(record, due).forgotten_at == due


@EVERY
def test_what_is_forgotten_is_forgotten_once(ending: str) -> None:
    record = forgotten(ENDINGS[ending])
    assert journal.forget_at(record) is None
    assert journal.forget(record, after(days=1000)) is record
    assert journal.due_at(record) is None


@pytest.mark.parametrize(
    "record",
    [
        *(build.STATES[state] for state in ("accepted", "running", "begun", "waiting")),
        ended(message="m", owed=(build.owed(),)),
    ],
)
def test_nothing_is_forgotten_while_there_is_something_left_to_do(record: Record) -> None:
    assert journal.forget_at(record) is None
    assert journal.forget(record, after(days=1000)) is record


@EVERY
def test_a_copy_is_answered_with_the_same_event_as_ever(ending: str) -> None:
    record = ENDINGS[ending]
    assert wording.result_event(forgotten(record)) == wording.result_event(record)


@EVERY
def test_a_tombstone_names_nobody_and_survives_its_json_form(ending: str) -> None:
    record = forgotten(ENDINGS[ending])
    document = RECORD_JSON.dump_json(record, exclude_defaults=True)
    assert journal.check(RECORD_JSON.validate_json(document)) == record
    kept = {left.id for left in record.left_alone} | {method.id for method in record.inventory or ()}
    assert not [word for word in NAMED if word in document.decode() and word not in kept]
    assert (record.steps, record.verdicts, record.outages, record.message) == ((), (), (), None)


@EVERY
def test_what_identifies_and_what_binds_stays(ending: str) -> None:
    record = ENDINGS[ending]
    stays = (
        *(
            "id",
            "cause",
            "ticket",
            "attempt",
            "attempts_opened",
            "dry_runs",
            "mode",
            "profile",
            "reopened_by",
            "pins",
            "removals",
        ),
        *("outcome", "reasons", "would_remove", "left_alone", "event_time", "accepted_at", "facts_read_at", "ended_at"),
        *("updated_at", "latest_event_at", "revoked_at", "status", "receipt"),
    )
    tombstone = forgotten(record)
    assert [getattr(tombstone, name) for name in stays] == [getattr(record, name) for name in stays]


def test_the_inventory_stays_as_far_as_it_binds() -> None:
    assert forgotten(ENDINGS["done"]).inventory == (build.method(), APP)
    assert forgotten(ENDINGS["failed"]).inventory == (build.method(), APP, KEY)
    for ending in ("nothing to remove", "dry run", "refused"):
        assert forgotten(ENDINGS[ending]).inventory is None


def test_an_attempt_that_ended_without_a_time_is_kept() -> None:
    assert journal.forget_at(ended(ended_at=None)) is None


@pytest.mark.parametrize(
    "record",
    [
        build.record(forgotten_at=NOW),
        ended(forgotten_at=NOW, message="m", owed=(build.owed(),)),
        message(forgotten_at=NOW),
    ],
)
def test_what_says_it_is_forgotten_and_is_not_cannot_be_true(record: Record) -> None:
    with pytest.raises(IllegalRecord, match="not forgotten"):
        journal.check(record)


# ---- in its course


async def has_passed(world: World, **length: float) -> None:
    """The time for which it is kept, and the sweep after that."""
    await world.pass_by(**length or {"days": RETENTION.days, "minutes": 1})
    await world.sweep()


async def test_a_ticket_that_is_done_is_a_tombstone_and_still_done(world: World) -> None:
    assert await world.ended() == ("done", "removed")
    before = world.record
    await has_passed(world, days=89)
    assert world.record == before
    await has_passed(world, days=2)
    assert world.record.forgotten_at is not None
    assert (await world.webhook("msg-2")).status == 200
    await world.settle()
    assert (world.record.attempt, len(world.results), len(world.ticket.comments)) == (1, 1, 1)
    assert world.record.pins == before.pins


async def test_the_sender_of_a_copy_gets_the_same_answer(world: World) -> None:
    sent = world.message(subject=ADELE, requestedBy="clerk")
    await world.settle()
    await has_passed(world)
    assert (world.record.subject, world.record.requested_by) == (None, None)
    assert ADELE.encode() not in RECORD_JSON.dump_json(world.record)
    world.queue.insert(sent.text)
    await world.settle()
    first, again = world.results
    assert again == first
    assert first["data"]["reason"] == "removed"
    assert len(world.records) == 1


async def test_another_content_is_still_a_mismatch(world: World) -> None:
    world.message(subject=ADELE)
    await world.settle()
    await has_passed(world)
    world.message(subject=build.ADELE)
    await world.settle()
    assert world.result["reason"] == "payload-mismatch"
    assert len(world.records) == 1


async def test_a_refused_ticket_may_be_asked_for_again(world: World) -> None:
    world.ticket.approval = "requested"
    assert await world.ended() == ("refused", "ticket-not-approved")
    await has_passed(world)
    assert world.record.forgotten_at is not None
    world.ticket.approval = "approved"
    world.ticket.approvals = [build.approval(updated_at=world.clock.now())]
    assert (await world.webhook("msg-2")).status == 202
    await world.settle()
    again = world.record
    assert (again.attempt, again.outcome, again.forgotten_at) == (2, "done", None)
    assert world.types() == []


@pytest.mark.parametrize("pin", ["subject", "opener", "object id"])
async def test_its_pins_still_bind(world: World, pin: str) -> None:
    world.ticket.approval = "requested"
    await world.ended()
    await has_passed(world)
    world.ticket.approval = "approved"
    world.ticket.approvals = [build.approval(updated_at=world.clock.now())]
    match pin:
        case "subject":
            world.ticket.requested_for = "6" * 32
            world.desk.people["6" * 32] = ADELE
        case "opener":
            world.ticket.opened_by = "7" * 32
        case _:
            world.ticket_for(PATTI)
    await world.webhook("msg-2")
    await world.settle()
    assert (world.result["outcome"], world.result["reason"]) == ("refused", "ticket-changed")
    assert world.writes() == []


async def test_what_was_gone_by_then_binds_the_next_attempt(world: World) -> None:
    world.tenant.update(ADELE, default_method=None)
    world.calls.fail("directory.remove", Forbidden(WaitingFor.GRAPH, "403"), times=None, when=about("phone"))
    assert await world.ended() == ("failed", "graph-forbidden")
    first = world.record
    world.calls.heal()
    await has_passed(world)
    assert world.record.forgotten_at is not None
    world.tenant.register(ADELE, Registered(type="softwareOath", id="new", created=world.clock.now() - timedelta(days=1)))
    world.ticket.approvals = [build.approval(updated_at=world.clock.now())]
    await world.webhook("msg-2")
    await world.settle()
    second = world.record
    assert (second.attempt, second.accepted_at, second.inventory) == (2, first.accepted_at, first.inventory)
    assert (world.result["outcome"], world.types()) == ("done", ["softwareOath"])


# ---- by an operator


async def test_an_operator_reopens_a_forgotten_ticket(world: World) -> None:
    world.ticket.active = False
    await world.ended()
    await has_passed(world)
    world.ticket.active = True
    world.ticket.approvals = [build.approval(updated_at=world.clock.now())]
    assert (await replied(world, world.record.id)).done
    await world.settle()
    assert (world.record.attempt, world.record.outcome) == (2, "done")


async def test_an_operator_cannot_reopen_a_message_of_which_nobody_knows_any_more_whom_it_meant(world: World) -> None:
    world.tenant.update(ADELE, enabled=False)
    world.message()
    await world.settle()
    await has_passed(world)
    before = world.record
    reply = await replied(world, before.id)
    assert not reply.done
    assert "asked for again" in reply.said
    assert world.record == before


# ---- how often, and what comes in between


async def test_it_is_asked_for_once_an_hour_and_process(world: World) -> None:
    app = world.app()
    for minutes, asked in ((0, 1), (30, 1), (29, 1), (1, 2), (59, 2), (90, 3)):
        await world.clock.pass_by(minutes=minutes)
        await sweep.sweep(app)
        assert (world.calls.count("journal.expired"), world.calls.count("letters.forget")) == (asked, asked)


async def test_a_great_many_are_forgotten_in_several_rounds_without_waiting_for_the_hour(world: World) -> None:
    for number in range(retention.AT_ONCE + 10):
        await world.journal.commit(build.ended(id=f"{number:032x}", ended_at=after(seconds=number)), None)
    await world.clock.pass_by(days=91)
    app = world.app()
    assert await retention.forget(app) == retention.AT_ONCE
    assert [record.forgotten_at is None for record in world.records] == [False] * retention.AT_ONCE + [True] * 10
    assert await retention.forget(app) == 10
    assert await retention.forget(app) == 0
    assert world.calls.count("journal.expired") == 2


@pytest.mark.parametrize("call", ["journal.expired", "journal.find", "journal.commit", "letters.forget"])
async def test_storage_that_is_down_lets_the_next_tick_try(world: World, call: str) -> None:
    await world.journal.commit(build.ended(), None)
    await world.clock.pass_by(days=91)
    app = world.app()
    world.calls.fail(call, Unavailable(WaitingFor.STORAGE, "down"))
    assert await retention.forget(app) == 0
    await retention.forget(app)
    assert world.record.forgotten_at is not None
    assert journal.check(world.record)


async def test_a_request_that_moves_on_meanwhile_is_not_forgotten(world: World) -> None:
    await world.journal.commit(build.ended(), None)
    await world.clock.pass_by(days=91)
    world.calls.fail("journal.commit", Conflict())
    assert await retention.forget(world.app()) == 0
    assert world.record.forgotten_at is None


async def test_what_the_journal_lists_too_early_is_left_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.journal.commit(build.ended(), None)

    async def too_early(*_: object) -> tuple[str, ...]:
        return (world.record.id,)

    monkeypatch.setattr(world.journal, "expired", too_early)
    assert await retention.forget(world.app()) == 0
    assert world.record.forgotten_at is None


async def test_a_request_that_somebody_has_deleted_is_out_of_the_list(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def left_over(*_: object) -> tuple[str, ...]:
        return ("0" * 32,)

    monkeypatch.setattr(world.journal, "expired", left_over)
    assert await retention.forget(world.app()) == 0
    assert world.calls.count("journal.give_up") == 1


async def test_a_record_that_nobody_can_read_is_left_to_a_human_and_does_not_keep_the_others(world: World) -> None:
    await world.journal.commit(build.ended(id="1" * 32), None)
    await world.journal.commit(build.ended(id="2" * 32, ended_at=after(minutes=2)), None)
    await world.clock.pass_by(days=91)
    world.journal.spoil(replace(build.ended(id="1" * 32), subject="both"))
    assert await retention.forget(world.app()) == 1
    (letter,) = world.letters.letters()
    assert (letter.request_id, letter.reason) == ("1" * 32, "internal-error")
    assert await world.journal.expired(world.clock.now(), 10) == ()


@pytest.mark.parametrize("after_it", [False, True])
@pytest.mark.parametrize("call", ["journal.expired", "journal.find", "journal.commit", "letters.forget"])
async def test_whoever_dies_in_between_leaves_the_rest_to_the_next(world: World, call: str, after_it: bool) -> None:
    await world.journal.commit(build.ended(), None)
    await world.letters.keep(a_letter())
    await world.letters.resolved(a_letter().id, DONE)
    await world.clock.pass_by(days=94)
    world.calls.fail(call, Killed(), after=after_it)
    await world.sweep()
    await world.sweep()
    assert world.record.forgotten_at is not None
    assert [letter.text for letter in world.letters.letters()] == [""]


# ---- the ledger


async def test_who_asked_for_a_reset_is_not_kept_with_the_person_for_ever(world: World) -> None:
    world.message(subject=ADELE, requestedBy="clerk")
    await world.settle()
    counted = await world.ledger.read(world.adele)
    assert [reset.actors for reset in counted.resets] == [(f"source:{build.CAUSE.source}", "requester:clerk")]
    assert counted.latest == replace(counted.resets[0], actors=())


# ---- dead letters

DONE = Resolution(How.DISCARDED, "patti@desk", "INC0010002", after(days=3))


def a_letter(text: str = "sigrid.undset@contoso.com") -> DeadLetter:
    return DeadLetter(identity.dead_letter_id(text), Reason.PAYLOAD_INVALID, "/: Not JSON", text, NOW)


async def test_a_dead_letter_loses_its_message_90_days_after_somebody_looked_and_nothing_else(world: World) -> None:
    await world.letters.keep(a_letter())
    await world.clock.pass_by(days=3)
    await replied(world, a_letter().id, OrderKind.DISCARD)
    (before,) = world.letters.letters()
    await has_passed(world, days=89)
    assert world.letters.letters() == [before]
    await has_passed(world, days=2)
    assert world.letters.letters() == [replace(before, text="")]
    assert await retention.forget(world.app()) == 0


async def test_a_dead_letter_that_nobody_looked_at_is_kept(world: World) -> None:
    await world.letters.keep(a_letter())
    await has_passed(world, days=95)
    assert world.letters.letters() == [a_letter()]


async def test_a_message_that_comes_again_after_that_is_a_letter_again(world: World) -> None:
    world.queue.set_aside("{")
    await world.bury()
    (letter,) = world.letters.letters()
    await replied(world, letter.id, OrderKind.DISCARD)
    await has_passed(world)
    world.queue.set_aside("{")
    await world.bury()
    (again,) = world.letters.letters()
    assert (again.id, again.text, again.resolution) == (letter.id, "{", None)


@pytest.mark.parametrize(
    ("letter", "at"),
    [
        (a_letter(), None),
        (replace(a_letter(), resolution=DONE), DONE.at + RETENTION),
        (replace(a_letter(""), resolution=DONE), None),
    ],
)
def test_when_a_letters_text_may_go(letter: DeadLetter, at: datetime | None) -> None:
    assert letter.forget_at == at


# ---- the pace


def test_a_pace_counts_from_what_was_done() -> None:
    pace = Pace(timedelta(hours=1))
    assert pace.is_time(NOW)
    assert pace.is_time(NOW)
    pace.done(NOW)
    assert not pace.is_time(after(minutes=59))
    assert pace.is_time(after(hours=1))
