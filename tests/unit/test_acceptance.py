"""How a demand gets in: what the ticket system is answered, what is on the queue then, which events open an attempt."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from sandbox.people import ADELE, EMILY
from shared import acceptance, identity
from shared.app import Unready
from shared.model import Cause, WaitingFor
from shared.ports import Forbidden, Unavailable
from tests.unit import build
from tests.unit.world import World, cloud_event

OTHER_KEY = bytes(range(1, 33))


# ---- the webhook


class TestTheWebhook:
    async def test_answers_202_once_the_message_is_on_the_queue(self, world: World) -> None:
        answer = await world.webhook()
        request = world.record.id
        assert answer.status == 202
        assert answer.headers["Location"] == f"/api/requests/{request}"
        assert answer.body == {"id": request, "status": "accepted", "statusUrl": f"/api/requests/{request}"}
        assert [message.text for message in world.queue.visible()] == [world.record.message]

    async def test_is_one_write_and_one_message(self, world: World) -> None:
        await world.webhook()
        assert world.calls.names() == ["journal.commit", "queue.put"]

    async def test_does_not_answer_202_while_the_message_is_on_no_queue(self, world: World) -> None:
        world.calls.down(WaitingFor.STORAGE, "queue.put")
        answer = await world.webhook()
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) > 0

    async def test_puts_it_there_when_the_sender_repeats(self, world: World) -> None:
        world.calls.fail("queue.put", Unavailable(WaitingFor.STORAGE, "down"))
        await world.webhook()
        assert (await world.webhook()).status == 202
        await world.settle()
        assert world.outcome == ("done", "removed")

    async def test_takes_nothing_in_while_the_journal_is_down(self, world: World) -> None:
        world.calls.down(WaitingFor.STORAGE, "journal.commit")
        answer = await world.webhook()
        assert answer.status == 503
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert (world.records, world.queue.messages) == ([], [])

    async def test_passes_on_how_long_storage_wants_to_be_left_alone(self, world: World) -> None:
        world.calls.down(WaitingFor.STORAGE, "journal.commit", retry_after=timedelta(seconds=90.2))
        assert (await world.webhook()).headers["Retry-After"] == "91"

    async def test_takes_a_write_whose_answer_was_lost_for_made(self, world: World) -> None:
        world.calls.fail("journal.commit", Unavailable(WaitingFor.STORAGE, "reset"), after=True)
        assert (await world.webhook()).status == 503
        assert (await world.webhook()).status == 202
        await world.settle()
        assert world.outcome == ("done", "removed")

    async def test_tells_the_same_whoever_the_ticket_is_for(self, world: World) -> None:
        known = await world.webhook()
        other = World()
        other.ticket_for("nobody@contoso.com")
        assert await other.webhook() == known

    async def test_is_answered_503_while_settings_are_wrong(self) -> None:
        answer = acceptance.unavailable(Unready({"MODE": "is none of dry-run, enforce"}, None))
        assert answer.status == 503
        assert "MODE" not in json.dumps(answer.body)

    async def test_is_answered_503_when_the_journal_holds_what_cannot_be_true(self, world: World) -> None:
        await world.webhook()
        world.journal.spoil(build.record(id=world.record.id, message=None))
        assert (await world.webhook()).status == 503


class TestWhoAndWhat:
    @pytest.mark.parametrize(
        "headers",
        [
            {"webhook_id": None},
            {"webhook_timestamp": None},
            {"webhook_signature": None},
            {"webhook_signature": "v1,AAAA"},
            {"webhook_timestamp": "1"},
        ],
        ids=str,
    )
    async def test_who_does_not_prove_who_they_are_learns_nothing(self, world: World, headers: dict[str, str | None]) -> None:
        answer = await world.post("msg-1", world.body(), **headers)
        assert answer == await world.webhook("msg-1", OTHER_KEY)
        assert (answer.status, answer.headers["Content-Type"]) == (401, "application/problem+json")
        assert world.calls.log == []

    async def test_without_keys_everybody_is_refused(self, world: World) -> None:
        world.configure(WEBHOOK_KEYS=None)
        assert (await world.webhook()).status == 401

    async def test_a_delivery_is_refused_when_it_is_too_late(self, world: World) -> None:
        body = world.body()
        headers = world.signed("msg-1", body)
        await world.clock.pass_by(seconds=301)
        assert (await acceptance.webhook(world.app(), headers, body)).status == 401

    async def test_nothing_about_the_body_is_said_to_who_is_not_authentic(self, world: World) -> None:
        for body in (b"", b"{", b"[]", b"\xff"):
            assert (await world.post("msg-1", body, OTHER_KEY)).status == 401

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b"", 400),
            (b"{", 400),
            (b"[]", 400),
            (b"\xff\xfe", 400),
            (b'{"type": "mfa.reregistration.requested"}', 400),
            (b"x" * 70_000, 413),
        ],
        ids=["empty", "cut off", "a list", "no UTF-8", "incomplete", "too large"],
    )
    async def test_what_is_no_webhook_is_a_problem(self, world: World, body: bytes, status: int) -> None:
        answer = await world.post("msg-1", body)
        assert (answer.status, answer.body["status"]) == (status, status)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert world.calls.log == []

    @pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/jsonp", "application/x-www-form-urlencoded"])
    async def test_what_does_not_say_that_it_is_json_is_415(self, world: World, content_type: str | None) -> None:
        assert (await world.post("msg-1", world.body(), content_type=content_type)).status == 415

    @pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8", "application/json;x=y"])
    async def test_json_may_be_said_in_many_ways(self, world: World, content_type: str) -> None:
        assert (await world.post("msg-1", world.body(), content_type=content_type)).status == 202

    @pytest.mark.parametrize(
        "changes",
        [
            {"sys_id": "0123"},
            {"sys_id": "../sys_user"},
            {"table": "incident"},
            {"number": "RITM 1"},
            {"timestamp": build.before(hours=25).isoformat()},
            {"timestamp": build.after(minutes=6).isoformat()},
        ],
        ids=str,
    )
    async def test_values_that_cannot_be_are_422(self, world: World, changes: dict[str, str]) -> None:
        answer = await world.webhook(**changes)
        assert answer.status == 422
        assert answer.body["errors"][0]["pointer"]
        assert world.calls.log == []


class TestOneTicketOneRequest:
    async def test_a_copy_while_it_is_open_is_202_with_the_same_id(self, world: World) -> None:
        first, again = await world.webhook(), await world.webhook()
        assert (again.status, again.body["id"]) == (202, first.body["id"])

    async def test_a_copy_after_the_end_is_200_with_the_same_id(self, world: World) -> None:
        first = await world.webhook()
        await world.settle()
        again = await world.webhook()
        assert (again.status, again.body) == (200, {**first.body, "status": "done"})

    async def test_another_delivery_while_it_is_open_belongs_to_it(self, world: World) -> None:
        first, other = await world.webhook("msg-1"), await world.webhook("msg-2")
        assert (other.status, other.body["id"]) == (202, first.body["id"])
        await world.settle()
        assert world.outcome == ("done", "removed")
        assert world.record.attempt == 1

    async def test_an_id_that_was_used_with_another_body_is_422_and_touches_nothing(self, world: World) -> None:
        await world.webhook("msg-1")
        before = world.record
        for body in (world.body(number="RITM0010002"), world.body(sys_id="f" * 32), world.body(timestamp=build.NOW.isoformat())):
            answer = await world.post("msg-1", body)
            assert answer.status == 422
        assert world.records == [before]
        assert world.queue.visible() == world.queue.messages[:1]

    async def test_many_deliveries_at_once_are_one_attempt(self, world: World) -> None:
        answers = await asyncio.gather(*(world.webhook(f"msg-{number}") for number in range(16)))
        assert {answer.status for answer in answers} == {202}
        await world.settle()
        assert world.outcome == ("done", "removed")
        assert (world.record.attempt, len(world.ticket.comments)) == (1, 1)

    async def test_many_copies_at_once_are_one_attempt(self, world: World) -> None:
        answers = await asyncio.gather(*(world.webhook("msg-1") for _ in range(16)))
        assert {answer.status for answer in answers} == {202}
        await world.settle()
        assert len(world.ticket.comments) == 1

    async def test_done_is_final_for_every_later_delivery(self, world: World) -> None:
        await world.webhook("msg-1")
        await world.settle()
        await world.clock.pass_by(days=3)
        for number in range(2, 5):
            answer = await world.webhook(f"msg-{number}")
            assert (answer.status, answer.body["status"]) == (200, "done")
        await world.settle()
        assert world.record.attempt == 1
        assert len(world.queue.results) == 1

    async def test_what_was_refused_may_be_asked_for_again(self, world: World) -> None:
        world.ticket.approval = "requested"
        first = await world.webhook("msg-1")
        await world.settle()
        world.ticket.approval = "approved"
        second = await world.webhook("msg-2")
        assert (second.status, second.body) == (202, first.body)
        await world.settle()
        assert world.result["attempt"] == 2
        assert world.result["outcome"] == "done"

    async def test_a_copy_of_what_was_answered_opens_nothing(self, world: World) -> None:
        world.ticket.approval = "requested"
        await world.webhook("msg-1")
        await world.webhook("msg-2")
        await world.settle()
        world.ticket.approval = "approved"
        for event_id in ("msg-1", "msg-2"):
            answer = await world.webhook(event_id)
            assert (answer.status, answer.body["status"]) == (200, "refused")
        await world.settle()
        assert world.record.attempt == 1

    async def test_a_ticket_is_attempted_five_times_a_day(self, world: World) -> None:
        world.ticket.approval = "requested"
        for number in range(7):
            await world.webhook(f"msg-{number}")
            await world.settle()
            await world.clock.pass_by(minutes=1)
        assert world.record.attempt == 5
        assert len(world.ticket.comments) == 5
        await world.clock.pass_by(hours=24)
        assert (await world.webhook("msg-7")).status == 202
        await world.settle()
        assert world.record.attempt == 6

    async def test_a_delivery_during_the_delivery_of_the_notes_opens_the_next_attempt(self, world: World) -> None:
        world.ticket.approval = "requested"
        gate = world.calls.hold("queue.publish")
        await world.webhook("msg-1")
        worker = asyncio.create_task(world.settle())
        await gate.reached.wait()
        await world.clock.pass_by(seconds=1)
        world.ticket.approval = "approved"
        assert (await world.webhook("msg-2")).status == 202
        gate.opened.set()
        await worker
        await world.settle()
        assert sorted((result["data"]["attempt"], result["data"]["outcome"]) for result in world.queue.results) == [
            (1, "refused"),
            (2, "done"),
        ]
        assert len(world.ticket.comments) == 2


# ---- the status


class TestTheStatus:
    async def test_tells_what_became_of_a_request(self, world: World) -> None:
        await world.webhook()
        await world.settle()
        answer = await acceptance.status(world.app(), world.record.id)
        assert answer.status == 200
        body = answer.body
        assert {
            name: body[name] for name in ("id", "status", "attempt", "mode", "outcome", "reason", "profile", "subjectId")
        } == {
            "id": world.record.id,
            "status": "done",
            "attempt": 1,
            "mode": "enforce",
            "outcome": "done",
            "reason": "removed",
            "profile": "require-reregister",
            "subjectId": world.tenant.account(ADELE).person.id,
        }
        assert (len(body["removed"]), len(body["leftAlone"])) == (3, 1)
        assert body["ticket"]["number"] == build.REF.number

    async def test_tells_what_is_waited_for(self, world: World) -> None:
        world.calls.down(WaitingFor.GRAPH, "directory.person")
        await world.webhook()
        await world.work()
        body = (await acceptance.status(world.app(), world.record.id)).body
        assert (body["status"], body["waitingFor"]) == ("waiting", "graph")
        assert "outcome" not in body

    @pytest.mark.parametrize("request_id", ["0" * 32, "", "x", "0" * 33, "../health", "'" * 32])
    async def test_of_what_is_unknown_is_404(self, world: World, request_id: str) -> None:
        answer = await acceptance.status(world.app(), request_id)
        assert (answer.status, answer.headers["Content-Type"]) == (404, "application/problem+json")

    async def test_is_503_while_the_journal_is_down(self, world: World) -> None:
        world.calls.down(WaitingFor.STORAGE, "journal.find")
        assert (await acceptance.status(world.app(), "0" * 32)).status == 503


# ---- messages of other automation


class TestMessages:
    async def test_the_message_is_accepted_when_it_was_put_on_the_queue(self, world: World) -> None:
        message = world.message()
        await world.clock.pass_by(minutes=5)
        await world.work()
        assert world.record.accepted_at == message.inserted_at

    async def test_a_message_for_a_ticket_is_the_request_of_that_ticket(self, world: World) -> None:
        answer = await world.webhook()
        world.ticket_message()
        await world.settle()
        assert world.record.id == answer.body["id"]
        assert len(world.ticket.comments) == 1

    async def test_a_message_for_a_ticket_needs_no_trusted_source(self, world: World) -> None:
        world.ticket_message(source="urn:contoso:anybody")
        await world.settle()
        assert world.outcome == ("done", "removed")

    async def test_a_message_with_an_identity_and_nothing_else_is_refused(self, world: World) -> None:
        world.queue.insert(json.dumps({"source": build.CAUSE.source, "id": "x-1"}))
        await world.settle()
        assert world.outcome == ("refused", "payload-invalid")
        assert world.result["requestId"] == identity.event_request_id(Cause(build.CAUSE.source, "x-1"))
        assert world.result["cause"] == {"source": build.CAUSE.source, "id": "x-1"}
        assert (world.records, world.queue.aside) == ([], [])

    @pytest.mark.parametrize("text", ["", "{", "[]", "{}", "\U0001f511", '{"id": "1"}'])
    async def test_a_message_that_nothing_can_be_made_of_is_put_aside(self, world: World, text: str) -> None:
        world.queue.insert(text)
        await world.work()
        assert (world.queue.aside, world.queue.results, world.records) == ([text], [], [])

    @pytest.mark.parametrize("data", [{"subject": ADELE, "ticket": {}}, {"subject": "Adele"}, {"ticket": {"system": "jira"}}, {}])
    async def test_data_of_another_shape_is_refused(self, world: World, data: dict[str, Any]) -> None:
        world.queue.insert(cloud_event(world.clock.now(), "x-1", build.CAUSE.source, data))
        await world.settle()
        assert world.outcome == ("refused", "payload-invalid")

    async def test_a_message_from_the_future_is_refused(self, world: World) -> None:
        world.queue.insert(cloud_event(build.after(minutes=6), "x-1", build.CAUSE.source, {"subject": ADELE}))
        await world.settle()
        assert world.outcome == ("refused", "payload-invalid")

    async def test_a_message_that_is_old_already_is_refused(self, world: World) -> None:
        world.queue.insert(cloud_event(build.before(hours=25), "x-1", build.CAUSE.source, {"subject": ADELE}))
        await world.settle()
        assert world.outcome == ("refused", "request-expired")

    async def test_a_message_for_a_ticket_that_is_old_already_is_refused(self, world: World) -> None:
        message = world.ticket_message()
        world.queue.messages.remove(message)
        old = json.loads(message.text) | {"time": build.before(hours=25).isoformat()}
        world.queue.insert(json.dumps(old))
        await world.settle()
        assert world.outcome == ("refused", "request-expired")

    async def test_each_message_is_a_request_of_its_own(self, world: World) -> None:
        world.message("1")
        world.message("2", subject=EMILY)
        await world.settle()
        assert len({record.id for record in world.records}) == 2
        assert [result["data"]["reason"] for result in world.queue.results] == ["removed", "nothing-to-remove"]


class TestMessagesAgain:
    async def test_a_copy_while_it_is_worked_on_changes_nothing(self, world: World) -> None:
        gate = world.calls.hold("directory.remove")
        first = world.message()
        worker = asyncio.create_task(world.handle(first))
        await gate.reached.wait()
        world.queue.insert(first.text)
        await world.work()
        assert world.queue.results == []
        gate.opened.set()
        await worker
        await world.settle()
        assert world.outcome == ("done", "removed")
        assert len(world.queue.results) == 1

    async def test_a_copy_after_the_end_is_answered_with_the_same_result(self, world: World) -> None:
        first = world.message()
        await world.settle()
        calls = len(world.writes())
        await world.clock.pass_by(days=30)
        world.queue.insert(first.text)
        await world.settle()
        assert len(world.queue.results) == 2
        assert world.queue.results[0] == world.queue.results[1]
        assert len(world.writes()) == calls

    async def test_a_copy_of_what_was_refused_opens_nothing(self, world: World) -> None:
        world.tenant.update(ADELE, enabled=False)
        first = world.message()
        await world.settle()
        world.tenant.update(ADELE, enabled=True)
        world.queue.insert(first.text)
        await world.settle()
        assert world.outcome == ("refused", "user-disabled")

    async def test_the_same_identity_with_other_data_is_refused_and_touches_nothing(self, world: World) -> None:
        world.message()
        await world.settle()
        before = world.record
        world.message(subject=EMILY)
        await world.settle()
        assert world.records == [before]
        assert (world.result["reason"], world.result["requestId"]) == ("payload-mismatch", before.id)
        assert world.result["cause"] == {"source": build.CAUSE.source, "id": build.CAUSE.id}
        assert world.tenant.account(EMILY).revocations == []

    @pytest.mark.parametrize("first_is_about_a_ticket", [True, False])
    async def test_the_same_identity_for_ticket_and_person_is_refused(self, world: World, first_is_about_a_ticket: bool) -> None:
        first, second = (
            (world.ticket_message, world.message) if first_is_about_a_ticket else (world.message, world.ticket_message)
        )
        first()
        await world.settle()
        before = world.record
        second()
        await world.settle()
        assert world.records == [before]
        assert (world.result["reason"], world.result["requestId"]) == ("payload-mismatch", before.id)

    async def test_a_mismatch_while_the_first_is_worked_on_touches_nothing(self, world: World) -> None:
        gate = world.calls.hold("directory.remove")
        first = world.message()
        worker = asyncio.create_task(world.handle(first))
        await gate.reached.wait()
        await world.handle(world.message(subject=EMILY))
        gate.opened.set()
        await worker
        await world.settle()
        assert [result["data"]["reason"] for result in world.queue.results] == ["payload-mismatch", "removed"]

    async def test_a_message_put_there_while_an_attempt_was_open_opens_none_when_read_after_its_end(self, world: World) -> None:
        world.calls.fail("directory.revoke_sessions", Forbidden(WaitingFor.GRAPH, "403"))
        gate = world.calls.hold("directory.remove")
        await world.webhook()
        worker = asyncio.create_task(world.handle(world.queue.messages[0]))
        await gate.reached.wait()
        await world.clock.pass_by(seconds=2)
        world.ticket_message()
        await world.clock.pass_by(seconds=2)
        gate.opened.set()
        await worker
        assert not world.record.is_open
        await world.settle()
        assert (world.record.attempt, world.outcome) == (1, ("failed", "graph-forbidden"))
        assert len(world.queue.results) == 2

    async def test_a_message_put_there_after_the_end_opens_the_next_attempt(self, world: World) -> None:
        world.ticket.approval = "requested"
        await world.webhook()
        await world.settle()
        await world.clock.pass_by(seconds=2)
        world.ticket.approval = "approved"
        world.ticket_message()
        await world.settle()
        assert (world.result["attempt"], world.result["outcome"]) == (2, "done")

    async def test_a_ticket_that_is_done_is_answered_to_every_later_message(self, world: World) -> None:
        await world.webhook()
        await world.settle()
        await world.clock.pass_by(days=1)
        world.ticket_message("late")
        await world.settle()
        assert len(world.queue.results) == 2
        assert world.queue.results[0] == world.queue.results[1]

    async def test_what_is_done_is_answered_though_the_desk_could_not_be_told_yet(self, world: World) -> None:
        world.calls.down(WaitingFor.TICKET_SYSTEM, "desk.write")
        await world.webhook()
        await world.work()
        assert world.record.owed
        await world.pass_by(seconds=2)
        world.ticket_message("late")
        await world.pass_by(seconds=2)
        assert [result["data"]["reason"] for result in world.queue.results] == ["removed", "removed"]

    async def test_a_message_of_our_own_webhook_is_not_answered_twice(self, world: World) -> None:
        await world.webhook()
        (message,) = world.queue.messages
        await world.settle()
        world.queue.insert(message.text)
        await world.settle()
        assert len(world.queue.results) == 1
