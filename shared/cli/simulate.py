"""`simulate`: what would become of a request now, without any write."""

from typing import Annotated

import typer

from shared import intake, simulation
from shared.app import App
from shared.cli import documents, tables
from shared.cli.running import AsJson, Report, SettingsFile, run
from shared.model import Profile
from shared.simulation import ByTicket, ForPerson, Would

cli = typer.Typer()


@cli.command()
def simulate(
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
        made = await simulation.simulate(app, asked)
        status = 3 if made.unread else int(made.outcome is not Would.DONE)
        return Report(documents.simulation(made), tables.simulation, status)

    run(context, settings, as_json, use)


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
