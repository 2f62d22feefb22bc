"""The three queues: requests, results, and what nothing can be made of. Made on first use where infrastructure has not."""

import contextlib
import json
import math
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from shared.adapters.storage import answering
from shared.model import WaitingFor
from shared.ports import Conflict, Unavailable

REQUESTS = "mfa-requests"
RESULTS = "mfa-results"
POISON = f"{REQUESTS}-poison"
NEVER = -1  # a message that waits must not expire


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
