"""What any `Journal` does, on the fake and on Azure tables (Azurite); and what the one on tables does besides."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from shared import journal
from shared.adapters import storage
from shared.adapters.storage import PATIENCE
from shared.adapters.tables import TableControl, TableJournal, TableLedger
from shared.model import Mode, Outcome, Reason, WaitingFor
from shared.ports import Conflict, Journal, Unavailable, Unreadable
from shared.record import Owed, OwedKind, Record, SeenEvent, StepName, StepTaken
from tests.calls import Calls
from tests.fakes import FakeJournal
from tests.unit import build

COARSE = timedelta(seconds=11)  # by how much, and a little, a store may be late with what is due


def a_record(number: int = 1, **changes: Any) -> Record:
    return build.record(id=f"{number:032x}", **changes)


def a_delivery(record: Record, key: str = "e" * 32) -> SeenEvent:
    return SeenEvent(key, record.id, "f" * 64, record.attempt, build.after(microseconds=1))


class JournalContract:
    """A subclass provides the fixture `store`, a journal in which nothing is."""

    async def test_what_is_not_there_is_none(self, store: Journal) -> None:
        assert await store.find("0" * 32) == (None, None)
        assert await store.find("0" * 32, "e" * 32) == (None, None)

    @pytest.mark.parametrize(
        "record",
        [
            build.record(),
            build.running(),
            build.begun(build.method(created_at=build.before(days=30)), build.method("hardwareOath", "t", active=True)),
            build.ended(Outcome.DONE, Reason.DRY_RUN, mode=Mode.DRY_RUN),
            build.ended(owed=(Owed(OwedKind.RESULT, 1, '{"what": "é \U0001f511 \\" \'"}', build.NOW),), message="message"),
            build.record(subject="o'neil+ü@contoso.com", ticket=None, message="line\nline"),
        ],
        ids=["accepted", "running", "begun", "done", "owing", "odd letters"],
    )
    async def test_what_was_stored_is_read_as_it_was(self, store: Journal, record: Record) -> None:
        seen = a_delivery(record)
        await store.commit(record, None, seen)
        stored, event = await store.find(record.id, seen.key)
        assert stored is not None
        assert (stored.record, event) == (record, seen)

    async def test_record_and_event_are_found_each_by_itself(self, store: Journal) -> None:
        record = a_record()
        await store.commit(record, None, a_delivery(record))
        stored, event = await store.find(record.id)
        assert stored is not None
        assert event is None
        assert await store.find("0" * 32, "e" * 32) == (None, a_delivery(record))

    async def test_the_version_that_a_write_gives_is_good_for_the_next(self, store: Journal) -> None:
        stored = await store.commit(a_record(), None)
        for attempt in range(2, 5):
            stored = await store.commit(a_record(attempt=attempt), stored.version)
        found, _ = await store.find(stored.record.id)
        assert found is not None
        assert found.record.attempt == 4
        await store.commit(a_record(attempt=5), found.version)

    async def test_a_write_to_what_has_moved_on_is_a_conflict_and_changes_nothing(self, store: Journal) -> None:
        first = await store.commit(a_record(), None)
        await store.commit(a_record(attempt=2), first.version)
        with pytest.raises(Conflict):
            await store.commit(a_record(attempt=3), first.version)
        found, _ = await store.find(first.record.id)
        assert found is not None
        assert found.record.attempt == 2

    async def test_what_is_there_cannot_be_created(self, store: Journal) -> None:
        await store.commit(a_record(), None)
        with pytest.raises(Conflict):
            await store.commit(a_record(attempt=2), None)

    async def test_of_record_and_event_both_are_stored_or_neither(self, store: Journal) -> None:
        record = a_record()
        first = await store.commit(record, None, a_delivery(record))
        with pytest.raises(Conflict):  # the event is known
            await store.commit(a_record(attempt=2), first.version, a_delivery(record))
        moved_on = await store.commit(a_record(attempt=3), first.version)
        with pytest.raises(Conflict):  # the record has moved on
            await store.commit(a_record(attempt=4), first.version, a_delivery(record, "d" * 32))
        assert await store.find("0" * 32, "d" * 32) == (None, None)
        found, _ = await store.find(record.id)
        assert found is not None
        assert found.record == moved_on.record

    async def test_of_many_who_create_at_once_one_wins(self, store: Journal) -> None:
        async def create(number: int) -> bool:
            record = a_record(attempts_opened=(build.after(seconds=number),))
            return await won(store.commit(record, None, a_delivery(record)))

        assert sum(await asyncio.gather(*map(create, range(32)))) == 1

    async def test_of_many_who_write_at_once_one_wins_and_it_is_theirs_that_stands(self, store: Journal) -> None:
        first = await store.commit(a_record(), None)

        async def write(number: int) -> int | None:
            record = journal.put_back(a_record(), build.after(minutes=number))
            return number if await won(store.commit(record, first.version)) else None

        winners = [number for number in await asyncio.gather(*map(write, range(32))) if number is not None]
        assert len(winners) == 1
        found, _ = await store.find(first.record.id)
        assert found is not None
        assert found.record.put_back_at == build.after(minutes=winners[0])

    async def test_many_requests_do_not_get_in_each_others_way(self, store: Journal) -> None:
        stored = await asyncio.gather(*(store.commit(a_record(number), None) for number in range(32)))
        again = await asyncio.gather(*(store.commit(replace(one.record, attempt=2), one.version) for one in stored))
        assert len({one.record.id for one in again}) == 32

    async def test_a_record_may_grow_large_and_small_again(self, store: Journal) -> None:
        large = a_record(
            steps=tuple(
                StepTaken(StepName.METHOD_REMOVED, build.after(seconds=n), f"é\U0001f511 {n}", str(uuid.UUID(int=n)))
                for n in range(1200)
            )
        )
        stored = await store.commit(a_record(), None)
        stored = await store.commit(large, stored.version)
        found, _ = await store.find(large.id)
        assert found is not None
        assert found.record == large
        await store.commit(a_record(), stored.version)
        found, _ = await store.find(large.id)
        assert found is not None
        assert found.record == a_record()

    async def test_nothing_is_due_in_an_empty_journal(self, store: Journal) -> None:
        assert await store.due(build.NOW, 10) == ()

    async def test_what_is_due_is_listed_once_its_time_has_come(self, store: Journal) -> None:
        record = a_record(next_try_at=build.after(hours=1))
        due_at = journal.due_at(record)
        assert due_at is not None
        await store.commit(record, None)
        assert await store.due(due_at - timedelta(seconds=1), 10) == ()
        assert await store.due(due_at + COARSE, 10) == (record.id,)
        assert await store.due(due_at + timedelta(days=400), 10) == (record.id,)

    async def test_the_longest_due_come_first_and_no_more_than_are_wanted(self, store: Journal) -> None:
        for number in (3, 1, 4, 2):
            await store.commit(a_record(number, next_try_at=build.after(minutes=number)), None)
        wanted = tuple(f"{number:032x}" for number in (1, 2, 3))
        assert await store.due(build.after(hours=1), 3) == wanted

    async def test_what_was_put_off_is_due_later_and_what_is_settled_never(self, store: Journal) -> None:
        stored = await store.commit(a_record(next_try_at=build.after(minutes=1)), None)
        stored = await store.commit(a_record(next_try_at=build.after(days=2)), stored.version)
        assert await store.due(build.after(days=1), 10) == ()
        assert await store.due(build.after(days=3), 10) == (stored.record.id,)
        await store.commit(build.ended(id=stored.record.id), stored.version)
        assert await store.due(build.after(days=3), 10) == ()

    async def test_a_record_that_cannot_be_true_is_unreadable(self, store: Journal) -> None:
        record = a_record(outcome=Outcome.DONE)
        await store.commit(record, None)
        with pytest.raises(Unreadable):
            await store.find(record.id)

    async def test_a_ping_is_answered(self, store: Journal) -> None:
        await store.ping()


async def won(commit: Awaitable[object]) -> bool:
    try:
        await commit
    except Conflict:
        return False
    return True


class TestFakeJournal(JournalContract):
    @pytest.fixture
    def store(self) -> Journal:
        return FakeJournal(Calls(usual_seconds=0))


# ---- on Azure tables


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


@pytest.fixture
async def make(azurite: str) -> AsyncIterator[Callable[[], TableJournal]]:
    async with table(TableJournal, azurite) as make:
        yield make


@pytest.fixture
async def store(make: Callable[[], TableJournal]) -> TableJournal:
    """A journal on a table that is there: the sweep's first look makes it."""
    journal = make()
    assert await journal.due(build.NOW, 1) == ()
    return journal


class TestTableJournal(JournalContract):
    """The contract, on Azurite."""


async def test_without_a_table_nothing_is_found(make: Callable[[], TableJournal]) -> None:
    assert await make().find("0" * 32, "e" * 32) == (None, None)
    await make().ping()


async def test_whoever_comes_first_makes_the_table_and_is_at_most_told_to_read_again(make: Callable[[], TableJournal]) -> None:
    async def store(number: int) -> Record:
        journal, record = make(), a_record(number)
        for _ in range(5):
            if await won(journal.commit(record, None)):
                break
            stored, _ = await journal.find(record.id)
            assert stored is None
        return record

    for record in await asyncio.gather(*map(store, range(8))):
        stored, _ = await make().find(record.id)
        assert stored is not None
        assert stored.record == record


async def test_a_write_that_falls_between_the_two_reads_is_seen_whole(
    store: TableJournal, make: Callable[[], TableJournal], monkeypatch: pytest.MonkeyPatch
) -> None:
    record, reader, written = a_record(), make(), asyncio.Event()
    read = reader._partition.row

    async def row(name: str) -> Any:
        if name.startswith("r-") and not written.is_set():
            await store.commit(record, None, a_delivery(record))
            written.set()
            return None  # as it was before the write
        await written.wait()
        return await read(name)

    monkeypatch.setattr(reader._partition, "row", row)
    found, seen = await reader.find(record.id, "e" * 32)
    assert seen is not None
    assert found is not None
    assert found.record == record


async def test_a_version_of_one_worker_is_good_for_another(store: TableJournal, make: Callable[[], TableJournal]) -> None:
    stored = await store.commit(a_record(), None)
    found, _ = await make().find(stored.record.id)
    assert found is not None
    await make().commit(a_record(attempt=2), found.version)
    with pytest.raises(Conflict):
        await make().commit(a_record(attempt=3), stored.version)


@pytest.mark.parametrize(
    "spoilt",
    [{"document0": "{"}, {"document0": "{}"}, {"document0": None}, {"document0": 1}, {"document1": "}"}, {"due": None}],
    ids=["cut off", "empty", "gone", "no text", "too long", "no due"],
)
async def test_a_row_that_somebody_else_has_written_to_is_unreadable(store: TableJournal, spoilt: dict[str, Any]) -> None:
    record = a_record()
    await store.commit(record, None)
    await spoil(store, f"r-{record.id}", **spoilt)
    with pytest.raises(Unreadable):
        await store.find(record.id)


@pytest.mark.parametrize(
    "spoilt", [{"request": None}, {"arrived": "yesterday"}, {"arrived": 1}], ids=["gone", "no time", "no text"]
)
async def test_an_event_that_somebody_else_has_written_to_is_unreadable(store: TableJournal, spoilt: dict[str, Any]) -> None:
    record = a_record()
    await store.commit(record, None, a_delivery(record))
    await spoil(store, f"e-{'e' * 32}", **spoilt)
    with pytest.raises(Unreadable):
        await store.find(record.id, "e" * 32)


async def spoil(store: TableJournal | TableLedger | TableControl, key: str, **spoilt: Any) -> None:
    """Somebody else writes to a row, which may be there; what is None goes from it."""
    client, partition = store._partition._client, store._partition._name
    entity = dict(await store._partition.row(key) or {"PartitionKey": partition, "RowKey": key}) | spoilt
    await client.upsert_entity({name: value for name, value in entity.items() if value is not None}, mode=UpdateMode.REPLACE)


# What is no answer of storage; a stranger's `404` says nothing of rows and tables
NO_ANSWERS = {
    "silence": b"",
    "busy": b"HTTP/1.1 503 Busy\r\n\r\n",
    "slow": b"HTTP/1.1 429 Slow\r\nRetry-After: 60\r\n\r\n",
    "not found": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "a page": b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 17\r\n\r\n<h1>Not here</h1>",
    "babble": b"?\r\n\r\n",
}
CALLS: dict[str, Callable[[Journal], Awaitable[object]]] = {
    "find": lambda j: j.find("0" * 32, "e" * 32),
    "create": lambda j: j.commit(a_record(), None),
    "due": lambda j: j.due(build.NOW, 1),
    "ping": lambda j: j.ping(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
async def test_a_store_that_cannot_be_reached_is_unavailable_within_seconds(call: Callable[[Journal], Awaitable[object]]) -> None:
    async with table(TableJournal, elsewhere(port=9)) as make:
        await is_unavailable(call(make()), within=10)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
async def test_a_store_that_does_not_let_us_in_is_unavailable(azurite: str, call: Callable[[Journal], Awaitable[object]]) -> None:
    async with table(TableJournal, intruding(azurite)) as make:
        await is_unavailable(call(make()), within=10)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize("answer", NO_ANSWERS.values(), ids=NO_ANSWERS.keys())
async def test_a_store_that_gives_no_answer_is_unavailable_within_its_time(
    call: Callable[[Journal], Awaitable[object]], answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "CALL_SECONDS", 0.5)
    async with listening(answer) as port, table(TableJournal, elsewhere(port)) as make:
        await is_unavailable(call(make()), within=5)


async def is_unavailable(call: Awaitable[object], *, within: float) -> None:
    started = time.monotonic()
    with pytest.raises(Unavailable) as failure:
        await call
    assert failure.value.waiting_for is WaitingFor.STORAGE
    assert time.monotonic() - started < within


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
