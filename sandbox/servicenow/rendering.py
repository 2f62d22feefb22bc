"""A ticket as the help desk sees it on the screen, in plain text."""

from sandbox.servicenow.store import Record
from sandbox.servicenow.values import View

HEADER = ("requested_for", "opened_by", "opened_at", "cat_item", "state", "stage", "approval", "active", "closed_by", "closed_at")
WIDTH = 14


def render(view: View, ticket: Record) -> str:
    """Head, approvers and activity stream (newest first); times are in the viewer's zone."""
    columns = view.store.columns(ticket.table)
    head = [(columns[name].label, _display(view, ticket, name)) for name in HEADER if name in columns]
    rows = [row for row in view.store.records("sysapproval_approver") if row["sysapproval"] == ticket.sys_id]
    lines = [f"{view.store.tables[ticket.table].label} {ticket['number']}: {ticket['short_description']}", ""]
    lines += [f"  {label:<{WIDTH}} {shown}" for label, shown in head if shown]
    if rows:
        lines += ["", "  Approvers"]
        for row in rows:
            state, approver, at = (_display(view, row, name) for name in ("state", "approver", "sys_updated_on"))
            lines.append(f"    {state:<{WIDTH - 2}} {approver}, {at}")
    lines += ["", "  Activity"]
    entries = view.store.journal(ticket, ["work_notes", "comments"])
    for entry in entries:
        label = columns[entry["element"]].label
        lines.append(f"    {view.local(entry['sys_created_on'])}  {view.author(entry)} ({label})")
        lines += [f"      {line}".rstrip() for line in entry["value"].splitlines()]
    if not entries:
        lines.append("    nothing yet")
    return "\n".join(lines) + "\n"


def _display(view: View, record: Record, name: str) -> str:
    cell = view.cell(record, name)
    return cell.display if cell else ""
