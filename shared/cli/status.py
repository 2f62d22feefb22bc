"""`status`: how the app is, and how one request is."""

from datetime import datetime, timedelta
from itertools import chain
from typing import Annotated

import typer

from shared import identity, journal, velocity, wiring, wording
from shared.app import App
from shared.cli import documents, tables
from shared.cli.documents import Document
from shared.cli.running import AsJson, NotSo, Report, SettingsFile, run
from shared.parallel import together
from shared.ports import NewerVersion, Unreadable

SHOWN_REQUESTS = 200
FAR = timedelta(days=3650)
NOBODY = "0" * 32  # an id that no person has: the ledger is asked for what it holds of the tenant

cli = typer.Typer()


@cli.command()
def status(
    context: typer.Context,
    request_id: Annotated[str | None, typer.Argument(metavar="[REQUEST_ID]", help="Of one request.")] = None,
    settings: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """How the app is: switches, limits, and the requests that still have something to do; or how one request is."""
    run(context, settings, as_json, lambda app: _of_app(app) if request_id is None else _of_request(app, request_id))


async def _of_app(app: App) -> Report:
    now = app.clock.now()
    switches, counted, lists = await together(app.control.read(), app.ledger.read(NOBODY), _lists(app, now))
    ids = dict.fromkeys(chain.from_iterable(lists))  # what is held and has something to tell is in two of them
    requests = [entry for request_id in ids if (entry := await _entry(app, request_id))]
    document = documents.status(
        wiring.VERSION,
        app.settings,
        switches,
        velocity.within_hour(counted.resets, now),
        requests,
        complete=all(len(one) < SHOWN_REQUESTS for one in lists),
    )
    return Report(document, tables.status)


async def _lists(app: App, now: datetime) -> tuple[tuple[str, ...], ...]:
    """Who has something left to do: in its time, or once a switch is off."""
    held = (app.journal.held(waiting_for, SHOWN_REQUESTS) for waiting_for in sorted(journal.FOR_A_HUMAN))
    return await together(app.journal.due(now + FAR, SHOWN_REQUESTS), *held)


async def _entry(app: App, request_id: str) -> Document | None:
    """None when it has come to its end since the list was read."""
    try:
        stored, _ = await app.journal.find(request_id)
    except Unreadable:
        return documents.unreadable(request_id)
    except NewerVersion:
        return documents.newer(request_id)
    return documents.request(stored.record) if stored and journal.has_something_left(stored.record) else None


async def _of_request(app: App, request_id: str) -> Report:
    stored = (await app.journal.find(request_id))[0] if identity.is_request_id(request_id) else None
    if stored is None:
        raise NotSo("There is no such request.")
    return Report(wording.status_body(stored.record), tables.request)
