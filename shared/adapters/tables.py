"""The journal in one Azure table. It only stores: what a record may become is decided in `journal`.

One partition, so that a record, the event that changed it and its place in the due list are written together or not at all:

* `r-<request id>`: the record as JSON (`document0`, `document1`, …: a property holds 64 KiB) and its row in the due list (`due`).
* `e-<event key>`: one delivery that was taken in.
* `d-<time>-<request id>`: the due list, in order of time; ten seconds coarse, so that most writes leave it alone.
"""

import asyncio
import contextlib
import math
from datetime import UTC, datetime
from typing import Any, NamedTuple

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.data.tables import TableTransactionError, UpdateMode
from azure.data.tables.aio import TableClient
from pydantic import ValidationError

from shared import journal
from shared.adapters.storage import answering
from shared.parallel import together
from shared.ports import Conflict, Stored, Unreadable
from shared.record import RECORD_JSON, Record, SeenEvent

TABLE = "reregisterjournal"
_PARTITION = "request"
_CHUNK = 16_000  # characters, each of up to 4 bytes in UTF-16
_COARSE_SECONDS = 10

type Entity = dict[str, Any]
type Operation = tuple[str, Entity] | tuple[str, Entity, dict[str, Any]]


class Version(NamedTuple):
    etag: str
    due: str


class TableJournal:
    def __init__(self, client: TableClient) -> None:
        self._client = client
        self._making = asyncio.Lock()
        self._made = 0

    async def find(self, request_id: str, event_key: str | None = None) -> tuple[Stored | None, SeenEvent | None]:
        async with answering():
            record, event = await together(self._row(f"r-{request_id}"), self._row(f"e-{event_key}") if event_key else _nothing())
            if event is not None and record is None:  # the write of both fell between the two reads
                record = await self._row(f"r-{request_id}")
        return (_stored(record) if record else None), (_seen(event) if event else None)

    async def _row(self, row: str) -> Any:
        """One point read: a filter with `or` would read the whole partition."""
        try:
            return await self._client.get_entity(_PARTITION, row)
        except ResourceNotFoundError:
            return None

    async def commit(self, record: Record, version: Any, seen: SeenEvent | None = None) -> Stored:
        due = _due_row(record)
        operations: list[Operation] = [_write(record, due, version)]
        if seen is not None:
            operations.append(("create", _event_entity(seen)))
        made, before = self._made, version.due if version else ""
        if due != before:
            operations += [("upsert", _entity(due))] if due else []
            operations += [("delete", _entity(before))] if before else []
        async with answering():
            try:
                answers = await self._client.submit_transaction(operations)
            except TableTransactionError as error:
                if error.status_code in (409, 412):
                    raise Conflict from error
                if error.status_code != 404:
                    raise
                await self._create(made)
                raise Conflict from error  # others may have been quicker: the caller reads again
        return Stored(record, Version(str(answers[0]["etag"]), due))

    async def due(self, now: datetime, limit: int) -> tuple[str, ...]:
        """Up to one due list's coarseness late. A row may be early: whether its request is due stands in the record."""
        before = f"d-{now.astimezone(UTC):%Y%m%dT%H%M%S}-~"
        rows: list[str] = []
        made = self._made
        async with answering():
            try:
                query = self._client.query_entities(
                    f"PartitionKey eq '{_PARTITION}' and RowKey gt 'd-' and RowKey lt '{before}'",
                    select=["RowKey"],
                    results_per_page=limit,
                )
                async for entity in query:
                    rows.append(str(entity["RowKey"]))
                    if len(rows) >= limit:
                        break
            except ResourceNotFoundError:
                await self._create(made)
        return tuple(row.rpartition("-")[2] for row in rows)

    async def ping(self) -> None:
        await self.find("0" * 32)

    async def _create(self, missed: int) -> None:
        """The table may not exist yet: whoever comes first makes it, one at a time. `missed` counts the tables made before."""
        async with self._making:
            if self._made != missed:
                return
            with contextlib.suppress(ResourceExistsError):
                await self._client.create_table()
            self._made += 1


async def _nothing() -> None:
    return None


def _entity(row: str, **properties: Any) -> Entity:
    return {"PartitionKey": _PARTITION, "RowKey": row, **properties}


def _write(record: Record, due: str, version: Version | None) -> Operation:
    document = RECORD_JSON.dump_json(record, exclude_defaults=True).decode()
    chunks = {f"document{n}": document[at : at + _CHUNK] for n, at in enumerate(range(0, len(document), _CHUNK))}
    entity = _entity(f"r-{record.id}", due=due, status=record.status, **chunks)
    if version is None:
        return "create", entity
    return "update", entity, {"mode": UpdateMode.REPLACE, "etag": version.etag, "match_condition": MatchConditions.IfNotModified}


def _stored(entity: Any) -> Stored:
    """The record, if it can be true: one that somebody else has written to is left to a human, and nothing is done meanwhile."""
    try:
        document = "".join(entity[f"document{n}"] for n in range(sum(key.startswith("document") for key in entity)))
        record = journal.check(RECORD_JSON.validate_json(document))
        return Stored(record, Version(entity.metadata["etag"], entity["due"]))
    except (KeyError, ValidationError, journal.IllegalRecord) as error:
        raise Unreadable(f"the record {entity['RowKey']} contradicts itself") from error


def _event_entity(seen: SeenEvent) -> Entity:
    return _entity(
        f"e-{seen.key}",
        request=seen.request_id,
        fingerprint=seen.fingerprint,
        attempt=seen.attempt,
        arrived=seen.arrived_at.isoformat(),
    )


def _seen(entity: Any) -> SeenEvent:
    return SeenEvent(
        key=str(entity["RowKey"]).removeprefix("e-"),
        request_id=entity["request"],
        fingerprint=entity["fingerprint"],
        attempt=entity["attempt"],
        arrived_at=datetime.fromisoformat(entity["arrived"]),
    )


def _due_row(record: Record) -> str:
    due = journal.due_at(record)
    if due is None:
        return ""
    coarse = datetime.fromtimestamp(math.ceil(due.timestamp() / _COARSE_SECONDS) * _COARSE_SECONDS, UTC)
    return f"d-{coarse:%Y%m%dT%H%M%S}-{record.id}"
