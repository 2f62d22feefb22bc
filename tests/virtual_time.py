"""Time that passes only when there is nothing else to do, and then at once: a test may wait for days."""

import asyncio
import selectors
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.ports import Clock
from tests.calls import Calls


class _Skipping(selectors.SelectSelector):
    """Where a loop would wait for the next timer, that much time has passed at once."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if not events and timeout is None:
            raise RuntimeError("everybody waits for something that will never happen")
        if not events and timeout:
            self.passed += timeout
        return events


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only when there is nothing else to do: timers and timeouts included, nobody waits."""

    def __init__(self) -> None:
        self._skipping = _Skipping()
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.passed


class FakeClock:
    """The time of the running `VirtualTimeLoop`, which begins at `start`."""

    def __init__(self, start: datetime, calls: Calls) -> None:
        self._start = start
        self._calls = calls

    def now(self) -> datetime:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return self._start
        assert isinstance(loop, VirtualTimeLoop)
        return self._start + timedelta(seconds=loop.time())

    async def sleep(self, seconds: float) -> None:
        async with self._calls("clock.sleep", seconds):
            await asyncio.sleep(seconds)

    async def pass_by(self, **length: float) -> None:
        """Time passes that no worker asked for."""
        await asyncio.sleep(timedelta(**length).total_seconds())


@dataclass(frozen=True, slots=True)
class Differing:
    """A clock that is `ahead` of another."""

    clock: Clock
    ahead: timedelta

    def now(self) -> datetime:
        return self.clock.now() + self.ahead

    async def sleep(self, seconds: float) -> None:
        await self.clock.sleep(seconds)
