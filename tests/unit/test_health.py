"""Whether requests can be taken in, and what is said about why not."""

import json
from datetime import timedelta

import pytest

from shared.app import Unready
from shared.health import health
from shared.model import WaitingFor
from shared.ports import NotLetIn
from tests.unit.world import World


async def test_all_is_well_when_settings_are_valid_and_storage_answers(world: World) -> None:
    answer = await health(world.app(), "1.2.3")
    assert (answer.status, answer.body) == (200, {"version": "1.2.3", "mode": "enforce", "failing": []})
    assert "Retry-After" not in answer.headers


async def test_every_store_is_asked_and_nothing_else(world: World) -> None:
    await health(world.app(), "1.2.3")
    assert sorted(world.calls.names()) == ["control.read", "journal.ping", "queue.ping", "receipts.ping"]


@pytest.mark.parametrize("call", ["control.read", "journal.ping", "queue.ping", "receipts.ping"])
async def test_storage_that_does_not_answer_is_named(world: World, call: str) -> None:
    world.calls.down(WaitingFor.STORAGE, call)
    answer = await health(world.app(), "1.2.3")
    assert (answer.status, answer.body["failing"]) == (503, ["AzureWebJobsStorage"])
    assert int(answer.headers["Retry-After"]) > 0


async def test_what_is_wrong_with_it_is_said(world: World) -> None:
    world.configure(JOURNAL_CONNECTION="Receipts", Receipts="UseDevelopmentStorage=true")
    world.calls.down(WaitingFor.STORAGE, "queue.ping")
    world.calls.fail("journal.ping", NotLetIn(WaitingFor.STORAGE, "our identity may not"))
    body = (await health(world.app(), "1.2.3")).body
    assert body["problems"] == {"AzureWebJobsStorage": "down", "Receipts": "our identity may not"}


async def test_a_journal_of_its_own_is_named_by_its_own_name(world: World) -> None:
    world.configure(JOURNAL_CONNECTION="Receipts", Receipts="UseDevelopmentStorage=true")
    world.calls.down(WaitingFor.STORAGE, "journal.ping")
    assert (await health(world.app(), "1.2.3")).body["failing"] == ["Receipts"]


async def test_both_are_asked_though_the_first_is_slow(world: World) -> None:
    world.calls.slow("queue.ping", seconds=10)
    world.calls.slow("journal.ping", seconds=10)
    await health(world.app(), "1.2.3")
    assert world.clock.now() - world.start < timedelta(seconds=11)


async def test_settings_that_are_wrong_are_named_without_their_values() -> None:
    answer = await health(Unready({"MODE": "is none of dry-run, enforce", "WEBHOOK_KEYS": "is no key"}, None), "1.2.3")
    assert (answer.status, answer.body["failing"]) == (503, ["MODE", "WEBHOOK_KEYS"])
    assert int(answer.headers["Retry-After"]) > 0


async def test_no_secret_is_told(world: World) -> None:
    for app in (world.app(), Unready({"WEBHOOK_KEYS": "is no key"}, world.queue)):
        assert "whsec_" not in json.dumps((await health(app, "1.2.3")).body)
