"""The state of one simulated tenant: people, groups, roles, and how tests script them."""

import copy
import uuid
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, ClassVar

from pydantic import ConfigDict, TypeAdapter
from pydantic.alias_generators import to_camel

from sandbox.graph.account import Account, is_second_factor, serves
from sandbox.graph.errors import no_resource
from sandbox.graph.kinds import KINDS, TOKEN_DEVICE
from sandbox.graph.organization import Organization
from sandbox.graph.principals import Principals
from sandbox.people import (
    PASSWORD_ID,
    PHONE_IDS,
    ROLES,
    Access,
    Group,
    GroupEligibility,
    Method,
    Person,
    RoleGrant,
    RoleKind,
    Seed,
    contoso,
)

type Clock = Callable[[], datetime]


@dataclass(kw_only=True)
class Settings:
    """How the tenant behaves where Graph may behave in more than one way.

    After a removal the method is still listed for `lag_seconds`, and for `lag_reads` lists at least; with `rules_lag` it also
    still counts as "another method" when the default one is to go. `hidden_in_v1` are the types that only beta lists.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    page_size: int = 100
    lag_seconds: float = 0
    lag_reads: int = 0
    rules_lag: bool = False
    audit_lag_seconds: float = 0
    premium: bool = True
    """Whether the tenant has Entra ID P2; without it there is no Privileged Identity Management."""
    hidden_in_v1: frozenset[str] = frozenset({"hardwareOath"})
    restricted_units_bind: bool = True
    """Whether a restricted management administrative unit protects methods and sessions from application permissions."""
    deactivate_twice: bool = False
    """Whether a hardware token that is not active may be deactivated again; else that is a bad request."""


class Tenant:
    """People, groups and roles of one tenant; tests script it through its methods, Graph's routes read and write it.

    `now` is the tenant's clock. Users are named by object id or user principal name everywhere.
    """

    def __init__(self, seed: Seed | None = None, settings: Settings | None = None, now: Clock | None = None) -> None:
        seed = copy.deepcopy(seed) if seed else contoso()
        self.settings = settings or Settings()
        self.now: Clock = now or (lambda: datetime.now(UTC))
        self.accounts: dict[str, Account] = {}
        self.groups = {group.id: group for group in seed.groups}
        for group in seed.groups:
            if group.role_assignable and not self.groups.keys().isdisjoint(group.members):
                raise ValueError(f"{group.display_name}: a role-assignable group cannot contain groups")
        self.roles: list[RoleGrant] = []
        self.group_eligibilities: list[GroupEligibility] = []
        self.audits: list[dict[str, Any]] = []
        self.policies: list[dict[str, Any]] = []
        self.principals = Principals()
        self.organization = Organization()
        for person in seed.people:
            self.add(person)
        for grant in seed.roles:
            self.grant(grant.principal, grant.role, grant.kind, grant.scope)
        for eligible in seed.group_eligibilities:
            self.make_eligible(eligible.principal, eligible.group, eligible.access)
        for person in seed.people:
            self.refresh_report(person.id)

    # What tests script

    def add(self, person: Person) -> Account:
        """The person is a user of the tenant, with a password and the methods they bring."""
        account = Account(replace(person, methods=[]))
        self.accounts[person.id] = account
        for method in (Method(type="password", id=PASSWORD_ID), *person.methods):
            self.register(person.id, method)
        if person.default_method and not any(serves(person.default_method, m) for m in account.methods):
            raise ValueError(f"{person.user_principal_name} has nothing for the default {person.default_method}")
        self.refresh_report(person.id)
        return account

    def remove(self, user: str) -> None:
        """The user is deleted; every call about them is answered with 404."""
        del self.accounts[self.account(user).person.id]

    def register(self, user: str, method: Method) -> Method:
        """The method, with id and all properties filled in, is registered; `ValueError` when Entra would not allow it."""
        account = self.account(user)
        method = self._completed(account, method)
        if account.method(method.type, method.id):
            raise ValueError(f"{method.type} {method.id} is registered already")
        if method.id == PHONE_IDS["alternateMobile"] and not account.method("phone", PHONE_IDS["mobile"]):
            raise ValueError("an alternate mobile needs a mobile")
        account.methods.append(method)
        return method

    def update(self, user: str, **changes: Any) -> Account:
        """The named fields of the person are changed, for example `enabled=False` or `default_method="push"`."""
        account = self.account(user)
        known = {f.name for f in fields(Person)} - {"id", "methods"}
        if unknown := set(changes) - known:
            raise ValueError(f"unknown: {sorted(unknown)}")
        person = TypeAdapter(Person).validate_python({**vars(account.person), **changes})
        if person.default_method and not any(serves(person.default_method, m) for m in account.methods):
            raise ValueError(f"nothing registered for the default {person.default_method}")
        account.person = person
        return account

    def grant(self, principal: str, role: str, kind: RoleKind = "active", scope: str = "/") -> RoleGrant:
        """The user or role-assignable group has the directory role, or is eligible for it."""
        if role not in ROLES:
            raise ValueError(f"unknown role {role}")
        grant = RoleGrant(principal=self.principal(principal), role=role, kind=kind, scope=scope)
        if (group := self.groups.get(grant.principal)) and not group.role_assignable:
            raise ValueError(f"{group.display_name} is not role-assignable")
        self.roles.append(grant)
        return grant

    def make_eligible(self, principal: str, group: str, access: Access = "member") -> GroupEligibility:
        """The user, or each member of the group `principal`, may activate membership or ownership of `group`."""
        eligibility = GroupEligibility(principal=self.principal(principal), group=self.groups[group].id, access=access)
        self.group_eligibilities.append(eligibility)
        return eligibility

    def join(self, user: str, group: str, access: Access = "member") -> Group:
        """The user is a member or owner of the group."""
        joined = self.groups[group]
        (joined.members if access == "member" else joined.owners).append(self.account(user).person.id)
        return joined

    def refresh_report(self, user: str) -> None:
        """The registration report, which is hours old in reality, now says what is true."""
        account = self.account(user)
        factors = [m for m in account.methods if is_second_factor(m) or m.type in {"fido2", "windowsHelloForBusiness"}]
        account.report = {
            "isAdmin": bool(self.roles_of(account.person.id)),
            "isMfaCapable": bool(factors),
            "isMfaRegistered": bool(factors),
            "methodsRegistered": [_reported(method) for method in account.methods if method.type != "password"],
            "userPreferredMethodForSecondaryAuthentication": account.person.default_method or "none",
            "lastUpdatedDateTime": instant(self.now()),
        }

    # What is so

    def find(self, user: str) -> Account | None:
        if account := self.accounts.get(user.lower()):
            return account
        name = user.casefold()
        return next((a for a in self.accounts.values() if a.person.user_principal_name.casefold() == name), None)

    def account(self, user: str) -> Account:
        """The account with this object id or user principal name, else Graph's 404."""
        if account := self.find(user):
            return account
        raise no_resource(user)

    def principal(self, name: str) -> str:
        return name if name in self.groups else self.account(name).person.id

    def groups_of(self, member: str) -> list[Group]:
        """The groups that the user or group is in, directly or through other groups."""
        found: dict[str, Group] = {}
        waiting = [member]
        while waiting:
            inner = waiting.pop()
            direct = [g for g in self.groups.values() if inner in g.members and g.id not in found]
            found |= {g.id: g for g in direct}
            waiting += [g.id for g in direct]
        return list(found.values())

    def roles_of(self, user: str) -> list[RoleGrant]:
        """The user's active roles over the whole tenant, direct or through groups."""
        principals = {user, *(group.id for group in self.groups_of(user))}
        return [r for r in self.roles if r.principal in principals and r.kind == "active" and r.scope == "/"]

    def listed(self, account: Account, version: str = "beta") -> list[Method]:
        """The methods that `authentication/methods` lists in this version now."""
        hidden = self.settings.hidden_in_v1 if version == "v1.0" else frozenset()
        return account.listed(self.now(), lambda method: method.type not in hidden)

    # Details

    def _completed(self, account: Account, method: Method) -> Method:
        kind = KINDS.get(method.type)
        properties = copy.deepcopy(method.properties)
        if kind:
            if unknown := set(properties) - set(kind.shows):
                raise ValueError(f"{method.type} has no {sorted(unknown)}")
            properties = copy.deepcopy(kind.shows) | properties
        identifier = method.id or str(uuid.uuid4())
        if method.type == "phone":
            identifier = PHONE_IDS[properties["phoneType"]]
        if method.type == "hardwareOath":
            person = account.person
            owner = {"assignedTo": {"id": person.id, "displayName": person.display_name}}
            properties["device"] = TOKEN_DEVICE | owner | (properties["device"] or {}) | {"id": identifier}
        shown = method.created_shown or (kind.created_shown if kind else "value")
        return replace(method, id=identifier, properties=properties, created_shown=shown)


def _reported(method: Method) -> str:
    names = {"microsoftAuthenticator": "microsoftAuthenticatorPush", "softwareOath": "softwareOneTimePasscode"}
    names |= {"hardwareOath": "hardwareOneTimePasscode", "fido2": "fido2SecurityKey"}
    if method.type == "phone":
        return {"mobile": "mobilePhone", "alternateMobile": "alternateMobilePhone"}.get(
            method.properties["phoneType"], "officePhone"
        )
    return names.get(method.type, method.type)


def instant(moment: datetime | None) -> str | None:
    """As Graph writes an instant: UTC, to the second or with fractions where there are any."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def object_id(*parts: str) -> str:
    """A stable object id for something that the tenant has only one of."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(("reregister", *parts))))
