"""What every answer of a service is taken for: done, refused, wait or broken, as the table in ARCHITECTURE.md says."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.data.tables.aio import TableClient
from azure.storage.queue.aio import QueueServiceClient

from sandbox.identity import HEADER_SETTING
from sandbox.processes import ROOT
from sandbox.simulator import Fault, Simulator, running
from shared import wiring
from shared.adapters import storage
from shared.adapters.graph import GraphDirectory, connect
from shared.adapters.graph import calls as graph_calls
from shared.adapters.queues import StorageQueues
from shared.adapters.servicenow import ServiceNowClient, ServiceNowDesk
from shared.adapters.storage import PATIENCE
from shared.adapters.tables import TableJournal
from shared.model import Method, Note, Removal, TicketRef
from shared.ports import Forbidden, PersonNotFound, Removed, TicketNotFound, Unavailable
from tests.unit import build

pytestmark = pytest.mark.filterwarnings("ignore:This class is deprecated:DeprecationWarning")  # which msgraph-sdk makes itself

WHO = "c0117050-9999-4000-8000-000000000001"
PHONE = Removal(Method("phone", "3179e48a-750b-4051-897c-87b9720928f7"))
REF = TicketRef("servicenow", "sc_req_item", "0" * 32, "RITM0010001")
LIMIT = 3.0  # seconds that a call may take here; a busy machine needs some of them

# ---- the answers, by their name in the table


def says(status: int, body: Any = None, **headers: str) -> Fault:
    """Without a body: a refusal in the form of each service."""
    code = "ResourceNotFound" if status == 404 else "Why"
    own = {"error": {"code": code, "message": "no"}, "odata.error": {"code": code, "message": {"value": "no"}}}
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Fault(status=status, body=own if body is None else body, times=None, headers=named)


def status(code: int) -> Callable[[], Fault]:
    return lambda: says(code)


def in_a_minute() -> str:
    return f"{datetime.now(UTC) + timedelta(seconds=61):%a, %d %b %Y %H:%M:%S} GMT"


ANSWERS: dict[str, Callable[[], Fault]] = {
    **{str(code): status(code) for code in (400, 401, 403, 404, 409, 412, 423, 429, 500, 503, 504)},
    "404 in HTML": lambda: says(404, "<h1>Not here</h1>", Content_Type="text/html"),
    "502 in HTML": lambda: says(502, "<h1>Bad gateway</h1>", Content_Type="text/html"),
    "429 and `Retry-After: 60`": lambda: says(429, Retry_After="60"),
    "503 and `Retry-After: 60.5`": lambda: says(503, Retry_After="60.5"),
    "503 and a date": lambda: says(503, Retry_After=in_a_minute()),
    "a connection reset": lambda: Fault(kind="reset", times=None),
    "no answer in time": lambda: Fault(kind="slow", seconds=2 * LIMIT, times=None),
    "JSON cut short": lambda: says(200, '{"value": [', Content_Type="application/json"),
    "200 in HTML": lambda: says(200, "<h1>Sign in</h1>", Content_Type="text/html"),
    "200 of another shape": lambda: says(200, {"value": 1, "result": 1}),
}

# ---- the services, by their column in the table


class Impatient:
    """Real time, and waits that take none of it."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        del seconds


class Token:
    async def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken("token", 4102444800)

    async def close(self) -> None:
        pass


TOKEN: Any = Token()

type Call = Callable[[str], Awaitable[object]]


def graph(call: Callable[[GraphDirectory], Awaitable[object]]) -> Call:
    async def made(root: str) -> object:
        async with connect(root, TOKEN) as clients:
            return await call(GraphDirectory(clients, Impatient()))

    return made


def servicenow(call: Callable[[ServiceNowDesk], Awaitable[object]], credential: Any = TOKEN) -> Call:
    async def made(root: str) -> object:
        client = ServiceNowClient(root, credential, "api://x", call_limit=timedelta(seconds=LIMIT))
        desk = ServiceNowDesk(
            client, Impatient(), user_field="user_name", profile_field=None, proof_field=None, approver_group=None
        )
        try:
            return await call(desk)
        finally:
            await client.close()

    return made


def tokens(service: Callable[[Any], Call]) -> Call:
    """The token endpoint answers so; the service itself is not reached."""

    async def made(root: str) -> object:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("IDENTITY_ENDPOINT", f"{root}/msi/token")
            environment.setenv(HEADER_SETTING, "header")
            credential = wiring.identity_credential(None)
        async with credential:
            return await service(credential)("http://127.0.0.1:9")

    return made


def graph_with(credential: Any) -> Call:
    async def made(root: str) -> object:
        async with connect(root, credential) as clients:
            return await GraphDirectory(clients, Impatient()).methods(WHO)

    return made


def connection(root: str) -> str:
    roots = "".join(f"{service}Endpoint={root}/nobody;" for service in ("Blob", "Queue", "Table"))
    return f"DefaultEndpointsProtocol=http;AccountName=nobody;AccountKey={'A' * 86}==;{roots}"


def table(call: Callable[[TableJournal], Awaitable[object]]) -> Call:
    async def made(root: str) -> object:
        async with TableClient.from_connection_string(connection(root), "journal", **PATIENCE) as client:
            return await call(TableJournal(client))

    return made


async def queue(root: str) -> object:
    async with QueueServiceClient.from_connection_string(connection(root), **PATIENCE | {"initial_backoff": 0}) as service:
        await StorageQueues(service).put("text")
    return None


CALLS: dict[str, Call] = {
    "Graph reads": graph(lambda directory: directory.methods(WHO)),
    "Graph removes": graph(lambda directory: directory.remove(WHO, PHONE)),
    "ticket read": servicenow(lambda desk: desk.read(REF)),
    "note": servicenow(lambda desk: desk.write(REF, Note("[m]", "note [m]"), repeat=False)),
    "token for Graph": tokens(graph_with),
    "token for the desk": tokens(lambda credential: servicenow(lambda desk: desk.read(REF), credential)),
    "table read": table(lambda journal: journal.find("0" * 32)),
    "table write": table(lambda journal: journal.commit(build.record(), None)),
    "queue": queue,
}


async def taken_for(call: Awaitable[object]) -> str:
    try:
        answer = await call
    except Unavailable as later:
        told = later.retry_after.total_seconds() if later.retry_after else 0
        return "wait as told" if 55 <= told <= 61 else "wait"
    except (Forbidden, PersonNotFound, TicketNotFound):
        return "refused"
    except Exception:  # noqa: BLE001 whatever has no name
        return "broken"
    return "refused" if isinstance(answer, Removed) and not answer.gone else "done"


def table_in_architecture() -> dict[str, dict[str, str]]:
    """For each answer, what each column says that it is taken for."""
    page = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in page.splitlines() if line.startswith("|")]
    start = next(number for number, cells in enumerate(rows) if cells[0] == "answer of a service")
    columns = rows[start][1:]
    table: dict[str, dict[str, str]] = {}
    for cells in rows[start + 2 :]:
        if len(cells) != len(columns) + 1:
            break
        for answer in cells[0].split("; "):
            table[answer] = dict(zip(columns, cells[1:], strict=True))
    return table


TABLE = table_in_architecture()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_calls, "CALL_SECONDS", LIMIT)
    monkeypatch.setattr(storage, "CALL_SECONDS", LIMIT)


def test_the_table_has_every_answer_and_every_service() -> None:
    assert TABLE.keys() == ANSWERS.keys()
    assert all(row.keys() == CALLS.keys() for row in TABLE.values())
    assert {word for row in TABLE.values() for word in row.values()} <= {"done", "refused", "wait", "wait as told", "broken"}


@pytest.mark.parametrize("answer", ANSWERS)
async def test_every_answer_is_taken_for_what_the_table_says(answer: str) -> None:
    service = Simulator()
    service.arm(ANSWERS[answer]())
    async with running(service.app) as root:
        taken = await asyncio.gather(*(taken_for(call(root)) for call in CALLS.values()))
    assert dict(zip(CALLS, taken, strict=True)) == TABLE[answer]
