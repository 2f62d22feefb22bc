"""The database of the simulated instance: records of text, journals that only grow, rules around every write."""

import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.servicenow.schema import SYSTEM, TABLES, Column, Kind, Table

MOMENT = "%Y-%m-%d %H:%M:%S"
KEYS = ("number", "user_name", "name", "email")
FIRST_NUMBER = 10001


class DuplicateError(ValueError):
    """The table has a record with this `sys_id` already."""


@dataclass(eq=False, slots=True)
class Record:
    """One row. Every value is text; an empty one is `""`."""

    table: str
    values: dict[str, str] = field(default_factory=dict)

    @property
    def sys_id(self) -> str:
        return self.values["sys_id"]

    def __getitem__(self, column: str) -> str:
        return self.values.get(column, "")


type Before = Callable[["Store", Record, dict[str, str], str], None]
type After = Callable[["Store", Record, Mapping[str, str]], None]


class Store:
    """Tables by name, records by `sys_id`.

    `before` rules see a write before it is made (record, accepted changes, who) and may add to it or raise; `after` rules see the
    record and the values that it had.
    """

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.now = now
        self.tables: dict[str, Table] = dict(TABLES)
        self.before: list[Before] = []
        self.after: list[After] = []
        self._records: dict[str, dict[str, Record]] = {name: {} for name in self.tables}
        self._journals: defaultdict[str, list[Record]] = defaultdict(list)
        self._numbers: defaultdict[str, int] = defaultdict(lambda: FIRST_NUMBER)

    def add_column(self, table: str, name: str, kind: Kind = Kind.TEXT, choices: Mapping[str, str] | None = None) -> None:
        """Gives a table a column of the customer's own; such names start with `u_`."""
        if not name.startswith("u_"):
            raise ValueError(f"{table} has no column {name}; a new one must start with u_")
        self.tables[table] = self.tables[table].with_column(name, Column(name.removeprefix("u_"), kind, choices=choices or {}))

    def columns(self, table: str) -> Mapping[str, Column]:
        return self.tables[table].columns

    def records(self, table: str) -> Iterator[Record]:
        """All records of a table and of the tables that extend it, oldest first."""
        for concrete in self._concrete(table):
            yield from self._records[concrete].values()

    def get(self, table: str, sys_id: str) -> Record | None:
        return next((self._records[t][sys_id] for t in self._concrete(table) if sys_id in self._records[t]), None)

    def find(self, table: str, text: str) -> Record:
        """The one record that people mean by `text`: its `sys_id`, number, user name, name or e-mail address."""
        if record := self.get(table, text):
            return record
        for key in KEYS:
            if found := [record for record in self.records(table) if text and record[key] == text]:
                return found[0]
        raise LookupError(f"no {table} is called {text!r}")

    def journal(self, record: Record, elements: Collection[str]) -> list[Record]:
        """The record's entries in these journals, newest first."""
        return [entry for entry in reversed(self._journals[record.sys_id]) if entry["element"] in elements]

    def accepted(self, table: str, values: Mapping[str, Any]) -> dict[str, str]:
        """What the database would take of `values`, as text; the rest (no such column, no such choice or record) is left out."""
        columns = self.columns(table)
        taken = {name: self._text(columns[name], value) for name, value in values.items() if name in columns}
        return {name: text for name, text in taken.items() if text is not None}

    def insert(self, table: str, values: Mapping[str, str], by: str) -> Record:
        """A new record with defaults for what `values` leave out; `sys_id` and `number` may be given (`DuplicateError`)."""
        schema = self.tables[table]
        stamp = self.stamp()
        record = Record(table, {name: column.default for name, column in schema.columns.items()})
        changes = dict(values)
        changes["sys_id"] = changes.get("sys_id") or uuid.uuid4().hex
        if self.get(table, changes["sys_id"]):
            raise DuplicateError(f"{table} has a record {changes['sys_id']} already")
        if schema.prefix:
            changes["number"] = self._number(schema, changes.get("number", ""))
            changes.setdefault("opened_at", stamp)
            changes["sys_class_name"] = table
        changes |= {"sys_created_on": stamp, "sys_created_by": by, "sys_updated_on": stamp, "sys_updated_by": by}
        self._write(record, changes, by, stamp)
        return record

    def update(self, record: Record, changes: Mapping[str, str], by: str) -> set[str]:
        """Makes accepted changes and says which columns changed; a write that changes nothing leaves no trace."""
        changed = {
            name: text
            for name, text in changes.items()
            if name not in SYSTEM and name != "sys_class_name" and text != record[name]
        }
        if changed:
            stamp = self.stamp()
            system = {"sys_updated_on": stamp, "sys_updated_by": by, "sys_mod_count": str(int(record["sys_mod_count"]) + 1)}
            self._write(record, changed, by, stamp, system)
        return set(changed)

    def force(self, record: Record, values: Mapping[str, str]) -> None:
        """Sets values as they are, system columns too, and lets no rule run: what a background script can do."""
        for name in values.keys() - self.columns(record.table).keys():
            self.add_column(record.table, name)
        record.values.update(values)

    def delete(self, record: Record) -> None:
        del self._records[record.table][record.sys_id]

    def stamp(self) -> str:
        """Now, as the database writes it: UTC without a zone, whole seconds."""
        return self.now().astimezone(UTC).strftime(MOMENT)

    def _concrete(self, table: str) -> list[str]:
        return [name for name, schema in self.tables.items() if table in {name, schema.extends}]

    def _is_journal(self, record: Record, name: str) -> bool:
        return self.columns(record.table)[name].kind is Kind.JOURNAL

    def _write(
        self, record: Record, changes: dict[str, str], by: str, stamp: str, system: Mapping[str, str] | None = None
    ) -> None:
        before = dict(record.values)
        for rule in self.before:
            rule(self, record, changes, by)
        record.values.update(system or {})
        for name, text in changes.items():
            if not self._is_journal(record, name):
                record.values[name] = text
        self._records[record.table].setdefault(record.sys_id, record)
        for name, text in changes.items():
            if text and self._is_journal(record, name):
                self._append(record, name, text, by, stamp)
        for after in self.after:
            after(self, record, before)

    def _append(self, record: Record, element: str, text: str, by: str, stamp: str) -> None:
        entry = Record("sys_journal_field", dict.fromkeys(self.columns("sys_journal_field"), ""))
        entry.values |= {"sys_id": uuid.uuid4().hex, "name": record.table, "element": element, "element_id": record.sys_id}
        entry.values |= {"value": text, "sys_created_on": stamp, "sys_created_by": by, "sys_mod_count": "0"}
        self._records["sys_journal_field"][entry.sys_id] = entry
        self._journals[record.sys_id].append(entry)

    def _number(self, schema: Table, given: str) -> str:
        """The number given, or the next free one of the table."""
        digits = given.removeprefix(schema.prefix)
        taken = int(digits) if digits.isdecimal() else self._numbers[schema.name]
        self._numbers[schema.name] = max(self._numbers[schema.name], taken + 1)
        return given or f"{schema.prefix}{taken:07d}"

    def _text(self, column: Column, value: Any) -> str | None:
        text = {True: "true", False: "false", None: ""}[value] if value is None or isinstance(value, bool) else str(value)
        match column.kind:
            case Kind.BOOLEAN:
                return {"true": "true", "1": "true", "false": "false", "0": "false", "": "false"}.get(text.lower())
            case Kind.INTEGER:
                return text if not text or text.removeprefix("-").isdecimal() else None
            case Kind.CHOICE:
                return text if not text or text in column.choices else None
            case Kind.REFERENCE:
                return text if not text or self.get(column.reference, text) else None
            case Kind.MOMENT:
                return text if not text or _is_moment(text) else None
            case Kind.JOURNALS:
                return None
            case Kind.TEXT | Kind.JOURNAL:
                return text


def _is_moment(text: str) -> bool:
    try:
        datetime.strptime(text, MOMENT).replace(tzinfo=UTC)
    except ValueError:
        return False
    return True
