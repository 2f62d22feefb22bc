"""One partition of a table that may not exist yet: reading finds nothing then, and the first write makes it.

The caller translates the SDK's errors: `storage.answering`.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.data.tables import TableTransactionError, UpdateMode
from azure.data.tables.aio import TableClient

from shared.ports import Conflict

_LARGEST_PAGE = 1_000  # rows; a service refuses to be asked for more

type Entity = dict[str, Any]
type Operation = tuple[str, Entity] | tuple[str, Entity, dict[str, Any]]


class Partition:
    def __init__(self, client: TableClient, name: str) -> None:
        self._client = client
        self._name = name
        self._making = asyncio.Lock()
        self._made = 0

    async def row(self, key: str) -> Any:
        """One point read (a filter with `or` would read the whole partition); None without a row or a table."""
        try:
            return await self._client.get_entity(self._name, key)
        except ResourceNotFoundError:
            return None

    async def rows(self, after: str, before: str, limit: int, *, select: list[str] | None = None) -> list[Any]:
        """The first rows between two keys, in their order; none without a table."""
        found: list[Any] = []
        query = self._client.query_entities(
            f"PartitionKey eq '{self._name}' and RowKey gt '{after}' and RowKey lt '{before}'",
            select=select,
            results_per_page=min(limit, _LARGEST_PAGE),
        )
        with contextlib.suppress(ResourceNotFoundError):
            async for entity in query:
                found.append(entity)
                if len(found) >= limit:
                    break
        return found

    async def write(self, operations: Sequence[Operation]) -> list[str]:
        """All is written or nothing; the ETags. `Conflict` when a condition does not hold, or when the table had to be made."""
        made = self._made
        try:
            answers = await self._client.submit_transaction(operations)
        except TableTransactionError as error:
            if error.status_code == 404:  # no table, or no such row any more: either way the caller reads again
                await self._make(made)
            if error.status_code in (404, 409, 412):
                raise Conflict from error
            raise
        return [str(answer.get("etag", "")) for answer in answers]

    def put(self, key: str, etag: str | None, **properties: Any) -> Operation:
        """This row is as given, if it is still the one with this ETag; None: if there is none."""
        if etag is None:
            return "create", self._entity(key, properties)
        condition = {"mode": UpdateMode.REPLACE, "etag": etag, "match_condition": MatchConditions.IfNotModified}
        return "update", self._entity(key, properties), condition

    def put_anyway(self, key: str) -> Operation:
        return "upsert", self._entity(key)

    def delete(self, key: str) -> Operation:
        return "delete", self._entity(key)

    def _entity(self, key: str, properties: Entity | None = None) -> Entity:
        return {"PartitionKey": self._name, "RowKey": key, **(properties or {})}

    async def _make(self, missed: int) -> None:
        """The table is there: whoever comes first makes it, one at a time. `missed` counts the tables made before."""
        async with self._making:
            if self._made != missed:
                return
            with contextlib.suppress(ResourceExistsError):
                await self._client.create_table()
            self._made += 1
