"""What was seen from outside: what was asked for, what the directory, the desk and the queues say became of it. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sandbox.chaos.plan import Kind

_ENTRY = re.compile(r"^ {4}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}.+ \((Work notes|Additional comments)\)$")
WORK_NOTE, COMMENT = "Work notes", "Additional comments"

type Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Made:
    """A demand as it was made. `key` is the ticket's `sys_id` or the event's id, `subject` an object id."""

    number: int
    kind: Kind
    by: str
    key: str
    subject: str
    profile: str


@dataclass(frozen=True, slots=True)
class Registered:
    """A method that somebody registered after the app had accepted what was asked for them."""

    subject: str
    method: Json


@dataclass(frozen=True, slots=True)
class Answer:
    """What the app answered to a delivery of its webhook, whether or not the answer arrived."""

    ticket: str
    status: int
    request_id: str | None


@dataclass
class Evidence:
    """`before` and `after` are people as the directory has them, by object id; `writes` its log of calls that ask for a change;
    `pages` the tickets as the desk sees them, by `sys_id`; `statuses` what the app says, by request id;
    `receipts` the audit trails, by request id, where there are any.
    """

    made: list[Made] = field(default_factory=list)
    before: dict[str, Json] = field(default_factory=dict)
    after: dict[str, Json] = field(default_factory=dict)
    registered: list[Registered] = field(default_factory=list)
    writes: list[Json] = field(default_factory=list)
    pages: dict[str, str] = field(default_factory=dict)
    results: list[Json] = field(default_factory=list)
    statuses: dict[str, Json] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    receipts: dict[str, bytes] = field(default_factory=dict)

    def told(self, made: Made) -> list[Json]:
        """The results for a demand, copies left out: a result may come more than once under the same id."""
        return list(self._results.get(made.key, {}).values())

    def request_ids(self, made: Made) -> set[str]:
        """Under which ids the app knows a demand: one, if all is well."""
        return self._answered.get(made.key, set()) | {result["data"]["requestId"] for result in self.told(made)}

    @cached_property
    def _results(self) -> dict[str, dict[str, Json]]:
        found: dict[str, dict[str, Json]] = {}
        for result in self.results:
            if "outcome" in (data := result["data"]):
                key = data["ticket"]["sysId"] if "ticket" in data else data["cause"]["id"]
                found.setdefault(key, {}).setdefault(result["id"], result)
        return found

    @cached_property
    def _answered(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for answer in self.answers:
            if answer.request_id:
                found.setdefault(answer.ticket, set()).add(answer.request_id)
        return found


def entries(page: str) -> Iterator[tuple[str, str]]:
    """The entries of a ticket's activity: which journal, and the text."""
    label, lines = "", list[str]()
    for line in page.splitlines():
        if found := _ENTRY.match(line):
            if label:
                yield label, "\n".join(lines)
            label, lines = found[1], []
        elif label:
            lines.append(line.strip())
    if label:
        yield label, "\n".join(lines)
