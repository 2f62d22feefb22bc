"""Operators' orders, beside the switches in their table: who may turn those may order.

One partition, so that an order moves from one list to the other in one write, and stays on record:

* `p-<time>-<id>`: an order that waits, in order of time.
* `s-<time>-<id>`: one that has its reply.
"""

import re
from dataclasses import asdict
from datetime import UTC
from typing import Any

from azure.data.tables.aio import TableClient
from pydantic import TypeAdapter, ValidationError

from shared.adapters.storage import answering
from shared.adapters.tables.partition import Partition
from shared.model import Order, OrderReply
from shared.ports import Conflict, Unreadable

_ORDER: TypeAdapter[Order] = TypeAdapter(Order)
_ID = re.compile("[0-9a-f]{32}")  # becomes that of an event
_REPLY: TypeAdapter[OrderReply] = TypeAdapter(OrderReply)


class TableOrders:
    def __init__(self, client: TableClient) -> None:
        self._partition = Partition(client, "orders")

    async def give(self, order: Order) -> None:
        async with answering():
            while await self._partition.row(_waits(order)) is None and await self._partition.row(_done(order)) is None:
                if await self._written(self._partition.put(_waits(order), None, **_order_row(order))):
                    return

    async def waiting(self, limit: int) -> tuple[Order, ...]:
        async with answering():
            rows = await self._partition.rows("p-", "p-~", limit)
        return tuple(order for row in rows if (order := _order(row)))

    async def settled(self, order: Order, reply: OrderReply) -> None:
        async with answering():
            while await self._partition.row(_waits(order)) is not None:
                row = {**_order_row(order), "reply": _REPLY.dump_json(reply).decode()}
                known = await self._partition.row(_done(order))  # who gave the order may have repeated it meanwhile
                replied = [] if known is not None else [self._partition.put(_done(order), None, **row)]
                if await self._written(*replied, self._partition.delete(_waits(order))):
                    return

    async def reply(self, order: Order) -> OrderReply | None:
        async with answering():
            row = await self._partition.row(_done(order))
        if row is None:
            return None
        try:
            return _REPLY.validate_json(row["reply"])
        except (KeyError, ValidationError) as error:
            raise Unreadable(f"the order {row['RowKey']} has a reply that cannot be understood") from error

    async def _written(self, *operations: Any) -> bool:
        try:
            await self._partition.write(operations)
        except Conflict:
            return False
        return True


def _waits(order: Order) -> str:
    return f"p-{_place(order)}"


def _done(order: Order) -> str:
    return f"s-{_place(order)}"


def _place(order: Order) -> str:
    return f"{order.at.astimezone(UTC):%Y%m%dT%H%M%S.%f}-{order.id}"


def _order_row(order: Order) -> dict[str, Any]:
    return asdict(order) | {"at": order.at.astimezone(UTC).isoformat()}


def _order(row: Any) -> Order | None:
    """None for what somebody else has written."""
    try:
        order = _ORDER.validate_python({name: row[name] for name in ("id", "what", "target", "by", "why", "at")}, strict=False)
    except (KeyError, ValidationError):
        return None
    ours = _ID.fullmatch(order.id) and order.at.tzinfo is not None and row["RowKey"] == _waits(order)
    return order if ours else None
