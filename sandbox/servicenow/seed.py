"""What an instance holds when it starts, from plain JSON.

    {"users":     [{"user_name", "name"?, "email"?, "sys_id"?, "password"?, "rights"?, "oid"?, ...any sys_user column}],
     "groups":    [{"name", "members"?: [user], ...}],
     "catalog":   [{"name", "sys_id"?, ...}],
     "tickets":   [{"table"?: "sc_req_item", "number"?, "requested_for", "opened_by", "cat_item", "approval"?, ...}],
     "approvals": [{"ticket": number, "approver": user, "state"?, "sys_updated_on"?, ...}]}

References are names, numbers or `sys_id`s. `rights` is `"admin"`, `"integration"` or an object for `Rights.of`; `oid` makes the
user an integration user that a token with this object id leads to. System columns are taken as they are. No rule fires.
"""

from collections.abc import Mapping
from typing import Any

from sandbox.servicenow.access import ADMINISTRATOR, INTEGRATION, NOBODY, Access, Rights
from sandbox.servicenow.desk import Desk
from sandbox.servicenow.schema import SYSTEM
from sandbox.servicenow.store import Record
from sandbox.tokens import IDENTITY_OBJECT_ID

INTEGRATION_USER = "svc.reregister"
INTEGRATION_USER_ID = "5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e"
ADMIN_USER_ID = "adadadadadadadadadadadadadadadad"
NAMED_RIGHTS = {"admin": ADMINISTRATOR, "integration": INTEGRATION, "none": NOBODY}
STANDARD_USERS: tuple[dict[str, Any], ...] = (
    {"user_name": "admin", "name": "System Administrator", "sys_id": ADMIN_USER_ID, "rights": "admin"},
    {
        "user_name": INTEGRATION_USER,
        "name": "Reregister Integration",
        "sys_id": INTEGRATION_USER_ID,
        "web_service_access_only": "true",
        "rights": "integration",
        "oid": IDENTITY_OBJECT_ID,
    },
)
"""Present in every instance that the seed does not give users of the same names."""


def rights_of(given: str | Mapping[str, Any]) -> Rights:
    return NAMED_RIGHTS[given] if isinstance(given, str) else Rights.of(given)


def plant(seed: Mapping[str, Any], desk: Desk, access: Access) -> None:
    """Fills an empty instance."""
    users: list[dict[str, Any]] = list(seed.get("users", ()))
    given = {user["user_name"] for user in users}
    for user in [*(user for user in STANDARD_USERS if user["user_name"] not in given), *users]:
        plant_user(user, desk, access)
    for item in seed.get("catalog", ()):
        _record(desk, "sc_cat_item", item)
    for group in seed.get("groups", ()):
        record = _record(desk, "sys_user_group", {name: value for name, value in group.items() if name != "members"})
        for member in group.get("members", ()):
            desk.join(member, record.sys_id)
    for ticket in seed.get("tickets", ()):
        _record(desk, ticket.get("table", "sc_req_item"), {name: value for name, value in ticket.items() if name != "table"})
    for row in seed.get("approvals", ()):
        values = {("sysapproval" if name == "ticket" else name): value for name, value in row.items()}
        ticket = desk.ticket(values["sysapproval"])
        _record(desk, "sysapproval_approver", {"source_table": ticket.table, **values})


def plant_user(user: Mapping[str, Any], desk: Desk, access: Access) -> Record:
    """One person, with whatever credential and rights the seed gives them."""
    values = dict(user)
    name = values["user_name"]
    password, rights, oid = (values.pop(member, None) for member in ("password", "rights", "oid"))
    if password is not None:
        access.passwords[name] = password
    if rights is not None:
        access.rights[name] = rights_of(rights)
    if oid is not None:
        access.integrations[oid] = name
    own, system = _split(values)
    record = desk.create_user(**own)
    desk.store.force(record, system)
    return record


def _record(desk: Desk, table: str, values: Mapping[str, Any]) -> Record:
    own, system = _split(values)
    record = desk.create(table, **own)
    desk.store.force(record, system)
    return record


def _split(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The columns that a write may set, and the system columns that only a background script can."""
    system = {name: value for name, value in values.items() if name in SYSTEM and name != "sys_id"}
    return {name: value for name, value in values.items() if name not in system}, system
