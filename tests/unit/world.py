"""The app on fakes, and the Functions host around it: messages are worked on, time passes, workers die and are replaced.

What must hold in every story is looked at in every call: nothing is written to the directory before the journal knows for whom
and the receipt has an intent, no removal without its own, none of what is gone, no write at all in a dry run; and no attempt
begins to change anything in a turn that has not counted the reset, or that has read of a switch that is on. When all is over,
whoever asked for an administrator or somebody protected has raised an alert, and every receipt is whole and holds what was told
of it. `violations` says where it did not hold.
"""

import base64
import functools
import hashlib
import hmac
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.graph import Tenant
from sandbox.people import ADELE, Seed, contoso
from shared import acceptance, brakes, deadletters, receipt, settings, sweep, wording, work
from shared.app import App, Unready
from shared.model import AlertKind, Mode, Reason, Reset, Switches
from shared.ports import Unavailable
from shared.receipt import Anchor, EntryKind, Line
from shared.record import Record
from shared.wording import Answer
from tests.calls import Calls, Killed
from tests.fakes import (
    FakeClock,
    FakeControl,
    FakeDeadLetters,
    FakeDesk,
    FakeDirectory,
    FakeJournal,
    FakeLedger,
    FakeOrders,
    FakeQueue,
    FakeReceipts,
    FakeTicket,
    Message,
)
from tests.unit import build

ALL_METHODS = "UserAuthenticationMethod.ReadWrite.All"
ABANDONED = timedelta(minutes=10)  # how long the host hides a message whose worker died
FAILED = timedelta(seconds=30)  # and one whose worker raised: visibilityTimeout in host.json
TRIES = 5  # maxDequeueCount in host.json
SWEEP_EVERY = timedelta(seconds=15)
ALERT = "mfa.reregistration.alert"
ALERTS = {
    Reason.USER_PRIVILEGED: AlertKind.PRIVILEGED_SUBJECT,
    Reason.USER_PROTECTED: AlertKind.PROTECTED_SUBJECT,
    Reason.INTERNAL_ERROR: AlertKind.INTERNAL_ERROR,
}
AUTHORITY = {"desk.read", "directory.person", "directory.standing"}
GRAPH_WRITES = {"directory.prefer", "directory.remove", "directory.revoke_sessions"}
_NEVER = datetime.max.replace(tzinfo=UTC)

_KEY = bytes(range(32))
_ENVIRONMENT = {
    "MODE": "enforce",
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "WEBHOOK_KEYS": f"whsec_{base64.b64encode(_KEY).decode()}",
    "TRUSTED_SOURCES": build.CAUSE.source,
    "SERVICENOW_URL": "https://contoso.service-now.com",
    "SERVICENOW_AUDIENCE": "api://servicenow.contoso",
    "SERVICENOW_CATALOG_ITEMS": build.CATALOG_ITEM,
}


@dataclass
class Turn:
    """What the worker of one message has read since it last looked at ticket and person, and what it counted on that."""

    switches: Switches | None = None
    counted: Reset | None = None
    counted_under: Switches | None = None


_TURN: ContextVar[Turn] = ContextVar("turn")


def _turn() -> Turn:
    """The turn that is being worked in; outside of one, one of nobody's."""
    return _TURN.get(Turn())


class _Ledger(FakeLedger):
    async def commit(self, resets: tuple[Reset, ...], latest: Reset, version: Any) -> None:
        await super().commit(resets, latest, version)
        turn = _turn()
        turn.counted, turn.counted_under = latest, turn.switches


class _Control(FakeControl):
    async def read(self) -> Switches:
        _turn().switches = read = await super().read()
        return read


class World:
    """A tenant, a ticket system, storage, and as many workers as it takes."""

    def __init__(self, calls: Calls | None = None) -> None:
        self.calls = calls or Calls()
        self.start = build.after(milliseconds=345)
        self.clock = FakeClock(self.start, self.calls)
        self.tenant = Tenant(_contoso(), now=self.clock.now)
        self.directory = FakeDirectory(self.tenant, self.calls)
        self.journal = FakeJournal(self.calls)
        self.ledger = _Ledger(self.calls)
        self.control = _Control(self.clock, self.calls)
        self.letters = FakeDeadLetters(self.calls)
        self.orders = FakeOrders(self.calls)
        self.receipts = FakeReceipts(self.calls)
        self.queue = FakeQueue(self.clock, self.calls)
        self.desk = FakeDesk(self.calls)
        self.ticket = FakeTicket(build.REF, build.CATALOG_ITEM, build.SUBJECT, build.OPENER, approvals=[build.approval()])
        self.desk.tickets[build.REF.sys_id] = self.ticket
        self.desk.people[build.SUBJECT] = ADELE
        self.environment: dict[str, str | None] = dict(_ENVIRONMENT)
        self.calls.listeners.append(self._watch)
        self.violations: list[str] = []
        self._workers = itertools.count(1)
        self._swept_at = self.start
        self._bodies: dict[str, bytes] = {}

    # ---- how things are

    def configure(self, **changes: str | None) -> None:
        """Settings for whoever works from now on; None: not set."""
        self.environment |= changes

    def ticket_for(self, upn: str) -> None:
        self.desk.people[build.SUBJECT] = upn

    def permit(self, *permissions: str) -> None:
        self.directory.permissions |= set(permissions)

    def app(self) -> App:
        """A worker process, just started."""
        chosen = settings.load({name: value for name, value in self.environment.items() if value is not None})
        if system := chosen.ticket_system:
            self.desk.approver_group, self.desk.proof_field = system.approver_group, system.proof_field
        return App(
            settings=chosen,
            worker=f"worker-{next(self._workers)}",
            journal=self.journal,
            ledger=self.ledger,
            control=self.control,
            receipts=self.receipts,
            letters=self.letters,
            orders=self.orders,
            queue=self.queue,
            directory=lambda: self.directory,
            desk=(lambda: self.desk) if chosen.ticket_system else None,
            clock=self.clock,
            jitter=lambda: 0.5,
        )

    @property
    def records(self) -> list[Record]:
        return self.journal.records()

    @property
    def record(self) -> Record:
        """The only request there is."""
        (record,) = self.records
        return record

    def types(self, upn: str = ADELE) -> list[str]:
        """What is really registered for the person, the password aside."""
        return [kind for kind in self.tenant.account(upn).types() if kind != "password"]

    @property
    def outcome(self) -> tuple[str, str]:
        """Outcome and reason that were published, of the only result there is (which may have been published again)."""
        (result,) = {result["id"]: result for result in self.results}.values()
        return result["data"]["outcome"], result["data"]["reason"]

    @property
    def result(self) -> dict[str, Any]:
        """The data of the last result."""
        data: dict[str, Any] = self.results[-1]["data"]
        return data

    @property
    def results(self) -> list[dict[str, Any]]:
        """What was published about how attempts ended."""
        return [event for event in self.queue.results if event["type"] != ALERT]

    @property
    def alerts(self) -> list[dict[str, Any]]:
        """What was published for somebody to look at."""
        return [event for event in self.queue.results if event["type"] == ALERT]

    def notes(self, kind: str = "") -> list[str]:
        """The work notes that bear a marker of this kind."""
        return [note for note in self.ticket.work_notes if f" {kind}" in note.partition("]")[0]]

    @property
    def adele(self) -> str:
        """The object id of who the ticket is for."""
        return self.tenant.account(ADELE).person.id

    def writes(self) -> list[str]:
        """The calls that would change the tenant."""
        return [name for name in self.calls.names() if name in GRAPH_WRITES]

    # ---- what comes in

    async def ended(self) -> tuple[str, str]:
        """Outcome and reason of an attempt for the ticket, once it is over."""
        await self.webhook()
        await self.settle()
        return self.outcome

    async def webhook(self, event_id: str = "msg-1", key: bytes = _KEY, /, **changes: Any) -> Answer:
        """What the ticket system is answered. An id that it has used before comes with the same body, as a copy does.

        `changes` are to the members of the body, or to the ticket in it.
        """
        body = self._bodies.setdefault(event_id, self.body(**changes))
        return await self.post(event_id, body, key)

    def body(self, **changes: Any) -> bytes:
        ticket = {"table": build.REF.table, "sys_id": build.REF.sys_id, "number": build.REF.number}
        ticket |= {name: changes.pop(name) for name in ticket if name in changes}
        members = {"type": "mfa.reregistration.requested", "timestamp": self.clock.now().isoformat(), "data": ticket}
        return json.dumps(members | changes).encode()

    async def post(self, event_id: str, body: bytes, key: bytes = _KEY, /, **headers: str | None) -> Answer:
        """A delivery with a good signature, unless `headers` say otherwise (None: left out)."""
        sent = {**self.signed(event_id, body, key), **{name.replace("_", "-"): value for name, value in headers.items()}}
        return await acceptance.webhook(self.app(), {name: value for name, value in sent.items() if value is not None}, body)

    def signed(self, event_id: str, body: bytes, key: bytes = _KEY) -> Mapping[str, str]:
        """Headers by Standard Webhooks."""
        stamp = str(int(self.clock.now().timestamp()))
        digest = hmac.digest(key, f"{event_id}.{stamp}.".encode() + body, hashlib.sha256)
        return {
            "content-type": "application/json",
            "webhook-id": event_id,
            "webhook-timestamp": stamp,
            "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
        }

    def message(self, event_id: str = build.CAUSE.id, source: str = build.CAUSE.source, **data: Any) -> Message:
        """Other automation puts a message on the queue: about Adele, or what `data` says."""
        return self.queue.insert(cloud_event(self.clock.now(), event_id, source, data or {"subject": ADELE}))

    def ticket_message(self, event_id: str = build.CAUSE.id, source: str = build.CAUSE.source) -> Message:
        """Other automation puts a message on the queue, about the ticket."""
        ref = build.REF
        ticket = {"system": ref.system, "table": ref.table, "sysId": ref.sys_id, "number": ref.number}
        return self.message(event_id, source, ticket=ticket)

    # ---- the host

    async def work(self, app: App | Unready | None = None, end: datetime = _NEVER) -> int:
        """Every message that is visible now is worked on, none later than `end`; how many that were."""
        count = 0
        while (visible := self.queue.visible()) and self.clock.now() <= end:
            await self.handle(visible[0], app)
            count += 1
        return count

    async def handle(self, message: Message, app: App | Unready | None = None) -> None:
        """One message in the hands of one worker, as the host sees it: deleted, given back, or put aside."""
        message.dequeued += 1
        message.visible_at = self.clock.now() + timedelta(days=7)
        _TURN.set(Turn())
        try:
            await work.handle(app or self.app(), message.text, message.inserted_at)
        except Killed:
            self.calls.revive()
            message.visible_at = self.clock.now() + ABANDONED
        except Exception:  # noqa: BLE001 as the host does
            if message.dequeued < TRIES:
                message.visible_at = self.clock.now() + FAILED
            else:
                self.queue.messages.remove(message)
                self.queue.set_aside(message.text)
        else:
            self.queue.messages.remove(message)

    async def sweep(self) -> int:
        """How many requests the timer put on the queue again; it fires again whatever happens to it."""
        self._swept_at = self.clock.now()
        try:
            return await sweep.sweep(self.app())
        except Killed:
            self.calls.revive()
        except Unavailable:
            pass
        return 0

    async def bury(self) -> int:
        """How many messages the other timer took off the poison queue."""
        try:
            return await deadletters.bury(self.app())
        except Killed:
            self.calls.revive()
        return 0

    async def settle(self, within: timedelta = timedelta(days=9)) -> None:
        """Time passes and everybody works, until there is nothing left to do; fails when that is not within its time."""
        end = self.clock.now() + within
        while (at := self._next()) is not None and at <= end:
            await self.until(at, end)
        assert at is None, f"still something to do at {at}"
        self.violations += _without_alert(self.results, self.alerts)
        self.violations += [f"receipt {finding}" for record in self.records for finding in self.verified(record)]
        assert not self.violations, self.violations

    async def pass_by(self, **length: float) -> None:
        """Time passes and everybody works meanwhile; no turn begins later, however many messages wait."""
        end = self.clock.now() + timedelta(**length)
        while (at := self._next()) is not None and at <= end:
            await self.until(at, end)
        await self.until(end, end)

    async def until(self, at: datetime, end: datetime = _NEVER) -> None:
        await self.clock.pass_by(seconds=max((at - self.clock.now()).total_seconds(), 0))
        await self.work(end=end)
        if any(self._sweep_after(due) <= self.clock.now() for due in self._due()):
            await self.sweep()
        if any(message.visible_at <= self.clock.now() for message in self.queue.poison):
            await self.bury()

    def _next(self) -> datetime | None:
        """When there is next something to do: a message becomes visible, or the sweep after something became due."""
        times = [message.visible_at for message in (*self.queue.messages, *self.queue.poison)]
        times += [self._sweep_after(due) for due in self._due()]
        return max(min(times), self.clock.now()) if times else None

    def _due(self) -> list[datetime]:
        """Since when there is something for the sweep to do."""
        breaker = self.control.switches().breaker
        unsaid = [breaker.at] if breaker and breaker.on and not breaker.announced else []
        switches, now = self.control.switches(), self.clock.now()
        let_go = [record.updated_at for record in self.records if brakes.let_go(switches, record, now) is not record]
        return [*unsaid, *let_go, *(order.at for order in self.orders.orders()), *self.journal.due_times().values()]

    def _sweep_after(self, due: datetime) -> datetime:
        after = max(due, self._swept_at + SWEEP_EVERY)
        return self.start - ((self.start - after) // SWEEP_EVERY) * SWEEP_EVERY

    def _watch(self, name: str, arguments: tuple[Any, ...]) -> None:
        """What the app catches, no assertion in a call would tell."""
        if name in AUTHORITY:
            _turn().switches = None
        if name in GRAPH_WRITES:
            who, *what = arguments
            held = [record for record in self.records if record.lease and record.pins.subject_id == who]
            whys = [
                *_violations(name, what, held),
                *(why for one in held for why in _without_intent(one, _lines(self.receipts.blob(one.id)))),
                *(why for one in held if not one.acted_on for why in _unfounded(one, _turn())),
            ]
        elif name == "journal.commit" and arguments[0].removal_begun and not self._has_begun(arguments[0]):
            whys = list(_unfounded(arguments[0], _turn()))
        else:
            whys = []
        self.violations += [f"{name} {why} at call {len(self.calls.log)}" for why in whys]

    def verified(self, record: Record) -> tuple[receipt.Finding, ...]:
        """What is wrong with a request's receipt, against all that was told of it."""
        told = [
            event["data"]["receipt"] for event in self.results if event["subject"] == record.id and "receipt" in event["data"]
        ]
        anchors = {Anchor(one["hash"], one["sequence"]) for one in told}
        for ticket in self.desk.tickets.values():
            anchors |= set(wording.told_anchors("\n".join(ticket.work_notes), record.id))
        if record.receipt:
            anchors.add(record.receipt)
        return receipt.verify(self.receipts.blob(record.id), record.id, sorted(anchors, key=str))

    def entries(self, *kinds: EntryKind) -> list[Line]:
        """The entries of the only receipt there is, of these kinds if some are named."""
        return [line for line in receipt.lines(self.receipts.blob(self.record.id)) if not kinds or line.kind in kinds]

    def _has_begun(self, record: Record) -> bool:
        return any(known.id == record.id and known.attempt == record.attempt and known.acted_on for known in self.records)


def _unfounded(record: Record, turn: Turn) -> Iterator[str]:
    """What a turn in which this record's attempt begins to change something has left out."""
    counted = turn.counted
    if counted is None or (counted.request_id, counted.subject_id) != (record.id, record.pins.subject_id):
        yield "before the reset was counted"
    if turn.counted_under is None:
        yield "before the switches were read"
    elif any(switch is not None and switch.on for switch in (turn.counted_under.pause, turn.counted_under.breaker)):
        yield "while a switch was on"


@functools.lru_cache(64)
def _lines(blob: bytes) -> tuple[Line, ...]:
    """The entries of a receipt; in every story the same are looked at, at every change."""
    return receipt.lines(blob)


def _without_intent(record: Record, lines: tuple[Line, ...]) -> Iterator[str]:
    """The first change comes after its intent; later ones are not held up by a receipt that cannot be written."""
    if not any(line.kind == EntryKind.INTENT and line.attempt == record.attempt for line in lines):
        yield "before the receipt says so"


def _without_alert(results: list[dict[str, Any]], alerts: list[dict[str, Any]]) -> Iterator[str]:
    said = {(alert.get("subject"), alert["data"].get("attempt"), alert["data"]["kind"]) for alert in alerts}
    for result in results:
        data = result["data"]
        for reason, kind in ALERTS.items():
            due = (data["attempt"], kind) if data["attempt"] else (None, AlertKind.DEAD_LETTER)  # 0: no attempt was made
            if reason in data["reasons"] and (data["requestId"], *due) not in said:
                yield f"{reason} without its alert"


def _violations(name: str, what: list[Any], held: list[Record]) -> Iterator[str]:
    if len(held) != 1:
        yield "before the journal knows for whom"
        return
    (record,) = held
    if record.mode is not Mode.ENFORCE:
        yield "in a dry run"
    if name == "directory.remove":
        identity = what[0].method.type, what[0].method.id
        entries = [entry for entry in record.removals if (entry.type, entry.id) == identity]
        if not entries or entries[0].attempt != record.attempt:
            yield "without intent"
        elif entries[0].gone_at is not None:
            yield "of what is gone"


def _contoso() -> Seed:
    """The sandbox's people, each with methods of the same ids in every world."""
    seed = contoso()
    for person in seed.people:
        for number, method in enumerate(person.methods):
            method.id = method.id or f"{person.given_name}-{method.type}-{number}"
    return seed


def about(kind: str) -> Callable[[tuple[Any, ...]], bool]:
    """Whether a removal is of a method of this type: for `Calls.fail(..., when=about("phone"))`."""
    return lambda arguments: bool(arguments[1].method.type == kind)


def cloud_event(time: datetime, event_id: str, source: str, data: Mapping[str, Any]) -> str:
    return json.dumps(
        {
            "specversion": "1.0",
            "id": event_id,
            "source": source,
            "type": "mfa.reregistration.requested",
            "time": time.isoformat(),
            "datacontenttype": "application/json",
            "data": data,
        }
    )
