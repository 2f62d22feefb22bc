"""Whether requests can be taken in: settings are valid, and both stores answer."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from shared.app import App, Unready
from shared.ports import Unavailable
from shared.wording import Answer


async def health(app: App | Unready, version: str) -> Answer:
    """200 when nothing is failing, else 503; `failing` names settings, never their values."""
    mode = app.mode if isinstance(app, Unready) else app.settings.mode
    body: dict[str, Any] = {"version": version, "mode": mode, "failing": []}
    if isinstance(app, Unready):
        body["failing"] = sorted(app.problems)
        body["problems"] = dict(sorted(app.problems.items()))
        return Answer(503, body, {"Retry-After": "60"})

    async def ask(name: str, ping: Awaitable[object]) -> str | None:
        try:
            await ping
        except Unavailable:
            return name
        return None

    answers = await asyncio.gather(
        ask(app.settings.queues.name, app.queue.ping()),
        ask(app.settings.journal.name, app.journal.ping()),
        ask(app.settings.journal.name, app.control.read()),
    )
    body["failing"] = sorted({name for name in answers if name})
    return Answer(503 if body["failing"] else 200, body, {"Retry-After": "30"} if body["failing"] else {})
