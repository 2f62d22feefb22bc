"""What any `Journal` does, on the fake and on Azure tables (Azurite); and what the one on tables does besides."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared import journal
from shared.adapters.tables import TableJournal
from shared.model import Mode, Outcome, Reason, WaitingFor
from shared.ports import Conflict, Journal, Unreadable
from shared.record import Owed, OwedKind, Record, SeenEvent, StepName, StepTaken
from tests.calls import Calls
from tests.contract.stores import FailingStorage, on_a_table, spoil, table, won
from tests.fakes import FakeJournal
from tests.unit import build

COARSE = timedelta(seconds=11)  # by how much, and a little, a store may be late with what is due


def a_record(number: int = 1, **changes: Any) -> Record:
    return build.record(id=f"{number:032x}", **changes)


def a_held_record(number: int = 1, waiting_for: WaitingFor = WaitingFor.PAUSED, **changes: Any) -> Record:
    return build.held(waiting_for, id=f"{number:032x}", **changes)


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

    async def test_what_has_ended_is_listed_once_it_is_to_be_forgotten_and_no_more_when_it_is(self, store: Journal) -> None:
        stored = await store.commit(a_record(), None)
        assert await store.expired(build.after(days=400), 10) == ()
        stored = await store.commit(build.ended(id=stored.record.id), stored.version)
        at = journal.forget_at(stored.record)
        assert at is not None
        assert await store.expired(at - timedelta(seconds=1), 10) == ()
        assert await store.expired(at + COARSE, 10) == (stored.record.id,)
        assert await store.due(build.after(days=400), 10) == ()
        await store.commit(journal.forget(stored.record, at), stored.version)
        assert await store.expired(build.after(days=400), 10) == ()

    async def test_what_was_opened_again_is_not_to_be_forgotten(self, store: Journal) -> None:
        stored = await store.commit(build.ended(id="1" * 32), None)
        await store.commit(build.record(id="1" * 32, attempt=2), stored.version)
        assert await store.expired(build.after(days=400), 10) == ()

    async def test_those_that_ended_first_are_to_be_forgotten_first_and_no_more_than_are_wanted(self, store: Journal) -> None:
        for number in (3, 1, 4, 2):
            await store.commit(build.ended(id=f"{number:032x}", ended_at=build.after(minutes=number)), None)
        assert await store.expired(build.after(days=400), 3) == tuple(f"{number:032x}" for number in (1, 2, 3))

    async def test_what_is_given_up_is_in_no_list(self, store: Journal) -> None:
        await store.commit(a_record(), None)
        await store.commit(build.ended(id="2" * 32), None)
        for request_id in (a_record().id, "2" * 32, "3" * 32):
            await store.give_up(request_id)
        assert await store.expired(build.after(days=400), 10) == await store.due(build.after(days=400), 10) == ()

    async def test_nobody_is_held_in_an_empty_journal(self, store: Journal) -> None:
        for waiting_for in journal.FOR_A_HUMAN:
            assert await store.held(waiting_for, 10) == ()

    async def test_who_is_held_is_listed_for_their_switch_only_and_is_not_due(self, store: Journal) -> None:
        paused = await store.commit(a_held_record(1), None)
        broken = await store.commit(a_held_record(2, WaitingFor.BREAKER), None)
        assert await store.held(WaitingFor.PAUSED, 10) == (paused.record.id,)
        assert await store.held(WaitingFor.BREAKER, 10) == (broken.record.id,)
        assert await store.due(build.after(days=400), 10) == ()

    async def test_the_longest_held_come_first_and_no_more_than_are_wanted(self, store: Journal) -> None:
        for number in (3, 1, 4, 2):
            await store.commit(a_held_record(number, attempts_opened=(build.after(minutes=number),)), None)
        wanted = tuple(f"{number:032x}" for number in (1, 2, 3))
        assert await store.held(WaitingFor.PAUSED, 3) == wanted

    async def test_who_moves_on_is_held_for_the_other_switch_and_who_goes_on_for_none(self, store: Journal) -> None:
        stored = await store.commit(a_held_record(), None)
        stored = await store.commit(journal.moved_on(stored.record, WaitingFor.BREAKER, build.NOW), stored.version)
        assert await store.held(WaitingFor.PAUSED, 10) == ()
        assert await store.held(WaitingFor.BREAKER, 10) == (stored.record.id,)
        found, _ = await store.find(stored.record.id)
        assert found is not None
        await store.commit(journal.resume(found.record, build.NOW), found.version)
        assert await store.held(WaitingFor.BREAKER, 10) == ()
        assert await store.due(build.after(days=1), 10) == (stored.record.id,)

    async def test_who_is_held_with_something_to_tell_is_due_as_well(self, store: Journal) -> None:
        stored = await store.commit(journal.woken(a_held_record(), build.after(minutes=3)), None)
        assert await store.held(WaitingFor.PAUSED, 10) == (stored.record.id,)
        assert await store.due(build.after(minutes=2), 10) == ()
        assert await store.due(build.after(minutes=4), 10) == (stored.record.id,)

    async def test_who_is_given_up_is_held_no_longer(self, store: Journal) -> None:
        stored = await store.commit(journal.woken(a_held_record(), build.NOW), None)
        await store.give_up(stored.record.id)
        assert await store.held(WaitingFor.PAUSED, 10) == ()
        assert await store.due(build.after(days=1), 10) == ()

    async def test_a_record_that_cannot_be_true_is_unreadable(self, store: Journal) -> None:
        record = a_record(outcome=Outcome.DONE)
        await store.commit(record, None)
        with pytest.raises(Unreadable):
            await store.find(record.id)

    async def test_a_ping_is_answered(self, store: Journal) -> None:
        await store.ping()


class TestFakeJournal(JournalContract):
    @pytest.fixture
    def store(self) -> Journal:
        return FakeJournal(Calls(usual_seconds=0))


# ---- on Azure tables


@pytest.fixture
async def make(azurite: str) -> AsyncIterator[Callable[[], TableJournal]]:
    async with table(TableJournal, azurite) as make:
        yield make


@pytest.fixture
async def store(make: Callable[[], TableJournal]) -> TableJournal:
    """A journal on a table that is there."""
    journal = make()
    await journal._partition._client.create_table()
    return journal


class TestTableJournal(JournalContract):
    """The contract, on Azurite."""


async def test_whoever_only_looks_finds_nothing_without_a_table_and_makes_none(make: Callable[[], TableJournal]) -> None:
    assert await make().find("0" * 32, "e" * 32) == (None, None)
    assert await make().due(build.after(days=400), 10) == ()
    await make().ping()
    await make()._partition._client.create_table()  # which it would refuse if there were one


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
    [{"document0": "{"}, {"document0": "{}"}, {"document0": None}, {"document0": 1}, {"document1": "}"}, {"listed": None}],
    ids=["cut off", "empty", "gone", "no text", "too long", "no lists"],
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


CALLS: dict[str, Callable[[Journal], Awaitable[object]]] = {
    "find": lambda j: j.find("0" * 32, "e" * 32),
    "create": lambda j: j.commit(a_record(), None),
    "due": lambda j: j.due(build.NOW, 1),
    "held": lambda j: j.held(WaitingFor.PAUSED, 1),
    "expired": lambda j: j.expired(build.NOW, 1),
    "ping": lambda j: j.ping(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
class TestJournalOnStorage(FailingStorage):
    def opened(self, connection: str) -> AbstractAsyncContextManager[TableJournal]:
        return on_a_table(TableJournal, connection)
