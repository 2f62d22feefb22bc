"""Whom and what an attempt refuses, and that nothing has been changed by then."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from sandbox.people import (
    ADELE,
    BIANCA,
    DEBRA,
    EMILY,
    ENRICO,
    EVERYONE_GROUP_ID,
    GRADY,
    GUEST,
    HENRIETTA,
    IRVIN,
    JOHANNA,
    JONI,
    LEE,
    LIDIA,
    MIRIAM,
    NESTOR,
    PROJECT_GROUP_ID,
    RAUL,
    SALES_GROUP_ID,
)
from shared.model import TicketRef, WaitingFor
from shared.ports import Forbidden
from tests.unit import build
from tests.unit.world import World, about

# Each in another way: a role held, eligible, custom, scoped, through a group; a role-assignable group owned, or to be joined
ADMINISTRATORS = (JONI, LEE, IRVIN, LIDIA, JOHANNA, ENRICO, GRADY, NESTOR, DEBRA, RAUL)


def no_tables(world: World) -> None:
    world.configure(SERVICENOW_TABLES="incident")


def other_item(world: World) -> None:
    world.ticket.catalog_item = "f" * 32


def unapproved(world: World) -> None:
    world.ticket.approval = "requested"


def rejected(world: World) -> None:
    world.ticket.approvals.append(build.approval("b" * 32, "rejected"))


def approved_by_the_subject(world: World) -> None:
    world.ticket.approvals = [build.approval(build.SUBJECT)]


def too_few(world: World) -> None:
    world.configure(APPROVALS_REQUIRED="2")


def for_nobody(world: World) -> None:
    world.ticket.requested_for = ""


def for_somebody_unknown(world: World) -> None:
    world.desk.people.clear()


def not_in_the_directory(world: World) -> None:
    world.ticket_for("nobody@contoso.com")


def another_number(world: World) -> None:
    world.ticket.ref = TicketRef("servicenow", build.REF.table, build.REF.sys_id, "RITM0010002")


def other_profile(world: World) -> None:
    world.configure(SERVICENOW_PROFILE_FIELD="u_profile")
    world.ticket.profile = "full-reset"


def impossible_profile(world: World) -> None:
    world.configure(SERVICENOW_PROFILE_FIELD="u_profile")
    world.ticket.profile = "Full reset"


def no_ticket_system(world: World) -> None:
    world.configure(SERVICENOW_URL=None, SERVICENOW_AUDIENCE=None)


def approved_long_ago(world: World) -> None:
    world.ticket.approvals = [build.approval(updated_at=build.before(hours=73))]


def approved_by_an_outsider(world: World) -> None:
    world.configure(APPROVER_GROUP="e" * 32)
    world.desk.groups["e" * 32] = {"b" * 32}


def approved_by_ourselves(world: World) -> None:
    world.configure(SERVICENOW_INTEGRATION_USER=build.APPROVER)


def without_proof(world: World) -> None:
    world.configure(PROOF_FIELD="u_proof", PROOF_ACCEPTED="badge video_call")


def with_another_proof(world: World) -> None:
    without_proof(world)
    world.ticket.proof = "phone_call"


def protected(world: World) -> None:
    world.configure(PROTECTED_USERS=world.adele.upper())


def in_a_protected_group(world: World) -> None:
    """Through another group."""
    world.configure(PROTECTED_GROUPS=EVERYONE_GROUP_ID)
    world.tenant.groups[EVERYONE_GROUP_ID].members = [SALES_GROUP_ID]
    world.tenant.groups[SALES_GROUP_ID].members = [world.adele]


def out_of_scope(world: World) -> None:
    world.configure(ALLOWED_GROUPS=PROJECT_GROUP_ID)


def just_reset(world: World) -> None:
    """By a request of which the journal knows nothing any more."""
    world.ledger.count(build.counted(subject_id=world.adele, at=build.before(hours=23)))


REFUSALS: list[tuple[Callable[[World], Any], str]] = [
    (other_profile, "profile-not-allowed"),
    (impossible_profile, "profile-not-allowed"),
    (no_ticket_system, "ticket-system-not-configured"),
    (another_number, "ticket-not-found"),
    (lambda world: world.desk.tickets.clear(), "ticket-not-found"),
    (no_tables, "ticket-not-for-reset"),
    (other_item, "ticket-not-for-reset"),
    (lambda world: setattr(world.ticket, "active", False), "ticket-closed"),
    (unapproved, "ticket-not-approved"),
    (rejected, "ticket-not-approved"),
    (too_few, "ticket-not-approved"),
    (approved_by_the_subject, "approver-not-independent"),
    (lambda world: setattr(world.ticket, "opened_by", build.APPROVER), "approver-not-independent"),
    (approved_by_an_outsider, "approver-not-independent"),
    (approved_by_ourselves, "approver-not-independent"),
    (approved_long_ago, "approval-expired"),
    (without_proof, "proof-missing"),
    (with_another_proof, "proof-missing"),
    (for_nobody, "ticket-subject-missing"),
    (for_somebody_unknown, "ticket-subject-missing"),
    (not_in_the_directory, "user-not-found"),
    (lambda world: world.ticket_for(GUEST), "user-guest"),
    (lambda world: world.ticket_for(HENRIETTA), "user-disabled"),
    (protected, "user-protected"),
    (in_a_protected_group, "user-protected"),
    *((lambda world, upn=upn: world.ticket_for(upn), "user-privileged") for upn in ADMINISTRATORS),
    (lambda world: world.ticket_for(MIRIAM), "user-management-restricted"),
    (out_of_scope, "user-out-of-scope"),
    (just_reset, "cooldown"),
]


class TestRefusals:
    @pytest.mark.parametrize(("spoil", "reason"), REFUSALS, ids=[f"{n}-{reason}" for n, (_, reason) in enumerate(REFUSALS)])
    async def test_a_ticket_is_refused_before_anything_is_changed(
        self, world: World, spoil: Callable[[World], Any], reason: str
    ) -> None:
        await world.webhook()
        spoil(world)
        await world.settle()
        assert world.outcome == ("refused", reason)
        assert world.writes() == []
        assert world.result["removed"] == []

    async def test_a_ticket_that_meets_every_demand_is_not_refused(self, world: World) -> None:
        approved_by_an_outsider(world)
        world.desk.groups["e" * 32] |= {build.APPROVER}
        without_proof(world)
        world.ticket.proof = "video_call"
        world.configure(PROTECTED_GROUPS=PROJECT_GROUP_ID, ALLOWED_GROUPS=EVERYONE_GROUP_ID, SERVICENOW_INTEGRATION_USER="7" * 32)
        assert await world.ended() == ("done", "removed")

    async def test_who_may_join_a_group_that_gives_no_power_is_no_administrator(self, world: World) -> None:
        world.ticket_for(BIANCA)
        world.tenant.update(BIANCA, default_method=None)
        assert await world.ended() == ("done", "removed")

    @pytest.mark.parametrize(
        ("spoil", "reason"), [(unapproved, "ticket-not-approved"), (lambda world: world.ticket_for(JONI), "user-privileged")]
    )
    async def test_the_customer_is_told_one_sentence_whatever_the_reason(
        self, world: World, spoil: Callable[[World], Any], reason: str
    ) -> None:
        spoil(world)
        assert await world.ended() == ("refused", reason)
        (comment,) = world.ticket.comments
        assert comment.partition(" [")[0] == ("This request needs a person to look at it. The service desk will be in touch.")
        (note,) = world.notes("outcome")
        assert reason in note

    async def test_all_reasons_are_reported_and_the_first_in_order_is_the_reason(self, world: World) -> None:
        world.ticket.active = False
        world.ticket.approval = "requested"
        world.ticket_for(JONI)
        assert await world.ended() == ("refused", "ticket-closed")
        assert world.result["reasons"] == ["ticket-closed", "ticket-not-approved", "user-privileged"]
        (note,) = world.notes("outcome")
        assert "ticket-closed, ticket-not-approved, user-privileged" in note

    @pytest.mark.parametrize("spoil", [another_number, no_tables, no_ticket_system])
    async def test_a_ticket_that_is_not_ours_is_not_written_to(self, world: World, spoil: Callable[[World], Any]) -> None:
        await world.webhook()
        spoil(world)
        await world.settle()
        assert (world.ticket.work_notes, world.ticket.comments) == ([], [])
        assert world.calls.count("desk.write") == 0

    async def test_a_ticket_of_another_table_is_not_even_read(self, world: World) -> None:
        await world.webhook()
        no_tables(world)
        await world.settle()
        assert world.calls.count("desk.read") == 0

    async def test_a_reason_in_the_ticket_stands_though_the_directory_is_down(self, world: World) -> None:
        unapproved(world)
        world.calls.down(WaitingFor.GRAPH, "directory.person")
        assert await world.ended() == ("refused", "ticket-not-approved")

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"subject": "nobody@contoso.com"}, "user-not-found"),
            ({"subject": JONI}, "user-privileged"),
            ({"subject": GUEST}, "user-guest"),
            ({"subject": ADELE, "profile": "full-reset"}, "profile-not-allowed"),
        ],
    )
    async def test_a_message_is_refused_before_anything_is_changed(
        self, world: World, changes: dict[str, str], reason: str
    ) -> None:
        world.message(**changes)
        await world.settle()
        assert world.outcome == ("refused", reason)
        assert world.writes() == []

    async def test_who_is_not_trusted_is_refused_without_a_look_at_the_directory(self, world: World) -> None:
        world.message(source="urn:contoso:somebody")
        await world.settle()
        assert world.outcome == ("refused", "source-not-trusted")
        assert [name for name in world.calls.names() if name.startswith("directory.")] == []

    async def test_an_event_that_lay_too_long_on_the_queue_is_refused(self, world: World) -> None:
        world.message()
        await world.clock.pass_by(hours=25)
        await world.work()
        assert world.outcome == ("refused", "request-expired")

    async def test_an_event_that_grew_too_old_while_waiting_is_refused(self, world: World) -> None:
        world.configure(GIVE_UP_AFTER="P7D")
        world.calls.down(WaitingFor.GRAPH, "directory.person", retry_after=timedelta(hours=25))
        world.message()
        await world.work()
        world.calls.heal()
        await world.settle()
        assert world.outcome == ("refused", "request-expired")

    async def test_a_ticket_does_not_grow_too_old_while_waiting(self, world: World) -> None:
        world.configure(GIVE_UP_AFTER="P7D")
        world.calls.down(WaitingFor.GRAPH, "directory.person", retry_after=timedelta(hours=25))
        await world.webhook()
        await world.work()
        world.calls.heal()
        await world.settle()
        assert world.outcome == ("done", "removed")


class TestBoundToThePerson:
    """What the first reading bound, no later one may say otherwise."""

    @staticmethod
    async def first_reading(world: World) -> None:
        world.calls.down(WaitingFor.GRAPH, "directory.lacking", retry_after=timedelta(minutes=1))
        await world.webhook()
        await world.work()
        world.calls.heal()

    async def test_a_ticket_for_somebody_else_by_then_is_refused(self, world: World) -> None:
        await self.first_reading(world)
        world.desk.people["7" * 32] = EMILY
        world.ticket.requested_for = "7" * 32
        await world.settle()
        assert world.outcome == ("refused", "ticket-changed")
        assert world.writes() == []

    async def test_an_identifier_that_leads_to_somebody_else_by_then_is_refused(self, world: World) -> None:
        await self.first_reading(world)
        world.ticket_for(EMILY)
        await world.settle()
        assert world.outcome == ("refused", "ticket-changed")

    async def test_another_opener_is_refused(self, world: World) -> None:
        await self.first_reading(world)
        world.ticket.opened_by = "7" * 32
        await world.settle()
        assert world.outcome == ("refused", "ticket-changed")

    async def test_the_next_attempt_is_bound_too(self, world: World) -> None:
        unapproved(world)
        await world.ended()
        world.ticket.approval = "approved"
        world.ticket_for(EMILY)
        await world.webhook("msg-2")
        await world.settle()
        assert (world.result["attempt"], world.result["reason"]) == (2, "ticket-changed")

    async def test_after_a_reading_that_could_not_tell_the_person_the_next_one_binds(self, world: World) -> None:
        not_in_the_directory(world)
        await world.ended()
        world.ticket_for(ADELE)
        await world.webhook("msg-2")
        await world.settle()
        assert world.result["reason"] == "removed"

    async def test_a_renamed_person_stays_who_they_are(self, world: World) -> None:
        world.calls.down(WaitingFor.GRAPH, "directory.lacking", retry_after=timedelta(minutes=1))
        world.message()
        await world.work()
        world.calls.heal()
        world.tenant.update(ADELE, user_principal_name="adele.other@contoso.com")
        world.tenant.update(EMILY, user_principal_name=ADELE)
        await world.settle()
        assert world.outcome == ("done", "removed")
        assert world.types("adele.other@contoso.com") == []
        asked_about = {arguments[0] for name, arguments in world.calls.log if name in ("directory.standing", "directory.remove")}
        assert asked_about == {world.tenant.account("adele.other@contoso.com").person.id}


# ---- permissions


class TestForbidden:
    async def test_a_permission_that_is_seen_to_lack_ends_the_attempt_before_its_first_removal(self, world: World) -> None:
        world.directory.permissions -= {"UserAuthMethod-Phone.ReadWrite.All"}
        assert await world.ended() == ("failed", "graph-forbidden")
        assert world.writes() == []

    async def test_the_permission_to_revoke_is_looked_for_too(self, world: World) -> None:
        world.directory.permissions -= {"User.RevokeSessions.All"}
        assert await world.ended() == ("failed", "graph-forbidden")
        assert world.writes() == []

    @pytest.mark.parametrize("call", ["directory.person", "directory.standing", "directory.inventory", "directory.lacking"])
    async def test_what_may_not_be_read_ends_the_attempt(self, world: World, call: str) -> None:
        world.calls.fail(call, Forbidden(WaitingFor.GRAPH, "403"), times=None)
        assert await world.ended() == ("failed", "graph-forbidden")
        assert world.writes() == []

    async def test_a_removal_that_is_forbidden_after_the_first_does_not_keep_from_the_rest(self, world: World) -> None:
        world.tenant.update(ADELE, default_method=None)
        world.calls.fail("directory.remove", Forbidden(WaitingFor.GRAPH, "403"), times=None, when=about("softwareOath"))
        assert await world.ended() == ("failed", "graph-forbidden")
        assert world.types() == ["softwareOath"]
        assert len(world.tenant.account(ADELE).revocations) == 1
        assert sorted(one["type"] for one in world.result["removed"]) == ["microsoftAuthenticator", "phone"]

    async def test_a_default_that_is_refused_because_of_it_is_not_the_reason(self, world: World) -> None:
        world.calls.fail("directory.remove", Forbidden(WaitingFor.GRAPH, "403"), times=None, when=about("softwareOath"))
        assert await world.ended() == ("failed", "graph-forbidden")
        assert world.types() == ["phone", "softwareOath"]

    async def test_a_revocation_that_is_forbidden_is_no_success(self, world: World) -> None:
        world.calls.fail("directory.revoke_sessions", Forbidden(WaitingFor.GRAPH, "403"), times=None)
        assert await world.ended() == ("failed", "graph-forbidden")
        assert world.types() == []

    async def test_a_reading_that_is_forbidden_after_the_first_removal_is_tried_on(self, world: World) -> None:
        world.calls.fail("directory.methods", Forbidden(WaitingFor.GRAPH, "403"), times=3)
        assert await world.ended() == ("done", "removed")

    async def test_a_ticket_system_that_refuses_us_ends_the_attempt(self, world: World) -> None:
        world.calls.fail("desk.read", Forbidden(WaitingFor.TICKET_SYSTEM, "403"), times=None)
        assert await world.ended() == ("failed", "ticket-system-forbidden")
        assert world.writes() == []
