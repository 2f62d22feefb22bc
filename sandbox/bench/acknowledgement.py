"""How long a webhook waits for its answer, beside a bare function that only puts its body on a queue, on the same host."""

import json
import statistics
import time
import uuid
from dataclasses import dataclass

from sandbox.bench.lines import Lines
from sandbox.stack import Remote, Stack
from sandbox.webhook import deliver


@dataclass(frozen=True, slots=True)
class Acknowledgements:
    """Medians, in seconds."""

    app: float
    bare: float


async def measure(stack: Stack, app_log: Lines, bare: Remote, bare_log: Lines, repetitions: int) -> Acknowledgements:
    """They take turns; the next one waits until the worker behind the last one has done its work.

    The tickets do not exist: what an answer needs is the same, and the work behind it is short.
    """
    app_took, bare_took = [], []
    for repetition in range(repetitions + 3):
        mark, ticket = app_log.mark(), {"sys_id": uuid.uuid4().hex, "number": f"RITM{9000000 + repetition}"}
        start = time.perf_counter()
        status, body = await deliver(stack, ticket)
        app_took.append(time.perf_counter() - start)
        if status != 202:
            raise RuntimeError(f"the webhook answered {status} {body}")
        await app_log.wait("Executed 'Functions.work'", mark)

        mark = bare_log.mark()
        start = time.perf_counter()
        answer = await bare.call("POST", "/api/bare", json.loads(json.dumps(ticket)))
        bare_took.append(time.perf_counter() - start)
        if answer.status != 202:
            raise RuntimeError(f"the bare function answered {answer.status}")
        await bare_log.wait("Executed 'Functions.pass_on'", mark)
    return Acknowledgements(statistics.median(app_took[3:]), statistics.median(bare_took[3:]))
