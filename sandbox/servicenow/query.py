"""Encoded queries (`sysparm_query`): what a record must be, and in which order.

Parts that the instance does not understand are ignored and the rest runs, unless its property
`glide.invalid_query.returns_no_rows` says otherwise. Source: ServiceNow documentation, "Table API" (which
also says that values are case-sensitive); operators that it does not list are from practice.
The subset: `=`, `!=`, `<`, `<=`, `>`, `>=`, `IN`, `NOT IN`, `LIKE`, `STARTSWITH`, `ENDSWITH`, `ISEMPTY`, `ISNOTEMPTY`; `^`, `^OR`
(binds to the condition before it), `^NQ`, `ORDERBY`, `ORDERBYDESC`.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sandbox.servicenow.store import Record
from sandbox.servicenow.values import View

TERM = re.compile(
    r"(?P<path>[a-z0-9_.]+)(?P<operator>!=|>=|<=|=|>|<|NOT IN|IN|LIKE|STARTSWITH|ENDSWITH|ISEMPTY|ISNOTEMPTY)(?P<value>.*)",
    re.DOTALL,
)
ORDER = re.compile(r"ORDERBY(?P<down>DESC)?(?P<path>[a-z0-9_.]+)")

TESTS: dict[str, Callable[[str, str], bool]] = {
    "=": lambda has, wants: has == wants,
    "!=": lambda has, wants: has != wants,
    ">": lambda has, wants: has > wants,
    ">=": lambda has, wants: has >= wants,
    "<": lambda has, wants: has < wants,
    "<=": lambda has, wants: has <= wants,
    "IN": lambda has, wants: has in wants.split(","),
    "NOT IN": lambda has, wants: has not in wants.split(","),
    "LIKE": lambda has, wants: wants in has,
    "STARTSWITH": lambda has, wants: has.startswith(wants),
    "ENDSWITH": lambda has, wants: has.endswith(wants),
    "ISEMPTY": lambda has, _: not has,
    "ISNOTEMPTY": lambda has, _: bool(has),
}


@dataclass(frozen=True, slots=True)
class Term:
    path: str
    operator: str
    value: str

    def holds(self, view: View, record: Record) -> bool:
        return TESTS[self.operator](view.value(record, self.path), self.value)


type Condition = list[Term]  # one of them must hold


@dataclass(slots=True)
class Query:
    """`branches` (separated by `^NQ`) of conditions; a branch without conditions lets everything through."""

    branches: list[list[Condition]] = field(default_factory=lambda: [[]])
    order: list[tuple[str, bool]] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)

    def select(self, view: View, records: Iterable[Record]) -> list[Record]:
        """The records that match, in order."""
        found = [record for record in records if any(self._matches(view, record, branch) for branch in self.branches)]
        for path, down in reversed(self.order):
            found.sort(key=lambda record: view.value(record, path), reverse=down)
        return found

    @staticmethod
    def _matches(view: View, record: Record, branch: list[Condition]) -> bool:
        return all(any(term.holds(view, record) for term in condition) for condition in branch)


def parse(view: View, table: str, text: str) -> Query:
    """The query in `text` for a table; what is not understood is listed in `invalid` and constrains nothing."""
    query = Query()
    extends = False  # whether the part before was a condition that `^OR` may extend
    for part in text.replace("^^", "\0").split("^"):
        part = part.replace("\0", "^")  # noqa: PLW2901
        if part in {"", "EQ"}:
            continue
        if order := ORDER.fullmatch(part):
            path = order["path"]
            query.order.append((path, bool(order["down"]))) if view.has_path(table, path) else query.invalid.append(part)
            continue
        alternative, fresh = part.startswith("OR"), part.startswith("NQ")
        if fresh:
            query.branches.append([])
        match = TERM.fullmatch(part[2:] if alternative or fresh else part)
        if match is None or not view.has_path(table, match["path"]):
            query.invalid.append(part)
            extends = extends and alternative
            continue
        term = Term(match["path"], match["operator"], match["value"])
        if alternative and extends:
            query.branches[-1][-1].append(term)
        else:
            query.branches[-1].append([term])
        extends = True
    return query
