"""The tables of the simulated instance: columns, what kind they are, and what people see for their values.

Columns follow the sample bodies of the ServiceNow documentation "Table API"; incident states and approval values those of the
Ansible collection servicenow.itsm. The states of a task and the labels are from practice: no official page lists them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto


class Kind(Enum):
    TEXT = auto()
    INTEGER = auto()
    BOOLEAN = auto()
    MOMENT = auto()  # UTC in the database, the reader's zone on display
    CHOICE = auto()
    REFERENCE = auto()  # holds a sys_id
    JOURNAL = auto()  # appended to, never read back as a value
    JOURNALS = auto()  # all journals of a record in one stream


@dataclass(frozen=True, slots=True)
class Column:
    label: str
    kind: Kind = Kind.TEXT
    reference: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)
    default: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """`display` names the column whose value stands for a record; `closed` the states in which a task is no longer active."""

    name: str
    label: str
    display: str
    columns: Mapping[str, Column]
    extends: str = ""
    prefix: str = ""
    closed: frozenset[str] = frozenset()

    def with_column(self, name: str, column: Column) -> "Table":
        return replace(self, columns={**self.columns, name: column})


def _text(label: str, default: str = "") -> Column:
    return Column(label, default=default)


def _integer(label: str, default: str = "") -> Column:
    return Column(label, Kind.INTEGER, default=default)


def _flag(label: str, default: str = "true") -> Column:
    return Column(label, Kind.BOOLEAN, default=default)


def _moment(label: str) -> Column:
    return Column(label, Kind.MOMENT)


def _reference(label: str, table: str) -> Column:
    return Column(label, Kind.REFERENCE, reference=table)


SYSTEM = {
    "sys_id": _text("Sys ID"),
    "sys_created_on": _moment("Created"),
    "sys_created_by": _text("Created by"),
    "sys_updated_on": _moment("Updated"),
    "sys_updated_by": _text("Updated by"),
    "sys_mod_count": _integer("Updates", "0"),
}

APPROVAL = {
    "not requested": "Not Yet Requested",
    "requested": "Requested",
    "approved": "Approved",
    "rejected": "Rejected",
    "cancelled": "Cancelled",
}
TASK_STATE = {
    "-5": "Pending",
    "1": "Open",
    "2": "Work in Progress",
    "3": "Closed Complete",
    "4": "Closed Incomplete",
    "7": "Closed Skipped",
}
STAGE = {
    "waiting_for_approval": "Waiting for Approval",
    "request_approved": "Request Approved",
    "request_cancelled": "Request Cancelled",
    "fulfillment": "Fulfillment",
    "complete": "Completed",
}
INCIDENT_STATE = {"1": "New", "2": "In Progress", "3": "On Hold", "6": "Resolved", "7": "Closed", "8": "Canceled"}
PRIORITY = {"1": "1 - Critical", "2": "2 - High", "3": "3 - Moderate", "4": "4 - Low", "5": "5 - Planning"}

TASK = {
    **SYSTEM,
    "sys_class_name": _text("Task type"),
    "number": _text("Number"),
    "short_description": _text("Short description"),
    "description": _text("Description"),
    "state": Column("State", Kind.CHOICE, choices=TASK_STATE, default="1"),
    "active": _flag("Active"),
    "approval": Column("Approval", Kind.CHOICE, choices=APPROVAL, default="not requested"),
    "priority": Column("Priority", Kind.CHOICE, choices=PRIORITY, default="4"),
    "opened_by": _reference("Opened by", "sys_user"),
    "opened_at": _moment("Opened"),
    "closed_by": _reference("Closed by", "sys_user"),
    "closed_at": _moment("Closed"),
    "close_notes": _text("Close notes"),
    "assigned_to": _reference("Assigned to", "sys_user"),
    "assignment_group": _reference("Assignment group", "sys_user_group"),
    "parent": _reference("Parent", "task"),
    "correlation_id": _text("Correlation ID"),
    "work_notes": Column("Work notes", Kind.JOURNAL),
    "comments": Column("Additional comments", Kind.JOURNAL),
    "comments_and_work_notes": Column("Comments and Work notes", Kind.JOURNALS),
}

TABLES = {
    table.name: table
    for table in (
        Table("task", "Task", "number", TASK),
        Table(
            "sc_request",
            "Request",
            "number",
            {**TASK, "requested_for": _reference("Requested for", "sys_user")},
            extends="task",
            prefix="REQ",
            closed=frozenset({"3", "4", "7"}),
        ),
        Table(
            "sc_req_item",
            "Requested Item",
            "number",
            {
                **TASK,
                "requested_for": _reference("Requested for", "sys_user"),
                "request": _reference("Request", "sc_request"),
                "cat_item": _reference("Item", "sc_cat_item"),
                "stage": Column("Stage", Kind.CHOICE, choices=STAGE, default="waiting_for_approval"),
                "quantity": _integer("Quantity", "1"),
            },
            extends="task",
            prefix="RITM",
            closed=frozenset({"3", "4", "7"}),
        ),
        Table(
            "incident",
            "Incident",
            "number",
            {
                **TASK,
                "caller_id": _reference("Caller", "sys_user"),
                "state": Column("State", Kind.CHOICE, choices=INCIDENT_STATE, default="1"),
                "category": _text("Category", "inquiry"),
                "close_code": _text("Resolution code"),
                "resolved_by": _reference("Resolved by", "sys_user"),
                "resolved_at": _moment("Resolved"),
            },
            extends="task",
            prefix="INC",
            closed=frozenset({"7", "8"}),
        ),
        Table(
            "sysapproval_approver",
            "Approval",
            "sysapproval",
            {
                **SYSTEM,
                "sysapproval": _reference("Approval for", "task"),
                "source_table": _text("Source table"),
                "approver": _reference("Approver", "sys_user"),
                "group": _reference("Assignment group", "sys_user_group"),
                "state": Column("State", Kind.CHOICE, choices=APPROVAL, default="requested"),
                "approval_date": _moment("Approval date"),
                "due_date": _moment("Due date"),
                "comments": Column("Comments", Kind.JOURNAL),
            },
        ),
        Table(
            "sys_user",
            "User",
            "name",
            {
                **SYSTEM,
                "user_name": _text("User ID"),
                "name": _text("Name"),
                "first_name": _text("First name"),
                "last_name": _text("Last name"),
                "email": _text("Email"),
                "employee_number": _text("Employee number"),
                "title": _text("Title"),
                "manager": _reference("Manager", "sys_user"),
                "active": _flag("Active"),
                "locked_out": _flag("Locked out", "false"),
                "web_service_access_only": _flag("Web service access only", "false"),
                "time_zone": _text("Time zone"),
            },
        ),
        Table(
            "sys_user_group",
            "Group",
            "name",
            {
                **SYSTEM,
                "name": _text("Name"),
                "description": _text("Description"),
                "manager": _reference("Manager", "sys_user"),
                "active": _flag("Active"),
            },
        ),
        Table(
            "sys_user_grmember",
            "Group Member",
            "user",
            {**SYSTEM, "user": _reference("User", "sys_user"), "group": _reference("Group", "sys_user_group")},
        ),
        Table(
            "sc_cat_item",
            "Catalog Item",
            "name",
            {**SYSTEM, "name": _text("Name"), "short_description": _text("Short description"), "active": _flag("Active")},
        ),
        Table(
            "sys_journal_field",
            "Journal Entry",
            "element",
            {
                **SYSTEM,
                "name": _text("Name"),
                "element": _text("Element"),
                "element_id": _text("Element ID"),
                "value": _text("Value"),
            },
        ),
    )
}
