"""The live tier: opt-in by settings, guarded before the first write, cleaned up at the end, told as a table.

Never green without having run: without settings it ends with a sentence, and a test whose optional setting is missing is told in
the table as not run.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live import settings, verdicts
from tests.live.claims import confirmed_by
from tests.live.graph import Graph, Unexpected
from tests.live.people import Left, Person
from tests.live.run import Live, begun
from tests.live.settings import ROOT, DeployedApp
from tests.live.verdicts import Claim

REFUSED = 2
PATIENCE_SECONDS = 600
PAGE = ROOT / "docs" / "verification.md"
HERE = Path(__file__).parent
ALONE = "The live tier writes to a tenant, and is run by itself: make live"
LIVE = pytest.StashKey[Live]()


def pytest_addoption(parser: pytest.Parser) -> None:
    options = parser.getgroup("live tier")
    options.addoption("--out", dest="live_out", type=Path, metavar="FILE", help="the table as JSON")
    options.addoption("--clean", dest="live_clean", action="store_true", help="only remove whom an earlier run has left behind")


def pytest_configure(config: pytest.Config) -> None:
    if config.option.help or not hasattr(config.option, "live_clean"):  # the second: found while others are collected
        return
    config.option.tbstyle = "line"  # no source lines, so no values, in what may be kept or sent to somebody
    try:
        live = begun(settings.load(os.environ), cleaning=config.option.live_clean)
    except settings.Wrong as wrong:
        pytest.exit(_listed("The live tier was not run.", wrong.problems), REFUSED)
    except Unexpected as error:
        pytest.exit(_listed("The live tier was not run.", [f"{error}."]), REFUSED)
    if config.option.live_clean:
        _clean(live)
    config.stash[LIVE] = live


def _clean(live: Live) -> None:
    before = live.people.made.left(live.people.tenant)
    left = live.people.remove_all()
    removed = len(before) - len(left)
    pytest.exit(_listed(f"{removed} of {len(before)} users that were left behind are gone.", left), 1 if left else 0)


def _listed(head: str, sentences: list[str]) -> str:
    return "\n  ".join((head, *sentences))


def pytest_report_header(config: pytest.Config) -> str | None:
    live = config.stash.get(LIVE, None)
    return f"live: tenant {live.people.tenant} ({live.name}), run {live.people.run}" if live else None


# ---- which tests run


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    live = config.stash.get(LIVE, None)
    if live is None or any(HERE not in item.path.parents for item in items):
        pytest.exit(ALONE, REFUSED)
    given, table = live.settings.given(), verdicts.rows(PAGE.read_text("utf-8"))
    kept: list[pytest.Item] = []
    missing: list[pytest.Item] = []
    for item in items:
        item.add_marker(pytest.mark.timeout(PATIENCE_SECONDS))
        said = confirmed_by(getattr(item, "function", None))
        row = verdicts.row_of(said.row, table) if said.row else None
        if row and said.rest:
            live.rest[row] = said.rest
        lacking = [name for name in said.needs if name not in given]
        why = f"without {', '.join(lacking)}" if lacking else "it was not reached"
        live.claims[item.nodeid] = Claim(item.name.removeprefix("test_").replace("_", " "), row, "not run", why)
        (missing if lacking else kept).append(item)
    items[:] = kept
    if missing:
        config.hook.pytest_deselected(items=missing)


# ---- what tests are given


@pytest.fixture(scope="session")
def live(pytestconfig: pytest.Config) -> Live:
    return pytestconfig.stash[LIVE]


@pytest.fixture
def person(live: Live) -> Iterator[Person]:
    """A user of the test's own, who is gone afterwards."""
    entry, made = live.people.make(live.domain)
    yield made
    try:
        live.people.remove(entry)
    except Left:
        return  # tried once more at the end, and told then


@pytest.fixture(scope="session")
def as_app(live: Live) -> Iterator[Graph]:
    """Graph as the app's own identity speaks to it."""
    graph = Graph(live.settings.graph, live.settings.app_token)
    yield graph
    graph.close()


@pytest.fixture(scope="session")
def app(live: Live) -> DeployedApp:
    assert live.settings.app
    return live.settings.app


# ---- what came out


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report: pytest.TestReport = yield  # type: ignore[assignment]
    claims, error = item.config.stash[LIVE].claims, call.excinfo
    before = claims[item.nodeid]
    if error and call.when != "teardown":
        found: verdicts.State = "contradicted" if call.when == "call" and error.errisinstance(AssertionError) else "not run"
        why = str(error.value).partition("\n")[0] or error.typename
        claims[item.nodeid] = Claim(before.text, before.row, found, why, dict(report.user_properties))
    elif call.when == "call":
        claims[item.nodeid] = Claim(before.text, before.row, "confirmed", "", dict(report.user_properties))
    return report  # type: ignore[return-value]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """What was made is removed, whatever happened; the run is green only if something was confirmed and nobody is left."""
    live = session.config.stash.get(LIVE, None)
    if live is None:
        return
    live.left = live.people.remove_all()
    states = {claim.state for claim in live.claims.values()}
    if session.exitstatus == pytest.ExitCode.OK and (live.left or "confirmed" not in states or "contradicted" in states):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if out := session.config.option.live_out:
        out.write_text(json.dumps(_document(live), indent=2, default=str) + "\n", "utf-8")


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    live = config.stash.get(LIVE, None)
    if live is None:
        return
    terminalreporter.section("docs/verification.md, row by row")
    for line in verdicts.lines(_said(live)):
        terminalreporter.write_line(line)
    for why in live.left:
        terminalreporter.write_line(f"left behind   {why}", red=True)
    if live.left:
        terminalreporter.write_line("              Later, and with the same settings: make live-clean", red=True)


def _said(live: Live) -> list[verdicts.Verdict]:
    return verdicts.verdicts(verdicts.rows(PAGE.read_text("utf-8")), list(live.claims.values()), live.rest)


def _document(live: Live) -> dict[str, Any]:
    head = {"tenant": live.people.tenant, "name": live.name, "run": live.people.run}
    return {**head, "rows": verdicts.document(_said(live)), "left": live.left}
