"""The app in a process of its own, built from its environment as the worker builds it: uses each of its stores once.

Says in one line of JSON what came of each: `kept`, or the error. A process of its own, because what it trusts is read at import
(`SSL_CERT_FILE`).
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime

from shared import wiring
from shared.app import App
from shared.model import Switch, SwitchName
from shared.ports import Conflict, Unavailable
from tests.unit import build

ID = "1" * 32


async def journal(app: App) -> bool:
    record = build.record(id=ID)
    try:
        await app.journal.commit(record, None)
    except Conflict:  # the table had to be made
        await app.journal.commit(record, None)
    found, _ = await app.journal.find(ID)
    return found is not None and found.record == record


async def control(app: App) -> bool:
    switch = Switch(True, "adele", "an attack", datetime(2026, 11, 24, tzinfo=UTC))
    return await app.control.turn(SwitchName.PAUSE, switch) and (await app.control.read()).pause == switch


async def receipts(app: App) -> bool:
    await app.receipts.append(ID, b"one\n", 0)
    await app.receipts.append(ID, b"two\n", 4)
    return await app.receipts.read(ID) == b"one\ntwo\n"


async def queues(app: App) -> bool:
    await app.queue.ping()
    await app.queue.put("a request")
    await app.queue.publish({"a": "result"})
    await app.queue.put_aside("a letter")
    [letter] = await app.queue.poisoned(1)
    depths = {depth.queue: depth.messages for depth in await app.queue.depths()}
    return letter.text == "a letter" and depths == {"mfa-requests": 1, "mfa-results": 1, "mfa-requests-poison": 1}


async def tried(use: Callable[[App], Awaitable[bool]], app: App) -> str:
    try:
        return "kept" if await use(app) else "not kept"
    except Unavailable as unavailable:
        return f"{type(unavailable).__name__}: {unavailable.cause}"


async def main() -> None:
    async with AsyncExitStack() as resources:
        app = wiring.build(os.environ, resources)
        said = {use.__name__: await tried(use, app) for use in (journal, control, receipts, queues)}
    sys.stdout.write(f"{json.dumps(said)}\n")


if __name__ == "__main__":
    asyncio.run(main())
