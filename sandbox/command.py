"""How a command of the sandbox runs: whatever ends it, what it started is gone, and its exit status says how it went."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import NoReturn

from sandbox.processes import ChildFailed


def run(main: Callable[[], Awaitable[int]]) -> NoReturn:
    """Exits with what `main` returns; 1 when something could not be started; 128 + n after SIGINT or SIGTERM, in good order.

    Further signals are not listened to: ending takes no longer than killing what was started.
    """
    signals: list[signal.Signals] = []

    async def attended() -> int:
        loop, work = asyncio.get_running_loop(), asyncio.ensure_future(main())

        def on_signal(number: signal.Signals) -> None:
            signals.append(number)
            if len(signals) == 1:
                work.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, on_signal, number)
        try:
            return await work
        except asyncio.CancelledError:
            return 128 + signals[0] if signals else 1
        except ChildFailed as failed:
            print(f"Could not start: {failed}", file=sys.stderr)
            return 1

    sys.exit(asyncio.run(attended()))
