"""The ledger, beside the journal in its table. It only stores: what is counted, and until when, is decided in `velocity`.

One partition, so that the list and a person's latest are written together or not at all, and only if neither has moved on since
they were read: that makes all workers count one after another.

* `resets`: the resets that are kept, as a JSON document. A row takes some 1,500 of them.
* `s-<object id>`: the person's latest reset, as a JSON document.
"""

from datetime import timedelta
from typing import Any, NamedTuple

from azure.data.tables.aio import TableClient
from pydantic import TypeAdapter, ValidationError

from shared.adapters.storage import answering
from shared.adapters.tables import documents
from shared.adapters.tables.partition import Partition
from shared.model import Reset
from shared.parallel import together
from shared.ports import Counted, Unreadable

_RESETS = "resets"
_JSON: TypeAdapter[tuple[Reset, ...]] = TypeAdapter(tuple[Reset, ...])


class Version(NamedTuple):
    """The ETag of each row; None: there was none."""

    resets: str | None
    latest: str | None


class TableLedger:
    def __init__(self, client: TableClient) -> None:
        self._partition = Partition(client, "velocity")

    async def read(self, subject_id: str) -> Counted:
        async with answering():
            resets, latest = await together(self._partition.row(_RESETS), self._partition.row(f"s-{subject_id}"))
        return Counted(_all(resets), _latest(latest, subject_id), Version(_etag(resets), _etag(latest)))

    async def commit(self, resets: tuple[Reset, ...], latest: Reset, version: Any) -> None:
        known: Version = version
        operations = [
            self._partition.put(_RESETS, known.resets, **documents.chunks(_JSON.dump_json(resets))),
            self._partition.put(f"s-{latest.subject_id}", known.latest, **documents.chunks(_JSON.dump_json((latest,)))),
        ]
        async with answering():
            await self._partition.write(operations)


def _etag(row: Any) -> str | None:
    return None if row is None else row.metadata["etag"]


def _all(row: Any) -> tuple[Reset, ...]:
    """What cannot be understood is left to a human, and no reset is let through meanwhile."""
    if row is None:
        return ()
    try:
        resets = _JSON.validate_json(documents.joined(row))
    except (KeyError, TypeError, ValidationError) as error:
        raise Unreadable(f"{_called(row)} cannot be understood") from error
    if any(one.at.utcoffset() != timedelta() for one in resets):
        raise Unreadable(f"{_called(row)} has times that are not UTC")
    return resets


def _latest(row: Any, subject_id: str) -> Reset | None:
    if row is None:
        return None
    match _all(row):
        case (Reset(subject_id=whose) as latest,) if whose == subject_id:
            return latest
    raise Unreadable(f"{_called(row)} is not about one reset of theirs")


def _called(row: Any) -> str:
    """Without the person's id: whose it is says the request that was kept from going on."""
    return "the ledger's list of resets" if row["RowKey"] == _RESETS else "the ledger's row of the person"
