"""Operators' orders, beside the switches in their table: who may turn those may order.

One partition, so that an order moves from one list to the other in one write, and stays on record:

* `p-<time>-<id>`: an order that waits, in order of time.
* `s-<time>-<id>`: one that has its reply.
"""

import re
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from azure.data.tables.aio import TableClient
from pydantic import TypeAdapter, ValidationError

from shared import identity
from shared.adapters.storage import answering
from shared.adapters.tables.partition import Partition
from shared.model import Order, OrderReply
from shared.ports import Conflict, Unreadable

_ORDER: TypeAdapter[Order] = TypeAdapter(Order)
_ID = re.compile("[0-9a-f]{32}")  # becomes that of an event
_REPLY: TypeAdapter[OrderReply] = TypeAdapter(OrderReply)
_MEMBERS = ("id", "what", "target", "by", "why", "at")

NOT_UNDERSTOOD = "The app does not understand it: another version of the command may have written it."


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
            orders = [(row, _order(row)) for row in rows]
            for row in (row for row, order in orders if order is None):
                await self._answered(row["RowKey"], _kept(row), OrderReply(False, NOT_UNDERSTOOD, _written_at(row)))
        return tuple(order for _, order in orders if order is not None)

    async def settled(self, order: Order, reply: OrderReply) -> None:
        async with answering():
            await self._answered(_waits(order), _order_row(order), reply)

    async def reply(self, order: Order) -> OrderReply | None:
        async with answering():
            row = await self._partition.row(_done(order))
        if row is None:
            return None
        try:
            return _REPLY.validate_json(row["reply"])
        except (KeyError, ValidationError) as error:
            raise Unreadable(f"the order {row['RowKey']} has a reply that cannot be understood") from error

    async def _answered(self, waits: str, row: dict[str, Any], reply: OrderReply) -> None:
        """What stands there waits no longer, and `row` is on record with its reply."""
        done = f"s{waits.removeprefix('p')}"
        while await self._partition.row(waits) is not None:
            known = await self._partition.row(done)  # who gave the order may have repeated it meanwhile
            replied = (
                [] if known is not None else [self._partition.put(done, None, **row, reply=_REPLY.dump_json(reply).decode())]
            )
            if await self._written(*replied, self._partition.delete(waits)):
                return

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
    """None for what somebody else has written. What is left is safe to be logged, save who and why."""
    try:
        order = _ORDER.validate_python({name: row[name] for name in _MEMBERS}, strict=False)
        ours = _ID.fullmatch(order.id) and order.at.tzinfo is not None and row["RowKey"] == _waits(order)
    except (KeyError, ValidationError, OverflowError):
        return None
    meant = identity.is_request_id(order.target) or identity.is_dead_letter_id(order.target)
    return order if ours and meant else None


def _kept(row: Any) -> dict[str, Any]:
    """What fits into a row beside a reply, whatever else somebody has written there."""
    return {name: row[name] for name in _MEMBERS if name in row}


def _written_at(row: Any) -> datetime:
    written = row.metadata["timestamp"]
    return datetime.combine(written.date(), written.time(), UTC)
