"""What the contract tests of all stores share: a table of one's own, hands that spoil it, and storage that fails."""

import asyncio
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from shared.adapters import storage
from shared.adapters.storage import PATIENCE
from shared.adapters.tables import TableControl, TableDeadLetters, TableJournal, TableLedger, TableOrders
from shared.model import WaitingFor
from shared.ports import Conflict, NotLetIn, Unavailable

type Call = Callable[[Any], Awaitable[object]]


@asynccontextmanager
async def table[Store](kind: Callable[[TableClient], Store], connection: str) -> AsyncIterator[Callable[[], Store]]:
    """Makes stores on one table that does not exist yet, each with a client of its own."""
    async with AsyncExitStack() as clients:
        name = f"table{uuid.uuid4().hex}"

        def make() -> Store:
            client = TableClient.from_connection_string(connection, name, **PATIENCE)
            clients.push_async_callback(client.close)
            return kind(client)

        yield make


@asynccontextmanager
async def on_a_table[Store](kind: Callable[[TableClient], Store], connection: str) -> AsyncIterator[Store]:
    async with table(kind, connection) as make:
        yield make()


async def won(commit: Awaitable[object]) -> bool:
    try:
        await commit
    except Conflict:
        return False
    return True


async def spoil(
    store: TableJournal | TableLedger | TableControl | TableDeadLetters | TableOrders, key: str, **spoilt: Any
) -> None:
    """Somebody else writes to a row, which may be there; what is None goes from it."""
    client, partition = store._partition._client, store._partition._name
    entity = dict(await store._partition.row(key) or {"PartitionKey": partition, "RowKey": key}) | spoilt
    await client.upsert_entity({name: value for name, value in entity.items() if value is not None}, mode=UpdateMode.REPLACE)


# ---- storage that fails

# What is no answer of storage; a stranger's `404` says nothing of rows and tables
NO_ANSWERS = {
    "silence": b"",
    "busy": b"HTTP/1.1 503 Busy\r\n\r\n",
    "slow": b"HTTP/1.1 429 Slow\r\nRetry-After: 60\r\n\r\n",
    "not found": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "a page": b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 17\r\n\r\n<h1>Not here</h1>",
    "babble": b"?\r\n\r\n",
}
# What storage says to an identity without a role for it
NO_ROLE = (
    b"HTTP/1.1 403 Forbidden\r\nx-ms-error-code: AuthorizationPermissionMismatch\r\n"
    b"x-ms-version: 2020-12-06\r\nContent-Length: 0\r\n\r\n"
)


class FailingStorage(ABC):
    """What becomes of a call when storage fails. A subclass opens its kind of store; `call` is each that the port has."""

    @abstractmethod
    def opened(self, connection: str) -> AbstractAsyncContextManager[Any]: ...

    async def test_that_cannot_be_reached_is_unavailable_within_seconds(self, call: Call) -> None:
        async with self.opened(elsewhere(port=9)) as store:
            await is_unavailable(call(store), within=10)

    async def test_that_does_not_know_us_is_unavailable_and_says_so(self, azurite: str, call: Call) -> None:
        async with self.opened(intruding(azurite)) as store:
            assert isinstance(await is_unavailable(call(store), within=10), NotLetIn)

    async def test_that_gives_us_no_role_is_unavailable_and_says_so(self, call: Call) -> None:
        async with listening(NO_ROLE) as port, self.opened(elsewhere(port)) as store:
            refused = await is_unavailable(call(store), within=10)
        assert isinstance(refused, NotLetIn)
        assert refused.cause == "our identity may not: a role or a network rule is missing (403 AuthorizationPermissionMismatch)"

    @pytest.mark.parametrize("answer", NO_ANSWERS.values(), ids=NO_ANSWERS.keys())
    async def test_that_gives_no_answer_is_unavailable_within_its_time(
        self, call: Call, answer: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(storage, "CALL_SECONDS", 0.5)
        async with listening(answer) as port, self.opened(elsewhere(port)) as store:
            assert not isinstance(await is_unavailable(call(store), within=5), NotLetIn)


async def is_unavailable(call: Awaitable[object], *, within: float) -> Unavailable:
    started = time.monotonic()
    with pytest.raises(Unavailable) as failure:
        await call
    assert failure.value.waiting_for is WaitingFor.STORAGE
    assert time.monotonic() - started < within
    return failure.value


def intruding(connection: str) -> str:
    """The connection string with a key that is not the account's."""
    key = connection.partition("AccountKey=")[2].partition(";")[0]
    return connection.replace(key, "AAAA" + key[4:])


def elsewhere(port: int) -> str:
    """A connection string to this port of the loopback interface."""
    roots = "".join(f"{service}Endpoint=http://127.0.0.1:{port}/nobody;" for service in ("Blob", "Queue", "Table"))
    return f"DefaultEndpointsProtocol=http;AccountName=nobody;AccountKey={'A' * 86}==;{roots}"


@asynccontextmanager
async def listening(answer: bytes) -> AsyncIterator[int]:
    """A port on which everybody is heard and answered with these bytes, or for ever with none."""

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        if answer:
            await writer.drain()
            writer.close()
        else:
            await reader.read()

    server = await asyncio.start_server(answered, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
