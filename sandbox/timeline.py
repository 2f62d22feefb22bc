"""How the sandbox tells a story in a terminal: headings, timelines, claims that were checked. 100 columns, colour or not."""

import json
import textwrap
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape

WIDTH = 100
TYPES = {
    "phone": "phone number",
    "microsoftAuthenticator": "Microsoft Authenticator",
    "softwareOath": "software OATH token",
    "hardwareOath": "hardware OATH token",
    "fido2": "passkey (FIDO2)",
    "windowsHelloForBusiness": "Windows Hello for Business",
}
"""What people call Graph's types of methods."""

STEPS = {
    "accepted": "event accepted: in the journal and on the queue",
    "ticket-read": "ticket {detail} re-read from ServiceNow",
    "person-resolved": "person resolved in the directory",
    "inventory-read": "inventory of registered methods: {detail}",
    "decided": "decided: {detail}",
    "confirmed": "ticket and person read again: it may still be done",
    "default-changed": "default method changed: {detail}",
    "method-removed": "removed: {detail}",
    "removal-refused": "refused by Graph for now: {detail}",
    "sessions-revoked": "sign-in sessions revoked",
    "read-back": "read back what is registered now: {detail}",
    "ended": "outcome in the journal: {detail}",
    "ticket-noted": "note on the ticket: {detail}",
    "result-published": "result event on mfa-results",
    "alerted": "alert on mfa-results: {detail}",
    "not-delivered": "given up after seven days: {detail}",
}
"""What each step of a request's status says to somebody who has never seen one."""


class DidNotHappen(Exception):
    """Something that should have been seen was not; the message names it."""


class Teller:
    """Prints a story. A claim is printed only once it is found to hold."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(width=WIDTH, highlight=False, soft_wrap=True)

    def heading(self, text: str) -> None:
        self._console.print(f"\n[bold]{escape(text)}[/]\n[dim]{'-' * len(text)}[/]")

    def say(self, text: str) -> None:
        self._plain("\n" + textwrap.fill(text, WIDTH))

    def facts(self, rows: Iterable[tuple[str, str]]) -> None:
        """Two columns, indented; a long second one goes on below itself."""
        rows = list(rows)
        width = max((len(name) for name, _ in rows), default=0)
        for name, value in rows:
            lead = f"  {name:<{width}}  "
            self._plain((textwrap.fill(value, WIDTH, initial_indent=lead, subsequent_indent=" " * len(lead)) or lead).rstrip())

    def page(self, text: str) -> None:
        """A page of text with a margin; a long line goes on below its own beginning."""
        for line in text.splitlines():
            margin = "  | " + " " * (len(line) - len(line.lstrip()))
            self._plain(textwrap.fill(line.strip(), WIDTH, initial_indent=margin, subsequent_indent=margin) or "  |")

    def document(self, value: Any) -> None:
        self.page(as_json(value))

    def commands(self, what: str, lines: Iterable[str]) -> None:
        """Lines for a shell below what they are for; never broken, so that they can be copied."""
        self._console.print(f"\n[dim]# {escape(what)}[/]")
        for line in lines:
            self._plain(line)

    def moment(self, at: datetime, since: datetime, what: str, request_id: str = "") -> None:
        """One line of a timeline: how long after `since`, what, and Graph's id of the call if there was one."""
        when = f"{(at - since).total_seconds():+6.2f} s"
        rest = f"{escape(f'{what:<51}')} [dim]{escape(request_id)}[/]" if request_id else escape(what)
        self._console.print(f"  [cyan]{when}[/]  {rest}")

    def check(self, holds: object, claim: str) -> None:
        """The claim is printed as found; `DidNotHappen` when it does not hold."""
        if not holds:
            raise DidNotHappen(claim)
        self._plain(textwrap.fill(claim, WIDTH, initial_indent="  ok  ", subsequent_indent=" " * 6))

    def failed(self, what: object) -> None:
        self._console.print(f"\n[bold red]This did not happen:[/] {escape(str(what))}")

    def done(self, text: str) -> None:
        self._console.print(f"\n[bold green]{escape(text)}[/]")

    def _plain(self, text: str) -> None:
        self._console.print(text, markup=False)


class Steps:
    """Tells the steps of one request from its status, each once, from `since` on."""

    def __init__(self, teller: Teller, since: datetime) -> None:
        self._teller = teller
        self._since = since
        self._told = 0

    def show(self, status: Mapping[str, Any]) -> None:
        for step in status["steps"][self._told :]:
            self._teller.moment(datetime.fromisoformat(step["at"]), self._since, sentence(step), step.get("graphRequestId", ""))
            self._told += 1


def sentence(step: Mapping[str, str]) -> str:
    """A step in words; one that is not known here in its own."""
    name, detail = step["name"], step.get("detail", "")
    return STEPS.get(name, f"{name} {{detail}}").format(detail=TYPES.get(detail, detail)).strip()


def methods(person: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is registered for a person of the simulated directory: the type, and which one it is."""
    return [
        (
            TYPES.get(method["type"], method["type"]),
            str(method["properties"].get("phoneNumber") or method["properties"].get("displayName", "")),
        )
        for method in person["methods"]
    ]


def as_json(value: Any, indent: int = 0, taken: int = 0) -> str:
    """JSON with every list and object on one line where that fits; `taken` is what stands on the line before it and after."""
    flat = json.dumps(value, ensure_ascii=False)
    if indent + taken + len(flat) <= WIDTH - 4 or not isinstance(value, dict | list):
        return flat
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        parts = [f"{json.dumps(name)}: {as_json(part, indent + 2, len(name) + 5)}" for name, part in value.items()]
    else:
        parts = [as_json(part, indent + 2, 1) for part in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return f"{opening}\n" + ",\n".join(inner + part for part in parts) + f"\n{' ' * indent}{closing}"
