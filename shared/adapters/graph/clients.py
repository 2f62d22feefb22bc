"""What a worker process keeps of Microsoft Graph: one HTTP client with the SDK's middleware, an adapter per API version."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

import httpx
from azure.core.credentials_async import AsyncTokenCredential
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from kiota_http.middleware.options import RedirectHandlerOption, RetryHandlerOption
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.graph_request_adapter import options as SDK_OPTIONS  # noqa: N812  (a constant that the SDK spells in lower case)
from msgraph_core import GraphClientFactory

GLOBAL_HOST = "graph.microsoft.com"
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})

TIMEOUT = httpx.Timeout(15, connect=5)
"""Below `calls.CALL_SECONDS`, so that a stalled connection is told from a call that is slow as a whole."""

# Waiting has one owner, `calls.ShortWaits`: the SDK's retries sleep for minutes inside an invocation, and cannot read a fraction.
# A redirect is never followed: Graph sends none, and the token belongs to one origin.
OPTIONS = {
    **SDK_OPTIONS,
    RetryHandlerOption.get_key(): RetryHandlerOption(max_retries=0, should_retry=False),
    RedirectHandlerOption.get_key(): RedirectHandlerOption(max_redirect=0, should_redirect=False),
}


@dataclass(frozen=True, slots=True)
class GraphClients:
    """Belongs to the event loop that first used it. `aclose` frees its connections; the credential is the caller's to close."""

    root: str
    sdk: GraphServiceClient
    v1: GraphRequestAdapter
    beta: GraphRequestAdapter
    tokens: AzureIdentityAuthenticationProvider
    http: httpx.AsyncClient
    transport: httpx.AsyncBaseTransport

    @property
    def has_beta(self) -> bool:
        """Whether hardware OATH and sign-in preferences exist here: only in the global cloud, say their reference pages."""
        return urlsplit(self.root).hostname in {GLOBAL_HOST, *LOOPBACK_HOSTS}

    async def token(self) -> str:
        """The access token that calls carry."""
        token: str = await self.tokens.access_token_provider.get_authorization_token(self.root)
        return token

    async def aclose(self) -> None:
        await self.http.aclose()
        # msgraph-core's own transport wraps this one and does not pass `aclose` on.
        await self.transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def connect(endpoint: str, credential: AsyncTokenCredential, transport: httpx.AsyncBaseTransport | None = None) -> GraphClients:
    """Clients for the Graph at `endpoint` (a root such as `https://graph.microsoft.com`); nothing is sent yet.

    Tokens are asked for `<endpoint>/.default` and sent to that host only. `ValueError` unless the endpoint is a bare https root;
    plain http is for loopback hosts. `transport` takes the place of the network in tests.
    """
    root = _root(endpoint)
    transport = transport or httpx.AsyncHTTPTransport(http2=True)
    # A client that is given its transport takes no proxy from the environment.
    http = GraphClientFactory.create_with_default_middleware(
        client=httpx.AsyncClient(transport=transport, timeout=TIMEOUT), options=OPTIONS
    )
    tokens = AzureIdentityAuthenticationProvider(
        credential, scopes=[f"{root}/.default"], allowed_hosts=[urlsplit(root).hostname or ""]
    )
    v1, beta = (_adapter(tokens, http, f"{root}/{version}") for version in ("v1.0", "beta"))
    return GraphClients(root, GraphServiceClient(request_adapter=v1), v1, beta, tokens, http, transport)


def _adapter(tokens: AzureIdentityAuthenticationProvider, http: httpx.AsyncClient, base_url: str) -> GraphRequestAdapter:
    adapter = GraphRequestAdapter(tokens, http)
    adapter.base_url = base_url  # before any client is built on it, or its URLs get a double slash
    return adapter


def _root(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    if not parts.hostname or parts.username is not None or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("the Graph endpoint is not a bare root such as https://graph.microsoft.com")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS):
        raise ValueError("the Graph endpoint is not https")
    return f"{parts.scheme}://{parts.netloc.lower()}"
