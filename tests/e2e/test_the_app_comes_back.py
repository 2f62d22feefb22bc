"""Workers die, settings are wrong, storage is away: the app comes back and carries on. Told in the background as time passes."""

import asyncio
import json
import socket
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.stack import Stack, cloud_event
from tests.e2e.story import (
    Another,
    Case,
    Story,
    approved,
    delivered,
    eventually,
    for_ticket,
    hired,
    no_rule,
    ticket_for,
    told_about,
    webhook_body,
)

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]

STORIES: list[Story] = []


def story(told: Story) -> Story:
    STORIES.append(told)
    return told


# ---- a worker dies


async def killed_between_two_removals(stack: Stack, *, took_effect: bool) -> Case:
    """SIGKILL while the second removal is under way; another worker then starts."""
    ticket, name, person_id = await ticket_for(stack)
    kind = "slow" if took_effect else "answer"
    await stack.graph.fault(method="DELETE", path=person_id, skip=1, kind=kind, seconds=3)
    reset = await approved(stack, ticket, name, person_id)
    await eventually(reset.deletes, lambda calls: len(calls) == 2)
    await stack.stop_app(kill=True)
    await stack.start_app()
    return reset


async def assert_finished_once(reset: Case, *, took_effect: bool) -> None:
    status = await reset.ended(within=60)
    assert (status["attempt"], status["outcome"], status["reason"]) == (1, "done", "removed")
    assert await reset.methods() == set()
    assert len(status["removed"]) == 3
    calls = await reset.deletes()
    answers = {path: [call["status"] for call in calls if call["path"] == path] for path in {call["path"] for call in calls}}
    certain, cut_off = calls[0]["path"], calls[1]["path"]
    assert answers[certain] == [204], "what was answered with 204 is never deleted again"
    assert answers[cut_off] == ([204, 404] if took_effect else [503, 204])
    assert len(await reset.notes("start")) == 1
    assert len(await reset.notes("outcome")) == 1
    assert len(await reset.comments()) == 1
    assert len((await reset.truth())["revocations"]) == 1
    assert len(await reset.results()) == 1


@story
async def a_worker_killed_between_two_removals_is_replaced_when_the_queue_gives_its_message_back(
    _: Stack, another: Another
) -> None:
    async with another(host_options=("--lease-seconds", "10"), CLAIM_LEASE="PT3S") as stack:
        reset = await killed_between_two_removals(stack, took_effect=True)
        await assert_finished_once(reset, took_effect=True)


@story
async def a_worker_killed_between_two_removals_is_replaced_by_the_sweep_long_before_that(_: Stack, another: Another) -> None:
    async with another(CLAIM_LEASE="PT3S") as stack:
        reset = await killed_between_two_removals(stack, took_effect=False)
        sweeping = asyncio.create_task(sweep_for_ever(stack))
        try:
            await assert_finished_once(reset, took_effect=False)
        finally:
            sweeping.cancel()


async def sweep_for_ever(stack: Stack) -> None:
    """The timer's fifteen seconds are long for a test."""
    while True:
        await stack.sweep()
        await asyncio.sleep(2)


@story
async def a_worker_killed_before_it_could_tell_tells_once(_: Stack, another: Another) -> None:
    """The outcome stands in the journal; whether the note reached the ticket, nobody knows."""
    async with another(CLAIM_LEASE="PT3S") as stack:
        ticket, name, person_id = await ticket_for(stack)
        where = f"sc_req_item/{ticket['sys_id']}"
        await stack.servicenow.fault(method="PATCH", path=where, skip=1, kind="slow", seconds=3)
        reset = await approved(stack, ticket, name, person_id)
        await eventually(reset.comments)
        await stack.stop_app(kill=True)
        await stack.start_app()
        sweeping = asyncio.create_task(sweep_for_ever(stack))
        try:
            status = await reset.ended(within=60)
        finally:
            sweeping.cancel()
        assert (status["attempt"], status["outcome"], status["reason"]) == (1, "done", "removed")
        assert len(await reset.notes("outcome")) == 1
        assert len(await reset.comments()) == 1
        assert len(await reset.results()) == 1
        assert len(await reset.deletes()) == 3


# ---- the app itself cannot work


@story
async def settings_that_are_wrong_are_named_and_what_comes_meanwhile_survives(_: Stack, another: Another) -> None:
    async with another(app=False) as stack:
        good = dict(stack.settings)
        await stack.start_app(
            MODE="enforced", APPROVALS_REQUIRED="0", WEBHOOK_KEYS="whsec_short", SERVICENOW_URL="http://sn.test"
        )
        health = await stack.app.call("GET", "/api/health")
        assert health.status == 503
        assert set((await health.json())["failing"]) == {"MODE", "APPROVALS_REQUIRED", "WEBHOOK_KEYS", "SERVICENOW_URL"}
        assert "whsec_short" not in await health.text()

        name, person_id = await hired(stack)
        async with no_rule(stack):
            ticket = await stack.open_ticket(name)
            await stack.approve(ticket)
        answer = await delivered(stack, webhook_body(ticket))
        assert answer.status == 503
        assert answer.content_type == "application/problem+json"
        assert int(answer.headers["Retry-After"]) > 0

        sent_at, event = datetime.now(UTC), for_ticket(ticket)
        await stack.send(event)
        (host,) = stack.hosts
        await host.said("Executed 'Functions.work' .Succeeded")
        assert await Case(stack, "", name, person_id).calls() == []

        await stack.restart_app(**good)
        assert (await stack.app.call("GET", "/api/health")).status == 200
        result = await told_about(stack, event, within=60)
        assert (result["data"]["outcome"], result["data"]["reason"]) == ("done", "removed")
        status = await stack.status(result["data"]["requestId"])
        received = datetime.fromisoformat(status["receivedAt"])
        assert abs(received - sent_at) < timedelta(seconds=5), "a message that is put back keeps its time"


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@story
async def a_journal_that_cannot_be_reached_lets_nothing_in_and_loses_nothing(_: Stack, another: Another) -> None:
    async with another(app=False) as stack:
        good = dict(stack.settings)
        account, port = stack.journal_account, closed_port()
        nowhere = account.connection_string.replace(account.endpoints["table"], f"http://127.0.0.1:{port}/{account.name}")
        await stack.start_app(JournalStorage=nowhere)
        health = await stack.app.call("GET", "/api/health")
        assert health.status == 503
        assert (await health.json())["failing"] == ["JournalStorage"]
        assert account.key not in await health.text()

        name, person_id = await hired(stack)
        async with no_rule(stack):
            ticket = await stack.open_ticket(name)
            await stack.approve(ticket)
        answer = await delivered(stack, webhook_body(ticket))
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) > 0
        status = await stack.app.call("GET", f"/api/requests/{'0' * 32}")
        assert status.status == 503

        event = cloud_event({"subject": name})
        await stack.send(event)
        (host,) = stack.hosts
        await host.said("Executed 'Functions.work' .Succeeded")
        assert await Case(stack, "", name, person_id).calls() == []

        await stack.restart_app(**{**good, "COOLDOWN": "PT0S"})
        answer = await delivered(stack, webhook_body(ticket))
        assert answer.status == 202
        reset = Case(stack, (await answer.json())["id"], name, person_id, ticket)
        assert (await reset.ended())["reason"] == "removed"
        result = await told_about(stack, event, within=60)
        assert (result["data"]["outcome"], result["data"]["reason"]) == ("done", "nothing-to-remove")


@story
async def a_queue_that_cannot_be_written_gets_no_promise(_: Stack, another: Another) -> None:
    """Journal before queue: what was journaled when the queue failed is put there by the sender's repeat."""
    async with another(app=False) as stack:
        good = dict(stack.settings)
        account, port = stack.account, closed_port()
        nowhere = account.connection_string.replace(account.endpoints["queue"], f"http://127.0.0.1:{port}/{account.name}")
        await stack.start_app(AzureWebJobsStorage=nowhere)
        name, person_id = await hired(stack)
        async with no_rule(stack):
            ticket = await stack.open_ticket(name)
            await stack.approve(ticket)
        body = json.dumps(webhook_body(ticket)).encode()
        assert (await delivered(stack, body, event_id="evt_lost")).status == 503
        await stack.restart_app(**good)
        answer = await delivered(stack, body, event_id="evt_lost")
        assert answer.status == 202
        reset = Case(stack, (await answer.json())["id"], name, person_id, ticket)
        assert (await reset.ended())["reason"] == "removed"
        assert len(await reset.deletes()) == 3


# ---- the mode changes meanwhile


@story
async def a_switch_to_dry_runs_reaches_what_has_not_begun_and_lets_end_what_has(_: Stack, another: Another) -> None:
    async with another() as stack:
        asks_to_wait = {"status": 503, "headers": {"Retry-After": "8"}}
        tickets = [await ticket_for(stack) for _ in range(2)]
        first, second = (person_id for _ticket, _name, person_id in tickets)
        await stack.graph.fault(path=f"users/{first}/authentication/methods", **asks_to_wait)
        await stack.graph.fault(method="DELETE", path=second, skip=1, **asks_to_wait)
        rehearsed, begun = [await approved(stack, *ticket) for ticket in tickets]
        await rehearsed.until(status="waiting")
        await begun.until(status="waiting")
        await stack.restart_app(MODE="dry-run")

        status = await rehearsed.ended()
        assert (status["mode"], status["outcome"], status["reason"]) == ("dry-run", "done", "dry-run")
        assert await rehearsed.writes() == []
        assert await rehearsed.comments() == []
        status = await begun.ended()
        assert (status["mode"], status["outcome"], status["reason"]) == ("enforce", "done", "removed")
        assert await begun.methods() == set()
        assert len(await begun.comments()) == 1


@pytest.mark.parametrize("story", STORIES, ids=lambda told: told.__name__)
async def test_meanwhile(story: Story, being_told: Mapping[Story, asyncio.Task[None]]) -> None:
    await being_told[story]
