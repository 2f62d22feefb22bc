"""The simulated managed identity endpoint, driven by the credential that the app uses."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity.aio import ManagedIdentityCredential

from sandbox.identity import DEFAULT_PERMISSIONS, PATH, Identity, SimulatedIdentity
from sandbox.simulator import Fault, running
from sandbox.tokens import IDENTITY_CLIENT_ID, IDENTITY_OBJECT_ID, InvalidToken, verify

GRAPH = "https://graph.microsoft.com"
HEADER = "the-header-of-this-app"


@pytest.fixture
def identity() -> SimulatedIdentity:
    return SimulatedIdentity(HEADER)


@pytest.fixture
async def root(identity: SimulatedIdentity, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    async with running(identity.app) as url:
        monkeypatch.setenv("IDENTITY_ENDPOINT", url + PATH)
        monkeypatch.setenv("IDENTITY_HEADER", HEADER)
        yield url


async def ask(root: str, header: str | None = HEADER, **query: str) -> tuple[int, dict[str, Any]]:
    headers = {} if header is None else {"X-IDENTITY-HEADER": header}
    query = {"api-version": "2019-08-01", "resource": GRAPH} | {
        k.replace("api_version", "api-version"): v for k, v in query.items()
    }
    async with aiohttp.ClientSession() as session, session.get(root + PATH, params=query, headers=headers) as answer:
        return answer.status, await answer.json()


async def test_the_credential_gets_a_graph_token_with_the_granted_permissions(root: str) -> None:
    async with ManagedIdentityCredential() as credential:
        token = await credential.get_token(GRAPH + "/.default")
    claims = verify(token.token, GRAPH)
    assert set(claims["roles"]) == DEFAULT_PERMISSIONS
    assert (claims["oid"], claims["appid"], claims["idtyp"]) == (IDENTITY_OBJECT_ID, IDENTITY_CLIENT_ID, "app")
    assert token.expires_on == pytest.approx(time.time() + 86400, abs=30)


async def test_the_credential_may_name_the_identity_by_client_id_object_id_or_resource_id(root: str) -> None:
    for named in (
        ManagedIdentityCredential(client_id=IDENTITY_CLIENT_ID),
        ManagedIdentityCredential(identity_config={"object_id": IDENTITY_OBJECT_ID}),
        ManagedIdentityCredential(identity_config={"mi_res_id": Identity().resource_id}),
    ):
        async with named as credential:
            assert (await credential.get_token(GRAPH + "/.default")).token


async def test_an_unknown_identity_is_an_authentication_error_that_is_not_retried(identity: SimulatedIdentity, root: str) -> None:
    async with ManagedIdentityCredential(client_id="somebody-else") as credential:
        with pytest.raises(ClientAuthenticationError, match="No User Assigned"):
            await credential.get_token(GRAPH + "/.default")
    assert [call["status"] for call in identity.calls("GET", PATH)] == [400]


async def test_the_credential_waits_out_a_busy_endpoint(identity: SimulatedIdentity, root: str) -> None:
    identity.arm(Fault(path=PATH, status=503, headers={"Retry-After": "0"}, times=2))
    async with ManagedIdentityCredential() as credential:
        assert (await credential.get_token(GRAPH + "/.default")).token
    assert [call["status"] for call in identity.calls("GET", PATH)] == [503, 503, 200]


async def test_the_answer_has_the_documented_members_and_expires_on_is_text(root: str) -> None:
    status, answer = await ask(root)
    assert status == 200
    assert set(answer) == {"access_token", "expires_on", "resource", "token_type", "client_id"}
    assert answer["expires_on"].isdecimal()
    assert (answer["resource"], answer["token_type"], answer["client_id"]) == (GRAPH, "Bearer", IDENTITY_CLIENT_ID)


@pytest.mark.parametrize("header", [None, "", "another-header"])
async def test_without_the_apps_header_there_is_no_token(root: str, header: str | None) -> None:
    status, answer = await ask(root, header)
    assert status == 401
    assert answer["statusCode"] == 401


@pytest.mark.parametrize(
    "query",
    [
        {"api_version": "2017-09-01"},
        {"api_version": ""},
        {"resource": ""},
        {"client_id": "unknown"},
        {"client_id": IDENTITY_CLIENT_ID, "object_id": IDENTITY_OBJECT_ID},
    ],
)
async def test_what_the_endpoint_cannot_understand_is_400(root: str, query: dict[str, str]) -> None:
    status, answer = await ask(root, **query)
    assert status == 400
    assert answer["message"]


async def test_a_token_for_another_resource_carries_no_roles_and_no_other_audience(root: str) -> None:
    _, answer = await ask(root, resource="api://servicenow")
    assert verify(answer["access_token"], "api://servicenow")["roles"] == []
    with pytest.raises(InvalidToken):
        verify(answer["access_token"], GRAPH)


async def test_permissions_change_for_tokens_issued_later(identity: SimulatedIdentity, root: str) -> None:
    _, before = await ask(root)
    async with aiohttp.ClientSession() as session:
        await session.put(root + "/_sim/roles", json={"roles": ["User.Read.All"]})
        await session.put(root + "/_sim/roles", json={"roles": ["Storage.Custom"], "resource": "https://storage.azure.com/"})
    _, after = await ask(root)
    assert set(verify(before["access_token"], GRAPH)["roles"]) == DEFAULT_PERMISSIONS
    assert verify(after["access_token"], GRAPH)["roles"] == ["User.Read.All"]
    assert identity.roles("http://127.0.0.1:5000") == {"User.Read.All"}
    assert identity.roles("https://storage.azure.com") == {"Storage.Custom"}


async def test_an_app_with_only_a_user_assigned_identity_must_name_it() -> None:
    identity = SimulatedIdentity(HEADER, [Identity(system_assigned=False)])
    async with running(identity.app) as root:
        assert (await ask(root))[0] == 400
        assert (await ask(root, client_id=IDENTITY_CLIENT_ID.upper()))[0] == 200


async def test_it_runs_as_a_process_that_shares_the_stacks_token_key() -> None:
    environment = os.environ | {"IDENTITY_HEADER": HEADER, "SANDBOX_TOKEN_KEY": "k" * 64}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sandbox.identity", "--port", "0", stdout=subprocess.PIPE, env=environment
    )
    try:
        assert process.stdout is not None
        root = json.loads(await process.stdout.readline())["url"]
        status, answer = await ask(root)
        assert status == 200
        assert answer["access_token"].count(".") == 2
    finally:
        process.terminate()
        assert await process.wait() == 0
