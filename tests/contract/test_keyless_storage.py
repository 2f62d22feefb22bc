"""The app keeps everything it keeps with the token of its identity alone, as where shared keys are off.

Azurite checks issuer, audience and lifetime of a token (`--oauth basic`), and that only over TLS: with a certificate that is made
for the test and trusted by nobody else. That a token without a role is refused only Azure itself can show.
"""

import asyncio
import json
import os
import re
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import trustme

from sandbox.azurite import NODE, SCRIPT, SERVICES
from sandbox.identity import PATH, SimulatedIdentity
from sandbox.processes import PYTHON, ROOT, Child
from sandbox.simulator import Fault, running
from sandbox.tokens import IDENTITY_CLIENT_ID, mint

HOST, JOURNAL = "hoststorage", "journalstorage"
STORES = ("journal", "control", "receipts", "queues")
STORAGE = "https://storage.azure.com"
KEY = "bm90LWEta2V5LW9mLWFueS1hY2NvdW50"  # Azurite cannot be without one; nobody is told it
LISTENING = re.compile(r"Azurite (\w+) service is successfully listening at (https://\S+)")


@dataclass(frozen=True)
class Keyless:
    """Storage over TLS, the identity that has tokens for it, and the certificate authority of the day."""

    roots: dict[str, str]
    identity: SimulatedIdentity
    identity_url: str
    authority: Path

    @property
    def settings(self) -> dict[str, str]:
        """As the app is deployed: addresses and an identity, no key."""
        return {
            "AZURE_CLIENT_ID": IDENTITY_CLIENT_ID,
            **self._connection("AzureWebJobsStorage", HOST, SERVICES),
            "JOURNAL_CONNECTION": "JOURNAL",
            **self._connection("JOURNAL", JOURNAL, ("blob", "table")),
        }

    def _connection(self, name: str, account: str, services: tuple[str, ...]) -> dict[str, str]:
        uris = {f"{name}__{service}ServiceUri": f"{self.roots[service]}/{account}" for service in services}
        return {f"{name}__credential": "managedidentity", f"{name}__clientId": IDENTITY_CLIENT_ID, **uris}

    async def app(self, **environment: str) -> dict[str, str]:
        """What the app says of each of its stores, in a process that has these settings only."""
        given = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "IDENTITY_ENDPOINT": f"{self.identity_url}{PATH}",
            "IDENTITY_HEADER": self.identity.header,
            "SSL_CERT_FILE": str(self.authority),
            **self.settings,
            **environment,
        }
        assert KEY not in " ".join(given.values())
        child = Child("app", [PYTHON, "-m", "tests.contract.keyless"], env=given)
        try:
            assert await asyncio.to_thread(child.wait, 60) == 0, "\n".join(child.lines)
            [said] = [json.loads(line) for line in child.lines if line.startswith("{")]
        finally:
            await asyncio.to_thread(child.kill)
        return dict(said)


class _Roots:
    def __init__(self) -> None:
        self.found: dict[str, str] = {}

    def __call__(self, line: str) -> dict[str, str] | None:
        if said := LISTENING.search(line):
            self.found[said[1].lower()] = said[2]
        return self.found if len(self.found) == len(SERVICES) else None


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, str], Path]]:
    """The roots of the services, and the file of the authority that vouches for them."""
    authority, folder = trustme.CA(), tmp_path_factory.mktemp("certificates")
    certificate = authority.issue_cert("127.0.0.1")
    trusted, chain, key = (folder / f"{name}.pem" for name in ("authority", "chain", "key"))
    authority.cert_pem.write_to_path(trusted)
    certificate.cert_chain_pems[0].write_to_path(chain)
    certificate.private_key_pem.write_to_path(key)
    options: list[str | Path] = [
        "--oauth", "basic", "--cert", chain, "--key", key,
        "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent",
        *(part for service in SERVICES for part in (f"--{service}Port", "0")),
    ]  # fmt: skip
    azurite = Child(
        "azurite",
        [NODE.read_text().strip() if NODE.is_file() else "node", SCRIPT, *options],
        env={**os.environ, "AZURITE_ACCOUNTS": f"{HOST}:{KEY};{JOURNAL}:{KEY}"},
        greeting=_Roots(),
    )
    try:
        yield azurite.hello(), trusted
    finally:
        azurite.kill()


@pytest.fixture
async def keyless(storage: tuple[dict[str, str], Path]) -> AsyncIterator[Keyless]:
    identity = SimulatedIdentity()
    async with running(identity.app) as url:
        yield Keyless(storage[0], identity, url, storage[1])


async def test_the_app_keeps_everything_without_a_key(keyless: Keyless) -> None:
    assert await keyless.app() == dict.fromkeys(STORES, "kept")
    asked = [(call["resource"], call["clientId"]) for call in keyless.identity.calls(path=PATH)]
    assert set(asked) == {(STORAGE, IDENTITY_CLIENT_ID)}


async def test_a_token_for_something_else_opens_nothing(keyless: Keyless) -> None:
    elsewhere = {
        "access_token": mint("https://graph.microsoft.com", ()),
        "expires_on": str(int(time.time()) + 3600),
        "resource": STORAGE,
        "token_type": "Bearer",
    }
    keyless.identity.arm(Fault(path=re.escape(PATH), times=None, status=200, body=elsewhere))
    said = await keyless.app()
    assert {store: answer.partition(":")[0] for store, answer in said.items()} == dict.fromkeys(STORES, "NotLetIn")


async def test_without_a_token_the_app_keeps_nothing(keyless: Keyless) -> None:
    said = await keyless.app(IDENTITY_HEADER="somebody-else")
    assert {store: answer.partition(":")[0] for store, answer in said.items()} == dict.fromkeys(STORES, "NotLetIn")


async def test_the_app_talks_to_no_storage_whose_certificate_it_does_not_trust(keyless: Keyless, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(stranger := tmp_path / "stranger.pem")
    said = await keyless.app(SSL_CERT_FILE=str(stranger))
    assert {store: answer.partition(":")[0] for store, answer in said.items()} == dict.fromkeys(STORES, "Unavailable")


OFFERED: dict[str, tuple[Callable[[], str] | None, bool]] = {
    "nothing": (None, False),
    "a word": (lambda: "nothing", False),
    "a token for something else": (lambda: mint("https://graph.microsoft.com", ()), False),
    "a token of somebody else": (lambda: mint(STORAGE, (), iss="https://login.example/"), False),
    "a token of yesterday": (lambda: mint(STORAGE, (), lifetime=-60), False),
    "a token": (lambda: mint(STORAGE, ()), True),
}


@pytest.mark.parametrize(("token", "let_in"), OFFERED.values(), ids=OFFERED.keys())
async def test_storage_lets_in_who_has_a_token_and_nobody_else(
    keyless: Keyless, token: Callable[[], str] | None, let_in: bool
) -> None:
    trusted = ssl.create_default_context(cafile=str(keyless.authority))
    headers = {"x-ms-version": "2024-11-04", "Accept": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token()}"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted), headers=headers) as session:
        for service, listing in {"blob": "?comp=list", "queue": "?comp=list", "table": "/Tables"}.items():
            for account in (HOST, JOURNAL):
                async with session.get(f"{keyless.roots[service]}/{account}{listing}") as answer:
                    assert answer.status in ((200,) if let_in else (401, 403)), (service, account, await answer.text())
