"""Whether requests can be taken in: settings are valid, and every store answers."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from shared.app import App, Unready
from shared.ports import Unavailable
from shared.wording import Answer


async def health(app: App | Unready, version: str) -> Answer:
    """200 when nothing is failing, else 503; `failing` names settings, `problems` says what of each, never their values."""
    mode = app.mode if isinstance(app, Unready) else app.settings.mode
    body: dict[str, Any] = {"version": version, "mode": mode, "failing": []}
    if isinstance(app, Unready):
        body["failing"] = sorted(app.problems)
        body["problems"] = dict(sorted(app.problems.items()))
        return Answer(503, body, {"Retry-After": "60"})

    async def ask(name: str, ping: Awaitable[object]) -> dict[str, str]:
        try:
            await ping
        except Unavailable as error:
            return {name: error.cause}
        return {}

    answers = await asyncio.gather(
        ask(app.settings.queues.name, app.queue.ping()),
        ask(app.settings.journal.name, app.journal.ping()),
        ask(app.settings.journal.name, app.control.read()),
        ask(app.settings.journal.name, app.receipts.ping()),
    )
    problems = {name: cause for answer in answers for name, cause in answer.items()}
    if not problems:
        return Answer(200, body, {})
    body["failing"] = sorted(problems)
    body["problems"] = dict(sorted(problems.items()))
    return Answer(503, body, {"Retry-After": "30"})
