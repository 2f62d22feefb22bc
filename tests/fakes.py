"""One fake per port, in memory. They keep the ports' promises and nothing more.

`tests/contract` runs the same tests on them and on the real adapters.
"""

import contextlib
import functools
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter, ValidationError

from sandbox.graph import Tenant, writes
from sandbox.graph.errors import GraphError
from sandbox.graph.kinds import KINDS
from sandbox.graph.permissions import AUTHENTICATION, CALLS, GROUP_READERS
from sandbox.identity import DEFAULT_PERMISSIONS
from sandbox.people import CUSTOM_ROLES, ROLES
from sandbox.people import Method as Registered
from shared import journal
from shared.model import (
    Action,
    Approval,
    DeadLetter,
    Inventory,
    Method,
    Note,
    Order,
    OrderReply,
    Person,
    Removal,
    Reset,
    Resolution,
    Standing,
    Switch,
    Switches,
    SwitchName,
    Ticket,
    TicketRef,
    WaitingFor,
)
from shared.ports import (
    LARGEST_MESSAGE,
    Changed,
    Clock,
    Conflict,
    Counted,
    Depth,
    Forbidden,
    NewerVersion,
    PersonNotFound,
    Poisoned,
    Removed,
    Stored,
    SwitchChange,
    TicketNotFound,
    Unreadable,
    Written,
)
from shared.record import RECORD_JSON, Record, SeenEvent
from tests.calls import Calls
from tests.virtual_time import FakeClock, VirtualTimeLoop

__all__ = [
    "FakeClock",
    "FakeControl",
    "FakeDeadLetters",
    "FakeDesk",
    "FakeDirectory",
    "FakeJournal",
    "FakeLedger",
    "FakeOrders",
    "FakeQueue",
    "FakeReceipts",
    "FakeTicket",
    "VirtualTimeLoop",
]

# ---- storage

RESETS_JSON: TypeAdapter[tuple[Reset, ...]] = TypeAdapter(tuple[Reset, ...])
LETTER_JSON: TypeAdapter[DeadLetter] = TypeAdapter(DeadLetter)
ORDER_JSON: TypeAdapter[Order] = TypeAdapter(Order)
REPLY_JSON: TypeAdapter[OrderReply] = TypeAdapter(OrderReply)
SWITCH_JSON: TypeAdapter[Switch] = TypeAdapter(Switch)


@functools.lru_cache(1024)
def _record(document: bytes) -> Record:
    """What stands there; the same document is read again and again."""
    return RECORD_JSON.validate_json(document)


class FakeJournal:
    """Documents with versions; what is read was JSON in between, as in a store."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._documents: dict[str, tuple[bytes, int]] = {}
        self._events: dict[str, SeenEvent] = {}
        self._scribbled: dict[str, datetime | None] = {}
        self._given_up: set[str] = set()
        self._newer: set[str] = set()
        self._versions = 0

    async def find(self, request_id: str, event_key: str | None = None) -> tuple[Stored | None, SeenEvent | None]:
        async with self._calls("journal.find", request_id):
            stored = self.stored(request_id)
            seen = self._events.get(event_key) if event_key else None
        return stored, seen

    async def commit(self, record: Record, version: Any, seen: SeenEvent | None = None) -> Stored:
        async with self._calls("journal.commit", record):
            document = RECORD_JSON.dump_json(record, exclude_defaults=True)
            _, current = self._documents.get(record.id, (b"", None))
            if current != version or (seen is not None and seen.key in self._events):
                raise Conflict
            self._versions += 1
            self._documents[record.id] = document, self._versions
            if seen is not None:
                self._events[seen.key] = seen
            self._given_up.discard(record.id)
            return Stored(record, self._versions)

    async def due(self, now: datetime, limit: int) -> tuple[str, ...]:
        async with self._calls("journal.due"):
            due = sorted((at, request_id) for request_id, at in self.due_times().items() if at <= now)
        return tuple(request_id for _, request_id in due[:limit])

    async def held(self, waiting_for: WaitingFor, limit: int) -> tuple[str, ...]:
        async with self._calls("journal.held", waiting_for):
            held = sorted((journal.held_since(one), one.id) for one in self.records() if journal.held_for(one) is waiting_for)
        return tuple(request_id for _, request_id in held if request_id not in self._given_up)[:limit]

    async def expired(self, now: datetime, limit: int) -> tuple[str, ...]:
        async with self._calls("journal.expired"):
            times = [(journal.forget_at(record), record.id) for record in self.records()]
            passed = sorted((at, request_id) for at, request_id in times if at is not None and at <= now)
        return tuple(request_id for _, request_id in passed if request_id not in self._given_up)[:limit]

    async def remains(self, request_id: str) -> str:
        async with self._calls("journal.remains", request_id):
            return self._documents.get(request_id, (b"", 0))[0].decode()

    async def give_up(self, request_id: str) -> None:
        async with self._calls("journal.give_up", request_id):
            self._given_up.add(request_id)

    async def ping(self) -> None:
        async with self._calls("journal.ping"):
            pass

    def stored(self, request_id: str) -> Stored | None:
        document, version = self._documents.get(request_id, (b"", None))
        if request_id in self._newer:
            raise NewerVersion(request_id)
        try:
            return Stored(journal.check(_record(document)), version) if version is not None else None
        except (ValidationError, journal.IllegalRecord) as error:
            raise Unreadable(str(error)) from error

    def spoil(self, record: Record) -> None:
        """Somebody else writes to the journal."""
        self._documents[record.id] = RECORD_JSON.dump_json(record), 0
        self._scribbled.pop(record.id, None)

    def scribble(self, request_id: str, text: str) -> None:
        """Somebody else writes to the journal what is no record; its place in the due list stays."""
        self._scribbled[request_id] = self.due_times().get(request_id)
        self._documents[request_id] = text.encode(), 0

    def written_by_newer(self, request_id: str, newer: bool = True) -> None:
        """A newer version of the app writes the record; or it runs again, for which that is none."""
        (self._newer.add if newer else self._newer.discard)(request_id)

    def forget(self, request_id: str) -> None:
        """Somebody else deletes a record."""
        del self._documents[request_id]

    def records(self) -> list[Record]:
        """All that are records."""
        documents = {name: document for name, (document, _) in self._documents.items() if name not in self._scribbled}
        return [_record(document) for document in documents.values()]

    def due_times(self) -> dict[str, datetime]:
        """When each request is due that is."""
        times = {record.id: journal.due_at(record) for record in self.records()} | self._scribbled
        return {name: at for name, at in times.items() if at is not None and name not in self._given_up}


class FakeLedger:
    """Documents with versions, one for the list and one for each person."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._documents: dict[str, tuple[bytes, int]] = {}
        self._versions = 0

    async def read(self, subject_id: str) -> Counted:
        async with self._calls("ledger.read", subject_id):
            latest = self._resets(f"s-{subject_id}")
            return Counted(self.resets(), latest[0] if latest else None, self._version(subject_id))

    async def commit(self, resets: tuple[Reset, ...], latest: Reset, version: Any) -> None:
        async with self._calls("ledger.commit", resets, latest):
            if version != self._version(latest.subject_id):
                raise Conflict
            self._put(resets, latest)

    def resets(self) -> tuple[Reset, ...]:
        """All that are kept."""
        return self._resets("resets")

    def count(self, *resets: Reset) -> None:
        """Another worker has counted these, one after another."""
        for reset in resets:
            self._put((*self.resets(), reset), reset)

    def spoil(self, subject_id: str | None = None) -> None:
        """Somebody else writes to the person's row, or to the list."""
        self._documents["resets" if subject_id is None else f"s-{subject_id}"] = b"?", 0

    def _put(self, resets: tuple[Reset, ...], latest: Reset) -> None:
        self._versions += 1
        self._documents["resets"] = RESETS_JSON.dump_json(resets), self._versions
        self._documents[f"s-{latest.subject_id}"] = RESETS_JSON.dump_json((latest,)), self._versions

    def _resets(self, row: str) -> tuple[Reset, ...]:
        document, _ = self._documents.get(row, (b"[]", None))
        try:
            return RESETS_JSON.validate_json(document)
        except ValidationError as error:
            raise Unreadable(row) from error

    def _version(self, subject_id: str) -> tuple[int | None, int | None]:
        (_, resets), (_, latest) = (self._documents.get(row, (b"", None)) for row in ("resets", f"s-{subject_id}"))
        return resets, latest


class FakeDeadLetters:
    """Letters by id; what is read was JSON in between."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._documents: dict[str, bytes] = {}

    async def keep(self, letter: DeadLetter) -> DeadLetter:
        async with self._calls("letters.keep", letter):
            known = self._letter(letter.id)
            if known is None or (known.resolution is not None and known.resolution.at < letter.first_seen):
                self._documents[letter.id] = LETTER_JSON.dump_json(letter)
            return self._known(letter.id)

    async def announced(self, letter: DeadLetter) -> None:
        async with self._calls("letters.announced", letter.id):
            known = self._letter(letter.id)
            if known is not None and known.resolution is None:
                self._documents[letter.id] = LETTER_JSON.dump_json(replace(known, announced=True))

    async def resolved(self, letter_id: str, resolution: Resolution) -> bool:
        async with self._calls("letters.resolved", letter_id, resolution):
            known = self._letter(letter_id)
            if known is None or known.resolution is not None:
                return known is not None and resolution.repeats(known.resolution)
            self._documents[letter_id] = LETTER_JSON.dump_json(replace(known, resolution=resolution))
            return True

    async def find(self, letter_id: str) -> DeadLetter | None:
        async with self._calls("letters.find", letter_id):
            return self._letter(letter_id)

    async def listed(self, limit: int, *, resolved: bool = False) -> tuple[DeadLetter, ...]:
        async with self._calls("letters.listed", limit, resolved):
            return tuple([letter for letter in self.letters() if (letter.resolution is not None) is resolved][:limit])

    async def forget(self, now: datetime, limit: int) -> int:
        async with self._calls("letters.forget"):
            times = [(letter.forget_at, letter) for letter in self.letters()]
            passed = [letter for at, letter in times if at is not None and at <= now][:limit]
            for letter in passed:
                self._documents[letter.id] = LETTER_JSON.dump_json(replace(letter, text=""))
            return len(passed)

    def letters(self) -> list[DeadLetter]:
        """All, those seen first come first."""
        return sorted(map(self._known, self._documents), key=lambda letter: (letter.first_seen, letter.id))

    def _known(self, letter_id: str) -> DeadLetter:
        return LETTER_JSON.validate_json(self._documents[letter_id])

    def _letter(self, letter_id: str) -> DeadLetter | None:
        return self._known(letter_id) if letter_id in self._documents else None


class FakeOrders:
    """Orders with their replies; what is read was JSON in between."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._orders: dict[str, bytes] = {}
        self._replies: dict[str, bytes] = {}

    async def give(self, order: Order) -> None:
        async with self._calls("orders.give", order):
            self.put(order)

    async def waiting(self, limit: int) -> tuple[Order, ...]:
        async with self._calls("orders.waiting", limit):
            return self.orders()[:limit]

    async def settled(self, order: Order, reply: OrderReply) -> None:
        async with self._calls("orders.settled", order, reply):
            if order.id in self._orders:
                self._replies.setdefault(order.id, REPLY_JSON.dump_json(reply))

    async def reply(self, order: Order) -> OrderReply | None:
        async with self._calls("orders.reply", order):
            return REPLY_JSON.validate_json(self._replies[order.id]) if order.id in self._replies else None

    def put(self, order: Order) -> None:
        """Somebody has given it."""
        self._orders.setdefault(order.id, ORDER_JSON.dump_json(replace(order, at=order.at.astimezone(UTC))))

    def repeat(self, order: Order) -> None:
        """Somebody else gives an order under the name of an earlier one."""
        self._orders.pop(order.id)
        self._replies.pop(order.id)
        self.put(order)

    def orders(self) -> tuple[Order, ...]:
        """Those that wait, oldest first."""
        waiting = [ORDER_JSON.validate_json(self._orders[name]) for name in self._orders.keys() - self._replies.keys()]
        return tuple(sorted(waiting, key=lambda order: (order.at, order.id)))


class FakeControl:
    """The switches and every change of them, by the store's `clock`; what is read was JSON in between."""

    def __init__(self, clock: Clock, calls: Calls) -> None:
        self._clock = clock
        self._calls = calls
        self._rows: dict[SwitchName, bytes] = {}
        self._changes: list[tuple[SwitchName, bytes]] = []

    async def read(self) -> Switches:
        async with self._calls("control.read"):
            return self.switches()

    async def turn(self, name: SwitchName, switch: Switch) -> bool:
        async with self._calls("control.turn", name, switch):
            now = self._switch(name)
            if switch.on is (now is not None and now.on):
                return False
            self.put(name, switch)
            return True

    async def announced(self, name: SwitchName, switch: Switch) -> None:
        async with self._calls("control.announced", name, switch):
            if self._switch(name) == replace(switch, announced=False):
                self._rows[name] = SWITCH_JSON.dump_json(replace(switch, announced=True))

    async def changes(self, limit: int) -> tuple[SwitchChange, ...]:
        async with self._calls("control.changes", limit):
            changes = [SwitchChange(name, SWITCH_JSON.validate_json(document)) for name, document in self._changes]
            return tuple(sorted(changes, key=lambda change: change.switch.at, reverse=True)[:limit])

    def switches(self) -> Switches:
        return Switches(self._switch(SwitchName.PAUSE), self._switch(SwitchName.BREAKER))

    def put(self, name: SwitchName, switch: Switch) -> None:
        """Somebody has turned the switch."""
        self._rows[name] = SWITCH_JSON.dump_json(replace(switch, at=min(switch.at, self._clock.now())))
        self._changes.append((name, self._rows[name]))

    def spoil(self, name: SwitchName) -> None:
        """Somebody else writes to the switch's row."""
        self._rows[name] = b"?"

    def _switch(self, name: SwitchName) -> Switch | None:
        if name not in self._rows:
            return None
        try:
            return SWITCH_JSON.validate_json(self._rows[name])
        except ValidationError:
            return Switch(on=True, by="unknown", why="this record cannot be understood", at=datetime.fromtimestamp(0, UTC))


class FakeReceipts:
    """Blobs in memory. `put` is somebody else's hand: it knows no condition."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._blobs: dict[str, bytes] = {}

    async def read(self, request_id: str) -> bytes:
        async with self._calls("receipts.read", request_id):
            return self.blob(request_id)

    async def append(self, request_id: str, data: bytes, at: int) -> None:
        async with self._calls("receipts.append", request_id, data, at):
            if len(self.blob(request_id)) != at:
                raise Conflict
            self.put(request_id, self.blob(request_id) + data)

    async def listed(self) -> tuple[str, ...]:
        async with self._calls("receipts.listed"):
            return tuple(self._blobs)

    async def ping(self) -> None:
        async with self._calls("receipts.ping"):
            pass

    def blob(self, request_id: str) -> bytes:
        return self._blobs.get(request_id, b"")

    def put(self, request_id: str, blob: bytes) -> None:
        self._blobs[request_id] = blob


@dataclass(eq=False)
class Message:
    """A message on a queue: hidden until `visible_at`, `dequeued` so many times; a queue tells whole seconds only.

    `encoded`: it is base64, and `text` what that says.
    """

    text: str
    inserted_at: datetime
    visible_at: datetime
    dequeued: int = 0
    encoded: bool = True


LONGEST_DELAY = timedelta(days=7)


class FakeQueue:
    """`messages` on the request queue, `poison` on the poison queue, `results` as published."""

    def __init__(self, clock: Clock, calls: Calls) -> None:
        self._clock = clock
        self._calls = calls
        self.messages: list[Message] = []
        self.poison: list[Message] = []
        self.results: list[dict[str, Any]] = []
        self._published_at: datetime | None = None

    async def put(self, message: str, delay: timedelta = timedelta()) -> None:
        async with self._calls("queue.put", message, delay):
            self.insert(message, delay)

    async def put_aside(self, message: str) -> None:
        async with self._calls("queue.put_aside", message):
            self.set_aside(_sized(message))

    async def publish(self, event: dict[str, Any]) -> None:
        async with self._calls("queue.publish", event):
            self.results.append(json.loads(_sized(json.dumps(event))))
            self._published_at = self._published_at or self._clock.now().replace(microsecond=0)

    async def poisoned(self, limit: int) -> tuple[Poisoned, ...]:
        async with self._calls("queue.poisoned", limit):
            now = self._clock.now()
            visible = [message for message in self.poison if message.visible_at <= now][:limit]
            for message in visible:
                message.visible_at = now + timedelta(minutes=1)
            return tuple(Poisoned(one.text, one.encoded, one.inserted_at, (one, one.visible_at)) for one in visible)

    async def buried(self, message: Poisoned) -> None:
        async with self._calls("queue.buried", message):
            theirs, receipt = message.receipt
            if theirs in self.poison and theirs.visible_at == receipt:
                self.poison.remove(theirs)

    async def depths(self) -> tuple[Depth, ...]:
        async with self._calls("queue.depths"):
            return (
                self._depth("mfa-requests", self.messages),
                Depth("mfa-results", len(self.results), self._published_at),
                self._depth("mfa-requests-poison", self.poison),
            )

    async def ping(self) -> None:
        async with self._calls("queue.ping"):
            pass

    def insert(self, text: str, delay: timedelta = timedelta()) -> Message:
        """Somebody puts a message on the request queue."""
        if not timedelta() <= delay <= LONGEST_DELAY:
            raise ValueError(f"a message cannot be hidden for {delay}")
        now = self._clock.now()
        self.messages.append(message := Message(_sized(text), now.replace(microsecond=0), now + delay))
        return message

    def set_aside(self, text: str, *, encoded: bool = True) -> None:
        """The host gives up on this, or we do."""
        now = self._clock.now()
        self.poison.append(Message(text, now.replace(microsecond=0), now, encoded=encoded))

    @property
    def aside(self) -> list[str]:
        return [message.text for message in self.poison]

    def _depth(self, name: str, messages: list[Message]) -> Depth:
        visible = [message.inserted_at for message in messages if message.visible_at <= self._clock.now()]
        return Depth(name, len(messages), min(visible, default=None))

    def visible(self) -> list[Message]:
        return [message for message in self.messages if message.visible_at <= self._clock.now()]


def _sized(text: str) -> str:
    if len(text.encode()) > LARGEST_MESSAGE:
        raise ValueError("a message is too large for the queue")
    return text


# ---- the directory

TOKEN_ACTIVE = {"activated": True, "assigned": False, "available": False, "failedActivation": False}
STANDING_READS = (
    "/users/{id}/transitivememberof",
    "/users/{id}/ownedobjects",
    "/groups",
    "/rolemanagement/directory/roleassignments",
    "/rolemanagement/directory/roleeligibilityscheduleinstances",
    "/identitygovernance/privilegedaccess/group/eligibilityscheduleinstances",
)


class FakeDirectory:
    """A tenant of the sandbox without a wire: its rules about deletion, lag and permissions hold, no fault of HTTP can happen."""

    def __init__(self, tenant: Tenant, calls: Calls | None = None, permissions: Collection[str] = DEFAULT_PERMISSIONS) -> None:
        self.tenant = tenant
        self.permissions = frozenset(permissions)
        self._calls = calls or Calls(usual_seconds=0)

    async def person(self, identifier: str) -> Person:
        async with self._calls("directory.person", identifier):
            with self._answering("GET", "/users/{id}"):
                found = self.tenant.account(identifier).person
        return Person(
            id=found.id,
            user_principal_name=found.user_principal_name,
            enabled=found.enabled,
            guest=found.user_type == "Guest" or "#EXT#" in found.user_principal_name,
            management_restricted=found.restricted,
            synced=found.synced,
        )

    async def standing(self, person_id: str) -> Standing:
        async with self._calls("directory.standing", person_id):
            with contextlib.ExitStack() as reads:
                for path in STANDING_READS:
                    reads.enter_context(self._answering("GET", path))
                person_id = self.tenant.account(person_id).person.id
            tenant = self.tenant
            groups = tenant.groups_of(person_id)
            owned = [group for group in tenant.groups.values() if person_id in group.owners]
            if (groups or owned) and not self.permissions & GROUP_READERS:
                raise Forbidden(WaitingFor.GRAPH, "limited information")
            direct = [grant for grant in tenant.roles if grant.principal == person_id]
            shown = [ROLES[grant.role] for grant in tenant.roles_of(person_id) if grant.role not in CUSTOM_ROLES]
            active = [*shown, *(ROLES[grant.role] for grant in direct if grant.kind == "active")]
            eligible = [ROLES[grant.role] for grant in direct if grant.kind == "eligible" and tenant.settings.premium]
            mine, joinable = {group.id for group in groups}, self._joinable({person_id})
            role_groups = [group.id for group in (*groups, *owned) if group.role_assignable] + self._may_have_roles(joinable)
            if not (active or eligible or role_groups):
                role_groups = self._through_groups(mine | joinable | {group.id for group in owned})
            active, eligible, role_groups = (list(dict.fromkeys(ids)) for ids in (active, eligible, role_groups))
            return Standing(tuple(active), tuple(eligible), tuple(role_groups), frozenset(mine))

    async def inventory(self, person_id: str) -> Inventory:
        async with self._calls("directory.inventory", person_id):
            listed = self._listed(person_id)
            return replace(listed, default=self.tenant.account(person_id).person.default_method)

    async def methods(self, person_id: str) -> Inventory:
        async with self._calls("directory.methods", person_id):
            return self._listed(person_id)

    async def lacking(self, removals: Sequence[Removal], *, revoke: bool, prefer: bool) -> tuple[str, ...]:
        async with self._calls("directory.lacking"):
            calls = {("GET", "/groups"): "GroupMember.Read.All"} | {_call(removal): _least(removal) for removal in removals}
            if revoke:
                calls["POST", "/users/{id}/revokesigninsessions"] = "User.RevokeSessions.All"
            if prefer:
                calls["PATCH", f"{AUTHENTICATION}/signinpreferences"] = "UserAuthenticationMethod.ReadWrite.All"
            return tuple(sorted(least for (verb, path), least in calls.items() if not self.permissions & CALLS[path][verb]))

    async def prefer(self, person_id: str, method: str) -> Changed:
        async with self._calls("directory.prefer", person_id, method):
            with self._answering("PATCH", f"{AUTHENTICATION}/signinpreferences"):
                try:
                    writes.prefer(self.tenant, self.tenant.account(person_id), method, "fake")  # type: ignore[arg-type]
                except GraphError as error:
                    if error.status != 400:
                        raise
                    return Changed(done=False, status=400, request_id=self._request_id())
        return Changed(done=True, status=204, request_id=self._request_id())

    async def remove(self, person_id: str, removal: Removal) -> Removed:
        async with self._calls("directory.remove", person_id, removal):
            with self._answering(*_call(removal)):
                status = self._remove(person_id, removal)
        return Removed(gone=status != 400, status=status, request_id=self._request_id())

    async def revoke_sessions(self, person_id: str) -> Changed:
        async with self._calls("directory.revoke_sessions", person_id):
            with self._answering("POST", "/users/{id}/revokesigninsessions"):
                writes.revoke_sessions(self.tenant, self.tenant.account(person_id), "fake")
        return Changed(done=True, status=200, request_id=self._request_id())

    def _joinable(self, principals: set[str]) -> set[str]:
        eligibilities = self.tenant.group_eligibilities if self.tenant.settings.premium else []
        return {one.group for one in eligibilities if one.principal in principals}

    def _may_have_roles(self, groups: set[str]) -> list[str]:
        known = self.tenant.groups
        return [group for group in sorted(groups) if group not in known or known[group].role_assignable]

    def _through_groups(self, groups: set[str]) -> list[str]:
        known = self.tenant.groups
        entered, waiting = set[str](), groups
        while waiting:
            entered |= waiting
            outer = {group.id for one in waiting for group in self.tenant.groups_of(one)}
            waiting = (outer | self._joinable(waiting)) - entered
        return [group for group in sorted(entered) if group in known and known[group].role_assignable]

    def _remove(self, person_id: str, removal: Removal) -> int:
        method = removal.method
        try:
            account = self.tenant.account(person_id)
            if removal.action is Action.DEACTIVATE:
                writes.deactivate(self.tenant, account, method.id, "fake")
            else:
                writes.delete(self.tenant, account, method.type, method.id, "fake")
        except GraphError as error:
            if error.status not in (400, 404):
                raise
            return error.status
        return 204

    def _listed(self, person_id: str) -> Inventory:
        with self._answering("GET", f"{AUTHENTICATION}/methods"):
            methods = tuple(_shown(method) for method in self.tenant.listed(self.tenant.account(person_id)))
        return Inventory(methods, request_id=self._request_id())

    @contextlib.contextmanager
    def _answering(self, verb: str, path: str) -> Iterator[None]:
        if not self.permissions & CALLS[path][verb]:
            raise Forbidden(WaitingFor.GRAPH, f"{verb} {path} 403")
        try:
            yield
        except GraphError as error:
            if error.status == 404:
                raise PersonNotFound from error
            raise Forbidden(WaitingFor.GRAPH, f"{verb} {path} {error.status}") from error

    def _request_id(self) -> str:
        return f"graph-request-{len(self._calls.log)}"


def _call(removal: Removal) -> tuple[str, str]:
    """Verb and path by which Graph removes it; `ValueError` where Graph has no such call."""
    kind = KINDS.get(removal.method.type)
    deactivate = removal.action is Action.DEACTIVATE
    if kind is None or not kind.deletable or (deactivate and kind.type != "hardwareOath"):
        raise ValueError(f"Graph has no {removal.action} for {removal.method.type}")
    path = f"{AUTHENTICATION}/{kind.segment.lower()}" + ("" if kind.single else "/{id}")
    return ("POST", f"{path}/deactivate") if deactivate else ("DELETE", path)


def _least(removal: Removal) -> str:
    return f"UserAuthMethod-{KINDS[removal.method.type].permission}.ReadWrite.All"


def _shown(method: Registered) -> Method:
    created = method.created.replace(microsecond=0) if method.created_shown == "value" else None
    device = method.properties.get("device") or {}
    return Method(method.type, method.id, created, TOKEN_ACTIVE.get(device.get("status", "")))


# ---- the ticket system


@dataclass
class FakeTicket:
    """A ticket as it is now; `work_notes` and `comments` are its journals, oldest entry first.

    `proof` is what stands in the proof field, None when the ticket has no such field.
    """

    ref: TicketRef
    catalog_item: str
    requested_for: str
    opened_by: str
    active: bool = True
    state: str = "1"
    approval: str = "approved"
    approvals: list[Approval] = field(default_factory=list)
    profile: str | None = None
    proof: str | None = ""
    work_notes: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)


class FakeDesk:
    """Tickets by `sys_id`; `people`: the identifier in the directory of each `sys_user`; `groups`: the members of each group.

    `proof_field` and `approver_group` are what the desk is set up with.
    """

    def __init__(self, calls: Calls | None = None) -> None:
        self._calls = calls or Calls(usual_seconds=0)
        self.tickets: dict[str, FakeTicket] = {}
        self.people: dict[str, str] = {}
        self.groups: dict[str, set[str]] = {}
        self.proof_field: str | None = None
        self.approver_group: str | None = None
        self.state_is_frozen = False

    async def read(self, ref: TicketRef) -> Ticket:
        async with self._calls("desk.read", ref):
            ticket = self._ticket(ref)
            return Ticket(
                ref=ref,
                active=ticket.active,
                state=ticket.state,
                approval=ticket.approval,
                catalog_item=ticket.catalog_item,
                requested_for=ticket.requested_for,
                opened_by=ticket.opened_by,
                subject=self.people.get(ticket.requested_for, "").strip() or None,
                approvals=tuple(ticket.approvals),
                profile=ticket.profile,
                proof=self._proof(ticket),
                group_approvers=self._group_approvers(ticket),
                activity="\n".join((*ticket.work_notes, *ticket.comments)),
            )

    async def locate(self, table: str, number: str) -> TicketRef:
        async with self._calls("desk.locate", table, number):
            found = [ticket.ref for ticket in self.tickets.values() if (ticket.ref.table, ticket.ref.number) == (table, number)]
            if len(found) != 1:
                raise TicketNotFound
            return found[0]

    async def write(self, ref: TicketRef, note: Note, *, repeat: bool) -> Written:
        async with self._calls("desk.write", ref, note, repeat):
            ticket = self._ticket(ref)
            texts = {"work_notes": note.work_notes, "comments": note.comments}
            journals = {"work_notes": ticket.work_notes, "comments": ticket.comments}
            missing = {
                name: text
                for name, text in texts.items()
                if text is not None and not (repeat and any(note.marker in entry for entry in journals[name]))
            }
            for name, text in missing.items():
                journals[name].append(text)
            if missing and note.state is not None and not self.state_is_frozen:
                ticket.state = note.state
            return Written(state_changed=note.state in (None, ticket.state))

    def _proof(self, ticket: FakeTicket) -> str | None:
        if self.proof_field is None:
            return None
        if ticket.proof is None:
            raise Forbidden(WaitingFor.TICKET_SYSTEM, f"hidden-{self.proof_field}")
        return ticket.proof

    def _group_approvers(self, ticket: FakeTicket) -> frozenset[str] | None:
        if self.approver_group is None:
            return None
        approvers = {row.approver for row in ticket.approvals if row.state == "approved"}
        return frozenset(approvers & self.groups.get(self.approver_group, set()))

    def _ticket(self, ref: TicketRef) -> FakeTicket:
        ticket = self.tickets.get(ref.sys_id)
        if ticket is None or ticket.ref != ref:
            raise TicketNotFound
        return ticket
