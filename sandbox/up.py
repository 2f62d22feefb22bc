"""`python -m sandbox.up [--port N]`: the whole stack, left running until Ctrl-C, with addresses and commands to paste."""

import argparse
import asyncio
import contextlib
import json
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from sandbox import command, people
from sandbox.left_running import FOLDER, private, written
from sandbox.processes import ROOT
from sandbox.stack import AGENT, APPROVER, CATALOG_ITEM, TRUSTED_SOURCE, Stack, stack
from sandbox.timeline import Teller

PYTHON = ".venv/bin/python"
TALK = f"{PYTHON} -m sandbox.talk"
OPERATOR = ".venv/bin/reregister"
SETTINGS = "local.settings.json"


def addresses(up: Stack, log: Path) -> list[tuple[str, str]]:
    return [
        ("the app", up.app.url),
        ("function key", up.function_key),
        ("Microsoft Graph", f"{up.graph.url} (simulated)"),
        ("ServiceNow", f"{up.servicenow.url} (simulated)"),
        ("managed identity", f"{up.identity.url} (simulated)"),
        ("queues", up.account.endpoints["queue"]),
        ("journal", up.journal_account.endpoints["table"]),
        ("the app's log", str(log)),
    ]


def commands(up: Stack, talk: str = TALK, operator: str = OPERATOR) -> list[tuple[str, list[str]]]:
    """What there is to do, each with lines to paste into a shell in the checkout."""
    app, graph, desk = up.app.url, up.graph.url, up.servicenow.url
    key = f"-H 'x-functions-key: {up.function_key}'"
    sent = f"curl -s '{desk}/_sim/deliveries?wait=true'"
    throttled = '[{"path": "authentication/methods", "times": 2, "status": 429, "headers": {"Retry-After": "5"}}]'
    opened = f'{{"requested_for": "{people.ADELE}", "opened_by": "{AGENT}", "cat_item": "{CATALOG_ITEM}"}}'
    approved = f'{{"ticket": "RITM0010001", "approver": "{APPROVER}"}}'
    return [
        ("Is the app well?", [f"curl -s {app}/api/health"]),
        (
            "Open a ticket for Adele, and approve it: ServiceNow calls the webhook",
            [f"curl -s {desk}/_sim/tickets -d '{opened}'", f"curl -s {desk}/_sim/approve -d '{approved}'"],
        ),
        ("What ServiceNow sent, and where its answer says that the request is", [sent]),
        (
            "What became of it: as the API has it, and as a timeline",
            [
                f"curl -s {key} {app}$({sent} | grep -o '/api/requests/[0-9a-f]*' | head -1)",
                f"{talk} status RITM0010001",
            ],
        ),
        ("The ticket, as the help desk sees it", [f"{talk} ticket RITM0010001"]),
        (
            "What Graph has of her, and what it was asked",
            [f"{talk} person {people.ADELE}", f"curl -s {graph}/_sim/log | {PYTHON} -m json.tool"],
        ),
        ("Ticket and approval in one, for the administrator", [f"{talk} reset {people.JONI}", f"{talk} ticket RITM0010002"]),
        ("A message on the queue, as other automation puts it there", [f"{talk} message {people.DIEGO}"]),
        ("The result events", [f"{talk} results"]),
        ("The webhook again, signed, and forged", [f"{talk} webhook RITM0010001", f"{talk} webhook RITM0010001 --forge"]),
        ("The operator's command: how the app is, and what still has something to do", [f"{operator} status"]),
        (
            "What would become of it? Every rule with its fact, and nothing is written: for an employee, for the administrator",
            [f"{operator} simulate --subject {user} --source {TRUSTED_SOURCE}" for user in (people.CHRISTIE, people.JONI)],
        ),
        (
            "Everything waits, and goes on",
            [
                f"{operator} pause --why 'An unusual number of calls'",
                f"{operator} resume --why 'Looked into'",
                f"{operator} breaker",
            ],
        ),
        (
            "Graph answers 429 twice, in the middle of the next reset",
            [f"curl -s {graph}/_sim/faults -d '{throttled}'", f"{talk} reset {people.ISAIAH}", f"{talk} status RITM0010003"],
        ),
        ("Graph takes half a second for each answer", [f"curl -s -X PUT {graph}/_sim/latency -d '{{\"seconds\": 0.5}}'"]),
    ]


@contextlib.contextmanager
def settings_file(up: Stack, folder: Path) -> Iterator[Path]:
    """The app's settings as the Functions tools keep them, for their owner's eyes only, within the block."""
    file = folder / SETTINGS
    with private(file) as writing:
        json.dump({"IsEncrypted": False, "Values": up.settings}, writing, indent=2)
    try:
        yield file
    finally:
        file.unlink(missing_ok=True)


def _into(log: TextIO) -> Callable[[str], None]:
    def on_line(line: str) -> None:
        print(line, file=log, flush=True)

    return on_line


async def keep_up(port: int, folder: Path) -> int:
    tell = Teller()
    tell.say("Starting the app and everything around it ...")
    talk = TALK if folder == FOLDER else f"{TALK} --folder {shlex.quote(str(folder))}"
    log = folder / "app.log"
    with private(log) as file:
        async with stack(port=port, on_line=_into(file), SERVICENOW_DONE_STATE="3") as up:
            with written(up, folder), settings_file(up, folder) as settings:
                shown = settings.relative_to(ROOT) if settings.is_relative_to(ROOT) else settings
                operator = f"{OPERATOR} --settings {shlex.quote(str(shown))}"
                tell.heading("Running")
                tell.facts(addresses(up, log))
                tell.heading("To paste into another terminal, here in the checkout")
                for what, lines in commands(up, talk, operator):
                    tell.commands(what, lines)
                tell.say("Ctrl-C ends it all; nothing is kept.")
                status = await asyncio.to_thread(up.hosts[-1].wait)
    tell.failed(f"the app goes on running (it ended with {status}; its log is {log})")
    return 1


def main() -> None:
    parser = argparse.ArgumentParser(prog="sandbox.up", description="The whole stack, left running.")
    parser.add_argument("--port", type=int, default=0, help="of the app (default: a free one)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="for the log, and the file by which `sandbox.talk` finds it")
    given = parser.parse_args()
    command.run(lambda: keep_up(given.port, given.folder))


if __name__ == "__main__":
    main()
