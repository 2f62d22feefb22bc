"""What any `Receipts` does, on the fake and on append blobs (Azurite); and what the one on blobs does besides."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from azure.storage.blob.aio import ContainerClient

from shared.adapters.receipts import BlobReceipts
from shared.adapters.storage import PATIENCE
from shared.ports import Conflict, Receipts
from tests.calls import Calls
from tests.contract.stores import FailingStorage, elsewhere, is_unavailable, listening, won
from tests.fakes import FakeReceipts

type Make = Callable[[], Receipts]

ONE, OTHER = "1" * 32, "2" * 32


class ReceiptsContract:
    """A subclass provides `make`, which makes workers' receipts on one store in which nothing is."""

    async def test_at_first_there_is_none(self, make: Make) -> None:
        assert await make().read(ONE) == b""
        assert await make().listed() == ()
        await make().ping()

    @pytest.mark.parametrize("data", [b"{}\n", "é \U0001f511\n".encode(), b"\x00\xff\r\n", b"x" * 100_000])
    async def test_what_was_appended_is_read_as_it_was(self, make: Make, data: bytes) -> None:
        await make().append(ONE, data, 0)
        assert await make().read(ONE) == data

    async def test_what_is_appended_follows_what_was(self, make: Make) -> None:
        await make().append(ONE, b"one\n", 0)
        await make().append(ONE, b"two\n", 4)
        await make().append(ONE, b"three\n", 8)
        assert await make().read(ONE) == b"one\ntwo\nthree\n"

    @pytest.mark.parametrize("at", [0, 3, 5, 4_000_000])
    async def test_an_append_at_any_other_place_is_a_conflict_and_changes_nothing(self, make: Make, at: int) -> None:
        await make().append(ONE, b"one\n", 0)
        with pytest.raises(Conflict):
            await make().append(ONE, b"two\n", at)
        assert await make().read(ONE) == b"one\n"

    async def test_what_is_not_there_cannot_be_continued(self, make: Make) -> None:
        await make().append(OTHER, b"one\n", 0)
        with pytest.raises(Conflict):
            await make().append(ONE, b"two\n", 4)
        assert await make().read(ONE) == b""

    async def test_an_append_that_is_repeated_is_a_conflict(self, make: Make) -> None:
        """By this a worker knows that an append whose answer was lost has happened."""
        for at in (0, 4):
            await make().append(ONE, b"one\n", at)
            with pytest.raises(Conflict):
                await make().append(ONE, b"one\n", at)
        assert await make().read(ONE) == b"one\none\n"

    @pytest.mark.parametrize("at", [0, 4])
    async def test_of_several_at_once_one_is_written(self, make: Make, at: int) -> None:
        await make().append(OTHER, b"one\n", 0)
        if at:
            await make().append(ONE, b"one\n", 0)
        texts = [f"{number}\n".encode() for number in range(5)]
        wins = await asyncio.gather(*(won(make().append(ONE, text, at)) for text in texts))
        assert wins.count(True) == 1
        assert (await make().read(ONE))[at:] == texts[wins.index(True)]

    async def test_requests_have_each_their_own(self, make: Make) -> None:
        await make().append(ONE, b"one\n", 0)
        await make().append(OTHER, b"two\n", 0)
        assert (await make().read(ONE), await make().read(OTHER)) == (b"one\n", b"two\n")
        assert sorted(await make().listed()) == [ONE, OTHER]


class TestFakeReceipts(ReceiptsContract):
    @pytest.fixture
    def make(self) -> Make:
        fake = FakeReceipts(Calls(usual_seconds=0))
        return lambda: fake

    async def test_what_somebody_has_put_there_is_read(self) -> None:
        fake = FakeReceipts(Calls(usual_seconds=0))
        fake.put(ONE, b"one\n")
        assert await fake.read(ONE) == fake.blob(ONE) == b"one\n"


# ---- on append blobs


@asynccontextmanager
async def container(connection: str) -> AsyncIterator[Callable[[], BlobReceipts]]:
    """Makes receipts in one container that does not exist yet, each with a client of its own."""
    async with AsyncExitStack() as clients:
        name = f"container{uuid.uuid4().hex}"

        def make() -> BlobReceipts:
            client = ContainerClient.from_connection_string(connection, name, **PATIENCE)
            clients.push_async_callback(client.close)
            return BlobReceipts(client)

        yield make


@asynccontextmanager
async def on_blobs(connection: str) -> AsyncIterator[BlobReceipts]:
    async with container(connection) as make:
        yield make()


@pytest.fixture
async def make(azurite: str) -> AsyncIterator[Callable[[], BlobReceipts]]:
    async with container(azurite) as make:
        yield make


class TestBlobReceipts(ReceiptsContract):
    """The contract, on Azurite, in a container that is not there before the first append."""

    async def test_looking_makes_nothing(self, make: Callable[[], BlobReceipts]) -> None:
        await make().read(ONE)
        await make().listed()
        await make().ping()
        assert not await make()._client.exists()

    async def test_what_was_made_and_left_empty_is_none_and_can_be_begun(self, make: Callable[[], BlobReceipts]) -> None:
        """A worker may die between the two calls that begin a receipt."""
        await make().append(OTHER, b"one\n", 0)
        await make()._client.get_blob_client(f"{ONE}.jsonl").create_append_blob()
        assert await make().read(ONE) == b""
        await make().append(ONE, b"one\n", 0)
        assert await make().read(ONE) == b"one\n"

    async def test_it_is_an_append_blob_that_anybody_can_find(self, make: Callable[[], BlobReceipts]) -> None:
        await make().append(ONE, b"one\n", 0)
        properties = await make()._client.get_blob_client(f"{ONE}.jsonl").get_blob_properties()
        assert properties.blob_type == "AppendBlob"

    async def test_other_blobs_in_the_container_are_no_receipts(self, make: Callable[[], BlobReceipts]) -> None:
        await make().append(ONE, b"one\n", 0)
        await make()._client.upload_blob("readme.txt", b"")
        assert await make().listed() == (ONE,)

    async def test_another_kind_of_blob_in_its_place_is_unavailable(self, make: Callable[[], BlobReceipts]) -> None:
        await make().append(OTHER, b"one\n", 0)
        await make()._client.upload_blob(f"{ONE}.jsonl", b"one\n")
        for at in (0, 4):
            await is_unavailable(make().append(ONE, b"two\n", at), within=10)

    async def test_a_blob_that_somebody_has_leased_is_unavailable(self, make: Callable[[], BlobReceipts]) -> None:
        await make().append(ONE, b"one\n", 0)
        await make()._client.get_blob_client(f"{ONE}.jsonl").acquire_lease()
        await is_unavailable(make().append(ONE, b"two\n", 4), within=10)

    @pytest.mark.parametrize("code", ["BlobImmutableDueToPolicy", "BlockCountExceedsLimit"])
    async def test_what_a_policy_forbids_is_unavailable(self, code: str) -> None:
        answer = f"HTTP/1.1 409 Conflict\r\nx-ms-error-code: {code}\r\nContent-Length: 0\r\n\r\n".encode()
        async with listening(answer) as port, on_blobs(elsewhere(port)) as receipts:
            assert (await is_unavailable(receipts.append(ONE, b"two\n", 4), within=10)).cause == "status 409"


CALLS: dict[str, Callable[[Receipts], Any]] = {
    "read": lambda receipts: receipts.read(ONE),
    "begin": lambda receipts: receipts.append(ONE, b"one\n", 0),
    "append": lambda receipts: receipts.append(ONE, b"one\n", 4),
    "listed": lambda receipts: receipts.listed(),
    "ping": lambda receipts: receipts.ping(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
class TestReceiptsOnStorage(FailingStorage):
    def opened(self, connection: str) -> AbstractAsyncContextManager[BlobReceipts]:
        return on_blobs(connection)
