"""Receipts: nothing is changed before its story is durable, nothing ends before it is whole, and nobody is left half stripped."""

import json
from datetime import timedelta
from typing import Any

import pytest

from sandbox.people import ADELE, ALEX, DIEGO, EMILY
from shared import receipt
from shared.audit import Audit
from shared.model import Mode, WaitingFor
from shared.ports import Conflict, Forbidden, Unavailable
from shared.receipt import Anchor, EntryKind
from tests.unit import build
from tests.unit.world import ALL_METHODS, GRAPH_WRITES, World, about

STORAGE = WaitingFor.STORAGE
DOWN = Unavailable(STORAGE, "down")
BEFORE_A_REMOVAL = ["accepted", "facts", "inventory", "facts", "facts", "facts", "decision", "intent"]


def kinds(world: World) -> list[str]:
    return [line.kind for line in world.entries()]


def once_called(world: World, first: str, *calls: str) -> None:
    """From the first such call on, these calls fail."""

    def listen(name: str, _: tuple[Any, ...]) -> None:
        if name == first and not world.calls.faults:
            world.calls.down(STORAGE, *calls)

    world.calls.listeners.append(listen)


def said(world: World, kind: EntryKind) -> list[dict[str, Any]]:
    return [dict(line.data) for line in world.entries(kind)]


# ---- what is on record


async def test_a_reset_is_on_record_from_its_demand_to_what_was_told(world: World) -> None:
    await world.ended()
    assert [kind for kind in kinds(world) if kind != "told"] == [
        *BEFORE_A_REMOVAL,
        *("call", "intent", "call", "intent", "call", "intent", "call"),
        *("read-back", "outcome"),
    ]
    assert sorted(one["what"] for one in said(world, EntryKind.TOLD)) == ["outcome", "result", "start"]
    assert kinds(world)[-2:] == ["told", "told"]
    assert {line.attempt for line in world.entries()} == {1}
    intents = said(world, EntryKind.INTENT)
    assert [one["action"] for one in intents] == ["delete", "delete", "delete", "revoke-sessions"]
    calls = said(world, EntryKind.CALL)
    assert [{name: one.get(name) for name in ("action", "type", "id")} for one in calls] == [
        {name: one.get(name) for name in ("action", "type", "id")} for one in intents
    ]
    assert [one["status"] for one in calls] == [204, 204, 204, 200]
    assert all(one["requestId"].startswith("graph-request-") for one in calls)
    assert [len(one["methods"]) for one in (*said(world, EntryKind.INVENTORY), *said(world, EntryKind.READ_BACK))] == [4, 1]


async def test_the_outcomes_hash_is_told_wherever_the_outcome_is(world: World) -> None:
    await world.ended()
    (outcome,) = world.entries(EntryKind.OUTCOME)
    (note,) = world.notes("outcome")
    assert world.record.receipt == Anchor(outcome.hash, outcome.sequence)
    assert world.result["receipt"] == {"sequence": outcome.sequence, "hash": outcome.hash}
    assert note.splitlines()[-1] == f"Receipt: {outcome.hash}"


async def test_everything_that_every_rule_said_is_on_record(world: World) -> None:
    await world.ended()
    (decision,) = said(world, EntryKind.DECISION)
    assert [one["rule"] for one in decision["verdicts"]] == [verdict.rule for verdict in world.record.verdicts]
    assert all(one["fact"] and one["refuses"] is False for one in decision["verdicts"])


@pytest.mark.parametrize("mode", Mode)
async def test_what_ends_without_a_change_is_on_record_in_one_append(world: World, mode: Mode) -> None:
    world.configure(MODE=mode)
    if mode is Mode.ENFORCE:
        world.ticket.approvals.clear()
    await world.ended()
    appended = [
        [line.kind for line in receipt.lines(arguments[1])] for name, arguments in world.calls.log if name == "receipts.append"
    ]
    assert len(appended) == 2
    assert (appended[0][0], appended[0][-2:], set(appended[1])) == ("accepted", ["decision", "outcome"], {"told"})
    assert "intent" not in kinds(world)


async def test_a_dry_run_says_what_would_have_gone(world: World) -> None:
    world.configure(MODE="dry-run")
    await world.ended()
    (outcome,) = said(world, EntryKind.OUTCOME)
    assert (len(outcome["wouldRemove"]), outcome["removed"], outcome["mode"]) == (3, [], "dry-run")


async def test_with_nothing_to_remove_the_revocation_is_meant_before_it_is_made(world: World) -> None:
    world.ticket_for(EMILY)
    await world.ended()
    assert said(world, EntryKind.INTENT) == [{"action": "revoke-sessions"}]
    assert [kind for kind in kinds(world) if kind != "told"][-4:] == ["intent", "call", "read-back", "outcome"]


async def test_a_default_is_meant_to_be_changed_before_it_is(world: World) -> None:
    world.ticket_for(ALEX)
    world.tenant.register(ALEX, world.tenant.account(ADELE).methods[2])
    world.permit(ALL_METHODS)
    await world.ended()
    intent, call = said(world, EntryKind.INTENT)[0], said(world, EntryKind.CALL)[0]
    assert intent == {"action": "change-default", "to": call["to"]}
    assert (call["action"], call["status"]) == ("change-default", 204)


async def test_a_call_that_fails_is_on_record_with_its_cause(world: World) -> None:
    world.tenant.update(ADELE, default_method=None)
    forbidden = Forbidden(WaitingFor.GRAPH, "delete phone 403 request-id 1")
    world.calls.fail("directory.remove", forbidden, times=None, when=about("phone"))
    world.calls.fail("directory.remove", RuntimeError("secret"), when=about("softwareOath"))
    await world.ended()
    failed = [one["failed"] for one in said(world, EntryKind.CALL) if "failed" in one]
    assert set(failed) == {"delete phone 403 request-id 1", "RuntimeError"}


async def test_a_call_that_is_cut_off_is_on_record(world: World) -> None:
    world.calls.slow("directory.remove", seconds=200)
    await world.webhook()
    await world.work()
    world.calls.slow("directory.remove", seconds=0)
    await world.settle()
    assert said(world, EntryKind.CALL)[0]["failed"] == "CancelledError"


async def test_every_attempt_goes_on_where_the_last_ended(world: World) -> None:
    world.ticket.approval = "requested"
    await world.webhook("msg-1")
    await world.settle()
    world.ticket.approval = "approved"
    await world.webhook("msg-2")
    await world.settle()
    assert [(line.attempt, line.data["outcome"]) for line in world.entries(EntryKind.OUTCOME)] == [(1, "refused"), (2, "done")]
    assert [line.attempt for line in world.entries(EntryKind.ACCEPTED)] == [1, 2]


SECRETS = (
    *("adele", "vance", "contoso", "+1", "4711", "iphone", "soar-playbook", "needs a new phone"),
    *("diego", "siciliani"),
)


@pytest.mark.parametrize("upn", [ADELE, DIEGO])
async def test_no_name_number_or_text_is_on_record(world: World, upn: str) -> None:
    world.ticket_for(upn)
    world.ticket.profile = "full-reset"
    world.configure(ALLOWED_PROFILES="full-reset", SERVICENOW_PROFILE_FIELD="u_profile")
    world.permit(ALL_METHODS)
    world.ticket.comments.append("Adele needs a new phone, call +1 425 555 0100")
    await world.ended()
    blob = "\n".join(json.dumps(line.data) for line in world.entries()).lower()
    ids = {method["id"].lower() for one in said(world, EntryKind.INVENTORY) for method in one["methods"]}
    for known in ids:  # in the sandbox they are made of names
        blob = blob.replace(known, "")
    assert [word for word in SECRETS if word in blob] == []


async def test_who_asked_stands_in_the_senders_own_records(world: World) -> None:
    world.message(subject=ADELE, requestedBy="soar-playbook-17", reason="SOAR-4711: replayed")
    await world.settle()
    blob = world.receipts.blob(world.record.id).decode()
    assert "soar-playbook-17" not in blob
    assert "replayed" not in blob
    assert said(world, EntryKind.ACCEPTED)[0]["cause"] == {"source": build.CAUSE.source, "id": build.CAUSE.id}


# ---- no audit, no removal


@pytest.mark.parametrize("call", ["receipts.read", "receipts.append"])
@pytest.mark.parametrize("upn", [ADELE, EMILY])
async def test_nothing_is_changed_while_the_receipt_cannot_be_written(world: World, call: str, upn: str) -> None:
    world.ticket_for(upn)
    world.calls.down(STORAGE, call)
    await world.webhook()
    await world.pass_by(minutes=30)
    assert world.writes() == []
    assert (world.record.status, world.record.waiting_for) == ("waiting", "storage")
    assert world.record.removals == ()
    world.calls.heal()
    await world.settle()
    assert world.outcome[0] == "done"


async def test_nothing_is_removed_while_its_intent_cannot_be_written_though_the_default_was_changed(world: World) -> None:
    world.permit(ALL_METHODS)
    world.ticket_for(ALEX)
    once_called(world, "directory.prefer", "receipts.append")
    await world.webhook()
    await world.work()
    assert world.writes() == ["directory.prefer"]
    assert world.record.waiting_for == "storage"
    world.calls.listeners.pop()
    world.calls.heal()
    await world.settle()
    assert world.types(ALEX) == []


async def test_a_receipt_that_cannot_be_written_for_too_long_ends_the_attempt_without_one(world: World) -> None:
    world.calls.down(STORAGE, "receipts.append")
    await world.webhook()
    await world.pass_by(hours=7)
    assert world.writes() == []
    assert world.outcome == ("failed", "internal-error")
    assert world.record.receipt is None
    assert "receipt" not in world.result
    assert not any("Receipt: " in note for note in world.ticket.work_notes)
    world.calls.heal()
    await world.settle()
    assert "outcome" not in kinds(world)


async def test_a_refusal_waits_for_its_receipt_too(world: World) -> None:
    world.ticket.approvals.clear()
    world.calls.down(STORAGE, "receipts.append")
    await world.webhook()
    await world.pass_by(minutes=30)
    assert (world.record.status, world.record.waiting_for, world.results) == ("waiting", "storage", [])
    world.calls.heal()
    await world.settle()
    assert world.outcome == ("refused", "ticket-not-approved")


async def test_what_cannot_go_on_for_other_reasons_waits_for_its_receipt_as_well(world: World) -> None:
    """An end that comes of an error is an end like any other."""
    world.calls.down(STORAGE, "receipts.append")
    world.calls.fail("directory.standing", Forbidden(WaitingFor.GRAPH, "403"), times=None)
    await world.webhook()
    await world.pass_by(minutes=30)
    assert (world.record.status, world.record.waiting_for) == ("waiting", "storage")
    assert world.record.tries == 0
    world.calls.faults = [fault for fault in world.calls.faults if not fault.call.startswith("receipts")]
    await world.settle()
    assert world.outcome == ("failed", "graph-forbidden")


async def test_a_receipt_that_somebody_has_spoilt_stops_everything(world: World) -> None:
    await world.webhook()
    world.receipts.put(world.record.id, b"?\n")
    await world.pass_by(minutes=30)
    assert world.writes() == []
    assert (world.record.status, world.record.waiting_for) == ("waiting", "storage")


# ---- once it has begun


def once_begun(world: World, *calls: str) -> None:
    """From the first removal on, these calls fail."""
    once_called(world, "directory.remove", *calls)


async def test_what_has_begun_is_done_though_the_receipt_cannot_be_written_and_ends_when_it_can(world: World) -> None:
    once_begun(world, "receipts.append", "receipts.read")
    await world.webhook()
    await world.pass_by(minutes=30)
    assert world.types() == []
    assert world.tenant.account(ADELE).revocations
    assert (world.record.status, world.record.waiting_for, world.results) == ("waiting", "storage", [])
    world.calls.listeners.pop()
    world.calls.heal()
    await world.settle()
    assert world.outcome == ("done", "removed")
    (outcome,) = said(world, EntryKind.OUTCOME)
    assert len(outcome["removed"]) == 3
    assert [step["requestId"] for step in outcome["steps"] if step["name"] == "method-removed"]


async def test_nothing_is_done_again_while_the_end_waits_for_its_receipt(world: World) -> None:
    once_begun(world, "receipts.append")
    await world.webhook()
    await world.pass_by(hours=2)
    assert len(world.writes()) == 4
    assert len(world.tenant.account(ADELE).revocations) == 1
    world.calls.listeners.pop()
    world.calls.heal()
    await world.settle()
    assert len(world.writes()) == 4


async def test_what_is_done_is_not_said_before_it_is_on_record_however_long_that_takes(world: World) -> None:
    once_begun(world, "receipts.append")
    await world.webhook()
    await world.pass_by(days=8)
    assert world.types() == []
    assert world.outcome == ("failed", "internal-error")
    assert "receipt" not in world.result


async def test_what_was_answered_before_a_wait_is_on_record_before_the_wait(world: World) -> None:
    world.calls.fail("directory.remove", Unavailable(WaitingFor.GRAPH, "429", timedelta(minutes=5)), skip=1)
    await world.webhook()
    await world.work()
    assert world.record.status == "waiting"
    assert [("failed" in one) for one in said(world, EntryKind.CALL)] == [False, True]
    await world.settle()


# ---- what is told


async def test_what_was_told_stays_owed_until_it_is_on_record_and_is_not_told_again(world: World) -> None:
    def listen(name: str, _: tuple[Any, ...]) -> None:
        if name == "queue.publish" and not world.calls.faults:
            world.calls.down(STORAGE, "receipts.append")

    world.calls.listeners.append(listen)
    await world.webhook()
    await world.pass_by(hours=2)
    assert world.outcome == ("done", "removed")
    assert {"outcome", "result"} <= {owed.kind for owed in world.record.owed}
    assert all(owed.told for owed in world.record.owed)
    world.calls.listeners.pop()
    world.calls.heal()
    await world.settle()
    assert (len(world.results), len(world.notes("outcome")), len(world.ticket.comments)) == (1, 1, 1)
    assert {"outcome", "result"} <= {one["what"] for one in said(world, EntryKind.TOLD)}
    assert not world.record.owed


async def test_that_the_start_was_told_is_on_record_though_the_attempt_waits(world: World) -> None:
    world.calls.down(WaitingFor.GRAPH, "directory.person")
    await world.webhook()
    await world.work()
    assert kinds(world) == ["told"]
    world.calls.heal()
    await world.settle()


async def test_that_the_start_was_told_follows_when_the_receipt_can_be_written_again(world: World) -> None:
    world.calls.down(STORAGE, "receipts.append")
    await world.webhook()
    await world.pass_by(minutes=1)
    world.calls.heal()
    await world.settle()
    assert [one["what"] for one in said(world, EntryKind.TOLD)].count("start") == 1
    assert len(world.notes("start")) == 1


async def test_a_wait_before_the_first_change_leaves_nothing_else(world: World) -> None:
    world.calls.down(WaitingFor.GRAPH, "directory.standing")
    await world.webhook()
    await world.pass_by(minutes=2)
    assert set(kinds(world)) <= {"told"}
    world.calls.heal()
    await world.settle()
    assert kinds(world).count("outcome") == 1


# ---- many hands


@pytest.mark.parametrize("number", range(6))
async def test_an_append_whose_answer_is_lost_is_not_made_again(world: World, number: int) -> None:
    world.calls.fail("receipts.append", DOWN, after=True, skip=number)
    await world.ended()
    assert world.outcome == ("done", "removed")
    calls = [json.dumps(call) for call in said(world, EntryKind.CALL)]
    assert (len(calls), len(set(calls))) == (4, 4)
    assert kinds(world).count("outcome") == (2 if number == 4 else 1)


def note(audit: Audit, *numbers: int) -> None:
    for number in numbers:
        audit.note(EntryKind.CALL, {"number": number})


async def test_what_others_have_written_is_followed(world: World) -> None:
    await world.webhook()
    async with Audit(world.app(), build.ended(id=world.record.id)) as audit:
        audit.read_ahead()
        note(audit, 1)
        await audit.write()
        async with Audit(world.app(), build.ended(id=world.record.id)) as other:
            note(other, 2)
            await other.write()
        note(audit, 3)
        anchor = await audit.write()
    assert [line.data["number"] for line in world.entries()] == [1, 2, 3]
    assert anchor == Anchor(world.entries()[-1].hash, 3)
    assert world.verified(world.record) == ()


async def test_the_anchor_is_ours_also_when_the_answer_was_lost_and_others_wrote_since(world: World) -> None:
    await world.webhook()
    async with Audit(world.app(), build.ended(id=world.record.id)) as audit:
        world.calls.fail("receipts.append", DOWN, after=True)
        note(audit, 1, 2)
        assert not await audit.try_to_write()
        async with Audit(world.app(), build.ended(id=world.record.id)) as other:
            note(other, 3)
            await other.write()
        assert await audit.write() == Anchor(world.entries()[1].hash, 2)
        assert await audit.write() is None
    assert [line.data["number"] for line in world.entries()] == [1, 2, 3]


async def test_what_was_added_to_an_append_whose_answer_was_lost_follows_it(world: World) -> None:
    await world.webhook()
    async with Audit(world.app(), build.ended(id=world.record.id)) as audit:
        world.calls.fail("receipts.append", DOWN, after=True)
        note(audit, 1)
        assert not await audit.try_to_write()
        note(audit, 2)
        anchor = await audit.write()
    assert [line.data["number"] for line in world.entries()] == [1, 2]
    assert anchor == Anchor(world.entries()[1].hash, 2)


async def test_a_receipt_that_keeps_moving_on_is_unavailable(world: World) -> None:
    await world.webhook()
    world.calls.fail("receipts.append", Conflict(), times=None)
    async with Audit(world.app(), build.ended(id=world.record.id)) as audit:
        note(audit, 1)
        with pytest.raises(Unavailable):
            await audit.write()


async def test_what_is_noted_meanwhile_goes_along_with_the_next_write(world: World) -> None:
    await world.webhook()
    async with Audit(world.app(), build.ended(id=world.record.id)) as audit:
        note(audit, 1)
        world.calls.listeners.append(lambda name, _: note(audit, 2) if name == "receipts.append" else None)
        anchor = await audit.write()
        world.calls.listeners.pop()
        assert anchor == Anchor(world.entries()[0].hash, 1)
        await audit.write()
    assert [line.data["number"] for line in world.entries()] == [1, 2]


# ---- what it costs


async def test_a_reset_appends_as_often_as_it_changes_something_and_twice_more(world: World) -> None:
    await world.ended()
    assert world.calls.count("receipts.append") == len([name for name in world.calls.names() if name in GRAPH_WRITES]) + 2
    assert world.calls.count("receipts.read") == 1


async def test_the_receipt_is_read_while_other_things_are(world: World) -> None:
    await world.ended()
    names = world.calls.names()
    assert names.index("receipts.read") < names.index("directory.standing")
