"""The operator's command on fakes: one document, an exit status that says how it went, a sentence where it did not go."""

import asyncio
import json
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sandbox.people import ADELE, JONI
from shared import cli, journal, receipt, wiring
from shared.adapters import telemetry
from shared.app import App
from shared.model import Outcome, Reason, Status, SwitchName, WaitingFor
from shared.ports import Forbidden, NotLetIn, TicketNotFound, Unavailable
from shared.receipt import Entry, EntryKind, Tail
from tests.unit import build
from tests.unit.test_deadletters import event_text
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


def test_who_is_held_is_shown_with_those_who_are_due_and_each_once(operator: Operator) -> None:
    world = operator.world
    records = [
        build.held(id="1" * 32),
        build.held(WaitingFor.BREAKER, id="2" * 32),
        journal.woken(build.held(id="3" * 32), build.after(minutes=3)),
        build.record(id="4" * 32),
        build.ended(id="5" * 32),
    ]
    for record in records:
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(world.journal.commit(record, None))
    shown = {one["id"][0]: one["waitingFor"] for one in operator.asks("status")["requests"]}
    assert shown == {"1": "paused", "2": "breaker", "3": "paused", "4": None}


def test_what_a_newer_version_wrote_is_shown_as_such_with_the_others(operator: Operator) -> None:
    for number in (1, 2):
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(operator.world.journal.commit(build.record(id=f"{number:032x}"), None))
    operator.world.journal.written_by_newer(f"{1:032x}")
    assert {one["status"] for one in operator.asks("status")["requests"]} == {"newer-version", "accepted"}
    assert "newer-version" in operator.types("status").stdout


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


# ---- verify


@pytest.fixture
def ended(operator: Operator) -> str:
    """The id of a request that was done."""
    asyncio.run(operator.world.ended())
    return operator.world.record.id


def test_a_whole_receipt_holds_against_ticket_and_journal(operator: Operator, ended: str) -> None:
    outcome = operator.world.record.receipt
    assert outcome is not None
    (one,) = operator.asks("verify", ended)["receipts"]
    assert (one["id"], one["holds"], one["findings"], one["unheard"]) == (ended, True, [], [])
    assert one["entries"] == len(operator.world.entries())
    assert one["anchors"] == [
        {"from": "ticket", "hash": outcome.hash, "sequence": None},
        {"from": "journal", "hash": outcome.hash, "sequence": outcome.sequence},
    ]
    assert operator.asks("verify", "--all")["receipts"] == [one]
    assert "All hold." in operator.types("verify", ended).stdout


def test_what_was_edited_does_not_hold(operator: Operator, ended: str) -> None:
    blob = operator.world.receipts.blob(ended)
    operator.world.receipts.put(ended, blob.replace(b'"status":204', b'"status":404', 1))
    (one,) = operator.asks("verify", ended, status=1)["receipts"]
    assert [finding["fault"] for finding in one["findings"]] == ["edited"]
    shown = operator.types("verify", ended)
    assert (shown.exit_code, "Not all hold." in shown.stdout) == (1, True)


def test_a_receipt_that_was_cut_off_is_found_by_the_ticket_though_the_journal_agrees(operator: Operator, ended: str) -> None:
    """Who owns our storage changes both together; what stands on the ticket is out of their reach."""
    world, record = operator.world, operator.world.record
    first = world.receipts.blob(ended).splitlines(keepends=True)[0]
    world.receipts.put(ended, first)
    world.journal.spoil(replace(record, receipt=receipt.tail_of(first).anchor))
    (one,) = operator.asks("verify", ended, status=1)["receipts"]
    assert [(finding["fault"], finding["anchor"]) for finding in one["findings"]] == [("truncated", record.receipt.hash)]  # type: ignore[union-attr]


def test_the_ticket_testifies_also_when_the_journal_is_lost(operator: Operator, ended: str) -> None:
    operator.world.journal._documents.clear()
    (one,) = operator.asks("verify", ended)["receipts"]
    assert [said["from"] for said in one["anchors"]] == ["ticket"]


@pytest.mark.parametrize(("kept", "status"), [(1.0, 0), (0.5, 1)])
def test_a_hash_that_one_was_given_must_be_there(operator: Operator, ended: str, kept: float, status: int) -> None:
    lines = operator.world.receipts.blob(ended).splitlines(keepends=True)
    told = receipt.tail_of(b"".join(lines)).hash
    operator.world.receipts.put(ended, b"".join(lines[: int(len(lines) * kept)]))
    (one,) = operator.asks("verify", ended, "--anchor", told.upper(), status=status)["receipts"]
    assert one["anchors"][0] == {"from": "given", "hash": told, "sequence": None}


def test_a_receipt_that_is_gone_is_missing(operator: Operator, ended: str) -> None:
    operator.world.receipts.put(ended, b"")
    (one,) = operator.asks("verify", ended, status=1)["receipts"]
    assert {finding["fault"] for finding in one["findings"]} == {"missing", "truncated"}


def test_who_knows_nothing_of_a_request_does_not_say_that_its_receipt_holds(operator: Operator) -> None:
    (one,) = operator.asks("verify", "0" * 32, status=1)["receipts"]
    assert [finding["fault"] for finding in one["findings"]] == ["missing"]


def test_a_request_that_has_changed_nothing_yet_needs_no_receipt(operator: Operator) -> None:
    asyncio.run(operator.world.webhook())
    (one,) = operator.asks("verify", operator.world.record.id)["receipts"]
    assert (one["holds"], one["entries"], one["anchors"]) == (True, 0, [])
    assert "Without an anchor" in operator.types("verify", operator.world.record.id).stdout
    assert "There are no receipts." in operator.types("verify", "--all").stdout


@pytest.mark.parametrize(
    "error", [Unavailable(WaitingFor.TICKET_SYSTEM, "down"), Forbidden(WaitingFor.TICKET_SYSTEM, "403"), TicketNotFound()]
)
def test_a_ticket_that_cannot_be_read_is_named(operator: Operator, ended: str, error: Exception) -> None:
    operator.world.calls.fail("desk.read", error, times=None)
    (one,) = operator.asks("verify", ended, status=3)["receipts"]
    assert (one["holds"], [silent["from"] for silent in one["unheard"]]) == (False, ["ticket"])
    assert "the ticket could not be asked" in " ".join(operator.types("verify", ended).stdout.split())


def never_found(operator: Operator) -> str:
    """The id of a request whose ticket's number was mistyped."""
    operator.world.calls.fail("desk.read", TicketNotFound(), times=None)
    asyncio.run(operator.world.ended())
    assert operator.world.outcome == ("refused", "ticket-not-found")
    return operator.world.record.id


def test_a_ticket_that_there_never_was_is_no_anchor_and_the_others_are_enough(operator: Operator) -> None:
    (one,) = operator.asks("verify", never_found(operator))["receipts"]
    assert (one["holds"], one["unheard"], [said["from"] for said in one["anchors"]]) == (True, [], ["journal"])
    assert [silent["from"] for silent in one["untold"]] == ["ticket"]
    assert "the ticket is no anchor (it was not found then" in " ".join(operator.types("verify", "--all").stdout.split())


def test_a_ticket_that_was_told_is_not_silenced_by_the_journal(operator: Operator, ended: str) -> None:
    """Nor by a receipt that goes on to say so: what was told before stands there."""
    world, refused = operator.world, Outcome.REFUSED
    world.calls.fail("desk.read", TicketNotFound(), times=None)
    silencing = replace(world.record, outcome=refused, status=Status(refused), reasons=(Reason.TICKET_NOT_FOUND,))
    world.journal.spoil(silencing)
    (one,) = operator.asks("verify", ended, status=3)["receipts"]
    assert ([silent["from"] for silent in one["unheard"]], one["untold"]) == (["ticket"], [])
    blob = world.receipts.blob(ended)
    entry = Entry("", 2, EntryKind.OUTCOME, {"reasons": ["ticket-not-found"]})
    more, tail = receipt.chain(ended, receipt.tail_of(blob), [entry])
    world.receipts.put(ended, blob + b"".join(more))
    world.journal.spoil(replace(silencing, receipt=tail.anchor))
    (one,) = operator.asks("verify", ended, status=3)["receipts"]
    assert ([silent["from"] for silent in one["unheard"]], one["untold"]) == (["ticket"], [])


@pytest.mark.parametrize("reasons", [None, "ticket-not-found", [["ticket-not-found"]], {"ticket-not-found": 1}])
def test_a_receipt_that_does_not_say_why_silences_no_ticket(operator: Operator, reasons: object) -> None:
    request_id = never_found(operator)
    entry = Entry("", 1, EntryKind.OUTCOME, {"reasons": reasons})
    forged, tail = receipt.chain(request_id, Tail(), [entry])
    operator.world.receipts.put(request_id, b"".join(forged))
    operator.world.journal.spoil(replace(operator.world.record, receipt=tail.anchor))
    (one,) = operator.asks("verify", request_id, status=3)["receipts"]
    assert [silent["from"] for silent in one["unheard"]] == ["ticket"]


def test_a_receipt_alone_silences_no_ticket(operator: Operator) -> None:
    request_id = never_found(operator)
    operator.world.journal._documents.clear()
    (one,) = operator.asks("verify", request_id, status=3)["receipts"]
    assert [silent["from"] for silent in one["unheard"]] == ["ticket"]


def test_a_ticket_that_is_found_testifies_whatever_journal_and_receipt_say_of_it(operator: Operator) -> None:
    request_id = never_found(operator)
    operator.world.calls.heal()
    told = "f" * 64
    operator.world.ticket.work_notes.append(f"[{request_id}#1 outcome] Outcome: done, reason: removed.\nReceipt: {told}")
    (one,) = operator.asks("verify", request_id, status=1)["receipts"]
    assert [(finding["fault"], finding["anchor"]) for finding in one["findings"]] == [("truncated", told)]


def test_a_ticket_of_a_table_that_is_not_ours_is_not_read_and_no_anchor(operator: Operator) -> None:
    world = operator.world
    ticket = {"system": "servicenow", "table": "incident", "sysId": build.REF.sys_id, "number": build.REF.number}
    world.queue.insert(event_text(world, ticket=ticket))
    asyncio.run(world.settle())
    assert (world.record.outcome, world.calls.count("desk.read")) == ("refused", 0)
    (one,) = operator.asks("verify", world.record.id)["receipts"]
    assert (one["holds"], one["unheard"], [silent["from"] for silent in one["untold"]]) == (True, [], ["ticket"])
    assert world.calls.count("desk.read") == 0


def test_a_ticket_without_a_ticket_system_is_named(operator: Operator, ended: str) -> None:
    operator.world.configure(SERVICENOW_URL=None, SERVICENOW_AUDIENCE=None, SERVICENOW_CATALOG_ITEMS=None)
    (one,) = operator.asks("verify", ended, status=3)["receipts"]
    assert [silent["cause"] for silent in one["unheard"]] == ["no ticket system is configured"]


def test_a_journal_that_contradicts_itself_is_named(operator: Operator, ended: str) -> None:
    operator.world.journal.spoil(replace(operator.world.record, reasons=()))
    (one,) = operator.asks("verify", ended, status=3)["receipts"]
    assert [silent["from"] for silent in one["unheard"]] == ["journal"]
    assert [said["from"] for said in one["anchors"]] == ["ticket"]


def test_only_the_requests_own_ticket_testifies(operator: Operator, ended: str) -> None:
    """A forged receipt may name any ticket; nobody else's is read."""
    forged, _ = receipt.chain(
        ended,
        Tail(),
        [
            Entry("", 1, EntryKind.ACCEPTED, {"ticket": ticket})
            for ticket in (
                {"system": "servicenow", "table": "sc_req_item", "sysId": "f" * 32, "number": "RITM0010002"},
                {"system": "servicenow", "table": "sc_req_item", "sysId": "../sys_user", "number": "RITM0010002"},
                {"system": "servicenow"},
                None,
            )
        ],
    )
    operator.world.journal._documents.clear()
    operator.world.receipts.put(ended, b"".join(forged))
    before = operator.world.calls.count("desk.read")
    (one,) = operator.asks("verify", ended)["receipts"]
    assert one["anchors"] == []
    assert operator.world.calls.count("desk.read") == before


def test_checking_writes_nothing(operator: Operator, ended: str) -> None:
    before = len(operator.world.calls.log)
    operator.asks("verify", ended)
    assert set(operator.world.calls.names()[before:]) == {"receipts.read", "journal.find", "desk.read"}


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("no id",),
        ("0" * 32, "--all"),
        ("--all", "--anchor", "0" * 64),
        ("0" * 32, "1" * 32, "--anchor", "0" * 64),
        ("0" * 32, "--anchor", "0"),
    ],
)
def test_receipts_are_named_or_all_of_them(operator: Operator, words: tuple[str, ...]) -> None:
    assert operator.types("verify", *words).exit_code == 2
    assert operator.world.calls.log == []


# ---- what goes wrong


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("stauts",), "stauts"),
        ((), "command"),
        (("status", "--jsn"), "--jsn"),
        (("status", "one", "two"), "two"),
        (("pause",), "--why"),
        (("pause", "--why", " "), "--why"),
        (("breaker", "shut"), "shut"),
        (("simulate",), "--ticket"),
        (("simulate", "--subject", "no such form", "--source", SOURCE), "--subject"),
        (("simulate", "--subject", ADELE, "--source", SOURCE, "--profile", "all"), "all"),
    ],
)
def test_wrong_usage_is_a_document_too(operator: Operator, words: tuple[str, ...], named: str) -> None:
    for line in (("--json", *words), (*words, "--json")):
        done = operator.types(*line)
        assert done.exit_code == 2
        document = json.loads(done.stdout)
        assert document.keys() == {"error"}
        assert named in document["error"]
        assert document["error"] == done.stderr.strip()
    assert operator.world.calls.log == []


def test_wrong_usage_is_told_to_people_with_how_it_is_used(operator: Operator) -> None:
    done = operator.types("pause")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Usage: " in done.stderr
    assert "--why" in done.stderr


def test_help_is_for_people_whatever_else_is_asked_for(operator: Operator) -> None:
    done = operator.types("--json", "--help")
    assert done.exit_code == 0
    assert "simulate" in done.stdout


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


def test_storage_that_does_not_let_us_in_is_not_said_to_be_down(operator: Operator) -> None:
    operator.world.calls.fail("journal.due", NotLetIn(WaitingFor.STORAGE, "our identity may not: a role is missing"))
    done = operator.types("status")
    assert done.exit_code == 3
    assert done.stderr.strip() == "Storage refused us: our identity may not: a role is missing."


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
