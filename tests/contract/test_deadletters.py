"""What any `DeadLetters` does, on the fake and on Azure tables (Azurite); and what the one on tables does besides."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.adapters.tables import TableDeadLetters
from shared.model import RETENTION, DeadLetter, How, Reason, Resolution
from shared.ports import DeadLetters, Unreadable
from tests.calls import Calls
from tests.contract.stores import FailingStorage, on_a_table, spoil, table
from tests.fakes import FakeDeadLetters
from tests.unit import build

type Make = Callable[[], DeadLetters]

LONG = 65_536  # bytes, the most that a message has
DONE = Resolution(How.DISCARDED, "patti@desk", "nothing to be done", build.after(hours=1), "0" * 32)


def a_letter(number: int = 1, **changes: Any) -> DeadLetter:
    made = DeadLetter(f"dl-{number:032x}", Reason.PAYLOAD_INVALID, "/: Not JSON", f"text {number}", build.after(minutes=number))
    return replace(made, **changes)


class DeadLettersContract:
    """A subclass provides `make`, which makes workers' letters on one untouched store."""

    async def test_at_first_there_are_none(self, make: Make) -> None:
        assert await make().listed(10) == await make().listed(10, resolved=True) == ()
        assert await make().find(a_letter().id) is None
        assert not await make().resolved(a_letter().id, DONE)
        await make().announced(a_letter())
        assert await make().listed(10) == ()

    @pytest.mark.parametrize(
        "text",
        ["", "{", "é \U0001f511\u2028", "\x00\x01\x1b\r\n\\\"'", "x" * LONG, "\x01" * LONG, "\U0001f511" * 16_384, "[" * LONG],
        ids=["empty", "short", "odd letters", "control", "long", "long control", "long pictures", "deep"],
    )
    async def test_a_letter_is_kept_whole(self, make: Make, text: str) -> None:
        letter = a_letter(text=text, request_id="0" * 32, ticket=build.REF)
        assert await make().keep(letter) == letter
        assert await make().find(letter.id) == letter
        assert await make().listed(10) == (letter,)

    async def test_a_letter_that_comes_again_is_the_same_one(self, make: Make) -> None:
        await make().keep(a_letter())
        await make().announced(a_letter())
        again = await make().keep(a_letter(first_seen=build.after(hours=9)))
        assert again == a_letter(announced=True)
        assert await make().listed(10) == (again,)

    async def test_what_was_done_about_a_letter_is_on_record(self, make: Make) -> None:
        await make().keep(a_letter(1))
        await make().keep(a_letter(2))
        assert await make().resolved(a_letter(1).id, DONE)
        assert await make().find(a_letter(1).id) == a_letter(1, resolution=DONE)
        assert await make().listed(10) == (a_letter(2),)
        assert await make().listed(10, resolved=True) == (a_letter(1, resolution=DONE),)

    async def test_it_is_done_once_and_by_whoever_was_first(self, make: Make) -> None:
        await make().keep(a_letter())
        resolutions = [replace(DONE, by=f"somebody-{number}", order_id=f"{number + 1:032x}") for number in range(8)]
        done = await asyncio.gather(*(make().resolved(a_letter().id, one) for one in resolutions))
        assert sum(done) == 1
        winner = resolutions[done.index(True)]
        assert await make().find(a_letter().id) == a_letter(resolution=winner)
        assert await make().resolved(a_letter().id, winner)
        assert not await make().resolved(a_letter().id, DONE)

    async def test_an_order_that_is_carried_out_again_is_recognised_and_the_first_time_stands(self, make: Make) -> None:
        await make().keep(a_letter())
        await make().resolved(a_letter().id, DONE)
        assert await make().resolved(a_letter().id, replace(DONE, at=build.after(hours=2)))
        assert not await make().resolved(a_letter().id, replace(DONE, how=How.REOPENED))
        assert await make().find(a_letter().id) == a_letter(resolution=DONE)

    async def test_a_letter_that_was_resolved_is_not_announced_any_more(self, make: Make) -> None:
        await make().keep(a_letter())
        await make().resolved(a_letter().id, DONE)
        await make().announced(a_letter())
        assert await make().find(a_letter().id) == a_letter(resolution=DONE)

    @pytest.mark.parametrize(("minutes", "open_again"), [(59, False), (60, False), (61, True)])
    async def test_one_that_was_put_aside_after_it_was_resolved_lies_open_again(
        self, make: Make, minutes: int, open_again: bool
    ) -> None:
        await make().keep(a_letter())
        await make().announced(a_letter())
        await make().resolved(a_letter().id, DONE)
        again = a_letter(first_seen=build.after(minutes=minutes))
        kept = await make().keep(again)
        assert kept == (again if open_again else a_letter(announced=True, resolution=DONE))
        assert await make().find(again.id) == kept
        assert await make().listed(10, resolved=not open_again) == (kept,)
        assert await make().listed(10, resolved=open_again) == ()

    async def test_those_seen_first_are_listed_first_and_no_more_than_are_wanted(self, make: Make) -> None:
        letters = [a_letter(number, first_seen=build.after(minutes=9 - number)) for number in range(5)]
        for letter in letters:
            await make().keep(letter)
        assert await make().listed(10) == tuple(reversed(letters))
        assert await make().listed(2) == tuple(reversed(letters))[:2]

    async def test_of_many_who_keep_a_letter_at_once_all_have_the_same(self, make: Make) -> None:
        letters = [a_letter(first_seen=build.after(seconds=number)) for number in range(8)]
        kept = await asyncio.gather(*(make().keep(letter) for letter in letters))
        assert len(set(kept)) == 1
        assert await make().listed(10) == (kept[0],)

    async def test_nothing_is_forgotten_of_what_nobody_looked_at(self, make: Make) -> None:
        assert await make().forget(build.after(days=400), 10) == 0
        await make().keep(a_letter())
        assert await make().forget(build.after(days=400), 10) == 0
        assert await make().listed(10) == (a_letter(),)

    async def test_a_text_goes_when_its_time_has_come_and_the_rest_stays(self, make: Make) -> None:
        for number in (1, 2):
            await make().keep(a_letter(number))
            await make().resolved(a_letter(number).id, replace(DONE, at=build.after(hours=number)))
        due = build.after(hours=1) + RETENTION
        assert await make().forget(due - timedelta(microseconds=1), 10) == 0
        assert await make().forget(due + timedelta(seconds=1), 10) == 1
        first, second = await make().listed(10, resolved=True)
        assert first == replace(a_letter(1), text="", resolution=replace(DONE, at=build.after(hours=1)))
        assert second.text == "text 2"
        assert await make().forget(due + timedelta(seconds=1), 10) == 0

    async def test_no_more_texts_go_at_once_than_are_wanted(self, make: Make) -> None:
        for number in range(5):
            await make().keep(a_letter(number))
            await make().resolved(a_letter(number).id, DONE)
        assert [await make().forget(build.after(days=400), 3) for _ in range(3)] == [3, 2, 0]

    async def test_a_letter_that_came_again_keeps_its_text_until_it_is_resolved_again(self, make: Make) -> None:
        await make().keep(a_letter())
        await make().resolved(a_letter().id, DONE)
        again = a_letter(first_seen=build.after(days=50))
        await make().keep(again)
        await make().forget(DONE.at + RETENTION + timedelta(seconds=1), 10)
        assert await make().find(again.id) == again
        later = replace(DONE, at=build.after(days=60))
        await make().resolved(again.id, later)
        await make().forget(later.at + RETENTION - timedelta(seconds=1), 10)
        assert await make().find(again.id) == replace(again, resolution=later)
        await make().forget(later.at + RETENTION + timedelta(seconds=1), 10)
        assert await make().find(again.id) == replace(again, text="", resolution=later)


class TestFakeDeadLetters(DeadLettersContract):
    @pytest.fixture
    def make(self) -> Make:
        fake = FakeDeadLetters(Calls(usual_seconds=0))
        return lambda: fake


# ---- on Azure tables


@pytest.fixture
async def make(azurite: str) -> AsyncIterator[Callable[[], TableDeadLetters]]:
    async with table(TableDeadLetters, azurite) as make:
        yield make


class TestTableDeadLetters(DeadLettersContract):
    """The contract, on Azurite, on a table that is not there before the first letter."""


SPOILT: dict[str, dict[str, Any]] = {
    "cut off": {"document0": "{"},
    "gone": {"document0": None},
    "no text": {"document0": 1},
    "too long": {"document1": "?"},
}


@pytest.mark.parametrize("spoilt", SPOILT.values(), ids=SPOILT.keys())
async def test_a_letter_that_somebody_else_has_written_to_is_unreadable_and_listed_as_such(
    make: Callable[[], TableDeadLetters], spoilt: dict[str, Any]
) -> None:
    letters = make()
    await letters.keep(a_letter(1))
    await letters.keep(a_letter(2))
    await spoil(letters, f"o-{a_letter(1).id}", **spoilt)
    with pytest.raises(Unreadable):
        await letters.find(a_letter(1).id)
    with pytest.raises(Unreadable):
        await letters.keep(a_letter(1))
    broken = {letter.id: letter for letter in await letters.listed(10)}
    assert set(broken) == {a_letter(1).id, a_letter(2).id}
    assert (broken[a_letter(1).id].text, broken[a_letter(1).id].first_seen.utcoffset()) == ("", timedelta())


@pytest.mark.parametrize("spoilt", SPOILT.values(), ids=SPOILT.keys())
@pytest.mark.parametrize("resolved", [False, True])
async def test_a_letter_that_nobody_can_read_is_discarded_and_what_stands_there_is_kept(
    make: Callable[[], TableDeadLetters], spoilt: dict[str, Any], resolved: bool
) -> None:
    letters = make()
    await letters.keep(a_letter())
    if resolved:
        await letters.resolved(a_letter().id, replace(DONE, order_id="1" * 32))
    await spoil(letters, f"{'x' if resolved else 'o'}-{a_letter().id}", **spoilt)
    for _ in range(2):
        assert await letters.resolved(a_letter().id, DONE)
    assert not await letters.resolved(a_letter().id, replace(DONE, order_id="2" * 32))
    found = await letters.find(a_letter().id)
    assert found is not None
    assert (found.reason, found.resolution) == (Reason.INTERNAL_ERROR, DONE)
    assert all(str(part) in found.text for part in spoilt.values() if part is not None)
    assert await letters.listed(10) == ()


async def test_a_letter_that_somebody_else_has_resolved_by_hand_is_unreadable(make: Callable[[], TableDeadLetters]) -> None:
    letters = make()
    await letters.keep(a_letter())
    await letters.resolved(a_letter().id, DONE)
    [row] = await letters._partition.rows("x-", "x-~", 1)
    await spoil(letters, f"o-{a_letter(2).id}", document0=row["document0"])
    with pytest.raises(Unreadable):
        await letters.find(a_letter(2).id)


async def test_a_letter_that_nobody_can_read_does_not_keep_the_others_from_being_forgotten(
    make: Callable[[], TableDeadLetters],
) -> None:
    letters = make()
    for number in (1, 2):
        await letters.keep(a_letter(number))
        await letters.resolved(a_letter(number).id, DONE)
    await spoil(letters, f"x-{a_letter(1).id}", document0="{")
    assert await letters.forget(build.after(days=400), 10) == 2
    found = await letters.find(a_letter(2).id)
    assert found is not None
    assert found.text == ""
    assert await letters.forget(build.after(days=400), 10) == 0


CALLS: dict[str, Callable[[DeadLetters], Awaitable[object]]] = {
    "keep": lambda letters: letters.keep(a_letter()),
    "announced": lambda letters: letters.announced(a_letter()),
    "resolved": lambda letters: letters.resolved(a_letter().id, DONE),
    "find": lambda letters: letters.find(a_letter().id),
    "listed": lambda letters: letters.listed(1),
    "forget": lambda letters: letters.forget(build.NOW, 1),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
class TestDeadLettersOnStorage(FailingStorage):
    def opened(self, connection: str) -> AbstractAsyncContextManager[TableDeadLetters]:
        return on_a_table(TableDeadLetters, connection)
