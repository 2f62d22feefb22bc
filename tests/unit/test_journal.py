"""What holds for every record and every change: changes may be applied again, contradictions are found, nothing owed is lost."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from shared import journal
from shared.journal import IllegalRecord
from shared.model import LeftAlone, Mode, Outcome, Reason, Removal, Status, WaitingFor, Why
from shared.record import RECORD_JSON, Lease, Outage, OwedKind, Pins, Record, StepName
from tests.unit import build
from tests.unit.build import LEASE, NOW, after, before

DRY_RUN = Mode.DRY_RUN
GRAPH, TICKET_SYSTEM = WaitingFor.GRAPH, WaitingFor.TICKET_SYSTEM
ANY_STATE = pytest.mark.parametrize("state", build.STATES)

# ---- a change applied to its own result

APP = build.method("microsoftAuthenticator", "1")
RUNNING = build.begun(build.method(), APP, owed=(build.owed(OwedKind.START_NOTE),), outages=(Outage(GRAPH, NOW),), waits=2)
ENDED = build.ended(message="m", owed=(build.owed(OwedKind.OUTCOME_NOTE), build.owed()), lease=Lease("worker-1", after(hours=1)))
CHANGES: dict[str, tuple[Record, Callable[[Record], Record]]] = {
    "renew": (RUNNING, lambda record: journal.renew(record, after(minutes=1), LEASE)),
    "step": (RUNNING, lambda record: journal.step(record, StepName.READ_BACK, after(minutes=1), "1 methods")),
    "pinned": (build.record(), lambda record: journal.pinned(record, Pins("a", "b", "c"))),
    "answered": (RUNNING, lambda record: journal.answered(record, GRAPH)),
    "intend": (RUNNING, lambda record: journal.intend(record, Removal(APP), after(minutes=1))),
    "gone": (RUNNING, lambda record: journal.gone(record, "phone", build.MOBILE, after(minutes=1))),
    "wait": (RUNNING, lambda record: journal.wait(record, TICKET_SYSTEM, None, after(minutes=1), 0.5)),
    "wait without a name": (RUNNING, lambda record: journal.wait(record, None, None, after(minutes=1), 0.5)),
    "end": (RUNNING, lambda record: journal.end(record, Outcome.DONE, (Reason.REMOVED,), after(minutes=1))),
    "owe": (RUNNING, lambda record: journal.owe(record, OwedKind.RESULT, "{}", after(minutes=1))),
    "delivered": (ENDED, lambda record: journal.delivered(record, ENDED.owed[1], after(minutes=2))),
    "undelivered": (ENDED, lambda record: journal.undelivered(record, ENDED.owed[1])),
    "unrecorded": (ENDED, lambda record: journal.unrecorded(record, ENDED.owed[1])),
    "settle": (ENDED, lambda record: journal.settle(record, None, after(minutes=2), 0.5)),
    "settle for good": (replace(ENDED, owed=()), lambda record: journal.settle(record, None, after(minutes=2), 0.5)),
    "put back": (build.record(), lambda record: journal.put_back(record, after(minutes=2))),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_whose_write_was_answered_by_nobody_may_be_applied_to_its_own_result(name: str) -> None:
    record, change = CHANGES[name]
    once = change(record)
    assert change(once) == once
    assert once != record


# ---- what cannot be true


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        (build.running(status=Status.DONE), "outcome and status differ"),
        (build.ended(status=Status.RUNNING, lease=Lease("w", NOW)), "outcome and status differ"),
        (build.ended(status=Status.DONE), "outcome and status differ"),
        (build.ended(reasons=()), "an outcome without a reason"),
        (build.running(lease=None), "running without a lease"),
        (build.record(message=None), "something left to do and no message"),
        (build.ended(owed=(build.owed(),)), "something left to do and no message"),
        (build.begun(inventory=None), "a removal that the first inventory did not hold"),
        (build.begun(inventory=(APP,)), "a removal that the first inventory did not hold"),
        (build.begun(mode=DRY_RUN), "a removal in a dry run"),
        (build.record(ticket=None), "neither ticket nor subject"),
        (build.record(subject="adele.vance@contoso.com"), "neither ticket nor subject"),
    ],
)
def test_a_record_that_contradicts_itself_is_illegal(record: Record, problem: str) -> None:
    with pytest.raises(IllegalRecord, match=problem):
        journal.check(record)


def test_every_contradiction_is_named_at_once() -> None:
    with pytest.raises(IllegalRecord, match="running without a lease; something left to do and no message"):
        journal.check(build.running(lease=None, message=None))


@ANY_STATE
def test_a_record_that_can_be_true_is_given_back(state: str) -> None:
    record = build.STATES[state]
    assert journal.check(record) is record


# ---- as JSON


@ANY_STATE
def test_a_record_survives_its_json_form(state: str) -> None:
    record = build.STATES[state]
    assert RECORD_JSON.validate_json(RECORD_JSON.dump_json(record, exclude_defaults=True)) == record


def test_a_full_record_survives_its_json_form() -> None:
    record = build.begun(
        build.method("hardwareOath", "1", before(days=1), active=True),
        APP,
        waiting_for=GRAPH,
        next_try_at=after(hours=1),
        outages=(Outage(GRAPH, NOW),),
        put_back_at=after(minutes=1),
        revoked_at=after(minutes=2),
        read_back_since=after(minutes=3),
        left_alone=(LeftAlone("fido2", "1", Why.REGISTERED_SINCE),),
        owed=(build.owed(tried=2),),
        requested_by="soar-playbook-17",
    )
    assert RECORD_JSON.validate_json(RECORD_JSON.dump_json(record)) == record
