"""Routes that look back: the registration report, which is stale, and the directory's audit log."""

from datetime import datetime, timedelta

from sandbox.graph.calls import PAGED, Answer, Call, Route
from sandbox.graph.errors import GraphError, bad_request
from sandbox.graph.odata import Entity, filtered

AUDIT_FILTERS = {
    "activityDateTime": "eq ge le",
    "activityDisplayName": "eq",
    "loggedByService": "eq",
    "category": "eq",
    "correlationId": "eq",
    "result": "eq",
    "targetResources/id": "any",
}


def registration(call: Call) -> Answer:
    """What the report said when it was made; `Tenant.refresh_report` makes it anew."""
    if not call.tenant.settings.premium:
        raise GraphError(
            403,
            "Authentication_RequestFromNonPremiumTenantOrB2CTenant",
            "Neither tenant is B2C or tenant doesn't have premium license",
        )
    account = call.user
    entity: Entity = {
        "id": account.person.id,
        "userPrincipalName": account.person.user_principal_name,
        "userDisplayName": account.person.display_name,
        "userType": account.person.user_type.lower(),
        "isSsprCapable": False,
        "isSsprEnabled": False,
        "isSsprRegistered": False,
        "isPasswordlessCapable": False,
        "isSystemPreferredAuthenticationMethodEnabled": True,
        "systemPreferredAuthenticationMethods": [],
        **account.report,
    }
    return call.entity(entity, "reports/authenticationMethods/userRegistrationDetails/$entity")


def audits(call: Call) -> Answer:
    """Newest first, `audit_lag_seconds` late."""
    if call.options.get("$orderby", "activityDateTime desc") != "activityDateTime desc":
        raise bad_request("Only $orderby=activityDateTime desc is simulated.")
    latest = call.tenant.now() - timedelta(seconds=call.tenant.settings.audit_lag_seconds)
    known = [one for one in reversed(call.tenant.audits) if datetime.fromisoformat(one["activityDateTime"]) <= latest]
    return call.collection(filtered(known, call.options.get("$filter"), AUDIT_FILTERS), "auditLogs/directoryAudits")


ROUTES = [
    Route("GET", "/reports/authenticationmethods/userregistrationdetails/{id}", registration),
    Route("GET", "/auditlogs/directoryaudits", audits, PAGED | {"$filter", "$top", "$orderby"}),
]
