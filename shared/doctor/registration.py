"""pure: whether the registration of security information is protected by Conditional Access.

Source: Microsoft Graph, "conditionalAccessPolicy resource type", "conditionalAccessApplications resource type" (user actions);
Microsoft Entra, "Require MFA for security info registration".
"""

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from shared.doctor.findings import Finding, Status

ID = "registration-protected"
ACTION = "urn:user:registersecurityinfo"
READER = "Policy.Read.All"
"""Reads the policies; the app must not have it, for it shows an attacker where the tenant is open."""


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, alias_generator=to_camel, hide_input_in_errors=True)


class Applications(_Shape):
    include_user_actions: list[str] = []


class Users(_Shape):
    include_users: list[str] = []


class Conditions(_Shape):
    applications: Applications | None = None
    users: Users | None = None


class GrantControls(_Shape):
    built_in_controls: list[str] = []
    authentication_strength: dict[str, object] | None = None


class Policy(_Shape):
    state: str
    conditions: Conditions
    grant_controls: GrantControls | None = None

    @property
    def about_registration(self) -> bool:
        applications = self.conditions.applications
        return applications is not None and ACTION in applications.include_user_actions

    @property
    def for_everybody(self) -> bool:
        return self.conditions.users is not None and "All" in self.conditions.users.include_users

    @property
    def asks_for_something(self) -> bool:
        controls = self.grant_controls
        return controls is not None and bool(controls.built_in_controls or controls.authentication_strength)


class Policies(_Shape):
    """Of Graph's list, as `az rest` prints it."""

    value: list[Policy]


def judge(policies: Iterable[Policy], root: str) -> Finding:
    ours = [policy for policy in policies if policy.about_registration and policy.asks_for_something]
    enabled = [policy for policy in ours if policy.state == "enabled"]
    mend = f"az rest --method post --url {root}/v1.0/identity/conditionalAccess/policies --body @<policy.json>"
    if any(policy.for_everybody for policy in enabled):
        return Finding(ID, Status.OK, "An enabled policy asks everybody for more before they register.", mandatory=False)
    if enabled:
        return Finding(ID, Status.WARNING, "Enabled policies cover registration, but not for everybody.", mend, mandatory=False)
    if any(policy.state == "enabledForReportingButNotEnforced" for policy in ours):
        return Finding(ID, Status.WARNING, "A policy covers registration, but only reports.", mend, mandatory=False)
    return Finding(ID, Status.FAULT, f"No policy covers the user action {ACTION}.", mend, mandatory=False)


def unseen(root: str) -> Finding:
    """Our identity may not read it, as it should be: a person can, and hand it to the doctor."""
    what = f"Our identity may not read it ({READER}), as it should be. Ask as a person, and give the file with --policies."
    command = (
        f"az rest --method get --url {root}/v1.0/identity/conditionalAccess/policies > policies.json"
        " && reregister doctor --policies policies.json"
    )
    return Finding(ID, Status.NOT_CHECKED, what, command, mandatory=False)
