"""`pause`, `resume`, `breaker`: what makes every request wait."""

import getpass
import os
import socket
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from shared.app import App
from shared.cli import documents, tables
from shared.cli.running import AsJson, Report, SettingsFile, given, run
from shared.model import Switch, SwitchName
from shared.parallel import together

SHOWN_CHANGES = 10
LONGEST_WHY = 500

cli = typer.Typer()
breaker_cli = typer.Typer(help="The breaker: shown, opened, closed.", invoke_without_command=True)
cli.add_typer(breaker_cli, name="breaker")

Reasoning = Annotated[str, typer.Option("--why", help="Goes on record with the change, such as a change number.")]
By = Annotated[str | None, typer.Option("--by", help="Who does it; else your login name and this machine's.")]


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
    context.obj = given(context, settings, as_json)
    if context.invoked_subcommand is None:
        run(context, settings, as_json, _breaker)


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
    ours = [change.switch for change in changes if change.name is SwitchName.BREAKER]
    return Report(documents.breaker(switches.breaker, app.settings.limits.breaker_limit, ours), tables.breaker)


def _turn(
    context: typer.Context, settings: Path | None, as_json: bool, name: SwitchName, *, on: bool, by: str | None, why: str
) -> NoReturn:
    who, reason = who_and_why(by, why)

    async def use(app: App) -> Report:
        changed = await app.control.turn(name, Switch(on=on, by=who, why=reason, at=app.clock.now()))
        now = await app.control.read()
        switch = now.pause if name is SwitchName.PAUSE else now.breaker
        return Report(documents.turned(name, switch, changed=changed), tables.turned)

    run(context, settings, as_json, use)


def who_and_why(by: str | None, why: str) -> tuple[str, str]:
    """What goes on record: one line each."""
    who, reason = (by if by is not None else _myself()).strip(), why.strip()
    for hint, text in (("--by", who), ("--why", reason)):
        if not 0 < len(text) <= LONGEST_WHY or not text.isprintable():
            raise typer.BadParameter(f"must be one line of 1 to {LONGEST_WHY} characters", param_hint=hint)
    return who, reason


def _myself() -> str:
    try:
        login = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        login = f"uid-{os.getuid()}"
    return f"{login}@{socket.gethostname()}"
