"""pure: a command's document → the tables and sentences that people are shown of it."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import RenderableType
from rich.table import Column, Table
from rich.text import Text

from shared import wording
from shared.cli.documents import Document
from shared.simulation import Would
from shared.verification import Witness

type Shown = Iterator[RenderableType]

CONCLUSIONS = {
    Would.DONE: "It would be done",
    Would.REFUSED: "It would be refused",
    Would.FAILED: "It would fail",
    Would.WAITING: "It would wait",
    Would.NOTHING: "No attempt would begin",
    Would.UNKNOWN: "It cannot be said: not everything could be read",
}


def status(document: Document) -> Shown:
    resets, requests = document["resets"], document["requests"]
    rows = [
        ("version", document["version"]),
        ("mode", document["mode"]),
        ("settings", "no problems"),
        ("resets in the last hour", f"{resets['lastHour']}, the breaker opens at {resets['breakerLimit']}"),
    ]
    yield _table(("Reregister", ""), rows)
    yield _switches(document["switches"])
    if requests:
        names = ("id", "status", "waitingFor", "nextTryAt", "ticket")
        yield _table(names, [[one.get(name) or "" for name in names] for one in requests])
    if not document["complete"]:
        yield _sentence(f"There may be more: {len(requests)} are shown.")
    elif not requests:
        yield _sentence("No request has anything left to do.")


def request(document: Document) -> Shown:
    plain_members = [(name, value) for name, value in document.items() if not isinstance(value, list | dict)]
    ticket = [("ticket", document["ticket"]["number"])] if "ticket" in document else []
    yield _table(("request", ""), [*plain_members, *ticket])
    steps = [(step["at"], step["name"], step.get("detail", "")) for step in document["steps"]]
    yield _table(("when", "step", "detail"), steps)
    gone = [(one["type"], one["id"], "removed") for one in document["removed"]]
    left = [(one["type"], one["id"], f"left alone: {one['why']}") for one in document["leftAlone"]]
    if methods := gone + left:
        yield _table(("method", "id", "what"), methods)


def simulation(document: Document) -> Shown:
    names = ("rule", "verdict", "fact")
    yield _table(names, [[rule[name] for name in names] for rule in document["rules"]])
    gone = [(one["type"], one["id"], f"would go: {one['action']}") for one in document["wouldRemove"]]
    left = [(one["type"], one["id"], f"would stay: {one['why']}") for one in document["leftAlone"]]
    if methods := gone + left:
        yield _table(("method", "id", "what"), methods)
    for what, parts in (
        ("Could not be read", [f"{one['what']} ({one['cause']})" for one in document["unread"]]),
        ("Permissions lacking", document["lackingPermissions"]),
        ("Would wait for", [_hold(one) for one in document["holds"]]),
    ):
        if parts:
            yield _sentence(f"{what}: {'; '.join(parts)}.")
    yield _sentence(_conclusion(document), "bold green" if document["outcome"] is Would.DONE else "bold red")


def breaker(document: Document) -> Shown:
    yield _switches({"breaker": document})
    if document["changes"]:
        rows = [(one["since"], "opened" if one["on"] else "closed", one["by"], one["why"]) for one in document["changes"]]
        yield _table(("when", "what", "by", "why"), rows)


def turned(document: Document) -> Shown:
    name = document["switch"]
    if not document["changed"]:
        yield _sentence(f"Nothing was changed: the {name} is {'on' if document['on'] else 'off'} already.")
    yield _switches({name: document})


def dead_letters(document: Document) -> Shown:
    letters = document["deadLetters"]
    if letters:
        yield _table((Column("id", no_wrap=True), "reason", "about", "resolution"), [_letter_row(one) for one in letters])
    if not document["complete"]:
        yield _sentence(f"There may be more: {len(letters)} are shown.")
    elif not letters:
        yield _sentence("There are no dead letters.")


def dead_letter(document: Document) -> Shown:
    done = document["resolution"] or {}
    members = [(name, document[name] or "") for name in ("id", "firstSeen", "reason", "detail", "requestId")]
    rows = [*members, ("ticket", _number(document)), *((f"resolution: {name}", value) for name, value in done.items())]
    yield _table(("dead letter", ""), rows)
    yield _sentence(document["text"])


def orders(document: Document) -> Shown:
    given = document["orders"]
    if not given:
        yield _sentence("There is nothing to order.")
        return
    answers = {True: "yes", False: "no", None: "not yet"}
    rows = [(one["what"], one["target"], answers[one["done"]], one["said"], one["requestId"] or "") for one in given]
    yield _table(("order", "of", "done", "", "request"), rows)
    if not document["complete"]:
        yield _sentence(f"There may be more: {len(given)} are ordered.")


def verified(document: Document) -> Shown:
    receipts = document["receipts"]
    if not receipts:
        yield _sentence("There are no receipts.")
        return
    rows = [(one["id"], "holds" if one["holds"] else "DOES NOT HOLD", one["entries"], _witnesses(one)) for one in receipts]
    yield _table((Column("request", no_wrap=True), "receipt", "entries", "held against"), rows)
    for one in receipts:
        for remark in _remarks(one):
            yield _sentence(f"{one['id']}: {remark}.")
    if inside := [one for one in receipts if all(said["from"] == Witness.JOURNAL for said in one["anchors"])]:
        yield _sentence(f"Without an anchor from outside our own storage: {len(inside)} of {len(receipts)}.")
    good = all(one["holds"] for one in receipts)
    yield _sentence("All hold." if good else "Not all hold.", "bold green" if good else "bold red")


def grant(document: Document) -> Shown:
    identity = document["identity"]
    yield _table(
        ("", ""),
        [
            ("tenant", document["tenant"]),
            ("signed in as", document["signedInAs"]),
            ("identity", f"{identity['name']} ({identity['id']})"),
            ("client id", identity["appId"]),
            ("resource", identity["resource"] or "unknown"),
        ],
    )
    rows = [*document["permissions"], *document["tooMany"]]
    yield _table(
        ("permission on Microsoft Graph", "", "why"), [(one["permission"], one["state"], one["cause"] or "") for one in rows]
    )
    yield from _about_grant(document)


def _about_grant(document: Document) -> Shown:
    if left := [one["permission"] for one in document["tooMany"] if one["state"] == "too many"]:
        yield _sentence(f"Too many: {', '.join(left)}. --revoke-extra takes away what is not needed.", "bold yellow")
    if document["otherApis"]:
        yield _sentence(f"It also holds roles of {', '.join(document['otherApis'])}; they are left alone.")
    if not document["complete"]:
        yield _sentence("The identity does not hold just that yet.", "bold red")
    elif document["changed"]:
        yield _sentence("Done, and read back. Tokens issued before keep what they had for about a day.", "bold green")
    else:
        yield _sentence("Nothing is to be changed.", "bold green")


def doctor(document: Document) -> Shown:
    findings = document["findings"]
    who = document["identity"] or {}
    yield _table(("Reregister", ""), [("version", document["version"]), ("mode", document["mode"] or "unknown"), *who.items()])
    yield _table(("status", "finding"), [(one["status"], f"{one['id']}: {one['what']}") for one in findings])
    for one in _to_be_explained(findings):
        yield _sentence(f"{one['id']}: {one['what']} {one['why']}", "bold red" if one["status"] == "fault" else "bold yellow")
        if one["mend"]:
            yield _sentence(f"    {one['mend']}")
    yield _verdict(document)


def _to_be_explained(findings: list[Document]) -> list[Document]:
    """What to look at, the gravest last; checks that were not made for one and the same cause are in the table only."""
    causes = Counter(one["what"] for one in findings if one["status"] == "not-checked")
    telling = [one for one in findings if one["status"] != "ok" and causes[one["what"]] < 2]
    return sorted(telling, key=lambda one: ("not-checked", "warning", "fault").index(one["status"]))


def _verdict(document: Document) -> Text:
    if document["ok"]:
        return _sentence("No fault was found.", "bold green")
    states = [(one["status"], one["mandatory"]) for one in document["findings"]]
    faults = sum(status == "fault" for status, _ in states)
    unknown = sum(status == "not-checked" and mandatory for status, mandatory in states)
    return _sentence(f"Not in order: {faults} at fault, {unknown} not checked that must be.", "bold red")


def _witnesses(one: Document) -> str:
    return ", ".join(dict.fromkeys(said["from"] for said in one["anchors"])) or "nothing"


def _remarks(one: Document) -> Iterator[str]:
    for found in one["findings"]:
        where = f", line {found['line']}" if found["line"] else f", anchor {found['anchor']}" if found["anchor"] else ""
        yield f"{found['fault']}{where}"
    for silent in one["unheard"]:
        yield f"the {silent['from']} could not be asked ({silent['cause']})"
    for silent in one["untold"]:
        yield f"the {silent['from']} is no anchor ({silent['cause']})"


def _letter_row(letter: Document) -> tuple[str, ...]:
    done = letter["resolution"]
    how = f"{done['how']} by {done['by']}: {done['why']}" if done else ""
    return letter["id"], letter["reason"], _number(letter) or letter["requestId"] or "", how


def _number(document: Document) -> str:
    return document["ticket"]["number"] if document["ticket"] else ""


def plain(text: str) -> str:
    """What others wrote must not steer the terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _conclusion(document: Document) -> str:
    """One sentence for the outcome, and one for each reason."""
    outcome, reasons = document["outcome"], document["reasons"]
    why = f" ({document['taken']})" if outcome is Would.NOTHING else ""
    because = f": {', '.join(reasons)}" if reasons else why
    return " ".join([f"{CONCLUSIONS[outcome]}{because}.", *(wording.SENTENCES[reason] for reason in reasons)])


def _hold(hold: Document) -> str:
    return f"{hold['waitingFor']} ({hold['why']}" + (f", until {hold['until']})" if hold["until"] else ")")


def _switches(switches: Document) -> Table:
    rows = []
    for name, seen in switches.items():
        rows.append((name, "on: requests wait" if seen["on"] else "off", *(seen.get(one, "") for one in ("by", "why", "since"))))
    return _table(("switch", "", "by", "why", "since"), rows)


def _table(names: Iterable[Column | str], rows: Iterable[Iterable[Any]]) -> Table:
    table = Table(*names, title_justify="left")
    for row in rows:
        table.add_row(*(Text(plain(str(cell)), overflow="fold") for cell in row))
    return table


def _sentence(text: str, style: str = "") -> Text:
    return Text(plain(text), style=style)
