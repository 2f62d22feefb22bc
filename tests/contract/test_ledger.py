"""What any `Ledger` does, on the fake and on Azure tables (Azurite); and what the one on tables does besides."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.adapters.tables import TableJournal, TableLedger
from shared.adapters.tables.ledger import Version
from shared.model import Reset
from shared.ports import Conflict, Ledger, Unreadable
from tests.calls import Calls
from tests.contract.stores import FailingStorage, on_a_table, spoil, table, won
from tests.fakes import FakeLedger
from tests.unit import build

type Make = Callable[[], Ledger]
type Spoil = Callable[[str | None], Awaitable[None]]


def a_reset(number: int = 1, *, subject: int | None = None, **changes: Any) -> Reset:
    """A reset of a person of its own, unless `subject` names another."""
    reset = Reset(f"{number:032x}", person(subject or number), build.after(seconds=number), (f"requester:{number:032x}",))
    return replace(reset, **changes)


def person(number: int) -> str:
    return f"87d349ed-44d7-43e1-9a83-{number:012x}"


async def count(ledger: Ledger, reset: Reset, limit: int) -> bool:
    """As a worker counts: reads, looks, and writes if nobody was quicker."""
    while True:
        counted = await ledger.read(reset.subject_id)
        if len(counted.resets) >= limit or counted.latest is not None:
            return False
        if await won(ledger.commit((*counted.resets, reset), reset, counted.version)):
            return True


class LedgerContract:
    """A subclass provides `make`, which makes workers' ledgers on one store in which nothing is, and `spoil`."""

    async def test_at_first_nothing_is_counted(self, make: Make) -> None:
        counted = await make().read(person(1))
        assert (counted.resets, counted.latest) == ((), None)

    @pytest.mark.parametrize(
        "reset",
        [
            a_reset(),
            a_reset(actors=()),
            a_reset(actors=("requester:" + "0" * 32, "approver:" + "a" * 32), at=build.after(microseconds=1)),
            a_reset(actors=('source:urn:o\'neil \U0001f511 "é"\n',), at=datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
        ],
        ids=["plain", "of nobody", "of several", "odd letters"],
    )
    async def test_what_was_counted_is_read_as_it_was(self, make: Make, reset: Reset) -> None:
        before = a_reset(7)
        assert await count(make(), before, 10)
        assert await count(make(), reset, 10)
        counted = await make().read(reset.subject_id)
        assert (counted.resets, counted.latest) == ((before, reset), reset)
        assert all(one.at.utcoffset() == timedelta() for one in counted.resets)

    async def test_everybody_sees_all_resets_and_the_latest_of_the_person_they_ask_about(self, make: Make) -> None:
        one, other = a_reset(1), a_reset(2)
        assert await count(make(), one, 10)
        assert await count(make(), other, 10)
        seen = [await make().read(person(number)) for number in (1, 2, 3)]
        assert [counted.latest for counted in seen] == [one, other, None]
        assert all(counted.resets == (one, other) for counted in seen)

    async def test_what_is_not_kept_is_gone_from_the_list_but_stays_its_persons_latest(self, make: Make) -> None:
        ledger, old, new = make(), a_reset(1), a_reset(2)
        assert await count(ledger, old, 10)
        await ledger.commit((new,), new, (await ledger.read(new.subject_id)).version)
        counted = await ledger.read(old.subject_id)
        assert (counted.resets, counted.latest) == ((new,), old)

    async def test_a_persons_latest_is_the_one_that_was_given_last(self, make: Make) -> None:
        ledger, first, second = make(), a_reset(1), a_reset(2, subject=1)
        assert await count(ledger, first, 10)
        await ledger.commit((first, second), second, (await ledger.read(person(1))).version)
        assert (await ledger.read(person(1))).latest == second

    async def test_a_write_to_what_has_moved_on_is_a_conflict_and_changes_nothing(self, make: Make) -> None:
        late, quick = make(), a_reset(1)
        versions = [(await late.read(person(number))).version for number in (1, 2)]
        assert await count(make(), quick, 10)
        for number, version in zip((1, 2), versions, strict=True):  # the same person, and another
            with pytest.raises(Conflict):
                await late.commit((a_reset(3, subject=number),), a_reset(3, subject=number), version)
        assert [(await late.read(person(number))).latest for number in (1, 2)] == [quick, None]
        assert (await late.read(person(1))).resets == (quick,)

    async def test_a_version_is_good_for_one_write(self, make: Make) -> None:
        ledger = make()
        assert await count(ledger, a_reset(1), 10)
        version = (await ledger.read(person(2))).version
        await ledger.commit((a_reset(2),), a_reset(2), version)
        with pytest.raises(Conflict):
            await ledger.commit((a_reset(2), a_reset(3)), a_reset(3), version)
        assert (await ledger.read(person(3))).latest is None

    async def test_however_many_workers_count_at_once_the_limit_is_reached_and_not_passed(self, make: Make) -> None:
        through = await asyncio.gather(*(count(make(), a_reset(number), limit=10) for number in range(1, 31)))
        assert sum(through) == 10
        counted = await make().read(person(1))
        assert {one.subject_id for one in counted.resets} == {person(n) for n, won in enumerate(through, 1) if won}
        assert len(counted.resets) == 10

    async def test_of_two_requests_for_one_person_at_the_same_time_one_wins(self, make: Make) -> None:
        for number in range(10, 15):
            requests = [a_reset(number), a_reset(number + 10, subject=number)]
            through = await asyncio.gather(*(count(make(), request, limit=100) for request in requests))
            assert sorted(through) == [False, True]
            assert (await make().read(person(number))).latest == requests[through.index(True)]

    async def test_the_list_may_grow_large_and_small_again(self, make: Make) -> None:
        ledger, actors = make(), tuple(f"approver:{number:032x}" for number in range(3))
        many = tuple(a_reset(number, actors=actors) for number in range(1, 1001))
        assert await count(ledger, a_reset(1001), 10)
        await ledger.commit(many, many[-1], (await ledger.read(many[-1].subject_id)).version)
        counted = await ledger.read(many[-1].subject_id)
        assert counted.resets == many
        await ledger.commit(many[-1:], many[-1], counted.version)
        assert (await ledger.read(many[-1].subject_id)).resets == many[-1:]

    async def test_a_list_that_cannot_be_understood_is_unreadable_for_everybody(self, make: Make, spoil: Spoil) -> None:
        assert await count(make(), a_reset(), 10)
        await spoil(None)
        for number in (1, 2):
            with pytest.raises(Unreadable):
                await make().read(person(number))

    async def test_a_latest_that_cannot_be_understood_is_unreadable_for_its_person(self, make: Make, spoil: Spoil) -> None:
        assert await count(make(), a_reset(), 10)
        await spoil(person(1))
        with pytest.raises(Unreadable):
            await make().read(person(1))
        assert (await make().read(person(2))).resets == (a_reset(),)


class TestFakeLedger(LedgerContract):
    @pytest.fixture
    def fake(self) -> FakeLedger:
        return FakeLedger(Calls(usual_seconds=0))

    @pytest.fixture
    def make(self, fake: FakeLedger) -> Make:
        return lambda: fake

    @pytest.fixture
    def spoil(self, fake: FakeLedger) -> Spoil:
        async def spoil(subject_id: str | None) -> None:
            fake.spoil(subject_id)

        return spoil

    async def test_what_others_have_counted_is_read_as_what_we_have(self, fake: FakeLedger) -> None:
        fake.count(a_reset(1), a_reset(2))
        counted = await fake.read(person(1))
        assert (counted.resets, counted.latest) == ((a_reset(1), a_reset(2)), a_reset(1))


# ---- on Azure tables


@pytest.fixture
async def make(azurite: str) -> AsyncIterator[Callable[[], TableLedger]]:
    async with table(TableLedger, azurite) as make:
        yield make


class TestTableLedger(LedgerContract):
    """The contract, on Azurite, on a table that is not there before the first write."""

    @pytest.fixture
    def spoil(self, make: Callable[[], TableLedger]) -> Spoil:
        return lambda subject_id: spoil(make(), f"s-{subject_id}" if subject_id else "resets", document0="?")


async def test_the_ledger_and_the_journal_share_a_table(make: Callable[[], TableLedger]) -> None:
    ledger = make()
    journal, record = TableJournal(ledger._partition._client), build.record()
    assert not await won(journal.commit(record, None))  # the table had to be made
    assert await won(journal.commit(record, None))
    assert await count(ledger, a_reset(), 10)
    stored, _ = await journal.find(record.id)
    assert stored is not None
    assert (stored.record, (await ledger.read(person(1))).latest) == (record, a_reset())
    assert await journal.due(build.after(days=400), 10) == (record.id,)


async def test_a_latest_that_alone_has_moved_on_is_a_conflict_and_the_list_stays(make: Callable[[], TableLedger]) -> None:
    ledger = make()
    assert await count(ledger, a_reset(), 10)
    for number in (1, 2):  # a person with a latest, and one without
        version = (await ledger.read(person(number))).version
        await spoil(ledger, f"s-{person(number)}", note="touched")
        with pytest.raises(Conflict):
            await ledger.commit((a_reset(3),), a_reset(3, subject=number), version)
    assert (await ledger.read(person(4))).resets == (a_reset(),)


async def test_a_row_that_went_is_a_conflict(make: Callable[[], TableLedger]) -> None:
    ledger = make()
    assert await count(ledger, a_reset(), 10)
    version = (await ledger.read(person(1))).version
    await ledger._partition._client.delete_entity("velocity", f"s-{person(1)}")
    with pytest.raises(Conflict):
        await ledger.commit((a_reset(2, subject=1),), a_reset(2, subject=1), version)
    assert await count(ledger, a_reset(2, subject=1), 10)


async def test_whoever_only_looks_makes_no_table(make: Callable[[], TableLedger]) -> None:
    assert (await make().read(person(1))).resets == ()
    await make()._partition._client.create_table()  # which it would refuse if there were one


SPOILT: dict[str, dict[str, Any]] = {
    "gone": {"document0": None},
    "no text": {"document0": 1},
    "too long": {"document1": "]"},
    "another's": {"document0": f'[{{"request_id":"r","subject_id":"{person(2)}","at":"2026-11-24T00:00:00Z","actors":[]}}]'},
    "none": {"document0": "[]"},
    "no time zone": {"document0": f'[{{"request_id":"r","subject_id":"{person(1)}","at":"2026-11-24T00:00:00","actors":[]}}]'},
    "not in UTC": {
        "document0": f'[{{"request_id":"r","subject_id":"{person(1)}","at":"2026-11-24T00:00:00+01:00","actors":[]}}]'
    },
}


@pytest.mark.parametrize("spoilt", SPOILT.values(), ids=SPOILT.keys())
async def test_a_latest_that_somebody_else_has_written_to_is_unreadable(
    make: Callable[[], TableLedger], spoilt: dict[str, Any]
) -> None:
    ledger = make()
    assert await count(ledger, a_reset(), 10)
    await spoil(ledger, f"s-{person(1)}", **spoilt)
    with pytest.raises(Unreadable) as error:
        await ledger.read(person(1))
    assert person(1) not in str(error.value)  # it is logged


CALLS: dict[str, Callable[[Ledger], Awaitable[object]]] = {
    "read": lambda ledger: ledger.read(person(1)),
    "commit": lambda ledger: ledger.commit((a_reset(),), a_reset(), Version(None, None)),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
class TestLedgerOnStorage(FailingStorage):
    def opened(self, connection: str) -> AbstractAsyncContextManager[TableLedger]:
        return on_a_table(TableLedger, connection)
