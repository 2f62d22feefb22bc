"""What any `RequestQueue` does, on the fake and on Azure storage queues (Azurite); and what the one on Azure does besides."""

import asyncio
import base64
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import aiohttp
import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueMessage, QueueSasPermissions, generate_queue_sas
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from shared.adapters import queues
from shared.adapters.clock import SystemClock
from shared.adapters.queues import StorageQueues
from shared.adapters.storage import PATIENCE
from shared.ports import LARGEST_MESSAGE, Poisoned, RequestQueue
from tests.calls import Calls
from tests.contract.stores import FailingStorage
from tests.fakes import FakeQueue

REQUESTS, RESULTS, POISON = "mfa-requests", "mfa-results", "mfa-requests-poison"
EVENT = {"specversion": "1.0", "id": "1", "data": {"what": "é \U0001f511 \"'<&>"}}


class World(Protocol):
    """A request queue, and who looks at it from outside."""

    @property
    def queue(self) -> RequestQueue: ...

    async def visible(self, name: str) -> list[str]:
        """The texts that a reader of this queue gets now."""
        ...


class RequestQueueContract:
    """A subclass provides the fixture `world`, in which there are no queues yet."""

    @pytest.mark.parametrize("text", ["{}", "é \U0001f511", "<a>&amp;</a>\n", "YWJj", " ", "x" * LARGEST_MESSAGE])
    async def test_what_is_put_is_read_as_it_was(self, world: World, text: str) -> None:
        await world.queue.put(text)
        assert await world.visible(REQUESTS) == [text]

    async def test_a_message_is_hidden_as_long_as_was_said(self, world: World) -> None:
        await world.queue.put("later", timedelta(seconds=2))
        await world.queue.put("now")
        assert await world.visible(REQUESTS) == ["now"]
        async with asyncio.timeout(5):
            while "later" not in await world.visible(REQUESTS):
                await asyncio.sleep(0.2)

    async def test_a_message_may_be_hidden_for_days(self, world: World) -> None:
        await world.queue.put("in days", timedelta(days=6, hours=23))
        assert await world.visible(REQUESTS) == []

    @pytest.mark.parametrize("delay", [timedelta(days=8), timedelta(seconds=-2)])
    async def test_a_message_cannot_be_hidden_for_longer_than_a_queue_allows(self, world: World, delay: timedelta) -> None:
        with pytest.raises(Exception):  # noqa: B017, PT011  a fault of the caller's, which no port names
            await world.queue.put("never", delay)
        await world.queue.put("now")
        assert await world.visible(REQUESTS) == ["now"]

    async def test_each_queue_gets_its_own(self, world: World) -> None:
        await world.queue.put("request")
        await world.queue.put_aside("aside")
        await world.queue.publish(EVENT)
        assert await world.visible(REQUESTS) == ["request"]
        assert await world.visible(POISON) == ["aside"]
        assert [json.loads(text) for text in await world.visible(RESULTS)] == [EVENT]

    async def test_many_messages_arrive_each_once(self, world: World) -> None:
        texts = [str(number) for number in range(20)]
        await asyncio.gather(*map(world.queue.put, texts))
        assert sorted(await world.visible(REQUESTS)) == sorted(texts)

    # ---- what was put aside

    async def test_what_was_put_aside_is_shown_hidden_and_taken_off(self, world: World) -> None:
        assert await world.queue.poisoned(32) == ()
        before = datetime.now(UTC) - timedelta(seconds=2)
        await world.queue.put_aside("é \U0001f511")
        (message,) = await world.queue.poisoned(32)
        assert (message.text, message.encoded) == ("é \U0001f511", True)
        assert before <= message.inserted_at <= datetime.now(UTC) + timedelta(seconds=1)
        assert message.inserted_at.utcoffset() == timedelta()
        assert await world.queue.poisoned(32) == ()
        for _ in range(2):
            await world.queue.buried(message)
        assert (await world.queue.depths())[2].messages == 0

    async def test_no_more_are_shown_than_are_wanted(self, world: World) -> None:
        for number in range(5):
            await world.queue.put_aside(str(number))
        shown = [*await world.queue.poisoned(3), *await world.queue.poisoned(32)]
        assert [message.text for message in shown] == ["0", "1", "2", "3", "4"]

    async def test_each_queue_has_its_depth_and_the_age_of_its_oldest(self, world: World) -> None:
        depths = {depth.queue: depth for depth in await world.queue.depths()}
        assert list(depths) == [REQUESTS, RESULTS, POISON]
        assert {(depth.messages, depth.oldest) for depth in depths.values()} == {(0, None)}
        await world.queue.put("now")
        await world.queue.put("later", timedelta(hours=1))
        await world.queue.publish(EVENT)
        await world.queue.put_aside("aside")
        await world.queue.poisoned(32)
        requests, results, poison = await world.queue.depths()
        assert (requests.messages, results.messages, poison.messages) == (2, 1, 1)
        assert poison.oldest is None
        for depth in (requests, results):
            assert depth.oldest is not None
            assert timedelta(seconds=-1) < datetime.now(UTC) - depth.oldest < timedelta(minutes=1)

    async def test_a_ping_is_answered(self, world: World) -> None:
        await world.queue.ping()
        await world.queue.ping()


class FakeWorld:
    def __init__(self) -> None:
        self.queue = FakeQueue(SystemClock(), Calls(usual_seconds=0))

    async def visible(self, name: str) -> list[str]:
        texts = {
            REQUESTS: [message.text for message in self.queue.visible()],
            RESULTS: [json.dumps(event) for event in self.queue.results],
            POISON: self.queue.aside,
        }
        return texts[name]


class TestFakeQueue(RequestQueueContract):
    @pytest.fixture
    def world(self) -> World:
        return FakeWorld()


# ---- on Azure


class Prefixed(QueueServiceClient):
    """Calls every queue by a name that nobody else in this account has."""

    prefix = ""

    def get_queue_client(self, queue: Any, **options: Any) -> QueueClient:
        return super().get_queue_client(f"{self.prefix}-{queue}", **options)


@dataclass
class AzureWorld:
    service: Prefixed
    queue: StorageQueues

    async def visible(self, name: str) -> list[str]:
        """Reads as the host does: base64 of UTF-8."""
        return [base64.b64decode(message.content, validate=True).decode() for message in await self.received(name)]

    async def received(self, name: str) -> list[Any]:
        return [message async for message in self.service.get_queue_client(name).receive_messages(visibility_timeout=1)]

    async def names(self) -> set[str]:
        prefix = f"{self.service.prefix}-"
        return {queue.name.removeprefix(prefix) async for queue in self.service.list_queues(name_starts_with=prefix)}


@pytest.fixture
async def azure(azurite: str) -> AsyncIterator[AzureWorld]:
    async with Prefixed.from_connection_string(azurite, **PATIENCE) as service:
        service.prefix = uuid.uuid4().hex[:12]
        yield AzureWorld(service, StorageQueues(service))


class TestStorageQueues(RequestQueueContract):
    @pytest.fixture
    async def world(self, azure: AzureWorld) -> AzureWorld:
        for name in (REQUESTS, RESULTS, POISON):
            await azure.service.create_queue(f"{azure.service.prefix}-{name}")
        return azure


async def test_a_message_never_expires(azure: AzureWorld) -> None:
    await azure.queue.put("request", timedelta())
    await azure.queue.publish(EVENT)
    for name in (REQUESTS, RESULTS):
        (message,) = await azure.received(name)
        assert message.expires_on.year == 9999


@pytest.mark.parametrize(
    ("send", "name"),
    [
        (lambda queue: queue.put("text"), REQUESTS),
        (lambda queue: queue.put_aside("text"), POISON),
        (lambda queue: queue.publish({}), RESULTS),
    ],
)
async def test_a_queue_that_is_not_there_is_made_by_the_first_message(
    azure: AzureWorld, send: Callable[[RequestQueue], Awaitable[None]], name: str
) -> None:
    assert await azure.names() == set()
    await send(azure.queue)
    assert await azure.names() == {name}
    assert len(await azure.received(name)) == 1


async def test_of_many_who_make_the_queue_none_loses_a_message(azure: AzureWorld) -> None:
    await asyncio.gather(*(azure.queue.put(str(number)) for number in range(16)))
    found: list[str] = []
    async with asyncio.timeout(5):
        while len(found) < 16:
            found += await azure.visible(REQUESTS)
    assert sorted(found) == sorted(map(str, range(16)))


FOREIGN = {
    "no base64": ("{}", "{}"),
    "base64 of no text": ("/w==", "/w=="),
    "base64 with blanks": ("e3 0=", "e3 0="),
    "base64 cut off": ("e30", "e30"),
    "nothing": ("", ""),
    "markup": ("&lt;a&gt;&amp;", "<a>&"),
    "a digit": ("&#x31;", "1"),
    "long": ("x" * 65_000, "x" * 65_000),
}


@pytest.mark.parametrize(("written", "read"), FOREIGN.values(), ids=FOREIGN.keys())
async def test_what_others_put_aside_may_be_anything(azure: AzureWorld, written: str, read: str) -> None:
    client = azure.service.get_queue_client(POISON)
    await client.create_queue()
    hour = datetime.now(UTC) + timedelta(hours=1)
    sas = generate_queue_sas(
        str(client.account_name), client.queue_name, client.credential.account_key, QueueSasPermissions(add=True), expiry=hour
    )
    body = f"<QueueMessage><MessageText>{written}</MessageText></QueueMessage>"
    async with aiohttp.ClientSession() as http, http.post(f"{client.url}/messages?{sas}", data=body.encode()) as answer:
        assert answer.status == 201
    (message,) = await azure.queue.poisoned(32)
    assert (message.text, message.encoded) == (read, written == "")
    await azure.queue.buried(message)
    assert (await azure.queue.depths())[2].messages == 0


async def test_a_message_that_was_shown_again_is_not_taken_off_by_who_saw_it_first(
    azure: AzureWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "HIDDEN_SECONDS", 1)
    await azure.queue.put_aside("text")
    (first,) = await azure.queue.poisoned(32)
    async with asyncio.timeout(5):
        while not (again := await azure.queue.poisoned(32)):
            await asyncio.sleep(0.2)
    await azure.queue.buried(first)
    assert (await azure.queue.depths())[2].messages == 1
    await azure.queue.buried(again[0])
    assert (await azure.queue.depths())[2].messages == 0


async def test_queues_that_are_not_there_are_empty(azure: AzureWorld) -> None:
    assert await azure.queue.poisoned(32) == ()
    assert {(depth.messages, depth.oldest) for depth in await azure.queue.depths()} == {(0, None)}
    assert await azure.names() == set()


async def test_a_ping_makes_the_queues_that_the_app_needs(azure: AzureWorld) -> None:
    await azure.queue.ping()
    assert {REQUESTS, RESULTS} <= await azure.names()


async def test_a_queue_made_meanwhile_is_no_trouble(azure: AzureWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    async def made_meanwhile(client: QueueClient, **options: Any) -> None:
        await QueueClient.create_queue(client, **options)
        raise ResourceExistsError

    for name in (REQUESTS, RESULTS, POISON):
        client = azure.queue._clients[name]
        monkeypatch.setattr(client, "create_queue", lambda client=client: made_meanwhile(client))
    await azure.queue.put("text")
    assert await azure.visible(REQUESTS) == ["text"]


def a_poisoned() -> Poisoned:
    receipt = QueueMessage(content="text")
    receipt.id, receipt.pop_receipt = str(uuid.uuid4()), "receipt"
    return Poisoned("text", True, datetime.now(UTC), receipt)


CALLS: dict[str, Callable[[RequestQueue], Awaitable[object]]] = {
    "put": lambda q: q.put("text"),
    "put aside": lambda q: q.put_aside("text"),
    "publish": lambda q: q.publish({}),
    "poisoned": lambda q: q.poisoned(32),
    "buried": lambda q: q.buried(a_poisoned()),
    "depths": lambda q: q.depths(),
    "ping": lambda q: q.ping(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
class TestQueuesOnStorage(FailingStorage):
    @asynccontextmanager
    async def opened(self, connection: str) -> AsyncIterator[StorageQueues]:
        async with QueueServiceClient.from_connection_string(connection, **PATIENCE) as service:
            yield StorageQueues(service)
