"""One attempt from its first check to its outcome: what is gone, what is left, what is said."""

import asyncio
from datetime import timedelta

import pytest

from sandbox import people
from sandbox.people import ADELE, ALEX, CHRISTIE, DIEGO, EMILY, JONI
from sandbox.people import Method as Registered
from shared.model import Removal, WaitingFor
from shared.ports import Changed, Removed, Unavailable
from tests.unit import build
from tests.unit.world import ALL_METHODS, World


def full_reset(world: World) -> None:
    world.configure(ALLOWED_PROFILES="full-reset require-reregister", SERVICENOW_PROFILE_FIELD="u_profile")
    world.ticket.profile = "full-reset"
    world.permit(ALL_METHODS)


def register_everything(world: World, upn: str) -> None:
    """One method of every type that Graph deletes and that is not there yet."""
    for kind in (
        *("email", "fido2", "windowsHelloForBusiness", "platformCredential"),
        *("external", "qrCodePin", "temporaryAccessPass", "softwareOath", "microsoftAuthenticator"),
    ):
        world.tenant.register(upn, Registered(type=kind, id=f"{kind}-1"))
    world.tenant.register(upn, people.phone("office", "+1 2065550199"))
    world.tenant.register(upn, people.hardware_oath("CTSO0000199", id="token-1"))


# ---- the main job


class TestTheMainJob:
    async def test_everything_that_the_profile_covers_is_gone_and_the_ticket_says_so(self, world: World) -> None:
        world.configure(SERVICENOW_DONE_STATE="3")
        assert await world.ended() == ("done", "removed")
        assert world.types() == []
        assert len(world.tenant.account(ADELE).revocations) == 1
        assert world.ticket.state == "3"
        (start, outcome) = world.ticket.work_notes
        assert "has started" in start
        assert "Outcome: done, reason: removed." in outcome
        (comment,) = world.ticket.comments
        assert "set up multifactor authentication again" in comment
        assert comment.endswith(f"[{world.record.id}#1 outcome]")

    async def test_the_result_says_what_went_and_what_was_left(self, world: World) -> None:
        await world.ended()
        result = world.result
        assert {name: result[name] for name in ("outcome", "reason", "profile", "mode", "attempt", "requestId", "subjectId")} == {
            "outcome": "done",
            "reason": "removed",
            "profile": "require-reregister",
            "mode": "enforce",
            "attempt": 1,
            "requestId": world.record.id,
            "subjectId": world.tenant.account(ADELE).person.id,
        }
        assert sorted(one["type"] for one in result["removed"]) == ["microsoftAuthenticator", "phone", "softwareOath"]
        assert result["leftAlone"] == [{"type": "password", "id": people.PASSWORD_ID, "why": "profile"}]
        assert result["ticket"] == {
            "system": "servicenow",
            "table": build.REF.table,
            "sysId": build.REF.sys_id,
            "number": build.REF.number,
        }

    async def test_nobody_else_is_touched(self, world: World) -> None:
        before = {upn: world.types(upn) for upn in (ALEX, CHRISTIE, DIEGO, JONI)}
        await world.ended()
        assert {upn: world.types(upn) for upn in before} == before
        assert [who for who, account in world.tenant.accounts.items() if account.revocations] == [
            world.tenant.account(ADELE).person.id
        ]

    async def test_a_message_of_a_trusted_source_needs_no_ticket(self, world: World) -> None:
        world.message()
        await world.settle()
        assert world.outcome == ("done", "removed")
        assert world.types() == []
        assert world.result["cause"] == {"source": build.CAUSE.source, "id": build.CAUSE.id}
        assert world.ticket.work_notes == []

    async def test_the_subject_may_be_an_object_id(self, world: World) -> None:
        world.message(subject=world.tenant.account(ADELE).person.id)
        await world.settle()
        assert world.outcome == ("done", "removed")

    async def test_who_has_nothing_to_remove_is_signed_out_all_the_same(self, world: World) -> None:
        world.ticket_for(EMILY)
        assert await world.ended() == ("done", "nothing-to-remove")
        assert len(world.tenant.account(EMILY).revocations) == 1

    async def test_sessions_stay_where_the_settings_say_so(self, world: World) -> None:
        world.configure(REVOKE_SESSIONS="false")
        assert await world.ended() == ("done", "removed")
        assert world.tenant.account(ADELE).revocations == []

    async def test_every_step_can_be_read_from_the_status(self, world: World) -> None:
        await world.ended()
        names = [step.name.value for step in world.record.steps]
        assert [name for name in names if name not in ("ticket-noted", "result-published")] == [
            *("accepted", "ticket-read", "person-resolved", "inventory-read", "decided", "confirmed"),
            *("method-removed",) * 3,
            *("sessions-revoked", "read-back", "ended"),
        ]
        assert all(step.graph_request_id for step in world.record.steps if step.name.value == "method-removed")


class TestDryRun:
    async def test_goes_all_the_way_and_changes_nothing(self, world: World) -> None:
        world.configure(MODE="dry-run")
        before = world.types()
        assert await world.ended() == ("done", "dry-run")
        assert world.writes() == []
        assert world.types() == before
        assert sorted(one["type"] for one in world.result["removed"]) == ["microsoftAuthenticator", "phone", "softwareOath"]
        assert world.result["mode"] == "dry-run"

    async def test_is_told_to_the_desk_only_and_leaves_the_state_alone(self, world: World) -> None:
        world.configure(MODE="dry-run", SERVICENOW_DONE_STATE="3")
        await world.ended()
        assert len(world.notes("start")) == len(world.notes("outcome")) == 1
        assert world.ticket.comments == []
        assert world.ticket.state == "1"

    async def test_refuses_whom_it_would_refuse_in_earnest(self, world: World) -> None:
        world.configure(MODE="dry-run")
        world.ticket_for(JONI)
        assert await world.ended() == ("refused", "user-privileged")
        assert world.ticket.comments == []

    async def test_fails_where_it_would_fail_in_earnest(self, world: World) -> None:
        world.configure(MODE="dry-run")
        world.ticket_for(ALEX)
        assert await world.ended() == ("failed", "default-method-stuck")

    async def test_shows_that_a_deadlock_would_be_solved_without_solving_it(self, world: World) -> None:
        world.configure(MODE="dry-run")
        world.permit(ALL_METHODS)
        world.ticket_for(ALEX)
        world.tenant.register(ALEX, Registered(type="softwareOath"))
        assert await world.ended() == ("done", "dry-run")
        assert world.tenant.account(ALEX).person.default_method == "voiceAlternateMobile"

    async def test_counts_for_nothing_a_new_event_enforces(self, world: World) -> None:
        world.configure(MODE="dry-run")
        await world.webhook("msg-1")
        await world.settle()
        world.configure(MODE="enforce")
        assert (await world.webhook("msg-1")).status == 200
        await world.settle()
        assert world.types() != []
        assert (await world.webhook("msg-2")).status == 202
        await world.settle()
        assert world.types() == []
        assert (world.result["attempt"], world.result["reason"]) == (2, "removed")

    async def test_a_dry_run_is_never_upgraded(self, world: World) -> None:
        world.configure(MODE="dry-run")
        await world.webhook()
        world.configure(MODE="enforce")
        await world.settle()
        assert world.outcome == ("done", "dry-run")
        assert world.writes() == []

    async def test_what_was_asked_in_earnest_is_a_dry_run_when_those_are_in_force_by_then(self, world: World) -> None:
        await world.webhook()
        world.configure(MODE="dry-run")
        await world.settle()
        assert world.outcome == ("done", "dry-run")
        assert world.writes() == []

    async def test_what_was_begun_in_earnest_is_ended_in_earnest(self, world: World) -> None:
        world.calls.fail("directory.remove", Unavailable(WaitingFor.GRAPH, "down"))
        await world.webhook()
        await world.work()
        world.configure(MODE="dry-run")
        await world.settle()
        assert world.outcome == ("done", "removed")
        assert world.types() == []


# ---- the default method


class TestTheDefault:
    async def test_goes_last(self, world: World) -> None:
        await world.ended()
        assert [removal["type"] for removal in world.tenant.account(ADELE).removals][-1] == "phone"
        assert world.calls.count("directory.remove") == 3

    @pytest.mark.parametrize("default", ["push", "oath", "sms"])
    async def test_that_graph_will_not_tell_is_found_out_by_its_refusals(
        self, world: World, default: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.tenant.update(ADELE, default_method=default)
        monkeypatch.setattr(world.directory, "inventory", world.directory.methods)
        assert await world.ended() == ("done", "removed")
        assert world.types() == []

    async def test_a_refused_removal_is_made_in_a_later_pass(self, world: World) -> None:
        world.tenant.register(ADELE, people.phone("alternateMobile", "+1 2065550111"))
        world.tenant.update(ADELE, default_method="voiceMobile")
        assert await world.ended() == ("done", "removed")
        assert world.types() == []

    async def test_a_deadlock_without_permission_to_solve_it_ends_before_the_first_removal(self, world: World) -> None:
        world.ticket_for(ALEX)
        world.tenant.register(ALEX, Registered(type="softwareOath"))
        assert await world.ended() == ("failed", "default-method-stuck")
        assert world.writes() == []
        assert world.types(ALEX) == ["phone", "phone", "softwareOath"]

    async def test_a_deadlock_is_solved_where_that_is_permitted(self, world: World) -> None:
        world.permit(ALL_METHODS)
        world.ticket_for(ALEX)
        world.tenant.register(ALEX, Registered(type="softwareOath"))
        assert await world.ended() == ("done", "removed")
        assert world.types(ALEX) == []
        assert "default-changed" in [step.name for step in world.record.steps]

    async def test_a_deadlock_of_the_two_numbers_alone_is_solved_where_that_is_permitted(self, world: World) -> None:
        world.permit(ALL_METHODS)
        world.ticket_for(ALEX)
        assert await world.ended() == ("done", "removed")
        assert world.types(ALEX) == []

    async def test_a_deadlock_that_graph_will_not_solve_ends_before_the_first_removal(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def no(*_: object) -> Changed:
            return Changed(done=False, status=400)

        world.permit(ALL_METHODS)
        world.ticket_for(ALEX)
        monkeypatch.setattr(world.directory, "prefer", no)
        assert await world.ended() == ("failed", "default-method-stuck")
        assert world.types(ALEX) == ["phone", "phone"]

    async def test_that_a_method_which_stays_keeps_from_going_is_foreseen(self, world: World) -> None:
        await world.webhook()
        await world.clock.pass_by(seconds=30)
        world.tenant.register(ADELE, Registered(type="softwareOath", id="new", created=world.clock.now()))
        await world.settle()
        assert world.outcome == ("failed", "default-method-stuck")
        assert world.writes() == []

    async def test_is_handed_to_a_method_which_stays_where_that_is_permitted(self, world: World) -> None:
        world.permit(ALL_METHODS)
        await world.webhook()
        await world.clock.pass_by(seconds=30)
        world.tenant.register(ADELE, Registered(type="softwareOath", id="new", created=world.clock.now()))
        await world.settle()
        assert world.outcome == ("done", "removed")
        assert world.types() == ["softwareOath"]

    async def test_that_stays_stuck_fails_after_everything_else_is_done(self, world: World) -> None:
        world.tenant.update(ADELE, hidden_method=True)
        assert await world.ended() == ("failed", "default-method-stuck")
        assert world.types() == ["phone"]
        assert len(world.tenant.account(ADELE).revocations) == 1
        assert sorted(one["type"] for one in world.result["removed"]) == ["microsoftAuthenticator", "softwareOath"]

    async def test_that_nobody_could_foresee_is_changed_after_a_pass_in_which_nothing_went(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.permit(ALL_METHODS)
        world.ticket_for(ALEX)
        monkeypatch.setattr(world.directory, "inventory", world.directory.methods)
        assert await world.ended() == ("done", "removed")
        assert world.types(ALEX) == []
        assert "default-changed" in [step.name for step in world.record.steps]

    async def test_that_nobody_could_foresee_and_nobody_may_change_is_stuck(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.ticket_for(ALEX)
        monkeypatch.setattr(world.directory, "inventory", world.directory.methods)
        assert await world.ended() == ("failed", "default-method-stuck")
        assert world.types(ALEX) == ["phone", "phone"]

    async def test_does_not_leave_somebody_half_stripped_who_registers_a_number_again_meanwhile(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The number is gone for us and has the same id for ever: Graph counts it, so the Authenticator cannot go beside it."""
        world.permit(ALL_METHODS)
        world.tenant.update(ADELE, default_method="push")
        number = next(one for one in world.tenant.account(ADELE).methods if one.type == "phone")
        remove = world.directory.remove

        async def and_back(person_id: str, removal: Removal) -> Removed:
            answer = await remove(person_id, removal)
            if removal.method.id == number.id:
                world.tenant.register(ADELE, number)
            return answer

        monkeypatch.setattr(world.directory, "remove", and_back)
        assert await world.ended() == ("failed", "not-removed")
        assert world.types(ADELE) == ["phone"]
        assert "default-changed" in [step.name for step in world.record.steps]

    async def test_that_is_stuck_while_graph_cannot_be_asked_again_waits_for_graph(self, world: World) -> None:
        world.tenant.update(ADELE, hidden_method=True)
        world.calls.fail("directory.inventory", Unavailable(WaitingFor.GRAPH, "503"), skip=1)
        await world.webhook()
        await world.work()
        assert (world.record.status, world.record.waiting_for) == ("waiting", "graph")
        await world.settle()
        assert world.outcome == ("failed", "default-method-stuck")
        assert world.types() == ["phone"]

    async def test_that_is_refused_only_because_of_lag_is_waited_for(self, world: World) -> None:
        world.tenant.settings.lag_seconds = 30
        world.tenant.settings.rules_lag = True
        assert await world.ended() == ("done", "removed")
        assert world.types() == []


# ---- read back


class TestReadingBack:
    @pytest.mark.parametrize("seconds", [1, 5, 14, 40, 55])
    async def test_lag_is_waited_for(self, world: World, seconds: float) -> None:
        world.tenant.settings.lag_seconds = seconds
        assert await world.ended() == ("done", "removed")
        assert world.calls.count("directory.remove") == 3

    async def test_lag_for_ever_is_not_removed(self, world: World) -> None:
        world.tenant.settings.lag_seconds = timedelta(days=1).total_seconds()
        assert await world.ended() == ("failed", "not-removed")
        assert world.calls.count("directory.remove") == 3
        assert world.record.ended_at is not None
        assert timedelta(seconds=60) <= world.record.ended_at - world.start <= timedelta(minutes=2)

    async def test_lag_does_not_keep_a_worker_for_long(self, world: World) -> None:
        world.tenant.settings.lag_seconds = 40
        await world.webhook()
        await world.work()
        assert world.clock.now() - world.start <= timedelta(seconds=20)
        assert world.record.lease is None

    async def test_patience_with_lag_begins_with_the_last_removal(self, world: World) -> None:
        """A removal that had to wait for Graph gets as much time to show as any other."""
        world.tenant.settings.lag_seconds = 30
        world.tenant.settings.rules_lag = True
        await world.webhook()
        await world.work()
        assert world.types() == ["phone"]
        world.calls.down(WaitingFor.GRAPH, "directory.inventory", retry_after=timedelta(minutes=3))
        await world.pass_by(minutes=2)
        world.calls.heal()
        await world.settle()
        assert world.outcome == ("done", "removed")

    async def test_a_method_registered_meanwhile_is_left_and_named(self, world: World) -> None:
        gate = world.calls.hold("directory.revoke_sessions")
        await world.webhook()
        worker = asyncio.create_task(world.settle())
        await gate.reached.wait()
        world.tenant.register(ADELE, Registered(type="fido2", id="new", created=world.clock.now()))
        world.tenant.register(ADELE, Registered(type="softwareOath", id="newer", created=world.clock.now()))
        gate.opened.set()
        await worker
        assert world.outcome == ("done", "removed")
        assert sorted(world.types()) == ["fido2", "softwareOath"]
        since = [(one["type"], one["id"]) for one in world.result["leftAlone"] if one["why"] == "registered-since"]
        assert sorted(since) == [("fido2", "new"), ("softwareOath", "newer")]

    async def test_a_number_that_is_registered_again_is_registered_since(self, world: World) -> None:
        gate = world.calls.hold("directory.methods")
        await world.webhook()
        worker = asyncio.create_task(world.settle())
        await gate.reached.wait()
        world.tenant.register(ADELE, people.phone("mobile", "+1 2065550166", created=world.clock.now(), created_shown="value"))
        gate.opened.set()
        await worker
        assert world.types() == ["phone"]
        assert {"type": "phone", "id": build.MOBILE, "why": "registered-since"} in world.result["leftAlone"]

    async def test_a_method_registered_after_the_request_was_accepted_is_left(self, world: World) -> None:
        world.tenant.update(ADELE, default_method=None)
        await world.webhook()
        await world.clock.pass_by(seconds=30)
        world.tenant.register(ADELE, Registered(type="softwareOath", id="new", created=world.clock.now()))
        await world.settle()
        assert world.types() == ["softwareOath"]
        assert {"type": "softwareOath", "id": "new", "why": "registered-since"} in world.result["leftAlone"]

    async def test_a_tie_is_left(self, world: World) -> None:
        world.tenant.update(ADELE, default_method=None)
        world.tenant.register(ADELE, Registered(type="softwareOath", id="tie", created=world.start))
        await world.ended()
        assert world.types() == ["softwareOath"]

    async def test_what_counts_is_when_the_message_was_put_on_the_queue(self, world: World) -> None:
        world.tenant.update(ADELE, default_method=None)
        world.message()
        await world.clock.pass_by(minutes=10)
        world.tenant.register(ADELE, Registered(type="softwareOath", id="new", created=build.after(minutes=5)))
        await world.settle()
        assert world.types() == ["softwareOath"]

    async def test_a_person_who_vanishes_after_the_first_removal_is_waited_for(self, world: World) -> None:
        gate = world.calls.hold("directory.methods")
        await world.webhook()
        worker = asyncio.create_task(world.work())
        await gate.reached.wait()
        adele = world.tenant.account(ADELE)
        world.tenant.remove(ADELE)
        gate.opened.set()
        await worker
        assert (world.record.status, world.record.waiting_for) == ("waiting", "graph")
        world.tenant.accounts[adele.person.id] = adele
        await world.settle()
        assert world.outcome == ("done", "removed")


# ---- profiles


class TestProfiles:
    async def test_full_reset_leaves_nothing_but_the_password(self, world: World) -> None:
        full_reset(world)
        world.ticket_for(EMILY)
        world.tenant.register(EMILY, people.phone("mobile", "+1 2065550105"))
        register_everything(world, EMILY)
        assert await world.ended() == ("done", "removed")
        assert world.types(EMILY) == []
        assert world.result["profile"] == "full-reset"

    async def test_require_reregister_leaves_what_the_portals_button_leaves(self, world: World) -> None:
        world.ticket_for(EMILY)
        world.tenant.register(EMILY, people.phone("mobile", "+1 2065550105"))
        register_everything(world, EMILY)
        assert await world.ended() == ("done", "removed")
        assert sorted(world.types(EMILY)) == [
            *("email", "external", "fido2", "hardwareOath", "platformCredential", "qrCodePin"),
            *("temporaryAccessPass", "windowsHelloForBusiness"),
        ]

    async def test_an_empty_profile_field_means_the_default(self, world: World) -> None:
        world.configure(SERVICENOW_PROFILE_FIELD="u_profile")
        world.ticket.profile = ""
        assert await world.ended() == ("done", "removed")
        assert world.result["profile"] == "require-reregister"

    async def test_require_reregister_deactivates_a_hardware_token(self, world: World) -> None:
        world.ticket_for(CHRISTIE)
        assert await world.ended() == ("done", "removed")
        assert [removal["how"] for removal in world.tenant.account(CHRISTIE).removals if removal["type"] == "hardwareOath"] == [
            "deactivated"
        ]
        assert "hardwareOath" in [one["type"] for one in world.result["removed"]]
        assert "hardwareOath" not in [one["type"] for one in world.result["leftAlone"]]

    async def test_full_reset_unassigns_a_hardware_token(self, world: World) -> None:
        full_reset(world)
        world.ticket_for(CHRISTIE)
        assert await world.ended() == ("done", "removed")
        assert world.types(CHRISTIE) == []

    async def test_a_token_that_is_not_active_is_not_deactivated(self, world: World) -> None:
        world.ticket_for(EMILY)
        world.tenant.register(EMILY, Registered(type="hardwareOath", properties={"device": {"status": "assigned"}}))
        assert await world.ended() == ("done", "nothing-to-remove")

    async def test_a_deactivation_whose_answer_was_lost_is_found_done(self, world: World) -> None:
        world.ticket_for(CHRISTIE)
        world.calls.fail("directory.remove", Unavailable(WaitingFor.GRAPH, "reset"), times=None, after=True)
        await world.webhook()
        await world.work()
        await world.pass_by(seconds=20)
        world.calls.heal()
        await world.settle()
        assert world.outcome == ("done", "removed")
        assert {one["type"] for one in world.result["removed"]} == {"hardwareOath", "phone"}

    async def test_an_unknown_type_is_left_and_told_by_require_reregister(self, world: World) -> None:
        world.tenant.register(ADELE, Registered(type="voiceprint", id="v"))
        assert await world.ended() == ("done", "removed")
        assert world.types() == ["voiceprint"]
        assert {"type": "voiceprint", "id": "v", "why": "unknown-type"} in world.result["leftAlone"]

    async def test_an_unknown_type_fails_a_full_reset_after_all_that_is_known_is_gone(self, world: World) -> None:
        full_reset(world)
        world.tenant.register(ADELE, Registered(type="voiceprint", id="v"))
        assert await world.ended() == ("failed", "unknown-method")
        assert world.types() == ["voiceprint"]
        assert len(world.result["removed"]) == 3

    async def test_a_full_reset_without_the_permission_for_it_changes_nothing(self, world: World) -> None:
        full_reset(world)
        world.directory.permissions -= {ALL_METHODS}
        world.ticket_for(DIEGO)
        assert await world.ended() == ("failed", "graph-forbidden")
        assert world.writes() == []

    async def test_a_message_may_ask_for_a_full_reset(self, world: World) -> None:
        full_reset(world)
        world.message(subject=DIEGO, profile="full-reset")
        await world.settle()
        assert world.outcome == ("done", "removed")
        assert world.types(DIEGO) == []
