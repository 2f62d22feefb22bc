"""pure: whether the registration of security information is protected by Conditional Access.

Source: Microsoft Graph, "conditionalAccessPolicy resource type", "conditionalAccessApplications resource type" (user actions),
"conditionalAccessGrantControls resource type"; Microsoft Entra, "Require MFA for security info registration".
"""

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from shared.doctor.findings import Finding, Status

ID = "registration-protected"
ACTION = "urn:user:registersecurityinfo"
PROTECTS = frozenset({"block", "compliantDevice", "domainJoinedDevice", "mfa"})
"""Of the controls that can be asked for, those that somebody with only the password does not pass."""
READER = "Policy.Read.All"
"""Reads the policies; the app must not have it, for it shows an attacker where the tenant is open."""


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, alias_generator=to_camel, hide_input_in_errors=True)


class Applications(_Shape):
    include_user_actions: list[str] = []


class Users(_Shape):
    include_users: list[str] = []


class Locations(_Shape):
    include_locations: list[str] = []


class Conditions(_Shape):
    """Those that are not named here are kept: each narrows the policy, unless it is empty."""

    model_config = ConfigDict(extra="allow")

    applications: Applications | None = None
    users: Users | None = None
    client_app_types: list[str] = []
    locations: Locations | None = None

    @property
    def for_every_sign_in(self) -> bool:
        """Places may be left out, as Microsoft's own template leaves out the trusted ones."""
        everywhere = self.locations is None or "All" in self.locations.include_locations
        from_every_app = set(self.client_app_types) <= {"all"}
        return everywhere and from_every_app and not any((self.model_extra or {}).values())


class GrantControls(_Shape):
    operator: str | None = None
    built_in_controls: list[str] = []
    custom_authentication_factors: list[str] = []
    terms_of_use: list[str] = []
    authentication_strength: dict[str, object] | None = None

    @property
    def protect(self) -> bool:
        """Whether each control that suffices protects; with `AND` no single one suffices."""
        controls = [*self.built_in_controls, *self.custom_authentication_factors, *self.terms_of_use]
        protecting = [control in PROTECTS for control in controls] + [True] * bool(self.authentication_strength)
        return any(protecting) if self.operator == "AND" else bool(protecting) and all(protecting)


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
        users = self.conditions.users
        return users is not None and "All" in users.include_users and self.conditions.for_every_sign_in

    @property
    def asks_for_something(self) -> bool:
        return self.grant_controls is not None and self.grant_controls.protect


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
        what = "Enabled policies cover registration, but not everybody's, or not whenever they sign in."
        return Finding(ID, Status.WARNING, what, mend, mandatory=False)
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
