"""What any `Journal` does about a record that somebody else has written to, on the fake and on Azure tables (Azurite)."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime

import pytest

from shared.adapters.tables import TableJournal
from shared.model import WaitingFor
from shared.ports import Journal, NewerVersion, Unreadable
from shared.record import SCHEMA
from tests.calls import Calls
from tests.contract.stores import FailingStorage, on_a_table, spoil, table
from tests.fakes import FakeJournal
from tests.unit import build

FAR = build.after(days=400)
RECORD, OTHER = build.record(id="1" * 32, message="{}"), build.record(id="2" * 32, message="{}")

type Scribble = Callable[[str, str], Awaitable[None]]


@dataclass(frozen=True)
class World:
    """A journal, somebody else who writes to a request's record, and a newer version of the app that does."""

    journal: Journal
    scribble: Scribble
    renew: Callable[[str], Awaitable[None]]


class BrokenRecordsContract:
    """A subclass provides `world`, in which there is nothing yet."""

    async def test_of_what_is_not_there_nothing_remains(self, world: World) -> None:
        assert await world.journal.remains(RECORD.id) == ""
        await world.journal.give_up(RECORD.id)

    async def test_what_somebody_wrote_is_told_as_it_stands_and_stays_due_until_it_is_given_up(self, world: World) -> None:
        for record in (RECORD, OTHER):
            await world.journal.commit(record, None)
        await world.scribble(RECORD.id, '{"message": "é"}')
        with pytest.raises(Unreadable):
            await world.journal.find(RECORD.id)
        assert await world.journal.remains(RECORD.id) == '{"message": "é"}'
        assert set(await world.journal.due(FAR, 10)) == {RECORD.id, OTHER.id}
        for _ in range(2):
            await world.journal.give_up(RECORD.id)
            assert await world.journal.due(FAR, 10) == (OTHER.id,)
        assert await world.journal.remains(RECORD.id) == '{"message": "é"}'

    async def test_a_record_that_was_given_up_and_mended_goes_on(self, world: World) -> None:
        await world.journal.commit(RECORD, None)
        await world.journal.give_up(RECORD.id)
        stored, _ = await world.journal.find(RECORD.id)
        assert stored is not None
        await world.journal.commit(replace(RECORD, put_back_at=build.after(minutes=1)), stored.version)
        assert await world.journal.due(FAR, 10) == (RECORD.id,)

    async def test_what_a_newer_version_wrote_is_waited_for_and_stays_due(self, world: World) -> None:
        await world.journal.commit(RECORD, None)
        await world.renew(RECORD.id)
        with pytest.raises(NewerVersion, match="written by a newer version") as later:
            await world.journal.find(RECORD.id)
        assert later.value.waiting_for is WaitingFor.STORAGE
        assert await world.journal.due(FAR, 10) == (RECORD.id,)

    async def test_a_record_that_can_be_read_remains_too(self, world: World) -> None:
        await world.journal.commit(RECORD, None)
        assert json.loads(await world.journal.remains(RECORD.id))["id"] == RECORD.id


class TestFakeJournal(BrokenRecordsContract):
    @pytest.fixture
    def world(self) -> World:
        fake = FakeJournal(Calls(usual_seconds=0))

        async def scribble(request_id: str, text: str) -> None:
            fake.scribble(request_id, text)

        async def renew(request_id: str) -> None:
            fake.written_by_newer(request_id)

        return World(fake, scribble, renew)


# ---- on Azure tables


@pytest.fixture
async def journal(azurite: str) -> AsyncIterator[TableJournal]:
    async with table(TableJournal, azurite) as make:
        await (journal := make())._partition._client.create_table()
        yield journal


class TestTableJournal(BrokenRecordsContract):
    @pytest.fixture
    def world(self, journal: TableJournal) -> World:
        async def scribble(request_id: str, text: str) -> None:
            row = await journal._partition.row(f"r-{request_id}")
            rest = {name: None for name in row if name.startswith("document")}
            await spoil(journal, f"r-{request_id}", **rest | {"document0": text})

        async def renew(request_id: str) -> None:
            """As its own document may be understood by it alone."""
            await spoil(journal, f"r-{request_id}", schema=SCHEMA + 1, document0='{"status": "adjourned"}')

        return World(journal, scribble, renew)


async def test_a_record_from_before_there_were_schemas_is_of_the_first(journal: TableJournal) -> None:
    await journal.commit(RECORD, None)
    await spoil(journal, f"r-{RECORD.id}", schema=None)
    stored, _ = await journal.find(RECORD.id)
    assert stored is not None
    assert stored.record == RECORD


@pytest.mark.parametrize("schema", [0, "2", 2.5, True])
async def test_a_schema_that_is_none_is_no_newer_one(journal: TableJournal, schema: object) -> None:
    await journal.commit(RECORD, None)
    await spoil(journal, f"r-{RECORD.id}", schema=schema)
    with pytest.raises(Unreadable):
        await journal.find(RECORD.id)


async def test_who_gives_up_a_record_leaves_its_schema(journal: TableJournal) -> None:
    await journal.commit(RECORD, None)
    await journal.give_up(RECORD.id)
    assert (await journal._partition.row(f"r-{RECORD.id}"))["schema"] == SCHEMA


@pytest.mark.parametrize(
    ("spoilt", "remains"),
    [
        ({"document0": 1, "document1": "?"}, "1?"),
        ({"document0": datetime(2026, 11, 24)}, None),  # noqa: DTZ001 as somebody else may write it
        ({"document0": None}, ""),
        ({"document0": "0", "document9": "9", "document10": "10"}, "0910"),
        ({"due": "elsewhere"}, None),
    ],
    ids=["no text", "a time", "gone", "many", "not where it is due"],
)
async def test_whatever_stands_there_can_be_told_and_given_up(
    journal: TableJournal, spoilt: dict[str, object], remains: str | None
) -> None:
    await journal.commit(RECORD, None)
    await spoil(journal, f"r-{RECORD.id}", **spoilt)
    told = await journal.remains(RECORD.id)
    assert remains is None or told == remains
    await journal.give_up(RECORD.id)
    assert await journal.due(FAR, 10) == ()


async def test_a_record_that_is_another_requests_is_none(journal: TableJournal) -> None:
    for record in (RECORD, OTHER):
        await journal.commit(record, None)
    row = await journal._partition.row(f"r-{OTHER.id}")
    await spoil(journal, f"r-{RECORD.id}", document0=row["document0"])
    with pytest.raises(Unreadable):
        await journal.find(RECORD.id)


CALLS: dict[str, Callable[[Journal], Awaitable[object]]] = {
    "remains": lambda journal: journal.remains(RECORD.id),
    "give up": lambda journal: journal.give_up(RECORD.id),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
class TestBrokenRecordsOnStorage(FailingStorage):
    def opened(self, connection: str) -> AbstractAsyncContextManager[TableJournal]:
        return on_a_table(TableJournal, connection)
