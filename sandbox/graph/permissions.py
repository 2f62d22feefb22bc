"""Which application permissions each call accepts (any one suffices), by lower-case path and HTTP method.

Source: Microsoft Graph permissions metadata (`permissions.json` of microsoftgraph/microsoft-graph-devx-content); what it does not
name follows the reference page of the call: `signInPreferences` ("Get/Update authentication method states") and `deactivate` with
the id of a hardware token ("hardwareOathAuthenticationMethod: deactivate"). `GET /groups` follows "List groups".
"""

from sandbox.graph.kinds import KINDS

type Calls = dict[str, dict[str, frozenset[str]]]

READ = "UserAuthenticationMethod.Read.All"
WRITE = "UserAuthenticationMethod.ReadWrite.All"
AUTHENTICATION = "/users/{id}/authentication"

_AGENTS = "AgentIdUser.ReadWrite.All AgentIdUser.ReadWrite.IdentityParentedBy"
_DIRECTORY = "Directory.Read.All Directory.ReadWrite.All"
_DEVICES = " ".join(
    f"DeviceManagement{area}.{access}.All"
    for area in ("Apps", "Configuration", "ManagedDevices", "ServiceConfig")
    for access in ("Read", "ReadWrite")
)
_MEMBERS = "Group.Read.All Group.ReadBasic.All Group.ReadWrite.All GroupMember.Read.All GroupMember.ReadBasic.All"
_CHECK = (
    f"Application.Read.All Application.ReadWrite.All Device.Read.All Device.ReadWrite.All {_DIRECTORY} {_MEMBERS} User.Read.All"
)
_ROLES = f"RoleManagement.Read.Directory RoleManagement.ReadWrite.Directory {_DIRECTORY}"
_PIM_ROLES = "RoleManagement.Read.All RoleManagement.Read.Directory RoleManagement.ReadWrite.Directory"
_TRANSITIVE = f"User.Read.All {_DIRECTORY} Group.Read.All Group.ReadBasic.All GroupMember.Read.All GroupMember.ReadBasic.All"

_NAMED = {
    ("GET", "/users/{id}"):
        f"User.Read.All User.ReadBasic.All User.ReadWrite.All User.ReadWrite.CrossCloud {_AGENTS} {_DEVICES} {_DIRECTORY}",
    ("POST", "/users/{id}/revokesigninsessions"): f"User.RevokeSessions.All User.ReadWrite.All Directory.ReadWrite.All {_AGENTS}",
    ("GET", "/users/{id}/transitivememberof"): _TRANSITIVE,
    ("GET", "/users/{id}/ownedobjects"): f"User.Read.All User.ReadWrite.All {_AGENTS} {_DIRECTORY}",
    ("GET", "/users/{id}/manager"): f"User.Read.All User.ReadWrite.All {_AGENTS} {_DIRECTORY}",
    ("POST", "/users/{id}/checkmembergroups"): f"{_CHECK} User.ReadWrite.All {_AGENTS}",
    ("POST", "/users/{id}/getmembergroups"): _CHECK,
    ("GET", "/groups"):
        f"{_DIRECTORY} Group-NestingSupport.ReadWrite.All Group.ManageProtection.All Group.Read.All Group.ReadWrite.All "
        "GroupMember.Read.All",
    ("GET", "/groups/{id}"):
        f"{_DIRECTORY} Group-NestingSupport.ReadWrite.All Group-PreferredDataLocation.ReadWrite.All Group.ManageProtection.All "
        "Group-XTenantIdentitySync.Read.All Group.Read.All Group.ReadBasic.All Group.ReadWrite.All GroupMember.Read.All",
    ("GET", "/groups/{id}/members"): f"Directory.Read.All GroupMember.ReadWrite.All {_MEMBERS}",
    ("GET", "/groups/{id}/transitivemembers"): f"Directory.Read.All GroupMember.ReadWrite.All {_MEMBERS}",
    ("GET", "/rolemanagement/directory/roleassignments"): _ROLES,
    ("GET", "/rolemanagement/directory/transitiveroleassignments"): _ROLES,
    ("GET", "/rolemanagement/directory/roledefinitions"): f"{_ROLES} RoleManagement.Read.All",
    ("GET", "/rolemanagement/directory/roledefinitions/{id}"): f"{_ROLES} RoleManagement.Read.All",
    ("GET", "/rolemanagement/directory/roleassignmentscheduleinstances"):
        f"{_PIM_ROLES} RoleAssignmentSchedule.Read.Directory RoleAssignmentSchedule.ReadWrite.Directory",
    ("GET", "/rolemanagement/directory/roleeligibilityscheduleinstances"):
        f"{_PIM_ROLES} RoleEligibilitySchedule.Read.Directory RoleEligibilitySchedule.ReadWrite.Directory",
    ("GET", "/identitygovernance/privilegedaccess/group/assignmentscheduleinstances"):
        "PrivilegedAssignmentSchedule.Read.AzureADGroup PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup",
    ("GET", "/identitygovernance/privilegedaccess/group/eligibilityscheduleinstances"):
        "PrivilegedEligibilitySchedule.Read.AzureADGroup PrivilegedEligibilitySchedule.ReadWrite.AzureADGroup",
    ("GET", "/reports/authenticationmethods/userregistrationdetails/{id}"): "AuditLog.Read.All",
    ("GET", "/auditlogs/directoryaudits"): "AuditLog.Read.All Directory.Read.All",
    ("GET", f"{AUTHENTICATION}/methods"): f"{READ} {WRITE}",
    ("GET", f"{AUTHENTICATION}/methods/{{id}}"): f"{READ} {WRITE}",
    ("GET", f"{AUTHENTICATION}/signinpreferences"): f"{READ} {WRITE}",
    ("PATCH", f"{AUTHENTICATION}/signinpreferences"): WRITE,
    ("POST", f"{AUTHENTICATION}/temporaryaccesspassmethods"): f"UserAuthMethod-TAP.ReadWrite.All {WRITE}",
    ("POST", f"{AUTHENTICATION}/hardwareoathmethods/{{id}}/deactivate"): f"UserAuthMethod-HardwareOATH.ReadWrite.All {WRITE}",
}  # fmt: skip

_LIST_NARROWER = {"fido2": frozenset({"UserAuthMethod-Passkey.Read.All"})}
"""The metadata lets only this one list passkeys, though more can get one."""


def _calls() -> Calls:
    calls: Calls = {}
    for (method, path), permissions in _NAMED.items():
        calls.setdefault(path, {})[method] = frozenset(permissions.split())
    for kind in KINDS.values():
        many = f"{AUTHENTICATION}/{kind.segment.lower()}"
        one = many if kind.single else f"{many}/{{id}}"
        x = f"UserAuthMethod-{kind.permission}"
        readers = frozenset({f"{x}.Read.All", f"{x}.ReadWrite.All", READ, WRITE})
        calls.setdefault(many, {})["GET"] = _LIST_NARROWER.get(kind.type, readers)
        calls.setdefault(one, {})["GET"] = readers
        if kind.deletable:
            calls[one]["DELETE"] = frozenset({f"{x}.ReadWrite.All", WRITE})
    return calls


CALLS = _calls()

WHOLE_USER = frozenset(_NAMED["GET", "/users/{id}"].split()) - {"User.ReadBasic.All"}
"""Those that show more of a user than the basic profile."""
GROUP_READERS = frozenset(f"{what}.{how}.All" for what in ("Directory", "Group", "GroupMember") for how in ("Read", "ReadWrite"))
"""Without one of these, a group found through a relationship is shown with limited information: type and id."""
ROLE_READERS = frozenset(_ROLES.split())
"""The same for directory roles."""
