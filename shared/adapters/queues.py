"""The three queues: requests, results, and what nothing can be made of. Made on first use where infrastructure has not."""

import base64
import contextlib
import json
import math
from collections.abc import AsyncIterator
from datetime import UTC, timedelta
from typing import Any

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueMessage, TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from shared.adapters.storage import answering
from shared.model import WaitingFor
from shared.parallel import together
from shared.ports import Conflict, Depth, Poisoned, Unavailable

REQUESTS = "mfa-requests"
RESULTS = "mfa-results"
POISON = f"{REQUESTS}-poison"
NEVER = -1  # a message that waits must not expire
HIDDEN_SECONDS = 60  # while a message that was put aside is looked at


class StorageQueues:
    """Base64, as the host reads by default (host.json says so too)."""

    def __init__(self, service: QueueServiceClient) -> None:
        self._clients = {
            name: service.get_queue_client(name, message_encode_policy=TextBase64EncodePolicy())
            for name in (REQUESTS, RESULTS, POISON)
        }

    async def put(self, message: str, delay: timedelta = timedelta()) -> None:
        await self._send(REQUESTS, message, delay)

    async def put_aside(self, message: str) -> None:
        await self._send(POISON, message)

    async def publish(self, event: dict[str, Any]) -> None:
        await self._send(RESULTS, json.dumps(event))

    async def poisoned(self, limit: int) -> tuple[Poisoned, ...]:
        client = self._clients[POISON]
        async with _answering():
            try:
                received = client.receive_messages(max_messages=limit, messages_per_page=limit, visibility_timeout=HIDDEN_SECONDS)
                return tuple([_poisoned(message) async for message in received])
            except ResourceNotFoundError as error:
                return _unless_foreign(error, ())

    async def buried(self, message: Poisoned) -> None:
        async with _answering():
            try:
                await self._clients[POISON].delete_message(message.receipt)
            except HttpResponseError as error:
                if _code(error) not in ("QueueNotFound", "MessageNotFound", "PopReceiptMismatch"):  # shown again: looked at again
                    raise

    async def depths(self) -> tuple[Depth, ...]:
        async with _answering():
            return await together(*(self._depth(name) for name in self._clients))

    async def _depth(self, name: str) -> Depth:
        client = self._clients[name]
        try:
            properties, peeked = await together(client.get_queue_properties(), client.peek_messages())
        except ResourceNotFoundError as error:
            return _unless_foreign(error, Depth(name, 0, None))
        oldest = peeked[0].inserted_on if peeked else None
        return Depth(name, properties.approximate_message_count or 0, oldest.astimezone(UTC) if oldest else None)

    async def ping(self) -> None:
        async with _answering():
            for name in (REQUESTS, RESULTS):
                try:
                    await self._clients[name].get_queue_properties()
                except ResourceNotFoundError:
                    await _create(self._clients[name])

    async def _send(self, name: str, text: str, delay: timedelta = timedelta()) -> None:
        client, seconds = self._clients[name], math.ceil(delay.total_seconds())
        async with _answering():
            try:
                await client.send_message(text, visibility_timeout=seconds, time_to_live=NEVER)
            except ResourceNotFoundError:
                await _create(client)
                await client.send_message(text, visibility_timeout=seconds, time_to_live=NEVER)


def _unless_foreign[T](error: HttpResponseError, nothing: T) -> T:
    """`nothing` where storage itself says that there is no such queue; whoever else answers 404 says nothing."""
    if _code(error) != "QueueNotFound":
        raise error
    return nothing


def _code(error: HttpResponseError) -> object:
    return getattr(error, "error_code", None)


def _poisoned(message: QueueMessage) -> Poisoned:
    """What others put there may be anything."""
    content = message.content or ""
    assert message.inserted_on is not None  # of a message that was sent
    inserted_at = message.inserted_on.astimezone(UTC)
    try:
        return Poisoned(base64.b64decode(content, validate=True).decode(), True, inserted_at, message)
    except ValueError:
        return Poisoned(content, False, inserted_at, message)


@contextlib.asynccontextmanager
async def _answering() -> AsyncIterator[None]:
    """A queue has no conditions: a conflict is one that is being deleted."""
    try:
        async with answering():
            yield
    except Conflict as error:
        raise Unavailable(WaitingFor.STORAGE, "conflict") from error


async def _create(client: QueueClient) -> None:
    try:
        await client.create_queue()
    except ResourceExistsError:
        return
