"""`verify`: whether receipts still say what they said."""

import re
from typing import Annotated

import typer

from shared import identity, verification
from shared.app import App
from shared.cli import documents, tables
from shared.cli.running import AsJson, Report, SettingsFile, run
from shared.receipt import Anchor

_HASH = re.compile(r"[0-9a-f]{64}")

cli = typer.Typer()


@cli.command()
def verify(
    context: typer.Context,
    ids: Annotated[list[str] | None, typer.Argument(metavar="[REQUEST_ID…]")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every receipt that there is.")] = False,
    anchors: Annotated[
        list[str] | None, typer.Option("--anchor", metavar="HASH", help="That the receipt of one request must hold.")
    ] = None,
    settings: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Checks receipts against given hashes, the notes on their tickets, and the journal."""
    if every is bool(ids):
        raise typer.BadParameter("give request ids, or --all", param_hint="REQUEST_ID")
    if wrong := [one for one in ids or () if not identity.is_request_id(one)]:
        raise typer.BadParameter(f"not the id of a request: {wrong[0]}", param_hint="REQUEST_ID")
    if anchors and len(ids or ()) != 1:
        raise typer.BadParameter("belongs to one request", param_hint="--anchor")
    if wrong := [one for one in anchors or () if not _HASH.fullmatch(one.lower())]:
        raise typer.BadParameter("64 hexadecimal digits", param_hint="--anchor")

    async def use(app: App) -> Report:
        asked = dict.fromkeys(ids or [one for one in sorted(await app.receipts.listed()) if identity.is_request_id(one)])
        checked = await verification.check_all(app, asked, [Anchor(one.lower()) for one in anchors or ()])
        found, unheard = any(one.findings for one in checked), any(one.unheard for one in checked)
        return Report(documents.verified(checked), tables.verified, 1 if found else 3 if unheard else 0)

    run(context, settings, as_json, use)
