"""Whatever happens, in whatever order: many workers at once, each with a clock of its own, and all that can go wrong around them.

Senders repeat, copies come back, workers die in the middle of a call or are cut off from storage, services are down and slow, the
approval is withdrawn, the person registers anew, switches are turned. What must hold is looked at as each call takes effect; then
everything comes back, and when all is quiet nothing may be lost, nothing have happened twice, nothing be claimed that is not so.

CONTRIBUTING.md says how to look for longer than `make check` does.
"""

import asyncio
import contextlib
import functools
import json
import math
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sandbox.people import ADELE, CHRISTIE, ISAIAH, Method
from shared import identity, intake, journal
from shared.admission import ATTEMPTS_PER_DAY
from shared.app import App, Unready
from shared.model import Mode, Outcome, Reason, SwitchName, WaitingFor
from shared.plan import MOBILE, PARITY
from shared.ports import Unavailable
from shared.record import Record
from tests.calls import Calls, Endless, Killed
from tests.fakes import FakeClock, FakeTicket, Message
from tests.unit import build
from tests.unit.world import World
from tests.virtual_time import VirtualTimeLoop

THOROUGHNESS = float(os.environ.get("THOROUGHNESS", "1"))
LIFE = timedelta(days=5)  # what was begun is carried on for seven days, and nothing here lasts so long
LEASE = timedelta(seconds=30)
MOST_CALLS = 10_000  # of all processes in one story; it needs a few hundred, or thousands when nothing works for days
SLOWEST = 15  # seconds; a call that is under way when its worker dies is over before the lease is
SECOND = replace(build.REF, sys_id="f" * 32, number="RITM0010002")
TICKETS = {build.REF.sys_id: ADELE, SECOND.sys_id: CHRISTIE}
PEOPLE = (ADELE, CHRISTIE, ISAIAH)
STORAGE = ("journal", "queue", "ledger", "control", "receipts")
CALLS = {
    WaitingFor.STORAGE: (
        *("journal.find", "journal.commit", "journal.due", "queue.put", "queue.publish"),
        *("control.read", "ledger.read", "ledger.commit", "receipts.read", "receipts.append"),
    ),
    WaitingFor.TICKET_SYSTEM: ("desk.read", "desk.write"),
    WaitingFor.GRAPH: (
        *("directory.person", "directory.standing", "directory.inventory", "directory.lacking"),
        *("directory.remove", "directory.revoke_sessions", "directory.methods"),
    ),
}


# ---- processes


class Struck(Enum):
    """What a process may meet: death before the effect of the call that it is in, or after it; no way to storage (and back)."""

    DEAD, DEAD_AFTER, CUT_OFF = range(3)


@dataclass(eq=False)
class Process:
    """A worker process: how far its clock is off, and what strikes it at the `calls`-th call named `at`.

    `lands`: the call that it dies in takes effect. `approved`: whether each ticket was when it was last read; `listed`: how
    much of a person's had been removed when their methods were last listed.
    """

    skew: timedelta = timedelta()
    at: str = ""
    calls: int = 0
    how: Struck = Struck.DEAD
    lands: bool = False
    dead: bool = False
    cut_off: bool = False
    worker: str = ""
    approved: dict[str, bool] = field(default_factory=dict)
    listed: dict[str, int] = field(default_factory=dict)

    def live(self) -> None:
        if self.dead:
            raise Killed

    def struck(self, how: Struck) -> None:
        match how:
            case Struck.DEAD | Struck.DEAD_AFTER:
                self.dead, self.lands = True, how is Struck.DEAD_AFTER
            case Struck.CUT_OFF:
                self.cut_off = not self.cut_off

    def call(self, name: str) -> None:
        self.live()
        if name == self.at:
            self.calls -= 1
            if self.calls == 0:
                self.struck(self.how)

    def reach(self, name: str) -> None:
        if self.dead and not self.lands:
            raise Killed
        if self.cut_off and name.startswith(STORAGE):
            raise Unavailable(WaitingFor.STORAGE, "not from here")


_PROCESS: ContextVar[Process] = ContextVar("process")
_ANYBODY = Process()


def _process() -> Process:
    """The process that is being worked in; outside of one, one that nothing ever happens to."""
    return _PROCESS.get(_ANYBODY)


type Hears = Callable[[str, tuple[Any, ...]], None]


class Traffic(Calls):
    """The calls of many processes, which die one by one. `arrivals` hear of a call just before its effect, `effects` after it."""

    def __init__(self) -> None:
        super().__init__(most=MOST_CALLS)
        self.arrivals: list[Hears] = []
        self.effects: list[Hears] = []
        self.mistakes: list[Exception] = []

    @contextlib.asynccontextmanager
    async def __call__(self, name: str, *arguments: Any) -> AsyncIterator[None]:
        process = _process()
        process.call(name)
        async with super().__call__(name, *arguments):
            process.reach(name)
            self._tell(self.arrivals, name, arguments)
            yield
            self._tell(self.effects, name, arguments)
        process.live()

    def _tell(self, hearers: list[Hears], name: str, arguments: tuple[Any, ...]) -> None:
        """Who listens cannot be heard by the app, which would make the best of their mistakes."""
        for hear in hearers:
            try:
                hear(name, arguments)
            except Exception as error:  # noqa: BLE001 raised when the step is over
                self.mistakes.append(error)


@dataclass(frozen=True)
class WrongClock:
    """The clock of a process, which is some seconds off."""

    right: FakeClock
    skew: timedelta

    def now(self) -> datetime:
        return self.right.now() + self.skew

    async def sleep(self, seconds: float) -> None:
        await self.right.sleep(seconds)


# ---- the world, and what must hold in it


class Town(World):
    """Two tickets, for Adele and Christie, and a message about Isaiah; as many processes as it takes."""

    def __init__(self) -> None:
        self.traffic = Traffic()
        super().__init__(self.traffic)
        self.configure(CLAIM_LEASE=f"PT{LEASE.seconds}S", GIVE_UP_AFTER="PT30M")
        self.processes: dict[Process, asyncio.Task[Any]] = {}
        self.next_processes: list[Process] = []
        self.workers: list[asyncio.Task[None]] = []
        self.senders: list[asyncio.Task[None]] = []
        self.sent: dict[str, str] = {}
        self.asked: dict[str, datetime] = {}
        self.approved_since: dict[str, datetime] = dict.fromkeys(TICKETS, self.start)
        self.taken_in: set[str] = set()
        self.texts: dict[str, None] = {}
        self.known: dict[str, Record] = {}
        second = "6" * 32
        self.desk.people[second] = CHRISTIE
        self.desk.tickets[SECOND.sys_id] = FakeTicket(
            SECOND, build.CATALOG_ITEM, second, build.OPENER, approvals=[build.approval()]
        )
        for upn in PEOPLE:
            self.tenant.update(upn, default_method=None)  # a default that must not go first is another story
        self.traffic.arrivals.append(self._arrived)
        self.traffic.effects.append(self._took_effect)

    # ---- who is there

    def app(self) -> App:
        process = _process()
        app = replace(super().app(), clock=WrongClock(self.clock, process.skew))
        process.worker = app.worker
        return app

    def begin[T](self, work: Coroutine[Any, Any, T], process: Process) -> asyncio.Task[T]:
        """A process of its own does this from now on."""
        context = copy_context()
        context.run(_PROCESS.set, process)
        self.processes[process] = task = asyncio.get_running_loop().create_task(work, context=context)
        task.add_done_callback(lambda _: self.processes.pop(process))
        return task

    @property
    def alive(self) -> list[Process]:
        return [process for process in self.processes if not process.dead]

    async def handle(self, message: Message, app: App | Unready | None = None) -> None:
        """What the host puts aside after five tries is another story."""
        message.dequeued = 0
        self.texts[message.text] = None
        await self.begin(super().handle(message, app), self._next_process())

    async def sweep(self) -> int:
        return await self.begin(super().sweep(), self._next_process())

    def _next_process(self) -> Process:
        return self.next_processes.pop(0) if self.next_processes else Process()

    # ---- what comes in

    def ask(self, event_id: str, sys_id: str, process: Process) -> None:
        """Something has happened to a ticket, and its system says so until it is answered."""
        self.asked[sys_id] = self.clock.now()
        self.sent[event_id] = sys_id
        self._send(event_id, sys_id, process)

    def _send(self, event_id: str, sys_id: str, process: Process) -> None:
        ref = self.desk.tickets[sys_id].ref

        async def send() -> None:
            receiver = process
            while True:
                with contextlib.suppress(Killed):
                    answer = await self.begin(self.webhook(event_id, sys_id=ref.sys_id, number=ref.number), receiver)
                    if answer.status < 300:
                        self.taken_in.add(answer.body["id"])
                    if answer.status < 500:
                        return
                receiver = Process()
                await self.clock.pass_by(seconds=60)

        self.senders.append(asyncio.get_running_loop().create_task(send()))

    def put(self, event_id: str, sys_id: str | None) -> None:
        """Other automation names a ticket, or Isaiah."""
        if sys_id is None:
            message = self.message("isaiah", subject=ISAIAH)
        else:
            ref = self.desk.tickets[sys_id].ref
            self.asked[sys_id] = self.clock.now()
            ticket = {"system": ref.system, "table": ref.table, "sysId": ref.sys_id, "number": ref.number}
            message = self.message(event_id, ticket=ticket)
        self.taken_in.add(identity.request_id(intake.message_event(message.text).event))

    def again(self, which: int, process: Process) -> None:
        """The ticket system sends once more what it has sent before."""
        sent = list(self.sent.items())
        event_id, sys_id = sent[which % len(sent)]
        self._send(event_id, sys_id, process)

    async def near_the_end_of_a_lease(self, which: int, after: timedelta, process: Process) -> None:
        """Time passes until somebody's lease ends, or nearly; then another worker comes by."""
        leased = [record for record in self.records if record.lease and record.message]
        if not leased:
            return
        record = leased[which % len(leased)]
        assert record.lease is not None
        assert record.message is not None
        await self.clock.pass_by(seconds=max((record.lease.until + after - self.clock.now()).total_seconds(), 0))
        self.take(self.queue.insert(record.message), process)

    def take(self, message: Message, process: Process) -> None:
        """A worker begins with the message, and nobody else sees it from now on."""
        message.visible_at = self.clock.now() + LIFE
        self.next_processes.insert(0, process)
        self.workers.append(asyncio.get_running_loop().create_task(self.handle(message)))

    # ---- how things are

    def outage(self, service: WaitingFor, retry_after: timedelta | None, after: bool) -> None:
        for call in CALLS[service]:
            self.calls.fail(call, Unavailable(service, "down", retry_after), times=None, after=after)

    def recover(self, service: WaitingFor) -> None:
        self.calls.faults = [fault for fault in self.calls.faults if fault.call not in CALLS[service]]

    def turn_approval(self, sys_id: str) -> None:
        ticket = self.desk.tickets[sys_id]
        ticket.approval = "requested" if ticket.approval == "approved" else "approved"
        self.approved_since.pop(sys_id, None)
        if ticket.approval == "approved":
            self.approved_since[sys_id] = self.clock.now()

    def register(self, upn: str, kind: str) -> None:
        """The person registers something; a number that is gone comes back under the same id."""
        if kind == "phone" and self.tenant.account(upn).method("phone", MOBILE):
            return
        self.tenant.register(upn, Method(type=kind, created=self.clock.now(), created_shown="value"))

    def turn_pause(self) -> None:
        pause = self.control.switches().pause
        self.control.put(SwitchName.PAUSE, build.switch(on=not (pause and pause.on), at=self.clock.now()))

    def resume(self) -> None:
        pause = self.control.switches().pause
        if pause and pause.on:
            self.turn_pause()

    # ---- what must hold as a call takes effect

    def wrong(self, why: str) -> None:
        self.violations.append(f"{why} at call {len(self.calls.log)}")

    def _took_effect(self, name: str, arguments: tuple[Any, ...]) -> None:
        process = _process()
        match name, arguments:
            case "desk.read", (ref,):
                process.approved[ref.sys_id] = self.desk.tickets[ref.sys_id].approval == "approved"
            case "directory.inventory" | "directory.methods", (person_id,):
                process.listed[person_id] = len(self.tenant.account(person_id).removals)
            case "journal.commit", (record, *_):
                self._committed(process, record)

    def _arrived(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name != "directory.remove":
            return
        person_id, removal = arguments
        method = self.tenant.account(person_id).method(removal.method.type, removal.method.id)
        records = [record for record in self.known.values() if record.pins.subject_id == person_id]
        if method and any(_registered_since(method.created, record) for record in records):
            self.wrong(f"a {method.type} goes that was registered since")

    def _committed(self, process: Process, record: Record) -> None:
        old = self.known.get(record.id)
        self.known[record.id] = record
        try:
            journal.check(record)
        except journal.IllegalRecord as error:
            self.wrong(str(error))
        if old and old.lease and record.lease and old.lease.owner != record.lease.owner:
            for other in self.alive:
                holds = old.lease.owner.startswith(f"{other.worker}/") and self.clock.now() + other.skew < old.lease.until
                if holds and other is not process:
                    self.wrong("a lease was taken from who still holds it")
        began = record.removal_begun and not (old and old.attempt == record.attempt and old.removal_begun)
        if began and record.ticket and not process.approved.get(record.ticket.sys_id):
            self.wrong("a removal began that was not approved when it was last looked at")
        if record.outcome is Outcome.DONE and record.mode is Mode.ENFORCE and (old is None or old.is_open):
            for why in self._not_so(process, record):
                self.wrong(f"done, but {why}")

    def _not_so(self, process: Process, record: Record) -> Iterator[str]:
        assert record.pins.subject_id is not None
        account = self.tenant.account(record.pins.subject_id)
        if left := [method.type for method in account.methods if _should_be_gone(method, record)]:
            yield f"{left} are there"
        if process.listed.get(record.pins.subject_id) != len(account.removals):
            yield "nobody has looked"
        went = [datetime.fromisoformat(removal["at"]) for removal in account.removals]
        if max(account.revocations, default=self.start) < max(went, default=self.start):
            yield "sessions are not revoked"

    # ---- what must hold in the end

    def not_so(self) -> Iterator[str]:
        """What is wrong, now that everything is quiet."""
        if self.queue.messages or self.queue.aside:
            yield f"left on the queues: {self.queue.messages} {self.queue.aside}"
        records = {record.id: record for record in self.records}
        if lost := self.taken_in - records.keys():
            yield f"{lost} were taken in and lost"
        for record in records.values():
            yield from self._unfinished(record)
        told = {event["id"]: event for event in self.queue.results}
        if any(told[event["id"]] != event for event in self.queue.results):
            yield "one event said two things"

    def _unfinished(self, record: Record) -> Iterator[str]:
        if record.is_open or record.owed or record.lease:
            yield f"{record.id} is {record.status}, owes {[one.kind for one in record.owed]}"
        if record.removals and record.outcome is not Outcome.DONE:
            yield f"half stripped: {record.reasons}"
        if record.ticket and Reason.TICKET_NOT_APPROVED in record.reasons:
            asked, since = self.asked[record.ticket.sys_id], self.approved_since.get(record.ticket.sys_id)
            if since and since < asked and len(record.attempts_opened) < ATTEMPTS_PER_DAY:
                yield f"approved at {since}, asked for at {asked}, and refused for want of approval"
        for attempt in range(1, record.attempt + 1):
            yield from self._untold(record, attempt)

    def _untold(self, record: Record, attempt: int) -> Iterator[str]:
        told = [event["data"] for event in self.results if event["data"]["requestId"] == record.id]
        mine = {json.dumps(data, sort_keys=True) for data in told if data["attempt"] == attempt}
        if len(mine) != 1:
            yield f"{len(mine)} results of attempt {attempt}"
            return
        if record.ticket is None:
            return
        ticket, enforced = self.desk.tickets[record.ticket.sys_id], json.loads(mine.pop())["mode"] == Mode.ENFORCE
        marker = f"[{record.id}#{attempt} "
        comments = [note for note in ticket.comments if marker in note]
        notes = Counter(note.partition(marker)[2].partition("]")[0] for note in ticket.work_notes if marker in note)
        if len(comments) != int(enforced):
            yield f"{len(comments)} comments after attempt {attempt}"
        if notes["outcome"] != 1 or max(notes.values()) > 1:
            yield f"notes of attempt {attempt}: {notes}"


def _should_be_gone(method: Method, record: Record) -> bool:
    inactive = method.type == "hardwareOath" and method.properties["device"]["status"] != "activated"
    return method.type in PARITY and not inactive and not _registered_since(method.created, record)


def _registered_since(created: datetime, record: Record) -> bool:
    """Graph tells whole seconds, and a tie is left alone."""
    return created.replace(microsecond=0) >= record.accepted_at.replace(microsecond=0)


# ---- what happens


def happens(**given: Any) -> Callable[[Callable[..., Awaitable[None]]], Any]:
    """A rule whose body is run in the machine's own time."""

    def told(body: Callable[..., Awaitable[None]]) -> Any:
        @rule(**given)
        @functools.wraps(body)
        def run(self: "Machine", **drawn: Any) -> None:
            self.runner.run(body(self, **drawn))  # type: ignore[arg-type]

        return run

    return told


EFFECTS = (
    *("journal.commit", "ledger.commit", "receipts.append", "queue.put", "queue.publish", "desk.write"),
    *("directory.remove", "directory.revoke_sessions"),
)
READS = tuple(call for calls in CALLS.values() for call in calls if call not in EFFECTS)
# Two commits, and what is read and put on record between them, must fit into a lease, or nobody ever gets anywhere.
SLOW = {"desk.write": SLOWEST, "directory.remove": SLOWEST, "journal.commit": SLOWEST - 3, "directory.standing": 40}

WHICH = st.integers(0, 7)
STRUCK = st.sampled_from(Struck)
SKEWS = st.sampled_from([-2.4, 0.0, 2.4]).map(lambda seconds: timedelta(seconds=seconds))  # two differ by less than is allowed
CALLED = st.sampled_from(EFFECTS) | st.sampled_from(READS)
PROCESSES = st.builds(Process, skew=SKEWS) | st.builds(Process, skew=SKEWS, at=CALLED, calls=st.integers(1, 4), how=STRUCK)
SYS_IDS = st.sampled_from(list(TICKETS))
RETRY_AFTER = st.sampled_from([None, 0, 30, 600, 7200]).map(
    lambda seconds: None if seconds is None else timedelta(seconds=seconds)
)


class Machine(RuleBasedStateMachine):
    """Draws what happens next, for as many steps as Hypothesis likes; then everything comes back, and time passes until quiet."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=VirtualTimeLoop)
        self.town = Town()
        self.events = 0
        self.down: set[WaitingFor] = set()

    @property
    def young(self) -> bool:
        return self.runner.get_loop().time() < LIFE.total_seconds()

    # ---- demands

    @initialize(sys_id=SYS_IDS, process=PROCESSES)
    def the_first_webhook(self, sys_id: str, process: Process) -> None:
        self.runner.run(self._asks(sys_id, process))

    @happens(sys_id=SYS_IDS, process=PROCESSES)
    async def a_webhook(self, sys_id: str, process: Process) -> None:
        await self._asks(sys_id, process)

    async def _asks(self, sys_id: str, process: Process) -> None:
        self.events += 1
        self.town.ask(f"msg-{self.events}", sys_id, process)
        await asyncio.sleep(0)

    @happens(sys_id=SYS_IDS | st.none())
    async def a_message(self, sys_id: str | None) -> None:
        self.events += 1
        self.town.put(f"soar-{self.events}", sys_id)

    @happens(which=WHICH, webhook=st.booleans(), process=PROCESSES)
    async def a_copy(self, which: int, webhook: bool, process: Process) -> None:
        if webhook:
            self.town.again(which, process)
        elif texts := list(self.town.texts):
            self.town.queue.insert(texts[which % len(texts)])
        await asyncio.sleep(0)

    # ---- work, and time

    @happens(which=WHICH, process=PROCESSES)
    async def a_worker_takes_a_message(self, which: int, process: Process) -> None:
        if messages := self.town.queue.visible():
            self.town.take(messages[which % len(messages)], process)
            await asyncio.sleep(0)

    @precondition(lambda self: self.young)
    @happens(seconds=st.sampled_from([0.01, 0.05, 0.2, 1, 10, 40, 700]))
    async def time_passes(self, seconds: float) -> None:
        await self.town.clock.pass_by(seconds=seconds)

    @precondition(lambda self: self.young)
    @happens(minutes=st.sampled_from([1, 5, 40]), processes=st.lists(PROCESSES, max_size=4))
    async def everybody_works(self, minutes: float, processes: list[Process]) -> None:
        self.town.next_processes = processes
        await self.town.pass_by(minutes=minutes)

    @precondition(lambda self: self.young)
    @happens(which=WHICH, seconds=st.sampled_from([-3, -1, 1, 4, 6]), process=PROCESSES)
    async def a_lease_is_about_to_end(self, which: int, seconds: float, process: Process) -> None:
        await self.town.near_the_end_of_a_lease(which, timedelta(seconds=seconds), process)

    # ---- what goes wrong

    @precondition(lambda self: self.town.alive)
    @happens(which=WHICH, how=STRUCK)
    async def a_worker_is_struck(self, which: int, how: Struck) -> None:
        alive = self.town.alive
        alive[which % len(alive)].struck(how)

    @happens(service=st.sampled_from(list(CALLS)), retry_after=RETRY_AFTER, after=st.booleans())
    async def a_service_goes_down_or_comes_back(self, service: WaitingFor, retry_after: timedelta | None, after: bool) -> None:
        if service in self.down:
            self.town.recover(service)
        else:
            # Storage that does all it is asked for and never says so would be flooded with messages put back.
            self.town.outage(service, retry_after, after and service is not WaitingFor.STORAGE)
        self.down ^= {service}

    @happens(call=CALLED, after=st.booleans())
    async def a_call_will_fail(self, call: str, after: bool) -> None:
        service = next(service for service, calls in CALLS.items() if call in calls)
        self.town.calls.fail(call, Unavailable(service, "once"), after=after)

    @happens(call=st.sampled_from(list(SLOW)), slow=st.booleans())
    async def a_call_takes_long_or_not_any_more(self, call: str, slow: bool) -> None:
        self.town.calls.slow(call, seconds=SLOW[call] if slow else self.town.calls.usual_seconds)

    # ---- what people do

    @happens(sys_id=SYS_IDS)
    async def an_approval_is_withdrawn_or_given(self, sys_id: str) -> None:
        self.town.turn_approval(sys_id)

    @happens(upn=st.sampled_from(PEOPLE), kind=st.sampled_from(["softwareOath", "phone"]))
    async def somebody_registers(self, upn: str, kind: str) -> None:
        self.town.register(upn, kind)

    @happens(what=st.sampled_from(["pause", *Mode, "no lag", "lag"]))
    async def something_is_set(self, what: str) -> None:
        match what:
            case "pause":
                self.town.turn_pause()
            case Mode.DRY_RUN | Mode.ENFORCE:
                self.town.configure(MODE=what)
            case _:
                self.town.tenant.settings.lag_seconds = 20 if what == "lag" else 0

    # ---- what must hold

    @invariant()
    def nothing_has_gone_wrong(self) -> None:
        assert not self.town.violations, self.town.violations
        assert not self.town.traffic.mistakes

    def teardown(self) -> None:
        try:
            self.runner.run(self._until_quiet())
        finally:
            self.runner.close()

    async def _until_quiet(self) -> None:
        town = self.town
        town.calls.heal()
        for process in town.processes:
            process.cut_off = False
        for call in SLOW:
            town.calls.slow(call, seconds=town.calls.usual_seconds)
        town.resume()
        town.next_processes = []
        await asyncio.gather(*town.senders, *town.workers)
        await town.settle(timedelta(hours=12))
        self.nothing_has_gone_wrong()
        assert not (wrong := list(town.not_so())), wrong


@pytest.mark.parametrize("ahead", [-2.4, 0, 2.4])
async def test_a_lease_is_not_taken_from_who_still_believes_in_it(ahead: float) -> None:
    """Its holder is cut off from storage in a long call, and its clock is behind that of whoever comes by."""
    town = Town()
    town.calls.slow("directory.standing", seconds=SLOW["directory.standing"])
    town.ask("msg-1", build.REF.sys_id, Process())
    await asyncio.gather(*town.senders)
    holder = Process(timedelta(seconds=-2.4), at="directory.standing", calls=1, how=Struck.CUT_OFF)
    town.take(town.queue.visible()[0], holder)
    await town.clock.pass_by(seconds=1)
    for seconds in (-3, -1, 1, 4, 6):
        await town.near_the_end_of_a_lease(0, timedelta(seconds=seconds), Process(timedelta(seconds=ahead)))
    assert holder.cut_off
    assert not town.violations, town.violations
    town.calls.slow("directory.standing", seconds=town.calls.usual_seconds)
    await asyncio.gather(*town.workers)
    await town.settle()
    assert not (wrong := list(town.not_so())), wrong


async def test_time_passes_as_long_as_it_should_though_somebody_always_has_to_be_tried_again() -> None:
    """Two requests owe a note to a desk that wants to be asked every 30 s, and a turn takes nearly as long."""
    town = Town()
    town.outage(WaitingFor.TICKET_SYSTEM, timedelta(seconds=30), after=False)
    town.calls.slow("journal.commit", seconds=SLOW["journal.commit"])
    for number, sys_id in enumerate(TICKETS):
        town.desk.tickets[sys_id].active = False
        town.ask(f"msg-{number}", sys_id, Process())
    await asyncio.gather(*town.senders)
    await town.pass_by(minutes=40)
    assert town.calls.count("desk.write") > 0
    assert town.clock.now() - town.start < timedelta(minutes=42)


async def test_a_story_without_an_end_is_not_told_for_ever() -> None:
    town = Town()
    town.calls.most = 200
    town.calls.fail("queue.put", Unavailable(WaitingFor.STORAGE, "gone"), times=None)
    town.ask("msg-1", build.REF.sys_id, Process())
    with pytest.raises(Endless, match=r"200 calls: .*'queue.put'"):
        await asyncio.gather(*town.senders)


TestAnything = Machine.TestCase
TestAnything.settings = settings(
    max_examples=math.ceil(60 * THOROUGHNESS),
    stateful_step_count=50,
    deadline=None,
    derandomize=THOROUGHNESS <= 1,
    suppress_health_check=list(HealthCheck),
)
