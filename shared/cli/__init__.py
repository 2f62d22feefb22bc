"""`reregister`, the operator's command: the app's core over the app's ports, with the app's settings.

A file holds the commands of one kind. What they find becomes one JSON document (`documents`); the tables that people are shown
are made from it (`tables`). `running` has what all commands share: options, settings and ports, output, exit status.
"""

import typer

from shared.cli import dead_letters, doctor, grant, simulate, status, switches, verify
from shared.cli.running import AsJson, Commands, SettingsFile, given

cli = typer.Typer(
    cls=Commands,
    help="Looks at Reregister, holds it, and asks it what it would do. The settings are the app's own.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for commands in (status.cli, simulate.cli, switches.cli, dead_letters.cli, verify.cli, doctor.cli, grant.cli):
    cli.add_typer(commands)


@cli.callback()
def before(context: typer.Context, settings: SettingsFile = None, as_json: AsJson = False) -> None:
    context.obj = given(context, settings, as_json)


def main() -> None:
    cli(prog_name="reregister")
