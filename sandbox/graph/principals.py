"""The service principals of the simulated tenant, and which app roles of which resource they hold.

GUIDs of Microsoft Graph's app roles are those of its `provisioningInfo.json`.
"""

import base64
import uuid
from dataclasses import dataclass, field
from typing import Literal

from sandbox.tokens import IDENTITY_CLIENT_ID, IDENTITY_OBJECT_ID

type Kind = Literal["Application", "ManagedIdentity"]

GRAPH_APP_ID = "00000003-0000-0000-c000-000000000000"
GRAPH_OBJECT_ID = "0c0c0c0c-1111-4222-8333-444444444444"
DESK_OBJECT_ID = "0d0d0d0d-1111-4222-8333-444444444444"
DESK_APP_ID = "0e0e0e0e-1111-4222-8333-444444444444"
DESK_ROLE_ID = "0f0f0f0f-1111-4222-8333-444444444444"

GRAPH_ROLES = {
    "UserAuthenticationMethod.Read.All": "38d9df27-64da-44fd-b7c5-a6fbac20248f",
    "UserAuthenticationMethod.ReadWrite.All": "50483e42-d915-4231-9639-7fdb7fd190e5",
    "UserAuthMethod-Phone.ReadWrite.All": "6e85d483-7092-4375-babe-0a94a8213a58",
    "UserAuthMethod-MicrosoftAuthApp.ReadWrite.All": "c833c349-a1ab-4b6d-94a2-fa9a8674420c",
    "UserAuthMethod-SoftwareOATH.ReadWrite.All": "787442d4-3c6e-4e99-aa95-8ccca20a48ff",
    "UserAuthMethod-HardwareOATH.ReadWrite.All": "7e9ebcc1-90aa-4471-8051-e68d6b4e9c89",
    "UserAuthMethod-Passkey.ReadWrite.All": "0400e371-7db1-4338-a269-96069eb65227",
    "UserAuthMethod-WindowsHello.ReadWrite.All": "f14eee8a-713e-45aa-8223-2ab74632db1a",
    "UserAuthMethod-PlatformCred.ReadWrite.All": "1a87acf4-a9ca-4576-a974-452ea265d5f6",
    "UserAuthMethod-Email.ReadWrite.All": "e8ecb853-1435-4a49-95ba-ec5b31b11672",
    "UserAuthMethod-External.ReadWrite.All": "c7a22c2e-5b01-4129-8159-6c8be2c78f16",
    "UserAuthMethod-QR.ReadWrite.All": "4869299f-18c3-40c8-98f2-222657e67db1",
    "UserAuthMethod-TAP.ReadWrite.All": "627169a8-8c15-451c-861a-5b80e383de5c",
    "User.Read.All": "df021288-bdef-4463-88db-98f22de89214",
    "User.ReadBasic.All": "97235f07-e226-4f63-ace3-39588e11d3a1",
    "User.RevokeSessions.All": "77f3a031-c388-4f99-b373-dc68676a979e",
    "GroupMember.Read.All": "98830695-27a2-44f7-8c18-0c3ebc9698f6",
    "RoleManagement.Read.Directory": "483bed4a-2ad3-4361-a73b-c83ccdbdc53c",
    "PrivilegedEligibilitySchedule.Read.AzureADGroup": "edb419d6-7edc-42a3-9345-509bfdf5d87c",
    "AuditLog.Read.All": "b0afded3-3588-46d8-8b3d-9842eff778da",
    "AppRoleAssignment.ReadWrite.All": "06b708a9-e830-4db3-a914-8e69da51d44f",
}


@dataclass
class AppRole:
    """An application permission that a resource offers."""

    value: str
    id: str
    enabled: bool = True


@dataclass
class ServicePrincipal:
    """`names` are what Graph calls `alternativeNames`: the Azure resource of a managed identity is among them."""

    id: str
    app_id: str
    name: str
    kind: Kind = "Application"
    names: list[str] = field(default_factory=list)
    roles: list[AppRole] = field(default_factory=list)


@dataclass
class Assignment:
    """That `principal` holds the app role `role` of `resource`; all are ids. Graph's ids of assignments are opaque."""

    principal: str
    resource: str
    role: str
    id: str = field(
        default_factory=lambda: base64.urlsafe_b64encode(uuid.uuid4().bytes + uuid.uuid4().bytes).decode().rstrip("=")
    )


class Principals:
    """Every service principal of the tenant by its object id, and every assignment."""

    def __init__(self) -> None:
        self.by_id: dict[str, ServicePrincipal] = {}
        self.assignments: list[Assignment] = []
        for principal in _usual():
            self.add(principal)

    def add(self, principal: ServicePrincipal) -> ServicePrincipal:
        self.by_id[principal.id] = principal
        return principal

    def by_app(self, app_id: str) -> ServicePrincipal | None:
        return next((one for one in self.by_id.values() if one.app_id == app_id.lower()), None)

    def give(self, principal: str, value: str, resource: str = GRAPH_OBJECT_ID) -> Assignment:
        """The principal holds the app role of this name."""
        role = next(role for role in self.by_id[resource].roles if role.value == value)
        self.assignments.append(given := Assignment(principal, resource, role.id))
        return given

    def held(self, principal: str, resource: str = GRAPH_OBJECT_ID) -> list[str]:
        """The names of the app roles that the principal holds there, sorted."""
        names = {role.id: role.value for role in self.by_id[resource].roles}
        return sorted(names[a.role] for a in self.assignments if (a.principal, a.resource) == (principal, resource))


def _usual() -> list[ServicePrincipal]:
    """Microsoft Graph, the app's identity without any permission, and an application that offers a role of its own."""
    resource = "/subscriptions/00000000-0000-4000-8000-000000000000/resourcegroups/sandbox/providers"
    return [
        ServicePrincipal(
            GRAPH_OBJECT_ID, GRAPH_APP_ID, "Microsoft Graph", roles=[AppRole(*role) for role in GRAPH_ROLES.items()]
        ),
        ServicePrincipal(
            IDENTITY_OBJECT_ID,
            IDENTITY_CLIENT_ID,
            "reregister",
            "ManagedIdentity",
            names=["isExplicit=True", f"{resource}/Microsoft.ManagedIdentity/userAssignedIdentities/reregister"],
        ),
        ServicePrincipal(DESK_OBJECT_ID, DESK_APP_ID, "ServiceNow", roles=[AppRole("Tickets.ReadWrite", DESK_ROLE_ID)]),
    ]
