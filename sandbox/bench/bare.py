"""The bare app that figures are compared with, on the same host and the same storage."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from sandbox.bench.lines import Lines
from sandbox.processes import PYTHON, ROOT, running
from sandbox.stack import Remote, Stack, lent

APP = ROOT / "sandbox" / "bare_app"
QUEUES = ("bare-requests", "bare-results")


async def make_queues(stack: Stack) -> None:
    for name in QUEUES:
        async with stack.queue(name) as queue:
            await queue.create_queue()


@contextlib.asynccontextmanager
async def bare_app(stack: Stack, log: Lines) -> AsyncIterator[Remote]:
    """A host with the bare app, serving; gone afterwards."""
    settings = {**lent(), "AzureWebJobsStorage": stack.account.connection_string}
    command: list[str | Path] = [PYTHON, "-m", "sandbox.functions_host", "--app", APP]
    async with running("bare app", command, env=settings, on_line=log.heard) as (_, hello):
        yield Remote(stack.session, hello["url"])
