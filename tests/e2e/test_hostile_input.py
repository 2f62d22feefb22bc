"""What nobody honest would send: it is turned away with its proper status, never with 500, and nothing comes of it."""

import base64
import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue.aio import QueueServiceClient
from yarl import URL

from sandbox.people import ADELE
from sandbox.stack import Stack
from tests.e2e.story import WEBHOOK, case, delivered, eventually, posted, signed, webhook_body

pytestmark = pytest.mark.asyncio(loop_scope="session")

TICKET = {"sys_id": "0123456789abcdef0123456789abcdef", "number": "RITM0010001"}
OTHER_KEY = "whsec_" + base64.b64encode(b"somebody else's key of 32 bytes.").decode()

type Headers = dict[str, str]
type Spoil = Callable[[Headers], Mapping[str, str]]


def body() -> bytes:
    return json.dumps(webhook_body(TICKET)).encode()


def without(name: str) -> Spoil:
    return lambda headers: {key: value for key, value in headers.items() if key != name}


def instead(**changed: str) -> Spoil:
    return lambda headers: headers | {name.replace("_", "-"): value for name, value in changed.items()}


FORGERIES: dict[str, Spoil] = {
    "nothing signed": lambda headers: {"content-type": headers["content-type"]},
    "no id": without("webhook-id"),
    "no timestamp": without("webhook-timestamp"),
    "no signature": without("webhook-signature"),
    "another id": instead(webhook_id="evt_another"),
    "another timestamp": lambda headers: headers | {"webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)},
    "an empty signature": instead(webhook_signature=""),
    "a signature of another version": lambda headers: (
        headers | {"webhook-signature": headers["webhook-signature"].replace("v1,", "v2,")}
    ),
    "a signature that is no base64": instead(webhook_signature="v1,!!!!"),
    "a signature that is too short": lambda headers: headers | {"webhook-signature": headers["webhook-signature"][:20]},
    "a timestamp with a fraction": instead(webhook_timestamp=f"{time.time():.3f}"),
    "a timestamp that is no number": instead(webhook_timestamp="now"),
    "a timestamp beyond all time": instead(webhook_timestamp="9" * 30),
    "an id with a dot": instead(webhook_id="evt.1"),
    "a very long id": instead(webhook_id="e" * 5000),
    "another scheme": lambda headers: {"content-type": headers["content-type"], "authorization": "Bearer abc"},
    "a function key": lambda headers: {"content-type": headers["content-type"], "x-functions-key": "abc"},
}


async def constant_401(stack: Stack) -> bytes:
    return await (await posted(stack, body(), {"content-type": "application/json"})).read()


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_what_does_not_prove_its_origin_is_turned_away_with_one_constant_answer(stack: Stack, forgery: str) -> None:
    answer = await posted(stack, body(), FORGERIES[forgery](signed(stack, body())))
    assert answer.status == 401
    assert answer.content_type == "application/problem+json"
    assert await answer.read() == await constant_401(stack)


@pytest.mark.parametrize("age", [310, -310], ids=["expired", "of the future"])
async def test_a_signature_outside_its_five_minutes_is_turned_away(stack: Stack, age: float) -> None:
    answer = await delivered(stack, body(), age=age)
    assert answer.status == 401
    assert await answer.read() == await constant_401(stack)


async def test_a_body_that_was_changed_on_its_way_is_turned_away(stack: Stack) -> None:
    headers = signed(stack, body())
    assert (await posted(stack, body().replace(b"RITM", b"RITN"), headers)).status == 401
    assert (await posted(stack, body() + b" ", headers)).status == 401
    assert (await posted(stack, b"", headers)).status == 401


async def test_a_key_of_somebody_else_is_turned_away(stack: Stack) -> None:
    assert (await delivered(stack, body(), key=OTHER_KEY)).status == 401


async def test_a_delivery_replayed_after_its_ticket_is_done_changes_nothing(stack: Stack) -> None:
    reset = await case(stack)
    await reset.ended()
    raw = json.dumps(webhook_body(reset.ticket or {})).encode()
    headers = signed(stack, raw)
    deletes = len(await reset.deletes())
    for _ in range(3):
        answer = await posted(stack, raw, headers)
        assert answer.status == 200
    assert len(await reset.deletes()) == deletes
    assert len(await reset.comments()) == 1


async def test_a_body_without_length_is_no_body(stack: Stack) -> None:
    async def chunks() -> Any:
        yield body()

    answer = await stack.session.post(f"{stack.app.url}{WEBHOOK}", data=chunks(), headers=signed(stack, body()))
    assert answer.status == 401


async def test_a_body_over_64_kib_is_too_large_signed_or_not(stack: Stack) -> None:
    large = json.dumps(webhook_body(TICKET, padding="x" * 70_000)).encode()
    for headers in (signed(stack, large), {"content-type": "application/json"}):
        answer = await posted(stack, large, headers)
        assert answer.status == 413
        assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "application/x-www-form-urlencoded", "application/jsonp"]
)
async def test_a_body_that_says_that_it_is_no_json_is_415_once_it_is_authentic(stack: Stack, content_type: str) -> None:
    answer = await posted(stack, body(), signed(stack, body()) | {"content-type": content_type})
    assert answer.status == 415
    assert answer.content_type == "application/problem+json"
    assert (await posted(stack, body(), {"content-type": content_type})).status == 401


async def test_a_charset_is_allowed(stack: Stack) -> None:
    raw = json.dumps(webhook_body({**TICKET, "sys_id": "f" * 32})).encode()
    answer = await posted(stack, raw, signed(stack, raw) | {"content-type": "application/json; charset=utf-8"})
    assert answer.status == 202


BAD_SHAPES: dict[str, Any] = {
    "empty": b"",
    "no JSON": b"{",
    "no object": [],
    "null": b"null",
    "a number": b"1e999",
    "NaN": b'{"type": NaN}',
    "deeply nested": b"[" * 30_000,
    "no UTF-8": b"\xff\xfe",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a lone surrogate": b'{"type": "\\ud800"}',
    "a name twice": lambda good: good.replace(b'"type":', b'"type": "x", "type":'),
    "an unknown member": webhook_body(TICKET, subject=ADELE),
    "an unknown member inside": webhook_body(TICKET, data={"table": "sc_req_item", **TICKET, "user": ADELE}),
    "a member missing": {"type": "mfa.reregistration.requested"},
    "a member missing inside": webhook_body(TICKET, data={"table": "sc_req_item", "number": "RITM1"}),
    "a number for a text": webhook_body(TICKET, timestamp=1790000000),
    "a list for an object": webhook_body(TICKET, data=[TICKET]),
    "null for a text": webhook_body(TICKET, data={"table": None, **TICKET}),
}


@pytest.mark.parametrize("shape", BAD_SHAPES)
async def test_what_is_not_of_the_shape_is_400(stack: Stack, shape: str) -> None:
    wrong = BAD_SHAPES[shape]
    answer = await delivered(stack, wrong(body()) if callable(wrong) else wrong)
    assert answer.status == 400
    assert answer.content_type == "application/problem+json"
    assert ADELE not in await answer.text()


def ticket_with(**values: str) -> dict[str, Any]:
    return webhook_body(TICKET, data={"table": "sc_req_item", **TICKET, **values})


BAD_VALUES: dict[str, Any] = {
    "a sys_id that is none": ticket_with(sys_id="x"),
    "a sys_id that is a path": ticket_with(sys_id="../../sys_user/0123456789abcdef012345678"),
    "a sys_id that is a query": ticket_with(sys_id="0123456789abcdef^ORactive=true00"),
    "a sys_id in capitals": ticket_with(sys_id="0123456789ABCDEF0123456789ABCDEF"),
    "a sys_id of other digits": ticket_with(sys_id="０" * 32),
    "a table that is not allowed": ticket_with(table="sys_user"),
    "a table that is a path": ticket_with(table="sc_req_item/../sys_user"),
    "a number that is none": ticket_with(number="RITM 1; DROP"),
    "a type of another kind": webhook_body(TICKET, type="mfa.reregistration.done"),
    "a time that is none": webhook_body(TICKET, timestamp="yesterday"),
    "a time without offset": webhook_body(TICKET, timestamp="2026-11-24T02:35:16"),
    "a time too long ago": webhook_body(TICKET, timestamp=(datetime.now(UTC) - timedelta(hours=25)).isoformat()),
    "a time to come": webhook_body(TICKET, timestamp=(datetime.now(UTC) + timedelta(hours=1)).isoformat()),
}


@pytest.mark.parametrize("value", BAD_VALUES)
async def test_what_is_of_the_shape_but_cannot_be_is_422(stack: Stack, value: str) -> None:
    answer = await delivered(stack, BAD_VALUES[value])
    assert answer.status == 422
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_the_webhook_is_for_posting_only(stack: Stack, method: str) -> None:
    answer = await stack.session.request(method, f"{stack.app.url}{WEBHOOK}", data=body(), headers=signed(stack, body()))
    assert answer.status in (404, 405)


# ---- the status route


@pytest.mark.parametrize(
    "request_id",
    [
        "0" * 32,
        "0" * 31,
        "0" * 33,
        "A" * 32,
        "..",
        "%2e%2e%2fhealth",
        "..%2f..%2fadmin%2fhost%2fstatus",
        quote("' or PartitionKey ne '", safe=""),
        quote("r-" + "0" * 32, safe=""),
        "%00",
        "%0d%0aX-Injected:%201",
        quote("٣" * 32, safe=""),
        "x" * 4000,
        "%ff%fe",
    ],
    ids=lambda request_id: request_id[:24],
)
async def test_a_status_that_does_not_exist_is_not_found_whatever_is_asked(stack: Stack, request_id: str) -> None:
    url = URL(f"{stack.app.url}/api/requests/{request_id}", encoded=True)
    answer = await stack.session.get(url, headers={"x-functions-key": stack.function_key})
    assert answer.status in (400, 404)
    assert "X-Injected" not in answer.headers


@pytest.mark.parametrize("key", [{}, {"x-functions-key": ""}, {"x-functions-key": "guess"}], ids=["none", "empty", "wrong"])
async def test_a_status_needs_the_key(stack: Stack, key: dict[str, str]) -> None:
    answer = await stack.session.get(f"{stack.app.url}/api/requests/{'0' * 32}", headers=key)
    assert answer.status == 401


async def test_no_answer_of_the_webhook_tells_whether_somebody_exists(stack: Stack) -> None:
    """A ticket that exists and one that does not are taken in alike; what is wrong with them stands in the status."""
    name = await stack.hire()
    ticket = await stack.open_ticket(name)
    answers = [
        await delivered(stack, webhook_body(one)) for one in (ticket, {"sys_id": "a" * 31 + "0", "number": ticket["number"]})
    ]
    assert [answer.status for answer in answers] == [202, 202]
    assert [sorted(await answer.json()) for answer in answers] == [["id", "status", "statusUrl"]] * 2


# ---- the queue


async def poison(stack: Stack) -> list[str]:
    """What has been put aside so far, as it was on the queue."""
    async with QueueServiceClient.from_connection_string(stack.account.connection_string) as service:
        queue = service.get_queue_client("mfa-requests-poison")
        try:
            return [message.content for message in await queue.peek_messages(max_messages=32)]
        except ResourceNotFoundError:
            return []


async def sent_raw(stack: Stack, text: str) -> None:
    async with QueueServiceClient.from_connection_string(stack.account.connection_string) as service:
        await service.get_queue_client("mfa-requests").send_message(text)


@pytest.mark.parametrize(
    "garbage",
    [
        "garbage",
        "",
        "[]",
        "{}",
        '{"id": 1}',
        '{"specversion": "1.0", "id": "", "source": ""}',
        "\u0000\u0001",
        '{"id": "a", "id": "b"}',
    ],
    ids=lambda text: repr(text)[:30],
)
async def test_a_message_without_identity_is_put_aside_as_it_was(stack: Stack, garbage: str) -> None:
    raw = base64.b64encode(garbage.encode()).decode()
    before = (await poison(stack)).count(raw)
    await sent_raw(stack, raw)
    await eventually(lambda: poison(stack), lambda aside: aside.count(raw) == before + 1)


@pytest.mark.parametrize(
    "raw", ["%%% no base64 %%%", base64.b64encode(b"\xff\xfe\x00 no UTF-8").decode()], ids=["base64", "utf-8"]
)
async def test_a_message_that_is_no_text_is_put_aside(stack: Stack, raw: str) -> None:
    await sent_raw(stack, raw)
    await eventually(lambda: poison(stack))


async def test_after_all_that_the_app_still_works(stack: Stack) -> None:
    health = await stack.app.call("GET", "/api/health")
    assert health.status == 200
    assert (await (await case(stack)).ended())["reason"] == "removed"
