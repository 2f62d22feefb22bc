"""The receipt of a request: what was known, decided, done and said, one JSON line per entry, each bound to the one before. Pure.

A line is canonical JSON (sorted keys, no blanks, UTF-8). Its `hash` is SHA-256 over the line without that member, its `prev` the
hash of the line before, so whoever knows the hash of one entry knows everything up to it. docs/receipts.md has the schema.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

GENESIS = "0" * 64  # what the first entry follows


class EntryKind(StrEnum):
    ACCEPTED = "accepted"
    FACTS = "facts"
    DECISION = "decision"
    INVENTORY = "inventory"
    INTENT = "intent"
    CALL = "call"
    READ_BACK = "read-back"
    OUTCOME = "outcome"
    TOLD = "told"


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be put on record. `at` is ISO 8601 in UTC; `data` is JSON without fractions."""

    at: str
    attempt: int
    kind: EntryKind
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Anchor:
    """One entry as it is known elsewhere; `sequence` None where only its hash is."""

    hash: str
    sequence: int | None = None


@dataclass(frozen=True, slots=True)
class Tail:
    """Where a receipt goes on: its last entry's sequence and hash, and its length in bytes."""

    sequence: int = 0
    hash: str = GENESIS
    length: int = 0

    @property
    def anchor(self) -> Anchor:
        return Anchor(self.hash, self.sequence)


class Torn(Exception):
    """The receipt does not end in an entry, so nothing can follow it."""


# ---- writing


def chain(request_id: str, tail: Tail, entries: Iterable[Entry]) -> tuple[tuple[bytes, ...], Tail]:
    """The lines that put these entries on record after `tail`, and the tail then."""
    lines = []
    for entry in entries:
        content = {
            "request": request_id,
            "sequence": tail.sequence + 1,
            "prev": tail.hash,
            "at": entry.at,
            "attempt": entry.attempt,
            "kind": entry.kind,
            "data": entry.data,
        }
        digest = _digest(content)
        line = _canonical({**content, "hash": digest}) + b"\n"
        lines.append(line)
        tail = Tail(tail.sequence + 1, digest, tail.length + len(line))
    return tuple(lines), tail


def tail_of(receipt: bytes) -> Tail:
    """Where this receipt goes on; `Torn` when its end is no entry."""
    if not receipt:
        return Tail()
    line = _read(receipt[receipt.rfind(b"\n", 0, -1) + 1 : -1]) if receipt.endswith(b"\n") else None
    if line is None or not line.intact:
        raise Torn
    return Tail(line.sequence, line.hash, len(receipt))


def _canonical(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical(content)).hexdigest()


# ---- reading


@dataclass(frozen=True, slots=True)
class Line:
    """One entry as it stands in a receipt. `intact`: it is canonical, and its hash is that of what it says."""

    request: str
    sequence: int
    prev: str
    at: str
    attempt: int
    kind: str
    data: Mapping[str, Any]
    hash: str
    intact: bool


_MEMBERS = {"request": str, "sequence": int, "prev": str, "at": str, "attempt": int, "kind": str, "data": dict, "hash": str}


def lines(receipt: bytes) -> tuple[Line, ...]:
    """The entries that can be read."""
    return tuple(line for raw in receipt.split(b"\n") if (line := _read(raw)))


def _read(raw: bytes) -> Line | None:
    """The entry in these bytes; None when they hold none."""
    try:
        members = json.loads(raw)
        if not isinstance(members, dict) or {name: type(value) for name, value in members.items()} != _MEMBERS:
            return None
        digest = _digest({name: value for name, value in members.items() if name != "hash"})
        return Line(**members, intact=digest == members["hash"] and _canonical(members) == raw)
    except (ValueError, RecursionError):
        return None


# ---- checking


class Fault(StrEnum):
    """`edited`: an entry says what it did not say. `gap`: entries are missing. `reordered`: one stands out of order or twice.

    `foreign`: an entry is another request's. `torn`: a line is no entry. Against an anchor: `truncated`, the receipt ends before
    it; `rewritten`, another entry stands in its place. `missing`: there should be a receipt (`verify` alone cannot know).
    """

    EDITED = "edited"
    GAP = "gap"
    REORDERED = "reordered"
    FOREIGN = "foreign"
    TORN = "torn"
    TRUNCATED = "truncated"
    REWRITTEN = "rewritten"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, with which line (from 1) or which anchor."""

    fault: Fault
    line: int | None = None
    anchor: Anchor | None = None


def verify(receipt: bytes, request_id: str, anchors: Iterable[Anchor] = ()) -> tuple[Finding, ...]:
    """Everything that is wrong with the receipt of this request; nothing: it is whole up to the last of the anchors."""
    *raws, rest = receipt.split(b"\n")
    found = [_read(raw) for raw in raws]
    torn = [Finding(Fault.TORN, len(raws) + 1)] if rest else []
    return (*_in_lines(found, request_id), *torn, *_against(found, anchors))


def _in_lines(found: Sequence[Line | None], request_id: str) -> Iterator[Finding]:
    present = {line.sequence for line in found if line}
    follows = Tail()
    for number, line in enumerate(found, 1):
        if line is None:
            yield Finding(Fault.TORN, number)
            follows = Tail(follows.sequence + 1, "")
            continue
        if not line.intact:
            yield Finding(Fault.EDITED, number)
        if line.request != request_id:
            yield Finding(Fault.FOREIGN, number)
        if line.sequence != follows.sequence + 1:
            skipped = line.sequence - follows.sequence - 1
            elsewhere = sum(follows.sequence < one < line.sequence for one in present)
            yield Finding(Fault.GAP if skipped > elsewhere else Fault.REORDERED, number)
        elif line.prev != follows.hash and follows.hash:
            yield Finding(Fault.EDITED, max(number - 1, 1))
        follows = Tail(line.sequence, line.hash)


def _against(found: Sequence[Line | None], anchors: Iterable[Anchor]) -> Iterator[Finding]:
    hashes = {line.sequence: line.hash for line in found if line and line.intact}
    for anchor in anchors:
        places = [sequence for sequence, digest in hashes.items() if digest == anchor.hash]
        if places and anchor.sequence in (None, *places):
            continue
        elsewhere = bool(places) or anchor.sequence in hashes
        yield Finding(Fault.REWRITTEN if elsewhere else Fault.TRUNCATED, anchor=anchor)
