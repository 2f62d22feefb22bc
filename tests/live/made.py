"""Who was made by the live tier, in memory and in a file that outlives a crash: meant before the call, made after, then gone.

One JSON object a line: `{"tenant", "name", "id", "mark", "at", "step"}`. Nothing else is ever deleted.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

type Step = Literal["meant", "made", "gone"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A user of ours: `name` is their user principal name, `id` "" until Graph has said it, `at` seconds since the epoch."""

    tenant: str
    name: str
    mark: str
    at: float
    id: str = ""


class Made:
    """The file, and what in it is not gone yet."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def meant(self, entry: Entry) -> None:
        """On record, on the disk, before Graph is asked."""
        self._append(entry, "meant")

    def made(self, entry: Entry, identifier: str) -> Entry:
        known = replace(entry, id=identifier)
        self._append(known, "made")
        return known

    def gone(self, entry: Entry) -> None:
        self._append(entry, "gone")

    def left(self, tenant: str) -> list[Entry]:
        """Who is not known to be gone from this tenant, oldest first."""
        there: dict[str, Entry] = {}
        for step, entry in self._read():
            if step == "gone":
                there.pop(entry.name, None)
            else:
                there[entry.name] = entry
        return [entry for entry in there.values() if entry.tenant.casefold() == tenant.casefold()]

    def _read(self) -> Iterator[tuple[Step, Entry]]:
        for line in self.file.read_text("utf-8").splitlines() if self.file.exists() else ():
            try:
                found: dict[str, Any] = json.loads(line)
                step = found.pop("step")
                entry = Entry(**found)
            except (ValueError, TypeError, KeyError, AttributeError):
                continue  # cut off while it was written: what comes after a line is begun when the line is on the disk
            yield step, entry

    def _append(self, entry: Entry, step: Step) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a+", encoding="utf-8") as file:
            whole = file.tell() == 0 or self.file.read_bytes().endswith(b"\n")
            file.write(("" if whole else "\n") + json.dumps({**asdict(entry), "step": step}) + "\n")
            file.flush()
            os.fsync(file.fileno())
