"""Nothing secret and nobody's private matters are found where they do not belong: logs, results, answers."""

import json
import uuid
from typing import Any

import pytest

from sandbox.people import authenticator, phone
from sandbox.stack import Stack, cloud_event
from tests.e2e.conftest import Traces
from tests.e2e.story import DEVICE, PHONE, Case, case, delivered, eventually, posted, signed, told, told_about, webhook_body

pytestmark = pytest.mark.asyncio(loop_scope="session")

TEXT = "Left it on the ferry to Hven"
REMARK = "Caller sounded like Aunt Sigrid"
NUMBER = "+1 2065550188"
HANDSET = "Sigrid's purple handset"
MOTIVE = "SOAR-4712: token seen in Ultima Thule"
ADDRESS = "sigrid.undset@contoso.com"
PRIVATE = (TEXT, "ferry", REMARK, "Sigrid", NUMBER, NUMBER[-10:], HANDSET, "purple", MOTIVE, "Ultima Thule")


async def one_of_each_ending(stack: Stack) -> list[Case]:
    """Done, refused, failed; a message that is no request, a delivery that is not authentic, an answer that makes no sense."""
    ticket: dict[str, Any] = {"short_description": TEXT}
    methods = (phone("mobile", NUMBER), authenticator(HANDSET))
    name = await stack.hire(*methods, displayName="Sigrid Undset", mail=ADDRESS)
    opened = await stack.open_ticket(name, **ticket)
    note = {"ticket": opened["number"], "by": "admin", "text": REMARK}
    await stack.servicenow.post("/_sim/note", note)
    await stack.servicenow.post("/_sim/note", note | {"element": "comments"})
    raw = json.dumps(webhook_body(opened, remark=REMARK)).encode()
    assert (await delivered(stack, raw)).status == 400
    assert (await posted(stack, raw, signed(stack, raw) | {"webhook-id": "Sigrid"})).status == 401
    refused = await case(stack, *methods, approved=False, **ticket)
    done = await case(stack, *methods, **ticket)
    person_id = (await stack.person(name))["id"]
    await stack.graph.fault(
        path=f"users/{person_id}/authentication/methods", status=200, body={"value": [{"id": 1, "phoneNumber": NUMBER}]}, times=1
    )
    puzzled = await case(stack, person=name, **ticket)
    invalid = cloud_event({"subject": name, "reason": MOTIVE, "phone": NUMBER})
    valid = cloud_event({"subject": await stack.hire(*methods), "reason": MOTIVE, "requestedBy": "Sigrid"})
    for event in (invalid, valid):
        await stack.send(event)
        await told_about(stack, event)
    await stack.send(json.dumps({"remark": REMARK, "phone": NUMBER}))
    for one in (refused, done, puzzled):
        await one.ended()
    return [refused, done, puzzled]


async def test_logs_results_and_answers_hold_nothing_private(stack: Stack, traces: Traces) -> None:
    cases = await one_of_each_ending(stack)
    said = [
        *traces.lines,
        *(json.dumps(result) for result in await told(stack)),
        *[json.dumps(await one.status()) for one in cases],
    ]
    for one in cases:
        said += [entry.text for entry in await one.activity() if f"[{one.id}#" in entry.text]
    assert any("attempt.ended" in line for line in traces.lines)
    found = {(word, line) for word in PRIVATE for line in said if word in line}
    assert not found


async def test_no_host_has_ever_logged_a_secret(stack: Stack, traces: Traces) -> None:
    secrets = {"eyJ", "whsec_", "AccountKey", "Bearer "}
    for one in traces.stacks:
        secrets |= {one.account.key, one.journal_account.key, one.function_key, one.settings["IDENTITY_HEADER"]}
        secrets |= {one.webhook_key.removeprefix("whsec_")}
    found = {(secret, line) for secret in secrets for line in traces.lines if secret in line}
    assert not found


async def test_no_host_has_ever_logged_who_somebody_is(stack: Stack, traces: Traces) -> None:
    """Identifiers, yes: the object id. Names, user principal names, numbers and devices, no."""
    people = await stack.graph.get("/_sim/users")
    words = {PHONE, DEVICE}
    for person in people:
        words |= {person["userPrincipalName"], person["displayName"]}
        words |= {value for method in person["methods"] if (value := method["properties"].get("phoneNumber"))}
    found = {(word, line) for line in traces.lines for word in words if word in line}
    assert not found


async def test_no_traceback_reached_the_log_of_a_host(stack: Stack, traces: Traces) -> None:
    """An exception that escapes a function would be printed with its text, which may quote anything."""
    assert not [line for line in traces.lines if "Exception while executing function" in line]


async def test_a_line_that_somebody_sent_cannot_forge_another(stack: Stack, traces: Traces) -> None:
    forged = f"forged-{uuid.uuid4().hex}"
    await stack.send(json.dumps({"specversion": "1.0", "id": f"x\n{forged}", "source": f"urn:x\n{forged}", "type": "x"}))
    event = cloud_event({"subject": f"x\n{forged}"})
    await stack.send(event)
    await told_about(stack, event)
    await eventually(lambda: told(stack, lambda data: data.get("cause", {}).get("id") == event["id"]))
    assert not [line for line in traces.lines if line.startswith(forged)]
