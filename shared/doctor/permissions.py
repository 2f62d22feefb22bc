"""pure: what our token for Microsoft Graph says → who we are, which permissions are lacking, which are too many."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shared.doctor.findings import Finding, Status, not_checked, permission_id

EVERY_METHOD = "UserAuthenticationMethod.ReadWrite.All"
ISSUES_PASSES = frozenset({EVERY_METHOD, "UserAuthMethod-TAP.ReadWrite.All"})
"""They issue a Temporary Access Pass: a way to sign in as somebody without anything that they have."""
REVOKES = "User.RevokeSessions.All"
_COVERED = re.compile(r"UserAuthenticationMethod\.Read\.All|UserAuthMethod-\w+\.ReadWrite\.All")
_IDENTIFIER = re.compile(r"[0-9A-Za-z.:/_-]{1,128}")
_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Needs:
    """The sets of docs/permissions.md: the one that every tenant needs, and what a full reset needs beyond it."""

    default: tuple[str, ...]
    full_reset: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are to Graph, as far as the token says."""

    tenant: str
    app_id: str
    object_id: str


def ids(needs: Needs) -> tuple[str, ...]:
    return ("graph-token", *map(permission_id, needs.default), "permissions-full-reset", "permissions-excess")


def identity(claims: Mapping[str, Any]) -> Identity:
    return Identity(*(_text(claims, *names) for names in (("tid",), ("appid", "azp"), ("oid",))))


def judge(
    claims: Mapping[str, Any] | None, needs: Needs, *, client_id: str | None, full_reset: bool, revoke: bool
) -> tuple[Finding, ...]:
    """One finding for each of `ids`."""
    if claims is None:
        return not_checked(ids(needs), "The token shows no claims: its form is Graph's own affair.", mend=_listing("<client id>"))
    me = identity(claims)
    roles = claims.get("roles", [])
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        unknown = not_checked(ids(needs)[1:], "The token's roles cannot be understood.", mend=_listing(me.app_id))
        return (_token(me, claims, client_id), *unknown)
    held = frozenset(map(str, roles))
    return (
        _token(me, claims, client_id),
        *_lacking(held, needs, me.app_id, revoke=revoke),
        _wider(held, needs, me.app_id, full_reset=full_reset),
        _excess(held, needs, me.app_id, full_reset=full_reset),
    )


def _token(me: Identity, claims: Mapping[str, Any], client_id: str | None) -> Finding:
    who = f"Tenant {me.tenant}, application {me.app_id}, object {me.object_id}."
    mend = "az functionapp config appsettings set --name <app> --resource-group <group> --settings AZURE_CLIENT_ID=<client id>"
    if claims.get("idtyp", "app") != "app" or "scp" in claims:
        return Finding("graph-token", Status.FAULT, f"The token is not an application's. {who}", mend)
    if client_id is not None and me.app_id.lower() != client_id.lower():
        return Finding("graph-token", Status.FAULT, f"The token is not that of AZURE_CLIENT_ID. {who}", mend)
    if _UNKNOWN in (me.tenant, me.app_id, me.object_id):
        return Finding("graph-token", Status.NOT_CHECKED, f"The token does not say whose it is. {who}", mend)
    return Finding("graph-token", Status.OK, who)


def _lacking(held: frozenset[str], needs: Needs, app_id: str, *, revoke: bool) -> Iterator[Finding]:
    for permission in needs.default:
        name = permission_id(permission)
        if permission in held:
            yield Finding(name, Status.OK, f"{permission} is there.")
        elif EVERY_METHOD in held and _COVERED.fullmatch(permission):
            yield Finding(name, Status.OK, f"{EVERY_METHOD} takes the place of {permission}.")
        elif permission == REVOKES and not revoke:
            yield Finding(name, Status.OK, f"{permission} is not there, and with REVOKE_SESSIONS=false not needed.")
        else:
            yield Finding(name, Status.FAULT, f"{permission} is not in the token.", f"reregister grant --identity {app_id}")


def _wider(held: frozenset[str], needs: Needs, app_id: str, *, full_reset: bool) -> Finding:
    name = "permissions-full-reset"
    missing = [one for one in needs.full_reset if one not in held and one != EVERY_METHOD]
    if not full_reset:
        return Finding(name, Status.OK, "full-reset is not among the ALLOWED_PROFILES.")
    if EVERY_METHOD in held or not missing:
        return Finding(name, Status.OK, "Every kind of method may be removed.")
    what = f"full-reset is allowed, and these are not in the token: {', '.join(missing)}."
    return Finding(name, Status.WARNING, what, f"reregister grant --identity {app_id} --full-reset")


def _excess(held: frozenset[str], needs: Needs, app_id: str, *, full_reset: bool) -> Finding:
    """What only reads is a warning; what changes anything, or is not known here, a fault.

    Somebody may have chosen `EVERY_METHOD` for defaults that are deadlocked: it is told, and no fault.
    """
    name = "permissions-excess"
    extra = sorted(held - {*needs.default, EVERY_METHOD, *(needs.full_reset if full_reset else ())})
    mend = f"reregister grant --identity {app_id} --revoke-extra" + (" --full-reset" if full_reset else "")
    if extra:
        grave = any(".Read." not in one and not one.endswith(".Read") for one in extra)
        passes = " They issue Temporary Access Passes." if ISSUES_PASSES & set(extra) else ""
        status = Status.FAULT if grave else Status.WARNING
        return Finding(name, status, f"Not needed, and in the token: {', '.join(map(_shown, extra))}.{passes}", mend)
    if issuing := sorted(ISSUES_PASSES & held):
        needed = "full-reset" if full_reset else "a deadlocked default"
        what = f"{', '.join(issuing)} can also sign in as anybody with a Temporary Access Pass: only {needed} needs it."
        return Finding(name, Status.WARNING, what, f"reregister grant --identity {app_id} --revoke-extra")
    return Finding(name, Status.OK, "Nothing beyond what is needed.")


def _listing(app_id: str) -> str:
    return (
        f"az rest --method get --url \"https://graph.microsoft.com/v1.0/servicePrincipals(appId='{app_id}')/appRoleAssignments\""
    )


def _text(claims: Mapping[str, Any], *names: str) -> str:
    values: Iterable[object] = (claims.get(name) for name in names)
    return next((value for value in values if isinstance(value, str) and _IDENTIFIER.fullmatch(value)), _UNKNOWN)


def _shown(role: str) -> str:
    return role if _IDENTIFIER.fullmatch(role) else "(a role without a readable name)"
