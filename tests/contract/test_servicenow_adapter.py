"""The ticket desk: what any must do, and what ServiceNow's must do with the answers of a Table API."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import unquote

import pytest
from aiohttp import web
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from hypothesis import given
from hypothesis import strategies as st

from sandbox.servicenow import INTEGRATION, INTEGRATION_USER, Rights, SimulatedServiceNow
from sandbox.servicenow.access import ADMINISTRATOR
from sandbox.simulator import Fault, running
from sandbox.tokens import mint
from shared.adapters.servicenow import ANSWER_LIMIT, Reply, ServiceNowClient, ServiceNowDesk, understood, wanted_wait
from shared.model import Approval, Note, Ticket, TicketRef
from shared.ports import Forbidden, TicketDesk, TicketNotFound, TokenRefused, Unavailable, Written
from tests.fakes import FakeDesk, FakeTicket

AUDIENCE = "api://servicenow.contoso"
NOW = datetime(2026, 11, 24, 2, 35, 16, tzinfo=UTC)

TICKET = "0123456789abcdef0123456789abcdef"
NUMBER = "RITM0010001"
REF = TicketRef("servicenow", "sc_req_item", TICKET, NUMBER)
ADELE, ALEX, MEGAN, LEE = (letter * 32 for letter in "adbc")
ITEM = "1" * 32
GROUP, OTHER_GROUP = "9a" * 16, "9b" * 16
PROOF = "u_identity_proof"
UPN = "adele.vance@contoso.com"

NOTE = Note("[5f0c#1 outcome]", "Removed 2 methods. [5f0c#1 outcome]", "Please sign in and register. [5f0c#1 outcome]", "3")


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> datetime:
        return NOW + timedelta(seconds=sum(self.slept))

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


# ---- what any ticket desk does


class World(Protocol):
    """A ticket system that holds the ticket `REF`, requested for Adele, opened by Alex, approved by Megan; `desk` is its port."""

    @property
    def desk(self) -> TicketDesk: ...
    def close(self) -> None: ...
    def reject(self, approver: str) -> None: ...
    def ask_for(self, user: str) -> None: ...
    def call_adele(self, identifier: str) -> None: ...
    def entries(self, journal: str) -> list[str]: ...
    def state(self) -> str: ...
    def fail(self) -> None: ...
    def forbid(self) -> None: ...
    def lose_next_answer(self) -> None: ...
    def freeze_state(self) -> None: ...


class TicketDeskContract:
    """A subclass provides the fixture `world`."""

    async def test_a_ticket_is_read_with_its_approvals_and_its_subject(self, world: World) -> None:
        ticket = await world.desk.read(REF)
        assert (ticket.ref, ticket.active, ticket.state, ticket.approval, ticket.catalog_item) == (
            REF,
            True,
            "1",
            "approved",
            ITEM,
        )
        assert (ticket.requested_for, ticket.opened_by, ticket.subject, ticket.profile) == (ADELE, ALEX, UPN, None)
        assert [(row.approver, row.state) for row in ticket.approvals] == [(MEGAN, "approved")]
        assert all(row.updated_at is not None for row in ticket.approvals)

    async def test_every_approver_is_read(self, world: World) -> None:
        world.reject(LEE)
        ticket = await world.desk.read(REF)
        assert {(row.approver, row.state) for row in ticket.approvals} == {(MEGAN, "approved"), (LEE, "rejected")}
        assert ticket.approval == "rejected"

    @pytest.mark.parametrize("ref", [replace(REF, sys_id="f" * 32), replace(REF, number="RITM0010002")])
    async def test_another_ticket_is_not_found(self, world: World, ref: TicketRef) -> None:
        with pytest.raises(TicketNotFound):
            await world.desk.read(ref)

    async def test_a_note_is_not_written_to_a_ticket_that_is_not_there(self, world: World) -> None:
        with pytest.raises(TicketNotFound):
            await world.desk.write(replace(REF, sys_id="f" * 32), NOTE, repeat=False)

    async def test_a_closed_ticket_is_not_active(self, world: World) -> None:
        world.close()
        assert not (await world.desk.read(REF)).active

    async def test_a_ticket_for_nobody_has_no_subject(self, world: World) -> None:
        world.ask_for("")
        ticket = await world.desk.read(REF)
        assert (ticket.requested_for, ticket.subject) == ("", None)

    async def test_a_ticket_for_somebody_without_a_record_has_no_subject(self, world: World) -> None:
        world.ask_for("e" * 32)
        ticket = await world.desk.read(REF)
        assert (ticket.requested_for, ticket.subject) == ("e" * 32, None)

    @pytest.mark.parametrize(("identifier", "subject"), [(f"  {UPN}\t", UPN), ("", None), ("  ", None)])
    async def test_the_subject_is_the_stripped_identifier_or_none(
        self, world: World, identifier: str, subject: str | None
    ) -> None:
        world.call_adele(identifier)
        assert (await world.desk.read(REF)).subject == subject

    async def test_a_ticket_is_located_by_its_table_and_number(self, world: World) -> None:
        assert await world.desk.locate("sc_req_item", NUMBER) == REF

    @pytest.mark.parametrize(
        ("table", "number"),
        [("sc_req_item", "RITM0010002"), ("sc_req_item", NUMBER.lower()), ("sc_req_item", ""), ("incident", NUMBER)],
    )
    async def test_no_other_table_or_number_locates_it(self, world: World, table: str, number: str) -> None:
        with pytest.raises(TicketNotFound):
            await world.desk.locate(table, number)

    async def test_a_note_stands_in_both_journals_and_the_ticket_moves(self, world: World) -> None:
        assert await world.desk.write(REF, NOTE, repeat=False) == Written(state_changed=True)
        assert world.entries("work_notes") == [NOTE.work_notes]
        assert world.entries("comments") == [NOTE.comments]
        assert world.state() == "3"

    async def test_a_note_for_the_desk_leaves_the_customer_and_the_state_alone(self, world: World) -> None:
        assert await world.desk.write(REF, replace(NOTE, comments=None, state=None), repeat=False) == Written(state_changed=True)
        assert world.entries("work_notes") == [NOTE.work_notes]
        assert world.entries("comments") == []
        assert world.state() == "1"

    async def test_what_was_written_is_read_as_activity(self, world: World) -> None:
        await world.desk.write(REF, NOTE, repeat=False)
        activity = (await world.desk.read(REF)).activity
        assert NOTE.work_notes in activity
        assert str(NOTE.comments) in activity

    @pytest.mark.parametrize("repeat", [False, True])
    async def test_notes_of_another_kind_or_attempt_do_not_stand_for_this_one(self, world: World, repeat: bool) -> None:
        for marker in ("[5f0c#1 start]", "[5f0c#11 outcome]"):
            await world.desk.write(REF, Note(marker, f"Earlier. {marker}", f"Earlier. {marker}"), repeat=repeat)
        await world.desk.write(REF, NOTE, repeat=repeat)
        assert NOTE.work_notes in world.entries("work_notes")
        assert NOTE.comments in world.entries("comments")

    async def test_a_repeat_writes_nothing_twice(self, world: World) -> None:
        await world.desk.write(REF, NOTE, repeat=False)
        assert await world.desk.write(REF, NOTE, repeat=True) == Written(state_changed=True)
        assert (len(world.entries("work_notes")), len(world.entries("comments"))) == (1, 1)

    async def test_a_repeat_writes_what_is_missing_and_no_more(self, world: World) -> None:
        await world.desk.write(REF, replace(NOTE, comments=None, state=None), repeat=False)
        await world.desk.write(REF, NOTE, repeat=True)
        assert world.entries("work_notes") == [NOTE.work_notes]
        assert world.entries("comments") == [NOTE.comments]
        assert world.state() == "3"

    async def test_a_note_whose_answer_was_lost_is_unavailable_and_found_by_the_repeat(self, world: World) -> None:
        world.lose_next_answer()
        with pytest.raises(Unavailable):
            await world.desk.write(REF, NOTE, repeat=False)
        await world.desk.write(REF, NOTE, repeat=True)
        assert world.entries("work_notes") == [NOTE.work_notes]
        assert world.entries("comments") == [NOTE.comments]

    async def test_a_state_that_the_ticket_does_not_take_is_told_and_does_not_stop_the_note(self, world: World) -> None:
        world.freeze_state()
        assert await world.desk.write(REF, NOTE, repeat=False) == Written(state_changed=False)
        assert await world.desk.write(REF, NOTE, repeat=True) == Written(state_changed=False)
        assert world.entries("work_notes") == [NOTE.work_notes]
        assert world.state() == "1"

    async def test_a_system_that_is_down_is_unavailable(self, world: World) -> None:
        world.fail()
        with pytest.raises(Unavailable):
            await world.desk.read(REF)
        with pytest.raises(Unavailable):
            await world.desk.write(REF, NOTE, repeat=False)

    async def test_a_system_that_refuses_us_is_forbidden(self, world: World) -> None:
        world.forbid()
        with pytest.raises(Forbidden):
            await world.desk.read(REF)
        with pytest.raises(Forbidden):
            await world.desk.write(REF, NOTE, repeat=False)


# ---- on whose word: what any ticket desk says of it


class Authority(Protocol):
    """The ticket of `World`, which has the field `PROOF`, and the groups `GROUP`, with Megan, and `OTHER_GROUP`, with Lee."""

    def asked(self, *, proof_field: str | None = None, approver_group: str | None = None) -> TicketDesk: ...
    def approve(self, approver: str) -> None: ...
    def reject(self, approver: str) -> None: ...
    def withdraw(self) -> None: ...
    def join(self, user: str, group: str) -> None: ...
    def leave(self, user: str, group: str) -> None: ...
    def attest(self, proof: str) -> None: ...
    def open_another(self, number: str) -> None: ...


def told(ticket: Ticket) -> set[str]:
    """Which approvers are told to be of the group."""
    assert ticket.group_approvers is not None
    return set(ticket.group_approvers)


class TicketAuthorityContract:
    """A subclass provides the fixture `authority`."""

    async def members(self, authority: Authority, group: str = GROUP) -> set[str]:
        return told(await authority.asked(approver_group=group).read(REF))

    async def test_nothing_is_said_of_what_is_not_asked_for(self, authority: Authority) -> None:
        authority.attest("in-person")
        ticket = await authority.asked().read(REF)
        assert (ticket.proof, ticket.group_approvers) == (None, None)

    @pytest.mark.parametrize("proof", ["in-person", "", " In-Person ", "<script>"])
    async def test_the_proof_is_what_stands_in_the_field_as_it_is(self, authority: Authority, proof: str) -> None:
        authority.attest(proof)
        assert (await authority.asked(proof_field=PROOF).read(REF)).proof == proof

    async def test_a_proof_field_that_the_ticket_does_not_have_is_forbidden_and_no_empty_proof(
        self, authority: Authority
    ) -> None:
        with pytest.raises(Forbidden) as error:
            await authority.asked(proof_field="u_no_such_field").read(REF)
        assert error.value.cause == "hidden-u_no_such_field"

    async def test_an_approver_of_the_group_is_told_from_one_who_is_not(self, authority: Authority) -> None:
        authority.approve(LEE)
        assert await self.members(authority) == {MEGAN}
        assert await self.members(authority, OTHER_GROUP) == {LEE}

    async def test_a_group_that_is_not_there_has_no_members(self, authority: Authority) -> None:
        assert await self.members(authority, "f" * 32) == set()

    @pytest.mark.parametrize("group", ["", "..", f"{GROUP}^ORgroup={OTHER_GROUP}", f"{GROUP}\n", "x" * 65])
    async def test_what_cannot_name_a_group_has_no_members(self, authority: Authority, group: str) -> None:
        assert await self.members(authority, group) == set()

    async def test_membership_is_what_it_is_now(self, authority: Authority) -> None:
        authority.leave(MEGAN, GROUP)
        assert await self.members(authority) == set()
        authority.join(MEGAN, GROUP)
        assert await self.members(authority) == {MEGAN}

    async def test_a_member_who_did_not_approve_or_rejected_is_no_approver(self, authority: Authority) -> None:
        for member in (ADELE, LEE):
            authority.join(member, GROUP)
        authority.reject(LEE)
        assert await self.members(authority) == {MEGAN}

    async def test_who_took_the_approval_back_is_no_approver(self, authority: Authority) -> None:
        authority.withdraw()
        assert await self.members(authority) == set()

    async def test_who_is_twice_in_the_group_is_one_approver(self, authority: Authority) -> None:
        authority.join(MEGAN, GROUP)
        assert await self.members(authority) == {MEGAN}

    async def test_a_number_that_two_tickets_bear_locates_neither(self, authority: Authority) -> None:
        authority.open_another(NUMBER)
        with pytest.raises(TicketNotFound):
            await authority.asked().locate("sc_req_item", NUMBER)

    async def test_a_number_that_begins_alike_is_another(self, authority: Authority) -> None:
        authority.open_another(f"{NUMBER}0")
        assert await authority.asked().locate("sc_req_item", NUMBER) == REF


class FakeAuthority:
    """The fake desk."""

    def __init__(self) -> None:
        self._desk = FakeDesk()
        self._desk.people = {ADELE: UPN}
        self._desk.groups = {GROUP: {MEGAN}, OTHER_GROUP: {LEE}}
        self._ticket = FakeTicket(REF, ITEM, ADELE, ALEX)
        self._desk.tickets[TICKET] = self._ticket
        self.approve(MEGAN)

    def asked(self, *, proof_field: str | None = None, approver_group: str | None = None) -> FakeDesk:
        self._desk.proof_field, self._desk.approver_group = proof_field, approver_group
        if proof_field not in (None, PROOF):
            self._ticket.proof = None
        return self._desk

    def approve(self, approver: str) -> None:
        self._ticket.approvals.append(Approval(approver, "approved", NOW))

    def reject(self, approver: str) -> None:
        self._ticket.approvals.append(Approval(approver, "rejected", NOW))

    def withdraw(self) -> None:
        self._ticket.approvals = [replace(row, state="requested") for row in self._ticket.approvals]

    def join(self, user: str, group: str) -> None:
        self._desk.groups[group].add(user)

    def leave(self, user: str, group: str) -> None:
        self._desk.groups[group].remove(user)

    def attest(self, proof: str) -> None:
        self._ticket.proof = proof

    def open_another(self, number: str) -> None:
        self._desk.tickets["f" * 32] = FakeTicket(replace(REF, sys_id="f" * 32, number=number), ITEM, ADELE, ALEX)


class TestFakeAuthority(TicketAuthorityContract):
    @pytest.fixture
    def authority(self) -> Authority:
        return FakeAuthority()


# ---- ServiceNow's


class Credential:
    """Issues tokens of the sandbox, or fails."""

    def __init__(self) -> None:
        self.scopes: list[str] = []
        self.error: Exception | None = None

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        self.scopes.extend(scopes)
        if self.error:
            raise self.error
        return AccessToken(mint(AUDIENCE, []), 2**31)

    async def close(self) -> None: ...

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None: ...


SEED = {
    "users": [
        {"user_name": UPN, "sys_id": ADELE, "employee_number": "4711"},
        {"user_name": "alex.wilber@contoso.com", "sys_id": ALEX},
        {"user_name": "megan.bowen@contoso.com", "sys_id": MEGAN},
        {"user_name": "lee.gu@contoso.com", "sys_id": LEE},
        {"user_name": "glide.maint@contoso.com", "sys_id": "glide.maint"},
    ],
    "groups": [
        {"name": "Identity Approvers", "sys_id": GROUP, "members": [MEGAN]},
        {"name": "Facilities", "sys_id": OTHER_GROUP, "members": [LEE]},
    ],
    "catalog": [{"name": "MFA re-registration", "sys_id": ITEM}],
    "tickets": [
        {
            "sys_id": TICKET,
            "number": NUMBER,
            "requested_for": ADELE,
            "opened_by": ALEX,
            "cat_item": ITEM,
            "approval": "approved",
            "u_profile": "full-reset",
            PROOF: "in-person",
        }
    ],
    "approvals": [
        {"ticket": NUMBER, "approver": MEGAN, "state": "approved", "sys_id": "2" * 32, "sys_updated_on": "2026-11-24 01:00:00"}
    ],
}


@dataclass
class Instance:
    """A simulated instance on loopback, and our client to it."""

    service: SimulatedServiceNow
    url: str
    client: ServiceNowClient
    credential: Credential = field(default_factory=Credential)
    clock: Clock = field(default_factory=Clock)

    @property
    def desk(self) -> ServiceNowDesk:
        return self.desk_with()

    def desk_with(
        self,
        client: ServiceNowClient | None = None,
        clock: Clock | None = None,
        *,
        user_field: str = "user_name",
        profile_field: str | None = None,
        proof_field: str | None = None,
        approver_group: str | None = None,
    ) -> ServiceNowDesk:
        return ServiceNowDesk(
            client or self.client,
            clock or self.clock,
            user_field=user_field,
            profile_field=profile_field,
            proof_field=proof_field,
            approver_group=approver_group,
        )

    def asked(self, *, proof_field: str | None = None, approver_group: str | None = None) -> ServiceNowDesk:
        return self.desk_with(proof_field=proof_field, approver_group=approver_group)

    def approve(self, approver: str) -> None:
        self.service.desk.approve(NUMBER, approver)

    def withdraw(self) -> None:
        self.service.desk.withdraw(NUMBER)

    def join(self, user: str, group: str) -> None:
        self.service.desk.join(user, group)

    def leave(self, user: str, group: str) -> None:
        self.service.desk.leave(user, group)

    def attest(self, proof: str) -> None:
        self.set(**{PROOF: proof})

    def open_another(self, number: str) -> None:
        self.service.desk.open_ticket(ADELE, ALEX, ITEM, number=number)

    def close(self) -> None:
        self.service.desk.close(NUMBER)

    def reject(self, approver: str) -> None:
        self.service.desk.reject(NUMBER, approver)

    def ask_for(self, user: str) -> None:
        self.set(requested_for=user)

    def call_adele(self, identifier: str) -> None:
        self.set_user(user_name=identifier)

    def entries(self, journal: str) -> list[str]:
        ticket = self.service.desk.ticket(TICKET)
        return [entry["value"] for entry in reversed(self.service.store.journal(ticket, [journal]))]

    def state(self) -> str:
        return self.service.desk.ticket(TICKET)["state"]

    def fail(self) -> None:
        self.answer(503, times=None)

    def forbid(self) -> None:
        self.service.access.integrations.clear()

    def lose_next_answer(self) -> None:
        self.service.arm(Fault(kind="reset", after_effect=True))

    def freeze_state(self) -> None:
        self.service.access.rights[INTEGRATION_USER] = replace(
            INTEGRATION, write={"sc_req_item": frozenset({"work_notes", "comments"})}
        )

    def set(self, **values: str) -> None:
        self.service.desk.overwrite("task", TICKET, **values)

    def set_user(self, **values: str) -> None:
        self.service.desk.overwrite("sys_user", ADELE, **values)

    def hide(self, table: str, *columns: str) -> None:
        self.service.access.rights[INTEGRATION_USER] = replace(INTEGRATION, hidden={table: frozenset(columns)})

    def list(self, rows: Sequence[Any], *, path: str, times: int | None = 1) -> None:
        """Arms a list of which nothing is hidden in place of the instance's."""
        self.answer(200, {"result": rows}, path=path, times=times, X_Total_Count=str(len(rows)))

    def answer(
        self, status: int, body: Any = "", *, method: str = ".*", path: str = ".*", times: int | None = 1, **headers: str
    ) -> None:
        """Arms an answer in place of the instance's."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.service.arm(Fault(method=method, path=path, times=times, status=status, headers=named, body=body))


@pytest.fixture
async def world() -> AsyncIterator[Instance]:
    service = SimulatedServiceNow(SEED, audience=AUDIENCE)
    async with running(service.app) as url:
        credential = Credential()
        client = ServiceNowClient(url + "/", credential, AUDIENCE)
        yield Instance(service, url, client, credential)
        await client.close()


class TestServiceNow(TicketDeskContract):
    """The simulated instance behind the real adapter."""

    def test_the_instance_is_such_a_world(self, world: Instance) -> None:
        typed: World = world
        assert typed.state() == "1"


class TestServiceNowAuthority(TicketAuthorityContract):
    @pytest.fixture
    def authority(self, world: Instance) -> Authority:
        return world


type Serve = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]]], Awaitable[str]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serves one handler for every path and gives its root URL."""
    contexts = []

    async def start(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> str:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        context = running(app)
        contexts.append(context)
        return await context.__aenter__()

    yield start
    for context in contexts:
        await context.__aexit__(None, None, None)


# ---- reading: fields


@pytest.mark.parametrize(
    "ref",
    [
        replace(REF, sys_id=f"{TICKET}^ORactive=true"),
        replace(REF, sys_id=f"{TICKET}\n"),
        replace(REF, sys_id=f"../sys_user/{ADELE}"),
        replace(REF, sys_id=""),
        replace(REF, table="sc_req_item/../incident"),
        replace(REF, table=""),
    ],
    ids=lambda ref: repr(f"{ref.table}/{ref.sys_id}"),
)
async def test_what_cannot_name_a_ticket_is_not_found_and_never_sent(world: Instance, ref: TicketRef) -> None:
    with pytest.raises(TicketNotFound):
        await world.desk.read(ref)
    with pytest.raises(TicketNotFound):
        await world.desk.write(ref, NOTE, repeat=False)
    assert world.service.log == []


async def test_only_values_count_whatever_people_see(world: Instance) -> None:
    world.service.desk.overwrite("sys_user", MEGAN, name=ALEX)
    world.set(active="false")
    world.service.settings.zone = "Pacific/Auckland"
    ticket = await world.desk.read(REF)
    assert not ticket.active
    assert ticket.approvals == (Approval(MEGAN, "approved", datetime(2026, 11, 24, 1, tzinfo=UTC)),)


async def test_a_ticket_is_read_in_three_calls_two_of_them_at_once(world: Instance) -> None:
    await world.desk.read(REF)
    paths = [call["path"].partition("?")[0].removeprefix("/api/now/v2/table/") for call in world.service.log]
    assert set(paths[:2]) == {f"sc_req_item/{TICKET}", "sysapproval_approver"}
    assert paths[2:] == [f"sys_user/{ADELE}"]
    assert all("sysparm_exclude_reference_link=true" in call["path"] for call in world.service.log)


async def test_the_requested_for_of_an_incident_is_its_caller(world: Instance) -> None:
    incident = world.service.desk.create("incident", "admin", caller_id=ADELE, opened_by=ALEX)
    ticket = await world.desk.read(TicketRef("servicenow", "incident", incident.sys_id, incident["number"]))
    assert (ticket.requested_for, ticket.subject, ticket.catalog_item) == (ADELE, UPN, "")


@pytest.mark.parametrize("spelled", ["not_requested", "not requested"])
async def test_both_spellings_of_not_requested_are_one(world: Instance, spelled: str) -> None:
    world.set(approval=spelled)
    world.service.desk.overwrite("sysapproval_approver", "2" * 32, state=spelled)
    ticket = await world.desk.read(REF)
    assert (ticket.approval, ticket.approvals[0].state) == ("not requested", "not requested")


@pytest.mark.parametrize("active", ["True", "1", "yes", "", "false"])
async def test_nothing_but_true_is_active(world: Instance, active: str) -> None:
    world.set(active=active)
    assert not (await world.desk.read(REF)).active


async def test_a_user_whose_sys_id_is_no_hex_is_found(world: Instance) -> None:
    world.ask_for("glide.maint")
    assert (await world.desk.read(REF)).subject == "glide.maint@contoso.com"


@pytest.mark.parametrize("user", [".", "..", "a/b", "a?b", "a%2fb", "a b", "x" * 65, f"{ADELE}\n"])
async def test_a_user_id_that_is_none_is_nobody_and_asked_for_nowhere(world: Instance, user: str) -> None:
    world.ask_for(user)
    ticket = await world.desk.read(REF)
    assert (ticket.requested_for, ticket.subject) == (user, None)
    assert len(world.service.log) == 2


async def test_an_inactive_user_is_still_the_subject(world: Instance) -> None:
    world.set_user(active="false")
    assert (await world.desk.read(REF)).subject == UPN


async def test_the_subject_comes_from_the_configured_field(world: Instance) -> None:
    assert (await world.desk_with(user_field="employee_number").read(REF)).subject == "4711"
    assert (await world.desk_with(user_field="no_such_field").read(REF)).subject is None


async def test_the_profile_comes_from_the_configured_field(world: Instance) -> None:
    assert (await world.desk_with(profile_field="u_profile").read(REF)).profile == "full-reset"


async def test_a_profile_field_that_is_not_there_is_an_empty_profile_and_not_the_default_one(world: Instance) -> None:
    assert (await world.desk_with(profile_field="no_such_field").read(REF)).profile == ""


async def test_neither_proof_nor_group_costs_a_call_that_is_not_needed(world: Instance) -> None:
    await world.desk_with(proof_field=PROOF).read(REF)
    assert len(world.service.log) == 3
    world.service.desk.withdraw(NUMBER)
    await world.desk_with(approver_group=GROUP).read(REF)
    assert world.service.calls("GET", "sys_user_grmember") == []


# ---- reading: what may not be seen


@pytest.mark.parametrize("column", ["sys_id", "number"])
async def test_a_ticket_that_hides_who_it_is_is_not_found(world: Instance, column: str) -> None:
    world.hide("sc_req_item", column)
    with pytest.raises(TicketNotFound):
        await world.desk.read(REF)


@pytest.mark.parametrize(
    ("column", "attribute", "nothing"),
    [
        ("active", "active", False),
        ("state", "state", ""),
        ("approval", "approval", ""),
        ("cat_item", "catalog_item", ""),
        ("requested_for", "requested_for", ""),
        ("requested_for", "subject", None),
        ("u_profile", "profile", ""),
    ],
)
async def test_a_hidden_field_of_the_ticket_is_nothing(
    world: Instance, column: str, attribute: str, nothing: str | bool | None
) -> None:
    world.hide("sc_req_item", column)
    assert getattr(await world.desk_with(profile_field="u_profile").read(REF), attribute) == nothing


async def test_a_hidden_identifier_of_the_user_is_no_subject(world: Instance) -> None:
    world.hide("sys_user", "user_name")
    assert (await world.desk.read(REF)).subject is None


async def test_an_approval_that_hides_who_or_when_counts_for_nobody_and_has_no_age(world: Instance) -> None:
    world.hide("sysapproval_approver", "approver", "sys_updated_on")
    assert (await world.desk.read(REF)).approvals == (Approval("", "approved", None),)


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("sc_req_item", "opened_by"),
        ("sysapproval_approver", "sysapproval"),
        ("sysapproval_approver", "sys_id"),
        ("sysapproval_approver", "state"),
        ("sc_req_item", PROOF),
        ("sys_user_grmember", "sys_id"),
        ("sys_user_grmember", "group"),
        ("sys_user_grmember", "user"),
    ],
)
async def test_a_hidden_field_that_could_pass_for_consent_or_for_none_is_forbidden(
    world: Instance, table: str, column: str
) -> None:
    world.hide(table, column)
    with pytest.raises(Forbidden) as error:
        await world.asked(proof_field=PROOF, approver_group=GROUP).read(REF)
    assert error.value.cause == f"hidden-{column}"


async def test_a_hidden_approval_is_forbidden_since_it_may_be_a_rejection(world: Instance) -> None:
    world.reject(LEE)
    world.service.access.rights[INTEGRATION_USER] = replace(INTEGRATION, only={"sysapproval_approver": "state=approved"})
    with pytest.raises(Forbidden) as error:
        await world.desk.read(REF)
    assert error.value.cause == "hidden-approvals"


@pytest.mark.parametrize(
    "rights",
    [
        replace(INTEGRATION, read=INTEGRATION.read - {"sys_user_grmember"}),
        replace(INTEGRATION, only={"sys_user_grmember": f"user={LEE}"}),
    ],
    ids=["the whole table", "one of the rows"],
)
async def test_a_hidden_membership_is_forbidden_and_no_want_of_it(world: Instance, rights: Rights) -> None:
    world.service.access.rights[INTEGRATION_USER] = rights
    with pytest.raises(Forbidden) as error:
        await world.asked(approver_group=GROUP).read(REF)
    assert error.value.cause == "hidden-members"


@pytest.mark.parametrize("count", [{}, {"X-Total-Count": ""}, {"X-Total-Count": "one"}, {"X-Total-Count": "-1"}])
async def test_a_list_need_not_say_how_many_there_are(world: Instance, count: dict[str, str]) -> None:
    """Something on the way may take the header away; what is shown is then all that can be gone by."""
    row = approval("2" * 32, approver=MEGAN)
    world.service.arm(Fault(path="sysapproval_approver", status=200, headers=count, body={"result": [row]}, times=None))
    assert [one.approver for one in (await world.desk.read(REF)).approvals] == [MEGAN]


# ---- reading: approvals


def approve_often(world: Instance, times: int) -> None:
    for number in range(times):
        world.service.desk.create(
            "sysapproval_approver", "admin", sysapproval=TICKET, approver=LEE, state="approved", sys_id=f"{number:032x}"
        )


async def test_approvals_of_other_tickets_are_not_read(world: Instance) -> None:
    other = world.service.desk.open_ticket(ADELE, ALEX, ITEM, LEE)
    world.service.desk.approve(other.sys_id, LEE)
    assert [row.approver for row in (await world.desk.read(REF)).approvals] == [MEGAN]


async def test_approvals_are_read_to_the_last_page(world: Instance) -> None:
    approve_often(world, 250)
    assert len((await world.desk.read(REF)).approvals) == 251
    assert len(world.service.calls("GET", "sysapproval_approver.*ORDERBYsys_id")) == 3  # pages need an order that stays


async def test_more_approvals_than_anybody_has_are_no_answer(world: Instance) -> None:
    approve_often(world, 1001)
    with pytest.raises(Unavailable) as error:
        await world.desk.read(REF)
    assert error.value.cause == "too-many-approvals"


def approval(sys_id: str, ticket: str = TICKET, *, approver: str = LEE, updated: str = "") -> dict[str, dict[str, str]]:
    row = {"sys_id": sys_id, "sysapproval": ticket, "approver": approver, "state": "approved", "sys_updated_on": updated}
    return {name: {"value": value, "display_value": "as people see it"} for name, value in row.items()}


@pytest.mark.parametrize("moment", ["", "yesterday", "2026-11-24T01:00:00Z", "2026-13-01 00:00:00"])
async def test_an_approval_of_unreadable_age_has_none(world: Instance, moment: str) -> None:
    world.list([approval("3" * 32, updated=moment)], path="sysapproval_approver")
    assert (await world.desk.read(REF)).approvals == (Approval(LEE, "approved", None),)


async def test_no_approval_counts_twice_when_pages_overlap(world: Instance) -> None:
    first = [approval(f"{number:032x}") for number in range(100)]
    world.list(first, path="sysapproval_approver.*offset=0$")
    world.list(first[-1:], path="sysapproval_approver.*offset=100$")
    assert len((await world.desk.read(REF)).approvals) == 100


async def test_an_approval_of_another_ticket_among_ours_is_no_answer(world: Instance) -> None:
    world.list([approval("3" * 32), approval("4" * 32, "f" * 32)], path="sysapproval_approver", times=None)
    with pytest.raises(Unavailable) as error:
        await world.desk.read(REF)
    assert error.value.cause == "http-200-other-approvals"


async def test_another_user_than_the_one_asked_for_is_no_answer(world: Instance) -> None:
    alex = {"sys_id": {"value": ALEX, "display_value": ALEX}, "user_name": {"value": "alex", "display_value": "alex"}}
    world.answer(200, {"result": alex}, path="sys_user")
    with pytest.raises(Unavailable) as error:
        await world.desk.read(REF)
    assert error.value.cause == "http-200-other-user"


# ---- reading: the approver group


async def approved_by(world: Instance, *approvers: str) -> set[str]:
    """Which of them are told to be of the group when just these people are on record with an approval."""
    rows = [approval(f"{number:032x}", approver=approver) for number, approver in enumerate(approvers)]
    world.list(rows, path="sysapproval_approver")
    return told(await world.asked(approver_group=GROUP).read(REF))


def asked_of_the_group(world: Instance) -> list[str]:
    return [unquote(call["path"]) for call in world.service.calls("GET", "sys_user_grmember")]


async def test_membership_is_asked_for_once_of_those_who_approved(world: Instance) -> None:
    assert await approved_by(world, MEGAN, LEE, MEGAN) == {MEGAN}
    (asked,) = asked_of_the_group(world)
    assert f"sysparm_query=group={GROUP}^userIN{MEGAN},{LEE}^ORDERBYsys_id&" in asked


async def test_an_approver_whose_sys_id_is_no_hex_is_found_in_the_group(world: Instance) -> None:
    world.join("glide.maint", GROUP)
    assert await approved_by(world, "glide.maint") == {"glide.maint"}


@pytest.mark.parametrize(
    "approver", ["", "..", f"{LEE}^NQuser={MEGAN}", f"{LEE},{MEGAN}", "javascript:gs.getUserID()", f"{MEGAN}\n", "x" * 65]
)
async def test_an_approver_who_cannot_be_a_user_is_in_no_group_and_asked_for_nowhere(world: Instance, approver: str) -> None:
    assert await approved_by(world, approver) == set()
    assert asked_of_the_group(world) == []


async def test_many_approvers_are_asked_for_in_queries_that_an_address_can_hold(world: Instance) -> None:
    people = [f"{number:032x}" for number in range(120)]
    for person in people:
        world.service.desk.create_user(person, sys_id=person)
    for person in people[::40]:
        world.join(person, GROUP)
    for page in range(2):
        rows = [approval(person, approver=person) for person in people[page * 100 : page * 100 + 100]]
        world.list(rows, path=f"sysapproval_approver.*offset={page}(00)?$")
    assert told(await world.asked(approver_group=GROUP).read(REF)) == set(people[::40])
    assert len(asked_of_the_group(world)) == 3
    assert all(len(path) < 4096 for path in asked_of_the_group(world))


async def test_memberships_are_read_to_the_last_page(world: Instance) -> None:
    for _ in range(120):
        world.join(MEGAN, GROUP)
    assert await approved_by(world, MEGAN) == {MEGAN}
    assert len(asked_of_the_group(world)) == 2


def membership(user: str, group: str) -> dict[str, dict[str, str]]:
    row = {"sys_id": f"{user[:16]}{group[:16]}", "user": user, "group": group}
    return {name: {"value": value, "display_value": "as people see it"} for name, value in row.items()}


@pytest.mark.parametrize(
    "other", [membership(MEGAN, OTHER_GROUP), membership(LEE, GROUP), membership("", GROUP), membership(MEGAN, "")]
)
async def test_a_membership_that_was_not_asked_for_is_no_answer(world: Instance, other: dict[str, Any]) -> None:
    world.list([membership(MEGAN, GROUP), other], path="sys_user_grmember", times=None)
    with pytest.raises(Unavailable) as error:
        await world.asked(approver_group=GROUP).read(REF)
    assert error.value.cause == "http-200-other-members"


@pytest.mark.parametrize("column", ["user", "group"])
async def test_a_query_of_which_servicenow_understands_a_part_makes_nobody_a_member(world: Instance, column: str) -> None:
    world.join(LEE, GROUP)
    world.join(MEGAN, OTHER_GROUP)
    table = world.service.store.tables["sys_user_grmember"]
    renamed = {f"u_{name}" if name == column else name: kind for name, kind in table.columns.items()}
    world.service.store.tables["sys_user_grmember"] = replace(table, columns=renamed)
    with pytest.raises((Unavailable, Forbidden)):
        await world.asked(approver_group=GROUP).read(REF)
    assert world.service.calls("GET", "sys_user_grmember")[0]["invalidQuery"]


async def test_subject_and_memberships_are_read_at_the_same_time(world: Instance) -> None:
    late = Fault(path="sys_user/", kind="slow", seconds=0.2)
    world.service.arm(late)
    await world.asked(approver_group=GROUP).read(REF)
    user, group = (world.service.calls("GET", f"table/{path}")[0]["at"] for path in ("sys_user/", "sys_user_grmember"))
    apart = datetime.fromisoformat(user) - datetime.fromisoformat(group)
    assert abs(apart) < timedelta(seconds=late.seconds)


# ---- locating


@pytest.mark.parametrize(
    ("table", "number"),
    [
        ("sc_req_item", f"{NUMBER}^ORactive=true"),
        ("sc_req_item", "javascript:gs.now()"),
        ("sc_req_item", f"{NUMBER}\n"),
        ("sc_req_item", "X" * 41),
        ("../sys_user", NUMBER),
        ("", NUMBER),
    ],
)
async def test_what_cannot_be_a_number_or_a_table_is_not_found_and_never_sent(world: Instance, table: str, number: str) -> None:
    with pytest.raises(TicketNotFound):
        await world.desk.locate(table, number)
    assert world.service.log == []


def numbered(sys_id: str, number: str = NUMBER) -> dict[str, dict[str, str]]:
    return {name: {"value": value, "display_value": NUMBER} for name, value in (("sys_id", sys_id), ("number", number))}


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [numbered(TICKET, "RITM0010002")],
        [numbered(TICKET), numbered("e" * 32, "RITM0010002")],
        [numbered("glide.maint")],
        [numbered("")],
        [{"number": numbered(TICKET)["number"]}],
        [{"sys_id": numbered(TICKET)["sys_id"]}],
    ],
)
async def test_anything_but_one_ticket_with_just_that_number_is_not_found(world: Instance, rows: list[Any]) -> None:
    world.list(rows, path="sc_req_item")
    with pytest.raises(TicketNotFound):
        await world.desk.locate("sc_req_item", NUMBER)


async def test_a_second_ticket_of_the_number_that_we_may_not_read_makes_it_ambiguous(world: Instance) -> None:
    world.open_another(NUMBER)
    world.service.access.rights[INTEGRATION_USER] = replace(INTEGRATION, only={"sc_req_item": f"sys_id={TICKET}"})
    with pytest.raises(TicketNotFound):
        await world.desk.locate("sc_req_item", NUMBER)


async def test_locating_is_one_call_that_is_bridged_like_any_reading(world: Instance) -> None:
    world.answer(503, path="sc_req_item")
    assert await world.desk.locate("sc_req_item", NUMBER) == REF
    assert world.clock.slept == [0.5]
    assert len(world.service.calls("GET", "sysparm_limit=2")) == len(world.service.log) == 2  # two are enough to see ambiguity
    world.forbid()
    with pytest.raises(Forbidden):
        await world.desk.locate("sc_req_item", NUMBER)


# ---- answers that are none

PAGE = "<!DOCTYPE html><html><body>Your instance is hibernating, call 555 0100.</body></html>"
NO_RECORD = {"error": {"message": "No Record found", "detail": "ACL restricts"}, "status": "failure"}


@pytest.mark.parametrize(
    ("status", "body", "cause"),
    [
        (200, PAGE, "http-200-no-result"),
        (200, "", "http-200-no-result"),
        (200, "[" * 100_000, "http-200-no-result"),
        (200, [], "http-200-no-result"),
        (200, {"status": "fine"}, "http-200-no-result"),
        (
            200,
            {"result": {}, "error": {"message": "Transaction cancelled: maximum execution time exceeded"}},
            "http-200-no-result",
        ),
        (200, {"result": None}, "http-200-other-shape"),
        (200, {"result": "<html>"}, "http-200-other-shape"),
        (200, {"result": ["", 1]}, "http-200-other-shape"),
        (200, {"result": {"sys_id": TICKET, "number": NUMBER}}, "http-200-other-shape"),
        (200, {"result": {"sys_id": {"value": 4711}}}, "http-200-other-shape"),
        (200, " " * (ANSWER_LIMIT + 1), "http-200-too-large"),
        (204, "", "http-204"),
        (301, "", "http-301"),
        (302, "", "http-302"),
        (400, {"error": {"message": "Invalid table sc_req_item"}, "status": "failure"}, "http-400"),
        (404, PAGE, "http-404"),
        (408, "", "http-408"),
        (429, {"error": {"message": "Rate limit exceeded"}}, "http-429"),
        (500, PAGE, "http-500"),
        (502, "", "http-502"),
        (503, PAGE, "http-503"),
    ],
)
@pytest.mark.parametrize("path", [f"sc_req_item/{TICKET}", "sysapproval_approver", "sys_user"])
async def test_what_is_no_answer_is_unavailable_with_a_short_cause(
    world: Instance, path: str, status: int, body: Any, cause: str
) -> None:
    world.answer(status, body, path=path, times=None)
    with pytest.raises(Unavailable) as error:
        await world.desk.read(REF)
    assert error.value.cause == cause


async def test_a_missing_record_is_not_found_only_in_servicenows_own_words(world: Instance) -> None:
    world.answer(404, NO_RECORD, path="sc_req_item")
    with pytest.raises(TicketNotFound):
        await world.desk.read(REF)


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("path", [f"sc_req_item/{TICKET}", "sysapproval_approver", "sys_user"])
async def test_a_refusal_is_forbidden_and_not_asked_again(world: Instance, path: str, status: int) -> None:
    world.answer(status, PAGE, path=path)
    with pytest.raises(Forbidden) as error:
        await world.desk.read(REF)
    assert error.value.cause == f"http-{status}"
    assert isinstance(error.value, TokenRefused) is (status == 401)
    assert world.clock.slept == []


async def test_the_error_of_the_ticket_itself_is_told_before_that_of_its_approvals(world: Instance) -> None:
    world.answer(503, path="sysapproval_approver", times=None)
    with pytest.raises(TicketNotFound):
        await world.desk.read(replace(REF, sys_id="f" * 32))


async def test_no_text_of_the_ticket_system_gets_into_an_error(world: Instance) -> None:
    for status, body in [(500, PAGE), (403, {"error": {"message": "call 555 0100"}}), (200, PAGE), (404, NO_RECORD)]:
        world.service.faults.clear()
        world.answer(status, body, times=None)
        with pytest.raises((Unavailable, Forbidden, TicketNotFound)) as error:
            await world.desk.read(REF)
        told = f"{error.value!r} {error.value} {error.value.__dict__}"
        assert not any(word in told for word in ("555", "hibernating", "ACL", TICKET))


async def test_a_connection_that_breaks_is_unavailable(world: Instance) -> None:
    world.service.arm(Fault(kind="reset", times=None))
    with pytest.raises(Unavailable) as error:
        await world.desk.read(REF)
    assert error.value.cause == "connection-failed"


async def test_an_instance_that_is_not_there_is_unavailable(world: Instance) -> None:
    async with running(web.Application()) as url:
        pass
    client = ServiceNowClient(url, world.credential, AUDIENCE)
    with pytest.raises(Unavailable) as error:
        await world.desk_with(client).read(REF)
    assert error.value.cause == "connection-failed"
    await client.close()


# ---- retries


async def test_a_single_failure_of_each_reading_call_is_bridged(world: Instance) -> None:
    for path in (f"sc_req_item/{TICKET}", "sysapproval_approver", "sys_user"):
        world.answer(503, path=path)
    assert (await world.desk.read(REF)).subject == UPN
    assert world.clock.slept == [0.5, 0.5, 0.5]


async def test_a_second_failure_without_a_hint_is_left_to_the_queue(world: Instance) -> None:
    world.answer(503, path="sc_req_item", times=2)
    with pytest.raises(Unavailable) as error:
        await world.desk.read(REF)
    assert error.value.retry_after is None
    assert world.clock.slept == [0.5]


@pytest.mark.parametrize("status", [429, 503])
async def test_short_waits_are_waited_out(world: Instance, status: int) -> None:
    world.answer(status, path="sc_req_item", times=3, Retry_After="1.25")
    await world.desk.read(REF)
    assert world.clock.slept == [1.25, 1.25, 1.25]


async def test_the_patience_of_an_invocation_is_four_seconds_in_all(world: Instance) -> None:
    desk = world.desk
    world.answer(503, path="sys_user", times=None, Retry_After="1.5")
    for _ in range(2):
        with pytest.raises(Unavailable) as error:
            await desk.read(REF)
        assert error.value.retry_after == timedelta(seconds=1.5)
    assert world.clock.slept == [1.5, 1.5]


@pytest.mark.parametrize("wait", ["0", "0.001"])
async def test_being_told_to_come_back_at_once_is_no_endless_loop(world: Instance, wait: str) -> None:
    world.answer(429, path="sys_user", times=None, Retry_After=wait)
    with pytest.raises(Unavailable):
        await world.desk.read(REF)
    assert world.clock.slept == [0.5] * 8


async def test_a_long_wait_is_left_to_the_queue(world: Instance) -> None:
    world.service.settings.rate_limit = 0
    with pytest.raises(Unavailable) as error:
        await world.desk.read(REF)
    assert error.value.cause == "http-429"
    assert error.value.retry_after is not None
    assert timedelta() < error.value.retry_after <= timedelta(hours=1)
    assert world.clock.slept == []


async def test_a_call_without_end_is_given_up_and_not_tried_again(world: Instance) -> None:
    class Impatient(Clock):
        def now(self) -> datetime:
            return NOW + timedelta(seconds=20 * len(world.service.log))

    world.service.arm(Fault(path="sys_user", kind="slow", seconds=1, times=None))
    client = ServiceNowClient(world.url, world.credential, AUDIENCE, call_limit=timedelta(seconds=0.2))
    with pytest.raises(Unavailable) as error:
        await world.desk_with(client, Impatient()).read(REF)
    assert error.value.cause == "timeout"
    assert len(world.service.calls("GET", "sys_user")) == 1
    await client.close()


# ---- writing


async def test_one_call_writes_and_reads_back(world: Instance) -> None:
    await world.desk.write(REF, NOTE, repeat=False)
    (call,) = world.service.log
    assert call["write"]["ignored"] == []
    assert {"comments", "state", "work_notes"} <= set(call["write"]["changed"])


@pytest.mark.parametrize("fault", [Fault(status=503), Fault(status=429, headers={"Retry-After": "1"}), Fault(kind="reset")])
async def test_a_writing_call_is_never_tried_again_by_itself(world: Instance, fault: Fault) -> None:
    world.service.arm(fault)
    with pytest.raises(Unavailable):
        await world.desk.write(REF, NOTE, repeat=False)
    assert len(world.service.log) == 1
    assert world.clock.slept == []


async def test_a_state_that_a_data_policy_refuses_does_not_keep_the_note_from_the_ticket(world: Instance) -> None:
    """Source: resolving an incident needs a close code and close notes, else the whole update is refused."""
    incident = world.service.desk.create("incident", "admin", caller_id=ADELE, opened_by=ALEX)
    world.service.access.rights[INTEGRATION_USER] = ADMINISTRATOR
    ref = TicketRef("servicenow", "incident", incident.sys_id, incident["number"])
    assert await world.desk.write(ref, replace(NOTE, state="6"), repeat=False) == Written(state_changed=False)
    assert [call["method"] for call in world.service.log] == ["PATCH", "PATCH"]
    assert [call["status"] for call in world.service.log] == [403, 200]
    assert incident["state"] != "6"


async def test_the_wait_that_a_writing_call_is_told_is_passed_on(world: Instance) -> None:
    world.answer(429, method="PATCH", Retry_After="90")
    with pytest.raises(Unavailable) as error:
        await world.desk.write(REF, NOTE, repeat=False)
    assert error.value.retry_after == timedelta(seconds=90)


async def test_a_note_that_the_answer_does_not_show_is_read_back(world: Instance) -> None:
    hidden = {"result": {name: {"value": "", "display_value": ""} for name in ("work_notes", "comments", "state")}}
    world.service.arm(Fault(method="PATCH", status=200, body=hidden, after_effect=True))
    assert await world.desk.write(REF, NOTE, repeat=False) == Written(state_changed=True)
    assert [call["method"] for call in world.service.log] == ["PATCH", "GET"]


async def test_a_note_that_is_nowhere_to_be_seen_is_unavailable(world: Instance) -> None:
    nothing = {"result": {name: {"value": "", "display_value": ""} for name in ("work_notes", "comments", "state")}}
    world.answer(200, nothing, method="PATCH")
    with pytest.raises(Unavailable) as error:
        await world.desk.write(REF, NOTE, repeat=False)
    assert error.value.cause == "note-not-visible"


async def test_a_journal_that_we_may_not_write_is_unavailable(world: Instance) -> None:
    world.service.access.rights[INTEGRATION_USER] = replace(
        INTEGRATION, write={"sc_req_item": frozenset({"work_notes", "state"})}
    )
    with pytest.raises(Unavailable) as error:
        await world.desk.write(REF, NOTE, repeat=False)
    assert error.value.cause == "note-not-visible"


async def test_a_journal_that_we_may_not_read_is_forbidden_and_a_repeat_adds_nothing(world: Instance) -> None:
    world.hide("sc_req_item", "work_notes")
    for repeat in (False, True, True):
        with pytest.raises(Forbidden) as error:
            await world.desk.write(REF, NOTE, repeat=repeat)
        assert error.value.cause == "hidden-work_notes"
    assert world.entries("work_notes") == [NOTE.work_notes]


async def test_a_ticket_that_may_not_be_written_is_forbidden(world: Instance) -> None:
    world.service.access.rights[INTEGRATION_USER] = replace(INTEGRATION, write={})
    with pytest.raises(Forbidden):
        await world.desk.write(REF, NOTE, repeat=False)


async def test_a_repeat_does_not_write_to_a_ticket_with_another_number(world: Instance) -> None:
    with pytest.raises(TicketNotFound):
        await world.desk.write(replace(REF, number="RITM0010002"), NOTE, repeat=True)
    assert world.entries("work_notes") == []


# ---- the token


async def test_the_token_is_for_the_audience(world: Instance) -> None:
    await world.desk.read(REF)
    assert set(world.credential.scopes) == {f"{AUDIENCE}/.default"}


async def test_an_audience_that_is_a_scope_already_stays_as_it_is(world: Instance) -> None:
    client = ServiceNowClient(world.url, world.credential, f"{AUDIENCE}/.default")
    await world.desk_with(client).read(REF)
    assert set(world.credential.scopes) == {f"{AUDIENCE}/.default"}
    await client.close()


async def test_without_a_token_the_ticket_system_is_unavailable(world: Instance) -> None:
    world.credential.error = ClientAuthenticationError("identity endpoint says no")
    with pytest.raises(Unavailable) as error:
        await world.desk.read(REF)
    assert error.value.cause == "no-token"
    assert world.service.log == []


async def test_neither_a_redirect_nor_a_proxy_nor_a_link_leads_the_token_elsewhere(
    world: Instance, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    strayed: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        strayed.append(request.path)
        return web.json_response({"result": {}})

    url = await serve(elsewhere)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, url)
    await world.desk.read(REF)
    link = {"Link": f'<{url}/next>;rel="next"', "X-Total-Count": "1"}
    world.service.arm(Fault(path="sysapproval_approver", status=200, headers=link, body={"result": [approval("3" * 32)]}))
    assert [row.approver for row in (await world.desk.read(REF)).approvals] == [LEE]
    for status in (301, 302, 303, 307, 308):
        world.answer(status, times=None, Location=f"{url}/login.do")
        with pytest.raises(Unavailable):
            await world.desk.read(REF)
        with pytest.raises(Unavailable):
            await world.desk.write(REF, NOTE, repeat=False)
        world.service.faults.clear()
    assert strayed == []


async def test_no_cookie_is_kept(world: Instance, serve: Serve) -> None:
    cookies: list[str | None] = []

    async def instance(request: web.Request) -> web.Response:
        cookies.append(request.headers.get("Cookie"))
        return web.json_response(NO_RECORD, status=404, headers={"Set-Cookie": "JSESSIONID=1; Path=/"})

    url = (await serve(instance)).replace("127.0.0.1", "localhost")  # no jar keeps the cookies of an address
    client = ServiceNowClient(url, world.credential, AUDIENCE)
    for _ in range(2):
        with pytest.raises(TicketNotFound):
            await world.desk_with(client).read(REF)
    assert set(cookies) == {None}
    await client.close()


# ---- answers, without a wire

IN_TWO_MINUTES = "Tue, 24 Nov 2026 02:37:16 GMT"


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (503, {}, None),
        (503, {"Retry-After": "120"}, 120),
        (503, {"Retry-After": " 120 "}, 120),
        (429, {"Retry-After": "1.5"}, 1.5),
        (429, {"Retry-After": "0"}, 0),
        (429, {"Retry-After": "-1"}, None),
        (429, {"Retry-After": "soon"}, None),
        (429, {"Retry-After": "inf"}, None),
        (503, {"Retry-After": IN_TWO_MINUTES}, 120),
        (503, {"Retry-After": "Tue, 24 Nov 2026 02:37:16 -0000"}, 120),
        (503, {"Retry-After": "Tue, 24 Nov 2015 02:37:16 GMT"}, 0),
        (429, {"Retry-After": "99999999999999"}, 7 * 86400),
        (429, {"Retry-After": "9" * 400}, 7 * 86400),
        (429, {"X-RateLimit-Reset": str(int(NOW.timestamp()) + 30)}, 30),
        (429, {"X-RateLimit-Reset": str(int(NOW.timestamp()) - 30)}, 0),
        (429, {"Retry-After": "5", "X-RateLimit-Reset": str(int(NOW.timestamp()) + 30)}, 5),
        (429, {"Retry-After": "soon", "X-RateLimit-Reset": str(int(NOW.timestamp()) + 30)}, 30),
        (503, {"X-RateLimit-Reset": str(int(NOW.timestamp()) + 30)}, None),
    ],
)
def test_a_wait_is_understood_in_every_form(status: int, headers: dict[str, str], seconds: float | None) -> None:
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert wanted_wait(Reply(status, headers, b""), NOW) == expected


@given(st.sampled_from([429, 503]), st.text() | st.datetimes().map(str), st.text())
def test_no_header_is_a_wait_out_of_bounds(status: int, after: str, reset: str) -> None:
    wait = wanted_wait(Reply(status, {"Retry-After": after, "X-RateLimit-Reset": reset}, b""), NOW)
    assert wait is None or timedelta() <= wait <= timedelta(days=7)


@given(st.integers(100, 599), st.binary() | st.recursive(st.none() | st.text(), st.lists).map(lambda v: json.dumps(v).encode()))
def test_no_answer_raises_anything_but_the_ports_errors(status: int, body: bytes) -> None:
    with pytest.raises((Unavailable, Forbidden)):
        understood(Reply(status, {}, body), NOW)
