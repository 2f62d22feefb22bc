"""From no process at all to the first thing done, beside a bare app: the host starts, is asked at once, and works once."""

import statistics
import time
from dataclasses import astuple, dataclass

from sandbox.bench.bare import bare_app
from sandbox.bench.lines import Lines
from sandbox.bench.resets import employee_with_ticket
from sandbox.stack import Stack
from sandbox.webhook import deliver


@dataclass(frozen=True, slots=True)
class Cold:
    """Medians, in seconds since the process was started: until it serves, until it has answered, until the work is done."""

    ready: float
    answered: float
    done: float


async def measure(stack: Stack, app_log: Lines, repetitions: int) -> tuple[Cold, Cold]:
    """The app, without latency of Graph, and the bare one. No other process of either runs meanwhile."""
    app, bare = [], []
    for _ in range(repetitions):
        app.append(await start_of_app(stack, app_log))
        bare.append(await _bare(stack))
    return medians(app), medians(bare)


def medians(runs: list[Cold]) -> Cold:
    return Cold(*(statistics.median(column) for column in zip(*map(astuple, runs), strict=True)))


async def start_of_app(stack: Stack, log: Lines, **environment: str) -> Cold:
    """One start of the stack's installation, with this in its environment besides its settings."""
    ticket = await employee_with_ticket(stack)
    mark, start = log.mark(), time.perf_counter()
    await stack.start_app(0, **environment)
    ready = time.perf_counter() - start
    await deliver(stack, ticket)
    answered = time.perf_counter() - start
    _, line = await log.wait("Executed 'Functions.work'", mark)
    done = time.perf_counter() - start
    if "(Succeeded" not in line:
        raise RuntimeError(f"the first reset: {line}")
    await stack.stop_app()
    return Cold(ready, answered, done)


async def _bare(stack: Stack) -> Cold:
    log, start = Lines(), time.perf_counter()
    async with bare_app(stack, log) as bare:
        ready = time.perf_counter() - start
        await bare.call("POST", "/api/bare", {})
        answered = time.perf_counter() - start
        await log.wait("Executed 'Functions.pass_on'")
        return Cold(ready, answered, time.perf_counter() - start)
