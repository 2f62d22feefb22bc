"""`reregister grant` against the simulated Graph, with an Azure CLI that hands out the token of whoever is signed in."""

import asyncio
import json
import logging
import shlex
import subprocess
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from typer.testing import CliRunner, Result

from sandbox.graph.applications import GRANTER
from sandbox.graph.faults import refusal, throttled
from sandbox.graph.principals import DESK_APP_ID, DESK_OBJECT_ID, AppRole, ServicePrincipal
from sandbox.people import JONI, PATTI
from sandbox.processes import ROOT
from sandbox.stack import lent
from sandbox.tokens import IDENTITY_CLIENT_ID, IDENTITY_OBJECT_ID
from shared import cli
from shared.adapters import telemetry
from shared.cli import app_roles, grant, granting
from tests.contract.graph_stack import Stack, started

DEFAULT = sorted(granting.DEFAULT_SET)
SCOPES = f"Application.Read.All {GRANTER} Directory.AccessAsUser.All"
POSTS = "appRoleAssignedTo"
TOO_MUCH = "UserAuthenticationMethod.ReadWrite.All"


@dataclass(frozen=True)
class Desk:
    """A machine with the command and an Azure CLI on it; somebody is signed in."""

    stack: Stack
    folder: Path

    def sign_in(self, token: str | None) -> None:
        """The Azure CLI has this token from now on; None: nobody is signed in."""
        said = json.dumps({"accessToken": token, "expiresOn": "2099-01-01 00:00:00.000000", "tenant": "t", "tokenType": "Bearer"})
        end = f"echo {shlex.quote(said)}" if token else "echo 'Please run az login' >&2; exit 1"
        line = f'echo "$@" >> {shlex.quote(str(self.folder / "asked"))}'
        (self.folder / "az").write_text(f"#!/bin/sh\n{line}\n{end}\n")
        (self.folder / "az").chmod(0o755)

    def sign_in_person(self, upn: str = JONI, scopes: str = SCOPES) -> None:
        person = self.stack.tenant.account(upn).person.id
        self.sign_in(self.stack.token((), idtyp="user", scp=scopes, upn=upn, oid=person))

    @property
    def held(self) -> list[str]:
        return self.stack.tenant.principals.held(IDENTITY_OBJECT_ID)

    def give(self, *permissions: str) -> None:
        for value in permissions:
            self.stack.tenant.principals.give(IDENTITY_OBJECT_ID, value)

    async def types(self, *words: str, identity: str = IDENTITY_OBJECT_ID, answer: str = "") -> Result:
        return await asyncio.to_thread(CliRunner().invoke, cli.cli, ["grant", "--identity", identity, *words], answer)

    async def asks(self, *words: str, status: int = 0, **more: str) -> dict[str, Any]:
        """The one document on stdout."""
        done = await self.types(*words, "--json", **more)
        assert done.exit_code == status, done.output
        document: dict[str, Any] = json.loads(done.stdout)
        return document


@pytest.fixture
async def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    async with started(page_size=4) as stack:
        made = Desk(stack, tmp_path)
        made.sign_in_person()
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        monkeypatch.setenv("GRAPH_ENDPOINT", stack.url)
        monkeypatch.setattr(telemetry, "configure", lambda: None)
        monkeypatch.setattr(logging, "disable", lambda _: None)
        monkeypatch.setattr(grant, "LOOKS_EVERY_SECONDS", 0.01)
        monkeypatch.setattr(app_roles, "LONGEST_WAIT", app_roles.USUAL_WAIT / 100)
        yield made


def states(rows: Iterable[dict[str, Any]]) -> dict[str, str]:
    return {row["permission"]: row["state"] for row in rows}


# ---- granting


async def test_a_fresh_identity_gets_the_default_set_and_nothing_else(desk: Desk) -> None:
    said = await desk.asks("--yes")
    assert desk.held == DEFAULT
    assert (said["complete"], said["changed"], said["signedInAs"]) == (True, True, JONI)
    assert states(said["permissions"]) == dict.fromkeys(granting.DEFAULT_SET, "granted")
    assert said["identity"]["resource"].endswith("/userAssignedIdentities/reregister")


async def test_a_second_run_changes_nothing(desk: Desk) -> None:
    await desk.asks("--yes")
    writes = len(desk.stack.graph.writes())
    said = await desk.asks("--yes")
    assert (said["complete"], said["changed"], states(said["permissions"])) == (True, False, dict.fromkeys(DEFAULT, "there"))
    assert len(desk.stack.graph.writes()) == writes
    assert "Nothing is to be changed" in (await desk.types()).stdout


@pytest.mark.parametrize(
    ("words", "more"),
    [
        (("--full-reset",), granting.FULL_RESET),
        (("--deadlock",), granting.DEADLOCK),
        (("--full-reset", "--deadlock"), granting.FULL_RESET | granting.DEADLOCK),
    ],
)
async def test_the_wider_sets_are_granted_when_they_are_asked_for(
    desk: Desk, words: tuple[str, ...], more: dict[str, str]
) -> None:
    await desk.asks("--yes", *words)
    assert desk.held == sorted(granting.DEFAULT_SET | more)


async def test_it_is_found_by_client_id_and_by_name_too(desk: Desk) -> None:
    for named in (IDENTITY_CLIENT_ID, "reregister", IDENTITY_OBJECT_ID.upper()):
        assert (await desk.asks(status=1, identity=named))["identity"]["id"] == IDENTITY_OBJECT_ID


async def test_the_token_is_asked_for_graph_where_it_is(desk: Desk) -> None:
    await desk.asks(status=1)
    assert f"--resource {desk.stack.url}" in (desk.folder / "asked").read_text()


# ---- asking


async def test_the_plan_is_shown_before_anybody_is_asked_and_a_no_changes_nothing(desk: Desk) -> None:
    done = await desk.types(answer="n\n")
    assert done.exit_code == 1
    assert "UserAuthMethod-Phone.ReadWrite.All" in done.stdout
    assert "missing" in done.stdout
    assert "Make these changes?" in done.stderr
    assert desk.stack.graph.writes() == []


async def test_a_yes_grants(desk: Desk) -> None:
    done = await desk.types(answer="y\n")
    assert (done.exit_code, desk.held) == (0, DEFAULT)
    assert done.stdout.index("missing") < done.stdout.index("Done, and read back")


async def test_whoever_cannot_be_asked_has_not_agreed(desk: Desk) -> None:
    assert (await desk.types(answer="")).exit_code == 1
    said = await desk.asks(status=1)
    assert (said["complete"], said["changed"], states(said["permissions"])) == (False, False, dict.fromkeys(DEFAULT, "missing"))
    assert desk.stack.graph.writes() == []


# ---- too much


async def test_what_is_too_much_is_told_and_left(desk: Desk) -> None:
    desk.give(*DEFAULT, TOO_MUCH)
    said = await desk.asks("--yes")
    assert (said["complete"], states(said["tooMany"])) == (True, {TOO_MUCH: "too many"})
    assert f"Too many: {TOO_MUCH}" in " ".join((await desk.types("--yes")).stdout.split())
    assert desk.held == sorted([*DEFAULT, TOO_MUCH])


async def test_what_is_too_much_is_revoked_when_that_is_asked_for_and_on_graph_alone(desk: Desk) -> None:
    desk.give(*DEFAULT, TOO_MUCH, "AuditLog.Read.All")
    desk.stack.tenant.principals.give(IDENTITY_OBJECT_ID, "Tickets.ReadWrite", DESK_OBJECT_ID)
    planned = await desk.asks("--revoke-extra", status=1)
    assert states(planned["tooMany"]) == dict.fromkeys([TOO_MUCH, "AuditLog.Read.All"], "to be revoked")
    said = await desk.asks("--revoke-extra", "--yes")
    assert (said["complete"], states(said["tooMany"])) == (True, dict.fromkeys([TOO_MUCH, "AuditLog.Read.All"], "revoked"))
    assert (desk.held, said["otherApis"]) == (DEFAULT, ["ServiceNow"])
    assert desk.stack.tenant.principals.held(IDENTITY_OBJECT_ID, DESK_OBJECT_ID) == ["Tickets.ReadWrite"]


# ---- who may, and for whom


async def refused(desk: Desk, text: str, *, status: int = 1, **more: str) -> None:
    said = await desk.asks("--yes", status=status, **more)
    assert text in said["error"]
    assert desk.stack.graph.writes() == []
    assert desk.held == []


async def test_a_service_principal_grants_nothing_whatever_it_may(desk: Desk) -> None:
    desk.sign_in(desk.stack.token(["Application.Read.All", GRANTER]))
    await refused(desk, "An application is signed in")
    assert desk.stack.graph.log == []


async def test_a_person_may_sign_in_in_a_browser_and_is_looked_at_in_the_same_way(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    class Browser:
        def __init__(self, **options: str) -> None:
            asked.append(options)

        def get_token(self, scope: str) -> AccessToken:
            asked.append(scope)
            return AccessToken(desk.stack.token(["Application.Read.All", GRANTER]), 0)

    monkeypatch.setattr(grant, "InteractiveBrowserCredential", Browser)
    said = await desk.asks("--yes", "--browser", "--tenant", "contoso.com", status=1)
    assert "An application is signed in" in said["error"]
    assert asked == [{"tenant_id": "contoso.com"}, f"{desk.stack.url}/.default"]
    assert not (desk.folder / "asked").exists()


async def test_nobody_signed_in_is_told_how_to_sign_in(desk: Desk) -> None:
    desk.sign_in(None)
    await refused(desk, "az login")


async def test_a_person_without_the_role_grants_nothing_and_is_told_of_each(desk: Desk) -> None:
    desk.sign_in_person(PATTI)
    said = await desk.asks("--yes", status=1)
    assert (said["changed"], states(said["permissions"])) == (False, dict.fromkeys(DEFAULT, "not granted"))
    assert all("Authorization_RequestDenied" in row["cause"] for row in said["permissions"])
    assert desk.held == []


async def test_a_person_who_may_not_even_read_is_told_so(desk: Desk) -> None:
    desk.sign_in_person(scopes="User.Read")
    await refused(desk, "Graph refused us: Authorization_RequestDenied", status=3)


async def test_an_application_of_whatever_name_is_no_managed_identity(desk: Desk) -> None:
    for named in (DESK_OBJECT_ID, DESK_APP_ID, "ServiceNow"):
        await refused(desk, "of type Application", identity=named)


async def test_an_unknown_identity_is_told(desk: Desk) -> None:
    for named in ("0" * 8 + "-0000-4000-8000-" + "0" * 12, "o'nobody & co"):
        await refused(desk, f"There is no service principal {named}", identity=named)


async def test_a_name_that_several_have_is_refused_with_their_ids(desk: Desk) -> None:
    twin = ServicePrincipal(
        "99999999-1111-4222-8333-444444444444", "99999999-2222-4222-8333-444444444444", "reregister", "ManagedIdentity"
    )
    desk.stack.tenant.principals.add(twin)
    await refused(desk, twin.id, identity="reregister")


async def test_an_application_of_the_same_name_does_not_get_in_the_way(desk: Desk) -> None:
    twin = ServicePrincipal("99999999-1111-4222-8333-444444444444", "99999999-2222-4222-8333-444444444444", "reregister")
    desk.stack.tenant.principals.add(twin)
    assert (await desk.asks("--yes", identity="reregister"))["identity"]["id"] == IDENTITY_OBJECT_ID


@pytest.mark.parametrize("role", [AppRole("User.Read.All", "11111111-0000-4000-8000-000000000000"),
                                  AppRole("User.Read.All", granting.DEFAULT_SET["User.Read.All"], enabled=False)])  # fmt: skip
async def test_a_role_that_is_not_the_known_one_stops_everything(desk: Desk, role: AppRole) -> None:
    graph = next(one for one in desk.stack.tenant.principals.by_id.values() if one.name == "Microsoft Graph")
    graph.roles = [*(one for one in graph.roles if one.value != role.value), role]
    await refused(desk, "User.Read.All")


# ---- when Graph fails


async def test_one_that_fails_is_told_and_the_others_are_granted(desk: Desk) -> None:
    desk.stack.graph.arm(refusal(403, "Authorization_RequestDenied", "Insufficient privileges.", path=POSTS, skip=2))
    said = await desk.asks("--yes", status=1)
    (failed,) = [row for row in said["permissions"] if row["state"] != "granted"]
    assert (failed["state"], "Authorization_RequestDenied" in failed["cause"]) == ("not granted", True)
    assert desk.held == sorted(set(DEFAULT) - {failed["permission"]})
    assert (await desk.asks("--yes"))["complete"] is True


async def test_what_cannot_be_revoked_is_told(desk: Desk) -> None:
    desk.give(*DEFAULT, TOO_MUCH)
    desk.stack.graph.arm(refusal(400, "Request_BadRequest", "No.", method="DELETE"))
    said = await desk.asks("--yes", "--revoke-extra", status=1)
    assert (states(said["tooMany"]), "No." in said["tooMany"][0]["cause"]) == ({TOO_MUCH: "not revoked"}, True)


async def test_throttling_is_waited_out(desk: Desk) -> None:
    desk.stack.graph.arm(throttled(path=POSTS, times=2), throttled(None, method="GET"))
    assert (await desk.asks("--yes"))["complete"] is True
    assert desk.held == DEFAULT


async def test_a_grant_whose_answer_was_lost_is_there_when_it_is_asked_for_again(desk: Desk) -> None:
    desk.stack.graph.arm(refusal(503, "serviceNotAvailable", "Later.", path=POSTS, after_effect=True))
    said = await desk.asks("--yes")
    assert (said["complete"], desk.held) == (True, DEFAULT)


async def test_what_was_accepted_and_is_not_there_is_no_success(desk: Desk) -> None:
    """The answer says that it was made; the list never shows it."""
    desk.stack.graph.arm(refusal(201, "", "", path=POSTS))
    said = await desk.asks("--yes", status=1)
    assert [row["cause"] for row in said["permissions"] if row["state"] == "not granted"] == [
        "what was asked for is not to be seen yet"
    ]


async def test_a_list_that_goes_on_elsewhere_is_not_followed(desk: Desk) -> None:
    body = {"value": [], "@odata.nextLink": f"http://localhost:{desk.stack.url.rpartition(':')[2]}/v1.0/elsewhere"}
    fault = refusal(200, "", "", path="appRoleAssignments")
    fault.body = body
    desk.stack.graph.arm(fault)
    await refused(desk, "a next page elsewhere", status=3)
    assert not desk.stack.graph.calls(path="elsewhere")


async def test_graph_down_is_told_with_its_own_status(desk: Desk) -> None:
    desk.stack.graph.arm(refusal(503, "serviceNotAvailable", "Later.", times=None))
    await refused(desk, "Graph is not available: http-503", status=3)


# ---- as installed


async def test_the_command_as_installed_needs_no_setting_of_the_app(desk: Desk) -> None:
    environment = {**lent(), "PATH": f"{desk.folder}:/usr/bin:/bin", "GRAPH_ENDPOINT": desk.stack.url}
    line = [str(ROOT / ".venv" / "bin" / "reregister"), "grant", "--identity", "reregister", "--yes"]

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(line, cwd=desk.folder, env=environment, capture_output=True, text=True, timeout=60, check=False)

    done = await asyncio.to_thread(run)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert "Done, and read back" in done.stdout
    assert desk.held == DEFAULT
