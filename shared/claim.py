"""A worker's hold on one request: conditional writes, applied anew when the record moved on, under a lease that is renewed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime

from shared import journal
from shared.app import App
from shared.model import WaitingFor
from shared.ports import Conflict, Stored, Unavailable
from shared.record import Record

type Change = Callable[[Record], Record]


class LeaseLost(Exception):
    """Somebody else works on the request now; whatever we were about to do is theirs."""


class Claim:
    """`record` is what we know, staged changes included; the journal has it after `commit`.

    `owed_before` is what was owed when the request was claimed: another worker may have told it, and died before saying so.

    A change must give the same record when it is applied to its own result: a write whose answer was lost is repeated.
    """

    def __init__(self, app: App, stored: Stored) -> None:
        self._app = app
        self._stored = stored
        self._staged: list[Change] = []
        self._writing = asyncio.Lock()
        self.record = stored.record
        self.owed_before = frozenset((owed.kind, owed.attempt) for owed in stored.record.owed)

    def now(self) -> datetime:
        return self._app.clock.now()

    def stage(self, change: Change) -> None:
        """The change goes along with the next commit: for what may be learned again after a crash."""
        number = self.record.attempt if self.record.is_open else None

        def of_this_attempt(record: Record) -> Record:
            """A write whose answer was lost may find the next attempt open already: that one is not ours to change."""
            return change(record) if number in (None, record.attempt) else record

        self.record = change(self.record)
        self._staged.append(of_this_attempt)

    def discard(self) -> None:
        """What is staged is forgotten."""
        self._staged.clear()
        self.record = self._stored.record

    async def commit(self, *changes: Change) -> None:
        """All staged changes are stored and the lease is renewed; `LeaseLost` when the request is no longer ours.

        A change that the record will not take any more is dropped, and its exception raised.
        """
        before = len(self._staged)
        for change in changes:
            self.stage(change)
        async with self._writing:
            await self._write(len(self._staged), self._staged[before:])

    async def _write(self, count: int, wanted: Sequence[Change] = ()) -> None:
        """The first `count` staged changes are stored."""
        conflicts = 0
        while True:
            try:
                self._stored = await self._app.journal.commit(self._renewed(count), self._stored.version)
            except Conflict:
                await self._app.step_aside(conflicts := conflicts + 1)
                await self._reload()
                continue
            except Unavailable:
                raise
            except BaseException:
                self._drop(wanted)
                raise
            del self._staged[:count]
            self.record = self._applied(len(self._staged))
            return

    def _drop(self, changes: Sequence[Change]) -> None:
        self._staged = [change for change in self._staged if change not in changes]
        self.record = self._applied(len(self._staged))

    def _applied(self, count: int) -> Record:
        record = self._stored.record
        for change in self._staged[:count]:
            record = change(record)
        return record

    def _renewed(self, count: int) -> Record:
        record = self._applied(count)
        return journal.renew(record, self.now(), self._app.settings.claim_lease) if record.lease else record

    async def _reload(self) -> None:
        stored, _ = await self._app.journal.find(self.record.id)
        if stored is None or _owner(stored) is None or _owner(stored) != _owner(self._stored):
            raise LeaseLost
        self._stored = stored

    async def _keep(self, pause: float) -> None:
        """The lease is renewed before it ends; else `Unavailable`, though a write may still be under way."""
        while (lease := self._stored.record.lease) is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout((lease.until - self.now()).total_seconds()):
                    return await self._renew_or_try_on(pause)
            if self._stored.record.lease == lease:  # else a commit has renewed it meanwhile
                raise Unavailable(WaitingFor.STORAGE, "the lease could not be renewed in time")
        return None

    async def _renew_or_try_on(self, pause: float) -> None:
        """The lease is renewed, however often storage hiccups; what is staged waits for its own commit."""
        while True:
            try:
                async with self._writing:
                    return await self._write(0)
            except Unavailable:
                await self._app.clock.sleep(pause)

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Within, the lease is renewed before it runs out; the block is cancelled when it is lost."""
        holder = asyncio.current_task()
        assert holder is not None
        lost: list[BaseException] = []

        async def renew() -> None:
            third = self._app.settings.claim_lease.total_seconds() / 3
            try:
                while True:
                    await self._app.clock.sleep(third)
                    if _owner(self._stored) is None:
                        return
                    await self._keep(third / 4)
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # noqa: BLE001 whatever keeps us from renewing ends the work
                lost.append(error)
                holder.cancel()

        renewal = asyncio.create_task(renew())
        try:
            try:
                yield
            finally:
                renewal.cancel()
                await asyncio.wait([renewal])
        except asyncio.CancelledError:
            if lost and holder.uncancel() == 0:
                raise lost[0] from None
            raise


def _owner(stored: Stored) -> str | None:
    return stored.record.lease.owner if stored.record.lease else None
