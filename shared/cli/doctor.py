"""`doctor`: whether a tenant is set up right, found out by reading alone."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from shared import wiring
from shared.adapters import graph
from shared.adapters.clock import SystemClock
from shared.adapters.graph.inspection import GraphInspection
from shared.adapters.inspection import AnswerDates, StoresInspection
from shared.adapters.receipts import CONTAINER
from shared.adapters.servicenow import ServiceNowClient
from shared.adapters.servicenow.inspection import ServiceNowInspection
from shared.adapters.tables import CONTROL_TABLE, TABLE
from shared.cli import documents, granting, tables
from shared.cli.running import AsJson, NotSo, Report, SettingsFile, conclude, given
from shared.doctor import configuration, examination, findings
from shared.doctor.examination import Tenant
from shared.doctor.findings import Finding
from shared.doctor.permissions import Identity, Needs
from shared.model import WaitingFor
from shared.settings import Settings

NEEDS = Needs(tuple(granting.DEFAULT_SET), (*granting.FULL_RESET, *granting.DEADLOCK))
HOST_JSON = Path(__file__).parents[2] / "host.json"

cli = typer.Typer()


@cli.command()
def doctor(
    context: typer.Context,
    ticket: Annotated[
        str | None, typer.Option(metavar="NUMBER_OR_SYSID", help="A ticket to try fields and approvals on.")
    ] = None,
    canary: Annotated[str | None, typer.Option(metavar="UPN_OR_ID", help="An administrator, who must be refused.")] = None,
    policies: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Conditional Access policies, as Graph lists them to a person.")
    ] = None,
    settings: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Looks at everything the app depends on and says what is wrong, why it matters and what mends it; writes nothing."""

    async def use(environment: Mapping[str, str]) -> Report:
        read = configuration.read(environment)
        found, who = configuration.judge(environment, read), None
        if read.usable is None:
            found = (*found, *examination.nothing_examined(NEEDS, "The settings allow no check."))
        else:
            async with AsyncExitStack() as resources:
                more, who = await _examined(environment, read, resources, ticket, canary, _content(policies))
            found = (*found, *more)
        ok = findings.passes(found)
        document = documents.doctor(wiring.VERSION, read.usable, who, found, ok=ok)
        return Report(document, tables.doctor, 0 if ok else 1)

    conclude(given(context, settings, as_json), use)


async def _examined(
    environment: Mapping[str, str],
    read: configuration.Read,
    resources: AsyncExitStack,
    ticket: str | None,
    canary: str | None,
    policies: bytes | None,
) -> tuple[tuple[Finding, ...], Identity | None]:
    chosen = read.usable
    assert chosen is not None
    try:
        app = wiring.build({name: value for name, value in environment.items() if name not in read.dropped}, resources)
    except ValueError:  # an SDK is stricter than we are; it may quote the value
        return examination.nothing_examined(NEEDS, "An address or connection string is not accepted by its SDK."), None
    stores, queues = _stores(chosen, resources)
    tenant = Tenant(
        app=app,
        environment=environment,
        needs=NEEDS,
        host_json=_content(HOST_JSON) or b"",
        graph=_graph(chosen, resources),
        storage=stores,
        tickets=_tickets(chosen, resources),
        dates=AnswerDates(),
        addresses=_addresses(chosen, queues),
        canary=canary,
        ticket=ticket,
        policies=policies,
    )
    examined = await examination.examine(tenant)
    return examined.findings, examined.identity


def _graph(chosen: Settings, resources: AsyncExitStack) -> GraphInspection:
    credential = wiring.identity_credential(chosen.client_id)
    clients = graph.connect(chosen.graph_endpoint, credential)
    for close in (credential.close, clients.aclose):
        resources.push_async_callback(close)
    return GraphInspection(clients, SystemClock())


def _stores(chosen: Settings, resources: AsyncExitStack) -> tuple[StoresInspection, str]:
    """And the address of the queue service, whose clock is looked at."""
    queues = wiring.queue_service(chosen.queues)
    journal, control = wiring.table_client(chosen.journal, TABLE), wiring.table_client(chosen.journal, CONTROL_TABLE)
    receipts = wiring.container_client(chosen.journal, CONTAINER)
    for close in (queues.close, journal.close, control.close, receipts.close):
        resources.push_async_callback(close)
    return StoresInspection(queues, journal, control, receipts), queues.url


def _tickets(chosen: Settings, resources: AsyncExitStack) -> ServiceNowInspection | None:
    system = chosen.ticket_system
    if system is None:
        return None
    credential = wiring.identity_credential(chosen.client_id)
    client = ServiceNowClient(system.url, credential, system.audience)
    for close in (credential.close, client.close):
        resources.push_async_callback(close)
    return ServiceNowInspection(client, SystemClock())


def _addresses(chosen: Settings, queues: str) -> dict[str, str]:
    """Where each service can be asked for its time; the answer may well be a refusal. Nothing secret is part of an address."""
    parts = urlsplit(queues)
    addresses = {
        WaitingFor.GRAPH: f"{chosen.graph_endpoint}/v1.0/organization",
        WaitingFor.STORAGE: f"{parts.scheme}://{parts.netloc}{parts.path}",
    }
    if chosen.ticket_system is not None:
        addresses[WaitingFor.TICKET_SYSTEM] = f"{chosen.ticket_system.url}/api/now/v2/table/sys_user?sysparm_limit=1"
    return {str(service): address for service, address in addresses.items()}


def _content(file: Path | None) -> bytes | None:
    if file is None:
        return None
    try:
        return file.read_bytes()
    except OSError as error:
        raise NotSo(f"There is no file {file} that can be read.") from error
