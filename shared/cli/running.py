"""How a command runs: settings and ports are opened, its report is put out, and the exit status says how it went.

Exit status: 0 success, 1 not so (refused, held, unknown), 2 wrong usage or settings, 3 something could not be read or written.
With `--json` one document is all that stands on stdout, also when it is about an error.
"""

import asyncio
import json
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from pydantic import BaseModel, ConfigDict, ValidationError
from rich.console import Console, RenderableType
from typer.core import TyperGroup
from typer.exceptions import TyperException

from shared import wiring
from shared.adapters import telemetry
from shared.app import App
from shared.cli.documents import Document
from shared.cli.tables import plain
from shared.ports import Forbidden, NotLetIn, Unavailable, Unreadable
from shared.settings import SettingsInvalid

JSON_OPTION = "--json"

SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", metavar="FILE", help="The app's settings as local.settings.json; else the environment."),
]
AsJson = Annotated[bool, typer.Option(JSON_OPTION, help="One JSON document on stdout.")]


@dataclass(frozen=True, slots=True)
class Report:
    """What a command has to say: to programs, to people (made from the same document), and to the shell."""

    document: Document
    tables: Callable[[Document], Iterable[RenderableType]]
    status: int = 0


class NotSo(Exception):
    """What was asked for does not exist."""


class Commands(TyperGroup):
    """The commands; wrong usage is told in JSON where that is asked for."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> Any:
        words = sys.argv[1:] if args is None else list(args)
        if JSON_OPTION not in words:
            return super().main(words, *rest, **extra)
        try:
            status = super().main(words, *rest, **extra | {"standalone_mode": False})
        except TyperException as wrong:
            _complain(wrong.format_message(), as_json=True)
            status = wrong.exit_code
        sys.exit(status)


@dataclass(frozen=True, slots=True)
class Given:
    """Options that may stand before the subcommand or after it."""

    settings: Path | None = None
    as_json: bool = False


def given(context: typer.Context, settings: Path | None, as_json: bool) -> Given:
    """These, and those that stood before."""
    before = context.find_object(Given) or Given()
    return Given(settings or before.settings, as_json or before.as_json)


def run(context: typer.Context, settings: Path | None, as_json: bool, use: Callable[[App], Awaitable[Report]]) -> NoReturn:
    """Concludes with what `use` finds over the app's settings and ports."""
    conclude(given(context, settings, as_json), lambda environment: _used(environment, use))


def conclude(options: Given, make: Callable[[Mapping[str, str]], Coroutine[Any, Any, Report]]) -> NoReturn:
    """Ends with the status of the report that is made, or with that of what kept it from being made; never with a trace."""
    telemetry.configure()
    logging.disable(logging.CRITICAL)  # the report says it all; SDKs log addresses
    try:
        report = asyncio.run(make(_environment(options.settings)))
    except Exception as error:  # noqa: BLE001 an operator is told what happened, not where in the code
        status, sentence = _told(error)
        more = {"problems": error.problems, "mode": error.mode} if isinstance(error, SettingsInvalid) else {}
        _complain(sentence, options.as_json, **more)
        raise typer.Exit(status) from None
    if options.as_json:
        typer.echo(json.dumps(report.document, indent=2, ensure_ascii=False, default=str))
    else:
        console = Console(highlight=False)
        for table in report.tables(report.document):
            console.print(table)
    raise typer.Exit(report.status)


async def _used(environment: Mapping[str, str], use: Callable[[App], Awaitable[Report]]) -> Report:
    async with AsyncExitStack() as resources:
        try:
            app = wiring.build(environment, resources)
        except ValueError as error:  # an SDK is stricter than we are; it may quote the value
            problem = "an address or connection string is not accepted by its SDK"
            raise SettingsInvalid({"settings": problem}) from error
        return await use(app)


class _SettingsFile(BaseModel):
    """What the Functions host keeps in `local.settings.json`."""

    model_config = ConfigDict(strict=True, extra="ignore")
    Values: dict[str, str]


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


def _told(error: Exception) -> tuple[int, str]:
    """The exit status and the sentence for what kept a report from being made."""
    match error:
        case SettingsInvalid():
            lines = [f"{name} {problem}" for name, problem in sorted(error.problems.items())]
            return 2, f"The settings are not valid: {'; '.join(lines)}."
        case NotSo():
            return 1, str(error)
        case NotLetIn():
            return 3, f"{error.waiting_for.capitalize()} refused us: {error.cause}."
        case Unavailable():
            return 3, f"{error.waiting_for.capitalize()} is not available: {error.cause}."
        case Forbidden():
            return 3, f"{error.service.capitalize()} refused us: {error.cause}."
        case Unreadable():
            return 3, f"What is stored cannot be understood, and somebody must look: {error}."
        case _:
            return 3, f"It failed for a reason that has no name here: {type(error).__name__}."


def _complain(sentence: str, as_json: bool, **more: Any) -> None:
    typer.echo(plain(sentence), err=True)
    if as_json:
        typer.echo(json.dumps({"error": sentence, **{name: value for name, value in more.items() if value}}, indent=2))
