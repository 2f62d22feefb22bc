"""The scripts of infra/entra, run with an Azure CLI that answers as it is told and remembers what it was asked to change."""

import json
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox.processes import ROOT
from shared.cli import granting

ENTRA = ROOT / "infra" / "entra"
IDENTITY = "0a0a0a0a-1111-4222-8333-444444444444"
GRAPH = "0c0c0c0c-1111-4222-8333-444444444444"
APP, PRINCIPAL = "0d0d0d0d-1111-4222-8333-444444444444", "0e0e0e0e-1111-4222-8333-444444444444"
POLICY = json.loads((ENTRA / "protect-registration.json").read_text("utf-8"))
README = (ENTRA / "README.md").read_text("utf-8")
ROLE = re.search(r"^role=(\S+)", (ENTRA / "servicenow-audience.sh").read_text("utf-8"), re.MULTILINE)[1]  # type: ignore[index]

AZ = """
import json, re, sys
words = sys.argv[1:]
options = dict(zip(words, words[1:]))
line = [options.get("--method", words[0]), options.get("--url", ""), options.get("--body", ""), options.get("--query", "")]
with open(FOLDER + "/asked", "a") as log:
    log.write(json.dumps(line) + "\\n")
for asked, said in json.load(open(FOLDER + "/answers")):
    if re.search(asked, " ".join(line)):
        print(said, end="")
        break
else:
    sys.exit("no answer for " + " ".join(line))
"""


@dataclass(frozen=True)
class Machine:
    folder: Path

    def run(self, script: str, *arguments: str, answers: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """The script with an `az` that gives the first answer whose pattern is found in method, URL, body and query."""
        (self.folder / "answers").write_text(json.dumps(list(answers.items())))
        (self.folder / "asked").write_text("")
        az = self.folder / "az"
        (self.folder / "az.py").write_text(f"FOLDER = {str(self.folder)!r}\n{AZ}")
        az.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -S {shlex.quote(str(self.folder / "az.py"))} "$@"\n')
        az.chmod(0o755)
        command = ["bash", str(ENTRA / script), *arguments]
        environment = {"PATH": f"{self.folder}:/usr/bin:/bin"}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    def writes(self) -> list[tuple[str, str, Any]]:
        asked = [json.loads(line) for line in (self.folder / "asked").read_text().splitlines()]
        return [(method, url.partition("/v1.0/")[2], json.loads(body)) for method, url, body, _ in asked if body]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


# ---- grant.sh


def granting_to(*held: str, kind: str = "ManagedIdentity", signed_in: str = "user") -> dict[str, str]:
    return {
        r"^account": signed_in,
        r"servicePrincipalType": kind,
        r"appId='00000003-0000-0000-c000-000000000000'": GRAPH,
        r"/appRoleAssignments": "\n".join(held),
        rf"^post .*{GRAPH}/appRoleAssignedTo": "",
    }


def test_it_grants_the_default_set_and_nothing_else(machine: Machine) -> None:
    done = machine.run("grant.sh", IDENTITY, answers=granting_to())
    assert (done.returncode, done.stderr) == (0, "")
    path = f"servicePrincipals/{GRAPH}/appRoleAssignedTo"
    assert machine.writes() == [
        ("post", path, {"principalId": IDENTITY, "resourceId": GRAPH, "appRoleId": role})
        for role in granting.DEFAULT_SET.values()
    ]
    assert re.findall(r"^granted +(\S+)$", done.stdout, re.MULTILINE) == list(granting.DEFAULT_SET)


def test_a_second_run_grants_nothing(machine: Machine) -> None:
    done = machine.run("grant.sh", IDENTITY, answers=granting_to(*granting.DEFAULT_SET.values(), "something else"))
    assert (done.returncode, machine.writes()) == (0, [])
    assert "granted" not in done.stdout


@pytest.mark.parametrize("answers", [granting_to(kind="Application"), granting_to(signed_in="servicePrincipal")])
def test_it_grants_nothing_to_what_is_no_managed_identity_and_nothing_by_an_application(
    machine: Machine, answers: dict[str, str]
) -> None:
    done = machine.run("grant.sh", IDENTITY, answers=answers)
    assert (done.returncode, machine.writes()) == (1, [])


def test_a_grant_that_fails_ends_it_without_success(machine: Machine) -> None:
    answers = {asked: said for asked, said in granting_to().items() if not asked.startswith("^post")}
    done = machine.run("grant.sh", IDENTITY, answers=answers)
    assert (done.returncode, len(machine.writes()), "granted" in done.stdout) == (1, 1, False)


# ---- servicenow-audience.sh


def registered(**there: str) -> dict[str, str]:
    """The answers where all is there, each replaced by one of the same name."""
    known = {
        "ways_in": (r"keyCredentials", ""),
        "application": (r"^get .*/applications\?", APP),
        "settings": (r"requestedAccessTokenVersion, identifierUris", f"2\napi://{APP}\n{ROLE}\n"),
        "principal": (r"^get .*/servicePrincipals\?", PRINCIPAL),
        "required": (r"appRoleAssignmentRequired$", "true"),
        "held": (r"^get .*/appRoleAssignedTo\?", IDENTITY),
        "made_application": (r"^post .*/applications ", APP),
        "made_principal": (r"^post .*/servicePrincipals ", PRINCIPAL),
        "changed": (r"^(patch|post) ", ""),
    }
    return {asked: there.get(name, said) for name, (asked, said) in known.items()}


def audience(machine: Machine, **there: str) -> subprocess.CompletedProcess[str]:
    return machine.run("servicenow-audience.sh", "reregister-servicenow", IDENTITY, answers=registered(**there))


def test_the_audience_is_made_without_any_way_to_sign_in(machine: Machine) -> None:
    done = audience(machine, application="", settings="None\nNone\nNone\n", principal="", required="false", held="")
    assert (done.returncode, done.stderr) == (0, "")
    application, settings, principal, required, role = machine.writes()
    assert application == ("post", "applications", {"displayName": "reregister-servicenow", "signInAudience": "AzureADMyOrg"})
    assert settings[:2] == ("patch", f"applications(appId='{APP}')")
    assert settings[2]["api"] == {"requestedAccessTokenVersion": 2}
    assert settings[2]["identifierUris"] == [f"api://{APP}"]
    assert [(one["id"], one["allowedMemberTypes"]) for one in settings[2]["appRoles"]] == [(ROLE, ["Application"])]
    assert principal == ("post", "servicePrincipals", {"appId": APP})
    assert required == ("patch", f"servicePrincipals/{PRINCIPAL}", {"appRoleAssignmentRequired": True})
    assert role[2] == {"principalId": IDENTITY, "resourceId": PRINCIPAL, "appRoleId": ROLE}
    assert f"SERVICENOW_AUDIENCE=api://{APP}" in done.stdout


def test_a_second_run_changes_nothing_and_says_the_same(machine: Machine) -> None:
    done = audience(machine)
    assert (done.returncode, machine.writes()) == (0, [])
    assert done.stdout.splitlines()[0] == f"SERVICENOW_AUDIENCE=api://{APP}"


@pytest.mark.parametrize(
    ("there", "path"),
    [
        ({"settings": f"1\napi://{APP}\n{ROLE}\n"}, f"applications(appId='{APP}')"),
        ({"required": "false"}, f"servicePrincipals/{PRINCIPAL}"),
        ({"held": APP}, f"servicePrincipals/{PRINCIPAL}/appRoleAssignedTo"),
    ],
)
def test_only_what_is_not_so_is_changed(machine: Machine, there: dict[str, str], path: str) -> None:
    assert audience(machine, **there).returncode == 0
    assert [one[1] for one in machine.writes()] == [path]


@pytest.mark.parametrize(
    ("there", "why"), [({"ways_in": "a-key"}, "has a secret"), ({"application": f"{APP}\n{PRINCIPAL}"}, "Several")]
)
def test_what_is_something_else_is_left_alone(machine: Machine, there: dict[str, str], why: str) -> None:
    done = audience(machine, **there)
    assert (done.returncode, machine.writes(), why in done.stderr) == (1, [], True)


def test_a_name_that_would_be_read_as_more_than_a_name_is_refused(machine: Machine) -> None:
    done = machine.run("servicenow-audience.sh", "x' or 'a' eq 'a", IDENTITY, answers=registered())
    assert (done.returncode, machine.writes()) == (1, [])


# ---- the policy and the page


def test_the_policy_only_reports_at_first_and_leaves_who_must_never_be_locked_out() -> None:
    assert POLICY["state"] == "enabledForReportingButNotEnforced"
    assert POLICY["conditions"]["applications"]["includeUserActions"] == ["urn:user:registersecurityinfo"]
    assert POLICY["conditions"]["users"]["excludeGroups"] == ["BREAK-GLASS-GROUP-OBJECT-ID"]
    assert "mfa" not in POLICY["grantControls"]["builtInControls"], "who was reset has no second factor to show"


def test_the_page_names_every_file_and_every_option_that_it_needs() -> None:
    for file in ENTRA.iterdir():
        assert file.name in README or file.name == "README.md"
    for option in ("--identity", "--full-reset", "--deadlock", "--revoke-extra"):
        assert option in README
    assert "BREAK-GLASS-GROUP-OBJECT-ID" in README
