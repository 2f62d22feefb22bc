"""What any `RequestQueue` does, on the fake and on Azure storage queues (Azurite); and what the one on Azure does besides."""

import asyncio
import base64
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from shared.adapters import storage
from shared.adapters.clock import SystemClock
from shared.adapters.queues import StorageQueues
from shared.adapters.storage import PATIENCE
from shared.ports import RequestQueue
from tests.calls import Calls
from tests.contract.test_journal import elsewhere, is_unavailable, listening
from tests.fakes import LARGEST_MESSAGE, FakeQueue

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


CALLS: dict[str, Callable[[RequestQueue], Awaitable[None]]] = {
    "put": lambda q: q.put("text"),
    "put aside": lambda q: q.put_aside("text"),
    "publish": lambda q: q.publish({}),
    "ping": lambda q: q.ping(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
async def test_queues_that_cannot_be_reached_are_unavailable_within_seconds(
    call: Callable[[RequestQueue], Awaitable[None]],
) -> None:
    async with QueueServiceClient.from_connection_string(elsewhere(port=9), **PATIENCE) as service:
        await is_unavailable(call(StorageQueues(service)), within=10)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
async def test_queues_that_do_not_let_us_in_are_unavailable(
    azurite: str, call: Callable[[RequestQueue], Awaitable[None]]
) -> None:
    key = azurite.partition("AccountKey=")[2].partition(";")[0]
    async with QueueServiceClient.from_connection_string(azurite.replace(key, "AAAA" + key[4:]), **PATIENCE) as service:
        await is_unavailable(call(StorageQueues(service)), within=10)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 503 Busy\r\n\r\n", b"HTTP/1.1 429 Slow\r\nRetry-After: 60\r\n\r\n", b"?\r\n\r\n"]
)
async def test_queues_that_give_no_answer_are_unavailable_within_their_time(
    call: Callable[[RequestQueue], Awaitable[None]], answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "CALL_SECONDS", 0.5)
    async with (
        listening(answer) as port,
        QueueServiceClient.from_connection_string(elsewhere(port), **PATIENCE) as service,
    ):
        await is_unavailable(call(StorageQueues(service)), within=5)
