"""What every use case is given: the settings and the ports, bundled once per worker process by `wiring`."""

from collections.abc import Callable
from dataclasses import dataclass

from shared.ports import Clock, Directory, Journal, RequestQueue, TicketDesk
from shared.settings import Settings


@dataclass(frozen=True, slots=True)
class App:
    """`directory` and `desk` make one for the length of an invocation; `desk` is None without a ticket system.

    `worker` names this process in leases; `jitter` gives numbers in [0, 1) that spread retries.
    """

    settings: Settings
    worker: str
    journal: Journal
    queue: RequestQueue
    directory: Callable[[], Directory]
    desk: Callable[[], TicketDesk] | None
    clock: Clock
    jitter: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Unready:
    """What there is in place of an app when settings are wrong: their problems by name, and a queue to put messages back on."""

    problems: dict[str, str]
    queue: RequestQueue | None
