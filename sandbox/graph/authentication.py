"""Routes below `/users/{id}/authentication/`, and the revocation of sessions."""

from functools import partial

from sandbox.graph import writes
from sandbox.graph.calls import PAGED, Answer, Call, Route
from sandbox.graph.errors import NoSuchController, bad_request, method_refused, no_method
from sandbox.graph.kinds import BETA, KINDS, Kind
from sandbox.graph.odata import Entity
from sandbox.graph.permissions import AUTHENTICATION
from sandbox.graph.tenant import instant
from sandbox.people import Method
from sandbox.tokens import TENANT

PREFERENCES = ("push", "oath", "voiceMobile", "voiceAlternateMobile", "voiceOffice", "sms")


def shown(method: Method, *, typed: bool = False) -> Entity:
    """A method as Graph shows it; lists of one type leave `@odata.type` out."""
    entity: Entity = {} if typed else {"@odata.type": f"#microsoft.graph.{method.type}AuthenticationMethod"}
    entity["id"] = method.id
    if method.created_shown != "absent":
        entity["createdDateTime"] = instant(method.created.replace(microsecond=0)) if method.created_shown == "value" else None
    return entity | method.properties


def list_methods(call: Call) -> Answer:
    user = call.user
    items = [shown(method) for method in call.tenant.listed(user, call.version)]
    return call.collection(items, f"users('{user.person.id}')/authentication/methods")


def get_method(call: Call) -> Answer:
    user = call.user
    for method in call.tenant.listed(user, call.version):
        if method.id == call.ids[1]:
            return call.entity(shown(method), f"users('{user.person.id}')/authentication/methods/$entity")
    raise no_method()


def delete_untyped(call: Call) -> Answer:
    raise NoSuchController(call.ids[0], call.ids[1], TENANT)


def list_kind(kind: Kind, call: Call) -> Answer:
    user = call.user
    listed = user.listed(call.tenant.now(), lambda method: method.type == kind.type)
    items = [shown(method, typed=True) for method in listed]
    return call.collection(items, f"users('{user.person.id}')/authentication/{kind.segment}")


def get_kind(kind: Kind, call: Call) -> Answer:
    user = call.user
    found = user.listed(call.tenant.now(), lambda m: m.type == kind.type and (kind.single or m.id == call.ids[1]))
    if not found:
        raise no_method()
    return call.entity(shown(found[0], typed=True), f"users('{user.person.id}')/authentication/{kind.segment}/$entity")


def delete_kind(kind: Kind, call: Call) -> Answer:
    user = call.user
    wanted = next((m.id for m in user.methods if m.type == kind.type), "") if kind.single else call.ids[1]
    writes.delete(call.tenant, user, kind.type, wanted, call.actor)
    return None


def deactivate(call: Call) -> Answer:
    writes.deactivate(call.tenant, call.user, call.ids[1], call.actor)
    return None


def issue_pass(call: Call) -> Answer:
    wanted = call.body
    if not isinstance(wanted, dict) or set(wanted) - {"isUsableOnce", "lifetimeInMinutes", "startDateTime"}:
        raise bad_request("Invalid properties for a Temporary Access Pass.")
    method = writes.issue_pass(call.tenant, call.user, wanted, call.actor)
    return shown(method, typed=True) | {"temporaryAccessPass": "Sim+Pass1"}


def get_preferences(call: Call) -> Answer:
    user = call.user
    preferences = {
        "isSystemPreferredAuthenticationMethodEnabled": True,
        "userPreferredMethodForSecondaryAuthentication": user.person.default_method,
    }
    return call.entity(preferences, f"users('{user.person.id}')/authentication/signInPreferences")


def set_preferences(call: Call) -> Answer:
    user, wanted = call.user, call.body
    known = {"isSystemPreferredAuthenticationMethodEnabled", "userPreferredMethodForSecondaryAuthentication"}
    if not isinstance(wanted, dict) or not wanted or set(wanted) - known:
        raise bad_request("Invalid properties for signInPreferences.")
    if "userPreferredMethodForSecondaryAuthentication" in wanted:
        default = wanted["userPreferredMethodForSecondaryAuthentication"]
        if default not in PREFERENCES:
            raise method_refused(f"Invalid userPreferredMethodForSecondaryAuthentication: {default!r}.")
        writes.prefer(call.tenant, user, default, call.actor)
    return None


def revoke_sessions(call: Call) -> Answer:
    writes.revoke_sessions(call.tenant, call.user, call.actor)
    return call.entity({"value": True}, "Edm.Boolean")


def _kind_routes(kind: Kind) -> list[Route]:
    many = f"{AUTHENTICATION}/{kind.segment.lower()}"
    one = many if kind.single else f"{many}/{{id}}"
    routes = [Route("GET", one, partial(get_kind, kind), versions=kind.versions)]
    if not kind.single:
        routes.append(Route("GET", many, partial(list_kind, kind), PAGED, versions=kind.versions))
    if kind.deletable:
        routes.append(Route("DELETE", one, partial(delete_kind, kind), versions=kind.versions, writes=True, status=204))
    return routes


ROUTES = [
    Route("GET", f"{AUTHENTICATION}/methods", list_methods, PAGED),
    Route("GET", f"{AUTHENTICATION}/methods/{{id}}", get_method),
    *(route for kind in KINDS.values() for route in _kind_routes(kind)),
    Route("POST", f"{AUTHENTICATION}/hardwareoathmethods/{{id}}/deactivate", deactivate, versions=BETA, writes=True, status=204),
    Route("POST", f"{AUTHENTICATION}/temporaryaccesspassmethods", issue_pass, writes=True, status=201),
    Route("GET", f"{AUTHENTICATION}/signinpreferences", get_preferences, versions=BETA),
    Route("PATCH", f"{AUTHENTICATION}/signinpreferences", set_preferences, versions=BETA, writes=True, status=204),
    Route("POST", "/users/{id}/revokesigninsessions", revoke_sessions, writes=True),
]

UNTYPED_DELETE = Route("DELETE", f"{AUTHENTICATION}/methods/{{id}}", delete_untyped, writes=True)
"""Asks for no permission: the answer is the same for everyone."""
