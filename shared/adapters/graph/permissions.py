"""Which application permissions our calls need, and which of them an access token is seen to hold.

Source: Microsoft Graph, "Microsoft Graph permissions reference", and the permission table on each call's page.
"""

import base64
import json
from collections.abc import Iterable
from typing import Any

from shared.model import Removal

ALL_METHODS = "UserAuthenticationMethod.ReadWrite.All"
"""Removes any type, and is the only one that changes sign-in preferences."""

REVOKERS = ("User.RevokeSessions.All", "User.ReadWrite.All", "Directory.ReadWrite.All")
"""Any of them revokes sessions; the first is the least."""

GROUP_READERS = (
    "GroupMember.Read.All",
    "Group.Read.All",
    "Group.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
)
"""Any of them shows whether groups are role-assignable. Without one Graph need not refuse: it may show less, or fewer."""

_AREAS = {
    "phone": "Phone",
    "microsoftAuthenticator": "MicrosoftAuthApp",
    "softwareOath": "SoftwareOATH",
    "hardwareOath": "HardwareOATH",
    "email": "Email",
    "fido2": "Passkey",
    "windowsHelloForBusiness": "WindowsHello",
    "platformCredential": "PlatformCred",
    "temporaryAccessPass": "TAP",
    "external": "External",
    "qrCodePin": "QR",
}


def granted(token: str) -> frozenset[str] | None:
    """The application permissions in the `roles` claim of our own access token, unverified; None when it shows none.

    A token's form is Graph's own affair, so this only ever warns early: what cannot be read is unknown, not lacking.
    """
    roles = (claims(token) or {}).get("roles")
    if not isinstance(roles, list):
        return None
    return frozenset(role for role in roles if isinstance(role, str))


def claims(token: str) -> dict[str, Any] | None:
    """What our own access token says, unverified; None when it cannot be read."""
    try:
        _, payload, _ = token.split(".")
        said = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def missing(held: frozenset[str], removals: Iterable[Removal], *, revoke: bool, prefer: bool) -> tuple[str, ...]:
    """The least permissions that are needed and not covered by what is held, in order of their names."""
    needed: set[tuple[str, ...]] = {GROUP_READERS} | {(_least(removal.method.type), ALL_METHODS) for removal in removals}
    if revoke:
        needed.add(REVOKERS)
    if prefer:
        needed.add((ALL_METHODS,))
    return tuple(sorted(any_of[0] for any_of in needed if held.isdisjoint(any_of)))


def _least(method_type: str) -> str:
    area = _AREAS.get(method_type)
    return f"UserAuthMethod-{area}.ReadWrite.All" if area else ALL_METHODS
