"""What the doctor reads beyond the app's own ports. Nothing here writes; errors are those of `shared.ports`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from shared.doctor.registration import Policy
from shared.model import Person


class GraphInspection(Protocol):
    async def claims(self) -> Mapping[str, Any] | None:
        """What our own access token for Microsoft Graph says, unverified; None when it cannot be read."""
        ...

    async def administrators(self, limit: int) -> tuple[Person, ...]:
        """Some people who are Global Administrators, directly; none when nobody is seen."""
        ...

    async def policies(self) -> tuple[Policy, ...]:
        """All Conditional Access policies."""
        ...


@dataclass(frozen=True, slots=True)
class QueueSeen:
    """About how many messages there are; of those that could be looked at, how many are not base64 of UTF-8 text."""

    messages: int
    looked_at: int
    foreign: int


class StorageInspection(Protocol):
    async def queue(self, name: str) -> QueueSeen | None:
        """None when there is no such queue."""
        ...

    async def journal(self) -> bool:
        """Whether the table is there; it can be read if so."""
        ...

    async def control(self) -> bool: ...

    async def receipts(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class TicketSeen:
    """Which fields of a ticket are shown; the catalog item, and the `sys_user` whom it is for."""

    sys_id: str
    shown: frozenset[str]
    catalog_item: str
    person_field: str
    requested_for: str


@dataclass(frozen=True, slots=True)
class RowsSeen:
    """How many rows are shown with all that is asked for, how many match in all; `total` None when that is not said."""

    shown: int
    total: int | None


class TicketInspection(Protocol):
    async def reach(self, table: str) -> RowsSeen:
        """The first row of a table, read with our token."""
        ...

    async def ticket(self, tables: Sequence[str], name: str, fields: Sequence[str]) -> TicketSeen | None:
        """The ticket with this number or `sys_id`; None when none of the tables shows one."""
        ...

    async def approvals(self, sys_id: str) -> RowsSeen: ...

    async def subject(self, user: str, field: str) -> str | None:
        """What this field of a `sys_user` says; None when it says nothing, or may not be read."""
        ...

    async def members(self, group: str) -> RowsSeen: ...


class Dates(Protocol):
    async def told(self, address: str) -> datetime | None:
        """The `Date` of an answer from there, whatever its status; None without an answer or a date. No token is sent."""
        ...
