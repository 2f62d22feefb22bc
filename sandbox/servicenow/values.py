"""What a reader is shown of a record: database values, display values, or both, along dotted paths.

Source: ServiceNow documentation, "Table API" (`sysparm_display_value`, `sysparm_fields`, `sysparm_exclude_reference_link`) and
KB0534905 "Table API FAQs". That a journal is empty as a value and has its history on display is from practice.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

from sandbox.servicenow.schema import Kind
from sandbox.servicenow.store import MOMENT, Record, Store


@dataclass(frozen=True, slots=True)
class Cell:
    """One value as the database holds it and as a person sees it; `link` names the record that a reference leads to."""

    value: str
    display: str
    link: str = ""

    def render(self, mode: str, links: bool) -> Any:
        """The member of a Table API answer for `sysparm_display_value` = `mode`."""
        link = {"link": self.link} if links and self.link else {}
        match mode:
            case "all":
                return {"display_value": self.display, "value": self.value} | link
            case "true":
                return {"display_value": self.display} | link if link else self.display
            case _:
                return link | {"value": self.value} if link else self.value


NOTHING = Cell("", "")


@dataclass(frozen=True, slots=True)
class View:
    """One reader's sight of the store: their zone, the instance's root URL, and which columns they may read."""

    store: Store
    zone: tzinfo
    root: str = ""
    may_read: Callable[[Record, str], bool] = lambda _record, _column: True

    def row(self, record: Record, paths: Iterable[str] | None, mode: str, links: bool) -> dict[str, Any]:
        """The record as a Table API answer; paths that lead nowhere or may not be read are left out."""
        wanted = self.store.columns(record.table) if paths is None else paths
        cells = {path: self.cell(record, path) for path in wanted}
        return {path: cell.render(mode, links) for path, cell in cells.items() if cell is not None}

    def cell(self, record: Record, path: str) -> Cell | None:
        """What stands at a dotted path such as `requested_for.user_name`; `None` where the schema or the rights have nothing."""
        match self._walk(record, path):
            case None:
                return None
            case None, _:
                return NOTHING
            case found, name:
                return self._own(found, name)

    def value(self, record: Record, path: str) -> str:
        """The database value at a dotted path, `""` where there is none."""
        found, name = self._walk(record, path) or (None, "")
        return found[name] if found else ""

    def has_path(self, table: str, path: str) -> bool:
        """Whether the schema knows this path, whatever the records hold."""
        name, _, rest = path.partition(".")
        column = self.store.columns(table).get(name)
        return column is not None and (not rest or (column.kind is Kind.REFERENCE and self.has_path(column.reference, rest)))

    def _walk(self, record: Record, path: str) -> tuple[Record | None, str] | None:
        """The record and column at the end of a path; no record where a reference on the way is empty."""
        name, _, rest = path.partition(".")
        column = self.store.columns(record.table).get(name)
        if column is None or not self.may_read(record, name):
            return None
        if not rest:
            return record, name
        if column.kind is not Kind.REFERENCE or not self.has_path(column.reference, rest):
            return None
        target = self.store.get(column.reference, record[name])
        return self._walk(target, rest) if target else (None, rest)

    def _own(self, record: Record, name: str) -> Cell:
        column, value = self.store.columns(record.table)[name], record[name]
        match column.kind:
            case Kind.REFERENCE if value:
                return Cell(
                    value, self._name_of(column.reference, value), f"{self.root}/api/now/table/{column.reference}/{value}"
                )
            case Kind.CHOICE:
                return Cell(value, column.choices.get(value, value))
            case Kind.MOMENT if value:
                return Cell(value, self.local(value))
            case Kind.INTEGER if value:
                return Cell(value, f"{int(value):,}")
            case Kind.JOURNAL:
                return Cell("", self.journal(record, [name]))
            case Kind.JOURNALS:
                return Cell("", self.journal(record, ["work_notes", "comments"]))
            case _:
                shown = self.store.tables[value].label if name == "sys_class_name" and value in self.store.tables else value
                return Cell(value, shown)

    def _name_of(self, table: str, sys_id: str) -> str:
        target = self.store.get(table, sys_id)
        return self._own(target, self.store.tables[table].display).display if target else ""

    def local(self, value: str) -> str:
        """A database time (UTC) in the reader's zone."""
        return datetime.strptime(value, MOMENT).replace(tzinfo=UTC).astimezone(self.zone).strftime(MOMENT)

    def journal(self, record: Record, elements: list[str]) -> str:
        """The history of journals as one text, newest entry first."""
        columns = self.store.columns(record.table)
        heads = [
            (f"{self.local(entry['sys_created_on'])} - {self.author(entry)} ({columns[entry['element']].label})", entry["value"])
            for entry in self.store.journal(record, elements)
        ]
        return "".join(f"{head}\n{text}\n\n" for head, text in heads)

    def author(self, entry: Record) -> str:
        """The name of who wrote a journal entry."""
        users = self.store.records("sys_user")
        return next((user["name"] for user in users if user["user_name"] == entry["sys_created_by"]), entry["sys_created_by"])
