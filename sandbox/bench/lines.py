"""Lines that processes print, with the moment at which each was read; waiting for those to come."""

import asyncio
import re
from datetime import UTC, datetime


class Lines:
    """Give `heard` to a child as its `on_line`; wait on the event loop that this was made on."""

    def __init__(self) -> None:
        self.kept: list[tuple[datetime, str]] = []
        self._loop = asyncio.get_running_loop()
        self._more = asyncio.Event()

    def heard(self, line: str) -> None:
        self.kept.append((datetime.now(UTC), line))
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._more.set)

    def mark(self) -> int:
        """The place after the lines so far."""
        return len(self.kept)

    async def wait(self, pattern: str, mark: int = 0, within: float = 30) -> tuple[datetime, str]:
        """The first line after `mark` in which the pattern is found, and when it was read; `TimeoutError`."""
        wanted = re.compile(pattern)
        async with asyncio.timeout(within):
            while True:
                self._more.clear()
                for moment, line in self.kept[mark:]:
                    if wanted.search(line):
                        return moment, line
                await self._more.wait()
