"""`python -m sandbox.talk ...`: speaks to the stack that `make up` left running, as the people and systems around the app would.

Plain HTTP needs no help from here; these are the things that need a signature, a storage key or a request's id.
"""

import argparse
import asyncio
import base64
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from sandbox.left_running import FOLDER, NothingRuns, attached
from sandbox.stack import AGENT, APPROVER, TRUSTED_SOURCE, Stack
from sandbox.timeline import Steps, Teller, as_json, methods
from sandbox.webhook import deliver

FORGED_KEY = "whsec_" + base64.b64encode(b"whatever else but the key").decode()

type Answer = str | dict[str, Any] | list[Any]


async def reset(stack: Stack, given: argparse.Namespace) -> Answer:
    """Opens a ticket for somebody and approves it; ServiceNow then calls the webhook."""
    ticket = await stack.open_ticket(given.user, opened_by=given.opened_by)
    await stack.approve(ticket, given.approver)
    return f"{ticket['number']} is approved. See: python -m sandbox.talk status {ticket['number']}"


async def webhook(stack: Stack, given: argparse.Namespace) -> Answer:
    """Signs and sends an event for a ticket, as ServiceNow would; with --forge under another key."""
    record = (await stack.servicenow.get(f"/_sim/ticket?ticket={given.ticket}"))["record"]
    key = FORGED_KEY if given.forge else ""
    code, answer = await deliver(stack, record, event_id=given.id or "", key=key)
    return f"{code} {answer}"


async def message(stack: Stack, given: argparse.Namespace) -> Answer:
    """Puts a CloudEvent for somebody on mfa-requests, as other automation would; prints it."""
    data = {"profile": given.profile} if given.profile else {}
    return await stack.send_request(given.user, source=given.source, **data)


async def status(stack: Stack, given: argparse.Namespace) -> Answer:
    """The app's account of a request, by its id or by its ticket's number, as a timeline."""
    request_id = given.request
    if request_id.upper().startswith("RITM"):
        request_id = await _request_of(stack, request_id.upper())
    found = await stack.status(request_id)
    received = datetime.fromisoformat(found["receivedAt"])
    Steps(Teller(), received).show(found)
    return {name: value for name, value in found.items() if name != "steps"}


async def _request_of(stack: Stack, number: str) -> str:
    deliveries = await stack.servicenow.get("/_sim/deliveries?wait=true")
    places = [
        attempt["location"]
        for delivery in deliveries
        if delivery["ticket"]["number"] == number
        for attempt in delivery["attempts"]
        if attempt.get("location")
    ]
    if not places:
        raise SystemExit(f"the app has taken in no event for {number}")
    return str(places[-1]).rpartition("/")[2]


async def ticket(stack: Stack, given: argparse.Namespace) -> Answer:
    """A ticket as the help desk sees it."""
    return await stack.page({"number": given.ticket})


async def person(stack: Stack, given: argparse.Namespace) -> Answer:
    """What is registered for somebody, as the simulated directory has it."""
    found = await stack.person(given.user)
    Teller().facts(methods(found))
    return f"sessions revoked: {found['sessionsRevokedAt'] or 'never'}"


async def results(stack: Stack, given: argparse.Namespace) -> Answer:
    """The result events on mfa-results, left there; with --take taken off."""
    return await (stack.take_results() if given.take else stack.results())


COMMANDS: dict[str, Callable[[Stack, argparse.Namespace], Awaitable[Answer]]] = {
    "reset": reset,
    "webhook": webhook,
    "message": message,
    "status": status,
    "ticket": ticket,
    "person": person,
    "results": results,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.talk", description="Speaks to the stack that `make up` left running."
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where `sandbox.up` was told to keep its files")
    commands = parser.add_subparsers(dest="command", required=True)
    of = {name: commands.add_parser(name, help=act.__doc__, description=act.__doc__) for name, act in COMMANDS.items()}
    for name in ("reset", "message", "person"):
        of[name].add_argument("user", help="user principal name, such as adele.vance@contoso.com")
    for name in ("webhook", "ticket"):
        of[name].add_argument("ticket", help="number, such as RITM0010001")
    of["reset"].add_argument("--opened-by", default=AGENT)
    of["reset"].add_argument("--approver", default=APPROVER)
    of["webhook"].add_argument("--id", help="webhook-id; the same one again makes a copy")
    of["webhook"].add_argument("--forge", action="store_true")
    of["message"].add_argument("--source", default=TRUSTED_SOURCE)
    of["message"].add_argument("--profile")
    of["status"].add_argument("request", help="request id or ticket number")
    of["results"].add_argument("--take", action="store_true")
    return parser


async def _talk(given: argparse.Namespace) -> None:
    async with attached(given.folder) as stack:
        answer = await COMMANDS[given.command](stack, given)
    print(answer.rstrip() if isinstance(answer, str) else as_json(answer))


def main() -> None:
    given = _parser().parse_args()
    try:
        asyncio.run(_talk(given))
    except (NothingRuns, RuntimeError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
