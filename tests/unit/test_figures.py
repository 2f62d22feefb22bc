"""What can be counted and measured in the log: each figure is a field of an event, and each alert has its event."""

from collections.abc import MutableMapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
import structlog

from sandbox.people import ADELE, GUEST, JONI, Method
from shared import acceptance, depths
from shared.adapters.graph import calls
from shared.model import AlertKind, Switch, SwitchName, WaitingFor
from shared.ports import Forbidden, Unavailable
from tests.unit import build
from tests.unit.world import ALL_METHODS, World, about

type Logs = list[MutableMapping[str, Any]]

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
STRANGER = bytes(32)


@pytest.fixture
def world() -> World:
    return World()


def called(logs: Logs, name: str) -> Logs:
    return [one for one in logs if one["event"] == name]


async def test_an_attempt_that_ends_says_how_and_after_how_long(world: World) -> None:
    with structlog.testing.capture_logs() as logs:
        await world.webhook()
        await world.clock.pass_by(seconds=40)
        await world.settle()
    (ended,) = called(logs, "attempt.ended")
    assert (ended["outcome"], ended["reason"], ended["reasons"], ended["mode"]) == ("done", "removed", ("removed",), "enforce")
    assert 40 <= ended["took_seconds"] < 60
    assert ended["request_id"] == world.record.id


async def test_an_attempt_that_goes_on_with_an_earlier_ones_removals_says_how_long_it_took_itself(world: World) -> None:
    world.tenant.update(ADELE, default_method=None)
    refused = Forbidden(WaitingFor.GRAPH, "403")
    world.calls.fail("directory.remove", refused, times=None, when=about("phone"))
    assert await world.ended() == ("failed", "graph-forbidden")
    world.calls.heal()
    first = world.record
    await world.clock.pass_by(hours=20)
    with structlog.testing.capture_logs() as logs:
        await world.webhook("msg-2")
        await world.settle()
    assert world.record.accepted_at == first.accepted_at
    (ended,) = called(logs, "attempt.ended")
    assert ended["attempt"] == 2
    assert ended["took_seconds"] < 60


async def test_every_method_that_goes_is_told_with_graphs_own_id_of_the_call(world: World) -> None:
    with structlog.testing.capture_logs() as logs:
        await world.ended()
    made = called(logs, "removal.made")
    assert sorted(one["type"] for one in made) == ["microsoftAuthenticator", "phone", "softwareOath"]
    steps = [step.graph_request_id for step in world.record.steps if step.name == "method-removed"]
    assert [one["graph_request_id"] for one in made] == steps
    assert None not in steps


async def test_every_reset_says_how_many_there_were_in_the_hour(world: World) -> None:
    world.configure(COOLDOWN="PT0S")
    with structlog.testing.capture_logs() as logs:
        for number, wait in enumerate((timedelta(), timedelta(minutes=10), timedelta(hours=2))):
            await world.clock.pass_by(seconds=wait.total_seconds())
            world.message(f"event-{number}")
            await world.work()
    assert [one["resets"] for one in called(logs, "reset.counted")] == [1, 2, 1]


async def test_a_dry_run_is_counted_as_no_reset(world: World) -> None:
    world.configure(MODE="dry-run")
    with structlog.testing.capture_logs() as logs:
        await world.ended()
    assert called(logs, "reset.counted") == []
    assert [one["mode"] for one in called(logs, "attempt.ended")] == ["dry-run"]


async def test_what_is_told_is_told_by_its_kind_the_last_note_too(world: World) -> None:
    with structlog.testing.capture_logs() as logs:
        await world.ended()
    assert sorted(one["owed"] for one in called(logs, "delivery.told")) == ["outcome", "result", "start"]
    assert {(one["request_id"], one["attempt"]) for one in called(logs, "delivery.told")} == {(world.record.id, 1)}


@pytest.mark.parametrize("on", [(), (SwitchName.PAUSE,), (SwitchName.BREAKER,), (SwitchName.PAUSE, SwitchName.BREAKER)])
async def test_which_switches_are_on_is_told_every_minute(world: World, on: tuple[SwitchName, ...]) -> None:
    for name in SwitchName:
        for position in (True, name in on):
            await world.control.turn(name, Switch(position, "me", "to see", world.clock.now()))
    with structlog.testing.capture_logs() as logs:
        await depths.report(world.app())
    (report,) = called(logs, "requests.waiting")
    assert report["switches_on"] == [*on]


@pytest.mark.parametrize(("headers", "seconds"), [({"Retry-After": "12.5"}, 12.5), ({}, None)])
def test_throttling_by_graph_is_told_with_the_wait_that_it_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    with structlog.testing.capture_logs() as logs, pytest.raises(Unavailable):
        calls._judged("user", httpx.Response(429, headers=headers), (), build.NOW)
    assert logs == [{"event": "graph.throttled", "call": "user", "wait_seconds": seconds, "log_level": "warning"}]


def test_other_answers_of_graph_are_not_taken_for_throttling() -> None:
    with structlog.testing.capture_logs() as logs, pytest.raises(Unavailable):
        calls._judged("user", httpx.Response(503, headers={"Retry-After": "12"}), (), build.NOW)
    assert logs == []


# ---- alerts


async def looked_at(world: World, kind: AlertKind) -> None:
    """Something happens that somebody should look at."""
    match kind:
        case AlertKind.PRIVILEGED_SUBJECT:
            world.ticket_for(JONI)
            await world.ended()
        case AlertKind.PROTECTED_SUBJECT:
            world.configure(PROTECTED_USERS=world.adele)
            await world.ended()
        case AlertKind.METHOD_REGISTERED:
            world.permit(ALL_METHODS)
            await world.webhook()
            await world.clock.pass_by(seconds=3)
            method = Method(type="microsoftAuthenticator", id="theirs", properties={"displayName": "Burner phone"})
            world.tenant.register(ADELE, replace(method, created=world.clock.now()))
            await world.settle()
        case AlertKind.BREAKER_OPENED:
            world.configure(BREAKER_LIMIT="1")
            await world.ended()
        case AlertKind.AUTHENTICATION_FAILURES:
            app, body = world.app(), world.body()
            for number in range(100):
                await acceptance.webhook(app, world.signed(f"stranger-{number}", body, STRANGER), body)
        case AlertKind.DEAD_LETTER:
            world.queue.set_aside("nothing that can be read")
            await world.bury()
        case AlertKind.RESET_UNFINISHED:
            world.calls.down(WaitingFor.GRAPH, "directory.revoke_sessions")
            await world.webhook()
            await world.pass_by(minutes=40)
        case AlertKind.NOT_DELIVERED:
            world.calls.down(WaitingFor.TICKET_SYSTEM, "desk.write")
            await world.webhook()
            await world.settle()
        case AlertKind.INTERNAL_ERROR:
            world.calls.fail("directory.person", RuntimeError("who knows"), times=None)
            await world.ended()


@pytest.mark.parametrize("kind", AlertKind)
async def test_every_alert_has_its_event(world: World, kind: AlertKind) -> None:
    with structlog.testing.capture_logs() as logs:
        await looked_at(world, kind)
    published = {alert["data"]["kind"] for alert in world.alerts}
    assert kind in published
    assert {one["kind"] for one in called(logs, "alert.raised")} == published
    assert {one["log_level"] for one in called(logs, "alert.raised")} == {"warning"}


async def test_an_alert_is_raised_whether_or_not_its_event_gets_through(world: World) -> None:
    world.ticket_for(JONI)
    world.calls.down(WaitingFor.STORAGE, "queue.publish")
    with structlog.testing.capture_logs() as logs:
        await world.webhook()
        await world.work()
    assert world.alerts == []
    assert [one["kind"] for one in called(logs, "alert.raised")] == ["privileged-subject"]


async def test_who_is_refused_for_another_reason_raises_none(world: World) -> None:
    world.ticket_for(GUEST)
    with structlog.testing.capture_logs() as logs:
        await world.ended()
    assert called(logs, "alert.raised") == []


# ---- one thread


async def test_whatever_is_logged_of_a_request_says_whose_it_is_from_its_acceptance_on(world: World) -> None:
    with structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as seen:
        await world.webhook()
        world.calls.fail("journal.find", Unavailable(WaitingFor.STORAGE, "down"))
        await world.settle()
        before = len(seen)
        world.queue.insert("no request")
        await world.work()
    assert {one.get("request_id") for one in seen[:before]} == {world.record.id}
    assert "turn.put-back" in {one["event"] for one in seen[:before]}
    assert [(one["event"], one.get("request_id")) for one in seen[before:]] == [("message.invalid", None)]


async def test_a_message_takes_along_in_which_trace_it_was_sent(world: World) -> None:
    body = world.body()
    with structlog.testing.capture_logs() as logs:
        await acceptance.webhook(world.app(), world.signed("msg-1", body), body, TRACEPARENT)
        world.calls.fail("journal.find", Unavailable(WaitingFor.STORAGE, "down"))
        await world.settle()
    assert {one["traceparent"] for one in called(logs, "message.taken")} == {TRACEPARENT}
    assert world.outcome == ("done", "removed")


@pytest.mark.parametrize("traceparent", [None, "", "Sigrid's handset", f"{TRACEPARENT}\n", TRACEPARENT.replace("00-", "ff-", 1)])
async def test_one_that_is_none_is_passed_over(world: World, traceparent: str | None) -> None:
    body = world.body()
    with structlog.testing.capture_logs() as logs:
        await acceptance.webhook(world.app(), world.signed("msg-1", body), body, traceparent)
        (sent,) = world.queue.messages
        await world.settle()
    assert "traceparent" not in sent.text
    assert {one["traceparent"] for one in called(logs, "message.taken")} == {None}
    assert world.outcome == ("done", "removed")
