"""pure: what the identity shall hold on Microsoft Graph, and what is to be done so that it does.

The sets and the ids are those of docs/permissions.md, which a test compares with this file.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.adapters.graph import permissions as graph_permissions

GRAPH_APP_ID = "00000003-0000-0000-c000-000000000000"
"""Microsoft Graph's application id, the same in every tenant and cloud."""

DEFAULT_SET = {
    "UserAuthenticationMethod.Read.All": "38d9df27-64da-44fd-b7c5-a6fbac20248f",
    "UserAuthMethod-Phone.ReadWrite.All": "6e85d483-7092-4375-babe-0a94a8213a58",
    "UserAuthMethod-MicrosoftAuthApp.ReadWrite.All": "c833c349-a1ab-4b6d-94a2-fa9a8674420c",
    "UserAuthMethod-SoftwareOATH.ReadWrite.All": "787442d4-3c6e-4e99-aa95-8ccca20a48ff",
    "UserAuthMethod-HardwareOATH.ReadWrite.All": "7e9ebcc1-90aa-4471-8051-e68d6b4e9c89",
    "User.Read.All": "df021288-bdef-4463-88db-98f22de89214",
    "User.RevokeSessions.All": "77f3a031-c388-4f99-b373-dc68676a979e",
    "GroupMember.Read.All": "98830695-27a2-44f7-8c18-0c3ebc9698f6",
    "RoleManagement.Read.Directory": "483bed4a-2ad3-4361-a73b-c83ccdbdc53c",
    "PrivilegedEligibilitySchedule.Read.AzureADGroup": "edb419d6-7edc-42a3-9345-509bfdf5d87c",
}
FULL_RESET = {
    "UserAuthMethod-Passkey.ReadWrite.All": "0400e371-7db1-4338-a269-96069eb65227",
    "UserAuthMethod-WindowsHello.ReadWrite.All": "f14eee8a-713e-45aa-8223-2ab74632db1a",
    "UserAuthMethod-PlatformCred.ReadWrite.All": "1a87acf4-a9ca-4576-a974-452ea265d5f6",
    "UserAuthMethod-Email.ReadWrite.All": "e8ecb853-1435-4a49-95ba-ec5b31b11672",
    "UserAuthMethod-External.ReadWrite.All": "c7a22c2e-5b01-4129-8159-6c8be2c78f16",
    "UserAuthMethod-QR.ReadWrite.All": "4869299f-18c3-40c8-98f2-222657e67db1",
    "UserAuthMethod-TAP.ReadWrite.All": "627169a8-8c15-451c-861a-5b80e383de5c",
}
DEADLOCK = {"UserAuthenticationMethod.ReadWrite.All": "50483e42-d915-4231-9639-7fdb7fd190e5"}


class NotGranted(Exception):
    """Why nothing was granted or taken away, in a sentence."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who is signed in, as their access token says."""

    name: str
    tenant: str


@dataclass(frozen=True, slots=True)
class AppRole:
    """An application permission that a resource offers; `usable`: it can be given to applications."""

    id: str
    value: str
    usable: bool


@dataclass(frozen=True, slots=True)
class Resource:
    """Microsoft Graph as this tenant has it."""

    id: str
    roles: tuple[AppRole, ...]


@dataclass(frozen=True, slots=True)
class Identity:
    """A managed identity; `resource` is what Azure knows it by, None where Graph does not say."""

    id: str
    app_id: str
    name: str
    resource: str | None


@dataclass(frozen=True, slots=True)
class Assignment:
    """That the identity holds a role, on the resource named."""

    id: str
    role_id: str
    resource_id: str
    resource_name: str


@dataclass(frozen=True, slots=True)
class Plan:
    """`wanted` has ids by permission. `there` and `missing` are its parts; `extra` is held on Graph without being wanted,
    `names` has the permission of each id; `elsewhere` is held on other resources, which is nobody's business here.
    """

    wanted: Mapping[str, str]
    there: tuple[str, ...]
    missing: tuple[str, ...]
    extra: tuple[Assignment, ...]
    names: Mapping[str, str]
    elsewhere: tuple[Assignment, ...]


def wanted(*, full_reset: bool, deadlock: bool) -> dict[str, str]:
    """The permissions of the chosen sets, each with its id."""
    return DEFAULT_SET | (FULL_RESET if full_reset else {}) | (DEADLOCK if deadlock else {})


def signed_in(token: str) -> Person:
    """Who the access token of ours was issued to; `NotGranted` unless that is a person.

    `idtyp` tells, where it is there; a token without `scp` acts for nobody but an application.
    Source: Microsoft identity platform, access token claims reference.
    """
    claims = graph_permissions.claims(token)
    if claims is None:
        raise NotGranted("The access token does not show who is signed in.")
    scopes = claims.get("scp")
    if claims.get("idtyp", "user") != "user" or not isinstance(scopes, str) or not scopes.strip():
        raise NotGranted("An application is signed in. Permissions are granted by a person, and never by a pipeline.")
    name = claims.get("upn") or claims.get("unique_name") or claims.get("oid")
    return Person(str(name), str(claims.get("tid")))


def check_ids(permissions: Mapping[str, str], offered: Iterable[AppRole]) -> None:
    """What Graph offers by these names is what we mean by them; else `NotGranted` names what differs."""
    by_value = {role.value: role for role in offered}
    flaws = []
    for value, known_id in permissions.items():
        role = by_value.get(value)
        if role is None or not role.usable:
            flaws.append(f"{value} is not offered to applications")
        elif role.id.lower() != known_id:
            flaws.append(f"{value} has the id {role.id} instead of {known_id}")
    if flaws:
        raise NotGranted(f"Microsoft Graph does not offer what is expected: {'; '.join(flaws)}.")


def plan(permissions: Mapping[str, str], graph: Resource, held: Collection[Assignment]) -> Plan:
    ours = [one for one in held if one.resource_id == graph.id]
    ids = {one.role_id for one in ours}
    return Plan(
        wanted=permissions,
        there=tuple(value for value, role_id in permissions.items() if role_id in ids),
        missing=tuple(value for value, role_id in permissions.items() if role_id not in ids),
        extra=tuple(one for one in ours if one.role_id not in permissions.values()),
        names={role.id: role.value for role in graph.roles},
        elsewhere=tuple(one for one in held if one.resource_id != graph.id),
    )


def has_something_to_do(made: Plan, *, revoke_extra: bool) -> bool:
    return bool(made.missing or (revoke_extra and made.extra))


def holds(made: Plan, held: Collection[Assignment], *, revoke_extra: bool, failed: Collection[str] = ()) -> bool:
    """Whether the identity holds what it shall, whatever `failed` (permissions, assignments) is left out."""
    roles, ids = {one.role_id for one in held}, {one.id for one in held}
    granted = all(role_id in roles for value, role_id in made.wanted.items() if value not in failed)
    return granted and not (revoke_extra and any(one.id in ids for one in made.extra if one.id not in failed))


# ---- the document


def planned(person: Person, identity: Identity, made: Plan, *, revoke_extra: bool) -> dict[str, Any]:
    """The plan as a command's document: nothing is changed yet."""
    states = dict.fromkeys(made.there, "there") | dict.fromkeys(made.missing, "missing")
    return {
        "tenant": person.tenant,
        "signedInAs": person.name,
        "identity": {"id": identity.id, "appId": identity.app_id, "name": identity.name, "resource": identity.resource},
        "permissions": [_row(value, role_id, states[value]) for value, role_id in made.wanted.items()],
        "tooMany": [
            _row(made.names.get(one.role_id, one.role_id), one.role_id, "to be revoked" if revoke_extra else "too many")
            for one in made.extra
        ],
        "otherApis": sorted({one.resource_name for one in made.elsewhere}),
        "changed": False,
        "complete": not has_something_to_do(made, revoke_extra=revoke_extra),
    }


def concluded(
    document: Mapping[str, Any], made: Plan, held: Sequence[Assignment], causes: Mapping[str, str], *, revoke_extra: bool
) -> dict[str, Any]:
    """The same document once everything was tried: as read back, with the cause of each failure by permission or assignment."""
    roles, ids = {one.role_id for one in held}, {one.id for one in held}
    unseen = "what was asked for is not to be seen yet"
    permissions = []
    for value, role_id in made.wanted.items():
        state = "not granted" if role_id not in roles else "granted" if value in made.missing else "there"
        permissions.append(_row(value, role_id, state, causes.get(value, unseen) if role_id not in roles else None))
    extra = []
    for row, one in zip(document["tooMany"], made.extra, strict=True):
        state = "revoked" if one.id not in ids else "not revoked" if revoke_extra else "too many"
        extra.append({**row, "state": state, "cause": causes.get(one.id, unseen) if state == "not revoked" else None})
    return {
        **document,
        "permissions": permissions,
        "tooMany": extra,
        "changed": any(row["state"] in ("granted", "revoked") for row in (*permissions, *extra)),
        "complete": holds(made, held, revoke_extra=revoke_extra),
    }


def _row(value: str, role_id: str, state: str, cause: str | None = None) -> dict[str, Any]:
    return {"permission": value, "id": role_id, "state": state, "cause": cause}
