"""The timer trigger: fires by schedule, one run at a time, and never to catch up what it missed while it was not running."""

import asyncio
import contextlib
import json
import logging
from datetime import UTC, datetime

from sandbox.functions_host.executor import Executor
from sandbox.functions_host.ncrontab import Schedule
from sandbox.functions_host.protos import TypedData
from sandbox.functions_host.worker import Function, InvocationFailed

log = logging.getLogger("host.timers")


def argument(status: dict[str, str] | None = None) -> TypedData:
    """What a timer function receives."""
    return TypedData(json=json.dumps({"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": False}))


class TimerListener:
    """Serves one timer-triggered function until `stop()`; `run()` returns when a run under way is done.

    `ValueError` for a schedule that never comes due.
    """

    def __init__(self, function: Function, schedule: Schedule, executor: Executor) -> None:
        self._function, self._schedule, self._executor = function, schedule, executor
        self._stopping = asyncio.Event()
        self._due = schedule.after(datetime.now(UTC))
        self._last = datetime.min.replace(tzinfo=UTC)

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        if self._function.trigger.get("runOnStartup"):
            await self.fire("Timer fired at startup")
        while True:
            delay = (self._due - datetime.now(UTC)).total_seconds()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)
                return
            await self.fire(f"Timer fired at {self._due.isoformat()}")
            self._due = self._schedule.after(max(self._due, datetime.now(UTC)))

    async def fire(self, reason: str) -> None:
        """The function has run once; a failure is logged, and the next due time is its retry."""
        now = datetime.now(UTC)
        status = {"Last": self._last.isoformat(), "Next": self._schedule.after(now).isoformat(), "LastUpdated": now.isoformat()}
        with contextlib.suppress(InvocationFailed):
            await self._executor.run(self._function, reason, argument(status))
        self._last = now
