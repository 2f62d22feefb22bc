"""The receipt of an attempt in the hands of one worker: entries are collected, and appended when they must be durable.

No audit, no removal: everything up to and including the first intent is durable before the first change. From then on nobody is
left half stripped because a receipt cannot be written; what is missing follows, at the latest before the attempt may end.
"""

import asyncio
from itertools import takewhile
from types import TracebackType
from typing import Any, Self

import structlog

from shared import receipt, statements
from shared.app import App
from shared.model import WaitingFor
from shared.ports import Conflict, Unavailable
from shared.receipt import Anchor, Entry, EntryKind, Tail, Torn
from shared.record import Owed, Record

log = structlog.get_logger()


class NotOnRecord(Unavailable):
    """The receipt could not be read or written. Unlike when the journal cannot be, what the attempt has learned stays known."""


class Audit:
    """A context, in which the receipt may be read ahead. `begun`: what led to the attempt's first change is on record.

    An append whose answer was lost is recognised by its bytes; what others have written meanwhile is followed.
    """

    def __init__(self, app: App, record: Record) -> None:
        self._app = app
        self._request_id = record.id
        self._attempt = record.attempt
        self._pending: list[Entry] = []
        self._told: list[Owed] = []
        self._tail: Tail | None = None
        self._reading: asyncio.Task[Tail] | None = None
        self.begun = record.acted_on
        if record.is_open and not self.begun:
            self.note(EntryKind.ACCEPTED, statements.accepted(record))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    def read_ahead(self) -> None:
        """Where the receipt goes on is being read, so that nobody has to wait for it."""
        if self._tail is None and self._reading is None:
            self._reading = asyncio.create_task(self._read())

    def note(self, kind: EntryKind, data: dict[str, Any], attempt: int | None = None) -> None:
        """The entry goes along with the next write."""
        at = statements.iso(self._app.clock.now())
        self._pending.append(Entry(at, attempt or self._attempt, kind, data))

    def told(self, one: Owed) -> None:
        """Somebody was told this; it goes along with the next write."""
        self._told.append(one)
        self.note(EntryKind.TOLD, statements.told(one), one.attempt)

    def forget(self) -> None:
        """What was read to no effect is read anew, and not put on record; that somebody was told is."""
        if not self.begun:
            kept = (EntryKind.ACCEPTED, EntryKind.TOLD)
            self._pending = [entry for entry in self._pending if entry.kind in kept]

    async def leave(self) -> tuple[Owed, ...]:
        """The turn is over; what was told in it and may not be on record: nothing, when all that stays true is durable.

        An attempt that goes on later has ended in nothing yet, and what it read before its first change is read anew.
        """
        stays_true = [kind for kind in EntryKind if kind is not EntryKind.OUTCOME] if self.begun else [EntryKind.TOLD]
        self._pending = [entry for entry in self._pending if entry.kind in stays_true]
        return () if await self.try_to_write() else tuple(self._told)

    async def write(self) -> Anchor | None:
        """Everything noted is durable; the anchor of the last entry of it, None when there was none.

        `NotOnRecord` when it could not be: it goes along with the next write.
        """
        try:
            return await self._append()
        except Unavailable as error:
            raise NotOnRecord(error.waiting_for, f"receipt: {error.cause}", error.retry_after) from error

    async def begin(self) -> None:
        """The first change may be made: what led to it is durable. `NotOnRecord`: it may not."""
        await self.write()
        self.begun = True

    async def try_to_write(self) -> bool:
        """Whether everything noted is durable: for what must not wait for it."""
        try:
            await self.write()
        except Exception as error:  # noqa: BLE001 it goes along with the next write, and the last one fails if it must
            cause = error.cause if isinstance(error, Unavailable) else None  # the text of what is not ours may quote anything
            log.warning("receipt.later", request_id=self._request_id, error=type(error).__name__, cause=cause)
            return False
        return True

    async def _append(self) -> Anchor | None:
        left, anchor, conflicts = len(self._pending), None, 0
        while left:
            tail = await self._known_tail()
            lines, then = receipt.chain(self._request_id, tail, self._pending[:left])
            try:
                await self._app.receipts.append(self._request_id, b"".join(lines), tail.length)
                written = left
            except Conflict:
                await self._app.step_aside(conflicts := conflicts + 1)
                there = await self._app.receipts.read(self._request_id)
                written = _already(lines, there[tail.length :])
                _, then = receipt.chain(self._request_id, tail, self._pending[:written])
                self._tail = _tail_of(there, self._request_id)
            else:
                self._tail = then
            anchor = then.anchor if written else anchor
            del self._pending[:written]
            left -= written
        return anchor

    async def _known_tail(self) -> Tail:
        if self._tail is None:
            self.read_ahead()
            reading, self._reading = self._reading, None
            assert reading is not None
            self._tail = await reading
        return self._tail

    async def _read(self) -> Tail:
        return _tail_of(await self._app.receipts.read(self._request_id), self._request_id)


def _already(lines: tuple[bytes, ...], there: bytes) -> int:
    """How many of these lines, from the first, stand there: written by us, and the answer was lost."""
    found = there.splitlines(keepends=True)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(lines, found, strict=False)))


def _tail_of(there: bytes, request_id: str) -> Tail:
    try:
        return receipt.tail_of(there)
    except Torn as error:  # somebody else has written to it, and a human must look: nothing is done meanwhile
        log.error("receipt.torn", request_id=request_id)  # noqa: TRY400 the trace says nothing more
        raise Unavailable(WaitingFor.STORAGE, "the receipt does not end in an entry") from error
