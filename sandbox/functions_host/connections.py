"""Names in bindings become settings, and connection names become storage clients, as the host does it.

Source: "Azure Functions: binding expression patterns" (app settings), "Azure Queue storage trigger: Connections".
"""

import contextlib
import re
from collections.abc import Mapping
from typing import Any

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.identity.aio import ManagedIdentityCredential
from azure.storage.queue.aio import QueueClient, QueueServiceClient

DEFAULT = "AzureWebJobsStorage"
RETRIES: dict[str, Any] = {
    "retry_total": 3,
    "initial_backoff": 1,
    "increment_base": 2,
    "random_jitter_range": 0,
}


class SettingMissing(Exception):
    """A binding needs a setting that is not there; the real host does not start either."""


class Connections:
    """The settings of the app, and its storage clients, one per connection. Settings are read from `settings` only."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = settings
        self._clients: dict[str, QueueServiceClient] = {}
        self._opened = contextlib.AsyncExitStack()

    def expand(self, text: str) -> str:
        """`text` with each `%NAME%` replaced by that setting; `SettingMissing` when there is none."""

        def value(name: re.Match[str]) -> str:
            if not (found := self._settings.get(name[1])):
                raise SettingMissing(f"'%{name[1]}%' does not resolve to a value")
            return found

        return re.sub(r"%([^%]+)%", value, text)

    def disabled(self, function: str) -> bool:
        """Whether a setting takes this function out of service (Azure Functions: "How to disable functions")."""
        return self._settings.get(f"AzureWebJobs.{function}.Disabled", "").lower() in ("true", "1")

    def queue(self, name: str, connection: str | None) -> QueueClient:
        """A client of that queue (which may not exist) in the account that `connection` names (empty: the default one)."""
        name, connection = self.expand(name), self.expand(connection or DEFAULT)
        if connection not in self._clients:
            self._clients[connection] = self._service(connection)
        return self._clients[connection].get_queue_client(name)

    def _service(self, connection: str) -> QueueServiceClient:
        for prefix in (f"AzureWebJobs{connection}", connection):
            if text := self._settings.get(prefix):
                client = QueueServiceClient.from_connection_string(text, **RETRIES)
            elif uri := self._queue_uri(prefix):
                credential = ManagedIdentityCredential(client_id=self._settings.get(f"{prefix}__clientId"))
                self._opened.push_async_callback(credential.close)
                client = QueueServiceClient(uri, credential=credential, **RETRIES)
            else:
                continue
            self._opened.push_async_callback(client.close)
            return client
        raise SettingMissing(f"connection {connection!r} is missing: no setting of that name, nor {connection}__queueServiceUri")

    def _queue_uri(self, prefix: str) -> str | None:
        if account := self._settings.get(f"{prefix}__accountName"):
            return f"https://{account}.queue.core.windows.net"
        return self._settings.get(f"{prefix}__queueServiceUri")

    async def close(self) -> None:
        await self._opened.aclose()


async def put(queue: QueueClient, text: str) -> None:
    """The message is on the queue, as it stands; the queue is made if it was not there (output bindings and poison copies)."""
    try:
        await queue.send_message(text)
    except ResourceNotFoundError:
        with contextlib.suppress(ResourceExistsError):
            await queue.create_queue()
        await queue.send_message(text)
