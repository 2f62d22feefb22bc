"""What goes on while requests are under way: services go down in turn, hosts are killed, events and messages come again.

The harness itself calls nobody through the gates.
"""

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from random import Random
from typing import Any

import aiohttp

from sandbox.chaos.evidence import Answer, Json, Registered
from sandbox.chaos.faults import SERVICES, Weather
from sandbox.chaos.gate import Asked, Gate
from sandbox.chaos.tempo import Tempo
from sandbox.processes import Child
from sandbox.stack import QUEUES, Remote, Stack

SIGNED_FOR = 240  # seconds, with room for the clocks


def _signed_lately(asked: Asked) -> bool:
    return time.time() - int(asked.headers["webhook-timestamp"]) < SIGNED_FOR


@dataclass
class Host:
    """A place for a host process, whose clock is `skew` seconds ahead; `app` is None while it is down."""

    environment: dict[str, str]
    skew: float
    child: Child | None = None
    app: Remote | None = None


@dataclass
class Storm:
    """Rages within `raging()`; counts what it did, and keeps what the webhook answered and who registered what."""

    stack: Stack
    weather: Weather
    tempo: Tempo
    hosts: tuple[Host, ...]
    webhook: Gate
    kills: int = 0
    outages: int = 0
    copies: Counter[str] = field(default_factory=Counter)
    answers: list[Answer] = field(default_factory=list)
    registered: list[Registered] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.webhook.heard = self.heard
        self._delivered: list[Asked] = []
        self._requests: dict[str, asyncio.Future[str]] = {}
        self._newcomers: set[asyncio.Task[None]] = set()

    def random(self, what: str) -> Random:
        return Random(f"{self.weather.seed}/{what}")

    # ---- what is heard

    def heard(self, asked: Asked, status: int, body: bytes) -> None:
        """An answer of the webhook; the event may come again."""
        ticket = json.loads(asked.body)["data"]["sys_id"]
        told = json.loads(body) if status in (200, 202) else {}
        self.answers.append(Answer(ticket, status, told.get("id")))
        self._delivered.append(asked)
        if told and not (request := self.request_of(ticket)).done():
            request.set_result(told["id"])

    def request_of(self, ticket: str) -> asyncio.Future[str]:
        """The id of the request, once the app has taken in an event for the ticket."""
        return self._requests.setdefault(ticket, asyncio.get_running_loop().create_future())

    # ---- hosts

    async def start(self, host: Host) -> None:
        host.child, url = await self.stack.start_host(0, **host.environment)
        host.app = Remote(self.stack.session, url, **{"x-functions-key": self.stack.function_key})
        self._show_hosts()

    async def kill(self, host: Host) -> None:
        child, host.child, host.app = host.child, None, None
        self._show_hosts()
        assert child is not None
        self.stack.hosts.remove(child)
        await asyncio.to_thread(child.kill)

    def any_host(self) -> Remote:
        """A host that is up; there always is one while the other is being started."""
        return next(host.app for host in self.hosts if host.app is not None)

    def _show_hosts(self) -> None:
        self.webhook.upstream = [host.app.url for host in self.hosts if host.app is not None]

    async def sweep(self) -> None:
        """The timer is fired on every host that is up: its fifteen seconds are long."""
        for host in self.hosts:
            if host.app is not None:
                with contextlib.suppress(OSError, aiohttp.ClientError):
                    await host.app.call("POST", "/admin/functions/sweep", {})

    # ---- what goes wrong

    @contextlib.asynccontextmanager
    async def raging(self) -> AsyncIterator[None]:
        """Within, all of it happens; afterwards the weather is calm and both hosts are up."""
        tasks = [asyncio.create_task(part) for part in (self._outages(), self._kills(), self._copies_of_events(), self._copies())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            self.weather.calm, self.weather.down = True, None
        for failed in ended:
            if isinstance(failed, Exception):
                raise failed
        await self._both_up()

    async def _both_up(self) -> None:
        """Also where the storm ended while a host was being started."""
        for stray in [child for child in self.stack.hosts if child not in [host.child for host in self.hosts]]:
            self.stack.hosts.remove(stray)
            await asyncio.to_thread(stray.kill)
        for host in self.hosts:
            if host.app is None:
                await self.start(host)

    async def _outages(self) -> None:
        """Each service is down for a while, in turn."""
        random, tempo = self.random("outages"), self.tempo
        while True:
            for service in random.sample(SERVICES, len(SERVICES)):
                await asyncio.sleep(random.uniform(*tempo.pause))
                self.weather.down = service
                self.outages += 1
                await asyncio.sleep(random.uniform(*tempo.outage))
                self.weather.down = None

    async def _kills(self) -> None:
        """One host at a time dies without warning and comes back."""
        random, tempo = self.random("kills"), self.tempo
        while True:
            await asyncio.sleep(random.uniform(*tempo.killed_every))
            host = random.choice(self.hosts)
            if host.app is None:
                continue
            await self.kill(host)
            self.kills += 1
            await asyncio.sleep(random.uniform(*tempo.back_after))
            await self.start(host)

    async def _copies_of_events(self) -> None:
        """An event that was delivered lately is delivered again, as it was: its signature holds for five minutes."""
        random = self.random("events")
        while True:
            await asyncio.sleep(random.uniform(*self.tempo.copied_every))
            self._delivered = [asked for asked in self._delivered if _signed_lately(asked)]
            if not (self._delivered and self.webhook.upstream):
                continue
            if await self.webhook.repeat(random.choice(self._delivered)):
                self.copies["webhook events"] += 1

    async def _copies(self) -> None:
        """A message that waits on the requests queue is there once more, and comes sooner or later than it would."""
        random = self.random("messages")
        async with self.stack.queue(QUEUES[0]) as queue:
            while True:
                await asyncio.sleep(random.uniform(*self.tempo.copied_every))
                if waiting := await queue.peek_messages(max_messages=32):
                    copied = random.choice(waiting)
                    await queue.send_message(copied.content, visibility_timeout=random.choice((0, 0, 1, 5)))
                    self.copies["queue messages"] += 1

    # ---- people who register something meanwhile

    def expect(self, ticket: str, subject: str, method: Json, after: float) -> None:
        """Once the app has taken in the event for this ticket, and `after` seconds later, the subject registers the method.

        A number that they have is registered again once the app says that it is gone.
        """
        task = asyncio.create_task(self._register(ticket, subject, method, after))
        self._newcomers.add(task)

    async def _register(self, ticket: str, subject: str, method: Json, after: float) -> None:
        request_id = await self.request_of(ticket)
        await asyncio.sleep(after)
        had = (await self.stack.person(subject))["methods"]
        if any((one["type"], one["id"]) == (method["type"], method["id"]) for one in had):
            while not await self._said_to_be_removed(request_id, method):
                await asyncio.sleep(0.2)
        registered = await self.stack.graph.post(f"/_sim/users/{subject}/methods", method)
        self.registered.append(Registered(subject, registered))

    async def _said_to_be_removed(self, request_id: str, method: Json) -> bool:
        with contextlib.suppress(OSError, aiohttp.ClientError):
            response = await self.any_host().call("GET", f"/api/requests/{request_id}")
            removed = (await response.json())["removed"] if response.status == 200 else []
            return {"type": method["type"], "id": method["id"]} in removed
        return False

    async def all_registered(self) -> None:
        await asyncio.gather(*self._newcomers)


async def every(seconds: float, do: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """For ever, whatever each time comes of it."""
    while True:
        started = time.monotonic()
        await do()
        await asyncio.sleep(max(0.1, seconds - (time.monotonic() - started)))
