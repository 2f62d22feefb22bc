"""Whatever happens to a request in whatever order, its record stays true, nothing owed is lost, and nothing gone comes back."""

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shared import journal
from shared.admission import Taken, admit
from shared.journal import StaleFacts
from shared.model import Event, Mode, Outcome, Reason, Removal, Status, WaitingFor
from shared.record import RECORD_JSON, OwedKind, Pins, Record, SeenEvent
from tests.unit import build

INVENTORY = tuple(build.method("microsoftAuthenticator", f"app-{number}") for number in range(3))
JITTER = st.sampled_from([0.0, 0.5, 0.99])
MODES = st.sampled_from(Mode)
REASONS = {
    Outcome.REFUSED: (Reason.TICKET_NOT_APPROVED, Reason.USER_PRIVILEGED),
    Outcome.FAILED: (Reason.GRAPH_FORBIDDEN, Reason.INTERNAL_ERROR),
    Outcome.DONE: (Reason.REMOVED, Reason.NOTHING_TO_REMOVE),
}


class History(RuleBasedStateMachine):
    """One ticket's request in the hands of everybody who may change it: senders, workers, the sweep, and time."""

    record: Record

    def __init__(self) -> None:
        super().__init__()
        self.now = build.NOW
        self.events: list[tuple[Event, SeenEvent]] = []
        self.attempts: dict[int, tuple[datetime, Mode]] = {}
        self.owing: set[tuple[OwedKind, int]] = set()
        self.gone: set[str] = set()
        self.before: Record | None = None

    @property
    def at_work(self) -> bool:
        return self.record.status is Status.RUNNING and self.leased

    @property
    def leased(self) -> bool:
        return self.record.lease is not None and self.record.lease.until > self.now

    # ---- senders

    @initialize(mode=MODES)
    def first_event(self, mode: Mode) -> None:
        event = build.ticket_event("msg-0")
        admission = admit(event, "message", self.now, None, None, mode=mode, now=self.now)
        self.record, self.events = admission.record, [(event, admission.seen)]

    @rule(mode=MODES, on_the_queue=st.sampled_from([0, 1, 90, 7200]))
    def new_event(self, mode: Mode, on_the_queue: int) -> None:
        event = build.ticket_event(f"msg-{len(self.events)}")
        arrived_at = max(self.now - timedelta(seconds=on_the_queue), build.NOW)
        old = self.record
        admission = admit(event, "message", arrived_at, None, old, mode=mode, now=self.now)
        self.record = admission.record
        self.events.append((event, admission.seen))
        assert admission.seen.attempt == self.record.attempt
        match admission.taken:
            case Taken.REOPENED:
                assert self.record.attempt == old.attempt + 1
                assert old.outcome is not Outcome.DONE or old.mode is Mode.DRY_RUN
            case Taken.JOINED | Taken.FINAL | Taken.EXHAUSTED:
                assert self.record.attempt == old.attempt
            case unexpected:
                raise AssertionError(unexpected)

    @rule(data=st.data())
    def known_event(self, data: st.DataObject) -> None:
        event, seen = data.draw(st.sampled_from(self.events))
        admission = admit(event, "message", self.now, seen, self.record, mode=Mode.ENFORCE, now=self.now)
        assert admission.taken is Taken.COPY
        assert admission.record is self.record

    # ---- time, and who comes by

    @rule(seconds=st.sampled_from([1, 10, 120, 900, 7200, 90_000, 700_000]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: (due := journal.due_at(self.record)) is not None and due <= self.now)
    @rule()
    def sweep(self) -> None:
        self.record = journal.put_back(self.record, self.now)

    @precondition(lambda self: journal.may_claim(self.record, self.now))
    @rule(mode=MODES)
    def claim(self, mode: Mode) -> None:
        self.record = journal.claim(self.record, "worker", self.now, build.LEASE, mode)

    # ---- a worker

    @precondition(lambda self: self.leased)
    @rule()
    def renew(self) -> None:
        self.record = journal.renew(self.record, self.now, build.LEASE)

    @precondition(lambda self: self.at_work)
    @rule()
    def look(self) -> None:
        record = replace(self.record, facts_read_at=self.now, inventory=self.record.inventory or INVENTORY)
        record = journal.answered(record, WaitingFor.TICKET_SYSTEM)
        self.record = journal.pinned(record, Pins(build.ADELE, build.SUBJECT, build.OPENER))

    @precondition(lambda self: self.at_work and self.record.mode is Mode.ENFORCE and self.record.inventory)
    @rule(number=st.integers(0, 2), answered=st.booleans())
    def remove(self, number: int, answered: bool) -> None:
        method = INVENTORY[number]
        if method.id in self.gone:
            return
        self.record = journal.intend(self.record, Removal(method), self.now)
        if answered:
            self.record = journal.gone(self.record, method.type, method.id, self.now)
            self.gone.add(method.id)

    @precondition(lambda self: self.at_work)
    @rule(waiting_for=st.sampled_from([*WaitingFor, None]), asked=st.sampled_from([None, 0, 60, 10**9]), jitter=JITTER)
    def wait(self, waiting_for: WaitingFor | None, asked: int | None, jitter: float) -> None:
        retry_after = None if asked is None else timedelta(seconds=asked)
        self.record = journal.wait(self.record, waiting_for, retry_after, self.now, jitter)
        assert (self.record.next_try_at is None) == (waiting_for in journal.FOR_A_HUMAN)
        assert self.record.next_try_at is None or self.record.next_try_at - self.now <= timedelta(days=6)
        self.record = journal.still_telling(self.record, retry_after, self.now, jitter)

    @precondition(lambda self: journal.held_for(self.record) is not None)
    @rule(other=st.booleans())
    def turn_the_switch_off(self, other: bool) -> None:
        held_for = journal.held_for(self.record)
        (other_switch,) = journal.FOR_A_HUMAN - {held_for}
        self.record = journal.moved_on(self.record, other_switch, self.now) if other else journal.resume(self.record, self.now)

    @precondition(lambda self: self.at_work)
    @rule(kind=st.sampled_from([OwedKind.START_NOTE, OwedKind.WAITING_NOTE]))
    def owe_note(self, kind: OwedKind) -> None:
        self._owe(kind)

    @precondition(lambda self: self.at_work)
    @rule(outcome=st.sampled_from(Outcome), which=st.integers(0, 1))
    def end(self, outcome: Outcome, which: int) -> None:
        reason = REASONS[outcome][which]
        try:
            self.record = journal.end(self.record, outcome, (reason,), self.now)
        except StaleFacts:
            assert self.record.facts_read_at is not None
            assert self.record.facts_read_at < self.record.latest_event_at
            assert outcome is Outcome.REFUSED
            return
        self._owe(OwedKind.OUTCOME_NOTE)
        self._owe(OwedKind.RESULT)

    def _owe(self, kind: OwedKind) -> None:
        self.record = journal.owe(self.record, kind, "{}", self.now)
        self.owing.add((kind, self.record.attempt))

    @precondition(lambda self: self.leased and self.record.owed)
    @rule(data=st.data(), heard=st.booleans())
    def deliver(self, data: st.DataObject, heard: bool) -> None:
        one = data.draw(st.sampled_from(self.record.owed))
        if heard:
            self.record = journal.delivered(self.record, one, self.now)
            self.owing.remove((one.kind, one.attempt))
        else:
            self.record = journal.undelivered(self.record, one)

    @precondition(lambda self: self.leased)
    @rule()
    def give_up_telling(self) -> None:
        for one in journal.overdue(self.record, self.now):
            self.record = journal.undeliverable(self.record, one)
            self.owing.remove((one.kind, one.attempt))

    @precondition(lambda self: self.leased and not self.at_work)
    @rule(asked=st.sampled_from([None, 60, 10**9]), jitter=JITTER)
    def settle(self, asked: int | None, jitter: float) -> None:
        self.record = journal.settle(self.record, timedelta(seconds=asked) if asked else None, self.now, jitter)

    # ---- what holds all the time

    @invariant()
    def the_record_can_be_true_and_survives_its_json_form(self) -> None:
        journal.check(self.record)
        assert RECORD_JSON.validate_json(RECORD_JSON.dump_json(self.record, exclude_defaults=True)) == self.record

    @invariant()
    def nothing_owed_is_lost_and_nothing_told_is_owed(self) -> None:
        assert {(one.kind, one.attempt) for one in self.record.owed} == self.owing

    @invariant()
    def nothing_gone_comes_back(self) -> None:
        assert {entry.id for entry in self.record.removals if entry.gone_at} == self.gone

    @invariant()
    def whoever_has_something_left_to_do_is_woken_for_it(self) -> None:
        due = journal.due_at(self.record)
        held = journal.held_for(self.record) is not None
        assert (due is not None or held) == (self.record.is_open or bool(self.record.owed))
        assert due is None or (self.record.message is not None and journal.may_claim(self.record, due))

    @invariant()
    def no_more_than_five_attempts_are_enforced_in_a_day(self) -> None:
        self.attempts[self.record.attempt] = (self.record.attempts_opened[-1], self.record.mode)
        enforced = [at for at, mode in self.attempts.values() if mode is Mode.ENFORCE]
        assert sum(self.now - at < timedelta(hours=24) for at in enforced) <= 5

    @invariant()
    def some_things_never_change(self) -> None:
        old, new = self.before, self.record
        self.before = new
        if old is None:
            return
        assert new.id == old.id
        assert new.attempt >= old.attempt
        if old.removals:
            assert (new.accepted_at, new.inventory) == (old.accepted_at, old.inventory)
        if old.removal_begun and new.attempt == old.attempt:
            assert new.removal_begun
            assert new.mode is Mode.ENFORCE
        if old.mode is Mode.DRY_RUN and new.attempt == old.attempt:
            assert new.mode is Mode.DRY_RUN
        if old.outcome is Outcome.DONE and old.mode is Mode.ENFORCE:
            assert (new.attempt, new.outcome, new.reasons, new.ended_at) == (old.attempt, old.outcome, old.reasons, old.ended_at)


TestHistories = History.TestCase
TestHistories.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
