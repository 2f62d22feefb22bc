"""What somebody should look at, whatever becomes of the request: an event for each matter, at least once, nothing personal."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sandbox.people import ADELE, GUEST, HENRIETTA, JONI, SALES_GROUP_ID, Method
from shared import journal, wording
from shared.model import AlertKind, LeftAlone, Mode, Outcome, Reason, Switch, WaitingFor, Why
from shared.ports import Forbidden, Unavailable
from shared.record import OwedKind, Record
from tests.calls import Killed
from tests.unit import build
from tests.unit.build import NOW, after
from tests.unit.world import ALERT, ALL_METHODS, World

NEW = Method(type="microsoftAuthenticator", id="theirs", properties={"displayName": "Burner phone"})
SINCE = LeftAlone("microsoftAuthenticator", "theirs", Why.REGISTERED_SINCE)
KEPT = LeftAlone("password", "p", Why.PROFILE)
TICKET = {"system": "servicenow", "table": build.REF.table, "sysId": build.REF.sys_id, "number": build.REF.number}

# ---- what an attempt gives rise to


class TestWhichAlerts:
    @pytest.mark.parametrize("reason", Reason)
    def test_three_reasons_are_looked_at_and_no_other(self, reason: Reason) -> None:
        kinds = {
            Reason.USER_PRIVILEGED: [OwedKind.PRIVILEGED_ALERT],
            Reason.USER_PROTECTED: [OwedKind.PROTECTED_ALERT],
            Reason.INTERNAL_ERROR: [OwedKind.INTERNAL_ERROR_ALERT],
        }
        assert list(wording.alerts(build.ended(Outcome.REFUSED, reason))) == kinds.get(reason, [])

    def test_not_only_the_first_reason_counts(self) -> None:
        record = build.ended(
            Outcome.REFUSED, Reason.TICKET_CLOSED, Reason.USER_DISABLED, Reason.USER_PROTECTED, Reason.USER_PRIVILEGED
        )
        assert set(wording.alerts(record)) == {OwedKind.PRIVILEGED_ALERT, OwedKind.PROTECTED_ALERT}

    @pytest.mark.parametrize("outcome", [(Outcome.DONE, Reason.REMOVED), (Outcome.FAILED, Reason.NOT_REMOVED)])
    def test_a_method_registered_since_is_looked_at_however_it_ended(self, outcome: tuple[Outcome, Reason]) -> None:
        assert list(wording.alerts(build.ended(*outcome, left_alone=(KEPT, SINCE)))) == [OwedKind.METHOD_ALERT]

    @pytest.mark.parametrize("why", [Why.PROFILE, Why.UNKNOWN_TYPE])
    def test_one_that_was_left_for_another_reason_is_not(self, why: Why) -> None:
        assert wording.alerts(build.ended(Outcome.DONE, Reason.REMOVED, left_alone=(replace(SINCE, why=why),))) == {}

    def test_a_dry_run_raises_them_too(self) -> None:
        refused = build.ended(Outcome.REFUSED, Reason.USER_PRIVILEGED, mode=Mode.DRY_RUN)
        done = build.ended(Outcome.DONE, Reason.DRY_RUN, mode=Mode.DRY_RUN, left_alone=(SINCE,))
        assert [*wording.alerts(refused), *wording.alerts(done)] == [OwedKind.PRIVILEGED_ALERT, OwedKind.METHOD_ALERT]

    def test_their_kinds_never_change(self) -> None:
        assert {kind.value for kind in AlertKind} == {
            "privileged-subject",
            "protected-subject",
            "method-registered",
            "breaker-opened",
            "authentication-failures",
            "dead-letter",
            "reset-unfinished",
            "not-delivered",
            "internal-error",
        }

    def test_none_is_a_note_on_the_ticket(self) -> None:
        assert [kind for kind in OwedKind if not kind.is_note] == [
            OwedKind.RESULT,
            OwedKind.PRIVILEGED_ALERT,
            OwedKind.PROTECTED_ALERT,
            OwedKind.METHOD_ALERT,
            OwedKind.UNFINISHED_ALERT,
            OwedKind.NOT_DELIVERED_ALERT,
            OwedKind.INTERNAL_ERROR_ALERT,
        ]


class TestWhatTheySay:
    def test_of_an_administrator(self) -> None:
        record = build.ended(Outcome.REFUSED, Reason.TICKET_CLOSED, Reason.USER_PRIVILEGED, attempt=2)
        assert wording.alerts(record)[OwedKind.PRIVILEGED_ALERT] == {
            "specversion": "1.0",
            "id": f"{record.id}#2/privileged-subject",
            "source": "urn:reregister",
            "type": "mfa.reregistration.alert",
            "subject": record.id,
            "time": "2026-11-24T02:36:16.000Z",
            "datacontenttype": "application/json",
            "data": {
                "kind": "privileged-subject",
                "requestId": record.id,
                "attempt": 2,
                "reason": "ticket-closed",
                "reasons": ["ticket-closed", "user-privileged"],
                "profile": "require-reregister",
                "mode": "enforce",
                "ticket": TICKET,
                "subjectId": build.ADELE,
            },
        }

    def test_of_a_method_which_it_is(self) -> None:
        other = LeftAlone("phone", "another", Why.REGISTERED_SINCE)
        record = build.ended(Outcome.DONE, Reason.REMOVED, left_alone=(KEPT, SINCE, other))
        data = wording.alerts(record)[OwedKind.METHOD_ALERT]["data"]
        assert data["kind"] == "method-registered"
        assert data["methods"] == [
            {"type": "microsoftAuthenticator", "id": "theirs"},
            {"type": "phone", "id": "another"},
        ]
        assert "methods" not in wording.alerts(build.ended(Outcome.REFUSED, Reason.USER_PRIVILEGED)).popitem()[1]["data"]

    def test_a_sender_without_a_ticket_recognises_its_own(self) -> None:
        record = build.ended(
            Outcome.REFUSED, Reason.USER_PROTECTED, ticket=None, subject="adele.vance@contoso.com", cause=build.CAUSE
        )
        data = wording.alerts(record)[OwedKind.PROTECTED_ALERT]["data"]
        assert data["cause"] == {"source": build.CAUSE.source, "id": build.CAUSE.id}
        assert "ticket" not in data

    def test_only_results_tell_the_outcome(self) -> None:
        """Nobody takes an alert for the result of a request."""
        record = build.ended(Outcome.REFUSED, Reason.USER_PRIVILEGED, Reason.USER_PROTECTED, left_alone=(SINCE,))
        assert len(wording.alerts(record)) == 3
        for alert in wording.alerts(record).values():
            assert "outcome" not in alert["data"]
            assert alert["type"] not in {f"mfa.reregistration.{outcome}" for outcome in Outcome}

    def test_each_matter_of_each_attempt_has_one_id_that_never_changes(self) -> None:
        def ids(record: Record) -> set[str]:
            return {alert["id"] for alert in (*wording.alerts(record).values(), wording.result_event(record))}

        first = build.ended(Outcome.REFUSED, Reason.USER_PRIVILEGED, Reason.USER_PROTECTED, left_alone=(SINCE,))
        assert ids(first) == ids(replace(first, updated_at=after(hours=1), owed=()))
        assert len(ids(first) | ids(replace(first, attempt=2)) | ids(replace(first, id="0" * 32))) == 12

    def test_of_the_breaker_when_and_why_it_opened(self) -> None:
        assert wording.breaker_alert(Switch(True, "reregister", "50 resets in an hour", NOW)) == {
            "specversion": "1.0",
            "id": "breaker-opened#2026-11-24T02:35:16.000Z",
            "source": "urn:reregister",
            "type": "mfa.reregistration.alert",
            "time": "2026-11-24T02:35:16.000Z",
            "datacontenttype": "application/json",
            "data": {
                "kind": "breaker-opened",
                "by": "reregister",
                "why": "50 resets in an hour",
                "at": "2026-11-24T02:35:16.000Z",
            },
        }

    def test_each_opening_of_the_breaker_has_one_id(self) -> None:
        first, again = (Switch(True, "reregister", "too many", at) for at in (NOW, after(hours=2)))
        ids = [wording.breaker_alert(one)["id"] for one in (first, replace(first, announced=True), again)]
        assert ids[0] == ids[1] != ids[2]

    def test_of_an_attack_on_the_webhook_how_much_and_since_when(self) -> None:
        assert wording.intake_alert(12, NOW, after(minutes=3)) == {
            "specversion": "1.0",
            "id": "authentication-failures#2026-11-24T02",
            "source": "urn:reregister",
            "type": "mfa.reregistration.alert",
            "time": "2026-11-24T02:38:16.000Z",
            "datacontenttype": "application/json",
            "data": {"kind": "authentication-failures", "failures": 12, "since": "2026-11-24T02:35:16.000Z"},
        }

    def test_of_what_was_begun_and_not_finished_what_it_waits_for(self) -> None:
        record = build.begun(removals=(build.entry(build.method(), intended_at=after(minutes=1)),))
        waiting = journal.wait(record, WaitingFor.GRAPH, None, after(minutes=20), 0.5)
        alert = wording.unfinished_alert(waiting, after(minutes=20))
        assert (alert["id"], alert["subject"], alert["time"]) == (
            f"{record.id}#1/reset-unfinished",
            record.id,
            "2026-11-24T02:55:16.000Z",
        )
        assert alert["data"] == {
            "kind": "reset-unfinished",
            "requestId": record.id,
            "attempt": 1,
            "profile": "require-reregister",
            "mode": "enforce",
            "ticket": TICKET,
            "subjectId": build.ADELE,
            "waitingFor": "graph",
            "begun": "2026-11-24T02:36:16.000Z",
        }

    def test_of_what_was_given_up_which_it_was_and_another_time_is_another_alert(self) -> None:
        record = build.ended(attempt=2)
        lost = (build.owed(OwedKind.OUTCOME_NOTE, 1), build.owed(OwedKind.RESULT, 2))
        alert = wording.not_delivered_alert(record, lost, after(days=7))
        assert alert["data"]["notDelivered"] == [{"attempt": 1, "what": "outcome"}, {"attempt": 2, "what": "result"}]
        assert alert["id"] == f"{record.id}#2/not-delivered/1-outcome+2-result"
        assert wording.not_delivered_alert(record, lost[:1], after(days=7))["id"] != alert["id"]


# ---- in a whole story


async def an_administrator(world: World) -> None:
    world.ticket_for(JONI)
    await world.webhook()


async def somebody_protected(world: World) -> None:
    world.configure(PROTECTED_USERS=world.tenant.account(ADELE).person.id)
    await world.webhook()


async def a_protected_group(world: World) -> None:
    world.configure(PROTECTED_GROUPS=SALES_GROUP_ID.upper())
    world.tenant.join(ADELE, SALES_GROUP_ID)
    await world.webhook()


async def a_method_since(world: World) -> None:
    world.permit(ALL_METHODS)  # with the new one left, another has to be the default before the old one goes
    await world.webhook()
    await world.clock.pass_by(seconds=3)
    world.tenant.register(ADELE, replace(NEW, created=world.clock.now()))


STORIES: list[tuple[Callable[[World], Awaitable[None]], str]] = [
    (an_administrator, "privileged-subject"),
    (somebody_protected, "protected-subject"),
    (a_protected_group, "protected-subject"),
    (a_method_since, "method-registered"),
]
stories = pytest.mark.parametrize(("story", "kind"), STORIES, ids=[story.__name__ for story, _ in STORIES])


class TestStories:
    @stories
    @pytest.mark.parametrize("mode", Mode)
    async def test_one_alert_is_published(
        self, world: World, story: Callable[[World], Awaitable[None]], kind: str, mode: Mode
    ) -> None:
        world.configure(MODE=mode)
        await story(world)
        await world.settle()
        (alert,) = world.alerts
        assert (alert["data"]["kind"], alert["subject"], alert["data"]["mode"]) == (kind, world.record.id, mode)
        assert [step.detail for step in world.record.steps if step.name == "alerted"] == [kind]
        assert len(world.results) == 1

    async def test_a_method_registered_meanwhile_survives(self, world: World) -> None:
        await a_method_since(world)
        await world.settle()
        assert world.outcome == ("done", "removed")
        assert world.types() == ["microsoftAuthenticator"]
        assert world.alerts[0]["data"]["methods"] == [{"type": "microsoftAuthenticator", "id": "theirs"}]

    async def test_a_method_registered_meanwhile_is_told_of_though_it_keeps_everything_in_place(self, world: World) -> None:
        """It is another method beside the default one, which Entra will not delete then."""
        await world.webhook()
        await world.clock.pass_by(seconds=3)
        world.tenant.register(ADELE, replace(NEW, created=world.clock.now()))
        await world.settle()
        assert world.outcome == ("failed", "default-method-stuck")
        assert [alert["data"]["kind"] for alert in world.alerts] == ["method-registered"]

    async def test_a_method_registered_meanwhile_is_told_of_though_we_lack_a_permission(self, world: World) -> None:
        world.directory.permissions -= {"UserAuthMethod-Phone.ReadWrite.All"}
        await world.webhook()
        await world.clock.pass_by(seconds=3)
        world.tenant.register(ADELE, replace(NEW, created=world.clock.now()))
        await world.settle()
        assert world.outcome == ("failed", "graph-forbidden")
        assert [alert["data"]["kind"] for alert in world.alerts] == ["method-registered"]

    async def test_a_method_registered_meanwhile_is_told_of_though_graph_will_not_change_the_default(self, world: World) -> None:
        world.calls.fail("directory.prefer", Forbidden(WaitingFor.GRAPH, "403"), times=None)
        await a_method_since(world)
        await world.settle()
        assert world.outcome == ("failed", "default-method-stuck")
        assert world.calls.count("directory.prefer") == 1
        assert [alert["data"]["kind"] for alert in world.alerts] == ["method-registered"]

    async def test_somebody_who_is_both_gives_both(self, world: World) -> None:
        world.configure(PROTECTED_USERS=world.tenant.account(JONI).person.id)
        await an_administrator(world)
        await world.settle()
        assert sorted(alert["data"]["kind"] for alert in world.alerts) == ["privileged-subject", "protected-subject"]

    async def test_a_message_about_an_administrator_gives_one(self, world: World) -> None:
        world.message(subject=JONI)
        await world.settle()
        (alert,) = world.alerts
        assert alert["data"]["cause"] == {"source": build.CAUSE.source, "id": build.CAUSE.id}

    async def test_one_who_is_refused_for_other_reasons_as_well_gives_it_all_the_same(self, world: World) -> None:
        world.ticket.active = False
        await an_administrator(world)
        await world.settle()
        assert world.outcome == ("refused", "ticket-closed")
        assert [alert["data"]["kind"] for alert in world.alerts] == ["privileged-subject"]

    async def test_each_attempt_gives_its_own(self, world: World) -> None:
        await an_administrator(world)
        await world.settle()
        await world.pass_by(hours=1)
        await world.webhook("msg-2")
        await world.settle()
        assert [alert["id"] for alert in world.alerts] == [
            f"{world.record.id}#1/privileged-subject",
            f"{world.record.id}#2/privileged-subject",
        ]

    @pytest.mark.parametrize("upn", [ADELE, GUEST, HENRIETTA, "nobody@contoso.com"])
    async def test_an_ordinary_request_gives_none_however_it_ends(self, world: World, upn: str) -> None:
        world.ticket_for(upn)
        await world.webhook()
        await world.settle()
        assert (len(world.results), world.alerts) == (1, [])

    @stories
    async def test_they_hold_nothing_personal(self, world: World, story: Callable[[World], Awaitable[None]], kind: str) -> None:
        await story(world)
        await world.settle()
        said = json.dumps(world.queue.results).casefold()
        personal = ("@", "joni", "adele", "vance", "sherman", "iphone", "burner", "+1", "555", "displayname", "phonenumber")
        assert [word for word in personal if word in said.replace("adele-", "")] == []


class TestDelivery:
    @stories
    async def test_a_worker_may_die_at_any_call_and_they_are_published_under_one_id(
        self, story: Callable[[World], Awaitable[None]], kind: str
    ) -> None:
        rehearsal = World()
        await story(rehearsal)
        begun = len(rehearsal.calls.log)
        await rehearsal.settle()
        (expected,) = rehearsal.alerts
        for number in range(1, len(rehearsal.calls.log) - begun + 1):
            for late in (False, True):
                world = World()
                await story(world)
                world.calls.kill_at((number, late))
                await world.settle()
                assert {alert["id"] for alert in world.alerts} == {expected["id"]}, (number, late)
                assert len(world.alerts) <= 2

    async def test_it_is_tried_again_until_it_is_out_and_the_outcome_does_not_wait(self, world: World) -> None:
        world.calls.fail("queue.publish", Unavailable(WaitingFor.STORAGE, "down"), times=None, when=_is_alert)
        await an_administrator(world)
        await world.work()
        assert world.outcome == ("refused", "user-privileged")
        await world.pass_by(days=1)
        assert world.alerts == []
        world.calls.heal()
        await world.settle()
        assert len(world.alerts) == 1

    async def test_it_is_stored_with_the_outcome(self, world: World) -> None:
        world.calls.fail("queue.publish", Killed(), when=_is_alert)
        await an_administrator(world)
        await world.work()
        assert OwedKind.PRIVILEGED_ALERT in {owed.kind for owed in world.record.owed}
        await world.pass_by(hours=1)
        await world.settle()
        assert {alert["id"] for alert in world.alerts} == {f"{world.record.id}#1/privileged-subject"}

    async def test_one_that_cannot_be_delivered_is_given_up_after_a_week(self, world: World) -> None:
        world.calls.fail(
            "queue.publish", Unavailable(WaitingFor.STORAGE, "down", timedelta(hours=20)), times=None, when=_is_alert
        )
        await an_administrator(world)
        await world.pass_by(days=17)  # for a week of it another alert is owed, which would say so
        assert (world.alerts, world.record.owed) == ([], ())
        world.calls.heal()
        world.queue.results.append({"type": ALERT, **_said(world)})  # for the world, which looks for it


def kinds(world: World) -> list[str]:
    return [alert["data"]["kind"] for alert in world.alerts]


class TestAResetThatIsNotFinished:
    @pytest.mark.parametrize(
        ("error", "waiting_for"),
        [
            (Unavailable(WaitingFor.GRAPH, "down"), "graph"),
            (Unavailable(WaitingFor.GRAPH, "throttled", timedelta(hours=3)), "graph"),
            (Forbidden(WaitingFor.GRAPH, "403"), "graph"),
            (RuntimeError("who knows"), None),
        ],
    )
    async def test_is_told_once_a_quarter_of_an_hour_after_it_began_and_then_carried_on(
        self, world: World, error: Exception, waiting_for: str | None
    ) -> None:
        await world.webhook()
        world.calls.fail("directory.methods", error, times=None)
        world.calls.fail("directory.inventory", error, times=None, skip=1)  # once it has begun
        await world.pass_by(minutes=26)
        (alert,) = world.alerts
        assert (alert["data"]["kind"], alert["data"]["waitingFor"]) == ("reset-unfinished", waiting_for)
        await world.pass_by(days=1)
        assert kinds(world) == ["reset-unfinished"]
        world.calls.heal()
        await world.settle()
        assert world.outcome == ("done", "removed")
        assert kinds(world) == ["reset-unfinished"]

    async def test_is_not_told_when_it_takes_less(self, world: World) -> None:
        await world.webhook()
        world.calls.down(WaitingFor.GRAPH, "directory.revoke_sessions")
        await world.pass_by(minutes=4)
        world.calls.heal()
        await world.settle()
        assert (world.outcome, world.alerts) == (("done", "removed"), [])

    async def test_is_nothing_that_was_not_begun(self, world: World) -> None:
        await world.webhook()
        world.calls.down(WaitingFor.GRAPH, "directory.person")
        await world.pass_by(hours=5)
        world.calls.heal()
        await world.settle()
        assert (world.outcome, world.alerts) == (("done", "removed"), [])


class TestWhatCannotBeDelivered:
    async def test_is_told_after_a_week_and_nothing_is_owed_any_more(self, world: World) -> None:
        await world.webhook()
        world.calls.down(WaitingFor.TICKET_SYSTEM, "desk.write")
        await world.settle()
        (alert,) = world.alerts
        assert alert["data"]["notDelivered"] == [{"attempt": 1, "what": "start"}, {"attempt": 1, "what": "outcome"}]
        assert (world.outcome, world.record.owed, world.record.message) == (("done", "removed"), (), None)

    async def test_is_told_however_often_storage_and_workers_fail(self, world: World) -> None:
        await world.webhook()
        world.calls.down(WaitingFor.TICKET_SYSTEM, "desk.write")
        world.calls.fail("queue.publish", Unavailable(WaitingFor.STORAGE, "down"), times=30, when=_is_alert)
        world.calls.fail("queue.publish", Killed(), skip=30, when=_is_alert)
        await world.settle(timedelta(days=20))
        assert {alert["id"] for alert in world.alerts} == {f"{world.record.id}#1/not-delivered/1-start+1-outcome"}

    async def test_is_not_told_of_the_alert_itself(self, world: World) -> None:
        await world.webhook()
        await world.work()
        world.calls.down(WaitingFor.STORAGE, "queue.publish")
        await world.webhook("msg-2")
        await world.settle(timedelta(days=20))
        assert world.alerts == []


class TestAnInternalError:
    async def test_is_told(self, world: World) -> None:
        world.calls.fail("directory.person", RuntimeError("who knows"), times=None)
        assert await world.ended() == ("failed", "internal-error")
        (alert,) = world.alerts
        assert (alert["data"]["kind"], alert["data"]["reason"]) == ("internal-error", "internal-error")


def _is_alert(arguments: tuple[Any, ...]) -> bool:
    return bool(arguments[0]["type"] == ALERT)


def _said(world: World) -> dict[str, Any]:
    return {"subject": world.record.id, "data": {"attempt": 1, "kind": "privileged-subject"}}
