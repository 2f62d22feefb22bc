"""Scripting a simulated tenant from outside its process, below `/_sim/`.

* `GET|PUT /_sim/settings`: the fields of `Settings`; only those named change. The same for `/_sim/organization`.
* `GET|POST /_sim/users`; `GET|PATCH|DELETE /_sim/users/{id}`: people and what happened
  to them (`deletions`, `sessionsRevokedAt`).
* `POST /_sim/users/{id}/methods`: somebody registers a method, now unless `created` says otherwise; `POST .../report`: the
  registration report is made anew.
* `PUT /_sim/policies` with Conditional Access policies (`displayName`, `state`, `conditions`, `grantControls`): these are all.
* `POST /_sim/roles`, `/_sim/group-eligibilities`, `/_sim/memberships` (`{user, group, access}`).

Users are named by object id or user principal name. Bodies have the shape of the parts of a seed file (`sandbox.people`). What
Entra would not allow, or a member that does not exist, is answered with 400 and changes nothing.
"""

import dataclasses
from typing import Any

from aiohttp import web
from pydantic import TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from sandbox.graph.account import Account
from sandbox.graph.errors import GraphError
from sandbox.graph.organization import Organization
from sandbox.graph.policies import policy
from sandbox.graph.tenant import Settings, Tenant, instant
from sandbox.people import GroupEligibility, Method, Person, RoleGrant

_FIELDS = {to_camel(f.name): f.name for f in dataclasses.fields(Person)}


def seen(account: Account) -> dict[str, Any]:
    """The truth about a user, without lag: the person in the shape of a seed file, and what happened to them."""
    person: dict[str, Any] = TypeAdapter(Person).dump_python(account.person, mode="json", by_alias=True)
    methods = TypeAdapter(list[Method]).dump_python(account.methods, mode="json", by_alias=True)
    return person | {
        "methods": methods,
        "deletions": account.removals,
        "sessionsRevokedAt": instant(account.sessions_revoked_at),
        "revocations": [instant(moment) for moment in account.revocations],
    }


async def control(tenant: Tenant, request: web.Request, what: str) -> web.Response:
    """Answers `/_sim/{what}`."""
    body = await request.json() if request.can_read_body else {}
    return web.json_response(_tried(lambda: _shared(tenant, request.method, what, body)))


async def control_user(tenant: Tenant, request: web.Request) -> web.Response:
    """Answers `/_sim/users/{id}` and `/_sim/users/{id}/{part}`."""
    body = await request.json() if request.can_read_body else {}
    user, part = request.match_info["id"], request.match_info.get("part", "")
    return web.json_response(_tried(lambda: _user(tenant, request.method, user, part, body)))


def _shared(tenant: Tenant, method: str, what: str, body: Any) -> Any:
    match method, what:
        case "GET", "settings":
            return TypeAdapter(Settings).dump_python(tenant.settings, mode="json", by_alias=True)
        case "PUT", "settings":
            now = TypeAdapter(Settings).dump_python(tenant.settings, mode="json", by_alias=True)
            tenant.settings = TypeAdapter(Settings).validate_python({**now, **body})
        case "GET", "organization":
            return TypeAdapter(Organization).dump_python(tenant.organization, mode="json", by_alias=True)
        case "PUT", "organization":
            so_far = TypeAdapter(Organization).dump_python(tenant.organization, mode="json", by_alias=True)
            tenant.organization = TypeAdapter(Organization).validate_python({**so_far, **body})
        case "GET", "users":
            return [seen(account) for account in tenant.accounts.values()]
        case "POST", "users":
            return seen(tenant.add(TypeAdapter(Person).validate_python(body)))
        case "POST", "roles":
            wanted = TypeAdapter(RoleGrant).validate_python(body)
            tenant.grant(wanted.principal, wanted.role, wanted.kind, wanted.scope)
        case "POST", "group-eligibilities":
            eligible = TypeAdapter(GroupEligibility).validate_python(body)
            tenant.make_eligible(eligible.principal, eligible.group, eligible.access)
        case "POST", "memberships":
            tenant.join(**body)
        case "PUT", "policies":
            tenant.policies = [policy(one) for one in body]
        case _:
            raise web.HTTPNotFound(text=f"no control {method} {what}")
    return {}


def _user(tenant: Tenant, method: str, user: str, part: str, body: Any) -> Any:
    match method, part:
        case "GET", "":
            return seen(tenant.account(user))
        case "PATCH", "":
            return seen(tenant.update(user, **{_FIELDS.get(name, name): value for name, value in body.items()}))
        case "DELETE", "":
            tenant.remove(user)
        case "POST", "methods":
            body = {"created": instant(tenant.now()), **body}
            registered = tenant.register(user, TypeAdapter(Method).validate_python(body))
            return TypeAdapter(Method).dump_python(registered, mode="json", by_alias=True)
        case "POST", "report":
            tenant.refresh_report(user)
        case _:
            raise web.HTTPNotFound(text=f"no control {method} users/{part}")
    return {}


def _tried(step: Any) -> Any:
    try:
        return step()
    except GraphError as error:
        raise web.HTTPNotFound(text=error.message) from error
    except ValidationError as error:
        raise web.HTTPBadRequest(text=str(error)) from error
    except (KeyError, TypeError, ValueError) as error:
        raise web.HTTPBadRequest(text=f"{type(error).__name__}: {error}") from error
