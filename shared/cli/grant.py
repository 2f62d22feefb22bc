"""`grant`: the managed identity gets its permissions on Microsoft Graph, from a privileged person and from nobody else.

The app's own identity and the pipeline that deploys it must never be able to: who can grant application permissions stands above
everything that this product protects.
"""

import asyncio
from collections.abc import Mapping
from typing import Annotated

import typer
from azure.core.exceptions import AzureError
from azure.identity import AzureCliCredential, InteractiveBrowserCredential
from rich.console import Console

from shared import settings as app_settings
from shared.cli import granting, tables
from shared.cli.app_roles import AppRoles
from shared.cli.documents import Document
from shared.cli.granting import Assignment, Identity, NotGranted, Plan, Resource
from shared.cli.running import AsJson, NotSo, Report, SettingsFile, conclude, given
from shared.ports import Forbidden, Unavailable

LOOKS = 6
LOOKS_EVERY_SECONDS = 2.0  # Graph shows assignments late
AZ_SECONDS = 60

cli = typer.Typer()


@cli.command()
def grant(
    context: typer.Context,
    identity: Annotated[str, typer.Option(metavar="ID_OR_NAME", help="Of the managed identity: object id, client id, name.")],
    full_reset: Annotated[bool, typer.Option("--full-reset", help="Also what the profile full-reset needs.")] = False,
    deadlock: Annotated[bool, typer.Option("--deadlock", help="Also what changes a deadlocked default method.")] = False,
    revoke_extra: Annotated[bool, typer.Option("--revoke-extra", help="Take away what it holds on Graph beyond that.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    browser: Annotated[bool, typer.Option("--browser", help="Sign in in a browser, not by the Azure CLI.")] = False,
    tenant: Annotated[str | None, typer.Option(help="The tenant to sign in to, where there are several.")] = None,
    settings: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Gives the app's managed identity its permissions on Microsoft Graph: shows what would change, asks, changes, reads back."""
    options = given(context, settings, as_json)
    permissions = granting.wanted(full_reset=full_reset, deadlock=deadlock)

    def ask(document: Document) -> bool:
        """With `--json` nobody can be asked: the plan is all that is put out."""
        if not options.as_json:
            _show(document)
        return yes or (not options.as_json and _agreed())

    async def use(environment: Mapping[str, str]) -> Report:
        try:
            root = app_settings.graph_endpoint(environment)
            token = await asyncio.to_thread(_token, root, browser=browser, tenant=tenant)
            person = granting.signed_in(token)
            async with AppRoles.open(root, token) as roles:
                graph = await roles.graph()
                granting.check_ids(permissions, graph.roles)
                found = await roles.identity(identity)
                made = granting.plan(permissions, graph, await roles.held(found))
                document = granting.planned(person, found, made, revoke_extra=revoke_extra)
                if granting.has_something_to_do(made, revoke_extra=revoke_extra) and ask(document):
                    causes = await _carry_out(roles, graph, found, made, revoke_extra=revoke_extra)
                    held = await _read_back(roles, found, made, causes, revoke_extra=revoke_extra)
                    document = granting.concluded(document, made, held, causes, revoke_extra=revoke_extra)
        except NotGranted as why:
            raise NotSo(str(why)) from why
        return Report(document, tables.grant, 0 if document["complete"] else 1)

    conclude(options, use)


def _token(root: str, *, browser: bool, tenant: str | None) -> str:
    """The signed-in person's token for Microsoft Graph."""
    credential = (
        InteractiveBrowserCredential(**({"tenant_id": tenant} if tenant else {}))
        if browser
        else AzureCliCredential(tenant_id=tenant or "", process_timeout=AZ_SECONDS)
    )
    try:
        return credential.get_token(f"{root}/.default").token
    except (AzureError, ValueError) as error:
        how = "in a browser" if browser else "with `az login`"
        raise NotGranted(f"There is no token for Microsoft Graph: sign in {how}, to the tenant of the identity.") from error


async def _carry_out(roles: AppRoles, graph: Resource, identity: Identity, made: Plan, *, revoke_extra: bool) -> dict[str, str]:
    """Everything is tried, whatever fails; the cause of each failure by permission or assignment."""
    causes = {}
    for value in made.missing:
        try:
            await roles.grant(graph, identity, made.wanted[value])
        except (NotGranted, Forbidden, Unavailable) as error:
            causes[value] = str(error)
    for one in made.extra if revoke_extra else ():
        try:
            await roles.revoke(identity, one)
        except (NotGranted, Forbidden, Unavailable) as error:
            causes[one.id] = str(error)
    return causes


async def _read_back(
    roles: AppRoles, identity: Identity, made: Plan, causes: Mapping[str, str], *, revoke_extra: bool
) -> tuple[Assignment, ...]:
    """What the identity holds now, looked at until it is what was asked for, or for long enough."""
    held = await roles.held(identity)
    for _ in range(LOOKS - 1):
        if granting.holds(made, held, revoke_extra=revoke_extra, failed=causes):
            break
        await asyncio.sleep(LOOKS_EVERY_SECONDS)
        held = await roles.held(identity)
    return held


def _show(document: Document) -> None:
    console = Console(highlight=False)
    for one in tables.grant(document):
        console.print(one)


def _agreed() -> bool:
    """Whoever cannot be asked has not agreed."""
    try:
        return typer.confirm("Make these changes?", err=True)
    except typer.Abort:
        return False
