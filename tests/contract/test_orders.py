"""How any `Orders` keeps operators' orders, on the fake and on Azure tables (Azurite)."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from shared.adapters.tables import TableOrders
from shared.model import Order, OrderKind, OrderReply
from shared.ports import Orders, Unreadable
from tests.calls import Calls
from tests.contract.stores import FailingStorage, on_a_table, spoil, table
from tests.fakes import FakeOrders
from tests.unit import build

type Make = Callable[[], Orders]

REPLY = OrderReply(True, "Attempt 2 was opened.", build.after(hours=1), "0" * 32)


def an_order(number: int = 1, **changes: Any) -> Order:
    made = Order(f"{number:032x}", OrderKind.REOPEN, "a" * 32, "patti@desk", "INC0010001", build.after(minutes=number))
    return replace(made, **changes)


class OrdersContract:
    """A subclass provides `make`, which makes workers' controls on one untouched store."""

    async def test_at_first_there_are_none(self, make: Make) -> None:
        assert await make().waiting(10) == ()
        assert await make().reply(an_order()) is None

    @pytest.mark.parametrize(
        "order",
        [
            an_order(),
            an_order(what=OrderKind.DISCARD, target=f"dl-{'0' * 32}"),
            an_order(by="o'neil \U0001f511", why='"é"\\/#?\t'),
        ],
        ids=["reopen", "discard", "odd letters"],
    )
    async def test_an_order_waits_as_it_was_given(self, make: Make, order: Order) -> None:
        await make().give(order)
        assert await make().waiting(10) == (order,)
        assert await make().reply(order) is None

    async def test_a_time_of_another_zone_is_the_same_time(self, make: Make) -> None:
        order = an_order(at=an_order().at.astimezone(timezone(timedelta(hours=-8))))
        await make().give(order)
        (found,) = await make().waiting(10)
        assert (found, found.at.utcoffset()) == (an_order(), timedelta())
        await make().settled(found, REPLY)
        assert await make().reply(order) == REPLY

    @pytest.mark.parametrize("reply", [REPLY, OrderReply(False, "It is done, and stays so.", build.NOW)])
    async def test_a_settled_order_waits_no_longer_and_its_reply_is_on_record(self, make: Make, reply: OrderReply) -> None:
        for number in (1, 2):
            await make().give(an_order(number))
        await make().settled(an_order(1), reply)
        assert await make().waiting(10) == (an_order(2),)
        assert await make().reply(an_order(1)) == reply
        assert await make().reply(an_order(2)) is None

    async def test_an_order_is_settled_once(self, make: Make) -> None:
        await make().give(an_order())
        await make().settled(an_order(), REPLY)
        await make().settled(an_order(), OrderReply(False, "something else", build.after(hours=2)))
        assert await make().reply(an_order()) == REPLY

    async def test_an_order_that_is_given_twice_is_one(self, make: Make) -> None:
        for _ in range(2):
            await make().give(an_order())
        assert await make().waiting(10) == (an_order(),)

    async def test_the_oldest_come_first_and_no_more_than_are_wanted(self, make: Make) -> None:
        orders = [an_order(number) for number in range(5)]
        await asyncio.gather(*(make().give(order) for order in reversed(orders)))
        assert await make().waiting(10) == tuple(orders)
        assert await make().waiting(2) == tuple(orders[:2])


class TestFakeOrders(OrdersContract):
    @pytest.fixture
    def make(self) -> Make:
        fake = FakeOrders(Calls(usual_seconds=0))
        return lambda: fake


# ---- on Azure tables


@pytest.fixture
async def make(azurite: str) -> AsyncIterator[Callable[[], TableOrders]]:
    async with table(TableOrders, azurite) as make:
        yield make


class TestTableOrders(OrdersContract):
    """The contract, on Azurite, on a table that is not there before the first order."""


SPOILT: dict[str, dict[str, Any]] = {
    "another thing to do": {"what": "delete-everything"},
    "nothing to do": {"what": None},
    "no target": {"target": None},
    "a target in words": {"target": "adele.vance@contoso.com"},
    "a number": {"target": 1},
    "nobody": {"by": None},
    "no reason": {"why": None},
    "no time": {"at": None},
    "time in words": {"at": "yesterday"},
    "time without zone": {"at": "2026-11-24T00:00:00"},
    "time before all time": {"at": "0001-01-01T00:00:00+23:00"},
    "time of the service": {"at": datetime(2026, 11, 24)},  # noqa: DTZ001 as somebody else may write it
    "a name of its own": {"id": "x y"},
    "no name": {"id": None},
    "another's name": {"id": "f" * 32},
}


@pytest.mark.parametrize("spoilt", SPOILT.values(), ids=SPOILT.keys())
async def test_what_cannot_be_understood_is_nobodys_order_and_keeps_none_waiting(
    make: Callable[[], TableOrders], spoilt: dict[str, Any]
) -> None:
    orders = make()
    await orders.give(an_order(1))
    [row] = await orders._partition.rows("p-", "p-~", 1)
    await spoil(orders, row["RowKey"], **spoilt)
    await orders.give(an_order(2))
    assert await orders.waiting(10) == (an_order(2),)
    assert await orders._partition.row(row["RowKey"]) is None
    reply = await orders.reply(an_order(1))
    assert reply is not None
    assert (reply.done, reply.said, reply.at.utcoffset()) == (
        False,
        "The app does not understand it: another version of the command may have written it.",
        timedelta(),
    )


async def test_many_that_cannot_be_understood_keep_an_order_waiting_for_no_more_than_a_page(
    make: Callable[[], TableOrders],
) -> None:
    orders = make()
    await orders.give(an_order(1))
    for number in range(3):
        await spoil(orders, f"p-0{number}", why="x" * 30_000, **{f"more{more}": more for more in range(200)})
    assert [await orders.waiting(3) for _ in range(2)] == [(), (an_order(1),)]


async def test_what_cannot_be_understood_waits_no_longer_where_there_is_a_reply_already(make: Callable[[], TableOrders]) -> None:
    orders = make()
    await orders.give(an_order())
    [row] = await orders._partition.rows("p-", "p-~", 1)
    await orders.settled(an_order(), REPLY)
    await spoil(orders, row["RowKey"], what="delete-everything")
    assert await orders.waiting(10) == ()
    assert await orders._partition.rows("p-", "p-~", 1) == []
    assert await orders.reply(an_order()) == REPLY


async def test_an_order_that_was_given_again_while_it_was_settled_waits_no_longer(make: Callable[[], TableOrders]) -> None:
    orders = make()
    await orders.give(an_order())
    [row] = await orders._partition.rows("p-", "p-~", 1)
    await orders.settled(an_order(), REPLY)
    await spoil(orders, row["RowKey"], **{name: row[name] for name in ("id", "what", "target", "by", "why", "at")})
    assert await orders.waiting(10) == (an_order(),)
    await orders.settled(an_order(), OrderReply(False, "something else", build.after(hours=2)))
    assert await orders.waiting(10) == ()
    assert await orders.reply(an_order()) == REPLY


async def test_a_reply_that_cannot_be_understood_is_no_reply(make: Callable[[], TableOrders]) -> None:
    orders = make()
    await orders.give(an_order())
    await orders.settled(an_order(), REPLY)
    [row] = await orders._partition.rows("s-", "s-~", 1)
    await spoil(orders, row["RowKey"], reply="yes")
    with pytest.raises(Unreadable):
        await orders.reply(an_order())


async def test_whoever_only_looks_makes_no_table(make: Callable[[], TableOrders]) -> None:
    await make().waiting(1)
    await make().reply(an_order())
    await make().settled(an_order(), REPLY)
    await make()._partition._client.create_table()  # which it would refuse if there were one


CALLS: dict[str, Callable[[Orders], Awaitable[object]]] = {
    "order": lambda orders: orders.give(an_order(id=uuid.uuid4().hex)),
    "orders": lambda orders: orders.waiting(1),
    "settled": lambda orders: orders.settled(an_order(), REPLY),
    "reply": lambda orders: orders.reply(an_order()),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
class TestOrdersOnStorage(FailingStorage):
    def opened(self, connection: str) -> AbstractAsyncContextManager[TableOrders]:
        return on_a_table(TableOrders, connection)
