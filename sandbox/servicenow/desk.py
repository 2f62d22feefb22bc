"""What people at the help desk do in their own screens: open, approve, withdraw, close.

People are named by user name or `sys_id`, tickets by number or `sys_id`.
"""

from typing import Any

from sandbox.servicenow.store import Record, Store

APPROVED = "approved"


class Desk:
    """Acts on the store as the person concerned; the instance's rules run as for any other write.

    Unknown people, tickets or columns raise `LookupError`, values that the database refuses `ValueError`. Columns that start with
    `u_` come into being with their first value.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    def create_user(self, user_name: str, **values: Any) -> Record:
        """A person who can sign in to nothing yet; `name` and `email` are made up where they are not given."""
        values.setdefault("name", user_name.partition("@")[0].replace(".", " ").title())
        values.setdefault("email", user_name if "@" in user_name else "")
        return self.create("sys_user", user_name=user_name, **values)

    def create_group(self, name: str, *members: str, **values: Any) -> Record:
        group = self.create("sys_user_group", name=name, **values)
        for member in members:
            self.join(member, group.sys_id)
        return group

    def join(self, person: str, group: str) -> Record:
        """The person is a member of the group; groups are named by name or `sys_id`."""
        return self.create("sys_user_grmember", user=person, group=group)

    def leave(self, person: str, group: str) -> Record:
        """The person is no member of the group any more; the group."""
        user, found = self.store.find("sys_user", person), self.store.find("sys_user_group", group)
        for row in list(self.store.records("sys_user_grmember")):
            if (row["user"], row["group"]) == (user.sys_id, found.sys_id):
                self.store.delete(row)
        return found

    def open_ticket(
        self,
        requested_for: str,
        opened_by: str,
        cat_item: str,
        *approvers: str,
        short_description: str = "Require MFA re-registration",
        **values: Any,
    ) -> Record:
        """A requested item that awaits approval, by these people if any are named."""
        opener = self.store.find("sys_user", opened_by)["user_name"]
        people = {"requested_for": requested_for, "opened_by": opened_by}
        order = self.create("sc_request", opener, short_description=short_description, **people)
        ticket = self.create(
            "sc_req_item",
            opener,
            **(people | {"cat_item": cat_item, "request": order.sys_id, "approval": "requested"}),
            **{"short_description": short_description, **values},
        )
        for approver in approvers:
            self._row(ticket, approver, "requested", opener)
        return ticket

    def approve(self, ticket: str, approver: str, comments: str = "") -> Record:
        """The approver's row says approved, and with it the ticket; the sender is told where it is configured."""
        return self._decide(ticket, approver, APPROVED, comments)

    def reject(self, ticket: str, approver: str, comments: str = "") -> Record:
        return self._decide(ticket, approver, "rejected", comments)

    def withdraw(self, ticket: str, to: str = "requested") -> Record:
        """Approvals already given are taken back: row and ticket are `requested` again, or `cancelled`."""
        found = self.ticket(ticket)
        for row in self.approvals(found):
            if row["state"] == APPROVED:
                self.store.update(row, {"state": to}, self._name(row["approver"]))
        self.change(found, found["sys_updated_by"], approval=to)
        return found

    def close(self, ticket: str, state: str = "3", by: str = "admin", **values: Any) -> Record:
        found = self.ticket(ticket)
        self.change(found, by, state=state, **values)
        return found

    def reopen(self, ticket: str, by: str = "admin") -> Record:
        return self.close(ticket, "2", by)

    def note(self, ticket: str, by: str, text: str, element: str = "work_notes") -> Record:
        found = self.ticket(ticket)
        self.change(found, by, **{element: text})
        return found

    def overwrite(self, table: str, record: str, **values: str) -> Record:
        """Sets columns as the database has them, system columns such as `sys_updated_on` too; no rule runs."""
        found = self.store.find(table, record)
        self.store.force(found, values)
        return found

    def create(self, table: str, by: str = "admin", /, **values: Any) -> Record:
        """A record as given; references may be names."""
        return self.store.insert(table, self._checked(table, values), by)

    def change(self, record: Record, by: str, /, **values: Any) -> set[str]:
        """An ordinary update by that user; says which columns changed."""
        return self.store.update(record, self._checked(record.table, values), by)

    def ticket(self, ticket: str) -> Record:
        return self.store.find("task", ticket)

    def approvals(self, ticket: Record) -> list[Record]:
        return [row for row in self.store.records("sysapproval_approver") if row["sysapproval"] == ticket.sys_id]

    def _decide(self, ticket: str, approver: str, state: str, comments: str) -> Record:
        found, person = self.ticket(ticket), self.store.find("sys_user", approver)
        row = next(
            (row for row in self.approvals(found) if row["approver"] == person.sys_id and row["state"] == "requested"), None
        )
        if row is None:
            return self._row(found, approver, state, person["user_name"], comments)
        self.store.update(row, {"state": state, "comments": comments}, person["user_name"])
        return row

    def _row(self, ticket: Record, approver: str, state: str, by: str, comments: str = "") -> Record:
        return self.create(
            "sysapproval_approver",
            by,
            sysapproval=ticket.sys_id,
            source_table=ticket.table,
            approver=approver,
            state=state,
            comments=comments,
        )

    def _name(self, sys_id: str) -> str:
        return self.store.find("sys_user", sys_id)["user_name"]

    def _checked(self, table: str, values: dict[str, Any]) -> dict[str, str]:
        for name in values.keys() - self.store.columns(table).keys():
            self.store.add_column(table, name)
        columns = self.store.columns(table)
        named = {
            name: self.store.find(columns[name].reference, value).sys_id if columns[name].reference and value else value
            for name, value in values.items()
        }
        accepted = self.store.accepted(table, named)
        if refused := sorted(named.keys() - accepted.keys()):
            raise ValueError(f"{table} does not take these values: {[f'{name}={named[name]!r}' for name in refused]}")
        return accepted
