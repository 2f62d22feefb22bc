"""Who is calling the simulated instance, and what they may do there.

A bearer token is accepted as the documentation "Third-party token workflow for service accounts" describes it: issued for the
instance's audience, and a claim (here `oid`) leads to an integration user. People and PySNC use basic authentication.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.servicenow.store import Record, Store
from sandbox.tokens import InvalidToken, verify

EVERYTHING = "*"


@dataclass(frozen=True, slots=True)
class Rights:
    """What a user may read, write and create; `*` stands for all tables or all columns of a table.

    `hidden` lists columns that may not be read although their table may; `only` narrows a table to the rows that an encoded
    query matches; without `api` the user may not use the REST API at all.
    """

    read: frozenset[str] = frozenset()
    write: Mapping[str, frozenset[str]] = field(default_factory=dict)
    create: frozenset[str] = frozenset()
    hidden: Mapping[str, frozenset[str]] = field(default_factory=dict)
    only: Mapping[str, str] = field(default_factory=dict)
    api: bool = True

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "Rights":
        """Rights as JSON has them: lists for sets."""
        return cls(
            read=frozenset(plain.get("read", ())),
            write={table: frozenset(columns) for table, columns in plain.get("write", {}).items()},
            create=frozenset(plain.get("create", ())),
            hidden={table: frozenset(columns) for table, columns in plain.get("hidden", {}).items()},
            only=dict(plain.get("only", {})),
            api=bool(plain.get("api", True)),
        )

    def may_read(self, table: str) -> bool:
        return not self.read.isdisjoint({EVERYTHING, table})

    def may_read_column(self, table: str, column: str) -> bool:
        return self.may_read(table) and column not in self.hidden.get(table, ())

    def may_create(self, table: str) -> bool:
        return not self.create.isdisjoint({EVERYTHING, table})

    def writable(self, table: str) -> frozenset[str]:
        """The columns of a table that may be written; `*` among them means all."""
        return self.write.get(table, frozenset()) | self.write.get(EVERYTHING, frozenset())


ADMINISTRATOR = Rights(frozenset({EVERYTHING}), {EVERYTHING: frozenset({EVERYTHING})}, frozenset({EVERYTHING}))
NOBODY = Rights()
INTEGRATION = Rights(
    read=frozenset(
        {
            "sc_req_item",
            "sc_request",
            "sc_cat_item",
            "incident",
            "sysapproval_approver",
            "sys_user",
            "sys_user_group",
            "sys_user_grmember",
        }
    ),
    write={
        "sc_req_item": frozenset({"work_notes", "comments", "state", "stage", "close_notes"}),
        "incident": frozenset({"work_notes", "comments", "state", "close_code", "close_notes"}),
    },
)
"""The least that an integration needs which reads tickets and approvals and writes notes and an end state."""


class Unauthenticated(Exception):
    """The caller has not said who they are, or not so that the instance believes it."""


@dataclass(frozen=True, slots=True)
class Caller:
    user: Record
    rights: Rights

    @property
    def name(self) -> str:
        return self.user["user_name"]


@dataclass(slots=True)
class Access:
    """Credentials and rights by user name; `integrations` leads from a token's `oid` to a user name."""

    store: Store
    audience: str | None = None
    passwords: dict[str, str] = field(default_factory=dict)
    integrations: dict[str, str] = field(default_factory=dict)
    rights: dict[str, Rights] = field(default_factory=dict)

    def caller(self, authorization: str | None) -> Caller:
        """Whoever an `Authorization` header stands for; raises `Unauthenticated`."""
        scheme, _, credential = (authorization or "").partition(" ")
        match scheme.lower():
            case "bearer":
                name = self._by_token(credential.strip())
            case "basic":
                name = self._by_password(credential.strip())
            case _:
                raise Unauthenticated
        for user in self.store.records("sys_user"):
            if user["user_name"] == name and user["active"] == "true" and user["locked_out"] != "true":
                return Caller(user, self.rights.get(name, NOBODY))
        raise Unauthenticated

    def _by_token(self, token: str) -> str:
        if self.audience is None:
            raise Unauthenticated
        try:
            return self.integrations[verify(token, self.audience)["oid"]]
        except (InvalidToken, KeyError) as error:
            raise Unauthenticated from error

    def _by_password(self, credential: str) -> str:
        try:
            name, _, password = base64.b64decode(credential, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise Unauthenticated from error
        known = self.passwords.get(name)
        if known is None or not hmac.compare_digest(known.encode(), password.encode()):
            raise Unauthenticated
        return name
