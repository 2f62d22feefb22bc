"""What the doctor reads of storage, and of the clocks of services. Nothing is made, taken or written."""

import base64
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.data.tables.aio import TableClient
from azure.storage.blob.aio import ContainerClient
from azure.storage.queue.aio import QueueServiceClient

from shared.adapters.storage import answering
from shared.doctor.ports import QueueSeen
from shared.parallel import together

MOST_PEEKED = 32
ADDRESS_SECONDS = 10


class StoresInspection:
    def __init__(self, queues: QueueServiceClient, journal: TableClient, control: TableClient, receipts: ContainerClient) -> None:
        self._queues, self._journal, self._control, self._receipts = queues, journal, control, receipts

    async def queue(self, name: str) -> QueueSeen | None:
        client = self._queues.get_queue_client(name)
        async with answering():
            try:
                properties, peeked = await together(client.get_queue_properties(), client.peek_messages(MOST_PEEKED))
            except ResourceNotFoundError as error:
                _unless_foreign(error, "QueueNotFound")
                return None
        foreign = sum(not _encoded(message.content) for message in peeked)
        return QueueSeen(properties.approximate_message_count or 0, len(peeked), foreign)

    async def journal(self) -> bool:
        return await self._table(self._journal)

    async def control(self) -> bool:
        return await self._table(self._control)

    async def receipts(self) -> bool:
        async with answering():
            try:
                async for _ in self._receipts.list_blob_names(results_per_page=1):
                    break
            except ResourceNotFoundError as error:
                _unless_foreign(error, "ContainerNotFound")
                return False
        return True

    async def _table(self, client: TableClient) -> bool:
        async with answering():
            try:
                async for _ in client.query_entities("PartitionKey eq ''", results_per_page=1):
                    break
            except ResourceNotFoundError as error:
                _unless_foreign(error, "TableNotFound")
                return False
        return True


class AnswerDates:
    """Asks without a token, follows no redirect, and reads no body."""

    async def told(self, address: str) -> datetime | None:
        timeout = aiohttp.ClientTimeout(total=ADDRESS_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False) as session,
                session.get(address, allow_redirects=False) as response,
            ):
                return _moment(response.headers.get("Date", ""))
        except (aiohttp.ClientError, OSError):  # a timeout is one of them
            return None


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _encoded(content: Any) -> bool:
    try:
        base64.b64decode(content or "", validate=True).decode()
    except ValueError:
        return False
    return True


def _unless_foreign(error: HttpResponseError, code: str) -> None:
    """Whoever else than storage answers 404 says nothing."""
    if getattr(error, "error_code", None) != code:
        raise error
