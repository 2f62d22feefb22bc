"""Decides a request against the tenant as it is, and writes nothing: no record, no note, no message, no table.

The same rules over the same ports as an attempt, in the same order. What an attempt would wait for and try again is reported as
not read, and then nothing is said to be allowed.
"""

from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import uuid4

from shared import admission, brakes, guardrails, identity, intake, plan, velocity
from shared.admission import Taken
from shared.app import App
from shared.decision import ticket_facts
from shared.guardrails import (
    ABOUT_PERSON,
    ABOUT_TICKET,
    EVENT_RULES,
    PERSON_RULES,
    SUBJECT_RULES,
    TICKET_FOUND_RULES,
    TICKET_RULES,
    EventFacts,
    PersonFacts,
    Rule,
    SubjectFacts,
    TicketFacts,
)
from shared.model import (
    PRECEDENCE,
    Cause,
    Event,
    Inventory,
    LeftAlone,
    Mode,
    Person,
    Profile,
    Reason,
    Removal,
    Reset,
    TicketRef,
    Verdict,
    WaitingFor,
    Why,
)
from shared.parallel import together
from shared.plan import Plan
from shared.ports import Counted, Directory, Forbidden, PersonNotFound, TicketNotFound, Unavailable, Unreadable
from shared.record import Record
from shared.velocity import Hold


class Would(StrEnum):
    """What would become of the demand. `nothing`: no attempt would begin, and `Taken` says why. `unknown` is no yes."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    WAITING = "waiting"
    NOTHING = "nothing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ForPerson:
    """A demand without a ticket, as other automation makes it. `subject` is a user principal name or an object id."""

    subject: str
    source: str
    profile: Profile = Profile.REQUIRE_REREGISTER


@dataclass(frozen=True, slots=True)
class ByTicket:
    table: str
    number: str


class Stage(StrEnum):
    EVENT = "event"
    TICKET = "ticket"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class NotAsked:
    """Rules of one stage for which there were no facts."""

    stage: Stage
    rules: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Unread:
    """Something that had to be read and could not be; `cause` is the adapter's word for it."""

    what: str
    cause: str


@dataclass(frozen=True, slots=True)
class Simulation:
    """`reasons` are the outcome's, in order of precedence; a wait has `holds` instead.

    `taken` is what the demand would become; `request_id` is a ticket's. Nothing is removed from a person who is refused.
    """

    outcome: Would
    reasons: tuple[Reason, ...]
    mode: Mode
    profile: Profile
    taken: Taken | None
    request_id: str | None
    ticket: TicketRef | None
    subject_id: str | None
    verdicts: tuple[Verdict, ...]
    not_asked: tuple[NotAsked, ...]
    unread: tuple[Unread, ...]
    removals: tuple[Removal, ...]
    left_alone: tuple[LeftAlone, ...]
    lacking: tuple[str, ...]
    holds: tuple[Hold, ...]


async def simulate(app: App, asked: ForPerson | ByTicket) -> Simulation:
    """What would become of this demand, were it made now."""
    look = _Look(app)
    if isinstance(asked, ForPerson):
        await look.for_person(asked)
    else:
        await look.by_ticket(asked)
    return look.conclusion()


class _Look:
    """One look at one demand, and what has been learned so far."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._now = app.clock.now()
        self._limits = app.settings.limits
        self._profile = Profile.REQUIRE_REREGISTER
        self._taken: Taken | None = None
        self._record: Record | None = None
        self._ticket: TicketFacts | None = None
        self._ref: TicketRef | None = None
        self._person: Person | None = None
        self._counted: Counted | None = None
        self._plan: Plan | None = None
        self._may_prefer = False
        self._lacking: tuple[str, ...] = ()
        self._reasons: set[Reason] = set()
        self._verdicts: list[Verdict] = []
        self._not_asked: list[NotAsked] = []
        self._unread: list[Unread] = []
        self._holds: list[Hold] = []

    # ---- the stages

    async def for_person(self, asked: ForPerson) -> None:
        """Even where the event is refused the person is looked at: whoever asks wants to know everything that is in the way."""
        self._profile = asked.profile
        self._ask(EVENT_RULES, EventFacts(timedelta(), asked.source, None, asked.profile))
        self._skip(Stage.TICKET, ABOUT_TICKET, "asked without a ticket")
        cause = Cause(asked.source, uuid4().hex)
        record = self._admit(Event(cause, self._now, "", subject=asked.subject, profile=asked.profile), None)
        await self._look_at(record, asked.subject, named=None)
        await self._look_at_brakes(record)

    async def by_ticket(self, asked: ByTicket) -> None:
        self._ask(EVENT_RULES, EventFacts(timedelta(), intake.WEBHOOK_SOURCE, asked.table, None))
        record = await self._look_at_ticket(asked)
        if record is None:
            self._skip(Stage.PERSON, ABOUT_PERSON, "no ticket leads to a person")
        elif self._ticket is None or (identifier := self._ticket.ticket.subject) is None:
            self._skip(Stage.PERSON, ABOUT_PERSON, "the ticket leads to nobody")
        else:
            await self._look_at(record, identifier, named=identifier)
        await self._look_at_brakes(record)

    async def _look_at_ticket(self, asked: ByTicket) -> Record | None:
        """The request that the ticket's rules were asked for; None when they could not be."""
        desk = self._app.desk() if self._app.desk else None
        if desk is None or self._reasons:
            self._skip(Stage.TICKET, ABOUT_TICKET, "the event is refused, so the ticket is not even read")
            return None
        try:
            ref = await self._read("the ticket's number", desk.locate(asked.table, asked.number))
            self._ref = ref
            ticket = await self._read("the ticket", desk.read(ref)) if ref else None
        except TicketNotFound:
            self._ask(TICKET_FOUND_RULES, None)
            self._skip(Stage.TICKET, TICKET_RULES, "there is no such ticket, or there are several, or it may not be read")
            return None
        if ref is None or ticket is None:
            self._skip(Stage.TICKET, ABOUT_TICKET, "the ticket could not be read")
            return None
        self._ask(TICKET_FOUND_RULES, ticket)
        event = Event(Cause(intake.WEBHOOK_SOURCE, uuid4().hex), self._now, "", ticket=ref)
        found = await self._read("the journal", self._app.journal.find(identity.request_id(event)))
        if found is None:
            self._skip(Stage.TICKET, TICKET_RULES, "what an earlier attempt bound could not be read")
            return None
        stored, _ = found
        record = self._admit(event, stored.record if stored else None)
        self._ticket = facts = ticket_facts(ticket, record.pins, self._now)
        self._profile = facts.profile or self._profile
        self._ask(TICKET_RULES, facts)
        return record

    async def _look_at(self, record: Record, identifier: str, *, named: str | None) -> None:
        """The person's rules; what would be removed, and whether we may."""
        directory = self._app.directory()
        try:
            self._person = person = await self._read("the person", directory.person(identifier))
            if person is None:
                self._skip(Stage.PERSON, ABOUT_PERSON, "the person could not be read")
                return
            standing, listed, counted = await together(
                self._read("roles and groups", directory.standing(person.id)),
                self._read("the registered methods", directory.inventory(person.id)),
                self._read("the ledger", self._app.ledger.read(person.id)),
            )
        except PersonNotFound:
            self._ask(SUBJECT_RULES, SubjectFacts(None, named, record.pins.subject_id))
            self._skip(Stage.PERSON, PERSON_RULES, "the directory has no such person")
            return
        self._ask(SUBJECT_RULES, SubjectFacts(person, named, record.pins.subject_id))
        self._counted = counted
        before = await self._read("the last reset", self._last_reset(record, counted)) if counted else None
        if standing is None or before is None:
            self._skip(Stage.PERSON, PERSON_RULES, "not all that they rest on could be read")
        else:
            last = max((one.at for one in before), default=None)
            self._ask(PERSON_RULES, PersonFacts(person, standing, last, self._now))
        if listed is not None:
            await self._foresee(record, directory, listed)

    async def _last_reset(self, record: Record, counted: Counted) -> tuple[Reset, ...]:
        try:
            last = await brakes.last_reset(self._app, counted.latest, replace(record, mode=self._mode))
        except brakes.UnderWay as other:
            self._holds.append(Hold(other.waiting_for, other.cause))
            return ()
        return (last,) if last else ()

    async def _foresee(self, record: Record, directory: Directory, listed: Inventory) -> None:
        first = listed.methods if record.inventory is None else record.inventory
        made = self._plan = plan.make_plan(first, listed, record.removals, self._profile, record.accepted_at)
        revoke = self._app.settings.revoke_sessions
        self._lacking = await self._read("our permissions", directory.lacking(made.removals, revoke=revoke, prefer=False)) or ()
        if made.deadlocked:
            missing = await self._read("our permissions", directory.lacking((), revoke=False, prefer=True))
            self._may_prefer = missing == ()

    async def _look_at_brakes(self, record: Record | None) -> None:
        """What would make it wait: a switch; in earnest, a limit too."""
        switches = await self._read("the switches", self._app.control.read())
        if switches is None or record is None:
            return
        if waits := brakes.hold(switches, replace(record, mode=self._mode)):
            switch = switches.pause if waits.waiting_for is WaitingFor.PAUSED else switches.breaker
            assert switch is not None
            self._holds.append(Hold(waits.waiting_for, f"switched by {switch.by}: {switch.why}"))
        if self._person is None or self._counted is None or self._mode is Mode.DRY_RUN:
            return
        opener, approvers = None, frozenset[str]()
        if self._ticket is not None:
            opener = self._ticket.ticket.opened_by
            approvers = guardrails.approvers(self._ticket, self._limits)
        reset = Reset(record.id, self._person.id, self._now, velocity.actors(record, opener, approvers))
        held = velocity.held(self._counted.resets, reset, switches, self._limits)
        if held and not (waits and waits.waiting_for is held.waiting_for):  # the breaker is said once
            self._holds.append(held)

    # ---- what is made of it

    def conclusion(self) -> Simulation:
        outcome, reasons = self._outcome()
        made = None if self._reasons else self._plan
        return Simulation(
            outcome,
            tuple(sorted(reasons, key=PRECEDENCE.__getitem__)),
            mode=self._mode,
            profile=self._profile,
            taken=self._taken,
            request_id=self._record.id if self._record and self._record.ticket else None,
            ticket=self._ref,
            subject_id=self._person.id if self._person else None,
            verdicts=tuple(self._verdicts),
            not_asked=tuple(self._not_asked),
            unread=tuple(self._unread),
            removals=made.removals if made else (),
            left_alone=made.left_alone if made else (),
            lacking=self._lacking,
            holds=tuple(self._holds),
        )

    def _outcome(self) -> tuple[Would, set[Reason]]:
        if self._begins_nothing():
            return Would.NOTHING, set()
        if self._reasons:
            return Would.REFUSED, self._reasons
        made = self._plan
        if self._unread or made is None:
            return Would.UNKNOWN, set()
        if self._lacking:
            return Would.FAILED, {Reason.GRAPH_FORBIDDEN}
        if made.deadlocked and not (made.other_default and self._may_prefer):
            return Would.FAILED, {Reason.DEFAULT_METHOD_STUCK}
        if self._holds:
            return Would.WAITING, set()
        if self._mode is Mode.DRY_RUN:
            return Would.DONE, {Reason.DRY_RUN}
        if self._profile is Profile.FULL_RESET and any(one.why is Why.UNKNOWN_TYPE for one in made.left_alone):
            return Would.FAILED, {Reason.UNKNOWN_METHOD}
        removed_before = self._record is not None and any(entry.gone_at for entry in self._record.removals)
        return Would.DONE, {Reason.REMOVED if made.removals or removed_before else Reason.NOTHING_TO_REMOVE}

    def _begins_nothing(self) -> bool:
        """What is done stays done, what is exhausted waits for an operator, and what has begun is carried to its end."""
        begun = self._record is not None and self._record.is_open and self._record.acted_on
        return begun or self._taken in (Taken.FINAL, Taken.EXHAUSTED)

    @property
    def _mode(self) -> Mode:
        """As an attempt's is when it is claimed: dry runs in force make one of it."""
        chosen = self._app.settings.mode
        return chosen if self._record is None or chosen is Mode.DRY_RUN else self._record.mode

    # ---- small steps

    def _admit(self, event: Event, known: Record | None) -> Record:
        """The request that the event would open, reopen or join; nothing of it is stored."""
        made = admission.admit(event, "", self._now, None, known, mode=self._app.settings.mode, now=self._now)
        self._taken, self._record = made.taken, made.record
        return made.record

    def _ask[F](self, rules: tuple[Rule[F], ...], facts: F) -> None:
        verdicts = guardrails.ask(rules, facts, self._limits)
        self._verdicts += verdicts
        self._reasons |= set(guardrails.refusals(verdicts))

    def _skip(self, stage: Stage, rules: Iterable[Rule[Any]], why: str) -> None:
        self._not_asked.append(NotAsked(stage, tuple(rule.name for rule in rules), why))

    async def _read[T](self, what: str, call: Awaitable[T]) -> T | None:
        """The answer; None when there is none, and then `what` is on the list of what could not be read."""
        try:
            return await call
        except (Unavailable, Forbidden) as error:
            self._unread.append(Unread(what, str(error)))
        except Unreadable as error:
            self._unread.append(Unread(what, f"contradicts itself: {error}"))
        return None
