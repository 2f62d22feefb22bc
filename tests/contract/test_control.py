"""What any `Control` does, on the fake and on Azure tables (Azurite); and what the one on tables does besides."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from azure.core.exceptions import ResourceExistsError

from shared.adapters import storage
from shared.adapters.clock import SystemClock
from shared.adapters.tables import TableControl
from shared.model import Switch, Switches, SwitchName
from shared.ports import Conflict, Control, SwitchChange, Unreadable
from tests.calls import Calls
from tests.contract.stores import FailingStorage, is_unavailable, on_a_table, spoil, table
from tests.fakes import FakeControl

PAUSE, BREAKER = SwitchName.PAUSE, SwitchName.BREAKER
YESTERDAY = datetime.now(UTC) - timedelta(days=1)  # a store has a clock of its own, and no switch is turned after it

CLOSE = timedelta(seconds=2)  # as clocks on one machine are

type Make = Callable[[], Control]
type Spoil = Callable[[SwitchName], Awaitable[None]]


def on(minutes: float = 0, *, by: str = "adele", why: str = "an attack") -> Switch:
    return Switch(True, by, why, YESTERDAY + timedelta(minutes=minutes))


def off(minutes: float = 0, *, by: str = "megan", why: str = "it is over") -> Switch:
    return Switch(False, by, why, YESTERDAY + timedelta(minutes=minutes))


async def now(control: Control, name: SwitchName) -> Switch | None:
    switches = await control.read()
    return switches.pause if name is PAUSE else switches.breaker


class ControlContract:
    """A subclass provides `make`, which makes workers' controls on one untouched store, and `spoil`."""

    async def test_at_first_no_switch_was_touched(self, make: Make) -> None:
        assert await make().read() == Switches()
        assert await make().changes(10) == ()

    @pytest.mark.parametrize("name", SwitchName)
    @pytest.mark.parametrize(
        "switch",
        [
            on(),
            on(by="o'neil \U0001f511", why='"é"\n\t/\\#?'),
            on(by="", why=""),
            replace(on(), at=datetime(2024, 3, 31, 1, 30, 0, 1, tzinfo=UTC)),
            replace(on(), announced=True),
        ],
        ids=["plain", "odd letters", "no words", "microseconds", "announced"],
    )
    async def test_a_switch_is_read_as_it_was_turned_and_the_other_stays(
        self, make: Make, name: SwitchName, switch: Switch
    ) -> None:
        assert await make().turn(name, switch)
        assert await make().read() == (Switches(pause=switch) if name is PAUSE else Switches(breaker=switch))
        assert await make().changes(10) == (SwitchChange(name, switch),)
        found = await now(make(), name)
        assert found is not None
        assert found.at.utcoffset() == timedelta()

    async def test_a_time_of_another_zone_is_the_same_time(self, make: Make) -> None:
        switch = replace(on(), at=on().at.astimezone(timezone(timedelta(hours=-8))))
        assert await make().turn(PAUSE, switch)
        assert await now(make(), PAUSE) == on()
        assert not await make().turn(PAUSE, on(5))

    @pytest.mark.parametrize("ahead", [timedelta(minutes=1), timedelta(days=400)])
    async def test_no_switch_is_turned_later_than_the_store_says(self, make: Make, ahead: timedelta) -> None:
        before = datetime.now(UTC) - CLOSE
        for turned in (on(), off()):
            assert await make().turn(BREAKER, replace(turned, at=datetime.now(UTC) + ahead))
        after = datetime.now(UTC) + CLOSE
        found = await now(make(), BREAKER)
        assert found is not None
        told = [found, *(change.switch for change in await make().changes(10))]
        assert all(before <= one.at <= after for one in told)
        assert [replace(one, at=off().at) for one in told if not one.on] == [off(), off()]

    async def test_a_switch_that_was_turned_by_a_clock_ahead_is_announced(self, make: Make) -> None:
        assert await make().turn(BREAKER, replace(on(), at=datetime.now(UTC) + timedelta(days=1)))
        found = await now(make(), BREAKER)
        assert found is not None
        await make().announced(BREAKER, found)
        assert await now(make(), BREAKER) == replace(found, announced=True)

    async def test_whoever_turns_a_switch_to_where_it_is_changes_nothing(self, make: Make) -> None:
        assert await make().turn(PAUSE, on(1))
        assert not await make().turn(PAUSE, on(2, by="megan"))
        assert not await make().turn(PAUSE, on(1))
        assert await now(make(), PAUSE) == on(1)
        assert await make().changes(10) == (SwitchChange(PAUSE, on(1)),)

    async def test_a_switch_that_was_never_touched_is_off(self, make: Make) -> None:
        assert not await make().turn(BREAKER, off())
        assert await make().read() == Switches()
        assert await make().changes(10) == ()

    async def test_the_last_changes_come_latest_first_and_no_more_than_are_wanted(self, make: Make) -> None:
        control = make()
        turned = [(PAUSE, on(1)), (BREAKER, on(2)), (PAUSE, off(3)), (PAUSE, on(3 + 1e-7)), (BREAKER, off(60 * 23))]
        for name, switch in turned:
            assert await control.turn(name, switch)
        changes = tuple(SwitchChange(name, switch) for name, switch in reversed(turned))
        assert await control.changes(10) == changes
        assert await control.changes(2) == changes[:2]
        assert await control.changes(5_000) == changes
        assert await control.read() == Switches(turned[3][1], turned[4][1])

    async def test_two_changes_at_the_same_moment_are_both_on_record(self, make: Make) -> None:
        for name, switch in ((PAUSE, on()), (BREAKER, on()), (PAUSE, off())):
            assert await make().turn(name, switch)
        changes = await make().changes(10)
        assert sorted((change.name, change.switch.on) for change in changes) == [(BREAKER, True), (PAUSE, False), (PAUSE, True)]

    async def test_of_many_who_turn_a_switch_on_at_once_one_does_and_theirs_stands(self, make: Make) -> None:
        switches = [on(number) for number in range(16)]
        turned = await asyncio.gather(*(make().turn(BREAKER, switch) for switch in switches))
        assert sum(turned) == 1
        winner = switches[turned.index(True)]
        assert await now(make(), BREAKER) == winner
        assert await make().changes(99) == (SwitchChange(BREAKER, winner),)

    async def test_of_many_who_turn_it_on_and_off_each_change_is_on_record_and_no_other(self, make: Make) -> None:
        switches = [on(number) if number % 2 else off(number) for number in range(16)]
        turned = await asyncio.gather(*(make().turn(PAUSE, switch) for switch in switches))
        made = [switch for switch, did in zip(switches, turned, strict=True) if did]
        assert {change.switch for change in await make().changes(99)} == set(made)
        found = await now(make(), PAUSE)
        assert found in made
        ons = sum(switch.on for switch in made)
        assert ons - (len(made) - ons) == found.on  # they took turns

    async def test_an_announced_change_is_announced_and_otherwise_as_it_was(self, make: Make) -> None:
        assert await make().turn(BREAKER, on())
        for _ in range(2):
            await make().announced(BREAKER, on())
            assert await now(make(), BREAKER) == replace(on(), announced=True)
        assert len(await make().changes(10)) == 1
        assert not await make().turn(BREAKER, on(1))
        assert await make().turn(BREAKER, off(2))

    async def test_a_change_since_is_not_taken_for_announced(self, make: Make) -> None:
        for switch in (on(1), off(2), on(3)):
            assert await make().turn(BREAKER, switch)
        await make().announced(BREAKER, on(1))
        assert await now(make(), BREAKER) == on(3)
        assert await now(make(), PAUSE) is None

    async def test_what_was_never_turned_is_not_announced(self, make: Make) -> None:
        await make().announced(BREAKER, on())
        assert await make().read() == Switches()

    @pytest.mark.parametrize("name", SwitchName)
    async def test_a_switch_that_cannot_be_understood_is_on_and_the_other_is_as_it_was(
        self, make: Make, spoil: Spoil, name: SwitchName
    ) -> None:
        other = BREAKER if name is PAUSE else PAUSE
        for switch in (on(1), off(2)):
            assert await make().turn(name, switch)
            assert await make().turn(other, switch)
        await spoil(name)
        found = await now(make(), name)
        assert found is not None
        assert (found.on, found.by, found.why) == (True, "unknown", "this record cannot be understood")
        assert found.at.utcoffset() == timedelta()
        assert await now(make(), other) == off(2)
        assert not await make().turn(name, on(3))

    async def test_a_switch_that_cannot_be_understood_is_replaced_by_whoever_turns_it_off(self, make: Make, spoil: Spoil) -> None:
        await spoil(PAUSE)
        assert await make().turn(PAUSE, off(3))
        assert await make().read() == Switches(pause=off(3))
        assert await make().changes(10) == (SwitchChange(PAUSE, off(3)),)

    async def test_a_switch_that_cannot_be_understood_is_announced_once_and_stays_on(self, make: Make, spoil: Spoil) -> None:
        await spoil(BREAKER)
        found = await now(make(), BREAKER)
        assert found is not None
        await make().announced(BREAKER, found)
        assert await now(make(), BREAKER) == replace(found, announced=True)
        assert await make().turn(BREAKER, off())


class TestFakeControl(ControlContract):
    @pytest.fixture
    def fake(self) -> FakeControl:
        return FakeControl(SystemClock(), Calls(usual_seconds=0))

    @pytest.fixture
    def make(self, fake: FakeControl) -> Make:
        return lambda: fake

    @pytest.fixture
    def spoil(self, fake: FakeControl) -> Spoil:
        async def spoil(name: SwitchName) -> None:
            fake.spoil(name)

        return spoil

    async def test_what_somebody_has_turned_is_read_as_what_we_have(self, fake: FakeControl) -> None:
        fake.put(PAUSE, on())
        assert await fake.read() == fake.switches() == Switches(pause=on())
        assert await fake.changes(1) == (SwitchChange(PAUSE, on()),)


# ---- on Azure tables


@pytest.fixture
async def make(azurite: str) -> AsyncIterator[Callable[[], TableControl]]:
    async with table(TableControl, azurite) as make:
        yield make


class TestTableControl(ControlContract):
    """The contract, on Azurite, on a table that is not there before the first change."""

    @pytest.fixture
    def spoil(self, make: Callable[[], TableControl]) -> Spoil:
        async def spoiled(name: SwitchName) -> None:
            with contextlib.suppress(ResourceExistsError):
                await make()._partition._client.create_table()
            await spoil(make(), name.value, on="false")

        return spoiled


SPOILT: dict[str, dict[str, Any]] = {
    "no position": {"on": None},
    "position in words": {"on": "false"},
    "position as a number": {"on": 0},
    "nobody": {"by": None},
    "a number": {"by": 1},
    "no reason": {"why": None},
    "binary reason": {"why": b"why"},
    "no time": {"at": None},
    "time of the service": {"at": datetime(2026, 11, 24, tzinfo=UTC)},
    "time in words": {"at": "yesterday"},
    "time without zone": {"at": "2026-11-24T00:00:00"},
    "time before all times": {"at": "0001-01-01T00:00:00+14:00"},
    "no announcement": {"announced": None},
    "announcement in words": {"announced": "no"},
}


@pytest.mark.parametrize("spoilt", SPOILT.values(), ids=SPOILT.keys())
async def test_a_row_that_somebody_else_has_written_to_is_on_since_then_whatever_it_was(
    make: Callable[[], TableControl], spoilt: dict[str, Any]
) -> None:
    control = make()
    assert await control.turn(PAUSE, on(1))
    assert await control.turn(PAUSE, off(2))
    await spoil(control, "pause", **spoilt)
    since = (await control._partition.row("pause")).metadata["timestamp"]
    assert await control.read() == Switches(Switch(True, "unknown", "this record cannot be understood", since))
    assert await control.turn(PAUSE, off(3))
    assert await control.read() == Switches(off(3))


async def test_a_change_that_cannot_be_understood_is_shown_as_such_and_one_that_is_none_of_ours_is_unreadable(
    make: Callable[[], TableControl],
) -> None:
    control = make()
    assert await control.turn(PAUSE, on(1))
    [change] = await control._partition.rows("h-", "h-~", 1)
    await spoil(control, change["RowKey"], by=None)
    [shown] = await control.changes(10)
    assert (shown.name, shown.switch.by) == (PAUSE, "unknown")
    await spoil(control, "h-0-lights", on=True)
    with pytest.raises(Unreadable):
        await control.changes(10)
    assert await control.read() == Switches(on(1))


async def test_whoever_only_looks_makes_no_table(make: Callable[[], TableControl]) -> None:
    await make().read()
    await make().changes(1)
    await make().announced(PAUSE, on())
    assert not await make().turn(PAUSE, off())
    await make()._partition._client.create_table()  # which it would refuse if there were one


async def test_of_switch_and_change_both_are_written_or_neither(make: Callable[[], TableControl]) -> None:
    control = make()
    assert await control.turn(PAUSE, on(1))
    row = await control._partition.row("pause")
    assert await control.turn(PAUSE, off(2))
    assert not await control._written(control._put("pause", row, on(3)), control._put("h-0-pause-x", None, on(3)))
    assert await now(control, PAUSE) == off(2)
    assert len(await control.changes(10)) == 2


@pytest.mark.parametrize("closed", [off(2), off(60 * 48)], ids=["", "by a clock ahead"])
async def test_a_change_whose_answer_was_lost_was_made(
    make: Callable[[], TableControl], monkeypatch: pytest.MonkeyPatch, closed: Switch
) -> None:
    control = make()
    assert await control.turn(PAUSE, on(1))
    write = control._partition.write

    async def written_twice(operations: Sequence[Any]) -> list[str]:
        await write(operations)
        return await write(operations)  # as the transport repeats what it has no answer to

    monkeypatch.setattr(control._partition, "write", written_twice)
    assert await control.turn(PAUSE, closed)
    monkeypatch.undo()
    found = await now(control, PAUSE)
    assert found is not None
    assert (found.on, found.why) == (False, closed.why)
    assert len(await control.changes(10)) == 2


async def test_a_switch_that_is_turned_while_it_is_announced_is_not(
    make: Callable[[], TableControl], monkeypatch: pytest.MonkeyPatch
) -> None:
    control, human = make(), make()
    assert await control.turn(BREAKER, on(1))
    write = control._partition.write

    async def too_late(operations: Sequence[Any]) -> list[str]:
        assert await human.turn(BREAKER, off(2))
        return await write(operations)

    monkeypatch.setattr(control._partition, "write", too_late)
    await control.announced(BREAKER, on(1))
    assert await now(human, BREAKER) == off(2)


async def test_who_always_loses_gives_up_in_time(make: Callable[[], TableControl], monkeypatch: pytest.MonkeyPatch) -> None:
    control = make()

    async def lost(operations: Sequence[Any]) -> list[str]:
        raise Conflict

    monkeypatch.setattr(control._partition, "write", lost)
    monkeypatch.setattr(storage, "CALL_SECONDS", 0.2)
    await is_unavailable(control.turn(PAUSE, on()), within=5)
    assert await make().read() == Switches()


CALLS: dict[str, Callable[[Control], Awaitable[object]]] = {
    "read": lambda control: control.read(),
    "turn": lambda control: control.turn(PAUSE, on()),
    "announced": lambda control: control.announced(PAUSE, on()),
    "changes": lambda control: control.changes(1),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
class TestControlOnStorage(FailingStorage):
    def opened(self, connection: str) -> AbstractAsyncContextManager[TableControl]:
        return on_a_table(TableControl, connection)
