"""The live tier itself, run as `make live` runs it, against simulated services: it passes, refuses, and leaves nothing behind."""

import asyncio
import contextlib
import json
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from sandbox import tokens
from sandbox.graph import Settings, SimulatedGraph, Tenant
from sandbox.graph.organization import Organization
from sandbox.identity import API_VERSION, DEFAULT_PERMISSIONS, PATH
from sandbox.people import ADELE, CHRISTIE, Person
from sandbox.processes import ROOT
from sandbox.simulator import Fault, running
from sandbox.stack import lent
from tests.e2e.conftest import going_on
from tests.e2e.story import Another, no_rule
from tests.live.people import DISPLAY_NAME, PREFIX

type Scenario = Callable[[Path], Awaitable[None]]

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPERATOR = ("Directory.Read.All", "User.ReadWrite.All", "UserAuthenticationMethod.ReadWrite.All")
QUICKLY = ("-p", "no:cacheprovider", "-p", "no:schemathesis", "--confcutdir", "tests/live")
"""Nothing of what is left out here is of use to the tier, and it takes longer to import than the tier to run."""
AT_ONCE = 2
IN_PART = ("`isManagementRestricted` may be selected", "The list of hardware OATH methods", "PIM for Groups is readable")
"""Rows of which no test tries the rest."""
FOR_TESTS = {"display_name": "Contoso Test", "domains": ["contoso.onmicrosoft.com"]}


@dataclass
class Run:
    """How one run of the live tier ended, and the table that it has written."""

    status: int
    output: str
    table: dict[str, Any] = field(default_factory=dict)

    def state(self, beginning: str) -> str:
        [row] = [row for row in self.table["rows"] if row["row"].startswith(beginning)]
        return str(row["state"])


@dataclass
class Place:
    """Where a run takes place: the settings that its shell has, and files of its own."""

    folder: Path
    graph_url: str
    token: str
    settings: dict[str, str] = field(default_factory=dict)

    def environment(self, **changes: str) -> dict[str, str]:
        token = self.folder / "token"
        token.write_text(self.token)
        given = {
            "LIVE_TENANT_ID": tokens.TENANT,
            "LIVE_CONFIRM": tokens.TENANT,
            "LIVE_GRAPH_TOKEN_COMMAND": f"cat '{token}'",
            "LIVE_GRAPH_ENDPOINT": self.graph_url,
            "LIVE_JOURNAL": str(self.journal),
            **self.settings,
            **changes,
        }
        return lent() | {name: value for name, value in given.items() if value}

    @property
    def journal(self) -> Path:
        return self.folder / "made.jsonl"

    async def start(self, *words: str, **changes: str) -> asyncio.subprocess.Process:
        line = ["-m", "pytest", "tests/live", *QUICKLY, "--out", str(self.folder / "out.json"), *words]
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *line,
            cwd=ROOT,
            env=self.environment(**changes),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )

    async def run(self, *words: str, **changes: str) -> Run:
        process = await self.start(*words, **changes)
        try:
            output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        out, status = self.folder / "out.json", process.returncode
        assert status is not None
        return Run(status, output.decode(), json.loads(out.read_text()) if out.exists() else {})


@dataclass
class Simulated(Place):
    """A place with a simulated Graph in this process, to be scripted and looked at."""

    graph: SimulatedGraph = field(kw_only=True)

    @property
    def tenant(self) -> Tenant:
        return self.graph.tenant

    def names(self) -> set[str]:
        return {account.person.user_principal_name for account in self.tenant.accounts.values()}


@contextlib.asynccontextmanager
async def simulated(folder: Path, *, operator: Iterable[str] = OPERATOR, **organization: Any) -> AsyncIterator[Simulated]:
    graph = SimulatedGraph(Tenant(settings=Settings(hidden_in_v1=frozenset())))
    graph.tenant.organization = Organization(**{**FOR_TESTS, **organization})
    async with running(graph.app) as url:
        yield Simulated(folder, url, tokens.mint(url, list(operator)), graph=graph)


def marked(name: str, mark: str, **more: Any) -> dict[str, Any]:
    return {"tenant": tokens.TENANT, "name": name, "mark": mark, "at": time.time() - 3600, "id": "", "step": "meant", **more}


def person(name: str, **more: Any) -> Person:
    return Person(id=str(uuid.uuid4()), user_principal_name=name, display_name=DISPLAY_NAME, given_name="", surname="", **more)


# ---- it passes


async def test_everything_is_confirmed_on_a_test_tenant_with_an_app_in_dry_run(
    another: Another, under_way: Mapping[Scenario, asyncio.Task[None]], tmp_path: Path
) -> None:
    del under_way  # the others have begun
    async with another(MODE="dry-run") as stack:
        await stack.graph.put("/_sim/organization", {"displayName": "Contoso Test", "domains": ["contoso.onmicrosoft.com"]})
        await stack.graph.put("/_sim/settings", {"hiddenInV1": []})
        before = await stack.graph.get("/_sim/users")
        app_token = await identitys_token(stack)
        await stack.identity.put("/_sim/roles", {"roles": sorted(OPERATOR)})
        operators_token = await identitys_token(stack)
        await stack.identity.put("/_sim/roles", {"roles": sorted(DEFAULT_PERMISSIONS)})
        async with no_rule(stack):
            ticket = await stack.open_ticket(ADELE)
            await stack.approve(ticket)
        settings = tmp_path / "settings.json"
        settings.write_text(json.dumps({"IsEncrypted": False, "Values": stack.settings}))
        secrets = {
            "LIVE_APP_TOKEN": app_token,
            "LIVE_FUNCTION_KEY": stack.function_key,
            "LIVE_WEBHOOK_KEY": stack.webhook_key,
        }
        place = Place(
            tmp_path,
            stack.graph.url,
            operators_token,
            {
                **secrets,
                "LIVE_HARDWARE_OATH_USER": next(one["id"] for one in before if one["userPrincipalName"] == CHRISTIE),
                "LIVE_APP_URL": stack.app.url,
                "LIVE_TICKET": f"sc_req_item/{ticket['sys_id']}/{ticket['number']}",
                "LIVE_APP_SETTINGS": str(settings),
            },
        )
        run = await place.run()
        assert run.status == 0, run.output
        states = {row["row"]: row["state"] for row in run.table["rows"] if row["claims"]}
        assert states, run.output
        unfinished = {row for row, state in states.items() if state != "confirmed"}
        assert all(row.startswith(IN_PART) for row in unfinished), unfinished
        assert {claim["state"] for row in run.table["rows"] for claim in row["claims"]} == {"confirmed"}
        assert len(run.table["rows"]) > len(states)
        assert run.state("An application may delete methods of administrators") == "not run"
        assert run.table["left"] == []
        assert await stack.graph.get("/_sim/users") == before
        writes = [call for call in await stack.graph.log() if call["write"]]
        assert writes
        assert {one["id"] for one in before}.isdisjoint(call["subject"] for call in writes)
        for secret in (*secrets.values(), operators_token, "2065550143"):
            assert secret not in run.output
            assert secret not in json.dumps(run.table)


async def identitys_token(stack: Any) -> str:
    """A new token of the app's identity for Graph."""
    query = f"?resource={stack.graph.url}&api-version={API_VERSION}"
    headers = {"X-IDENTITY-HEADER": stack.settings["IDENTITY_HEADER"]}
    answer = await stack.identity.call("GET", f"{PATH}{query}", **headers)
    return str((await answer.json())["access_token"])


# ---- it refuses


async def without_settings_it_says_so_and_is_not_green(folder: Path) -> None:
    async with simulated(folder) as place:
        run = await place.run(LIVE_TENANT_ID="", LIVE_CONFIRM="", LIVE_GRAPH_TOKEN_COMMAND="")
        assert run.status == 2
        assert "The live tier was not run." in run.output
        assert "LIVE_TENANT_ID is required" in run.output
        assert "skipped" not in run.output
        assert place.graph.log == []


async def a_tenant_that_looks_like_production_is_refused_without_any_write(folder: Path) -> None:
    production = {"display_name": "Contoso", "domains": ["contoso.onmicrosoft.com", "contoso.com"], "skus": {"SPE_E5": 5000}}
    async with simulated(folder, synced=True, **production) as place:
        run = await place.run()
        assert run.status == 2
        for why in ("“Contoso”", "contoso.com", "5000 seats", "synchronised from another directory"):
            assert why in run.output, run.output
        assert (place.graph.writes(), place.journal.exists(), run.table) == ([], False, {})


# ---- it says what is otherwise, and leaves nothing behind


async def what_is_otherwise_fails_and_is_told_and_nobody_is_left(folder: Path) -> None:
    async with simulated(folder) as place:
        before = place.names()
        place.tenant.settings.hidden_in_v1 = frozenset({"hardwareOath"})
        place.graph.arm(
            Fault(method="POST", path="/users$", kind="reset", after_effect=True),
            Fault(method="DELETE", path="phoneMethods", status=500, times=None),
        )
        run = await place.run(LIVE_HARDWARE_OATH_USER=place.tenant.account(CHRISTIE).person.id)
        assert run.status == 1, run.output
        assert run.state("`GET …/authentication/methods` lists hardware OATH") == "contradicted"
        assert run.state("a default is refused beside another method") == "contradicted"
        assert run.state("a new user has a password") == "not run"  # made, and the answer lost
        assert run.state("revoking sessions") == "confirmed"
        assert run.state("The default set cannot issue") == "not run"
        assert place.graph.changes("phoneMethods")
        assert (place.names(), run.table["left"]) == (before, [])


async def who_cannot_be_removed_is_told_and_can_be_removed_later(folder: Path) -> None:
    async with simulated(folder) as place:
        before = place.names()
        place.graph.arm(Fault(method="DELETE", path=r"/users/[^/]+$", status=500, times=None))
        run = await place.run("-k", "revoking")
        left = place.names() - before
        assert (run.status, len(left), len(run.table["left"])) == (1, 1, 1), run.output
        assert "make live-clean" in run.output
        place.graph.faults.clear()
        clean = await place.run("--clean")
        assert (clean.status, "1 of 1 users" in clean.output, place.names()) == (0, True, before), clean.output


async def a_run_that_was_killed_is_cleaned_up_after_and_others_are_not_touched(folder: Path) -> None:
    async with simulated(folder) as place:
        before = place.names()
        process = await place.start("-k", "alternate_mobile_that_is_the_default")
        killed = asyncio.Event()

        def kill() -> None:
            process.kill()
            killed.set()

        place.graph.after("PATCH", "signInPreferences", kill)
        await asyncio.gather(process.communicate(), asyncio.wait_for(killed.wait(), 90))
        [left] = place.names() - before
        assert left.startswith(PREFIX)

        decoy = f"{PREFIX}00000000-decoy@contoso.com"
        place.tenant.add(person(decoy, employee_type="Contractor"))
        unknown = f"{PREFIX}00000000-unknown@contoso.com"
        place.tenant.add(person(unknown, employee_type=f"{PREFIX}00000000"))
        never_made = f"{PREFIX}00000000-never@contoso.com"
        with place.journal.open("a") as file:
            for name in (decoy, never_made):
                file.write(json.dumps(marked(name, f"{PREFIX}00000000")) + "\n")
            file.write('{"tenant": "cut o')

        clean = await place.run("--clean")
        assert clean.status == 1
        assert "2 of 3 users that were left behind are gone" in clean.output, clean.output
        assert f"{decoy} does not carry the mark" in clean.output
        assert place.names() == before | {decoy, unknown}
        deleted = [call["path"] for call in place.graph.changes() if call["method"] == "DELETE"]
        assert len(deleted) == 1


SCENARIOS: tuple[Scenario, ...] = (
    without_settings_it_says_so_and_is_not_green,
    a_tenant_that_looks_like_production_is_refused_without_any_write,
    what_is_otherwise_fails_and_is_told_and_nobody_is_left,
    who_cannot_be_removed_is_told_and_can_be_removed_later,
    a_run_that_was_killed_is_cleaned_up_after_and_others_are_not_touched,
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def under_way(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mapping[Scenario, asyncio.Task[None]]]:
    """All scenarios, a few at once: most of their time a new process imports what it needs."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def in_turn(scenario: Scenario) -> None:
        async with turns:
            await scenario(tmp_path_factory.mktemp("live"))

    async with going_on({scenario: in_turn(scenario) for scenario in SCENARIOS}) as tasks:
        yield tasks


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_the_live_tier(scenario: Scenario, under_way: Mapping[Scenario, asyncio.Task[None]]) -> None:
    await under_way[scenario]
