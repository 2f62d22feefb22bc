"""The way to one ServiceNow instance."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import aiohttp
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError

from shared.model import WaitingFor
from shared.ports import Unavailable
from shared.waits import AskedToWait

CALL_LIMIT = timedelta(seconds=20)
ANSWER_LIMIT = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes


class ServiceNowClient:
    """Connections to one instance, with the identity's token; shared by all invocations of a worker process.

    The token goes to `base_url` only: no redirect, no proxy of the environment, no link in an answer is followed. The credential
    keeps and renews it, and is closed by whoever made it. The session opens with the first call: it needs a running event loop.
    """

    def __init__(
        self, base_url: str, credential: AsyncTokenCredential, audience: str, *, call_limit: timedelta = CALL_LIMIT
    ) -> None:
        self._root = base_url.rstrip("/")
        self._credential = credential
        self._scope = audience if audience.endswith("/.default") else f"{audience}/.default"
        self._call_limit = call_limit.total_seconds()
        self._session: aiohttp.ClientSession | None = None

    async def send(self, method: str, path: str, query: Mapping[str, str], body: Mapping[str, str] | None = None) -> Reply:
        """One call and its answer of at most 1 MiB, whatever the status; `Unavailable` when there is no answer within 20 s."""
        try:
            async with asyncio.timeout(self._call_limit):
                token = await self._credential.get_token(self._scope)
                async with self._open().request(
                    method,
                    f"{self._root}/api/now/v2/table/{path}",
                    params=query,
                    json=body,
                    headers={"Authorization": f"Bearer {token.token}", "Accept": "application/json"},
                    allow_redirects=False,
                ) as response:
                    return Reply(response.status, response.headers, await _bounded(response))
        except TimeoutError as exc:
            raise unavailable("timeout") from exc
        except AskedToWait as asked:
            raise unavailable("no-token", asked.retry_after) from asked
        except AzureError as exc:
            raise unavailable("no-token") from exc
        except (aiohttp.ClientError, OSError) as exc:
            raise unavailable("connection-failed") from exc

    async def close(self) -> None:
        """The connections are closed."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),  # a session cookie would outlive the token it was given for
                timeout=aiohttp.ClientTimeout(total=None),  # `send` has its own, over the token too
                trust_env=False,
                headers={"User-Agent": "reregister"},
            )
        return self._session


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > ANSWER_LIMIT:
            raise unavailable(f"http-{response.status}-too-large")
    return bytes(body)


def unavailable(cause: str, retry_after: timedelta | None = None) -> Unavailable:
    return Unavailable(WaitingFor.TICKET_SYSTEM, cause, retry_after)
