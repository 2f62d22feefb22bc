"""Access tokens of the sandbox: JWTs in the shape that Microsoft Entra issues to an application.

Signed with one random key per stack (`SANDBOX_TOKEN_KEY`), where Entra has published keys. Claims: `aud` is the resource that was
asked for, `roles` the application permissions granted for it, `idtyp` is `app`, `oid`/`appid` name the managed identity.
Source: Microsoft identity platform, access token claims reference.
"""

import os
import secrets
import time
from collections.abc import Collection
from typing import Any

import jwt

TENANT = "11111111-2222-4333-8444-555555555555"
IDENTITY_OBJECT_ID = "0a0a0a0a-1111-4222-8333-444444444444"
IDENTITY_CLIENT_ID = "0b0b0b0b-1111-4222-8333-444444444444"
KEY_SETTING = "SANDBOX_TOKEN_KEY"


class InvalidToken(Exception):
    """The bearer token is not one of ours, has expired, or is for another audience."""


def token_key() -> str:
    """The stack's key; a process that starts alone makes its own."""
    return os.environ.setdefault(KEY_SETTING, secrets.token_hex(32))


def mint(audience: str, roles: Collection[str], *, lifetime: int = 3600, **claims: Any) -> str:
    """A token for `audience` with the application permissions `roles`, valid for `lifetime` seconds."""
    now = int(time.time())
    body = {
        "aud": audience,
        "iss": f"https://sts.windows.net/{TENANT}/",
        "tid": TENANT,
        "iat": now,
        "nbf": now,
        "exp": now + lifetime,
        "idtyp": "app",
        "oid": IDENTITY_OBJECT_ID,
        "sub": IDENTITY_OBJECT_ID,
        "appid": IDENTITY_CLIENT_ID,
        "roles": sorted(roles),
        **claims,
    }
    return jwt.encode(body, token_key(), algorithm="HS256")


def verify(token: str, audience: str) -> dict[str, Any]:
    """The claims of a token that is ours, current and for `audience`; else `InvalidToken`."""
    try:
        return jwt.decode(token, token_key(), algorithms=["HS256"], audience=audience, options={"require": ["exp", "aud", "oid"]})
    except jwt.PyJWTError as error:
        raise InvalidToken(str(error)) from error
