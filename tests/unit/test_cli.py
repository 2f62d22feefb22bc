"""The operator's command on fakes: one document, an exit status that says how it went, a sentence where it did not go."""

import asyncio
import json
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sandbox.people import ADELE, JONI
from shared import cli, wiring
from shared.adapters import telemetry
from shared.app import App
from shared.model import SwitchName, WaitingFor
from shared.ports import Forbidden, Unavailable
from tests.unit import build
from tests.unit.world import World
from tests.virtual_time import VirtualTimeLoop

SOURCE = build.CAUSE.source


@dataclass(frozen=True)
class Operator:
    world: World

    def types(self, *words: str) -> Result:
        return CliRunner().invoke(cli.cli, list(words))

    def asks(self, *words: str, status: int = 0) -> dict[str, Any]:
        """The one document on stdout."""
        done = self.types(*words, "--json")
        assert done.exit_code == status, done.output
        document: dict[str, Any] = json.loads(done.stdout)
        return document


@pytest.fixture
def operator(world: World, monkeypatch: pytest.MonkeyPatch) -> Operator:
    def built(environment: Mapping[str, str], resources: AsyncExitStack) -> App:
        del environment, resources
        return world.app()

    def run(coroutine: Any) -> Any:
        loop = VirtualTimeLoop()
        try:
            return loop.run_until_complete(coroutine)
        finally:
            loop.close()

    monkeypatch.setattr(wiring, "build", built)
    monkeypatch.setattr(asyncio, "run", run)
    monkeypatch.setattr(telemetry, "configure", lambda: None)
    monkeypatch.setattr(logging, "disable", lambda _: None)
    return Operator(world)


# ---- switches


def test_a_pause_is_on_record_with_who_and_why(operator: Operator) -> None:
    said = operator.asks("pause", "--why", "CHG0030001", "--by", "patti@desk")
    assert (said["switch"], said["changed"], said["on"]) == ("pause", True, True)
    pause = operator.world.control.switches().pause
    assert pause is not None
    assert (pause.on, pause.by, pause.why) == (True, "patti@desk", "CHG0030001")


def test_whoever_does_not_say_who_they_are_is_their_login_on_this_machine(operator: Operator) -> None:
    assert "@" in operator.asks("pause", "--why", "CHG0030001")["by"]


@pytest.mark.parametrize(("words", "name"), [(("resume",), "pause"), (("breaker", "close"), "breaker")])
def test_turning_off_what_is_not_on_changes_nothing_and_succeeds(operator: Operator, words: tuple[str, ...], name: str) -> None:
    said = operator.asks(*words, "--why", "to be sure")
    assert (said["switch"], said["changed"], said["on"]) == (name, False, False)
    assert "Nothing was changed" in operator.types(*words, "--why", "to be sure").stdout


def test_the_breaker_is_opened_shown_and_closed(operator: Operator) -> None:
    assert operator.asks("breaker", "open", "--why", "an attack")["changed"] is True
    shown = operator.asks("breaker")
    assert (shown["on"], [change["why"] for change in shown["changes"]]) == (True, ["an attack"])
    assert "an attack" in operator.types("breaker").stdout
    assert operator.asks("breaker", "close", "--why", "over")["on"] is False


@pytest.mark.parametrize("why", ["", "  ", "two\nlines", "x" * 501])
def test_a_reason_is_one_line_of_text(operator: Operator, why: str) -> None:
    assert operator.types("pause", "--why", why).exit_code == 2
    assert operator.world.control.switches().pause is None


# ---- status


def test_the_status_says_what_holds_and_how_many_were_let_through(operator: Operator) -> None:
    operator.world.control.put(SwitchName.BREAKER, build.switch())
    operator.world.ledger.count(build.counted())
    said = operator.asks("status")
    assert (said["mode"], said["problems"], said["requests"]) == ("enforce", {}, [])
    assert said["switches"]["breaker"] == {
        "on": True,
        "by": "operator@contoso.com",
        "why": "CHG0030001",
        "since": "2026-11-24T02:35:16Z",
    }
    assert said["resets"] == {"lastHour": 1, "countedByBreaker": 1, "breakerLimit": 50}
    assert "CHG0030001" in operator.types("status").stdout


def test_an_unknown_request_is_told_in_a_sentence(operator: Operator) -> None:
    for request_id in ("0" * 32, "not an id"):
        done = operator.types("status", request_id)
        assert (done.exit_code, done.stdout, done.stderr) == (1, "", "There is no such request.\n")


# ---- simulate


def test_for_an_employee_it_succeeds_and_lists_what_would_go(operator: Operator) -> None:
    said = operator.asks("simulate", "--ticket", build.REF.number)
    assert (said["outcome"], said["reasons"], len(said["wouldRemove"])) == ("done", ["removed"], 3)
    assert {rule["verdict"] for rule in said["rules"]} == {"passes"}
    assert "It would be done: removed." in operator.types("simulate", "--subject", ADELE, "--source", SOURCE).stdout


def test_for_an_administrator_it_does_not(operator: Operator) -> None:
    done = operator.types("simulate", "--subject", JONI, "--source", SOURCE)
    assert done.exit_code == 1
    assert "It would be refused: user-privileged." in done.stdout


def test_what_could_not_be_read_has_a_status_of_its_own(operator: Operator) -> None:
    operator.world.calls.down(WaitingFor.GRAPH, "directory.standing")
    said = operator.asks("simulate", "--ticket", build.REF.number, status=3)
    assert (said["outcome"], said["unread"]) == ("unknown", [{"what": "roles and groups", "cause": "graph: down"}])


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--ticket", "RITM0010001", "--subject", ADELE),
        ("--subject", ADELE),
        ("--subject", "no such form", "--source", SOURCE),
        ("--subject", ADELE, "--source", SOURCE, "--table", "incident"),
        ("--ticket", "RITM0010001", "--profile", "full-reset"),
    ],
)
def test_a_simulation_is_of_a_ticket_or_of_a_person_whom_a_source_asks_for(operator: Operator, words: tuple[str, ...]) -> None:
    assert operator.types("simulate", *words).exit_code == 2
    assert operator.world.calls.log == []


# ---- what goes wrong


@pytest.mark.parametrize(
    "error", [Unavailable(WaitingFor.STORAGE, "down"), Forbidden(WaitingFor.STORAGE, "403"), RuntimeError("secret")]
)
def test_what_fails_is_a_sentence_and_never_a_trace(operator: Operator, error: Exception) -> None:
    operator.world.calls.fail("control.read", error, times=None)
    done = operator.types("--json", "status")
    assert done.exit_code == 3
    assert json.loads(done.stdout)["error"] == done.stderr.strip()
    assert "secret" not in done.output
    assert "Traceback" not in done.output


def test_what_others_wrote_does_not_steer_the_terminal(operator: Operator) -> None:
    operator.world.control.put(SwitchName.PAUSE, build.switch(why="\x1b[2J[bold]gone"))
    shown = operator.types("status").stdout
    assert "\x1b[2J" not in shown
    assert "[bold]" in shown.replace("\n", "")


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"Values": {"MODE": 1}}'])
def test_a_file_that_holds_no_settings_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "local.settings.json"
    file.write_text(content)
    done = CliRunner().invoke(cli.cli, ["--settings", str(file), "status", "--json"])
    assert done.exit_code == 2
    assert set(json.loads(done.stdout)["problems"]) == {"--settings"}
