"""The fakes of the directory and the ticket desk keep the contracts that the real adapters keep.

Those of storage are in `test_journal.py` and `test_queues.py`, beside the real ones.
"""

from collections.abc import Collection
from datetime import UTC, datetime

import pytest

from sandbox.graph import Tenant
from shared.model import Approval, WaitingFor
from shared.ports import Forbidden, Unavailable
from tests.calls import Calls
from tests.contract.test_graph_adapter import DirectoryContract
from tests.contract.test_graph_adapter import World as DirectoryWorld
from tests.contract.test_servicenow_adapter import ADELE, ALEX, ITEM, MEGAN, REF, TICKET, UPN, TicketDeskContract
from tests.contract.test_servicenow_adapter import World as DeskWorld
from tests.fakes import FakeDesk, FakeDirectory, FakeTicket

APPROVED_AT = datetime(2026, 11, 24, 1, tzinfo=UTC)


class FakeTenant:
    """A tenant and the fake directory of it."""

    def __init__(self) -> None:
        self.tenant = Tenant()
        self.directory = FakeDirectory(self.tenant)

    def grant(self, permissions: Collection[str]) -> None:
        self.directory.permissions = frozenset(permissions)


class TestFakeDirectory(DirectoryContract):
    @pytest.fixture
    def world(self) -> DirectoryWorld:
        return FakeTenant()


class FakeInstance:
    """A fake desk with the ticket of the contract, and what happens to it."""

    def __init__(self) -> None:
        self.calls = Calls(usual_seconds=0)
        self.desk = FakeDesk(self.calls)
        self.desk.people = {ADELE: UPN}
        self.ticket = FakeTicket(REF, ITEM, ADELE, ALEX, approvals=[Approval(MEGAN, "approved", APPROVED_AT)])
        self.desk.tickets[TICKET] = self.ticket

    def close(self) -> None:
        self.ticket.active = False

    def reject(self, approver: str) -> None:
        self.ticket.approvals.append(Approval(approver, "rejected", APPROVED_AT))
        self.ticket.approval = "rejected"

    def ask_for(self, user: str) -> None:
        self.ticket.requested_for = user

    def call_adele(self, identifier: str) -> None:
        self.desk.people[ADELE] = identifier

    def entries(self, journal: str) -> list[str]:
        return {"work_notes": self.ticket.work_notes, "comments": self.ticket.comments}[journal]

    def state(self) -> str:
        return self.ticket.state

    def fail(self) -> None:
        self.calls.down(WaitingFor.TICKET_SYSTEM, "desk.read", "desk.write")

    def forbid(self) -> None:
        for call in ("desk.read", "desk.write"):
            self.calls.fail(call, Forbidden(WaitingFor.TICKET_SYSTEM, "403"), times=None)

    def lose_next_answer(self) -> None:
        self.calls.fail("desk.write", Unavailable(WaitingFor.TICKET_SYSTEM, "reset"), after=True)

    def freeze_state(self) -> None:
        self.desk.state_is_frozen = True


class TestFakeDesk(TicketDeskContract):
    @pytest.fixture
    def world(self) -> DeskWorld:
        return FakeInstance()
