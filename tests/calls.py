"""The calls of an app to its ports: remembered, and struck where a test said so. Each takes time."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from shared.model import WaitingFor
from shared.ports import Unavailable


class Killed(BaseException):
    """The process of this worker is gone; whatever it would do next does not happen."""


class Endless(BaseException):
    """More calls were made than any story needs: somebody goes on for ever, and nobody may make the best of that."""


@dataclass
class Fault:
    """What strikes at calls of this name, `times` times (None: for ever) after `skip`: instead of the effect, or `after` it.

    `when` chooses among calls by their arguments.
    """

    call: str
    error: BaseException
    times: int | None = 1
    after: bool = False
    skip: int = 0
    when: Callable[[tuple[Any, ...]], bool] = lambda _: True

    def strikes(self, call: str, arguments: tuple[Any, ...], *, after: bool) -> bool:
        if call != self.call or after is not self.after or self.times == 0 or not self.when(arguments):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass
class Gate:
    """Holds calls of this name up: `reached` is set by the first, which goes on once `opened` is."""

    call: str
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def pass_through(self) -> None:
        self.reached.set()
        await self.opened.wait()


class Calls:
    """The port calls of one world, in order, `most` of them. A call is named `port.method`; it takes time, as a real one."""

    def __init__(self, usual_seconds: float = 0.01, most: int = 20_000) -> None:
        self.usual_seconds = usual_seconds
        self.most = most
        self.log: list[tuple[str, tuple[Any, ...]]] = []
        self.listeners: list[Callable[[str, tuple[Any, ...]], None]] = []
        self.faults: list[Fault] = []
        self.gates: list[Gate] = []
        self._slow: dict[str, float] = {}
        self._deaths: list[tuple[int, bool]] = []
        self._begun = 0
        self._killed = False

    def names(self) -> list[str]:
        return [name for name, _ in self.log]

    def count(self, name: str) -> int:
        return self.names().count(name)

    def fail(self, call: str, error: BaseException, **how: Any) -> None:
        """As `Fault`."""
        self.faults.append(Fault(call, error, **how))

    def down(self, port: WaitingFor, *calls: str, retry_after: timedelta | None = None, skip: int = 0) -> None:
        """These calls are `Unavailable` until the faults are healed."""
        for call in calls:
            self.fail(call, Unavailable(port, "down", retry_after), times=None, skip=skip)

    def heal(self) -> None:
        self.faults.clear()

    def slow(self, call: str, *, seconds: float) -> None:
        """From now on each call of this name takes so long."""
        self._slow[call] = seconds

    def hold(self, call: str) -> Gate:
        self.gates.append(gate := Gate(call))
        return gate

    def kill_at(self, *deaths: tuple[int, bool]) -> None:
        """Workers die: at the so-manieth call from now or from the death before (1: the next), and whether after its effect."""
        self._deaths = list(deaths)
        self._begun = len(self.log)

    def revive(self) -> None:
        """Whoever was killed is replaced: calls are answered again."""
        self._killed = False

    @contextlib.asynccontextmanager
    async def __call__(self, name: str, *arguments: Any) -> AsyncIterator[None]:
        self._live()
        if len(self.log) >= self.most:
            raise Endless(f"{self.most} calls: {Counter(self.names()).most_common(8)}")
        self.log.append((name, arguments))
        number = len(self.log)
        self._may_die(number, after=False)
        for listener in self.listeners:
            listener(name, arguments)
        for gate in [gate for gate in self.gates if gate.call == name]:
            await gate.pass_through()
            self._live()
        await asyncio.sleep(self._slow.get(name, self.usual_seconds))
        self._live()
        self._strike(name, arguments, after=False)
        yield
        self._may_die(number, after=True)
        self._strike(name, arguments, after=True)
        self._live()

    def _live(self) -> None:
        if self._killed:
            raise Killed

    def _may_die(self, number: int, *, after: bool) -> None:
        if self._deaths[:1] == [(number - self._begun, after)]:
            self._killed = True
            del self._deaths[0]
            self._begun = len(self.log)
        self._live()

    def _strike(self, name: str, arguments: tuple[Any, ...], *, after: bool) -> None:
        for fault in self.faults:
            if fault.strikes(name, arguments, after=after):
                raise fault.error
