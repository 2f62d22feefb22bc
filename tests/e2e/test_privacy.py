"""All that the app emits is searched for what belongs to people or opens doors; docs/privacy.md says what may stand where."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from azure.data.tables.aio import TableClient, TableServiceClient
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from sandbox.azurite import Account
from sandbox.people import authenticator, phone, software_oath
from sandbox.stack import APPROVER, Stack, cloud_event
from shared.adapters.tables import TABLE
from shared.model import RETENTION
from tests.e2e.conftest import Traces
from tests.e2e.story import (
    Case,
    accepted,
    delivered,
    eventually,
    hired,
    posted,
    signed,
    told,
    told_about,
    webhook_body,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

GIVEN, SURNAME = "Ingeborg", "Holmgren-Ask"
MAIL = "ingeborg.private@fjordmail.example"
NUMBER, OTHER_NUMBER, DESK_NUMBER = "+47 22550177", "+47 22550178", "+47 22550179"
HANDSET = "Kingfisher blue handset"
TITLE = "Dropped it into the Vistula at Torun"
TEXT = "My sister in Haparanda has the old one"
REMARK = "Caller stammered and cried a little"
COMMENT = "Known to me from the choir rehearsal"
MOTIVE = "token replayed from Longyearbyen"
CLERK = "playbook-of-Wenceslas"
GARBAGE_NAME, GARBAGE_NUMBER = "Sigurd Gullbrand", "+47 22550180"


type Said = list[tuple[str, str]]
"""What was emitted, each with the place where it stands."""


@dataclass(frozen=True)
class Told:
    """What happened: the requests, whom the message named, what HTTP answered."""

    cases: tuple[Case, ...]
    named: str
    answers: tuple[str, ...]


async def somebody(stack: Stack, **person: Any) -> tuple[str, str]:
    """With a name, numbers, a mail address and a device in Entra, and as much of that in ServiceNow."""
    methods = (phone("mobile", NUMBER), phone("alternateMobile", OTHER_NUMBER))
    more = () if "defaultMethod" in person else (authenticator(HANDSET), software_oath())
    name = {"givenName": GIVEN, "surname": SURNAME, "displayName": f"{GIVEN} {SURNAME}", "mail": MAIL}
    upn, person_id = await hired(stack, *methods, *more, **name, **person)
    fields = {"email": MAIL, "u_desk_phone": DESK_NUMBER, "u_mobile_phone": NUMBER}
    where = {"table": "sys_user", "record": person_id.replace("-", ""), "fields": fields}
    await stack.servicenow.put("/_sim/fields", where)
    return upn, person_id


async def by_ticket(stack: Stack, *, approved: bool = True, **person: Any) -> Case:
    upn, person_id = await somebody(stack, **person)
    ticket = await stack.open_ticket(upn, short_description=TITLE, description=TEXT)
    for element in ("work_notes", "comments"):
        note = {"ticket": ticket["number"], "by": "admin", "text": REMARK, "element": element}
        await stack.servicenow.post("/_sim/note", note)
    if approved:
        await stack.servicenow.post("/_sim/approve", {"ticket": ticket["number"], "approver": APPROVER, "comments": COMMENT})
    else:
        await stack.servicenow.post("/_sim/send", {"ticket": ticket["number"]})
    return Case(stack, await accepted(stack, ticket), upn, person_id, ticket)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def happened(stack: Stack) -> Told:
    """Done, refused and failed by ticket, done by message, garbage on the queue, deliveries that are refused at the door."""
    done = await by_ticket(stack)
    refused = await by_ticket(stack, approved=False)
    failed = await by_ticket(stack, defaultMethod="voiceAlternateMobile")
    outcomes = [(await one.ended())["outcome"] for one in (done, refused, failed)]
    assert outcomes == ["done", "refused", "failed"]
    upn, person_id = await somebody(stack)
    event = cloud_event({"subject": upn, "reason": MOTIVE, "requestedBy": CLERK})
    await stack.send(event)
    sent = Case(stack, (await told_about(stack, event))["data"]["requestId"], upn, person_id)
    await sent.ended()
    await stack.send(json.dumps({"who": GARBAGE_NAME, "number": GARBAGE_NUMBER}))
    assert done.ticket is not None
    raw = json.dumps(webhook_body(done.ticket, remark=REMARK)).encode()
    responses = [
        await delivered(stack, raw),
        await delivered(stack, webhook_body(done.ticket) | {"timestamp": GIVEN}),
        await posted(stack, raw, signed(stack, raw) | {"webhook-id": SURNAME}),
        *[await stack.app.call("GET", path) for path in (f"/api/requests/{GIVEN}", "/api/health")],
        *[await stack.app.call("GET", f"/api/requests/{one.id}") for one in (done, refused, failed, sent)],
    ]
    answers = [f"{response.status} {dict(response.headers)} {await response.text()}" for response in responses]
    answers += [str(answer) for one in (done, refused, failed) for answer in await stack.answers(one.ticket or {})]

    async def buried() -> bool:
        await stack.app.call("POST", "/admin/functions/dead-letters", {})
        return bool(await rows(stack.journal_account, holding=GARBAGE_NAME))

    await eventually(buried)
    return Told((done, refused, failed, sent), upn, tuple(answers))


# ---- the search

PARTITIONS = {"request": "journal", "dead-letters": "dead letters", "velocity": "ledger"}


async def rows(account: Account, *, holding: str = "") -> Said:
    """Every row of every table as the place where it stands and all that it says; those that say `holding`."""
    found = []
    async with TableServiceClient.from_connection_string(account.connection_string) as service:
        async for table in service.list_tables():
            async with service.get_table_client(table.name) as client:
                async for row in client.list_entities():
                    text = "".join(f"{row[name]}" for name in sorted(row, key=lambda name: (len(name), name)))
                    found.append((PARTITIONS.get(row["PartitionKey"], row["PartitionKey"]), text))
    return [(place, text) for place, text in found if holding in text]


async def blobs(account: Account) -> AsyncIterator[tuple[str, str]]:
    async with BlobServiceClient.from_connection_string(account.connection_string) as service:
        async for container in service.list_containers():
            client = service.get_container_client(container.name)
            async for name in client.list_blob_names():
                yield container.name, f"{name} {(await (await client.download_blob(name)).readall()).decode()}"


async def messages(account: Account) -> AsyncIterator[tuple[str, str]]:
    """What can be seen on the queues: as it is, and as it reads."""
    async with QueueServiceClient.from_connection_string(account.connection_string) as service:
        async for queue in service.list_queues():
            for message in await service.get_queue_client(queue.name).peek_messages(max_messages=32):
                yield queue.name, message.content
                yield queue.name, base64.b64decode(message.content + "==").decode(errors="replace")


async def everything(stack: Stack, traces: Traces, happened: Told) -> Said:
    """All that the app has emitted, each with the place where it stands."""
    said = [("log", line) for line in traces.lines]
    said += [("results", json.dumps(event)) for event in await told(stack)]
    said += [("answers", answer) for answer in happened.answers]
    for one in happened.cases:
        if one.ticket is not None:
            said += [("ticket", entry.text) for entry in await one.activity() if f"[{one.id}#" in entry.text]
    for account in (stack.account, stack.journal_account):
        said += await rows(account)
        said += [pair async for pair in blobs(account)]
        said += [pair async for pair in messages(account)]
    return said


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def said(stack: Stack, traces: Traces, happened: Told) -> Said:
    return await everything(stack, traces, happened)


def places(said: Said, word: str) -> set[str]:
    """Where it stands, in whatever case."""
    return {place for place, text in said if word.casefold() in text.casefold()}


async def test_the_stories_left_something_everywhere(said: Said, happened: Told) -> None:
    for one in happened.cases:
        kept = {"log", "results", "journal", "answers", "reregister-receipts"} | ({"ticket"} if one.ticket else set())
        assert kept <= places(said, one.id)
    assert "dead letters" in {place for place, _ in said}


@pytest.mark.parametrize(
    ("word", "may_stand"),
    [
        *((word, set[str]()) for word in (GIVEN, SURNAME, MAIL, "fjordmail")),
        *((word, set[str]()) for word in (NUMBER[-8:], OTHER_NUMBER[-8:], DESK_NUMBER[-8:], HANDSET, "kingfisher")),
        *((word, set[str]()) for word in (TITLE, "Vistula", TEXT, "Haparanda", REMARK, "stammered", COMMENT, "choir")),
        *((word, set[str]()) for word in (MOTIVE, "Longyearbyen")),
        (CLERK, {"journal", "ledger"}),
        (GARBAGE_NAME, {"dead letters"}),
        (GARBAGE_NUMBER, {"dead letters"}),
    ],
)
async def test_names_numbers_and_texts_stand_nowhere_but_where_the_page_says(said: Said, word: str, may_stand: set[str]) -> None:
    assert places(said, word) == may_stand


async def test_a_user_principal_name_stands_in_the_request_that_named_it_and_nowhere_else(said: Said, happened: Told) -> None:
    found = {one.person: places(said, one.person) for one in happened.cases}
    assert found == {one.person: {"journal"} if one.person == happened.named else set() for one in happened.cases}


async def test_the_log_names_neither_people_nor_tickets(said: Said, happened: Told) -> None:
    ids = {one.person_id for one in happened.cases} | {one.person_id.replace("-", "") for one in happened.cases}
    ids |= {one.ticket[name] for one in happened.cases if one.ticket for name in ("number", "sys_id")}
    assert {word for word in ids if "log" in places(said, word)} == set()


async def test_no_key_and_no_token_stands_anywhere(stack: Stack, said: Said) -> None:
    keys = {account.key for account in (stack.account, stack.journal_account)}
    keys |= {stack.webhook_key.removeprefix("whsec_"), stack.function_key, stack.settings["IDENTITY_HEADER"]}
    url = f"{stack.settings['IDENTITY_ENDPOINT']}?resource={stack.settings['GRAPH_ENDPOINT']}&api-version=2019-08-01"
    async with stack.session.get(url, headers={"X-IDENTITY-HEADER": stack.settings["IDENTITY_HEADER"]}) as response:
        token = (await response.json())["access_token"]
    head = token.partition(".")[0]  # the same in every token
    assert head.startswith("eyJ")
    found = {word: places(said, word) for word in (*keys, head, "eyJ0eXAi", "whsec_", "AccountKey=", "Bearer ")}
    assert {word: where for word, where in found.items() if where} == {}


# ---- what is kept long enough


async def aged(stack: Stack, request_id: str, days: int) -> None:
    """The request ended so many days earlier, for all that the journal knows."""
    async with TableClient.from_connection_string(stack.journal_account.connection_string, TABLE) as table:
        row = await table.get_entity("request", f"r-{request_id}")
        document = json.loads(row["document0"])
        ended_at = datetime.fromisoformat(document["ended_at"]) - timedelta(days=days)
        listed, row["listed"] = row["listed"], f"f-{ended_at + RETENTION:%Y%m%dT%H%M%S}-{request_id}"
        row["document0"] = json.dumps(document | {"ended_at": ended_at.isoformat()})
        await table.update_entity(row)
        await table.delete_entity("request", listed)
        await table.upsert_entity({"PartitionKey": "request", "RowKey": row["listed"]})


@asynccontextmanager
async def another_process(stack: Stack) -> AsyncIterator[str]:
    """The root of one that has not yet asked for what is old enough."""
    child, url = await stack.start_host()
    try:
        yield url
    finally:
        stack.hosts.remove(child)
        await asyncio.to_thread(child.stop)


async def test_a_request_that_ended_90_days_ago_names_nobody_and_is_answered_as_ever(stack: Stack) -> None:
    upn, _ = await somebody(stack)
    event = cloud_event({"subject": upn, "requestedBy": CLERK})
    await stack.send(event)
    request_id = (await told_about(stack, event))["data"]["requestId"]
    before = await stack.ended(request_id)
    await aged(stack, request_id, days=91)

    async def status() -> Any:
        await stack.session.post(f"{url}/admin/functions/sweep", json={}, headers={"x-functions-key": stack.function_key})
        return await stack.status(request_id)

    async with another_process(stack) as url:
        after = await eventually(status, lambda seen: seen["steps"] == [])
    assert after == before | {"steps": []}
    kept = [text for place, text in await rows(stack.journal_account, holding=request_id) if place == "journal"]
    assert not [text for text in kept if upn in text or CLERK in text]
    await stack.send(event)

    async def answers() -> list[dict[str, Any]]:
        return await told(stack, lambda data: data.get("requestId") == request_id)

    first, again = await eventually(answers, lambda seen: len(seen) == 2)
    assert again == first | {"time": again["time"]}  # its end was put back by hand
    assert await stack.status(request_id) == after


# ---- the search finds


@asynccontextmanager
async def planted(stack: Stack, traces: Traces, happened: Told, word: str) -> AsyncIterator[Mapping[str, str]]:
    """The word is put wherever the app emits something, save its answers; where it is found, by the place where it was put."""
    line = f"{{'name': '{word}'}}"
    traces.lines.append(line)
    stack.told.append({"id": word, "data": {}})
    done = happened.cases[0]
    assert done.ticket is not None
    note = {"ticket": done.ticket["number"], "by": "admin", "text": f"[{done.id}#9 outcome] {word}"}
    await stack.servicenow.post("/_sim/note", note)
    connection = stack.journal_account.connection_string
    async with TableServiceClient.from_connection_string(connection) as tables:
        table = await tables.create_table_if_not_exists("planted")
        await table.upsert_entity({"PartitionKey": "planted", "RowKey": "1", "document0": word[:5], "document1": word[5:]})
    async with BlobServiceClient.from_connection_string(connection) as storage:
        container = await storage.create_container("planted")
        await container.upload_blob("planted.jsonl", word)
    async with QueueServiceClient.from_connection_string(connection) as queues:
        for name, text in (("plain", word), ("encoded", base64.b64encode(word.encode()).decode())):
            queue = await queues.create_queue(name)
            await queue.send_message(text)
    try:
        yield {"log": "log", "results": "results", "ticket": "ticket", "row": "planted", "blob": "planted", "queue": "plain"}
    finally:
        traces.lines.remove(line)
        stack.told.pop()
        async with TableServiceClient.from_connection_string(connection) as tables:
            await tables.delete_table("planted")
        async with BlobServiceClient.from_connection_string(connection) as storage:
            await storage.delete_container("planted")
        async with QueueServiceClient.from_connection_string(connection) as queues:
            for name in ("plain", "encoded"):
                await queues.delete_queue(name)


async def test_what_is_planted_is_found_wherever_it_is(stack: Stack, traces: Traces, happened: Told) -> None:
    word = "Rumpelstilzchen of Nidaros"
    assert places(await everything(stack, traces, happened), word) == set()
    async with planted(stack, traces, happened, word) as where:
        said = await everything(stack, traces, happened)
    assert places(said, word) == {*where.values(), "encoded"}
    assert len([text for place, text in said if place == "planted" and word in text]) == 2
