"""What Graph's writes do to a tenant, and by which rules they are refused.

Sources: Microsoft Graph, "Delete phoneAuthenticationMethod", "phoneAuthenticationMethod resource type" (no alternate mobile
without a mobile), "hardwareOathAuthenticationMethod: deactivate"; microsoft-graph-docs-contrib issue 1888 and
microsoft-graph-docs issue 14470 (the texts by which a default method is refused while others exist). What is documented nowhere
is a field of `Settings`.
"""

import copy
import uuid
from datetime import timedelta
from typing import Any

from sandbox.graph.account import Account, Ghost, is_active_token, is_second_factor, serves
from sandbox.graph.errors import GraphError, method_refused, no_method
from sandbox.graph.tenant import Tenant, instant
from sandbox.people import PHONE_IDS, DefaultMethod, Method

RESTRICTED = (
    "This user is a member of a restricted management administrative unit. "
    "Management rights are limited to administrators scoped on that administrative unit."
)


def _guard(tenant: Tenant, account: Account) -> None:
    """Raises Graph's 403 when the user's administrative unit keeps application permissions out."""
    if account.person.restricted and tenant.settings.restricted_units_bind:
        raise GraphError(403, "Authorization_RequestDenied", RESTRICTED)


def delete(tenant: Tenant, account: Account, kind: str, identifier: str, actor: str) -> Method:
    """The method is gone (a hardware token: no longer assigned), or `GraphError` says why not."""
    _guard(tenant, account)
    method = _present(account, kind, identifier)
    if method.id == PHONE_IDS["mobile"] and account.method("phone", PHONE_IDS["alternateMobile"]):
        raise method_refused("Cannot delete mobile number without first deleting alternate mobile number")
    _default_last(tenant, account, method)
    account.methods.remove(method)
    _forget_default(account)
    _leave_behind(tenant, account, method, None)
    _record(tenant, account, method, "deleted")
    _audit(tenant, account, "Admin deleted security info", actor)
    return method


def deactivate(tenant: Tenant, account: Account, identifier: str, actor: str) -> Method:
    """The hardware token no longer works but stays assigned and listed."""
    _guard(tenant, account)
    method = _present(account, "hardwareOath", identifier)
    if not is_active_token(method) and not tenant.settings.deactivate_twice:
        raise method_refused("The hardware OATH token is not activated.")
    after = copy.deepcopy(method)
    after.properties["device"]["status"] = "assigned"
    _default_last(tenant, account, method)
    account.methods[account.methods.index(method)] = after
    _forget_default(account)
    _leave_behind(tenant, account, method, after)
    _record(tenant, account, method, "deactivated")
    _audit(tenant, account, "Update Hardware Oath Token", actor, category="ApplicationManagement")
    return after


def prefer(tenant: Tenant, account: Account, default: DefaultMethod, actor: str) -> None:
    """The sign-in preference is `default`, which needs a method that serves it."""
    _guard(tenant, account)
    if not any(serves(default, method) for method in account.methods):
        raise method_refused(f"The user has no method registered for {default}.")
    account.person.default_method = default
    _audit(tenant, account, "PATCH UserAuthMethod.PatchSignInPreferencesAsync", actor, category="ApplicationManagement")


def revoke_sessions(tenant: Tenant, account: Account, actor: str) -> None:
    """Refresh tokens and browser sessions from before now are void."""
    _guard(tenant, account)
    account.revocations.append(tenant.now())
    _audit(tenant, account, "Update StsRefreshTokenValidFrom Timestamp", actor, service="Core Directory")


def issue_pass(tenant: Tenant, account: Account, wanted: dict[str, Any], actor: str) -> Method:
    """A Temporary Access Pass replaces the user's former one; its secret is in this answer only."""
    _guard(tenant, account)
    minutes = wanted.get("lifetimeInMinutes", 60)
    if not isinstance(minutes, int) or not 10 <= minutes <= 43200:
        raise method_refused("lifetimeInMinutes must be between 10 and 43200.")
    account.methods = [method for method in account.methods if method.type != "temporaryAccessPass"]
    properties = {"startDateTime": instant(tenant.now()), **wanted}
    method = tenant.register(account.person.id, Method(type="temporaryAccessPass", created=tenant.now(), properties=properties))
    _audit(tenant, account, "Admin registered security info", actor)
    return method


def add_phone(tenant: Tenant, account: Account, wanted: dict[str, Any], actor: str) -> Method:
    """The phone is registered by an administrator; one of each type, and no alternate mobile without a mobile."""
    _guard(tenant, account)
    try:
        method = tenant.register(account.person.id, Method(type="phone", created=tenant.now(), properties=wanted))
    except ValueError as error:
        raise method_refused(f"{error}.") from error
    _audit(tenant, account, "Admin registered security info", actor)
    return method


def _audit(
    tenant: Tenant,
    account: Account,
    activity: str,
    actor: str,
    *,
    category: str = "UserManagement",
    service: str = "Authentication Methods",
) -> None:
    person = account.person
    tenant.audits.append(
        {
            "id": f"Sim_{uuid.uuid4()}",
            "category": category,
            "correlationId": str(uuid.uuid4()),
            "result": "success",
            "resultReason": "",
            "activityDisplayName": activity,
            "activityDateTime": instant(tenant.now()),
            "loggedByService": service,
            "operationType": "Update",
            "initiatedBy": {"user": None, "app": {"appId": None, "displayName": None, "servicePrincipalId": actor}},
            "targetResources": [
                {
                    "id": person.id,
                    "displayName": person.display_name,
                    "type": "User",
                    "userPrincipalName": person.user_principal_name,
                    "modifiedProperties": [],
                }
            ],
            "additionalDetails": [],
        }
    )


def _present(account: Account, kind: str, identifier: str) -> Method:
    if method := account.method(kind, identifier):
        return method
    raise no_method()


def _default_last(tenant: Tenant, account: Account, method: Method) -> None:
    """The method that serves the default goes only when no other second factor is left."""
    default = account.person.default_method
    lagging = [g.was for g in account.ghosts if g.now is None] if tenant.settings.rules_lag else []
    others = [m for m in account.methods if m is not method]
    if not serves(default, method) or any(serves(default, m) for m in others):
        return
    if not account.person.hidden_method and not any(is_second_factor(m) for m in (*others, *lagging)):
        return
    if method.type == "phone":
        raise method_refused(
            f"The requested authentication method id of [{method.id}] matches the user's current default authentication "
            "method, and cannot be deleted until the default authentication method is changed"
        )
    raise method_refused(
        "Cannot delete default method with other methods configured. Please change default method before deletion."
    )


def _forget_default(account: Account) -> None:
    if not any(serves(account.person.default_method, method) for method in account.methods):
        account.person.default_method = None


def _leave_behind(tenant: Tenant, account: Account, was: Method, now: Method | None) -> None:
    person = account.person
    seconds = tenant.settings.lag_seconds if person.lag_seconds is None else person.lag_seconds
    reads = tenant.settings.lag_reads if person.lag_reads is None else person.lag_reads
    if seconds > 0 or reads > 0:
        account.ghosts.append(Ghost(was, now, tenant.now() + timedelta(seconds=seconds), reads))


def _record(tenant: Tenant, account: Account, method: Method, how: str) -> None:
    account.removals.append({"type": method.type, "id": method.id, "how": how, "at": instant(tenant.now())})
