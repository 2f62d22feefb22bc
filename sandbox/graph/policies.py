"""The route that lists Conditional Access policies. A policy is kept as a script gives it; nothing in the sandbox is bound by it.

Source: Microsoft Graph, "List policies" (conditionalAccessRoot), "conditionalAccessPolicy resource type".
"""

from sandbox.graph.calls import PAGED, Answer, Call, Route
from sandbox.graph.odata import Entity
from sandbox.graph.tenant import instant, object_id
from sandbox.people import LONG_AGO

READERS = frozenset({"Policy.Read.All"})
MEMBERS = {"displayName", "state", "conditions", "grantControls"}
STATES = {"enabled", "disabled", "enabledForReportingButNotEnforced"}


class PoliciesRoute(Route):
    @property
    def permissions(self) -> frozenset[str]:
        return READERS


def policy(given: Entity) -> Entity:
    """A policy with what every policy has; `ValueError` for one that Graph could not have listed."""
    if given.keys() != MEMBERS or given["state"] not in STATES:
        raise ValueError(f"a policy has {sorted(MEMBERS)}, and a state of {sorted(STATES)}")
    return {
        "id": object_id("policy", given["displayName"]),
        "templateId": None,
        "createdDateTime": instant(LONG_AGO),
        "modifiedDateTime": None,
        "sessionControls": None,
        **given,
    }


def policies(call: Call) -> Answer:
    return call.collection(call.tenant.policies, "identity/conditionalAccess/policies")


ROUTES = [PoliciesRoute("GET", "/identity/conditionalaccess/policies", policies, PAGED)]
