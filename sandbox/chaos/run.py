"""People are hired, requests made and kept in flight through the storm, their ends awaited, and all that is seen gathered."""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob.aio import ContainerClient

from sandbox.chaos.evidence import Evidence, Json, Made
from sandbox.chaos.plan import Demand, Employee, Kind
from sandbox.chaos.storm import Storm, every
from sandbox.chaos.tempo import Tempo
from sandbox.stack import METHOD_JSON, Stack, cloud_event

RECEIPTS = "reregister-receipts"
MARGIN = 0.2  # seconds
SWEEP_EVERY = 3.0  # seconds
SPREAD = 0.6  # of the storm's least time, in which the requests are made
MOST = 0.95  # of the requests end in the storm, if there is time
CLIENTS = 16


class Run:
    """People are hired, demands made and their ends awaited; `took` is how many seconds each demand took, by its key."""

    def __init__(self, up: Stack, storm: Storm, tempo: Tempo, say: Callable[[str], None]) -> None:
        self._up, self._storm, self._tempo, self._say = up, storm, tempo, say
        self._people: dict[int, Json] = {}  # as they were hired, by number
        self._asked_at: dict[str, float] = {}
        self._read = 0
        self._noted: dict[str, str] = {}
        self.made: list[Made] = []
        self.took: dict[str, float] = {}
        self.settling = 0.0

    # ---- people and their demands

    async def hire(self, employees: Iterable[Employee]) -> None:
        async def one(employee: Employee) -> None:
            name = await self._up.hire(*employee.methods, **employee.traits)
            if employee.kind is Kind.ADMINISTRATOR:
                await self._up.graph.post("/_sim/roles", {"principal": name, "role": "User Administrator"})
            self._people[employee.number] = await self._up.person(name)

        await _all(one(employee) for employee in employees)

    async def _ask(self, demand: Demand) -> None:
        person = self._people[demand.employee.number]
        key = await (self._open(demand, person) if demand.by == "ticket" else self._send(demand, person))
        self._asked_at[key] = time.monotonic()
        self.made.append(Made(demand.number, demand.employee.kind, demand.by, key, person["id"], demand.profile))

    async def _open(self, demand: Demand, person: Json) -> str:
        ticket = await self._up.open_ticket(person["userPrincipalName"])
        if method := demand.employee.registers:
            after = max(0, *(host.skew for host in self._storm.hosts)) + MARGIN + demand.employee.registers_after
            registered = METHOD_JSON.dump_python(method, mode="json", by_alias=True, exclude={"created"})
            self._storm.expect(ticket["sys_id"], person["id"], registered, after)
        if demand.employee.kind is Kind.UNAPPROVED:
            await self._up.servicenow.post("/_sim/send", {"ticket": ticket["number"]})
        else:
            await self._up.approve(ticket)
        sys_id: str = ticket["sys_id"]
        return sys_id

    async def _send(self, demand: Demand, person: Json) -> str:
        data = {"subject": person["userPrincipalName"], "profile": demand.profile}
        async with self._up.queue("mfa-requests") as queue:
            await queue.send_message(json.dumps(cloud_event(data, id=demand.event_id)), visibility_timeout=demand.delay)
        return demand.event_id

    # ---- through the storm, and until all is told

    async def through(self, demands: Sequence[Demand]) -> bool:
        """Whether all demands ended and told so, in time."""
        sweeping = asyncio.create_task(every(SWEEP_EVERY, self._storm.sweep))
        try:
            async with self._storm.raging():
                await self._release(demands)
            calm = time.monotonic()
            self._say("The weather is calm now; what is under way may settle.")
            settled = await self._settled()
            self.settling = time.monotonic() - calm
        finally:
            sweeping.cancel()
            await asyncio.gather(sweeping, return_exceptions=True)
        return settled

    async def _release(self, demands: Sequence[Demand]) -> None:
        """All demands are made, never more than so many at once, and most have ended; every service has been down."""
        tempo, started = self._tempo, time.monotonic()
        apart = tempo.at_least * SPREAD / len(demands)
        told = 0
        for number, demand in enumerate(demands):
            while number - len(self.took) >= tempo.in_flight or time.monotonic() - started < number * apart:
                await asyncio.sleep(0.1)
                await self._look()
            await self._ask(demand)
            if number * 10 // len(demands) > told:
                told = number * 10 // len(demands)
                self._say(f"{number} of {len(demands)} requests made, {len(self.took)} ended")
        last = time.monotonic()
        while time.monotonic() - started < tempo.at_least or (
            len(self.took) < len(demands) * MOST and time.monotonic() - last < tempo.last_ones
        ):
            await asyncio.sleep(0.2)
            await self._look()

    async def _look(self) -> None:
        """Results that have come are taken off their queue."""
        await self._up.take_results()
        now = time.monotonic()
        for result in self._up.told[self._read :]:
            data = result["data"]
            if "outcome" in data:
                key = data["ticket"]["sysId"] if "ticket" in data else data["cause"]["id"]
                if key in self._asked_at:
                    self.took.setdefault(key, now - self._asked_at[key])
        self._read = len(self._up.told)

    async def _settled(self) -> bool:
        """Every demand has its result and its note, and no message is left that could bring another."""
        try:
            async with asyncio.timeout(self._tempo.settled_within):
                await self._storm.all_registered()
                while not await self._all_told():
                    await asyncio.sleep(0.3)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.5 * self._tempo.host_lease):
                    while await self._messages_left():
                        await asyncio.sleep(0.3)
        except TimeoutError:
            return False
        await self._look()
        return True

    async def _all_told(self) -> bool:
        await self._look()
        tickets = [made.key for made in self.made if made.by == "ticket" and made.key not in self._noted]

        async def look(ticket: str) -> None:
            page = (await self._up.servicenow.get(f"/_sim/ticket?ticket={ticket}"))["text"]
            if " outcome]" in page:
                self._noted[ticket] = page

        await _all(look(ticket) for ticket in tickets)
        noted = all(made.key in self._noted for made in self.made if made.by == "ticket")
        return noted and len(self.took) == len(self.made)

    async def _messages_left(self) -> int:
        async with self._up.queue("mfa-requests") as queue:
            return (await queue.get_queue_properties()).approximate_message_count or 0

    # ---- what is seen

    async def evidence(self) -> Evidence:
        seen = Evidence(made=self.made, registered=self._storm.registered, answers=self._storm.answers, results=self._up.told)
        seen.before = {person["id"]: person for person in self._people.values()}
        seen.after = {person["id"]: person for person in await self._up.graph.get("/_sim/users")}
        seen.writes = [call for call in await self._up.graph.log() if call["write"]]

        async def page(ticket: str) -> None:
            seen.pages[ticket] = (await self._up.servicenow.get(f"/_sim/ticket?ticket={ticket}"))["text"]

        async def status(request_id: str) -> None:
            response = await self._storm.any_host().call("GET", f"/api/requests/{request_id}")
            if response.status == 200:
                seen.statuses[request_id] = await response.json()

        async with ContainerClient.from_connection_string(self._up.journal_account.connection_string, RECEIPTS) as container:

            async def receipt(request_id: str) -> None:
                with contextlib.suppress(ResourceNotFoundError):
                    blob = await container.download_blob(f"{request_id}.jsonl")
                    seen.receipts[request_id] = await blob.readall()

            await _all(receipt(request_id) for made in self.made for request_id in seen.request_ids(made))
        await _all(page(made.key) for made in self.made if made.by == "ticket")
        await _all(status(request_id) for made in self.made for request_id in seen.request_ids(made))
        return seen


async def _all(parts: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Everything is done, a few at a time."""
    few = asyncio.Semaphore(CLIENTS)

    async def one(part: Coroutine[Any, Any, None]) -> None:
        async with few:
            await part

    await asyncio.gather(*(one(part) for part in parts))
