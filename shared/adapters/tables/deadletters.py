"""Dead letters, beside the journal in its table. They are only stored here: what becomes one is decided in `shared.deadletters`.

One partition, so that a letter moves from one list to the other in one write:

* `o-<id>`: a letter that nothing was done about, as a JSON document.
* `x-<id>`: one that something was.
* `f-<time>-<id>`: when its text may go, in order of time. A row that is left over, whatever for, says no more than to look.
"""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.data.tables.aio import TableClient
from pydantic import TypeAdapter, ValidationError

from shared.adapters.storage import answering
from shared.adapters.tables import documents
from shared.adapters.tables.partition import Operation, Partition
from shared.model import DeadLetter, Reason, Resolution
from shared.parallel import together
from shared.ports import Conflict, Unreadable

_JSON: TypeAdapter[DeadLetter] = TypeAdapter(DeadLetter)
_MOST = 1_000  # letters that are read to find the first
_SECOND = timedelta(seconds=1)
_KEPT = 65_536  # characters of a letter that cannot be understood

type Change = Callable[[DeadLetter | None], DeadLetter | None]


class TableDeadLetters:
    def __init__(self, client: TableClient) -> None:
        self._partition = Partition(client, "dead-letters")

    async def keep(self, letter: DeadLetter) -> DeadLetter:
        def kept(known: DeadLetter | None) -> DeadLetter:
            lies_open = known is not None and (known.resolution is None or letter.first_seen <= known.resolution.at)
            return known if known is not None and lies_open else letter

        now = await self._changed(letter.id, kept)
        assert now is not None
        return now

    async def announced(self, letter: DeadLetter) -> None:
        def said(known: DeadLetter | None) -> DeadLetter | None:
            return replace(known, announced=True) if known and known.resolution is None else known

        await self._changed(letter.id, said)

    async def resolved(self, letter_id: str, resolution: Resolution) -> bool:
        def done(known: DeadLetter | None) -> DeadLetter | None:
            return replace(known, resolution=resolution) if known and known.resolution is None else known

        try:
            now = await self._changed(letter_id, done)
        except Unreadable:
            await self._replaced(letter_id, resolution)
            now = await self.find(letter_id)
        return now is not None and resolution.repeats(now.resolution)

    async def find(self, letter_id: str) -> DeadLetter | None:
        async with answering():
            _, known = await self._known(letter_id)
        return known

    async def listed(self, limit: int, *, resolved: bool = False) -> tuple[DeadLetter, ...]:
        """The rows are in no order of time, so that all are read; beyond a thousand, some of them. What cannot be understood is
        shown as such.
        """
        prefix = "x" if resolved else "o"
        async with answering():
            rows = await self._partition.rows(f"{prefix}-", f"{prefix}-~", _MOST)
        return tuple(sorted(map(_shown, rows), key=lambda letter: (letter.first_seen, letter.id))[:limit])

    async def forget(self, now: datetime, limit: int) -> int:
        def forgotten(known: DeadLetter | None) -> DeadLetter | None:
            return replace(known, text="") if known and known.forget_at and known.forget_at <= now else known

        async with answering():
            rows = await self._partition.rows("f-", f"f-{_stamp(now)}-~", limit, select=["RowKey"])
        for row in rows:
            with contextlib.suppress(Unreadable):  # it is listed as such, and left to a human
                await self._changed(str(row["RowKey"]).split("-", 2)[2], forgotten)
            async with answering():
                with contextlib.suppress(Conflict):  # somebody else has
                    await self._partition.write([self._partition.delete(row["RowKey"])])
        return len(rows)

    async def _changed(self, letter_id: str, change: Change) -> DeadLetter | None:
        """The letter as it is then; a change is made anew when the letter moved on."""
        async with answering():
            while True:
                row, before = await self._known(letter_id)
                after = change(before)
                if after is None or after == before:
                    return after
                try:
                    await self._partition.write(self._moved(row, after))
                except Conflict:
                    continue
                return after

    async def _replaced(self, letter_id: str, resolution: Resolution) -> None:
        """In place of what cannot be understood, wherever it stands, there is a resolved letter with it as its text."""
        async with answering():
            lying, done = await together(*(self._partition.row(f"{prefix}-{letter_id}") for prefix in "ox"))
            if (row := lying or done) is None:
                return
            letter = replace(_stand_in(row), text=_remains(row), resolution=resolution)
            document = documents.chunks(_JSON.dump_json(letter, exclude_defaults=True))
            operations = [self._partition.put(f"x-{letter_id}", done.metadata["etag"] if done else None, **document)]
            operations += [self._partition.delete(f"o-{letter_id}")] if lying else []
            operations += (
                [self._partition.put_anyway(f"f-{_stamp(at + _SECOND)}-{letter_id}")] if (at := letter.forget_at) else []
            )
            with contextlib.suppress(Conflict):  # somebody else was at it
                await self._partition.write(operations)

    async def _known(self, letter_id: str) -> tuple[Any, DeadLetter | None]:
        lying, done = await together(self._partition.row(f"o-{letter_id}"), self._partition.row(f"x-{letter_id}"))
        row = lying or done
        return row, _letter(row) if row else None

    def _moved(self, row: Any, letter: DeadLetter) -> list[Operation]:
        key = f"{'x' if letter.resolution else 'o'}-{letter.id}"
        document = documents.chunks(_JSON.dump_json(letter, exclude_defaults=True))
        if row is None or row["RowKey"] == key:
            return [self._partition.put(key, row.metadata["etag"] if row else None, **document)]
        to_forget = [self._partition.put_anyway(f"f-{_stamp(at + _SECOND)}-{letter.id}")] if (at := letter.forget_at) else []
        return [self._partition.put(key, None, **document), self._partition.delete(row["RowKey"]), *to_forget]


def _stamp(moment: datetime) -> str:
    """In the order of time, to the second: a row that must not be early names the next."""
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%S}"


def _letter(row: Any) -> DeadLetter:
    try:
        letter = _JSON.validate_json(documents.joined(row))
    except (KeyError, TypeError, ValidationError) as error:
        raise Unreadable(f"the dead letter {row['RowKey']} cannot be understood") from error
    if row["RowKey"] != f"{'x' if letter.resolution else 'o'}-{letter.id}":
        raise Unreadable(f"the dead letter {row['RowKey']} is not where it belongs")
    return letter


def _shown(row: Any) -> DeadLetter:
    try:
        return _letter(row)
    except Unreadable:
        return _stand_in(row)


def _stand_in(row: Any) -> DeadLetter:
    """For a letter that cannot be understood."""
    letter_id, written = str(row["RowKey"]).partition("-")[2], row.metadata["timestamp"]
    since = datetime.combine(written.date(), written.time(), UTC)
    return DeadLetter(letter_id, Reason.INTERNAL_ERROR, f"the dead letter {row['RowKey']} cannot be understood", "", since)


def _remains(row: Any) -> str:
    """What stands there as a document, as far as it is kept."""
    parts = [str(row[name]) for name in sorted(row, key=lambda name: (len(name), name)) if name.startswith("document")]
    return "".join(parts)[:_KEPT]
