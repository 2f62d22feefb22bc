"""The use case: one attempt, from its first check to its outcome.

1. Ask the rules that need only the event.                  6. Remove, one by one, each intent journaled first; in passes.
2. Re-read the ticket; tell it that work has started.       7. Revoke sign-in sessions.
3. Resolve the person, once.                                8. Read back, with patience.
4. Read inventory and privileges.                           9. Record the outcome with everything it owes.
5. Decide and plan.

It may be cut off anywhere and taken up by another worker: what matters is in the journal before it happens. Up to step 5 nothing
has been changed and everything is read anew; from the first intent on, the attempt is carried to its end.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from types import TracebackType
from typing import Any, NoReturn, Self

import structlog

from shared import delivery, guardrails, journal, plan, wording
from shared.app import App
from shared.claim import Claim
from shared.guardrails import EventFacts, PersonFacts, TicketFacts
from shared.model import Inventory, LeftAlone, Method, Mode, Note, Outcome, Profile, Reason, Removal, Ticket, WaitingFor, Why
from shared.parallel import together
from shared.plan import Plan
from shared.ports import Directory, Forbidden, PersonNotFound, TicketDesk, TicketNotFound, Unavailable
from shared.record import OwedKind, Pins, Record, RemovalEntry, StepName

log = structlog.get_logger()

PASSES = 4
PASS_PAUSES = (1.0, 2.0, 4.0)  # after a pass in which nothing went: the default may be refused for lag
READ_BACK_PAUSES = (0.5, 1.0, 2.0, 4.0, 6.0)
READ_BACK_AGAIN = timedelta(seconds=15)
READ_BACK_PATIENCE = timedelta(seconds=60)


class Ended(Exception):
    """The attempt has been given its outcome; the rest of the turn is skipped."""


@dataclass(slots=True)
class _Failures:
    """What did not go after removal had begun: the rest is done all the same, then the attempt waits or says so.

    `later` may go another time; `forbidden` and `stuck` is what Graph refused.
    """

    later: Exception | None = None
    forbidden: bool = False
    stuck: bool = False

    def reasons(self) -> set[Reason]:
        return ({Reason.GRAPH_FORBIDDEN} if self.forbidden else set()) | ({Reason.DEFAULT_METHOD_STUCK} if self.stuck else set())


class Attempt:
    """One attempt in the hands of one worker. A context: what it does on the side is over when it is left."""

    def __init__(self, app: App, claim: Claim, directory: Directory, desk: TicketDesk | None) -> None:
        self.app = app
        self.claim = claim
        self.directory = directory
        self.desk = desk
        self._telling: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._telling is not None:
            if kind is not None:
                self._telling.cancel()
            await asyncio.wait([self._telling])

    @property
    def record(self) -> Record:
        return self.claim.record

    def owe_note(self, kind: OwedKind, write: Callable[[Record], Note]) -> None:
        now = self.claim.now()
        self.claim.stage(lambda record: journal.owe(record, kind, delivery.note_content(write(record)), now))

    # ---- the attempt

    async def perform(self) -> NoReturn:
        """Steps 1 to 9. Ends by raising `Ended`, or whatever keeps it from ending."""
        if self.record.removal_begun:
            assert self.record.pins.subject_id is not None
            current = await self.directory.inventory(self.record.pins.subject_id)
        else:
            current = await self.decide()
        await self.carry_out(current)

    async def decide(self) -> Inventory:
        """Steps 1 to 5, and whatever can be known to fail: an inventory to act on, with nothing changed so far."""
        record, limits = self.record, self.app.settings.limits
        asked_at = record.attempts_opened[-1] if record.ticket else self.claim.now()
        facts = EventFacts(
            age=asked_at - record.event_time,
            source=record.cause.source,
            ticket_table=record.ticket.table if record.ticket else None,
            profile=record.profile if record.subject else None,
        )
        if reasons := guardrails.refusals(guardrails.EVENT_RULES, facts, limits):
            await self.end(Outcome.REFUSED, *reasons)
        if record.ticket:
            return await self.decide_on_ticket()
        assert record.subject is not None
        reasons, current = await self.look_at(record.pins.subject_id or record.subject, pinned_id=None)
        if reasons:
            await self.end(Outcome.REFUSED, *reasons)
        return current

    async def decide_on_ticket(self) -> Inventory:
        ticket, ticket_reasons = await self.read_ticket()
        if ticket.subject is None:
            await self.end(Outcome.REFUSED, *ticket_reasons)
        assert ticket.subject is not None
        try:
            person_reasons, current = await self.look_at(ticket.subject, pinned_id=self.record.pins.subject_id)
        except (Unavailable, Forbidden):
            if not ticket_reasons:
                raise
            await self.end(Outcome.REFUSED, *ticket_reasons)
        if reasons := (*ticket_reasons, *person_reasons):
            await self.end(Outcome.REFUSED, *reasons)
        return current

    async def read_ticket(self) -> tuple[Ticket, tuple[Reason, ...]]:
        """Step 2: the ticket as of now and every reason in it to refuse; the first reading binds subject and opener."""
        assert self.desk is not None
        assert self.record.ticket is not None
        read_at = self.claim.now()
        try:
            ticket = await self.desk.read(self.record.ticket)
        except TicketNotFound:
            await self.end(Outcome.REFUSED, Reason.TICKET_NOT_FOUND)
        self.claim.stage(lambda record: replace(record, facts_read_at=read_at))
        self.step(StepName.TICKET_READ, ticket.ref.number)
        self.claim.stage(lambda record: journal.answered(record, WaitingFor.TICKET_SYSTEM))
        profile = _profile(ticket)
        if profile:
            self.claim.stage(lambda record: replace(record, profile=profile))
        reasons = self.ticket_refusals(ticket, profile)
        pins = Pins(ticket_subject=ticket.requested_for or None, ticket_opened_by=ticket.opened_by or None)
        self.claim.stage(lambda record: journal.pinned(record, pins))
        if self._telling is None and wording.marker(self.record, OwedKind.START_NOTE) not in ticket.activity:
            self.owe_note(OwedKind.START_NOTE, wording.start_note)
            self._telling = asyncio.create_task(self.tell_start())
        return ticket, reasons

    def ticket_refusals(self, ticket: Ticket, profile: Profile | None) -> tuple[Reason, ...]:
        facts = TicketFacts(ticket, profile, self.record.pins)
        return guardrails.refusals(guardrails.TICKET_RULES, facts, self.app.settings.limits)

    async def tell_start(self) -> None:
        """The start note is on the ticket, or stays owed: nothing waits for it."""
        await delivery.deliver(self.claim, self.app.queue, self.desk)

    async def look_at(self, identifier: str, *, pinned_id: str | None) -> tuple[tuple[Reason, ...], Inventory]:
        """Steps 3 and 4: every reason in the person to refuse, and what is registered for them."""
        try:
            person = await self.directory.person(identifier)
            self.step(StepName.PERSON_RESOLVED)
            privileges, current = await together(self.directory.privileges(person.id), self.directory.inventory(person.id))
        except PersonNotFound:
            return (Reason.USER_NOT_FOUND,), Inventory(())
        self.step(StepName.INVENTORY_READ, _counted(current), current.request_id)
        reasons = guardrails.refusals(
            guardrails.PERSON_RULES, PersonFacts(person, privileges, pinned_id), self.app.settings.limits
        )
        pins = Pins(subject_id=person.id)
        self.claim.stage(lambda record: journal.pinned(record, pins))
        return reasons, current

    async def carry_out(self, current: Inventory) -> NoReturn:
        """Steps 5 to 9 on what is registered now."""
        record = self.record
        first = record.inventory if record.inventory is not None else current.methods
        self.claim.stage(lambda record: replace(record, inventory=record.inventory or first))
        for entry in plan.effected(current, record.removals):
            self.gone(entry.type, entry.id, None)
        made = plan.make_plan(first, current, self.record.removals, record.profile, record.accepted_at)
        if not record.removal_begun:
            self.step(StepName.DECIDED, f"{len(made.removals)} to remove, {len(made.left_alone)} to leave")
            made = await self.foresee(made)
            if self.record.mode is Mode.DRY_RUN:
                await self.end_dry_run(made)
        # Authority is re-read at this place before the first removal.
        failures = await self.remove(made)
        await self.revoke(failures)
        if failures.later is not None:
            raise failures.later
        read_after = record.revoked_at is not None and not made.removals  # a turn that came only to read back
        await self.read_back(first, failures, current if read_after else None)

    async def foresee(self, made: Plan) -> Plan:
        """What can be known to fail ends the attempt here; a default that would be refused is changed, where permitted."""
        revoke = self.app.settings.revoke_sessions
        if lacking := await self.directory.lacking(made.removals, revoke=revoke, prefer=False):
            log.warning("attempt.lacks-permission", request_id=self.record.id, permissions=lacking)
            await self.end(Outcome.FAILED, Reason.GRAPH_FORBIDDEN)
        if not made.deadlocked:
            return made
        target = made.other_default
        if target is None or await self.directory.lacking((), revoke=False, prefer=True):
            await self.end(Outcome.FAILED, Reason.DEFAULT_METHOD_STUCK)
        assert target is not None
        if self.record.mode is Mode.ENFORCE and not await self.prefer(target):
            await self.end(Outcome.FAILED, Reason.DEFAULT_METHOD_STUCK)
        return replace(made, removals=plan.in_order(made.removals, target), default=target)

    async def prefer(self, target: str) -> bool:
        await self.claim.commit()
        try:
            changed = await self.directory.prefer(self.subject_id, target)
        except Forbidden:
            return False
        if changed:
            self.step(StepName.DEFAULT_CHANGED, target)
        return changed

    async def end_dry_run(self, made: Plan) -> NoReturn:
        now = self.claim.now()
        would = tuple(RemovalEntry(one.method.type, one.method.id, one.action, self.record.attempt, now) for one in made.removals)
        await self.end(Outcome.DONE, Reason.DRY_RUN, would_remove=would, left_alone=made.left_alone)

    async def remove(self, made: Plan) -> _Failures:
        """Step 6. Refused removals wait for the next pass; after one in which nothing went it pauses or changes the default."""
        failures, pending, may_prefer = _Failures(), list(made.removals), True
        for number in range(PASSES):
            refused: list[Removal] = []
            for removal in pending:
                await self.claim.commit(self.intent(removal))
                try:
                    answer = await self.directory.remove(self.subject_id, removal)
                except Forbidden as error:
                    log.warning("removal.forbidden", request_id=self.record.id, type=removal.method.type, cause=error.cause)
                    failures.forbidden = True
                    continue
                except Exception as error:  # noqa: BLE001 raised once the rest is done
                    failures.later = error
                    if isinstance(error, Unavailable) and error.retry_after is not None:
                        return failures  # asked to be left alone
                    continue
                if answer.gone:
                    self.gone(removal.method.type, removal.method.id, answer.request_id)
                else:
                    self.step(StepName.REMOVAL_REFUSED, removal.method.type, answer.request_id)
                    refused.append(removal)
            if not refused:
                return failures
            if len(refused) == len(pending):
                if number == PASSES - 1:
                    break
                target = plan.preferable(refused, made.default) if may_prefer else None
                may_prefer = False
                if target is None or not await self.prefer(target):
                    await self.app.clock.sleep(PASS_PAUSES[number])
            pending = refused
        failures.stuck = True  # or it is lag: the read-back is patient with it
        return failures

    def intent(self, removal: Removal) -> Callable[[Record], Record]:
        now = self.claim.now()
        return lambda record: journal.intend(record, removal, now)

    def gone(self, kind: str, method_id: str, request_id: str | None) -> None:
        now = self.claim.now()
        self.claim.stage(lambda record: journal.gone(journal.answered(record, WaitingFor.GRAPH), kind, method_id, now))
        self.step(StepName.METHOD_REMOVED, kind, request_id)

    async def revoke(self, failures: _Failures) -> None:
        """Step 7; also when there was nothing to remove."""
        if not self.app.settings.revoke_sessions or self.record.revoked_at is not None:
            return
        if not self.record.removal_begun:
            await self.claim.commit()  # whom this is done to is known before it is done
        try:
            request_id = await self.directory.revoke_sessions(self.subject_id)
        except Forbidden as error:
            log.warning("revocation.forbidden", request_id=self.record.id, cause=error.cause)
            failures.forbidden = True
            return
        now = self.claim.now()
        self.claim.stage(lambda record: replace(journal.answered(record, WaitingFor.GRAPH), revoked_at=now))
        self.step(StepName.SESSIONS_REVOKED, None, request_id)

    async def read_back(self, first: tuple[Method, ...], failures: _Failures, listing: Inventory | None) -> NoReturn:
        """Steps 8 and 9: what is registered now decides what may be said; meanwhile the ticket is looked at once more.

        Patience is with lag in the list, and with a default that is refused because of it.
        """
        since = self.record.read_back_since or self.claim.now()
        self.claim.stage(lambda record: replace(record, read_back_since=since))
        withdrawn = asyncio.create_task(self.withdrawn())
        try:
            for pause in (*READ_BACK_PAUSES, None):
                listing = listing or await self.directory.methods(self.subject_id)
                seen = plan.read_back(first, listing, self.record.removals, self.record.profile, self.record.accepted_at)
                patient = self.claim.now() - since < READ_BACK_PATIENCE
                if failures.stuck and patient:
                    break
                if not seen.still_there or not patient:
                    self.step(StepName.READ_BACK, _counted(listing), listing.request_id)
                    await self.end_read_back(bool(seen.still_there), seen.left_alone, failures, await withdrawn)
                if pause is None:
                    break
                listing = None
                await self.app.clock.sleep(pause)
        finally:
            withdrawn.cancel()
            await asyncio.wait([withdrawn])
        raise Unavailable(WaitingFor.GRAPH, "removed methods are still listed or refused", READ_BACK_AGAIN)

    async def end_read_back(
        self, still_there: bool, left_alone: tuple[LeftAlone, ...], failures: _Failures, withdrawn: bool
    ) -> NoReturn:
        reasons = failures.reasons()
        if still_there:
            reasons.add(Reason.NOT_REMOVED)
        if self.record.profile is Profile.FULL_RESET and any(left.why is Why.UNKNOWN_TYPE for left in left_alone):
            reasons.add(Reason.UNKNOWN_METHOD)
        if reasons:
            await self.end(Outcome.FAILED, *reasons, left_alone=left_alone, withdrawn=withdrawn)
        done = Reason.REMOVED if any(entry.gone_at for entry in self.record.removals) else Reason.NOTHING_TO_REMOVE
        await self.end(Outcome.DONE, done, left_alone=left_alone, withdrawn=withdrawn)

    async def withdrawn(self) -> bool:
        """Whether the ticket would by now be refused; what cannot be read is not said."""
        if self.record.ticket is None or self.desk is None or not self.record.removal_begun:
            return False
        try:
            ticket = await self.desk.read(self.record.ticket)
        except Exception as error:  # noqa: BLE001 nothing of it may keep the attempt from its end
            log.warning("ticket.not-looked-at-again", request_id=self.record.id, error=type(error).__name__)
            return False
        return bool(self.ticket_refusals(ticket, _profile(ticket)))

    # ---- the end

    async def end(self, outcome: Outcome, *reasons: Reason, **more: Any) -> NoReturn:
        await self.finish(outcome, *reasons, **more)
        raise Ended

    async def finish(self, outcome: Outcome, *reasons: Reason, withdrawn: bool = False, **more: Any) -> None:
        """Step 9: the outcome and everything it owes are stored in one conditional write."""
        now = self.claim.now()
        system = self.app.settings.ticket_system
        noted = self.desk is not None and _may_be_noted(self.record, reasons, self.app.settings.limits.ticket_tables)

        def ending(record: Record) -> Record:
            record = journal.end(record, outcome, reasons, now, **more)
            record = journal.owe(record, OwedKind.RESULT, delivery.event_content(wording.result_event(record)), now)
            if not noted:
                return record
            note = wording.outcome_note(record, done_state=system.done_state if system else None, withdrawn=withdrawn)
            return journal.owe(record, OwedKind.OUTCOME_NOTE, delivery.note_content(note), now)

        await self.claim.commit(ending)
        log.info(
            "attempt.ended", request_id=self.record.id, attempt=self.record.attempt, outcome=outcome, reasons=self.record.reasons
        )

    @property
    def subject_id(self) -> str:
        assert self.record.pins.subject_id is not None
        return self.record.pins.subject_id

    def step(self, name: StepName, detail: str | None = None, request_id: str | None = None) -> None:
        now = self.claim.now()
        self.claim.stage(lambda record: journal.step(record, name, now, detail, request_id))


def _profile(ticket: Ticket) -> Profile | None:
    """What the ticket asks for; None when it is no profile. A ticket that says nothing asks for the default."""
    if not ticket.profile:
        return Profile.REQUIRE_REREGISTER
    return next((profile for profile in Profile if profile == ticket.profile), None)


def _counted(listing: Inventory) -> str:
    return "1 method" if len(listing.methods) == 1 else f"{len(listing.methods)} methods"


def _may_be_noted(record: Record, reasons: tuple[Reason, ...], tables: frozenset[str]) -> bool:
    """A ticket that is not ours to read, or is not the one that was named, is not written to either."""
    return record.ticket is not None and record.ticket.table in tables and Reason.TICKET_NOT_FOUND not in reasons
