"""The main job: somebody must register again, and everybody who has to know is told."""

import pytest

from sandbox.people import ADELE, JONI, LEE, hardware_oath, phone
from sandbox.stack import Stack
from tests.e2e.story import (
    NEUTRAL,
    Another,
    Case,
    accepted,
    case,
    delivered,
    eventually,
    for_ticket,
    hired,
    no_rule,
    told_about,
    usual_methods,
    webhook_body,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_an_approved_ticket_makes_exactly_its_person_register_again_and_says_so(stack: Stack) -> None:
    bystander = await stack.person(ADELE)
    reset = await case(stack)
    status = await reset.ended()

    assert (status["status"], status["outcome"], status["reason"]) == ("done", "done", "removed")
    assert status["mode"] == "enforce"
    assert status["profile"] == "require-reregister"
    assert status["subjectId"] == reset.person_id
    assert sorted(gone["type"] for gone in status["removed"]) == ["microsoftAuthenticator", "phone", "softwareOath"]
    assert [left["why"] for left in status["leftAlone"]] == ["profile"]

    truth = await reset.truth()
    assert await reset.methods() == set()
    assert len(truth["revocations"]) == 1
    assert [call["status"] for call in await reset.deletes()] == [204, 204, 204]
    assert len(await reset.writes()) == 4
    assert await stack.person(ADELE) == bystander

    assert len(await reset.notes("start")) == 1
    assert len(await reset.notes("outcome")) == 1
    assert len(await reset.notes("waiting")) == 0
    (comment,) = await reset.comments()
    assert f"[{reset.id}#1 outcome]" in comment
    assert "set up" in comment
    assert await reset.ticket_state() == "3"

    (result,) = await reset.results()
    assert result["type"] == "mfa.reregistration.done"
    assert result["subject"] == reset.id
    data = result["data"]
    assert data["ticket"]["sysId"] == (reset.ticket or {})["sys_id"]
    assert (data["outcome"], data["reason"], data["attempt"], data["mode"]) == ("done", "removed", 1, "enforce")
    assert data["subjectId"] == reset.person_id
    assert data["removed"] == status["removed"]
    assert data["leftAlone"] == status["leftAlone"]


async def test_health_says_which_version_runs_in_which_mode_and_that_nothing_fails(stack: Stack) -> None:
    health = await stack.session.get(f"{stack.app.url}/api/health")
    body = await health.json()
    assert health.status == 200
    assert (body["mode"], body["failing"]) == ("enforce", [])
    assert body["version"]


async def test_what_the_steps_say_can_be_found_in_graphs_own_log(stack: Stack) -> None:
    reset = await case(stack)
    status = await reset.ended()
    removed = [step for step in status["steps"] if step["name"] == "method-removed"]
    assert [step["graphRequestId"] for step in removed] == [call["requestId"] for call in await reset.deletes()]


async def test_a_trusted_source_may_ask_for_a_person_by_name(stack: Stack) -> None:
    name, person_id = await hired(stack)
    event = await stack.send_request(name, reason="SOAR-4711: session token replayed", requestedBy="soar-playbook-17")
    result = await told_about(stack, event)
    assert result["data"]["cause"] == {"source": event["source"], "id": event["id"]}
    assert (result["data"]["outcome"], result["data"]["reason"]) == ("done", "removed")
    reset = Case(stack, result["data"]["requestId"], name, person_id)
    assert await reset.methods() == set()
    assert "ticket" not in await reset.status()


async def test_a_trusted_source_may_ask_for_a_person_by_object_id(stack: Stack) -> None:
    name, person_id = await hired(stack)
    result = await told_about(stack, await stack.send_request(person_id))
    assert result["data"]["subjectId"] == person_id
    assert await Case(stack, "", name, person_id).methods() == set()


async def test_other_automation_may_name_a_ticket_whatever_its_source(stack: Stack) -> None:
    name, person_id = await hired(stack)
    async with no_rule(stack):
        ticket = await stack.open_ticket(name)
        await stack.approve(ticket)
        event = for_ticket(ticket, source="urn:contoso:workflow")
        await stack.send(event)
        result = await told_about(stack, event)
    reset = Case(stack, result["data"]["requestId"], name, person_id, ticket)
    status = await reset.ended()
    assert (status["outcome"], status["reason"]) == ("done", "removed")
    assert await reset.methods() == set()
    assert len(await reset.comments()) == 1


async def test_one_ticket_is_one_request_through_whichever_door_it_comes(stack: Stack) -> None:
    reset = await case(stack)
    await reset.ended()
    assert reset.ticket is not None
    event = for_ticket(reset.ticket)
    await stack.send(event)
    result = await told_about(stack, event)
    assert result["data"]["requestId"] == reset.id
    answer = await delivered(stack, webhook_body(reset.ticket))
    assert answer.status == 200
    assert (await answer.json())["id"] == reset.id
    assert len(await reset.deletes()) == 3
    assert len(await reset.comments()) == 1


async def test_the_webhook_answers_where_to_ask(stack: Stack) -> None:
    name, _ = await hired(stack)
    async with no_rule(stack):
        ticket = await stack.open_ticket(name)
        await stack.approve(ticket)
        answer = await delivered(stack, webhook_body(ticket))
    body = await answer.json()
    assert answer.status == 202
    assert answer.headers["Location"] == body["statusUrl"] == f"/api/requests/{body['id']}"
    assert body["status"] in ("accepted", "running")
    assert (await stack.ended(body["id"]))["outcome"] == "done"


async def test_who_has_nothing_registered_is_done_and_signed_out(stack: Stack) -> None:
    name = await stack.hire()
    result = await told_about(stack, await stack.send_request(name))
    assert (result["data"]["outcome"], result["data"]["reason"]) == ("done", "nothing-to-remove")
    assert len((await stack.person(name))["revocations"]) == 1


async def test_a_hardware_token_is_deactivated_and_stays_assigned(stack: Stack) -> None:
    reset = await case(stack, phone("mobile", "+1 2065550103"), hardware_oath("CTSO0000199"))
    status = await reset.ended()
    assert (status["outcome"], status["reason"]) == ("done", "removed")
    assert sorted(gone["type"] for gone in status["removed"]) == ["hardwareOath", "phone"]
    (token,) = [method for method in (await reset.truth())["methods"] if method["type"] == "hardwareOath"]
    assert token["properties"]["device"]["status"] == "assigned"


async def test_a_request_refused_for_want_of_approval_is_opened_again_by_the_approval(stack: Stack) -> None:
    reset = await case(stack, approved=False)
    first = await reset.ended()
    assert (first["attempt"], first["outcome"], first["reason"]) == (1, "refused", "ticket-not-approved")
    assert await reset.writes() == []

    assert reset.ticket is not None
    await stack.approve(reset.ticket)
    second = await reset.ended(attempt=2)
    assert (second["attempt"], second["outcome"], second["reason"]) == (2, "done", "removed")
    assert await reset.methods() == set()
    for attempt in (1, 2):
        assert len(await reset.notes("outcome", attempt)) == 1
        assert len(await reset.notes("start", attempt)) == 1
    assert [comment.startswith(NEUTRAL) for comment in await reset.comments()] == [False, True]
    assert [(result["data"]["attempt"], result["data"]["outcome"]) for result in await reset.results()] == [
        (1, "refused"),
        (2, "done"),
    ]


@pytest.mark.parametrize("administrator", [JONI, LEE], ids=["active", "eligible"])
async def test_an_administrator_is_refused_and_the_comment_does_not_hint_at_it(stack: Stack, administrator: str) -> None:
    refused = await case(stack, person=administrator)
    status = await refused.ended()
    assert (status["outcome"], status["reason"]) == ("refused", "user-privileged")
    assert await refused.writes() == []
    assert await refused.comments() == [f"{NEUTRAL} [{refused.id}#1 outcome]"]
    assert "user-privileged" in (await refused.notes("outcome"))[0]


async def test_what_is_registered_while_work_is_under_way_is_left_alone_and_reported(stack: Stack) -> None:
    name, person_id = await hired(stack)
    await stack.graph.fault(method="DELETE", path=person_id, kind="slow", seconds=1.5)
    reset = await case(stack, person=name)
    await eventually(reset.deletes)
    new = await stack.graph.post(
        f"/_sim/users/{person_id}/methods", {"type": "microsoftAuthenticator", "properties": {"displayName": "New phone"}}
    )
    status = await reset.ended()
    assert (status["outcome"], status["reason"]) == ("done", "removed")
    assert await reset.methods() == {"microsoftAuthenticator"}
    assert {"type": "microsoftAuthenticator", "id": new["id"], "why": "registered-since"} in status["leftAlone"]
    assert not [call for call in await reset.deletes() if new["id"] in call["path"]]


async def test_a_dry_run_changes_nothing_and_the_same_ticket_can_be_enforced_later(another: Another) -> None:
    async with another(MODE="dry-run", SERVICENOW_DONE_STATE="3") as stack:
        rehearsed = await case(stack)
        status = await rehearsed.ended()
        assert (status["mode"], status["outcome"], status["reason"]) == ("dry-run", "done", "dry-run")
        assert sorted(gone["type"] for gone in status["removed"]) == ["microsoftAuthenticator", "phone", "softwareOath"]
        assert await rehearsed.writes() == []
        assert len(await rehearsed.methods()) == 3
        assert await rehearsed.comments() == []
        assert len(await rehearsed.notes("outcome")) == 1
        assert await rehearsed.ticket_state() != "3"

        await stack.restart_app(MODE="enforce")
        assert rehearsed.ticket is not None
        (delivery,) = await stack.servicenow.get("/_sim/deliveries")
        await stack.servicenow.post("/_sim/send", {"ticket": rehearsed.ticket["number"], "id": delivery["id"]})
        answers = await eventually(lambda: stack.answers(rehearsed.ticket or {}), lambda seen: len(seen) == 2)
        assert answers[1]["status"] in (200, 422), "a copy of an event already answered opens nothing"
        assert (await rehearsed.status())["attempt"] == 1

        await stack.servicenow.post("/_sim/send", {"ticket": rehearsed.ticket["number"]})
        status = await rehearsed.ended(attempt=2)
        assert (status["mode"], status["outcome"], status["reason"]) == ("enforce", "done", "removed")
        assert await rehearsed.methods() == set()
        assert len(await rehearsed.comments()) == 1
        assert await rehearsed.ticket_state() == "3"
        modes = [(result["data"]["mode"], result["data"]["reason"]) for result in await rehearsed.results()]
        assert modes == [("dry-run", "dry-run"), ("enforce", "removed")]


async def test_sessions_are_left_alone_where_the_organisation_says_so(another: Another) -> None:
    async with another(REVOKE_SESSIONS="false") as stack:
        reset = await case(stack, *usual_methods())
        assert (await reset.ended())["reason"] == "removed"
        assert (await reset.truth())["revocations"] == []


async def test_a_careless_rule_that_fires_at_every_update_comes_to_an_end(stack: Stack) -> None:
    """Our own notes fire it: a done ticket stays done, a refused one is attempted five times and no more."""
    await stack.servicenow.put("/_sim/webhook", {"on_every_update": True})
    try:
        done, refused = await case(stack), await case(stack, person=JONI)
        await done.ended()
        status = await refused.ended(attempt=5)
        assert status["reason"] == "user-privileged"
        await stack.servicenow.get("/_sim/deliveries?wait=true")
    finally:
        await stack.servicenow.put("/_sim/webhook", {"on_every_update": False})
    assert (await done.status())["attempt"] == 1
    assert len(await done.comments()) == 1
    assert len(await done.deletes()) == 3
    assert (await refused.status())["attempt"] == 5
    assert len(await refused.comments()) == 5
    assert refused.ticket is not None
    assert await accepted(stack, refused.ticket) == refused.id
