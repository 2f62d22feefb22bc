"""The journal. It only stores: what a record may become is decided in `shared.journal`.

One partition, so that a record, the event that changed it and its place in the due list are written together or not at all:

* `r-<request id>`: the record as a JSON document and its row in the due list (`due`).
* `e-<event key>`: one delivery that was taken in.
* `d-<time>-<request id>`: the due list, in order of time; ten seconds coarse, so that most writes leave it alone.
"""

import math
from datetime import UTC, datetime
from typing import Any, NamedTuple

from azure.data.tables.aio import TableClient
from pydantic import ValidationError

from shared import journal
from shared.adapters.storage import answering
from shared.adapters.tables import documents
from shared.adapters.tables.partition import Partition
from shared.parallel import together
from shared.ports import Stored, Unreadable
from shared.record import RECORD_JSON, Record, SeenEvent

TABLE = "reregisterjournal"
_COARSE_SECONDS = 10


class Version(NamedTuple):
    etag: str
    due: str


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
        due, partition = _due_row(record), self._partition
        document = documents.chunks(RECORD_JSON.dump_json(record, exclude_defaults=True))
        etag = before.etag if before else None
        operations = [partition.put(f"r-{record.id}", etag, due=due, status=record.status, **document)]
        if seen is not None:
            operations.append(partition.put(f"e-{seen.key}", None, **_event(seen)))
        was_due = before.due if before else ""
        if due != was_due:
            operations += [partition.put_anyway(due)] if due else []
            operations += [partition.delete(was_due)] if was_due else []
        async with answering():
            etags = await partition.write(operations)
        return Stored(record, Version(etags[0], due))

    async def due(self, now: datetime, limit: int) -> tuple[str, ...]:
        """Up to one due list's coarseness late. A row may be early: whether its request is due stands in the record."""
        before = f"d-{now.astimezone(UTC):%Y%m%dT%H%M%S}-~"
        async with answering():
            rows = await self._partition.rows("d-", before, limit, select=["RowKey"], make=True)
        return tuple(str(row["RowKey"]).rpartition("-")[2] for row in rows)

    async def ping(self) -> None:
        await self.find("0" * 32)


async def _nothing() -> None:
    return None


def _stored(row: Any) -> Stored:
    """The record, if it can be true: one that somebody else has written to is left to a human, and nothing is done meanwhile."""
    try:
        record = journal.check(RECORD_JSON.validate_json(documents.joined(row)))
        return Stored(record, Version(row.metadata["etag"], row["due"]))
    except (KeyError, TypeError, ValidationError, journal.IllegalRecord) as error:
        raise Unreadable(f"the record {row['RowKey']} contradicts itself") from error


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


def _due_row(record: Record) -> str:
    due = journal.due_at(record)
    if due is None:
        return ""
    coarse = datetime.fromtimestamp(math.ceil(due.timestamp() / _COARSE_SECONDS) * _COARSE_SECONDS, UTC)
    return f"d-{coarse:%Y%m%dT%H%M%S}-{record.id}"
