"""The instance's own logic around writes: data policy, closing, and how approvals add up.

Source of the data policy: Ansible collection servicenow.itsm (a resolved incident needs a code and notes). How a task closes and
how approver records roll up is the usual configuration; an instance may differ.
"""

from collections.abc import Mapping

from sandbox.servicenow.store import Record, Store

RESOLVED = frozenset({"6", "7"})


class PolicyError(Exception):
    """A data policy refuses the write; the text names the labels of what is missing."""


def data_policy(store: Store, record: Record, changes: dict[str, str], by: str) -> None:
    """An incident is not resolved or closed without a resolution code and notes."""
    del by
    if record.table != "incident" or changes.get("state") not in RESOLVED:
        return
    columns = store.columns("incident")
    missing = [columns[name].label for name in ("close_code", "close_notes") if not changes.get(name, record[name])]
    if missing:
        raise PolicyError(f"Data Policy Exception: The following fields are mandatory: {', '.join(missing)}")


def closing(store: Store, record: Record, changes: dict[str, str], by: str) -> None:
    """A task's `active` follows its `state`; who closed it, and when, is kept."""
    closed = store.tables[record.table].closed
    if not closed or "state" not in changes:
        return
    ends = changes["state"] in closed
    changes["active"] = "false" if ends else "true"
    changes["closed_at"] = store.stamp() if ends else ""
    user = next((user for user in store.records("sys_user") if user["user_name"] == by), None)
    changes["closed_by"] = user.sys_id if ends and user else ""


def approval_date(store: Store, record: Record, changes: dict[str, str], by: str) -> None:
    """An approver's row keeps when it was decided."""
    del by
    if record.table == "sysapproval_approver" and changes.get("state") in {"approved", "rejected"}:
        changes.setdefault("approval_date", store.stamp())


def roll_up(store: Store, record: Record, before: Mapping[str, str]) -> None:
    """A ticket is approved by one approver, rejected by one rejection, and requested again when its approval is taken back."""
    if record.table != "sysapproval_approver" or record["state"] == before.get("state"):
        return
    ticket = store.get("task", record["sysapproval"])
    if ticket is None:
        return
    rows = [row["state"] for row in store.records("sysapproval_approver") if row["sysapproval"] == ticket.sys_id]
    verdict = next((state for state in ("rejected", "approved", "requested", "cancelled") if state in rows), ticket["approval"])
    store.update(ticket, {"approval": verdict}, record["sys_updated_by"])
