"""The whole stack on loopback: Azurite, the token endpoint, simulated Graph and ServiceNow, and the app on the local host.

Every part is a process of its own on a free port. The app's settings are made here and nowhere else; the caller's shell lends its
`PATH` and no setting. A `Stack` also speaks for the people around the product: it opens and approves tickets, reads the queues.
"""

import asyncio
import base64
import contextlib
import json
import os
import secrets
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import TextBase64DecodePolicy, TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient, QueueServiceClient
from pydantic import TypeAdapter

from sandbox import people
from sandbox.azurite import Account, azurite
from sandbox.people import Method, Seed
from sandbox.processes import PYTHON, ROOT, Child
from sandbox.tokens import KEY_SETTING

CATALOG_ITEM = "ca7a1090000000000000000000000001"
OTHER_ITEM = "ca7a1090000000000000000000000002"
AUDIENCE = "api://reregister-servicenow"
TRUSTED_SOURCE = "urn:contoso:soar"
APPROVER, AGENT = people.PATTI, people.PRADEEP
QUEUES = ("mfa-requests", "mfa-results")
METHOD_JSON = TypeAdapter(Method)
LENT_BY_THE_SHELL = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONDONTWRITEBYTECODE", "COVERAGE_PROCESS_START")


def servicenow_seed(tenant: Seed) -> dict[str, Any]:
    """The people of the tenant as ServiceNow knows them, and two catalog items: ours and a laptop."""
    return {
        "users": [
            {
                "user_name": person.user_principal_name,
                "name": person.display_name,
                "email": person.mail or "",
                "sys_id": person.id.replace("-", ""),
            }
            for person in tenant.people
        ],
        "catalog": [
            {"sys_id": CATALOG_ITEM, "name": "Lost or new phone: reset MFA"},
            {"sys_id": OTHER_ITEM, "name": "Standard laptop"},
        ],
    }


@dataclass(frozen=True, slots=True)
class Installation:
    """The folder of the app's `function_app.py` and `host.json`, and a Python that has what they depend on."""

    app: Path
    python: Path


CHECKOUT = Installation(ROOT, Path(PYTHON))


def lent() -> dict[str, str]:
    return {name: os.environ[name] for name in LENT_BY_THE_SHELL if name in os.environ}


class Remote:
    """A simulated service or the app over HTTP: paths are relative to its root, bodies are JSON, a failure is an exception."""

    def __init__(self, session: aiohttp.ClientSession, url: str, **headers: str) -> None:
        self.url = url
        self._session = session
        self._headers = headers

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> aiohttp.ClientResponse:
        response = await self._session.request(method, f"{self.url}{path}", json=body, headers={**self._headers, **headers})
        await response.read()
        return response

    async def get(self, path: str) -> Any:
        return await self._json("GET", path)

    async def post(self, path: str, body: Any) -> Any:
        return await self._json("POST", path, body)

    async def put(self, path: str, body: Any) -> Any:
        return await self._json("PUT", path, body)

    async def patch(self, path: str, body: Any) -> Any:
        return await self._json("PATCH", path, body)

    async def delete(self, path: str) -> Any:
        return await self._json("DELETE", path)

    async def _json(self, method: str, path: str, body: Any = None) -> Any:
        response = await self.call(method, path, body)
        if response.status >= 400:
            raise RuntimeError(f"{method} {self.url}{path}: {response.status} {await response.text()}")
        return await response.json()

    async def log(self, method: str = "", path: str = "") -> list[dict[str, Any]]:
        """The calls that the service has logged, with this method and with this text in their path."""
        return [
            call
            for call in await self.get("/_sim/log")
            if method in ("", call["method"]) and path.lower() in call["path"].lower()
        ]

    async def fault(self, **fault: Any) -> None:
        await self.post("/_sim/faults", [fault])


@dataclass
class Stack:
    """What is running and how to reach it. `settings` is the environment that the app was given.

    `installation` is what the next host runs.

    `told` are the result events that have been taken off their queue, oldest first.
    """

    account: Account
    journal_account: Account
    identity: Remote
    graph: Remote
    servicenow: Remote
    settings: dict[str, str]
    webhook_key: str
    function_key: str
    session: aiohttp.ClientSession
    host_options: tuple[str, ...] = ()
    installation: Installation = CHECKOUT
    on_line: Callable[[str], None] | None = None
    hosts: list[Child] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)
    app: Remote = field(init=False)

    # ---- the app

    async def start_app(self, port: int = 0, **settings: str) -> Child:
        """One more host process with the app; the newest is the one that `app` reaches and ServiceNow calls."""
        child, url = await self.start_host(port, **settings)
        self.app = Remote(self.session, url, **{"x-functions-key": self.function_key})
        await self.servicenow.put("/_sim/webhook", {"url": f"{url}/api/webhooks/servicenow", "key": self.webhook_key})
        return child

    async def start_host(self, port: int = 0, **settings: str) -> tuple[Child, str]:
        """One more host process with the app, of which nobody is told, and its root."""
        child = Child(
            "functions-host",
            [self.installation.python, "-m", "sandbox.functions_host", "--app", self.installation.app, "--port", str(port),
             "--key", self.function_key, *self.host_options],
            env={**lent(), **self.settings, **settings},
            on_line=self.on_line,
        )  # fmt: skip
        self.hosts.append(child)
        hello = await child.ready()
        return child, hello["url"]

    async def stop_app(self, *, kill: bool = False) -> None:
        while self.hosts:
            child = self.hosts.pop()
            await asyncio.to_thread(child.kill if kill else child.stop)

    async def restart_app(self, **settings: str) -> Child:
        """The app with other settings; those given before are kept where they are not given again."""
        await self.stop_app()
        self.settings |= settings
        return await self.start_app()

    async def sweep(self) -> None:
        """The timer that looks for requests left behind has been fired once more, as an administrator may."""
        response = await self.app.call("POST", "/admin/functions/sweep", {})
        assert response.status == 202, response.status

    # ---- people around the product

    async def hire(self, *methods: Method | dict[str, Any], **person: Any) -> str:
        """A new employee in Entra and ServiceNow with these methods (as such or as JSON); their user principal name."""
        identity = str(uuid.uuid4())
        name = f"test.{identity[:8]}@{people.DOMAIN}"
        given = {"givenName": "Test", "surname": identity[:8], "displayName": f"Test {identity[:8]}", **person}
        registered = [
            METHOD_JSON.dump_python(method, mode="json", by_alias=True) if isinstance(method, Method) else method
            for method in methods
        ]
        await self.graph.post("/_sim/users", {"id": identity, "userPrincipalName": name, "methods": registered, **given})
        await self.servicenow.post(
            "/_sim/users", {"user_name": name, "name": given["displayName"], "sys_id": identity.replace("-", "")}
        )
        return name

    async def open_ticket(
        self, subject: str, *, opened_by: str = AGENT, item: str = CATALOG_ITEM, **values: Any
    ) -> dict[str, Any]:
        ticket: dict[str, Any] = await self.servicenow.post(
            "/_sim/tickets", {"requested_for": subject, "opened_by": opened_by, "cat_item": item, **values}
        )
        return ticket

    async def approve(self, ticket: Mapping[str, Any], approver: str = APPROVER) -> None:
        """Approved by somebody; the instance's rule then calls our webhook."""
        await self.servicenow.post("/_sim/approve", {"ticket": ticket["number"], "approver": approver})

    async def answers(self, ticket: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What the app has answered to ServiceNow's deliveries for this ticket so far: `{status, body, ...}`, oldest first."""
        return [
            answer
            for delivery in await self.servicenow.get("/_sim/deliveries")
            if delivery["ticket"]["sys_id"] == ticket["sys_id"]
            for answer in delivery["attempts"]
        ]

    async def send(self, message: Mapping[str, Any] | str) -> None:
        """A message on the requests queue, as other automation would put it there."""
        async with self.queue("mfa-requests") as queue:
            await queue.send_message(message if isinstance(message, str) else json.dumps(message))

    async def send_request(self, subject: str, *, source: str = TRUSTED_SOURCE, **data: Any) -> dict[str, Any]:
        """A well-formed CloudEvent for a subject; the event as sent."""
        event = cloud_event({"subject": subject, **data}, source=source)
        await self.send(event)
        return event

    @contextlib.asynccontextmanager
    async def queue(self, name: str) -> AsyncIterator[QueueClient]:
        async with QueueServiceClient.from_connection_string(self.account.connection_string) as service:
            yield service.get_queue_client(
                name, message_encode_policy=TextBase64EncodePolicy(), message_decode_policy=TextBase64DecodePolicy()
            )

    async def results(self) -> list[dict[str, Any]]:
        """The latest result events, which stay on their queue."""
        async with self.queue("mfa-results") as queue:
            return [json.loads(message.content) for message in await queue.peek_messages(max_messages=32)]

    async def take_results(self) -> list[dict[str, Any]]:
        """All result events, taken off their queue; `told` has them too."""
        taken = []
        async with self.queue("mfa-results") as queue:
            async for message in queue.receive_messages(messages_per_page=32, visibility_timeout=60):
                taken.append(json.loads(message.content))
                await queue.delete_message(message)
                self.told.append(taken[-1])
        return taken

    async def status(self, request_id: str) -> dict[str, Any]:
        status: dict[str, Any] = await self.app.get(f"/api/requests/{request_id}")
        return status

    async def ended(self, request_id: str, *, attempt: int = 1, told: bool = True, within: float = 30) -> dict[str, Any]:
        """The status of a request once its attempt has ended (and, if `told`, has delivered what it owes)."""
        async with asyncio.timeout(within):
            while True:
                response = await self.app.call("GET", f"/api/requests/{request_id}")
                if response.status == 200:
                    status: dict[str, Any] = await response.json()
                    names = {step["name"] for step in status["steps"]}
                    if status["attempt"] >= attempt and "outcome" in status and (not told or "result-published" in names):
                        return status
                await asyncio.sleep(0.05)

    async def page(self, ticket: Mapping[str, Any]) -> str:
        """The ticket as the help desk sees it."""
        text: str = (await self.servicenow.get(f"/_sim/ticket?ticket={ticket['number']}"))["text"]
        return text

    async def person(self, user: str) -> dict[str, Any]:
        """The truth about a user in the simulated directory."""
        path = user.replace("#", "%23")
        person: dict[str, Any] = await self.graph.get(f"/_sim/users/{path}")
        return person

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.shield(self.stop_app(kill=sys.exc_info()[0] is not None))


def cloud_event(data: Mapping[str, Any], *, source: str = TRUSTED_SOURCE, **attributes: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": source,
        "type": "mfa.reregistration.requested",
        "time": _now(),
        "datacontenttype": "application/json",
        "data": dict(data),
        **attributes,
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


@contextlib.asynccontextmanager
async def stack(
    *,
    app: bool = True,
    port: int = 0,
    on_line: Callable[[str], None] | None = None,
    host_options: tuple[str, ...] = (),
    installation: Installation = CHECKOUT,
    storage_log: Callable[[str], None] | None = None,
    graph_audience: str | None = None,
    **settings: str,
) -> AsyncIterator[Stack]:
    """Everything up and ready, with the app unless `app` is false; nothing of it is left afterwards.

    The app is this checkout's, unless `installation` is another. `storage_log` is given each line of Azurite's access log.
    `graph_audience` is the one of Graph's tokens, where that is not its own root.

    Enforces by default, with full reset allowed: the sandbox is for seeing things happen.
    """
    tenant = people.contoso()
    header, key = secrets.token_hex(16), secrets.token_hex(32)
    webhook_key = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    shared = {**lent(), KEY_SETTING: key, "IDENTITY_HEADER": header}
    children: list[Child] = []
    async with contextlib.AsyncExitStack() as resources:
        directory = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="reregister-")))
        (directory / "graph.json").write_text(tenant.to_json())
        (directory / "servicenow.json").write_text(json.dumps(servicenow_seed(tenant)))

        def start(name: str, *options: str | Path) -> Child:
            child = Child(name, [PYTHON, "-m", f"sandbox.{name}", "--port", "0", *options], env=shared)
            children.append(child)
            resources.callback(child.kill)
            return child

        start("identity")
        start("graph", "--seed", directory / "graph.json", *(["--audience", graph_audience] if graph_audience else []))
        start("servicenow", "--seed", directory / "servicenow.json", "--audience", AUDIENCE)
        accounts = await resources.enter_async_context(azurite(accounts=2, access_log=storage_log))
        session = await resources.enter_async_context(aiohttp.ClientSession())
        identity, graph, servicenow = [Remote(session, (await child.ready())["url"]) for child in children]
        made = Stack(
            account=accounts[0],
            journal_account=accounts[1],
            identity=identity,
            graph=graph,
            servicenow=servicenow,
            settings={
                "MODE": "enforce",
                "GRAPH_ENDPOINT": graph.url,
                "AzureWebJobsStorage": accounts[0].connection_string,
                "JOURNAL_CONNECTION": "JournalStorage",
                "JournalStorage": accounts[1].connection_string,
                "IDENTITY_ENDPOINT": f"{identity.url}/msi/token",
                "IDENTITY_HEADER": header,
                "WEBHOOK_KEYS": webhook_key,
                "ALLOWED_PROFILES": "require-reregister full-reset",
                "TRUSTED_SOURCES": TRUSTED_SOURCE,
                "SERVICENOW_URL": servicenow.url,
                "SERVICENOW_AUDIENCE": AUDIENCE,
                "SERVICENOW_CATALOG_ITEMS": CATALOG_ITEM,
                "ACTOR_HOURLY_LIMIT": "999",  # one agent opens and one manager approves all of the sandbox's tickets
                "BREAKER_LIMIT": "999",
                **settings,
            },
            webhook_key=webhook_key,
            function_key=secrets.token_hex(24),
            session=session,
            host_options=host_options,
            installation=installation,
            on_line=on_line,
        )
        for endpoint in (graph.url, servicenow.url, identity.url, *accounts[0].endpoints.values()):
            assert urlsplit(endpoint).hostname == "127.0.0.1", endpoint
        await _infrastructure(made)
        async with made:
            if app:
                await made.start_app(port)
            yield made


async def _infrastructure(made: Stack) -> None:
    """What Bicep makes in Azure: the queues. The app makes its table itself."""
    for name in QUEUES:
        async with made.queue(name) as queue:
            with contextlib.suppress(ResourceExistsError):
                await queue.create_queue()
