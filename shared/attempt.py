"""One attempt in the hands of one worker: what it knows, what it has to work with, and how it ends."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from types import TracebackType
from typing import Any, NoReturn, Protocol, Self

import structlog

from shared import delivery, journal, statements, wording
from shared.app import App
from shared.audit import Audit, NotOnRecord
from shared.claim import Change, Claim
from shared.guardrails import Rule
from shared.model import Inventory, Note, Outcome, Reason, Verdict, WaitingFor
from shared.parallel import together
from shared.ports import Directory, Forbidden, TicketDesk, Unavailable
from shared.receipt import Anchor, EntryKind
from shared.record import OwedKind, Record, StepName
from shared.statements import Statement

log = structlog.get_logger()

LAST_MOMENT_SECONDS = 5  # for a start note that is still on its way when all else is done


class Ended(Exception):
    """The attempt has been given its outcome; the rest of the turn is skipped."""


class Answered(Protocol):
    @property
    def status(self) -> int: ...

    @property
    def request_id(self) -> str | None: ...


class Attempt:
    """Holds claim, receipt, and this invocation's directory and desk. A context: what goes on beside it ends when it is left."""

    def __init__(self, app: App, claim: Claim, audit: Audit, directory: Directory, desk: TicketDesk | None) -> None:
        self.app = app
        self.claim = claim
        self.audit = audit
        self.directory = directory
        self.desk = desk
        self._telling: asyncio.Task[object] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._telling is not None:
            await asyncio.wait([self._telling], timeout=0 if kind else LAST_MOMENT_SECONDS)
            self._telling.cancel()
            await asyncio.wait([self._telling])

    @property
    def record(self) -> Record:
        return self.claim.record

    @property
    def subject_id(self) -> str:
        assert self.record.pins.subject_id is not None
        return self.record.pins.subject_id

    # ---- what is remembered

    def step(self, name: StepName, detail: str | None = None, request_id: str | None = None) -> None:
        now = self.claim.now()
        self.claim.stage(lambda record: journal.step(record, name, now, detail, request_id))

    def judged(self, verdicts: tuple[Verdict, ...]) -> None:
        self.claim.stage(lambda record: journal.judged(record, verdicts))

    def unasked(self, rules: Iterable[Rule[Any]]) -> None:
        """What these rules said of an earlier reading is no verdict any more: there is nothing left to ask them of."""
        names = {rule.name for rule in rules}
        self.claim.stage(lambda record: journal.unjudged(record, names))

    def listed(self, name: StepName, listing: Inventory) -> None:
        count = len(listing.methods)
        self.step(name, "1 method" if count == 1 else f"{count} methods", listing.request_id)

    def read(self, listing: Inventory, *, back: bool = False) -> None:
        """What is registered goes on record."""
        self.audit.note(EntryKind.READ_BACK if back else EntryKind.INVENTORY, statements.inventory(listing))

    def decided(self) -> None:
        """What every rule has said goes on record."""
        self.audit.note(EntryKind.DECISION, statements.decision(self.record.verdicts))

    def gone(self, kind: str, method_id: str, request_id: str | None) -> None:
        now = self.claim.now()
        self.claim.stage(lambda record: journal.gone(journal.answered(record, WaitingFor.GRAPH), kind, method_id, now))
        log.info("removal.made", request_id=self.record.id, attempt=self.record.attempt, type=kind, graph_request_id=request_id)
        self.step(StepName.METHOD_REMOVED, kind, request_id)

    def owe_note(self, kind: OwedKind, write: Callable[[Record], Note]) -> None:
        if not _may_be_noted(self.record, (), self.app.settings.limits.ticket_tables):
            return
        now = self.claim.now()
        self.claim.stage(lambda record: journal.owe(record, kind, delivery.note_content(write(record)), now))

    def tell_start(self, activity: str) -> None:
        """The start note is on its way to a ticket with this `activity`, unless it stands there; nothing waits for it."""
        if self._telling is None and wording.marker(self.record, OwedKind.START_NOTE) not in activity:
            self.owe_note(OwedKind.START_NOTE, wording.start_note)
            self._telling = asyncio.create_task(delivery.deliver(self.claim, self.audit, self.app.queue, self.desk))

    # ---- what is changed

    async def intend(self, what: Statement, *changes: Change, known: bool = False) -> None:
        """The change may be made: it is on record, and in the journal what there is to know of it (`known`: that is there).

        Before the first one, and the first removal, `NotOnRecord` when the receipt cannot be written; later that stops nothing.
        """
        self.audit.note(EntryKind.INTENT, what)
        if not self.record.acted_on:
            await self.audit.begin()
            await self.claim.commit(*changes)
        elif known:
            await self.audit.try_to_write()
        else:
            await together(self.claim.commit(*changes), self.audit.try_to_write())

    async def answer[Answer: Answered](self, what: Statement, call: Awaitable[Answer]) -> Answer:
        """The answer to a call that changes something; it goes on record, or what kept it from coming does."""
        try:
            answer = await call
        except (Exception, asyncio.CancelledError) as error:
            cause = error.cause if isinstance(error, Unavailable | Forbidden) else type(error).__name__
            self.audit.note(EntryKind.CALL, {**what, **statements.failed(cause)})
            raise
        self.audit.note(EntryKind.CALL, {**what, **statements.answered(answer.status, answer.request_id)})
        return answer

    # ---- the end

    async def end(self, outcome: Outcome, *reasons: Reason, **more: Any) -> NoReturn:
        await self.finish(outcome, *reasons, **more)
        raise Ended

    async def finish(self, outcome: Outcome, *reasons: Reason, withdrawn: bool = False, **more: Any) -> None:
        """The outcome is on record; then it and everything it owes are stored in one conditional write."""
        now = self.claim.now()
        system = self.app.settings.ticket_system
        noted = self.desk is not None and _may_be_noted(self.record, reasons, self.app.settings.limits.ticket_tables)

        def ended(record: Record) -> Record:
            return journal.end(record, outcome, reasons, now, **more)

        receipt = await self._on_record(ended(self.record))

        def ending(record: Record) -> Record:
            record = replace(ended(record), receipt=receipt)
            record = journal.owe(record, OwedKind.RESULT, delivery.event_content(wording.result_event(record)), now)
            for kind, alert in wording.alerts(record).items():
                record = journal.owe(record, kind, delivery.event_content(alert), now)
            if not noted:
                return record
            note = wording.outcome_note(record, done_state=system.done_state if system else None, withdrawn=withdrawn)
            return journal.owe(record, OwedKind.OUTCOME_NOTE, delivery.note_content(note), now)

        await self.claim.commit(ending)
        record = self.record
        log.info(
            "attempt.ended",
            request_id=record.id,
            attempt=record.attempt,
            mode=record.mode,
            outcome=outcome,
            reason=record.reason,
            reasons=record.reasons,
            took_seconds=round(max(now - record.attempts_opened[-1], timedelta()).total_seconds(), 1),
        )
        for kind in wording.alerts(record):
            log.warning("alert.raised", request_id=record.id, attempt=record.attempt, kind=kind)

    async def _on_record(self, ended: Record) -> Anchor | None:
        """The anchor of the outcome. Only an attempt that fails because of storage, after long enough, ends without one."""
        if not self.audit.begun:
            self.decided()
        self.audit.note(EntryKind.OUTCOME, statements.outcome(ended))
        try:
            return await self.audit.write()
        except NotOnRecord:
            give_up_after = self.app.settings.give_up_after
            hopeless = journal.given_up(self.record, WaitingFor.STORAGE, give_up_after, self.claim.now())
            if ended.outcome is Outcome.FAILED and hopeless:
                return None
            raise


def _may_be_noted(record: Record, reasons: tuple[Reason, ...], tables: frozenset[str]) -> bool:
    """A ticket that is not ours to read, or is not the one that was named, is not written to either."""
    return record.ticket is not None and record.ticket.table in tables and Reason.TICKET_NOT_FOUND not in reasons
