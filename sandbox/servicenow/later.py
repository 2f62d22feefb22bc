"""What happens to a ticket between two readings of it, for those who test what a reader makes of that."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from sandbox.servicenow.store import Store


@dataclass(slots=True)
class Later:
    """`change` is made once, as soon as a caller begins the reading after the next `reads` ones of the ticket.

    Its record and its approvals are read by calls of their own, in any order: each is counted for itself, and whichever comes
    first brings the change about. So the readings before see nothing of it, and that one sees all of it.
    """

    ticket: str
    reads: int
    change: Callable[[], Any]
    _seen: Counter[str] = field(default_factory=Counter)

    def due_at(self, table: str) -> bool:
        self._seen[table] += 1
        return self._seen[table] > self.reads


class Moments:
    """The changes that wait."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.waiting: list[Later] = []

    def wait(self, ticket: str, reads: int, change: Callable[[], Any]) -> None:
        """`change` waits for the ticket (number or `sys_id`) to be read so often; 0: for its next reading."""
        self.waiting.append(Later(self._store.find("task", ticket).sys_id, reads, change))

    def come(self, request: web.Request) -> None:
        """Makes what was to happen before this call of the Table API."""
        for later in [later for later in self.waiting if _reads(request, later.ticket) and later.due_at(_table(request))]:
            self.waiting.remove(later)
            later.change()


def _table(request: web.Request) -> str:
    return request.match_info["table"]


def _reads(request: web.Request, ticket: str) -> bool:
    """Whether the call reads the ticket, or the first page of its approvals."""
    if request.method != "GET":
        return False
    if _table(request) == "sysapproval_approver":
        query = request.query.get("sysparm_query", "")
        return f"sysapproval={ticket}" in query.split("^") and request.query.get("sysparm_offset", "0") == "0"
    return request.match_info.get("sys_id") == ticket
