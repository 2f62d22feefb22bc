"""What every use case is given: the settings and the ports, bundled once per worker process by `wiring`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from shared.model import Mode, WaitingFor
from shared.pace import Pace
from shared.ports import (
    Clock,
    Control,
    DeadLetters,
    Directory,
    Journal,
    Ledger,
    Orders,
    Receipts,
    RequestQueue,
    TicketDesk,
    Unavailable,
)
from shared.settings import Settings
from shared.watch import Watch

ROUNDS = 60


@dataclass(frozen=True, slots=True)
class App:
    """`directory` and `desk` make one for the length of an invocation; `desk` is None without a ticket system.

    `worker` names this process in leases; `jitter` gives numbers in [0, 1) that spread retries.
    """

    settings: Settings
    worker: str
    journal: Journal
    ledger: Ledger
    control: Control
    receipts: Receipts
    letters: DeadLetters
    orders: Orders
    queue: RequestQueue
    directory: Callable[[], Directory]
    desk: Callable[[], TicketDesk] | None
    clock: Clock
    jitter: Callable[[], float]
    watch: Watch = field(default_factory=Watch)
    forgetting: Pace = field(default_factory=lambda: Pace(timedelta(hours=1)))

    async def step_aside(self, times: int) -> None:
        """After the `times`-th conditional write that others were quicker with: a moment, longer each time, then `Unavailable`.

        A storm of events for one ticket is written one after another, and whoever works on it must not lose for ever.
        """
        if times >= ROUNDS:
            raise Unavailable(WaitingFor.STORAGE, "the record keeps moving on")
        await self.clock.sleep(self.jitter() * min(0.005 * times, 0.2))


@dataclass(frozen=True, slots=True)
class Unready:
    """What there is in place of an app when settings are wrong: their problems by name, and a queue to put messages back on."""

    problems: dict[str, str]
    queue: RequestQueue | None
    mode: Mode | None = None
