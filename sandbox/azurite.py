"""Azurite, Microsoft's storage emulator, with an account of its own: no well-known key, free ports, nothing on disk.

Source: Azure/Azurite README (`AZURITE_ACCOUNTS`, `--inMemoryPersistence`, `--skipApiVersionCheck`).
"""

import asyncio
import base64
import contextlib
import os
import re
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from sandbox.processes import ROOT, Child

SCRIPT = ROOT / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
NODE = ROOT / "node_modules" / ".node"
SERVICES = ("blob", "queue", "table")
LISTENING = re.compile(r"Azurite (\w+) service is successfully listening at (http://\S+)")
KEEP_ALIVE = 120  # seconds; longer than any client keeps an idle connection, so that none is cut while it is used


@dataclass(frozen=True, slots=True)
class Account:
    """A storage account: its name, key and the roots of its services (`blob`, `queue`, `table`)."""

    name: str
    key: str = field(repr=False)
    endpoints: dict[str, str]

    @property
    def connection_string(self) -> str:
        roots = "".join(f"{service.capitalize()}Endpoint={self.endpoints[service]};" for service in SERVICES)
        return f"DefaultEndpointsProtocol=http;AccountName={self.name};AccountKey={self.key};{roots}"


class _Listening:
    """Collects the roots of the three services from Azurite's lines."""

    def __init__(self) -> None:
        self.roots: dict[str, str] = {}

    def __call__(self, line: str) -> dict[str, str] | None:
        if found := LISTENING.search(line):
            self.roots[found[1].lower()] = found[2]
        return self.roots if len(self.roots) == len(SERVICES) else None


class Azurite:
    """A started Azurite; `ready()` (or `hello()`, which blocks) fills `accounts`, `stop()` ends it and forgets all data."""

    def __init__(self, accounts: int = 1, access_log: Callable[[str], None] | None = None) -> None:
        self._keys = {f"sandbox{n}": base64.b64encode(secrets.token_bytes(64)).decode() for n in range(1, accounts + 1)}
        self.accounts: tuple[Account, ...] = ()
        node = NODE.read_text().strip() if NODE.is_file() else "node"
        options = [
            "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", *([] if access_log else ["--silent"]),
            *(part for name in SERVICES for part in (f"--{name}Port", "0", f"--{name}KeepAliveTimeout", str(KEEP_ALIVE))),
        ]  # fmt: skip
        known = ";".join(f"{name}:{key}" for name, key in self._keys.items())
        self.child = Child(
            "azurite",
            [node, SCRIPT, *options],
            env={**os.environ, "AZURITE_ACCOUNTS": known},
            greeting=_Listening(),
            on_line=access_log,
        )

    def _filled(self, roots: dict[str, str]) -> "Azurite":
        self.accounts = tuple(
            Account(name, key, {service: f"{root}/{name}" for service, root in roots.items()}) for name, key in self._keys.items()
        )
        return self

    def hello(self) -> "Azurite":
        """Blocks until all three services answer; `ChildFailed` when they do not."""
        return self._filled(self.child.hello())

    async def ready(self) -> "Azurite":
        """As `hello`, without blocking the event loop."""
        return self._filled(await self.child.ready())

    def stop(self) -> None:
        self.child.kill()  # it keeps nothing, so there is nothing to wait for


@contextlib.asynccontextmanager
async def azurite(accounts: int = 1, access_log: Callable[[str], None] | None = None) -> AsyncIterator[tuple[Account, ...]]:
    """Yields that many storage accounts, empty and reachable; `access_log` is given a line for each request they get."""
    emulator = Azurite(accounts, access_log)
    try:
        yield (await emulator.ready()).accounts
    finally:
        await asyncio.shield(asyncio.to_thread(emulator.stop))
