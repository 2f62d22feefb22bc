"""`reregister`, the operator's command: the app's core over the app's ports, with the app's settings.

Exit status: 0 success, 1 not so (refused, held, unknown), 2 wrong usage or settings, 3 something could not be read or written.
With `--json` one document is all that stands on stdout.
"""

import asyncio
import getpass
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from pydantic import BaseModel, ConfigDict, ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shared import identity, intake, journal, velocity, wiring, wording
from shared.adapters import telemetry
from shared.app import App
from shared.model import Profile, Switch, Switches, SwitchName, TicketRef
from shared.parallel import together
from shared.ports import Forbidden, Unavailable, Unreadable
from shared.record import Record
from shared.settings import SettingsInvalid
from shared.simulation import ByTicket, ForPerson, Simulation, Would, simulate
from shared.velocity import Hold

SHOWN_REQUESTS = 200
SHOWN_CHANGES = 10
LONGEST_WHY = 500
FAR = timedelta(days=3650)
NOBODY = "0" * 32  # an id that no person has: the ledger is asked for what it holds of the tenant

cli = typer.Typer(
    help="Looks at Reregister, holds it, and asks it what it would do. The settings are the app's own.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
breaker_cli = typer.Typer(help="The breaker: shown, opened, closed.", invoke_without_command=True)
cli.add_typer(breaker_cli, name="breaker")

SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", metavar="FILE", help="The app's settings as local.settings.json; else the environment."),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Reasoning = Annotated[str, typer.Option("--why", help="Goes on record with the change, such as a change number.")]
By = Annotated[str | None, typer.Option("--by", help="Who does it; else your login name and this machine's.")]


@dataclass(frozen=True, slots=True)
class Report:
    """What a command has to say: to programs, to people, and to the shell."""

    document: Mapping[str, Any]
    show: Callable[[Console], None]
    status: int = 0


class NotSo(Exception):
    """What was asked for does not exist."""


class _SettingsFile(BaseModel):
    """What the Functions host keeps in `local.settings.json`."""

    model_config = ConfigDict(strict=True, extra="ignore")
    Values: dict[str, str]


@dataclass(slots=True)
class _Given:
    """Options that may stand before the subcommand or after it."""

    settings: Path | None = None
    as_json: bool = False


# ---- how a command runs


def _run(context: typer.Context, settings: Path | None, as_json: bool, use: Callable[[App], Awaitable[Report]]) -> NoReturn:
    """Ends with the report's status, or with that of what kept it from being made; never with a trace."""
    given = context.find_object(_Given) or _Given()
    settings, as_json = settings or given.settings, as_json or given.as_json
    telemetry.configure()
    logging.disable(logging.CRITICAL)  # the report says it all; SDKs log addresses
    try:
        report = asyncio.run(_used(_environment(settings), use))
    except SettingsInvalid as invalid:
        lines = [f"{name} {problem}" for name, problem in sorted(invalid.problems.items())]
        _fail(as_json, 2, "The settings are not valid: " + "; ".join(lines) + ".", problems=invalid.problems, mode=invalid.mode)
    except NotSo as error:
        _fail(as_json, 1, str(error))
    except (Unavailable, Forbidden) as error:
        can = "is not available" if isinstance(error, Unavailable) else "refused us"
        service = error.waiting_for if isinstance(error, Unavailable) else error.service
        _fail(as_json, 3, f"{str(service).capitalize()} {can}: {error.cause}.")
    except Unreadable as error:
        _fail(as_json, 3, f"What is stored cannot be understood, and somebody must look: {error}.")
    except Exception as error:  # noqa: BLE001 an operator is told what happened, not where in the code
        _fail(as_json, 3, f"It failed for a reason that has no name here: {type(error).__name__}.")
    if as_json:
        typer.echo(json.dumps(report.document, indent=2, ensure_ascii=False, default=str))
    else:
        report.show(Console(highlight=False))
    raise typer.Exit(report.status)


async def _used(environment: Mapping[str, str], use: Callable[[App], Awaitable[Report]]) -> Report:
    async with AsyncExitStack() as resources:
        try:
            app = wiring.build(environment, resources)
        except ValueError as error:  # an SDK is stricter than we are; it may quote the value
            problem = "an address or connection string is not accepted by its SDK"
            raise SettingsInvalid({"settings": problem}) from error
        return await use(app)


def _environment(file: Path | None) -> Mapping[str, str]:
    """The app's settings. Those of a file are this process's environment too, as under the host: credentials look there."""
    if file is None:
        return os.environ
    try:
        values = _SettingsFile.model_validate_json(file.read_bytes()).Values
        os.environ.update(values)
    except (OSError, ValidationError, ValueError) as error:
        raise SettingsInvalid({"--settings": "is not a file like local.settings.json that can be read"}) from error
    return values


def _fail(as_json: bool, status: int, sentence: str, **more: Any) -> NoReturn:
    typer.echo(_plain(sentence), err=True)
    if as_json:
        typer.echo(json.dumps({"error": sentence, **{name: value for name, value in more.items() if value}}, indent=2))
    raise typer.Exit(status)


@cli.callback()
def _before(context: typer.Context, settings: SettingsFile = None, as_json: AsJson = False) -> None:
    context.obj = _Given(settings, as_json)


# ---- status


@cli.command()
def status(
    context: typer.Context,
    request_id: Annotated[str | None, typer.Argument(metavar="[REQUEST_ID]", help="Of one request.")] = None,
    settings: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """How the app is: switches, limits, and the requests that still have something to do; or how one request is."""
    _run(context, settings, as_json, lambda app: _status(app) if request_id is None else _status_of(app, request_id))


async def _status(app: App) -> Report:
    now, limits = app.clock.now(), app.settings.limits
    switches, counted, ids = await together(
        app.control.read(), app.ledger.read(NOBODY), app.journal.due(now + FAR, SHOWN_REQUESTS)
    )
    hour = velocity.within_hour(counted.resets, now)
    requests = [entry for request_id in ids if (entry := await _request(app, request_id))]
    document = {
        "version": wiring.VERSION,
        "mode": app.settings.mode,
        "problems": {},
        "switches": {"pause": _switch(switches.pause), "breaker": _switch(switches.breaker)},
        "resets": {
            "lastHour": len(hour),
            "countedByBreaker": len(velocity.since_closed(hour, switches)),
            "breakerLimit": limits.breaker_limit,
        },
        "requests": requests,
        "complete": len(ids) < SHOWN_REQUESTS,
    }

    def show(console: Console) -> None:
        rows = [
            ("version", wiring.VERSION),
            ("mode", app.settings.mode),
            ("settings", "no problems"),
            ("resets in the last hour", f"{len(hour)}, the breaker opens at {limits.breaker_limit}"),
        ]
        console.print(_table(("Reregister", ""), rows))
        console.print(_switches(switches))
        if not requests:
            console.print("No request has anything left to do.")
            return
        names = ("id", "status", "waitingFor", "nextTryAt", "ticket")
        console.print(_table(names, [[entry.get(name) or "" for name in names] for entry in requests]))
        if len(ids) == SHOWN_REQUESTS:
            console.print(f"There may be more: {SHOWN_REQUESTS} are shown.")

    return Report(document, show)


async def _request(app: App, request_id: str) -> dict[str, Any] | None:
    """None when it has come to its end since the list was read."""
    try:
        stored, _ = await app.journal.find(request_id)
    except Unreadable:
        return {"id": request_id, "status": "unreadable"}
    return _summary(stored.record) if stored and journal.due_at(stored.record) else None


def _summary(record: Record) -> dict[str, Any]:
    return {
        "id": record.id,
        "status": record.status,
        "attempt": record.attempt,
        "waitingFor": record.waiting_for,
        "nextTryAt": _time(record.next_try_at),
        "ticket": record.ticket.number if record.ticket else None,
        "owes": [owed.kind for owed in record.owed],
    }


async def _status_of(app: App, request_id: str) -> Report:
    stored = (await app.journal.find(request_id))[0] if identity.is_request_id(request_id) else None
    if stored is None:
        raise NotSo("There is no such request.")
    body = wording.status_body(stored.record)

    def show(console: Console) -> None:
        plain = {name: value for name, value in body.items() if not isinstance(value, list | dict)}
        ticket = [("ticket", body["ticket"]["number"])] if "ticket" in body else []
        console.print(_table(("request", ""), [*plain.items(), *ticket]))
        steps = [(step["at"], step["name"], step.get("detail", "")) for step in body["steps"]]
        console.print(_table(("when", "step", "detail"), steps))
        gone = [(one["type"], one["id"], "removed") for one in body["removed"]]
        left = [(one["type"], one["id"], f"left alone: {one['why']}") for one in body["leftAlone"]]
        if gone or left:
            console.print(_table(("method", "id", "what"), [*gone, *left]))

    return Report(body, show)


# ---- simulate


@cli.command("simulate")
def simulate_(
    context: typer.Context,
    ticket: Annotated[str | None, typer.Option(metavar="NUMBER", help="The ticket that would ask for it.")] = None,
    table: Annotated[str | None, typer.Option(help="Of the ticket. [default: sc_req_item]")] = None,
    subject: Annotated[str | None, typer.Option(metavar="UPN_OR_ID", help="The person, without a ticket.")] = None,
    source: Annotated[str | None, typer.Option(metavar="URN", help="The CloudEvents source that would ask.")] = None,
    profile: Annotated[Profile | None, typer.Option(help="[default: require-reregister]")] = None,
    settings: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Decides a request without any write: every rule with the fact that it rests on, and what would be done."""
    asked = _asked(ticket, table, subject, source, profile)

    async def use(app: App) -> Report:
        return _simulation(await simulate(app, asked))

    _run(context, settings, as_json, use)


def _asked(
    ticket: str | None, table: str | None, subject: str | None, source: str | None, profile: Profile | None
) -> ForPerson | ByTicket:
    match ticket, subject, source:
        case str(number), None, None if profile is None:
            return ByTicket(table or "sc_req_item", number)
        case None, str(person), str(sender) if table is None:
            if not intake.is_subject(person):
                raise typer.BadParameter("neither a user principal name nor an object id", param_hint="--subject")
            return ForPerson(person, sender, profile or Profile.REQUIRE_REREGISTER)
    raise typer.BadParameter("give --ticket (with --table), or --subject with --source (and --profile)")


def _simulation(made: Simulation) -> Report:
    asked = [(one.rule, one.reason, "refuses" if one.refuses else "passes", one.fact) for one in made.verdicts]
    skipped = [(rule, None, "not asked", one.why) for one in made.not_asked for rule in one.rules]
    rules = [*asked, *skipped]
    document = {
        "outcome": made.outcome,
        "reasons": made.reasons,
        "mode": made.mode,
        "profile": made.profile,
        "taken": made.taken,
        "requestId": made.request_id,
        "ticket": _ticket(made.ticket),
        "subjectId": made.subject_id,
        "rules": [dict(zip(("rule", "reason", "verdict", "fact"), one, strict=True)) for one in rules],
        "wouldRemove": [{"type": one.method.type, "id": one.method.id, "action": one.action} for one in made.removals],
        "leftAlone": [{"type": one.type, "id": one.id, "why": one.why} for one in made.left_alone],
        "lackingPermissions": made.lacking,
        "holds": [{"waitingFor": one.waiting_for, "why": one.why, "until": _time(one.until)} for one in made.holds],
        "unread": [{"what": one.what, "cause": one.cause} for one in made.unread],
    }

    def show(console: Console) -> None:
        console.print(_table(("rule", "verdict", "fact"), [(rule, verdict, fact) for rule, _, verdict, fact in rules]))
        methods = [(one.method.type, one.method.id, f"would go: {one.action}") for one in made.removals]
        methods += [(one.type, one.id, f"would stay: {one.why}") for one in made.left_alone]
        if methods:
            console.print(_table(("method", "id", "what"), methods))
        for what, lines in (
            ("Could not be read", [f"{one.what} ({one.cause})" for one in made.unread]),
            ("Permissions lacking", made.lacking),
            ("Would wait for", [_hold(one) for one in made.holds]),
        ):
            if lines:
                console.print(_plain(f"{what}: {'; '.join(lines)}."), markup=False)
        console.print(_plain(_conclusion(made)), markup=False, style="bold green" if made.outcome is Would.DONE else "bold red")

    status = 3 if made.unread else int(made.outcome is not Would.DONE)
    return Report(document, show, status)


_CONCLUSIONS = {
    Would.DONE: "It would be done",
    Would.REFUSED: "It would be refused",
    Would.FAILED: "It would fail",
    Would.WAITING: "It would wait",
    Would.NOTHING: "No attempt would begin",
    Would.UNKNOWN: "It cannot be said: not everything could be read",
}


def _conclusion(made: Simulation) -> str:
    """One sentence for the outcome, and one for each reason."""
    why = f" ({made.taken})" if made.outcome is Would.NOTHING else ""
    because = f": {', '.join(made.reasons)}" if made.reasons else why
    return " ".join([f"{_CONCLUSIONS[made.outcome]}{because}.", *(wording.SENTENCES[reason] for reason in made.reasons)])


def _hold(hold: Hold) -> str:
    return f"{hold.waiting_for} ({hold.why}" + (f", until {_time(hold.until)})" if hold.until else ")")


# ---- switches


@cli.command()
def pause(context: typer.Context, why: Reasoning, by: By = None, settings: SettingsFile = None, as_json: AsJson = False) -> None:
    """Every request waits from now on, dry runs too; what has begun to remove is carried to its end."""
    _turn(context, settings, as_json, SwitchName.PAUSE, on=True, by=by, why=why)


@cli.command()
def resume(context: typer.Context, why: Reasoning, by: By = None, settings: SettingsFile = None, as_json: AsJson = False) -> None:
    """What was paused goes on; its authority is checked anew."""
    _turn(context, settings, as_json, SwitchName.PAUSE, on=False, by=by, why=why)


@breaker_cli.callback()
def breaker(context: typer.Context, settings: SettingsFile = None, as_json: AsJson = False) -> None:
    """Shows the breaker with the last changes; `open` and `close` turn it."""
    given = context.find_object(_Given) or _Given()
    context.obj = _Given(settings or given.settings, as_json or given.as_json)
    if context.invoked_subcommand is None:
        _run(context, settings, as_json, _breaker)


@breaker_cli.command("open")
def open_breaker(
    context: typer.Context, why: Reasoning, by: By = None, settings: SettingsFile = None, as_json: AsJson = False
) -> None:
    """Every reset waits from now on, until it is closed."""
    _turn(context, settings, as_json, SwitchName.BREAKER, on=True, by=by, why=why)


@breaker_cli.command("close")
def close_breaker(
    context: typer.Context, why: Reasoning, by: By = None, settings: SettingsFile = None, as_json: AsJson = False
) -> None:
    """Resets go on. Whoever closes it has looked at the resets so far: they are no longer counted towards its limit."""
    _turn(context, settings, as_json, SwitchName.BREAKER, on=False, by=by, why=why)


async def _breaker(app: App) -> Report:
    switches, changes = await together(app.control.read(), app.control.changes(SHOWN_CHANGES))
    shown = [{"switch": change.name, **_switch(change.switch)} for change in changes if change.name is SwitchName.BREAKER]
    document = {**_switch(switches.breaker), "limit": app.settings.limits.breaker_limit, "changes": shown}

    def show(console: Console) -> None:
        console.print(_switches(Switches(breaker=switches.breaker), SwitchName.BREAKER))
        if shown:
            rows = [(one["since"], "opened" if one["on"] else "closed", one["by"], one["why"]) for one in shown]
            console.print(_table(("when", "what", "by", "why"), rows))

    return Report(document, show)


def _turn(
    context: typer.Context, settings: Path | None, as_json: bool, name: SwitchName, *, on: bool, by: str | None, why: str
) -> NoReturn:
    who, reason = (by if by is not None else _myself()).strip(), why.strip()
    for hint, text in (("--by", who), ("--why", reason)):
        if not 0 < len(text) <= LONGEST_WHY or not text.isprintable():
            raise typer.BadParameter(f"must be one line of 1 to {LONGEST_WHY} characters", param_hint=hint)

    async def use(app: App) -> Report:
        changed = await app.control.turn(name, Switch(on=on, by=who, why=reason, at=app.clock.now()))
        now = await app.control.read()
        switch = now.pause if name is SwitchName.PAUSE else now.breaker
        document = {"switch": name, "changed": changed, **_switch(switch)}

        def show(console: Console) -> None:
            if not changed:
                console.print(f"Nothing was changed: the {name} is {'on' if on else 'off'} already.")
            console.print(_switches(now, name))

        return Report(document, show)

    _run(context, settings, as_json, use)


def _myself() -> str:
    try:
        login = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        login = f"uid-{os.getuid()}"
    return f"{login}@{socket.gethostname()}"


# ---- how things look


def _switch(switch: Switch | None) -> dict[str, Any]:
    if switch is None:
        return {"on": False}
    return {"on": switch.on, "by": switch.by, "why": switch.why, "since": _time(switch.at)}


def _switches(switches: Switches, *names: SwitchName) -> Table:
    """Both switches, or those named."""
    known = {SwitchName.PAUSE: switches.pause, SwitchName.BREAKER: switches.breaker}
    rows = []
    for name in names or tuple(SwitchName):
        seen = _switch(known[name])
        rows.append((name, "on: requests wait" if seen["on"] else "off", *(seen.get(one, "") for one in ("by", "why", "since"))))
    return _table(("switch", "", "by", "why", "since"), rows)


def _table(names: Iterable[str], rows: Iterable[Iterable[Any]]) -> Table:
    table = Table(*names, title_justify="left")
    for row in rows:
        table.add_row(*(Text(_plain(str(cell)), overflow="fold") for cell in row))
    return table


def _plain(text: str) -> str:
    """What others wrote must not steer the terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _ticket(ref: TicketRef | None) -> dict[str, str] | None:
    return {"system": ref.system, "table": ref.table, "sysId": ref.sys_id, "number": ref.number} if ref else None


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z") if moment else None


def main() -> None:
    cli(prog_name="reregister")


if __name__ == "__main__":
    main()
