"""The journal. It only stores: what a record may become is decided in `shared.journal`.

One partition, so that a record, the event that changed it and its places in lists are written together or not at all:

* `r-<request id>`: the record as a JSON document, the `schema` of that, and its rows in lists (`listed`).
* `e-<event key>`: one delivery that was taken in.
* `d-<time>-<request id>`: the due list, in order of time; ten seconds coarse, so that most writes leave it alone.
* `h-<switch>-<time>-<request id>`: the requests that are held, in order of time.
* `f-<time>-<request id>`: the requests that are to be forgotten, in order of time.
"""

import contextlib
import math
from datetime import UTC, datetime
from itertools import chain
from typing import Any, NamedTuple

from azure.data.tables.aio import TableClient
from pydantic import ValidationError

from shared import journal
from shared.adapters.storage import answering
from shared.adapters.tables import documents
from shared.adapters.tables.partition import Partition
from shared.model import WaitingFor
from shared.parallel import together
from shared.ports import Conflict, NewerVersion, Stored, Unreadable
from shared.record import RECORD_JSON, SCHEMA, Record, SeenEvent

TABLE = "reregisterjournal"
_COARSE_SECONDS = 10
_ALL = 100_000  # rows


class Version(NamedTuple):
    """The record's ETag, and the rows that it has in lists."""

    etag: str
    listed: frozenset[str]


class TableJournal:
    def __init__(self, client: TableClient) -> None:
        self._partition = Partition(client, "request")

    async def find(self, request_id: str, event_key: str | None = None) -> tuple[Stored | None, SeenEvent | None]:
        row = self._partition.row
        async with answering():
            record, event = await together(row(f"r-{request_id}"), row(f"e-{event_key}") if event_key else _nothing())
            if event is not None and record is None:  # the write of both fell between the two reads
                record = await row(f"r-{request_id}")
        return (_stored(record) if record else None), (_seen(event) if event else None)

    async def commit(self, record: Record, version: Any, seen: SeenEvent | None = None) -> Stored:
        before: Version | None = version
        listed, partition = _lists(record), self._partition
        document = documents.chunks(RECORD_JSON.dump_json(record, exclude_defaults=True))
        etag = before.etag if before else None
        row = {"schema": SCHEMA, "listed": " ".join(sorted(listed)), "status": record.status, **document}
        operations = [partition.put(f"r-{record.id}", etag, **row)]
        if seen is not None:
            operations.append(partition.put(f"e-{seen.key}", None, **_event(seen)))
        was_listed = before.listed if before else frozenset()
        operations += [partition.put_anyway(row) for row in sorted(listed - was_listed)]
        operations += [partition.delete(row) for row in sorted(was_listed - listed)]
        async with answering():
            etags = await partition.write(operations)
        return Stored(record, Version(etags[0], listed))

    async def due(self, now: datetime, limit: int) -> tuple[str, ...]:
        """Up to one due list's coarseness late. A row may be early: whether its request is due stands in the record."""
        return await self._passed("d", now, limit)

    async def expired(self, now: datetime, limit: int) -> tuple[str, ...]:
        return await self._passed("f", now, limit)

    async def _passed(self, prefix: str, now: datetime, limit: int) -> tuple[str, ...]:
        """Those in this list whose time has come."""
        before = f"{prefix}-{now.astimezone(UTC):%Y%m%dT%H%M%S}-~"
        async with answering():
            rows = await self._partition.rows(f"{prefix}-", before, limit, select=["RowKey"])
        return _ids(rows)

    async def held(self, waiting_for: WaitingFor, limit: int) -> tuple[str, ...]:
        async with answering():
            rows = await self._partition.rows(f"h-{waiting_for}-", f"h-{waiting_for}-~", limit, select=["RowKey"])
        return _ids(rows)

    async def remains(self, request_id: str) -> str:
        async with answering():
            row = await self._partition.row(f"r-{request_id}") or {}
        parts = [str(row[name]) for name in sorted(row, key=lambda name: (len(name), name)) if name.startswith("document")]
        return "".join(parts)

    async def give_up(self, request_id: str) -> None:
        """By all rows of the lists: the record may not say which are its own. It says none then, so that it can be mended."""
        partition = self._partition
        async with answering():
            if row := await partition.row(f"r-{request_id}"):
                try:
                    await partition.write([partition.put(row["RowKey"], row.metadata["etag"], **_unlisted(row))])
                except Conflict:
                    return  # it has moved on since
            lists = [await partition.rows(f"{prefix}-", f"{prefix}-~", _ALL, select=["RowKey"]) for prefix in ("d", "h", "f")]
            for row in chain.from_iterable(lists):
                if row["RowKey"].endswith(f"-{request_id}"):
                    with contextlib.suppress(Conflict):  # somebody else has
                        await partition.write([partition.delete(row["RowKey"])])

    async def ping(self) -> None:
        await self.find("0" * 32)


def _unlisted(row: Any) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("PartitionKey", "RowKey")} | {"listed": ""}


async def _nothing() -> None:
    return None


def _stored(row: Any) -> Stored:
    """The record, if it can be true: one that somebody else has written to is left to a human, and nothing is done meanwhile."""
    if _schema(row) > SCHEMA:
        raise NewerVersion(str(row["RowKey"]).removeprefix("r-"))
    try:
        record = journal.check(RECORD_JSON.validate_json(documents.joined(row)))
        version = Version(row.metadata["etag"], frozenset(str.split(row["listed"])))
    except (KeyError, TypeError, ValidationError, journal.IllegalRecord) as error:
        raise Unreadable(f"the record {row['RowKey']} contradicts itself") from error
    if row["RowKey"] != f"r-{record.id}":
        raise Unreadable(f"the record {row['RowKey']} is another request's")
    return Stored(record, version)


def _schema(row: Any) -> int:
    """Which version wrote the record; the first did not say so yet."""
    schema = row.get("schema", 1)
    if type(schema) is not int or schema < 1:
        raise Unreadable(f"the record {row['RowKey']} contradicts itself")
    return schema


def _event(seen: SeenEvent) -> dict[str, Any]:
    return {
        "request": seen.request_id,
        "fingerprint": seen.fingerprint,
        "attempt": seen.attempt,
        "arrived": seen.arrived_at.isoformat(),
    }


def _seen(row: Any) -> SeenEvent:
    try:
        return SeenEvent(
            key=str(row["RowKey"]).removeprefix("e-"),
            request_id=row["request"],
            fingerprint=row["fingerprint"],
            attempt=row["attempt"],
            arrived_at=datetime.fromisoformat(row["arrived"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable(f"the event {row['RowKey']} cannot be understood") from error


def _lists(record: Record) -> frozenset[str]:
    """The record's rows in lists: when it is due, the switch that it is held for, when it is to be forgotten."""
    rows = set()
    if due := journal.due_at(record):
        rows.add(f"d-{_coarse(due)}-{record.id}")
    if held_for := journal.held_for(record):
        rows.add(f"h-{held_for}-{_coarse(journal.held_since(record))}-{record.id}")
    if forget_at := journal.forget_at(record):
        rows.add(f"f-{_coarse(forget_at)}-{record.id}")
    return frozenset(rows)


def _coarse(moment: datetime) -> str:
    """In the order of time; no earlier than the moment itself."""
    coarse = datetime.fromtimestamp(math.ceil(moment.timestamp() / _COARSE_SECONDS) * _COARSE_SECONDS, UTC)
    return f"{coarse:%Y%m%dT%H%M%S}"


def _ids(rows: list[Any]) -> tuple[str, ...]:
    return tuple(str(row["RowKey"]).rpartition("-")[2] for row in rows)
