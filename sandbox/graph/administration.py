"""Routes by which whoever administers the tenant makes and deletes users, adds a phone, and sees what tenant this is.

Sources: Microsoft Graph, "Create user", "Delete a user", "List users", "Create phoneMethod", "List organizations", "List
subscribedSkus", each with its table of permissions; a delete by an application never reaches a user with an administrative role.
Only what the live tier needs is simulated: of `GET /users` no filter, of a user no property besides those of `_WANTED`.
"""

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sandbox.graph import writes
from sandbox.graph.authentication import shown
from sandbox.graph.calls import PAGED, Answer, Call, Route
from sandbox.graph.directory import USER_DEFAULT, user
from sandbox.graph.errors import GraphError, bad_request, method_refused, unsupported_query
from sandbox.graph.odata import Entity, selected
from sandbox.graph.permissions import AUTHENTICATION, WRITE
from sandbox.people import Person

READERS = frozenset(f"{what}.{how}.All" for what in ("Directory", "User") for how in ("Read", "ReadWrite"))
MAKERS = frozenset({"User.ReadWrite.All", "Directory.ReadWrite.All"})
DELETERS = frozenset({"User.ReadWrite.All"})
PHONE_WRITERS = frozenset({"UserAuthMethod-Phone.ReadWrite.All", WRITE})
ORGANIZATION_READERS = frozenset({"Directory.Read.All", "Directory.ReadWrite.All"})
SKU_READERS = ORGANIZATION_READERS | {"Organization.Read.All", "Organization.ReadWrite.All"}

_NEEDED = {"accountEnabled": bool, "displayName": str, "mailNickname": str, "passwordProfile": dict, "userPrincipalName": str}
_WANTED = {*_NEEDED, "employeeType"}
_NAME = re.compile(r"[A-Za-z0-9'._!#^~-]+@([A-Za-z0-9.-]+)")
_NUMBER = re.compile(r"\+\d{1,3} \d{4,14}(x\d+)?")
_PHONE_TYPES = frozenset({"mobile", "alternateMobile", "office"})


@dataclass(frozen=True)
class AdministratorsRoute(Route):
    """A route with the application permissions that its own page names."""

    accepts: frozenset[str] = frozenset()

    @property
    def permissions(self) -> frozenset[str]:
        return self.accepts


def list_users(call: Call) -> Answer:
    if "$count" in call.options and call.headers.get("ConsistencyLevel", "").lower() != "eventual":
        raise unsupported_query("$count needs the header 'ConsistencyLevel: eventual'.")
    select = call.options.get("$select")
    everybody = [user(account) for account in call.tenant.accounts.values()]
    return call.collection([selected(one, select, one, "user", USER_DEFAULT) for one in everybody], "users")


def make_user(call: Call) -> Answer:
    body = _object(call.body, _WANTED)
    for name, kind in _NEEDED.items():
        if not isinstance(body.get(name), kind) or body[name] == "":
            raise _invalid(f"A value is required for property '{name}' of resource 'User'.")
    if not isinstance(body["passwordProfile"].get("password"), str):
        raise _invalid("The specified password does not comply with password complexity requirements.")
    name = body["userPrincipalName"]
    domain = _NAME.fullmatch(name)
    if not domain or domain[1].lower() not in call.tenant.organization.domains:
        raise _invalid("The domain portion of the userPrincipalName property is invalid.")
    if call.tenant.find(name):
        raise _invalid("Another object with the same value for property userPrincipalName already exists.")
    person = Person(
        id=str(uuid.uuid4()),
        user_principal_name=name,
        display_name=body["displayName"],
        given_name="",
        surname="",
        enabled=body["accountEnabled"],
        employee_type=body.get("employeeType"),
    )
    whole = user(call.tenant.add(person))
    return call.entity(selected(whole, None, whole, "user", USER_DEFAULT), "users/$entity")


def delete_user(call: Call) -> Answer:
    person = call.user.person
    if any(grant.principal == person.id for grant in call.tenant.roles):
        raise GraphError(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
    call.tenant.remove(person.id)
    return None


def add_phone(call: Call) -> Answer:
    account, body = call.user, _object(call.body, {"phoneNumber", "phoneType"})
    if body.get("phoneType") not in _PHONE_TYPES or not _NUMBER.fullmatch(str(body.get("phoneNumber"))):
        raise method_refused("Invalid phone number or type.")
    added = writes.add_phone(call.tenant, account, body, call.actor)
    return call.entity(shown(added, typed=True), f"users('{account.person.id}')/authentication/phoneMethods/$entity")


def list_organizations(call: Call) -> Answer:
    ours = call.tenant.organization
    domains: list[Entity] = [
        {
            "capabilities": "Email, OfficeCommunicationsOnline",
            "isDefault": name == ours.domains[-1],
            "isInitial": name == ours.domains[0],
            "name": name,
            "type": "Managed",
        }
        for name in ours.domains
    ]
    entity: Entity = {
        "id": ours.id,
        "displayName": ours.display_name,
        "onPremisesSyncEnabled": True if ours.synced else None,
        "tenantType": "AAD",
        "verifiedDomains": domains,
    }
    return call.collection([selected(entity, call.options.get("$select"), entity, "organization")], "organization")


def list_skus(call: Call) -> Answer:
    skus: list[Entity] = [
        {
            "id": f"{call.tenant.organization.id}_{uuid.uuid5(uuid.NAMESPACE_OID, name)}",
            "capabilityStatus": "Enabled",
            "consumedUnits": seats,
            "prepaidUnits": {"enabled": max(seats, 25), "lockedOut": 0, "suspended": 0, "warning": 0},
            "skuId": str(uuid.uuid5(uuid.NAMESPACE_OID, name)),
            "skuPartNumber": name,
        }
        for name, seats in call.tenant.organization.skus.items()
    ]
    return call.collection(skus, "subscribedSkus")


def _object(body: Any, known: Iterable[str]) -> dict[str, Any]:
    if not isinstance(body, dict) or set(body) - set(known):
        raise bad_request("Invalid properties for this resource.", "Request_BadRequest")
    return body


def _invalid(message: str) -> GraphError:
    return bad_request(message, "Request_BadRequest")


_LIST = PAGED | {"$top", "$count", "$select"}
_PHONES = f"{AUTHENTICATION}/phonemethods"
ROUTES: list[Route] = [
    AdministratorsRoute("GET", "/users", list_users, _LIST, accepts=READERS | {"User.ReadBasic.All"}),
    AdministratorsRoute("POST", "/users", make_user, writes=True, status=201, accepts=MAKERS),
    AdministratorsRoute("DELETE", "/users/{id}", delete_user, writes=True, status=204, accepts=DELETERS),
    AdministratorsRoute("POST", _PHONES, add_phone, writes=True, status=201, accepts=PHONE_WRITERS),
    AdministratorsRoute("GET", "/organization", list_organizations, frozenset({"$select"}), accepts=ORGANIZATION_READERS),
    AdministratorsRoute("GET", "/subscribedskus", list_skus, accepts=SKU_READERS),
]
