"""The switches in a table of their own: who may turn them need not be let into the journal, and the other way round.

One partition, so that a switch and what is on record about its change are written together or not at all. The clock of whoever
turns a switch may be ahead: the row says when by their clock, storage when it was written, and the earlier time is told.

* `pause`, `breaker`: the switch as it is now.
* `h-<reverse time>-<switch>-<unique>`: one change each, latest first.
"""

import uuid
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.data.tables.aio import TableClient

from shared.adapters.storage import answering
from shared.adapters.tables.partition import Partition
from shared.model import Switch, Switches, SwitchName
from shared.parallel import together
from shared.ports import Conflict, SwitchChange, Unreadable

CONTROL_TABLE = "reregistercontrol"
_END = datetime.max.replace(tzinfo=UTC)
_NEVER = datetime.fromtimestamp(0, UTC)


class TableControl:
    def __init__(self, client: TableClient) -> None:
        self._partition = Partition(client, "control")

    async def read(self) -> Switches:
        async with answering():
            pause, breaker = await together(self._partition.row(SwitchName.PAUSE), self._partition.row(SwitchName.BREAKER))
        return Switches(_switch(pause), _switch(breaker))

    async def turn(self, name: SwitchName, switch: Switch) -> bool:
        ours = False  # once a write has failed: its first try may have been the one that stands there, its answer lost
        async with answering():
            while True:
                row = await self._partition.row(name.value)
                now = _switch(row)
                if ours and row is not None and _properties(switch).items() - {("announced", False)} <= row.items():
                    return True
                if switch.on is (now is not None and now.on):
                    return False
                change = f"h-{(_END - switch.at) // timedelta(microseconds=1):018d}-{name}-{uuid.uuid4().hex}"
                if await self._written(self._put(name.value, row, switch), self._put(change, None, switch)):
                    return True
                ours = True

    async def announced(self, name: SwitchName, switch: Switch) -> None:
        """A row that cannot be understood becomes one that says so, and keeps what is switched off."""
        async with answering():
            while True:
                row = await self._partition.row(name.value)
                if _switch(row) != replace(switch, announced=False):
                    return
                if await self._written(self._put(name.value, row, replace(switch, announced=True))):
                    return

    async def changes(self, limit: int) -> tuple[SwitchChange, ...]:
        async with answering():
            rows = await self._partition.rows("h-", "h-~", limit)
        return tuple(map(_change, rows))

    def _put(self, key: str, row: Any, switch: Switch) -> Any:
        etag = None if row is None else row.metadata["etag"]
        return self._partition.put(key, etag, **_properties(switch))

    async def _written(self, *operations: Any) -> bool:
        try:
            await self._partition.write(operations)
        except Conflict:
            return False
        return True


def _properties(switch: Switch) -> dict[str, Any]:
    return asdict(switch) | {"at": switch.at.astimezone(UTC).isoformat()}


def _switch(row: Any) -> Switch | None:
    """Fail closed: what cannot be understood is on, since it was last written to."""
    if row is None:
        return None
    written = _written_at(row)
    match row:
        case {"on": bool(on), "by": str(by), "why": str(why), "at": str(at), "announced": bool(announced)}:
            moment = _moment(at)
            if moment is not None:
                return Switch(on, by, why, min(moment, written), announced)
    return Switch(on=True, by="unknown", why="this record cannot be understood", at=written)


def _written_at(row: Any) -> datetime:
    """When storage wrote the row, by its own clock."""
    written = row.metadata["timestamp"]
    return datetime.combine(written.date(), written.time(), UTC) if written else _NEVER


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _change(row: Any) -> SwitchChange:
    switch = _switch(row)
    assert switch is not None
    try:
        return SwitchChange(SwitchName(row["RowKey"].split("-")[2]), switch)
    except (IndexError, ValueError) as error:
        raise Unreadable(f"the change {row['RowKey']} is not one of ours") from error
