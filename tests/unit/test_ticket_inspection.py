"""What the doctor takes for shown by ServiceNow: rows that it asked for, with all that it asked for."""

import json
from collections.abc import Mapping
from typing import cast

import pytest

from shared.adapters.clock import SystemClock
from shared.adapters.servicenow.client import Reply, ServiceNowClient
from shared.adapters.servicenow.inspection import ServiceNowInspection
from shared.doctor.ports import RowsSeen

TICKET, OTHER = "5" * 32, "6" * 32
GROUP, MEMBER = "9" * 32, "8" * 32


class Instance:
    """Answers whatever it is asked with the same rows."""

    def __init__(self, *rows: Mapping[str, str], total: int | None = None) -> None:
        self._rows = [{name: {"value": value, "display_value": value} for name, value in row.items()} for row in rows]
        self._total = len(rows) if total is None else total

    async def send(self, method: str, path: str, query: Mapping[str, str]) -> Reply:
        assert method == "GET"
        return Reply(200, {"X-Total-Count": str(self._total)}, json.dumps({"result": self._rows}).encode())


def inspection(*rows: Mapping[str, str], total: int | None = None) -> ServiceNowInspection:
    instance = cast("ServiceNowClient", Instance(*rows, total=total))
    return ServiceNowInspection(instance, SystemClock())


def approval(ticket: str = TICKET, **more: str) -> dict[str, str]:
    return {"sys_id": "1" * 32, "sysapproval": ticket, "approver": MEMBER, "state": "approved", "sys_updated_on": "", **more}


async def test_approvals_of_the_ticket_are_shown() -> None:
    assert await inspection(approval(), approval()).approvals(TICKET) == RowsSeen(2, 2)


async def test_an_approval_without_a_field_that_decides_is_not_shown() -> None:
    hidden = approval()
    del hidden["state"]
    assert await inspection(approval(), hidden).approvals(TICKET) == RowsSeen(1, 2)


async def test_approvals_of_other_tickets_are_no_answer() -> None:
    """ServiceNow leaves out what it does not understand of a query, and the rest runs."""
    assert await inspection(approval(OTHER)).approvals(TICKET) == RowsSeen(0, 1)


@pytest.mark.parametrize(("group", "shown"), [(GROUP, 1), (OTHER, 0)])
async def test_members_of_other_groups_are_no_answer(group: str, shown: int) -> None:
    seen = await inspection({"sys_id": "1" * 32, "group": group, "user": MEMBER}).members(GROUP)
    assert seen == RowsSeen(shown, 1)


async def test_any_row_shows_that_a_table_can_be_read() -> None:
    assert await inspection({"sys_id": TICKET}, total=9).reach("sc_req_item") == RowsSeen(1, 9)
