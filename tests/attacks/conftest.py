"""One stack with every guard up for the whole tier, and how the attacks are counted."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox.stack import Stack
from tests.attacks import wall
from tests.attacks.under_way import LONG_ATTACKS, UnderWay
from tests.attacks.wall import STRICT, TICKET_TEXT
from tests.e2e.conftest import Traces, another, going_on, traces
from tests.e2e.story import DEVICE, PHONE, Another, told

__all__ = ["another", "traces"]

HERE = Path(__file__).parent
HONEST, LONG = "test_honest.py", "test_velocity.py"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def under_way(request: pytest.FixtureRequest, another: Another) -> AsyncIterator[UnderWay]:
    """The attacks that take longest, begun with the session's first if this session looks at them."""
    wanted = any("under_way" in getattr(item, "fixturenames", ()) and item.path.name == LONG for item in request.session.items)
    async with going_on({attack: attack(another) for attack in LONG_ATTACKS if wanted}) as tasks:
        yield tasks


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(another: Another, traces: Traces, under_way: object) -> AsyncIterator[Stack]:
    """Enforces with every guard up. When all is over nothing has come of any attack, and nothing private was said."""
    del under_way
    async with another(**STRICT) as running:
        await wall.prepared(running)
        yield running
        for attack, writes, alerts in wall.SO_FAR.attacks:
            if attack.stack is running:
                await wall.still_held(attack, writes, alerts)
        await nothing_private(running, traces)


async def nothing_private(stack: Stack, traces: Traces) -> None:
    """No log, result, alert or note has a number, a device, a name, a key, a token or what somebody wrote on a ticket."""
    people = await stack.graph.get("/_sim/users")
    words = {PHONE, DEVICE, TICKET_TEXT, "eyJ", "AccountKey", "Bearer ", "whsec_"}
    words |= {stack.account.key, stack.journal_account.key, stack.function_key, stack.webhook_key.removeprefix("whsec_")}
    words |= {value for one in people for value in (one["userPrincipalName"], one["displayName"])}
    said = [*traces.lines, *(json.dumps(event) for event in await told(stack))]
    for attack, _, _ in wall.SO_FAR.attacks:
        if attack.stack is stack and attack.ticket is not None:
            said += [entry.text for entry in await attack.activity() if f"[{attack.id}#" in entry.text]
    assert not {(word, line) for word in words for line in said if word in line}


# ---- the count


def _is_attack(report: pytest.TestReport) -> bool:
    path = Path(report.fspath)
    return report.when == "call" and "attacks" in path.parts and path.name != HONEST


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    return ("passed", ".", "HELD") if report.passed and _is_attack(report) else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [one for ones in terminalreporter.stats.values() for one in ones if isinstance(one, pytest.TestReport)]
    attacks = [report for report in reports if _is_attack(report)]
    if attacks:
        terminalreporter.write_line(f"{len(attacks)} attacks, {sum(report.passed for report in attacks)} held")
