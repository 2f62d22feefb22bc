"""One run: the stack with gates in front of everything, two hosts whose clocks differ, a storm, and what was seen of it."""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from sandbox.azurite import Account
from sandbox.chaos import skew
from sandbox.chaos.evidence import Evidence
from sandbox.chaos.faults import BLOBS, GRAPH, IDENTITY, QUEUES, SERVICENOW, SERVICES, TABLES, WEBHOOK, Weather
from sandbox.chaos.gate import Gate, client
from sandbox.chaos.plan import plan
from sandbox.chaos.run import Run
from sandbox.chaos.storm import Host, Storm
from sandbox.chaos.tempo import LONG, SHORT
from sandbox.identity import DEFAULT_PERMISSIONS
from sandbox.simulator import running
from sandbox.stack import Stack, stack

FEW, MANY = 50, 1000  # requests; a run of fewer is a short one, and the breaker would open at more
PERMISSIONS = DEFAULT_PERMISSIONS | {"UserAuthenticationMethod.ReadWrite.All"}  # a default in the way can be changed
SKEWS = ((-4, 0), (-2, 2), (0, 4))  # seconds by which the clocks of the two workers are ahead; leases allow for 5
TOKENS_HOLD = 60  # seconds
STORAGE = {"queue": QUEUES, "table": TABLES, "blob": BLOBS}


@dataclass
class Seen:
    """A run as it was: evidence, what happened, the seconds that each request and all of it took, the lines of the hosts, and
    whether everything came to rest in time."""

    evidence: Evidence
    storm: Storm
    took: dict[str, float]
    total: float
    settling: float
    lines: list[str]
    settled: bool


async def chaos(seed: int, requests: int, rate: float, say: Callable[[str], None]) -> Seen:
    """The run is over and everything is stopped; whether it was as it should be, the invariants say."""
    tempo, lines = SHORT if requests < FEW else LONG, list[str]()
    planned = plan(seed, requests, numbers_again=tempo is LONG)
    started = time.monotonic()
    async with contextlib.AsyncExitStack() as resources:
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="reregister-chaos-")))
        preload = await asyncio.to_thread(skew.shim, folder)
        weather = Weather(seed, rate)
        session = await resources.enter_async_context(client())
        gates = {service: Gate(service, weather, session) for service in (*SERVICES, WEBHOOK)}
        at = {service: await resources.enter_async_context(running(gate.app)) for service, gate in gates.items()}
        up = await resources.enter_async_context(
            stack(
                app=False,
                on_line=lines.append,
                host_options=("--lease-seconds", str(tempo.host_lease)),
                graph_audience=at[GRAPH],
                CLAIM_LEASE=tempo.lease,
                GIVE_UP_AFTER="PT6H",
                COOLDOWN="PT24H",
            )
        )
        _put_behind(gates, at, up)
        hosts = tuple(Host(skew.environment(preload, ahead), ahead) for ahead in Random(f"{seed}/skew").choice(SKEWS))
        storm = Storm(up, weather, tempo, hosts, gates[WEBHOOK])
        run = Run(up, storm, tempo, say)
        await up.identity.put("/_sim/roles", {"roles": sorted(PERMISSIONS)})
        await up.identity.put("/_sim/lifetime", {"seconds": TOKENS_HOLD})
        await up.servicenow.put(
            "/_sim/webhook",
            {"url": f"{at[WEBHOOK]}/api/webhooks/servicenow", "key": up.webhook_key, "tries": 100, "backoff": 0.5},
        )
        await run.hire(planned.employees)
        for host in hosts:
            await storm.start(host)
        settled = await run.through(planned.demands)
        evidence = await run.evidence()
        return Seen(evidence, storm, run.took, time.monotonic() - started, run.settling, lines, settled)


def _put_behind(gates: Mapping[str, Gate], at: Mapping[str, str], up: Stack) -> None:
    """The app finds every service at its gate."""
    behind = {GRAPH: up.graph.url, SERVICENOW: up.servicenow.url, IDENTITY: up.identity.url}
    behind |= {service: _root(up.account, kind) for kind, service in STORAGE.items()}
    for service, root in behind.items():
        gates[service].upstream = [root]
    up.settings |= {
        "GRAPH_ENDPOINT": at[GRAPH],
        "SERVICENOW_URL": at[SERVICENOW],
        "IDENTITY_ENDPOINT": up.settings["IDENTITY_ENDPOINT"].replace(up.identity.url, at[IDENTITY]),
        "AzureWebJobsStorage": _at_gates(up.account, at).connection_string,
        "JournalStorage": _at_gates(up.journal_account, at).connection_string,
    }


def _root(account: Account, kind: str) -> str:
    return account.endpoints[kind].removesuffix(f"/{account.name}")


def _at_gates(account: Account, at: Mapping[str, str]) -> Account:
    return replace(account, endpoints={kind: f"{at[service]}/{account.name}" for kind, service in STORAGE.items()})
