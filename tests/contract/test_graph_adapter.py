"""What any `Directory` does, and what the one on Microsoft Graph does besides. The Graph here is the sandbox's, on loopback.

`DirectoryContract` is for every implementation: a subclass gives it a `world`, whose `tenant` is what the directory shows.
"""

import asyncio
import json
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import httpx
import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from azure.identity.aio import ManagedIdentityCredential

from sandbox.graph import SimulatedGraph, Tenant
from sandbox.graph.faults import answer_lost, bad_gateway, cut_off, locked, refusal, throttled, unavailable
from sandbox.identity import DEFAULT_PERMISSIONS, SimulatedIdentity
from sandbox.people import (
    ADELE,
    ALEX,
    BIANCA,
    CHRISTIE,
    DEBRA,
    DIEGO,
    ELIGIBLE_ROLE_GROUP_ID,
    EMILY,
    ENRICO,
    EVERYONE_GROUP_ID,
    GRADY,
    GUEST,
    HELPDESK_GROUP_ID,
    HENRIETTA,
    IRVIN,
    ISAIAH,
    JOHANNA,
    JONI,
    LEE,
    LIDIA,
    LYNNE,
    MIRIAM,
    NESTOR,
    NIGHT_SHIFT_GROUP_ID,
    PASSWORD_ID,
    PATTI,
    PHONE_IDS,
    PIM_GROUP_ID,
    PROJECT_GROUP_ID,
    RAUL,
    ROLE_GROUP_ID,
    ROLES,
    SALES_GROUP_ID,
    Access,
    Group,
    hardware_oath,
)
from sandbox.people import Method as Registered
from sandbox.simulator import Fault, running
from sandbox.tokens import IDENTITY_CLIENT_ID, mint
from shared.adapters.graph import GraphClients, GraphDirectory, UnexpectedAnswer, connect
from shared.adapters.graph import calls as graph_calls
from shared.adapters.graph import standing as standing_reads
from shared.adapters.graph.standing import AT_ONCE
from shared.model import Action, Method, Removal, Standing, WaitingFor
from shared.ports import Directory, Forbidden, PersonNotFound, Unavailable
from tests.fakes import FakeDirectory

pytestmark = pytest.mark.filterwarnings("ignore:This class is deprecated:DeprecationWarning")  # which msgraph-sdk makes itself

NOBODY = "c0117050-9999-4000-8000-000000000001"
SECOND_GROUP_ID = "c0117050-1111-4000-8000-000000000009"
ALL_METHODS = "UserAuthenticationMethod.ReadWrite.All"
MOBILE = Removal(Method("phone", PHONE_IDS["mobile"]))
SOFTWARE_OATH = "softwareOath"


class FrozenClock:
    """Time passes only in `sleep`, which takes none."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 24, 2, 35, 16, tzinfo=UTC)
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += timedelta(seconds=seconds)


class Credential:
    """Gives tokens of the sandbox for whatever scope is asked; `asked` holds scopes and options of every request."""

    def __init__(self, roles: Collection[str] = DEFAULT_PERMISSIONS) -> None:
        self.roles = frozenset(roles)
        self.asked: list[tuple[tuple[str, ...], dict[str, Any]]] = []
        self.failure: Exception | None = None
        self.token: str | None = None

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        self.asked.append((scopes, options))
        if self.failure:
            raise self.failure
        return AccessToken(self.token or mint(scopes[0].removesuffix("/.default"), self.roles), 4102444800)

    async def close(self) -> None:
        pass

    async def __aenter__(self) -> "Credential":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class World(Protocol):
    """A tenant and a way to look at it as the app does, with what `grant` says it may."""

    tenant: Tenant

    @property
    def directory(self) -> Directory: ...

    def grant(self, permissions: Collection[str]) -> None: ...


def person_id(world: World, upn: str) -> str:
    return world.tenant.account(upn).person.id


def registered(world: World, upn: str, kind: str) -> Method:
    found = next(method for method in world.tenant.account(upn).methods if method.type == kind)
    return Method(kind, found.id)


def types(methods: Collection[Method]) -> list[str]:
    return sorted(method.type for method in methods)


type Step = tuple[str, ...]

WAYS: dict[str, tuple[Step, ...]] = {
    "in it": (("join", "who", PROJECT_GROUP_ID),),
    "owner of it": (("own", "who", PROJECT_GROUP_ID),),
    "may join it": (("may join", "who", PROJECT_GROUP_ID),),
    "may own it": (("may own", "who", PROJECT_GROUP_ID),),
    "in a group within it": (("join", EVERYONE_GROUP_ID, PROJECT_GROUP_ID),),
    "owner of a group within it": (("join", SALES_GROUP_ID, PROJECT_GROUP_ID), ("own", "who", SALES_GROUP_ID)),
    "owner of a group within a group within it": (
        ("join", SECOND_GROUP_ID, PROJECT_GROUP_ID),
        ("join", SALES_GROUP_ID, SECOND_GROUP_ID),
        ("own", "who", SALES_GROUP_ID),
    ),
    "may join a group within it": (("join", SALES_GROUP_ID, PROJECT_GROUP_ID), ("may join", "who", SALES_GROUP_ID)),
    "in a group that may join it": (("may join", EVERYONE_GROUP_ID, PROJECT_GROUP_ID),),
    "owner of a group that may own it": (("may own", SALES_GROUP_ID, PROJECT_GROUP_ID), ("own", "who", SALES_GROUP_ID)),
    "may join a group that may join a group within it": (
        ("join", SECOND_GROUP_ID, PROJECT_GROUP_ID),
        ("may join", SALES_GROUP_ID, SECOND_GROUP_ID),
        ("may join", "who", SALES_GROUP_ID),
    ),
}
"""How somebody may come to enter an ordinary group, which may then join a role-assignable one."""


def take(tenant: Tenant, step: Step, who: str) -> None:
    how, *ends = step
    principal, group = (who if end == "who" else end for end in ends)
    match how:
        case "join":
            tenant.groups[group].members.append(principal)
        case "own":
            tenant.groups[group].owners.append(principal)
        case _:
            tenant.make_eligible(principal, group, "owner" if how == "may own" else "member")


class DirectoryContract:
    """What the use cases rely on."""

    async def test_a_person_is_found_by_principal_name_and_by_object_id(self, world: World) -> None:
        by_name = await world.directory.person(ADELE.upper())
        assert by_name == await world.directory.person(by_name.id)
        assert (by_name.id, by_name.user_principal_name) == (person_id(world, ADELE), ADELE)
        assert by_name.enabled
        assert [by_name.guest, by_name.synced, by_name.management_restricted] == [False] * 3

    @pytest.mark.parametrize(
        ("upn", "flag", "value"),
        [
            (HENRIETTA, "enabled", False),
            (GUEST, "guest", True),
            (ISAIAH, "synced", True),
            (MIRIAM, "management_restricted", True),
        ],
    )
    async def test_what_sets_a_person_apart_is_shown(self, world: World, upn: str, flag: str, value: bool) -> None:
        assert getattr(await world.directory.person(upn), flag) is value

    async def test_an_invited_person_is_a_guest_even_as_a_member(self, world: World) -> None:
        world.tenant.update(GUEST, user_type="Member")
        assert (await world.directory.person(GUEST)).guest

    @pytest.mark.parametrize(
        "identifier", [NOBODY, "nobody@contoso.com", "Adele Vance", "", "../groups", "a/b@contoso.com", "me"]
    )
    async def test_who_is_not_there_is_not_found(self, world: World, identifier: str) -> None:
        with pytest.raises(PersonNotFound):
            await world.directory.person(identifier)

    async def test_methods_of_who_is_not_there_are_not_found(self, world: World) -> None:
        with pytest.raises(PersonNotFound):
            await world.directory.inventory(NOBODY)
        with pytest.raises(PersonNotFound):
            await world.directory.methods(NOBODY)

    async def test_the_inventory_holds_every_method_once_and_the_default(self, world: World) -> None:
        inventory = await world.directory.inventory(person_id(world, ADELE))
        assert types(inventory.methods) == ["microsoftAuthenticator", "password", "phone", "softwareOath"]
        assert inventory.default == "sms"
        assert inventory.request_id

    async def test_reading_back_shows_the_same_methods_without_the_default(self, world: World) -> None:
        inventory = await world.directory.inventory(person_id(world, CHRISTIE))
        read_back = await world.directory.methods(person_id(world, CHRISTIE))
        assert read_back.methods == inventory.methods
        assert read_back.default is None

    async def test_who_has_only_a_password_has_no_default(self, world: World) -> None:
        inventory = await world.directory.inventory(person_id(world, EMILY))
        assert [(method.type, method.id) for method in inventory.methods] == [("password", PASSWORD_ID)]
        assert inventory.default is None

    async def test_times_of_registration_are_utc_or_unknown(self, world: World) -> None:
        methods = {method.type: method for method in (await world.directory.methods(person_id(world, DIEGO))).methods}
        assert methods["phone"].created_at is None
        assert methods["fido2"].created_at == datetime(2025, 3, 4, 9, 30, tzinfo=UTC)

    async def test_a_hardware_token_shows_whether_it_is_active(self, world: World) -> None:
        world.tenant.register(
            CHRISTIE, Registered(type="hardwareOath", id="spare", properties={"device": {"status": "assigned"}})
        )
        methods = (await world.directory.methods(person_id(world, CHRISTIE))).methods
        assert {method.id == "spare": method.active for method in methods if method.type == "hardwareOath"} == {
            True: False,
            False: True,
        }

    @pytest.mark.parametrize("upn", [ADELE, PATTI, BIANCA, GUEST])
    async def test_who_is_no_administrator_has_a_standing_of_groups_only(self, world: World, upn: str) -> None:
        standing = await world.directory.standing(person_id(world, upn))
        groups = frozenset({EVERYONE_GROUP_ID}) if upn != GUEST else frozenset()
        assert standing == Standing(groups=groups)

    @pytest.mark.parametrize(
        ("upn", "active", "eligible", "role_groups"),
        [
            (JONI, ["Global Administrator"], [], []),
            (LEE, [], ["User Administrator"], []),
            (IRVIN, ["Telephone Directory Keeper"], [], []),
            (LIDIA, ["User Administrator"], [], []),
            (JOHANNA, ["Helpdesk Administrator"], [], [HELPDESK_GROUP_ID]),
            (ENRICO, [], [], [ELIGIBLE_ROLE_GROUP_ID]),
            (LYNNE, [], [], [ROLE_GROUP_ID]),
            (GRADY, [], [], [HELPDESK_GROUP_ID]),
            (NESTOR, [], [], [PIM_GROUP_ID]),
            (DEBRA, [], [], [ELIGIBLE_ROLE_GROUP_ID]),
            (RAUL, [], [], [HELPDESK_GROUP_ID]),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    async def test_every_kind_of_administrator_is_found(
        self, world: World, upn: str, active: list[str], eligible: list[str], role_groups: list[str]
    ) -> None:
        standing = await world.directory.standing(person_id(world, upn))
        assert standing.active == tuple(ROLES[role] for role in active)
        assert standing.eligible == tuple(ROLES[role] for role in eligible)
        assert standing.role_groups == tuple(role_groups)

    async def test_groups_are_those_that_the_person_is_in_directly_or_through_others(self, world: World) -> None:
        standing = await world.directory.standing(person_id(world, CHRISTIE))
        assert standing.groups == {SALES_GROUP_ID, EVERYONE_GROUP_ID}

    async def test_a_role_that_is_held_in_several_ways_is_one_role(self, world: World) -> None:
        world.tenant.grant(person_id(world, JOHANNA), "Helpdesk Administrator")
        assert (await world.directory.standing(person_id(world, JOHANNA))).active == (ROLES["Helpdesk Administrator"],)

    async def test_a_group_that_may_be_joined_but_is_gone_may_have_been_role_assignable(self, world: World) -> None:
        del world.tenant.groups[PROJECT_GROUP_ID]
        assert (await world.directory.standing(person_id(world, BIANCA))).role_groups == (PROJECT_GROUP_ID,)

    async def test_one_eligibility_may_open_the_way_to_another(self, world: World) -> None:
        world.tenant.make_eligible(PROJECT_GROUP_ID, NIGHT_SHIFT_GROUP_ID)
        assert (await world.directory.standing(person_id(world, BIANCA))).role_groups == (HELPDESK_GROUP_ID,)

    @pytest.mark.parametrize("access", ["member", "owner"])
    @pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
    async def test_every_way_into_a_role_assignable_group_is_found(
        self, world: World, way: tuple[Step, ...], access: Access
    ) -> None:
        world.tenant.groups[SECOND_GROUP_ID] = Group(id=SECOND_GROUP_ID, display_name="Project Falcon, Second Team")
        world.tenant.make_eligible(PROJECT_GROUP_ID, PIM_GROUP_ID, access)
        *others, last = way
        for step in others:
            take(world.tenant, step, person_id(world, ADELE))
        assert (await world.directory.standing(person_id(world, ADELE))).role_groups == ()
        take(world.tenant, last, person_id(world, ADELE))
        assert (await world.directory.standing(person_id(world, ADELE))).role_groups == (PIM_GROUP_ID,)

    async def test_who_is_only_in_a_group_around_the_one_that_leads_there_may_not_go_there(self, world: World) -> None:
        world.tenant.groups[EVERYONE_GROUP_ID].members.append(NIGHT_SHIFT_GROUP_ID)
        assert (await world.directory.standing(person_id(world, ADELE))).role_groups == ()
        assert (await world.directory.standing(person_id(world, PATTI))).role_groups == ()  # who owns it

    async def test_eligibilities_in_a_circle_lead_nowhere(self, world: World) -> None:
        world.tenant.make_eligible(EVERYONE_GROUP_ID, PROJECT_GROUP_ID)
        world.tenant.make_eligible(PROJECT_GROUP_ID, EVERYONE_GROUP_ID)
        assert (await world.directory.standing(person_id(world, ADELE))).role_groups == ()

    async def test_without_a_licence_for_it_nobody_is_eligible(self, world: World) -> None:
        world.tenant.settings.premium = False
        for upn in (LEE, NESTOR, DEBRA, RAUL):
            standing = await world.directory.standing(person_id(world, upn))
            assert (standing.active, standing.eligible, standing.role_groups) == ((), (), ())
        assert (await world.directory.standing(person_id(world, JONI))).active
        assert (await world.directory.standing(person_id(world, ENRICO))).role_groups

    async def test_the_standing_of_who_is_not_there_is_not_found(self, world: World) -> None:
        with pytest.raises(PersonNotFound):
            await world.directory.standing(NOBODY)

    async def test_a_removed_method_is_gone_and_removing_it_again_says_so_too(self, world: World) -> None:
        removal = Removal(registered(world, ADELE, SOFTWARE_OATH))
        first = await world.directory.remove(person_id(world, ADELE), removal)
        again = await world.directory.remove(person_id(world, ADELE), removal)
        assert (first.gone, first.status, again.gone, again.status) == (True, 204, True, 404)
        assert first.request_id
        assert SOFTWARE_OATH not in world.tenant.account(ADELE).types()

    async def test_a_default_method_is_refused_while_others_are_left(self, world: World) -> None:
        refused = await world.directory.remove(person_id(world, ADELE), MOBILE)
        assert (refused.gone, refused.status) == (False, 400)
        assert "phone" in world.tenant.account(ADELE).types()

    async def test_a_deactivated_token_stays_assigned(self, world: World) -> None:
        removal = Removal(registered(world, CHRISTIE, "hardwareOath"), Action.DEACTIVATE)
        assert (await world.directory.remove(person_id(world, CHRISTIE), removal)).gone
        methods = (await world.directory.methods(person_id(world, CHRISTIE))).methods
        assert [method.active for method in methods if method.type == "hardwareOath"] == [False]

    @pytest.mark.parametrize(
        "kind",
        [
            "phone",
            "microsoftAuthenticator",
            "softwareOath",
            "hardwareOath",
            "email",
            "fido2",
            "windowsHelloForBusiness",
            "platformCredential",
            "temporaryAccessPass",
            "external",
            "qrCodePin",
        ],
    )
    async def test_every_type_that_can_be_removed_is(self, world: World, kind: str) -> None:
        world.grant({*DEFAULT_PERMISSIONS, ALL_METHODS})
        method = hardware_oath("CTSO0000105") if kind == "hardwareOath" else Registered(type=kind)
        method.id = PHONE_IDS["office"] if kind == "phone" else "eK5/x+=A"  # base64 as such, as some ids are
        world.tenant.register(EMILY, method)
        listed = [m for m in (await world.directory.methods(person_id(world, EMILY))).methods if m.type == kind]
        assert len(listed) == 1
        assert (await world.directory.remove(person_id(world, EMILY), Removal(listed[0]))).gone
        assert world.tenant.account(EMILY).types() == ["password"]

    async def test_what_is_forbidden_leaves_the_method_untouched(self, world: World) -> None:
        world.tenant.update(MIRIAM, default_method=None)
        with pytest.raises(Forbidden):
            await world.directory.remove(person_id(world, MIRIAM), MOBILE)
        assert "phone" in world.tenant.account(MIRIAM).types()

    async def test_sessions_are_revoked(self, world: World) -> None:
        answer = await world.directory.revoke_sessions(person_id(world, ADELE))
        assert answer.done
        assert answer.request_id
        assert len(world.tenant.account(ADELE).revocations) == 1

    async def test_another_default_can_be_preferred_by_who_may(self, world: World) -> None:
        with pytest.raises(Forbidden):
            await world.directory.prefer(person_id(world, ALEX), "sms")
        world.grant({*DEFAULT_PERMISSIONS, ALL_METHODS})
        answer = await world.directory.prefer(person_id(world, ALEX), "sms")
        assert (answer.done, answer.status) == (True, 204)
        assert (await world.directory.inventory(person_id(world, ALEX))).default == "sms"

    async def test_a_default_that_nothing_serves_is_refused(self, world: World) -> None:
        world.grant({*DEFAULT_PERMISSIONS, ALL_METHODS})
        answer = await world.directory.prefer(person_id(world, ALEX), "push")
        assert (answer.done, answer.status) == (False, 400)
        assert (await world.directory.inventory(person_id(world, ALEX))).default == "voiceAlternateMobile"

    async def test_the_default_permissions_suffice_for_the_default_profile(self, world: World) -> None:
        kinds = ("phone", "microsoftAuthenticator", "softwareOath")
        removals = [
            *(Removal(Method(kind, "x")) for kind in kinds),
            Removal(Method("hardwareOath", "x"), Action.DEACTIVATE),
        ]
        assert await world.directory.lacking(removals, revoke=True, prefer=False) == ()

    async def test_permissions_that_are_lacking_are_named(self, world: World) -> None:
        removals = [Removal(Method("fido2", "x")), Removal(Method("phone", "x")), Removal(Method("fido2", "y"))]
        assert await world.directory.lacking(removals, revoke=False, prefer=True) == (
            "UserAuthMethod-Passkey.ReadWrite.All",
            ALL_METHODS,
        )
        world.grant({ALL_METHODS})
        assert await world.directory.lacking(removals, revoke=True, prefer=True) == (
            "GroupMember.Read.All",
            "User.RevokeSessions.All",
        )

    async def test_the_permission_to_read_groups_is_missed_whatever_is_removed(self, world: World) -> None:
        assert await world.directory.lacking((), revoke=False, prefer=False) == ()
        world.grant(DEFAULT_PERMISSIONS - {"GroupMember.Read.All"})
        assert await world.directory.lacking((), revoke=False, prefer=False) == ("GroupMember.Read.All",)
        world.grant(DEFAULT_PERMISSIONS - {"GroupMember.Read.All"} | {"Directory.Read.All"})
        assert await world.directory.lacking((), revoke=False, prefer=False) == ()

    async def test_without_the_permission_to_read_groups_even_who_is_in_none_has_no_standing(self, world: World) -> None:
        world.grant(DEFAULT_PERMISSIONS - {"GroupMember.Read.All"})
        with pytest.raises(Forbidden):
            await world.directory.standing(person_id(world, GUEST))

    @pytest.mark.parametrize(
        ("permission", "call"),
        [
            ("User.Read.All", lambda d, who: d.person(who)),
            ("User.Read.All", lambda d, who: d.standing(who)),
            ("GroupMember.Read.All", lambda d, who: d.standing(who)),
            ("RoleManagement.Read.Directory", lambda d, who: d.standing(who)),
            ("PrivilegedEligibilitySchedule.Read.AzureADGroup", lambda d, who: d.standing(who)),
            ("UserAuthenticationMethod.Read.All", lambda d, who: d.inventory(who)),
            ("UserAuthenticationMethod.Read.All", lambda d, who: d.methods(who)),
            ("UserAuthMethod-Phone.ReadWrite.All", lambda d, who: d.remove(who, MOBILE)),
            (
                "UserAuthMethod-MicrosoftAuthApp.ReadWrite.All",
                lambda d, who: d.remove(who, Removal(Method("microsoftAuthenticator", "x"))),
            ),
            ("UserAuthMethod-SoftwareOATH.ReadWrite.All", lambda d, who: d.remove(who, Removal(Method("softwareOath", "x")))),
            (
                "UserAuthMethod-HardwareOATH.ReadWrite.All",
                lambda d, who: d.remove(who, Removal(Method("hardwareOath", "x"), Action.DEACTIVATE)),
            ),
            ("User.RevokeSessions.All", lambda d, who: d.revoke_sessions(who)),
        ],
    )
    async def test_each_call_is_forbidden_without_its_own_permission(
        self, world: World, permission: str, call: Callable[[Directory, str], Awaitable[object]]
    ) -> None:
        world.grant(DEFAULT_PERMISSIONS - {permission})
        with pytest.raises(Forbidden) as refused:
            await call(world.directory, person_id(world, ADELE))
        assert refused.value.service is WaitingFor.GRAPH
        assert world.tenant.account(ADELE).removals == []


class SimulatedWorld:
    def __init__(self, simulator: SimulatedGraph, clients: GraphClients, credential: Credential) -> None:
        self.tenant = simulator.tenant
        self.simulator = simulator
        self.clients = clients
        self.credential = credential
        self.clock = FrozenClock()

    @property
    def directory(self) -> GraphDirectory:
        """One for a new invocation."""
        return GraphDirectory(self.clients, self.clock)

    def grant(self, permissions: Collection[str]) -> None:
        self.credential.roles = frozenset(permissions)


@pytest.fixture
async def world() -> AsyncIterator[SimulatedWorld]:
    simulator, credential = SimulatedGraph(), Credential()
    async with running(simulator.app) as root, connect(root, credential) as clients:
        yield SimulatedWorld(simulator, clients, credential)


class TestGraphDirectory(DirectoryContract):
    """The contract, on the simulated Graph."""


async def test_a_managed_identity_is_all_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    identity, graph = SimulatedIdentity(), SimulatedGraph()
    async with running(identity.app) as identity_root, running(graph.app) as root:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{identity_root}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", identity.header)
        async with ManagedIdentityCredential(client_id=IDENTITY_CLIENT_ID) as credential, connect(root, credential) as clients:
            directory = GraphDirectory(clients, FrozenClock())
            person = await directory.person(ADELE)
            assert len((await directory.inventory(person.id)).methods) == 4
            assert await directory.lacking([Removal(Method("fido2", "x"))], revoke=True, prefer=False)
        assert [call["resource"] for call in identity.log] == [root]


def adele(world: SimulatedWorld) -> str:
    return person_id(world, ADELE)


class TestWhatIsAsked:
    async def test_nothing_is_asked_about_what_cannot_be_a_user(self, world: SimulatedWorld) -> None:
        with pytest.raises(PersonNotFound):
            await world.directory.person("x?$select=id@contoso.com")
        with pytest.raises(ValueError, match="object id"):
            await world.directory.methods(ADELE)
        with pytest.raises(ValueError, match="object id"):
            await world.directory.standing("x' or '1' eq '1")
        with pytest.raises(ValueError, match="object id"):
            await world.directory.remove(f"{adele(world)}/..", Removal(Method("qrCodePin", "x")))
        assert world.simulator.log == []

    async def test_an_inventory_is_three_reads_and_a_read_back_two(self, world: SimulatedWorld) -> None:
        await world.directory.inventory(adele(world))
        assert sorted(call["path"].rpartition("/")[2] for call in world.simulator.log) == [
            "hardwareOathMethods",
            "methods",
            "signInPreferences",
        ]
        world.simulator.log.clear()
        await world.directory.methods(adele(world))
        assert len(world.simulator.log) == 2
        assert world.simulator.writes() == []

    async def test_a_token_that_both_versions_list_is_one_method(self, world: SimulatedWorld) -> None:
        world.tenant.settings.hidden_in_v1 = frozenset()
        methods = (await world.directory.methods(person_id(world, CHRISTIE))).methods
        assert types(methods) == ["hardwareOath", "password", "phone"]
        assert [method.active for method in methods if method.type == "hardwareOath"] == [True]

    async def test_of_a_token_that_both_list_the_time_that_either_tells_is_kept(self, world: SimulatedWorld) -> None:
        world.tenant.settings.hidden_in_v1 = frozenset()
        token = {"id": registered(world, CHRISTIE, "hardwareOath").id, "createdDateTime": None, "device": {"status": "activated"}}
        world.simulator.arm(Fault(path="hardwareOathMethods", status=200, body={"value": [token]}))
        methods = (await world.directory.methods(person_id(world, CHRISTIE))).methods
        assert [m.created_at is not None and m.active for m in methods if m.type == "hardwareOath"] == [True]

    @pytest.mark.parametrize("status", [400, 403, 404])
    async def test_a_default_that_graph_will_not_tell_is_unknown(self, world: SimulatedWorld, status: int) -> None:
        world.simulator.arm(refusal(status, "accessDenied", "no", path="signInPreferences", times=None))
        inventory = await world.directory.inventory(adele(world))
        assert inventory.default is None
        assert len(inventory.methods) == 4

    async def test_a_default_that_graph_cannot_tell_now_is_waited_for(self, world: SimulatedWorld) -> None:
        world.simulator.arm(unavailable("60", path="signInPreferences"))
        with pytest.raises(Unavailable):
            await world.directory.inventory(adele(world))

    async def test_hardware_tokens_are_never_taken_for_none_because_their_api_is_gone(self, world: SimulatedWorld) -> None:
        world.simulator.arm(Fault(path="hardwareOathMethods", status=404, body={"Message": "No HTTP resource was found"}))
        with pytest.raises(UnexpectedAnswer):
            await world.directory.methods(adele(world))

    async def test_pages_are_read_to_the_end(self, world: SimulatedWorld) -> None:
        world.tenant.settings.page_size = 1
        assert len((await world.directory.methods(adele(world))).methods) == 4
        assert len(world.simulator.calls(path="/methods")) == 4

    async def test_a_type_that_cannot_be_removed_is_not_asked_for(self, world: SimulatedWorld) -> None:
        for removal in (Removal(Method("voiceprint", "x")), Removal(Method("phone", "x"), Action.DEACTIVATE)):
            with pytest.raises(ValueError, match="Graph has no"):
                await world.directory.remove(adele(world), removal)
        assert world.simulator.log == []

    async def test_an_opaque_token_shows_nothing_to_be_lacking(self, world: SimulatedWorld) -> None:
        for world.credential.token in ("opaque", "a.b.c", "e30.e30.e30", "e30.WzFd.e30", "é.é.é"):
            assert await world.directory.lacking([MOBILE], revoke=True, prefer=True) == ()


# Each of the reads that make up a standing, by what is in its path.
FIRST_READS = (
    "directoryRole",
    "roleAssignments",
    "roleEligibility",
    "transitiveMemberOf/.*group",
    "ownedObjects",
    "isAssignableToRole%20eq%20true",
    "privilegedAccess.*principalId",
)
GROUP_READ = f"/groups/{PROJECT_GROUP_ID}\\?"
ASKED_OF_ROLE_GROUPS = tuple(
    f"privilegedAccess.*groupId.*{group}" for group in (ROLE_GROUP_ID, PIM_GROUP_ID, HELPDESK_GROUP_ID, ELIGIBLE_ROLE_GROUP_ID)
)
TOLD_FROM_PEOPLE = r"/groups\?.*id%20in"
ASKED_OF_A_GROUP = f"privilegedAccess.*groupId.*{NIGHT_SHIFT_GROUP_ID}"
WITHIN_A_GROUP = f"/groups/{NIGHT_SHIFT_GROUP_ID}/transitiveMembers"
WAYS_IN = (*ASKED_OF_ROLE_GROUPS, TOLD_FROM_PEOPLE, ASKED_OF_A_GROUP, WITHIN_A_GROUP)
ALL_READS = (*FIRST_READS, GROUP_READ, *WAYS_IN)
LISTS = (*FIRST_READS, *WAYS_IN)


class TestStanding:
    """Complete or not at all."""

    @pytest.mark.parametrize(
        ("upn", "premium", "later"),
        [
            (JONI, True, ()),
            (LYNNE, True, ()),
            (NESTOR, True, ()),
            (GUEST, True, WAYS_IN),
            (ADELE, True, WAYS_IN),
            (ADELE, False, ()),
            (BIANCA, True, (GROUP_READ, *WAYS_IN)),
            (RAUL, True, ASKED_OF_ROLE_GROUPS),
        ],
    )
    async def test_it_is_seven_reads_and_more_only_where_nothing_is_found_and_groups_may_be_joined(
        self, world: SimulatedWorld, upn: str, premium: bool, later: tuple[str, ...]
    ) -> None:
        world.tenant.settings.premium = premium
        await world.directory.standing(person_id(world, upn))
        assert len(world.simulator.log) == 7 + len(later)
        assert all(len(world.simulator.calls("GET", path)) == 1 for path in (*FIRST_READS, *later))
        assert world.simulator.writes() == []

    async def test_the_seven_reads_are_made_at_the_same_time(self) -> None:
        everybody_is_here = asyncio.Barrier(7)

        async def answer(_: httpx.Request) -> httpx.Response:
            await everybody_is_here.wait()
            return httpx.Response(200, json={"value": []})

        async with (
            asyncio.timeout(10),
            connect("https://graph.microsoft.com", Credential(), httpx.MockTransport(answer)) as clients,
        ):
            assert await GraphDirectory(clients, FrozenClock()).standing(NOBODY) == Standing()

    async def test_it_costs_no_more_for_who_is_in_hundreds_of_groups(self, world: SimulatedWorld) -> None:
        await world.directory.standing(adele(world))
        usual = len(world.simulator.log)
        world.simulator.log.clear()
        world.tenant.settings.page_size = 999
        for number in range(300):
            group = Group(id=f"c0117050-4444-4000-8000-{number:012d}", display_name=f"List {number}", members=[adele(world)])
            world.tenant.groups[group.id] = group
        assert len((await world.directory.standing(adele(world))).groups) == 301
        assert len(world.simulator.log) == usual

    async def test_of_many_role_assignable_groups_all_are_asked_about_a_few_at_a_time(self) -> None:
        groups = [f"c0117050-4444-4000-8000-{number:012d}" for number in range(45)]
        listed = [{"id": group.upper(), "isAssignableToRole": True, "securityEnabled": True} for group in groups]
        asked, under_way, at_most = list[str](), 0, 0

        async def answer(request: httpx.Request) -> httpx.Response:
            nonlocal under_way, at_most
            if request.url.path.endswith("/groups"):
                return httpx.Response(200, json={"value": listed})
            asked.append(request.url.params.get("$filter", ""))
            under_way += 1
            at_most = max(at_most, under_way)
            for _ in range(10):
                await asyncio.sleep(0)
            under_way -= 1
            return httpx.Response(200, json={"value": []})

        async with connect("https://graph.microsoft.com", Credential(), httpx.MockTransport(answer)) as clients:
            assert (await GraphDirectory(clients, FrozenClock()).standing(NOBODY)) == Standing()
        assert {f"groupId eq '{group}'" for group in groups} <= set(asked)
        assert (len(asked), at_most) == (6 + 45, AT_ONCE)

    async def test_nothing_is_concluded_from_more_groups_than_are_asked(
        self, world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(standing_reads, "MOST_GROUPS", 5)  # four role-assignable ones, and who may join one of them
        assert (await world.directory.standing(adele(world))).role_groups == ()
        world.tenant.groups[NIGHT_SHIFT_GROUP_ID].members.append(SALES_GROUP_ID)
        with pytest.raises(UnexpectedAnswer, match="more than 5 groups"):
            await world.directory.standing(adele(world))

    async def test_many_who_may_join_are_told_from_groups_a_few_at_a_time(self, world: SimulatedWorld) -> None:
        for upn in (ALEX, CHRISTIE, DIEGO, EMILY, GUEST, HENRIETTA, IRVIN, ISAIAH, JOHANNA, JONI, LEE, LIDIA, LYNNE, MIRIAM):
            world.tenant.make_eligible(person_id(world, upn), ROLE_GROUP_ID)
        world.tenant.join(ADELE, NIGHT_SHIFT_GROUP_ID, "owner")
        world.tenant.groups[NIGHT_SHIFT_GROUP_ID].owners.clear()
        assert (await world.directory.standing(adele(world))).role_groups == ()
        assert len(world.simulator.calls(path=TOLD_FROM_PEOPLE)) == 2
        assert len(world.simulator.calls(path=ASKED_OF_A_GROUP)) == 1

    @pytest.mark.parametrize("seed", range(20))
    async def test_in_a_tenant_of_any_shape_the_same_people_have_a_way_in_as_when_followed_from_them(
        self, world: SimulatedWorld, seed: int
    ) -> None:
        dice, tenant = random.Random(seed), world.tenant
        people = [tenant.account(upn).person.id for upn in (ADELE, ALEX, CHRISTIE, EMILY)]
        groups = [f"c0117050-4444-4000-8000-{number:012d}" for number in range(7)]
        tenant.groups = {one: Group(id=one, display_name=one, role_assignable=number < 2) for number, one in enumerate(groups)}
        tenant.roles, tenant.group_eligibilities = [], []
        for _ in range(9):
            group = dice.choice(groups)
            how = dice.choice(("may join", "may own") if group in groups[:2] else ("join", "join", "own", "may join", "may own"))
            principal = dice.choice(people if how == "own" else [*people, *groups])
            if principal != group and not (how == "join" and principal in groups[:2]):
                take(tenant, (how, principal, group), "")
        for person in people:
            expected = await FakeDirectory(tenant).standing(person)
            found = await world.directory.standing(person)
            assert (found.groups, bool(found.role_groups)) == (expected.groups, bool(expected.role_groups))
            assert set(found.role_groups) <= set(groups[:2])

    async def test_every_list_is_read_to_its_end(self, world: SimulatedWorld) -> None:
        world.tenant.settings.page_size = 1
        who, scope = person_id(world, GUEST), "/administrativeUnits/1"
        for group in (EVERYONE_GROUP_ID, PIM_GROUP_ID):
            world.tenant.join(GUEST, group)
        for group in (PROJECT_GROUP_ID, ROLE_GROUP_ID):
            world.tenant.join(GUEST, group, "owner")
        for group in (PROJECT_GROUP_ID, ELIGIBLE_ROLE_GROUP_ID):
            world.tenant.make_eligible(GUEST, group)
        for role in ("Global Administrator", "Directory Readers"):
            world.tenant.grant(who, role)
            world.tenant.grant(who, role, "eligible")
        world.tenant.grant(who, "User Administrator", scope=scope)
        standing = await world.directory.standing(who)
        roles = {ROLES[name] for name in ("Global Administrator", "Directory Readers")}
        assert set(standing.active) == roles | {ROLES["Helpdesk Administrator"], ROLES["User Administrator"]}
        assert set(standing.eligible) == roles
        assert standing.groups == {EVERYONE_GROUP_ID, PIM_GROUP_ID}
        assert set(standing.role_groups) == {PIM_GROUP_ID, ROLE_GROUP_ID, ELIGIBLE_ROLE_GROUP_ID}
        pages = {path: len(world.simulator.calls(path=path)) for path in FIRST_READS}
        assert pages == dict(zip(FIRST_READS, (3, 3, 2, 2, 2, 4, 2), strict=True))

    async def test_every_list_of_who_may_enter_is_read_to_its_end(self, world: SimulatedWorld) -> None:
        world.tenant.settings.page_size = 1
        world.tenant.make_eligible(SALES_GROUP_ID, HELPDESK_GROUP_ID)
        world.tenant.groups[NIGHT_SHIFT_GROUP_ID].members += [PROJECT_GROUP_ID, SECOND_GROUP_ID]
        world.tenant.groups[SECOND_GROUP_ID] = Group(id=SECOND_GROUP_ID, display_name="Second Team", owners=[adele(world)])
        assert (await world.directory.standing(adele(world))).role_groups == (HELPDESK_GROUP_ID,)
        asked = {path: len(world.simulator.calls(path=path)) for path in (ASKED_OF_ROLE_GROUPS[2], WITHIN_A_GROUP)}
        assert asked == dict.fromkeys(asked, 2)

    async def test_ids_of_groups_are_in_lower_case(self, world: SimulatedWorld) -> None:
        shown = {"id": PROJECT_GROUP_ID.upper(), "isAssignableToRole": True, "securityEnabled": True}
        world.simulator.arm(Fault(path="transitiveMemberOf/.*group", status=200, body={"value": [shown]}))
        standing = await world.directory.standing(adele(world))
        assert standing.role_groups == (PROJECT_GROUP_ID,)
        assert standing.groups == {PROJECT_GROUP_ID}
        eligible = {"groupId": PIM_GROUP_ID.upper(), "principalId": adele(world)}
        world.simulator.arm(Fault(path="privilegedAccess", status=200, body={"value": [eligible]}))
        assert (await world.directory.standing(adele(world))).role_groups == (PIM_GROUP_ID,)
        eligible = {"groupId": PIM_GROUP_ID, "principalId": EVERYONE_GROUP_ID.upper()}
        world.simulator.arm(Fault(path=ASKED_OF_ROLE_GROUPS[1], status=200, body={"value": [eligible]}))
        assert (await world.directory.standing(adele(world))).role_groups == (PIM_GROUP_ID,)
        inner = {"id": PROJECT_GROUP_ID.upper()}
        world.simulator.arm(Fault(path=WITHIN_A_GROUP, status=200, body={"value": [inner]}))
        world.tenant.join(ADELE, PROJECT_GROUP_ID, "owner")
        assert (await world.directory.standing(adele(world))).role_groups == (HELPDESK_GROUP_ID,)

    @pytest.mark.parametrize("path", ALL_READS)
    async def test_one_read_that_fails_fails_the_whole(self, world: SimulatedWorld, path: str) -> None:
        world.simulator.arm(unavailable("60", path=path))
        with pytest.raises(Unavailable) as failure:
            await world.directory.standing(person_id(world, BIANCA))
        assert failure.value.retry_after == timedelta(minutes=1)

    @pytest.mark.parametrize("path", ALL_READS)
    async def test_one_read_that_is_too_slow_fails_the_whole(
        self, world: SimulatedWorld, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(graph_calls, "CALL_SECONDS", 0.1)
        world.simulator.arm(Fault(path=path, kind="slow", seconds=0.2, times=None))
        with pytest.raises(Unavailable, match="no answer within"):
            await world.directory.standing(person_id(world, BIANCA))

    @pytest.mark.parametrize("path", ALL_READS)
    async def test_one_read_that_is_forbidden_forbids_the_whole(self, world: SimulatedWorld, path: str) -> None:
        world.simulator.arm(refusal(403, "Authorization_RequestDenied", "no", path=path))
        with pytest.raises(Forbidden):
            await world.directory.standing(person_id(world, BIANCA))

    @pytest.mark.parametrize("path", ALL_READS)
    async def test_any_other_refusal_than_the_licence_leaves_it_open(self, world: SimulatedWorld, path: str) -> None:
        world.simulator.arm(refusal(400, "BadRequest", "no", path=path))
        with pytest.raises(UnexpectedAnswer):
            await world.directory.standing(person_id(world, BIANCA))

    @pytest.mark.parametrize(
        "path",
        [
            *("directoryRole", "roleAssignments", "transitiveMemberOf/.*group", "ownedObjects", "isAssignableToRole%20eq%20true"),
            *(GROUP_READ, *WAYS_IN),
        ],
    )
    async def test_what_needs_no_licence_is_not_excused_by_one(self, world: SimulatedWorld, path: str) -> None:
        world.simulator.arm(refusal(400, "AadPremiumLicenseRequired", "no", path=path))
        with pytest.raises(UnexpectedAnswer):
            await world.directory.standing(person_id(world, BIANCA))

    @pytest.mark.parametrize(
        "path", ["roleAssignments", "roleEligibility", "isAssignableToRole%20eq%20true", "privilegedAccess", *WAYS_IN]
    )
    async def test_a_list_that_is_not_there_says_nothing_about_the_person(self, world: SimulatedWorld, path: str) -> None:
        world.simulator.arm(refusal(404, "Request_ResourceNotFound", "no", path=path))
        with pytest.raises(UnexpectedAnswer):
            await world.directory.standing(adele(world))

    @pytest.mark.parametrize("path", ["transitiveMemberOf/.*group", "ownedObjects"])
    @pytest.mark.parametrize(
        "shown",
        [
            {"isAssignableToRole": None, "securityEnabled": None},
            {"isAssignableToRole": False},
            {"securityEnabled": True},
            {},
        ],
    )
    async def test_a_group_that_is_not_shown_in_full_is_not_taken_for_an_ordinary_one(
        self, world: SimulatedWorld, path: str, shown: dict[str, Any]
    ) -> None:
        groups = [
            {"id": EVERYONE_GROUP_ID, "isAssignableToRole": None, "securityEnabled": True},
            {"id": PROJECT_GROUP_ID} | shown,
        ]
        world.simulator.arm(Fault(path=path, status=200, body={"value": groups}))
        with pytest.raises(Forbidden, match="limited information") as refused:
            await world.directory.standing(adele(world))
        assert refused.value.service is WaitingFor.GRAPH

    @pytest.mark.parametrize(
        ("shown", "may_have_roles"),
        [
            ({"isAssignableToRole": None, "securityEnabled": None}, True),
            ({"securityEnabled": True}, True),
            ({"isAssignableToRole": True, "securityEnabled": True}, True),
            ({"isAssignableToRole": None, "securityEnabled": True}, False),
            ({"isAssignableToRole": False, "securityEnabled": False}, False),
        ],
    )
    async def test_a_group_that_may_be_joined_counts_unless_it_is_said_to_be_ordinary(
        self, world: SimulatedWorld, shown: dict[str, Any], may_have_roles: bool
    ) -> None:
        world.simulator.arm(Fault(path=GROUP_READ, status=200, body={"id": PROJECT_GROUP_ID.upper()} | shown))
        standing = await world.directory.standing(person_id(world, BIANCA))
        assert standing.role_groups == ((PROJECT_GROUP_ID,) if may_have_roles else ())

    async def test_another_group_than_asked_for_is_no_answer(self, world: SimulatedWorld) -> None:
        ordinary = {"id": EVERYONE_GROUP_ID, "isAssignableToRole": None, "securityEnabled": True}
        world.simulator.arm(Fault(path=GROUP_READ, status=200, body=ordinary))
        with pytest.raises(UnexpectedAnswer, match="another group"):
            await world.directory.standing(person_id(world, BIANCA))

    async def test_a_list_of_role_assignable_groups_with_others_among_them_is_no_answer(self, world: SimulatedWorld) -> None:
        for flag in (None, False):
            shown = {"id": PROJECT_GROUP_ID, "isAssignableToRole": flag, "securityEnabled": True}
            world.simulator.arm(Fault(path="isAssignableToRole%20eq%20true", status=200, body={"value": [shown]}))
            with pytest.raises(UnexpectedAnswer, match="others among them"):
                await world.directory.standing(adele(world))

    @pytest.mark.parametrize("path", LISTS)
    @pytest.mark.parametrize("body", [{}, {"value": None}, {"value": [{}]}, {"value": [None]}])
    async def test_a_list_of_another_shape_is_not_an_empty_list(self, world: SimulatedWorld, path: str, body: Any) -> None:
        world.simulator.arm(Fault(path=path, status=200, body=body))
        with pytest.raises(UnexpectedAnswer):
            await world.directory.standing(adele(world))


class TestWhatPasses:
    """Faults that pass are waited for, shortly here and longer by the queue."""

    async def test_a_short_wait_that_graph_asks_for_is_slept_through(self, world: SimulatedWorld) -> None:
        world.simulator.arm(throttled("2.128"))
        assert (await world.directory.person(ADELE)).enabled
        assert world.clock.slept == [2.128]
        assert len(world.simulator.log) == 2

    async def test_a_long_wait_is_left_to_the_queue(self, world: SimulatedWorld) -> None:
        world.simulator.arm(throttled("120"))
        with pytest.raises(Unavailable) as failure:
            await world.directory.person(ADELE)
        assert failure.value.waiting_for is WaitingFor.GRAPH
        assert failure.value.retry_after == timedelta(minutes=2)
        assert re.fullmatch(r"user 429 TooManyRequests request-id [0-9a-f-]{36}", failure.value.cause)
        assert (len(world.simulator.log), world.clock.slept) == (1, [])

    async def test_short_waits_of_one_invocation_add_up_to_four_seconds(self, world: SimulatedWorld) -> None:
        directory = world.directory
        world.simulator.arm(throttled("3"))
        await directory.person(ADELE)
        world.simulator.arm(throttled("3"))
        with pytest.raises(Unavailable):
            await directory.person(ADELE)
        assert world.clock.slept == [3]

    async def test_calls_that_wait_at_the_same_time_spend_the_time_once(self, world: SimulatedWorld) -> None:
        world.simulator.arm(throttled("3", times=2))
        clock = world.clock

        async def sleep(seconds: float) -> None:
            clock.slept.append(seconds)

        clock.sleep = sleep  # type: ignore[method-assign]
        await world.directory.methods(adele(world))
        assert clock.slept == [3, 3]

    async def test_retry_after_zero_does_not_become_a_storm(self, world: SimulatedWorld) -> None:
        world.simulator.arm(throttled("0", times=None))
        with pytest.raises(Unavailable):
            await world.directory.person(ADELE)
        assert len(world.simulator.log) == graph_calls.TRIES

    @pytest.mark.parametrize(
        "fault",
        [throttled(None), unavailable(), locked(), bad_gateway(), cut_off(), answer_lost(), answer_lost(408), answer_lost(409)],
        ids=lambda fault: f"{fault.kind}-{fault.status}",
    )
    async def test_what_passes_at_once_goes_unnoticed(self, world: SimulatedWorld, fault: Fault) -> None:
        fault.times = 1
        world.simulator.arm(fault)
        removal = Removal(registered(world, ADELE, SOFTWARE_OATH))
        assert (await world.directory.remove(adele(world), removal)).gone
        assert world.clock.slept == [1]
        assert SOFTWARE_OATH not in world.tenant.account(ADELE).types()

    @pytest.mark.parametrize("fault", [unavailable(), bad_gateway(), cut_off()], ids=lambda fault: f"{fault.kind}-{fault.status}")
    async def test_what_does_not_pass_is_tried_twice(self, world: SimulatedWorld, fault: Fault) -> None:
        fault.times = None
        world.simulator.arm(fault)
        with pytest.raises(Unavailable) as failure:
            await world.directory.person(ADELE)
        assert failure.value.retry_after is None
        assert len(world.simulator.log) == 2

    async def test_a_call_that_takes_too_long_is_given_up(self, world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(graph_calls, "CALL_SECONDS", 0.05)
        world.simulator.arm(Fault(kind="slow", seconds=0.2, times=None))
        with pytest.raises(Unavailable, match="no answer within"):
            await world.directory.person(ADELE)

    async def test_no_token_is_waited_for(self, world: SimulatedWorld) -> None:
        world.credential.failure = ClientAuthenticationError("secret detail")
        for call in (world.directory.person(ADELE), world.directory.lacking([MOBILE], revoke=True, prefer=False)):
            with pytest.raises(Unavailable, match="no token, ClientAuthenticationError") as failure:
                await call
            assert "secret" not in failure.value.cause
        assert world.simulator.log == []

    async def test_a_refused_token_may_pass_and_is_waited_for(self, world: SimulatedWorld) -> None:
        world.credential.token = mint("https://elsewhere.example", DEFAULT_PERMISSIONS)
        with pytest.raises(Unavailable, match="user 401 InvalidAuthenticationToken"):
            await world.directory.person(ADELE)
        assert len(world.simulator.log) == 2


class TestWhatIsNoAnswer:
    """Nothing is concluded from what Graph would not say."""

    @staticmethod
    def says(world: SimulatedWorld, body: Any, path: str = ".*", status: int = 200, kind: str = "application/json") -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        world.simulator.arm(Fault(path=path, times=None, status=status, headers={"Content-Type": kind}, body=text))

    @pytest.mark.parametrize("missing", ["id", "userPrincipalName", "accountEnabled"])
    async def test_a_person_without_what_matters_is_no_person(self, world: SimulatedWorld, missing: str) -> None:
        user = {"id": adele(world), "userPrincipalName": ADELE, "accountEnabled": True, "userType": "Member"}
        for broken in ({k: v for k, v in user.items() if k != missing}, user | {missing: None}, user | {missing: 1}):
            world.simulator.faults.clear()
            self.says(world, broken)
            with pytest.raises(UnexpectedAnswer):
                await world.directory.person(ADELE)

    async def test_another_person_than_asked_for_is_no_answer(self, world: SimulatedWorld) -> None:
        self.says(world, {"id": adele(world), "userPrincipalName": ADELE, "accountEnabled": True})
        with pytest.raises(UnexpectedAnswer, match="another person"):
            await world.directory.person(ALEX)

    @pytest.mark.parametrize("body", [{}, {"value": None}, {"value": [{}]}, {"value": [{"id": "x"}]}, [], "null"])
    async def test_a_list_of_another_shape_is_not_an_empty_list(self, world: SimulatedWorld, body: Any) -> None:
        self.says(world, body, path="/methods")
        with pytest.raises(UnexpectedAnswer):
            await world.directory.methods(adele(world))

    async def test_a_method_without_an_identity_of_its_own_is_no_method(self, world: SimulatedWorld) -> None:
        for identifier in ("", ".", ".."):
            world.simulator.faults.clear()
            phone = {"@odata.type": "#microsoft.graph.phoneAuthenticationMethod", "id": identifier}
            self.says(world, {"value": [phone]}, path="/methods")
            with pytest.raises(UnexpectedAnswer):
                await world.directory.methods(adele(world))

    async def test_a_type_of_the_future_is_kept_by_its_name(self, world: SimulatedWorld) -> None:
        method = {
            "@odata.type": "#microsoft.graph.voiceprintAuthenticationMethod",
            "id": "x",
            "createdDateTime": None,
            "pitch": 4,
        }
        self.says(world, {"value": [method]}, path="/methods")
        assert (await world.directory.methods(adele(world))).methods == (Method("voiceprint", "x"),)

    async def test_a_status_of_the_future_leaves_open_whether_a_token_is_active(self, world: SimulatedWorld) -> None:
        self.says(world, {"value": [{"id": "a", "device": {"status": "paused"}}, {"id": "b"}]}, path="hardwareOathMethods")
        methods = (await world.directory.methods(person_id(world, EMILY))).methods
        assert [(method.id, method.active) for method in methods if method.type == "hardwareOath"] == [("a", None), ("b", None)]

    async def test_a_time_of_registration_without_a_zone_is_no_time(self, world: SimulatedWorld) -> None:
        method = {
            "@odata.type": "#microsoft.graph.fido2AuthenticationMethod",
            "id": "x",
            "createdDateTime": "2026-11-24T02:35:16",
        }
        self.says(world, {"value": [method]}, path="/methods")
        with pytest.raises(UnexpectedAnswer):
            await world.directory.methods(adele(world))

    @pytest.mark.parametrize(
        ("body", "kind"),
        [("<html>Sign in</html>", "text/html"), ('{"value": [', "application/json"), ("{}", "text/plain")],
    )
    async def test_a_page_in_between_is_waited_out(self, world: SimulatedWorld, body: str, kind: str) -> None:
        self.says(world, body, kind=kind)
        with pytest.raises(Unavailable):
            await world.directory.methods(adele(world))

    async def test_a_page_in_between_is_no_removal(self, world: SimulatedWorld) -> None:
        self.says(world, "<html>Sign in</html>", kind="text/html")
        with pytest.raises(Unavailable):
            await world.directory.remove(adele(world), MOBILE)
        with pytest.raises(Unavailable):
            await world.directory.revoke_sessions(adele(world))

    async def test_sessions_that_graph_did_not_revoke_are_not_revoked(self, world: SimulatedWorld) -> None:
        self.says(world, {"value": False})
        with pytest.raises(UnexpectedAnswer):
            await world.directory.revoke_sessions(adele(world))

    @pytest.mark.parametrize("status", [202, 204])
    async def test_sessions_count_as_revoked_by_any_success(self, world: SimulatedWorld, status: int) -> None:
        self.says(world, "", status=status)
        answer = await world.directory.revoke_sessions(adele(world))
        assert (answer.done, answer.status) == (True, status)

    @pytest.mark.parametrize("status", [304, 402, 405, 410, 412, 418])
    async def test_a_status_without_a_meaning_here_is_no_answer(self, world: SimulatedWorld, status: int) -> None:
        world.simulator.arm(refusal(status, "Weird", "no", times=None))
        with pytest.raises(UnexpectedAnswer):
            await world.directory.person(ADELE)
        with pytest.raises(UnexpectedAnswer):
            await world.directory.remove(adele(world), MOBILE)

    async def test_errors_never_repeat_what_graph_says_about_people(self, world: SimulatedWorld) -> None:
        number = "+1 2065550101"
        phone = {"@odata.type": "#microsoft.graph.phoneAuthenticationMethod", "id": 7, "phoneNumber": number}
        self.says(world, {"value": [phone]}, path="/methods")
        with pytest.raises(UnexpectedAnswer) as misshapen:
            await world.directory.methods(adele(world))
        world.simulator.faults.clear()
        world.simulator.arm(refusal(403, f"accessDenied {number}", number, times=None))
        with pytest.raises(Forbidden) as refused:
            await world.directory.person(ADELE)
        for said in (str(misshapen.value), str(misshapen.value.__cause__), str(refused.value), refused.value.cause):
            assert "2065550101" not in said

    async def test_of_a_person_gone_meanwhile_every_method_is_gone(self, world: SimulatedWorld) -> None:
        who = adele(world)
        world.tenant.remove(ADELE)
        assert (await world.directory.remove(who, MOBILE)).gone
        with pytest.raises(PersonNotFound):
            await world.directory.revoke_sessions(who)
