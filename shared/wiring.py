"""The composition root: reads the environment once, builds one set of clients per worker process, on the worker's own event loop.

Built at the first use, never at import: a client belongs to the loop that it was made on.
"""

import asyncio
import os
import random
import socket
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack

import structlog
from azure.data.tables.aio import TableClient
from azure.identity.aio import ManagedIdentityCredential
from azure.storage.blob.aio import ContainerClient
from azure.storage.queue.aio import QueueServiceClient

from shared import settings
from shared.adapters import graph, telemetry
from shared.adapters.clock import SystemClock
from shared.adapters.queues import StorageQueues
from shared.adapters.receipts import CONTAINER, BlobReceipts
from shared.adapters.servicenow import ServiceNowClient, ServiceNowDesk
from shared.adapters.storage import PATIENCE, heed
from shared.adapters.tables import CONTROL_TABLE, TABLE, TableControl, TableDeadLetters, TableJournal, TableLedger, TableOrders
from shared.app import App, Unready
from shared.ports import TicketDesk
from shared.settings import Connection, Settings, SettingsInvalid

VERSION = "0.1.0"

log = structlog.get_logger()


def identity_credential(client_id: str | None) -> ManagedIdentityCredential:
    """One retry: a token endpoint that does not answer is waited for on the queue."""
    return ManagedIdentityCredential(
        client_id=client_id, retry_total=1, connection_timeout=5, read_timeout=10, raw_response_hook=heed
    )


def queue_service(connection: Connection) -> QueueServiceClient:
    if connection.connection_string is not None:
        return QueueServiceClient.from_connection_string(connection.connection_string, **PATIENCE)
    assert connection.queue_url is not None
    return QueueServiceClient(connection.queue_url, credential=identity_credential(connection.client_id), **PATIENCE)


def table_client(connection: Connection, name: str) -> TableClient:
    if connection.connection_string is not None:
        return TableClient.from_connection_string(connection.connection_string, name, **PATIENCE)
    assert connection.table_url is not None
    return TableClient(connection.table_url, name, credential=identity_credential(connection.client_id), **PATIENCE)


def container_client(connection: Connection, name: str) -> ContainerClient:
    if connection.connection_string is not None:
        return ContainerClient.from_connection_string(connection.connection_string, name, **PATIENCE)
    assert connection.blob_url is not None
    return ContainerClient(connection.blob_url, name, credential=identity_credential(connection.client_id), **PATIENCE)


def build(environment: Mapping[str, str], resources: AsyncExitStack) -> App:
    """The app on its real adapters, closed with `resources`; `SettingsInvalid` when the environment does not allow it."""
    chosen = settings.load(environment)
    clock = SystemClock()
    credential = identity_credential(chosen.client_id)
    clients = graph.connect(chosen.graph_endpoint, credential)
    table, control, queues = (
        table_client(chosen.journal, TABLE),
        table_client(chosen.journal, CONTROL_TABLE),
        queue_service(chosen.queues),
    )
    receipts = container_client(chosen.journal, CONTAINER)
    for close in (credential.close, clients.aclose, table.close, control.close, receipts.close, queues.close):
        resources.push_async_callback(close)
    return App(
        settings=chosen,
        worker=f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:8]}",
        journal=TableJournal(table),
        ledger=TableLedger(table),
        control=TableControl(control),
        receipts=BlobReceipts(receipts),
        letters=TableDeadLetters(table),
        orders=TableOrders(control),
        queue=StorageQueues(queues),
        directory=lambda: graph.GraphDirectory(clients, clock),
        desk=_desk(chosen, credential, clock, resources),
        clock=clock,
        jitter=random.random,
    )


def _desk(
    chosen: Settings, credential: ManagedIdentityCredential, clock: SystemClock, resources: AsyncExitStack
) -> Callable[[], TicketDesk] | None:
    system = chosen.ticket_system
    if system is None:
        return None
    client = ServiceNowClient(system.url, credential, system.audience)
    resources.push_async_callback(client.close)
    return lambda: ServiceNowDesk(
        client,
        clock,
        user_field=system.user_field,
        profile_field=system.profile_field,
        proof_field=system.proof_field,
        approver_group=system.approver_group,
    )


def _built(environment: Mapping[str, str], resources: AsyncExitStack) -> App | Unready:
    try:
        return build(environment, resources)
    except SettingsInvalid as invalid:
        return Unready(invalid.problems, _host_queue(environment, resources), invalid.mode)
    except ValueError as error:  # an SDK is stricter than we are; it may quote the value
        log.warning("settings.refused-by-sdk", error=type(error).__name__)
        problems = {"settings": "an address or connection string is not accepted by its SDK"}
        return Unready(problems, _host_queue(environment, resources))


def _host_queue(environment: Mapping[str, str], resources: AsyncExitStack) -> StorageQueues | None:
    try:
        service = queue_service(settings.host_storage(environment))
    except (SettingsInvalid, ValueError):
        return None
    resources.push_async_callback(service.close)
    return StorageQueues(service)


class _Process:
    """What a worker process keeps: one app, the loop it belongs to, and what closes its clients."""

    app: App | Unready | None = None
    loop: asyncio.AbstractEventLoop | None = None
    closer: AsyncGenerator[None] | None = None
    started: asyncio.Task[None] | None = None


async def _close_with_loop(resources: AsyncExitStack) -> AsyncGenerator[None]:
    """The worker tells nobody that it stops, but its loop ends its asynchronous generators: clients are closed then."""
    async with resources:
        yield


def app() -> App | Unready:
    """This process's app on the running loop, or what is wrong with its settings: the environment does not change under it."""
    loop = asyncio.get_running_loop()
    if _Process.app is None or _Process.loop is not loop:
        telemetry.configure()
        resources = AsyncExitStack()
        _Process.app, _Process.loop = _built(os.environ, resources), loop
        _Process.closer = _close_with_loop(resources)
        _Process.started = loop.create_task(anext(_Process.closer))
    return _Process.app
