"""The people of the sandbox: one made-up tenant, "Contoso", that the simulated Graph and the simulated ServiceNow share.

Every value is invented (names are those of Microsoft's own demonstration tenants, numbers are from the ranges reserved for
fiction). The dataclasses are the shape of a seed file as well, in camelCase: `Seed.from_json(text)`, `seed.to_json()`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, Self

from pydantic import ConfigDict, TypeAdapter
from pydantic.alias_generators import to_camel

DOMAIN = "contoso.com"
LONG_AGO = datetime(2025, 3, 4, 9, 30, tzinfo=UTC)

ADELE = f"adele.vance@{DOMAIN}"
"""An employee with a mobile phone (her default), the Authenticator and a software OATH token."""
ALEX = f"alex.wilber@{DOMAIN}"
"""His default is the alternate mobile, and he has a mobile: neither can be deleted first."""
CHRISTIE = f"christie.cline@{DOMAIN}"
"""A hardware OATH token beside her phone."""
DIEGO = f"diego.siciliani@{DOMAIN}"
"""A passkey and Windows Hello beside his phone."""
EMILY = f"emily.braun@{DOMAIN}"
"""Nothing but a password."""
GUEST = f"megan_fabrikam.com#EXT#@{DOMAIN}"
"""A guest whose home is another tenant."""
HENRIETTA = f"henrietta.mueller@{DOMAIN}"
"""Her account is disabled."""
ISAIAH = f"isaiah.langer@{DOMAIN}"
"""Synchronised from the on-premises directory."""
JONI = f"joni.sherman@{DOMAIN}"
"""Global Administrator, active."""
LEE = f"lee.gu@{DOMAIN}"
"""Eligible for User Administrator through Privileged Identity Management."""
LYNNE = f"lynne.robbins@{DOMAIN}"
"""Member of a group that may be assigned roles."""
MIRIAM = f"miriam.graham@{DOMAIN}"
"""In a restricted management administrative unit."""
NESTOR = f"nestor.wilke@{DOMAIN}"
"""Eligible for membership of a role-assignable group (PIM for Groups)."""
PATTI = f"patti.fernandez@{DOMAIN}"
"""Adele's manager: approves tickets."""
PRADEEP = f"pradeep.gupta@{DOMAIN}"
"""Works at the service desk: opens tickets."""
GRADY = f"grady.archie@{DOMAIN}"
"""Owner, not member, of a role-assignable group."""
IRVIN = f"irvin.sayers@{DOMAIN}"
"""Has a custom directory role."""
LIDIA = f"lidia.holloway@{DOMAIN}"
"""User Administrator over one administrative unit only."""
JOHANNA = f"johanna.lorenz@{DOMAIN}"
"""Helpdesk Administrator through a role-assignable group."""
ENRICO = f"enrico.cattaneo@{DOMAIN}"
"""Eligible for User Administrator through a role-assignable group."""
DEBRA = f"debra.berger@{DOMAIN}"
"""Eligible for ownership of a role-assignable group (PIM for Groups)."""
BIANCA = f"bianca.pisani@{DOMAIN}"
"""Eligible for membership of an ordinary group (PIM for Groups): no administrator."""
RAUL = f"raul.razo@{DOMAIN}"
"""In an ordinary group that is eligible for membership of a role-assignable one: may activate it for himself."""

PASSWORD_ID = "28c10230-6103-485e-b985-444c60001490"
PHONE_IDS = {
    "mobile": "3179e48a-750b-4051-897c-87b9720928f7",
    "alternateMobile": "b6332ec1-7057-4abe-9331-3d72feddfe41",
    "office": "e37fc753-ff3b-4958-9484-eaa9425c82bc",
}
"""The same for every user. Source: Microsoft Graph, phoneAuthenticationMethod resource type."""

type CreatedShown = Literal["value", "null", "absent"]
type RoleKind = Literal["active", "eligible"]
type Access = Literal["member", "owner"]
type DefaultMethod = Literal["push", "oath", "voiceMobile", "voiceAlternateMobile", "voiceOffice", "sms"]

_SHAPE = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


@dataclass(kw_only=True)
class Method:
    """One authentication method. `type` is Graph's type name without `#microsoft.graph.` and `AuthenticationMethod`.

    `id` "" means that the tenant gives one; `created` is when it was registered, `created_shown` how Graph shows that: None is
    what is usual for the type.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _SHAPE

    type: str
    id: str = ""
    created: datetime = LONG_AGO
    created_shown: CreatedShown | None = None
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass(kw_only=True)
class Person:
    """A user of the tenant. `default_method` is the sign-in preference; every person has a password besides `methods`.

    `hidden_method` is a second factor that Graph does not show; `lag_seconds` and `lag_reads` override the tenant's settings.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _SHAPE

    id: str
    user_principal_name: str
    display_name: str
    given_name: str
    surname: str
    mail: str | None = None
    job_title: str | None = None
    department: str | None = None
    employee_type: str | None = None
    manager: str | None = None
    enabled: bool = True
    user_type: Literal["Member", "Guest"] = "Member"
    synced: bool = False
    restricted: bool = False
    default_method: DefaultMethod | None = None
    hidden_method: bool = False
    lag_seconds: float | None = None
    lag_reads: int | None = None
    methods: list[Method] = field(default_factory=list)


@dataclass(kw_only=True)
class Group:
    """A group; `members` and `owners` are object ids of people, `members` of groups too."""

    __pydantic_config__: ClassVar[ConfigDict] = _SHAPE

    id: str
    display_name: str
    role_assignable: bool = False
    members: list[str] = field(default_factory=list)
    owners: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class RoleGrant:
    """A directory role of a person or group, over `scope` (`/`: the tenant). `role` is a display name in `ROLES`."""

    __pydantic_config__: ClassVar[ConfigDict] = _SHAPE

    principal: str
    role: str
    kind: RoleKind = "active"
    scope: str = "/"


@dataclass(kw_only=True)
class GroupEligibility:
    """That a person, or each member of a group, may activate membership or ownership of a group (PIM for Groups)."""

    __pydantic_config__: ClassVar[ConfigDict] = _SHAPE

    principal: str
    group: str
    access: Access = "member"


@dataclass(kw_only=True)
class Seed:
    """A whole tenant at its beginning."""

    __pydantic_config__: ClassVar[ConfigDict] = _SHAPE

    people: list[Person] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    roles: list[RoleGrant] = field(default_factory=list)
    group_eligibilities: list[GroupEligibility] = field(default_factory=list)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """The tenant of a seed file; `pydantic.ValidationError` for anything that is not of the shape."""
        return TypeAdapter(cls).validate_json(text)

    def to_json(self) -> str:
        return TypeAdapter(type(self)).dump_json(self, by_alias=True, indent=2).decode()

    def person(self, upn: str) -> Person:
        """The person with this user principal name; `KeyError` when there is none."""
        return {person.user_principal_name: person for person in self.people}[upn]


CUSTOM_ROLES = {"Telephone Directory Keeper": "c0117050-2222-4000-8000-000000000001"}
ROLES = {
    "Global Administrator": "62e90394-69f5-4237-9190-012177145e10",
    "Authentication Administrator": "c4e39bd9-1100-46d3-8c65-fb160da0071f",
    "User Administrator": "fe930be7-5e62-47db-91af-98c3a49a38b1",
    "Helpdesk Administrator": "729827e3-9c14-49f7-bb1b-9608f156bbb8",
    "Directory Readers": "88d8e3e3-8f55-4a1e-953a-9b9898b8876b",
    **CUSTOM_ROLES,
}
"""Template ids of built-in roles (source: Microsoft Entra built-in roles), and of the tenant's own in `CUSTOM_ROLES`."""


def phone(kind: Literal["mobile", "alternateMobile", "office"], number: str, **more: Any) -> Method:
    return Method(type="phone", id=PHONE_IDS[kind], properties={"phoneType": kind, "phoneNumber": number}, **more)


def authenticator(device: str, **more: Any) -> Method:
    return Method(type="microsoftAuthenticator", properties={"displayName": device}, **more)


def software_oath(**more: Any) -> Method:
    return Method(type="softwareOath", **more)


def hardware_oath(serial: str, **more: Any) -> Method:
    return Method(type="hardwareOath", properties={"device": {"serialNumber": serial}}, **more)


def fido2(name: str, **more: Any) -> Method:
    return Method(type="fido2", properties={"displayName": name}, **more)


def windows_hello(device: str, **more: Any) -> Method:
    return Method(type="windowsHelloForBusiness", properties={"displayName": device}, **more)


def _employee(number: int, upn: str, title: str, methods: Iterable[Method] = (), **more: Any) -> Person:
    given, surname = upn.removesuffix(f"@{DOMAIN}").split(".")
    return Person(
        id=f"c0117050-0000-4000-8000-{number:012d}",
        user_principal_name=upn,
        display_name=f"{given.title()} {surname.title()}",
        given_name=given.title(),
        surname=surname.title(),
        mail=upn,
        job_title=title,
        methods=list(methods),
        **more,
    )


def _mobile(number: int) -> Method:
    return phone("mobile", f"+1 2065550{number}")


ROLE_GROUP_ID = "c0117050-1111-4000-8000-000000000001"
PIM_GROUP_ID = "c0117050-1111-4000-8000-000000000002"
EVERYONE_GROUP_ID = "c0117050-1111-4000-8000-000000000003"
SALES_GROUP_ID = "c0117050-1111-4000-8000-000000000004"
HELPDESK_GROUP_ID = "c0117050-1111-4000-8000-000000000005"
ELIGIBLE_ROLE_GROUP_ID = "c0117050-1111-4000-8000-000000000006"
PROJECT_GROUP_ID = "c0117050-1111-4000-8000-000000000007"
NIGHT_SHIFT_GROUP_ID = "c0117050-1111-4000-8000-000000000008"
UNIT_SCOPE = "/administrativeUnits/c0117050-3333-4000-8000-000000000001"


def contoso() -> Seed:
    """The tenant that `make demo` starts with, fresh at each call."""
    people = [
        _employee(1, ADELE, "Retail Manager", [_mobile(101), authenticator("Adele's iPhone"), software_oath()],
                  default_method="sms", department="Retail", manager=PATTI),
        _employee(2, ALEX, "Marketing Assistant", [_mobile(102), phone("alternateMobile", "+1 2065550112")],
                  default_method="voiceAlternateMobile", department="Marketing", manager=PATTI),
        _employee(3, CHRISTIE, "Sales Director", [_mobile(103), hardware_oath("CTSO0000103")],
                  default_method="sms", department="Sales", manager=PATTI),
        _employee(4, DIEGO, "Support Engineer", [_mobile(104), fido2("Red key"), windows_hello("DIEGO-LAPTOP")],
                  default_method="sms", department="Operations", manager=PATTI),
        _employee(5, EMILY, "Budget Analyst", department="Finance", manager=PATTI),
        Person(id=f"c0117050-0000-4000-8000-{6:012d}", user_principal_name=GUEST, display_name="Megan Bowen (Fabrikam)",
               given_name="Megan", surname="Bowen", mail="megan@fabrikam.com", user_type="Guest", methods=[_mobile(106)]),
        _employee(7, HENRIETTA, "Developer", [_mobile(107), authenticator("Henrietta's Pixel")],
                  default_method="push", department="Engineering", enabled=False),
        _employee(8, ISAIAH, "Sales Representative", [_mobile(108), authenticator("Isaiah's Galaxy")],
                  default_method="push", department="Sales", synced=True, manager=CHRISTIE),
        _employee(9, JONI, "Paralegal", [_mobile(109), authenticator("Joni's iPhone")],
                  default_method="push", department="Legal"),
        _employee(10, LEE, "Director", [authenticator("Lee's iPhone")], default_method="push", department="Manufacturing"),
        _employee(11, LYNNE, "Planner", [authenticator("Lynne's Pixel")], default_method="push", department="Retail"),
        _employee(12, MIRIAM, "Vice President", [_mobile(112), authenticator("Miriam's iPhone")],
                  default_method="push", department="Marketing", restricted=True),
        _employee(13, NESTOR, "Director", [authenticator("Nestor's Galaxy")], default_method="push", department="Operations"),
        _employee(14, PATTI, "President", [authenticator("Patti's iPhone")], default_method="push", department="Executive"),
        _employee(15, PRADEEP, "Service Desk Agent", [_mobile(115)], default_method="sms", department="IT", manager=PATTI),
        *(_employee(number, upn, title, [authenticator("A phone")], default_method="push", department="IT")
          for number, upn, title in (
              (16, GRADY, "Team Lead"), (17, IRVIN, "Project Manager"), (18, LIDIA, "Product Manager"),
              (19, JOHANNA, "Service Desk Lead"), (20, ENRICO, "Service Desk Agent"), (21, DEBRA, "Administrative Assistant"),
              (22, BIANCA, "Consultant"), (23, RAUL, "Operator"))),
    ]  # fmt: skip
    ids = {person.user_principal_name: person.id for person in people}
    for person in people:
        person.manager = ids.get(person.manager or "")
    sales = Group(id=SALES_GROUP_ID, display_name="Sales", members=[ids[CHRISTIE], ids[ISAIAH]])
    staff = [person.id for person in people if person.user_type == "Member" and person.department != "Sales"]
    return Seed(
        people=people,
        groups=[
            Group(id=ROLE_GROUP_ID, display_name="Identity Operators", role_assignable=True, members=[ids[LYNNE]]),
            Group(id=PIM_GROUP_ID, display_name="Directory On-Call", role_assignable=True),
            sales,
            Group(id=EVERYONE_GROUP_ID, display_name="All Staff", members=[*staff, sales.id], owners=[ids[PATTI]]),
            Group(
                id=HELPDESK_GROUP_ID,
                display_name="Help Desk Leads",
                role_assignable=True,
                members=[ids[JOHANNA]],
                owners=[ids[GRADY]],
            ),
            Group(id=ELIGIBLE_ROLE_GROUP_ID, display_name="User Keepers", role_assignable=True, members=[ids[ENRICO]]),
            Group(id=PROJECT_GROUP_ID, display_name="Project Falcon"),
            Group(id=NIGHT_SHIFT_GROUP_ID, display_name="Night Shift", members=[ids[RAUL]]),
        ],
        roles=[
            RoleGrant(principal=ids[JONI], role="Global Administrator"),
            RoleGrant(principal=ids[LEE], role="User Administrator", kind="eligible"),
            RoleGrant(principal=PIM_GROUP_ID, role="Helpdesk Administrator"),
            RoleGrant(principal=ids[IRVIN], role="Telephone Directory Keeper"),
            RoleGrant(principal=ids[LIDIA], role="User Administrator", scope=UNIT_SCOPE),
            RoleGrant(principal=HELPDESK_GROUP_ID, role="Helpdesk Administrator"),
            RoleGrant(principal=ELIGIBLE_ROLE_GROUP_ID, role="User Administrator", kind="eligible"),
        ],
        group_eligibilities=[
            GroupEligibility(principal=ids[NESTOR], group=PIM_GROUP_ID),
            GroupEligibility(principal=ids[DEBRA], group=ELIGIBLE_ROLE_GROUP_ID, access="owner"),
            GroupEligibility(principal=ids[BIANCA], group=PROJECT_GROUP_ID),
            GroupEligibility(principal=NIGHT_SHIFT_GROUP_ID, group=HELPDESK_GROUP_ID),
        ],
    )
