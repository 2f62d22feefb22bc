"""The queue trigger: polls, leases, renews, retries and sets aside messages as the WebJobs storage extension does.

Source: Azure/azure-webjobs-sdk `QueueListener.cs`, `QueueProcessor.cs`; Azure/azure-sdk-for-net,
Microsoft.Azure.WebJobs.Extensions.Storage.Queues.
"""

import asyncio
import contextlib
import json
import logging
import random
from collections.abc import AsyncIterator
from datetime import datetime

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from sandbox.functions_host.connections import put
from sandbox.functions_host.encoding import decode
from sandbox.functions_host.executor import Executor
from sandbox.functions_host.policy import SHORTEST_POLL, QueuePolicy
from sandbox.functions_host.protos import TypedData
from sandbox.functions_host.worker import Function, InvocationFailed

log = logging.getLogger("host.queues")

LEASE = 600  # seconds that a received message stays hidden; no setting changes it in Azure
LONGEST_POLL = 2.0  # seconds; the default of a development host
SUFFIX = "-poison"
LONGEST_NAME = 63


def poison_name(queue: str) -> str | None:
    """The queue for what cannot be processed; None when there is none (`queue` is itself such a queue, or its name too long)."""
    if queue.lower().endswith(SUFFIX) or len(queue) + len(SUFFIX) > LONGEST_NAME:
        return None
    return queue + SUFFIX


def _gone(error: HttpResponseError) -> bool:
    """Whether the message is no longer ours: deleted, or received by another since (its pop receipt has changed)."""
    return error.status_code == 404 or "PopReceiptMismatch" in str(getattr(error, "error_code", ""))


def _facts(message: QueueMessage) -> dict[str, TypedData]:
    def time(moment: datetime | None) -> TypedData:
        return TypedData(json=json.dumps(moment.isoformat() if moment else None))

    return {
        "QueueTrigger": TypedData(string=message.content),
        "Id": TypedData(string=message.id),
        "PopReceipt": TypedData(string=message.pop_receipt),
        "DequeueCount": TypedData(json=json.dumps(str(message.dequeue_count))),
        "InsertionTime": time(message.inserted_on),
        "ExpirationTime": time(message.expires_on),
        "NextVisibleTime": time(message.next_visible_on),
    }


class QueueListener:
    """Serves one queue-triggered function until `stop()`; `run()` returns when the messages under way are done."""

    def __init__(
        self,
        function: Function,
        queue: QueueClient,
        poison: QueueClient | None,
        policy: QueuePolicy,
        executor: Executor,
        lease: int,
    ) -> None:
        self._function, self._queue, self._poison = function, queue, poison
        self._policy, self._executor, self._lease = policy, executor, lease
        self._stopping = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """No message is received after the poll under way."""
        self._stopping.set()

    async def run(self) -> None:
        idle = 0
        while not self._stopping.is_set():
            messages = await self._receive()
            for message in messages:
                task = asyncio.create_task(self._guarded(message))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            if messages:
                idle = 0
                while len(self._running) > self._policy.new_batch_threshold:
                    await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            else:
                await self._pause(idle)
                idle += 1
        if self._running:
            await asyncio.wait(self._running)

    async def _pause(self, idle: int) -> None:
        ceiling = min(self._policy.max_polling_interval, LONGEST_POLL)
        delay = min(ceiling, SHORTEST_POLL * 2 ** min(idle, 16)) * random.uniform(0.8, 1)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), delay)

    async def _receive(self) -> list[QueueMessage]:
        """The next batch, hidden for the lease; empty also when the queue does not exist or storage does not answer."""
        pages = self._queue.receive_messages(messages_per_page=self._policy.batch_size, visibility_timeout=self._lease).by_page()
        try:
            return [message async for message in await anext(pages)]
        except (StopAsyncIteration, ResourceNotFoundError):
            return []
        except AzureError:
            log.exception("cannot poll %s", self._queue.queue_name)
            return []

    async def _guarded(self, message: QueueMessage) -> None:
        try:
            await self._process(message)
        except Exception:  # whatever it is, only this message pays: it stays hidden until its lease ends
            log.exception("cannot settle message %s of %s", message.id, self._queue.queue_name)

    async def _process(self, message: QueueMessage) -> None:
        body = decode(message.content, self._policy.encoding)
        count = message.dequeue_count or 0
        if body is None or count > self._policy.max_dequeue_count:
            await self._set_aside(message)
            return
        binary = str(self._function.trigger.get("dataType", "")).upper() == "BINARY"
        argument = TypedData(bytes=body) if binary else TypedData(string=body.decode(errors="replace"))
        reason = f"New queue message detected on '{self._queue.queue_name}'."
        try:
            async with self._renewed(message):
                await self._executor.run(self._function, reason, argument, _facts(message))
        except InvocationFailed:
            if self._poison is None:
                return  # hidden until the lease ends, so that it does not come back in a tight loop
            if count >= self._policy.max_dequeue_count:
                await self._set_aside(message)
            else:
                await self._hide(message, int(self._policy.visibility_timeout))
        else:
            await self._delete(message)

    @contextlib.asynccontextmanager
    async def _renewed(self, message: QueueMessage) -> AsyncIterator[None]:
        """Keeps the message hidden while the block runs; `message.pop_receipt` is the valid one afterwards."""
        done = asyncio.Event()
        renewal = asyncio.create_task(self._renew(message, done))
        try:
            yield
        finally:
            done.set()
            await renewal

    async def _renew(self, message: QueueMessage, done: asyncio.Event) -> None:
        normal, soonest = self._lease / 2, self._lease / 10
        delay = normal
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), delay)
                return
            try:
                await self._hide(message, self._lease)
                delay = normal
            except AzureError as error:
                if isinstance(error, HttpResponseError) and (error.status_code or 500) < 500:
                    log.warning("lost message %s of %s: %s", message.id, self._queue.queue_name, error)
                    return
                delay = max(delay / 2, soonest)

    async def _hide(self, message: QueueMessage, seconds: int) -> None:
        """The message shows itself again after that time; its text is untouched, its pop receipt a new one."""
        updated = await self._queue.update_message(message.id, pop_receipt=message.pop_receipt, visibility_timeout=seconds)
        message.pop_receipt = updated.pop_receipt

    async def _delete(self, message: QueueMessage) -> None:
        try:
            await self._queue.delete_message(message.id, pop_receipt=message.pop_receipt)
        except HttpResponseError as error:
            if not _gone(error):
                raise

    async def _set_aside(self, message: QueueMessage) -> None:
        """A copy of the text as it was received is on the poison queue, and the message is gone; nothing happens without one."""
        if self._poison is None:
            return
        log.warning(
            "Message has reached MaxDequeueCount of %d. Moving message to queue '%s'.",
            self._policy.max_dequeue_count,
            self._poison.queue_name,
        )
        await put(self._poison, message.content)
        await self._delete(message)
