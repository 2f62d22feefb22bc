"""Routes that read people, groups and their membership."""

from typing import Any

from sandbox.graph.account import Account
from sandbox.graph.calls import PAGED, Answer, Call, Route
from sandbox.graph.errors import GraphError, bad_request, no_resource, unsupported_query
from sandbox.graph.odata import Entity, filtered, selected
from sandbox.graph.permissions import GROUP_READERS, ROLE_READERS, WHOLE_USER
from sandbox.graph.tenant import instant, object_id
from sandbox.people import CUSTOM_ROLES, LONG_AGO, ROLES, Group

USER_DEFAULT = (
    "businessPhones", "displayName", "givenName", "jobTitle", "mail", "mobilePhone", "officeLocation", "preferredLanguage",
    "surname", "userPrincipalName", "id",
)  # fmt: skip
USER_BASIC = {*USER_DEFAULT, "userType"}
"""What User.ReadBasic.All shows; anything else asked for is refused with 403 (Microsoft documents only that it is not shown)."""
GROUP_PROPERTIES = (
    "id", "displayName", "description", "groupTypes", "isAssignableToRole", "mail", "mailEnabled", "mailNickname",
    "securityEnabled",
)  # fmt: skip
GROUP_FILTERS = {"id": "eq in", "isAssignableToRole": "eq", "securityEnabled": "eq"}
"""What `$filter` takes of a group by default; nothing else of it is simulated, `ne` and `not` would be advanced queries."""
ROLE_PROPERTIES = ("id", "displayName", "description", "roleTemplateId", "deletedDateTime")
UNIT_PROPERTIES = ("id", "displayName", "description", "visibility", "isMemberManagementRestricted")


def user(account: Account) -> Entity:
    """All properties of a user that are simulated."""
    person = account.person
    guest = person.user_type == "Guest"
    return {
        "businessPhones": [],
        "displayName": person.display_name,
        "givenName": person.given_name,
        "jobTitle": person.job_title,
        "mail": person.mail,
        "mobilePhone": None,
        "officeLocation": None,
        "preferredLanguage": None,
        "surname": person.surname,
        "userPrincipalName": person.user_principal_name,
        "id": person.id,
        "accountEnabled": person.enabled,
        "createdDateTime": instant(LONG_AGO),
        "creationType": "Invitation" if guest else None,
        "department": person.department,
        "employeeId": None,
        "employeeType": person.employee_type,
        "externalUserState": "Accepted" if guest else None,
        "isManagementRestricted": True if person.restricted else None,
        "onPremisesSyncEnabled": True if person.synced else None,
        "otherMails": [],
        "signInSessionsValidFromDateTime": instant(account.sessions_revoked_at or LONG_AGO),
        "userType": person.user_type,
    }


def group(found: Group) -> Entity:
    return {
        "id": found.id,
        "displayName": found.display_name,
        "description": None,
        "groupTypes": [],
        "isAssignableToRole": True if found.role_assignable else None,
        "mail": None,
        "mailEnabled": False,
        "mailNickname": found.display_name.replace(" ", ""),
        "securityEnabled": True,
    }


def directory_role(name: str) -> Entity:
    return {
        "id": object_id("role", name),
        "displayName": name,
        "description": f"{name} of the tenant.",
        "roleTemplateId": ROLES[name],
        "deletedDateTime": None,
    }


def _related(call: Call, type_name: str, entities: list[Entity], properties: tuple[str, ...], *, readable: bool) -> list[Entity]:
    """What the relationship shows of these objects: all of them, or with a cast those of its type."""
    entities = _shown(entities, readable=readable)
    if not call.cast:
        return [{"@odata.type": f"#microsoft.graph.{type_name}", **entity} for entity in entities]
    if call.cast != f"graph.{type_name.lower()}":
        return []
    return [selected(entity, call.options.get("$select"), properties, type_name) for entity in entities]


def _shown(entities: list[Entity], *, readable: bool) -> list[Entity]:
    """Of an object that the app may see but not read only the id is shown ("limited information", the rest is null)."""
    return entities if readable else [dict.fromkeys(entity) | {"id": entity["id"]} for entity in entities]


def _eventual(call: Call) -> bool:
    return call.headers.get("ConsistencyLevel", "").lower() == "eventual"


def _advanced(call: Call) -> None:
    """Casts and `$count` on directory objects are advanced queries: they need the header and the option, both."""
    eventual = _eventual(call)
    counted = call.options.get("$count") == "true"
    if (call.cast and not (eventual and counted)) or ("$count" in call.options and not eventual):
        raise unsupported_query(
            "OData cast and $count need the header 'ConsistencyLevel: eventual' and the query option $count=true."
        )
    if "$select" in call.options and not call.cast:
        raise unsupported_query("$select needs a cast here.")


def get_user(call: Call) -> Answer:
    names = call.options.get("$select")
    whole = user(call.user)
    entity = selected(whole, names, whole, "user", USER_DEFAULT)
    if not call.may(WHOLE_USER) and not set(entity) <= USER_BASIC:
        raise GraphError(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
    fragment = f"users({names})/$entity" if names else "users/$entity"
    return call.entity(entity, fragment)


def get_manager(call: Call) -> Answer:
    manager = call.user.person.manager
    if manager is None:
        raise no_resource("manager")
    return call.entity({"@odata.type": "#microsoft.graph.user", **_default_user(call, manager)}, "directoryObjects/$entity")


def _default_user(call: Call, identifier: str) -> Entity:
    whole = user(call.tenant.account(identifier))
    return selected(whole, None, whole, "user", USER_DEFAULT)


def transitive_member_of(call: Call) -> Answer:
    """Groups, tenant-wide active built-in directory roles and administrative units, direct or through groups."""
    _advanced(call)
    account = call.user
    groups = [group(found) for found in call.tenant.groups_of(account.person.id)]
    names = dict.fromkeys(grant.role for grant in call.tenant.roles_of(account.person.id))
    roles = [directory_role(name) for name in names if name not in CUSTOM_ROLES]
    units = [_unit()] if account.person.restricted else []
    items = _related(call, "group", groups, GROUP_PROPERTIES, readable=call.may(GROUP_READERS))
    items += _related(call, "directoryRole", roles, ROLE_PROPERTIES, readable=call.may(ROLE_READERS))
    items += _related(call, "administrativeUnit", units, UNIT_PROPERTIES, readable=call.may(ROLE_READERS))
    return call.collection(items, "directoryObjects")


def _unit() -> Entity:
    return {
        "id": object_id("unit", "Executives"),
        "displayName": "Executives",
        "description": None,
        "visibility": None,
        "isMemberManagementRestricted": True,
    }


def owned_objects(call: Call) -> Answer:
    _advanced(call)
    identifier = call.user.person.id
    groups = [group(found) for found in call.tenant.groups.values() if identifier in found.owners]
    items = _related(call, "group", groups, GROUP_PROPERTIES, readable=call.may(GROUP_READERS))
    return call.collection(items, "directoryObjects")


def check_member_groups(call: Call) -> Answer:
    asked = call.body.get("groupIds") if isinstance(call.body, dict) and set(call.body) == {"groupIds"} else None
    if not isinstance(asked, list) or not all(isinstance(one, str) for one in asked):
        raise bad_request("groupIds must be a list of group ids.")
    if len(asked) > 20:
        raise bad_request("Too many group ids: at most 20.", "Directory_ResultSizeLimitExceeded")
    mine = {found.id for found in call.tenant.groups_of(call.user.person.id)}
    return call.entity({"value": [one for one in asked if one in mine]}, "Collection(Edm.String)")


def get_member_groups(call: Call) -> Answer:
    if not isinstance(call.body, dict) or not isinstance(call.body.get("securityEnabledOnly"), bool):
        raise bad_request("securityEnabledOnly must be true or false.")
    mine = [found.id for found in call.tenant.groups_of(call.user.person.id)]
    return call.entity({"value": mine}, "Collection(Edm.String)")


def _group(call: Call) -> Group:
    if found := call.tenant.groups.get(call.ids[0]):
        return found
    raise no_resource(call.ids[0])


def list_groups(call: Call) -> Answer:
    """All groups, or those that `$filter` keeps; it leaves out what rests on properties that the app may not read."""
    if "$count" in call.options and not _eventual(call):
        raise unsupported_query("$count needs the header 'ConsistencyLevel: eventual'.")
    shown = _shown([group(found) for found in call.tenant.groups.values()], readable=call.may(GROUP_READERS))
    kept = filtered(shown, call.options.get("$filter"), GROUP_FILTERS)
    return call.collection([selected(one, call.options.get("$select"), GROUP_PROPERTIES, "group") for one in kept], "groups")


def get_group(call: Call) -> Answer:
    entity = group(_group(call))
    return call.entity(selected(entity, call.options.get("$select"), GROUP_PROPERTIES, "group"), "groups/$entity")


def members(call: Call) -> Answer:
    return _members(call, _group(call).members)


def transitive_members(call: Call) -> Answer:
    root = _group(call).id
    inside = [a.person.id for a in call.tenant.accounts.values() if root in {g.id for g in call.tenant.groups_of(a.person.id)}]
    nested = [g.id for g in call.tenant.groups.values() if root in {outer.id for outer in call.tenant.groups_of(g.id)}]
    return _members(call, [*inside, *nested])


def _members(call: Call, ids: list[str]) -> Answer:
    _advanced(call)
    people = [_default_user(call, one) for one in ids if one in call.tenant.accounts]
    groups = [group(call.tenant.groups[one]) for one in ids if one in call.tenant.groups]
    items = _related(call, "user", people, USER_DEFAULT, readable=call.may(WHOLE_USER))
    items += _related(call, "group", groups, GROUP_PROPERTIES, readable=call.may(GROUP_READERS))
    return call.collection(items, "directoryObjects")


RELATED = PAGED | {"$top", "$count", "$select"}


def _with_casts(path: str, handle: Any, *casts: str) -> list[Route]:
    return [Route("GET", path + cast, handle, RELATED) for cast in ("", *(f"/graph.{cast}" for cast in casts))]


ROUTES = [
    Route("GET", "/users/{id}", get_user, frozenset({"$select"})),
    Route("GET", "/users/{id}/manager", get_manager),
    *_with_casts("/users/{id}/transitivememberof", transitive_member_of, "group", "directoryrole", "administrativeunit"),
    *_with_casts("/users/{id}/ownedobjects", owned_objects, "group"),
    Route("POST", "/users/{id}/checkmembergroups", check_member_groups),
    Route("POST", "/users/{id}/getmembergroups", get_member_groups),
    Route("GET", "/groups", list_groups, RELATED | {"$filter"}),
    Route("GET", "/groups/{id}", get_group, frozenset({"$select"})),
    *_with_casts("/groups/{id}/members", members, "user", "group"),
    *_with_casts("/groups/{id}/transitivemembers", transitive_members, "user", "group"),
]
